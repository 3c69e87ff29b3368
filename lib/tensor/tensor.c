/* tensor.c - typed, shaped memory over counted storage. */
#include "tensor/tensor.h"

#include "base/size.h"

#include <stdio.h>
#include <string.h>

nnopt_tensor *nno_tensor_take(nnopt_tensor *tensor)
{
	nno_ref_take(&tensor->ref);
	return tensor;
}

void nno_tensor_set_batch(nnopt_tensor *tensor, int64_t n)
{
	int64_t rest = 1;
	for (int i = 1; i < tensor->rank; i++)
		rest *= tensor->shape[i];
	tensor->shape[0] = n;
	tensor->count = n * rest;
}

void nno_tensor_point(nnopt_tensor *tensor, void *data) { tensor->data = data; }

const char *nno_shape_text(char text[NNO_SHAPE_TEXT], const int64_t *shape, int rank)
{
	size_t used = (size_t)snprintf(text, NNO_SHAPE_TEXT, "(");
	for (int i = 0; i < rank && used < NNO_SHAPE_TEXT; i++)
		used += (size_t)snprintf(text + used, NNO_SHAPE_TEXT - used, "%s%lld", i > 0 ? ", " : "",
					 (long long)shape[i]);
	if (used < NNO_SHAPE_TEXT)
		snprintf(text + used, NNO_SHAPE_TEXT - used, ")");
	return text;
}

static const struct {
	const char *name;
	size_t size;
} dtypes[] = { { "f32", 4 }, { "f16", 2 }, { "bf16", 2 }, { "u8", 1 }, { "i32", 4 }, { "i64", 8 } };

static bool known_dtype(nnopt_dtype dtype) { return (int)dtype >= 0 && (size_t)dtype < NNO_COUNT(dtypes); }

size_t nnopt_dtype_size(nnopt_dtype dtype) { return known_dtype(dtype) ? dtypes[dtype].size : 0; }

const char *nnopt_dtype_name(nnopt_dtype dtype) { return known_dtype(dtype) ? dtypes[dtype].name : "unknown"; }

/* Checks a description and gives its element count; the bytes fit in size_t. */
static nnopt_status check_shape(const char *what, nnopt_dtype dtype, int32_t rank, const int64_t *shape,
				nnopt_layout layout, int64_t *count)
{
	if (!known_dtype(dtype))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: dtype %d, 0 to 5 wanted", what, (int)dtype);
	if (rank < 0 || rank > NNOPT_MAX_RANK)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: rank %d, 0 to %d wanted", what, rank,
				NNOPT_MAX_RANK);
	if (shape == NULL && rank > 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: shape is NULL", what);
	if (layout != NNOPT_NCHW && (layout != NNOPT_NHWC || rank != 4))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: layout %d with rank %d, NHWC is for rank 4", what,
				(int)layout, rank);
	if (!nno_shape_elements(shape, rank, count) || *count > INT64_MAX / 16) {
		char text[NNO_SHAPE_TEXT];
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"%s: shape %s, extents >= 0 with a product that fits wanted", what,
				nno_shape_text(text, shape, rank));
	}
	return NNOPT_OK;
}

static void drop_storage(nno_storage *storage)
{
	if (!nno_ref_drop(&storage->ref))
		return;
	nnopt_context *context = storage->context;
	if (storage->release != NULL)
		storage->release(storage->data, storage->user);
	nno_delete(&context->alloc, storage);
	nno_context_drop(context);
}

static nnopt_status make_storage(nno_storage **out, nnopt_context *context, void *data, size_t bytes,
				 void (*release)(void *, void *), void *user)
{
	nno_storage *storage = nno_new(&context->alloc, sizeof *storage);
	if (storage == NULL)
		return nno_fail_memory("tensor", sizeof *storage);
	nno_ref_init(&storage->ref);
	storage->context = nno_context_take(context);
	storage->data = data;
	storage->bytes = bytes;
	storage->release = release;
	storage->user = user;
	*out = storage;
	return NNOPT_OK;
}

/* Takes over one reference to the storage, on failure too. */
static nnopt_status make_tensor(nnopt_tensor **out, nno_storage *storage, void *data, nnopt_dtype dtype, int32_t rank,
				const int64_t *shape, nnopt_layout layout, int64_t count)
{
	nnopt_tensor *tensor = nno_new(&storage->context->alloc, sizeof *tensor);
	if (tensor == NULL) {
		drop_storage(storage);
		return nno_fail_memory("tensor", sizeof *tensor);
	}
	nno_ref_init(&tensor->ref);
	tensor->context = nno_context_take(storage->context);
	tensor->storage = storage;
	tensor->data = data;
	tensor->dtype = dtype;
	tensor->layout = layout;
	tensor->rank = rank;
	for (int i = 0; i < rank; i++)
		tensor->shape[i] = shape[i];
	tensor->count = count;
	*out = tensor;
	return NNOPT_OK;
}

static void release_own(void *data, void *user) { nno_delete(&((nnopt_context *)user)->alloc, data); }

nnopt_status nnopt_tensor_create(nnopt_tensor **out, nnopt_context *context, nnopt_dtype dtype, int32_t rank,
				 const int64_t *shape, nnopt_layout layout)
{
	if (out == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_create: %s is NULL",
				out == NULL ? "out" : "context");
	int64_t count;
	NNO_TRY(check_shape("tensor_create", dtype, rank, shape, layout, &count));
	size_t bytes = (size_t)count * nnopt_dtype_size(dtype);
	void *data = nno_new(&context->alloc, bytes);
	if (data == NULL)
		return nno_fail_memory("tensor_create", bytes);
	nno_storage *storage;
	nnopt_status status = make_storage(&storage, context, data, bytes, release_own, context);
	if (status != NNOPT_OK) {
		nno_delete(&context->alloc, data);
		return status;
	}
	return make_tensor(out, storage, data, dtype, rank, shape, layout, count);
}

nnopt_status nno_tensor_adopt(nnopt_tensor **out, nnopt_context *context, void *data, size_t bytes, nnopt_dtype dtype,
			      int32_t rank, const int64_t *shape, nnopt_layout layout, void (*release)(void *, void *),
			      void *user)
{
	int64_t count;
	NNO_TRY(check_shape("tensor", dtype, rank, shape, layout, &count));
	nno_storage *storage;
	NNO_TRY(make_storage(&storage, context, data, bytes, NULL, user));
	nnopt_status status = make_tensor(out, storage, data, dtype, rank, shape, layout, count);
	if (status == NNOPT_OK)
		storage->release = release;
	return status;
}

nnopt_status nnopt_tensor_wrap(nnopt_tensor **out, nnopt_context *context, void *data, size_t bytes, nnopt_dtype dtype,
			       int32_t rank, const int64_t *shape, nnopt_layout layout)
{
	if (out == NULL || context == NULL || data == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_wrap: %s is NULL",
				out == NULL       ? "out"
				: context == NULL ? "context"
						  : "data");
	int64_t count;
	NNO_TRY(check_shape("tensor_wrap", dtype, rank, shape, layout, &count));
	size_t needed = (size_t)count * nnopt_dtype_size(dtype);
	if (bytes < needed)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_wrap: %zu bytes, %zu wanted", bytes, needed);
	if ((uintptr_t)data % nnopt_dtype_size(dtype) != 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_wrap: data is not aligned to %zu bytes",
				nnopt_dtype_size(dtype));
	return nno_tensor_adopt(out, context, data, bytes, dtype, rank, shape, layout, NULL, NULL);
}

nnopt_status nnopt_tensor_view(nnopt_tensor **out, nnopt_tensor *base, int64_t start, int64_t count)
{
	if (out == NULL || base == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_view: %s is NULL", out == NULL ? "out" : "base");
	if (base->rank < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_view: a scalar, rank >= 1 wanted");
	if (start < 0 || count < 0 || start > base->shape[0] || count > base->shape[0] - start)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"tensor_view: start %lld count %lld, within 0 to %lld wanted", (long long)start,
				(long long)count, (long long)base->shape[0]);
	int64_t shape[NNOPT_MAX_RANK];
	memcpy(shape, base->shape, sizeof shape);
	int64_t each = base->shape[0] > 0 ? base->count / base->shape[0] : 0;
	shape[0] = count;
	nno_ref_take(&base->storage->ref);
	return make_tensor(out, base->storage, base->data + (size_t)(start * each) * nnopt_dtype_size(base->dtype),
			   base->dtype, base->rank, shape, base->layout, count * each);
}

nnopt_status nnopt_tensor_reshape(nnopt_tensor **out, nnopt_tensor *base, int32_t rank, const int64_t *shape)
{
	if (out == NULL || base == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_reshape: %s is NULL",
				out == NULL ? "out" : "base");
	if (base->layout != NNOPT_NCHW)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_reshape: an NHWC tensor has no other shape");
	int64_t count;
	NNO_TRY(check_shape("tensor_reshape", base->dtype, rank, shape, NNOPT_NCHW, &count));
	if (count != base->count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_reshape: %lld elements, %lld wanted",
				(long long)count, (long long)base->count);
	nno_ref_take(&base->storage->ref);
	return make_tensor(out, base->storage, base->data, base->dtype, rank, shape, NNOPT_NCHW, count);
}

void nnopt_tensor_destroy(nnopt_tensor *tensor)
{
	if (tensor == NULL || !nno_ref_drop(&tensor->ref))
		return;
	nnopt_context *context = tensor->context;
	drop_storage(tensor->storage);
	nno_delete(&context->alloc, tensor);
	nno_context_drop(context);
}

nnopt_dtype nnopt_tensor_dtype(const nnopt_tensor *tensor) { return tensor == NULL ? NNOPT_F32 : tensor->dtype; }
nnopt_layout nnopt_tensor_layout(const nnopt_tensor *tensor) { return tensor == NULL ? NNOPT_NCHW : tensor->layout; }
int32_t nnopt_tensor_rank(const nnopt_tensor *tensor) { return tensor == NULL ? 0 : tensor->rank; }
int64_t nnopt_tensor_count(const nnopt_tensor *tensor) { return tensor == NULL ? 0 : tensor->count; }
void *nnopt_tensor_data(nnopt_tensor *tensor) { return tensor == NULL ? NULL : tensor->data; }
const void *nnopt_tensor_const_data(const nnopt_tensor *tensor) { return tensor == NULL ? NULL : tensor->data; }

int64_t nnopt_tensor_extent(const nnopt_tensor *tensor, int32_t axis)
{
	return tensor == NULL || axis < 0 || axis >= tensor->rank ? 0 : tensor->shape[axis];
}

size_t nnopt_tensor_bytes(const nnopt_tensor *tensor)
{
	return tensor == NULL ? 0 : (size_t)tensor->count * nnopt_dtype_size(tensor->dtype);
}
