/* samples.c - members' scores and labels: checked, and read as numbers to learn from. */
#include "eval/ensemble.h"

#include <math.h>
#include <string.h>

nnopt_status nno_scores_check(const char *what, const nnopt_tensor *const *scores, int32_t members,
			      const nnopt_tensor *labels, int64_t shape[2])
{
	if (scores == NULL || members < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: scores NULL or members %d, 1 or more wanted", what,
				(int)members);
	for (int32_t m = 0; m < members; m++) {
		const nnopt_tensor *t = scores[m];
		if (t == NULL || nnopt_tensor_dtype(t) != NNOPT_F32 || nnopt_tensor_rank(t) != 2 ||
		    nnopt_tensor_extent(t, 1) < 1)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"%s: scores[%d] is %s, f32 (samples, classes) wanted", what, (int)m,
					t == NULL                            ? "NULL"
					: nnopt_tensor_dtype(t) != NNOPT_F32 ? nnopt_dtype_name(nnopt_tensor_dtype(t))
									     : "of another shape");
		if (m == 0) {
			shape[0] = nnopt_tensor_extent(t, 0);
			shape[1] = nnopt_tensor_extent(t, 1);
		}
		if (nnopt_tensor_extent(t, 0) != shape[0] || nnopt_tensor_extent(t, 1) != shape[1])
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"%s: scores[%d] is (%lld, %lld), (%lld, %lld) wanted as scores[0] is", what,
					(int)m, (long long)nnopt_tensor_extent(t, 0),
					(long long)nnopt_tensor_extent(t, 1), (long long)shape[0], (long long)shape[1]);
	}
	if (labels != NULL && ((nnopt_tensor_dtype(labels) != NNOPT_I32 && nnopt_tensor_dtype(labels) != NNOPT_I64) ||
			       nnopt_tensor_rank(labels) != 1 || nnopt_tensor_extent(labels, 0) != shape[0]))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"%s: labels of type %s, rank %d and count %lld, i32 or i64 (%lld) wanted", what,
				nnopt_dtype_name(nnopt_tensor_dtype(labels)), (int)nnopt_tensor_rank(labels),
				(long long)nnopt_tensor_count(labels), (long long)shape[0]);
	return NNOPT_OK;
}

nnopt_status nno_label_read(int64_t *label, const char *what, const nnopt_tensor *labels, int64_t index,
			    int64_t classes)
{
	const void *data = nnopt_tensor_const_data(labels);
	*label =
	    nnopt_tensor_dtype(labels) == NNOPT_I64 ? ((const int64_t *)data)[index] : ((const int32_t *)data)[index];
	return *label >= 0 && *label < classes
		   ? NNOPT_OK
		   : nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: labels[%lld] is %lld, 0 to %lld wanted", what,
			      (long long)index, (long long)*label, (long long)classes - 1);
}

double nno_log_sum_exp(const double *x, int64_t n)
{
	double top = x[nno_largest(x, n)], sum = 0.0;
	for (int64_t i = 0; i < n; i++)
		sum += exp(x[i] - top);
	return top + log(sum);
}

int nno_features_read(double *dst, const nnopt_ensemble *e, const nnopt_tensor *scores, int64_t index, int64_t classes)
{
	const float *row = (const float *)nnopt_tensor_const_data(scores) + index * classes;
	int finite = 1;
	nno_vote_read(dst, row, classes, e->vote, e->given);
	if (e->stack && e->vote == NNOPT_VOTE_LOGITS) {
		double sum = nno_log_sum_exp(dst, classes), least = log(NNO_LEAST_PROBABILITY);
		for (int64_t c = 0; c < classes; c++)
			dst[c] = dst[c] - sum < least ? least : dst[c] - sum;
	}
	for (int64_t c = 0; c < classes; c++)
		finite &= isfinite(dst[c]) != 0;
	return finite;
}

nnopt_status nno_samples_read(nno_samples *s, const char *what, const nnopt_ensemble *e,
			      const nnopt_tensor *const *scores, const nnopt_tensor *labels)
{
	int64_t shape[2] = { 0, 0 };
	if (labels == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: labels is NULL", what);
	nnopt_status status = nno_scores_check(what, scores, e->members, labels, shape);
	if (status != NNOPT_OK)
		return status;
	*s = (nno_samples){ .context = e->context, .classes = shape[1], .members = e->members };
	int64_t width = shape[1] <= INT64_MAX / e->members ? shape[1] * e->members : INT64_MAX;
	s->x = nno_eval_array(s->context, shape[0], width, sizeof *s->x);
	s->label = nno_eval_array(s->context, shape[0], 1, sizeof *s->label);
	if (s->x == NULL || s->label == NULL)
		return nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "%s: out of memory for %lld samples of %d members", what,
				(long long)shape[0], (int)s->members);
	for (int64_t i = 0; i < shape[0] && status == NNOPT_OK; i++) {
		int finite = 1;
		for (int32_t m = 0; m < s->members; m++)
			finite &= nno_features_read(s->x + s->n * width + m * shape[1], e, scores[m], i, shape[1]);
		if (finite)
			status = nno_label_read(&s->label[s->n++], what, labels, i, shape[1]);
	}
	if (status == NNOPT_OK && s->n == 0)
		status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				  "%s: no sample has finite scores of all members, one wanted", what);
	return status;
}

void nno_samples_free(nno_samples *s)
{
	if (s->context == NULL)
		return;
	nnopt_context_free(s->context, s->x);
	nnopt_context_free(s->context, s->label);
}
