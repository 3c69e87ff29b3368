/* npy.c - NumPy's .npy files (numpy.lib.format): a magic, a version, a Python dict of three entries, then the elements.
 * The dict is read by a small parser of just its grammar, which takes the keys in any order and nothing else. */
#include "base/io.h"
#include "base/size.h"
#include "base/text.h"
#include "nnopt/tensor.h"
#include "tensor/tensor.h"

#include <string.h>

#define MAX_HEADER 65536

typedef struct header {
	char order, kind; /* '<', '>', '|', '='; 'f', 'u', 'i' */
	int size;
	bool fortran;
	int32_t rank;
	int64_t shape[NNOPT_MAX_RANK];
} header;

typedef struct cursor {
	const char *text; /* NUL-terminated */
	size_t at;
	const char *path;
	size_t base; /* offset of the text in the file */
} cursor;

static nnopt_status bad(const cursor *c, const char *wanted)
{
	return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: %s wanted", c->path, c->base + c->at, wanted);
}

static bool accept(cursor *c, const char *word)
{
	while (c->text[c->at] == ' ')
		c->at++;
	size_t n = strlen(word);
	if (strncmp(c->text + c->at, word, n) != 0)
		return false;
	c->at += n;
	return true;
}

static nnopt_status read_string(cursor *c, char *to, size_t room)
{
	char quote = accept(c, "'") ? '\'' : accept(c, "\"") ? '"' : 0;
	if (quote == 0)
		return bad(c, "a quoted string");
	size_t n = 0;
	while (c->text[c->at] != quote) {
		if (c->text[c->at] == 0 || c->text[c->at] == '\\' || n + 1 >= room)
			return bad(c, "a short plain string");
		to[n++] = c->text[c->at++];
	}
	c->at++;
	to[n] = 0;
	return NNOPT_OK;
}

static nnopt_status read_shape(cursor *c, header *h)
{
	if (!accept(c, "("))
		return bad(c, "a tuple");
	for (h->rank = 0; !accept(c, ")"); h->rank++) {
		int64_t v = 0;
		if (h->rank == NNOPT_MAX_RANK)
			return bad(c, "at most 8 dimensions");
		while (c->text[c->at] == ' ')
			c->at++;
		if (c->text[c->at] < '0' || c->text[c->at] > '9')
			return bad(c, "an extent");
		for (; c->text[c->at] >= '0' && c->text[c->at] <= '9'; c->at++)
			if (!nno_i64_mul(v, 10, &v) || !nno_i64_add(v, c->text[c->at] - '0', &v))
				return bad(c, "an extent below 2^63");
		(void)accept(c, "L"); /* written by Python 2 */
		h->shape[h->rank] = v;
		if (!accept(c, ",") && c->text[c->at] != ')' && c->text[c->at] != ' ')
			return bad(c, "',' or ')'");
	}
	return NNOPT_OK;
}

static nnopt_status read_descr(cursor *c, header *h)
{
	char d[16];
	if (accept(c, "["))
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: an array of records, one of plain elements wanted",
				c->path);
	NNO_TRY(read_string(c, d, sizeof d));
	if (strlen(d) != 3 || strchr("<>|=", d[0]) == NULL || strchr("fui", d[1]) == NULL || d[2] < '1' || d[2] > '8')
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: element type '%s', one of f2 f4 f8 u1 i4 i8 wanted",
				c->path, d);
	h->order = d[0];
	h->kind = d[1];
	h->size = d[2] - '0';
	return NNOPT_OK;
}

static nnopt_status read_dict(cursor *c, header *h)
{
	unsigned seen = 0;
	if (!accept(c, "{"))
		return bad(c, "'{'");
	while (!accept(c, "}")) {
		char key[24];
		NNO_TRY(read_string(c, key, sizeof key));
		if (!accept(c, ":"))
			return bad(c, "':'");
		unsigned which = strcmp(key, "descr") == 0           ? 1
				 : strcmp(key, "fortran_order") == 0 ? 2
				 : strcmp(key, "shape") == 0         ? 4
								     : 0;
		if (which == 0 || (seen & which))
			return bad(c, "the keys descr, fortran_order and shape, once each");
		seen |= which;
		if (which == 1)
			NNO_TRY(read_descr(c, h));
		else if (which == 4)
			NNO_TRY(read_shape(c, h));
		else if (accept(c, "True"))
			h->fortran = true;
		else if (!accept(c, "False"))
			return bad(c, "True or False");
		if (!accept(c, ",") && c->text[c->at] != '}')
			return bad(c, "',' or '}'");
	}
	return seen == 7 ? NNOPT_OK : bad(c, "descr, fortran_order and shape");
}

/* Reads everything before the elements; *data_at is where they begin. */
static nnopt_status read_header(const nno_file *file, const nno_alloc *alloc, header *h, int64_t *data_at)
{
	uint8_t head[12] = { 0 };
	NNO_TRY(nno_file_read(file, head, 10, 0));
	if (memcmp(head, "\223NUMPY", 6) != 0)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset 0: not a .npy file", file->path);
	if (head[6] < 1 || head[6] > 3)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: .npy version %d.%d, 1.0 to 3.0 wanted", file->path,
				head[6], head[7]);
	size_t first = head[6] == 1 ? 10 : 12, length = head[8] | (size_t)head[9] << 8;
	if (head[6] > 1) {
		NNO_TRY(nno_file_read(file, head + 10, 2, 10));
		length |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
	}
	if (length > MAX_HEADER)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset 8: a header of %zu bytes, at most %d wanted",
				file->path, length, MAX_HEADER);
	char *text = nno_new(alloc, length + 1);
	if (text == NULL)
		return nno_fail_memory(file->path, length + 1);
	nnopt_status status = nno_file_read(file, text, length, (int64_t)first);
	cursor c = { .text = text, .path = file->path, .base = first };
	if (status == NNOPT_OK)
		status = read_dict(&c, h);
	nno_delete(alloc, text);
	*data_at = (int64_t)(first + length);
	return status;
}

static void swap_bytes(uint8_t *b, int64_t n, int size)
{
	for (int64_t i = 0; i < n; i++, b += size)
		for (int k = 0; k < size / 2; k++) {
			uint8_t t = b[k];
			b[k] = b[size - 1 - k];
			b[size - 1 - k] = t;
		}
}

static nnopt_status find_dtype(const header *h, const char *path, nnopt_dtype *dtype)
{
	static const struct {
		char kind, size;
		nnopt_dtype dtype;
	} known[] = { { 'f', 2, NNOPT_F16 }, { 'f', 4, NNOPT_F32 }, { 'f', 8, NNOPT_F32 },
		      { 'u', 1, NNOPT_U8 },  { 'i', 4, NNOPT_I32 }, { 'i', 8, NNOPT_I64 } };
	for (size_t i = 0; i < NNO_COUNT(known); i++)
		if (known[i].kind == h->kind && known[i].size == h->size) {
			*dtype = known[i].dtype;
			return NNOPT_OK;
		}
	return nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: element type %c%d, one of f2 f4 f8 u1 i4 i8 wanted", path,
			h->kind, h->size);
}

static bool is_foreign(const header *h)
{
	const uint16_t one = 1;
	bool little = *(const uint8_t *)&one == 1;
	return h->size > 1 && ((h->order == '>' && little) || (h->order == '<' && !little));
}

static nnopt_status read_elements(const nno_file *file, const header *h, int64_t at, int64_t count, nnopt_tensor *t)
{
	uint8_t *data = nnopt_tensor_data(t);
	const nno_alloc *alloc = &t->context->alloc;
	size_t bytes = (size_t)count * (size_t)h->size;
	double *wide = NULL;
	if (h->size == 8 && h->kind == 'f') {
		wide = nno_new_raw(alloc, bytes);
		if (wide == NULL)
			return nno_fail_memory(file->path, bytes);
		data = (uint8_t *)wide;
	}
	nnopt_status status = nno_file_read(file, data, bytes, at);
	if (status == NNOPT_OK && is_foreign(h))
		swap_bytes(data, count, h->size);
	for (int64_t i = 0; status == NNOPT_OK && wide != NULL && i < count; i++)
		((float *)nnopt_tensor_data(t))[i] = (float)wide[i];
	nno_delete(alloc, wide);
	return status;
}

static nnopt_status load(nnopt_tensor **out, nnopt_context *context, const nno_file *file)
{
	header h = { 0 };
	int64_t at = 0, count = 0, bytes = 0;
	nnopt_dtype dtype = NNOPT_F32;
	NNO_TRY(read_header(file, &context->alloc, &h, &at));
	NNO_TRY(find_dtype(&h, file->path, &dtype));
	if (h.fortran)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: Fortran order, C order wanted", file->path);
	if (!nno_shape_elements(h.shape, h.rank, &count) || !nno_i64_mul(count, h.size, &bytes) ||
	    bytes != file->size - at)
		return nno_fail(NNOPT_ERROR_FORMAT,
				"%s: offset %lld: %lld bytes of elements, the shape's %lld of %d bytes wanted",
				file->path, (long long)at, (long long)(file->size - at), (long long)count, h.size);
	nnopt_tensor *t = NULL;
	NNO_TRY(nnopt_tensor_create(&t, context, dtype, h.rank, h.shape, NNOPT_NCHW));
	nnopt_status status = read_elements(file, &h, at, count, t);
	if (status == NNOPT_OK)
		*out = t;
	else
		nnopt_tensor_destroy(t);
	return status;
}

nnopt_status nnopt_tensor_load_npy(nnopt_tensor **out, nnopt_context *context, const char *path)
{
	if (out == NULL || context == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_load_npy: an argument is NULL");
	nno_file file;
	NNO_TRY(nno_file_open(&file, context->io, path));
	nnopt_status status = load(out, context, &file);
	nno_file_close(&file);
	return status;
}

static void write_header(nno_text *t, const nnopt_tensor *tensor, nnopt_dtype dtype)
{
	static const char *const descr[] = { "<f4", "<f2", "", "|u1", "<i4", "<i8" };
	nno_text dict;
	nno_text_start(&dict, t->alloc);
	nno_text_addf(&dict, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr[dtype]);
	for (int i = 0; i < tensor->rank; i++)
		nno_text_addf(&dict,
			      i == 0 && tensor->rank > 1 ? "%lld"
			      : i == 0                   ? "%lld,"
							 : ", %lld",
			      (long long)tensor->shape[i]);
	nno_text_add(&dict, "), }");
	size_t length = nno_size_round_up(10 + dict.length + 1, 64) - 10; /* elements begin at a multiple of 64 */
	char head[10] = { '\223', 'N', 'U', 'M', 'P', 'Y', 1, 0, (char)(length & 0xff), (char)(length >> 8) };
	nno_text_add_n(t, head, sizeof head);
	nno_text_add_n(t, dict.data != NULL ? dict.data : "", dict.length);
	for (size_t i = dict.length + 1; i < length; i++)
		nno_text_add_n(t, " ", 1);
	nno_text_add_n(t, "\n", 1);
	t->failed = t->failed || dict.failed;
	nno_text_free(&dict);
}

static nnopt_status write_file(const nnopt_tensor *t, const nno_text *head, const void *data, size_t bytes,
			       const char *path)
{
	nno_replace *r = NULL;
	NNO_TRY(nno_replace_begin(&r, t->context->io, &t->context->alloc, path, (int64_t)(head->length + bytes)));
	nnopt_status status = nno_replace_write(r, head->data, head->length);
	if (status == NNOPT_OK)
		status = nno_replace_write(r, data, bytes);
	if (status == NNOPT_OK)
		return nno_replace_commit(r);
	nno_replace_abort(r);
	return status;
}

nnopt_status nnopt_tensor_save_npy(const nnopt_tensor *tensor, const char *path)
{
	if (tensor == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "tensor_save_npy: %s is NULL",
				tensor == NULL ? "tensor" : "path");
	const nno_alloc *alloc = &tensor->context->alloc;
	nnopt_dtype dtype = tensor->dtype == NNOPT_BF16 ? NNOPT_F32 : tensor->dtype;
	size_t bytes = (size_t)tensor->count * nnopt_dtype_size(dtype);
	uint8_t *data = nno_new_raw(alloc, bytes);
	if (data == NULL)
		return nno_fail_memory(path, bytes);
	nno_text head;
	nno_text_start(&head, alloc);
	write_header(&head, tensor, dtype);
	nnopt_status status = nno_text_check(&head, path);
	if (status == NNOPT_OK)
		status = nnopt_tensor_copy_out(tensor, data, bytes, dtype, NNOPT_NCHW);
	const uint16_t one = 1;
	if (status == NNOPT_OK && *(const uint8_t *)&one != 1)
		swap_bytes(data, tensor->count, (int)nnopt_dtype_size(dtype));
	if (status == NNOPT_OK)
		status = write_file(tensor, &head, data, bytes, path);
	nno_text_free(&head);
	nno_delete(alloc, data);
	return status;
}
