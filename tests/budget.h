/* budget.h - an allocator for tests: counts what lives, holds a budget, and fails where it is told to. */
#ifndef TESTS_BUDGET_H
#define TESTS_BUDGET_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct budget {
	atomic_size_t live, peak, limit; /* bytes; limit 0: none */
	atomic_long blocks, calls;
	atomic_long fail_at;   /* the allocation of this number fails; 0: none */
	atomic_int fail_after; /* 1: and all that follow */
	atomic_long failures;
} budget;

static inline void *budget_alloc(size_t size, size_t alignment, void *user)
{
	budget *b = user;
	long n = atomic_fetch_add(&b->calls, 1) + 1, at = atomic_load(&b->fail_at);
	if ((at > 0 && (n == at || (n > at && atomic_load(&b->fail_after)))) ||
	    (b->limit > 0 && atomic_load(&b->live) + size > b->limit)) {
		atomic_fetch_add(&b->failures, 1);
		return NULL;
	}
	void *p =
	    aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment + (size == 0 ? alignment : 0));
	if (p != NULL) {
		size_t live = atomic_fetch_add(&b->live, size) + size, peak = atomic_load(&b->peak);
		while (live > peak && !atomic_compare_exchange_weak(&b->peak, &peak, live))
			;
		atomic_fetch_add(&b->blocks, 1);
	}
	return p;
}

static inline void budget_free(void *ptr, size_t size, void *user)
{
	budget *b = user;
	atomic_fetch_sub(&b->live, size);
	atomic_fetch_sub(&b->blocks, 1);
	free(ptr);
}

/* All of it came back, or the program ends here as failed: for the teardown of a group, because cmocka tells that it
 * failed and yet exits with success. */
static inline void budget_came_back(budget *b)
{
	long blocks = atomic_load(&b->blocks);
	if (blocks == 0 && atomic_load(&b->live) == 0)
		return;
	fprintf(stderr, "%ld blocks were not freed\n", blocks);
	exit(EXIT_FAILURE);
}

#endif
