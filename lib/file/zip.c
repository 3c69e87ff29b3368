/* zip.c - reading a zip's directory. The end record is looked for at the end alone; every number is checked before it
 * is used as a size. */
#include "file/zip.h"

#include "base/size.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DIRECTORY ((int64_t)64 << 20)
#define END_BYTES 22
#define END64_BYTES 56
#define LOCATOR_BYTES 20
#define CENTRAL_BYTES 46
#define LOCAL_BYTES 30
#define NO_16 0xffffu
#define NO_32 0xffffffffu

typedef struct place {
	int64_t begin, bytes, count; /* of the directory */
} place;

static uint64_t get(const uint8_t *b, int bytes)
{
	uint64_t v = 0;
	for (int i = bytes - 1; i >= 0; i--)
		v = v << 8 | b[i];
	return v;
}

static nnopt_status bad(const nnopt_weights *f, int64_t offset, const char *problem)
{
	return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %lld: zip: %s", f->path, (long long)offset, problem);
}

/* The zip64 end record, where the plain one is too small or a locator says there is one. */
static nnopt_status read_end64(const nnopt_weights *f, int64_t end, place *p)
{
	uint8_t locator[LOCATOR_BYTES], b[END64_BYTES];
	if (end < LOCATOR_BYTES)
		return NNOPT_OK;
	NNO_TRY(nno_file_read(&f->file, locator, sizeof locator, end - LOCATOR_BYTES));
	if (get(locator, 4) != 0x07064b50)
		return NNOPT_OK;
	uint64_t at = get(locator + 8, 8);
	if (end < END64_BYTES || at > (uint64_t)(end - END64_BYTES))
		return bad(f, end - LOCATOR_BYTES, "the zip64 record lies outside the file");
	NNO_TRY(nno_file_read(&f->file, b, sizeof b, (int64_t)at));
	if (get(b, 4) != 0x06064b50)
		return bad(f, (int64_t)at, "no zip64 record where the locator says");
	if (get(b + 24, 8) != get(b + 32, 8) || get(b + 32, 8) > INT32_MAX || get(b + 40, 8) > (uint64_t)f->file.size ||
	    get(b + 48, 8) > (uint64_t)f->file.size)
		return bad(f, (int64_t)at, "the zip64 record does not fit the file");
	*p = (place){ (int64_t)get(b + 48, 8), (int64_t)get(b + 40, 8), (int64_t)get(b + 32, 8) };
	return NNOPT_OK;
}

static nnopt_status find_directory(const nnopt_weights *f, uint8_t *tail, place *p)
{
	int64_t n = nno_i64_min(f->file.size, END_BYTES + NO_16), from = f->file.size - n;
	NNO_TRY(nno_file_read(&f->file, tail, (size_t)n, from));
	for (int64_t i = n - END_BYTES; i >= 0; i--) {
		const uint8_t *e = tail + i;
		if (get(e, 4) != 0x06054b50 || (int64_t)get(e + 20, 2) != n - i - END_BYTES)
			continue;
		if (get(e + 4, 2) != get(e + 6, 2) || get(e + 8, 2) != get(e + 10, 2))
			return bad(f, from + i, "an archive of several parts");
		*p = (place){ (int64_t)get(e + 16, 4), (int64_t)get(e + 12, 4), (int64_t)get(e + 10, 2) };
		NNO_TRY(read_end64(f, from + i, p));
		if (p->bytes > MAX_DIRECTORY || p->begin > from + i || p->bytes > from + i - p->begin ||
		    p->count > p->bytes / CENTRAL_BYTES)
			return bad(f, from + i, "the directory does not fit the file");
		return NNOPT_OK;
	}
	return bad(f, f->file.size, "no end record: the file is cut off or no zip");
}

/* Replaces the sizes that do not fit 32 bits by those in the zip64 extra field, which has them in this order. */
static bool read_extra(const uint8_t *extra, size_t n, uint64_t *bytes, uint64_t *packed, uint64_t *local)
{
	uint64_t *wide[] = { bytes, packed, local };
	for (size_t at = 0; n - at >= 4;) {
		size_t length = (size_t)get(extra + at + 2, 2), used = 0;
		if (length > n - at - 4)
			return true; /* padding that is no field; sizes it might have held are checked below */
		for (int i = 0; i < 3 && get(extra + at, 2) == 1; i++)
			if (*wide[i] == NO_32) {
				if (length - used < 8)
					return false;
				*wide[i] = get(extra + at + 4 + used, 8);
				used += 8;
			}
		at += 4 + length;
	}
	return true;
}

/* The local header repeats the name; the data comes behind it and its own extra field. */
static nnopt_status read_local(const nnopt_weights *f, nno_zip_entry *e, int64_t directory)
{
	uint8_t b[LOCAL_BYTES];
	char name[256];
	size_t n = strlen(e->name);
	if (e->local > directory - LOCAL_BYTES)
		return bad(f, e->local, "an entry begins behind the directory");
	NNO_TRY(nno_file_read(&f->file, b, sizeof b, e->local));
	if (get(b, 4) != 0x04034b50 || get(b + 26, 2) != n)
		return bad(f, e->local, "no header of the entry that the directory names");
	for (size_t at = 0; at < n; at += sizeof name) {
		size_t part = n - at < sizeof name ? n - at : sizeof name;
		NNO_TRY(nno_file_read(&f->file, name, part, e->local + LOCAL_BYTES + (int64_t)at));
		if (memcmp(name, e->name + at, part) != 0)
			return bad(f, e->local, "the entry's name is not the directory's");
	}
	e->block.begin = e->local + LOCAL_BYTES + (int64_t)n + (int64_t)get(b + 28, 2);
	int64_t stored = e->block.packed > 0 ? e->block.packed : e->block.bytes;
	if (e->block.begin > directory || stored > directory - e->block.begin)
		return bad(f, e->local, "an entry reaches into the directory");
	return NNOPT_OK;
}

/* One directory record, at `offset` in the file; its name gets its NUL in place of the byte behind it, after that was
 * read. */
static nnopt_status read_entry(const nnopt_weights *f, uint8_t *b, size_t left, int64_t offset, nno_zip_entry *e,
			       size_t *used)
{
	if (left < CENTRAL_BYTES || get(b, 4) != 0x02014b50)
		return bad(f, offset, "a directory record is missing");
	size_t name = (size_t)get(b + 28, 2), extra = (size_t)get(b + 30, 2), comment = (size_t)get(b + 32, 2);
	*used = CENTRAL_BYTES + name + extra + comment;
	if (*used > left || name == 0 || memchr(b + CENTRAL_BYTES, 0, name) != NULL)
		return bad(f, offset, "a directory record with a wrong length or name");
	uint64_t packed = get(b + 20, 4), bytes = get(b + 24, 4), local = get(b + 42, 4), method = get(b + 10, 2);
	if (!read_extra(b + CENTRAL_BYTES + name, extra, &bytes, &packed, &local))
		return bad(f, offset, "a zip64 field is too short");
	/* The name moves down over the record's fixed part, which has been read, so that its NUL has room. */
	uint32_t crc = (uint32_t)get(b + 16, 4);
	uint64_t flags = get(b + 8, 2);
	memmove(b, b + CENTRAL_BYTES, name);
	b[name] = 0;
	e->name = (const char *)b;
	if ((flags & 1) != 0 || (method != 0 && method != 8))
		return nno_fail(NNOPT_ERROR_UNSUPPORTED,
				"%s: zip: '%.100s' is encrypted or packed by method %d, stored or deflated wanted",
				f->path, e->name, (int)method);
	uint64_t size = (uint64_t)f->file.size;
	/* deflate makes at most 1032 bytes of one */
	if (packed > size || local > size || (method == 0 && packed != bytes) ||
	    (method == 8 && (packed == 0 || bytes / 1032 > packed)))
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: zip: '%.100s' has sizes that do not fit the file", f->path,
				e->name);
	e->local = (int64_t)local;
	/* PyTorch writes 0 where it was told to make no sums. */
	e->block = (nno_block){ .bytes = (int64_t)bytes,
				.packed = method == 8 ? (int64_t)packed : 0,
				.crc = crc,
				.sum = crc != 0 ? NNO_SUM_CRC32 : NNO_SUM_NONE };
	return NNOPT_OK;
}

static int by_place(const void *a, const void *b)
{
	const nno_zip_entry *x = a, *y = b;
	return x->local != y->local ? (x->local < y->local ? -1 : 1) : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const nno_zip_entry *)a)->name, ((const nno_zip_entry *)b)->name);
}

static nnopt_status check_entries(nno_zip *zip, const nnopt_weights *f)
{
	qsort(zip->entries, (size_t)zip->count, sizeof *zip->entries, by_place);
	int64_t end = 0;
	for (int32_t i = 0; i < zip->count; i++) {
		const nno_zip_entry *e = &zip->entries[i];
		if (e->local < end)
			return bad(f, e->local, "two entries lie over each other");
		end = e->block.begin + (e->block.packed > 0 ? e->block.packed : e->block.bytes);
	}
	qsort(zip->entries, (size_t)zip->count, sizeof *zip->entries, by_name);
	for (int32_t i = 1; i < zip->count; i++)
		if (strcmp(zip->entries[i - 1].name, zip->entries[i].name) == 0)
			return nno_fail(NNOPT_ERROR_FORMAT, "%s: zip: two entries are called '%.100s'", f->path,
					zip->entries[i].name);
	return NNOPT_OK;
}

nnopt_status nno_zip_open(nno_zip *zip, const nnopt_weights *f)
{
	const nno_alloc *a = &f->context->alloc;
	*zip = (nno_zip){ NULL };
	place p = { 0 };
	uint8_t *tail = nno_new_raw(a, END_BYTES + NO_16);
	if (tail == NULL)
		return nno_fail_memory(f->path, END_BYTES + NO_16);
	nnopt_status status = find_directory(f, tail, &p);
	nno_delete(a, tail);
	if (status != NNOPT_OK)
		return status;
	zip->directory = nno_new_raw(a, (size_t)p.bytes);
	zip->entries = nno_new_array(a, (size_t)p.count, sizeof *zip->entries);
	if (zip->directory == NULL || zip->entries == NULL)
		return nno_fail_memory(f->path, (size_t)p.bytes);
	NNO_TRY(nno_file_read(&f->file, zip->directory, (size_t)p.bytes, p.begin));
	for (size_t at = 0, used = 0; zip->count < p.count; at += used, zip->count++)
		NNO_TRY(read_entry(f, (uint8_t *)zip->directory + at, (size_t)p.bytes - at, p.begin + (int64_t)at,
				   &zip->entries[zip->count], &used));
	for (int32_t i = 0; i < zip->count; i++)
		NNO_TRY(read_local(f, &zip->entries[i], p.begin));
	return check_entries(zip, f);
}

void nno_zip_free(nno_zip *zip, const nno_alloc *alloc)
{
	nno_delete(alloc, zip->directory);
	nno_delete(alloc, zip->entries);
}

const nno_zip_entry *nno_zip_find(const nno_zip *zip, const char *name)
{
	nno_zip_entry wanted = { .name = name };
	return zip->count == 0 ? NULL
			       : bsearch(&wanted, zip->entries, (size_t)zip->count, sizeof *zip->entries, by_name);
}
