/* cache.c - decoded pictures within a budget. Entries are written once and never moved or dropped, so a found picture
 * is read without a lock; which ones are kept changes the time of an epoch, never its batches. */
#include "data/loader.h"

#include <stdatomic.h>
#include <string.h>

typedef struct entry {
	int64_t h, w, label;
	int c;
	uint8_t pixels[];
} entry;

struct nno_cache {
	const nno_alloc *alloc;
	atomic_uint_least64_t left; /* of the budget, in bytes */
	int64_t count;
	_Atomic(entry *) entries[];
};

nnopt_status nno_cache_create(nno_cache **out, const nno_alloc *alloc, int64_t count, uint64_t budget)
{
	size_t bytes = sizeof(nno_cache) + (size_t)count * sizeof(_Atomic(entry *));
	if (budget <= bytes)
		return NNOPT_OK;
	nno_cache *cache = nno_new(alloc, bytes);
	if (cache == NULL)
		return nno_fail_memory("loader cache", bytes);
	cache->alloc = alloc;
	cache->count = count;
	atomic_init(&cache->left, budget - bytes);
	*out = cache;
	return NNOPT_OK;
}

void nno_cache_destroy(nno_cache *cache)
{
	if (cache == NULL)
		return;
	for (int64_t i = 0; i < cache->count; i++)
		nno_delete(cache->alloc, atomic_load(&cache->entries[i]));
	nno_delete(cache->alloc, cache);
}

bool nno_cache_find(const nno_cache *cache, int64_t index, nno_picture *picture, int64_t *label)
{
	entry *e = atomic_load_explicit(&cache->entries[index], memory_order_acquire);
	if (e == NULL)
		return false;
	*picture = (nno_picture){ .pixels = e->pixels, .h = e->h, .w = e->w, .c = e->c };
	*label = e->label;
	return true;
}

void nno_cache_add(nno_cache *cache, int64_t index, const nno_picture *picture, int64_t label)
{
	size_t pixels = (size_t)(picture->h * picture->w * picture->c), bytes = sizeof(entry) + pixels;
	uint64_t left = atomic_load(&cache->left);
	do {
		if (left < bytes)
			return;
	} while (!atomic_compare_exchange_weak(&cache->left, &left, left - bytes));
	entry *e = nno_new_raw(cache->alloc, bytes), *none = NULL;
	if (e == NULL) { /* the cache is a help, not a need */
		atomic_fetch_add(&cache->left, bytes);
		return;
	}
	*e = (entry){ .h = picture->h, .w = picture->w, .label = label, .c = picture->c };
	memcpy(e->pixels, picture->pixels, pixels);
	/* Another worker may have decoded the same sample for an epoch restarted at once. */
	if (!atomic_compare_exchange_strong_explicit(&cache->entries[index], &none, e, memory_order_release,
						     memory_order_relaxed)) {
		nno_delete(cache->alloc, e);
		atomic_fetch_add(&cache->left, bytes);
	}
}
