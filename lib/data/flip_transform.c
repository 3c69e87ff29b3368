/* flip_transform.c - mirrors: at random, or in turns. */
#include "data/transform.h"

#include <string.h>

static void left_for_right(nno_picture *dst, const nno_picture *src)
{
	for (int64_t y = 0; y < src->h; y++) {
		uint8_t *to = dst->pixels + y * src->w * src->c;
		const uint8_t *from = src->pixels + ((y + 1) * src->w - 1) * src->c;
		for (int64_t x = 0; x < src->w; x++, to += src->c, from -= src->c)
			nno_copy_pixel(to, from, src->c);
	}
}

static void horizontal_flip(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw,
			    void *workspace)
{
	(void)state;
	(void)draw;
	(void)workspace;
	left_for_right(dst, src);
}

static void vertical_flip(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	(void)state;
	(void)draw;
	(void)workspace;
	size_t row = (size_t)(src->w * src->c);
	for (int64_t y = 0; y < src->h; y++)
		memcpy(dst->pixels + (size_t)y * row, src->pixels + (size_t)(src->h - 1 - y) * row, row);
}

/* Chance decides the first epoch of each sample; from there on every second epoch is mirrored, so that any two epochs
 * in a row show both sides. */
static void alternating_flip(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw,
			     void *workspace)
{
	(void)state;
	(void)workspace;
	if (((nno_rng_u32(&draw->ever) & 1) ^ (uint32_t)(draw->epoch & 1)) != 0)
		left_for_right(dst, src);
	else
		*dst = *src;
}

const nno_transform_class nno_transform_horizontal_flip = { .name = "horizontal_flip", .apply = horizontal_flip };
const nno_transform_class nno_transform_vertical_flip = { .name = "vertical_flip", .apply = vertical_flip };
const nno_transform_class nno_transform_alternating_flip = { .name = "alternating_flip", .apply = alternating_flip };

nnopt_status nnopt_transforms_add_horizontal_flip(nnopt_transforms *t, double probability)
{
	return nno_transforms_append(t, &nno_transform_horizontal_flip, probability, NULL);
}

nnopt_status nnopt_transforms_add_vertical_flip(nnopt_transforms *t, double probability)
{
	return nno_transforms_append(t, &nno_transform_vertical_flip, probability, NULL);
}

nnopt_status nnopt_transforms_add_alternating_flip(nnopt_transforms *t)
{
	return nno_transforms_append(t, &nno_transform_alternating_flip, 1.0, NULL);
}
