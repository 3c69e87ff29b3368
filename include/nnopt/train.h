/**
 * @file train.h
 * Training: nnopt_fit, written with public functions alone, and what it uses.
 */
#ifndef NNOPT_TRAIN_H
#define NNOPT_TRAIN_H

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
	double loss, accuracy;         /**< running means of this epoch's training batches */
	double batch_loss;             /**< of the batch just done */
	double lr;                     /**< of the last update */
	double gradient_norm;          /**< of the last update, before clipping */
	double seconds;                /**< spent training in this epoch, without validation */
	double batch_seconds;          /**< of them, in the batch just done */
	double samples_per_second;     /**< of this epoch */
	double seconds_left;           /**< of the whole run, estimated */
	double validation_loss, validation_accuracy; /**< at the end of an epoch, when validated; else NaN */
	int32_t validated, improved;   /**< at the end of an epoch */
	nnopt_model *model;            /**< the one in training */
} nnopt_progress;
/** Returns NNOPT_OK to go on; anything else stops the run with NNOPT_ERROR_CALLBACK. */
typedef nnopt_status (*nnopt_progress_fn)(const nnopt_progress *progress, void *user);
/** The data-parallel hook, between backward and update: reduce `gradients` (f32, `count` long) over all machines in place. */
typedef nnopt_status (*nnopt_all_reduce_fn)(float *gradients, int64_t count, void *user);

/** What early stopping looks at. @since 0.1 */
typedef enum nnopt_monitor {
	NNOPT_MONITOR_VALIDATION_LOSS = 0,
	NNOPT_MONITOR_VALIDATION_ACCURACY = 1,
	NNOPT_MONITOR_TRAINING_LOSS = 2,
	NNOPT_MONITOR_FORCE_32 = 0x7fffffff
} nnopt_monitor;

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
	int32_t resume;                 /**< 1: go on from checkpoint_path when that file exists. Default 0. */
	int32_t precision;              /**< nnopt_precision of training and validation. In f16 an update whose gradients overflowed
	                                     is left out, see nnopt_loss_scale. */
	nnopt_progress_fn on_batch, on_epoch; /**< NULL: none; after each */
	void *progress_user;            /**< given to both */
	nnopt_all_reduce_fn all_reduce; /**< NULL: none */
	void *all_reduce_user;          /**< given to it */
	uint64_t max_bytes;             /**< of the plans; 0: no limit */
} nnopt_fit_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_fit_options_init(nnopt_fit_options *options, size_t size);

/** Trains. The loss is given each batch's `targets`, soft ones where the loader mixes; the accuracy then is that of arg-max
 *  against arg-max. Stops with NNOPT_ERROR_NONFINITE before a non-finite loss or gradient reaches the weights (in f16 when the
 *  loss scale has fallen below 1, and gradients overflow still), with NNOPT_ERROR_CANCELLED after a cancel request (a
 *  checkpoint is written first when there is a path). The same seed and settings give the same bits, interrupted and resumed or
 *  not. The optimizer's learning rate on entry is the base that the schedule multiplies, and is put back at the end. `history`
 *  may be NULL; it is given whenever training began, also when it then stopped with NONFINITE, CANCELLED or CALLBACK. */
NNOPT_API nnopt_status nnopt_fit(nnopt_model *model, nnopt_loader *train, nnopt_loss *loss, nnopt_optimizer *optimizer,
                                 const nnopt_fit_options *options, nnopt_history **history);

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
} nnopt_training_state;
/** Writes the state, atomically. Errors: INVALID_ARGUMENT, STATE (the model is not built), IO, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_checkpoint_save(const nnopt_training_state *state, const char *path);
/** Restores model, optimizer, epoch and batch. The model must be built with the same architecture, the optimizer of the
 *  same kind. On failure nothing changes. */
NNOPT_API nnopt_status nnopt_checkpoint_load(nnopt_training_state *state, const char *path);

#ifdef __cplusplus
}
#endif

#endif
