/**
 * @file optimizer.h
 * Optimizers: one flat pass over the model's parameter and gradient blocks, weight decay, L1 and clipping included. The
 * result has the same bits at any thread count of the context. Formulas are those of torch.optim (single-tensor path);
 * the step number is the optimizer's, shared by all parameters, those thawed later too.
 *
 * Threads: an optimizer is used by one thread at a time, and with it its model. Every _create copies its options (NULL:
 * the defaults), gives a handle to be destroyed with nnopt_optimizer_destroy() before or after the model, and fails with
 * INVALID_ARGUMENT (naming the option) or OUT_OF_MEMORY, leaving *out alone.
 */
#ifndef NNOPT_OPTIMIZER_H
#define NNOPT_OPTIMIZER_H

#include <nnopt/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An update rule with its slots. @since 0.1 */
typedef struct nnopt_optimizer nnopt_optimizer;

/** As torch.optim.SGD; slot "momentum" when momentum > 0. @since 0.1 */
typedef struct nnopt_sgd_options {
	size_t struct_size;
	double lr;           /**< default 0.01 */
	double momentum;     /**< default 0 */
	double dampening;    /**< default 0 */
	double weight_decay; /**< L2, coupled: gradient += weight_decay * w. Default 0. */
	double l1;           /**< gradient += l1 * sign(w). Default 0. */
	int32_t nesterov;    /**< wants momentum > 0 and no dampening */
	int32_t reserved;
} nnopt_sgd_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_sgd_options_init(nnopt_sgd_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_sgd_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_sgd_options *options);

/** As torch.optim.Adam and AdamW (Kingma and Ba 2015; Loshchilov and Hutter 2019); slots "exp_avg", "exp_avg_sq".
 *  @since 0.1 */
typedef struct nnopt_adam_options {
	size_t struct_size;
	double lr;            /**< default 1e-3 */
	double beta1, beta2;  /**< default 0.9, 0.999 */
	double epsilon;       /**< default 1e-8 */
	double weight_decay;  /**< Adam: coupled L2, default 0. AdamW: decoupled, default 0.01. */
	double l1;            /**< as in nnopt_sgd_options */
} nnopt_adam_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_adam_options_init(nnopt_adam_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_adam_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_adam_options *options);
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_adamw_options_init(nnopt_adam_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_adamw_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_adam_options *options);

/** As torch.optim.RMSprop; slots "square_avg", "grad_avg" when centered, "momentum" when momentum > 0. @since 0.1 */
typedef struct nnopt_rmsprop_options {
	size_t struct_size;
	double lr;           /**< default 0.01 */
	double alpha;        /**< default 0.99 */
	double epsilon;      /**< default 1e-8 */
	double momentum;     /**< default 0 */
	double weight_decay; /**< coupled L2, default 0 */
	double l1;           /**< as in nnopt_sgd_options */
	int32_t centered;    /**< 1: the variance of the gradient in place of its square */
	int32_t reserved;
} nnopt_rmsprop_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_rmsprop_options_init(nnopt_rmsprop_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_rmsprop_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_rmsprop_options *options);

/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_optimizer_destroy(nnopt_optimizer *optimizer);

/** Ties the optimizer to a built model and allocates its slots; once (again with the same model does
 *  nothing). The first nnopt_optimizer_step() does it otherwise. Errors: STATE when the model is not built or the optimizer
 *  belongs to another, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_optimizer_attach(nnopt_optimizer *optimizer, nnopt_model *model);

/** A parameter group: parameters that share multipliers. A parameter belongs to the last group that names it, and to the
 *  default group (all 1) otherwise. */
typedef struct nnopt_group_options {
	size_t struct_size;
	const char *name_prefix;    /**< NULL or "": any name */
	int32_t role;               /**< nnopt_parameter_role, or -1 for any. Default -1. */
	int32_t reserved;
	double lr_scale;            /**< default 1 */
	double weight_decay_scale;  /**< default 1; 0 for "no decay on biases and norms" */
	double l1_scale;            /**< default 1 */
} nnopt_group_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_group_options_init(nnopt_group_options *options, size_t size);
/** Adds a group; only before attach. @since 0.1 */
NNOPT_API nnopt_status nnopt_optimizer_add_group(nnopt_optimizer *optimizer, const nnopt_group_options *options);

/** Clips before every step: the global L2 norm of all gradients to `max_norm` (0: off), then each element to
 *  +-max_value (0: off), before weight decay and L1 are added. As torch.nn.utils.clip_grad_norm_, clip_grad_value_.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_optimizer_set_clipping(nnopt_optimizer *optimizer, double max_norm, double max_value);

/** What a step found; set struct_size first. */
typedef struct nnopt_step_result {
	size_t struct_size;
	double gradient_norm; /**< global L2 norm of what is trainable, after gradient_scale, before clipping */
	int32_t finite;       /**< 0: a gradient was infinite or NaN, and nothing was updated */
	int32_t reserved;
} nnopt_step_result;
/** One update with learning rate lr (see set_lr) from the model's gradient block, multiplied by `gradient_scale` first
 *  (1 / number of accumulated batches). Skipped, with finite 0, when the gradient norm is not finite. `result` may be NULL.
 *  Frozen parameters (nnopt_model_set_trainable()) neither move nor count in the norm. Allocates nothing once attached.
 *  Errors: STATE when the model has no gradients or is another one, and those of nnopt_optimizer_attach(). @since 0.1 */
NNOPT_API nnopt_status nnopt_optimizer_step(nnopt_optimizer *optimizer, nnopt_model *model, float gradient_scale,
                                            nnopt_step_result *result);

/** The learning rate of the steps to come; schedules multiply it by hand: set_lr(base * factor). @since 0.1 */
NNOPT_API double nnopt_optimizer_lr(const nnopt_optimizer *optimizer);
/** lr >= 0 and finite. @since 0.1 */
NNOPT_API nnopt_status nnopt_optimizer_set_lr(nnopt_optimizer *optimizer, double lr);
/** Updates done so far. @since 0.1 */
NNOPT_API int64_t nnopt_optimizer_steps(const nnopt_optimizer *optimizer);

/** What a resume needs beside the options: slots are flat f32 tensors over the parameter block, borrowed, readable and
 *  writable; then the step number. @since 0.1 */
NNOPT_API int32_t nnopt_optimizer_slot_count(const nnopt_optimizer *optimizer);
/** "momentum", "exp_avg", "exp_avg_sq", "square_avg", "grad_avg"; NULL past the end. @since 0.1 */
NNOPT_API const char *nnopt_optimizer_slot_name(const nnopt_optimizer *optimizer, int32_t index);
/** NULL past the end and before attach; borrowed, valid while the optimizer lives. @since 0.1 */
NNOPT_API nnopt_tensor *nnopt_optimizer_slot(nnopt_optimizer *optimizer, int32_t index);
/** Sets the number of updates done, as a resumed run does. @since 0.1 */
NNOPT_API nnopt_status nnopt_optimizer_set_steps(nnopt_optimizer *optimizer, int64_t steps);
/** "sgd", "adam", "adamw", "rmsprop". @since 0.1 */
NNOPT_API const char *nnopt_optimizer_kind(const nnopt_optimizer *optimizer);

#ifdef __cplusplus
}
#endif

#endif
