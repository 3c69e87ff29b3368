/* fusion_networks.h - the networks of the fusion tests, and steps of them. */
#ifndef TESTS_FUSION_NETWORKS_H
#define TESTS_FUSION_NETWORKS_H

#include "check.h"
#include "golden.h"

#include "model/model.h"

#include <math.h>
#include <stdbool.h>

enum { BATCH = 3, CHANNELS = 6, SIDE = 5 };

static nnopt_context *ctx;

/* Of the plans made and run next. */
static int64_t samples = BATCH;
static nnopt_precision precision = NNOPT_PRECISION_F32;
static float gain = 1.0f; /* of weights */
static uint32_t draw;     /* of the numbers in parameters, inputs and gradients */
static float size = 1.0f; /* of all of them */

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

static int32_t padded_conv(nnopt_model *m, int32_t from, int64_t channels, int64_t kernel, int64_t padding)
{
	nnopt_conv2d_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
	o.padding_h = o.padding_w = padding;
	assert_ok(nnopt_conv2d_create(&l, ctx, channels, kernel, &o));
	return connect(m, l, 1, &from);
}

/* The same of pictures of 16 x 16 by Winograd's algorithm, in one panel of channels and in two, with each padding. */
static void halved_tiles(nnopt_model *m)
{
	int32_t large = padded_conv(m, NNOPT_INPUT_NODE, 16, 2, 7), small = padded_conv(m, NNOPT_INPUT_NODE, 16, 2, 5);
	int32_t even = padded_conv(m, NNOPT_INPUT_NODE, 16, 2, 6);
	int32_t a = pool(m, 2, plain(m, nnopt_relu_create, padded_conv(m, large, 20, 3, 0)));
	int32_t b = plain(m, nnopt_relu_create, pool(m, 2, padded_conv(m, even, 20, 3, 1)));
	int32_t c = pool(m, 2, padded_conv(m, small, 20, 3, 2));
	int32_t d = pool(m, 2, plain(m, nnopt_relu_create, padded_conv(m, even, 72, 3, 1)));
	sum(m, norm(m, shaped_conv(m, d, 20, 1, 1, 1)), sum(m, sum(m, a, b), c));
}

/* The maxima of a sum. */
static void halved_sum(nnopt_model *m)
{
	int32_t a = norm(m, padded_conv(m, NNOPT_INPUT_NODE, 7, 2, 2));
	int32_t b = plain(m, nnopt_relu_create, padded_conv(m, a, 7, 3, 1));
	pool(m, 2, plain(m, nnopt_relu_create, sum(m, norm(m, padded_conv(m, b, 7, 3, 1)), a)));
}

/* A maximum of maxima: the convolution takes the first alone. */
static void halved_twice(nnopt_model *m)
{
	int32_t a = padded_conv(m, NNOPT_INPUT_NODE, 16, 2, 6), b = padded_conv(m, NNOPT_INPUT_NODE, 16, 2, 6);
	int32_t c = pool(m, 2, pool(m, 2, padded_conv(m, b, 16, 3, 1)));
	sum(m, plain(m, nnopt_relu_create, pool(m, 2, pool(m, 2, a))), c);
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
	{ "halved tiles", halved_tiles, "conv2d winograd+max_pool+relu ", 3, 11, 1 },
	{ "halved twice", halved_twice, "conv2d winograd+max_pool ", 1, 2, 1 },
	{ "halved sum", halved_sum, "batch_norm2d+add+relu ", 1, 3, 1 },
};

/* --- steps --- */

static nnopt_model *make_model(const subject *s)
{
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	s->build(m);
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ CHANNELS, SIDE, SIDE }));
	return m;
}

typedef struct result {
	float *output, *input_gradient, *gradients, *state;
	int64_t outputs, inputs, parameters;
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
		x[i] = size * number(stream + 1000 * draw, (uint32_t)i);
}

static nnopt_plan *make_plan(nnopt_model *m, int32_t mode, int32_t fuse, int32_t input_gradient)
{
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = samples > BATCH ? samples : BATCH;
	o.mode = mode;
	o.fuse = fuse;
	o.input_gradient = input_gradient;
	o.precision = (int32_t)precision;
	assert_ok(nnopt_plan_create(&plan, m, &o));
	return plan;
}

/* With the parameters that it has now. */
static inline nnopt_plan *make_constant_plan(nnopt_model *m)
{
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = samples;
	o.constant = 1;
	o.precision = (int32_t)precision;
	assert_ok(nnopt_plan_create(&plan, m, &o));
	return plan;
}

/* How far a is from b, in parts of b's length; 0 where there is no a. */
static inline double distance(const float *a, const float *b, int64_t n)
{
	double squares = 0.0, away = 0.0;
	for (int64_t i = 0; i < n && a != NULL; i++) {
		squares += (double)b[i] * (double)b[i];
		away += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
	}
	return sqrt(away / (squares + 1e-30));
}

static void set_parameters(nnopt_model *m)
{
	for (int k = 0; k < m->n_params; k++) {
		const nno_param *p = &m->params[k];
		float *x = nno_param_data(m, p);
		fill(x, p->count, 20 + (uint32_t)k);
		bool positive = p->spec.role == NNOPT_ROLE_STATE || p->spec.role == NNOPT_ROLE_SCALE;
		for (int64_t i = 0; i < p->count; i++)
			x[i] = positive ? 2.0f + x[i] : p->spec.role == NNOPT_ROLE_WEIGHT ? gain * x[i] : x[i];
	}
}

/* Two steps on other values: the second is compared, where whatever a first one left would show. */
static result run(nnopt_model *m, nnopt_plan *plan, bool training)
{
	nnopt_tensor *x = NULL;
	const nnopt_tensor *y = NULL;
	result r = { .inputs = samples * CHANNELS * SIDE * SIDE, .parameters = m->parameter_elements };
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

static void free_result(result *r)
{
	free(r->output);
	free(r->input_gradient);
	free(r->gradients);
	free(r->state);
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

#endif
