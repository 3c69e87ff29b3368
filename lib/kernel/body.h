/* body.h - included first by every file of body/: names by ISA and type of values, and that ISA's vector vocabulary.
 * CMake compiles each body once per ISA with -DNNO_ISA=<name> and that ISA's flags; those of typed.inc once more for
 * each type of values, with -DNNO_TYPE=<name>. */
#ifndef NNO_KERNEL_BODY_H
#define NNO_KERNEL_BODY_H

#include "kernel/kernel.h"

#define NNO_FN(name) NNO_JOIN(nno_##name, NNO_ISA)                     /* of a kernel for f32 alone */
#define NNO_OF(name) NNO_JOIN(NNO_JOIN(nno_##name, NNO_TYPE), NNO_ISA) /* of a kernel for values */

#define NNO_KERNEL(name, args) void NNO_FN(name) args;
#include "kernel/kernels.inc"
#undef NNO_KERNEL

#if defined(NNO_ISA_AVX512)
#include "kernel/simd/avx512.h"
#elif defined(NNO_ISA_AVX2)
#include "kernel/simd/avx2.h"
#elif defined(NNO_ISA_NEON)
#include "kernel/simd/neon.h"
#else
#include "kernel/simd/scalar.h"
#endif

/* A vector, or the n floats that are left of one. */
NNO_INLINE vf load_some(const float *p, int64_t n) { return n >= VL ? v_load(p) : v_load_n(p, n); }

NNO_INLINE void store_some(float *p, vf x, int64_t n)
{
	if (n >= VL)
		v_store(p, x);
	else
		v_store_n(p, x, n);
}

/* As NNO_GEMM_RELU and NNO_GEMM_SIX say. A NaN stays one. */
NNO_INLINE vf v_clamp(vf x, int flags)
{
	if (flags & NNO_GEMM_RELU)
		x = v_max(v_zero(), x);
	return flags & NNO_GEMM_SIX ? v_min(v_set1(6.0f), x) : x;
}

#ifdef NNO_TYPE
/* Values of the type that this is compiled for: get a vector, put one. */
#if defined(NNO_TYPE_BF16)
typedef nno_bf16 elem;
#define NNO_VALUES(what) v_##what##_bf16
#define NNO_VALUES_N(what) v_##what##_bf16_n
#elif defined(NNO_TYPE_F16)
typedef nno_f16 elem;
#define NNO_VALUES(what) v_##what##_f16
#define NNO_VALUES_N(what) v_##what##_f16_n
#else
typedef float elem;
#define NNO_VALUES(what) v_##what
#define NNO_VALUES_N(what) v_##what##_n
#endif

NNO_INLINE vf get(const elem *p) { return NNO_VALUES(load)(p); }
NNO_INLINE vf get_n(const elem *p, int64_t n) { return NNO_VALUES_N(load)(p, n); }
NNO_INLINE void put(elem *p, vf x) { NNO_VALUES(store)(p, x); }
NNO_INLINE void put_n(elem *p, vf x, int64_t n) { NNO_VALUES_N(store)(p, x, n); }
/* Past the caches, to an address aligned for VL values. */
NNO_INLINE void put_past(elem *p, vf x) { NNO_VALUES(stream)(p, x); }
NNO_INLINE vf get_some(const elem *p, int64_t n) { return n >= VL ? get(p) : get_n(p, n); }
NNO_INLINE void put_some(elem *p, vf x, int64_t n)
{
	if (n >= VL)
		put(p, x);
	else
		put_n(p, x, n);
}

/* Whether rows of n values, `step` values apart from p on, may be streamed: they fill whole lines of a cache. */
NNO_INLINE int fills_lines(const elem *p, int64_t step, int64_t n)
{
	const int64_t line = 64 / (int64_t)sizeof(elem);
	return (uintptr_t)p % 64 == 0 && step % line == 0 && n % line == 0;
}

#define NNO_KERNEL(name, args) void NNO_OF(name) args;
#include "kernel/typed.inc"
#undef NNO_KERNEL
#endif

#endif
