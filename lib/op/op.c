/* op.c - what all ops share. */
#include "op/op.h"

#include "op/parallel.h"

bool nno_op_is_conv(const nno_op *op)
{
	return op->cls == &nno_op_conv || op->cls == &nno_op_conv_winograd || op->cls == &nno_op_conv_images;
}

/* The activation whose gradient is read off the result. */
static nno_activation masked_activation(const nno_op *op)
{
	if (nno_op_is_conv(op))
		return ((const nno_conv_attr *)op->attr)->activation;
	if (op->cls == &nno_op_linear)
		return ((const nno_linear_attr *)op->attr)->activation;
	/* Without a skip the mask is had from the source. */
	if (op->cls == &nno_op_batch_norm && op->n_in == 2)
		return ((const nno_norm_attr *)op->attr)->activation;
	return NNO_ACT_NONE;
}

bool nno_op_needs_src(const nno_op *op, int input)
{
	return op->cls->needs_src && !(op->cls == &nno_op_batch_norm && input == 1);
}

bool nno_op_needs_dst(const nno_op *op) { return op->cls->needs_dst || masked_activation(op) != NNO_ACT_NONE; }

typedef struct mask_job {
	const nno_kernels *kernels;
	float *gradient;
	const float *y;
	int64_t count;
} mask_job;

static void mask_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const mask_job *j = user;
	j->kernels->mask_positive_f32(j->gradient + index * NNO_CHUNK, j->y + index * NNO_CHUNK,
				      nno_chunk_length(j->count, index));
}

void nno_mask_relu(const nno_op *op, nno_run *run)
{
	mask_job j = { run->kernels, run->ddst, run->dst, run->n * nno_shape_count(op->out) };
	nno_parallel_for(run->pool, nno_chunks(j.count), mask_chunk, &j);
}
