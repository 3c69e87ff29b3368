/* tone_transform.c - tables of tones, and sharpness: what RandAugment draws from, each on its own. */
#include "data/colour.h"

static void invert(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	(void)state;
	(void)draw;
	(void)workspace;
	nno_solarize(dst, src, 0.0);
}

static void posterize(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const int64_t *bits = state;
	(void)draw;
	(void)workspace;
	nno_posterize(dst, src, (int)*bits);
}

static void solarize(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const double *threshold = state;
	(void)draw;
	(void)workspace;
	nno_solarize(dst, src, *threshold);
}

static void autocontrast(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	(void)state;
	(void)draw;
	(void)workspace;
	nno_autocontrast(dst, src);
}

static void equalize(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	(void)state;
	(void)draw;
	(void)workspace;
	nno_equalize(dst, src);
}

static void sharpness(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const double *factor = state;
	(void)draw;
	(void)workspace;
	nno_sharpen(dst, src, (float)*factor);
}

const nno_transform_class nno_transform_invert = { .name = "invert", .apply = invert };
const nno_transform_class nno_transform_autocontrast = { .name = "autocontrast", .apply = autocontrast };
const nno_transform_class nno_transform_equalize = { .name = "equalize", .apply = equalize };
const nno_transform_class nno_transform_posterize = {
	.name = "posterize",
	.state_size = sizeof(int64_t),
	.apply = posterize,
};
const nno_transform_class nno_transform_solarize = {
	.name = "solarize",
	.state_size = sizeof(double),
	.apply = solarize,
};
const nno_transform_class nno_transform_sharpness = {
	.name = "sharpness",
	.state_size = sizeof(double),
	.apply = sharpness,
};

nnopt_status nnopt_transforms_add_invert(nnopt_transforms *t, double probability)
{
	return nno_transforms_append(t, &nno_transform_invert, probability, NULL);
}

nnopt_status nnopt_transforms_add_autocontrast(nnopt_transforms *t, double probability)
{
	return nno_transforms_append(t, &nno_transform_autocontrast, probability, NULL);
}

nnopt_status nnopt_transforms_add_equalize(nnopt_transforms *t, double probability)
{
	return nno_transforms_append(t, &nno_transform_equalize, probability, NULL);
}

nnopt_status nnopt_transforms_add_posterize(nnopt_transforms *t, int32_t bits, double probability)
{
	NNO_TRY(nno_check_number(nno_transform_posterize.name, "bits", bits, 1.0, 8.0));
	return nno_transforms_append(t, &nno_transform_posterize, probability, &(int64_t){ bits });
}

nnopt_status nnopt_transforms_add_solarize(nnopt_transforms *t, double threshold, double probability)
{
	NNO_TRY(nno_check_number(nno_transform_solarize.name, "threshold", threshold, 0.0, 256.0));
	return nno_transforms_append(t, &nno_transform_solarize, probability, &threshold);
}

nnopt_status nnopt_transforms_add_sharpness(nnopt_transforms *t, double factor, double probability)
{
	NNO_TRY(nno_check_number(nno_transform_sharpness.name, "factor", factor, 0.0, 100.0));
	return nno_transforms_append(t, &nno_transform_sharpness, probability, &factor);
}
