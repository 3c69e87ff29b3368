/* parallel.h - loops over flat arrays in chunks whose size never depends on the thread count. */
#ifndef NNO_OP_PARALLEL_H
#define NNO_OP_PARALLEL_H

#include "op/op.h"
#ifdef NNO_TYPE
#include "op/element.h"
#endif

#define NNO_CHUNK 16384

#ifdef NNO_TYPE
/* For results of `count` values: NNO_STREAM where no cache would keep them until they are read. */
static inline int nno_stream_flag(int64_t count)
{
	return count > (int64_t)(16 << 20) / (int64_t)sizeof(elem) ? NNO_STREAM : 0;
}

/* The clamps of an activation. */
static inline int nno_clamp_flags(nno_activation activation)
{
	static const int flags[] = { [NNO_ACT_RELU] = NNO_GEMM_RELU, [NNO_ACT_RELU6] = NNO_GEMM_RELU | NNO_GEMM_SIX };
	return flags[activation];
}

/* How a convolution finishes its result. */
static inline int nno_conv_flags(const nno_op *op)
{
	return nno_clamp_flags(((const nno_conv_attr *)op->attr)->activation) | (op->n_in == 2 ? NNO_GEMM_ADD : 0);
}

/* ddst = dst <= 0 ? 0 : ddst over the whole batch: the backward of a ReLU fused into an op. */
void NNO_OF(nno_mask_relu)(const nno_op *op, nno_run *run);

/* `count` values of the batch widened into `room`; where they are floats already, they themselves. */
const float *NNO_OF(nno_widen_all)(const nno_run *run, float *room, const elem *src, int64_t count);
#endif

static inline int64_t nno_chunks(int64_t count) { return (count + NNO_CHUNK - 1) / NNO_CHUNK; }

static inline int64_t nno_chunk_length(int64_t count, int64_t index)
{
	int64_t left = count - index * NNO_CHUNK;
	return left < NNO_CHUNK ? left : NNO_CHUNK;
}

/* dst[0..count) (+)= the sum of `partials` arrays, `stride` floats apart, in their order. dst NULL: nothing. */
void nno_sum_partials(const nno_run *run, float *dst, const float *src, int64_t partials, int64_t stride,
		      int64_t count);

#endif
