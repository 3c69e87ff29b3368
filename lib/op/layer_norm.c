/* layer_norm.c - layer normalisation. What has one mean and variance lies side by side in memory: a whole sample, the
 * features of one, the channels of a pixel. Only the planar forms, whose rows are those of the picture in (C, H, W)
 * order, turn each sample before and after. Rows go in blocks that stay in a cache between a pass and the next; partial
 * sums of the parameters' gradients belong to parts, runs of blocks, and are added in order. */
#include "base/size.h"
#include "op/parallel.h"

#include <string.h>

#define BLOCK 32768        /* values of a block, where a row is not longer */
#define PARTIALS (1 << 18) /* floats of all partial sums, where rows are so short that there are many parts */
enum { FEW_PARTS = 16, FOUND = 3 /* floats of a row's statistics */, FORWARD_ROOM = 2, BACKWARD_ROOM = 3 };

typedef struct rows_job {
	const nno_op *op;
	nno_run *run;
	int64_t length, rows;         /* of a row, and of the batch */
	int64_t block, blocks, parts; /* rows of a block */
	const float *scale, *shift;   /* NULL: none */
	float *found, *partials;
	elem *room; /* of slots, for samples in the other order */
	bool sums, add;
} rows_job;

/* The cut, of the shape alone: for `n` samples. */
static void cut(rows_job *j, const nno_op *op, int64_t n)
{
	const nno_layer_norm_attr *a = op->attr;
	int64_t of_sample = nno_shape_count(op->out) / a->length;
	j->length = a->length;
	j->rows = n * of_sample;
	j->block = a->planar ? of_sample : nno_i64_max(1, BLOCK / a->length);
	j->blocks = nno_i64_ceil_div(j->rows, j->block);
	j->parts = nno_i64_min(j->blocks, nno_i64_max(FEW_PARTS, PARTIALS / a->length));
}

/* Bytes of a slot's turned samples. */
static bool room_bytes(const nno_op *op, int samples, int slots, size_t *bytes)
{
	const nno_layer_norm_attr *a = op->attr;
	*bytes = 0;
	return !a->planar || (nno_size_mul((size_t)nno_shape_count(op->out), (size_t)samples * sizeof(elem), bytes) &&
			      nno_size_mul(*bytes, (size_t)slots, bytes));
}

static bool book(nno_op *op, int slots)
{
	rows_job j = { 0 };
	size_t partials, forward_room, backward_room;
	cut(&j, op, op->batch);
	if (!nno_size_mul((size_t)j.parts, 2 * sizeof(float), &partials) ||
	    !nno_size_mul(partials, (size_t)j.length, &partials) ||
	    !room_bytes(op, FORWARD_ROOM, slots, &forward_room) ||
	    !room_bytes(op, BACKWARD_ROOM, slots, &backward_room) ||
	    !nno_size_mul((size_t)j.rows, FOUND * sizeof(float), &op->saved_bytes))
		return false;
	if (!op->training)
		op->saved_bytes = 0;
	op->forward_workspace = forward_room;
	op->macs = 0;
	return nno_size_add(partials, backward_room, &op->backward_workspace);
}

static rows_job start_job(const nno_op *op, nno_run *run)
{
	const nno_layer_norm_attr *a = op->attr;
	rows_job j = { .op = op, .run = run, .found = run->saved };
	cut(&j, op, run->n);
	j.scale = a->scale ? run->param[0] : NULL;
	j.shift = a->bias ? run->param[a->scale ? 1 : 0] : NULL;
	return j;
}

static int64_t rows_of(const rows_job *j, int64_t block) { return nno_i64_min(j->block, j->rows - block * j->block); }

/* Sample `which` of a slot's room. */
static elem *room_of(const rows_job *j, int slot, int samples, int which)
{
	return j->room + (int64_t)(slot * samples + which) * nno_shape_count(j->op->out);
}

/* A sample's pixels in (C, H, W) order, and back. */
static const elem *turned(const rows_job *j, elem *dst, const elem *src)
{
	nno_shape s = j->op->out;
	kernels_of(j->run)->transpose(dst, s.h * s.w, src, s.c, s.h * s.w, s.c);
	return dst;
}

static void turn_back(const rows_job *j, elem *dst, const elem *src)
{
	nno_shape s = j->op->out;
	kernels_of(j->run)->transpose(dst, s.c, src, s.h * s.w, s.c, s.h * s.w);
}

static void value_block(void *user, int64_t block, int slot)
{
	const rows_job *j = user;
	const nno_layer_norm_attr *a = j->op->attr;
	int64_t first = block * j->block, at = first * j->length;
	float *found = j->found != NULL ? j->found + first * FOUND : NULL;
	const elem *src = src_of(j->run, 0) + at;
	elem *dst = dst_of(j->run) + at;
	if (!a->planar) {
		kernels_of(j->run)->layer_norm(dst, src, j->scale, j->shift, a->epsilon, found, rows_of(j, block),
					       j->length);
		return;
	}
	elem *result = room_of(j, slot, FORWARD_ROOM, 1);
	src = turned(j, room_of(j, slot, FORWARD_ROOM, 0), src);
	kernels_of(j->run)->layer_norm(result, src, j->scale, j->shift, a->epsilon, found, j->block, j->length);
	turn_back(j, dst, result);
}

static void forward(const nno_op *op, nno_run *run)
{
	rows_job j = start_job(op, run);
	j.room = run->workspace;
	nno_parallel_for(run->pool, j.blocks, value_block, &j);
}

/* The parameters' part first: dx may take the place of dy. */
static void gradient_block(const rows_job *j, int64_t block, int slot, float *partial)
{
	const nno_layer_norm_attr *a = j->op->attr;
	const value_kernels *k = kernels_of(j->run);
	int64_t first = block * j->block, at = first * j->length, rows = rows_of(j, block);
	const float *found = j->found + first * FOUND;
	const elem *x = src_of(j->run, 0) + at, *dy = ddst_of(j->run) + at;
	elem *spare = NULL;
	if (a->planar) {
		spare = room_of(j, slot, BACKWARD_ROOM, 0);
		x = turned(j, spare, x);
		dy = turned(j, room_of(j, slot, BACKWARD_ROOM, 1), dy);
	}
	if (j->sums)
		k->layer_norm_weights(partial, partial + j->length, dy, x, found, rows, j->length);
	if (j->run->dsrc[0] == NULL)
		return;
	elem *dx = dsrc_of(j->run, 0) + at, *result = a->planar ? room_of(j, slot, BACKWARD_ROOM, 2) : dx;
	k->layer_norm_gradient(result, dy, x, j->scale, found, rows, j->length, j->add && !a->planar);
	if (!a->planar)
		return;
	turn_back(j, j->add ? spare : dx, result);
	if (j->add)
		k->add(dx, dx, spare, rows * j->length);
}

static void gradient_part(void *user, int64_t part, int slot)
{
	const rows_job *j = user;
	float *partial = j->partials + part * 2 * j->length;
	int64_t end = (part + 1) * j->blocks / j->parts;
	if (j->sums)
		memset(partial, 0, (size_t)(2 * j->length) * sizeof *partial);
	for (int64_t block = part * j->blocks / j->parts; block < end; block++)
		gradient_block(j, block, slot, partial);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_layer_norm_attr *a = op->attr;
	rows_job j = start_job(op, run);
	j.partials = run->workspace;
	j.room = (elem *)(void *)(j.partials + j.parts * 2 * j.length);
	j.sums = op->wants_dparam;
	j.add = run->dsrc_add[0];
	nno_parallel_for(run->pool, j.parts, gradient_part, &j);
	if (!j.sums)
		return;
	if (a->scale)
		nno_sum_partials(run, run->dparam[0], j.partials, j.parts, 2 * j.length, j.length);
	if (a->bias)
		nno_sum_partials(run, run->dparam[a->scale ? 1 : 0], j.partials + j.length, j.parts, 2 * j.length,
				 j.length);
}

NNO_OP_CODE(layer_norm) = { .book = book, .forward = forward, .backward = backward };
