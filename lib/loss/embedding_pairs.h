/* embedding_pairs.h - what losses over all pairs of a batch's embeddings share. Rows are put in order of their labels,
 * so that those of one label lie together and those of others in two runs around them; every loop over likes or others
 * is then over contiguous memory. */
#ifndef NNO_LOSS_EMBEDDING_PAIRS_H
#define NNO_LOSS_EMBEDDING_PAIRS_H

#include "loss/loss.h"

/* First in the attributes of a loss. All arrays are in one block and in the order of labels. */
typedef struct nno_loss_pairs {
	/* Options: */
	int32_t normalise;
	enum { NNO_EUCLIDEAN, NNO_SQUARED, NNO_DOTS } measure;
	/* Of the call under way: */
	int64_t n, d;
	int64_t *order;        /* the row of the prediction that stands here; equal labels in order of rows */
	int64_t *labels;       /* n */
	int64_t *first, *last; /* [first, last): the rows of this one's label, itself included */
	float *lengths;        /* n; only with `normalise` */
	float *rows;           /* n x d, of length 1 with `normalise` */
	float *between;        /* n x n: distances, or products */
	float *slopes;         /* n x n: d loss / d between, zeroed; the two places of a pair are added up */
	/* Kept from call to call: */
	void *block;
	size_t room;
} nno_loss_pairs;

/* For check(): embeddings (N, D); labels i32 or i64 (N), unless the class ignores its target. */
nnopt_status nno_loss_pairs_check(nno_loss_call *call);
/* For prepare(): fills the arrays, with labels of the target, or i mod N / 2 for a class that ignores it. An embedding
 * that is infinite or NaN makes the total value NaN. */
nnopt_status nno_loss_pairs_measure(nno_loss_call *call);
/* The class's run(): gradients from the slopes. */
void nno_loss_pairs_run(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part);
/* The class's release(). */
void nno_loss_pairs_release(void *attr, const nno_alloc *alloc);

/* Row i of the n x n matrices. */
static inline float *nno_loss_pair_row(const nno_loss_pairs *p, float *matrix, int64_t i) { return matrix + i * p->n; }

#endif
