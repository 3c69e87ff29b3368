/* transforms.c - the list and how it runs on a sample. Each random transform has a stream of its own for each (epoch,
 * sample, place in the list), so neither threads nor its neighbours change what it draws. */
#include "data/data.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

static bool keep_size(const nno_transform *t, int64_t *h, int64_t *w)
{
	(void)t;
	(void)h;
	(void)w;
	return true;
}

static bool target_size(const nno_transform *t, int64_t *h, int64_t *w)
{
	bool fits = *h >= t->h && *w >= t->w;
	*h = t->h;
	*w = t->w;
	return fits;
}

static bool reflect_fits(const nno_transform *t, int64_t *h, int64_t *w)
{
	return t->mode != NNOPT_PAD_REFLECT || (t->pad < *h && t->pad < *w);
}

/* Where padding of `mode` takes position `at` from; -1 for zero. */
static int64_t source_of(int64_t at, int64_t n, int32_t mode)
{
	if (at >= 0 && at < n)
		return at;
	if (mode == NNOPT_PAD_ZERO)
		return -1;
	if (mode == NNOPT_PAD_EDGE)
		return at < 0 ? 0 : n - 1;
	return at < 0 ? -at : 2 * (n - 1) - at;
}

/* Pixels x to end - 1 of a row whose pixel x is `row`'s left + x, by the padding. */
static void pad_pixels(uint8_t *dst, const uint8_t *row, const nno_picture *src, int64_t left, int64_t x, int64_t end,
		       int32_t mode)
{
	for (; x < end; x++) {
		int64_t from = source_of(left + x, src->w, mode);
		if (from < 0)
			memset(dst + x * src->c, 0, (size_t)src->c);
		else
			nno_copy_pixel(dst + x * src->c, row + from * src->c, src->c);
	}
}

/* dst = the window of src at (top, left), of dst's size, padded by `mode` where it reaches outside. The part of a row
 * that lies inside is copied whole. */
static void cut(nno_picture *dst, const nno_picture *src, int64_t top, int64_t left, int32_t mode)
{
	int c = src->c;
	int64_t first = nno_i64_min(left < 0 ? -left : 0, dst->w), end = nno_i64_min(src->w - left, dst->w);
	end = end < first ? first : end;
	for (int64_t y = 0; y < dst->h; y++) {
		int64_t from_y = source_of(top + y, src->h, mode);
		uint8_t *to = dst->pixels + y * dst->w * c;
		if (from_y < 0) {
			memset(to, 0, (size_t)(dst->w * c));
			continue;
		}
		const uint8_t *row = src->pixels + from_y * src->w * c;
		pad_pixels(to, row, src, left, 0, first, mode);
		if (end > first)
			memcpy(to + first * c, row + (left + first) * c, (size_t)((end - first) * c));
		pad_pixels(to, row, src, left, end, dst->w, mode);
	}
}

/* n / 2 as Python rounds it, and so torchvision's centre crop. */
static int64_t round_half_even(int64_t n) { return n / 2 + (n % 4 == 3); }

static void center_crop(const nno_transform *t, nno_picture *dst, const nno_picture *src, nno_rng *r, void *workspace)
{
	(void)workspace;
	(void)r;
	dst->h = t->h;
	dst->w = t->w;
	cut(dst, src, round_half_even(src->h - t->h), round_half_even(src->w - t->w), NNOPT_PAD_ZERO);
}

static void random_crop(const nno_transform *t, nno_picture *dst, const nno_picture *src, nno_rng *r, void *workspace)
{
	(void)workspace;
	dst->h = t->h;
	dst->w = t->w;
	int64_t top = (int64_t)nno_rng_below(r, (uint64_t)(src->h - t->h + 1)),
		left = (int64_t)nno_rng_below(r, (uint64_t)(src->w - t->w + 1));
	cut(dst, src, top, left, NNOPT_PAD_ZERO);
}

static void pad_crop(const nno_transform *t, nno_picture *dst, const nno_picture *src, nno_rng *r, void *workspace)
{
	(void)workspace;
	uint64_t choices = 2 * (uint64_t)t->pad + 1;
	int64_t top = (int64_t)nno_rng_below(r, choices) - t->pad, left = (int64_t)nno_rng_below(r, choices) - t->pad;
	cut(dst, src, top, left, t->mode);
}

static void horizontal_flip(const nno_transform *t, nno_picture *dst, const nno_picture *src, nno_rng *r,
			    void *workspace)
{
	(void)workspace;
	(void)t;
	(void)r;
	for (int64_t y = 0; y < src->h; y++) {
		uint8_t *to = dst->pixels + y * src->w * src->c;
		const uint8_t *from = src->pixels + ((y + 1) * src->w - 1) * src->c;
		for (int64_t x = 0; x < src->w; x++, to += src->c, from -= src->c)
			nno_copy_pixel(to, from, src->c);
	}
}

static void vertical_flip(const nno_transform *t, nno_picture *dst, const nno_picture *src, nno_rng *r, void *workspace)
{
	(void)workspace;
	(void)t;
	(void)r;
	size_t row = (size_t)(src->w * src->c);
	for (int64_t y = 0; y < src->h; y++)
		memcpy(dst->pixels + (size_t)y * row, src->pixels + (size_t)(src->h - 1 - y) * row, row);
}

static void rotation(const nno_transform *t, nno_picture *dst, const nno_picture *src, nno_rng *r, void *workspace)
{
	(void)workspace;
	nno_rotate(dst, src, (2.0 * (double)nno_rng_uniform(r) - 1.0) * t->degrees, t->mode != 0);
}

static bool any_size(const nno_transform *t, int64_t *h, int64_t *w)
{
	*h = t->h;
	*w = t->w;
	return true;
}

static void resize(const nno_transform *t, nno_picture *dst, const nno_picture *src, nno_rng *r, void *workspace)
{
	(void)r;
	dst->h = t->h;
	dst->w = t->w;
	nno_resize(dst, src, workspace);
}

static size_t resize_workspace(const nno_transform *t, int64_t h, int64_t w, int c)
{
	return nno_resize_workspace(h, w, t->h, t->w, c);
}

static const nno_transform_class center_crop_class = { "center_crop", target_size, center_crop, NULL };
static const nno_transform_class random_crop_class = { "random_crop", target_size, random_crop, NULL };
static const nno_transform_class pad_crop_class = { "pad_crop", reflect_fits, pad_crop, NULL };
static const nno_transform_class horizontal_flip_class = { "horizontal_flip", keep_size, horizontal_flip, NULL };
static const nno_transform_class vertical_flip_class = { "vertical_flip", keep_size, vertical_flip, NULL };
static const nno_transform_class rotation_class = { "rotation", keep_size, rotation, NULL };
static const nno_transform_class resize_class = { "resize", any_size, resize, resize_workspace };

nnopt_status nno_transforms_size(const nnopt_transforms *t, int64_t *h, int64_t *w)
{
	for (int i = 0; i < t->count; i++) {
		int64_t before_h = *h, before_w = *w;
		if (!t->list[i].cls->size(&t->list[i], h, w))
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
		size_t extra = item->cls->workspace != NULL ? item->cls->workspace(item, h, w, p->c) : 0;
		(void)item->cls->size(item, &h, &w);
		size_t bytes = nno_size_round_up((size_t)(h * w * p->c), NNO_ALIGNMENT);
		*picture = bytes > *picture ? bytes : *picture;
		*workspace = extra > *workspace ? extra : *workspace;
	}
}

nnopt_status nno_transforms_run(const nnopt_transforms *t, nno_picture *picture, nno_room *room, uint64_t seed,
				int64_t epoch, int64_t sample)
{
	size_t bytes, workspace;
	measure(t, picture, &bytes, &workspace);
	NNO_TRY(nno_room_fit(room, 2 * bytes + workspace, "transforms"));
	uint8_t *const scratch[2] = { room->bytes, room->bytes + bytes };
	for (int i = 0; i < t->count; i++) {
		nno_rng r;
		nno_rng_start(&r, seed ^ (uint64_t)(i + 1) << 56, NNO_RNG_AUGMENT, (uint64_t)epoch, (uint64_t)sample);
		if (t->list[i].probability < 1.0 && (double)nno_rng_uniform(&r) >= t->list[i].probability)
			continue;
		nno_picture next = { .pixels = picture->pixels == scratch[0] ? scratch[1] : scratch[0],
				     .h = picture->h,
				     .w = picture->w,
				     .c = picture->c };
		t->list[i].cls->apply(&t->list[i], &next, picture, &r, room->bytes + 2 * bytes);
		*picture = next;
	}
	return NNOPT_OK;
}

/* --- the public list --- */

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
		t->std[c] = 1.0f;
	*out = t;
	return NNOPT_OK;
}

void nnopt_transforms_destroy(nnopt_transforms *t)
{
	if (t == NULL || !nno_ref_drop(&t->ref))
		return;
	nnopt_context *context = t->context;
	nno_delete(&context->alloc, t);
	nno_context_drop(context);
}

static nnopt_status append(nnopt_transforms *t, nno_transform item)
{
	if (t == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: transforms is NULL", item.cls->name);
	if (t->normalised)
		return nno_fail(NNOPT_ERROR_STATE, "%s: the list ends with its normalisation", item.cls->name);
	if (t->count == NNO_MAX_TRANSFORMS)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: more than %d transforms", item.cls->name,
				NNO_MAX_TRANSFORMS);
	if (!(item.probability >= 0.0 && item.probability <= 1.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: probability %g, 0 to 1 wanted", item.cls->name,
				item.probability);
	t->list[t->count++] = item;
	return NNOPT_OK;
}

static nnopt_status append_sized(nnopt_transforms *t, const nno_transform_class *cls, int64_t h, int64_t w,
				 double probability)
{
	if (h < 1 || w < 1 || h > 1 << 16 || w > 1 << 16)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %lldx%lld, 1x1 to 65536x65536 wanted", cls->name,
				(long long)h, (long long)w);
	return append(t, (nno_transform){ .cls = cls, .probability = probability, .h = h, .w = w });
}

nnopt_status nnopt_transforms_add_resize(nnopt_transforms *t, int64_t height, int64_t width)
{
	return append_sized(t, &resize_class, height, width, 1.0);
}

nnopt_status nnopt_transforms_add_center_crop(nnopt_transforms *t, int64_t height, int64_t width)
{
	return append_sized(t, &center_crop_class, height, width, 1.0);
}

nnopt_status nnopt_transforms_add_random_crop(nnopt_transforms *t, int64_t height, int64_t width, double probability)
{
	/* Left out, the crop would leave another size: a centre crop has it then. Hence it is always applied. */
	if (probability != 1.0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"random_crop: probability %g, 1 wanted: it changes the size", probability);
	return append_sized(t, &random_crop_class, height, width, probability);
}

nnopt_status nnopt_transforms_add_pad_crop(nnopt_transforms *t, int64_t pad, nnopt_pad_mode mode, double probability)
{
	if (pad < 0 || pad > 1 << 12 || mode < NNOPT_PAD_ZERO || mode > NNOPT_PAD_EDGE)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "pad_crop: pad %lld mode %d, 0 to 4096 and 0 to 2 wanted",
				(long long)pad, (int)mode);
	return append(t, (nno_transform){
			     .cls = &pad_crop_class, .probability = probability, .pad = pad, .mode = (int32_t)mode });
}

nnopt_status nnopt_transforms_add_horizontal_flip(nnopt_transforms *t, double probability)
{
	return append(t, (nno_transform){ .cls = &horizontal_flip_class, .probability = probability });
}

nnopt_status nnopt_transforms_add_vertical_flip(nnopt_transforms *t, double probability)
{
	return append(t, (nno_transform){ .cls = &vertical_flip_class, .probability = probability });
}

nnopt_status nnopt_transforms_add_rotation(nnopt_transforms *t, double degrees, int32_t bilinear, double probability)
{
	if (!(degrees >= 0.0 && degrees <= 360.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "rotation: %g degrees, 0 to 360 wanted", degrees);
	return append(
	    t, (nno_transform){
		   .cls = &rotation_class, .probability = probability, .mode = bilinear != 0, .degrees = degrees });
}

nnopt_status nnopt_transforms_add_normalise(nnopt_transforms *t, const float *mean, const float *std, int32_t channels)
{
	if (t == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "normalise: transforms is NULL");
	if (t->normalised)
		return nno_fail(NNOPT_ERROR_STATE, "normalise: the list has one already");
	if ((mean == NULL) != (std == NULL) || (mean != NULL && (channels < 1 || channels > 4)))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"normalise: %d channels, 1 to 4 with both mean and std wanted", channels);
	for (int c = 0; mean != NULL && c < channels; c++)
		if (!isfinite(mean[c]) || !(std[c] > 0.0f) || !isfinite(std[c]))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"normalise: mean %g std %g of channel %d, finite and std > 0 wanted",
					(double)mean[c], (double)std[c], c);
	if (mean != NULL) {
		memcpy(t->mean, mean, (size_t)channels * sizeof *mean);
		memcpy(t->std, std, (size_t)channels * sizeof *std);
		t->channels = channels;
	}
	t->normalised = true;
	return NNOPT_OK;
}
