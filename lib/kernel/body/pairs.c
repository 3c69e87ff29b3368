/* pairs.c - matrix products of bf16 values by dot products of pairs, two multiplications and additions in f32 at a
 * time, for CPUs that have an instruction for them; the scalar form is what that is tested against. As in gemm.c a tile
 * of results stays in registers while the pairs stream by. */
#include "kernel/body.h"

#include "kernel/body/tiles.h"

#ifdef __AVX512BF16__

typedef __m512bh pair_vector;

/* bf16 vectors are bits to the compiler. */
NNO_INLINE pair_vector load_pairs(const nno_bf16 *p, int64_t n)
{
	return (pair_vector)_mm512_maskz_loadu_epi32(n >= VL ? (__mmask16)0xffff : v_mask(n), p);
}
NNO_INLINE pair_vector same_pair(const nno_bf16 *p)
{
	int32_t bits;
	__builtin_memcpy(&bits, p, sizeof bits);
	return (pair_vector)_mm512_set1_epi32(bits);
}
NNO_INLINE vf add_dots(vf sum, pair_vector a, pair_vector b) { return _mm512_dpbf16_ps(sum, a, b); }

#else

#if VL != 1
#error "only the scalar vocabulary stands in for the instruction"
#endif

typedef struct pair_vector {
	float first, second;
} pair_vector;

NNO_INLINE pair_vector load_pairs(const nno_bf16 *p, int64_t n)
{
	(void)n;
	return (pair_vector){ v_load_bf16(p), v_load_bf16(p + 1) };
}
NNO_INLINE pair_vector same_pair(const nno_bf16 *p) { return load_pairs(p, 1); }
NNO_INLINE vf add_dots(vf sum, pair_vector a, pair_vector b) { return sum + a.first * b.first + a.second * b.second; }

#endif

NNO_INLINE vf get_bf16(const nno_bf16 *p, int64_t n) { return n >= VL ? v_load_bf16(p) : v_load_bf16_n(p, n); }

NNO_INLINE void put_bf16(nno_bf16 *p, vf x, int64_t n)
{
	if (n >= VL)
		v_store_bf16(p, x);
	else
		v_store_bf16_n(p, x, n);
}

typedef struct pairs_job {
	int64_t m, pairs, a_row, a_pair, b_pair, ldc;
	int flags;
} pairs_job;

NNO_INLINE void pairs_tile(const int mr, const int nv, int64_t last, const pairs_job *job, const nno_bf16 *a,
			   const nno_bf16 *b, float *c)
{
	vf acc[MOST_ROWS][WIDE];
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++)
			acc[m][v] = job->flags & NNO_GEMM_ADD
					? load_some(c + m * job->ldc + v * VL, v == nv - 1 ? last : VL)
					: v_zero();
	for (int64_t p = 0; p < job->pairs; p++, a += job->a_pair, b += job->b_pair) {
		pair_vector bv[WIDE];
		for (int v = 0; v < nv; v++)
			bv[v] = load_pairs(b + 2 * v * VL, v == nv - 1 ? last : VL);
		for (int m = 0; m < mr; m++) {
			pair_vector x = same_pair(a + m * job->a_row);
			for (int v = 0; v < nv; v++)
				acc[m][v] = add_dots(acc[m][v], x, bv[v]);
		}
	}
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++)
			store_some(c + m * job->ldc + v * VL, acc[m][v], v == nv - 1 ? last : VL);
}

NNO_INLINE void pairs_strip(const int mr, const int nv, int64_t last, const pairs_job *job, const nno_bf16 *a,
			    const nno_bf16 *b, float *c, int64_t *done)
{
	for (; *done + mr <= job->m; *done += mr)
		pairs_tile(mr, nv, last, job, a + *done * job->a_row, b, c + *done * job->ldc);
}

NNO_INLINE void pairs_all(const int mr, const int nv, int64_t last, const pairs_job *job, const nno_bf16 *a,
			  const nno_bf16 *b, float *c)
{
	int64_t done = 0;
	pairs_strip(mr, nv, last, job, a, b, c, &done);
	pairs_strip(2, nv, last, job, a, b, c, &done);
	pairs_strip(1, nv, last, job, a, b, c, &done);
}

static void pairs_wide(const pairs_job *job, const nno_bf16 *a, const nno_bf16 *b, float *c)
{
	pairs_all(WIDE_ROWS, WIDE, VL, job, a, b, c);
}

static void pairs_narrow(int64_t last, const pairs_job *job, const nno_bf16 *a, const nno_bf16 *b, float *c)
{
	pairs_all(HALF_ROWS, 1, last, job, a, b, c);
}

static void gemm(int64_t m, int64_t n, int64_t pairs, const nno_bf16 *a, int64_t a_row, int64_t a_pair,
		 const nno_bf16 *b, int64_t b_pair, float *c, int64_t ldc, int flags)
{
	const pairs_job job = { m, pairs, a_row, a_pair, b_pair, ldc, flags };
	int64_t column = 0;
	for (; column + WIDE * VL <= n; column += WIDE * VL)
		pairs_wide(&job, a, b + 2 * column, c + column);
	for (; column < n; column += VL)
		pairs_narrow(n - column < VL ? n - column : VL, &job, a, b + 2 * column, c + column);
}

/* --- rows of a side by side: one address serves a tile's rows --- */

/* Sums of a tile: more than latency times width of the instruction, and few enough to leave room. */
enum { SUMS = 16, FOUR = SUMS / 4, EIGHT = SUMS / 2, TWELVE = 12 };

typedef struct side_job {
	int64_t m, steps, a_step, b_step, ldc;
	const int64_t *a_off; /* NULL: a_step from one step to the next */
	const nno_bf16 *a, *b;
	const float *bias;
	int flags;
} side_job;

/* The products of a tile of mr rows and nv vectors, which are constants at every call. */
NNO_INLINE void side_products(const int mr, const int nv, int64_t last, const int listed, const side_job *job,
			      int64_t row, int64_t column, vf *acc)
{
	const nno_bf16 *a = job->a + 2 * row, *b = job->b + 2 * column;
	const int64_t steps = job->steps, a_step = job->a_step, b_step = job->b_step, *off = job->a_off;
	for (int64_t s = 0; s < steps; s++, b += b_step) {
		const nno_bf16 *as = listed ? a + off[s] : a + s * a_step;
		pair_vector bv[FOUR];
		for (int v = 0; v < nv; v++)
			bv[v] = load_pairs(b + 2 * v * VL, v == nv - 1 ? last : VL);
#pragma GCC unroll 16
		for (int m = 0; m < mr; m++) {
			pair_vector x = same_pair(as + 2 * m);
			for (int v = 0; v < nv; v++)
				acc[m * nv + v] = add_dots(acc[m * nv + v], x, bv[v]);
		}
	}
}

NNO_INLINE void rounded_tile(const int mr, const int nv, int64_t last, const side_job *job, nno_bf16 *c, int64_t row,
			     int64_t column)
{
	vf acc[SUMS];
	nno_bf16 *to = c + row * job->ldc + column;
#pragma GCC unroll 16
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++) {
			int64_t width = v == nv - 1 ? last : VL;
			vf start = job->bias != NULL ? load_some(job->bias + column + v * VL, width) : v_zero();
			if (job->flags & NNO_GEMM_ADD)
				start = v_add(start, get_bf16(to + m * job->ldc + v * VL, width));
			acc[m * nv + v] = start;
		}
	side_products(mr, nv, last, 1, job, row, column, acc);
#pragma GCC unroll 16
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++) {
			vf x = v_clamp(acc[m * nv + v], job->flags);
			put_bf16(to + m * job->ldc + v * VL, x, v == nv - 1 ? last : VL);
		}
}

NNO_INLINE void float_tile(const int mr, const int nv, int64_t last, const side_job *job, float *c, int64_t row,
			   int64_t column)
{
	vf acc[SUMS];
	float *to = c + row * job->ldc + column;
#pragma GCC unroll 16
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++)
			acc[m * nv + v] = job->flags & NNO_GEMM_ADD
					      ? load_some(to + m * job->ldc + v * VL, v == nv - 1 ? last : VL)
					      : v_zero();
	side_products(mr, nv, last, 0, job, row, column, acc);
#pragma GCC unroll 16
	for (int m = 0; m < mr; m++)
		for (int v = 0; v < nv; v++)
			store_some(to + m * job->ldc + v * VL, acc[m * nv + v], v == nv - 1 ? last : VL);
}

NNO_INLINE void side_tile(const int mr, const int nv, int64_t last, const side_job *job, nno_bf16 *rounded, float *sums,
			  int64_t row, int64_t column)
{
	if (rounded != NULL)
		rounded_tile(mr, nv, last, job, rounded, row, column);
	else
		float_tile(mr, nv, last, job, sums, row, column);
}

NNO_INLINE void side_strip(const int mr, const int nv, int64_t last, const side_job *job, nno_bf16 *rounded,
			   float *sums, int64_t column, int64_t *row)
{
	for (; *row + mr <= job->m; *row += mr)
		side_tile(mr, nv, last, job, rounded, sums, *row, column);
}

NNO_INLINE void side_rows(const int mr, const int nv, int64_t last, const side_job *job, nno_bf16 *rounded, float *sums,
			  int64_t column)
{
	int64_t row = 0;
	side_strip(mr, nv, last, job, rounded, sums, column, &row);
	if (mr > 8)
		side_strip(8, nv, last, job, rounded, sums, column, &row);
	if (mr > 4)
		side_strip(4, nv, last, job, rounded, sums, column, &row);
	side_strip(2, nv, last, job, rounded, sums, column, &row);
	side_strip(1, nv, last, job, rounded, sums, column, &row);
}

NNO_INLINE void side_all(int64_t n, const side_job *job, nno_bf16 *rounded, float *sums)
{
	int64_t column = 0;
	for (; job->m < EIGHT && column + 4 * VL <= n; column += 4 * VL)
		side_rows(FOUR, 4, VL, job, rounded, sums, column);
	for (; column + 2 * VL <= n; column += 2 * VL)
		side_rows(EIGHT, 2, VL, job, rounded, sums, column);
	for (; column < n; column += VL)
		side_rows(TWELVE, 1, n - column < VL ? n - column : VL, job, rounded, sums, column);
}

static void gemm_side(int64_t m, int64_t n, int64_t steps, const nno_bf16 *a, const int64_t *a_off, const nno_bf16 *b,
		      int64_t b_step, nno_bf16 *c, int64_t ldc, const float *bias, int flags)
{
	const side_job job = { m, steps, 0, b_step, ldc, a_off, a, b, bias, flags };
	side_all(n, &job, c, NULL);
}

static void gemm_columns(int64_t m, int64_t n, int64_t steps, const nno_bf16 *a, int64_t a_step, const nno_bf16 *b,
			 int64_t b_step, float *c, int64_t ldc, int flags)
{
	const side_job job = { m, steps, a_step, b_step, ldc, NULL, a, b, NULL, flags };
	side_all(n, &job, NULL, c);
}

/* Rounded to bf16, in the upper half. */
NNO_INLINE uint32_t rounded(float x)
{
	uint32_t bits;
	__builtin_memcpy(&bits, &x, sizeof bits);
	uint32_t up = bits + 0x7fffu + (bits >> 16 & 1u), nan = bits | 0x400000u;
	return (x == x ? up : nan) & 0xffff0000u;
}

/* Plain loops over whole pairs, which the compiler vectorises. */
NNO_INLINE void put_pair(nno_bf16 *dst, uint32_t first, uint32_t second)
{
	uint32_t pair = first | second << 16;
	__builtin_memcpy(dst, &pair, sizeof pair);
}

static void zip(nno_bf16 *dst, const float *src, int64_t ld, int64_t rows, int64_t n)
{
	for (int64_t r = 0; r + 1 < rows; r += 2, src += 2 * ld, dst += 2 * n)
		for (int64_t i = 0; i < n; i++)
			put_pair(dst + 2 * i, rounded(src[i]) >> 16, rounded(src[ld + i]) >> 16);
	for (int64_t i = 0; rows % 2 != 0 && i < n; i++)
		put_pair(dst + 2 * i, rounded(src[i]) >> 16, 0);
}

static void zip_values(nno_bf16 *dst, const nno_bf16 *src, int64_t ld, int64_t rows, int64_t n)
{
	for (int64_t r = 0; r + 1 < rows; r += 2, src += 2 * ld, dst += 2 * n)
		for (int64_t i = 0; i < n; i++)
			put_pair(dst + 2 * i, src[i].bits, src[ld + i].bits);
	for (int64_t i = 0; rows % 2 != 0 && i < n; i++)
		put_pair(dst + 2 * i, src[i].bits, 0);
}

extern const nno_pairs NNO_PAIRS;
const nno_pairs NNO_PAIRS = { gemm, gemm_side, gemm_columns, zip, zip_values };
