/* fit_averages.c - training with averages of weights, SAM and a plateau: what nnopt_fit does is what a loop of one's
 * own does; interrupted and gone on with it is the same, bit for bit; running statistics anew are PyTorch's. */
#include "blocks.h"
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { COUNT = 90, CLASSES = 3, BATCH = 16, BATCHES = 6, EPOCHS = 4 };
#define PATH TEST_TMP "/fit_averages.ckpt"

typedef struct bench {
	nnopt_context *ctx;
	nnopt_loader *train, *test;
	nnopt_model *net;
	nnopt_loss *loss;
	nnopt_optimizer *sgd;
	nnopt_average *average;
	nnopt_plateau *plateau;
	nnopt_fit_options o;
} bench;

/* Pictures of noise with a bright row that depends on the class. */
static nnopt_dataset *make_data(nnopt_context *ctx)
{
	nnopt_tensor *images = NULL, *labels = NULL;
	nnopt_dataset *data = NULL;
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 1, 8, 8 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I64, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	uint8_t *p = nnopt_tensor_data(images);
	for (int i = 0; i < COUNT; i++) {
		int64_t label = i % CLASSES;
		((int64_t *)nnopt_tensor_data(labels))[i] = label;
		for (int j = 0; j < 64; j++)
			p[i * 64 + j] = (uint8_t)((number(1, (uint32_t)(i * 64 + j)) + 2.0f) * 40.0f +
						  (j / 8 == 2 * label + 1 ? 60.0f : 0.0f));
	}
	assert_ok(nnopt_dataset_from_tensors(&data, ctx, images, labels));
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	return data;
}

enum { NONE, EMA, SWA, LOOKAHEAD, KINDS };

static nnopt_average *make_average(nnopt_context *ctx, int kind)
{
	nnopt_average *a = NULL;
	if (kind == EMA) {
		nnopt_ema_options o;
		assert_ok(nnopt_ema_options_init(&o, sizeof o));
		o.decay = 0.8;
		o.warm_up = 1;
		assert_ok(nnopt_ema_create(&a, ctx, &o));
	} else if (kind == SWA) {
		nnopt_swa_options o;
		assert_ok(nnopt_swa_options_init(&o, sizeof o));
		o.start = 7;
		o.every = 3;
		o.average_state = 0;
		assert_ok(nnopt_swa_create(&a, ctx, &o));
	} else if (kind == LOOKAHEAD) {
		nnopt_lookahead_options o;
		assert_ok(nnopt_lookahead_options_init(&o, sizeof o));
		o.ramp_steps = EPOCHS * BATCHES;
		assert_ok(nnopt_lookahead_create(&a, ctx, &o));
	}
	return a;
}

static nnopt_plateau *make_plateau(nnopt_context *ctx)
{
	nnopt_plateau *p = NULL;
	nnopt_plateau_options o;
	assert_ok(nnopt_plateau_options_init(&o, sizeof o));
	o.factor = 0.5;
	o.patience = 0;
	o.threshold = 0.5; /* hardly any epoch halves the loss: the factor falls soon */
	assert_ok(nnopt_plateau_create(&p, ctx, &o));
	return p;
}

static bench make(int32_t threads, int average, int with_plateau)
{
	bench b = { 0 };
	nnopt_context_options c;
	nnopt_loader_options o;
	nnopt_transforms *t = NULL;
	assert_ok(nnopt_context_options_init(&c, sizeof c));
	c.seed = 3;
	c.threads = threads;
	assert_ok(nnopt_context_create(&b.ctx, &c));
	nnopt_dataset *data = make_data(b.ctx);
	assert_ok(nnopt_transforms_create(&t, b.ctx));
	assert_ok(nnopt_transforms_add_horizontal_flip(t, 0.5));
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = BATCH;
	assert_ok(nnopt_loader_create(&b.test, data, NULL, &o));
	o.shuffle = 1;
	o.workers = threads - 1;
	assert_ok(nnopt_loader_create(&b.train, data, t, &o));
	nnopt_transforms_destroy(t);
	nnopt_dataset_destroy(data);
	assert_ok(nnopt_model_create(&b.net, b.ctx));
	assert_ok(nnopt_add_conv2d(b.net, 8, 3, NULL));
	assert_ok(nnopt_add_batch_norm2d(b.net, NULL));
	assert_ok(nnopt_add_relu(b.net));
	assert_ok(nnopt_add_dropout(b.net, 0.2f));
	assert_ok(nnopt_add_flatten(b.net));
	assert_ok(nnopt_add_linear(b.net, CLASSES, NULL));
	assert_ok(nnopt_cross_entropy_create(&b.loss, b.ctx, NULL));
	nnopt_sgd_options s;
	assert_ok(nnopt_sgd_options_init(&s, sizeof s));
	s.lr = 0.02;
	s.momentum = 0.9;
	assert_ok(nnopt_sgd_create(&b.sgd, b.ctx, &s));
	b.average = make_average(b.ctx, average);
	b.plateau = with_plateau ? make_plateau(b.ctx) : NULL;
	assert_ok(nnopt_fit_options_init(&b.o, sizeof b.o));
	b.o.epochs = EPOCHS;
	b.o.average = b.average;
	b.o.plateau = b.plateau;
	return b;
}

static void destroy(bench *b)
{
	nnopt_average_destroy(b->average);
	nnopt_plateau_destroy(b->plateau);
	nnopt_optimizer_destroy(b->sgd);
	nnopt_loss_destroy(b->loss);
	nnopt_model_destroy(b->net);
	nnopt_loader_destroy(b->train);
	nnopt_loader_destroy(b->test);
	nnopt_cancel_destroy(b->o.cancel);
	nnopt_context_destroy(b->ctx);
}

static nnopt_status fit(bench *b, nnopt_history **h) { return nnopt_fit(b->net, b->train, b->loss, b->sgd, &b->o, h); }

static void one_pass(bench *b, nnopt_plan *plan, const nnopt_batch *batch)
{
	const nnopt_tensor *y = NULL;
	nnopt_loss_result r = { .struct_size = sizeof r };
	assert_ok(nnopt_plan_forward(plan, batch->images, &y));
	assert_ok(nnopt_loss_compute(b->loss, y, batch->labels, 1.0f, nnopt_plan_output_gradient(plan), &r));
	assert_ok(nnopt_plan_backward(plan, 0));
}

/* SAM's second pass as optimizer.h describes it. */
static void second_pass(bench *b, nnopt_plan *plan, const nnopt_batch *batch)
{
	nnopt_model_blocks k = blocks_of(b->net);
	float state[64];
	assert_true(k.state_elements <= 64);
	assert_ok(nnopt_sam_perturb(b->sgd, b->net, b->o.sam_rho, b->o.sam_adaptive, 1.0f, NULL));
	memcpy(state, k.state, (size_t)k.state_elements * sizeof(float));
	assert_ok(nnopt_model_set_step(b->net, nnopt_model_step(b->net) - 1));
	one_pass(b, plan, batch);
	memcpy(k.state, state, (size_t)k.state_elements * sizeof(float));
	assert_ok(nnopt_sam_restore(b->sgd, b->net));
}

static void own_loop(bench *b)
{
	nnopt_plan_options po;
	nnopt_plan *plan = NULL;
	assert_ok(nnopt_loader_plan_options(&po, sizeof po, b->train));
	po.mode = NNOPT_TRAINING;
	assert_ok(nnopt_plan_create(&plan, b->net, &po));
	if (b->average != NULL)
		assert_ok(nnopt_average_attach(b->average, b->net));
	for (int64_t epoch = 0; epoch < EPOCHS; epoch++) {
		assert_ok(nnopt_loader_start(b->train, epoch, 0));
		for (const nnopt_batch *batch = NULL;;) {
			assert_ok(nnopt_loader_next(b->train, &batch));
			if (batch == NULL)
				break;
			one_pass(b, plan, batch);
			if (b->o.sam_rho > 0.0)
				second_pass(b, plan, batch);
			assert_ok(nnopt_optimizer_step(b->sgd, b->net, 1.0f, NULL));
			if (b->average != NULL)
				assert_ok(nnopt_average_update(b->average, b->net));
		}
	}
	if (b->average != NULL)
		assert_ok(nnopt_average_apply(b->average, b->net));
	nnopt_plan_destroy(plan);
}

static void fit_is_the_loop_of_ones_own(void **state)
{
	(void)state;
	for (int kind = NONE; kind < KINDS; kind++)
		for (int adaptive = 0; adaptive < 2; adaptive++) {
			bench a = make(1, kind, 0), b = make(2, kind, 0);
			a.o.sam_rho = b.o.sam_rho = kind == SWA && adaptive ? 0.0 : 0.05 + adaptive;
			a.o.sam_adaptive = b.o.sam_adaptive = adaptive;
			assert_ok(fit(&a, NULL));
			own_loop(&b);
			assert_same_weights(a.net, b.net);
			assert_int_equal(nnopt_model_step(a.net), EPOCHS * BATCHES);
			assert_int_equal(nnopt_average_steps(a.average), kind == NONE ? 0 : EPOCHS * BATCHES);
			destroy(&a);
			destroy(&b);
		}
}

static nnopt_status cancel_at(const nnopt_progress *p, void *user)
{
	void **u = user;
	if (p->step == *(int64_t *)u[1])
		nnopt_cancel_request(u[0]);
	return NNOPT_OK;
}

static void prepare_run(bench *b, int kind)
{
	b->o.validation = b->test;
	b->o.restore_best = kind == EMA;
	b->o.sam_rho = kind == LOOKAHEAD ? 0.0 : 0.05;
	b->o.precision = kind == NONE ? NNOPT_PRECISION_F16 : kind == SWA ? NNOPT_PRECISION_BF16 : NNOPT_PRECISION_F32;
	b->o.refresh_batches = kind == SWA ? 3 : 0;
}

static void a_resumed_run_is_the_same(void **state)
{
	(void)state;
	for (int kind = NONE; kind < KINDS; kind++) {
		bench whole = make(2, kind, 1);
		nnopt_plateau_state wanted = { .struct_size = sizeof wanted }, got = wanted;
		prepare_run(&whole, kind);
		assert_ok(fit(&whole, NULL));
		assert_ok(nnopt_plateau_get_state(whole.plateau, &wanted));
		assert_true(wanted.factor < 1.0);
		for (int64_t stop = 2; stop < EPOCHS * BATCHES; stop += 5) {
			(void)remove(PATH);
			for (int part = 0; part < 2; part++) {
				bench b = make(1 + part * 2, kind, 1);
				assert_ok(nnopt_cancel_create(&b.o.cancel, b.ctx));
				void *user[2] = { b.o.cancel, &stop };
				prepare_run(&b, kind);
				b.o.checkpoint_path = PATH;
				b.o.checkpoint_steps = 1000;
				b.o.resume = 1;
				b.o.on_batch = part == 0 ? cancel_at : NULL;
				b.o.progress_user = user;
				if (part == 0) {
					assert_fails(NNOPT_ERROR_CANCELLED, "cancelled", fit(&b, NULL));
				} else {
					assert_ok(fit(&b, NULL));
					assert_same_weights(whole.net, b.net);
					assert_ok(nnopt_plateau_get_state(b.plateau, &got));
					assert_memory_equal(&wanted, &got, sizeof got);
					assert_int_equal(nnopt_average_count(b.average),
							 nnopt_average_count(whole.average));
				}
				destroy(&b);
			}
		}
		destroy(&whole);
	}
	(void)remove(PATH);
}

/* The numbers of the last epoch are those of the weights left; its own weights are back during training. */
static nnopt_status look(const nnopt_progress *p, void *user)
{
	bench *b = user;
	int averaged = nnopt_average_count(b->average) > 0;
	assert_int_equal(nnopt_average_swapped(b->average), p->validated && averaged);
	return NNOPT_OK;
}

static nnopt_status refuse(const nnopt_progress *p, void *user)
{
	(void)p, (void)user;
	return NNOPT_ERROR_STATE;
}

static void validation_sees_the_average(void **state)
{
	(void)state;
	for (int kind = EMA; kind < KINDS; kind++) {
		bench b = make(2, kind, 0);
		nnopt_history *h = NULL;
		nnopt_evaluation e = { .struct_size = sizeof e };
		nnopt_epoch_record last = { .struct_size = sizeof last };
		b.o.validation = b.test;
		b.o.on_batch = b.o.on_epoch = look;
		b.o.progress_user = &b;
		assert_ok(fit(&b, &h));
		assert_ok(nnopt_history_epoch(h, EPOCHS - 1, &last));
		nnopt_plan *plan = NULL;
		nnopt_plan_options po;
		assert_ok(nnopt_plan_options_init(&po, sizeof po));
		po.batch = BATCH;
		assert_ok(nnopt_plan_create(&plan, b.net, &po));
		assert_ok(nnopt_evaluate(b.net, plan, b.test, b.loss, NULL, &e));
		nnopt_plan_destroy(plan);
		assert_true(e.loss == last.validation_loss && e.accuracy == last.validation_accuracy);
		nnopt_history_destroy(h);
		/* A callback that fails leaves the model its own weights. */
		b.o.on_batch = NULL;
		b.o.on_epoch = refuse;
		assert_fails(NNOPT_ERROR_CALLBACK, "on_epoch", fit(&b, NULL));
		assert_int_equal(nnopt_average_swapped(b.average), 0);
		destroy(&b);
	}
}

static int unreadable; /* pictures from now on */

static nnopt_status deliver(int64_t index, nnopt_sample *sample, void *user)
{
	(void)user;
	sample->height = sample->width = 8;
	sample->label = index % CLASSES;
	for (int j = 0; j < 64; j++)
		sample->pixels[j] = (uint8_t)((number(1, (uint32_t)(index * 64 + j)) + 2.0f) * 60.0f);
	return unreadable ? NNOPT_ERROR_IO : NNOPT_OK;
}

static nnopt_status lose_pictures(const nnopt_progress *p, void *user)
{
	(void)user;
	unreadable = p->epoch == p->epochs - 1;
	return NNOPT_OK;
}

/* Running statistics that cannot be made anew at the end: the model has its own weights then, as of a run that never
 * averaged, and the history tells all epochs. */
static void a_failure_at_the_end_leaves_its_own_weights(void **state)
{
	(void)state;
	nnopt_callback_dataset_options d;
	nnopt_loader_options o;
	bench b[2] = { make(2, NONE, 0), make(2, EMA, 0) };
	for (int i = 0; i < 2; i++) {
		nnopt_dataset *data = NULL;
		nnopt_history *h = NULL;
		unreadable = 0;
		assert_ok(nnopt_callback_dataset_options_init(&d, sizeof d));
		d.count = COUNT;
		d.classes = CLASSES;
		d.channels = 1;
		d.max_height = d.max_width = 8;
		d.get = deliver;
		assert_ok(nnopt_dataset_from_callbacks(&data, b[i].ctx, &d));
		assert_ok(nnopt_loader_options_init(&o, sizeof o));
		o.batch = BATCH;
		o.cache_bytes = 0;
		nnopt_loader_destroy(b[i].train);
		assert_ok(nnopt_loader_create(&b[i].train, data, NULL, &o));
		nnopt_dataset_destroy(data);
		b[i].o.refresh_batches = i == 0 ? 0 : 2;
		b[i].o.on_epoch = lose_pictures;
		nnopt_status status = fit(&b[i], &h);
		assert_int_equal(status, i == 0 ? NNOPT_OK : NNOPT_ERROR_FORMAT);
		assert_int_equal(nnopt_history_epochs(h), EPOCHS);
		nnopt_history_destroy(h);
	}
	assert_same_weights(b[0].net, b[1].net);
	assert_int_equal(nnopt_average_count(b[1].average), EPOCHS * BATCHES);
	destroy(&b[0]);
	destroy(&b[1]);
}

static void wrong_options(void **state)
{
	(void)state;
	bench b = make(1, EMA, 1);
	b.o.sam_rho = 0.1;
	b.o.accumulate = 2;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "accumulate", fit(&b, NULL));
	b.o.sam_rho = NAN;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "sam_rho", fit(&b, NULL));
	b.o.sam_rho = 0.0;
	b.o.accumulate = 1;
	b.o.refresh_batches = -2;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "refresh_batches", fit(&b, NULL));
	b.o.refresh_batches = 0;
	b.o.validation = b.test;
	b.o.monitor = NNOPT_MONITOR_VALIDATION_ACCURACY;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "maximises", fit(&b, NULL));
	b.o.monitor = NNOPT_MONITOR_VALIDATION_LOSS;
	b.o.checkpoint_path = PATH;
	b.o.epochs = 1;
	assert_ok(fit(&b, NULL));
	assert_ok(nnopt_average_swap(b.average, b.net));
	assert_fails(NNOPT_ERROR_STATE, "swap", fit(&b, NULL));
	assert_ok(nnopt_average_swap(b.average, b.net));
	/* The checkpoint's average must be there again, and of its kind. */
	nnopt_training_state s = { .struct_size = sizeof s, .model = b.net, .optimizer = b.sgd };
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "ema average", nnopt_checkpoint_load(&s, PATH));
	nnopt_average *swa = make_average(b.ctx, SWA);
	s.average = swa;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "\"swa\"", nnopt_checkpoint_load(&s, PATH));
	s.average = NULL;
	assert_ok(nnopt_checkpoint_save(&s, PATH));
	s.average = swa;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "no average", nnopt_checkpoint_load(&s, PATH));
	nnopt_average_destroy(swa);
	destroy(&b);
	(void)remove(PATH);
}

/* --- running statistics --- */

static const double statistics[] = {
#include "golden/refresh.inc"
};

static nnopt_loader *make_pictures(nnopt_context *ctx)
{
	nnopt_tensor *images = NULL, *labels = NULL;
	nnopt_dataset *data = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ 22, 1, 8, 8 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I64, 1, (int64_t[]){ 22 }, NNOPT_NCHW));
	for (uint32_t i = 0; i < 22 * 64; i++)
		((uint8_t *)nnopt_tensor_data(images))[i] = (uint8_t)((number(40, i) + 2.0f) * 63.0f);
	memset(nnopt_tensor_data(labels), 0, 22 * sizeof(int64_t));
	assert_ok(nnopt_dataset_from_tensors(&data, ctx, images, labels));
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 8;
	assert_ok(nnopt_loader_create(&loader, data, NULL, &o));
	nnopt_dataset_destroy(data);
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	return loader;
}

static void set_numbers(nnopt_context *ctx, nnopt_model *m)
{
	uint32_t stream = 10;
	for (int32_t i = 0; i < nnopt_model_parameter_count(m); i++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		nnopt_tensor *t = NULL;
		assert_ok(nnopt_model_parameter_info(m, i, &info));
		if (info.role == NNOPT_ROLE_STATE)
			continue;
		assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
		for (int64_t k = 0; k < info.count; k++)
			((float *)nnopt_tensor_data(t))[k] = number(stream, (uint32_t)k);
		stream++;
		assert_ok(nnopt_model_set_parameter(m, i, t));
		nnopt_tensor_destroy(t);
	}
}

static void statistics_anew_are_pytorchs(void **state)
{
	(void)state;
	nnopt_context *ctx = NULL;
	nnopt_model *m = NULL;
	nnopt_batch_norm_options o;
	assert_ok(nnopt_context_create(&ctx, NULL));
	nnopt_loader *loader = make_pictures(ctx);
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_conv2d(m, 4, 3, NULL));
	assert_ok(nnopt_add_batch_norm2d(m, NULL));
	assert_ok(nnopt_add_relu(m));
	assert_ok(nnopt_add_conv2d(m, 5, 3, NULL));
	assert_ok(nnopt_batch_norm_options_init(&o, sizeof o));
	o.momentum = 0.3f;
	assert_ok(nnopt_add_batch_norm2d(m, &o));
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 1, 8, 8 }));
	set_numbers(ctx, m);
	nnopt_model_blocks k = blocks_of(m);
	assert_ok(nnopt_model_refresh_batch_norm(m, loader, 0, NNOPT_PRECISION_F32));
	static const char *const names[] = { "batch_norm2d1.running_mean", "batch_norm2d1.running_var",
					     "batch_norm2d2.running_mean", "batch_norm2d2.running_var" };
	const double *wanted = statistics;
	double most = 0.0;
	for (int n = 0; n < 4; n++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		int32_t index;
		assert_ok(nnopt_model_find_parameter(m, names[n], &index));
		assert_ok(nnopt_model_parameter_info(m, index, &info));
		for (int64_t i = 0; i < info.count; i++, wanted++)
			most = fmax(most,
				    fabs((double)k.state[info.block_offset + i] - *wanted) / fmax(1.0, fabs(*wanted)));
	}
	print_message("within %.2g of update_bn()\n", most);
	assert_true(most <= 2e-6);
	assert_int_equal(nnopt_model_step(m), 0);
	/* A frozen one keeps its statistics. */
	assert_ok(nnopt_model_set_trainable(m, "batch_norm2d1", 0, NULL));
	for (int64_t i = 0; i < k.state_elements; i++)
		k.state[i] = 0.5f;
	assert_ok(nnopt_model_refresh_batch_norm(m, loader, 2, NNOPT_PRECISION_F32));
	for (int n = 0; n < 4; n++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		int32_t index;
		assert_ok(nnopt_model_find_parameter(m, names[n], &index));
		assert_ok(nnopt_model_parameter_info(m, index, &info));
		for (int64_t i = 0; i < info.count; i++)
			assert_int_equal(k.state[info.block_offset + i] == 0.5f, n < 2);
	}
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "precision", nnopt_model_refresh_batch_norm(m, loader, 2, 77));
	nnopt_model_destroy(m);
	nnopt_loader_destroy(loader);
	nnopt_context_destroy(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fit_is_the_loop_of_ones_own),
		cmocka_unit_test(a_resumed_run_is_the_same),
		cmocka_unit_test(validation_sees_the_average),
		cmocka_unit_test(a_failure_at_the_end_leaves_its_own_weights),
		cmocka_unit_test(wrong_options),
		cmocka_unit_test(statistics_anew_are_pytorchs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
