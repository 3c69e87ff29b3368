/* linear_pairs.c - y = x W + b on bf16 values, for CPUs with dot products of their pairs: as linear.c, with the parts
 * of W rounded to bf16 in cache by the task that reads them. */
#define NNO_TYPE bf16
#define NNO_TYPE_BF16
#include "op/late_rows.h"
#include "op/parallel.h"

#include "base/size.h"

#include <string.h>

enum { BLOCK = NNO_LATE_ROWS, STRETCH = 256 };

typedef struct pairs_job {
	const nno_op *op;
	nno_run *run;
	int64_t in, out, n;
	float *turned;           /* the result's gradient, (out, n) */
	elem *gradient, *across; /* its pairs of samples, and of features */
	nno_late late;
} pairs_job;

/* Of a slot: sums and the turned ones, (batch, BLOCK) both; then parts of W or of the source in bf16. */
static bool slot_bytes(const nno_op *op, size_t *bytes)
{
	int64_t part = nno_i64_max(nno_i64_max(STRETCH, op->out.c), op->batch + 1) * BLOCK, sums;
	if (!nno_i64_mul(op->batch, 2 * BLOCK, &sums) || sums > INT64_MAX / 64)
		return false;
	*bytes = nno_size_round_up((size_t)sums * sizeof(float) + (size_t)part * sizeof(elem), NNO_ALIGNMENT);
	return true;
}

static size_t gradient_elements(const nno_op *op) { return (size_t)((op->batch + 1) * op->out.c); }

static bool book(nno_op *op, int slots)
{
	size_t slot, shared;
	if (!nno_i64_mul(op->in[0].c, op->out.c, &op->macs) || !slot_bytes(op, &slot) ||
	    !nno_size_mul(slot, (size_t)slots, &op->forward_workspace) ||
	    !nno_size_mul(gradient_elements(op), sizeof(float) + 2 * sizeof(elem), &shared))
		return false;
	return nno_size_add(op->forward_workspace, shared, &op->backward_workspace) &&
	       (!op->late || nno_late_book(op, slots));
}

static pairs_job start_job(const nno_op *op, nno_run *run)
{
	size_t slot = 0;
	(void)slot_bytes(op, &slot);
	pairs_job j = { .op = op, .run = run, .in = op->in[0].c, .out = op->out.c, .n = run->n };
	j.turned = (float *)(void *)((char *)run->workspace + (size_t)nno_pool_slots(run->pool) * slot);
	j.gradient = (elem *)(void *)(j.turned + gradient_elements(op));
	j.across = j.gradient + gradient_elements(op);
	j.late = nno_late_start(op, run);
	return j;
}

static float *sums_of(const pairs_job *j, int slot)
{
	size_t bytes = 0;
	(void)slot_bytes(j->op, &bytes);
	return (float *)(void *)((char *)j->run->workspace + (size_t)slot * bytes);
}

static elem *part_of(const pairs_job *j, float *sums) { return (elem *)(void *)(sums + j->op->batch * 2 * BLOCK); }

static void forward_block(void *user, int64_t index, int slot)
{
	const pairs_job *j = user;
	const nno_linear_attr *a = j->op->attr;
	const nno_kernels *k = j->run->kernels;
	float *sum = sums_of(j, slot);
	elem *part = part_of(j, sum);
	int64_t column = index * BLOCK, m = nno_i64_min(BLOCK, j->out - column);
	for (int64_t row = 0; row < j->in; row += STRETCH) {
		int64_t rows = nno_i64_min(STRETCH, j->in - row);
		k->pairs->zip(part, j->run->param[0] + row * j->out + column, j->out, rows, m);
		k->pairs->gemm(j->n, m, rows / 2, src_of(j->run, 0) + row, j->in, 2, part, 2 * m, sum, m,
			       row > 0 ? NNO_GEMM_ADD : 0);
	}
	for (int64_t i = 0; i < j->n; i++) {
		float *y = sum + i * m;
		if (a->bias)
			k->f32->add(y, y, j->run->param[1] + column, m);
		if (a->activation == NNO_ACT_RELU)
			k->f32->relu(y, y, 0.0f, m);
		k->bf16->narrow(dst_of(j->run) + i * j->out + column, y, 1.0f, m, 0);
	}
}

static void forward(const nno_op *op, nno_run *run)
{
	pairs_job j = start_job(op, run);
	nno_parallel_for(run->pool, nno_i64_ceil_div(j.out, BLOCK), forward_block, &j);
}

static void weight_block(void *user, int64_t index, int slot)
{
	const pairs_job *j = user;
	const nno_kernels *k = j->run->kernels;
	elem *part = part_of(j, sums_of(j, slot));
	int64_t row = index * j->late.rows, m = nno_i64_min(j->late.rows, j->in - row);
	k->pairs->zip_values(part, src_of(j->run, 0) + row, j->in, j->n, m);
	k->pairs->gemm(m, j->out, nno_i64_ceil_div(j->n, 2), part, 2, 2 * m, j->gradient, 2 * j->out,
		       nno_late_block(j->op, j->run, &j->late, index, slot), j->out,
		       j->run->dparam_add ? NNO_GEMM_ADD : 0);
	nno_late_give(j->op, j->run, &j->late, index, slot);
}

static void weight_blocks(pairs_job *j)
{
	j->run->kernels->pairs->zip_values(j->gradient, j->run->ddst, j->out, j->n, j->out);
	nno_parallel_for(j->run->pool, nno_i64_ceil_div(j->in, j->late.rows), weight_block, j);
}

static void weight(const nno_op *op, nno_run *run)
{
	pairs_job j = start_job(op, run);
	weight_blocks(&j);
	nno_late_end(op, run, &j.late);
}

static void data_block(void *user, int64_t index, int slot)
{
	const pairs_job *j = user;
	const nno_kernels *k = j->run->kernels;
	int64_t row = index * BLOCK, m = nno_i64_min(BLOCK, j->in - row);
	float *product = sums_of(j, slot), *turned = product + m * j->n;
	elem *part = part_of(j, product);
	k->bf16->narrow(part, j->run->param[0] + row * j->out, 1.0f, m * j->out, 0);
	k->pairs->gemm(m, j->n, j->out / 2, part, j->out, 2, j->across, 2 * j->n, product, j->n, 0);
	k->f32->transpose(turned, m, product, j->n, m, j->n);
	for (int64_t i = 0; i < j->n; i++)
		k->bf16->narrow(dsrc_of(j->run, 0) + i * j->in + row, turned + i * m, 1.0f, m, j->run->dsrc_add[0]);
}

static void transpose_block(void *user, int64_t index, int slot)
{
	const pairs_job *j = user;
	const nno_kernels *k = j->run->kernels;
	float *wide = sums_of(j, slot);
	int64_t column = index * BLOCK, m = nno_i64_min(BLOCK, j->out - column);
	for (int64_t i = 0; i < j->n; i++)
		k->bf16->widen(wide + i * m, ddst_of(j->run) + i * j->out + column, m);
	k->f32->transpose(j->turned + column * j->n, j->n, wide, m, j->n, m);
	k->pairs->zip(j->across + column * j->n, j->turned + column * j->n, j->n, m, j->n);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_linear_attr *a = op->attr;
	pairs_job j = start_job(op, run);
	if (a->activation == NNO_ACT_RELU)
		NNO_OF(nno_mask_relu)(op, run);
	if (run->dparam[0] != NULL && !run->leave_weight)
		weight_blocks(&j);
	if (a->bias && run->dparam[1] != NULL) {
		if (!run->dparam_add)
			memset(run->dparam[1], 0, (size_t)j.out * sizeof(float));
		run->kernels->bf16->column_sums(run->dparam[1], run->ddst, j.n, j.out);
	}
	if (run->dsrc[0] == NULL)
		return;
	nno_parallel_for(run->pool, nno_i64_ceil_div(j.out, BLOCK), transpose_block, &j);
	nno_parallel_for(run->pool, nno_i64_ceil_div(j.in, BLOCK), data_block, &j);
}

NNO_OP_CODE(linear_pairs) = { .book = book, .forward = forward, .backward = backward, .weight = weight };
