/* average.c - weights that follow a model's: all kinds are one step, average += (weights - average) * share, and differ
 * in the share and in whether the model follows back. */
#include "nnopt/average.h"

#include "base/size.h"
#include "optim/optim.h"

#include <math.h>
#include <string.h>

typedef struct average_class {
	const char *name;
	/* Of the update that `steps` counts last, from 1, with `count` taken up before it; 0: it is not taken up. */
	double (*share)(const nnopt_average *a);
	bool follow; /* the model takes the average over */
} average_class;

struct nnopt_average {
	nnopt_context *context;
	const average_class *cls;
	int64_t start, every, ramp_steps;
	double decay, alpha;
	bool warm_up, with_state;

	uint64_t identity; /* of the blocks that it is attached to; 0: none */
	nnopt_tensor *parameters, *state;
	int64_t steps, count;
	bool swapped;
};

static bool has_turn(const nnopt_average *a) { return a->steps > a->start && (a->steps - a->start) % a->every == 0; }

static double ema_share(const nnopt_average *a)
{
	double t = (double)(a->count - 1), decay = a->warm_up ? fmin(a->decay, (1.0 + t) / (10.0 + t)) : a->decay;
	return !has_turn(a) ? 0.0 : a->count == 0 ? 1.0 : 1.0 - decay;
}

static double swa_share(const nnopt_average *a) { return has_turn(a) ? 1.0 / (double)(a->count + 1) : 0.0; }

static double lookahead_share(const nnopt_average *a)
{
	if (!has_turn(a))
		return 0.0;
	if (a->ramp_steps == 0)
		return a->alpha;
	double t = fmin(1.0, (double)a->steps / (double)a->ramp_steps);
	return 1.0 - a->decay * t * t * t;
}

static const average_class ema = { "ema", ema_share, false };
static const average_class swa = { "swa", swa_share, false };
static const average_class lookahead = { "lookahead", lookahead_share, true };

/* --- over both blocks in chunks --- */

typedef struct walk {
	const nno_kernels *kernels;
	float *average, *model;
	int64_t count;
	float share;
	bool follow;
} walk;

static int64_t chunk_of(const walk *w, int64_t chunk, int64_t *n)
{
	int64_t from = chunk * NNO_UPDATE_CHUNK;
	*n = nno_i64_min(NNO_UPDATE_CHUNK, w->count - from);
	return from;
}

static void approach_chunk(void *user, int64_t chunk, int slot)
{
	(void)slot;
	const walk *w = user;
	int64_t n, from = chunk_of(w, chunk, &n);
	size_t bytes = (size_t)n * sizeof(float);
	if (w->share < 1.0f)
		w->kernels->approach_f32(w->average + from, w->model + from, w->share, n);
	else
		memcpy(w->average + from, w->model + from, bytes);
	if (w->follow)
		memcpy(w->model + from, w->average + from, bytes);
}

static void swap_chunk(void *user, int64_t chunk, int slot)
{
	(void)slot;
	const walk *w = user;
	int64_t n, from = chunk_of(w, chunk, &n);
	for (int64_t i = from; i < from + n; i++) {
		float x = w->average[i];
		w->average[i] = w->model[i];
		w->model[i] = x;
	}
}

static void apply_chunk(void *user, int64_t chunk, int slot)
{
	(void)slot;
	const walk *w = user;
	int64_t n, from = chunk_of(w, chunk, &n);
	memcpy(w->model + from, w->average + from, (size_t)n * sizeof(float));
}

static void walk_both(nnopt_average *a, const nnopt_model_blocks *blocks, nno_task task, double share)
{
	walk w = { .kernels = a->context->kernels, .share = (float)share, .follow = a->cls->follow };
	nnopt_tensor *const ours[2] = { a->parameters, a->state };
	float *const theirs[2] = { blocks->parameters, blocks->state };
	for (int i = 0; i < 2; i++) {
		if (ours[i] == NULL)
			continue;
		w.average = nnopt_tensor_data(ours[i]);
		w.model = theirs[i];
		w.count = nnopt_tensor_count(ours[i]);
		nno_parallel_for(a->context->pool, nno_i64_ceil_div(w.count, NNO_UPDATE_CHUNK), task, &w);
	}
}

/* --- life --- */

static nnopt_status create(nnopt_average **out, nnopt_context *context, const nnopt_average *of)
{
	if (out == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s_create: %s is NULL", of->cls->name,
				out == NULL ? "out" : "context");
	if (of->start < 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: start %lld, at least 0 wanted", of->cls->name,
				(long long)of->start);
	if (of->every < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: every %lld, at least 1 wanted", of->cls->name,
				(long long)of->every);
	nnopt_average *a = nno_new(&context->alloc, sizeof *a);
	if (a == NULL)
		return nno_fail_memory(of->cls->name, sizeof *a);
	*a = *of;
	a->context = nno_context_take(context);
	*out = a;
	return NNOPT_OK;
}

void nnopt_average_destroy(nnopt_average *average)
{
	if (average == NULL)
		return;
	nnopt_context *context = average->context;
	nnopt_tensor_destroy(average->parameters);
	nnopt_tensor_destroy(average->state);
	nno_delete(&context->alloc, average);
	nno_context_drop(context);
}

static const nnopt_ema_options ema_defaults = {
	.struct_size = sizeof ema_defaults, .decay = 0.999, .every = 1, .average_state = 1
};

nnopt_status nnopt_ema_options_init(nnopt_ema_options *options, size_t size)
{
	return nnopt_options_init(options, size, &ema_defaults, sizeof ema_defaults, "ema_options");
}

nnopt_status nnopt_ema_create(nnopt_average **out, nnopt_context *context, const nnopt_ema_options *options)
{
	nnopt_ema_options o = ema_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "ema_options"));
	NNO_TRY(nno_check_fraction("ema", "decay", o.decay));
	nnopt_average a = { .cls = &ema,
			    .start = o.start,
			    .every = o.every,
			    .decay = o.decay,
			    .warm_up = o.warm_up != 0,
			    .with_state = o.average_state != 0 };
	return create(out, context, &a);
}

static const nnopt_swa_options swa_defaults = { .struct_size = sizeof swa_defaults, .every = 1, .average_state = 1 };

nnopt_status nnopt_swa_options_init(nnopt_swa_options *options, size_t size)
{
	return nnopt_options_init(options, size, &swa_defaults, sizeof swa_defaults, "swa_options");
}

nnopt_status nnopt_swa_create(nnopt_average **out, nnopt_context *context, const nnopt_swa_options *options)
{
	nnopt_swa_options o = swa_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "swa_options"));
	nnopt_average a = { .cls = &swa, .start = o.start, .every = o.every, .with_state = o.average_state != 0 };
	return create(out, context, &a);
}

static const nnopt_lookahead_options lookahead_defaults = {
	.struct_size = sizeof lookahead_defaults,
	.every = 5,
	.alpha = 0.5,
	.final_decay = 0.7737809375, /* 0.95^5 */
	.average_state = 1,
};

nnopt_status nnopt_lookahead_options_init(nnopt_lookahead_options *options, size_t size)
{
	return nnopt_options_init(options, size, &lookahead_defaults, sizeof lookahead_defaults, "lookahead_options");
}

nnopt_status nnopt_lookahead_create(nnopt_average **out, nnopt_context *context, const nnopt_lookahead_options *options)
{
	nnopt_lookahead_options o = lookahead_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "lookahead_options"));
	NNO_TRY(nno_check_fraction("lookahead", "final_decay", o.final_decay));
	if (!(o.alpha > 0.0 && o.alpha <= 1.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "lookahead: alpha %g, above 0 and at most 1 wanted",
				o.alpha);
	if (o.ramp_steps < 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "lookahead: ramp_steps %lld, at least 0 wanted",
				(long long)o.ramp_steps);
	nnopt_average a = { .cls = &lookahead,
			    .every = o.every,
			    .ramp_steps = o.ramp_steps,
			    .alpha = o.alpha,
			    .decay = o.final_decay,
			    .with_state = o.average_state != 0 };
	return create(out, context, &a);
}

/* --- use --- */

/* The model's blocks, which are those of the average where it has any. */
static nnopt_status get_blocks(const char *what, const nnopt_average *average, nnopt_model *model,
			       nnopt_model_blocks *blocks)
{
	if (average == NULL || model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s is NULL", what,
				average == NULL ? "average" : "model");
	*blocks = (nnopt_model_blocks){ .struct_size = sizeof *blocks };
	NNO_TRY(nnopt_model_get_blocks(model, blocks));
	if (average->identity != 0 && average->identity != blocks->identity)
		return nno_fail(NNOPT_ERROR_STATE,
				"%s: the average is attached to another model, or was before a layer was replaced",
				what);
	return NNOPT_OK;
}

nnopt_status nnopt_average_attach(nnopt_average *average, nnopt_model *model)
{
	nnopt_average *a = average;
	nnopt_model_blocks blocks;
	nnopt_status status;
	NNO_TRY(get_blocks("average_attach", a, model, &blocks));
	if (a->identity != 0)
		return NNOPT_OK;
	NNO_TRY_OUT(
	    nnopt_tensor_create(&a->parameters, a->context, NNOPT_F32, 1, &blocks.parameter_elements, NNOPT_NCHW));
	if (a->with_state && blocks.state_elements > 0)
		NNO_TRY_OUT(
		    nnopt_tensor_create(&a->state, a->context, NNOPT_F32, 1, &blocks.state_elements, NNOPT_NCHW));
	a->identity = blocks.identity;
	walk_both(a, &blocks, approach_chunk, 1.0);
out:
	if (status != NNOPT_OK) {
		nnopt_tensor_destroy(a->parameters);
		a->parameters = NULL;
	}
	return status;
}

nnopt_status nnopt_average_update(nnopt_average *average, nnopt_model *model)
{
	nnopt_model_blocks blocks;
	NNO_TRY(get_blocks("average_update", average, model, &blocks));
	if (average->identity == 0 && average->cls->follow)
		return nno_fail(NNOPT_ERROR_STATE,
				"average_update: %s wants nnopt_average_attach before the first step",
				average->cls->name);
	if (average->swapped)
		return nno_fail(NNOPT_ERROR_STATE, "average_update: the averaged weights are in the model, call "
						   "nnopt_average_swap first");
	NNO_TRY(nnopt_average_attach(average, model));
	average->steps++;
	double share = average->cls->share(average);
	if (share > 0.0) {
		walk_both(average, &blocks, approach_chunk, share);
		average->count++;
	}
	return NNOPT_OK;
}

static nnopt_status check_attached(const char *what, const nnopt_average *average, nnopt_model *model,
				   nnopt_model_blocks *blocks)
{
	NNO_TRY(get_blocks(what, average, model, blocks));
	return average->identity != 0 ? NNOPT_OK : nno_fail(NNOPT_ERROR_STATE, "%s: the average is not attached", what);
}

nnopt_status nnopt_average_swap(nnopt_average *average, nnopt_model *model)
{
	nnopt_model_blocks blocks;
	NNO_TRY(check_attached("average_swap", average, model, &blocks));
	if (average->count == 0)
		return NNOPT_OK;
	walk_both(average, &blocks, swap_chunk, 0.0);
	average->swapped = !average->swapped;
	return NNOPT_OK;
}

nnopt_status nnopt_average_apply(nnopt_average *average, nnopt_model *model)
{
	nnopt_model_blocks blocks;
	NNO_TRY(check_attached("average_apply", average, model, &blocks));
	if (average->count == 0)
		return NNOPT_OK;
	if (average->swapped)
		walk_both(average, &blocks, swap_chunk, 0.0);
	average->swapped = false;
	walk_both(average, &blocks, apply_chunk, 0.0);
	return NNOPT_OK;
}

const char *nnopt_average_kind(const nnopt_average *average) { return average == NULL ? NULL : average->cls->name; }

int64_t nnopt_average_steps(const nnopt_average *average) { return average == NULL ? 0 : average->steps; }

int64_t nnopt_average_count(const nnopt_average *average) { return average == NULL ? 0 : average->count; }

int32_t nnopt_average_swapped(const nnopt_average *average) { return average != NULL && average->swapped; }

nnopt_tensor *nnopt_average_parameters(nnopt_average *average) { return average == NULL ? NULL : average->parameters; }

nnopt_tensor *nnopt_average_state(nnopt_average *average) { return average == NULL ? NULL : average->state; }

nnopt_status nnopt_average_set_counts(nnopt_average *average, int64_t steps, int64_t count)
{
	if (average == NULL || count < 0 || steps < count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"average_set_counts: average NULL or steps %lld and count %lld, 0 <= count <= steps "
				"wanted",
				(long long)steps, (long long)count);
	if (average->swapped)
		return nno_fail(NNOPT_ERROR_STATE, "average_set_counts: the averaged weights are in the model, call "
						   "nnopt_average_swap first");
	average->steps = steps;
	average->count = count;
	return NNOPT_OK;
}
