/* train.h - what the files of this room share. The room sees public headers only, and errors of base/. */
#ifndef NNO_TRAIN_TRAIN_H
#define NNO_TRAIN_TRAIN_H

#include "base/error.h"
#include "nnopt/train.h"

#include <time.h>

struct nnopt_history {
	nnopt_context *context;
	nnopt_epoch_record *records;
	int64_t count, room;
	int64_t best_epoch; /* -1: none */
	int32_t stopped_early;
};

struct nnopt_snapshots {
	nnopt_context *context;
	nnopt_snapshots_options o;
	int64_t taken;                    /* ever; copy number n, from 0, is in place n % most */
	int64_t *steps;                   /* of each place */
	float *parameters, *state;        /* of each place; NULL: not attached, or none */
	int64_t elements, state_elements; /* of each */
	int64_t layout;                   /* of the model, see nno_layout_hash() */
	uint64_t identity;                /* of the blocks last found to have that layout */
};

/* Where a run stands, beside weights, optimizer, epoch and batch: what a checkpoint adds so that a resumed run also
 * reports and stops as one never interrupted. */
typedef struct nno_fit_state {
	int64_t step;                /* updates of this run */
	int64_t correct, count;      /* of the epoch under way */
	int64_t stale;               /* epochs since the best one */
	double loss_sum, weight_sum; /* of the epoch under way */
	double seconds;              /* trained in the epoch under way */
	double best;                 /* value of the monitor in the best epoch */
	float *best_parameters;      /* NULL: not kept, or no best epoch so far */
	float *best_state;
	nnopt_history *history;
	int64_t batches; /* of an epoch: a file that stands further in is refused */
} nno_fit_state;

/* As nnopt_checkpoint_save() and _load(); `fit` may be NULL. Reading leaves everything as it was on failure; the best
 * weights are read when fit->best_parameters has room for them. */
nnopt_status nno_checkpoint_write(const nnopt_training_state *state, const nno_fit_state *fit, const char *path);
nnopt_status nno_checkpoint_read(nnopt_training_state *state, nno_fit_state *fit, const char *path);
/* STATE where the weights in the model are averaged or perturbed ones; `what` begins the text. */
nnopt_status nno_check_own_weights(const nnopt_training_state *state, const char *what);
/* Optimizer, average and snapshots to the model, which is built. */
nnopt_status nno_attach_all(const nnopt_training_state *state);
/* A number that changes with what decides the meaning of a model's blocks: names, shapes and places. */
int64_t nno_layout_hash(const nnopt_model *model);
/* nnopt_model_refresh_batch_norm() with a limit for its plan, 0: none. */
nnopt_status nno_refresh_batch_norm(nnopt_model *model, nnopt_loader *loader, int64_t batches, int32_t precision,
				    uint64_t max_bytes);

nnopt_status nno_history_create(nnopt_history **out, nnopt_context *context);
/* Room for `count` records in all; on failure nothing changes. */
nnopt_status nno_history_reserve(nnopt_history *history, int64_t count);

/* Seconds since some moment. */
static inline double nno_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
