/* conv_pairs.h - what the passes of a convolution on pairs of bf16 values share. What a product reads pixel by pixel is
 * laid out in planes, one for each pair of channels: a pixel is four bytes, and neighbours in a row of results are
 * neighbours in a plane's row. With a stride those are every second pixel, so a plane's row holds the columns of one
 * phase of the stride after the other. */
#ifndef NNO_OP_CONV_PAIRS_H
#define NNO_OP_CONV_PAIRS_H

#include "op/conv.h"

/* Planes of part of a picture. */
typedef struct nno_planes {
	int64_t from, left; /* the first row and column of the picture, or of the padding around it: may be below 0 */
	int64_t h, phases, row; /* rows; phases of columns; pixels of one in a row */
	int64_t pairs;          /* of channels */
} nno_planes;

/* Pixels from the planes' begin to row y of pair p, and there to column x. */
static inline int64_t nno_plane_at(const nno_planes *p, int64_t pair, int64_t y, int64_t x)
{
	return ((pair * p->h + y) * p->phases + x % p->phases) * p->row + x / p->phases;
}

/* What is booked, recomputed from the op alone at each use. Bytes unless said otherwise. */
typedef struct nno_conv_pairs_plan {
	nno_planes source, gradient;                /* of a band of results, and of a band of the source's gradient */
	int64_t rows, bands, data_rows, data_bands; /* of those */
	int64_t band_w, padded_h;
	int64_t across, down, depth; /* gradient of the weights: pairs of a row of results, padded rows of a phase,
				      * values of a kernel's row */
	int64_t chunks, weight_count;
	size_t planes, taps, wide, made, slot; /* scratch of a slot; `wide`: a row of an odd number of channels;
						* `made`: what is to be pooled, or its gradient */
	size_t source_pairs, gradient_pairs;   /* of a picture, both sides */
	size_t weights, turned, partial;       /* shared */
} nno_conv_pairs_plan;

/* False when a size overflows. */
bool nno_conv_pairs_layout(const nno_op *op, nno_conv_pairs_plan *p);

void nno_conv_pairs_backward_weights(const nno_op *op, nno_run *run);

#endif
