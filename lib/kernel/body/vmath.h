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

#endif
