/* dtypes.h - element types of files, by the names that safetensors gives them. */
#ifndef NNO_FILE_DTYPES_H
#define NNO_FILE_DTYPES_H

#include "nnopt/tensor.h"

typedef enum nno_reading { NNO_READ_PLAIN, NNO_READ_DOUBLES, NNO_READ_BOOLS, NNO_READ_NOT } nno_reading;

typedef struct nno_file_dtype {
	const char *name;
	int size;            /* bytes */
	int dtype;           /* nnopt_dtype that it is read as, or -1 where the library has none */
	nno_reading reading; /* how: as it lies, doubles to f32, truth values to u8 */
} nno_file_dtype;

/* NULL-terminated by name. */
extern const nno_file_dtype nno_file_dtypes[];
/* By name, which must not be NULL; NULL when there is none. */
const nno_file_dtype *nno_file_dtype_of(const char *name);

#endif
