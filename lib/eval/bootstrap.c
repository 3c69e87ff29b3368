/* bootstrap.c - the spread of a statistic over resamples. The numbers of resample r are a stream of their own, so that
 * its samples do not depend on what the statistic did before. */
#include "base/rng.h"
#include "eval/eval.h"

#include <math.h>
#include <stdlib.h>

static const nnopt_bootstrap_options defaults = { .struct_size = sizeof defaults,
						  .resamples = 2000,
						  .confidence = 0.95 };

nnopt_status nnopt_bootstrap_options_init(nnopt_bootstrap_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "bootstrap_options");
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Linear between neighbours, as numpy's. */
static double quantile(const double *sorted, int64_t n, double p)
{
	double at = p * (double)(n - 1);
	int64_t below = (int64_t)at;
	double part = at - (double)below;
	return part > 0.0 ? sorted[below] + part * (sorted[below + 1] - sorted[below]) : sorted[below];
}

static void summarise(nnopt_estimate *r, double *values, int64_t n, double confidence)
{
	double mean = 0.0, squares = 0.0;
	r->low = r->high = r->error = NAN;
	if (n < 2)
		return;
	qsort(values, (size_t)n, sizeof *values, ascending);
	r->low = quantile(values, n, 0.5 - confidence / 2.0);
	r->high = quantile(values, n, 0.5 + confidence / 2.0);
	for (int64_t i = 0; i < n; i++)
		mean += values[i] / (double)n;
	for (int64_t i = 0; i < n; i++)
		squares += (values[i] - mean) * (values[i] - mean);
	r->error = sqrt(squares / (double)(n - 1));
}

static nnopt_status ask(double *value, nnopt_statistic_fn statistic, const int64_t *indices, int64_t samples,
			void *user, const char *what)
{
	unsigned before = nno_failures();
	*value = NAN;
	if (nno_fail_caller(before, statistic(value, indices, samples, user)) == NNOPT_OK)
		return NNOPT_OK;
	return nno_fail_in(NNOPT_ERROR_CALLBACK, "%s: the statistic failed", what);
}

static nnopt_status run(nnopt_estimate *r, int64_t *indices, double *values, int64_t samples,
			nnopt_statistic_fn statistic, void *user, const nnopt_bootstrap_options *o, const char *what)
{
	int64_t found = 0;
	for (int64_t i = 0; i < samples; i++)
		indices[i] = i;
	nnopt_status status = ask(&r->value, statistic, indices, samples, user, what);
	for (int64_t k = 0; k < o->resamples && status == NNOPT_OK; k++) {
		nno_rng rng;
		nno_rng_start(&rng, o->seed, NNO_RNG_BOOTSTRAP, (uint64_t)k, 0);
		for (int64_t i = 0; i < samples; i++)
			indices[i] = (int64_t)nno_rng_below(&rng, (uint64_t)samples);
		status = ask(&values[found], statistic, indices, samples, user, what);
		found += values[found] == values[found];
	}
	if (status == NNOPT_OK)
		summarise(r, values, found, o->confidence);
	return status;
}

nnopt_status nno_bootstrap(nnopt_estimate *out, nnopt_context *context, int64_t samples, nnopt_statistic_fn statistic,
			   void *user, const nnopt_bootstrap_options *options, const char *what)
{
	nnopt_bootstrap_options o = defaults;
	nnopt_estimate r = { .struct_size = sizeof r, .p = NAN, .count = samples };
	nnopt_status status = nnopt_result_check(out, what);
	if (status == NNOPT_OK)
		status = nnopt_options_read(&o, sizeof o, options, what);
	if (status == NNOPT_OK)
		status = nno_check_confidence(o.confidence, what);
	if (status == NNOPT_OK && (o.resamples < 0 || o.resamples > INT64_C(1) << 24))
		status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %lld resamples, 0 to 2^24 wanted", what,
				  (long long)o.resamples);
	if (status == NNOPT_OK && (samples < 1 || samples > INT64_C(1) << 40))
		status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %lld samples, 1 to 2^40 wanted", what,
				  (long long)samples);
	if (status != NNOPT_OK)
		return status;
	int64_t *indices = nnopt_context_alloc(context, (size_t)samples * sizeof *indices);
	double *values = nnopt_context_alloc(context, (size_t)(o.resamples + 1) * sizeof *values);
	status = indices != NULL && values != NULL
		     ? run(&r, indices, values, samples, statistic, user, &o, what)
		     : nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "%s: out of memory for %lld resamples of %lld samples", what,
				(long long)o.resamples, (long long)samples);
	nnopt_context_free(context, indices);
	nnopt_context_free(context, values);
	if (status == NNOPT_OK)
		nnopt_result_give(out, &r, sizeof r);
	return status;
}

nnopt_status nnopt_bootstrap(nnopt_estimate *estimate, nnopt_context *context, int64_t samples,
			     nnopt_statistic_fn statistic, void *user, const nnopt_bootstrap_options *options)
{
	if (estimate == NULL || context == NULL || statistic == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "bootstrap: estimate, context or statistic is NULL");
	return nno_bootstrap(estimate, context, samples, statistic, user, options, "bootstrap");
}
