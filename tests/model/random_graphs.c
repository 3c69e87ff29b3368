/* random_graphs.c - networks that nobody thought of: layers in random order and size, skips from anywhere, layers
 * frozen by chance. What the plan fuses leaves outputs, gradients and statistics as they are without it, in training,
 * inference and constant plans; bf16 is no further off with it; the bits are the same from any number of threads; and
 * a saved network is the one that is loaded.
 *
 *   test_model_random_graphs [FROM UNTIL]     graphs of these numbers, for a longer search */
#include "fusion_networks.h"
#include "pick.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define PATH pick_path(".safetensors")
enum { LAYERS = 14, LARGEST_SIDE = 20, MOST_CHANNELS = 100, DRAWS = 4 };

/* Behind a saturating activation the values are small and the errors those of large ones. */
static const double NEAR = 1e-3;

typedef struct value {
	int32_t node;
	int64_t channels, side;
} value;

static bool random_conv(nnopt_model *m, value *v)
{
	static const int64_t widths[] = { 3, 8, 16, 17, 20, 32, 72 };
	nnopt_conv2d_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
	int64_t kernel = (int64_t[]){ 3, 3, 3, 1, 1, 2, 5 }[pick(7)], channels = widths[pick(7)];
	bool depthwise = pick(4) == 0;
	o.groups = depthwise ? v->channels : v->channels % 2 == 0 && pick(8) == 0 ? 2 : 1;
	channels = depthwise ? v->channels : o.groups == 2 ? channels / 2 * 2 : channels;
	o.stride_h = o.stride_w = pick(4) == 0 ? 2 : 1;
	o.padding_h = o.padding_w = pick(3) == 0 ? pick(4) : kernel / 2;
	o.use_bias = pick(2);
	int64_t side = (v->side + 2 * o.padding_h - kernel) / o.stride_h + 1;
	if (v->side + 2 * o.padding_h < kernel || side > LARGEST_SIDE)
		return false;
	assert_ok(nnopt_conv2d_create(&l, ctx, channels, kernel, &o));
	*v = (value){ connect(m, l, 1, &v->node), channels, side };
	return true;
}

static bool random_pool(nnopt_model *m, value *v)
{
	nnopt_pool2d_options o;
	nnopt_layer *l = NULL;
	int64_t kernel = pick(3) == 0 ? 3 : 2;
	assert_ok(nnopt_pool2d_options_init(&o, sizeof o));
	o.padding_h = o.padding_w = kernel == 3 && pick(2);
	o.stride_h = o.stride_w = pick(4) == 0 ? 1 : 2;
	if (v->side < kernel)
		return false;
	assert_ok(pick(4) == 0 ? nnopt_avg_pool2d_create(&l, ctx, kernel, &o)
			       : nnopt_max_pool2d_create(&l, ctx, kernel, &o));
	*v = (value){ connect(m, l, 1, &v->node), v->channels, (v->side + 2 * o.padding_h - kernel) / o.stride_h + 1 };
	return true;
}

/* With an earlier value of the same shape, on either side. */
static bool random_sum(nnopt_model *m, value *v, const value *all, int count)
{
	int first = pick(count);
	for (int k = 0; k < count; k++) {
		const value *other = &all[(first + k) % count];
		if (other->channels != v->channels || other->side != v->side)
			continue;
		v->node = pick(2) ? sum(m, v->node, other->node) : sum(m, other->node, v->node);
		return true;
	}
	return false;
}

/* Beside an earlier one of the same size. */
static bool random_concat(nnopt_model *m, value *v, const value *all, int count)
{
	const value *other = &all[pick(count)];
	nnopt_layer *l = NULL;
	if (other->side != v->side || other->channels + v->channels > MOST_CHANNELS)
		return false;
	assert_ok(nnopt_concat_create(&l, ctx));
	bool before = pick(2);
	*v = (value){ connect(m, l, 2, (int32_t[]){ before ? other->node : v->node, before ? v->node : other->node }),
		      other->channels + v->channels, v->side };
	return true;
}

static int32_t same_conv(nnopt_model *m, int32_t source, int64_t channels, int64_t kernel)
{
	nnopt_conv2d_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
	o.padding_h = o.padding_w = kernel / 2;
	o.use_bias = pick(2);
	assert_ok(nnopt_conv2d_create(&l, ctx, channels, kernel, &o));
	return connect(m, l, 1, &source);
}

/* x + branch + branch: all branches before the first sum, or each before its own; the later may read the sum so far. */
static void random_branches(nnopt_model *m, value *v)
{
	int32_t x = v->node, total = x, ends[2];
	bool before = pick(2);
	for (int i = 0; i < 2; i++) {
		int32_t read = before || pick(2) ? x : total;
		if (pick(2))
			read = plain(m, nnopt_relu_create, same_conv(m, read, v->channels, 1));
		ends[i] = norm(m, same_conv(m, read, v->channels, pick(2) ? 3 : 1));
		if (!before)
			total = pick(2) ? sum(m, total, ends[i]) : sum(m, ends[i], total);
	}
	for (int i = 0; before && i < 2; i++)
		total = pick(2) ? sum(m, total, ends[i]) : sum(m, ends[i], total);
	v->node = total;
}

/* Squeeze and excitation. */
static void random_gate(nnopt_model *m, value *v)
{
	nnopt_layer *l = NULL;
	int32_t gate = plain(m, nnopt_global_avg_pool2d_create, v->node);
	gate = plain(m, nnopt_relu_create, shaped_conv(m, gate, 4, 1, 1, 1));
	gate = plain(m, nnopt_sigmoid_create, shaped_conv(m, gate, v->channels, 1, 1, 1));
	assert_ok(nnopt_multiply_create(&l, ctx));
	v->node = connect(m, l, 2, (int32_t[]){ v->node, gate });
}

static void random_norm(nnopt_model *m, value *v)
{
	nnopt_layer *l = NULL;
	switch (pick(6)) {
	case 0:
		v->node = bare_norm(m, v->node, pick(2), pick(2));
		return;
	case 1:
		assert_ok(nnopt_group_norm_create(&l, ctx, v->channels % 4 == 0 ? 4 : 1, NULL));
		v->node = connect(m, l, 1, &v->node);
		return;
	default:
		v->node = norm(m, v->node);
	}
}

static void random_activation(nnopt_model *m, value *v)
{
	static const plain_create plain_ones[] = { nnopt_relu_create,    nnopt_relu_create,      nnopt_relu_create,
						   nnopt_relu6_create,   nnopt_tanh_create,      nnopt_silu_create,
						   nnopt_sigmoid_create, nnopt_hard_swish_create };
	nnopt_layer *l = NULL;
	int kind = pick(10);
	if (kind < 8) {
		v->node = plain(m, plain_ones[kind], v->node);
		return;
	}
	assert_ok(kind == 8 ? nnopt_gelu_create(&l, ctx, pick(2)) : nnopt_leaky_relu_create(&l, ctx, 0.1f));
	v->node = connect(m, l, 1, &v->node);
}

static void random_drop(nnopt_model *m, value *v)
{
	nnopt_layer *l = NULL;
	float p = pick(3) == 0 ? 0.0f : 0.3f;
	int kind = pick(3);
	assert_ok(kind == 0   ? nnopt_dropout_create(&l, ctx, p)
		  : kind == 1 ? nnopt_dropout2d_create(&l, ctx, p)
			      : nnopt_stochastic_depth_create(&l, ctx, p));
	v->node = connect(m, l, 1, &v->node);
}

static bool random_layer(nnopt_model *m, value *v, const value *all, int count)
{
	int kind = pick(22);
	if (kind >= 20) {
		random_branches(m, v);
		return true;
	}
	if (kind < 6)
		return random_conv(m, v);
	if (kind < 8)
		return random_pool(m, v);
	if (kind < 10)
		return random_sum(m, v, all, count);
	if (kind < 11)
		return random_concat(m, v, all, count);
	if (kind < 14)
		random_norm(m, v);
	else if (kind < 18)
		random_activation(m, v);
	else if (kind < 19)
		random_drop(m, v);
	else
		random_gate(m, v);
	return true;
}

static void random_head(nnopt_model *m, int32_t node)
{
	nnopt_layer *l = NULL;
	bool narrow = pick(4) == 0; /* one channel: flatten changes no order */
	if (narrow)
		node = same_conv(m, node, 1, pick(2) ? 3 : 1);
	node = plain(m, nnopt_flatten_create, node);
	if (narrow || pick(4) == 0) {
		assert_ok(nnopt_batch_norm1d_create(&l, ctx, NULL));
		node = connect(m, l, 1, &node);
	}
	for (int i = pick(2); i < 2; i++) {
		assert_ok(nnopt_linear_create(&l, ctx, 9 + pick(40), NULL));
		node = connect(m, l, 1, &node);
		if (pick(2))
			node = plain(m, nnopt_relu_create, node);
	}
}

/* Mostly on larger pictures than the input. */
static void random_graph(nnopt_model *m)
{
	value all[LAYERS + 1] = { { NNOPT_INPUT_NODE, CHANNELS, SIDE } };
	int64_t channels = pick(2) ? 16 : 6, padding = pick(8);
	all[1] = (value){ padded_conv(m, NNOPT_INPUT_NODE, channels, 2, padding), channels, 4 + 2 * padding };
	for (int count = 2; count <= LAYERS;) {
		value v = all[count - 1];
		if (random_layer(m, &v, all, count))
			all[count++] = v;
	}
	if (pick(3) == 0)
		random_head(m, all[LAYERS].node);
}

/* The largest difference in parts of the largest value, or 1. */
static double worst(const float *a, const float *b, int64_t n)
{
	double largest = 1.0, difference = 0.0;
	for (int64_t i = 0; i < n && a != NULL; i++) {
		largest = fmax(largest, fabs((double)b[i]));
		double d = fabs((double)a[i] - (double)b[i]);
		difference = d <= difference ? difference : d; /* NaN too */
	}
	return difference / largest;
}

/* What two plans of one network make, how far apart it is at most, and its name. */
static double plans_apart(const nnopt_model *m, const result *a, const result *b, const char **what)
{
	const struct {
		const char *name;
		double apart;
	} all[] = { { "output", worst(a->output, b->output, a->outputs) },
		    { "input gradient", worst(a->input_gradient, b->input_gradient, a->inputs) },
		    { "gradient", worst(a->gradients, b->gradients, a->parameters) },
		    { "running statistic", worst(a->state, b->state, m->state_elements) } };
	double apart = 0.0;
	for (size_t i = 0; i < NNO_COUNT(all); i++)
		if (!(all[i].apart <= apart)) {
			apart = all[i].apart;
			*what = all[i].name;
		}
	return apart;
}

enum { TRAINED, TRAINED_FROM_INPUT, INFERRED, CONSTANT, KINDS };

static nnopt_plan *kind_plan(nnopt_model *m, int kind, int32_t fuse)
{
	if (kind != CONSTANT || !fuse)
		return make_plan(m, kind < INFERRED ? NNOPT_TRAINING : NNOPT_INFERENCE, fuse,
				 kind == TRAINED_FROM_INPUT);
	set_parameters(m);
	return make_constant_plan(m);
}

static result run_kind(nnopt_model *m, int kind, int32_t fuse)
{
	nnopt_plan *plan = kind_plan(m, kind, fuse);
	atomic_store(&m->step, 0); /* that the same is dropped */
	result r = run(m, plan, kind < INFERRED);
	nnopt_plan_destroy(plan);
	return r;
}

static double kind_apart(nnopt_model *m, int kind, const char **what)
{
	result a = run_kind(m, kind, 1), b = run_kind(m, kind, 0);
	double apart = plans_apart(m, &a, &b, what);
	free_result(&a);
	free_result(&b);
	return apart;
}

/* How far the last bits of its input and parameters move what an unfused plan makes. */
static double kind_noise(nnopt_model *m, int kind)
{
	const char *what;
	result a = run_kind(m, kind, 0);
	size = 1.0f + 0x1p-20f;
	result b = run_kind(m, kind, 0);
	size = 1.0f;
	double noise = plans_apart(m, &a, &b, &what);
	free_result(&a);
	free_result(&b);
	return noise;
}

static const char *const kinds[] = { "training", "training with the input's gradient", "inference", "constant" };

static void explain(nnopt_model *m, int kind)
{
	char text[8192];
	draw = 0;
	nnopt_plan *plan = kind_plan(m, kind, 1);
	(void)nnopt_plan_summary(plan, text, sizeof text, NULL);
	(void)fputs(text, stderr);
	nnopt_plan_destroy(plan);
}

/* One draw of values that agrees is enough: a ReLU or a maximum at its kink goes either way by rounding, but not in
 * every draw. Where small values are differences of large ones, more than NEAR is rounding too. */
static void check_kind(nnopt_model *m, int kind, uint32_t number)
{
	const char *what = "";
	double apart = 1.0;
	for (draw = 0; draw < DRAWS; draw++) {
		apart = kind_apart(m, kind, &what);
		if (apart <= NEAR || apart <= 32.0 * kind_noise(m, kind))
			return;
	}
	explain(m, kind);
	fail_msg("graph %u, %d samples, %s: %s %g apart", (unsigned)number, (int)samples, kinds[kind], what, apart);
}

static double results_away(const result *a, const result *b)
{
	double away = distance(a->output, b->output, a->outputs);
	away = fmax(away, distance(a->input_gradient, b->input_gradient, a->inputs));
	return fmax(away, distance(a->gradients, b->gradients, a->parameters));
}

/* Fused bf16 is not much further from f32 than bf16 without, in one draw at least. */
static void check_narrow(nnopt_model *m, int kind, uint32_t number)
{
	double fused = 0.0, otherwise = 0.0;
	for (draw = 0; draw < 2 * DRAWS; draw++) {
		result whole = run_kind(m, kind, 0);
		precision = NNOPT_PRECISION_BF16;
		result a = run_kind(m, kind, 1), b = run_kind(m, kind, 0);
		precision = NNOPT_PRECISION_F32;
		fused = results_away(&a, &whole);
		otherwise = results_away(&b, &whole);
		free_result(&whole);
		free_result(&a);
		free_result(&b);
		if (fused <= 3.0 * otherwise + 0.02)
			return;
	}
	precision = NNOPT_PRECISION_BF16;
	explain(m, kind);
	fail_msg("graph %u, %d samples, %s: bf16 %g off fused, %g otherwise", (unsigned)number, (int)samples,
		 kinds[kind], fused, otherwise);
}

/* A layer's result and gradient in an inference plan that watches it. */
static result run_watched(nnopt_model *m, const char *name, int32_t fuse)
{
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	nnopt_tensor *x = NULL;
	const nnopt_tensor *y = NULL;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = samples;
	o.fuse = fuse;
	o.watch = name;
	assert_ok(nnopt_plan_create(&plan, m, &o));
	set_parameters(m);
	assert_ok(nnopt_tensor_create(&x, ctx, NNOPT_F32, 4, (int64_t[]){ samples, CHANNELS, SIDE, SIDE }, NNOPT_NHWC));
	fill(nnopt_tensor_data(x), samples * CHANNELS * SIDE * SIDE, 5);
	assert_ok(nnopt_plan_forward(plan, x, &y));
	nnopt_tensor *gradient = nnopt_plan_output_gradient(plan);
	fill(nnopt_tensor_data(gradient), nnopt_tensor_count(y), 9);
	assert_ok(nnopt_plan_backward(plan, 0));
	const nnopt_tensor *seen = nnopt_plan_watched(plan);
	result r = { .outputs = nnopt_tensor_count(seen) };
	r.output = copy(nnopt_tensor_const_data(seen), r.outputs);
	r.gradients = copy(nnopt_tensor_const_data(nnopt_plan_watched_gradient(plan)), r.outputs);
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	return r;
}

static void check_watched(nnopt_model *m, uint32_t number)
{
	const char *name = m->nodes[pick(m->n_nodes - 1)].name;
	double apart = 1.0;
	for (draw = 0; draw < DRAWS && apart > NEAR; draw++) {
		result a = run_watched(m, name, 1), b = run_watched(m, name, 0);
		apart = fmax(worst(a.output, b.output, a.outputs), worst(a.gradients, b.gradients, a.outputs));
		free_result(&a);
		free_result(&b);
	}
	if (apart > NEAR)
		fail_msg("graph %u, %d samples: '%s' is %g apart", (unsigned)number, (int)samples, name, apart);
}

/* Also of what is drawn: how many samples, and what is frozen. */
static nnopt_model *graph_model(uint32_t number)
{
	static const char *const frozen[] = { "conv2d1.", "batch_norm", "conv2d" };
	subject s = { .name = "random", .build = random_graph };
	pick_anew(number);
	nnopt_model *m = make_model(&s);
	samples = 1 + pick(4) * 5;
	if (pick(4) == 0)
		assert_ok(nnopt_model_set_trainable(m, frozen[pick(3)], 0, NULL));
	return m;
}

static void fused_and_unfused_agree(void **state)
{
	(void)state;
	for (uint32_t k = pick_from; k < pick_until; k++) {
		nnopt_model *m = graph_model(k);
		for (int kind = 0; kind < KINDS; kind++) {
			check_kind(m, kind, k);
			check_narrow(m, kind, k);
		}
		check_watched(m, k);
		draw = 0;
		nnopt_model_destroy(m);
	}
}

static result trained_on(int32_t threads, uint32_t number)
{
	nnopt_context_options o;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.threads = threads;
	assert_ok(nnopt_context_create(&ctx, &o));
	nnopt_model *m = graph_model(number);
	result r = run_kind(m, TRAINED_FROM_INPUT, 1);
	nnopt_model_destroy(m);
	nnopt_context_destroy(ctx);
	return r;
}

static void the_same_bits_from_any_threads(void **state)
{
	(void)state;
	nnopt_context *first = ctx;
	for (uint32_t k = pick_from; k < pick_until; k++) {
		precision = k % 3 == 0 ? NNOPT_PRECISION_BF16 : NNOPT_PRECISION_F32;
		result a = trained_on(1, k), b = trained_on(3, k);
		assert_memory_equal(a.output, b.output, (size_t)a.outputs * sizeof(float));
		assert_memory_equal(a.input_gradient, b.input_gradient, (size_t)a.inputs * sizeof(float));
		assert_memory_equal(a.gradients, b.gradients, (size_t)a.parameters * sizeof(float));
		free_result(&a);
		free_result(&b);
	}
	precision = NNOPT_PRECISION_F32;
	ctx = first;
}

/* Weights, running statistics, and a network that computes the same. */
static void a_file_holds_all(void **state)
{
	(void)state;
	for (uint32_t k = pick_from; k < pick_until; k++) {
		nnopt_model *m = graph_model(k), *loaded = NULL;
		result a = run_kind(m, INFERRED, 1);
		assert_ok(nnopt_model_save(m, PATH));
		assert_ok(nnopt_model_load(&loaded, ctx, PATH));
		assert_int_equal(loaded->n_params, m->n_params);
		for (int i = 0; i < m->n_params; i++) {
			const nno_param *was = &m->params[i], *is = &loaded->params[i];
			assert_string_equal(is->name, was->name);
			assert_memory_equal(nno_param_data(loaded, is), nno_param_data(m, was),
					    (size_t)was->count * sizeof(float));
		}
		result b = run_kind(loaded, INFERRED, 1);
		assert_memory_equal(a.output, b.output, (size_t)a.outputs * sizeof(float));
		free_result(&a);
		free_result(&b);
		nnopt_model_destroy(loaded);
		nnopt_model_destroy(m);
	}
	(void)remove(PATH);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fused_and_unfused_agree),
		cmocka_unit_test(a_file_holds_all),
		cmocka_unit_test(the_same_bits_from_any_threads),
	};
	gain = 0.3f;
	pick_range(argc, argv, 300);
	return cmocka_run_group_tests(tests, setup, teardown);
}
