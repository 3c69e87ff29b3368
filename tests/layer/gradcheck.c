/* gradcheck.c - every layer kind, and networks of them, against central differences. A kind in kinds.inc without a
 * check_<kind>() here does not compile. */
#include "differences.h"

static nnopt_context *ctx;

static int setup(void **state)
{
	(void)state;
	nnopt_context_options o;
	nnopt_context_options_init(&o, sizeof o);
	o.threads = 1;
	return nnopt_context_create(&ctx, &o) == NNOPT_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	print_message("largest relative deviation %.2g\n", worst);
	nnopt_context_destroy(ctx);
	return 0;
}

static int32_t connect(nnopt_model *m, nnopt_layer *layer, int32_t count, const int32_t *inputs)
{
	int32_t node = -1;
	assert_ok(nnopt_model_connect(m, layer, inputs, count, &node));
	nnopt_layer_destroy(layer);
	return node;
}

typedef nnopt_status (*plain_create)(nnopt_layer **out, nnopt_context *context);

static nnopt_layer *make(plain_create create)
{
	nnopt_layer *l = NULL;
	assert_ok(create(&l, ctx));
	return l;
}

/* concat(layer(x), x), flat: backward reaches x first through the concatenation, so that the layer must add its gradient. */
static nnopt_model *model_of(nnopt_layer *layer)
{
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	int32_t a = connect(m, layer, 1, (int32_t[]){ NNOPT_INPUT_NODE });
	int32_t b = connect(m, make(nnopt_flatten_create), 1, &a);
	int32_t c = connect(m, make(nnopt_flatten_create), 1, (int32_t[]){ NNOPT_INPUT_NODE });
	connect(m, make(nnopt_concat_create), 2, (int32_t[]){ b, c });
	return m;
}

static void picture(const char *name, nnopt_layer *layer, int64_t batch, int64_t c, int64_t h, int64_t w)
{
	check_model(name, model_of(layer), 3, (int64_t[]){ c, h, w }, batch, 0.5f, NULL);
}

static void features(const char *name, nnopt_layer *layer, int64_t batch, int64_t count)
{
	check_model(name, model_of(layer), 1, &count, batch, 0.5f, NULL);
}

/* --- convolution and linear --- */

typedef struct conv_case {
	const char *name;
	int64_t out, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
	int32_t bias;
	int64_t batch, c, h, w;
} conv_case;

static const conv_case conv_cases[] = {
	{ "conv 3x3", 3, 3, 3, 1, 1, 0, 0, 1, 1, 1, 1, 2, 3, 5, 7 },
	{ "conv padded", 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 5, 5 },
	{ "conv without bias", 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 0, 2, 3, 5, 3 },
	{ "conv 1x1", 17, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 5, 3, 3 },
	{ "conv of one channel, batch 1", 1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5, 5 },
	{ "conv stride 2, odd sizes", 5, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 2, 3, 7, 5 },
	{ "conv stride larger than the kernel", 3, 2, 2, 3, 3, 0, 0, 1, 1, 1, 1, 2, 3, 9, 8 },
	{ "conv stride 5, kernel 1", 3, 1, 1, 5, 5, 0, 0, 1, 1, 1, 1, 1, 3, 11, 7 },
	{ "conv rectangular", 3, 2, 5, 3, 1, 1, 2, 1, 1, 1, 1, 1, 3, 7, 6 },
	{ "conv wide padding", 3, 2, 2, 1, 2, 3, 2, 1, 1, 1, 1, 1, 1, 3, 3 },
	{ "conv dilation 2", 3, 3, 3, 1, 1, 2, 2, 2, 2, 1, 1, 1, 3, 5, 5 },
	{ "conv dilation 3x2, stride 2x3", 3, 2, 3, 2, 3, 1, 2, 3, 2, 1, 1, 2, 3, 7, 7 },
	{ "conv 3 groups", 6, 3, 3, 1, 1, 1, 1, 1, 1, 3, 1, 1, 9, 3, 5 },
	{ "conv 2 groups, stride 2, dilation 2", 4, 3, 2, 2, 2, 2, 1, 2, 2, 2, 1, 1, 6, 5, 5 },
	{ "depthwise", 5, 3, 3, 1, 1, 1, 1, 1, 1, 5, 1, 2, 5, 5, 5 },
	{ "depthwise, stride 2, two results each", 6, 3, 3, 2, 2, 1, 1, 1, 1, 3, 1, 1, 3, 5, 7 },
};

static nnopt_layer *conv(const conv_case *c)
{
	nnopt_conv2d_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
	o.kernel_w = c->kernel_w;
	o.stride_h = c->stride_h;
	o.stride_w = c->stride_w;
	o.padding_h = c->pad_h;
	o.padding_w = c->pad_w;
	o.dilation_h = c->dilation_h;
	o.dilation_w = c->dilation_w;
	o.groups = c->groups;
	o.use_bias = c->bias;
	assert_ok(nnopt_conv2d_create(&l, ctx, c->out, c->kernel_h, &o));
	return l;
}

static void check_conv2d(void)
{
	for (size_t i = 0; i < NNO_COUNT(conv_cases); i++)
		picture(conv_cases[i].name, conv(&conv_cases[i]), conv_cases[i].batch, conv_cases[i].c, conv_cases[i].h, conv_cases[i].w);
}

static nnopt_layer *linear(int64_t out, int32_t bias)
{
	nnopt_linear_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_linear_options_init(&o, sizeof o));
	o.use_bias = bias;
	assert_ok(nnopt_linear_create(&l, ctx, out, &o));
	return l;
}

static void check_linear(void)
{
	features("linear", linear(7, 1), 3, 5);
	features("linear without bias", linear(17, 0), 2, 9);
	features("linear 1 to 1", linear(1, 1), 1, 1);
	features("linear, batch 1", linear(3, 1), 1, 130);
}

/* --- normalisation, dropout, softmax --- */

static nnopt_layer *norm(bool two, int32_t scale, int32_t bias, float epsilon)
{
	nnopt_batch_norm_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_batch_norm_options_init(&o, sizeof o));
	o.use_scale = scale;
	o.use_bias = bias;
	o.epsilon = epsilon;
	assert_ok(two ? nnopt_batch_norm2d_create(&l, ctx, &o) : nnopt_batch_norm1d_create(&l, ctx, &o));
	return l;
}

static void check_batch_norm2d(void)
{
	picture("batch_norm2d", norm(true, 1, 1, 1e-5f), 3, 3, 3, 5);
	picture("batch_norm2d of one channel", norm(true, 1, 1, 1e-5f), 1, 1, 5, 5);
	picture("batch_norm2d without scale", norm(true, 0, 1, 0.1f), 2, 3, 3, 3);
	picture("batch_norm2d without bias", norm(true, 1, 0, 0.1f), 2, 3, 3, 3);
	picture("batch_norm2d without both", norm(true, 0, 0, 0.1f), 2, 3, 3, 3);
	check_model("batch_norm2d, frozen", model_of(norm(true, 1, 1, 1e-5f)), 3, (int64_t[]){ 3, 3, 5 }, 2, 0.5f, "");
	check_model("batch_norm2d, fixed scale", model_of(norm(true, 1, 1, 1e-5f)), 3, (int64_t[]){ 3, 3, 5 }, 2, 0.5f,
	            "batch_norm2d1.weight");
}

static void check_batch_norm1d(void)
{
	features("batch_norm1d", norm(false, 1, 1, 1e-5f), 7, 9);
	features("batch_norm1d of one feature", norm(false, 1, 1, 1e-5f), 5, 1);
	features("batch_norm1d without both", norm(false, 0, 0, 0.1f), 5, 3);
}

static void check_dropout(void)
{
	nnopt_layer *l = NULL;
	assert_ok(nnopt_dropout_create(&l, ctx, 0.4f));
	picture("dropout", l, 2, 3, 5, 5);
	assert_ok(nnopt_dropout_create(&l, ctx, 0.0f));
	features("dropout of 0", l, 2, 7);
}

static void check_softmax(void)
{
	nnopt_layer *l = NULL;
	assert_ok(nnopt_softmax_create(&l, ctx));
	picture("softmax of channels", l, 2, 5, 3, 3);
	assert_ok(nnopt_softmax_create(&l, ctx));
	features("softmax of features", l, 3, 9);
	assert_ok(nnopt_softmax_create(&l, ctx));
	features("softmax of one", l, 2, 1);
}

/* --- pooling --- */

typedef nnopt_status (*pool_create)(nnopt_layer **out, nnopt_context *context, int64_t kernel, const nnopt_pool2d_options *options);

static void check_windows(const char *kind, pool_create create)
{
	static const struct {
		int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
		int32_t ceil_mode, count;
		int64_t batch, c, h, w;
	} cases[] = {
		{ 2, 2, 0, 0, 0, 0, 0, 1, 2, 3, 5, 7 }, { 3, 3, 1, 1, 0, 0, 0, 1, 1, 3, 5, 5 }, { 3, 3, 2, 2, 1, 1, 0, 1, 2, 3, 7, 5 },
		{ 2, 2, 3, 3, 0, 0, 0, 1, 1, 5, 8, 7 }, { 3, 2, 2, 1, 1, 0, 1, 0, 2, 3, 5, 4 }, { 2, 3, 3, 2, 1, 1, 1, 1, 1, 1, 6, 7 },
		{ 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1 }, { 3, 3, 2, 2, 1, 1, 0, 0, 1, 17, 3, 3 },
	};
	for (size_t i = 0; i < NNO_COUNT(cases); i++) {
		nnopt_pool2d_options o;
		nnopt_layer *l = NULL;
		assert_ok(nnopt_pool2d_options_init(&o, sizeof o));
		o.kernel_w = cases[i].kernel_w;
		o.stride_h = cases[i].stride_h;
		o.stride_w = cases[i].stride_w;
		o.padding_h = cases[i].pad_h;
		o.padding_w = cases[i].pad_w;
		o.ceil_mode = cases[i].ceil_mode;
		o.count_include_pad = cases[i].count;
		assert_ok(create(&l, ctx, cases[i].kernel_h, &o));
		picture(kind, l, cases[i].batch, cases[i].c, cases[i].h, cases[i].w);
	}
}

static void check_max_pool2d(void) { check_windows("max_pool2d", nnopt_max_pool2d_create); }
static void check_avg_pool2d(void) { check_windows("avg_pool2d", nnopt_avg_pool2d_create); }

typedef nnopt_status (*adaptive_create)(nnopt_layer **out, nnopt_context *context, int64_t out_h, int64_t out_w);

static void check_adaptive(const char *kind, adaptive_create create)
{
	static const int64_t sizes[][5] = { { 1, 1, 3, 5, 4 }, { 2, 3, 3, 5, 7 }, { 3, 2, 1, 4, 4 }, { 5, 4, 2, 3, 3 } };
	for (size_t i = 0; i < NNO_COUNT(sizes); i++) {
		nnopt_layer *l = NULL;
		assert_ok(create(&l, ctx, sizes[i][0], sizes[i][1]));
		picture(kind, l, 2, sizes[i][2], sizes[i][3], sizes[i][4]);
	}
}

static void check_adaptive_avg_pool2d(void) { check_adaptive("adaptive_avg_pool2d", nnopt_adaptive_avg_pool2d_create); }
static void check_adaptive_max_pool2d(void) { check_adaptive("adaptive_max_pool2d", nnopt_adaptive_max_pool2d_create); }

/* A layer without options, on an ordinary picture, on one pixel, and on one channel. */
static void check_pictures(const char *kind, plain_create create)
{
	static const int64_t sizes[][4] = { { 2, 3, 5, 7 }, { 3, 5, 1, 1 }, { 1, 1, 3, 3 } };
	for (size_t i = 0; i < NNO_COUNT(sizes); i++) {
		nnopt_layer *l = NULL;
		assert_ok(create(&l, ctx));
		picture(kind, l, sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3]);
	}
}

static void check_global_avg_pool2d(void) { check_pictures("global_avg_pool2d", nnopt_global_avg_pool2d_create); }
static void check_global_max_pool2d(void) { check_pictures("global_max_pool2d", nnopt_global_max_pool2d_create); }
static void check_flatten(void) { check_pictures("flatten", nnopt_flatten_create); }

/* --- activations --- */

static void check_function(const char *kind, plain_create create)
{
	nnopt_layer *l = NULL;
	check_pictures(kind, create);
	assert_ok(create(&l, ctx));
	features(kind, l, 5, 41); /* the grid reaches beyond 6 */
}

static nnopt_status leaky(nnopt_layer **out, nnopt_context *context) { return nnopt_leaky_relu_create(out, context, 0.2f); }
static nnopt_status gelu_erf(nnopt_layer **out, nnopt_context *context) { return nnopt_gelu_create(out, context, 0); }
static nnopt_status gelu_tanh(nnopt_layer **out, nnopt_context *context) { return nnopt_gelu_create(out, context, 1); }

static void check_relu(void) { check_function("relu", nnopt_relu_create); }
static void check_relu6(void) { check_function("relu6", nnopt_relu6_create); }
static void check_silu(void) { check_function("silu", nnopt_silu_create); }
static void check_sigmoid(void) { check_function("sigmoid", nnopt_sigmoid_create); }
static void check_tanh(void) { check_function("tanh", nnopt_tanh_create); }
static void check_leaky_relu(void) { check_function("leaky_relu", leaky); }

static void check_gelu(void)
{
	check_function("gelu", gelu_erf);
	check_function("gelu, tanh form", gelu_tanh);
}

/* --- joining --- */

/* join(tanh(x), x, silu(tanh(x)), tanh(x)): values read once, twice and three times. */
static nnopt_model *joined(plain_create join)
{
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	int32_t a = connect(m, make(nnopt_tanh_create), 1, (int32_t[]){ NNOPT_INPUT_NODE });
	int32_t b = connect(m, make(nnopt_silu_create), 1, &a);
	connect(m, make(join), 4, (int32_t[]){ a, NNOPT_INPUT_NODE, b, a });
	return m;
}

static void check_join(const char *kind, plain_create join)
{
	check_model(kind, joined(join), 3, (int64_t[]){ 3, 3, 5 }, 2, 0.5f, NULL);
	check_model(kind, joined(join), 3, (int64_t[]){ 1, 1, 3 }, 1, 0.5f, NULL);
	check_model(kind, joined(join), 1, (int64_t[]){ 7 }, 3, 0.5f, NULL);
}

static void check_add(void) { check_join("add", nnopt_add_create); }
static void check_concat(void) { check_join("concat", nnopt_concat_create); }

static void every_kind(void **state)
{
	(void)state;
#define NNO_LAYER(kind) check_##kind();
#include "layer/kinds.inc"
#undef NNO_LAYER
}

/* --- networks --- */

static const conv_case same = { "", 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0 };
static const conv_case halving = { "", 6, 3, 3, 2, 2, 1, 1, 1, 1, 2, 1, 0, 0, 0, 0 };
static const conv_case shortcut = { "", 6, 1, 1, 2, 2, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0 };

/* A residual block with a projection, a concatenation that reads both its ends, and a classifier. */
static void branches(void **state)
{
	(void)state;
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	int32_t a = connect(m, conv(&same), 1, (int32_t[]){ NNOPT_INPUT_NODE });
	int32_t b = connect(m, norm(true, 1, 1, 0.1f), 1, &a);
	int32_t c = connect(m, make(nnopt_silu_create), 1, &b);
	int32_t d = connect(m, conv(&halving), 1, &c);
	int32_t e = connect(m, conv(&shortcut), 1, &c);
	int32_t f = connect(m, make(nnopt_add_create), 2, (int32_t[]){ d, e });
	int32_t g = connect(m, make(nnopt_tanh_create), 1, &f);
	int32_t h = connect(m, make(nnopt_concat_create), 3, (int32_t[]){ g, e, g });
	int32_t i = connect(m, make(nnopt_global_avg_pool2d_create), 1, &h);
	int32_t j = connect(m, make(nnopt_flatten_create), 1, &i);
	connect(m, linear(3, 1), 1, &j);
	check_model("branches", m, 3, (int64_t[]){ 2, 5, 7 }, 2, 0.5f, NULL);
}

/* What a rewrite fuses: convolution or linear and ReLU. Weights are so small beside the biases that no unit is near its
 * kink; about half of them are cut. */
static void fused_relu(void **state)
{
	(void)state;
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	nnopt_layer *layers[] = { conv(&same), make(nnopt_relu_create), conv(&halving), make(nnopt_relu_create),
		                  make(nnopt_flatten_create), linear(9, 1), make(nnopt_relu_create), linear(2, 1) };
	for (size_t i = 0; i < NNO_COUNT(layers); i++) {
		assert_ok(nnopt_model_add(m, layers[i]));
		nnopt_layer_destroy(layers[i]);
	}
	check_model("conv and relu", m, 3, (int64_t[]){ 1, 3, 3 }, 1, 0.25f, NULL);
}

/* --- the caller's own layer: y = x0 * w + sin(x1) of pixels, w a channel's parameter --- */

static nnopt_status own_shape(int32_t index, int32_t count, const int64_t *const *in_shapes, const int32_t *in_ranks,
                              int64_t *shape, int32_t *rank, void *user)
{
	(void)index;
	(void)count;
	(void)in_ranks;
	(void)user;
	shape[0] = in_shapes[0][0];
	*rank = 1;
	return NNOPT_OK;
}

static nnopt_status own_forward(const nnopt_own_call *call, void *user)
{
	(void)user;
	const float *x0 = nnopt_tensor_const_data(call->inputs[0]), *x1 = nnopt_tensor_const_data(call->inputs[1]);
	const float *w = nnopt_tensor_const_data(call->parameters[0]);
	float *y = nnopt_tensor_data(call->output);
	int64_t c = nnopt_tensor_extent(call->inputs[0], 1);
	for (int64_t i = 0; i < nnopt_tensor_count(call->output); i++)
		y[i] = x0[i] * w[i % c] + sinf(x1[i]);
	return NNOPT_OK;
}

static nnopt_status own_backward(const nnopt_own_call *call, void *user)
{
	(void)user;
	const float *x0 = nnopt_tensor_const_data(call->inputs[0]), *x1 = nnopt_tensor_const_data(call->inputs[1]);
	const float *w = nnopt_tensor_const_data(call->parameters[0]), *dy = nnopt_tensor_const_data(call->output_gradient);
	float *dw = nnopt_tensor_data(call->parameter_gradients[0]);
	int64_t c = nnopt_tensor_extent(call->inputs[0], 1);
	if (!call->accumulate_parameters)
		memset(dw, 0, (size_t)c * sizeof *dw);
	for (int64_t i = 0; i < nnopt_tensor_count(call->output_gradient); i++) {
		dw[i % c] += dy[i] * x0[i];
		((float *)nnopt_tensor_data(call->input_gradients[0]))[i] = dy[i] * w[i % c];
		((float *)nnopt_tensor_data(call->input_gradients[1]))[i] = dy[i] * cosf(x1[i]);
	}
	return NNOPT_OK;
}

static nnopt_layer *own(void)
{
	nnopt_own_layer_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_own_layer_options_init(&o, sizeof o));
	o.kind = "scaled_sine";
	o.input_count = 2;
	o.parameter_count = 1;
	o.parameter_shape = own_shape;
	o.parameter_names[0] = "w";
	o.forward = own_forward;
	o.backward = own_backward;
	assert_ok(nnopt_own_layer_create(&l, ctx, &o));
	return l;
}

/* Its inputs are also read by others, so that its gradients are added to theirs, whoever runs first. */
static void own_layers(void **state)
{
	(void)state;
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	int32_t a = connect(m, make(nnopt_tanh_create), 1, (int32_t[]){ NNOPT_INPUT_NODE });
	int32_t b = connect(m, own(), 2, (int32_t[]){ a, NNOPT_INPUT_NODE });
	int32_t c = connect(m, own(), 2, (int32_t[]){ b, b });
	int32_t d = connect(m, make(nnopt_concat_create), 3, (int32_t[]){ a, c, b });
	connect(m, own(), 2, (int32_t[]){ d, d });
	check_model("own layers", m, 3, (int64_t[]){ 3, 3, 5 }, 2, 0.5f, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind),
		cmocka_unit_test(branches),
		cmocka_unit_test(fused_relu),
		cmocka_unit_test(own_layers),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
