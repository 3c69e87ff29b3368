/* transform_options.c - each option of each transform is in the loader's fingerprint, and out of range is refused by
 * name. */
#include "check.h"

#include <math.h>

#include "transform_kinds.h"

static nnopt_context *ctx;
static nnopt_dataset *data;

static int setup(void **state)
{
	(void)state;
	nnopt_tensor *images = NULL, *labels = NULL;
	assert_ok(nnopt_context_create(&ctx, NULL));
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ 2, 3, 40, 40 }, NNOPT_NHWC));
	memset(nnopt_tensor_data(images), 9, nnopt_tensor_bytes(images));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, (int64_t[]){ 2 }, NNOPT_NCHW));
	memset(nnopt_tensor_data(labels), 0, nnopt_tensor_bytes(labels));
	assert_ok(nnopt_dataset_from_tensors(&data, ctx, images, labels));
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_dataset_destroy(data);
	nnopt_context_destroy(ctx);
	return 0;
}

static nnopt_transforms *list(void)
{
	nnopt_transforms *t = NULL;
	assert_ok(nnopt_transforms_create(&t, ctx));
	return t;
}

/* --- fingerprints --- */

static uint64_t prints[256];
static size_t print_count;

/* Takes the list. */
static uint64_t print_of(nnopt_transforms *t)
{
	nnopt_loader *l = NULL;
	assert_ok(nnopt_loader_create(&l, data, t, NULL));
	uint64_t print = nnopt_loader_fingerprint(l);
	nnopt_loader_destroy(l);
	nnopt_transforms_destroy(t);
	return print;
}

/* Takes the list, whose fingerprint is to be a new one. */
static void note_print(nnopt_transforms *t, const char *what)
{
	uint64_t print = print_of(t);
	for (size_t i = 0; i < print_count; i++)
		if (prints[i] == print)
			fail_msg("%s: the fingerprint of case %d", what, (int)i);
	assert_true(print_count < sizeof prints / sizeof *prints);
	prints[print_count++] = print;
}

/* The list that one call makes. */
#define NOTE(call)                            \
	do {                                  \
		nnopt_transforms *t = list(); \
		assert_ok(call);              \
		note_print(t, #call);         \
	} while (0)
/* ... of options that are the defaults but for one. */
#define VARY(type, member, value, call)               \
	do {                                          \
		type o;                               \
		nnopt_transforms *t = list();         \
		assert_ok(type##_init(&o, sizeof o)); \
		o.member = value;                     \
		assert_ok(call);                      \
		note_print(t, #type "." #member);     \
	} while (0)
#define AFFINE(member, value) VARY(nnopt_affine_options, member, value, nnopt_transforms_add_affine(t, &o, 1.0))
#define JITTER(member, value) \
	VARY(nnopt_colour_jitter_options, member, value, nnopt_transforms_add_colour_jitter(t, &o, 1.0))
#define ERASING(member, value) \
	VARY(nnopt_random_erasing_options, member, value, nnopt_transforms_add_random_erasing(t, &o, 1.0))
#define CROP(member, value) \
	VARY(nnopt_random_resized_crop_options, member, value, nnopt_transforms_add_random_resized_crop(t, 9, 11, &o))
#define RAND(member, value) \
	VARY(nnopt_rand_augment_options, member, value, nnopt_transforms_add_rand_augment(t, &o, 1.0))
#define TRIVIAL(member, value) \
	VARY(nnopt_trivial_augment_options, member, value, nnopt_transforms_add_trivial_augment(t, &o, 1.0))

static void structs_change_the_fingerprint(void)
{
	AFFINE(degrees_min, -1.0);
	AFFINE(degrees_max, 1.0);
	AFFINE(translate_x_min, -0.1);
	AFFINE(translate_x_max, 0.1);
	AFFINE(translate_y_min, -0.1);
	AFFINE(translate_y_max, 0.1);
	AFFINE(scale_min, 0.9);
	AFFINE(scale_max, 1.1);
	AFFINE(shear_x_min, -1.0);
	AFFINE(shear_x_max, 1.0);
	AFFINE(shear_y_min, -1.0);
	AFFINE(shear_y_max, 1.0);
	AFFINE(bilinear, 1);
	AFFINE(fill[3], 1);
	JITTER(brightness_min, 0.9);
	JITTER(brightness_max, 1.1);
	JITTER(contrast_min, 0.9);
	JITTER(contrast_max, 1.1);
	JITTER(saturation_min, 0.9);
	JITTER(saturation_max, 1.1);
	JITTER(hue_min, -0.1);
	JITTER(hue_max, 0.1);
	ERASING(scale_min, 0.1);
	ERASING(scale_max, 0.2);
	ERASING(ratio_min, 0.5);
	ERASING(ratio_max, 0.9);
	ERASING(value, NNOPT_ERASE_MEAN);
	ERASING(fill[0], 1);
	CROP(scale_min, 0.1);
	CROP(scale_max, 0.2);
	CROP(ratio_min, 0.8);
	CROP(ratio_max, 0.9);
	RAND(operations, 3);
	RAND(magnitude, 8);
	RAND(magnitude_bins, 30);
	RAND(bilinear, 1);
	RAND(fill[1], 1);
	TRIVIAL(magnitude_bins, 30);
	TRIVIAL(bilinear, 1);
	TRIVIAL(fill[2], 1);
}

static void options_change_the_fingerprint(void **state)
{
	(void)state;
	const uint8_t fill[4] = { 1, 2, 3, 0 };
	print_count = 0;
	note_print(list(), "nothing");
	for (size_t k = 0; k < TRANSFORM_KINDS; k++) {
		NOTE(transform_kinds[k].add(t, 1.0));
		if (!transform_kinds[k].always)
			NOTE(transform_kinds[k].add(t, 0.5));
	}
	structs_change_the_fingerprint();
	for (size_t k = 0; k < 2; k++) {
		nnopt_transforms *first = list(), *second = list();
		assert_ok(transform_kinds[4 + k].add(first, 1.0));
		assert_ok(transform_kinds[4 + k].add(second, 1.0));
		assert_true(print_of(first) == print_of(second));
	}
	NOTE(nnopt_transforms_add_resize(t, 9, 12));
	NOTE(nnopt_transforms_add_center_crop(t, 6, 7));
	NOTE(nnopt_transforms_add_pad_crop(t, 4, NNOPT_PAD_EDGE, 1.0));
	NOTE(nnopt_transforms_add_rotation(t, 30, 0, 1.0));
	NOTE(nnopt_transforms_add_rotation(t, 31, 1, 1.0));
	NOTE(nnopt_transforms_add_posterize(t, 4, 1.0));
	NOTE(nnopt_transforms_add_solarize(t, 51, 1.0));
	NOTE(nnopt_transforms_add_sharpness(t, 2.0, 1.0));
	NOTE(nnopt_transforms_add_gaussian_blur(t, 7, 0.8, 2.0, 1.0));
	NOTE(nnopt_transforms_add_gaussian_blur(t, 5, 0.7, 2.0, 1.0));
	NOTE(nnopt_transforms_add_gaussian_blur(t, 5, 0.8, 2.1, 1.0));
	NOTE(nnopt_transforms_add_gaussian_noise(t, 0.06, 0.2, 1.0));
	NOTE(nnopt_transforms_add_gaussian_noise(t, 0.05, 0.3, 1.0));
	NOTE(nnopt_transforms_add_median(t, 5, 1.0));
	NOTE(nnopt_transforms_add_cutout(t, 6, NULL, 1.0));
	NOTE(nnopt_transforms_add_cutout(t, 5, fill, 1.0));
	NOTE(nnopt_transforms_add_normalise(t, (float[]){ 0, 0, 0 }, (float[]){ 1, 1, 2 }, 3));
	NOTE(nnopt_transforms_add_normalise(t, (float[]){ 0, 0, 1 }, (float[]){ 1, 1, 2 }, 3));
	NOTE(nnopt_transforms_add_normalise_per_image(t, 0, 0.1));
	NOTE(nnopt_transforms_add_normalise_per_image(t, 1, 0.1));
	NOTE(nnopt_transforms_add_normalise_per_image(t, 1, 0.2));
}

/* --- refusals --- */

#define REFUSED(words, call) assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words, call)
#define REFUSED_OPTION(type, member, value, words, call) \
	do {                                             \
		type o;                                  \
		assert_ok(type##_init(&o, sizeof o));    \
		o.member = value;                        \
		REFUSED(words, call);                    \
	} while (0)
#define BAD_AFFINE(member, value, words) \
	REFUSED_OPTION(nnopt_affine_options, member, value, words, nnopt_transforms_add_affine(t, &o, 1.0))
#define BAD_JITTER(member, value, words)                                  \
	REFUSED_OPTION(nnopt_colour_jitter_options, member, value, words, \
		       nnopt_transforms_add_colour_jitter(t, &o, 1.0))
#define BAD_ERASING(member, value, words)                                  \
	REFUSED_OPTION(nnopt_random_erasing_options, member, value, words, \
		       nnopt_transforms_add_random_erasing(t, &o, 1.0))
#define BAD_CROP(member, value, words)                                          \
	REFUSED_OPTION(nnopt_random_resized_crop_options, member, value, words, \
		       nnopt_transforms_add_random_resized_crop(t, 9, 11, &o))
#define BAD_RAND(member, value, words) \
	REFUSED_OPTION(nnopt_rand_augment_options, member, value, words, nnopt_transforms_add_rand_augment(t, &o, 1.0))
#define BAD_TRIVIAL(member, value, words)                                   \
	REFUSED_OPTION(nnopt_trivial_augment_options, member, value, words, \
		       nnopt_transforms_add_trivial_augment(t, &o, 1.0))

static void bad_structs_are_refused(nnopt_transforms *t)
{
	BAD_AFFINE(degrees_min, -361.0, "degrees_min -361");
	BAD_AFFINE(degrees_max, -1.0, "degrees_min 0 and degrees_max -1");
	BAD_AFFINE(degrees_max, (double)NAN, "degrees_max nan");
	BAD_AFFINE(translate_x_min, -1.5, "translate_x_min -1.5");
	BAD_AFFINE(translate_x_max, 1.5, "translate_x_max 1.5");
	BAD_AFFINE(translate_y_min, -1.5, "translate_y_min -1.5");
	BAD_AFFINE(translate_y_max, 1.5, "translate_y_max 1.5");
	BAD_AFFINE(scale_min, 0.0, "scale_min 0");
	BAD_AFFINE(scale_max, 101.0, "scale_max 101");
	BAD_AFFINE(shear_x_min, -90.0, "shear_x_min -90");
	BAD_AFFINE(shear_x_max, 90.0, "shear_x_max 90");
	BAD_AFFINE(shear_y_min, -90.0, "shear_y_min -90");
	BAD_AFFINE(shear_y_max, 90.0, "shear_y_max 90");
	BAD_JITTER(brightness_min, -0.1, "brightness_min -0.1");
	BAD_JITTER(brightness_max, 0.9, "brightness_max 0.9");
	BAD_JITTER(contrast_min, -0.1, "contrast_min -0.1");
	BAD_JITTER(contrast_max, (double)INFINITY, "contrast_max inf");
	BAD_JITTER(saturation_min, -0.1, "saturation_min -0.1");
	BAD_JITTER(saturation_max, 101.0, "saturation_max 101");
	BAD_JITTER(hue_min, -0.6, "hue_min -0.6");
	BAD_JITTER(hue_max, 0.6, "hue_max 0.6");
	BAD_ERASING(scale_min, -0.1, "scale_min -0.1");
	BAD_ERASING(scale_max, 1.1, "scale_max 1.1");
	BAD_ERASING(ratio_min, 0.0, "ratio_min 0");
	BAD_ERASING(ratio_max, 0.1, "ratio_max 0.1");
	BAD_ERASING(value, 3, "value 3");
	BAD_CROP(scale_min, 0.0, "scale_min 0");
	BAD_CROP(scale_max, 1.1, "scale_max 1.1");
	BAD_CROP(ratio_min, 0.0, "ratio_min 0");
	BAD_CROP(ratio_max, 0.1, "ratio_max 0.1");
	BAD_RAND(operations, 0, "operations 0");
	BAD_RAND(operations, 17, "operations 17");
	BAD_RAND(magnitude, -1, "magnitude -1");
	BAD_RAND(magnitude, 31, "magnitude 31, 0 to 30");
	BAD_RAND(magnitude_bins, 1, "magnitude_bins 1");
	BAD_TRIVIAL(magnitude_bins, 1001, "magnitude_bins 1001");
	REFUSED_OPTION(nnopt_trivial_augment_options, struct_size, 4, "struct_size 4",
		       nnopt_transforms_add_trivial_augment(t, &o, 1.0));
}

static void bad_options_are_refused(void **state)
{
	(void)state;
	nnopt_transforms *t = list();
	for (size_t k = 0; k < TRANSFORM_KINDS; k++) {
		REFUSED(transform_kinds[k].name, transform_kinds[k].add(NULL, 1.0));
		if (!transform_kinds[k].always) {
			REFUSED("probability -0.1", transform_kinds[k].add(t, -0.1));
			REFUSED("probability nan", transform_kinds[k].add(t, (double)NAN));
			REFUSED(transform_kinds[k].name, transform_kinds[k].add(t, 1.1));
		}
	}
	bad_structs_are_refused(t);
	REFUSED("random_crop: probability 0.5, 1", nnopt_transforms_add_random_crop(t, 4, 4, 0.5));
	REFUSED("random_resized_crop: 0x4", nnopt_transforms_add_random_resized_crop(t, 0, 4, NULL));
	REFUSED("posterize: bits 0, 1 to 8", nnopt_transforms_add_posterize(t, 0, 1.0));
	REFUSED("posterize: bits 9", nnopt_transforms_add_posterize(t, 9, 1.0));
	REFUSED("solarize: threshold -1", nnopt_transforms_add_solarize(t, -1.0, 1.0));
	REFUSED("solarize: threshold 257", nnopt_transforms_add_solarize(t, 257.0, 1.0));
	REFUSED("sharpness: factor -1", nnopt_transforms_add_sharpness(t, -1.0, 1.0));
	REFUSED("gaussian_blur: kernel 4", nnopt_transforms_add_gaussian_blur(t, 4, 1.0, 2.0, 1.0));
	REFUSED("gaussian_blur: kernel 65", nnopt_transforms_add_gaussian_blur(t, 65, 1.0, 2.0, 1.0));
	REFUSED("gaussian_blur: sigma_min 0", nnopt_transforms_add_gaussian_blur(t, 5, 0.0, 2.0, 1.0));
	REFUSED("sigma_min 2 and sigma_max 1", nnopt_transforms_add_gaussian_blur(t, 5, 2.0, 1.0, 1.0));
	REFUSED("gaussian_noise: std_min -0.1", nnopt_transforms_add_gaussian_noise(t, -0.1, 0.1, 1.0));
	REFUSED("std_max 1.1", nnopt_transforms_add_gaussian_noise(t, 0.1, 1.1, 1.0));
	REFUSED("median: window 4, 3 or 5", nnopt_transforms_add_median(t, 4, 1.0));
	REFUSED("cutout: size 0", nnopt_transforms_add_cutout(t, 0, NULL, 1.0));
	REFUSED("normalise_per_image: epsilon 0", nnopt_transforms_add_normalise_per_image(t, 0, 0.0));
	REFUSED("normalise_per_image: transforms is NULL", nnopt_transforms_add_normalise_per_image(NULL, 0, 0.1));
	assert_true(print_of(t) == print_of(list()));
}

/* One normalisation, and nothing behind it. */
static void normalisation_is_last(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		nnopt_transforms *t = list();
		assert_ok(i == 0 ? nnopt_transforms_add_normalise(t, NULL, NULL, 0)
				 : nnopt_transforms_add_normalise_per_image(t, 1, 0.1));
		assert_fails(NNOPT_ERROR_STATE, "has a normalisation",
			     nnopt_transforms_add_normalise(t, NULL, NULL, 0));
		assert_fails(NNOPT_ERROR_STATE, "has a normalisation",
			     nnopt_transforms_add_normalise_per_image(t, 0, 0.1));
		assert_fails(NNOPT_ERROR_STATE, "ends with its normalisation", nnopt_transforms_add_invert(t, 1.0));
		nnopt_transforms_destroy(t);
	}
}

/* A kernel that would reflect a picture more than once. */
static void too_small_for_the_blur(void **state)
{
	(void)state;
	nnopt_transforms *t = list();
	nnopt_loader *l = NULL;
	assert_ok(nnopt_transforms_add_gaussian_blur(t, 63, 1.0, 1.0, 1.0));
	assert_ok(nnopt_loader_create(&l, data, t, NULL));
	nnopt_loader_destroy(l);
	nnopt_transforms_destroy(t);
	t = list();
	assert_ok(nnopt_transforms_add_resize(t, 31, 40));
	assert_ok(nnopt_transforms_add_gaussian_blur(t, 63, 1.0, 1.0, 1.0));
	assert_fails(NNOPT_ERROR_FORMAT, "gaussian_blur: a picture of 31x40 is too small",
		     nnopt_loader_create(&l, data, t, NULL));
	nnopt_transforms_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_change_the_fingerprint),
		cmocka_unit_test(bad_options_are_refused),
		cmocka_unit_test(normalisation_is_last),
		cmocka_unit_test(too_small_for_the_blur),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
