/* eval.h - what the files of this room share. The room sees public headers only. */
#ifndef NNO_EVAL_EVAL_H
#define NNO_EVAL_EVAL_H

#include "nnopt/ensemble.h"
#include "nnopt/eval.h"

/* Whether score a is above score b; a NaN is below every number. */
static inline int nno_score_above(float a, float b) { return a > b || (a == a && b != b); }

/* The class of the highest score, the lowest of equals. */
static inline int64_t nno_best_class(const float *scores, int64_t classes)
{
	int64_t best = 0;
	for (int64_t c = 1; c < classes; c++)
		best = nno_score_above(scores[c], scores[best]) ? c : best;
	return best;
}

/* An inference plan for the loader's batches. */
nnopt_status nno_loader_plan(nnopt_plan **plan, nnopt_model *model, nnopt_loader *loader);

/* --- vote.c --- */
/* No given probability counts as less where a logarithm is taken. */
#define NNO_LEAST_PROBABILITY 1e-15
/* What a row of scores says in a vote: its logits, its probabilities, or one vote. NaNs where the row has one; in
 * probabilities and votes in all places then. `given`: the row is of probabilities already, whose logarithms are the
 * logits. */
void nno_vote_read(double *dst, const float *row, int64_t classes, nnopt_vote vote, int given);
/* The row of scores that a mean of such answers is, see nnopt_predict_augmented(). `mean` is used up. */
void nno_vote_give(float *row, double *mean, int64_t classes, nnopt_vote vote, int probabilities);
/* Whether `vote` is one of them. */
nnopt_status nno_vote_check(const char *what, int32_t vote);
/* nnopt_fail() with a format. */
nnopt_status nno_eval_fail(nnopt_status status, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* --- views.c --- */
/* Room for one batch as a view sees it. */
typedef struct nno_view_room {
	nnopt_tensor *all, *part; /* a full batch, and its first pictures */
	int64_t *columns;         /* of a row: where each value's pixel begins, -1 outside */
} nno_view_room;
nnopt_status nno_view_room_start(nno_view_room *room, const nnopt_views *views, nnopt_loader *loader);
void nno_view_room_end(nno_view_room *room, nnopt_context *context);
double nno_view_weight(const nnopt_views *views, int64_t index);
/* `images` as view `index` sees them: themselves, or the room's. */
nnopt_status nno_view_make(const nnopt_tensor **seen, const nnopt_views *views, int64_t index, nno_view_room *room,
			   const nnopt_tensor *images);

/* --- predict.c --- */
/* nnopt_predict_augmented() over an epoch of the loader; without views, of the pictures alone. */
nnopt_status nno_predict(nnopt_tensor **scores, nnopt_model *model, nnopt_plan *plan, nnopt_loader *loader,
			 int64_t epoch, const nnopt_views *views, nnopt_vote vote, int probabilities);

#endif
