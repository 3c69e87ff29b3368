/* conv_exact.c - the three passes of a convolution against a loop over its definition, on small integers, where every
 * order of sums gives the same bits; and on fractions the same bits from any number of threads. */
#include "trial.h"

typedef struct config {
	nno_conv_attr a;
	nno_shape in, out;
	int64_t more_h, more_w; /* zeros behind the last pixel, beyond those before the first */
	int64_t batch, n;
	const nno_op_class *cls;
	bool add, bias_frozen, weight_frozen, no_dsrc;
} config;

static int64_t choose_channels(dice *d)
{
	static const int64_t widths[] = { 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 65 };
	return widths[roll(d) % NNO_COUNT(widths)];
}

static int64_t extent_out(int64_t in, int64_t pad, int64_t dilation, int64_t kernel, int64_t stride)
{
	return (in + pad - dilation * (kernel - 1) - 1) / stride + 1;
}

static nno_shape shape_out(const config *c, int64_t channels)
{
	const nno_conv_attr *a = &c->a;
	int64_t pad_h = 2 * a->pad_h + c->more_h, pad_w = 2 * a->pad_w + c->more_w;
	return (nno_shape){ extent_out(c->in.h, pad_h, a->dilation_h, a->kernel_h, a->stride_h),
			    extent_out(c->in.w, pad_w, a->dilation_w, a->kernel_w, a->stride_w), channels };
}

/* The smallest input on which the kernel fits, and up to `more` beyond. */
static int64_t choose_extent(dice *d, int64_t pad, int64_t dilation, int64_t kernel, int64_t more)
{
	int64_t least = dilation * (kernel - 1) + 1 - 2 * pad;
	return (least < 1 ? 1 : least) + between(d, 0, more);
}

static config random_config(dice *d, bool large)
{
	config c = { 0 };
	int64_t reach = large ? 2 : 3, kernel = large ? 3 : 5;
	c.a = (nno_conv_attr){
		.kernel_h = between(d, 1, kernel),
		.kernel_w = between(d, 1, kernel),
		.stride_h = between(d, 1, reach + 1),
		.stride_w = between(d, 1, reach + 1),
		.pad_h = between(d, 0, reach),
		.pad_w = between(d, 0, reach),
		.dilation_h = between(d, 1, reach),
		.dilation_w = between(d, 1, reach),
		.groups = 1,
		.bias = roll(d) % 2,
		.activation = roll(d) % 2 ? NNO_ACT_RELU : NNO_ACT_NONE,
	};
	c.in.c = choose_channels(d);
	c.out.c = choose_channels(d);
	switch (roll(d) % 4) {
	case 0: /* depthwise */
		c.a.groups = c.in.c;
		c.out.c = c.in.c * between(d, 1, 2);
		break;
	case 1:
		c.a.groups = between(d, 2, 4);
		c.in.c = c.a.groups * between(d, 1, 9);
		c.out.c = c.a.groups * between(d, 1, 18);
		break;
	default:
		break;
	}
	if (large) { /* rows enough for several bands */
		c.in.c = c.a.groups == 1 ? 65 : c.in.c;
		c.a.stride_h = c.a.stride_h > 2 ? 1 : c.a.stride_h;
	}
	c.in.h = choose_extent(d, c.a.pad_h, c.a.dilation_h, c.a.kernel_h, large ? 40 : 7);
	c.in.w = choose_extent(d, c.a.pad_w, c.a.dilation_w, c.a.kernel_w, large ? 40 : 7);
	c.more_h = roll(d) % 2 ? between(d, 0, 2) : 0;
	c.more_w = roll(d) % 2 ? between(d, 0, 2) : 0;
	c.out = shape_out(&c, c.out.c);
	c.n = large ? between(d, 1, 2) : between(d, 1, 5);
	c.batch = c.n + between(d, 0, 2);
	if (!large && roll(d) % 16 == 0) /* more images than chunks of the weight gradient */
		c.n = c.batch = 16 + between(d, 0, 20);
	c.cls = c.a.groups == 1 && !large && roll(d) % 2 ? &nno_op_conv_images : &nno_op_conv;
	if (c.a.groups == 1 && roll(d) % 8 == 0) {
		c.a.kernel_h = c.a.kernel_w = c.a.stride_h = c.a.stride_w = 1;
		c.a.pad_h = c.a.pad_w = 0;
		c.out.h = c.in.h;
		c.out.w = c.in.w;
		c.cls = &nno_op_conv_pointwise;
	}
	c.add = roll(d) % 2;
	c.weight_frozen = roll(d) % 8 == 0;
	c.bias_frozen = c.a.bias && roll(d) % 8 == 0;
	c.no_dsrc = roll(d) % 8 == 0;
	return c;
}

/* Each channel by itself: windows that have kernels of their own, every other time any. */
static config depthwise_config(dice *d, bool large)
{
	config c = random_config(d, large);
	c.cls = &nno_op_conv_depthwise;
	c.in.c = c.out.c = c.a.groups = c.in.c > 1 ? c.in.c : 2;
	if (roll(d) % 2) {
		int64_t kernel = roll(d) % 3 > 0 ? 3 : 5;
		c.a.kernel_h = c.a.kernel_w = kernel;
		c.a.dilation_h = c.a.dilation_w = 1;
		c.a.stride_h = c.a.stride_w = between(d, 1, 2);
		c.in.h = choose_extent(d, c.a.pad_h, 1, kernel, large ? 40 : 12);
		c.in.w = choose_extent(d, c.a.pad_w, 1, kernel, large ? 40 : 12);
		c.out = shape_out(&c, c.out.c);
	}
	return c;
}

/* Many results and images, so that weights are packed, gradients copied in strips, and several images share a product.
 */
static config wide_config(dice *d, bool large)
{
	config c = random_config(d, false);
	c.cls = roll(d) % 2 ? &nno_op_conv_images : &nno_op_conv;
	c.a.kernel_h = c.a.kernel_w = 3;
	c.a.groups = 1;
	c.in.c = between(d, 30, 40);
	c.out.c = between(d, 129, 200);
	c.in.h = choose_extent(d, c.a.pad_h, c.a.dilation_h, 3, 5);
	c.in.w = choose_extent(d, c.a.pad_w, c.a.dilation_w, 3, 5);
	c.out = shape_out(&c, c.out.c);
	c.n = large ? between(d, 250, 300) : between(d, 33, 50);
	c.batch = c.n + between(d, 0, 20);
	return c;
}

enum { SRC, WEIGHT, BIAS, DST, DDST, DSRC, DWEIGHT, DBIAS, BUFFERS };

typedef struct data {
	buffer b[BUFFERS];
} data;

static data make_data(const config *c, uint64_t seed, bool fractions)
{
	int64_t in = c->n * nno_shape_count(c->in), out = c->n * nno_shape_count(c->out);
	int64_t weights = c->a.kernel_h * c->a.kernel_w * (c->in.c / c->a.groups) * c->out.c;
	const int64_t counts[BUFFERS] = { in, weights, c->out.c, out, out, in, weights, c->out.c };
	data x;
	dice d = { seed };
	for (int i = 0; i < BUFFERS; i++) {
		x.b[i] = make_buffer(counts[i]);
		/* What is overwritten stays NaN; what is added to has a value. */
		if (i == DST || (i >= DSRC && !c->add))
			continue;
		if (fractions)
			fill_fractions(&d, &x.b[i]);
		else
			fill_integers(&d, &x.b[i]);
	}
	return x;
}

static void free_data(data *x)
{
	for (int i = 0; i < BUFFERS; i++)
		free_buffer(&x->b[i]);
}

static void run_library(const config *c, data *x, const nno_kernels *kernels, nno_pool *pool)
{
	trial t = { .op = { .cls = c->cls,
			    .n_in = 1,
			    .n_param = c->a.bias ? 2 : 1,
			    .in = { c->in },
			    .out = c->out,
			    .batch = c->batch,
			    .training = true,
			    .wants_dsrc = { !c->no_dsrc },
			    .wants_dparam = !(c->weight_frozen && (c->bias_frozen || !c->a.bias)) } };
	nno_conv_attr a = c->a;
	t.op.attr = &a;
	start_trial(&t, kernels, pool);
	t.run.n = c->n;
	t.run.src[0] = data_of(&x->b[SRC]);
	t.run.dst = data_of(&x->b[DST]);
	t.run.ddst = data_of(&x->b[DDST]);
	t.run.dsrc[0] = c->no_dsrc ? NULL : data_of(&x->b[DSRC]);
	t.run.dsrc_add[0] = c->add;
	t.run.param[0] = data_of(&x->b[WEIGHT]);
	t.run.param[1] = c->a.bias ? data_of(&x->b[BIAS]) : NULL;
	t.run.dparam[0] = c->weight_frozen ? NULL : data_of(&x->b[DWEIGHT]);
	t.run.dparam[1] = c->a.bias && !c->bias_frozen ? data_of(&x->b[DBIAS]) : NULL;
	t.run.dparam_add = c->add;
	run_trial(&t);
	stop_trial(&t);
}

typedef void (*visit)(const config *c, data *x, int64_t src, int64_t weight, int64_t dst);

/* The definition: visits every product of an input with a weight. */
static void each_product(const config *c, data *x, visit f)
{
	const nno_conv_attr *a = &c->a;
	int64_t depth = c->in.c / a->groups, out_depth = c->out.c / a->groups;
	for (int64_t i = 0; i < c->n; i++)
		for (int64_t y = 0; y < c->out.h; y++)
			for (int64_t z = 0; z < c->out.w; z++)
				for (int64_t ky = 0; ky < a->kernel_h; ky++)
					for (int64_t kx = 0; kx < a->kernel_w; kx++) {
						int64_t sy = y * a->stride_h - a->pad_h + ky * a->dilation_h;
						int64_t sx = z * a->stride_w - a->pad_w + kx * a->dilation_w;
						if (sy < 0 || sy >= c->in.h || sx < 0 || sx >= c->in.w)
							continue;
						for (int64_t k = 0; k < depth; k++)
							for (int64_t o = 0; o < c->out.c; o++)
								f(c, x,
								  ((i * c->in.h + sy) * c->in.w + sx) * c->in.c +
								      o / out_depth * depth + k,
								  ((ky * a->kernel_w + kx) * depth + k) * c->out.c + o,
								  ((i * c->out.h + y) * c->out.w + z) * c->out.c + o);
					}
}

static void forward_product(const config *c, data *x, int64_t src, int64_t weight, int64_t dst)
{
	(void)c;
	data_of(&x->b[DST])[dst] += data_of(&x->b[SRC])[src] * data_of(&x->b[WEIGHT])[weight];
}

static void backward_product(const config *c, data *x, int64_t src, int64_t weight, int64_t dst)
{
	(void)c;
	float g = data_of(&x->b[DDST])[dst];
	data_of(&x->b[DSRC])[src] += g * data_of(&x->b[WEIGHT])[weight];
	data_of(&x->b[DWEIGHT])[weight] += g * data_of(&x->b[SRC])[src];
}

static void run_definition(const config *c, data *x)
{
	float *dst = data_of(&x->b[DST]), *ddst = data_of(&x->b[DDST]);
	for (int i = DSRC; i < BUFFERS && !c->add; i++)
		memset(data_of(&x->b[i]), 0, (size_t)x->b[i].n * sizeof(float));
	for (int64_t i = 0; i < x->b[DST].n; i++)
		dst[i] = c->a.bias ? data_of(&x->b[BIAS])[i % c->out.c] : 0.0f;
	each_product(c, x, forward_product);
	for (int64_t i = 0; i < x->b[DST].n && c->a.activation == NNO_ACT_RELU; i++) {
		dst[i] = dst[i] > 0.0f ? dst[i] : 0.0f;
		ddst[i] = dst[i] > 0.0f ? ddst[i] : 0.0f;
	}
	each_product(c, x, backward_product);
	for (int64_t i = 0; i < x->b[DDST].n; i++)
		data_of(&x->b[DBIAS])[i % c->out.c] += ddst[i];
}

static void compare(const config *c, const data *got, const data *wanted, const char *isa, int number)
{
	static const char *const names[BUFFERS] = {
		"src", "weight", "bias", "dst", "ddst", "dsrc", "dweight", "dbias"
	};
	for (int b = 0; b < BUFFERS; b++) {
		if ((b == DSRC && c->no_dsrc) || (b == DWEIGHT && c->weight_frozen) ||
		    (b == DBIAS && (c->bias_frozen || !c->a.bias)))
			continue;
		for (int64_t i = 0; i < got->b[b].n; i++)
			if (!(data_of(&got->b[b])[i] == data_of(&wanted->b[b])[i]) && !(b == BIAS && !c->a.bias))
				fail_msg("%s, configuration %d (%dx%dx%d to %d, kernel %dx%d, stride %dx%d, pad %dx%d "
					 "(+%dx%d), "
					 "dilation %dx%d, groups "
					 "%d, batch %d): %s[%d] %g, %g wanted",
					 isa, number, (int)c->in.h, (int)c->in.w, (int)c->in.c, (int)c->out.c,
					 (int)c->a.kernel_h, (int)c->a.kernel_w, (int)c->a.stride_h, (int)c->a.stride_w,
					 (int)c->a.pad_h, (int)c->a.pad_w, (int)c->more_h, (int)c->more_w,
					 (int)c->a.dilation_h, (int)c->a.dilation_w, (int)c->a.groups, (int)c->n,
					 names[b], (int)i, (double)data_of(&got->b[b])[i],
					 (double)data_of(&wanted->b[b])[i]);
	}
}

typedef config (*choose)(dice *d, bool large);

static void check_exact(int number, choose any, bool large)
{
	dice d = { 77 + (uint64_t)number };
	config c = any(&d, large);
	data wanted = make_data(&c, 1, false);
	run_definition(&c, &wanted);
	for (int isa = 1; isa <= NNOPT_ISA_NEON; isa++) {
		const nno_kernels *kernels = nno_kernels_of(isa);
		if (kernels == NULL)
			continue;
		data got = make_data(&c, 1, false);
		run_library(&c, &got, kernels, pools[(number + isa) % POOLS]);
		compare(&c, &got, &wanted, kernels->isa, number);
		free_data(&got);
	}
	free_data(&wanted);
}

static void small_integers_are_exact(void **state)
{
	(void)state;
	for (int i = 0; i < 400; i++)
		check_exact(i, random_config, false);
}

static void large_pictures_are_exact(void **state)
{
	(void)state;
	for (int i = 1000; i < 1012; i++)
		check_exact(i, random_config, true);
}

static void many_channels_are_exact(void **state)
{
	(void)state;
	for (int i = 2000; i < 2020; i++)
		check_exact(i, wide_config, i % 10 == 0);
}

static void depthwise_is_exact(void **state)
{
	(void)state;
	for (int i = 0; i < 400; i++)
		check_exact(i, depthwise_config, i % 40 == 0);
}

static void same_bits(choose any)
{
	for (int i = 0; i < 40; i++) {
		dice d = { 5000 + (uint64_t)i };
		config c = any(&d, i % 8 == 0);
		for (int isa = 1; isa <= NNOPT_ISA_NEON; isa++) {
			const nno_kernels *kernels = nno_kernels_of(isa);
			if (kernels == NULL)
				continue;
			data x[POOLS];
			for (int p = 0; p < POOLS; p++) {
				x[p] = make_data(&c, 3, true);
				run_library(&c, &x[p], kernels, pools[p]);
			}
			for (int p = 0; p < POOLS; p++) {
				for (int b = 0; b < BUFFERS; b++)
					assert_memory_equal(data_of(&x[0].b[b]), data_of(&x[p].b[b]),
							    (size_t)x[0].b[b].n * sizeof(float));
				if (p > 0)
					free_data(&x[p]);
			}
			free_data(&x[0]);
		}
	}
}

static void threads_give_equal_bits(void **state)
{
	(void)state;
	same_bits(random_config);
	same_bits(depthwise_config);
	same_bits(wide_config);
}

/* Nothing but the padding is large: sizes that overflow are refused, not computed. */
static void absurd_padding_is_refused(void **state)
{
	(void)state;
	const int64_t far = (int64_t)1 << 24;
	nno_conv_attr a = { .kernel_h = 1,
			    .kernel_w = 1,
			    .stride_h = far,
			    .stride_w = far,
			    .pad_h = far,
			    .pad_w = far,
			    .dilation_h = 1,
			    .dilation_w = 1,
			    .groups = 1 };
	nno_op op = { .cls = &nno_op_conv,
		      .n_in = 1,
		      .n_param = 1,
		      .in = { { 1, 1, far } },
		      .out = { 3, 3, 1 },
		      .attr = &a,
		      .batch = 1,
		      .training = true,
		      .wants_dsrc = { true },
		      .wants_dparam = true };
	assert_false(nno_op_code_of(&op)->book(&op, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_integers_are_exact), cmocka_unit_test(large_pictures_are_exact),
		cmocka_unit_test(many_channels_are_exact),  cmocka_unit_test(depthwise_is_exact),
		cmocka_unit_test(threads_give_equal_bits),  cmocka_unit_test(absurd_padding_is_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
