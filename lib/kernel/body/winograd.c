/* winograd.c - the transforms of F(4x4, 3x3): Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
 * 2016. A tile is 4 x 4 results from a 6 x 6 patch; its 36 products are matrix products over channels. With the paper's
 * matrices B, G, A: input V = B' d B, weights U = G g G', result Y = A' (U . V) A; the gradients are the adjoints,
 * A dY A' and G' dU G. Channels are in the lanes, a task of the caller's walks the tiles of a picture row by row. */
#include "kernel/body.h"

#include <stdbool.h>

enum { TILE = 4, PATCH = 6 };

NNO_INLINE void input_1d(vf t[PATCH], const vf d[PATCH])
{
	const vf four = v_set1(4.0f), two = v_set1(2.0f), minus4 = v_set1(-4.0f), minus5 = v_set1(-5.0f);
	vf a = v_fma(minus4, d[2], d[4]), b = v_fma(minus4, d[1], d[3]);
	vf c = v_sub(d[4], d[2]), e = v_mul(two, v_sub(d[3], d[1]));
	t[0] = v_fma(four, d[0], v_fma(minus5, d[2], d[4]));
	t[1] = v_add(a, b);
	t[2] = v_sub(a, b);
	t[3] = v_add(c, e);
	t[4] = v_sub(c, e);
	t[5] = v_fma(four, d[1], v_fma(minus5, d[3], d[5]));
}

NNO_INLINE void output_1d(vf y[TILE], const vf m[PATCH])
{
	const vf two = v_set1(2.0f), four = v_set1(4.0f), eight = v_set1(8.0f);
	vf p = v_add(m[1], m[2]), q = v_sub(m[1], m[2]), u = v_add(m[3], m[4]), w = v_sub(m[3], m[4]);
	y[0] = v_add(v_add(m[0], p), u);
	y[1] = v_fma(two, w, q);
	y[2] = v_fma(four, u, p);
	y[3] = v_add(v_fma(eight, w, q), m[5]);
}

NNO_INLINE void gradient_1d(vf r[PATCH], const vf y[TILE])
{
	const vf two = v_set1(2.0f), four = v_set1(4.0f);
	vf even = v_add(y[0], y[2]), odd = v_add(y[1], y[3]);
	vf even2 = v_fma(four, y[2], y[0]), odd2 = v_mul(two, v_fma(four, y[3], y[1]));
	r[0] = y[0];
	r[1] = v_add(even, odd);
	r[2] = v_sub(even, odd);
	r[3] = v_add(even2, odd2);
	r[4] = v_sub(even2, odd2);
	r[5] = y[3];
}

/* Where the pixels of a square of `size` x `size` are. Columns [from, to) are in the picture, and what is not is zero.
 */
typedef struct square {
	const elem *row[PATCH]; /* its first pixel in the picture; of a row outside, zeros */
	int64_t follows[PATCH]; /* -1; 0 for such a row: the same vector for all pixels and channels */
	int from, to;
} square;

/* Whether all of it is in the picture, and then only the first row is told. */
NNO_INLINE int find_square(square *s, const int size, const elem *image, const nno_tiling *p, int64_t y0, int64_t x0)
{
	static const elem zeros[VL];
	if (y0 >= 0 && x0 >= 0 && y0 + size <= p->h && x0 + size <= p->w) {
		s->row[0] = image + (y0 * p->w + x0) * p->c;
		return 1;
	}
	s->from = x0 < 0 ? (int)-x0 : 0;
	s->to = x0 + size <= p->w ? size : (int)(p->w - x0);
	for (int y = 0; y < size; y++) {
		int there = y0 + y >= 0 && y0 + y < p->h;
		s->row[y] = there ? image + ((y0 + y) * p->w + x0 + s->from) * p->c : zeros;
		s->follows[y] = there ? -1 : 0;
	}
	return 0;
}

NNO_INLINE vf square_pixel(const square *s, int inside, const nno_tiling *p, int y, int x, int64_t ch, int64_t width)
{
	if (inside)
		return get_some(s->row[0] + (y * p->w + x) * p->c + ch, width);
	return get_some(s->row[y] + (((x - s->from) * p->c + ch) & s->follows[y]), width);
}

/* A patch of the input, or the square of a result's gradient: `size` tells which. */
NNO_INLINE void square_1d(vf r[PATCH], const vf *d, const int size)
{
	if (size == PATCH)
		input_1d(r, d);
	else
		gradient_1d(r, d);
}

NNO_INLINE void transform_vector(float *v, int64_t step, const square *s, const int size, const int inside,
				 const nno_tiling *p, int64_t ch, int64_t width)
{
	vf t[PATCH][PATCH];
	for (int x = 0; x < size; x++) {
		vf d[PATCH], r[PATCH];
		int there = inside || (x >= s->from && x < s->to);
		for (int y = 0; y < PATCH && !there; y++)
			t[y][x] = v_zero();
		if (!there)
			continue;
		for (int y = 0; y < size; y++)
			d[y] = square_pixel(s, inside, p, y, x, ch, width);
		square_1d(r, d, size);
		for (int y = 0; y < PATCH; y++)
			t[y][x] = r[y];
	}
	for (int y = 0; y < PATCH; y++) {
		vf r[PATCH];
		square_1d(r, t[y], size);
		for (int x = 0; x < PATCH; x++)
			store_some(v + (y * PATCH + x) * step + ch, r[x], width);
	}
}

NNO_INLINE void transform_square(float *v, int64_t step, const square *s, const int size, const int inside,
				 const nno_tiling *p)
{
	int64_t ch = 0;
	for (; ch + VL <= p->c; ch += VL)
		transform_vector(v, step, s, size, inside, p, ch, VL);
	if (ch < p->c)
		transform_vector(v, step, s, size, inside, p, ch, p->c - ch);
}

static void input_inside(float *v, int64_t step, const square *s, const nno_tiling *p)
{
	transform_square(v, step, s, PATCH, 1, p);
}

static void input_at_edge(float *v, int64_t step, const square *s, const nno_tiling *p)
{
	transform_square(v, step, s, PATCH, 0, p);
}

static void gradient_inside(float *v, int64_t step, const square *s, const nno_tiling *p)
{
	transform_square(v, step, s, TILE, 1, p);
}

static void gradient_at_edge(float *v, int64_t step, const square *s, const nno_tiling *p)
{
	transform_square(v, step, s, TILE, 0, p);
}

void NNO_OF(winograd_input)(float *v, int64_t step, const elem *image, const nno_tiling *p, int64_t from, int64_t count)
{
	for (int64_t i = from; i < from + count; i++, v += p->c) {
		square s;
		int64_t y = i / p->across * TILE - p->pad_h, x = i % p->across * TILE - p->pad_w;
		if (find_square(&s, PATCH, image, p, y, x))
			input_inside(v, step, &s, p);
		else
			input_at_edge(v, step, &s, p);
	}
}

void NNO_OF(winograd_gradient)(float *v, int64_t step, const elem *image, const nno_tiling *p, int64_t from,
			       int64_t count)
{
	for (int64_t i = from; i < from + count; i++, v += p->c) {
		square s;
		if (find_square(&s, TILE, image, p, i / p->across * TILE, i % p->across * TILE))
			gradient_inside(v, step, &s, p);
		else
			gradient_at_edge(v, step, &s, p);
	}
}

/* Stores one result vector as the flags say. */
NNO_INLINE void finish_pixel(elem *dst, vf x, int flags, int64_t width)
{
	if (flags & NNO_GEMM_ADD)
		x = v_add(x, get_some(dst, width));
	x = v_clamp(x, flags);
	if (flags & NNO_STREAM && width >= VL)
		put_past(dst, x);
	else
		put_some(dst, x, width);
}

NNO_INLINE void output_vector(elem *dst, const float *m, int64_t step, const nno_tiling *p, int64_t rows,
			      int64_t columns, const float *bias, int flags, int64_t width)
{
	vf t[TILE][PATCH];
	for (int x = 0; x < PATCH; x++) {
		vf d[PATCH], r[TILE];
		for (int y = 0; y < PATCH; y++)
			d[y] = load_some(m + (y * PATCH + x) * step, width);
		output_1d(r, d);
		for (int y = 0; y < TILE; y++)
			t[y][x] = r[y];
	}
	vf b = bias != NULL ? load_some(bias, width) : v_zero();
	for (int y = 0; y < TILE; y++) {
		vf r[TILE];
		if (y >= rows)
			break;
		output_1d(r, t[y]);
		for (int x = 0; x < TILE; x++)
			if (x < columns)
				finish_pixel(dst + (y * p->w + x) * p->c, v_add(r[x], b), flags, width);
	}
}

void NNO_OF(winograd_output)(elem *image, const nno_tiling *p, const float *m, int64_t step, int64_t from,
			     int64_t count, int64_t n, const float *bias, int flags)
{
	bool whole_lines = (uintptr_t)image % (VL * sizeof(elem)) == 0 && p->c % VL == 0;
	if (!whole_lines)
		flags &= ~NNO_STREAM;
	for (int64_t i = from; i < from + count; i++, m += n) {
		int64_t y = i / p->across * TILE, x = i % p->across * TILE;
		elem *dst = image + (y * p->w + x) * p->c;
		int64_t rows = p->h - y, columns = p->w - x, ch = 0;
		if (rows >= TILE && columns >= TILE)
			for (; ch + VL <= n; ch += VL)
				output_vector(dst + ch, m + ch, step, p, TILE, TILE, bias != NULL ? bias + ch : NULL,
					      flags, VL);
		for (; ch < n; ch += VL)
			output_vector(dst + ch, m + ch, step, p, rows, columns, bias != NULL ? bias + ch : NULL, flags,
				      n - ch);
	}
	if (flags & NNO_STREAM)
		v_stream_end();
}
