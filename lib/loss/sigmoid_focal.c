/* sigmoid_focal.c - focal loss of independent decisions, Lin et al. 2017, as torchvision.ops.sigmoid_focal_loss. */
#include "loss/loss.h"

#include <math.h>

typedef struct attr {
	float of_one, of_zero, gamma;
} attr;

static const nnopt_sigmoid_focal_options defaults = {
	.struct_size = sizeof(nnopt_sigmoid_focal_options),
	.alpha = 0.25,
	.gamma = 2.0,
};

static nnopt_status check(nno_loss_call *call)
{
	NNO_TRY(nno_loss_take_target(call));
	call->weight = (double)call->prediction->count;
	call->count = call->rows;
	return NNOPT_OK;
}

static void run(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	const attr *a = call->loss->attr;
	int64_t at = begin * call->columns;
	call->loss->context->kernels->logit_focal_f32(call->gradient != NULL ? call->gradient + at : NULL, call->x + at,
						      call->t + at, a->of_one, a->of_zero, a->gamma, (float)call->slope,
						      (end - begin) * call->columns, &part->value);
}

const nno_loss_class nno_loss_sigmoid_focal = {
	.name = "sigmoid_focal",
	.attr_size = sizeof(attr),
	.check = check,
	.run = run,
};

nnopt_status nnopt_sigmoid_focal_options_init(nnopt_sigmoid_focal_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "sigmoid_focal_options");
}

nnopt_status nnopt_sigmoid_focal_create(nnopt_loss **out, nnopt_context *context,
					const nnopt_sigmoid_focal_options *options)
{
	nnopt_sigmoid_focal_options o = defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "sigmoid_focal_options"));
	NNO_TRY(nno_loss_check_number("sigmoid_focal: gamma", o.gamma, 0.0, INFINITY));
	if (!(o.alpha <= 1.0 && isfinite(o.alpha)))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"sigmoid_focal: alpha %g, at most 1 wanted, or below 0 for none", o.alpha);
	attr a = { 1.0f, 1.0f, (float)o.gamma };
	if (o.alpha >= 0.0) {
		a.of_one = (float)o.alpha;
		a.of_zero = (float)(1.0 - o.alpha);
	}
	return nno_loss_create(out, context, &nno_loss_sigmoid_focal, &a, o.reduction);
}
