/* drop.c - dropout of more than elements: of a sample's channels, of blocks of its pixels, of whole samples. A sample's
 * mask is a function of (seed, training step, layer, sample), so backward makes it again instead of reading it. A task
 * is a sample; its random words begin at a counter of their own, and the kernel of dropout turns ones into the mask. */
#include "base/rng.h"
#include "base/size.h"
#include "op/parallel.h"

#include <string.h>

typedef struct drop_job {
	const nno_op *op;
	nno_run *run;
	const nno_dropout_attr *a;
	nno_shape s;
	elem *dst;
	const elem *src;
	nno_rng stream;
	float *room; /* of slots */
	int64_t room_floats;
} drop_job;

/* A block is a square that fits into the picture. */
static int64_t block_side(const nno_op *op)
{
	return nno_i64_min(((const nno_dropout_attr *)op->attr)->block_size, nno_i64_min(op->out.h, op->out.w));
}

/* Pixels at which a block may begin, that it is all inside. */
static int64_t places(const nno_op *op)
{
	int64_t side = block_side(op);
	return (op->out.h - side + 1) * (op->out.w - side + 1);
}

/* Floats of a slot: channels; or the places, a row of pixels, the mask and its sums. */
static int64_t room_floats(const nno_op *op)
{
	nno_shape s = op->out;
	if (op->cls == &nno_op_drop_block)
		return (places(op) + s.w + s.h * s.w + 1) * s.c;
	return op->cls == &nno_op_dropout2d ? s.c : 1;
}

static bool book(nno_op *op, int slots)
{
	return nno_size_mul((size_t)room_floats(op) * sizeof(float), (size_t)slots, &op->forward_workspace) &&
	       nno_size_add(op->forward_workspace, 0, &op->backward_workspace);
}

/* `count` floats, each 0 with probability p, else `kept`. */
static void draw(const drop_job *j, float *mask, int64_t sample, int64_t count, double p, float kept)
{
	uint64_t first = (uint64_t)sample * (uint64_t)nno_i64_ceil_div(count, 4);
	uint32_t upper[3] = { (uint32_t)(first >> 32), j->stream.counter[2], j->stream.counter[3] };
	for (int64_t i = 0; i < count; i++)
		mask[i] = 1.0f;
	j->run->kernels->f32->dropout(mask, mask, count, j->stream.key, (uint32_t)first, upper, (uint32_t)(p * 0x1p32),
				      kept);
}

static float kept_factor(const drop_job *j) { return 1.0f / (1.0f - j->a->p); }

static void drop_channels(void *user, int64_t sample, int slot)
{
	const drop_job *j = user;
	float *mask = j->room + slot * j->room_floats;
	int64_t pixels = j->s.h * j->s.w, at = sample * pixels * j->s.c;
	draw(j, mask, sample, j->s.c, (double)j->a->p, kept_factor(j));
	kernels_of(j->run)->multiply_columns(j->dst + at, j->src + at, mask, pixels, j->s.c, 0);
}

static void drop_sample(void *user, int64_t sample, int slot)
{
	const drop_job *j = user;
	float *factor = j->room + slot * j->room_floats;
	int64_t count = nno_shape_count(j->s), at = sample * count;
	draw(j, factor, sample, 1, (double)j->a->p, kept_factor(j));
	if (*factor != 0.0f)
		kernels_of(j->run)->scale_values(j->dst + at, j->src + at, *factor, count, 0);
	else
		memset(j->dst + at, 0, (size_t)count * sizeof(elem));
}

/* The probability of a block to begin at a place, so that about a share p of the pixels is in one. */
static double block_rate(const nno_op *op)
{
	const nno_dropout_attr *a = op->attr;
	double pixels = (double)(op->out.h * op->out.w), block = (double)(block_side(op) * block_side(op));
	double rate = (double)a->p * pixels / (block * (double)places(op));
	/* As much as a word's threshold can be. */
	return rate < 1.0 ? rate : 0xffffffffp-32;
}

/* mask[h][w][c] = 0 where a block that begins at a place with 0 covers it, else 1: rows first, then columns. */
static void spread_blocks(const drop_job *j, float *mask, const float *place, float *row)
{
	int64_t c = j->s.c, width = j->s.w * c, side = block_side(j->op), across = (j->s.w - side + 1) * c;
	void (*multiply)(float *, const float *, const float *, int64_t, int) = j->run->kernels->f32->multiply;
	for (int64_t i = 0; i < j->s.h * width; i++)
		mask[i] = 1.0f;
	for (int64_t y = 0; y + side <= j->s.h; y++, place += across) {
		for (int64_t i = 0; i < width; i++)
			row[i] = 1.0f;
		for (int64_t x = 0; x < side; x++)
			multiply(row + x * c, row + x * c, place, across, 0);
		for (int64_t r = y; r < y + side; r++)
			multiply(mask + r * width, mask + r * width, row, width, 0);
	}
}

/* 1 / the share of ones; 0 where there is none. */
static float kept_scale(const drop_job *j, const float *mask, float *sums)
{
	int64_t pixels = j->s.h * j->s.w;
	double kept = 0.0;
	memset(sums, 0, (size_t)j->s.c * sizeof *sums);
	j->run->kernels->f32->column_sums(sums, mask, pixels, j->s.c);
	for (int64_t c = 0; c < j->s.c; c++)
		kept += (double)sums[c];
	return kept > 0.0 ? (float)((double)(pixels * j->s.c) / kept) : 0.0f;
}

static void drop_blocks(void *user, int64_t sample, int slot)
{
	const drop_job *j = user;
	int64_t count = nno_shape_count(j->s), at = sample * count, begins = places(j->op) * j->s.c;
	float *place = j->room + slot * j->room_floats, *row = place + begins, *mask = row + j->s.w * j->s.c,
	      *sums = mask + count;
	draw(j, place, sample, begins, block_rate(j->op), 1.0f);
	spread_blocks(j, mask, place, row);
	j->run->kernels->scale_f32(mask, mask, kept_scale(j, mask, sums), count);
	kernels_of(j->run)->multiply_columns(j->dst + at, j->src + at, mask, 1, count, 0);
}

static void drop(const nno_op *op, nno_run *run, elem *dst, const elem *src, nno_task task)
{
	drop_job j = { .op = op,
		       .run = run,
		       .a = op->attr,
		       .s = op->out,
		       .dst = dst,
		       .src = src,
		       .room = run->workspace,
		       .room_floats = room_floats(op) };
	nno_rng_start(&j.stream, run->seed, NNO_RNG_DROPOUT, run->step, (uint64_t)op->id);
	nno_parallel_for(run->pool, run->n, task, &j);
}

static nno_task task_of(const nno_op *op)
{
	return op->cls == &nno_op_drop_block ? drop_blocks : op->cls == &nno_op_dropout2d ? drop_channels : drop_sample;
}

static void forward(const nno_op *op, nno_run *run)
{
	if (run->training)
		drop(op, run, run->dst, run->src[0], task_of(op));
	else if (run->dst != run->src[0])
		memcpy(run->dst, run->src[0], (size_t)(run->n * nno_shape_count(op->out)) * sizeof(elem));
}

static void backward(const nno_op *op, nno_run *run)
{
	if (run->dsrc[0] != NULL && run->training)
		drop(op, run, run->dsrc[0], run->ddst, task_of(op));
	else if (run->dsrc[0] != NULL && run->dsrc[0] != run->ddst)
		memcpy(run->dsrc[0], run->ddst, (size_t)(run->n * nno_shape_count(op->out)) * sizeof(elem));
}

NNO_OP_CODE(dropout2d) = { .book = book, .forward = forward, .backward = backward };
NNO_OP_CODE(drop_block) = { .book = book, .forward = forward, .backward = backward };
NNO_OP_CODE(stochastic_depth) = { .book = book, .forward = forward, .backward = backward };
