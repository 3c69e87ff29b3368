/* gradcheck_networks.c - branched networks, rewritten ones, and the caller's own layers against central differences. */
#include "layers.h"

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
	nnopt_layer *layers[] = { conv(&same),
				  make(nnopt_relu_create),
				  conv(&halving),
				  make(nnopt_relu_create),
				  make(nnopt_flatten_create),
				  linear(9, 1),
				  make(nnopt_relu_create),
				  linear(2, 1) };
	for (size_t i = 0; i < NNO_COUNT(layers); i++) {
		assert_ok(nnopt_model_add(m, layers[i]));
		nnopt_layer_destroy(layers[i]);
	}
	check_model("conv and relu", m, 3, (int64_t[]){ 1, 3, 3 }, 1, 0.25f, NULL);
}

/* Normalisations that take part in sums: with a projection described before it, with one after it, and with a skip that
 * others read too. */
static void fused_sums(void **state)
{
	(void)state;
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	int32_t a = connect(m, conv(&same), 1, (int32_t[]){ NNOPT_INPUT_NODE });
	int32_t b = connect(m, norm(true, 1, 1, 0.1f), 1, &a);
	int32_t c = connect(m, conv(&halving), 1, &b);
	int32_t d = connect(m, norm(true, 1, 1, 0.1f), 1, &c);
	int32_t e = connect(m, conv(&shortcut), 1, &b);
	int32_t f = connect(m, norm(true, 1, 0, 0.1f), 1, &e);
	int32_t g = connect(m, make(nnopt_add_create), 2, (int32_t[]){ d, f });
	int32_t h = connect(m, make(nnopt_tanh_create), 1, &g);
	int32_t i = connect(m, norm(true, 0, 1, 0.1f), 1, &h);
	int32_t j = connect(m, make(nnopt_add_create), 2, (int32_t[]){ i, g });
	int32_t k = connect(m, make(nnopt_flatten_create), 1, &j);
	connect(m, linear(3, 1), 1, &k);
	check_model("norm and sum", m, 3, (int64_t[]){ 2, 5, 7 }, 2, 0.5f, NULL);
}

/* With an activation. Differences reach across a kink where a value is near it: the few that are move the sums of
 * hundreds by less than the tolerance. */
static void fused_norm_activations(void **state)
{
	(void)state;
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	int32_t a = connect(m, norm(true, 1, 1, 0.1f), 1, (int32_t[]){ NNOPT_INPUT_NODE });
	int32_t b = connect(m, make(nnopt_relu_create), 1, &a);
	int32_t c = connect(m, norm(true, 1, 1, 0.1f), 1, &b);
	int32_t d = connect(m, make(nnopt_add_create), 2, (int32_t[]){ c, b });
	connect(m, make(nnopt_relu6_create), 1, &d);
	check_model("norm, sum and activations", m, 3, (int64_t[]){ 3, 3, 5 }, 2, 3.0f, NULL);
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
	const float *w = nnopt_tensor_const_data(call->parameters[0]),
		    *dy = nnopt_tensor_const_data(call->output_gradient);
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

/* Their parameters are found by name. */
static void names_of_own_parameters(void **state)
{
	(void)state;
	nnopt_own_layer_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_own_layer_options_init(&o, sizeof o));
	o.parameter_count = 2;
	o.parameter_shape = own_shape;
	o.parameter_names[0] = "parameter1"; /* what the second would be called */
	o.forward = own_forward;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "parameters 0 and 1 are both called 'parameter1'",
		     nnopt_own_layer_create(&l, ctx, &o));
	o.parameter_names[0] = "";
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "parameter_names[0] is empty", nnopt_own_layer_create(&l, ctx, &o));
	assert_null(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(branches),   cmocka_unit_test(fused_relu),
		cmocka_unit_test(fused_sums), cmocka_unit_test(fused_norm_activations),
		cmocka_unit_test(own_layers), cmocka_unit_test(names_of_own_parameters),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
