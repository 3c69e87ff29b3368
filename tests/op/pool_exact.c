/* pool_exact.c - maximum and average pooling against the definition over random windows; the maximum and all sums are
 * exact on small integers, many of them equal, some maxima NaN. */
#include "trial.h"

typedef struct config {
	nno_pool_attr a;
	nno_shape in, out;
	int64_t batch, n;
	bool maximum, add;
} config;

enum { SRC, DST, DDST, DSRC, BUFFERS };

typedef struct data {
	buffer b[BUFFERS];
} data;

/* Number of windows as torch.nn.MaxPool2d documents it. */
static int64_t windows(int64_t in, int64_t kernel, int64_t stride, int64_t pad, bool ceil_mode)
{
	int64_t span = in + 2 * pad - kernel;
	int64_t n = (ceil_mode ? (span + stride - 1) / stride : span / stride) + 1;
	return ceil_mode && (n - 1) * stride >= in + pad ? n - 1 : n;
}

static config random_config(uint64_t seed)
{
	static const int64_t widths[] = { 1, 2, 3, 5, 8, 15, 16, 17, 32, 33, 40 };
	dice d = { seed };
	config c = { .maximum = roll(&d) % 2, .add = roll(&d) % 2, .n = between(&d, 1, 4) };
	c.batch = c.n + between(&d, 0, 2);
	c.in.c = c.out.c = widths[roll(&d) % NNO_COUNT(widths)];
	if (roll(&d) % 4 == 0) {
		c.a.adaptive = true;
		c.in.h = between(&d, 1, 9);
		c.in.w = between(&d, 1, 9);
		c.out.h = between(&d, 1, 9);
		c.out.w = between(&d, 1, 9);
		return c;
	}
	if (roll(&d) % 16 == 0) { /* a window of more pixels than a byte counts */
		c.a.adaptive = true;
		c.in.h = between(&d, 16, 20);
		c.in.w = between(&d, 16, 20);
		c.out.h = c.out.w = 1;
		return c;
	}
	c.a = (nno_pool_attr){ .kernel_h = between(&d, 1, 5),
			       .kernel_w = between(&d, 1, 5),
			       .stride_h = between(&d, 1, 6),
			       .stride_w = between(&d, 1, 6),
			       .count_include_pad = roll(&d) % 2 };
	c.a.pad_h = between(&d, 0, c.a.kernel_h / 2);
	c.a.pad_w = between(&d, 0, c.a.kernel_w / 2);
	if (roll(&d) % 4 == 0) { /* the window with kernels of its own */
		c.a.kernel_h = c.a.kernel_w = c.a.stride_h = c.a.stride_w = 2;
		c.a.pad_h = c.a.pad_w = 0;
	}
	bool ceil_mode = roll(&d) % 2;
	int64_t least_h = c.a.kernel_h - 2 * c.a.pad_h, least_w = c.a.kernel_w - 2 * c.a.pad_w;
	c.in.h = (least_h < 1 ? 1 : least_h) + between(&d, 0, 9);
	c.in.w = (least_w < 1 ? 1 : least_w) + between(&d, 0, 9);
	c.out.h = windows(c.in.h, c.a.kernel_h, c.a.stride_h, c.a.pad_h, ceil_mode);
	c.out.w = windows(c.in.w, c.a.kernel_w, c.a.stride_w, c.a.pad_w, ceil_mode);
	return c;
}

static data make_data(const config *c, bool fractions)
{
	int64_t in = c->n * nno_shape_count(c->in), out = c->n * nno_shape_count(c->out);
	const int64_t counts[BUFFERS] = { in, out, out, in };
	data x;
	dice d = { 4 };
	for (int i = 0; i < BUFFERS; i++) {
		x.b[i] = make_buffer(counts[i]);
		if (i == DST || (i == DSRC && !c->add))
			continue;
		if (fractions)
			fill_fractions(&d, &x.b[i]);
		else
			fill_integers(&d, &x.b[i]);
	}
	return x;
}

/* In half of the configurations of a maximum, a few pixels. */
static void add_nans(const config *c, data *x, int number)
{
	for (int64_t i = number % 13; c->maximum && number % 2 && i < x->b[SRC].n; i += 13)
		data_of(&x->b[SRC])[i] = NAN;
}

static void free_data(data *x)
{
	for (int i = 0; i < BUFFERS; i++)
		free_buffer(&x->b[i]);
}

static void run_library(const config *c, data *x, const nno_kernels *kernels, nno_pool *pool)
{
	trial t = { .op = { .cls = c->maximum ? &nno_op_max_pool : &nno_op_avg_pool,
			    .n_in = 1,
			    .in = { c->in },
			    .out = c->out,
			    .batch = c->batch,
			    .training = true,
			    .wants_dsrc = { true } } };
	nno_pool_attr a = c->a;
	t.op.attr = &a;
	start_trial(&t, kernels, pool);
	t.run.n = c->n;
	t.run.src[0] = data_of(&x->b[SRC]);
	t.run.dst = data_of(&x->b[DST]);
	t.run.ddst = data_of(&x->b[DDST]);
	t.run.dsrc[0] = data_of(&x->b[DSRC]);
	t.run.dsrc_add[0] = c->add;
	run_trial(&t);
	/* Inference keeps no places, and must give the same. */
	if (c->maximum) {
		buffer again = make_buffer(x->b[DST].n);
		t.run.saved = NULL;
		t.run.training = 0;
		t.run.dst = data_of(&again);
		nno_op_code_of(&t.op)->forward(&t.op, &t.run);
		assert_memory_equal(data_of(&again), data_of(&x->b[DST]), (size_t)again.n * sizeof(float));
		free_buffer(&again);
	}
	stop_trial(&t);
}

typedef struct span {
	int64_t from, to, padded;
} span;

static span span_of(const config *c, int64_t i, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad)
{
	if (c->a.adaptive)
		return (span){ i * in / out, ((i + 1) * in + out - 1) / out, 0 };
	int64_t from = i * stride - pad, to = from + kernel;
	int64_t padded = (to < in + pad ? to : in + pad) - from;
	return (span){ from < 0 ? 0 : from, to > in ? in : to, padded };
}

/* One window of one channel: `s` points at channel k of the image's first pixel. */
static void run_window(const config *c, data *x, const float *s, span v, span h, int64_t at)
{
	int64_t count = 0, best = -1;
	float sum = 0.0f;
	for (int64_t sy = v.from; sy < v.to; sy++)
		for (int64_t sx = h.from; sx < h.to; sx++, count++) {
			int64_t place = (sy * c->in.w + sx) * c->in.c;
			sum += s[place];
			best = best < 0 || s[place] > s[best] || (isnan(s[place]) && !isnan(s[best])) ? place : best;
		}
	bool padded = c->a.count_include_pad && !c->a.adaptive;
	float factor = 1.0f / (float)(padded ? v.padded * h.padded : count), g = data_of(&x->b[DDST])[at];
	float *ds = data_of(&x->b[DSRC]) + (s - data_of(&x->b[SRC]));
	data_of(&x->b[DST])[at] = c->maximum ? s[best] : sum * factor;
	if (c->maximum) {
		ds[best] += g;
		return;
	}
	for (int64_t sy = v.from; sy < v.to; sy++)
		for (int64_t sx = h.from; sx < h.to; sx++)
			ds[(sy * c->in.w + sx) * c->in.c] += g * factor;
}

static void run_definition(const config *c, data *x)
{
	if (!c->add)
		memset(data_of(&x->b[DSRC]), 0, (size_t)x->b[DSRC].n * sizeof(float));
	for (int64_t i = 0; i < c->n; i++)
		for (int64_t y = 0; y < c->out.h; y++)
			for (int64_t z = 0; z < c->out.w; z++) {
				span v = span_of(c, y, c->in.h, c->out.h, c->a.kernel_h, c->a.stride_h, c->a.pad_h);
				span h = span_of(c, z, c->in.w, c->out.w, c->a.kernel_w, c->a.stride_w, c->a.pad_w);
				for (int64_t k = 0; k < c->in.c; k++)
					run_window(c, x, data_of(&x->b[SRC]) + i * nno_shape_count(c->in) + k, v, h,
						   ((i * c->out.h + y) * c->out.w + z) * c->in.c + k);
			}
}

/* The gradient of an average adds up to 25 products, rounded once by a fused multiply and twice by the definition. */
static void compare(const config *c, const data *got, const data *wanted, const char *isa, int number)
{
	for (int b = DST; b < BUFFERS; b++)
		for (int64_t i = 0; i < got->b[b].n; i++) {
			double g = (double)data_of(&got->b[b])[i], w = (double)data_of(&wanted->b[b])[i];
			if (!(isnan(g) && isnan(w)) && !(fabs(g - w) <= (c->maximum || b != DSRC ? 0.0 : 2e-6)))
				fail_msg("%s, %s pool %d, %dx%dx%d to %dx%d, kernel %dx%d, stride %dx%d, pad %dx%d, "
					 "adaptive %d: buffer %d [%d] is "
					 "%.9g, %.9g wanted",
					 isa, c->maximum ? "max" : "avg", number, (int)c->in.h, (int)c->in.w,
					 (int)c->in.c, (int)c->out.h, (int)c->out.w, (int)c->a.kernel_h,
					 (int)c->a.kernel_w, (int)c->a.stride_h, (int)c->a.stride_w, (int)c->a.pad_h,
					 (int)c->a.pad_w, c->a.adaptive, b, (int)i, g, w);
		}
}

static void windows_are_exact(void **state)
{
	(void)state;
	for (int number = 0; number < 400; number++) {
		config c = random_config(300 + (uint64_t)number);
		data wanted = make_data(&c, false);
		add_nans(&c, &wanted, number);
		run_definition(&c, &wanted);
		for (int isa = 1; isa <= NNOPT_ISA_NEON; isa++) {
			const nno_kernels *kernels = nno_kernels_of(isa);
			if (kernels == NULL)
				continue;
			data got = make_data(&c, false);
			add_nans(&c, &got, number);
			run_library(&c, &got, kernels, pools[(number + isa) % POOLS]);
			compare(&c, &got, &wanted, kernels->isa, number);
			free_data(&got);
		}
		free_data(&wanted);
	}
}

static void threads_give_equal_bits(void **state)
{
	(void)state;
	for (int number = 0; number < 40; number++) {
		config c = random_config(7000 + (uint64_t)number);
		data first = make_data(&c, true);
		run_library(&c, &first, nno_kernels_best(0), pools[0]);
		for (int p = 1; p < POOLS; p++) {
			data x = make_data(&c, true);
			run_library(&c, &x, nno_kernels_best(0), pools[p]);
			for (int b = 0; b < BUFFERS; b++)
				assert_memory_equal(data_of(&first.b[b]), data_of(&x.b[b]),
						    (size_t)x.b[b].n * sizeof(float));
			free_data(&x);
		}
		free_data(&first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_are_exact),
		cmocka_unit_test(threads_give_equal_bits),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
