/* sample_norm_exact.c - layer and group normalisation against the definition in double, for means far from zero too;
 * results in the place of an input's; gradients added, left out and accumulated; the same bits from any number of
 * threads. */
#include "trial.h"

typedef struct config {
	bool group; /* group normalisation, else layer */
	nno_layer_norm_attr layer;
	nno_group_norm_attr groups;
	nno_shape s;
	int64_t batch, n, parameters;
	bool training, in_place, add_dx, accumulate, no_dx, no_dparam;
	float mean; /* of the inputs, whose deviation is about 1 */
} config;

enum { SRC, DST, DDST, DSRC, SCALE, BIAS, DSCALE, DBIAS, BUFFERS };

typedef struct data {
	buffer b[BUFFERS];
} data;

static int64_t choose_width(dice *d)
{
	static const int64_t widths[] = { 1, 2, 3, 7, 8, 15, 16, 17, 24, 31, 33, 48, 63, 64, 65, 100, 129, 200, 300 };
	return widths[roll(d) % NNO_COUNT(widths)];
}

static void choose_form(config *c, dice *d)
{
	bool scale = roll(d) % 4 != 0, bias = roll(d) % 4 != 0;
	if (c->group) {
		int64_t groups = between(d, 1, 8);
		while (c->s.c % groups != 0)
			groups--;
		groups = roll(d) % 4 == 0 ? c->s.c : groups;
		c->groups = (nno_group_norm_attr){ 1e-5f, scale, bias, groups, (nno_activation)(roll(d) % 3) };
		c->parameters = c->s.c;
		return;
	}
	const int64_t lengths[] = { c->s.c, c->s.w, c->s.w * c->s.h, nno_shape_count(c->s) };
	int form = (int)(roll(d) % 4);
	c->layer = (nno_layer_norm_attr){ 1e-5f, scale, bias, (form == 1 || form == 2) && c->s.c > 1, lengths[form] };
	c->parameters = lengths[form];
}

static config random_config(uint64_t seed)
{
	static const float means[] = { 0.0f, 1.0f, -30.0f, 5000.0f };
	dice d = { seed };
	config c = { .group = roll(&d) % 2, .s = { between(&d, 1, 9), between(&d, 1, 9), choose_width(&d) } };
	if (roll(&d) % 8 == 0) /* samples and rows of more than one chunk */
		c.s = (nno_shape){ 25, 23, 100 };
	c.n = between(&d, 1, c.s.h == 25 ? 3 : 20);
	choose_form(&c, &d);
	c.batch = c.n + between(&d, 0, 2);
	c.training = roll(&d) % 4 != 0;
	c.no_dx = roll(&d) % 8 == 0;
	c.no_dparam = roll(&d) % 8 == 0;
	c.accumulate = roll(&d) % 2;
	c.in_place = roll(&d) % 2 && !c.no_dx;
	c.add_dx = !c.in_place && roll(&d) % 2;
	c.mean = means[roll(&d) % NNO_COUNT(means)];
	return c;
}

static data make_data(const config *c)
{
	int64_t all = c->n * nno_shape_count(c->s);
	data x;
	dice d = { 9 };
	for (int i = 0; i < BUFFERS; i++) {
		x.b[i] = make_buffer(i < SCALE ? all : c->parameters);
		fill_fractions(&d, &x.b[i]);
	}
	for (int64_t i = 0; i < all; i++)
		data_of(&x.b[SRC])[i] += c->mean + (float)(i % c->s.c % 7);
	return x;
}

static void free_data(data *x)
{
	for (int i = 0; i < BUFFERS; i++)
		free_buffer(&x->b[i]);
}

static bool has_scale(const config *c) { return c->group ? c->groups.scale : c->layer.scale; }
static bool has_bias(const config *c) { return c->group ? c->groups.bias : c->layer.bias; }

/* In an inference plan the result takes the place of the source. */
static int result_of(const config *c) { return c->training ? DST : SRC; }
static int gradient_of(const config *c) { return c->in_place ? DDST : DSRC; }

static void run_library(config *c, data *x, const nno_kernels *kernels, nno_pool *pool)
{
	trial t = { .op = { .cls = c->group ? &nno_op_group_norm : &nno_op_layer_norm,
			    .n_in = 1,
			    .in = { c->s },
			    .out = c->s,
			    .attr = c->group ? (void *)&c->groups : (void *)&c->layer,
			    .batch = c->batch,
			    .training = c->training,
			    .wants_dsrc = { !c->no_dx },
			    .wants_dparam = !c->no_dparam } };
	start_trial(&t, kernels, pool);
	for (int i = 0; i < 2; i++)
		if (i == 0 ? has_scale(c) : has_bias(c)) {
			t.run.dparam[t.op.n_param] = c->no_dparam ? NULL : data_of(&x->b[DSCALE + i]);
			t.run.param[t.op.n_param++] = data_of(&x->b[SCALE + i]);
		}
	t.run.n = c->n;
	t.run.src[0] = data_of(&x->b[SRC]);
	t.run.dst = data_of(&x->b[result_of(c)]);
	t.run.ddst = data_of(&x->b[DDST]);
	t.run.dsrc[0] = c->no_dx ? NULL : data_of(&x->b[gradient_of(c)]);
	t.run.dsrc_add[0] = c->add_dx;
	t.run.dparam_add = c->accumulate;
	run_trial(&t);
	stop_trial(&t);
}

/* --- the definition: which values belong together, and which parameter is whose --- */

typedef struct place {
	int64_t set, parameter;
} place;

static int64_t sets_of(const config *c)
{
	return c->n * (c->group ? c->groups.groups : nno_shape_count(c->s) / c->layer.length);
}

static place place_of(const config *c, int64_t at)
{
	int64_t count = nno_shape_count(c->s), sample = at / count, i = at % count, channel = i % c->s.c,
		pixel = i / c->s.c;
	if (c->group) {
		int64_t of_group = c->s.c / c->groups.groups;
		return (place){ sample * c->groups.groups + channel / of_group, channel };
	}
	int64_t turned = c->layer.planar ? channel * c->s.h * c->s.w + pixel : i;
	return (place){ sample * (count / c->layer.length) + turned / c->layer.length, turned % c->layer.length };
}

static double bound_of(const config *c, bool high)
{
	nno_activation a = c->group ? c->groups.activation : NNO_ACT_NONE;
	return high ? a == NNO_ACT_RELU6 ? 6.0 : INFINITY : a == NNO_ACT_NONE ? -INFINITY : 0.0;
}

typedef struct set {
	double count, mean, rstd, sum, product;
} set;

static void find_statistics(const config *c, const float *src, int64_t all, set *sets)
{
	for (int64_t i = 0; i < all; i++) {
		set *s = &sets[place_of(c, i).set];
		s->count += 1.0;
		s->mean += (double)src[i];
	}
	for (int64_t k = 0; k < sets_of(c); k++)
		sets[k].mean /= sets[k].count;
	for (int64_t i = 0; i < all; i++) {
		set *s = &sets[place_of(c, i).set];
		s->rstd += ((double)src[i] - s->mean) * ((double)src[i] - s->mean);
	}
	for (int64_t k = 0; k < sets_of(c); k++)
		sets[k].rstd = 1.0 / sqrt(sets[k].rstd / sets[k].count + (double)1e-5f);
}

static double scale_at(const config *c, const data *x, int64_t parameter)
{
	return has_scale(c) ? (double)data_of(&x->b[SCALE])[parameter] : 1.0;
}

static double hat_at(const config *c, const data *x, const set *sets, int64_t i)
{
	const set *s = &sets[place_of(c, i).set];
	return ((double)data_of(&x->b[SRC])[i] - s->mean) * s->rstd;
}

/* `y` is the library's result, which tells where the gradient passes without a doubt. */
static double gradient_at(const config *c, const data *x, const float *y, int64_t i)
{
	bool passes = (double)y[i] > bound_of(c, false) && (double)y[i] < bound_of(c, true);
	return passes ? (double)data_of(&x->b[DDST])[i] : 0.0;
}

static void put(float *dst, double value, bool add) { *dst = (float)(add ? (double)*dst + value : value); }

static void define_gradients(const config *c, data *x, const float *y, set *sets)
{
	int64_t all = c->n * nno_shape_count(c->s);
	double *sums = calloc((size_t)(2 * c->parameters), sizeof *sums);
	assert_non_null(sums);
	for (int64_t i = 0; i < all; i++) {
		place p = place_of(c, i);
		double g = gradient_at(c, x, y, i), hat = hat_at(c, x, sets, i), scale = scale_at(c, x, p.parameter);
		sets[p.set].sum += g * scale;
		sets[p.set].product += g * scale * hat;
		sums[p.parameter] += g * hat;
		sums[c->parameters + p.parameter] += g;
	}
	for (int64_t i = 0; !c->no_dx && i < all; i++) {
		place p = place_of(c, i);
		const set *s = &sets[p.set];
		double g = gradient_at(c, x, y, i) * scale_at(c, x, p.parameter), hat = hat_at(c, x, sets, i);
		put(&data_of(&x->b[gradient_of(c)])[i], s->rstd * (g - s->sum / s->count - hat * s->product / s->count),
		    c->add_dx);
	}
	for (int k = 0; k < 2 && !c->no_dparam; k++)
		for (int64_t i = 0; i < c->parameters && (k == 0 ? has_scale(c) : has_bias(c)); i++)
			put(&data_of(&x->b[DSCALE + k])[i], sums[k * c->parameters + i], c->accumulate);
	free(sums);
}

static void define(const config *c, data *x, const float *y)
{
	int64_t all = c->n * nno_shape_count(c->s);
	set *sets = calloc((size_t)sets_of(c), sizeof *sets);
	assert_non_null(sets);
	find_statistics(c, data_of(&x->b[SRC]), all, sets);
	for (int64_t i = 0; i < all; i++) {
		int64_t parameter = place_of(c, i).parameter;
		double v = hat_at(c, x, sets, i) * scale_at(c, x, parameter) +
			   (has_bias(c) ? (double)data_of(&x->b[BIAS])[parameter] : 0.0);
		data_of(&x->b[result_of(c)])[i] = (float)fmin(fmax(v, bound_of(c, false)), bound_of(c, true));
	}
	if (c->training)
		define_gradients(c, x, y, sets);
	free(sets);
}

static double worst;

/* Sets of one or two values have deviations near zero, by which errors are divided. */
static double allowed(const config *c)
{
	int64_t all = c->n * nno_shape_count(c->s);
	return all / sets_of(c) >= 8 ? 4e-6 : 2e-3;
}

static bool is_compared(const config *c, int b)
{
	return b == DDST ? c->training && c->in_place : b == DST ? c->training : true;
}

static void compare(const config *c, const data *got, const data *wanted, int number, const char *isa)
{
	for (int b = 0; b < BUFFERS; b++) {
		double largest = 1.0;
		for (int64_t i = 0; i < got->b[b].n; i++)
			largest = fmax(largest, fabs((double)data_of(&wanted->b[b])[i]));
		for (int64_t i = 0; is_compared(c, b) && i < got->b[b].n; i++) {
			double x = (double)data_of(&got->b[b])[i], y = (double)data_of(&wanted->b[b])[i];
			double off = fabs(x - y) / largest;
			worst = fmax(worst, allowed(c) < 1e-5 ? off : 0.0);
			if (!(off <= allowed(c)))
				fail_msg("%s, case %d, %s of %dx%dx%d, %d parameters, mean %g: buffer %d [%d] is %.8g, "
					 "%.8g wanted",
					 isa, number, c->group ? "groups" : "layer", (int)c->s.h, (int)c->s.w,
					 (int)c->s.c, (int)c->parameters, (double)c->mean, b, (int)i, x, y);
		}
	}
}

static void results_are_those_of_the_definition(void **state)
{
	(void)state;
	for (int number = 0; number < 200; number++) {
		config c = random_config(700 + (uint64_t)number);
		for (int isa = 1; isa <= NNOPT_ISA_NEON; isa++) {
			const nno_kernels *kernels = nno_kernels_of(isa);
			if (kernels == NULL)
				continue;
			data wanted = make_data(&c), got = make_data(&c);
			run_library(&c, &got, kernels, pools[(number + isa) % POOLS]);
			define(&c, &wanted, data_of(&got.b[result_of(&c)]));
			compare(&c, &got, &wanted, number, kernels->isa);
			free_data(&got);
			free_data(&wanted);
		}
	}
	print_message("largest relative deviation %.2g\n", worst);
}

static void threads_give_equal_bits(void **state)
{
	(void)state;
	for (int number = 0; number < 60; number++) {
		config c = random_config(4000 + (uint64_t)number);
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
