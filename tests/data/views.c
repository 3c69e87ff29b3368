/* views.c - other labels, datasets one after the other, folds. */
#include "check.h"

#define COUNT 43
#define CLASSES 4

static nnopt_context *ctx;
static nnopt_dataset *data;

static nnopt_dataset *make(int64_t count, int64_t channels, int64_t classes, int first)
{
	nnopt_tensor *images = NULL, *labels = NULL;
	nnopt_dataset *d = NULL;
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ count, channels, 2, 3 }, NNOPT_NHWC));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, &count, NNOPT_NCHW));
	memset(nnopt_tensor_data(images), 0, nnopt_tensor_bytes(images));
	for (int64_t i = 0; i < count; i++) {
		((uint8_t *)nnopt_tensor_data(images))[i * 6 * channels] = (uint8_t)(first + i);
		((int32_t *)nnopt_tensor_data(labels))[i] = (int32_t)(i * i % 7 % classes);
	}
	((int32_t *)nnopt_tensor_data(labels))[count - 1] = (int32_t)classes - 1;
	assert_ok(nnopt_dataset_from_tensors(&d, ctx, images, labels));
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	return d;
}

static int setup(void **state)
{
	(void)state;
	assert_ok(nnopt_context_create(&ctx, NULL));
	data = make(COUNT, 1, CLASSES, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_dataset_destroy(data);
	nnopt_context_destroy(ctx);
	return 0;
}

/* The first pixel of a sample, which is its number, and its label, which is also the one known without reading. */
static int first_pixel(nnopt_dataset *d, int64_t index, int64_t *label)
{
	nnopt_tensor *image = NULL;
	assert_ok(nnopt_dataset_get(d, index, &image, label));
	int value = *(const uint8_t *)nnopt_tensor_const_data(image);
	nnopt_tensor_destroy(image);
	assert_int_equal(nnopt_dataset_label(d, index), *label);
	return value;
}

static void other_labels(void **state)
{
	(void)state;
	int64_t labels[COUNT], label;
	nnopt_dataset *d = NULL;
	for (int i = 0; i < COUNT; i++)
		labels[i] = (i + 1) % CLASSES;
	assert_ok(nnopt_dataset_relabel(&d, data, labels, COUNT));
	labels[0] = 3; /* copied */
	assert_int_equal(nnopt_dataset_count(d), COUNT);
	assert_int_equal(nnopt_dataset_classes(d), CLASSES);
	assert_string_equal(nnopt_dataset_class_name(d, 2), nnopt_dataset_class_name(data, 2));
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(first_pixel(d, i, &label), i);
		assert_int_equal(label, (i + 1) % CLASSES);
	}
	nnopt_dataset_destroy(d);
	d = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "42 labels, 43", nnopt_dataset_relabel(&d, data, labels, COUNT - 1));
	labels[7] = -2;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "labels[7] is -2, -1",
		     nnopt_dataset_relabel(&d, data, labels, COUNT));
	labels[7] = CLASSES;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "is 4, -1 to 3 wanted",
		     nnopt_dataset_relabel(&d, data, labels, COUNT));
	assert_null(d);
}

static void one_after_the_other(void **state)
{
	(void)state;
	nnopt_dataset *more = make(5, 1, CLASSES, COUNT), *none = NULL, *all = NULL;
	assert_ok(nnopt_dataset_subset(&none, data, NULL, 0));
	nnopt_dataset *bases[] = { data, none, more, none, data };
	assert_ok(nnopt_dataset_concat(&all, bases, 5));
	assert_int_equal(nnopt_dataset_count(all), 2 * COUNT + 5);
	assert_int_equal(nnopt_dataset_classes(all), CLASSES);
	assert_string_equal(nnopt_dataset_class_name(all, 3), "3");
	nnopt_dataset_destroy(none);
	nnopt_dataset_destroy(more);
	for (int64_t i = 0; i < 2 * COUNT + 5; i++) {
		int64_t label;
		assert_int_equal(first_pixel(all, i, &label), i % (COUNT + 5));
	}
	nnopt_dataset_destroy(all);
	all = NULL;
	nnopt_dataset *grey_of_two = make(5, 1, 2, 0), *colour = make(5, 3, CLASSES, 0);
	bases[1] = grey_of_two;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "bases[1] has 1 channels and 2 classes",
		     nnopt_dataset_concat(&all, bases, 2));
	bases[1] = colour;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "bases[1] has 3 channels", nnopt_dataset_concat(&all, bases, 2));
	bases[1] = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "bases[1] is NULL", nnopt_dataset_concat(&all, bases, 2));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "count 0", nnopt_dataset_concat(&all, bases, 0));
	assert_null(all);
	nnopt_dataset_destroy(grey_of_two);
	nnopt_dataset_destroy(colour);
}

static void check_folds(int64_t k, uint64_t seed, int64_t fold_of[COUNT])
{
	int64_t least[CLASSES + 1], most[CLASSES + 1];
	for (int i = 0; i < COUNT; i++)
		fold_of[i] = -1;
	for (int64_t f = 0; f < k; f++) {
		nnopt_dataset *train = NULL, *validation = NULL;
		int64_t sizes[CLASSES + 1] = { 0 }, label, seen[COUNT] = { 0 };
		assert_ok(nnopt_dataset_fold(&train, &validation, data, k, f, seed));
		for (int64_t i = 0, last = -1; i < nnopt_dataset_count(validation); i++) {
			int at = first_pixel(validation, i, &label);
			assert_true(at > last && fold_of[at] == -1);
			last = at;
			fold_of[at] = f;
			seen[at]++;
			sizes[label]++;
			sizes[CLASSES]++;
		}
		for (int64_t i = 0; i < nnopt_dataset_count(train); i++)
			seen[first_pixel(train, i, &label)]++;
		for (int i = 0; i < COUNT; i++)
			assert_int_equal(seen[i], 1);
		for (int c = 0; c <= CLASSES; c++) {
			least[c] = f == 0 || sizes[c] < least[c] ? sizes[c] : least[c];
			most[c] = f == 0 || sizes[c] > most[c] ? sizes[c] : most[c];
		}
		nnopt_dataset_destroy(train);
		nnopt_dataset_destroy(validation);
	}
	for (int c = 0; c <= CLASSES; c++)
		assert_true(most[c] - least[c] <= 1);
	for (int i = 0; i < COUNT; i++)
		assert_true(fold_of[i] >= 0);
}

static void folds_are_stratified(void **state)
{
	(void)state;
	int64_t folds[COUNT], same[COUNT], other[COUNT];
	const int64_t ks[] = { 2, 3, 5, 10, COUNT };
	for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
		check_folds(ks[i], 1, folds);
	check_folds(5, 1, folds);
	check_folds(5, 1, same);
	check_folds(5, 2, other);
	assert_memory_equal(folds, same, sizeof folds);
	assert_memory_not_equal(folds, other, sizeof folds);
	nnopt_dataset *a = NULL, *b = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "1 folds, 2 to 43", nnopt_dataset_fold(&a, &b, data, 1, 0, 0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "44 folds, 2 to 43",
		     nnopt_dataset_fold(&a, &b, data, COUNT + 1, 0, 0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "fold 5, 0 to 4", nnopt_dataset_fold(&a, &b, data, 5, 5, 0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "fold -1, 0 to 4", nnopt_dataset_fold(&a, &b, data, 5, -1, 0));
	assert_true(a == NULL && b == NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_labels),
		cmocka_unit_test(one_after_the_other),
		cmocka_unit_test(folds_are_stratified),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
