/* dataset.c - what all sources share. */
#include "data/data.h"

#include "base/size.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

nnopt_status nno_dataset_make(nnopt_dataset **out, nnopt_context *context, const nno_dataset_class *cls,
			      size_t state_size)
{
	nnopt_dataset *d = nno_new(&context->alloc, sizeof *d);
	if (d == NULL)
		return nno_fail_memory(cls->kind, sizeof *d);
	d->state = nno_new(&context->alloc, state_size);
	if (d->state == NULL) {
		nno_delete(&context->alloc, d);
		return nno_fail_memory(cls->kind, state_size);
	}
	nno_ref_init(&d->ref);
	d->context = nno_context_take(context);
	d->cls = cls;
	*out = d;
	return NNOPT_OK;
}

nnopt_status nno_dataset_view(nnopt_dataset **out, const nnopt_dataset *base, const nno_dataset_class *cls,
			      size_t state_size)
{
	NNO_TRY(nno_dataset_make(out, base->context, cls, state_size));
	(*out)->classes = base->classes;
	(*out)->channels = base->channels;
	(*out)->decodes = base->decodes;
	return NNOPT_OK;
}

bool nno_dataset_decodes(const nnopt_dataset *d, int64_t index)
{
	return d->cls->decodes != NULL ? d->cls->decodes(d, index) : d->decodes;
}

nnopt_dataset *nno_dataset_take(nnopt_dataset *dataset)
{
	nno_ref_take(&dataset->ref);
	return dataset;
}

nnopt_status nno_dataset_finish(nnopt_dataset *d)
{
	if (d->cls->class_name != NULL && d->classes > 0 && d->cls->class_name(d, 0) != NULL)
		return NNOPT_OK;
	d->numbers = nno_new_array(&d->context->alloc, (size_t)d->classes, sizeof *d->numbers);
	if (d->numbers == NULL)
		return nno_fail_memory(d->cls->kind, (size_t)d->classes * sizeof *d->numbers);
	for (int64_t i = 0; i < d->classes; i++)
		snprintf(d->numbers[i], sizeof d->numbers[i], "%lld", (long long)i);
	return NNOPT_OK;
}

nnopt_status nno_room_fit(nno_room *room, size_t bytes, const char *what)
{
	if (bytes <= room->size)
		return NNOPT_OK;
	nno_room_free(room);
	room->bytes = nno_new_raw(room->alloc, bytes);
	if (room->bytes == NULL)
		return nno_fail_memory(what, bytes);
	room->size = bytes;
	return NNOPT_OK;
}

void nno_room_free(nno_room *room)
{
	nno_delete(room->alloc, room->bytes);
	room->bytes = NULL;
	room->size = 0;
}

nnopt_status nno_dataset_read(const nnopt_dataset *dataset, int64_t index, nno_room *room, nno_picture *picture,
			      int64_t *label)
{
	picture->c = (int)dataset->channels;
	NNO_TRY(dataset->cls->read(dataset, index, room, picture, label));
	if (*label < 0 || *label >= dataset->classes)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: sample %lld has label %lld, 0 to %lld wanted",
				dataset->cls->kind, (long long)index, (long long)*label,
				(long long)dataset->classes - 1);
	return NNOPT_OK;
}

void nnopt_dataset_destroy(nnopt_dataset *dataset)
{
	if (dataset == NULL || !nno_ref_drop(&dataset->ref))
		return;
	nnopt_context *context = dataset->context;
	if (dataset->cls->destroy != NULL)
		dataset->cls->destroy(dataset);
	nno_delete(&context->alloc, dataset->numbers);
	nno_delete(&context->alloc, dataset->state);
	nno_delete(&context->alloc, dataset);
	nno_context_drop(context);
}

nnopt_context *nnopt_dataset_context(const nnopt_dataset *dataset) { return dataset == NULL ? NULL : dataset->context; }

int64_t nnopt_dataset_count(const nnopt_dataset *dataset) { return dataset == NULL ? 0 : dataset->count; }

int64_t nnopt_dataset_classes(const nnopt_dataset *dataset) { return dataset == NULL ? 0 : dataset->classes; }

const char *nnopt_dataset_class_name(const nnopt_dataset *dataset, int64_t index)
{
	if (dataset == NULL || index < 0 || index >= dataset->classes)
		return NULL;
	return dataset->numbers != NULL ? dataset->numbers[index] : dataset->cls->class_name(dataset, index);
}

int64_t nnopt_dataset_label(const nnopt_dataset *dataset, int64_t index)
{
	if (dataset == NULL || index < 0 || index >= dataset->count || dataset->cls->label == NULL)
		return -1;
	return dataset->cls->label(dataset, index);
}

nnopt_status nnopt_dataset_labels(nnopt_tensor **labels, nnopt_dataset *dataset)
{
	if (labels == NULL || dataset == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_labels: %s is NULL",
				labels == NULL ? "labels" : "dataset");
	nno_room room = { .alloc = &dataset->context->alloc };
	nno_picture picture;
	nnopt_tensor *made = NULL;
	nnopt_status status = nnopt_tensor_create(&made, dataset->context, NNOPT_I64, 1, &dataset->count, NNOPT_NCHW);
	for (int64_t i = 0; i < dataset->count && status == NNOPT_OK; i++) {
		int64_t *label = (int64_t *)nnopt_tensor_data(made) + i;
		*label = nnopt_dataset_label(dataset, i);
		if (*label >= 0)
			continue;
		status = nno_dataset_read(dataset, i, &room, &picture, label);
		if (status != NNOPT_OK && status != NNOPT_ERROR_OUT_OF_MEMORY) {
			*label = -1;
			status = NNOPT_OK;
		}
	}
	nno_room_free(&room);
	if (status == NNOPT_OK)
		*labels = made;
	else
		nnopt_tensor_destroy(made);
	return status;
}

const char *nnopt_dataset_sample_name(const nnopt_dataset *dataset, int64_t index)
{
	if (dataset == NULL || index < 0 || index >= dataset->count || dataset->cls->sample_name == NULL)
		return NULL;
	return dataset->cls->sample_name(dataset, index);
}

nnopt_status nnopt_dataset_get(nnopt_dataset *dataset, int64_t index, nnopt_tensor **image, int64_t *label)
{
	if (dataset == NULL || image == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_get: %s is NULL",
				dataset == NULL ? "dataset" : "image");
	if (index < 0 || index >= dataset->count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_get: index %lld, 0 to %lld wanted",
				(long long)index, (long long)dataset->count - 1);
	nno_room room = { .alloc = &dataset->context->alloc };
	nno_picture picture;
	int64_t found = 0;
	nnopt_status status;
	nnopt_tensor *tensor = NULL;
	NNO_TRY_OUT(nno_dataset_read(dataset, index, &room, &picture, &found));
	int64_t shape[4] = { 1, picture.c, picture.h, picture.w };
	NNO_TRY_OUT(nnopt_tensor_create(&tensor, dataset->context, NNOPT_U8, 4, shape, NNOPT_NHWC));
	memcpy(nnopt_tensor_data(tensor), picture.pixels, nnopt_tensor_bytes(tensor));
	*image = tensor;
	if (label != NULL)
		*label = found;
out:
	nno_room_free(&room);
	return status;
}

nnopt_status nnopt_dataset_fit_normalisation(nnopt_dataset *dataset, int32_t channels, float *mean, float *std)
{
	if (dataset == NULL || mean == NULL || std == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "fit_normalisation: an argument is NULL");
	if (channels != dataset->channels)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "fit_normalisation: %d channels, %lld wanted", channels,
				(long long)dataset->channels);
	nno_room room = { .alloc = &dataset->context->alloc };
	nno_picture picture;
	/* Sums of bytes and of their squares are exact in 64 bits up to 2^48 pixels. */
	uint64_t sum[4] = { 0 }, square[4] = { 0 }, pixels = 0;
	for (int64_t i = 0; i < dataset->count; i++) {
		int64_t label;
		nnopt_status status = nno_dataset_read(dataset, i, &room, &picture, &label);
		if (status == NNOPT_ERROR_OUT_OF_MEMORY) {
			nno_room_free(&room);
			return status;
		}
		if (status != NNOPT_OK)
			continue;
		int64_t area = picture.h * picture.w;
		for (int64_t p = 0; p < area; p++)
			for (int c = 0; c < picture.c; c++) {
				uint64_t v = picture.pixels[p * picture.c + c];
				sum[c] += v;
				square[c] += v * v;
			}
		pixels += (uint64_t)area;
	}
	nno_room_free(&room);
	if (pixels == 0)
		return nno_fail(NNOPT_ERROR_NOT_FOUND, "fit_normalisation: no readable sample");
	for (int c = 0; c < channels; c++) {
		double average = (double)sum[c] / (double)pixels;
		double variance = (double)square[c] / (double)pixels - average * average;
		mean[c] = (float)(average / 255.0);
		std[c] = (float)(sqrt(variance > 0.0 ? variance : 0.0) / 255.0);
	}
	return NNOPT_OK;
}
