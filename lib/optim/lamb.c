/* lamb.c - LAMB (You et al. 2020, algorithm 2): Adam's direction, each tensor's step scaled by the ratio of its norm to
 * the direction's. The direction is computed twice, for the norms and for the step: that costs less than to keep it.
 * Norms are sums over fixed pieces in their order. */
#include "optim/optim.h"

#include "base/size.h"

#include <math.h>

typedef nnopt_lamb_options attr;

static const attr defaults = {
	.struct_size = sizeof(attr),
	.lr = 1e-3,
	.beta1 = 0.9,
	.beta2 = 0.999,
	.epsilon = 1e-6,
	.bias_correction = 1,
	.always_adapt = 1,
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
	double t = (double)in->number, decay = a->weight_decay * in->decay_scale;
	out->lamb = (nno_lamb_step){
		.gradient = in->gradient,
		.one_minus_beta1 = (float)(1.0 - a->beta1),
		.beta2 = (float)a->beta2,
		.one_minus_beta2 = (float)(1.0 - a->beta2),
		.first = a->bias_correction ? (float)(1.0 / (1.0 - pow(a->beta1, t))) : 1.0f,
		.root = a->bias_correction ? (float)(1.0 / sqrt(1.0 - pow(a->beta2, t))) : 1.0f,
		.epsilon = (float)a->epsilon,
		.decay = (float)decay,
		.lr = (float)in->lr,
		.adapt = a->always_adapt || decay != 0.0,
	};
	out->lamb.gradient.l1 = (float)(a->l1 * in->l1_scale);
}

/* Of a piece: squares of its weights and of its directions. Of a span: the rate. */
typedef struct lamb_work {
	double (*squares)[2];
	float *rates;
} lamb_work;

static int64_t most_pieces(const nnopt_optimizer *o) { return o->span_count + o->chunk_count; }

static lamb_work work_of(const nnopt_optimizer *o)
{
	double(*squares)[2] = o->work;
	return (lamb_work){ squares, (float *)(squares + most_pieces(o)) };
}

static size_t work_bytes(const nnopt_optimizer *o)
{
	size_t squares, rates, bytes;
	bool fits = nno_size_mul((size_t)most_pieces(o), sizeof(double[2]), &squares) &&
		    nno_size_mul((size_t)o->span_count, sizeof(float), &rates) && nno_size_add(squares, rates, &bytes);
	return fits ? bytes : SIZE_MAX;
}

static void take_moments(void *user, int64_t chunk, int slot)
{
	enum { BLOCK = 1024 };
	(void)slot;
	const nno_update_pass *p = user;
	const nnopt_optimizer *o = p->o;
	const nno_kernels *kernels = o->context->kernels;
	for (int64_t i = o->first[chunk]; i < o->first[chunk + 1]; i++) {
		const nno_piece *piece = &o->pieces[i];
		double *squares = work_of(o).squares[i];
		squares[0] = squares[1] = 0.0;
		for (int64_t at = piece->begin; at < piece->end; at += BLOCK) {
			int64_t n = nno_i64_min(BLOCK, piece->end - at);
			float direction[BLOCK], *slots[NNO_MAX_SLOTS];
			double of_weights, of_direction;
			nno_optimizer_slots_at(o, at, slots);
			kernels->lamb_moments_f32(direction, p->parameters + at, p->gradients + at, slots[0], slots[1],
						  &o->group_steps[piece->group].lamb, n);
			kernels->sum_squares_f32(p->parameters + at, n, &of_weights);
			kernels->sum_squares_f32(direction, n, &of_direction);
			squares[0] += of_weights;
			squares[1] += of_direction;
		}
	}
}

/* From the sums over the pieces, which are in the order of the spans. */
static void find_rates(nnopt_optimizer *o)
{
	lamb_work work = work_of(o);
	for (int64_t i = 0, last = o->first[o->chunk_count]; i < last;) {
		int32_t span = o->pieces[i].span;
		const nno_lamb_step *step = &o->group_steps[o->pieces[i].group].lamb;
		double weights = 0.0, direction = 0.0;
		for (; i < last && o->pieces[i].span == span; i++) {
			weights += work.squares[i][0];
			direction += work.squares[i][1];
		}
		bool adapt = step->adapt && weights > 0.0 && direction > 0.0;
		work.rates[span] = adapt ? (float)((double)step->lr * sqrt(weights / direction)) : step->lr;
	}
}

static void go_along(void *user, int64_t chunk, int slot)
{
	(void)slot;
	const nno_update_pass *p = user;
	const nnopt_optimizer *o = p->o;
	for (int64_t i = o->first[chunk]; i < o->first[chunk + 1]; i++) {
		const nno_piece *piece = &o->pieces[i];
		float *slots[NNO_MAX_SLOTS];
		nno_optimizer_slots_at(o, piece->begin, slots);
		o->context->kernels->lamb_f32(p->parameters + piece->begin, slots[0], slots[1],
					      &o->group_steps[piece->group].lamb, work_of(o).rates[piece->span],
					      piece->end - piece->begin);
	}
}

static void run(nnopt_optimizer *o, float *parameters, const float *gradients)
{
	nno_update_pass p = { o, parameters, gradients };
	nno_parallel_for(o->context->pool, o->chunk_count, take_moments, &p);
	find_rates(o);
	nno_parallel_for(o->context->pool, o->chunk_count, go_along, &p);
}

const nno_optimizer_class nno_optimizer_lamb = {
	.name = "lamb",
	.attr_size = sizeof(attr),
	.slots = slots,
	.prepare = prepare,
	.by_tensor = true,
	.work_bytes = work_bytes,
	.run = run,
};

nnopt_status nnopt_lamb_options_init(nnopt_lamb_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "lamb_options");
}

nnopt_status nnopt_lamb_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_lamb_options *options)
{
	attr a = defaults;
	NNO_TRY(nnopt_options_read(&a, sizeof a, options, "lamb_options"));
	NNO_TRY(nno_check_fraction("lamb", "beta1", a.beta1));
	NNO_TRY(nno_check_fraction("lamb", "beta2", a.beta2));
	NNO_TRY(nno_check_at_least_zero("lamb", "epsilon", a.epsilon));
	NNO_TRY(nno_check_at_least_zero("lamb", "weight_decay", a.weight_decay));
	NNO_TRY(nno_check_at_least_zero("lamb", "l1", a.l1));
	return nno_optimizer_create(out, context, &nno_optimizer_lamb, &a, a.lr);
}
