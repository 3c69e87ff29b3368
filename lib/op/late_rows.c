/* late_rows.c - a linear layer's gradient that comes after the backward pass, a few rows at a time, so that who updates
 * the weights finds it in cache. */
#include "op/late_rows.h"

#include "base/size.h"

#define VALUES 32768 /* in the second cache until they are taken, weights and slots beside them */
#define ROWS 8       /* whole rows, at least so many */

static int64_t rows_of(const nno_op *op)
{
	int64_t rows = NNO_LATE_ROWS;
	while (rows > ROWS && rows * op->out.c > VALUES)
		rows /= 2;
	return rows;
}

static int64_t tasks_of(const nno_op *op) { return nno_i64_ceil_div(op->in[0].c, rows_of(op)); }

static bool bytes_of(const nno_op *op, int slots, size_t *bytes)
{
	if (!nno_size_mul((size_t)op->out.c, (size_t)rows_of(op) * sizeof(float), bytes) ||
	    !nno_size_mul(*bytes, (size_t)slots, bytes) ||
	    !nno_size_add(*bytes, (size_t)tasks_of(op) * sizeof(double), bytes) || *bytes > SIZE_MAX / 2)
		return false;
	*bytes = nno_size_round_up(*bytes, NNO_ALIGNMENT);
	return true;
}

bool nno_late_book(nno_op *op, int slots)
{
	size_t bytes, before = nno_size_round_up(op->backward_workspace, NNO_ALIGNMENT);
	return bytes_of(op, slots, &bytes) && nno_size_add(before, bytes, &op->backward_workspace);
}

nno_late nno_late_start(const nno_op *op, const nno_run *run)
{
	size_t bytes = 0;
	if (run->sink == NULL)
		return (nno_late){ .rows = NNO_LATE_ROWS };
	(void)bytes_of(op, nno_pool_slots(run->pool), &bytes);
	nno_late late = { .rows = rows_of(op) };
	late.squares = (double *)(void *)((char *)run->workspace + op->backward_workspace - bytes);
	late.made = (float *)(void *)(late.squares + tasks_of(op));
	return late;
}

float *nno_late_block(const nno_op *op, const nno_run *run, const nno_late *late, int64_t index, int slot)
{
	int64_t values = late->rows * op->out.c;
	return late->made != NULL ? late->made + slot * values : run->dparam[0] + index * values;
}

void nno_late_give(const nno_op *op, const nno_run *run, const nno_late *late, int64_t index, int slot)
{
	if (late->made == NULL)
		return;
	int64_t row = index * late->rows, count = nno_i64_min(late->rows, op->in[0].c - row) * op->out.c;
	const float *gradient = nno_late_block(op, run, late, index, slot);
	if (run->sink->squares)
		run->kernels->sum_squares_f32(gradient, count, &late->squares[index]);
	run->sink->take(run->sink->user, gradient, row * op->out.c, count);
}

void nno_late_end(const nno_op *op, nno_run *run, const nno_late *late)
{
	run->squares = 0.0;
	for (int64_t i = 0; run->sink != NULL && run->sink->squares && i < tasks_of(op); i++)
		run->squares += late->squares[i];
}
