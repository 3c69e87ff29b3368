/* norm_exact.c - batch normalisation, with and without a skip and an activation, against the definition in double, for
 * means far from zero too; results in the place of an input's; the same bits from any number of threads. */
#include "trial.h"

typedef struct config {
	nno_norm_attr a;
	nno_shape s;
	int64_t batch, n;
	bool training, skip, add_dx, add_dskip, accumulate, no_dx, no_dparam;
	int place;  /* of the gradient: 0 no input's, 1 dx, 2 that of the skip */
	float mean; /* of the inputs, whose deviation is about 1 */
} config;

enum { SRC, SKIP, DST, DDST, DSRC, DSKIP, SCALE, BIAS, MEAN, VAR, DSCALE, DBIAS, BUFFERS };

typedef struct data {
	buffer b[BUFFERS];
} data;

static int64_t choose_width(dice *d)
{
	static const int64_t widths[] = { 1, 2, 3, 7, 8, 15, 16, 17, 24, 31, 33, 48, 63, 64, 65, 100, 129, 200, 300 };
	return widths[roll(d) % NNO_COUNT(widths)];
}

static config random_config(uint64_t seed)
{
	static const float means[] = { 0.0f, 1.0f, -30.0f, 5000.0f };
	dice d = { seed };
	config c = { .s = { between(&d, 1, 9), between(&d, 1, 9), choose_width(&d) }, .n = between(&d, 1, 20) };
	c.a = (nno_norm_attr){ .momentum = 0.25f,
			       .epsilon = 1e-5f,
			       .scale = roll(&d) % 4 != 0,
			       .bias = roll(&d) % 4 != 0,
			       .frozen = roll(&d) % 5 == 0,
			       .activation = (nno_activation)(roll(&d) % 3) };
	c.batch = c.n + between(&d, 0, 2);
	c.training = roll(&d) % 4 != 0;
	c.skip = roll(&d) % 2;
	c.no_dx = roll(&d) % 8 == 0;
	c.no_dparam = roll(&d) % 8 == 0;
	c.accumulate = roll(&d) % 2;
	c.place = (int)(roll(&d) % (c.skip ? 3 : 2));
	c.place = c.place == 1 && c.no_dx ? 0 : c.place;
	c.add_dx = c.place != 1 && roll(&d) % 2;
	c.add_dskip = c.place != 2 && roll(&d) % 2;
	c.mean = means[roll(&d) % NNO_COUNT(means)];
	return c;
}

static data make_data(const config *c)
{
	int64_t all = c->n * nno_shape_count(c->s);
	data x;
	dice d = { 9 };
	for (int i = 0; i < BUFFERS; i++) {
		x.b[i] = make_buffer(i < SCALE ? all : c->s.c);
		fill_fractions(&d, &x.b[i]);
	}
	for (int64_t i = 0; i < all; i++)
		data_of(&x.b[SRC])[i] += c->mean + (float)(i % c->s.c % 7);
	for (int64_t i = 0; i < c->s.c; i++) {
		data_of(&x.b[MEAN])[i] += c->mean;
		data_of(&x.b[VAR])[i] = 0.5f + fabsf(data_of(&x.b[VAR])[i]);
	}
	return x;
}

static void free_data(data *x)
{
	for (int i = 0; i < BUFFERS; i++)
		free_buffer(&x->b[i]);
}

/* In an inference plan the result takes the place of the source. */
static void run_library(const config *c, data *x, const nno_kernels *kernels, nno_pool *pool)
{
	nno_norm_attr a = c->a;
	trial t = { .op = { .cls = &nno_op_batch_norm,
			    .n_in = c->skip ? 2 : 1,
			    .in = { c->s, c->s },
			    .out = c->s,
			    .attr = &a,
			    .batch = c->batch,
			    .training = c->training,
			    .wants_dsrc = { !c->no_dx, c->skip },
			    .wants_dparam = !c->no_dparam } };
	start_trial(&t, kernels, pool);
	static const bool always = true;
	const bool *given[4] = { &a.scale, &a.bias, &always, &always };
	for (int i = 0; i < 4; i++)
		if (*given[i]) {
			t.run.dparam[t.op.n_param] = i < 2 && !c->no_dparam ? data_of(&x->b[DSCALE + i]) : NULL;
			t.run.param[t.op.n_param++] = data_of(&x->b[SCALE + i]);
		}
	t.run.n = c->n;
	t.run.src[0] = data_of(&x->b[SRC]);
	t.run.src[1] = c->skip ? data_of(&x->b[SKIP]) : NULL;
	t.run.dst = data_of(&x->b[c->training ? DST : SRC]);
	t.run.ddst = data_of(&x->b[DDST]);
	t.run.dsrc[0] = c->no_dx ? NULL : data_of(&x->b[c->place == 1 ? DDST : DSRC]);
	t.run.dsrc[1] = c->skip ? data_of(&x->b[c->place == 2 ? DDST : DSKIP]) : NULL;
	t.run.dsrc_add[0] = c->add_dx;
	t.run.dsrc_add[1] = c->add_dskip;
	t.run.dparam_add = c->accumulate;
	run_trial(&t);
	stop_trial(&t);
}

static void statistics(const config *c, data *x, int64_t channel, double *mean, double *variance)
{
	int64_t pixels = c->n * c->s.h * c->s.w;
	const float *src = data_of(&x->b[SRC]) + channel;
	float *running_mean = data_of(&x->b[MEAN]) + channel, *running_var = data_of(&x->b[VAR]) + channel;
	*mean = (double)*running_mean;
	*variance = (double)*running_var;
	if (!c->training || c->a.frozen)
		return;
	double sum = 0.0, square = 0.0, f = (double)c->a.momentum;
	for (int64_t i = 0; i < pixels; i++)
		sum += (double)src[i * c->s.c];
	*mean = sum / (double)pixels;
	for (int64_t i = 0; i < pixels; i++)
		square += ((double)src[i * c->s.c] - *mean) * ((double)src[i * c->s.c] - *mean);
	*variance = square / (double)pixels;
	*running_mean = (float)((1.0 - f) * (double)*running_mean + f * *mean);
	*running_var = (float)((1.0 - f) * (double)*running_var +
			       f * square / (pixels > 1 ? (double)(pixels - 1) : (double)pixels));
}

static void put(float *dst, double value, bool add) { *dst = (float)(add ? (double)*dst + value : value); }

/* One channel; `y` is the library's result, which tells where the gradient passes without a doubt. */
static void define_channel(const config *c, data *x, int64_t channel, const float *y)
{
	int64_t pixels = c->n * c->s.h * c->s.w, step = c->s.c;
	double mean, variance, sum = 0.0, product = 0.0, m = (double)pixels;
	statistics(c, x, channel, &mean, &variance);
	double rstd = 1.0 / sqrt(variance + (double)c->a.epsilon);
	double scale = c->a.scale ? (double)data_of(&x->b[SCALE])[channel] : 1.0,
	       bias = c->a.bias ? (double)data_of(&x->b[BIAS])[channel] : 0.0,
	       low = c->a.activation == NNO_ACT_NONE ? -INFINITY : 0.0,
	       high = c->a.activation == NNO_ACT_RELU6 ? 6.0 : INFINITY;
	float *src = data_of(&x->b[SRC]) + channel, *dst = data_of(&x->b[c->training ? DST : SRC]) + channel,
	      *ddst = data_of(&x->b[DDST]) + channel, *dsrc = data_of(&x->b[c->place == 1 ? DDST : DSRC]) + channel,
	      *dskip = data_of(&x->b[c->place == 2 ? DDST : DSKIP]) + channel;
	for (int64_t i = 0; i < pixels * step; i += step) {
		double hat = ((double)src[i] - mean) * rstd,
		       v = hat * scale + bias + (c->skip ? (double)data_of(&x->b[SKIP])[channel + i] : 0.0);
		ddst[i] = (double)y[channel + i] <= low || (double)y[channel + i] >= high ? 0.0f : ddst[i];
		sum += (double)ddst[i];
		product += (double)ddst[i] * hat;
		dst[i] = (float)fmin(fmax(v, low), high);
	}
	for (int64_t i = 0; c->training && i < pixels * step; i += step) {
		double g = (double)ddst[i], hat = ((double)src[i] - mean) * rstd;
		double dx = c->a.frozen ? g * scale * rstd : scale * rstd * (g - sum / m - hat * product / m);
		if (c->skip)
			put(&dskip[i], g, c->add_dskip);
		if (!c->no_dx)
			put(&dsrc[i], dx, c->add_dx);
	}
	if (!c->training || c->no_dparam)
		return;
	if (c->a.scale)
		put(&data_of(&x->b[DSCALE])[channel], product, c->accumulate);
	if (c->a.bias)
		put(&data_of(&x->b[DBIAS])[channel], sum, c->accumulate);
}

/* Where no gradient is asked for in its place, the result's may or may not be masked. */
static bool is_compared(const config *c, int b)
{
	return b == DDST ? c->training && c->place != 0 : b == DST ? c->training : true;
}

static void compare(const config *c, const data *got, const data *wanted, int number, const char *isa)
{
	for (int b = 0; b < BUFFERS; b++) {
		double largest = 1.0;
		for (int64_t i = 0; i < got->b[b].n; i++)
			largest = fmax(largest, fabs((double)data_of(&wanted->b[b])[i]));
		for (int64_t i = 0; is_compared(c, b) && i < got->b[b].n; i++) {
			double x = (double)data_of(&got->b[b])[i], y = (double)data_of(&wanted->b[b])[i];
			if (!(fabs(x - y) <= 4e-6 * largest))
				fail_msg("%s, case %d, %d pixels of %d, mean %g: buffer %d [%d] is %.8g, %.8g wanted",
					 isa, number, (int)(c->n * c->s.h * c->s.w), (int)c->s.c, (double)c->mean, b,
					 (int)i, x, y);
		}
	}
}

static void results_are_those_of_the_definition(void **state)
{
	(void)state;
	for (int number = 0; number < 400; number++) {
		config c = random_config(300 + (uint64_t)number);
		for (int isa = 1; isa <= NNOPT_ISA_NEON; isa++) {
			const nno_kernels *kernels = nno_kernels_of(isa);
			if (kernels == NULL)
				continue;
			data wanted = make_data(&c), got = make_data(&c);
			run_library(&c, &got, kernels, pools[(number + isa) % POOLS]);
			const float *y = data_of(&got.b[c.training ? DST : SRC]);
			for (int64_t channel = 0; channel < c.s.c; channel++)
				define_channel(&c, &wanted, channel, y);
			compare(&c, &got, &wanted, number, kernels->isa);
			free_data(&got);
			free_data(&wanted);
		}
	}
}

static void threads_give_equal_bits(void **state)
{
	(void)state;
	for (int number = 0; number < 40; number++) {
		config c = random_config(2000 + (uint64_t)number);
		for (int isa = 1; isa <= NNOPT_ISA_NEON; isa++) {
			const nno_kernels *kernels = nno_kernels_of(isa);
			data first = make_data(&c);
			if (kernels != NULL)
				run_library(&c, &first, kernels, pools[0]);
			for (int p = 1; p < POOLS && kernels != NULL; p++) {
				data x = make_data(&c);
				run_library(&c, &x, kernels, pools[p]);
				for (int b = 0; b < BUFFERS; b++)
					assert_memory_equal(data_of(&first.b[b]), data_of(&x.b[b]),
							    (size_t)x.b[b].n * sizeof(float));
				free_data(&x);
			}
			free_data(&first);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_are_those_of_the_definition),
		cmocka_unit_test(threads_give_equal_bits),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
