/* random_runs.c - trainings that nobody thought of: samplers, transforms, networks, losses, optimizers, schedules,
 * averages and options drawn by chance. Each comes to the same bits from one thread and from three, and stopped by a
 * request, a failing callback or want of memory, and gone on with in new objects, any number of times.
 *
 *   test_train_random_runs [FROM UNTIL]     runs of these numbers, for a longer search */
#include "blocks.h"
#include "budget.h"
#include "data/random_kinds.h"
#include "golden.h"

#include <math.h>
#include <stdio.h>

enum { CLASSES = 4, SIDE = 16, MOST_STOPS = 4 };
#define PATH pick_path(".ckpt")

static budget memory; /* of all runs */
static int stops[3];  /* by a request, a callback, want of memory */

typedef struct run {
	nnopt_context *ctx;
	nnopt_dataset *data;
	nnopt_loader *train, *test;
	nnopt_model *net, *teacher;
	nnopt_loss *loss;
	nnopt_optimizer *optimizer;
	nnopt_average *average;
	nnopt_plateau *plateau;
	nnopt_snapshots *snapshots;
	nnopt_schedule *schedule;
	nnopt_fit_options o;
	nnopt_status status; /* of the training */
	nnopt_history *history;
	int64_t batches_seen, stop_at; /* of this part; 0: at none */
	int mixes;                     /* its batches */
	int fails;                     /* it stops by a failing callback, not by a request */
} run;

static void make_data(run *r)
{
	int64_t count = 40 + pick(40);
	nnopt_tensor *images = NULL, *labels = NULL;
	assert_ok(nnopt_tensor_create(&images, r->ctx, NNOPT_U8, 4, (int64_t[]){ count, 3, SIDE, SIDE }, NNOPT_NHWC));
	assert_ok(nnopt_tensor_create(&labels, r->ctx, NNOPT_I64, 1, &count, NNOPT_NCHW));
	uint8_t *p = nnopt_tensor_data(images);
	for (int64_t i = 0; i < count; i++) {
		int64_t label = i * 7 % CLASSES;
		((int64_t *)nnopt_tensor_data(labels))[i] = label;
		for (int j = 0; j < SIDE * SIDE * 3; j++)
			p[i * SIDE * SIDE * 3 + j] =
			    (uint8_t)((number(1, (uint32_t)(i * SIDE * SIDE * 3 + j)) + 2.0f) * 40.0f +
				      (j / SIDE / 3 == 4 * label + 1 ? 90.0f : 0.0f));
	}
	assert_ok(nnopt_dataset_from_tensors(&r->data, r->ctx, images, labels));
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
}

static nnopt_transforms *random_transforms(nnopt_context *ctx)
{
	nnopt_transforms *t = NULL;
	assert_ok(nnopt_transforms_create(&t, ctx));
	add_random_kinds(t, 1);
	if (one_in(3))
		assert_ok(nnopt_transforms_add_normalise_per_image(t, pick(2), 1e-3));
	return t;
}

static void make_loaders(run *r, int32_t workers)
{
	static double weights[128];
	nnopt_transforms *t = random_transforms(r->ctx);
	nnopt_loader_options o;
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 7 + pick(12);
	assert_ok(nnopt_loader_create(&r->test, r->data, NULL, &o));
	o.workers = workers;
	o.prefetch = 1 + pick(3);
	o.shuffle = !one_in(4);
	o.drop_last = pick(2);
	o.cache_bytes = one_in(2) ? 10000 : 0;
	o.mixup_alpha = one_in(4) ? 0.3 : 0.0;
	o.cutmix_alpha = one_in(4) ? 1.0 : 0.0;
	o.mix_probability = pick(3) / 2.0;
	r->mixes = o.mixup_alpha > 0.0 || o.cutmix_alpha > 0.0;
	o.sampler = pick(8);
	if (o.sampler == NNOPT_SAMPLER_WEIGHTED) {
		o.weight_count = nnopt_dataset_count(r->data);
		for (int64_t i = 0; i < o.weight_count; i++)
			weights[i] = (double)(i % 3);
		o.weights = weights;
	} else if (o.sampler == NNOPT_SAMPLER_PK) {
		o.classes_per_batch = 3;
		o.samples_per_class = 4;
		o.batch = 12;
	} else if (o.sampler > NNOPT_SAMPLER_PK) {
		o.sampler = NNOPT_SAMPLER_ORDER;
	}
	o.epoch_samples = one_in(5) ? 33 : 0;
	o.shard_count = one_in(8) ? 2 : 1;
	assert_ok(nnopt_loader_create(&r->train, r->data, t, &o));
	nnopt_transforms_destroy(t);
}

/* Sometimes with a linear layer so large that its gradient comes late. */
static nnopt_model *random_network(nnopt_context *ctx)
{
	nnopt_model *net = NULL;
	nnopt_conv2d_options same;
	assert_ok(nnopt_conv2d_options_init(&same, sizeof same));
	same.padding_mode = NNOPT_PADDING_SAME;
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_add_conv2d(net, 8, 3, &same));
	int norm = pick(4), dropped = pick(6), large = one_in(6);
	if (norm == 1)
		assert_ok(nnopt_add_group_norm(net, 2, NULL));
	else if (norm > 1)
		assert_ok(nnopt_add_batch_norm2d(net, NULL));
	assert_ok(one_in(3) ? nnopt_add_silu(net) : nnopt_add_relu(net));
	if (!large)
		assert_ok(nnopt_add_max_pool2d(net, 2, NULL));
	assert_ok(dropped == 0   ? nnopt_add_dropout2d(net, 0.2f)
		  : dropped == 1 ? nnopt_add_drop_block(net, 2, 0.2f)
		  : dropped == 2 ? nnopt_add_stochastic_depth(net, 0.1f)
				 : nnopt_add_dropout(net, 0.2f));
	assert_ok(one_in(8) && !large ? nnopt_add_gru(net, 12, NULL) : nnopt_add_flatten(net));
	assert_ok(nnopt_add_linear(net, large ? 300 : 24, NULL));
	if (one_in(3))
		assert_ok(nnopt_add_batch_norm1d(net, NULL));
	assert_ok(nnopt_add_relu(net));
	assert_ok(nnopt_add_linear(net, CLASSES, NULL));
	assert_ok(nnopt_model_build(net, 3, (int64_t[]){ 3, SIDE, SIDE }));
	if (one_in(6))
		assert_ok(nnopt_model_set_trainable(net, "conv2d1.", 0, NULL));
	if (one_in(6))
		assert_ok(nnopt_model_set_frozen_norms(net, "", 1, NULL));
	return net;
}

static void make_loss(run *r)
{
	nnopt_cross_entropy_options c;
	nnopt_focal_options f;
	nnopt_distillation_options d;
	assert_ok(nnopt_cross_entropy_options_init(&c, sizeof c));
	assert_ok(nnopt_focal_options_init(&f, sizeof f));
	assert_ok(nnopt_distillation_options_init(&d, sizeof d));
	c.label_smoothing = one_in(2) ? 0.1f : 0.0f;
	int kind = r->mixes ? 1 + pick(5) : pick(6); /* the focal loss takes no soft targets */
	assert_ok(kind == 0   ? nnopt_focal_create(&r->loss, r->ctx, &f)
		  : kind == 1 ? nnopt_distillation_create(&r->loss, r->ctx, &d)
			      : nnopt_cross_entropy_create(&r->loss, r->ctx, &c));
	if (kind == 1)
		r->teacher = random_network(r->ctx);
}

static void make_optimizer(run *r)
{
	nnopt_sgd_options sgd;
	nnopt_group_options group;
	assert_ok(nnopt_sgd_options_init(&sgd, sizeof sgd));
	assert_ok(nnopt_group_options_init(&group, sizeof group));
	sgd.lr = 0.02;
	sgd.momentum = pick(2) * 0.9;
	sgd.nesterov = sgd.momentum > 0.0 && one_in(2);
	sgd.l1 = pick(2) * 1e-4;
	sgd.weight_decay = pick(2) * 1e-3;
	int kind = pick(10);
	assert_ok(kind == 0   ? nnopt_adam_create(&r->optimizer, r->ctx, NULL)
		  : kind == 1 ? nnopt_adamw_create(&r->optimizer, r->ctx, NULL)
		  : kind == 2 ? nnopt_rmsprop_create(&r->optimizer, r->ctx, NULL)
		  : kind == 3 ? nnopt_adagrad_create(&r->optimizer, r->ctx, NULL)
		  : kind == 4 ? nnopt_nadam_create(&r->optimizer, r->ctx, NULL)
		  : kind == 5 ? nnopt_lion_create(&r->optimizer, r->ctx, NULL)
		  : kind == 6 ? nnopt_lamb_create(&r->optimizer, r->ctx, NULL)
		  : kind == 7 ? nnopt_muon_create(&r->optimizer, r->ctx, NULL)
			      : nnopt_sgd_create(&r->optimizer, r->ctx, &sgd));
	group.name_prefix = one_in(2) ? "linear" : "conv2d1";
	group.lr_scale = 0.5;
	group.weight_decay_scale = 0.0;
	if (one_in(3))
		assert_ok(nnopt_optimizer_add_group(r->optimizer, &group));
	if (one_in(4))
		assert_ok(nnopt_optimizer_set_clipping(r->optimizer, pick(2) * 0.5, pick(2) * 0.1));
}

static void make_average(run *r)
{
	nnopt_ema_options ema;
	nnopt_swa_options swa;
	nnopt_lookahead_options ahead;
	assert_ok(nnopt_ema_options_init(&ema, sizeof ema));
	assert_ok(nnopt_swa_options_init(&swa, sizeof swa));
	assert_ok(nnopt_lookahead_options_init(&ahead, sizeof ahead));
	ema.decay = 0.8;
	ema.warm_up = pick(2);
	ema.start = swa.start = pick(8);
	ema.every = swa.every = 1 + pick(3);
	ema.average_state = swa.average_state = ahead.average_state = pick(2);
	ahead.ramp_steps = pick(2) * 20;
	ahead.every = 1 + pick(5);
	int kind = pick(6);
	assert_ok(kind == 0   ? nnopt_ema_create(&r->average, r->ctx, &ema)
		  : kind == 1 ? nnopt_swa_create(&r->average, r->ctx, &swa)
		  : kind == 2 ? nnopt_lookahead_create(&r->average, r->ctx, &ahead)
			      : NNOPT_OK);
}

static void make_schedule(run *r)
{
	int kind = pick(7);
	assert_ok(kind == 0   ? nnopt_schedule_cosine_create(&r->schedule, r->ctx, 18, 0.0)
		  : kind == 1 ? nnopt_schedule_one_cycle_create(&r->schedule, r->ctx, 18, 0.3, 0.04, 0.001, pick(2))
		  : kind == 2 ? nnopt_schedule_warm_restarts_create(&r->schedule, r->ctx, 6, 1 + pick(2), 0.1)
		  : kind == 3 ? nnopt_schedule_warmup_create(&r->schedule, r->ctx, 5, 0.0, NULL)
			      : NNOPT_OK);
}

static void make_rest(run *r)
{
	nnopt_plateau_options p;
	nnopt_snapshots_options s;
	make_schedule(r);
	assert_ok(nnopt_plateau_options_init(&p, sizeof p));
	assert_ok(nnopt_snapshots_options_init(&s, sizeof s));
	assert_ok(nnopt_fit_options_init(&r->o, sizeof r->o));
	r->o.epochs = 2 + pick(3);
	r->o.validation = one_in(3) ? NULL : r->test;
	r->o.monitor = r->o.validation == NULL ? NNOPT_MONITOR_TRAINING_LOSS : pick(3);
	r->o.patience = one_in(3) ? 1 : 0;
	r->o.restore_best = pick(3) - 1;
	r->o.sam_rho = one_in(4) ? 0.05 : 0.0;
	r->o.sam_adaptive = pick(2);
	r->o.accumulate = r->o.sam_rho > 0.0 || one_in(2) ? 1 : 1 + pick(3);
	r->o.precision =
	    (int32_t[]){ NNOPT_PRECISION_F32, NNOPT_PRECISION_F32, NNOPT_PRECISION_BF16, NNOPT_PRECISION_F16 }[pick(4)];
	r->o.refresh_batches = one_in(4) ? 2 : 0;
	r->o.checkpoint_steps = 1 + pick(9);
	p.factor = 0.5;
	p.patience = pick(2);
	p.threshold = 0.3;
	p.maximise = r->o.monitor == NNOPT_MONITOR_VALIDATION_ACCURACY;
	s.first = 3 + pick(4);
	s.multiply = 1 + pick(2);
	s.most = 1 + pick(3);
	if (one_in(4))
		assert_ok(nnopt_plateau_create(&r->plateau, r->ctx, &p));
	if (one_in(4))
		assert_ok(nnopt_snapshots_create(&r->snapshots, r->ctx, &s));
	r->o.schedule = r->schedule;
	r->o.average = r->average;
	r->o.plateau = r->plateau;
	r->o.snapshots = r->snapshots;
	r->o.teacher = r->teacher;
}

/* The same for a number, whatever the threads. */
static run make(uint32_t number, int32_t threads)
{
	run r = { 0 };
	nnopt_context_options c;
	pick_anew(number);
	assert_ok(nnopt_context_options_init(&c, sizeof c));
	c.seed = number;
	c.threads = threads;
	c.alloc = budget_alloc;
	c.free = budget_free;
	c.alloc_user = &memory;
	assert_ok(nnopt_context_create(&r.ctx, &c));
	make_data(&r);
	make_loaders(&r, threads - 1);
	r.net = random_network(r.ctx);
	make_loss(&r);
	make_optimizer(&r);
	make_average(&r);
	make_rest(&r);
	return r;
}

static void destroy(run *r)
{
	nnopt_history_destroy(r->history);
	nnopt_cancel_destroy(r->o.cancel);
	nnopt_snapshots_destroy(r->snapshots);
	nnopt_plateau_destroy(r->plateau);
	nnopt_average_destroy(r->average);
	nnopt_schedule_destroy(r->schedule);
	nnopt_optimizer_destroy(r->optimizer);
	nnopt_loss_destroy(r->loss);
	nnopt_model_destroy(r->teacher);
	nnopt_model_destroy(r->net);
	nnopt_loader_destroy(r->train);
	nnopt_loader_destroy(r->test);
	nnopt_dataset_destroy(r->data);
	nnopt_context_destroy(r->ctx);
}

static nnopt_status stop(const nnopt_progress *p, void *user)
{
	run *r = user;
	(void)p;
	if (++r->batches_seen != r->stop_at)
		return NNOPT_OK;
	if (r->fails)
		return NNOPT_ERROR_IO;
	nnopt_cancel_request(r->o.cancel);
	return NNOPT_OK;
}

static void train(run *r)
{
	r->o.on_batch = stop;
	r->o.progress_user = r;
	r->status = nnopt_fit(r->net, r->train, r->loss, r->optimizer, &r->o, &r->history);
}

static int same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static void assert_same_history(const run *a, const run *b)
{
	assert_int_equal(nnopt_history_epochs(a->history), nnopt_history_epochs(b->history));
	assert_int_equal(nnopt_history_best_epoch(a->history), nnopt_history_best_epoch(b->history));
	assert_int_equal(nnopt_history_stopped_early(a->history), nnopt_history_stopped_early(b->history));
	for (int64_t i = 0; i < nnopt_history_epochs(a->history); i++) {
		nnopt_epoch_record x = { .struct_size = sizeof x }, y = { .struct_size = sizeof y };
		assert_ok(nnopt_history_epoch(a->history, i, &x));
		assert_ok(nnopt_history_epoch(b->history, i, &y));
		assert_true(same(x.loss, y.loss) && same(x.accuracy, y.accuracy) && same(x.lr, y.lr));
		assert_true(same(x.validation_loss, y.validation_loss) &&
			    same(x.validation_accuracy, y.validation_accuracy));
	}
}

/* Loses the weights of `b`. */
static void assert_same_snapshots(run *a, run *b)
{
	nnopt_model_blocks k = blocks_of(a->net);
	size_t parameters = (size_t)k.parameter_elements * sizeof(float),
	       state = (size_t)k.state_elements * sizeof(float);
	char *kept = malloc(parameters + state);
	assert_non_null(kept);
	memcpy(kept, k.parameters, parameters);
	if (state > 0)
		memcpy(kept + parameters, k.state, state);
	assert_int_equal(nnopt_snapshots_count(a->snapshots), nnopt_snapshots_count(b->snapshots));
	for (int64_t i = 0; i < nnopt_snapshots_count(a->snapshots); i++) {
		assert_int_equal(nnopt_snapshots_step(a->snapshots, i), nnopt_snapshots_step(b->snapshots, i));
		assert_ok(nnopt_snapshots_apply(a->snapshots, i, a->net));
		assert_ok(nnopt_snapshots_apply(b->snapshots, i, b->net));
		assert_same_weights(a->net, b->net);
	}
	memcpy(k.parameters, kept, parameters);
	if (state > 0)
		memcpy(k.state, kept + parameters, state);
	free(kept);
}

static void assert_same_run(run *a, run *b)
{
	assert_int_equal(a->status, b->status);
	assert_same_history(a, b);
	assert_same_weights(a->net, b->net);
	assert_int_equal(nnopt_optimizer_steps(a->optimizer), nnopt_optimizer_steps(b->optimizer));
	assert_int_equal(nnopt_model_step(a->net), nnopt_model_step(b->net));
	assert_int_equal(nnopt_average_count(a->average), nnopt_average_count(b->average));
	if (a->snapshots != NULL)
		assert_same_snapshots(a, b);
}

/* A part of a run, to its end where nothing stops it. */
static run make_part(uint32_t number, int part, int64_t batches)
{
	run r = make(number, 1 + part % 3);
	assert_ok(nnopt_cancel_create(&r.o.cancel, r.ctx));
	r.o.checkpoint_path = PATH;
	r.o.resume = 1;
	pick_state += (uint32_t)part;
	if (part < MOST_STOPS) {
		r.fails = pick(2);
		r.stop_at = pick(3) == 0 ? 0 : 1 + pick((int)batches + 1);
		if (r.stop_at == 0)
			atomic_store(&memory.fail_at, atomic_load(&memory.calls) + 1 + pick(300));
	}
	train(&r);
	atomic_store(&memory.fail_at, 0);
	return r;
}

/* Stopped up to MOST_STOPS times. */
static run make_stopped(uint32_t number, int64_t batches)
{
	(void)remove(PATH);
	for (int part = 0;; part++) {
		run r = make_part(number, part, batches);
		if (r.status != NNOPT_ERROR_CANCELLED && r.status != NNOPT_ERROR_CALLBACK &&
		    r.status != NNOPT_ERROR_OUT_OF_MEMORY)
			return r;
		stops[r.status == NNOPT_ERROR_OUT_OF_MEMORY ? 2 : r.fails]++;
		destroy(&r);
	}
}

static void runs_are_the_same(void **state)
{
	(void)state;
	uint32_t not_finite = 0;
	for (pick_reached = pick_from; pick_reached < pick_until; pick_reached++) {
		run one = make(pick_reached, 1), three = make(pick_reached, 3);
		train(&one);
		if (one.status == NNOPT_ERROR_NONFINITE)
			not_finite++;
		else if (one.status != NNOPT_OK)
			fail_msg("%s", nnopt_last_error());
		train(&three);
		assert_same_run(&one, &three);
		run stopped = make_stopped(pick_reached, one.batches_seen);
		assert_same_run(&one, &stopped);
		destroy(&stopped);
		destroy(&three);
		destroy(&one);
	}
	(void)remove(PATH);
	assert_true(10 * not_finite <= pick_until - pick_from);
	assert_true(pick_until - pick_from < 30 || (stops[0] > 0 && stops[1] > 0 && stops[2] > 0));
	budget_came_back(&memory);
}

int main(int argc, char **argv)
{
	pick_range(argc, argv, 60);
	const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(runs_are_the_same, tell_reached) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
