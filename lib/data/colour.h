/* colour.h - what the transforms of colour and sharpness are made of, each with Pillow's bits. The colours of a picture
 * are its first three channels of three or four, its first of one or two; what follows is alpha and stays as it is. All
 * take dst of src's size; dst->pixels may be src->pixels but where it says so. */
#ifndef NNO_DATA_COLOUR_H
#define NNO_DATA_COLOUR_H

#include "data/transform.h"

static inline int nno_colours(int channels) { return channels < 3 ? 1 : 3; }

/* What each value of a colour becomes. */
typedef struct nno_tones {
	uint8_t of[3][256];
} nno_tones;

void nno_tones_identity(nno_tones *t);
/* What `t` gives goes from a constant `base` (0 for brightness, the mean for contrast) to itself by `factor`. */
void nno_tones_blend(nno_tones *t, int base, float factor);
void nno_tones_apply(const nno_tones *t, nno_picture *dst, const nno_picture *src);
/* Rounded mean of the grey picture that p is after `t`. */
int nno_mean_luma(const nno_picture *p, const nno_tones *t);

void nno_posterize(nno_picture *dst, const nno_picture *src, int bits);
/* Inverts what is not below the threshold: with 0 everything. */
void nno_solarize(nno_picture *dst, const nno_picture *src, double threshold);
void nno_autocontrast(nno_picture *dst, const nno_picture *src);
void nno_equalize(nno_picture *dst, const nno_picture *src);
void nno_grey(nno_picture *dst, const nno_picture *src);
/* From grey to itself by `factor`. */
void nno_saturate(nno_picture *dst, const nno_picture *src, float factor);
/* The hue circle turned, 256 steps a round. */
void nno_turn_hue(nno_picture *dst, const nno_picture *src, int steps);
/* From smoothed to itself by `factor`. dst and src must not overlap. */
void nno_sharpen(nno_picture *dst, const nno_picture *src, float factor);

#endif
