/* conv_winograd.c - convolution by Winograd's F(4x4, 3x3) against a loop over its definition in double: every error
 * within the bound that the public header states, a part of the largest sum of products' magnitudes (a result takes
 * part in the rounding of its whole tile); and the same bits from any number of threads. */
#include "trial.h"

#define BOUND 5e-6

typedef struct config {
	nno_conv_attr a;
	nno_shape in, out;
	int64_t batch, n;
	bool add, bias_frozen, weight_frozen, no_dsrc;
} config;

static config make_config(dice *d, int64_t from, int64_t to, int64_t size, int64_t images)
{
	config c = { .a = { .kernel_h = 3,
			    .kernel_w = 3,
			    .stride_h = 1,
			    .stride_w = 1,
			    .pad_h = between(d, 0, 2),
			    .pad_w = between(d, 0, 2),
			    .dilation_h = 1,
			    .dilation_w = 1,
			    .groups = 1,
			    .bias = roll(d) % 2,
			    .activation = roll(d) % 2 ? NNO_ACT_RELU : NNO_ACT_NONE },
		     .in = { between(d, 3, size), between(d, 3, size), from } };
	c.out = (nno_shape){ c.in.h + 2 * c.a.pad_h - 2, c.in.w + 2 * c.a.pad_w - 2, to };
	c.n = between(d, 1, images);
	c.batch = c.n + between(d, 0, 2);
	c.add = roll(d) % 2;
	c.weight_frozen = roll(d) % 8 == 0;
	c.bias_frozen = c.a.bias && roll(d) % 8 == 0;
	c.no_dsrc = roll(d) % 8 == 0;
	return c;
}

enum { SRC, WEIGHT, BIAS, DST, DDST, DSRC, DWEIGHT, DBIAS, BUFFERS };

static const char *const names[BUFFERS] = { "src", "weight", "bias", "dst", "ddst", "dsrc", "dweight", "dbias" };

typedef struct data {
	buffer b[BUFFERS];
} data;

static data make_data(const config *c, uint64_t seed)
{
	int64_t in = c->n * nno_shape_count(c->in), out = c->n * nno_shape_count(c->out),
		weights = 9 * c->in.c * c->out.c;
	const int64_t counts[BUFFERS] = { in, weights, c->out.c, out, out, in, weights, c->out.c };
	data x;
	dice d = { seed };
	for (int i = 0; i < BUFFERS; i++) {
		x.b[i] = make_buffer(counts[i]);
		if (i != DST && (i < DSRC || c->add))
			fill_fractions(&d, &x.b[i]);
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
	nno_conv_attr a = c->a;
	trial t = { .op = { .cls = &nno_op_conv_winograd,
			    .n_in = 1,
			    .n_param = c->a.bias ? 2 : 1,
			    .in = { c->in },
			    .out = c->out,
			    .attr = &a,
			    .batch = c->batch,
			    .training = true,
			    .wants_dsrc = { !c->no_dsrc },
			    .wants_dparam = !(c->weight_frozen && (c->bias_frozen || !c->a.bias)) } };
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

/* Sums in double, and the sums of magnitudes. */
typedef struct sums {
	double *sum[BUFFERS], *size[BUFFERS];
} sums;

static void add_product(sums *s, int which, int64_t at, double product)
{
	s->sum[which][at] += product;
	s->size[which][at] += fabs(product);
}

static void start_sum(sums *s, int which, const data *x, bool keep)
{
	int64_t n = x->b[which].n;
	s->sum[which] = calloc((size_t)n, sizeof(double));
	s->size[which] = calloc((size_t)n, sizeof(double));
	assert_non_null(s->sum[which]);
	assert_non_null(s->size[which]);
	for (int64_t i = 0; i < n && keep; i++)
		add_product(s, which, i, (double)data_of(&x->b[which])[i]);
}

typedef void (*visit)(sums *s, const data *x, int64_t src, int64_t weight, int64_t dst);

static void each_product(const config *c, sums *s, const data *x, visit f)
{
	for (int64_t i = 0; i < c->n; i++)
		for (int64_t y = 0; y < c->out.h; y++)
			for (int64_t z = 0; z < c->out.w; z++)
				for (int64_t tap = 0; tap < 9; tap++) {
					int64_t sy = y - c->a.pad_h + tap / 3, sx = z - c->a.pad_w + tap % 3;
					if (sy < 0 || sy >= c->in.h || sx < 0 || sx >= c->in.w)
						continue;
					int64_t src = ((i * c->in.h + sy) * c->in.w + sx) * c->in.c,
						dst = ((i * c->out.h + y) * c->out.w + z) * c->out.c;
					for (int64_t k = 0; k < c->in.c; k++)
						for (int64_t o = 0; o < c->out.c; o++)
							f(s, x, src + k, (tap * c->in.c + k) * c->out.c + o, dst + o);
				}
}

static void forward_product(sums *s, const data *x, int64_t src, int64_t weight, int64_t dst)
{
	add_product(s, DST, dst, (double)data_of(&x->b[SRC])[src] * (double)data_of(&x->b[WEIGHT])[weight]);
}

static void backward_product(sums *s, const data *x, int64_t src, int64_t weight, int64_t dst)
{
	double g = (double)data_of(&x->b[DDST])[dst];
	if (g == 0.0)
		return;
	add_product(s, DSRC, src, g * (double)data_of(&x->b[WEIGHT])[weight]);
	add_product(s, DWEIGHT, weight, g * (double)data_of(&x->b[SRC])[src]);
}

/* The mask of a ReLU is taken from the library's own result: near 0 either side is right. */
static sums run_definition(const config *c, data *x, const data *got)
{
	sums s = { 0 };
	start_sum(&s, DST, x, false);
	for (int i = DSRC; i < BUFFERS; i++)
		start_sum(&s, i, x, c->add);
	for (int64_t i = 0; i < x->b[DST].n && c->a.bias; i++)
		add_product(&s, DST, i, (double)data_of(&x->b[BIAS])[i % c->out.c]);
	each_product(c, &s, x, forward_product);
	for (int64_t i = 0; i < x->b[DST].n && c->a.activation == NNO_ACT_RELU; i++) {
		s.sum[DST][i] = fmax(0.0, s.sum[DST][i]);
		data_of(&x->b[DDST])[i] *= data_of(&got->b[DST])[i] > 0.0f ? 1.0f : 0.0f;
	}
	each_product(c, &s, x, backward_product);
	for (int64_t i = 0; i < x->b[DDST].n; i++)
		add_product(&s, DBIAS, i % c->out.c, (double)data_of(&x->b[DDST])[i]);
	return s;
}

static bool unused(const config *c, int which)
{
	return (which == DSRC && c->no_dsrc) || (which == DWEIGHT && c->weight_frozen) ||
	       (which == DBIAS && (c->bias_frozen || !c->a.bias));
}

static double largest_error(const config *c, const sums *s, const data *got, int number, const char *isa)
{
	double worst = 0.0;
	for (int b = DST; b < BUFFERS; b++) {
		double most = 1e-30;
		for (int64_t i = 0; b != DDST && i < got->b[b].n; i++)
			most = fmax(most, s->size[b][i]);
		for (int64_t i = 0; b != DDST && !unused(c, b) && i < got->b[b].n; i++) {
			double error = fabs((double)data_of(&got->b[b])[i] - s->sum[b][i]) / most;
			if (!(error <= BOUND))
				fail_msg(
				    "%s, configuration %d (%dx%dx%d to %d, pad %dx%d, batch %d): %s[%d] %.9g, %.9g "
				    "wanted",
				    isa, number, (int)c->in.h, (int)c->in.w, (int)c->in.c, (int)c->out.c,
				    (int)c->a.pad_h, (int)c->a.pad_w, (int)c->n, names[b], (int)i,
				    (double)data_of(&got->b[b])[i], s->sum[b][i]);
			worst = error > worst ? error : worst;
		}
	}
	return worst;
}

static double check_config(const config *c, const nno_kernels *kernels, int number)
{
	data got = make_data(c, (uint64_t)number), wanted = make_data(c, (uint64_t)number);
	run_library(c, &got, kernels, pools[number % POOLS]);
	sums s = run_definition(c, &wanted, &got);
	double worst = largest_error(c, &s, &got, number, kernels->isa);
	for (int b = 0; b < BUFFERS; b++) {
		free(s.sum[b]);
		free(s.size[b]);
	}
	data again = make_data(c, (uint64_t)number);
	run_library(c, &again, kernels, pools[(number + 1) % POOLS]);
	for (int b = 0; b < BUFFERS; b++)
		if (!unused(c, b))
			assert_memory_equal(data_of(&got.b[b]), data_of(&again.b[b]),
					    (size_t)got.b[b].n * sizeof(float));
	free_data(&again);
	free_data(&got);
	free_data(&wanted);
	return worst;
}

static const int isas[] = { NNOPT_ISA_SCALAR, NNOPT_ISA_AVX2, NNOPT_ISA_AVX512, NNOPT_ISA_NEON };

static void equal_the_definition(void **state)
{
	(void)state;
	static const int64_t widths[] = { 1, 3, 8, 15, 16, 17, 32, 33, 48, 65 };
	double worst = 0.0;
	for (size_t i = 0; i < NNO_COUNT(isas); i++) {
		const nno_kernels *kernels = nno_kernels_of(isas[i]);
		dice d = { 11 };
		for (int k = 0; kernels != NULL && k < 60; k++) {
			config c = make_config(&d, widths[roll(&d) % NNO_COUNT(widths)],
					       widths[roll(&d) % NNO_COUNT(widths)], 14, 4);
			worst = fmax(worst, check_config(&c, kernels, k));
		}
	}
	print_message("largest error: %.2g of the largest sum of magnitudes\n", worst);
}

/* Weights enough that they stream, with tiles for more than one gathering, and gradients too many for partial sums. */
static void with_many_weights(void **state)
{
	(void)state;
	const nno_kernels *best = nno_kernels_best(NNOPT_ISA_BEST);
	dice d = { 12 };
	const config configs[] = { make_config(&d, 96, 130, 12, 3), make_config(&d, 300, 260, 5, 2),
				   make_config(&d, 520, 136, 34, 3) };
	for (int k = 0; k < (int)NNO_COUNT(configs); k++)
		check_config(&configs[k], best, k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_the_definition),
		cmocka_unit_test(with_many_weights),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
