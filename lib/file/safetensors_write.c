/* safetensors_write.c - header, then the tensors in the order that the format's own writer uses: larger elements first,
 * then by name. */
#include "base/crc32c.h"
#include "base/io.h"
#include "base/size.h"
#include "base/text.h"
#include "file/dtypes.h"
#include "file/weights.h"
#include "nnopt/file.h"
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

#define CRC_KEY "nnopt.crc32c"

typedef struct entry {
	const char *name;
	const nnopt_tensor *tensor;
	const void *data;     /* row-major bytes */
	nnopt_tensor *planar; /* NCHW copy of an NHWC tensor */
	uint32_t crc;
} entry;

static const char *dtype_name(nnopt_dtype dtype)
{
	const nno_file_dtype *d = nno_file_dtypes;
	while (d->dtype != (int)dtype || d->reading != NNO_READ_PLAIN)
		d++;
	return d->name;
}

static int by_size_and_name(const void *a, const void *b)
{
	const entry *x = a, *y = b;
	size_t p = nnopt_dtype_size(x->tensor->dtype), q = nnopt_dtype_size(y->tensor->dtype);
	return p != q ? (p < q ? 1 : -1) : strcmp(x->name, y->name);
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static nnopt_status check_texts(const char *what, const char *const *texts, int32_t count)
{
	for (int32_t i = 0; i < count; i++)
		if (texts[i] == NULL || !nno_is_utf8(texts[i]))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "safetensors_save: %s[%d] is %s, UTF-8 wanted",
					what, i, texts[i] == NULL ? "NULL" : "not UTF-8");
	return NNOPT_OK;
}

/* The keys of an object: one `reserved` for what is written beside them, and each once. */
static nnopt_status check_keys(const nno_alloc *a, const char *what, const char *const *keys, int32_t count,
			       const char *reserved)
{
	NNO_TRY(check_texts(what, keys, count));
	const char **sorted = nno_new_array(a, (size_t)count, sizeof *sorted);
	if (sorted == NULL)
		return nno_fail_memory("safetensors_save", (size_t)count * sizeof *sorted);
	nnopt_status status = NNOPT_OK;
	for (int32_t i = 0; i < count && status == NNOPT_OK; i++) {
		sorted[i] = keys[i];
		if (strcmp(keys[i], reserved) == 0)
			status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					  "safetensors_save: %s[%d] is %s, which is reserved", what, i, reserved);
	}
	if (status == NNOPT_OK)
		qsort(sorted, (size_t)count, sizeof *sorted, by_text);
	for (int32_t i = 1; i < count && status == NNOPT_OK; i++)
		if (strcmp(sorted[i], sorted[i - 1]) == 0)
			status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "safetensors_save: %s: '%.100s' is there twice",
					  what, sorted[i]);
	nno_delete(a, sorted);
	return status;
}

static nnopt_status gather(entry *entries, nnopt_context *context, const char *const *names,
			   const nnopt_tensor *const *tensors, int32_t count)
{
	for (int32_t i = 0; i < count; i++) {
		entry *e = &entries[i];
		if (tensors[i] == NULL)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "safetensors_save: tensors[%d] is NULL", i);
		e->name = names[i];
		e->tensor = tensors[i];
		e->data = tensors[i]->data;
		if (tensors[i]->layout == NNOPT_NHWC) {
			NNO_TRY(nnopt_tensor_create(&e->planar, context, tensors[i]->dtype, 4, tensors[i]->shape,
						    NNOPT_NCHW));
			NNO_TRY(nnopt_tensor_copy(e->planar, tensors[i]));
			e->data = e->planar->data;
		}
		e->crc = nno_crc32c(0, e->data, nnopt_tensor_bytes(e->tensor));
	}
	qsort(entries, (size_t)count, sizeof *entries, by_size_and_name);
	return NNOPT_OK;
}

static void write_header(nno_text *t, const entry *entries, int32_t count, const char *const *keys,
			 const char *const *values, int32_t n_keys)
{
	nno_text crcs;
	nno_text_start(&crcs, t->alloc);
	for (int32_t i = 0; i < count; i++)
		nno_text_addf(&crcs, "%s%08x", i > 0 ? " " : "", entries[i].crc);
	nno_text_add(t, "{\"__metadata__\":{");
	for (int32_t i = 0; i < n_keys; i++) {
		nno_text_add_json(t, keys[i]);
		nno_text_add(t, ":");
		nno_text_add_json(t, values[i]);
		nno_text_add(t, ",");
	}
	nno_text_add(t, "\"" CRC_KEY "\":\"");
	nno_text_add(t, crcs.data != NULL ? crcs.data : "");
	nno_text_add(t, "\"}");
	size_t offset = 0;
	for (int32_t i = 0; i < count; i++) {
		size_t bytes = nnopt_tensor_bytes(entries[i].tensor);
		nno_text_add(t, ",");
		nno_text_add_json(t, entries[i].name);
		nno_text_addf(t, ":{\"dtype\":\"%s\",\"shape\":[", dtype_name(entries[i].tensor->dtype));
		for (int k = 0; k < entries[i].tensor->rank; k++)
			nno_text_addf(t, "%s%lld", k > 0 ? "," : "", (long long)entries[i].tensor->shape[k]);
		nno_text_addf(t, "],\"data_offsets\":[%zu,%zu]}", offset, offset + bytes);
		offset += bytes;
	}
	nno_text_add(t, "}");
	while (t->length % 8 != 0 && !t->failed)
		nno_text_add(t, " ");
	t->failed = t->failed || crcs.failed;
	nno_text_free(&crcs);
}

/* What the reader would refuse is not written. */
static nnopt_status check_size(const nno_text *header, const entry *entries, int32_t count, int32_t n_keys)
{
	int64_t values = 3 + 2 * ((int64_t)n_keys + 1);
	for (int32_t i = 0; i < count; i++)
		values += 10 + entries[i].tensor->rank;
	if (header->length > NNO_SAFETENSORS_HEADER || values > NNO_SAFETENSORS_VALUES)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"safetensors_save: names and metadata make a header of %zu bytes with %lld values, at "
				"most %d with %d wanted",
				header->length, (long long)values, NNO_SAFETENSORS_HEADER, NNO_SAFETENSORS_VALUES);
	return NNOPT_OK;
}

static nnopt_status write_file(nnopt_context *context, const char *path, const nno_text *header, const entry *entries,
			       int32_t count)
{
	nno_replace *r = NULL;
	unsigned char length[8];
	size_t total = sizeof length + header->length;
	for (int i = 0; i < 8; i++)
		length[i] = (unsigned char)((uint64_t)header->length >> (8 * i));
	for (int32_t i = 0; i < count; i++)
		total += nnopt_tensor_bytes(entries[i].tensor);
	NNO_TRY(nno_replace_begin(&r, context->io, &context->alloc, path, (int64_t)total));
	nnopt_status status = nno_replace_write(r, length, sizeof length);
	if (status == NNOPT_OK)
		status = nno_replace_write(r, header->data, header->length);
	for (int32_t i = 0; i < count && status == NNOPT_OK; i++)
		status = nno_replace_write(r, entries[i].data, nnopt_tensor_bytes(entries[i].tensor));
	if (status != NNOPT_OK) {
		nno_replace_abort(r);
		return status;
	}
	return nno_replace_commit(r);
}

nnopt_status nnopt_safetensors_save(nnopt_context *context, const char *path, const char *const *names,
				    const nnopt_tensor *const *tensors, int32_t count, const char *const *metadata_keys,
				    const char *const *metadata_values, int32_t metadata_count)
{
	if (context == NULL || path == NULL || count < 0 || metadata_count < 0 ||
	    (count > 0 && (names == NULL || tensors == NULL)) ||
	    (metadata_count > 0 && (metadata_keys == NULL || metadata_values == NULL)))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"safetensors_save: an argument is NULL or a count is negative");
	NNO_TRY(check_keys(&context->alloc, "names", names, count, "__metadata__"));
	NNO_TRY(check_keys(&context->alloc, "metadata_keys", metadata_keys, metadata_count, CRC_KEY));
	NNO_TRY(check_texts("metadata_values", metadata_values, metadata_count));
	entry *entries = nno_new_array(&context->alloc, (size_t)count, sizeof *entries);
	if (entries == NULL)
		return nno_fail_memory("safetensors_save", (size_t)count * sizeof *entries);
	nno_text header;
	nno_text_start(&header, &context->alloc);
	nnopt_status status;
	NNO_TRY_OUT(gather(entries, context, names, tensors, count));
	write_header(&header, entries, count, metadata_keys, metadata_values, metadata_count);
	NNO_TRY_OUT(nno_text_check(&header, "safetensors_save"));
	NNO_TRY_OUT(check_size(&header, entries, count, metadata_count));
	status = write_file(context, path, &header, entries, count);
out:
	for (int32_t i = 0; i < count; i++)
		nnopt_tensor_destroy(entries[i].planar);
	nno_text_free(&header);
	nno_delete(&context->alloc, entries);
	return status;
}
