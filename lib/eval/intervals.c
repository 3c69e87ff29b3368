/* intervals.c - what can be said of a mean or a share from few numbers. */
#include "eval/eval.h"

#include <float.h>
#include <math.h>

static const double half_pi = 1.57079632679489661923;

nnopt_status nno_check_confidence(double confidence, const char *what)
{
	if (confidence > 0.0 && confidence < 1.0)
		return NNOPT_OK;
	return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: confidence %g, 0 < confidence < 1 wanted", what, confidence);
}

/* By bisection on erfc: monotone, so it ends at neighbouring doubles. */
double nno_normal_quantile(double p)
{
	double low = -40.0, high = 40.0;
	for (int i = 0; i < 200; i++) {
		double middle = 0.5 * (low + high);
		if (0.5 * erfc(-middle / 1.4142135623730951) < p)
			low = middle;
		else
			high = middle;
	}
	return 0.5 * (low + high);
}

void nno_wilson(int64_t hits, int64_t n, double confidence, double *low, double *high)
{
	*low = 0.0;
	*high = 1.0;
	if (n == 0)
		return;
	double z = nno_normal_quantile(0.5 + confidence / 2.0), p = (double)hits / (double)n, m = (double)n;
	double centre = (p + z * z / (2 * m)) / (1 + z * z / m);
	double half = z * sqrt(p * (1 - p) / m + z * z / (4 * m * m)) / (1 + z * z / m);
	*low = hits > 0 ? centre - half : 0.0;
	*high = hits < n ? centre + half : 1.0;
}

/* Probability that Student's t lies farther out than tan(angle) sqrt(degrees): the sums of Abramowitz and Stegun 26.7.3
 * and 26.7.4. Taken on for ever, their terms add up to what makes the probability inside 1: behind t = 1 those that are
 * left out there are summed, so that small probabilities are not differences of large ones. */
static double student_outside(double angle, int64_t degrees)
{
	double c = cos(angle), s = sin(angle), inside = 0.0, outside = 0.0;
	bool odd = degrees % 2 == 1, far = s * s * (double)degrees > c * c;
	double term = odd ? c : 1.0, whole = odd ? half_pi : 1.0;
	for (int64_t k = odd ? 3 : 2; k <= degrees || (far && term > outside * DBL_EPSILON); k += 2) {
		*(k <= degrees ? &inside : &outside) += term;
		term *= c * c * (double)(k - 1) / (double)k;
	}
	return far ? s * outside / whole : 1.0 - ((odd ? angle : 0.0) + s * inside) / whole;
}

/* The t that is exceeded, on either side, with the probability 1 - confidence. */
static double student_quantile(double confidence, int64_t degrees)
{
	double low = 0.0, high = half_pi, n = (double)degrees;
	if (degrees > 1000000) { /* 26.7.5; what follows is below 1e-12 */
		double z = nno_normal_quantile(0.5 + confidence / 2.0);
		return z + (z * z * z + z) / (4.0 * n);
	}
	for (int i = 0; i < 60; i++) {
		double middle = 0.5 * (low + high);
		if (student_outside(middle, degrees) > 1.0 - confidence)
			low = middle;
		else
			high = middle;
	}
	return tan(0.5 * (low + high)) * sqrt(n);
}

/* The largest magnitude so far, with those of `x`. */
static nnopt_status find_largest(double *largest, const double *x, int64_t count, const char *name, const char *what)
{
	for (int64_t i = 0; i < count; i++) {
		if (!isfinite(x[i]))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s[%lld] is %g, finite ones wanted", what,
					name, (long long)i, x[i]);
		*largest = fmax(*largest, fabs(x[i]));
	}
	return NNOPT_OK;
}

/* Result i times 2^-power: first[i], or where there is a second second[i] - first[i]. */
static double result_of(const double *first, const double *second, int64_t i, int power)
{
	double x = ldexp(first[i], -power);
	return second != NULL ? ldexp(second[i], -power) - x : x;
}

/* Everything is computed in parts of a power of two near the largest result, so that no sum, difference or square is
 * out of range; the bits are the same. */
static nnopt_status t_interval(nnopt_estimate *out, const double *first, const double *second, int64_t count,
			       double confidence, const char *what)
{
	nnopt_estimate r = { .struct_size = sizeof r, .count = count };
	double sum = 0.0, squares = 0.0, n = (double)count, largest = 0.0;
	int power = 0;
	nnopt_status status = nnopt_result_check(out, what);
	if (status == NNOPT_OK)
		status = nno_check_confidence(confidence, what);
	if (status == NNOPT_OK && count < 1)
		status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %lld results, 1 or more wanted", what,
				  (long long)count);
	if (status == NNOPT_OK)
		status = find_largest(&largest, first, count, second != NULL ? "first" : "results", what);
	if (status == NNOPT_OK && second != NULL)
		status = find_largest(&largest, second, count, "second", what);
	if (status != NNOPT_OK)
		return status;
	(void)frexp(largest, &power);
	for (int64_t i = 0; i < count; i++)
		sum += result_of(first, second, i, power);
	double mean = sum / n;
	r.value = ldexp(mean, power);
	r.low = r.high = r.error = r.p = NAN;
	for (int64_t i = 0; i < count; i++) {
		double d = result_of(first, second, i, power) - mean;
		squares += d * d;
	}
	if (count > 1) {
		double error = sqrt(squares / (n - 1.0) / n), half = student_quantile(confidence, count - 1) * error;
		r.error = ldexp(error, power);
		r.low = ldexp(mean - half, power);
		r.high = ldexp(mean + half, power);
		if (second != NULL) /* of 0 / 0, where all runs are equal, 0 comes */
			r.p = student_outside(atan2(fabs(mean) / sqrt(n - 1.0), error), count - 1);
	}
	nnopt_result_give(out, &r, sizeof r);
	return NNOPT_OK;
}

nnopt_status nnopt_mean_interval(nnopt_estimate *mean, const double *results, int64_t count, double confidence)
{
	if (mean == NULL || results == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "mean_interval: mean or results is NULL");
	return t_interval(mean, results, NULL, count, confidence, "mean_interval");
}

nnopt_status nnopt_paired_interval(nnopt_estimate *gain, const double *first, const double *second, int64_t count,
				   double confidence)
{
	if (gain == NULL || first == NULL || second == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "paired_interval: gain, first or second is NULL");
	return t_interval(gain, first, second, count, confidence, "paired_interval");
}
