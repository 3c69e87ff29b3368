/* recurrent.h - what the two passes of lstm and gru share.
 *
 * Everything lies by step in the order in which steps are taken, then by sample: row s * n + i is sample i at the s-th
 * step. So all steps' inputs are one matrix, whose product with the weights is one product; a block of samples at a
 * step is one piece of memory; and what came before is n rows up. A row of gates is four of H: those of lstm in
 * PyTorch's order, or gru's three and its product of the hidden state and the third's weights, which the reset gate
 * scales. */
#ifndef NNO_OP_RECURRENT_H
#define NNO_OP_RECURRENT_H

#include "op/parallel.h"

/* A matrix of weights as products are fastest with it: NNO_PANEL columns at a time, each such panel (rows, width) in
 * one piece. Read from rows or, `turned`, from columns of a matrix whose lines are `ld` floats apart. */
#define NNO_PANEL 64
typedef struct nno_panels {
	int64_t rows, columns;
	float *data;
	const float *from;
	int64_t ld;
	bool turned;
} nno_panels;

static inline int64_t nno_panels_of(const nno_panels *p) { return (p->columns + NNO_PANEL - 1) / NNO_PANEL; }

/* Fills all of them, by all threads. */
void nno_panels_fill(const nno_run *run, const nno_panels *panels, int count);
/* c (+)= bias + a times the rows of the matrix from `first` on, of which there are k; m rows of a and c; bias may be
 * NULL. */
void nno_panels_product(const nno_kernels *kernels, const nno_panels *panels, int64_t first, int64_t k, int64_t m,
			const float *a, int64_t lda, float *c, int64_t ldc, const float *bias, int flags);

#ifdef NNO_TYPE
typedef struct nno_recurrent {
	const nno_op *op;
	nno_run *run;
	bool lstm;
	nno_recurrent_attr a;
	int64_t steps, in, hidden;
	int64_t gates;               /* columns of the weights: 4 H or 3 H */
	int64_t pieces, length;      /* of a step: `in` is pieces * length, */
	int64_t step_gap, piece_gap; /* and values of the source from one to the next */
	int64_t n, rows, block;      /* samples; n * steps; samples of a task */
	float *x;                    /* (rows, in): the source, and backward its gradient after it */
	float *values, *h, *c;       /* (rows, 4 H), (rows, H), and lstm's (rows, H) */
	/* Of the source's weights, and of the hidden state's; forward gru's third gate has those of its own. Backward
	 * they are turned. */
	nno_panels ih, hh, third;
	float *sums;    /* 4 H: biases forward, their gradients backward */
	float *scratch; /* backward: of slots, `slot_floats` each */
	int64_t slot_floats;
} nno_recurrent;

/* Sides of a square of the weights' gradient, and rows of what it is the product of, that a task holds at a time. */
#define NNO_SQUARE 64
#define NNO_STRETCH 256
#define NNO_RECURRENT_SQUARES ((int64_t)2 * NNO_STRETCH * NNO_SQUARE)

/* Shapes and pointers for run->n samples. */
nno_recurrent NNO_OF(nno_recurrent_start)(const nno_op *op, nno_run *run, bool backward);
/* x: the source's steps as floats. */
void NNO_OF(nno_recurrent_gather)(nno_recurrent *r);
void NNO_OF(nno_recurrent_backward)(const nno_op *op, nno_run *run);

/* The row of step s where the samples from i on begin; NULL before the first step. */
static inline float *row_of(const nno_recurrent *r, float *matrix, int64_t s, int64_t i, int64_t width)
{
	return s < 0 ? NULL : matrix + (s * r->n + i) * width;
}

/* The place of the s-th step to be taken. */
static inline int64_t place_of(const nno_recurrent *r, int64_t s) { return r->a.reverse ? r->steps - 1 - s : s; }

static inline int64_t blocks_of(const nno_recurrent *r) { return (r->n + r->block - 1) / r->block; }
#endif

#endif
