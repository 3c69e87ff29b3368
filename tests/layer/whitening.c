/* whitening.c - first values that depend on images, against the code of airbench in PyTorch, and dirac ones against
 * torch.nn.init (tests/golden/make_init.py). */
#include "check.h"
#include "golden.h"

#include <math.h>
#include <stdbool.h>

#include "golden/init.inc"

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

typedef struct conv_case {
	int64_t out, in, kernel_h, kernel_w, groups;
	int32_t init;
} conv_case;

static nnopt_model *model_of(nnopt_context *context, const conv_case *c)
{
	nnopt_model *m = NULL;
	nnopt_conv2d_options o;
	assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
	o.kernel_w = c->kernel_w;
	o.groups = c->groups;
	o.weight_init = c->init;
	assert_ok(nnopt_model_create(&m, context));
	assert_ok(nnopt_add_conv2d(m, c->out, c->kernel_h, &o));
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ c->in, 8, 8 }));
	return m;
}

/* The weight in PyTorch's order. */
static nnopt_tensor *weight_of(nnopt_model *m, const conv_case *c)
{
	nnopt_tensor *t = NULL;
	const int64_t shape[4] = { c->out, c->in / c->groups, c->kernel_h, c->kernel_w };
	assert_ok(nnopt_tensor_create(&t, nnopt_model_context(m), NNOPT_F32, 4, shape, NNOPT_NCHW));
	assert_ok(nnopt_model_get_parameter(m, 0, t));
	return t;
}

/* images() of make_init.py. */
static nnopt_tensor *images_of(nnopt_context *context, const int64_t shape[4], nnopt_layout layout)
{
	nnopt_tensor *plain = NULL, *t = NULL;
	assert_ok(nnopt_tensor_create(&plain, context, NNOPT_F32, 4, shape, NNOPT_NCHW));
	float *x = nnopt_tensor_data(plain);
	static const double scale[] = { 0.25, 0.125, 0.0625 };
	double sum = 0.0;
	for (int64_t i = 0; i < nnopt_tensor_count(plain); i++) {
		int64_t channel = i / (shape[2] * shape[3]) % shape[1];
		sum = i % shape[3] == 0 ? 0.0 : sum;
		sum += (double)number(1, (uint32_t)i) * scale[channel];
		x[i] = (float)((double)(float)sum + 0.5);
	}
	assert_ok(nnopt_tensor_create(&t, context, NNOPT_F32, 4, shape, layout));
	assert_ok(nnopt_tensor_copy(t, plain));
	nnopt_tensor_destroy(plain);
	return t;
}

static const conv_case square = { 24, 3, 2, 2, 1, 0 };
static const int64_t square_images[4] = { 7, 3, 9, 8 };

static void whitening_equals_airbench(void **state)
{
	(void)state;
	static const struct {
		conv_case conv;
		int64_t images[4];
		double epsilon;
		const float *wanted;
	} cases[] = { { { 24, 3, 2, 2, 1, 0 }, { 7, 3, 9, 8 }, 5e-4, whitening_2x2 },
		      { { 24, 2, 3, 2, 1, 0 }, { 4, 2, 8, 9 }, 0.01, whitening_3x2 } };
	double worst = 0.0;
	for (size_t k = 0; k < 2 * sizeof cases / sizeof *cases; k++) {
		const conv_case *c = &cases[k / 2].conv;
		nnopt_model *m = model_of(ctx, c);
		nnopt_tensor *images = images_of(ctx, cases[k / 2].images, k % 2 ? NNOPT_NHWC : NNOPT_NCHW);
		assert_ok(nnopt_model_initialise_whitening(m, 0, images, cases[k / 2].epsilon));
		nnopt_tensor *weight = weight_of(m, c);
		const float *w = nnopt_tensor_const_data(weight);
		for (int64_t i = 0; i < nnopt_tensor_count(weight); i++) {
			double wanted = (double)cases[k / 2].wanted[i], off = fabs((double)w[i] - wanted);
			worst = fmax(worst, off / (1.0 + fabs(wanted)));
			if (!(off <= 1e-5 * (1.0 + fabs(wanted))))
				fail_msg("case %d: weight[%d] is %g, %g wanted", (int)k, (int)i, (double)w[i], wanted);
		}
		nnopt_tensor_destroy(weight);
		nnopt_tensor_destroy(images);
		nnopt_model_destroy(m);
	}
	print_message("largest relative deviation %.2g\n", worst);
}

/* The leading ones where there are fewer, and the bias stays. */
static void fewer_filters_are_the_first(void **state)
{
	(void)state;
	const conv_case c = { 10, 3, 2, 2, 1, 0 };
	nnopt_model *m = model_of(ctx, &c);
	nnopt_model_blocks b = { .struct_size = sizeof b };
	nnopt_parameter_info info = { .struct_size = sizeof info };
	nnopt_tensor *images = images_of(ctx, square_images, NNOPT_NCHW);
	assert_ok(nnopt_model_get_blocks(m, &b));
	assert_ok(nnopt_model_parameter_info(m, 1, &info));
	float bias = b.parameters[info.block_offset];
	assert_ok(nnopt_model_initialise_whitening(m, 0, images, 5e-4));
	nnopt_tensor *weight = weight_of(m, &c);
	const float *w = nnopt_tensor_const_data(weight);
	for (int64_t i = 0; i < 5 * 12; i++)
		assert_true(fabsf(w[i] - whitening_2x2[i]) <= 1e-5f * (1.0f + fabsf(w[i])) && w[5 * 12 + i] == -w[i]);
	assert_true(b.parameters[info.block_offset] == bias);
	nnopt_tensor_destroy(weight);
	nnopt_tensor_destroy(images);
	nnopt_model_destroy(m);
}

static void threads_give_equal_bits(void **state)
{
	(void)state;
	nnopt_tensor *weights[3] = { NULL };
	for (int threads = 1; threads <= 3; threads++) {
		nnopt_context_options o;
		nnopt_context *context = NULL;
		assert_ok(nnopt_context_options_init(&o, sizeof o));
		o.threads = threads;
		assert_ok(nnopt_context_create(&context, &o));
		nnopt_model *m = model_of(context, &square);
		nnopt_tensor *images =
		    images_of(context, (int64_t[]){ 100, 3, 9, 8 }, threads == 2 ? NNOPT_NHWC : NNOPT_NCHW);
		assert_ok(nnopt_model_initialise_whitening(m, 0, images, 5e-4));
		weights[threads - 1] = weight_of(m, &square);
		nnopt_tensor_destroy(images);
		nnopt_model_destroy(m);
		nnopt_context_destroy(context);
		assert_memory_equal(nnopt_tensor_const_data(weights[0]), nnopt_tensor_const_data(weights[threads - 1]),
				    nnopt_tensor_bytes(weights[0]));
	}
	for (int i = 0; i < 3; i++)
		nnopt_tensor_destroy(weights[i]);
}

static void expect_refused(const conv_case *c, const int64_t shape[4], nnopt_status status, const char *words)
{
	nnopt_model *m = model_of(ctx, c);
	nnopt_tensor *images = images_of(ctx, shape, NNOPT_NCHW), *before = weight_of(m, c), *after;
	assert_fails(status, words, nnopt_model_initialise_whitening(m, 0, images, 5e-4));
	after = weight_of(m, c);
	assert_memory_equal(nnopt_tensor_const_data(before), nnopt_tensor_const_data(after),
			    nnopt_tensor_bytes(before));
	nnopt_tensor_destroy(after);
	nnopt_tensor_destroy(before);
	nnopt_tensor_destroy(images);
	nnopt_model_destroy(m);
}

static void whitening_refuses(void **state)
{
	(void)state;
	const nnopt_status bad = NNOPT_ERROR_INVALID_ARGUMENT;
	expect_refused(&(conv_case){ 26, 3, 2, 2, 1, 0 }, square_images, bad, "26 filters, an even number, at most 24");
	expect_refused(&(conv_case){ 23, 3, 2, 2, 1, 0 }, square_images, bad, "23 filters");
	expect_refused(&(conv_case){ 6, 3, 2, 2, 3, 0 }, square_images, bad, "with groups");
	expect_refused(&(conv_case){ 4, 9, 8, 8, 1, 0 }, (int64_t[]){ 1, 3, 8, 8 }, NNOPT_ERROR_UNSUPPORTED,
		       "patches of 576 values");
	expect_refused(&square, (int64_t[]){ 7, 2, 9, 8 }, bad, "of 3 channels and at least 2x2 pixels");
	expect_refused(&square, (int64_t[]){ 7, 3, 9, 1 }, bad, "(7, 3, 9, 1)");
	nnopt_model *m = model_of(ctx, &square), *empty = NULL;
	nnopt_tensor *images = images_of(ctx, square_images, NNOPT_NCHW), *bytes = NULL;
	assert_ok(nnopt_tensor_create(&bytes, ctx, NNOPT_U8, 4, square_images, NNOPT_NCHW));
	assert_ok(nnopt_model_create(&empty, ctx));
	assert_fails(bad, "model is NULL", nnopt_model_initialise_whitening(NULL, 0, images, 5e-4));
	assert_fails(bad, "images is NULL", nnopt_model_initialise_whitening(m, 0, NULL, 5e-4));
	assert_fails(bad, "index 2", nnopt_model_initialise_whitening(m, 2, images, 5e-4));
	assert_fails(bad, "no weight of a convolution", nnopt_model_initialise_whitening(m, 1, images, 5e-4));
	assert_fails(bad, "epsilon 0", nnopt_model_initialise_whitening(m, 0, images, 0.0));
	assert_fails(bad, "u8", nnopt_model_initialise_whitening(m, 0, bytes, 5e-4));
	assert_fails(NNOPT_ERROR_STATE, "not built", nnopt_model_initialise_whitening(empty, 0, images, 5e-4));
	memset(nnopt_tensor_data(images), 0, nnopt_tensor_bytes(images)); /* all eigenvalues are 0 */
	assert_fails(bad, "epsilon 1e-80 a filter is beyond", nnopt_model_initialise_whitening(m, 0, images, 1e-80));
	((float *)nnopt_tensor_data(images))[5] = NAN;
	assert_fails(bad, "not finite", nnopt_model_initialise_whitening(m, 0, images, 5e-4));
	nnopt_tensor_destroy(bytes);
	nnopt_tensor_destroy(images);
	nnopt_model_destroy(empty);
	nnopt_model_destroy(m);
}

static bool is_one(size_t k, int64_t i)
{
	for (int j = 0; j < diracs[k].count; j++)
		if (diracs[k].at[j] == i)
			return true;
	return false;
}

/* Filters that pass a channel on are PyTorch's; the others have the values that they would have by default. */
static void diracs_equal_pytorch(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof diracs / sizeof *diracs; k++) {
		conv_case c = { diracs[k].out,      diracs[k].in,     diracs[k].kernel_h,
				diracs[k].kernel_w, diracs[k].groups, NNOPT_INIT_DIRAC };
		nnopt_model *m = model_of(ctx, &c);
		nnopt_tensor *weight = weight_of(m, &c);
		c.init = NNOPT_INIT_DEFAULT;
		nnopt_model *plain = model_of(ctx, &c);
		nnopt_tensor *others = weight_of(plain, &c);
		const float *w = nnopt_tensor_const_data(weight), *other = nnopt_tensor_const_data(others);
		int64_t size = c.in / c.groups * c.kernel_h * c.kernel_w;
		for (int64_t o = 0; o < c.out; o++) {
			bool passing = false;
			for (int64_t i = o * size; i < (o + 1) * size; i++)
				passing = passing || is_one(k, i);
			for (int64_t i = o * size; i < (o + 1) * size; i++)
				assert_true(w[i] == (passing ? (float)is_one(k, i) : other[i]));
		}
		nnopt_tensor_destroy(others);
		nnopt_tensor_destroy(weight);
		nnopt_model_destroy(plain);
		nnopt_model_destroy(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whitening_equals_airbench), cmocka_unit_test(fewer_filters_are_the_first),
		cmocka_unit_test(threads_give_equal_bits),   cmocka_unit_test(whitening_refuses),
		cmocka_unit_test(diracs_equal_pytorch),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
