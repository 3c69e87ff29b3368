/* convert.c - number formats, portable: the oracle of any kernel that does the same. */
#include "tensor/convert.h"

#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

static uint32_t bits_of(float x)
{
	uint32_t u;
	memcpy(&u, &x, sizeof u);
	return u;
}

static float float_of(uint32_t u)
{
	float x;
	memcpy(&x, &u, sizeof x);
	return x;
}

float nno_f16_to_f32(uint16_t bits)
{
	uint32_t sign = (uint32_t)(bits & 0x8000u) << 16;
	uint32_t exponent = (bits >> 10) & 31u, fraction = bits & 1023u;
	if (exponent == 31)
		return float_of(sign | 0x7f800000u | fraction << 13);
	if (exponent != 0)
		return float_of(sign | (exponent + 112) << 23 | fraction << 13);
	float magnitude = (float)fraction * 0x1p-24f;
	return sign != 0 ? -magnitude : magnitude;
}

uint16_t nno_f32_to_f16(float value)
{
	uint32_t u = bits_of(value);
	uint32_t sign = (u >> 16) & 0x8000u, magnitude = u & 0x7fffffffu;
	if (magnitude > 0x7f800000u)
		return (uint16_t)(sign | 0x7e00u | ((magnitude >> 13) & 0x1ffu));
	if (magnitude >= 0x477ff000u) /* 65520 and more round to infinity */
		return (uint16_t)(sign | 0x7c00u);
	if (magnitude <
	    0x38800000u) { /* subnormal or zero: adding 0.5 leaves its 24 bits rounded to multiples of 2^-24 */
		uint32_t shifted = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
		return (uint16_t)(sign | shifted);
	}
	uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
	return (uint16_t)(sign | ((rounded - 0x38000000u) >> 13));
}

float nno_bf16_to_f32(uint16_t bits) { return float_of((uint32_t)bits << 16); }

uint16_t nno_f32_to_bf16(float value)
{
	uint32_t u = bits_of(value);
	if ((u & 0x7fffffffu) > 0x7f800000u)
		return (uint16_t)(u >> 16 | 0x40u);
	return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

/* Integers travel as i64, everything else as f32, so that i64 to i64 loses nothing. */
static int64_t load_integer(const void *src, nnopt_dtype dtype, int64_t i)
{
	if (dtype == NNOPT_U8)
		return ((const uint8_t *)src)[i];
	if (dtype == NNOPT_I32)
		return ((const int32_t *)src)[i];
	return ((const int64_t *)src)[i];
}

static float load_float(const void *src, nnopt_dtype dtype, int64_t i)
{
	if (dtype == NNOPT_F32)
		return ((const float *)src)[i];
	if (dtype == NNOPT_F16)
		return nno_f16_to_f32(((const uint16_t *)src)[i]);
	return nno_bf16_to_f32(((const uint16_t *)src)[i]);
}

static void store_integer(void *dst, nnopt_dtype dtype, int64_t i, int64_t x)
{
	if (dtype == NNOPT_U8)
		((uint8_t *)dst)[i] = (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
	else if (dtype == NNOPT_I32)
		((int32_t *)dst)[i] = (int32_t)(x < INT32_MIN ? INT32_MIN : x > INT32_MAX ? INT32_MAX : x);
	else
		((int64_t *)dst)[i] = x;
}

static void store_float(void *dst, nnopt_dtype dtype, int64_t i, float x)
{
	if (dtype == NNOPT_F32)
		((float *)dst)[i] = x;
	else if (dtype == NNOPT_F16)
		((uint16_t *)dst)[i] = nno_f32_to_f16(x);
	else
		((uint16_t *)dst)[i] = nno_f32_to_bf16(x);
}

static int64_t to_integer(float x)
{
	if (isnan(x))
		return 0;
	if (x >= 0x1p63f)
		return INT64_MAX;
	if (x < -0x1p63f)
		return INT64_MIN;
	return (int64_t)rint((double)x);
}

static bool is_integer(nnopt_dtype dtype) { return dtype == NNOPT_U8 || dtype == NNOPT_I32 || dtype == NNOPT_I64; }

void nno_convert(const nno_kernels *kernels, void *dst, nnopt_dtype dst_dtype, const void *src, nnopt_dtype src_dtype,
		 int64_t count)
{
	(void)kernels;
	if (dst_dtype == src_dtype) {
		memcpy(dst, src, (size_t)count * nnopt_dtype_size(dst_dtype));
		return;
	}
	bool from_integer = is_integer(src_dtype), to_int = is_integer(dst_dtype);
	for (int64_t i = 0; i < count; i++) {
		if (from_integer) {
			int64_t x = load_integer(src, src_dtype, i);
			if (to_int)
				store_integer(dst, dst_dtype, i, x);
			else
				store_float(dst, dst_dtype, i, (float)x);
		} else {
			float x = load_float(src, src_dtype, i);
			if (to_int)
				store_integer(dst, dst_dtype, i, to_integer(x));
			else
				store_float(dst, dst_dtype, i, x);
		}
	}
}
