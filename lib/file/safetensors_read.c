/* safetensors_read.c - the header is read and checked whole before anything else: every size against the file's, every
 * range against its neighbours. Nothing is allocated that the file is not large enough to fill. */
#include "base/json.h"
#include "base/size.h"
#include "file/weights.h"

#include <stdlib.h>
#include <string.h>

#define CRC_KEY "nnopt.crc32c"

typedef struct item {
	nno_named named;
	int64_t begin, end; /* in the buffer */
	size_t json_offset;
} item;

typedef struct header {
	nnopt_weights *f;
	int64_t buffer; /* where the buffer starts in the file */
	item *items;
	int32_t count;
} header;

static nnopt_status bad(const header *h, size_t json_offset, const char *problem)
{
	return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: %s", h->f->path, json_offset, problem);
}

static nnopt_status read_pair(const header *h, const nno_json *j, int list, item *it)
{
	if (list < 0 || nno_json_type_of(j, list) != NNO_JSON_ARRAY || nno_json_size(j, list) != 2)
		return bad(h, it->json_offset, "data_offsets is not a list of two");
	int first = nno_json_first(j, list);
	if (nno_json_i64(j, first, &it->begin) != NNOPT_OK ||
	    nno_json_i64(j, nno_json_next(j, first), &it->end) != NNOPT_OK)
		return bad(h, it->json_offset, "data_offsets are not integers");
	if (it->begin < 0 || it->end < it->begin || it->end > h->f->file.size - h->buffer)
		return bad(h, it->json_offset, "data_offsets reach outside the file");
	return NNOPT_OK;
}

static nnopt_status read_shape(const header *h, const nno_json *j, int list, item *it)
{
	nno_named *n = &it->named;
	if (list < 0 || nno_json_type_of(j, list) != NNO_JSON_ARRAY || nno_json_size(j, list) > NNOPT_MAX_RANK)
		return bad(h, it->json_offset, "shape is not a list of at most 8");
	for (int v = nno_json_first(j, list); v >= 0; v = nno_json_next(j, v))
		if (nno_json_i64(j, v, &n->shape[n->rank++]) != NNOPT_OK)
			return bad(h, it->json_offset, "an extent is not an integer");
	int64_t count, bytes;
	if (!nno_shape_elements(n->shape, n->rank, &count) || !nno_i64_mul(count, n->dtype->size, &bytes))
		return bad(h, it->json_offset, "the shape is negative or overflows");
	if (bytes != it->end - it->begin)
		return bad(h, it->json_offset, "shape and dtype disagree with data_offsets");
	nno_row_major(n->shape, n->rank, n->stride);
	return NNOPT_OK;
}

static nnopt_status read_item(const header *h, const nno_json *j, int key, item *it)
{
	int object = nno_json_value(j, key);
	it->json_offset = nno_json_offset(j, key);
	NNO_TRY(nno_json_text(j, key, &it->named.name));
	if (nno_json_type_of(j, object) != NNO_JSON_OBJECT || nno_json_size(j, object) != 3)
		return bad(h, it->json_offset, "a tensor is not described by dtype, shape and data_offsets alone");
	int dtype = nno_json_get(j, object, "dtype");
	for (const nno_file_dtype *d = nno_file_dtypes; d->name != NULL && dtype >= 0; d++)
		if (nno_json_equals(j, dtype, d->name))
			it->named.dtype = d;
	if (it->named.dtype == NULL)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: offset %zu: unknown dtype", h->f->path, it->json_offset);
	NNO_TRY(read_pair(h, j, nno_json_get(j, object, "data_offsets"), it));
	return read_shape(h, j, nno_json_get(j, object, "shape"), it);
}

static nnopt_status read_metadata(const header *h, const nno_json *j, int object)
{
	nnopt_weights *f = h->f;
	if (nno_json_type_of(j, object) != NNO_JSON_OBJECT)
		return bad(h, nno_json_offset(j, object), "__metadata__ is not an object");
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
	return x->end != y->end ? (x->end < y->end ? -1 : 1) : strcmp(x->named.name, y->named.name);
}

static nnopt_status check_ranges(const header *h)
{
	int64_t at = 0;
	for (int32_t i = 0; i < h->count; i++) {
		if (h->items[i].begin != at)
			return bad(h, h->items[i].json_offset, "tensors overlap or leave a gap");
		at = h->items[i].end;
	}
	if (at != h->f->file.size - h->buffer)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %lld: bytes that belong to no tensor", h->f->path,
				(long long)(h->buffer + at));
	return NNOPT_OK;
}

/* The checksums are eight hexadecimal digits a tensor, in order of offset. */
static nnopt_status read_checksums(const header *h)
{
	const char *text = nnopt_weights_metadata(h->f, CRC_KEY);
	if (text == NULL)
		return NNOPT_OK;
	size_t wanted = h->count > 0 ? (size_t)h->count * 9 - 1 : 0;
	if (strlen(text) != wanted)
		return bad(h, 0, "\"" CRC_KEY "\" does not fit the number of tensors");
	for (int32_t i = 0; i < h->count; i++) {
		nno_block *block = &h->f->blocks[i];
		for (int k = 0; k < 8; k++) {
			static const char digits[] = "0123456789abcdef";
			const char *d = strchr(digits, text[(size_t)i * 9 + (size_t)k]);
			if (d == NULL || *d == '\0')
				return bad(h, 0, "\"" CRC_KEY "\" is not hexadecimal");
			block->crc = block->crc << 4 | (uint32_t)(d - digits);
		}
		block->sum = NNO_SUM_CRC32C;
	}
	return NNOPT_OK;
}

/* The names go over to the file, which has one block a tensor. */
static nnopt_status hand_over(header *h)
{
	nnopt_weights *f = h->f;
	size_t n = (size_t)h->count;
	f->items = nno_new_array(&f->context->alloc, n, sizeof *f->items);
	f->blocks = nno_new_array(&f->context->alloc, n, sizeof *f->blocks);
	if (f->items == NULL || f->blocks == NULL)
		return nno_fail_memory(f->path, n * sizeof *f->items);
	for (int32_t i = 0; i < h->count; i++) {
		item *it = &h->items[i];
		it->named.block = i;
		f->items[i] = it->named;
		it->named.name = NULL;
		f->blocks[i] = (nno_block){ .begin = h->buffer + it->begin, .bytes = it->end - it->begin };
	}
	f->count = f->n_blocks = h->count;
	return read_checksums(h);
}

static nnopt_status read_items(header *h, const nno_json *j)
{
	if (nno_json_type_of(j, 0) != NNO_JSON_OBJECT)
		return bad(h, 0, "the header is not an object");
	const nno_alloc *a = &h->f->context->alloc;
	nnopt_status status;
	h->items = nno_new_array(a, (size_t)nno_json_size(j, 0), sizeof *h->items);
	if (h->items == NULL)
		return nno_fail_memory(h->f->path, (size_t)nno_json_size(j, 0) * sizeof *h->items);
	for (int key = nno_json_first(j, 0); key >= 0; key = nno_json_next(j, key)) {
		if (nno_json_equals(j, key, "__metadata__"))
			NNO_TRY_OUT(read_metadata(h, j, nno_json_value(j, key)));
		else
			NNO_TRY_OUT(read_item(h, j, key, &h->items[h->count++]));
	}
	qsort(h->items, (size_t)h->count, sizeof *h->items, by_begin);
	NNO_TRY_OUT(check_ranges(h));
	status = hand_over(h);
out:
	for (int32_t i = 0; i < h->count; i++)
		nno_delete(a, h->items[i].named.name);
	nno_delete(a, h->items);
	return status;
}

nnopt_status nno_safetensors_read(nnopt_weights *f)
{
	unsigned char raw[8];
	uint64_t length = 0;
	NNO_TRY(nno_file_read(&f->file, raw, sizeof raw, 0));
	for (int i = 7; i >= 0; i--)
		length = length << 8 | raw[i];
	if (length > NNO_SAFETENSORS_HEADER || length > (uint64_t)f->file.size - 8)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset 0: header of %llu bytes, at most %lld wanted", f->path,
				(unsigned long long)length,
				(long long)nno_i64_min(NNO_SAFETENSORS_HEADER, f->file.size - 8));
	char *text = nno_new_raw(&f->context->alloc, (size_t)length + 1);
	if (text == NULL)
		return nno_fail_memory(f->path, (size_t)length + 1);
	nno_json *j = NULL;
	header h = { .f = f, .buffer = 8 + (int64_t)length };
	nnopt_status status;
	NNO_TRY_OUT(nno_file_read(&f->file, text, (size_t)length, 8));
	NNO_TRY_OUT(nno_json_parse(&j, &f->context->alloc, text, (size_t)length, NNO_SAFETENSORS_VALUES, f->path, 8));
	status = read_items(&h, j);
out:
	nno_json_free(j);
	nno_delete(&f->context->alloc, text);
	return status;
}
