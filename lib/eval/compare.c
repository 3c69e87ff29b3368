/* compare.c - two models on the same samples, by who is right. */
#include "eval/eval.h"

#include <float.h>
#include <math.h>

typedef struct pair {
	nno_scored first, second;
	int64_t count; /* samples that both have scores for */
} pair;

static nnopt_status read_pair(pair *p, const nnopt_tensor *first, const nnopt_tensor *second,
			      const nnopt_tensor *labels, const char *what)
{
	nnopt_status status = nno_scored_read(&p->first, first, labels, NNO_ANY_SCORES, what);
	return status == NNOPT_OK ? nno_scored_read(&p->second, second, labels, NNO_ANY_SCORES, what) : status;
}

static bool is_right(const nno_scored *s, int64_t i)
{
	return nno_best_class(s->scores + i * s->columns, s->columns) == nno_label_at(s->labels, i);
}

static bool is_judged(const pair *p, int64_t i)
{
	return !nno_left_out(p->first.scores + i * p->first.columns, p->first.columns) &&
	       !nno_left_out(p->second.scores + i * p->second.columns, p->second.columns);
}

/* 2^-n times the sum of C(n, 0) to C(n, k), k at most n / 2: from the largest term down. */
static double binomial_tail(int64_t k, int64_t n)
{
	double log_term = -(double)n * log(2.0), sum = 0.0;
	for (int64_t i = 1; i <= k; i++)
		log_term += log((double)(n - k + i) / (double)i);
	for (double term = exp(log_term); k >= 0 && term > sum * DBL_EPSILON / 16; k--) {
		sum += term;
		term *= (double)k / (double)(n - k + 1);
	}
	return sum;
}

nnopt_status nnopt_mcnemar(nnopt_mcnemar_result *out, const nnopt_tensor *first, const nnopt_tensor *second,
			   const nnopt_tensor *labels)
{
	pair p = { .count = 0 };
	nnopt_mcnemar_result r = { .struct_size = sizeof r, .exact_p = 1.0, .p = 1.0 };
	nnopt_status status = nnopt_result_check(out, "mcnemar");
	if (status == NNOPT_OK)
		status = read_pair(&p, first, second, labels, "mcnemar");
	if (status != NNOPT_OK)
		return status;
	for (int64_t i = 0; i < p.first.n; i++) {
		if (!is_judged(&p, i))
			continue;
		bool a = is_right(&p.first, i), b = is_right(&p.second, i);
		++*(a ? b ? &r.both : &r.first_only : b ? &r.second_only : &r.neither);
	}
	if (r.both + r.first_only + r.second_only + r.neither == 0)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				  "mcnemar: no sample that both have scores for, 1 or more wanted");
	int64_t n = r.first_only + r.second_only, least = r.first_only < r.second_only ? r.first_only : r.second_only;
	if (2 * least < n) {
		r.exact_p = fmin(2.0 * binomial_tail(least, n), 1.0);
		r.statistic = (double)(n - 2 * least - 1) * (double)(n - 2 * least - 1) / (double)n;
		r.p = erfc(sqrt(r.statistic / 2.0));
	}
	nnopt_result_give(out, &r, sizeof r);
	return NNOPT_OK;
}

static nnopt_status mean_gain(double *value, const int64_t *indices, int64_t count, void *user)
{
	const int8_t *gain = user;
	int64_t sum = 0;
	for (int64_t i = 0; i < count; i++)
		sum += gain[indices[i]];
	*value = (double)sum / (double)count;
	return NNOPT_OK;
}

nnopt_status nnopt_accuracy_difference(nnopt_estimate *difference, nnopt_context *context, const nnopt_tensor *first,
				       const nnopt_tensor *second, const nnopt_tensor *labels,
				       const nnopt_bootstrap_options *options)
{
	pair p = { .count = 0 };
	if (difference == NULL || context == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "accuracy_difference: difference or context is NULL");
	nnopt_status status = read_pair(&p, first, second, labels, "accuracy_difference");
	if (status != NNOPT_OK)
		return status;
	int8_t *gain = nnopt_context_alloc(context, (size_t)p.first.n);
	if (gain == NULL)
		return nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "accuracy_difference: out of memory for %lld samples",
				(long long)p.first.n);
	for (int64_t i = 0; i < p.first.n; i++)
		if (is_judged(&p, i))
			gain[p.count++] = (int8_t)(is_right(&p.second, i) - is_right(&p.first, i));
	status = nno_bootstrap(difference, context, p.count, mean_gain, gain, options, "accuracy_difference");
	nnopt_context_free(context, gain);
	return status;
}
