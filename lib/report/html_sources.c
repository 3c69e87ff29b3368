/* html_sources.c - what the library knows of a model, of data, and of a search. */
#include "report/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A number that people read at a glance: "1.23 M". */
static void add_large(nno_text *t, const char *name, double value, const char *unit)
{
	static const char *const prefixes[] = { "", "k", "M", "G", "T" };
	int k = 0;
	char text[NNO_NUMBER_TEXT], all[NNO_NUMBER_TEXT + 16];
	for (; value >= 999.5 && k < 4; k++) /* three digits would make a thousand of it */
		value /= 1000.0;
	nno_print_number(text, value, 3);
	snprintf(all, sizeof all, "%s%s%s%s", text, k > 0 || unit[0] != '\0' ? " " : "", prefixes[k], unit);
	nno_report_fact(t, name, all);
}

/* --- model --- */

typedef struct layers {
	const char **names, **kinds, **shapes;
	char (*texts)[64];
	double *parameters;
	int64_t count;
} layers;

static bool make_layers(layers *l, const nno_alloc *a, const nnopt_model *m)
{
	l->count = nnopt_model_node_count(m) - 1;
	l->names = nno_new_array(a, (size_t)l->count + 1, 3 * sizeof *l->names);
	l->texts = nno_new_array(a, (size_t)l->count + 1, sizeof *l->texts);
	l->parameters = nno_new_array(a, (size_t)l->count + 1, sizeof *l->parameters);
	if (l->names == NULL || l->texts == NULL || l->parameters == NULL)
		return false;
	l->kinds = l->names + l->count;
	l->shapes = l->kinds + l->count;
	for (int64_t i = 0; i < l->count; i++) {
		nnopt_node_info info = { .struct_size = sizeof info };
		(void)nnopt_model_node_info(m, (int32_t)i + 1, &info);
		l->names[i] = info.name;
		l->kinds[i] = info.kind;
		l->parameters[i] = (double)info.parameters;
		if (info.rank == 3)
			snprintf(l->texts[i], sizeof l->texts[i], "%lld \xc3\x97 %lld \xc3\x97 %lld",
				 (long long)info.shape[0], (long long)info.shape[1], (long long)info.shape[2]);
		else
			snprintf(l->texts[i], sizeof l->texts[i], "%lld", (long long)info.shape[0]);
		l->shapes[i] = l->texts[i];
	}
	return true;
}

static void free_layers(layers *l, const nno_alloc *a)
{
	nno_delete(a, l->names);
	nno_delete(a, l->texts);
	nno_delete(a, l->parameters);
}

static void add_model_facts(nno_text *t, const nnopt_plan_info *info, const int64_t *shape, int32_t rank, int64_t count)
{
	char text[96];
	if (rank == 3)
		snprintf(text, sizeof text, "%lld \xc3\x97 %lld \xc3\x97 %lld", (long long)shape[0],
			 (long long)shape[1], (long long)shape[2]);
	else
		snprintf(text, sizeof text, "%lld", (long long)shape[0]);
	nno_report_facts_begin(t);
	nno_report_fact(t, "Input", text);
	nno_report_fact_number(t, "Layers", (double)count, 0, NULL);
	add_large(t, "Parameters", (double)info->parameters, "");
	if (info->trainable_parameters != info->parameters)
		add_large(t, "Trainable", (double)info->trainable_parameters, "");
	add_large(t, "Multiply-adds a picture", (double)info->macs, "");
	add_large(t, "Size of the weights", (double)info->parameters * (double)sizeof(float), "B");
	nno_report_facts_end(t);
}

nnopt_status nnopt_report_add_model(nnopt_report *report, const char *title, nnopt_model *model)
{
	NNO_TRY(nno_report_check(report, model, "model", "report_add_model"));
	const nno_alloc *a = &report->context->alloc;
	nnopt_plan *plan = NULL;
	nnopt_plan_info info = { .struct_size = sizeof info };
	int64_t shape[NNOPT_MAX_RANK] = { 0 };
	layers l = { NULL };
	NNO_TRY(nnopt_plan_create(&plan, model, NULL)); /* for one picture: it knows the work */
	nnopt_status status = nnopt_plan_get_info(plan, &info);
	nnopt_plan_destroy(plan);
	if (status != NNOPT_OK)
		return status;
	nno_text t;
	nno_text_start(&t, a);
	t.failed = !make_layers(&l, a, model);
	if (!t.failed) {
		const nnopt_report_column columns[] = {
			{ .name = "layer", .texts = l.names },
			{ .name = "kind", .texts = l.kinds },
			{ .name = "output", .texts = l.shapes },
			{ .name = "parameters", .values = l.parameters, .kind = NNOPT_COLUMN_BAR },
		};
		const nnopt_report_column *own[] = { &columns[0], &columns[1], &columns[2], &columns[3] };
		add_model_facts(&t, &info, shape, nnopt_model_input_shape(model, shape), l.count);
		nno_text_add(&t, "<details><summary>Layers</summary>\n");
		nno_report_table(report, &t, "Layers", own, 4, l.count);
		nno_text_add(&t, "</details>\n");
	}
	free_layers(&l, a);
	return nno_report_put(report, title != NULL ? title : "Model", &t, "report_add_model");
}

/* --- audit --- */

static void add_finding_counts(nno_text *t, const nnopt_audit *audit)
{
	nno_report_facts_begin(t);
	for (int32_t kind = 0; nnopt_finding_kind_name(kind) != NULL; kind++)
		if (nnopt_audit_count_kind(audit, kind) > 0)
			nno_report_fact_number(t, nnopt_finding_kind_name(kind),
					       (double)nnopt_audit_count_kind(audit, kind), 0, NULL);
	nno_report_facts_end(t);
}

/* The texts of `n` findings, four of each, in one block. */
static const char **finding_texts(const nno_alloc *a, const nnopt_audit *audit, int64_t n, double *index)
{
	const char **texts = nno_new_array(a, (size_t)n + 1, 4 * sizeof *texts);
	for (int64_t i = 0; texts != NULL && i < n; i++) {
		nnopt_finding f = { .struct_size = sizeof f };
		(void)nnopt_audit_finding(audit, i, &f);
		texts[i] = nnopt_finding_kind_name(f.kind);
		texts[n + i] = nnopt_suggestion_name(f.suggestion);
		texts[2 * n + i] = f.text;
		texts[3 * n + i] = f.name;
		index[i] = (double)f.index;
	}
	return texts;
}

nnopt_status nnopt_report_add_audit(nnopt_report *report, const char *title, const nnopt_audit *audit)
{
	NNO_TRY(nno_report_check(report, audit, "audit", "report_add_audit"));
	const nno_alloc *a = &report->context->alloc;
	int64_t all = nnopt_audit_count(audit), n = all < report->table_rows ? all : report->table_rows;
	nno_text t;
	nno_text_start(&t, a);
	double *index = nno_new_array(a, (size_t)n + 1, sizeof *index);
	const char **texts = index != NULL ? finding_texts(a, audit, n, index) : NULL;
	t.failed = texts == NULL;
	if (!t.failed && all == 0)
		nno_text_add(&t, "<p>Nothing was found.</p>\n");
	if (!t.failed && all > 0) {
		const nnopt_report_column columns[] = {
			{ .name = "finding", .texts = texts },
			{ .name = "sample", .values = index, .kind = NNOPT_COLUMN_NUMBER },
			{ .name = "suggestion", .texts = texts + n },
			{ .name = "why", .texts = texts + 2 * n },
			{ .name = "file", .texts = texts + 3 * n },
		};
		const nnopt_report_column *own[] = { &columns[0], &columns[1], &columns[2], &columns[3], &columns[4] };
		add_finding_counts(&t, audit);
		nno_report_table(report, &t, "Findings", own, 5, n);
		nno_report_more(&t, all - n);
	}
	nno_delete(a, texts);
	nno_delete(a, index);
	return nno_report_put(report, title != NULL ? title : "Data audit", &t, "report_add_audit");
}

/* --- search --- */

/* What a function of the text rule gives. */
static nnopt_status take_text(char **text, const nno_alloc *a, const nnopt_search *search,
			      nnopt_status (*give)(const nnopt_search *, char *, size_t, size_t *))
{
	size_t needed = 0;
	NNO_TRY(give(search, NULL, 0, &needed));
	*text = nno_new_raw(a, needed);
	return *text != NULL ? give(search, *text, needed, NULL) : nno_fail_memory("report_add_search", needed);
}

/* Cuts all lines but the first `most`, and tells how many. */
static int64_t cut(char *text, int64_t most)
{
	int64_t more = 0;
	char *end = text;
	for (; most > 0 && *end != '\0'; end++)
		most -= *end == '\n';
	for (const char *at = end; *at != '\0'; at++)
		more += *at == '\n';
	*end = '\0';
	return more;
}

static nnopt_status write_search(const nnopt_report *r, nno_text *t, const nnopt_search *search)
{
	const nno_alloc *a = &r->context->alloc;
	char *svg = NULL, *table = NULL;
	nnopt_status status = NNOPT_OK;
	if (nnopt_search_best(search) >= 0)
		status = take_text(&svg, a, search, nnopt_search_svg);
	if (status == NNOPT_OK)
		status = take_text(&table, a, search, nnopt_search_table);
	if (status == NNOPT_OK && svg != NULL) {
		nno_text_add(t, "<div class=\"wide\">");
		nno_text_add(t, svg);
		nno_text_add(t, "</div>\n");
	}
	if (status == NNOPT_OK) {
		int64_t more = cut(table, 1 + r->table_rows); /* under its headings */
		nno_text_add(t, "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Trials\"><pre>");
		nno_text_add_xml(t, table);
		nno_text_add(t, "</pre></div>\n");
		nno_report_more(t, more);
	}
	nno_delete(a, svg);
	nno_delete(a, table);
	return status;
}

nnopt_status nnopt_report_add_search(nnopt_report *report, const char *title, const nnopt_search *search)
{
	NNO_TRY(nno_report_check(report, search, "search", "report_add_search"));
	nno_text t;
	nno_text_start(&t, &report->context->alloc);
	nnopt_status status = write_search(report, &t, search);
	if (status == NNOPT_OK)
		return nno_report_put(report, title != NULL ? title : "Search", &t, "report_add_search");
	nno_text_free(&t);
	return status;
}
