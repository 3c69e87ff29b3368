/* distillation.c - knowledge distillation, Hinton, Vinyals and Dean 2015: the labels' cross-entropy, computed by that
 * loss itself, and the divergence from a teacher's softened softmax, whose gradient is T (p - q) after the factor T^2.
 */
#include "loss/loss.h"

#include <math.h>

typedef struct attr {
	double temperature, alpha;
	nnopt_loss *labels; /* cross-entropy */
} attr;

static const nnopt_distillation_options defaults = {
	.struct_size = sizeof(nnopt_distillation_options),
	.temperature = 4.0,
	.alpha = 0.1,
};

/* The call as the labels' part sees it. */
static nno_loss_call labels_call(const nno_loss_call *call)
{
	const attr *a = call->loss->attr;
	nno_loss_call labels = *call;
	labels.loss = a->labels;
	return labels;
}

static nnopt_status check_teacher(const nno_loss_call *call)
{
	const nnopt_tensor *x = call->prediction, *z = call->loss->teacher;
	if (z == NULL && call->gradient == NULL)
		return NNOPT_OK;
	if (z == NULL)
		return nno_fail(NNOPT_ERROR_STATE, "distillation: no teacher's logits, nnopt_loss_set_teacher() before "
						   "each call with a gradient wanted");
	if (z->dtype != NNOPT_F32 || z->rank != 2 || z->shape[0] != x->shape[0] || z->shape[1] != x->shape[1]) {
		char got[NNO_SHAPE_TEXT], wanted[NNO_SHAPE_TEXT];
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"distillation: teacher's logits %s %s, f32 %s as the prediction wanted",
				nnopt_dtype_name(z->dtype), nno_shape_text(got, z->shape, z->rank),
				nno_shape_text(wanted, x->shape, x->rank));
	}
	return NNOPT_OK;
}

static nnopt_status check(nno_loss_call *call)
{
	nno_loss_call labels = labels_call(call);
	NNO_TRY(labels.loss->cls->check(&labels));
	NNO_TRY(check_teacher(call));
	call->t = labels.t;
	call->columns = labels.columns;
	/* Without a teacher the value is cross-entropy's, and so is what its mean divides by. */
	call->weight = call->loss->teacher != NULL ? (double)call->rows : labels.weight;
	call->count = labels.count;
	return NNOPT_OK;
}

static void run_teacher(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	const attr *a = call->loss->attr;
	const nno_kernels *kernels = call->loss->context->kernels;
	const float *z = nnopt_tensor_const_data(call->loss->teacher);
	double t = a->temperature, share = 1.0 - a->alpha, k = call->slope * share * t;
	int64_t n = call->columns;
	for (int64_t at = begin * n; at < end * n; at += n) {
		float s[5];
		kernels->divergence_f32(call->x + at, z + at, (float)(1.0 / t), n, s);
		double sum = (double)s[3];
		part->value += share * t * t * (log((double)s[2]) - log(sum) + (double)s[4] / sum);
		if (call->gradient != NULL)
			kernels->divergence_gradient_f32(call->gradient + at, call->x + at, z + at, (float)(1.0 / t), s,
							 (float)(k / (double)s[2]), (float)(k / sum), n);
	}
}

static void run(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	const attr *a = call->loss->attr;
	nno_loss_call labels = labels_call(call);
	double alpha = call->loss->teacher != NULL ? a->alpha : 1.0;
	labels.slope = call->slope * alpha;
	labels.loss->cls->run(&labels, begin, end, part);
	part->value *= alpha;
	if (call->loss->teacher != NULL)
		run_teacher(call, begin, end, part);
}

static void release(void *of, const nno_alloc *alloc)
{
	(void)alloc;
	nnopt_loss_destroy(((attr *)of)->labels);
}

const nno_loss_class nno_loss_distillation = {
	.name = "distillation",
	.attr_size = sizeof(attr),
	.takes_teacher = true,
	.check = check,
	.run = run,
	.release = release,
};

nnopt_status nnopt_distillation_options_init(nnopt_distillation_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "distillation_options");
}

nnopt_status nnopt_distillation_create(nnopt_loss **out, nnopt_context *context,
				       const nnopt_distillation_options *options)
{
	nnopt_distillation_options o = defaults;
	nnopt_cross_entropy_options labels;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "distillation_options"));
	if (!(o.temperature > 0.0 && isfinite(o.temperature)))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "distillation: temperature %g, finite and above 0 wanted",
				o.temperature);
	NNO_TRY(nno_loss_check_number("distillation: alpha", o.alpha, 0.0, 1.0));
	NNO_TRY(nnopt_cross_entropy_options_init(&labels, sizeof labels));
	labels.label_smoothing = (float)o.label_smoothing;
	attr a = { .temperature = o.temperature, .alpha = o.alpha };
	NNO_TRY(nnopt_cross_entropy_create(&a.labels, context, &labels));
	nnopt_status status = nno_loss_create(out, context, &nno_loss_distillation, &a, o.reduction);
	if (status != NNOPT_OK)
		nnopt_loss_destroy(a.labels);
	return status;
}
