/* avx2.h - the vocabulary (see scalar.h) on 8 lanes: AVX2 and FMA. */
#ifndef NNO_SIMD_H
#define NNO_SIMD_H

#if !defined(__AVX2__) || !defined(__FMA__)
#error "compile with -mavx2 -mfma"
#endif

#include <immintrin.h>
#include <stdint.h>

#define VL 8
typedef __m256 vf;

NNO_INLINE __m256i v_mask(int64_t n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
NNO_INLINE vf v_zero(void) { return _mm256_setzero_ps(); }
NNO_INLINE vf v_set1(float x) { return _mm256_set1_ps(x); }
NNO_INLINE vf v_load(const float *p) { return _mm256_loadu_ps(p); }
NNO_INLINE void v_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
NNO_INLINE void v_stream(float *p, vf x) { _mm256_stream_ps(p, x); }
NNO_INLINE void v_stream_end(void) { _mm_sfence(); }
NNO_INLINE vf v_load_n(const float *p, int64_t n) { return _mm256_maskload_ps(p, v_mask(n)); }
NNO_INLINE void v_store_n(float *p, vf x, int64_t n) { _mm256_maskstore_ps(p, v_mask(n), x); }
NNO_INLINE vf v_load_bytes(const uint8_t *p)
{
	return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}
NNO_INLINE void v_store_bytes(uint8_t *p, vf x)
{
	__m256i i = _mm256_cvtps_epi32(x);
	__m128i words = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
	_mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(words, words));
}
NNO_INLINE vf v_load_bytes_n(const uint8_t *p, int64_t n)
{
	uint8_t t[8] = { 0 };
	for (int64_t i = 0; i < n; i++)
		t[i] = p[i];
	return v_load_bytes(t);
}
NNO_INLINE void v_store_bytes_n(uint8_t *p, vf x, int64_t n)
{
	uint8_t t[8];
	v_store_bytes(t, x);
	for (int64_t i = 0; i < n; i++)
		p[i] = t[i];
}
NNO_INLINE vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
NNO_INLINE vf v_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
NNO_INLINE vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
NNO_INLINE vf v_div(vf a, vf b) { return _mm256_div_ps(a, b); }
NNO_INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
NNO_INLINE vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
NNO_INLINE vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
NNO_INLINE vf v_sqrt(vf a) { return _mm256_sqrt_ps(a); }
NNO_INLINE vf v_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
NNO_INLINE vf v_neg(vf a) { return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f)); }
NNO_INLINE vf v_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/* x where the mask is set. Not blendv: GCC 12 compares its mask with zero once more; and half of this goes where x or y
 * is zero. */
NNO_INLINE vf v_choose(vf mask, vf x, vf y) { return _mm256_or_ps(_mm256_and_ps(mask, x), _mm256_andnot_ps(mask, y)); }
NNO_INLINE vf v_select_gt(vf a, vf b, vf x, vf y) { return v_choose(_mm256_cmp_ps(a, b, _CMP_GT_OQ), x, y); }
NNO_INLINE vf v_select_le(vf a, vf b, vf x, vf y) { return v_choose(_mm256_cmp_ps(a, b, _CMP_LE_OQ), x, y); }
NNO_INLINE vf v_select_eq(vf a, vf b, vf x, vf y) { return v_choose(_mm256_cmp_ps(a, b, _CMP_EQ_OQ), x, y); }
NNO_INLINE int v_any_nan(vf a) { return _mm256_movemask_ps(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)); }
NNO_INLINE float v_sum(vf a)
{
	__m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
	x = _mm_add_ps(x, _mm_movehl_ps(x, x));
	return _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps(x, x, 1)));
}
NNO_INLINE float v_reduce_max(vf a)
{
	__m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
	x = _mm_max_ps(x, _mm_movehl_ps(x, x));
	return _mm_cvtss_f32(_mm_max_ss(x, _mm_shuffle_ps(x, x, 1)));
}
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
enum { V_SQUARE = 8 };
NNO_INLINE void v_transpose_square(float *dst, int64_t to, const float *src, int64_t from)
{
	__m256 u[8]; /* u[4 i + k]: in half l, column 4 l + k of rows 4 i to 4 i + 3 */
#pragma GCC unroll 2
	for (int i = 0; i < 2; i++) {
		const float *row = src + 4 * i * from;
		__m256 a = _mm256_loadu_ps(row), b = _mm256_loadu_ps(row + from), c = _mm256_loadu_ps(row + 2 * from),
		       d = _mm256_loadu_ps(row + 3 * from);
		__m256 low = _mm256_unpacklo_ps(a, b), high = _mm256_unpackhi_ps(a, b), low2 = _mm256_unpacklo_ps(c, d),
		       high2 = _mm256_unpackhi_ps(c, d);
		u[4 * i] = _mm256_shuffle_ps(low, low2, 0x44);
		u[4 * i + 1] = _mm256_shuffle_ps(low, low2, 0xee);
		u[4 * i + 2] = _mm256_shuffle_ps(high, high2, 0x44);
		u[4 * i + 3] = _mm256_shuffle_ps(high, high2, 0xee);
	}
#pragma GCC unroll 4
	for (int k = 0; k < 4; k++) {
		_mm256_storeu_ps(dst + k * to, _mm256_permute2f128_ps(u[k], u[4 + k], 0x20));
		_mm256_storeu_ps(dst + (4 + k) * to, _mm256_permute2f128_ps(u[k], u[4 + k], 0x31));
	}
}
NNO_INLINE vf v_exponent2(vf i)
{
	__m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(i), _mm256_set1_epi32(127));
	return _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
}
NNO_INLINE vf v_exponent_of(vf x)
{
	return _mm256_cvtepi32_ps(
	    _mm256_sub_epi32(_mm256_srli_epi32(_mm256_castps_si256(x), 23), _mm256_set1_epi32(127)));
}
NNO_INLINE vf v_load_bf16(const nno_bf16 *p)
{
	__m256i x = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
	return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16));
}
NNO_INLINE __m128i v_round_bf16(vf x)
{
	__m256i bits = _mm256_castps_si256(x),
		odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
	__m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
	__m256i nan = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
	__m256 is_nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
	up = _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(up), _mm256_castsi256_ps(nan), is_nan));
	__m256i half = _mm256_srli_epi32(up, 16);
	return _mm_packus_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}
NNO_INLINE void v_store_bf16(nno_bf16 *p, vf x) { _mm_storeu_si128((__m128i *)(void *)p, v_round_bf16(x)); }
NNO_INLINE void v_stream_bf16(nno_bf16 *p, vf x) { _mm_stream_si128((__m128i *)(void *)p, v_round_bf16(x)); }
NNO_INLINE vf v_load_bf16_n(const nno_bf16 *p, int64_t n)
{
	nno_bf16 t[8] = { { 0 } };
	for (int64_t i = 0; i < n; i++)
		t[i] = p[i];
	return v_load_bf16(t);
}
NNO_INLINE void v_store_bf16_n(nno_bf16 *p, vf x, int64_t n)
{
	nno_bf16 t[8];
	v_store_bf16(t, x);
	for (int64_t i = 0; i < n; i++)
		p[i] = t[i];
}
NNO_INLINE vf v_load_f16(const nno_f16 *p)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
NNO_INLINE __m128i v_round_f16(vf x) { return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
NNO_INLINE void v_store_f16(nno_f16 *p, vf x) { _mm_storeu_si128((__m128i *)(void *)p, v_round_f16(x)); }
NNO_INLINE void v_stream_f16(nno_f16 *p, vf x) { _mm_stream_si128((__m128i *)(void *)p, v_round_f16(x)); }
NNO_INLINE vf v_load_f16_n(const nno_f16 *p, int64_t n)
{
	nno_f16 t[8] = { { 0 } };
	for (int64_t i = 0; i < n; i++)
		t[i] = p[i];
	return v_load_f16(t);
}
NNO_INLINE void v_store_f16_n(nno_f16 *p, vf x, int64_t n)
{
	nno_f16 t[8];
	v_store_f16(t, x);
	for (int64_t i = 0; i < n; i++)
		p[i] = t[i];
}

#endif
