/* cross_entropy.c - softmax cross-entropy on logits, as torch.nn.CrossEntropyLoss. With p the softmax of a row, both
 * kinds of targets come to a loss -sum q log p and a gradient (sum q) p - q: class y:       q = (1 - s) w[y] at y, plus
 * s / C w everywhere    (s the label smoothing, w the class weights) probabilities: q = w ((1 - s) t + s / C) The mean
 * divides by the sum of w[y] for classes, by N for probabilities. */
#include "loss/loss.h"

#include <math.h>
#include <string.h>

typedef struct attr {
	float *weights;
	int64_t count;
	int64_t ignore;
	float smoothing;
} attr;

static const nnopt_cross_entropy_options defaults = {
	.struct_size = sizeof(nnopt_cross_entropy_options),
	.ignore_index = -100,
};

static nnopt_status check(nno_loss_call *call)
{
	const attr *a = call->loss->attr;
	const nnopt_tensor *x = call->prediction, *t = call->target;
	if (x->rank != 2 || x->shape[1] < 1 || (a->weights != NULL && x->shape[1] != a->count)) {
		char got[NNO_SHAPE_TEXT];
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"cross_entropy: prediction %s with %lld class weights, (N, classes) wanted",
				nno_shape_text(got, x->shape, x->rank), (long long)a->count);
	}
	call->columns = x->shape[1];
	if (t->dtype == NNOPT_I32 || t->dtype == NNOPT_I64)
		return nno_loss_take_classes(call, a->weights, a->ignore);
	if (t->dtype != NNOPT_F32)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"cross_entropy: target %s, i32 or i64 classes or f32 probabilities wanted",
				nnopt_dtype_name(t->dtype));
	NNO_TRY(nno_loss_take_target(call));
	call->weight = (double)call->rows;
	call->count = call->rows;
	return NNOPT_OK;
}

/* The lowest index of the largest value; NaNs lose. */
static int64_t arg_max(const float *x, int64_t n)
{
	int64_t best = 0;
	for (int64_t i = 1; i < n; i++)
		if (x[i] > x[best])
			best = i;
	return best;
}

/* Class y; `g` holds the exponentials. */
static void run_class(const nno_loss_call *call, const float *x, float *g, const float sums[2], int64_t y,
		      nno_loss_part *part)
{
	const attr *a = call->loss->attr;
	const nno_kernels *kernels = call->loss->context->kernels;
	double log_sum = log((double)sums[1]);
	double at_label = (1.0 - (double)a->smoothing) * (a->weights != NULL ? (double)a->weights[y] : 1.0);
	double everywhere = (double)a->smoothing / (double)call->columns, mass = 0.0;
	part->value += at_label * (log_sum + ((double)sums[0] - (double)x[y]));
	if (a->smoothing > 0.0f) {
		float smooth[2];
		kernels->target_sums_f32(x, sums[0], a->weights, NULL, 0.0f, 1.0f, call->columns, smooth);
		mass = everywhere * (double)smooth[0];
		part->value += mass * log_sum + everywhere * (double)smooth[1];
	}
	part->correct += !isnan(sums[1]) && nno_loss_is_first(x, y, sums[0]);
	if (g == NULL)
		return;
	double k = call->slope * (at_label + mass) / (double)sums[1];
	if (a->smoothing > 0.0f)
		kernels->target_gradient_f32(g, (float)k, a->weights, NULL, 0.0f, (float)(call->slope * everywhere),
					     call->columns);
	else
		kernels->scale_f32(g, g, (float)k, call->columns);
	g[y] -= (float)(call->slope * at_label);
}

/* Probabilities t. */
static void run_soft(const nno_loss_call *call, const float *x, const float *t, float *g, const float sums[2],
		     nno_loss_part *part)
{
	const attr *a = call->loss->attr;
	const nno_kernels *kernels = call->loss->context->kernels;
	double keep = 1.0 - (double)a->smoothing, everywhere = (double)a->smoothing / (double)call->columns;
	float q[2];
	kernels->target_sums_f32(x, sums[0], a->weights, t, (float)keep, (float)everywhere, call->columns, q);
	part->value += (double)q[0] * log((double)sums[1]) + (double)q[1];
	part->correct += !isnan(sums[1]) && nno_loss_is_first(x, arg_max(t, call->columns), sums[0]);
	if (g != NULL)
		kernels->target_gradient_f32(g, (float)(call->slope * (double)q[0] / (double)sums[1]), a->weights, t,
					     (float)(call->slope * keep), (float)(call->slope * everywhere),
					     call->columns);
}

static void run(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	const attr *a = call->loss->attr;
	int64_t columns = call->columns;
	for (int64_t i = begin; i < end; i++) {
		const float *x = call->x + i * columns;
		float *g = call->gradient != NULL ? call->gradient + i * columns : NULL;
		int64_t y = call->t == NULL ? nno_loss_label(call->target, i) : 0;
		if (call->t == NULL && y == a->ignore) {
			if (g != NULL)
				memset(g, 0, (size_t)columns * sizeof *g);
			continue;
		}
		float sums[2];
		call->loss->context->kernels->softmax_row_f32(g, x, columns, sums);
		if (call->t == NULL)
			run_class(call, x, g, sums, y, part);
		else
			run_soft(call, x, call->t + i * columns, g, sums, part);
	}
}

static void release(void *of, const nno_alloc *alloc) { nno_delete(alloc, ((attr *)of)->weights); }

const nno_loss_class nno_loss_cross_entropy = {
	.name = "cross_entropy",
	.attr_size = sizeof(attr),
	.check = check,
	.run = run,
	.release = release,
};

nnopt_status nnopt_cross_entropy_options_init(nnopt_cross_entropy_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "cross_entropy_options");
}

nnopt_status nnopt_cross_entropy_create(nnopt_loss **out, nnopt_context *context,
					const nnopt_cross_entropy_options *options)
{
	nnopt_cross_entropy_options o = defaults;
	attr a = { 0 };
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "cross_entropy_options"));
	if (!(o.label_smoothing >= 0.0f && o.label_smoothing < 1.0f))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"cross_entropy: label_smoothing %g, at least 0 and below 1 wanted",
				(double)o.label_smoothing);
	NNO_TRY(nno_loss_copy_weights(&a.weights, context, o.class_weights, o.class_weight_count,
				      "cross_entropy: class_weights"));
	a.count = o.class_weight_count;
	a.ignore = o.ignore_index;
	a.smoothing = o.label_smoothing;
	nnopt_status status = nno_loss_create(out, context, &nno_loss_cross_entropy, &a, o.reduction);
	if (status != NNOPT_OK && a.weights != NULL)
		nno_delete(&context->alloc, a.weights);
	return status;
}
