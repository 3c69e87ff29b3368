/* conv_data.c - gradient of a convolution's input. Input pixel (y, x) meets output (y + pad - ky dilation) / stride
 * where that divides. Pixels of one phase ((y + pad) mod stride, (x + pad) mod stride) share their taps, so each phase
 * is a product of the same form as forward, on transposed weights. */
#include "op/conv.h"

#include "base/size.h"

#include <string.h>

typedef struct data_job {
	const nno_op *op;
	nno_run *run;
	nno_conv_plan p;
	float *transposed; /* (kh, kw, O, C / groups) */
} data_job;

static void transpose_tap(void *user, int64_t tap, int slot)
{
	(void)slot;
	const data_job *j = user;
	const nno_conv_attr *a = j->op->attr;
	int64_t depth = j->op->in[0].c / a->groups, o = j->op->out.c;
	j->run->kernels->f32->transpose(j->transposed + tap * depth * o, depth, j->run->param[0] + tap * depth * o, o,
					depth, o);
}

/* One task: a band of input rows of one image, all its phases. */
typedef struct band {
	const data_job *j;
	float *grad; /* padded copy of the output gradient */
	const float **pixel;
	elem **result;
	int64_t *a_off, *b_off;
	int64_t image, from, rows, grad_from;
} band;

static int64_t list_pixels(const band *b, int64_t phase_y, int64_t phase_x)
{
	const nno_op *op = b->j->op;
	const nno_conv_attr *a = op->attr;
	nno_shape in = op->in[0];
	int64_t n = 0;
	for (int64_t y = b->from; y < b->from + b->rows; y++) {
		if ((y + a->pad_h) % a->stride_h != phase_y)
			continue;
		for (int64_t x = 0; x < in.w; x++) {
			if ((x + a->pad_w) % a->stride_w != phase_x)
				continue;
			int64_t gy = (y + a->pad_h) / a->stride_h - b->grad_from,
				gx = (x + a->pad_w) / a->stride_w - b->j->p.grad_left;
			b->pixel[n] = b->grad + (gy * b->j->p.grad_w + gx) * op->out.c;
			b->result[n++] = dsrc_of(b->j->run, 0) + ((b->image * in.h + y) * in.w + x) * in.c;
		}
	}
	return n;
}

static int64_t list_taps(const band *b, int64_t phase_y, int64_t phase_x)
{
	const nno_op *op = b->j->op;
	const nno_conv_attr *a = op->attr;
	int64_t depth = op->in[0].c / a->groups, n = 0;
	for (int64_t ky = 0; ky < a->kernel_h; ky++) {
		int64_t y = ky * a->dilation_h - phase_y;
		if (y % a->stride_h != 0)
			continue;
		for (int64_t kx = 0; kx < a->kernel_w; kx++) {
			int64_t x = kx * a->dilation_w - phase_x;
			if (x % a->stride_w != 0)
				continue;
			b->a_off[n] = -(y / a->stride_h * b->j->p.grad_w + x / a->stride_w) * op->out.c;
			b->b_off[n++] = (ky * a->kernel_w + kx) * depth * op->out.c;
		}
	}
	return n;
}

static void run_phase(const band *b, int64_t phase_y, int64_t phase_x)
{
	const nno_op *op = b->j->op;
	const nno_conv_attr *a = op->attr;
	nno_run *run = b->j->run;
	int64_t pixels = list_pixels(b, phase_y, phase_x), taps = list_taps(b, phase_y, phase_x);
	int64_t depth = op->in[0].c / a->groups, group_out = op->out.c / a->groups;
	for (int64_t g = 0; g < a->groups && pixels > 0; g++) {
		/* Without taps this writes the zeros that the phase has for a gradient. */
		kernels_of(run)->gemm_rows(pixels, depth, group_out, taps, b->pixel, b->a_off,
					   b->j->transposed + g * group_out * depth, b->b_off, depth, b->result,
					   g * depth, NULL, run->dsrc_add[0] ? NNO_GEMM_ADD : 0);
		for (int64_t t = 0; t < taps; t++)
			b->a_off[t] += group_out;
	}
}

static void data_band(void *user, int64_t index, int slot)
{
	const data_job *j = user;
	const nno_op *op = j->op;
	const nno_conv_attr *a = op->attr;
	nno_shape out = op->out;
	char *scratch = (char *)j->run->workspace + (size_t)slot * j->p.slot_bytes;
	band b = { .j = j,
		   .grad = (float *)(void *)scratch,
		   .image = index / j->p.data_bands,
		   .from = index % j->p.data_bands * j->p.data_rows };
	b.pixel = (const float **)(void *)(scratch + j->p.band_bytes);
	b.result = (elem **)(void *)(scratch + j->p.band_bytes + j->p.pointer_bytes);
	b.a_off = (int64_t *)(void *)(scratch + j->p.band_bytes + 2 * j->p.pointer_bytes);
	b.b_off = (int64_t *)(void *)((char *)b.a_off + j->p.tap_bytes);
	b.rows = nno_i64_min(j->p.data_rows, op->in[0].h - b.from);
	b.grad_from = (b.from + a->pad_h) / a->stride_h - a->dilation_h * (a->kernel_h - 1) / a->stride_h;
	int64_t grad_to = (b.from + b.rows - 1 + a->pad_h) / a->stride_h;
	NNO_OF(nno_conv_copy_band)
	(j->run, b.grad, grad_to - b.grad_from + 1, j->p.grad_w, ddst_of(j->run) + b.image * nno_shape_count(out),
	 out.h, out.w, out.c, b.grad_from, j->p.grad_left);
	for (int64_t y = 0; y < a->stride_h; y++)
		for (int64_t x = 0; x < a->stride_w; x++)
			run_phase(&b, y, x);
}

void NNO_OF(nno_conv_backward_data)(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	data_job j = { .op = op, .run = run };
	(void)nno_conv_layout(op, &j.p);
	j.transposed = (float *)(void *)((char *)run->workspace + (size_t)nno_pool_slots(run->pool) * j.p.slot_bytes);
	nno_parallel_for(run->pool, a->kernel_h * a->kernel_w, transpose_tap, &j);
	nno_parallel_for(run->pool, run->n * j.p.data_bands, data_band, &j);
}
