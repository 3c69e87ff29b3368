/* pool_kernels.c - pooling with the channels of a pixel in the lanes. A maximum notes in a byte which pixel of its
 * window it came from, counted row by row, so that its gradient needs neither input nor result. */
#include "kernel/body.h"

NNO_INLINE vf load_places(const uint8_t *p, int64_t n) { return n >= VL ? v_load_bytes(p) : v_load_bytes_n(p, n); }

NNO_INLINE void store_places(uint8_t *p, vf x, int64_t n)
{
	if (n >= VL)
		v_store_bytes(p, x);
	else
		v_store_bytes_n(p, x, n);
}

typedef struct maximum {
	vf best, place;
} maximum;

/* The first of equals stays, and so does the first NaN; there is none where `numbers` is not 0. */
NNO_INLINE maximum larger(maximum m, vf x, float at, const int numbers)
{
	if (numbers)
		return (maximum){ v_max(x, m.best), v_select_gt(x, m.best, v_set1(at), m.place) };
	vf best = v_select_le(x, m.best, m.best, x), place = v_select_le(x, m.best, m.place, v_set1(at));
	return (maximum){ v_select_le(m.best, m.best, best, m.best), v_select_le(m.best, m.best, place, m.place) };
}

NNO_INLINE vf where_place_is(vf place, float at, vf x) { return v_select_eq(place, v_set1(at), x, v_zero()); }

/* A window's first pixel. With NNO_GEMM_RELU it has to be above zero, whose place no pixel has. */
NNO_INLINE maximum first_of(vf x, int flags, const int numbers)
{
	maximum zero = { v_zero(), v_set1(255.0f) };
	return flags & NNO_GEMM_RELU ? larger(zero, x, 0.0f, numbers) : (maximum){ x, v_zero() };
}

/* --- windows of 2 x 2, a row of them --- */

NNO_INLINE maximum largest_of_four(const vf x[4], int flags, const int numbers)
{
	maximum m = first_of(x[0], flags, numbers);
	m = larger(m, x[1], 1.0f, numbers);
	m = larger(m, x[2], 2.0f, numbers);
	return larger(m, x[3], 3.0f, numbers);
}

NNO_INLINE void pool2_vector(elem *dst, uint8_t *place, const elem *top, const elem *bottom, int64_t n, int flags,
			     int64_t width)
{
	const vf x[4] = { get_some(top, width), get_some(top + n, width), get_some(bottom, width),
			  get_some(bottom + n, width) };
	int odd = v_any_nan(v_add(v_add(x[0], x[1]), v_add(x[2], x[3])));
	maximum m = odd ? largest_of_four(x, flags, 0) : largest_of_four(x, flags, 1);
	put_some(dst, m.best, width);
	if (place != NULL)
		store_places(place, m.place, width);
}

void NNO_OF(max_pool2)(elem *dst, uint8_t *place, const elem *top, const elem *bottom, int64_t count, int64_t n,
		       int flags)
{
	for (int64_t i = 0; i < count; i++, dst += n, top += 2 * n, bottom += 2 * n) {
		uint8_t *to = place != NULL ? place + i * n : NULL;
		int64_t ch = 0;
		for (; ch + VL <= n; ch += VL)
			pool2_vector(dst + ch, to != NULL ? to + ch : NULL, top + ch, bottom + ch, n, flags, VL);
		if (ch < n)
			pool2_vector(dst + ch, to != NULL ? to + ch : NULL, top + ch, bottom + ch, n, flags, n - ch);
	}
}

NNO_INLINE void give(elem *dx, vf x, int flags, int64_t width)
{
	if (flags & NNO_STREAM && width >= VL)
		put_past(dx, x);
	else
		put_some(dx, flags & NNO_GEMM_ADD ? v_add(get_some(dx, width), x) : x, width);
}

NNO_INLINE void pool2_gradient_vector(elem *top, elem *bottom, const elem *dy, const uint8_t *place, int64_t n,
				      int flags, int64_t width)
{
	vf at = load_places(place, width), g = get_some(dy, width);
	give(top, where_place_is(at, 0.0f, g), flags, width);
	give(top + n, where_place_is(at, 1.0f, g), flags, width);
	give(bottom, where_place_is(at, 2.0f, g), flags, width);
	give(bottom + n, where_place_is(at, 3.0f, g), flags, width);
}

void NNO_OF(max_pool2_gradient)(elem *top, elem *bottom, const elem *dy, const uint8_t *place, int64_t count, int64_t n,
				int flags)
{
	if (!fills_lines(top, n, n) || !fills_lines(bottom, n, n) || flags & NNO_GEMM_ADD)
		flags &= ~NNO_STREAM;
	for (int64_t i = 0; i < count; i++, dy += n, place += n, top += 2 * n, bottom += 2 * n) {
		int64_t ch = 0;
		for (; ch + VL <= n; ch += VL)
			pool2_gradient_vector(top + ch, bottom + ch, dy + ch, place + ch, n, flags, VL);
		if (ch < n)
			pool2_gradient_vector(top + ch, bottom + ch, dy + ch, place + ch, n, flags, n - ch);
	}
	if (flags & NNO_STREAM)
		v_stream_end();
}

/* --- one window of any size --- */

NNO_INLINE maximum largest_of_window(const elem *src, const nno_window *w, int64_t n, int64_t width, int flags,
				     const int numbers, vf *sum)
{
	maximum m = first_of(get_some(src, width), flags, numbers);
	for (int64_t y = 0; y < w->rows; y++)
		for (int64_t x = 0; x < w->columns; x++) {
			vf value = get_some(src + y * w->row_step + x * n, width);
			*sum = v_add(*sum, value);
			m = larger(m, value, (float)(y * w->columns + x), numbers);
		}
	return m;
}

void NNO_OF(max_window)(elem *dst, uint8_t *place, const elem *src, const nno_window *w, int64_t n, int flags)
{
	for (int64_t ch = 0; ch < n; ch += VL) {
		int64_t width = n - ch;
		vf sum = v_zero();
		maximum m = largest_of_window(src + ch, w, n, width, flags, 1, &sum);
		if (v_any_nan(sum))
			m = largest_of_window(src + ch, w, n, width, flags, 0, &sum);
		put_some(dst + ch, m.best, width);
		if (place != NULL)
			store_places(place + ch, m.place, width);
	}
}

void NNO_OF(max_window_gradient)(elem *dx, const elem *dy, const uint8_t *place, const nno_window *w, int64_t n,
				 int flags)
{
	for (int64_t ch = 0; ch < n; ch += VL) {
		int64_t width = n - ch;
		vf at = load_places(place + ch, width), g = get_some(dy + ch, width);
		for (int64_t y = 0; y < w->rows; y++)
			for (int64_t x = 0; x < w->columns; x++)
				give(dx + y * w->row_step + x * n + ch,
				     where_place_is(at, (float)(y * w->columns + x), g), flags & NNO_GEMM_ADD, width);
	}
}

/* nv vectors at a time, so that no sum waits for itself. Rows of many pixels are summed apart: what one sum of all of
 * them has lost is seen from 2^20 pixels on. */
NNO_INLINE void sum_vectors(elem *dst, const elem *src, const nno_window *w, float factor, int64_t n, int64_t width,
			    const int nv)
{
	enum { MANY = 4096 };
	vf sum[4], all[4];
	int64_t rows = w->rows * w->columns <= MANY ? w->rows : MANY / (w->columns + 1) + 1;
	for (int v = 0; v < nv; v++)
		all[v] = v_zero();
	for (int64_t from = 0; from < w->rows; from += rows) {
		int64_t end = from + rows < w->rows ? from + rows : w->rows;
		for (int v = 0; v < nv; v++)
			sum[v] = v_zero();
		for (int64_t y = from; y < end; y++)
			for (int64_t x = 0; x < w->columns; x++)
				for (int v = 0; v < nv; v++)
					sum[v] = v_add(sum[v], get_some(src + y * w->row_step + x * n + v * VL, width));
		for (int v = 0; v < nv; v++)
			all[v] = v_add(all[v], sum[v]);
	}
	for (int v = 0; v < nv; v++)
		put_some(dst + v * VL, v_mul(all[v], v_set1(factor)), width);
}

void NNO_OF(sum_window)(elem *dst, const elem *src, const nno_window *w, float factor, int64_t n)
{
	int64_t ch = 0;
	for (; ch + 4 * VL <= n; ch += 4 * VL)
		sum_vectors(dst + ch, src + ch, w, factor, n, VL, 4);
	for (; ch < n; ch += VL)
		sum_vectors(dst + ch, src + ch, w, factor, n, n - ch, 1);
}

void NNO_OF(spread_window)(elem *dx, const elem *dy, const nno_window *w, float factor, int64_t n, int flags)
{
	for (int64_t ch = 0; ch < n; ch += VL) {
		int64_t width = n - ch;
		vf g = v_mul(get_some(dy + ch, width), v_set1(factor));
		for (int64_t y = 0; y < w->rows; y++)
			for (int64_t x = 0; x < w->columns; x++)
				give(dx + y * w->row_step + x * n + ch, g, flags & NNO_GEMM_ADD, width);
	}
}
