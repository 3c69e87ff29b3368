/* svg.c - charts in SVG: scales with round ticks, lines, bands, bars. */
#include "base/svg.h"

#include <math.h>

const char nno_svg_style[] =
    "<style>svg text{font-family:system-ui,sans-serif;fill:#333}.name{font-size:13px;font-weight:600}"
    ".tick{font-size:10px}.axis{stroke:#888}.grid{stroke:#8883}"
    "@media(prefers-color-scheme:dark){svg text{fill:#ddd}.axis{stroke:#777}}</style>\n";

/* --- scales --- */

nno_svg_scale nno_svg_range(bool logarithmic)
{
	return (nno_svg_scale){ .low = INFINITY, .high = -INFINITY, .logarithmic = logarithmic };
}

void nno_svg_widen(nno_svg_scale *s, double value)
{
	if (!isfinite(value) || (s->logarithmic && !(value > 0.0)))
		return;
	s->low = fmin(s->low, value);
	s->high = fmax(s->high, value);
}

/* Beyond these nothing can be halved, doubled, rounded or subtracted with a finite result. */
static const double tiny = 1e-300, vast = 1e300;

static double within(const nno_svg_scale *s, double value)
{
	double low = s->logarithmic ? tiny : -vast;
	return value < low ? low : value > vast ? vast : value;
}

void nno_svg_settle(nno_svg_scale *s)
{
	if (!(s->low <= s->high)) {
		s->low = s->logarithmic ? 0.1 : 0.0;
		s->high = 1.0;
	}
	s->low = within(s, s->low);
	s->high = within(s, s->high);
	if (s->logarithmic ? log(s->high) > log(s->low) : s->high - s->low >= tiny)
		return;
	if (s->logarithmic) {
		s->low /= 2.0;
		s->high *= 2.0;
	} else {
		double room = fabs(s->low) < tiny ? 1.0 : fabs(s->low) / 2.0;
		s->low -= room;
		s->high += room;
	}
}

double nno_svg_place(const nno_svg_scale *s, double value)
{
	value = within(s, value);
	double share = s->logarithmic ? (log(value) - log(s->low)) / (log(s->high) - log(s->low))
				      : (value - s->low) / (s->high - s->low);
	return s->from + share * (s->to - s->from);
}

/* 1, 2 or 5 times a power of ten: the least of these that makes no more than `wanted` steps. */
static double round_step(double range, int wanted)
{
	double unit = pow(10.0, floor(log10(range / wanted)));
	static const double of_unit[] = { 1.0, 2.0, 5.0 };
	for (int i = 0; i < 3; i++)
		if (range <= of_unit[i] * unit * wanted * (1.0 + 1e-9))
			return of_unit[i] * unit;
	return 10.0 * unit;
}

/* Powers of ten; 2 and 5 times them where these are few. */
static int logarithmic_ticks(const nno_svg_scale *s, int wanted, double *ticks)
{
	static const double between[] = { 1.0, 2.0, 5.0 };
	double decades = log10(s->high) - log10(s->low); /* their ratio may overflow */
	int n = 0, each = decades > 2.5 ? 1 : 3, skip = (int)fmax(1.0, ceil(decades / wanted));
	for (double e = floor(log10(s->low)); e <= ceil(log10(s->high)); e += skip)
		for (int i = 0; i < each; i++) {
			double value = between[i] * pow(10.0, e);
			if (value >= s->low * (1.0 - 1e-9) && value <= s->high * (1.0 + 1e-9) && n < NNO_SVG_TICKS)
				ticks[n++] = value;
		}
	return n;
}

int nno_svg_ticks(const nno_svg_scale *s, int wanted, double ticks[NNO_SVG_TICKS])
{
	if (s->logarithmic)
		return logarithmic_ticks(s, wanted, ticks);
	double step = round_step(s->high - s->low, wanted);
	int n = 0;
	for (double k = ceil(s->low / step - 1e-9); k * step <= s->high + 1e-9 * step && n < NNO_SVG_TICKS; k += 1.0)
		ticks[n++] = k * step + 0.0; /* not -0 */
	return n;
}

void nno_svg_round(nno_svg_scale *s, int wanted)
{
	nno_svg_settle(s);
	if (s->logarithmic)
		return;
	double step = round_step(s->high - s->low, wanted);
	double low = floor(s->low / step + 1e-9) * step, high = ceil(s->high / step - 1e-9) * step;
	if (!(low < high)) /* neighbours: their steps are lost in rounding */
		return;
	s->low = low;
	s->high = high;
}

/* --- elements --- */

static void add_number(nno_text *t, const char *before, double value)
{
	nno_text_add(t, before);
	nno_text_add_fixed(t, value, 1);
}

static void add_class(nno_text *t, const char *classes) { nno_text_addf(t, " class=\"%s\"", classes); }

void nno_svg_begin(nno_text *t, int width, int height, const char *label)
{
	nno_text_addf(t, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" ",
		      width, height, width, height);
	nno_text_add(t, "role=\"img\" aria-label=\"");
	nno_text_add_xml(t, label);
	nno_text_add(t, "\">\n");
}

void nno_svg_end(nno_text *t) { nno_text_add(t, "</svg>\n"); }

void nno_svg_line(nno_text *t, double x1, double y1, double x2, double y2, const char *classes)
{
	add_number(t, "<line x1=\"", x1);
	add_number(t, "\" y1=\"", y1);
	add_number(t, "\" x2=\"", x2);
	add_number(t, "\" y2=\"", y2);
	nno_text_add(t, "\"");
	add_class(t, classes);
	nno_text_add(t, "/>\n");
}

void nno_svg_text(nno_text *t, double x, double y, const char *anchor, const char *classes, const char *text)
{
	add_number(t, "<text x=\"", x);
	add_number(t, "\" y=\"", y);
	nno_text_addf(t, "\" text-anchor=\"%s\"", anchor);
	add_class(t, classes);
	nno_text_add(t, ">");
	nno_text_add_xml(t, text);
	nno_text_add(t, "</text>\n");
}

void nno_svg_dot(nno_text *t, double x, double y, double radius, const char *classes)
{
	add_number(t, "<circle cx=\"", x);
	add_number(t, "\" cy=\"", y);
	add_number(t, "\" r=\"", radius);
	nno_text_add(t, "\"");
	add_class(t, classes);
	nno_text_add(t, "/>\n");
}

void nno_svg_bar(nno_text *t, double x, double y, double width, double height, const char *classes)
{
	add_number(t, "<rect x=\"", x);
	add_number(t, "\" y=\"", y);
	add_number(t, "\" width=\"", width);
	add_number(t, "\" height=\"", height);
	nno_text_add(t, "\"");
	add_class(t, classes);
	nno_text_add(t, "/>\n");
}

void nno_svg_axes(nno_text *t, const nno_svg_frame *f, const char *x_name)
{
	double ticks[NNO_SVG_TICKS];
	char text[NNO_NUMBER_TEXT];
	const nno_svg_scale *x = &f->x, *y = &f->y;
	int n = nno_svg_ticks(y, 5, ticks);
	for (int i = 0; i < n; i++) {
		double at = nno_svg_place(y, ticks[i]);
		nno_svg_line(t, x->from, at, x->to, at, "grid");
		nno_print_number(text, ticks[i], 6);
		nno_svg_text(t, x->from - 6.0, at + 4.0, "end", "tick", text);
	}
	n = nno_svg_ticks(x, 6, ticks);
	for (int i = 0; i < n; i++) {
		double at = nno_svg_place(x, ticks[i]);
		nno_svg_line(t, at, y->from, at, y->from + 4.0, "axis");
		nno_print_number(text, ticks[i], 6);
		nno_svg_text(t, at, y->from + 17.0, "middle", "tick", text);
	}
	nno_svg_line(t, x->from, y->from, x->to, y->from, "axis");
	nno_svg_text(t, (x->from + x->to) / 2.0, y->from + 34.0, "middle", "tick", x_name);
}

bool nno_svg_can_be_drawn(const nno_svg_frame *f, double x, double y)
{
	return isfinite(x) && isfinite(y) && (!f->x.logarithmic || x > 0.0) && (!f->y.logarithmic || y > 0.0);
}

static void add_point(nno_text *t, const nno_svg_frame *f, char command, double x, double y)
{
	nno_text_add_n(t, &command, 1);
	nno_text_add_fixed(t, nno_svg_place(&f->x, x), 1);
	add_number(t, " ", nno_svg_place(&f->y, y));
}

void nno_svg_curve(nno_text *t, const nno_svg_frame *f, const double *x, const double *y, int64_t n,
		   const char *classes)
{
	bool drawing = false;
	nno_text_add(t, "<path");
	add_class(t, classes);
	nno_text_add(t, " d=\"");
	for (int64_t i = 0; i < n; i++) {
		bool here = nno_svg_can_be_drawn(f, x[i], y[i]);
		if (here)
			add_point(t, f, drawing ? 'L' : 'M', x[i], y[i]);
		drawing = here;
	}
	nno_text_add(t, "\"/>\n");
}

/* Up along `high` and back along `low`, a piece between points that cannot be drawn at a time. */
void nno_svg_band(nno_text *t, const nno_svg_frame *f, const double *x, const double *low, const double *high,
		  int64_t n, const char *classes)
{
	nno_text_add(t, "<path");
	add_class(t, classes);
	nno_text_add(t, " d=\"");
	for (int64_t from = 0, to; from < n; from = to + 1) {
		for (to = from;
		     to < n && nno_svg_can_be_drawn(f, x[to], low[to]) && nno_svg_can_be_drawn(f, x[to], high[to]);
		     to++)
			add_point(t, f, to == from ? 'M' : 'L', x[to], high[to]);
		for (int64_t i = to; i-- > from;)
			add_point(t, f, 'L', x[i], low[i]);
		if (to > from)
			nno_text_add(t, "Z");
	}
	nno_text_add(t, "\"/>\n");
}

int64_t nno_svg_thin(const nno_svg_frame *f, const double *x, const double *y, int64_t n, int64_t most, int64_t *kept)
{
	int64_t count = 0;
	if (n <= most) {
		for (; count < n; count++)
			kept[count] = count;
		return n;
	}
	bool gaps = false;
	for (int64_t i = 0; i < n && !gaps; i++)
		gaps = !nno_svg_can_be_drawn(f, x != NULL ? x[i] : 1.0, y[i]);
	int64_t pieces = (most - 2) / (gaps ? 3 : 2);
	kept[count++] = 0;
	for (int64_t k = 0; k < pieces; k++) {
		/* Pieces of what lies between the ends; quotient and rest apart, so that no product overflows. */
		int64_t inner = n - 2, from = 1 + inner / pieces * k + inner % pieces * k / pieces;
		int64_t to = 1 + inner / pieces * (k + 1) + inner % pieces * (k + 1) / pieces;
		int64_t low = -1, high = -1, gap = -1;
		for (int64_t i = from; i < to; i++) {
			if (!nno_svg_can_be_drawn(f, x != NULL ? x[i] : 1.0, y[i])) {
				gap = i;
				continue;
			}
			low = low < 0 || y[i] < y[low] ? i : low;
			high = high < 0 || y[i] > y[high] ? i : high;
		}
		for (int64_t i = from; i < to; i++)
			if (i == low || i == high || i == gap)
				kept[count++] = i;
	}
	kept[count++] = n - 1;
	return count;
}
