/* lr_find.c - the learning-rate finder: its curve is that of a loop written out, everything is put back, and its two
 * suggestions are what they say. */
#include "check.h"

#include <math.h>

enum { SAMPLES = 48, BATCH = 16, CLASSES = 3, SIDE = 4 };

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

typedef struct kit {
	nnopt_dataset *data;
	nnopt_loader *loader;
	nnopt_model *model;
	nnopt_loss *loss;
	nnopt_optimizer *optimizer;
} kit;

static kit make_kit(void)
{
	kit k = { NULL };
	nnopt_tensor *images = NULL, *labels = NULL;
	int64_t shape[4] = { SAMPLES, 1, SIDE, SIDE };
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, shape, NNOPT_NHWC));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, shape, NNOPT_NCHW));
	for (int i = 0; i < SAMPLES; i++) {
		((int32_t *)nnopt_tensor_data(labels))[i] = i % CLASSES;
		for (int p = 0; p < SIDE * SIDE; p++)
			((uint8_t *)nnopt_tensor_data(images))[i * SIDE * SIDE + p] =
			    (uint8_t)((i % CLASSES == p % CLASSES ? 150 : 20) + i * 37 % 50);
	}
	assert_ok(nnopt_dataset_from_tensors(&k.data, ctx, images, labels));
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	nnopt_loader_options l;
	assert_ok(nnopt_loader_options_init(&l, sizeof l));
	l.batch = BATCH;
	l.shuffle = 1;
	l.mixup_alpha = 0.4; /* targets are not the labels */
	assert_ok(nnopt_loader_create(&k.loader, k.data, NULL, &l));
	assert_ok(nnopt_model_create(&k.model, ctx));
	assert_ok(nnopt_add_conv2d(k.model, 4, 3, NULL));
	assert_ok(nnopt_add_batch_norm2d(k.model, NULL));
	assert_ok(nnopt_add_relu(k.model));
	assert_ok(nnopt_add_flatten(k.model));
	assert_ok(nnopt_add_dropout(k.model, 0.1f));
	assert_ok(nnopt_add_linear(k.model, CLASSES, NULL));
	assert_ok(nnopt_model_build(k.model, 3, shape + 1));
	assert_ok(nnopt_cross_entropy_create(&k.loss, ctx, NULL));
	assert_ok(nnopt_adam_create(&k.optimizer, ctx, NULL));
	return k;
}

static void free_kit(kit *k)
{
	nnopt_optimizer_destroy(k->optimizer);
	nnopt_loss_destroy(k->loss);
	nnopt_model_destroy(k->model);
	nnopt_loader_destroy(k->loader);
	nnopt_dataset_destroy(k->data);
}

static double train_epoch(kit *k)
{
	nnopt_fit_options o;
	nnopt_history *h = NULL;
	nnopt_epoch_record r = { .struct_size = sizeof r };
	assert_ok(nnopt_fit_options_init(&o, sizeof o));
	o.epochs = 1;
	assert_ok(nnopt_fit(k->model, k->loader, k->loss, k->optimizer, &o, &h));
	assert_ok(nnopt_history_epoch(h, 0, &r));
	nnopt_history_destroy(h);
	return r.loss;
}

/* Training goes on afterwards as if nothing had been. */
static void everything_is_put_back(void **state)
{
	(void)state;
	kit a = make_kit(), b = make_kit();
	nnopt_lr_curve *curve = NULL;
	double before[2] = { train_epoch(&a), train_epoch(&b) };
	assert_true(before[0] == before[1]);
	nnopt_lr_find_options o;
	assert_ok(nnopt_lr_find_options_init(&o, sizeof o));
	o.steps = 20;
	assert_ok(nnopt_lr_find(&curve, b.model, b.loader, b.loss, b.optimizer, &o));
	assert_true(nnopt_lr_curve_count(curve) >= 10);
	assert_true(nnopt_optimizer_lr(b.optimizer) == 1e-3);
	assert_int_equal(nnopt_optimizer_steps(b.optimizer), nnopt_optimizer_steps(a.optimizer));
	assert_int_equal(nnopt_model_step(b.model), nnopt_model_step(a.model));
	double after[2] = { train_epoch(&a), train_epoch(&b) };
	assert_true(after[0] == after[1]);
	nnopt_model_blocks x = { .struct_size = sizeof x }, y = x;
	assert_ok(nnopt_model_get_blocks(a.model, &x));
	assert_ok(nnopt_model_get_blocks(b.model, &y));
	assert_memory_equal(x.parameters, y.parameters, (size_t)x.parameter_elements * sizeof(float));
	assert_memory_equal(x.state, y.state, (size_t)x.state_elements * sizeof(float));
	nnopt_lr_curve_destroy(curve);
	free_kit(&a);
	free_kit(&b);
}

static void the_curve_is_that_of_a_loop(void **state)
{
	(void)state;
	enum { STEPS = 7 };
	kit a = make_kit(), b = make_kit();
	nnopt_lr_curve *curve = NULL;
	nnopt_lr_find_options o;
	nnopt_plan_options p;
	nnopt_plan *plan = NULL;
	assert_ok(nnopt_lr_find_options_init(&o, sizeof o));
	o.steps = STEPS; /* more than the three batches of an epoch */
	o.lowest = 1e-5;
	o.highest = 1e-1;
	o.smoothing = 0.8;
	assert_ok(nnopt_lr_find(&curve, a.model, a.loader, a.loss, a.optimizer, &o));
	assert_int_equal(nnopt_lr_curve_count(curve), STEPS);
	assert_ok(nnopt_plan_options_init(&p, sizeof p));
	p.batch = BATCH;
	p.mode = NNOPT_TRAINING;
	assert_ok(nnopt_plan_create(&plan, b.model, &p));
	double average = 0.0, weight = 1.0;
	for (int64_t i = 0; i < STEPS; i++) {
		const nnopt_batch *batch = NULL;
		const nnopt_tensor *logits = NULL;
		nnopt_loss_result r = { .struct_size = sizeof r };
		double lr, loss, smoothed, wanted = 1e-5 * pow(1e4, (double)i / (STEPS - 1));
		if (i % 3 == 0)
			assert_ok(nnopt_loader_start(b.loader, i / 3, 0));
		assert_ok(nnopt_loader_next(b.loader, &batch));
		assert_ok(nnopt_plan_forward(plan, batch->images, &logits));
		assert_ok(
		    nnopt_loss_compute(b.loss, logits, batch->targets, 1.0f, nnopt_plan_output_gradient(plan), &r));
		assert_ok(nnopt_plan_backward(plan, 0));
		assert_ok(nnopt_optimizer_set_lr(b.optimizer, wanted));
		assert_ok(nnopt_optimizer_step(b.optimizer, b.model, 1.0f, NULL));
		average = 0.8 * average + 0.2 * r.value;
		weight *= 0.8;
		assert_ok(nnopt_lr_curve_point(curve, i, &lr, &loss, &smoothed));
		assert_true(fabs(lr / wanted - 1.0) < 1e-12);
		assert_true(loss == r.value);
		assert_true(fabs(smoothed - average / (1.0 - weight)) < 1e-12);
	}
	assert_ok(nnopt_lr_curve_point(curve, 0, NULL, NULL, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "index 7", nnopt_lr_curve_point(curve, STEPS, NULL, NULL, NULL));
	nnopt_plan_destroy(plan);
	nnopt_lr_curve_destroy(curve);
	free_kit(&a);
	free_kit(&b);
}

/* Gradients that overflow f16 under the loss scale it begins with are no end: it falls until they do not. */
static void the_loss_scale_finds_its_place(void **state)
{
	(void)state;
	kit k = make_kit();
	nnopt_lr_curve *curve = NULL;
	nnopt_lr_find_options o;
	nnopt_model_blocks blocks = { .struct_size = sizeof blocks };
	nnopt_parameter_info info = { .struct_size = sizeof info };
	int32_t index;
	assert_ok(nnopt_model_find_parameter(k.model, "linear1.weight", &index));
	assert_ok(nnopt_model_parameter_info(k.model, index, &info));
	assert_ok(nnopt_model_get_blocks(k.model, &blocks));
	for (int64_t i = 0; i < info.count; i++)
		blocks.parameters[info.block_offset + i] *= 64.0f;
	float first = blocks.parameters[info.block_offset];
	assert_ok(nnopt_lr_find_options_init(&o, sizeof o));
	o.steps = 9;
	o.lowest = 1e-6;
	o.highest = 1e-4;
	o.precision = NNOPT_PRECISION_F16;
	assert_ok(nnopt_lr_find(&curve, k.model, k.loader, k.loss, k.optimizer, &o));
	assert_int_equal(nnopt_lr_curve_count(curve), o.steps);
	for (int64_t i = 0; i < o.steps; i++) {
		double lr, loss;
		assert_ok(nnopt_lr_curve_point(curve, i, &lr, &loss, NULL));
		assert_true(fabs(lr / (1e-6 * pow(100.0, (double)i / 8.0)) - 1.0) < 1e-12);
		assert_true(isfinite(loss));
	}
	assert_true(blocks.parameters[info.block_offset] == first);
	assert_int_equal(nnopt_optimizer_steps(k.optimizer), 0);
	nnopt_lr_curve_destroy(curve);
	free_kit(&k);
}

static void suggestions_are_read_off_the_curve(void **state)
{
	(void)state;
	kit k = make_kit();
	nnopt_lr_curve *curve = NULL;
	nnopt_lr_find_options o;
	double steepest = 0.0, tenth = 0.0, lr[200], loss[200];
	assert_ok(nnopt_lr_find_options_init(&o, sizeof o));
	o.lowest = 1e-6;
	o.highest = 1e4;
	assert_ok(nnopt_lr_find(&curve, k.model, k.loader, k.loss, k.optimizer, &o));
	int64_t n = nnopt_lr_curve_count(curve), least = 0, steep = 1;
	assert_true(n > 20 && n < 100); /* it diverges on the way */
	assert_ok(nnopt_lr_curve_suggest(curve, &steepest, &tenth));
	for (int64_t i = 0; i < n; i++)
		assert_ok(nnopt_lr_curve_point(curve, i, &lr[i], NULL, &loss[i]));
	for (int64_t i = 0; i < n; i++)
		least = loss[i] < loss[least] ? i : least;
	for (int64_t i = 1; i + 1 < n; i++)
		steep = loss[i + 1] - loss[i - 1] < loss[steep + 1] - loss[steep - 1] ? i : steep;
	assert_true(tenth == lr[least] / 10.0);
	assert_true(steepest == lr[steep]);
	assert_true(steepest < lr[least]);
	nnopt_lr_curve_destroy(curve);
	o.steps = 3;
	assert_ok(nnopt_lr_find(&curve, k.model, k.loader, k.loss, k.optimizer, &o));
	assert_fails(NNOPT_ERROR_STATE, "3 steps", nnopt_lr_curve_suggest(curve, &steepest, NULL));
	nnopt_lr_curve_destroy(curve);
	o.steps = 1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "1 steps",
		     nnopt_lr_find(&curve, k.model, k.loader, k.loss, k.optimizer, &o));
	o.steps = 5;
	o.highest = 1e-6;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "rates from",
		     nnopt_lr_find(&curve, k.model, k.loader, k.loss, k.optimizer, &o));
	o.lowest = 1e-200;
	o.highest = 1e200; /* their ratio is infinite */
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "rates from 1e-200 to 1e+200",
		     nnopt_lr_find(&curve, k.model, k.loader, k.loss, k.optimizer, &o));
	o.lowest = 1e-6;
	o.highest = 1.0;
	o.smoothing = 1.0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "smoothing 1",
		     nnopt_lr_find(&curve, k.model, k.loader, k.loss, k.optimizer, &o));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "model is NULL",
		     nnopt_lr_find(&curve, NULL, k.loader, k.loss, k.optimizer, &o));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "optimizer is NULL",
		     nnopt_lr_find(&curve, k.model, k.loader, k.loss, NULL, &o));
	nnopt_lr_curve_destroy(NULL);
	free_kit(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_put_back),
		cmocka_unit_test(the_curve_is_that_of_a_loop),
		cmocka_unit_test(the_loss_scale_finds_its_place),
		cmocka_unit_test(suggestions_are_read_off_the_curve),
	};
	return cmocka_run_group_tests_name("tune/lr_find", tests, setup, teardown);
}
