/* html_values.c - texts, names with values, and tables: numbers with their intervals, as text and drawn. */
#include "report/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void nno_report_number(nno_text *t, double value, int decimals, int sign, const char *unit)
{
	if (!isfinite(value)) {
		nno_text_add(t, "\xe2\x80\x93");
		return;
	}
	if (fabs(value) < 0.5 * pow(10.0, -decimals))
		value = 0.0; /* no minus in front of zeros */
	if (sign && value > 0.0)
		nno_text_add(t, "+");
	else if (value < 0.0)
		nno_text_add(t, "\xe2\x88\x92");
	nno_text_add_fixed(t, fabs(value), decimals);
	if (unit != NULL)
		nno_text_add_xml(t, unit);
}

const char *nno_report_name(const char *const *names, int64_t index, char number[NNO_REPORT_NUMBER])
{
	if (names != NULL && names[index] != NULL)
		return names[index];
	snprintf(number, NNO_REPORT_NUMBER, "%lld", (long long)index);
	return number;
}

bool nno_report_names_make(nno_report_names *out, const nno_alloc *a, const char *const *names, int64_t n)
{
	out->names = nno_new_array(a, (size_t)n + 1, sizeof *out->names);
	out->numbers = nno_new_array(a, (size_t)n + 1, sizeof *out->numbers);
	if (out->names == NULL || out->numbers == NULL)
		return false;
	for (int64_t i = 0; i < n; i++)
		out->names[i] = nno_report_name(names, i, out->numbers[i]);
	return true;
}

void nno_report_names_free(nno_report_names *names, const nno_alloc *a)
{
	nno_delete(a, names->names);
	nno_delete(a, names->numbers);
}

/* --- text and values --- */

nnopt_status nnopt_report_add_text(nnopt_report *report, const char *title, const char *text)
{
	NNO_TRY(nno_report_check(report, text, "text", "report_add_text"));
	nno_text t;
	nno_text_start(&t, &report->context->alloc);
	while (*text != '\0') {
		const char *end = strstr(text, "\n\n");
		size_t n = end != NULL ? (size_t)(end - text) : strlen(text);
		char *paragraph = nno_new_text(&report->context->alloc, text, n);
		if (paragraph == NULL)
			t.failed = true;
		else if (n > 0) {
			nno_text_add(&t, "<p>");
			nno_text_add_xml(&t, paragraph);
			nno_text_add(&t, "</p>\n");
		}
		nno_delete(&report->context->alloc, paragraph);
		text += end != NULL ? n + 2 : n;
	}
	return nno_report_put(report, title != NULL ? title : "Notes", &t, "report_add_text");
}

void nno_report_facts_begin(nno_text *t) { nno_text_add(t, "<dl>\n"); }
void nno_report_facts_end(nno_text *t) { nno_text_add(t, "</dl>\n"); }

void nno_report_fact(nno_text *t, const char *name, const char *value)
{
	nno_text_add(t, "<div><dt>");
	nno_text_add_xml(t, name);
	nno_text_add(t, "</dt><dd>");
	nno_text_add_xml(t, value);
	nno_text_add(t, "</dd></div>\n");
}

void nno_report_fact_number(nno_text *t, const char *name, double value, int decimals, const char *unit)
{
	nno_text_add(t, "<div><dt>");
	nno_text_add_xml(t, name);
	nno_text_add(t, "</dt><dd>");
	nno_report_number(t, value, decimals, 0, unit);
	nno_text_add(t, "</dd></div>\n");
}

nnopt_status nnopt_report_add_values(nnopt_report *report, const char *title, const char *const *names,
				     const char *const *values, int64_t count)
{
	NNO_TRY(nno_report_check(report, count == 0 ? "" : (const void *)names, "names", "report_add_values"));
	NNO_TRY(nno_report_check(report, count == 0 ? "" : (const void *)values, "values", "report_add_values"));
	NNO_TRY(nno_report_check_count(count, "report_add_values"));
	nno_text t;
	nno_text_start(&t, &report->context->alloc);
	if (count > 0)
		nno_report_facts_begin(&t);
	for (int64_t i = 0; i < count; i++)
		nno_report_fact(&t, names[i] != NULL ? names[i] : "", values[i] != NULL ? values[i] : "");
	if (count > 0)
		nno_report_facts_end(&t);
	return nno_report_put(report, title != NULL ? title : "Summary", &t, "report_add_values");
}

/* --- tables --- */

/* What the drawn part of a column reaches from and to. */
static nno_svg_scale drawn_range(const nnopt_report_column *c, int64_t rows)
{
	nno_svg_scale s = nno_svg_range(false);
	for (int64_t i = 0; i < rows; i++) {
		nno_svg_widen(&s, c->values[i]);
		if (c->low != NULL && c->high != NULL) {
			nno_svg_widen(&s, c->low[i]);
			nno_svg_widen(&s, c->high[i]);
		}
	}
	if (c->kind == NNOPT_COLUMN_BAR || c->sign)
		nno_svg_widen(&s, 0.0);
	nno_svg_settle(&s);
	if (c->kind == NNOPT_COLUMN_DOT) { /* dots stay on their line */
		double room = 0.04 * (s.high - s.low);
		s.low -= room;
		s.high += room;
	}
	s.from = 0.0;
	s.to = 100.0;
	return s;
}

static void add_share(nno_text *t, const char *name, double share)
{
	nno_text_addf(t, "--%s:", name);
	nno_text_add_fixed(t, fmin(fmax(share, 0.0), 100.0), 1);
	nno_text_add(t, "%;");
}

static void add_drawn(nno_text *t, const nnopt_report_column *c, int64_t row, const nno_svg_scale *s)
{
	double value = c->values[row];
	bool interval = c->low != NULL && c->high != NULL && isfinite(c->low[row]) && isfinite(c->high[row]);
	if (!isfinite(value))
		return;
	nno_text_addf(t, "<span class=\"track %s%s\" aria-hidden=\"true\" style=\"",
		      c->kind == NNOPT_COLUMN_BAR ? "bar" : "dot", s->low < 0.0 && s->high > 0.0 ? " signed" : "");
	add_share(t, "v", nno_svg_place(s, value));
	add_share(t, "z", nno_svg_place(s, 0.0));
	if (interval) {
		add_share(t, "l", nno_svg_place(s, c->low[row]));
		add_share(t, "h", nno_svg_place(s, c->high[row]));
	}
	nno_text_addf(t, "\">%s</span>", interval ? "<i></i>" : "");
}

static void add_cell(nno_text *t, const nnopt_report_column *c, int64_t row, const nno_svg_scale *s, bool heading)
{
	if (c->kind == NNOPT_COLUMN_TEXT) {
		nno_text_add(t, heading ? "<th scope=\"row\">" : "<td>");
		nno_text_add_xml(t, c->texts[row] != NULL ? c->texts[row] : "");
		nno_text_add(t, heading ? "</th>" : "</td>");
		return;
	}
	nno_text_add(t, "<td class=\"n\">");
	nno_report_number(t, c->values[row], c->decimals, c->sign, c->unit);
	if (c->low != NULL && c->high != NULL && isfinite(c->low[row]) && isfinite(c->high[row])) {
		nno_text_add(t, " <small>");
		nno_report_number(t, c->low[row], c->decimals, c->sign, NULL);
		nno_text_add(t, " to ");
		nno_report_number(t, c->high[row], c->decimals, c->sign, NULL);
		nno_text_add(t, "</small>");
	}
	if (c->kind != NNOPT_COLUMN_NUMBER)
		add_drawn(t, c, row, s);
	nno_text_add(t, "</td>");
}

void nno_report_more(nno_text *t, int64_t rows)
{
	if (rows > 0)
		nno_text_addf(t, "<p class=\"note\">and %lld more</p>\n", (long long)rows);
}

void nno_report_table(const nnopt_report *r, nno_text *t, const char *caption,
		      const nnopt_report_column *const *columns, int64_t column_count, int64_t rows)
{
	int64_t shown = rows < r->table_rows ? rows : r->table_rows;
	nno_svg_scale scales[NNO_REPORT_COLUMNS];
	for (int64_t k = 0; k < column_count; k++)
		if (columns[k]->kind >= NNOPT_COLUMN_BAR)
			scales[k] = drawn_range(columns[k], shown);
	nno_text_add(t, "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"");
	nno_text_add_xml(t, caption);
	nno_text_add(t, "\">\n<table>\n<thead><tr>");
	for (int64_t k = 0; k < column_count; k++) {
		nno_text_add(t, columns[k]->kind == NNOPT_COLUMN_TEXT ? "<th scope=\"col\">"
								      : "<th scope=\"col\" class=\"n\">");
		nno_text_add_xml(t, columns[k]->name != NULL ? columns[k]->name : "");
		nno_text_add(t, "</th>");
	}
	nno_text_add(t, "</tr></thead>\n<tbody>\n");
	for (int64_t i = 0; i < shown && !t->failed; i++) {
		nno_text_add(t, "<tr>");
		for (int64_t k = 0; k < column_count; k++)
			add_cell(t, columns[k], i, &scales[k], k == 0);
		nno_text_add(t, "</tr>\n");
	}
	nno_text_add(t, "</tbody>\n</table>\n</div>\n");
	nno_report_more(t, rows - shown);
}

static nnopt_status read_column(nnopt_report_column *c, const nnopt_report_column *given, int64_t index)
{
	if (given == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "report_add_table: column %lld is NULL",
				(long long)index);
	NNO_TRY(nnopt_options_read(c, sizeof *c, given, "report_column"));
	const char *wrong = c->kind < 0 || c->kind > NNOPT_COLUMN_DOT           ? "is of an unknown kind"
			    : c->decimals < 0 || c->decimals > 12               ? "has decimals outside 0 to 12"
			    : c->kind == NNOPT_COLUMN_TEXT && c->texts == NULL  ? "has no texts"
			    : c->kind != NNOPT_COLUMN_TEXT && c->values == NULL ? "has no values"
			    : !c->low != !c->high                               ? "has one of low and high"
										: NULL;
	if (wrong != NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "report_add_table: column %lld %s", (long long)index,
				wrong);
	return NNOPT_OK;
}

nnopt_status nnopt_report_add_table(nnopt_report *report, const char *title, const nnopt_report_column *const *columns,
				    int64_t column_count, int64_t rows, const char *note)
{
	NNO_TRY(nno_report_check(report, columns, "columns", "report_add_table"));
	if (column_count < 1 || column_count > NNO_REPORT_COLUMNS || rows < 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"report_add_table: %lld columns, 1 to %d, and %lld rows, 0 or more wanted",
				(long long)column_count, NNO_REPORT_COLUMNS, (long long)rows);
	nnopt_report_column read[NNO_REPORT_COLUMNS] = { 0 };
	const nnopt_report_column *own[NNO_REPORT_COLUMNS];
	for (int64_t k = 0; k < column_count; k++) {
		NNO_TRY(read_column(&read[k], columns[k], k));
		own[k] = &read[k];
	}
	nno_text t;
	nno_text_start(&t, &report->context->alloc);
	title = title != NULL ? title : "Table";
	nno_report_table(report, &t, title, own, column_count, rows);
	if (note != NULL) {
		nno_text_add(&t, "<p class=\"note\">");
		nno_text_add_xml(&t, note);
		nno_text_add(&t, "</p>\n");
	}
	return nno_report_put(report, title, &t, "report_add_table");
}
