/* sample_norm_exact.c - layer and group normalisation against the definition in double, for means far from zero too;
 * results in the place of an input's; gradients added, left out and accumulated; the same bits from any number of
 * threads. */
enum { CASES = 200 };

#include "norm_trial.h"

static bool is_group(const config *c) { return c->cls == &nno_op_group_norm; }

static void choose_form(config *c, dice *d)
{
	c->scale = roll(d) % 4 != 0;
	c->bias = roll(d) % 4 != 0;
	if (is_group(c)) {
		int64_t groups = between(d, 1, 8);
		while (c->s.c % groups != 0)
			groups--;
		groups = roll(d) % 4 == 0 ? c->s.c : groups;
		c->a.group = (nno_group_norm_attr){ 1e-5f, c->scale, c->bias, groups, (nno_activation)(roll(d) % 3) };
		c->parameters = c->s.c;
		return;
	}
	const int64_t lengths[] = { c->s.c, c->s.w, c->s.w * c->s.h, nno_shape_count(c->s) };
	int form = (int)(roll(d) % 4);
	bool planar = (form == 1 || form == 2) && c->s.c > 1;
	c->a.layer = (nno_layer_norm_attr){ 1e-5f, c->scale, c->bias, planar, lengths[form] };
	c->parameters = lengths[form];
}

static config random_config(uint64_t seed)
{
	dice d = { seed };
	config c = { .cls = roll(&d) % 2 ? &nno_op_group_norm : &nno_op_layer_norm };
	c.s = (nno_shape){ between(&d, 1, 9), between(&d, 1, 9), choose_width(&d) };
	if (roll(&d) % 8 == 0) /* samples and rows of more than one chunk */
		c.s = (nno_shape){ 25, 23, 100 };
	c.n = between(&d, 1, c.s.h == 25 ? 3 : 20);
	choose_form(&c, &d);
	choose_passes(&c, &d);
	return c;
}

/* --- the definition: which values belong together, and which parameter is whose --- */

typedef struct place {
	int64_t set, parameter;
} place;

static int64_t sets_of(const config *c)
{
	return c->n * (is_group(c) ? c->a.group.groups : nno_shape_count(c->s) / c->a.layer.length);
}

static place place_of(const config *c, int64_t at)
{
	int64_t count = nno_shape_count(c->s), sample = at / count, i = at % count, channel = i % c->s.c,
		pixel = i / c->s.c;
	if (is_group(c)) {
		int64_t of_group = c->s.c / c->a.group.groups;
		return (place){ sample * c->a.group.groups + channel / of_group, channel };
	}
	int64_t turned = c->a.layer.planar ? channel * c->s.h * c->s.w + pixel : i;
	return (place){ sample * (count / c->a.layer.length) + turned / c->a.layer.length, turned % c->a.layer.length };
}

static double bound_of(const config *c, bool high)
{
	nno_activation a = is_group(c) ? c->a.group.activation : NNO_ACT_NONE;
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
	return c->scale ? (double)data_of(&x->b[SCALE])[parameter] : 1.0;
}

static double hat_at(const config *c, const data *x, const set *sets, int64_t i)
{
	const set *s = &sets[place_of(c, i).set];
	return ((double)data_of(&x->b[SRC])[i] - s->mean) * s->rstd;
}

static double gradient_at(const config *c, const data *x, const float *y, int64_t i)
{
	bool passes = (double)y[i] > bound_of(c, false) && (double)y[i] < bound_of(c, true);
	return passes ? (double)data_of(&x->b[DDST])[i] : 0.0;
}

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
		put(&data_of(&x->b[c->place == 1 ? DDST : DSRC])[i],
		    s->rstd * (g - s->sum / s->count - hat * s->product / s->count), c->add_dx);
	}
	for (int k = 0; k < 2 && !c->no_dparam; k++)
		for (int64_t i = 0; i < c->parameters && (k == 0 ? c->scale : c->bias); i++)
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
			   (c->bias ? (double)data_of(&x->b[BIAS])[parameter] : 0.0);
		data_of(&x->b[result_of(c)])[i] = (float)fmin(fmax(v, bound_of(c, false)), bound_of(c, true));
	}
	if (c->training)
		define_gradients(c, x, y, sets);
	free(sets);
}

/* Sets of one or two values have deviations near zero, by which errors are divided. */
static double allowed(const config *c) { return c->n * nno_shape_count(c->s) / sets_of(c) >= 8 ? 4e-6 : 2e-3; }

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_are_those_of_the_definition),
		cmocka_unit_test(threads_give_equal_bits),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
