/* schedule.c - learning-rate schedules: pure functions of the step, in double. */
#include "nnopt/schedule.h"

#include "context/context.h"

#include <math.h>

struct nnopt_schedule {
	nno_ref ref;
	nnopt_context *context;
	double (*factor)(const nnopt_schedule *s, int64_t step);
	int64_t steps;
	double value;          /* gamma, minimum or start */
	nnopt_schedule *after; /* warmup only */
};

static double constant_factor(const nnopt_schedule *s, int64_t step)
{
	(void)s;
	(void)step;
	return 1.0;
}

static double step_factor(const nnopt_schedule *s, int64_t step) { return pow(s->value, (double)(step / s->steps)); }

static double exponential_factor(const nnopt_schedule *s, int64_t step)
{
	return pow(s->value, (double)step / (double)s->steps);
}

static double cosine_factor(const nnopt_schedule *s, int64_t step)
{
	if (step >= s->steps)
		return s->value;
	const double pi = 3.14159265358979323846;
	return s->value + (1.0 - s->value) * 0.5 * (1.0 + cos(pi * (double)step / (double)s->steps));
}

static double warmup_factor(const nnopt_schedule *s, int64_t step)
{
	return s->value + (1.0 - s->value) * (double)step / (double)s->steps;
}

static nnopt_status create(nnopt_schedule **out, nnopt_context *context, const nnopt_schedule *of, const char *what)
{
	if (out == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s is NULL", what, out == NULL ? "out" : "context");
	nnopt_schedule *s = nno_new(&context->alloc, sizeof *s);
	if (s == NULL)
		return nno_fail_memory(what, sizeof *s);
	*s = *of;
	nno_ref_init(&s->ref);
	s->context = nno_context_take(context);
	if (s->after != NULL)
		nno_ref_take(&s->after->ref);
	*out = s;
	return NNOPT_OK;
}

static nnopt_status check(const char *what, const char *steps_name, int64_t steps, const char *value_name, double value,
			  double most)
{
	if (steps < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s %lld, at least 1 wanted", what, steps_name,
				(long long)steps);
	if (!(value >= 0.0 && value <= most))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s %g, 0 to %g wanted", what, value_name, value,
				most);
	return NNOPT_OK;
}

nnopt_status nnopt_schedule_constant_create(nnopt_schedule **out, nnopt_context *context)
{
	nnopt_schedule s = { .factor = constant_factor };
	return create(out, context, &s, "schedule_constant");
}

nnopt_status nnopt_schedule_step_create(nnopt_schedule **out, nnopt_context *context, int64_t every, double gamma)
{
	NNO_TRY(check("schedule_step", "every", every, "gamma", gamma, 1e3));
	nnopt_schedule s = { .factor = step_factor, .steps = every, .value = gamma };
	return create(out, context, &s, "schedule_step");
}

nnopt_status nnopt_schedule_exponential_create(nnopt_schedule **out, nnopt_context *context, int64_t every,
					       double gamma)
{
	NNO_TRY(check("schedule_exponential", "every", every, "gamma", gamma, 1e3));
	nnopt_schedule s = { .factor = exponential_factor, .steps = every, .value = gamma };
	return create(out, context, &s, "schedule_exponential");
}

nnopt_status nnopt_schedule_cosine_create(nnopt_schedule **out, nnopt_context *context, int64_t steps, double minimum)
{
	NNO_TRY(check("schedule_cosine", "steps", steps, "minimum", minimum, 1.0));
	nnopt_schedule s = { .factor = cosine_factor, .steps = steps, .value = minimum };
	return create(out, context, &s, "schedule_cosine");
}

nnopt_status nnopt_schedule_warmup_create(nnopt_schedule **out, nnopt_context *context, int64_t steps, double start,
					  nnopt_schedule *after)
{
	NNO_TRY(check("schedule_warmup", "steps", steps, "start", start, 1.0));
	nnopt_schedule s = { .factor = warmup_factor, .steps = steps, .value = start, .after = after };
	return create(out, context, &s, "schedule_warmup");
}

/* Loops, not recursions, here and below: a caller may chain warm-ups without end. */
void nnopt_schedule_destroy(nnopt_schedule *schedule)
{
	while (schedule != NULL && nno_ref_drop(&schedule->ref)) {
		nnopt_schedule *after = schedule->after;
		nnopt_context *context = schedule->context;
		nno_delete(&context->alloc, schedule);
		nno_context_drop(context);
		schedule = after;
	}
}

double nnopt_schedule_factor(const nnopt_schedule *schedule, int64_t step)
{
	if (step < 0)
		step = 0;
	while (schedule != NULL && schedule->factor == warmup_factor && step >= schedule->steps) {
		step -= schedule->steps;
		schedule = schedule->after;
	}
	return schedule == NULL ? 1.0 : schedule->factor(schedule, step);
}
