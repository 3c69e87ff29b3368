/* lazy.h - parts of a batch normalisation's work that the ops around it do, while they have its values in a cache. The
 * plan lends them, each on its own; what is not lent the normalisation does in passes of its own. Borrowed work has the
 * borrower's tasks: partial results are numbered by them, and combined in this order. */
#ifndef NNO_OP_LAZY_H
#define NNO_OP_LAZY_H

#ifdef NNO_TYPE
#include "op/element.h"
#else
#include "op/op.h"
#endif

enum {
	/* The result's one reader normalises what it loads: there is no result, and what would be one is the source. */
	NNO_LAZY_VALUE = 1,
	/* That reader, when it writes the result's gradient, takes the sums that the normalisation's gradient wants. */
	NNO_LAZY_SUMS = 2,
	/* The source's producer takes the moments of what it writes. */
	NNO_LAZY_MOMENTS = 4,
	/* The producer makes the source's gradient of what it loads, which is the result's. */
	NNO_LAZY_SLOPE = 8
};

/* What tasks have found, each for all channels. */
typedef struct nno_partials {
	int64_t most, count; /* of tasks: what is booked; in this batch */
	int64_t *rows;       /* pixels that a task has seen; moments alone have it */
	float *found;        /* of a task: shift, sum, square; or sum, product */
} nno_partials;

struct nno_lazy {
	unsigned parts;
	nno_norm norm;        /* set forward */
	nno_norm_slope slope; /* set backward */
	nno_partials moments, sums;
};

enum { NNO_MOMENTS = 3, NNO_SUMS = 2 }; /* floats of a channel */

static inline bool nno_lends(const nno_lazy *lazy, unsigned part) { return lazy != NULL && (lazy->parts & part) != 0; }

/* Bytes for p->most tasks; false on overflow. */
bool nno_partials_bytes(const nno_partials *p, int floats, int64_t channels, size_t *bytes);
void nno_partials_place(nno_partials *p, void *memory);

#ifdef NNO_TYPE
static inline void nno_take_moments(const nno_run *run, const nno_partials *p, int64_t task, const elem *x,
				    int64_t rows, int64_t c)
{
	float *shift = p->found + task * NNO_MOMENTS * c;
	p->rows[task] = rows;
	kernels_of(run)->norm_moments(shift, shift + c, shift + 2 * c, x, rows, c);
}

/* dy, x and y as the kernel wants them. */
static inline void nno_take_sums(const nno_run *run, const nno_partials *p, int64_t task, elem *dy, const elem *x,
				 const elem *y, const nno_norm *norm, int64_t rows, int64_t c)
{
	float *sum = p->found + task * NNO_SUMS * c;
	kernels_of(run)->norm_sums(sum, sum + c, dy, x, y, norm, rows, c);
}

/* Pixels of input 0 as the op is to see them: where they are, or made in `room`, which may be NULL where nothing is
 * lent. */
static inline const elem *nno_load_source(const nno_op *op, const nno_run *run, elem *room, int64_t from, int64_t rows)
{
	const elem *src = src_of(run, 0) + from * op->in[0].c;
	if (!nno_lends(op->src_lazy, NNO_LAZY_VALUE))
		return src;
	kernels_of(run)->norm(room, src, NULL, &op->src_lazy->norm, rows, op->in[0].c, 0);
	return room;
}

/* And of the result's gradient. */
static inline const elem *nno_load_gradient(const nno_op *op, const nno_run *run, elem *room, int64_t from,
					    int64_t rows)
{
	int64_t c = op->out.c, at = from * c;
	if (!nno_lends(op->dst_lazy, NNO_LAZY_SLOPE))
		return ddst_of(run) + at;
	kernels_of(run)->norm_gradient(room, NULL, ddst_of(run) + at, dst_of(run) + at, &op->dst_lazy->norm,
				       &op->dst_lazy->slope, rows, c, 0);
	return room;
}

/* After the op's task has written these pixels of its result, of the source's gradient. */
static inline void nno_lend_moments(const nno_op *op, const nno_run *run, int64_t task, int64_t from, int64_t rows)
{
	if (nno_lends(op->dst_lazy, NNO_LAZY_MOMENTS))
		nno_take_moments(run, &op->dst_lazy->moments, task, dst_of(run) + from * op->out.c, rows, op->out.c);
}

static inline void nno_lend_sums(const nno_op *op, const nno_run *run, int64_t task, int64_t from, int64_t rows)
{
	int64_t c = op->in[0].c, at = from * c;
	if (nno_lends(op->src_lazy, NNO_LAZY_SUMS))
		nno_take_sums(run, &op->src_lazy->sums, task, dsrc_of(run, 0) + at, src_of(run, 0) + at, NULL,
			      &op->src_lazy->norm, rows, c);
}
#endif

#endif
