/* bce.c - binary cross-entropy on logits, as torch.nn.BCEWithLogitsLoss, in the form that never takes the exponential
 * of a positive number. */
#include "loss/loss.h"

typedef struct attr {
	float *weights;
	int64_t count;
} attr;

static const nnopt_bce_options defaults = { .struct_size = sizeof(nnopt_bce_options) };

static nnopt_status check(nno_loss_call *call)
{
	const attr *a = call->loss->attr;
	const nnopt_tensor *x = call->prediction;
	NNO_TRY(nno_loss_take_target(call));
	if (a->count > 1 && (x->rank != 2 || x->shape[1] != a->count)) {
		char got[NNO_SHAPE_TEXT];
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"bce: prediction %s with %lld positive weights, (N, %lld) wanted",
				nno_shape_text(got, x->shape, x->rank), (long long)a->count, (long long)a->count);
	}
	call->weight = (double)x->count;
	call->count = call->rows;
	return NNOPT_OK;
}

static void run(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	const attr *a = call->loss->attr;
	const nno_kernels *kernels = call->loss->context->kernels;
	bool by_column = a->count > 1;
	int64_t length = by_column ? call->columns : (end - begin) * call->columns;
	float one = a->count == 1 ? a->weights[0] : 1.0f;
	for (int64_t at = begin * call->columns; at < end * call->columns; at += length) {
		double sum;
		kernels->logit_bce_f32(call->gradient != NULL ? call->gradient + at : NULL, call->x + at, call->t + at,
				       by_column ? a->weights : NULL, one, (float)call->slope, length, &sum);
		part->value += sum;
	}
}

static void release(void *of, const nno_alloc *alloc) { nno_delete(alloc, ((attr *)of)->weights); }

const nno_loss_class nno_loss_bce = {
	.name = "bce",
	.attr_size = sizeof(attr),
	.check = check,
	.run = run,
	.release = release,
};

nnopt_status nnopt_bce_options_init(nnopt_bce_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "bce_options");
}

nnopt_status nnopt_bce_with_logits_create(nnopt_loss **out, nnopt_context *context, const nnopt_bce_options *options)
{
	nnopt_bce_options o = defaults;
	attr a = { 0 };
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "bce_options"));
	NNO_TRY(nno_loss_copy_weights(&a.weights, context, o.positive_weights, o.positive_weight_count,
				      "bce: positive_weights"));
	a.count = o.positive_weight_count;
	nnopt_status status = nno_loss_create(out, context, &nno_loss_bce, &a, o.reduction);
	if (status != NNOPT_OK && a.weights != NULL)
		nno_delete(&context->alloc, a.weights);
	return status;
}
