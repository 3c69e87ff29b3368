/* safetensors_read.c - the header is read and checked whole before anything else: every size against the file's, every
 * range against its neighbours. Nothing is allocated that the file is not large enough to fill. */
#include "base/io.h"
#include "base/json.h"
#include "base/size.h"
#include "file/crc32c.h"
#include "file/dtypes.h"
#include "nnopt/file.h"
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

#define MAX_HEADER 100000000
#define MAX_VALUES (1 << 22)
#define CRC_KEY "nnopt.crc32c"

typedef struct item {
	char *name;
	const nno_file_dtype *dtype;
	int rank;
	int64_t shape[NNOPT_MAX_RANK];
	int64_t begin, end; /* in the buffer */
	size_t json_offset;
	uint32_t crc;
} item;

struct nnopt_safetensors {
	nnopt_context *context;
	char *path;
	nno_file file;
	bool is_open, has_crc;
	int64_t buffer; /* where the buffer starts in the file */
	item *items;
	int32_t count;
	char **keys, **values;
	int32_t n_keys;
};

static nnopt_status bad(const nnopt_safetensors *f, size_t json_offset, const char *problem)
{
	return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: %s", f->path, json_offset + 8, problem);
}

static nnopt_status read_pair(const nnopt_safetensors *f, const nno_json *j, int list, item *it)
{
	if (list < 0 || nno_json_type_of(j, list) != NNO_JSON_ARRAY || nno_json_size(j, list) != 2)
		return bad(f, it->json_offset, "data_offsets is not a list of two");
	int first = nno_json_first(j, list);
	if (nno_json_i64(j, first, &it->begin) != NNOPT_OK ||
	    nno_json_i64(j, nno_json_next(j, first), &it->end) != NNOPT_OK)
		return bad(f, it->json_offset, "data_offsets are not integers");
	if (it->begin < 0 || it->end < it->begin || it->end > f->file.size - f->buffer)
		return bad(f, it->json_offset, "data_offsets reach outside the file");
	return NNOPT_OK;
}

static nnopt_status read_shape(const nnopt_safetensors *f, const nno_json *j, int list, item *it)
{
	if (list < 0 || nno_json_type_of(j, list) != NNO_JSON_ARRAY || nno_json_size(j, list) > NNOPT_MAX_RANK)
		return bad(f, it->json_offset, "shape is not a list of at most 8");
	for (int v = nno_json_first(j, list); v >= 0; v = nno_json_next(j, v))
		if (nno_json_i64(j, v, &it->shape[it->rank++]) != NNOPT_OK)
			return bad(f, it->json_offset, "an extent is not an integer");
	int64_t count, bytes;
	if (!nno_shape_elements(it->shape, it->rank, &count) || !nno_i64_mul(count, it->dtype->size, &bytes))
		return bad(f, it->json_offset, "the shape is negative or overflows");
	if (bytes != it->end - it->begin)
		return bad(f, it->json_offset, "shape and dtype disagree with data_offsets");
	return NNOPT_OK;
}

static nnopt_status read_item(const nnopt_safetensors *f, const nno_json *j, int key, item *it)
{
	int object = nno_json_value(j, key);
	it->json_offset = nno_json_offset(j, key);
	NNO_TRY(nno_json_text(j, key, &it->name));
	if (nno_json_type_of(j, object) != NNO_JSON_OBJECT || nno_json_size(j, object) != 3)
		return bad(f, it->json_offset, "a tensor is not described by dtype, shape and data_offsets alone");
	int dtype = nno_json_get(j, object, "dtype");
	for (const nno_file_dtype *d = nno_file_dtypes; d->name != NULL && dtype >= 0; d++)
		if (nno_json_equals(j, dtype, d->name))
			it->dtype = d;
	if (it->dtype == NULL)
		return bad(f, it->json_offset, "unknown dtype");
	NNO_TRY(read_pair(f, j, nno_json_get(j, object, "data_offsets"), it));
	return read_shape(f, j, nno_json_get(j, object, "shape"), it);
}

static nnopt_status read_metadata(nnopt_safetensors *f, const nno_json *j, int object)
{
	if (nno_json_type_of(j, object) != NNO_JSON_OBJECT)
		return bad(f, nno_json_offset(j, object), "__metadata__ is not an object");
	size_t n = (size_t)nno_json_size(j, object);
	f->keys = nno_new_array(&f->context->alloc, n, sizeof *f->keys);
	f->values = nno_new_array(&f->context->alloc, n, sizeof *f->values);
	if (f->keys == NULL || f->values == NULL)
		return nno_fail_memory(f->path, n * sizeof *f->keys);
	for (int key = nno_json_first(j, object); key >= 0; key = nno_json_next(j, key)) {
		int32_t at = f->n_keys++;
		NNO_TRY(nno_json_text(j, key, &f->keys[at]));
		NNO_TRY(nno_json_text(j, nno_json_value(j, key), &f->values[at]));
	}
	return NNOPT_OK;
}

static int by_begin(const void *a, const void *b)
{
	const item *x = a, *y = b;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return x->end != y->end ? (x->end < y->end ? -1 : 1) : strcmp(x->name, y->name);
}

static nnopt_status check_ranges(const nnopt_safetensors *f)
{
	int64_t at = 0;
	for (int32_t i = 0; i < f->count; i++) {
		if (f->items[i].begin != at)
			return bad(f, f->items[i].json_offset, "tensors overlap or leave a gap");
		at = f->items[i].end;
	}
	if (at != f->file.size - f->buffer)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %lld: bytes that belong to no tensor", f->path,
				(long long)(f->buffer + at));
	return NNOPT_OK;
}

/* The checksums are eight hexadecimal digits a tensor, in order of offset. */
static nnopt_status read_checksums(nnopt_safetensors *f)
{
	const char *text = nnopt_safetensors_metadata(f, CRC_KEY);
	if (text == NULL)
		return NNOPT_OK;
	size_t wanted = f->count > 0 ? (size_t)f->count * 9 - 1 : 0;
	if (strlen(text) != wanted)
		return bad(f, 0, "\"" CRC_KEY "\" does not fit the number of tensors");
	for (int32_t i = 0; i < f->count; i++)
		for (int k = 0; k < 8; k++) {
			static const char digits[] = "0123456789abcdef";
			const char *d = strchr(digits, text[(size_t)i * 9 + (size_t)k]);
			if (d == NULL || *d == '\0')
				return bad(f, 0, "\"" CRC_KEY "\" is not hexadecimal");
			f->items[i].crc = f->items[i].crc << 4 | (uint32_t)(d - digits);
		}
	f->has_crc = true;
	return NNOPT_OK;
}

static nnopt_status read_items(nnopt_safetensors *f, const nno_json *j)
{
	if (nno_json_type_of(j, 0) != NNO_JSON_OBJECT)
		return bad(f, 0, "the header is not an object");
	f->items = nno_new_array(&f->context->alloc, (size_t)nno_json_size(j, 0), sizeof *f->items);
	if (f->items == NULL)
		return nno_fail_memory(f->path, (size_t)nno_json_size(j, 0) * sizeof *f->items);
	for (int key = nno_json_first(j, 0); key >= 0; key = nno_json_next(j, key)) {
		if (nno_json_equals(j, key, "__metadata__"))
			NNO_TRY(read_metadata(f, j, nno_json_value(j, key)));
		else
			NNO_TRY(read_item(f, j, key, &f->items[f->count++]));
	}
	qsort(f->items, (size_t)f->count, sizeof *f->items, by_begin);
	NNO_TRY(check_ranges(f));
	return read_checksums(f);
}

static nnopt_status read_header(nnopt_safetensors *f)
{
	unsigned char raw[8];
	uint64_t length = 0;
	NNO_TRY(nno_file_read(&f->file, raw, sizeof raw, 0));
	for (int i = 7; i >= 0; i--)
		length = length << 8 | raw[i];
	if (length > MAX_HEADER || length > (uint64_t)f->file.size - 8)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset 0: header of %llu bytes, at most %lld wanted", f->path,
				(unsigned long long)length, (long long)nno_i64_min(MAX_HEADER, f->file.size - 8));
	char *text = nno_new_raw(&f->context->alloc, (size_t)length + 1);
	if (text == NULL)
		return nno_fail_memory(f->path, (size_t)length + 1);
	nno_json *j = NULL;
	nnopt_status status;
	f->buffer = 8 + (int64_t)length;
	NNO_TRY_OUT(nno_file_read(&f->file, text, (size_t)length, 8));
	if (length == 0 || text[0] != '{') {
		status = bad(f, 0, "the header does not begin with '{'");
		goto out;
	}
	NNO_TRY_OUT(nno_json_parse(&j, &f->context->alloc, text, (size_t)length, MAX_VALUES, f->path));
	status = read_items(f, j);
out:
	nno_json_free(j);
	nno_delete(&f->context->alloc, text);
	return status;
}

nnopt_status nnopt_safetensors_open(nnopt_safetensors **out, nnopt_context *context, const char *path)
{
	if (out == NULL || context == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "safetensors_open: %s is NULL",
				out == NULL       ? "out"
				: context == NULL ? "context"
						  : "path");
	nnopt_safetensors *f = nno_new(&context->alloc, sizeof *f);
	if (f == NULL)
		return nno_fail_memory("safetensors_open", sizeof *f);
	f->context = nno_context_take(context);
	nnopt_status status;
	f->path = nno_new_text(&context->alloc, path, strlen(path));
	if (f->path == NULL) {
		status = nno_fail_memory("safetensors_open", strlen(path));
		goto out;
	}
	NNO_TRY_OUT(nno_file_open(&f->file, context->io, f->path));
	f->is_open = true;
	NNO_TRY_OUT(read_header(f));
	*out = f;
	return NNOPT_OK;
out:
	nnopt_safetensors_destroy(f);
	return status;
}

void nnopt_safetensors_destroy(nnopt_safetensors *file)
{
	if (file == NULL)
		return;
	nnopt_context *context = file->context;
	const nno_alloc *a = &context->alloc;
	for (int32_t i = 0; i < file->count; i++)
		nno_delete(a, file->items[i].name);
	for (int32_t i = 0; i < file->n_keys; i++) {
		nno_delete(a, file->keys[i]);
		nno_delete(a, file->values[i]);
	}
	if (file->is_open)
		nno_file_close(&file->file);
	nno_delete(a, file->items);
	nno_delete(a, file->keys);
	nno_delete(a, file->values);
	nno_delete(a, file->path);
	nno_delete(a, file);
	nno_context_drop(context);
}

int32_t nnopt_safetensors_count(const nnopt_safetensors *file) { return file == NULL ? 0 : file->count; }

const char *nnopt_safetensors_name(const nnopt_safetensors *file, int32_t index)
{
	return file == NULL || index < 0 || index >= file->count ? NULL : file->items[index].name;
}

nnopt_status nnopt_safetensors_find(const nnopt_safetensors *file, const char *name, int32_t *index)
{
	if (file == NULL || name == NULL || index == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "safetensors_find: %s is NULL",
				file == NULL   ? "file"
				: name == NULL ? "name"
					       : "index");
	for (int32_t i = 0; i < file->count; i++)
		if (strcmp(file->items[i].name, name) == 0) {
			*index = i;
			return NNOPT_OK;
		}
	return nno_fail(NNOPT_ERROR_NOT_FOUND, "%s: no tensor called '%.100s'", file->path, name);
}

const char *nnopt_safetensors_metadata(const nnopt_safetensors *file, const char *key)
{
	for (int32_t i = 0; file != NULL && key != NULL && i < file->n_keys; i++)
		if (strcmp(file->keys[i], key) == 0)
			return file->values[i];
	return NULL;
}

static nnopt_status read_doubles(const nnopt_safetensors *f, const item *it, float *dst, uint32_t *crc)
{
	double part[512];
	int64_t count = (it->end - it->begin) / 8;
	for (int64_t at = 0; at < count; at += 512) {
		int64_t n = nno_i64_min(512, count - at);
		NNO_TRY(nno_file_read(&f->file, part, (size_t)n * 8, f->buffer + it->begin + at * 8));
		*crc = nno_crc32c(*crc, part, (size_t)n * 8);
		for (int64_t i = 0; i < n; i++)
			dst[at + i] = (float)part[i];
	}
	return NNOPT_OK;
}

nnopt_status nnopt_safetensors_read(nnopt_safetensors *file, int32_t index, nnopt_tensor **out)
{
	if (file == NULL || out == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "safetensors_read: %s is NULL",
				file == NULL ? "file" : "out");
	if (index < 0 || index >= file->count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "safetensors_read: index %d, 0 to %d wanted", index,
				file->count - 1);
	const item *it = &file->items[index];
	bool doubles = strcmp(it->dtype->name, "F64") == 0;
	if (it->dtype->dtype < 0 && !doubles)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: '%.100s' has dtype %s, which the library has not",
				file->path, it->name, it->dtype->name);
	nnopt_tensor *tensor = NULL;
	NNO_TRY(nnopt_tensor_create(&tensor, file->context, doubles ? NNOPT_F32 : (nnopt_dtype)it->dtype->dtype,
				    it->rank, it->shape, NNOPT_NCHW));
	uint32_t crc = 0;
	nnopt_status status;
	if (doubles) {
		status = read_doubles(file, it, nnopt_tensor_data(tensor), &crc);
	} else {
		size_t bytes = (size_t)(it->end - it->begin);
		status = nno_file_read(&file->file, nnopt_tensor_data(tensor), bytes, file->buffer + it->begin);
		if (status == NNOPT_OK)
			crc = nno_crc32c(0, nnopt_tensor_const_data(tensor), bytes);
	}
	if (status == NNOPT_OK && file->has_crc && crc != it->crc)
		status =
		    nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %lld: the bytes of '%.100s' do not have their CRC-32C",
			     file->path, (long long)(file->buffer + it->begin), it->name);
	if (status != NNOPT_OK) {
		nnopt_tensor_destroy(tensor);
		return status;
	}
	*out = tensor;
	return NNOPT_OK;
}
