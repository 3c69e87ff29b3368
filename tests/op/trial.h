/* trial.h - one op on its own: buffers of exactly its sizes between guards, poisoned before each run. */
#ifndef TESTS_OP_TRIAL_H
#define TESTS_OP_TRIAL_H

#include "check.h"

#include "op/op.h"

#include <math.h>
#include <stdbool.h>

enum { GUARD = 32, POOLS = 4 };

/* A buffer of n floats with GUARD known ones on both sides. */
typedef struct buffer {
	float *block;
	int64_t n;
} buffer;

static inline float *data_of(const buffer *b) { return b->block + GUARD; }

static inline buffer make_buffer(int64_t n)
{
	buffer b = { malloc(((size_t)n + 2 * GUARD) * sizeof(float)), n };
	assert_non_null(b.block);
	for (int64_t i = 0; i < n + 2 * GUARD; i++)
		b.block[i] = i < GUARD || i >= GUARD + n ? 12345.0f : NAN;
	return b;
}

static inline void free_buffer(buffer *b)
{
	for (int64_t i = 0; i < GUARD; i++)
		if (b->block[i] != 12345.0f || b->block[GUARD + b->n + i] != 12345.0f)
			fail_msg("a guard of a buffer of %d floats was overwritten", (int)b->n);
	free(b->block);
}

/* A random walk of its own: the same configurations every time. */
typedef struct dice {
	uint64_t state;
} dice;

static inline uint32_t roll(dice *d)
{
	d->state = d->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(d->state >> 33);
}

/* In [low, high]. */
static inline int64_t between(dice *d, int64_t low, int64_t high)
{
	return low + (int64_t)(roll(d) % (uint64_t)(high - low + 1));
}

/* Small integers: sums of their products are exact in any order. */
static inline void fill_integers(dice *d, const buffer *b)
{
	for (int64_t i = 0; i < b->n; i++)
		data_of(b)[i] = (float)between(d, -3, 3);
}

static inline void fill_fractions(dice *d, const buffer *b)
{
	for (int64_t i = 0; i < b->n; i++)
		data_of(b)[i] = (float)between(d, -1000000, 1000000) * 1.37e-6f;
}

/* Pools of 1, 2, 3 and 5 threads. */
static inline void make_pools(nno_pool *pools[POOLS], const nno_alloc *alloc)
{
	static const int threads[POOLS] = { 1, 2, 3, 5 };
	for (int i = 0; i < POOLS; i++)
		assert_ok(nno_pool_create(&pools[i], alloc, threads[i], NULL, NULL));
}

/* An op with one input, ready to run with `kernels` on `pool`; buffers are the caller's. */
typedef struct trial {
	nno_op op;
	nno_run run;
	char *saved, *workspace;
	size_t workspace_bytes;
} trial;

static inline void start_trial(trial *t, const nno_kernels *kernels, nno_pool *pool)
{
	assert_true(nno_op_code_of(&t->op)->book(&t->op, nno_pool_slots(pool)));
	t->workspace_bytes =
	    t->op.forward_workspace > t->op.backward_workspace ? t->op.forward_workspace : t->op.backward_workspace;
	t->saved = malloc(t->op.saved_bytes + 1);
	t->workspace = aligned_alloc(64, (t->workspace_bytes + 127) / 64 * 64);
	assert_non_null(t->saved);
	assert_non_null(t->workspace);
	memset(t->saved, 0xff, t->op.saved_bytes);
	t->saved[t->op.saved_bytes] = 0x5a;
	t->workspace[t->workspace_bytes] = 0x5a;
	t->run.kernels = kernels;
	t->run.pool = pool;
	t->run.training = t->op.training;
	t->run.deterministic = 1;
	t->run.saved = t->op.saved_bytes > 0 ? t->saved : NULL;
	t->run.workspace = t->workspace;
}

/* Bytes of 0xff are NaNs and wild offsets: an op that reads what it has not written is found. */
static inline void run_trial(trial *t)
{
	memset(t->workspace, 0xff, t->workspace_bytes);
	nno_op_code_of(&t->op)->forward(&t->op, &t->run);
	if (!t->op.training)
		return;
	memset(t->workspace, 0xff, t->workspace_bytes);
	nno_op_code_of(&t->op)->backward(&t->op, &t->run);
}

static inline void stop_trial(trial *t)
{
	assert_true(t->saved[t->op.saved_bytes] == 0x5a && t->workspace[t->workspace_bytes] == 0x5a);
	free(t->saved);
	free(t->workspace);
}

static nno_pool *pools[POOLS];

static int setup(void **state)
{
	(void)state;
	make_pools(pools, &nno_alloc_default);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < POOLS; i++)
		nno_pool_destroy(pools[i]);
	return 0;
}

#endif
