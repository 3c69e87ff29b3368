/**
 * @file loss.h
 * Losses: (prediction, target) to (value, gradient). Independent of models: any f32 tensors will do.
 */
#ifndef NNOPT_LOSS_H
#define NNOPT_LOSS_H

#include <nnopt/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nnopt_loss nnopt_loss;

typedef enum nnopt_reduction {
	NNOPT_REDUCTION_MEAN = 0, /**< over the batch, as PyTorch's 'mean' */
	NNOPT_REDUCTION_SUM = 1,
	NNOPT_REDUCTION_FORCE_32 = 0x7fffffff
} nnopt_reduction;

/** Softmax cross-entropy on logits (N, classes), as torch.nn.CrossEntropyLoss. Targets: i32 or i64 (N) class indices, or
 *  f32 (N, classes) probabilities (soft targets). */
typedef struct nnopt_cross_entropy_options {
	size_t struct_size;
	float label_smoothing;      /**< in [0, 1), default 0; Szegedy et al. 2016 */
	int32_t reduction;          /**< nnopt_reduction */
	const float *class_weights; /**< NULL or `class_weight_count` weights, copied */
	int64_t class_weight_count;
	int64_t ignore_index;       /**< samples of this class count for nothing; default -100 */
} nnopt_cross_entropy_options;
NNOPT_API nnopt_status nnopt_cross_entropy_options_init(nnopt_cross_entropy_options *options, size_t size);
NNOPT_API nnopt_status nnopt_cross_entropy_create(nnopt_loss **out, nnopt_context *context, const nnopt_cross_entropy_options *options);
/** Mean (over all elements) or summed squared error; targets f32 of the prediction's shape. As torch.nn.MSELoss. */
NNOPT_API nnopt_status nnopt_mse_create(nnopt_loss **out, nnopt_context *context, nnopt_reduction reduction);
/** Binary cross-entropy on logits, targets f32 of the prediction's shape. As torch.nn.BCEWithLogitsLoss. */
typedef struct nnopt_bce_options {
	size_t struct_size;
	const float *positive_weights; /**< NULL or one a column (pos_weight), copied */
	int64_t positive_weight_count;
	int32_t reduction;             /**< nnopt_reduction */
	int32_t reserved;
} nnopt_bce_options;
NNOPT_API nnopt_status nnopt_bce_options_init(nnopt_bce_options *options, size_t size);
NNOPT_API nnopt_status nnopt_bce_with_logits_create(nnopt_loss **out, nnopt_context *context, const nnopt_bce_options *options);
NNOPT_API void nnopt_loss_destroy(nnopt_loss *loss);

typedef struct nnopt_loss_result {
	size_t struct_size;
	double value;    /**< the loss, reduced as asked */
	double weight;   /**< what the mean was divided by (batch, or sum of class weights), to combine batches exactly */
	int64_t count;   /**< samples that counted */
	int64_t correct; /**< of them, arg-max hits; class targets only (soft: arg-max against arg-max), else 0 */
	int32_t finite;  /**< 0 when value is infinite or NaN: a result, not an error */
	int32_t reserved;
} nnopt_loss_result;

/** Computes the loss; `gradient` (may be NULL: value only) gets d(loss)/d(prediction), times `gradient_scale`. Allocates
 *  nothing after the first call with a given shape. Errors: INVALID_ARGUMENT for shapes, dtypes, labels out of range.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_loss_compute(nnopt_loss *loss, const nnopt_tensor *prediction, const nnopt_tensor *target,
                                          float gradient_scale, nnopt_tensor *gradient, nnopt_loss_result *result);

#ifdef __cplusplus
}
#endif

#endif
