/* loader.c - batches do not depend on workers, epochs differ and repeat, a start in the middle goes on exactly. */
#include "check.h"

#include <stdio.h>

#define COUNT 37

static nnopt_context *ctx;
static nnopt_dataset *data;

static int setup(void **state)
{
	(void)state;
	nnopt_tensor *images = NULL, *labels = NULL;
	assert_ok(nnopt_context_create(&ctx, NULL));
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 3, 8, 6 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I64, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	uint8_t *p = nnopt_tensor_data(images);
	for (int i = 0; i < COUNT * 144; i++)
		p[i] = (uint8_t)(i * 37 + i / 144);
	for (int i = 0; i < COUNT; i++)
		((int64_t *)nnopt_tensor_data(labels))[i] = i % 5;
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

static nnopt_loader *make_loader(int32_t workers, int64_t batch)
{
	nnopt_transforms *t = NULL;
	nnopt_loader_options o;
	nnopt_loader *l = NULL;
	const float mean[3] = { 0.5f, 0.4f, 0.3f }, std[3] = { 0.2f, 0.25f, 0.3f };
	assert_ok(nnopt_transforms_create(&t, ctx));
	assert_ok(nnopt_transforms_add_pad_crop(t, 2, NNOPT_PAD_REFLECT, 1.0));
	assert_ok(nnopt_transforms_add_horizontal_flip(t, 0.5));
	assert_ok(nnopt_transforms_add_rotation(t, 10, 0, 0.7));
	assert_ok(nnopt_transforms_add_normalise(t, mean, std, 3));
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = batch;
	o.shuffle = 1;
	o.workers = workers;
	o.use_seed = 1;
	o.seed = 7;
	assert_ok(nnopt_loader_create(&l, data, t, &o));
	nnopt_transforms_destroy(t);
	return l;
}

/* All pixels, labels and indices of an epoch from `first` on, in order. */
static size_t epoch_bytes(nnopt_loader *l, int64_t epoch, int64_t first, char *out)
{
	const nnopt_batch *b = NULL;
	size_t used = 0;
	assert_ok(nnopt_loader_start(l, epoch, first));
	for (;;) {
		assert_ok(nnopt_loader_next(l, &b));
		if (b == NULL)
			return used;
		memcpy(out + used, nnopt_tensor_const_data(b->images), nnopt_tensor_bytes(b->images));
		used += nnopt_tensor_bytes(b->images);
		memcpy(out + used, nnopt_tensor_const_data(b->labels), nnopt_tensor_bytes(b->labels));
		used += nnopt_tensor_bytes(b->labels);
		memcpy(out + used, b->indices, (size_t)b->count * sizeof *b->indices);
		used += (size_t)b->count * sizeof *b->indices;
	}
}

#define ROOM (COUNT * (144 * 4 + 4 + 8))
static char first[ROOM], second[ROOM];

static void workers_change_nothing(void **state)
{
	(void)state;
	nnopt_loader *l = make_loader(0, 8);
	assert_int_equal(nnopt_loader_batches(l), 5);
	assert_int_equal(epoch_bytes(l, 3, 0, first), ROOM);
	nnopt_loader_destroy(l);
	for (int32_t workers = 1; workers <= 4; workers++) {
		l = make_loader(workers, 8);
		assert_int_equal(epoch_bytes(l, 3, 0, second), ROOM);
		assert_memory_equal(first, second, ROOM);
		nnopt_loader_destroy(l);
	}
}

static void epochs_differ_and_repeat(void **state)
{
	(void)state;
	nnopt_loader *l = make_loader(2, 8);
	epoch_bytes(l, 0, 0, first);
	epoch_bytes(l, 1, 0, second);
	assert_true(memcmp(first, second, ROOM) != 0);
	epoch_bytes(l, 0, 0, second);
	assert_memory_equal(first, second, ROOM);
	nnopt_loader_destroy(l);
}

static void the_middle_goes_on_exactly(void **state)
{
	(void)state;
	nnopt_loader *l = make_loader(2, 8);
	epoch_bytes(l, 2, 0, first);
	size_t skipped = 3 * 8 * (144 * 4 + 4 + 8);
	assert_int_equal(epoch_bytes(l, 2, 3, second), ROOM - skipped);
	assert_memory_equal(first + skipped, second, ROOM - skipped);
	/* Left in the middle, then started anew. */
	const nnopt_batch *b = NULL;
	assert_ok(nnopt_loader_start(l, 5, 0));
	assert_ok(nnopt_loader_next(l, &b));
	epoch_bytes(l, 2, 0, second);
	assert_memory_equal(first, second, ROOM);
	nnopt_loader_destroy(l);
}

static void every_sample_comes_once(void **state)
{
	(void)state;
	nnopt_loader *l = make_loader(3, 10);
	const nnopt_batch *b = NULL;
	int seen[COUNT] = { 0 };
	assert_ok(nnopt_loader_start(l, 0, 0));
	while (nnopt_loader_next(l, &b) == NNOPT_OK && b != NULL)
		for (int64_t i = 0; i < b->count; i++) {
			seen[b->indices[i]]++;
			assert_int_equal(((const int32_t *)nnopt_tensor_const_data(b->labels))[i], b->indices[i] % 5);
		}
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(seen[i], 1);
	nnopt_loader_destroy(l);
}

static void splits_are_stratified(void **state)
{
	(void)state;
	nnopt_dataset *a = NULL, *b = NULL;
	assert_ok(nnopt_dataset_split(&a, &b, data, 0.5, 3));
	assert_int_equal(nnopt_dataset_count(a) + nnopt_dataset_count(b), COUNT);
	int per_class[5] = { 0 };
	for (int64_t i = 0; i < nnopt_dataset_count(a); i++)
		per_class[nnopt_dataset_label(a, i)]++;
	for (int c = 0; c < 5; c++)
		assert_true(per_class[c] == 4 || (c > 1 && per_class[c] == 3));
	nnopt_dataset_destroy(a);
	nnopt_dataset_destroy(b);
}

static nnopt_status deliver(int64_t index, nnopt_sample *sample, void *user)
{
	(void)user;
	if (index % 10 == 3)
		return NNOPT_ERROR_IO;
	memset(sample->pixels, (int)index, 4);
	sample->height = sample->width = 2;
	sample->label = index % 2;
	return NNOPT_OK;
}

static nnopt_dataset *called(int64_t count, nnopt_status (*get)(int64_t, nnopt_sample *, void *))
{
	nnopt_callback_dataset_options o;
	nnopt_dataset *d = NULL;
	assert_ok(nnopt_callback_dataset_options_init(&o, sizeof o));
	o.count = count;
	o.classes = 2;
	o.channels = 1;
	o.max_height = o.max_width = 2;
	o.get = get;
	assert_ok(nnopt_dataset_from_callbacks(&d, ctx, &o));
	return d;
}

static void bad_samples_are_left_out_and_reported(void **state)
{
	(void)state;
	nnopt_loader_options lo;
	nnopt_dataset *d = called(40, deliver);
	nnopt_loader *l = NULL;
	assert_ok(nnopt_loader_options_init(&lo, sizeof lo));
	lo.batch = 8;
	lo.shuffle = 1;
	lo.max_bad_fraction = 0.2;
	assert_ok(nnopt_loader_create(&l, d, NULL, &lo));
	const nnopt_batch *b = NULL;
	int64_t total = 0;
	for (int64_t epoch = 0; epoch < 2; epoch++) {
		assert_ok(nnopt_loader_start(l, epoch, 0));
		while (nnopt_loader_next(l, &b) == NNOPT_OK && b != NULL)
			total += b->count;
	}
	assert_int_equal(total, 72);
	assert_int_equal(nnopt_loader_bad_count(l), 4);
	for (int64_t i = 0; i < 4; i++) {
		int64_t index;
		const char *error;
		assert_ok(nnopt_loader_bad_sample(l, i, &index, &error));
		assert_int_equal(index, i * 10 + 3);
		char wanted[64]; /* and no text of another failure */
		snprintf(wanted, sizeof wanted, "callback dataset: sample %d: input/output error", (int)index);
		assert_string_equal(error, wanted);
	}
	nnopt_loader_destroy(l);
	lo.max_bad_fraction = 0.05;
	assert_ok(nnopt_loader_create(&l, d, NULL, &lo));
	assert_ok(nnopt_loader_start(l, 0, 0));
	nnopt_status status = NNOPT_OK;
	do
		status = nnopt_loader_next(l, &b);
	while (status == NNOPT_OK && b != NULL);
	assert_int_equal(status, NNOPT_ERROR_FORMAT);
	nnopt_loader_destroy(l);
	nnopt_dataset_destroy(d);
}

static nnopt_status run_out(int64_t index, nnopt_sample *sample, void *user)
{
	(void)user;
	return index == 3 ? nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "none left") : deliver(0, sample, NULL);
}

/* Memory that runs out in a callback makes no bad sample, here or in what reads a dataset through. */
static void out_of_memory_is_no_bad_sample(void **state)
{
	(void)state;
	nnopt_loader_options lo;
	nnopt_dataset *d = called(8, run_out);
	nnopt_loader *l = NULL;
	nnopt_tensor *labels = NULL;
	const nnopt_batch *b = NULL;
	assert_ok(nnopt_loader_options_init(&lo, sizeof lo));
	lo.max_bad_fraction = 1.0;
	assert_ok(nnopt_loader_create(&l, d, NULL, &lo));
	assert_ok(nnopt_loader_start(l, 0, 0));
	assert_fails(NNOPT_ERROR_OUT_OF_MEMORY, "none left", nnopt_loader_next(l, &b));
	assert_fails(NNOPT_ERROR_OUT_OF_MEMORY, "none left", nnopt_dataset_labels(&labels, d));
	nnopt_loader_destroy(l);
	nnopt_dataset_destroy(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_change_nothing),
		cmocka_unit_test(epochs_differ_and_repeat),
		cmocka_unit_test(the_middle_goes_on_exactly),
		cmocka_unit_test(every_sample_comes_once),
		cmocka_unit_test(splits_are_stratified),
		cmocka_unit_test(bad_samples_are_left_out_and_reported),
		cmocka_unit_test(out_of_memory_is_no_bad_sample),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
