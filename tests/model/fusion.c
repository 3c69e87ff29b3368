/* fusion.c - what the plan fuses with a normalisation: which nodes, and that outputs, all gradients and the running
 * statistics are those of the plan without rewrites, in residual networks of several forms. */
#include "check.h"
#include "golden.h"
#include "isas.h"

#include "model/model.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

enum { BATCH = 3, CHANNELS = 6, SIDE = 5 };

static nnopt_context *ctx;

/* Of the plans made and run next. */
static int64_t samples = BATCH;
static nnopt_precision precision = NNOPT_PRECISION_F32;

typedef nnopt_status (*plain_create)(nnopt_layer **out, nnopt_context *context);

static int32_t connect(nnopt_model *m, nnopt_layer *layer, int32_t count, const int32_t *from)
{
	int32_t node = -1;
	assert_ok(nnopt_model_connect(m, layer, from, count, &node));
	nnopt_layer_destroy(layer);
	return node;
}

static int32_t conv(nnopt_model *m, int32_t from)
{
	nnopt_conv2d_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
	o.padding_mode = NNOPT_PADDING_SAME;
	assert_ok(nnopt_conv2d_create(&l, ctx, CHANNELS, 3, &o));
	return connect(m, l, 1, &from);
}

static int32_t norm(nnopt_model *m, int32_t from)
{
	nnopt_layer *l = NULL;
	assert_ok(nnopt_batch_norm2d_create(&l, ctx, NULL));
	return connect(m, l, 1, &from);
}

static int32_t plain(nnopt_model *m, plain_create create, int32_t from)
{
	nnopt_layer *l = NULL;
	assert_ok(create(&l, ctx));
	return connect(m, l, 1, &from);
}

static int32_t sum(nnopt_model *m, int32_t first, int32_t second)
{
	nnopt_layer *l = NULL;
	assert_ok(nnopt_add_create(&l, ctx));
	return connect(m, l, 2, (int32_t[]){ first, second });
}

/* --- the networks --- */

static void straight(nnopt_model *m)
{
	int32_t a = plain(m, nnopt_relu_create, norm(m, conv(m, NNOPT_INPUT_NODE)));
	plain(m, nnopt_relu6_create, norm(m, conv(m, a)));
}

/* Two blocks, the sum's inputs in both orders: the skip's gradient stays where the sums' are. */
static void identity(nnopt_model *m)
{
	int32_t a = plain(m, nnopt_relu_create, norm(m, conv(m, NNOPT_INPUT_NODE)));
	int32_t b = plain(m, nnopt_relu_create, sum(m, norm(m, conv(m, a)), a));
	int32_t c = plain(m, nnopt_relu_create, norm(m, conv(m, b)));
	plain(m, nnopt_relu_create, sum(m, b, norm(m, conv(m, c))));
}

/* Both inputs of the sum are normalised, and the skip is described before or after. */
static void projection(nnopt_model *m)
{
	int32_t a = plain(m, nnopt_relu_create, norm(m, conv(m, NNOPT_INPUT_NODE)));
	int32_t skip = norm(m, conv(m, a));
	int32_t b = plain(m, nnopt_relu_create, sum(m, norm(m, conv(m, a)), skip));
	int32_t main = norm(m, conv(m, b));
	plain(m, nnopt_relu_create, sum(m, main, norm(m, conv(m, b))));
}

/* No activation after the sum; its result is read three times, once by the next sum. */
static void linear_ends(nnopt_model *m)
{
	int32_t a = norm(m, conv(m, NNOPT_INPUT_NODE));
	int32_t b = sum(m, norm(m, conv(m, plain(m, nnopt_relu6_create, norm(m, conv(m, a))))), a);
	int32_t c = sum(m, norm(m, conv(m, plain(m, nnopt_relu6_create, norm(m, conv(m, b))))), b);
	sum(m, plain(m, nnopt_tanh_create, b), c);
}

/* A skip that a later layer reads again, the network's input as a skip, a normalised value added to itself, and a
 * normalised value that others read. */
static void awkward(nnopt_model *m)
{
	nnopt_layer *l = NULL;
	int32_t a = conv(m, NNOPT_INPUT_NODE);
	int32_t b = plain(m, nnopt_relu_create, sum(m, norm(m, a), NNOPT_INPUT_NODE));
	int32_t c = plain(m, nnopt_relu6_create, sum(m, norm(m, b), a));
	int32_t d = norm(m, c), e = norm(m, a);
	int32_t f = sum(m, sum(m, d, d), plain(m, nnopt_tanh_create, e));
	assert_ok(nnopt_add_create(&l, ctx));
	connect(m, l, 4, (int32_t[]){ e, f, a, f });
}

/* The only reader of the input, and no convolution between. */
static void at_the_input(nnopt_model *m)
{
	int32_t a = norm(m, NNOPT_INPUT_NODE);
	plain(m, nnopt_relu_create, sum(m, norm(m, a), a));
}

static int32_t pool(nnopt_model *m, int64_t kernel, int32_t from)
{
	nnopt_pool2d_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_pool2d_options_init(&o, sizeof o));
	o.padding_h = o.padding_w = kernel == 3;
	o.stride_h = o.stride_w = 2;
	assert_ok(nnopt_max_pool2d_create(&l, ctx, kernel, &o));
	return connect(m, l, 1, &from);
}

/* A ReLU before and one after a maximum, windows of 2 x 2 and overlapping ones of 3 x 3. */
static void pooled(nnopt_model *m)
{
	int32_t a = pool(m, 3, plain(m, nnopt_relu_create, conv(m, NNOPT_INPUT_NODE)));
	plain(m, nnopt_relu_create, pool(m, 2, conv(m, a)));
}

static int32_t shaped_conv(nnopt_model *m, int32_t from, int64_t channels, int64_t kernel, int64_t stride,
			   int64_t groups)
{
	nnopt_conv2d_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
	o.padding_h = o.padding_w = kernel / 2;
	o.stride_h = o.stride_w = stride;
	o.groups = groups;
	o.use_bias = groups == 1;
	assert_ok(nnopt_conv2d_create(&l, ctx, channels, kernel, &o));
	return connect(m, l, 1, &from);
}

static int32_t bare_norm(nnopt_model *m, int32_t from, int32_t scale, int32_t bias)
{
	nnopt_batch_norm_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_batch_norm_options_init(&o, sizeof o));
	o.use_scale = scale;
	o.use_bias = bias;
	assert_ok(nnopt_batch_norm2d_create(&l, ctx, &o));
	return connect(m, l, 1, &from);
}

/* A block of a mobile network: wide inside, by channel there. */
static int32_t mobile_block(nnopt_model *m, int32_t from, int64_t kernel, int64_t stride, int32_t scale, int32_t bias)
{
	enum { WIDE = 20 };
	int32_t a = plain(m, nnopt_relu6_create, bare_norm(m, shaped_conv(m, from, WIDE, 1, 1, 1), scale, bias));
	int32_t b = bare_norm(m, shaped_conv(m, a, WIDE, kernel, stride, WIDE), bias, scale);
	return norm(m, shaped_conv(m, plain(m, nnopt_relu6_create, b), CHANNELS, 1, 1, 1));
}

static void mobile(nnopt_model *m)
{
	int32_t a = plain(m, nnopt_relu6_create, norm(m, conv(m, NNOPT_INPUT_NODE)));
	int32_t b = sum(m, mobile_block(m, a, 3, 1, 1, 1), a);
	mobile_block(m, mobile_block(m, b, 3, 2, 1, 1), 3, 1, 1, 1);
}

/* Normalisations without a scale or bias, other windows and strides, and the network's input as a source. */
static void mobile_bare(nnopt_model *m)
{
	int32_t a = mobile_block(m, NNOPT_INPUT_NODE, 5, 2, 0, 1);
	int32_t b = mobile_block(m, a, 3, 1, 0, 0);
	int32_t c = mobile_block(m, sum(m, a, b), 1, 1, 1, 0);
	mobile_block(m, c, 3, 2, 0, 1);
}

/* Without activations or with ReLU; a normalised value that two read, and an activation before a normalisation. */
static void mobile_awkward(nnopt_model *m)
{
	int32_t a = norm(m, shaped_conv(m, NNOPT_INPUT_NODE, CHANNELS, 1, 1, 1));
	int32_t b = norm(m, shaped_conv(m, a, CHANNELS, 3, 1, CHANNELS));
	int32_t c = plain(m, nnopt_relu_create, shaped_conv(m, b, CHANNELS, 1, 1, 1));
	int32_t d = plain(m, nnopt_relu_create, norm(m, c));
	int32_t e = shaped_conv(m, d, CHANNELS, 3, 1, CHANNELS);
	int32_t f = norm(m, e), g = norm(m, e);
	sum(m, shaped_conv(m, f, CHANNELS, 1, 1, 1), sum(m, g, c));
}

/* Maxima of what the first convolutions make: behind a ReLU, before one, and without. */
static void halved(nnopt_model *m)
{
	int32_t a = pool(m, 2, plain(m, nnopt_relu_create, shaped_conv(m, NNOPT_INPUT_NODE, 7, 2, 1, 1)));
	int32_t b = plain(m, nnopt_relu_create, pool(m, 2, shaped_conv(m, NNOPT_INPUT_NODE, 7, 4, 1, 1)));
	int32_t c = pool(m, 2, shaped_conv(m, NNOPT_INPUT_NODE, 7, 2, 1, 1));
	norm(m, sum(m, sum(m, a, b), c));
}

typedef struct subject {
	const char *name;
	void (*build)(nnopt_model *m);
	const char *fused; /* kinds that the summary names, and how often */
	int times;
	int rewrites;
	int input_gradient; /* none: the gradient ends at the first layers */
} subject;

static const subject subjects[] = {
	{ "straight", straight, "batch_norm2d+relu ", 1, 2, 1 },
	{ "identity", identity, "batch_norm2d+add+relu ", 2, 6, 1 },
	{ "projection", projection, "batch_norm2d+add+relu ", 2, 5, 1 },
	{ "linear ends", linear_ends, "batch_norm2d+add ", 2, 4, 1 },
	{ "awkward", awkward, "batch_norm2d+add+relu", 2, 4, 1 },
	{ "pooled", pooled, "max_pool2d+relu ", 2, 3, 1 },
	{ "at the input", at_the_input, "batch_norm2d+add+relu ", 1, 2, 1 },
	{ "mobile", mobile, "batch_norm2d+relu6+lazy ", 6, 32, 1 },
	{ "mobile, bare", mobile_bare, "conv2d+moments+slope ", 11, 41, 1 },
	{ "mobile, awkward", mobile_awkward, "batch_norm2d+lazy ", 3, 13, 1 },
	{ "halved", halved, "conv2d+max_pool+relu ", 2, 6, 0 },
};

/* --- comparing --- */

typedef struct result {
	float *output, *input_gradient, *gradients, *state;
	int64_t outputs, inputs;
} result;

static float *copy(const float *x, int64_t n)
{
	float *y = malloc((size_t)(n + 1) * sizeof *y);
	assert_non_null(y);
	memcpy(y, x, (size_t)n * sizeof *y);
	return y;
}

static void fill(float *x, int64_t n, uint32_t stream)
{
	for (int64_t i = 0; i < n; i++)
		x[i] = number(stream, (uint32_t)i);
}

static nnopt_plan *make_plan(nnopt_model *m, int32_t mode, int32_t fuse, int32_t input_gradient)
{
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = BATCH;
	o.mode = mode;
	o.fuse = fuse;
	o.input_gradient = input_gradient;
	o.precision = (int32_t)precision;
	assert_ok(nnopt_plan_create(&plan, m, &o));
	return plan;
}

static void set_parameters(nnopt_model *m)
{
	for (int k = 0; k < m->n_params; k++) {
		const nno_param *p = &m->params[k];
		float *x = nno_param_data(m, p);
		fill(x, p->count, 20 + (uint32_t)k);
		for (int64_t i = 0; i < p->count; i++)
			x[i] =
			    p->spec.role == NNOPT_ROLE_STATE || p->spec.role == NNOPT_ROLE_SCALE ? 2.0f + x[i] : x[i];
	}
}

/* Two steps on other values: the second is compared, where whatever a first one left would show. */
static result run(nnopt_model *m, nnopt_plan *plan, bool training)
{
	nnopt_tensor *x = NULL;
	const nnopt_tensor *y = NULL;
	result r = { .inputs = samples * CHANNELS * SIDE * SIDE };
	assert_ok(nnopt_tensor_create(&x, ctx, NNOPT_F32, 4, (int64_t[]){ samples, CHANNELS, SIDE, SIDE }, NNOPT_NHWC));
	set_parameters(m);
	for (int32_t step = 0; step < 2; step++) {
		fill(nnopt_tensor_data(x), r.inputs, 5 + (uint32_t)step);
		assert_ok(nnopt_plan_forward(plan, x, &y));
		r.outputs = nnopt_tensor_count(y);
		free(r.output);
		r.output = copy(nnopt_tensor_const_data(y), r.outputs);
		if (!training)
			continue;
		/* None where nothing trains. */
		if (nnopt_plan_output_gradient(plan) != NULL)
			fill(nnopt_tensor_data(nnopt_plan_output_gradient(plan)), r.outputs, 9);
		assert_ok(nnopt_plan_backward(plan, step));
	}
	const nnopt_tensor *dx = nnopt_plan_input_gradient(plan);
	r.input_gradient = dx != NULL ? copy(nnopt_tensor_const_data(dx), r.inputs) : NULL;
	r.gradients = training ? copy(m->gradients, m->parameter_elements) : NULL;
	r.state = copy(m->state, m->state_elements);
	nnopt_tensor_destroy(x);
	return r;
}

static void compare(const char *name, const char *what, const float *a, const float *b, int64_t n)
{
	double largest = 0.0;
	for (int64_t i = 0; i < n && a != NULL; i++)
		largest = fmax(largest, fabs((double)b[i]));
	for (int64_t i = 0; i < n && a != NULL; i++)
		if (!(fabs((double)a[i] - (double)b[i]) <= 2e-5 * (1.0 + largest)))
			fail_msg("%s: %s %d is %g fused, %g otherwise", name, what, (int)i, (double)a[i], (double)b[i]);
}

static void free_result(result *r)
{
	free(r->output);
	free(r->input_gradient);
	free(r->gradients);
	free(r->state);
}

static void compare_plans(const char *name, nnopt_model *m, bool training, int32_t input_gradient)
{
	int32_t mode = training ? NNOPT_TRAINING : NNOPT_INFERENCE;
	nnopt_plan *fused = make_plan(m, mode, 1, input_gradient), *plain_plan = make_plan(m, mode, 0, input_gradient);
	assert_int_equal(plain_plan->graph.rewrites, 0);
	result a = run(m, fused, training), b = run(m, plain_plan, training);
	compare(name, "output", a.output, b.output, a.outputs);
	compare(name, "input gradient", a.input_gradient, b.input_gradient, a.inputs);
	compare(name, "gradient", a.gradients, b.gradients, m->parameter_elements);
	compare(name, "running statistic", a.state, b.state, m->state_elements);
	free_result(&a);
	free_result(&b);
	nnopt_plan_destroy(fused);
	nnopt_plan_destroy(plain_plan);
}

static nnopt_model *make_model(const subject *s)
{
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	s->build(m);
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ CHANNELS, SIDE, SIDE }));
	return m;
}

static void fused_and_unfused_agree(void **state)
{
	(void)state;
	for (size_t i = 0; i < NNO_COUNT(subjects); i++) {
		nnopt_model *m = make_model(&subjects[i]);
		compare_plans(subjects[i].name, m, true, 1);
		compare_plans(subjects[i].name, m, true, 0);
		compare_plans(subjects[i].name, m, false, 0);
		/* Without a gradient of its first layers; with fixed statistics; with nothing but a skip's gradient. */
		assert_ok(nnopt_model_set_trainable(m, "batch_norm2d1.", 0, NULL));
		compare_plans(subjects[i].name, m, true, 0);
		assert_ok(nnopt_model_set_trainable(m, "conv2d1.", 0, NULL));
		compare_plans(subjects[i].name, m, true, 0);
		assert_ok(nnopt_model_set_trainable(m, "batch_norm", 0, NULL));
		compare_plans(subjects[i].name, m, true, 1);
		compare_plans(subjects[i].name, m, true, 0);
		nnopt_model_destroy(m);
	}
}

static void every_isa_and_smaller_batches(void **state)
{
	(void)state;
	nnopt_context *first = ctx;
	for (int isa = 1; isa <= ISAS; isa++) {
		ctx = isa_context(isa, 2);
		for (size_t i = 0; i < NNO_COUNT(subjects) && ctx != NULL; i++) {
			nnopt_model *m = make_model(&subjects[i]);
			for (samples = BATCH; samples > 1; samples--)
				compare_plans(subjects[i].name, m, true, subjects[i].input_gradient);
			nnopt_model_destroy(m);
		}
		samples = BATCH;
		nnopt_context_destroy(ctx);
	}
	ctx = first;
}

/* How far a is from b, in parts of b's size. */
static double distance(const float *a, const float *b, int64_t n)
{
	double squares = 0.0, away = 0.0;
	for (int64_t i = 0; i < n; i++) {
		squares += (double)b[i] * (double)b[i];
		away += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
	}
	return sqrt(away / (squares + 1e-30));
}

/* What is lent costs no accuracy: as far from the result in floats as without rewrites, or nearly. */
static void narrow_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < NNO_COUNT(subjects); i++) {
		nnopt_model *m = make_model(&subjects[i]);
		result r[3];
		for (int k = 0; k < 3; k++) {
			precision = k == 0 ? NNOPT_PRECISION_F32 : NNOPT_PRECISION_BF16;
			nnopt_plan *plan = make_plan(m, NNOPT_TRAINING, k == 2, subjects[i].input_gradient);
			r[k] = run(m, plan, true);
			nnopt_plan_destroy(plan);
		}
		precision = NNOPT_PRECISION_F32;
		const double unit = 1.0 / 256;
		double output[2], gradient[2];
		for (int k = 0; k < 2; k++) {
			output[k] = distance(r[k + 1].output, r[0].output, r[0].outputs);
			gradient[k] = distance(r[k + 1].gradients, r[0].gradients, m->parameter_elements);
		}
		if (!(output[1] <= 1.5 * output[0] + unit && gradient[1] <= 1.5 * gradient[0] + unit &&
		      output[1] <= 16.0 * unit && distance(r[2].state, r[0].state, m->state_elements) <= 2.0 * unit))
			fail_msg("%s: output off by %g fused, %g otherwise, gradients %g and %g", subjects[i].name,
				 output[1], output[0], gradient[1], gradient[0]);
		for (int k = 0; k < 3; k++)
			free_result(&r[k]);
		nnopt_model_destroy(m);
	}
}

static void the_same_bits_from_any_threads(void **state)
{
	(void)state;
	nnopt_context *first = ctx;
	for (size_t i = 0; i < NNO_COUNT(subjects); i++) {
		result r[3];
		for (int threads = 1; threads <= 3; threads++) {
			nnopt_context_options o;
			assert_ok(nnopt_context_options_init(&o, sizeof o));
			o.threads = threads;
			assert_ok(nnopt_context_create(&ctx, &o));
			nnopt_model *m = make_model(&subjects[i]);
			nnopt_plan *plan = make_plan(m, NNOPT_TRAINING, 1, subjects[i].input_gradient);
			result *now = &r[threads - 1];
			*now = run(m, plan, true);
			assert_memory_equal(now->output, r->output, (size_t)r->outputs * sizeof(float));
			if (subjects[i].input_gradient)
				assert_memory_equal(now->input_gradient, r->input_gradient,
						    (size_t)r->inputs * sizeof(float));
			assert_memory_equal(now->gradients, r->gradients,
					    (size_t)m->parameter_elements * sizeof(float));
			assert_memory_equal(now->state, r->state, (size_t)m->state_elements * sizeof(float));
			nnopt_plan_destroy(plan);
			nnopt_model_destroy(m);
			nnopt_context_destroy(ctx);
		}
		for (int k = 0; k < 3; k++)
			free_result(&r[k]);
	}
	ctx = first;
}

/* The parameters go into a constant plan when it is made: normalisations into the layers before them. */
static void constant_plans_keep_the_parameters(void **state)
{
	(void)state;
	int folded = 0;
	for (size_t i = 0; i < NNO_COUNT(subjects); i++) {
		nnopt_model *m = make_model(&subjects[i]);
		nnopt_plan_options o;
		nnopt_plan *plan = NULL, *other = NULL;
		const nnopt_tensor *y = NULL;
		nnopt_tensor *x = NULL;
		set_parameters(m);
		assert_ok(nnopt_plan_options_init(&o, sizeof o));
		o.batch = BATCH;
		o.constant = 1;
		assert_ok(nnopt_plan_create(&plan, m, &o));
		for (int k = 0; k < plan->graph.n_ops; k++)
			folded += !plan->graph.ops[k].removed && plan->graph.ops[k].folded_param >= 0;
		other = make_plan(m, NNOPT_INFERENCE, 0, 0);
		result a = run(m, plan, false), b = run(m, other, false);
		compare(subjects[i].name, "output", a.output, b.output, a.outputs);
		memset(m->parameters, 0, (size_t)m->parameter_elements * sizeof(float));
		memset(m->state, 0, (size_t)m->state_elements * sizeof(float));
		assert_ok(
		    nnopt_tensor_create(&x, ctx, NNOPT_F32, 4, (int64_t[]){ BATCH, CHANNELS, SIDE, SIDE }, NNOPT_NHWC));
		fill(nnopt_tensor_data(x), a.inputs, 6);
		assert_ok(nnopt_plan_forward(plan, x, &y));
		assert_memory_equal(nnopt_tensor_const_data(y), a.output, (size_t)a.outputs * sizeof(float));
		nnopt_tensor_destroy(x);
		free_result(&a);
		free_result(&b);
		nnopt_plan_destroy(other);
		nnopt_plan_destroy(plan);
		o.mode = NNOPT_TRAINING;
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "constant", nnopt_plan_create(&plan, m, &o));
		nnopt_model_destroy(m);
	}
	assert_true(folded >= 10);
}

static int occurrences(const char *text, const char *what)
{
	int n = 0;
	for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
		n++;
	return n;
}

static void summaries_name_what_is_fused(void **state)
{
	(void)state;
	for (size_t i = 0; i < NNO_COUNT(subjects); i++) {
		nnopt_model *m = make_model(&subjects[i]);
		char text[8192];
		nnopt_plan *plan = make_plan(m, NNOPT_TRAINING, 1, subjects[i].input_gradient);
		assert_ok(nnopt_plan_summary(plan, text, sizeof text, NULL));
		if (occurrences(text, subjects[i].fused) != subjects[i].times ||
		    plan->graph.rewrites != subjects[i].rewrites)
			fail_msg("%s: %d rewrites, %d of '%s' in\n%s", subjects[i].name, plan->graph.rewrites,
				 occurrences(text, subjects[i].fused), subjects[i].fused, text);
		nnopt_plan_destroy(plan);
		nnopt_model_destroy(m);
	}
}

/* A chain of residual blocks keeps one gradient of its skips, and a sum's gradient is not copied to its inputs. */
static void gradients_share_memory(void **state)
{
	(void)state;
	nnopt_model *m = make_model(&subjects[1]);
	for (int32_t fuse = 0; fuse < 2; fuse++) {
		nnopt_plan *plan = make_plan(m, NNOPT_TRAINING, fuse, 0);
		int in_place = 0;
		for (int i = 0; i < plan->graph.n_ops; i++) {
			const nno_graph_op *op = &plan->graph.ops[i];
			for (int k = 0; k < op->op.n_in && !op->removed && op->op.n_in == 2; k++)
				in_place += op->run.dsrc[k] == op->run.ddst;
		}
		assert_int_equal(in_place, 2);
		nnopt_plan_destroy(plan);
	}
	nnopt_model_destroy(m);
}

static int setup(void **state)
{
	(void)state;
	return nnopt_context_create(&ctx, NULL) == NNOPT_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fused_and_unfused_agree),
		cmocka_unit_test(every_isa_and_smaller_batches),
		cmocka_unit_test(narrow_values),
		cmocka_unit_test(the_same_bits_from_any_threads),
		cmocka_unit_test(constant_plans_keep_the_parameters),
		cmocka_unit_test(summaries_name_what_is_fused),
		cmocka_unit_test(gradients_share_memory),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
