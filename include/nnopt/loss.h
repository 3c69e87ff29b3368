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

/** Focal loss on logits (N, classes): -alpha[y] (1 - p)^gamma log p with p the softmax's share of class y, so that classes that
 *  are recognised already weigh little; Lin et al. 2017, with its softmax form. Targets: i32 or i64 (N) class indices. The mean
 *  is over the samples that count, whatever their alpha; over none it is NaN, as cross-entropy's. @since 0.1 */
typedef struct nnopt_focal_options {
	size_t struct_size;
	double gamma;         /**< finite, >= 0; 0 is weighted cross-entropy. Default 2. */
	const float *alpha;   /**< NULL (all 1) or `alpha_count` weights of classes, finite and >= 0, copied */
	int64_t alpha_count;  /**< the number of classes */
	int64_t ignore_index; /**< samples of this class count for nothing; default -100 */
	int32_t reduction;    /**< nnopt_reduction */
	int32_t reserved;
} nnopt_focal_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_focal_options_init(nnopt_focal_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_focal_create(nnopt_loss **out, nnopt_context *context, const nnopt_focal_options *options);
/** Focal loss of independent yes-or-no decisions, logits of any shape; targets f32 in [0, 1] (not checked) of the prediction's
 *  shape. The mean is over all elements. As torchvision.ops.sigmoid_focal_loss. @since 0.1 */
typedef struct nnopt_sigmoid_focal_options {
	size_t struct_size;
	double alpha;      /**< weight of target 1, 1 - alpha that of 0; at most 1; below 0: no weights. Default 0.25. */
	double gamma;      /**< finite, >= 0. Default 2. */
	int32_t reduction; /**< nnopt_reduction */
	int32_t reserved;
} nnopt_sigmoid_focal_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_sigmoid_focal_options_init(nnopt_sigmoid_focal_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_sigmoid_focal_create(nnopt_loss **out, nnopt_context *context, const nnopt_sigmoid_focal_options *options);

/** Kullback-Leibler divergence of softmax(prediction) from given probabilities: sum of t (log t - log softmax(x)), 0 where t is
 *  0. Prediction: logits (N, classes); targets f32 (N, classes), rows taken as they are. The mean divides by N. As
 *  torch.nn.KLDivLoss(reduction='batchmean') on torch.log_softmax(prediction, 1). @since 0.1 */
NNOPT_API nnopt_status nnopt_kl_divergence_create(nnopt_loss **out, nnopt_context *context, nnopt_reduction reduction);

/** Knowledge distillation, Hinton, Vinyals and Dean 2015: alpha times the cross-entropy with the labels, plus (1 - alpha)
 *  T^2 times the divergence of softmax(prediction / T) from softmax(teacher's logits / T). Prediction (N, classes); targets as
 *  cross-entropy's: i32 or i64 (N), or f32 (N, classes). The mean divides by N; a sample of label -100 has no label's part.
 *  The teacher's logits come with nnopt_loss_set_teacher() before each call; a call for the value alone, as nnopt_evaluate()
 *  makes, does without them too and then gives the mean cross-entropy. @since 0.1 */
typedef struct nnopt_distillation_options {
	size_t struct_size;
	double temperature;     /**< T, finite, > 0. Default 4. */
	double alpha;           /**< the labels' part, in [0, 1]. Default 0.1. */
	double label_smoothing; /**< of the labels' part, in [0, 1). Default 0. */
	int32_t reduction;      /**< nnopt_reduction */
	int32_t reserved;
} nnopt_distillation_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_distillation_options_init(nnopt_distillation_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_distillation_create(nnopt_loss **out, nnopt_context *context, const nnopt_distillation_options *options);
/** The teacher's logits for the next nnopt_loss_compute(), f32 of the prediction's shape: borrowed until that returns, whatever
 *  it returns. NULL takes them back. Errors: INVALID_ARGUMENT for a loss that takes no teacher. @since 0.1 */
NNOPT_API nnopt_status nnopt_loss_set_teacher(nnopt_loss *loss, const nnopt_tensor *teacher_logits);
/** 1 for a loss that learns from a teacher, whose gradient cannot be computed without one. @since 0.1 */
NNOPT_API int32_t nnopt_loss_takes_teacher(const nnopt_loss *loss);

/** Which triples of a batch a triplet loss learns from. @since 0.1 */
typedef enum nnopt_triplet_mining {
	/** For each sample as the anchor its farthest sample of the same label and its nearest of another; Hermans et al. 2017.
	 *  The mean is over the anchors that have both. */
	NNOPT_TRIPLET_BATCH_HARD = 0,
	/** For each pair of a label the nearest other that is farther away than the positive, or when there is none the farthest
	 *  other; Schroff et al. 2015, as TensorFlow Addons' TripletSemiHardLoss. The mean is over the pairs. */
	NNOPT_TRIPLET_SEMI_HARD = 1,
	/** All triples. The mean is over those whose loss is above 0; Hermans et al. 2017. O(N^3) work. */
	NNOPT_TRIPLET_BATCH_ALL = 2,
	NNOPT_TRIPLET_FORCE_32 = 0x7fffffff
} nnopt_triplet_mining;
/** Triplet loss on embeddings (N, D), mined inside the batch by labels, i32 or i64 (N), of any values: max(d(a, p) - d(a, n) +
 *  margin, 0), or log(1 + e^(d(a, p) - d(a, n))) with soft_margin. Wants batches with several samples of a label. With no
 *  triple at all the value is 0, weight 0 and the gradient zeros. Result: count has the anchors, active the triples whose
 *  loss is above 0. Of equal distances the first in order of label and row counts; at distance 0 the slope is 0.
 *  Takes 8 N^2 bytes. @since 0.1 */
typedef struct nnopt_triplet_options {
	size_t struct_size;
	double margin;       /**< finite, >= 0; no meaning with soft_margin. Default 0.2. */
	int32_t mining;      /**< nnopt_triplet_mining, default NNOPT_TRIPLET_BATCH_HARD */
	int32_t soft_margin; /**< 1: no margin but a soft hinge. Default 0. */
	int32_t squared;     /**< 1: squared Euclidean distances. Default 0: Euclidean. */
	int32_t normalise;   /**< 1: embeddings are brought to length 1 first, as torch.nn.functional.normalize. Default 0. */
	int32_t reduction;   /**< nnopt_reduction */
	int32_t reserved;
} nnopt_triplet_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_triplet_options_init(nnopt_triplet_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_triplet_create(nnopt_loss **out, nnopt_context *context, const nnopt_triplet_options *options);
/** Triplet loss on given triples: embeddings (3 T, D), with row t the anchor, row T + t the positive and row 2 T + t the negative
 *  of triple t, or rows 3 t, 3 t + 1 and 3 t + 2 when interleaved. The target is not looked at and may be NULL. The mean is over
 *  the triples; result: count has them all, active those whose loss is above 0. As torch.nn.TripletMarginLoss with p = 2.
 *  @since 0.1 */
typedef struct nnopt_triplet_margin_options {
	size_t struct_size;
	double margin;       /**< finite, >= 0. Default 1. */
	double eps;          /**< added to each difference, finite. Default 1e-6, as PyTorch. */
	int32_t swap;        /**< 1: the negative's distance is the lesser of those to anchor and positive; Balntas et al. 2016 */
	int32_t interleaved; /**< 1: the three rows of a triple follow each other. Default 0: three blocks. */
	int32_t reduction;   /**< nnopt_reduction */
	int32_t reserved;
} nnopt_triplet_margin_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_triplet_margin_options_init(nnopt_triplet_margin_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_triplet_margin_create(nnopt_loss **out, nnopt_context *context, const nnopt_triplet_margin_options *options);

/** Contrastive loss over all pairs of a batch of embeddings (N, D), labels i32 or i64 (N) of any values: d^2 / 2 for two of
 *  one label, max(margin - d, 0)^2 / 2 otherwise, d the Euclidean distance; Hadsell, Chopra and LeCun 2006. The mean is over the
 *  N (N - 1) / 2 pairs, and 0 of none. Result: active has the pairs whose loss is above 0. Takes 8 N^2 bytes. @since 0.1 */
typedef struct nnopt_contrastive_options {
	size_t struct_size;
	double margin;     /**< finite, >= 0. Default 1. */
	int32_t normalise; /**< 1: embeddings are brought to length 1 first. Default 0. */
	int32_t reduction; /**< nnopt_reduction */
} nnopt_contrastive_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_contrastive_options_init(nnopt_contrastive_options *options, size_t size);
/** @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_contrastive_create(nnopt_loss **out, nnopt_context *context, const nnopt_contrastive_options *options);

/** Options of the losses that tell a sample's likes from all others by a softmax over similarities. @since 0.1 */
typedef struct nnopt_supervised_contrastive_options {
	size_t struct_size;
	double temperature; /**< finite, > 0. Default 0.1. */
	int32_t normalise;  /**< 1: embeddings are brought to length 1 first, so that similarities are cosines. Default 1. */
	int32_t reduction;  /**< nnopt_reduction */
} nnopt_supervised_contrastive_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_supervised_contrastive_options_init(nnopt_supervised_contrastive_options *options, size_t size);
/** Supervised contrastive loss on embeddings (N, D), labels i32 or i64 (N) of any values: for each anchor the mean over its
 *  positives p of -log(e^(s_p / T) / sum over all others of e^(s / T)), s the dot products; Khosla et al. 2020, L_out without the
 *  factor T / T_base of their program. The mean is over the anchors that have a positive, result's count; 0 of none. Takes
 *  8 N^2 bytes. @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_supervised_contrastive_create(nnopt_loss **out, nnopt_context *context,
                                                           const nnopt_supervised_contrastive_options *options);
/** The same without labels: rows t and N / 2 + t are two views of one sample, each other's only positive; N is even. The target
 *  is not looked at and may be NULL. NT-Xent of SimCLR, Chen et al. 2020; InfoNCE over a batch, van den Oord et al. 2018.
 *  @param options NULL for the defaults. @since 0.1 */
NNOPT_API nnopt_status nnopt_nt_xent_create(nnopt_loss **out, nnopt_context *context, const nnopt_supervised_contrastive_options *options);

/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_loss_destroy(nnopt_loss *loss);

/** The kind: "cross_entropy"; "" for NULL. @since 0.1 */
NNOPT_API const char *nnopt_loss_kind(const nnopt_loss *loss);
/** How it was told to reduce; NNOPT_REDUCTION_MEAN for NULL. @since 0.1 */
NNOPT_API nnopt_reduction nnopt_loss_reduction(const nnopt_loss *loss);
/** Number of loss kinds. @since 0.1 */
NNOPT_API int32_t nnopt_loss_kind_count(void);
/** Name of kind `index` in alphabetical order; NULL past the end. @since 0.1 */
NNOPT_API const char *nnopt_loss_kind_name(int32_t index);

/** What a call found; set struct_size first. */
typedef struct nnopt_loss_result {
	size_t struct_size;
	double value;    /**< the loss, reduced as asked */
	double weight;   /**< what the mean divides by (samples, sum of class weights, or elements), also when the sum is
	                      asked for; combines batches exactly: the mean of many is their value * weight (value, of sums),
	                      added up where weight is above 0, over the sum of their weights */
	int64_t count;   /**< samples that counted */
	int64_t correct; /**< cross-entropy, focal, distillation: of them, arg-max hits, ties to the lower class (soft: arg-max
	                      against arg-max); other losses 0 */
	int32_t finite;  /**< 0 when value is infinite or NaN: a result, not an error */
	int32_t reserved;
	int64_t active;  /**< losses on embeddings: triples, pairs or anchors whose loss is above 0; other losses 0 */
} nnopt_loss_result;

/** Computes the loss; `gradient` (may be NULL: value only) gets d(loss)/d(prediction), times `gradient_scale`. It has the
 *  prediction's shape and layout and memory of its own; a target in another layout is converted. Allocates nothing after
 *  the first call with a given shape. NaN and infinity are results. Which targets a loss takes stands with its _create; those
 *  that look at none take NULL. Errors: INVALID_ARGUMENT for shapes, dtypes, labels out of range (naming sample and label),
 *  a gradient that overlaps the prediction, a target that is looked at, or the teacher's logits; STATE for a gradient without the
 *  teacher that the loss learns from; gradient and result are then untouched. @since 0.1 */
NNOPT_API nnopt_status nnopt_loss_compute(nnopt_loss *loss, const nnopt_tensor *prediction, const nnopt_tensor *target,
                                          float gradient_scale, nnopt_tensor *gradient, nnopt_loss_result *result);

#ifdef __cplusplus
}
#endif

#endif
