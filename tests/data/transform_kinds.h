/* transform_kinds.h - every kind of transform with options that make it random; `probability` where it has one. */
#ifndef TESTS_TRANSFORM_KINDS_H
#define TESTS_TRANSFORM_KINDS_H

#include <nnopt/nnopt.h>

typedef struct transform_kind {
	const char *name;
	nnopt_status (*add)(nnopt_transforms *t, double probability);
	int always;     /* has no probability */
	int keeps_size; /* for any picture */
} transform_kind;

static nnopt_status add_resize(nnopt_transforms *t, double p)
{
	(void)p;
	return nnopt_transforms_add_resize(t, 9, 11);
}
static nnopt_status add_center_crop(nnopt_transforms *t, double p)
{
	(void)p;
	return nnopt_transforms_add_center_crop(t, 5, 7);
}
static nnopt_status add_random_crop(nnopt_transforms *t, double p)
{
	(void)p;
	return nnopt_transforms_add_random_crop(t, 5, 7, 1.0);
}
static nnopt_status add_random_resized_crop(nnopt_transforms *t, double p)
{
	(void)p;
	return nnopt_transforms_add_random_resized_crop(t, 9, 11, NULL);
}
static nnopt_status add_pad_crop(nnopt_transforms *t, double p)
{
	return nnopt_transforms_add_pad_crop(t, 4, NNOPT_PAD_ZERO, p);
}
static nnopt_status add_rotation(nnopt_transforms *t, double p) { return nnopt_transforms_add_rotation(t, 30, 1, p); }
static nnopt_status add_alternating_flip(nnopt_transforms *t, double p)
{
	(void)p;
	return nnopt_transforms_add_alternating_flip(t);
}
static nnopt_status add_affine(nnopt_transforms *t, double p)
{
	nnopt_affine_options o;
	nnopt_status s = nnopt_affine_options_init(&o, sizeof o);
	o.degrees_min = -20;
	o.degrees_max = 20;
	o.translate_x_min = o.translate_y_min = -0.2;
	o.translate_x_max = o.translate_y_max = 0.2;
	o.scale_min = 0.8;
	o.scale_max = 1.25;
	o.shear_x_min = -10;
	o.shear_x_max = 10;
	return s != NNOPT_OK ? s : nnopt_transforms_add_affine(t, &o, p);
}
static nnopt_status add_colour_jitter(nnopt_transforms *t, double p)
{
	nnopt_colour_jitter_options o;
	nnopt_status s = nnopt_colour_jitter_options_init(&o, sizeof o);
	o.brightness_min = o.contrast_min = o.saturation_min = 0.5;
	o.brightness_max = o.contrast_max = o.saturation_max = 1.5;
	o.hue_min = -0.3;
	o.hue_max = 0.3;
	return s != NNOPT_OK ? s : nnopt_transforms_add_colour_jitter(t, &o, p);
}
static nnopt_status add_posterize(nnopt_transforms *t, double p) { return nnopt_transforms_add_posterize(t, 3, p); }
static nnopt_status add_solarize(nnopt_transforms *t, double p) { return nnopt_transforms_add_solarize(t, 50, p); }
static nnopt_status add_sharpness(nnopt_transforms *t, double p) { return nnopt_transforms_add_sharpness(t, 3.0, p); }
static nnopt_status add_gaussian_blur(nnopt_transforms *t, double p)
{
	return nnopt_transforms_add_gaussian_blur(t, 5, 0.8, 2.0, p);
}
static nnopt_status add_gaussian_noise(nnopt_transforms *t, double p)
{
	return nnopt_transforms_add_gaussian_noise(t, 0.05, 0.2, p);
}
static nnopt_status add_median(nnopt_transforms *t, double p) { return nnopt_transforms_add_median(t, 3, p); }
static nnopt_status add_random_erasing(nnopt_transforms *t, double p)
{
	nnopt_random_erasing_options o;
	nnopt_status s = nnopt_random_erasing_options_init(&o, sizeof o);
	o.value = NNOPT_ERASE_RANDOM;
	return s != NNOPT_OK ? s : nnopt_transforms_add_random_erasing(t, &o, p);
}
static nnopt_status add_cutout(nnopt_transforms *t, double p) { return nnopt_transforms_add_cutout(t, 5, NULL, p); }
static nnopt_status add_rand_augment(nnopt_transforms *t, double p)
{
	return nnopt_transforms_add_rand_augment(t, NULL, p);
}
static nnopt_status add_trivial_augment(nnopt_transforms *t, double p)
{
	return nnopt_transforms_add_trivial_augment(t, NULL, p);
}

/* In an order in which they can follow each other on a picture of at least 16 x 16. */
static const transform_kind transform_kinds[] = {
	{ "horizontal_flip", nnopt_transforms_add_horizontal_flip, 0, 1 },
	{ "vertical_flip", nnopt_transforms_add_vertical_flip, 0, 1 },
	{ "alternating_flip", add_alternating_flip, 1, 1 },
	{ "rotation", add_rotation, 0, 1 },
	{ "affine", add_affine, 0, 1 },
	{ "pad_crop", add_pad_crop, 0, 1 },
	{ "colour_jitter", add_colour_jitter, 0, 1 },
	{ "greyscale", nnopt_transforms_add_greyscale, 0, 1 },
	{ "invert", nnopt_transforms_add_invert, 0, 1 },
	{ "posterize", add_posterize, 0, 1 },
	{ "solarize", add_solarize, 0, 1 },
	{ "autocontrast", nnopt_transforms_add_autocontrast, 0, 1 },
	{ "equalize", nnopt_transforms_add_equalize, 0, 1 },
	{ "sharpness", add_sharpness, 0, 1 },
	{ "gaussian_blur", add_gaussian_blur, 0, 0 },
	{ "gaussian_noise", add_gaussian_noise, 0, 1 },
	{ "median", add_median, 0, 1 },
	{ "random_erasing", add_random_erasing, 0, 1 },
	{ "cutout", add_cutout, 0, 1 },
	{ "rand_augment", add_rand_augment, 0, 1 },
	{ "trivial_augment", add_trivial_augment, 0, 1 },
	{ "random_resized_crop", add_random_resized_crop, 1, 0 },
	{ "resize", add_resize, 1, 0 },
	{ "random_crop", add_random_crop, 1, 0 },
	{ "center_crop", add_center_crop, 1, 0 },
};
#define TRANSFORM_KINDS (sizeof transform_kinds / sizeof *transform_kinds)

#endif
