/* snapshots.c - copies of a model's weights at the ends of cycles. All room is taken before the first, so that a step
 * of training allocates nothing and a run does not fail for memory in the middle. */
#include "train/train.h"

#include <string.h>

static const nnopt_snapshots_options defaults = { .struct_size = sizeof defaults, .multiply = 1, .most = 5 };

nnopt_status nnopt_snapshots_options_init(nnopt_snapshots_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "snapshots_options");
}

nnopt_status nnopt_snapshots_create(nnopt_snapshots **out, nnopt_context *context,
				    const nnopt_snapshots_options *options)
{
	nnopt_snapshots_options o = defaults;
	if (out == NULL || context == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "snapshots_create: out or context is NULL");
	nnopt_status status = nnopt_options_read(&o, sizeof o, options, "snapshots_create");
	if (status != NNOPT_OK)
		return status;
	if (o.first < 1 || o.multiply < 1 || o.start < 0 || o.most < 1 || o.most > 1024)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"snapshots_create: first %lld, multiply %lld, start %lld, most %lld; at least 1, 1 and "
				"0, and 1 to 1024 wanted",
				(long long)o.first, (long long)o.multiply, (long long)o.start, (long long)o.most);
	nnopt_snapshots *s = nnopt_context_alloc(context, sizeof *s);
	if (s == NULL)
		return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "snapshots_create: out of memory");
	s->context = nnopt_context_retain(context);
	s->o = o;
	*out = s;
	return NNOPT_OK;
}

static void free_room(nnopt_snapshots *s)
{
	nnopt_context_free(s->context, s->steps);
	nnopt_context_free(s->context, s->parameters);
	nnopt_context_free(s->context, s->state);
	s->steps = NULL;
	s->parameters = s->state = NULL;
}

void nnopt_snapshots_destroy(nnopt_snapshots *snapshots)
{
	if (snapshots == NULL)
		return;
	nnopt_context *context = snapshots->context;
	free_room(snapshots);
	nnopt_context_free(context, snapshots);
	nnopt_context_destroy(context);
}

static nnopt_status get_blocks(const nnopt_snapshots *s, nnopt_model *model, nnopt_model_blocks *blocks,
			       const char *what)
{
	*blocks = (nnopt_model_blocks){ .struct_size = sizeof *blocks };
	if (s == NULL || model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: snapshots or model is NULL", what);
	nnopt_status status = nnopt_model_get_blocks(model, blocks);
	if (status != NNOPT_OK || s->steps == NULL || s->identity == blocks->identity)
		return status;
	if (s->elements != blocks->parameter_elements || s->layout != nno_layout_hash(model))
		status = nno_fail(NNOPT_ERROR_STATE,
				  "%s: the model's %lld parameters are not the %lld of the one before, by name and "
				  "shape",
				  what, (long long)blocks->parameter_elements, (long long)s->elements);
	return status;
}

static float *room_for(const nnopt_snapshots *s, int64_t elements)
{
	return (uint64_t)elements <= SIZE_MAX / sizeof(float) / (uint64_t)s->o.most
		   ? nnopt_context_alloc(s->context, (size_t)(s->o.most * elements) * sizeof(float))
		   : NULL;
}

nnopt_status nnopt_snapshots_attach(nnopt_snapshots *snapshots, nnopt_model *model)
{
	nnopt_snapshots *s = snapshots;
	nnopt_model_blocks blocks;
	nnopt_status status = get_blocks(s, model, &blocks, "snapshots_attach");
	if (status != NNOPT_OK || s->steps != NULL)
		return status;
	s->elements = blocks.parameter_elements;
	s->state_elements = blocks.state_elements;
	s->layout = nno_layout_hash(model);
	s->identity = blocks.identity;
	s->steps = nnopt_context_alloc(s->context, (size_t)s->o.most * sizeof *s->steps);
	s->parameters = room_for(s, s->elements);
	s->state = room_for(s, s->state_elements);
	if (s->steps != NULL && s->parameters != NULL && s->state != NULL)
		return NNOPT_OK;
	free_room(s);
	return nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "snapshots_attach: out of memory for %lld copies of %lld parameters",
			(long long)s->o.most, (long long)s->elements);
}

static int is_end(const nnopt_snapshots_options *o, int64_t step)
{
	int64_t left = step - o->start, length = o->first;
	if (o->multiply == 1)
		return left > 0 && left % length == 0;
	while (left > length && length <= INT64_MAX / o->multiply) {
		left -= length;
		length *= o->multiply;
	}
	return left == length;
}

static void copy(float *dst, const float *src, int64_t n)
{
	if (n > 0)
		memcpy(dst, src, (size_t)n * sizeof *dst);
}

nnopt_status nnopt_snapshots_update(nnopt_snapshots *snapshots, nnopt_model *model, int64_t step)
{
	nnopt_snapshots *s = snapshots;
	nnopt_model_blocks blocks;
	nnopt_status status = nnopt_snapshots_attach(s, model);
	if (status != NNOPT_OK || !is_end(&s->o, step))
		return status;
	status = get_blocks(s, model, &blocks, "snapshots_update");
	if (status != NNOPT_OK)
		return status;
	int64_t place = s->taken++ % s->o.most;
	s->steps[place] = step;
	copy(s->parameters + place * s->elements, blocks.parameters, s->elements);
	copy(s->state + place * s->state_elements, blocks.state, s->state_elements);
	return NNOPT_OK;
}

int64_t nnopt_snapshots_count(const nnopt_snapshots *snapshots)
{
	return snapshots == NULL ? 0 : snapshots->taken < snapshots->o.most ? snapshots->taken : snapshots->o.most;
}

/* Where copy `index` of those there are is, the oldest first; -1: nowhere. */
static int64_t place_of(const nnopt_snapshots *s, int64_t index)
{
	int64_t count = nnopt_snapshots_count(s);
	return index < 0 || index >= count ? -1 : (s->taken - count + index) % s->o.most;
}

int64_t nnopt_snapshots_step(const nnopt_snapshots *snapshots, int64_t index)
{
	int64_t place = place_of(snapshots, index);
	return place < 0 ? -1 : snapshots->steps[place];
}

nnopt_status nnopt_snapshots_apply(const nnopt_snapshots *snapshots, int64_t index, nnopt_model *model)
{
	const nnopt_snapshots *s = snapshots;
	nnopt_model_blocks blocks;
	nnopt_status status = get_blocks(s, model, &blocks, "snapshots_apply");
	int64_t place = status == NNOPT_OK ? place_of(s, index) : -1;
	if (status == NNOPT_OK && place < 0)
		status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "snapshots_apply: copy %lld of %lld", (long long)index,
				  (long long)nnopt_snapshots_count(s));
	if (status != NNOPT_OK)
		return status;
	copy(blocks.parameters, s->parameters + place * s->elements, s->elements);
	copy(blocks.state, s->state + place * s->state_elements, s->state_elements);
	return NNOPT_OK;
}
