/* decode_png.c - PNG through libpng, in the channels the file has: grey, grey and alpha, RGB, RGBA. Samples of 16 bits
 * keep their high byte; gamma and colour profiles are not applied, as Pillow does. */
#include "data/data.h"

#ifdef NNO_HAVE_PNG
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

typedef struct source {
	const uint8_t *bytes;
	size_t size, at;
	const nno_alloc *alloc;
	png_bytepp rows;
	png_structp png;
	png_infop info;
	bool out_of_memory;
	char text[128];
} source;

static void give(png_structp png, png_bytep to, png_size_t n)
{
	source *s = png_get_io_ptr(png);
	if (n > s->size - s->at)
		png_error(png, "the file ends here");
	memcpy(to, s->bytes + s->at, n);
	s->at += n;
}

static _Noreturn void give_up(png_structp png, png_const_charp text)
{
	source *s = png_get_error_ptr(png);
	snprintf(s->text, sizeof s->text, "%s", text);
	png_longjmp(png, 1);
}

static void say_nothing(png_structp png, png_const_charp text)
{
	(void)png;
	(void)text;
}

static png_voidp take(png_structp png, png_alloc_size_t size)
{
	source *s = png_get_mem_ptr(png);
	void *p = nno_new_raw(s->alloc, size);
	s->out_of_memory = s->out_of_memory || p == NULL;
	return p;
}

static void drop(png_structp png, png_voidp ptr)
{
	source *s = png_get_mem_ptr(png);
	nno_delete(s->alloc, ptr);
}

static void ask_for_bytes(png_structp png, png_infop info)
{
	int type = png_get_color_type(png, info);
	png_set_strip_16(png);
	if (type == PNG_COLOR_TYPE_PALETTE)
		png_set_palette_to_rgb(png);
	if (type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) < 8)
		png_set_expand_gray_1_2_4_to_8(png);
	if (png_get_valid(png, info, PNG_INFO_tRNS))
		png_set_tRNS_to_alpha(png);
	(void)png_set_interlace_handling(png);
	png_read_update_info(png, info);
}

/* Everything that may longjmp; what it allocates is in *s. */
static nnopt_status decode(source *s, nno_picture *picture, nno_room *room, uint64_t max_pixels, const char *name)
{
	if (setjmp(png_jmpbuf(s->png)))
		return s->out_of_memory ? nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "%s: out of memory", name)
					: nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: %s", name, s->at, s->text);
	png_set_read_fn(s->png, s, give);
	png_set_user_limits(s->png, 1 << 24, 1 << 24);
	png_set_chunk_cache_max(s->png, 128);
	png_set_chunk_malloc_max(s->png, 1 << 24);
	png_read_info(s->png, s->info);
	int64_t h = (int64_t)png_get_image_height(s->png, s->info), w = (int64_t)png_get_image_width(s->png, s->info);
	NNO_TRY(nno_picture_fit(picture, room, h, w, max_pixels, name));
	ask_for_bytes(s->png, s->info);
	size_t stride = png_get_rowbytes(s->png, s->info);
	int channels = png_get_channels(s->png, s->info);
	if (stride != (size_t)w * (size_t)channels || channels > 4)
		return nno_fail(NNOPT_ERROR_INTERNAL, "%s: rows of %zu bytes", name, stride);
	s->rows = nno_new_array(s->alloc, (size_t)h, sizeof *s->rows);
	if (s->rows == NULL)
		return nno_fail_memory(name, (size_t)h * sizeof *s->rows);
	for (int64_t y = 0; y < h; y++)
		s->rows[y] = picture->pixels + (size_t)y * stride;
	png_read_image(s->png, s->rows);
	png_read_end(s->png, NULL);
	picture->c = channels;
	return NNOPT_OK;
}

nnopt_status nno_png_decode(nno_picture *picture, nno_room *room, const uint8_t *bytes, size_t size,
			    uint64_t max_pixels, const char *name)
{
	source s = { .bytes = bytes, .size = size, .alloc = room->alloc };
	s.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &s, give_up, say_nothing, &s, take, drop);
	s.info = s.png != NULL ? png_create_info_struct(s.png) : NULL;
	nnopt_status status =
	    s.info != NULL ? decode(&s, picture, room, max_pixels, name) : nno_fail_memory(name, 1024);
	nno_delete(s.alloc, s.rows);
	png_destroy_read_struct(s.png != NULL ? &s.png : NULL, s.info != NULL ? &s.info : NULL, NULL);
	return status;
}
#endif
