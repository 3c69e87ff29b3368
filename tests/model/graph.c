/* graph.c - describing models: connections, names, errors, JSON, parameters, freezing. */
#include "check.h"

#include "model/model.h"

#include <math.h>

static nnopt_context *ctx;

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

static nnopt_model *small_model(void)
{
	nnopt_model *m = NULL;
	nnopt_conv2d_options same;
	assert_ok(nnopt_conv2d_options_init(&same, sizeof same));
	same.padding_mode = NNOPT_PADDING_SAME;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_conv2d(m, 4, 3, &same));
	assert_ok(nnopt_add_batch_norm2d(m, NULL));
	assert_ok(nnopt_add_relu(m));
	assert_ok(nnopt_add_max_pool2d(m, 2, NULL));
	assert_ok(nnopt_add_flatten(m));
	assert_ok(nnopt_add_dropout(m, 0.5f));
	assert_ok(nnopt_add_linear(m, 10, NULL));
	return m;
}

static void shapes_are_inferred(void **state)
{
	(void)state;
	nnopt_model *m = small_model();
	int64_t shape[3] = { 3, 8, 6 };
	assert_ok(nnopt_model_build(m, 3, shape));
	assert_int_equal(m->nodes[0].out.shape.h, 8);
	assert_int_equal(m->nodes[0].out.shape.c, 4);
	assert_int_equal(m->nodes[3].out.shape.h, 4);
	assert_int_equal(m->nodes[3].out.shape.w, 3);
	assert_int_equal(m->nodes[4].out.shape.c, 48);
	assert_int_equal(m->nodes[6].out.shape.c, 10);
	assert_int_equal(nnopt_model_parameter_count(m), 2 + 4 + 2);
	nnopt_parameter_info info = { .struct_size = sizeof info };
	assert_ok(nnopt_model_parameter_info(m, 0, &info));
	assert_string_equal(info.name, "conv2d1.weight");
	assert_int_equal(info.shape[0], 4);
	assert_int_equal(info.shape[1], 3);
	assert_int_equal(info.count, 4 * 3 * 9);
	assert_int_equal(info.role, NNOPT_ROLE_WEIGHT);
	int64_t other[3] = { 3, 8, 8 };
	assert_ok(nnopt_model_build(m, 3, shape));
	assert_fails(NNOPT_ERROR_STATE, "built for (3, 8, 6)", nnopt_model_build(m, 3, other));
	assert_fails(NNOPT_ERROR_STATE, "built", nnopt_add_relu(m));
	nnopt_model_destroy(m);
}

static void nodes_are_described(void **state)
{
	(void)state;
	nnopt_model *m = small_model();
	nnopt_node_info info = { .struct_size = sizeof info }, none = { .struct_size = 0 };
	assert_int_equal(nnopt_model_node_count(m), 8);
	assert_int_equal(nnopt_model_node_count(NULL), 0);
	assert_ok(nnopt_model_node_info(m, 1, &info));
	assert_string_equal(info.kind, "conv2d");
	assert_true(info.rank == 0 && info.parameters == 0 && info.input_count == 1 && info.inputs[0] == 0);
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 3, 8, 6 }));
	static const struct {
		const char *name, *kind;
		int64_t shape[3], parameters;
	} wanted[8] = { { "input", "input", { 3, 8, 6 }, 0 },
			{ "conv2d1", "conv2d", { 4, 8, 6 }, 4 * 3 * 9 + 4 },
			{ "batch_norm2d1", "batch_norm2d", { 4, 8, 6 }, 8 },
			{ "relu1", "relu", { 4, 8, 6 }, 0 },
			{ "max_pool2d1", "max_pool2d", { 4, 4, 3 }, 0 },
			{ "flatten1", "flatten", { 48, 0, 0 }, 0 },
			{ "dropout1", "dropout", { 48, 0, 0 }, 0 },
			{ "linear1", "linear", { 10, 0, 0 }, 490 } };
	for (int32_t i = 0; i < 8; i++) {
		assert_ok(nnopt_model_node_info(m, i, &info));
		assert_string_equal(info.name, wanted[i].name);
		assert_string_equal(info.kind, wanted[i].kind);
		assert_memory_equal(info.shape, wanted[i].shape, sizeof wanted[i].shape);
		assert_int_equal(info.rank, i < 5 ? 3 : 1);
		assert_int_equal(info.parameters, wanted[i].parameters);
		assert_int_equal(info.input_count, i > 0);
		assert_true(i == 0 || info.inputs[0] == i - 1);
	}
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "node 8, 0 to 7", nnopt_model_node_info(m, 8, &info));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "node -1", nnopt_model_node_info(m, -1, &info));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "struct_size", nnopt_model_node_info(m, 0, &none));
	nnopt_model_destroy(m);
}

static void bad_descriptions_are_refused(void **state)
{
	(void)state;
	nnopt_model *m = NULL;
	nnopt_layer *relu = NULL, *add = NULL;
	int64_t shape[3] = { 3, 4, 4 };
	assert_ok(nnopt_model_create(&m, ctx));
	assert_fails(NNOPT_ERROR_STATE, "no layers", nnopt_model_build(m, 3, shape));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "out_channels 0", nnopt_add_conv2d(m, 0, 3, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "p 1", nnopt_add_dropout(m, 1.0f));
	assert_ok(nnopt_relu_create(&relu, ctx));
	assert_ok(nnopt_layer_set_name(relu, "first"));
	assert_ok(nnopt_model_add(m, relu));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "in a model already", nnopt_model_add(m, relu));
	assert_fails(NNOPT_ERROR_STATE, "in a model", nnopt_layer_set_name(relu, "second"));
	assert_ok(nnopt_add_create(&add, ctx));
	int32_t inputs[2] = { 0, 9 };
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "2 to 8 wanted", nnopt_model_connect(m, add, inputs, 1, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "inputs[1] is node 9", nnopt_model_connect(m, add, inputs, 2, NULL));
	nnopt_layer_destroy(add);
	nnopt_layer_destroy(relu);
	assert_ok(nnopt_add_conv2d(m, 8, 7, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "conv2d: kernel 7x7", nnopt_model_build(m, 3, shape));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "shape[1] is 0", nnopt_model_build(m, 3, (int64_t[]){ 3, 0, 4 }));
	nnopt_model_destroy(m);
}

static void unused_outputs_are_refused(void **state)
{
	(void)state;
	nnopt_model *m = NULL;
	nnopt_layer *a = NULL, *b = NULL;
	int32_t input = 0;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_relu_create(&a, ctx));
	assert_ok(nnopt_tanh_create(&b, ctx));
	assert_ok(nnopt_model_connect(m, a, &input, 1, NULL));
	assert_ok(nnopt_model_connect(m, b, &input, 1, NULL));
	assert_fails(NNOPT_ERROR_STATE, "'relu1' is used by no other", nnopt_model_build(m, 1, (int64_t[]){ 4 }));
	nnopt_layer_destroy(b);
	nnopt_layer_destroy(a);
	nnopt_model_destroy(m);
}

static void json_round_trip(void **state)
{
	(void)state;
	nnopt_model *m = small_model(), *copy = NULL;
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 3, 8, 8 }));
	char first[8192], second[8192];
	size_t needed = 0;
	assert_ok(nnopt_model_to_json(m, NULL, 0, &needed));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "10 bytes", nnopt_model_to_json(m, first, 10, NULL));
	assert_true(needed > 100 && needed < sizeof first);
	assert_ok(nnopt_model_to_json(m, first, sizeof first, NULL));
	assert_ok(nnopt_model_from_json(&copy, ctx, first, strlen(first)));
	assert_ok(nnopt_model_to_json(copy, second, sizeof second, NULL));
	assert_string_equal(first, second);
	/* Same seed, same parameters: the first values are the same too. */
	assert_memory_equal(m->parameters, copy->parameters, (size_t)m->parameter_elements * sizeof(float));
	nnopt_model_destroy(copy);
	nnopt_model_destroy(m);
}

static void bad_json_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "{", "offset" },
		{ "[]", "not an object" },
		{ "{\"format\": \"x\", \"version\": 1, \"layers\": []}", "format" },
		{ "{\"format\": \"nnopt-model\", \"version\": 2, \"layers\": []}", "version" },
		{ "{\"format\": \"nnopt-model\", \"version\": 1}", "layers" },
		{ "{\"format\": \"nnopt-model\", \"version\": 1, \"layers\": [{\"kind\": \"nope\"}]}",
		  "unknown layer kind 'nope'" },
		{ "{\"format\": \"nnopt-model\", \"version\": 1, \"layers\": [{\"kind\": \"linear\"}]}",
		  "without \"out_features\"" },
		{ "{\"format\": \"nnopt-model\", \"version\": 1, \"layers\": [{\"kind\": \"relu\", \"x\": 1}]}",
		  "no such field" },
		{ "{\"format\": \"nnopt-model\", \"version\": 1, \"layers\": [{\"kind\": \"relu\", \"inputs\": "
		  "[\"a\"]}]}",
		  "no layer of that name" },
		{ "{\"format\": \"nnopt-model\", \"version\": 1, \"layers\": [{\"kind\": \"dropout\", \"p\": 2}]}",
		  "p 2" },
		{ "{\"format\": \"nnopt-model\", \"version\": 1, \"input\": [3], \"layers\": [{\"kind\": \"conv2d\", "
		  "\"out_channels\": 1, \"kernel_h\": 1, \"kernel_w\": 1}]}",
		  "rank 4" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		nnopt_model *m = NULL;
		assert_fails(NNOPT_ERROR_FORMAT, cases[i].words,
			     nnopt_model_from_json(&m, ctx, cases[i].text, strlen(cases[i].text)));
		assert_null(m);
	}
}

static void parameters_go_in_and_out(void **state)
{
	(void)state;
	nnopt_model *m = small_model();
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 3, 8, 8 }));
	int32_t index = -1;
	assert_ok(nnopt_model_find_parameter(m, "conv2d1.weight", &index));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "nothing.here", nnopt_model_find_parameter(m, "nothing.here", &index));
	nnopt_tensor *t = NULL, *back = NULL;
	int64_t shape[4] = { 4, 3, 3, 3 };
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, 4, shape, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&back, ctx, NNOPT_F32, 4, shape, NNOPT_NCHW));
	float *data = nnopt_tensor_data(t);
	for (int i = 0; i < 108; i++)
		data[i] = (float)i;
	assert_ok(nnopt_model_set_parameter(m, index, t));
	assert_ok(nnopt_model_get_parameter(m, index, back));
	assert_memory_equal(data, nnopt_tensor_const_data(back), 108 * sizeof(float));
	/* Stored as (kh, kw, C, O): element (kh 1, kw 2, c 1, o 3) is public (3, 1, 1, 2). */
	assert_float_equal(m->parameters[((1 * 3 + 2) * 3 + 1) * 4 + 3], (float)(3 * 27 + 1 * 9 + 1 * 3 + 2), 0);
	nnopt_tensor_destroy(back);
	nnopt_tensor_destroy(t);
	nnopt_model_destroy(m);
}

static double deviation(const float *x, int64_t n, double *mean)
{
	double sum = 0, square = 0;
	for (int64_t i = 0; i < n; i++) {
		sum += x[i];
		square += (double)x[i] * x[i];
	}
	*mean = sum / (double)n;
	return sqrt(square / (double)n - *mean * *mean);
}

static void initialisers_have_their_spread(void **state)
{
	(void)state;
	static const struct {
		int init;
		double deviation; /* of a linear layer 200 -> 400 */
	} cases[] = {
		{ NNOPT_INIT_DEFAULT, 0.0408248 }, /* 1/sqrt(200)/sqrt(3) */
		{ NNOPT_INIT_HE_NORMAL, 0.1 },     /* sqrt(2/200) */
		{ NNOPT_INIT_HE_UNIFORM, 0.1 },
		{ NNOPT_INIT_XAVIER_NORMAL, 0.0577350 }, /* sqrt(2/600) */
		{ NNOPT_INIT_XAVIER_UNIFORM, 0.0577350 },
		{ NNOPT_INIT_LECUN_NORMAL, 0.0707107 }, /* sqrt(1/200) */
		{ NNOPT_INIT_LECUN_UNIFORM, 0.0707107 },
		{ NNOPT_INIT_ORTHOGONAL, 0.05 }, /* 1/sqrt(400) */
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		nnopt_model *m = NULL;
		nnopt_linear_options o;
		assert_ok(nnopt_linear_options_init(&o, sizeof o));
		o.weight_init = cases[i].init;
		assert_ok(nnopt_model_create(&m, ctx));
		assert_ok(nnopt_add_linear(m, 400, &o));
		assert_ok(nnopt_model_build(m, 1, (int64_t[]){ 200 }));
		double mean;
		double got = deviation(m->parameters, 80000, &mean);
		assert_true(fabs(got - cases[i].deviation) < 0.02 * cases[i].deviation);
		assert_true(fabs(mean) < 0.01 * cases[i].deviation * 3);
		nnopt_model_destroy(m);
	}
}

static void orthogonal_columns_are_orthonormal(void **state)
{
	(void)state;
	nnopt_model *m = NULL;
	nnopt_linear_options o;
	assert_ok(nnopt_linear_options_init(&o, sizeof o));
	o.weight_init = NNOPT_INIT_ORTHOGONAL;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_linear(m, 30, &o));
	assert_ok(nnopt_model_build(m, 1, (int64_t[]){ 20 }));
	for (int a = 0; a < 20; a++)
		for (int b = 0; b < 20; b++) {
			double dot = 0;
			for (int k = 0; k < 30; k++)
				dot += (double)m->parameters[a * 30 + k] * m->parameters[b * 30 + k];
			assert_true(fabs(dot - (a == b)) < 1e-6);
		}
	nnopt_model_destroy(m);
}

static void freezing_marks_parameters(void **state)
{
	(void)state;
	nnopt_model *m = small_model();
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 3, 8, 8 }));
	int32_t changed = 0;
	assert_ok(nnopt_model_set_trainable(m, "conv2d1", 0, &changed));
	assert_int_equal(changed, 2);
	assert_ok(nnopt_model_set_trainable(m, "conv2d1", 0, &changed));
	assert_int_equal(changed, 0);
	nnopt_parameter_info info = { .struct_size = sizeof info };
	assert_ok(nnopt_model_parameter_info(m, 1, &info));
	assert_int_equal(info.trainable, 0);
	nnopt_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes_are_inferred),
		cmocka_unit_test(nodes_are_described),
		cmocka_unit_test(bad_descriptions_are_refused),
		cmocka_unit_test(unused_outputs_are_refused),
		cmocka_unit_test(json_round_trip),
		cmocka_unit_test(bad_json_is_refused),
		cmocka_unit_test(parameters_go_in_and_out),
		cmocka_unit_test(initialisers_have_their_spread),
		cmocka_unit_test(orthogonal_columns_are_orthonormal),
		cmocka_unit_test(freezing_marks_parameters),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
