/* conv_pairs_weights.c - how the passes of a convolution on pairs of bf16 values are cut into tasks, and its gradients
 * of weights and bias: pairs are of neighbouring pixels of a row. For each of those and each place of a kernel's row
 * the source's values are paired once, in rows of one phase of the stride after the other, so that all rows of a
 * picture that meet one row of the kernel follow each other: one product for each of the kernel's rows and picture. */
#define NNO_TYPE bf16
#define NNO_TYPE_BF16
#include "op/conv_pairs.h"

#include "base/size.h"

#include <string.h>

#define BAND_BYTES ((int64_t)64 << 10)
#define MADE_BYTES ((int64_t)64 << 10)
#define PARTIALS ((int64_t)8 << 20)

static bool bytes_of(int64_t a, int64_t b, int64_t c, int64_t size, size_t *bytes)
{
	int64_t n;
	if (!nno_i64_mul(a, b, &n) || !nno_i64_mul(n, c, &n) || n > INT64_MAX / 64)
		return false;
	*bytes = nno_size_round_up((size_t)(n * size), NNO_ALIGNMENT);
	return true;
}

static bool planes_bytes(const nno_planes *p, size_t *bytes)
{
	int64_t rows;
	return nno_i64_mul(p->h, p->phases, &rows) && bytes_of(rows, p->row, p->pairs, 2 * sizeof(elem), bytes);
}

/* Rows of results whose `reach` rows of planes and `step` more for each after the first fit. */
static int64_t rows_for(const nno_planes *p, int64_t step, int64_t reach)
{
	return (BAND_BYTES / (p->phases * p->row * p->pairs * 2 * (int64_t)sizeof(elem)) - reach) / step + 1;
}

static void cut_forward(const nno_op *op, nno_conv_pairs_plan *p)
{
	const nno_conv_attr *a = op->attr;
	nno_shape in = op->in[0], out = nno_conv_result(op);
	/* Padding may be wider behind the last pixel than before the first. */
	p->band_w = nno_i64_max(in.w + 2 * a->pad_w, (out.w - 1) * a->stride_w + a->kernel_w);
	p->padded_h = nno_i64_max(in.h + 2 * a->pad_h, (out.h - 1) * a->stride_h + a->kernel_h);
	p->source = (nno_planes){ .left = -a->pad_w,
				  .phases = a->stride_w,
				  .row = nno_i64_ceil_div(p->band_w, a->stride_w),
				  .pairs = (in.c + 1) / 2 };
	p->rows = nno_i64_min(nno_i64_max(1, rows_for(&p->source, a->stride_h, a->kernel_h)), out.h);
	if (op->batch < 8) /* tasks for several threads, each of several register tiles */
		p->rows = nno_i64_min(p->rows,
				      nno_i64_max(nno_i64_ceil_div(out.h * op->batch, 8), nno_i64_ceil_div(56, out.w)));
	if (a->pooled)
		p->rows = nno_i64_max(2, nno_i64_min(p->rows, MADE_BYTES / (out.w * out.c * 2)) / 2 * 2);
	p->bands = nno_i64_ceil_div(out.h, p->rows);
	p->source.h = (p->rows - 1) * a->stride_h + a->kernel_h;
}

/* Input column x meets output columns (x + pad) / stride - t for t = 0 .. (kernel - 1) / stride. */
static void cut_data(const nno_op *op, nno_conv_pairs_plan *p)
{
	const nno_conv_attr *a = op->attr;
	nno_shape in = op->in[0];
	int64_t left = a->pad_w / a->stride_w - (a->kernel_w - 1) / a->stride_w, span = (a->kernel_h - 1) / a->stride_h;
	p->gradient = (nno_planes){
		.left = left, .phases = 1, .row = (in.w - 1 + a->pad_w) / a->stride_w - left + 1, .pairs = op->out.c / 2
	};
	p->data_rows = nno_i64_min(nno_i64_max(1, rows_for(&p->gradient, 1, span + 2)) * a->stride_h, in.h);
	p->data_bands = nno_i64_ceil_div(in.h, p->data_rows);
	p->gradient.h = (p->data_rows - 1) / a->stride_h + 2 + span;
}

bool nno_conv_pairs_layout(const nno_op *op, nno_conv_pairs_plan *p)
{
	const nno_conv_attr *a = op->attr;
	nno_shape in = op->in[0], out = nno_conv_result(op);
	int64_t kernel = a->kernel_h * a->kernel_w;
	size_t source, gradient, row;
	memset(p, 0, sizeof *p);
	cut_forward(op, p);
	cut_data(op, p);
	p->depth = a->kernel_w * in.c;
	p->across = (out.w + 1) / 2;
	p->down = nno_i64_ceil_div(p->padded_h, a->stride_h);
	p->weight_count = kernel * in.c * out.c;
	p->chunks = nno_i64_min(NNO_CONV_CHUNKS, nno_i64_max(1, PARTIALS / 4 / p->weight_count));
	if (!planes_bytes(&p->source, &source) || !planes_bytes(&p->gradient, &gradient) ||
	    !bytes_of(kernel, nno_i64_max(p->source.pairs, p->gradient.pairs), 1, sizeof(int64_t), &p->taps) ||
	    !bytes_of(in.w, in.c + 1, 1, sizeof(elem), &p->wide) || !bytes_of(1, p->band_w, in.c, sizeof(elem), &row) ||
	    !bytes_of(p->down * a->stride_h, p->across, 2 * p->depth, sizeof(elem), &p->source_pairs) ||
	    !bytes_of(out.h, p->across, 2 * out.c, sizeof(elem), &p->gradient_pairs) ||
	    !bytes_of(kernel, p->source.pairs, 2 * out.c, sizeof(elem), &p->weights) ||
	    !bytes_of(p->weight_count, 1, 1, sizeof(float), &p->turned) ||
	    !bytes_of(p->weight_count + out.c, 1, 1, sizeof(float), &p->partial) ||
	    !bytes_of(a->pooled ? nno_shape_count(out) : 0, 1, 1, sizeof(elem), &p->made))
		return false;
	p->planes = source > gradient ? source : gradient;
	size_t passes = p->planes + p->taps + p->wide + p->made,
	       gradients = row + p->source_pairs + p->gradient_pairs + p->made;
	p->slot = passes > gradients ? passes : gradients;
	return true;
}

/* --- gradient of the weights --- */

typedef struct weights_job {
	const nno_op *op;
	nno_run *run;
	nno_conv_pairs_plan p;
	nno_shape made;
	char *partial;
	int64_t chunks, images; /* in use, and images of one */
} weights_job;

static float *partial_of(const weights_job *j, int64_t chunk)
{
	return (float *)(void *)(j->partial + (size_t)chunk * j->p.partial);
}

/* All rows of the padded picture, paired for each place of a kernel's row. */
static void pair_source(const weights_job *j, elem *pairs, elem *row, const elem *image)
{
	const nno_conv_attr *a = j->op->attr;
	nno_shape in = j->op->in[0];
	int64_t length = j->p.across * 2 * j->p.depth;
	memset(row, 0, (size_t)(j->p.band_w * in.c) * sizeof *row);
	for (int64_t y = 0; y < j->p.padded_h; y++) {
		elem *dst = pairs + (y % a->stride_h * j->p.down + y / a->stride_h) * length;
		if (y < a->pad_h || y - a->pad_h >= in.h) {
			memset(dst, 0, (size_t)length * sizeof *dst);
			continue;
		}
		memcpy(row + a->pad_w * in.c, image + (y - a->pad_h) * in.w * in.c,
		       (size_t)(in.w * in.c) * sizeof *row);
		j->run->kernels->pairs->zip_values(dst, row, a->stride_w * in.c, j->made.w, j->p.depth);
	}
}

static void pair_gradient(const weights_job *j, elem *pairs, const elem *gradient)
{
	int64_t o = j->made.c, rows = j->made.w % 2 == 0 ? j->made.h : 1, length = rows * j->made.w;
	for (int64_t y = 0; y < j->made.h; y += rows)
		j->run->kernels->pairs->zip_values(pairs + y * j->p.across * 2 * o, gradient + y * j->made.w * o, o,
						   length, o);
}

/* The gradient of what the convolution made of a picture. */
static const elem *gradient_of(const weights_job *j, int64_t image, elem *room)
{
	const nno_op *op = j->op;
	if (nno_conv_pooled(op))
		return NNO_OF(nno_conv_spread_rows)(op, j->run, image, 0, op->out.h, room);
	return ddst_of(j->run) + image * nno_shape_count(op->out);
}

static void sum_chunk(void *user, int64_t chunk, int slot)
{
	const weights_job *j = user;
	const nno_conv_attr *a = j->op->attr;
	int64_t o = j->made.c, depth = j->p.depth, length = j->p.across * 2 * depth;
	char *at = (char *)j->run->workspace + (size_t)slot * j->p.slot;
	elem *source = (elem *)(void *)at, *gradient = (elem *)(void *)(at + j->p.source_pairs);
	elem *made = (elem *)(void *)(at + j->p.source_pairs + j->p.gradient_pairs);
	elem *row = (elem *)(void *)(at + j->p.source_pairs + j->p.gradient_pairs + j->p.made);
	float *sum = partial_of(j, chunk), *bias = sum + j->p.weight_count;
	int64_t first = chunk * j->images, end = nno_i64_min(first + j->images, j->run->n);
	memset(bias, 0, (size_t)o * sizeof(float));
	for (int64_t i = first; i < end; i++) {
		const elem *dy = gradient_of(j, i, made);
		pair_source(j, source, row, src_of(j->run, 0) + i * nno_shape_count(j->op->in[0]));
		pair_gradient(j, gradient, dy);
		for (int64_t y = 0; y < a->kernel_h; y++)
			j->run->kernels->pairs->gemm_columns(
			    depth, o, j->made.h * j->p.across,
			    source + (y % a->stride_h * j->p.down + y / a->stride_h) * length, 2 * depth, gradient,
			    2 * o, sum + y * depth * o, o, i > first ? NNO_GEMM_ADD : 0);
		if (a->bias)
			kernels_of(j->run)->column_sums(bias, dy, j->made.h * j->made.w, o);
	}
}

void nno_conv_pairs_backward_weights(const nno_op *op, nno_run *run)
{
	weights_job j = { .op = op, .run = run, .made = nno_conv_result(op) };
	(void)nno_conv_pairs_layout(op, &j.p);
	j.partial = (char *)run->workspace + (size_t)nno_pool_slots(run->pool) * j.p.slot;
	j.images = nno_i64_ceil_div(run->n, j.p.chunks);
	j.chunks = nno_i64_ceil_div(run->n, j.images);
	nno_parallel_for(run->pool, j.chunks, sum_chunk, &j);
	int64_t stride = (int64_t)(j.p.partial / sizeof(float));
	nno_sum_partials(run, run->dparam[0], partial_of(&j, 0), j.chunks, stride, j.p.weight_count);
	if (((const nno_conv_attr *)op->attr)->bias)
		nno_sum_partials(run, run->dparam[1], partial_of(&j, 0) + j.p.weight_count, j.chunks, stride,
				 op->out.c);
}
