/* diversity.c - how different members are: what a vote has to gain. */
#include "eval/ensemble.h"

/* Adds one sample to the sums; `said`: the members' classes. */
static void add_sample(nnopt_diversity *d, double *pairs, const int64_t *said, int64_t *hits, int32_t members,
		       int64_t label)
{
	int right = 0;
	for (int32_t a = 0; a < members; a++) {
		hits[a] += said[a] == label;
		right |= said[a] == label;
		for (int32_t b = 0; b < a; b++) {
			d->disagreement += said[a] != said[b];
			if (pairs != NULL)
				pairs[(int64_t)a * members + b] += said[a] != said[b];
		}
	}
	d->oracle += right;
	d->count++;
}

/* Sums become shares. */
static void finish(nnopt_diversity *d, double *pairs, const int64_t *hits, int32_t members)
{
	double n = (double)d->count, m = (double)members;
	for (int32_t a = 0; a < members; a++) {
		double share = (double)hits[a] / n;
		d->accuracy += share / m;
		d->best = share > d->best ? share : d->best;
		for (int32_t b = 0; pairs != NULL && b < a; b++) {
			double *lower = &pairs[(int64_t)a * members + b];
			*lower = pairs[(int64_t)b * members + a] = *lower / n;
		}
	}
	d->oracle /= n;
	d->disagreement = members > 1 ? d->disagreement / (n * m * (m - 1.0) / 2.0) : 0.0;
}

static nnopt_status count(nnopt_diversity *d, double *pairs, const nnopt_tensor *const *scores, int32_t members,
			  const nnopt_tensor *labels, const int64_t shape[2], int64_t *said, int64_t *hits)
{
	for (int64_t i = 0; pairs != NULL && i < (int64_t)members * members; i++)
		pairs[i] = 0.0;
	nnopt_status status = NNOPT_OK;
	for (int64_t i = 0; i < shape[0] && status == NNOPT_OK; i++) {
		int64_t label;
		int numbers = 1;
		for (int32_t m = 0; m < members; m++) {
			const float *row = (const float *)nnopt_tensor_const_data(scores[m]) + i * shape[1];
			for (int64_t c = 0; c < shape[1]; c++)
				numbers &= row[c] == row[c];
			said[m] = nno_best_class(row, shape[1]);
		}
		if (!numbers)
			continue;
		status = nno_label_read(&label, "ensemble_diversity", labels, i, shape[1]);
		if (status == NNOPT_OK)
			add_sample(d, pairs, said, hits, members, label);
	}
	if (status == NNOPT_OK && d->count == 0)
		status = nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				    "ensemble_diversity: no sample has scores of all members, one wanted");
	return status;
}

nnopt_status nnopt_ensemble_diversity(nnopt_diversity *out, double *pairs, nnopt_context *context,
				      const nnopt_tensor *const *scores, int32_t members, const nnopt_tensor *labels)
{
	int64_t shape[2] = { 0, 0 };
	nnopt_diversity d = { .struct_size = sizeof d };
	if (out == NULL || context == NULL || labels == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "ensemble_diversity: out, context or labels is NULL");
	nnopt_status status = nnopt_result_check(out, "ensemble_diversity");
	if (status == NNOPT_OK)
		status = nno_scores_check("ensemble_diversity", scores, members, labels, shape);
	if (status != NNOPT_OK)
		return status;
	int64_t *room = nno_eval_array(context, 2, members, sizeof *room);
	status = room != NULL ? count(&d, pairs, scores, members, labels, shape, room, room + members)
			      : nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "ensemble_diversity: out of memory");
	if (status == NNOPT_OK) {
		finish(&d, pairs, room + members, members);
		nnopt_result_give(out, &d, sizeof d);
	}
	nnopt_context_free(context, room);
	return status;
}
