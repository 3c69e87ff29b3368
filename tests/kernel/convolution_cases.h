/* convolution_cases.h - the cases of typed_cases.c of the kernels that convolutions, pooling and matrix products are
 * made of. What is streamed is as aligned as that wants, by its sizes. */
#ifndef TESTS_KERNEL_CONVOLUTION_CASES_H
#define TESTS_KERNEL_CONVOLUTION_CASES_H

#include "values.h"

enum { WIDEST = 16 }; /* values in a vector of any ISA */

/* A ReLU is a ReLU6 every other time. */
static int with_six(const frame *f, int flags)
{
	return flags & NNO_GEMM_RELU && f->n % 2 ? flags | NNO_GEMM_SIX : flags;
}

static void check_gemm_rows(frame *f)
{
	enum { ROWS = 40, TAPS = 4 };
	int64_t rows = size_of(f, 1, ROWS), k = size_of(f, 2, 37), n = size_of(f, 3, 150), taps = size_of(f, 4, TAPS);
	for (int flags = 0; flags < 8; flags++) {
		int stream = flags & NNO_STREAM;
		n = stream ? WIDEST * size_of(f, 3, 9) : n;
		const float *a[ROWS];
		elem *c[ROWS];
		int64_t a_off[TAPS], b_off[TAPS], ldb = n + flags, off = stream ? flags / 2 % 2 * WIDEST : flags;
		float *from = in(f, (rows + taps) * k, 1), *b = in(f, taps * k * ldb - (ldb - n), 1),
		      *bias = in(f, n, 1);
		elem *to = results(f, rows * (n + off));
		for (int64_t r = 0; r < rows; r++) {
			a[r] = from + r * k;
			c[r] = to + r * (n + off);
		}
		for (int64_t t = 0; t < taps; t++) {
			a_off[t] = t * k;
			b_off[t] = (taps - 1 - t) * k * ldb;
		}
		of(f)->gemm_rows(rows, n, k, taps, a, a_off, b, b_off, ldb, c, off, (f->n + flags) % 2 ? bias : NULL,
				 with_six(f, flags));
	}
}

static void check_gemm(frame *f)
{
	int64_t m = size_of(f, 1, 40), k = size_of(f, 2, 37);
	for (int flags = 0; flags < 16; flags++) {
		int stream = flags & NNO_STREAM;
		int64_t n = stream ? WIDEST * size_of(f, 3, 9) : size_of(f, 3, 150);
		int64_t lda = k + flags, ldb = n + 2 * flags, ldc = n + (stream ? flags / 2 % 2 * WIDEST : flags);
		float *a = in(f, m * lda - (lda - k), 1), *b = in(f, k * ldb - (ldb - n), 1), *bias = in(f, n, 1);
		of(f)->gemm(m, n, k, a, lda, b, ldb, results(f, m * ldc - (ldc - n)), ldc,
			    (f->n + flags) % 2 ? bias : NULL, with_six(f, flags));
	}
}

/* A picture of no particular size, its tiles, and a range of them. */
typedef struct tiles {
	nno_tiling t;
	int64_t from, count, step;
} tiles;

/* Channels are a multiple of `of_channels`. */
static tiles tiles_of(const frame *f, int64_t of_channels)
{
	tiles x = { .t = { .h = size_of(f, 1, 13),
			   .w = size_of(f, 2, 11),
			   .c = of_channels * size_of(f, 3, 50 / of_channels),
			   .pad_h = f->n % 3,
			   .pad_w = f->n / 3 % 3 } };
	x.t.across = (x.t.w + 3) / 4;
	int64_t all = x.t.across * ((x.t.h + 3) / 4);
	x.from = f->n % 2 < all ? f->n % 2 : 0;
	x.count = all - x.from;
	x.step = x.count * x.t.c + 3;
	return x;
}

static void check_winograd_input(frame *f)
{
	tiles x = tiles_of(f, 1);
	elem *image = values(f, x.t.h * x.t.w * x.t.c, 1);
	of(f)->winograd_input(out(f, 36 * x.step - 3), x.step, image, &x.t, x.from, x.count);
}

static void check_winograd_gradient(frame *f)
{
	tiles x = tiles_of(f, 1);
	elem *image = values(f, x.t.h * x.t.w * x.t.c, 1);
	of(f)->winograd_gradient(out(f, 36 * x.step - 3), x.step, image, &x.t, x.from, x.count);
}

static void check_winograd_output(frame *f)
{
	for (int flags = 0; flags < 8; flags++) {
		int64_t part = flags & NNO_STREAM ? WIDEST : 1;
		tiles x = tiles_of(f, part);
		/* Some of the picture's channels, its last ones. */
		int64_t n = flags % 4 == 3 ? x.t.c : (x.t.c / part / 2 + 1) * part;
		float *m = in(f, 36 * x.step, 0.0625f), *bias = in(f, n, 1);
		elem *image = results(f, x.t.h * x.t.w * x.t.c);
		of(f)->winograd_output(image + x.t.c - n, &x.t, m, x.step, x.from, x.count, n,
				       (f->n / 2 + flags) % 2 ? bias : NULL, with_six(f, flags));
	}
}

/* Taps that have a walk of their own, and others; strides and dilations likewise. */
static void check_depthwise_row(frame *f)
{
	int64_t c = size_of(f, 1, 50), width = size_of(f, 2, 11), count = size_of(f, 3, 10), rows = f->n % 4;
	int stream = f->n / 2 % 2 ? NNO_STREAM : 0;
	for (int flags = 0; flags < 4; flags++) {
		nno_depthwise_row row = { .rows = rows,
					  .row_step = width * c + flags,
					  .width = width,
					  .from = size_of(f, 4, 8) - 5,
					  .stride = size_of(f, 5 + flags, 3),
					  .dilation = 1 + (f->n + flags) % 4 / 3,
					  .taps = f->n / 4 % 8,
					  .dst_step = stream ? (c + LINE - 1) / LINE * LINE : c + flags,
					  .count = count };
		float *weights = in(f, (rows * row.taps + 1) * c, 1), *bias = in(f, c, 1);
		int backwards = flags & 1;
		row.weight_row = row.taps * c * (backwards ? -1 : 1);
		row.weight_tap = backwards ? -c : c;
		row.weights = weights + (backwards && rows * row.taps > 0 ? (rows * row.taps - 1) * c : 0);
		row.bias = flags & 2 ? bias : NULL;
		row.src = values(f, rows * row.row_step, 1);
		row.dst = results(f, count * row.dst_step);
		of(f)->depthwise_row(&row, c, with_six(f, flags | stream));
	}
}

static void check_depthwise_weights(frame *f)
{
	for (int flags = 0; flags < 2; flags++) {
		int64_t c = size_of(f, 1, 50), out_h = size_of(f, 2, 7), from = f->n % out_h;
		nno_depthwise p = { .h = size_of(f, 3, 9),
				    .w = size_of(f, 4, 11),
				    .out_w = size_of(f, 5, 10),
				    .kernel_h = 3,
				    .kernel_w = 3,
				    .stride_h = size_of(f, 6, 3),
				    .stride_w = size_of(f, 7 + flags, 3),
				    .pad_h = f->n % 3,
				    .pad_w = f->n / 2 % 4,
				    .dilation_h = 1,
				    .dilation_w = 1 };
		if (f->n % 3 > 0) {
			p.kernel_h = size_of(f, 8, 5);
			p.kernel_w = f->n % 3 == 1 ? 5 + f->n / 3 % 2 * 2 : size_of(f, 9, 7);
			p.dilation_w = 1 + f->n / 4 % 3 / 2;
		}
		elem *x = values(f, p.h * p.w * c, 1), *dy = values(f, out_h * p.out_w * c, 1);
		of(f)->depthwise_weights(out(f, p.kernel_h * p.kernel_w * c), x, dy, &p, from, out_h, c, flags);
	}
}

/* What a maximum over `most` pixels may have noted. */
static uint8_t *places(frame *f, int64_t count, int64_t most)
{
	uint8_t *p = take(f, (size_t)count);
	for (int64_t i = 0; i < count; i++)
		p[i] = (uint8_t)((i * 7 + f->n) % most);
	return p;
}

static void check_max_pool2(frame *f)
{
	int64_t count = 1 + f->n % 3;
	for (int i = 0; i < 4; i++) {
		int64_t n = i == 3 ? LINE * (1 + f->n / 96) : 1 + f->n / 3;
		elem *top = values_and_nans(f, 2 * count * n, 1), *bottom = values_and_nans(f, 2 * count * n, 1),
		     *y = results(f, count * n);
		of(f)->max_pool2(y, i == 1 ? NULL : bytes_out(f, count * n), top, bottom, count, n,
				 i == 2   ? NNO_GEMM_RELU
				 : i == 3 ? NNO_STREAM
					  : 0);
	}
}

static const int pool_gradient_flags[] = { 0, NNO_GEMM_ADD, NNO_STREAM, NNO_STREAM | NNO_GEMM_ADD };

static void check_max_pool2_gradient(frame *f)
{
	int64_t count = 1 + f->n % 3, n = f->n % 2 ? f->n : LINE * (1 + f->n / 32);
	for (int i = 0; i < 4; i++) {
		elem *dy = values(f, count * n, 1), *top = results(f, 2 * count * n),
		     *bottom = results(f, 2 * count * n);
		/* 4 and 5: of pixels that were not above zero. */
		of(f)->max_pool2_gradient(top, bottom, dy, places(f, count * n, 6), count, n, pool_gradient_flags[i]);
	}
}

/* Of 16 x 16 pixels, whose last has the place 255, or smaller ones. */
static nno_window window_of(const frame *f, int64_t n)
{
	int64_t columns = size_of(f, 2, 5);
	if (f->n % 16 == 0 && f->n < 64)
		return (nno_window){ 16, 16, 16 * n };
	return (nno_window){ .rows = size_of(f, 1, 5), .columns = columns, .row_step = (columns + f->n % 2) * n };
}

static void check_max_window(frame *f)
{
	int64_t n = 1 + f->n / 3;
	nno_window w = window_of(f, n);
	elem *x = values_and_nans(f, w.rows * w.row_step, 1);
	for (int i = 0; i < 3; i++) {
		elem *y = results(f, n);
		w.rows -= i == 2 && w.rows == 16; /* that place is taken then */
		of(f)->max_window(y, i == 1 ? NULL : bytes_out(f, n), x, &w, n, i == 2 ? NNO_GEMM_RELU : 0);
	}
}

static void check_max_window_gradient(frame *f)
{
	int64_t n = 1 + f->n / 3;
	nno_window w = window_of(f, n);
	for (int i = 0; i < 4; i++) {
		elem *dy = values(f, n, 1), *dx = results(f, w.rows * w.row_step);
		of(f)->max_window_gradient(dx, dy, places(f, n, w.rows * w.columns), &w, n, pool_gradient_flags[i]);
	}
}

static void check_sum_window(frame *f)
{
	nno_window w = window_of(f, f->n);
	elem *x = values(f, w.rows * w.row_step, 1);
	of(f)->sum_window(results(f, f->n), x, &w, 0.25f, f->n);
}

static void check_spread_window(frame *f)
{
	nno_window w = window_of(f, f->n);
	for (int i = 0; i < 4; i++) {
		elem *dy = values(f, f->n, 1);
		of(f)->spread_window(results(f, w.rows * w.row_step), dy, &w, 0.25f, f->n, pool_gradient_flags[i]);
	}
}

#endif
