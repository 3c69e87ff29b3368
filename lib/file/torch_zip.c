/* torch_zip.c - what torch.save() writes since PyTorch 1.6 (torch/serialization.py,
 * caffe2/serialize/inline_container.cc): a zip with one folder of any name, which has data.pkl, one entry a storage,
 * and the byte order. */
#include "base/size.h"
#include "file/state_dict.h"
#include "file/zip.h"

#include <stdio.h>
#include <string.h>

#define MAX_PICKLE ((int64_t)64 << 20)
#define MAX_KEY 64
#define MAX_TOP 512

typedef struct archive {
	nnopt_weights *f;
	nno_zip zip;
	char *top; /* "archive/" */
} archive;

/* The entry `name` in the folder; NULL when there is none. */
static const nno_zip_entry *find(const archive *z, const char *name)
{
	char path[MAX_TOP + MAX_KEY + 16];
	int n = snprintf(path, sizeof path, "%s%s", z->top, name);
	return n < 0 || (size_t)n >= sizeof path ? NULL : nno_zip_find(&z->zip, path);
}

static nnopt_status find_top(archive *z)
{
	const char *found = NULL;
	for (int32_t i = 0; i < z->zip.count; i++) {
		const char *name = z->zip.entries[i].name, *slash = strchr(name, '/');
		if (slash == NULL || strcmp(slash, "/data.pkl") != 0)
			continue;
		if (found != NULL)
			return nno_fail(NNOPT_ERROR_FORMAT, "%s: two data.pkl, of which one is wanted", z->f->path);
		found = name;
	}
	if (found == NULL || strlen(found) > MAX_TOP)
		return nno_fail(NNOPT_ERROR_FORMAT,
				"%s: a zip without data.pkl in a folder: not written by torch.save()", z->f->path);
	z->top = nno_new_text(&z->f->context->alloc, found, strlen(found) - strlen("data.pkl"));
	if (z->top == NULL)
		return nno_fail_memory(z->f->path, strlen(found));
	if (find(z, "constants.pkl") != NULL)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED,
				"%s: a TorchScript program, not a state_dict: save model.state_dict()", z->f->path);
	return NNOPT_OK;
}

/* Files before PyTorch 2.1 do not tell; they are little-endian. */
static nnopt_status read_byte_order(const archive *z)
{
	char text[8] = "";
	const nno_zip_entry *e = find(z, "byteorder");
	bool little = e == NULL;
	if (e != NULL && e->block.bytes < (int64_t)sizeof text) {
		nno_block block = e->block;
		NNO_TRY(nno_block_read(z->f, &block, text, 0, (size_t)block.bytes));
		little = strcmp(text, "little") == 0;
	}
	if (!little && strcmp(text, "big") != 0)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: its byte order is neither little nor big", z->f->path);
	z->f->swapped = little != nno_host_is_little();
	return NNOPT_OK;
}

/* Every entry of the zip is a block; those of the pickle's storages must have their sizes. */
static nnopt_status find_storages(const archive *z, const nno_pickle *p, int32_t *block_of)
{
	nnopt_weights *f = z->f;
	f->blocks = nno_new_array(&f->context->alloc, (size_t)z->zip.count, sizeof *f->blocks);
	if (f->blocks == NULL)
		return nno_fail_memory(f->path, (size_t)z->zip.count * sizeof *f->blocks);
	f->n_blocks = z->zip.count;
	for (int32_t i = 0; i < z->zip.count; i++)
		f->blocks[i] = z->zip.entries[i].block;
	for (int32_t i = 0; i < p->n_storages; i++) {
		const nno_pickle_storage *s = &p->storages[i];
		char name[8 + MAX_KEY];
		const nno_zip_entry *e = NULL;
		int64_t bytes;
		if (s->key_length < MAX_KEY && memchr(s->key, 0, s->key_length) == NULL) {
			snprintf(name, sizeof name, "data/%.*s", (int)s->key_length, s->key);
			e = find(z, name);
		}
		if (e == NULL)
			return nno_fail(NNOPT_ERROR_FORMAT, "%s: storage %d of %d has no entry in the zip", f->path, i,
					p->n_storages);
		if (!nno_i64_mul(s->elements, s->dtype->size, &bytes) || bytes != e->block.bytes)
			return nno_fail(NNOPT_ERROR_FORMAT, "%s: '%.100s' has %lld bytes, %lld elements of %s wanted",
					f->path, e->name, (long long)e->block.bytes, (long long)s->elements,
					s->dtype->name);
		block_of[i] = (int32_t)(e - z->zip.entries);
	}
	return NNOPT_OK;
}

static nnopt_status read_pickle(const archive *z, const char **found_root)
{
	nnopt_weights *f = z->f;
	const nno_alloc *a = &f->context->alloc;
	nno_block block = find(z, "data.pkl")->block;
	if (block.bytes > MAX_PICKLE)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: data.pkl of %lld bytes, at most %lld wanted", f->path,
				(long long)block.bytes, (long long)MAX_PICKLE);
	uint8_t *bytes = nno_new_raw(a, (size_t)block.bytes);
	if (bytes == NULL)
		return nno_fail_memory(f->path, (size_t)block.bytes);
	nno_pickle p = { NULL };
	int32_t *block_of = NULL;
	nnopt_status status;
	NNO_TRY_OUT(nno_block_read(f, &block, bytes, 0, (size_t)block.bytes));
	NNO_TRY_OUT(nno_pickle_read(&p, a, bytes, (size_t)block.bytes, f->path, (size_t)block.begin));
	if (p.used != (size_t)block.bytes) {
		status = nno_fail(NNOPT_ERROR_FORMAT, "%s: bytes behind the end of data.pkl's pickle", f->path);
		goto out;
	}
	block_of = nno_new_array(a, (size_t)p.n_storages, sizeof *block_of);
	if (block_of == NULL) {
		status = nno_fail_memory(f->path, (size_t)p.n_storages * sizeof *block_of);
		goto out;
	}
	NNO_TRY_OUT(find_storages(z, &p, block_of));
	status = nno_state_dict_take(f, &p, block_of, found_root);
out:
	nno_delete(a, block_of);
	nno_pickle_free(&p);
	nno_delete(a, bytes);
	return status;
}

nnopt_status nno_torch_zip_read(nnopt_weights *f, const char **found_root)
{
	archive z = { .f = f };
	nnopt_status status = nno_zip_open(&z.zip, f);
	if (status == NNOPT_OK)
		status = find_top(&z);
	if (status == NNOPT_OK)
		status = read_byte_order(&z);
	if (status == NNOPT_OK)
		status = read_pickle(&z, found_root);
	nno_delete(&f->context->alloc, z.top);
	nno_zip_free(&z.zip, &f->context->alloc);
	return status;
}
