/* frozen_norms.c - batch norms that use their running statistics in training: which of them, what stays, what trains.
 * Their gradients are checked in tests/layer/gradcheck.c. */
#include "check.h"
#include "golden.h"

#include <math.h>

enum { BATCH = 4, CHANNELS = 8 };

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

/* Convolutions of every kind that takes on a normalisation's work, and one normalisation of features. */
static nnopt_model *make_model(void)
{
	nnopt_model *m = NULL;
	nnopt_conv2d_options deep;
	assert_ok(nnopt_conv2d_options_init(&deep, sizeof deep));
	deep.groups = CHANNELS;
	deep.padding_mode = NNOPT_PADDING_SAME;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_conv2d(m, CHANNELS, 1, NULL));
	assert_ok(nnopt_add_batch_norm2d(m, NULL));
	assert_ok(nnopt_add_relu6(m));
	assert_ok(nnopt_add_conv2d(m, CHANNELS, 3, &deep));
	assert_ok(nnopt_add_batch_norm2d(m, NULL));
	assert_ok(nnopt_add_relu(m));
	assert_ok(nnopt_add_flatten(m));
	assert_ok(nnopt_add_linear(m, 5, NULL));
	assert_ok(nnopt_add_batch_norm1d(m, NULL));
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 3, 6, 6 }));
	nnopt_model_blocks b = { .struct_size = sizeof b };
	assert_ok(nnopt_model_get_blocks(m, &b));
	for (int64_t i = 0; i < b.state_elements; i++)
		b.state[i] = 0.125f + 0.03125f * number(3, (uint32_t)i);
	return m;
}

static nnopt_plan *plan_of(nnopt_model *m, int mode)
{
	nnopt_plan *p = NULL;
	nnopt_plan_options o;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = BATCH;
	o.mode = mode;
	assert_ok(nnopt_plan_create(&p, m, &o));
	return p;
}

static nnopt_tensor *input(void)
{
	nnopt_tensor *x = NULL;
	assert_ok(nnopt_tensor_create(&x, ctx, NNOPT_F32, 4, (int64_t[]){ BATCH, 3, 6, 6 }, NNOPT_NCHW));
	float *values = nnopt_tensor_data(x);
	for (int64_t i = 0; i < nnopt_tensor_count(x); i++)
		values[i] = number(1, (uint32_t)i);
	return x;
}

static void step(nnopt_plan *p, const nnopt_tensor *x, const nnopt_tensor **y)
{
	assert_ok(nnopt_plan_forward(p, x, y));
	assert_ok(nnopt_tensor_fill(nnopt_plan_output_gradient(p), 1.0));
	assert_ok(nnopt_plan_backward(p, 0));
}

/* Sum of magnitudes of the gradient of parameter `name`. */
static double gradient_of(nnopt_model *m, const char *name)
{
	nnopt_model_blocks b = { .struct_size = sizeof b };
	nnopt_parameter_info info = { .struct_size = sizeof info };
	int32_t index = -1;
	double sum = 0.0;
	assert_ok(nnopt_model_get_blocks(m, &b));
	assert_ok(nnopt_model_find_parameter(m, name, &index));
	assert_ok(nnopt_model_parameter_info(m, index, &info));
	assert_int_equal(info.trainable, 1);
	for (int64_t i = 0; i < info.count; i++)
		sum += fabs((double)b.gradients[info.block_offset + i]);
	return sum;
}

static void statistics_stay_and_parameters_train(void **state)
{
	(void)state;
	nnopt_model *m = make_model();
	nnopt_model_blocks b = { .struct_size = sizeof b };
	int32_t changed = -1;
	assert_ok(nnopt_model_set_frozen_norms(m, "", 1, &changed));
	assert_int_equal(changed, 3);
	nnopt_plan *training = plan_of(m, NNOPT_TRAINING), *inference = plan_of(m, NNOPT_INFERENCE);
	assert_ok(nnopt_model_get_blocks(m, &b));
	float *before = malloc((size_t)b.state_elements * sizeof *before);
	assert_non_null(before);
	memcpy(before, b.state, (size_t)b.state_elements * sizeof *before);
	nnopt_tensor *x = input();
	const nnopt_tensor *y = NULL, *z = NULL;
	step(training, x, &y);
	assert_ok(nnopt_plan_forward(inference, x, &z));
	assert_memory_equal(before, b.state, (size_t)b.state_elements * sizeof *before);
	assert_memory_equal(nnopt_tensor_const_data(y), nnopt_tensor_const_data(z), nnopt_tensor_bytes(y));
	static const char *const trained[] = { "batch_norm2d1.weight", "batch_norm2d1.bias", "batch_norm2d2.weight",
					       "batch_norm1d1.bias",   "conv2d1.weight",     "linear1.bias" };
	for (size_t i = 0; i < sizeof trained / sizeof *trained; i++)
		assert_true(gradient_of(m, trained[i]) > 1e-3);
	nnopt_plan_destroy(inference);
	nnopt_plan_destroy(training);
	nnopt_tensor_destroy(x);
	free(before);
	nnopt_model_destroy(m);
}

static void expect_statistics(nnopt_model *m, const char *name, int moved)
{
	int32_t index = -1;
	nnopt_parameter_info info = { .struct_size = sizeof info };
	nnopt_model_blocks b = { .struct_size = sizeof b };
	assert_ok(nnopt_model_get_blocks(m, &b));
	assert_ok(nnopt_model_find_parameter(m, name, &index));
	assert_ok(nnopt_model_parameter_info(m, index, &info));
	int differs = 0;
	for (int64_t i = info.block_offset; i < info.block_offset + info.count; i++)
		differs = differs || b.state[i] != 0.125f + 0.03125f * number(3, (uint32_t)i);
	assert_int_equal(differs, moved);
}

/* By prefix, and back; plans made before know it. */
static void some_are_frozen_and_freed(void **state)
{
	(void)state;
	nnopt_model *m = make_model();
	nnopt_tensor *x = input();
	const nnopt_tensor *y = NULL;
	int32_t changed = -1;
	nnopt_plan *stale = plan_of(m, NNOPT_TRAINING);
	assert_ok(nnopt_model_set_frozen_norms(m, "conv", 1, &changed));
	assert_int_equal(changed, 0);
	assert_ok(nnopt_plan_forward(stale, x, &y));
	assert_ok(nnopt_model_set_frozen_norms(m, "batch_norm2d2", 1, &changed));
	assert_int_equal(changed, 1);
	assert_fails(NNOPT_ERROR_STATE, "make a new one", nnopt_plan_forward(stale, x, &y));
	assert_ok(nnopt_model_set_frozen_norms(m, "batch_norm2d", 1, &changed));
	assert_int_equal(changed, 1);
	assert_ok(nnopt_model_set_frozen_norms(m, "batch_norm2d1", 0, NULL));
	nnopt_model_blocks b = { .struct_size = sizeof b };
	assert_ok(nnopt_model_get_blocks(m, &b));
	for (int64_t i = 0; i < b.state_elements; i++)
		b.state[i] = 0.125f + 0.03125f * number(3, (uint32_t)i);
	nnopt_plan *p = plan_of(m, NNOPT_TRAINING);
	step(p, x, &y);
	expect_statistics(m, "batch_norm2d1.running_mean", 1);
	expect_statistics(m, "batch_norm2d2.running_mean", 0);
	expect_statistics(m, "batch_norm2d2.running_var", 0);
	expect_statistics(m, "batch_norm1d1.running_var", 1);
	nnopt_plan_destroy(p);
	/* One in the place of a frozen one is new, and learns. */
	nnopt_layer *norm = NULL;
	assert_ok(nnopt_batch_norm2d_create(&norm, ctx, NULL));
	assert_ok(nnopt_model_replace_layer(m, "batch_norm2d2", norm));
	nnopt_layer_destroy(norm);
	assert_ok(nnopt_model_get_blocks(m, &b));
	for (int64_t i = 0; i < b.state_elements; i++)
		b.state[i] = 0.125f + 0.03125f * number(3, (uint32_t)i);
	p = plan_of(m, NNOPT_TRAINING);
	step(p, x, &y);
	expect_statistics(m, "batch_norm2d2.running_mean", 1);
	nnopt_plan_destroy(p);
	nnopt_plan_destroy(stale);
	nnopt_tensor_destroy(x);
	nnopt_model_destroy(m);
}

static void misuse_is_refused(void **state)
{
	(void)state;
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "model is NULL", nnopt_model_set_frozen_norms(NULL, "", 1, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "prefix is NULL", nnopt_model_set_frozen_norms(m, NULL, 1, NULL));
	assert_fails(NNOPT_ERROR_STATE, "not built", nnopt_model_set_frozen_norms(m, "", 1, NULL));
	nnopt_model_destroy(m);
}

/* Of each batch alone: what was there before is gone, a NaN too. */
static void statistics_of_a_batch_alone(void **state)
{
	(void)state;
	nnopt_model *m = NULL;
	nnopt_plan *plan = NULL;
	nnopt_plan_options o;
	nnopt_tensor *x = NULL;
	const nnopt_tensor *y = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_batch_norm1d(m, NULL));
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = 2;
	o.rank = 1;
	o.shape[0] = 2;
	o.mode = NNOPT_TRAINING;
	o.batch_statistics = 1;
	assert_ok(nnopt_plan_create(&plan, m, &o));
	assert_ok(nnopt_tensor_create(&x, ctx, NNOPT_F32, 2, (int64_t[]){ 2, 2 }, NNOPT_NCHW));
	memcpy(nnopt_tensor_data(x), (const float[]){ NAN, 3.0f, 1.0f, 5.0f }, 4 * sizeof(float));
	assert_ok(nnopt_plan_forward(plan, x, &y));
	memcpy(nnopt_tensor_data(x), (const float[]){ 1.0f, 3.0f, 3.0f, 7.0f }, 4 * sizeof(float));
	assert_ok(nnopt_plan_forward(plan, x, &y));
	nnopt_model_blocks k = { .struct_size = sizeof k };
	int32_t mean, variance;
	nnopt_parameter_info a = { .struct_size = sizeof a }, b = { .struct_size = sizeof b };
	assert_ok(nnopt_model_get_blocks(m, &k));
	assert_ok(nnopt_model_find_parameter(m, "batch_norm1d1.running_mean", &mean));
	assert_ok(nnopt_model_find_parameter(m, "batch_norm1d1.running_var", &variance));
	assert_ok(nnopt_model_parameter_info(m, mean, &a));
	assert_ok(nnopt_model_parameter_info(m, variance, &b));
	assert_true(k.state[a.block_offset] == 2.0f && k.state[a.block_offset + 1] == 5.0f);
	assert_true(k.state[b.block_offset] == 2.0f && k.state[b.block_offset + 1] == 8.0f);
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statistics_stay_and_parameters_train),
		cmocka_unit_test(some_are_frozen_and_freed),
		cmocka_unit_test(statistics_of_a_batch_alone),
		cmocka_unit_test(misuse_is_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
