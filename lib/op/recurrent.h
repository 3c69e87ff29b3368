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

typedef struct recurrent {
	const nno_op *op;
	nno_run *run;
	bool lstm;
	nno_recurrent_attr a;
	int64_t steps, in, hidden;
	int64_t gates;                /* columns of the weights: 4 H or 3 H */
	int64_t pieces, length;       /* of a step: `in` is pieces * length, */
	int64_t step_gap, piece_gap;  /* and values of the source from one to the next */
	int64_t n, rows, block;       /* samples; n * steps; samples of a task */
	float *x;                     /* (rows, in): the source, and backward its gradient after it */
	float *values, *h, *c;        /* (rows, 4 H), (rows, H), and lstm's (rows, H) */
	float *turned_ih, *turned_hh; /* backward: the weights as (gates, in) and (gates, H) */
	float *sums;                  /* 4 H: biases forward, their gradients backward */
	float *scratch;               /* backward: of slots, `slot_floats` each */
	int64_t slot_floats;
} recurrent;

/* Shapes and pointers for run->n samples; those of booking where run is NULL. */
recurrent NNO_OF(nno_recurrent_start)(const nno_op *op, nno_run *run, bool backward);
/* x: the source's steps as floats. */
void NNO_OF(nno_recurrent_gather)(recurrent *r);
void NNO_OF(nno_recurrent_backward)(const nno_op *op, nno_run *run);

/* The row of step s where the samples from i on begin; NULL before the first step. */
static inline float *row_of(const recurrent *r, float *matrix, int64_t s, int64_t i, int64_t width)
{
	return s < 0 ? NULL : matrix + (s * r->n + i) * width;
}

/* The place of the s-th step to be taken. */
static inline int64_t place_of(const recurrent *r, int64_t s) { return r->a.reverse ? r->steps - 1 - s : s; }

static inline int64_t blocks_of(const recurrent *r) { return (r->n + r->block - 1) / r->block; }

#endif
