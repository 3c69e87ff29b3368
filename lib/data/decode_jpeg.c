/* decode_jpeg.c - JPEG through libjpeg-turbo. Its errors come by longjmp, its warnings are counted: those that mean
 * lost picture data fail, the others (stray bytes between markers) are what many cameras write. */
#include "data/data.h"

#ifdef NNO_HAVE_JPEG
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h>

#define MAX_SCANS 500 /* files have about ten */

typedef struct failure {
	struct jpeg_error_mgr base;
	jmp_buf back;
	char text[JMSG_LENGTH_MAX];
} failure;

static _Noreturn void give_up(j_common_ptr info)
{
	failure *f = (failure *)info->err;
	f->base.format_message(info, f->text);
	longjmp(f->back, 1);
}

static void note(j_common_ptr info, int level)
{
	int code = info->err->msg_code;
	if (level < 0 && (code == JWRN_HIT_MARKER || code == JWRN_JPEG_EOF || code == JWRN_HUFF_BAD_CODE ||
			  code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC))
		give_up(info);
}

static void say_nothing(j_common_ptr info) { (void)info; }

/* Each scan of a progressive file, however short, costs a walk over the whole picture: a small file could take days. */
static void count_scans(j_common_ptr info)
{
	failure *f = (failure *)info->err;
	if (((j_decompress_ptr)info)->input_scan_number <= MAX_SCANS)
		return;
	snprintf(f->text, sizeof f->text, "more than %d scans", MAX_SCANS);
	longjmp(f->back, 1);
}

nnopt_status nno_jpeg_decode(nno_picture *picture, nno_room *room, const uint8_t *bytes, size_t size,
			     uint64_t max_pixels, const char *name)
{
	struct jpeg_decompress_struct info;
	struct jpeg_progress_mgr progress = { .progress_monitor = count_scans };
	failure f;
	info.err = jpeg_std_error(&f.base);
	f.base.error_exit = give_up;
	f.base.emit_message = note;
	f.base.output_message = say_nothing;
	if (setjmp(f.back)) {
		size_t left = info.src != NULL ? info.src->bytes_in_buffer : size;
		jpeg_destroy_decompress(&info);
		if (f.base.msg_code == JERR_OUT_OF_MEMORY)
			return nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "%s: out of memory", name);
		if (f.base.msg_code == JERR_BAD_PRECISION)
			return nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: %s", name, f.text);
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: %s", name, left <= size ? size - left : size,
				f.text);
	}
	info.src = NULL;
	jpeg_create_decompress(&info);
	info.progress = &progress;
	jpeg_mem_src(&info, bytes, (unsigned long)size);
	(void)jpeg_read_header(&info, TRUE);
	nnopt_status status = NNOPT_OK;
	if (info.num_components != 1 && info.num_components != 3)
		status = nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: JPEG of %d components, 1 or 3 wanted", name,
				  info.num_components);
	else
		status = nno_picture_fit(picture, room, (int64_t)info.image_height, (int64_t)info.image_width,
					 max_pixels, name);
	if (status == NNOPT_OK) {
		info.out_color_space = info.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
		(void)jpeg_start_decompress(&info);
		picture->c = info.output_components;
		while (info.output_scanline < info.output_height) {
			JSAMPROW row = picture->pixels + (size_t)info.output_scanline * info.output_width *
							     (size_t)info.output_components;
			(void)jpeg_read_scanlines(&info, &row, 1);
		}
		(void)jpeg_finish_decompress(&info);
	}
	jpeg_destroy_decompress(&info);
	return status;
}
#endif
