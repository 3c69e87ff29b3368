/**
 * @file schedule.h
 * Learning-rate schedules: a factor of the base rate for each step. Pure functions of the step, hence nothing to save.
 *
 * Threads: a schedule never changes and may be read by many threads. Every _create fails with INVALID_ARGUMENT (steps below
 * 1, values out of range) or OUT_OF_MEMORY, leaving *out alone.
 */
#ifndef NNOPT_SCHEDULE_H
#define NNOPT_SCHEDULE_H

#include <nnopt/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A factor of the learning rate by step. @since 0.1 */
typedef struct nnopt_schedule nnopt_schedule;

/** Always 1. @since 0.1 */
NNOPT_API nnopt_status nnopt_schedule_constant_create(nnopt_schedule **out, nnopt_context *context);
/** gamma^floor(step / every), as torch StepLR. gamma 0 to 1000. @since 0.1 */
NNOPT_API nnopt_status nnopt_schedule_step_create(nnopt_schedule **out, nnopt_context *context, int64_t every, double gamma);
/** gamma^(step / every), as torch ExponentialLR for every = 1. gamma 0 to 1000. @since 0.1 */
NNOPT_API nnopt_status nnopt_schedule_exponential_create(nnopt_schedule **out, nnopt_context *context, int64_t every, double gamma);
/** From 1 to `minimum` over `steps` along half a cosine, then `minimum`; Loshchilov and Hutter 2017, as torch
 *  CosineAnnealingLR for its first half period. minimum 0 to 1. @since 0.1 */
NNOPT_API nnopt_status nnopt_schedule_cosine_create(nnopt_schedule **out, nnopt_context *context, int64_t steps, double minimum);
/** Linear from `start` to 1 over `steps`, then `after` (shifted by `steps`), of which it keeps a reference (NULL: 1);
 *  as torch LinearLR before another by SequentialLR. start 0 to 1. @since 0.1 */
NNOPT_API nnopt_status nnopt_schedule_warmup_create(nnopt_schedule **out, nnopt_context *context, int64_t steps, double start,
                                                    nnopt_schedule *after);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_schedule_destroy(nnopt_schedule *schedule);
/** The factor at `step` (below 0: at 0); 1 for NULL. @since 0.1 */
NNOPT_API double nnopt_schedule_factor(const nnopt_schedule *schedule, int64_t step);

#ifdef __cplusplus
}
#endif

#endif
