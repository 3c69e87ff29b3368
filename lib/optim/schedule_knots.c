/* schedule_knots.c - schedules that are given as lists: of steps, of points, of other schedules. */
#include "optim/schedule.h"

#include <math.h>

enum { MOST = 1 << 20 };

static double multi_step_factor(const nnopt_schedule *s, int64_t step)
{
	return pow(s->value, (double)nno_schedule_passed(s, s->count, step));
}

static double piecewise_factor(const nnopt_schedule *s, int64_t step)
{
	int32_t i = nno_schedule_passed(s, s->count, step);
	if (i == 0 || i == s->count)
		return s->values[i == 0 ? 0 : i - 1];
	double share = (double)(step - s->at[i - 1]) / (double)(s->at[i] - s->at[i - 1]);
	return s->values[i - 1] + (s->values[i] - s->values[i - 1]) * share;
}

/* Steps of a list: at least `least` in number, ascending (each at least `apart` behind the one before), from 0 on. */
static nnopt_status check_steps(const char *what, const char *name, const int64_t *at, int32_t count, int32_t least,
				int64_t apart)
{
	if (count < least || count > MOST || (at == NULL && count > 0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s NULL or %d of them, %d to %d wanted", what, name,
				(int)count, (int)least, MOST);
	for (int32_t i = 0; i < count; i++)
		if (at[i] < 0 || (i > 0 && at[i] - at[i - 1] < apart))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"%s: %s[%d] %lld, at least 0 and %s the one before wanted", what, name, (int)i,
					(long long)at[i], apart > 0 ? "above" : "not below");
	return NNOPT_OK;
}

nnopt_status nnopt_schedule_multi_step_create(nnopt_schedule **out, nnopt_context *context, const int64_t *milestones,
					      int32_t count, double gamma)
{
	NNO_TRY(check_steps("schedule_multi_step", "milestones", milestones, count, 1, 0));
	NNO_TRY(nno_schedule_check("schedule_multi_step", "count", count, "gamma", gamma, 1e3));
	nnopt_schedule s = { .factor = multi_step_factor, .value = gamma, .at = (int64_t *)milestones, .count = count };
	return nno_schedule_create(out, context, &s, "schedule_multi_step");
}

nnopt_status nnopt_schedule_piecewise_create(nnopt_schedule **out, nnopt_context *context, const int64_t *steps,
					     const double *factors, int32_t count)
{
	NNO_TRY(check_steps("schedule_piecewise", "steps", steps, count, 1, 1));
	if (factors == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "schedule_piecewise: factors is NULL");
	for (int32_t i = 0; i < count; i++)
		NNO_TRY(nno_schedule_check("schedule_piecewise", "count", count, "a factor", factors[i], 1e3));
	nnopt_schedule s = {
		.factor = piecewise_factor, .at = (int64_t *)steps, .values = (double *)factors, .count = count
	};
	return nno_schedule_create(out, context, &s, "schedule_piecewise");
}

nnopt_status nnopt_schedule_sequential_create(nnopt_schedule **out, nnopt_context *context,
					      nnopt_schedule *const *parts, const int64_t *milestones, int32_t count)
{
	if (parts == NULL || count < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"schedule_sequential: parts NULL or %d of them, at least 1 wanted", (int)count);
	NNO_TRY(check_steps("schedule_sequential", "milestones", milestones, count - 1, 0, 1));
	/* As many steps as parts are copied: the last one begins nothing. */
	nnopt_schedule s = { .parts = (nnopt_schedule **)parts, .count = count };
	s.at = context != NULL ? nno_new_array(&context->alloc, (size_t)count, sizeof *s.at) : NULL;
	if (context != NULL && s.at == NULL)
		return nno_fail_memory("schedule_sequential", (size_t)count * sizeof *s.at);
	for (int32_t i = 0; s.at != NULL && i < count; i++)
		s.at[i] = i + 1 < count ? milestones[i] : INT64_MAX;
	nnopt_status status = nno_schedule_create(out, context, &s, "schedule_sequential");
	if (context != NULL)
		nno_delete(&context->alloc, s.at);
	return status;
}
