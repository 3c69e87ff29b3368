/* joint.c - flatten, add and concat: values moved, not computed. A task is one image. */
#include "op/op.h"

#include <string.h>

typedef struct joint_job {
	const nno_op *op;
	nno_run *run;
} joint_job;

static bool book(nno_op *op, int slots)
{
	(void)op;
	(void)slots;
	return true;
}

static void flatten_image(void *user, int64_t i, int slot)
{
	(void)slot;
	const joint_job *j = user;
	nno_shape s = j->op->in[0];
	int64_t n = nno_shape_count(s);
	j->run->kernels->transpose_f32(j->run->dst + i * n, s.h * s.w, j->run->src[0] + i * n, s.c, s.h * s.w, s.c);
}

static void flatten_back_image(void *user, int64_t i, int slot)
{
	(void)slot;
	const joint_job *j = user;
	nno_shape s = j->op->in[0];
	int64_t n = nno_shape_count(s);
	j->run->kernels->transpose_f32(j->run->dsrc[0] + i * n, s.c, j->run->ddst + i * n, s.h * s.w, s.c, s.h * s.w);
}

static void flatten_forward(const nno_op *op, nno_run *run)
{
	joint_job j = { op, run };
	nno_parallel_for(run->pool, run->n, flatten_image, &j);
}

static void flatten_backward(const nno_op *op, nno_run *run)
{
	joint_job j = { op, run };
	if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, run->n, flatten_back_image, &j);
}

static void add_image(void *user, int64_t i, int slot)
{
	(void)slot;
	const joint_job *j = user;
	int64_t n = nno_shape_count(j->op->out);
	float *dst = j->run->dst + i * n;
	j->run->kernels->add_f32(dst, j->run->src[0] + i * n, j->run->src[1] + i * n, n);
	for (int k = 2; k < j->op->n_in; k++)
		j->run->kernels->accumulate_f32(dst, j->run->src[k] + i * n, n);
}

static void add_back_image(void *user, int64_t i, int slot)
{
	(void)slot;
	const joint_job *j = user;
	int64_t n = nno_shape_count(j->op->out);
	const float *ddst = j->run->ddst + i * n;
	for (int k = 0; k < j->op->n_in; k++) {
		if (j->run->dsrc[k] == NULL || j->run->dsrc[k] == j->run->ddst)
			continue;
		if (j->run->dsrc_add[k])
			j->run->kernels->accumulate_f32(j->run->dsrc[k] + i * n, ddst, n);
		else
			memcpy(j->run->dsrc[k] + i * n, ddst, (size_t)n * sizeof(float));
	}
}

static void add_forward(const nno_op *op, nno_run *run)
{
	joint_job j = { op, run };
	nno_parallel_for(run->pool, run->n, add_image, &j);
}

static void add_backward(const nno_op *op, nno_run *run)
{
	joint_job j = { op, run };
	nno_parallel_for(run->pool, run->n, add_back_image, &j);
}

static void concat_image(void *user, int64_t i, int slot)
{
	(void)slot;
	const joint_job *j = user;
	int64_t pixels = j->op->out.h * j->op->out.w, channels = j->op->out.c, at = 0;
	for (int k = 0; k < j->op->n_in; k++) {
		int64_t c = j->op->in[k].c;
		for (int64_t p = 0; p < pixels; p++)
			memcpy(j->run->dst + (i * pixels + p) * channels + at, j->run->src[k] + (i * pixels + p) * c,
			       (size_t)c * sizeof(float));
		at += c;
	}
}

static void concat_back_image(void *user, int64_t i, int slot)
{
	(void)slot;
	const joint_job *j = user;
	int64_t pixels = j->op->out.h * j->op->out.w, channels = j->op->out.c, at = 0;
	for (int k = 0; k < j->op->n_in; k++) {
		int64_t c = j->op->in[k].c;
		for (int64_t p = 0; p < pixels && j->run->dsrc[k] != NULL; p++) {
			float *to = j->run->dsrc[k] + (i * pixels + p) * c;
			const float *from = j->run->ddst + (i * pixels + p) * channels + at;
			if (j->run->dsrc_add[k])
				j->run->kernels->accumulate_f32(to, from, c);
			else
				memcpy(to, from, (size_t)c * sizeof(float));
		}
		at += c;
	}
}

static void concat_forward(const nno_op *op, nno_run *run)
{
	joint_job j = { op, run };
	nno_parallel_for(run->pool, run->n, concat_image, &j);
}

static void concat_backward(const nno_op *op, nno_run *run)
{
	joint_job j = { op, run };
	nno_parallel_for(run->pool, run->n, concat_back_image, &j);
}

const nno_op_class nno_op_flatten = {
	.name = "flatten", .book = book, .forward = flatten_forward, .backward = flatten_backward
};
const nno_op_class nno_op_add = {
	.name = "add",
	.inplace = true,
	.gradient_inplace = (1u << NNO_OP_MAX_INPUTS) - 1,
	.can_add = true,
	.book = book,
	.forward = add_forward,
	.backward = add_backward,
};
const nno_op_class nno_op_concat = {
	.name = "concat", .can_add = true, .book = book, .forward = concat_forward, .backward = concat_backward
};
