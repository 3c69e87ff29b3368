/* decode.c - picture files to u8 pixels: which decoder, and the channels wanted. */
#include "data/data.h"

#include "base/io.h"
#include "base/size.h"
#include "tensor/tensor.h"

#include <string.h>

#define MAX_FILE ((size_t)1 << 28)
#define MAX_PIXELS ((uint64_t)64 << 20)

nnopt_status nno_picture_fit(nno_picture *picture, nno_room *room, int64_t h, int64_t w, uint64_t max_pixels,
			     const char *name)
{
	int64_t pixels;
	if (h < 1 || w < 1 || !nno_i64_mul(h, w, &pixels) || (uint64_t)pixels > max_pixels || pixels > INT64_MAX / 8)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: a picture of %lldx%lld pixels, 1 to %llu wanted", name,
				(long long)h, (long long)w, (unsigned long long)max_pixels);
	NNO_TRY(nno_room_fit(room, 4 * (size_t)pixels, name));
	picture->pixels = room->bytes;
	picture->h = h;
	picture->w = w;
	return NNOPT_OK;
}

/* In place, where there is room for four channels: shrinking goes forwards, growing backwards. */
static void convert_channels(nno_picture *p, int wanted)
{
	int64_t n = p->h * p->w;
	int have = p->c;
	uint8_t *b = p->pixels;
	for (int64_t k = 0; k < n; k++) {
		int64_t i = wanted > have ? n - 1 - k : k;
		const uint8_t *from = b + i * have;
		uint8_t v[4] = { from[0], have < 3 ? from[0] : from[1], have < 3 ? from[0] : from[2], 255 };
		if (have == 2 || have == 4)
			v[3] = from[have - 1];
		if (wanted == 1)
			b[i] = have < 3 ? v[0] : nno_luma(v);
		else
			memcpy(b + i * wanted, v, (size_t)wanted);
	}
	p->c = wanted;
}

static bool begins(const uint8_t *bytes, size_t size, const char *signature, size_t n)
{
	return size >= n && memcmp(bytes, signature, n) == 0;
}

nnopt_status nno_image_decode(nno_picture *picture, nno_room *room, const uint8_t *bytes, size_t size,
			      uint64_t max_pixels, const char *name)
{
	int wanted = picture->c;
	nnopt_status (*decode)(nno_picture *, nno_room *, const uint8_t *, size_t, uint64_t, const char *) =
	    nno_stb_decode;
	if (begins(bytes, size, "\377\330\377", 3)) {
#ifdef NNO_HAVE_JPEG
		decode = nno_jpeg_decode;
#endif
	} else if (begins(bytes, size, "\211PNG\r\n\032\n", 8)) {
#ifdef NNO_HAVE_PNG
		decode = nno_png_decode;
#endif
	} else if (!begins(bytes, size, "BM", 2)) {
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset 0: neither PNG, JPEG nor BMP", name);
	}
	NNO_TRY(decode(picture, room, bytes, size, max_pixels, name));
	if (picture->c != wanted)
		convert_channels(picture, wanted);
	return NNOPT_OK;
}

static nnopt_status check_channels(int32_t channels, const char *what)
{
	return channels == 1 || channels == 3 || channels == 4
		   ? NNOPT_OK
		   : nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: channels %d, 1, 3 or 4 wanted", what, channels);
}

nnopt_status nnopt_image_read(nnopt_tensor **out, nnopt_context *context, const char *path, int32_t channels)
{
	if (out == NULL || context == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "image_read: an argument is NULL");
	NNO_TRY(check_channels(channels, "image_read"));
	char *bytes = NULL;
	size_t size;
	NNO_TRY(nno_file_read_all(context->io, &context->alloc, path, MAX_FILE, &bytes, &size));
	nno_room room = { .alloc = &context->alloc };
	nno_picture p = { .c = channels };
	nnopt_tensor *tensor = NULL;
	nnopt_status status;
	NNO_TRY_OUT(nno_image_decode(&p, &room, (const uint8_t *)bytes, size, MAX_PIXELS, path));
	NNO_TRY_OUT(nnopt_tensor_create(&tensor, context, NNOPT_U8, 4, (int64_t[]){ 1, p.c, p.h, p.w }, NNOPT_NHWC));
	memcpy(nnopt_tensor_data(tensor), p.pixels, nnopt_tensor_bytes(tensor));
	*out = tensor;
out:
	nno_room_free(&room);
	nno_delete(&context->alloc, bytes);
	return status;
}
