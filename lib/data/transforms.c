/* transforms.c - the list and how it runs on a sample. Each random transform has a stream of its own for each (epoch,
 * sample, place in the list), so neither threads nor its neighbours change what it draws. */
#include "data/transform.h"

#include "base/size.h"

#include <string.h>

double nno_draw_between(nno_draw *draw, double low, double high)
{
	return low + (high - low) * (double)nno_rng_uniform(&draw->rng);
}

static bool size_after(const nno_transform *t, int64_t *h, int64_t *w)
{
	return t->cls->size == NULL || t->cls->size(t->state, h, w);
}

nnopt_status nno_transforms_size(const nnopt_transforms *t, int64_t *h, int64_t *w)
{
	for (int i = 0; i < t->count; i++) {
		int64_t before_h = *h, before_w = *w;
		if (!size_after(&t->list[i], h, w))
			return nno_fail(NNOPT_ERROR_FORMAT, "%s: a picture of %lldx%lld is too small for it",
					t->list[i].cls->name, (long long)before_h, (long long)before_w);
	}
	return NNOPT_OK;
}

/* Bytes of the largest picture between two transforms, and of the largest workspace. */
static void measure(const nnopt_transforms *t, const nno_picture *p, size_t *picture, size_t *workspace)
{
	int64_t h = p->h, w = p->w;
	*picture = *workspace = 0;
	for (int i = 0; i < t->count; i++) {
		const nno_transform *item = &t->list[i];
		size_t extra = item->cls->workspace != NULL ? item->cls->workspace(item->state, h, w, p->c) : 0;
		(void)size_after(item, &h, &w);
		size_t bytes = nno_size_round_up((size_t)(h * w * p->c), NNO_ALIGNMENT);
		*picture = bytes > *picture ? bytes : *picture;
		*workspace = extra > *workspace ? extra : *workspace;
	}
}

nnopt_status nno_transforms_run(const nnopt_transforms *t, nno_picture *picture, nno_room *room, uint64_t seed,
				int64_t epoch, int64_t sample, int64_t time)
{
	size_t bytes, workspace;
	measure(t, picture, &bytes, &workspace);
	NNO_TRY(nno_room_fit(room, 2 * bytes + workspace, "transforms"));
	uint8_t *const scratch[2] = { room->bytes, room->bytes + bytes };
	for (int i = 0; i < t->count; i++) {
		const nno_transform *item = &t->list[i];
		uint64_t key = seed ^ (uint64_t)(i + 1) << 56;
		nno_draw draw = { .epoch = epoch };
		nno_rng_start(&draw.rng, key, NNO_RNG_AUGMENT, (uint64_t)epoch, (uint64_t)time);
		if (item->probability < 1.0 && (double)nno_rng_uniform(&draw.rng) >= item->probability)
			continue;
		nno_rng_start(&draw.ever, key, NNO_RNG_AUGMENT, 0, (uint64_t)sample);
		nno_picture next = { .pixels = picture->pixels == scratch[0] ? scratch[1] : scratch[0],
				     .h = picture->h,
				     .w = picture->w,
				     .c = picture->c };
		item->cls->apply(item->state, &next, picture, &draw, room->bytes + 2 * bytes);
		*picture = next;
	}
	return NNOPT_OK;
}

uint64_t nno_mix(uint64_t hash, const void *data, size_t n)
{
	const unsigned char *byte = data;
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3u;
	return hash;
}

uint64_t nno_transforms_fingerprint(const nnopt_transforms *t, uint64_t hash)
{
	for (int i = 0; i < t->count; i++) {
		const nno_transform *item = &t->list[i];
		hash = nno_mix(hash, item->cls->name, strlen(item->cls->name));
		hash = nno_mix(hash, &item->probability, sizeof item->probability);
		if (item->cls->state_size > 0)
			hash = nno_mix(hash, item->state, item->cls->state_size);
	}
	return nno_mix(hash, &t->normalisation, sizeof t->normalisation);
}

/* --- checks of options --- */

nnopt_status nno_check_number(const char *kind, const char *option, double value, double least, double most)
{
	if (value >= least && value <= most)
		return NNOPT_OK;
	return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s %g, %g to %g wanted", kind, option, value, least, most);
}

nnopt_status nno_check_range(const char *kind, const char *option, double low, double high, double least, double most)
{
	if (low >= least && low <= high && high <= most)
		return NNOPT_OK;
	return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s_min %g and %s_max %g, a range within %g to %g wanted",
			kind, option, low, option, high, least, most);
}

nnopt_status nno_check_size(const char *kind, int64_t h, int64_t w)
{
	if (h >= 1 && w >= 1 && h <= 1 << 16 && w <= 1 << 16)
		return NNOPT_OK;
	return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %lldx%lld, 1x1 to 65536x65536 wanted", kind, (long long)h,
			(long long)w);
}

/* --- the list --- */

nnopt_status nno_transforms_append(nnopt_transforms *t, const nno_transform_class *cls, double probability,
				   const void *state)
{
	if (t == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: transforms is NULL", cls->name);
	if (t->normalised)
		return nno_fail(NNOPT_ERROR_STATE, "%s: the list ends with its normalisation", cls->name);
	if (t->count == NNO_MAX_TRANSFORMS)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: more than %d transforms", cls->name,
				NNO_MAX_TRANSFORMS);
	NNO_TRY(nno_check_number(cls->name, "probability", probability, 0.0, 1.0));
	nno_transform item = { .cls = cls, .probability = probability };
	if (cls->state_size > 0) {
		item.state = nno_new(&t->context->alloc, cls->state_size);
		if (item.state == NULL)
			return nno_fail_memory(cls->name, cls->state_size);
		memcpy(item.state, state, cls->state_size);
	}
	t->list[t->count++] = item;
	return NNOPT_OK;
}

nnopt_status nno_transforms_copy(nnopt_transforms **out, nnopt_context *context, const nnopt_transforms *from)
{
	nnopt_transforms *t = NULL;
	NNO_TRY(nnopt_transforms_create(&t, context));
	for (int i = 0; from != NULL && i < from->count; i++) {
		const nno_transform *item = &from->list[i];
		nnopt_status status = nno_transforms_append(t, item->cls, item->probability, item->state);
		if (status != NNOPT_OK) {
			nnopt_transforms_destroy(t);
			return status;
		}
	}
	if (from != NULL) {
		t->normalised = from->normalised;
		t->normalisation = from->normalisation;
	}
	*out = t;
	return NNOPT_OK;
}

nnopt_status nnopt_transforms_create(nnopt_transforms **out, nnopt_context *context)
{
	if (out == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "transforms_create: %s is NULL",
				out == NULL ? "out" : "context");
	nnopt_transforms *t = nno_new(&context->alloc, sizeof *t);
	if (t == NULL)
		return nno_fail_memory("transforms_create", sizeof *t);
	nno_ref_init(&t->ref);
	t->context = nno_context_take(context);
	for (int c = 0; c < 4; c++)
		t->normalisation.std[c] = 1.0f;
	*out = t;
	return NNOPT_OK;
}

void nnopt_transforms_destroy(nnopt_transforms *t)
{
	if (t == NULL || !nno_ref_drop(&t->ref))
		return;
	nnopt_context *context = t->context;
	for (int i = 0; i < t->count; i++)
		nno_delete(&context->alloc, t->list[i].state);
	nno_delete(&context->alloc, t);
	nno_context_drop(context);
}
