/* folder.c - image folders: names, classes, links, damaged files, and the cache that must not change a batch. */
#include "check.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT TEST_TMP "/folder"
#define EACH 100

static nnopt_context *ctx;
static const char *const classes[] = { "ant", "bee", "cat" };

static void write_bytes(const char *path, const char *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void write_picture(const char *path, int value)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_U8, 4, (int64_t[]){ 1, 3, 6, 5 }, NNOPT_NHWC));
	uint8_t *p = nnopt_tensor_data(t);
	for (int i = 0; i < 90; i++)
		p[i] = (uint8_t)(value * 31 + i * 7);
	assert_ok(nnopt_image_write_png(t, path));
	nnopt_tensor_destroy(t);
}

/* 100 pictures a class, of which one in each is damaged; and files that are none. */
static int setup(void **state)
{
	(void)state;
	assert_ok(nnopt_context_create(&ctx, NULL));
	char path[512];
	(void)mkdir(ROOT, 0777);
	for (int c = 0; c < 3; c++) {
		snprintf(path, sizeof path, "%s/%s", ROOT, classes[c]);
		(void)mkdir(path, 0777);
		snprintf(path, sizeof path, "%s/%s/more", ROOT, classes[c]);
		(void)mkdir(path, 0777);
		for (int i = 0; i < EACH; i++) {
			snprintf(path, sizeof path, "%s/%s/%s%02d.png", ROOT, classes[c], i % 2 ? "more/" : "", i);
			if (i == 50 + c)
				write_bytes(path, "\211PNG\r\n\032\nand then something else", 31);
			else
				write_picture(path, c * EACH + i);
		}
		snprintf(path, sizeof path, "%s/%s/notes.txt", ROOT, classes[c]);
		write_bytes(path, "not a picture", 13);
	}
	write_bytes(ROOT "/README", "hello", 5);
	(void)mkdir(ROOT "/.hidden", 0777);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	return 0;
}

static void names_and_labels(void **state)
{
	(void)state;
	nnopt_dataset *d = NULL;
	assert_ok(nnopt_image_folder_open(&d, ctx, ROOT, NULL));
	assert_int_equal(nnopt_dataset_count(d), 3 * EACH);
	assert_int_equal(nnopt_dataset_classes(d), 3);
	for (int c = 0; c < 3; c++)
		assert_string_equal(nnopt_dataset_class_name(d, c), classes[c]);
	for (int64_t i = 0; i < 3 * EACH; i++)
		assert_int_equal(nnopt_dataset_label(d, i), i / EACH);
	assert_string_equal(nnopt_dataset_sample_name(d, 0), ROOT "/ant/00.png");
	assert_string_equal(nnopt_dataset_sample_name(d, 50), ROOT "/ant/more/01.png");
	nnopt_tensor *t = NULL;
	int64_t label;
	assert_ok(nnopt_dataset_get(d, 101, &t, &label));
	assert_int_equal(label, 1);
	assert_int_equal(((const uint8_t *)nnopt_tensor_const_data(t))[1], (102 * 31 + 7) % 256);
	nnopt_tensor_destroy(t);
	nnopt_dataset_destroy(d);
}

static nnopt_loader *make_loader(nnopt_dataset *d, uint64_t cache, int32_t workers)
{
	nnopt_loader *l = NULL;
	nnopt_loader_options o;
	nnopt_transforms *t = NULL;
	assert_ok(nnopt_transforms_create(&t, ctx));
	assert_ok(nnopt_transforms_add_resize(t, 8, 8));
	assert_ok(nnopt_transforms_add_rotation(t, 30, 1, 0.5));
	assert_ok(nnopt_transforms_add_random_crop(t, 6, 6, 1.0));
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 32;
	o.shuffle = 1;
	o.cache_bytes = cache;
	o.workers = workers;
	assert_ok(nnopt_loader_create(&l, d, t, &o));
	nnopt_transforms_destroy(t);
	return l;
}

static uint64_t epoch_hash(nnopt_loader *l, int64_t epoch, int64_t *samples)
{
	uint64_t hash = 14695981039346656037u;
	*samples = 0;
	assert_ok(nnopt_loader_start(l, epoch, 0));
	for (const nnopt_batch *b;;) {
		assert_ok(nnopt_loader_next(l, &b));
		if (b == NULL)
			return hash;
		const uint8_t *p = nnopt_tensor_const_data(b->images);
		for (size_t i = 0; i < nnopt_tensor_bytes(b->images); i++)
			hash = (hash ^ p[i]) * 1099511628211u;
		*samples += b->count;
	}
}

static void damaged_files_are_reported(void **state)
{
	(void)state;
	nnopt_dataset *d = NULL;
	assert_ok(nnopt_image_folder_open(&d, ctx, ROOT, NULL));
	nnopt_loader *l = make_loader(d, 0, 2);
	int64_t samples;
	for (int epoch = 0; epoch < 2; epoch++) {
		(void)epoch_hash(l, epoch, &samples);
		assert_int_equal(samples, 3 * EACH - 3);
	}
	assert_int_equal(nnopt_loader_bad_count(l), 3);
	for (int64_t i = 0; i < 3; i++) {
		int64_t index;
		const char *error;
		char file[64];
		assert_ok(nnopt_loader_bad_sample(l, i, &index, &error));
		snprintf(file, sizeof file, "%s/%s%d.png", classes[i], i % 2 ? "more/" : "", 50 + (int)i);
		assert_non_null(strstr(nnopt_dataset_sample_name(d, index), file));
		assert_non_null(strstr(error, file));
	}
	nnopt_loader_destroy(l);
	nnopt_dataset_destroy(d);
}

static void a_cache_changes_nothing(void **state)
{
	(void)state;
	nnopt_dataset *d = NULL;
	int64_t samples;
	assert_ok(nnopt_image_folder_open(&d, ctx, ROOT, NULL));
	uint64_t wanted[3];
	static const uint64_t budgets[] = { 0, 1, 10000, (uint64_t)1 << 30 };
	for (size_t i = 0; i < 4; i++)
		for (int32_t workers = 0; workers <= 3; workers += 3) {
			nnopt_loader *l = make_loader(d, budgets[i], workers);
			for (int epoch = 0; epoch < 3; epoch++) {
				uint64_t hash = epoch_hash(l, epoch, &samples);
				wanted[epoch] = i == 0 && workers == 0 ? hash : wanted[epoch];
				assert_true(hash == wanted[epoch]);
			}
			nnopt_loader_destroy(l);
		}
	assert_true(wanted[0] != wanted[1]);
	nnopt_dataset_destroy(d);
}

static void class_lists_and_links(void **state)
{
	(void)state;
	nnopt_image_folder_options o;
	nnopt_dataset *d = NULL;
	(void)mkdir(TEST_TMP "/part", 0777);
	(void)unlink(TEST_TMP "/part/cat");
	assert_int_equal(symlink(ROOT "/cat", TEST_TMP "/part/cat"), 0);
	assert_ok(nnopt_image_folder_options_init(&o, sizeof o));
	o.classes_from = ROOT;
	o.channels = 1;
	assert_ok(nnopt_image_folder_open(&d, ctx, TEST_TMP "/part", &o));
	assert_int_equal(nnopt_dataset_classes(d), 3);
	assert_int_equal(nnopt_dataset_count(d), EACH);
	assert_int_equal(nnopt_dataset_label(d, 0), 2);
	nnopt_dataset_destroy(d);
	o.follow_links = 0;
	assert_fails(NNOPT_ERROR_NOT_FOUND, "no PNG", nnopt_image_folder_open(&d, ctx, TEST_TMP "/part", &o));
	o.follow_links = 1;
	o.classes_from = TEST_TMP "/part";
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "is not one of", nnopt_image_folder_open(&d, ctx, ROOT, &o));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "absent", nnopt_image_folder_open(&d, ctx, TEST_TMP "/absent", NULL));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "no class", nnopt_image_folder_open(&d, ctx, ROOT "/cat/more", NULL));
	o.classes_from = NULL;
	o.channels = 2;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "channels 2", nnopt_image_folder_open(&d, ctx, ROOT, &o));
	o.channels = 3;
	o.max_pixels = 29;
	assert_ok(nnopt_image_folder_open(&d, ctx, ROOT, &o));
	nnopt_tensor *t = NULL;
	assert_fails(NNOPT_ERROR_FORMAT, "1 to 29 wanted", nnopt_dataset_get(d, 0, &t, NULL));
	nnopt_dataset_destroy(d);
}

static nnopt_status count_up(int64_t index, nnopt_sample *sample, void *user)
{
	memset(sample->pixels, ++*(int *)user, 90);
	sample->height = 6;
	sample->width = 5;
	sample->label = (int32_t)index;
	return NNOPT_OK;
}

/* A cache keeps what is decoded, and asks a function anew each time, also behind views of both. */
static void samples_of_functions_are_not_kept(void **state)
{
	(void)state;
	int asked = 0;
	int64_t indices[] = { 1, 3 * EACH, 3 * EACH + 1 }, same[] = { -1, -1, -1 };
	nnopt_callback_dataset_options o;
	nnopt_loader_options lo;
	nnopt_dataset *d[5] = { NULL };
	nnopt_loader *l = NULL;
	assert_ok(nnopt_image_folder_open(&d[0], ctx, ROOT, NULL));
	assert_ok(nnopt_callback_dataset_options_init(&o, sizeof o));
	o.count = 2;
	o.classes = 3;
	o.max_height = 6;
	o.max_width = 5;
	o.get = count_up;
	o.user = &asked;
	assert_ok(nnopt_dataset_from_callbacks(&d[1], ctx, &o));
	assert_ok(nnopt_dataset_concat(&d[2], d, 2));
	assert_ok(nnopt_dataset_subset(&d[3], d[2], indices, 3));
	assert_ok(nnopt_dataset_relabel(&d[4], d[3], same, 3));
	assert_ok(nnopt_loader_options_init(&lo, sizeof lo));
	lo.workers = 0;
	lo.cache_bytes = 1 << 20;
	assert_ok(nnopt_loader_create(&l, d[4], NULL, &lo));
	asked = 0;
	for (int epoch = 0; epoch < 3; epoch++) {
		const nnopt_batch *b = NULL;
		assert_ok(nnopt_loader_start(l, epoch, 0));
		assert_ok(nnopt_loader_next(l, &b));
		assert_int_equal(b->count, 3);
		const float *pixel = nnopt_tensor_const_data(b->images);
		assert_true(pixel[0] == (float)(2 * 31 % 256) / 255.0f);
		assert_true(pixel[90] == (float)(2 * epoch + 1) / 255.0f &&
			    pixel[180] == (float)(2 * epoch + 2) / 255.0f);
		if (epoch == 0)
			write_picture(ROOT "/ant/02.png", 7); /* kept as it was */
	}
	write_picture(ROOT "/ant/02.png", 2);
	assert_int_equal(asked, 6);
	nnopt_loader_destroy(l);
	for (int i = 5; i-- > 0;)
		nnopt_dataset_destroy(d[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_labels),
		cmocka_unit_test(damaged_files_are_reported),
		cmocka_unit_test(a_cache_changes_nothing),
		cmocka_unit_test(class_lists_and_links),
		cmocka_unit_test(samples_of_functions_are_not_kept),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
