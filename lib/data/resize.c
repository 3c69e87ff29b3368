/* resize.c - bilinear resizing, antialiased when shrinking: a triangle filter as wide as the scale, within rows first,
 * then across them, with weights in 10.22 fixed point. Pillow's Image.resize(BILINEAR) to the bit, up to version 12 (13
 * takes the other order for some sizes, and so rounds otherwise). Channels are on their own, alpha too, where Pillow
 * weighs colours by alpha: a fourth channel need not be one. */
#include "data/transform.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

#define PRECISION 22
#define BLOCK 16
#define ROUND (1 << (PRECISION - 1))

typedef struct taps {
	int32_t first, count;
} taps;

static double scale_of(int64_t from, int64_t to)
{
	double scale = (double)from / (double)to;
	return scale < 1.0 ? 1.0 : scale;
}

/* Most taps that one target pixel can have. */
static int64_t most_taps(int64_t from, int64_t to) { return (int64_t)ceil(scale_of(from, to)) * 2 + 1; }

static uint8_t clip8(int32_t v)
{
	v >>= PRECISION;
	return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

/* The taps of target pixel `at`; weights[] are doubles first, for their sum, then fixed point in place of them. */
static taps find_taps(int64_t at, int64_t from, int64_t to, double *real, int32_t *weights)
{
	double scale = (double)from / (double)to, width = scale_of(from, to), centre = ((double)at + 0.5) * scale,
	       sum = 0.0;
	int64_t first = nno_i64_max((int64_t)(centre - width + 0.5), 0),
		end = nno_i64_min((int64_t)(centre + width + 0.5), from);
	for (int64_t i = 0; i < end - first; i++) {
		double distance = fabs(((double)(i + first) - centre + 0.5) * (1.0 / width));
		real[i] = distance < 1.0 ? 1.0 - distance : 0.0;
		sum += real[i];
	}
	for (int64_t i = 0; i < end - first; i++) {
		double weight = sum != 0.0 ? real[i] / sum : real[i];
		weights[i] = (int32_t)(weight * (1 << PRECISION) + 0.5);
	}
	return (taps){ (int32_t)first, (int32_t)(end - first) };
}

/* A row to its new width; `most` weights a pixel. */
static void resize_row(uint8_t *to, const uint8_t *from, int64_t to_w, int c, const taps *t, const int32_t *weights,
		       int64_t most)
{
	for (int64_t x = 0; x < to_w; x++, to += c, weights += most)
		for (int i = 0; i < c; i++) {
			const uint8_t *at = from + (int64_t)t[x].first * c + i;
			int32_t sum = ROUND;
			for (int32_t k = 0; k < t[x].count; k++)
				sum += at[k * c] * weights[k];
			to[i] = clip8(sum);
		}
}

/* The same for three channels, whose sums stay in registers: the pictures that there are most of. */
static void resize_row_rgb(uint8_t *to, const uint8_t *from, int64_t to_w, const taps *t, const int32_t *weights,
			   int64_t most)
{
	for (int64_t x = 0; x < to_w; x++, to += 3, weights += most) {
		const uint8_t *at = from + (int64_t)t[x].first * 3;
		int32_t red = ROUND, green = ROUND, blue = ROUND;
		for (int32_t k = 0; k < t[x].count; k++, at += 3) {
			red += at[0] * weights[k];
			green += at[1] * weights[k];
			blue += at[2] * weights[k];
		}
		to[0] = clip8(red);
		to[1] = clip8(green);
		to[2] = clip8(blue);
	}
}

/* The weighted sum of rows, some bytes at a time, so that the sums stay in registers. */
static void mix_rows(uint8_t *to, const uint8_t *const *rows, const int32_t *weights, int32_t count, int64_t n)
{
	int64_t i = 0;
	for (; i + BLOCK <= n; i += BLOCK) {
		int32_t sum[BLOCK];
		for (int j = 0; j < BLOCK; j++)
			sum[j] = ROUND;
		for (int32_t k = 0; k < count; k++)
			for (int j = 0; j < BLOCK; j++)
				sum[j] += rows[k][i + j] * weights[k];
		for (int j = 0; j < BLOCK; j++)
			to[i + j] = clip8(sum[j]);
	}
	for (; i < n; i++) {
		int32_t sum = ROUND;
		for (int32_t k = 0; k < count; k++)
			sum += rows[k][i] * weights[k];
		to[i] = clip8(sum);
	}
}

/* Where things lie in the workspace; the bytes it takes. The rows are a ring as high as the most rows that one target
 * row is made of: each source row is resized once, and a tall picture takes no more than that. */
typedef struct parts {
	double *real;
	taps *columns;
	int32_t *column_weights, *row_weights;
	const uint8_t **lines; /* the rows that one target row is made of */
	uint8_t *rows;
	int64_t most_w, most_h;
} parts;

static size_t lay_out(parts *p, void *workspace, int64_t from_h, int64_t from_w, int64_t to_h, int64_t to_w, int c)
{
	p->most_w = most_taps(from_w, to_w);
	p->most_h = most_taps(from_h, to_h);
	size_t bytes[] = {
		(size_t)nno_i64_max(p->most_w, p->most_h) * sizeof *p->real,
		(size_t)to_w * sizeof *p->columns,
		(size_t)(to_w * p->most_w) * sizeof *p->column_weights,
		(size_t)p->most_h * sizeof *p->row_weights,
		(size_t)p->most_h * sizeof *p->lines,
		(size_t)(p->most_h * to_w * c),
	};
	size_t at[7] = { 0 };
	for (int i = 0; i < 6; i++)
		at[i + 1] = at[i] + nno_size_round_up(bytes[i], NNO_ALIGNMENT);
	if (workspace != NULL) {
		char *base = workspace;
		p->real = (double *)(base + at[0]);
		p->columns = (taps *)(base + at[1]);
		p->column_weights = (int32_t *)(base + at[2]);
		p->row_weights = (int32_t *)(base + at[3]);
		p->lines = (const uint8_t **)(base + at[4]);
		p->rows = (uint8_t *)(base + at[5]);
	}
	return at[6];
}

size_t nno_resize_workspace(int64_t from_h, int64_t from_w, int64_t to_h, int64_t to_w, int c)
{
	parts p;
	return lay_out(&p, NULL, from_h, from_w, to_h, to_w, c);
}

/* The window that is resized. */
typedef struct window {
	const uint8_t *pixels;
	int64_t stride, h, w; /* bytes from row to row */
	int c;
} window;

static void fit_row(const parts *p, uint8_t *to, const window *from, int64_t to_w, int64_t y)
{
	const uint8_t *row = from->pixels + y * from->stride;
	if (from->c == 3)
		resize_row_rgb(to, row, to_w, p->columns, p->column_weights, p->most_w);
	else
		resize_row(to, row, to_w, from->c, p->columns, p->column_weights, p->most_w);
}

static void resize_rows(const parts *p, nno_picture *dst, const window *from)
{
	int64_t n = dst->w * from->c, ready = 0; /* rows before `ready` have been in the ring */
	bool narrows = dst->w != from->w;
	for (int64_t y = 0; y < dst->h; y++) {
		taps t = find_taps(y, from->h, dst->h, p->real, p->row_weights);
		for (ready = nno_i64_max(ready, t.first); narrows && ready < t.first + t.count; ready++)
			fit_row(p, p->rows + ready % p->most_h * n, from, dst->w, ready);
		for (int64_t k = t.first; k < t.first + t.count; k++)
			p->lines[k - t.first] = narrows ? p->rows + k % p->most_h * n : from->pixels + k * from->stride;
		mix_rows(dst->pixels + y * n, p->lines, p->row_weights, t.count, n);
	}
}

void nno_resize_window(nno_picture *dst, const nno_picture *src, int64_t top, int64_t left, int64_t h, int64_t w,
		       void *workspace)
{
	parts p;
	int64_t n = dst->w * src->c;
	window from = { .pixels = src->pixels + (top * src->w + left) * src->c,
			.stride = src->w * src->c,
			.h = h,
			.w = w,
			.c = src->c };
	(void)lay_out(&p, workspace, h, w, dst->h, dst->w, src->c);
	for (int64_t x = 0; dst->w != w && x < dst->w; x++)
		p.columns[x] = find_taps(x, w, dst->w, p.real, p.column_weights + x * p.most_w);
	if (dst->h != h)
		resize_rows(&p, dst, &from);
	for (int64_t y = 0; dst->h == h && y < h; y++)
		if (dst->w != w)
			fit_row(&p, dst->pixels + y * n, &from, dst->w, y);
		else
			memcpy(dst->pixels + y * n, from.pixels + y * from.stride, (size_t)n);
}

void nno_resize(nno_picture *dst, const nno_picture *src, void *workspace)
{
	nno_resize_window(dst, src, 0, 0, src->h, src->w, workspace);
}
