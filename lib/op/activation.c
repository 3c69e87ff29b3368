/* activation.c - element-wise functions and their derivatives, and softmax over channels. A task is a chunk of elements
 * (of pixels, for softmax). */
#include "base/size.h"
#include "op/parallel.h"

#include <stddef.h>

typedef void (*value_fn)(elem *dst, const elem *x, float slope, int64_t n);
typedef void (*gradient_fn)(elem *dx, const elem *dy, const elem *v, float slope, int64_t n, int add);

/* Which kernels an op class stands for, by their places in the table. */
static const struct {
	const nno_op_class *cls;
	bool tanh_form;
	size_t value, gradient;
} functions[] = {
#define FUNCTION(op, form, kernel)                                                                              \
	{                                                                                                       \
		&nno_op_##op, form, offsetof(value_kernels, kernel), offsetof(value_kernels, kernel##_gradient) \
	}
	FUNCTION(relu, false, relu),
	FUNCTION(leaky_relu, false, leaky_relu),
	FUNCTION(relu6, false, relu6),
	FUNCTION(sigmoid, false, sigmoid),
	FUNCTION(tanh, false, tanh),
	FUNCTION(silu, false, silu),
	FUNCTION(gelu, false, gelu),
	FUNCTION(gelu, true, gelu_tanh),
	FUNCTION(hard_sigmoid, false, hard_sigmoid),
	FUNCTION(hard_swish, false, hard_swish),
#undef FUNCTION
};

typedef struct act_job {
	const nno_op *op;
	nno_run *run;
	value_fn value;
	gradient_fn gradient;
	float slope;
	int64_t count;
} act_job;

static act_job start_job(const nno_op *op, nno_run *run)
{
	const nno_act_attr *a = op->attr;
	act_job j = { .op = op, .run = run, .slope = a->slope, .count = run->n * nno_shape_count(op->out) };
	const char *table = (const char *)kernels_of(run);
	for (size_t i = 0; i < NNO_COUNT(functions); i++)
		if (functions[i].cls == op->cls && functions[i].tanh_form == a->tanh_form) {
			j.value = *(const value_fn *)(const void *)(table + functions[i].value);
			j.gradient = *(const gradient_fn *)(const void *)(table + functions[i].gradient);
		}
	return j;
}

static bool book(nno_op *op, int slots)
{
	(void)op;
	(void)slots;
	return true;
}

static void forward_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const act_job *j = user;
	int64_t at = index * NNO_CHUNK;
	j->value(dst_of(j->run) + at, src_of(j->run, 0) + at, j->slope, nno_chunk_length(j->count, index));
}

static void backward_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const act_job *j = user;
	int64_t at = index * NNO_CHUNK;
	const elem *from = (j->op->cls->needs_src ? src_of(j->run, 0) : dst_of(j->run)) + at;
	j->gradient(dsrc_of(j->run, 0) + at, ddst_of(j->run) + at, from, j->slope, nno_chunk_length(j->count, index),
		    j->run->dsrc_add[0]);
}

static void forward(const nno_op *op, nno_run *run)
{
	act_job j = start_job(op, run);
	nno_parallel_for(run->pool, nno_chunks(j.count), forward_chunk, &j);
}

static void backward(const nno_op *op, nno_run *run)
{
	act_job j = start_job(op, run);
	if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, nno_chunks(j.count), backward_chunk, &j);
}

#define PIXELS 256

/* A slot's rows of floats: a pixel's result, and its gradient. */
static bool book_softmax(nno_op *op, int slots)
{
	return nno_size_mul((size_t)op->out.c * 2 * sizeof(float), (size_t)slots, &op->forward_workspace) &&
	       nno_size_add(op->forward_workspace, 0, &op->backward_workspace);
}

static void softmax_chunk(void *user, int64_t index, int slot)
{
	const act_job *j = user;
	int64_t c = j->op->out.c, pixels = j->count / c,
		to = (index + 1) * PIXELS < pixels ? (index + 1) * PIXELS : pixels;
	float *row = (float *)j->run->workspace + (int64_t)slot * 2 * c;
	for (int64_t p = index * PIXELS; p < to; p++) {
		float sums[2];
		const float *x = nno_as_floats(j->run, row, src_of(j->run, 0) + p * c, c);
		j->run->kernels->softmax_row_f32(row, x, c, sums);
		kernels_of(j->run)->narrow(dst_of(j->run) + p * c, row, 1.0f / sums[1], c, 0);
	}
}

static void softmax_back_chunk(void *user, int64_t index, int slot)
{
	const act_job *j = user;
	int64_t c = j->op->out.c, pixels = j->count / c,
		to = (index + 1) * PIXELS < pixels ? (index + 1) * PIXELS : pixels;
	float *room = (float *)j->run->workspace + (int64_t)slot * 2 * c, *dx = room + c;
	for (int64_t p = index * PIXELS; p < to; p++) {
		const float *y = nno_as_floats(j->run, room, dst_of(j->run) + p * c, c);
		float dot = 0.0f;
		kernels_of(j->run)->widen(dx, ddst_of(j->run) + p * c, c);
		for (int64_t i = 0; i < c; i++)
			dot += y[i] * dx[i];
		for (int64_t i = 0; i < c; i++)
			dx[i] = y[i] * (dx[i] - dot);
		kernels_of(j->run)->narrow(dsrc_of(j->run, 0) + p * c, dx, 1.0f, c, j->run->dsrc_add[0]);
	}
}

static void softmax_forward(const nno_op *op, nno_run *run)
{
	act_job j = start_job(op, run);
	nno_parallel_for(run->pool, (j.count / op->out.c + PIXELS - 1) / PIXELS, softmax_chunk, &j);
}

static void softmax_backward(const nno_op *op, nno_run *run)
{
	act_job j = start_job(op, run);
	if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, (j.count / op->out.c + PIXELS - 1) / PIXELS, softmax_back_chunk, &j);
}

NNO_OP_CODE(relu) = { .book = book, .forward = forward, .backward = backward };
NNO_OP_CODE(leaky_relu) = { .book = book, .forward = forward, .backward = backward };
NNO_OP_CODE(relu6) = { .book = book, .forward = forward, .backward = backward };
NNO_OP_CODE(gelu) = { .book = book, .forward = forward, .backward = backward };
NNO_OP_CODE(silu) = { .book = book, .forward = forward, .backward = backward };
NNO_OP_CODE(sigmoid) = { .book = book, .forward = forward, .backward = backward };
NNO_OP_CODE(tanh) = { .book = book, .forward = forward, .backward = backward };
NNO_OP_CODE(hard_sigmoid) = { .book = book, .forward = forward, .backward = backward };
NNO_OP_CODE(hard_swish) = { .book = book, .forward = forward, .backward = backward };
NNO_OP_CODE(softmax) = { .book = book_softmax, .forward = softmax_forward, .backward = softmax_backward };
