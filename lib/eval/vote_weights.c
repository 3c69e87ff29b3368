/* vote_weights.c - votes, and the weights of their members from held-out samples. */
#include "eval/ensemble.h"

#include <math.h>
#include <string.h>

/* Divides by the sum; where that is 0, all are equal. */
static void share_out(double *weights, int32_t members)
{
	double sum = 0.0;
	for (int32_t m = 0; m < members; m++)
		sum += weights[m];
	for (int32_t m = 0; m < members; m++)
		weights[m] = sum > 0.0 ? weights[m] / sum : 1.0 / (double)members;
}

nnopt_status nnopt_vote_create(nnopt_ensemble **out, nnopt_context *context, nnopt_vote vote, const double *weights,
			       int32_t members, int32_t probabilities)
{
	if (out == NULL || context == NULL || members < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"vote_create: out or context is NULL, or members %d, 1 or more wanted", (int)members);
	nnopt_ensemble like = {
		.context = context, .vote = vote, .given = probabilities != 0, .members = members, .count = members
	};
	double sum = 0.0;
	for (int32_t m = 0; m < members; m++) {
		double weight = weights != NULL ? weights[m] : 1.0;
		if (!(isfinite(weight) && weight >= 0.0))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"vote_create: weights[%d] %g, finite and at least 0 wanted", (int)m, weight);
		sum += weight;
	}
	if (!(isfinite(sum) && sum > 0.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"vote_create: weights add up to %g, finite and above 0 wanted", sum);
	nnopt_status status = nno_vote_check("vote_create", vote);
	if (status == NNOPT_OK)
		status = nno_ensemble_create(out, "vote_create", &like);
	for (int32_t m = 0; m < members && status == NNOPT_OK; m++)
		(*out)->weights[m] = weights != NULL ? weights[m] : 1.0;
	if (status == NNOPT_OK)
		share_out((*out)->weights, members);
	return status;
}

static int64_t count_hits(const nno_samples *s, int32_t member)
{
	int64_t hits = 0;
	for (int64_t i = 0; i < s->n; i++)
		hits += nno_largest(nno_said(s, i, member), s->classes) == s->label[i];
	return hits;
}

static double log_odds(int64_t hits, int64_t n, int64_t classes)
{
	double a = ((double)hits + 0.5) / ((double)n + 1.0);
	return classes < 2 ? 0.0 : fmax(0.0, log(a / (1.0 - a)) + log((double)classes - 1.0));
}

/* What a vote comes to: hits, and of equals the sum of the labels' log-probabilities. */
typedef struct merit {
	int64_t hits;
	double likelihood;
} merit;

static int is_better(merit a, merit b) { return a.hits > b.hits || (a.hits == b.hits && a.likelihood > b.likelihood); }

/* The vote of those taken in, whose sums are given, and one more; `count` with it. */
static merit judge(const nno_samples *s, nnopt_vote vote, const double *sums, int32_t member, int64_t count,
		   double *mean)
{
	merit found = { 0, 0.0 };
	for (int64_t i = 0; i < s->n; i++) {
		const double *said = nno_said(s, i, member);
		for (int64_t c = 0; c < s->classes; c++)
			mean[c] = (sums[i * s->classes + c] + said[c]) / (double)count;
		found.hits += nno_largest(mean, s->classes) == s->label[i];
		if (vote == NNOPT_VOTE_PROBABILITIES)
			found.likelihood += log(fmax(mean[s->label[i]], NNO_LEAST_PROBABILITY));
		if (vote == NNOPT_VOTE_LOGITS)
			found.likelihood += mean[s->label[i]] - nno_log_sum_exp(mean, s->classes);
	}
	return found;
}

nnopt_status nno_greedy_weights(double *weights, const nno_samples *s, nnopt_vote vote, int64_t rounds)
{
	double *sums = nno_eval_array(s->context, s->n, s->classes, sizeof *sums);
	double *mean = nno_eval_array(s->context, s->classes, 1, sizeof *mean);
	double *taken = nno_eval_array(s->context, s->members, 1, sizeof *taken); /* times that each was */
	nnopt_status status = NNOPT_OK;
	merit top = { -1, 0.0 };
	if (sums == NULL || mean == NULL || taken == NULL)
		status = nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "vote_fit: out of memory");
	for (int64_t round = 1; round <= rounds && status == NNOPT_OK; round++) {
		merit best = { -1, 0.0 };
		int32_t chosen = 0;
		for (int32_t m = 0; m < s->members; m++) {
			merit found = judge(s, vote, sums, m, round, mean);
			if (m == 0 || is_better(found, best)) {
				best = found;
				chosen = m;
			}
		}
		taken[chosen] += 1.0;
		for (int64_t i = 0; i < s->n; i++)
			for (int64_t c = 0; c < s->classes; c++)
				sums[i * s->classes + c] += nno_said(s, i, chosen)[c];
		if (round == 1 || is_better(best, top)) {
			top = best;
			memcpy(weights, taken, (size_t)s->members * sizeof *weights);
		}
	}
	nnopt_context_free(s->context, sums);
	nnopt_context_free(s->context, mean);
	nnopt_context_free(s->context, taken);
	return status;
}

static const nnopt_vote_options defaults = { .struct_size = sizeof defaults,
					     .rounds = 50,
					     .tolerance = 1e-9,
					     .vote = NNOPT_VOTE_PROBABILITIES,
					     .weighting = NNOPT_WEIGHT_LIKELIHOOD };

nnopt_status nnopt_vote_options_init(nnopt_vote_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "vote_options");
}

static nnopt_status check(const nnopt_vote_options *o)
{
	if (o->weighting < NNOPT_WEIGHT_ACCURACY || o->weighting > NNOPT_WEIGHT_GREEDY)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "vote_fit: weighting %d, 0 to %d wanted",
				(int)o->weighting, (int)NNOPT_WEIGHT_GREEDY);
	if (o->weighting == NNOPT_WEIGHT_LIKELIHOOD && o->vote == NNOPT_VOTE_HARD)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				  "vote_fit: NNOPT_WEIGHT_LIKELIHOOD with NNOPT_VOTE_HARD, a vote of logits or "
				  "probabilities wanted");
	if (o->rounds < 1 || !(o->tolerance > 0.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"vote_fit: rounds %lld and tolerance %g, 1 or more and above 0 wanted",
				(long long)o->rounds, o->tolerance);
	return nno_vote_check("vote_fit", o->vote);
}

static nnopt_status find_weights(double *weights, const nno_samples *s, const nnopt_vote_options *o)
{
	if (o->weighting == NNOPT_WEIGHT_LIKELIHOOD)
		return nno_likelihood_weights(weights, s, (nnopt_vote)o->vote, o->tolerance);
	if (o->weighting == NNOPT_WEIGHT_GREEDY)
		return nno_greedy_weights(weights, s, (nnopt_vote)o->vote, o->rounds);
	for (int32_t m = 0; m < s->members; m++) {
		int64_t hits = count_hits(s, m);
		weights[m] = o->weighting == NNOPT_WEIGHT_ACCURACY ? (double)hits / (double)s->n
								   : log_odds(hits, s->n, s->classes);
	}
	return NNOPT_OK;
}

nnopt_status nnopt_vote_fit(nnopt_ensemble **out, nnopt_context *context, const nnopt_tensor *const *scores,
			    int32_t members, const nnopt_tensor *labels, const nnopt_vote_options *options)
{
	nnopt_vote_options o = defaults;
	nnopt_ensemble *made = NULL;
	nno_samples s = { .context = NULL };
	if (out == NULL || context == NULL || members < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"vote_fit: out or context is NULL, or members %d, 1 or more wanted", (int)members);
	nnopt_status status = nnopt_options_read(&o, sizeof o, options, "vote_fit");
	if (status == NNOPT_OK)
		status = check(&o);
	if (status == NNOPT_OK)
		status = nnopt_vote_create(&made, context, (nnopt_vote)o.vote, NULL, members, o.probabilities);
	if (status == NNOPT_OK) {
		nnopt_ensemble as = *made;
		/* Where hits alone count, which class is the highest is all there is to read: of infinities too. */
		if (o.weighting == NNOPT_WEIGHT_ACCURACY || o.weighting == NNOPT_WEIGHT_LOG_ODDS)
			as.vote = NNOPT_VOTE_HARD;
		status = nno_samples_read(&s, "vote_fit", &as, scores, labels);
	}
	if (status == NNOPT_OK)
		status = find_weights(made->weights, &s, &o);
	nno_samples_free(&s);
	if (status == NNOPT_OK) {
		share_out(made->weights, members);
		*out = made;
	} else {
		nnopt_ensemble_destroy(made);
	}
	return status;
}
