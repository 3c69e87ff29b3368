/* fit.c - the training loop: it learns, resumes exactly, stops when it should, and leaves the weights right. */
#include "blocks.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define COUNT 120
#define CLASSES 3
#define PATH TEST_TMP "/fit.ckpt"

typedef struct bench {
	nnopt_context *ctx;
	nnopt_dataset *data;
	nnopt_loader *train, *test;
	nnopt_model *net;
	nnopt_loss *loss;
	nnopt_optimizer *adam;
	nnopt_fit_options o;
} bench;

/* Pictures of noise with a bright row that depends on the class. */
static void make_data(bench *b)
{
	nnopt_tensor *images = NULL, *labels = NULL;
	assert_ok(nnopt_tensor_create(&images, b->ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 1, 8, 8 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, b->ctx, NNOPT_I64, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	uint8_t *p = nnopt_tensor_data(images);
	uint32_t noise = 1;
	for (int i = 0; i < COUNT; i++) {
		int64_t label = i % CLASSES;
		((int64_t *)nnopt_tensor_data(labels))[i] = label;
		for (int j = 0; j < 64; j++) {
			noise = noise * 1664525u + 1013904223u;
			p[i * 64 + j] = (uint8_t)((noise >> 24) / 2 + (j / 8 == 2 * label + 1 ? 100 : 0));
		}
	}
	assert_ok(nnopt_dataset_from_tensors(&b->data, b->ctx, images, labels));
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
}

static double mixing; /* alpha of both kinds for every training loader */

static void make_loaders(bench *b, int32_t workers, int64_t batch)
{
	nnopt_transforms *t = NULL;
	nnopt_loader_options o;
	assert_ok(nnopt_transforms_create(&t, b->ctx));
	assert_ok(nnopt_transforms_add_horizontal_flip(t, 0.5));
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = batch;
	assert_ok(nnopt_loader_create(&b->test, b->data, NULL, &o));
	o.shuffle = 1;
	o.workers = workers;
	o.mixup_alpha = mixing;
	o.cutmix_alpha = mixing;
	assert_ok(nnopt_loader_create(&b->train, b->data, t, &o));
	nnopt_transforms_destroy(t);
}

static int32_t precision; /* of every run */

/* So large that the first gradients overflow f16 under the loss scale it begins with. */
static void enlarge_weights(nnopt_model *net)
{
	nnopt_model_blocks k = { .struct_size = sizeof k };
	nnopt_parameter_info info = { .struct_size = sizeof info };
	int32_t index;
	assert_ok(nnopt_model_build(net, 3, (int64_t[]){ 1, 8, 8 }));
	assert_ok(nnopt_model_find_parameter(net, "linear1.weight", &index));
	assert_ok(nnopt_model_parameter_info(net, index, &info));
	assert_ok(nnopt_model_get_blocks(net, &k));
	for (int64_t i = 0; i < info.count; i++)
		k.parameters[info.block_offset + i] *= 64.0f;
}

static bench make(uint64_t seed, int32_t threads, float dropout)
{
	bench b = { 0 };
	nnopt_context_options c;
	assert_ok(nnopt_context_options_init(&c, sizeof c));
	c.seed = seed;
	c.threads = threads;
	assert_ok(nnopt_context_create(&b.ctx, &c));
	make_data(&b);
	make_loaders(&b, threads - 1, 16);
	assert_ok(nnopt_model_create(&b.net, b.ctx));
	assert_ok(nnopt_add_conv2d(b.net, 8, 3, NULL));
	assert_ok(nnopt_add_batch_norm2d(b.net, NULL));
	assert_ok(nnopt_add_relu(b.net));
	assert_ok(nnopt_add_max_pool2d(b.net, 2, NULL));
	assert_ok(nnopt_add_dropout(b.net, dropout));
	assert_ok(nnopt_add_flatten(b.net));
	assert_ok(nnopt_add_linear(b.net, CLASSES, NULL));
	assert_ok(nnopt_cross_entropy_create(&b.loss, b.ctx, NULL));
	nnopt_adam_options a;
	assert_ok(nnopt_adam_options_init(&a, sizeof a));
	a.lr = 5e-3;
	assert_ok(nnopt_adam_create(&b.adam, b.ctx, &a));
	assert_ok(nnopt_fit_options_init(&b.o, sizeof b.o));
	b.o.epochs = 4;
	b.o.precision = precision;
	if (precision == NNOPT_PRECISION_F16)
		enlarge_weights(b.net);
	return b;
}

static void destroy(bench *b)
{
	nnopt_optimizer_destroy(b->adam);
	nnopt_loss_destroy(b->loss);
	nnopt_model_destroy(b->net);
	nnopt_loader_destroy(b->train);
	nnopt_loader_destroy(b->test);
	nnopt_dataset_destroy(b->data);
	nnopt_schedule_destroy(b->o.schedule);
	nnopt_cancel_destroy(b->o.cancel);
	nnopt_context_destroy(b->ctx);
}

static nnopt_status fit(bench *b, nnopt_history **history)
{
	return nnopt_fit(b->net, b->train, b->loss, b->adam, &b->o, history);
}

/* A copy of parameters and state, one after the other; to be freed. */
static float *weights(nnopt_model *net, size_t *bytes)
{
	nnopt_model_blocks k = { .struct_size = sizeof k };
	assert_ok(nnopt_model_get_blocks(net, &k));
	*bytes = (size_t)(k.parameter_elements + k.state_elements) * sizeof(float);
	float *copy = malloc(*bytes);
	assert_non_null(copy);
	memcpy(copy, k.parameters, (size_t)k.parameter_elements * sizeof(float));
	memcpy(copy + k.parameter_elements, k.state, (size_t)k.state_elements * sizeof(float));
	return copy;
}

static void it_learns(void **state)
{
	(void)state;
	bench b = make(1, 2, 0.1f);
	nnopt_history *h = NULL;
	b.o.validation = b.test;
	b.o.epochs = 8;
	assert_ok(fit(&b, &h));
	assert_int_equal(nnopt_history_epochs(h), 8);
	/* Updates left out while the loss scale falls. */
	int64_t left_out = 8 * 8 - nnopt_optimizer_steps(b.adam);
	assert_true(precision == NNOPT_PRECISION_F16 ? left_out > 0 && left_out < 8 : left_out == 0);
	nnopt_epoch_record first = { .struct_size = sizeof first }, last = { .struct_size = sizeof last };
	assert_ok(nnopt_history_epoch(h, 0, &first));
	assert_ok(nnopt_history_epoch(h, 7, &last));
	assert_true(last.loss < 0.5 * first.loss);
	assert_true(last.validation_accuracy > (precision == NNOPT_PRECISION_F16 ? 0.7 : 0.95));
	assert_true(last.samples_per_second > 0 && last.lr == 5e-3);
	nnopt_evaluation e = { .struct_size = sizeof e };
	nnopt_plan_options po;
	nnopt_plan *plan = NULL;
	assert_ok(nnopt_plan_options_init(&po, sizeof po));
	po.batch = 16;
	po.precision = precision;
	assert_ok(nnopt_plan_create(&plan, b.net, &po));
	assert_ok(nnopt_evaluate(b.net, plan, b.test, b.loss, NULL, &e));
	nnopt_plan_destroy(plan);
	assert_true(e.accuracy == last.validation_accuracy && e.loss == last.validation_loss && e.count == COUNT);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "epoch 8", nnopt_history_epoch(h, 8, &last));
	nnopt_history_destroy(h);
	destroy(&b);
}

static void threads_do_not_matter(void **state)
{
	(void)state;
	bench one = make(3, 1, 0.3f);
	assert_ok(fit(&one, NULL));
	for (int32_t threads = 2; threads <= 4; threads++) {
		bench many = make(3, threads, 0.3f);
		assert_ok(fit(&many, NULL));
		assert_same_weights(one.net, many.net);
		destroy(&many);
	}
	bench other = make(4, 1, 0.3f);
	assert_ok(fit(&other, NULL));
	size_t bytes;
	float *a = weights(one.net, &bytes), *c = weights(other.net, &bytes);
	assert_memory_not_equal(a, c, bytes);
	free(a);
	free(c);
	destroy(&one);
	destroy(&other);
}

static nnopt_status cancel_at(const nnopt_progress *p, void *user)
{
	void **u = user;
	if (p->step == *(int64_t *)u[1])
		nnopt_cancel_request(u[0]);
	return NNOPT_OK;
}

/* Cancelled after each of several steps and gone on with in new objects: the same weights, history and best epoch. */
static void a_resumed_run_is_the_same(void **state)
{
	(void)state;
	bench whole = make(5, 2, 0.3f);
	nnopt_history *hw = NULL, *hr = NULL;
	whole.o.validation = whole.test;
	whole.o.patience = 3;
	assert_ok(nnopt_schedule_cosine_create(&whole.o.schedule, whole.ctx, 32, 0.0));
	assert_ok(fit(&whole, &hw));
	int64_t updates = precision == NNOPT_PRECISION_F16 ? 24 : 32; /* some are left out */
	for (int64_t stop = 1; stop < updates; stop += 6) {
		(void)remove(PATH);
		for (int part = 0; part < 2; part++) {
			bench b = make(5, 1 + part * 2, 0.3f);
			assert_ok(nnopt_schedule_cosine_create(&b.o.schedule, b.ctx, 32, 0.0));
			assert_ok(nnopt_cancel_create(&b.o.cancel, b.ctx));
			b.o.validation = b.test;
			b.o.patience = 3;
			b.o.checkpoint_path = PATH;
			b.o.checkpoint_steps = 1000;
			b.o.resume = 1;
			void *user[2] = { b.o.cancel, &stop };
			b.o.on_batch = part == 0 ? cancel_at : NULL;
			b.o.progress_user = user;
			if (part == 0) {
				assert_fails(NNOPT_ERROR_CANCELLED, "cancelled in epoch", fit(&b, &hr));
			} else {
				assert_ok(fit(&b, &hr));
				assert_same_weights(whole.net, b.net);
				assert_int_equal(nnopt_history_epochs(hr), nnopt_history_epochs(hw));
				assert_int_equal(nnopt_history_best_epoch(hr), nnopt_history_best_epoch(hw));
				for (int64_t i = 0; i < nnopt_history_epochs(hr); i++) {
					nnopt_epoch_record x = { .struct_size = sizeof x },
							   y = { .struct_size = sizeof y };
					assert_ok(nnopt_history_epoch(hr, i, &x));
					assert_ok(nnopt_history_epoch(hw, i, &y));
					assert_true(x.loss == y.loss && x.accuracy == y.accuracy &&
						    x.validation_loss == y.validation_loss);
				}
			}
			nnopt_history_destroy(hr);
			hr = NULL;
			destroy(&b);
		}
	}
	nnopt_history_destroy(hw);
	destroy(&whole);
	(void)remove(PATH);
}

/* Mixed batches: what is learned serves on clean pictures, and a resumed run is the same. */
static void mixed_batches(void **state)
{
	(void)state;
	mixing = 0.4;
	bench b = make(5, 2, 0.0f);
	b.o.validation = b.test;
	b.o.epochs = 12;
	nnopt_history *h = NULL;
	assert_ok(fit(&b, &h));
	nnopt_epoch_record last = { .struct_size = sizeof last };
	assert_ok(nnopt_history_epoch(h, 11, &last));
	assert_true(last.validation_accuracy > 0.9);
	assert_true(last.accuracy > 0.6 && last.loss > last.validation_loss); /* of soft targets: their entropy stays */
	nnopt_history_destroy(h);
	destroy(&b);
	a_resumed_run_is_the_same(state);
	mixing = 0.0;
}

/* A finished run's checkpoint ends a resumed one at once. */
static void a_finished_run_stays_finished(void **state)
{
	(void)state;
	(void)remove(PATH);
	bench a = make(5, 1, 0.0f), b = make(5, 1, 0.0f);
	a.o.checkpoint_path = b.o.checkpoint_path = PATH;
	a.o.resume = b.o.resume = 1;
	nnopt_history *h = NULL;
	assert_ok(fit(&a, NULL));
	assert_ok(fit(&b, &h));
	assert_same_weights(a.net, b.net);
	assert_int_equal(nnopt_history_epochs(h), 4);
	nnopt_history_destroy(h);
	destroy(&a);
	destroy(&b);
	bench other = make(6, 1, 0.0f);
	other.o.checkpoint_path = PATH;
	other.o.resume = 1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "other data, transforms, seed", fit(&other, NULL));
	destroy(&other);
	(void)remove(PATH);
}

static nnopt_status spoil_after_best(const nnopt_progress *p, void *user)
{
	nnopt_model_blocks k = { .struct_size = sizeof k };
	assert_ok(nnopt_model_get_blocks(p->model, &k));
	float *best = user;
	if (p->epoch == 2) { /* the best epoch by order of the test: what follows is made bad */
		memcpy(best, k.parameters, (size_t)k.parameter_elements * sizeof(float));
		for (int64_t i = 0; i < k.parameter_elements; i++)
			k.parameters[i] *= -3.0f;
	}
	return NNOPT_OK;
}

static void early_stopping_restores_the_best(void **state)
{
	(void)state;
	bench b = make(7, 1, 0.0f);
	static float best[4096];
	nnopt_history *h = NULL;
	b.o.validation = b.test;
	b.o.epochs = 50;
	b.o.patience = 2;
	b.o.on_epoch = spoil_after_best;
	b.o.progress_user = best;
	assert_ok(nnopt_schedule_exponential_create(&b.o.schedule, b.ctx, 1, 0.8));
	assert_ok(fit(&b, &h));
	assert_int_equal(nnopt_history_best_epoch(h), 2);
	assert_int_equal(nnopt_history_epochs(h), 5);
	assert_int_equal(nnopt_history_stopped_early(h), 1);
	nnopt_model_blocks k = { .struct_size = sizeof k };
	assert_ok(nnopt_model_get_blocks(b.net, &k));
	assert_memory_equal(best, k.parameters, (size_t)k.parameter_elements * sizeof(float));
	nnopt_history_destroy(h);
	destroy(&b);
}

static nnopt_status poison(const nnopt_progress *p, void *user)
{
	nnopt_model_blocks k = { .struct_size = sizeof k };
	assert_ok(nnopt_model_get_blocks(p->model, &k));
	if (p->step == 3) {
		k.parameters[0] = NAN;
		memcpy(user, k.parameters, (size_t)k.parameter_elements * sizeof(float));
	}
	return NNOPT_OK;
}

static void a_nonfinite_loss_stops_before_the_weights(void **state)
{
	(void)state;
	bench b = make(8, 1, 0.0f);
	static float before[4096];
	b.o.on_batch = poison;
	b.o.progress_user = before;
	assert_fails(NNOPT_ERROR_NONFINITE, "the loss is", fit(&b, NULL));
	assert_true(strstr(nnopt_last_error(), "batch 3") != NULL);
	nnopt_model_blocks k = { .struct_size = sizeof k };
	assert_ok(nnopt_model_get_blocks(b.net, &k));
	assert_memory_equal(before, k.parameters, (size_t)k.parameter_elements * sizeof(float));
	destroy(&b);
}

/* Two half batches gathered are one whole one: without batch norm's batch statistics the gradients are the same. */
static void accumulation_is_a_larger_batch(void **state)
{
	(void)state;
	size_t bytes;
	float *w[2];
	for (int i = 0; i < 2; i++) {
		bench b = make(9, 1, 0.0f);
		nnopt_loader_destroy(b.train);
		nnopt_loader_destroy(b.test);
		nnopt_model_destroy(b.net);
		make_loaders(&b, 0, i == 0 ? 24 : 12);
		assert_ok(nnopt_model_create(&b.net, b.ctx));
		assert_ok(nnopt_add_flatten(b.net));
		assert_ok(nnopt_add_linear(b.net, CLASSES, NULL));
		b.o.accumulate = i + 1;
		b.o.epochs = 2;
		assert_ok(fit(&b, NULL));
		assert_int_equal(nnopt_optimizer_steps(b.adam), 10);
		w[i] = weights(b.net, &bytes);
		destroy(&b);
	}
	for (size_t i = 0; i < bytes / sizeof(float); i++)
		assert_true(fabsf(w[0][i] - w[1][i]) < 1e-4f);
	free(w[0]);
	free(w[1]);
}

static nnopt_status refuse(const nnopt_progress *p, void *user)
{
	(void)user;
	return p->step == 2 ? NNOPT_ERROR_STATE : NNOPT_OK;
}

static nnopt_status refuse_with_reason(const nnopt_progress *p, void *user)
{
	(void)user;
	return p->step == 1 ? nnopt_fail(NNOPT_ERROR_STATE, "the cat sat on the keyboard") : NNOPT_OK;
}

static nnopt_status halve(float *gradients, int64_t count, void *user)
{
	(*(int *)user)++;
	for (int64_t i = 0; i < count; i++)
		gradients[i] *= 0.5f;
	return NNOPT_OK;
}

static void callbacks(void **state)
{
	(void)state;
	bench b = make(10, 1, 0.0f);
	nnopt_history *h = NULL;
	b.o.on_batch = refuse;
	assert_fails(NNOPT_ERROR_CALLBACK, "on_batch", fit(&b, &h));
	assert_int_equal(nnopt_history_epochs(h), 0);
	nnopt_history_destroy(h);
	b.o.on_batch = refuse_with_reason;
	assert_fails(NNOPT_ERROR_CALLBACK, "on_batch in epoch 0, batch 1: the cat sat", fit(&b, NULL));
	int calls = 0;
	b.o.on_batch = NULL;
	b.o.epochs = 1;
	b.o.all_reduce = halve;
	b.o.all_reduce_user = &calls;
	assert_ok(fit(&b, NULL));
	assert_int_equal(calls, 8);
	assert_int_equal(nnopt_optimizer_steps(b.adam), 11);
	destroy(&b);
}

static void wrong_options(void **state)
{
	(void)state;
	bench b = make(11, 1, 0.0f);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "NULL", nnopt_fit(NULL, b.train, b.loss, b.adam, NULL, NULL));
	b.o.patience = 2;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "validation", fit(&b, NULL));
	b.o.patience = -1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "patience", fit(&b, NULL));
	b.o.patience = 0;
	b.o.resume = 1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "checkpoint_path", fit(&b, NULL));
	b.o.resume = 0;
	b.o.accumulate = 0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "accumulate", fit(&b, NULL));
	destroy(&b);
}

/* nnopt_fit() cannot go on in the middle of a loop of one's own, and then leaves all as it is. */
static void resume_by_hand(bench *b)
{
	size_t bytes;
	float *before = weights(b->net, &bytes);
	before[0] += 1.0f;
	nnopt_model_blocks k = { .struct_size = sizeof k };
	assert_ok(nnopt_model_get_blocks(b->net, &k));
	k.parameters[0] = before[0];
	b->o.checkpoint_path = PATH;
	b->o.resume = 1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "of another loop", fit(b, NULL));
	assert_memory_equal(before, k.parameters, (size_t)k.parameter_elements * sizeof(float));
	free(before);
}

/* The public pair, in a loop of one's own. */
static void checkpoints_by_hand(void **state)
{
	(void)state;
	bench a = make(12, 1, 0.0f), b = make(13, 1, 0.0f), c = make(12, 1, 0.0f);
	nnopt_training_state s = {
		.struct_size = sizeof s, .model = a.net, .optimizer = a.adam, .epoch = 4, .batch = 2
	};
	assert_fails(NNOPT_ERROR_STATE, "not built", nnopt_checkpoint_save(&s, PATH));
	assert_ok(fit(&a, NULL));
	assert_ok(nnopt_checkpoint_save(&s, PATH));
	assert_ok(nnopt_model_build(b.net, 3, (int64_t[]){ 1, 8, 8 }));
	nnopt_training_state t = { .struct_size = sizeof t, .model = b.net, .optimizer = b.adam };
	assert_ok(nnopt_checkpoint_load(&t, PATH));
	assert_int_equal(t.epoch, 4);
	assert_int_equal(t.batch, 2);
	assert_int_equal(nnopt_optimizer_steps(b.adam), nnopt_optimizer_steps(a.adam));
	assert_same_weights(a.net, b.net);
	assert_ok(nnopt_model_build(c.net, 3, (int64_t[]){ 1, 10, 8 }));
	t.model = c.net;
	t.optimizer = c.adam;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "other parameters", nnopt_checkpoint_load(&t, PATH));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "absent", nnopt_checkpoint_load(&t, TEST_TMP "/absent"));
	nnopt_group_options g;
	assert_ok(nnopt_group_options_init(&g, sizeof g));
	assert_ok(nnopt_optimizer_add_group(c.adam, &g)); /* it is attached to nothing so far */
	resume_by_hand(&b);
	assert_ok(nnopt_sam_perturb(a.adam, a.net, 0.1, 0, 1.0f, NULL));
	assert_fails(NNOPT_ERROR_STATE, "perturbed", nnopt_checkpoint_save(&s, PATH));
	assert_fails(NNOPT_ERROR_STATE, "perturbed", nnopt_checkpoint_load(&s, PATH));
	assert_ok(nnopt_sam_restore(a.adam, a.net));
	assert_ok(nnopt_model_save(a.net, PATH));
	assert_fails(NNOPT_ERROR_FORMAT, "not a checkpoint", nnopt_checkpoint_load(&t, PATH));
	(void)remove(PATH);
	destroy(&a);
	destroy(&b);
	destroy(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_learns),
		cmocka_unit_test(threads_do_not_matter),
		cmocka_unit_test(a_resumed_run_is_the_same),
		cmocka_unit_test(mixed_batches),
		cmocka_unit_test(a_finished_run_stays_finished),
		cmocka_unit_test(early_stopping_restores_the_best),
		cmocka_unit_test(a_nonfinite_loss_stops_before_the_weights),
		cmocka_unit_test(accumulation_is_a_larger_batch),
		cmocka_unit_test(callbacks),
		cmocka_unit_test(wrong_options),
		cmocka_unit_test(checkpoints_by_hand),
	};
	const struct CMUnitTest reduced[] = {
		cmocka_unit_test(it_learns),
		cmocka_unit_test(threads_do_not_matter),
		cmocka_unit_test(a_resumed_run_is_the_same),
	};
	int failed = cmocka_run_group_tests_name("f32", tests, NULL, NULL);
	precision = NNOPT_PRECISION_BF16;
	failed += cmocka_run_group_tests_name("bf16", reduced, NULL, NULL);
	precision = NNOPT_PRECISION_F16;
	return failed + cmocka_run_group_tests_name("f16", reduced, NULL, NULL);
}
