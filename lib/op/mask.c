/* mask.c - the backward of a ReLU that an op applied to its result. */
#include "op/parallel.h"

typedef struct mask_job {
	const nno_run *run;
	int64_t count;
} mask_job;

static void mask_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const mask_job *j = user;
	int64_t at = index * NNO_CHUNK;
	kernels_of(j->run)->mask_positive(ddst_of(j->run) + at, dst_of(j->run) + at, nno_chunk_length(j->count, index));
}

void NNO_OF(nno_mask_relu)(const nno_op *op, nno_run *run)
{
	mask_job j = { run, run->n * nno_shape_count(op->out) };
	nno_parallel_for(run->pool, nno_chunks(j.count), mask_chunk, &j);
}
