/* check_training.c - the kernels of losses and optimizers: every ISA against scalar, every length up to several vectors,
 * blocks of exactly the length so that a sanitizer sees any step outside. */
#include "check.h"
#include "golden.h"

#include "kernel/kernel.h"

#include <math.h>

static const int isas[] = { NNOPT_ISA_AVX2, NNOPT_ISA_AVX512, NNOPT_ISA_NEON };
static const int64_t lengths[] = { 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 63, 65, 100, 511, 512, 513, 1000, 1537 };

typedef void (*check)(const nno_kernels *k, int64_t n, float *const out[4], double sums[2]);

static float *block(int64_t n, uint32_t stream, float scale)
{
	float *x = malloc((size_t)n * sizeof *x);
	assert_non_null(x);
	for (int64_t i = 0; i < n; i++)
		x[i] = number(stream, (uint32_t)i) * scale;
	return x;
}

static void softmax_row(const nno_kernels *k, int64_t n, float *const out[4], double sums[2])
{
	float *x = block(n, 1, 20.0f), s[2];
	k->softmax_row_f32(out[0], x, n, s);
	sums[0] = (double)s[0], sums[1] = (double)s[1];
	k->softmax_row_f32(NULL, x, n, s);
	assert_true(sums[0] == (double)s[0] && sums[1] == (double)s[1]);
	free(x);
}

static void targets(const nno_kernels *k, int64_t n, float *const out[4], double sums[2])
{
	float *x = block(n, 1, 3.0f), *w = block(n, 2, 1.0f), *t = block(n, 3, 1.0f), s[2];
	sums[0] = sums[1] = 0.0;
	for (int i = 0; i < 4; i++) {
		k->target_sums_f32(x, 6.0f, i & 1 ? w : NULL, i & 2 ? t : NULL, 0.5f, 0.25f, n, s);
		sums[0] += (double)s[0], sums[1] += (double)s[1];
		k->target_gradient_f32(out[i], 0.75f, i & 1 ? w : NULL, i & 2 ? t : NULL, 0.5f, 0.25f, n);
	}
	free(x);
	free(w);
	free(t);
}

static void elementwise_losses(const nno_kernels *k, int64_t n, float *const out[4], double sums[2])
{
	float *x = block(n, 1, 8.0f), *t = block(n, 2, 0.25f), *p = block(n, 3, 1.0f);
	double more;
	k->squared_error_f32(out[0], x, t, 0.5f, n, &sums[0]);
	k->squared_error_f32(NULL, x, t, 0.5f, n, &more);
	assert_true(more == sums[0]);
	k->logit_bce_f32(out[1], x, t, p, 1.0f, 0.5f, n, &sums[1]);
	k->logit_bce_f32(out[2], x, t, NULL, 1.5f, 2.0f, n, &more);
	sums[1] += more;
	free(x);
	free(t);
	free(p);
}

static const nno_gradient_step gradient = { 0.5f, 0.75f, 0.01f, 0.02f };

static void sgd(const nno_kernels *k, int64_t n, float *const out[4], double sums[2])
{
	float *g = block(n, 5, 1.0f);
	k->sgd_f32(out[0], g, NULL, &(nno_sgd_step){ gradient, 0.1f, 0.0f, 1.0f, 0 }, n);
	k->sgd_f32(out[1], g, out[2], &(nno_sgd_step){ gradient, 0.1f, 0.9f, 0.5f, 1 }, n);
	k->sum_squares_f32(g, n, &sums[0]);
	sums[1] = 0.0;
	free(g);
}

static void adam(const nno_kernels *k, int64_t n, float *const out[4], double sums[2])
{
	float *g = block(n, 5, 1.0f);
	for (int64_t i = 0; i < n; i++)
		out[2][i] = fabsf(out[2][i]);
	k->adam_f32(out[0], g, out[1], out[2], &(nno_adam_step){ gradient, 0.1f, 0.999f, 0.001f, 0.05f, 3.0f, 1e-3f, 0.99f }, n);
	sums[0] = sums[1] = 0.0;
	free(g);
}

static void rmsprop(const nno_kernels *k, int64_t n, float *const out[4], double sums[2])
{
	float *g = block(n, 5, 1.0f), *w = block(n, 6, 1.0f);
	for (int64_t i = 0; i < n; i++)
		out[1][i] = fabsf(out[1][i]) + 5.0f;
	const nno_rmsprop_step step = { gradient, 0.05f, 0.95f, 0.05f, 1e-3f, 0.9f, 1 };
	k->rmsprop_f32(out[0], g, out[1], out[2], out[3], &step, n);
	k->rmsprop_f32(w, g, out[1], NULL, NULL, &step, n);
	sums[0] = sums[1] = 0.0;
	for (int64_t i = 0; i < n; i++)
		sums[0] += (double)w[i];
	free(g);
	free(w);
}

static void compare(check run, const nno_kernels *k, int64_t n)
{
	float *wanted[4], *got[4];
	double wanted_sums[2], got_sums[2];
	for (uint32_t i = 0; i < 4; i++) {
		wanted[i] = block(n, 20 + i, 1.0f);
		got[i] = block(n, 20 + i, 1.0f);
	}
	run(nno_kernels_of(NNOPT_ISA_SCALAR), n, wanted, wanted_sums);
	run(k, n, got, got_sums);
	for (int i = 0; i < 4; i++)
		for (int64_t j = 0; j < n; j++)
			if (!(fabsf(wanted[i][j] - got[i][j]) <= 4e-6f * (1.0f + fabsf(wanted[i][j]))))
				fail_msg("%s, %d elements: output %d at %d is %.9g, scalar %.9g", k->isa, (int)n, i, (int)j,
				         (double)got[i][j], (double)wanted[i][j]);
	for (int i = 0; i < 2; i++)
		if (!(fabs(wanted_sums[i] - got_sums[i]) <= 2e-5 * (1.0 + fabs(wanted_sums[i]))))
			fail_msg("%s, %d elements: sum %d is %.9g, scalar %.9g", k->isa, (int)n, i, got_sums[i], wanted_sums[i]);
	for (int i = 0; i < 4; i++) {
		free(wanted[i]);
		free(got[i]);
	}
}

static void every_isa_equals_scalar(void **state)
{
	(void)state;
	static const check checks[] = { softmax_row, targets, elementwise_losses, sgd, adam, rmsprop };
	for (size_t i = 0; i < NNO_COUNT(isas); i++)
		for (size_t c = 0; nno_kernels_of(isas[i]) != NULL && c < NNO_COUNT(checks); c++)
			for (size_t l = 0; l < NNO_COUNT(lengths); l++)
				compare(checks[c], nno_kernels_of(isas[i]), lengths[l]);
}

/* Exact products in double in one tree: not close but equal. */
static void sum_of_squares_has_the_same_bits(void **state)
{
	(void)state;
	for (size_t l = 0; l < NNO_COUNT(lengths); l++) {
		float *x = block(lengths[l], 9, 1e15f);
		double wanted, got;
		nno_kernels_of(NNOPT_ISA_SCALAR)->sum_squares_f32(x, lengths[l], &wanted);
		for (size_t i = 0; i < NNO_COUNT(isas); i++) {
			if (nno_kernels_of(isas[i]) == NULL)
				continue;
			nno_kernels_of(isas[i])->sum_squares_f32(x, lengths[l], &got);
			assert_memory_equal(&wanted, &got, sizeof wanted);
		}
		free(x);
	}
}

/* The exponential over all its range against libm in double, through a row whose maximum is 0. */
static void exponentials(void **state)
{
	(void)state;
	for (int isa = NNOPT_ISA_SCALAR; isa <= NNOPT_ISA_NEON; isa++) {
		const nno_kernels *k = nno_kernels_of(isa);
		if (k == NULL)
			continue;
		double worst = 0.0;
		for (int i = 0; i < 110000; i++) {
			float x[2] = { 0.0f, -(float)i / 1000.0f - 1e-4f * number(1, (uint32_t)i) }, e[2], sums[2];
			if (x[1] > 0.0f)
				continue;
			k->softmax_row_f32(e, x, 2, sums);
			double wanted = exp((double)x[1]);
			double ulp = wanted < 1.17549435e-38 ? 1.4e-45 : ldexp(1.0, ilogb(wanted) - 23);
			worst = fmax(worst, fabs((double)e[1] - wanted) / ulp);
		}
		if (!(worst <= 2.0))
			fail_msg("%s: exp is off by %g ulp", k->isa, worst);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_isa_equals_scalar),
		cmocka_unit_test(sum_of_squares_has_the_same_bits),
		cmocka_unit_test(exponentials),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
