/* neon.h - the vocabulary (see scalar.h) on 4 lanes: AArch64. */
#ifndef NNO_SIMD_H
#define NNO_SIMD_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#define VL 4
typedef float32x4_t vf;

NNO_INLINE vf v_zero(void) { return vdupq_n_f32(0.0f); }
NNO_INLINE vf v_set1(float x) { return vdupq_n_f32(x); }
NNO_INLINE vf v_load(const float *p) { return vld1q_f32(p); }
NNO_INLINE void v_store(float *p, vf x) { vst1q_f32(p, x); }
NNO_INLINE void v_stream(float *p, vf x) { vst1q_f32(p, x); }
NNO_INLINE void v_stream_end(void) {}
NNO_INLINE vf v_load_n(const float *p, int64_t n)
{
	float t[4] = { 0 };
	for (int64_t i = 0; i < n; i++)
		t[i] = p[i];
	return vld1q_f32(t);
}
NNO_INLINE void v_store_n(float *p, vf x, int64_t n)
{
	float t[4];
	vst1q_f32(t, x);
	for (int64_t i = 0; i < n; i++)
		p[i] = t[i];
}
NNO_INLINE vf v_load_bytes_n(const uint8_t *p, int64_t n)
{
	float t[4] = { 0 };
	for (int64_t i = 0; i < n; i++)
		t[i] = (float)p[i];
	return vld1q_f32(t);
}
NNO_INLINE void v_store_bytes_n(uint8_t *p, vf x, int64_t n)
{
	float t[4];
	vst1q_f32(t, x);
	for (int64_t i = 0; i < n; i++)
		p[i] = (uint8_t)t[i];
}
NNO_INLINE vf v_load_bytes(const uint8_t *p)
{
	uint32_t word;
	memcpy(&word, p, sizeof word);
	return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(word)))));
}
NNO_INLINE void v_store_bytes(uint8_t *p, vf x)
{
	uint16x4_t half = vmovn_u32(vcvtq_u32_f32(x));
	uint32_t word = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(half, half))), 0);
	memcpy(p, &word, sizeof word);
}
NNO_INLINE vf v_add(vf a, vf b) { return vaddq_f32(a, b); }
NNO_INLINE vf v_sub(vf a, vf b) { return vsubq_f32(a, b); }
NNO_INLINE vf v_mul(vf a, vf b) { return vmulq_f32(a, b); }
NNO_INLINE vf v_div(vf a, vf b) { return vdivq_f32(a, b); }
NNO_INLINE vf v_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
NNO_INLINE vf v_select_gt(vf a, vf b, vf x, vf y) { return vbslq_f32(vcgtq_f32(a, b), x, y); }
NNO_INLINE vf v_select_le(vf a, vf b, vf x, vf y) { return vbslq_f32(vcleq_f32(a, b), x, y); }
NNO_INLINE vf v_select_eq(vf a, vf b, vf x, vf y) { return vbslq_f32(vceqq_f32(a, b), x, y); }
NNO_INLINE int v_any_nan(vf a) { return vminvq_u32(vceqq_f32(a, a)) == 0; }
NNO_INLINE vf v_max(vf a, vf b) { return v_select_gt(a, b, a, b); }
NNO_INLINE vf v_min(vf a, vf b) { return v_select_gt(b, a, a, b); }
NNO_INLINE vf v_sqrt(vf a) { return vsqrtq_f32(a); }
NNO_INLINE vf v_abs(vf a) { return vabsq_f32(a); }
NNO_INLINE vf v_neg(vf a) { return vnegq_f32(a); }
NNO_INLINE vf v_round(vf a) { return vrndnq_f32(a); }
NNO_INLINE float v_sum(vf a)
{
	float32x2_t x = vadd_f32(vget_low_f32(a), vget_high_f32(a));
	return vget_lane_f32(x, 0) + vget_lane_f32(x, 1);
}
NNO_INLINE float v_reduce_max(vf a) { return vmaxvq_f32(a); }
NNO_INLINE void v_transpose4(float *dst, int64_t to, const float *src, int64_t from)
{
	float32x4x2_t even = vtrnq_f32(vld1q_f32(src), vld1q_f32(src + from)),
		      odd = vtrnq_f32(vld1q_f32(src + 2 * from), vld1q_f32(src + 3 * from));
	vst1q_f32(dst, vcombine_f32(vget_low_f32(even.val[0]), vget_low_f32(odd.val[0])));
	vst1q_f32(dst + to, vcombine_f32(vget_low_f32(even.val[1]), vget_low_f32(odd.val[1])));
	vst1q_f32(dst + 2 * to, vcombine_f32(vget_high_f32(even.val[0]), vget_high_f32(odd.val[0])));
	vst1q_f32(dst + 3 * to, vcombine_f32(vget_high_f32(even.val[1]), vget_high_f32(odd.val[1])));
}
enum { V_SQUARE = 4 };
NNO_INLINE void v_transpose_square(float *dst, int64_t to, const float *src, int64_t from)
{
	v_transpose4(dst, to, src, from);
}
NNO_INLINE vf v_exponent2(vf i)
{
	return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(i), vdupq_n_s32(127)), 23));
}
NNO_INLINE vf v_exponent_of(vf x)
{
	int32x4_t biased = vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_f32(x), 23));
	return vcvtq_f32_s32(vsubq_s32(biased, vdupq_n_s32(127)));
}
NNO_INLINE vf v_load_bf16(const nno_bf16 *p)
{
	return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t *)(const void *)p), 16));
}
NNO_INLINE void v_store_bf16(nno_bf16 *p, vf x)
{
	uint32x4_t bits = vreinterpretq_u32_f32(x), odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
	uint32x4_t up = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
	up = vbslq_u32(vceqq_f32(x, x), up, vorrq_u32(bits, vdupq_n_u32(0x400000)));
	vst1_u16((uint16_t *)(void *)p, vshrn_n_u32(up, 16));
}
NNO_INLINE void v_stream_bf16(nno_bf16 *p, vf x) { v_store_bf16(p, x); }
NNO_INLINE vf v_load_bf16_n(const nno_bf16 *p, int64_t n)
{
	nno_bf16 t[4] = { { 0 } };
	for (int64_t i = 0; i < n; i++)
		t[i] = p[i];
	return v_load_bf16(t);
}
NNO_INLINE void v_store_bf16_n(nno_bf16 *p, vf x, int64_t n)
{
	nno_bf16 t[4];
	v_store_bf16(t, x);
	for (int64_t i = 0; i < n; i++)
		p[i] = t[i];
}
NNO_INLINE vf v_load_f16(const nno_f16 *p)
{
	return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)(const void *)p)));
}
NNO_INLINE void v_store_f16(nno_f16 *p, vf x)
{
	vst1_u16((uint16_t *)(void *)p, vreinterpret_u16_f16(vcvt_f16_f32(x)));
}
NNO_INLINE void v_stream_f16(nno_f16 *p, vf x) { v_store_f16(p, x); }
NNO_INLINE vf v_load_f16_n(const nno_f16 *p, int64_t n)
{
	nno_f16 t[4] = { { 0 } };
	for (int64_t i = 0; i < n; i++)
		t[i] = p[i];
	return v_load_f16(t);
}
NNO_INLINE void v_store_f16_n(nno_f16 *p, vf x, int64_t n)
{
	nno_f16 t[4];
	v_store_f16(t, x);
	for (int64_t i = 0; i < n; i++)
		p[i] = t[i];
}

#endif
