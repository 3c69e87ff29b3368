/**
 * @file schedule.h
 * Learning-rate schedules: a factor of the base rate for each step. Pure functions of the step, hence nothing to save. (What
 * looks at results, nnopt_plateau, stands beside them.)
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
/** gamma^(number of milestones at or before the step), as torch MultiStepLR. `milestones`: `count`, from 1 to 2^20, at least 0 and
 *  ascending, copied. gamma 0 to 1000. @since 0.1 */
NNOPT_API nnopt_status nnopt_schedule_multi_step_create(nnopt_schedule **out, nnopt_context *context, const int64_t *milestones,
                                                        int32_t count, double gamma);
/** From `start` to `end` over `steps` along a line, then `end`; as torch LinearLR. Both 0 to 1000. @since 0.1 */
NNOPT_API nnopt_status nnopt_schedule_linear_create(nnopt_schedule **out, nnopt_context *context, int64_t steps, double start,
                                                    double end);
/** From 1 to `minimum` over `steps` as (1 - step / steps)^power, then `minimum`; as torch PolynomialLR for minimum 0. power 0 to
 *  1000, minimum 0 to 1. @since 0.1 */
NNOPT_API nnopt_status nnopt_schedule_polynomial_create(nnopt_schedule **out, nnopt_context *context, int64_t steps, double power,
                                                        double minimum);
/** From 1 to `minimum` along half a cosine over `first` steps, and again from 1, each time over `multiply` times as many steps as the
 *  last; SGDR, Loshchilov and Hutter 2017, as torch CosineAnnealingWarmRestarts. multiply at least 1, minimum 0 to 1. @since 0.1 */
NNOPT_API nnopt_status nnopt_schedule_warm_restarts_create(nnopt_schedule **out, nnopt_context *context, int64_t first,
                                                           int64_t multiply, double minimum);
/** One cycle (Smith and Topin 2018), as torch OneCycleLR of two phases, where the base rate is its max_lr: from `start` to 1 over the
 *  share `rise` of `steps`, then to `end`, along half cosines or lines; `end` after that. torch's defaults are rise 0.3, start
 *  1 / 25, end 1 / 25e4. All 0 to 1. @since 0.1 */
NNOPT_API nnopt_status nnopt_schedule_one_cycle_create(nnopt_schedule **out, nnopt_context *context, int64_t steps, double rise,
                                                       double start, double end, int32_t linear);
/** Lines between the points (steps[i], factors[i]), the first factor before them and the last one after. `count` from 1 to 2^20, steps
 *  at least 0 and each above the one before, factors 0 to 1000; copied. The CIFAR speed run's triangle is steps 0, 0.23 T, T with
 *  factors 0.2, 1, 0.07. @since 0.1 */
NNOPT_API nnopt_status nnopt_schedule_piecewise_create(nnopt_schedule **out, nnopt_context *context, const int64_t *steps,
                                                       const double *factors, int32_t count);
/** One schedule after the other, as torch SequentialLR: parts[i] from milestones[i - 1] on, at steps counted from there. `count` parts (NULL
 *  among them: 1), of which it keeps references, and count - 1 milestones (NULL for one part), at least 0 and each above the one before.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_schedule_sequential_create(nnopt_schedule **out, nnopt_context *context, nnopt_schedule *const *parts,
                                                        const int64_t *milestones, int32_t count);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_schedule_destroy(nnopt_schedule *schedule);
/** The factor at `step` (below 0: at 0); 1 for NULL. @since 0.1 */
NNOPT_API double nnopt_schedule_factor(const nnopt_schedule *schedule, int64_t step);

/** A factor that falls when a number stops improving, as torch ReduceLROnPlateau (with eps 0). It has a state, and is used by one
 *  thread at a time. @since 0.1 */
typedef struct nnopt_plateau nnopt_plateau;
/** Options of nnopt_plateau_create(). @since 0.1 */
typedef struct nnopt_plateau_options {
	size_t struct_size;
	double factor;    /**< what the factor is multiplied by, in [0, 1). Default 0.1. */
	double threshold; /**< what counts as improvement. Default 1e-4. */
	double minimum;   /**< the factor falls no lower. 0 to 1, default 0. */
	int64_t patience; /**< steps without improvement that are borne. Default 10. */
	int64_t cooldown; /**< steps after a fall that count for nothing. Default 0. */
	int32_t maximise; /**< 1: larger numbers are better, as accuracies are. Default 0. */
	int32_t absolute; /**< 1: better by `threshold`; 0: by that share of the best number. Default 0. */
} nnopt_plateau_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_plateau_options_init(nnopt_plateau_options *options, size_t size);
/** @param options NULL for the defaults, copied. Errors: INVALID_ARGUMENT (naming the option), OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_plateau_create(nnopt_plateau **out, nnopt_context *context, const nnopt_plateau_options *options);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_plateau_destroy(nnopt_plateau *plateau);
/** To be called with the number at the end of each epoch; nnopt_fit() does so with what its monitor says. A NaN is no improvement.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_plateau_step(nnopt_plateau *plateau, double value);
/** The factor of the learning rate now, 1 at first; 1 for NULL. @since 0.1 */
NNOPT_API double nnopt_plateau_factor(const nnopt_plateau *plateau);
/** 1 when larger numbers are better. @since 0.1 */
NNOPT_API int32_t nnopt_plateau_maximises(const nnopt_plateau *plateau);
/** What a resume needs; set struct_size first. @since 0.1 */
typedef struct nnopt_plateau_state {
	size_t struct_size;
	double factor;    /**< of the learning rate */
	double best;      /**< the best number so far; infinite before the first */
	int64_t stale;    /**< steps without improvement */
	int64_t cooldown; /**< steps that still count for nothing */
} nnopt_plateau_state;
/** Tells the state. @since 0.1 */
NNOPT_API nnopt_status nnopt_plateau_get_state(const nnopt_plateau *plateau, nnopt_plateau_state *state);
/** Sets the state, as a resumed run does. @since 0.1 */
NNOPT_API nnopt_status nnopt_plateau_set_state(nnopt_plateau *plateau, const nnopt_plateau_state *state);

#ifdef __cplusplus
}
#endif

#endif
