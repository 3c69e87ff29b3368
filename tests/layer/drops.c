/* drops.c - dropout of elements, channels, blocks and samples. What is random has no golden values: the rates, the
 * scale, the form of what is dropped, independence, and on what the mask depends. */
#include "isas.h"

#include <math.h>
#include <stdbool.h>

enum { N = 24, C = 21, H = 19, W = 16, PIXELS = H * W, SAMPLE = C * PIXELS, COUNT = N * SAMPLE, BLOCK = 5 };

typedef enum kind { ELEMENTS, CHANNELS, BLOCKS, SAMPLES, KINDS } kind;

static const char *const names[KINDS] = { "dropout", "dropout2d", "drop_block", "stochastic_depth" };

typedef struct net {
	nnopt_context *context;
	nnopt_model *model;
	nnopt_plan *plan;
	nnopt_tensor *x;
} net;

static nnopt_status add(nnopt_model *m, kind k, float p)
{
	return k == ELEMENTS   ? nnopt_add_dropout(m, p)
	       : k == CHANNELS ? nnopt_add_dropout2d(m, p)
	       : k == BLOCKS   ? nnopt_add_drop_block(m, BLOCK, p)
			       : nnopt_add_stochastic_depth(m, p);
}

static net make_net(kind k, int isa, int threads, uint64_t seed, float p, int mode, int layers)
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
	for (int i = 0; i < layers; i++)
		assert_ok(add(n.model, k, p));
	assert_ok(nnopt_plan_options_init(&plan, sizeof plan));
	plan.batch = N;
	plan.mode = mode;
	plan.input_gradient = mode == NNOPT_TRAINING;
	plan.rank = 3;
	memcpy(plan.shape, (int64_t[]){ C, H, W }, 3 * sizeof(int64_t));
	assert_ok(nnopt_plan_create(&n.plan, n.model, &plan));
	assert_ok(nnopt_tensor_create(&n.x, n.context, NNOPT_F32, 4, (int64_t[]){ N, C, H, W }, NNOPT_NHWC));
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

/* Runs training step `step`; the mask (0 or the scale) lands in `mask`, which is (N, H, W, C). */
static void mask_of(net *n, uint64_t step, float *mask)
{
	const nnopt_tensor *y = NULL;
	assert_ok(nnopt_model_set_step(n->model, step));
	assert_ok(nnopt_plan_forward(n->plan, n->x, &y));
	memcpy(mask, nnopt_tensor_const_data(y), nnopt_tensor_bytes(y));
}

static float one[COUNT], other[COUNT];

/* Binomial(n, p): five standard deviations allowed. */
static void expect_count(const char *what, int64_t got, double n, double p)
{
	if (!(fabs((double)got - n * p) <= 5.0 * sqrt(n * p * (1.0 - p))))
		fail_msg("%s: %lld of %g, %g wanted", what, (long long)got, n, n * p);
}

static void elements_go_alone(void **state)
{
	(void)state;
	static const float rates[] = { 0.1f, 0.25f, 0.5f, 0.9f };
	for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
		net n = make_net(ELEMENTS, NNOPT_ISA_BEST, 1, 3, rates[r], NNOPT_TRAINING, 1);
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
	/* Two layers one after the other, too. */
	net n = make_net(ELEMENTS, NNOPT_ISA_BEST, 1, 3, 0.5f, NNOPT_TRAINING, 2);
	int64_t count = 0;
	mask_of(&n, 10, one);
	for (int64_t i = 0; i < COUNT; i++)
		count += one[i] == 4.0f;
	expect_count("kept by both", count, COUNT, 0.25);
	free_net(&n);
}

static void channels_go_as_a_whole(void **state)
{
	(void)state;
	net n = make_net(CHANNELS, NNOPT_ISA_BEST, 1, 3, 0.25f, NNOPT_TRAINING, 1);
	int64_t kept = 0, both = 0, steps = 40;
	for (int64_t s = 0; s < steps; s++) {
		mask_of(&n, (uint64_t)s, one);
		for (int64_t i = 0; i < COUNT; i++) {
			int64_t sample = i / SAMPLE, c = i % C;
			assert_true(one[i] == 0.0f || one[i] == 1.0f / 0.75f);
			assert_true(one[i] == one[sample * SAMPLE + c]);
		}
		for (int64_t i = 0; i < N * C; i++) {
			bool here = one[i / C * SAMPLE + i % C] > 0.0f;
			kept += here;
			both += i > 0 && here && one[(i - 1) / C * SAMPLE + (i - 1) % C] > 0.0f;
		}
	}
	expect_count("channels kept", kept, (double)(steps * N * C), 0.75);
	expect_count("kept with the one before", both, (double)(steps * (N * C - 1)), 0.75 * 0.75);
	free_net(&n);
}

static void samples_go_as_a_whole(void **state)
{
	(void)state;
	net n = make_net(SAMPLES, NNOPT_ISA_BEST, 1, 3, 0.25f, NNOPT_TRAINING, 1);
	int64_t kept = 0, both = 0, steps = 200;
	for (int64_t s = 0; s < steps; s++) {
		mask_of(&n, (uint64_t)s, one);
		for (int64_t i = 0; i < COUNT; i++)
			assert_true(one[i] == one[i / SAMPLE * SAMPLE] && (one[i] == 0.0f || one[i] == 1.0f / 0.75f));
		for (int64_t i = 0; i < N; i++) {
			kept += one[i * SAMPLE] > 0.0f;
			both += i > 0 && one[i * SAMPLE] > 0.0f && one[(i - 1) * SAMPLE] > 0.0f;
		}
	}
	expect_count("samples kept", kept, (double)(steps * N), 0.75);
	expect_count("kept with the one before", both, (double)(steps * (N - 1)), 0.75 * 0.75);
	free_net(&n);
}

static bool dropped(const float *mask, int64_t sample, int64_t c, int64_t y, int64_t x)
{
	return mask[(sample * PIXELS + y * W + x) * C + c] == 0.0f;
}

/* Whether the pixel is in a square of dropped ones. */
static bool is_in_block(const float *mask, int64_t sample, int64_t c, int64_t y, int64_t x)
{
	for (int64_t top = y - BLOCK + 1; top <= y; top++)
		for (int64_t left = x - BLOCK + 1; left <= x; left++) {
			bool all = top >= 0 && left >= 0 && top + BLOCK <= H && left + BLOCK <= W;
			for (int64_t i = 0; all && i < BLOCK * BLOCK; i++)
				all = dropped(mask, sample, c, top + i / BLOCK, left + i % BLOCK);
			if (all)
				return true;
		}
	return false;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Places at which a block may begin and cover position `at` of an axis. */
static int64_t covering(int64_t at, int64_t extent)
{
	int64_t from = at - BLOCK + 1 > 0 ? at - BLOCK + 1 : 0;
	return least(at, extent - BLOCK) - from + 1;
}

/* A pixel is kept when no block begins at any place that covers it. */
static double expected_share(double p)
{
	double places = (double)((H - BLOCK + 1) * (W - BLOCK + 1)), sum = 0.0;
	double gamma = p / (BLOCK * BLOCK) * PIXELS / places;
	for (int64_t y = 0; y < H; y++)
		for (int64_t x = 0; x < W; x++)
			sum += 1.0 - pow(1.0 - gamma, (double)(covering(y, H) * covering(x, W)));
	return sum / PIXELS;
}

static void blocks_go_as_squares(void **state)
{
	(void)state;
	static const float rates[] = { 0.02f, 0.1f, 0.4f };
	for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
		net n = make_net(BLOCKS, NNOPT_ISA_BEST, 1, 3, rates[r], NNOPT_TRAINING, 1);
		int64_t gone = 0;
		mask_of(&n, 7, one);
		for (int64_t s = 0; s < N; s++) {
			int64_t kept = 0;
			float scale = 0.0f;
			for (int64_t i = s * SAMPLE; i < (s + 1) * SAMPLE; i++) {
				kept += one[i] > 0.0f;
				scale = one[i] > 0.0f ? one[i] : scale;
			}
			gone += SAMPLE - kept;
			assert_true(fabs((double)scale * (double)kept / SAMPLE - 1.0) < 1e-6);
			for (int64_t i = 0; i < SAMPLE; i++) {
				int64_t c = i % C, y = i / C / W, x = i / C % W;
				float v = one[s * SAMPLE + i];
				assert_true(v == scale || (v == 0.0f && is_in_block(one, s, c, y, x)));
			}
		}
		/* Pixels of a block go together: there are about so many fewer independent ones. */
		double share = expected_share((double)rates[r]), n_free = (double)COUNT / (BLOCK * BLOCK);
		assert_true(fabs((double)gone / COUNT - share) <= 5.0 * sqrt(share * (1.0 - share) / n_free));
		/* The paper's rate aims at p; blocks that share pixels keep it a little below. */
		assert_true(share <= (double)rates[r] && share >= 0.75 * (double)rates[r]);
		free_net(&n);
	}
}

static void blocks_as_large_as_the_picture(void **state)
{
	(void)state;
	net n = make_net(BLOCKS, NNOPT_ISA_BEST, 1, 3, 0.999f, NNOPT_TRAINING, 1);
	mask_of(&n, 7, one);
	for (int64_t i = 0; i < COUNT; i++)
		assert_true(isfinite(one[i]));
	free_net(&n);
}

static void backward_uses_the_same_mask(void **state)
{
	(void)state;
	for (kind k = ELEMENTS; k < KINDS; k++) {
		net n = make_net(k, NNOPT_ISA_BEST, 2, 3, 0.3f, NNOPT_TRAINING, 1);
		mask_of(&n, 4, one);
		float *g = nnopt_tensor_data(nnopt_plan_output_gradient(n.plan));
		for (int64_t i = 0; i < COUNT; i++)
			g[i] = (float)(i % 13) - 6.0f;
		assert_ok(nnopt_plan_backward(n.plan, 0));
		const float *dx = nnopt_tensor_const_data(nnopt_plan_input_gradient(n.plan));
		for (int64_t i = 0; i < COUNT; i++)
			assert_true(dx[i] == ((float)(i % 13) - 6.0f) * one[i]);
		free_net(&n);
	}
}

static void expect_mask(kind k, int isa, int threads, uint64_t seed, bool same)
{
	net n = make_net(k, isa, threads, seed, 0.4f, NNOPT_TRAINING, 1);
	mask_of(&n, 9, other);
	if ((memcmp(one, other, sizeof one) == 0) != same)
		fail_msg("%s: ISA %d, %d threads, seed %d: %s mask", names[k], isa, threads, (int)seed,
			 same ? "another" : "the same");
	free_net(&n);
}

/* Of the seed and the step, and not of threads, ISA or how often it ran before. */
static void mask_is_a_function_of_seed_and_step(void **state)
{
	(void)state;
	for (kind k = ELEMENTS; k < KINDS; k++) {
		net first = make_net(k, NNOPT_ISA_BEST, 1, 3, 0.4f, NNOPT_TRAINING, 1);
		mask_of(&first, 9, one);
		mask_of(&first, 10, other);
		assert_true(memcmp(one, other, sizeof one) != 0);
		mask_of(&first, 9, other);
		assert_memory_equal(one, other, sizeof one);
		assert_int_equal(nnopt_model_step(first.model), 10);
		free_net(&first);
		for (int isa = 1; isa <= ISAS; isa++)
			if (has_isa(isa))
				expect_mask(k, isa, isa + 1, 3, true);
		expect_mask(k, NNOPT_ISA_BEST, 1, 4, false);
	}
}

/* A sample's mask does not depend on how many others there are. */
static void smaller_batches_keep_their_masks(void **state)
{
	(void)state;
	for (kind k = ELEMENTS; k < KINDS; k++) {
		net n = make_net(k, NNOPT_ISA_BEST, 2, 3, 0.5f, NNOPT_TRAINING, 1);
		mask_of(&n, 9, one);
		nnopt_tensor *part = NULL;
		const nnopt_tensor *y = NULL;
		assert_ok(nnopt_tensor_view(&part, n.x, 0, 7));
		assert_ok(nnopt_model_set_step(n.model, 9));
		assert_ok(nnopt_plan_forward(n.plan, part, &y));
		assert_memory_equal(one, nnopt_tensor_const_data(y), nnopt_tensor_bytes(y));
		nnopt_tensor_destroy(part);
		free_net(&n);
	}
}

static void two_layers_have_their_own_masks(void **state)
{
	(void)state;
	for (kind k = ELEMENTS; k < KINDS; k++) {
		net n = make_net(k, NNOPT_ISA_BEST, 1, 3, 0.5f, NNOPT_TRAINING, 2);
		net single = make_net(k, NNOPT_ISA_BEST, 1, 3, 0.5f, NNOPT_TRAINING, 1);
		mask_of(&n, 9, one);
		mask_of(&single, 9, other);
		bool second = false;
		for (int64_t i = 0; i < COUNT; i++) {
			assert_true(other[i] != 0.0f || one[i] == 0.0f);
			second = second || (other[i] != 0.0f && one[i] == 0.0f);
		}
		assert_true(second);
		free_net(&single);
		free_net(&n);
	}
}

static void inference_is_identity(void **state)
{
	(void)state;
	for (kind k = ELEMENTS; k < KINDS; k++) {
		net n = make_net(k, NNOPT_ISA_BEST, 1, 3, 0.5f, NNOPT_INFERENCE, 1);
		const nnopt_tensor *y = NULL;
		float *x = nnopt_tensor_data(n.x);
		for (int64_t i = 0; i < COUNT; i++)
			x[i] = (float)i;
		assert_ok(nnopt_plan_forward(n.plan, n.x, &y));
		assert_memory_equal(x, nnopt_tensor_const_data(y), sizeof one);
		assert_int_equal(nnopt_model_step(n.model), 0);
		free_net(&n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_go_alone),
		cmocka_unit_test(channels_go_as_a_whole),
		cmocka_unit_test(samples_go_as_a_whole),
		cmocka_unit_test(blocks_go_as_squares),
		cmocka_unit_test(blocks_as_large_as_the_picture),
		cmocka_unit_test(backward_uses_the_same_mask),
		cmocka_unit_test(mask_is_a_function_of_seed_and_step),
		cmocka_unit_test(smaller_batches_keep_their_masks),
		cmocka_unit_test(two_layers_have_their_own_masks),
		cmocka_unit_test(inference_is_identity),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
