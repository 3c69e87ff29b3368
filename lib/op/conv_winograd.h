/* conv_winograd.h - what the passes of a convolution by Winograd's F(4x4, 3x3) share: a 36th of the products each in a
 * matrix product of its own, 2.25 times fewer multiplications than there are (4 for each result where 9 were). */
#ifndef NNO_OP_CONV_WINOGRAD_H
#define NNO_OP_CONV_WINOGRAD_H

#include "op/conv.h"
#include "op/parallel.h"

enum { NNO_WINOGRAD_TILE = 4, NNO_WINOGRAD_PATCH = 6, NNO_WINOGRAD_PRODUCTS = 36, NNO_WINOGRAD_PANEL = 64 };

/* Floats from one of the 36 to the next: a line more than they hold, so that all of them do not meet in one cache set.
 */
static inline int64_t nno_winograd_step(int64_t rows, int64_t columns) { return rows * columns + 16; }

/* One pass as a product: `tiles` of a picture of `from` channels make those of one of `to` channels. */
typedef struct nno_winograd_pass {
	nno_tiling src, dst;
	int64_t tiles;  /* of a picture */
	int64_t block;  /* tiles that a task takes through the matrix products at a time */
	int64_t panels; /* of columns */
	bool stream;    /* the weights are too many to stay near: panels of them meet all tiles, not tiles all panels */
	int64_t gather; /* stream: tiles transformed at a time */
	size_t taps_bytes, weights_bytes, tiles_bytes,
	    products_bytes; /* a panel's taps and transform, tiles, results */
	size_t band_bytes;  /* where the result is pooled: rows of it, or of its gradient, as values */
	size_t slot_bytes, shared_bytes;
} nno_winograd_pass;

typedef struct nno_winograd_gradient {
	int64_t tiles, chunks, block, row_block;
	bool stream; /* the gradients are too many for partial ones */
	size_t input_bytes, output_bytes, partial_bytes, band_bytes, slot_bytes, shared_bytes;
} nno_winograd_gradient;

/* A range of tiles over the batch, as runs within one picture. */
typedef struct nno_tile_run {
	int64_t image, from, count;
} nno_tile_run;

static inline nno_tile_run nno_tile_run_at(int64_t tile, int64_t end, int64_t tiles)
{
	int64_t image = tile / tiles, from = tile % tiles;
	int64_t count = tiles - from < end - tile ? tiles - from : end - tile;
	return (nno_tile_run){ image, from, count };
}

/* False when a size overflows. */
bool nno_winograd_forward_pass(const nno_op *op, nno_winograd_pass *p);
bool nno_winograd_data_pass(const nno_op *op, nno_winograd_pass *p);
bool nno_winograd_gradient_layout(const nno_op *op, nno_winograd_gradient *g);
#ifdef NNO_TYPE
void NNO_OF(nno_winograd_backward_weights)(const nno_op *op, nno_run *run);

/* The rows of a pooled result's gradient that patches of `size` rows of these tiles meet, made again in `room`. `p`,
 * the whole picture's tiling, and the run become those rows' own. */
const elem *NNO_OF(nno_winograd_spread_rows)(const nno_op *op, const nno_run *run, nno_tile_run *r, nno_tiling *p,
					     int64_t size, elem *room);
#endif

#endif
