/* lion.c - Lion (Chen et al. 2023, algorithm 2): the sign of an interpolation between momentum and gradient, decoupled
 * weight decay. As the authors' own code in google/automl. */
#include "optim/optim.h"

typedef nnopt_lion_options attr;

static const attr defaults = { .struct_size = sizeof(attr), .lr = 1e-4, .beta1 = 0.9, .beta2 = 0.99 };

static int slots(const void *of, const char *names[NNO_MAX_SLOTS])
{
	(void)of;
	names[0] = "exp_avg";
	return 1;
}

static void prepare(void *of, const nno_step_input *in, nno_step *out)
{
	const attr *a = of;
	out->lion = (nno_lion_step){
		.gradient = in->gradient,
		.lr = (float)in->lr,
		.beta1 = (float)a->beta1,
		.one_minus_beta1 = (float)(1.0 - a->beta1),
		.beta2 = (float)a->beta2,
		.one_minus_beta2 = (float)(1.0 - a->beta2),
		.shrink = (float)(1.0 - in->lr * a->weight_decay * in->decay_scale),
	};
	out->lion.gradient.l1 = (float)(a->l1 * in->l1_scale);
}

static void update(const nno_kernels *kernels, float *w, const float *g, float *const slot[NNO_MAX_SLOTS],
		   const nno_step *step, int64_t n)
{
	kernels->lion_f32(w, g, slot[0], &step->lion, n);
}

const nno_optimizer_class nno_optimizer_lion = {
	.name = "lion",
	.attr_size = sizeof(attr),
	.slots = slots,
	.prepare = prepare,
	.update = update,
};

nnopt_status nnopt_lion_options_init(nnopt_lion_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "lion_options");
}

nnopt_status nnopt_lion_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_lion_options *options)
{
	attr a = defaults;
	NNO_TRY(nnopt_options_read(&a, sizeof a, options, "lion_options"));
	NNO_TRY(nno_check_fraction("lion", "beta1", a.beta1));
	NNO_TRY(nno_check_fraction("lion", "beta2", a.beta2));
	NNO_TRY(nno_check_at_least_zero("lion", "weight_decay", a.weight_decay));
	NNO_TRY(nno_check_at_least_zero("lion", "l1", a.l1));
	return nno_optimizer_create(out, context, &nno_optimizer_lion, &a, a.lr);
}
