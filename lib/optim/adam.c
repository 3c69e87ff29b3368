/* adam.c - Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019), as torch.optim: they differ in where
 * weight decay enters. Bias corrections are computed in double, once a step, and reach the kernel as factors. */
#include "optim/optim.h"

#include <math.h>

typedef struct attr {
	nnopt_adam_options options;
	bool decoupled;
} attr;

static const nnopt_adam_options adam_defaults = {
	.struct_size = sizeof(nnopt_adam_options),
	.lr = 1e-3,
	.beta1 = 0.9,
	.beta2 = 0.999,
	.epsilon = 1e-8,
};
static const nnopt_adam_options adamw_defaults = {
	.struct_size = sizeof(nnopt_adam_options),
	.lr = 1e-3,
	.beta1 = 0.9,
	.beta2 = 0.999,
	.epsilon = 1e-8,
	.weight_decay = 0.01,
};

static int slots(const void *of, const char *names[NNO_MAX_SLOTS])
{
	(void)of;
	names[0] = "exp_avg";
	names[1] = "exp_avg_sq";
	return 2;
}

static void prepare(void *of, const nno_step_input *in, nno_step *out)
{
	const attr *a = of;
	const nnopt_adam_options *o = &a->options;
	double decay = o->weight_decay * in->decay_scale, t = (double)in->number;
	out->adam = (nno_adam_step){
		.gradient = in->gradient,
		.one_minus_beta1 = (float)(1.0 - o->beta1),
		.beta2 = (float)o->beta2,
		.one_minus_beta2 = (float)(1.0 - o->beta2),
		.rate = (float)(in->lr / (1.0 - pow(o->beta1, t))),
		.root = (float)(1.0 / sqrt(1.0 - pow(o->beta2, t))),
		.epsilon = (float)o->epsilon,
		.shrink = a->decoupled ? (float)(1.0 - in->lr * decay) : 1.0f,
	};
	out->adam.gradient.decay = a->decoupled ? 0.0f : (float)decay;
	out->adam.gradient.l1 = (float)(o->l1 * in->l1_scale);
}

static void update(const nno_kernels *kernels, float *w, const float *g, float *const slot[NNO_MAX_SLOTS],
		   const nno_step *step, int64_t n)
{
	kernels->adam_f32(w, g, slot[0], slot[1], &step->adam, n);
}

const nno_optimizer_class nno_optimizer_adam = {
	.name = "adam",
	.attr_size = sizeof(attr),
	.slots = slots,
	.prepare = prepare,
	.update = update,
};

const nno_optimizer_class nno_optimizer_adamw = {
	.name = "adamw",
	.attr_size = sizeof(attr),
	.slots = slots,
	.prepare = prepare,
	.update = update,
};

static nnopt_status create(nnopt_optimizer **out, nnopt_context *context, const nno_optimizer_class *cls, attr *a,
			   const nnopt_adam_options *options)
{
	NNO_TRY(nnopt_options_read(&a->options, sizeof a->options, options, "adam_options"));
	NNO_TRY(nno_check_fraction(cls->name, "beta1", a->options.beta1));
	NNO_TRY(nno_check_fraction(cls->name, "beta2", a->options.beta2));
	NNO_TRY(nno_check_at_least_zero(cls->name, "epsilon", a->options.epsilon));
	NNO_TRY(nno_check_at_least_zero(cls->name, "weight_decay", a->options.weight_decay));
	NNO_TRY(nno_check_at_least_zero(cls->name, "l1", a->options.l1));
	return nno_optimizer_create(out, context, cls, a, a->options.lr);
}

nnopt_status nnopt_adam_options_init(nnopt_adam_options *options, size_t size)
{
	return nnopt_options_init(options, size, &adam_defaults, sizeof adam_defaults, "adam_options");
}

nnopt_status nnopt_adamw_options_init(nnopt_adam_options *options, size_t size)
{
	return nnopt_options_init(options, size, &adamw_defaults, sizeof adamw_defaults, "adam_options");
}

nnopt_status nnopt_adam_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_adam_options *options)
{
	attr a = { adam_defaults, false };
	return create(out, context, &nno_optimizer_adam, &a, options);
}

nnopt_status nnopt_adamw_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_adam_options *options)
{
	attr a = { adamw_defaults, true };
	return create(out, context, &nno_optimizer_adamw, &a, options);
}
