/* convolution_cases.h - check.c's cases of the kernels that convolutions, pooling and matrix products are made of. */
#ifndef TESTS_KERNEL_CONVOLUTION_CASES_H
#define TESTS_KERNEL_CONVOLUTION_CASES_H

/* Sizes of a matrix product that depend on n in no simple way, all small enough for sums of integers to be exact. */
static int64_t size_of(const frame *f, int which, int64_t most)
{
	return 1 + (f->n * 7 + which * 13 + f->n / 3) % most;
}

static void check_gemm_rows_f32(frame *f)
{
	enum { ROWS = 40, TAPS = 4 };
	int64_t rows = size_of(f, 1, ROWS), k = size_of(f, 2, 37), n = size_of(f, 3, 150), taps = size_of(f, 4, TAPS);
	for (int flags = 0; flags < 4; flags++) {
		const float *a[ROWS];
		float *c[ROWS];
		int64_t a_off[TAPS], b_off[TAPS], ldb = n + flags, off = flags;
		float *from = in(f, (rows + taps) * k, 1), *b = in(f, taps * k * ldb - (ldb - n), 1),
		      *bias = in(f, n, 1), *to = out(f, rows * (n + off));
		for (int64_t r = 0; r < rows; r++) {
			a[r] = from + r * k;
			c[r] = to + r * (n + off);
		}
		for (int64_t t = 0; t < taps; t++) {
			a_off[t] = t * k;
			b_off[t] = (taps - 1 - t) * k * ldb;
		}
		f->k->gemm_rows_f32(rows, n, k, taps, a, a_off, b, b_off, ldb, c, off, flags & 1 ? bias : NULL, flags);
	}
}

static void check_gemm_columns_f32(frame *f)
{
	enum { SEGMENTS = 3 };
	int64_t m = size_of(f, 1, 40), n = size_of(f, 2, 90), k = size_of(f, 3, 31), segments = size_of(f, 4, SEGMENTS);
	for (int flags = 0; flags < 2; flags++) {
		int64_t x_off[SEGMENTS], y_off[SEGMENTS], xs = m + flags, ys = n + 2 * flags, ldc = n + flags;
		float *x = in(f, segments * k * xs - (xs - m), 1), *y = in(f, segments * k * ys - (ys - n), 1),
		      *c = out(f, m * ldc - (ldc - n));
		for (int64_t s = 0; s < segments; s++) {
			x_off[s] = s * k * xs;
			y_off[s] = (segments - 1 - s) * k * ys;
		}
		f->k->gemm_columns_f32(m, n, k, segments, x, x_off, xs, y, y_off, ys, c, ldc, flags);
	}
}

static void check_gemm_f32(frame *f)
{
	int64_t m = size_of(f, 1, 40), n = size_of(f, 2, 150), k = size_of(f, 3, 37);
	for (int flags = 0; flags < 2; flags++) {
		int64_t lda = k + flags, ldb = n + 2 * flags, ldc = n + flags;
		float *a = in(f, m * lda - (lda - k), 1), *b = in(f, k * ldb - (ldb - n), 1);
		f->k->gemm_f32(m, n, k, a, lda, b, ldb, out(f, m * ldc - (ldc - n)), ldc, flags);
	}
}

static void check_transpose_f32(frame *f)
{
	int64_t rows = size_of(f, 1, 50), columns = size_of(f, 2, 40);
	float *x = in(f, rows * (columns + 1) - 1, 1);
	f->k->transpose_f32(out(f, columns * (rows + 2) - 2), rows + 2, x, columns + 1, rows, columns);
}

/* A picture of no particular size, its tiles, and a range of them. */
typedef struct tiles {
	nno_tiling t;
	int64_t from, count, step;
} tiles;

static tiles tiles_of(const frame *f)
{
	tiles x = { .t = { .h = size_of(f, 1, 13),
			   .w = size_of(f, 2, 11),
			   .c = size_of(f, 3, 50),
			   .pad_h = f->n % 3,
			   .pad_w = f->n / 3 % 3 } };
	x.t.across = (x.t.w + 3) / 4;
	int64_t all = x.t.across * ((x.t.h + 3) / 4);
	x.from = f->n % 2 < all ? f->n % 2 : 0;
	x.count = all - x.from;
	x.step = x.count * x.t.c + 3;
	return x;
}

static void check_winograd_input_f32(frame *f)
{
	tiles x = tiles_of(f);
	float *image = in(f, x.t.h * x.t.w * x.t.c, 1);
	f->k->winograd_input_f32(out(f, 36 * x.step - 3), x.step, image, &x.t, x.from, x.count);
}

static void check_winograd_gradient_f32(frame *f)
{
	tiles x = tiles_of(f);
	float *image = in(f, x.t.h * x.t.w * x.t.c, 1);
	f->k->winograd_gradient_f32(out(f, 36 * x.step - 3), x.step, image, &x.t, x.from, x.count);
}

static void check_winograd_output_f32(frame *f)
{
	tiles x = tiles_of(f);
	for (int flags = 0; flags < 4; flags++) {
		/* Some of the picture's channels, its last ones. */
		int64_t n = flags == 3 ? x.t.c : 1 + x.t.c / 2;
		float *m = in(f, 36 * x.step, 0.0625f), *image = out(f, x.t.h * x.t.w * x.t.c), *bias = in(f, n, 1);
		f->k->winograd_output_f32(image + x.t.c - n, &x.t, m, x.step, x.from, x.count, n,
					  flags & 1 ? bias : NULL, flags);
	}
}

static void check_winograd_weights_f32(frame *f)
{
	int64_t rows = size_of(f, 1, 5), n = size_of(f, 2, 70), ld = n + 3, tap = rows * ld, step = rows * n + 5;
	float *w = in(f, 9 * tap, 1);
	f->k->winograd_weights_f32(out(f, 36 * step), step, w, tap, ld, rows, n);
	f->k->winograd_weights_f32(out(f, 36 * step), step, w + 8 * tap, -tap, ld, rows, n);
}

static void check_winograd_weight_gradient_f32(frame *f)
{
	int64_t n = size_of(f, 1, 170), tap = n + 3, step = n + 5;
	float *u = in(f, 36 * step, 1);
	for (int flags = 0; flags < 2; flags++)
		f->k->winograd_weight_gradient_f32(out(f, 9 * tap), tap, u, step, n, flags);
}

/* Taps that have a walk of their own, and others; strides and dilations likewise. */
static void check_depthwise_row_f32(frame *f)
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
					  .dst_step = stream ? (c + 15) / 16 * 16 : c + flags,
					  .count = count };
		float *weights = in(f, (rows * row.taps + 1) * c, 1), *bias = in(f, c, 1);
		int backwards = flags & 1;
		row.weight_row = row.taps * c * (backwards ? -1 : 1);
		row.weight_tap = backwards ? -c : c;
		row.weights = weights + (backwards && rows * row.taps > 0 ? (rows * row.taps - 1) * c : 0);
		row.bias = flags & 2 ? bias : NULL;
		row.src = in(f, rows * row.row_step, 1);
		row.dst = out(f, count * row.dst_step);
		f->k->depthwise_row_f32(&row, c, flags | stream);
	}
}

static void check_depthwise_weights_f32(frame *f)
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
			p.kernel_w = f->n % 3 == 1 ? 5 : size_of(f, 9, 7);
			p.dilation_w = 1 + f->n / 4 % 3 / 2;
		}
		float *x = in(f, p.h * p.w * c, 1), *dy = in(f, out_h * p.out_w * c, 1);
		f->k->depthwise_weights_f32(out(f, p.kernel_h * p.kernel_w * c), x, dy, &p, from, out_h, c, flags);
	}
}

/* Some equal, some NaN. */
static float *pictures(frame *f, int64_t count)
{
	float *x = in(f, count, 1);
	for (int64_t i = f->n % 7; i < count; i += 11)
		x[i] = NAN;
	return x;
}

static uint8_t *bytes_out(frame *f, int64_t count)
{
	uint8_t *p = take(f, (size_t)count);
	memset(p, 0x55, (size_t)count);
	return result(f, p, (size_t)count, BYTES);
}

/* What a maximum over `most` pixels may have noted. */
static uint8_t *places(frame *f, int64_t count, int64_t most)
{
	uint8_t *p = take(f, (size_t)count);
	for (int64_t i = 0; i < count; i++)
		p[i] = (uint8_t)((i * 7 + f->n) % most);
	return p;
}

static void check_max_pool2_f32(frame *f)
{
	int64_t count = 1 + f->n % 3, n = 1 + f->n / 3;
	float *top = pictures(f, 2 * count * n), *bottom = pictures(f, 2 * count * n), *y = out(f, count * n);
	f->k->max_pool2_f32(y, bytes_out(f, count * n), top, bottom, count, n, 0);
	f->k->max_pool2_f32(out(f, count * n), NULL, top, bottom, count, n, 0);
	y = out(f, count * n);
	f->k->max_pool2_f32(y, bytes_out(f, count * n), top, bottom, count, n, NNO_GEMM_RELU);
}

static void check_max_pool2_gradient_f32(frame *f)
{
	int64_t count = 1 + f->n % 3, n = f->n % 2 ? f->n : 16 * (1 + f->n / 32);
	for (int flags = 0; flags < 3; flags++) {
		float *dy = in(f, count * n, 1), *top = out(f, 2 * count * n), *bottom = out(f, 2 * count * n);
		f->k->max_pool2_gradient_f32(top, bottom, dy, places(f, count * n, 4), count, n,
					     flags == 0   ? 0
					     : flags == 1 ? NNO_GEMM_ADD
							  : NNO_STREAM);
	}
}

static nno_window window_of(const frame *f, int64_t n)
{
	int64_t columns = size_of(f, 2, 5);
	return (nno_window){ .rows = size_of(f, 1, 5), .columns = columns, .row_step = (columns + f->n % 2) * n };
}

static void check_max_window_f32(frame *f)
{
	int64_t n = 1 + f->n / 3;
	nno_window w = window_of(f, n);
	float *x = pictures(f, w.rows * w.row_step), *y = out(f, n);
	f->k->max_window_f32(y, bytes_out(f, n), x, &w, n, 0);
	f->k->max_window_f32(out(f, n), NULL, x, &w, n, 0);
	y = out(f, n);
	f->k->max_window_f32(y, bytes_out(f, n), x, &w, n, NNO_GEMM_RELU);
}

static void check_max_window_gradient_f32(frame *f)
{
	int64_t n = 1 + f->n / 3;
	nno_window w = window_of(f, n);
	for (int flags = 0; flags < 2; flags++) {
		float *dy = in(f, n, 1), *dx = out(f, w.rows * w.row_step);
		f->k->max_window_gradient_f32(dx, dy, places(f, n, w.rows * w.columns), &w, n, flags);
	}
}

static void check_sum_window_f32(frame *f)
{
	nno_window w = window_of(f, f->n);
	float *x = in(f, w.rows * w.row_step, 1);
	f->k->sum_window_f32(out(f, f->n), x, &w, 0.25f, f->n);
}

static void check_spread_window_f32(frame *f)
{
	nno_window w = window_of(f, f->n);
	for (int flags = 0; flags < 2; flags++) {
		float *dy = in(f, f->n, 1);
		f->k->spread_window_f32(out(f, w.rows * w.row_step), dy, &w, 0.25f, f->n, flags);
	}
}

#endif
