/* conv_pairs.c - convolution on bf16 values, for CPUs with dot products of their pairs, which are of channels: forward
 * and gradient of the data. A task is a band of a picture's rows, whose source it brings into planes once; weights are
 * rounded to bf16 and paired once a pass. */
#define NNO_TYPE bf16
#define NNO_TYPE_BF16
#include "op/conv_pairs.h"

#include "base/size.h"

#include <string.h>

#define PANEL 64 /* columns of a task when bands are few */

static bool book(nno_op *op, int slots)
{
	nno_conv_pairs_plan p;
	size_t all, partials;
	if (!nno_conv_pairs_layout(op, &p) || !nno_size_mul(p.slot, (size_t)slots, &all) ||
	    !nno_size_mul(p.partial, (size_t)p.chunks, &partials))
		return false;
	size_t turned = p.weights + p.turned;
	op->packed_bytes = op->constant ? p.weights : 0;
	op->saved_bytes = nno_conv_place_bytes(op);
	return nno_size_add(all, p.weights, &op->forward_workspace) &&
	       nno_size_add(all, partials > turned ? partials : turned, &op->backward_workspace) &&
	       nno_i64_mul(nno_shape_count(nno_conv_result(op)), p.weight_count / op->out.c, &op->macs);
}

typedef struct pairs_job {
	const nno_op *op;
	nno_run *run;
	nno_conv_pairs_plan p;
	nno_shape made; /* by the convolution, before it is pooled */
	elem *weights;  /* as pairs */
	float *turned;
	int64_t columns, blocks; /* results of a task, and tasks of a band */
} pairs_job;

static pairs_job start_job(const nno_op *op, nno_run *run)
{
	pairs_job j = { .op = op, .run = run, .made = nno_conv_result(op) };
	(void)nno_conv_pairs_layout(op, &j.p);
	char *shared = (char *)run->workspace + (size_t)nno_pool_slots(run->pool) * j.p.slot;
	j.weights = (elem *)(void *)shared;
	j.turned = (float *)(void *)(shared + j.p.weights);
	return j;
}

/* A slot's scratch. */
typedef struct room {
	elem *planes;
	int64_t *taps;
	elem *wide, *made;
} room;

static room room_of(const pairs_job *j, int slot)
{
	char *at = (char *)j->run->workspace + (size_t)slot * j->p.slot;
	return (room){ (elem *)(void *)at, (int64_t *)(void *)(at + j->p.planes),
		       (elem *)(void *)(at + j->p.planes + j->p.taps),
		       (elem *)(void *)(at + j->p.planes + j->p.taps + j->p.wide) };
}

/* A row with a zero behind the channels of each pixel. */
static const elem *widen_row(elem *wide, const elem *row, int64_t w, int64_t c)
{
	for (int64_t x = 0; x < w; x++) {
		memcpy(wide + x * (c + 1), row + x * c, (size_t)c * sizeof(elem));
		wide[x * (c + 1) + c].bits = 0;
	}
	return wide;
}

/* Pairs are moved as if they were floats. */
static const float *as_pairs(const elem *p) { return (const float *)(const void *)p; }

static void fill_planes(const pairs_job *j, const room *r, const nno_planes *p, const elem *image, nno_shape shape)
{
	memset(r->planes, 0, (size_t)(p->pairs * p->h * p->phases * p->row) * 2 * sizeof(elem));
	int64_t to = nno_i64_min(shape.h, p->from + p->h), end = nno_i64_min(shape.w, p->left + p->phases * p->row);
	for (int64_t y = nno_i64_max(0, p->from); y < to; y++) {
		const elem *row = image + y * shape.w * shape.c;
		if (shape.c % 2 != 0)
			row = widen_row(r->wide, row, shape.w, shape.c);
		int64_t first = nno_i64_max(0, p->left);
		for (int64_t x = first; x < nno_i64_min(first + p->phases, end); x++)
			j->run->kernels->f32->transpose(
			    (float *)(void *)r->planes + nno_plane_at(p, 0, y - p->from, x - p->left),
			    p->h * p->phases * p->row, as_pairs(row) + x * p->pairs, p->phases * p->pairs,
			    (end - x + p->phases - 1) / p->phases, p->pairs);
	}
}

/* --- forward --- */

/* Pairs of channels of one tap, for all results; the last of an odd number with zeros. */
static void pair_tap(void *user, int64_t tap, int slot)
{
	(void)slot;
	const pairs_job *j = user;
	int64_t c = j->op->in[0].c, o = j->op->out.c;
	j->run->kernels->pairs->zip(j->weights + tap * j->p.source.pairs * 2 * o, j->run->param[0] + tap * c * o, o, c,
				    o);
}

static void pair_weights(pairs_job *j)
{
	const nno_conv_attr *a = j->op->attr;
	nno_parallel_for(j->run->pool, a->kernel_h * a->kernel_w, pair_tap, j);
}

static void forward_task(void *user, int64_t index, int slot)
{
	const pairs_job *j = user;
	const nno_conv_attr *a = j->op->attr;
	nno_shape in = j->op->in[0], out = j->made;
	room r = room_of(j, slot);
	int64_t column = index % j->blocks * j->columns, n = nno_i64_min(j->columns, out.c - column), taps = 0;
	int64_t band = index / j->blocks, image = band / j->p.bands, from = band % j->p.bands * j->p.rows;
	int64_t rows = nno_i64_min(j->p.rows, out.h - from);
	nno_planes p = j->p.source;
	p.from = from * a->stride_h - a->pad_h;
	fill_planes(j, &r, &p, src_of(j->run, 0) + image * nno_shape_count(in), in);
	for (int64_t y = 0; y < a->kernel_h; y++)
		for (int64_t x = 0; x < a->kernel_w; x++)
			for (int64_t pair = 0; pair < p.pairs; pair++)
				r.taps[taps++] = 2 * nno_plane_at(&p, pair, y, x);
	elem *dst = (a->pooled ? r.made : dst_of(j->run) + (image * out.h + from) * out.w * out.c) + column;
	for (int64_t y = 0; y < rows; y++)
		j->run->kernels->pairs->gemm_side(
		    out.w, n, taps, r.planes + 2 * nno_plane_at(&p, 0, y * a->stride_h, 0), r.taps,
		    j->weights + 2 * column, 2 * out.c, dst + y * out.w * out.c, out.c,
		    a->bias ? j->run->param[1] + column : NULL, a->pooled ? 0 : nno_clamp_flags(a->activation));
	if (a->pooled)
		NNO_OF(nno_conv_pool_band)(j->op, j->run, r.made, image, from, rows);
}

static void forward(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	pairs_job j = start_job(op, run);
	if (op->packed_bytes > 0)
		j.weights = run->packed;
	else
		pair_weights(&j);
	int64_t bands = run->n * j.p.bands;
	j.columns = bands < 16 && !a->pooled ? nno_i64_min(op->out.c, PANEL) : op->out.c;
	j.blocks = nno_i64_ceil_div(op->out.c, j.columns);
	nno_parallel_for(run->pool, bands * j.blocks, forward_task, &j);
}

static void pack(const nno_op *op, nno_run *run)
{
	pairs_job j = start_job(op, run);
	j.weights = run->packed;
	pair_weights(&j);
}

/* --- gradient of the data: as conv_data.c, the pixels of one phase of the stride at a time --- */

static int64_t phase_of(const nno_conv_attr *a, int64_t y, int64_t x)
{
	return y % a->stride_h * a->stride_w + x % a->stride_w;
}

/* Taps in the order of their phases. */
static int64_t place_of(const nno_conv_attr *a, int64_t ky, int64_t kx)
{
	int64_t before = 0, phase = phase_of(a, ky, kx);
	for (int64_t y = 0; y < a->kernel_h; y++)
		for (int64_t x = 0; x < a->kernel_w; x++) {
			int64_t other = phase_of(a, y, x);
			before += other < phase || (other == phase && (y < ky || (y == ky && x < kx)));
		}
	return before;
}

static void turn_tap(void *user, int64_t tap, int slot)
{
	(void)slot;
	const pairs_job *j = user;
	const nno_conv_attr *a = j->op->attr;
	int64_t c = j->op->in[0].c, o = j->op->out.c, to = place_of(a, tap / a->kernel_w, tap % a->kernel_w);
	float *turned = j->turned + tap * c * o;
	j->run->kernels->f32->transpose(turned, c, j->run->param[0] + tap * c * o, o, c, o);
	j->run->kernels->pairs->zip(j->weights + to * c * o, turned, c, o, c);
}

typedef struct data_band {
	const pairs_job *j;
	room r;
	nno_planes p;
	int64_t image, from, rows;
} data_band;

/* The first pixel at or behind `at` that is of this phase, padding counted. */
static int64_t first_of(int64_t at, int64_t pad, int64_t stride, int64_t phase)
{
	return at + (phase - (at + pad) % stride + stride) % stride;
}

/* Without taps this writes the zeros that the phase has for a gradient. */
static void run_phase(const data_band *b, int64_t py, int64_t px)
{
	const pairs_job *j = b->j;
	const nno_conv_attr *a = j->op->attr;
	nno_shape in = j->op->in[0];
	int64_t x = first_of(0, a->pad_w, a->stride_w, px), steps = 0;
	int64_t m = x < in.w ? (in.w - x + a->stride_w - 1) / a->stride_w : 0;
	for (int64_t ky = py; ky < a->kernel_h; ky += a->stride_h)
		for (int64_t kx = px; kx < a->kernel_w; kx += a->stride_w)
			for (int64_t pair = 0; pair < b->p.pairs; pair++)
				b->r.taps[steps++] = 2 * (nno_plane_at(&b->p, pair, 0, 0) -
							  ky / a->stride_h * b->p.row - kx / a->stride_w);
	const elem *weights = j->weights + (steps > 0 ? place_of(a, py, px) * in.c * j->op->out.c : 0);
	for (int64_t y = first_of(b->from, a->pad_h, a->stride_h, py); y < b->from + b->rows; y += a->stride_h) {
		int64_t at = nno_plane_at(&b->p, 0, (y + a->pad_h) / a->stride_h - b->p.from,
					  (x + a->pad_w) / a->stride_w - b->p.left);
		j->run->kernels->pairs->gemm_side(m, in.c, steps, b->r.planes + 2 * at, b->r.taps, weights, 2 * in.c,
						  dsrc_of(j->run, 0) + ((b->image * in.h + y) * in.w + x) * in.c,
						  a->stride_w * in.c, NULL, j->run->dsrc_add[0] ? NNO_GEMM_ADD : 0);
	}
}

static void data_task(void *user, int64_t index, int slot)
{
	const pairs_job *j = user;
	const nno_op *op = j->op;
	const nno_conv_attr *a = op->attr;
	data_band b = { .j = j,
			.r = room_of(j, slot),
			.p = j->p.gradient,
			.image = index / j->p.data_bands,
			.from = index % j->p.data_bands * j->p.data_rows };
	b.rows = nno_i64_min(j->p.data_rows, op->in[0].h - b.from);
	b.p.from = (b.from + a->pad_h) / a->stride_h - (a->kernel_h - 1) / a->stride_h;
	fill_planes(j, &b.r, &b.p, ddst_of(j->run) + b.image * nno_shape_count(op->out), op->out);
	for (int64_t y = 0; y < a->stride_h; y++)
		for (int64_t x = 0; x < a->stride_w; x++)
			run_phase(&b, y, x);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	if (a->activation == NNO_ACT_RELU && !a->pooled)
		NNO_OF(nno_mask_relu)(op, run);
	if (op->wants_dparam)
		nno_conv_pairs_backward_weights(op, run);
	if (run->dsrc[0] == NULL)
		return;
	pairs_job j = start_job(op, run);
	nno_parallel_for(run->pool, a->kernel_h * a->kernel_w, turn_tap, &j);
	nno_parallel_for(run->pool, run->n * j.p.data_bands, data_task, &j);
}

NNO_OP_CODE(conv_pairs) = { .book = book, .forward = forward, .backward = backward, .pack = pack };
