/* conv_images.c - convolution of small pictures, of many channels and from many of them: the rows of a product are the
 * images of the batch. A result pixel meets exactly the input pixels its window covers, so the padding costs nothing
 * (of the nine taps on 2x2 pictures four are left), and a panel of weights is read once for the whole batch. A task
 * owns a panel of the result's columns, and of the weights' gradient some rows of one tap, so that nothing is summed
 * twice. */
#include "op/op.h"

#include "base/size.h"
#include "op/parallel.h"

#include <string.h>

enum { PANEL = 64, ROWS = 64, SPAN = 1024 /* rows summed over in one product: both copies fit a cache */ };

typedef struct images_plan {
	int64_t taps, in_pixels, out_pixels;
	int64_t group; /* pixels of all images that are summed over in one product */
	size_t pointer_bytes, offset_bytes, panel_bytes, copy_bytes, slot_bytes;
} images_plan;

static bool make_plan(const nno_op *op, images_plan *p)
{
	const nno_conv_attr *a = op->attr;
	*p = (images_plan){ .taps = a->kernel_h * a->kernel_w,
			    .in_pixels = op->in[0].h * op->in[0].w,
			    .out_pixels = op->out.h * op->out.w };
	p->group = nno_i64_max(1, SPAN / op->batch);
	int64_t most = nno_i64_max(op->in[0].c, op->out.c), panel, copy;
	if (!nno_i64_mul(p->taps * PANEL, most, &panel) || !nno_i64_mul(op->batch, p->group * ROWS, &copy) ||
	    panel > INT64_MAX / 64 || copy > INT64_MAX / 64)
		return false;
	p->pointer_bytes = nno_size_round_up((size_t)op->batch * sizeof(void *), NNO_ALIGNMENT);
	p->offset_bytes =
	    nno_size_round_up((size_t)nno_i64_max(p->taps, p->out_pixels) * sizeof(int64_t), NNO_ALIGNMENT);
	p->panel_bytes = nno_size_round_up((size_t)panel * sizeof(float), NNO_ALIGNMENT);
	p->copy_bytes = nno_size_round_up((size_t)copy * sizeof(float), NNO_ALIGNMENT);
	p->slot_bytes = 2 * p->pointer_bytes + 2 * p->offset_bytes +
			(p->panel_bytes > p->copy_bytes ? p->panel_bytes : p->copy_bytes);
	return true;
}

/* The result's gradient for the weights': PANEL columns after the other, of each pixel, of each image. */
static size_t count_strips(const nno_op *op) { return (size_t)nno_i64_ceil_div(op->out.c, PANEL); }

static bool book(nno_op *op, int slots)
{
	images_plan p;
	int64_t weights;
	if (!make_plan(op, &p) || !nno_size_mul(p.slot_bytes, (size_t)slots, &op->forward_workspace) ||
	    !nno_i64_mul(op->in[0].c * op->out.c, p.taps, &weights))
		return false;
	size_t source = nno_room((size_t)(op->batch * nno_shape_count(op->in[0]))) * sizeof(float),
	       gradient = nno_room((size_t)(op->batch * nno_shape_count(op->out))) * sizeof(float), strips;
	if (!nno_size_mul((size_t)(op->batch * p.out_pixels), count_strips(op) * PANEL * sizeof(float), &strips) ||
	    !nno_size_add(strips, gradient, &gradient) ||
	    !nno_size_add(op->forward_workspace, gradient, &op->backward_workspace) ||
	    !nno_size_add(op->forward_workspace, source, &op->forward_workspace))
		return false;
	return nno_i64_mul(weights, p.out_pixels, &op->macs);
}

typedef struct images_job {
	const nno_op *op;
	nno_run *run;
	images_plan p;
	const float *from; /* what is read image by image: the source forward, the result's gradient backward */
	float *strips;
} images_job;

/* What a slot's scratch holds. */
typedef struct scratch {
	const float **from;
	elem **to;
	int64_t *a_off, *b_off;
	float *panel;
} scratch;

static scratch slot_scratch(const images_job *j, int slot)
{
	char *at = (char *)j->run->workspace + (size_t)slot * j->p.slot_bytes;
	scratch s = { .from = (const float **)(void *)at, .to = (elem **)(void *)(at + j->p.pointer_bytes) };
	at += 2 * j->p.pointer_bytes;
	s.a_off = (int64_t *)(void *)at;
	s.b_off = (int64_t *)(void *)(at + j->p.offset_bytes);
	s.panel = (float *)(void *)(at + 2 * j->p.offset_bytes);
	return s;
}

/* The input pixel under tap `tap` of result pixel `pixel`, or -1 where the padding is. */
static int64_t input_pixel(const nno_op *op, int64_t pixel, int64_t tap)
{
	const nno_conv_attr *a = op->attr;
	int64_t y = pixel / op->out.w * a->stride_h - a->pad_h + tap / a->kernel_w * a->dilation_h;
	int64_t x = pixel % op->out.w * a->stride_w - a->pad_w + tap % a->kernel_w * a->dilation_w;
	return y >= 0 && y < op->in[0].h && x >= 0 && x < op->in[0].w ? y * op->in[0].w + x : -1;
}

static void point_images(const images_job *j, const scratch *s, int64_t from_count, elem *to, int64_t to_count)
{
	for (int64_t i = 0; i < j->run->n; i++) {
		s->from[i] = j->from + i * from_count;
		s->to[i] = to + i * to_count;
	}
}

/* Columns [index PANEL, ...) of all result pixels. */
static void forward_panel(void *user, int64_t index, int slot)
{
	const images_job *j = user;
	const nno_op *op = j->op;
	const nno_conv_attr *a = op->attr;
	const nno_run *run = j->run;
	scratch s = slot_scratch(j, slot);
	int64_t c = op->in[0].c, o = op->out.c, column = index * PANEL, n = nno_i64_min(PANEL, o - column);
	for (int64_t r = 0; r < j->p.taps * c; r++)
		memcpy(s.panel + r * n, run->param[0] + r * o + column, (size_t)n * sizeof(float));
	point_images(j, &s, nno_shape_count(op->in[0]), dst_of(run), nno_shape_count(op->out));
	for (int64_t pixel = 0; pixel < j->p.out_pixels; pixel++) {
		int64_t taps = 0;
		for (int64_t t = 0; t < j->p.taps; t++) {
			int64_t q = input_pixel(op, pixel, t);
			if (q < 0)
				continue;
			s.a_off[taps] = q * c;
			s.b_off[taps++] = t * c * n;
		}
		kernels_of(run)->gemm_rows(run->n, n, c, taps, s.from, s.a_off, s.panel, s.b_off, n, s.to,
					   pixel * o + column, a->bias ? run->param[1] + column : NULL,
					   nno_conv_flags(op));
	}
}

/* Channels [index PANEL, ...) of all input pixels. */
static void data_panel(void *user, int64_t index, int slot)
{
	const images_job *j = user;
	const nno_op *op = j->op;
	const nno_run *run = j->run;
	scratch s = slot_scratch(j, slot);
	int64_t c = op->in[0].c, o = op->out.c, column = index * PANEL, n = nno_i64_min(PANEL, c - column);
	for (int64_t t = 0; t < j->p.taps; t++)
		run->kernels->f32->transpose(s.panel + t * o * n, n, run->param[0] + (t * c + column) * o, o, n, o);
	point_images(j, &s, nno_shape_count(op->out), dsrc_of(run, 0), nno_shape_count(op->in[0]));
	for (int64_t q = 0; q < j->p.in_pixels; q++) {
		int64_t taps = 0;
		for (int64_t t = 0; t < j->p.taps; t++)
			for (int64_t pixel = 0; pixel < j->p.out_pixels; pixel++)
				if (input_pixel(op, pixel, t) == q) {
					s.a_off[taps] = pixel * o;
					s.b_off[taps++] = t * o * n;
				}
		/* Without taps this writes the zeros that the pixel has for a gradient. */
		kernels_of(run)->gemm_rows(run->n, n, o, taps, s.from, s.a_off, s.panel, s.b_off, n, s.to,
					   q * c + column, NULL, run->dsrc_add[0] ? NNO_GEMM_ADD : 0);
	}
}

static float *strip_of(const images_job *j, int64_t strip, int64_t pixel)
{
	return j->strips + (strip * j->p.out_pixels + pixel) * j->run->n * PANEL;
}

static void copy_strip(void *user, int64_t index, int slot)
{
	(void)slot;
	const images_job *j = user;
	int64_t o = j->op->out.c, strip = index / j->p.out_pixels, pixel = index % j->p.out_pixels;
	int64_t column = strip * PANEL, n = nno_i64_min(PANEL, o - column);
	float *to = strip_of(j, strip, pixel);
	for (int64_t i = 0; i < j->run->n; i++)
		memcpy(to + i * PANEL, j->from + (i * j->p.out_pixels + pixel) * o + column, (size_t)n * sizeof(float));
}

/* Some rows of one tap, by the result pixels whose products they sum, a group at a time. */
static void weight_rows(void *user, int64_t index, int slot)
{
	const images_job *j = user;
	const nno_op *op = j->op;
	const nno_run *run = j->run;
	scratch s = slot_scratch(j, slot);
	int64_t c = op->in[0].c, o = op->out.c, blocks = nno_i64_ceil_div(c, ROWS);
	int64_t tap = index / blocks, row = index % blocks * ROWS, m = nno_i64_min(ROWS, c - row), pixel = 0;
	float *dst = run->dparam[0] + (tap * c + row) * o;
	int flags = run->dparam_add ? NNO_GEMM_ADD : 0;
	do { /* once at least: a tap that meets padding alone has the gradient zero */
		int64_t segments = 0;
		for (; pixel < j->p.out_pixels && segments < j->p.group; pixel++) {
			int64_t q = input_pixel(op, pixel, tap);
			if (q < 0)
				continue;
			float *copy = s.panel + segments * run->n * m;
			for (int64_t i = 0; i < run->n; i++)
				kernels_of(run)->widen(copy + i * m,
						       src_of(run, 0) + (i * j->p.in_pixels + q) * c + row, m);
			s.a_off[segments] = segments * run->n * m;
			s.b_off[segments++] = pixel * run->n * PANEL;
		}
		for (int64_t column = 0; column < o; column += PANEL)
			run->kernels->gemm_columns_f32(m, nno_i64_min(PANEL, o - column), run->n, segments, s.panel,
						       s.a_off, m, strip_of(j, column / PANEL, 0), s.b_off, PANEL,
						       dst + column, o, flags);
		flags = NNO_GEMM_ADD;
	} while (pixel < j->p.out_pixels);
}

static void bias_gradient(const images_job *j)
{
	const nno_run *run = j->run;
	int64_t o = j->op->out.c;
	if (!run->dparam_add)
		memset(run->dparam[1], 0, (size_t)o * sizeof(float));
	run->kernels->f32->column_sums(run->dparam[1], j->from, run->n * j->p.out_pixels, o);
}

static float *shared_room(const images_job *j)
{
	return (float *)(void *)((char *)j->run->workspace + (size_t)nno_pool_slots(j->run->pool) * j->p.slot_bytes);
}

static void forward(const nno_op *op, nno_run *run)
{
	images_job j = { .op = op, .run = run };
	(void)make_plan(op, &j.p);
	j.from = NNO_OF(nno_widen_all)(run, shared_room(&j), src_of(run, 0), run->n * nno_shape_count(op->in[0]));
	nno_parallel_for(run->pool, nno_i64_ceil_div(op->out.c, PANEL), forward_panel, &j);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_conv_attr *a = op->attr;
	images_job j = { .op = op, .run = run };
	(void)make_plan(op, &j.p);
	if (a->activation == NNO_ACT_RELU)
		NNO_OF(nno_mask_relu)(op, run);
	int64_t count = run->n * nno_shape_count(op->out);
	j.from = NNO_OF(nno_widen_all)(run, shared_room(&j), ddst_of(run), count);
	j.strips = shared_room(&j) + nno_room((size_t)count);
	if (run->dparam[0] != NULL) {
		nno_parallel_for(run->pool, (int64_t)count_strips(op) * j.p.out_pixels, copy_strip, &j);
		nno_parallel_for(run->pool, j.p.taps * nno_i64_ceil_div(op->in[0].c, ROWS), weight_rows, &j);
	}
	if (a->bias && run->dparam[1] != NULL)
		bias_gradient(&j);
	if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, nno_i64_ceil_div(op->in[0].c, PANEL), data_panel, &j);
}

NNO_OP_CODE(conv_images) = { .book = book, .forward = forward, .backward = backward };
