/* svg.h - the house's vocabulary for charts: SVG that stands alone or inside a page, on light and on dark ground.
 * Numbers are written with one decimal, texts escaped. Elements have classes, whose look is nno_svg_style and, where a
 * page has colours of its own, the page's. */
#ifndef NNO_BASE_SVG_H
#define NNO_BASE_SVG_H

#include "base/text.h"

/* From values to places in the picture. */
typedef struct nno_svg_scale {
	double low, high; /* values, low < high; both above 0 where logarithmic */
	double from, to;  /* where they stand */
	bool logarithmic;
} nno_svg_scale;

/* A chart: the place of its plot in the picture is that of the scales. */
typedef struct nno_svg_frame {
	nno_svg_scale x, y; /* y.from is the bottom */
} nno_svg_frame;

/* An empty range, to be widened by every value that it is to hold; those that are not finite, and under a logarithm
 * those not above 0, do nothing. */
nno_svg_scale nno_svg_range(bool logarithmic);
void nno_svg_widen(nno_svg_scale *scale, double value);
/* Makes an empty range, or one of a single value, one that can be drawn; values of 1e300 and more, and of 1e-300 and
 * less under a logarithm, stand at these. */
void nno_svg_settle(nno_svg_scale *scale);
double nno_svg_place(const nno_svg_scale *scale, double value);
/* About `wanted` round values within the scale, rising; their number. */
#define NNO_SVG_TICKS 16
int nno_svg_ticks(const nno_svg_scale *scale, int wanted, double ticks[NNO_SVG_TICKS]);
/* Widens a range to round values. */
void nno_svg_round(nno_svg_scale *scale, int wanted);

/* `label` says what is seen, for who does not see it. */
void nno_svg_begin(nno_text *t, int width, int height, const char *label);
void nno_svg_end(nno_text *t);
void nno_svg_line(nno_text *t, double x1, double y1, double x2, double y2, const char *classes);
/* `anchor`: "start", "middle" or "end" of the text stands at x. */
void nno_svg_text(nno_text *t, double x, double y, const char *anchor, const char *classes, const char *text);
void nno_svg_dot(nno_text *t, double x, double y, double radius, const char *classes);
void nno_svg_bar(nno_text *t, double x, double y, double width, double height, const char *classes);
/* Both axes with grid and ticks, and the name of the x axis under it. */
void nno_svg_axes(nno_text *t, const nno_svg_frame *frame, const char *x_name);
/* Whether a point has a place: finite and, under a logarithm, above 0. */
bool nno_svg_can_be_drawn(const nno_svg_frame *frame, double x, double y);
/* A line through `n` points, broken where one cannot be drawn. */
void nno_svg_curve(nno_text *t, const nno_svg_frame *frame, const double *x, const double *y, int64_t n,
		   const char *classes);
/* The area between two lines. */
void nno_svg_band(nno_text *t, const nno_svg_frame *frame, const double *x, const double *low, const double *high,
		  int64_t n, const char *classes);
/* Which of `n` points stand for all in a curve of `most` (5 or more): of equal pieces each one's least and largest of
 * those that can be drawn and one that cannot, if it has these, and both ends; in order, into kept, which has room for
 * `most`. x NULL: 1, 2, ... Their number. */
int64_t nno_svg_thin(const nno_svg_frame *frame, const double *x, const double *y, int64_t n, int64_t most,
		     int64_t *kept);

/* A style element for text, axes, grid and ticks. */
extern const char nno_svg_style[];

#endif
