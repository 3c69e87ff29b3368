/* orthogonal.h - the orthogonal factor of a matrix, nearly, by Newton and Schulz's iteration. */
#ifndef NNO_ORTHOGONAL_H
#define NNO_ORTHOGONAL_H

#include "context/context.h"

/* Room for one matrix at a time, in floats. */
typedef struct nno_orthogonal_room {
	float *x, *y;             /* a matrix each */
	float *gram, *polynomial; /* squares of the matrix's lesser side */
	float *scratch;           /* NNO_ORTHOGONAL_SCRATCH for each slot of the pool */
	double *partial;          /* one for each nno_orthogonal_parts of a matrix */
} nno_orthogonal_room;

/* Parts that a matrix of `count` elements is cut into where elements are worked on one by one. */
enum { NNO_ORTHOGONAL_PART = 16384 };
/* Tiles of results, and blocks of what is summed up; a task keeps a block of both operands at hand. */
enum { NNO_ORTHOGONAL_TILE = 64, NNO_ORTHOGONAL_DEPTH = 256 };
enum { NNO_ORTHOGONAL_SCRATCH = 2 * NNO_ORTHOGONAL_TILE * NNO_ORTHOGONAL_DEPTH };

/* room->x (rows x columns) = its orthogonal factor U V^T, singular values being brought to between 0.7 and 1.2 or so by
 * `steps` iterations of a X + (b X X^T + c (X X^T)^2) X with Jordan's coefficients (2024), after a division by the
 * Frobenius norm (at least `epsilon`). Returns where the result is, x or y; the other holds nothing. In f32, the same
 * bits at any thread count. Neither fails nor allocates. */
const float *nno_orthogonalise(const nnopt_context *context, const nno_orthogonal_room *room, int64_t rows,
			       int64_t columns, int steps, double epsilon);

#endif
