/* tensor_copy.c - elements in and out, between types and layouts. */
#include "tensor/tensor.h"

#include <math.h>

/* One row of pixels at a time goes through here when the layout changes: element (n, c, h, w) by its place in each
 * order. */
static void copy_layouts(const nno_kernels *k, char *dst, nnopt_dtype dst_dtype, const char *src, nnopt_dtype src_dtype,
			 const int64_t *shape, bool to_nhwc)
{
	int64_t channels = shape[1], area = shape[2] * shape[3];
	size_t d = nnopt_dtype_size(dst_dtype), s = nnopt_dtype_size(src_dtype);
	for (int64_t n = 0; n < shape[0]; n++)
		for (int64_t c = 0; c < channels; c++)
			for (int64_t p = 0; p < area; p++) {
				int64_t planar = (n * channels + c) * area + p, packed = (n * area + p) * channels + c;
				int64_t to = to_nhwc ? packed : planar, from = to_nhwc ? planar : packed;
				nno_convert(k, dst + (size_t)to * d, dst_dtype, src + (size_t)from * s, src_dtype, 1);
			}
}

static void copy_elements(const nnopt_context *context, void *dst, nnopt_dtype dst_dtype, nnopt_layout dst_layout,
			  const void *src, nnopt_dtype src_dtype, nnopt_layout src_layout, const int64_t *shape,
			  int64_t count)
{
	if (dst_layout == src_layout)
		nno_convert(context->kernels, dst, dst_dtype, src, src_dtype, count);
	else
		copy_layouts(context->kernels, dst, dst_dtype, src, src_dtype, shape, dst_layout == NNOPT_NHWC);
}

static nnopt_status check_outside(const char *what, const nnopt_tensor *tensor, const void *memory, size_t bytes,
				  nnopt_dtype dtype, nnopt_layout *layout)
{
	if (tensor == NULL || memory == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s is NULL", what,
				tensor == NULL ? "tensor" : "memory");
	if (nnopt_dtype_size(dtype) == 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: dtype %d, 0 to 5 wanted", what, (int)dtype);
	if (*layout != NNOPT_NCHW && *layout != NNOPT_NHWC)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: layout %d, 0 or 1 wanted", what, (int)*layout);
	size_t needed = (size_t)tensor->count * nnopt_dtype_size(dtype);
	if (bytes != needed)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %zu bytes, %zu wanted", what, bytes, needed);
	if (tensor->rank != 4)
		*layout = NNOPT_NCHW;
	return NNOPT_OK;
}

nnopt_status nnopt_tensor_fill(nnopt_tensor *tensor, double value)
{
	if (tensor == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_fill: tensor is NULL");
	bool integral = tensor->dtype == NNOPT_U8 || tensor->dtype == NNOPT_I32 || tensor->dtype == NNOPT_I64;
	bool wide = integral && value >= -0x1p63 && value < 0x1p63;
	float single = (float)value;
	int64_t integer = wide ? (int64_t)rint(value) : 0;
	size_t size = nnopt_dtype_size(tensor->dtype);
	for (int64_t i = 0; i < tensor->count; i++)
		nno_convert(tensor->context->kernels, tensor->data + (size_t)i * size, tensor->dtype,
			    wide ? (const void *)&integer : (const void *)&single, wide ? NNOPT_I64 : NNOPT_F32, 1);
	return NNOPT_OK;
}

nnopt_status nnopt_tensor_copy_in(nnopt_tensor *dst, const void *src, size_t bytes, nnopt_dtype dtype,
				  nnopt_layout layout)
{
	NNO_TRY(check_outside("tensor_copy_in", dst, src, bytes, dtype, &layout));
	copy_elements(dst->context, dst->data, dst->dtype, dst->layout, src, dtype, layout, dst->shape, dst->count);
	return NNOPT_OK;
}

nnopt_status nnopt_tensor_copy_out(const nnopt_tensor *src, void *dst, size_t bytes, nnopt_dtype dtype,
				   nnopt_layout layout)
{
	NNO_TRY(check_outside("tensor_copy_out", src, dst, bytes, dtype, &layout));
	copy_elements(src->context, dst, dtype, layout, src->data, src->dtype, src->layout, src->shape, src->count);
	return NNOPT_OK;
}

nnopt_status nnopt_tensor_copy(nnopt_tensor *dst, const nnopt_tensor *src)
{
	if (dst == NULL || src == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_copy: %s is NULL", dst == NULL ? "dst" : "src");
	bool same = dst->rank == src->rank;
	for (int i = 0; same && i < src->rank; i++)
		same = dst->shape[i] == src->shape[i];
	if (!same) {
		char a[NNO_SHAPE_TEXT], b[NNO_SHAPE_TEXT];
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_copy: dst of shape %s, %s as src wanted",
				nno_shape_text(a, dst->shape, dst->rank), nno_shape_text(b, src->shape, src->rank));
	}
	copy_elements(dst->context, dst->data, dst->dtype, dst->layout, src->data, src->dtype, src->layout, src->shape,
		      src->count);
	return NNOPT_OK;
}
