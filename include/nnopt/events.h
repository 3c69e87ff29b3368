/**
 * @file events.h
 * Event files that TensorBoard shows: curves, histograms, pictures, text, the graph, hyperparameters, precision and recall.
 * A directory holds one run; `tensorboard --logdir PARENT` compares all that lie in PARENT. No TensorBoard is needed to write.
 *
 * Format: TFRecord files of tensorflow.Event messages, as torch.utils.tensorboard writes them. Texts (tags, markdown, names)
 * are UTF-8.
 *
 * Failing writes: what cannot be written waits in memory and is tried again with the next record, so a disk that was full for a
 * while costs nothing that fitted into the buffer. Records beyond it are dropped and counted. Each call whose write fails
 * says NNOPT_ERROR_IO. A program that is killed loses what it had not flushed, and no more: readers skip a record that is cut off.
 *
 * Threads: a writer is used by one thread at a time; different writers never meet.
 */
#ifndef NNOPT_EVENTS_H
#define NNOPT_EVENTS_H

#include <nnopt/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A writer of event files. @since 0.1 */
typedef struct nnopt_events nnopt_events;

/** Options of nnopt_events_create(). @since 0.1 */
typedef struct nnopt_events_options {
	size_t struct_size;
	int64_t buffer_bytes;   /**< records are written when so many bytes of them wait; 1 KiB to 1 GiB. Default 64 KiB. A writer holds
	                             this and one record. */
	double flush_seconds;   /**< or when the last write is so long ago: looked at with each record. 0: each record at once. Default 10. */
	int64_t every_steps;    /**< nnopt_events_on_batch() writes every so many updates; 0: never. Default 10. */
	int32_t histograms;     /**< nnopt_events_on_epoch() writes histograms, 1: of the parameters, 2: of their gradients, too.
	                             Default 0. */
	int32_t stop_on_error;  /**< 1: a write that fails ends the training from these two; 0: it goes on, and the context's log
	                             has a warning at the first failure. Default 0. */
} nnopt_events_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_options_init(nnopt_events_options *options, size_t size);

/** Begins a new file in `directory`, which is made with its parents where it is not there. Files that are there stay, and are read
 *  before the new one whatever the clock says. Errors: INVALID_ARGUMENT, IO, NOT_FOUND, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_create(nnopt_events **out, nnopt_context *context, const char *directory,
                                           const nnopt_events_options *options);
/** Writes what waits, as far as that goes (nnopt_events_flush() before it tells), and closes. NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_events_destroy(nnopt_events *events);
/** Writes what waits. Errors: INVALID_ARGUMENT, IO. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_flush(nnopt_events *events);
/** Records dropped because they could not be written; 0 for NULL. @since 0.1 */
NNOPT_API int64_t nnopt_events_dropped(const nnopt_events *events);
/** 1: the directory held event files before, so this run goes on from another; leave out then what a run says once (its graph,
 *  hyperparameters). 0 for NULL. @since 0.1 */
NNOPT_API int32_t nnopt_events_resumed(const nnopt_events *events);
/** Time of the records to come, in seconds since the start of 1970 (UTC); NaN: the clock's, as at first. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_set_time(nnopt_events *events, double seconds);
/** For a run that goes on from a checkpoint: what was written of steps `step` and later counts no more. TensorBoard removes it when
 *  it reads on (a SessionLog START, written twice because it takes the first of a run for its beginning). nnopt_events_on_batch()
 *  and nnopt_events_on_epoch() call this themselves. Errors: INVALID_ARGUMENT, IO, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_purge(nnopt_events *events, int64_t step);

/* ---- values: `tag` names the curve, '/' in it makes groups; `step` is 0 or more and rises. All are copied. Errors:
 * INVALID_ARGUMENT, IO, OUT_OF_MEMORY. ---- */

/** A point of a curve; stored as f32, NaN and infinities too. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_scalar(nnopt_events *events, const char *tag, double value, int64_t step);
/** A picture: u8, or f32 of [0, 1] (rounded to bytes; what lies outside is clamped, NaN is 0), (C, H, W) or (N, C, H, W), C of 1
 *  or 3. Several become one sheet of `columns` a row (0: a square) on black with 2 pixels around each, as torchvision's make_grid
 *  lays them out. Stored as PNG. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_image(nnopt_events *events, const char *tag, const nnopt_tensor *images, int64_t columns,
                                          int64_t step);
/** How the elements of a tensor are spread, over the buckets that TensorFlow and torch.utils.tensorboard use: limits at 0 and at
 *  1e-12 times powers of 1.1 up to 1e20, of both signs. What is not finite is left out. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_histogram(nnopt_events *events, const char *tag, const nnopt_tensor *values, int64_t step);
/** Markdown, under the tag "<tag>/text_summary". @since 0.1 */
NNOPT_API nnopt_status nnopt_events_text(nnopt_events *events, const char *tag, const char *markdown, int64_t step);
/** Precision and recall over 127 thresholds of one class against the others. `scores`: probabilities, (N), or (N, classes) of which
 *  column `positive` is used; rows that are NaN are left out. `labels`: whole numbers, (N). A score at a threshold counts as
 *  above it; 0 / 0 is 0, as in torch.utils.tensorboard. Tags of one name hold a curve a step. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_pr_curve(nnopt_events *events, const char *tag, const nnopt_tensor *scores,
                                             const nnopt_tensor *labels, int64_t positive, int64_t step);
/** The model's graph: a node a layer with its kind, options, number of parameters and output shape; dots in names make groups.
 *  Once a run. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_graph(nnopt_events *events, const nnopt_model *model);

/* ---- hyperparameters: add what the run was made with, and the tags of the curves by which runs are compared; then begin
 * the session, and end it when the run is over for good. A run has one session, which TensorBoard reads once. ---- */

/** A number. Errors: INVALID_ARGUMENT, STATE (the session has begun), OUT_OF_MEMORY; of the next three too. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_add_number(nnopt_events *events, const char *name, double value);
/** A text. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_add_text(nnopt_events *events, const char *name, const char *value);
/** Something that is on (not 0) or off. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_add_flag(nnopt_events *events, const char *name, int32_t value);
/** The tag of a scalar that tells how good the run is, such as "validation/accuracy". Without any TensorBoard takes all. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_add_metric(nnopt_events *events, const char *tag);
/** How a session ended. @since 0.1 */
typedef enum nnopt_session_end {
	NNOPT_SESSION_SUCCESS = 1,
	NNOPT_SESSION_FAILURE = 2,
	NNOPT_SESSION_FORCE_32 = 0x7fffffff
} nnopt_session_end;
/** Writes what was added. Runs of the same `group` count as repetitions, of which TensorBoard shows the mean; NULL: this run alone.
 *  Errors: INVALID_ARGUMENT, STATE (it has begun), IO (it has begun all the same, unless nnopt_events_dropped() rose), OUT_OF_MEMORY.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_events_begin_session(nnopt_events *events, const char *group);
/** @param how nnopt_session_end. Also in a writer that went on from another. Errors: as above, STATE here where none has
 *  begun. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_end_session(nnopt_events *events, int32_t how);

/* ---- ready-made nnopt_progress_fn, with the writer as their user; with a progress bar and others through nnopt_callbacks_add().
 * A writer serves one nnopt_fit(). Its first call voids what an earlier one wrote of the steps to come: a run that is resumed gives
 * one curve. (Resumed at the end of an epoch, before that was told, it tells the epoch and not its last update.) ---- */

/** For on_batch: "step/loss", "step/learning_rate", "step/gradient_norm", "step/images_per_second" of the updates whose number is a
 *  multiple of every_steps. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_on_batch(const nnopt_progress *progress, void *events);
/** For on_epoch: "train/loss", "train/accuracy", "train/learning_rate", "train/images_per_second" and, when validated,
 *  "validation/loss", "validation/accuracy", by the number of updates; histograms "parameters/<name>" and "gradients/<name>" (of
 *  the gradients gathered last, but for those that nnopt_optimizer_backward_step() used up: of large linear layers, where nothing
 *  asks for all of them before the update, as clipping by norm does); then everything is flushed. @since 0.1 */
NNOPT_API nnopt_status nnopt_events_on_epoch(const nnopt_progress *progress, void *events);

#ifdef __cplusplus
}
#endif

#endif
