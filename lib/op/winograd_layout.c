/* winograd_layout.c - how the passes of a convolution by Winograd's F(4x4, 3x3) are cut into tasks, and the scratch
 * they want: transformed tiles, weights and products, all f32 whatever the values are. */
#include "op/conv_winograd.h"

#include "base/size.h"

#define PRODUCTS NNO_WINOGRAD_PRODUCTS
#define BLOCK_BYTES ((int64_t)800 << 10) /* tiles and products of a task, in the second-level cache */
#define EVEN_BLOCKS 8
#define FEWEST_TILES 7
#define NEAR_BYTES ((int64_t)10 << 20)   /* transformed weights that may be read anew for each block */
#define GATHER_BYTES ((int64_t)20 << 20) /* transformed tiles at a time when weights stream */

/* --- forward, and gradient of the data --- */

static bool fits(int64_t a, int64_t b, int64_t *bytes)
{
	return nno_i64_mul(a, b, bytes) && *bytes < INT64_MAX / (1024 * PRODUCTS) &&
	       nno_i64_mul(*bytes + 16, PRODUCTS * (int64_t)sizeof(float), bytes);
}

/* As many as the cache takes, in blocks of one size whose number threads can share evenly; a lone picture is shared by
 * several too. */
static int64_t block_of(int64_t bytes_a_tile, int64_t tiles)
{
	int64_t most = nno_i64_max(nno_i64_min(BLOCK_BYTES / bytes_a_tile, 56), 14);
	int64_t blocks = nno_i64_ceil_div(nno_i64_ceil_div(tiles, most), EVEN_BLOCKS) * EVEN_BLOCKS;
	return nno_i64_max(nno_i64_ceil_div(tiles, blocks), FEWEST_TILES);
}

/* Rows of a picture in tiles, `across` in a row, that `tiles` of them in a line meet at most: patches reach past their
 * tiles, and rows come in pairs. */
static int64_t rows_of(int64_t tiles, int64_t across, int64_t h)
{
	return nno_i64_min(h, (nno_i64_ceil_div(tiles - 1, across) + 1) * NNO_WINOGRAD_TILE + 4);
}

static size_t band_bytes(const nno_op *op, int64_t rows, int64_t w, int64_t c)
{
	return nno_conv_pooled(op) ? nno_size_round_up((size_t)(rows * w * c) * nno_type_bytes(op->type), NNO_ALIGNMENT)
				   : 0;
}

static bool make_pass(nno_winograd_pass *p, int64_t batch)
{
	int64_t from = p->src.c, to = p->dst.c, panel = nno_i64_min(to, NNO_WINOGRAD_PANEL), total;
	int64_t weights, panel_weights, tiles, products;
	p->panels = nno_i64_ceil_div(to, NNO_WINOGRAD_PANEL);
	if (!nno_i64_mul(p->tiles, batch, &total) || !fits(from, to, &weights) || !fits(from, panel, &panel_weights))
		return false;
	p->stream = weights > NEAR_BYTES;
	p->block = block_of((p->stream ? panel : from + panel) * PRODUCTS * (int64_t)sizeof(float), total);
	p->gather =
	    nno_i64_min(total, nno_i64_max(p->block, GATHER_BYTES / (from * PRODUCTS * (int64_t)sizeof(float))));
	if (!fits(p->stream ? p->gather : p->block, from, &tiles) || !fits(p->block, panel, &products))
		return false;
	p->taps_bytes = nno_size_round_up((size_t)(9 * from * panel) * sizeof(float), NNO_ALIGNMENT);
	p->weights_bytes = nno_size_round_up((size_t)panel_weights, NNO_ALIGNMENT);
	p->tiles_bytes = nno_size_round_up((size_t)tiles, NNO_ALIGNMENT);
	p->products_bytes = nno_size_round_up((size_t)products, NNO_ALIGNMENT);
	/* A slot's place is used by one phase after the other. */
	p->slot_bytes = p->stream ? p->taps_bytes + p->weights_bytes + p->products_bytes
				  : p->taps_bytes + p->tiles_bytes + p->products_bytes;
	return p->stream ? (p->shared_bytes = p->tiles_bytes, true)
			 : nno_size_mul(p->weights_bytes, (size_t)p->panels, &p->shared_bytes);
}

static nno_tiling picture(nno_shape s, int64_t pad_h, int64_t pad_w, int64_t across)
{
	return (nno_tiling){ .h = s.h, .w = s.w, .c = s.c, .pad_h = pad_h, .pad_w = pad_w, .across = across };
}

bool nno_winograd_forward_pass(const nno_op *op, nno_winograd_pass *p)
{
	const nno_conv_attr *a = op->attr;
	nno_shape out = nno_conv_result(op);
	int64_t across = nno_i64_ceil_div(out.w, NNO_WINOGRAD_TILE);
	*p = (nno_winograd_pass){ .src = picture(op->in[0], a->pad_h, a->pad_w, across),
				  .dst = picture(out, 0, 0, across),
				  .tiles = across * nno_i64_ceil_div(out.h, NNO_WINOGRAD_TILE) };
	if (!make_pass(p, op->batch))
		return false;
	p->band_bytes = band_bytes(op, NNO_WINOGRAD_TILE, out.w, nno_i64_min(out.c, NNO_WINOGRAD_PANEL));
	p->slot_bytes += p->band_bytes;
	return true;
}

bool nno_winograd_data_pass(const nno_op *op, nno_winograd_pass *p)
{
	const nno_conv_attr *a = op->attr;
	nno_shape out = nno_conv_result(op);
	int64_t across = nno_i64_ceil_div(op->in[0].w, NNO_WINOGRAD_TILE);
	*p = (nno_winograd_pass){ .src = picture(out, 2 - a->pad_h, 2 - a->pad_w, across),
				  .dst = picture(op->in[0], 0, 0, across),
				  .tiles = across * nno_i64_ceil_div(op->in[0].h, NNO_WINOGRAD_TILE) };
	if (!make_pass(p, op->batch))
		return false;
	p->band_bytes = band_bytes(op, rows_of(p->block, across, out.h), out.w, out.c);
	p->slot_bytes += p->band_bytes;
	return true;
}

/* --- gradient of the weights --- */

#define PARTIAL_BYTES ((size_t)1 << 20) /* at most, of a chunk's sums */
#define ALL_PARTIALS ((int64_t)8 << 20)
#define MOST_CHUNKS 16
#define FEWEST_CHUNKS 4 /* where that leaves LEAST_TILES for each */
#define LEAST_TILES 8
#define CHUNK_TILES 128 /* or more, else the partial sums are more work than the products */
#define GRADIENT_BLOCK_BYTES ((int64_t)448 << 10)
#define GRADIENT_GATHER_BYTES ((int64_t)12 << 20)
#define ROW_BLOCK 32

static bool block_bytes(int64_t rows, int64_t columns, size_t *bytes)
{
	int64_t n;
	if (!nno_i64_mul(rows, columns, &n) || n > INT64_MAX / (1024 * PRODUCTS))
		return false;
	*bytes =
	    nno_size_round_up((size_t)(nno_winograd_step(rows, columns) * PRODUCTS) * sizeof(float), NNO_ALIGNMENT);
	return true;
}

static int64_t chunks_of(int64_t tiles)
{
	int64_t few = nno_i64_min(FEWEST_CHUNKS, nno_i64_ceil_div(tiles, LEAST_TILES));
	return nno_i64_min(MOST_CHUNKS, nno_i64_max(few, tiles / CHUNK_TILES));
}

/* Of the 36 for all weights, and of the bias. */
static bool sums_bytes(int64_t c, int64_t o, size_t *bytes)
{
	return block_bytes(c, o, bytes) &&
	       nno_size_add(*bytes, nno_size_round_up((size_t)o * sizeof(float), NNO_ALIGNMENT), bytes);
}

bool nno_winograd_pools(const nno_op *op)
{
	size_t bytes;
	return op->out.h % NNO_WINOGRAD_TILE == 0 && op->out.w % NNO_WINOGRAD_TILE == 0 &&
	       sums_bytes(op->in[0].c, op->out.c, &bytes) && bytes <= PARTIAL_BYTES;
}

bool nno_winograd_gradient_layout(const nno_op *op, nno_winograd_gradient *g)
{
	nno_shape out = nno_conv_result(op);
	int64_t across = nno_i64_ceil_div(out.w, NNO_WINOGRAD_TILE);
	int64_t c = op->in[0].c, o = out.c, total, tile_bytes = (c + o) * PRODUCTS * (int64_t)sizeof(float);
	*g = (nno_winograd_gradient){ .tiles = across * nno_i64_ceil_div(out.h, NNO_WINOGRAD_TILE) };
	if (!nno_i64_mul(g->tiles, op->batch, &total) || !sums_bytes(c, o, &g->partial_bytes))
		return false;
	g->stream = g->partial_bytes > PARTIAL_BYTES;
	g->chunks = g->stream ? 1 : nno_i64_min(chunks_of(total), ALL_PARTIALS / (int64_t)g->partial_bytes);
	g->block = (g->stream ? GRADIENT_GATHER_BYTES : GRADIENT_BLOCK_BYTES) / tile_bytes;
	g->block = nno_i64_min(nno_i64_max(g->block, 8), total);
	/* Blocks of one size: a short last one would read and write all sums for little. */
	int64_t tiles = nno_i64_ceil_div(total, g->chunks), blocks = nno_i64_ceil_div(tiles, g->block);
	if (!g->stream)
		g->block = nno_i64_ceil_div(tiles, blocks);
	g->row_block = nno_i64_min(c, ROW_BLOCK);
	size_t transformed, scratch;
	if (!block_bytes(g->block, c, &g->input_bytes) || !block_bytes(g->block, o, &g->output_bytes) ||
	    !nno_size_add(g->input_bytes, g->output_bytes, &transformed) ||
	    !nno_size_mul(g->partial_bytes, (size_t)g->chunks, &g->shared_bytes))
		return false;
	scratch =
	    nno_size_round_up((size_t)(PRODUCTS * o) * sizeof(float), NNO_ALIGNMENT); /* a row's sum of partials */
	if (!g->stream) {
		g->band_bytes = band_bytes(op, rows_of(g->block, across, out.h), out.w, o);
		g->slot_bytes = (transformed > scratch ? transformed : scratch) + g->band_bytes;
		return true;
	}
	g->slot_bytes = scratch;
	return nno_size_add(g->shared_bytes, transformed, &g->shared_bytes);
}
