/* conv_weights.c - gradients of a convolution's weights and bias. The batch is cut into chunks by its size alone; each
 * chunk sums its images into a partial gradient of its own, and the partials are added in order. */
#include "op/conv.h"

#include "base/size.h"
#include "op/parallel.h"

#include <string.h>

typedef struct weights_job {
	const nno_op *op;
	nno_run *run;
	nno_conv_plan p;
	float *partial;         /* chunks x (weights, bias) */
	int64_t chunks, images; /* in use, and images a chunk */
} weights_job;

/* Some images: x is their padded copies, dy their results' gradients, of rows [from, from + rows) of each. */
typedef struct images {
	int64_t count, from, rows;
	const float *x, *dy;
	float *strips; /* room for dy, a panel of columns after the other */
	int64_t *x_off, *y_off;
} images;

/* The weights' gradient of columns [column, column + n) of the group's; y is theirs, `step` values a pixel. */
static void add_columns(const weights_job *j, const images *im, int64_t group, int64_t column, int64_t n,
			const float *y, int64_t step, float *weights, int flags)
{
	const nno_op *op = j->op;
	const nno_conv_attr *a = op->attr;
	nno_shape out = nno_conv_result(op);
	int64_t c = op->in[0].c, depth = c / a->groups, o = out.c, rows = im->count * im->rows;
	/* Taps side by side are as deep a pixel. */
	bool merge = a->groups == 1 && a->dilation_w == 1;
	int64_t across = merge ? 1 : a->kernel_w, m = merge ? a->kernel_w * c : depth;
	for (int64_t r = 0; r < rows; r++)
		im->y_off[r] = r * out.w * step;
	for (int64_t ky = 0; ky < a->kernel_h; ky++)
		for (int64_t kx = 0; kx < across; kx++) {
			for (int64_t r = 0; r < rows; r++) {
				int64_t row = r / im->rows * j->p.padded_h + (im->from + r % im->rows) * a->stride_h +
					      ky * a->dilation_h;
				im->x_off[r] = (row * j->p.band_w + kx * a->dilation_w) * c + group * depth;
			}
			float *dst = weights + (ky * a->kernel_w + kx) * depth * o + group * (o / a->groups) + column;
			j->run->kernels->gemm_columns_f32(m, n, out.w, rows, im->x, im->x_off, a->stride_w * c, y,
							  im->y_off, step, dst, o, flags);
		}
}

static void add_images(const weights_job *j, const images *im, float *weights, int flags)
{
	const nno_conv_attr *a = j->op->attr;
	nno_shape out = nno_conv_result(j->op);
	int64_t o = out.c, n = o / a->groups, pixels = im->count * im->rows * out.w;
	if (!j->p.strips) {
		for (int64_t g = 0; g < a->groups; g++)
			add_columns(j, im, g, 0, n, im->dy + g * n, o, weights, flags);
		return;
	}
	for (int64_t column = 0; column < o; column += NNO_CONV_PANEL) {
		n = nno_i64_min(NNO_CONV_PANEL, o - column);
		for (int64_t i = 0; i < pixels; i++)
			memcpy(im->strips + i * n, im->dy + i * o + column, (size_t)n * sizeof(float));
		add_columns(j, im, 0, column, n, im->strips, n, weights, flags);
	}
}

/* The gradient of what the convolution made of rows [from, from + rows) of an image, before it was pooled, as floats.
 */
static const float *spread_gradient(const weights_job *j, int64_t image, int64_t from, int64_t rows, float *room)
{
	const nno_op *op = j->op;
	const nno_run *run = j->run;
	int64_t row = op->out.w * op->out.c, at = (image * op->out.h + from / 2) * row;
	const float *dy = nno_as_floats(run, room + 2 * rows * row, ddst_of(run) + at, rows / 2 * row);
	const uint8_t *place = (const uint8_t *)run->saved + at;
	for (int64_t y = 0; y < rows / 2; y++)
		run->kernels->f32->max_pool2_gradient(room + 4 * y * row, room + (4 * y + 2) * row, dy + y * row,
						      place + y * row, op->out.w, op->out.c, 0);
	return room;
}

static void sum_chunk(void *user, int64_t index, int slot)
{
	const weights_job *j = user;
	const nno_op *op = j->op;
	const nno_conv_attr *a = op->attr;
	nno_shape in = op->in[0], out = nno_conv_result(op);
	char *scratch = (char *)j->run->workspace + (size_t)slot * j->p.slot_bytes;
	float *padded = (float *)(void *)scratch;
	images im = { .x = padded, .x_off = (int64_t *)(void *)(scratch + j->p.band_bytes + 2 * j->p.pointer_bytes) };
	im.y_off = (int64_t *)(void *)((char *)im.x_off + j->p.tap_bytes);
	float *gradient = (float *)(void *)((char *)im.x_off + 3 * j->p.tap_bytes);
	im.strips = (float *)(void *)((char *)gradient + j->p.gradient_bytes - j->p.strip_bytes);
	float *weights = j->partial + index * (j->p.weight_count + j->p.bias_count);
	float *bias = weights + j->p.weight_count;
	memset(bias, 0, (size_t)j->p.bias_count * sizeof(float));
	int64_t from = index * j->images, to = nno_i64_min(from + j->images, j->run->n);
	for (int64_t i = from; i < to; i += j->p.group) {
		im.count = nno_i64_min(j->p.group, to - i);
		for (int64_t k = 0; k < im.count; k++) {
			const elem *image = src_of(j->run, 0) + (i + k) * nno_shape_count(in);
			float *copy = padded + k * j->p.padded_h * j->p.band_w * in.c;
			NNO_OF(nno_conv_copy_band)
			(j->run, copy, j->p.padded_h, j->p.band_w, image, in.h, in.w, in.c, -a->pad_h, -a->pad_w);
		}
		for (im.from = 0; im.from < out.h; im.from += im.rows) {
			im.rows = a->pooled ? nno_i64_min(j->p.spread, out.h - im.from) : out.h;
			im.dy = a->pooled ? spread_gradient(j, i, im.from, im.rows, gradient)
					  : nno_as_floats(j->run, gradient, ddst_of(j->run) + i * nno_shape_count(out),
							  im.count * nno_shape_count(out));
			add_images(j, &im, weights, i == from && im.from == 0 ? 0 : NNO_GEMM_ADD);
			if (a->bias)
				j->run->kernels->f32->column_sums(bias, im.dy, im.count * im.rows * out.w, out.c);
		}
	}
}

void NNO_OF(nno_conv_backward_weights)(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	weights_job j = { .op = op, .run = run };
	(void)nno_conv_layout(op, &j.p);
	j.partial = (float *)(void *)((char *)run->workspace + (size_t)nno_pool_slots(run->pool) * j.p.slot_bytes);
	j.images = nno_i64_ceil_div(run->n, j.p.chunks);
	j.chunks = nno_i64_ceil_div(run->n, j.images);
	nno_parallel_for(run->pool, j.chunks, sum_chunk, &j);
	int64_t stride = j.p.weight_count + j.p.bias_count;
	nno_sum_partials(run, run->dparam[0], j.partial, j.chunks, stride, j.p.weight_count);
	if (a->bias)
		nno_sum_partials(run, run->dparam[1], j.partial + j.p.weight_count, j.chunks, stride, j.p.bias_count);
}
