/* decode_stb.c - stb_image, compiled privately: BMP, and PNG and JPEG where the build has no libpng or libjpeg. Its
 * allocations go through the context's allocator, which a thread-local pointer names for the time of a call. */
#include "data/data.h"

#include <stdlib.h>
#include <string.h>

static _Thread_local const nno_alloc *current;
static _Thread_local bool out_of_memory; /* since `current` was set: what stb_image then says may be anything */

static void *noted(void *ptr)
{
	out_of_memory = out_of_memory || ptr == NULL;
	return ptr;
}

/* The header declares functions that the switches below leave out. */
#pragma GCC diagnostic ignored "-Wunused-function"

#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS (1 << 24)
#define STBI_MALLOC(n) noted(nno_new_raw(current, n))
#define STBI_REALLOC(p, n) noted(nno_grow(current, p, n))
#define STBI_FREE(p) nno_delete(current, p)
#define STBI_ASSERT(x) ((void)0)
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

/* stb_image before 2.29 writes past its table when a Huffman table has more than 256 codes. Every place where a DHT
 * marker can be is looked at, whatever way the decoder may come there. */
static bool has_sound_tables(const uint8_t *b, size_t size)
{
	for (size_t i = 0; i + 4 < size; i++) {
		if (b[i] != 0xff || b[i + 1] != 0xc4)
			continue;
		size_t left = (size_t)b[i + 2] << 8 | b[i + 3], at = i + 4;
		for (left = left > 2 ? left - 2 : 0; left > 0 && at + 17 <= size;) {
			size_t codes = 0;
			for (int k = 1; k <= 16; k++)
				codes += b[at + (size_t)k];
			if (codes > 256)
				return false;
			at += 17 + codes;
			left = left > 17 + codes ? left - 17 - codes : 0;
		}
	}
	return true;
}

static uint64_t little(const uint8_t *b, int n) { return n == 0 ? 0 : b[0] | little(b + 1, n - 1) << 8; }

/* What a BMP's header says; all fields are within 34 bytes, and OS/2's sizes are of 16 bits. */
typedef struct bmp {
	uint64_t start, pixels; /* where the palette and the pixels begin */
	uint64_t bits, w, rows, stride;
	bool old;
} bmp;

static bmp read_bmp(const uint8_t *b)
{
	bmp m = { .start = 14 + little(b + 14, 4), .pixels = little(b + 10, 4), .old = little(b + 14, 4) == 12 };
	int32_t h = (int32_t)(m.old ? little(b + 20, 2) : little(b + 22, 4));
	m.w = m.old ? little(b + 18, 2) : little(b + 18, 4);
	m.bits = m.old ? little(b + 24, 2) : little(b + 28, 2);
	m.rows = h < 0 ? (uint64_t) - (int64_t)h : (uint64_t)h;
	m.stride = (m.w * m.bits + 31) / 32 * 4;
	return m;
}

/* stb_image takes zeros for what a file lacks. The walk over the chunks of a PNG must reach its IEND, a BMP's header
 * says how many bytes its rows take, and a JPEG has an end marker. */
static bool is_whole(const uint8_t *b, size_t size)
{
	if (b[0] == 'B') {
		if (size < 34)
			return false;
		const bmp m = read_bmp(b);
		return m.pixels <= size && (m.stride == 0 || m.rows <= (size - m.pixels) / m.stride);
	}
	if (b[0] == 0xff) {
		for (size_t i = 2; i + 1 < size; i++)
			if (b[i] == 0xff && b[i + 1] == 0xd9)
				return has_sound_tables(b, size);
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

/* stb_image 2.27 takes the palette of an OS/2 file for a shorter one, and colours that a palette lacks from its stack.
 * So it is given a file of 40 bytes of header and a full palette instead, to be freed, once all pixels are found to
 * have a colour; *out stays NULL where there is no palette. */
static nnopt_status fill_palette(uint8_t **out, size_t *out_size, const uint8_t *b, size_t size, const nno_alloc *alloc,
				 const char *name)
{
	const bmp m = read_bmp(b);
	const uint64_t header = m.start - 14;
	bool known = m.old || header == 40 || header == 56 || header == 108 || header == 124;
	if (!known || (!m.old && little(b + 30, 4) != 0) || (m.bits != 1 && m.bits != 4 && m.bits != 8))
		return NNOPT_OK; /* no palette, or nothing that stb_image takes */
	const size_t full = (size_t)1 << m.bits, head = 54 + 4 * full, entry = m.old ? 3 : 4;
	if (m.pixels < m.start + entry)
		return nno_fail(NNOPT_ERROR_FORMAT,
				"%s: offset 10: pixels from offset %llu on, behind a palette wanted", name,
				(unsigned long long)m.pixels);
	const size_t given = (size_t)(m.pixels - m.start) / entry, colours = given < full ? given : full;
	const size_t left = size - (size_t)m.pixels;
	for (uint64_t i = 0; i < m.w * m.rows && colours < full; i++) {
		size_t at = (size_t)m.pixels + (size_t)(i / m.w * m.stride), bit = (size_t)((i % m.w) * m.bits);
		if ((size_t)(b[at + bit / 8] >> (8 - m.bits - bit % 8) & (full - 1)) >= colours)
			return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: a colour beyond the palette of %zu", name,
					at + bit / 8, colours);
	}
	uint8_t *file = nno_new(alloc, head + left);
	if (file == NULL)
		return nno_fail_memory(name, head + left);
	memcpy(file, "BM", 2);
	file[10] = (uint8_t)head;
	file[11] = (uint8_t)(head >> 8);
	file[14] = 40;
	if (m.old) {
		memcpy(file + 18, b + 18, 2);
		memcpy(file + 22, b + 20, 2);
		memcpy(file + 26, b + 22, 4); /* planes, bits */
	} else {
		memcpy(file + 18, b + 18, 12);
	}
	for (size_t i = 0; i < colours; i++)
		memcpy(file + 54 + 4 * i, b + m.start + entry * i, 3);
	memcpy(file + head, b + m.pixels, left);
	*out = file;
	*out_size = head + left;
	return NNOPT_OK;
}

static nnopt_status failure(const char *name)
{
	return out_of_memory ? nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "%s: out of memory", name)
			     : nno_fail(NNOPT_ERROR_FORMAT, "%s: %s", name, stbi_failure_reason());
}

static nnopt_status decode(nno_picture *picture, nno_room *room, const uint8_t *bytes, size_t size, uint64_t max_pixels,
			   const char *name)
{
	int w, h, c;
	current = room->alloc;
	out_of_memory = false;
	if (!stbi_info_from_memory(bytes, (int)size, &w, &h, &c))
		return failure(name);
	NNO_TRY(nno_picture_fit(picture, room, llabs((long long)h), w, max_pixels,
				name)); /* a BMP from top to bottom has h < 0 */
	uint8_t *pixels = stbi_load_from_memory(bytes, (int)size, &w, &h, &c, 0);
	if (pixels == NULL)
		return failure(name);
	nnopt_status status = nno_picture_fit(picture, room, h, w, max_pixels, name);
	if (status == NNOPT_OK)
		memcpy(picture->pixels, pixels, (size_t)w * (size_t)h * (size_t)c);
	picture->c = c;
	stbi_image_free(pixels);
	return status;
}

nnopt_status nno_stb_decode(nno_picture *picture, nno_room *room, const uint8_t *bytes, size_t size,
			    uint64_t max_pixels, const char *name)
{
	uint8_t *filled = NULL;
	size_t filled_size = 0;
	if (size > INT32_MAX)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: %zu bytes, at most %d wanted", name, size, INT32_MAX);
	if (size >= 34 && bytes[0] == 'B' && little(bytes + 14, 4) >= 40 && little(bytes + 30, 4) != 0 &&
	    little(bytes + 30, 4) != 3)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: offset 30: BMP compression %u, 0 or 3 wanted", name,
				(unsigned)little(bytes + 30, 4));
	if (size < 8 || !is_whole(bytes, size))
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: the file ends early or is damaged", name, size);
	if (bytes[0] == 'B')
		NNO_TRY(fill_palette(&filled, &filled_size, bytes, size, room->alloc, name));
	nnopt_status status = filled != NULL ? decode(picture, room, filled, filled_size, max_pixels, name)
					     : decode(picture, room, bytes, size, max_pixels, name);
	nno_delete(room->alloc, filled);
	return status;
}
