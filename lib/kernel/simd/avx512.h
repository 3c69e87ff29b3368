/* avx512.h - the vocabulary (see scalar.h) on 16 lanes: AVX-512 F, BW, DQ, VL. */
#ifndef NNO_SIMD_H
#define NNO_SIMD_H

#ifndef __AVX512DQ__
#error "compile with the AVX-512 flags"
#endif

#include <immintrin.h>
#include <stdint.h>

#define VL 16
typedef __m512 vf;

NNO_INLINE __mmask16 v_mask(int64_t n) { return (__mmask16)((1u << n) - 1u); }
NNO_INLINE vf v_zero(void) { return _mm512_setzero_ps(); }
NNO_INLINE vf v_set1(float x) { return _mm512_set1_ps(x); }
NNO_INLINE vf v_load(const float *p) { return _mm512_loadu_ps(p); }
NNO_INLINE void v_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
NNO_INLINE void v_stream(float *p, vf x) { _mm512_stream_ps(p, x); }
NNO_INLINE void v_stream_end(void) { _mm_sfence(); }
NNO_INLINE vf v_load_n(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(v_mask(n), p); }
NNO_INLINE void v_store_n(float *p, vf x, int64_t n) { _mm512_mask_storeu_ps(p, v_mask(n), x); }
NNO_INLINE vf v_load_bytes(const uint8_t *p)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}
NNO_INLINE void v_store_bytes(uint8_t *p, vf x)
{
	_mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}
NNO_INLINE vf v_load_bytes_n(const uint8_t *p, int64_t n)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(v_mask(n), p)));
}
NNO_INLINE void v_store_bytes_n(uint8_t *p, vf x, int64_t n)
{
	_mm512_mask_cvtepi32_storeu_epi8(p, v_mask(n), _mm512_cvtps_epi32(x));
}
NNO_INLINE vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
NNO_INLINE vf v_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
NNO_INLINE vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
NNO_INLINE vf v_div(vf a, vf b) { return _mm512_div_ps(a, b); }
NNO_INLINE vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
NNO_INLINE vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
NNO_INLINE vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
NNO_INLINE vf v_sqrt(vf a) { return _mm512_sqrt_ps(a); }
NNO_INLINE vf v_abs(vf a) { return _mm512_abs_ps(a); }
NNO_INLINE vf v_neg(vf a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
NNO_INLINE vf v_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
NNO_INLINE vf v_select_gt(vf a, vf b, vf x, vf y)
{
	return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), y, x);
}
NNO_INLINE vf v_select_le(vf a, vf b, vf x, vf y)
{
	return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LE_OQ), y, x);
}
NNO_INLINE vf v_select_eq(vf a, vf b, vf x, vf y)
{
	return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), y, x);
}
NNO_INLINE int v_any_nan(vf a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
NNO_INLINE float v_sum(vf a) { return _mm512_reduce_add_ps(a); }
NNO_INLINE float v_reduce_max(vf a) { return _mm512_reduce_max_ps(a); }
NNO_INLINE void v_transpose4(float *dst, int64_t to, const float *src, int64_t from)
{
	__m128 a = _mm_loadu_ps(src), b = _mm_loadu_ps(src + from), c = _mm_loadu_ps(src + 2 * from),
	       d = _mm_loadu_ps(src + 3 * from);
	_MM_TRANSPOSE4_PS(a, b, c, d);
	_mm_storeu_ps(dst, a);
	_mm_storeu_ps(dst + to, b);
	_mm_storeu_ps(dst + 2 * to, c);
	_mm_storeu_ps(dst + 3 * to, d);
}
enum { V_SQUARE = 16 };
NNO_INLINE __m512 v_pairs_low(__m512 a, __m512 b)
{
	return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}
NNO_INLINE __m512 v_pairs_high(__m512 a, __m512 b)
{
	return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}
NNO_INLINE void v_transpose_square(float *dst, int64_t to, const float *src, int64_t from)
{
	__m512 u[16]; /* u[4 i + k]: in quarter l, column 4 l + k of rows 4 i to 4 i + 3 */
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		const float *row = src + 4 * i * from;
		__m512 a = _mm512_loadu_ps(row), b = _mm512_loadu_ps(row + from), c = _mm512_loadu_ps(row + 2 * from),
		       d = _mm512_loadu_ps(row + 3 * from);
		__m512 low = _mm512_unpacklo_ps(a, b), high = _mm512_unpackhi_ps(a, b), low2 = _mm512_unpacklo_ps(c, d),
		       high2 = _mm512_unpackhi_ps(c, d);
		u[4 * i] = v_pairs_low(low, low2);
		u[4 * i + 1] = v_pairs_high(low, low2);
		u[4 * i + 2] = v_pairs_low(high, high2);
		u[4 * i + 3] = v_pairs_high(high, high2);
	}
#pragma GCC unroll 4
	for (int k = 0; k < 4; k++) {
		float *row = dst + k * to;
		__m512 even = _mm512_shuffle_f32x4(u[k], u[4 + k], 0x88),
		       even2 = _mm512_shuffle_f32x4(u[8 + k], u[12 + k], 0x88),
		       odd = _mm512_shuffle_f32x4(u[k], u[4 + k], 0xdd),
		       odd2 = _mm512_shuffle_f32x4(u[8 + k], u[12 + k], 0xdd);
		_mm512_storeu_ps(row, _mm512_shuffle_f32x4(even, even2, 0x88));
		_mm512_storeu_ps(row + 4 * to, _mm512_shuffle_f32x4(odd, odd2, 0x88));
		_mm512_storeu_ps(row + 8 * to, _mm512_shuffle_f32x4(even, even2, 0xdd));
		_mm512_storeu_ps(row + 12 * to, _mm512_shuffle_f32x4(odd, odd2, 0xdd));
	}
}
NNO_INLINE vf v_exponent2(vf i)
{
	__m512i e = _mm512_add_epi32(_mm512_cvtps_epi32(i), _mm512_set1_epi32(127));
	return _mm512_castsi512_ps(_mm512_slli_epi32(e, 23));
}
NNO_INLINE vf v_widen_bf16(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }
NNO_INLINE vf v_exponent_of(vf x)
{
	return _mm512_cvtepi32_ps(
	    _mm512_sub_epi32(_mm512_srli_epi32(_mm512_castps_si512(x), 23), _mm512_set1_epi32(127)));
}
NNO_INLINE vf v_load_bf16(const nno_bf16 *p)
{
	return v_widen_bf16(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
NNO_INLINE vf v_load_bf16_n(const nno_bf16 *p, int64_t n)
{
	return v_widen_bf16(_mm256_maskz_loadu_epi16(v_mask(n), p));
}
NNO_INLINE __m256i v_round_bf16(vf x)
{
	__m512i bits = _mm512_castps_si512(x),
		odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
	__m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
	up = _mm512_mask_or_epi32(up, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), bits, _mm512_set1_epi32(0x400000));
	return _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16));
}
NNO_INLINE void v_store_bf16(nno_bf16 *p, vf x) { _mm256_storeu_si256((__m256i *)(void *)p, v_round_bf16(x)); }
NNO_INLINE void v_stream_bf16(nno_bf16 *p, vf x) { _mm256_stream_si256((__m256i *)(void *)p, v_round_bf16(x)); }
NNO_INLINE void v_store_bf16_n(nno_bf16 *p, vf x, int64_t n)
{
	_mm256_mask_storeu_epi16(p, v_mask(n), v_round_bf16(x));
}
NNO_INLINE vf v_load_f16(const nno_f16 *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
NNO_INLINE vf v_load_f16_n(const nno_f16 *p, int64_t n)
{
	return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(v_mask(n), p));
}
NNO_INLINE __m256i v_round_f16(vf x) { return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
NNO_INLINE void v_store_f16(nno_f16 *p, vf x) { _mm256_storeu_si256((__m256i *)(void *)p, v_round_f16(x)); }
NNO_INLINE void v_stream_f16(nno_f16 *p, vf x) { _mm256_stream_si256((__m256i *)(void *)p, v_round_f16(x)); }
NNO_INLINE void v_store_f16_n(nno_f16 *p, vf x, int64_t n) { _mm256_mask_storeu_epi16(p, v_mask(n), v_round_f16(x)); }

#endif
