/* scale.c - f32 arrays times a factor, times each other, and sums of two such. */
#include "kernel/body.h"

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

/* Sums of floats lose digits as they grow: a double takes over after so many. */
enum { PART = 256 };

void NNO_FN(dot_f32)(const float *a, const float *b, int64_t n, double *sum)
{
	*sum = 0.0;
	for (int64_t from = 0; from < n; from += PART) {
		int64_t end = n - from < PART ? n : from + PART;
		vf acc = v_zero();
		for (int64_t i = from; i < end; i += VL)
			acc = v_fma(load_some(a + i, end - i), load_some(b + i, end - i), acc);
		*sum += (double)v_sum(acc);
	}
}

void NNO_FN(approach_f32)(float *dst, const float *src, float factor, int64_t n)
{
	vf f = v_set1(factor);
	for (int64_t i = 0; i < n; i += VL) {
		vf old = load_some(dst + i, n - i);
		store_some(dst + i, v_fma(v_sub(load_some(src + i, n - i), old), f, old), n - i);
	}
}

void NNO_FN(blend_f32)(float *dst, const float *a, float fa, const float *b, float fb, int64_t n)
{
	vf va = v_set1(fa), vb = v_set1(fb);
	for (int64_t i = 0; i < n; i += VL) {
		vf x = v_mul(load_some(a + i, n - i), va), y = v_mul(load_some(b + i, n - i), vb);
		store_some(dst + i, v_add(x, y), n - i);
	}
}
