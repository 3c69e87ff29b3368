/* pool_op.c - maximum and average over windows, the adaptive ones too. A task is one image, or some rows of its
 * results; channels are in the lanes. The maximum keeps for each result which pixel of its window it came from, in a
 * byte where that is enough, so that backward needs neither input nor output. Windows of 2 x 2 go a row at a time. */
#include "base/size.h"
#include "op/parallel.h"

#include <string.h>

enum { MOST_TASKS = 32 };

typedef struct window {
	int64_t from, to; /* input positions inside the picture */
	int64_t padded;   /* positions counted when padding counts */
} window;

static window window_at(int64_t index, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad,
			bool adaptive)
{
	if (adaptive) {
		int64_t from = index * in / out, to = nno_i64_ceil_div((index + 1) * in, out);
		return (window){ from, to, to - from };
	}
	int64_t start = index * stride - pad, end = nno_i64_min(start + kernel, in + pad);
	return (window){ nno_i64_max(start, 0), nno_i64_min(end, in), end - start };
}

static window window_h(const nno_op *op, int64_t y)
{
	const nno_pool_attr *a = op->attr;
	return window_at(y, op->in[0].h, op->out.h, a->kernel_h, a->stride_h, a->pad_h, a->adaptive);
}

static window window_w(const nno_op *op, int64_t x)
{
	const nno_pool_attr *a = op->attr;
	return window_at(x, op->in[0].w, op->out.w, a->kernel_w, a->stride_w, a->pad_w, a->adaptive);
}

/* Whether a byte tells where in its window a maximum was; else four tell where in the picture. */
static bool places_are_bytes(const nno_op *op) { return nno_pool_window_pixels(op) <= 256; }

static bool axis_is_cut(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad, bool adaptive)
{
	return adaptive ? in % out == 0 : kernel == stride && pad == 0 && out * stride == in;
}

/* Whether each pixel is in exactly one window: its gradient is written once and wants no zeros before. */
static bool windows_cut_picture(const nno_op *op)
{
	const nno_pool_attr *a = op->attr;
	nno_shape in = op->in[0], out = op->out;
	return axis_is_cut(in.h, out.h, a->kernel_h, a->stride_h, a->pad_h, a->adaptive) &&
	       axis_is_cut(in.w, out.w, a->kernel_w, a->stride_w, a->pad_w, a->adaptive);
}

/* Whole windows of 2 x 2 side by side; a last odd row or column may be in none. */
static bool is_pool2(const nno_op *op)
{
	const nno_pool_attr *a = op->attr;
	return !a->adaptive && a->kernel_h == 2 && a->kernel_w == 2 && a->stride_h == 2 && a->stride_w == 2 &&
	       a->pad_h == 0 && a->pad_w == 0 && 2 * op->out.h <= op->in[0].h && 2 * op->out.w <= op->in[0].w;
}

/* How many windows a pixel is in along an axis, at most. */
static int64_t most_windows(int64_t in, int64_t out, int64_t kernel, int64_t stride, bool adaptive)
{
	if (adaptive)
		return in % out == 0 ? 1 : out / in + 2;
	return nno_i64_ceil_div(kernel, stride);
}

/* Whether narrow values' gradients are summed as floats: where a pixel is in more windows than the four of a stem's
 * pooling, each of which rounds. */
static bool widens_gradient(const nno_op *op)
{
	const nno_pool_attr *a = op->attr;
	nno_shape in = op->in[0], out = op->out;
	int64_t h = most_windows(in.h, out.h, a->kernel_h, a->stride_h, a->adaptive);
	int64_t w = most_windows(in.w, out.w, a->kernel_w, a->stride_w, a->adaptive);
	return NNO_WIDENS && h * w > 4;
}

/* An image's gradient and its results' as floats, in each slot. */
static bool book_gradient(nno_op *op, int slots)
{
	size_t floats = (size_t)nno_shape_count(op->in[0]) + (size_t)nno_shape_count(op->out);
	op->backward_workspace = 0;
	return !op->training || !widens_gradient(op) ||
	       nno_size_mul(floats * sizeof(float), (size_t)slots, &op->backward_workspace);
}

/* A picture of more pixels than a place can tell is refused as too large. */
static bool book_max(nno_op *op, int slots)
{
	op->saved_bytes = 0;
	bool bytes = places_are_bytes(op);
	return !op->training || ((bytes || op->in[0].h * op->in[0].w <= INT32_MAX) &&
				 nno_size_mul((size_t)nno_shape_count(op->out) * (bytes ? 1 : sizeof(int32_t)),
					      (size_t)op->batch, &op->saved_bytes) &&
				 book_gradient(op, slots));
}

typedef struct pool_job {
	const nno_op *op;
	nno_run *run;
	int64_t bands; /* of an image's results, for forward */
} pool_job;

/* Bands enough for all threads of a small batch. */
static pool_job make_job(const nno_op *op, nno_run *run)
{
	return (pool_job){ op, run, nno_i64_min(op->out.h, nno_i64_ceil_div(MOST_TASKS, run->n)) };
}

static nno_window kernel_window(const nno_op *op, window v, window h)
{
	return (nno_window){ v.to - v.from, h.to - h.from, op->in[0].w * op->in[0].c };
}

static int64_t pixel_at(const nno_op *op, window v, window h) { return (v.from * op->in[0].w + h.from) * op->in[0].c; }

/* The first of equal maxima wins, and a NaN wins over all, as in PyTorch. */
static void max_row(const pool_job *j, const elem *src, elem *dst, uint8_t *place, int64_t y)
{
	const nno_op *op = j->op;
	int64_t c = op->in[0].c, row = op->in[0].w * c;
	int flags = nno_clamp_flags(((const nno_pool_attr *)op->attr)->activation);
	if (is_pool2(op)) {
		kernels_of(j->run)->max_pool2(dst, place, src + 2 * y * row, src + (2 * y + 1) * row, op->out.w, c,
					      flags);
		return;
	}
	window v = window_h(op, y);
	for (int64_t x = 0; x < op->out.w; x++) {
		window h = window_w(op, x);
		nno_window w = kernel_window(op, v, h);
		kernels_of(j->run)->max_window(dst + x * c, place != NULL ? place + x * c : NULL,
					       src + pixel_at(op, v, h), &w, c, flags);
	}
}

/* Places in the picture, for windows too large for a byte. */
static void max_row_wide(const pool_job *j, const elem *src, elem *dst, int32_t *place, int64_t y)
{
	const nno_op *op = j->op;
	int64_t c = op->in[0].c;
	window v = window_h(op, y);
	for (int64_t x = 0; x < op->out.w; x++) {
		window h = window_w(op, x);
		for (int64_t sy = v.from; sy < v.to; sy++)
			for (int64_t sx = h.from; sx < h.to; sx++) {
				int64_t at = sy * op->in[0].w + sx;
				kernels_of(j->run)->max_update(dst + x * c, place + x * c, src + at * c, (int32_t)at,
							       sy == v.from && sx == h.from, c);
			}
	}
}

static void max_band(void *user, int64_t unit, int slot)
{
	(void)slot;
	const pool_job *j = user;
	const nno_op *op = j->op;
	int64_t image = unit / j->bands, band = unit % j->bands, row = op->out.w * op->out.c;
	const elem *src = src_of(j->run, 0) + image * nno_shape_count(op->in[0]);
	for (int64_t y = band * op->out.h / j->bands; y < (band + 1) * op->out.h / j->bands; y++) {
		int64_t at = (image * op->out.h + y) * row;
		elem *dst = dst_of(j->run) + at;
		if (j->run->saved == NULL)
			max_row(j, src, dst, NULL, y);
		else if (places_are_bytes(op))
			max_row(j, src, dst, (uint8_t *)j->run->saved + at, y);
		else
			max_row_wide(j, src, dst, (int32_t *)j->run->saved + at, y);
	}
}

static void max_forward(const nno_op *op, nno_run *run)
{
	pool_job j = make_job(op, run);
	nno_parallel_for(run->pool, run->n * j.bands, max_band, &j);
}

static void max_back_pool2(const pool_job *j, elem *dsrc, const elem *ddst, const uint8_t *place)
{
	const nno_op *op = j->op;
	int64_t c = op->in[0].c, row = op->in[0].w * c, from = 2 * op->out.w * c;
	bool add = j->run->dsrc_add[0];
	int flags = add ? NNO_GEMM_ADD : nno_stream_flag(j->run->n * nno_shape_count(op->in[0]));
	for (int64_t y = 0; y < op->out.h; y++, dsrc += 2 * row) {
		int64_t at = y * op->out.w * c;
		kernels_of(j->run)->max_pool2_gradient(dsrc, dsrc + row, ddst + at, place + at, op->out.w, c, flags);
		if (from < row && !add) {
			memset(dsrc + from, 0, (size_t)(row - from) * sizeof(elem));
			memset(dsrc + row + from, 0, (size_t)(row - from) * sizeof(elem));
		}
	}
	if (2 * op->out.h < op->in[0].h && !add)
		memset(dsrc, 0, (size_t)((op->in[0].h - 2 * op->out.h) * row) * sizeof(elem));
}

/* The gradients of an image: as values, or floats that stand in for them. */
typedef struct gradients {
	void *dsrc;
	const void *ddst;
	bool floats;
	int flags; /* with which windows are written */
} gradients;

/* Zeros where windows will add, unless something is there to be added to. `covered`: each pixel is written once. */
static gradients begin_gradients(const pool_job *j, int64_t image, int slot, bool covered)
{
	const nno_op *op = j->op;
	int64_t in = nno_shape_count(op->in[0]), out = nno_shape_count(op->out);
	const elem *ddst = ddst_of(j->run) + image * out;
	gradients g = { dsrc_of(j->run, 0) + image * in, ddst, !NNO_WIDENS, j->run->dsrc_add[0] ? NNO_GEMM_ADD : 0 };
	if (widens_gradient(op)) {
		float *room = (float *)j->run->workspace + slot * (in + out);
		g = (gradients){ room, nno_as_floats(j->run, room + in, ddst, out), true, 0 };
	}
	if (g.flags == 0 && !covered) {
		memset(g.dsrc, 0, (size_t)in * (g.floats ? sizeof(float) : sizeof(elem)));
		g.flags = NNO_GEMM_ADD;
	}
	return g;
}

static void end_gradients(const pool_job *j, int64_t image, const gradients *g)
{
	int64_t in = nno_shape_count(j->op->in[0]);
	if (widens_gradient(j->op))
		kernels_of(j->run)->narrow(dsrc_of(j->run, 0) + image * in, g->dsrc, 1.0f, in, j->run->dsrc_add[0]);
}

/* Result number i, at value `from`, gives its gradient to the window that begins at `to`. */
static void max_back_window(const pool_job *j, const gradients *g, int64_t to, int64_t from, const uint8_t *place,
			    const nno_window *w)
{
	int64_t c = j->op->in[0].c;
	if (g->floats)
		j->run->kernels->f32->max_window_gradient((float *)g->dsrc + to, (const float *)g->ddst + from, place,
							  w, c, g->flags);
	else
		kernels_of(j->run)->max_window_gradient((elem *)g->dsrc + to, (const elem *)g->ddst + from, place, w, c,
							g->flags);
}

static void avg_back_window(const pool_job *j, const gradients *g, int64_t to, int64_t from, float factor,
			    const nno_window *w)
{
	int64_t c = j->op->in[0].c;
	if (g->floats)
		j->run->kernels->f32->spread_window((float *)g->dsrc + to, (const float *)g->ddst + from, w, factor, c,
						    g->flags);
	else
		kernels_of(j->run)->spread_window((elem *)g->dsrc + to, (const elem *)g->ddst + from, w, factor, c,
						  g->flags);
}

static void max_back_windows(const pool_job *j, const gradients *g, const uint8_t *place)
{
	const nno_op *op = j->op;
	int64_t at = 0;
	for (int64_t y = 0; y < op->out.h; y++) {
		window v = window_h(op, y);
		for (int64_t x = 0; x < op->out.w; x++, at += op->in[0].c) {
			window h = window_w(op, x);
			nno_window w = kernel_window(op, v, h);
			max_back_window(j, g, pixel_at(op, v, h), at, place + at, &w);
		}
	}
}

static void max_back_places(const pool_job *j, const gradients *g, const int32_t *place)
{
	int64_t c = j->op->in[0].c;
	const value_kernels *values = kernels_of(j->run);
	for (int64_t i = 0; i < nno_shape_count(j->op->out); i++) {
		int64_t to = place[i] * c + i % c;
		if (g->floats)
			((float *)g->dsrc)[to] += ((const float *)g->ddst)[i];
		else
			values->add((elem *)g->dsrc + to, (elem *)g->dsrc + to, (const elem *)g->ddst + i, 1);
	}
}

static void max_back_image(void *user, int64_t image, int slot)
{
	const pool_job *j = user;
	const nno_op *op = j->op;
	int64_t in = nno_shape_count(op->in[0]), count = nno_shape_count(op->out);
	const uint8_t *bytes = (const uint8_t *)j->run->saved + image * count;
	if (is_pool2(op)) {
		max_back_pool2(j, dsrc_of(j->run, 0) + image * in, ddst_of(j->run) + image * count, bytes);
		return;
	}
	bool windows = places_are_bytes(op);
	gradients g = begin_gradients(j, image, slot, windows && windows_cut_picture(op));
	if (windows)
		max_back_windows(j, &g, bytes);
	else
		max_back_places(j, &g, (const int32_t *)j->run->saved + image * count);
	end_gradients(j, image, &g);
}

static void max_backward(const nno_op *op, nno_run *run)
{
	pool_job j = make_job(op, run);
	if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, run->n, max_back_image, &j);
}

static float average_factor(const nno_op *op, window v, window h)
{
	const nno_pool_attr *a = op->attr;
	int64_t inside = (v.to - v.from) * (h.to - h.from);
	return 1.0f / (float)(a->count_include_pad && !a->adaptive ? v.padded * h.padded : inside);
}

static void avg_band(void *user, int64_t unit, int slot)
{
	(void)slot;
	const pool_job *j = user;
	const nno_op *op = j->op;
	int64_t c = op->in[0].c, image = unit / j->bands, band = unit % j->bands;
	const elem *src = src_of(j->run, 0) + image * nno_shape_count(op->in[0]);
	elem *dst = dst_of(j->run) + image * nno_shape_count(op->out);
	for (int64_t y = band * op->out.h / j->bands; y < (band + 1) * op->out.h / j->bands; y++)
		for (int64_t x = 0; x < op->out.w; x++) {
			window v = window_h(op, y), h = window_w(op, x);
			nno_window w = kernel_window(op, v, h);
			kernels_of(j->run)->sum_window(dst + (y * op->out.w + x) * c, src + pixel_at(op, v, h), &w,
						       average_factor(op, v, h), c);
		}
}

static void avg_forward(const nno_op *op, nno_run *run)
{
	pool_job j = make_job(op, run);
	nno_parallel_for(run->pool, run->n * j.bands, avg_band, &j);
}

static void avg_back_image(void *user, int64_t image, int slot)
{
	const pool_job *j = user;
	const nno_op *op = j->op;
	gradients g = begin_gradients(j, image, slot, windows_cut_picture(op));
	int64_t at = 0;
	for (int64_t y = 0; y < op->out.h; y++)
		for (int64_t x = 0; x < op->out.w; x++, at += op->in[0].c) {
			window v = window_h(op, y), h = window_w(op, x);
			nno_window w = kernel_window(op, v, h);
			avg_back_window(j, &g, pixel_at(op, v, h), at, average_factor(op, v, h), &w);
		}
	end_gradients(j, image, &g);
}

static void avg_backward(const nno_op *op, nno_run *run)
{
	pool_job j = make_job(op, run);
	if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, run->n, avg_back_image, &j);
}

NNO_OP_CODE(max_pool) = { .book = book_max, .forward = max_forward, .backward = max_backward };
NNO_OP_CODE(avg_pool) = { .book = book_gradient, .forward = avg_forward, .backward = avg_backward };
