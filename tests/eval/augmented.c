/* augmented.c - views of pictures as torch makes them, samples that cannot be read, memory, and what is refused. */
#include "budget_context.h"
#include "golden.h"

#include <math.h>

#include "golden/augmented.inc"

enum { UNREADABLE = 5, ALL = -1, TENTH = -2 /* 5, 15, 25, .. */ };

/* The pictures come again and again where there are more samples than N. */
static nnopt_status get(int64_t index, nnopt_sample *sample, void *user)
{
	int bad = user != NULL ? *(int *)user : -3;
	if (bad == ALL || bad == index || (bad == TENTH && index % 10 == UNREADABLE))
		return nnopt_fail(NNOPT_ERROR_FORMAT, "sample: damaged");
	sample->height = H;
	sample->width = W;
	sample->label = index % K;
	for (int64_t p = 0; p < H * W; p++)
		for (int64_t c = 0; c < C; c++) {
			float v = number(31, (uint32_t)((index % N * C + c) * H * W + p));
			sample->pixels[p * C + c] = (uint8_t)((v + 2.0f) * 64.0f);
		}
	return NNOPT_OK;
}

static nnopt_dataset *make_data(int64_t count, void *damaged)
{
	nnopt_callback_dataset_options o;
	nnopt_dataset *d = NULL;
	assert_ok(nnopt_callback_dataset_options_init(&o, sizeof o));
	o.count = count;
	o.classes = K;
	o.channels = C;
	o.max_height = H;
	o.max_width = W;
	o.get = get;
	o.user = damaged;
	assert_ok(nnopt_dataset_from_callbacks(&d, ctx, &o));
	return d;
}

static nnopt_transforms *make_transforms(int64_t crop, int mirrored)
{
	nnopt_transforms *t = NULL;
	assert_ok(nnopt_transforms_create(&t, ctx));
	if (crop > 0)
		assert_ok(nnopt_transforms_add_center_crop(t, crop, crop + 1));
	if (mirrored)
		assert_ok(nnopt_transforms_add_horizontal_flip(t, 1.0));
	assert_ok(nnopt_transforms_add_normalise(t, (float[]){ 0.5f, 0.4f, 0.3f }, (float[]){ 0.25f, 0.2f, 0.3f }, 3));
	return t;
}

static nnopt_loader *make_loader(nnopt_dataset *data, int32_t shuffle)
{
	nnopt_transforms *t = make_transforms(0, 0);
	nnopt_loader_options o;
	nnopt_loader *loader = NULL;
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 4; /* the last batch has 3 */
	o.shuffle = shuffle;
	o.workers = 0;
	o.max_bad_fraction = 1.0;
	o.cache_bytes = 0;
	assert_ok(nnopt_loader_create(&loader, data, t, &o));
	nnopt_transforms_destroy(t);
	return loader;
}

static void set_parameter(nnopt_model *net, int32_t index, uint32_t stream, float divisor)
{
	nnopt_parameter_info info = { .struct_size = sizeof info };
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_model_parameter_info(net, index, &info));
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
	for (int64_t i = 0; i < info.count; i++)
		((float *)nnopt_tensor_data(t))[i] = number(stream, (uint32_t)i) / divisor;
	assert_ok(nnopt_model_set_parameter(net, index, t));
	nnopt_tensor_destroy(t);
}

static nnopt_model *make_model(int64_t height, int64_t width)
{
	nnopt_model *net = NULL;
	nnopt_conv2d_options o;
	assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
	o.padding_h = o.padding_w = 1;
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_add_conv2d(net, 4, 3, &o));
	assert_ok(nnopt_add_relu(net));
	assert_ok(nnopt_add_flatten(net));
	assert_ok(nnopt_add_linear(net, K, NULL));
	assert_ok(nnopt_model_build(net, 3, (int64_t[]){ C, height, width }));
	set_parameter(net, 0, 32, 2.0f);
	set_parameter(net, 1, 33, 2.0f);
	set_parameter(net, 2, 34, 4.0f);
	set_parameter(net, 3, 35, 1.0f);
	return net;
}

static nnopt_views *make_views(nnopt_pad_mode pad, int several)
{
	static const struct {
		int32_t mirror;
		int64_t dy, dx;
		double weight;
	} list[] = { { 0, 0, 0, 2.0 }, { 1, 2, -3, 1.0 }, { 0, -1, 2, 0.5 }, { 1, -3, 0, 0.25 } };
	nnopt_views *v = NULL;
	assert_ok(nnopt_views_create(&v, ctx, pad));
	for (int i = 0; several && i < 4; i++)
		assert_ok(nnopt_views_add(v, list[i].mirror, list[i].dy, list[i].dx, list[i].weight));
	return v;
}

static void assert_scores(nnopt_tensor *got, const float wanted[N][K], const char *what)
{
	assert_int_equal(nnopt_tensor_extent(got, 0), N);
	assert_int_equal(nnopt_tensor_extent(got, 1), K);
	const float *g = nnopt_tensor_const_data(got), *w = wanted[0];
	for (int i = 0; i < N * K; i++)
		if (!(fabsf(g[i] - w[i]) <= 2e-5f * (1.0f + fabsf(w[i]))))
			fail_msg("%s: row %d, class %d: %.9g, %.9g wanted", what, i / K, i % K, (double)g[i],
				 (double)w[i]);
	nnopt_tensor_destroy(got);
}

static void as_torch(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		nnopt_pad_mode pad;
		int several;
		int64_t mirrored; /* -1: not */
		nnopt_vote vote;
		int32_t probabilities;
		const float (*wanted)[K];
	} cases[] = {
		{ "level 1", NNOPT_PAD_REFLECT, 0, 0, NNOPT_VOTE_LOGITS, 0, level_1 },
		{ "level 2", NNOPT_PAD_REFLECT, 0, 1, NNOPT_VOTE_LOGITS, 0, level_2 },
		{ "zero", NNOPT_PAD_ZERO, 1, -1, NNOPT_VOTE_LOGITS, 0, several_zero },
		{ "reflect", NNOPT_PAD_REFLECT, 1, -1, NNOPT_VOTE_LOGITS, 0, several_reflect },
		{ "edge", NNOPT_PAD_EDGE, 1, -1, NNOPT_VOTE_LOGITS, 0, several_edge },
		{ "soft", NNOPT_PAD_REFLECT, 1, -1, NNOPT_VOTE_PROBABILITIES, 1, soft },
		{ "hard", NNOPT_PAD_REFLECT, 1, -1, NNOPT_VOTE_HARD, 1, hard },
		{ "hard", NNOPT_PAD_REFLECT, 1, -1, NNOPT_VOTE_HARD, 0, hard },
	};
	nnopt_dataset *data = make_data(N, NULL);
	nnopt_model *net = make_model(H, W);
	nnopt_tensor *scores = NULL;
	for (int32_t shuffle = 0; shuffle < 2; shuffle++) {
		nnopt_loader *loader = make_loader(data, shuffle);
		assert_ok(nnopt_predict(&scores, net, NULL, loader, 0));
		assert_scores(scores, plain, "plain");
		for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
			nnopt_views *views = make_views(cases[i].pad, cases[i].several);
			if (cases[i].mirrored >= 0)
				assert_ok(nnopt_views_add_mirrored(views, cases[i].mirrored));
			assert_int_equal(nnopt_views_count(views), cases[i].several         ? 4
								   : cases[i].mirrored == 0 ? 2
											    : 6);
			assert_ok(nnopt_predict_augmented(&scores, net, NULL, loader, views, cases[i].vote,
							  cases[i].probabilities));
			assert_scores(scores, cases[i].wanted, cases[i].name);
			nnopt_views_destroy(views);
		}
		nnopt_loader_destroy(loader);
	}
	nnopt_model_destroy(net);
	nnopt_dataset_destroy(data);
}

/* The softmax of what is given without probabilities is what is given with them, and a caller's plan serves as well. */
static void both_forms(void **state)
{
	(void)state;
	nnopt_dataset *data = make_data(N, NULL);
	nnopt_model *net = make_model(H, W);
	nnopt_loader *loader = make_loader(data, 0);
	nnopt_views *views = make_views(NNOPT_PAD_EDGE, 1);
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = 4;
	assert_ok(nnopt_plan_create(&plan, net, &o));
	for (int vote = NNOPT_VOTE_LOGITS; vote <= NNOPT_VOTE_PROBABILITIES; vote++) {
		nnopt_tensor *logits = NULL, *probabilities = NULL;
		assert_ok(nnopt_predict_augmented(&logits, net, plan, loader, views, (nnopt_vote)vote, 0));
		assert_ok(nnopt_predict_augmented(&probabilities, net, NULL, loader, views, (nnopt_vote)vote, 1));
		for (int i = 0; i < N; i++) {
			const float *l = (const float *)nnopt_tensor_const_data(logits) + i * K;
			const float *p = (const float *)nnopt_tensor_const_data(probabilities) + i * K;
			double sum = 0.0;
			for (int c = 0; c < K; c++)
				sum += exp((double)l[c]);
			assert_true(vote != NNOPT_VOTE_PROBABILITIES || fabs(sum - 1.0) < 1e-6);
			for (int c = 0; c < K; c++)
				assert_true(fabs(exp((double)l[c]) / sum - (double)p[c]) < 1e-6);
		}
		nnopt_tensor_destroy(logits);
		nnopt_tensor_destroy(probabilities);
	}
	nnopt_plan_destroy(plan);
	nnopt_views_destroy(views);
	nnopt_loader_destroy(loader);
	nnopt_model_destroy(net);
	nnopt_dataset_destroy(data);
}

static void assert_all_but_one(nnopt_tensor *got, const float wanted[N][K])
{
	const float *g = nnopt_tensor_const_data(got), *w = wanted[0];
	for (int i = 0; i < N * K; i++)
		assert_true(i / K == UNREADABLE ? isnan(g[i]) : fabsf(g[i] - w[i]) <= 2e-5f * (1.0f + fabsf(w[i])));
	nnopt_tensor_destroy(got);
}

static void unreadable(void **state)
{
	(void)state;
	int bad = UNREADABLE;
	nnopt_dataset *data = make_data(N, &bad);
	nnopt_model *net = make_model(H, W);
	nnopt_loader *loader = make_loader(data, 0);
	nnopt_views *views = make_views(NNOPT_PAD_REFLECT, 0);
	nnopt_tensor *scores = NULL;
	assert_ok(nnopt_views_add_mirrored(views, 1));
	assert_ok(nnopt_predict(&scores, net, NULL, loader, 0));
	assert_all_but_one(scores, plain);
	assert_ok(nnopt_predict_augmented(&scores, net, NULL, loader, views, NNOPT_VOTE_LOGITS, 0));
	assert_all_but_one(scores, level_2);
	scores = NULL;
	bad = ALL;
	assert_fails(NNOPT_ERROR_NOT_FOUND, "no sample can be read", nnopt_predict(&scores, net, NULL, loader, 0));
	assert_null(scores);
	nnopt_views_destroy(views);
	nnopt_loader_destroy(loader);
	nnopt_model_destroy(net);
	nnopt_dataset_destroy(data);
}

/* More batches take no more memory, nor more allocations. */
static void no_allocation_in_the_loop(void **state)
{
	(void)state;
	nnopt_model *net = make_model(H, W);
	nnopt_views *views = make_views(NNOPT_PAD_REFLECT, 0);
	long calls[2];
	assert_ok(nnopt_views_add_mirrored(views, 1));
	for (int i = 0; i < 2; i++) {
		nnopt_dataset *data = make_data(i == 0 ? 8 + 3 : 80 + 3, NULL);
		nnopt_loader *loader = make_loader(data, 0);
		nnopt_tensor *scores = NULL;
		atomic_store(&memory.calls, 0);
		assert_ok(nnopt_predict_augmented(&scores, net, NULL, loader, views, NNOPT_VOTE_PROBABILITIES, 1));
		calls[i] = atomic_load(&memory.calls);
		nnopt_tensor_destroy(scores);
		nnopt_loader_destroy(loader);
		nnopt_dataset_destroy(data);
	}
	assert_int_equal(calls[0], calls[1]);
	nnopt_views_destroy(views);
	nnopt_model_destroy(net);
}

static void behind_transforms(void **state)
{
	(void)state;
	nnopt_dataset *data = make_data(N, NULL);
	nnopt_model *net = make_model(4, 5);
	nnopt_transforms *lists[2] = { make_transforms(4, 0), make_transforms(4, 1) }, *random = NULL;
	nnopt_predict_transformed_options o;
	nnopt_tensor *scores = NULL;
	assert_ok(nnopt_predict_transformed_options_init(&o, sizeof o));
	o.weights = (double[]){ 3.0, 1.0 };
	o.batch = 3;
	o.vote = NNOPT_VOTE_PROBABILITIES;
	o.probabilities = 1;
	assert_ok(nnopt_predict_transformed(&scores, net, data, lists, 2, &o));
	assert_scores(scores, cropped, "cropped");

	/* Chance: the mean over a loader's epochs. */
	assert_ok(nnopt_transforms_create(&random, ctx));
	assert_ok(nnopt_transforms_add_random_crop(random, 4, 5, 1.0));
	nnopt_loader_options l;
	nnopt_loader *loader = NULL;
	nnopt_plan_options p;
	nnopt_plan *plan = NULL;
	assert_ok(nnopt_loader_options_init(&l, sizeof l));
	l.batch = 5;
	l.seed = 77;
	l.use_seed = 1;
	assert_ok(nnopt_loader_create(&loader, data, random, &l));
	assert_ok(nnopt_plan_options_init(&p, sizeof p));
	p.batch = 5;
	assert_ok(nnopt_plan_create(&plan, net, &p));
	float wanted[N][K] = { { 0.0f } }, first[N][K] = { { 0.0f } };
	for (int64_t epoch = 0; epoch < 3; epoch++) {
		const nnopt_batch *batch = NULL;
		const nnopt_tensor *out = NULL;
		assert_ok(nnopt_loader_start(loader, epoch, 0));
		while (nnopt_loader_next(loader, &batch) == NNOPT_OK && batch != NULL) {
			assert_ok(nnopt_plan_forward(plan, batch->images, &out));
			for (int64_t i = 0; i < batch->count * K; i++) {
				float v = ((const float *)nnopt_tensor_const_data(out))[i];
				wanted[batch->indices[i / K]][i % K] += v / 3.0f;
				first[batch->indices[i / K]][i % K] =
				    epoch == 0 ? v : first[batch->indices[i / K]][i % K];
			}
		}
	}
	assert_ok(nnopt_predict_transformed_options_init(&o, sizeof o));
	o.draws = 3;
	o.seed = 77;
	assert_ok(nnopt_predict_transformed(&scores, net, data, &random, 1, &o));
	assert_scores(scores, (const float(*)[K])wanted, "drawn three times");
	assert_true(memcmp(wanted, first, sizeof wanted) != 0);

	/* Samples that no picture is made of have no row, however many they are. */
	int bad = UNREADABLE;
	nnopt_dataset *damaged = make_data(40, &bad);
	for (int many = 0; many < 2; many++) {
		bad = many ? TENTH : UNREADABLE;
		assert_ok(nnopt_predict_transformed(&scores, net, damaged, lists, 2, NULL));
		for (int i = 0; i < 40 * K; i++)
			assert_true(isnan(((const float *)nnopt_tensor_const_data(scores))[i]) ==
				    ((many ? i / K % 10 : i / K) == UNREADABLE));
		nnopt_tensor_destroy(scores);
	}

	scores = NULL;
#define refused(words, ...) \
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words, nnopt_predict_transformed(&scores, net, data, __VA_ARGS__))
	refused("lists is NULL", NULL, 1, NULL);
	refused("count 0", lists, 0, NULL);
	o.draws = 0;
	refused("draws 0", lists, 2, &o);
	o.draws = 1;
	o.batch = 0;
	refused("batch 0", lists, 2, &o);
	o.batch = 4;
	o.weights = (double[]){ 1.0, 0.0 };
	refused("weights[1] 0", lists, 2, &o);
	o.weights = (double[]){ 1e308, 1e308 };
	refused("weights add up to inf", lists, 2, &o);
	o.weights = NULL;
	o.vote = 3;
	refused("vote 3", lists, 2, &o);
#undef refused
	nnopt_transforms *both[2] = { lists[0], NULL }; /* pictures of another size */
	o.vote = NNOPT_VOTE_LOGITS;
	assert_fails(NNOPT_ERROR_STATE, "built for (3, 4, 5)",
		     nnopt_predict_transformed(&scores, net, data, both, 2, &o));
	assert_null(scores);
	nnopt_plan_destroy(plan);
	nnopt_loader_destroy(loader);
	nnopt_transforms_destroy(random);
	nnopt_transforms_destroy(lists[0]);
	nnopt_transforms_destroy(lists[1]);
	nnopt_model_destroy(net);
	nnopt_dataset_destroy(damaged);
	nnopt_dataset_destroy(data);
}

static void refuses(void **state)
{
	(void)state;
	nnopt_dataset *data = make_data(N, NULL);
	nnopt_model *net = make_model(H, W), *pictures = NULL;
	nnopt_loader *loader = make_loader(data, 0);
	nnopt_views *views = NULL;
	nnopt_tensor *scores = NULL;
	const nnopt_status bad = NNOPT_ERROR_INVALID_ARGUMENT;
	assert_fails(bad, "NULL", nnopt_views_create(NULL, ctx, NNOPT_PAD_ZERO));
	assert_fails(bad, "pad 3", nnopt_views_create(&views, ctx, (nnopt_pad_mode)3));
	views = make_views(NNOPT_PAD_REFLECT, 0);
	assert_fails(bad, "empty", nnopt_predict_augmented(&scores, net, NULL, loader, views, NNOPT_VOTE_LOGITS, 0));
	assert_fails(bad, "NULL", nnopt_views_add(NULL, 0, 0, 0, 1.0));
	assert_fails(bad, "shift (0, 65537)", nnopt_views_add(views, 0, 0, 65537, 1.0));
	assert_fails(bad, "weight 0", nnopt_views_add(views, 0, 0, 0, 0.0));
	assert_fails(bad, "weight nan", nnopt_views_add(views, 0, 0, 0, (double)NAN));
	assert_fails(bad, "shift -1", nnopt_views_add_mirrored(views, -1));
	assert_int_equal(nnopt_views_count(views), 0);
	assert_int_equal(nnopt_views_count(NULL), 0);
	assert_ok(nnopt_views_add(views, 1, -5, 6, 1.0));
	assert_fails(bad, "vote 7", nnopt_predict_augmented(&scores, net, NULL, loader, views, (nnopt_vote)7, 0));
	assert_fails(bad, "NULL", nnopt_predict_augmented(&scores, NULL, NULL, loader, views, NNOPT_VOTE_LOGITS, 0));
	assert_ok(nnopt_predict_augmented(&scores, net, NULL, loader, views, NNOPT_VOTE_LOGITS, 0));
	nnopt_tensor_destroy(scores);
	scores = NULL;
	assert_ok(nnopt_views_add(views, 0, -6, 0, 1.0));
	assert_fails(bad, "view 1 shifts by (-6, 0), less than the picture's (6, 7)",
		     nnopt_predict_augmented(&scores, net, NULL, loader, views, NNOPT_VOTE_LOGITS, 0));
	nnopt_views *heavy = make_views(NNOPT_PAD_ZERO, 0);
	for (int32_t mirror = 0; mirror < 2; mirror++)
		assert_ok(nnopt_views_add(heavy, mirror, 0, 0, 1e308));
	assert_fails(bad, "weights of 2 views add up to inf",
		     nnopt_predict_augmented(&scores, net, NULL, loader, heavy, NNOPT_VOTE_LOGITS, 0));
	nnopt_views_destroy(heavy);
	assert_ok(nnopt_model_create(&pictures, ctx));
	assert_ok(nnopt_add_relu(pictures));
	assert_fails(bad, "rank 2", nnopt_predict(&scores, pictures, NULL, loader, 0));
	assert_null(scores);
	nnopt_model_destroy(pictures);
	nnopt_views_destroy(views);
	nnopt_loader_destroy(loader);
	nnopt_model_destroy(net);
	nnopt_dataset_destroy(data);
}

/* Views of another context take its memory, and give it back to it. */
static void views_of_another_context(void **state)
{
	(void)state;
	nnopt_context *first = ctx;
	nnopt_context_options o;
	budget own = { 0 };
	long blocks = atomic_load(&memory.blocks);
	nnopt_tensor *scores = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.alloc = budget_alloc;
	o.free = budget_free;
	o.alloc_user = &own;
	assert_ok(nnopt_context_create(&ctx, &o));
	nnopt_views *views = make_views(NNOPT_PAD_ZERO, 1);
	nnopt_context_destroy(ctx);
	ctx = first;
	nnopt_dataset *data = make_data(N, NULL);
	nnopt_model *net = make_model(H, W);
	nnopt_loader *loader = make_loader(data, 0);
	assert_ok(nnopt_predict_augmented(&scores, net, NULL, loader, views, NNOPT_VOTE_LOGITS, 0));
	nnopt_tensor_destroy(scores);
	nnopt_loader_destroy(loader);
	nnopt_model_destroy(net);
	nnopt_dataset_destroy(data);
	nnopt_views_destroy(views);
	assert_int_equal(atomic_load(&own.blocks), 0);
	assert_int_equal(atomic_load(&own.live), 0);
	assert_int_equal(atomic_load(&memory.blocks), blocks);
}

/* Each allocation fails in turn: nothing is left, and nothing given. */
static void out_of_memory(void **state)
{
	(void)state;
	nnopt_dataset *data = make_data(N, NULL);
	nnopt_model *net = make_model(H, W), *small = make_model(4, 5);
	nnopt_loader *loader = make_loader(data, 0);
	nnopt_transforms *list = make_transforms(4, 0);
	nnopt_tensor *scores = NULL;
	int64_t shape[3];
	assert_ok(nnopt_loader_sample_shape(loader, shape));
	for (int transformed = 0; transformed < 2; transformed++) {
		nnopt_status status = NNOPT_ERROR_OUT_OF_MEMORY;
		long at = 1;
		for (; status != NNOPT_OK && at < 500; at++) {
			long blocks = atomic_load(&memory.blocks);
			nnopt_views *views = NULL;
			atomic_store(&memory.calls, 0);
			atomic_store(&memory.fail_at, at);
			status = nnopt_views_create(&views, ctx, NNOPT_PAD_REFLECT);
			if (status == NNOPT_OK)
				status = nnopt_views_add_mirrored(views, 1);
			if (status == NNOPT_OK)
				status = transformed ? nnopt_predict_transformed(&scores, small, data, &list, 1, NULL)
						     : nnopt_predict_augmented(&scores, net, NULL, loader, views,
									       NNOPT_VOTE_LOGITS, 0);
			atomic_store(&memory.fail_at, 0);
			nnopt_views_destroy(views);
			if (status != NNOPT_OK) {
				assert_int_equal(status, NNOPT_ERROR_OUT_OF_MEMORY);
				assert_null(scores);
				assert_int_equal(atomic_load(&memory.blocks), blocks);
			}
		}
		assert_int_equal(status, NNOPT_OK);
		assert_true(at > 8);
		nnopt_tensor_destroy(scores);
		scores = NULL;
	}
	nnopt_transforms_destroy(list);
	nnopt_loader_destroy(loader);
	nnopt_model_destroy(net);
	nnopt_model_destroy(small);
	nnopt_dataset_destroy(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_torch),          cmocka_unit_test(both_forms),
		cmocka_unit_test(unreadable),        cmocka_unit_test(no_allocation_in_the_loop),
		cmocka_unit_test(behind_transforms), cmocka_unit_test(refuses),
		cmocka_unit_test(out_of_memory),     cmocka_unit_test(views_of_another_context),
	};
	return cmocka_run_group_tests(tests, make_context, free_context);
}
