/* row_norm_kernels.c - layer normalisation: rows of n values, each with a mean and a variance of its own. The mean is
 * the sum of two floats, so that one far from zero costs no digits: it is found by differences from the row's first
 * value, which is as far away. */
#include "kernel/body.h"

enum { NA = 4 /* sums that go on at once */, NV = 4 /* vectors of a row swept down the rows at a time */ };

static const float ones[16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };

/* A row's three numbers. */
typedef struct row_found {
	float near, rest, rstd;
} row_found;

NNO_INLINE row_found found_of(const float *found, int64_t row)
{
	return (row_found){ found[3 * row], found[3 * row + 1], found[3 * row + 2] };
}

NNO_INLINE vf centred(vf x, vf near, vf rest) { return v_sub(v_sub(x, near), rest); }

typedef vf (*term)(vf x, vf near, vf rest);

NNO_INLINE vf difference(vf x, vf near, vf rest)
{
	(void)rest;
	return v_sub(x, near);
}

NNO_INLINE vf square(vf x, vf near, vf rest)
{
	vf d = centred(x, near, rest);
	return v_mul(d, d);
}

NNO_INLINE float total(const vf sum[NA]) { return v_sum(v_add(v_add(sum[0], sum[1]), v_add(sum[2], sum[3]))); }

NNO_INLINE float row_sum(const elem *x, int64_t n, float near, float rest, term f)
{
	vf sum[NA], a = v_set1(near), r = v_set1(rest);
	int64_t i = 0;
	for (int k = 0; k < NA; k++)
		sum[k] = v_zero();
	for (; i + NA * VL <= n; i += NA * VL)
		for (int k = 0; k < NA; k++)
			sum[k] = v_add(sum[k], f(get(x + i + k * VL), a, r));
	for (; i + VL <= n; i += VL)
		sum[0] = v_add(sum[0], f(get(x + i), a, r));
	/* The lanes past the end are zeros, and their differences are not. */
	if (i < n)
		sum[1] = v_add(sum[1], v_mul(v_load_n(ones, n - i), f(get_n(x + i, n - i), a, r)));
	return total(sum);
}

NNO_INLINE row_found measure(const elem *x, int64_t n, float epsilon)
{
	float count = (float)n, first = v_sum(get_n(x, 1)), more = row_sum(x, n, first, 0.0f, difference) / count;
	row_found s = { .near = first + more };
	/* What that sum lost; Knuth's two-sum, for the first value may be the small one. */
	float part = s.near - first;
	s.rest = (first - (s.near - part)) + (more - part);
	s.rstd = 1.0f / __builtin_sqrtf(row_sum(x, n, s.near, s.rest, square) / count + epsilon);
	return s;
}

NNO_INLINE vf factor_of(const float *scale, int64_t i, int64_t width)
{
	return scale != NULL ? load_some(scale + i, width) : v_set1(1.0f);
}

NNO_INLINE void value_vector(elem *dst, const elem *x, const float *scale, const float *shift, const row_found *s,
			     int64_t i, int64_t width)
{
	vf hat = v_mul(centred(get_some(x + i, width), v_set1(s->near), v_set1(s->rest)), v_set1(s->rstd));
	vf y = v_mul(hat, factor_of(scale, i, width));
	put_some(dst + i, shift != NULL ? v_add(y, load_some(shift + i, width)) : y, width);
}

void NNO_OF(layer_norm)(elem *dst, const elem *x, const float *scale, const float *shift, float epsilon, float *found,
			int64_t rows, int64_t n)
{
	for (int64_t r = 0; r < rows; r++, dst += n, x += n) {
		row_found s = measure(x, n, epsilon);
		int64_t i = 0;
		for (; i + VL <= n; i += VL)
			value_vector(dst, x, scale, shift, &s, i, VL);
		if (i < n)
			value_vector(dst, x, scale, shift, &s, i, n - i);
		if (found != NULL) {
			found[3 * r] = s.near;
			found[3 * r + 1] = s.rest;
			found[3 * r + 2] = s.rstd;
		}
	}
}

typedef struct gradient_row {
	const elem *dy, *x;
	const float *scale;
	row_found s;
} gradient_row;

NNO_INLINE void gradient_terms(const gradient_row *row, int64_t i, int64_t width, vf *sum, vf *product)
{
	vf g = v_mul(get_some(row->dy + i, width), factor_of(row->scale, i, width));
	*sum = v_add(*sum, g);
	*product = v_fma(g, centred(get_some(row->x + i, width), v_set1(row->s.near), v_set1(row->s.rest)), *product);
}

/* dx = rstd g + b (x - mean) + d, with g = dy scale. */
NNO_INLINE void gradient_vector(elem *dx, const gradient_row *row, float b, float d, int64_t i, int64_t width, int add)
{
	vf g = v_mul(get_some(row->dy + i, width), factor_of(row->scale, i, width));
	vf x = centred(get_some(row->x + i, width), v_set1(row->s.near), v_set1(row->s.rest));
	vf v = v_fma(v_set1(row->s.rstd), g, v_fma(v_set1(b), x, v_set1(d)));
	put_some(dx + i, add ? v_add(get_some(dx + i, width), v) : v, width);
}

NNO_INLINE void one_gradient(elem *dx, const gradient_row *row, int64_t n, int add)
{
	vf sum[NA], product[NA];
	int64_t i = 0;
	for (int k = 0; k < NA; k++)
		sum[k] = product[k] = v_zero();
	for (; i + NA * VL <= n; i += NA * VL)
		for (int k = 0; k < NA; k++)
			gradient_terms(row, i + k * VL, VL, &sum[k], &product[k]);
	for (; i < n; i += VL)
		gradient_terms(row, i, n - i, &sum[0], &product[0]);
	float share = row->s.rstd / (float)n, d = -share * total(sum),
	      b = -(row->s.rstd * total(product)) * share * row->s.rstd;
	for (i = 0; i + VL <= n; i += VL)
		gradient_vector(dx, row, b, d, i, VL, add);
	if (i < n)
		gradient_vector(dx, row, b, d, i, n - i, add);
}

void NNO_OF(layer_norm_gradient)(elem *dx, const elem *dy, const elem *x, const float *scale, const float *found,
				 int64_t rows, int64_t n, int add)
{
	for (int64_t r = 0; r < rows; r++) {
		const gradient_row row = { dy + r * n, x + r * n, scale, found_of(found, r) };
		one_gradient(dx + r * n, &row, n, add);
	}
}

NNO_INLINE void weight_vectors(float *dscale, float *dshift, const elem *dy, const elem *x, const float *found,
			       int64_t rows, int64_t n, int64_t width, const int nv)
{
	vf a[NV], b[NV];
	for (int v = 0; v < nv; v++) {
		a[v] = load_some(dscale + v * VL, width);
		b[v] = load_some(dshift + v * VL, width);
	}
	for (int64_t r = 0; r < rows; r++, dy += n, x += n) {
		row_found s = found_of(found, r);
		for (int v = 0; v < nv; v++) {
			vf g = get_some(dy + v * VL, width);
			vf d = centred(get_some(x + v * VL, width), v_set1(s.near), v_set1(s.rest));
			a[v] = v_fma(g, v_mul(d, v_set1(s.rstd)), a[v]);
			b[v] = v_add(b[v], g);
		}
	}
	for (int v = 0; v < nv; v++) {
		store_some(dscale + v * VL, a[v], width);
		store_some(dshift + v * VL, b[v], width);
	}
}

void NNO_OF(layer_norm_weights)(float *dscale, float *dshift, const elem *dy, const elem *x, const float *found,
				int64_t rows, int64_t n)
{
	int64_t i = 0;
	for (; i + NV * VL <= n; i += NV * VL)
		weight_vectors(dscale + i, dshift + i, dy + i, x + i, found, rows, n, VL, NV);
	for (; i < n; i += VL)
		weight_vectors(dscale + i, dshift + i, dy + i, x + i, found, rows, n, n - i, 1);
}
