/* on_demand.c - OpenBLAS is loaded for contexts that allow it and for no others; its products against plain sums. */
#include "check.h"

#include "blas/blas.h"
#include "context/context.h"

#include <link.h>
#include <math.h>
#include <stdbool.h>

static int names_openblas(struct dl_phdr_info *info, size_t size, void *user)
{
	(void)size;
	(void)user;
	return info->dlpi_name != NULL && strstr(info->dlpi_name, "openblas") != NULL;
}

static bool loaded(void) { return dl_iterate_phdr(names_openblas, NULL) != 0; }

static int deterministic_as_created(int32_t asked)
{
	nnopt_context_options o;
	nnopt_context *ctx = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.deterministic = asked;
	assert_ok(nnopt_context_create(&ctx, &o));
	int is = ctx->deterministic;
	nnopt_context_destroy(ctx);
	return is;
}

static void loaded_when_allowed(void **state)
{
	(void)state;
	assert_false(loaded());
	assert_int_equal(deterministic_as_created(1), 1);
	assert_false(loaded());
	assert_int_equal(deterministic_as_created(0), 0);
	assert_true(loaded());
	assert_int_equal(deterministic_as_created(1), 1);
	assert_true(nno_blas_available());
}

enum { M = 5, N = 7, K = 11, WIDE = 13 };

static void products(void **state)
{
	(void)state;
	static float a[WIDE * WIDE], b[WIDE * WIDE], c[M * WIDE];
	assert_true(nno_blas_available());
	for (int i = 0; i < WIDE * WIDE; i++) {
		a[i] = sinf((float)i);
		b[i] = cosf((float)i);
	}
	for (int way = 0; way < 8; way++) {
		int turned_a = way & 1, turned_b = way >> 1 & 1;
		float beta = way >> 2 ? 1.0f : 0.0f;
		for (int i = 0; i < M * WIDE; i++)
			c[i] = (float)i;
		nno_blas_sgemm(turned_a, turned_b, M, N, K, a, WIDE, b, WIDE, beta, c, WIDE);
		for (int i = 0; i < M; i++)
			for (int j = 0; j < WIDE; j++) {
				double before = i * WIDE + j, sum = beta * before;
				for (int k = 0; k < K; k++)
					sum += (double)(turned_a ? a[k * WIDE + i] : a[i * WIDE + k]) *
					       (double)(turned_b ? b[j * WIDE + k] : b[k * WIDE + j]);
				double got = c[i * WIDE + j], wanted = j < N ? sum : before;
				if (!(fabs(got - wanted) <= 1e-5 * (1.0 + fabs(wanted))))
					fail_msg("way %d, row %d, column %d: %g, %g wanted", way, i, j, got, wanted);
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(loaded_when_allowed), cmocka_unit_test(products) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
