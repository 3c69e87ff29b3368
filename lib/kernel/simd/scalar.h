/* scalar.h - the vocabulary at width 1: the oracle. Compiled with -ffp-contract=off.
 *
 * vf: VL floats. v_load/v_store: VL floats, unaligned. v_load_n/v_store_n: the first n (1 <= n <= VL), the rest zero
 * and untouched. v_stream: v_store past the caches to an address aligned for VL floats, which other threads see after
 * v_stream_end. v_fma(a, b, c) = a * b + c. v_max/v_min give b when either operand is NaN. v_select_gt(a, b, x, y) = a
 * > b ? x : y and v_select_le, v_select_eq likewise for <=, ==, lane by lane. v_any_nan: whether a lane is NaN. v_sum:
 * sum of lanes in a fixed tree. v_exponent2(i): 2^i for integral i in [-126, 127]. v_exponent_of(x): the integral i of
 * 2^i <= x < 2^(i + 1), x > 0 and normal. v_load_bytes, v_store_bytes and their _n: VL integers in [0, 255], a byte
 * each in memory. v_load_bf16, v_store_bf16, v_stream_bf16 and their _n, and those of f16: VL values of 16 bits,
 * rounded to the nearest, ties to even, when they are stored. v_transpose4(dst, to, src, from): dst[j * to + i] = src[i
 * * from + j], i and j < 4; v_transpose_square the same for V_SQUARE, a multiple of 4. */
#ifndef NNO_SIMD_H
#define NNO_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define VL 1
typedef float vf;

NNO_INLINE vf v_zero(void) { return 0.0f; }
NNO_INLINE vf v_set1(float x) { return x; }
NNO_INLINE vf v_load(const float *p) { return *p; }
NNO_INLINE void v_store(float *p, vf x) { *p = x; }
NNO_INLINE void v_stream(float *p, vf x) { *p = x; }
NNO_INLINE void v_stream_end(void) {}
NNO_INLINE vf v_load_n(const float *p, int64_t n)
{
	(void)n;
	return *p;
}
NNO_INLINE void v_store_n(float *p, vf x, int64_t n)
{
	(void)n;
	*p = x;
}
NNO_INLINE vf v_load_bytes(const uint8_t *p) { return (float)*p; }
NNO_INLINE void v_store_bytes(uint8_t *p, vf x) { *p = (uint8_t)x; }
NNO_INLINE vf v_load_bytes_n(const uint8_t *p, int64_t n)
{
	(void)n;
	return (float)*p;
}
NNO_INLINE void v_store_bytes_n(uint8_t *p, vf x, int64_t n)
{
	(void)n;
	*p = (uint8_t)x;
}
NNO_INLINE vf v_add(vf a, vf b) { return a + b; }
NNO_INLINE vf v_sub(vf a, vf b) { return a - b; }
NNO_INLINE vf v_mul(vf a, vf b) { return a * b; }
NNO_INLINE vf v_div(vf a, vf b) { return a / b; }
NNO_INLINE vf v_fma(vf a, vf b, vf c) { return a * b + c; }
NNO_INLINE vf v_max(vf a, vf b) { return a > b ? a : b; }
NNO_INLINE vf v_min(vf a, vf b) { return a < b ? a : b; }
NNO_INLINE vf v_sqrt(vf a) { return __builtin_sqrtf(a); }
NNO_INLINE vf v_abs(vf a) { return __builtin_fabsf(a); }
NNO_INLINE vf v_neg(vf a) { return -a; }
NNO_INLINE vf v_round(vf a) { return __builtin_rintf(a); }
NNO_INLINE vf v_select_gt(vf a, vf b, vf x, vf y) { return a > b ? x : y; }
NNO_INLINE vf v_select_le(vf a, vf b, vf x, vf y) { return a <= b ? x : y; }
NNO_INLINE vf v_select_eq(vf a, vf b, vf x, vf y) { return a == b ? x : y; }
NNO_INLINE int v_any_nan(vf a) { return a != a; }
NNO_INLINE float v_sum(vf a) { return a; }
NNO_INLINE float v_reduce_max(vf a) { return a; }
NNO_INLINE void v_transpose4(float *dst, int64_t to, const float *src, int64_t from)
{
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 4; j++)
			dst[j * to + i] = src[i * from + j];
}
enum { V_SQUARE = 4 };
NNO_INLINE void v_transpose_square(float *dst, int64_t to, const float *src, int64_t from)
{
	v_transpose4(dst, to, src, from);
}
NNO_INLINE vf v_exponent2(vf i)
{
	uint32_t bits = (uint32_t)((int32_t)i + 127) << 23;
	float x;
	memcpy(&x, &bits, sizeof x);
	return x;
}
NNO_INLINE uint32_t v_bits(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	return bits;
}
NNO_INLINE vf v_exponent_of(vf x) { return (float)((int32_t)(v_bits(x) >> 23) - 127); }
NNO_INLINE float v_from_bits(uint32_t bits)
{
	float x;
	memcpy(&x, &bits, sizeof x);
	return x;
}
NNO_INLINE vf v_load_bf16(const nno_bf16 *p) { return v_from_bits((uint32_t)p->bits << 16); }
NNO_INLINE void v_store_bf16(nno_bf16 *p, vf x)
{
	uint32_t bits = v_bits(x);
	p->bits = (uint16_t)((x != x ? bits | 0x400000u : bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
NNO_INLINE void v_stream_bf16(nno_bf16 *p, vf x) { v_store_bf16(p, x); }
NNO_INLINE vf v_load_bf16_n(const nno_bf16 *p, int64_t n)
{
	(void)n;
	return v_load_bf16(p);
}
NNO_INLINE void v_store_bf16_n(nno_bf16 *p, vf x, int64_t n)
{
	(void)n;
	v_store_bf16(p, x);
}
/* 2^112 brings the exponent of a binary16 from its bias to that of an f32. */
NNO_INLINE vf v_load_f16(const nno_f16 *p)
{
	uint32_t sign = (uint32_t)(p->bits & 0x8000u) << 16, rest = p->bits & 0x7fffu;
	float x = v_from_bits(rest << 13) * 0x1p112f;
	if (rest > 0x7c00u)
		return v_from_bits(sign | rest << 13 | 0x7fc00000u);
	return v_from_bits(sign | (rest == 0x7c00u ? 0x7f800000u : v_bits(x)));
}
NNO_INLINE void v_store_f16(nno_f16 *p, vf x)
{
	uint32_t sign = v_bits(x) >> 16 & 0x8000u, bits = v_bits(x) & 0x7fffffffu;
	if (bits > 0x7f800000u)
		p->bits = (uint16_t)(sign | 0x7e00u | (bits >> 13 & 0x3ffu));
	else if (bits >= 0x477ff000u) /* from half a step above the largest on */
		p->bits = (uint16_t)(sign | 0x7c00u);
	else if (bits < 0x38800000u) /* below the normal ones: adding 0.5 leaves multiples of 2^-24, rounded */
		p->bits = (uint16_t)(sign | (v_bits(v_from_bits(bits) + 0.5f) - 0x3f000000u));
	else
		p->bits = (uint16_t)(sign | (bits - 0x38000000u + 0xfffu + (bits >> 13 & 1u)) >> 13);
}
NNO_INLINE void v_stream_f16(nno_f16 *p, vf x) { v_store_f16(p, x); }
NNO_INLINE vf v_load_f16_n(const nno_f16 *p, int64_t n)
{
	(void)n;
	return v_load_f16(p);
}
NNO_INLINE void v_store_f16_n(nno_f16 *p, vf x, int64_t n)
{
	(void)n;
	v_store_f16(p, x);
}

#endif
