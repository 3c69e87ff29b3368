/* loss_scale.c - dynamic loss scaling of f16 plans: what callers see are true gradients, an overflow is told and halves
 * the scale, and long runs without one double it. */
#include "check.h"

#include <math.h>

enum { BATCH = 4, IN = 6, OUT = 3 };

typedef struct bench {
	nnopt_context *context;
	nnopt_model *model;
	nnopt_plan *plan;
	nnopt_tensor *input;
	nnopt_model_blocks blocks;
} bench;

static nnopt_plan *make_plan(nnopt_model *model, int32_t mode, int32_t precision)
{
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = BATCH;
	o.mode = mode;
	o.rank = 1;
	o.shape[0] = IN;
	o.precision = precision;
	o.input_gradient = mode == NNOPT_TRAINING;
	assert_ok(nnopt_plan_create(&plan, model, &o));
	return plan;
}

static bench make(int32_t precision)
{
	bench b = { .blocks = { .struct_size = sizeof b.blocks } };
	assert_ok(nnopt_context_create(&b.context, NULL));
	assert_ok(nnopt_model_create(&b.model, b.context));
	assert_ok(nnopt_add_linear(b.model, 8, NULL));
	assert_ok(nnopt_add_tanh(b.model));
	assert_ok(nnopt_add_linear(b.model, OUT, NULL));
	b.plan = make_plan(b.model, NNOPT_TRAINING, precision);
	assert_ok(nnopt_tensor_create(&b.input, b.context, NNOPT_F32, 2, (int64_t[]){ BATCH, IN }, NNOPT_NCHW));
	for (int i = 0; i < BATCH * IN; i++)
		((float *)nnopt_tensor_data(b.input))[i] = (float)(i % 5 - 2) * 0.25f;
	assert_ok(nnopt_model_get_blocks(b.model, &b.blocks));
	return b;
}

static void destroy(bench *b)
{
	nnopt_tensor_destroy(b->input);
	nnopt_plan_destroy(b->plan);
	nnopt_model_destroy(b->model);
	nnopt_context_destroy(b->context);
}

static nnopt_loss_scale step(bench *b, float size, int32_t accumulate)
{
	const nnopt_tensor *output = NULL;
	nnopt_loss_scale s = { .struct_size = sizeof s };
	assert_ok(nnopt_plan_forward(b->plan, b->input, &output));
	float *g = nnopt_tensor_data(nnopt_plan_output_gradient(b->plan));
	for (int i = 0; i < BATCH * OUT; i++)
		g[i] = (float)(i % 3 - 1) * size;
	assert_ok(nnopt_plan_backward(b->plan, accumulate));
	assert_ok(nnopt_plan_get_loss_scale(b->plan, &s));
	return s;
}

static int gradients_are_finite(const bench *b)
{
	int finite = 1;
	for (int64_t i = 0; i < b->blocks.parameter_elements; i++)
		finite = finite && isfinite(b->blocks.gradients[i]);
	return finite;
}

/* Those of f32, also where f16 alone would have rounded all of them to zero. */
static void gradients_are_true(void **state)
{
	(void)state;
	bench full = make(NNOPT_PRECISION_F32), half = make(NNOPT_PRECISION_F16);
	const float sizes[] = { 0.1f, 1e-7f };
	for (int k = 0; k < 2; k++)
		for (int accumulate = 0; accumulate < 2; accumulate++) {
			(void)step(&full, sizes[k], accumulate);
			nnopt_loss_scale s = step(&half, sizes[k], accumulate);
			assert_true(s.active && !s.overflow && s.scale == 65536.0);
			double error = 0.0, size = 0.0;
			for (int64_t i = 0; i < full.blocks.parameter_elements; i++) {
				double x = (double)full.blocks.gradients[i], y = (double)half.blocks.gradients[i];
				error += (x - y) * (x - y);
				size += x * x;
			}
			assert_true(size > 0.0 && error < 1e-5 * size);
			const float *dx = nnopt_tensor_const_data(nnopt_plan_input_gradient(full.plan)),
				    *dy = nnopt_tensor_const_data(nnopt_plan_input_gradient(half.plan));
			for (int i = 0; i < BATCH * IN; i++)
				assert_true(fabsf(dx[i] - dy[i]) <= 4e-3f * sizes[k]);
		}
	destroy(&full);
	destroy(&half);
}

static void an_overflow_halves_the_scale(void **state)
{
	(void)state;
	bench b = make(NNOPT_PRECISION_F16);
	nnopt_optimizer *sgd = NULL;
	nnopt_step_result result = { .struct_size = sizeof result };
	assert_ok(nnopt_sgd_create(&sgd, b.context, NULL));
	nnopt_loss_scale s = step(&b, 3.0f, 0); /* times 65536: more than 65504 */
	assert_true(s.overflow && s.scale == 32768.0 && s.overflows == 1 && s.clean == 0);
	assert_false(gradients_are_finite(&b));
	float before = b.blocks.parameters[0];
	assert_ok(nnopt_optimizer_step(sgd, b.model, 1.0f, &result));
	assert_true(!result.finite && b.blocks.parameters[0] == before);
	/* A pass that adds to what overflowed says nothing of its own scale. */
	s = step(&b, 1e-3f, 1);
	assert_true(s.overflow && s.scale == 32768.0 && s.overflows == 1);
	s = step(&b, 3.0f, 0);
	assert_true(s.overflow && s.scale == 16384.0 && s.overflows == 2);
	s = step(&b, 3.0f, 0);
	assert_true(!s.overflow && s.scale == 16384.0 && s.clean == 1);
	assert_ok(nnopt_optimizer_step(sgd, b.model, 1.0f, &result));
	assert_true(result.finite && b.blocks.parameters[0] != before);
	nnopt_optimizer_destroy(sgd);
	destroy(&b);
}

static void two_thousand_clean_passes_double_it(void **state)
{
	(void)state;
	bench b = make(NNOPT_PRECISION_F16);
	nnopt_loss_scale s = { .struct_size = sizeof s, .scale = 256.0, .clean = 1998, .overflows = 5 };
	assert_ok(nnopt_plan_set_loss_scale(b.plan, &s));
	s = step(&b, 1e-3f, 0);
	assert_true(s.scale == 256.0 && s.clean == 1999);
	s = step(&b, 1e-3f, 0);
	assert_true(s.scale == 512.0 && s.clean == 0 && s.overflows == 5);
	destroy(&b);
}

static void only_training_in_f16_scales(void **state)
{
	(void)state;
	bench b = make(NNOPT_PRECISION_BF16);
	nnopt_loss_scale s = step(&b, 3e4f, 0);
	assert_true(!s.active && s.scale == 1.0 && gradients_are_finite(&b));
	assert_fails(NNOPT_ERROR_STATE, "f16", nnopt_plan_set_loss_scale(b.plan, &s));
	nnopt_plan *plan = make_plan(b.model, NNOPT_INFERENCE, NNOPT_PRECISION_F16);
	assert_ok(nnopt_plan_get_loss_scale(plan, &s));
	assert_true(!s.active && s.scale == 1.0);
	nnopt_plan_destroy(plan);
	destroy(&b);
}

static void senseless_scales_are_refused(void **state)
{
	(void)state;
	bench b = make(NNOPT_PRECISION_F16);
	const double wrong[] = { 0.0, -2.0, 3.0, INFINITY, NAN, 0x1p61, 0x1p-61 };
	nnopt_loss_scale s = { .struct_size = sizeof s };
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		s.scale = wrong[i];
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "power of two", nnopt_plan_set_loss_scale(b.plan, &s));
	}
	s.scale = 2.0;
	s.clean = 2000;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "clean 2000", nnopt_plan_set_loss_scale(b.plan, &s));
	s.clean = -1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "clean -1", nnopt_plan_set_loss_scale(b.plan, &s));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "scale is NULL", nnopt_plan_set_loss_scale(b.plan, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "plan is NULL", nnopt_plan_get_loss_scale(NULL, &s));
	assert_ok(nnopt_plan_get_loss_scale(b.plan, &s));
	assert_true(s.scale == 65536.0 && s.clean == 0);
	destroy(&b);
}

/* Nothing trains, and what overflows is the input's gradient: the scale falls until it does not. */
static void an_overflow_of_the_input_alone(void **state)
{
	(void)state;
	bench b = make(NNOPT_PRECISION_F16);
	nnopt_loss_scale s = { .struct_size = sizeof s };
	assert_ok(nnopt_model_set_trainable(b.model, "", 0, NULL));
	nnopt_plan_destroy(b.plan);
	b.plan = make_plan(b.model, NNOPT_TRAINING, NNOPT_PRECISION_F16);
	s = step(&b, 1.0f, 0); /* times 65536 is beyond f16 */
	assert_int_equal(s.overflow, 1);
	assert_int_equal(s.overflows, 1);
	assert_true(s.scale == 32768.0);
	for (int i = 0; i < 4 && s.overflow; i++)
		s = step(&b, 1.0f, 0);
	assert_int_equal(s.overflow, 0);
	const float *dx = nnopt_tensor_const_data(nnopt_plan_input_gradient(b.plan));
	for (int i = 0; i < BATCH * IN; i++)
		assert_true(isfinite(dx[i]));
	destroy(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradients_are_true),
		cmocka_unit_test(an_overflow_halves_the_scale),
		cmocka_unit_test(an_overflow_of_the_input_alone),
		cmocka_unit_test(two_thousand_clean_passes_double_it),
		cmocka_unit_test(only_training_in_f16_scales),
		cmocka_unit_test(senseless_scales_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
