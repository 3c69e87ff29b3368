/* eigen.c - eigenvectors against their definition: orthonormal, of their values, the largest first. */
#include "check.h"
#include "golden.h"

#include "base/eigen.h"

#include <math.h>

enum { MOST = 48 };

static double matrix[MOST * MOST], used[MOST * MOST], values[MOST], vectors[MOST * MOST];

static void expect_eigenvectors(int64_t n, double size)
{
	memcpy(used, matrix, sizeof used);
	nno_eigen_symmetric(used, n, values, vectors);
	for (int64_t i = 0; i < n; i++) {
		const double *v = vectors + i * n;
		assert_true(i == 0 || values[i - 1] >= values[i]);
		for (int64_t k = 0; k <= i; k++) {
			double dot = 0.0;
			for (int64_t j = 0; j < n; j++)
				dot += v[j] * vectors[k * n + j];
			assert_true(fabs(dot - (i == k)) <= 1e-13);
		}
		for (int64_t r = 0; r < n; r++) {
			double product = 0.0;
			for (int64_t j = 0; j < n; j++)
				product += matrix[r * n + j] * v[j];
			if (!(fabs(product - values[i] * v[r]) <= 1e-13 * size))
				fail_msg("n = %d: row %d of eigenvector %d is off by %g", (int)n, (int)r, (int)i,
					 product - values[i] * v[r]);
		}
	}
}

static void random_matrices(void **state)
{
	(void)state;
	for (int64_t n = 1; n <= MOST; n++) {
		for (int64_t i = 0; i < n; i++)
			for (int64_t k = 0; k <= i; k++)
				matrix[i * n + k] = matrix[k * n + i] = (double)number(1, (uint32_t)(i * MOST + k));
		expect_eigenvectors(n, 2.0 * (double)n);
	}
}

/* Of rank 2, of equal values, diagonal in the wrong order, and zero. */
static void degenerate_matrices(void **state)
{
	(void)state;
	enum { N = 12 };
	for (int form = 0; form < 4; form++) {
		for (int i = 0; i < N; i++)
			for (int k = 0; k < N; k++)
				matrix[i * N + k] = form == 0   ? (double)(i * k) + 1.0
						    : form == 1 ? (double)(i == k) + 3.0
						    : form == 2 ? (double)(i == k) * (double)i
								: 0.0;
		expect_eigenvectors(N, 1000.0);
	}
	assert_true(values[0] == 0.0);
}

static void spread_over_many_decades(void **state)
{
	(void)state;
	enum { N = 10 };
	for (int i = 0; i < N; i++)
		for (int k = 0; k < N; k++)
			matrix[i * N + k] = pow(10.0, -(double)(i + k)) * (1.0 + (double)(i == k));
	expect_eigenvectors(N, 2.0);
	assert_true(values[N - 1] > 0.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_matrices),
		cmocka_unit_test(degenerate_matrices),
		cmocka_unit_test(spread_over_many_decades),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
