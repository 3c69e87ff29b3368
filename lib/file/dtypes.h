/* dtypes.h - names and sizes of element types in safetensors. */
#ifndef NNO_FILE_DTYPES_H
#define NNO_FILE_DTYPES_H

#include "nnopt/tensor.h"

typedef struct nno_file_dtype {
	const char *name;
	int size;  /* bytes */
	int dtype; /* nnopt_dtype, or -1 where the library has none */
} nno_file_dtype;

/* NULL-terminated by name. */
extern const nno_file_dtype nno_file_dtypes[];

#endif
