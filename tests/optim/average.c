/* average.c - averages of weights against PyTorch's AveragedModel, and Lookahead's formula; swapping; soups. */
#include "blocks.h"
#include "golden.h"

#include <math.h>

enum { EMA, WARM, SWA, LOOKAHEAD, AIRBENCH };
enum { WEIGHTS = 37, STATE = 5, UPDATES = 60 };

typedef struct row {
	int kind;
	int64_t every, start;
	double wanted[WEIGHTS + STATE];
} row;

static const row rows[] = {
#include "golden/average.inc"
};

static nnopt_context *context_of(int32_t threads)
{
	nnopt_context_options o;
	nnopt_context *context = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.threads = threads;
	assert_ok(nnopt_context_create(&context, &o));
	return context;
}

/* With at least `weights` parameters and some state. */
static nnopt_model *make_model(nnopt_context *context, int64_t weights)
{
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, context));
	assert_ok(nnopt_add_linear(m, weights, NULL));
	assert_ok(nnopt_add_batch_norm1d(m, NULL));
	assert_ok(nnopt_model_build(m, 1, (int64_t[]){ 1 }));
	return m;
}

static nnopt_average *make(nnopt_context *context, const row *r)
{
	nnopt_average *a = NULL;
	if (r->kind == EMA || r->kind == WARM) {
		nnopt_ema_options o;
		assert_ok(nnopt_ema_options_init(&o, sizeof o));
		o.decay = 0.9, o.every = r->every, o.start = r->start, o.warm_up = r->kind == WARM;
		assert_ok(nnopt_ema_create(&a, context, &o));
	} else if (r->kind == SWA) {
		nnopt_swa_options o;
		assert_ok(nnopt_swa_options_init(&o, sizeof o));
		o.every = r->every, o.start = r->start;
		assert_ok(nnopt_swa_create(&a, context, &o));
	} else {
		nnopt_lookahead_options o;
		assert_ok(nnopt_lookahead_options_init(&o, sizeof o));
		o.every = r->every, o.ramp_steps = r->kind == AIRBENCH ? UPDATES : 0;
		assert_ok(nnopt_lookahead_create(&a, context, &o));
	}
	return a;
}

/* The update before the t-th: new numbers, or for Lookahead a step. */
static void move(const nnopt_model_blocks *k, int kind, uint32_t t)
{
	float keep = kind >= LOOKAHEAD && t > 0 ? 1.0f : 0.0f, share = keep != 0.0f ? 0.1f : 1.0f;
	for (uint32_t i = 0; i < WEIGHTS; i++)
		k->parameters[i] = keep * k->parameters[i] + share * number(500 + t, i);
	for (uint32_t i = 0; i < STATE; i++)
		k->state[i] = keep * k->state[i] + share * number(700 + t, i);
}

static void equals_pytorch(void **state)
{
	(void)state;
	double most = 0.0;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		nnopt_context *context = context_of(1 + (int32_t)i % 3);
		nnopt_model *m = make_model(context, 20);
		nnopt_model_blocks k = blocks_of(m);
		nnopt_average *a = make(context, &rows[i]);
		move(&k, rows[i].kind, 0);
		if (rows[i].kind >= LOOKAHEAD)
			assert_fails(NNOPT_ERROR_STATE, "attach", nnopt_average_update(a, m));
		assert_ok(nnopt_average_attach(a, m));
		for (uint32_t t = 1; t <= UPDATES; t++) {
			move(&k, rows[i].kind, t);
			assert_ok(nnopt_average_update(a, m));
		}
		assert_int_equal(nnopt_average_steps(a), UPDATES);
		assert_int_equal(nnopt_average_count(a), (UPDATES - rows[i].start) / rows[i].every);
		assert_ok(nnopt_average_apply(a, m));
		for (int j = 0; j < WEIGHTS + STATE; j++) {
			double got = (double)(j < WEIGHTS ? k.parameters[j] : k.state[j - WEIGHTS]);
			double off = fabs(got - rows[i].wanted[j]) / fmax(1.0, fabs(rows[i].wanted[j]));
			if (!(off <= 1e-6))
				fail_msg("row %d: number %d %.9g, %.9g wanted", (int)i, j, got, rows[i].wanted[j]);
			most = fmax(most, off);
		}
		nnopt_model_destroy(m);
		nnopt_average_destroy(a);
		nnopt_context_destroy(context);
	}
	print_message("within %.2g of the references\n", most);
}

static void swapping(void **state)
{
	(void)state;
	enum { BIG = 50000 };
	nnopt_context *context = context_of(2);
	nnopt_model *m = make_model(context, BIG), *other = make_model(context, 3);
	nnopt_model_blocks k = blocks_of(m);
	nnopt_average *a = NULL;
	nnopt_ema_options o;
	assert_ok(nnopt_ema_options_init(&o, sizeof o));
	o.start = 2;
	o.average_state = 0;
	assert_ok(nnopt_ema_create(&a, context, &o));
	assert_string_equal(nnopt_average_kind(a), "ema");
	assert_null(nnopt_average_parameters(a));
	assert_fails(NNOPT_ERROR_STATE, "not attached", nnopt_average_swap(a, m));
	for (int t = 0; t < 4; t++) {
		/* Before any weights were taken up there is nothing to swap. */
		if (t == 2) {
			assert_ok(nnopt_average_swap(a, m));
			assert_int_equal(nnopt_average_swapped(a), 0);
			assert_ok(nnopt_average_apply(a, m));
			assert_true(k.parameters[BIG] == 2.0f);
		}
		for (int64_t i = 0; i < k.parameter_elements; i++)
			k.parameters[i] = (float)(t + 1);
		assert_ok(nnopt_average_update(a, m));
	}
	assert_null(nnopt_average_state(a));
	const float *average = nnopt_tensor_data(nnopt_average_parameters(a));
	float kept = average[BIG + 7];
	assert_true(fabs((double)kept - (0.999 * 3 + 0.001 * 4)) < 1e-6);
	assert_ok(nnopt_average_swap(a, m));
	assert_int_equal(nnopt_average_swapped(a), 1);
	assert_true(k.parameters[BIG + 7] == kept && average[BIG + 7] == 4.0f && k.parameters[0] == kept);
	assert_fails(NNOPT_ERROR_STATE, "swap", nnopt_average_update(a, m));
	assert_fails(NNOPT_ERROR_STATE, "swap", nnopt_average_set_counts(a, 4, 0));
	assert_fails(NNOPT_ERROR_STATE, "another model", nnopt_average_update(a, other));
	assert_ok(nnopt_average_swap(a, m));
	assert_true(k.parameters[BIG + 7] == 4.0f && average[BIG + 7] == kept);
	assert_ok(nnopt_average_swap(a, m));
	assert_ok(nnopt_average_apply(a, m));
	assert_true(k.parameters[BIG + 7] == kept && average[BIG + 7] == kept && !nnopt_average_swapped(a));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "count", nnopt_average_set_counts(a, 1, 2));
	nnopt_average_destroy(a);
	nnopt_model_destroy(m);
	nnopt_model_destroy(other);
	nnopt_context_destroy(context);
}

static void soups(void **state)
{
	(void)state;
	nnopt_context *context = context_of(2);
	nnopt_model *m[3], *other = make_model(context, 21);
	for (int i = 0; i < 3; i++) {
		m[i] = make_model(context, 20);
		nnopt_model_blocks k = blocks_of(m[i]);
		move(&k, EMA, (uint32_t)i);
	}
	const double weights[3] = { 1.0, 0.0, 3.0 };
	float wanted[WEIGHTS];
	for (uint32_t i = 0; i < WEIGHTS; i++)
		wanted[i] = (float)(0.25 * (double)number(500, i) + 0.75 * (double)number(502, i));
	assert_ok(nnopt_model_average(m[0], m, weights, 3)); /* in place */
	assert_memory_equal(wanted, blocks_of(m[0]).parameters, sizeof wanted);
	assert_ok(nnopt_model_average(m[1], &m[1], NULL, 2));
	for (uint32_t i = 0; i < STATE; i++)
		assert_true(fabsf(blocks_of(m[1]).state[i] - 0.5f * (number(701, i) + number(702, i))) < 1e-6f);
	const double none[3] = { 0.0, 0.0, 0.0 }, bad[3] = { 1.0, NAN, 1.0 };
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "add up to 0", nnopt_model_average(m[0], m, none, 3));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "weights[1] nan", nnopt_model_average(m[0], m, bad, 3));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "count 0", nnopt_model_average(m[0], m, NULL, 0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "linear1.weight",
		     nnopt_model_average(m[0], (nnopt_model *const[]){ m[1], other }, NULL, 2));
	assert_memory_equal(wanted, blocks_of(m[0]).parameters, sizeof wanted);
	for (int i = 0; i < 3; i++)
		nnopt_model_destroy(m[i]);
	nnopt_model_destroy(other);
	nnopt_context_destroy(context);
}

static void refuses(void **state)
{
	(void)state;
	nnopt_context *context = context_of(1);
	nnopt_average *a = NULL;
	nnopt_ema_options e;
	assert_ok(nnopt_ema_options_init(&e, sizeof e));
	e.decay = 1.0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "decay 1", nnopt_ema_create(&a, context, &e));
	e.decay = 0.5;
	e.every = 0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "every 0", nnopt_ema_create(&a, context, &e));
	nnopt_swa_options s;
	assert_ok(nnopt_swa_options_init(&s, sizeof s));
	s.start = -1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "start -1", nnopt_swa_create(&a, context, &s));
	nnopt_lookahead_options l;
	assert_ok(nnopt_lookahead_options_init(&l, sizeof l));
	l.alpha = 0.0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "alpha 0", nnopt_lookahead_create(&a, context, &l));
	assert_null(a);
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, context));
	assert_ok(nnopt_swa_create(&a, context, NULL));
	assert_fails(NNOPT_ERROR_STATE, "built", nnopt_average_attach(a, m));
	nnopt_average_destroy(a);
	nnopt_model_destroy(m);
	nnopt_context_destroy(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_pytorch),
		cmocka_unit_test(swapping),
		cmocka_unit_test(soups),
		cmocka_unit_test(refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
