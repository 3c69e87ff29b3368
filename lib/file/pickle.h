/* pickle.h - Python pickles of tensors in dicts, and nothing else. The interpreter builds values; it calls nothing and
 * imports nothing. A global that is not in its list is an error that names it. (torch/_weights_only_unpickler.py) */
#ifndef NNO_FILE_PICKLE_H
#define NNO_FILE_PICKLE_H

#include "base/error.h"
#include "base/alloc.h"
#include "file/dtypes.h"

#include <stdbool.h>

typedef enum nno_pickle_kind {
	NNO_PICKLE_NONE,
	NNO_PICKLE_BOOL,
	NNO_PICKLE_INT,
	NNO_PICKLE_REAL,
	NNO_PICKLE_TEXT,
	NNO_PICKLE_TUPLE,
	NNO_PICKLE_LIST,
	NNO_PICKLE_DICT,
	NNO_PICKLE_GLOBAL,  /* a function or class: only ever an operand */
	NNO_PICKLE_STORAGE, /* `i` in storages */
	NNO_PICKLE_TENSOR,  /* `i` in tensors */
	NNO_PICKLE_MARK,
} nno_pickle_kind;

typedef struct nno_pickle_value {
	int32_t kind;
	uint32_t length; /* of a text */
	union {
		int64_t i;        /* integers; the number of a node, storage, tensor or global */
		double real;      /* REAL */
		const char *text; /* not NUL-terminated, inside the pickle's bytes */
	};
} nno_pickle_value;

/* A tuple's or list's values; a dict's keys and values by turns. */
typedef struct nno_pickle_node {
	nno_pickle_value *values;
	uint32_t count, room;
} nno_pickle_node;

typedef struct nno_pickle_storage {
	const nno_file_dtype *dtype;
	const char *key; /* of `key_length` bytes */
	uint32_t key_length;
	int64_t elements;
} nno_pickle_storage;

/* Checked: rank, extents, and that the view lies inside its storage. Strides of extents 0 and 1 are 0. */
typedef struct nno_pickle_tensor {
	int32_t storage, rank;
	int64_t offset, shape[NNOPT_MAX_RANK], stride[NNOPT_MAX_RANK];
} nno_pickle_tensor;

typedef struct nno_pickle {
	const nno_alloc *alloc;
	nno_pickle_value root;
	nno_pickle_node *nodes;
	nno_pickle_storage *storages;
	nno_pickle_tensor *tensors;
	int32_t n_nodes, n_storages, n_tensors;
	int32_t nodes_room, storages_room, tensors_room;
	size_t used;      /* bytes of the pickle */
	size_t values;    /* in all nodes */
	bool ended_early; /* it failed because the bytes ended */
} nno_pickle;

/* Interprets the pickle at the beginning of `bytes`, which stay borrowed. `base` is their offset in `path`, for errors:
 * FORMAT for damage, UNSUPPORTED for what is outside the subset. Memory is proportional to the pickle's size. Free
 * after a failure too. */
nnopt_status nno_pickle_read(nno_pickle *p, const nno_alloc *alloc, const uint8_t *bytes, size_t n, const char *path,
			     size_t base);
void nno_pickle_free(nno_pickle *p);

#endif
