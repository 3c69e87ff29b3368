/* recurrent_backward.c - gradients of lstm and gru, through time. Step by step for a block of samples in each task,
 * each row of gates becomes its gradient; then those of the weights and of the source are products over all steps. */
#include "op/recurrent.h"

#include "base/size.h"

#include <string.h>

#define RUN 56      /* rows of a task of the source's gradient */
#define SUM_ROWS 16 /* of gates, which a first-level cache holds while they are summed */

/* dh += what dst's gradient says of this step, `room` having space for a row. */
static void add_result(const nno_recurrent *r, int64_t s, int64_t i, float *dh, float *room)
{
	if (r->a.last && s < r->steps - 1)
		return;
	int64_t place = r->a.last ? i : i * r->steps + place_of(r, s);
	const float *d = nno_as_floats(r->run, room, ddst_of(r->run) + place * r->hidden, r->hidden);
	r->run->kernels->f32->add(dh, dh, d, r->hidden);
}

static void cell_gradient(const nno_recurrent *r, int64_t s, int64_t i, float *dh, float *dc)
{
	const nno_kernels *k = r->run->kernels;
	float *gates = row_of(r, r->values, s, i, 4 * r->hidden);
	if (r->lstm)
		k->lstm_cell_gradient_f32(gates, row_of(r, r->c, s - 1, i, r->hidden), row_of(r, r->c, s, i, r->hidden),
					  dh, dc, r->hidden);
	else
		k->gru_cell_gradient_f32(gates, row_of(r, r->h, s - 1, i, r->hidden), dh, dh, r->hidden);
}

/* The gradient of the hidden state before, from that of the gates. */
static void pass_back(const nno_recurrent *r, int64_t s, int64_t i, int64_t m, float *dh)
{
	const nno_kernels *k = r->run->kernels;
	const float *gates = row_of(r, r->values, s, i, 4 * r->hidden);
	int64_t h = r->hidden, wide = 4 * h;
	if (r->lstm) {
		nno_panels_product(k, &r->hh, 0, wide, m, gates, wide, dh, h, NULL, 0);
		return;
	}
	nno_panels_product(k, &r->hh, 0, 2 * h, m, gates, wide, dh, h, NULL, NNO_GEMM_ADD);
	nno_panels_product(k, &r->hh, 2 * h, h, m, gates + 3 * h, wide, dh, h, NULL, NNO_GEMM_ADD);
}

static void backward_block(void *user, int64_t index, int slot)
{
	const nno_recurrent *r = user;
	int64_t first = index * r->block, m = nno_i64_min(r->block, r->n - first), h = r->hidden;
	float *dh = r->scratch + slot * r->slot_floats, *dc = dh + r->block * h, *room = dc + r->block * h;
	memset(dh, 0, (size_t)(m * h) * sizeof(float));
	memset(dc, 0, (size_t)(m * h) * sizeof(float));
	for (int64_t s = r->steps - 1; s >= 0; s--) {
		for (int64_t i = 0; i < m; i++) {
			add_result(r, s, first + i, dh + i * h, room);
			cell_gradient(r, s, first + i, dh + i * h, dc + i * h);
		}
		if (s > 0)
			pass_back(r, s, first, m, dh);
	}
}

/* --- the weights --- */

static void copy_square(float *dst, const float *src, int64_t rows, int64_t ld, int64_t width)
{
	for (int64_t i = 0; i < rows; i++)
		memcpy(dst + i * width, src + i * ld, (size_t)width * sizeof(float));
}

/* A task is a square of one of the weights, in columns of one gate. What it multiplies is copied together, a stretch at
 * a time: its lines may be a power of two apart, and then one cache set theirs. */
static void weight_square(const nno_recurrent *r, int which, int64_t index, float *room)
{
	int64_t h = r->hidden, wide = 4 * h, down = which == 0 ? r->in : h, zero = 0;
	int64_t across = nno_i64_ceil_div(h, NNO_SQUARE), gates = r->gates / h;
	int64_t column = index % across * NNO_SQUARE, gate = index / across % gates,
		row = index / across / gates * NNO_SQUARE;
	int64_t m = nno_i64_min(NNO_SQUARE, down - row), n = nno_i64_min(NNO_SQUARE, h - column);
	/* gru's third gate takes its past through the fourth row of gates; a step's past lies n rows above. */
	const float *y = r->values + (which == 1 && !r->lstm && gate == 2 ? 3 : gate) * h + column;
	const float *x = (which == 0 ? r->x : r->h) + row;
	int64_t k = which == 0 ? r->rows : r->rows - r->n;
	y += which == 0 ? 0 : r->n * wide;
	float *dw = r->run->dparam[which] + row * r->gates + gate * h + column, *ys = room + NNO_STRETCH * NNO_SQUARE;
	int64_t at = 0;
	do {
		int64_t part = nno_i64_min(NNO_STRETCH, k - at);
		copy_square(room, x + at * down, part, down, m);
		copy_square(ys, y + at * wide, part, wide, n);
		r->run->kernels->gemm_columns_f32(m, n, part, 1, room, &zero, m, ys, &zero, n, dw, r->gates,
						  at > 0 || r->run->dparam_add ? NNO_GEMM_ADD : 0);
		at += NNO_STRETCH;
	} while (at < k);
}

static int64_t squares_of(const nno_recurrent *r, int which)
{
	int64_t down = which == 0 ? r->in : r->hidden;
	return r->run->dparam[which] == NULL ? 0
					     : nno_i64_ceil_div(down, NNO_SQUARE) *
						   nno_i64_ceil_div(r->hidden, NNO_SQUARE) * (r->gates / r->hidden);
}

static void give_bias(const nno_recurrent *r, float *dst, int64_t from, const float *sums, int64_t count)
{
	if (r->run->dparam_add)
		r->run->kernels->f32->add(dst + from, dst + from, sums, count);
	else
		memcpy(dst + from, sums, (size_t)count * sizeof(float));
}

static void bias_gradients(const nno_recurrent *r)
{
	int64_t h = r->hidden, wide = 4 * h;
	float *ih = r->run->dparam[2], *hh = r->run->dparam[3];
	if (ih == NULL && hh == NULL)
		return;
	memset(r->sums, 0, (size_t)wide * sizeof(float));
	for (int64_t row = 0; row < r->rows; row += SUM_ROWS)
		r->run->kernels->f32->column_sums(r->sums, r->values + row * wide, nno_i64_min(SUM_ROWS, r->rows - row),
						  wide);
	if (ih != NULL)
		give_bias(r, ih, 0, r->sums, r->gates);
	if (hh != NULL)
		give_bias(r, hh, 0, r->sums, r->lstm ? wide : 2 * h);
	if (hh != NULL && !r->lstm)
		give_bias(r, hh, 2 * h, r->sums + 3 * h, h);
}

/* The sums are one task, the first because they take longest. */
static void parameter_task(void *user, int64_t index, int slot)
{
	const nno_recurrent *r = user;
	float *room = r->scratch + slot * r->slot_floats;
	int64_t inner = squares_of(r, 1);
	if (index == 0) {
		if (r->a.bias)
			bias_gradients(r);
	} else if (index - 1 < inner) {
		weight_square(r, 1, index - 1, room);
	} else {
		weight_square(r, 0, index - 1 - inner, room);
	}
}

/* --- the source --- */

static void source_run(void *user, int64_t index, int slot)
{
	(void)slot;
	const nno_recurrent *r = user;
	int64_t row = index * RUN, m = nno_i64_min(RUN, r->rows - row), wide = 4 * r->hidden;
	nno_panels_product(r->run->kernels, &r->ih, 0, r->gates, m, r->values + row * wide, wide, r->x + row * r->in,
			   r->in, NULL, 0);
}

static void scatter_sample(void *user, int64_t i, int slot)
{
	(void)slot;
	const nno_recurrent *r = user;
	elem *dsrc = dsrc_of(r->run, 0) + i * nno_shape_count(r->op->in[0]);
	for (int64_t s = 0; s < r->steps; s++) {
		elem *step = dsrc + place_of(r, s) * r->step_gap;
		const float *row = row_of(r, r->x, s, i, r->in);
		for (int64_t p = 0; p < r->pieces; p++)
			kernels_of(r->run)->narrow(step + p * r->piece_gap, row + p * r->length, 1.0f, r->length,
						   r->run->dsrc_add[0]);
	}
}

void NNO_OF(nno_recurrent_backward)(const nno_op *op, nno_run *run)
{
	nno_recurrent r = NNO_OF(nno_recurrent_start)(op, run, true);
	nno_panels_fill(run, (const nno_panels[]){ r.hh, r.ih }, run->dsrc[0] != NULL ? 2 : 1);
	nno_parallel_for(run->pool, blocks_of(&r), backward_block, &r);
	if (op->wants_dparam) {
		if (run->dparam[0] != NULL)
			NNO_OF(nno_recurrent_gather)(&r);
		nno_parallel_for(run->pool, 1 + squares_of(&r, 1) + squares_of(&r, 0), parameter_task, &r);
	}
	if (run->dsrc[0] != NULL) {
		nno_parallel_for(run->pool, nno_i64_ceil_div(r.rows, RUN), source_run, &r);
		nno_parallel_for(run->pool, r.n, scatter_sample, &r);
	}
}
