/* nadam.c - Adam with Nesterov momentum (Dozat 2016), as torch.optim.NAdam. The momentum of step t is mu_t = beta1 (1 -
 * 0.96^(t psi) / 2); the bias corrections want the product of all of them so far, which is a function of t alone. */
#include "optim/optim.h"

#include <math.h>

typedef struct attr {
	nnopt_nadam_options options;
	int64_t number; /* mu_1 ... mu_number is the product: kept from the step before */
	double product;
} attr;

static const nnopt_nadam_options defaults = {
	.struct_size = sizeof(nnopt_nadam_options),
	.lr = 2e-3,
	.beta1 = 0.9,
	.beta2 = 0.999,
	.epsilon = 1e-8,
	.momentum_decay = 4e-3,
};

static int slots(const void *of, const char *names[NNO_MAX_SLOTS])
{
	(void)of;
	names[0] = "exp_avg";
	names[1] = "exp_avg_sq";
	return 2;
}

static double momentum_of(const nnopt_nadam_options *o, int64_t step)
{
	return o->beta1 * (1.0 - 0.5 * pow(0.96, (double)step * o->momentum_decay));
}

/* In the order of the steps wherever it begins, so that a resumed run has the same bits. */
static double product_of(attr *a, int64_t number)
{
	if (number < a->number) {
		a->number = 0;
		a->product = 1.0;
	}
	/* What is no longer seen beside 1 cannot come back. */
	for (; a->number < number && a->product > 1e-30; a->number++)
		a->product *= momentum_of(&a->options, a->number + 1);
	a->number = number;
	return a->product;
}

static void prepare(void *of, const nno_step_input *in, nno_step *out)
{
	attr *a = of;
	const nnopt_nadam_options *o = &a->options;
	double decay = o->weight_decay * in->decay_scale, product = product_of(a, in->number);
	double mu = momentum_of(o, in->number), next = momentum_of(o, in->number + 1);
	out->nadam = (nno_nadam_step){
		.gradient = in->gradient,
		.one_minus_beta1 = (float)(1.0 - o->beta1),
		.beta2 = (float)o->beta2,
		.one_minus_beta2 = (float)(1.0 - o->beta2),
		.rate_g = (float)(in->lr * (1.0 - mu) / (1.0 - product)),
		.rate_m = (float)(in->lr * next / (1.0 - product * next)),
		.root = (float)(1.0 / sqrt(1.0 - pow(o->beta2, (double)in->number))),
		.epsilon = (float)o->epsilon,
		.shrink = o->decoupled ? (float)(1.0 - in->lr * decay) : 1.0f,
	};
	out->nadam.gradient.decay = o->decoupled ? 0.0f : (float)decay;
	out->nadam.gradient.l1 = (float)(o->l1 * in->l1_scale);
}

static void update(const nno_kernels *kernels, float *w, const float *g, float *const slot[NNO_MAX_SLOTS],
		   const nno_step *step, int64_t n)
{
	kernels->nadam_f32(w, g, slot[0], slot[1], &step->nadam, n);
}

const nno_optimizer_class nno_optimizer_nadam = {
	.name = "nadam",
	.attr_size = sizeof(attr),
	.slots = slots,
	.prepare = prepare,
	.update = update,
};

nnopt_status nnopt_nadam_options_init(nnopt_nadam_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "nadam_options");
}

nnopt_status nnopt_nadam_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_nadam_options *options)
{
	attr a = { .options = defaults, .product = 1.0 };
	NNO_TRY(nnopt_options_read(&a.options, sizeof a.options, options, "nadam_options"));
	NNO_TRY(nno_check_fraction("nadam", "beta1", a.options.beta1));
	NNO_TRY(nno_check_fraction("nadam", "beta2", a.options.beta2));
	NNO_TRY(nno_check_at_least_zero("nadam", "epsilon", a.options.epsilon));
	NNO_TRY(nno_check_at_least_zero("nadam", "momentum_decay", a.options.momentum_decay));
	NNO_TRY(nno_check_at_least_zero("nadam", "weight_decay", a.options.weight_decay));
	NNO_TRY(nno_check_at_least_zero("nadam", "l1", a.options.l1));
	return nno_optimizer_create(out, context, &nno_optimizer_nadam, &a, a.options.lr);
}
