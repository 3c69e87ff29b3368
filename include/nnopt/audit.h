/**
 * @file audit.h
 * The data audit: what is wrong with a dataset's pictures and labels, as a list of findings that a person can read, a file
 * can keep, and a dataset can be filtered by.
 *
 * The checks are independent and each adds its findings to one list: pictures alone (unreadable, of odd size, constant,
 * duplicates within and across datasets), labels by predictions from outside the fold (nnopt_cross_validate() in train.h makes
 * them), outliers by features. No check changes a dataset.
 *
 * Threads: an audit is used by one thread at a time; its work is shared out to the context's threads, and the findings are
 * the same at any thread count.
 */
#ifndef NNOPT_AUDIT_H
#define NNOPT_AUDIT_H

#include <nnopt/data.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A list of findings about one dataset. @since 0.1 */
typedef struct nnopt_audit nnopt_audit;

/** What a finding says. @since 0.1 */
typedef enum nnopt_finding_kind {
	NNOPT_FINDING_UNREADABLE = 0,     /**< the sample cannot be read or is damaged; `text` is the error's */
	NNOPT_FINDING_OFF_SIZE = 1,       /**< its height, width or the share of them differs from what is expected */
	NNOPT_FINDING_CONSTANT = 2,       /**< (nearly) one colour; score: standard deviation of its values in [0, 1] */
	NNOPT_FINDING_DUPLICATE = 3,      /**< the same pixels as the sample `other_index` of this dataset; score 1 */
	NNOPT_FINDING_NEAR_DUPLICATE = 4, /**< nearly the same; score: 1 - root mean square difference in parts of their
	                                       own standard deviation, at 16 x 16 pixels */
	NNOPT_FINDING_LEAK = 5,           /**< (nearly) the same as the sample `other_index` of the other dataset; score as above */
	NNOPT_FINDING_LABEL = 6,          /**< the label is probably wrong, `suggested_label` is more likely; score: probability of
	                                       the given label, low is bad */
	NNOPT_FINDING_OUTLIER = 7,        /**< far from all others in feature space; score: distance in units of the usual one, infinite
	                                       where that is 0 */
	NNOPT_FINDING_FORCE_32 = 0x7fffffff
} nnopt_finding_kind;

/** What to do about a finding. @since 0.1 */
typedef enum nnopt_suggestion {
	NNOPT_SUGGEST_REVIEW = 0,  /**< a person should look */
	NNOPT_SUGGEST_REMOVE = 1,  /**< leave the sample out */
	NNOPT_SUGGEST_RELABEL = 2, /**< give it suggested_label */
	NNOPT_SUGGEST_FORCE_32 = 0x7fffffff
} nnopt_suggestion;

/** One finding; set struct_size first. */
typedef struct nnopt_finding {
	size_t struct_size;
	int64_t index;            /**< of the sample in the dataset */
	int64_t other_index;      /**< of the sample it is like; -1: none */
	int64_t label;            /**< the sample's; -1 when not known */
	int64_t suggested_label;  /**< -1: none */
	double score;             /**< see nnopt_finding_kind */
	int32_t kind;             /**< nnopt_finding_kind */
	int32_t suggestion;       /**< nnopt_suggestion */
	const char *name;         /**< of the sample (a path), or NULL; borrowed from the dataset */
	const char *other_name;   /**< of the other sample, or NULL; borrowed from its dataset */
	const char *text;         /**< one line for people; borrowed from the audit */
} nnopt_finding;

/** An empty list about `dataset`, to which it keeps a reference. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_audit_create(nnopt_audit **out, nnopt_dataset *dataset);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_audit_destroy(nnopt_audit *audit);

/** Options of nnopt_audit_pictures(). @since 0.1 */
typedef struct nnopt_audit_pictures_options {
	size_t struct_size;
	nnopt_dataset *against;   /**< another part (the test set) in which duplicates are looked for too, the same one in all calls on
	                               an audit, which keeps a reference to it; NULL: none */
	int64_t height, width;    /**< expected; 0: what most pictures have. Default 0. */
	double constant_below;    /**< standard deviation of a picture's values in [0, 1] up to which it counts as constant.
	                               Default 0.01; negative: not checked. */
	double near_above;        /**< score from which two pictures are near duplicates, above 0. Default 0.5; above 1: only
	                               exact ones. */
	int32_t hash_distance;    /**< bits in which the 64-bit perceptual hashes of candidates may differ, 0 to 7. Default 7. */
	int32_t same_label_only;  /**< 1: duplicates only among samples of one label. Default 0. */
} nnopt_audit_pictures_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_audit_pictures_options_init(nnopt_audit_pictures_options *options, size_t size);
/** Reads every picture once, and those that seem equal again. Candidates are found by a perceptual hash (signs of the
 *  64 lowest frequencies of a 32 x 32 grey picture's cosine transform about their median; Zauner 2010, "pHash"), and then
 *  compared by pixels at the common size of 16 x 16. Of equal or like pictures the one with the lowest index stays, the
 *  others are found; of samples with different labels both are in the text, and REVIEW is suggested. Memory: 0.8 KiB a
 *  sample while it runs. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_audit_pictures(nnopt_audit *audit, const nnopt_audit_pictures_options *options);

/** Which samples of a confident joint count as label errors; the names are cleanlab's. @since 0.1 */
typedef enum nnopt_label_filter {
	NNOPT_FILTER_BY_NOISE_RATE = 0,    /**< for each pair (given, likely) as many as the joint says, largest margin first */
	NNOPT_FILTER_BY_CLASS = 1,         /**< for each given class as many as the joint says, lowest self-confidence first */
	NNOPT_FILTER_BOTH = 2,             /**< what both of them say */
	NNOPT_FILTER_CONFIDENT = 3,        /**< all that are off the joint's diagonal */
	NNOPT_FILTER_SELF_CONFIDENCE = 4,  /**< as many as those, of lowest self-confidence whatever their class: cleanlab's
	                                        low_self_confidence, less labels that are the most probable ones */
	NNOPT_FILTER_FORCE_32 = 0x7fffffff
} nnopt_label_filter;

/** Options of nnopt_audit_labels(). @since 0.1 */
typedef struct nnopt_audit_labels_options {
	size_t struct_size;
	int32_t filter;        /**< nnopt_label_filter. Default NNOPT_FILTER_BY_NOISE_RATE. */
	int32_t minimum_left;  /**< samples of each class that are left, whatever the filter: of those that would be found the
	                            most probable ones are spared. Default 1. */
	double relabel_above;  /**< probability of the likely class from which RELABEL is suggested instead of REMOVE. Default 0.9. */
} nnopt_audit_labels_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_audit_labels_options_init(nnopt_audit_labels_options *options, size_t size);
/** Label errors by confident learning (Northcutt, Jiang and Chuang 2021; as cleanlab's find_label_issues).
 *  @param probabilities f32 (samples, classes), each row of a model that was not trained with the sample; rows that hold a
 *  NaN are left out. The findings are ordered by score, the least likely label first. Errors: INVALID_ARGUMENT (shape, a
 *  label that is not known, a value outside [0, 1], such as a logit or an infinity), OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_audit_labels(nnopt_audit *audit, const nnopt_tensor *probabilities,
                                          const nnopt_audit_labels_options *options);

/** Options of nnopt_audit_outliers(). @since 0.1 */
typedef struct nnopt_audit_outliers_options {
	size_t struct_size;
	int64_t neighbours;      /**< whose mean distance is a sample's. Default 10. */
	int64_t references;      /**< samples among which neighbours are looked for, drawn at random; 0: all. Default 4096. */
	double above;            /**< score from which a sample is an outlier. Default 2. */
	uint64_t seed;           /**< of that draw. Default 0. */
} nnopt_audit_outliers_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_audit_outliers_options_init(nnopt_audit_outliers_options *options, size_t size);
/** Samples whose mean Euclidean distance to their nearest neighbours is more than `above` times the median of all samples',
 *  which is more than 0 where most have equals (Ramaswamy, Rastogi and Shim 2000; features as in Kuan and Mueller 2022). Where
 *  features are not finite, or too large for their squares to be, the distance is infinite.
 *  @param features f32 (samples, any), of a layer before the last, say. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_audit_outliers(nnopt_audit *audit, const nnopt_tensor *features,
                                            const nnopt_audit_outliers_options *options);

/** Findings so far; 0 for NULL. @since 0.1 */
NNOPT_API int64_t nnopt_audit_count(const nnopt_audit *audit);
/** Findings of one kind (nnopt_finding_kind). @since 0.1 */
NNOPT_API int64_t nnopt_audit_count_kind(const nnopt_audit *audit, int32_t kind);
/** Finding `which`, from 0, in the order in which they were made. Its texts are borrowed and live as long as the audit.
 *  Errors: INVALID_ARGUMENT. @since 0.1 */
NNOPT_API nnopt_status nnopt_audit_finding(const nnopt_audit *audit, int64_t which, nnopt_finding *finding);
/** "unreadable", "off-size", "constant", "duplicate", "near-duplicate", "leak", "label", "outlier"; NULL otherwise. @since 0.1 */
NNOPT_API const char *nnopt_finding_kind_name(int32_t kind);
/** "review", "remove", "relabel"; NULL otherwise. @since 0.1 */
NNOPT_API const char *nnopt_suggestion_name(int32_t suggestion);

/** The findings as CSV (RFC 4180, UTF-8), one a line: index, name, kind, score, suggestion, label, suggested_label,
 *  other_index, other_name, text. Bytes of names and texts that are no UTF-8 are written as U+FFFD. Written atomically. Errors:
 *  IO, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_audit_write_csv(const nnopt_audit *audit, const char *path);
/** The audited dataset without the samples that a finding says to remove, and with the labels that one says to give (of two
 *  findings about one sample, removal counts). `reviewed` 1: those to be reviewed are removed too. Errors: OUT_OF_MEMORY.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_audit_apply(nnopt_dataset **out, const nnopt_audit *audit, int32_t reviewed);

#ifdef __cplusplus
}
#endif

#endif
