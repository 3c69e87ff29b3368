/* affine_transform.c - rotation alone, and rotation, translation, scale and shear at once. */
#include "data/transform.h"

#include <math.h>
#include <string.h>

/* --- rotation --- */

typedef struct rotation {
	double degrees;
	int64_t bilinear;
} rotation;

static void rotate(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const rotation *r = state;
	(void)workspace;
	nno_rotate(dst, src, (2.0 * (double)nno_rng_uniform(&draw->rng) - 1.0) * r->degrees,
		   &(nno_look){ .bilinear = r->bilinear != 0 });
}

const nno_transform_class nno_transform_rotation = {
	.name = "rotation",
	.state_size = sizeof(rotation),
	.apply = rotate,
};

nnopt_status nnopt_transforms_add_rotation(nnopt_transforms *t, double degrees, int32_t bilinear, double probability)
{
	NNO_TRY(nno_check_number(nno_transform_rotation.name, "degrees", degrees, 0.0, 360.0));
	return nno_transforms_append(t, &nno_transform_rotation, probability, &(rotation){ degrees, bilinear != 0 });
}

/* --- affine --- */

/* Whole pixels, so that a translation alone blurs nothing. */
static double draw_pixels(nno_draw *draw, double low, double high, int64_t size)
{
	return nearbyint(nno_draw_between(draw, low * (double)size, high * (double)size));
}

static void affine(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const nnopt_affine_options *o = state;
	(void)workspace;
	nno_affine a = { .centre_x = (double)src->w * 0.5, .centre_y = (double)src->h * 0.5 };
	a.degrees = nno_draw_between(draw, o->degrees_min, o->degrees_max);
	a.move_x = draw_pixels(draw, o->translate_x_min, o->translate_x_max, src->w);
	a.move_y = draw_pixels(draw, o->translate_y_min, o->translate_y_max, src->h);
	a.scale = nno_draw_between(draw, o->scale_min, o->scale_max);
	a.shear_x = nno_draw_between(draw, o->shear_x_min, o->shear_x_max);
	a.shear_y = nno_draw_between(draw, o->shear_y_min, o->shear_y_max);
	nno_look look = { .bilinear = o->bilinear != 0 };
	memcpy(look.fill, o->fill, sizeof look.fill);
	nno_affine_warp(dst, src, &a, &look);
}

const nno_transform_class nno_transform_affine = {
	.name = "affine",
	.state_size = sizeof(nnopt_affine_options),
	.apply = affine,
};

static const nnopt_affine_options option_defaults = {
	.struct_size = sizeof(nnopt_affine_options),
	.scale_min = 1.0,
	.scale_max = 1.0,
};

nnopt_status nnopt_affine_options_init(nnopt_affine_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "affine_options");
}

nnopt_status nnopt_transforms_add_affine(nnopt_transforms *t, const nnopt_affine_options *options, double probability)
{
	nnopt_affine_options o = option_defaults;
	const char *name = nno_transform_affine.name;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "affine_options"));
	NNO_TRY(nno_check_range(name, "degrees", o.degrees_min, o.degrees_max, -360.0, 360.0));
	NNO_TRY(nno_check_range(name, "translate_x", o.translate_x_min, o.translate_x_max, -1.0, 1.0));
	NNO_TRY(nno_check_range(name, "translate_y", o.translate_y_min, o.translate_y_max, -1.0, 1.0));
	NNO_TRY(nno_check_range(name, "scale", o.scale_min, o.scale_max, 1e-2, 1e2));
	NNO_TRY(nno_check_range(name, "shear_x", o.shear_x_min, o.shear_x_max, -85.0, 85.0));
	NNO_TRY(nno_check_range(name, "shear_y", o.shear_y_min, o.shear_y_max, -85.0, 85.0));
	return nno_transforms_append(t, &nno_transform_affine, probability, &o);
}
