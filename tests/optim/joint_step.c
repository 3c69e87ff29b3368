/* joint_step.c - backward and update in one call give the weights and slots of the two calls, bit for bit, for every
 * optimizer, type and number of threads; what is not finite changes nothing; used-up gradients are not handed out. */
#include "blocks.h"
#include "golden.h"

#include <math.h>

enum {
	BATCH = 6,
	SIDE = 16,
	CHANNELS = 4,
	IN = CHANNELS * SIDE * SIDE,
	WIDE = 512,
	NEXT = 700,
	CLASSES = 10,
	STEPS = 3
};
enum { SGD, ADAM, ADAMW, RMSPROP, ADAGRAD, NADAM, LION, LAMB, MUON, KINDS };
enum { PLAIN, CLIP_VALUE, CLIP_NORM, GROUPS, VARIANTS };

typedef struct world {
	nnopt_context *context;
	nnopt_model *net;
	nnopt_plan *plan;
	nnopt_loss *loss;
	nnopt_optimizer *optimizer;
	nnopt_tensor *images, *labels;
} world;

static nnopt_context *context_of(int32_t threads, int32_t deterministic)
{
	nnopt_context_options o;
	nnopt_context *context = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.threads = threads;
	o.deterministic = deterministic;
	assert_ok(nnopt_context_create(&context, &o));
	return context;
}

static nnopt_optimizer *make_optimizer(nnopt_context *context, int kind)
{
	nnopt_optimizer *o = NULL;
	nnopt_sgd_options sgd;
	assert_ok(nnopt_sgd_options_init(&sgd, sizeof sgd));
	sgd.momentum = 0.9, sgd.nesterov = 1, sgd.weight_decay = 1e-3, sgd.l1 = 1e-4;
	nnopt_status made[KINDS] = { 0 };
	switch (kind) {
	case SGD:
		made[kind] = nnopt_sgd_create(&o, context, &sgd);
		break;
	case ADAM:
		made[kind] = nnopt_adam_create(&o, context, NULL);
		break;
	case ADAMW:
		made[kind] = nnopt_adamw_create(&o, context, NULL);
		break;
	case RMSPROP:
		made[kind] = nnopt_rmsprop_create(&o, context, NULL);
		break;
	case ADAGRAD:
		made[kind] = nnopt_adagrad_create(&o, context, NULL);
		break;
	case NADAM:
		made[kind] = nnopt_nadam_create(&o, context, NULL);
		break;
	case LION:
		made[kind] = nnopt_lion_create(&o, context, NULL);
		break;
	case LAMB:
		made[kind] = nnopt_lamb_create(&o, context, NULL);
		break;
	default:
		made[kind] = nnopt_muon_create(&o, context, NULL);
		break;
	}
	assert_ok(made[kind]);
	return o;
}

static void vary(nnopt_optimizer *o, int variant)
{
	nnopt_group_options g;
	assert_ok(nnopt_group_options_init(&g, sizeof g));
	if (variant == CLIP_VALUE)
		assert_ok(nnopt_optimizer_set_clipping(o, 0.0, 1e-4));
	if (variant == CLIP_NORM)
		assert_ok(nnopt_optimizer_set_clipping(o, 0.1, 0.0));
	if (variant != GROUPS)
		return;
	g.name_prefix = "linear1";
	g.lr_scale = 0.25;
	assert_ok(nnopt_optimizer_add_group(o, &g));
}

/* Two layers of 2^18 weights or more, one of them behind a ReLU, between small ones. */
static nnopt_model *make_model(nnopt_context *context)
{
	nnopt_model *m = NULL;
	nnopt_conv2d_options c;
	assert_ok(nnopt_model_create(&m, context));
	assert_ok(nnopt_conv2d_options_init(&c, sizeof c));
	c.padding_h = c.padding_w = 1;
	assert_ok(nnopt_add_conv2d(m, CHANNELS, 3, &c));
	assert_ok(nnopt_add_flatten(m));
	assert_ok(nnopt_add_linear(m, WIDE, NULL));
	assert_ok(nnopt_add_relu(m));
	assert_ok(nnopt_add_dropout(m, 0.3));
	assert_ok(nnopt_add_linear(m, NEXT, NULL));
	assert_ok(nnopt_add_linear(m, CLASSES, NULL));
	return m;
}

static nnopt_plan *make_plan(nnopt_model *net, int32_t precision)
{
	nnopt_plan *plan = NULL;
	nnopt_plan_options p;
	assert_ok(nnopt_plan_options_init(&p, sizeof p));
	p.mode = NNOPT_TRAINING;
	p.batch = BATCH;
	p.precision = precision;
	p.rank = 3;
	p.shape[0] = 3, p.shape[1] = p.shape[2] = SIDE;
	assert_ok(nnopt_plan_create(&plan, net, &p));
	return plan;
}

static world start(nnopt_context *context, int kind, int variant, int32_t precision)
{
	world w = { .context = context, .net = make_model(context), .optimizer = make_optimizer(context, kind) };
	vary(w.optimizer, variant);
	w.plan = make_plan(w.net, precision);
	assert_ok(nnopt_cross_entropy_create(&w.loss, context, NULL));
	assert_ok(
	    nnopt_tensor_create(&w.images, context, NNOPT_F32, 4, (int64_t[]){ BATCH, 3, SIDE, SIDE }, NNOPT_NHWC));
	assert_ok(nnopt_tensor_create(&w.labels, context, NNOPT_I32, 1, (int64_t[]){ BATCH }, NNOPT_NCHW));
	float *x = nnopt_tensor_data(w.images);
	for (int64_t i = 0; i < nnopt_tensor_count(w.images); i++)
		x[i] = number(3, (uint32_t)i);
	for (int32_t i = 0; i < BATCH; i++)
		((int32_t *)nnopt_tensor_data(w.labels))[i] = i * 7 % CLASSES;
	return w;
}

static void finish(world *w)
{
	nnopt_tensor_destroy(w->images);
	nnopt_tensor_destroy(w->labels);
	nnopt_loss_destroy(w->loss);
	nnopt_plan_destroy(w->plan);
	nnopt_optimizer_destroy(w->optimizer);
	nnopt_model_destroy(w->net);
	nnopt_context_destroy(w->context);
}

static void forward(world *w)
{
	const nnopt_tensor *y = NULL;
	nnopt_loss_result r = { .struct_size = sizeof r };
	assert_ok(nnopt_plan_forward(w->plan, w->images, &y));
	assert_ok(nnopt_loss_compute(w->loss, y, w->labels, 1.0f, nnopt_plan_output_gradient(w->plan), &r));
}

static nnopt_step_result joint(world *w)
{
	nnopt_step_result r = { .struct_size = sizeof r };
	forward(w);
	assert_ok(nnopt_optimizer_backward_step(w->optimizer, w->plan, &r));
	return r;
}

static nnopt_step_result separate(world *w)
{
	nnopt_step_result r = { .struct_size = sizeof r };
	forward(w);
	assert_ok(nnopt_plan_backward(w->plan, 0));
	assert_ok(nnopt_optimizer_step(w->optimizer, w->net, 1.0f, &r));
	return r;
}

static void assert_same(const world *a, const world *b)
{
	nnopt_model_blocks x = blocks_of(a->net), y = blocks_of(b->net);
	assert_memory_equal(x.parameters, y.parameters, (size_t)x.parameter_elements * sizeof(float));
	assert_int_equal(nnopt_optimizer_steps(a->optimizer), nnopt_optimizer_steps(b->optimizer));
	for (int32_t k = 0; k < nnopt_optimizer_slot_count(a->optimizer); k++) {
		nnopt_tensor *s = nnopt_optimizer_slot(a->optimizer, k), *t = nnopt_optimizer_slot(b->optimizer, k);
		assert_memory_equal(nnopt_tensor_data(s), nnopt_tensor_data(t),
				    (size_t)x.parameter_elements * sizeof(float));
	}
}

static void compare(int kind, int variant, int32_t precision, int32_t threads, int32_t deterministic)
{
	world a = start(context_of(1, 1), kind, variant, precision);
	world b = start(context_of(threads, deterministic), kind, variant, precision);
	for (int i = 0; i < STEPS; i++) {
		nnopt_step_result r = separate(&a), s = joint(&b);
		assert_true(r.finite && s.finite);
		assert_true(fabs(r.gradient_norm - s.gradient_norm) <= 1e-9 * r.gradient_norm);
	}
	/* Without the norm. */
	(void)separate(&a);
	forward(&b);
	assert_ok(nnopt_optimizer_backward_step(b.optimizer, b.plan, NULL));
	assert_same(&a, &b);
	finish(&a);
	finish(&b);
}

static void same_as_two_calls(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++)
		compare(kind, PLAIN, NNOPT_PRECISION_F32, 3, 1);
	for (int variant = PLAIN + 1; variant < VARIANTS; variant++)
		compare(ADAM, variant, NNOPT_PRECISION_F32, 2, 1);
	compare(ADAMW, GROUPS, NNOPT_PRECISION_BF16, 3, 1);
	compare(SGD, PLAIN, NNOPT_PRECISION_F16, 2, 1);
}

/* The norm too has its bits at any number of threads. */
static void same_norm_at_any_thread_count(void **state)
{
	(void)state;
	world a = start(context_of(1, 1), SGD, PLAIN, NNOPT_PRECISION_F32);
	world b = start(context_of(5, 1), SGD, PLAIN, NNOPT_PRECISION_F32);
	nnopt_step_result r = joint(&a), s = joint(&b);
	assert_true(r.gradient_norm == s.gradient_norm && r.gradient_norm > 0.0);
	finish(&a);
	finish(&b);
}

/* Calls of either kind may follow each other, on batches of any size, with layers frozen in between. */
static void calls_mix(void **state)
{
	(void)state;
	world a = start(context_of(1, 1), ADAM, PLAIN, NNOPT_PRECISION_F32);
	world b = start(context_of(2, 1), ADAM, PLAIN, NNOPT_PRECISION_F32);
	for (int round = 0; round < 4; round++) {
		const char *prefix[] = { "linear2.weight", "linear1", "linear2", "" };
		for (int i = 0; i < 2; i++) {
			separate(&a);
			(void)(i == round % 2 ? joint(&b) : separate(&b));
		}
		for (world *w = &a; w != NULL; w = w == &a ? &b : NULL) {
			assert_ok(nnopt_model_set_trainable(w->net, prefix[round], round == 3, NULL));
			nnopt_plan_destroy(w->plan);
			w->plan = make_plan(w->net, NNOPT_PRECISION_F32);
		}
	}
	joint(&b);
	separate(&a);
	assert_same(&a, &b);
	finish(&a);
	finish(&b);
}

static int32_t index_of(const nnopt_model *m, const char *name)
{
	int32_t index = -1;
	assert_ok(nnopt_model_find_parameter(m, name, &index));
	return index;
}

static void used_up_gradients_are_not_handed_out(void **state)
{
	(void)state;
	world w = start(context_of(1, 1), SGD, PLAIN, NNOPT_PRECISION_F32);
	nnopt_tensor *g = NULL, *last = NULL;
	int32_t index = index_of(w.net, "linear1.weight"), small = index_of(w.net, "linear3.weight");
	assert_ok(nnopt_tensor_create(&g, w.context, NNOPT_F32, 2, (int64_t[]){ WIDE, IN }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&last, w.context, NNOPT_F32, 2, (int64_t[]){ CLASSES, NEXT }, NNOPT_NCHW));
	joint(&w);
	assert_ok(nnopt_model_get_gradient(w.net, small, last));
	assert_fails(NNOPT_ERROR_STATE, "linear1.weight", nnopt_model_get_gradient(w.net, index, g));
	assert_fails(NNOPT_ERROR_STATE, "used up", nnopt_optimizer_step(w.optimizer, w.net, 1.0f, NULL));
	assert_fails(NNOPT_ERROR_STATE, "used up", nnopt_sam_perturb(w.optimizer, w.net, 0.1, 0, 1.0f, NULL));
	forward(&w);
	assert_fails(NNOPT_ERROR_STATE, "accumulate", nnopt_plan_backward(w.plan, 1));
	assert_ok(nnopt_plan_backward(w.plan, 0));
	assert_ok(nnopt_model_get_gradient(w.net, index, g));
	forward(&w);
	assert_ok(nnopt_plan_backward(w.plan, 1));
	assert_ok(nnopt_optimizer_step(w.optimizer, w.net, 0.5f, NULL));
	joint(&w);
	assert_ok(nnopt_model_set_trainable(w.net, "linear1", 0, NULL));
	assert_ok(nnopt_model_get_gradient(w.net, index, g));
	assert_true(((const float *)nnopt_tensor_const_data(g))[7] == 0.0f);
	nnopt_tensor_destroy(g);
	nnopt_tensor_destroy(last);
	finish(&w);
}

/* The backward pass of a plan that watches a layer makes no parameter's gradient, and wants none. */
static void watching_leaves_them_alone(void **state)
{
	(void)state;
	world w = start(context_of(1, 1), SGD, PLAIN, NNOPT_PRECISION_F32);
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	const nnopt_tensor *y = NULL;
	joint(&w);
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = BATCH;
	o.watch = "conv2d1";
	assert_ok(nnopt_plan_create(&plan, w.net, &o));
	for (int accumulate = 0; accumulate < 2; accumulate++) {
		assert_ok(nnopt_plan_forward(plan, w.images, &y));
		assert_ok(nnopt_plan_backward(plan, accumulate));
		assert_fails(NNOPT_ERROR_STATE, "used up", nnopt_optimizer_step(w.optimizer, w.net, 1.0f, NULL));
	}
	nnopt_plan_destroy(plan);
	finish(&w);
}

/* A large layer of which the bias alone trains has no late gradient: a step that is not finite says so. */
static void of_a_frozen_weight_none_comes_late(void **state)
{
	(void)state;
	world w = start(context_of(1, 1), SGD, PLAIN, NNOPT_PRECISION_F32);
	nnopt_step_result r = { .struct_size = sizeof r };
	const nnopt_tensor *y = NULL;
	assert_ok(nnopt_model_set_trainable(w.net, "linear1.weight", 0, NULL));
	nnopt_plan_destroy(w.plan);
	w.plan = make_plan(w.net, NNOPT_PRECISION_F32);
	assert_ok(nnopt_plan_forward(w.plan, w.images, &y));
	for (int64_t i = 0; i < nnopt_tensor_count(y); i++)
		((float *)nnopt_tensor_data(nnopt_plan_output_gradient(w.plan)))[i] = INFINITY;
	assert_ok(nnopt_optimizer_backward_step(w.optimizer, w.plan, &r));
	assert_int_equal(r.finite, 0);
	finish(&w);
}

static void bad_calls_fail(void **state)
{
	(void)state;
	world w = start(context_of(1, 1), SGD, PLAIN, NNOPT_PRECISION_F32);
	world other = start(context_of(1, 1), SGD, PLAIN, NNOPT_PRECISION_F32);
	nnopt_step_result r = { .struct_size = 1 };
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "optimizer is NULL",
		     nnopt_optimizer_backward_step(NULL, w.plan, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "plan is NULL",
		     nnopt_optimizer_backward_step(w.optimizer, NULL, NULL));
	assert_fails(NNOPT_ERROR_STATE, "no forward", nnopt_optimizer_backward_step(w.optimizer, w.plan, NULL));
	forward(&w);
	assert_int_not_equal(nnopt_optimizer_backward_step(w.optimizer, w.plan, &r), NNOPT_OK);
	assert_fails(NNOPT_ERROR_STATE, "another model", nnopt_optimizer_backward_step(w.optimizer, other.plan, NULL));
	assert_int_equal(nnopt_optimizer_steps(w.optimizer), 0);
	assert_ok(nnopt_plan_backward(w.plan, 0));
	assert_ok(nnopt_sam_perturb(w.optimizer, w.net, 0.1, 0, 1.0f, NULL));
	forward(&w);
	assert_fails(NNOPT_ERROR_STATE, "sam_restore", nnopt_optimizer_backward_step(w.optimizer, w.plan, NULL));
	finish(&other);
	finish(&w);
}

/* A stale plan's weights may not even be there any more. */
static void stale_plans_fail(void **state)
{
	(void)state;
	world w = start(context_of(1, 1), ADAM, PLAIN, NNOPT_PRECISION_F32);
	nnopt_layer *layer = NULL;
	joint(&w);
	forward(&w);
	assert_ok(nnopt_flatten_create(&layer, w.context));
	assert_ok(nnopt_model_replace_layer(w.net, "linear3", layer));
	nnopt_layer_destroy(layer);
	nnopt_optimizer *fresh = make_optimizer(w.context, ADAM);
	assert_int_equal(nnopt_optimizer_backward_step(fresh, w.plan, NULL), NNOPT_ERROR_STATE);
	nnopt_optimizer_destroy(fresh);
	finish(&w);
}

static void fill(nnopt_tensor *t, float value)
{
	for (int64_t i = 0; i < nnopt_tensor_count(t); i++)
		((float *)nnopt_tensor_data(t))[i] = value;
}

/* The large layers' gradients are fine and the convolution's overflows: nothing moves. Then the last layer's does. */
static void what_is_not_finite_changes_nothing(void **state)
{
	(void)state;
	world a = start(context_of(2, 1), ADAM, PLAIN, NNOPT_PRECISION_F32);
	nnopt_model_blocks k = blocks_of(a.net);
	size_t bytes = (size_t)k.parameter_elements * sizeof(float);
	float *before = malloc(bytes);
	assert_non_null(before);
	nnopt_step_result r = { .struct_size = sizeof r };
	joint(&a);
	const nnopt_tensor *y = NULL;
	const float images[] = { 1e38f, 1.0f }, slopes[] = { 1e4f, INFINITY };
	nnopt_tensor *g = NULL;
	assert_ok(nnopt_tensor_create(&g, a.context, NNOPT_F32, 2, (int64_t[]){ WIDE, IN }, NNOPT_NCHW));
	for (int i = 0; i < 2; i++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		assert_ok(nnopt_model_parameter_info(a.net, index_of(a.net, "conv2d1.weight"), &info));
		for (int64_t n = 0; i == 0 && n < info.count; n++)
			k.parameters[info.block_offset + n] *= 1e-38f;
		memcpy(before, k.parameters, bytes);
		fill(a.images, images[i]);
		assert_ok(nnopt_plan_forward(a.plan, a.images, &y));
		fill(nnopt_plan_output_gradient(a.plan), slopes[i]);
		assert_ok(nnopt_optimizer_backward_step(a.optimizer, a.plan, &r));
		assert_int_equal(r.finite, 0);
		assert_false(isfinite(r.gradient_norm));
		assert_memory_equal(before, k.parameters, bytes);
		assert_int_equal(nnopt_optimizer_steps(a.optimizer), 1);
		/* Nor is the gradient of a pass before told as this one's. */
		assert_int_equal(nnopt_model_get_gradient(a.net, index_of(a.net, "linear1.weight"), g),
				 i == 0 ? NNOPT_ERROR_STATE : NNOPT_OK);
	}
	nnopt_tensor_destroy(g);
	free(before);
	finish(&a);
}

enum { ROWS = 1024 };

/* The weights after one step of one layer on the input alone; to be freed. */
static float *one_step(float second_source, int joined, int32_t *finite)
{
	nnopt_context *context = context_of(2, 1);
	nnopt_model *m = NULL;
	nnopt_plan *plan = NULL;
	nnopt_tensor *x = NULL;
	nnopt_plan_options p;
	nnopt_step_result r = { .struct_size = sizeof r };
	const nnopt_tensor *y = NULL;
	assert_ok(nnopt_model_create(&m, context));
	assert_ok(nnopt_add_linear(m, WIDE, NULL));
	assert_ok(nnopt_plan_options_init(&p, sizeof p));
	p.mode = NNOPT_TRAINING, p.batch = 2, p.rank = 1, p.shape[0] = ROWS;
	assert_ok(nnopt_plan_create(&plan, m, &p));
	nnopt_optimizer *o = make_optimizer(context, SGD);
	assert_ok(nnopt_tensor_create(&x, context, NNOPT_F32, 2, (int64_t[]){ 2, ROWS }, NNOPT_NCHW));
	for (int n = 0; n < 2 * ROWS; n++)
		((float *)nnopt_tensor_data(x))[n] = n < ROWS ? 1e25f : second_source;
	assert_ok(nnopt_plan_forward(plan, x, &y));
	for (int n = 0; n < 2 * WIDE; n++)
		((float *)nnopt_tensor_data(nnopt_plan_output_gradient(plan)))[n] = n < WIDE ? 0.0f : 1e18f;
	if (joined)
		assert_ok(nnopt_optimizer_backward_step(o, plan, &r));
	else {
		assert_ok(nnopt_plan_backward(plan, 0));
		assert_ok(nnopt_optimizer_step(o, m, 1.0f, &r));
	}
	*finite = r.finite;
	nnopt_model_blocks k = blocks_of(m);
	float *weights = malloc((size_t)k.parameter_elements * sizeof(float));
	assert_non_null(weights);
	memcpy(weights, k.parameters, (size_t)k.parameter_elements * sizeof(float));
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	nnopt_optimizer_destroy(o);
	nnopt_model_destroy(m);
	nnopt_context_destroy(context);
	return weights;
}

/* Sources and slopes too large to be sure of: they never meet, being of different samples, or they do, and then the
 * weight's gradient alone overflows. */
static void doubtful_gradients_are_made_first(void **state)
{
	(void)state;
	for (int meet = 0; meet < 2; meet++) {
		int32_t finite[2];
		float *a = one_step(meet ? 1e25f : 1e-20f, 0, &finite[0]);
		float *b = one_step(meet ? 1e25f : 1e-20f, 1, &finite[1]);
		assert_int_equal(finite[0], !meet);
		assert_int_equal(finite[1], !meet);
		assert_memory_equal(a, b, (size_t)(ROWS * WIDE + WIDE) * sizeof(float));
		free(a);
		free(b);
	}
}

static nnopt_status leave_alone(float *gradients, int64_t count, void *user)
{
	(void)gradients, (void)count, (void)user;
	return NNOPT_OK;
}

/* A hook between the two keeps nnopt_fit() from joining them, and changes nothing else. */
static void fit_joins_them(void **state)
{
	(void)state;
	world w[2];
	for (int i = 0; i < 2; i++) {
		w[i] = start(context_of(2, 1), ADAMW, PLAIN, NNOPT_PRECISION_F32);
		nnopt_tensor *pixels = NULL;
		nnopt_dataset *data = NULL;
		nnopt_loader *loader = NULL;
		nnopt_fit_options f;
		assert_ok(nnopt_tensor_create(&pixels, w[i].context, NNOPT_U8, 4, (int64_t[]){ BATCH, 3, SIDE, SIDE },
					      NNOPT_NCHW));
		for (int n = 0; n < BATCH * 3 * SIDE * SIDE; n++)
			((uint8_t *)nnopt_tensor_data(pixels))[n] = (uint8_t)(n * n % 251);
		assert_ok(nnopt_dataset_from_tensors(&data, w[i].context, pixels, w[i].labels));
		assert_ok(nnopt_loader_create(&loader, data, NULL, NULL));
		assert_ok(nnopt_fit_options_init(&f, sizeof f));
		f.epochs = 3;
		f.all_reduce = i == 0 ? NULL : leave_alone;
		assert_ok(nnopt_fit(w[i].net, loader, w[i].loss, w[i].optimizer, &f, NULL));
		nnopt_loader_destroy(loader);
		nnopt_dataset_destroy(data);
		nnopt_tensor_destroy(pixels);
	}
	nnopt_tensor *g = NULL;
	int32_t index = index_of(w[0].net, "linear2.weight");
	assert_ok(nnopt_tensor_create(&g, w[0].context, NNOPT_F32, 2, (int64_t[]){ NEXT, WIDE }, NNOPT_NCHW));
	assert_fails(NNOPT_ERROR_STATE, "used up", nnopt_model_get_gradient(w[0].net, index, g));
	assert_ok(nnopt_model_get_gradient(w[1].net, index, g));
	nnopt_tensor_destroy(g);
	assert_same(&w[0], &w[1]);
	finish(&w[0]);
	finish(&w[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_two_calls),
		cmocka_unit_test(same_norm_at_any_thread_count),
		cmocka_unit_test(calls_mix),
		cmocka_unit_test(used_up_gradients_are_not_handed_out),
		cmocka_unit_test(watching_leaves_them_alone),
		cmocka_unit_test(of_a_frozen_weight_none_comes_late),
		cmocka_unit_test(bad_calls_fail),
		cmocka_unit_test(stale_plans_fail),
		cmocka_unit_test(what_is_not_finite_changes_nothing),
		cmocka_unit_test(doubtful_gradients_are_made_first),
		cmocka_unit_test(fit_joins_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
