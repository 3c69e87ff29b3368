/* folder_io.c - image folders when files and directories fail, and what the loader's cache reads. */
#include "check.h"

#include "base/io.h"
#include "context/context.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT TEST_TMP "/folder_io"
#define EACH 300

static nnopt_context *ctx;
static nno_io io;
static atomic_int opens;    /* of pictures, by any thread */
static const char *failing; /* part of the path of what fails */
static int entries_left;    /* of a listing before it fails; -1: it does not */

static int io_open(const char *path, int flags, mode_t mode, void *user)
{
	opens += strstr(path, ROOT) != NULL;
	if (failing != NULL && strstr(path, failing) != NULL) {
		errno = EIO;
		return -1;
	}
	return nno_io_posix.open(path, flags, mode, user);
}

typedef struct relay {
	nno_entry_fn each;
	void *user;
} relay;

static int some_entries(const char *name, nno_entry_kind kind, void *user)
{
	relay *r = user;
	return entries_left-- <= 0 ? -1 : r->each(name, kind, r->user);
}

static int io_list(const char *path, bool follow, nno_entry_fn each, void *each_user, void *user)
{
	relay r = { each, each_user };
	if (failing == NULL || strstr(path, failing) == NULL)
		return nno_io_posix.list(path, follow, each, each_user, user);
	int result = nno_io_posix.list(path, follow, some_entries, &r, user);
	errno = EIO;
	return result;
}

static void write_bytes(const char *path, const void *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void write_picture(const char *path, int64_t side, int value)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_U8, 4, (int64_t[]){ 1, 3, side, side }, NNOPT_NHWC));
	memset(nnopt_tensor_data(t), value, nnopt_tensor_bytes(t));
	assert_ok(nnopt_image_write_png(t, path));
	nnopt_tensor_destroy(t);
}

/* 600 pictures, and 6 more that are each damaged in a way of their own. */
static const char *const damaged[] = { "a/cut.jpg",     "a/empty.png", "a/link.png",
				       "b/garbage.bmp", "b/huge.png",  "b/small.png" };

static int setup(void **state)
{
	(void)state;
	static uint8_t jpeg[4096];
	char path[512];
	assert_ok(nnopt_context_create(&ctx, NULL));
	io = nno_io_posix;
	io.open = io_open;
	io.list = io_list;
	entries_left = -1;
	(void)mkdir(ROOT, 0777);
	(void)mkdir(ROOT "/a", 0777);
	(void)mkdir(ROOT "/b", 0777);
	for (int i = 0; i < 2 * EACH; i++) {
		snprintf(path, sizeof path, "%s/%c/%03d.png", ROOT, "ab"[i % 2], i / 2);
		write_picture(path, 8, i % 251);
	}
	FILE *f = fopen(TEST_DATA "/pictures/rgb.jpg", "rb");
	assert_non_null(f);
	size_t n = fread(jpeg, 1, sizeof jpeg, f);
	fclose(f);
	write_bytes(ROOT "/a/cut.jpg", jpeg, n * 2 / 3);
	write_bytes(ROOT "/a/empty.png", "", 0);
	(void)unlink(ROOT "/a/link.png");
	assert_int_equal(symlink("nowhere.png", ROOT "/a/link.png"), 0);
	write_bytes(ROOT "/b/garbage.bmp", "BM and then no header of any kind, for some bytes", 49);
	write_bytes(ROOT "/b/huge.png",
		    "\211PNG\r\n\032\n\0\0\0\rIHDR\0\017\377\377\0\017\377\377\010\002\0\0\0\0\0\0\0", 33);
	write_picture(ROOT "/b/small.png", 4, 7);
	ctx->io = &io;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	return 0;
}

static nnopt_loader *make_loader(nnopt_dataset *d, uint64_t cache, int32_t workers)
{
	nnopt_loader *l = NULL;
	nnopt_loader_options o;
	nnopt_transforms *t = NULL;
	assert_ok(nnopt_transforms_create(&t, ctx));
	assert_ok(nnopt_transforms_add_center_crop(t, 6, 6));
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 50;
	o.cache_bytes = cache;
	o.workers = workers;
	assert_ok(nnopt_loader_create(&l, d, t, &o));
	nnopt_transforms_destroy(t);
	return l;
}

static int64_t run_epoch(nnopt_loader *l, int64_t epoch)
{
	int64_t samples = 0;
	assert_ok(nnopt_loader_start(l, epoch, 0));
	for (const nnopt_batch *b;; samples += b->count) {
		assert_ok(nnopt_loader_next(l, &b));
		if (b == NULL)
			return samples;
	}
}

static void damage_of_every_kind_is_reported(void **state)
{
	(void)state;
	nnopt_dataset *d = NULL;
	assert_ok(nnopt_image_folder_open(&d, ctx, ROOT, NULL));
	assert_int_equal(nnopt_dataset_count(d), 2 * EACH + 6);
	for (int32_t workers = 0; workers <= 2; workers += 2) {
		nnopt_loader *l = make_loader(d, 0, workers);
		for (int epoch = 0; epoch < 2; epoch++)
			assert_int_equal(run_epoch(l, epoch), 2 * EACH);
		assert_int_equal(nnopt_loader_bad_count(l), 6);
		for (int64_t i = 0; i < 6; i++) {
			int64_t index;
			const char *error;
			assert_ok(nnopt_loader_bad_sample(l, i, &index, &error));
			assert_non_null(strstr(nnopt_dataset_sample_name(d, index), damaged[i]));
			if (strstr(error, damaged[i]) == NULL)
				fail_msg("\"%s\" does not name %s", error, damaged[i]);
		}
		nnopt_loader_destroy(l);
	}
	nnopt_dataset_destroy(d);
}

/* The first sample is the one that fails: neither its size nor its damage decides the shape. */
static void a_bad_first_sample_is_no_hindrance(void **state)
{
	(void)state;
	nnopt_dataset *d = NULL, *two = NULL, *bad = NULL;
	nnopt_loader *l = NULL;
	nnopt_transforms *t = NULL;
	assert_ok(nnopt_image_folder_open(&d, ctx, ROOT, NULL));
	int64_t small = 2 * EACH + 5;
	assert_non_null(strstr(nnopt_dataset_sample_name(d, small), "small.png"));
	assert_ok(nnopt_dataset_subset(&two, d, (int64_t[]){ small, 0 }, 2));
	l = make_loader(two, 0, 0);
	int64_t shape[3];
	assert_ok(nnopt_loader_sample_shape(l, shape));
	assert_true(shape[0] == 3 && shape[1] == 6 && shape[2] == 6);
	nnopt_loader_destroy(l);
	assert_ok(nnopt_dataset_subset(&bad, d, &small, 1));
	assert_ok(nnopt_transforms_create(&t, ctx));
	assert_ok(nnopt_transforms_add_center_crop(t, 6, 6));
	assert_fails(NNOPT_ERROR_FORMAT, "small.png: center_crop", nnopt_loader_create(&l, bad, t, NULL));
	nnopt_transforms_destroy(t);
	nnopt_dataset_destroy(bad);
	nnopt_dataset_destroy(two);
	nnopt_dataset_destroy(d);
}

static void failing_calls_name_the_path(void **state)
{
	(void)state;
	nnopt_dataset *d = NULL, *none = NULL;
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_image_folder_open(&d, ctx, ROOT, NULL));
	failing = "a/000.png";
	assert_fails(NNOPT_ERROR_IO, "a/000.png", nnopt_dataset_get(d, 0, &t, NULL));
	assert_null(t);
	static const char *const directories[] = { "folder_io", "folder_io/a", "folder_io/b" };
	for (size_t i = 0; i < 3; i++)
		for (int entries = 0; entries < 2; entries++) {
			failing = directories[i];
			entries_left = entries;
			assert_fails(NNOPT_ERROR_IO, i == 0 ? ROOT : directories[i],
				     nnopt_image_folder_open(&none, ctx, ROOT, NULL));
			assert_null(none);
		}
	failing = NULL;
	entries_left = -1;
	assert_ok(nnopt_dataset_get(d, 0, &t, NULL));
	nnopt_tensor_destroy(t);
	nnopt_dataset_destroy(d);
}

/* Samples that stay in the cache are read once; the bad ones have nothing to keep. */
static void the_cache_saves_reading(void **state)
{
	(void)state;
	nnopt_dataset *d = NULL;
	assert_ok(nnopt_image_folder_open(&d, ctx, ROOT, NULL));
	int64_t count = nnopt_dataset_count(d);
	for (int32_t workers = 0; workers <= 2; workers += 2) {
		nnopt_loader *l = make_loader(d, (uint64_t)1 << 30, workers);
		opens = 0;
		(void)run_epoch(l, 0);
		assert_int_equal(opens, count);
		opens = 0;
		(void)run_epoch(l, 1);
		assert_int_equal(opens, 5); /* "small" is read well, and too small each time */
		nnopt_loader_destroy(l);
	}
	nnopt_loader *l = make_loader(d, 0, 0);
	(void)run_epoch(l, 0);
	opens = 0;
	(void)run_epoch(l, 1);
	assert_int_equal(opens, count);
	nnopt_loader_destroy(l);
	nnopt_dataset_destroy(d);
}

/* A budget for some: those that came first are kept, as many as fit in it. */
static void the_cache_keeps_its_budget(void **state)
{
	(void)state;
	nnopt_dataset *d = NULL;
	assert_ok(nnopt_image_folder_open(&d, ctx, ROOT, NULL));
	int64_t count = nnopt_dataset_count(d);
	int before = 0;
	for (uint64_t budget = 8192; budget <= 65536; budget *= 2) {
		nnopt_loader *l = make_loader(d, budget, 0);
		(void)run_epoch(l, 0);
		opens = 0;
		(void)run_epoch(l, 1);
		int kept = (int)count - opens;
		assert_true(kept > before && kept * (int64_t)(8 * 8 * 3) <= (int64_t)budget);
		assert_true((double)kept > (double)budget / (8 * 8 * 3) * 0.3);
		failing = "a/"; /* all that are kept lie there, at the front */
		const nnopt_batch *b;
		assert_ok(nnopt_loader_start(l, 2, 0));
		for (int64_t seen = 0; seen + 50 <= kept && seen + 50 <= EACH; seen += 50) {
			assert_ok(nnopt_loader_next(l, &b));
			assert_int_equal(b->count, 50);
		}
		failing = NULL;
		before = kept;
		nnopt_loader_destroy(l);
	}
	nnopt_dataset_destroy(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_of_every_kind_is_reported),
		cmocka_unit_test(a_bad_first_sample_is_no_hindrance),
		cmocka_unit_test(failing_calls_name_the_path),
		cmocka_unit_test(the_cache_saves_reading),
		cmocka_unit_test(the_cache_keeps_its_budget),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
