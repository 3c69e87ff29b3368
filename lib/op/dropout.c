/* dropout.c - the mask is a function of (seed, training step, layer, element), so backward computes it again instead of
 * reading it. Elements count through the whole batch in memory order. */
#include "base/rng.h"
#include "op/parallel.h"

#include <string.h>

static bool book(nno_op *op, int slots)
{
	(void)op;
	(void)slots;
	return true;
}

typedef struct drop_job {
	const value_kernels *kernels;
	elem *dst;
	const elem *src;
	int64_t count;
	nno_rng stream;
	uint32_t threshold;
	float scale;
} drop_job;

static void drop_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const drop_job *j = user;
	int64_t at = index * NNO_CHUNK;
	uint32_t upper[3] = { (uint32_t)((uint64_t)(at / 4) >> 32), j->stream.counter[2], j->stream.counter[3] };
	j->kernels->dropout(j->dst + at, j->src + at, nno_chunk_length(j->count, index), j->stream.key,
			    (uint32_t)(at / 4), upper, j->threshold, j->scale);
}

static void drop(const nno_op *op, nno_run *run, elem *dst, const elem *src)
{
	const nno_dropout_attr *a = op->attr;
	drop_job j = { .kernels = kernels_of(run),
		       .dst = dst,
		       .src = src,
		       .count = run->n * nno_shape_count(op->out),
		       .threshold = (uint32_t)((double)a->p * 0x1p32),
		       .scale = 1.0f / (1.0f - a->p) };
	nno_rng_start(&j.stream, run->seed, NNO_RNG_DROPOUT, run->step, (uint64_t)op->id);
	nno_parallel_for(run->pool, nno_chunks(j.count), drop_chunk, &j);
}

static void forward(const nno_op *op, nno_run *run)
{
	if (run->training)
		drop(op, run, run->dst, run->src[0]);
	else if (run->dst != run->src[0])
		memcpy(run->dst, run->src[0], (size_t)(run->n * nno_shape_count(op->out)) * sizeof(elem));
}

static void backward(const nno_op *op, nno_run *run)
{
	if (run->dsrc[0] != NULL && run->training)
		drop(op, run, run->dsrc[0], run->ddst);
	else if (run->dsrc[0] != NULL && run->dsrc[0] != run->ddst)
		memcpy(run->dsrc[0], run->ddst, (size_t)(run->n * nno_shape_count(op->out)) * sizeof(elem));
}

NNO_OP_CODE(dropout) = { .book = book, .forward = forward, .backward = backward };
