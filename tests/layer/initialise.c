/* initialise.c - first values against theory, with the fans of torch.nn.init; their dependence on the seed and on
 * nothing else; parameters by name; freezing. */
#include "check.h"

#include <math.h>
#include <stdbool.h>

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

/* The values of a parameter in PyTorch's order; the caller frees them. */
static float *values_of(const nnopt_model *m, const char *name, int64_t *count)
{
	nnopt_parameter_info info = { .struct_size = sizeof info };
	nnopt_tensor *t = NULL;
	int32_t index = -1;
	assert_ok(nnopt_model_find_parameter(m, name, &index));
	assert_ok(nnopt_model_parameter_info(m, index, &info));
	assert_string_equal(info.name, name);
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
	assert_ok(nnopt_model_get_parameter(m, index, t));
	float *x = malloc(nnopt_tensor_bytes(t));
	assert_non_null(x);
	memcpy(x, nnopt_tensor_const_data(t), nnopt_tensor_bytes(t));
	*count = info.count;
	nnopt_tensor_destroy(t);
	return x;
}

typedef struct moments {
	double mean, deviation, kurtosis, largest;
} moments;

static moments moments_of(const float *x, int64_t n)
{
	moments m = { 0 };
	for (int64_t i = 0; i < n; i++)
		m.mean += (double)x[i] / (double)n;
	double square = 0.0, fourth = 0.0;
	for (int64_t i = 0; i < n; i++) {
		double d = (double)x[i] - m.mean;
		square += d * d / (double)n;
		fourth += d * d * d * d / (double)n;
		m.largest = fmax(m.largest, fabs((double)x[i]));
	}
	m.deviation = sqrt(square);
	m.kurtosis = fourth / (square * square);
	return m;
}

/* Standard errors of n draws: mean sd / sqrt(n), deviation below 0.71 sd / sqrt(n), kurtosis sqrt(24 / n); five of each
 * are allowed. A uniform law has kurtosis 1.8 and comes within 5 / n of its bound; a normal one has kurtosis 3. */
static void expect_law(const char *what, const float *x, int64_t n, double deviation, bool uniform)
{
	moments m = moments_of(x, n);
	double root = sqrt((double)n);
	if (!(fabs(m.mean) <= 5.0 * deviation / root))
		fail_msg("%s: mean %g, 0 wanted", what, m.mean);
	if (!(fabs(m.deviation / deviation - 1.0) <= 3.6 / root))
		fail_msg("%s: deviation %g, %g wanted", what, m.deviation, deviation);
	if (!(fabs(m.kurtosis - (uniform ? 1.8 : 3.0)) <= 25.0 / root))
		fail_msg("%s: kurtosis %g of a %s law", what, m.kurtosis, uniform ? "uniform" : "normal");
	double bound = deviation * sqrt(3.0);
	if (uniform && !(m.largest <= bound * (1.0 + 1e-6) && m.largest >= bound * (1.0 - 20.0 / (double)n)))
		fail_msg("%s: largest %g, bound %g", what, m.largest, bound);
}

static double deviation_of(int init, double in, double out)
{
	switch (init) {
	case NNOPT_INIT_HE_NORMAL:
	case NNOPT_INIT_HE_UNIFORM:
		return sqrt(2.0 / in);
	case NNOPT_INIT_XAVIER_NORMAL:
	case NNOPT_INIT_XAVIER_UNIFORM:
		return sqrt(2.0 / (in + out));
	case NNOPT_INIT_LECUN_NORMAL:
	case NNOPT_INIT_LECUN_UNIFORM:
		return sqrt(1.0 / in);
	default: /* U(+-1 / sqrt(fan_in)) */
		return sqrt(1.0 / (3.0 * in));
	}
}

static bool is_uniform(int init)
{
	return init != NNOPT_INIT_HE_NORMAL && init != NNOPT_INIT_XAVIER_NORMAL && init != NNOPT_INIT_LECUN_NORMAL;
}

static nnopt_model *linear_model(int64_t in, int64_t out, int init)
{
	nnopt_model *m = NULL;
	nnopt_linear_options o;
	assert_ok(nnopt_linear_options_init(&o, sizeof o));
	o.weight_init = o.bias_init = init;
	o.weight_value = 0.25f;
	o.bias_value = init == NNOPT_INIT_TRUNCATED_NORMAL ? 0.5f : -0.5f;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_linear(m, out, &o));
	assert_ok(nnopt_model_build(m, 1, &in));
	return m;
}

static nnopt_model *conv_model(int64_t in, int64_t out, int64_t groups, int init)
{
	nnopt_model *m = NULL;
	nnopt_conv2d_options o;
	assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
	o.kernel_w = 5;
	o.groups = groups;
	o.weight_init = o.bias_init = init;
	o.weight_value = 0.25f;
	o.bias_value = -0.5f;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_conv2d(m, out, 3, &o));
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ in, 8, 8 }));
	return m;
}

static void laws_have_their_moments(void **state)
{
	(void)state;
	for (int init = NNOPT_INIT_DEFAULT; init <= NNOPT_INIT_LECUN_UNIFORM; init++) {
		int64_t n;
		nnopt_model *m = linear_model(150, 400, init);
		float *x = values_of(m, "linear1.weight", &n);
		expect_law("linear weight", x, n, deviation_of(init, 150, 400), is_uniform(init));
		free(x);
		nnopt_model_destroy(m);
		/* 2 groups: PyTorch's fan_out does not divide by them, because it looks at the weight's shape alone. */
		m = conv_model(48, 80, 2, init);
		x = values_of(m, "conv2d1.weight", &n);
		assert_int_equal(n, 80 * 24 * 15);
		expect_law("conv2d weight", x, n, deviation_of(init, 24 * 15, 80 * 15), is_uniform(init));
		free(x);
		nnopt_model_destroy(m);
	}
}

/* N(0, 0.25^2) cut at two deviations: those of what is left are 0.8796 of it (Johnson and Kotz 1970), and its kurtosis
 * is 2.37. Cut so, values are drawn again and not clipped: none is at the bound. */
static void truncated_normals_end_at_two_deviations(void **state)
{
	(void)state;
	int64_t n;
	nnopt_model *m = linear_model(150, 400, NNOPT_INIT_TRUNCATED_NORMAL);
	float *x = values_of(m, "linear1.weight", &n);
	moments got = moments_of(x, n);
	double root = sqrt((double)n), wanted = 0.25 * 0.87962566;
	assert_true(fabs(got.mean) <= 5.0 * wanted / root && fabs(got.deviation / wanted - 1.0) <= 3.6 / root);
	assert_true(fabs(got.kurtosis - 2.3655) <= 25.0 / root);
	assert_true(got.largest < 0.5 && got.largest > 0.5 * (1.0 - 100.0 / (double)n));
	free(x);
	nnopt_model_destroy(m);
}

/* Biases are of the fan of their weight, as in PyTorch's layers. */
static void biases_have_the_fan_of_their_weight(void **state)
{
	(void)state;
	int64_t n;
	nnopt_model *m = linear_model(7, 4000, NNOPT_INIT_DEFAULT);
	float *x = values_of(m, "linear1.bias", &n);
	expect_law("linear bias", x, n, deviation_of(NNOPT_INIT_DEFAULT, 7, 0), true);
	free(x);
	nnopt_model_destroy(m);
	m = conv_model(3, 2000, 1, NNOPT_INIT_DEFAULT);
	x = values_of(m, "conv2d1.bias", &n);
	expect_law("conv2d bias", x, n, deviation_of(NNOPT_INIT_DEFAULT, 3 * 15, 0), true);
	free(x);
	nnopt_model_destroy(m);
}

static void constants_are_constant(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		float value;
	} wanted[] = { { "conv2d1.weight", 0.25f }, { "conv2d1.bias", -0.5f } };
	nnopt_model *m = conv_model(3, 5, 1, NNOPT_INIT_CONSTANT);
	for (int k = 0; k < 2; k++) {
		int64_t n;
		float *x = values_of(m, wanted[k].name, &n);
		for (int64_t i = 0; i < n; i++)
			assert_true(x[i] == wanted[k].value);
		free(x);
	}
	nnopt_model_destroy(m);
}

static void norms_start_at_identity(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		float value;
	} wanted[] = { { "batch_norm1d1.weight", 1 },
		       { "batch_norm1d1.bias", 0 },
		       { "batch_norm1d1.running_mean", 0 },
		       { "batch_norm1d1.running_var", 1 } };
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_batch_norm1d(m, NULL));
	assert_ok(nnopt_model_build(m, 1, (int64_t[]){ 9 }));
	for (int k = 0; k < 4; k++) {
		int64_t n;
		float *x = values_of(m, wanted[k].name, &n);
		assert_int_equal(n, 9);
		for (int64_t i = 0; i < n; i++)
			assert_true(x[i] == wanted[k].value);
		free(x);
	}
	nnopt_model_destroy(m);
}

/* A wide matrix has orthonormal rows, a tall one orthonormal columns. */
static void expect_orthonormal(const float *x, int64_t rows, int64_t columns)
{
	bool wide = rows < columns;
	int64_t n = wide ? rows : columns, length = wide ? columns : rows;
	for (int64_t a = 0; a < n; a++)
		for (int64_t b = 0; b <= a; b++) {
			double dot = 0.0;
			for (int64_t k = 0; k < length; k++)
				dot += wide ? (double)x[a * columns + k] * (double)x[b * columns + k]
					    : (double)x[k * columns + a] * (double)x[k * columns + b];
			if (!(fabs(dot - (a == b)) <= 1e-6))
				fail_msg("%dx%d: vectors %d and %d have the product %g", (int)rows, (int)columns,
					 (int)a, (int)b, dot);
		}
}

static void orthogonal_is_orthonormal(void **state)
{
	(void)state;
	static const int64_t sizes[][2] = { { 30, 20 }, { 20, 30 }, { 16, 16 },  { 1, 9 },
					    { 9, 1 },   { 1, 1 },   { 200, 100 } };
	int64_t n;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		nnopt_model *m = linear_model(sizes[i][1], sizes[i][0], NNOPT_INIT_ORTHOGONAL);
		float *x = values_of(m, "linear1.weight", &n);
		expect_orthonormal(x, sizes[i][0], sizes[i][1]);
		free(x);
		nnopt_model_destroy(m);
	}
	for (int64_t out = 4; out <= 128; out *= 32) {
		nnopt_model *m = conv_model(6, out, 2, NNOPT_INIT_ORTHOGONAL);
		float *x = values_of(m, "conv2d1.weight", &n);
		expect_orthonormal(x, out, 3 * 15);
		free(x);
		nnopt_model_destroy(m);
	}
}

static nnopt_status pass(const nnopt_own_call *call, void *user)
{
	(void)user;
	return nnopt_tensor_copy(call->output, call->inputs[0]);
}

static nnopt_status kernel_shape(int32_t index, int32_t count, const int64_t *const *in_shapes, const int32_t *in_ranks,
				 int64_t *shape, int32_t *rank, void *user)
{
	(void)index;
	(void)count;
	(void)in_shapes;
	(void)in_ranks;
	(void)user;
	memcpy(shape, (int64_t[]){ 40, 8, 5, 5 }, 4 * sizeof *shape);
	*rank = 4;
	return NNOPT_OK;
}

static void own_parameters_have_fans_too(void **state)
{
	(void)state;
	nnopt_own_layer_options o;
	nnopt_layer *l = NULL;
	nnopt_model *m = NULL;
	assert_ok(nnopt_own_layer_options_init(&o, sizeof o));
	o.kind = "passing";
	o.parameter_count = 1;
	o.parameter_shape = kernel_shape;
	o.parameter_inits[0] = NNOPT_INIT_XAVIER_UNIFORM;
	o.forward = pass;
	assert_ok(nnopt_own_layer_create(&l, ctx, &o));
	assert_ok(nnopt_layer_set_name(l, "mine"));
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_model_add(m, l));
	assert_ok(nnopt_model_build(m, 1, (int64_t[]){ 3 }));
	int64_t n;
	float *x = values_of(m, "mine.parameter0", &n);
	expect_law("own parameter", x, n, deviation_of(NNOPT_INIT_XAVIER_UNIFORM, 8 * 25, 40 * 25), true);
	free(x);
	nnopt_layer_destroy(l);
	nnopt_model_destroy(m);
}

static nnopt_model *seeded_model(uint64_t seed, int threads, int isa)
{
	nnopt_context_options o;
	nnopt_context *context = NULL;
	nnopt_model *m = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.seed = seed;
	o.threads = threads;
	o.isa_cap = isa;
	assert_ok(nnopt_context_create(&context, &o));
	assert_ok(nnopt_model_create(&m, context));
	assert_ok(nnopt_add_conv2d(m, 7, 3, NULL));
	assert_ok(nnopt_add_flatten(m));
	assert_ok(nnopt_add_linear(m, 5, NULL));
	assert_ok(nnopt_add_linear(m, 5, NULL));
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 3, 5, 5 }));
	nnopt_context_destroy(context);
	return m;
}

static bool equal_blocks(nnopt_model *a, nnopt_model *b)
{
	nnopt_model_blocks x = { .struct_size = sizeof x }, y = { .struct_size = sizeof y };
	assert_ok(nnopt_model_get_blocks(a, &x));
	assert_ok(nnopt_model_get_blocks(b, &y));
	assert_int_equal(x.parameter_elements, y.parameter_elements);
	return memcmp(x.parameters, y.parameters, (size_t)x.parameter_elements * sizeof(float)) == 0;
}

static void values_depend_on_the_seed_alone(void **state)
{
	(void)state;
	nnopt_model *a = seeded_model(1, 1, NNOPT_ISA_BEST), *b = seeded_model(1, 3, NNOPT_ISA_SCALAR),
		    *c = seeded_model(2, 1, NNOPT_ISA_BEST);
	assert_true(equal_blocks(a, b));
	assert_false(equal_blocks(a, c));
	assert_ok(nnopt_model_initialise(a, 2));
	assert_true(equal_blocks(a, c));
	assert_ok(nnopt_model_initialise(a, UINT64_MAX));
	assert_false(equal_blocks(a, c));
	assert_ok(nnopt_model_initialise(a, 1));
	assert_true(equal_blocks(a, b));
	/* Two layers of one shape have streams of their own. */
	int64_t n;
	float *x = values_of(a, "linear2.bias", &n), *y = values_of(a, "linear1.bias", &n);
	assert_true(memcmp(x, y, (size_t)n * sizeof *x) != 0);
	free(x);
	free(y);
	nnopt_model_destroy(a);
	nnopt_model_destroy(b);
	nnopt_model_destroy(c);
}

static void parameters_have_names(void **state)
{
	(void)state;
	static const char *const names[] = { "conv2d1.weight", "conv2d1.bias",   "linear1.weight",
					     "linear1.bias",   "linear2.weight", "linear2.bias" };
	nnopt_model *m = seeded_model(1, 1, NNOPT_ISA_BEST);
	assert_int_equal(nnopt_model_parameter_count(m), 6);
	for (int32_t i = 0; i < 6; i++) {
		int32_t index = -1;
		assert_ok(nnopt_model_find_parameter(m, names[i], &index));
		assert_int_equal(index, i);
		nnopt_parameter_info info = { .struct_size = sizeof info };
		nnopt_tensor *in = NULL, *out = NULL;
		assert_ok(nnopt_model_parameter_info(m, i, &info));
		assert_ok(nnopt_tensor_create(&in, ctx, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
		assert_ok(nnopt_tensor_create(&out, ctx, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
		float *x = nnopt_tensor_data(in);
		for (int64_t k = 0; k < info.count; k++)
			x[k] = (float)(1000 * i + k);
		assert_ok(nnopt_model_set_parameter(m, i, in));
		assert_ok(nnopt_model_get_parameter(m, i, out));
		assert_memory_equal(x, nnopt_tensor_const_data(out), nnopt_tensor_bytes(in));
		nnopt_tensor_destroy(in);
		nnopt_tensor_destroy(out);
	}
	/* Storage order of a convolution is (kh, kw, C, O): element (o, c, y, x) of the block. */
	nnopt_model_blocks b = { .struct_size = sizeof b };
	assert_ok(nnopt_model_get_blocks(m, &b));
	assert_true(b.parameters[((2 * 3 + 1) * 3 + 2) * 7 + 4] == (float)(4 * 27 + 2 * 9 + 2 * 3 + 1));
	int32_t index = 77;
	assert_fails(NNOPT_ERROR_NOT_FOUND, "linear3.weight", nnopt_model_find_parameter(m, "linear3.weight", &index));
	assert_int_equal(index, 77);
	nnopt_model_destroy(m);
}

/* Freezing by prefix keeps gradients at zero and leaves all others as they were. */
static void frozen_parameters_have_no_gradient(void **state)
{
	(void)state;
	nnopt_model *m = seeded_model(1, 1, NNOPT_ISA_BEST);
	nnopt_model_blocks b = { .struct_size = sizeof b };
	float *first = NULL;
	for (int frozen = 0; frozen < 2; frozen++) {
		int32_t changed = 0;
		assert_ok(nnopt_model_set_trainable(m, "linear1.", !frozen, &changed));
		assert_int_equal(changed, frozen ? 2 : 0);
		nnopt_plan_options o;
		nnopt_plan *plan = NULL;
		nnopt_tensor *x = NULL;
		const nnopt_tensor *y = NULL;
		assert_ok(nnopt_plan_options_init(&o, sizeof o));
		o.mode = NNOPT_TRAINING;
		assert_ok(nnopt_plan_create(&plan, m, &o));
		assert_ok(nnopt_tensor_create(&x, ctx, NNOPT_F32, 4, (int64_t[]){ 1, 3, 5, 5 }, NNOPT_NCHW));
		assert_ok(nnopt_tensor_fill(x, 0.5));
		assert_ok(nnopt_plan_forward(plan, x, &y));
		assert_ok(nnopt_tensor_fill(nnopt_plan_output_gradient(plan), 1.0));
		assert_ok(nnopt_plan_backward(plan, 0));
		assert_ok(nnopt_model_get_blocks(m, &b));
		if (first == NULL) {
			first = malloc((size_t)b.parameter_elements * sizeof *first);
			assert_non_null(first);
			memcpy(first, b.gradients, (size_t)b.parameter_elements * sizeof *first);
		}
		nnopt_tensor_destroy(x);
		nnopt_plan_destroy(plan);
	}
	for (int32_t i = 0; i < nnopt_model_parameter_count(m); i++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		assert_ok(nnopt_model_parameter_info(m, i, &info));
		bool frozen = strncmp(info.name, "linear1.", 8) == 0;
		assert_int_equal(info.trainable, !frozen);
		for (int64_t k = info.block_offset; k < info.block_offset + info.count; k++)
			assert_true(frozen ? b.gradients[k] == 0.0f && first[k] != 0.0f : b.gradients[k] == first[k]);
	}
	free(first);
	nnopt_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(laws_have_their_moments),
		cmocka_unit_test(truncated_normals_end_at_two_deviations),
		cmocka_unit_test(biases_have_the_fan_of_their_weight),
		cmocka_unit_test(constants_are_constant),
		cmocka_unit_test(norms_start_at_identity),
		cmocka_unit_test(orthogonal_is_orthonormal),
		cmocka_unit_test(own_parameters_have_fans_too),
		cmocka_unit_test(values_depend_on_the_seed_alone),
		cmocka_unit_test(parameters_have_names),
		cmocka_unit_test(frozen_parameters_have_no_gradient),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
