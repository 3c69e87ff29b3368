/* conv_depthwise.c - convolution of each channel by itself: groups == channels in == channels out. It does so little
 * arithmetic that memory decides, so nothing is copied or padded, and backward takes both gradients of a band of rows
 * while that band is in cache. A task is a band of one image, or a chunk of bands when it sums a weight gradient. */
#include "base/size.h"
#include "op/parallel.h"

#include <string.h>

enum { BAND_BYTES = 256 * 1024, MOST_CHUNKS = 32 };

typedef struct depthwise_job {
	const nno_op *op;
	nno_run *run;
	int64_t bands; /* of an image */
	int64_t units; /* bands of the batch */
	/* gradient of the weights: chunks of `share` units each sum into a partial gradient of their own */
	int64_t share, chunks, weight_count, partial_count;
	float *partial;
} depthwise_job;

static int64_t count_weights(const nno_op *op)
{
	const nno_conv_attr *a = op->attr;
	return a->kernel_h * a->kernel_w * op->out.c;
}

static int64_t most_chunks(const nno_op *op)
{
	int64_t fit = ((int64_t)8 << 20) / count_weights(op);
	return fit < 1 ? 1 : nno_i64_min(fit, MOST_CHUNKS);
}

static bool book(nno_op *op, int slots)
{
	(void)slots;
	int64_t partial;
	return nno_i64_mul(nno_shape_count(op->out), count_weights(op) / op->out.c, &op->macs) &&
	       nno_i64_mul(most_chunks(op), count_weights(op) + op->out.c, &partial) &&
	       nno_size_mul((size_t)partial, sizeof(float), &op->backward_workspace);
}

/* Bands small enough for a cache, and enough of them for all threads of a small batch. */
static depthwise_job make_job(const nno_op *op, nno_run *run)
{
	depthwise_job j = { .op = op, .run = run, .weight_count = count_weights(op) };
	int64_t bytes = (nno_shape_count(op->in[0]) + nno_shape_count(op->out)) * (int64_t)sizeof(elem);
	int64_t bands = nno_i64_max(nno_i64_ceil_div(bytes, BAND_BYTES), nno_i64_ceil_div(MOST_CHUNKS, run->n));
	j.bands = nno_i64_min(bands, op->out.h);
	j.units = run->n * j.bands;
	j.share = nno_i64_ceil_div(j.units, most_chunks(op));
	j.chunks = nno_i64_ceil_div(j.units, j.share);
	j.partial_count = j.weight_count + op->out.c;
	j.partial = run->workspace;
	return j;
}

/* --- which taps of one axis meet which positions --- */

/* Tap k + t * k_step meets position at + t * step, t < count; step > 0. */
typedef struct taps {
	int64_t k, k_step, at, step, count;
} taps;

/* What result `index` reads of the input. */
static taps forward_taps(int64_t index, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation)
{
	return (taps){ .k = 0, .k_step = 1, .at = index * stride - pad, .step = dilation, .count = kernel };
}

static int64_t common_divisor(int64_t a, int64_t b)
{
	while (b != 0) {
		int64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

/* Which results read input `index`, and by which taps: those k for which stride divides index + pad - k * dilation, the
 * last of them first, so that positions grow. */
static taps data_taps(int64_t index, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation)
{
	int64_t period = stride / common_divisor(stride, dilation), k = 0;
	while (k < period && k < kernel && (index + pad - k * dilation) % stride != 0)
		k++;
	taps t = { .k = k, .k_step = -period, .step = period * dilation / stride };
	if (k < period && k < kernel) {
		t.count = (kernel - 1 - k) / period + 1;
		t.k += (t.count - 1) * period;
		t.at = (index + pad - t.k * dilation) / stride;
	}
	return t;
}

/* Without those at positions outside [0, extent). */
static taps trim(taps t, int64_t extent)
{
	int64_t skip = t.at < 0 ? nno_i64_ceil_div(-t.at, t.step) : 0, first = t.at + skip * t.step;
	int64_t inside = first < extent ? nno_i64_ceil_div(extent - first, t.step) : 0;
	int64_t left = t.count - skip < 0 ? 0 : t.count - skip;
	t.k += skip * t.k_step;
	t.at = first;
	t.count = nno_i64_min(left, inside);
	return t;
}

static nno_depthwise_row make_row(const depthwise_job *j, taps v, taps h, const elem *image, int64_t width)
{
	const nno_conv_attr *a = j->op->attr;
	int64_t c = j->op->out.c;
	return (nno_depthwise_row){ .src = v.count > 0 ? image + v.at * width * c : image,
				    .rows = v.count,
				    .row_step = v.step * width * c,
				    .width = width,
				    .from = h.at,
				    .dilation = h.step,
				    .taps = h.count,
				    .weights = v.count > 0 ? j->run->param[0] + (v.k * a->kernel_w + h.k) * c
							   : j->run->param[0],
				    .weight_row = v.k_step * a->kernel_w * c,
				    .weight_tap = h.k_step * c };
}

/* Results that the last cache would not keep for their reader go past it, which saves reading what they overwrite. */
static int stream_flag(const depthwise_job *j, nno_shape result)
{
	return nno_stream_flag(j->run->n * nno_shape_count(result));
}

/* --- forward --- */

static void forward_band(void *user, int64_t unit, int slot)
{
	(void)slot;
	const depthwise_job *j = user;
	const nno_conv_attr *a = j->op->attr;
	nno_shape in = j->op->in[0], out = j->op->out;
	int64_t image = unit / j->bands, band = unit % j->bands;
	const elem *src = src_of(j->run, 0) + image * nno_shape_count(in);
	int flags = (a->activation == NNO_ACT_RELU ? NNO_GEMM_RELU : 0) | stream_flag(j, out);
	taps h = forward_taps(0, a->kernel_w, a->stride_w, a->pad_w, a->dilation_w);
	for (int64_t y = band * out.h / j->bands; y < (band + 1) * out.h / j->bands; y++) {
		taps v = trim(forward_taps(y, a->kernel_h, a->stride_h, a->pad_h, a->dilation_h), in.h);
		nno_depthwise_row row = make_row(j, v, h, src, in.w);
		row.stride = a->stride_w;
		row.dst = dst_of(j->run) + (image * out.h + y) * out.w * out.c;
		row.dst_step = out.c;
		row.count = out.w;
		row.bias = a->bias ? j->run->param[1] : NULL;
		kernels_of(j->run)->depthwise_row(&row, out.c, flags);
	}
}

static void forward(const nno_op *op, nno_run *run)
{
	depthwise_job j = make_job(op, run);
	nno_parallel_for(run->pool, j.units, forward_band, &j);
}

/* --- backward --- */

/* A row of the input's gradient, in as many walks as there are phases of x + pad within the stride. */
static void data_row(const depthwise_job *j, int64_t image, int64_t y)
{
	const nno_conv_attr *a = j->op->attr;
	nno_shape in = j->op->in[0], out = j->op->out;
	const elem *ddst = ddst_of(j->run) + image * nno_shape_count(out);
	int flags = j->run->dsrc_add[0] ? NNO_GEMM_ADD : stream_flag(j, in);
	taps v = trim(data_taps(y, a->kernel_h, a->stride_h, a->pad_h, a->dilation_h), out.h);
	for (int64_t x = 0; x < a->stride_w && x < in.w; x++) {
		taps h = data_taps(x, a->kernel_w, a->stride_w, a->pad_w, a->dilation_w);
		nno_depthwise_row row = make_row(j, v, h, ddst, out.w);
		row.stride = 1;
		row.dst = dsrc_of(j->run, 0) + ((image * in.h + y) * in.w + x) * in.c;
		row.dst_step = a->stride_w * in.c;
		row.count = nno_i64_ceil_div(in.w - x, a->stride_w);
		kernels_of(j->run)->depthwise_row(&row, in.c, flags);
	}
}

static void data_band(void *user, int64_t unit, int slot)
{
	(void)slot;
	const depthwise_job *j = user;
	int64_t rows = j->op->in[0].h, band = unit % j->bands;
	for (int64_t y = band * rows / j->bands; y < (band + 1) * rows / j->bands; y++)
		data_row(j, unit / j->bands, y);
}

static void weights_band(const depthwise_job *j, int64_t unit, float *partial, bool first)
{
	const nno_conv_attr *a = j->op->attr;
	nno_shape in = j->op->in[0], out = j->op->out;
	nno_depthwise p = { .h = in.h,
			    .w = in.w,
			    .out_w = out.w,
			    .kernel_h = a->kernel_h,
			    .kernel_w = a->kernel_w,
			    .stride_h = a->stride_h,
			    .stride_w = a->stride_w,
			    .pad_h = a->pad_h,
			    .pad_w = a->pad_w,
			    .dilation_h = a->dilation_h,
			    .dilation_w = a->dilation_w };
	int64_t image = unit / j->bands, band = unit % j->bands;
	int64_t from = band * out.h / j->bands, to = (band + 1) * out.h / j->bands;
	const elem *x = src_of(j->run, 0) + image * nno_shape_count(in),
		   *dy = ddst_of(j->run) + image * nno_shape_count(out);
	kernels_of(j->run)->depthwise_weights(partial, x, dy, &p, from, to, in.c, first ? 0 : NNO_GEMM_ADD);
	if (a->bias)
		kernels_of(j->run)->column_sums(partial + j->weight_count, dy + from * out.w * out.c,
						 (to - from) * out.w, out.c);
}

static void backward_chunk(void *user, int64_t index, int slot)
{
	const depthwise_job *j = user;
	float *partial = j->partial + index * j->partial_count;
	int64_t from = index * j->share, to = nno_i64_min(from + j->share, j->units);
	memset(partial + j->weight_count, 0, (size_t)j->op->out.c * sizeof(float));
	for (int64_t unit = from; unit < to; unit++) {
		weights_band(j, unit, partial, unit == from);
		if (j->run->dsrc[0] != NULL)
			data_band(user, unit, slot);
	}
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	depthwise_job j = make_job(op, run);
	if (a->activation == NNO_ACT_RELU)
		NNO_OF(nno_mask_relu)(op, run);
	if (!op->wants_dparam) {
		if (run->dsrc[0] != NULL)
			nno_parallel_for(run->pool, j.units, data_band, &j);
		return;
	}
	nno_parallel_for(run->pool, j.chunks, backward_chunk, &j);
	nno_sum_partials(run, run->dparam[0], j.partial, j.chunks, j.partial_count, j.weight_count);
	if (a->bias)
		nno_sum_partials(run, run->dparam[1], j.partial + j.weight_count, j.chunks, j.partial_count, op->out.c);
}

NNO_OP_CODE(conv_depthwise) = { book, forward, backward, NULL };
