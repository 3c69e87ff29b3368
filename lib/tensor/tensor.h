/* tensor.h - the tensor struct. Storage is counted separately so that views and DLPack share it. */
#ifndef NNO_TENSOR_H
#define NNO_TENSOR_H

#include "context/context.h"
#include "nnopt/tensor.h"

typedef struct nno_storage {
	nno_ref ref;
	nnopt_context *context;
	void *data;
	size_t bytes;
	void (*release)(void *data, void *user); /* NULL: nothing (wrapped memory) */
	void *user;
} nno_storage;

struct nnopt_tensor {
	nno_ref ref; /* handles and internal references */
	nnopt_context *context;
	nno_storage *storage;
	char *data; /* inside storage */
	nnopt_dtype dtype;
	nnopt_layout layout;
	int rank;
	int64_t shape[NNOPT_MAX_RANK]; /* NCHW order */
	int64_t count;                 /* elements, always the product of shape */
};

/* A tensor over memory that `release` gives back with the last reference (NULL: nobody does). On failure the memory
 * stays the caller's. */
nnopt_status nno_tensor_adopt(nnopt_tensor **out, nnopt_context *context, void *data, size_t bytes, nnopt_dtype dtype,
			      int32_t rank, const int64_t *shape, nnopt_layout layout, void (*release)(void *, void *),
			      void *user);

nnopt_tensor *nno_tensor_take(nnopt_tensor *tensor);

/* Changes the first extent of a tensor in place, within what its storage holds: how plan and loader outputs follow a
 * smaller batch without allocating. */
void nno_tensor_set_batch(nnopt_tensor *tensor, int64_t n);

/* Points a tensor at other memory of the same size; for the borrowed tensors that plans hand out. */
void nno_tensor_point(nnopt_tensor *tensor, void *data);

/* dst[0..count) = src[0..count) with dtype conversion (rules of nnopt_tensor_copy). */
void nno_convert(const nno_kernels *kernels, void *dst, nnopt_dtype dst_dtype, const void *src, nnopt_dtype src_dtype,
		 int64_t count);

/* "(64, 3, 32, 32)" into a buffer, for error texts; returns text. */
#define NNO_SHAPE_TEXT 96
const char *nno_shape_text(char text[NNO_SHAPE_TEXT], const int64_t *shape, int rank);

#endif
