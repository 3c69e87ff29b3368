/* adagrad.c - Adagrad (Duchi et al. 2011), as torch.optim.Adagrad. */
#include "optim/optim.h"

typedef nnopt_adagrad_options attr;

static const attr defaults = { .struct_size = sizeof(attr), .lr = 0.01, .epsilon = 1e-10 };

static int slots(const void *of, const char *names[NNO_MAX_SLOTS])
{
	(void)of;
	names[0] = "sum";
	return 1;
}

static float first(const void *of, int slot)
{
	(void)slot;
	return (float)((const attr *)of)->initial_sum;
}

static void prepare(void *of, const nno_step_input *in, nno_step *out)
{
	const attr *a = of;
	out->adagrad = (nno_adagrad_step){
		.gradient = in->gradient,
		.rate = (float)(in->lr / (1.0 + (double)(in->number - 1) * a->lr_decay)),
		.epsilon = (float)a->epsilon,
	};
	out->adagrad.gradient.decay = (float)(a->weight_decay * in->decay_scale);
	out->adagrad.gradient.l1 = (float)(a->l1 * in->l1_scale);
}

static void update(const nno_kernels *kernels, float *w, const float *g, float *const slot[NNO_MAX_SLOTS],
		   const nno_step *step, int64_t n)
{
	kernels->adagrad_f32(w, g, slot[0], &step->adagrad, n);
}

const nno_optimizer_class nno_optimizer_adagrad = {
	.name = "adagrad",
	.attr_size = sizeof(attr),
	.slots = slots,
	.first = first,
	.prepare = prepare,
	.update = update,
};

nnopt_status nnopt_adagrad_options_init(nnopt_adagrad_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "adagrad_options");
}

nnopt_status nnopt_adagrad_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_adagrad_options *options)
{
	attr a = defaults;
	NNO_TRY(nnopt_options_read(&a, sizeof a, options, "adagrad_options"));
	NNO_TRY(nno_check_at_least_zero("adagrad", "lr_decay", a.lr_decay));
	NNO_TRY(nno_check_at_least_zero("adagrad", "epsilon", a.epsilon));
	NNO_TRY(nno_check_at_least_zero("adagrad", "initial_sum", a.initial_sum));
	NNO_TRY(nno_check_at_least_zero("adagrad", "weight_decay", a.weight_decay));
	NNO_TRY(nno_check_at_least_zero("adagrad", "l1", a.l1));
	return nno_optimizer_create(out, context, &nno_optimizer_adagrad, &a, a.lr);
}
