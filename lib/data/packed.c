/* packed.c - pictures of one size in memory: what the IDX, CIFAR and tensor sources become. */
#include "data/data.h"

#include "base/size.h"
#include "tensor/tensor.h"

#include <string.h>

/* As many as a model can have outputs. */
#define MOST_CLASSES ((int64_t)1 << 24)

typedef struct packed {
	uint8_t *pixels;
	int32_t *labels;
	int64_t h, w;
	const char *const *names;
} packed;

static nnopt_status read_sample(const nnopt_dataset *d, int64_t index, nno_room *room, nno_picture *picture,
				int64_t *label)
{
	(void)room;
	const packed *s = d->state;
	picture->h = s->h;
	picture->w = s->w;
	picture->pixels = s->pixels + (size_t)index * (size_t)(s->h * s->w * d->channels);
	*label = s->labels[index];
	return NNOPT_OK;
}

static int64_t label_of(const nnopt_dataset *d, int64_t index) { return ((const packed *)d->state)->labels[index]; }

static const char *class_name(const nnopt_dataset *d, int64_t index)
{
	const packed *s = d->state;
	return s->names != NULL ? s->names[index] : NULL;
}

static void destroy(nnopt_dataset *d)
{
	packed *s = d->state;
	nno_delete(&d->context->alloc, s->pixels);
	nno_delete(&d->context->alloc, s->labels);
}

static const nno_dataset_class packed_class = {
	.kind = "packed pictures",
	.read = read_sample,
	.label = label_of,
	.class_name = class_name,
	.destroy = destroy,
};

nnopt_status nno_packed_make(nnopt_dataset **out, nnopt_context *context, uint8_t *pixels, int32_t *labels,
			     int64_t count, int64_t h, int64_t w, int64_t c, int64_t classes, const char *const *names)
{
	nnopt_dataset *d = NULL;
	nnopt_status status = nno_dataset_make(&d, context, &packed_class, sizeof(packed));
	if (status != NNOPT_OK) {
		nno_delete(&context->alloc, pixels);
		nno_delete(&context->alloc, labels);
		return status;
	}
	*(packed *)d->state = (packed){ pixels, labels, h, w, names };
	d->count = count;
	d->classes = classes;
	d->channels = c;
	status = nno_dataset_finish(d);
	if (status == NNOPT_OK)
		*out = d;
	else
		nnopt_dataset_destroy(d);
	return status;
}

static nnopt_status check_tensors(const nnopt_tensor *images, const nnopt_tensor *labels)
{
	if (images->dtype != NNOPT_U8 || images->rank != 4 || images->shape[1] < 1 || images->shape[1] > 4 ||
	    images->shape[2] < 1 || images->shape[3] < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"dataset_from_tensors: images of type %s and rank %d, u8 (N, 1 to 4, H, W) wanted",
				nnopt_dtype_name(images->dtype), images->rank);
	if ((labels->dtype != NNOPT_I32 && labels->dtype != NNOPT_I64) || labels->rank != 1 ||
	    labels->shape[0] != images->shape[0])
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"dataset_from_tensors: labels of type %s, i32 or i64 (N) with N = %lld wanted",
				nnopt_dtype_name(labels->dtype), (long long)images->shape[0]);
	return NNOPT_OK;
}

/* Compared before they are made narrow, which saturates. */
static nnopt_status take_labels(int32_t *ids, int64_t *classes, const nno_alloc *a, const nnopt_tensor *labels)
{
	size_t count = (size_t)labels->shape[0];
	int64_t *wide = nno_new_array(a, count, sizeof *wide);
	if (wide == NULL)
		return nno_fail_memory("dataset_from_tensors", count * sizeof *wide);
	nnopt_status status = nnopt_tensor_copy_out(labels, wide, count * sizeof *wide, NNOPT_I64, NNOPT_NCHW);
	for (size_t i = 0; i < count && status == NNOPT_OK; i++) {
		if (wide[i] < 0 || wide[i] >= MOST_CLASSES) {
			status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					  "dataset_from_tensors: labels[%zu] is %lld, 0 to %lld wanted", i,
					  (long long)wide[i], (long long)MOST_CLASSES - 1);
			break;
		}
		ids[i] = (int32_t)wide[i];
		*classes = nno_i64_max(*classes, wide[i] + 1);
	}
	nno_delete(a, wide);
	return status;
}

nnopt_status nnopt_dataset_from_tensors(nnopt_dataset **out, nnopt_context *context, nnopt_tensor *images,
					nnopt_tensor *labels)
{
	if (out == NULL || context == NULL || images == NULL || labels == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_from_tensors: an argument is NULL");
	NNO_TRY(check_tensors(images, labels));
	int64_t count = images->shape[0], classes = 0;
	uint8_t *pixels = nno_new_raw(&context->alloc, (size_t)images->count);
	int32_t *ids = nno_new_array(&context->alloc, (size_t)count, sizeof *ids);
	nnopt_status status = NNOPT_OK;
	if (pixels == NULL || ids == NULL)
		status = nno_fail_memory("dataset_from_tensors", (size_t)images->count);
	if (status == NNOPT_OK)
		status = nnopt_tensor_copy_out(images, pixels, (size_t)images->count, NNOPT_U8, NNOPT_NHWC);
	if (status == NNOPT_OK)
		status = take_labels(ids, &classes, &context->alloc, labels);
	if (status != NNOPT_OK) {
		nno_delete(&context->alloc, pixels);
		nno_delete(&context->alloc, ids);
		return status;
	}
	return nno_packed_make(out, context, pixels, ids, count, images->shape[2], images->shape[3], images->shape[1],
			       classes, NULL);
}
