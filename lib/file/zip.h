/* zip.h - the directory of a zip archive (PKWARE's APPNOTE 6.3), with zip64; entries stored or deflated. */
#ifndef NNO_FILE_ZIP_H
#define NNO_FILE_ZIP_H

#include "file/weights.h"

typedef struct nno_zip_entry {
	const char *name; /* NUL-terminated, inside the directory's copy */
	int64_t local;    /* offset of its local header */
	nno_block block;
} nno_zip_entry;

typedef struct nno_zip {
	char *directory;
	nno_zip_entry *entries; /* names ascending */
	int32_t count;
} nno_zip;

/* Reads and checks the directory and every entry's local header: ranges inside the file and not over each other, sizes
 * that deflate could have made, no name twice. Free after a failure too. */
nnopt_status nno_zip_open(nno_zip *zip, const nnopt_weights *f);
void nno_zip_free(nno_zip *zip, const nno_alloc *alloc);
/* NULL when there is none. */
const nno_zip_entry *nno_zip_find(const nno_zip *zip, const char *name);

#endif
