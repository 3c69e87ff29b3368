/* norm_trial.h - what the tests of normalisations share: a case drawn at random is run by the library and by its
 * definition, and the buffers compared. The file that includes this says what a case is, what its definition gives, how
 * near, and how many CASES there are. */
#ifndef TESTS_OP_NORM_TRIAL_H
#define TESTS_OP_NORM_TRIAL_H

#include "trial.h"

typedef struct config {
	const nno_op_class *cls;
	union {
		nno_norm_attr batch;
		nno_layer_norm_attr layer;
		nno_group_norm_attr group;
	} a;
	bool scale, bias; /* as in the attributes */
	nno_shape s;
	int64_t batch, n, parameters; /* of the batch booked, of the one run; of scale and bias */
	bool training, skip, add_dx, add_dskip, accumulate, no_dx, no_dparam;
	int place;  /* of the gradient: 0 no input's, 1 dx, 2 that of the skip */
	float mean; /* of the inputs, whose deviation is about 1 */
} config;

enum { SRC, SKIP, DST, DDST, DSRC, DSKIP, SCALE, BIAS, MEAN, VAR, DSCALE, DBIAS, BUFFERS };

typedef struct data {
	buffer b[BUFFERS];
} data;

/* --- what the file defines --- */
static config random_config(uint64_t seed);
/* The definition of all buffers; `y` is the library's result, which tells where the gradient passes without a doubt. */
static void define(const config *c, data *x, const float *y);
/* The largest difference, in parts of a buffer's largest value. */
static double allowed(const config *c);
static int64_t choose_width(dice *d)
{
	static const int64_t widths[] = { 1, 2, 3, 7, 8, 15, 16, 17, 24, 31, 33, 48, 63, 64, 65, 100, 129, 200, 300 };
	return widths[roll(d) % NNO_COUNT(widths)];
}

/* What is drawn for every kind, after the shape and n. */
static void choose_passes(config *c, dice *d)
{
	static const float means[] = { 0.0f, 1.0f, -30.0f, 5000.0f };
	c->batch = c->n + between(d, 0, 2);
	c->training = roll(d) % 4 != 0;
	c->no_dx = roll(d) % 8 == 0;
	c->no_dparam = roll(d) % 8 == 0;
	c->accumulate = roll(d) % 2;
	c->place = (int)(roll(d) % (c->skip ? 3 : 2));
	c->place = c->place == 1 && c->no_dx ? 0 : c->place;
	c->add_dx = c->place != 1 && roll(d) % 2;
	c->add_dskip = c->place != 2 && roll(d) % 2;
	c->mean = means[roll(d) % NNO_COUNT(means)];
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
	for (int64_t i = 0; i < c->parameters; i++) {
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
static int result_of(const config *c) { return c->training ? DST : SRC; }

static void run_library(config *c, data *x, const nno_kernels *kernels, nno_pool *pool)
{
	bool state = c->cls == &nno_op_batch_norm;
	trial t = { .op = { .cls = c->cls,
			    .n_in = c->skip ? 2 : 1,
			    .in = { c->s, c->s },
			    .out = c->s,
			    .attr = &c->a,
			    .batch = c->batch,
			    .training = c->training,
			    .wants_dsrc = { !c->no_dx, c->skip },
			    .wants_dparam = !c->no_dparam } };
	start_trial(&t, kernels, pool);
	const bool given[4] = { c->scale, c->bias, state, state };
	for (int i = 0; i < 4; i++)
		if (given[i]) {
			t.run.dparam[t.op.n_param] = i < 2 && !c->no_dparam ? data_of(&x->b[DSCALE + i]) : NULL;
			t.run.param[t.op.n_param++] = data_of(&x->b[SCALE + i]);
		}
	t.run.n = c->n;
	t.run.src[0] = data_of(&x->b[SRC]);
	t.run.src[1] = c->skip ? data_of(&x->b[SKIP]) : NULL;
	t.run.dst = data_of(&x->b[result_of(c)]);
	t.run.ddst = data_of(&x->b[DDST]);
	t.run.dsrc[0] = c->no_dx ? NULL : data_of(&x->b[c->place == 1 ? DDST : DSRC]);
	t.run.dsrc[1] = c->skip ? data_of(&x->b[c->place == 2 ? DDST : DSKIP]) : NULL;
	t.run.dsrc_add[0] = c->add_dx;
	t.run.dsrc_add[1] = c->add_dskip;
	t.run.dparam_add = c->accumulate;
	run_trial(&t);
	stop_trial(&t);
}

static void put(float *dst, double value, bool add) { *dst = (float)(add ? (double)*dst + value : value); }

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
			if (!(fabs(x - y) <= allowed(c) * largest))
				fail_msg("%s, case %d, %s of %d times %dx%dx%d, %d parameters, mean %g: buffer %d [%d] "
					 "is %.8g, %.8g wanted",
					 isa, number, c->cls->name, (int)c->n, (int)c->s.h, (int)c->s.w, (int)c->s.c,
					 (int)c->parameters, (double)c->mean, b, (int)i, x, y);
		}
	}
}

static void results_are_those_of_the_definition(void **state)
{
	(void)state;
	for (int number = 0; number < CASES; number++) {
		config c = random_config(300 + (uint64_t)number);
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

#endif
