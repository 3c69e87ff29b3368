/* transform_golden.c - every transform that draws nothing, or whose ranges are single numbers, gives the bits of
 * torchvision and Pillow; what is drawn is one of the results that they can give, and all of them come. */
#include "check.h"

#include "data/augment.h"

#include <math.h>
#include <stdio.h>

#include "golden/transforms.inc"

static nnopt_context *ctx;
static nno_room room;

static int setup(void **state)
{
	(void)state;
	if (nnopt_context_create(&ctx, NULL) != NNOPT_OK)
		return 1;
	room.alloc = &ctx->alloc;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nno_room_free(&room);
	nnopt_context_destroy(ctx);
	return 0;
}

static uint64_t hash_of(const nno_picture *p)
{
	return nno_mix(0xcbf29ce484222325u, p->pixels, (size_t)(p->h * p->w * p->c));
}

/* On the heap, so that a sanitizer sees a read outside. */
static nno_picture picture(int which)
{
	static const struct {
		const uint8_t *pixels;
		int h, w, c;
	} all[] = {
		{ picture_0, 17, 23, 3 }, { picture_1, 32, 32, 3 }, { picture_2, 17, 23, 1 }, { picture_3, 9, 8, 3 }
	};
	nno_picture p = { .h = all[which].h, .w = all[which].w, .c = all[which].c };
	size_t n = (size_t)(p.h * p.w * p.c);
	p.pixels = malloc(n);
	assert_non_null(p.pixels);
	memcpy(p.pixels, all[which].pixels, n);
	return p;
}

static nnopt_transforms *list(void)
{
	nnopt_transforms *t = NULL;
	assert_ok(nnopt_transforms_create(&t, ctx));
	return t;
}

/* What the list makes of a picture; its hash. */
static uint64_t run(const nnopt_transforms *t, int which, uint64_t seed)
{
	nno_picture from = picture(which), p = from;
	assert_ok(nno_transforms_run(t, &p, &room, seed, 0, 0, 0));
	uint64_t hash = hash_of(&p);
	free(from.pixels);
	return hash;
}

static void affine_maps(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof affine_cases / sizeof *affine_cases; i++) {
		nnopt_affine_options o;
		nnopt_transforms *t = list();
		int w = affine_cases[i].picture == 1 ? 32 : 23, h = affine_cases[i].picture == 1 ? 32 : 17;
		assert_ok(nnopt_affine_options_init(&o, sizeof o));
		o.degrees_min = o.degrees_max = affine_cases[i].degrees;
		/* More than the whole picture is out of range: it leaves nothing of it. */
		o.translate_x_min = o.translate_x_max = fmax((double)affine_cases[i].move_x / w, -1.0);
		o.translate_y_min = o.translate_y_max = (double)affine_cases[i].move_y / h;
		o.scale_min = o.scale_max = affine_cases[i].scale;
		o.shear_x_min = o.shear_x_max = affine_cases[i].shear_x;
		o.shear_y_min = o.shear_y_max = affine_cases[i].shear_y;
		o.bilinear = affine_cases[i].bilinear;
		if (affine_cases[i].fill)
			memcpy(o.fill, (uint8_t[]){ 200, 30, 90, 0 }, 4);
		assert_ok(nnopt_transforms_add_affine(t, &o, 1.0));
		if (run(t, affine_cases[i].picture, i) != affine_cases[i].hash)
			fail_msg("case %d (picture %d, %g degrees, %d %d, scale %g, shear %g %g, %s): not the bits",
				 (int)i, affine_cases[i].picture, affine_cases[i].degrees, affine_cases[i].move_x,
				 affine_cases[i].move_y, affine_cases[i].scale, affine_cases[i].shear_x,
				 affine_cases[i].shear_y, affine_cases[i].bilinear ? "bilinear" : "nearest");
		nnopt_transforms_destroy(t);
	}
}

/* A jitter of one step by one factor. */
static void add_step(nnopt_transforms *t, const char *name, double by)
{
	nnopt_colour_jitter_options o;
	assert_ok(nnopt_colour_jitter_options_init(&o, sizeof o));
	if (strcmp(name, "brightness") == 0)
		o.brightness_min = o.brightness_max = by;
	else if (strcmp(name, "contrast") == 0)
		o.contrast_min = o.contrast_max = by;
	else if (strcmp(name, "saturation") == 0)
		o.saturation_min = o.saturation_max = by;
	else
		o.hue_min = o.hue_max = by;
	assert_ok(nnopt_transforms_add_colour_jitter(t, &o, 1.0));
}

static void add_tone(nnopt_transforms *t, const char *name, double by)
{
	if (strcmp(name, "greyscale") == 0)
		assert_ok(nnopt_transforms_add_greyscale(t, 1.0));
	else if (strcmp(name, "invert") == 0)
		assert_ok(nnopt_transforms_add_invert(t, 1.0));
	else if (strcmp(name, "posterize") == 0)
		assert_ok(nnopt_transforms_add_posterize(t, (int32_t)by, 1.0));
	else if (strcmp(name, "solarize") == 0)
		assert_ok(nnopt_transforms_add_solarize(t, by, 1.0));
	else if (strcmp(name, "autocontrast") == 0)
		assert_ok(nnopt_transforms_add_autocontrast(t, 1.0));
	else if (strcmp(name, "equalize") == 0)
		assert_ok(nnopt_transforms_add_equalize(t, 1.0));
	else if (strcmp(name, "sharpness") == 0)
		assert_ok(nnopt_transforms_add_sharpness(t, by, 1.0));
	else if (strcmp(name, "median") == 0)
		assert_ok(nnopt_transforms_add_median(t, (int32_t)by, 1.0));
	else
		add_step(t, name, by);
}

static void tones_and_filters(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof tone_cases / sizeof *tone_cases; i++) {
		nnopt_transforms *t = list();
		add_tone(t, tone_cases[i].transform, tone_cases[i].by);
		if (run(t, tone_cases[i].picture, i) != tone_cases[i].hash)
			fail_msg("%s by %g of picture %d: not Pillow's bits", tone_cases[i].transform, tone_cases[i].by,
				 tone_cases[i].picture);
		nnopt_transforms_destroy(t);
	}
}

static void blurred_within_a_level(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof blur_cases / sizeof *blur_cases; i++) {
		nnopt_transforms *t = list();
		nno_picture from = picture(blur_cases[i].picture), p = from;
		int64_t n = p.h * p.w * p.c, differ = 0;
		double sigma = blur_cases[i].sigma;
		assert_ok(nnopt_transforms_add_gaussian_blur(t, blur_cases[i].kernel, sigma, sigma, 1.0));
		assert_ok(nno_transforms_run(t, &p, &room, 1, 0, 0, 0));
		for (int64_t k = 0; k < n; k++) {
			assert_true(abs(p.pixels[k] - blur_cases[i].pixels[k]) <= 1);
			differ += p.pixels[k] != blur_cases[i].pixels[k];
		}
		assert_true(differ * 500 <= n); /* those that lie half way between two levels */
		free(from.pixels);
		nnopt_transforms_destroy(t);
	}
}

static void operations_of_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof operation_cases / sizeof *operation_cases; i++) {
		const nno_augment_operation *o = &nno_augment_operations[operation_cases[i].operation];
		nno_picture from = picture(operation_cases[i].picture), to = picture(operation_cases[i].picture);
		double magnitude = nno_augment_magnitude(operation_cases[i].operation, operation_cases[i].wide != 0,
							 operation_cases[i].bins, operation_cases[i].bin, &from);
		o->apply(&to, &from, operation_cases[i].negative ? -magnitude : magnitude,
			 &(nno_look){ .bilinear = operation_cases[i].bilinear != 0 });
		if (hash_of(&to) != operation_cases[i].hash)
			fail_msg("%s, %s magnitude %d of %d (%g), picture %d: not torchvision's bits", o->name,
				 operation_cases[i].wide ? "wide" : "strong", operation_cases[i].bin,
				 operation_cases[i].bins, magnitude, operation_cases[i].picture);
		free(to.pixels);
		free(from.pixels);
	}
}

/* Over many seeds, the list gives the listed results and no other, and at least `wanted` of them. */
static void gives_all_of(nnopt_transforms *t, int which, const uint64_t *hashes, size_t count, size_t wanted,
			 uint64_t seeds)
{
	uint8_t *seen = calloc(count, 1);
	size_t distinct = 0;
	assert_non_null(seen);
	for (uint64_t seed = 0; seed < seeds; seed++) {
		uint64_t hash = run(t, which, seed);
		size_t low = 0, high = count;
		while (high - low > 1)
			*(hashes[(low + high) / 2] <= hash ? &low : &high) = (low + high) / 2;
		if (hashes[low] != hash)
			fail_msg("seed %d: a result that is not in the list", (int)seed);
		distinct += seen[low] == 0;
		seen[low] = 1;
	}
	if (distinct < wanted)
		fail_msg("%zu results of %zu, %zu wanted", distinct, count, wanted);
	free(seen);
	nnopt_transforms_destroy(t);
}
#define GIVES_ALL_OF(t, which, hashes, wanted, seeds) \
	gives_all_of(t, which, hashes, sizeof(hashes) / sizeof *(hashes), wanted, seeds)

static void jitter_in_every_order(void **state)
{
	(void)state;
	nnopt_transforms *t = list();
	nnopt_colour_jitter_options o;
	assert_ok(nnopt_colour_jitter_options_init(&o, sizeof o));
	o.brightness_min = o.brightness_max = 1.3;
	o.contrast_min = o.contrast_max = 0.6;
	o.saturation_min = o.saturation_max = 1.7;
	o.hue_min = o.hue_max = 0.15;
	assert_ok(nnopt_transforms_add_colour_jitter(t, &o, 1.0));
	GIVES_ALL_OF(t, 1, jittered, sizeof jittered / sizeof *jittered, 500);
}

static void crops_of_every_place(void **state)
{
	(void)state;
	nnopt_random_resized_crop_options o;
	assert_ok(nnopt_random_resized_crop_options_init(&o, sizeof o));
	o.scale_min = o.scale_max = 0.5;
	o.ratio_min = o.ratio_max = 1.0;
	nnopt_transforms *t = list();
	assert_ok(nnopt_transforms_add_random_resized_crop(t, 12, 10, &o));
	GIVES_ALL_OF(t, 0, resized_windows, (size_t)resized_window_count, 1000);
	/* None fits: the middle. */
	o.scale_min = o.scale_max = 1.0;
	o.ratio_min = o.ratio_max = 10.0;
	t = list();
	assert_ok(nnopt_transforms_add_random_resized_crop(t, 12, 10, &o));
	gives_all_of(t, 0, &flat_window, 1, 1, 3);
	o.ratio_min = o.ratio_max = 0.1;
	t = list();
	assert_ok(nnopt_transforms_add_random_resized_crop(t, 12, 10, &o));
	gives_all_of(t, 0, &thin_window, 1, 1, 3);
}

static void erased_in_every_place(void **state)
{
	(void)state;
	nnopt_transforms *t = list();
	nnopt_random_erasing_options o;
	assert_ok(nnopt_random_erasing_options_init(&o, sizeof o));
	o.scale_min = o.scale_max = 96.0 / (17.0 * 23.0);
	o.ratio_min = o.ratio_max = 8.0 / 12.0;
	memcpy(o.fill, (uint8_t[]){ 9, 99, 199, 0 }, 4);
	assert_ok(nnopt_transforms_add_random_erasing(t, &o, 1.0));
	GIVES_ALL_OF(t, 0, erased, sizeof erased / sizeof *erased, 3000);
}

static void augmented_by_all_operations(void **state)
{
	(void)state;
	nnopt_rand_augment_options o;
	nnopt_trivial_augment_options trivial;
	assert_ok(nnopt_rand_augment_options_init(&o, sizeof o));
	o.operations = 1;
	nnopt_transforms *t = list();
	assert_ok(nnopt_transforms_add_rand_augment(t, &o, 1.0));
	GIVES_ALL_OF(t, 2, once_augmented, sizeof once_augmented / sizeof *once_augmented, 1000);
	t = list();
	assert_ok(nnopt_transforms_add_rand_augment(t, NULL, 1.0));
	GIVES_ALL_OF(t, 2, twice_augmented, sizeof twice_augmented / sizeof *twice_augmented * 9 / 10, 5000);
	assert_ok(nnopt_trivial_augment_options_init(&trivial, sizeof trivial));
	trivial.magnitude_bins = 3;
	t = list();
	assert_ok(nnopt_transforms_add_trivial_augment(t, &trivial, 1.0));
	GIVES_ALL_OF(t, 2, trivially_augmented, sizeof trivially_augmented / sizeof *trivially_augmented, 2000);
}

static void normalised_by_themselves(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof own_normalisations / sizeof *own_normalisations; i++) {
		nnopt_transforms *t = list();
		nno_picture p = picture(own_normalisations[i].picture);
		int64_t n = p.h * p.w * p.c;
		float *values = malloc((size_t)n * sizeof *values);
		nno_value_table table;
		assert_ok(nnopt_transforms_add_normalise_per_image(t, own_normalisations[i].per_channel,
								   own_normalisations[i].epsilon));
		nno_normalisation_table(&t->normalisation, &table);
		nno_normalise(&t->normalisation, &table, values, &p);
		for (int64_t k = 0; k < n; k++)
			if (!(fabsf(values[k] - own_normalisations[i].values[k]) <= 1e-6f))
				fail_msg("case %d, value %d: %.9g, %.9g wanted", (int)i, (int)k, (double)values[k],
					 (double)own_normalisations[i].values[k]);
		free(values);
		free(p.pixels);
		nnopt_transforms_destroy(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(affine_maps),
		cmocka_unit_test(tones_and_filters),
		cmocka_unit_test(blurred_within_a_level),
		cmocka_unit_test(operations_of_the_table),
		cmocka_unit_test(jitter_in_every_order),
		cmocka_unit_test(crops_of_every_place),
		cmocka_unit_test(erased_in_every_place),
		cmocka_unit_test(augmented_by_all_operations),
		cmocka_unit_test(normalised_by_themselves),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
