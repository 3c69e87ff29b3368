/* torch_legacy.c - what torch.save() wrote before PyTorch 1.6, and writes when told to: five pickles (a magic number,
 * the protocol, the machine, the object, the storages' keys), then each storage as a count and its elements. */
#include "base/size.h"
#include "file/state_dict.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_PART ((size_t)1 << 18)
#define MAX_PICKLES ((size_t)64 << 20)

/* The first pickle from its third byte: the integer 0x1950a86a20f9469cfc6c. */
static const uint8_t magic[] = { 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.' };

#define MAGIC_BYTES (2 + sizeof magic)

bool nno_is_torch_legacy(const uint8_t *head, size_t n)
{
	return n >= MAGIC_BYTES && head[0] == 0x80 && memcmp(head + 2, magic, sizeof magic) == 0;
}

/* The file's beginning, which holds the pickles. */
typedef struct part {
	nnopt_weights *f;
	uint8_t *bytes;
	size_t size, at;
	nno_pickle object, keys;
	bool ended_early, little;
} part;

static nnopt_status next_pickle(part *s, nno_pickle *p)
{
	nnopt_status status =
	    nno_pickle_read(p, &s->f->context->alloc, s->bytes + s->at, s->size - s->at, s->f->path, s->at);
	s->at += p->used;
	s->ended_early = p->ended_early;
	return status;
}

static const nno_pickle_value *value_of(const nno_pickle *p, const char *key)
{
	if (p->root.kind != NNO_PICKLE_DICT)
		return NULL;
	const nno_pickle_node *n = &p->nodes[p->root.i];
	for (uint32_t i = 0; i + 1 < n->count; i += 2)
		if (n->values[i].kind == NNO_PICKLE_TEXT && n->values[i].length == strlen(key) &&
		    memcmp(n->values[i].text, key, n->values[i].length) == 0)
			return &n->values[i + 1];
	return NULL;
}

static nnopt_status check_machine(part *s)
{
	nno_pickle p;
	nnopt_status status = next_pickle(s, &p);
	if (status == NNOPT_OK && (p.root.kind != NNO_PICKLE_INT || p.root.i != 1001))
		status = nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: torch.save()'s protocol is not 1001", s->f->path);
	nno_pickle_free(&p);
	if (status != NNOPT_OK)
		return status;
	status = next_pickle(s, &p);
	const nno_pickle_value *little = status == NNOPT_OK ? value_of(&p, "little_endian") : NULL;
	if (status == NNOPT_OK && (little == NULL || little->kind != NNO_PICKLE_BOOL))
		status = nno_fail(NNOPT_ERROR_FORMAT, "%s: it does not tell its byte order", s->f->path);
	if (status == NNOPT_OK) {
		s->little = little->i != 0;
		s->f->swapped = s->little != nno_host_is_little();
	}
	nno_pickle_free(&p);
	return status;
}

static nnopt_status read_pickles(part *s)
{
	s->at = MAGIC_BYTES;
	NNO_TRY(check_machine(s));
	NNO_TRY(next_pickle(s, &s->object));
	NNO_TRY(next_pickle(s, &s->keys));
	if (s->keys.root.kind != NNO_PICKLE_LIST)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: the storages' keys are no list", s->f->path);
	return NNOPT_OK;
}

/* How long the pickles are shows when they are read: with too little of the file, again with more. */
static nnopt_status read_part(part *s)
{
	const nno_alloc *a = &s->f->context->alloc;
	size_t most = (size_t)nno_i64_min((int64_t)MAX_PICKLES, s->f->file.size), size = 0;
	nnopt_status status;
	do {
		size = size == 0 ? FIRST_PART : size * 4;
		s->size = size < most ? size : most;
		nno_pickle_free(&s->object);
		nno_pickle_free(&s->keys);
		nno_delete(a, s->bytes);
		s->bytes = nno_new_raw(a, s->size);
		if (s->bytes == NULL)
			return nno_fail_memory(s->f->path, s->size);
		status = nno_file_read(&s->f->file, s->bytes, s->size, 0);
		if (status == NNOPT_OK)
			status = read_pickles(s);
	} while (status != NNOPT_OK && s->ended_early && s->size < most);
	return status;
}

/* A listed key and where it stands in the list, to be sorted. */
typedef struct listed {
	const char *key;
	uint32_t length, place;
} listed;

static int by_key(const void *a, const void *b)
{
	const listed *x = a, *y = b;
	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return memcmp(x->key, y->key, x->length);
}

static nnopt_status sort_keys(const part *s, listed *sorted)
{
	const nno_pickle_node *keys = &s->keys.nodes[s->keys.root.i];
	for (uint32_t i = 0; i < keys->count; i++) {
		if (keys->values[i].kind != NNO_PICKLE_TEXT)
			return nno_fail(NNOPT_ERROR_FORMAT, "%s: a storage's key is no text", s->f->path);
		sorted[i] = (listed){ keys->values[i].text, keys->values[i].length, i };
	}
	if (keys->count > 0)
		qsort(sorted, keys->count, sizeof *sorted, by_key);
	for (uint32_t i = 1; i < keys->count; i++)
		if (by_key(&sorted[i - 1], &sorted[i]) == 0)
			return nno_fail(NNOPT_ERROR_FORMAT, "%s: a storage is listed twice", s->f->path);
	return NNOPT_OK;
}

/* The block of each storage of the object: its place in the list. Blocks and `elements` get the size that it says. */
static nnopt_status find_blocks(const part *s, const listed *sorted, int64_t *elements, int32_t *block_of)
{
	nnopt_weights *f = s->f;
	for (int32_t i = 0; i < f->n_blocks; i++)
		f->blocks[i].bytes = -1;
	for (int32_t i = 0; i < s->object.n_storages; i++) {
		const nno_pickle_storage *storage = &s->object.storages[i];
		listed wanted = { storage->key, storage->key_length, 0 };
		const listed *found =
		    f->n_blocks == 0 ? NULL : bsearch(&wanted, sorted, (size_t)f->n_blocks, sizeof *sorted, by_key);
		int64_t bytes;
		if (found == NULL || !nno_i64_mul(storage->elements, storage->dtype->size, &bytes) ||
		    (f->blocks[found->place].bytes >= 0 &&
		     (f->blocks[found->place].bytes != bytes || elements[found->place] != storage->elements)))
			return nno_fail(NNOPT_ERROR_FORMAT, "%s: storage %d is not listed, or has two sizes", f->path,
					i);
		f->blocks[found->place].bytes = bytes;
		elements[found->place] = storage->elements;
		block_of[i] = (int32_t)found->place;
	}
	return NNOPT_OK;
}

/* The storages follow in the list's order, each behind its number of elements. */
static nnopt_status place_blocks(const part *s, const int64_t *elements)
{
	nnopt_weights *f = s->f;
	int64_t at = (int64_t)s->at;
	for (int32_t i = 0; i < f->n_blocks; i++) {
		nno_block *block = &f->blocks[i];
		uint8_t raw[8];
		uint64_t count = 0;
		if (block->bytes < 0)
			return nno_fail(NNOPT_ERROR_FORMAT, "%s: storage %d is listed, but no tensor is in it", f->path,
					i);
		NNO_TRY(nno_file_read(&f->file, raw, sizeof raw, at));
		for (int k = 0; k < 8; k++)
			count = count << 8 | raw[s->little ? 7 - k : k];
		block->begin = at + 8;
		if (count != (uint64_t)elements[i] || block->bytes > f->file.size - block->begin)
			return nno_fail(
			    NNOPT_ERROR_FORMAT,
			    "%s: offset %lld: a storage of %llu elements, %lld in %lld bytes inside the file wanted",
			    f->path, (long long)at, (unsigned long long)count, (long long)elements[i],
			    (long long)block->bytes);
		at = block->begin + block->bytes;
	}
	return at == f->file.size ? NNOPT_OK
				  : nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %lld: bytes behind the last storage",
					     f->path, (long long)at);
}

static nnopt_status find_storages(const part *s, int32_t *block_of)
{
	nnopt_weights *f = s->f;
	const nno_alloc *a = &f->context->alloc;
	uint32_t n = s->keys.nodes[s->keys.root.i].count;
	f->blocks = nno_new_array(a, n, sizeof *f->blocks);
	listed *sorted = nno_new_array(a, n, sizeof *sorted);
	int64_t *elements = nno_new_array(a, n, sizeof *elements);
	nnopt_status status;
	if (f->blocks == NULL || sorted == NULL || elements == NULL) {
		status = nno_fail_memory(f->path, n * sizeof *f->blocks);
		goto out;
	}
	f->n_blocks = (int32_t)n;
	NNO_TRY_OUT(sort_keys(s, sorted));
	NNO_TRY_OUT(find_blocks(s, sorted, elements, block_of));
	status = place_blocks(s, elements);
out:
	nno_delete(a, elements);
	nno_delete(a, sorted);
	return status;
}

nnopt_status nno_torch_legacy_read(nnopt_weights *f, const char **found_root)
{
	const nno_alloc *a = &f->context->alloc;
	part s = { .f = f };
	int32_t *block_of = NULL;
	nnopt_status status;
	NNO_TRY_OUT(read_part(&s));
	block_of = nno_new_array(a, (size_t)s.object.n_storages, sizeof *block_of);
	if (block_of == NULL) {
		status = nno_fail_memory(f->path, (size_t)s.object.n_storages * sizeof *block_of);
		goto out;
	}
	NNO_TRY_OUT(find_storages(&s, block_of));
	status = nno_state_dict_take(f, &s.object, block_of, found_root);
out:
	nno_delete(a, block_of);
	nno_pickle_free(&s.object);
	nno_pickle_free(&s.keys);
	nno_delete(a, s.bytes);
	return status;
}
