/* samplers.c - how often samples come, what batches look like, shards, and that all of it is a function of (seed,
 * epoch). */
#include "check.h"

#include <math.h>

#define COUNT 90
#define CLASSES 6 /* of which 4 has no sample */

static nnopt_context *ctx;
static nnopt_dataset *data;
static int32_t labels_of[COUNT];
static int64_t class_sizes[CLASSES];

static int setup(void **state)
{
	(void)state;
	nnopt_tensor *images = NULL, *labels = NULL;
	assert_ok(nnopt_context_create(&ctx, NULL));
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 1, 4, 6 }, NNOPT_NHWC));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	uint8_t *p = nnopt_tensor_data(images);
	for (int i = 0; i < COUNT * 24; i++)
		p[i] = (uint8_t)(i * 29 + i / 24 * 7);
	for (int i = 0; i < COUNT; i++) {
		labels_of[i] = i < 50 ? 0 : i < 70 ? 1 : i < 82 ? 2 : i < 87 ? 3 : 5;
		class_sizes[labels_of[i]]++;
	}
	memcpy(nnopt_tensor_data(labels), labels_of, sizeof labels_of);
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

static nnopt_loader_options options(nnopt_sampler sampler)
{
	static double weights[COUNT];
	nnopt_loader_options o;
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 12;
	o.shuffle = 1;
	o.workers = 0;
	o.use_seed = 1;
	o.seed = 3;
	o.sampler = (int32_t)sampler;
	for (int i = 0; i < COUNT; i++)
		weights[i] = i % 9;
	if (sampler == NNOPT_SAMPLER_WEIGHTED) {
		o.weights = weights;
		o.weight_count = COUNT;
	}
	if (sampler == NNOPT_SAMPLER_PK) {
		o.classes_per_batch = 3;
		o.samples_per_class = 4;
	}
	return o;
}

static nnopt_loader *make_loader(const nnopt_loader_options *o)
{
	nnopt_transforms *t = NULL;
	nnopt_loader *l = NULL;
	assert_ok(nnopt_transforms_create(&t, ctx));
	assert_ok(nnopt_transforms_add_horizontal_flip(t, 0.5));
	assert_ok(nnopt_transforms_add_pad_crop(t, 1, NNOPT_PAD_REFLECT, 1.0));
	assert_ok(nnopt_loader_create(&l, data, t, o));
	nnopt_transforms_destroy(t);
	return l;
}

/* Adds how often each sample comes in an epoch; returns how many there are. */
static int64_t count_epoch(nnopt_loader *l, int64_t epoch, int64_t counts[COUNT])
{
	const nnopt_batch *b = NULL;
	int64_t total = 0;
	assert_ok(nnopt_loader_start(l, epoch, 0));
	for (;;) {
		assert_ok(nnopt_loader_next(l, &b));
		if (b == NULL)
			return total;
		for (int64_t i = 0; i < b->count; i++) {
			counts[b->indices[i]]++;
			assert_int_equal(((const int32_t *)nnopt_tensor_const_data(b->labels))[i],
					 labels_of[b->indices[i]]);
		}
		total += b->count;
	}
}

/* Pearson's statistic of counts against shares, whose mean is the degrees of freedom and variance twice that. */
static void assert_shares(const int64_t *counts, const double *shares, int n)
{
	double total = 0.0, whole = 0.0, statistic = 0.0, freedom = -1.0;
	for (int i = 0; i < n; i++) {
		total += (double)counts[i];
		whole += shares[i];
	}
	for (int i = 0; i < n; i++) {
		double expected = total * shares[i] / whole;
		if (expected == 0.0) {
			assert_int_equal(counts[i], 0);
			continue;
		}
		statistic += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
		freedom += 1.0;
	}
	assert_true(fabs(statistic - freedom) < 5.0 * sqrt(2.0 * freedom));
}

static void draws_follow_their_weights(void **state)
{
	(void)state;
	nnopt_loader_options o = options(NNOPT_SAMPLER_WEIGHTED);
	nnopt_loader *l = make_loader(&o);
	int64_t counts[COUNT] = { 0 }, total = 0;
	for (int64_t epoch = 0; epoch < 200; epoch++)
		total += count_epoch(l, epoch, counts);
	assert_int_equal(total, 200 * COUNT);
	assert_shares(counts, o.weights, COUNT);
	nnopt_loader_destroy(l);
}

static void classes_are_drawn_alike(void **state)
{
	(void)state;
	nnopt_loader_options o = options(NNOPT_SAMPLER_CLASS_BALANCED);
	o.epoch_samples = 250;
	nnopt_loader *l = make_loader(&o);
	assert_int_equal(nnopt_loader_batches(l), 21);
	int64_t counts[COUNT] = { 0 }, by_class[CLASSES] = { 0 };
	double shares[COUNT], class_shares[CLASSES];
	for (int64_t epoch = 0; epoch < 100; epoch++)
		assert_int_equal(count_epoch(l, epoch, counts), 250);
	for (int i = 0; i < COUNT; i++) {
		by_class[labels_of[i]] += counts[i];
		shares[i] = 1.0 / (double)class_sizes[labels_of[i]];
	}
	for (int c = 0; c < CLASSES; c++)
		class_shares[c] = class_sizes[c] > 0 ? 1.0 : 0.0;
	assert_shares(by_class, class_shares, CLASSES);
	assert_shares(counts, shares, COUNT);
	nnopt_loader_destroy(l);
}

static void check_shares_of(const nnopt_batch *b, int64_t classes[3])
{
	assert_int_equal(b->count, 12);
	for (int p = 0; p < 3; p++) {
		classes[p] = labels_of[b->indices[p * 4]];
		for (int q = 0; q < p; q++)
			assert_true(classes[p] != classes[q]);
		for (int k = 0; k < 4; k++) {
			assert_int_equal(labels_of[b->indices[p * 4 + k]], classes[p]);
			for (int j = 0; j < k && class_sizes[classes[p]] >= 4; j++)
				assert_true(b->indices[p * 4 + k] != b->indices[p * 4 + j]);
		}
	}
}

static void pk_batches_have_their_structure(void **state)
{
	(void)state;
	nnopt_loader_options o = options(NNOPT_SAMPLER_PK);
	nnopt_loader *l = make_loader(&o);
	assert_int_equal(nnopt_loader_batches(l), 7); /* 90 samples */
	int64_t by_class[CLASSES] = { 0 };
	for (int64_t epoch = 0; epoch < 300; epoch++) {
		const nnopt_batch *b = NULL;
		int64_t seen[COUNT] = { 0 }, batches = 0;
		assert_ok(nnopt_loader_start(l, epoch, 0));
		for (;; batches++) {
			int64_t classes[3];
			assert_ok(nnopt_loader_next(l, &b));
			if (b == NULL)
				break;
			check_shares_of(b, classes);
			for (int p = 0; p < 3; p++)
				by_class[classes[p]]++;
			for (int i = 0; i < 12; i++)
				seen[b->indices[i]]++;
		}
		assert_int_equal(batches, 7);
		for (int i = 0; i < 50; i++) /* at most 28 of the 50 of class 0 are asked for */
			assert_true(seen[i] <= 1);
	}
	for (int c = 0; c < CLASSES; c++)
		assert_true(labs((long)by_class[c] - (c == 4 ? 0 : 1260)) < 120);
	nnopt_loader_destroy(l);
}

/* Everything of an epoch from batch `first` on. */
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
		memcpy(out + used, b->indices, (size_t)b->count * sizeof *b->indices);
		used += (size_t)b->count * sizeof *b->indices;
	}
}

#define SAMPLE_BYTES (24 * sizeof(float) + sizeof(int64_t))
static char whole[COUNT * SAMPLE_BYTES], again[COUNT * SAMPLE_BYTES];

static void epochs_do_not_depend_on_workers_or_on_what_was_before(void **state)
{
	(void)state;
	for (int sampler = NNOPT_SAMPLER_ORDER; sampler <= NNOPT_SAMPLER_PK; sampler++) {
		nnopt_loader_options o = options((nnopt_sampler)sampler);
		nnopt_loader *l = make_loader(&o);
		size_t size = epoch_bytes(l, 4, 0, whole);
		assert_int_equal(size, (sampler == NNOPT_SAMPLER_PK ? 84 : COUNT) * SAMPLE_BYTES);
		assert_int_equal(epoch_bytes(l, 5, 0, again), size);
		assert_true(memcmp(whole, again, size) != 0);
		nnopt_loader_destroy(l);
		for (o.workers = 1; o.workers <= 3; o.workers += 2) {
			l = make_loader(&o);
			for (size_t first = 0; first < 7; first += 2) {
				size_t skipped = first * 12 * SAMPLE_BYTES;
				assert_int_equal(epoch_bytes(l, 4, (int64_t)first, again), size - skipped);
				assert_memory_equal(whole + skipped, again, size - skipped);
			}
			nnopt_loader_destroy(l);
		}
	}
}

/* A sample drawn twice in an epoch does not look the same both times. */
static void repeated_samples_are_augmented_anew(void **state)
{
	(void)state;
	static double weights[COUNT];
	nnopt_loader_options o = options(NNOPT_SAMPLER_WEIGHTED);
	memset(weights, 0, sizeof weights);
	weights[7] = 2.0;
	o.weights = weights;
	nnopt_loader *l = make_loader(&o);
	weights[7] = 0.0; /* copied */
	assert_int_equal(epoch_bytes(l, 0, 0, whole), sizeof whole);
	int differ = 0;
	const nnopt_batch *b = NULL;
	assert_ok(nnopt_loader_start(l, 0, 0));
	assert_ok(nnopt_loader_next(l, &b));
	const float *pixels = nnopt_tensor_const_data(b->images);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(b->indices[i], 7);
		differ += memcmp(pixels, pixels + (size_t)i * 24, 24 * sizeof *pixels) != 0;
	}
	assert_true(differ > 5);
	nnopt_loader_destroy(l);
}

/* Each sample comes once an epoch, at another place in each: it shows the other side all the same. */
static void flips_alternate_by_sample(void **state)
{
	(void)state;
	nnopt_loader_options o = options(NNOPT_SAMPLER_PK);
	nnopt_transforms *t = NULL;
	nnopt_dataset *even = NULL;
	nnopt_loader *l = NULL;
	int64_t chosen[12];
	float sides[2][12];
	for (int i = 0; i < 12; i++)
		chosen[i] = (i % 3 == 0 ? 0 : i % 3 == 1 ? 50 : 70) + i / 3;
	assert_ok(nnopt_dataset_subset(&even, data, chosen, 12));
	assert_ok(nnopt_transforms_create(&t, ctx));
	assert_ok(nnopt_transforms_add_alternating_flip(t));
	assert_ok(nnopt_loader_create(&l, even, t, &o));
	for (int64_t epoch = 0; epoch < 6; epoch++) {
		const nnopt_batch *b = NULL;
		assert_ok(nnopt_loader_start(l, epoch, 0));
		assert_ok(nnopt_loader_next(l, &b));
		assert_int_equal(b->count, 12);
		for (int i = 0; i < 12; i++) {
			float *side = &sides[epoch % 2][b->indices[i]];
			const float *row = (const float *)nnopt_tensor_const_data(b->images) + (size_t)i * 24;
			assert_true(epoch < 2 || *side == row[0]);
			*side = row[0];
		}
		for (int i = 0; epoch > 0 && i < 12; i++)
			assert_true(sides[0][i] != sides[1][i]);
	}
	nnopt_loader_destroy(l);
	nnopt_dataset_destroy(even);
	nnopt_transforms_destroy(t);
}

/* The bytes of sample number `place` of an epoch, as shard or whole gives it. */
static void check_shard(nnopt_loader *l, const nnopt_loader_options *o, char taken[COUNT])
{
	const nnopt_batch *b = NULL;
	assert_ok(nnopt_loader_start(l, 4, 0));
	for (;;) {
		assert_ok(nnopt_loader_next(l, &b));
		if (b == NULL)
			return;
		for (int64_t i = 0; i < b->count; i++) {
			int64_t place = o->sampler == NNOPT_SAMPLER_PK
					    ? (b->number * o->shard_count + o->shard_rank) * o->batch + i
					    : (b->number * o->batch + i) * o->shard_count + o->shard_rank;
			/* Batches lie in `whole` as pixels of all, then indices of all. */
			int64_t number = place / 12, at = place % 12, n = number < 7 ? 12 : 6;
			const char *batch = whole + (size_t)number * 12 * SAMPLE_BYTES;
			assert_memory_equal(batch + (size_t)at * 24 * sizeof(float),
					    (const float *)nnopt_tensor_const_data(b->images) + i * 24,
					    24 * sizeof(float));
			assert_memory_equal(batch + (size_t)n * 24 * sizeof(float) + (size_t)at * sizeof(int64_t),
					    &b->indices[i], sizeof(int64_t));
			assert_int_equal(taken[place]++, 0);
		}
	}
}

static void shards_are_the_epoch(void **state)
{
	(void)state;
	for (int sampler = NNOPT_SAMPLER_ORDER; sampler <= NNOPT_SAMPLER_PK; sampler++)
		for (int32_t shards = 1; shards <= 7; shards += 3) {
			nnopt_loader_options o = options((nnopt_sampler)sampler);
			nnopt_loader *l = make_loader(&o);
			size_t places = epoch_bytes(l, 4, 0, whole) / SAMPLE_BYTES;
			uint64_t fingerprint = nnopt_loader_fingerprint(l);
			nnopt_loader_destroy(l);
			char taken[COUNT] = { 0 };
			int64_t batches = -1;
			o.shard_count = shards;
			o.batch = sampler == NNOPT_SAMPLER_PK ? 12 : 5;
			for (o.shard_rank = 0; o.shard_rank < shards; o.shard_rank++) {
				l = make_loader(&o);
				batches = batches < 0 ? nnopt_loader_batches(l) : batches;
				assert_int_equal(nnopt_loader_batches(l), batches);
				assert_true(shards == 1 || nnopt_loader_fingerprint(l) != fingerprint);
				check_shard(l, &o, taken);
				nnopt_loader_destroy(l);
			}
			for (size_t i = 0; i < COUNT; i++)
				assert_int_equal(taken[i], i < places);
		}
	nnopt_loader_options o = options(NNOPT_SAMPLER_ORDER);
	o.shard_count = 4;
	o.drop_last = 1;
	int64_t counts[COUNT] = { 0 };
	for (o.shard_rank = 0; o.shard_rank < 4; o.shard_rank++) {
		nnopt_loader *l = make_loader(&o);
		assert_int_equal(nnopt_loader_batches(l), 1);
		assert_int_equal(count_epoch(l, 0, counts), 12);
		nnopt_loader_destroy(l);
	}
	for (int i = 0; i < COUNT; i++)
		assert_true(counts[i] <= 1);
}

static void a_part_of_the_order(void **state)
{
	(void)state;
	nnopt_loader_options o = options(NNOPT_SAMPLER_ORDER);
	o.epoch_samples = 30;
	nnopt_loader *l = make_loader(&o);
	int64_t counts[COUNT] = { 0 };
	assert_int_equal(nnopt_loader_batches(l), 3);
	assert_int_equal(count_epoch(l, 0, counts), 30);
	for (int i = 0; i < COUNT; i++)
		assert_true(counts[i] <= 1);
	nnopt_loader_destroy(l);
}

static nnopt_status unread(int64_t index, nnopt_sample *sample, void *user)
{
	(void)index;
	(void)user;
	memset(sample->pixels, 0, 1);
	sample->height = sample->width = 1;
	return NNOPT_OK;
}

#define REFUSED(words, change)                                                                              \
	do {                                                                                                \
		change;                                                                                     \
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words, nnopt_loader_create(&l, data, NULL, &o)); \
	} while (0)

static void wrong_options(void **state)
{
	(void)state;
	nnopt_loader *l = NULL;
	nnopt_loader_options o = options(NNOPT_SAMPLER_ORDER);
	double weights[COUNT] = { 0 };
	REFUSED("sampler 4", o.sampler = 4);
	o = options(NNOPT_SAMPLER_ORDER);
	REFUSED("epoch_samples 91", o.epoch_samples = 91);
	REFUSED("epoch_samples -1", o.epoch_samples = -1);
	o = options(NNOPT_SAMPLER_ORDER);
	REFUSED("shard_rank 2 of shard_count 2", (o.shard_rank = 2, o.shard_count = 2));
	REFUSED("shard_rank 0 of shard_count 0", (o.shard_rank = 0, o.shard_count = 0));
	o = options(NNOPT_SAMPLER_ORDER);
	REFUSED("for sampler 0", o.weight_count = 3);
	o = options(NNOPT_SAMPLER_CLASS_BALANCED);
	REFUSED("classes_per_batch 2", o.classes_per_batch = 2);
	o = options(NNOPT_SAMPLER_WEIGHTED);
	REFUSED("weight_count 89", o.weight_count = 89);
	o = options(NNOPT_SAMPLER_WEIGHTED);
	REFUSED("sum of the weights is 0", o.weights = weights);
	weights[3] = -1.0;
	REFUSED("weights[3] is -1", o.weights = weights);
	weights[3] = INFINITY;
	REFUSED("weights[3] is inf", o.weights = weights);
	REFUSED("weights NULL", o.weights = NULL);
	o = options(NNOPT_SAMPLER_PK);
	REFUSED("the batch of 13", o.batch = 13);
	o = options(NNOPT_SAMPLER_PK);
	REFUSED("at most 5 wanted", (o.classes_per_batch = 6, o.samples_per_class = 2));
	o = options(NNOPT_SAMPLER_PK);
	REFUSED("epoch_samples 11", o.epoch_samples = 11);
	nnopt_callback_dataset_options c;
	nnopt_dataset *unknown = NULL;
	assert_ok(nnopt_callback_dataset_options_init(&c, sizeof c));
	c.count = c.classes = 3;
	c.max_height = c.max_width = c.channels = 1;
	c.get = unread;
	assert_ok(nnopt_dataset_from_callbacks(&unknown, ctx, &c));
	o = options(NNOPT_SAMPLER_CLASS_BALANCED);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "not known", nnopt_loader_create(&l, unknown, NULL, &o));
	assert_null(l);
	nnopt_dataset_destroy(unknown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(draws_follow_their_weights),
		cmocka_unit_test(classes_are_drawn_alike),
		cmocka_unit_test(pk_batches_have_their_structure),
		cmocka_unit_test(epochs_do_not_depend_on_workers_or_on_what_was_before),
		cmocka_unit_test(repeated_samples_are_augmented_anew),
		cmocka_unit_test(flips_alternate_by_sample),
		cmocka_unit_test(shards_are_the_epoch),
		cmocka_unit_test(a_part_of_the_order),
		cmocka_unit_test(wrong_options),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
