/* conv_pointwise.c - 1x1 convolution of stride 1: the pixels of the batch are the rows of one matrix product, read and
 * written where they lie. Tasks are runs of pixels; for the weights' gradient runs are added up in chunks that depend
 * on the shapes alone, and the chunks in order. */
#include "op/op.h"

#include "base/size.h"
#include "op/parallel.h"

#include <string.h>

#define RUN_BYTES ((int64_t)320 << 10) /* of a run of pixels, source and result: in the second-level cache */
#define PARTIALS ((int64_t)8 << 20)    /* bytes of all partial gradients */
#define MOST_CHUNKS 16
#define ROW_BLOCK 64 /* input channels of a task of the weights' gradient, when chunks are few */

typedef struct pointwise_plan {
	int64_t run;    /* pixels of a task */
	int64_t chunks; /* of the batch's pixels, for the weights' gradient */
	size_t transposed_bytes, partial_bytes;
	size_t run_bytes; /* of a slot: a run's source and gradient as floats */
} pointwise_plan;

static bool make_plan(const nno_op *op, pointwise_plan *p)
{
	int64_t c = op->in[0].c, o = op->out.c, weights;
	if (!nno_i64_mul(c, o, &weights) || weights > INT64_MAX / 1024)
		return false;
	int64_t fit = RUN_BYTES / ((c + o) * (int64_t)sizeof(float)) / 14 * 14;
	/* A lone picture is shared by several threads. */
	int64_t share = nno_i64_max(op->batch * op->out.h * op->out.w / 8 / 14 * 14, 14);
	p->run = nno_i64_min(nno_i64_min(nno_i64_max(fit, 14), 448), share);
	p->partial_bytes = nno_size_round_up((size_t)(weights + o) * sizeof(float), NNO_ALIGNMENT);
	p->transposed_bytes = nno_size_round_up((size_t)weights * sizeof(float), NNO_ALIGNMENT);
	p->chunks = nno_i64_max(1, nno_i64_min(MOST_CHUNKS, PARTIALS / (int64_t)p->partial_bytes));
	p->run_bytes = nno_size_round_up(nno_room((size_t)(p->run * (c + o))) * sizeof(float), NNO_ALIGNMENT);
	return true;
}

static bool book(nno_op *op, int slots)
{
	pointwise_plan p;
	int64_t weights;
	size_t shared;
	if (!make_plan(op, &p) || !nno_i64_mul(op->in[0].c, op->out.c, &weights) ||
	    !nno_size_mul(p.partial_bytes, (size_t)p.chunks, &shared) ||
	    !nno_size_mul(p.run_bytes, (size_t)slots, &op->forward_workspace))
		return false;
	if (shared < p.transposed_bytes)
		shared = p.transposed_bytes;
	if (!nno_size_add(op->forward_workspace, shared, &op->backward_workspace))
		return false;
	return nno_i64_mul(weights, op->out.h * op->out.w, &op->macs);
}

typedef struct pointwise_job {
	const nno_op *op;
	nno_run *run;
	pointwise_plan p;
	int64_t pixels, c, o;
	int64_t chunks, chunk, blocks; /* in use, pixels of one, and tasks of one */
	float *transposed, *partial;
} pointwise_job;

static pointwise_job start_job(const nno_op *op, nno_run *run)
{
	pointwise_job j = { .op = op,
			    .run = run,
			    .pixels = run->n * op->out.h * op->out.w,
			    .c = op->in[0].c,
			    .o = op->out.c };
	(void)make_plan(op, &j.p);
	j.transposed = j.partial =
	    (float *)(void *)((char *)run->workspace + (size_t)nno_pool_slots(run->pool) * j.p.run_bytes);
	return j;
}

static float *slot_room(const pointwise_job *j, int slot)
{
	return (float *)(void *)((char *)j->run->workspace + (size_t)slot * j->p.run_bytes);
}

static void forward_run(void *user, int64_t index, int slot)
{
	const pointwise_job *j = user;
	const nno_conv_attr *a = j->op->attr;
	int64_t from = index * j->p.run, m = nno_i64_min(j->p.run, j->pixels - from);
	const float *src = nno_as_floats(j->run, slot_room(j, slot), src_of(j->run, 0) + from * j->c, m * j->c);
	kernels_of(j->run)->gemm(m, j->o, j->c, src, j->c, j->run->param[0], j->o, dst_of(j->run) + from * j->o, j->o,
				 a->bias ? j->run->param[1] : NULL,
				 (a->activation == NNO_ACT_RELU ? NNO_GEMM_RELU : 0) | nno_stream_flag(j->pixels * j->o));
}

static void forward(const nno_op *op, nno_run *run)
{
	pointwise_job j = start_job(op, run);
	nno_parallel_for(run->pool, nno_i64_ceil_div(j.pixels, j.p.run), forward_run, &j);
}

static void transpose_block(void *user, int64_t index, int slot)
{
	(void)slot;
	const pointwise_job *j = user;
	int64_t row = index * ROW_BLOCK;
	j->run->kernels->f32->transpose(j->transposed + row, j->c, j->run->param[0] + row * j->o, j->o,
				       nno_i64_min(ROW_BLOCK, j->c - row), j->o);
}

static void data_run(void *user, int64_t index, int slot)
{
	const pointwise_job *j = user;
	int64_t from = index * j->p.run, m = nno_i64_min(j->p.run, j->pixels - from);
	const float *gradient = nno_as_floats(j->run, slot_room(j, slot), ddst_of(j->run) + from * j->o, m * j->o);
	kernels_of(j->run)->gemm(m, j->c, j->o, gradient, j->o, j->transposed, j->c, dsrc_of(j->run, 0) + from * j->c,
				 j->c, NULL, j->run->dsrc_add[0] ? NNO_GEMM_ADD : nno_stream_flag(j->pixels * j->c));
}

/* Rows of one chunk's gradient, over its runs; the first block's task sums the bias too. */
static void weights_task(void *user, int64_t index, int slot)
{
	const pointwise_job *j = user;
	const nno_kernels *k = j->run->kernels;
	const nno_conv_attr *a = j->op->attr;
	int64_t chunk = index / j->blocks, rows = nno_i64_ceil_div(j->c, j->blocks), row = index % j->blocks * rows;
	int64_t m = nno_i64_min(rows, j->c - row), zero = 0;
	float *sum = j->partial + chunk * (int64_t)(j->p.partial_bytes / sizeof(float)), *bias = sum + j->c * j->o;
	float *room = slot_room(j, slot);
	int64_t first = chunk * j->chunk, end = nno_i64_min(first + j->chunk, j->pixels);
	if (row == 0)
		memset(bias, 0, (size_t)j->o * sizeof(float));
	for (int64_t from = first; from < end; from += j->p.run) {
		int64_t n = nno_i64_min(j->p.run, end - from);
		const float *src = nno_as_floats(j->run, room, src_of(j->run, 0) + from * j->c, n * j->c),
			    *gradient = nno_as_floats(j->run, room + j->p.run * j->c, ddst_of(j->run) + from * j->o,
						      n * j->o);
		if (m > 0)
			k->gemm_columns_f32(m, j->o, n, 1, src + row, &zero, j->c, gradient, &zero, j->o, sum + row * j->o, j->o, from > first ? NNO_GEMM_ADD : 0);
		if (row == 0 && a->bias)
			k->f32->column_sums(bias, gradient, n, j->o);
	}
}

static void backward_weights(pointwise_job *j)
{
	const nno_conv_attr *a = j->op->attr;
	j->chunk = nno_i64_ceil_div(j->pixels, j->p.chunks);
	j->chunks = nno_i64_ceil_div(j->pixels, j->chunk);
	j->blocks = j->chunks < 8 ? nno_i64_ceil_div(j->c, ROW_BLOCK) : 1;
	nno_parallel_for(j->run->pool, j->chunks * j->blocks, weights_task, j);
	int64_t stride = (int64_t)(j->p.partial_bytes / sizeof(float)), weights = j->c * j->o;
	nno_sum_partials(j->run, j->run->dparam[0], j->partial, j->chunks, stride, weights);
	if (a->bias)
		nno_sum_partials(j->run, j->run->dparam[1], j->partial + weights, j->chunks, stride, j->o);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	pointwise_job j = start_job(op, run);
	if (a->activation == NNO_ACT_RELU)
		NNO_OF(nno_mask_relu)(op, run);
	if (op->wants_dparam)
		backward_weights(&j);
	if (run->dsrc[0] == NULL)
		return;
	nno_parallel_for(run->pool, nno_i64_ceil_div(j.c, ROW_BLOCK), transpose_block, &j);
	nno_parallel_for(run->pool, nno_i64_ceil_div(j.pixels, j.p.run), data_run, &j);
}

NNO_OP_CODE(conv_pointwise) = { book, forward, backward, NULL };
