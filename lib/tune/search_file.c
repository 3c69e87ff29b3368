/* search_file.c - a search as JSON: what it looks at, and what each trial came to. Values are not read back: a trial's
 * number and the seed make them. Whether a file belongs to a search is seen by its first part, byte for byte. */
#include "tune/tune.h"

#include "base/io.h"
#include "base/json.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

#define MOST_BYTES ((size_t)256 << 20)
#define MOST_TOKENS (1 << 24)

static void add_axis(nno_text *t, const nno_axis *a)
{
	static const char *const kinds[] = { "number", "integer", "choice" };
	nno_text_addf(t, "    {\"name\": \"%s\", \"kind\": \"%s\", ", a->name, kinds[a->kind]);
	if (a->kind == NNO_AXIS_CHOICE) {
		nno_text_add(t, "\"choices\": [");
		for (int64_t i = 0; i < a->points; i++) {
			nno_text_add(t, i > 0 ? ", " : "");
			nno_text_add_json(t, a->choices[i]);
		}
		nno_text_add(t, "]}");
		return;
	}
	nno_text_add(t, "\"low\": ");
	nno_text_add_number(t, a->low, false);
	nno_text_add(t, ", \"high\": ");
	nno_text_add_number(t, a->high, false);
	nno_text_addf(t, ", \"%s\": %lld, \"logarithmic\": %s}", a->kind == NNO_AXIS_INTEGER ? "step" : "points",
		      (long long)(a->kind == NNO_AXIS_INTEGER ? a->step : a->points),
		      a->logarithmic ? "true" : "false");
}

/* The part that tells one search from another: everything that decides which trials there are. How many is not of it,
 * so that a search may be made longer. */
static void add_head(nno_text *t, const nnopt_search *s)
{
	static const char *const strategies[] = { "grid", "random", "halving" };
	nno_text_addf(t, "{\n  \"nnopt_search\": 1,\n  \"strategy\": \"%s\",\n  \"maximise\": %s,\n",
		      strategies[s->o.strategy], s->o.maximise ? "true" : "false");
	nno_text_addf(t, "  \"budget\": %lld,\n  \"least\": %lld,\n  \"reduction\": %lld,\n  \"seed\": \"%llu\",\n",
		      (long long)s->o.budget, (long long)s->o.least, (long long)s->o.reduction,
		      (unsigned long long)s->o.seed);
	nno_text_add(t, "  \"options\": [\n");
	for (int i = 0; i < s->axis_count; i++) {
		add_axis(t, &s->axes[i]);
		nno_text_add(t, i + 1 < s->axis_count ? ",\n" : "\n");
	}
	nno_text_add(t, "  ],\n  \"trials\": [");
}

static void add_trial(nno_text *t, const nnopt_search *s, const nnopt_trial *trial)
{
	char text[NNO_VALUE_TEXT];
	nno_text_addf(t, "    {\"spent\": %lld, \"value\": ", (long long)trial->spent);
	if (isfinite(trial->result))
		nno_text_add_number(t, trial->result, false);
	else
		nno_text_add(t, "null");
	nno_text_add(t, ", \"seconds\": ");
	nno_text_add_number(t, trial->seconds, false);
	nno_text_add(t, ", \"error\": ");
	if (trial->error != NULL)
		nno_text_add_json(t, trial->error);
	else
		nno_text_add(t, "null");
	/* For people; not read. */
	nno_text_add(t, ", \"values\": [");
	for (int i = 0; i < s->axis_count; i++) {
		nno_text_add(t, i > 0 ? ", " : "");
		nno_text_add_json(t, nno_axis_text(&s->axes[i], trial->value[i], text));
	}
	nno_text_add(t, "]}");
}

nnopt_status nno_search_save(const nnopt_search *s)
{
	nno_text t;
	if (s->path == NULL)
		return NNOPT_OK;
	nno_text_start(&t, &s->context->alloc);
	add_head(&t, s);
	for (int64_t i = 0; i < s->count; i++) {
		nno_text_add(&t, i > 0 ? ",\n" : "\n");
		add_trial(&t, s, s->trials[i]);
	}
	nno_text_add(&t, "\n  ]\n}\n");
	nnopt_status status = nno_text_check(&t, "search");
	if (status == NNOPT_OK)
		status = nno_replace_with(s->context->io, &s->context->alloc, s->path, t.data, t.length);
	nno_text_free(&t);
	return status;
}

static nnopt_status read_trial(nnopt_search *s, const nno_json *j, int object)
{
	nnopt_trial *t = NULL;
	if (nno_json_type_of(j, object) != NNO_JSON_OBJECT)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: a trial wanted", s->path,
				nno_json_offset(j, object));
	int spent = nno_json_get(j, object, "spent"), value = nno_json_get(j, object, "value"),
	    seconds = nno_json_get(j, object, "seconds"), error = nno_json_get(j, object, "error");
	if (spent < 0 || value < 0 || seconds < 0 || error < 0)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: a trial without spent, value, seconds or error",
				s->path, nno_json_offset(j, object));
	NNO_TRY(nno_search_begin(s, &t));
	NNO_TRY(nno_json_i64(j, spent, &t->spent));
	NNO_TRY(nno_json_number(j, seconds, &t->seconds));
	if (nno_json_type_of(j, value) != NNO_JSON_NULL)
		NNO_TRY(nno_json_number(j, value, &t->result));
	if (nno_json_type_of(j, error) != NNO_JSON_NULL)
		NNO_TRY(nno_json_text(j, error, &t->error));
	if (t->spent < 0 || t->spent > s->o.budget || (t->spent > 0 && !isfinite(t->result)) ||
	    (t->spent == 0 && t->error == NULL))
		return nno_fail(NNOPT_ERROR_FORMAT,
				"%s: offset %zu: spent %lld, 1 to %lld with a value, or 0 with an error wanted",
				s->path, nno_json_offset(j, spent), (long long)t->spent, (long long)s->o.budget);
	t->budget = t->spent;
	return NNOPT_OK;
}

static nnopt_status read_all(nnopt_search *s, const char *text, size_t length, const nno_text *head)
{
	nno_json *j = NULL;
	if (length < head->length || memcmp(text, head->data, head->length) != 0)
		return nno_fail(NNOPT_ERROR_FORMAT,
				"%s: of another search: strategy, budgets, seed and options must be the same", s->path);
	NNO_TRY(nno_json_parse(&j, &s->context->alloc, text, length, MOST_TOKENS, s->path, 0));
	nnopt_status status = NNOPT_OK;
	int list = nno_json_get(j, 0, "trials");
	if (list < 0 || nno_json_type_of(j, list) != NNO_JSON_ARRAY)
		status = nno_fail(NNOPT_ERROR_FORMAT, "%s: a list of trials wanted", s->path);
	for (int v = status == NNOPT_OK ? nno_json_first(j, list) : -1; v >= 0 && status == NNOPT_OK;
	     v = nno_json_next(j, v))
		status = read_trial(s, j, v);
	nno_json_free(j);
	return status;
}

nnopt_status nno_search_load(nnopt_search *s)
{
	char *text = NULL;
	size_t length = 0;
	nno_text head;
	if (s->path == NULL)
		return NNOPT_OK;
	nnopt_status status =
	    nno_file_read_all(s->context->io, &s->context->alloc, s->path, MOST_BYTES, &text, &length);
	if (status == NNOPT_ERROR_NOT_FOUND)
		return NNOPT_OK;
	if (status != NNOPT_OK)
		return status;
	nno_text_start(&head, &s->context->alloc);
	add_head(&head, s);
	status = nno_text_check(&head, "search");
	if (status == NNOPT_OK)
		status = read_all(s, text, length, &head);
	nno_text_free(&head);
	nno_delete(&s->context->alloc, text);
	while (status != NNOPT_OK && s->count > 0) {
		nnopt_trial *t = s->trials[--s->count];
		nno_delete(&s->context->alloc, t->error);
		nno_delete(&s->context->alloc, t);
	}
	return status;
}
