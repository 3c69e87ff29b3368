/* random_loaders.c - batches of datasets, views, transforms, samplers and options drawn by chance: the same for any
 * threads, cache and batches ahead, wherever an epoch is begun; and shards are parts of one machine's batches.
 *
 *   test_data_random_loaders [FROM UNTIL]     loaders of these numbers, for a longer search */
#include "budget_context.h"
#include "data/random_kinds.h"

enum { CLASSES = 5, LARGEST = 24, EPOCHS = 2, MOST_BATCHES = 256 };

static uint32_t mix(uint32_t x)
{
	x = (x ^ x >> 16) * 0x7feb352du;
	x = (x ^ x >> 15) * 0x846ca68bu;
	return x ^ x >> 16;
}

typedef struct source {
	int64_t height, width;
	int sizes_differ, some_bad;
} source;

static nnopt_status draw(int64_t index, nnopt_sample *sample, void *user)
{
	const source *s = user;
	uint32_t noise = mix((uint32_t)index + 1);
	sample->height = s->height - (s->sizes_differ ? noise % 5 : 0);
	sample->width = s->width - (s->sizes_differ ? noise / 5 % 5 : 0);
	sample->label = noise % CLASSES;
	for (int64_t i = 0; i < sample->height * sample->width * 3; i++)
		sample->pixels[i] = (uint8_t)mix((uint32_t)(index * 5000 + i));
	return s->some_bad && index % 23 == 7 ? NNOPT_ERROR_IO : NNOPT_OK;
}

static void forget(void *user) { free(user); }

static nnopt_dataset *random_source(int sizes_differ, int some_bad)
{
	nnopt_callback_dataset_options o;
	nnopt_dataset *data = NULL;
	source *s = malloc(sizeof *s);
	assert_non_null(s);
	*s = (source){ .height = LARGEST - pick(3),
		       .width = LARGEST - pick(3),
		       .sizes_differ = sizes_differ,
		       .some_bad = some_bad };
	if (!sizes_differ)
		s->height = s->width = 20;
	assert_ok(nnopt_callback_dataset_options_init(&o, sizeof o));
	o.count = 30 + pick(60);
	o.classes = CLASSES;
	o.max_height = o.max_width = LARGEST;
	o.get = draw;
	o.destroy = forget;
	o.user = s;
	assert_ok(nnopt_dataset_from_callbacks(&data, ctx, &o));
	return data;
}

/* Known labels, so that samplers by class can serve. */
static nnopt_dataset *with_labels(nnopt_dataset *base)
{
	int64_t count = nnopt_dataset_count(base), labels[512];
	nnopt_dataset *labelled = NULL;
	assert_in_range(count, 1, 512);
	for (int64_t i = 0; i < count; i++)
		labels[i] = mix((uint32_t)i) % CLASSES;
	assert_ok(nnopt_dataset_relabel(&labelled, base, labels, count));
	nnopt_dataset_destroy(base);
	return labelled;
}

static nnopt_dataset *random_view(nnopt_dataset *base)
{
	nnopt_dataset *view = NULL, *rest = NULL;
	int64_t count = nnopt_dataset_count(base), indices[64];
	int kind = pick(5);
	if (kind == 0) {
		for (int i = 0; i < 64; i++)
			indices[i] = pick((int)count);
		assert_ok(nnopt_dataset_subset(&view, base, indices, 10 + pick(54)));
	} else if (kind == 1) {
		assert_ok(nnopt_dataset_split(&view, &rest, base, 0.7, (uint64_t)pick(9)));
	} else if (kind == 2) {
		assert_ok(nnopt_dataset_fold(&view, &rest, base, 3, pick(3), (uint64_t)pick(9)));
	} else if (kind == 3) {
		assert_ok(nnopt_dataset_concat(&view, (nnopt_dataset *[]){ base, base }, 1 + pick(2)));
	}
	nnopt_dataset_destroy(rest);
	if (view == NULL)
		return base;
	nnopt_dataset_destroy(base);
	return view;
}

typedef struct kind {
	nnopt_dataset *data;
	nnopt_transforms *transforms;
	nnopt_loader_options o;
	double weights[512];
	int some_bad;
} kind;

static nnopt_transforms *random_transforms(int sizes_differ)
{
	nnopt_transforms *t = NULL;
	assert_ok(nnopt_transforms_create(&t, ctx));
	if (sizes_differ)
		assert_ok(nnopt_transforms_add_resize(t, 18, 21));
	add_random_kinds(t, 0);
	if (one_in(3))
		assert_ok(nnopt_transforms_add_normalise_per_image(t, pick(2), 1e-3));
	return t;
}

static void random_sampler(kind *k)
{
	nnopt_loader_options *o = &k->o;
	int64_t count = nnopt_dataset_count(k->data);
	o->sampler = pick(6);
	if (o->sampler == NNOPT_SAMPLER_WEIGHTED) {
		o->weight_count = count;
		for (int64_t i = 0; i < count; i++)
			k->weights[i] = (double)(i % 4);
		o->weights = k->weights;
	} else if (o->sampler == NNOPT_SAMPLER_PK) {
		o->classes_per_batch = 2;
		o->samples_per_class = 1 + pick(4);
		o->batch = 2 * o->samples_per_class;
	} else if (o->sampler > NNOPT_SAMPLER_PK) {
		o->sampler = NNOPT_SAMPLER_ORDER;
	}
	o->epoch_samples = one_in(4) ? (o->sampler == NNOPT_SAMPLER_PK ? o->batch : 1) + pick((int)count) : 0;
}

static kind make_kind(uint32_t number)
{
	pick_anew(number);
	kind k = { .some_bad = one_in(4) };
	int sizes_differ = one_in(3);
	k.data = with_labels(random_source(sizes_differ, k.some_bad));
	for (int i = pick(3); i > 0; i--)
		k.data = random_view(k.data);
	k.transforms = random_transforms(sizes_differ);
	assert_ok(nnopt_loader_options_init(&k.o, sizeof k.o));
	k.o.batch = 4 + pick(12);
	k.o.shuffle = !one_in(4);
	k.o.drop_last = pick(2);
	k.o.seed = number;
	k.o.use_seed = pick(2);
	k.o.max_bad_fraction = 1.0;
	k.o.mixup_alpha = one_in(5) ? 0.3 : 0.0;
	k.o.cutmix_alpha = one_in(5) ? 1.0 : 0.0;
	k.o.mix_probability = pick(3) / 2.0;
	random_sampler(&k);
	return k;
}

static void destroy_kind(kind *k)
{
	nnopt_transforms_destroy(k->transforms);
	nnopt_dataset_destroy(k->data);
}

static nnopt_loader *open_loader(kind *k, int32_t workers)
{
	nnopt_loader *loader = NULL;
	k->o.weights = k->o.weight_count > 0 ? k->weights : NULL;
	k->o.workers = workers;
	k->o.prefetch = 1 + pick(4);
	k->o.cache_bytes = (uint64_t[]){ 0, 9000, 1 << 30 }[pick(3)];
	assert_ok(nnopt_loader_create(&loader, k->data, k->transforms, &k->o));
	return loader;
}

static uint64_t add_bytes(uint64_t sum, const void *bytes, size_t size)
{
	const uint8_t *b = bytes;
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ b[i]) * 1099511628211u; /* FNV-1a */
	return sum;
}

static uint64_t add_tensor(uint64_t sum, const nnopt_tensor *t)
{
	return add_bytes(sum, nnopt_tensor_const_data(t), (size_t)nnopt_tensor_count(t) * 4);
}

static uint64_t sum_of(const nnopt_batch *b)
{
	uint64_t sum = add_bytes(14695981039346656037u, &b->number, sizeof b->number);
	sum = add_bytes(sum, b->indices, (size_t)b->count * sizeof *b->indices);
	sum = add_tensor(sum, b->images);
	sum = add_tensor(sum, b->labels);
	return add_tensor(sum, b->targets);
}

typedef struct epoch {
	uint64_t sum[MOST_BATCHES];
	int64_t number[MOST_BATCHES], count;
} epoch;

static epoch read_epoch(nnopt_loader *loader, int64_t which)
{
	epoch e = { .count = 0 };
	const nnopt_batch *b = NULL;
	assert_ok(nnopt_loader_start(loader, which, 0));
	for (;;) {
		assert_ok(nnopt_loader_next(loader, &b));
		if (b == NULL)
			break;
		assert_true(e.count < MOST_BATCHES);
		e.number[e.count] = b->number;
		e.sum[e.count++] = sum_of(b);
	}
	assert_ok(nnopt_loader_next(loader, &b));
	assert_null(b);
	assert_true(e.count <= nnopt_loader_batches(loader));
	return e;
}

static void assert_same_epoch(const epoch *a, const epoch *b)
{
	assert_int_equal(a->count, b->count);
	assert_memory_equal(a->sum, b->sum, (size_t)a->count * sizeof *a->sum);
}

/* Begun anywhere and left anywhere, as often as not before the end. */
static void jump_about(nnopt_loader *loader, const epoch *epochs)
{
	const nnopt_batch *b = NULL;
	for (int jump = 0; jump < 6; jump++) {
		const epoch *e = &epochs[pick(EPOCHS)];
		int64_t first = pick((int)nnopt_loader_batches(loader) + 1), at = 0;
		assert_ok(nnopt_loader_start(loader, e - epochs, first));
		while (at < e->count && e->number[at] < first)
			at++;
		for (int left = pick(4); left > 0; left--, at++) {
			assert_ok(nnopt_loader_next(loader, &b));
			assert_int_equal(b != NULL, at < e->count);
			if (b == NULL)
				break;
			assert_true(sum_of(b) == e->sum[at]);
		}
	}
}

static void batches_are_the_same(void **state)
{
	(void)state;
	for (pick_reached = pick_from; pick_reached < pick_until; pick_reached++) {
		kind k = make_kind(pick_reached);
		epoch epochs[EPOCHS];
		nnopt_loader *plain = open_loader(&k, 0), *other = open_loader(&k, 1 + pick(4));
		for (int i = 0; i < EPOCHS; i++)
			epochs[i] = read_epoch(plain, i);
		for (int i = EPOCHS - 1; i >= 0; i--) {
			epoch e = read_epoch(other, i);
			assert_same_epoch(&epochs[i], &e);
		}
		jump_about(plain, epochs);
		jump_about(other, epochs);
		assert_true(nnopt_loader_fingerprint(plain) == nnopt_loader_fingerprint(other));
		assert_true(k.some_bad || nnopt_loader_bad_count(other) == 0);
		nnopt_loader_destroy(plain);
		nnopt_loader_destroy(other);
		destroy_kind(&k);
	}
}

/* What a batch of one shard has at place `i` is what the batch of all has at i * shards + shard. */
static void assert_is_part(const nnopt_batch *part, const nnopt_batch *all, int shard, int shards)
{
	int64_t values = nnopt_tensor_count(all->images) / all->count;
	const float *a = nnopt_tensor_const_data(all->images), *b = nnopt_tensor_const_data(part->images);
	assert_int_equal(part->number, all->number);
	assert_int_equal(part->count, (all->count - shard + shards - 1) / shards);
	for (int64_t i = 0; i < part->count; i++) {
		int64_t place = i * shards + shard;
		assert_int_equal(part->indices[i], all->indices[place]);
		assert_memory_equal(&b[i * values], &a[place * values], (size_t)values * sizeof(float));
	}
}

static void shards_are_parts(void **state)
{
	(void)state;
	for (pick_reached = pick_from; pick_reached < pick_until; pick_reached++) {
		kind k = make_kind(pick_reached);
		int shards = 2 + pick(2);
		int64_t batch = k.o.batch;
		nnopt_loader *part[3] = { NULL };
		k.o.mixup_alpha = k.o.cutmix_alpha = 0.0;
		if (k.some_bad || k.o.sampler == NNOPT_SAMPLER_PK) {
			destroy_kind(&k);
			continue;
		}
		k.o.batch = batch * shards;
		nnopt_loader *whole = open_loader(&k, 1);
		k.o.batch = batch;
		k.o.shard_count = shards;
		for (k.o.shard_rank = 0; k.o.shard_rank < shards; k.o.shard_rank++) {
			part[k.o.shard_rank] = open_loader(&k, pick(2));
			assert_int_equal(nnopt_loader_batches(part[k.o.shard_rank]), nnopt_loader_batches(whole));
			assert_ok(nnopt_loader_start(part[k.o.shard_rank], 1, 0));
		}
		assert_ok(nnopt_loader_start(whole, 1, 0));
		for (const nnopt_batch *all = NULL, *one = NULL;;) {
			assert_ok(nnopt_loader_next(whole, &all));
			if (all == NULL)
				break;
			for (int s = 0; s < shards; s++) {
				assert_ok(nnopt_loader_next(part[s], &one));
				assert_int_equal(one != NULL, all->count > s);
				if (one != NULL)
					assert_is_part(one, all, s, shards);
			}
		}
		nnopt_loader_destroy(whole);
		for (int s = 0; s < shards; s++)
			nnopt_loader_destroy(part[s]);
		destroy_kind(&k);
	}
}

int main(int argc, char **argv)
{
	pick_range(argc, argv, 100);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(batches_are_the_same, tell_reached),
		cmocka_unit_test_teardown(shards_are_parts, tell_reached),
	};
	return cmocka_run_group_tests(tests, make_context, free_context);
}
