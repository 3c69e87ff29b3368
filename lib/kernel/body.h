/* body.h - included first by every file of body/: names by ISA, and that ISA's vector vocabulary.
 * CMake compiles each body once per ISA with -DNNO_ISA=<name> and that ISA's flags. */
#ifndef NNO_KERNEL_BODY_H
#define NNO_KERNEL_BODY_H

#include "kernel/kernel.h"

#define NNO_JOIN2(a, b) a##_##b
#define NNO_JOIN(a, b) NNO_JOIN2(a, b)
#define NNO_FN(name) NNO_JOIN(nno_##name, NNO_ISA)

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

#endif
