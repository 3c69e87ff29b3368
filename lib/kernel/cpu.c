/* cpu.c - the only reader of cpuid; compiled for the baseline and without LTO, so that it never executes what it
 * probes. The compiler's builtin asks cpuid and XGETBV, the operating system's register saving included. */
#include "kernel/cpu.h"

#include "nnopt/context.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#if defined(__x86_64__)
/* Clang's builtin does not know this one. Every CPU with AVX2 has it; the system saves the same registers. */
static int has_f16c(void)
{
	unsigned a, b, c = 0, d;
	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}
#endif

int nno_cpu_has(int isa)
{
	switch (isa) {
	case NNOPT_ISA_SCALAR:
		return 1;
#if defined(__x86_64__)
	case NNOPT_ISA_AVX2:
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
	case NNOPT_ISA_AVX512:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#elif defined(__aarch64__)
	case NNOPT_ISA_NEON:
		return 1;
#endif
	default:
		return 0;
	}
}

/* AVX512_BF16: leaf 7, sub-leaf 1. Asked for together with AVX-512 itself, whose registers the system then saves. */
int nno_cpu_has_pairs(void)
{
#if defined(__x86_64__)
	unsigned a = 0, b, c, d;
	return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1u) != 0;
#else
	return 0;
#endif
}
