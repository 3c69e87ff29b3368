/* jitter_transform.c - colour: brightness, contrast, saturation and hue by random factors in random order, and grey. */
#include "data/colour.h"

#include <string.h>

/* --- colour jitter --- */

enum { BRIGHTNESS, CONTRAST, SATURATION, HUE, STEPS };

/* Brightness and contrast are tables, and tables that follow each other are one: `pending` is what the pixels in `at`
 * have yet to go through. */
typedef struct progress {
	nno_picture *dst;
	const nno_picture *at;
	nno_tones pending;
	bool waits;
} progress;

static void settle(progress *p)
{
	if (!p->waits)
		return;
	nno_tones_apply(&p->pending, p->dst, p->at);
	nno_tones_identity(&p->pending);
	p->at = p->dst;
	p->waits = false;
}

static void take_step(progress *p, int64_t step, double by)
{
	if (step == BRIGHTNESS || step == CONTRAST) {
		int base = step == CONTRAST ? nno_mean_luma(p->at, &p->pending) : 0;
		nno_tones_blend(&p->pending, base, (float)by);
		p->waits = true;
		return;
	}
	settle(p);
	if (step == SATURATION)
		nno_saturate(p->dst, p->at, (float)by);
	else
		nno_turn_hue(p->dst, p->at, (int)(by * 255.0));
	p->at = p->dst;
}

static void jitter(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const nnopt_colour_jitter_options *o = state;
	(void)workspace;
	const double low[STEPS] = { o->brightness_min, o->contrast_min, o->saturation_min, o->hue_min },
		     high[STEPS] = { o->brightness_max, o->contrast_max, o->saturation_max, o->hue_max },
		     none[STEPS] = { 1.0, 1.0, 1.0, 0.0 };
	int64_t order[STEPS] = { BRIGHTNESS, CONTRAST, SATURATION, HUE };
	double by[STEPS];
	progress p = { .dst = dst, .at = src };
	nno_tones_identity(&p.pending);
	nno_rng_shuffle(&draw->rng, order, STEPS);
	for (int i = 0; i < STEPS; i++)
		by[i] = nno_draw_between(draw, low[i], high[i]);
	for (int i = 0; i < STEPS; i++) {
		int64_t step = order[i];
		/* A range of no change is a step left out, as in torchvision: a round trip through hue is not exact. */
		if (low[step] != none[step] || high[step] != none[step])
			take_step(&p, step, by[step]);
	}
	settle(&p);
	if (p.at == src)
		*dst = *src;
}

const nno_transform_class nno_transform_colour_jitter = {
	.name = "colour_jitter",
	.state_size = sizeof(nnopt_colour_jitter_options),
	.apply = jitter,
};

static const nnopt_colour_jitter_options option_defaults = {
	.struct_size = sizeof(nnopt_colour_jitter_options),
	.brightness_min = 1.0,
	.brightness_max = 1.0,
	.contrast_min = 1.0,
	.contrast_max = 1.0,
	.saturation_min = 1.0,
	.saturation_max = 1.0,
};

nnopt_status nnopt_colour_jitter_options_init(nnopt_colour_jitter_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "colour_jitter_options");
}

nnopt_status nnopt_transforms_add_colour_jitter(nnopt_transforms *t, const nnopt_colour_jitter_options *options,
						double probability)
{
	nnopt_colour_jitter_options o = option_defaults;
	const char *name = nno_transform_colour_jitter.name;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "colour_jitter_options"));
	NNO_TRY(nno_check_range(name, "brightness", o.brightness_min, o.brightness_max, 0.0, 100.0));
	NNO_TRY(nno_check_range(name, "contrast", o.contrast_min, o.contrast_max, 0.0, 100.0));
	NNO_TRY(nno_check_range(name, "saturation", o.saturation_min, o.saturation_max, 0.0, 100.0));
	NNO_TRY(nno_check_range(name, "hue", o.hue_min, o.hue_max, -0.5, 0.5));
	return nno_transforms_append(t, &nno_transform_colour_jitter, probability, &o);
}

/* --- greyscale --- */

static void greyscale(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	(void)state;
	(void)draw;
	(void)workspace;
	nno_grey(dst, src);
}

const nno_transform_class nno_transform_greyscale = { .name = "greyscale", .apply = greyscale };

nnopt_status nnopt_transforms_add_greyscale(nnopt_transforms *t, double probability)
{
	return nno_transforms_append(t, &nno_transform_greyscale, probability, NULL);
}
