/* optim_kernels.c - one read and one write of weights and slots a step: these loops are bound by memory, so decay, L1
 * and clipping ride along for nothing. */
#include "kernel/body.h"

#include <stddef.h>

/* Products of floats are exact in double, so fusing cannot change them, and the sixteen partial sums are the same
 * everywhere: the norm has the same bits on every ISA. */
void NNO_FN(sum_squares_f32)(const float *x, int64_t n, double *sum)
{
	double part[16] = { 0.0 };
	int64_t i = 0;
	for (; i + 16 <= n; i += 16)
		for (int j = 0; j < 16; j++)
			part[j] += (double)x[i + j] * (double)x[i + j];
	for (int j = 0; i + j < n; j++)
		part[j] += (double)x[i + j] * (double)x[i + j];
	for (int width = 8; width > 0; width /= 2)
		for (int j = 0; j < width; j++)
			part[j] += part[j + width];
	*sum = part[0];
}

typedef struct gradient_lanes {
	vf scale, limit, decay, l1;
} gradient_lanes;

NNO_INLINE gradient_lanes spread(const nno_gradient_step *s)
{
	return (gradient_lanes){ v_set1(s->scale), v_set1(s->limit), v_set1(s->decay), v_set1(s->l1) };
}

NNO_INLINE vf whole_gradient(const gradient_lanes *s, vf w, vf g)
{
	vf zero = v_zero();
	g = v_max(v_min(v_mul(g, s->scale), s->limit), v_neg(s->limit));
	g = v_fma(s->decay, w, g);
	return v_add(g, v_select_gt(w, zero, s->l1, v_select_gt(zero, w, v_neg(s->l1), zero)));
}

/* Loads and stores of a whole vector, or of the last `n` lanes; `n` is VL at compile time in the main loops. */
NNO_INLINE vf get(const float *p, int64_t n) { return n == VL ? v_load(p) : v_load_n(p, n); }
NNO_INLINE void put(float *p, vf x, int64_t n)
{
	if (n == VL)
		v_store(p, x);
	else
		v_store_n(p, x, n);
}

NNO_INLINE void sgd_lanes(float *w, const float *g, float *m, const nno_sgd_step *s, const gradient_lanes *q, int64_t n)
{
	vf old = get(w, n);
	vf d = whole_gradient(q, old, get(g, n));
	if (m != NULL) {
		vf momentum = v_set1(s->momentum);
		vf buffer = v_fma(momentum, get(m, n), v_mul(v_set1(s->keep), d));
		put(m, buffer, n);
		d = s->nesterov ? v_fma(momentum, buffer, d) : buffer;
	}
	put(w, v_fma(v_set1(-s->lr), d, old), n);
}

void NNO_FN(sgd_f32)(float *w, const float *g, float *m, const nno_sgd_step *s, int64_t n)
{
	nno_sgd_step step = *s;
	gradient_lanes q = spread(&step.gradient);
	int64_t i = 0;
	for (; i + VL <= n; i += VL)
		sgd_lanes(w + i, g + i, m != NULL ? m + i : NULL, &step, &q, VL);
	if (i < n)
		sgd_lanes(w + i, g + i, m != NULL ? m + i : NULL, &step, &q, n - i);
}

NNO_INLINE void adam_lanes(float *w, const float *g, float *m, float *v, const nno_adam_step *s,
			   const gradient_lanes *q, int64_t n)
{
	vf old = get(w, n), first = get(m, n);
	vf d = whole_gradient(q, old, get(g, n));
	first = v_fma(v_set1(s->one_minus_beta1), v_sub(d, first), first);
	vf second = v_fma(v_mul(v_set1(s->one_minus_beta2), d), d, v_mul(v_set1(s->beta2), get(v, n)));
	put(m, first, n);
	put(v, second, n);
	vf denominator = v_fma(v_sqrt(second), v_set1(s->root), v_set1(s->epsilon));
	vf ratio = v_div(first, denominator);
	put(w, v_fma(v_set1(-s->rate), ratio, v_mul(old, v_set1(s->shrink))), n);
}

void NNO_FN(adam_f32)(float *w, const float *g, float *m, float *v, const nno_adam_step *s, int64_t n)
{
	nno_adam_step step = *s;
	gradient_lanes q = spread(&step.gradient);
	int64_t i = 0;
	for (; i + VL <= n; i += VL)
		adam_lanes(w + i, g + i, m + i, v + i, &step, &q, VL);
	if (i < n)
		adam_lanes(w + i, g + i, m + i, v + i, &step, &q, n - i);
}

NNO_INLINE void rmsprop_lanes(float *w, const float *g, float *sq, float *a, float *m, const nno_rmsprop_step *s,
			      const gradient_lanes *q, int64_t n)
{
	vf old = get(w, n), rest = v_set1(s->one_minus_alpha);
	vf d = whole_gradient(q, old, get(g, n));
	vf square = v_fma(v_mul(rest, d), d, v_mul(v_set1(s->alpha), get(sq, n)));
	put(sq, square, n);
	if (a != NULL) {
		vf mean = get(a, n);
		mean = v_fma(rest, v_sub(d, mean), mean);
		put(a, mean, n);
		/* Rounding can leave the variance of a steady gradient just below zero. */
		square = v_max(v_zero(), v_fma(v_neg(mean), mean, square));
	}
	d = v_div(d, v_add(v_sqrt(square), v_set1(s->epsilon)));
	if (m != NULL) {
		d = v_fma(v_set1(s->momentum), get(m, n), d);
		put(m, d, n);
	}
	put(w, v_fma(v_set1(-s->lr), d, old), n);
}

void NNO_FN(rmsprop_f32)(float *w, const float *g, float *sq, float *a, float *m, const nno_rmsprop_step *s, int64_t n)
{
	nno_rmsprop_step step = *s;
	gradient_lanes q = spread(&step.gradient);
	int64_t i = 0;
	for (; i + VL <= n; i += VL)
		rmsprop_lanes(w + i, g + i, sq + i, a != NULL ? a + i : NULL, m != NULL ? m + i : NULL, &step, &q, VL);
	if (i < n)
		rmsprop_lanes(w + i, g + i, sq + i, a != NULL ? a + i : NULL, m != NULL ? m + i : NULL, &step, &q,
			      n - i);
}

void NNO_FN(adagrad_f32)(float *w, const float *g, float *sum, const nno_adagrad_step *s, int64_t n)
{
	gradient_lanes q = spread(&s->gradient);
	vf rate = v_set1(-s->rate), epsilon = v_set1(s->epsilon);
	for (int64_t i = 0; i < n; i += VL) {
		vf old = load_some(w + i, n - i), d = whole_gradient(&q, old, load_some(g + i, n - i));
		vf squares = v_fma(d, d, load_some(sum + i, n - i));
		store_some(sum + i, squares, n - i);
		d = v_div(d, v_add(v_sqrt(squares), epsilon));
		store_some(w + i, v_fma(rate, d, old), n - i);
	}
}

/* What Adam, NAdam and LAMB have in common: both moments take a gradient up. */
typedef struct moments {
	vf first, second;
} moments;

NNO_INLINE moments take_up(float *m, float *v, vf d, float one_minus_beta1, float beta2, float one_minus_beta2,
			   int64_t n)
{
	vf first = load_some(m, n);
	first = v_fma(v_set1(one_minus_beta1), v_sub(d, first), first);
	vf second = v_fma(v_mul(v_set1(one_minus_beta2), d), d, v_mul(v_set1(beta2), load_some(v, n)));
	store_some(m, first, n);
	store_some(v, second, n);
	return (moments){ first, second };
}

void NNO_FN(nadam_f32)(float *w, const float *g, float *m, float *v, const nno_nadam_step *s, int64_t n)
{
	nno_nadam_step step = *s;
	gradient_lanes q = spread(&step.gradient);
	for (int64_t i = 0; i < n; i += VL) {
		vf old = load_some(w + i, n - i), d = whole_gradient(&q, old, load_some(g + i, n - i));
		moments k = take_up(m + i, v + i, d, step.one_minus_beta1, step.beta2, step.one_minus_beta2, n - i);
		vf denominator = v_fma(v_sqrt(k.second), v_set1(step.root), v_set1(step.epsilon));
		d = v_fma(v_set1(step.rate_m), k.first, v_mul(v_set1(step.rate_g), d));
		store_some(w + i, v_sub(v_mul(old, v_set1(step.shrink)), v_div(d, denominator)), n - i);
	}
}

void NNO_FN(lion_f32)(float *w, const float *g, float *m, const nno_lion_step *s, int64_t n)
{
	nno_lion_step step = *s;
	gradient_lanes q = spread(&step.gradient);
	vf zero = v_zero(), up = v_set1(step.lr), down = v_set1(-step.lr);
	for (int64_t i = 0; i < n; i += VL) {
		vf old = load_some(w + i, n - i), d = whole_gradient(&q, old, load_some(g + i, n - i));
		vf first = load_some(m + i, n - i);
		vf c = v_fma(v_set1(step.one_minus_beta1), d, v_mul(v_set1(step.beta1), first));
		vf move = v_select_gt(c, zero, up, v_select_gt(zero, c, down, zero));
		store_some(m + i, v_fma(v_set1(step.one_minus_beta2), d, v_mul(v_set1(step.beta2), first)), n - i);
		store_some(w + i, v_sub(v_mul(old, v_set1(step.shrink)), move), n - i);
	}
}

NNO_INLINE vf lamb_direction(const nno_lamb_step *s, vf w, vf first, vf second)
{
	vf denominator = v_fma(v_sqrt(second), v_set1(s->root), v_set1(s->epsilon));
	return v_fma(v_set1(s->decay), w, v_div(v_mul(first, v_set1(s->first)), denominator));
}

void NNO_FN(lamb_moments_f32)(float *u, const float *w, const float *g, float *m, float *v, const nno_lamb_step *s,
			      int64_t n)
{
	nno_lamb_step step = *s;
	gradient_lanes q = spread(&step.gradient);
	for (int64_t i = 0; i < n; i += VL) {
		vf old = load_some(w + i, n - i), d = whole_gradient(&q, old, load_some(g + i, n - i));
		moments k = take_up(m + i, v + i, d, step.one_minus_beta1, step.beta2, step.one_minus_beta2, n - i);
		store_some(u + i, lamb_direction(&step, old, k.first, k.second), n - i);
	}
}

void NNO_FN(lamb_f32)(float *w, const float *m, const float *v, const nno_lamb_step *s, float rate, int64_t n)
{
	nno_lamb_step step = *s;
	for (int64_t i = 0; i < n; i += VL) {
		vf old = load_some(w + i, n - i);
		vf u = lamb_direction(&step, old, load_some(m + i, n - i), load_some(v + i, n - i));
		store_some(w + i, v_fma(v_set1(-rate), u, old), n - i);
	}
}

void NNO_FN(muon_momentum_f32)(float *u, const float *w, const float *g, float *m, const nno_muon_step *s, int64_t n)
{
	nno_muon_step step = *s;
	gradient_lanes q = spread(&step.gradient);
	for (int64_t i = 0; i < n; i += VL) {
		vf d = whole_gradient(&q, load_some(w + i, n - i), load_some(g + i, n - i));
		vf buffer = load_some(m + i, n - i);
		buffer = v_fma(v_set1(step.one_minus_momentum), v_sub(d, buffer), buffer);
		store_some(m + i, buffer, n - i);
		d = step.nesterov ? v_fma(v_set1(step.momentum), v_sub(buffer, d), d) : buffer;
		store_some(u + i, d, n - i);
	}
}

/* As sum_squares_f32, of products rounded to float. */
void NNO_FN(sum_product_squares_f32)(const float *w, const float *g, int64_t n, double *sum)
{
	float product[256];
	double total = 0.0;
	for (int64_t from = 0; from < n; from += 256) {
		int64_t count = n - from < 256 ? n - from : 256;
		double part;
		for (int64_t i = 0; i < count; i++)
			product[i] = w[from + i] * g[from + i];
		NNO_FN(sum_squares_f32)(product, count, &part);
		total += part;
	}
	*sum = total;
}

void NNO_FN(ascend_f32)(float *w, const float *g, float factor, int64_t n)
{
	vf f = v_set1(factor);
	for (int64_t i = 0; i < n; i += VL) {
		vf old = load_some(w + i, n - i);
		vf slope = v_mul(v_mul(old, old), load_some(g + i, n - i));
		store_some(w + i, v_fma(f, slope, old), n - i);
	}
}
