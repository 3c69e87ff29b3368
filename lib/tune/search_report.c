/* search_report.c - a search for people: table, CSV, and the picture of parallel coordinates (Inselberg 1985). */
#include "tune/tune.h"

#include "base/io.h"
#include "base/size.h"
#include "base/svg.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_WIDTH = 12, AXIS_STEP = 150, LEFT = 70, TOP = 50, HEIGHT = 320, BOTTOM = 30, TICKS = 5 };

static void add_result(nno_text *t, double value)
{
	if (isfinite(value))
		nno_text_add_digits(t, value, 6);
	else
		nno_text_add(t, "-");
}

nnopt_status nnopt_search_table(const nnopt_search *search, char *text, size_t size, size_t *needed)
{
	if (search == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search_table: search is NULL");
	int64_t *order = NULL;
	nno_text t;
	NNO_TRY(nno_search_rank(search, &order));
	nno_text_start(&t, &search->context->alloc);
	nno_text_add(&t, "trial  spent  value      ");
	for (int i = 0; i < search->axis_count; i++)
		nno_text_addf(&t, "  %-*s", NAME_WIDTH, search->axes[i].name);
	nno_text_add(&t, "\n");
	for (int64_t at = 0; at < search->count; at++) {
		const nnopt_trial *trial = search->trials[order[at]];
		char value[NNO_VALUE_TEXT];
		nno_text_addf(&t, "%5lld  %5lld  ", (long long)trial->id, (long long)trial->spent);
		size_t before = t.length;
		add_result(&t, trial->result);
		nno_text_addf(&t, "%*s", (int)(before + 11 > t.length ? before + 11 - t.length : 0), "");
		for (int i = 0; i < search->axis_count; i++)
			nno_text_addf(&t, "  %-*s", NAME_WIDTH,
				      nno_axis_text(&search->axes[i], trial->value[i], value));
		if (trial->error != NULL)
			nno_text_addf(&t, "  failed: %s", trial->error);
		nno_text_add(&t, "\n");
	}
	nnopt_status status = nno_text_give(&t, text, size, needed, "search_table");
	nno_text_free(&t);
	nno_delete(&search->context->alloc, order);
	return status;
}

static nnopt_status write_text(const nnopt_search *s, nno_text *t, const char *path, const char *what)
{
	nnopt_status status = nno_text_check(t, what);
	if (status == NNOPT_OK)
		status = nno_replace_with(s->context->io, &s->context->alloc, path, t->data, t->length);
	nno_text_free(t);
	return status;
}

nnopt_status nnopt_search_write_csv(const nnopt_search *search, const char *path)
{
	if (search == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search_write_csv: %s is NULL",
				search == NULL ? "search" : "path");
	nno_text t;
	nno_text_start(&t, &search->context->alloc);
	nno_text_add(&t, "trial,spent,value,seconds,failed");
	for (int i = 0; i < search->axis_count; i++)
		nno_text_addf(&t, ",%s", search->axes[i].name);
	nno_text_add(&t, "\r\n");
	for (int64_t k = 0; k < search->count; k++) {
		const nnopt_trial *trial = search->trials[k];
		nno_text_addf(&t, "%lld,%lld,", (long long)trial->id, (long long)trial->spent);
		if (isfinite(trial->result))
			nno_text_add_number(&t, trial->result, false);
		nno_text_add(&t, ",");
		nno_text_add_fixed(&t, trial->seconds, 3);
		nno_text_addf(&t, ",%d", trial->error != NULL);
		for (int i = 0; i < search->axis_count; i++) {
			const nno_axis *axis = &search->axes[i];
			nno_text_add(&t, ",");
			if (axis->kind == NNO_AXIS_CHOICE)
				nno_text_add_csv(&t, axis->choices[(int64_t)trial->value[i]]);
			else
				nno_text_add_number(&t, trial->value[i], false);
		}
		nno_text_add(&t, "\r\n");
	}
	return write_text(search, &t, path, "search_write_csv");
}

/* --- the picture --- */

/* Upright, as all axes are. */
static nno_svg_scale upright(nno_svg_scale s)
{
	nno_svg_settle(&s);
	s.from = TOP + HEIGHT;
	s.to = TOP;
	return s;
}

static nno_svg_scale scale_of(const nno_axis *a)
{
	return upright((nno_svg_scale){ .low = a->low, .high = a->high, .logarithmic = a->logarithmic });
}

static nno_svg_scale results_of(const nnopt_search *s)
{
	nno_svg_scale r = nno_svg_range(false);
	for (int64_t i = 0; i < s->count; i++)
		nno_svg_widen(&r, s->trials[i]->result);
	return upright(r);
}

static void add_axis(nno_text *t, const nno_axis *a, int x)
{
	char text[NNO_VALUE_TEXT];
	nno_svg_scale scale = scale_of(a);
	nno_svg_line(t, x, TOP, x, TOP + HEIGHT, "axis");
	nno_svg_text(t, x, TOP - 24, "middle", "name", a->name);
	int64_t points = nno_axis_points(a);
	bool each = a->kind == NNO_AXIS_CHOICE || (a->kind == NNO_AXIS_INTEGER && points <= 12);
	int64_t ticks = each ? points : TICKS;
	for (int64_t i = 0; i < ticks; i++) {
		double share = ticks > 1 ? (double)i / (double)(ticks - 1) : 0.5;
		double value = each             ? nno_axis_point(a, i)
			       : a->logarithmic ? a->low * pow(a->high / a->low, share)
						: a->low + share * (a->high - a->low);
		if (a->kind == NNO_AXIS_INTEGER)
			value = rint(value);
		nno_svg_text(t, x - 6, nno_svg_place(&scale, value) + 4.0, "end", "tick",
			     nno_axis_text(a, value, text));
	}
}

static void add_result_axis(nno_text *t, const nnopt_search *s, const nno_svg_scale *r, int x)
{
	nno_svg_line(t, x, TOP, x, TOP + HEIGHT, "axis");
	nno_svg_text(t, x, TOP - 24, "middle", "name",
		     s->o.maximise ? "result (more is better)" : "result (less is better)");
	for (int i = 0; i < TICKS; i++) {
		char text[NNO_NUMBER_TEXT];
		double value = r->low + (r->high - r->low) * i / (TICKS - 1);
		nno_print_number(text, value, 4);
		nno_svg_text(t, x + 6, nno_svg_place(r, value) + 4.0, "start", "tick", text);
	}
}

/* Blue for the worst, over grey, to orange for the best: told apart by all eyes, on light and dark ground. */
static void add_colour(nno_text *t, double goodness)
{
	static const int stops[3][3] = { { 66, 133, 200 }, { 150, 150, 150 }, { 230, 120, 20 } };
	int from = goodness < 0.5 ? 0 : 1;
	double share = 2.0 * goodness - from;
	int c[3];
	for (int i = 0; i < 3; i++)
		c[i] = (int)(stops[from][i] + share * (stops[from + 1][i] - stops[from][i]) + 0.5);
	nno_text_addf(t, "rgb(%d,%d,%d)", c[0], c[1], c[2]);
}

static void add_trial(nno_text *t, const nnopt_search *s, const nnopt_trial *trial, const nno_svg_scale *r, bool best)
{
	/* Of a result beyond the axis, whose ends are within 1e300, that of the nearer end. */
	double goodness = fmin(fmax((trial->result - r->low) / (r->high - r->low), 0.0), 1.0);
	nno_text_addf(t, "<polyline class=\"%s\" stroke=\"", best ? "best" : "trial");
	add_colour(t, s->o.maximise ? goodness : 1.0 - goodness);
	nno_text_add(t, "\" points=\"");
	for (int i = 0; i < s->axis_count; i++) {
		nno_svg_scale scale = scale_of(&s->axes[i]);
		nno_text_addf(t, "%d,", LEFT + i * AXIS_STEP);
		nno_text_add_fixed(t, nno_svg_place(&scale, trial->value[i]), 1);
		nno_text_add(t, " ");
	}
	nno_text_addf(t, "%d,", LEFT + s->axis_count * AXIS_STEP);
	nno_text_add_fixed(t, nno_svg_place(r, trial->result), 1);
	nno_text_addf(t, "\"><title>trial %lld, spent %lld, result ", (long long)trial->id, (long long)trial->spent);
	add_result(t, trial->result);
	nno_text_add(t, "</title></polyline>\n");
}

static const char style[] =
    "<style>.trial{fill:none;stroke-width:1.3;stroke-opacity:.6}.best{fill:none;stroke-width:3.5}</style>\n";

static nnopt_status draw(nno_text *t, const nnopt_search *search, const char *what)
{
	int64_t best = nnopt_search_best(search), *order = NULL;
	if (best < 0)
		return nno_fail(NNOPT_ERROR_STATE, "%s: no trial has a result", what);
	NNO_TRY(nno_search_rank(search, &order));
	nno_svg_scale r = results_of(search);
	char label[64];
	snprintf(label, sizeof label, "%lld trials in parallel coordinates", (long long)search->count);
	nno_svg_begin(t, 2 * LEFT + search->axis_count * AXIS_STEP + 40, TOP + HEIGHT + BOTTOM, label);
	nno_text_add(t, nno_svg_style);
	nno_text_add(t, style);
	/* The best on top of the others. */
	for (int64_t at = search->count; at-- > 0;)
		if (isfinite(search->trials[order[at]]->result))
			add_trial(t, search, search->trials[order[at]], &r, order[at] == best);
	for (int i = 0; i < search->axis_count; i++)
		add_axis(t, &search->axes[i], LEFT + i * AXIS_STEP);
	add_result_axis(t, search, &r, LEFT + search->axis_count * AXIS_STEP);
	nno_svg_end(t);
	nno_delete(&search->context->alloc, order);
	return NNOPT_OK;
}

nnopt_status nnopt_search_svg(const nnopt_search *search, char *text, size_t size, size_t *needed)
{
	if (search == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search_svg: search is NULL");
	nno_text t;
	nno_text_start(&t, &search->context->alloc);
	nnopt_status status = draw(&t, search, "search_svg");
	if (status == NNOPT_OK)
		status = nno_text_give(&t, text, size, needed, "search_svg");
	nno_text_free(&t);
	return status;
}

nnopt_status nnopt_search_write_svg(const nnopt_search *search, const char *path)
{
	if (search == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "search_write_svg: %s is NULL",
				search == NULL ? "search" : "path");
	nno_text t;
	nno_text_start(&t, &search->context->alloc);
	NNO_TRY(draw(&t, search, "search_write_svg"));
	return write_text(search, &t, path, "search_write_svg");
}
