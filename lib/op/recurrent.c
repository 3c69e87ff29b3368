/* recurrent.c - lstm and gru, semantics of torch.nn.LSTM and torch.nn.GRU: memory, and the way forward. The inputs'
 * part of all gates at all steps is one product; the rest goes step by step, for a block of samples in each task, which
 * waits for no other. */
#include "op/recurrent.h"

#include "base/size.h"

#include <string.h>

#define RUN 56         /* rows of a task of the inputs' product */
#define MOST_BLOCKS 16 /* tasks that a batch is worth cutting into, of at least so many */
#define BLOCK_UNIT 7   /* samples, which fill a register tile of the product */
#define LARGEST_BLOCK ((int64_t)4 * BLOCK_UNIT)
#define NEAR_WEIGHTS ((int64_t)1 << 17) /* floats that stay in a second-level cache from step to step */

/* Takes matrices off a piece of memory, or only counts them where there is none. */
typedef struct carver {
	char *memory;
	size_t bytes;
	bool fits;
} carver;

static float *carve(carver *c, int64_t rows, int64_t columns)
{
	size_t bytes, at = c->bytes;
	c->fits = c->fits && nno_size_mul((size_t)rows, (size_t)columns, &bytes) &&
		  nno_size_mul(bytes, sizeof(float), &bytes) && bytes < SIZE_MAX / 4 &&
		  nno_size_add(at, nno_size_round_up(bytes, NNO_ALIGNMENT), &c->bytes);
	return c->fits && c->memory != NULL ? (float *)(void *)(c->memory + at) : NULL;
}

static void read_sequence(recurrent *r)
{
	nno_shape s = r->op->in[0];
	bool columns = r->a.sequence == NNO_COLUMNS;
	r->steps = r->a.sequence == NNO_ROWS ? s.h : columns ? s.w : s.h * s.w;
	r->pieces = columns ? s.h : 1;
	r->length = r->a.sequence == NNO_ROWS ? s.w * s.c : s.c;
	r->step_gap = r->length;
	r->piece_gap = s.w * s.c;
	r->in = r->pieces * r->length;
}

/* Blocks are so large that the weights, where they are far, are worth reading for them. */
static int64_t block_of(const recurrent *r)
{
	int64_t share = nno_i64_ceil_div(r->op->batch, MOST_BLOCKS);
	int64_t block = nno_i64_ceil_div(share, BLOCK_UNIT) * BLOCK_UNIT;
	return r->gates * r->hidden > NEAR_WEIGHTS ? LARGEST_BLOCK : nno_i64_min(block, LARGEST_BLOCK);
}

/* False when a size overflows. What backward reads is kept; else it is workspace. */
static bool lay_out(recurrent *r, bool backward, int slots, carver *kept, carver *room)
{
	int64_t rows;
	if (!nno_i64_mul(r->op->batch, r->steps, &rows))
		return false;
	carver *state = r->op->training ? kept : room;
	r->x = carve(room, rows, r->in);
	r->sums = carve(room, 4, r->hidden);
	r->values = carve(state, rows, 4 * r->hidden);
	r->h = carve(state, rows, r->hidden);
	r->c = r->lstm ? carve(state, rows, r->hidden) : NULL;
	if (backward) {
		r->turned_ih = carve(room, r->gates, r->in);
		r->turned_hh = carve(room, r->gates, r->hidden);
		r->scratch = carve(room, slots, r->slot_floats);
	}
	return kept->fits && room->fits;
}

static recurrent describe(const nno_op *op)
{
	recurrent r = { .op = op,
			.lstm = op->cls == &nno_op_lstm,
			.a = *(const nno_recurrent_attr *)op->attr,
			.hidden = op->out.c };
	read_sequence(&r);
	r.gates = (r.lstm ? 4 : 3) * r.hidden;
	r.block = block_of(&r);
	r.slot_floats = (2 * r.block + 1) * r.hidden;
	return r;
}

static bool book(nno_op *op, int slots)
{
	recurrent r = describe(op);
	carver kept = { .fits = true }, room = { .fits = true }, kept_again = kept, back = room;
	if (!lay_out(&r, false, slots, &kept, &room) || !lay_out(&r, true, slots, &kept_again, &back))
		return false;
	op->saved_bytes = kept.bytes;
	op->forward_workspace = room.bytes;
	op->backward_workspace = back.bytes;
	return nno_i64_mul(r.gates, r.in + r.hidden, &op->macs) && nno_i64_mul(op->macs, r.steps, &op->macs);
}

recurrent NNO_OF(nno_recurrent_start)(const nno_op *op, nno_run *run, bool backward)
{
	recurrent r = describe(op);
	carver kept = { .memory = run->saved, .fits = true }, room = { .memory = run->workspace, .fits = true };
	(void)lay_out(&r, backward, nno_pool_slots(run->pool), &kept, &room);
	r.run = run;
	r.n = run->n;
	r.rows = r.n * r.steps;
	return r;
}

static void gather_sample(void *user, int64_t i, int slot)
{
	(void)slot;
	const recurrent *r = user;
	const elem *src = src_of(r->run, 0) + i * nno_shape_count(r->op->in[0]);
	for (int64_t s = 0; s < r->steps; s++) {
		const elem *step = src + place_of(r, s) * r->step_gap;
		float *row = row_of(r, r->x, s, i, r->in);
		for (int64_t p = 0; p < r->pieces; p++)
			kernels_of(r->run)->widen(row + p * r->length, step + p * r->piece_gap, r->length);
	}
}

void NNO_OF(nno_recurrent_gather)(recurrent *r) { nno_parallel_for(r->run->pool, r->n, gather_sample, r); }

/* What is added to each row of gates. PyTorch's two biases are one, but for that of gru's product of the past. */
static void add_biases(const recurrent *r)
{
	const float *ih = r->run->param[2], *hh = r->run->param[3];
	int64_t h = r->hidden, both = r->lstm ? 4 * h : 2 * h;
	r->run->kernels->f32->add(r->sums, ih, hh, both);
	if (!r->lstm) {
		memcpy(r->sums + 2 * h, ih + 2 * h, (size_t)h * sizeof(float));
		memcpy(r->sums + 3 * h, hh + 2 * h, (size_t)h * sizeof(float));
	}
}

static void input_run(void *user, int64_t index, int slot)
{
	(void)slot;
	const recurrent *r = user;
	int64_t row = index * RUN, m = nno_i64_min(RUN, r->rows - row), wide = 4 * r->hidden;
	r->run->kernels->f32->gemm(m, r->gates, r->in, r->x + row * r->in, r->in, r->run->param[0], r->gates,
				   r->values + row * wide, wide, r->a.bias ? r->sums : NULL, 0);
}

/* The hidden state's part of the gates of m samples; before the first step it is zero. */
static void add_past(const recurrent *r, int64_t s, int64_t i, int64_t m)
{
	const nno_kernels_f32 *f32 = r->run->kernels->f32;
	const float *before = row_of(r, r->h, s - 1, i, r->hidden), *w = r->run->param[1];
	float *gates = row_of(r, r->values, s, i, 4 * r->hidden);
	int64_t h = r->hidden, wide = 4 * h;
	if (before != NULL)
		f32->gemm(m, r->lstm ? wide : 2 * h, h, before, h, w, r->gates, gates, wide, NULL, NNO_GEMM_ADD);
	if (!r->lstm)
		f32->gemm(m, h, before != NULL ? h : 0, before != NULL ? before : r->h, h, w + 2 * h, r->gates,
			  gates + 3 * h, wide, r->a.bias ? r->sums + 3 * h : NULL, 0);
}

static void run_cell(const recurrent *r, int64_t s, int64_t i)
{
	const nno_kernels *k = r->run->kernels;
	float *gates = row_of(r, r->values, s, i, 4 * r->hidden), *h = row_of(r, r->h, s, i, r->hidden);
	if (r->lstm)
		k->lstm_cell_f32(gates, row_of(r, r->c, s - 1, i, r->hidden), row_of(r, r->c, s, i, r->hidden), h,
				 r->hidden);
	else
		k->gru_cell_f32(gates, row_of(r, r->h, s - 1, i, r->hidden), h, r->hidden);
	bool shown = !r->a.last || s == r->steps - 1;
	int64_t place = r->a.last ? i : i * r->steps + place_of(r, s);
	if (shown)
		kernels_of(r->run)->narrow(dst_of(r->run) + place * r->hidden, h, 1.0f, r->hidden, 0);
}

static void forward_block(void *user, int64_t index, int slot)
{
	(void)slot;
	const recurrent *r = user;
	int64_t first = index * r->block, m = nno_i64_min(r->block, r->n - first);
	for (int64_t s = 0; s < r->steps; s++) {
		add_past(r, s, first, m);
		for (int64_t i = 0; i < m; i++)
			run_cell(r, s, first + i);
	}
}

static void forward(const nno_op *op, nno_run *run)
{
	recurrent r = NNO_OF(nno_recurrent_start)(op, run, false);
	NNO_OF(nno_recurrent_gather)(&r);
	if (r.a.bias)
		add_biases(&r);
	nno_parallel_for(run->pool, nno_i64_ceil_div(r.rows, RUN), input_run, &r);
	nno_parallel_for(run->pool, blocks_of(&r), forward_block, &r);
}

NNO_OP_CODE(lstm) = { book, forward, NNO_OF(nno_recurrent_backward), NULL };
NNO_OP_CODE(gru) = { book, forward, NNO_OF(nno_recurrent_backward), NULL };
