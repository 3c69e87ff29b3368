/* muon.c - Muon (Jordan et al. 2024): momentum whose matrices are made orthogonal, for the hidden weights; Adam for all
 * else, as in the authors' MuonWithAuxAdam. A weight is seen as a matrix of outputs by all else, as it is stored.
 * Matrices are done one after the other, each by all threads: they share one working room. */
#include "optim/optim.h"

#include "base/size.h"
#include "optim/orthogonal.h"

#include <math.h>

typedef nnopt_muon_options attr;

static const attr defaults = {
	.struct_size = sizeof(attr),
	.lr = 0.02,
	.momentum = 0.95,
	.epsilon = 1e-7,
	.other_lr_scale = 0.015,
	.other_beta1 = 0.9,
	.other_beta2 = 0.95,
	.other_epsilon = 1e-10,
	.nesterov = 1,
	.iterations = 5,
};

/* The momentum of matrices and Adam's of all else are computed alike and share a slot. */
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
	double t = (double)in->number, lr = in->lr * a->other_lr_scale;
	out->muon.matrix = (nno_muon_step){
		.gradient = in->gradient,
		.lr = (float)in->lr,
		.momentum = (float)a->momentum,
		.one_minus_momentum = (float)(1.0 - a->momentum),
		.shrink = (float)(1.0 - in->lr * a->weight_decay * in->decay_scale),
		.nesterov = a->nesterov,
	};
	out->muon.other = (nno_adam_step){
		.gradient = in->gradient,
		.one_minus_beta1 = (float)(1.0 - a->other_beta1),
		.beta2 = (float)a->other_beta2,
		.one_minus_beta2 = (float)(1.0 - a->other_beta2),
		.rate = (float)(lr / (1.0 - pow(a->other_beta1, t))),
		.root = (float)(1.0 / sqrt(1.0 - pow(a->other_beta2, t))),
		.epsilon = (float)a->other_epsilon,
		.shrink = (float)(1.0 - lr * a->other_weight_decay * in->decay_scale),
	};
	out->muon.matrix.gradient.l1 = out->muon.other.gradient.l1 = (float)(a->l1 * in->l1_scale);
}

static bool is_matrix(const nnopt_optimizer *o, const nno_span *span)
{
	int32_t rule = o->groups[span->group].rule;
	return span->rows > 0 && rule != NNOPT_RULE_OTHER && (span->hidden || rule == NNOPT_RULE_MATRIX);
}

/* The room's arrays one after the other at `base`, doubles first. Returns the bytes, SIZE_MAX when they are too many.
 */
static size_t lay_out(const nnopt_optimizer *o, nno_orthogonal_room *room, double *base)
{
	int64_t most = 0, side = 0, square, floats, part = NNO_ORTHOGONAL_PART;
	size_t bytes;
	for (int32_t i = 0; i < o->span_count; i++) {
		const nno_span *s = &o->spans[i];
		if (!is_matrix(o, s))
			continue;
		most = nno_i64_max(most, s->end - s->begin);
		side = nno_i64_max(side, nno_i64_min(s->rows, s->columns));
	}
	/* Two of each matrix, of its squares and (a double) of its parts, and the scratch. */
	int64_t parts = nno_i64_ceil_div(most, part), slots = most > 0 ? nno_pool_slots(o->context->pool) : 0;
	if (!nno_i64_mul(side, side, &square) || !nno_i64_add(square, most, &floats) ||
	    !nno_i64_add(floats, parts + slots * (NNO_ORTHOGONAL_SCRATCH / 2), &floats) ||
	    !nno_size_mul((size_t)floats, 2 * sizeof(float), &bytes))
		return SIZE_MAX;
	if (room != NULL) {
		float *first = (float *)(base + parts), *squares = first + 2 * most;
		*room =
		    (nno_orthogonal_room){ first, first + most, squares, squares + square, squares + 2 * square, base };
	}
	return bytes;
}

static size_t work_bytes(const nnopt_optimizer *o) { return lay_out(o, NULL, NULL); }

typedef struct matrix_job {
	nno_update_pass pass;
	const nno_span *span;
	nno_muon_step step;
	float *u; /* what momentum comes to, of the span */
	const float *direction;
	float rate;
} matrix_job;

static void other_chunk(void *user, int64_t chunk, int slot)
{
	(void)slot;
	const nno_update_pass *p = user;
	const nnopt_optimizer *o = p->o;
	for (int64_t i = o->first[chunk]; i < o->first[chunk + 1]; i++) {
		const nno_piece *piece = &o->pieces[i];
		float *slots[NNO_MAX_SLOTS];
		if (is_matrix(o, &o->spans[piece->span]))
			continue;
		nno_optimizer_slots_at(o, piece->begin, slots);
		o->context->kernels->adam_f32(p->parameters + piece->begin, p->gradients + piece->begin, slots[0],
					      slots[1], &o->group_steps[piece->group].muon.other,
					      piece->end - piece->begin);
	}
}

static int64_t part_of(const matrix_job *j, int64_t part, int64_t *n)
{
	int64_t from = part * NNO_ORTHOGONAL_PART;
	*n = nno_i64_min(NNO_ORTHOGONAL_PART, j->span->end - j->span->begin - from);
	return from;
}

static void momentum_part(void *user, int64_t part, int slot)
{
	(void)slot;
	const matrix_job *j = user;
	const nnopt_optimizer *o = j->pass.o;
	int64_t n, from = part_of(j, part, &n), at = j->span->begin + from;
	o->context->kernels->muon_momentum_f32(j->u + from, j->pass.parameters + at, j->pass.gradients + at,
					       o->slot_data[0] + at, &j->step, n);
}

static void step_part(void *user, int64_t part, int slot)
{
	(void)slot;
	const matrix_job *j = user;
	const nno_kernels *kernels = j->pass.o->context->kernels;
	int64_t n, from = part_of(j, part, &n);
	float *w = j->pass.parameters + j->span->begin + from;
	if (j->step.shrink != 1.0f)
		kernels->scale_f32(w, w, j->step.shrink, n);
	kernels->add_scaled_f32(w, j->direction + from, -j->rate, n);
}

/* What the rate is multiplied by, so that steps are as large in matrices of any shape. */
static double factor_of(const attr *a, const nno_span *span)
{
	double out = (double)(span->by_column ? span->columns : span->rows),
	       in = (double)(span->by_column ? span->rows : span->columns);
	return a->scale == NNOPT_MUON_SCALE_NONE          ? 1.0
	       : a->scale == NNOPT_MUON_SCALE_MATCH_ADAMW ? 0.2 * sqrt(fmax(out, in))
	       : a->scale == NNOPT_MUON_SCALE_SPECTRAL    ? sqrt(out / in)
							  : sqrt(fmax(1.0, out / in));
}

static void run(nnopt_optimizer *o, float *parameters, const float *gradients)
{
	const attr *a = o->attr;
	matrix_job j = { .pass = { o, parameters, gradients } };
	nno_orthogonal_room room = { 0 };
	nno_parallel_for(o->context->pool, o->chunk_count, other_chunk, &j.pass);
	if (o->work != NULL)
		(void)lay_out(o, &room, o->work);
	for (int32_t i = 0; i < o->span_count; i++) {
		j.span = &o->spans[i];
		if (!j.span->trainable || !is_matrix(o, j.span))
			continue;
		j.step = o->group_steps[j.span->group].muon.matrix;
		j.rate = (float)((double)j.step.lr * factor_of(a, j.span));
		j.u = room.x;
		int64_t parts = nno_i64_ceil_div(j.span->end - j.span->begin, NNO_ORTHOGONAL_PART);
		nno_parallel_for(o->context->pool, parts, momentum_part, &j);
		j.direction =
		    nno_orthogonalise(o->context, &room, j.span->rows, j.span->columns, a->iterations, a->epsilon);
		nno_parallel_for(o->context->pool, parts, step_part, &j);
	}
}

const nno_optimizer_class nno_optimizer_muon = {
	.name = "muon",
	.attr_size = sizeof(attr),
	.slots = slots,
	.prepare = prepare,
	.by_tensor = true,
	.work_bytes = work_bytes,
	.run = run,
};

static nnopt_status check(const attr *a)
{
	NNO_TRY(nno_check_fraction("muon", "momentum", a->momentum));
	NNO_TRY(nno_check_at_least_zero("muon", "weight_decay", a->weight_decay));
	NNO_TRY(nno_check_at_least_zero("muon", "epsilon", a->epsilon));
	NNO_TRY(nno_check_at_least_zero("muon", "l1", a->l1));
	NNO_TRY(nno_check_at_least_zero("muon", "other_lr_scale", a->other_lr_scale));
	NNO_TRY(nno_check_fraction("muon", "other_beta1", a->other_beta1));
	NNO_TRY(nno_check_fraction("muon", "other_beta2", a->other_beta2));
	NNO_TRY(nno_check_at_least_zero("muon", "other_epsilon", a->other_epsilon));
	NNO_TRY(nno_check_at_least_zero("muon", "other_weight_decay", a->other_weight_decay));
	if (!(a->epsilon > 0.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "muon: epsilon 0, above 0 wanted");
	if (a->iterations < 1 || a->iterations > 99)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "muon: iterations %d, 1 to 99 wanted", a->iterations);
	if (a->scale < NNOPT_MUON_SCALE_ORIGINAL || a->scale > NNOPT_MUON_SCALE_NONE)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "muon: scale %d, a nnopt_muon_scale wanted", a->scale);
	return NNOPT_OK;
}

nnopt_status nnopt_muon_options_init(nnopt_muon_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "muon_options");
}

nnopt_status nnopt_muon_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_muon_options *options)
{
	attr a = defaults;
	NNO_TRY(nnopt_options_read(&a, sizeof a, options, "muon_options"));
	NNO_TRY(check(&a));
	return nno_optimizer_create(out, context, &nno_optimizer_muon, &a, a.lr);
}
