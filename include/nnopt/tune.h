/**
 * @file tune.h
 * Tuning: a learning-rate finder, and a search for the best values of any options by name - learning rate, batch size,
 * depth, width, anything that the caller's function makes use of.
 *
 * Threads: a search is used by one thread at a time; its function runs on that thread.
 */
#ifndef NNOPT_TUNE_H
#define NNOPT_TUNE_H

#include <nnopt/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the learning-rate finder ---- */

/** Losses along a rising learning rate. @since 0.1 */
typedef struct nnopt_lr_curve nnopt_lr_curve;

/** Options of nnopt_lr_find(). @since 0.1 */
typedef struct nnopt_lr_find_options {
	size_t struct_size;
	double lowest, highest; /**< learning rates of the first and the last step, of a finite ratio. Default 1e-7 and 10. */
	int64_t steps;          /**< updates between them, rising by a constant factor. Default 100. */
	double smoothing;       /**< of the loss: weight of the past in its moving average, in [0, 1). Default 0.9. */
	double diverge;         /**< it ends when the smoothed loss is above this many times its least. Default 4. */
	int32_t precision;      /**< nnopt_precision. Default NNOPT_PRECISION_F32. */
	int32_t reserved;
} nnopt_lr_find_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_lr_find_options_init(nnopt_lr_find_options *options, size_t size);
/** Trains for some steps at a learning rate that rises from one to the next, and puts everything back: parameters, running
 *  statistics, step numbers, the optimizer's slots, its learning rate (Smith 2017, "Cyclical learning rates"; the curve and
 *  the two suggestions are those of fastai and pytorch-lr-finder). The loader goes over its epochs from 0 on. A loss or a
 *  gradient that is not finite ends it; but in f16 a batch whose gradients overflowed is left out, and the next one takes its
 *  place, while the loss scale is 1 or more. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY, those of training. @since 0.1 */
NNOPT_API nnopt_status nnopt_lr_find(nnopt_lr_curve **out, nnopt_model *model, nnopt_loader *loader, nnopt_loss *loss,
                                     nnopt_optimizer *optimizer, const nnopt_lr_find_options *options);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_lr_curve_destroy(nnopt_lr_curve *curve);
/** Steps taken; 0 for NULL. @since 0.1 */
NNOPT_API int64_t nnopt_lr_curve_count(const nnopt_lr_curve *curve);
/** Step `index`, from 0: its learning rate, its loss, and the smoothed loss; each may be NULL. @since 0.1 */
NNOPT_API nnopt_status nnopt_lr_curve_point(const nnopt_lr_curve *curve, int64_t index, double *lr, double *loss, double *smoothed);
/** Two learning rates to try: where the smoothed loss falls steepest by the logarithm of the rate, and a tenth of the rate at
 *  which it is least. Each may be NULL. Errors: STATE when the curve has fewer than 5 steps. @since 0.1 */
NNOPT_API nnopt_status nnopt_lr_curve_suggest(const nnopt_lr_curve *curve, double *steepest, double *tenth_of_least);

/* ---- search ---- */

/** A search: a space of values, the trials made in it, and a file that keeps both. @since 0.1 */
typedef struct nnopt_search nnopt_search;
/** One choice of values, on which the caller's function spends a budget. @since 0.1 */
typedef struct nnopt_trial nnopt_trial;

/** How values are chosen and budgets are given. @since 0.1 */
typedef enum nnopt_search_strategy {
	NNOPT_SEARCH_GRID = 0,    /**< every combination, the last option fastest, each with the whole budget */
	NNOPT_SEARCH_RANDOM = 1,  /**< values drawn at random, each trial with the whole budget (Bergstra and Bengio 2012) */
	NNOPT_SEARCH_HALVING = 2, /**< drawn at random, begun with the least budget; of every `reduction` trials that reach a
	                               budget the best goes on with `reduction` times as much (asynchronous successive
	                               halving, ASHA: Li et al. 2020) */
	NNOPT_SEARCH_FORCE_32 = 0x7fffffff
} nnopt_search_strategy;

/** Options of nnopt_search_create(). @since 0.1 */
typedef struct nnopt_search_options {
	size_t struct_size;
	int32_t strategy;   /**< nnopt_search_strategy. Default NNOPT_SEARCH_HALVING. */
	int32_t maximise;   /**< 1: the largest value is the best; 0: the least. Default 1. */
	int64_t trials;     /**< choices of values to begin; for a grid, 0: all. Default 27. */
	int64_t budget;     /**< the most that one trial is given, in the caller's units: epochs, say. Default 9. */
	int64_t least;      /**< halving: the budget that every trial is given. Default 1. */
	int64_t reduction;  /**< halving: 2 or more. Default 3. */
	uint64_t seed;      /**< of the draws. Default 0. */
	const char *path;   /**< JSON file that is written after every evaluation, and from which a search goes on; NULL: none.
	                         Copied. */
} nnopt_search_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_search_options_init(nnopt_search_options *options, size_t size);
/** A search without options to look at. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_search_create(nnopt_search **out, nnopt_context *context, const nnopt_search_options *options);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_search_destroy(nnopt_search *search);

/** A number between low and high, drawn uniformly; `logarithmic` 1: its logarithm is, and both are above 0. Their difference, or
 *  their ratio then, is finite. A grid takes `points` of them, the ends included (1: low alone). Names are unique, of letters,
 *  digits, '_', '-' and '.'; at most 32. Errors: INVALID_ARGUMENT; STATE once the search has run. @since 0.1 */
NNOPT_API nnopt_status nnopt_search_add_number(nnopt_search *search, const char *name, double low, double high,
                                               int32_t logarithmic, int64_t points);
/** A whole number from low to high in steps of `step` from low. `logarithmic` 1: step is a factor of 2 or more, as
 *  batch sizes of 32, 64, 128. A grid takes them all. @since 0.1 */
NNOPT_API nnopt_status nnopt_search_add_integer(nnopt_search *search, const char *name, int64_t low, int64_t high,
                                                int64_t step, int32_t logarithmic);
/** One of `count` names, copied. A grid takes them all. @since 0.1 */
NNOPT_API nnopt_status nnopt_search_add_choice(nnopt_search *search, const char *name, const char *const *choices,
                                               int64_t count);

/** Trains with the trial's values until nnopt_trial_budget() is spent in all, and gives what it came to: a validation
 *  accuracy, say. A trial that is called again with a larger budget may go on from where it stood (nnopt_trial_spent(); keep
 *  its state under nnopt_trial_id()) or begin anew. Not NNOPT_OK, or a value that is not finite: the trial has failed and the
 *  search goes on; but NNOPT_ERROR_CANCELLED and NNOPT_ERROR_OUT_OF_MEMORY end it. */
typedef nnopt_status (*nnopt_search_fn)(const nnopt_trial *trial, double *value, void *user);
/** Runs trials until all are done, or `most` evaluations have been made (0: no limit), the ones in the file not counted.
 *  Trials and their values do not depend on how often the search was interrupted. Errors: FORMAT when the file is of another
 *  search, STATE without an option, or from `evaluate` of the same search, IO, CANCELLED, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_search_run(nnopt_search *search, nnopt_search_fn evaluate, void *user, int64_t most);

/** Its number, from 0, the same in every run. @since 0.1 */
NNOPT_API int64_t nnopt_trial_id(const nnopt_trial *trial);
/** What may be spent on it in all. @since 0.1 */
NNOPT_API int64_t nnopt_trial_budget(const nnopt_trial *trial);
/** What was spent on it before; 0: it begins. @since 0.1 */
NNOPT_API int64_t nnopt_trial_spent(const nnopt_trial *trial);
/** Value of a number or whole number; NaN for another name. @since 0.1 */
NNOPT_API double nnopt_trial_number(const nnopt_trial *trial, const char *name);
/** Value of a whole number; 0 for another name. @since 0.1 */
NNOPT_API int64_t nnopt_trial_integer(const nnopt_trial *trial, const char *name);
/** Value of a choice, borrowed from the search; NULL for another name. @since 0.1 */
NNOPT_API const char *nnopt_trial_choice(const nnopt_trial *trial, const char *name);

/** What became of a trial; set struct_size first. */
typedef struct nnopt_trial_info {
	size_t struct_size;
	int64_t spent;      /**< budget it has been given */
	double value;       /**< at that budget; NaN when it failed before any */
	double seconds;     /**< that it took */
	int32_t failed;     /**< 1: it ended with a failure */
	int32_t reserved;
	const char *error;  /**< its text; NULL without one. Borrowed from the search. */
} nnopt_trial_info;
/** Trials begun. @since 0.1 */
NNOPT_API int64_t nnopt_search_count(const nnopt_search *search);
/** Trial `index`, borrowed, for its values; NULL past the end. @since 0.1 */
NNOPT_API const nnopt_trial *nnopt_search_trial(const nnopt_search *search, int64_t index);
/** What became of trial `index`. @since 0.1 */
NNOPT_API nnopt_status nnopt_search_trial_info(const nnopt_search *search, int64_t index, nnopt_trial_info *info);
/** The best trial, of those on which the most was spent; -1 without one. @since 0.1 */
NNOPT_API int64_t nnopt_search_best(const nnopt_search *search);

/** A table for people, best first. Text rule as nnopt_model_to_json(). @since 0.1 */
NNOPT_API nnopt_status nnopt_search_table(const nnopt_search *search, char *text, size_t size, size_t *needed);
/** All trials as CSV: trial, spent, value, seconds, failed, then a column an option. Errors: IO. @since 0.1 */
NNOPT_API nnopt_status nnopt_search_write_csv(const nnopt_search *search, const char *path);
/** All trials as a picture of parallel coordinates: an axis an option and one of the result, a line a trial, coloured by its
 *  result. SVG, nothing outside it needed, for light and dark pages. Errors: STATE without a result, IO. @since 0.1 */
NNOPT_API nnopt_status nnopt_search_write_svg(const nnopt_search *search, const char *path);
/** The same picture as text, to be put into a page. Text rule as nnopt_model_to_json(). Errors: STATE without a result. @since 0.1 */
NNOPT_API nnopt_status nnopt_search_svg(const nnopt_search *search, char *text, size_t size, size_t *needed);

#ifdef __cplusplus
}
#endif

#endif
