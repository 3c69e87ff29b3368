/* dlpack.h - the structs of DLPack 1.x (github.com/dmlc/dlpack), which are an ABI: they never change within a major
 * version. */
#ifndef NNO_TENSOR_DLPACK_H
#define NNO_TENSOR_DLPACK_H

#include <stdint.h>

enum { NNO_DL_MAJOR = 1, NNO_DL_MINOR = 0, NNO_DL_CPU = 1, NNO_DL_READ_ONLY = 1 };
enum { NNO_DL_INT = 0, NNO_DL_UINT = 1, NNO_DL_FLOAT = 2, NNO_DL_BFLOAT = 4 };

typedef struct nno_dl_type {
	uint8_t code, bits;
	uint16_t lanes;
} nno_dl_type;

typedef struct nno_dl_tensor {
	void *data;
	struct {
		int32_t type, id;
	} device;
	int32_t ndim;
	nno_dl_type dtype;
	int64_t *shape, *strides; /* in elements; NULL strides: row-major */
	uint64_t byte_offset;
} nno_dl_tensor;

typedef struct nno_dl_managed {
	struct {
		uint32_t major, minor;
	} version;
	void *manager;
	void (*deleter)(struct nno_dl_managed *self);
	uint64_t flags;
	nno_dl_tensor tensor;
} nno_dl_managed;

#endif
