/* pool_op.c - maximum and average over windows, the adaptive ones too. A task is one image; channels are the inner
 * loop. The maximum keeps for each result the place of its window it came from, so that backward needs neither input
 * nor output. */
#include "op/op.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

typedef struct window {
	int64_t from, to; /* input positions inside the picture */
	int64_t padded;   /* positions counted when padding counts */
} window;

static window window_at(int64_t index, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad,
			bool adaptive)
{
	if (adaptive) {
		int64_t from = index * in / out, to = nno_i64_ceil_div((index + 1) * in, out);
		return (window){ from, to, to - from };
	}
	int64_t start = index * stride - pad, end = nno_i64_min(start + kernel, in + pad);
	return (window){ nno_i64_max(start, 0), nno_i64_min(end, in), end - start };
}

static window window_h(const nno_op *op, int64_t y)
{
	const nno_pool_attr *a = op->attr;
	return window_at(y, op->in[0].h, op->out.h, a->kernel_h, a->stride_h, a->pad_h, a->adaptive);
}

static window window_w(const nno_op *op, int64_t x)
{
	const nno_pool_attr *a = op->attr;
	return window_at(x, op->in[0].w, op->out.w, a->kernel_w, a->stride_w, a->pad_w, a->adaptive);
}

static bool book_max(nno_op *op, int slots)
{
	(void)slots;
	op->saved_bytes = 0;
	return !op->training ||
	       nno_size_mul((size_t)nno_shape_count(op->out) * sizeof(int32_t), (size_t)op->batch, &op->saved_bytes);
}

static bool book_nothing(nno_op *op, int slots)
{
	(void)op;
	(void)slots;
	return true;
}

typedef struct pool_job {
	const nno_op *op;
	nno_run *run;
} pool_job;

/* The first of equal maxima wins, and a NaN wins over all, as in PyTorch. */
static void max_image(void *user, int64_t image, int slot)
{
	(void)slot;
	const pool_job *j = user;
	const nno_op *op = j->op;
	int64_t c = op->in[0].c, w = op->in[0].w;
	const float *src = j->run->src[0] + image * nno_shape_count(op->in[0]);
	float *dst = j->run->dst + image * nno_shape_count(op->out);
	int32_t *place = j->run->saved != NULL ? (int32_t *)j->run->saved + image * nno_shape_count(op->out) : NULL;
	for (int64_t oy = 0; oy < op->out.h; oy++)
		for (int64_t ox = 0; ox < op->out.w; ox++) {
			window v = window_h(op, oy), h = window_w(op, ox);
			float *best = dst + (oy * op->out.w + ox) * c;
			int32_t *where = place != NULL ? place + (oy * op->out.w + ox) * c : NULL;
			bool first = true;
			for (int64_t y = v.from; y < v.to; y++)
				for (int64_t x = h.from; x < h.to; x++) {
					int64_t at = y * w + x;
					j->run->kernels->max_update_f32(best, where, src + at * c, (int32_t)at, first,
									c);
					first = false;
				}
		}
}

static void max_forward(const nno_op *op, nno_run *run)
{
	pool_job j = { op, run };
	nno_parallel_for(run->pool, run->n, max_image, &j);
}

static void max_back_image(void *user, int64_t image, int slot)
{
	(void)slot;
	const pool_job *j = user;
	const nno_op *op = j->op;
	int64_t c = op->in[0].c, pixels = op->out.h * op->out.w;
	float *dsrc = j->run->dsrc[0] + image * nno_shape_count(op->in[0]);
	const float *ddst = j->run->ddst + image * nno_shape_count(op->out);
	const int32_t *place = (const int32_t *)j->run->saved + image * nno_shape_count(op->out);
	if (!j->run->dsrc_add[0])
		memset(dsrc, 0, (size_t)nno_shape_count(op->in[0]) * sizeof(float));
	for (int64_t p = 0; p < pixels; p++)
		for (int64_t k = 0; k < c; k++)
			dsrc[(int64_t)place[p * c + k] * c + k] += ddst[p * c + k];
}

static void max_backward(const nno_op *op, nno_run *run)
{
	pool_job j = { op, run };
	if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, run->n, max_back_image, &j);
}

static float average_factor(const nno_op *op, window v, window h)
{
	const nno_pool_attr *a = op->attr;
	int64_t inside = (v.to - v.from) * (h.to - h.from);
	return 1.0f / (float)(a->count_include_pad && !a->adaptive ? v.padded * h.padded : inside);
}

static void avg_image(void *user, int64_t image, int slot)
{
	(void)slot;
	const pool_job *j = user;
	const nno_op *op = j->op;
	int64_t c = op->in[0].c;
	const float *src = j->run->src[0] + image * nno_shape_count(op->in[0]);
	float *dst = j->run->dst + image * nno_shape_count(op->out);
	for (int64_t oy = 0; oy < op->out.h; oy++)
		for (int64_t ox = 0; ox < op->out.w; ox++) {
			window v = window_h(op, oy), h = window_w(op, ox);
			float *sum = dst + (oy * op->out.w + ox) * c;
			memset(sum, 0, (size_t)c * sizeof(float));
			for (int64_t y = v.from; y < v.to; y++)
				for (int64_t x = h.from; x < h.to; x++)
					j->run->kernels->accumulate_f32(sum, src + (y * op->in[0].w + x) * c, c);
			j->run->kernels->scale_f32(sum, sum, average_factor(op, v, h), c);
		}
}

static void avg_forward(const nno_op *op, nno_run *run)
{
	pool_job j = { op, run };
	nno_parallel_for(run->pool, run->n, avg_image, &j);
}

static void avg_back_image(void *user, int64_t image, int slot)
{
	(void)slot;
	const pool_job *j = user;
	const nno_op *op = j->op;
	int64_t c = op->in[0].c;
	float *dsrc = j->run->dsrc[0] + image * nno_shape_count(op->in[0]);
	const float *ddst = j->run->ddst + image * nno_shape_count(op->out);
	if (!j->run->dsrc_add[0])
		memset(dsrc, 0, (size_t)nno_shape_count(op->in[0]) * sizeof(float));
	for (int64_t oy = 0; oy < op->out.h; oy++)
		for (int64_t ox = 0; ox < op->out.w; ox++) {
			window v = window_h(op, oy), h = window_w(op, ox);
			float factor = average_factor(op, v, h);
			for (int64_t y = v.from; y < v.to; y++)
				for (int64_t x = h.from; x < h.to; x++)
					j->run->kernels->add_scaled_f32(dsrc + (y * op->in[0].w + x) * c,
									ddst + (oy * op->out.w + ox) * c, factor, c);
		}
}

static void avg_backward(const nno_op *op, nno_run *run)
{
	pool_job j = { op, run };
	if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, run->n, avg_back_image, &j);
}

const nno_op_class nno_op_max_pool = {
	.name = "max_pool",
	.attr_size = sizeof(nno_pool_attr),
	.can_add = true,
	.book = book_max,
	.forward = max_forward,
	.backward = max_backward,
};

const nno_op_class nno_op_avg_pool = {
	.name = "avg_pool",
	.attr_size = sizeof(nno_pool_attr),
	.can_add = true,
	.book = book_nothing,
	.forward = avg_forward,
	.backward = avg_backward,
};
