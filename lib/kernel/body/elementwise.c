/* elementwise.c - one read, one write, nothing to block. */
#include "kernel/body.h"

void NNO_FN(add_f32)(float *dst, const float *a, const float *b, int64_t n)
{
	int64_t i = 0;
	for (; i + VL <= n; i += VL)
		v_store(dst + i, v_add(v_load(a + i), v_load(b + i)));
	if (i < n)
		v_store_n(dst + i, v_add(v_load_n(a + i, n - i), v_load_n(b + i, n - i)), n - i);
}

void NNO_FN(accumulate_f32)(float *dst, const float *src, int64_t n) { NNO_FN(add_f32)(dst, dst, src, n); }

void NNO_FN(scale_f32)(float *dst, const float *src, float factor, int64_t n)
{
	int64_t i = 0;
	vf f = v_set1(factor);
	for (; i + VL <= n; i += VL)
		v_store(dst + i, v_mul(v_load(src + i), f));
	if (i < n)
		v_store_n(dst + i, v_mul(v_load_n(src + i, n - i), f), n - i);
}

void NNO_FN(add_scaled_f32)(float *dst, const float *src, float factor, int64_t n)
{
	int64_t i = 0;
	vf f = v_set1(factor);
	for (; i + VL <= n; i += VL)
		v_store(dst + i, v_fma(v_load(src + i), f, v_load(dst + i)));
	if (i < n)
		v_store_n(dst + i, v_fma(v_load_n(src + i, n - i), f, v_load_n(dst + i, n - i)), n - i);
}

/* Squares of 16 x 16, so that what they touch stays in the first-level cache on both sides; of them squares of 4 x 4.
 */
void NNO_FN(transpose_f32)(float *dst, int64_t ld_dst, const float *src, int64_t ld_src, int64_t rows, int64_t columns)
{
	enum { SIDE = 16 };
	for (int64_t r = 0; r < rows; r += SIDE)
		for (int64_t c = 0; c < columns; c += SIDE) {
			int64_t end_r = rows - r < SIDE ? rows : r + SIDE,
				end_c = columns - c < SIDE ? columns : c + SIDE;
			int64_t i = r;
			for (; i + 4 <= end_r; i += 4) {
				int64_t j = c;
				for (; j + 4 <= end_c; j += 4)
					v_transpose4(dst + j * ld_dst + i, ld_dst, src + i * ld_src + j, ld_src);
				for (; j < end_c; j++)
					for (int64_t k = i; k < i + 4; k++)
						dst[j * ld_dst + k] = src[k * ld_src + j];
			}
			for (; i < end_r; i++)
				for (int64_t j = c; j < end_c; j++)
					dst[j * ld_dst + i] = src[i * ld_src + j];
		}
}
