/* encode_png.c - PNG over zlib: one IHDR, one IDAT of rows that each hold differences to the pixel on the left,
 * IEND. (libpng is optional and stb_image_write does not survive a failing allocation.) */
#include "data/data.h"

#include "base/io.h"
#include "tensor/tensor.h"

#include <string.h>
#include <zlib.h>

enum { SIGNATURE = 8, HEADER = 13, CHUNK = 12 }; /* a chunk is its length, type, data and CRC */

static void put32(uint8_t *to, uint64_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* Puts a chunk whose data already stand behind the 8 bytes of its head; gives the end of its CRC. */
static uint8_t *close_chunk(uint8_t *to, const char *type, size_t n)
{
	put32(to, n);
	memcpy(to + 4, type, 4);
	put32(to + 8 + n, crc32(0, to + 4, (uInt)n + 4));
	return to + n + CHUNK;
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

/* The whole file: signature, IHDR, one IDAT, IEND. */
static bool pack(nno_alloc *alloc, uint8_t *rows, size_t n, const uint8_t header[HEADER], uint8_t **png, size_t *size)
{
	z_stream z = { .zalloc = nno_z_alloc, .zfree = nno_z_free, .opaque = alloc };
	if (deflateInit(&z, 6) != Z_OK)
		return false;
	uLong bound = deflateBound(&z, (uLong)n);
	uint8_t *to = nno_new_raw(alloc, SIGNATURE + HEADER + 3 * CHUNK + bound);
	*png = to;
	if (to != NULL) {
		memcpy(to, "\211PNG\r\n\032\n", SIGNATURE);
		memcpy(to + SIGNATURE + 8, header, HEADER);
		to = close_chunk(to + SIGNATURE, "IHDR", HEADER);
		z.next_in = rows;
		z.avail_in = (uInt)n;
		z.next_out = to + 8;
		z.avail_out = (uInt)bound;
		(void)deflate(&z, Z_FINISH);
		to = close_chunk(to, "IDAT", z.total_out);
		*size = (size_t)(close_chunk(to, "IEND", 0) - *png);
	}
	deflateEnd(&z);
	return to != NULL;
}

/* `png` is to be freed with nno_delete. */
static nnopt_status encode(const nnopt_tensor *image, uint8_t **png, size_t *size, const char *what)
{
	int extra = image->rank == 4;
	int64_t c = image->rank >= 3 ? image->shape[extra] : 0;
	if (image->dtype != NNOPT_U8 || (image->rank != 3 && image->rank != 4) || (extra && image->shape[0] != 1) ||
	    (c != 1 && c != 3))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"%s: %s of rank %d, u8 (1, C, H, W) or (C, H, W) with C of 1 or 3 wanted", what,
				nnopt_dtype_name(image->dtype), image->rank);
	int64_t h = image->shape[extra + 1], w = image->shape[extra + 2];
	if (h < 1 || w < 1 || h > 1 << 15 || w > 1 << 15 || h * w > (int64_t)1 << 28)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"%s: %lldx%lld, 1x1 to 32768x32768 and 2^28 pixels wanted", what, (long long)h,
				(long long)w);
	uint8_t header[HEADER] = { [8] = 8, [9] = c == 1 ? 0 : 2 };
	put32(header, (uint64_t)w);
	put32(header + 4, (uint64_t)h);
	nno_alloc *a = &image->context->alloc;
	size_t bytes = (size_t)(h * (w * c + 1));
	uint8_t *rows = nno_new_raw(a, bytes);
	if (rows != NULL)
		filter_rows(rows, image, h, w, c);
	bool packed = rows != NULL && pack(a, rows, bytes, header, png, size);
	nno_delete(a, rows);
	return packed ? NNOPT_OK : nno_fail_memory(what, bytes);
}

nnopt_status nnopt_image_write_png(const nnopt_tensor *image, const char *path)
{
	uint8_t *data = NULL;
	size_t n = 0;
	if (image == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "image_write_png: %s is NULL",
				image == NULL ? "image" : "path");
	NNO_TRY(encode(image, &data, &n, "image_write_png"));
	nnopt_status status = nno_replace_with(image->context->io, &image->context->alloc, path, data, n);
	nno_delete(&image->context->alloc, data);
	return status;
}

nnopt_status nnopt_image_encode_png(const nnopt_tensor *image, void *png, size_t size, size_t *needed)
{
	uint8_t *data = NULL;
	size_t n = 0;
	nnopt_status status = NNOPT_OK;
	if (image == NULL || (png == NULL && (size > 0 || needed == NULL)))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "image_encode_png: %s is NULL",
				image == NULL ? "image" : "png");
	NNO_TRY(encode(image, &data, &n, "image_encode_png"));
	if (needed != NULL)
		*needed = n;
	if (png != NULL && size < n)
		status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "image_encode_png: a buffer of %zu bytes, %zu wanted",
				  size, n);
	else if (png != NULL)
		memcpy(png, data, n);
	nno_delete(&image->context->alloc, data);
	return status;
}
