/* vmath.h - elementary functions on the vocabulary of simd/. Include after kernel/body.h. */
#ifndef NNO_KERNEL_VMATH_H
#define NNO_KERNEL_VMATH_H

/* e^x, relative error below 2 ulp, gradual underflow, 0 and infinity past the ends, NaN for NaN.
 * x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts (Cody and Waite 1980); Taylor's polynomial of degree 7. 2^n is
 * applied in two factors, because n goes past the exponents of a float at both ends. */
NNO_INLINE vf v_exp(vf x)
{
	vf low = v_set1(-104.0f), high = v_set1(89.0f);
	vf n = v_round(v_mul(v_min(v_max(x, low), high), v_set1(1.44269504f))); /* NaN counts as `low` here */
	vf r = v_min(high, v_max(low, x));                                      /* and stays NaN here */
	r = v_fma(n, v_set1(-0.693359375f), r);
	r = v_fma(n, v_set1(2.12194440e-4f), r);
	vf p = v_set1(1.0f / 5040.0f);
	p = v_fma(p, r, v_set1(1.0f / 720.0f));
	p = v_fma(p, r, v_set1(1.0f / 120.0f));
	p = v_fma(p, r, v_set1(1.0f / 24.0f));
	p = v_fma(p, r, v_set1(1.0f / 6.0f));
	p = v_fma(p, r, v_set1(0.5f));
	p = v_add(v_fma(v_mul(r, r), p, r), v_set1(1.0f));
	vf half = v_round(v_mul(n, v_set1(0.5f)));
	return v_mul(v_mul(p, v_exponent2(half)), v_exponent2(v_sub(n, half)));
}

/* log(1 + u) for u in [0, 1], relative error below 3 ulp; NaN for NaN. 2 atanh(s), s = u / (2 + u) <= 1/3. */
NNO_INLINE vf v_log1p_unit(vf u)
{
	vf s = v_div(u, v_add(u, v_set1(2.0f)));
	vf z = v_mul(s, s);
	vf p = v_set1(1.0f / 15.0f);
	p = v_fma(p, z, v_set1(1.0f / 13.0f));
	p = v_fma(p, z, v_set1(1.0f / 11.0f));
	p = v_fma(p, z, v_set1(1.0f / 9.0f));
	p = v_fma(p, z, v_set1(1.0f / 7.0f));
	p = v_fma(p, z, v_set1(1.0f / 5.0f));
	p = v_fma(p, z, v_set1(1.0f / 3.0f));
	vf twice = v_add(s, s);
	return v_fma(v_mul(twice, z), p, twice);
}

/* log x for finite x > 0, relative error below 3 ulp; what is smaller counts as the least normal number, NaN stays NaN.
 * x = 2^n m with m in [sqrt 1/2, sqrt 2], log m = 2 atanh(s), s = (m - 1) / (m + 1), |s| <= 0.172. */
NNO_INLINE vf v_log(vf x)
{
	vf one = v_set1(1.0f);
	x = v_max(v_set1(1.17549435e-38f), x);
	vf n = v_exponent_of(x), half = v_round(v_mul(n, v_set1(0.5f)));
	vf m = v_mul(v_mul(x, v_exponent2(v_neg(half))), v_exponent2(v_sub(half, n)));
	n = v_select_gt(m, v_set1(1.41421356f), v_add(n, one), n);
	m = v_select_gt(m, v_set1(1.41421356f), v_mul(m, v_set1(0.5f)), m);
	vf s = v_div(v_sub(m, one), v_add(m, one)), z = v_mul(s, s);
	vf p = v_set1(1.0f / 11.0f);
	p = v_fma(p, z, v_set1(1.0f / 9.0f));
	p = v_fma(p, z, v_set1(1.0f / 7.0f));
	p = v_fma(p, z, v_set1(1.0f / 5.0f));
	p = v_fma(p, z, v_set1(1.0f / 3.0f));
	vf twice = v_add(s, s);
	vf low = v_fma(v_mul(twice, z), p, v_mul(n, v_set1(-2.12194440e-4f)));
	return v_fma(n, v_set1(0.693359375f), v_add(twice, low));
}

/* Horner in z over `n` coefficients, the highest first. */
NNO_INLINE vf v_polynomial(vf z, const float *c, int n)
{
	vf p = v_set1(c[0]);
	for (int i = 1; i < n; i++)
		p = v_fma(p, z, v_set1(c[i]));
	return p;
}

/* tanh, error below 6 ulp, NaN for NaN. A quotient of polynomials in x^2 on [-7.9, 7.9], past which a float's tanh is
 * 1: the minimax one of Eigen's ptanh. Close to 0 the function is its argument. */
NNO_INLINE vf v_tanh(vf x)
{
	static const float over[] = { -2.76076847742355e-16f, 2.00018790482477e-13f, -8.60467152213735e-11f,
				      5.12229709037114e-08f,  1.48572235717979e-05f, 6.37261928875436e-04f,
				      4.89352455891786e-03f };
	static const float under[] = { 1.19825839466702e-06f, 1.18534705686654e-04f, 2.26843463243900e-03f,
				       4.89352518554385e-03f };
	vf r = v_min(v_set1(7.90531111f), v_max(v_set1(-7.90531111f), x)), z = v_mul(r, r);
	vf y = v_div(v_mul(r, v_polynomial(z, over, 7)), v_polynomial(z, under, 4));
	y = v_select_gt(x, v_set1(7.9f), v_set1(1.0f), v_select_gt(v_set1(-7.9f), x, v_set1(-1.0f), y));
	return v_select_gt(v_set1(4e-4f), v_abs(x), x, y);
}

/* 1 / (1 + e^-x), error below 4 ulp, NaN for NaN. */
NNO_INLINE vf v_sigmoid(vf x)
{
	vf one = v_set1(1.0f);
	return v_div(one, v_add(one, v_exp(v_neg(x))));
}

/* erf, error below 1e-6 of the result, NaN for NaN. As v_tanh, on [-4, 4], with the coefficients of Eigen's perf. */
NNO_INLINE vf v_erf(vf x)
{
	static const float over[] = { -2.72614225801306e-10f, 2.77068142495902e-08f,  -2.10102402082508e-06f,
				      -5.69250639462346e-05f, -7.34990630326855e-04f, -2.95459980854025e-03f,
				      -1.60960333262415e-02f };
	static const float under[] = { -1.45660718464996e-05f, -2.13374055278905e-04f, -1.68282697438203e-03f,
				       -7.37332916720468e-03f, -1.42647390514189e-02f };
	vf r = v_min(v_set1(4.0f), v_max(v_set1(-4.0f), x)), z = v_mul(r, r);
	return v_div(v_mul(r, v_polynomial(z, over, 7)), v_polynomial(z, under, 5));
}

#endif
