/* rmsprop.c - RMSprop (Tieleman and Hinton 2012), as torch.optim.RMSprop: epsilon outside the root; centred as in
 * Graves 2013. */
#include "optim/optim.h"

typedef nnopt_rmsprop_options attr;

static const attr defaults = { .struct_size = sizeof(attr), .lr = 0.01, .alpha = 0.99, .epsilon = 1e-8 };

/* In the order square_avg, grad_avg, momentum, leaving out what the options do not ask for. */
static int slots(const void *of, const char *names[NNO_MAX_SLOTS])
{
	const attr *a = of;
	int n = 0;
	names[n++] = "square_avg";
	if (a->centered)
		names[n++] = "grad_avg";
	if (a->momentum > 0.0)
		names[n++] = "momentum";
	return n;
}

static void prepare(void *of, const nno_step_input *in, nno_step *out)
{
	const attr *a = of;
	out->rmsprop = (nno_rmsprop_step){
		.gradient = in->gradient,
		.lr = (float)in->lr,
		.alpha = (float)a->alpha,
		.one_minus_alpha = (float)(1.0 - a->alpha),
		.epsilon = (float)a->epsilon,
		.momentum = (float)a->momentum,
		.centered = a->centered,
	};
	out->rmsprop.gradient.decay = (float)(a->weight_decay * in->decay_scale);
	out->rmsprop.gradient.l1 = (float)(a->l1 * in->l1_scale);
}

static void update(const nno_kernels *kernels, float *w, const float *g, float *const slot[NNO_MAX_SLOTS],
		   const nno_step *step, int64_t n)
{
	bool centered = step->rmsprop.centered;
	float *mean = centered ? slot[1] : NULL;
	float *momentum = centered ? slot[2] : slot[1];
	kernels->rmsprop_f32(w, g, slot[0], mean, momentum, &step->rmsprop, n);
}

const nno_optimizer_class nno_optimizer_rmsprop = {
	.name = "rmsprop",
	.attr_size = sizeof(attr),
	.slots = slots,
	.prepare = prepare,
	.update = update,
};

nnopt_status nnopt_rmsprop_options_init(nnopt_rmsprop_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "rmsprop_options");
}

nnopt_status nnopt_rmsprop_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_rmsprop_options *options)
{
	attr a = defaults;
	NNO_TRY(nnopt_options_read(&a, sizeof a, options, "rmsprop_options"));
	NNO_TRY(nno_check_fraction("rmsprop", "alpha", a.alpha));
	NNO_TRY(nno_check_at_least_zero("rmsprop", "epsilon", a.epsilon));
	NNO_TRY(nno_check_at_least_zero("rmsprop", "momentum", a.momentum));
	NNO_TRY(nno_check_at_least_zero("rmsprop", "weight_decay", a.weight_decay));
	NNO_TRY(nno_check_at_least_zero("rmsprop", "l1", a.l1));
	return nno_optimizer_create(out, context, &nno_optimizer_rmsprop, &a, a.lr);
}
