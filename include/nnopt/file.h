/**
 * @file file.h
 * safetensors: a set of named tensors and text metadata in one file.
 */
#ifndef NNOPT_FILE_H
#define NNOPT_FILE_H

#include <nnopt/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An open safetensors file. @since 0.1 */
typedef struct nnopt_safetensors nnopt_safetensors;

/** Writes `count` tensors and `metadata_count` key-value texts, atomically and durably (temporary file, fsync, rename,
 *  fsync of the directory; the old file is untouched on any failure). Adds "nnopt.crc32c": a CRC-32C of each tensor's
 *  bytes. Rank-4 tensors are written row-major in NCHW order. @since 0.1 */
NNOPT_API nnopt_status nnopt_safetensors_save(nnopt_context *context, const char *path, const char *const *names,
                                              const nnopt_tensor *const *tensors, int32_t count, const char *const *metadata_keys,
                                              const char *const *metadata_values, int32_t metadata_count);
/** Reads the header and checks it whole: sizes, offsets, overlaps, duplicates. Trusts nothing. @since 0.1 */
NNOPT_API nnopt_status nnopt_safetensors_open(nnopt_safetensors **out, nnopt_context *context, const char *path);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_safetensors_destroy(nnopt_safetensors *file);
/** Tensors in the file; 0 for NULL. @since 0.1 */
NNOPT_API int32_t nnopt_safetensors_count(const nnopt_safetensors *file);
/** Name of tensor `index` in order of offset; NULL past the end. */
NNOPT_API const char *nnopt_safetensors_name(const nnopt_safetensors *file, int32_t index);
/** Reads tensor `index` into a new tensor; checks its CRC-32C when the file has one. dtypes F32 F16 BF16 U8 I32 I64;
 *  F64 becomes f32; others UNSUPPORTED. */
NNOPT_API nnopt_status nnopt_safetensors_read(nnopt_safetensors *file, int32_t index, nnopt_tensor **out);
/** NOT_FOUND when there is none. */
NNOPT_API nnopt_status nnopt_safetensors_find(const nnopt_safetensors *file, const char *name, int32_t *index);
/** Value of a metadata key, or NULL. */
NNOPT_API const char *nnopt_safetensors_metadata(const nnopt_safetensors *file, const char *key);

#ifdef __cplusplus
}
#endif

#endif
