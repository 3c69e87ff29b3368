/* conv_choice.c - which algorithm suits a convolution, or a linear layer. */
#include "op/op.h"

#include "base/size.h"

enum { TILE = 4 }; /* of Winograd's results */
enum { FEW_CHANNELS = 16, FEW_PIXELS = 4 };

bool nno_winograd_pays(const nno_op *op, int64_t batch)
{
	const nno_conv_attr *a = op->attr;
	if (a->kernel_h != 3 || a->kernel_w != 3 || a->stride_h != 1 || a->stride_w != 1 || a->dilation_h != 1 ||
	    a->dilation_w != 1 || a->groups != 1 || a->pad_h > 2 || a->pad_w > 2 || op->in[0].c < 16 || op->out.c < 16)
		return false;
	/* 36 products a tile instead of 9 a result, and the transforms of the weights on top. */
	int64_t pixels = op->out.h * op->out.w,
		tiles = nno_i64_ceil_div(op->out.h, TILE) * nno_i64_ceil_div(op->out.w, TILE);
	return 36 * tiles * 3 <= 9 * pixels * 2 && (tiles >= 16 || tiles * batch >= 16);
}

bool nno_conv_images_pays(const nno_op *op, int64_t batch)
{
	const nno_conv_attr *a = op->attr;
	int64_t out_pixels = op->out.h * op->out.w;
	/* Both gradients in one sweep are worth more. */
	if (op->training && nno_conv_pointwise_fits(op))
		return false;
	return a->groups == 1 && batch >= 16 && out_pixels <= 16 && op->in[0].h * op->in[0].w <= 64 &&
	       a->kernel_h * a->kernel_w <= 25 && op->in[0].c >= 128 && op->out.c >= 128;
}

bool nno_conv_pointwise_fits(const nno_op *op)
{
	const nno_conv_attr *a = op->attr;
	return a->kernel_h == 1 && a->kernel_w == 1 && a->stride_h == 1 && a->stride_w == 1 && a->pad_h == 0 &&
	       a->pad_w == 0 && a->groups == 1;
}

const nno_op_class *nno_op_on_pairs(const nno_op *op, const nno_kernels *kernels, nno_type type)
{
	if (type != NNO_BF16 || kernels->pairs == NULL || op->out.c % 2 != 0)
		return NULL;
	bool even = op->in[0].c % 2 == 0;
	if (op->cls == &nno_op_linear)
		return even ? &nno_op_linear_pairs : NULL;
	if (op->cls == &nno_op_conv_pointwise)
		return even ? &nno_op_conv_pointwise_pairs : NULL;
	if (!nno_op_is_conv(op) || op->cls == &nno_op_conv_depthwise)
		return NULL;
	const nno_conv_attr *a = op->attr;
	if (a->groups != 1 || a->dilation_h != 1 || a->dilation_w != 1)
		return NULL;
	/* A row of few pixels fills no tile. */
	if (op->cls == &nno_op_conv_images && op->out.w < FEW_PIXELS)
		return NULL;
	/* Winograd's transforms cost too much where there are few channels. */
	bool few = op->in[0].c * op->out.c <= FEW_CHANNELS * FEW_CHANNELS;
	return op->cls != &nno_op_conv_winograd || few ? &nno_op_conv_pairs : NULL;
}
