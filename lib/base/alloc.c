/* alloc.c - each block carries its size in a 64-byte header, so that the caller's sized free gets it back. */
#include "base/alloc.h"

#include "base/size.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Blocks of several huge pages ask for them: 4 KiB pages cost a fault each at first use, and misses in the table of
 * addresses ever after. The advice may be refused; nothing depends on it. Such a block begins at a huge page inside one
 * of the C library's, whose address stands before it; its end takes a whole huge page too when it fills a quarter of
 * one, because small pages would cost more by then. */
static bool is_huge(size_t size) { return size >= 2 * NNO_HUGE_PAGE; }

static void **outer(void *ptr) { return (void **)ptr - 1; }

static void *huge_alloc(size_t size, bool zeroed)
{
	size_t whole = (size + NNO_HUGE_PAGE / 4 * 3) / NNO_HUGE_PAGE * NNO_HUGE_PAGE, total;
	if (!nno_size_add(size > whole ? size : whole, NNO_HUGE_PAGE + sizeof(void *), &total))
		return NULL;
	char *block = zeroed ? calloc(1, total) : malloc(total);
	if (block == NULL)
		return NULL;
	size_t begin = nno_size_round_up((size_t)(uintptr_t)block + sizeof(void *), NNO_HUGE_PAGE);
	char *ptr = block + (begin - (size_t)(uintptr_t)block);
	*outer(ptr) = block;
	(void)madvise(ptr, whole, MADV_HUGEPAGE);
	return ptr;
}

static void *default_alloc(size_t size, size_t alignment, void *user)
{
	(void)user;
	assert(alignment <= NNO_HUGE_PAGE);
	if (is_huge(size))
		return huge_alloc(size, false);
	void *ptr = NULL;
	return posix_memalign(&ptr, alignment, size) == 0 ? ptr : NULL;
}

/* Memory fresh from the system is zero already: calloc() knows, and nobody touches it before its first use. */
static void *default_zeroed(size_t size, size_t alignment, void *user)
{
	if (is_huge(size))
		return huge_alloc(size, true);
	void *ptr = default_alloc(size, alignment, user);
	return ptr != NULL ? memset(ptr, 0, size) : NULL;
}

static void default_free(void *ptr, size_t size, void *user)
{
	(void)user;
	free(is_huge(size) ? *outer(ptr) : ptr);
}

const nno_alloc nno_alloc_default = { default_alloc, default_free, NULL, default_zeroed };

static size_t *header(void *ptr) { return (size_t *)(void *)((char *)ptr - NNO_ALIGNMENT); }

static void *new_block(const nno_alloc *a, void *(*from)(size_t size, size_t alignment, void *user), size_t size)
{
	size_t total;
	if (!nno_size_add(size, NNO_ALIGNMENT, &total))
		return NULL;
	char *block = from(total, NNO_ALIGNMENT, a->user);
	if (block == NULL)
		return NULL;
	void *ptr = block + NNO_ALIGNMENT;
	*header(ptr) = size;
	return ptr;
}

void *nno_new_raw(const nno_alloc *a, size_t size) { return new_block(a, a->alloc, size); }

void *nno_new(const nno_alloc *a, size_t size)
{
	if (a->zeroed != NULL)
		return new_block(a, a->zeroed, size);
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

void *nno_z_alloc(void *alloc, unsigned count, unsigned size) { return nno_new_array(alloc, count, size); }

void nno_z_free(void *alloc, void *ptr) { nno_delete(alloc, ptr); }
