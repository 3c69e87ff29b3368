/* depthwise.c - convolution of each channel by itself, channels in the lanes: four results of a row stay in registers
 * while their taps stream by. The gradient of the input is the same walk with its taps backwards. Columns outside the
 * picture are zeros that are never read, so nothing is copied to make room for padding. */
#include "kernel/body.h"

#include <stdbool.h>

enum { TILE = 4, MOST_TAPS = 7, MOST_COLUMNS = (TILE - 1) * 2 + MOST_TAPS };

/* A tile of a row, for all channels. */
typedef struct tile {
	const nno_depthwise_row *row;
	const elem *src; /* its first column, which may lie outside */
	elem *dst;
	unsigned inside; /* bit j: its column j is inside the picture */
	int flags;
} tile;

/* Adds one row of taps to each result. `count` results, `taps` and `stride` are constants at every call, as is `all`:
 * every column is inside. */
NNO_INLINE void add_taps(vf acc[TILE], const elem *src, const float *weights, const tile *t, int64_t step,
			 int64_t width, const int count, const int taps, const int stride, const int all)
{
	vf w[MOST_TAPS];
#pragma GCC unroll 8
	for (int k = 0; k < taps; k++)
		w[k] = load_some(weights + k * t->row->weight_tap, width);
#pragma GCC unroll 16
	for (int j = 0; j < (count - 1) * stride + taps; j++) {
		vf x = all || (t->inside >> j & 1) ? get_some(src + j * step, width) : v_zero();
#pragma GCC unroll 8
		for (int i = 0; i < count; i++)
			if (j - i * stride >= 0 && j - i * stride < taps)
				acc[i] = v_fma(x, w[j - i * stride], acc[i]);
	}
}

/* The same for any taps, from column `from` on of a picture `row->width` wide. */
NNO_INLINE void add_any_taps(vf acc[TILE], const elem *src, const float *weights, const nno_depthwise_row *row,
			     int64_t from, int64_t step, int64_t width, const int count)
{
	for (int64_t k = 0; k < row->taps; k++) {
		vf w = load_some(weights + k * row->weight_tap, width);
#pragma GCC unroll 8
		for (int i = 0; i < count; i++) {
			int64_t column = i * row->stride + k * row->dilation;
			if (from + column >= 0 && from + column < row->width)
				acc[i] = v_fma(get_some(src + column * step, width), w, acc[i]);
		}
	}
}

NNO_INLINE void start_results(vf acc[TILE], const tile *t, int64_t ch, int64_t width, const int count)
{
	vf bias = t->row->bias != NULL ? load_some(t->row->bias + ch, width) : v_zero();
#pragma GCC unroll 8
	for (int i = 0; i < count; i++) {
		acc[i] = bias;
		if (t->flags & NNO_GEMM_ADD)
			acc[i] = v_add(bias, get_some(t->dst + i * t->row->dst_step + ch, width));
	}
}

NNO_INLINE void finish_results(const vf acc[TILE], const tile *t, int64_t ch, int64_t width, const int count)
{
#pragma GCC unroll 8
	for (int i = 0; i < count; i++) {
		elem *dst = t->dst + i * t->row->dst_step + ch;
		vf x = v_clamp(acc[i], t->flags);
		if (t->flags & NNO_STREAM && width >= VL)
			put_past(dst, x);
		else
			put_some(dst, x, width);
	}
}

/* taps 0: any number, any stride, any dilation, from column `from` on. */
NNO_INLINE void tile_vector(const tile *t, int64_t from, int64_t n, int64_t ch, int64_t width, const int count,
			    const int taps, const int stride, const int all)
{
	const nno_depthwise_row *row = t->row;
	const elem *src = t->src + ch;
	const float *weights = row->weights + ch;
	vf acc[TILE];
	start_results(acc, t, ch, width, count);
	for (int64_t y = 0; y < row->rows; y++, src += row->row_step, weights += row->weight_row)
		if (taps > 0)
			add_taps(acc, src, weights, t, n, width, count, taps, stride, all);
		else
			add_any_taps(acc, src, weights, row, from, n, width, count);
	finish_results(acc, t, ch, width, count);
}

NNO_INLINE void tile_channels(const tile *t, int64_t from, int64_t n, const int count, const int taps, const int stride,
			      const int all)
{
	int64_t ch = 0;
	for (; ch + VL <= n; ch += VL)
		tile_vector(t, from, n, ch, VL, count, taps, stride, all);
	if (ch < n)
		tile_vector(t, from, n, ch, n - ch, count, taps, stride, all);
}

NNO_INLINE unsigned columns_inside(int64_t from, int columns, int64_t width)
{
	unsigned inside = 0;
	for (int j = 0; j < columns; j++)
		inside |= (unsigned)(from + j >= 0 && from + j < width) << j;
	return inside;
}

NNO_INLINE void walk_row(const nno_depthwise_row *row, int64_t n, int flags, const int taps, const int stride)
{
	const int columns = (TILE - 1) * stride + taps;
	for (int64_t i = 0; i < row->count;) {
		int64_t from = row->from + i * row->stride;
		tile t = { row, (const elem *)row->src + from * n, (elem *)row->dst + i * row->dst_step, 0, flags };
		int whole = i + TILE <= row->count;
		if (taps > 0)
			t.inside = columns_inside(from, whole ? columns : taps, row->width);
		if (taps > 0 && whole && t.inside == (1u << columns) - 1)
			tile_channels(&t, from, n, TILE, taps, stride, 1);
		else if (whole)
			tile_channels(&t, from, n, TILE, taps, stride, 0);
		else
			tile_channels(&t, from, n, 1, taps, stride, 0);
		i += whole ? TILE : 1;
	}
}

static void row_1(const nno_depthwise_row *row, int64_t n, int flags) { walk_row(row, n, flags, 1, 1); }
static void row_2(const nno_depthwise_row *row, int64_t n, int flags) { walk_row(row, n, flags, 2, 1); }
static void row_3(const nno_depthwise_row *row, int64_t n, int flags) { walk_row(row, n, flags, 3, 1); }
static void row_5(const nno_depthwise_row *row, int64_t n, int flags) { walk_row(row, n, flags, 5, 1); }
static void row_7(const nno_depthwise_row *row, int64_t n, int flags) { walk_row(row, n, flags, 7, 1); }
static void row_3_by_2(const nno_depthwise_row *row, int64_t n, int flags) { walk_row(row, n, flags, 3, 2); }
static void row_5_by_2(const nno_depthwise_row *row, int64_t n, int flags) { walk_row(row, n, flags, 5, 2); }
static void row_any(const nno_depthwise_row *row, int64_t n, int flags) { walk_row(row, n, flags, 0, 0); }

void NNO_OF(depthwise_row)(const nno_depthwise_row *row, int64_t n, int flags)
{
	static void (*const rows[2][MOST_TAPS + 1])(const nno_depthwise_row *, int64_t, int) = {
		{ NULL, row_1, row_2, row_3, NULL, row_5, NULL, row_7 },
		{ NULL, NULL, NULL, row_3_by_2, NULL, row_5_by_2 },
	};
	bool known = row->taps >= 1 && row->taps <= MOST_TAPS && row->stride <= 2 && row->dilation == 1;
	void (*run)(const nno_depthwise_row *, int64_t, int) = known ? rows[row->stride - 1][row->taps] : NULL;
	bool whole_lines = fills_lines(row->dst, row->dst_step, 64 / (int64_t)sizeof(elem));
	int how = whole_lines ? flags : flags & ~NNO_STREAM;
	if (run != NULL)
		run(row, n, how);
	else
		row_any(row, n, how);
	if (how & NNO_STREAM)
		v_stream_end();
}

/* --- gradient of the weights: the taps' sums stay in registers over all rows given --- */

enum { MOST_SUMS = 9 };

typedef struct sums_job {
	const nno_depthwise *p;
	const elem *x, *dy;
	int64_t from, to, n;
} sums_job;

/* Adds `count` pixels of the gradient from (y, i) on to `rows` rows of taps from number `ky` on. */
NNO_INLINE void add_pixels(vf acc[MOST_SUMS], const sums_job *job, int64_t y, int64_t i, int64_t ky, int64_t ch,
			   int64_t width, const int count, const int rows, const int taps, const int stride,
			   const int all)
{
	const nno_depthwise *p = job->p;
	const int columns = (count - 1) * stride + taps;
	int64_t from = i * stride - p->pad_w;
	vf dy[TILE];
#pragma GCC unroll 8
	for (int c = 0; c < count; c++)
		dy[c] = get_some(job->dy + (y * p->out_w + i + c) * job->n + ch, width);
#pragma GCC unroll 4
	for (int k = 0; k < rows; k++) {
		int64_t line = y * p->stride_h - p->pad_h + ky + k;
		if (line < 0 || line >= p->h)
			continue;
		const elem *src = job->x + (line * p->w + from) * job->n + ch;
#pragma GCC unroll 16
		for (int j = 0; j < columns; j++) {
			if (!all && (from + j < 0 || from + j >= p->w))
				continue;
			vf x = get_some(src + j * job->n, width);
#pragma GCC unroll 8
			for (int c = 0; c < count; c++)
				if (j - c * stride >= 0 && j - c * stride < taps)
					acc[k * taps + j - c * stride] =
					    v_fma(x, dy[c], acc[k * taps + j - c * stride]);
		}
	}
}

NNO_INLINE void add_line(vf acc[MOST_SUMS], const sums_job *job, int64_t y, int64_t ky, int64_t ch, int64_t width,
			 const int rows, const int taps, const int stride)
{
	const nno_depthwise *p = job->p;
	int64_t i = 0;
	for (; i + TILE <= p->out_w; i += TILE) {
		int64_t from = i * stride - p->pad_w;
		if (from >= 0 && from + (TILE - 1) * stride + taps <= p->w)
			add_pixels(acc, job, y, i, ky, ch, width, TILE, rows, taps, stride, 1);
		else
			add_pixels(acc, job, y, i, ky, ch, width, TILE, rows, taps, stride, 0);
	}
	for (; i < p->out_w; i++)
		add_pixels(acc, job, y, i, ky, ch, width, 1, rows, taps, stride, 0);
}

/* The sums of `rows` rows of taps at a time; the kernel has a multiple of them. */
NNO_INLINE void sum_vector(float *dw, const sums_job *job, int64_t ch, int64_t width, int flags, const int rows,
			   const int taps, const int stride)
{
	for (int64_t ky = 0; ky < job->p->kernel_h; ky += rows) {
		vf acc[MOST_SUMS];
		float *dst = dw + ky * taps * job->n + ch;
#pragma GCC unroll 16
		for (int k = 0; k < rows * taps; k++)
			acc[k] = flags & NNO_GEMM_ADD ? load_some(dst + k * job->n, width) : v_zero();
		for (int64_t y = job->from; y < job->to; y++)
			add_line(acc, job, y, ky, ch, width, rows, taps, stride);
#pragma GCC unroll 16
		for (int k = 0; k < rows * taps; k++)
			store_some(dst + k * job->n, acc[k], width);
	}
}

NNO_INLINE void sum_channels(float *dw, const sums_job *job, int flags, const int rows, const int taps,
			     const int stride)
{
	int64_t ch = 0;
	for (; ch + VL <= job->n; ch += VL)
		sum_vector(dw, job, ch, VL, flags, rows, taps, stride);
	if (ch < job->n)
		sum_vector(dw, job, ch, job->n - ch, flags, rows, taps, stride);
}

/* One tap of any kernel; four sums, so that none waits for itself. */
static vf sum_any_tap(const sums_job *job, int64_t ky, int64_t kx, int64_t ch, int64_t width)
{
	const nno_depthwise *p = job->p;
	vf acc[TILE] = { v_zero(), v_zero(), v_zero(), v_zero() };
	for (int64_t y = job->from; y < job->to; y++) {
		int64_t line = y * p->stride_h - p->pad_h + ky * p->dilation_h;
		if (line < 0 || line >= p->h)
			continue;
		for (int64_t i = 0; i < p->out_w; i += TILE)
			for (int c = 0; c < TILE && i + c < p->out_w; c++) {
				int64_t column = (i + c) * p->stride_w - p->pad_w + kx * p->dilation_w;
				if (column < 0 || column >= p->w)
					continue;
				vf x = get_some(job->x + (line * p->w + column) * job->n + ch, width);
				vf dy = get_some(job->dy + (y * p->out_w + i + c) * job->n + ch, width);
				acc[c] = v_fma(x, dy, acc[c]);
			}
	}
	return v_add(v_add(acc[0], acc[1]), v_add(acc[2], acc[3]));
}

static void sum_any(float *dw, const sums_job *job, int flags)
{
	const nno_depthwise *p = job->p;
	for (int64_t k = 0; k < p->kernel_h * p->kernel_w; k++, dw += job->n)
		for (int64_t ch = 0; ch < job->n; ch += VL) {
			int64_t width = job->n - ch;
			vf sum = sum_any_tap(job, k / p->kernel_w, k % p->kernel_w, ch, width);
			if (flags & NNO_GEMM_ADD)
				sum = v_add(sum, load_some(dw + ch, width));
			store_some(dw + ch, sum, width);
		}
}

static void sum_3(float *dw, const sums_job *job, int flags) { sum_channels(dw, job, flags, 3, 3, 1); }
static void sum_3_by_2(float *dw, const sums_job *job, int flags) { sum_channels(dw, job, flags, 3, 3, 2); }
static void sum_5(float *dw, const sums_job *job, int flags) { sum_channels(dw, job, flags, 1, 5, 1); }
static void sum_5_by_2(float *dw, const sums_job *job, int flags) { sum_channels(dw, job, flags, 1, 5, 2); }
static void sum_7(float *dw, const sums_job *job, int flags) { sum_channels(dw, job, flags, 1, 7, 1); }

void NNO_OF(depthwise_weights)(float *dw, const elem *x, const elem *dy, const nno_depthwise *p, int64_t from,
			       int64_t to, int64_t n, int flags)
{
	sums_job job = { p, x, dy, from, to, n };
	bool dense = p->dilation_h == 1 && p->dilation_w == 1 && p->stride_w <= 2;
	if (dense && p->kernel_h == 3 && p->kernel_w == 3)
		(p->stride_w == 1 ? sum_3 : sum_3_by_2)(dw, &job, flags);
	else if (dense && p->kernel_w == 5)
		(p->stride_w == 1 ? sum_5 : sum_5_by_2)(dw, &job, flags);
	else if (dense && p->kernel_w == 7 && p->stride_w == 1)
		sum_7(dw, &job, flags);
	else
		sum_any(dw, &job, flags);
}
