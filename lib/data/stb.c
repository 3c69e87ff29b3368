/* stb.c - stb_image, compiled privately: decodes BMP, and PNG and JPEG where the build has no libpng or libjpeg; encodes PNG.
 * Its allocations go through the context's allocator, which a thread-local pointer names for the time of a call. */
#include "data/data.h"

#include "base/io.h"
#include "base/text.h"
#include "tensor/tensor.h"

#include <string.h>

static _Thread_local const nno_alloc *current;

/* Both headers declare functions that the switches below leave out. */
#pragma GCC diagnostic ignored "-Wunused-function"

#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS (1 << 24)
#define STBI_MALLOC(n) nno_new_raw(current, n)
#define STBI_REALLOC(p, n) nno_grow(current, p, n)
#define STBI_FREE(p) nno_delete(current, p)
#define STBI_ASSERT(x) ((void)0)
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

#define STBI_WRITE_NO_STDIO
#define STBIW_MALLOC(n) nno_new_raw(current, n)
#define STBIW_REALLOC(p, n) nno_grow(current, p, n)
#define STBIW_FREE(p) nno_delete(current, p)
#define STBIW_ASSERT(x) ((void)0)
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

static uint64_t little(const uint8_t *b, int n)
{
	return n == 0 ? 0 : b[0] | little(b + 1, n - 1) << 8;
}

/* stb_image takes zeros for what a file lacks. The walk over the chunks of a PNG must reach its IEND, a BMP's header says how
 * many bytes its rows take, and a JPEG has an end marker. */
static bool is_whole(const uint8_t *b, size_t size)
{
	if (b[0] == 'B') {
		if (size < 34)
			return false;
		bool old = little(b + 14, 4) == 12; /* OS/2: sizes of 16 bits */
		uint64_t w = old ? little(b + 18, 2) : little(b + 18, 4), bits = old ? little(b + 24, 2) : little(b + 28, 2);
		int32_t h = (int32_t)(old ? little(b + 20, 2) : little(b + 22, 4));
		uint64_t rows = h < 0 ? (uint64_t)-(int64_t)h : (uint64_t)h, stride = (w * bits + 31) / 32 * 4;
		return little(b + 10, 4) <= size && (stride == 0 || rows <= (size - little(b + 10, 4)) / stride);
	}
	if (b[0] == 0xff) {
		for (size_t i = 2; i + 1 < size; i++)
			if (b[i] == 0xff && b[i + 1] == 0xd9)
				return true;
		return false;
	}
	for (size_t at = 8; size >= 12 && at <= size - 12;) {
		size_t length = (size_t)b[at] << 24 | (size_t)b[at + 1] << 16 | (size_t)b[at + 2] << 8 | b[at + 3];
		if (length > size - at - 12)
			return false;
		if (memcmp(b + at + 4, "IEND", 4) == 0)
			return true;
		at += 12 + length;
	}
	return false;
}

nnopt_status nno_stb_decode(nno_picture *picture, nno_room *room, const uint8_t *bytes, size_t size, uint64_t max_pixels, const char *name)
{
	int w, h, c;
	if (size > INT32_MAX)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: %zu bytes, at most %d wanted", name, size, INT32_MAX);
	if (size < 8 || !is_whole(bytes, size))
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: the file ends early", name, size);
	current = room->alloc;
	if (!stbi_info_from_memory(bytes, (int)size, &w, &h, &c))
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: %s", name, stbi_failure_reason());
	NNO_TRY(nno_picture_fit(picture, room, h, w, max_pixels, name));
	uint8_t *pixels = stbi_load_from_memory(bytes, (int)size, &w, &h, &c, 0);
	if (pixels == NULL)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: %s", name, stbi_failure_reason());
	nnopt_status status = nno_picture_fit(picture, room, h, w, max_pixels, name);
	if (status == NNOPT_OK)
		memcpy(picture->pixels, pixels, (size_t)w * (size_t)h * (size_t)c);
	picture->c = c;
	stbi_image_free(pixels);
	return status;
}

typedef struct sink {
	nno_replace *file;
	nnopt_status status;
} sink;

static void write_bytes(void *user, void *bytes, int n)
{
	sink *s = user;
	if (s->status == NNOPT_OK)
		s->status = nno_replace_write(s->file, bytes, (size_t)n);
}

static nnopt_status write_png(const nnopt_context *context, const uint8_t *pixels, int64_t h, int64_t w, int64_t c, const char *path)
{
	sink s = { .status = NNOPT_OK };
	NNO_TRY(nno_replace_begin(&s.file, context->io, &context->alloc, path, 0, false));
	current = &context->alloc;
	if (!stbi_write_png_to_func(write_bytes, &s, (int)w, (int)h, (int)c, pixels, (int)(w * c)) && s.status == NNOPT_OK)
		s.status = nno_fail_memory(path, (size_t)(w * h * c));
	if (s.status == NNOPT_OK)
		return nno_replace_commit(s.file);
	nno_replace_abort(s.file);
	return s.status;
}

nnopt_status nnopt_image_write_png(const nnopt_tensor *image, const char *path)
{
	if (image == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "image_write_png: %s is NULL", image == NULL ? "image" : "path");
	int extra = image->rank == 4;
	int64_t c = image->rank >= 3 ? image->shape[extra] : 0;
	if (image->dtype != NNOPT_U8 || (image->rank != 3 && image->rank != 4) || (extra && image->shape[0] != 1) || (c != 1 && c != 3))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "image_write_png: %s of rank %d, u8 (1, C, H, W) or (C, H, W) with C of 1 or 3 wanted",
		                nnopt_dtype_name(image->dtype), image->rank);
	int64_t h = image->shape[extra + 1], w = image->shape[extra + 2];
	if (h < 1 || w < 1 || h > 1 << 15 || w > 1 << 15 || h * w > (int64_t)1 << 28)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "image_write_png: %lldx%lld, 1x1 to 32768x32768 and 2^28 pixels wanted",
		                (long long)h, (long long)w);
	const nno_alloc *a = &image->context->alloc;
	uint8_t *pixels = nno_new_raw(a, (size_t)image->count);
	if (pixels == NULL)
		return nno_fail_memory("image_write_png", (size_t)image->count);
	const uint8_t *src = nnopt_tensor_const_data(image);
	for (int64_t p = 0; p < h * w; p++)
		for (int64_t i = 0; i < c; i++)
			pixels[p * c + i] = image->layout == NNOPT_NHWC ? src[p * c + i] : src[i * h * w + p];
	nnopt_status status = write_png(image->context, pixels, h, w, c, path);
	nno_delete(a, pixels);
	return status;
}
