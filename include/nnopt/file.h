/**
 * @file file.h
 * Files of named tensors: safetensors written and read, PyTorch's read.
 */
#ifndef NNOPT_FILE_H
#define NNOPT_FILE_H

#include <nnopt/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An open file of named tensors. @since 0.1 */
typedef struct nnopt_weights nnopt_weights;

/** Writes `count` tensors and `metadata_count` key-value texts, atomically and durably (temporary file "<path>.tmp",
 *  fsync, rename, fsync of the directory): the path holds the old or the new complete file at every moment. A failure leaves
 *  the old one, but for that of the last fsync ("cannot make the new name durable", IO): then the new one is in place, and a
 *  crash of the system may bring the old one back. The new file has the mode of the old one. A symbolic link stays, and the
 *  file it leads to is replaced. What is there and no regular file is an IO error, and so is a second writer of one path
 *  at the same time. This holds for every file that this library writes atomically.
 *  Adds "nnopt.crc32c": a CRC-32C of each tensor's bytes. Rank-4 tensors are written row-major in NCHW order. All text is
 *  UTF-8; no name is there twice, and no key. Errors: INVALID_ARGUMENT (also for the name "__metadata__" and the key
 *  "nnopt.crc32c"), NOT_FOUND (the directory), IO, OUT_OF_MEMORY. @since 0.1 */
NNOPT_API nnopt_status nnopt_safetensors_save(nnopt_context *context, const char *path, const char *const *names,
                                              const nnopt_tensor *const *tensors, int32_t count, const char *const *metadata_keys,
                                              const char *const *metadata_values, int32_t metadata_count);

/** Options of nnopt_weights_open(). @since 0.1 */
typedef struct nnopt_weights_options {
	size_t struct_size;
	const char *root; /**< take the tensors below this name alone, and leave it out of their names: "ema.model" makes
	                       "ema.model.conv.weight" "conv.weight". NULL, the default: where the top of a PyTorch file is a dict
	                       without tensors of its own, the first of its dicts "state_dict", "model_state_dict", "model", "net"
	                       is the root; otherwise, and with "", all tensors are taken. Borrowed during the call. */
} nnopt_weights_options;
/** Sets the defaults; pass sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_weights_options_init(nnopt_weights_options *options, size_t size);

/** Opens a file of named tensors for reading; which of three formats it has is known by its content:
 *  - safetensors: the header is checked whole: sizes, offsets, overlaps, duplicates;
 *  - torch.save() of PyTorch 1.6 and later (.pth, .pt: a zip), and
 *  - torch.save() of earlier versions (also `_use_new_zipfile_serialization=False`).
 *
 *  A PyTorch file holds a Python pickle. This one is read by an interpreter that executes nothing: it knows dicts, lists,
 *  tuples, texts, numbers, None, tensors and parameters, as a `state_dict` is made of, and refuses everything else with
 *  UNSUPPORTED and the name of what it met. A tensor's name is the keys and positions on the way to it, joined by dots; 511
 *  bytes at most.
 *  `options` may be NULL. The file must not change while it is open.
 *  Errors: INVALID_ARGUMENT, NOT_FOUND (no such file, or nothing below the root), IO, FORMAT, UNSUPPORTED, OUT_OF_MEMORY.
 *  (huggingface/safetensors README; torch/serialization.py, torch/_weights_only_unpickler.py) @since 0.1 */
NNOPT_API nnopt_status nnopt_weights_open(nnopt_weights **out, nnopt_context *context, const char *path,
                                          const nnopt_weights_options *options);
/** NULL is allowed. @since 0.1 */
NNOPT_API void nnopt_weights_destroy(nnopt_weights *file);
/** Tensors in the file; 0 for NULL. @since 0.1 */
NNOPT_API int32_t nnopt_weights_count(const nnopt_weights *file);

/** What a tensor of a file is. @since 0.1 */
typedef struct nnopt_weight_info {
	size_t struct_size;
	const char *name;  /**< "conv1.weight"; borrowed from the file */
	const char *dtype; /**< in the file, as safetensors names it: "F32", "BF16", "I64"; borrowed from the library */
	int32_t rank;      /**< of the shape */
	int32_t reserved;
	int64_t shape[NNOPT_MAX_RANK]; /**< its extents */
} nnopt_weight_info;
/** Describes tensor `index`, in the order of the file's offsets (safetensors) or of its dicts (PyTorch); set
 *  info->struct_size first. Errors: INVALID_ARGUMENT. @since 0.1 */
NNOPT_API nnopt_status nnopt_weights_info(const nnopt_weights *file, int32_t index, nnopt_weight_info *info);
/** Reads tensor `index` into a new tensor, row-major whatever its strides in the file are; checks the CRC-32C or CRC-32
 *  that the file has of its bytes. dtypes F32 F16 BF16 U8 I32 I64; F64 becomes f32, BOOL u8 of 0 and 1; others are
 *  UNSUPPORTED. @since 0.1 */
NNOPT_API nnopt_status nnopt_weights_read(nnopt_weights *file, int32_t index, nnopt_tensor **out);
/** Index of the tensor called `name`; NOT_FOUND when there is none. @since 0.1 */
NNOPT_API nnopt_status nnopt_weights_find(const nnopt_weights *file, const char *name, int32_t *index);
/** Value of a metadata key of a safetensors file, or NULL. @since 0.1 */
NNOPT_API const char *nnopt_weights_metadata(const nnopt_weights *file, const char *key);

#ifdef __cplusplus
}
#endif

#endif
