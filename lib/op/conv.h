/* conv.h - geometry and memory that the three passes of a convolution share. */
#ifndef NNO_OP_CONV_H
#define NNO_OP_CONV_H

#include "op/parallel.h"

#define NNO_CONV_CHUNKS 16 /* of images, for partial weight gradients */
#define NNO_CONV_PANEL 64  /* columns of packed weights, of a strip of a gradient, or of a task when bands are few */

/* What is booked, recomputed from the op alone at each use. */
typedef struct nno_conv_plan {
	/* forward: bands of output rows, and the padded copy of their input */
	int64_t rows, bands, band_h, band_w;
	int64_t padded_h; /* of a whole picture's padded copy, which is band_w wide */
	/* gradient of the data: bands of input rows, and the padded copy of the output gradient they need */
	int64_t data_rows, data_bands, grad_h, grad_w, grad_left;
	/* gradient of the weights; images that are summed over in one product */
	int64_t chunks, group, weight_count, bias_count;
	int64_t spread; /* of what was pooled: rows whose gradient is made again at a time */
	bool strips;    /* its columns are copied apart */
	/* scratch of one slot; the last is room for a group's gradient, or a band of what is to be pooled */
	size_t band_bytes, pointer_bytes, tap_bytes, gradient_bytes, strip_bytes, slot_bytes;
	size_t shared_bytes; /* transposed weights, or partial gradients */
} nno_conv_plan;

static inline bool nno_conv_pooled(const nno_op *op) { return ((const nno_conv_attr *)op->attr)->pooled; }

/* To save where each maximum came from, a byte a result. */
static inline size_t nno_conv_place_bytes(const nno_op *op)
{
	return nno_conv_pooled(op) && op->training ? (size_t)(op->batch * nno_shape_count(op->out)) : 0;
}

/* What the convolution makes, before it is pooled. */
static inline nno_shape nno_conv_result(const nno_op *op)
{
	return nno_conv_pooled(op) ? (nno_shape){ 2 * op->out.h, 2 * op->out.w, op->out.c } : op->out;
}

/* False when a size overflows. */
bool nno_conv_layout(const nno_op *op, nno_conv_plan *p);

#ifdef NNO_TYPE
/* Copies rows [from, from + h) and columns [left, left + w) of an image (rows x columns x channels) as floats, zero
 * outside it. */
void NNO_OF(nno_conv_copy_band)(const nno_run *run, float *dst, int64_t h, int64_t w, const elem *image, int64_t rows,
				int64_t columns, int64_t channels, int64_t from, int64_t left);

/* Pools rows [from, from + rows) of what the convolution made of a picture. */
void NNO_OF(nno_conv_pool_band)(const nno_op *op, const nno_run *run, const elem *made, int64_t image, int64_t from,
				int64_t rows);

/* The other way: from rows [from, until) of a picture's pooled gradient, twice as many of what was made, in `room`. */
const elem *NNO_OF(nno_conv_spread_rows)(const nno_op *op, const nno_run *run, int64_t image, int64_t from,
					 int64_t until, elem *room);

void NNO_OF(nno_conv_backward_data)(const nno_op *op, nno_run *run);
void NNO_OF(nno_conv_backward_weights)(const nno_op *op, nno_run *run);
#endif

#endif
