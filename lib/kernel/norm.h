/* norm.h - what the kernels of a normalisation know of each channel. */
#ifndef NNO_KERNEL_NORM_H
#define NNO_KERNEL_NORM_H

/* y = clamp(v), v = (x - mean) * scale + shift (+ skip). A gradient passes where low < v < high; either bound may be
 * infinite. */
typedef struct nno_norm {
	const float *mean, *scale, *shift;
	float low, high;
	int clamped; /* 0: the bounds are infinite, and gradients pass everywhere */
} nno_norm;

/* dx = a * dy + b * (x - mean) + d */
typedef struct nno_norm_slope {
	const float *a, *b, *d;
} nno_norm_slope;

/* Gradients are added to what is there; the result, or dx, is stored past the caches, for one that they would not hold.
 */
enum { NNO_NORM_ADD_DX = 1, NNO_NORM_ADD_DSKIP = 2, NNO_NORM_STREAM = 4 };

#endif
