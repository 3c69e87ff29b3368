/**
 * @file eval.h
 * Evaluation: metrics over predictions, with intervals.
 */
#ifndef NNOPT_EVAL_H
#define NNOPT_EVAL_H

#include <nnopt/data.h>
#include <nnopt/loss.h>
#include <nnopt/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Counts over predictions. @since 0.1 */
typedef struct nnopt_metrics nnopt_metrics;

/** Collects predictions for `classes` classes. */
NNOPT_API nnopt_status nnopt_metrics_create(nnopt_metrics **out, nnopt_context *context, int64_t classes);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_metrics_destroy(nnopt_metrics *metrics);
/** Forgets all samples. @since 0.1 */
NNOPT_API void nnopt_metrics_reset(nnopt_metrics *metrics);
/** Adds a batch: scores f32 (N, classes) (logits or probabilities), labels i32 or i64 (N). Ties go to the lower class; a NaN
 *  is below every number. */
NNOPT_API nnopt_status nnopt_metrics_add(nnopt_metrics *metrics, const nnopt_tensor *scores, const nnopt_tensor *labels);

/** Samples added. @since 0.1 */
NNOPT_API int64_t nnopt_metrics_count(const nnopt_metrics *metrics);
/** Classes as created. @since 0.1 */
NNOPT_API int64_t nnopt_metrics_classes(const nnopt_metrics *metrics);
/** Share of samples whose class is among the k highest scores. */
NNOPT_API double nnopt_metrics_top_k(const nnopt_metrics *metrics, int32_t k);
/** Share of samples whose class has the highest score; 0 without samples. @since 0.1 */
NNOPT_API double nnopt_metrics_accuracy(const nnopt_metrics *metrics);
/** Wilson score interval of the accuracy at `confidence`, such as 0.95; Wilson 1927. */
NNOPT_API nnopt_status nnopt_metrics_accuracy_interval(const nnopt_metrics *metrics, double confidence, double *low, double *high);
/** Samples of class `actual` predicted as `predicted`. */
NNOPT_API int64_t nnopt_metrics_confusion(const nnopt_metrics *metrics, int64_t actual, int64_t predicted);

/** What one class came to. @since 0.1 */
typedef struct nnopt_class_metrics {
	size_t struct_size;
	int64_t support;                      /**< samples of the class */
	int64_t predicted;                    /**< samples predicted as it */
	double precision, recall, f1;         /**< 0 where undefined, as scikit-learn's zero_division=0 */
	double precision_low, precision_high; /**< 95 % Wilson intervals */
	double recall_low, recall_high;       /**< likewise */
} nnopt_class_metrics;
/** What class `index` came to; set out->struct_size first. @since 0.1 */
NNOPT_API nnopt_status nnopt_metrics_class(const nnopt_metrics *metrics, int64_t index, nnopt_class_metrics *out);
/** Unweighted mean over classes of precision, recall, F1. */
NNOPT_API nnopt_status nnopt_metrics_macro(const nnopt_metrics *metrics, double *precision, double *recall, double *f1);
/** Confusion matrix (above 30 classes: the 20 most frequent confusions) and per-class table as text for people; `class_names` may be NULL. Text rule as nnopt_model_to_json(). */
NNOPT_API nnopt_status nnopt_metrics_report(const nnopt_metrics *metrics, const char *const *class_names, char *text, size_t size, size_t *needed);

/** Fills `options` with the defaults and what a plan for the loader's batches has: `shape` and `rank` of a sample after the
 *  transforms, and `batch`. Mode, precision and the rest are the caller's to set before nnopt_plan_create(). @param size sizeof
 *  *options. Errors: INVALID_ARGUMENT. @since 0.1 */
NNOPT_API nnopt_status nnopt_loader_plan_options(nnopt_plan_options *options, size_t size, nnopt_loader *loader);

/** What an evaluation came to. @since 0.1 */
typedef struct nnopt_evaluation {
	size_t struct_size;
	double loss;     /**< 0 without a loss */
	double accuracy; /**< share of samples whose class has the highest score */
	int64_t count;   /**< samples evaluated */
} nnopt_evaluation;
/** Runs the model over the loader's epoch 0 with `plan` (NULL: an inference plan is made for the call). `loss`, `metrics`,
 *  `out` may be NULL. */
NNOPT_API nnopt_status nnopt_evaluate(nnopt_model *model, nnopt_plan *plan, nnopt_loader *loader, nnopt_loss *loss,
                                      nnopt_metrics *metrics, nnopt_evaluation *out);
/** The model's scores of every sample of the loader's dataset, over its epoch 0: a new f32 tensor (samples, classes), row i
 *  of sample i however the loader orders them; NaNs where a sample was not met or cannot be read. `probabilities` 1: their
 *  softmax. `plan` as above. @since 0.1 */
NNOPT_API nnopt_status nnopt_predict(nnopt_tensor **scores, nnopt_model *model, nnopt_plan *plan, nnopt_loader *loader,
                                     int32_t probabilities);

/** How far apart two embeddings are. @since 0.1 */
typedef enum nnopt_distance {
	NNOPT_DISTANCE_EUCLIDEAN = 0,
	NNOPT_DISTANCE_COSINE = 1, /**< 1 minus the cosine of the angle between them */
	NNOPT_DISTANCE_FORCE_32 = 0x7fffffff
} nnopt_distance;
/** Share of the queries whose label is the commonest among their `k` nearest references: what embeddings are measured by, as
 *  scikit-learn's KNeighborsClassifier(k).score. Embeddings f32 (N, D), finite; labels i32 or i64 (N), of any values. When the
 *  queries are the references (the same memory), none is its own neighbour. Equal distances: the lower row is nearer; equal
 *  votes: the lowest label wins. Looks at every pair, on the calling thread, with sums in f32. Takes 12 k bytes a query while
 *  it runs. @param k 1 to the number of references. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_knn_accuracy(double *accuracy, nnopt_context *context, const nnopt_tensor *reference,
                                          const nnopt_tensor *reference_labels, const nnopt_tensor *queries,
                                          const nnopt_tensor *query_labels, int64_t k, nnopt_distance distance);

#ifdef __cplusplus
}
#endif

#endif
