/* isa_table.c - this ISA's table, one entry a line of kernels.inc. */
#include "kernel/body.h"

#include "kernel/body/tiles.h"

#include "nnopt/context.h"

#if defined(NNO_ISA_AVX512)
#define ISA_NAME "avx512"
#define ISA_ID NNOPT_ISA_AVX512
#elif defined(NNO_ISA_AVX2)
#define ISA_NAME "avx2"
#define ISA_ID NNOPT_ISA_AVX2
#elif defined(NNO_ISA_NEON)
#define ISA_NAME "neon"
#define ISA_ID NNOPT_ISA_NEON
#else
#define ISA_NAME "scalar"
#define ISA_ID NNOPT_ISA_SCALAR
#endif

extern const nno_kernels_f32 NNO_JOIN(nno_kernels_of_f32, NNO_ISA);
extern const nno_kernels_bf16 NNO_JOIN(nno_kernels_of_bf16, NNO_ISA);
extern const nno_kernels_f16 NNO_JOIN(nno_kernels_of_f16, NNO_ISA);
/* With the instructions of body/pairs.c it is a table of its own, for CPUs that have them. */
#ifdef NNO_PAIRS
extern const nno_pairs NNO_PAIRS;
#define TABLE NNO_JOIN(nno_kernels_pairs, NNO_ISA)
#define PAIRS &NNO_PAIRS
#else
#define TABLE NNO_FN(kernels)
#define PAIRS NULL
#endif

extern const nno_kernels TABLE;
const nno_kernels TABLE = {
	.isa = ISA_NAME,
	.isa_id = ISA_ID,
	.strip = WIDE * VL,
	.f32 = &NNO_JOIN(nno_kernels_of_f32, NNO_ISA),
	.bf16 = &NNO_JOIN(nno_kernels_of_bf16, NNO_ISA),
	.f16 = &NNO_JOIN(nno_kernels_of_f16, NNO_ISA),
	.pairs = PAIRS,
#define NNO_KERNEL(name, args) .name = NNO_FN(name),
#include "kernel/kernels.inc"
#undef NNO_KERNEL
};
