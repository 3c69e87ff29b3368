/* sgd.c - stochastic gradient descent with momentum, as torch.optim.SGD: the buffer starts as the first gradient,
 * without dampening (Sutskever et al. 2013 with PyTorch's placing of the learning rate outside the buffer). */
#include "optim/optim.h"

typedef nnopt_sgd_options attr;

static const attr defaults = { .struct_size = sizeof(attr), .lr = 0.01 };

static int slots(const void *of, const char *names[NNO_MAX_SLOTS])
{
	const attr *a = of;
	names[0] = "momentum";
	return a->momentum > 0.0;
}

static void prepare(void *of, const nno_step_input *in, nno_step *out)
{
	const attr *a = of;
	out->sgd = (nno_sgd_step){
		.gradient = in->gradient,
		.lr = (float)in->lr,
		.momentum = (float)a->momentum,
		.keep = in->number == 1 ? 1.0f : (float)(1.0 - a->dampening),
		.nesterov = a->nesterov,
	};
	out->sgd.gradient.decay = (float)(a->weight_decay * in->decay_scale);
	out->sgd.gradient.l1 = (float)(a->l1 * in->l1_scale);
}

static void update(const nno_kernels *kernels, float *w, const float *g, float *const slot[NNO_MAX_SLOTS],
		   const nno_step *step, int64_t n)
{
	kernels->sgd_f32(w, g, slot[0], &step->sgd, n);
}

const nno_optimizer_class nno_optimizer_sgd = {
	.name = "sgd",
	.attr_size = sizeof(attr),
	.slots = slots,
	.prepare = prepare,
	.update = update,
};

nnopt_status nnopt_sgd_options_init(nnopt_sgd_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "sgd_options");
}

nnopt_status nnopt_sgd_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_sgd_options *options)
{
	attr a = defaults;
	NNO_TRY(nnopt_options_read(&a, sizeof a, options, "sgd_options"));
	NNO_TRY(nno_check_at_least_zero("sgd", "momentum", a.momentum));
	NNO_TRY(nno_check_at_least_zero("sgd", "weight_decay", a.weight_decay));
	NNO_TRY(nno_check_at_least_zero("sgd", "l1", a.l1));
	if (!(a.dampening >= 0.0 && a.dampening <= 1.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "sgd: dampening %g, 0 to 1 wanted", a.dampening);
	if (a.nesterov && (a.momentum <= 0.0 || a.dampening != 0.0))
		return nno_fail(
		    NNOPT_ERROR_INVALID_ARGUMENT,
		    "sgd: nesterov with momentum %g and dampening %g, momentum above 0 and no dampening wanted",
		    a.momentum, a.dampening);
	return nno_optimizer_create(out, context, &nno_optimizer_sgd, &a, a.lr);
}
