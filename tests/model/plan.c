/* plan.c - running plans: states and errors, memory reported and kept, smaller batches, residual graphs, files. */
#include "check.h"

#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

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

static nnopt_tensor *picture(int64_t n, int64_t c, int64_t h, int64_t w, nnopt_layout layout)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, 4, (int64_t[]){ n, c, h, w }, NNOPT_NCHW));
	float *x = nnopt_tensor_data(t);
	for (int64_t i = 0; i < n * c * h * w; i++)
		x[i] = sinf((float)i * 0.37f);
	if (layout == NNOPT_NCHW)
		return t;
	nnopt_tensor *u = NULL;
	assert_ok(nnopt_tensor_create(&u, ctx, NNOPT_F32, 4, (int64_t[]){ n, c, h, w }, layout));
	assert_ok(nnopt_tensor_copy(u, t));
	nnopt_tensor_destroy(t);
	return u;
}

/* conv - bn - relu, a residual sum that reads one value twice, a concat, pools, flatten, linear. */
static nnopt_model *branched_model(void)
{
	nnopt_model *m = NULL;
	nnopt_conv2d_options same;
	assert_ok(nnopt_conv2d_options_init(&same, sizeof same));
	same.padding_mode = NNOPT_PADDING_SAME;
	assert_ok(nnopt_model_create(&m, ctx));
	nnopt_layer *l[8] = { NULL };
	assert_ok(nnopt_conv2d_create(&l[0], ctx, 5, 3, &same));
	assert_ok(nnopt_batch_norm2d_create(&l[1], ctx, NULL));
	assert_ok(nnopt_relu_create(&l[2], ctx));
	assert_ok(nnopt_conv2d_create(&l[3], ctx, 5, 3, &same));
	assert_ok(nnopt_relu_create(&l[4], ctx));
	assert_ok(nnopt_add_create(&l[5], ctx));
	assert_ok(nnopt_concat_create(&l[6], ctx));
	assert_ok(nnopt_tanh_create(&l[7], ctx));
	int32_t n[8] = { 0 };
	assert_ok(nnopt_model_connect(m, l[0], (int32_t[]){ 0 }, 1, &n[0]));
	assert_ok(nnopt_model_connect(m, l[1], &n[0], 1, &n[1]));
	assert_ok(nnopt_model_connect(m, l[2], &n[1], 1, &n[2]));
	assert_ok(nnopt_model_connect(m, l[3], &n[2], 1, &n[3]));
	assert_ok(nnopt_model_connect(m, l[4], &n[3], 1, &n[4]));
	assert_ok(nnopt_model_connect(m, l[5], (int32_t[]){ n[2], n[4], n[2] }, 3, &n[5]));
	assert_ok(nnopt_model_connect(m, l[7], &n[5], 1, &n[7]));
	assert_ok(nnopt_model_connect(m, l[6], (int32_t[]){ n[5], n[7] }, 2, &n[6]));
	for (int i = 0; i < 8; i++)
		nnopt_layer_destroy(l[i]);
	assert_ok(nnopt_add_max_pool2d(m, 2, NULL));
	assert_ok(nnopt_add_flatten(m));
	assert_ok(nnopt_add_linear(m, 3, NULL));
	return m;
}

static nnopt_plan *make_plan(nnopt_model *m, int64_t batch, int32_t mode, int32_t fuse)
{
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = batch;
	o.mode = mode;
	o.fuse = fuse;
	o.input_gradient = mode == NNOPT_TRAINING;
	o.rank = 3;
	o.shape[0] = 2;
	o.shape[1] = o.shape[2] = 6;
	assert_ok(nnopt_plan_create(&plan, m, &o));
	return plan;
}

static void layouts_and_smaller_batches_agree(void **state)
{
	(void)state;
	nnopt_model *m = branched_model();
	nnopt_plan *plan = make_plan(m, 4, NNOPT_INFERENCE, 1);
	nnopt_tensor *a = picture(4, 2, 6, 6, NNOPT_NCHW), *b = picture(4, 2, 6, 6, NNOPT_NHWC), *part = NULL;
	const nnopt_tensor *out = NULL;
	float first[12];
	assert_ok(nnopt_plan_forward(plan, a, &out));
	assert_int_equal(nnopt_tensor_extent(out, 0), 4);
	assert_int_equal(nnopt_tensor_extent(out, 1), 3);
	memcpy(first, nnopt_tensor_const_data(out), sizeof first);
	assert_ok(nnopt_plan_forward(plan, b, &out));
	assert_memory_equal(first, nnopt_tensor_const_data(out), sizeof first);
	assert_ok(nnopt_tensor_view(&part, b, 1, 2));
	assert_ok(nnopt_plan_forward(plan, part, &out));
	assert_int_equal(nnopt_tensor_extent(out, 0), 2);
	assert_memory_equal(first + 3, nnopt_tensor_const_data(out), 6 * sizeof(float));
	nnopt_tensor_destroy(part);
	nnopt_tensor_destroy(a);
	nnopt_tensor_destroy(b);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(m);
}

/* Sum of the output weighted by fixed numbers, as a loss: its gradient is those numbers. */
static const float weights[12] = { 1, -2, 0.5f, 0.25f, 3, -1, 2, 1, -0.5f, 1.5f, -2.5f, 0.75f };

static double step(nnopt_plan *plan, const nnopt_tensor *input, int32_t accumulate)
{
	const nnopt_tensor *out = NULL;
	assert_ok(nnopt_plan_forward(plan, input, &out));
	const float *y = nnopt_tensor_const_data(out);
	double value = 0;
	for (int i = 0; i < 12; i++)
		value += (double)(y[i] * weights[i]);
	memcpy(nnopt_tensor_data(nnopt_plan_output_gradient(plan)), weights, sizeof weights);
	assert_ok(nnopt_plan_backward(plan, accumulate));
	return value;
}

static void fused_and_unfused_plans_agree(void **state)
{
	(void)state;
	nnopt_model *m = branched_model();
	nnopt_plan *fused = make_plan(m, 4, NNOPT_TRAINING, 1), *plain = make_plan(m, 4, NNOPT_TRAINING, 0);
	assert_true(fused->graph.rewrites > 0);
	assert_int_equal(plain->graph.rewrites, 0);
	nnopt_tensor *x = picture(4, 2, 6, 6, NNOPT_NHWC);
	size_t bytes = (size_t)m->parameter_elements * sizeof(float);
	float *gradients = malloc(bytes);
	double a = step(fused, x, 0);
	memcpy(gradients, m->gradients, bytes);
	float dx[4 * 72];
	memcpy(dx, nnopt_tensor_const_data(nnopt_plan_input_gradient(fused)), sizeof dx);
	double b = step(plain, x, 0);
	assert_true(fabs(a - b) <= 1e-5 * fabs(a));
	for (int64_t i = 0; i < m->parameter_elements; i++)
		assert_true(fabsf(gradients[i] - m->gradients[i]) <= 1e-4f * (1.0f + fabsf(gradients[i])));
	const float *other = nnopt_tensor_const_data(nnopt_plan_input_gradient(plain));
	for (int i = 0; i < 4 * 72; i++)
		assert_true(fabsf(dx[i] - other[i]) <= 1e-4f * (1.0f + fabsf(dx[i])));
	free(gradients);
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(fused);
	nnopt_plan_destroy(plain);
	nnopt_model_destroy(m);
}

static void gradients_match_differences(void **state)
{
	(void)state;
	nnopt_model *m = branched_model();
	nnopt_plan *plan = make_plan(m, 4, NNOPT_TRAINING, 1);
	nnopt_tensor *x = picture(4, 2, 6, 6, NNOPT_NHWC);
	step(plan, x, 0);
	size_t bytes = (size_t)m->parameter_elements * sizeof(float);
	float *gradients = malloc(bytes);
	memcpy(gradients, m->gradients, bytes);
	int32_t n = nnopt_model_parameter_count(m);
	for (int32_t i = 0; i < n; i++) {
		const nno_param *p = &m->params[i];
		if (p->spec.role == NNOPT_ROLE_STATE)
			continue;
		/* Along the gradient's own direction the difference is large against rounding. */
		double norm = 0;
		for (int64_t k = 0; k < p->count; k++)
			norm += (double)gradients[p->offset + k] * gradients[p->offset + k];
		norm = sqrt(norm);
		if (norm < 1e-3)
			continue;
		double eps = 2e-3, side[2];
		for (int s = 0; s < 2; s++) {
			for (int64_t k = 0; k < p->count; k++)
				m->parameters[p->offset + k] +=
				    (float)((s == 0 ? eps : -2 * eps) * gradients[p->offset + k] / norm);
			side[s] = step(plan, x, 0);
		}
		for (int64_t k = 0; k < p->count; k++)
			m->parameters[p->offset + k] += (float)(eps * gradients[p->offset + k] / norm);
		double slope = (side[0] - side[1]) / (2 * eps);
		if (fabs(slope - norm) > 0.02 * norm)
			fail_msg("%s: slope %g, gradient norm %g", p->name, slope, norm);
	}
	free(gradients);
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(m);
}

static void accumulation_adds(void **state)
{
	(void)state;
	nnopt_model *m = branched_model();
	nnopt_plan *plan = make_plan(m, 4, NNOPT_TRAINING, 1);
	nnopt_tensor *x = picture(4, 2, 6, 6, NNOPT_NHWC);
	step(plan, x, 0);
	float once = m->gradients[3];
	step(plan, x, 1);
	assert_true(fabsf(m->gradients[3] - 2 * once) <= 1e-5f * fabsf(once));
	step(plan, x, 0);
	assert_memory_equal(&m->gradients[3], &once, sizeof once);
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(m);
}

static int refusals; /* backward passes of the layer below that fail */

static nnopt_status pass_on(const nnopt_own_call *call, void *user)
{
	(void)user;
	return nnopt_tensor_copy(call->output, call->inputs[0]);
}

static nnopt_status pass_back(const nnopt_own_call *call, void *user)
{
	(void)user;
	return refusals-- > 0 ? NNOPT_ERROR_IO : nnopt_tensor_copy(call->input_gradients[0], call->output_gradient);
}

/* Some gradients would be of the pass that failed, and others not. */
static void a_failed_pass_voids_the_gradients(void **state)
{
	(void)state;
	nnopt_model *m = branched_model();
	nnopt_own_layer_options o;
	nnopt_layer *own = NULL;
	const nnopt_tensor *y = NULL;
	nnopt_optimizer *sgd = NULL;
	assert_ok(nnopt_own_layer_options_init(&o, sizeof o));
	o.forward = pass_on;
	o.backward = pass_back;
	assert_ok(nnopt_own_layer_create(&own, ctx, &o));
	assert_ok(nnopt_model_add(m, own));
	assert_string_equal(nnopt_layer_kind(own), "own");
	nnopt_layer_destroy(own);
	nnopt_plan *plan = make_plan(m, 4, NNOPT_TRAINING, 1);
	nnopt_tensor *x = picture(4, 2, 6, 6, NNOPT_NHWC);
	assert_ok(nnopt_sgd_create(&sgd, ctx, NULL));
	refusals = 0;
	step(plan, x, 0);
	float once = m->gradients[3];
	refusals = 1;
	(void)nnopt_fail(NNOPT_ERROR_FORMAT, "of another call");
	assert_ok(nnopt_plan_forward(plan, x, &y));
	assert_fails(NNOPT_ERROR_CALLBACK, "own1", nnopt_plan_backward(plan, 1));
	assert_string_equal(nnopt_last_error(), "layer 'own1': input/output error"); /* no older text */
	assert_fails(NNOPT_ERROR_STATE, "failed", nnopt_optimizer_step(sgd, m, 1.0f, NULL));
	assert_ok(nnopt_plan_forward(plan, x, &y));
	assert_fails(NNOPT_ERROR_STATE, "accumulate", nnopt_plan_backward(plan, 1));
	step(plan, x, 0);
	assert_true(m->gradients[3] == once);
	assert_ok(nnopt_optimizer_step(sgd, m, 1.0f, NULL));
	nnopt_optimizer_destroy(sgd);
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(m);
}

static void wrong_states_are_refused(void **state)
{
	(void)state;
	nnopt_model *m = branched_model();
	nnopt_plan *training = make_plan(m, 4, NNOPT_TRAINING, 1), *inference = make_plan(m, 4, NNOPT_INFERENCE, 1);
	nnopt_tensor *x = picture(4, 2, 6, 6, NNOPT_NHWC), *big = picture(5, 2, 6, 6, NNOPT_NHWC);
	const nnopt_tensor *out = NULL;
	assert_fails(NNOPT_ERROR_STATE, "no forward", nnopt_plan_backward(training, 0));
	assert_fails(NNOPT_ERROR_STATE, "inference plan", nnopt_plan_backward(inference, 0));
	assert_null(nnopt_plan_output_gradient(inference));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "(5, 2, 6, 6)", nnopt_plan_forward(training, big, &out));
	assert_ok(nnopt_model_set_trainable(m, "conv2d1", 0, NULL));
	assert_fails(NNOPT_ERROR_STATE, "frozen", nnopt_plan_forward(training, x, &out));
	nnopt_plan_options o;
	nnopt_plan *none = NULL;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.max_bytes = 64;
	assert_fails(NNOPT_ERROR_OUT_OF_MEMORY, "max_bytes is 64", nnopt_plan_create(&none, m, &o));
	o.max_bytes = 0;
	o.precision = 7;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "precision 7", nnopt_plan_create(&none, m, &o));
	nnopt_tensor_destroy(big);
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(inference);
	nnopt_plan_destroy(training);
	nnopt_model_destroy(m);
}

static void freezing_keeps_gradients_zero(void **state)
{
	(void)state;
	nnopt_model *m = branched_model();
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 2, 6, 6 }));
	assert_ok(nnopt_model_set_trainable(m, "conv2d1", 0, NULL));
	assert_ok(nnopt_model_set_trainable(m, "batch_norm", 0, NULL));
	nnopt_plan *plan = make_plan(m, 4, NNOPT_TRAINING, 1);
	nnopt_tensor *x = picture(4, 2, 6, 6, NNOPT_NHWC);
	float before = m->state[0];
	step(plan, x, 0);
	assert_memory_equal(&before, &m->state[0], sizeof before);
	int32_t frozen, free_one;
	assert_ok(nnopt_model_find_parameter(m, "conv2d1.weight", &frozen));
	assert_ok(nnopt_model_find_parameter(m, "conv2d2.weight", &free_one));
	for (int64_t i = 0; i < m->params[frozen].count; i++)
		assert_true(m->gradients[m->params[frozen].offset + i] == 0.0f);
	assert_true(m->gradients[m->params[free_one].offset] != 0.0f);
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(m);
}

static void memory_is_as_reported(void **state)
{
	(void)state;
	nnopt_model *m = branched_model();
	nnopt_plan *plan = make_plan(m, 4, NNOPT_TRAINING, 1);
	nnopt_plan_info info = { .struct_size = sizeof info };
	assert_ok(nnopt_plan_get_info(plan, &info));
	assert_int_equal(info.peak_bytes, info.activation_bytes + info.workspace_bytes + info.parameter_bytes);
	assert_int_equal(info.parameters, 2 * 9 * 5 + 5 + 10 + 5 * 9 * 5 + 5 + 90 * 3 + 3);
	assert_int_equal(info.macs, 36 * (18 * 5 + 45 * 5) + 90 * 3);
	char text[4096];
	assert_ok(nnopt_plan_summary(plan, text, sizeof text, NULL));
	assert_non_null(strstr(text, "conv2d+relu"));
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(m);
}

static void saved_models_come_back(void **state)
{
	(void)state;
	const char *path = TEST_TMP "/model_plan_test.safetensors";
	nnopt_model *m = branched_model(), *copy = NULL;
	nnopt_plan *plan = make_plan(m, 4, NNOPT_TRAINING, 1);
	nnopt_tensor *x = picture(4, 2, 6, 6, NNOPT_NHWC);
	step(plan, x, 0);
	assert_ok(nnopt_model_save(m, path));
	assert_ok(nnopt_model_load(&copy, ctx, path));
	assert_memory_equal(m->parameters, copy->parameters, (size_t)m->parameter_elements * sizeof(float));
	assert_memory_equal(m->state, copy->state, (size_t)m->state_elements * sizeof(float));
	assert_ok(nnopt_model_initialise(copy, 99));
	assert_true(memcmp(m->parameters, copy->parameters, (size_t)m->parameter_elements * sizeof(float)) != 0);
	assert_ok(nnopt_model_load_weights(copy, path, 1));
	assert_memory_equal(m->parameters, copy->parameters, (size_t)m->parameter_elements * sizeof(float));
	unlink(path);
	assert_fails(NNOPT_ERROR_NOT_FOUND, "model_plan_test", nnopt_model_load_weights(copy, path, 1));
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(copy);
	nnopt_model_destroy(m);
}

/* A file of some bytes whose architecture asks for more parameters than it holds. */
static void models_larger_than_their_file(void **state)
{
	(void)state;
	const char *path = TEST_TMP "/model_plan_large.safetensors", *key = "nnopt.model";
	const char *json = "{\"format\": \"nnopt-model\", \"version\": 1, \"input\": [8000], \"layers\": [{\"kind\": "
			   "\"linear\", \"name\": \"linear1\", \"inputs\": [\"input\"], \"out_features\": 8000}]}";
	nnopt_model *m = NULL;
	assert_ok(nnopt_safetensors_save(ctx, path, NULL, NULL, 0, &key, &json, 1));
	assert_fails(NNOPT_ERROR_FORMAT, "layers of 64008000 parameters, at most", nnopt_model_load(&m, ctx, path));
	assert_null(m);
	unlink(path);
}

/* The loss has its place all the same. */
static void where_nothing_trains(void **state)
{
	(void)state;
	for (int32_t precision = NNOPT_PRECISION_F32; precision <= NNOPT_PRECISION_F16; precision++) {
		nnopt_model *m = branched_model();
		nnopt_plan *plan = NULL;
		nnopt_plan_options o;
		nnopt_tensor *x = picture(4, 2, 6, 6, NNOPT_NHWC);
		const nnopt_tensor *y = NULL;
		assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 2, 6, 6 }));
		assert_ok(nnopt_model_set_trainable(m, "", 0, NULL));
		assert_ok(nnopt_plan_options_init(&o, sizeof o));
		o.batch = 4;
		o.rank = 3;
		o.shape[0] = 2;
		o.shape[1] = o.shape[2] = 6;
		o.mode = NNOPT_TRAINING;
		o.precision = precision;
		assert_ok(nnopt_plan_create(&plan, m, &o));
		assert_ok(nnopt_plan_forward(plan, x, &y));
		nnopt_tensor *dy = nnopt_plan_output_gradient(plan);
		assert_non_null(dy);
		memset(nnopt_tensor_data(dy), 0, nnopt_tensor_bytes(dy));
		assert_ok(nnopt_plan_backward(plan, 0));
		nnopt_tensor_destroy(x);
		nnopt_plan_destroy(plan);
		nnopt_model_destroy(m);
	}
}

/* Every float that an option takes comes back from the JSON. */
static void the_largest_floats_in_json(void **state)
{
	(void)state;
	static const float values[] = { 3.40282346638528859812e38f, -3.4028e38f, 3.4e38f, 1e-45f };
	for (size_t i = 0; i < NNO_COUNT(values); i++) {
		nnopt_model *m = NULL, *copy = NULL;
		char text[1024], again[1024];
		assert_ok(nnopt_model_create(&m, ctx));
		assert_ok(nnopt_add_scale(m, values[i]));
		assert_ok(nnopt_model_to_json(m, text, sizeof text, NULL));
		assert_ok(nnopt_model_from_json(&copy, ctx, text, strlen(text)));
		assert_ok(nnopt_model_to_json(copy, again, sizeof again, NULL));
		assert_string_equal(text, again);
		nnopt_model_destroy(copy);
		nnopt_model_destroy(m);
	}
	const char *beyond = "{\"format\": \"nnopt-model\", \"version\": 1, \"layers\": [{\"kind\": \"scale\", "
			     "\"name\": \"s\", \"inputs\": [\"input\"], \"factor\": 3.41e38}]}";
	nnopt_model *m = NULL;
	assert_fails(NNOPT_ERROR_FORMAT, "beyond a float", nnopt_model_from_json(&m, ctx, beyond, strlen(beyond)));
}

/* What a plan would tell of itself is of layers that are gone. */
static void a_replaced_layer_ends_what_is_told(void **state)
{
	(void)state;
	nnopt_model *m = branched_model();
	nnopt_plan *plan = make_plan(m, 4, NNOPT_TRAINING, 1);
	nnopt_plan_info info = { .struct_size = sizeof info };
	nnopt_op_profile profile = { .struct_size = sizeof profile };
	nnopt_layer *head = NULL;
	char text[4096];
	assert_ok(nnopt_plan_set_profiling(plan, 1));
	assert_ok(nnopt_model_set_trainable(m, "linear1", 0, NULL)); /* the same layers */
	assert_ok(nnopt_plan_get_info(plan, &info));
	assert_ok(nnopt_linear_create(&head, ctx, 100, NULL));
	assert_ok(nnopt_model_replace_layer(m, "linear1", head));
	nnopt_layer_destroy(head);
	assert_fails(NNOPT_ERROR_STATE, "a layer was replaced", nnopt_plan_get_info(plan, &info));
	assert_fails(NNOPT_ERROR_STATE, "a layer was replaced", nnopt_plan_summary(plan, text, sizeof text, NULL));
	assert_fails(NNOPT_ERROR_STATE, "a layer was replaced", nnopt_plan_get_op_profile(plan, 0, &profile));
	assert_fails(NNOPT_ERROR_STATE, "a layer was replaced", nnopt_plan_profile_text(plan, text, sizeof text, NULL));
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layouts_and_smaller_batches_agree),
		cmocka_unit_test(fused_and_unfused_plans_agree),
		cmocka_unit_test(gradients_match_differences),
		cmocka_unit_test(accumulation_adds),
		cmocka_unit_test(a_failed_pass_voids_the_gradients),
		cmocka_unit_test(wrong_states_are_refused),
		cmocka_unit_test(freezing_keeps_gradients_zero),
		cmocka_unit_test(memory_is_as_reported),
		cmocka_unit_test(saved_models_come_back),
		cmocka_unit_test(models_larger_than_their_file),
		cmocka_unit_test(where_nothing_trains),
		cmocka_unit_test(the_largest_floats_in_json),
		cmocka_unit_test(a_replaced_layer_ends_what_is_told),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
