/* 08_augmentations.c - what the random transforms do to a picture: a contact sheet, a row for each, eight draws a row,
 * the picture as it is on the left.
 *
 * usage: 08_augmentations [OUT.png [PICTURE [SEED]]] */
#include "example.h"

#include <math.h>
#include <string.h>

#define SIDE 72
#define DRAWS 8
#define GAP 4

/* A sun over two hills and a house, for those who give no picture. */
static nnopt_tensor *paint(nnopt_context *ctx)
{
	nnopt_tensor *picture = NULL;
	CHECK(nnopt_tensor_create(&picture, ctx, NNOPT_U8, 4, (const int64_t[]){ 1, 3, SIDE, SIDE }, NNOPT_NHWC));
	uint8_t *p = nnopt_tensor_data(picture);
	for (int y = 0; y < SIDE; y++)
		for (int x = 0; x < SIDE; x++, p += 3) {
			uint8_t sky[3] = { (uint8_t)(90 + y), (uint8_t)(140 + y), 220 }, sun[3] = { 250, 210, 80 };
			uint8_t far[3] = { 90, 140, 110 }, near[3] = { 60, (uint8_t)(150 - y), 50 };
			uint8_t wall[3] = { 200, 190, 170 }, roof[3] = { 170, 60, 40 };
			const uint8_t *colour = sky;
			if ((x - 54) * (x - 54) + (y - 16) * (y - 16) < 80)
				colour = sun;
			if (y > 40 - 8 * sin(x / 11.0))
				colour = far;
			if (y > 52 + 5 * cos(x / 17.0))
				colour = near;
			if (x > 13 && x < 33 && y > 38 && y < 60)
				colour = wall;
			if (y >= 26 && y <= 38 && abs(x - 23) < y - 24)
				colour = roof;
			memcpy(p, colour, 3);
		}
	return picture;
}

/* --- the rows --- */

static void flip(nnopt_transforms *t) { CHECK(nnopt_transforms_add_alternating_flip(t)); }

static void pad_and_crop(nnopt_transforms *t)
{
	CHECK(nnopt_transforms_add_pad_crop(t, SIDE / 8, NNOPT_PAD_REFLECT, 1.0));
}

static void resized_crop(nnopt_transforms *t) { CHECK(nnopt_transforms_add_random_resized_crop(t, SIDE, SIDE, NULL)); }

static void affine(nnopt_transforms *t)
{
	nnopt_affine_options o;
	CHECK(nnopt_affine_options_init(&o, sizeof o));
	o.degrees_min = -20;
	o.degrees_max = 20;
	o.translate_x_min = o.translate_y_min = -0.1;
	o.translate_x_max = o.translate_y_max = 0.1;
	o.scale_min = 0.8;
	o.scale_max = 1.2;
	o.shear_x_min = -10;
	o.shear_x_max = 10;
	o.bilinear = 1;
	memset(o.fill, 128, sizeof o.fill);
	CHECK(nnopt_transforms_add_affine(t, &o, 1.0));
}

static void jitter(nnopt_transforms *t)
{
	nnopt_colour_jitter_options o;
	CHECK(nnopt_colour_jitter_options_init(&o, sizeof o));
	o.brightness_min = o.contrast_min = o.saturation_min = 0.6;
	o.brightness_max = o.contrast_max = o.saturation_max = 1.4;
	o.hue_min = -0.1;
	o.hue_max = 0.1;
	CHECK(nnopt_transforms_add_colour_jitter(t, &o, 1.0));
	CHECK(nnopt_transforms_add_greyscale(t, 0.2));
}

static void tones(nnopt_transforms *t)
{
	CHECK(nnopt_transforms_add_posterize(t, 3, 0.3));
	CHECK(nnopt_transforms_add_solarize(t, 160, 0.3));
	CHECK(nnopt_transforms_add_autocontrast(t, 0.3));
	CHECK(nnopt_transforms_add_equalize(t, 0.3));
	CHECK(nnopt_transforms_add_invert(t, 0.2));
	CHECK(nnopt_transforms_add_sharpness(t, 3.0, 0.3));
}

static void blur(nnopt_transforms *t) { CHECK(nnopt_transforms_add_gaussian_blur(t, 9, 0.1, 3.0, 1.0)); }

static void noise(nnopt_transforms *t) { CHECK(nnopt_transforms_add_gaussian_noise(t, 0.0, 0.2, 1.0)); }

static void denoised(nnopt_transforms *t)
{
	noise(t);
	CHECK(nnopt_transforms_add_median(t, 5, 1.0));
}

static void erasing(nnopt_transforms *t)
{
	nnopt_random_erasing_options o;
	CHECK(nnopt_random_erasing_options_init(&o, sizeof o));
	o.value = NNOPT_ERASE_RANDOM;
	CHECK(nnopt_transforms_add_random_erasing(t, &o, 1.0));
}

static void cutout(nnopt_transforms *t)
{
	const uint8_t grey[4] = { 128, 128, 128, 128 };
	CHECK(nnopt_transforms_add_cutout(t, SIDE / 2, grey, 1.0));
}

static void rand_augment(nnopt_transforms *t) { CHECK(nnopt_transforms_add_rand_augment(t, NULL, 1.0)); }

static void trivial_augment(nnopt_transforms *t) { CHECK(nnopt_transforms_add_trivial_augment(t, NULL, 1.0)); }

static const struct {
	const char *name;
	void (*add)(nnopt_transforms *t);
} rows[] = {
	{ "alternating flip", flip },
	{ "reflection pad and crop", pad_and_crop },
	{ "random resized crop", resized_crop },
	{ "affine", affine },
	{ "colour jitter, sometimes grey", jitter },
	{ "posterize, solarize, autocontrast, equalize, invert, sharpness", tones },
	{ "Gaussian blur", blur },
	{ "Gaussian noise", noise },
	{ "Gaussian noise, then the median of 5x5", denoised },
	{ "random erasing", erasing },
	{ "cutout", cutout },
	{ "RandAugment", rand_augment },
	{ "TrivialAugmentWide", trivial_augment },
};
#define ROWS (int)(sizeof rows / sizeof *rows)

/* --- the sheet --- */

/* Puts a picture from a batch, 0 to 1, at a place of the sheet. */
static void put(nnopt_tensor *sheet, int64_t sheet_width, int row, int column, const float *from)
{
	uint8_t *to = nnopt_tensor_data(sheet);
	to += ((row * (SIDE + GAP) + GAP) * sheet_width + column * (SIDE + GAP) + GAP) * 3;
	for (int y = 0; y < SIDE; y++, to += sheet_width * 3)
		for (int i = 0; i < SIDE * 3; i++)
			to[i] = (uint8_t)(from[y * SIDE * 3 + i] * 255.0f + 0.5f);
}

/* A dataset of one picture: what an epoch makes of it depends on the epoch alone. */
static nnopt_dataset *one_picture(nnopt_context *ctx, nnopt_tensor *picture)
{
	nnopt_dataset *data = NULL;
	nnopt_tensor *label = NULL;
	CHECK(nnopt_tensor_create(&label, ctx, NNOPT_I32, 1, (const int64_t[]){ 1 }, NNOPT_NCHW));
	*(int32_t *)nnopt_tensor_data(label) = 0;
	CHECK(nnopt_dataset_from_tensors(&data, ctx, picture, label));
	nnopt_tensor_destroy(label);
	return data;
}

int main(int argc, char **argv)
{
	const char *out = "augmentations.png", *file = NULL;
	int64_t seed = 1;
	read_arguments(argc, argv, "[OUT.png [PICTURE [SEED]]]",
		       (const argument[]){ { .text = &out }, { .text = &file }, { .number = &seed }, { 0 } });
	nnopt_context *ctx = NULL;
	nnopt_tensor *picture = NULL, *sheet = NULL;
	CHECK(nnopt_context_create(&ctx, NULL));
	if (file != NULL)
		CHECK(nnopt_image_read(&picture, ctx, file, 3));
	else
		picture = paint(ctx);
	nnopt_dataset *data = one_picture(ctx, picture);

	int64_t width = (DRAWS + 1) * (SIDE + GAP) + GAP, height = ROWS * (SIDE + GAP) + GAP;
	CHECK(nnopt_tensor_create(&sheet, ctx, NNOPT_U8, 4, (const int64_t[]){ 1, 3, height, width }, NNOPT_NHWC));
	memset(nnopt_tensor_data(sheet), 255, nnopt_tensor_bytes(sheet));

	for (int row = 0; row < ROWS; row++) {
		printf("row %2d: %s\n", row + 1, rows[row].name);
		for (int plain = 1; plain >= 0; plain--) {
			nnopt_transforms *t = NULL;
			nnopt_loader *loader = NULL;
			nnopt_loader_options o;
			CHECK(nnopt_transforms_create(&t, ctx));
			CHECK(nnopt_transforms_add_resize(t, SIDE, SIDE));
			if (!plain)
				rows[row].add(t);
			CHECK(nnopt_loader_options_init(&o, sizeof o));
			o.use_seed = 1;
			o.seed = (uint64_t)seed;
			CHECK(nnopt_loader_create(&loader, data, t, &o));
			for (int draw = 0; draw < (plain ? 1 : DRAWS); draw++) {
				const nnopt_batch *batch = NULL;
				CHECK(nnopt_loader_start(loader, draw, 0));
				CHECK(nnopt_loader_next(loader, &batch));
				put(sheet, width, row, plain ? 0 : draw + 1, nnopt_tensor_const_data(batch->images));
			}
			nnopt_loader_destroy(loader);
			nnopt_transforms_destroy(t);
		}
	}
	CHECK(nnopt_image_write_png(sheet, out));
	printf("%s: %d x %d pixels\n", out, (int)width, (int)height);

	nnopt_tensor_destroy(sheet);
	nnopt_dataset_destroy(data);
	nnopt_tensor_destroy(picture);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
