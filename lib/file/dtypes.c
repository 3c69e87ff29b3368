/* dtypes.c - the table of element types. */
#include "file/dtypes.h"

#include <string.h>

const nno_file_dtype nno_file_dtypes[] = {
	{ "F64", 8, NNOPT_F32, NNO_READ_DOUBLES },
	{ "I64", 8, NNOPT_I64, NNO_READ_PLAIN },
	{ "U64", 8, -1, NNO_READ_NOT },
	{ "F32", 4, NNOPT_F32, NNO_READ_PLAIN },
	{ "I32", 4, NNOPT_I32, NNO_READ_PLAIN },
	{ "U32", 4, -1, NNO_READ_NOT },
	{ "F16", 2, NNOPT_F16, NNO_READ_PLAIN },
	{ "BF16", 2, NNOPT_BF16, NNO_READ_PLAIN },
	{ "I16", 2, -1, NNO_READ_NOT },
	{ "U16", 2, -1, NNO_READ_NOT },
	{ "U8", 1, NNOPT_U8, NNO_READ_PLAIN },
	{ "I8", 1, -1, NNO_READ_NOT },
	{ "BOOL", 1, NNOPT_U8, NNO_READ_BOOLS },
	{ "F8_E4M3", 1, -1, NNO_READ_NOT },
	{ "F8_E5M2", 1, -1, NNO_READ_NOT },
	{ "F8_E8M0", 1, -1, NNO_READ_NOT },
	{ "C64", 8, -1, NNO_READ_NOT },
	{ NULL, 0, -1, NNO_READ_NOT },
};

const nno_file_dtype *nno_file_dtype_of(const char *name)
{
	for (const nno_file_dtype *d = nno_file_dtypes; d->name != NULL; d++)
		if (strcmp(d->name, name) == 0)
			return d;
	return NULL;
}
