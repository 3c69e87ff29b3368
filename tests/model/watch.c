/* watch.c - inference plans that watch a layer: its output and the way back to it are those of inference, whatever is
 * fused. The gradient of a convolution's result, summed over pixels, is the slope by its bias: that is the reference.
 */
#include "check.h"

#include <math.h>
#include <stdio.h>

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

enum { BATCH = 3, CLASSES = 4 };
#define NODES 16

static void join(nnopt_model *m, nnopt_layer *layer, const char *name, int32_t a, int32_t b)
{
	assert_ok(nnopt_layer_set_name(layer, name));
	assert_ok(nnopt_model_connect(m, layer, (int32_t[]){ a, b }, b > 0 ? 2 : 1, NULL));
	nnopt_layer_destroy(layer);
}

/* Everything that is different in training: dropouts, batch norms; a value with two readers; pools over ReLUs. */
static nnopt_model *branched(void)
{
	nnopt_model *m = NULL;
	nnopt_layer *l = NULL;
	nnopt_conv2d_options same;
	assert_ok(nnopt_conv2d_options_init(&same, sizeof same));
	same.padding_mode = NNOPT_PADDING_SAME;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_conv2d_create(&l, ctx, 6, 3, &same));
	join(m, l, "stem", 0, 0); /* 1 */
	assert_ok(nnopt_relu_create(&l, ctx));
	join(m, l, "stem_relu", 1, 0);
	assert_ok(nnopt_max_pool2d_create(&l, ctx, 2, NULL));
	join(m, l, "stem_pool", 2, 0);
	assert_ok(nnopt_dropout2d_create(&l, ctx, 0.4f));
	join(m, l, "drop2d", 3, 0);
	assert_ok(nnopt_conv2d_create(&l, ctx, 6, 3, &same));
	join(m, l, "conv", 4, 0);
	assert_ok(nnopt_batch_norm2d_create(&l, ctx, NULL));
	join(m, l, "norm", 5, 0);
	assert_ok(nnopt_relu_create(&l, ctx));
	join(m, l, "relu", 6, 0);
	assert_ok(nnopt_conv2d_create(&l, ctx, 6, 3, &same));
	join(m, l, "conv2", 7, 0);
	assert_ok(nnopt_batch_norm2d_create(&l, ctx, NULL));
	join(m, l, "norm2", 8, 0);
	assert_ok(nnopt_add_create(&l, ctx));
	join(m, l, "sum", 9, 4);
	assert_ok(nnopt_relu_create(&l, ctx));
	join(m, l, "sum_relu", 10, 0);
	assert_ok(nnopt_conv2d_create(&l, ctx, 8, 1, NULL));
	join(m, l, "point", 11, 0);
	assert_ok(nnopt_global_avg_pool2d_create(&l, ctx));
	join(m, l, "pool", 12, 0);
	assert_ok(nnopt_flatten_create(&l, ctx));
	join(m, l, "flat", 13, 0);
	assert_ok(nnopt_dropout_create(&l, ctx, 0.5f));
	join(m, l, "drop", 14, 0);
	assert_ok(nnopt_linear_create(&l, ctx, CLASSES, NULL));
	join(m, l, "head", 15, 0);
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 3, 8, 8 }));
	/* Statistics that no batch has. */
	nnopt_model_blocks blocks = { .struct_size = sizeof blocks };
	assert_ok(nnopt_model_get_blocks(m, &blocks));
	for (int64_t i = 0; i < blocks.state_elements; i++)
		blocks.state[i] = 0.5f + 0.3f * sinf((float)i);
	return m;
}

static nnopt_status plan_watching(nnopt_plan **plan, nnopt_model *m, const char *name, int32_t fuse)
{
	nnopt_plan_options o;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = BATCH + 1;
	o.fuse = fuse;
	o.watch = name;
	return nnopt_plan_create(plan, m, &o);
}

static nnopt_tensor *pictures(void)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, 4, (int64_t[]){ BATCH, 3, 8, 8 }, NNOPT_NHWC));
	float *x = nnopt_tensor_data(t);
	for (int64_t i = 0; i < nnopt_tensor_count(t); i++)
		x[i] = sinf((float)i * 0.37f);
	return t;
}

/* Of sample n the score of class (n + 1) % CLASSES. */
static void go_back(nnopt_plan *plan, const nnopt_tensor *input)
{
	const nnopt_tensor *out = NULL;
	assert_ok(nnopt_plan_forward(plan, input, &out));
	nnopt_tensor *gradient = nnopt_plan_output_gradient(plan);
	assert_ok(nnopt_tensor_fill(gradient, 0.0));
	for (int64_t n = 0; n < BATCH; n++)
		((float *)nnopt_tensor_data(gradient))[n * CLASSES + (n + 1) % CLASSES] = 1.0f;
	assert_ok(nnopt_plan_backward(plan, 0));
}

static double scores(nnopt_plan *plan, const nnopt_tensor *input)
{
	const nnopt_tensor *out = NULL;
	double sum = 0.0;
	assert_ok(nnopt_plan_forward(plan, input, &out));
	for (int64_t n = 0; n < BATCH; n++)
		sum += (double)((const float *)nnopt_tensor_const_data(out))[n * CLASSES + (n + 1) % CLASSES];
	return sum;
}

static void gradients_are_the_slopes_of_inference(void **state)
{
	(void)state;
	static const char *const layers[] = { "stem", "conv", "conv2", "point" };
	nnopt_model *m = branched();
	nnopt_tensor *input = pictures();
	nnopt_model_blocks blocks = { .struct_size = sizeof blocks };
	assert_ok(nnopt_model_get_blocks(m, &blocks));
	for (int k = 0; k < 4; k++) {
		nnopt_plan *plan = NULL;
		nnopt_parameter_info info = { .struct_size = sizeof info };
		char name[32];
		int32_t index;
		assert_ok(plan_watching(&plan, m, layers[k], 1));
		go_back(plan, input);
		const nnopt_tensor *gradient = nnopt_plan_watched_gradient(plan);
		const float *g = nnopt_tensor_const_data(gradient);
		assert_int_equal(nnopt_tensor_extent(gradient, 0), BATCH);
		int64_t channels = nnopt_tensor_extent(gradient, 1), count = nnopt_tensor_count(gradient);
		snprintf(name, sizeof name, "%s.bias", layers[k]);
		assert_ok(nnopt_model_find_parameter(m, name, &index));
		assert_ok(nnopt_model_parameter_info(m, index, &info));
		double *sums = calloc((size_t)channels, sizeof *sums);
		for (int64_t i = 0; i < count; i++)
			sums[i % channels] += (double)g[i];
		for (int64_t c = 0; c < channels; c++) {
			const double step = 1.0 / 512; /* short of most kinks, far above rounding */
			float *bias = blocks.parameters + info.block_offset + c, kept = *bias;
			*bias = kept + (float)step;
			double above = scores(plan, input);
			*bias = kept - (float)step;
			double slope = (above - scores(plan, input)) / (2.0 * step);
			*bias = kept;
			assert_true(fabs(slope - sums[c]) < 0.02 * (1.0 + fabs(slope)));
		}
		free(sums);
		nnopt_plan_destroy(plan);
	}
	nnopt_tensor_destroy(input);
	nnopt_model_destroy(m);
}

static void close_to(const nnopt_tensor *a, const nnopt_tensor *b, const char *name)
{
	const float *x = nnopt_tensor_const_data(a), *y = nnopt_tensor_const_data(b);
	double most = 0.0, size = 0.0;
	assert_int_equal(nnopt_tensor_rank(a), nnopt_tensor_rank(b));
	assert_int_equal(nnopt_tensor_count(a), nnopt_tensor_count(b));
	for (int64_t i = 0; i < nnopt_tensor_count(a); i++) {
		most = fmax(most, fabs((double)x[i] - (double)y[i]));
		size = fmax(size, fabs((double)y[i]));
	}
	if (!(size > 0.0) || most > 1e-5 * size)
		fail_msg("%s: differs by %g of %g", name, most, size);
}

/* Each layer, with and without rewrites; and what is watched is what was: the network's output too. */
static void rewrites_leave_what_is_watched(void **state)
{
	(void)state;
	nnopt_model *m = branched();
	nnopt_tensor *input = pictures();
	uint64_t step = nnopt_model_step(m);
	assert_int_equal(nnopt_model_node_count(m), NODES + 1);
	for (int32_t i = 1; i <= NODES; i++) {
		nnopt_node_info info = { .struct_size = sizeof info };
		nnopt_plan *fused = NULL, *plain = NULL;
		const nnopt_tensor *out = NULL;
		assert_ok(nnopt_model_node_info(m, i, &info));
		assert_ok(plan_watching(&fused, m, info.name, 1));
		assert_ok(plan_watching(&plain, m, info.name, 0));
		go_back(fused, input);
		go_back(plain, input);
		const nnopt_tensor *seen = nnopt_plan_watched(fused);
		assert_int_equal(nnopt_tensor_rank(seen), info.rank + 1);
		for (int32_t k = 0; k < info.rank; k++)
			assert_int_equal(nnopt_tensor_extent(seen, k + 1), info.shape[k]);
		close_to(seen, nnopt_plan_watched(plain), info.name);
		close_to(nnopt_plan_watched_gradient(fused), nnopt_plan_watched_gradient(plain), info.name);
		assert_ok(nnopt_plan_forward(fused, input, &out));
		if (i == NODES)
			close_to(nnopt_plan_watched(fused), out, "output");
		nnopt_plan_destroy(fused);
		nnopt_plan_destroy(plain);
	}
	/* Nothing is as in training, and no gradients are made. */
	nnopt_model_blocks blocks = { .struct_size = sizeof blocks };
	assert_ok(nnopt_model_get_blocks(m, &blocks));
	assert_null(blocks.gradients);
	assert_int_equal(nnopt_model_step(m), step);
	nnopt_tensor_destroy(input);
	nnopt_model_destroy(m);
}

/* Layers that a plan leaves out, at either end: what is watched and the output's gradient are the plan's all the same.
 */
static void layers_that_do_nothing(void **state)
{
	(void)state;
	static const char *const watched[] = { "dropout1", "flatten1", "flatten1", "relu1" };
	for (int k = 0; k < 4; k++) {
		nnopt_model *m = NULL;
		nnopt_plan *fused = NULL, *plain = NULL;
		int64_t channels = k == 1 ? 1 : 3;
		nnopt_tensor *input = NULL;
		const nnopt_tensor *out = NULL;
		assert_ok(nnopt_model_create(&m, ctx));
		if (k == 0)
			assert_ok(nnopt_add_dropout(m, 0.5f));
		if (k != 1)
			assert_ok(nnopt_add_conv2d(m, 4, 3, NULL));
		if (k == 2)
			assert_ok(nnopt_add_global_avg_pool2d(m));
		assert_ok(k == 3 ? nnopt_add_relu(m) : nnopt_add_flatten(m));
		if (k == 1)
			assert_ok(nnopt_add_linear(m, 3, NULL));
		assert_ok(nnopt_model_build(m, 3, (int64_t[]){ channels, 5, 5 }));
		assert_ok(nnopt_tensor_create(&input, ctx, NNOPT_F32, 4, (int64_t[]){ 2, channels, 5, 5 }, NNOPT_NHWC));
		for (int64_t i = 0; i < nnopt_tensor_count(input); i++)
			((float *)nnopt_tensor_data(input))[i] = (float)(i % 7) - 3.0f;
		assert_ok(plan_watching(&fused, m, watched[k], 1));
		assert_ok(plan_watching(&plain, m, watched[k], 0));
		assert_non_null(nnopt_plan_output_gradient(fused));
		for (nnopt_plan *plan = fused; plan != NULL; plan = plan == fused ? plain : NULL) {
			assert_ok(nnopt_plan_forward(plan, input, &out));
			nnopt_tensor *gradient = nnopt_plan_output_gradient(plan);
			for (int64_t i = 0; i < nnopt_tensor_count(out); i++)
				((float *)nnopt_tensor_data(gradient))[i] = (float)(i % 5) - 2.0f;
			assert_ok(nnopt_plan_backward(plan, 0));
		}
		close_to(nnopt_plan_watched(fused), nnopt_plan_watched(plain), watched[k]);
		close_to(nnopt_plan_watched_gradient(fused), nnopt_plan_watched_gradient(plain), watched[k]);
		nnopt_tensor_destroy(input);
		nnopt_plan_destroy(fused);
		nnopt_plan_destroy(plain);
		nnopt_model_destroy(m);
	}
}

static nnopt_status copy_over(const nnopt_own_call *call, void *user)
{
	(void)user;
	return nnopt_tensor_copy(call->output, call->inputs[0]);
}

static void errors_name_what_is_wrong(void **state)
{
	(void)state;
	nnopt_model *m = branched();
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.watch = "absent";
	assert_fails(NNOPT_ERROR_NOT_FOUND, "'absent'", nnopt_plan_create(&plan, m, &o));
	o.watch = "input";
	assert_fails(NNOPT_ERROR_NOT_FOUND, "'input'", nnopt_plan_create(&plan, m, &o));
	o.watch = "conv";
	o.mode = NNOPT_TRAINING;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "watch", nnopt_plan_create(&plan, m, &o));
	o.mode = NNOPT_INFERENCE;
	o.constant = 1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "watch", nnopt_plan_create(&plan, m, &o));
	o.constant = 0;
	o.precision = NNOPT_PRECISION_BF16;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "f32", nnopt_plan_create(&plan, m, &o));
	o.precision = NNOPT_PRECISION_F32;
	o.watch = NULL;
	assert_ok(nnopt_plan_create(&plan, m, &o));
	assert_null(nnopt_plan_watched(plan));
	assert_null(nnopt_plan_watched_gradient(plan));
	assert_null(nnopt_plan_watched(NULL));
	assert_null(nnopt_plan_watched_gradient(NULL));
	assert_fails(NNOPT_ERROR_STATE, "watches no layer", nnopt_plan_backward(plan, 0));
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(m);

	/* A caller's layer without a backward: behind the watched one there is no way back. */
	nnopt_own_layer_options own;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_own_layer_options_init(&own, sizeof own));
	own.kind = "copy";
	own.forward = copy_over;
	assert_ok(nnopt_own_layer_create(&l, ctx, &own));
	assert_ok(nnopt_add_conv2d(m, 2, 3, NULL));
	assert_ok(nnopt_model_add(m, l));
	nnopt_layer_destroy(l);
	assert_ok(nnopt_add_flatten(m));
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 3, 5, 5 }));
	assert_fails(NNOPT_ERROR_UNSUPPORTED, "no backward", plan_watching(&plan, m, "conv2d1", 1));
	assert_ok(plan_watching(&plan, m, "flatten1", 1));
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradients_are_the_slopes_of_inference),
		cmocka_unit_test(rewrites_leave_what_is_watched),
		cmocka_unit_test(layers_that_do_nothing),
		cmocka_unit_test(errors_name_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
