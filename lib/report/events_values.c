/* events_values.c - points of curves, pictures and text. */
#include "report/events.h"

#include <string.h>

enum { VALUE_NUMBER = 2, VALUE_IMAGE = 4, VALUE_TENSOR = 8, VALUE_METADATA = 9 };
enum { IMAGE_HEIGHT = 1, IMAGE_WIDTH = 2, IMAGE_COLOURS = 3, IMAGE_PNG = 4 };
enum { METADATA_PLUGIN = 1, PLUGIN_NAME = 1, PLUGIN_CONTENT = 2 };
enum { TENSOR_DTYPE = 1, TENSOR_SHAPE = 2, TENSOR_TEXT = 8, SHAPE_DIM = 2, DIM_SIZE = 1, DTYPE_STRING = 7 };

enum { PADDING = 2, MOST_SIDE = 1 << 15 };

void nno_events_metadata(nno_text *t, const char *plugin, const void *content, size_t n)
{
	size_t metadata = nno_wire_open(t, VALUE_METADATA), data = nno_wire_open(t, METADATA_PLUGIN);
	nno_wire_text(t, PLUGIN_NAME, plugin);
	if (n > 0)
		nno_wire_bytes(t, PLUGIN_CONTENT, content, n);
	nno_wire_close(t, data);
	nno_wire_close(t, metadata);
}

nnopt_status nnopt_events_scalar(nnopt_events *events, const char *tag, double value, int64_t step)
{
	NNO_TRY(nno_events_begin_value(events, "events_scalar", tag, "", step));
	nno_wire_float(&events->out, VALUE_NUMBER, (float)value);
	return nno_events_end(events);
}

nnopt_status nnopt_events_text(nnopt_events *events, const char *tag, const char *markdown, int64_t step)
{
	NNO_TRY(nno_events_check_text("events_text", "markdown", markdown, 0));
	NNO_TRY(nno_events_begin_value(events, "events_text", tag, "/text_summary", step));
	nno_text *t = &events->out;
	size_t tensor = nno_wire_open(t, VALUE_TENSOR);
	nno_wire_number(t, TENSOR_DTYPE, DTYPE_STRING);
	size_t shape = nno_wire_open(t, TENSOR_SHAPE), dim = nno_wire_open(t, SHAPE_DIM);
	nno_wire_number(t, DIM_SIZE, 1);
	nno_wire_close(t, dim);
	nno_wire_close(t, shape);
	nno_wire_text(t, TENSOR_TEXT, markdown);
	nno_wire_close(t, tensor);
	nno_events_metadata(t, "text", NULL, 0);
	return nno_events_end(events);
}

/* --- pictures --- */

/* Pictures, and the sheet they are laid out on. */
typedef struct sheet {
	const nnopt_tensor *images;
	int64_t n, c, h, w;
	int64_t columns, height, width, padding;
} sheet;

static nnopt_status plan_sheet(sheet *s, const nnopt_tensor *images, int64_t columns)
{
	if (images == NULL || columns < 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_image: %s",
				images == NULL ? "images is NULL" : "columns below 0, 0 or more wanted");
	int32_t rank = nnopt_tensor_rank(images), many = rank == 4;
	nnopt_dtype dtype = nnopt_tensor_dtype(images);
	*s = (sheet){ .images = images,
		      .n = many ? nnopt_tensor_extent(images, 0) : 1,
		      .c = nnopt_tensor_extent(images, many),
		      .h = nnopt_tensor_extent(images, many + 1),
		      .w = nnopt_tensor_extent(images, many + 2) };
	if ((dtype != NNOPT_U8 && dtype != NNOPT_F32) || (rank != 3 && rank != 4) || (s->c != 1 && s->c != 3))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"events_image: %s of rank %d, u8 or f32 (C, H, W) or (N, C, H, W) with C of 1 or 3 "
				"wanted",
				nnopt_dtype_name(dtype), rank);
	if (columns == 0)
		while (columns * columns < s->n)
			columns++;
	s->columns = columns < s->n ? columns : s->n;
	s->padding = s->n > 1 ? PADDING : 0;
	int64_t rows = s->columns > 0 ? (s->n + s->columns - 1) / s->columns : 0;
	/* Each factor is small before they are multiplied. */
	bool fits = s->n >= 1 && s->h >= 1 && s->w >= 1 && s->h <= MOST_SIDE && s->w <= MOST_SIDE &&
		    rows <= MOST_SIDE && s->columns <= MOST_SIDE;
	s->height = fits ? rows * (s->h + s->padding) + s->padding : 0;
	s->width = fits ? s->columns * (s->w + s->padding) + s->padding : 0;
	if (!fits || s->height > MOST_SIDE || s->width > MOST_SIDE)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"events_image: %lld pictures of %lldx%lld, a sheet of 1x1 to %dx%d wanted",
				(long long)s->n, (long long)s->h, (long long)s->w, MOST_SIDE, MOST_SIDE);
	return NNOPT_OK;
}

static uint8_t byte_of(const void *data, nnopt_dtype dtype, int64_t at)
{
	if (dtype == NNOPT_U8)
		return ((const uint8_t *)data)[at];
	float v = ((const float *)data)[at];
	return v >= 1.0f ? 255 : v > 0.0f ? (uint8_t)(v * 255.0f + 0.5f) : 0; /* NaN is not above 0 */
}

static void draw(uint8_t *to, const sheet *s)
{
	const void *data = nnopt_tensor_const_data(s->images);
	nnopt_dtype dtype = nnopt_tensor_dtype(s->images);
	bool inside = nnopt_tensor_layout(s->images) == NNOPT_NHWC;
	int64_t step = inside ? s->c : 1, plane = inside ? 1 : s->h * s->w;
	for (int64_t n = 0; n < s->n; n++) {
		int64_t top = n / s->columns * (s->h + s->padding) + s->padding,
			left = n % s->columns * (s->w + s->padding) + s->padding;
		for (int64_t y = 0; y < s->h; y++)
			for (int64_t x = 0; x < s->w; x++)
				for (int64_t c = 0; c < s->c; c++)
					to[((top + y) * s->width + left + x) * s->c + c] = byte_of(
					    data, dtype, n * s->c * s->h * s->w + (y * s->w + x) * step + c * plane);
	}
}

static nnopt_status encode(nnopt_context *context, const sheet *s, uint8_t **png, size_t *n)
{
	nnopt_tensor *t = NULL;
	NNO_TRY(nnopt_tensor_create(&t, context, NNOPT_U8, 4, (int64_t[]){ 1, s->c, s->height, s->width }, NNOPT_NHWC));
	draw(nnopt_tensor_data(t), s);
	size_t room = nnopt_tensor_bytes(t) + (size_t)s->height;
	room += room / 100 + 200;
	*png = nno_new_raw(&context->alloc, room);
	nnopt_status status =
	    *png != NULL ? nnopt_image_encode_png(t, *png, room, n) : nno_fail_memory("events_image", room);
	nnopt_tensor_destroy(t);
	return status;
}

nnopt_status nnopt_events_image(nnopt_events *events, const char *tag, const nnopt_tensor *images, int64_t columns,
				int64_t step)
{
	sheet s = { 0 };
	uint8_t *png = NULL;
	size_t n = 0;
	if (events == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_image: events is NULL");
	NNO_TRY(plan_sheet(&s, images, columns));
	nnopt_status status = encode(events->context, &s, &png, &n);
	if (status == NNOPT_OK)
		status = nno_events_begin_value(events, "events_image", tag, "", step);
	if (status == NNOPT_OK) {
		nno_text *t = &events->out;
		size_t image = nno_wire_open(t, VALUE_IMAGE);
		nno_wire_number(t, IMAGE_HEIGHT, (uint64_t)s.height);
		nno_wire_number(t, IMAGE_WIDTH, (uint64_t)s.width);
		nno_wire_number(t, IMAGE_COLOURS, (uint64_t)s.c);
		nno_wire_bytes(t, IMAGE_PNG, png, n);
		nno_wire_close(t, image);
		status = nno_events_end(events);
	}
	nno_delete(&events->context->alloc, png);
	return status;
}
