/* kernel.h - the kernel table. A kernel knows raw pointers, lengths and strides; it handles its own tails, wants no
 * alignment, reads and writes nothing outside its arguments, and cannot fail.
 * To add one: a line in kernels.inc, a body in body/ written on simd/, a case in tests/kernel/check.c. */
#ifndef NNO_KERNEL_H
#define NNO_KERNEL_H

#include "base/compiler.h"
#include "kernel/norm.h"
#include "kernel/update.h"

#include <stddef.h>
#include <stdint.h>

enum { NNO_GEMM_ADD = 1, NNO_GEMM_RELU = 2 };

/* A picture cut into tiles, `across` of them in a row; its first tile's patch begins pad_h rows and pad_w columns outside. */
typedef struct nno_tiling {
	int64_t h, w, c, pad_h, pad_w, across;
} nno_tiling;

typedef struct nno_kernels {
	const char *isa; /* "scalar", "avx2", "avx512", "neon" */
	int isa_id;      /* nnopt_isa */
#define NNO_KERNEL(name, args) void(*name) args;
#include "kernel/kernels.inc"
#undef NNO_KERNEL
} nno_kernels;

/* The best table that the CPU runs, at most `cap` (nnopt_isa; 0: no cap). Never NULL: scalar runs everywhere.
 * A cap of another architecture gives scalar. */
const nno_kernels *nno_kernels_best(int cap);
/* The table of exactly this ISA, or NULL where CPU or build lacks it. For tests. */
const nno_kernels *nno_kernels_of(int isa);

#endif
