/* embedding_kernels.c - rows of embeddings against each other: distances, products, hinges. */
#include "kernel/body.h"
#include "kernel/body/vmath.h"

#include <math.h>
#include <stddef.h>

NNO_INLINE vf joined(vf a, vf b, vf sum, int differences)
{
	vf d = v_sub(a, b);
	return differences ? v_fma(d, d, sum) : v_fma(a, b, sum);
}

/* Four rows of b at a time: a is read once for them, and four sums are under way. Each is one chain, as that of a row
 * left over is. */
NNO_INLINE void against_rows(float *dst, const float *a, const float *b, int64_t ldb, int64_t rows, int64_t n,
			     int differences)
{
	int64_t r = 0;
	for (; r + 4 <= rows; r += 4) {
		const float *p = b + r * ldb;
		vf s[4] = { v_zero(), v_zero(), v_zero(), v_zero() };
		for (int64_t i = 0; i < n; i += VL) {
			vf x = load_some(a + i, n - i);
			for (int j = 0; j < 4; j++)
				s[j] = joined(x, load_some(p + j * ldb + i, n - i), s[j], differences);
		}
		for (int j = 0; j < 4; j++)
			dst[r + j] = v_sum(s[j]);
	}
	for (; r < rows; r++) {
		vf s = v_zero();
		for (int64_t i = 0; i < n; i += VL)
			s = joined(load_some(a + i, n - i), load_some(b + r * ldb + i, n - i), s, differences);
		dst[r] = v_sum(s);
	}
}

void NNO_FN(row_distances_f32)(float *dst, const float *a, const float *b, int64_t ldb, int64_t rows, int64_t n)
{
	against_rows(dst, a, b, ldb, rows, n, 1);
}

void NNO_FN(row_dots_f32)(float *dst, const float *a, const float *b, int64_t ldb, int64_t rows, int64_t n)
{
	against_rows(dst, a, b, ldb, rows, n, 0);
}

void NNO_FN(add_difference_f32)(float *dst, const float *a, const float *b, float factor, int64_t n)
{
	vf f = v_set1(factor);
	for (int64_t i = 0; i < n; i += VL) {
		vf d = v_sub(load_some(a + i, n - i), load_some(b + i, n - i));
		store_some(dst + i, v_fma(d, f, load_some(dst + i, n - i)), n - i);
	}
}

void NNO_FN(least_above_f32)(const float *d, float above, int64_t n, float *least)
{
	vf a = v_set1(above), none = v_set1(INFINITY), m = none;
	int64_t i = 0;
	for (; i + VL <= n; i += VL) {
		vf x = v_load(d + i);
		m = v_min(v_select_gt(x, a, x, none), m);
	}
	float found = -v_reduce_max(v_neg(m));
	for (; i < n; i++)
		found = d[i] > above && d[i] < found ? d[i] : found;
	*least = found;
}

/* The value of each lane; its slope to *slope. */
NNO_INLINE vf hinge(vf u, int soft, vf *slope)
{
	vf zero = v_zero(), one = v_set1(1.0f), e = v_exp(v_neg(v_abs(u)));
	if (!soft) {
		*slope = v_select_gt(u, zero, one, zero);
		return v_max(u, zero);
	}
	*slope = v_div(v_select_gt(u, zero, one, e), v_add(one, e));
	return v_add(v_log1p_unit(e), v_max(u, zero));
}

NNO_INLINE void hinges(float *slopes, const float *d, float c, int soft, int64_t n, float sums[2])
{
	vf vc = v_set1(c), value = v_zero(), total = v_zero(), slope;
	int64_t i = 0;
	for (; i + VL <= n; i += VL) {
		value = v_add(value, hinge(v_sub(vc, v_load(d + i)), soft, &slope));
		total = v_add(total, slope);
		if (slopes != NULL)
			v_store(slopes + i, v_sub(v_load(slopes + i), slope));
	}
	sums[0] = v_sum(value);
	sums[1] = v_sum(total);
	if (i < n) {
		float h[VL], s[VL];
		v_store(h, hinge(v_sub(vc, v_load_n(d + i, n - i)), soft, &slope));
		v_store(s, slope);
		for (int64_t j = 0; i + j < n; j++) {
			sums[0] += h[j];
			sums[1] += s[j];
			if (slopes != NULL)
				slopes[i + j] -= s[j];
		}
	}
}

void NNO_FN(hinge_f32)(float *slopes, const float *d, float c, int soft, int64_t n, float sums[2])
{
	if (soft)
		hinges(slopes, d, c, 1, n, sums);
	else
		hinges(slopes, d, c, 0, n, sums);
}
