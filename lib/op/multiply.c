/* multiply.c - products: of two inputs of one shape, of a picture by a factor for each of its channels (a second input
 * of one pixel a sample), and of values by a constant. */
#include "op/parallel.h"

#include "base/size.h"

#include <string.h>

typedef struct multiply_job {
	const nno_op *op;
	nno_run *run;
	int64_t count;     /* values of the batch */
	int64_t pixels, c; /* of a sample, where factors are spread over it */
	float *room;       /* of slots, a float a channel each */
} multiply_job;

static multiply_job start_job(const nno_op *op, nno_run *run)
{
	return (multiply_job){ .op = op,
			       .run = run,
			       .count = run->n * nno_shape_count(op->out),
			       .pixels = op->out.h * op->out.w,
			       .c = op->out.c,
			       .room = run->workspace };
}

/* Of inputs of equal shape there is nothing to spread. */
static bool spreads(const nno_op *op) { return nno_shape_count(op->in[1]) != nno_shape_count(op->in[0]); }

static bool book(nno_op *op, int slots)
{
	op->forward_workspace = op->backward_workspace = 0;
	op->macs = 0;
	if (!spreads(op))
		return true;
	return nno_size_mul((size_t)op->out.c * sizeof(float), (size_t)slots, &op->forward_workspace) &&
	       nno_size_add(op->forward_workspace, 0, &op->backward_workspace);
}

static void value_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const multiply_job *j = user;
	int64_t at = index * NNO_CHUNK;
	kernels_of(j->run)->multiply(dst_of(j->run) + at, src_of(j->run, 0) + at, src_of(j->run, 1) + at,
				     nno_chunk_length(j->count, index), 0);
}

/* The gradient that may take the place of the result's comes last; else the first, which the second may add to, for
 * both may be of one value. */
static void gradient_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const multiply_job *j = user;
	nno_run *run = j->run;
	int64_t at = index * NNO_CHUNK, n = nno_chunk_length(j->count, index);
	int first = run->dsrc[0] == run->ddst ? 1 : 0;
	for (int i = 0; i < 2; i++) {
		int k = i == 0 ? first : 1 - first;
		if (run->dsrc[k] != NULL)
			kernels_of(run)->multiply(dsrc_of(run, k) + at, ddst_of(run) + at, src_of(run, 1 - k) + at, n,
						  run->dsrc_add[k]);
	}
}

/* A sample's factors as floats. */
static const float *factors_of(const multiply_job *j, int64_t sample, int slot)
{
	return nno_as_floats(j->run, j->room + slot * j->c, src_of(j->run, 1) + sample * j->c, j->c);
}

static void value_sample(void *user, int64_t sample, int slot)
{
	const multiply_job *j = user;
	int64_t at = sample * j->pixels * j->c;
	kernels_of(j->run)->multiply_columns(dst_of(j->run) + at, src_of(j->run, 0) + at, factors_of(j, sample, slot),
					     j->pixels, j->c, 0);
}

static void gradient_sample(void *user, int64_t sample, int slot)
{
	const multiply_job *j = user;
	nno_run *run = j->run;
	int64_t at = sample * j->pixels * j->c;
	const elem *dy = ddst_of(run) + at;
	if (run->dsrc[1] != NULL) {
		float *sums = j->room + slot * j->c;
		memset(sums, 0, (size_t)j->c * sizeof *sums);
		kernels_of(run)->product_sums(sums, dy, src_of(run, 0) + at, j->pixels, j->c);
		kernels_of(run)->narrow(dsrc_of(run, 1) + sample * j->c, sums, 1.0f, j->c, run->dsrc_add[1]);
	}
	if (run->dsrc[0] != NULL)
		kernels_of(run)->multiply_columns(dsrc_of(run, 0) + at, dy, factors_of(j, sample, slot), j->pixels,
						  j->c, run->dsrc_add[0]);
}

static void forward(const nno_op *op, nno_run *run)
{
	multiply_job j = start_job(op, run);
	if (spreads(op))
		nno_parallel_for(run->pool, run->n, value_sample, &j);
	else
		nno_parallel_for(run->pool, nno_chunks(j.count), value_chunk, &j);
}

static void backward(const nno_op *op, nno_run *run)
{
	multiply_job j = start_job(op, run);
	if (spreads(op))
		nno_parallel_for(run->pool, run->n, gradient_sample, &j);
	else
		nno_parallel_for(run->pool, nno_chunks(j.count), gradient_chunk, &j);
}

NNO_OP_CODE(multiply) = { .book = book, .forward = forward, .backward = backward };

/* --- by a constant --- */

static bool book_nothing(nno_op *op, int slots)
{
	(void)op;
	(void)slots;
	return true;
}

static float factor_of(const multiply_job *j) { return ((const nno_scale_attr *)j->op->attr)->factor; }

static void scale_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const multiply_job *j = user;
	int64_t at = index * NNO_CHUNK;
	kernels_of(j->run)->scale_values(dst_of(j->run) + at, src_of(j->run, 0) + at, factor_of(j),
					 nno_chunk_length(j->count, index), 0);
}

static void scale_back_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const multiply_job *j = user;
	int64_t at = index * NNO_CHUNK;
	kernels_of(j->run)->scale_values(dsrc_of(j->run, 0) + at, ddst_of(j->run) + at, factor_of(j),
					 nno_chunk_length(j->count, index), j->run->dsrc_add[0]);
}

static void scale_forward(const nno_op *op, nno_run *run)
{
	multiply_job j = start_job(op, run);
	nno_parallel_for(run->pool, nno_chunks(j.count), scale_chunk, &j);
}

static void scale_backward(const nno_op *op, nno_run *run)
{
	multiply_job j = start_job(op, run);
	if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, nno_chunks(j.count), scale_back_chunk, &j);
}

NNO_OP_CODE(scale) = { .book = book_nothing, .forward = scale_forward, .backward = scale_backward };
