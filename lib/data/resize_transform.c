/* resize_transform.c - to a fixed size: the whole picture, or a part of random area and shape. */
#include "data/transform.h"

#include "base/size.h"

#include <math.h>

typedef struct resize {
	int64_t h, w;
	double scale_min, scale_max, ratio_min, ratio_max; /* of a random part; a plain resize has zeros */
} resize;

static bool any_size(const void *state, int64_t *h, int64_t *w)
{
	const resize *r = state;
	*h = r->h;
	*w = r->w;
	return true;
}

static size_t workspace_of(const void *state, int64_t h, int64_t w, int c)
{
	const resize *r = state;
	return nno_resize_workspace(h, w, r->h, r->w, c);
}

static void resize_whole(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const resize *r = state;
	(void)draw;
	dst->h = r->h;
	dst->w = r->w;
	nno_resize(dst, src, workspace);
}

/* A window of a drawn area and ratio, ten tries; then the largest one in the middle whose ratio is allowed. As
 * torchvision's RandomResizedCrop.get_params(). */
static void draw_window(const resize *r, const nno_picture *src, nno_draw *draw, int64_t *top, int64_t *left,
			int64_t *h, int64_t *w)
{
	double area = (double)src->h * (double)src->w, shape = (double)src->w / (double)src->h;
	for (int i = 0; i < 10; i++) {
		double part = area * nno_draw_between(draw, r->scale_min, r->scale_max);
		double ratio = exp(nno_draw_between(draw, log(r->ratio_min), log(r->ratio_max)));
		*w = (int64_t)nearbyint(sqrt(part * ratio));
		*h = (int64_t)nearbyint(sqrt(part / ratio));
		if (*w < 1 || *h < 1 || *w > src->w || *h > src->h)
			continue;
		*top = (int64_t)nno_rng_below(&draw->rng, (uint64_t)(src->h - *h + 1));
		*left = (int64_t)nno_rng_below(&draw->rng, (uint64_t)(src->w - *w + 1));
		return;
	}
	*h = src->h;
	*w = src->w;
	if (shape < r->ratio_min)
		*h = (int64_t)nearbyint((double)*w / r->ratio_min);
	else if (shape > r->ratio_max)
		*w = (int64_t)nearbyint((double)*h * r->ratio_max);
	*h = nno_i64_max(1, nno_i64_min(*h, src->h));
	*w = nno_i64_max(1, nno_i64_min(*w, src->w));
	*top = (src->h - *h) / 2;
	*left = (src->w - *w) / 2;
}

static void resize_part(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const resize *r = state;
	int64_t top, left, h, w;
	draw_window(r, src, draw, &top, &left, &h, &w);
	dst->h = r->h;
	dst->w = r->w;
	nno_resize_window(dst, src, top, left, h, w, workspace);
}

const nno_transform_class nno_transform_resize = {
	.name = "resize",
	.state_size = sizeof(resize),
	.size = any_size,
	.apply = resize_whole,
	.workspace = workspace_of,
};

const nno_transform_class nno_transform_random_resized_crop = {
	.name = "random_resized_crop",
	.state_size = sizeof(resize),
	.size = any_size,
	.apply = resize_part,
	.workspace = workspace_of,
};

nnopt_status nnopt_transforms_add_resize(nnopt_transforms *t, int64_t height, int64_t width)
{
	NNO_TRY(nno_check_size("resize", height, width));
	return nno_transforms_append(t, &nno_transform_resize, 1.0, &(resize){ .h = height, .w = width });
}

static const nnopt_random_resized_crop_options option_defaults = {
	.struct_size = sizeof(nnopt_random_resized_crop_options),
	.scale_min = 0.08,
	.scale_max = 1.0,
	.ratio_min = 3.0 / 4.0,
	.ratio_max = 4.0 / 3.0,
};

nnopt_status nnopt_random_resized_crop_options_init(nnopt_random_resized_crop_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults,
				  "random_resized_crop_options");
}

nnopt_status nnopt_transforms_add_random_resized_crop(nnopt_transforms *t, int64_t height, int64_t width,
						      const nnopt_random_resized_crop_options *options)
{
	nnopt_random_resized_crop_options o = option_defaults;
	const char *name = nno_transform_random_resized_crop.name;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "random_resized_crop_options"));
	NNO_TRY(nno_check_size(name, height, width));
	NNO_TRY(nno_check_range(name, "scale", o.scale_min, o.scale_max, 1e-4, 1.0));
	NNO_TRY(nno_check_range(name, "ratio", o.ratio_min, o.ratio_max, 1e-3, 1e3));
	return nno_transforms_append(t, &nno_transform_random_resized_crop, 1.0,
				     &(resize){ height, width, o.scale_min, o.scale_max, o.ratio_min, o.ratio_max });
}
