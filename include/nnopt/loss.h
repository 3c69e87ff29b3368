/**
 * @file loss.h
 * Losses: (prediction, target) to (value, gradient). Independent of models: any f32 tensors will do.
 *
 * Threads: a loss keeps scratch and is used by one thread at a time; its rows are shared out to the context's threads, and
 * the result has the same bits at any thread count. Every _create copies its options, gives a handle to be destroyed with
 * nnopt_loss_destroy(), and fails with INVALID_ARGUMENT or OUT_OF_MEMORY, leaving *out alone.
 */
#ifndef NNOPT_LOSS_H
#define NNOPT_LOSS_H

#include <nnopt/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A loss function with its options. @since 0.1 */
typedef struct nnopt_loss nnopt_loss;

/** How the losses of elements become one number. @since 0.1 */
typedef enum nnopt_reduction {
	NNOPT_REDUCTION_MEAN = 0, /**< over the batch, as PyTorch's 'mean' */
	NNOPT_REDUCTION_SUM = 1,
	NNOPT_REDUCTION_FORCE_32 = 0x7fffffff
} nnopt_reduction;

/** Softmax cross-entropy on logits (N, classes), as torch.nn.CrossEntropyLoss. Targets: i32 or i64 (N) class indices, or
 *  f32 (N, classes) probabilities (soft targets), whose rows are taken as they are. The mean divides by the sum of the
 *  weights of the samples' classes, with label smoothing too; with probabilities it divides by N, and ignore_index has no
 *  meaning. The mean over no sample at all (all ignored, N = 0, only classes of weight 0) is NaN as in PyTorch, with
 *  finite 0 and a gradient of zeros. @since 0.1 */
typedef struct nnopt_cross_entropy_options {
	size_t struct_size;
	float label_smoothing;      /**< in [0, 1), default 0; Szegedy et al. 2016 */
	int32_t reduction;          /**< nnopt_reduction */
	const float *class_weights; /**< NULL or `class_weight_count` weights, finite and >= 0, copied */
	int64_t class_weight_count; /**< the number of classes */
	int64_t ignore_index;       /**< samples of this class count for nothing; default -100 */
} nnopt_cross_entropy_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_cross_entropy_options_init(nnopt_cross_entropy_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_cross_entropy_create(nnopt_loss **out, nnopt_context *context, const nnopt_cross_entropy_options *options);
/** Mean (over all elements) or summed squared error; targets f32 of the prediction's shape, any rank. As torch.nn.MSELoss.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_mse_create(nnopt_loss **out, nnopt_context *context, nnopt_reduction reduction);
/** Binary cross-entropy on logits, targets f32 in [0, 1] (not checked) of the prediction's shape; the mean is over all
 *  elements. As torch.nn.BCEWithLogitsLoss. @since 0.1 */
typedef struct nnopt_bce_options {
	size_t struct_size;
	const float *positive_weights; /**< NULL, one for all, or one a column of (N, columns) (pos_weight), copied */
	int64_t positive_weight_count; /**< 1, or the number of columns */
	int32_t reduction;             /**< nnopt_reduction */
	int32_t reserved;
} nnopt_bce_options;
/** Fills `options` with the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_bce_options_init(nnopt_bce_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_bce_with_logits_create(nnopt_loss **out, nnopt_context *context, const nnopt_bce_options *options);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_loss_destroy(nnopt_loss *loss);

/** What a call found; set struct_size first. */
typedef struct nnopt_loss_result {
	size_t struct_size;
	double value;    /**< the loss, reduced as asked */
	double weight;   /**< what the mean divides by (samples, sum of class weights, or elements), also when the sum is
	                      asked for; combines batches exactly */
	int64_t count;   /**< samples that counted */
	int64_t correct; /**< cross-entropy: of them, arg-max hits, ties to the lower class (soft: arg-max against arg-max);
	                      other losses 0 */
	int32_t finite;  /**< 0 when value is infinite or NaN: a result, not an error */
	int32_t reserved;
} nnopt_loss_result;

/** Computes the loss; `gradient` (may be NULL: value only) gets d(loss)/d(prediction), times `gradient_scale`. It has the
 *  prediction's shape and layout and memory of its own; a target in another layout is converted. Allocates nothing after
 *  the first call with a given shape. NaN and infinity are results. Errors: INVALID_ARGUMENT for shapes, dtypes, labels out
 *  of range (naming sample and label), overlapping memory; gradient and result are then untouched. @since 0.1 */
NNOPT_API nnopt_status nnopt_loss_compute(nnopt_loss *loss, const nnopt_tensor *prediction, const nnopt_tensor *target,
                                          float gradient_scale, nnopt_tensor *gradient, nnopt_loss_result *result);

#ifdef __cplusplus
}
#endif

#endif
