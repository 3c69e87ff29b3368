/* conv_winograd.c - 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3), forward and gradient of the data, which is
 * the same product on the weights turned by half a turn and transposed.
 *
 * With weights that fit a core's cache, a task takes a block of tiles through everything: transform, 36 products,
 * transform back, so that only the picture and the result touch memory. With more of them, all tiles are transformed
 * first, and a task takes a panel of columns: it transforms that panel's weights and multiplies all tiles by it, so
 * that the transformed weights, four times the original, never leave the cache either. */
#include "op/conv_winograd.h"

#include "base/size.h"
#include "op/parallel.h"

#include <string.h>

#define PRODUCTS NNO_WINOGRAD_PRODUCTS
#define TILE NNO_WINOGRAD_TILE
#define PANEL_ROWS 16 /* of weights that a task transforms */

static bool book(nno_op *op, int slots)
{
	nno_winograd_pass forward, data;
	nno_winograd_gradient gradient;
	size_t bytes;
	op->packed_bytes = 0;
	if (!nno_winograd_forward_pass(op, &forward) || !nno_winograd_data_pass(op, &data) ||
	    !nno_winograd_gradient_layout(op, &gradient) ||
	    !nno_size_mul(forward.slot_bytes, (size_t)slots, &op->forward_workspace) ||
	    !nno_size_add(op->forward_workspace, forward.shared_bytes, &op->forward_workspace) ||
	    !nno_size_mul(data.slot_bytes, (size_t)slots, &op->backward_workspace) ||
	    !nno_size_add(op->backward_workspace, data.shared_bytes, &op->backward_workspace) ||
	    !nno_size_mul(gradient.slot_bytes, (size_t)slots, &bytes) ||
	    !nno_size_add(bytes, gradient.shared_bytes, &bytes))
		return false;
	op->saved_bytes = nno_conv_place_bytes(op);
	if (op->constant && !forward.stream)
		op->packed_bytes = forward.shared_bytes;
	if (op->backward_workspace < bytes)
		op->backward_workspace = bytes;
	return nno_i64_mul(nno_shape_count(nno_conv_result(op)), 9 * op->in[0].c, &op->macs);
}

typedef struct pass_job {
	const nno_op *op;
	nno_winograd_pass p;
	nno_run *run;
	const elem *src;
	const float *weights, *bias;
	elem *dst;
	bool turned; /* weights turned and transposed: the gradient of the data */
	int flags;
	char *slots, *shared;
	int64_t total; /* tiles */
	int64_t
	    shares; /* tasks of a block of tiles, each with a part of the panels: more than one where blocks are few */
	int64_t from, until; /* stream: tiles in the shared block */
} pass_job;

static int64_t panel_width(const pass_job *j, int64_t panel)
{
	return nno_i64_min(NNO_WINOGRAD_PANEL, j->p.dst.c - panel * NNO_WINOGRAD_PANEL);
}

/* Rows [from, to) of the transformed weights of one panel of columns. */
static void make_panel(const pass_job *j, int64_t panel, int64_t from, int64_t to, float *taps, float *u)
{
	int64_t column = panel * NNO_WINOGRAD_PANEL, n = panel_width(j, panel), c = j->p.src.c, o = j->p.dst.c;
	int64_t step = nno_winograd_step(c, n), rows = to - from;
	u += from * n;
	if (!j->turned) {
		j->run->kernels->winograd_weights_f32(u, step, j->weights + from * o + column, c * o, o, rows, n);
		return;
	}
	for (int64_t t = 0; t < 9; t++)
		j->run->kernels->f32->transpose(taps + t * rows * n, n, j->weights + (t * o + column) * c + from, c, n,
						rows);
	j->run->kernels->winograd_weights_f32(u, step, taps + 8 * rows * n, -rows * n, n, rows, n);
}

/* Transforms tiles [from, to) of the batch into v, `step` floats from one of the 36 to the next. `band`: room for what
 * was pooled. */
static void transform_tiles(const pass_job *j, int64_t from, int64_t to, float *v, int64_t step, elem *band)
{
	for (int64_t t = from; t < to;) {
		nno_tile_run r = nno_tile_run_at(t, to, j->p.tiles);
		nno_tiling p = j->p.src;
		const elem *image = j->src + r.image * p.h * p.w * p.c;
		if (j->turned && nno_conv_pooled(j->op))
			image = NNO_OF(nno_winograd_spread_rows)(j->op, j->run, &r, &p, NNO_WINOGRAD_PATCH, band);
		kernels_of(j->run)->winograd_input(v + (t - from) * p.c, step, image, &p, r.from, r.count);
		t += r.count;
	}
}

/* A run of tiles of a panel's products on their way back, and pooled: tiles of one row at a time, which are a picture
 * of their own in the band. */
static void pool_tiles(const pass_job *j, const nno_tile_run *r, const float *m, int64_t step, int64_t column,
		       int64_t n, elem *band)
{
	const nno_op *op = j->op;
	const nno_run *run = j->run;
	int relu = nno_clamp_flags(((const nno_conv_attr *)op->attr)->activation);
	int64_t c = op->out.c, end = r->from + r->count, across = j->p.dst.across;
	for (int64_t t = r->from, count; t < end; t += count, m += count * n) {
		count = nno_i64_min(end, (t / across + 1) * across) - t;
		const nno_tiling row = { .h = TILE, .w = TILE * count, .c = n, .across = count };
		kernels_of(run)->winograd_output(band, &row, m, step, 0, count, n,
						 j->bias != NULL ? j->bias + column : NULL, 0);
		for (int64_t y = 0; y < TILE / 2; y++) {
			int64_t pixel = (r->image * op->out.h + t / across * (TILE / 2) + y) * op->out.w +
					t % across * (TILE / 2),
				at = pixel * c + column, wide = n == c ? TILE / 2 * count : 1;
			for (int64_t x = 0; x < TILE / 2 * count; x += wide, at += wide * c) {
				const elem *top = band + (2 * y * row.w + 2 * x) * n;
				uint8_t *place = run->saved != NULL ? (uint8_t *)run->saved + at : NULL;
				kernels_of(run)->max_pool2(dst_of(run) + at, place, top, top + row.w * n, wide, n,
							   relu);
			}
		}
	}
}

/* The 36 products of tiles [from, to), whose transforms begin at v, with a panel, and their way back. */
static void multiply(const pass_job *j, int64_t from, int64_t to, const float *v, int64_t v_step, int64_t panel,
		     const float *u, float *m, elem *band)
{
	int64_t n = panel_width(j, panel), k = j->p.src.c, column = panel * NNO_WINOGRAD_PANEL;
	int64_t step = nno_winograd_step(j->p.block, n), u_step = nno_winograd_step(k, n);
	for (int64_t i = 0; i < PRODUCTS; i++)
		j->run->kernels->f32->gemm(to - from, n, k, v + i * v_step, k, u + i * u_step, n, m + i * step, n, NULL,
					   0);
	for (int64_t t = from; t < to;) {
		nno_tile_run r = nno_tile_run_at(t, to, j->p.tiles);
		const float *results = m + (t - from) * n;
		if (!j->turned && nno_conv_pooled(j->op)) {
			pool_tiles(j, &r, results, step, column, n, band);
		} else {
			elem *image = j->dst + r.image * j->p.dst.h * j->p.dst.w * j->p.dst.c;
			kernels_of(j->run)->winograd_output(image + column, &j->p.dst, results, step, r.from, r.count,
							    n, j->bias != NULL ? j->bias + column : NULL, j->flags);
		}
		t += r.count;
	}
}

/* --- few weights: all panels first, then blocks of tiles --- */

static float *shared_panel(const pass_job *j, int64_t panel)
{
	return (float *)(void *)(j->shared + (size_t)panel * j->p.weights_bytes);
}

static int64_t panel_tasks(const pass_job *j) { return j->p.panels * nno_i64_ceil_div(j->p.src.c, PANEL_ROWS); }

static void panel_task(void *user, int64_t index, int slot)
{
	const pass_job *j = user;
	/* Only turned weights need the taps. */
	float *taps = j->turned ? (float *)(void *)(j->slots + (size_t)slot * j->p.slot_bytes) : NULL;
	int64_t panel = index % j->p.panels, from = index / j->p.panels * PANEL_ROWS;
	make_panel(j, panel, from, nno_i64_min(from + PANEL_ROWS, j->p.src.c), taps, shared_panel(j, panel));
}

static void block_task(void *user, int64_t index, int slot)
{
	const pass_job *j = user;
	char *scratch = j->slots + (size_t)slot * j->p.slot_bytes + j->p.taps_bytes;
	float *v = (float *)(void *)scratch, *m = (float *)(void *)(scratch + j->p.tiles_bytes);
	int64_t share = index % j->shares, from = index / j->shares * j->p.block,
		to = nno_i64_min(from + j->p.block, j->total);
	int64_t step = nno_winograd_step(j->p.block, j->p.src.c);
	elem *band = (elem *)(void *)(scratch + j->p.tiles_bytes + j->p.products_bytes);
	transform_tiles(j, from, to, v, step, band);
	for (int64_t panel = share; panel < j->p.panels; panel += j->shares)
		multiply(j, from, to, v, step, panel, shared_panel(j, panel), m, band);
}

/* --- many weights: all tiles first, then panels --- */

static void gather_task(void *user, int64_t index, int slot)
{
	(void)slot;
	const pass_job *j = user;
	int64_t at = j->from + index * j->p.block, to = nno_i64_min(at + j->p.block, j->until);
	float *v = (float *)(void *)j->shared + index * j->p.block * j->p.src.c;
	transform_tiles(j, at, to, v, nno_winograd_step(j->p.gather, j->p.src.c), NULL);
}

static void stream_task(void *user, int64_t panel, int slot)
{
	const pass_job *j = user;
	char *scratch = j->slots + (size_t)slot * j->p.slot_bytes;
	float *taps = (float *)(void *)scratch, *u = (float *)(void *)(scratch + j->p.taps_bytes);
	float *m = (float *)(void *)(scratch + j->p.taps_bytes + j->p.weights_bytes);
	make_panel(j, panel, 0, j->p.src.c, taps, u);
	for (int64_t t = j->from; t < j->until; t += j->p.block)
		multiply(j, t, nno_i64_min(t + j->p.block, j->until),
			 (const float *)(const void *)j->shared + (t - j->from) * j->p.src.c,
			 nno_winograd_step(j->p.gather, j->p.src.c), panel, u, m, NULL);
}

/* `packed`: all panels of the weights, made before; or NULL. */
static void run_pass(pass_job *j, char *packed)
{
	nno_pool *pool = j->run->pool;
	j->total = j->run->n * j->p.tiles;
	j->slots = j->run->workspace;
	j->shared = j->slots + (size_t)nno_pool_slots(pool) * j->p.slot_bytes;
	if (!j->p.stream) {
		if (packed != NULL)
			j->shared = packed;
		else
			nno_parallel_for(pool, panel_tasks(j), panel_task, j);
		int64_t blocks = nno_i64_ceil_div(j->total, j->p.block);
		j->shares = blocks < 8 ? j->p.panels : 1;
		nno_parallel_for(pool, blocks * j->shares, block_task, j);
		return;
	}
	for (j->from = 0; j->from < j->total; j->from = j->until) {
		j->until = nno_i64_min(j->from + j->p.gather, j->total);
		nno_parallel_for(pool, nno_i64_ceil_div(j->until - j->from, j->p.block), gather_task, j);
		nno_parallel_for(pool, j->p.panels, stream_task, j);
	}
}

static pass_job forward_job(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	pass_job j = { .op = op,
		       .run = run,
		       .src = run->src[0],
		       .dst = run->dst,
		       .weights = run->param[0],
		       .bias = a->bias ? run->param[1] : NULL,
		       .flags = nno_conv_flags(op) | nno_stream_flag(run->n * nno_shape_count(op->out)) };
	(void)nno_winograd_forward_pass(op, &j.p);
	return j;
}

static void forward(const nno_op *op, nno_run *run)
{
	pass_job j = forward_job(op, run);
	run_pass(&j, run->packed);
}

static void pack(const nno_op *op, nno_run *run)
{
	pass_job j = forward_job(op, run);
	j.shared = run->packed;
	nno_parallel_for(run->pool, panel_tasks(&j), panel_task, &j);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	if (a->activation == NNO_ACT_RELU && !a->pooled)
		NNO_OF(nno_mask_relu)(op, run);
	if (op->wants_dparam)
		NNO_OF(nno_winograd_backward_weights)(op, run);
	if (run->dsrc[0] == NULL)
		return;
	pass_job j = { .op = op,
		       .run = run,
		       .src = run->ddst,
		       .dst = run->dsrc[0],
		       .weights = run->param[0],
		       .turned = true,
		       .flags =
			   run->dsrc_add[0] ? NNO_GEMM_ADD : nno_stream_flag(run->n * nno_shape_count(op->in[0])) };
	(void)nno_winograd_data_pass(op, &j.p);
	run_pass(&j, NULL);
}

NNO_OP_CODE(conv_winograd) = { .book = book, .forward = forward, .backward = backward, .pack = pack };
