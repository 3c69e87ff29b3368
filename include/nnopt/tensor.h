/**
 * @file tensor.h
 * Tensors: typed, shaped memory. Shapes are always given in NCHW order (N, C, H, W) whatever the layout in memory.
 *
 * Threads: a tensor may be read by many threads at once; writing wants the only user.
 */
#ifndef NNOPT_TENSOR_H
#define NNOPT_TENSOR_H

#include <nnopt/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Typed, shaped memory. @since 0.1 */
typedef struct nnopt_tensor nnopt_tensor;

/** Most dimensions of a tensor. @since 0.1 */
#define NNOPT_MAX_RANK 8

/** Element types. @since 0.1 */
typedef enum nnopt_dtype {
	NNOPT_F32 = 0,
	NNOPT_F16 = 1,  /**< IEEE 754 binary16 */
	NNOPT_BF16 = 2, /**< upper half of a binary32 */
	NNOPT_U8 = 3,
	NNOPT_I32 = 4,
	NNOPT_I64 = 5,
	NNOPT_DTYPE_FORCE_32 = 0x7fffffff
} nnopt_dtype;

/** Order of the elements of a rank-4 tensor in memory. Other ranks are row-major, and their layout is NNOPT_NCHW. */
typedef enum nnopt_layout {
	NNOPT_NCHW = 0,
	NNOPT_NHWC = 1,
	NNOPT_LAYOUT_FORCE_32 = 0x7fffffff
} nnopt_layout;

/** Bytes of one element; 0 for an unknown dtype. @since 0.1 */
NNOPT_API size_t nnopt_dtype_size(nnopt_dtype dtype);
/** "f32", "f16", "bf16", "u8", "i32", "i64"; "unknown" otherwise. @since 0.1 */
NNOPT_API const char *nnopt_dtype_name(nnopt_dtype dtype);

/** Creates a zeroed tensor. @param shape `rank` extents >= 0 in NCHW order; rank 0 is a scalar. @since 0.1 */
NNOPT_API nnopt_status nnopt_tensor_create(nnopt_tensor **out, nnopt_context *context, nnopt_dtype dtype, int32_t rank,
                                           const int64_t *shape, nnopt_layout layout);
/** A tensor over the caller's memory, which must hold the whole shape, be aligned to its element size, and outlive the
 *  tensor and its views. The library never frees it. @since 0.1 */
NNOPT_API nnopt_status nnopt_tensor_wrap(nnopt_tensor **out, nnopt_context *context, void *data, size_t bytes,
                                         nnopt_dtype dtype, int32_t rank, const int64_t *shape, nnopt_layout layout);
/** A view of `count` entries from `start` along the first dimension; shares and keeps alive the memory. @since 0.1 */
NNOPT_API nnopt_status nnopt_tensor_view(nnopt_tensor **out, nnopt_tensor *base, int64_t start, int64_t count);
/** The same memory under another shape of equal element count. Rank-4 NHWC tensors cannot be reshaped. @since 0.1 */
NNOPT_API nnopt_status nnopt_tensor_reshape(nnopt_tensor **out, nnopt_tensor *base, int32_t rank, const int64_t *shape);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_tensor_destroy(nnopt_tensor *tensor);

/** Element type. @since 0.1 */
NNOPT_API nnopt_dtype nnopt_tensor_dtype(const nnopt_tensor *tensor);
/** Order in memory. @since 0.1 */
NNOPT_API nnopt_layout nnopt_tensor_layout(const nnopt_tensor *tensor);
/** Number of dimensions. @since 0.1 */
NNOPT_API int32_t nnopt_tensor_rank(const nnopt_tensor *tensor);
/** Extent of dimension `axis` in NCHW order; 0 when there is no such axis. @since 0.1 */
NNOPT_API int64_t nnopt_tensor_extent(const nnopt_tensor *tensor, int32_t axis);
/** Number of elements. @since 0.1 */
NNOPT_API int64_t nnopt_tensor_count(const nnopt_tensor *tensor);
/** Bytes of all elements. @since 0.1 */
NNOPT_API size_t nnopt_tensor_bytes(const nnopt_tensor *tensor);
/** The elements in memory order (see layout); dense, valid while the tensor lives. @since 0.1 */
NNOPT_API void *nnopt_tensor_data(nnopt_tensor *tensor);
/** The elements, not to be written. @since 0.1 */
NNOPT_API const void *nnopt_tensor_const_data(const nnopt_tensor *tensor);

/** Fills with `value`, converted to the dtype. @since 0.1 */
NNOPT_API nnopt_status nnopt_tensor_fill(nnopt_tensor *tensor, double value);
/** Copies all elements in; `src` is dense in `layout` order and of type `dtype`, `bytes` long exactly. @since 0.1 */
NNOPT_API nnopt_status nnopt_tensor_copy_in(nnopt_tensor *dst, const void *src, size_t bytes, nnopt_dtype dtype,
                                            nnopt_layout layout);
/** Copies all elements out, converting dtype and layout as asked. @since 0.1 */
NNOPT_API nnopt_status nnopt_tensor_copy_out(const nnopt_tensor *src, void *dst, size_t bytes, nnopt_dtype dtype,
                                             nnopt_layout layout);
/** dst = src, shapes equal, converting dtype and layout. f32 to f16/bf16 rounds to nearest even; to integers rounds to
 *  nearest even and saturates, NaN gives 0. @since 0.1 */
NNOPT_API nnopt_status nnopt_tensor_copy(nnopt_tensor *dst, const nnopt_tensor *src);

/** Hands the tensor to another library as a `DLManagedTensorVersioned *` (DLPack 1.x) without a copy; call its deleter
 *  once. The memory stays alive until then. @since 0.1 */
NNOPT_API nnopt_status nnopt_tensor_to_dlpack(nnopt_tensor *tensor, void **out_managed);
/** A tensor over a `DLManagedTensorVersioned *` on the CPU, dense row-major or channels-last; takes it over and calls its
 *  deleter when the last view is gone. On failure the caller still owns it. @since 0.1 */
NNOPT_API nnopt_status nnopt_tensor_from_dlpack(nnopt_tensor **out, nnopt_context *context, void *managed);

/** Reads a NumPy .npy file (versions 1.0-3.0, C order, little- or big-endian f2 f4 f8 u1 i4 i8; f8 becomes f32).
 *  Errors: NOT_FOUND, IO, FORMAT with the offset, UNSUPPORTED (Fortran order, other element types).
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_tensor_load_npy(nnopt_tensor **out, nnopt_context *context, const char *path);
/** Writes a .npy file (version 1.0, row-major in NCHW order), atomically; bf16 is written as f4. @since 0.1 */
NNOPT_API nnopt_status nnopt_tensor_save_npy(const nnopt_tensor *tensor, const char *path);

#ifdef __cplusplus
}
#endif

#endif
