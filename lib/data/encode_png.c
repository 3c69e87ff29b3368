/* encode_png.c - PNG writing over zlib: one IHDR, one IDAT of rows that each hold differences to the pixel on the left,
 * IEND. (libpng is optional and stb_image_write does not survive a failing allocation.) */
#include "data/data.h"

#include "base/io.h"
#include "tensor/tensor.h"

#include <string.h>
#include <zlib.h>

static void put32(uint8_t *to, uint64_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> (24 - 8 * i));
}

static nnopt_status write_chunk(nno_replace *file, const char *type, const uint8_t *data, size_t n)
{
	uint8_t head[8], tail[4];
	put32(head, n);
	memcpy(head + 4, type, 4);
	uLong crc = crc32(crc32(0, head + 4, 4), data, (uInt)n); /* crc32(c, NULL, 0) would start anew */
	put32(tail, n > 0 ? crc : crc32(0, head + 4, 4));
	NNO_TRY(nno_replace_write(file, head, sizeof head));
	NNO_TRY(nno_replace_write(file, data, n));
	return nno_replace_write(file, tail, sizeof tail);
}

/* Packs `n` bytes into `to`, which has room for what deflateBound says. */
static bool pack(nno_alloc *alloc, uint8_t *from, size_t n, uint8_t **to, size_t *packed)
{
	z_stream z = { .zalloc = nno_z_alloc, .zfree = nno_z_free, .opaque = alloc };
	if (deflateInit(&z, 6) != Z_OK)
		return false;
	uLong bound = deflateBound(&z, (uLong)n);
	*to = nno_new_raw(alloc, bound);
	if (*to != NULL) {
		z.next_in = from;
		z.avail_in = (uInt)n;
		z.next_out = *to;
		z.avail_out = (uInt)bound;
		(void)deflate(&z, Z_FINISH);
		*packed = z.total_out;
	}
	deflateEnd(&z);
	return *to != NULL;
}

/* Rows of filter type 1 (Sub). */
static void filter_rows(uint8_t *to, const nnopt_tensor *image, int64_t h, int64_t w, int64_t c)
{
	const uint8_t *src = nnopt_tensor_const_data(image);
	int64_t step = image->layout == NNOPT_NHWC ? c : 1, plane = image->layout == NNOPT_NHWC ? 1 : h * w;
	for (int64_t y = 0; y < h; y++) {
		*to++ = 1;
		for (int64_t x = 0; x < w; x++)
			for (int64_t i = 0; i < c; i++) {
				const uint8_t *p = src + (y * w + x) * step + i * plane;
				*to++ = (uint8_t)(*p - (x > 0 ? p[-step] : 0));
			}
	}
}

static nnopt_status write_file(nnopt_context *context, const char *path, int64_t h, int64_t w, int64_t c,
			       const uint8_t *packed, size_t n)
{
	uint8_t header[13] = { [8] = 8, [9] = c == 1 ? 0 : 2 };
	put32(header, (uint64_t)w);
	put32(header + 4, (uint64_t)h);
	nno_replace *file = NULL;
	NNO_TRY(nno_replace_begin(&file, context->io, &context->alloc, path, 0, false));
	nnopt_status status = nno_replace_write(file, "\211PNG\r\n\032\n", 8);
	if (status == NNOPT_OK)
		status = write_chunk(file, "IHDR", header, sizeof header);
	if (status == NNOPT_OK)
		status = write_chunk(file, "IDAT", packed, n);
	if (status == NNOPT_OK)
		status = write_chunk(file, "IEND", packed, 0);
	if (status == NNOPT_OK)
		return nno_replace_commit(file);
	nno_replace_abort(file);
	return status;
}

nnopt_status nnopt_image_write_png(const nnopt_tensor *image, const char *path)
{
	if (image == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "image_write_png: %s is NULL",
				image == NULL ? "image" : "path");
	int extra = image->rank == 4;
	int64_t c = image->rank >= 3 ? image->shape[extra] : 0;
	if (image->dtype != NNOPT_U8 || (image->rank != 3 && image->rank != 4) || (extra && image->shape[0] != 1) ||
	    (c != 1 && c != 3))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"image_write_png: %s of rank %d, u8 (1, C, H, W) or (C, H, W) with C of 1 or 3 wanted",
				nnopt_dtype_name(image->dtype), image->rank);
	int64_t h = image->shape[extra + 1], w = image->shape[extra + 2];
	if (h < 1 || w < 1 || h > 1 << 15 || w > 1 << 15 || h * w > (int64_t)1 << 28)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"image_write_png: %lldx%lld, 1x1 to 32768x32768 and 2^28 pixels wanted", (long long)h,
				(long long)w);
	nno_alloc *a = &image->context->alloc;
	size_t bytes = (size_t)(h * (w * c + 1)), n = 0;
	uint8_t *rows = nno_new_raw(a, bytes), *packed = NULL;
	nnopt_status status = NNOPT_OK;
	if (rows != NULL)
		filter_rows(rows, image, h, w, c);
	if (rows == NULL || !pack(a, rows, bytes, &packed, &n))
		status = nno_fail_memory("image_write_png", bytes);
	if (status == NNOPT_OK)
		status = write_file(image->context, path, h, w, c, packed, n);
	nno_delete(a, packed);
	nno_delete(a, rows);
	return status;
}
