/* schedule_lists.c - 260 factors of the schedules that are lists, cycles or sequences against PyTorch's schedulers and
 * the CIFAR speed run's triangle; plateaus against PyTorch's. */
#include "check.h"
#include "golden.h"

#include <math.h>

enum { MULTI_STEP, POLYNOMIAL, LINEAR, RESTARTS, EQUAL_RESTARTS, ONE_CYCLE, ONE_CYCLE_LINEAR, SEQUENCE, TRIANGLE };
enum { LENGTH = 260, VALUES = 120 };

static const struct {
	int kind;
	double factor[LENGTH];
} rows[] = {
#include "golden/schedule_more.inc"
};

static const struct {
	int maximise, absolute;
	double factor[VALUES];
} plateaus[] = {
#include "golden/plateau.inc"
};

/* Nested, where PyTorch's is flat. */
static nnopt_schedule *make_sequence(nnopt_context *context)
{
	nnopt_schedule *part[3] = { NULL }, *last[2] = { NULL }, *s = NULL;
	assert_ok(nnopt_schedule_linear_create(&part[0], context, 20, 0.1, 1.0));
	assert_ok(nnopt_schedule_multi_step_create(&part[1], context, (const int64_t[]){ 30, 60, 60 }, 3, 0.5));
	assert_ok(nnopt_schedule_exponential_create(&last[0], context, 1, 0.97));
	assert_ok(nnopt_schedule_cosine_create(&last[1], context, 89, 0.1));
	assert_ok(nnopt_schedule_sequential_create(&part[2], context, last, (const int64_t[]){ 50 }, 2));
	assert_ok(nnopt_schedule_sequential_create(&s, context, part, (const int64_t[]){ 20, 120 }, 3));
	for (int i = 0; i < 3; i++)
		nnopt_schedule_destroy(part[i]);
	for (int i = 0; i < 2; i++)
		nnopt_schedule_destroy(last[i]);
	return s;
}

static nnopt_schedule *make(nnopt_context *c, int kind)
{
	nnopt_schedule *s = NULL;
	const int64_t milestones[] = { 40, 41, 100, 100, 230 }, knots[] = { 0, 59, 259 };
	const double factors[] = { 0.2, 1.0, 0.07 };
	switch (kind) {
	case MULTI_STEP:
		assert_ok(nnopt_schedule_multi_step_create(&s, c, milestones, 5, 0.3));
		break;
	case POLYNOMIAL:
		assert_ok(nnopt_schedule_polynomial_create(&s, c, 210, 2.0, 0.0));
		break;
	case LINEAR:
		assert_ok(nnopt_schedule_linear_create(&s, c, 190, 0.25, 0.6));
		break;
	case RESTARTS:
		assert_ok(nnopt_schedule_warm_restarts_create(&s, c, 17, 2, 0.05));
		break;
	case EQUAL_RESTARTS:
		assert_ok(nnopt_schedule_warm_restarts_create(&s, c, 50, 1, 0.0));
		break;
	case ONE_CYCLE:
		assert_ok(nnopt_schedule_one_cycle_create(&s, c, LENGTH, 0.3, 1.0 / 25, 1.0 / 25e4, 0));
		break;
	case ONE_CYCLE_LINEAR:
		assert_ok(nnopt_schedule_one_cycle_create(&s, c, LENGTH, 0.413, 0.1, 0.001, 1));
		break;
	case TRIANGLE:
		assert_ok(nnopt_schedule_piecewise_create(&s, c, knots, factors, 3));
		break;
	default:
		s = make_sequence(c);
	}
	return s;
}

static void equals_pytorch(void **state)
{
	(void)state;
	nnopt_context *context = NULL;
	double most = 0.0;
	assert_ok(nnopt_context_create(&context, NULL));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		nnopt_schedule *s = make(context, rows[i].kind);
		for (int step = 0; step < LENGTH; step++) {
			double off = fabs(nnopt_schedule_factor(s, step) - rows[i].factor[step]);
			if (!(off <= 1e-12))
				fail_msg("schedule %d step %d: %.17g, PyTorch %.17g", rows[i].kind, step,
					 nnopt_schedule_factor(s, step), rows[i].factor[step]);
			most = fmax(most, off);
		}
		nnopt_schedule_destroy(s);
	}
	print_message("within %.2g of PyTorch\n", most);
	nnopt_context_destroy(context);
}

static void ends(void **state)
{
	(void)state;
	nnopt_context *c = NULL;
	nnopt_schedule *s = NULL, *longer = NULL;
	assert_ok(nnopt_context_create(&c, NULL));
	assert_ok(nnopt_schedule_warm_restarts_create(&s, c, 3, 3, 0.0));
	assert_true(nnopt_schedule_factor(s, INT64_MAX) >= 0.0 && nnopt_schedule_factor(s, 3) == 1.0);
	nnopt_schedule_destroy(s);
	for (int32_t linear = 0; linear < 2; linear++)
		for (int64_t steps = 1; steps < 5; steps++)
			for (int rise = 0; rise <= 4; rise++) {
				assert_ok(nnopt_schedule_one_cycle_create(&s, c, steps, rise / 4.0, 0.1, 0.01, linear));
				for (int64_t t = 0; t < 7; t++) {
					double f = nnopt_schedule_factor(s, t);
					assert_true(f >= 0.01 - 1e-12 && f <= 1.0 + 1e-12);
				}
				nnopt_schedule_destroy(s);
			}
	/* A part that is NULL, one part alone, and a nest that no recursion could follow. */
	assert_ok(nnopt_schedule_sequential_create(&s, c, (nnopt_schedule *const[]){ NULL }, NULL, 1));
	assert_true(nnopt_schedule_factor(s, 7) == 1.0);
	for (int i = 0; i < 100000; i++) {
		assert_ok(nnopt_schedule_sequential_create(&longer, c, (nnopt_schedule *const[]){ s, s },
							   (const int64_t[]){ 1 }, 2));
		nnopt_schedule_destroy(s);
		s = longer;
	}
	assert_true(nnopt_schedule_factor(s, 12345) == 1.0);
	nnopt_schedule_destroy(s);
	nnopt_context_destroy(c);
}

static void refuses(void **state)
{
	(void)state;
	nnopt_context *c = NULL;
	nnopt_schedule *s = NULL;
	const int64_t down[] = { 5, 4 }, same[] = { 5, 5 };
	const double factors[] = { 1.0, -1.0 };
	assert_ok(nnopt_context_create(&c, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "milestones[1] 4",
		     nnopt_schedule_multi_step_create(&s, c, down, 2, 0.1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "0 of them", nnopt_schedule_multi_step_create(&s, c, down, 0, 0.1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "steps[1] 5",
		     nnopt_schedule_piecewise_create(&s, c, same, factors, 2));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "factor -1",
		     nnopt_schedule_piecewise_create(&s, c, (const int64_t[]){ 0, 9 }, factors, 2));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "parts NULL",
		     nnopt_schedule_sequential_create(&s, c, NULL, down, 3));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "milestones[1] 5",
		     nnopt_schedule_sequential_create(&s, c, (nnopt_schedule *const[]){ NULL, NULL, NULL }, same, 3));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "multiply 0", nnopt_schedule_warm_restarts_create(&s, c, 3, 0, 0.0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "rise 2",
		     nnopt_schedule_one_cycle_create(&s, c, 9, 2.0, 0.1, 0.1, 0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "power -1", nnopt_schedule_polynomial_create(&s, c, 9, -1.0, 0.1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "steps 0", nnopt_schedule_linear_create(&s, c, 0, 1.0, 0.1));
	assert_null(s);
	nnopt_plateau *p = NULL;
	nnopt_plateau_options o;
	assert_ok(nnopt_plateau_options_init(&o, sizeof o));
	o.factor = 1.0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "factor 1", nnopt_plateau_create(&p, c, &o));
	o.factor = 0.5;
	o.patience = -1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "patience -1", nnopt_plateau_create(&p, c, &o));
	assert_null(p);
	nnopt_context_destroy(c);
}

/* Half way the state goes into another one. */
static void plateaus_equal_pytorch(void **state)
{
	(void)state;
	nnopt_context *context = NULL;
	assert_ok(nnopt_context_create(&context, NULL));
	for (size_t i = 0; i < sizeof plateaus / sizeof plateaus[0]; i++) {
		nnopt_plateau *p = NULL, *q = NULL;
		nnopt_plateau_options o;
		nnopt_plateau_state s = { .struct_size = sizeof s };
		assert_ok(nnopt_plateau_options_init(&o, sizeof o));
		o.factor = 0.5, o.patience = 4, o.threshold = 0.05, o.cooldown = 3, o.minimum = 0.01;
		o.maximise = plateaus[i].maximise, o.absolute = plateaus[i].absolute;
		assert_ok(nnopt_plateau_create(&p, context, &o));
		assert_ok(nnopt_plateau_create(&q, context, &o));
		assert_int_equal(nnopt_plateau_maximises(p), plateaus[i].maximise);
		for (int t = 0; t < VALUES; t++) {
			if (t == VALUES / 2) {
				assert_ok(nnopt_plateau_get_state(p, &s));
				assert_ok(nnopt_plateau_set_state(q, &s));
			}
			nnopt_plateau *now = t < VALUES / 2 ? p : q;
			assert_ok(nnopt_plateau_step(now, (double)number(900, (uint32_t)t) / (1.0 + t / 10.0)));
			if (!(fabs(nnopt_plateau_factor(now) - plateaus[i].factor[t]) <= 1e-12))
				fail_msg("plateau %d step %d: %.17g, PyTorch %.17g", (int)i, t,
					 nnopt_plateau_factor(now), plateaus[i].factor[t]);
		}
		s.factor = 2.0;
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "factor 2", nnopt_plateau_set_state(q, &s));
		nnopt_plateau_destroy(p);
		nnopt_plateau_destroy(q);
	}
	nnopt_context_destroy(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_pytorch),
		cmocka_unit_test(ends),
		cmocka_unit_test(refuses),
		cmocka_unit_test(plateaus_equal_pytorch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
