/**
 * @file average.h
 * Averages of weights: over the steps of one run (EMA, SWA, Lookahead), and over models (a soup).
 *
 * Threads: an average is used by one thread at a time, and with it its model. Every _create copies its options (NULL: the
 * defaults), gives a handle to be destroyed with nnopt_average_destroy() before or after the model, and fails with
 * INVALID_ARGUMENT (naming the option) or OUT_OF_MEMORY, leaving *out alone. Results have the same bits at any thread count.
 */
#ifndef NNOPT_AVERAGE_H
#define NNOPT_AVERAGE_H

#include <nnopt/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A second set of weights that follows a model's. @since 0.1 */
typedef struct nnopt_average nnopt_average;

/** An exponential moving average (Polyak and Juditsky 1992; Tarvainen and Valpola 2017), as torch.optim.swa_utils.AveragedModel with
 *  get_ema_multi_avg_fn: it begins as a copy, then average = d average + (1 - d) weights. @since 0.1 */
typedef struct nnopt_ema_options {
	size_t struct_size;
	double decay;          /**< d, in [0, 1). Default 0.999. */
	int64_t start;         /**< updates that go before the first one taken up. Default 0. */
	int64_t every;         /**< takes up every so many-th update after `start`. Default 1. */
	int32_t warm_up;       /**< 1: d is at most (1 + t) / (10 + t), t counting those taken up after the first from 0, as
	                            TensorFlow's ExponentialMovingAverage with num_updates. Default 0. */
	int32_t average_state; /**< 1: running statistics are averaged like weights; 0: they are left alone. Default 1. */
} nnopt_ema_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_ema_options_init(nnopt_ema_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_ema_create(nnopt_average **out, nnopt_context *context, const nnopt_ema_options *options);

/** Stochastic weight averaging (Izmailov et al. 2018, arXiv 1803.05407): the mean of the weights taken up, as
 *  torch.optim.swa_utils.AveragedModel. Running statistics of the mean's own come from nnopt_model_refresh_batch_norm(). @since 0.1 */
typedef struct nnopt_swa_options {
	size_t struct_size;
	int64_t start;         /**< as in nnopt_ema_options: where the learning rate has come down. Default 0. */
	int64_t every;         /**< as in nnopt_ema_options: an epoch's updates, or a cycle's. Default 1. */
	int32_t average_state; /**< as in nnopt_ema_options. Default 1. */
	int32_t reserved;
} nnopt_swa_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_swa_options_init(nnopt_swa_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_swa_create(nnopt_average **out, nnopt_context *context, const nnopt_swa_options *options);

/** Lookahead (Zhang et al. 2019, arXiv 1907.08610): every k updates the slow weights go a share of the way to the model's, and the
 *  model's become the slow ones. With ramp_steps that share falls, 1 - final_decay (t / ramp_steps)^3 at update t, as in the CIFAR
 *  speed run airbench94. Wants nnopt_average_attach() before the first update: there the slow weights begin. @since 0.1 */
typedef struct nnopt_lookahead_options {
	size_t struct_size;
	int64_t every;         /**< k. Default 5. */
	double alpha;          /**< the share, in (0, 1], without ramp_steps. Default 0.5. */
	int64_t ramp_steps;    /**< 0: the share is alpha; above: updates of the whole run. Default 0. */
	double final_decay;    /**< in [0, 1). Default 0.95^5. */
	int32_t average_state; /**< as in nnopt_ema_options: the model's become the slow ones likewise. Default 1. */
	int32_t reserved;
} nnopt_lookahead_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_lookahead_options_init(nnopt_lookahead_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_lookahead_create(nnopt_average **out, nnopt_context *context, const nnopt_lookahead_options *options);

/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_average_destroy(nnopt_average *average);

/** Ties the average to a built model, allocates its weights and copies the model's into them; once (again with the same model
 *  does nothing). Errors: STATE (the model is not built, or the average belongs to another), OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_average_attach(nnopt_average *average, nnopt_model *model);
/** To be called after each optimizer step that moved the weights; counts it and takes the weights up when it is their turn.
 *  Attaches at need (not Lookahead: STATE) and allocates nothing after that. Errors: STATE (also when the averaged weights are swapped
 *  in), OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_average_update(nnopt_average *average, nnopt_model *model);
/** Exchanges the averaged weights and the model's, to evaluate or save them; again to go on training. Does nothing before any
 *  were taken up. Errors: STATE (not attached to this model). @since 0.1 */
NNOPT_API nnopt_status nnopt_average_swap(nnopt_average *average, nnopt_model *model);
/** Copies the averaged weights into the model, whose own are lost; where they are swapped in they stay there. Does nothing before
 *  any were taken up. Errors: STATE (not attached to this model). @since 0.1 */
NNOPT_API nnopt_status nnopt_average_apply(nnopt_average *average, nnopt_model *model);

/** "ema", "swa" or "lookahead". @since 0.1 */
NNOPT_API const char *nnopt_average_kind(const nnopt_average *average);
/** Updates counted. @since 0.1 */
NNOPT_API int64_t nnopt_average_steps(const nnopt_average *average);
/** Updates taken up. @since 0.1 */
NNOPT_API int64_t nnopt_average_count(const nnopt_average *average);
/** 1 while the model holds the averaged weights by nnopt_average_swap(). @since 0.1 */
NNOPT_API int32_t nnopt_average_swapped(const nnopt_average *average);
/** The averaged weights, f32 in the order of nnopt_model_blocks::parameters; borrowed, readable and writable: with the counts, what a
 *  resume needs. NULL before attach. @since 0.1 */
NNOPT_API nnopt_tensor *nnopt_average_parameters(nnopt_average *average);
/** Likewise of the state block; NULL also where the model has none or average_state is 0. @since 0.1 */
NNOPT_API nnopt_tensor *nnopt_average_state(nnopt_average *average);
/** Sets both counts, as a resumed run does: 0 <= count <= steps. Errors: INVALID_ARGUMENT, STATE when the averaged weights are swapped
 *  in. @since 0.1 */
NNOPT_API nnopt_status nnopt_average_set_counts(nnopt_average *average, int64_t steps, int64_t count);

/** A soup of models (Wortsman et al. 2022, arXiv 2203.05482): the parameters and running statistics of `model` become the mean of those
 *  of `models[0..count)`, `model` perhaps being one of them. `weights`: NULL for equal shares, or `count` numbers, finite and at least 0,
 *  that are divided by their sum. All models are built and have the same parameters by name, shape and place.
 *  Errors: INVALID_ARGUMENT (another architecture, naming the first difference), STATE (not built). @since 0.1 */
NNOPT_API nnopt_status nnopt_model_average(nnopt_model *model, nnopt_model *const *models, const double *weights, int32_t count);

#ifdef __cplusplus
}
#endif

#endif
