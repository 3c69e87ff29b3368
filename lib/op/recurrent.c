/* recurrent.c - lstm and gru, semantics of torch.nn.LSTM and torch.nn.GRU: memory, and the way forward. The inputs'
 * part of all gates at all steps is one product; the rest goes step by step, for a block of samples in each task, which
 * waits for no other. */
#include "op/recurrent.h"

#include "base/size.h"

#include <string.h>

#define RUN 56            /* rows of a task of the inputs' product */
#define BLOCKS 8          /* tasks that a batch is cut into step by step, or more, so that several threads have work, */
#define BLOCK_UNIT 4      /* each of a multiple of so many samples, */
#define MOST_BLOCK 16     /* and at most so many, with which the product is about as fast as with more; */
#define MOST_FAR_BLOCK 32 /* or so many, where the weights come from far away at each step */
#define NEAR_WEIGHTS ((int64_t)1 << 17) /* because they are more floats than a second-level cache keeps */

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

static void read_sequence(nno_recurrent *r)
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

static int64_t block_of(const nno_recurrent *r)
{
	int64_t share = nno_i64_ceil_div(r->op->batch, BLOCKS * BLOCK_UNIT) * BLOCK_UNIT;
	return nno_i64_min(share, r->gates * r->hidden > NEAR_WEIGHTS ? MOST_FAR_BLOCK : MOST_BLOCK);
}

static nno_panels panels_of(carver *room, const float *from, int64_t rows, int64_t columns, int64_t ld, bool turned)
{
	return (nno_panels){ rows, columns, carve(room, rows, columns), from, ld, turned };
}

/* Forward two, and three of gru, whose third gate scales what its past comes to. */
static void lay_out_weights(nno_recurrent *r, bool backward, const float *ih, const float *hh, carver *room)
{
	int64_t h = r->hidden, both = r->lstm ? 4 * h : 2 * h;
	if (backward) {
		r->ih = panels_of(room, ih, r->gates, r->in, r->gates, true);
		r->hh = panels_of(room, hh, r->gates, h, r->gates, true);
		return;
	}
	r->ih = panels_of(room, ih, r->in, r->gates, r->gates, false);
	r->hh = panels_of(room, hh, h, both, r->gates, false);
	if (!r->lstm)
		r->third = panels_of(room, hh != NULL ? hh + both : NULL, h, h, r->gates, false);
}

/* Where things lie in what backward reads, which is workspace where there is no backward; in the workspace; and in what
 * pack() fills. */
typedef struct memory {
	carver saved, room, packed;
} memory;

/* False when a size overflows. */
static bool lay_out(nno_recurrent *r, bool backward, int slots, const nno_run *run, memory *m)
{
	int64_t rows;
	if (!nno_i64_mul(r->op->batch, r->steps, &rows))
		return false;
	carver *state = r->op->training ? &m->saved : &m->room;
	r->x = carve(&m->room, rows, r->in);
	r->sums = carve(&m->room, 4, r->hidden);
	r->values = carve(state, rows, 4 * r->hidden);
	r->h = carve(state, rows, r->hidden);
	r->c = r->lstm ? carve(state, rows, r->hidden) : NULL;
	lay_out_weights(r, backward, run != NULL ? run->param[0] : NULL, run != NULL ? run->param[1] : NULL,
			r->op->constant ? &m->packed : &m->room);
	r->scratch = backward ? carve(&m->room, slots, r->slot_floats) : NULL;
	return m->saved.fits && m->room.fits && m->packed.fits;
}

static memory memory_of(const nno_run *run)
{
	return (memory){ { run != NULL ? run->saved : NULL, 0, true },
			 { run != NULL ? run->workspace : NULL, 0, true },
			 { run != NULL ? run->packed : NULL, 0, true } };
}

static nno_recurrent describe(const nno_op *op)
{
	nno_recurrent r = { .op = op,
			    .lstm = op->cls == &nno_op_lstm,
			    .a = *(const nno_recurrent_attr *)op->attr,
			    .hidden = op->out.c };
	read_sequence(&r);
	r.gates = (r.lstm ? 4 : 3) * r.hidden;
	r.block = block_of(&r);
	r.slot_floats = nno_i64_max((2 * r.block + 1) * r.hidden, NNO_RECURRENT_SQUARES);
	return r;
}

static bool book(nno_op *op, int slots)
{
	nno_recurrent r = describe(op);
	memory forward = memory_of(NULL), backward = forward;
	if (!lay_out(&r, false, slots, NULL, &forward) || !lay_out(&r, true, slots, NULL, &backward))
		return false;
	op->saved_bytes = forward.saved.bytes;
	op->packed_bytes = forward.packed.bytes;
	op->forward_workspace = forward.room.bytes;
	op->backward_workspace = backward.room.bytes;
	return nno_i64_mul(r.gates, r.in + r.hidden, &op->macs) && nno_i64_mul(op->macs, r.steps, &op->macs);
}

nno_recurrent NNO_OF(nno_recurrent_start)(const nno_op *op, nno_run *run, bool backward)
{
	nno_recurrent r = describe(op);
	memory m = memory_of(run);
	(void)lay_out(&r, backward, nno_pool_slots(run->pool), run, &m);
	r.run = run;
	r.n = run->n;
	r.rows = r.n * r.steps;
	return r;
}

static void pack(const nno_op *op, nno_run *run)
{
	nno_recurrent r = NNO_OF(nno_recurrent_start)(op, run, false);
	nno_panels_fill(run, (const nno_panels[]){ r.ih, r.hh, r.third }, r.lstm ? 2 : 3);
}

static void gather_sample(void *user, int64_t i, int slot)
{
	(void)slot;
	const nno_recurrent *r = user;
	const elem *src = src_of(r->run, 0) + i * nno_shape_count(r->op->in[0]);
	for (int64_t s = 0; s < r->steps; s++) {
		const elem *step = src + place_of(r, s) * r->step_gap;
		float *row = row_of(r, r->x, s, i, r->in);
		for (int64_t p = 0; p < r->pieces; p++)
			kernels_of(r->run)->widen(row + p * r->length, step + p * r->piece_gap, r->length);
	}
}

void NNO_OF(nno_recurrent_gather)(nno_recurrent *r) { nno_parallel_for(r->run->pool, r->n, gather_sample, r); }

/* What is added to each row of gates. PyTorch's two biases are one, but for that of gru's product of the past. */
static void add_biases(const nno_recurrent *r)
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
	const nno_recurrent *r = user;
	int64_t row = index * RUN, m = nno_i64_min(RUN, r->rows - row), wide = 4 * r->hidden;
	nno_panels_product(r->run->kernels, &r->ih, 0, r->in, m, r->x + row * r->in, r->in, r->values + row * wide,
			   wide, r->a.bias ? r->sums : NULL, 0);
}

/* The hidden state's part of the gates of m samples; before the first step it is zero. */
static void add_past(const nno_recurrent *r, int64_t s, int64_t i, int64_t m)
{
	const nno_kernels *k = r->run->kernels;
	const float *before = row_of(r, r->h, s - 1, i, r->hidden), *bias = r->a.bias ? r->sums + 3 * r->hidden : NULL;
	float *gates = row_of(r, r->values, s, i, 4 * r->hidden);
	int64_t h = r->hidden, wide = 4 * h;
	if (before != NULL)
		nno_panels_product(k, &r->hh, 0, h, m, before, h, gates, wide, NULL, NNO_GEMM_ADD);
	if (!r->lstm && before != NULL)
		nno_panels_product(k, &r->third, 0, h, m, before, h, gates + 3 * h, wide, bias, 0);
	for (int64_t p = 0; !r->lstm && before == NULL && p < m; p++) {
		float *past = gates + p * wide + 3 * h;
		if (bias != NULL)
			memcpy(past, bias, (size_t)h * sizeof(float));
		else
			memset(past, 0, (size_t)h * sizeof(float));
	}
}

static void run_cell(const nno_recurrent *r, int64_t s, int64_t i)
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
	const nno_recurrent *r = user;
	int64_t first = index * r->block, m = nno_i64_min(r->block, r->n - first);
	for (int64_t s = 0; s < r->steps; s++) {
		add_past(r, s, first, m);
		for (int64_t i = 0; i < m; i++)
			run_cell(r, s, first + i);
	}
}

static void forward(const nno_op *op, nno_run *run)
{
	nno_recurrent r = NNO_OF(nno_recurrent_start)(op, run, false);
	if (!op->constant)
		pack(op, run);
	NNO_OF(nno_recurrent_gather)(&r);
	if (r.a.bias)
		add_biases(&r);
	nno_parallel_for(run->pool, nno_i64_ceil_div(r.rows, RUN), input_run, &r);
	nno_parallel_for(run->pool, blocks_of(&r), forward_block, &r);
}

NNO_OP_CODE(lstm) = { .book = book, .forward = forward, .backward = NNO_OF(nno_recurrent_backward), .pack = pack };
NNO_OP_CODE(gru) = { .book = book, .forward = forward, .backward = NNO_OF(nno_recurrent_backward), .pack = pack };
