/* linear_exact.c - a linear layer's forward and backward against the definition on small integers; the same bits from
 * any number of threads. */
#include "trial.h"

typedef struct config {
	nno_linear_attr a;
	int64_t in, out, batch, n;
	bool add, weight_frozen, bias_frozen, no_dsrc;
} config;

enum { SRC, WEIGHT, BIAS, DST, DDST, DSRC, DWEIGHT, DBIAS, BUFFERS };

typedef struct data {
	buffer b[BUFFERS];
} data;

/* Around the sizes at which the work is cut. */
static int64_t choose_width(dice *d)
{
	static const int64_t widths[] = { 1,  2,  3,   7,   8,   15,  16,  17,  31,  33,  63,
					  64, 65, 100, 127, 128, 129, 192, 255, 256, 257, 300 };
	return widths[roll(d) % NNO_COUNT(widths)];
}

static config random_config(uint64_t seed)
{
	dice d = { seed };
	config c = { .in = choose_width(&d), .out = choose_width(&d), .n = between(&d, 1, 20) };
	c.a = (nno_linear_attr){ .bias = roll(&d) % 2, .activation = roll(&d) % 2 ? NNO_ACT_RELU : NNO_ACT_NONE };
	c.batch = c.n + between(&d, 0, 2);
	c.add = roll(&d) % 2;
	c.weight_frozen = roll(&d) % 8 == 0;
	c.bias_frozen = roll(&d) % 8 == 0;
	c.no_dsrc = roll(&d) % 8 == 0;
	return c;
}

static data make_data(const config *c, bool fractions)
{
	const int64_t counts[BUFFERS] = { c->n * c->in,  c->in * c->out, c->out,         c->n * c->out,
					  c->n * c->out, c->n * c->in,   c->in * c->out, c->out };
	data x;
	dice d = { 9 };
	for (int i = 0; i < BUFFERS; i++) {
		x.b[i] = make_buffer(counts[i]);
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
	trial t = { .op = { .cls = &nno_op_linear,
			    .n_in = 1,
			    .n_param = c->a.bias ? 2 : 1,
			    .in = { { 1, 1, c->in } },
			    .out = { 1, 1, c->out },
			    .batch = c->batch,
			    .training = true,
			    .wants_dsrc = { !c->no_dsrc },
			    .wants_dparam = !(c->weight_frozen && (c->bias_frozen || !c->a.bias)) } };
	nno_linear_attr a = c->a;
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

static void run_definition(const config *c, data *x)
{
	float *src = data_of(&x->b[SRC]), *weight = data_of(&x->b[WEIGHT]), *bias = data_of(&x->b[BIAS]);
	float *dst = data_of(&x->b[DST]), *ddst = data_of(&x->b[DDST]);
	for (int i = DSRC; i < BUFFERS && !c->add; i++)
		memset(data_of(&x->b[i]), 0, (size_t)x->b[i].n * sizeof(float));
	for (int64_t i = 0; i < c->n; i++)
		for (int64_t o = 0; o < c->out; o++) {
			float sum = c->a.bias ? bias[o] : 0.0f, *y = &dst[i * c->out + o], *g = &ddst[i * c->out + o];
			for (int64_t k = 0; k < c->in; k++)
				sum += src[i * c->in + k] * weight[k * c->out + o];
			bool cut = c->a.activation == NNO_ACT_RELU && sum <= 0.0f;
			*y = cut ? 0.0f : sum;
			*g = cut ? 0.0f : *g;
			data_of(&x->b[DBIAS])[o] += *g;
			for (int64_t k = 0; k < c->in; k++) {
				data_of(&x->b[DSRC])[i * c->in + k] += *g * weight[k * c->out + o];
				data_of(&x->b[DWEIGHT])[k * c->out + o] += *g * src[i * c->in + k];
			}
		}
}

static void compare(const config *c, const data *got, const data *wanted, const char *isa)
{
	for (int b = DST; b < BUFFERS; b++) {
		if ((b == DSRC && c->no_dsrc) || (b == DWEIGHT && c->weight_frozen) ||
		    (b == DBIAS && (c->bias_frozen || !c->a.bias)))
			continue;
		for (int64_t i = 0; i < got->b[b].n; i++)
			if (!(data_of(&got->b[b])[i] == data_of(&wanted->b[b])[i]))
				fail_msg("%s, %d to %d, batch %d, add %d: buffer %d [%d] is %g, %g wanted", isa,
					 (int)c->in, (int)c->out, (int)c->n, c->add, b, (int)i,
					 (double)data_of(&got->b[b])[i], (double)data_of(&wanted->b[b])[i]);
	}
}

static void small_integers_are_exact(void **state)
{
	(void)state;
	for (int number = 0; number < 150; number++) {
		config c = random_config(100 + (uint64_t)number);
		data wanted = make_data(&c, false);
		run_definition(&c, &wanted);
		for (int isa = 1; isa <= NNOPT_ISA_NEON; isa++) {
			const nno_kernels *kernels = nno_kernels_of(isa);
			if (kernels == NULL)
				continue;
			data got = make_data(&c, false);
			run_library(&c, &got, kernels, pools[(number + isa) % POOLS]);
			compare(&c, &got, &wanted, kernels->isa);
			free_data(&got);
		}
		free_data(&wanted);
	}
}

static void threads_give_equal_bits(void **state)
{
	(void)state;
	for (int number = 0; number < 30; number++) {
		config c = random_config(900 + (uint64_t)number);
		for (int isa = 1; isa <= NNOPT_ISA_NEON; isa++) {
			const nno_kernels *kernels = nno_kernels_of(isa);
			data first = make_data(&c, true);
			if (kernels != NULL)
				run_library(&c, &first, kernels, pools[0]);
			for (int p = 1; p < POOLS && kernels != NULL; p++) {
				data x = make_data(&c, true);
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
		cmocka_unit_test(small_integers_are_exact),
		cmocka_unit_test(threads_give_equal_bits),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
