/**
 * @file train.h
 * Training: nnopt_fit, written with public functions alone, and what it uses.
 */
#ifndef NNOPT_TRAIN_H
#define NNOPT_TRAIN_H

#include <nnopt/average.h>
#include <nnopt/data.h>
#include <nnopt/eval.h>
#include <nnopt/loss.h>
#include <nnopt/model.h>
#include <nnopt/optimizer.h>
#include <nnopt/schedule.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What every epoch of a run came to. @since 0.1 */
typedef struct nnopt_history nnopt_history;
/** A flag that stops a run. @since 0.1 */
typedef struct nnopt_cancel nnopt_cancel;

/** A flag that asks nnopt_fit to stop after the step under way. nnopt_cancel_request() may be called from any thread and
 *  from a signal handler. */
NNOPT_API nnopt_status nnopt_cancel_create(nnopt_cancel **out, nnopt_context *context);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_cancel_destroy(nnopt_cancel *cancel);
/** Raises the flag; from any thread and from a signal handler. @since 0.1 */
NNOPT_API void nnopt_cancel_request(nnopt_cancel *cancel);
/** 1 when raised. @since 0.1 */
NNOPT_API int32_t nnopt_cancel_requested(const nnopt_cancel *cancel);

/** What callbacks are told. Borrowed for the call. */
typedef struct nnopt_progress {
	size_t struct_size;
	int64_t epoch, epochs;         /**< from 0, and how many */
	int64_t batch, batches;        /**< of this epoch: done so far (the one just done included), and how many */
	int64_t step;                  /**< optimizer updates so far */
	double loss, accuracy;         /**< running means of this epoch's training batches, also where the loss sums */
	double batch_loss;             /**< of the batch just done, reduced as the loss does */
	double lr;                     /**< of the last update */
	double gradient_norm;          /**< of the last update, before clipping */
	double seconds;                /**< spent training in this epoch, without validation */
	double batch_seconds;          /**< of them, in the batch just done */
	double samples_per_second;     /**< of this epoch */
	double seconds_left;           /**< of the whole run, estimated */
	double validation_loss, validation_accuracy; /**< at the end of an epoch, when validated; else NaN */
	int32_t validated, improved;   /**< at the end of an epoch */
	nnopt_model *model;            /**< the one in training */
	int32_t updated;               /**< 1: the batch just done ended in an update; 0: its gradients wait for more, or were left out
	                                    (f16) */
	int32_t reserved;
} nnopt_progress;
/** Returns NNOPT_OK to go on; anything else stops the run with NNOPT_ERROR_CALLBACK. */
typedef nnopt_status (*nnopt_progress_fn)(const nnopt_progress *progress, void *user);
/** Several callbacks in the place of one: a progress bar, event files and a caller's own, say. @since 0.1 */
typedef struct nnopt_callbacks nnopt_callbacks;
/** An empty list. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_callbacks_create(nnopt_callbacks **out, nnopt_context *context);
/** NULL is allowed; not while a run uses it. @since 0.1 */
NNOPT_API void nnopt_callbacks_destroy(nnopt_callbacks *callbacks);
/** Appends a pair; one of the two may be NULL. `user` is given to both, and stays the caller's. Errors: INVALID_ARGUMENT,
 *  OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_callbacks_add(nnopt_callbacks *callbacks, nnopt_progress_fn on_batch, nnopt_progress_fn on_epoch,
                                           void *user);
/** nnopt_progress_fn for nnopt_fit_options::on_batch, with the list as progress_user: calls the list's, in the order in which
 *  they were added, up to the first that fails. @since 0.1 */
NNOPT_API nnopt_status nnopt_callbacks_on_batch(const nnopt_progress *progress, void *callbacks);
/** The same for on_epoch. @since 0.1 */
NNOPT_API nnopt_status nnopt_callbacks_on_epoch(const nnopt_progress *progress, void *callbacks);

/** The data-parallel hook, between backward and update: reduce `gradients` (f32, `count` long) over all machines in place. */
typedef nnopt_status (*nnopt_all_reduce_fn)(float *gradients, int64_t count, void *user);

/** What early stopping looks at. @since 0.1 */
typedef enum nnopt_monitor {
	NNOPT_MONITOR_VALIDATION_LOSS = 0,
	NNOPT_MONITOR_VALIDATION_ACCURACY = 1,
	NNOPT_MONITOR_TRAINING_LOSS = 2,
	NNOPT_MONITOR_FORCE_32 = 0x7fffffff
} nnopt_monitor;

/** Copies of a model's weights and running statistics at the end of each cycle of the learning rate: the members of a snapshot
 *  ensemble, many for the price of one run (Huang et al. 2017, arXiv 1704.00109). @since 0.1 */
typedef struct nnopt_snapshots nnopt_snapshots;
/** Options of nnopt_snapshots_create(): the cycles of nnopt_schedule_warm_restarts_create(). @since 0.1 */
typedef struct nnopt_snapshots_options {
	size_t struct_size;
	int64_t first;    /**< updates of the first cycle, 1 or more. To be given. */
	int64_t multiply; /**< each cycle has so many times as many as the one before. Default 1. */
	int64_t start;    /**< updates before the first cycle, of a warm-up. Default 0. */
	int64_t most;     /**< the last so many are kept, 1 to 1024. Default 5. */
} nnopt_snapshots_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_snapshots_options_init(nnopt_snapshots_options *options, size_t size);
/** No copies so far. Errors: INVALID_ARGUMENT (naming the option), OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_snapshots_create(nnopt_snapshots **out, nnopt_context *context, const nnopt_snapshots_options *options);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_snapshots_destroy(nnopt_snapshots *snapshots);
/** Takes the room for all copies, for models of this one's parameters; once (again for the same parameters it does nothing).
 *  nnopt_fit() does so before it begins. Errors: STATE (the model is not built, or has other parameters), OUT_OF_MEMORY.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_snapshots_attach(nnopt_snapshots *snapshots, nnopt_model *model);
/** To be called after each update of the weights, the number `step` from 1, as nnopt_fit() does: copies where a cycle ends, over
 *  the oldest where there is no more room. Attaches at need, and allocates nothing after that. Errors: those of attaching.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_snapshots_update(nnopt_snapshots *snapshots, nnopt_model *model, int64_t step);
/** Copies there are; 0 for NULL. @since 0.1 */
NNOPT_API int64_t nnopt_snapshots_count(const nnopt_snapshots *snapshots);
/** The update after which copy `index` was made, the oldest first; -1 out of range. @since 0.1 */
NNOPT_API int64_t nnopt_snapshots_step(const nnopt_snapshots *snapshots, int64_t index);
/** Gives copy `index` to a model of the same parameters, whose own are lost. Errors: INVALID_ARGUMENT (no such copy), STATE (not
 *  built, or other parameters). @since 0.1 */
NNOPT_API nnopt_status nnopt_snapshots_apply(const nnopt_snapshots *snapshots, int64_t index, nnopt_model *model);

/** Options of nnopt_fit(). @since 0.1 */
typedef struct nnopt_fit_options {
	size_t struct_size;
	int64_t epochs;                 /**< default 10 */
	nnopt_loader *validation;       /**< NULL: no validation */
	nnopt_schedule *schedule;       /**< NULL: constant; stepped per update */
	nnopt_cancel *cancel;           /**< NULL: none */
	int64_t accumulate;             /**< batches per update. Default 1. */
	int64_t patience;               /**< early stopping after this many epochs without improvement; 0: never. Default 0. */
	double min_delta;               /**< what counts as improvement. Default 0. */
	int32_t monitor;                /**< nnopt_monitor */
	int32_t restore_best;           /**< put the best epoch's weights back at the end. Default 1 with patience > 0. -1: that default. */
	const char *checkpoint_path;    /**< NULL: no checkpoints */
	int64_t checkpoint_steps;       /**< write every N updates; 0: off */
	double checkpoint_seconds;      /**< write every so many seconds; 0: off. Both 0: at the end of each epoch. */
	int32_t resume;                 /**< 1: go on from checkpoint_path when that file exists, one of nnopt_fit()'s own. Default 0. */
	int32_t precision;              /**< nnopt_precision of training and validation. In f16 an update whose gradients overflowed
	                                     is left out, see nnopt_loss_scale. */
	nnopt_progress_fn on_batch, on_epoch; /**< NULL: none; after each. Neither may replace a layer of the model, nor on_batch begin an
	                                           epoch of `train`, to evaluate on it, say: STATE */
	void *progress_user;            /**< given to both. For several callbacks see nnopt_callbacks_add(). */
	nnopt_all_reduce_fn all_reduce; /**< NULL: none */
	void *all_reduce_user;          /**< given to it */
	uint64_t max_bytes;             /**< of the plans; 0: no limit */
	nnopt_model *teacher;           /**< what a loss that takes a teacher learns from, and given with no other loss: another
	                                     model for the same pictures, whose logits, in inference, nnopt_fit gives to the loss
	                                     before each step. Not changed. Default NULL. */
	double sam_rho;                 /**< above 0: steps by sharpness-aware minimisation, see nnopt_sam_perturb(), at the cost of a
	                                     second pass over each batch, whose gradients alone reach all_reduce; wants accumulate 1. 0.05
	                                     is the paper's. Default 0: off. */
	nnopt_average *average;         /**< NULL: none. Updated after each update of the weights. Once it has taken any up, validation,
	                                     the best weights and on_epoch see the averaged weights, and they are what is left in the
	                                     model at the end; after a failure its own weights are, and the average keeps the others.
	                                     It goes on from what it holds; checkpoints keep it. */
	nnopt_plateau *plateau;         /**< NULL: none. Its factor multiplies the schedule's; it is told the monitor's number after each
	                                     epoch, and must maximise where that is an accuracy. Checkpoints keep its state. */
	int64_t refresh_batches;        /**< running statistics of the weights left at the end are computed anew over so many batches of
	                                     `train`, see nnopt_model_refresh_batch_norm(); -1: over an epoch. Default 0: not. */
	int32_t sam_adaptive;           /**< 1: by the adaptive form, whose rho is about ten times larger. Default 0. */
	int32_t reserved;
	nnopt_snapshots *snapshots;     /**< NULL: none. Takes the weights (not their average) at the end of each cycle; checkpoints keep
	                                     what it holds. */
} nnopt_fit_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_fit_options_init(nnopt_fit_options *options, size_t size);

/** Trains. The loss is given each batch's `targets`, soft ones where the loader mixes; the accuracy then is that of arg-max
 *  against arg-max. Stops with NNOPT_ERROR_NONFINITE before a non-finite loss or gradient reaches the weights (in f16 when the
 *  loss scale has fallen below 1, and gradients overflow still), with NNOPT_ERROR_CANCELLED after a cancel request (a
 *  checkpoint is written first when there is a path). The same seed and settings give the same bits, interrupted and resumed or
 *  not. The optimizer's learning rate on entry is the base that the schedule multiplies (a resumed run has that of the interrupted
 *  one), and is put back at the end. `history` may be NULL; it is given whenever training began, also when it then failed. Updates
 *  are made by nnopt_optimizer_backward_step() where nothing asks for the gradients before: it keeps none of large linear layers. */
NNOPT_API nnopt_status nnopt_fit(nnopt_model *model, nnopt_loader *train, nnopt_loss *loss, nnopt_optimizer *optimizer,
                                 const nnopt_fit_options *options, nnopt_history **history);

/** Gives the batch normalisations that are not frozen the running statistics of the weights as they are now: the mean over up to
 *  `batches` batches of the loader's epoch 0 (0 or less: all of it) of each batch's mean and unbiased variance, as
 *  torch.optim.swa_utils.update_bn(). What weights averaged by SWA, or by nnopt_model_average(), want before they are used. Dropout and
 *  the like are on, as in training; the model's step is not counted on. Makes a plan for training in `precision`. Errors: those of
 *  nnopt_plan_create() and the loader; the statistics are then the old ones. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_refresh_batch_norm(nnopt_model *model, nnopt_loader *loader, int64_t batches,
                                                      int32_t precision);

/** A greedy soup (Wortsman et al. 2022, arXiv 2203.05482, recipe 1): goes through `models[0..count)` from the most accurate on
 *  `validation` to the least, keeps each whose weights make the mean (nnopt_model_average()) no less accurate there, and leaves
 *  that mean in `model`, which is none of them, of the same parameters. `refresh` not NULL: running statistics of each mean come
 *  from nnopt_model_refresh_batch_norm() over `refresh_batches` of it, in f32. `taken` (may be NULL): `count` numbers, 1 for each
 *  model that is in it; `accuracy` (may be NULL): its own on `validation`. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY, those of
 *  nnopt_model_average() and nnopt_evaluate(); the weights of `model` and both lists are then of any of the means. @since 0.1 */
NNOPT_API nnopt_status nnopt_model_greedy_soup(nnopt_model *model, nnopt_model *const *models, int32_t count,
                                               nnopt_loader *validation, nnopt_loader *refresh, int64_t refresh_batches,
                                               int32_t *taken, double *accuracy);

/** What one epoch came to. @since 0.1 */
typedef struct nnopt_epoch_record {
	size_t struct_size;
	double loss, accuracy;                       /**< means over the training batches as they were trained */
	double validation_loss, validation_accuracy; /**< NaN when not validated */
	double lr;                                   /**< of the last update */
	double seconds, samples_per_second;          /**< of training, without validation */
} nnopt_epoch_record;
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_history_destroy(nnopt_history *history);
/** Epochs run, those before a resume included. @since 0.1 */
NNOPT_API int64_t nnopt_history_epochs(const nnopt_history *history);
/** What epoch `epoch` came to, from 0; set record->struct_size first. @since 0.1 */
NNOPT_API nnopt_status nnopt_history_epoch(const nnopt_history *history, int64_t epoch, nnopt_epoch_record *record);
/** The epoch whose weights were best by the monitor; -1 without epochs. */
NNOPT_API int64_t nnopt_history_best_epoch(const nnopt_history *history);
/** 1 when early stopping ended the run. @since 0.1 */
NNOPT_API int32_t nnopt_history_stopped_early(const nnopt_history *history);

/* ---- cross-validation ---- */

/** One fold: what it is, what training makes of it, and what that came to. Borrowed for the call. @since 0.1 */
typedef struct nnopt_fold {
	size_t struct_size;
	int64_t index, folds;         /**< which, from 0, and of how many */
	nnopt_dataset *train;         /**< the samples outside the fold */
	nnopt_dataset *held_out;      /**< its own, which training must not look at */
	nnopt_model *model;           /**< set by `train` */
	nnopt_transforms *transforms; /**< set by `train`: what pictures go through before the model is asked; NULL: the loader's
	                                   normalisation to [0, 1] */
	nnopt_history *history;       /**< set by `train` to what nnopt_fit() gave; NULL: none */
	double loss, accuracy;        /**< of the fold's own samples; known in `on_fold` */
	const nnopt_metrics *metrics; /**< likewise; NULL in `train` */
} nnopt_fold;
/** Anything else than NNOPT_OK stops the cross-validation with NNOPT_ERROR_CALLBACK, or with CANCELLED as it is. */
typedef nnopt_status (*nnopt_fold_fn)(nnopt_fold *fold, void *user);
/** Options of nnopt_cross_validate(). @since 0.1 */
typedef struct nnopt_cross_validation_options {
	size_t struct_size;
	int64_t folds;         /**< default 5 */
	uint64_t seed;         /**< of the folds, see nnopt_dataset_folds(). Default 0. */
	int64_t batch;         /**< of the predictions. Default 256. */
	nnopt_loss *loss;      /**< of the fold's own samples; NULL: none, and the losses are 0 */
	nnopt_cancel *cancel;  /**< looked at before each fold; NULL: none. nnopt_fit() in `train` wants it too. */
	nnopt_fold_fn train;   /**< trains a model from its first values on fold->train, and sets model, transforms and history, which
	                            are taken over. Called once a fold, in order. */
	nnopt_fold_fn on_fold; /**< called when the fold has been judged; NULL: none. Saves the model, or keeps it: it is the callback's
	                            to destroy once it has set fold->model to NULL; the transforms likewise. */
	void *user;            /**< given to both */
} nnopt_cross_validation_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_cross_validation_options_init(nnopt_cross_validation_options *options, size_t size);
/** What the folds came to. @since 0.1 */
typedef struct nnopt_cross_validation nnopt_cross_validation;
/** Stratified k-fold cross-validation: every sample is judged by a model that was not trained with it. `*out` is given
 *  whenever the first fold has been judged, also where a failure then ended it: it has the folds so far. Errors: INVALID_ARGUMENT;
 *  CANCELLED; CALLBACK when a function of the caller's fails; OUT_OF_MEMORY; those of nnopt_evaluate() and nnopt_predict().
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_cross_validate(nnopt_cross_validation **out, nnopt_dataset *dataset,
                                            const nnopt_cross_validation_options *options);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_cross_validation_destroy(nnopt_cross_validation *result);
/** Folds judged. @since 0.1 */
NNOPT_API int64_t nnopt_cross_validation_folds(const nnopt_cross_validation *result);
/** What a fold came to; set struct_size first. */
typedef struct nnopt_fold_result {
	size_t struct_size;
	double loss, accuracy; /**< of its own samples */
	int64_t count;         /**< samples judged */
	double seconds;        /**< training and judging */
} nnopt_fold_result;
/** What fold `fold` came to, from 0. @since 0.1 */
NNOPT_API nnopt_status nnopt_cross_validation_fold(const nnopt_cross_validation *result, int64_t fold, nnopt_fold_result *out);
/** Its metrics, or with -1 those of all folds' samples together; borrowed; NULL past the end. @since 0.1 */
NNOPT_API const nnopt_metrics *nnopt_cross_validation_metrics(const nnopt_cross_validation *result, int64_t fold);
/** Its history, as `train` set it; borrowed; NULL without one. @since 0.1 */
NNOPT_API const nnopt_history *nnopt_cross_validation_history(const nnopt_cross_validation *result, int64_t fold);
/** The mean of the folds' accuracies with its t interval, see nnopt_mean_interval(). @since 0.1 */
NNOPT_API nnopt_status nnopt_cross_validation_accuracy(nnopt_estimate *mean, const nnopt_cross_validation *result, double confidence);
/** The mean of the folds' losses likewise. @since 0.1 */
NNOPT_API nnopt_status nnopt_cross_validation_loss(nnopt_estimate *mean, const nnopt_cross_validation *result, double confidence);
/** Probabilities of each sample by the model that was not trained with it: f32 (samples, classes), NaN where the sample cannot
 *  be read or its fold was not reached; borrowed. For nnopt_audit_labels(), for stacking, and with nnopt_dataset_labels() for
 *  all of eval.h. @since 0.1 */
NNOPT_API const nnopt_tensor *nnopt_cross_validation_probabilities(const nnopt_cross_validation *result);

/** Ready-made nnopt_progress_fn for on_batch: a bar on stderr with rate and time left, ten times a second at most; quiet
 *  when stderr is no terminal. `user` is not used. */
NNOPT_API nnopt_status nnopt_progress_bar(const nnopt_progress *progress, void *user);
/** Ready-made nnopt_progress_fn for on_epoch: one line on stderr. */
NNOPT_API nnopt_status nnopt_progress_line(const nnopt_progress *progress, void *user);

/** Everything a resume needs, in one file, for loops of one's own. */
typedef struct nnopt_training_state {
	size_t struct_size;
	nnopt_model *model;            /**< built */
	nnopt_optimizer *optimizer;    /**< attached when it is not */
	int64_t epoch, batch;          /**< the next one to run */
	uint64_t loader_fingerprint;   /**< 0: not checked */
	nnopt_plan *plan;              /**< the training plan, whose loss scale is kept too; may be NULL */
	nnopt_average *average;        /**< kept too, attached when it is not; may be NULL */
	nnopt_plateau *plateau;        /**< kept too; may be NULL */
	nnopt_snapshots *snapshots;    /**< kept too, attached when they are not; may be NULL */
} nnopt_training_state;
/** Writes the state, atomically. Errors: INVALID_ARGUMENT, STATE (the model is not built, averaged weights are swapped in, weights are
 *  perturbed), IO, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_checkpoint_save(const nnopt_training_state *state, const char *path);
/** Restores model, optimizer, epoch and batch, average and plateau where they are given. The model must be built with the same
 *  architecture, the optimizer of the same kind; a file with an average wants one of its kind, and the other way round. A plateau that the
 *  file does not know stays as it is, as do snapshots; for those it knows nnopt_snapshots_options::most must be the same. Errors:
 *  INVALID_ARGUMENT, STATE (the model is not built, averaged weights are swapped in, weights are perturbed), NOT_FOUND, FORMAT,
 *  UNSUPPORTED, IO, OUT_OF_MEMORY. On failure no number changes; optimizer, average and snapshots may be attached already.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_checkpoint_load(nnopt_training_state *state, const char *path);

#ifdef __cplusplus
}
#endif

#endif
