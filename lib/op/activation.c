/* activation.c - element-wise functions and their derivatives, and softmax over channels. A task is a chunk of elements
 * (of pixels, for softmax). */
#include "op/op.h"

#include "op/parallel.h"

#include <stddef.h>

/* Which kernels an op class stands for, by their places in the table. */
static const struct {
	const nno_op_class *cls;
	bool tanh_form;
	size_t value, gradient;
} functions[] = {
#define FUNCTION(op, form, kernel)                                                                                    \
	{                                                                                                             \
		&nno_op_##op, form, offsetof(nno_kernels, kernel##_f32), offsetof(nno_kernels, kernel##_gradient_f32) \
	}
	FUNCTION(relu, false, relu),   FUNCTION(leaky_relu, false, leaky_relu),
	FUNCTION(relu6, false, relu6), FUNCTION(sigmoid, false, sigmoid),
	FUNCTION(tanh, false, tanh),   FUNCTION(silu, false, silu),
	FUNCTION(gelu, false, gelu),   FUNCTION(gelu, true, gelu_tanh),
#undef FUNCTION
};

typedef void (*value_fn)(float *dst, const float *x, float slope, int64_t n);
typedef void (*gradient_fn)(float *dx, const float *dy, const float *v, float slope, int64_t n, int add);

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
	for (size_t i = 0; i < NNO_COUNT(functions); i++)
		if (functions[i].cls == op->cls && functions[i].tanh_form == a->tanh_form) {
			j.value = *(const value_fn *)((const char *)run->kernels + functions[i].value);
			j.gradient = *(const gradient_fn *)((const char *)run->kernels + functions[i].gradient);
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
	j->value(j->run->dst + at, j->run->src[0] + at, j->slope, nno_chunk_length(j->count, index));
}

static void backward_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const act_job *j = user;
	int64_t at = index * NNO_CHUNK;
	const float *from = (j->op->cls->needs_src ? j->run->src[0] : j->run->dst) + at;
	j->gradient(j->run->dsrc[0] + at, j->run->ddst + at, from, j->slope, nno_chunk_length(j->count, index),
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

static void softmax_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const act_job *j = user;
	int64_t c = j->op->out.c, pixels = j->count / c,
		to = (index + 1) * PIXELS < pixels ? (index + 1) * PIXELS : pixels;
	for (int64_t p = index * PIXELS; p < to; p++) {
		const float *x = j->run->src[0] + p * c;
		float *y = j->run->dst + p * c;
		float sums[2];
		j->run->kernels->softmax_row_f32(y, x, c, sums);
		j->run->kernels->scale_f32(y, y, 1.0f / sums[1], c);
	}
}

static void softmax_back_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const act_job *j = user;
	int64_t c = j->op->out.c, pixels = j->count / c,
		to = (index + 1) * PIXELS < pixels ? (index + 1) * PIXELS : pixels;
	for (int64_t p = index * PIXELS; p < to; p++) {
		const float *y = j->run->dst + p * c, *dy = j->run->ddst + p * c;
		float *dx = j->run->dsrc[0] + p * c;
		float dot = 0.0f;
		for (int64_t i = 0; i < c; i++)
			dot += y[i] * dy[i];
		for (int64_t i = 0; i < c; i++) {
			float g = y[i] * (dy[i] - dot);
			dx[i] = j->run->dsrc_add[0] ? dx[i] + g : g;
		}
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

#define COMMON \
	.attr_size = sizeof(nno_act_attr), .can_add = true, .book = book, .forward = forward, .backward = backward
const nno_op_class nno_op_relu = { .name = "relu", COMMON, .needs_dst = true, .inplace = true, .gradient_inplace = 1 };
const nno_op_class nno_op_leaky_relu = { .name = "leaky_relu", COMMON, .needs_src = true };
const nno_op_class nno_op_relu6 = {
	.name = "relu6", COMMON, .needs_dst = true, .inplace = true, .gradient_inplace = 1
};
const nno_op_class nno_op_gelu = { .name = "gelu", COMMON, .needs_src = true };
const nno_op_class nno_op_silu = { .name = "silu", COMMON, .needs_src = true };
const nno_op_class nno_op_sigmoid = {
	.name = "sigmoid", COMMON, .needs_dst = true, .inplace = true, .gradient_inplace = 1
};
const nno_op_class nno_op_tanh = { .name = "tanh", COMMON, .needs_dst = true, .inplace = true, .gradient_inplace = 1 };
const nno_op_class nno_op_softmax = {
	.name = "softmax",
	.attr_size = sizeof(nno_act_attr),
	.can_add = true,
	.needs_dst = true,
	.book = book,
	.forward = softmax_forward,
	.backward = softmax_backward,
};
