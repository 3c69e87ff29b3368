/* crop_transform.c - windows of a picture: from its centre, from anywhere, from anywhere over its padded edge. */
#include "data/transform.h"

#include "base/size.h"

#include <string.h>

/* --- cutting --- */

/* Where padding of `mode` takes position `at` from; -1 for zero. */
static int64_t source_of(int64_t at, int64_t n, int32_t mode)
{
	if (at >= 0 && at < n)
		return at;
	if (mode == NNOPT_PAD_ZERO)
		return -1;
	if (mode == NNOPT_PAD_EDGE)
		return at < 0 ? 0 : n - 1;
	return nno_reflect(at, n);
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

/* --- crops to a size --- */

typedef struct target {
	int64_t h, w;
} target;

static bool target_size(const void *state, int64_t *h, int64_t *w)
{
	const target *t = state;
	bool fits = *h >= t->h && *w >= t->w;
	*h = t->h;
	*w = t->w;
	return fits;
}

/* n / 2 as Python rounds it, and so torchvision's centre crop. */
static int64_t round_half_even(int64_t n) { return n / 2 + (n % 4 == 3); }

static void center_crop(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const target *t = state;
	(void)draw;
	(void)workspace;
	dst->h = t->h;
	dst->w = t->w;
	cut(dst, src, round_half_even(src->h - t->h), round_half_even(src->w - t->w), NNOPT_PAD_ZERO);
}

static void random_crop(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const target *t = state;
	(void)workspace;
	dst->h = t->h;
	dst->w = t->w;
	int64_t top = (int64_t)nno_rng_below(&draw->rng, (uint64_t)(src->h - t->h + 1)),
		left = (int64_t)nno_rng_below(&draw->rng, (uint64_t)(src->w - t->w + 1));
	cut(dst, src, top, left, NNOPT_PAD_ZERO);
}

const nno_transform_class nno_transform_center_crop = {
	.name = "center_crop",
	.state_size = sizeof(target),
	.size = target_size,
	.apply = center_crop,
};

const nno_transform_class nno_transform_random_crop = {
	.name = "random_crop",
	.state_size = sizeof(target),
	.size = target_size,
	.apply = random_crop,
};

nnopt_status nnopt_transforms_add_center_crop(nnopt_transforms *t, int64_t height, int64_t width)
{
	NNO_TRY(nno_check_size("center_crop", height, width));
	return nno_transforms_append(t, &nno_transform_center_crop, 1.0, &(target){ height, width });
}

nnopt_status nnopt_transforms_add_random_crop(nnopt_transforms *t, int64_t height, int64_t width, double probability)
{
	/* Left out, the crop would leave another size: a centre crop has it then. Hence it is always applied. */
	if (probability != 1.0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"random_crop: probability %g, 1 wanted: it changes the size", probability);
	NNO_TRY(nno_check_size("random_crop", height, width));
	return nno_transforms_append(t, &nno_transform_random_crop, 1.0, &(target){ height, width });
}

/* --- padding, then a crop to the size it had --- */

typedef struct pad_crop {
	int64_t pad, mode;
} pad_crop;

static bool reflect_fits(const void *state, int64_t *h, int64_t *w)
{
	const pad_crop *p = state;
	return p->mode != NNOPT_PAD_REFLECT || (p->pad < *h && p->pad < *w);
}

static void crop_padded(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const pad_crop *p = state;
	(void)workspace;
	uint64_t choices = 2 * (uint64_t)p->pad + 1;
	int64_t top = (int64_t)nno_rng_below(&draw->rng, choices) - p->pad,
		left = (int64_t)nno_rng_below(&draw->rng, choices) - p->pad;
	cut(dst, src, top, left, (int32_t)p->mode);
}

const nno_transform_class nno_transform_pad_crop = {
	.name = "pad_crop",
	.state_size = sizeof(pad_crop),
	.size = reflect_fits,
	.apply = crop_padded,
};

nnopt_status nnopt_transforms_add_pad_crop(nnopt_transforms *t, int64_t pad, nnopt_pad_mode mode, double probability)
{
	if (pad < 0 || pad > 1 << 12 || mode < NNOPT_PAD_ZERO || mode > NNOPT_PAD_EDGE)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "pad_crop: pad %lld mode %d, 0 to 4096 and 0 to 2 wanted",
				(long long)pad, (int)mode);
	return nno_transforms_append(t, &nno_transform_pad_crop, probability, &(pad_crop){ pad, (int64_t)mode });
}
