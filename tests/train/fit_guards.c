/* fit_guards.c - what callbacks may not do to a run, what has nothing to train with, and whose checkpoint it is. */
#include "blocks.h"

#include <stdio.h>
#include <unistd.h>

enum { COUNT = 40, BATCH = 8, BATCHES = 5 };
#define PATH TEST_TMP "/guards.ckpt"

typedef struct run {
	nnopt_context *ctx;
	nnopt_dataset *data;
	nnopt_loader *loader;
	nnopt_model *net;
	nnopt_loss *loss;
	nnopt_optimizer *sgd;
	nnopt_fit_options o;
	int64_t stop_at; /* the step after which act() fails; 0: never */
	int act_at;      /* the number of the call of act() that does something; 0: none */
	int calls;
	nnopt_status (*act)(struct run *);
} run;

static nnopt_loader *make_loader(nnopt_dataset *data, int64_t batch)
{
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = batch;
	o.shuffle = 1;
	o.drop_last = 1;
	assert_ok(nnopt_loader_create(&loader, data, NULL, &o));
	return loader;
}

static nnopt_status act(const nnopt_progress *p, void *user)
{
	run *r = user;
	if (++r->calls == r->act_at)
		return r->act(r);
	return r->stop_at > 0 && p->step == r->stop_at ? nnopt_fail(NNOPT_ERROR_STATE, "enough") : NNOPT_OK;
}

static run begin(void)
{
	run r = { 0 };
	nnopt_tensor *images = NULL, *labels = NULL;
	assert_ok(nnopt_context_create(&r.ctx, NULL));
	assert_ok(nnopt_tensor_create(&images, r.ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 1, 4, 4 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, r.ctx, NNOPT_I64, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	for (int i = 0; i < COUNT; i++) {
		((int64_t *)nnopt_tensor_data(labels))[i] = i % 2;
		memset((uint8_t *)nnopt_tensor_data(images) + 16 * i, i % 2 ? 200 : 50, 16);
	}
	assert_ok(nnopt_dataset_from_tensors(&r.data, r.ctx, images, labels));
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	r.loader = make_loader(r.data, BATCH);
	assert_ok(nnopt_model_create(&r.net, r.ctx));
	assert_ok(nnopt_add_flatten(r.net));
	assert_ok(nnopt_add_linear(r.net, 2, NULL));
	assert_ok(nnopt_cross_entropy_create(&r.loss, r.ctx, NULL));
	assert_ok(nnopt_sgd_create(&r.sgd, r.ctx, NULL));
	assert_ok(nnopt_fit_options_init(&r.o, sizeof r.o));
	r.o.epochs = 3;
	r.o.monitor = NNOPT_MONITOR_TRAINING_LOSS;
	return r;
}

static void end(run *r)
{
	nnopt_optimizer_destroy(r->sgd);
	nnopt_loss_destroy(r->loss);
	nnopt_model_destroy(r->net);
	nnopt_loader_destroy(r->loader);
	nnopt_dataset_destroy(r->data);
	nnopt_context_destroy(r->ctx);
}

static nnopt_status fit(run *r)
{
	r->o.progress_user = r;
	r->calls = 0;
	return nnopt_fit(r->net, r->loader, r->loss, r->sgd, &r->o, NULL);
}

static nnopt_status replace(run *r)
{
	nnopt_layer *layer = NULL;
	nnopt_status status = nnopt_linear_create(&layer, r->ctx, 2, NULL);
	if (status == NNOPT_OK)
		status = nnopt_model_replace_layer(r->net, "linear1", layer);
	nnopt_layer_destroy(layer);
	return status;
}

/* The weights of before are gone: nothing may be copied to or from where they were. */
static void a_replaced_layer_ends_the_run(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		run r = begin();
		r.act = replace;
		r.o.restore_best = i < 2;
		r.o.checkpoint_path = i == 2 ? PATH : NULL;
		if (i == 0)
			r.o.on_epoch = act;
		else
			r.o.on_batch = act;
		r.act_at = i == 0 ? 3 : BATCHES;
		(void)remove(PATH);
		assert_fails(NNOPT_ERROR_STATE, i == 0 ? "on_epoch replaced a layer" : "on_batch replaced a layer",
			     fit(&r));
		r.o.on_epoch = r.o.on_batch = NULL; /* the model goes on with its new layer */
		nnopt_optimizer_destroy(r.sgd);
		r.sgd = NULL;
		assert_ok(nnopt_sgd_create(&r.sgd, r.ctx, NULL));
		assert_ok(fit(&r));
		end(&r);
	}
	(void)remove(PATH);
}

static nnopt_status evaluate(run *r)
{
	nnopt_evaluation e = { .struct_size = sizeof e };
	return nnopt_evaluate(r->net, NULL, r->loader, NULL, NULL, &e);
}

static nnopt_status start_over(run *r) { return nnopt_loader_start(r->loader, 0, 1); }

/* Epochs would end early, or have batches twice. Between epochs it is nobody's. */
static void the_loader_in_training_is_left_alone(void **state)
{
	(void)state;
	nnopt_status (*const acts[])(run *) = { evaluate, start_over };
	for (int i = 0; i < 4; i++) {
		run r = begin();
		r.act = acts[i % 2];
		r.act_at = 2;
		uint64_t starts = nnopt_loader_starts(r.loader);
		if (i < 2) {
			r.o.on_batch = act;
			assert_fails(NNOPT_ERROR_STATE, "on_batch began another epoch", fit(&r));
		} else {
			r.o.on_epoch = act;
			assert_ok(fit(&r));
			assert_int_equal(nnopt_optimizer_steps(r.sgd), 3 * BATCHES);
			assert_int_equal(nnopt_loader_starts(r.loader) - starts, 4);
		}
		end(&r);
	}
	assert_int_equal(nnopt_loader_starts(NULL), 0);
}

static void nothing_to_train_with(void **state)
{
	(void)state;
	run r = begin();
	nnopt_loader_destroy(r.loader);
	r.loader = make_loader(r.data, COUNT + 1);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "the loader has no batch of its 40 samples, batches of 41", fit(&r));
	r.o.epochs = 0;
	assert_ok(fit(&r));
	end(&r);
}

static void a_checkpoint_of_another_loop(void **state)
{
	(void)state;
	for (int64_t epoch = 0; epoch < 2; epoch++) {
		run r = begin();
		r.o.epochs = 1;
		assert_ok(fit(&r));
		nnopt_training_state t = {
			.struct_size = sizeof t, .model = r.net, .optimizer = r.sgd, .epoch = epoch, .batch = 3
		};
		assert_ok(nnopt_checkpoint_save(&t, PATH));
		r.o.checkpoint_path = PATH;
		r.o.resume = 1;
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "of another loop", fit(&r));
		(void)remove(PATH);
		end(&r);
	}
}

/* A run that kept no best weights can be gone on with by one that does: the best begins anew. */
static void the_best_from_here_on(void **state)
{
	(void)state;
	run r = begin();
	nnopt_history *history = NULL;
	(void)remove(PATH);
	r.o.checkpoint_path = PATH;
	assert_ok(fit(&r));
	r.o.resume = 1;
	r.o.restore_best = 1;
	r.o.epochs = 5;
	assert_ok(nnopt_fit(r.net, r.loader, r.loss, r.sgd, &r.o, &history));
	assert_int_equal(nnopt_history_epochs(history), 5);
	assert_true(nnopt_history_best_epoch(history) >= 3);
	nnopt_history_destroy(history);
	(void)remove(PATH);
	end(&r);
}

/* The file is of before the first cycle ended, and the handle has its copy already: it is taken once. */
static void snapshots_of_a_run_gone_on_with(void **state)
{
	(void)state;
	run r = begin();
	nnopt_snapshots_options so;
	nnopt_snapshots *s = NULL;
	assert_ok(nnopt_snapshots_options_init(&so, sizeof so));
	so.first = 8;
	assert_ok(nnopt_snapshots_create(&s, r.ctx, &so));
	(void)remove(PATH);
	r.o.snapshots = s;
	r.o.checkpoint_path = PATH;
	r.o.checkpoint_steps = 6;
	r.o.resume = 1;
	r.o.epochs = 4;
	r.o.on_batch = act;
	r.stop_at = 9;
	assert_fails(NNOPT_ERROR_CALLBACK, "enough", fit(&r));
	assert_int_equal(nnopt_snapshots_count(s), 1);
	r.stop_at = 0;
	assert_ok(fit(&r));
	assert_int_equal(nnopt_snapshots_count(s), 2);
	assert_int_equal(nnopt_snapshots_step(s, 0), 8);
	assert_int_equal(nnopt_snapshots_step(s, 1), 16);
	nnopt_snapshots_destroy(s);
	(void)remove(PATH);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_replaced_layer_ends_the_run), cmocka_unit_test(the_loader_in_training_is_left_alone),
		cmocka_unit_test(nothing_to_train_with),         cmocka_unit_test(a_checkpoint_of_another_loop),
		cmocka_unit_test(the_best_from_here_on),         cmocka_unit_test(snapshots_of_a_run_gone_on_with),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
