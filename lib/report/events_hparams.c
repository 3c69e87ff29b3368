/* events_hparams.c - what a run was made with, for TensorBoard's HPARAMS plugin: values that have metadata and no data.
 */
#include "report/events.h"

#include "base/clock.h"

#include <math.h>

enum { DATA_EXPERIMENT = 2, DATA_START = 3, DATA_END = 4 };
enum { EXPERIMENT_HPARAM = 4, EXPERIMENT_METRIC = 5, INFO_NAME = 1, INFO_TYPE = 4, METRIC_NAME = 1, METRIC_TAG = 2 };
enum { START_HPARAM = 1, START_GROUP = 4, START_TIME = 5, END_STATUS = 1, END_TIME = 2 };
enum { ENTRY_KEY = 1, ENTRY_VALUE = 2, VALUE_NUMBER = 2, VALUE_TEXT = 3, VALUE_FLAG = 4 };
enum { TYPE_TEXT = 1, TYPE_FLAG = 2, TYPE_NUMBER = 3 };

static nnopt_status check(nnopt_events *e, const char *what, const char *argument, const char *name)
{
	if (e == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: events is NULL", what);
	NNO_TRY(nno_events_check_text(what, argument, name, 1));
	return e->begun ? nno_fail(NNOPT_ERROR_STATE, "%s: the session has begun", what) : NNOPT_OK;
}

/* Both lists have the value, or none: then they are as long as before. */
static nnopt_status keep(nno_text *a, size_t a_before, nno_text *b, size_t b_before, const char *what)
{
	if (!a->failed && !b->failed)
		return NNOPT_OK;
	a->length = a_before;
	b->length = b_before;
	a->failed = b->failed = false;
	return nno_fail_memory(what, a_before + b_before);
}

static nnopt_status add_value(nnopt_events *e, const char *what, const char *name, int type, double number,
			      const char *text)
{
	nno_text *h = &e->hparams, *i = &e->infos;
	size_t h_before = h->length, i_before = i->length;
	size_t entry = nno_wire_open(h, START_HPARAM);
	nno_wire_text(h, ENTRY_KEY, name);
	size_t value = nno_wire_open(h, ENTRY_VALUE);
	if (type == TYPE_NUMBER)
		nno_wire_double(h, VALUE_NUMBER, number);
	else if (type == TYPE_FLAG)
		nno_wire_number(h, VALUE_FLAG, number != 0.0);
	else
		nno_wire_text(h, VALUE_TEXT, text);
	nno_wire_close(h, value);
	nno_wire_close(h, entry);
	size_t info = nno_wire_open(i, EXPERIMENT_HPARAM);
	nno_wire_text(i, INFO_NAME, name);
	nno_wire_number(i, INFO_TYPE, (uint64_t)type);
	nno_wire_close(i, info);
	return keep(h, h_before, i, i_before, what);
}

nnopt_status nnopt_events_add_number(nnopt_events *events, const char *name, double value)
{
	NNO_TRY(check(events, "events_add_number", "name", name));
	return add_value(events, "events_add_number", name, TYPE_NUMBER, value, NULL);
}

nnopt_status nnopt_events_add_text(nnopt_events *events, const char *name, const char *value)
{
	NNO_TRY(check(events, "events_add_text", "name", name));
	NNO_TRY(nno_events_check_text("events_add_text", "value", value, 0));
	return add_value(events, "events_add_text", name, TYPE_TEXT, 0.0, value);
}

nnopt_status nnopt_events_add_flag(nnopt_events *events, const char *name, int32_t value)
{
	NNO_TRY(check(events, "events_add_flag", "name", name));
	return add_value(events, "events_add_flag", name, TYPE_FLAG, value, NULL);
}

nnopt_status nnopt_events_add_metric(nnopt_events *events, const char *tag)
{
	NNO_TRY(check(events, "events_add_metric", "tag", tag));
	nno_text *t = &events->metrics;
	size_t before = t->length, metric = nno_wire_open(t, EXPERIMENT_METRIC), name = nno_wire_open(t, METRIC_NAME);
	nno_wire_text(t, METRIC_TAG, tag);
	nno_wire_close(t, name);
	nno_wire_close(t, metric);
	return keep(t, before, t, before, "events_add_metric");
}

/* *kept: the record is written, or waits after a write that failed. */
static nnopt_status write_part(nnopt_events *e, const char *what, const char *tag, int field, const nno_text *a,
			       const nno_text *b, bool *kept)
{
	nno_text data;
	nno_text_start(&data, &e->context->alloc);
	size_t message = nno_wire_open(&data, field);
	nno_text_add_n(&data, a->length > 0 ? a->data : "", a->length);
	nno_text_add_n(&data, b->length > 0 ? b->data : "", b->length);
	nno_wire_close(&data, message);
	nnopt_status status = nno_text_check(&data, what);
	if (status == NNOPT_OK)
		status = nno_text_check(b, what);
	if (status == NNOPT_OK)
		status = nno_events_begin_value(e, what, "_hparams_/", tag, 0);
	*kept = status == NNOPT_OK;
	if (*kept) {
		nno_events_metadata(&e->out, "hparams", data.data, data.length);
		status = nno_events_end(e);
		*kept = status != NNOPT_ERROR_OUT_OF_MEMORY;
	}
	nno_text_free(&data);
	return status;
}

static double seconds(const nnopt_events *e) { return isnan(e->time) ? nno_clock_wall() : e->time; }

nnopt_status nnopt_events_begin_session(nnopt_events *events, const char *group)
{
	nno_text rest;
	NNO_TRY(check(events, "events_begin_session", "group", group != NULL ? group : "-"));
	nnopt_status status = NNOPT_OK;
	bool kept = true;
	/* What an experiment does not say of its metrics, TensorBoard finds out. */
	if (events->metrics.length > 0)
		status = write_part(events, "events_begin_session", "experiment", DATA_EXPERIMENT, &events->infos,
				    &events->metrics, &kept);
	if (!kept)
		return status;
	events->metrics.length = 0; /* told, should the session's record be tried again */
	nno_text_start(&rest, &events->context->alloc);
	if (group != NULL)
		nno_wire_text(&rest, START_GROUP, group);
	nno_wire_double(&rest, START_TIME, seconds(events));
	nnopt_status start = write_part(events, "events_begin_session", "session_start_info", DATA_START,
					&events->hparams, &rest, &events->begun);
	nno_text_free(&rest);
	return status == NNOPT_OK ? start : status;
}

nnopt_status nnopt_events_end_session(nnopt_events *events, int32_t how)
{
	nno_text end, none;
	bool kept;
	if (events == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_end_session: events is NULL");
	if (how != NNOPT_SESSION_SUCCESS && how != NNOPT_SESSION_FAILURE)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"events_end_session: how is %d, an nnopt_session_end wanted", how);
	if (!events->begun && !events->resumed)
		return nno_fail(NNOPT_ERROR_STATE, "events_end_session: no session has begun");
	nno_text_start(&none, &events->context->alloc);
	nno_text_start(&end, &events->context->alloc);
	nno_wire_number(&end, END_STATUS, (uint64_t)how);
	nno_wire_double(&end, END_TIME, seconds(events));
	nnopt_status status =
	    write_part(events, "events_end_session", "session_end_info", DATA_END, &none, &end, &kept);
	nno_text_free(&end);
	return status;
}
