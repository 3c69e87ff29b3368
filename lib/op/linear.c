/* linear.c - y = x W + b with W stored (in, out). Tasks are blocks of W: of its columns forward, of its rows backward,
 * so that each reads its part of W once and writes a part of the result that no other does. */
#include "op/op.h"

#include "base/size.h"
#include "blas/blas.h"
#include "op/parallel.h"

#include <string.h>

#define BLOCK 64     /* rows or columns of W of a task */
#define STRETCH 128  /* of the reduction forward: its part of W stays in cache while the batch passes over it */
#define FEW 4        /* samples for which reading W is all the work */
#define SLICES 16    /* W is then cut along its rows, */
#define SLICE_ROWS 8 /* and read so many whole rows at a time, as it lies in memory */
#define BLAS_MACS ((int64_t)1 << 22)

typedef struct linear_job {
	const nno_op *op;
	nno_run *run;
	float *scratch;    /* two batch x BLOCK a slot */
	float *transposed; /* backward: the result's gradient, (out, batch) */
} linear_job;

static bool book(nno_op *op, int slots)
{
	size_t block, gradient;
	if (!nno_size_mul((size_t)op->out.c, SLICES * FEW * sizeof(float), &op->forward_workspace))
		return false;
	if (!nno_size_mul((size_t)op->batch, BLOCK * sizeof(float) * 2, &block) ||
	    !nno_size_mul(block, (size_t)slots, &block) ||
	    !nno_size_mul((size_t)op->batch, (size_t)op->out.c, &gradient) ||
	    !nno_size_mul(gradient, sizeof(float), &gradient) ||
	    !nno_size_add(block, gradient, &op->backward_workspace))
		return false;
	return nno_i64_mul(op->in[0].c, op->out.c, &op->macs);
}

static void forward_block(void *user, int64_t index, int slot)
{
	(void)slot;
	const linear_job *j = user;
	const nno_linear_attr *attr = j->op->attr;
	const nno_run *run = j->run;
	int64_t in = j->op->in[0].c, out = j->op->out.c;
	int64_t column = index * BLOCK, n = nno_i64_min(BLOCK, out - column);
	for (int64_t i = 0; attr->bias && i < run->n; i++)
		memcpy(run->dst + i * out + column, run->param[1] + column, (size_t)n * sizeof(float));
	for (int64_t k = 0; k < in; k += STRETCH)
		run->kernels->gemm_f32(run->n, n, nno_i64_min(STRETCH, in - k), run->src[0] + k, in,
				       run->param[0] + k * out + column, out, run->dst + column, out,
				       k > 0 || attr->bias ? NNO_GEMM_ADD : 0);
	for (int64_t i = 0; attr->activation == NNO_ACT_RELU && i < run->n; i++)
		run->kernels->relu_f32(run->dst + i * out + column, run->dst + i * out + column, 0.0f, n);
}

static void slice_task(void *user, int64_t index, int slot)
{
	(void)slot;
	const linear_job *j = user;
	const nno_run *run = j->run;
	int64_t in = j->op->in[0].c, out = j->op->out.c, rows = nno_i64_ceil_div(in, SLICES);
	int64_t first = index * rows, end = nno_i64_min(first + rows, in);
	float *sum = j->scratch + index * FEW * out;
	for (int64_t k = first; k < end; k += SLICE_ROWS)
		run->kernels->gemm_f32(run->n, out, nno_i64_min(SLICE_ROWS, end - k), run->src[0] + k, in,
				       run->param[0] + k * out, out, sum, out, k > first ? NNO_GEMM_ADD : 0);
}

static void forward_few(linear_job *j)
{
	const nno_linear_attr *attr = j->op->attr;
	const nno_run *run = j->run;
	int64_t out = j->op->out.c;
	int64_t slices = nno_i64_ceil_div(j->op->in[0].c, nno_i64_ceil_div(j->op->in[0].c, SLICES));
	nno_parallel_for(run->pool, slices, slice_task, j);
	for (int64_t i = 0; i < run->n; i++) {
		float *y = run->dst + i * out;
		memcpy(y, j->scratch + i * out, (size_t)out * sizeof(float));
		for (int64_t s = 1; s < slices; s++)
			run->kernels->accumulate_f32(y, j->scratch + (s * FEW + i) * out, out);
		if (attr->bias)
			run->kernels->accumulate_f32(y, run->param[1], out);
		if (attr->activation == NNO_ACT_RELU)
			run->kernels->relu_f32(y, y, 0.0f, out);
	}
}

/* Where equal bits at any thread count are not asked for, BLAS serves products that are worth waking its threads. */
static bool use_blas(const nno_op *op, const nno_run *run)
{
	return !run->deterministic && run->n * op->macs >= BLAS_MACS;
}

static void blas_forward(const nno_op *op, nno_run *run)
{
	const nno_linear_attr *attr = op->attr;
	int64_t in = op->in[0].c, out = op->out.c;
	for (int64_t i = 0; attr->bias && i < run->n; i++)
		memcpy(run->dst + i * out, run->param[1], (size_t)out * sizeof(float));
	nno_blas_sgemm(0, 0, run->n, out, in, run->src[0], in, run->param[0], out, attr->bias ? 1.0f : 0.0f, run->dst,
		       out);
	if (attr->activation == NNO_ACT_RELU)
		run->kernels->relu_f32(run->dst, run->dst, 0.0f, run->n * out);
}

static void forward(const nno_op *op, nno_run *run)
{
	if (use_blas(op, run)) {
		blas_forward(op, run);
		return;
	}
	linear_job j = { .op = op, .run = run, .scratch = run->workspace };
	if (run->n <= FEW && op->in[0].c >= SLICES * SLICE_ROWS)
		forward_few(&j);
	else
		nno_parallel_for(run->pool, nno_i64_ceil_div(op->out.c, BLOCK), forward_block, &j);
}

static void transpose_block(void *user, int64_t index, int slot)
{
	(void)slot;
	const linear_job *j = user;
	int64_t out = j->op->out.c, n = j->run->n, column = index * BLOCK;
	j->run->kernels->transpose_f32(j->transposed + column * n, n, j->run->ddst + column, out, n,
				       nno_i64_min(BLOCK, out - column));
}

/* dx' = W dy': W's rows are read as they lie, and only the block of the result is turned. */
static void data_block(void *user, int64_t index, int slot)
{
	const linear_job *j = user;
	nno_run *run = j->run;
	int64_t in = j->op->in[0].c, out = j->op->out.c, n = run->n;
	int64_t row = index * BLOCK, m = nno_i64_min(BLOCK, in - row);
	float *product = j->scratch + (int64_t)slot * 2 * BLOCK * j->op->batch, *turned = product + m * n;
	run->kernels->gemm_f32(m, n, out, run->param[0] + row * out, out, j->transposed, n, product, n, 0);
	if (!run->dsrc_add[0]) {
		run->kernels->transpose_f32(run->dsrc[0] + row, in, product, n, m, n);
		return;
	}
	run->kernels->transpose_f32(turned, m, product, n, m, n);
	for (int64_t i = 0; i < n; i++)
		run->kernels->accumulate_f32(run->dsrc[0] + i * in + row, turned + i * m, m);
}

/* The block's columns of x are copied together: their distance may be a power of two, and then one cache set theirs. */
static void weight_block(void *user, int64_t index, int slot)
{
	const linear_job *j = user;
	nno_run *run = j->run;
	int64_t in = j->op->in[0].c, out = j->op->out.c, zero = 0;
	int64_t row = index * BLOCK, m = nno_i64_min(BLOCK, in - row);
	float *x = j->scratch + (int64_t)slot * 2 * BLOCK * j->op->batch;
	for (int64_t i = 0; i < run->n; i++)
		memcpy(x + i * m, run->src[0] + i * in + row, (size_t)m * sizeof(float));
	run->kernels->gemm_columns_f32(m, out, run->n, 1, x, &zero, m, run->ddst, &zero, out,
				       run->dparam[0] + row * out, out, run->dparam_add ? NNO_GEMM_ADD : 0);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_linear_attr *attr = op->attr;
	int64_t in = op->in[0].c, out = op->out.c;
	if (attr->activation == NNO_ACT_RELU)
		nno_mask_relu(op, run);
	bool blas = use_blas(op, run);
	linear_job j = { .op = op, .run = run, .scratch = run->workspace };
	j.transposed = j.scratch + (int64_t)nno_pool_slots(run->pool) * 2 * BLOCK * op->batch;
	if (run->dparam[0] != NULL && blas)
		nno_blas_sgemm(1, 0, in, out, run->n, run->src[0], in, run->ddst, out, run->dparam_add ? 1.0f : 0.0f,
			       run->dparam[0], out);
	else if (run->dparam[0] != NULL)
		nno_parallel_for(run->pool, nno_i64_ceil_div(in, BLOCK), weight_block, &j);
	if (attr->bias && run->dparam[1] != NULL) {
		if (!run->dparam_add)
			memset(run->dparam[1], 0, (size_t)out * sizeof(float));
		run->kernels->column_sums_f32(run->dparam[1], run->ddst, run->n, out);
	}
	if (run->dsrc[0] != NULL && blas)
		nno_blas_sgemm(0, 1, run->n, in, out, run->ddst, out, run->param[0], out,
			       run->dsrc_add[0] ? 1.0f : 0.0f, run->dsrc[0], in);
	else if (run->dsrc[0] != NULL) {
		nno_parallel_for(run->pool, nno_i64_ceil_div(out, BLOCK), transpose_block, &j);
		nno_parallel_for(run->pool, nno_i64_ceil_div(in, BLOCK), data_block, &j);
	}
}

const nno_op_class nno_op_linear = {
	.name = "linear",
	.attr_size = sizeof(nno_linear_attr),
	.needs_src = true,
	.can_add = true,
	.book = book,
	.forward = forward,
	.backward = backward,
};
