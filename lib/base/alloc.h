/* alloc.h - the table through which every allocation goes, so that any of them can be made to fail. */
#ifndef NNO_BASE_ALLOC_H
#define NNO_BASE_ALLOC_H

#include "base/compiler.h"

#include <stddef.h>

#define NNO_ALIGNMENT 64
#define NNO_HUGE_PAGE ((size_t)2 << 20)

typedef struct nno_alloc {
	/* `size` bytes aligned to `alignment` (a power of two), or NULL. */
	void *(*alloc)(size_t size, size_t alignment, void *user);
	/* Gives back what alloc returned for `size`; never called with NULL. */
	void (*free)(void *ptr, size_t size, void *user);
	void *user;
	/* The same as alloc, zeroed. NULL: alloc's blocks are cleared. */
	void *(*zeroed)(size_t size, size_t alignment, void *user);
} nno_alloc;

/* The malloc family. */
extern const nno_alloc nno_alloc_default;

/* `size` bytes, zeroed, aligned to 64; size 0 gives a valid pointer. NULL when out of memory: report it with
 * nno_fail_memory(). Thread-safe when the table's functions are. */
void *nno_new(const nno_alloc *a, size_t size) NNO_MUST_USE;
/* The same for an array; an overflowing product is NULL. Not zeroed when `nno_new_raw`. */
void *nno_new_array(const nno_alloc *a, size_t count, size_t size) NNO_MUST_USE;
void *nno_new_raw(const nno_alloc *a, size_t size) NNO_MUST_USE;
/* A copy of `n` bytes of text and a NUL. */
char *nno_new_text(const nno_alloc *a, const char *text, size_t n) NNO_MUST_USE;
/* Grows (or shrinks) to `size`, keeping min(old, new) bytes; NULL leaves the old block valid. `ptr` may be NULL. */
void *nno_grow(const nno_alloc *a, void *ptr, size_t size) NNO_MUST_USE;
/* NULL is allowed. */
void nno_delete(const nno_alloc *a, void *ptr);

/* The same as zlib calls them: its `opaque` points to the nno_alloc. */
void *nno_z_alloc(void *alloc, unsigned count, unsigned size);
void nno_z_free(void *alloc, void *ptr);

#endif
