/* idx.c - IDX files (MNIST, Fashion-MNIST), plain or gzip, through zlib's reader of both. The header's sizes bound what
 * is read and allocated: a file that holds less or more is refused. */
#include "data/data.h"

#include "base/io.h"
#include "base/size.h"

#include <string.h>
#include <zlib.h>

#define MAX_FILE ((size_t)1 << 31)

/* A file's bytes, unpacked when it is gzip. Inflating stops at `wanted` bytes: what comes after is only noticed. */
typedef struct stream {
	const char *path;
	char *raw;
	size_t raw_size;
	bool packed;
	z_stream z;
	size_t at; /* bytes delivered */
} stream;

static nnopt_status open_stream(stream *s, nnopt_context *context, const char *path)
{
	*s = (stream){ .path = path };
	NNO_TRY(nno_file_read_all(context->io, &context->alloc, path, MAX_FILE, &s->raw, &s->raw_size));
	s->packed = s->raw_size >= 2 && (unsigned char)s->raw[0] == 0x1f && (unsigned char)s->raw[1] == 0x8b;
	if (!s->packed)
		return NNOPT_OK;
	s->z.zalloc = nno_z_alloc;
	s->z.zfree = nno_z_free;
	s->z.opaque = &context->alloc;
	s->z.next_in = (unsigned char *)s->raw;
	s->z.avail_in = (unsigned)s->raw_size;
	if (inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK) {
		s->packed = false;
		return nno_fail_memory(path, sizeof s->z);
	}
	return NNOPT_OK;
}

static void close_stream(stream *s, nnopt_context *context)
{
	if (s->packed)
		inflateEnd(&s->z);
	nno_delete(&context->alloc, s->raw);
}

static nnopt_status ends_early(const stream *s, size_t missing)
{
	return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: the data ends or is damaged here, %zu more bytes wanted",
			s->path, s->at, missing);
}

static nnopt_status no_window(const stream *s) { return nno_fail_memory(s->path, (size_t)1 << MAX_WBITS); }

/* Whether inflating goes on with the next member of the file: gzip files may be several, one after the other. */
static bool next_member(stream *s, int result)
{
	return result == Z_STREAM_END && s->z.avail_in > 0 && inflateReset(&s->z) == Z_OK;
}

static nnopt_status take(stream *s, void *dst, size_t n)
{
	if (!s->packed) {
		if (s->raw_size - s->at < n)
			return ends_early(s, n - (s->raw_size - s->at));
		memcpy(dst, s->raw + s->at, n);
		s->at += n;
		return NNOPT_OK;
	}
	s->z.next_out = dst;
	while (n > 0) {
		unsigned part = n > 1 << 30 ? 1u << 30 : (unsigned)n;
		s->z.avail_out = part;
		int result = inflate(&s->z, Z_NO_FLUSH);
		size_t got = part - s->z.avail_out;
		s->at += got;
		n -= got;
		if (result == Z_MEM_ERROR)
			return no_window(s);
		if (n > 0 && !next_member(s, result) && (result != Z_OK || got == 0))
			return ends_early(s, n);
	}
	return NNOPT_OK;
}

static nnopt_status expect_end(stream *s)
{
	unsigned char more;
	bool ended = s->at == s->raw_size;
	if (s->packed) {
		s->z.next_out = &more;
		s->z.avail_out = 1;
		int result;
		do
			result = inflate(&s->z, Z_FINISH);
		while (s->z.avail_out == 1 && next_member(s, result));
		if (result == Z_MEM_ERROR)
			return no_window(s);
		ended = result == Z_STREAM_END && s->z.avail_out == 1 && s->z.avail_in == 0;
	}
	if (!ended)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: the end wanted, or its checksum is wrong", s->path,
				s->at);
	return NNOPT_OK;
}

/* Reads the header: type u8 and `min_rank` to `max_rank` extents; their product fits in memory that can be had. */
static nnopt_status take_header(stream *s, int min_rank, int max_rank, int64_t *extents, int *rank, int64_t *bytes)
{
	unsigned char magic[4], raw[4];
	NNO_TRY(take(s, magic, sizeof magic));
	if (magic[0] != 0 || magic[1] != 0 || magic[2] != 0x08 || magic[3] < min_rank || magic[3] > max_rank)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset 0: magic %02x%02x%02x%02x, 0000080%d wanted", s->path,
				magic[0], magic[1], magic[2], magic[3], min_rank);
	*rank = magic[3];
	for (int i = 0; i < *rank; i++) {
		NNO_TRY(take(s, raw, sizeof raw));
		extents[i] = (int64_t)raw[0] << 24 | (int64_t)raw[1] << 16 | (int64_t)raw[2] << 8 | (int64_t)raw[3];
	}
	/* gzip makes at most about 1032 bytes of one. */
	int64_t most = (int64_t)s->raw_size * (s->packed ? 1040 : 1);
	if (!nno_shape_elements(extents, *rank, bytes) || *bytes > most)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset 4: extents whose product is beyond the file", s->path);
	return NNOPT_OK;
}

static nnopt_status read_images(stream *s, nnopt_context *context, int64_t extents[4], uint8_t **pixels)
{
	int rank;
	int64_t bytes;
	NNO_TRY(take_header(s, 3, 4, extents, &rank, &bytes));
	if (rank == 3)
		extents[3] = 1;
	if (extents[0] < 1 || extents[1] < 1 || extents[2] < 1 || extents[3] < 1 || extents[3] > 4)
		return nno_fail(NNOPT_ERROR_FORMAT,
				"%s: offset 4: %lld pictures of %lldx%lldx%lld, at least one of 1 to 4 channels wanted",
				s->path, (long long)extents[0], (long long)extents[1], (long long)extents[2],
				(long long)extents[3]);
	*pixels = nno_new_raw(&context->alloc, (size_t)bytes);
	if (*pixels == NULL)
		return nno_fail_memory(s->path, (size_t)bytes);
	NNO_TRY(take(s, *pixels, (size_t)bytes));
	return expect_end(s);
}

static nnopt_status read_labels(stream *s, nnopt_context *context, int64_t wanted, int32_t **labels, int64_t *classes)
{
	int rank;
	int64_t count, bytes;
	NNO_TRY(take_header(s, 1, 1, &count, &rank, &bytes));
	if (count != wanted)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset 4: %lld labels for %lld pictures", s->path,
				(long long)count, (long long)wanted);
	*labels = nno_new_array(&context->alloc, (size_t)count, sizeof **labels);
	if (*labels == NULL)
		return nno_fail_memory(s->path, (size_t)count * sizeof **labels);
	unsigned char part[4096];
	for (int64_t at = 0; at < count; at += (int64_t)sizeof part) {
		int64_t n = nno_i64_min((int64_t)sizeof part, count - at);
		NNO_TRY(take(s, part, (size_t)n));
		for (int64_t i = 0; i < n; i++) {
			(*labels)[at + i] = part[i];
			*classes = nno_i64_max(*classes, (int64_t)part[i] + 1);
		}
	}
	return expect_end(s);
}

nnopt_status nnopt_idx_open(nnopt_dataset **out, nnopt_context *context, const char *images_path,
			    const char *labels_path)
{
	if (out == NULL || context == NULL || images_path == NULL || labels_path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "idx_open: an argument is NULL");
	stream images = { 0 }, labels = { 0 };
	uint8_t *pixels = NULL;
	int32_t *ids = NULL;
	int64_t extents[4], classes = 0;
	nnopt_status status;
	NNO_TRY_OUT(open_stream(&images, context, images_path));
	NNO_TRY_OUT(read_images(&images, context, extents, &pixels));
	NNO_TRY_OUT(open_stream(&labels, context, labels_path));
	NNO_TRY_OUT(read_labels(&labels, context, extents[0], &ids, &classes));
	status =
	    nno_packed_make(out, context, pixels, ids, extents[0], extents[1], extents[2], extents[3], classes, NULL);
	pixels = NULL;
	ids = NULL;
out:
	nno_delete(&context->alloc, pixels);
	nno_delete(&context->alloc, ids);
	close_stream(&images, context);
	close_stream(&labels, context);
	return status;
}
