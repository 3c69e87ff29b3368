/* weighted_sum.c - y = sum of w_k x_k, the weights given or learned; learned ones may be the softmax of the parameter,
 * so that y is always a mean. A task is a chunk of elements; what the weights' gradients take from each is added up in
 * the chunks' order. */
#include "base/size.h"
#include "op/parallel.h"

#include <math.h>

#define CHUNK 4096

typedef struct sum_job {
	const nno_op *op;
	nno_run *run;
	float weights[NNO_OP_MAX_INPUTS];
	int64_t count;
	double *partial; /* backward: n_in for each chunk */
	float *scratch;  /* two chunks a slot, where values are not floats */
} sum_job;

static int64_t chunks_of(int64_t count) { return nno_i64_ceil_div(count, CHUNK); }

/* Two chunks of floats a slot, and backward before them the parts of the weights' gradients. */
static bool book(nno_op *op, int slots)
{
	int64_t count;
	size_t partial;
	if (!nno_i64_mul(op->batch, nno_shape_count(op->out), &count) ||
	    !nno_size_mul((size_t)chunks_of(count), (size_t)op->n_in * sizeof(double), &partial) ||
	    partial > SIZE_MAX / 2 ||
	    !nno_size_mul(nno_room(2 * CHUNK * sizeof(float)), (size_t)slots, &op->forward_workspace))
		return false;
	return nno_size_add(op->forward_workspace, nno_size_round_up(partial, NNO_ALIGNMENT), &op->backward_workspace);
}

static void softmax(float *w, const float *x, int n)
{
	float most = x[0];
	double sum = 0.0, e[NNO_OP_MAX_INPUTS];
	for (int k = 1; k < n; k++)
		most = fmaxf(most, x[k]);
	for (int k = 0; k < n; k++)
		sum += e[k] = exp((double)x[k] - (double)most);
	for (int k = 0; k < n; k++)
		w[k] = (float)(e[k] / sum);
}

static sum_job start_job(const nno_op *op, nno_run *run)
{
	const nno_weighted_sum_attr *a = op->attr;
	sum_job j = { .op = op, .run = run, .count = run->n * nno_shape_count(op->out), .scratch = run->workspace };
	for (int k = 0; k < op->n_in; k++)
		j.weights[k] = a->learned ? run->param[0][k] : a->weights[k];
	if (a->learned && a->softmax)
		softmax(j.weights, run->param[0], op->n_in);
	return j;
}

static float *room_of(const sum_job *j, int slot, int which)
{
	return NNO_WIDENS ? j->scratch + ((int64_t)slot * 2 + which) * CHUNK : NULL;
}

static void forward_chunk(void *user, int64_t index, int slot)
{
	const sum_job *j = user;
	const nno_kernels *kernels = j->run->kernels;
	int64_t at = index * CHUNK, n = nno_i64_min(CHUNK, j->count - at);
	float *sum = NNO_WIDENS ? room_of(j, slot, 1) : (float *)j->run->dst + at;
	for (int k = 0; k < j->op->n_in; k++) {
		const float *x = nno_as_floats(j->run, room_of(j, slot, 0), src_of(j->run, k) + at, n);
		(k == 0 ? kernels->scale_f32 : kernels->add_scaled_f32)(sum, x, j->weights[k], n);
	}
	if (NNO_WIDENS)
		kernels_of(j->run)->narrow(dst_of(j->run) + at, sum, 1.0f, n, 0);
}

static void backward_chunk(void *user, int64_t index, int slot)
{
	const sum_job *j = user;
	int64_t at = index * CHUNK, n = nno_i64_min(CHUNK, j->count - at);
	const float *dy = nno_as_floats(j->run, room_of(j, slot, 0), ddst_of(j->run) + at, n);
	for (int k = 0; k < j->op->n_in; k++) {
		if (j->partial != NULL) {
			const float *x = nno_as_floats(j->run, room_of(j, slot, 1), src_of(j->run, k) + at, n);
			j->run->kernels->dot_f32(dy, x, n, &j->partial[index * j->op->n_in + k]);
		}
		if (j->run->dsrc[k] != NULL)
			kernels_of(j->run)->narrow(dsrc_of(j->run, k) + at, dy, j->weights[k], n, j->run->dsrc_add[k]);
	}
}

static void weight_gradient(const sum_job *j)
{
	const nno_weighted_sum_attr *a = j->op->attr;
	double g[NNO_OP_MAX_INPUTS] = { 0.0 }, mean = 0.0;
	for (int64_t c = 0; c < chunks_of(j->count); c++)
		for (int k = 0; k < j->op->n_in; k++)
			g[k] += j->partial[c * j->op->n_in + k];
	for (int k = 0; k < j->op->n_in; k++)
		mean += (double)j->weights[k] * g[k];
	for (int k = 0; k < j->op->n_in; k++) {
		double d = a->softmax ? (double)j->weights[k] * (g[k] - mean) : g[k];
		j->run->dparam[0][k] = (float)d + (j->run->dparam_add ? j->run->dparam[0][k] : 0.0f);
	}
}

static void forward(const nno_op *op, nno_run *run)
{
	sum_job j = start_job(op, run);
	nno_parallel_for(run->pool, chunks_of(j.count), forward_chunk, &j);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_weighted_sum_attr *a = op->attr;
	sum_job j = start_job(op, run);
	if (a->learned && run->dparam[0] != NULL)
		j.partial = (double *)(void *)(j.scratch + nno_room((size_t)nno_pool_slots(run->pool) * 2 * CHUNK));
	nno_parallel_for(run->pool, chunks_of(j.count), backward_chunk, &j);
	if (j.partial != NULL)
		weight_gradient(&j);
}

NNO_OP_CODE(weighted_sum) = { .book = book, .forward = forward, .backward = backward };
