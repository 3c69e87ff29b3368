/* schedule.c - learning-rate schedules: pure functions of the step, in double. */
#include "optim/schedule.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

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
	return s->value + (1.0 - s->value) * 0.5 * (1.0 + cos(pi * (double)step / (double)s->steps));
}

static double warmup_factor(const nnopt_schedule *s, int64_t step)
{
	return s->value + (1.0 - s->value) * (double)step / (double)s->steps;
}

static double linear_factor(const nnopt_schedule *s, int64_t step)
{
	return step >= s->steps ? s->end : s->value + (s->end - s->value) * ((double)step / (double)s->steps);
}

static double polynomial_factor(const nnopt_schedule *s, int64_t step)
{
	if (step >= s->steps)
		return s->end;
	return s->end + (1.0 - s->end) * pow(1.0 - (double)step / (double)s->steps, s->shape);
}

static double restarts_factor(const nnopt_schedule *s, int64_t step)
{
	int64_t period = s->steps;
	if (s->multiply == 1)
		step %= period;
	while (step >= period) {
		step -= period;
		period = period > INT64_MAX / s->multiply ? INT64_MAX : period * s->multiply;
	}
	return s->value + (1.0 - s->value) * (1.0 + cos(pi * (double)step / (double)period)) / 2.0;
}

/* As torch's two phases: the first ends at shape * steps - 1, which need not be whole. */
static double one_cycle_factor(const nnopt_schedule *s, int64_t step)
{
	if (step >= s->steps)
		return s->end;
	double t = (double)step, begin = 0.0, end = s->shape * (double)s->steps - 1.0;
	double from = s->value, to = 1.0;
	if (t > end) {
		begin = end;
		end = (double)(s->steps - 1);
		from = 1.0;
		to = s->end;
	}
	double share = end > begin ? (t - begin) / (end - begin) : 1.0;
	return s->linear ? from + (to - from) * share : to + (from - to) / 2.0 * (1.0 + cos(pi * share));
}

static nnopt_status copy_arrays(nnopt_schedule *s, const nnopt_schedule *of, const char *what)
{
	const nno_alloc *alloc = &s->context->alloc;
	size_t n = (size_t)of->count;
	s->at = nno_new_array(alloc, n, sizeof *s->at);
	if (of->values != NULL)
		s->values = nno_new_array(alloc, n, sizeof *s->values);
	if (of->parts != NULL)
		s->parts = nno_new_array(alloc, n, sizeof(nnopt_schedule *));
	if (s->at == NULL || (of->values != NULL && s->values == NULL) || (of->parts != NULL && s->parts == NULL))
		return nno_fail_memory(what, n * sizeof *s->at);
	memcpy(s->at, of->at, n * sizeof *s->at);
	if (of->values != NULL)
		memcpy(s->values, of->values, n * sizeof *s->values);
	for (int32_t i = 0; of->parts != NULL && i < of->count; i++) {
		s->parts[i] = of->parts[i];
		if (s->parts[i] != NULL)
			nno_ref_take(&s->parts[i]->ref);
	}
	return NNOPT_OK;
}

nnopt_status nno_schedule_create(nnopt_schedule **out, nnopt_context *context, const nnopt_schedule *of,
				 const char *what)
{
	if (out == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s is NULL", what, out == NULL ? "out" : "context");
	nnopt_schedule *s = nno_new(&context->alloc, sizeof *s);
	if (s == NULL)
		return nno_fail_memory(what, sizeof *s);
	*s = *of;
	nno_ref_init(&s->ref);
	s->context = nno_context_take(context);
	s->at = NULL;
	s->values = NULL;
	s->parts = NULL;
	if (s->after != NULL)
		nno_ref_take(&s->after->ref);
	nnopt_status status = of->count > 0 ? copy_arrays(s, of, what) : NNOPT_OK;
	if (status != NNOPT_OK) {
		nnopt_schedule_destroy(s);
		return status;
	}
	*out = s;
	return NNOPT_OK;
}

nnopt_status nno_schedule_check(const char *what, const char *steps_name, int64_t steps, const char *value_name,
				double value, double most)
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
	return nno_schedule_create(out, context, &s, "schedule_constant");
}

nnopt_status nnopt_schedule_step_create(nnopt_schedule **out, nnopt_context *context, int64_t every, double gamma)
{
	NNO_TRY(nno_schedule_check("schedule_step", "every", every, "gamma", gamma, 1e3));
	nnopt_schedule s = { .factor = step_factor, .steps = every, .value = gamma };
	return nno_schedule_create(out, context, &s, "schedule_step");
}

nnopt_status nnopt_schedule_exponential_create(nnopt_schedule **out, nnopt_context *context, int64_t every,
					       double gamma)
{
	NNO_TRY(nno_schedule_check("schedule_exponential", "every", every, "gamma", gamma, 1e3));
	nnopt_schedule s = { .factor = exponential_factor, .steps = every, .value = gamma };
	return nno_schedule_create(out, context, &s, "schedule_exponential");
}

nnopt_status nnopt_schedule_cosine_create(nnopt_schedule **out, nnopt_context *context, int64_t steps, double minimum)
{
	NNO_TRY(nno_schedule_check("schedule_cosine", "steps", steps, "minimum", minimum, 1.0));
	nnopt_schedule s = { .factor = cosine_factor, .steps = steps, .value = minimum };
	return nno_schedule_create(out, context, &s, "schedule_cosine");
}

nnopt_status nnopt_schedule_warmup_create(nnopt_schedule **out, nnopt_context *context, int64_t steps, double start,
					  nnopt_schedule *after)
{
	NNO_TRY(nno_schedule_check("schedule_warmup", "steps", steps, "start", start, 1.0));
	nnopt_schedule s = { .factor = warmup_factor, .steps = steps, .value = start, .after = after };
	return nno_schedule_create(out, context, &s, "schedule_warmup");
}

nnopt_status nnopt_schedule_linear_create(nnopt_schedule **out, nnopt_context *context, int64_t steps, double start,
					  double end)
{
	NNO_TRY(nno_schedule_check("schedule_linear", "steps", steps, "start", start, 1e3));
	NNO_TRY(nno_schedule_check("schedule_linear", "steps", steps, "end", end, 1e3));
	nnopt_schedule s = { .factor = linear_factor, .steps = steps, .value = start, .end = end };
	return nno_schedule_create(out, context, &s, "schedule_linear");
}

nnopt_status nnopt_schedule_polynomial_create(nnopt_schedule **out, nnopt_context *context, int64_t steps, double power,
					      double minimum)
{
	NNO_TRY(nno_schedule_check("schedule_polynomial", "steps", steps, "power", power, 1e3));
	NNO_TRY(nno_schedule_check("schedule_polynomial", "steps", steps, "minimum", minimum, 1.0));
	nnopt_schedule s = { .factor = polynomial_factor, .steps = steps, .end = minimum, .shape = power };
	return nno_schedule_create(out, context, &s, "schedule_polynomial");
}

nnopt_status nnopt_schedule_warm_restarts_create(nnopt_schedule **out, nnopt_context *context, int64_t first,
						 int64_t multiply, double minimum)
{
	NNO_TRY(nno_schedule_check("schedule_warm_restarts", "first", first, "minimum", minimum, 1.0));
	NNO_TRY(nno_schedule_check("schedule_warm_restarts", "multiply", multiply, "minimum", minimum, 1.0));
	nnopt_schedule s = { .factor = restarts_factor, .steps = first, .multiply = multiply, .value = minimum };
	return nno_schedule_create(out, context, &s, "schedule_warm_restarts");
}

nnopt_status nnopt_schedule_one_cycle_create(nnopt_schedule **out, nnopt_context *context, int64_t steps, double rise,
					     double start, double end, int32_t linear)
{
	NNO_TRY(nno_schedule_check("schedule_one_cycle", "steps", steps, "rise", rise, 1.0));
	NNO_TRY(nno_schedule_check("schedule_one_cycle", "steps", steps, "start", start, 1.0));
	NNO_TRY(nno_schedule_check("schedule_one_cycle", "steps", steps, "end", end, 1.0));
	nnopt_schedule s = { .factor = one_cycle_factor,
			     .steps = steps,
			     .value = start,
			     .end = end,
			     .shape = rise,
			     .linear = linear != 0 };
	return nno_schedule_create(out, context, &s, "schedule_one_cycle");
}

/* `list` with `s` in front, when that was its last reference. */
static nnopt_schedule *let_go(nnopt_schedule *s, nnopt_schedule *list)
{
	if (s == NULL || !nno_ref_drop(&s->ref))
		return list;
	s->next = list;
	return s;
}

/* Loops, not recursions, here and below: a caller may nest schedules without end. */
void nnopt_schedule_destroy(nnopt_schedule *schedule)
{
	nnopt_schedule *list = let_go(schedule, NULL);
	while (list != NULL) {
		nnopt_schedule *s = list;
		list = s->next;
		list = let_go(s->after, list);
		for (int32_t i = 0; s->parts != NULL && i < s->count; i++)
			list = let_go(s->parts[i], list);
		nnopt_context *context = s->context;
		nno_delete(&context->alloc, s->at);
		nno_delete(&context->alloc, s->values);
		nno_delete(&context->alloc, s->parts);
		nno_delete(&context->alloc, s);
		nno_context_drop(context);
	}
}

int32_t nno_schedule_passed(const nnopt_schedule *s, int32_t count, int64_t step)
{
	int32_t low = 0;
	for (int32_t high = count; low < high;) {
		int32_t middle = low + (high - low) / 2;
		if (s->at[middle] <= step)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

double nnopt_schedule_factor(const nnopt_schedule *schedule, int64_t step)
{
	const nnopt_schedule *s = schedule;
	if (step < 0)
		step = 0;
	while (s != NULL && (s->factor == NULL || (s->factor == warmup_factor && step >= s->steps))) {
		int32_t part = s->factor == NULL ? nno_schedule_passed(s, s->count - 1, step) : 0;
		step -= s->factor != NULL ? s->steps : part > 0 ? s->at[part - 1] : 0;
		s = s->factor != NULL ? s->after : s->parts[part];
	}
	return s == NULL ? 1.0 : s->factor(s, step);
}
