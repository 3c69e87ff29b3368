/* checkpoint.h - what a checkpoint's writer and reader share: where each number stands. */
#ifndef NNO_TRAIN_CHECKPOINT_H
#define NNO_TRAIN_CHECKPOINT_H

#include "train/train.h"

enum {
	C_EPOCH,
	C_BATCH,
	C_OPTIMIZER_STEPS,
	C_MODEL_STEP,
	C_FINGERPRINT,
	C_LAYOUT,
	C_STEP,
	C_CORRECT,
	C_COUNT,
	C_STALE,
	C_BEST_EPOCH,
	C_SCALE_CLEAN,
	C_SCALE_OVERFLOWS,
	COUNTERS
};
enum { R_LR, R_LOSS_SUM, R_WEIGHT_SUM, R_SECONDS, R_BEST, R_LOSS_SCALE, REALS };
#define RECORD 7 /* reals of an epoch record, in the order of its struct */
#define PLATEAU 4
#define MAX_TENSORS 22

typedef struct nno_bundle {
	const char *names[MAX_TENSORS];
	nnopt_tensor *tensors[MAX_TENSORS];
	int32_t count;
} nno_bundle;

void nno_bundle_destroy(nno_bundle *b);
/* What save and load are given; `what` begins the text. */
nnopt_status nno_checkpoint_check(const nnopt_training_state *s, const char *path, const char *what);
/* Not active where there is no plan or it does not scale. */
nnopt_loss_scale nno_checkpoint_scale(const nnopt_plan *plan);
/* Places that hold a copy. */
static inline int64_t nno_snapshots_held(const nnopt_snapshots *p, int64_t taken)
{
	return taken < p->o.most ? taken : p->o.most;
}

#endif
