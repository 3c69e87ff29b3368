/* block.c - bytes of a block, as they are or inflated, and their checksum. */
#include "base/crc32c.h"
#include "base/size.h"
#include "file/weights.h"

#include <string.h>
#include <zlib.h>

#define PART 65536

static nnopt_status damaged(const nnopt_weights *f, const nno_block *b, const char *problem)
{
	return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %lld: %s", f->path, (long long)b->begin, problem);
}

static uint32_t add_sum(const nno_block *b, uint32_t crc, const void *data, size_t n)
{
	if (b->sum == NNO_SUM_CRC32C)
		return nno_crc32c(crc, data, n);
	return b->sum == NNO_SUM_CRC32 ? (uint32_t)crc32_z(crc, data, n) : 0;
}

/* A block from its beginning, a part at a time. */
typedef struct stream {
	const nnopt_weights *f;
	const nno_block *b;
	int64_t at; /* in the file, behind b->begin */
	z_stream z;
	uint8_t *packed;
} stream;

static nnopt_status open_stream(stream *s, const nnopt_weights *f, const nno_block *b)
{
	const nno_alloc *a = &f->context->alloc;
	*s = (stream){ .f = f, .b = b };
	if (b->packed == 0)
		return NNOPT_OK;
	s->packed = nno_new_raw(a, PART);
	s->z.zalloc = nno_z_alloc;
	s->z.zfree = nno_z_free;
	s->z.opaque = (void *)a;
	if (s->packed != NULL && inflateInit2(&s->z, -MAX_WBITS) == Z_OK)
		return NNOPT_OK;
	nno_delete(a, s->packed);
	s->packed = NULL;
	return nno_fail_memory(f->path, PART);
}

static void close_stream(stream *s)
{
	if (s->packed != NULL)
		inflateEnd(&s->z);
	nno_delete(&s->f->context->alloc, s->packed);
}

/* The next `n` bytes, at most PART. */
static nnopt_status take(stream *s, void *dst, size_t n)
{
	if (s->b->packed == 0) {
		s->at += (int64_t)n;
		return nno_file_read(&s->f->file, dst, n, s->b->begin + s->at - (int64_t)n);
	}
	s->z.next_out = dst;
	s->z.avail_out = (unsigned)n;
	while (s->z.avail_out > 0) {
		if (s->z.avail_in == 0) {
			int64_t left = nno_i64_min(PART, s->b->packed - s->at);
			if (left == 0)
				return damaged(s->f, s->b, "the deflated data ends early");
			NNO_TRY(nno_file_read(&s->f->file, s->packed, (size_t)left, s->b->begin + s->at));
			s->at += left;
			s->z.next_in = s->packed;
			s->z.avail_in = (unsigned)left;
		}
		int result = inflate(&s->z, Z_NO_FLUSH);
		if (result == Z_MEM_ERROR)
			return nno_fail_memory(s->f->path, PART);
		if (result != Z_OK && !(result == Z_STREAM_END && s->z.avail_out == 0))
			return damaged(s->f, s->b, "the deflated data is damaged or ends early");
	}
	return NNOPT_OK;
}

/* Reads the block from its beginning and keeps bytes [at, at + n) in dst; goes to the end when a sum wants checking. */
static nnopt_status read_through(const nnopt_weights *f, nno_block *b, uint8_t *dst, int64_t at, size_t n)
{
	stream s;
	uint32_t crc = 0;
	bool check = b->sum != NNO_SUM_NONE && !b->checked;
	int64_t end = check ? b->bytes : at + (int64_t)n;
	uint8_t *part = nno_new_raw(&f->context->alloc, PART);
	if (part == NULL)
		return nno_fail_memory(f->path, PART);
	nnopt_status status = open_stream(&s, f, b);
	for (int64_t done = 0; status == NNOPT_OK && done < end;) {
		int64_t length = nno_i64_min(PART, end - done);
		status = take(&s, part, (size_t)length);
		if (status != NNOPT_OK)
			break;
		crc = add_sum(b, crc, part, (size_t)length);
		int64_t first = nno_i64_max(done, at), last = nno_i64_min(done + length, at + (int64_t)n);
		if (first < last)
			memcpy(dst + (first - at), part + (first - done), (size_t)(last - first));
		done += length;
	}
	close_stream(&s);
	nno_delete(&f->context->alloc, part);
	if (status == NNOPT_OK && check && crc != b->crc)
		status = damaged(f, b, "the bytes do not have their CRC");
	b->checked = b->checked || (check && status == NNOPT_OK);
	return status;
}

nnopt_status nno_block_read(const nnopt_weights *f, nno_block *b, void *dst, int64_t at, size_t n)
{
	bool whole = at == 0 && (int64_t)n == b->bytes;
	if (b->packed > 0 || (!whole && b->sum != NNO_SUM_NONE && !b->checked))
		return read_through(f, b, dst, at, n);
	NNO_TRY(nno_file_read(&f->file, dst, n, b->begin + at));
	if (whole && b->sum != NNO_SUM_NONE && add_sum(b, 0, dst, n) != b->crc)
		return damaged(f, b, "the bytes do not have their CRC");
	return NNOPT_OK;
}
