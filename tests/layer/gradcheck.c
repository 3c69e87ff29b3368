/* gradcheck.c - every layer kind against central differences. A kind in kinds.inc without a check_<kind>() here does
 * not compile. */
#include "layers.h"

#include <stdio.h>

/* concat(layer(x), x), flat: backward reaches x first through the concatenation, so that the layer must add its
 * gradient. */
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
	{ "depthwise 5x5, stride 2", 3, 5, 5, 2, 2, 2, 2, 1, 1, 3, 1, 2, 3, 7, 6 },
	{ "depthwise, dilation 2, stride 3x2", 4, 3, 3, 3, 2, 2, 1, 2, 2, 4, 0, 1, 4, 7, 8 },
	{ "depthwise, stride 2, two results each", 6, 3, 3, 2, 2, 1, 1, 1, 1, 3, 1, 1, 3, 5, 7 },
};

/* More zeros behind the last pixel than before the first. */
static void check_upper_padding(void)
{
	static const struct {
		int64_t out, kernel, stride, dilation, groups, batch, c, h, w;
	} cases[] = { { 3, 3, 2, 1, 1, 2, 3, 6, 4 },
		      { 3, 4, 1, 1, 1, 1, 3, 5, 4 },
		      { 4, 3, 3, 2, 2, 1, 4, 7, 8 },
		      { 5, 3, 2, 1, 5, 2, 5, 6, 8 },
		      { 3, 5, 2, 1, 3, 1, 3, 8, 6 } };
	for (size_t i = 0; i < NNO_COUNT(cases); i++) {
		nnopt_conv2d_options o;
		nnopt_layer *l = NULL;
		assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
		o.padding_mode = NNOPT_PADDING_SAME_UPPER;
		o.stride_h = o.stride_w = cases[i].stride;
		o.dilation_h = o.dilation_w = cases[i].dilation;
		o.groups = cases[i].groups;
		assert_ok(nnopt_conv2d_create(&l, ctx, cases[i].out, cases[i].kernel, &o));
		picture("conv same upper", l, cases[i].batch, cases[i].c, cases[i].h, cases[i].w);
	}
}

static void check_conv2d(void)
{
	check_upper_padding();
	for (size_t i = 0; i < NNO_COUNT(conv_cases); i++)
		picture(conv_cases[i].name, conv(&conv_cases[i]), conv_cases[i].batch, conv_cases[i].c, conv_cases[i].h,
			conv_cases[i].w);
}

static void check_linear(void)
{
	features("linear", linear(7, 1), 3, 5);
	features("linear without bias", linear(17, 0), 2, 9);
	features("linear 1 to 1", linear(1, 1), 1, 1);
	features("linear, batch 1", linear(3, 1), 1, 130);
}

/* --- normalisation, dropout, softmax --- */

static void check_running_statistics(void)
{
	const int64_t shape[3] = { 3, 3, 5 };
	nnopt_model *m = model_of(norm(true, 1, 1, 0.1f));
	assert_ok(nnopt_model_build(m, 3, shape));
	assert_ok(nnopt_model_set_frozen_norms(m, "", 1, NULL));
	check_model("batch_norm2d, running statistics", m, 3, shape, 2, 0.5f, NULL);
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
	check_running_statistics();
}

static void check_batch_norm1d(void)
{
	features("batch_norm1d", norm(false, 1, 1, 1e-5f), 7, 9);
	features("batch_norm1d of one feature", norm(false, 1, 1, 1e-5f), 5, 1);
	features("batch_norm1d without both", norm(false, 0, 0, 0.1f), 5, 3);
	features("batch_norm1d, batch 1: variance 0", norm(false, 1, 1, 0.1f), 1, 3);
}

static void check_dropout(void)
{
	nnopt_layer *l = NULL;
	assert_ok(nnopt_dropout_create(&l, ctx, 0.4f));
	picture("dropout", l, 2, 3, 5, 5);
	assert_ok(nnopt_dropout_create(&l, ctx, 0.0f));
	features("dropout of 0", l, 2, 7);
}

static nnopt_layer *layer_norm(int32_t extents, int32_t channels, int32_t scale, int32_t bias)
{
	nnopt_layer_norm_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_layer_norm_options_init(&o, sizeof o));
	o.extents = extents;
	o.channels = channels;
	o.use_scale = scale;
	o.use_bias = bias;
	o.epsilon = 0.1f;
	assert_ok(nnopt_layer_norm_create(&l, ctx, &o));
	return l;
}

static void check_layer_norm(void)
{
	for (int32_t extents = 0; extents <= 3; extents++) {
		picture("layer_norm", layer_norm(extents, 0, 1, 1), 2, 3, 4, 5);
		picture("layer_norm of one channel", layer_norm(extents, 0, 1, 0), 2, 1, 4, 3);
		picture("layer_norm without scale", layer_norm(extents, 0, 0, 1), 1, 5, 3, 3);
	}
	picture("layer_norm of channels", layer_norm(0, 1, 1, 1), 2, 17, 3, 2);
	picture("layer_norm of channels without both", layer_norm(0, 1, 0, 0), 2, 5, 3, 3);
	features("layer_norm of features", layer_norm(0, 0, 1, 1), 3, 37);
	features("layer_norm of one feature: variance 0", layer_norm(1, 0, 1, 1), 3, 1);
	check_model("layer_norm, frozen", model_of(layer_norm(0, 1, 1, 1)), 3, (int64_t[]){ 3, 3, 5 }, 2, 0.5f, "");
	check_model("layer_norm, fixed scale", model_of(layer_norm(2, 0, 1, 1)), 3, (int64_t[]){ 3, 3, 5 }, 2, 0.5f,
		    "layer_norm1.weight");
}

static nnopt_layer *group_norm(int64_t groups, int32_t scale, int32_t bias)
{
	nnopt_group_norm_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_group_norm_options_init(&o, sizeof o));
	o.use_scale = scale;
	o.use_bias = bias;
	o.epsilon = 0.1f;
	assert_ok(nnopt_group_norm_create(&l, ctx, groups, &o));
	return l;
}

static void check_group_norm(void)
{
	picture("group_norm", group_norm(2, 1, 1), 3, 6, 3, 3);
	picture("group_norm of one group", group_norm(1, 1, 0), 2, 3, 3, 5);
	picture("group_norm of each channel", group_norm(0, 0, 1), 2, 5, 3, 3);
	picture("group_norm without both", group_norm(3, 0, 0), 1, 6, 3, 3);
	features("group_norm of features", group_norm(3, 1, 1), 3, 21);
	check_model("group_norm, frozen", model_of(group_norm(3, 1, 1)), 3, (int64_t[]){ 3, 3, 5 }, 2, 0.5f, "");
	check_model("group_norm, fixed scale", model_of(group_norm(1, 1, 1)), 3, (int64_t[]){ 3, 3, 5 }, 2, 0.5f,
		    "group_norm1.weight");
}

static void check_dropout2d(void)
{
	nnopt_layer *l = NULL;
	assert_ok(nnopt_dropout2d_create(&l, ctx, 0.4f));
	picture("dropout2d", l, 2, 17, 3, 3);
}

static void check_drop_block(void)
{
	nnopt_layer *l = NULL;
	assert_ok(nnopt_drop_block_create(&l, ctx, 3, 0.3f));
	picture("drop_block", l, 2, 3, 7, 6);
	assert_ok(nnopt_drop_block_create(&l, ctx, 2, 0.3f));
	picture("drop_block of even size", l, 2, 5, 5, 4);
	assert_ok(nnopt_drop_block_create(&l, ctx, 9, 0.3f));
	picture("drop_block larger than the picture", l, 2, 9, 4, 3);
}

static void check_stochastic_depth(void)
{
	nnopt_layer *l = NULL;
	assert_ok(nnopt_stochastic_depth_create(&l, ctx, 0.4f));
	picture("stochastic_depth", l, 7, 3, 3, 3);
	assert_ok(nnopt_stochastic_depth_create(&l, ctx, 0.4f));
	features("stochastic_depth of features", l, 7, 9);
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

typedef nnopt_status (*pool_create)(nnopt_layer **out, nnopt_context *context, int64_t kernel,
				    const nnopt_pool2d_options *options);

static void check_windows(const char *kind, pool_create create)
{
	static const struct {
		int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
		int32_t ceil_mode, count;
		int64_t batch, c, h, w;
	} cases[] = {
		{ 2, 2, 0, 0, 0, 0, 0, 1, 2, 3, 5, 7 }, { 3, 3, 1, 1, 0, 0, 0, 1, 1, 3, 5, 5 },
		{ 3, 3, 2, 2, 1, 1, 0, 1, 2, 3, 7, 5 }, { 2, 2, 3, 3, 0, 0, 0, 1, 1, 5, 8, 7 },
		{ 3, 2, 2, 1, 1, 0, 1, 0, 2, 3, 5, 4 }, { 2, 3, 3, 2, 1, 1, 1, 1, 1, 1, 6, 7 },
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
	static const int64_t sizes[][5] = {
		{ 1, 1, 3, 5, 4 }, { 2, 3, 3, 5, 7 }, { 3, 2, 1, 4, 4 }, { 5, 4, 2, 3, 3 }
	};
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

static nnopt_status leaky(nnopt_layer **out, nnopt_context *context)
{
	return nnopt_leaky_relu_create(out, context, 0.2f);
}
static nnopt_status gelu_erf(nnopt_layer **out, nnopt_context *context) { return nnopt_gelu_create(out, context, 0); }
static nnopt_status gelu_tanh(nnopt_layer **out, nnopt_context *context) { return nnopt_gelu_create(out, context, 1); }

static void check_relu(void) { check_function("relu", nnopt_relu_create); }
static void check_relu6(void) { check_function("relu6", nnopt_relu6_create); }
static void check_silu(void) { check_function("silu", nnopt_silu_create); }
static void check_sigmoid(void) { check_function("sigmoid", nnopt_sigmoid_create); }
static void check_tanh(void) { check_function("tanh", nnopt_tanh_create); }
static void check_hard_sigmoid(void) { check_function("hard_sigmoid", nnopt_hard_sigmoid_create); }
static void check_hard_swish(void) { check_function("hard_swish", nnopt_hard_swish_create); }
static void check_leaky_relu(void) { check_function("leaky_relu", leaky); }

static void check_gelu(void)
{
	check_function("gelu", gelu_erf);
	check_function("gelu, tanh form", gelu_tanh);
}

static nnopt_status third(nnopt_layer **out, nnopt_context *context)
{
	return nnopt_scale_create(out, context, -0.375f);
}

static void check_scale(void) { check_function("scale", third); }

/* --- recurrent --- */

typedef nnopt_status (*recurrent_create)(nnopt_layer **out, nnopt_context *context, int64_t hidden_size,
					 const nnopt_recurrent_options *options);

static void check_recurrent(const char *kind, recurrent_create create)
{
	static const struct {
		int64_t hidden;
		int32_t sequence, output, both, bias;
		int64_t batch, c, h, w;
	} cases[] = {
		{ 4, 0, 0, 0, 1, 2, 3, 5, 2 }, { 4, 0, 1, 1, 1, 2, 3, 5, 2 },  { 3, 1, 1, 0, 1, 2, 3, 2, 5 },
		{ 3, 1, 0, 1, 0, 2, 3, 2, 5 }, { 5, 2, 1, 0, 0, 2, 3, 3, 2 },  { 5, 2, 0, 1, 1, 9, 3, 1, 5 },
		{ 1, 0, 1, 0, 1, 1, 1, 1, 1 }, { 17, 0, 0, 0, 1, 1, 2, 3, 1 },
	};
	for (size_t i = 0; i < NNO_COUNT(cases); i++) {
		nnopt_recurrent_options o;
		nnopt_layer *l = NULL;
		assert_ok(nnopt_recurrent_options_init(&o, sizeof o));
		o.sequence = cases[i].sequence;
		o.output = cases[i].output;
		o.bidirectional = cases[i].both;
		o.use_bias = cases[i].bias;
		assert_ok(create(&l, ctx, cases[i].hidden, &o));
		picture(kind, l, cases[i].batch, cases[i].c, cases[i].h, cases[i].w);
	}
	static const char *const frozen[] = { "weight_ih", "weight_hh", "bias_ih", "bias_hh", "" };
	for (size_t i = 0; i < NNO_COUNT(frozen); i++) {
		nnopt_layer *l = NULL;
		char prefix[32];
		assert_ok(create(&l, ctx, 3, NULL));
		snprintf(prefix, sizeof prefix, "%s1.%s", kind, frozen[i]);
		check_model(prefix, model_of(l), 3, (int64_t[]){ 2, 3, 2 }, 2, 0.5f, prefix);
	}
}

static void check_lstm(void) { check_recurrent("lstm", nnopt_lstm_create); }
static void check_gru(void) { check_recurrent("gru", nnopt_gru_create); }

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

/* multiply(multiply(x, gate), x) and the square of that, the gate being the mean of each channel of tanh(x), as a
 * picture of one pixel or as features. */
static nnopt_model *gated(bool flat)
{
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	int32_t a = connect(m, make(nnopt_tanh_create), 1, (int32_t[]){ NNOPT_INPUT_NODE });
	int32_t gate = connect(m, make(nnopt_global_avg_pool2d_create), 1, &a);
	if (flat)
		gate = connect(m, make(nnopt_flatten_create), 1, &gate);
	int32_t b = connect(m, make(nnopt_multiply_create), 2, (int32_t[]){ a, gate });
	int32_t c = connect(m, make(nnopt_multiply_create), 2, (int32_t[]){ b, a });
	connect(m, make(nnopt_multiply_create), 2, (int32_t[]){ c, c });
	return m;
}

static void check_multiply(void)
{
	check_model("multiply by channels", gated(false), 3, (int64_t[]){ 3, 3, 5 }, 2, 0.5f, NULL);
	check_model("multiply by features", gated(true), 3, (int64_t[]){ 17, 3, 2 }, 2, 0.5f, NULL);
	check_model("multiply of one pixel", gated(false), 3, (int64_t[]){ 5, 1, 1 }, 3, 0.5f, NULL);
}

static void check_add(void) { check_join("add", nnopt_add_create); }
static void check_concat(void) { check_join("concat", nnopt_concat_create); }

static nnopt_status learned_sum(nnopt_layer **out, nnopt_context *context)
{
	nnopt_weighted_sum_options o;
	assert_ok(nnopt_weighted_sum_options_init(&o, sizeof o));
	o.learned = 1;
	return nnopt_weighted_sum_create(out, context, &o);
}

static nnopt_status free_sum(nnopt_layer **out, nnopt_context *context)
{
	nnopt_weighted_sum_options o;
	assert_ok(nnopt_weighted_sum_options_init(&o, sizeof o));
	o.learned = 1;
	o.normalise = 0;
	return nnopt_weighted_sum_create(out, context, &o);
}

static nnopt_status fixed_sum(nnopt_layer **out, nnopt_context *context)
{
	nnopt_weighted_sum_options o;
	assert_ok(nnopt_weighted_sum_options_init(&o, sizeof o));
	o.weights = (const double[]){ 1.0, 2.0, 0.0, 0.5 };
	o.weight_count = 4;
	return nnopt_weighted_sum_create(out, context, &o);
}

static void check_weighted_sum(void)
{
	check_join("weighted_sum, learned", learned_sum);
	check_join("weighted_sum, learned freely", free_sum);
	check_join("weighted_sum, fixed", fixed_sum);
}

static void every_kind(void **state)
{
	(void)state;
#define NNO_LAYER(kind) check_##kind();
#include "layer/kinds.inc"
#undef NNO_LAYER
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
