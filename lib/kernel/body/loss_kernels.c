/* loss_kernels.c - values and gradients of the losses, a row or a flat run at a time. */
#include "kernel/body.h"
#include "kernel/body/vmath.h"

#include <stddef.h>

/* Float lanes are summed over so many elements before they go to a double. */
#define FLUSH 512

static float row_max(const float *x, int64_t n)
{
	float top = x[0];
	int64_t i = 0;
	if (n >= VL) {
		vf m = v_load(x);
		for (i = VL; i + VL <= n; i += VL)
			m = v_max(m, v_load(x + i));
		top = v_reduce_max(m);
	}
	for (; i < n; i++)
		top = top > x[i] ? top : x[i];
	return top;
}

void NNO_FN(softmax_row_f32)(float *e, const float *x, int64_t n, float sums[2])
{
	float top = row_max(x, n);
	vf t = v_set1(top), total = v_zero();
	int64_t i = 0;
	for (; i + VL <= n; i += VL) {
		vf y = v_exp(v_sub(v_load(x + i), t));
		total = v_add(total, y);
		if (e != NULL)
			v_store(e + i, y);
	}
	float sum = v_sum(total);
	if (i < n) {
		float tail[VL];
		v_store(tail, v_exp(v_sub(v_load_n(x + i, n - i), t)));
		for (int64_t j = 0; i + j < n; j++)
			sum += tail[j];
		if (e != NULL)
			for (int64_t j = 0; i + j < n; j++)
				e[i + j] = tail[j];
	}
	sums[0] = top;
	sums[1] = sum;
}

/* w (t a + b) of the elements from `i`; the two branches are decided once a row. */
NNO_INLINE vf target(const float *w, const float *t, vf a, vf b, int64_t i)
{
	vf q = t != NULL ? v_fma(v_load(t + i), a, b) : b;
	return w != NULL ? v_mul(v_load(w + i), q) : q;
}

/* The same for the last `n` elements; lanes past them are of no meaning. */
NNO_INLINE vf target_n(const float *w, const float *t, vf a, vf b, int64_t i, int64_t n)
{
	vf q = t != NULL ? v_fma(v_load_n(t + i, n), a, b) : b;
	return w != NULL ? v_mul(v_load_n(w + i, n), q) : q;
}

void NNO_FN(target_sums_f32)(const float *x, float top, const float *w, const float *t, float a, float b, int64_t n,
			     float sums[2])
{
	vf va = v_set1(a), vb = v_set1(b), vt = v_set1(top), mass = v_zero(), dot = v_zero();
	int64_t i = 0;
	for (; i + VL <= n; i += VL) {
		vf q = target(w, t, va, vb, i);
		mass = v_add(mass, q);
		dot = v_fma(q, v_sub(vt, v_load(x + i)), dot);
	}
	sums[0] = v_sum(mass);
	sums[1] = v_sum(dot);
	if (i < n) {
		float q[VL], d[VL];
		v_store(q, target_n(w, t, va, vb, i, n - i));
		v_store(d, v_sub(vt, v_load_n(x + i, n - i)));
		for (int64_t j = 0; i + j < n; j++) {
			sums[0] += q[j];
			sums[1] += q[j] * d[j];
		}
	}
}

void NNO_FN(target_gradient_f32)(float *dst, float k, const float *w, const float *t, float a, float b, int64_t n)
{
	vf vk = v_set1(k), va = v_set1(a), vb = v_set1(b);
	int64_t i = 0;
	for (; i + VL <= n; i += VL)
		v_store(dst + i, v_fma(v_load(dst + i), vk, v_neg(target(w, t, va, vb, i))));
	if (i < n)
		v_store_n(dst + i, v_fma(v_load_n(dst + i, n - i), vk, v_neg(target_n(w, t, va, vb, i, n - i))), n - i);
}

void NNO_FN(squared_error_f32)(float *g, const float *x, const float *t, float k, int64_t n, double *sum)
{
	vf vk = v_set1(k);
	double total = 0.0;
	for (int64_t begin = 0; begin < n; begin += FLUSH) {
		int64_t end = n - begin < FLUSH ? n : begin + FLUSH, i = begin;
		vf part = v_zero();
		for (; i + VL <= end; i += VL) {
			vf d = v_sub(v_load(x + i), v_load(t + i));
			part = v_fma(d, d, part);
			if (g != NULL)
				v_store(g + i, v_mul(d, vk));
		}
		if (i < end) {
			vf d = v_sub(v_load_n(x + i, end - i), v_load_n(t + i, end - i));
			part = v_fma(d, d, part);
			if (g != NULL)
				v_store_n(g + i, v_mul(d, vk), end - i);
		}
		total += (double)v_sum(part);
	}
	*sum = total;
}

/* The loss of each lane; its derivative to *slope. */
NNO_INLINE vf logit_bce(vf x, vf t, vf p, vf *slope)
{
	vf zero = v_zero(), one = v_set1(1.0f);
	vf e = v_exp(v_neg(v_abs(x)));
	vf c = v_fma(v_sub(p, one), t, one);
	vf rest = v_sub(one, t);
	vf sigmoid_of_minus = v_div(v_select_gt(x, zero, e, one), v_add(one, e));
	*slope = v_sub(rest, v_mul(c, sigmoid_of_minus));
	return v_fma(rest, x, v_mul(c, v_add(v_log1p_unit(e), v_max(v_neg(x), zero))));
}

void NNO_FN(logit_bce_f32)(float *g, const float *x, const float *t, const float *p, float p1, float k, int64_t n,
			   double *sum)
{
	vf vk = v_set1(k), vp = v_set1(p1), slope;
	double total = 0.0;
	for (int64_t begin = 0; begin < n; begin += FLUSH) {
		int64_t end = n - begin < FLUSH ? n : begin + FLUSH, i = begin;
		vf part = v_zero();
		for (; i + VL <= end; i += VL) {
			part = v_add(part,
				     logit_bce(v_load(x + i), v_load(t + i), p != NULL ? v_load(p + i) : vp, &slope));
			if (g != NULL)
				v_store(g + i, v_mul(slope, vk));
		}
		total += (double)v_sum(part);
		if (i < end) {
			float tail[VL];
			int64_t m = end - i;
			v_store(tail, logit_bce(v_load_n(x + i, m), v_load_n(t + i, m),
						p != NULL ? v_load_n(p + i, m) : vp, &slope));
			for (int64_t j = 0; j < m; j++)
				total += (double)tail[j];
			if (g != NULL)
				v_store_n(g + i, v_mul(slope, vk), m);
		}
	}
	*sum = total;
}

/* t log t of each lane. */
NNO_INLINE vf plogp(vf t) { return v_select_gt(t, v_zero(), v_mul(t, v_log(t)), v_zero()); }

void NNO_FN(plogp_f32)(const float *t, int64_t n, double *sum)
{
	double total = 0.0;
	for (int64_t begin = 0; begin < n; begin += FLUSH) {
		int64_t end = n - begin < FLUSH ? n : begin + FLUSH;
		vf part = v_zero();
		for (int64_t i = begin; i < end; i += VL)
			part = v_add(part, plogp(load_some(t + i, end - i)));
		total += (double)v_sum(part);
	}
	*sum = total;
}

void NNO_FN(divergence_f32)(const float *x, const float *z, float k, int64_t n, float s[5])
{
	s[0] = row_max(x, n);
	s[1] = row_max(z, n);
	vf vk = v_set1(k), tx = v_set1(s[0]), tz = v_set1(s[1]), sx = v_zero(), sz = v_zero(), dot = v_zero();
	int64_t i = 0;
	for (; i + VL <= n; i += VL) {
		vf dx = v_mul(vk, v_sub(v_load(x + i), tx)), dz = v_mul(vk, v_sub(v_load(z + i), tz)), ez = v_exp(dz);
		sx = v_add(sx, v_exp(dx));
		sz = v_add(sz, ez);
		/* A class that the teacher rules out has no part, however far down it is. */
		dot = v_add(dot, v_select_gt(ez, v_zero(), v_mul(ez, v_sub(dz, dx)), v_zero()));
	}
	s[2] = v_sum(sx);
	s[3] = v_sum(sz);
	s[4] = v_sum(dot);
	if (i < n) {
		float ex[VL], ez[VL], d[VL];
		vf dx = v_mul(vk, v_sub(v_load_n(x + i, n - i), tx)), dz = v_mul(vk, v_sub(v_load_n(z + i, n - i), tz));
		v_store(ex, v_exp(dx));
		v_store(ez, v_exp(dz));
		v_store(d, v_sub(dz, dx));
		for (int64_t j = 0; i + j < n; j++) {
			s[2] += ex[j];
			s[3] += ez[j];
			s[4] += ez[j] > 0.0f ? ez[j] * d[j] : 0.0f;
		}
	}
}

void NNO_FN(divergence_gradient_f32)(float *g, const float *x, const float *z, float k, const float s[5], float a,
				     float b, int64_t n)
{
	vf vk = v_set1(k), tx = v_set1(s[0]), tz = v_set1(s[1]), va = v_set1(a), vb = v_set1(-b);
	for (int64_t i = 0; i < n; i += VL) {
		vf ex = v_exp(v_mul(vk, v_sub(load_some(x + i, n - i), tx)));
		vf ez = v_exp(v_mul(vk, v_sub(load_some(z + i, n - i), tz)));
		store_some(g + i, v_fma(ez, vb, v_fma(ex, va, load_some(g + i, n - i))), n - i);
	}
}

typedef struct focal {
	vf a0, more, gamma;
} focal;

/* The loss of each lane; its derivative to *slope. log q is bounded from below, where q^gamma is 0 or gamma is. */
NNO_INLINE vf logit_focal(vf x, vf t, const focal *f, vf *slope)
{
	vf zero = v_zero(), one = v_set1(1.0f);
	vf e = v_exp(v_neg(v_abs(x))), low = v_div(e, v_add(one, e)), high = v_div(one, v_add(one, e));
	vf p = v_select_gt(x, zero, high, low), rest_p = v_select_gt(x, zero, low, high), rest = v_sub(one, t);
	vf entropy = v_fma(rest, x, v_add(v_log1p_unit(e), v_max(v_neg(x), zero)));
	vf q = v_max(v_set1(1.17549435e-38f), v_fma(p, rest, v_mul(rest_p, t)));
	vf weight = v_mul(v_fma(f->more, t, f->a0), v_exp(v_mul(f->gamma, v_log(q))));
	vf ratio = v_div(v_mul(v_mul(p, rest_p), v_sub(rest, t)), q);
	*slope = v_mul(weight, v_fma(v_mul(entropy, f->gamma), ratio, v_sub(rest, rest_p)));
	return v_mul(weight, entropy);
}

void NNO_FN(logit_focal_f32)(float *g, const float *x, const float *t, float a1, float a0, float gamma, float k,
			     int64_t n, double *sum)
{
	const focal f = { v_set1(a0), v_set1(a1 - a0), v_set1(gamma) };
	vf vk = v_set1(k), slope;
	double total = 0.0;
	for (int64_t begin = 0; begin < n; begin += FLUSH) {
		int64_t end = n - begin < FLUSH ? n : begin + FLUSH, i = begin;
		vf part = v_zero();
		for (; i + VL <= end; i += VL) {
			part = v_add(part, logit_focal(v_load(x + i), v_load(t + i), &f, &slope));
			if (g != NULL)
				v_store(g + i, v_mul(slope, vk));
		}
		total += (double)v_sum(part);
		if (i < end) {
			float tail[VL];
			int64_t m = end - i;
			v_store(tail, logit_focal(v_load_n(x + i, m), v_load_n(t + i, m), &f, &slope));
			for (int64_t j = 0; j < m; j++)
				total += (double)tail[j];
			if (g != NULL)
				v_store_n(g + i, v_mul(slope, vk), m);
		}
	}
	*sum = total;
}
