/* widen.c - values as floats, for ops that multiply more of them than a task's scratch holds. */
#include "op/parallel.h"

typedef struct widen_job {
	const nno_run *run;
	float *room;
	const elem *src;
	int64_t count;
} widen_job;

static void widen_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const widen_job *j = user;
	int64_t at = index * NNO_CHUNK;
	(void)nno_as_floats(j->run, j->room + at, j->src + at, nno_chunk_length(j->count, index));
}

const float *NNO_OF(nno_widen_all)(const nno_run *run, float *room, const elem *src, int64_t count)
{
	if (!NNO_WIDENS)
		return nno_as_floats(run, room, src, count);
	widen_job j = { run, room, src, count };
	nno_parallel_for(run->pool, nno_chunks(count), widen_chunk, &j);
	return room;
}
