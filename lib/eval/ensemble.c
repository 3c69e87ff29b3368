/* ensemble.c - one answer of several: an ensemble's life, and what it says. */
#include "eval/ensemble.h"

#include <math.h>
#include <string.h>

void *nno_eval_array(nnopt_context *context, int64_t rows, int64_t columns, size_t size)
{
	uint64_t most = SIZE_MAX / size;
	if (rows < 0 || columns < 0 || (columns > 0 && (uint64_t)rows > most / (uint64_t)columns))
		return NULL;
	return nnopt_context_alloc(context, (size_t)rows * (size_t)columns * size);
}

nnopt_status nno_ensemble_create(nnopt_ensemble **out, const char *what, const nnopt_ensemble *like)
{
	nnopt_ensemble *e = nnopt_context_alloc(like->context, sizeof *e);
	double *weights = nno_eval_array(like->context, like->count, 1, sizeof *weights);
	if (e == NULL || weights == NULL) {
		nnopt_context_free(like->context, e);
		nnopt_context_free(like->context, weights);
		return nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "%s: out of memory", what);
	}
	*e = *like;
	e->weights = weights;
	nnopt_context_retain(e->context);
	*out = e;
	return NNOPT_OK;
}

void nnopt_ensemble_destroy(nnopt_ensemble *ensemble)
{
	if (ensemble == NULL)
		return;
	nnopt_context *context = ensemble->context;
	nnopt_context_free(context, ensemble->weights);
	nnopt_context_free(context, ensemble);
	nnopt_context_destroy(context);
}

const char *nnopt_ensemble_kind(const nnopt_ensemble *ensemble)
{
	return ensemble == NULL ? NULL : ensemble->stack ? "stack" : "vote";
}

int32_t nnopt_ensemble_members(const nnopt_ensemble *ensemble) { return ensemble == NULL ? 0 : ensemble->members; }

double nnopt_ensemble_weight(const nnopt_ensemble *ensemble, int32_t index)
{
	return ensemble == NULL || ensemble->stack || index < 0 || index >= ensemble->members
		   ? (double)NAN
		   : ensemble->weights[index];
}

/* Adds what member `m` makes of the sum: its share of a vote, or its part of a stack's logits. */
static void add_member(const nnopt_ensemble *e, double *sum, const double *said, int32_t m, int64_t classes)
{
	for (int64_t k = 0; k < classes; k++)
		if (!e->stack)
			sum[k] += e->weights[m] * said[k];
		else
			for (int64_t c = 0; c < classes; c++)
				sum[k] += e->weights[k * (e->members * classes + 1) + m * classes + c] * said[c];
}

static void combine_row(const nnopt_ensemble *e, float *row, const nnopt_tensor *const *scores, int64_t index,
			int64_t classes, int probabilities, double *sum, double *said)
{
	int numbers = 1;
	for (int64_t k = 0; k < classes; k++)
		sum[k] = e->stack ? e->weights[(k + 1) * (e->members * classes + 1) - 1] : 0.0;
	for (int32_t m = 0; m < e->members && numbers; m++) {
		if (!e->stack && e->weights[m] == 0.0)
			continue;
		(void)nno_features_read(said, e, scores[m], index, classes);
		for (int64_t c = 0; c < classes; c++)
			numbers &= said[c] == said[c];
		add_member(e, sum, said, m, classes);
	}
	nno_vote_give(row, sum, classes, e->stack ? NNOPT_VOTE_LOGITS : e->vote, probabilities);
	for (int64_t c = 0; c < classes && !numbers; c++)
		row[c] = NAN;
}

nnopt_status nnopt_ensemble_combine(nnopt_tensor **out, const nnopt_ensemble *ensemble,
				    const nnopt_tensor *const *scores, int32_t members, int32_t probabilities)
{
	const nnopt_ensemble *e = ensemble;
	nnopt_tensor *made = NULL;
	int64_t shape[2] = { 0, 0 };
	if (out == NULL || e == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "ensemble_combine: out or ensemble is NULL");
	if (members != e->members)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "ensemble_combine: %d members, %d wanted", (int)members,
				(int)e->members);
	nnopt_status status = nno_scores_check("ensemble_combine", scores, members, NULL, shape);
	if (status == NNOPT_OK && e->stack && shape[1] != e->classes)
		status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "ensemble_combine: %lld classes, %lld wanted",
				  (long long)shape[1], (long long)e->classes);
	if (status == NNOPT_OK)
		status = nnopt_tensor_create(&made, e->context, NNOPT_F32, 2, shape, NNOPT_NCHW);
	if (status != NNOPT_OK)
		return status;
	double *room = nno_eval_array(e->context, 2, shape[1], sizeof *room);
	if (room == NULL) {
		nnopt_tensor_destroy(made);
		return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "ensemble_combine: out of memory");
	}
	float *rows = nnopt_tensor_data(made);
	for (int64_t i = 0; i < shape[0]; i++)
		combine_row(e, rows + i * shape[1], scores, i, shape[1], probabilities != 0, room, room + shape[1]);
	nnopt_context_free(e->context, room);
	*out = made;
	return NNOPT_OK;
}
