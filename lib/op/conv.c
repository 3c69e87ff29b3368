/* conv.c - convolution forward, as an implicit product: a task is a band of output rows of one image. Its input rows
 * are copied once into a zero-padded band that stays in cache, so that no tap needs a bounds check and a register tile
 * may be any pixels; weights are read where they are. */
#include "op/conv.h"

#include "base/size.h"
#include "op/parallel.h"

#include <string.h>

#define ENOUGH_PIXELS 1024 /* to pay for packing */

/* Whether weights that change are packed for a batch of n: rows of many lie a power of two apart, in a few sets of the
 * caches. */
static bool packs_anew(const nno_op *op, const nno_conv_plan *p, int64_t n)
{
	return op->packed_bytes == 0 && p->strips && n * op->out.h * op->out.w >= ENOUGH_PIXELS;
}

static bool book(nno_op *op, int slots)
{
	nno_conv_plan p;
	if (!nno_conv_layout(op, &p))
		return false;
	const nno_conv_attr *a = op->attr;
	size_t packed = (size_t)p.weight_count * sizeof(float);
	op->packed_bytes = op->constant && a->groups == 1 ? packed : 0;
	op->saved_bytes = nno_conv_place_bytes(op);
	return nno_i64_mul(nno_shape_count(nno_conv_result(op)), p.weight_count / op->out.c, &op->macs) &&
	       nno_size_mul(p.slot_bytes, (size_t)slots, &op->forward_workspace) &&
	       nno_size_add(op->forward_workspace, p.shared_bytes, &op->backward_workspace) &&
	       nno_size_add(op->forward_workspace, packs_anew(op, &p, op->batch) ? packed : 0, &op->forward_workspace);
}

void NNO_OF(nno_conv_copy_band)(const nno_run *run, float *dst, int64_t h, int64_t w, const elem *image, int64_t rows,
				int64_t columns, int64_t channels, int64_t from, int64_t left)
{
	int64_t first = nno_i64_max(0, -left), last = nno_i64_min(w, columns - left);
	size_t pixel = (size_t)channels * sizeof(float);
	for (int64_t y = 0; y < h; y++, dst += w * channels) {
		int64_t row = from + y;
		if (row < 0 || row >= rows || first >= last) {
			memset(dst, 0, (size_t)w * pixel);
			continue;
		}
		memset(dst, 0, (size_t)first * pixel);
		kernels_of(run)->widen(dst + first * channels, image + (row * columns + left + first) * channels,
				       (last - first) * channels);
		memset(dst + last * channels, 0, (size_t)(w - last) * pixel);
	}
}

typedef struct forward_job {
	const nno_op *op;
	nno_run *run;
	nno_conv_plan p;
	int64_t columns, blocks; /* results of a task, and tasks of a band */
	const float *packed;     /* or NULL */
} forward_job;

/* Panels of NNO_CONV_PANEL columns, one after the other: read in a line. */
static void pack_to(float *to, const nno_op *op, const nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	int64_t rows = a->kernel_h * a->kernel_w * op->in[0].c, out = op->out.c;
	for (int64_t column = 0; column < out; column += NNO_CONV_PANEL) {
		int64_t n = nno_i64_min(NNO_CONV_PANEL, out - column);
		for (int64_t r = 0; r < rows; r++, to += n)
			memcpy(to, run->param[0] + r * out + column, (size_t)n * sizeof(float));
	}
}

static void pack(const nno_op *op, nno_run *run) { pack_to(run->packed, op, run); }

/* Few bands are not enough tasks for many threads: then each band's channels are shared out as well. */
static void share_columns(forward_job *j)
{
	const nno_conv_attr *a = j->op->attr;
	int64_t out = j->op->out.c;
	bool share = a->groups == 1 && !a->pooled && j->run->n * j->p.bands < 16;
	j->columns = share ? nno_i64_min(out, NNO_CONV_PANEL) : out;
	j->blocks = nno_i64_ceil_div(out, j->columns);
}

/* Where the taps are in the band, and the row of one group's weights each begins with. Neighbouring taps of a pixel row
 * are one long tap where they are contiguous on both sides. */
static int64_t list_taps(const nno_op *op, int64_t band_w, int64_t *a_off, int64_t *b_off, int64_t *k)
{
	const nno_conv_attr *a = op->attr;
	int64_t c = op->in[0].c, depth = c / a->groups;
	bool merge = a->groups == 1 && a->dilation_w == 1;
	int64_t across = merge ? 1 : a->kernel_w, n = 0;
	*k = merge ? a->kernel_w * c : depth;
	for (int64_t y = 0; y < a->kernel_h; y++)
		for (int64_t x = 0; x < across; x++) {
			a_off[n] = (y * a->dilation_h * band_w + x * a->dilation_w) * c;
			b_off[n++] = (y * a->kernel_w + x) * depth;
		}
	return n;
}

void NNO_OF(nno_conv_pool_band)(const nno_op *op, const nno_run *run, const elem *made, int64_t image, int64_t from,
				int64_t rows)
{
	int relu = nno_clamp_flags(((const nno_conv_attr *)op->attr)->activation);
	int64_t row = op->out.w * op->out.c;
	for (int64_t y = 0; y < rows; y += 2) {
		int64_t at = (image * op->out.h + (from + y) / 2) * row;
		uint8_t *place = run->saved != NULL ? (uint8_t *)run->saved + at : NULL;
		kernels_of(run)->max_pool2(dst_of(run) + at, place, made + 2 * y * row, made + 2 * (y + 1) * row,
					   op->out.w, op->out.c, relu);
	}
}

const elem *NNO_OF(nno_conv_spread_rows)(const nno_op *op, const nno_run *run, int64_t image, int64_t from,
					 int64_t until, elem *room)
{
	int64_t row = op->out.w * op->out.c;
	for (int64_t y = from; y < until; y++) {
		int64_t at = (image * op->out.h + y) * row;
		elem *top = room + 4 * (y - from) * row;
		kernels_of(run)->max_pool2_gradient(top, top + 2 * row, ddst_of(run) + at, (uint8_t *)run->saved + at,
						    op->out.w, op->out.c, 0);
	}
	return room;
}

static void forward_band(void *user, int64_t index, int slot)
{
	const forward_job *j = user;
	const nno_op *op = j->op;
	const nno_conv_attr *a = op->attr;
	nno_run *run = j->run;
	nno_shape in = op->in[0], out = nno_conv_result(op);
	int64_t band_index = index / j->blocks, column = index % j->blocks * j->columns;
	int64_t image = band_index / j->p.bands, from = band_index % j->p.bands * j->p.rows;
	int64_t rows = nno_i64_min(j->p.rows, out.h - from);
	char *scratch = (char *)run->workspace + (size_t)slot * j->p.slot_bytes;
	float *band = (float *)(void *)scratch;
	const float **pixel = (const float **)(void *)(scratch + j->p.band_bytes);
	elem **result = (elem **)(void *)(scratch + j->p.band_bytes + j->p.pointer_bytes);
	int64_t *a_off = (int64_t *)(void *)(scratch + j->p.band_bytes + 2 * j->p.pointer_bytes);
	int64_t *b_off = (int64_t *)(void *)((char *)a_off + j->p.tap_bytes);
	int64_t *b_at = (int64_t *)(void *)((char *)b_off + j->p.tap_bytes);
	int64_t band_h = (rows - 1) * a->stride_h + a->dilation_h * (a->kernel_h - 1) + 1;
	NNO_OF(nno_conv_copy_band)
	(run, band, band_h, j->p.band_w, src_of(run, 0) + image * nno_shape_count(in), in.h, in.w, in.c,
	 from * a->stride_h - a->pad_h, -a->pad_w);
	elem *dst = a->pooled ? (elem *)(void *)((char *)a_off + 3 * j->p.tap_bytes)
			      : dst_of(run) + (image * out.h + from) * out.w * out.c;
	for (int64_t y = 0; y < rows; y++)
		for (int64_t x = 0; x < out.w; x++) {
			pixel[y * out.w + x] = band + (y * a->stride_h * j->p.band_w + x * a->stride_w) * in.c;
			result[y * out.w + x] = dst + (y * out.w + x) * out.c;
		}
	int64_t k, taps = list_taps(op, j->p.band_w, a_off, b_off, &k);
	int flags = nno_stream_flag(run->n * nno_shape_count(out)) | nno_conv_flags(op);
	int64_t end = nno_i64_min(column + j->columns, out.c), group_in = in.c / a->groups;
	int64_t most = j->packed != NULL ? NNO_CONV_PANEL : out.c / a->groups, ldb = out.c;
	while (column < end) {
		int64_t n = nno_i64_min(most, end - column);
		const float *weights = run->param[0] + column;
		if (j->packed != NULL) {
			ldb = n;
			weights = j->packed + column * k * taps;
		}
		for (int64_t t = 0; t < taps; t++)
			b_at[t] = b_off[t] * ldb;
		kernels_of(run)->gemm_rows(rows * out.w, n, k, taps, pixel, a_off, weights, b_at, ldb, result, column,
					   a->bias ? run->param[1] + column : NULL, a->pooled ? 0 : flags);
		column += n;
		for (int64_t t = 0; a->groups > 1 && t < taps; t++)
			a_off[t] += group_in;
	}
	if (a->pooled)
		NNO_OF(nno_conv_pool_band)(op, run, dst, image, from, rows);
}

static void forward(const nno_op *op, nno_run *run)
{
	forward_job j = { .op = op, .run = run };
	(void)nno_conv_layout(op, &j.p);
	share_columns(&j);
	j.packed = run->packed;
	if (packs_anew(op, &j.p, run->n)) {
		size_t slots = (size_t)nno_pool_slots(run->pool) * j.p.slot_bytes;
		float *room = (float *)(void *)((char *)run->workspace + slots);
		pack_to(room, op, run);
		j.packed = room;
	}
	nno_parallel_for(run->pool, run->n * j.p.bands * j.blocks, forward_band, &j);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	if (a->activation == NNO_ACT_RELU && !a->pooled)
		NNO_OF(nno_mask_relu)(op, run);
	if (op->wants_dparam)
		NNO_OF(nno_conv_backward_weights)(op, run);
	if (run->dsrc[0] != NULL)
		NNO_OF(nno_conv_backward_data)(op, run);
}

NNO_OP_CODE(conv) = { .book = book, .forward = forward, .backward = backward, .pack = pack };
