/* conv_pointwise.c - 1x1 convolution of stride 1: the pixels of the batch are the rows of one matrix product, read and
 * written where they lie. Tasks are runs of pixels; backward they are chunks of runs, that depend on the shapes alone:
 * one sweep makes both gradients of a run while it is in a cache, and the weights' are added up in each chunk and then
 * over the chunks in order. */
#include "op/lazy.h"

#include "base/size.h"
#include "op/parallel.h"

#include <string.h>

#define RUN_BYTES ((int64_t)320 << 10) /* of a run of pixels, source and result: in the second-level cache */
#define PARTIALS ((int64_t)8 << 20)    /* bytes of all partial gradients */
#define MOST_CHUNKS 16
#define ROW_BLOCK 64 /* input channels of a task of the weights' gradient, when chunks are few */

typedef struct pointwise_plan {
	int64_t run;    /* pixels of a task */
	int64_t chunks; /* of the batch's runs, for the weights' gradient */
	size_t transposed_bytes, partial_bytes;
	size_t loaded_bytes, float_bytes; /* of a slot: a run's source and gradient, made on load; as floats */
} pointwise_plan;

static bool make_plan(const nno_op *op, pointwise_plan *p)
{
	int64_t c = op->in[0].c, o = op->out.c, weights;
	if (!nno_i64_mul(c, o, &weights) || weights > INT64_MAX / 1024)
		return false;
	/* What is made on load is in the cache beside what it is made of. */
	bool loads = op->src_lazy != NULL || op->dst_lazy != NULL;
	int64_t fit = RUN_BYTES / (loads ? 2 : 1) / ((c + o) * (int64_t)sizeof(float)) / 14 * 14;
	/* A lone picture is shared by several threads. */
	int64_t share = nno_i64_max(op->batch * op->out.h * op->out.w / 8 / 14 * 14, 14);
	p->run = nno_i64_min(nno_i64_min(nno_i64_max(fit, 14), 448), share);
	p->partial_bytes = nno_size_round_up((size_t)(weights + o) * sizeof(float), NNO_ALIGNMENT);
	p->transposed_bytes = nno_size_round_up((size_t)weights * sizeof(float), NNO_ALIGNMENT);
	p->chunks = nno_i64_max(1, nno_i64_min(MOST_CHUNKS, PARTIALS / (int64_t)p->partial_bytes));
	size_t values = (size_t)(p->run * (c + o));
	p->loaded_bytes = nno_size_round_up(loads ? values * sizeof(elem) : 0, NNO_ALIGNMENT);
	p->float_bytes = nno_size_round_up(nno_room(values) * sizeof(float), NNO_ALIGNMENT);
	return true;
}

static bool book(nno_op *op, int slots)
{
	pointwise_plan p;
	int64_t weights;
	size_t shared;
	if (!make_plan(op, &p) || !nno_i64_mul(op->in[0].c, op->out.c, &weights) ||
	    !nno_size_mul(p.partial_bytes, (size_t)p.chunks, &shared) ||
	    !nno_size_mul(p.loaded_bytes + p.float_bytes, (size_t)slots, &op->forward_workspace) ||
	    !nno_size_add(shared, p.transposed_bytes, &shared) ||
	    !nno_size_add(op->forward_workspace, shared, &op->backward_workspace))
		return false;
	int64_t runs = nno_i64_ceil_div(op->batch * op->out.h * op->out.w, p.run);
	if (op->src_lazy != NULL)
		op->src_lazy->sums.most = runs;
	if (op->dst_lazy != NULL)
		op->dst_lazy->moments.most = runs;
	return nno_i64_mul(weights, op->out.h * op->out.w, &op->macs);
}

typedef struct pointwise_job {
	const nno_op *op;
	nno_run *run;
	pointwise_plan p;
	int64_t pixels, c, o;
	int64_t runs, chunks, share, blocks; /* in use; runs of a chunk, and tasks of one */
	float *transposed, *partial;
} pointwise_job;

static pointwise_job start_job(const nno_op *op, nno_run *run)
{
	pointwise_job j = {
		.op = op, .run = run, .pixels = run->n * op->out.h * op->out.w, .c = op->in[0].c, .o = op->out.c
	};
	(void)make_plan(op, &j.p);
	j.runs = nno_i64_ceil_div(j.pixels, j.p.run);
	j.share = nno_i64_ceil_div(j.runs, j.p.chunks);
	j.chunks = nno_i64_ceil_div(j.runs, j.share);
	j.blocks = j.chunks < 8 ? nno_i64_ceil_div(j.c, ROW_BLOCK) : 1;
	char *shared =
	    (char *)run->workspace + (size_t)nno_pool_slots(run->pool) * (j.p.loaded_bytes + j.p.float_bytes);
	j.transposed = (float *)(void *)shared;
	j.partial = (float *)(void *)(shared + j.p.transposed_bytes);
	return j;
}

/* A run of pixels, and where its task makes what it loads. */
typedef struct pixel_run {
	int64_t index, from, m;
	elem *loaded;
	float *floats;
} pixel_run;

static pixel_run start_run(const pointwise_job *j, int64_t index, int slot)
{
	char *room = (char *)j->run->workspace + (size_t)slot * (j->p.loaded_bytes + j->p.float_bytes);
	int64_t from = index * j->p.run;
	return (pixel_run){ .index = index,
			    .from = from,
			    .m = nno_i64_min(j->p.run, j->pixels - from),
			    .loaded = (elem *)(void *)room,
			    .floats = (float *)(void *)(room + j->p.loaded_bytes) };
}

static const float *run_source(const pointwise_job *j, const pixel_run *r)
{
	return nno_as_floats(j->run, r->floats, nno_load_source(j->op, j->run, r->loaded, r->from, r->m), r->m * j->c);
}

static const float *run_gradient(const pointwise_job *j, const pixel_run *r)
{
	int64_t source = j->p.run * j->c;
	return nno_as_floats(j->run, r->floats + (NNO_WIDENS ? source : 0),
			     nno_load_gradient(j->op, j->run, r->loaded + source, r->from, r->m), r->m * j->o);
}

/* A result that is read again at once is not written past the caches. */
static int store_flag(const pointwise_job *j, int64_t channels, const nno_lazy *lazy, unsigned part)
{
	return nno_lends(lazy, part) ? 0 : nno_stream_flag(j->pixels * channels);
}

static void forward_run(void *user, int64_t index, int slot)
{
	const pointwise_job *j = user;
	const nno_conv_attr *a = j->op->attr;
	pixel_run r = start_run(j, index, slot);
	int flags = store_flag(j, j->o, j->op->dst_lazy, NNO_LAZY_MOMENTS);
	kernels_of(j->run)->gemm(r.m, j->o, j->c, run_source(j, &r), j->c, j->run->param[0], j->o,
				 dst_of(j->run) + r.from * j->o, j->o, a->bias ? j->run->param[1] : NULL,
				 nno_conv_flags(j->op) | flags);
	nno_lend_moments(j->op, j->run, index, r.from, r.m);
}

static void forward(const nno_op *op, nno_run *run)
{
	pointwise_job j = start_job(op, run);
	if (op->dst_lazy != NULL)
		op->dst_lazy->moments.count = j.runs;
	nno_parallel_for(run->pool, j.runs, forward_run, &j);
}

static void transpose_block(void *user, int64_t index, int slot)
{
	(void)slot;
	const pointwise_job *j = user;
	int64_t row = index * ROW_BLOCK;
	j->run->kernels->f32->transpose(j->transposed + row, j->c, j->run->param[0] + row * j->o, j->o,
					nno_i64_min(ROW_BLOCK, j->c - row), j->o);
}

static void add_data(const pointwise_job *j, const pixel_run *r, const float *gradient)
{
	int flags = store_flag(j, j->c, j->op->src_lazy, NNO_LAZY_SUMS);
	kernels_of(j->run)->gemm(r->m, j->c, j->o, gradient, j->o, j->transposed, j->c,
				 dsrc_of(j->run, 0) + r->from * j->c, j->c, NULL,
				 j->run->dsrc_add[0] ? NNO_GEMM_ADD : flags);
	nno_lend_sums(j->op, j->run, r->index, r->from, r->m);
}

static void data_run(void *user, int64_t index, int slot)
{
	const pointwise_job *j = user;
	pixel_run r = start_run(j, index, slot);
	add_data(j, &r, run_gradient(j, &r));
}

/* Rows of one chunk's gradient of the weights, over its runs; the first block's task sums the bias too. One that has a
 * chunk to itself makes the data's gradient with it. */
static void weights_task(void *user, int64_t index, int slot)
{
	const pointwise_job *j = user;
	const nno_kernels *k = j->run->kernels;
	const nno_conv_attr *a = j->op->attr;
	int64_t chunk = index / j->blocks, rows = nno_i64_ceil_div(j->c, j->blocks), row = index % j->blocks * rows;
	int64_t m = nno_i64_min(rows, j->c - row), zero = 0;
	float *sum = j->partial + chunk * (int64_t)(j->p.partial_bytes / sizeof(float)), *bias = sum + j->c * j->o;
	int64_t first = chunk * j->share, end = nno_i64_min(first + j->share, j->runs);
	if (row == 0)
		memset(bias, 0, (size_t)j->o * sizeof(float));
	for (int64_t i = first; i < end; i++) {
		pixel_run r = start_run(j, i, slot);
		const float *src = run_source(j, &r), *gradient = run_gradient(j, &r);
		if (m > 0)
			k->gemm_columns_f32(m, j->o, r.m, 1, src + row, &zero, j->c, gradient, &zero, j->o,
					    sum + row * j->o, j->o, i > first ? NNO_GEMM_ADD : 0);
		if (row == 0 && a->bias)
			k->f32->column_sums(bias, gradient, r.m, j->o);
		if (j->blocks == 1 && j->run->dsrc[0] != NULL)
			add_data(j, &r, gradient);
	}
}

static void backward_weights(pointwise_job *j)
{
	const nno_conv_attr *a = j->op->attr;
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
	if (op->src_lazy != NULL)
		op->src_lazy->sums.count = j.runs;
	if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, nno_i64_ceil_div(j.c, ROW_BLOCK), transpose_block, &j);
	if (op->wants_dparam)
		backward_weights(&j);
	if (run->dsrc[0] != NULL && (!op->wants_dparam || j.blocks > 1))
		nno_parallel_for(run->pool, j.runs, data_run, &j);
}

NNO_OP_CODE(conv_pointwise) = { .book = book, .forward = forward, .backward = backward };
