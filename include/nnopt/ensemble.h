/**
 * @file ensemble.h
 * Several answers made one: test-time augmentation (a model's answers to several views of a picture), and ensembles (the
 * answers of several members: models of one kind or another, such as a CNN and an RNN, seeds, folds, snapshots).
 *
 * Threads: an ensemble never changes and may be read by many threads; so may views while none is added. Results have the same
 * bits at any thread count.
 */
#ifndef NNOPT_ENSEMBLE_H
#define NNOPT_ENSEMBLE_H

#include <nnopt/eval.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How answers are put together. Weights are divided by their sum. @since 0.1 */
typedef enum nnopt_vote {
	NNOPT_VOTE_LOGITS = 0,        /**< the mean of the logits: the geometric mean of the probabilities, but for a factor */
	NNOPT_VOTE_PROBABILITIES = 1, /**< the mean of the probabilities: soft voting */
	NNOPT_VOTE_HARD = 2,          /**< the share of the votes, one each, for the class of the highest score (the lowest of equals):
	                                   majority voting. Of equal shares the lower class wins, as in scikit-learn. */
	NNOPT_VOTE_FORCE_32 = 0x7fffffff
} nnopt_vote;

/* ---- test-time augmentation ---- */

/** Views of a picture: shifted, mirrored, each with a weight. @since 0.1 */
typedef struct nnopt_views nnopt_views;

/** No views so far. `pad`: what stands where a shifted picture ends: of the pictures as the model sees them, so that
 *  NNOPT_PAD_ZERO is the mean colour of a normalisation. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_views_create(nnopt_views **out, nnopt_context *context, nnopt_pad_mode pad);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_views_destroy(nnopt_views *views);
/** One more view: the picture shifted by `dy` pixels down and `dx` to the right (below 0: up, left), within 65536, then, `mirror`
 *  1, mirrored left to right. `weight` finite and above 0. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_views_add(nnopt_views *views, int32_t mirror, int64_t dy, int64_t dx, double weight);
/** The views of the CIFAR speed runs (K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024). `shift` 0: the picture
 *  and its mirror image, 1/2 each (his level 1). Above: 1/4 each, and both shifted by so many pixels up and left, and down and
 *  right, 1/8 each (his level 2, with shift 1 and NNOPT_PAD_REFLECT). @since 0.1 */
NNOPT_API nnopt_status nnopt_views_add_mirrored(nnopt_views *views, int64_t shift);
/** Views so far; 0 for NULL. @since 0.1 */
NNOPT_API int64_t nnopt_views_count(const nnopt_views *views);

/** nnopt_predict() over views of each picture: the model runs once for each view, and `vote` makes one row of the answers.
 *  `probabilities` 1: rows are probabilities (of NNOPT_VOTE_LOGITS the softmax of the mean); 0: numbers whose softmax they are
 *  (of NNOPT_VOTE_PROBABILITIES the logarithm of the mean). Shares of hard votes are the same for both. The loader's batches are
 *  shifted as they are, normalised, which is the same as before the normalisation but for NNOPT_PAD_ZERO; memory is taken
 *  before the first batch, room for one batch of views more than nnopt_predict().
 *  Errors: those of nnopt_predict(), and INVALID_ARGUMENT: no views, weights whose sum is not finite, or a shift that reflects a
 *  picture that is not larger. @since 0.1 */
NNOPT_API nnopt_status nnopt_predict_augmented(nnopt_tensor **scores, nnopt_model *model, nnopt_plan *plan,
                                               nnopt_loader *loader, const nnopt_views *views, nnopt_vote vote,
                                               int32_t probabilities);

/** Options of nnopt_predict_transformed(). @since 0.1 */
typedef struct nnopt_predict_transformed_options {
	size_t struct_size;
	const double *weights; /**< one for each list, finite and above 0, as is their sum; NULL, the default: equal ones */
	int64_t draws;         /**< times that each list is drawn anew (as the loader's epochs 0, 1, ..): 1 for transforms without chance,
	                            more for random crops, say. Default 1. */
	int64_t batch;         /**< pictures a batch. Default 64. */
	uint64_t seed;         /**< of chance. Default 0. */
	int32_t vote;          /**< nnopt_vote. Default NNOPT_VOTE_LOGITS. */
	int32_t probabilities; /**< as in nnopt_predict_augmented(). Default 0. */
} nnopt_predict_transformed_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_predict_transformed_options_init(nnopt_predict_transformed_options *options, size_t size);
/** Scores of every sample by what the model makes of it behind each of `count` lists of transforms (such as crops of several
 *  sizes, all resized to the model's): a new f32 tensor (samples, classes) as that of nnopt_predict(). A sample that cannot be
 *  read, or is too small for a crop of any of them, is a row of NaNs. All lists give pictures of one size. `options` NULL: the
 *  defaults. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY, those of loaders and of nnopt_predict(). @since 0.1 */
NNOPT_API nnopt_status nnopt_predict_transformed(nnopt_tensor **scores, nnopt_model *model, nnopt_dataset *dataset,
                                                 nnopt_transforms *const *lists, int64_t count,
                                                 const nnopt_predict_transformed_options *options);

/* ---- ensembles: each function takes the scores of `members` members, f32 (samples, classes) of the same samples, as
 * nnopt_predict() gives them. A sample in whose row any member has a NaN is left out where something is learnt, and is a row of
 * NaNs where something is made. A stack, and NNOPT_WEIGHT_LIKELIHOOD and NNOPT_WEIGHT_GREEDY unless the vote is hard, also leave
 * out one with a score of infinity or, where a vote is of logits, of minus infinity. ---- */

/** A rule that makes one answer of several: a vote, or a stack. @since 0.1 */
typedef struct nnopt_ensemble nnopt_ensemble;

/** A vote of `members` with weights: `weights` NULL for equal ones, or `members` numbers, finite, at least 0 and not all 0, divided
 *  by their sum (a member of weight 0 is not looked at). `probabilities` 1: the scores are going to be probabilities, 0: logits.
 *  With NNOPT_VOTE_HARD and NNOPT_VOTE_PROBABILITIES as scikit-learn's VotingClassifier. Errors: INVALID_ARGUMENT,
 *  OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_vote_create(nnopt_ensemble **out, nnopt_context *context, nnopt_vote vote, const double *weights,
                                         int32_t members, int32_t probabilities);

/** How a vote's weights are found from samples that no member was trained with. @since 0.1 */
typedef enum nnopt_vote_weighting {
	NNOPT_WEIGHT_ACCURACY = 0,   /**< the accuracy of each member */
	NNOPT_WEIGHT_LOG_ODDS = 1,   /**< log(a / (1 - a)) + log(classes - 1) of the accuracy a (of half a hit more in one sample more), at
	                                  least 0: right for hard votes of independent members (Kuncheva 2004; Zhu et al. 2009) */
	NNOPT_WEIGHT_LIKELIHOOD = 2, /**< those whose mean makes the labels most probable; a convex problem, solved by an interior-point
	                                  method. A weight below 1e-6 becomes 0. Not for NNOPT_VOTE_HARD. */
	NNOPT_WEIGHT_GREEDY = 3,     /**< from nothing, takes in the member, again and again, that makes the vote most accurate (of equals
	                                  the more probable labels, then the first member), and keeps the best of `rounds` (Caruana et
	                                  al. 2004) */
	NNOPT_WEIGHT_FORCE_32 = 0x7fffffff
} nnopt_vote_weighting;
/** Options of nnopt_vote_fit(). @since 0.1 */
typedef struct nnopt_vote_options {
	size_t struct_size;
	int64_t rounds;        /**< NNOPT_WEIGHT_GREEDY: members taken in, at most. Default 50. */
	double tolerance;      /**< NNOPT_WEIGHT_LIKELIHOOD: the mean log-likelihood is at most this much below the best. Default 1e-9. */
	int32_t vote;          /**< nnopt_vote. Default NNOPT_VOTE_PROBABILITIES. */
	int32_t weighting;     /**< nnopt_vote_weighting. Default NNOPT_WEIGHT_LIKELIHOOD. */
	int32_t probabilities; /**< as in nnopt_vote_create(). Default 0. */
	int32_t reserved;
} nnopt_vote_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_vote_options_init(nnopt_vote_options *options, size_t size);
/** A vote with weights found by `scores` and `labels`, i32 or i64 (samples). Where all would be 0 they are equal. Takes 8 members
 *  classes bytes a sample while it runs. Errors: INVALID_ARGUMENT (also: no sample without NaNs), OUT_OF_MEMORY; STATE where the
 *  tolerance is not reached. @since 0.1 */
NNOPT_API nnopt_status nnopt_vote_fit(nnopt_ensemble **out, nnopt_context *context, const nnopt_tensor *const *scores,
                                      int32_t members, const nnopt_tensor *labels, const nnopt_vote_options *options);

/** Options of nnopt_stack_fit(). @since 0.1 */
typedef struct nnopt_stack_options {
	size_t struct_size;
	double l2;             /**< half of this times the sum of the squares of all coefficients but the intercepts is added to the
	                            labels' negative log-likelihood, summed over samples: scikit-learn's 1 / C. Above 0, default 1. */
	double tolerance;      /**< of the largest element of the gradient, over the number of samples. Default 1e-9. */
	int64_t iterations;    /**< Newton steps at most. Default 200. */
	int32_t features;      /**< 0: logarithms of probabilities, of 1e-15 at least; 1: probabilities. Default 0. */
	int32_t probabilities; /**< as in nnopt_vote_create(). Default 0. */
} nnopt_stack_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_stack_options_init(nnopt_stack_options *options, size_t size);
/** Stacking (Wolpert 1992): multinomial logistic regression on what all members say of a sample. `scores` must be of samples that no
 *  member was trained with: a held-out set, or nnopt_cross_validate() of each member (with probabilities 1). As scikit-learn's
 *  LogisticRegression(C=1 / l2) on those features (of two classes C=2 / l2), which with features 1 is its StackingClassifier for
 *  three classes or more. Solved by Newton's method; takes 8 (members + 1) classes bytes a sample while it runs, and time in
 *  proportion to samples, members and the square of the classes. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY; STATE where the
 *  tolerance is not reached. @since 0.1 */
NNOPT_API nnopt_status nnopt_stack_fit(nnopt_ensemble **out, nnopt_context *context, const nnopt_tensor *const *scores,
                                       int32_t members, const nnopt_tensor *labels, const nnopt_stack_options *options);

/** The answer of the ensemble to the scores of its members, in the order in which it was made: a new f32 tensor (samples, classes).
 *  `probabilities` as in nnopt_predict_augmented(), and of a stack. Errors: INVALID_ARGUMENT (another number of members, a stack's
 *  other number of classes), OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_ensemble_combine(nnopt_tensor **out, const nnopt_ensemble *ensemble,
                                              const nnopt_tensor *const *scores, int32_t members, int32_t probabilities);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_ensemble_destroy(nnopt_ensemble *ensemble);
/** "vote" or "stack"; NULL for NULL. @since 0.1 */
NNOPT_API const char *nnopt_ensemble_kind(const nnopt_ensemble *ensemble);
/** Members; 0 for NULL. @since 0.1 */
NNOPT_API int32_t nnopt_ensemble_members(const nnopt_ensemble *ensemble);
/** A vote's weight of member `index`, all adding up to 1; NaN for a stack, or out of range. @since 0.1 */
NNOPT_API double nnopt_ensemble_weight(const nnopt_ensemble *ensemble, int32_t index);
/** Writes the ensemble as a safetensors file, atomically: the rule, not its members. Errors: INVALID_ARGUMENT, IO,
 *  OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_ensemble_save(const nnopt_ensemble *ensemble, const char *path);
/** An ensemble from such a file: it gives the same bits. Errors: NOT_FOUND, IO, FORMAT (also: damaged), UNSUPPORTED (of a later
 *  version), OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_ensemble_load(nnopt_ensemble **out, nnopt_context *context, const char *path);

/** How different members are. @since 0.1 */
typedef struct nnopt_diversity {
	size_t struct_size;
	int64_t count;       /**< samples without NaNs */
	double accuracy;     /**< mean of the members' */
	double best;         /**< accuracy of the best member */
	double oracle;       /**< share of the samples that at least one member has right: no rule that takes one of their classes does better */
	double disagreement; /**< share of the samples for which two members say different classes, the mean over all pairs; 0 for one
	                          member. (Kuncheva and Whitaker 2003) */
} nnopt_diversity;
/** Tells it; set out->struct_size first. Logits or probabilities. `pairs` NULL, or room for members x members: each pair's
 *  disagreement. Errors: INVALID_ARGUMENT (also: no sample without NaNs), OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_ensemble_diversity(nnopt_diversity *out, double *pairs, nnopt_context *context,
                                                const nnopt_tensor *const *scores, int32_t members,
                                                const nnopt_tensor *labels);

#ifdef __cplusplus
}
#endif

#endif
