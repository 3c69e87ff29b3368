/* conv.c - convolution forward, as an implicit product: a task is a band of output rows of one image. Its input rows
 * are copied once into a zero-padded band that stays in cache, so that no tap needs a bounds check and a register tile
 * may be any pixels; weights are read where they are. */
#include "op/conv.h"

#include "base/size.h"
#include "op/parallel.h"

#include <string.h>

#define BAND_BYTES (128 * 1024)
#define PANEL 64 /* columns of packed weights, or of a task when bands are few */

static int64_t rows_for(int64_t row_bytes, int64_t rows, int64_t step, int64_t reach)
{
	int64_t fit = (BAND_BYTES / row_bytes - reach) / step + 1;
	return fit < 1 ? 1 : fit > rows ? rows : fit;
}

/* Padding, unlike the pictures themselves, has no memory that bounds it. */
static bool volume(int64_t h, int64_t w, int64_t c, int64_t *count)
{
	return nno_i64_mul(h, w, count) && nno_i64_mul(*count, c, count) && *count < INT64_MAX / 64;
}

bool nno_conv_layout(const nno_op *op, nno_conv_plan *p)
{
	const nno_conv_attr *a = op->attr;
	nno_shape in = op->in[0], out = op->out;
	memset(p, 0, sizeof *p);
	int64_t reach_h = a->dilation_h * (a->kernel_h - 1) + 1;
	p->band_w = in.w + 2 * a->pad_w;
	p->rows = rows_for(p->band_w * in.c * 4, out.h, a->stride_h, reach_h);
	if (op->batch < 8) { /* tasks for several threads, each of several register tiles */
		int64_t share = nno_i64_max(nno_i64_ceil_div(out.h * op->batch, 8), nno_i64_ceil_div(56, out.w));
		p->rows = nno_i64_min(p->rows, share);
	}
	p->bands = nno_i64_ceil_div(out.h, p->rows);
	p->band_h = (p->rows - 1) * a->stride_h + reach_h;
	/* Input column x meets output columns (x + pad) / stride - t for t = 0 .. dilation (kernel - 1) / stride. */
	int64_t span_w = a->dilation_w * (a->kernel_w - 1) / a->stride_w,
		span_h = a->dilation_h * (a->kernel_h - 1) / a->stride_h;
	p->grad_left = a->pad_w / a->stride_w - span_w;
	p->grad_w = (in.w - 1 + a->pad_w) / a->stride_w - p->grad_left + 1;
	int64_t grad_row = p->grad_w * out.c * 4;
	int64_t fit = (BAND_BYTES / grad_row - span_h - 1) * a->stride_h;
	p->data_rows = fit < a->stride_h ? a->stride_h : fit;
	p->data_rows = p->data_rows > in.h ? in.h : p->data_rows;
	p->data_bands = nno_i64_ceil_div(in.h, p->data_rows);
	p->grad_h = (p->data_rows - 1) / a->stride_h + 2 + span_h;
	p->weight_count = a->kernel_h * a->kernel_w * (in.c / a->groups) * out.c;
	p->bias_count = out.c;
	int64_t band,
	    grad; /* the weight gradient reads a whole padded image, the other passes no more than that of theirs */
	if (!volume(in.h + 2 * a->pad_h, p->band_w, in.c, &band) || !volume(p->grad_h, p->grad_w, out.c, &grad))
		return false;
	band = nno_i64_max(band, grad);
	int64_t pixels = nno_i64_max(p->rows * out.w, p->data_rows * in.w);
	int64_t taps = nno_i64_max(a->kernel_h * a->kernel_w, out.h);
	p->band_bytes = nno_size_round_up((size_t)band * 4, NNO_ALIGNMENT);
	p->pointer_bytes = nno_size_round_up((size_t)pixels * sizeof(void *), NNO_ALIGNMENT);
	p->tap_bytes = nno_size_round_up((size_t)taps * sizeof(int64_t), NNO_ALIGNMENT);
	p->slot_bytes = p->band_bytes + 2 * p->pointer_bytes + 3 * p->tap_bytes;
	p->chunks = nno_i64_min(NNO_CONV_CHUNKS, nno_i64_max(1, ((int64_t)8 << 20) / p->weight_count));
	int64_t partial;
	if (!nno_i64_mul(p->chunks, p->weight_count + p->bias_count, &partial) || partial > INT64_MAX / 16)
		return false;
	p->shared_bytes = nno_size_round_up((size_t)(partial + p->weight_count) * 4, NNO_ALIGNMENT);
	return true;
}

static bool book(nno_op *op, int slots)
{
	nno_conv_plan p;
	if (!nno_conv_layout(op, &p))
		return false;
	const nno_conv_attr *a = op->attr;
	op->packed_bytes = op->constant && a->groups == 1 ? (size_t)p.weight_count * sizeof(float) : 0;
	return nno_i64_mul(nno_shape_count(op->out), p.weight_count / op->out.c, &op->macs) &&
	       nno_size_mul(p.slot_bytes, (size_t)slots, &op->forward_workspace) &&
	       nno_size_add(op->forward_workspace, p.shared_bytes, &op->backward_workspace);
}

void nno_conv_copy_band(float *dst, int64_t h, int64_t w, const float *image, int64_t rows, int64_t columns,
			int64_t channels, int64_t from, int64_t left)
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
		memcpy(dst + first * channels, image + (row * columns + left + first) * channels,
		       (size_t)(last - first) * pixel);
		memset(dst + last * channels, 0, (size_t)(w - last) * pixel);
	}
}

typedef struct forward_job {
	const nno_op *op;
	nno_run *run;
	nno_conv_plan p;
	int64_t columns, blocks; /* results of a task, and tasks of a band */
} forward_job;

/* Panels of PANEL columns, one after the other: read in a line. */
static void pack(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	int64_t rows = a->kernel_h * a->kernel_w * op->in[0].c, out = op->out.c;
	float *to = run->packed;
	for (int64_t column = 0; column < out; column += PANEL) {
		int64_t n = nno_i64_min(PANEL, out - column);
		for (int64_t r = 0; r < rows; r++, to += n)
			memcpy(to, run->param[0] + r * out + column, (size_t)n * sizeof(float));
	}
}

/* Few bands are not enough tasks for many threads: then each band's channels are shared out as well. */
static void share_columns(forward_job *j)
{
	const nno_conv_attr *a = j->op->attr;
	int64_t out = j->op->out.c;
	bool share = a->groups == 1 && j->run->n * j->p.bands < 16;
	j->columns = share ? nno_i64_min(out, PANEL) : out;
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

static void forward_band(void *user, int64_t index, int slot)
{
	const forward_job *j = user;
	const nno_op *op = j->op;
	const nno_conv_attr *a = op->attr;
	nno_run *run = j->run;
	nno_shape in = op->in[0], out = op->out;
	int64_t band_index = index / j->blocks, column = index % j->blocks * j->columns;
	int64_t image = band_index / j->p.bands, from = band_index % j->p.bands * j->p.rows;
	int64_t rows = nno_i64_min(j->p.rows, out.h - from);
	char *scratch = (char *)run->workspace + (size_t)slot * j->p.slot_bytes;
	float *band = (float *)(void *)scratch;
	const float **pixel = (const float **)(void *)(scratch + j->p.band_bytes);
	float **result = (float **)(void *)(scratch + j->p.band_bytes + j->p.pointer_bytes);
	int64_t *a_off = (int64_t *)(void *)(scratch + j->p.band_bytes + 2 * j->p.pointer_bytes);
	int64_t *b_off = (int64_t *)(void *)((char *)a_off + j->p.tap_bytes);
	int64_t *b_at = (int64_t *)(void *)((char *)b_off + j->p.tap_bytes);
	int64_t band_h = (rows - 1) * a->stride_h + a->dilation_h * (a->kernel_h - 1) + 1;
	nno_conv_copy_band(band, band_h, j->p.band_w, run->src[0] + image * nno_shape_count(in), in.h, in.w, in.c,
			   from * a->stride_h - a->pad_h, -a->pad_w);
	float *dst = run->dst + (image * out.h + from) * out.w * out.c;
	for (int64_t y = 0; y < rows; y++)
		for (int64_t x = 0; x < out.w; x++) {
			pixel[y * out.w + x] = band + (y * a->stride_h * j->p.band_w + x * a->stride_w) * in.c;
			result[y * out.w + x] = dst + (y * out.w + x) * out.c;
		}
	int64_t k, taps = list_taps(op, j->p.band_w, a_off, b_off, &k);
	int64_t end = nno_i64_min(column + j->columns, out.c), group_in = in.c / a->groups;
	int64_t most = op->packed_bytes > 0 ? PANEL : out.c / a->groups, ldb = out.c;
	while (column < end) {
		int64_t n = nno_i64_min(most, end - column);
		const float *weights = run->param[0] + column;
		if (op->packed_bytes > 0) {
			ldb = n;
			weights = (const float *)run->packed + column * k * taps;
		}
		for (int64_t t = 0; t < taps; t++)
			b_at[t] = b_off[t] * ldb;
		run->kernels->gemm_rows_f32(rows * out.w, n, k, taps, pixel, a_off, weights, b_at, ldb, result, column,
					    a->bias ? run->param[1] + column : NULL,
					    a->activation == NNO_ACT_RELU ? NNO_GEMM_RELU : 0);
		column += n;
		for (int64_t t = 0; a->groups > 1 && t < taps; t++)
			a_off[t] += group_in;
	}
}

static void forward(const nno_op *op, nno_run *run)
{
	forward_job j = { .op = op, .run = run };
	(void)nno_conv_layout(op, &j.p);
	share_columns(&j);
	nno_parallel_for(run->pool, run->n * j.p.bands * j.blocks, forward_band, &j);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	if (a->activation == NNO_ACT_RELU)
		nno_mask_relu(op, run);
	if (op->wants_dparam)
		nno_conv_backward_weights(op, run);
	if (run->dsrc[0] != NULL)
		nno_conv_backward_data(op, run);
}

const nno_op_class nno_op_conv = {
	.name = "conv",
	.attr_size = sizeof(nno_conv_attr),
	.needs_src = true,
	.can_add = true,
	.book = book,
	.forward = forward,
	.backward = backward,
	.pack = pack,
};
