/* world.h - failing allocations: the objects that scenarios work on, and how a scenario is run. Every allocation fails
 * in turn, alone and with all that follow. Each time: an error with its text or the right result, no output written,
 * nothing left behind; and after the failures the same objects do their work. Whoever includes it defines OOM_NAME, of
 * its files. */
#ifndef TESTS_OOM_WORLD_H
#define TESTS_OOM_WORLD_H

#include "check.h"

#include "budget.h"

#include <stdio.h>
#include <unistd.h>

#define COUNT 24
#define PATH TEST_TMP "/" OOM_NAME ".file"
#define IMAGES TEST_TMP "/" OOM_NAME ".images"
#define LABELS TEST_TMP "/" OOM_NAME ".labels"

typedef struct world {
	budget memory;
	nnopt_context *ctx;
	nnopt_dataset *data;
	nnopt_model *net; /* built, small */
	nnopt_loader *loader;
	nnopt_loss *loss;
} world;

static nnopt_status add_layers(nnopt_model *m)
{
	nnopt_status s = nnopt_add_conv2d(m, 4, 3, NULL);
	if (s == NNOPT_OK)
		s = nnopt_add_batch_norm2d(m, NULL);
	if (s == NNOPT_OK)
		s = nnopt_add_relu(m);
	if (s == NNOPT_OK)
		s = nnopt_add_max_pool2d(m, 2, NULL);
	if (s == NNOPT_OK)
		s = nnopt_add_dropout(m, 0.2f);
	if (s == NNOPT_OK)
		s = nnopt_add_layer_norm(m, NULL);
	if (s == NNOPT_OK)
		s = nnopt_add_group_norm(m, 2, NULL);
	if (s == NNOPT_OK)
		s = nnopt_add_drop_block(m, 2, 0.1f);
	if (s == NNOPT_OK)
		s = nnopt_add_flatten(m);
	return s == NNOPT_OK ? nnopt_add_linear(m, 3, NULL) : s;
}

static nnopt_status make_training_plan(world *w, nnopt_plan **p)
{
	nnopt_plan_options o;
	nnopt_status s = nnopt_plan_options_init(&o, sizeof o);
	o.batch = 4;
	o.mode = NNOPT_TRAINING;
	return s == NNOPT_OK ? nnopt_plan_create(p, w->net, &o) : s;
}

static nnopt_status steps(world *w)
{
	nnopt_plan *p = NULL;
	nnopt_optimizer *o[9] = { NULL };
	nnopt_rmsprop_options r;
	nnopt_sgd_options g;
	nnopt_status s = nnopt_rmsprop_options_init(&r, sizeof r);
	r.momentum = 0.9;
	r.centered = 1;
	if (s == NNOPT_OK)
		s = nnopt_sgd_options_init(&g, sizeof g);
	g.momentum = 0.9;
	if (s == NNOPT_OK)
		s = make_training_plan(w, &p);
	if (s == NNOPT_OK)
		s = nnopt_sgd_create(&o[0], w->ctx, &g);
	if (s == NNOPT_OK)
		s = nnopt_adam_create(&o[1], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_adamw_create(&o[2], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_rmsprop_create(&o[3], w->ctx, &r);
	if (s == NNOPT_OK)
		s = nnopt_adagrad_create(&o[4], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_nadam_create(&o[5], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_lion_create(&o[6], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_lamb_create(&o[7], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_muon_create(&o[8], w->ctx, NULL);
	nnopt_tensor *x = NULL, *labels = NULL;
	if (s == NNOPT_OK)
		s = nnopt_tensor_create(&x, w->ctx, NNOPT_F32, 4, (int64_t[]){ 4, 1, 8, 8 }, NNOPT_NCHW);
	if (s == NNOPT_OK)
		s = nnopt_tensor_create(&labels, w->ctx, NNOPT_I32, 1, (int64_t[]){ 4 }, NNOPT_NCHW);
	for (int i = 0; i < 9 && s == NNOPT_OK; i++) {
		const nnopt_tensor *y = NULL;
		nnopt_loss_result result = { .struct_size = sizeof result };
		s = nnopt_plan_forward(p, x, &y);
		if (s == NNOPT_OK)
			s = nnopt_loss_compute(w->loss, y, labels, 1.0f, nnopt_plan_output_gradient(p), &result);
		if (s == NNOPT_OK)
			s = nnopt_plan_backward(p, 0);
		if (s == NNOPT_OK)
			s = nnopt_optimizer_step(o[i], w->net, 1.0f, NULL);
	}
	for (int i = 0; i < 9; i++)
		nnopt_optimizer_destroy(o[i]);
	nnopt_tensor_destroy(x);
	nnopt_tensor_destroy(labels);
	nnopt_plan_destroy(p);
	return s;
}

static nnopt_status evaluation(world *w)
{
	nnopt_metrics *m = NULL;
	nnopt_evaluation e = { .struct_size = sizeof e };
	nnopt_status s = nnopt_metrics_create(&m, w->ctx, 3);
	if (s == NNOPT_OK)
		s = nnopt_evaluate(w->net, NULL, w->loader, w->loss, m, &e);
	nnopt_metrics_destroy(m);
	return s;
}

static nnopt_status fit(world *w)
{
	nnopt_optimizer *adam = NULL;
	nnopt_history *h = NULL;
	nnopt_fit_options o;
	nnopt_status s = nnopt_adam_create(&adam, w->ctx, NULL);
	(void)unlink(PATH);
	if (s == NNOPT_OK)
		s = nnopt_fit_options_init(&o, sizeof o);
	o.epochs = 2;
	o.validation = NULL;
	o.monitor = NNOPT_MONITOR_TRAINING_LOSS;
	o.patience = 1;
	o.checkpoint_path = PATH;
	o.checkpoint_steps = 2;
	o.resume = 1;
	if (s == NNOPT_OK)
		s = nnopt_fit(w->net, w->loader, w->loss, adam, &o, &h);
	if (s == NNOPT_OK) {
		nnopt_training_state state = { .struct_size = sizeof state, .model = w->net, .optimizer = adam };
		s = nnopt_checkpoint_load(&state, PATH);
	}
	nnopt_history_destroy(h);
	nnopt_optimizer_destroy(adam);
	return s;
}

/* --- how they are run --- */

static void make_data(world *w)
{
	uint8_t images[16 + COUNT * 64] = { 0, 0, 8, 3, 0, 0, 0, COUNT, 0, 0, 0, 8, 0, 0, 0, 8 },
				    labels[8 + COUNT] = { 0, 0, 8, 1, 0, 0, 0, COUNT };
	for (int i = 0; i < COUNT; i++)
		labels[8 + i] = (uint8_t)(i % 3);
	for (size_t i = 16; i < sizeof images; i++)
		images[i] = (uint8_t)(i * 37);
	FILE *f = fopen(IMAGES, "wb"), *g = fopen(LABELS, "wb");
	assert_true(f != NULL && g != NULL);
	assert_int_equal(fwrite(images, 1, sizeof images, f), sizeof images);
	assert_int_equal(fwrite(labels, 1, sizeof labels, g), sizeof labels);
	assert_true(fclose(f) == 0 && fclose(g) == 0);
	assert_ok(nnopt_idx_open(&w->data, w->ctx, IMAGES, LABELS));
}

static int setup(void **state)
{
	static world w;
	nnopt_context_options o;
	nnopt_loader_options lo;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.threads = 2;
	o.alloc = budget_alloc;
	o.free = budget_free;
	o.alloc_user = &w.memory;
	assert_ok(nnopt_context_create(&w.ctx, &o));
	make_data(&w);
	assert_ok(nnopt_model_create(&w.net, w.ctx));
	assert_ok(add_layers(w.net));
	assert_ok(nnopt_model_build(w.net, 3, (int64_t[]){ 1, 8, 8 }));
	assert_ok(nnopt_loader_options_init(&lo, sizeof lo));
	lo.batch = 8;
	lo.workers = 0;
	lo.on_bad_sample = NNOPT_BAD_SAMPLE_FAIL;
	assert_ok(nnopt_loader_create(&w.loader, w.data, NULL, &lo));
	assert_ok(nnopt_cross_entropy_create(&w.loss, w.ctx, NULL));
	/* What shared objects allocate at first use stays with them: gradients, scratch of the loss. */
	assert_ok(steps(&w));
	assert_ok(fit(&w));
	assert_ok(evaluation(&w));
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	world *w = *state;
	nnopt_loss_destroy(w->loss);
	nnopt_loader_destroy(w->loader);
	nnopt_model_destroy(w->net);
	nnopt_dataset_destroy(w->data);
	nnopt_context_destroy(w->ctx);
	assert_int_equal(atomic_load(&w->memory.blocks), 0);
	assert_int_equal(atomic_load(&w->memory.live), 0);
	(void)unlink(PATH);
	return 0;
}

static long run_failing(world *w, nnopt_status (*scenario)(world *), const char *name, int all)
{
	long blocks = atomic_load(&w->memory.blocks), n = 0;
	for (;;) {
		n++;
		atomic_store(&w->memory.calls, 0);
		atomic_store(&w->memory.failures, 0);
		atomic_store(&w->memory.fail_after, all);
		atomic_store(&w->memory.fail_at, n);
		nnopt_status s = scenario(w);
		atomic_store(&w->memory.fail_at, 0);
		long failures = atomic_load(&w->memory.failures);
		if (atomic_load(&w->memory.blocks) != blocks)
			fail_msg("%s: allocation %ld failed: %ld blocks left behind", name, n,
				 atomic_load(&w->memory.blocks) - blocks);
		if (failures == 0) {
			assert_int_equal(s, NNOPT_OK);
			return n - 1;
		}
		if (s != NNOPT_OK && (s != NNOPT_ERROR_OUT_OF_MEMORY || nnopt_last_error()[0] == 0))
			fail_msg("%s: allocation %ld failed: %s (\"%s\")", name, n, nnopt_status_name(s),
				 nnopt_last_error());
		if (s == NNOPT_OK && all)
			fail_msg("%s: all allocations from %ld on failed, and it went well", name, n);
		if (access(PATH ".tmp", F_OK) == 0)
			fail_msg("%s: allocation %ld failed: a temporary file is left", name, n);
	}
}

static void run(world *w, nnopt_status (*scenario)(world *), const char *name)
{
	long one = run_failing(w, scenario, name, 0);
	(void)run_failing(w, scenario, name, 1);
	assert_ok(scenario(w));
	print_message("%s: each of %ld allocations failed in turn\n", name, one);
}

#endif
