/* joint.c - flatten, add and concat: values moved, not computed. A task is one image. */
#include "base/size.h"
#include "op/element.h"

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
	kernels_of(j->run)->transpose(dst_of(j->run) + i * n, s.h * s.w, src_of(j->run, 0) + i * n, s.c, s.h * s.w,
				      s.c);
}

static void flatten_back_image(void *user, int64_t i, int slot)
{
	(void)slot;
	const joint_job *j = user;
	nno_shape s = j->op->in[0];
	int64_t n = nno_shape_count(s);
	kernels_of(j->run)->transpose(dsrc_of(j->run, 0) + i * n, s.c, ddst_of(j->run) + i * n, s.h * s.w, s.c,
				      s.h * s.w);
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

/* More than two are rounded once, when all are added. */
static void add_as_floats(const joint_job *j, elem *dst, int64_t at, int64_t n)
{
	enum { FEW = 512 };
	float sums[FEW], room[FEW];
	for (int64_t from = 0; from < n; from += FEW) {
		int64_t few = nno_i64_min(FEW, n - from);
		memset(sums, 0, sizeof sums);
		for (int k = 0; k < j->op->n_in; k++)
			j->run->kernels->f32->add(sums, sums,
						  nno_as_floats(j->run, room, src_of(j->run, k) + at + from, few), few);
		kernels_of(j->run)->narrow(dst + from, sums, 1.0f, few, 0);
	}
}

static void add_image(void *user, int64_t i, int slot)
{
	(void)slot;
	const joint_job *j = user;
	int64_t n = nno_shape_count(j->op->out);
	elem *dst = dst_of(j->run) + i * n;
	if (NNO_WIDENS && j->op->n_in > 2) {
		add_as_floats(j, dst, i * n, n);
		return;
	}
	kernels_of(j->run)->add(dst, src_of(j->run, 0) + i * n, src_of(j->run, 1) + i * n, n);
	for (int k = 2; k < j->op->n_in; k++)
		kernels_of(j->run)->add(dst, dst, src_of(j->run, k) + i * n, n);
}

static void add_back_image(void *user, int64_t i, int slot)
{
	(void)slot;
	const joint_job *j = user;
	int64_t n = nno_shape_count(j->op->out);
	const elem *ddst = ddst_of(j->run) + i * n;
	for (int k = 0; k < j->op->n_in; k++) {
		if (j->run->dsrc[k] == NULL || j->run->dsrc[k] == j->run->ddst)
			continue;
		elem *dsrc = dsrc_of(j->run, k) + i * n;
		if (j->run->dsrc_add[k])
			kernels_of(j->run)->add(dsrc, dsrc, ddst, n);
		else
			memcpy(dsrc, ddst, (size_t)n * sizeof(elem));
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
			memcpy(dst_of(j->run) + (i * pixels + p) * channels + at,
			       src_of(j->run, k) + (i * pixels + p) * c, (size_t)c * sizeof(elem));
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
			elem *to = dsrc_of(j->run, k) + (i * pixels + p) * c;
			const elem *from = ddst_of(j->run) + (i * pixels + p) * channels + at;
			if (j->run->dsrc_add[k])
				kernels_of(j->run)->add(to, to, from, c);
			else
				memcpy(to, from, (size_t)c * sizeof(elem));
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

NNO_OP_CODE(flatten) = { .book = book, .forward = flatten_forward, .backward = flatten_backward };
NNO_OP_CODE(add) = { .book = book, .forward = add_forward, .backward = add_backward };
NNO_OP_CODE(concat) = { .book = book, .forward = concat_forward, .backward = concat_backward };
