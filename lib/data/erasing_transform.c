/* erasing_transform.c - a rectangle of the picture is lost: of random area and shape inside it, or a square that may
 * reach over the edge. */
#include "data/transform.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

/* Bounds of the lost part: rows top .. bottom - 1. */
typedef struct rectangle {
	int64_t top, left, bottom, right;
} rectangle;

static void copy(nno_picture *dst, const nno_picture *src)
{
	memcpy(dst->pixels, src->pixels, (size_t)(src->h * src->w * src->c));
}

static void paint(nno_picture *p, const rectangle *r, const uint8_t *colour)
{
	for (int64_t y = r->top; y < r->bottom; y++)
		for (int64_t x = r->left; x < r->right; x++)
			nno_copy_pixel(p->pixels + (y * p->w + x) * p->c, colour, p->c);
}

/* --- random erasing --- */

static void paint_noise(nno_picture *p, const rectangle *r, nno_rng *rng)
{
	for (int64_t y = r->top; y < r->bottom; y++) {
		uint8_t *to = p->pixels + (y * p->w + r->left) * p->c;
		int64_t n = (r->right - r->left) * p->c, i = 0;
		for (; i < n; i += 4) {
			uint32_t word = nno_rng_u32(rng);
			memcpy(to + i, &word, (size_t)(n - i < 4 ? n - i : 4));
		}
	}
}

static void mean_colour(const nno_picture *p, uint8_t colour[4])
{
	int64_t area = p->h * p->w;
	for (int c = 0; c < p->c; c++) {
		int64_t sum = 0;
		for (int64_t i = 0; i < area; i++)
			sum += p->pixels[i * p->c + c];
		colour[c] = (uint8_t)((sum + area / 2) / area);
	}
}

/* Ten tries, as torchvision's RandomErasing.get_params(); false: none is smaller than the picture both ways. */
static bool draw_rectangle(const nnopt_random_erasing_options *o, const nno_picture *src, nno_draw *draw, rectangle *r)
{
	double area = (double)src->h * (double)src->w;
	for (int i = 0; i < 10; i++) {
		double part = area * nno_draw_between(draw, o->scale_min, o->scale_max);
		double ratio = exp(nno_draw_between(draw, log(o->ratio_min), log(o->ratio_max)));
		int64_t h = (int64_t)nearbyint(sqrt(part * ratio)), w = (int64_t)nearbyint(sqrt(part / ratio));
		if (h >= src->h || w >= src->w)
			continue;
		r->top = (int64_t)nno_rng_below(&draw->rng, (uint64_t)(src->h - h + 1));
		r->left = (int64_t)nno_rng_below(&draw->rng, (uint64_t)(src->w - w + 1));
		r->bottom = r->top + h;
		r->right = r->left + w;
		return true;
	}
	return false;
}

static void erase(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const nnopt_random_erasing_options *o = state;
	rectangle r;
	uint8_t colour[4];
	(void)workspace;
	if (!draw_rectangle(o, src, draw, &r)) {
		*dst = *src;
		return;
	}
	copy(dst, src);
	memcpy(colour, o->fill, sizeof colour);
	if (o->value == NNOPT_ERASE_MEAN)
		mean_colour(src, colour);
	if (o->value == NNOPT_ERASE_RANDOM)
		paint_noise(dst, &r, &draw->rng);
	else
		paint(dst, &r, colour);
}

const nno_transform_class nno_transform_random_erasing = {
	.name = "random_erasing",
	.state_size = sizeof(nnopt_random_erasing_options),
	.apply = erase,
};

static const nnopt_random_erasing_options option_defaults = {
	.struct_size = sizeof(nnopt_random_erasing_options),
	.scale_min = 0.02,
	.scale_max = 0.33,
	.ratio_min = 0.3,
	.ratio_max = 3.3,
};

nnopt_status nnopt_random_erasing_options_init(nnopt_random_erasing_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "random_erasing_options");
}

nnopt_status nnopt_transforms_add_random_erasing(nnopt_transforms *t, const nnopt_random_erasing_options *options,
						 double probability)
{
	nnopt_random_erasing_options o = option_defaults;
	const char *name = nno_transform_random_erasing.name;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "random_erasing_options"));
	NNO_TRY(nno_check_range(name, "scale", o.scale_min, o.scale_max, 0.0, 1.0));
	NNO_TRY(nno_check_range(name, "ratio", o.ratio_min, o.ratio_max, 1e-3, 1e3));
	NNO_TRY(nno_check_number(name, "value", o.value, NNOPT_ERASE_CONSTANT, NNOPT_ERASE_MEAN));
	return nno_transforms_append(t, &nno_transform_random_erasing, probability, &o);
}

/* --- cutout --- */

typedef struct cutout {
	int64_t size;
	uint8_t fill[8]; /* of which four count */
} cutout;

/* The centre is any pixel, so that the square may lie half outside; all parts of the picture are lost equally often
 * then, but for its rim. */
static void cut_out(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const cutout *o = state;
	(void)workspace;
	int64_t y = (int64_t)nno_rng_below(&draw->rng, (uint64_t)src->h) - o->size / 2;
	int64_t x = (int64_t)nno_rng_below(&draw->rng, (uint64_t)src->w) - o->size / 2;
	rectangle r = { .top = nno_i64_max(y, 0),
			.left = nno_i64_max(x, 0),
			.bottom = nno_i64_min(y + o->size, src->h),
			.right = nno_i64_min(x + o->size, src->w) };
	copy(dst, src);
	paint(dst, &r, o->fill);
}

const nno_transform_class nno_transform_cutout = {
	.name = "cutout",
	.state_size = sizeof(cutout),
	.apply = cut_out,
};

nnopt_status nnopt_transforms_add_cutout(nnopt_transforms *t, int64_t size, const uint8_t *fill, double probability)
{
	cutout o = { .size = size };
	NNO_TRY(nno_check_number(nno_transform_cutout.name, "size", (double)size, 1.0, 65536.0));
	if (fill != NULL)
		memcpy(o.fill, fill, 4);
	return nno_transforms_append(t, &nno_transform_cutout, probability, &o);
}
