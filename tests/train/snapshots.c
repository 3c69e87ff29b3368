/* snapshots.c - copies at the ends of cycles are the weights of those updates, interrupted or not; greedy soups against
 * arithmetic of the test's own. */
#include "blocks.h"
#include "budget_context.h"
#include "golden.h"

#include <stdio.h>
#include <unistd.h>

enum { COUNT = 40, CLASSES = 3, SIDE = 4, BATCH = 8, BATCHES = 5, EPOCHS = 7, MOST = 3 };
#define PATH TEST_TMP "/snapshots.ckpt"

static uint8_t pixel(int i, int j) { return (uint8_t)((number(5, (uint32_t)(i * SIDE * SIDE + j)) + 2.0f) * 60.0f); }

static double truth(int c, int j) { return (double)number(60, (uint32_t)(c * SIDE * SIDE + j)); }

/* What a linear model without noise says. */
static int label_of(int i)
{
	double z[CLASSES] = { 0.0 };
	int best = 0;
	for (int c = 0; c < CLASSES; c++) {
		for (int j = 0; j < SIDE * SIDE; j++)
			z[c] += truth(c, j) * pixel(i, j);
		best = z[c] > z[best] ? c : best;
	}
	return best;
}

static nnopt_loader *make_loader(int32_t shuffle)
{
	nnopt_tensor *images = NULL, *labels = NULL;
	nnopt_dataset *data = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 1, SIDE, SIDE }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	for (int i = 0; i < COUNT * SIDE * SIDE; i++)
		((uint8_t *)nnopt_tensor_data(images))[i] = pixel(i / (SIDE * SIDE), i % (SIDE * SIDE));
	for (int i = 0; i < COUNT; i++)
		((int32_t *)nnopt_tensor_data(labels))[i] = label_of(i);
	assert_ok(nnopt_dataset_from_tensors(&data, ctx, images, labels));
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = BATCH;
	o.shuffle = shuffle;
	assert_ok(nnopt_loader_create(&loader, data, NULL, &o));
	nnopt_dataset_destroy(data);
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	return loader;
}

static nnopt_model *make_model(int64_t filters)
{
	nnopt_model *net = NULL;
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_add_conv2d(net, filters, 3, NULL));
	assert_ok(nnopt_add_batch_norm2d(net, NULL));
	assert_ok(nnopt_add_flatten(net));
	assert_ok(nnopt_add_linear(net, CLASSES, NULL));
	assert_ok(nnopt_model_build(net, 3, (int64_t[]){ 1, SIDE, SIDE }));
	return net;
}

static nnopt_snapshots *make_snapshots(int64_t first, int64_t multiply, int64_t start, int64_t most)
{
	nnopt_snapshots *s = NULL;
	nnopt_snapshots_options o;
	assert_ok(nnopt_snapshots_options_init(&o, sizeof o));
	o.first = first;
	o.multiply = multiply;
	o.start = start;
	o.most = most;
	assert_ok(nnopt_snapshots_create(&s, ctx, &o));
	return s;
}

/* The weights after every update of a run, as a callback sees them. */
typedef struct diary {
	float *parameters, *state;
	nnopt_model_blocks blocks;
	nnopt_cancel *cancel;
	int64_t stop_at; /* 0: never */
} diary;

static nnopt_status write_diary(const nnopt_progress *progress, void *user)
{
	diary *d = user;
	d->blocks = blocks_of(progress->model);
	memcpy(d->parameters + progress->step * d->blocks.parameter_elements, d->blocks.parameters,
	       (size_t)d->blocks.parameter_elements * sizeof(float));
	memcpy(d->state + progress->step * d->blocks.state_elements, d->blocks.state,
	       (size_t)d->blocks.state_elements * sizeof(float));
	if (progress->step == d->stop_at)
		nnopt_cancel_request(d->cancel);
	return NNOPT_OK;
}

static nnopt_status fit(nnopt_model *net, nnopt_snapshots *s, diary *d, const char *path)
{
	nnopt_fit_options o;
	nnopt_loss *loss = NULL;
	nnopt_optimizer *sgd = NULL;
	nnopt_schedule *cycles = NULL;
	nnopt_loader *loader = make_loader(1);
	assert_ok(nnopt_cross_entropy_create(&loss, ctx, NULL));
	assert_ok(nnopt_sgd_create(&sgd, ctx, NULL));
	assert_ok(nnopt_schedule_warm_restarts_create(&cycles, ctx, 7, 1, 0.0));
	assert_ok(nnopt_cancel_create(&d->cancel, ctx));
	assert_ok(nnopt_fit_options_init(&o, sizeof o));
	o.epochs = EPOCHS;
	o.schedule = cycles;
	o.snapshots = s;
	o.on_batch = write_diary;
	o.progress_user = d;
	o.cancel = d->cancel;
	o.checkpoint_path = path;
	o.resume = path != NULL;
	nnopt_status status = nnopt_fit(net, loader, loss, sgd, &o, NULL);
	nnopt_cancel_destroy(d->cancel);
	nnopt_schedule_destroy(cycles);
	nnopt_optimizer_destroy(sgd);
	nnopt_loss_destroy(loss);
	nnopt_loader_destroy(loader);
	return status;
}

/* The copies are the diary's weights of updates 21, 28 and 35, the last three of five cycles. */
static void assert_copies(const nnopt_snapshots *s, const diary *d)
{
	nnopt_model *other = make_model(4);
	nnopt_model_blocks k = blocks_of(other);
	assert_int_equal(nnopt_snapshots_count(s), MOST);
	for (int64_t i = 0; i < MOST; i++) {
		int64_t step = 7 * (i + 3);
		assert_int_equal(nnopt_snapshots_step(s, i), step);
		assert_ok(nnopt_snapshots_apply(s, i, other));
		assert_memory_equal(k.parameters, d->parameters + step * k.parameter_elements,
				    (size_t)k.parameter_elements * sizeof(float));
		assert_memory_equal(k.state, d->state + step * k.state_elements,
				    (size_t)k.state_elements * sizeof(float));
	}
	assert_int_equal(nnopt_snapshots_step(s, MOST), -1);
	assert_int_equal(nnopt_snapshots_step(s, -1), -1);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "copy 3 of 3", nnopt_snapshots_apply(s, MOST, other));
	nnopt_model_destroy(other);
}

static void of_a_run(void **state)
{
	(void)state;
	diary d = { 0 };
	nnopt_model *net = make_model(4);
	nnopt_model_blocks k = blocks_of(net);
	enum { STEPS = EPOCHS * BATCHES + 1 };
	d.parameters = calloc(STEPS, (size_t)k.parameter_elements * sizeof(float));
	d.state = calloc(STEPS, (size_t)k.state_elements * sizeof(float));
	assert_true(d.parameters != NULL && d.state != NULL);
	nnopt_snapshots *s = make_snapshots(7, 1, 0, MOST);
	assert_ok(fit(net, s, &d, NULL));
	assert_copies(s, &d);
	assert_true(memcmp(d.parameters + 28 * k.parameter_elements, d.parameters + 35 * k.parameter_elements,
			   sizeof(float)) != 0);
	nnopt_snapshots_destroy(s);
	nnopt_model_destroy(net);

	/* Stopped in the fourth cycle, and gone on with by new objects. */
	(void)remove(PATH);
	for (int part = 0; part < 2; part++) {
		net = make_model(4);
		s = make_snapshots(7, 1, 0, MOST);
		d.stop_at = part == 0 ? 24 : 0;
		assert_int_equal(fit(net, s, &d, PATH), part == 0 ? NNOPT_ERROR_CANCELLED : NNOPT_OK);
		assert_int_equal(nnopt_snapshots_count(s), MOST);
		if (part == 1)
			assert_copies(s, &d);
		nnopt_snapshots_destroy(s);
		nnopt_model_destroy(net);
	}

	/* A file with as many copies as fit elsewhere only is refused, and nothing changes. */
	net = make_model(4);
	s = make_snapshots(7, 1, 0, 2);
	nnopt_optimizer *sgd = NULL;
	assert_ok(nnopt_sgd_create(&sgd, ctx, NULL));
	nnopt_training_state t = { .struct_size = sizeof t, .model = net, .optimizer = sgd, .snapshots = s };
	assert_fails(NNOPT_ERROR_FORMAT, "snapshots.steps", nnopt_checkpoint_load(&t, PATH));
	assert_int_equal(nnopt_snapshots_count(s), 0);
	assert_int_equal(t.epoch, 0);
	/* Saved and loaded before there are any. */
	assert_ok(nnopt_checkpoint_save(&t, PATH));
	assert_ok(nnopt_checkpoint_load(&t, PATH));
	assert_int_equal(nnopt_snapshots_count(s), 0);
	(void)remove(PATH);
	nnopt_optimizer_destroy(sgd);
	nnopt_snapshots_destroy(s);
	nnopt_model_destroy(net);
	free(d.parameters);
	free(d.state);
}

static void ends_of_cycles(void **state)
{
	(void)state;
	static const struct {
		int64_t first, multiply, start, count, steps[8];
	} cases[] = {
		{ 5, 1, 0, 8, { 5, 10, 15, 20, 25, 30, 35, 40 } },
		{ 3, 2, 0, 3, { 3, 9, 21 } },
		{ 3, 2, 4, 3, { 7, 13, 25 } },
		{ 1, 3, 0, 4, { 1, 4, 13, 40 } },
		{ 40, 7, 0, 1, { 40 } },
		{ 2, INT64_MAX, 0, 1, { 2 } },
	};
	nnopt_model *net = make_model(1);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		nnopt_snapshots *s = make_snapshots(cases[i].first, cases[i].multiply, cases[i].start, 10);
		for (int64_t step = 0; step <= 40; step++)
			assert_ok(nnopt_snapshots_update(s, net, step));
		assert_int_equal(nnopt_snapshots_count(s), cases[i].count);
		for (int64_t k = 0; k < cases[i].count; k++)
			assert_int_equal(nnopt_snapshots_step(s, k), cases[i].steps[k]);
		nnopt_snapshots_destroy(s);
	}
	nnopt_model_destroy(net);
}

static void refuses(void **state)
{
	(void)state;
	static const int64_t bad[][4] = {
		{ 0, 1, 0, 5 }, { 1, 0, 0, 5 }, { 1, 1, -1, 5 }, { 1, 1, 0, 0 }, { 1, 1, 0, 1025 }
	};
	nnopt_snapshots *s = NULL;
	nnopt_snapshots_options o;
	assert_ok(nnopt_snapshots_options_init(&o, sizeof o));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		o.first = bad[i][0];
		o.multiply = bad[i][1];
		o.start = bad[i][2];
		o.most = bad[i][3];
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "wanted", nnopt_snapshots_create(&s, ctx, &o));
	}
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "first 0", nnopt_snapshots_create(&s, ctx, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "NULL", nnopt_snapshots_create(&s, NULL, &o));
	s = make_snapshots(1, 1, 0, 4);
	nnopt_model *net = make_model(2), *other = make_model(3), *raw = NULL;
	assert_ok(nnopt_model_create(&raw, ctx));
	assert_fails(NNOPT_ERROR_STATE, "built", nnopt_snapshots_attach(s, raw));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "NULL", nnopt_snapshots_update(s, NULL, 1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "NULL", nnopt_snapshots_attach(NULL, net));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "copy 0 of 0", nnopt_snapshots_apply(s, 0, net));
	long blocks = atomic_load(&memory.blocks);
	for (int at = 1; at <= 3; at++) {
		atomic_store(&memory.calls, 0);
		atomic_store(&memory.fail_at, at);
		assert_fails(NNOPT_ERROR_OUT_OF_MEMORY, "4 copies", nnopt_snapshots_attach(s, net));
		assert_int_equal(atomic_load(&memory.blocks), blocks);
	}
	atomic_store(&memory.fail_at, 0);
	assert_ok(nnopt_snapshots_attach(s, net));
	atomic_store(&memory.calls, 0);
	assert_ok(nnopt_snapshots_update(s, net, 1));
	assert_int_equal(atomic_load(&memory.calls), 0);
	assert_fails(NNOPT_ERROR_STATE, "parameters", nnopt_snapshots_update(s, other, 2));
	assert_fails(NNOPT_ERROR_STATE, "parameters", nnopt_snapshots_apply(s, 0, other));
	assert_int_equal(nnopt_snapshots_count(s), 1);
	assert_int_equal(nnopt_snapshots_count(NULL), 0);
	assert_int_equal(nnopt_snapshots_step(NULL, 0), -1);
	nnopt_snapshots_destroy(NULL);
	nnopt_snapshots_destroy(s);
	nnopt_model_destroy(net);
	nnopt_model_destroy(other);
	nnopt_model_destroy(raw);
}

/* --- greedy soups of linear models, whose accuracies the test works out by itself --- */

enum { MODELS = 6, FEATURES = SIDE * SIDE };

static double weight_of(int m, int c, int j)
{
	/* About the true one, but for two that are nothing like it. */
	double own = (double)number(61 + (uint32_t)m, (uint32_t)(c * FEATURES + j));
	return m == 1 || m == 4 ? own : truth(c, j) + 0.7 * own;
}

static nnopt_model *make_linear(int m)
{
	nnopt_model *net = NULL;
	nnopt_tensor *w = NULL;
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_add_flatten(net));
	assert_ok(nnopt_add_linear(net, CLASSES, NULL));
	assert_ok(nnopt_model_build(net, 3, (int64_t[]){ 1, SIDE, SIDE }));
	assert_ok(nnopt_tensor_create(&w, ctx, NNOPT_F32, 2, (int64_t[]){ CLASSES, FEATURES }, NNOPT_NCHW));
	for (int i = 0; i < CLASSES * FEATURES; i++)
		((float *)nnopt_tensor_data(w))[i] = (float)weight_of(m, i / FEATURES, i % FEATURES);
	assert_ok(nnopt_model_set_parameter(net, 0, w));
	nnopt_tensor_destroy(w);
	assert_ok(nnopt_tensor_create(&w, ctx, NNOPT_F32, 1, (int64_t[]){ CLASSES }, NNOPT_NCHW));
	assert_ok(nnopt_model_set_parameter(net, 1, w));
	nnopt_tensor_destroy(w);
	return net;
}

static int hits_of(const int *members, int count)
{
	int hits = 0;
	for (int i = 0; i < COUNT; i++) {
		double z[CLASSES] = { 0.0 };
		int best = 0;
		for (int c = 0; c < CLASSES; c++) {
			for (int j = 0; j < FEATURES; j++)
				for (int k = 0; k < count; k++)
					z[c] += weight_of(members[k], c, j) * pixel(i, j);
			best = z[c] > z[best] ? c : best;
		}
		hits += best == label_of(i);
	}
	return hits;
}

static void greedy_soup(void **state)
{
	(void)state;
	nnopt_model *models[MODELS], *soup = make_linear(0);
	nnopt_loader *loader = make_loader(0);
	int order[MODELS], in[MODELS], count = 0, best = -1, wanted[MODELS] = { 0 };
	int32_t taken[MODELS];
	double accuracy = 0.0;
	for (int m = 0; m < MODELS; m++) {
		models[m] = make_linear(m);
		int at = m;
		for (; at > 0 && hits_of(&order[at - 1], 1) < hits_of(&m, 1); at--)
			order[at] = order[at - 1];
		order[at] = m;
	}
	for (int k = 0; k < MODELS; k++) {
		in[count] = order[k];
		int hits = hits_of(in, count + 1);
		if (hits >= best) {
			best = hits;
			wanted[order[k]] = 1;
			count++;
		}
	}
	assert_in_range(count, 2, MODELS - 1); /* the case has both */
	assert_ok(nnopt_model_greedy_soup(soup, models, MODELS, loader, NULL, 0, taken, &accuracy));
	for (int m = 0; m < MODELS; m++)
		assert_int_equal(taken[m], wanted[m]);
	assert_true(accuracy == (double)best / COUNT);
	nnopt_model_blocks k = blocks_of(soup);
	nnopt_model *mean = make_linear(0), *chosen[MODELS];
	for (int i = 0, n = 0; i < MODELS; i++)
		if (wanted[order[i]])
			chosen[n++] = models[order[i]];
	assert_ok(nnopt_model_average(mean, chosen, NULL, count));
	assert_memory_equal(k.parameters, blocks_of(mean).parameters, (size_t)k.parameter_elements * sizeof(float));

	const nnopt_status bad = NNOPT_ERROR_INVALID_ARGUMENT;
	assert_fails(bad, "count 0", nnopt_model_greedy_soup(soup, models, 0, loader, NULL, 0, NULL, NULL));
	assert_fails(bad, "NULL", nnopt_model_greedy_soup(soup, models, MODELS, NULL, NULL, 0, NULL, NULL));
	assert_fails(bad, "models[0] is the model",
		     nnopt_model_greedy_soup(soup, &soup, 1, loader, NULL, 0, NULL, NULL));
	assert_fails(bad, "models[1] is NULL",
		     nnopt_model_greedy_soup(soup, (nnopt_model *[]){ mean, NULL }, 2, loader, NULL, 0, NULL, NULL));
	nnopt_model *other = make_model(2);
	assert_fails(bad, "model_average", nnopt_model_greedy_soup(soup, &other, 1, loader, NULL, 0, NULL, NULL));
	nnopt_status status = NNOPT_ERROR_OUT_OF_MEMORY;
	for (int at = 1; at < 200 && status != NNOPT_OK; at++) {
		long blocks = atomic_load(&memory.blocks);
		atomic_store(&memory.calls, 0);
		atomic_store(&memory.fail_at, at);
		status = nnopt_model_greedy_soup(soup, models, 2, loader, NULL, 0, NULL, NULL);
		atomic_store(&memory.fail_at, 0);
		assert_true(status == NNOPT_OK || status == NNOPT_ERROR_OUT_OF_MEMORY);
		assert_true(atomic_load(&memory.blocks) <= blocks + 8);
	}
	assert_int_equal(status, NNOPT_OK);
	nnopt_model_destroy(other);
	nnopt_model_destroy(mean);
	nnopt_model_destroy(soup);
	for (int m = 0; m < MODELS; m++)
		nnopt_model_destroy(models[m]);
	nnopt_loader_destroy(loader);
}

/* Running statistics of the soup's own, not the mean of its members'. */
static void refreshed_soup(void **state)
{
	(void)state;
	nnopt_model *models[2] = { make_model(4), make_model(4) }, *soup = make_model(4), *mean = make_model(4);
	nnopt_loader *loader = make_loader(0);
	assert_ok(nnopt_model_initialise(models[1], 9));
	int32_t taken[2];
	assert_ok(nnopt_model_greedy_soup(soup, models, 2, loader, loader, 0, taken, NULL));
	nnopt_model *chosen[2] = { models[taken[0] ? 0 : 1], models[1] };
	assert_ok(nnopt_model_average(mean, chosen, NULL, taken[0] + taken[1]));
	nnopt_model_blocks a = blocks_of(soup), b = blocks_of(mean);
	assert_memory_equal(a.parameters, b.parameters, (size_t)a.parameter_elements * sizeof(float));
	assert_true(memcmp(a.state, b.state, (size_t)a.state_elements * sizeof(float)) != 0);
	assert_ok(nnopt_model_refresh_batch_norm(mean, loader, 0, NNOPT_PRECISION_F32));
	assert_memory_equal(a.state, b.state, (size_t)a.state_elements * sizeof(float));
	nnopt_model_destroy(models[0]);
	nnopt_model_destroy(models[1]);
	nnopt_model_destroy(soup);
	nnopt_model_destroy(mean);
	nnopt_loader_destroy(loader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_run),    cmocka_unit_test(ends_of_cycles), cmocka_unit_test(refuses),
		cmocka_unit_test(greedy_soup), cmocka_unit_test(refreshed_soup),
	};
	return cmocka_run_group_tests(tests, make_context, free_context);
}
