/* eval.h - what the files of this room share. The room sees public headers only. */
#ifndef NNO_EVAL_EVAL_H
#define NNO_EVAL_EVAL_H

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

#endif
