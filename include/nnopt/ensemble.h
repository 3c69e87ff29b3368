/**
 * @file ensemble.h
 * Several answers made one: test-time augmentation (a model's answers to several views of a picture).
 *
 * Threads: a set of views that does not change may be read by many threads. Results have the same bits at any thread count.
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
 *  Errors: those of nnopt_predict(), and INVALID_ARGUMENT: no views, or a shift that reflects a picture that is not larger.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_predict_augmented(nnopt_tensor **scores, nnopt_model *model, nnopt_plan *plan,
                                               nnopt_loader *loader, const nnopt_views *views, nnopt_vote vote,
                                               int32_t probabilities);

/** Options of nnopt_predict_transformed(). @since 0.1 */
typedef struct nnopt_predict_transformed_options {
	size_t struct_size;
	const double *weights; /**< one for each list, finite and above 0; NULL, the default: equal ones */
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

#ifdef __cplusplus
}
#endif

#endif
