/* schedule.c - 200 factors of each schedule against PyTorch's schedulers. */
#include "check.h"

#include <math.h>

enum { STEP, EXPONENTIAL, COSINE, WARMUP };

static const struct {
	int kind;
	double factor[200];
} rows[] = {
#include "golden/schedule.inc"
};

static nnopt_schedule *make(nnopt_context *context, int kind)
{
	nnopt_schedule *s = NULL, *after = NULL;
	if (kind == STEP) {
		assert_ok(nnopt_schedule_step_create(&s, context, 30, 0.3));
	} else if (kind == EXPONENTIAL) {
		assert_ok(nnopt_schedule_exponential_create(&s, context, 1, 0.97));
	} else if (kind == COSINE) {
		assert_ok(nnopt_schedule_cosine_create(&s, context, 199, 0.05));
	} else {
		assert_ok(nnopt_schedule_cosine_create(&after, context, 180, 0.0));
		assert_ok(nnopt_schedule_warmup_create(&s, context, 20, 0.1, after));
		nnopt_schedule_destroy(after);
	}
	return s;
}

static void equals_pytorch(void **state)
{
	(void)state;
	nnopt_context *context = NULL;
	assert_ok(nnopt_context_create(&context, NULL));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		nnopt_schedule *s = make(context, rows[i].kind);
		for (int step = 0; step < 200; step++)
			if (!(fabs(nnopt_schedule_factor(s, step) - rows[i].factor[step]) <= 1e-12))
				fail_msg("schedule %d step %d: %.17g, PyTorch %.17g", rows[i].kind, step,
					 nnopt_schedule_factor(s, step), rows[i].factor[step]);
		nnopt_schedule_destroy(s);
	}
	nnopt_context_destroy(context);
}

static void ends_and_refusals(void **state)
{
	(void)state;
	nnopt_context *context = NULL;
	nnopt_schedule *s = NULL, *longer = NULL;
	assert_ok(nnopt_context_create(&context, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "every 0", nnopt_schedule_step_create(&s, context, 0, 0.5));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "gamma -1", nnopt_schedule_exponential_create(&s, context, 1, -1.0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "minimum", nnopt_schedule_cosine_create(&s, context, 10, 2.0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "context is NULL", nnopt_schedule_constant_create(&s, NULL));
	assert_null(s);
	assert_ok(nnopt_schedule_cosine_create(&s, context, 10, 0.25));
	assert_true(nnopt_schedule_factor(s, 10) == 0.25 && nnopt_schedule_factor(s, INT64_MAX) == 0.25);
	assert_ok(nnopt_schedule_one_cycle_create(&longer, context, 10, 1.0, 0.04, 0.0, 0)); /* nothing but the rise */
	assert_true(nnopt_schedule_factor(longer, 9) == 1.0 && nnopt_schedule_factor(longer, 10) == 0.0 &&
		    nnopt_schedule_factor(longer, INT64_MAX) == 0.0);
	nnopt_schedule_destroy(longer);
	for (int i = 0; i < 100000; i++) { /* no recursion anywhere */
		assert_ok(nnopt_schedule_warmup_create(&longer, context, 1, 0.5, s));
		nnopt_schedule_destroy(s);
		s = longer;
	}
	nnopt_context_destroy(context);
	assert_true(nnopt_schedule_factor(s, 50000) == 0.5 && nnopt_schedule_factor(s, 100000) == 1.0);
	nnopt_schedule_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_pytorch),
		cmocka_unit_test(ends_and_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
