/* recurrent_kernels.c - the cells of recurrent layers, and their gradients: all gates of one sample at one step, n
 * units. A unit's gates lie n floats apart. */
#include "kernel/body.h"

#include "kernel/body/vmath.h"

#include <stddef.h>

/* What came before the first step is zero. */
NNO_INLINE vf load_before(const float *p, int64_t i, int64_t width)
{
	return p == NULL ? v_zero() : load_some(p + i, width);
}

/* y (1 - y): the slope of a sigmoid whose value is y. */
NNO_INLINE vf sigmoid_slope(vf y) { return v_mul(y, v_sub(v_set1(1.0f), y)); }

/* 1 - y^2: that of a tanh. */
NNO_INLINE vf tanh_slope(vf y) { return v_sub(v_set1(1.0f), v_mul(y, y)); }

void NNO_FN(lstm_cell_f32)(float *gates, const float *c_before, float *c, float *h, int64_t n)
{
	float *in = gates, *forget = gates + n, *cell = gates + 2 * n, *out = gates + 3 * n;
	for (int64_t k = 0; k < n; k += VL) {
		int64_t width = n - k;
		vf i = v_sigmoid(load_some(in + k, width)), f = v_sigmoid(load_some(forget + k, width));
		vf g = v_tanh(load_some(cell + k, width)), o = v_sigmoid(load_some(out + k, width));
		vf now = v_fma(f, load_before(c_before, k, width), v_mul(i, g));
		store_some(in + k, i, width);
		store_some(forget + k, f, width);
		store_some(cell + k, g, width);
		store_some(out + k, o, width);
		store_some(c + k, now, width);
		store_some(h + k, v_mul(o, v_tanh(now)), width);
	}
}

void NNO_FN(lstm_cell_gradient_f32)(float *gates, const float *c_before, const float *c, const float *dh, float *dc,
				    int64_t n)
{
	float *in = gates, *forget = gates + n, *cell = gates + 2 * n, *out = gates + 3 * n;
	for (int64_t k = 0; k < n; k += VL) {
		int64_t width = n - k;
		vf i = load_some(in + k, width), f = load_some(forget + k, width), g = load_some(cell + k, width);
		vf o = load_some(out + k, width), y = v_tanh(load_some(c + k, width)), d = load_some(dh + k, width);
		vf now = v_fma(v_mul(d, o), tanh_slope(y), load_some(dc + k, width));
		store_some(in + k, v_mul(v_mul(now, g), sigmoid_slope(i)), width);
		store_some(forget + k, v_mul(v_mul(now, load_before(c_before, k, width)), sigmoid_slope(f)), width);
		store_some(cell + k, v_mul(v_mul(now, i), tanh_slope(g)), width);
		store_some(out + k, v_mul(v_mul(d, y), sigmoid_slope(o)), width);
		store_some(dc + k, v_mul(now, f), width);
	}
}

void NNO_FN(gru_cell_f32)(float *gates, const float *h_before, float *h, int64_t n)
{
	float *reset = gates, *update = gates + n, *fresh = gates + 2 * n, *past = gates + 3 * n;
	for (int64_t k = 0; k < n; k += VL) {
		int64_t width = n - k;
		vf r = v_sigmoid(load_some(reset + k, width)), z = v_sigmoid(load_some(update + k, width));
		vf x = v_tanh(v_fma(r, load_some(past + k, width), load_some(fresh + k, width)));
		store_some(reset + k, r, width);
		store_some(update + k, z, width);
		store_some(fresh + k, x, width);
		store_some(h + k, v_fma(z, v_sub(load_before(h_before, k, width), x), x), width);
	}
}

void NNO_FN(gru_cell_gradient_f32)(float *gates, const float *h_before, const float *dh, float *dh_before, int64_t n)
{
	float *reset = gates, *update = gates + n, *fresh = gates + 2 * n, *past = gates + 3 * n;
	for (int64_t k = 0; k < n; k += VL) {
		int64_t width = n - k;
		vf r = load_some(reset + k, width), z = load_some(update + k, width), x = load_some(fresh + k, width);
		vf d = load_some(dh + k, width), kept = v_mul(d, z);
		vf dx = v_mul(v_sub(d, kept), tanh_slope(x));
		vf dz = v_mul(d, v_sub(load_before(h_before, k, width), x));
		vf dr = v_mul(dx, load_some(past + k, width));
		store_some(reset + k, v_mul(dr, sigmoid_slope(r)), width);
		store_some(update + k, v_mul(dz, sigmoid_slope(z)), width);
		store_some(fresh + k, dx, width);
		store_some(past + k, v_mul(dx, r), width);
		store_some(dh_before + k, kept, width);
	}
}
