/* values.c - whole arrays of values: to floats, from floats, and added. */
#include "op/parallel.h"

typedef struct values_job {
	const nno_kernels *kernels;
	void *dst;
	const void *src;
	float factor;
	int64_t count;
} values_job;

static void widen_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const values_job *j = user;
	int64_t at = index * NNO_CHUNK;
	j->kernels->NNO_TYPE->widen((float *)j->dst + at, (const elem *)j->src + at, nno_chunk_length(j->count, index));
}

static void narrow_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const values_job *j = user;
	int64_t at = index * NNO_CHUNK;
	j->kernels->NNO_TYPE->narrow((elem *)j->dst + at, (const float *)j->src + at, j->factor,
				     nno_chunk_length(j->count, index), 0);
}

static void add_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const values_job *j = user;
	int64_t at = index * NNO_CHUNK;
	elem *dst = (elem *)j->dst + at;
	j->kernels->NNO_TYPE->add(dst, dst, (const elem *)j->src + at, nno_chunk_length(j->count, index));
}

static void widen(const nno_kernels *kernels, nno_pool *pool, float *dst, const void *src, int64_t count)
{
	values_job j = { kernels, dst, src, 1.0f, count };
	nno_parallel_for(pool, nno_chunks(count), widen_chunk, &j);
}

static void narrow(const nno_kernels *kernels, nno_pool *pool, void *dst, const float *src, float factor, int64_t count)
{
	values_job j = { kernels, dst, src, factor, count };
	nno_parallel_for(pool, nno_chunks(count), narrow_chunk, &j);
}

static void add(const nno_kernels *kernels, nno_pool *pool, void *dst, const void *src, int64_t count)
{
	values_job j = { kernels, dst, src, 1.0f, count };
	nno_parallel_for(pool, nno_chunks(count), add_chunk, &j);
}

extern const nno_values NNO_OF(nno_values);
const nno_values NNO_OF(nno_values) = { widen, narrow, add };

const float *NNO_OF(nno_widen_all)(const nno_run *run, float *room, const elem *src, int64_t count)
{
	if (!NNO_WIDENS)
		return nno_as_floats(run, room, src, count);
	widen(run->kernels, run->pool, room, src, count);
	return room;
}
