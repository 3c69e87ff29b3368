/* weights.h - an open file of named tensors. The formats differ in how their directory is read; once it is, each tensor
 * is a strided view of a block of bytes, and reading knows no formats. */
#ifndef NNO_FILE_WEIGHTS_H
#define NNO_FILE_WEIGHTS_H

#include "base/io.h"
#include "context/context.h"
#include "file/dtypes.h"
#include "nnopt/file.h"

/* Bytes of the file that tensors lie in: one tensor's own, or a storage that several share. */
typedef enum nno_block_sum { NNO_SUM_NONE, NNO_SUM_CRC32, NNO_SUM_CRC32C } nno_block_sum;
typedef struct nno_block {
	int64_t begin;  /* in the file */
	int64_t bytes;  /* unpacked */
	int64_t packed; /* in the file when deflated; 0: stored as they are */
	uint32_t crc;
	nno_block_sum sum; /* what `crc` is */
	bool checked;      /* read whole once with the right sum */
} nno_block;

typedef struct nno_named {
	char *name;
	const nno_file_dtype *dtype;
	int32_t block;
	int rank;
	int64_t shape[NNOPT_MAX_RANK], stride[NNOPT_MAX_RANK]; /* elements */
	int64_t offset;                                        /* of the first element in the block, in elements */
} nno_named;

/* The longest header of a safetensors file, and the most JSON values in it. */
#define NNO_SAFETENSORS_HEADER 100000000
#define NNO_SAFETENSORS_VALUES (1 << 22)

struct nnopt_weights {
	nnopt_context *context;
	char *path;
	nno_file file;
	bool is_open, swapped; /* elements of the other byte order */
	nno_named *items;
	int32_t count;
	int32_t *by_name; /* numbers of items, names ascending */
	nno_block *blocks;
	int32_t n_blocks;
	char **keys, **values; /* metadata */
	int32_t n_keys;
};

static inline bool nno_host_is_little(void)
{
	const uint16_t one = 1;
	return *(const uint8_t *)&one == 1;
}

/* Strides of elements that lie one after the other. */
void nno_row_major(const int64_t *shape, int rank, int64_t *stride);

/* The readers: each fills items, blocks and metadata. `found_root` gets the dict that holds the tensors where the file
 * wraps them in one ("state_dict"), as a borrowed text, or NULL. */
nnopt_status nno_safetensors_read(nnopt_weights *f);
nnopt_status nno_torch_zip_read(nnopt_weights *f, const char **found_root);
nnopt_status nno_torch_legacy_read(nnopt_weights *f, const char **found_root);
bool nno_is_torch_legacy(const uint8_t *head, size_t n);

/* block.c: `n` bytes of the unpacked block from `at`, checked against the block's sum where that is possible. */
nnopt_status nno_block_read(const nnopt_weights *f, nno_block *block, void *dst, int64_t at, size_t n);

#endif
