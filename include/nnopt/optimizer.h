/**
 * @file optimizer.h
 * Optimizers: one flat pass over the model's parameter and gradient blocks, weight decay, L1 and clipping included. The
 * result has the same bits at any thread count of the context. Formulas are those of torch.optim (single-tensor path) where it
 * has the optimizer; the step number is the optimizer's, shared by all parameters, those thawed later too.
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

/** Adagrad (Duchi, Hazan and Singer 2011), as torch.optim.Adagrad; slot "sum". @since 0.1 */
typedef struct nnopt_adagrad_options {
	size_t struct_size;
	double lr;           /**< default 0.01 */
	double lr_decay;     /**< the rate of step t, from 1, is lr / (1 + (t - 1) lr_decay). Default 0. */
	double epsilon;      /**< default 1e-10 */
	double initial_sum;  /**< what the sums of squares begin with. Default 0. */
	double weight_decay; /**< coupled L2, default 0 */
	double l1;           /**< as in nnopt_sgd_options */
} nnopt_adagrad_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_adagrad_options_init(nnopt_adagrad_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_adagrad_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_adagrad_options *options);

/** Adam with Nesterov momentum (Dozat 2016), as torch.optim.NAdam; slots "exp_avg", "exp_avg_sq". @since 0.1 */
typedef struct nnopt_nadam_options {
	size_t struct_size;
	double lr;             /**< default 2e-3 */
	double beta1, beta2;   /**< default 0.9, 0.999 */
	double epsilon;        /**< default 1e-8 */
	double momentum_decay; /**< psi: the momentum of step t is beta1 (1 - 0.96^(t psi) / 2). Default 4e-3. */
	double weight_decay;   /**< default 0 */
	double l1;             /**< as in nnopt_sgd_options */
	int32_t decoupled;     /**< 1: weight decay as AdamW's, 0: coupled L2. Default 0. */
	int32_t reserved;
} nnopt_nadam_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_nadam_options_init(nnopt_nadam_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_nadam_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_nadam_options *options);

/** Lion (Chen et al. 2023, arXiv 2302.06675, algorithm 2), as the authors' code: steps of the same size in every weight, by the
 *  sign of beta1 m + (1 - beta1) g. It wants a learning rate three to ten times below Adam's and a weight decay as much above.
 *  Slot "exp_avg". @since 0.1 */
typedef struct nnopt_lion_options {
	size_t struct_size;
	double lr;           /**< default 1e-4 */
	double beta1, beta2; /**< of the step and of the momentum: default 0.9, 0.99 */
	double weight_decay; /**< decoupled, default 0 */
	double l1;           /**< as in nnopt_sgd_options */
} nnopt_lion_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_lion_options_init(nnopt_lion_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_lion_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_lion_options *options);

/** LAMB (You et al. 2020, arXiv 1904.00962, algorithm 2), for large batches: Adam's direction u plus weight_decay * w, and for
 *  each tensor a step of lr |w| / |u| along it (lr where one of the norms is 0). Slots "exp_avg", "exp_avg_sq". @since 0.1 */
typedef struct nnopt_lamb_options {
	size_t struct_size;
	double lr;               /**< default 1e-3 */
	double beta1, beta2;     /**< default 0.9, 0.999 */
	double epsilon;          /**< default 1e-6 */
	double weight_decay;     /**< part of the direction, default 0 */
	double l1;               /**< as in nnopt_sgd_options */
	int32_t bias_correction; /**< default 1 */
	int32_t always_adapt;    /**< 1: every tensor by its ratio of norms, as in the paper; 0: only those with weight decay, which
	                              leaves out biases and normalisations where a group takes theirs away. Default 1. */
} nnopt_lamb_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_lamb_options_init(nnopt_lamb_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_lamb_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_lamb_options *options);

/** What Muon's learning rate is multiplied by in a matrix of `out` outputs by `in` inputs; torch.optim.Muon's adjust_lr_fn.
 *  @since 0.1 */
typedef enum nnopt_muon_scale {
	NNOPT_MUON_SCALE_ORIGINAL = 0,    /**< sqrt(max(1, out / in)); Jordan et al. 2024 */
	NNOPT_MUON_SCALE_MATCH_ADAMW = 1, /**< 0.2 sqrt(max(out, in)): rates and decays as for AdamW; Liu et al. 2025 */
	NNOPT_MUON_SCALE_SPECTRAL = 2,    /**< sqrt(out / in); Bernstein 2025 */
	NNOPT_MUON_SCALE_NONE = 3,        /**< 1, as the CIFAR speed run */
	NNOPT_MUON_SCALE_FORCE_32 = 0x7fffffff
} nnopt_muon_scale;
/** Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon), as torch.optim.Muon but in f32 throughout: the momentum of a
 *  hidden weight, seen as a matrix of (outputs, all else), is replaced by its orthogonal factor, nearly, before the step. Hidden
 *  are the weights of convolutions, linear and recurrent layers but the last in the network, which is its classifier; groups say otherwise
 *  (nnopt_group_options::rule). All other parameters go by AdamW, whose rate follows lr. Slots "exp_avg" (the momentum of both),
 *  "exp_avg_sq". Working memory: twice the largest matrix and twice the square of the longest shorter side. @since 0.1 */
typedef struct nnopt_muon_options {
	size_t struct_size;
	double lr;                       /**< default 0.02 */
	double momentum;                 /**< default 0.95 */
	double weight_decay;             /**< of matrices, decoupled; default 0 */
	double epsilon;                  /**< least norm that a momentum is divided by. Default 1e-7. */
	double l1;                       /**< as in nnopt_sgd_options */
	double other_lr_scale;           /**< the other parameters' rate is lr times this. Default 0.015, hence 3e-4. */
	double other_beta1, other_beta2; /**< default 0.9, 0.95 */
	double other_epsilon;            /**< default 1e-10 */
	double other_weight_decay;       /**< decoupled, default 0 */
	int32_t nesterov;                /**< default 1 */
	int32_t iterations;              /**< of Newton and Schulz's method, 1 to 99. Default 5. */
	int32_t scale;                   /**< nnopt_muon_scale */
	int32_t reserved;
} nnopt_muon_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_muon_options_init(nnopt_muon_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_muon_create(nnopt_optimizer **out, nnopt_context *context, const nnopt_muon_options *options);

/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_optimizer_destroy(nnopt_optimizer *optimizer);

/** Ties the optimizer to a built model and allocates its slots; once (again with the same model does
 *  nothing). The first nnopt_optimizer_step() does it otherwise. Errors: STATE when the model is not built or the optimizer
 *  belongs to another, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_optimizer_attach(nnopt_optimizer *optimizer, nnopt_model *model);

/** Which of an optimizer's two rules a group's parameters go by. Only Muon has two. @since 0.1 */
typedef enum nnopt_group_rule {
	NNOPT_RULE_BY_SHAPE = 0, /**< hidden weights as matrices, all else by the other rule */
	NNOPT_RULE_MATRIX = 1,   /**< as a matrix, where the parameter is one: the last weight too */
	NNOPT_RULE_OTHER = 2,    /**< by the other rule */
	NNOPT_RULE_FORCE_32 = 0x7fffffff
} nnopt_group_rule;
/** A parameter group: parameters that share multipliers. A parameter belongs to the last group that names it, and to the
 *  default group (all 1) otherwise. */
typedef struct nnopt_group_options {
	size_t struct_size;
	const char *name_prefix;    /**< NULL or "": any name */
	int32_t role;               /**< nnopt_parameter_role, or -1 for any. Default -1. */
	int32_t rule;               /**< nnopt_group_rule. Default NNOPT_RULE_BY_SHAPE. */
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
/** nnopt_plan_backward(plan, 0) and then nnopt_optimizer_step(optimizer, model, 1, result), with the same weights bit for bit, and
 *  faster where the model has large linear layers (2^18 weights or more): their gradients are made last, a few rows at a time, and
 *  update the weights while they are in cache, without a way through memory. They are not kept: nnopt_model_get_gradient() fails
 *  for them with STATE, and in the gradient block they are undefined, until the next nnopt_plan_backward(). The norm in `result`
 *  may differ in its last digits; it costs a little, and is not computed where `result` is NULL. Nothing is updated when a gradient
 *  is not finite, as there. Clipping by norm, LAMB, Muon and f16 plans want all gradients before the first update, which they get,
 *  at the speed of the two calls. nnopt_fit() does this where it can. Errors: those of the two. @since 0.1 */
NNOPT_API nnopt_status nnopt_optimizer_backward_step(nnopt_optimizer *optimizer, nnopt_plan *plan, nnopt_step_result *result);

/** Sharpness-aware minimisation (Foret et al. 2021, arXiv 2010.01412; adaptive: Kwon et al. 2021, arXiv 2102.11600), in front of
 *  any optimizer: a step from the gradients at the worst weights nearby. In a loop of one's own, for each batch: forward, loss,
 *  backward; nnopt_sam_perturb(); forward, loss, backward; nnopt_sam_restore(); nnopt_optimizer_step(). Before the second pass
 *  copy the state block and set the step back, nnopt_model_set_step(m, nnopt_model_step(m) - 1), and after it put the state back, so
 *  that dropout draws the same mask and running statistics see the batch once. nnopt_fit() does all of that when nnopt_fit_options::sam_rho is not 0.
 *
 *  Moves the trainable weights by rho g / |g|, g being the model's gradients (adaptive: by rho w^2 g / |w g|), the norm over all of
 *  them. Weights are kept to be put back exactly: memory for a copy of the parameter block, allocated by the first call. `result` (may
 *  be NULL) tells the norm |g| after `gradient_scale`; finite 0: the gradients are not finite, and nothing was moved.
 *  Errors: INVALID_ARGUMENT (rho not above 0), STATE (perturbed already, and as for nnopt_optimizer_step()), OUT_OF_MEMORY.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_sam_perturb(nnopt_optimizer *optimizer, nnopt_model *model, double rho, int32_t adaptive,
                                         float gradient_scale, nnopt_step_result *result);
/** Puts the weights back, bit for bit; does nothing when they are not perturbed. Errors: INVALID_ARGUMENT, STATE (another model).
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_sam_restore(nnopt_optimizer *optimizer, nnopt_model *model);
/** 1 between nnopt_sam_perturb() and nnopt_sam_restore(): the model's weights are not its own. 0 for NULL. @since 0.1 */
NNOPT_API int32_t nnopt_sam_perturbed(const nnopt_optimizer *optimizer);

/** The learning rate of the steps to come; schedules multiply it by hand: set_lr(base * factor). @since 0.1 */
NNOPT_API double nnopt_optimizer_lr(const nnopt_optimizer *optimizer);
/** lr >= 0 and finite. @since 0.1 */
NNOPT_API nnopt_status nnopt_optimizer_set_lr(nnopt_optimizer *optimizer, double lr);
/** Updates done so far. @since 0.1 */
NNOPT_API int64_t nnopt_optimizer_steps(const nnopt_optimizer *optimizer);

/** What a resume needs beside the options: slots are flat f32 tensors over the parameter block, borrowed, readable and
 *  writable; then the step number. @since 0.1 */
NNOPT_API int32_t nnopt_optimizer_slot_count(const nnopt_optimizer *optimizer);
/** "momentum", "exp_avg", "exp_avg_sq", "square_avg", "grad_avg", "sum"; NULL past the end. @since 0.1 */
NNOPT_API const char *nnopt_optimizer_slot_name(const nnopt_optimizer *optimizer, int32_t index);
/** NULL past the end and before attach; borrowed, valid while the optimizer lives. @since 0.1 */
NNOPT_API nnopt_tensor *nnopt_optimizer_slot(nnopt_optimizer *optimizer, int32_t index);
/** Sets the number of updates done, as a resumed run does. @since 0.1 */
NNOPT_API nnopt_status nnopt_optimizer_set_steps(nnopt_optimizer *optimizer, int64_t steps);
/** "sgd", "adam", "adamw", "rmsprop", "adagrad", "nadam", "lion", "lamb", "muon". @since 0.1 */
NNOPT_API const char *nnopt_optimizer_kind(const nnopt_optimizer *optimizer);

#ifdef __cplusplus
}
#endif

#endif
