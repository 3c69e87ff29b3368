/* audit.c - the list of findings: kept, told, written, applied. */
#include "data/audit.h"

#include "base/size.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = { "unreadable",     "off-size", "constant", "duplicate",
					  "near-duplicate", "leak",     "label",    "outlier" };
static const char *const suggestion_names[] = { "review", "remove", "relabel" };

static nnopt_status make_room(nnopt_audit *audit)
{
	if (audit->count < audit->room)
		return NNOPT_OK;
	int64_t room = audit->room < 64 ? 64 : 2 * audit->room;
	void *list = nno_grow(&audit->dataset->context->alloc, audit->list, (size_t)room * sizeof *audit->list);
	if (list == NULL)
		return nno_fail_memory("audit", (size_t)room * sizeof *audit->list);
	audit->list = list;
	audit->room = room;
	return NNOPT_OK;
}

nnopt_status nno_audit_add(nnopt_audit *audit, const nno_finding *finding, const char *format, ...)
{
	NNO_TRY(make_room(audit));
	va_list args;
	va_start(args, format);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	size_t bytes = (size_t)(n > 0 ? n : 0) + 1;
	char *text = nno_new(&audit->dataset->context->alloc, bytes);
	if (text == NULL)
		return nno_fail_memory("audit", bytes);
	va_start(args, format);
	vsnprintf(text, bytes, format, args);
	va_end(args);
	audit->list[audit->count] = *finding;
	audit->list[audit->count++].text = text;
	return NNOPT_OK;
}

void nno_audit_shorten(nnopt_audit *audit, int64_t count)
{
	while (audit->count > count)
		nno_delete(&audit->dataset->context->alloc, audit->list[--audit->count].text);
}

nnopt_status nnopt_audit_create(nnopt_audit **out, nnopt_dataset *dataset)
{
	if (out == NULL || dataset == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "audit: %s is NULL", out == NULL ? "out" : "dataset");
	nnopt_audit *audit = nno_new(&dataset->context->alloc, sizeof *audit);
	if (audit == NULL)
		return nno_fail_memory("audit", sizeof *audit);
	audit->dataset = nno_dataset_take(dataset);
	*out = audit;
	return NNOPT_OK;
}

void nnopt_audit_destroy(nnopt_audit *audit)
{
	if (audit == NULL)
		return;
	nnopt_context *context = nno_context_take(audit->dataset->context);
	for (int64_t i = 0; i < audit->count; i++)
		nno_delete(&context->alloc, audit->list[i].text);
	nno_delete(&context->alloc, audit->list);
	nnopt_dataset_destroy(audit->against);
	nnopt_dataset_destroy(audit->dataset);
	nno_delete(&context->alloc, audit);
	nno_context_drop(context);
}

int64_t nnopt_audit_count(const nnopt_audit *audit) { return audit == NULL ? 0 : audit->count; }

int64_t nnopt_audit_count_kind(const nnopt_audit *audit, int32_t kind)
{
	int64_t n = 0;
	for (int64_t i = 0; audit != NULL && i < audit->count; i++)
		n += audit->list[i].kind == kind;
	return n;
}

static const char *other_name(const nnopt_audit *audit, const nno_finding *f)
{
	return nnopt_dataset_sample_name(f->elsewhere ? audit->against : audit->dataset, f->other);
}

nnopt_status nnopt_audit_finding(const nnopt_audit *audit, int64_t which, nnopt_finding *finding)
{
	NNO_TRY(nnopt_result_check(finding, "audit_finding"));
	if (audit == NULL || which < 0 || which >= audit->count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "audit_finding: which %lld, below %lld wanted",
				(long long)which, (long long)nnopt_audit_count(audit));
	const nno_finding *f = &audit->list[which];
	nnopt_finding r = { .struct_size = sizeof r,
			    .index = f->index,
			    .other_index = f->other,
			    .label = nnopt_dataset_label(audit->dataset, f->index),
			    .suggested_label = f->suggested_label,
			    .score = f->score,
			    .kind = f->kind,
			    .suggestion = f->suggestion,
			    .name = nnopt_dataset_sample_name(audit->dataset, f->index),
			    .other_name = other_name(audit, f),
			    .text = f->text };
	nnopt_result_give(finding, &r, sizeof r);
	return NNOPT_OK;
}

const char *nnopt_finding_kind_name(int32_t kind)
{
	return kind >= 0 && (size_t)kind < NNO_COUNT(kind_names) ? kind_names[kind] : NULL;
}

const char *nnopt_suggestion_name(int32_t suggestion)
{
	return suggestion >= 0 && (size_t)suggestion < NNO_COUNT(suggestion_names) ? suggestion_names[suggestion]
										   : NULL;
}

/* In quotes where it needs them. */
static void add_field(nno_text *t, const char *text)
{
	if (text == NULL)
		return;
	if (strpbrk(text, ",\"\r\n") == NULL)
		nno_text_add_utf8(t, text);
	else
		nno_text_add_csv(t, text);
}

static void add_number(nno_text *t, int64_t number)
{
	if (number >= 0)
		nno_text_addf(t, "%lld", (long long)number);
}

static void add_line(nno_text *t, const nnopt_audit *audit, const nno_finding *f)
{
	nno_text_addf(t, "%lld,", (long long)f->index);
	add_field(t, nnopt_dataset_sample_name(audit->dataset, f->index));
	nno_text_addf(t, ",%s,", kind_names[f->kind]);
	nno_text_add_fixed(t, f->score, 6);
	nno_text_addf(t, ",%s,", suggestion_names[f->suggestion]);
	add_number(t, nnopt_dataset_label(audit->dataset, f->index));
	nno_text_add(t, ",");
	add_number(t, f->suggested_label);
	nno_text_add(t, ",");
	add_number(t, f->other);
	nno_text_add(t, ",");
	add_field(t, other_name(audit, f));
	nno_text_add(t, ",");
	add_field(t, f->text);
	nno_text_add(t, "\r\n");
}

nnopt_status nnopt_audit_write_csv(const nnopt_audit *audit, const char *path)
{
	if (audit == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "audit_write_csv: %s is NULL",
				audit == NULL ? "audit" : "path");
	nnopt_context *context = audit->dataset->context;
	nno_text t;
	nno_text_start(&t, &context->alloc);
	nno_text_add(&t, "index,name,kind,score,suggestion,label,suggested_label,other_index,other_name,text\r\n");
	for (int64_t i = 0; i < audit->count; i++)
		add_line(&t, audit, &audit->list[i]);
	nnopt_status status = nno_text_check(&t, "audit_write_csv");
	if (status == NNOPT_OK)
		status = nno_replace_with(context->io, &context->alloc, path, t.data, t.length);
	nno_text_free(&t);
	return status;
}

enum { KEPT = -1, REMOVED = -2 };

/* For each sample: KEPT, REMOVED, or the label to give it. Of two labels the first finding's counts. */
static void decide(const nnopt_audit *audit, bool reviewed, int64_t *fate)
{
	for (int64_t i = 0; i < audit->dataset->count; i++)
		fate[i] = KEPT;
	for (int64_t k = 0; k < audit->count; k++) {
		const nno_finding *f = &audit->list[k];
		bool remove =
		    f->suggestion == NNOPT_SUGGEST_REMOVE || (reviewed && f->suggestion == NNOPT_SUGGEST_REVIEW);
		if (remove)
			fate[f->index] = REMOVED;
		else if (f->suggestion == NNOPT_SUGGEST_RELABEL && fate[f->index] == KEPT)
			fate[f->index] = f->suggested_label;
	}
}

nnopt_status nnopt_audit_apply(nnopt_dataset **out, const nnopt_audit *audit, int32_t reviewed)
{
	if (out == NULL || audit == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "audit_apply: %s is NULL", out == NULL ? "out" : "audit");
	nnopt_dataset *base = audit->dataset, *kept = NULL;
	const nno_alloc *a = &base->context->alloc;
	int64_t *fate = nno_new_array(a, (size_t)base->count, sizeof *fate), n = 0;
	int64_t *indices = nno_new_array(a, (size_t)base->count, sizeof *indices);
	bool relabels = false;
	nnopt_status status;
	if (fate == NULL || indices == NULL) {
		status = nno_fail_memory("audit_apply", 2 * (size_t)base->count * sizeof *fate);
		goto out;
	}
	decide(audit, reviewed != 0, fate);
	for (int64_t i = 0; i < base->count; i++)
		if (fate[i] != REMOVED) {
			relabels = relabels || fate[i] != KEPT;
			indices[n] = i;
			fate[n++] = fate[i]; /* KEPT is what leaves a label alone */
		}
	NNO_TRY_OUT(nnopt_dataset_subset(&kept, base, indices, n));
	if (relabels) {
		nnopt_dataset *relabelled = NULL;
		NNO_TRY_OUT(nnopt_dataset_relabel(&relabelled, kept, fate, n));
		nnopt_dataset_destroy(kept);
		kept = relabelled;
	}
	*out = kept;
	kept = NULL;
out:
	nnopt_dataset_destroy(kept);
	nno_delete(a, fate);
	nno_delete(a, indices);
	return status;
}
