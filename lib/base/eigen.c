/* eigen.c - the cyclic method of Jacobi; Golub and Van Loan, "Matrix Computations", section 8.5. It is slow for large
 * matrices, and as exact as a double allows for all. */
#include "base/eigen.h"

#include <math.h>
#include <string.h>

enum { MOST_SWEEPS = 64 }; /* convergence is quadratic: a dozen are enough */

static void turn_rows(double *x, double *y, int64_t n, double c, double s)
{
	for (int64_t k = 0; k < n; k++) {
		double p = x[k], q = y[k];
		x[k] = c * p - s * q;
		y[k] = s * p + c * q;
	}
}

static void turn_columns(double *a, int64_t n, int64_t p, int64_t q, double c, double s)
{
	for (int64_t k = 0; k < n; k++) {
		double x = a[k * n + p], y = a[k * n + q];
		a[k * n + p] = c * x - s * y;
		a[k * n + q] = s * x + c * y;
	}
}

/* The rotation that makes a[p][q] zero, by the smaller of the two angles. */
static void rotate(double *a, double *vectors, int64_t n, int64_t p, int64_t q)
{
	double off = a[p * n + q];
	if (off == 0.0)
		return;
	double theta = (a[q * n + q] - a[p * n + p]) / (2.0 * off);
	double t = (theta < 0.0 ? -1.0 : 1.0) / (fabs(theta) + sqrt(theta * theta + 1.0));
	double c = 1.0 / sqrt(t * t + 1.0), s = t * c;
	turn_rows(a + p * n, a + q * n, n, c, s);
	turn_columns(a, n, p, q, c, s);
	turn_rows(vectors + p * n, vectors + q * n, n, c, s);
	a[p * n + q] = a[q * n + p] = 0.0;
}

/* Whether nothing is left beside the diagonal that a double could tell from it. */
static int is_diagonal(const double *a, int64_t n)
{
	double off = 0.0, all = 0.0;
	for (int64_t i = 0; i < n; i++)
		for (int64_t k = 0; k < n; k++) {
			double square = a[i * n + k] * a[i * n + k];
			all += square;
			off += i != k ? square : 0.0;
		}
	return off <= 1e-34 * all;
}

static void swap_rows(double *x, double *y, int64_t n)
{
	for (int64_t k = 0; k < n; k++) {
		double kept = x[k];
		x[k] = y[k];
		y[k] = kept;
	}
}

void nno_eigen_symmetric(double *a, int64_t n, double *values, double *vectors)
{
	memset(vectors, 0, (size_t)(n * n) * sizeof *vectors);
	for (int64_t i = 0; i < n; i++)
		vectors[i * n + i] = 1.0;
	for (int sweep = 0; sweep < MOST_SWEEPS && !is_diagonal(a, n); sweep++)
		for (int64_t p = 0; p < n; p++)
			for (int64_t q = p + 1; q < n; q++)
				rotate(a, vectors, n, p, q);
	for (int64_t i = 0; i < n; i++)
		values[i] = a[i * n + i];
	for (int64_t i = 0; i < n; i++) {
		int64_t largest = i;
		for (int64_t k = i + 1; k < n; k++)
			largest = values[k] > values[largest] ? k : largest;
		if (largest != i) {
			swap_rows(values + i, values + largest, 1);
			swap_rows(vectors + i * n, vectors + largest * n, n);
		}
	}
}
