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
const nno_pairs NNO_PAIRS = { gemm, zip, zip_values };
