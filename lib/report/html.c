/* html.c - the report: a list of sections, and the page around them. */
#include "report/html.h"

#include "base/size.h"
#include "nnopt/version.h"

#include <string.h>

static const nnopt_report_options defaults = { .struct_size = sizeof defaults,
					       .title = "Training report",
					       .language = "en",
					       .curve_points = 400,
					       .picture_side = 224,
					       .table_rows = 200 };

nnopt_status nnopt_report_options_init(nnopt_report_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "report_options");
}

static nnopt_status check_range(const char *name, int64_t value, int64_t least, int64_t most)
{
	if (value >= least && value <= most)
		return NNOPT_OK;
	return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "report_options: %s %lld, %lld to %lld wanted", name,
			(long long)value, (long long)least, (long long)most);
}

nnopt_status nnopt_report_create(nnopt_report **out, nnopt_context *context, const nnopt_report_options *options)
{
	if (out == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "report_create: %s is NULL",
				out == NULL ? "out" : "context");
	nnopt_report_options o = defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "report_options"));
	NNO_TRY(check_range("curve_points", o.curve_points, 16, 65536));
	NNO_TRY(check_range("picture_side", o.picture_side, 16, 4096));
	NNO_TRY(check_range("table_rows", o.table_rows, 8, 1048576));
	if (o.title == NULL || o.language == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "report_options: %s is NULL",
				o.title == NULL ? "title" : "language");
	const nno_alloc *a = &context->alloc;
	nnopt_report *r = nno_new(a, sizeof *r);
	if (r == NULL)
		return nno_fail_memory("report_create", sizeof *r);
	r->context = nno_context_take(context);
	r->title = nno_new_text(a, o.title, strlen(o.title));
	r->language = nno_new_text(a, o.language, strlen(o.language));
	r->subtitle = o.subtitle != NULL ? nno_new_text(a, o.subtitle, strlen(o.subtitle)) : NULL;
	r->curve_points = o.curve_points;
	r->picture_side = o.picture_side;
	r->table_rows = o.table_rows;
	if (r->title == NULL || r->language == NULL || (o.subtitle != NULL && r->subtitle == NULL)) {
		nnopt_report_destroy(r);
		return nno_fail_memory("report_create", strlen(o.title));
	}
	*out = r;
	return NNOPT_OK;
}

void nnopt_report_destroy(nnopt_report *r)
{
	if (r == NULL)
		return;
	nnopt_context *context = r->context;
	const nno_alloc *a = &context->alloc;
	for (int64_t i = 0; i < r->count; i++) {
		nno_delete(a, r->sections[i].title);
		nno_text_free(&r->sections[i].body);
	}
	nno_delete(a, r->sections);
	nno_delete(a, r->title);
	nno_delete(a, r->subtitle);
	nno_delete(a, r->language);
	nno_delete(a, r->follow.title);
	nno_delete(a, r->follow.path);
	nno_delete(a, r->follow.records);
	nno_delete(a, r);
	nno_context_drop(context);
}

int64_t nnopt_report_sections(const nnopt_report *r) { return r == NULL ? 0 : r->count; }

nnopt_status nno_report_check(const nnopt_report *report, const void *given, const char *name, const char *what)
{
	if (report == NULL || given == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s is NULL", what, report == NULL ? "report" : name);
	return NNOPT_OK;
}

nnopt_status nno_report_check_count(int64_t count, const char *what)
{
	return count >= 0
		   ? NNOPT_OK
		   : nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: count %lld, 0 or more wanted", what, (long long)count);
}

static nnopt_status add_section(nnopt_report *r, const char *title, nno_text *body, const char *what)
{
	const nno_alloc *a = &r->context->alloc;
	if (r->count == r->room) {
		int64_t room = 2 * r->room + 8;
		nno_report_section *grown = nno_grow(a, r->sections, (size_t)room * sizeof *grown);
		if (grown == NULL)
			return nno_fail_memory(what, (size_t)room * sizeof *grown);
		r->sections = grown;
		r->room = room;
	}
	char *copy = nno_new_text(a, title, strlen(title));
	if (copy == NULL)
		return nno_fail_memory(what, strlen(title));
	r->sections[r->count++] = (nno_report_section){ copy, *body };
	return NNOPT_OK;
}

nnopt_status nno_report_put(nnopt_report *r, const char *title, nno_text *body, const char *what)
{
	nnopt_status status = nno_text_check(body, what);
	for (int64_t i = 0; status == NNOPT_OK && i < r->count; i++)
		if (strcmp(r->sections[i].title, title) == 0) {
			nno_text_free(&r->sections[i].body);
			r->sections[i].body = *body;
			return NNOPT_OK;
		}
	if (status == NNOPT_OK)
		status = add_section(r, title, body, what);
	if (status != NNOPT_OK)
		nno_text_free(body);
	return status;
}

static void add_escaped(nno_text *t, const char *before, const char *text, const char *after)
{
	nno_text_add(t, before);
	nno_text_add_xml(t, text);
	nno_text_add(t, after);
}

/* reload 0: the page stays as it is. */
static void write_page(const nnopt_report *r, nno_text *t, int64_t reload)
{
	add_escaped(t, "<!DOCTYPE html>\n<html lang=\"", r->language, "\">\n<head>\n<meta charset=\"utf-8\">\n");
	nno_text_add(t, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
			"<meta name=\"color-scheme\" content=\"light dark\">\n");
	if (reload > 0)
		nno_text_addf(t, "<meta http-equiv=\"refresh\" content=\"%lld\">\n", (long long)reload);
	add_escaped(t, "<title>", r->title, "</title>\n<style>\n");
	nno_text_add(t, nno_report_style);
	add_escaped(t, "</style>\n</head>\n<body>\n<header>\n<h1>", r->title, "</h1>\n");
	if (r->subtitle != NULL)
		add_escaped(t, "<p>", r->subtitle, "</p>\n");
	nno_text_add(t, "</header>\n");
	if (r->count > 1) {
		nno_text_add(t, "<nav aria-label=\"Sections\">\n");
		for (int64_t i = 0; i < r->count; i++) {
			nno_text_addf(t, "<a href=\"#s%lld\">", (long long)i + 1);
			add_escaped(t, "", r->sections[i].title, "</a>\n");
		}
		nno_text_add(t, "</nav>\n");
	}
	nno_text_add(t, "<main>\n");
	for (int64_t i = 0; i < r->count; i++) {
		nno_text_addf(t, "<section id=\"s%lld\" aria-labelledby=\"t%lld\">\n<h2 id=\"t%lld\">",
			      (long long)i + 1, (long long)i + 1, (long long)i + 1);
		add_escaped(t, "", r->sections[i].title, "</h2>\n");
		if (r->sections[i].body.length > 0)
			nno_text_add_n(t, r->sections[i].body.data, r->sections[i].body.length);
		nno_text_add(t, "</section>\n");
	}
	nno_text_addf(t, "</main>\n<footer>libnnopt %s</footer>\n</body>\n</html>\n", nnopt_version_string());
}

nnopt_status nnopt_report_html(const nnopt_report *report, char *text, size_t size, size_t *needed)
{
	NNO_TRY(nno_report_check(report, report, "report", "report_html"));
	nno_text t;
	nno_text_start(&t, &report->context->alloc);
	write_page(report, &t, 0);
	nnopt_status status = nno_text_give(&t, text, size, needed, "report_html");
	nno_text_free(&t);
	return status;
}

nnopt_status nno_report_write(const nnopt_report *r, const char *path, int64_t reload, const char *what)
{
	const nnopt_context *c = r->context;
	nno_text t;
	nno_text_start(&t, &c->alloc);
	write_page(r, &t, reload);
	nnopt_status status = nno_text_check(&t, what);
	if (status == NNOPT_OK)
		status = nno_replace_with(c->io, &c->alloc, path, t.data, t.length);
	nno_text_free(&t);
	return status;
}

nnopt_status nnopt_report_write(const nnopt_report *report, const char *path)
{
	NNO_TRY(nno_report_check(report, path, "path", "report_write"));
	return nno_report_write(report, path, 0, "report_write");
}
