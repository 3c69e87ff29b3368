/* kernel.h - the kernel table. A kernel knows raw pointers, lengths and strides; it handles its own tails, wants no
 * alignment, reads and writes nothing outside its arguments, and cannot fail.
 * To add one: a line in kernels.inc or typed.inc, a body in body/ written on simd/, a case in tests/kernel/. */
#ifndef NNO_KERNEL_H
#define NNO_KERNEL_H

#include "base/compiler.h"
#include "kernel/norm.h"
#include "kernel/update.h"

#include <stddef.h>
#include <stdint.h>

/* NNO_GEMM_RELU clamps the result at 0 from below, NNO_GEMM_SIX at 6 from above. NNO_STREAM: the result is too large to
 * stay in cache, write past it (a hint). */
enum { NNO_GEMM_ADD = 1, NNO_GEMM_RELU = 2, NNO_STREAM = 4, NNO_GEMM_NEXT = 8, NNO_GEMM_SIX = 16 };

/* A picture cut into tiles, `across` of them in a row; its first tile's patch begins pad_h rows and pad_w columns
 * outside. */
typedef struct nno_tiling {
	int64_t h, w, c, pad_h, pad_w, across;
} nno_tiling;

/* One row of results of a convolution of each channel by itself. Pixels are as far apart as there are channels. */
typedef struct nno_depthwise_row {
	const void *src;        /* column 0 of the first row of taps that is inside the picture; values */
	int64_t rows, row_step; /* rows of taps inside, and values from one to the next */
	int64_t width;          /* columns of the picture; those outside are zero */
	/* Tap t < taps of result i is column from + i * stride + t * dilation. */
	int64_t from, stride, dilation, taps;
	const float *weights;
	int64_t weight_row, weight_tap; /* floats from a row of taps to the next, and from a tap; may be negative */
	void *dst;
	int64_t count, dst_step; /* results, and values from one to the next */
	const float *bias;       /* may be NULL */
} nno_depthwise_row;

/* A picture of h x w, and the window that makes results of out_w columns from it. */
typedef struct nno_depthwise {
	int64_t h, w, out_w;
	int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
} nno_depthwise;

/* A window of pixels inside a picture, its rows row_step values apart. */
typedef struct nno_window {
	int64_t rows, columns, row_step;
} nno_window;

/* What the values of a plan are stored as. */
typedef enum nno_type { NNO_F32, NNO_BF16, NNO_F16, NNO_TYPES } nno_type;

typedef struct nno_bf16 {
	uint16_t bits;
} nno_bf16;

typedef struct nno_f16 {
	uint16_t bits; /* IEEE 754 binary16 */
} nno_f16;

/* The kernels for values of one type. */
#define NNO_KERNEL(name, args) void(*name) args;
typedef struct nno_kernels_f32 {
#define elem float
#include "kernel/typed.inc"
#undef elem
} nno_kernels_f32;

typedef struct nno_kernels_bf16 {
#define elem nno_bf16
#include "kernel/typed.inc"
#undef elem
} nno_kernels_bf16;

typedef struct nno_kernels_f16 {
#define elem nno_f16
#include "kernel/typed.inc"
#undef elem
} nno_kernels_f16;

/* Products of bf16 values by dot products of pairs of them, body/pairs.c. */
typedef struct nno_pairs {
	/* c[i * ldc + 0..n) (+)= sum over pairs p of the two values at a + i * a_row + p * a_pair, each times its own
	 * of the n pairs at b + p * b_pair; i < m; flags: NNO_GEMM_ADD. In f32; products may be rounded and denormals
	 * be zero. */
	void (*gemm)(int64_t m, int64_t n, int64_t pairs, const nno_bf16 *a, int64_t a_row, int64_t a_pair,
		     const nno_bf16 *b, int64_t b_pair, float *c, int64_t ldc, int flags);
	/* The same where the pairs of a's rows lie side by side, row i's of step s at a + a_off[s] + 2 i: results
	 * rounded, on top of the bias, which may be NULL; flags: NNO_GEMM_ADD and clamps. */
	void (*gemm_side)(int64_t m, int64_t n, int64_t steps, const nno_bf16 *a, const int64_t *a_off,
			  const nno_bf16 *b, int64_t b_step, nno_bf16 *c, int64_t ldc, const float *bias, int flags);
	/* and where a step's pairs are a_step from the last's; results in f32; flags: NNO_GEMM_ADD. */
	void (*gemm_columns)(int64_t m, int64_t n, int64_t steps, const nno_bf16 *a, int64_t a_step, const nno_bf16 *b,
			     int64_t b_step, float *c, int64_t ldc, int flags);
	/* Rows 2r and 2r + 1 of src, rounded, become row r of n pairs; an odd last row is paired with zeros. */
	void (*zip)(nno_bf16 *dst, const float *src, int64_t ld, int64_t rows, int64_t n);
	void (*zip_values)(nno_bf16 *dst, const nno_bf16 *src, int64_t ld, int64_t rows, int64_t n);
} nno_pairs;

typedef struct nno_kernels {
	const char *isa; /* "scalar", "avx2", "avx512", "neon" */
	int isa_id;      /* nnopt_isa */
	int64_t strip;   /* columns of a matrix product's widest tile: memory walked in such strips is read in a line */
	const nno_kernels_f32 *f32;
	const nno_kernels_bf16 *bf16;
	const nno_kernels_f16 *f16;
	const nno_pairs *pairs; /* NULL where the CPU has no instruction for them */
#include "kernel/kernels.inc"
} nno_kernels;
#undef NNO_KERNEL

/* The best table that the CPU runs, at most `cap` (nnopt_isa; 0: no cap). Never NULL: scalar runs everywhere.
 * A cap of another architecture gives scalar. */
const nno_kernels *nno_kernels_best(int cap);
/* The scalar form of nno_pairs, which no table has. For tests. */
extern const nno_pairs nno_pairs_scalar;
/* The table of exactly this ISA, or NULL where CPU or build lacks it. For tests. */
const nno_kernels *nno_kernels_of(int isa);

#endif
