/* augment_transform.c - RandAugment and TrivialAugment: operations drawn from one table. Names, order and magnitudes
 * are torchvision's, and so are the bits of each operation on a Pillow picture. */
#include "data/augment.h"

#include "data/colour.h"

#include <math.h>
#include <string.h>

/* --- the operations, with a magnitude as torchvision's _apply_op() takes it --- */

static void shear(nno_picture *dst, const nno_picture *src, double x, double y, const nno_look *look)
{
	const double degrees = 180.0 / 3.14159265358979323846;
	nno_affine a = { .scale = 1.0, .shear_x = atan(x) * degrees, .shear_y = atan(y) * degrees };
	nno_affine_warp(dst, src, &a, look);
}

static void shear_x(nno_picture *dst, const nno_picture *src, double by, const nno_look *look)
{
	shear(dst, src, by, 0.0, look);
}

static void shear_y(nno_picture *dst, const nno_picture *src, double by, const nno_look *look)
{
	shear(dst, src, 0.0, by, look);
}

static void translate_x(nno_picture *dst, const nno_picture *src, double by, const nno_look *look)
{
	nno_affine_warp(dst, src, &(nno_affine){ .scale = 1.0, .move_x = trunc(by) }, look);
}

static void translate_y(nno_picture *dst, const nno_picture *src, double by, const nno_look *look)
{
	nno_affine_warp(dst, src, &(nno_affine){ .scale = 1.0, .move_y = trunc(by) }, look);
}

static void brightness(nno_picture *dst, const nno_picture *src, double by, const nno_look *look)
{
	nno_tones t;
	(void)look;
	nno_tones_identity(&t);
	nno_tones_blend(&t, 0, (float)(1.0 + by));
	nno_tones_apply(&t, dst, src);
}

static void colour(nno_picture *dst, const nno_picture *src, double by, const nno_look *look)
{
	(void)look;
	nno_saturate(dst, src, (float)(1.0 + by));
}

static void contrast(nno_picture *dst, const nno_picture *src, double by, const nno_look *look)
{
	nno_tones t;
	(void)look;
	nno_tones_identity(&t);
	nno_tones_blend(&t, nno_mean_luma(src, &t), (float)(1.0 + by));
	nno_tones_apply(&t, dst, src);
}

static void sharpness(nno_picture *dst, const nno_picture *src, double by, const nno_look *look)
{
	(void)look;
	nno_sharpen(dst, src, (float)(1.0 + by));
}

static void posterize(nno_picture *dst, const nno_picture *src, double by, const nno_look *look)
{
	(void)look;
	nno_posterize(dst, src, (int)by);
}

static void solarize(nno_picture *dst, const nno_picture *src, double by, const nno_look *look)
{
	(void)look;
	nno_solarize(dst, src, by);
}

static void autocontrast(nno_picture *dst, const nno_picture *src, double by, const nno_look *look)
{
	(void)by;
	(void)look;
	nno_autocontrast(dst, src);
}

static void equalize(nno_picture *dst, const nno_picture *src, double by, const nno_look *look)
{
	(void)by;
	(void)look;
	nno_equalize(dst, src);
}

/* Magnitudes go in equal steps from 0 (solarize: from 255 down) to `strong` in RandAugment and to `wide` in
 * TrivialAugment; posterize takes so many of the 8 bits. */
const nno_augment_operation nno_augment_operations[NNO_AUGMENT_OPERATIONS] = {
	{ "identity", NULL, false, 0.0, 0.0 },
	{ "shear_x", shear_x, true, 0.3, 0.99 },
	{ "shear_y", shear_y, true, 0.3, 0.99 },
	{ "translate_x", translate_x, true, 150.0 / 331.0, 32.0 }, /* strong: of the picture's side */
	{ "translate_y", translate_y, true, 150.0 / 331.0, 32.0 },
	{ "rotate", nno_rotate, true, 30.0, 135.0 },
	{ "brightness", brightness, true, 0.9, 0.99 },
	{ "colour", colour, true, 0.9, 0.99 },
	{ "contrast", contrast, true, 0.9, 0.99 },
	{ "sharpness", sharpness, true, 0.9, 0.99 },
	{ "posterize", posterize, false, 4.0, 6.0 },
	{ "solarize", solarize, false, 255.0, 255.0 },
	{ "autocontrast", autocontrast, false, 0.0, 0.0 },
	{ "equalize", equalize, false, 0.0, 0.0 },
};

/* Value `i` of torch.linspace(from, to, count), which counts in floats from both ends. */
static float linspace(double from, double to, int count, int i)
{
	float step = ((float)to - (float)from) / (float)(count - 1);
	return i < count / 2 ? (float)from + step * (float)i : (float)to - step * (float)(count - 1 - i);
}

double nno_augment_magnitude(int operation, bool wide, int bins, int bin, const nno_picture *p)
{
	const nno_augment_operation *o = &nno_augment_operations[operation];
	double end = wide ? o->wide : o->strong;
	if (!wide && o->apply == translate_x)
		end *= (double)p->w;
	if (!wide && o->apply == translate_y)
		end *= (double)p->h;
	if (o->apply == posterize)
		return 8.0 - nearbyint((double)((float)bin / (float)((double)(bins - 1) / end)));
	if (o->apply == solarize)
		return (double)linspace(end, 0.0, bins, bin);
	return (double)linspace(0.0, end, bins, bin);
}

/* --- the two ways of drawing them --- */

#define MOST_OPERATIONS 16

typedef struct drawn {
	const nno_augment_operation *operation;
	double magnitude;
} drawn;

/* One more operation, unless it is the identity; `bin` < 0: at random as well. Returns the new count. */
static int draw_one(drawn *list, int count, bool wide, int bins, int bin, const nno_picture *src, nno_draw *draw)
{
	int which = (int)nno_rng_below(&draw->rng, NNO_AUGMENT_OPERATIONS);
	bin = bin < 0 ? (int)nno_rng_below(&draw->rng, (uint64_t)bins) : bin;
	bool negative = (nno_rng_u32(&draw->rng) & 1) != 0;
	const nno_augment_operation *o = &nno_augment_operations[which];
	if (o->apply == NULL)
		return count;
	double magnitude = nno_augment_magnitude(which, wide, bins, bin, src);
	list[count] = (drawn){ o, o->is_signed && negative ? -magnitude : magnitude };
	return count + 1;
}

static void rand_augment(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const nnopt_rand_augment_options *o = state;
	nno_picture spare = *dst, at = *src;
	nno_look look = { .bilinear = o->bilinear != 0 };
	drawn list[MOST_OPERATIONS];
	int count = 0;
	memcpy(look.fill, o->fill, sizeof look.fill);
	for (int i = 0; i < o->operations; i++)
		count = draw_one(list, count, false, o->magnitude_bins, o->magnitude, src, draw);
	spare.pixels = workspace;
	/* To and fro, so that the last one ends in dst. */
	for (int i = 0; i < count; i++) {
		nno_picture *to = (count - 1 - i) % 2 == 0 ? dst : &spare;
		list[i].operation->apply(to, &at, list[i].magnitude, &look);
		at = *to;
	}
	*dst = at;
}

static size_t rand_augment_workspace(const void *state, int64_t h, int64_t w, int c)
{
	const nnopt_rand_augment_options *o = state;
	return o->operations > 1 ? (size_t)(h * w * c) : 0;
}

static void trivial_augment(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw,
			    void *workspace)
{
	const nnopt_trivial_augment_options *o = state;
	nno_look look = { .bilinear = o->bilinear != 0 };
	drawn one;
	(void)workspace;
	memcpy(look.fill, o->fill, sizeof look.fill);
	if (draw_one(&one, 0, true, o->magnitude_bins, -1, src, draw) == 0)
		*dst = *src;
	else
		one.operation->apply(dst, src, one.magnitude, &look);
}

const nno_transform_class nno_transform_rand_augment = {
	.name = "rand_augment",
	.state_size = sizeof(nnopt_rand_augment_options),
	.apply = rand_augment,
	.workspace = rand_augment_workspace,
};

const nno_transform_class nno_transform_trivial_augment = {
	.name = "trivial_augment",
	.state_size = sizeof(nnopt_trivial_augment_options),
	.apply = trivial_augment,
};

static const nnopt_rand_augment_options rand_defaults = {
	.struct_size = sizeof(nnopt_rand_augment_options),
	.operations = 2,
	.magnitude = 9,
	.magnitude_bins = 31,
};

static const nnopt_trivial_augment_options trivial_defaults = {
	.struct_size = sizeof(nnopt_trivial_augment_options),
	.magnitude_bins = 31,
};

nnopt_status nnopt_rand_augment_options_init(nnopt_rand_augment_options *options, size_t size)
{
	return nnopt_options_init(options, size, &rand_defaults, sizeof rand_defaults, "rand_augment_options");
}

nnopt_status nnopt_trivial_augment_options_init(nnopt_trivial_augment_options *options, size_t size)
{
	return nnopt_options_init(options, size, &trivial_defaults, sizeof trivial_defaults, "trivial_augment_options");
}

nnopt_status nnopt_transforms_add_rand_augment(nnopt_transforms *t, const nnopt_rand_augment_options *options,
					       double probability)
{
	nnopt_rand_augment_options o = rand_defaults;
	const char *name = nno_transform_rand_augment.name;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "rand_augment_options"));
	NNO_TRY(nno_check_number(name, "operations", o.operations, 1.0, MOST_OPERATIONS));
	NNO_TRY(nno_check_number(name, "magnitude_bins", o.magnitude_bins, 2.0, 1000.0));
	NNO_TRY(nno_check_number(name, "magnitude", o.magnitude, 0.0, o.magnitude_bins - 1));
	return nno_transforms_append(t, &nno_transform_rand_augment, probability, &o);
}

nnopt_status nnopt_transforms_add_trivial_augment(nnopt_transforms *t, const nnopt_trivial_augment_options *options,
						  double probability)
{
	nnopt_trivial_augment_options o = trivial_defaults;
	const char *name = nno_transform_trivial_augment.name;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "trivial_augment_options"));
	NNO_TRY(nno_check_number(name, "magnitude_bins", o.magnitude_bins, 2.0, 1000.0));
	return nno_transforms_append(t, &nno_transform_trivial_augment, probability, &o);
}
