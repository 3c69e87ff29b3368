/**
 * @file eval.h
 * Evaluation: metrics over predictions, with intervals; ranking, calibration, comparison of two models.
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
/** Adds what `from` counted, of as many classes: folds and shards into one. @since 0.1 */
NNOPT_API nnopt_status nnopt_metrics_merge(nnopt_metrics *metrics, const nnopt_metrics *from);

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
/** The most frequent confusions, most frequent first: `counts[i]` samples of class `actual[i]` were predicted as `predicted[i]`. The
 *  arrays have room for `most`; `*found` says how many there are. Errors: INVALID_ARGUMENT. @since 0.1 */
NNOPT_API nnopt_status nnopt_metrics_top_confusions(const nnopt_metrics *metrics, int64_t most, int64_t *actual, int64_t *predicted,
                                                    int64_t *counts, int64_t *found);

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
	double loss;     /**< the mean over all that counts, also where the loss sums (what the mean divides by is
	                      nnopt_loss_result::weight); 0 without a loss, or when nothing counts */
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
 *  votes: the lowest label wins. Looks at every pair, on the calling thread, with sums in f32. Takes 12 k + 8 bytes a query
 *  while it runs. @param k 1 to the number of references. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_knn_accuracy(double *accuracy, nnopt_context *context, const nnopt_tensor *reference,
                                          const nnopt_tensor *reference_labels, const nnopt_tensor *queries,
                                          const nnopt_tensor *query_labels, int64_t k, nnopt_distance distance);

/* ---- what the functions below share ----
 * Scores are f32 (samples, classes), as nnopt_predict() gives them; labels are i32 or i64 (samples), as nnopt_dataset_labels()
 * gives them. A sample whose row of scores holds a NaN is left out, whatever its label: nnopt_predict() marks so what it could
 * not read. Where no sample is left the call fails. A label outside the classes is INVALID_ARGUMENT, naming the sample.
 * Everything runs on the calling thread, and its results depend on no number of threads. */

/** A number and the interval around it; set struct_size first. @since 0.1 */
typedef struct nnopt_estimate {
	size_t struct_size;
	double value;     /**< of all that was given */
	double low, high; /**< the interval at the confidence asked for; NaN where too little was given to know the spread */
	double error;     /**< standard error of the value; NaN likewise */
	double p;         /**< of a paired t interval: two-sided probability of a difference so large where there is none; else NaN */
	int64_t count;    /**< samples, or runs, that it rests on */
} nnopt_estimate;

/* ---- ranking: ROC, precision and recall ----
 * Each class has its column ranked against the others' samples, as it is: give probabilities where there are more than two
 * classes. Equal scores count half. Two classes may also have a single column, the score of class 1. */

/** Which mean over classes nnopt_roc_auc() takes. Those of which no sample, or every one, is left count in none. @since 0.1 */
typedef enum nnopt_auc_average {
	NNOPT_AUC_ONE_VS_REST = 0,          /**< each class against all others; scikit-learn's "ovr", "macro" */
	NNOPT_AUC_ONE_VS_REST_WEIGHTED = 1, /**< weighted by the samples of the class; "ovr", "weighted" */
	NNOPT_AUC_ONE_VS_ONE = 2,           /**< each pair of classes, both ways round; "ovo", "macro"; Hand and Till 2001 */
	NNOPT_AUC_FORCE_32 = 0x7fffffff
} nnopt_auc_average;
/** Options of nnopt_roc_auc(). @since 0.1 */
typedef struct nnopt_auc_options {
	size_t struct_size;
	int64_t class_index; /**< this class against all others; -1: the mean over classes. Default -1. */
	double confidence;   /**< of the interval, in (0, 1). Default 0.95. */
	int64_t resamples;   /**< for the interval of a mean over classes, see nnopt_bootstrap_options. Default 1000. */
	uint64_t seed;       /**< of the resamples. Default 0. */
	int32_t average;     /**< nnopt_auc_average. Default NNOPT_AUC_ONE_VS_REST. */
	int32_t reserved;
} nnopt_auc_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_auc_options_init(nnopt_auc_options *options, size_t size);
/** Area under the ROC curve: the probability that a sample of the class has a higher score than one of the others; as
 *  scikit-learn's roc_auc_score. With two classes it is that of class 1. One class has DeLong's interval (DeLong, DeLong and
 *  Clarke-Pearson 1988; Sun and Xu 2014), cut to [0, 1]; a mean over more than two classes has the percentile bootstrap's, see
 *  nnopt_bootstrap(). @param options NULL for the defaults. Errors: INVALID_ARGUMENT, also where the labels left
 *  are of one class, or not of class_index; OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_roc_auc(nnopt_estimate *auc, nnopt_context *context, const nnopt_tensor *scores,
                                     const nnopt_tensor *labels, const nnopt_auc_options *options);
/** The ROC curve of a class against all others: a new f32 tensor (points, 3), each point false positive rate, true positive
 *  rate and the score down to which samples are called positive, by falling score; the first is (0, 0, infinity). Points
 *  halfway between their neighbours are left out, but for the first score's. As scikit-learn's roc_curve. Errors: as
 *  nnopt_roc_auc(). @since 0.1 */
NNOPT_API nnopt_status nnopt_roc_curve(nnopt_tensor **points, nnopt_context *context, const nnopt_tensor *scores,
                                       const nnopt_tensor *labels, int64_t class_index);
/** Precision over recall of a class: a new f32 tensor (points, 3), each point recall, precision and score, by falling score; the
 *  first is (0, 1, infinity). Scikit-learn's precision_recall_curve, whose order is the reverse. Errors: as nnopt_roc_auc(), but
 *  samples of the class suffice. @since 0.1 */
NNOPT_API nnopt_status nnopt_precision_recall_curve(nnopt_tensor **points, nnopt_context *context, const nnopt_tensor *scores,
                                                    const nnopt_tensor *labels, int64_t class_index);
/** Average precision: the sum over thresholds of precision times the gain of recall, as scikit-learn's
 *  average_precision_score. @param class_index -1: the mean over the classes that occur; with two classes, that of class 1.
 *  Errors: as nnopt_precision_recall_curve(). @since 0.1 */
NNOPT_API nnopt_status nnopt_average_precision(double *value, nnopt_context *context, const nnopt_tensor *scores,
                                               const nnopt_tensor *labels, int64_t class_index);

/* ---- calibration: whether probabilities are what they say ---- */

/** What the probabilities of some samples are worth, and their reliability diagram. @since 0.1 */
typedef struct nnopt_calibration nnopt_calibration;
/** Options of nnopt_calibration_create(). @since 0.1 */
typedef struct nnopt_calibration_options {
	size_t struct_size;
	int64_t bins;       /**< of equal width, 1 to 1000. Default 15. */
	double temperature; /**< 0: the scores are probabilities; above 0: they are logits, which are divided by it first. Default 0. */
} nnopt_calibration_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_calibration_options_init(nnopt_calibration_options *options, size_t size);
/** Sorts samples into bins by confidence, the highest of their probabilities. @param options NULL for the defaults. Errors:
 *  INVALID_ARGUMENT (a probability outside [0, 1], an infinite logit, fewer than two classes), OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_calibration_create(nnopt_calibration **out, nnopt_context *context, const nnopt_tensor *scores,
                                                const nnopt_tensor *labels, const nnopt_calibration_options *options);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_calibration_destroy(nnopt_calibration *calibration);

/** What a calibration came to; set struct_size first. */
typedef struct nnopt_calibration_info {
	size_t struct_size;
	int64_t count;     /**< samples judged */
	int64_t bins;      /**< as asked for */
	double accuracy;   /**< share of samples whose class has the highest probability, the lowest class of equals */
	double confidence; /**< mean of the highest probability; above accuracy: the model is too sure of itself */
	double ece;        /**< expected calibration error: mean over samples of their bin's gap between confidence and accuracy;
	                        Naeini et al. 2015, Guo et al. 2017; as torchmetrics' norm "l1" */
	double mce;        /**< the largest gap of a bin that has samples; norm "max" */
	double brier;      /**< mean squared distance of the probabilities from the label's, halved for two classes as scikit-learn's
	                        brier_score_loss; Brier 1950 */
	double nll;        /**< mean negative log likelihood; a probability counts as 2^-23 at least, as scikit-learn's log_loss of
	                        f32, a logit as it is */
} nnopt_calibration_info;
/** What it came to. @since 0.1 */
NNOPT_API nnopt_status nnopt_calibration_get_info(const nnopt_calibration *calibration, nnopt_calibration_info *info);
/** A bar of the reliability diagram; set struct_size first. */
typedef struct nnopt_calibration_bin {
	size_t struct_size;
	double low, high;                   /**< confidence above low, up to high */
	int64_t count;                      /**< samples in it; without any, the numbers below are 0 */
	double confidence;                  /**< their mean confidence */
	double accuracy;                    /**< share of them whose class has the highest probability */
	double accuracy_low, accuracy_high; /**< its 95 % Wilson interval */
} nnopt_calibration_bin;
/** Bin `index`, from 0, by rising confidence. @since 0.1 */
NNOPT_API nnopt_status nnopt_calibration_get_bin(const nnopt_calibration *calibration, int64_t index, nnopt_calibration_bin *bin);

/** Temperature scaling: the T whose softmax(logits / T) has the least negative log likelihood on these samples, which the model
 *  was neither trained nor chosen by; Guo et al. 2017. Accuracy stays as it is. The one least is found to 1e-12 of T, within
 *  [1/1000, 1000]: the lower end where every label has the highest logit, the upper one where logits tell nothing. Errors:
 *  INVALID_ARGUMENT (an infinite logit, fewer than two classes). @since 0.1 */
NNOPT_API nnopt_status nnopt_temperature_fit(double *temperature, const nnopt_tensor *logits, const nnopt_tensor *labels);
/** softmax(logits / temperature) as a new f32 tensor; rows that hold a NaN become NaN. At 1 it is what nnopt_predict() gives
 *  as probabilities. @param temperature finite, above 0. @since 0.1 */
NNOPT_API nnopt_status nnopt_temperature_apply(nnopt_tensor **probabilities, nnopt_context *context, const nnopt_tensor *logits,
                                               double temperature);

/* ---- intervals, and two models on the same samples ---- */

/** A statistic of the samples indices[0..count), some of which come more than once. NaN: it has no value for them. Returns
 *  NNOPT_OK to go on; anything else stops the bootstrap with NNOPT_ERROR_CALLBACK. */
typedef nnopt_status (*nnopt_statistic_fn)(double *value, const int64_t *indices, int64_t count, void *user);
/** Options of nnopt_bootstrap() and nnopt_accuracy_difference(). @since 0.1 */
typedef struct nnopt_bootstrap_options {
	size_t struct_size;
	int64_t resamples; /**< up to 2^24; 0: no interval. Default 2000. */
	double confidence; /**< in (0, 1). Default 0.95. */
	uint64_t seed;     /**< of the draws; the same seed gives the same bits. Default 0. */
} nnopt_bootstrap_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_bootstrap_options_init(nnopt_bootstrap_options *options, size_t size);
/** The percentile bootstrap of any statistic (Efron and Tibshirani 1993): `value` is that of all samples in their order, low and
 *  high are quantiles (interpolated linearly, as numpy's) of the statistic over resamples of as many samples, drawn with
 *  replacement, and error is their standard deviation. Resamples without a value are left out. Two models are compared by a
 *  statistic that is the difference of both on the same indices. `estimate->count` has the samples. Errors:
 *  INVALID_ARGUMENT, CALLBACK, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_bootstrap(nnopt_estimate *estimate, nnopt_context *context, int64_t samples,
                                       nnopt_statistic_fn statistic, void *user, const nnopt_bootstrap_options *options);
/** The second model's accuracy less the first's, with the paired bootstrap's interval. A sample that either has no scores for
 *  is left out. Scores of both may differ in kind (logits, votes). Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_accuracy_difference(nnopt_estimate *difference, nnopt_context *context, const nnopt_tensor *first,
                                                 const nnopt_tensor *second, const nnopt_tensor *labels,
                                                 const nnopt_bootstrap_options *options);

/** McNemar's test; set struct_size first. @since 0.1 */
typedef struct nnopt_mcnemar_result {
	size_t struct_size;
	int64_t both, first_only, second_only, neither; /**< samples by who was right */
	double exact_p;                                 /**< two-sided binomial; use it below some 25 samples that one alone has right */
	double statistic;                               /**< (|first_only - second_only| - 1)^2 / (their sum), with Edwards' correction
	                                                     for continuity; 0 where both are equal, as R's mcnemar.test */
	double p;                                       /**< of the statistic, by the chi-squared distribution of one degree */
} nnopt_mcnemar_result;
/** Whether two models err equally often on the same samples (McNemar 1947, Edwards 1948; Dietterich 1998 for its use with
 *  classifiers); as statsmodels' mcnemar. Samples as nnopt_accuracy_difference(). Errors: INVALID_ARGUMENT. @since 0.1 */
NNOPT_API nnopt_status nnopt_mcnemar(nnopt_mcnemar_result *out, const nnopt_tensor *first, const nnopt_tensor *second,
                                     const nnopt_tensor *labels);

/** The mean of results of `count` runs (seeds, folds), with Student's t interval. One run has no interval. What is beyond
 *  the range of a double is infinite. Errors: INVALID_ARGUMENT, naming a result that is not finite. @since 0.1 */
NNOPT_API nnopt_status nnopt_mean_interval(nnopt_estimate *mean, const double *results, int64_t count, double confidence);
/** The mean of second[i] - first[i], of runs that have seed or fold i in common, with Student's paired t interval, and p as
 *  scipy's ttest_rel; 1 where all are equal. Folds share most of what they are trained with, so that intervals over them are too
 *  narrow (Bengio and Grandvalet 2004): prefer seeds. Errors: as above. @since 0.1 */
NNOPT_API nnopt_status nnopt_paired_interval(nnopt_estimate *gain, const double *first, const double *second, int64_t count,
                                             double confidence);

/** What makes a sample bad. @since 0.1 */
typedef enum nnopt_worst {
	NNOPT_WORST_BY_LOSS = 0,       /**< -log of its class's probability, whether it was predicted right or not */
	NNOPT_WORST_BY_CONFIDENCE = 1, /**< probability of the class predicted, of samples predicted wrong only */
	NNOPT_WORST_FORCE_32 = 0x7fffffff
} nnopt_worst;
/** The worst samples, worst first, the lower index first of equals: what to look at. `indices`, and `values` unless it is NULL, have
 *  room for `most`; `*found` says how many there are. Scores: probabilities. Errors: INVALID_ARGUMENT. @since 0.1 */
NNOPT_API nnopt_status nnopt_worst_samples(int64_t *indices, double *values, int64_t *found, const nnopt_tensor *probabilities,
                                           const nnopt_tensor *labels, nnopt_worst by, int64_t most);

#ifdef __cplusplus
}
#endif

#endif
