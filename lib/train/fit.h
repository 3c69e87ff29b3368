/* fit.h - what the two files of the training loop share: the run, and its step. */
#ifndef NNO_TRAIN_FIT_H
#define NNO_TRAIN_FIT_H

#include "train/train.h"

typedef struct nno_fit_run {
	nnopt_fit_options o;
	nnopt_context *context;
	nnopt_model *model;
	nnopt_loader *train;
	nnopt_loss *loss;
	nnopt_optimizer *optimizer;
	nnopt_plan *plan, *validation_plan;
	nnopt_plan *teacher_plan; /* NULL: no teacher */
	nnopt_model_blocks blocks;
	nnopt_training_state at; /* epoch and batch to run next */
	nno_fit_state state;
	double base_lr;
	int64_t batches;
	uint64_t starts;      /* of the loader: nobody else is to begin an epoch of it within ours */
	int64_t since_update; /* batches whose gradients are in the block */
	float *state_before;  /* SAM: running statistics as one pass left them */
	float *own;           /* room for parameters and state, where running statistics are made anew at the end */
	int64_t saved_step;
	double saved_at;                          /* time of the last checkpoint */
	double clock;                             /* time when the batch under way began */
	double epoch_begun;                       /* state.seconds when this process took up the epoch */
	int64_t epoch_samples;                    /* trained by this process in the epoch */
	double train_seconds, validation_seconds; /* of this process, with what was done in them */
	int64_t trained_batches, validations;
	nnopt_progress progress;
} nno_fit_run;

/* Calls a function of the caller's with r->progress, where there is one; `what` names it in the error. */
nnopt_status nno_fit_call(nnopt_progress_fn fn, nno_fit_run *r, const char *what);
/* What callbacks are told, as the run stands. */
void nno_fit_progress(nno_fit_run *r, double batch_loss, double batch_seconds);

/* --- fit_step.c --- */
/* Trains with a batch: forward, loss, backward, and the update when `accumulate` batches are gathered or the epoch
 * ends. */
nnopt_status nno_fit_batch(nno_fit_run *r, const nnopt_batch *batch);
/* The learning rate of the update after `step` others. */
double nno_fit_lr(const nno_fit_run *r, int64_t step);
/* One optimizer update from the gradients gathered so far. */
nnopt_status nno_fit_update(nno_fit_run *r);

#endif
