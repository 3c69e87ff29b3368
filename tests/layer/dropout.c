/* dropout.c - what is random has no golden values: the rate, the scale, independence, and on what the mask depends. */
#include "isas.h"

#include <math.h>
#include <stdbool.h>

enum { N = 4, C = 25, SIDE = 40, COUNT = N * C * SIDE * SIDE };

typedef struct net {
	nnopt_context *context;
	nnopt_model *model;
	nnopt_plan *plan;
	nnopt_tensor *x;
} net;

static net make_net(int isa, int threads, uint64_t seed, float p, int mode, int64_t batch)
{
	net n = { 0 };
	nnopt_context_options o;
	nnopt_plan_options plan;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.isa_cap = isa;
	o.threads = threads;
	o.seed = seed;
	assert_ok(nnopt_context_create(&n.context, &o));
	assert_ok(nnopt_model_create(&n.model, n.context));
	assert_ok(nnopt_add_dropout(n.model, p));
	assert_ok(nnopt_plan_options_init(&plan, sizeof plan));
	plan.batch = batch;
	plan.mode = mode;
	plan.input_gradient = mode == NNOPT_TRAINING;
	plan.rank = 3;
	memcpy(plan.shape, (int64_t[]){ C, SIDE, SIDE }, 3 * sizeof(int64_t));
	assert_ok(nnopt_plan_create(&n.plan, n.model, &plan));
	assert_ok(nnopt_tensor_create(&n.x, n.context, NNOPT_F32, 4, (int64_t[]){ batch, C, SIDE, SIDE }, NNOPT_NHWC));
	assert_ok(nnopt_tensor_fill(n.x, 1.0));
	return n;
}

static void free_net(net *n)
{
	nnopt_tensor_destroy(n->x);
	nnopt_plan_destroy(n->plan);
	nnopt_model_destroy(n->model);
	nnopt_context_destroy(n->context);
}

/* Runs training step `step`; the mask (0 or the scale) lands in `mask`. */
static void mask_of(net *n, uint64_t step, float *mask)
{
	const nnopt_tensor *y = NULL;
	assert_ok(nnopt_model_set_step(n->model, step));
	assert_ok(nnopt_plan_forward(n->plan, n->x, &y));
	memcpy(mask, nnopt_tensor_const_data(y), nnopt_tensor_bytes(y));
}

static float one[COUNT], other[COUNT];

/* Kept elements are Binomial(n, 1 - p): five standard deviations allowed; the same for the elements kept in two masks.
 */
static void expect_count(const char *what, int64_t got, double n, double p)
{
	if (!(fabs((double)got - n * p) <= 5.0 * sqrt(n * p * (1.0 - p))))
		fail_msg("%s: %lld of %g, %g wanted", what, (long long)got, n, n * p);
}

static void rate_and_scale(void **state)
{
	(void)state;
	static const float rates[] = { 0.1f, 0.25f, 0.5f, 0.9f };
	for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
		net n = make_net(NNOPT_ISA_BEST, 1, 3, rates[r], NNOPT_TRAINING, N);
		double kept = 1.0 - (double)rates[r];
		int64_t count = 0, both = 0, next = 0, below = 0;
		mask_of(&n, 10, one);
		mask_of(&n, 11, other);
		for (int64_t i = 0; i < COUNT; i++) {
			assert_true(one[i] == 0.0f || one[i] == 1.0f / (1.0f - rates[r]));
			count += one[i] > 0.0f;
			both += one[i] > 0.0f && other[i] > 0.0f;
			next += i >= 1 && one[i] > 0.0f && one[i - 1] > 0.0f;
			below += i >= C && one[i] > 0.0f && one[i - C] > 0.0f;
		}
		expect_count("kept", count, COUNT, kept);
		/* Steps, neighbouring channels and neighbouring pixels are independent. */
		expect_count("kept in two steps", both, COUNT, kept * kept);
		expect_count("kept with the channel before", next, COUNT - 1, kept * kept);
		expect_count("kept with the pixel before", below, COUNT - C, kept * kept);
		free_net(&n);
	}
}

static void backward_uses_the_same_mask(void **state)
{
	(void)state;
	net n = make_net(NNOPT_ISA_BEST, 2, 3, 0.3f, NNOPT_TRAINING, N);
	mask_of(&n, 4, one);
	nnopt_tensor *dy = nnopt_plan_output_gradient(n.plan);
	float *g = nnopt_tensor_data(dy);
	for (int64_t i = 0; i < COUNT; i++)
		g[i] = (float)(i % 13) - 6.0f;
	assert_ok(nnopt_plan_backward(n.plan, 0));
	const float *dx = nnopt_tensor_const_data(nnopt_plan_input_gradient(n.plan));
	for (int64_t i = 0; i < COUNT; i++)
		assert_true(dx[i] == ((float)(i % 13) - 6.0f) * one[i]);
	free_net(&n);
}

/* Of the seed and the step, and not of threads, ISA or how often it ran before. */
static void mask_is_a_function_of_seed_and_step(void **state)
{
	(void)state;
	net first = make_net(NNOPT_ISA_BEST, 1, 3, 0.5f, NNOPT_TRAINING, N);
	mask_of(&first, 9, one);
	mask_of(&first, 10, other);
	assert_true(memcmp(one, other, sizeof one) != 0);
	mask_of(&first, 9, other);
	assert_memory_equal(one, other, sizeof one);
	assert_int_equal(nnopt_model_step(first.model), 10);
	free_net(&first);
	for (int isa = 1; isa <= ISAS; isa++) {
		nnopt_context *context = isa_context(isa, 1);
		if (context == NULL)
			continue;
		nnopt_context_destroy(context);
		net n = make_net(isa, isa + 1, 3, 0.5f, NNOPT_TRAINING, N);
		mask_of(&n, 9, other);
		assert_memory_equal(one, other, sizeof one);
		free_net(&n);
	}
	net n = make_net(NNOPT_ISA_BEST, 1, 4, 0.5f, NNOPT_TRAINING, N);
	mask_of(&n, 9, other);
	assert_true(memcmp(one, other, sizeof one) != 0);
	free_net(&n);
}

/* A sample's mask does not depend on how many others there are. */
static void smaller_batches_keep_their_masks(void **state)
{
	(void)state;
	net n = make_net(NNOPT_ISA_BEST, 2, 3, 0.5f, NNOPT_TRAINING, N);
	mask_of(&n, 9, one);
	nnopt_tensor *part = NULL;
	const nnopt_tensor *y = NULL;
	assert_ok(nnopt_tensor_view(&part, n.x, 0, 2));
	assert_ok(nnopt_model_set_step(n.model, 9));
	assert_ok(nnopt_plan_forward(n.plan, part, &y));
	assert_memory_equal(one, nnopt_tensor_const_data(y), nnopt_tensor_bytes(y));
	nnopt_tensor_destroy(part);
	free_net(&n);
}

static void two_layers_have_their_own_masks(void **state)
{
	(void)state;
	nnopt_context *context = NULL;
	nnopt_model *m = NULL;
	nnopt_plan *plan = NULL;
	nnopt_plan_options o;
	nnopt_tensor *x = NULL;
	const nnopt_tensor *y = NULL;
	assert_ok(nnopt_context_create(&context, NULL));
	assert_ok(nnopt_model_create(&m, context));
	assert_ok(nnopt_add_dropout(m, 0.5f));
	assert_ok(nnopt_add_dropout(m, 0.5f));
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.mode = NNOPT_TRAINING;
	o.rank = 1;
	o.shape[0] = COUNT;
	assert_ok(nnopt_plan_create(&plan, m, &o));
	assert_ok(nnopt_tensor_create(&x, context, NNOPT_F32, 2, (int64_t[]){ 1, COUNT }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_fill(x, 1.0));
	assert_ok(nnopt_plan_forward(plan, x, &y));
	int64_t count = 0;
	for (int64_t i = 0; i < COUNT; i++)
		count += ((const float *)nnopt_tensor_const_data(y))[i] == 4.0f;
	expect_count("kept by both", count, COUNT, 0.25);
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(m);
	nnopt_context_destroy(context);
}

static void inference_is_identity(void **state)
{
	(void)state;
	net n = make_net(NNOPT_ISA_BEST, 1, 3, 0.5f, NNOPT_INFERENCE, N);
	const nnopt_tensor *y = NULL;
	float *x = nnopt_tensor_data(n.x);
	for (int64_t i = 0; i < COUNT; i++)
		x[i] = (float)i;
	assert_ok(nnopt_plan_forward(n.plan, n.x, &y));
	assert_memory_equal(x, nnopt_tensor_const_data(y), sizeof one);
	assert_int_equal(nnopt_model_step(n.model), 0);
	free_net(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate_and_scale),
		cmocka_unit_test(backward_uses_the_same_mask),
		cmocka_unit_test(mask_is_a_function_of_seed_and_step),
		cmocka_unit_test(smaller_batches_keep_their_masks),
		cmocka_unit_test(two_layers_have_their_own_masks),
		cmocka_unit_test(inference_is_identity),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
