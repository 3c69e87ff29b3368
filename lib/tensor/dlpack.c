/* dlpack.c - tensors to and from other libraries without a copy. */
#include "tensor/dlpack.h"

#include "base/size.h"
#include "tensor/tensor.h"

/* In the order of nnopt_dtype. */
static const nno_dl_type types[] = {
	{ NNO_DL_FLOAT, 32, 1 }, { NNO_DL_FLOAT, 16, 1 }, { NNO_DL_BFLOAT, 16, 1 },
	{ NNO_DL_UINT, 8, 1 },   { NNO_DL_INT, 32, 1 },   { NNO_DL_INT, 64, 1 },
};

typedef struct lent {
	nno_dl_managed managed; /* first: its address is what the other library holds */
	nnopt_tensor *tensor;
	int64_t shape[NNOPT_MAX_RANK], strides[NNOPT_MAX_RANK];
} lent;

/* Strides in elements of a dense tensor, of dimensions in NCHW order. */
static void dense_strides(int64_t *strides, const int64_t *shape, int rank, nnopt_layout layout)
{
	static const int nhwc[4] = { 1, 3, 2, 0 }; /* from the fastest */
	int64_t step = 1;
	for (int i = 0; i < rank; i++) {
		int axis = layout == NNOPT_NHWC ? nhwc[i] : rank - 1 - i;
		strides[axis] = step;
		step *= shape[axis];
	}
}

static void give_back(nno_dl_managed *managed)
{
	lent *l = (lent *)managed;
	nnopt_tensor *tensor = l->tensor;
	nnopt_context *context = nno_context_take(tensor->context);
	nno_delete(&context->alloc, l);
	nnopt_tensor_destroy(tensor);
	nno_context_drop(context);
}

nnopt_status nnopt_tensor_to_dlpack(nnopt_tensor *tensor, void **out_managed)
{
	if (tensor == NULL || out_managed == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_to_dlpack: %s is NULL",
				tensor == NULL ? "tensor" : "out_managed");
	lent *l = nno_new(&tensor->context->alloc, sizeof *l);
	if (l == NULL)
		return nno_fail_memory("tensor_to_dlpack", sizeof *l);
	for (int i = 0; i < tensor->rank; i++)
		l->shape[i] = tensor->shape[i];
	dense_strides(l->strides, l->shape, tensor->rank, tensor->layout);
	l->tensor = nno_tensor_take(tensor);
	l->managed = (nno_dl_managed){
		.version = { NNO_DL_MAJOR, NNO_DL_MINOR },
		.deleter = give_back,
		.tensor = { .data = tensor->data,
			    .device = { NNO_DL_CPU, 0 },
			    .ndim = tensor->rank,
			    .dtype = types[tensor->dtype],
			    .shape = l->shape,
			    .strides = l->strides },
	};
	*out_managed = &l->managed;
	return NNOPT_OK;
}

static bool has_strides(const nno_dl_tensor *t, nnopt_layout layout)
{
	int64_t dense[NNOPT_MAX_RANK];
	if (t->strides == NULL)
		return layout == NNOPT_NCHW;
	dense_strides(dense, t->shape, t->ndim, layout);
	for (int i = 0; i < t->ndim; i++)
		if (t->shape[i] != 1 && t->strides[i] != dense[i])
			return false;
	return true;
}

static nnopt_status find_dtype(const nno_dl_type *type, nnopt_dtype *dtype)
{
	for (size_t i = 0; i < NNO_COUNT(types); i++)
		if (types[i].code == type->code && types[i].bits == type->bits && type->lanes == 1) {
			*dtype = (nnopt_dtype)i;
			return NNOPT_OK;
		}
	return nno_fail(NNOPT_ERROR_UNSUPPORTED,
			"tensor_from_dlpack: type code %d of %d bits and %d lanes, f32 f16 bf16 u8 i32 or i64 wanted",
			type->code, type->bits, type->lanes);
}

static nnopt_status check(const nno_dl_managed *m, int64_t *count)
{
	const nno_dl_tensor *t = &m->tensor;
	if (m->version.major != NNO_DL_MAJOR)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "tensor_from_dlpack: DLPack version %u.%u, 1.x wanted",
				m->version.major, m->version.minor);
	if (t->device.type != NNO_DL_CPU)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "tensor_from_dlpack: device type %d, 1 (CPU) wanted",
				t->device.type);
	if (m->flags & NNO_DL_READ_ONLY)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED,
				"tensor_from_dlpack: the memory is read-only, writable memory wanted: export a copy");
	if (t->ndim < 0 || t->ndim > NNOPT_MAX_RANK || (t->ndim > 0 && t->shape == NULL))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_from_dlpack: %d dimensions, 0 to %d wanted",
				t->ndim, NNOPT_MAX_RANK);
	if (!nno_shape_elements(t->shape, t->ndim, count) || *count > INT64_MAX / 16)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"tensor_from_dlpack: a shape that is negative or does not fit");
	if (t->data == NULL && *count > 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_from_dlpack: data is NULL");
	return NNOPT_OK;
}

static void release(void *data, void *user)
{
	(void)data;
	nno_dl_managed *m = user;
	if (m->deleter != NULL)
		m->deleter(m);
}

nnopt_status nnopt_tensor_from_dlpack(nnopt_tensor **out, nnopt_context *context, void *managed)
{
	if (out == NULL || context == NULL || managed == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_from_dlpack: an argument is NULL");
	nno_dl_managed *m = managed;
	nno_dl_tensor *t = &m->tensor;
	int64_t count = 0;
	nnopt_dtype dtype = NNOPT_F32;
	NNO_TRY(check(m, &count));
	NNO_TRY(find_dtype(&t->dtype, &dtype));
	nnopt_layout layout = NNOPT_NCHW;
	if (count > 0 && !has_strides(t, NNOPT_NCHW)) {
		if (t->ndim != 4 || !has_strides(t, NNOPT_NHWC))
			return nno_fail(
			    NNOPT_ERROR_UNSUPPORTED,
			    "tensor_from_dlpack: strides that are neither dense row-major nor channels-last");
		layout = NNOPT_NHWC;
	}
	size_t size = nnopt_dtype_size(dtype);
	char *data = t->data != NULL ? (char *)t->data + t->byte_offset : NULL;
	if ((uintptr_t)data % size != 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_from_dlpack: data not aligned to %zu bytes",
				size);
	return nno_tensor_adopt(out, context, data, (size_t)count * size, dtype, t->ndim, t->shape, layout, release, m);
}
