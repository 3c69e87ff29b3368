/* activation_kernels.c - element-wise functions and their gradients. One loop serves them all; the function is inlined.
 */
#include "kernel/body.h"

#include "kernel/body/vmath.h"

typedef vf (*value_fn)(vf x, vf slope);
/* d(result)/d(x) times dy, from v: the input or the result, as the kernel's name list says. */
typedef vf (*gradient_fn)(vf dy, vf v, vf slope);

NNO_INLINE void map(elem *dst, const elem *x, float slope, int64_t n, value_fn f)
{
	int64_t i = 0;
	vf s = v_set1(slope);
	for (; i + VL <= n; i += VL)
		put(dst + i, f(get(x + i), s));
	if (i < n)
		put_n(dst + i, f(get_n(x + i, n - i), s), n - i);
}

NNO_INLINE void map_back(elem *dx, const elem *dy, const elem *v, float slope, int64_t n, int add, gradient_fn f)
{
	int64_t i = 0;
	vf s = v_set1(slope);
	if (add) {
		for (; i + VL <= n; i += VL)
			put(dx + i, v_add(get(dx + i), f(get(dy + i), get(v + i), s)));
		if (i < n)
			put_n(dx + i, v_add(get_n(dx + i, n - i), f(get_n(dy + i, n - i), get_n(v + i, n - i), s)),
			      n - i);
		return;
	}
	for (; i + VL <= n; i += VL)
		put(dx + i, f(get(dy + i), get(v + i), s));
	if (i < n)
		put_n(dx + i, f(get_n(dy + i, n - i), get_n(v + i, n - i), s), n - i);
}

/* The order of operands decides what a NaN becomes: itself in values, and in gradients what PyTorch
 * makes of it. */
NNO_INLINE vf relu(vf x, vf s)
{
	(void)s;
	return v_max(v_zero(), x);
}
NNO_INLINE vf relu_back(vf dy, vf y, vf s)
{
	(void)s;
	return v_select_le(y, v_zero(), v_zero(), dy);
}
NNO_INLINE vf leaky(vf x, vf s) { return v_select_gt(v_zero(), x, v_mul(x, s), x); }
NNO_INLINE vf leaky_back(vf dy, vf x, vf s) { return v_select_gt(x, v_zero(), dy, v_mul(dy, s)); }
NNO_INLINE vf relu6(vf x, vf s)
{
	(void)s;
	return v_min(v_set1(6.0f), v_max(v_zero(), x));
}

NNO_INLINE vf relu6_back(vf dy, vf y, vf s)
{
	(void)s;
	return v_select_le(y, v_zero(), v_zero(), v_select_le(v_set1(6.0f), y, v_zero(), dy));
}

NNO_INLINE vf sigmoid(vf x, vf s)
{
	(void)s;
	return v_sigmoid(x);
}
NNO_INLINE vf sigmoid_back(vf dy, vf y, vf s)
{
	(void)s;
	return v_mul(dy, v_mul(y, v_sub(v_set1(1.0f), y)));
}
NNO_INLINE vf tanh_value(vf x, vf s)
{
	(void)s;
	return v_tanh(x);
}
NNO_INLINE vf tanh_back(vf dy, vf y, vf s)
{
	(void)s;
	return v_mul(dy, v_sub(v_set1(1.0f), v_mul(y, y)));
}
NNO_INLINE vf silu(vf x, vf s)
{
	(void)s;
	return v_mul(x, v_sigmoid(x));
}

NNO_INLINE vf silu_back(vf dy, vf x, vf s)
{
	(void)s;
	vf one = v_set1(1.0f), y = v_sigmoid(x);
	return v_mul(dy, v_mul(y, v_fma(x, v_sub(one, y), one)));
}

NNO_INLINE vf gelu(vf x, vf s)
{
	(void)s;
	return v_mul(v_mul(v_set1(0.5f), x), v_add(v_set1(1.0f), v_erf(v_mul(x, v_set1(0.70710678f)))));
}

NNO_INLINE vf gelu_back(vf dy, vf x, vf s)
{
	(void)s;
	vf cdf = v_mul(v_set1(0.5f), v_add(v_set1(1.0f), v_erf(v_mul(x, v_set1(0.70710678f)))));
	vf pdf = v_mul(v_set1(0.39894228f), v_exp(v_mul(v_set1(-0.5f), v_mul(x, x))));
	return v_mul(dy, v_fma(x, pdf, cdf));
}

#define SQRT_2_OVER_PI 0.79788456f
#define CUBIC 0.044715f

/* (1 + tanh u) / 2 = sigmoid(2 u), which loses no digits where tanh is close to -1. */
NNO_INLINE vf gelu_share(vf x)
{
	return v_sigmoid(v_mul(v_set1(2.0f * SQRT_2_OVER_PI), v_fma(v_mul(v_set1(CUBIC), v_mul(x, x)), x, x)));
}

NNO_INLINE vf gelu_tanh(vf x, vf s)
{
	(void)s;
	return v_mul(x, gelu_share(x));
}

NNO_INLINE vf gelu_tanh_back(vf dy, vf x, vf s)
{
	(void)s;
	vf one = v_set1(1.0f), share = gelu_share(x);
	vf rise = v_mul(v_mul(x, share), v_mul(v_set1(2.0f), v_sub(one, share)));
	vf steep = v_mul(v_set1(SQRT_2_OVER_PI), v_fma(v_set1(3.0f * CUBIC), v_mul(x, x), one));
	/* Where the share is flat the square of x may be infinite, and its product with 0 no number. */
	rise = v_select_le(v_abs(rise), v_zero(), v_zero(), v_mul(rise, steep));
	return v_mul(dy, v_add(share, rise));
}

/* min(max(x + 3, 0), 6) / 6 */
NNO_INLINE vf hard_sigmoid(vf x, vf s) { return v_mul(relu6(v_add(x, v_set1(3.0f)), s), v_set1(1.0f / 6.0f)); }

/* Of the input: in 16 bits a result may be 1 where the input is not yet 3. */
NNO_INLINE vf hard_sigmoid_back(vf dy, vf x, vf s)
{
	(void)s;
	vf inner = v_select_gt(v_set1(3.0f), x, v_mul(dy, v_set1(1.0f / 6.0f)), v_zero());
	return v_select_gt(x, v_set1(-3.0f), inner, v_zero());
}

NNO_INLINE vf hard_swish(vf x, vf s) { return v_mul(x, hard_sigmoid(x, s)); }

NNO_INLINE vf hard_swish_back(vf dy, vf x, vf s)
{
	(void)s;
	vf inner = v_mul(dy, v_fma(x, v_set1(1.0f / 3.0f), v_set1(0.5f)));
	inner = v_select_gt(v_set1(3.0f), x, inner, dy);
	return v_select_le(x, v_set1(-3.0f), v_zero(), inner);
}

void NNO_OF(relu)(elem *dst, const elem *x, float slope, int64_t n) { map(dst, x, slope, n, relu); }
void NNO_OF(leaky_relu)(elem *dst, const elem *x, float slope, int64_t n) { map(dst, x, slope, n, leaky); }
void NNO_OF(relu6)(elem *dst, const elem *x, float slope, int64_t n) { map(dst, x, slope, n, relu6); }
void NNO_OF(sigmoid)(elem *dst, const elem *x, float slope, int64_t n) { map(dst, x, slope, n, sigmoid); }
void NNO_OF(tanh)(elem *dst, const elem *x, float slope, int64_t n) { map(dst, x, slope, n, tanh_value); }
void NNO_OF(silu)(elem *dst, const elem *x, float slope, int64_t n) { map(dst, x, slope, n, silu); }
void NNO_OF(gelu)(elem *dst, const elem *x, float slope, int64_t n) { map(dst, x, slope, n, gelu); }
void NNO_OF(gelu_tanh)(elem *dst, const elem *x, float slope, int64_t n) { map(dst, x, slope, n, gelu_tanh); }
void NNO_OF(hard_sigmoid)(elem *dst, const elem *x, float slope, int64_t n) { map(dst, x, slope, n, hard_sigmoid); }
void NNO_OF(hard_swish)(elem *dst, const elem *x, float slope, int64_t n) { map(dst, x, slope, n, hard_swish); }

void NNO_OF(relu_gradient)(elem *dx, const elem *dy, const elem *y, float slope, int64_t n, int add)
{
	map_back(dx, dy, y, slope, n, add, relu_back);
}

void NNO_OF(leaky_relu_gradient)(elem *dx, const elem *dy, const elem *x, float slope, int64_t n, int add)
{
	map_back(dx, dy, x, slope, n, add, leaky_back);
}

void NNO_OF(relu6_gradient)(elem *dx, const elem *dy, const elem *y, float slope, int64_t n, int add)
{
	map_back(dx, dy, y, slope, n, add, relu6_back);
}

void NNO_OF(sigmoid_gradient)(elem *dx, const elem *dy, const elem *y, float slope, int64_t n, int add)
{
	map_back(dx, dy, y, slope, n, add, sigmoid_back);
}

void NNO_OF(tanh_gradient)(elem *dx, const elem *dy, const elem *y, float slope, int64_t n, int add)
{
	map_back(dx, dy, y, slope, n, add, tanh_back);
}

void NNO_OF(silu_gradient)(elem *dx, const elem *dy, const elem *x, float slope, int64_t n, int add)
{
	map_back(dx, dy, x, slope, n, add, silu_back);
}

void NNO_OF(gelu_gradient)(elem *dx, const elem *dy, const elem *x, float slope, int64_t n, int add)
{
	map_back(dx, dy, x, slope, n, add, gelu_back);
}

void NNO_OF(gelu_tanh_gradient)(elem *dx, const elem *dy, const elem *x, float slope, int64_t n, int add)
{
	map_back(dx, dy, x, slope, n, add, gelu_tanh_back);
}

void NNO_OF(hard_sigmoid_gradient)(elem *dx, const elem *dy, const elem *x, float slope, int64_t n, int add)
{
	map_back(dx, dy, x, slope, n, add, hard_sigmoid_back);
}

void NNO_OF(hard_swish_gradient)(elem *dx, const elem *dy, const elem *x, float slope, int64_t n, int add)
{
	map_back(dx, dy, x, slope, n, add, hard_swish_back);
}
