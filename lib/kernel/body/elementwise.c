/* elementwise.c - one read, one write, nothing to block; and sums and transposition of whole matrices. */
#include "kernel/body.h"

void NNO_OF(add)(elem *dst, const elem *a, const elem *b, int64_t n)
{
	int64_t i = 0;
	for (; i + VL <= n; i += VL)
		put(dst + i, v_add(get(a + i), get(b + i)));
	if (i < n)
		put_n(dst + i, v_add(get_n(a + i, n - i), get_n(b + i, n - i)), n - i);
}

void NNO_OF(widen)(float *dst, const elem *src, int64_t n)
{
	int64_t i = 0;
	for (; i + VL <= n; i += VL)
		v_store(dst + i, get(src + i));
	if (i < n)
		v_store_n(dst + i, get_n(src + i, n - i), n - i);
}

void NNO_OF(narrow)(elem *dst, const float *src, float factor, int64_t n, int add)
{
	vf f = v_set1(factor);
	for (int64_t i = 0; i < n; i += VL) {
		int64_t width = n - i;
		vf x = v_mul(load_some(src + i, width), f);
		put_some(dst + i, add ? v_add(get_some(dst + i, width), x) : x, width);
	}
}

void NNO_OF(mask_positive)(elem *gradient, const elem *y, int64_t n)
{
	for (int64_t i = 0; i < n; i += VL) {
		int64_t width = n - i;
		vf kept = v_select_le(get_some(y + i, width), v_zero(), v_zero(), get_some(gradient + i, width));
		put_some(gradient + i, kept, width);
	}
}

/* nv vectors of columns, side by side so that no sum waits for itself; `last` is the width of the last one. */
NNO_INLINE void add_rows(float *sums, const elem *x, int64_t rows, int64_t n, int64_t last, const int nv)
{
	vf acc[4];
	for (int v = 0; v < nv; v++)
		acc[v] = load_some(sums + v * VL, v == nv - 1 ? last : VL);
	for (int64_t i = 0; i < rows; i++, x += n)
		for (int v = 0; v < nv; v++)
			acc[v] = v_add(acc[v], get_some(x + v * VL, v == nv - 1 ? last : VL));
	for (int v = 0; v < nv; v++)
		store_some(sums + v * VL, acc[v], v == nv - 1 ? last : VL);
}

void NNO_OF(column_sums)(float *sums, const elem *x, int64_t rows, int64_t n)
{
	int64_t j = 0;
	for (; j + 4 * VL <= n; j += 4 * VL)
		add_rows(sums + j, x + j, rows, n, VL, 4);
	for (; j + 2 * VL <= n; j += 2 * VL)
		add_rows(sums + j, x + j, rows, n, VL, 2);
	for (; j < n; j += VL)
		add_rows(sums + j, x + j, rows, n, n - j, 1);
}

void NNO_OF(scale_values)(elem *dst, const elem *src, float factor, int64_t n, int add)
{
	vf f = v_set1(factor);
	for (int64_t i = 0; i < n; i += VL) {
		int64_t width = n - i;
		vf x = v_mul(get_some(src + i, width), f);
		put_some(dst + i, add ? v_add(get_some(dst + i, width), x) : x, width);
	}
}

void NNO_OF(multiply)(elem *dst, const elem *a, const elem *b, int64_t n, int add)
{
	for (int64_t i = 0; i < n; i += VL) {
		int64_t width = n - i;
		vf x = v_mul(get_some(a + i, width), get_some(b + i, width));
		put_some(dst + i, add ? v_add(get_some(dst + i, width), x) : x, width);
	}
}

void NNO_OF(multiply_columns)(elem *dst, const elem *src, const float *factors, int64_t rows, int64_t n, int add)
{
	for (int64_t i = 0; i < rows; i++, dst += n, src += n)
		for (int64_t j = 0; j < n; j += VL) {
			int64_t width = n - j;
			vf x = v_mul(get_some(src + j, width), load_some(factors + j, width));
			put_some(dst + j, add ? v_add(get_some(dst + j, width), x) : x, width);
		}
}

void NNO_OF(product_sums)(float *sums, const elem *a, const elem *b, int64_t rows, int64_t n)
{
	for (int64_t j = 0; j < n; j += VL) {
		int64_t width = n - j;
		vf acc = load_some(sums + j, width);
		for (int64_t i = 0; i < rows; i++)
			acc = v_fma(get_some(a + i * n + j, width), get_some(b + i * n + j, width), acc);
		store_some(sums + j, acc, width);
	}
}

NNO_INLINE void transpose_square(elem *dst, int64_t to, const elem *src, int64_t from)
{
#ifdef NNO_TYPE_F32
	v_transpose_square(dst, to, src, from);
#else
	for (int i = 0; i < V_SQUARE; i++)
		for (int j = 0; j < V_SQUARE; j++)
			dst[j * to + i] = src[i * from + j];
#endif
}

NNO_INLINE void transpose4(elem *dst, int64_t to, const elem *src, int64_t from)
{
#ifdef NNO_TYPE_F32
	v_transpose4(dst, to, src, from);
#else
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 4; j++)
			dst[j * to + i] = src[i * from + j];
#endif
}

/* Rows [r, rows) and columns [c, columns), less than a square of one of them: squares of 4 x 4, and what is left. */
static void transpose_rest(elem *dst, int64_t to, const elem *src, int64_t from, int64_t r, int64_t rows, int64_t c,
			   int64_t columns)
{
	for (; r + 4 <= rows; r += 4) {
		int64_t j = c;
		for (; j + 4 <= columns; j += 4)
			transpose4(dst + j * to + r, to, src + r * from + j, from);
		for (; j < columns; j++)
			for (int64_t k = r; k < r + 4; k++)
				dst[j * to + k] = src[k * from + j];
	}
	for (; r < rows; r++)
		for (int64_t j = c; j < columns; j++)
			dst[j * to + r] = src[r * from + j];
}

/* By squares of 16 x 16, which stay in the first-level cache on both sides. Rows of the result are finished one square
 * after the other: where they lie a power of two apart, few of them fit a set. */
void NNO_OF(transpose)(elem *dst, int64_t ld_dst, const elem *src, int64_t ld_src, int64_t rows, int64_t columns)
{
	enum { SIDE = 16 };
	int64_t r = 0;
	for (; r + SIDE <= rows; r += SIDE) {
		int64_t c = 0;
		for (; c + SIDE <= columns; c += SIDE)
			for (int64_t j = c; j < c + SIDE; j += V_SQUARE)
				for (int64_t i = r; i < r + SIDE; i += V_SQUARE)
					transpose_square(dst + j * ld_dst + i, ld_dst, src + i * ld_src + j, ld_src);
		transpose_rest(dst, ld_dst, src, ld_src, r, r + SIDE, c, columns);
	}
	transpose_rest(dst, ld_dst, src, ld_src, r, rows, 0, columns);
}
