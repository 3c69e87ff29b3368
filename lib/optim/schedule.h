/* schedule.h - what the schedules' files share. */
#ifndef NNO_OPTIM_SCHEDULE_H
#define NNO_OPTIM_SCHEDULE_H

#include "context/context.h"
#include "nnopt/schedule.h"

struct nnopt_schedule {
	nno_ref ref;
	nnopt_context *context;
	double (*factor)(const nnopt_schedule *s, int64_t step); /* NULL: that of a part, at a step of its own */
	int64_t steps, multiply;
	double value; /* gamma, minimum or start */
	double end;   /* the last factor */
	double shape; /* an exponent, or the share of steps that rise */
	int linear;
	nnopt_schedule *after; /* warmup only */
	/* Steps and what begins at them, copied at creation: factors, or schedules but for the first, which begins at
	 * 0. */
	int64_t *at;
	double *values;
	nnopt_schedule **parts;
	int32_t count;
	nnopt_schedule *next; /* while it is being destroyed */
};

/* A schedule like `of`, whose arrays are copied; it takes references of its own to `after` and the parts. */
nnopt_status nno_schedule_create(nnopt_schedule **out, nnopt_context *context, const nnopt_schedule *of,
				 const char *what);
/* steps >= 1 and value in [0, most]. */
nnopt_status nno_schedule_check(const char *what, const char *steps_name, int64_t steps, const char *value_name,
				double value, double most);
/* Which of s->at[0..count) are at `step` or before. */
int32_t nno_schedule_passed(const nnopt_schedule *s, int32_t count, int64_t step);

#endif
