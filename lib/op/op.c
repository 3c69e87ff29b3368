/* op.c - what all ops share. */
#include "op/op.h"

#include "base/size.h"
#include "op/lazy.h"
#include "op/parallel.h"

#include <string.h>

bool nno_op_is_conv(const nno_op *op)
{
	return op->cls == &nno_op_conv || op->cls == &nno_op_conv_winograd || op->cls == &nno_op_conv_images ||
	       op->cls == &nno_op_conv_pointwise || op->cls == &nno_op_conv_pointwise_pairs ||
	       op->cls == &nno_op_conv_depthwise || op->cls == &nno_op_conv_pairs;
}

bool nno_op_is_dropout(const nno_op *op)
{
	return op->cls == &nno_op_dropout || op->cls == &nno_op_dropout2d || op->cls == &nno_op_drop_block ||
	       op->cls == &nno_op_stochastic_depth;
}

/* The activation whose gradient is read off the result. */
static nno_activation masked_activation(const nno_op *op)
{
	if (nno_op_is_conv(op)) {
		const nno_conv_attr *a = op->attr;
		return a->pooled ? NNO_ACT_NONE : a->activation;
	}
	if (op->cls == &nno_op_linear || op->cls == &nno_op_linear_pairs)
		return ((const nno_linear_attr *)op->attr)->activation;
	/* Without a skip the mask is had from the source. */
	if (op->cls == &nno_op_batch_norm && op->n_in == 2)
		return ((const nno_norm_attr *)op->attr)->activation;
	return NNO_ACT_NONE;
}

bool nno_op_pools(const nno_op *op)
{
	const nno_conv_attr *a = op->attr;
	if (!nno_op_is_conv(op) || op->n_in > 1 || a->pooled || a->activation == NNO_ACT_RELU6)
		return false;
	if (op->cls == &nno_op_conv_winograd)
		return nno_winograd_pools(op);
	/* By the source the gradient would be wanted in pieces that overlap. */
	return (op->cls == &nno_op_conv || op->cls == &nno_op_conv_pairs) && !op->wants_dsrc[0];
}

bool nno_op_adds_to_result(const nno_op *op)
{
	bool adds = op->cls == &nno_op_conv || op->cls == &nno_op_conv_winograd || op->cls == &nno_op_conv_images ||
		    op->cls == &nno_op_conv_pointwise;
	return adds && !((const nno_conv_attr *)op->attr)->pooled;
}

bool nno_op_needs_src(const nno_op *op, int input)
{
	bool lent = nno_lends(op->lazy, NNO_LAZY_SUMS) && nno_lends(op->lazy, NNO_LAZY_SLOPE);
	bool fixed = op->cls == &nno_op_weighted_sum && !((const nno_weighted_sum_attr *)op->attr)->learned;
	return op->cls->needs_src && !fixed && !(op->cls == &nno_op_batch_norm && (input == 1 || lent));
}

bool nno_op_needs_dst(const nno_op *op)
{
	return op->cls->needs_dst || masked_activation(op) != NNO_ACT_NONE || nno_lends(op->dst_lazy, NNO_LAZY_SLOPE);
}

#define LATE_WEIGHTS (1 << 18) /* below, all that an update reads is still in cache */

bool nno_op_suits_late(const nno_op *op)
{
	int64_t weights;
	/* In f16 gradients are scaled, and nobody knows yet whether they are good. */
	return op->training && op->wants_dparam && nno_op_code_of(op)->weight != NULL && op->type != NNO_F16 &&
	       op->src_lazy == NULL && nno_i64_mul(op->in[0].c, op->out.c, &weights) && weights >= LATE_WEIGHTS;
}

int nno_norm_param(const nno_norm_attr *a, int which)
{
	int at = which;
	if (!a->scale)
		at--;
	if (!a->bias && which >= 1)
		at--;
	return (which == 0 && !a->scale) || (which == 1 && !a->bias) ? -1 : at;
}

int64_t nno_pool_window_pixels(const nno_op *op)
{
	const nno_pool_attr *a = op->attr;
	nno_shape in = op->in[0], out = op->out;
	if (!a->adaptive)
		return a->kernel_h * a->kernel_w;
	return (in.h / out.h + (in.h % out.h != 0 ? 2 : 0)) * (in.w / out.w + (in.w % out.w != 0 ? 2 : 0));
}

bool nno_pool_halves(const nno_op *op)
{
	const nno_pool_attr *a = op->attr;
	return op->cls == &nno_op_max_pool && !a->adaptive && a->kernel_h == 2 && a->kernel_w == 2 &&
	       a->stride_h == 2 && a->stride_w == 2 && a->pad_h == 0 && a->pad_w == 0 && 2 * op->out.h == op->in[0].h &&
	       2 * op->out.w == op->in[0].w;
}

bool nno_pool_takes_relu(const nno_op *op) { return op->cls == &nno_op_max_pool && nno_pool_window_pixels(op) <= 255; }

typedef struct partials_job {
	const nno_run *run;
	float *dst;
	const float *src;
	int64_t partials, stride, count;
} partials_job;

static void partials_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const partials_job *j = user;
	int64_t at = index * NNO_CHUNK, n = nno_chunk_length(j->count, index);
	if (!j->run->dparam_add)
		memset(j->dst + at, 0, (size_t)n * sizeof(float));
	for (int64_t k = 0; k < j->partials; k++)
		j->run->kernels->f32->add(j->dst + at, j->dst + at, j->src + k * j->stride + at, n);
}

void nno_sum_partials(const nno_run *run, float *dst, const float *src, int64_t partials, int64_t stride, int64_t count)
{
	partials_job j = { run, dst, src, partials, stride, count };
	if (dst != NULL)
		nno_parallel_for(run->pool, nno_chunks(count), partials_chunk, &j);
}
