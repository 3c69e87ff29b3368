/* embedding_pairs.c - pairs of a batch's embeddings. Distances are sums of squared differences, not |a|^2 + |b|^2 - 2
 * ab, which would lose those of close neighbours; likewise the gradients are sums of differences. */
#include "loss/embedding_pairs.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

/* Rows in a chunk: what a line of a cache holds of a column of a matrix, which the gradient's pass reads by columns. */
#define CHUNK 16

nnopt_status nno_loss_pairs_check(nno_loss_call *call)
{
	const nnopt_tensor *x = call->prediction;
	if (x->rank != 2 || x->shape[1] < 1) {
		char got[NNO_SHAPE_TEXT];
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: prediction %s, embeddings (N, D) wanted",
				call->loss->cls->name, nno_shape_text(got, x->shape, x->rank));
	}
	if (!call->loss->cls->ignores_target)
		NNO_TRY(nno_loss_check_labels(call));
	nno_loss_pairs *p = call->loss->attr;
	p->n = call->rows;
	p->d = x->shape[1];
	call->rows_in_chunk = CHUNK;
	return NNOPT_OK;
}

/* The arrays, in one block that only grows. */
static nnopt_status take_room(const nno_loss_call *call, nno_loss_pairs *p)
{
	const nno_alloc *alloc = &call->loss->context->alloc;
	int64_t squares, floats;
	size_t bytes, whole = 4 * sizeof(int64_t) * (size_t)p->n;
	if (!nno_i64_mul(p->n, p->n, &squares) || !nno_i64_mul(squares, 2, &floats) ||
	    !nno_i64_add(floats, p->n * p->d, &floats) || !nno_i64_add(floats, p->n, &floats) ||
	    !nno_size_mul((size_t)floats, sizeof(float), &bytes) || !nno_size_add(bytes, whole, &bytes))
		return nno_fail_memory(call->loss->cls->name, SIZE_MAX);
	if (bytes > p->room) {
		void *block = nno_new_raw(alloc, bytes);
		if (block == NULL)
			return nno_fail_memory(call->loss->cls->name, bytes);
		nno_delete(alloc, p->block);
		p->block = block;
		p->room = bytes;
	}
	p->order = p->block;
	p->labels = p->order + p->n;
	p->first = p->labels + p->n;
	p->last = p->first + p->n;
	p->between = (float *)(void *)(p->last + p->n);
	p->slopes = p->between + squares;
	p->rows = p->slopes + squares;
	p->lengths = p->rows + p->n * p->d;
	return NNOPT_OK;
}

/* Puts the rows in order of label, equal ones in order of rows: binary insertion, which is little beside N^2 D. */
static void sort_by_label(const nno_loss_call *call, nno_loss_pairs *p)
{
	for (int64_t i = 0; i < p->n; i++) {
		int64_t label = call->loss->cls->ignores_target ? i % (p->n / 2) : nno_loss_label(call->target, i);
		int64_t low = 0, high = i;
		while (low < high) {
			int64_t middle = low + (high - low) / 2;
			if (p->labels[middle] <= label)
				low = middle + 1;
			else
				high = middle;
		}
		memmove(p->labels + low + 1, p->labels + low, (size_t)(i - low) * sizeof *p->labels);
		memmove(p->order + low + 1, p->order + low, (size_t)(i - low) * sizeof *p->order);
		p->labels[low] = label;
		p->order[low] = i;
	}
	for (int64_t begin = 0, end; begin < p->n; begin = end) {
		for (end = begin + 1; end < p->n && p->labels[end] == p->labels[begin]; end++)
			;
		for (int64_t i = begin; i < end; i++) {
			p->first[i] = begin;
			p->last[i] = end;
		}
	}
}

/* As torch.nn.functional.normalize, with its least length. */
static const double least_length = 1e-12;

static void take_rows(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	const nno_loss_pairs *p = call->loss->attr;
	const nno_kernels *kernels = call->loss->context->kernels;
	for (int64_t i = begin; i < end; i++) {
		const float *x = call->x + p->order[i] * p->d;
		float *row = p->rows + i * p->d;
		double squares;
		kernels->sum_squares_f32(x, p->d, &squares);
		/* What is no number loses all comparisons, and would go unseen. */
		part->value += isfinite(squares) ? 0.0 : (double)NAN;
		double length = fmax(sqrt(squares), least_length);
		p->lengths[i] = (float)length;
		kernels->scale_f32(row, x, p->normalise ? (float)(1.0 / length) : 1.0f, p->d);
	}
}

static void measure_rows(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	const nno_loss_pairs *p = call->loss->attr;
	const nno_kernels *kernels = call->loss->context->kernels;
	(void)part;
	for (int64_t i = begin; i < end; i++) {
		const float *row = p->rows + i * p->d;
		float *between = nno_loss_pair_row(p, p->between, i);
		if (p->measure == NNO_DOTS)
			kernels->row_dots_f32(between, row, p->rows, p->d, p->n, p->d);
		else
			kernels->row_distances_f32(between, row, p->rows, p->d, p->n, p->d);
		if (p->measure == NNO_EUCLIDEAN)
			for (int64_t j = 0; j < p->n; j++)
				between[j] = sqrtf(between[j]);
		memset(nno_loss_pair_row(p, p->slopes, i), 0, (size_t)p->n * sizeof(float));
	}
}

nnopt_status nno_loss_pairs_measure(nno_loss_call *call)
{
	nno_loss_pairs *p = call->loss->attr;
	NNO_TRY(take_room(call, p));
	sort_by_label(call, p);
	nno_loss_over_rows(call, take_rows);
	nno_loss_over_rows(call, measure_rows);
	return NNOPT_OK;
}

/* d loss / d row i, from that of one pair; i's own part. */
static void add_pair(const nno_loss_pairs *p, const nno_kernels *kernels, float *g, int64_t i, int64_t j, double slope)
{
	double between = (double)p->between[i * p->n + j];
	if (p->measure == NNO_DOTS)
		kernels->add_scaled_f32(g, p->rows + j * p->d, (float)slope, p->d);
	else if (p->measure == NNO_SQUARED)
		kernels->add_difference_f32(g, p->rows + i * p->d, p->rows + j * p->d, (float)(2.0 * slope), p->d);
	else if (between > 0.0)
		kernels->add_difference_f32(g, p->rows + i * p->d, p->rows + j * p->d, (float)(slope / between), p->d);
}

/* From the gradient of a row of length 1 to that of the embedding it came from: what points along it is lost. */
static void through_length(const nno_loss_pairs *p, const nno_kernels *kernels, float *g, int64_t i)
{
	float along;
	if ((double)p->lengths[i] > least_length) {
		kernels->row_dots_f32(&along, g, p->rows + i * p->d, p->d, 1, p->d);
		kernels->add_scaled_f32(g, p->rows + i * p->d, -along, p->d);
	}
	kernels->scale_f32(g, g, 1.0f / p->lengths[i], p->d);
}

void nno_loss_pairs_run(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	const nno_loss_pairs *p = call->loss->attr;
	const nno_kernels *kernels = call->loss->context->kernels;
	(void)part;
	if (call->gradient == NULL)
		return;
	for (int64_t i = begin; i < end; i++)
		memset(call->gradient + p->order[i] * p->d, 0, (size_t)p->d * sizeof(float));
	/* j outside: the slopes of (j, i) lie together, and row j is read once for all i. */
	for (int64_t j = 0; j < p->n; j++)
		for (int64_t i = begin; i < end; i++) {
			double slope = (double)p->slopes[i * p->n + j] + (double)p->slopes[j * p->n + i];
			if (slope != 0.0)
				add_pair(p, kernels, call->gradient + p->order[i] * p->d, i, j, slope * call->slope);
		}
	for (int64_t i = begin; i < end && p->normalise; i++)
		through_length(p, kernels, call->gradient + p->order[i] * p->d, i);
}

void nno_loss_pairs_release(void *attr, const nno_alloc *alloc) { nno_delete(alloc, ((nno_loss_pairs *)attr)->block); }
