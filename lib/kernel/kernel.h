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

/* NNO_STREAM: the result is too large to stay in cache, write past it (a hint). */
enum { NNO_GEMM_ADD = 1, NNO_GEMM_RELU = 2, NNO_STREAM = 4 };

/* A picture cut into tiles, `across` of them in a row; its first tile's patch begins pad_h rows and pad_w columns
 * outside. */
typedef struct nno_tiling {
	int64_t h, w, c, pad_h, pad_w, across;
} nno_tiling;

/* One row of results of a convolution of each channel by itself. Pixels are as far apart as there are channels. */
typedef struct nno_depthwise_row {
	const float *src;       /* column 0 of the first row of taps that is inside the picture */
	int64_t rows, row_step; /* rows of taps inside, and floats from one to the next */
	int64_t width;          /* columns of the picture; those outside are zero */
	/* Tap t < taps of result i is column from + i * stride + t * dilation. */
	int64_t from, stride, dilation, taps;
	const float *weights;
	int64_t weight_row, weight_tap; /* floats from a row of taps to the next, and from a tap; may be negative */
	float *dst;
	int64_t count, dst_step; /* results, and floats from one to the next */
	const float *bias;       /* may be NULL */
} nno_depthwise_row;

/* A picture of h x w, and the window that makes results of out_w columns from it. */
typedef struct nno_depthwise {
	int64_t h, w, out_w;
	int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
} nno_depthwise;

/* A window of pixels inside a picture, its rows row_step floats apart. */
typedef struct nno_window {
	int64_t rows, columns, row_step;
} nno_window;

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
