/* focal.c - focal loss on a softmax: cross-entropy times (1 - p)^gamma, Lin et al. 2017. The gradient has the form of
 * cross-entropy's, a (softmax - one-hot), with a = alpha ((1 - p)^gamma - gamma p (1 - p)^(gamma - 1) log p). */
#include "loss/loss.h"

#include <math.h>
#include <string.h>

typedef struct attr {
	float *alpha;
	int64_t count, ignore;
	double gamma;
} attr;

static const nnopt_focal_options defaults = {
	.struct_size = sizeof(nnopt_focal_options),
	.gamma = 2.0,
	.ignore_index = -100,
};

static nnopt_status check(nno_loss_call *call)
{
	const attr *a = call->loss->attr;
	const nnopt_tensor *x = call->prediction;
	if (x->rank != 2 || x->shape[1] < 1 || (a->alpha != NULL && x->shape[1] != a->count)) {
		char got[NNO_SHAPE_TEXT];
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"focal: prediction %s with %lld alphas, (N, classes) wanted",
				nno_shape_text(got, x->shape, x->rank), (long long)a->count);
	}
	call->columns = x->shape[1];
	return nno_loss_take_classes(call, NULL, a->ignore);
}

static void run_row(const nno_loss_call *call, const float *x, float *g, int64_t y, nno_loss_part *part)
{
	const attr *a = call->loss->attr;
	const nno_kernels *kernels = call->loss->context->kernels;
	float sums[2];
	kernels->softmax_row_f32(g, x, call->columns, sums);
	double loss = log((double)sums[1]) + ((double)sums[0] - (double)x[y]), rest = -expm1(-loss);
	double weight = (a->alpha != NULL ? (double)a->alpha[y] : 1.0) * pow(rest, a->gamma);
	part->value += weight * loss;
	part->correct += !isnan(sums[1]) && nno_loss_is_first(x, y, sums[0]);
	if (g == NULL)
		return;
	/* -log p / (1 - p) goes to 1 with p. */
	double slope = call->slope * weight * (1.0 + a->gamma * (1.0 - rest) * (rest > 0.0 ? loss / rest : 1.0));
	kernels->scale_f32(g, g, (float)(slope / (double)sums[1]), call->columns);
	g[y] -= (float)slope;
}

static void run(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	const attr *a = call->loss->attr;
	for (int64_t i = begin; i < end; i++) {
		float *g = call->gradient != NULL ? call->gradient + i * call->columns : NULL;
		int64_t y = nno_loss_label(call->target, i);
		if (y != a->ignore)
			run_row(call, call->x + i * call->columns, g, y, part);
		else if (g != NULL)
			memset(g, 0, (size_t)call->columns * sizeof *g);
	}
}

static void release(void *of, const nno_alloc *alloc) { nno_delete(alloc, ((attr *)of)->alpha); }

const nno_loss_class nno_loss_focal = {
	.name = "focal",
	.attr_size = sizeof(attr),
	.check = check,
	.run = run,
	.release = release,
};

nnopt_status nnopt_focal_options_init(nnopt_focal_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "focal_options");
}

nnopt_status nnopt_focal_create(nnopt_loss **out, nnopt_context *context, const nnopt_focal_options *options)
{
	nnopt_focal_options o = defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "focal_options"));
	NNO_TRY(nno_loss_check_number("focal: gamma", o.gamma, 0.0, INFINITY));
	attr a = { .count = o.alpha_count, .ignore = o.ignore_index, .gamma = o.gamma };
	NNO_TRY(nno_loss_copy_weights(&a.alpha, context, o.alpha, o.alpha_count, "focal: alpha"));
	nnopt_status status = nno_loss_create(out, context, &nno_loss_focal, &a, o.reduction);
	if (status != NNOPT_OK && a.alpha != NULL)
		nno_delete(&context->alloc, a.alpha);
	return status;
}
