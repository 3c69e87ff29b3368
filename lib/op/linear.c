/* linear.c - y = x W + b with W stored (in, out). Output columns are cut into blocks, a task each, and the reduction
 * into stretches whose part of W stays in the first-level cache while all rows of the batch pass over it. */
#include "op/op.h"

#include "base/size.h"
#include "blas/blas.h"
#include "op/parallel.h"

#include <string.h>

#define COLUMNS 64  /* of a task */
#define STRETCH 128 /* of the reduction */
#define BLAS_MACS ((int64_t)1 << 22)

typedef struct linear_job {
	const nno_op *op;
	nno_run *run;
	const float **a; /* a row pointer a sample */
	float **c;       /* likewise */
	float *scratch;  /* a STRETCH x COLUMNS block a slot */
} linear_job;

static size_t pointers_bytes(const nno_op *op)
{
	return nno_size_round_up((size_t)op->batch * sizeof(float *), NNO_ALIGNMENT);
}

static bool book(nno_op *op, int slots)
{
	size_t pointers = 2 * pointers_bytes(op);
	size_t blocks = (size_t)slots * STRETCH * COLUMNS * sizeof(float);
	op->forward_workspace = pointers;
	op->backward_workspace = pointers + blocks;
	return nno_i64_mul(op->in[0].c, op->out.c, &op->macs);
}

static linear_job start_job(const nno_op *op, nno_run *run, const float *a, int64_t a_width, float *c, int64_t c_width)
{
	linear_job j = { .op = op, .run = run };
	char *w = run->workspace;
	j.a = (const float **)(void *)w;
	j.c = (float **)(void *)(w + pointers_bytes(op));
	j.scratch = (float *)(void *)(w + 2 * pointers_bytes(op));
	for (int64_t i = 0; i < run->n; i++) {
		j.a[i] = a + i * a_width;
		j.c[i] = c != NULL ? c + i * c_width : NULL;
	}
	return j;
}

static void forward_block(void *user, int64_t index, int slot)
{
	(void)slot;
	const linear_job *j = user;
	const nno_linear_attr *attr = j->op->attr;
	int64_t in = j->op->in[0].c, out = j->op->out.c;
	int64_t column = index * COLUMNS, n = nno_i64_min(COLUMNS, out - column);
	for (int64_t k = 0; k < in; k += STRETCH) {
		int64_t length = nno_i64_min(STRETCH, in - k);
		bool first = k == 0, last = k + length == in;
		int64_t b_off = k * out + column;
		int flags = (first ? 0 : NNO_GEMM_ADD) | (last && attr->activation == NNO_ACT_RELU ? NNO_GEMM_RELU : 0);
		j->run->kernels->gemm_rows_f32(j->run->n, n, length, 1, j->a, &k, j->run->param[0], &b_off, out, j->c,
					       column, first && attr->bias ? j->run->param[1] + column : NULL, flags);
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
	linear_job j = start_job(op, run, run->src[0], op->in[0].c, run->dst, op->out.c);
	nno_parallel_for(run->pool, nno_i64_ceil_div(op->out.c, COLUMNS), forward_block, &j);
}

/* dx block = dy W^T: the block's rows of W are transposed a stretch at a time into the slot's scratch. */
static void data_block(void *user, int64_t index, int slot)
{
	const linear_job *j = user;
	int64_t in = j->op->in[0].c, out = j->op->out.c;
	int64_t column = index * COLUMNS, n = nno_i64_min(COLUMNS, in - column);
	float *block = j->scratch + (int64_t)slot * STRETCH * COLUMNS;
	int64_t zero = 0;
	for (int64_t k = 0; k < out; k += STRETCH) {
		int64_t length = nno_i64_min(STRETCH, out - k);
		for (int64_t i = 0; i < n; i++) {
			const float *row = j->run->param[0] + (column + i) * out + k;
			for (int64_t o = 0; o < length; o++)
				block[o * COLUMNS + i] = row[o];
		}
		int flags = k > 0 || j->run->dsrc_add[0] ? NNO_GEMM_ADD : 0;
		j->run->kernels->gemm_rows_f32(j->run->n, n, length, 1, j->a, &k, block, &zero, COLUMNS, j->c, column,
					       NULL, flags);
	}
}

static void weight_block(void *user, int64_t index, int slot)
{
	(void)slot;
	const linear_job *j = user;
	nno_run *run = j->run;
	int64_t in = j->op->in[0].c, out = j->op->out.c;
	int64_t row = index * COLUMNS, m = nno_i64_min(COLUMNS, in - row);
	int64_t zero = 0;
	run->kernels->gemm_columns_f32(m, out, run->n, 1, run->src[0] + row, &zero, in, run->ddst, &zero, out,
				       run->dparam[0] + row * out, out, run->dparam_add ? NNO_GEMM_ADD : 0);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_linear_attr *attr = op->attr;
	int64_t in = op->in[0].c, out = op->out.c;
	if (attr->activation == NNO_ACT_RELU)
		nno_mask_relu(op, run);
	bool blas = use_blas(op, run);
	linear_job j = start_job(op, run, run->ddst, out, run->dsrc[0], in);
	if (run->dparam[0] != NULL && blas)
		nno_blas_sgemm(1, 0, in, out, run->n, run->src[0], in, run->ddst, out, run->dparam_add ? 1.0f : 0.0f,
			       run->dparam[0], out);
	else if (run->dparam[0] != NULL)
		nno_parallel_for(run->pool, nno_i64_ceil_div(in, COLUMNS), weight_block, &j);
	if (attr->bias && run->dparam[1] != NULL) {
		if (!run->dparam_add)
			memset(run->dparam[1], 0, (size_t)out * sizeof(float));
		run->kernels->column_sums_f32(run->dparam[1], run->ddst, run->n, out);
	}
	if (run->dsrc[0] != NULL && blas)
		nno_blas_sgemm(0, 1, run->n, in, out, run->ddst, out, run->param[0], out,
			       run->dsrc_add[0] ? 1.0f : 0.0f, run->dsrc[0], in);
	else if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, nno_i64_ceil_div(in, COLUMNS), data_block, &j);
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
