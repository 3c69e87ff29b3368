/* eval.h - what the files of this room share. The room sees public headers only, and errors and random
 * numbers of base/. */
#ifndef NNO_EVAL_EVAL_H
#define NNO_EVAL_EVAL_H

#include "base/error.h"
#include "nnopt/ensemble.h"
#include "nnopt/eval.h"

#include <stdbool.h>

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

static inline int64_t nno_label_at(const nnopt_tensor *labels, int64_t i)
{
	const void *data = nnopt_tensor_const_data(labels);
	return nnopt_tensor_dtype(labels) == NNOPT_I64 ? ((const int64_t *)data)[i] : ((const int32_t *)data)[i];
}

/* An inference plan for the loader's batches. */
nnopt_status nno_loader_plan(nnopt_plan **plan, nnopt_model *model, nnopt_loader *loader);

/* row = softmax(row / temperature); of infinities and NaNs it makes NaNs. */
void nno_softmax_row(float *row, int64_t classes, double temperature);

/* ---- scores with their labels, as eval.h describes them ---- */

typedef struct nno_scored {
	const nnopt_tensor *labels;
	const float *scores; /* n x columns */
	int64_t n, columns;  /* samples, those left out included */
	int64_t classes;     /* columns, but 2 where there is one */
	int64_t count;       /* samples not left out, at least 1 */
} nno_scored;

/* What rows of scores must hold: anything, also as a single column; two columns or more of anything; of probabilities;
 * of finite numbers. */
typedef enum nno_score_kind { NNO_RANKED_SCORES, NNO_ANY_SCORES, NNO_PROBABILITIES, NNO_LOGITS } nno_score_kind;

/* Checks types, shapes, labels, values and that samples are left. */
nnopt_status nno_scored_read(nno_scored *s, const nnopt_tensor *scores, const nnopt_tensor *labels, nno_score_kind kind,
			     const char *what);

/* Whether a row of scores holds a NaN. */
static inline bool nno_left_out(const float *row, int64_t columns)
{
	bool nan = false;
	for (int64_t c = 0; c < columns; c++)
		nan |= row[c] != row[c];
	return nan;
}

/* ---- intervals ---- */

/* Refuses what does not lie in (0, 1). */
nnopt_status nno_check_confidence(double confidence, const char *what);
/* Inverse of the standard normal distribution function. */
double nno_normal_quantile(double p);
/* Wilson's score interval of hits in n; [0, 1] of none. */
void nno_wilson(int64_t hits, int64_t n, double confidence, double *low, double *high);
/* nnopt_bootstrap() with a name for its errors. */
nnopt_status nno_bootstrap(nnopt_estimate *out, nnopt_context *context, int64_t samples, nnopt_statistic_fn statistic,
			   void *user, const nnopt_bootstrap_options *options, const char *what);

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

/* --- views.c --- */
/* Room for one batch as a view sees it, of the views' context, which need not be the model's. */
typedef struct nno_view_room {
	nnopt_context *context;   /* that of `columns` */
	nnopt_tensor *all, *part; /* a full batch, and its first pictures */
	int64_t *columns;         /* of a row: where each value's pixel begins, -1 outside */
} nno_view_room;
nnopt_status nno_view_room_start(nno_view_room *room, const nnopt_views *views, nnopt_loader *loader);
void nno_view_room_end(nno_view_room *room);
double nno_view_weight(const nnopt_views *views, int64_t index);
/* `images` as view `index` sees them: themselves, or the room's. */
nnopt_status nno_view_make(const nnopt_tensor **seen, const nnopt_views *views, int64_t index, nno_view_room *room,
			   const nnopt_tensor *images);

/* --- predict.c --- */
/* nnopt_predict_augmented() over an epoch of the loader; without views, of the pictures alone. */
nnopt_status nno_predict(nnopt_tensor **scores, nnopt_model *model, nnopt_plan *plan, nnopt_loader *loader,
			 int64_t epoch, const nnopt_views *views, nnopt_vote vote, int probabilities);

#endif
