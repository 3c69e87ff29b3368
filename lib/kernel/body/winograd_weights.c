/* winograd_weights.c - the transform of a 3 x 3 convolution's weights for F(4x4, 3x3), U = G g G', and its adjoint, G'
 * dU G; see winograd.c. */
#include "kernel/body.h"

enum { PATCH = 6 };

NNO_INLINE void weights_1d(vf t[PATCH], const vf g[3])
{
	const vf quarter = v_set1(0.25f), sixth = v_set1(-1.0f / 6.0f), part = v_set1(1.0f / 24.0f),
		 twelfth = v_set1(1.0f / 12.0f);
	vf even = v_mul(sixth, v_add(g[0], g[2])), odd = v_mul(sixth, g[1]);
	vf even2 = v_mul(part, v_fma(v_set1(4.0f), g[2], g[0])), odd2 = v_mul(twelfth, g[1]);
	t[0] = v_mul(quarter, g[0]);
	t[1] = v_add(even, odd);
	t[2] = v_sub(even, odd);
	t[3] = v_add(even2, odd2);
	t[4] = v_sub(even2, odd2);
	t[5] = g[2];
}

NNO_INLINE void weight_gradient_1d(vf g[3], const vf m[PATCH])
{
	const vf quarter = v_set1(0.25f), sixth = v_set1(1.0f / 6.0f), part = v_set1(1.0f / 24.0f),
		 twelfth = v_set1(1.0f / 12.0f);
	vf p = v_mul(sixth, v_add(m[1], m[2])), q = v_mul(sixth, v_sub(m[2], m[1]));
	vf u = v_add(m[3], m[4]), w = v_sub(m[3], m[4]);
	g[0] = v_fma(quarter, m[0], v_fma(part, u, v_neg(p)));
	g[1] = v_fma(twelfth, w, q);
	g[2] = v_add(v_fma(sixth, u, v_neg(p)), m[5]);
}

NNO_INLINE void weights_vector(float *u, int64_t step, const float *w, int64_t tap, int64_t width)
{
	vf t[PATCH][3];
	for (int x = 0; x < 3; x++) {
		vf g[3], r[PATCH];
		for (int y = 0; y < 3; y++)
			g[y] = load_some(w + (y * 3 + x) * tap, width);
		weights_1d(r, g);
		for (int y = 0; y < PATCH; y++)
			t[y][x] = r[y];
	}
	for (int y = 0; y < PATCH; y++) {
		vf r[PATCH];
		weights_1d(r, t[y]);
		for (int x = 0; x < PATCH; x++)
			store_some(u + (y * PATCH + x) * step, r[x], width);
	}
}

void NNO_FN(winograd_weights_f32)(float *u, int64_t step, const float *w, int64_t tap, int64_t ld, int64_t rows,
				  int64_t n)
{
	for (int64_t i = 0; i < rows; i++, u += n, w += ld) {
		int64_t j = 0;
		for (; j + VL <= n; j += VL)
			weights_vector(u + j, step, w + j, tap, VL);
		if (j < n)
			weights_vector(u + j, step, w + j, tap, n - j);
	}
}

NNO_INLINE void put_tap(float *w, vf x, int flags, int64_t width)
{
	store_some(w, flags & NNO_GEMM_ADD ? v_add(x, load_some(w, width)) : x, width);
}

NNO_INLINE void weight_gradient_vector(float *w, int64_t tap, const float *u, int64_t step, int flags, int64_t width)
{
	vf t[3][PATCH];
	for (int x = 0; x < PATCH; x++) {
		vf d[PATCH], r[3];
		for (int y = 0; y < PATCH; y++)
			d[y] = load_some(u + (y * PATCH + x) * step, width);
		weight_gradient_1d(r, d);
		for (int y = 0; y < 3; y++)
			t[y][x] = r[y];
	}
	for (int y = 0; y < 3; y++) {
		vf r[3];
		weight_gradient_1d(r, t[y]);
		for (int x = 0; x < 3; x++)
			put_tap(w + (y * 3 + x) * tap, r[x], flags, width);
	}
}

void NNO_FN(winograd_weight_gradient_f32)(float *w, int64_t tap, const float *u, int64_t step, int64_t n, int flags)
{
	int64_t j = 0;
	for (; j + VL <= n; j += VL)
		weight_gradient_vector(w + j, tap, u + j, step, flags, VL);
	if (j < n)
		weight_gradient_vector(w + j, tap, u + j, step, flags, n - j);
}
