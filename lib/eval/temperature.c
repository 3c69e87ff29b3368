/* temperature.c - the temperature at which logits are the best probabilities. */
#include "eval/eval.h"

#include <math.h>
#include <string.h>

/* Where the search ends: beyond, probabilities are 0 and 1, or all alike. */
#define COLDEST 1e-3
#define HOTTEST 1e3

/* First and second derivative of the mean negative log likelihood by b = 1 / T, in which it is convex: the label's
 * logit is to be what the probabilities expect of a logit. */
static double slope_at(const nno_scored *s, double b, double *curvature)
{
	double slope = 0.0;
	*curvature = 0.0;
	for (int64_t i = 0; i < s->n; i++) {
		const float *row = s->scores + i * s->columns;
		if (nno_left_out(row, s->columns))
			continue;
		double top = (double)row[nno_best_class(row, s->columns)], sum = 0.0, first = 0.0, second = 0.0;
		for (int64_t c = 0; c < s->columns; c++) {
			double x = (double)row[c] - top, e = exp(b * x);
			sum += e;
			first += e * x;
			second += e * x * x;
		}
		first /= sum;
		slope += (first - ((double)row[nno_label_at(s->labels, i)] - top)) / (double)s->count;
		*curvature += (second / sum - first * first) / (double)s->count;
	}
	return slope;
}

/* Newton's steps on the slope; the middle of the bracket where one leads out of it, or is not half the last one. */
static double find_temperature(const nno_scored *s)
{
	double low = 1.0 / HOTTEST, high = 1.0 / COLDEST, b = 1.0, step = high, curvature;
	if (slope_at(s, low, &curvature) >= 0.0)
		return HOTTEST;
	if (slope_at(s, high, &curvature) <= 0.0)
		return COLDEST;
	for (int i = 0; i < 200 && step > 1e-13 * b; i++) {
		double slope = slope_at(s, b, &curvature), next = b - slope / curvature;
		*(slope < 0.0 ? &low : &high) = b;
		if (!(next > low && next < high && fabs(next - b) < step / 2.0))
			next = sqrt(low * high);
		step = fabs(next - b);
		b = next;
	}
	return 1.0 / b;
}

nnopt_status nnopt_temperature_fit(double *temperature, const nnopt_tensor *logits, const nnopt_tensor *labels)
{
	nno_scored s;
	if (temperature == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "temperature_fit: temperature is NULL");
	nnopt_status status = nno_scored_read(&s, logits, labels, NNO_LOGITS, "temperature_fit");
	if (status == NNOPT_OK)
		*temperature = find_temperature(&s);
	return status;
}

nnopt_status nnopt_temperature_apply(nnopt_tensor **probabilities, nnopt_context *context, const nnopt_tensor *logits,
				     double temperature)
{
	nnopt_tensor *made = NULL;
	if (probabilities == NULL || context == NULL || logits == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				  "temperature_apply: probabilities, context or logits is NULL");
	if (nnopt_tensor_dtype(logits) != NNOPT_F32 || nnopt_tensor_rank(logits) != 2 ||
	    nnopt_tensor_extent(logits, 1) < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"temperature_apply: logits of type %s, rank %d and %lld columns, f32 (samples, "
				"classes) with 1 class or more wanted",
				nnopt_dtype_name(nnopt_tensor_dtype(logits)), (int)nnopt_tensor_rank(logits),
				(long long)nnopt_tensor_extent(logits, 1));
	if (!(temperature > 0.0 && isfinite(temperature)))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"temperature_apply: temperature %g, finite and above 0 wanted", temperature);
	int64_t shape[2] = { nnopt_tensor_extent(logits, 0), nnopt_tensor_extent(logits, 1) };
	nnopt_status status = nnopt_tensor_create(&made, context, NNOPT_F32, 2, shape, NNOPT_NCHW);
	if (status != NNOPT_OK)
		return status;
	float *row = nnopt_tensor_data(made);
	memcpy(row, nnopt_tensor_const_data(logits), nnopt_tensor_bytes(logits));
	for (int64_t i = 0; i < shape[0]; i++, row += shape[1])
		nno_softmax_row(row, shape[1], temperature);
	*probabilities = made;
	return NNOPT_OK;
}
