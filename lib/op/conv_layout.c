/* conv_layout.c - how the passes of a convolution are cut into tasks, and the scratch they want. */
#include "op/conv.h"

#include "base/size.h"

#include <string.h>

#define BAND_BYTES (128 * 1024)
#define POOLED_BYTES (64 * 1024)
#define SPREAD_BYTES (16 * 1024) /* in the first cache */
#define GROUP_BYTES (512 * 1024) /* of the images that are summed over in one product: in the second-level cache */
#define FEW_BYTES (128 * 1024)   /* weights as small as that stay in it, too, from image to image */

static int64_t rows_for(int64_t row_bytes, int64_t rows, int64_t step, int64_t reach)
{
	int64_t fit = (BAND_BYTES / row_bytes - reach) / step + 1;
	return fit < 1 ? 1 : fit > rows ? rows : fit;
}

/* Padding, unlike the pictures themselves, has no memory that bounds it. */
static bool volume(int64_t h, int64_t w, int64_t c, int64_t *count)
{
	return nno_i64_mul(h, w, count) && nno_i64_mul(*count, c, count) && *count < INT64_MAX / 64;
}

bool nno_conv_layout(const nno_op *op, nno_conv_plan *p)
{
	const nno_conv_attr *a = op->attr;
	nno_shape in = op->in[0], out = nno_conv_result(op);
	memset(p, 0, sizeof *p);
	int64_t reach_h = a->dilation_h * (a->kernel_h - 1) + 1;
	/* Padding may be wider behind the last pixel than before the first. */
	p->band_w = nno_i64_max(in.w + 2 * a->pad_w, (out.w - 1) * a->stride_w + a->dilation_w * (a->kernel_w - 1) + 1);
	p->padded_h = nno_i64_max(in.h + 2 * a->pad_h, (out.h - 1) * a->stride_h + reach_h);
	p->rows = rows_for(p->band_w * in.c * 4, out.h, a->stride_h, reach_h);
	if (op->batch < 8) { /* tasks for several threads, each of several register tiles */
		int64_t share = nno_i64_max(nno_i64_ceil_div(out.h * op->batch, 8), nno_i64_ceil_div(56, out.w));
		p->rows = nno_i64_min(p->rows, share);
	}
	if (a->pooled) {
		int64_t fit = nno_i64_min(p->rows, POOLED_BYTES / (out.w * out.c * 4));
		p->rows = nno_i64_max(2, fit / 2 * 2);
		p->spread = nno_i64_max(2, SPREAD_BYTES / (out.w * out.c * 4) / 2 * 2);
	}
	p->bands = nno_i64_ceil_div(out.h, p->rows);
	p->band_h = (p->rows - 1) * a->stride_h + reach_h;
	/* Input column x meets output columns (x + pad) / stride - t for t = 0 .. dilation (kernel - 1) / stride. */
	int64_t span_w = a->dilation_w * (a->kernel_w - 1) / a->stride_w,
		span_h = a->dilation_h * (a->kernel_h - 1) / a->stride_h;
	p->grad_left = a->pad_w / a->stride_w - span_w;
	p->grad_w = (in.w - 1 + a->pad_w) / a->stride_w - p->grad_left + 1;
	int64_t grad_row = p->grad_w * out.c * 4;
	int64_t fit = (BAND_BYTES / grad_row - span_h - 1) * a->stride_h;
	p->data_rows = fit < a->stride_h ? a->stride_h : fit;
	p->data_rows = p->data_rows > in.h ? in.h : p->data_rows;
	p->data_bands = nno_i64_ceil_div(in.h, p->data_rows);
	p->grad_h = (p->data_rows - 1) / a->stride_h + 2 + span_h;
	p->weight_count = a->kernel_h * a->kernel_w * (in.c / a->groups) * out.c;
	p->bias_count = out.c;
	int64_t band,
	    grad; /* the weight gradient reads a whole padded image, the other passes no more than that of theirs */
	if (!volume(p->padded_h, p->band_w, in.c, &band) || !volume(p->grad_h, p->grad_w, out.c, &grad))
		return false;
	band = nno_i64_max(band, grad);
	if (p->weight_count * 4 > FEW_BYTES && !a->pooled)
		p->group = nno_i64_min(op->batch, GROUP_BYTES / 4 / (band + nno_shape_count(out)));
	p->group = nno_i64_max(p->group, 1);
	int64_t pixels = nno_i64_max(p->rows * out.w, p->data_rows * in.w);
	int64_t taps = nno_i64_max(a->kernel_h * a->kernel_w, p->group * out.h);
	p->band_bytes = nno_size_round_up((size_t)(p->group * band) * 4, NNO_ALIGNMENT);
	p->pointer_bytes = nno_size_round_up((size_t)pixels * sizeof(void *), NNO_ALIGNMENT);
	p->tap_bytes = nno_size_round_up((size_t)taps * sizeof(int64_t), NNO_ALIGNMENT);
	int64_t room = op->type == NNO_F32 ? 0 : p->group * nno_shape_count(op->out);
	room += a->pooled ? nno_i64_max(p->rows, p->spread) * out.w * out.c : 0;
	/* Pixels of many channels lie a power of two apart: they would share a few sets of the caches. */
	p->strips = a->groups == 1 && out.c > 2 * NNO_CONV_PANEL;
	int64_t strip = p->strips ? p->group * out.h * out.w * NNO_CONV_PANEL : 0;
	p->strip_bytes = nno_size_round_up((size_t)strip * sizeof(float), NNO_ALIGNMENT);
	p->gradient_bytes = nno_size_round_up((size_t)room * sizeof(float), NNO_ALIGNMENT) + p->strip_bytes;
	p->slot_bytes = p->band_bytes + 2 * p->pointer_bytes + 3 * p->tap_bytes + p->gradient_bytes;
	p->chunks = nno_i64_min(NNO_CONV_CHUNKS, nno_i64_max(1, ((int64_t)8 << 20) / p->weight_count));
	int64_t partial;
	if (!nno_i64_mul(p->chunks, p->weight_count + p->bias_count, &partial) || partial > INT64_MAX / 16)
		return false;
	p->shared_bytes = nno_size_round_up((size_t)(partial + p->weight_count) * 4, NNO_ALIGNMENT);
	return true;
}
