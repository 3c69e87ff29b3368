/* fusion.c - what the plan fuses with a normalisation: which nodes, and that outputs, all gradients and the running
 * statistics are those of the plan without rewrites, in residual networks of several forms. */
#include "fusion_networks.h"

#include "isas.h"

#include <math.h>

static void compare_within(double tolerance, const char *name, const char *what, const float *a, const float *b,
			   int64_t n)
{
	double largest = 0.0;
	for (int64_t i = 0; i < n && a != NULL; i++)
		largest = fmax(largest, fabs((double)b[i]));
	for (int64_t i = 0; i < n && a != NULL; i++)
		if (!(fabs((double)a[i] - (double)b[i]) <= tolerance * (1.0 + largest)))
			fail_msg("%s: %s %d is %g fused, %g otherwise", name, what, (int)i, (double)a[i], (double)b[i]);
}

static void compare(const char *name, const char *what, const float *a, const float *b, int64_t n)
{
	compare_within(2e-5, name, what, a, b, n);
}

static void compare_plans(const char *name, nnopt_model *m, bool training, int32_t input_gradient)
{
	int32_t mode = training ? NNOPT_TRAINING : NNOPT_INFERENCE;
	nnopt_plan *fused = make_plan(m, mode, 1, input_gradient), *plain_plan = make_plan(m, mode, 0, input_gradient);
	assert_int_equal(plain_plan->graph.rewrites, 0);
	result a = run(m, fused, training), b = run(m, plain_plan, training);
	compare(name, "output", a.output, b.output, a.outputs);
	compare(name, "input gradient", a.input_gradient, b.input_gradient, a.inputs);
	compare(name, "gradient", a.gradients, b.gradients, m->parameter_elements);
	compare(name, "running statistic", a.state, b.state, m->state_elements);
	free_result(&a);
	free_result(&b);
	nnopt_plan_destroy(fused);
	nnopt_plan_destroy(plain_plan);
}

static void fused_and_unfused_agree(void **state)
{
	(void)state;
	for (size_t i = 0; i < NNO_COUNT(subjects); i++) {
		nnopt_model *m = make_model(&subjects[i]);
		compare_plans(subjects[i].name, m, true, 1);
		compare_plans(subjects[i].name, m, true, 0);
		compare_plans(subjects[i].name, m, false, 0);
		/* Without a gradient of its first layers; with fixed statistics; with nothing but a skip's gradient. */
		assert_ok(nnopt_model_set_trainable(m, "batch_norm2d1.", 0, NULL));
		compare_plans(subjects[i].name, m, true, 0);
		assert_ok(nnopt_model_set_trainable(m, "conv2d1.", 0, NULL));
		compare_plans(subjects[i].name, m, true, 0);
		assert_ok(nnopt_model_set_trainable(m, "batch_norm", 0, NULL));
		compare_plans(subjects[i].name, m, true, 1);
		compare_plans(subjects[i].name, m, true, 0);
		nnopt_model_destroy(m);
	}
}

static void every_isa_and_smaller_batches(void **state)
{
	(void)state;
	nnopt_context *first = ctx;
	for (int isa = 1; isa <= ISAS; isa++) {
		ctx = isa_context(isa, 2);
		for (size_t i = 0; i < NNO_COUNT(subjects) && ctx != NULL; i++) {
			nnopt_model *m = make_model(&subjects[i]);
			for (samples = BATCH; samples > 1; samples--)
				compare_plans(subjects[i].name, m, true, subjects[i].input_gradient);
			nnopt_model_destroy(m);
		}
		samples = BATCH;
		nnopt_context_destroy(ctx);
	}
	ctx = first;
}

static void the_same_bits_from_any_threads(void **state)
{
	(void)state;
	nnopt_context *first = ctx;
	for (size_t i = 0; i < NNO_COUNT(subjects); i++) {
		result r[3];
		for (int threads = 1; threads <= 3; threads++) {
			nnopt_context_options o;
			assert_ok(nnopt_context_options_init(&o, sizeof o));
			o.threads = threads;
			assert_ok(nnopt_context_create(&ctx, &o));
			nnopt_model *m = make_model(&subjects[i]);
			nnopt_plan *plan = make_plan(m, NNOPT_TRAINING, 1, subjects[i].input_gradient);
			result *now = &r[threads - 1];
			*now = run(m, plan, true);
			assert_memory_equal(now->output, r->output, (size_t)r->outputs * sizeof(float));
			if (subjects[i].input_gradient)
				assert_memory_equal(now->input_gradient, r->input_gradient,
						    (size_t)r->inputs * sizeof(float));
			assert_memory_equal(now->gradients, r->gradients,
					    (size_t)m->parameter_elements * sizeof(float));
			assert_memory_equal(now->state, r->state, (size_t)m->state_elements * sizeof(float));
			nnopt_plan_destroy(plan);
			nnopt_model_destroy(m);
			nnopt_context_destroy(ctx);
		}
		for (int k = 0; k < 3; k++)
			free_result(&r[k]);
	}
	ctx = first;
}

/* The parameters go into a constant plan when it is made: normalisations into the layers before them. */
static void constant_plans_keep_the_parameters(void **state)
{
	(void)state;
	int folded = 0;
	for (size_t i = 0; i < NNO_COUNT(subjects); i++) {
		nnopt_model *m = make_model(&subjects[i]);
		nnopt_plan_options o;
		nnopt_plan *plan = NULL, *other = NULL;
		const nnopt_tensor *y = NULL;
		nnopt_tensor *x = NULL;
		set_parameters(m);
		plan = make_constant_plan(m);
		for (int k = 0; k < plan->graph.n_ops; k++)
			folded += !plan->graph.ops[k].removed && plan->graph.ops[k].folded_param >= 0;
		other = make_plan(m, NNOPT_INFERENCE, 0, 0);
		result a = run(m, plan, false), b = run(m, other, false);
		compare(subjects[i].name, "output", a.output, b.output, a.outputs);
		memset(m->parameters, 0, (size_t)m->parameter_elements * sizeof(float));
		memset(m->state, 0, (size_t)m->state_elements * sizeof(float));
		assert_ok(
		    nnopt_tensor_create(&x, ctx, NNOPT_F32, 4, (int64_t[]){ BATCH, CHANNELS, SIDE, SIDE }, NNOPT_NHWC));
		fill(nnopt_tensor_data(x), a.inputs, 6);
		assert_ok(nnopt_plan_forward(plan, x, &y));
		assert_memory_equal(nnopt_tensor_const_data(y), a.output, (size_t)a.outputs * sizeof(float));
		nnopt_tensor_destroy(x);
		free_result(&a);
		free_result(&b);
		nnopt_plan_destroy(other);
		nnopt_plan_destroy(plan);
		assert_ok(nnopt_plan_options_init(&o, sizeof o));
		o.constant = 1;
		o.mode = NNOPT_TRAINING;
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "constant", nnopt_plan_create(&plan, m, &o));
		nnopt_model_destroy(m);
	}
	assert_true(folded >= 10);
}

/* Residual blocks of `channels`, the convolutions of size `kernel`, on pictures of 5 x 5 or, strided, 2 x 2. */
static nnopt_model *residual_blocks(int64_t channels, int64_t kernel, int64_t stride)
{
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	int32_t a = plain(m, nnopt_relu_create, norm(m, shaped_conv(m, NNOPT_INPUT_NODE, channels, 3, stride, 1)));
	int32_t b = plain(m, nnopt_relu_create, norm(m, shaped_conv(m, a, channels, kernel, 1, 1)));
	int32_t c = plain(m, nnopt_relu_create, sum(m, norm(m, shaped_conv(m, b, channels, kernel, 1, 1)), a));
	/* The skip is a convolution's result, and nothing follows the sum. */
	int32_t skip = norm(m, shaped_conv(m, c, channels, 1, 1, 1));
	int32_t d = sum(m, skip, norm(m, shaped_conv(m, c, channels, kernel, 1, 1)));
	/* Neither the convolution's own source may be written over, nor what is read later. */
	int32_t e = sum(m, norm(m, shaped_conv(m, d, channels, kernel, 1, 1)), d);
	int32_t f = plain(m, nnopt_tanh_create, e);
	int32_t g = sum(m, norm(m, shaped_conv(m, f, channels, kernel, 1, 1)), e);
	int32_t h = plain(m, nnopt_tanh_create, e);
	sum(m, norm(m, shaped_conv(m, g, channels, kernel, 1, 1)), h);
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ CHANNELS, SIDE, SIDE }));
	return m;
}

/* By each algorithm that can, and by all types of values. */
static void constant_plans_add_in_convolutions(void **state)
{
	(void)state;
	static const struct {
		int64_t channels, kernel, stride;
		const nno_op_class *cls;
	} trials[] = { { 7, 3, 1, &nno_op_conv },
		       { 16, 3, 1, &nno_op_conv_winograd },
		       { 20, 1, 1, &nno_op_conv_pointwise },
		       { 128, 3, 4, &nno_op_conv_images } };
	samples = 16;
	for (size_t i = 0; i < NNO_COUNT(trials); i++)
		for (precision = NNOPT_PRECISION_F32; precision <= NNOPT_PRECISION_F16; precision++) {
			nnopt_model *m = residual_blocks(trials[i].channels, trials[i].kernel, trials[i].stride);
			nnopt_precision narrow = precision;
			gain =
			    1.0f / (float)(trials[i].kernel * sqrt((double)trials[i].channels)); /* f16 ends at 65504 */
			set_parameters(m);
			nnopt_plan *plan = make_constant_plan(m);
			int added = 0;
			for (int k = 0; k < plan->graph.n_ops; k++) {
				const nno_graph_op *node = &plan->graph.ops[k];
				added += !node->removed && node->op.n_in == 2 && node->op.cls == trials[i].cls;
			}
			if (precision == NNOPT_PRECISION_F32)
				assert_int_equal(added, 3);
			precision = NNOPT_PRECISION_F32;
			nnopt_plan *other = make_plan(m, NNOPT_INFERENCE, 0, 0);
			result a = run(m, plan, false), b = run(m, other, false);
			compare_within(narrow == NNOPT_PRECISION_F32 ? 2e-5 : 3e-2, "residual blocks", "output",
				       a.output, b.output, a.outputs);
			precision = narrow;
			free_result(&a);
			free_result(&b);
			nnopt_plan_destroy(other);
			nnopt_plan_destroy(plan);
			nnopt_model_destroy(m);
		}
	samples = BATCH;
	gain = 1.0f;
	precision = NNOPT_PRECISION_F32;
}

static int occurrences(const char *text, const char *what)
{
	int n = 0;
	for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
		n++;
	return n;
}

static void summaries_name_what_is_fused(void **state)
{
	(void)state;
	for (size_t i = 0; i < NNO_COUNT(subjects); i++) {
		nnopt_model *m = make_model(&subjects[i]);
		char text[8192];
		nnopt_plan *plan = make_plan(m, NNOPT_TRAINING, 1, subjects[i].input_gradient);
		assert_ok(nnopt_plan_summary(plan, text, sizeof text, NULL));
		if (occurrences(text, subjects[i].fused) != subjects[i].times ||
		    plan->graph.rewrites != subjects[i].rewrites)
			fail_msg("%s: %d rewrites, %d of '%s' in\n%s", subjects[i].name, plan->graph.rewrites,
				 occurrences(text, subjects[i].fused), subjects[i].fused, text);
		nnopt_plan_destroy(plan);
		nnopt_model_destroy(m);
	}
}

/* A chain of residual blocks keeps one gradient of its skips, and a sum's gradient is not copied to its inputs. */
static void gradients_share_memory(void **state)
{
	(void)state;
	nnopt_model *m = make_model(&subjects[1]);
	for (int32_t fuse = 0; fuse < 2; fuse++) {
		nnopt_plan *plan = make_plan(m, NNOPT_TRAINING, fuse, 0);
		int in_place = 0;
		for (int i = 0; i < plan->graph.n_ops; i++) {
			const nno_graph_op *op = &plan->graph.ops[i];
			for (int k = 0; k < op->op.n_in && !op->removed && op->op.n_in == 2; k++)
				in_place += op->run.dsrc[k] == op->run.ddst;
		}
		assert_int_equal(in_place, 2);
		nnopt_plan_destroy(plan);
	}
	nnopt_model_destroy(m);
}

/* A ReLU passes the gradient on at infinity, fused with the normalisation before it or not: divergence is seen. */
static void infinity_passes_a_fused_relu(void **state)
{
	(void)state;
	nnopt_model *m = NULL;
	int before = 0;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_conv2d(m, 3, 1, NULL));
	assert_ok(nnopt_add_batch_norm2d(m, NULL));
	assert_ok(nnopt_add_relu(m));
	assert_ok(nnopt_add_batch_norm2d(m, NULL));
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 2, 4, 4 }));
	assert_ok(nnopt_model_set_frozen_norms(m, "", 1, NULL));
	for (int fuse = 0; fuse < 2; fuse++) {
		nnopt_plan_options o;
		nnopt_plan *plan = NULL;
		nnopt_tensor *x = NULL;
		const nnopt_tensor *y = NULL;
		assert_ok(nnopt_plan_options_init(&o, sizeof o));
		o.batch = 1;
		o.rank = 3;
		o.shape[0] = 2;
		o.shape[1] = o.shape[2] = 4;
		o.mode = NNOPT_TRAINING;
		o.fuse = fuse;
		assert_ok(nnopt_plan_create(&plan, m, &o));
		assert_int_equal(plan->graph.rewrites > 0, fuse);
		assert_ok(nnopt_tensor_create(&x, ctx, NNOPT_F32, 4, (int64_t[]){ 1, 2, 4, 4 }, NNOPT_NCHW));
		((float *)nnopt_tensor_data(x))[5] = INFINITY;
		assert_ok(nnopt_plan_forward(plan, x, &y));
		float *dy = nnopt_tensor_data(nnopt_plan_output_gradient(plan));
		for (int i = 0; i < 48; i++)
			dy[i] = 1.0f;
		assert_ok(nnopt_plan_backward(plan, 0));
		int infinite = 0;
		for (int64_t i = 0; i < m->parameter_elements; i++)
			infinite += !isfinite(m->gradients[i]);
		assert_true(infinite >
			    3); /* those of weights that the pixel met on its way to +infinity, and of norms */
		nnopt_tensor_destroy(x);
		nnopt_plan_destroy(plan);
		assert_true(fuse == 0 || infinite == before);
		before = infinite;
	}
	nnopt_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fused_and_unfused_agree),
		cmocka_unit_test(every_isa_and_smaller_batches),
		cmocka_unit_test(the_same_bits_from_any_threads),
		cmocka_unit_test(constant_plans_keep_the_parameters),
		cmocka_unit_test(constant_plans_add_in_convolutions),
		cmocka_unit_test(summaries_name_what_is_fused),
		cmocka_unit_test(gradients_share_memory),
		cmocka_unit_test(infinity_passes_a_fused_relu),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
