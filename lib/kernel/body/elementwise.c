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
