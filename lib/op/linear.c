/* linear.c - y = x W + b with W stored (in, out). Tasks are blocks of W: of its columns forward, of its rows backward,
 * so that each reads its part of W once and writes a part of the result that no other does. */
#include "base/size.h"
#include "blas/blas.h"
#include "op/late_rows.h"
#include "op/parallel.h"

#include <string.h>

#define BLOCK 64    /* rows or columns of W of a task */
#define PANEL 128   /* of the reduction forward: x and W in such parts stay in cache while the one meets the other */
#define FEW 4       /* samples for which reading W is all the work */
#define SLICES 16   /* W is then cut along its rows, and so is a large W, into STRETCHES, for up to MANY samples: */
#define STRETCHES 8 /* a row is with the same thread then as when it is updated */
#define MANY 128
#define WIDE_BLOCK 256
#define SLICE_ROWS 8     /* few samples: so many whole rows are read at a time, as W lies in memory */
#define ROW_BLOCK 32     /* one sample: so many */
#define ALONE_MACS 65536 /* fewer are done before another thread has come */
#define BLAS_MACS ((int64_t)1 << 22)

typedef struct linear_job {
	const nno_op *op;
	nno_run *run;
	const float *x; /* forward, few samples: the source */
	float *panels;  /* forward, more of them: the source in panels of so many columns, one behind the other */
	float *dy;      /* backward: the result's gradient in strips of its columns, one behind the other */
	float *scratch; /* two batch x BLOCK a slot; forward, where values are widened, one */
	float *turned;  /* backward: the result's gradient, (out, batch), in strips of samples */
	nno_late late;  /* backward: how the gradient of W is cut, and where it goes */
} linear_job;

static bool goes_by_rows(const nno_op *op) { return op->late && op->batch <= MANY; }

/* Forward: sums of slices, or the source as floats and a block of results a slot. Backward: blocks, the gradient
 * turned, and it itself as floats. */
static bool book(nno_op *op, int slots)
{
	size_t batch = (size_t)op->batch, in = (size_t)op->in[0].c, out = (size_t)op->out.c;
	size_t slices, blocks, source, gradient, sums;
	if (!nno_size_mul(out, SLICES * FEW * sizeof(float), &slices) ||
	    !nno_size_mul(batch, BLOCK * sizeof(float) * 2, &blocks) || !nno_size_mul(blocks, (size_t)slots, &blocks) ||
	    !nno_size_mul(batch, in * sizeof(float), &source) || !nno_size_mul(batch, out * sizeof(float), &gradient) ||
	    !nno_size_mul(gradient, goes_by_rows(op) ? STRETCHES : 0, &sums))
		return false;
	sums = sums > slices ? sums : slices;
	source = nno_size_round_up(source, NNO_ALIGNMENT);
	return nno_size_add(source, nno_room(blocks) > sums ? blocks : sums, &op->forward_workspace) &&
	       nno_size_mul(gradient, 2, &gradient) && nno_size_add(blocks, gradient, &op->backward_workspace) &&
	       (!op->late || nno_late_book(op, slots)) && nno_i64_mul(op->in[0].c, op->out.c, &op->macs);
}

/* In x the distance of two samples may be a power of two, and then one cache set theirs. */
static void panel_task(void *user, int64_t index, int slot)
{
	(void)slot;
	const linear_job *j = user;
	int64_t in = j->op->in[0].c, k = index * PANEL, width = nno_i64_min(PANEL, in - k);
	for (int64_t i = 0; i < j->run->n; i++)
		kernels_of(j->run)->widen(j->panels + k * j->run->n + i * width, src_of(j->run, 0) + i * in + k, width);
}

static void forward_block(void *user, int64_t index, int slot)
{
	const linear_job *j = user;
	const nno_linear_attr *attr = j->op->attr;
	const nno_run *run = j->run;
	int64_t in = j->op->in[0].c, out = j->op->out.c;
	int64_t column = index * BLOCK, n = nno_i64_min(BLOCK, out - column);
	/* Sums that are to be rounded stay floats until they are whole. */
	float *sum = NNO_WIDENS ? j->scratch + (int64_t)slot * BLOCK * j->op->batch : (float *)run->dst + column;
	int64_t step = NNO_WIDENS ? n : out;
	for (int64_t k = 0; k < in; k += PANEL) {
		int64_t width = nno_i64_min(PANEL, in - k);
		int flags = k > 0 ? NNO_GEMM_ADD : 0;
		if (k + width < in)
			flags |= NNO_GEMM_NEXT;
		else if (attr->activation == NNO_ACT_RELU)
			flags |= NNO_GEMM_RELU;
		run->kernels->f32->gemm(run->n, n, width, j->panels + k * run->n, width,
					run->param[0] + k * out + column, out, sum, step,
					k == 0 && attr->bias ? run->param[1] + column : NULL, flags);
	}
	for (int64_t i = 0; NNO_WIDENS && i < run->n; i++)
		kernels_of(run)->narrow(dst_of(run) + i * out + column, sum + i * n, 1.0f, n, 0);
}

/* Sample `index`: its sums over parts of W, which lie `stride` apart in the scratch, together, and what follows. */
static void finish_sample(const linear_job *j, int64_t index, int64_t parts, int64_t stride)
{
	const nno_linear_attr *attr = j->op->attr;
	const nno_run *run = j->run;
	const nno_kernels_f32 *f32 = run->kernels->f32;
	int64_t out = j->op->out.c;
	float *y = j->scratch + index * out;
	for (int64_t s = 1; s < parts; s++)
		f32->add(y, y, y + s * stride, out);
	if (attr->bias)
		f32->add(y, y, run->param[1], out);
	if (attr->activation == NNO_ACT_RELU)
		f32->relu(y, y, 0.0f, out);
	kernels_of(run)->narrow(dst_of(run) + index * out, y, 1.0f, out, 0);
}

/* --- a large W: sums over stretches of its rows --- */

static int64_t stretch_rows(const nno_op *op)
{
	int64_t panels = nno_i64_ceil_div(op->in[0].c, PANEL);
	return nno_i64_ceil_div(panels, STRETCHES) * PANEL;
}

static void stretch_task(void *user, int64_t index, int slot)
{
	(void)slot;
	const linear_job *j = user;
	const nno_run *run = j->run;
	int64_t in = j->op->in[0].c, out = j->op->out.c, blocks = nno_i64_ceil_div(out, WIDE_BLOCK);
	int64_t stretch = index / blocks, column = index % blocks * WIDE_BLOCK;
	int64_t from = stretch * stretch_rows(j->op), end = nno_i64_min(from + stretch_rows(j->op), in);
	float *sum = j->scratch + stretch * run->n * out + column;
	for (int64_t k = from; k < end; k += PANEL) {
		int64_t width = nno_i64_min(PANEL, end - k);
		run->kernels->f32->gemm(run->n, nno_i64_min(WIDE_BLOCK, out - column), width, j->panels + k * run->n,
					width, run->param[0] + k * out + column, out, sum, out, NULL,
					k > from ? NNO_GEMM_ADD : 0);
	}
}

static void sample_task(void *user, int64_t index, int slot)
{
	(void)slot;
	const linear_job *j = user;
	int64_t out = j->op->out.c, stretches = nno_i64_ceil_div(j->op->in[0].c, stretch_rows(j->op));
	finish_sample(j, index, stretches, j->run->n * out);
}

static void forward_by_rows(linear_job *j)
{
	const nno_run *run = j->run;
	int64_t stretches = nno_i64_ceil_div(j->op->in[0].c, stretch_rows(j->op));
	nno_parallel_for(run->pool, stretches * nno_i64_ceil_div(j->op->out.c, WIDE_BLOCK), stretch_task, j);
	nno_parallel_for(run->pool, run->n, sample_task, j);
}

/* --- few samples --- */

static void slice_task(void *user, int64_t index, int slot)
{
	(void)slot;
	const linear_job *j = user;
	const nno_run *run = j->run;
	int64_t in = j->op->in[0].c, out = j->op->out.c, rows = nno_i64_ceil_div(in, SLICES);
	int64_t first = index * rows, end = nno_i64_min(first + rows, in);
	float *sum = j->scratch + index * FEW * out;
	for (int64_t k = first; k < end && run->n == 1; k += ROW_BLOCK)
		run->kernels->row_times_f32(sum, j->x + k, run->param[0] + k * out, out,
					    nno_i64_min(ROW_BLOCK, end - k), out, k > first ? NNO_GEMM_ADD : 0);
	for (int64_t k = first; k < end && run->n > 1; k += SLICE_ROWS)
		run->kernels->f32->gemm(run->n, out, nno_i64_min(SLICE_ROWS, end - k), j->x + k, in,
					run->param[0] + k * out, out, sum, out, NULL, k > first ? NNO_GEMM_ADD : 0);
}

static void forward_few(linear_job *j)
{
	const nno_run *run = j->run;
	int64_t slices = nno_i64_ceil_div(j->op->in[0].c, nno_i64_ceil_div(j->op->in[0].c, SLICES));
	bool alone = run->n * j->op->macs < ALONE_MACS;
	for (int64_t i = 0; i < slices && alone; i++)
		slice_task(j, i, 0);
	if (!alone)
		nno_parallel_for(run->pool, slices, slice_task, j);
	for (int64_t i = 0; i < run->n; i++)
		finish_sample(j, i, slices, FEW * j->op->out.c);
}

/* Where equal bits at any thread count are not asked for, BLAS serves products that are worth waking its threads. */
static bool use_blas(const nno_op *op, const nno_run *run)
{
	return !NNO_WIDENS && !run->deterministic && run->n * op->macs >= BLAS_MACS;
}

/* Called where values are floats. */
static void blas_forward(const nno_op *op, nno_run *run)
{
	const nno_linear_attr *attr = op->attr;
	int64_t in = op->in[0].c, out = op->out.c;
	float *y = run->dst;
	for (int64_t i = 0; attr->bias && i < run->n; i++)
		memcpy(y + i * out, run->param[1], (size_t)out * sizeof(float));
	nno_blas_sgemm(0, 0, run->n, out, in, run->src[0], in, run->param[0], out, attr->bias ? 1.0f : 0.0f, y, out);
	if (attr->activation == NNO_ACT_RELU)
		run->kernels->f32->relu(y, y, 0.0f, run->n * out);
}

static void forward(const nno_op *op, nno_run *run)
{
	if (use_blas(op, run)) {
		blas_forward(op, run);
		return;
	}
	linear_job j = { .op = op, .run = run };
	size_t source = nno_size_round_up((size_t)(op->batch * op->in[0].c) * sizeof(float), NNO_ALIGNMENT);
	j.scratch = (float *)(void *)((char *)run->workspace + source);
	if (run->n <= FEW && op->in[0].c >= SLICES * SLICE_ROWS) {
		j.x = NNO_OF(nno_widen_all)(run, run->workspace, src_of(run, 0), run->n * op->in[0].c);
		forward_few(&j);
		return;
	}
	j.panels = run->workspace;
	nno_parallel_for(run->pool, nno_i64_ceil_div(op->in[0].c, PANEL), panel_task, &j);
	if (goes_by_rows(op))
		forward_by_rows(&j);
	else
		nno_parallel_for(run->pool, nno_i64_ceil_div(op->out.c, BLOCK), forward_block, &j);
}

static void strip_task(void *user, int64_t index, int slot)
{
	(void)slot;
	const linear_job *j = user;
	const nno_run *run = j->run;
	int64_t out = j->op->out.c, n = run->n, step = run->kernels->strip, column = index * step;
	int64_t width = nno_i64_min(step, out - column);
	float *strip = j->dy + column * n;
	for (int64_t i = 0; i < n; i++)
		kernels_of(run)->widen(strip + i * width, ddst_of(run) + i * out + column, width);
	for (int64_t i = 0; i < n; i += step) {
		int64_t samples = nno_i64_min(step, n - i);
		run->kernels->f32->transpose(j->turned + i * out + column * samples, samples, strip + i * width, width,
					     samples, width);
	}
}

/* dx' = W dy': W's rows are read as they lie, and only the block of the result is turned. */
static void data_block(void *user, int64_t index, int slot)
{
	const linear_job *j = user;
	nno_run *run = j->run;
	const nno_kernels_f32 *f32 = run->kernels->f32;
	int64_t in = j->op->in[0].c, out = j->op->out.c, n = run->n, step = run->kernels->strip;
	int64_t row = index * BLOCK, m = nno_i64_min(BLOCK, in - row);
	float *product = j->scratch + (int64_t)slot * 2 * BLOCK * j->op->batch, *turned = product + m * n;
	for (int64_t i = 0; i < n; i += step) {
		int64_t samples = nno_i64_min(step, n - i);
		f32->gemm(m, samples, out, run->param[0] + row * out, out, j->turned + i * out, samples, product + i, n,
			  NULL, 0);
	}
	if (!NNO_WIDENS && !run->dsrc_add[0]) {
		f32->transpose((float *)run->dsrc[0] + row, in, product, n, m, n);
		return;
	}
	f32->transpose(turned, m, product, n, m, n);
	for (int64_t i = 0; i < n; i++)
		kernels_of(run)->narrow(dsrc_of(run, 0) + i * in + row, turned + i * m, 1.0f, m, run->dsrc_add[0]);
}

/* The block's columns of x are copied together: their distance may be a power of two, and then one cache set theirs. */
static void weight_block(void *user, int64_t index, int slot)
{
	const linear_job *j = user;
	nno_run *run = j->run;
	int64_t in = j->op->in[0].c, out = j->op->out.c, n = run->n, step = run->kernels->strip, zero = 0;
	int64_t row = index * j->late.rows, m = nno_i64_min(j->late.rows, in - row);
	float *x = j->scratch + (int64_t)slot * 2 * BLOCK * j->op->batch;
	float *gradient = nno_late_block(j->op, run, &j->late, index, slot);
	for (int64_t i = 0; i < n; i++)
		kernels_of(run)->widen(x + i * m, src_of(run, 0) + i * in + row, m);
	for (int64_t column = 0; column < out; column += step) {
		int64_t width = nno_i64_min(step, out - column);
		run->kernels->gemm_columns_f32(m, width, n, 1, x, &zero, m, j->dy + column * n, &zero, width,
					       gradient + column, out, run->dparam_add ? NNO_GEMM_ADD : 0);
	}
	nno_late_give(j->op, run, &j->late, index, slot);
}

static void bias_gradient(const linear_job *j)
{
	const nno_run *run = j->run;
	int64_t out = j->op->out.c, step = run->kernels->strip;
	if (!run->dparam_add)
		memset(run->dparam[1], 0, (size_t)out * sizeof(float));
	for (int64_t column = 0; column < out; column += step)
		run->kernels->f32->column_sums(run->dparam[1] + column, j->dy + column * run->n, run->n,
					       nno_i64_min(step, out - column));
}

/* Called where values are floats. */
static void blas_weight(const nno_op *op, nno_run *run)
{
	int64_t in = op->in[0].c, out = op->out.c;
	nno_blas_sgemm(1, 0, in, out, run->n, run->src[0], in, run->ddst, out, run->dparam_add ? 1.0f : 0.0f,
		       run->dparam[0], out);
}

static void blas_data(const nno_op *op, nno_run *run)
{
	int64_t in = op->in[0].c, out = op->out.c;
	nno_blas_sgemm(0, 1, run->n, in, out, run->ddst, out, run->param[0], out, run->dsrc_add[0] ? 1.0f : 0.0f,
		       run->dsrc[0], in);
}

/* The result's gradient in strips, and where the rest of the backward pass has its memory. */
static linear_job start_backward(const nno_op *op, nno_run *run)
{
	int64_t out = op->out.c;
	linear_job j = { .op = op, .run = run, .scratch = run->workspace, .late = nno_late_start(op, run) };
	j.dy = j.scratch + (int64_t)nno_pool_slots(run->pool) * 2 * BLOCK * op->batch;
	j.turned = j.dy + op->batch * out;
	nno_parallel_for(run->pool, nno_i64_ceil_div(out, run->kernels->strip), strip_task, &j);
	return j;
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_linear_attr *attr = op->attr;
	int64_t in = op->in[0].c;
	if (attr->activation == NNO_ACT_RELU)
		NNO_OF(nno_mask_relu)(op, run);
	linear_job j = start_backward(op, run);
	bool wants_weight = run->dparam[0] != NULL && !run->leave_weight, blas = use_blas(op, run);
	if (attr->bias && run->dparam[1] != NULL)
		bias_gradient(&j);
	if (wants_weight && blas)
		blas_weight(op, run);
	else if (wants_weight)
		nno_parallel_for(run->pool, nno_i64_ceil_div(in, j.late.rows), weight_block, &j);
	if (run->dsrc[0] != NULL && blas)
		blas_data(op, run);
	else if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, nno_i64_ceil_div(in, BLOCK), data_block, &j);
}

static void weight(const nno_op *op, nno_run *run)
{
	if (run->sink == NULL && use_blas(op, run)) {
		blas_weight(op, run);
		return;
	}
	linear_job j = start_backward(op, run);
	nno_parallel_for(run->pool, nno_i64_ceil_div(op->in[0].c, j.late.rows), weight_block, &j);
	nno_late_end(op, run, &j.late);
}

NNO_OP_CODE(linear) = { .book = book, .forward = forward, .backward = backward, .weight = weight };
