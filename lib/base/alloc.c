/* alloc.c - each block carries its size in a 64-byte header, so that the caller's sized free gets it back. */
#include "base/alloc.h"

#include "base/size.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Blocks of several huge pages ask for them: 4 KiB pages cost a fault each at first use, and misses in the table of
 * addresses ever after. The advice may be refused; nothing depends on it. */
#define HUGE_PAGE ((size_t)2 << 20)

static void *default_alloc(size_t size, size_t alignment, void *user)
{
	(void)user;
	void *ptr = NULL;
	bool huge = size >= 2 * HUGE_PAGE;
	if (posix_memalign(&ptr, huge && alignment < HUGE_PAGE ? HUGE_PAGE : alignment, size) != 0)
		return NULL;
	if (huge)
		(void)madvise(ptr, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
	return ptr;
}

static void default_free(void *ptr, size_t size, void *user)
{
	(void)size;
	(void)user;
	free(ptr);
}

const nno_alloc nno_alloc_default = { default_alloc, default_free, NULL };

static size_t *header(void *ptr) { return (size_t *)(void *)((char *)ptr - NNO_ALIGNMENT); }

void *nno_new_raw(const nno_alloc *a, size_t size)
{
	size_t total;
	if (!nno_size_add(size, NNO_ALIGNMENT, &total))
		return NULL;
	char *block = a->alloc(total, NNO_ALIGNMENT, a->user);
	if (block == NULL)
		return NULL;
	void *ptr = block + NNO_ALIGNMENT;
	*header(ptr) = size;
	return ptr;
}

void *nno_new(const nno_alloc *a, size_t size)
{
	void *ptr = nno_new_raw(a, size);
	if (ptr != NULL)
		memset(ptr, 0, size);
	return ptr;
}

void *nno_new_array(const nno_alloc *a, size_t count, size_t size)
{
	size_t total;
	return nno_size_mul(count, size, &total) ? nno_new(a, total) : NULL;
}

char *nno_new_text(const nno_alloc *a, const char *text, size_t n)
{
	char *copy = nno_new_raw(a, n + 1);
	if (copy != NULL) {
		memcpy(copy, text, n);
		copy[n] = '\0';
	}
	return copy;
}

void *nno_grow(const nno_alloc *a, void *ptr, size_t size)
{
	void *grown = nno_new_raw(a, size);
	if (grown != NULL && ptr != NULL) {
		size_t old = *header(ptr);
		memcpy(grown, ptr, old < size ? old : size);
		nno_delete(a, ptr);
	}
	return grown;
}

void nno_delete(const nno_alloc *a, void *ptr)
{
	if (ptr != NULL)
		a->free((char *)ptr - NNO_ALIGNMENT, *header(ptr) + NNO_ALIGNMENT, a->user);
}
