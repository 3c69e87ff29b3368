/* norm_exact.c - batch normalisation, with and without a skip and an activation, against the definition in double, for
 * means far from zero too; results in the place of an input's; the same bits from any number of threads. */
enum { CASES = 400 };

#include "norm_trial.h"

static config random_config(uint64_t seed)
{
	dice d = { seed };
	config c = { .cls = &nno_op_batch_norm, .s = { between(&d, 1, 9), between(&d, 1, 9), choose_width(&d) } };
	c.n = between(&d, 1, 20);
	c.parameters = c.s.c;
	c.scale = roll(&d) % 4 != 0;
	c.bias = roll(&d) % 4 != 0;
	c.a.batch = (nno_norm_attr){ .momentum = 0.25f,
				     .epsilon = 1e-5f,
				     .scale = c.scale,
				     .bias = c.bias,
				     .frozen = roll(&d) % 5 == 0,
				     .activation = (nno_activation)(roll(&d) % 3) };
	c.skip = roll(&d) % 2;
	choose_passes(&c, &d);
	return c;
}

static double allowed(const config *c)
{
	(void)c;
	return 4e-6;
}

static void statistics(const config *c, data *x, int64_t channel, double *mean, double *variance)
{
	int64_t pixels = c->n * c->s.h * c->s.w;
	const float *src = data_of(&x->b[SRC]) + channel;
	float *running_mean = data_of(&x->b[MEAN]) + channel, *running_var = data_of(&x->b[VAR]) + channel;
	*mean = (double)*running_mean;
	*variance = (double)*running_var;
	if (!c->training || c->a.batch.frozen)
		return;
	double sum = 0.0, square = 0.0, f = (double)c->a.batch.momentum;
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

static void define_channel(const config *c, data *x, int64_t channel, const float *y)
{
	int64_t pixels = c->n * c->s.h * c->s.w, step = c->s.c;
	double mean, variance, sum = 0.0, product = 0.0, m = (double)pixels;
	statistics(c, x, channel, &mean, &variance);
	double rstd = 1.0 / sqrt(variance + (double)c->a.batch.epsilon);
	double scale = c->scale ? (double)data_of(&x->b[SCALE])[channel] : 1.0,
	       bias = c->bias ? (double)data_of(&x->b[BIAS])[channel] : 0.0,
	       low = c->a.batch.activation == NNO_ACT_NONE ? -INFINITY : 0.0,
	       high = c->a.batch.activation == NNO_ACT_RELU6 ? 6.0 : INFINITY;
	float *src = data_of(&x->b[SRC]) + channel, *dst = data_of(&x->b[result_of(c)]) + channel,
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
		double dx = c->a.batch.frozen ? g * scale * rstd : scale * rstd * (g - sum / m - hat * product / m);
		if (c->skip)
			put(&dskip[i], g, c->add_dskip);
		if (!c->no_dx)
			put(&dsrc[i], dx, c->add_dx);
	}
	if (!c->training || c->no_dparam)
		return;
	if (c->scale)
		put(&data_of(&x->b[DSCALE])[channel], product, c->accumulate);
	if (c->bias)
		put(&data_of(&x->b[DBIAS])[channel], sum, c->accumulate);
}

static void define(const config *c, data *x, const float *y)
{
	for (int64_t channel = 0; channel < c->s.c; channel++)
		define_channel(c, x, channel, y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_are_those_of_the_definition),
		cmocka_unit_test(threads_give_equal_bits),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
