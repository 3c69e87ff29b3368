/* profile.c - profiling a plan: off at first, counts every pass of every op, changes no result, allocates once. */
#include "budget.h"
#include "check.h"

#include <math.h>

#define BATCH 3

static budget memory;
static nnopt_context *ctx;
static nnopt_model *net;
static nnopt_plan *plan;
static nnopt_tensor *input;

/* conv + relu, average pool, batch norm, flatten, linear. */
static int setup(void **state)
{
	(void)state;
	nnopt_context_options o;
	nnopt_plan_options p;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.alloc = budget_alloc;
	o.free = budget_free;
	o.alloc_user = &memory;
	assert_ok(nnopt_context_create(&ctx, &o));
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_add_conv2d(net, 4, 3, NULL));
	assert_ok(nnopt_add_relu(net));
	assert_ok(nnopt_add_avg_pool2d(net, 2, NULL));
	assert_ok(nnopt_add_batch_norm2d(net, NULL));
	assert_ok(nnopt_add_flatten(net));
	assert_ok(nnopt_add_linear(net, 5, NULL));
	assert_ok(nnopt_plan_options_init(&p, sizeof p));
	p.batch = BATCH;
	p.rank = 3;
	p.shape[0] = 2;
	p.shape[1] = p.shape[2] = 6;
	p.mode = NNOPT_TRAINING;
	assert_ok(nnopt_plan_create(&plan, net, &p));
	assert_ok(nnopt_tensor_create(&input, ctx, NNOPT_F32, 4, (const int64_t[]){ BATCH, 2, 6, 6 }, NNOPT_NHWC));
	for (int64_t i = 0; i < nnopt_tensor_count(input); i++)
		((float *)nnopt_tensor_data(input))[i] = sinf((float)i);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_tensor_destroy(input);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(net);
	nnopt_context_destroy(ctx);
	assert_int_equal(atomic_load(&memory.blocks), 0);
	return 0;
}

static void step(void)
{
	const nnopt_tensor *out = NULL;
	assert_ok(nnopt_plan_forward(plan, input, &out));
	float *gradient = nnopt_tensor_data(nnopt_plan_output_gradient(plan));
	for (int i = 0; i < BATCH * 5; i++)
		gradient[i] = (float)(i % 4) - 1.5f;
	assert_ok(nnopt_plan_backward(plan, 0));
}

static nnopt_op_profile profile_of(int32_t index)
{
	nnopt_op_profile p = { .struct_size = sizeof p };
	assert_ok(nnopt_plan_get_op_profile(plan, index, &p));
	return p;
}

static int32_t op_count(void)
{
	nnopt_plan_info info = { .struct_size = sizeof info };
	assert_ok(nnopt_plan_get_info(plan, &info));
	return info.nodes;
}

static void it_is_off_at_first(void **state)
{
	(void)state;
	nnopt_op_profile p = { .struct_size = sizeof p };
	step();
	assert_fails(NNOPT_ERROR_STATE, "never profiled", nnopt_plan_get_op_profile(plan, 0, &p));
	assert_fails(NNOPT_ERROR_STATE, "never profiled", nnopt_plan_profile_text(plan, NULL, 0, NULL));
}

static void every_pass_is_counted(void **state)
{
	(void)state;
	assert_ok(nnopt_plan_set_profiling(plan, 1));
	step();
	step();
	assert_ok(nnopt_plan_set_profiling(plan, 0));
	step();
	int32_t count = op_count();
	int64_t macs = 0;
	nnopt_plan_info info = { .struct_size = sizeof info };
	assert_ok(nnopt_plan_get_info(plan, &info));
	for (int32_t i = 0; i < count; i++) {
		nnopt_op_profile p = profile_of(i);
		assert_int_equal(p.forwards, 2);
		assert_int_equal(p.backwards, 2);
		assert_true(p.forward_seconds > 0.0 && p.backward_seconds > 0.0);
		macs += p.forward_macs;
	}
	assert_int_equal(macs, info.macs);
	assert_ok(nnopt_plan_set_profiling(plan, 1));
	assert_int_equal(profile_of(0).forwards, 0);
	assert_true(profile_of(0).forward_seconds == 0.0);
	assert_ok(nnopt_plan_set_profiling(plan, 0));
	nnopt_op_profile p = { .struct_size = sizeof p };
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "index", nnopt_plan_get_op_profile(plan, count, &p));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "index", nnopt_plan_get_op_profile(plan, -1, &p));
}

static void work_and_traffic_are_told(void **state)
{
	(void)state;
	assert_ok(nnopt_plan_set_profiling(plan, 1));
	nnopt_op_profile conv = profile_of(0), linear = profile_of(op_count() - 1);
	assert_string_equal(conv.layer, "conv2d1");
	assert_string_equal(conv.kind, "conv2d");
	assert_true(strncmp(conv.fused, "+relu", 5) == 0);
	/* The input's gradient is not wanted, so the convolution's backward is the weights' alone. */
	assert_int_equal(conv.forward_macs, 4 * 4 * 4 * 2 * 9);
	assert_int_equal(conv.backward_macs, conv.forward_macs);
	assert_string_equal(linear.kind, "linear");
	assert_int_equal(linear.forward_macs, 16 * 5);
	assert_int_equal(linear.backward_macs, 2 * 16 * 5);
	uint64_t values = BATCH * (16 + 5) * sizeof(float), weights = (16 * 5 + 5) * sizeof(float);
	assert_int_equal(linear.forward_bytes, values + weights);
	/* Reads the input, the result's gradient and the weights; writes their gradients. */
	assert_int_equal(linear.backward_bytes, values + BATCH * 16 * sizeof(float) + 2 * weights);
	assert_ok(nnopt_plan_set_profiling(plan, 0));
}

static void results_stay_and_memory_too(void **state)
{
	(void)state;
	nnopt_model_blocks blocks = { .struct_size = sizeof blocks };
	assert_ok(nnopt_plan_set_profiling(plan, 0));
	step();
	assert_ok(nnopt_model_get_blocks(net, &blocks));
	size_t bytes = (size_t)blocks.parameter_elements * sizeof(float);
	float *plain = malloc(bytes);
	assert_non_null(plain);
	memcpy(plain, blocks.gradients, bytes);
	assert_ok(nnopt_plan_set_profiling(plan, 1));
	long calls = atomic_load(&memory.calls);
	step();
	assert_int_equal(atomic_load(&memory.calls), calls);
	assert_memory_equal(plain, blocks.gradients, bytes);
	free(plain);
}

static void the_table_has_a_line_an_op(void **state)
{
	(void)state;
	char text[4096];
	size_t needed = 0;
	int lines = 0;
	assert_ok(nnopt_plan_set_profiling(plan, 1));
	step();
	assert_ok(nnopt_plan_profile_text(plan, NULL, 0, &needed));
	assert_true(needed > 1 && needed <= sizeof text);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "plan_profile_text", nnopt_plan_profile_text(plan, text, 5, NULL));
	assert_ok(nnopt_plan_profile_text(plan, text, sizeof text, NULL));
	for (const char *at = text; *at != '\0'; at++)
		lines += *at == '\n';
	assert_int_equal(lines, op_count() + 1);
	assert_non_null(strstr(text, "conv2d+relu"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_off_at_first),         cmocka_unit_test(every_pass_is_counted),
		cmocka_unit_test(work_and_traffic_are_told),  cmocka_unit_test(results_stay_and_memory_too),
		cmocka_unit_test(the_table_has_a_line_an_op),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
