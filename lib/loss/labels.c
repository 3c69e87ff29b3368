/* labels.c - what losses on labels share. */
#include "loss/loss.h"

#include <math.h>

int64_t nno_loss_label(const nnopt_tensor *target, int64_t row)
{
	return target->dtype == NNOPT_I32 ? ((const int32_t *)(const void *)target->data)[row]
					  : ((const int64_t *)(const void *)target->data)[row];
}

nnopt_status nno_loss_check_labels(const nno_loss_call *call)
{
	const nnopt_tensor *t = call->target;
	const char *name = call->loss->cls->name;
	char got[NNO_SHAPE_TEXT];
	if (t->dtype != NNOPT_I32 && t->dtype != NNOPT_I64)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: target %s, i32 or i64 labels wanted", name,
				nnopt_dtype_name(t->dtype));
	if (t->rank != 1 || t->shape[0] != call->rows)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: target %s, (%lld) labels wanted", name,
				nno_shape_text(got, t->shape, t->rank), (long long)call->rows);
	return NNOPT_OK;
}

nnopt_status nno_loss_take_classes(nno_loss_call *call, const float *weights, int64_t ignore)
{
	NNO_TRY(nno_loss_check_labels(call));
	for (int64_t i = 0; i < call->rows; i++) {
		int64_t label = nno_loss_label(call->target, i);
		if (label == ignore)
			continue;
		if (label < 0 || label >= call->columns)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: label %lld of sample %lld, 0 to %lld wanted",
					call->loss->cls->name, (long long)label, (long long)i,
					(long long)call->columns - 1);
		call->weight += weights != NULL ? (double)weights[label] : 1.0;
		call->count++;
	}
	return NNOPT_OK;
}

bool nno_loss_is_first(const float *x, int64_t at, float top)
{
	if (x[at] != top)
		return false;
	for (int64_t i = 0; i < at; i++)
		if (x[i] == top)
			return false;
	return true;
}

nnopt_status nno_loss_check_number(const char *what, double value, double least, double most)
{
	if (value >= least && value <= most && isfinite(value))
		return NNOPT_OK;
	if (isinf(most))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s %g, finite and at least %g wanted", what, value,
				least);
	return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s %g, %g to %g wanted", what, value, least, most);
}
