/* conv_pointwise_pairs.c - 1x1 convolution of stride 1 on bf16 values, for CPUs with dot products of their pairs: as
 * conv_pointwise.c, but values are multiplied as they lie, pairs of channels at a time, by weights rounded to bf16 once
 * a pass. The weights' gradient pairs pixels. */
#define NNO_TYPE bf16
#define NNO_TYPE_BF16
#include "op/parallel.h"

#include "base/size.h"

#include <string.h>

#define RUN_BYTES ((int64_t)320 << 10) /* of a run of pixels and its sums: in the second-level cache */
#define PARTIALS ((int64_t)8 << 20)    /* bytes of all partial gradients */
#define MOST_CHUNKS 16

typedef struct pairs_plan {
	int64_t run, chunks; /* pixels of a task; of the batch's pixels, for the weights' gradient */
	size_t sum_bytes, source_bytes, gradient_bytes; /* of a slot: a run's results, and both sides as pairs */
	size_t slot_bytes, weight_bytes, turned_bytes, partial_bytes; /* shared: weights as pairs, turned, partials */
} pairs_plan;

static bool make_plan(const nno_op *op, pairs_plan *p)
{
	int64_t c = op->in[0].c, o = op->out.c, weights;
	if (!nno_i64_mul(c, o, &weights) || weights > INT64_MAX / 1024)
		return false;
	int64_t fit = RUN_BYTES / ((c + o) * 8) / 14 * 14;
	p->run = nno_i64_min(nno_i64_max(fit, 14), 448);
	p->partial_bytes = nno_size_round_up((size_t)(weights + o) * sizeof(float), NNO_ALIGNMENT);
	p->chunks = nno_i64_max(1, nno_i64_min(MOST_CHUNKS, PARTIALS / (int64_t)p->partial_bytes));
	p->sum_bytes = nno_size_round_up((size_t)(p->run * nno_i64_max(c, o)) * sizeof(float), NNO_ALIGNMENT);
	p->source_bytes = nno_size_round_up((size_t)(p->run * c) * sizeof(elem), NNO_ALIGNMENT);
	p->gradient_bytes = nno_size_round_up((size_t)(p->run * o) * sizeof(elem), NNO_ALIGNMENT);
	p->slot_bytes = p->sum_bytes + p->source_bytes + p->gradient_bytes;
	p->weight_bytes = nno_size_round_up((size_t)weights * sizeof(elem), NNO_ALIGNMENT);
	p->turned_bytes = nno_size_round_up((size_t)weights * sizeof(float), NNO_ALIGNMENT);
	return true;
}

static bool book(nno_op *op, int slots)
{
	pairs_plan p;
	size_t slot, partials;
	if (!make_plan(op, &p) || !nno_size_mul(p.slot_bytes, (size_t)slots, &slot) ||
	    !nno_size_mul(p.partial_bytes, (size_t)p.chunks, &partials))
		return false;
	size_t turned = p.weight_bytes + p.turned_bytes;
	return nno_size_add(slot, p.weight_bytes, &op->forward_workspace) &&
	       nno_size_add(slot, partials > turned ? partials : turned, &op->backward_workspace) &&
	       nno_i64_mul(op->in[0].c * op->out.c, op->out.h * op->out.w, &op->macs);
}

typedef struct pairs_job {
	const nno_op *op;
	nno_run *run;
	pairs_plan p;
	int64_t pixels, c, o;
	int64_t chunks, chunk; /* in use, and pixels of one */
	char *shared;
	elem *weights;
	float *turned;
} pairs_job;

static pairs_job start_job(const nno_op *op, nno_run *run)
{
	pairs_job j = {
		.op = op, .run = run, .pixels = run->n * op->out.h * op->out.w, .c = op->in[0].c, .o = op->out.c
	};
	(void)make_plan(op, &j.p);
	j.shared = (char *)run->workspace + (size_t)nno_pool_slots(run->pool) * j.p.slot_bytes;
	j.weights = (elem *)(void *)j.shared;
	j.turned = (float *)(void *)(j.shared + j.p.weight_bytes);
	return j;
}

typedef struct slot_room {
	float *sum;
	elem *source, *gradient;
} slot_room;

static slot_room room_of(const pairs_job *j, int slot)
{
	char *at = (char *)j->run->workspace + (size_t)slot * j->p.slot_bytes;
	return (slot_room){ (float *)(void *)at, (elem *)(void *)(at + j->p.sum_bytes),
			    (elem *)(void *)(at + j->p.sum_bytes + j->p.source_bytes) };
}

static void forward_run(void *user, int64_t index, int slot)
{
	const pairs_job *j = user;
	const nno_conv_attr *a = j->op->attr;
	const nno_kernels *k = j->run->kernels;
	float *sum = room_of(j, slot).sum;
	int64_t from = index * j->p.run, m = nno_i64_min(j->p.run, j->pixels - from);
	k->pairs->gemm(m, j->o, j->c / 2, src_of(j->run, 0) + from * j->c, j->c, 2, j->weights, 2 * j->o, sum, j->o, 0);
	for (int64_t i = 0; a->bias && i < m; i++)
		k->f32->add(sum + i * j->o, sum + i * j->o, j->run->param[1], j->o);
	if (a->activation == NNO_ACT_RELU)
		k->f32->relu(sum, sum, 0.0f, m * j->o);
	else if (a->activation == NNO_ACT_RELU6)
		k->f32->relu6(sum, sum, 0.0f, m * j->o);
	k->bf16->narrow(dst_of(j->run) + from * j->o, sum, 1.0f, m * j->o, 0);
}

static void forward(const nno_op *op, nno_run *run)
{
	pairs_job j = start_job(op, run);
	run->kernels->pairs->zip(j.weights, run->param[0], j.o, j.c, j.o);
	nno_parallel_for(run->pool, nno_i64_ceil_div(j.pixels, j.p.run), forward_run, &j);
}

static void data_run(void *user, int64_t index, int slot)
{
	const pairs_job *j = user;
	const nno_kernels *k = j->run->kernels;
	float *sum = room_of(j, slot).sum;
	int64_t from = index * j->p.run, m = nno_i64_min(j->p.run, j->pixels - from);
	k->pairs->gemm(m, j->c, j->o / 2, ddst_of(j->run) + from * j->o, j->o, 2, j->weights, 2 * j->c, sum, j->c, 0);
	k->bf16->narrow(dsrc_of(j->run, 0) + from * j->c, sum, 1.0f, m * j->c, j->run->dsrc_add[0]);
}

static float *partial_of(const pairs_job *j, int64_t chunk)
{
	return (float *)(void *)(j->shared + (size_t)chunk * j->p.partial_bytes);
}

static void weights_chunk(void *user, int64_t chunk, int slot)
{
	const pairs_job *j = user;
	const nno_kernels *k = j->run->kernels;
	slot_room room = room_of(j, slot);
	float *sum = partial_of(j, chunk), *bias = sum + j->c * j->o;
	int64_t first = chunk * j->chunk, end = nno_i64_min(first + j->chunk, j->pixels);
	memset(bias, 0, (size_t)j->o * sizeof(float));
	for (int64_t from = first; from < end; from += j->p.run) {
		int64_t n = nno_i64_min(j->p.run, end - from);
		const elem *gradient = ddst_of(j->run) + from * j->o;
		k->pairs->zip_values(room.source, src_of(j->run, 0) + from * j->c, j->c, n, j->c);
		k->pairs->zip_values(room.gradient, gradient, j->o, n, j->o);
		k->pairs->gemm(j->c, j->o, nno_i64_ceil_div(n, 2), room.source, 2, 2 * j->c, room.gradient, 2 * j->o,
			       sum, j->o, from > first ? NNO_GEMM_ADD : 0);
		if (((const nno_conv_attr *)j->op->attr)->bias)
			k->bf16->column_sums(bias, gradient, n, j->o);
	}
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	pairs_job j = start_job(op, run);
	int64_t weights = j.c * j.o, stride = (int64_t)(j.p.partial_bytes / sizeof(float));
	if (a->activation == NNO_ACT_RELU)
		NNO_OF(nno_mask_relu)(op, run);
	if (op->wants_dparam) {
		j.chunk = nno_i64_ceil_div(j.pixels, j.p.chunks);
		j.chunks = nno_i64_ceil_div(j.pixels, j.chunk);
		nno_parallel_for(run->pool, j.chunks, weights_chunk, &j);
		nno_sum_partials(run, run->dparam[0], partial_of(&j, 0), j.chunks, stride, weights);
		if (a->bias)
			nno_sum_partials(run, run->dparam[1], partial_of(&j, 0) + weights, j.chunks, stride, j.o);
	}
	if (run->dsrc[0] == NULL)
		return;
	run->kernels->f32->transpose(j.turned, j.c, run->param[0], j.o, j.c, j.o);
	run->kernels->pairs->zip(j.weights, j.turned, j.c, j.o, j.c);
	nno_parallel_for(run->pool, nno_i64_ceil_div(j.pixels, j.p.run), data_run, &j);
}

NNO_OP_CODE(conv_pointwise_pairs) = { .book = book, .forward = forward, .backward = backward };
