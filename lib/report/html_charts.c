/* html_charts.c - line charts, narrow enough for a phone, with the name of each line at its end, and the numbers in a
 * table behind each. */
#include "report/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 440, HEIGHT = 272, LEFT = 46, TOP = 12, BOTTOM = 46, COLOURS = 6, LABEL_STEP = 15, MOST_SERIES = 64 };

void nno_report_charts_begin(nno_text *t) { nno_text_add(t, "<div class=\"charts\">\n"); }
void nno_report_charts_end(nno_text *t) { nno_text_add(t, "</div>\n"); }

static double x_of(const nnopt_report_series *s, int64_t i) { return s->x != NULL ? s->x[i] : (double)(i + 1); }

static bool has_band(const nnopt_report_series *s) { return s->low != NULL && s->high != NULL; }

/* Room to the right for the longest name, as far as names are short. */
static double right_edge(const nnopt_report_chart *c)
{
	size_t longest = 0;
	for (int64_t k = 0; k < c->series_count && k < COLOURS; k++) {
		const nnopt_report_series *s = c->series[k];
		size_t n = s->name != NULL && s->count > 1 ? strlen(s->name) : 0;
		longest = n > longest ? n : longest;
	}
	return WIDTH - 10.0 - 6.6 * (double)(longest < 20 ? longest : 20);
}

static nno_svg_frame frame_of(const nnopt_report_chart *c)
{
	nno_svg_frame f = { nno_svg_range(c->x_logarithmic != 0), nno_svg_range(c->y_logarithmic != 0) };
	for (int64_t k = 0; k < c->series_count; k++) {
		const nnopt_report_series *s = c->series[k];
		for (int64_t i = 0; i < s->count; i++) {
			nno_svg_widen(&f.x, x_of(s, i));
			nno_svg_widen(&f.y, s->y[i]);
			if (has_band(s)) {
				nno_svg_widen(&f.y, s->low[i]);
				nno_svg_widen(&f.y, s->high[i]);
			}
		}
	}
	nno_svg_settle(&f.x);
	nno_svg_round(&f.y, 5);
	nno_report_frame_place(&f);
	f.x.to = right_edge(c);
	return f;
}

void nno_report_frame_place(nno_svg_frame *f)
{
	f->x.from = LEFT;
	f->x.to = WIDTH - 10.0;
	f->y.from = HEIGHT - BOTTOM;
	f->y.to = TOP;
}

void nno_report_frame_begin(nno_text *t, const nno_svg_frame *f, const char *x_name, const char *y_name)
{
	char label[160];
	snprintf(label, sizeof label, "%s over %s", y_name != NULL ? y_name : "values",
		 x_name != NULL ? x_name : "their number");
	nno_text_add(t, "<figure class=\"chart\"><figcaption>");
	nno_text_add_xml(t, y_name != NULL ? y_name : "");
	nno_text_add(t, "</figcaption>\n");
	nno_svg_begin(t, WIDTH, HEIGHT, label);
	nno_svg_axes(t, f, x_name != NULL ? x_name : "");
}

/* The points of a series that are drawn: four arrays of `n` in one block. */
typedef struct drawn {
	double *x, *y, *low, *high;
	int64_t n;
} drawn;

static bool thin(const nnopt_report *r, const nno_svg_frame *f, const nnopt_report_series *s, drawn *d)
{
	const nno_alloc *a = &r->context->alloc;
	int64_t most = s->count < r->curve_points ? s->count : r->curve_points;
	int64_t *kept = nno_new_array(a, (size_t)most + 1, sizeof *kept);
	d->x = nno_new_array(a, (size_t)most + 1, 4 * sizeof *d->x);
	if (kept == NULL || d->x == NULL) {
		nno_delete(a, kept);
		nno_delete(a, d->x);
		return false;
	}
	d->y = d->x + most;
	d->low = d->y + most;
	d->high = d->low + most;
	d->n = nno_svg_thin(f, s->x, s->y, s->count, most, kept);
	for (int64_t i = 0; i < d->n; i++) {
		d->x[i] = x_of(s, kept[i]);
		d->y[i] = s->y[kept[i]];
		d->low[i] = has_band(s) ? s->low[kept[i]] : NAN;
		d->high[i] = has_band(s) ? s->high[kept[i]] : NAN;
	}
	nno_delete(a, kept);
	return true;
}

static const char *class_of(char text[32], const char *what, int64_t series)
{
	if (series < COLOURS)
		snprintf(text, 32, "%s c%d", what, (int)series);
	else
		snprintf(text, 32, "%s cx", what);
	return text;
}

/* A dot with its name beside it, to the side where there is room. */
static void add_dot(nno_text *t, const nno_svg_frame *f, const nnopt_report_series *s, int64_t number)
{
	char classes[32];
	if (!nno_svg_can_be_drawn(f, x_of(s, 0), s->y[0]))
		return;
	double x = nno_svg_place(&f->x, x_of(s, 0)), y = nno_svg_place(&f->y, s->y[0]);
	bool left = x > (f->x.from + f->x.to) / 2.0;
	nno_svg_dot(t, x, y, 4.5, class_of(classes, "dot", number));
	if (s->name != NULL)
		nno_svg_text(t, left ? x - 8.0 : x + 8.0, y < TOP + 24.0 ? y + 18.0 : y - 8.0, left ? "end" : "start",
			     class_of(classes, "label", number), s->name);
}

typedef struct label {
	double y;
	int64_t series;
} label;

/* Names at the ends of their lines, moved apart where they would meet: downwards first, then up from the bottom. */
static void add_labels(nno_text *t, const nno_svg_frame *f, const nnopt_report_chart *c)
{
	label labels[COLOURS];
	int n = 0;
	for (int64_t k = 0; k < c->series_count && k < COLOURS; k++) {
		const nnopt_report_series *s = c->series[k];
		int64_t last = s->count - 1;
		while (last >= 0 && !nno_svg_can_be_drawn(f, x_of(s, last), s->y[last]))
			last--;
		if (s->name == NULL || s->count < 2 || last < 0)
			continue;
		int at = n++;
		double y = nno_svg_place(&f->y, s->y[last]);
		for (; at > 0 && labels[at - 1].y > y; at--)
			labels[at] = labels[at - 1];
		labels[at] = (label){ y, k };
	}
	for (int i = 1; i < n; i++)
		labels[i].y = fmax(labels[i].y, labels[i - 1].y + LABEL_STEP);
	double bottom = f->y.from;
	for (int i = n; i-- > 0; bottom -= LABEL_STEP)
		labels[i].y = fmin(labels[i].y, bottom);
	for (int i = 0; i < n; i++) {
		char classes[32];
		nno_svg_text(t, f->x.to + 6.0, labels[i].y + 4.0, "start", class_of(classes, "label", labels[i].series),
			     c->series[labels[i].series]->name);
	}
}

static bool add_series(const nnopt_report *r, nno_text *t, const nno_svg_frame *f, const nnopt_report_series *s,
		       int64_t number)
{
	char classes[32];
	drawn d;
	if (s->count == 1) {
		add_dot(t, f, s, number);
		return true;
	}
	if (!thin(r, f, s, &d))
		return false;
	if (has_band(s))
		nno_svg_band(t, f, d.x, d.low, d.high, d.n, class_of(classes, "band", number));
	nno_svg_curve(t, f, d.x, d.y, d.n, class_of(classes, "line", number));
	nno_delete(&r->context->alloc, d.x);
	return true;
}

/* All lines of more than a point have the same x, or there are only points, all of one x: one table holds them. */
static bool share_x(const nnopt_report_chart *c)
{
	const nnopt_report_series *first = c->series[0];
	for (int64_t k = 1; k < c->series_count; k++) {
		const nnopt_report_series *s = c->series[k];
		bool same = s->count == first->count &&
			    (s->count == 1 ? x_of(s, 0) == x_of(first, 0) : s->count == 0 || s->x == first->x);
		if (!same && (s->count > 1 || first->count <= 1))
			return false;
	}
	return true;
}

static void add_head(nno_text *t, const char *name)
{
	nno_text_add(t, "<th scope=\"col\" class=\"n\">");
	nno_text_add_xml(t, name != NULL ? name : "");
	nno_text_add(t, "</th>");
}

static void add_cell(nno_text *t, double value)
{
	nno_text_add(t, "<td class=\"n\">");
	if (isfinite(value))
		nno_text_add_digits(t, value, 6);
	nno_text_add(t, "</td>");
}

static void add_points(const nnopt_report *r, nno_text *t, const nnopt_report_chart *c)
{
	int64_t n = c->series[0]->count, shown = n < r->table_rows ? n : r->table_rows;
	add_head(t, c->x_name);
	for (int64_t k = 0; k < c->series_count; k++)
		if (c->series[k]->count == n)
			add_head(t, c->series[k]->name);
	nno_text_add(t, "</tr></thead>\n<tbody>\n");
	for (int64_t row = 0; row < shown && !t->failed; row++) {
		int64_t i = shown > 1 ? (int64_t)((double)row * (double)(n - 1) / (double)(shown - 1)) : 0;
		nno_text_add(t, "<tr>");
		add_cell(t, x_of(c->series[0], i));
		for (int64_t k = 0; k < c->series_count; k++)
			if (c->series[k]->count == n)
				add_cell(t, c->series[k]->y[i]);
		nno_text_add(t, "</tr>\n");
	}
}

static void add_extremes(nno_text *t, const nnopt_report_chart *c)
{
	nno_text_add(t, "<th scope=\"col\">line</th>");
	add_head(t, "points");
	add_head(t, "least");
	add_head(t, "largest");
	add_head(t, "last");
	nno_text_add(t, "</tr></thead>\n<tbody>\n");
	for (int64_t k = 0; k < c->series_count; k++) {
		const nnopt_report_series *s = c->series[k];
		nno_svg_scale range = nno_svg_range(false);
		for (int64_t i = 0; i < s->count; i++)
			nno_svg_widen(&range, s->y[i]);
		nno_text_add(t, "<tr><th scope=\"row\">");
		nno_text_add_xml(t, s->name != NULL ? s->name : "");
		nno_text_add(t, "</th>");
		add_cell(t, (double)s->count);
		add_cell(t, range.low);
		add_cell(t, range.high);
		add_cell(t, s->count > 0 ? s->y[s->count - 1] : NAN);
		nno_text_add(t, "</tr>\n");
	}
}

static void add_numbers(const nnopt_report *r, nno_text *t, const nnopt_report_chart *c)
{
	nno_text_add(t, "<details><summary>Numbers</summary>\n<div class=\"wide\"><table>\n<thead><tr>");
	if (share_x(c))
		add_points(r, t, c);
	else
		add_extremes(t, c);
	nno_text_add(t, "</tbody>\n</table></div></details>\n");
}

bool nno_report_chart(const nnopt_report *r, nno_text *t, const nnopt_report_chart *c)
{
	nno_svg_frame f = frame_of(c);
	nno_report_frame_begin(t, &f, c->x_name, c->y_name);
	/* The first on top: those behind it are often without a colour of their own. */
	bool ok = true;
	for (int64_t k = c->series_count; ok && k-- > 0;)
		ok = c->series[k]->count == 0 || add_series(r, t, &f, c->series[k], k);
	add_labels(t, &f, c);
	nno_svg_end(t);
	if (c->series_count > 0)
		add_numbers(r, t, c);
	nno_text_add(t, "</figure>\n");
	return ok;
}

/* --- public --- */

static nnopt_status read_series(nnopt_report_series *s, const nnopt_report_series *given)
{
	if (given == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "report_add_charts: a series is NULL");
	NNO_TRY(nnopt_options_read(s, sizeof *s, given, "report_series"));
	if (s->count < 0 || (s->count > 0 && s->y == NULL) || !s->low != !s->high)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"report_add_charts: series '%s' of %lld points with%s y and %s of low and high",
				s->name != NULL ? s->name : "", (long long)s->count, s->y == NULL ? "out" : "",
				!s->low != !s->high ? "one" : "both or none");
	return NNOPT_OK;
}

static nnopt_status add_chart(const nnopt_report *r, nno_text *t, const nnopt_report_chart *given)
{
	nnopt_report_chart c = { 0 };
	nnopt_report_series series[MOST_SERIES] = { 0 };
	const nnopt_report_series *own[MOST_SERIES];
	NNO_TRY(nno_report_check(r, given, "a chart", "report_add_charts"));
	NNO_TRY(nnopt_options_read(&c, sizeof c, given, "report_chart"));
	if (c.series_count < 0 || c.series_count > MOST_SERIES || (c.series_count > 0 && c.series == NULL))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "report_add_charts: %lld series, 0 to %d wanted",
				(long long)c.series_count, MOST_SERIES);
	for (int64_t k = 0; k < c.series_count; k++) {
		NNO_TRY(read_series(&series[k], c.series[k]));
		own[k] = &series[k];
	}
	c.series = own;
	return nno_report_chart(r, t, &c) ? NNOPT_OK : nno_fail_memory("report_add_charts", sizeof(double));
}

nnopt_status nnopt_report_add_charts(nnopt_report *report, const char *title, const nnopt_report_chart *const *charts,
				     int64_t count)
{
	NNO_TRY(nno_report_check(report, charts, "charts", "report_add_charts"));
	NNO_TRY(nno_report_check_count(count, "report_add_charts"));
	nno_text t;
	nnopt_status status = NNOPT_OK;
	nno_text_start(&t, &report->context->alloc);
	nno_report_charts_begin(&t);
	for (int64_t i = 0; i < count && status == NNOPT_OK; i++)
		status = add_chart(report, &t, charts[i]);
	nno_report_charts_end(&t);
	if (status == NNOPT_OK)
		return nno_report_put(report, title != NULL ? title : "Charts", &t, "report_add_charts");
	nno_text_free(&t);
	return status;
}
