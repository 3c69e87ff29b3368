/* views.c - pictures of a batch shifted and mirrored: one copy of the batch, a view at a time, in memory taken before.
 */
#include "eval/eval.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SHIFT 65536

typedef struct view {
	bool mirror;
	int64_t dy, dx;
	double weight;
} view;

struct nnopt_views {
	nnopt_context *context;
	nnopt_pad_mode pad;
	view *list;
	int64_t count, room;
};

nnopt_status nnopt_views_create(nnopt_views **out, nnopt_context *context, nnopt_pad_mode pad)
{
	if (out == NULL || context == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "views_create: out or context is NULL");
	if (pad != NNOPT_PAD_ZERO && pad != NNOPT_PAD_REFLECT && pad != NNOPT_PAD_EDGE)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"views_create: pad %d, NNOPT_PAD_ZERO (0), _REFLECT (1) or _EDGE (2) wanted", (int)pad);
	nnopt_views *views = nnopt_context_alloc(context, sizeof *views);
	if (views == NULL)
		return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "views_create: out of memory");
	views->context = nnopt_context_retain(context);
	views->pad = pad;
	*out = views;
	return NNOPT_OK;
}

void nnopt_views_destroy(nnopt_views *views)
{
	if (views == NULL)
		return;
	nnopt_context *context = views->context;
	nnopt_context_free(context, views->list);
	nnopt_context_free(context, views);
	nnopt_context_destroy(context);
}

/* Room for `more` views. */
static nnopt_status reserve(nnopt_views *views, int64_t more)
{
	if (views->count + more <= views->room)
		return NNOPT_OK;
	int64_t room = 2 * views->room + 8;
	view *list = nnopt_context_alloc(views->context, (size_t)room * sizeof *list);
	if (list == NULL)
		return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "views_add: out of memory");
	if (views->count > 0)
		memcpy(list, views->list, (size_t)views->count * sizeof *list);
	nnopt_context_free(views->context, views->list);
	views->list = list;
	views->room = room;
	return NNOPT_OK;
}

nnopt_status nnopt_views_add(nnopt_views *views, int32_t mirror, int64_t dy, int64_t dx, double weight)
{
	if (views == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "views_add: views is NULL");
	if (dy < -MOST_SHIFT || dy > MOST_SHIFT || dx < -MOST_SHIFT || dx > MOST_SHIFT)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "views_add: shift (%lld, %lld), within %d wanted",
				(long long)dy, (long long)dx, MOST_SHIFT);
	if (!(isfinite(weight) && weight > 0.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "views_add: weight %g, finite and above 0 wanted",
				weight);
	nnopt_status status = reserve(views, 1);
	if (status == NNOPT_OK)
		views->list[views->count++] = (view){ .mirror = mirror != 0, .dy = dy, .dx = dx, .weight = weight };
	return status;
}

nnopt_status nnopt_views_add_mirrored(nnopt_views *views, int64_t shift)
{
	if (views == NULL || shift < 0 || shift > MOST_SHIFT)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"views_add_mirrored: views NULL or shift %lld, 0 to %d wanted", (long long)shift,
				MOST_SHIFT);
	nnopt_status status = reserve(views, 6);
	for (int32_t mirror = 0; mirror < 2 && status == NNOPT_OK; mirror++)
		status = nnopt_views_add(views, mirror, 0, 0, shift == 0 ? 0.5 : 0.25);
	for (int32_t i = 0; i < 4 && shift > 0 && status == NNOPT_OK; i++)
		status = nnopt_views_add(views, i % 2, i < 2 ? -shift : shift, i < 2 ? -shift : shift, 0.125);
	return status;
}

int64_t nnopt_views_count(const nnopt_views *views) { return views == NULL ? 0 : views->count; }

double nno_view_weight(const nnopt_views *views, int64_t index) { return views->list[index].weight; }

nnopt_status nno_view_room_start(nno_view_room *room, const nnopt_views *views, nnopt_loader *loader)
{
	int64_t shape[4] = { nnopt_loader_batch_size(loader) };
	nnopt_status status = nnopt_loader_sample_shape(loader, shape + 1);
	for (int64_t i = 0; i < views->count && status == NNOPT_OK && views->pad == NNOPT_PAD_REFLECT; i++)
		if (llabs(views->list[i].dy) >= shape[2] || llabs(views->list[i].dx) >= shape[3])
			status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					  "predict_augmented: view %lld shifts by (%lld, %lld), less than the "
					  "picture's (%lld, %lld) wanted where it is reflected",
					  (long long)i, (long long)views->list[i].dy, (long long)views->list[i].dx,
					  (long long)shape[2], (long long)shape[3]);
	if (status == NNOPT_OK)
		status = nnopt_tensor_create(&room->all, views->context, NNOPT_F32, 4, shape, NNOPT_NHWC);
	if (status != NNOPT_OK)
		return status;
	room->context = views->context;
	room->columns = nnopt_context_alloc(room->context, (size_t)shape[3] * sizeof *room->columns);
	return room->columns != NULL ? nnopt_tensor_view(&room->part, room->all, 0, shape[0])
				     : nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "predict_augmented: out of memory");
}

void nno_view_room_end(nno_view_room *room)
{
	nnopt_tensor_destroy(room->part);
	nnopt_tensor_destroy(room->all);
	nnopt_context_free(room->context, room->columns);
}

/* Where place `at` of a line of n comes from; -1: from outside. A reflection is less than n away. */
static int64_t place(int64_t at, int64_t n, nnopt_pad_mode pad)
{
	if (at >= 0 && at < n)
		return at;
	return pad == NNOPT_PAD_ZERO   ? -1
	       : pad == NNOPT_PAD_EDGE ? (at < 0 ? 0 : n - 1)
				       : (at < 0 ? -at : 2 * (n - 1) - at);
}

/* One row. Called with a constant number of channels, where it is one of the usual, so that a pixel is a few moves. */
static inline void copy_row(float *restrict dst, const float *restrict src, const int64_t *columns, int64_t width,
			    int64_t channels)
{
	for (int64_t x = 0; x < width; x++)
		for (int64_t c = 0; c < channels; c++)
			dst[x * channels + c] = columns[x] >= 0 ? src[columns[x] + c] : 0.0f;
}

nnopt_status nno_view_make(const nnopt_tensor **seen, const nnopt_views *views, int64_t index, nno_view_room *room,
			   const nnopt_tensor *images)
{
	const view *v = &views->list[index];
	*seen = images;
	if (!v->mirror && v->dy == 0 && v->dx == 0)
		return NNOPT_OK;
	int64_t n = nnopt_tensor_extent(images, 0), channels = nnopt_tensor_extent(images, 1),
		height = nnopt_tensor_extent(images, 2), width = nnopt_tensor_extent(images, 3);
	if (nnopt_tensor_extent(room->part, 0) != n) {
		nnopt_tensor *part = NULL; /* a batch of another size, which the last one may be */
		nnopt_status status = nnopt_tensor_view(&part, room->all, 0, n);
		if (status != NNOPT_OK)
			return status;
		nnopt_tensor_destroy(room->part);
		room->part = part;
	}
	for (int64_t x = 0; x < width; x++) {
		int64_t from = place((v->mirror ? width - 1 - x : x) - v->dx, width, views->pad);
		room->columns[x] = from < 0 ? -1 : from * channels;
	}
	const float *src = nnopt_tensor_const_data(images);
	float *dst = nnopt_tensor_data(room->part);
	int64_t row = width * channels;
	for (int64_t i = 0; i < n; i++, src += height * row)
		for (int64_t y = 0; y < height; y++, dst += row) {
			int64_t from = place(y - v->dy, height, views->pad);
			if (from < 0)
				memset(dst, 0, (size_t)row * sizeof *dst);
			else if (channels == 3)
				copy_row(dst, src + from * row, room->columns, width, 3);
			else if (channels == 1)
				copy_row(dst, src + from * row, room->columns, width, 1);
			else
				copy_row(dst, src + from * row, room->columns, width, channels);
		}
	*seen = room->part;
	return NNOPT_OK;
}
