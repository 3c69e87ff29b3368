/* update.c - 50 steps of every optimizer and option over plain arrays against PyTorch; freezing; the same bits at any
 * thread count. */
#include "check.h"
#include "golden.h"
#include "isas.h"

#include "optim/optim.h"

#include <math.h>

enum { N = 37, STEPS = 50, SPLIT = 20 };
enum { SGD, ADAM, ADAMW, RMSPROP };

typedef struct row {
	int kind;
	double lr, momentum, dampening, nesterov, beta1, beta2, epsilon, alpha, centered, weight_decay, l1, max_norm,
	    max_value;
	double scale, groups;
	double weights[N];
} row;

static const int isas[] = { NNOPT_ISA_SCALAR, NNOPT_ISA_AVX2, NNOPT_ISA_BEST };

static const row rows[] = {
#include "golden/optim.inc"
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static nnopt_optimizer *make(nnopt_context *context, const row *r)
{
	nnopt_optimizer *o = NULL;
	if (r->kind == SGD) {
		nnopt_sgd_options s;
		assert_ok(nnopt_sgd_options_init(&s, sizeof s));
		s.lr = r->lr, s.momentum = r->momentum, s.dampening = r->dampening, s.nesterov = (int32_t)r->nesterov;
		s.weight_decay = r->weight_decay, s.l1 = r->l1;
		assert_ok(nnopt_sgd_create(&o, context, &s));
	} else if (r->kind == RMSPROP) {
		nnopt_rmsprop_options s;
		assert_ok(nnopt_rmsprop_options_init(&s, sizeof s));
		s.lr = r->lr, s.momentum = r->momentum, s.alpha = r->alpha, s.centered = (int32_t)r->centered;
		s.epsilon = r->epsilon, s.weight_decay = r->weight_decay, s.l1 = r->l1;
		assert_ok(nnopt_rmsprop_create(&o, context, &s));
	} else {
		nnopt_adam_options s;
		assert_ok(nnopt_adam_options_init(&s, sizeof s));
		s.lr = r->lr, s.beta1 = r->beta1, s.beta2 = r->beta2, s.epsilon = r->epsilon;
		s.weight_decay = r->weight_decay, s.l1 = r->l1;
		assert_ok((r->kind == ADAM ? nnopt_adam_create : nnopt_adamw_create)(&o, context, &s));
	}
	assert_ok(nnopt_optimizer_set_clipping(o, r->max_norm, r->max_value));
	if (r->groups != 0.0) {
		nnopt_group_options g;
		assert_ok(nnopt_group_options_init(&g, sizeof g));
		g.name_prefix = "b";
		g.lr_scale = 0.5;
		g.weight_decay_scale = 0.0;
		assert_ok(nnopt_optimizer_add_group(o, &g));
	}
	return o;
}

static nno_span span(int64_t begin, int64_t end, int32_t group, int32_t trainable)
{
	return (nno_span){ .begin = begin, .end = end, .group = group, .trainable = trainable };
}

static nnopt_context *context_of(int threads, int isa)
{
	nnopt_context_options o;
	nnopt_context *context = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.threads = threads;
	o.isa_cap = isa;
	assert_ok(nnopt_context_create(&context, &o));
	return context;
}

static void equals_pytorch(void **state)
{
	(void)state;
	for (int i = 0; i < 3 * ROWS; i++) {
		if (!has_isa(isas[i % 3]))
			continue;
		const row *r = &rows[i / 3];
		nnopt_context *context = context_of(1, isas[i % 3]);
		nnopt_optimizer *o = make(context, r);
		const nno_span spans[] = { span(0, SPLIT, nno_optimizer_group_of(o, "a", 0), 1),
					   span(SPLIT, N, nno_optimizer_group_of(o, "b", 0), 1) };
		assert_ok(nno_optimizer_bind(o, spans, 2, N));
		float w[N], g[N];
		for (uint32_t j = 0; j < N; j++)
			w[j] = number(10, j);
		for (uint32_t t = 0; t < STEPS; t++) {
			nnopt_step_result result;
			for (uint32_t j = 0; j < N; j++)
				g[j] = number(100 + t, j);
			nno_optimizer_update(o, w, g, (float)r->scale, &result);
			assert_int_equal(result.finite, 1);
		}
		assert_int_equal(nnopt_optimizer_steps(o), STEPS);
		for (int j = 0; j < N; j++)
			if (!(fabs((double)w[j] - r->weights[j]) <= 1e-5 * fmax(1.0, fabs(r->weights[j]))))
				fail_msg("row %d: weight %d %.9g, PyTorch %.9g", i / 3, j, (double)w[j], r->weights[j]);
		nnopt_optimizer_destroy(o);
		nnopt_context_destroy(context);
	}
}

/* Several chunks, a frozen span across their borders, garbage in its gradient. */
static void frozen_spans_are_left_alone(void **state)
{
	(void)state;
	enum { BIG = 3 * NNO_UPDATE_CHUNK + 5, FROM = 100, TO = 2 * NNO_UPDATE_CHUNK + 7 };
	static float w[BIG], g[BIG];
	nnopt_context *context = context_of(2, NNOPT_ISA_BEST);
	nnopt_optimizer *o = NULL;
	assert_ok(nnopt_adam_create(&o, context, NULL));
	const nno_span spans[] = { span(0, FROM, 0, 1), span(FROM, TO, 0, 0), span(TO, BIG, 0, 1) };
	assert_ok(nno_optimizer_bind(o, spans, 3, BIG));
	for (int i = 0; i < BIG; i++) {
		w[i] = 1.0f;
		g[i] = i >= FROM && i < TO ? NAN : 2.0f;
	}
	nnopt_step_result result;
	nno_optimizer_update(o, w, g, 0.5f, &result);
	assert_int_equal(result.finite, 1);
	assert_true(fabs(result.gradient_norm - sqrt((double)(BIG - (TO - FROM)))) < 1e-9);
	for (int i = 0; i < BIG; i++)
		assert_true((w[i] == 1.0f) == (i >= FROM && i < TO));
	/* Thawed: the NaN counts, and nothing is touched. */
	static float before[BIG];
	memcpy(before, w, sizeof w);
	o->spans[1].trainable = 1;
	nno_optimizer_cut(o);
	nno_optimizer_update(o, w, g, 0.5f, &result);
	assert_int_equal(result.finite, 0);
	assert_memory_equal(before, w, sizeof w);
	assert_int_equal(nnopt_optimizer_steps(o), 1);
	for (int i = 0; i < BIG; i++)
		g[i] = 1.0f;
	nno_optimizer_update(o, w, g, 1.0f, &result);
	for (int i = 0; i < BIG; i++)
		assert_true(w[i] != before[i]);
	nnopt_optimizer_destroy(o);
	nnopt_context_destroy(context);
}

static void same_bits_at_any_thread_count(void **state)
{
	(void)state;
	enum { BIG = 5 * NNO_UPDATE_CHUNK + 77 };
	static float w[BIG], g[BIG], kept[BIG];
	double norm = 0.0;
	for (int threads = 1; threads <= 4; threads++) {
		nnopt_context *context = context_of(threads, NNOPT_ISA_BEST);
		nnopt_optimizer *o = NULL;
		assert_ok(nnopt_adamw_create(&o, context, NULL));
		assert_ok(nnopt_optimizer_set_clipping(o, 1.0, 0.0));
		assert_ok(nno_optimizer_bind(o, &(nno_span){ .end = BIG, .trainable = 1 }, 1, BIG));
		for (uint32_t i = 0; i < BIG; i++)
			w[i] = number(1, i);
		nnopt_step_result result;
		for (uint32_t t = 0; t < 3; t++) {
			for (uint32_t i = 0; i < BIG; i++)
				g[i] = number(2 + t, i);
			nno_optimizer_update(o, w, g, 1.0f, &result);
		}
		if (threads > 1) {
			assert_memory_equal(&norm, &result.gradient_norm, sizeof norm);
			assert_memory_equal(kept, w, sizeof w);
		}
		norm = result.gradient_norm;
		memcpy(kept, w, sizeof w);
		nnopt_optimizer_destroy(o);
		nnopt_context_destroy(context);
	}
}

static void refuses(void **state)
{
	(void)state;
	nnopt_context *context = context_of(1, NNOPT_ISA_BEST);
	nnopt_optimizer *o = NULL;
	nnopt_adam_options a;
	assert_ok(nnopt_adam_options_init(&a, sizeof a));
	a.beta2 = 1.0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "beta2 1", nnopt_adam_create(&o, context, &a));
	nnopt_sgd_options s;
	assert_ok(nnopt_sgd_options_init(&s, sizeof s));
	s.nesterov = 1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "nesterov", nnopt_sgd_create(&o, context, &s));
	s.nesterov = 0;
	s.lr = NAN;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "lr nan", nnopt_sgd_create(&o, context, &s));
	assert_null(o);
	assert_ok(nnopt_sgd_create(&o, context, NULL));
	assert_string_equal(nnopt_optimizer_kind(o), "sgd");
	assert_int_equal(nnopt_optimizer_slot_count(o), 0);
	assert_null(nnopt_optimizer_slot_name(o, 0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "max_norm -1", nnopt_optimizer_set_clipping(o, -1.0, 0.0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "lr -1", nnopt_optimizer_set_lr(o, -1.0));
	nnopt_group_options g;
	assert_ok(nnopt_group_options_init(&g, sizeof g));
	g.role = NNOPT_ROLE_STATE;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "role 4", nnopt_optimizer_add_group(o, &g));
	assert_ok(nno_optimizer_bind(o, &(nno_span){ .end = 3, .trainable = 1 }, 1, 3));
	g.role = NNOPT_ROLE_BIAS;
	assert_fails(NNOPT_ERROR_STATE, "attached", nnopt_optimizer_add_group(o, &g));
	nnopt_optimizer_destroy(o);
	nnopt_context_destroy(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_pytorch),
		cmocka_unit_test(frozen_spans_are_left_alone),
		cmocka_unit_test(same_bits_at_any_thread_count),
		cmocka_unit_test(refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
