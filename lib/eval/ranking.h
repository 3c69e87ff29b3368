/* ranking.h - samples by falling score of a class. */
#ifndef NNO_EVAL_RANKING_H
#define NNO_EVAL_RANKING_H

#include "eval/eval.h"

/* A place in a ranking: the number of a sample among those not left out, and whether its score is that of the place
 * before. */
typedef uint32_t nno_place;
#define NNO_TIED 0x80000000u

static inline uint32_t nno_place_sample(nno_place p) { return p & ~NNO_TIED; }

typedef struct nno_ranked {
	float score;
	uint32_t sample;
} nno_ranked;

/* Samples that are not left out, and rankings of them. */
typedef struct nno_ranking {
	nno_scored s;
	nnopt_context *context;
	uint32_t *rows;    /* s.count: where the scores of each are */
	int32_t *labels;   /* s.count */
	int64_t *support;  /* s.classes: samples of each */
	nno_place *places; /* s.count for each ranking there is room for */
	nno_ranked *room;  /* s.count: for sorting */
} nno_ranking;

/* Reads scores and labels and makes room for `rankings`; 0: one a class. To be ended whatever it returns. */
nnopt_status nno_ranking_start(nno_ranking *r, nnopt_context *context, const nnopt_tensor *scores,
			       const nnopt_tensor *labels, int64_t rankings, const char *what);
void nno_ranking_end(nno_ranking *r);

/* Refuses a class that does not exist or does not occur, or, with `others`, that is all there is. */
nnopt_status nno_ranking_check(const nno_ranking *r, int64_t class_index, bool others, const char *what);

/* Ranks by the score of a class into r->places[from]...; with a single column class 0 has the opposite of class 1's. */
void nno_rank(nno_ranking *r, int64_t class_index, int64_t from);

/* Samples of a class and of others down to some score. */
typedef struct nno_above {
	int64_t place; /* behind the last of them */
	int64_t own, others;
} nno_above;

/* Counts in the samples of the next score of ranking 0, which is *score; false at the end. */
bool nno_next_score(const nno_ranking *r, int64_t class_index, nno_above *above, float *score);

#endif
