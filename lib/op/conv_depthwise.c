/* conv_depthwise.c - convolution of each channel by itself: groups == channels in == channels out. It does so little
 * arithmetic that memory decides, so nothing is copied or padded but what a normalisation lends, and backward takes
 * both gradients of a band of rows while that band is in cache. A task is a band of one image, or a chunk of bands when
 * it sums a weight gradient. */
#include "op/lazy.h"

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
	int64_t source_rows, gradient_rows; /* of a slot's room for what is made on load */
	size_t room_bytes;
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

/* Of an image: small enough for a cache, and enough of them for all threads of a small batch. */
static int64_t count_bands(const nno_op *op, int64_t n)
{
	int64_t bytes = (nno_shape_count(op->in[0]) + nno_shape_count(op->out)) * (int64_t)sizeof(elem);
	/* What is made on load is in the cache beside what it is made of. */
	bytes *= op->src_lazy != NULL || op->dst_lazy != NULL ? 2 : 1;
	int64_t bands = nno_i64_max(nno_i64_ceil_div(bytes, BAND_BYTES), nno_i64_ceil_div(MOST_CHUNKS, n));
	return nno_i64_min(bands, op->out.h);
}

/* Rows [from, to) of a picture. */
typedef struct span {
	int64_t from, to;
} span;

static span band_of(int64_t rows, int64_t band, int64_t bands)
{
	return (span){ band * rows / bands, (band + 1) * rows / bands };
}

/* Rows of the input that a band of results reads. */
static span source_span(const nno_op *op, span out)
{
	const nno_conv_attr *a = op->attr;
	int64_t from = nno_i64_max(out.from * a->stride_h - a->pad_h, 0);
	int64_t to = (out.to - 1) * a->stride_h - a->pad_h + (a->kernel_h - 1) * a->dilation_h + 1;
	return (span){ from, nno_i64_max(nno_i64_min(to, op->in[0].h), from) };
}

/* Rows of the result that a band's gradients read: the band's own, and those that read the band of the input. */
static span gradient_span(const nno_op *op, span out, span in)
{
	const nno_conv_attr *a = op->attr;
	int64_t above = in.from + a->pad_h - (a->kernel_h - 1) * a->dilation_h;
	int64_t first = above <= 0 ? 0 : above / a->stride_h, end = (in.to - 1 + a->pad_h) / a->stride_h + 1;
	if (in.to <= in.from)
		return out;
	return (span){ nno_i64_min(out.from, first), nno_i64_min(nno_i64_max(out.to, end), op->out.h) };
}

/* Most rows that any band loads, of batches of n. */
static void count_rows(const nno_op *op, int64_t n, int64_t *source, int64_t *gradient)
{
	for (int64_t i = 0, bands = count_bands(op, n); i < bands; i++) {
		span out = band_of(op->out.h, i, bands), in = band_of(op->in[0].h, i, bands);
		span src = source_span(op, out), ddst = gradient_span(op, out, in);
		*source = nno_i64_max(*source, src.to - src.from);
		*gradient = nno_i64_max(*gradient, ddst.to - ddst.from);
	}
}

/* Of a slot's room for a band made on load; nothing where nothing is lent. */
static size_t room_bytes(const nno_op *op, int64_t source_rows, int64_t gradient_rows)
{
	int64_t source = op->src_lazy != NULL ? source_rows * op->in[0].w * op->in[0].c : 0,
		gradient = op->dst_lazy != NULL ? gradient_rows * op->out.w * op->out.c : 0;
	return nno_size_round_up((size_t)(source + gradient) * sizeof(elem), NNO_ALIGNMENT);
}

static depthwise_job make_job(const nno_op *op, nno_run *run)
{
	depthwise_job j = { .op = op, .run = run, .weight_count = count_weights(op) };
	j.bands = count_bands(op, run->n);
	j.units = run->n * j.bands;
	j.share = nno_i64_ceil_div(j.units, most_chunks(op));
	j.chunks = nno_i64_ceil_div(j.units, j.share);
	j.partial_count = j.weight_count + op->out.c;
	count_rows(op, run->n, &j.source_rows, &j.gradient_rows);
	j.room_bytes = room_bytes(op, j.source_rows, j.gradient_rows);
	j.partial = (float *)(void *)((char *)run->workspace + (size_t)nno_pool_slots(run->pool) * j.room_bytes);
	return j;
}

static bool book(nno_op *op, int slots)
{
	int64_t partial, source = 0, gradient = 0, units = op->batch * count_bands(op, op->batch);
	size_t bytes;
	/* A smaller batch has more bands of an image. */
	for (int64_t n = nno_i64_min(op->batch, MOST_CHUNKS); n > 0; n--) {
		count_rows(op, n, &source, &gradient);
		units = nno_i64_max(units, n * count_bands(op, n));
	}
	if (op->src_lazy != NULL)
		op->src_lazy->sums.most = units;
	if (op->dst_lazy != NULL)
		op->dst_lazy->moments.most = units;
	return nno_i64_mul(nno_shape_count(op->out), count_weights(op) / op->out.c, &op->macs) &&
	       nno_i64_mul(most_chunks(op), count_weights(op) + op->out.c, &partial) &&
	       nno_size_mul((size_t)partial, sizeof(float), &bytes) &&
	       nno_size_mul(room_bytes(op, source, gradient), (size_t)slots, &op->forward_workspace) &&
	       nno_size_add(op->forward_workspace, bytes, &op->backward_workspace);
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

/* --- bands as they are loaded --- */

typedef struct band {
	int64_t image;
	span in, out;
	elem *room;
} band;

static band start_band(const depthwise_job *j, int64_t unit, int slot)
{
	int64_t index = unit % j->bands;
	return (band){ .image = unit / j->bands,
		       .in = band_of(j->op->in[0].h, index, j->bands),
		       .out = band_of(j->op->out.h, index, j->bands),
		       .room = (elem *)(void *)((char *)j->run->workspace + (size_t)slot * j->room_bytes) };
}

/* Rows of a picture from number `first` on. */
typedef struct picture_rows {
	const elem *at;
	int64_t first, count, width;
} picture_rows;

static picture_rows load_source(const depthwise_job *j, const band *b)
{
	nno_shape in = j->op->in[0];
	span s = source_span(j->op, b->out);
	int64_t rows = s.to - s.from;
	const elem *at = nno_load_source(j->op, j->run, b->room, (b->image * in.h + s.from) * in.w, rows * in.w);
	return (picture_rows){ at, s.from, rows, in.w };
}

static picture_rows load_gradient(const depthwise_job *j, const band *b)
{
	nno_shape in = j->op->in[0], out = j->op->out;
	span s = gradient_span(j->op, b->out, b->in);
	int64_t rows = s.to - s.from;
	elem *room = b->room + (j->op->src_lazy != NULL ? j->source_rows * in.w * in.c : 0);
	const elem *at = nno_load_gradient(j->op, j->run, room, (b->image * out.h + s.from) * out.w, rows * out.w);
	return (picture_rows){ at, s.from, rows, out.w };
}

static nno_depthwise_row make_row(const depthwise_job *j, taps v, taps h, const picture_rows *p)
{
	const nno_conv_attr *a = j->op->attr;
	int64_t c = j->op->out.c;
	return (nno_depthwise_row){ .src = v.count > 0 ? p->at + (v.at - p->first) * p->width * c : p->at,
				    .rows = v.count,
				    .row_step = v.step * p->width * c,
				    .width = p->width,
				    .from = h.at,
				    .dilation = h.step,
				    .taps = h.count,
				    .weights = v.count > 0 ? j->run->param[0] + (v.k * a->kernel_w + h.k) * c
							   : j->run->param[0],
				    .weight_row = v.k_step * a->kernel_w * c,
				    .weight_tap = h.k_step * c };
}

/* Results that the last cache would not keep for their reader go past it, which saves reading what they overwrite; not
 * those that are read again at once. */
static int stream_flag(const depthwise_job *j, nno_shape result, const nno_lazy *lazy, unsigned part)
{
	return nno_lends(lazy, part) ? 0 : nno_stream_flag(j->run->n * nno_shape_count(result));
}

/* --- forward --- */

static void forward_band(void *user, int64_t unit, int slot)
{
	const depthwise_job *j = user;
	const nno_conv_attr *a = j->op->attr;
	nno_shape in = j->op->in[0], out = j->op->out;
	band b = start_band(j, unit, slot);
	picture_rows src = load_source(j, &b);
	int flags = nno_clamp_flags(a->activation) | stream_flag(j, out, j->op->dst_lazy, NNO_LAZY_MOMENTS);
	taps h = forward_taps(0, a->kernel_w, a->stride_w, a->pad_w, a->dilation_w);
	for (int64_t y = b.out.from; y < b.out.to; y++) {
		taps v = trim(forward_taps(y, a->kernel_h, a->stride_h, a->pad_h, a->dilation_h), in.h);
		nno_depthwise_row row = make_row(j, v, h, &src);
		row.stride = a->stride_w;
		row.dst = dst_of(j->run) + (b.image * out.h + y) * out.w * out.c;
		row.dst_step = out.c;
		row.count = out.w;
		row.bias = a->bias ? j->run->param[1] : NULL;
		kernels_of(j->run)->depthwise_row(&row, out.c, flags);
	}
	nno_lend_moments(j->op, j->run, unit, (b.image * out.h + b.out.from) * out.w, (b.out.to - b.out.from) * out.w);
}

static void forward(const nno_op *op, nno_run *run)
{
	depthwise_job j = make_job(op, run);
	if (op->dst_lazy != NULL)
		op->dst_lazy->moments.count = j.units;
	nno_parallel_for(run->pool, j.units, forward_band, &j);
}

/* --- backward --- */

/* A row of the input's gradient, in as many walks as there are phases of x + pad within the stride. */
static void data_row(const depthwise_job *j, const picture_rows *ddst, int64_t image, int64_t y)
{
	const nno_conv_attr *a = j->op->attr;
	nno_shape in = j->op->in[0], out = j->op->out;
	int flags = j->run->dsrc_add[0] ? NNO_GEMM_ADD : stream_flag(j, in, j->op->src_lazy, NNO_LAZY_SUMS);
	taps v = trim(data_taps(y, a->kernel_h, a->stride_h, a->pad_h, a->dilation_h), out.h);
	for (int64_t x = 0; x < a->stride_w && x < in.w; x++) {
		taps h = data_taps(x, a->kernel_w, a->stride_w, a->pad_w, a->dilation_w);
		nno_depthwise_row row = make_row(j, v, h, ddst);
		row.stride = 1;
		row.dst = dsrc_of(j->run, 0) + ((image * in.h + y) * in.w + x) * in.c;
		row.dst_step = a->stride_w * in.c;
		row.count = nno_i64_ceil_div(in.w - x, a->stride_w);
		kernels_of(j->run)->depthwise_row(&row, in.c, flags);
	}
}

static void add_data(const depthwise_job *j, int64_t unit, const band *b, const picture_rows *ddst)
{
	nno_shape in = j->op->in[0];
	for (int64_t y = b->in.from; y < b->in.to; y++)
		data_row(j, ddst, b->image, y);
	nno_lend_sums(j->op, j->run, unit, (b->image * in.h + b->in.from) * in.w, (b->in.to - b->in.from) * in.w);
}

static void data_band(void *user, int64_t unit, int slot)
{
	const depthwise_job *j = user;
	band b = start_band(j, unit, slot);
	picture_rows ddst = load_gradient(j, &b);
	add_data(j, unit, &b, &ddst);
}

static void add_weights(const depthwise_job *j, const band *b, const picture_rows *ddst, float *partial, bool first)
{
	const nno_conv_attr *a = j->op->attr;
	picture_rows src = load_source(j, b);
	/* The kernel counts rows from the first ones loaded. */
	nno_depthwise p = { .h = src.count,
			    .w = src.width,
			    .out_w = ddst->width,
			    .kernel_h = a->kernel_h,
			    .kernel_w = a->kernel_w,
			    .stride_h = a->stride_h,
			    .stride_w = a->stride_w,
			    .pad_h = a->pad_h + src.first - ddst->first * a->stride_h,
			    .pad_w = a->pad_w,
			    .dilation_h = a->dilation_h,
			    .dilation_w = a->dilation_w };
	int64_t from = b->out.from - ddst->first, to = b->out.to - ddst->first, c = j->op->out.c;
	kernels_of(j->run)->depthwise_weights(partial, src.at, ddst->at, &p, from, to, c, first ? 0 : NNO_GEMM_ADD);
	if (a->bias)
		kernels_of(j->run)->column_sums(partial + j->weight_count, ddst->at + from * ddst->width * c,
						(to - from) * ddst->width, c);
}

static void backward_chunk(void *user, int64_t index, int slot)
{
	const depthwise_job *j = user;
	float *partial = j->partial + index * j->partial_count;
	int64_t from = index * j->share, to = nno_i64_min(from + j->share, j->units);
	memset(partial + j->weight_count, 0, (size_t)j->op->out.c * sizeof(float));
	for (int64_t unit = from; unit < to; unit++) {
		band b = start_band(j, unit, slot);
		picture_rows ddst = load_gradient(j, &b);
		add_weights(j, &b, &ddst, partial, unit == from);
		if (j->run->dsrc[0] != NULL)
			add_data(j, unit, &b, &ddst);
	}
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	depthwise_job j = make_job(op, run);
	if (a->activation == NNO_ACT_RELU)
		NNO_OF(nno_mask_relu)(op, run);
	if (op->src_lazy != NULL)
		op->src_lazy->sums.count = j.units;
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

NNO_OP_CODE(conv_depthwise) = { .book = book, .forward = forward, .backward = backward };
