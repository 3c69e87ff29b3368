/* options.c - every option reaches the layer it was given to, defaults are PyTorch's, and values out of range are
 * refused with their name. What a layer holds is read from the model's JSON. */
#include "options.h"

#include <math.h>

static void conv2d_options(void **state)
{
	(void)state;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_conv2d_create(&l, ctx, 8, 3, NULL));
	expect_fields(
	    l,
	    "\"out_channels\": 8, \"kernel_h\": 3, \"kernel_w\": 3, \"stride_h\": 1, \"stride_w\": 1, \"padding_h\": "
	    "0, "
	    "\"padding_w\": 0, \"dilation_h\": 1, \"dilation_w\": 1, \"groups\": 1, \"same_padding\": false, "
	    "\"use_bias\": true, \"weight_init\": 0, \"bias_init\": 0, \"weight_value\": 0, \"bias_value\": 0");
	nnopt_conv2d_options o;
	assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
	o.kernel_w = 5;
	o.stride_h = 2;
	o.stride_w = 3;
	o.padding_h = 4;
	o.padding_w = 6;
	o.dilation_h = 7;
	o.dilation_w = 8;
	o.groups = 9;
	o.use_bias = 0;
	o.weight_init = NNOPT_INIT_CONSTANT;
	o.bias_init = NNOPT_INIT_HE_NORMAL;
	o.weight_value = 0.5f;
	o.bias_value = 0.25f;
	assert_ok(nnopt_conv2d_create(&l, ctx, 18, 3, &o));
	expect_fields(l,
		      "\"out_channels\": 18, \"kernel_h\": 3, \"kernel_w\": 5, \"stride_h\": 2, \"stride_w\": 3, "
		      "\"padding_h\": 4, "
		      "\"padding_w\": 6, \"dilation_h\": 7, \"dilation_w\": 8, \"groups\": 9, \"same_padding\": false, "
		      "\"use_bias\": false, \"weight_init\": 8, \"bias_init\": 1, \"weight_value\": 0.5, "
		      "\"bias_value\": 0.25");
	o.kernel_h = 1;
	o.padding_mode = NNOPT_PADDING_SAME;
	assert_ok(nnopt_conv2d_create(&l, ctx, 18, 3, &o));
	expect_fields(
	    l,
	    "\"kernel_h\": 1, \"kernel_w\": 5, \"stride_h\": 2, \"stride_w\": 3, \"padding_h\": 4, \"padding_w\": 6, "
	    "\"dilation_h\": 7, \"dilation_w\": 8, \"groups\": 9, \"same_padding\": true");
	o.padding_mode = NNOPT_PADDING_SAME_UPPER;
	o.kernel_h = 4;
	assert_ok(nnopt_conv2d_create(&l, ctx, 18, 3, &o));
	expect_fields(l, "\"same_padding\": false, \"use_bias\": false, \"weight_init\": 8, \"bias_init\": 1, "
			 "\"weight_value\": 0.5, "
			 "\"bias_value\": 0.25, \"same_upper_padding\": true");
}

static void linear_options(void **state)
{
	(void)state;
	nnopt_layer *l = NULL;
	nnopt_linear_options o;
	assert_ok(nnopt_linear_create(&l, ctx, 8, NULL));
	expect_fields(
	    l, "\"out_features\": 8, \"use_bias\": true, \"weight_init\": 0, \"bias_init\": 0, \"weight_value\": 0, "
	       "\"bias_value\": 0");
	assert_ok(nnopt_linear_options_init(&o, sizeof o));
	o.use_bias = 0;
	o.weight_init = NNOPT_INIT_ORTHOGONAL;
	o.bias_init = NNOPT_INIT_CONSTANT;
	o.weight_value = 2.0f;
	o.bias_value = 3.0f;
	assert_ok(nnopt_linear_create(&l, ctx, 9, &o));
	expect_fields(
	    l, "\"out_features\": 9, \"use_bias\": false, \"weight_init\": 7, \"bias_init\": 8, \"weight_value\": 2, "
	       "\"bias_value\": 3");
}

static void batch_norm_options(void **state)
{
	(void)state;
	static nnopt_status (*const create[])(nnopt_layer **, nnopt_context *,
					      const nnopt_batch_norm_options *) = { nnopt_batch_norm1d_create,
										    nnopt_batch_norm2d_create };
	for (int i = 0; i < 2; i++) {
		nnopt_layer *l = NULL;
		nnopt_batch_norm_options o;
		assert_ok(nnopt_batch_norm_options_init(&o, sizeof o));
		assert_true(o.momentum == 0.1f && o.epsilon == 1e-5f);
		assert_ok(create[i](&l, ctx, NULL));
		assert_string_equal(nnopt_layer_kind(l), i ? "batch_norm2d" : "batch_norm1d");
		expect_fields(l, "\"use_scale\": true, \"use_bias\": true, \"scale_value\": 1, \"bias_value\": 0");
		o.momentum = 0.5f;
		o.epsilon = 0.25f;
		o.use_scale = 0;
		assert_ok(create[i](&l, ctx, &o));
		expect_fields(l, "\"momentum\": 0.5, \"epsilon\": 0.25, \"use_scale\": false, \"use_bias\": true");
		o.use_scale = 1;
		o.use_bias = 0;
		assert_ok(create[i](&l, ctx, &o));
		expect_fields(l, "\"use_scale\": true, \"use_bias\": false");
		o.scale_value = 0.0f;
		o.bias_value = 0.5f;
		assert_ok(create[i](&l, ctx, &o));
		expect_fields(l, "\"scale_value\": 0, \"bias_value\": 0.5");
		o.scale_value = INFINITY;
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "scale_value inf", create[i](&l, ctx, &o));
		o.scale_value = 1.0f;
		o.momentum = -0.5f;
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "momentum -0.5", create[i](&l, ctx, &o));
		o.momentum = 0.5f;
		o.epsilon = -1.0f;
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "epsilon -1", create[i](&l, ctx, &o));
	}
}

static void layer_norm_options(void **state)
{
	(void)state;
	nnopt_layer *l = NULL;
	nnopt_layer_norm_options o;
	assert_ok(nnopt_layer_norm_options_init(&o, sizeof o));
	assert_true(o.epsilon == 1e-5f);
	assert_ok(nnopt_layer_norm_create(&l, ctx, NULL));
	expect_fields(l, "\"extents\": 0, \"channels\": false, \"epsilon\": ");
	o.epsilon = 0.25f;
	o.extents = 2;
	o.use_scale = 0;
	assert_ok(nnopt_layer_norm_create(&l, ctx, &o));
	expect_fields(
	    l, "\"extents\": 2, \"channels\": false, \"epsilon\": 0.25, \"use_scale\": false, \"use_bias\": true");
	o.use_bias = 0;
	o.extents = 0;
	o.channels = 1;
	assert_ok(nnopt_layer_norm_create(&l, ctx, &o));
	expect_fields(
	    l, "\"extents\": 0, \"channels\": true, \"epsilon\": 0.25, \"use_scale\": false, \"use_bias\": false");
	l = NULL;
	o.extents = 1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "extents 1 with channels", nnopt_layer_norm_create(&l, ctx, &o));
	o.extents = 4;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "extents 4", nnopt_layer_norm_create(&l, ctx, &o));
	o.extents = 0;
	o.epsilon = -1.0f;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "epsilon -1", nnopt_layer_norm_create(&l, ctx, &o));
	assert_null(l);
}

static void group_norm_options(void **state)
{
	(void)state;
	nnopt_layer *l = NULL;
	nnopt_group_norm_options o;
	assert_ok(nnopt_group_norm_options_init(&o, sizeof o));
	assert_true(o.epsilon == 1e-5f);
	assert_ok(nnopt_group_norm_create(&l, ctx, 8, NULL));
	expect_fields(l, "\"groups\": 8, \"epsilon\": ");
	o.epsilon = 0.25f;
	o.use_scale = 0;
	assert_ok(nnopt_group_norm_create(&l, ctx, 0, &o));
	expect_fields(l, "\"groups\": 0, \"epsilon\": 0.25, \"use_scale\": false, \"use_bias\": true");
	o.use_scale = 1;
	o.use_bias = 0;
	assert_ok(nnopt_group_norm_create(&l, ctx, 1, &o));
	expect_fields(l, "\"use_scale\": true, \"use_bias\": false");
	l = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "groups -1", nnopt_group_norm_create(&l, ctx, -1, NULL));
	o.epsilon = 2.0f;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "epsilon 2", nnopt_group_norm_create(&l, ctx, 1, &o));
	assert_null(l);
}

static void pool_options(void **state)
{
	(void)state;
	static nnopt_status (*const create[])(nnopt_layer **, nnopt_context *, int64_t,
					      const nnopt_pool2d_options *) = { nnopt_max_pool2d_create,
										nnopt_avg_pool2d_create };
	for (int i = 0; i < 2; i++) {
		nnopt_layer *l = NULL;
		nnopt_pool2d_options o;
		assert_ok(create[i](&l, ctx, 3, NULL));
		assert_string_equal(nnopt_layer_kind(l), i ? "avg_pool2d" : "max_pool2d");
		expect_fields(l, "\"kernel_h\": 3, \"kernel_w\": 3, \"stride_h\": 0, \"stride_w\": 0, \"padding_h\": "
				 "0, \"padding_w\": 0, "
				 "\"ceil_mode\": false, \"count_include_pad\": true");
		assert_ok(nnopt_pool2d_options_init(&o, sizeof o));
		o.kernel_w = 5;
		o.stride_h = 6;
		o.stride_w = 7;
		o.padding_h = 1;
		o.padding_w = 2;
		o.ceil_mode = 1;
		o.count_include_pad = 0;
		assert_ok(create[i](&l, ctx, 3, &o));
		expect_fields(l, "\"kernel_h\": 3, \"kernel_w\": 5, \"stride_h\": 6, \"stride_w\": 7, \"padding_h\": "
				 "1, \"padding_w\": 2, "
				 "\"ceil_mode\": true, \"count_include_pad\": false");
		o.padding_h = 2;
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "padding_h 2", create[i](&l, ctx, 3, &o));
		o.padding_h = 0;
		o.stride_w = -1;
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "stride_w -1", create[i](&l, ctx, 3, &o));
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "kernel_h 0", create[i](&l, ctx, 0, NULL));
	}
}

static void single_options(void **state)
{
	(void)state;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_adaptive_avg_pool2d_create(&l, ctx, 2, 3));
	expect_fields(l, "\"kind\": \"adaptive_avg_pool2d\", \"name\": \"adaptive_avg_pool2d1\", \"inputs\": "
			 "[\"input\"], \"out_h\": 2, \"out_w\": 3");
	assert_ok(nnopt_adaptive_max_pool2d_create(&l, ctx, 4, 5));
	expect_fields(l, "\"out_h\": 4, \"out_w\": 5");
	assert_ok(nnopt_leaky_relu_create(&l, ctx, 0.25f));
	expect_fields(l, "\"slope\": 0.25");
	assert_ok(nnopt_gelu_create(&l, ctx, 0));
	expect_fields(l, "\"tanh_form\": false");
	assert_ok(nnopt_gelu_create(&l, ctx, 1));
	expect_fields(l, "\"tanh_form\": true");
	assert_ok(nnopt_dropout_create(&l, ctx, 0.75f));
	expect_fields(l, "\"p\": 0.75");
	assert_ok(nnopt_dropout2d_create(&l, ctx, 0.25f));
	expect_fields(l, "\"kind\": \"dropout2d\", \"name\": \"dropout2d1\", \"inputs\": [\"input\"], \"p\": 0.25");
	assert_ok(nnopt_drop_block_create(&l, ctx, 7, 0.5f));
	expect_fields(l, "\"p\": 0.5, \"block_size\": 7");
	assert_ok(nnopt_stochastic_depth_create(&l, ctx, 0.125f));
	expect_fields(l, "\"p\": 0.125");
	assert_ok(nnopt_scale_create(&l, ctx, -0.5f));
	expect_fields(l, "\"factor\": -0.5");
	l = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "dropout2d: p 1", nnopt_dropout2d_create(&l, ctx, 1.0f));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "drop_block: p -1", nnopt_drop_block_create(&l, ctx, 3, -1.0f));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "block_size 0", nnopt_drop_block_create(&l, ctx, 0, 0.5f));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "stochastic_depth: p 1",
		     nnopt_stochastic_depth_create(&l, ctx, 1.0f));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "factor inf", nnopt_scale_create(&l, ctx, INFINITY));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "0x3", nnopt_adaptive_avg_pool2d_create(&l, ctx, 0, 3));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "slope -1", nnopt_leaky_relu_create(&l, ctx, -1.0f));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "p -0.5", nnopt_dropout_create(&l, ctx, -0.5f));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "out_features 0", nnopt_linear_create(&l, ctx, 0, NULL));
	assert_null(l);
}

static void conv2d_refuses(void **state)
{
	(void)state;
	static const struct {
		size_t field;
		int64_t value;
		const char *words;
	} cases[] = {
		{ offsetof(nnopt_conv2d_options, kernel_h), -1, "kernel_h -1" },
		{ offsetof(nnopt_conv2d_options, kernel_w), -1, "kernel_w -1" },
		{ offsetof(nnopt_conv2d_options, stride_h), 0, "stride_h 0" },
		{ offsetof(nnopt_conv2d_options, stride_w), 0, "stride_w 0" },
		{ offsetof(nnopt_conv2d_options, padding_h), -1, "padding_h -1" },
		{ offsetof(nnopt_conv2d_options, padding_w), (int64_t)1 << 40, "padding_w 1099511627776" },
		{ offsetof(nnopt_conv2d_options, dilation_h), 0, "dilation_h 0" },
		{ offsetof(nnopt_conv2d_options, dilation_w), -5, "dilation_w -5" },
		{ offsetof(nnopt_conv2d_options, groups), 0, "groups 0" },
		{ offsetof(nnopt_conv2d_options, groups), 3, "multiple of groups 3" },
	};
	nnopt_layer *l = NULL;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		nnopt_conv2d_options o;
		assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
		memcpy((char *)&o + cases[i].field, &cases[i].value, sizeof cases[i].value);
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, cases[i].words, nnopt_conv2d_create(&l, ctx, 8, 3, &o));
	}
	nnopt_conv2d_options o;
	assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
	o.padding_mode = 3;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "padding_mode 3", nnopt_conv2d_create(&l, ctx, 8, 3, &o));
	o.padding_mode = NNOPT_PADDING_SAME;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "same padding", nnopt_conv2d_create(&l, ctx, 8, 4, &o));
	o.weight_init = 11;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "weight_init 11", nnopt_conv2d_create(&l, ctx, 8, 3, &o));
	o.weight_init = NNOPT_INIT_TRUNCATED_NORMAL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "weight_init is a truncated normal of deviation 0",
		     nnopt_conv2d_create(&l, ctx, 8, 3, &o));
	o.weight_init = NNOPT_INIT_DEFAULT;
	o.weight_value = NAN; /* no file could hold it */
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "weight_init is nan", nnopt_conv2d_create(&l, ctx, 8, 3, &o));
	o.weight_value = 0.0f;
	o.bias_init = NNOPT_INIT_DIRAC;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "bias_init is dirac", nnopt_conv2d_create(&l, ctx, 8, 3, &o));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "out is NULL", nnopt_conv2d_create(NULL, ctx, 8, 3, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "context is NULL", nnopt_conv2d_create(&l, NULL, 8, 3, NULL));
	assert_null(l);
}

static void recurrent_refuses(void **state)
{
	(void)state;
	nnopt_recurrent_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_recurrent_options_init(&o, sizeof o));
	o.input_init = NNOPT_INIT_TRUNCATED_NORMAL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "input_init is a truncated normal of deviation 0",
		     nnopt_lstm_create(&l, ctx, 4, &o));
	o.input_init = NNOPT_INIT_DEFAULT;
	o.bias_value = INFINITY;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "bias_init is inf", nnopt_gru_create(&l, ctx, 4, &o));
	assert_null(l);
}

/* Weights of 2^94 elements: sizes are checked before they are multiplied. */
static void huge_weights_are_refused(void **state)
{
	(void)state;
	nnopt_model *m = NULL;
	nnopt_conv2d_options o;
	assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
	o.padding_mode = NNOPT_PADDING_SAME;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_conv2d(m, 1 << 24, (1 << 24) - 1, &o));
	assert_int_not_equal(nnopt_model_build(m, 3, (int64_t[]){ 3, 4, 4 }), NNOPT_OK);
	nnopt_model_destroy(m);
}

static void kinds_are_in_order(void **state)
{
	(void)state;
	assert_true(nnopt_layer_kind_count() > 30);
	for (int32_t i = 1; i < nnopt_layer_kind_count(); i++)
		assert_true(strcmp(nnopt_layer_kind_name(i - 1), nnopt_layer_kind_name(i)) < 0);
}

static void shapes_are_refused(void **state)
{
	(void)state;
	static const refused cases[] = {
		{ "{\"kind\": \"conv2d\", \"out_channels\": 3, \"kernel_h\": 3, \"kernel_w\": 3}", 1, { 9 }, "rank 4" },
		{ "{\"kind\": \"conv2d\", \"out_channels\": 4, \"kernel_h\": 3, \"kernel_w\": 3, \"groups\": 2}",
		  3,
		  { 3, 5, 5 },
		  "multiple of groups 2" },
		{ "{\"kind\": \"conv2d\", \"out_channels\": 4, \"kernel_h\": 3, \"kernel_w\": 3, \"dilation_w\": 3}",
		  3,
		  { 3, 5, 6 },
		  "padded input 5x6" },
		{ "{\"kind\": \"linear\", \"out_features\": 3}", 3, { 3, 5, 5 }, "flatten" },
		{ "{\"kind\": \"batch_norm2d\"}", 1, { 3 }, "rank 4" },
		{ "{\"kind\": \"batch_norm1d\"}", 3, { 3, 5, 5 }, "rank 2" },
		{ "{\"kind\": \"max_pool2d\", \"kernel_h\": 6, \"kernel_w\": 2}", 3, { 3, 5, 5 }, "padded input 5x5" },
		{ "{\"kind\": \"global_avg_pool2d\"}", 1, { 3 }, "rank 4" },
		{ "{\"kind\": \"adaptive_max_pool2d\", \"out_h\": 1, \"out_w\": 1}", 1, { 3 }, "rank 4" },
		{ "{\"kind\": \"layer_norm\", \"extents\": 2}", 1, { 3 }, "0 or 1 wanted" },
		{ "{\"kind\": \"group_norm\", \"groups\": 2}", 3, { 3, 5, 5 }, "multiple of groups 2" },
		{ "{\"kind\": \"dropout2d\", \"p\": 0.5}", 1, { 3 }, "rank 4" },
		{ "{\"kind\": \"drop_block\", \"p\": 0.5, \"block_size\": 3}", 1, { 3 }, "rank 4" },
		{ "{\"kind\": \"max_pool2d\", \"kernel_h\": 2, \"kernel_w\": 2, \"name\": \"a\"}, {\"kind\": "
		  "\"multiply\", "
		  "\"inputs\": [\"input\", \"a\"]}",
		  3,
		  { 3, 4, 4 },
		  "(N, 3, 1, 1) wanted" },
	};
	expect_refused(cases, sizeof cases / sizeof *cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conv2d_options),     cmocka_unit_test(linear_options),
		cmocka_unit_test(batch_norm_options), cmocka_unit_test(pool_options),
		cmocka_unit_test(single_options),     cmocka_unit_test(conv2d_refuses),
		cmocka_unit_test(shapes_are_refused), cmocka_unit_test(layer_norm_options),
		cmocka_unit_test(group_norm_options), cmocka_unit_test(recurrent_refuses),
		cmocka_unit_test(kinds_are_in_order), cmocka_unit_test(huge_weights_are_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
