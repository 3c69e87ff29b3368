/* first_values.c - uniform first values are the words of one stream in public order, whatever the order of storage, the
 * tiles that they are drawn in and the number of threads. */
#include "check.h"

#include "base/rng.h"
#include "model/model.h"

#include <stdlib.h>

#define SEED 77

/* A built model whose first parameter has room for `count` values. */
static nnopt_model *model_of(nnopt_context *ctx, int64_t count)
{
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_linear(m, count, NULL));
	assert_ok(nnopt_model_build(m, 1, (int64_t[]){ 1 }));
	return m;
}

static void check(const nno_param *p, const float *storage)
{
	nno_rng r;
	float *values = malloc((size_t)p->count * sizeof *values);
	assert_non_null(values);
	nno_param_to_public(p, values, storage);
	nno_rng_start(&r, SEED, NNO_RNG_INIT, 0, 0);
	/* fan_in is 16. */
	for (int64_t i = 0; i < p->count; i++) {
		float wanted = (float)((2.0 * (double)nno_rng_uniform(&r) - 1.0) * 0.25);
		if (values[i] != wanted)
			fail_msg("%s, rank %d, storage order %d %d %d %d: value %lld is %.9g, %.9g wanted", p->name,
				 p->spec.rank, p->spec.order[0], p->spec.order[1], p->spec.order[2], p->spec.order[3],
				 (long long)i, (double)values[i], (double)wanted);
	}
	free(values);
}

/* Every order of storage of a parameter shaped so. */
static void run_shape(nnopt_context *ctx, int rank, const int64_t shape[4])
{
	int64_t count = 1;
	int orders = 1;
	for (int i = 0; i < rank; i++) {
		count *= shape[i];
		orders *= rank;
	}
	nnopt_model *m = model_of(ctx, count);
	nno_param *p = &m->params[0];
	assert_true(p->count == count);
	for (int number = 0; number < orders; number++) {
		nno_spec spec = { .name = "weight", .rank = rank, .init = NNOPT_INIT_DEFAULT, .fan_in = 16 };
		int seen = 0;
		for (int i = 0, rest = number; i < rank; i++, rest /= rank) {
			spec.shape[i] = shape[i];
			spec.order[i] = rest % rank;
			seen |= 1 << spec.order[i];
		}
		if (seen != (1 << rank) - 1)
			continue; /* no permutation */
		p->spec = spec;
		for (int64_t i = 0; i < count; i++)
			m->parameters[p->offset + i] = 9.0f;
		assert_ok(nno_param_initialise(m, 0, SEED));
		check(p, m->parameters + p->offset);
	}
	nnopt_model_destroy(m);
}

static void words_in_public_order(void **state)
{
	(void)state;
	static const struct {
		int rank;
		int64_t shape[4];
	} cases[] = {
		{ 1, { 1 } },
		{ 1, { 9001 } },
		{ 2, { 1, 5003 } },
		{ 2, { 5003, 1 } },
		{ 2, { 130, 1030 } },
		{ 2, { 17, 257 } },
		{ 2, { 3, 180000 } },
		{ 2, { 9000, 9 } },
		{ 3, { 19, 23, 29 } },
		{ 4, { 1, 1, 1, 1 } },
		{ 4, { 33, 1, 3, 3 } },
		{ 4, { 7, 31, 5, 3 } },
		{ 4, { 64, 32, 3, 3 } },
		{ 4, { 2, 300, 30, 11 } },
	};
	for (int threads = 1; threads <= 3; threads++) {
		nnopt_context_options o;
		nnopt_context *ctx = NULL;
		assert_ok(nnopt_context_options_init(&o, sizeof o));
		o.threads = threads;
		assert_ok(nnopt_context_create(&ctx, &o));
		for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
			run_shape(ctx, cases[i].rank, cases[i].shape);
		nnopt_context_destroy(ctx);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(words_in_public_order) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
