/* gradcheck.c - every layer kind against central differences. A kind in kinds.inc without a check_<kind>() here does
 * not compile. */
#include "layers.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
