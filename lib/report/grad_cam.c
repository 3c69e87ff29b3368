/* grad_cam.c - Grad-CAM (Selvaraju et al. 2017) through a plan that watches a layer, and its picture. */
#include "base/error.h"
#include "nnopt/report.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static const nnopt_grad_cam_options defaults = { .struct_size = sizeof defaults, .batch = 16 };

nnopt_status nnopt_grad_cam_options_init(nnopt_grad_cam_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "grad_cam_options");
}

/* The layer called `name`; without one the last whose output is maps of more than a pixel. */
static nnopt_status find_layer(const nnopt_model *model, const char *name, nnopt_node_info *info)
{
	for (int32_t i = nnopt_model_node_count(model); i-- > 1;) {
		info->struct_size = sizeof *info;
		NNO_TRY(nnopt_model_node_info(model, i, info));
		bool maps = info->rank == 3 && info->shape[1] * info->shape[2] > 1;
		if (name == NULL ? maps : strcmp(info->name, name) == 0) {
			if (!maps)
				return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
						"grad_cam: layer '%s' gives no maps of more than a pixel", name);
			return NNOPT_OK;
		}
	}
	if (name != NULL)
		return nno_fail(NNOPT_ERROR_NOT_FOUND, "grad_cam: no layer is called '%s'", name);
	return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "grad_cam: no layer gives maps of more than a pixel");
}

static nnopt_status check(nnopt_tensor **out, const nnopt_model *model, const nnopt_tensor *images,
			  const nnopt_grad_cam_options *o)
{
	int64_t shape[NNOPT_MAX_RANK];
	if (out == NULL || model == NULL || images == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "grad_cam: %s is NULL",
				out == NULL     ? "out"
				: model == NULL ? "model"
						: "images");
	if (nnopt_model_input_shape(model, shape) == 0)
		return nno_fail(NNOPT_ERROR_STATE, "grad_cam: the model is not built");
	if (nnopt_tensor_rank(images) != 4 || nnopt_tensor_extent(images, 0) < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "grad_cam: images of rank %d, (N, C, H, W) wanted",
				nnopt_tensor_rank(images));
	if (o->batch < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "grad_cam_options: batch %lld, 1 or more wanted",
				(long long)o->batch);
	return NNOPT_OK;
}

/* 1 for the class asked for, or for the highest score; 0 for all others. */
static nnopt_status choose(const nnopt_tensor *scores, nnopt_tensor *gradient, const int64_t *classes, int64_t first)
{
	int64_t n = nnopt_tensor_extent(scores, 0), count = nnopt_tensor_extent(scores, 1);
	const float *row = nnopt_tensor_const_data(scores);
	float *to = nnopt_tensor_data(gradient);
	if (nnopt_tensor_rank(scores) != 2)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"grad_cam: the network gives no scores of classes, (N, classes)");
	memset(to, 0, nnopt_tensor_bytes(gradient));
	for (int64_t i = 0; i < n; i++, row += count, to += count) {
		int64_t chosen = 0;
		for (int64_t c = 1; c < count; c++)
			chosen = row[c] > row[chosen] ? c : chosen;
		if (classes != NULL)
			chosen = classes[first + i];
		if (chosen < 0 || chosen >= count)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"grad_cam: class %lld of picture %lld, 0 to %lld wanted", (long long)chosen,
					(long long)(first + i), (long long)count - 1);
		to[chosen] = 1.0f;
	}
	return NNOPT_OK;
}

/* The positive part of the maps' sum, each map weighted by its mean gradient. */
static void weigh(float *map, const float *maps, const float *gradient, int64_t pixels, int64_t channels)
{
	for (int64_t p = 0; p < pixels; p++)
		map[p] = 0.0f;
	for (int64_t c = 0; c < channels; c++) {
		double sum = 0.0;
		for (int64_t p = 0; p < pixels; p++)
			sum += (double)gradient[p * channels + c];
		float weight = (float)(sum / (double)pixels);
		for (int64_t p = 0; p < pixels; p++)
			map[p] += weight * maps[p * channels + c];
	}
	for (int64_t p = 0; p < pixels; p++)
		map[p] = map[p] > 0.0f ? map[p] : 0.0f;
}

static nnopt_status run_batch(nnopt_plan *plan, const nnopt_tensor *images, const int64_t *classes, int64_t first,
			      float *to)
{
	const nnopt_tensor *scores = NULL;
	NNO_TRY(nnopt_plan_forward(plan, images, &scores));
	NNO_TRY(choose(scores, nnopt_plan_output_gradient(plan), classes, first));
	NNO_TRY(nnopt_plan_backward(plan, 0));
	const nnopt_tensor *maps = nnopt_plan_watched(plan);
	const float *x = nnopt_tensor_const_data(maps), *g = nnopt_tensor_const_data(nnopt_plan_watched_gradient(plan));
	int64_t n = nnopt_tensor_extent(maps, 0), channels = nnopt_tensor_extent(maps, 1);
	int64_t pixels = nnopt_tensor_extent(maps, 2) * nnopt_tensor_extent(maps, 3);
	for (int64_t i = 0; i < n; i++)
		weigh(to + i * pixels, x + i * pixels * channels, g + i * pixels * channels, pixels, channels);
	return NNOPT_OK;
}

static nnopt_status run(nnopt_plan *plan, nnopt_tensor *images, const nnopt_grad_cam_options *o, nnopt_tensor *maps)
{
	int64_t n = nnopt_tensor_extent(images, 0),
		pixels = nnopt_tensor_extent(maps, 2) * nnopt_tensor_extent(maps, 3);
	nnopt_status status = NNOPT_OK;
	for (int64_t first = 0; first < n && status == NNOPT_OK; first += o->batch) {
		nnopt_tensor *part = NULL;
		status = nnopt_tensor_view(&part, images, first, n - first < o->batch ? n - first : o->batch);
		if (status == NNOPT_OK)
			status =
			    run_batch(plan, part, o->classes, first, (float *)nnopt_tensor_data(maps) + first * pixels);
		nnopt_tensor_destroy(part);
	}
	return status;
}

nnopt_status nnopt_grad_cam(nnopt_tensor **out, nnopt_model *model, const nnopt_tensor *images,
			    const nnopt_grad_cam_options *options)
{
	nnopt_grad_cam_options o = defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "grad_cam_options"));
	NNO_TRY(check(out, model, images, &o));
	nnopt_node_info layer;
	nnopt_plan_options po;
	NNO_TRY(find_layer(model, o.layer, &layer));
	NNO_TRY(nnopt_plan_options_init(&po, sizeof po));
	int64_t n = nnopt_tensor_extent(images, 0);
	nnopt_tensor *maps = NULL;
	nnopt_plan *plan = NULL;
	o.batch = po.batch = o.batch < n ? o.batch : n;
	po.watch = layer.name;
	nnopt_status status = nnopt_plan_create(&plan, model, &po);
	if (status == NNOPT_OK)
		status = nnopt_tensor_create(&maps, nnopt_model_context(model), NNOPT_F32, 4,
					     (int64_t[]){ n, 1, layer.shape[1], layer.shape[2] }, NNOPT_NCHW);
	if (status == NNOPT_OK)
		status = run(plan, (nnopt_tensor *)images, &o, maps); /* views of it are only read */
	nnopt_plan_destroy(plan);
	if (status == NNOPT_OK)
		*out = maps;
	else
		nnopt_tensor_destroy(maps);
	return status;
}

/* --- the picture --- */

/* Violet, red, orange, yellow: rising in lightness, so that it is read without colours too. */
static void heat(double value, double rgb[3])
{
	static const double stops[5][3] = {
		{ 60, 15, 110 }, { 140, 30, 120 }, { 215, 60, 75 }, { 250, 140, 20 }, { 252, 240, 110 }
	};
	int from = value >= 1.0 ? 3 : (int)(value * 4.0);
	for (int i = 0; i < 3; i++)
		rgb[i] = stops[from][i] + (value * 4.0 - from) * (stops[from + 1][i] - stops[from][i]);
}

/* Where pixel `at` of `size` stands among `count`: the two neighbours and the share of the second. */
static double between(int64_t at, int64_t size, int64_t count, int64_t *low, int64_t *high)
{
	double place = ((double)at + 0.5) * (double)count / (double)size - 0.5;
	place = fmin(fmax(place, 0.0), (double)(count - 1));
	*low = (int64_t)place;
	*high = *low + 1 < count ? *low + 1 : *low;
	return place - (double)*low;
}

typedef struct canvas {
	const uint8_t *src;
	int64_t c, h, w, step, plane;
	const float *map;
	int64_t mh, mw;
	double most, strength;
} canvas;

static void paint(const canvas *k, uint8_t *dst)
{
	for (int64_t y = 0; y < k->h; y++) {
		int64_t y0, y1, x0, x1;
		double ty = between(y, k->h, k->mh, &y0, &y1);
		for (int64_t x = 0; x < k->w; x++) {
			double tx = between(x, k->w, k->mw, &x0, &x1), rgb[3];
			const float *a = k->map + y0 * k->mw, *b = k->map + y1 * k->mw;
			double top = (double)a[x0] + tx * ((double)a[x1] - (double)a[x0]);
			double bottom = (double)b[x0] + tx * ((double)b[x1] - (double)b[x0]);
			double value = k->most > 0.0 ? fmin((top + ty * (bottom - top)) / k->most, 1.0) : 0.0;
			heat(value, rgb);
			for (int i = 0; i < 3; i++) {
				double from = (double)k->src[(y * k->w + x) * k->step + (k->c == 3 ? i : 0) * k->plane];
				*dst++ = (uint8_t)(from + k->strength * value * (rgb[i] - from) + 0.5);
			}
		}
	}
}

static nnopt_status check_overlay(nnopt_tensor **out, const nnopt_context *context, const nnopt_tensor *picture,
				  const nnopt_tensor *maps, int64_t index, double strength)
{
	if (out == NULL || context == NULL || picture == NULL || maps == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "grad_cam_overlay: %s is NULL",
				out == NULL       ? "out"
				: context == NULL ? "context"
				: picture == NULL ? "picture"
						  : "maps");
	int32_t rank = nnopt_tensor_rank(picture);
	int64_t c = rank >= 3 ? nnopt_tensor_extent(picture, rank - 3) : 0;
	if (nnopt_tensor_dtype(picture) != NNOPT_U8 || nnopt_tensor_count(picture) == 0 || (c != 1 && c != 3) ||
	    !(rank == 3 || (rank == 4 && nnopt_tensor_extent(picture, 0) == 1)))
		return nno_fail(
		    NNOPT_ERROR_INVALID_ARGUMENT,
		    "grad_cam_overlay: a picture of %s, rank %d and %lld channels, u8 (1, C, H, W) or (C, H, W) with "
		    "C of 1 or 3 wanted",
		    nnopt_dtype_name(nnopt_tensor_dtype(picture)), rank, (long long)c);
	if (nnopt_tensor_dtype(maps) != NNOPT_F32 || nnopt_tensor_rank(maps) != 4 ||
	    nnopt_tensor_extent(maps, 1) != 1 || nnopt_tensor_count(maps) == 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"grad_cam_overlay: maps of %s and rank %d, f32 (N, 1, H, W) wanted",
				nnopt_dtype_name(nnopt_tensor_dtype(maps)), nnopt_tensor_rank(maps));
	if (index < 0 || index >= nnopt_tensor_extent(maps, 0) || !(strength >= 0.0 && strength <= 1.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"grad_cam_overlay: index %lld, 0 to %lld, and strength %g, 0 to 1 wanted",
				(long long)index, (long long)nnopt_tensor_extent(maps, 0) - 1, strength);
	return NNOPT_OK;
}

nnopt_status nnopt_grad_cam_overlay(nnopt_tensor **out, nnopt_context *context, const nnopt_tensor *picture,
				    const nnopt_tensor *maps, int64_t index, double strength)
{
	NNO_TRY(check_overlay(out, context, picture, maps, index, strength));
	int32_t rank = nnopt_tensor_rank(picture);
	bool planes = nnopt_tensor_layout(picture) == NNOPT_NCHW;
	canvas k = { .src = nnopt_tensor_const_data(picture),
		     .c = nnopt_tensor_extent(picture, rank - 3),
		     .h = nnopt_tensor_extent(picture, rank - 2),
		     .w = nnopt_tensor_extent(picture, rank - 1),
		     .mh = nnopt_tensor_extent(maps, 2),
		     .mw = nnopt_tensor_extent(maps, 3),
		     .strength = strength };
	k.step = planes ? 1 : k.c;
	k.plane = planes ? k.h * k.w : 1;
	k.map = (const float *)nnopt_tensor_const_data(maps) + index * k.mh * k.mw;
	for (int64_t i = 0; i < k.mh * k.mw; i++) {
		if (!(k.map[i] >= 0.0f && isfinite(k.map[i])))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"grad_cam_overlay: map %lld holds %g, finite and 0 or more wanted",
					(long long)index, (double)k.map[i]);
		k.most = fmax(k.most, (double)k.map[i]);
	}
	NNO_TRY(nnopt_tensor_create(out, context, NNOPT_U8, 4, (int64_t[]){ 1, 3, k.h, k.w }, NNOPT_NHWC));
	paint(&k, nnopt_tensor_data(*out));
	return NNOPT_OK;
}
