/* scored.c - scores with their labels: what all functions over them ask for. */
#include "eval/eval.h"

#include <math.h>

/* Probabilities are sums of rounded floats where ensembles average them. */
#define ABOVE_ONE 1e-5f

void nno_softmax_row(float *row, int64_t classes, double temperature)
{
	double top = (double)row[nno_best_class(row, classes)], sum = 0.0;
	for (int64_t c = 0; c < classes; c++)
		sum += exp(((double)row[c] - top) / temperature);
	for (int64_t c = 0; c < classes; c++)
		row[c] = (float)(exp(((double)row[c] - top) / temperature) / sum);
}

static nnopt_status check_shapes(const nnopt_tensor *scores, const nnopt_tensor *labels, int64_t least,
				 const char *what)
{
	if (scores == NULL || labels == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s is NULL", what,
				scores == NULL ? "scores" : "labels");
	if (nnopt_tensor_dtype(scores) != NNOPT_F32 || nnopt_tensor_rank(scores) != 2 ||
	    nnopt_tensor_extent(scores, 1) < least)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"%s: scores of type %s, rank %d and %lld columns, f32 (samples, classes) with %lld "
				"classes or more wanted",
				what, nnopt_dtype_name(nnopt_tensor_dtype(scores)), (int)nnopt_tensor_rank(scores),
				(long long)nnopt_tensor_extent(scores, 1), (long long)least);
	nnopt_dtype dtype = nnopt_tensor_dtype(labels);
	if ((dtype != NNOPT_I32 && dtype != NNOPT_I64) || nnopt_tensor_rank(labels) != 1 ||
	    nnopt_tensor_extent(labels, 0) != nnopt_tensor_extent(scores, 0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"%s: labels of type %s, rank %d and count %lld, i32 or i64 (%lld) wanted", what,
				nnopt_dtype_name(dtype), (int)nnopt_tensor_rank(labels),
				(long long)nnopt_tensor_count(labels), (long long)nnopt_tensor_extent(scores, 0));
	return NNOPT_OK;
}

static nnopt_status check_row(const nno_scored *s, int64_t i, nno_score_kind kind, const char *what)
{
	const float *row = s->scores + i * s->columns;
	int64_t label = nno_label_at(s->labels, i);
	if (label < 0 || label >= s->classes)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: label %lld of sample %lld, 0 to %lld wanted", what,
				(long long)label, (long long)i, (long long)s->classes - 1);
	for (int64_t c = 0; c < s->columns; c++) {
		if (kind == NNO_PROBABILITIES && !(row[c] >= 0.0f && row[c] <= 1.0f + ABOVE_ONE))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"%s: score %g of sample %lld, probabilities in [0, 1] wanted", what,
					(double)row[c], (long long)i);
		if (kind == NNO_LOGITS && !isfinite(row[c]))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: logit %g of sample %lld, finite ones wanted",
					what, (double)row[c], (long long)i);
	}
	return NNOPT_OK;
}

nnopt_status nno_scored_read(nno_scored *s, const nnopt_tensor *scores, const nnopt_tensor *labels, nno_score_kind kind,
			     const char *what)
{
	nnopt_status status = check_shapes(scores, labels, kind == NNO_RANKED_SCORES ? 1 : 2, what);
	if (status != NNOPT_OK)
		return status;
	int64_t columns = nnopt_tensor_extent(scores, 1);
	*s = (nno_scored){ .labels = labels,
			   .scores = nnopt_tensor_const_data(scores),
			   .n = nnopt_tensor_extent(scores, 0),
			   .columns = columns,
			   .classes = columns == 1 ? 2 : columns };
	for (int64_t i = 0; i < s->n && status == NNOPT_OK; i++)
		if (!nno_left_out(s->scores + i * columns, columns)) {
			status = check_row(s, i, kind, what);
			s->count++;
		}
	if (status == NNOPT_OK && s->count == 0)
		status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %lld samples, none with scores, 1 or more wanted",
				  what, (long long)s->n);
	return status;
}
