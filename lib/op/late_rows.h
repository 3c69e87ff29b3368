/* late_rows.h - for linear layers' files: the gradient of W in blocks of whole rows, into dparam[0] or to a run's sink.
 */
#ifndef NNO_OP_LATE_ROWS_H
#define NNO_OP_LATE_ROWS_H

#include "op/op.h"

enum { NNO_LATE_ROWS = 64 }; /* of a task at most, and where there is no sink */

typedef struct nno_late {
	int64_t rows;    /* of W that a task makes the gradient of */
	float *made;     /* for a sink: room for such rows, a slot; NULL: there is no sink */
	double *squares; /* and the sum of each task's squares */
} nno_late;

/* Adds what nno_late_start() wants to the backward workspace, which is booked but for that; false on overflow. */
bool nno_late_book(nno_op *op, int slots);
nno_late nno_late_start(const nno_op *op, const nno_run *run);
/* Where the gradient of block `index` goes. */
float *nno_late_block(const nno_op *op, const nno_run *run, const nno_late *late, int64_t index, int slot);
/* That block is made: where there is a sink, it takes it. */
void nno_late_give(const nno_op *op, const nno_run *run, const nno_late *late, int64_t index, int slot);
/* All blocks are. */
void nno_late_end(const nno_op *op, nno_run *run, const nno_late *late);

#endif
