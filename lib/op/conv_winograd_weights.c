/* conv_winograd_weights.c - gradient of the weights of a convolution by Winograd's F(4x4, 3x3): with V the transformed
 * patches and Z = A dY A' the transformed gradients of the results, the gradient of the transformed weights is
 * V' Z, one of 36 products over all tiles.
 *
 * Few weights: the tiles are cut into chunks by their number alone, each with partial sums of its own. Groups of
 * neighbours are added where they were made, and then the groups.
 * Many: tiles are transformed into shared blocks, and a task owns a block of the gradient's rows and sums over all of
 * them. The gradient of the bias is a by-product: the 8th of the 36 holds the sums over the tiles. */
#include "op/conv_winograd.h"

#include "base/size.h"
#include "op/parallel.h"

#include <string.h>

#define SUMS 7 /* which of the 36 is the plain sum of a tile */
#define PRODUCTS NNO_WINOGRAD_PRODUCTS
#define GROUPS 4

typedef struct gradient_job {
	const nno_op *op;
	nno_run *run;
	nno_winograd_gradient g;
	nno_tiling src, dst;
	int64_t total, chunk_tiles, chunks;
	int64_t group;       /* chunks of a group */
	int64_t from, until; /* stream: the tiles in the shared blocks */
	char *slots, *partial, *shared;
} gradient_job;

static float *partial_at(const gradient_job *j, int64_t chunk)
{
	return (float *)(void *)(j->partial + (size_t)chunk * j->g.partial_bytes);
}

static float *bias_at(const gradient_job *j, int64_t chunk)
{
	return partial_at(j, chunk) + nno_winograd_step(j->src.c, j->dst.c) * PRODUCTS;
}

const elem *NNO_OF(nno_winograd_spread_rows)(const nno_op *op, const nno_run *run, nno_tile_run *r, nno_tiling *p,
					     int64_t size, elem *room)
{
	int64_t first = r->from / p->across, last = (r->from + r->count - 1) / p->across;
	int64_t from = nno_i64_max(0, first * NNO_WINOGRAD_TILE - p->pad_h) / 2;
	int64_t until = nno_i64_min(op->out.h, nno_i64_ceil_div(last * NNO_WINOGRAD_TILE - p->pad_h + size, 2));
	p->h = 2 * (until - from);
	p->pad_h += 2 * from - first * NNO_WINOGRAD_TILE;
	r->from -= first * p->across;
	return NNO_OF(nno_conv_spread_rows)(op, run, r->image, from, until, room);
}

/* Transforms tiles [from, to) of both sides; `at` tiles into the blocks v and z of j->g.block tiles. `band`: room for
 * what was pooled. */
static void transform_both(const gradient_job *j, int64_t from, int64_t to, float *v, float *z, elem *band)
{
	int64_t v_step = nno_winograd_step(j->g.block, j->src.c), z_step = nno_winograd_step(j->g.block, j->dst.c);
	for (int64_t t = from; t < to;) {
		nno_tile_run r = nno_tile_run_at(t, to, j->g.tiles);
		const elem *image = src_of(j->run, 0) + r.image * j->src.h * j->src.w * j->src.c;
		kernels_of(j->run)->winograd_input(v + (t - from) * j->src.c, v_step, image, &j->src, r.from, r.count);
		nno_tiling p = j->dst;
		const elem *gradient = ddst_of(j->run) + r.image * p.h * p.w * p.c;
		if (nno_conv_pooled(j->op))
			gradient = NNO_OF(nno_winograd_spread_rows)(j->op, j->run, &r, &p, NNO_WINOGRAD_TILE, band);
		kernels_of(j->run)->winograd_gradient(z + (t - from) * p.c, z_step, gradient, &p, r.from, r.count);
		t += r.count;
	}
}

/* Rows [row, row + m) of product i (+)= V' Z over `tiles` of a block. */
static void multiply(const gradient_job *j, int64_t i, int64_t row, int64_t m, int64_t tiles, const float *v,
		     const float *z, float *u, bool add)
{
	int64_t c = j->src.c, o = j->dst.c, zero = 0;
	j->run->kernels->gemm_columns_f32(m, o, tiles, 1, v + i * nno_winograd_step(j->g.block, c) + row, &zero, c,
					  z + i * nno_winograd_step(j->g.block, o), &zero, o,
					  u + i * nno_winograd_step(c, o) + row * o, o, add ? NNO_GEMM_ADD : 0);
}

static void chunk_task(void *user, int64_t chunk, int slot)
{
	const gradient_job *j = user;
	float *v = (float *)(void *)(j->slots + (size_t)slot * j->g.slot_bytes);
	float *z = (float *)(void *)(j->slots + (size_t)slot * j->g.slot_bytes + j->g.input_bytes);
	elem *band = (elem *)(void *)(j->slots + (size_t)(slot + 1) * j->g.slot_bytes - j->g.band_bytes);
	float *u = partial_at(j, chunk), *bias = bias_at(j, chunk);
	int64_t first = chunk * j->chunk_tiles, end = nno_i64_min(first + j->chunk_tiles, j->total);
	memset(bias, 0, (size_t)j->dst.c * sizeof(float));
	for (int64_t t = first; t < end; t += j->g.block) {
		int64_t tiles = nno_i64_min(j->g.block, end - t);
		transform_both(j, t, t + tiles, v, z, band);
		for (int64_t i = 0; i < PRODUCTS && j->run->dparam[0] != NULL; i++)
			multiply(j, i, 0, j->src.c, tiles, v, z, u, t > first);
		j->run->kernels->f32->column_sums(bias, z + SUMS * nno_winograd_step(j->g.block, j->dst.c), tiles,
						  j->dst.c);
	}
}

/* One of the 36 of a group, into its first chunk's. */
static void group_task(void *user, int64_t index, int slot)
{
	(void)slot;
	const gradient_job *j = user;
	int64_t first = index / PRODUCTS * j->group, end = nno_i64_min(first + j->group, j->chunks);
	int64_t at = index % PRODUCTS * nno_winograd_step(j->src.c, j->dst.c);
	float *sum = partial_at(j, first) + at;
	for (int64_t k = first + 1; k < end; k++)
		j->run->kernels->f32->add(sum, sum, partial_at(j, k) + at, j->src.c * j->dst.c);
}

/* Row `row` of all 36: the groups' sums together, back to the taps. */
static void finish_row(void *user, int64_t row, int slot)
{
	const gradient_job *j = user;
	int64_t o = j->dst.c, step = nno_winograd_step(j->src.c, o);
	const float *u = partial_at(j, 0) + row * o;
	if (j->chunks > j->group) {
		float *sum = (float *)(void *)(j->slots + (size_t)slot * j->g.slot_bytes);
		for (int64_t i = 0; i < PRODUCTS; i++) {
			memcpy(sum + i * o, u + i * step, (size_t)o * sizeof(float));
			for (int64_t k = j->group; k < j->chunks; k += j->group)
				j->run->kernels->f32->add(sum + i * o, sum + i * o,
							  partial_at(j, k) + i * step + row * o, o);
		}
		u = sum;
		step = o;
	}
	j->run->kernels->winograd_weight_gradient_f32(j->run->dparam[0] + row * o, j->src.c * o, u, step, o,
						      j->run->dparam_add ? NNO_GEMM_ADD : 0);
}

/* --- many weights --- */

enum { GATHER_TILES = 8 };

static void gather_task(void *user, int64_t index, int slot)
{
	(void)slot;
	const gradient_job *j = user;
	int64_t at = index * GATHER_TILES, to = nno_i64_min(at + GATHER_TILES, j->until - j->from);
	float *v = (float *)(void *)j->shared, *z = (float *)(void *)(j->shared + j->g.input_bytes);
	transform_both(j, j->from + at, j->from + to, v + at * j->src.c, z + at * j->dst.c, NULL);
}

/* All 36 for a block of rows when there is nothing to add to: their way back follows while they are near. */
static void rows_task(void *user, int64_t index, int slot)
{
	const gradient_job *j = user;
	const float *v = (const float *)(const void *)j->shared,
		    *z = (const float *)(const void *)(j->shared + j->g.input_bytes);
	int64_t row = index * j->g.row_block, m = nno_i64_min(j->g.row_block, j->src.c - row);
	for (int64_t i = 0; i < PRODUCTS; i++)
		multiply(j, i, row, m, j->until - j->from, v, z, partial_at(j, 0), j->from > 0);
	for (int64_t r = row; r < row + m && j->until == j->total; r++)
		finish_row(user, r, slot);
}

static void stream(gradient_job *j)
{
	memset(bias_at(j, 0), 0, (size_t)j->dst.c * sizeof(float));
	for (j->from = 0; j->from < j->total; j->from = j->until) {
		j->until = nno_i64_min(j->from + j->g.block, j->total);
		nno_parallel_for(j->run->pool, nno_i64_ceil_div(j->until - j->from, GATHER_TILES), gather_task, j);
		const float *z = (const float *)(const void *)(j->shared + j->g.input_bytes);
		j->run->kernels->f32->column_sums(bias_at(j, 0), z + SUMS * nno_winograd_step(j->g.block, j->dst.c),
						  j->until - j->from, j->dst.c);
		if (j->run->dparam[0] != NULL)
			nno_parallel_for(j->run->pool, nno_i64_ceil_div(j->src.c, j->g.row_block), rows_task, j);
	}
}

void NNO_OF(nno_winograd_backward_weights)(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	nno_shape out = nno_conv_result(op);
	int64_t across = nno_i64_ceil_div(out.w, NNO_WINOGRAD_TILE);
	gradient_job j = { .op = op,
			   .run = run,
			   .src = { op->in[0].h, op->in[0].w, op->in[0].c, a->pad_h, a->pad_w, across },
			   .dst = { out.h, out.w, out.c, 0, 0, across } };
	(void)nno_winograd_gradient_layout(op, &j.g);
	j.total = run->n * j.g.tiles;
	j.slots = run->workspace;
	j.partial = j.slots + (size_t)nno_pool_slots(run->pool) * j.g.slot_bytes;
	j.shared = j.partial + (size_t)j.g.chunks * j.g.partial_bytes;
	j.chunk_tiles = nno_i64_ceil_div(j.total, j.g.chunks);
	j.chunks = nno_i64_ceil_div(j.total, j.chunk_tiles);
	j.group = nno_i64_ceil_div(j.chunks, GROUPS);
	if (j.g.stream) {
		stream(&j);
	} else {
		int64_t groups = nno_i64_ceil_div(j.chunks, j.group);
		nno_parallel_for(run->pool, j.chunks, chunk_task, &j);
		if (run->dparam[0] != NULL && j.group > 1)
			nno_parallel_for(run->pool, groups * PRODUCTS, group_task, &j);
		if (run->dparam[0] != NULL)
			nno_parallel_for(run->pool, j.src.c, finish_row, &j);
	}
	if (a->bias && run->dparam[1] != NULL)
		nno_sum_partials(run, run->dparam[1], bias_at(&j, 0), j.chunks,
				 (int64_t)(j.g.partial_bytes / sizeof(float)), j.dst.c);
}
