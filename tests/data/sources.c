/* sources.c - IDX and CIFAR files: what is read from good ones, and the errors of bad ones. */
#include "budget.h"
#include "check.h"

#include <stdio.h>
#include <sys/stat.h>
#include <zlib.h>

static nnopt_context *ctx;

static int setup(void **state)
{
	(void)state;
	return nnopt_context_create(&ctx, NULL) != NNOPT_OK;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	return 0;
}

static void write_file(const char *path, const void *bytes, size_t n, int packed)
{
	if (packed) {
		gzFile z = gzopen(path, "wb");
		assert_int_equal(gzwrite(z, bytes, (unsigned)n), n);
		assert_int_equal(gzclose(z), Z_OK);
		return;
	}
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

#define IMAGES TEST_TMP "/images.idx"
#define LABELS TEST_TMP "/labels.idx"

static void idx_plain_and_gzip(void **state)
{
	(void)state;
	uint8_t images[16 + 3 * 2 * 4] = { 0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 4 };
	const uint8_t labels[8 + 3] = { 0, 0, 8, 1, 0, 0, 0, 3, 2, 0, 4 };
	for (int i = 0; i < 24; i++)
		images[16 + i] = (uint8_t)(i * 10);
	for (int packed = 0; packed < 2; packed++) {
		nnopt_dataset *d = NULL;
		nnopt_tensor *t = NULL;
		int64_t label;
		write_file(IMAGES, images, sizeof images, packed);
		write_file(LABELS, labels, sizeof labels, packed);
		assert_ok(nnopt_idx_open(&d, ctx, IMAGES, LABELS));
		assert_int_equal(nnopt_dataset_count(d), 3);
		assert_int_equal(nnopt_dataset_classes(d), 5);
		assert_string_equal(nnopt_dataset_class_name(d, 4), "4");
		assert_ok(nnopt_dataset_get(d, 2, &t, &label));
		assert_int_equal(label, 4);
		assert_int_equal(nnopt_tensor_extent(t, 1), 1);
		assert_int_equal(nnopt_tensor_extent(t, 2), 2);
		assert_int_equal(nnopt_tensor_extent(t, 3), 4);
		assert_memory_equal(nnopt_tensor_const_data(t), images + 16 + 16, 8);
		nnopt_tensor_destroy(t);
		nnopt_dataset_destroy(d);
	}
}

/* gzip files may be several, one after the other, and end with the last. */
static void idx_in_parts(void **state)
{
	(void)state;
	const uint8_t images[16 + 8] = { 0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4, 1, 2, 3, 4, 5, 6, 7, 8 };
	const uint8_t labels[8 + 1] = { 0, 0, 8, 1, 0, 0, 0, 1, 2 };
	write_file(LABELS, labels, sizeof labels, 1);
	for (size_t cut = 0; cut <= sizeof images; cut++)
		for (int garbage = 0; garbage < 2; garbage++) {
			nnopt_dataset *d = NULL;
			nnopt_tensor *t = NULL;
			write_file(IMAGES, images, cut, 1);
			gzFile z = gzopen(IMAGES, "ab");
			assert_int_equal(gzwrite(z, images + cut, (unsigned)(sizeof images - cut)),
					 sizeof images - cut);
			assert_int_equal(gzclose(z), Z_OK);
			if (garbage) {
				FILE *f = fopen(IMAGES, "ab");
				assert_non_null(f);
				assert_int_equal(fwrite("more", 1, 4, f), 4);
				assert_int_equal(fclose(f), 0);
				assert_fails(NNOPT_ERROR_FORMAT, "the end wanted",
					     nnopt_idx_open(&d, ctx, IMAGES, LABELS));
				continue;
			}
			assert_ok(nnopt_idx_open(&d, ctx, IMAGES, LABELS));
			assert_ok(nnopt_dataset_get(d, 0, &t, NULL));
			assert_memory_equal(nnopt_tensor_const_data(t), images + 16, 8);
			nnopt_tensor_destroy(t);
			nnopt_dataset_destroy(d);
		}
}

/* Each allocation fails in turn: none of them is damage. */
static void idx_without_memory(void **state)
{
	(void)state;
	static budget memory;
	const uint8_t images[16 + 8] = { 0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4 };
	const uint8_t labels[8 + 1] = { 0, 0, 8, 1, 0, 0, 0, 1, 2 };
	nnopt_context_options o;
	nnopt_context *tight = NULL;
	nnopt_status status = NNOPT_ERROR_OUT_OF_MEMORY;
	write_file(IMAGES, images, sizeof images, 1);
	write_file(LABELS, labels, sizeof labels, 1);
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.threads = 1;
	o.alloc = budget_alloc;
	o.free = budget_free;
	o.alloc_user = &memory;
	assert_ok(nnopt_context_create(&tight, &o));
	for (long n = 1; status == NNOPT_ERROR_OUT_OF_MEMORY; n++) {
		nnopt_dataset *d = NULL;
		atomic_store(&memory.fail_at, atomic_load(&memory.calls) + n);
		status = nnopt_idx_open(&d, tight, IMAGES, LABELS);
		atomic_store(&memory.fail_at, 0);
		nnopt_dataset_destroy(d);
	}
	assert_ok(status);
	nnopt_context_destroy(tight);
	budget_came_back(&memory);
}

static void bad_idx_files(void **state)
{
	(void)state;
	uint8_t images[16 + 8] = { 0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4 };
	uint8_t labels[8 + 1] = { 0, 0, 8, 1, 0, 0, 0, 1, 2 };
	nnopt_dataset *d = NULL;
	write_file(LABELS, labels, sizeof labels, 0);
	write_file(IMAGES, images, sizeof images - 1, 0);
	assert_fails(NNOPT_ERROR_FORMAT, IMAGES, nnopt_idx_open(&d, ctx, IMAGES, LABELS));
	write_file(IMAGES, images, 9, 0);
	assert_fails(NNOPT_ERROR_FORMAT, IMAGES, nnopt_idx_open(&d, ctx, IMAGES, LABELS));
	images[2] = 13; /* floats */
	write_file(IMAGES, images, sizeof images, 0);
	assert_fails(NNOPT_ERROR_FORMAT, IMAGES, nnopt_idx_open(&d, ctx, IMAGES, LABELS));
	images[2] = 8;
	images[4] = 0x7f; /* two thousand million pictures */
	write_file(IMAGES, images, sizeof images, 0);
	assert_fails(NNOPT_ERROR_FORMAT, IMAGES, nnopt_idx_open(&d, ctx, IMAGES, LABELS));
	images[4] = 0;
	write_file(IMAGES, images, sizeof images, 0);
	labels[7] = 2;
	write_file(LABELS, labels, sizeof labels, 0);
	assert_fails(NNOPT_ERROR_FORMAT, LABELS, nnopt_idx_open(&d, ctx, IMAGES, LABELS));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "absent", nnopt_idx_open(&d, ctx, TEST_TMP "/absent", LABELS));
	assert_null(d);
}

#define CIFAR TEST_TMP "/cifar"

static void cifar_records(void **state)
{
	(void)state;
	static uint8_t ten[2 * 3073], hundred[2 * 3074];
	(void)mkdir(CIFAR, 0777);
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < 3072; k++)
			ten[i * 3073 + 1 + k] = hundred[i * 3074 + 2 + k] = (uint8_t)(k / 1024 * 50 + k % 50 + i);
	ten[3073] = 9;
	hundred[3074] = 19;
	hundred[3075] = 99;
	nnopt_dataset *d = NULL;
	for (int i = 1; i <= 5; i++) {
		char path[512];
		snprintf(path, sizeof path, "%s/data_batch_%d.bin", CIFAR, i);
		write_file(path, ten, sizeof ten, 0);
	}
	assert_ok(nnopt_cifar10_open(&d, ctx, CIFAR, NNOPT_SPLIT_TRAIN));
	assert_int_equal(nnopt_dataset_count(d), 10);
	assert_int_equal(nnopt_dataset_label(d, 3), 9);
	assert_string_equal(nnopt_dataset_class_name(d, 9), "truck");
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_dataset_get(d, 1, &t, NULL));
	const uint8_t *p = nnopt_tensor_const_data(t); /* planes in the file, pixels here */
	for (int k = 0; k < 1024; k++)
		for (int c = 0; c < 3; c++)
			assert_int_equal(p[k * 3 + c], ten[3073 + 1 + c * 1024 + k]);
	nnopt_tensor_destroy(t);
	nnopt_dataset_destroy(d);
	d = NULL;
	write_file(CIFAR "/test.bin", hundred, sizeof hundred, 0);
	for (int coarse = 0; coarse < 2; coarse++) {
		assert_ok(nnopt_cifar100_open(&d, ctx, CIFAR, NNOPT_SPLIT_TEST, coarse));
		assert_int_equal(nnopt_dataset_classes(d), coarse ? 20 : 100);
		assert_int_equal(nnopt_dataset_label(d, 1), coarse ? 19 : 99);
		nnopt_dataset_destroy(d);
		d = NULL;
	}
	ten[0] = 10;
	write_file(CIFAR "/data_batch_3.bin", ten, sizeof ten, 0);
	assert_fails(NNOPT_ERROR_FORMAT, "data_batch_3.bin: offset 0: label 10",
		     nnopt_cifar10_open(&d, ctx, CIFAR, NNOPT_SPLIT_TRAIN));
	write_file(CIFAR "/data_batch_3.bin", ten, sizeof ten - 1, 0);
	assert_fails(NNOPT_ERROR_FORMAT, "data_batch_3.bin", nnopt_cifar10_open(&d, ctx, CIFAR, NNOPT_SPLIT_TRAIN));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "test_batch.bin", nnopt_cifar10_open(&d, ctx, CIFAR, NNOPT_SPLIT_TEST));
}

static void stratified_split(void **state)
{
	(void)state;
	nnopt_tensor *images = NULL, *labels = NULL;
	nnopt_dataset *d = NULL, *a = NULL, *b = NULL;
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ 100, 1, 2, 2 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, (int64_t[]){ 100 }, NNOPT_NCHW));
	for (int i = 0; i < 100; i++) {
		((uint8_t *)nnopt_tensor_data(images))[i * 4] = (uint8_t)i;
		((int32_t *)nnopt_tensor_data(labels))[i] = i < 80 ? 0 : 1;
	}
	assert_ok(nnopt_dataset_from_tensors(&d, ctx, images, labels));
	assert_ok(nnopt_dataset_split(&a, &b, d, 0.75, 5));
	assert_int_equal(nnopt_dataset_count(a), 75);
	int seen[100] = { 0 }, rare = 0;
	for (int part = 0; part < 2; part++)
		for (int64_t i = 0; i < nnopt_dataset_count(part ? b : a); i++) {
			nnopt_tensor *t = NULL;
			int64_t label;
			assert_ok(nnopt_dataset_get(part ? b : a, i, &t, &label));
			seen[*(const uint8_t *)nnopt_tensor_const_data(t)]++;
			rare += part == 0 && label == 1;
			nnopt_tensor_destroy(t);
		}
	assert_int_equal(rare, 15);
	for (int i = 0; i < 100; i++)
		assert_int_equal(seen[i], 1);
	nnopt_dataset_destroy(a);
	nnopt_dataset_destroy(b);
	nnopt_dataset_destroy(d);
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
}

/* A label is what it was, or refused: a wide one is not made to fit. */
static void labels_of_tensors(void **state)
{
	(void)state;
	static const int64_t bad[] = { -1, INT64_MIN, 1 << 24, INT32_MAX, INT64_C(1) << 32, INT64_MAX };
	nnopt_tensor *images = NULL, *wide = NULL, *narrow = NULL;
	nnopt_dataset *d = NULL;
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ 3, 1, 1, 1 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&wide, ctx, NNOPT_I64, 1, (int64_t[]){ 3 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&narrow, ctx, NNOPT_I32, 1, (int64_t[]){ 3 }, NNOPT_NCHW));
	for (int is_wide = 0; is_wide < 2; is_wide++) {
		nnopt_tensor *labels = is_wide ? wide : narrow;
		void *values = nnopt_tensor_data(labels);
		for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
			char words[64];
			snprintf(words, sizeof words, "labels[1] is %lld, 0 to 16777215", (long long)bad[i]);
			if (!is_wide && bad[i] != (int32_t)bad[i])
				continue;
			if (is_wide)
				((int64_t *)values)[1] = bad[i];
			else
				((int32_t *)values)[1] = (int32_t)bad[i];
			assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words,
				     nnopt_dataset_from_tensors(&d, ctx, images, labels));
		}
		if (is_wide)
			((int64_t *)values)[1] = 1000;
		else
			((int32_t *)values)[1] = 1000;
		assert_ok(nnopt_dataset_from_tensors(&d, ctx, images, labels));
		assert_int_equal(nnopt_dataset_classes(d), 1001);
		assert_int_equal(nnopt_dataset_label(d, 1), 1000);
		nnopt_dataset_destroy(d);
	}
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(wide);
	nnopt_tensor_destroy(narrow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idx_plain_and_gzip), cmocka_unit_test(idx_in_parts),
		cmocka_unit_test(idx_without_memory), cmocka_unit_test(bad_idx_files),
		cmocka_unit_test(cifar_records),      cmocka_unit_test(stratified_split),
		cmocka_unit_test(labels_of_tensors),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
