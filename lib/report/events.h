/* events.h - a writer of event files, and protocol buffers as its parts write them. */
#ifndef NNO_REPORT_EVENTS_H
#define NNO_REPORT_EVENTS_H

#include "base/text.h"
#include "context/context.h"
#include "nnopt/events.h"

#include <stdbool.h>

struct nnopt_events {
	nnopt_context *context;
	nnopt_events_options o;
	char *path;
	int fd;
	nno_text out;          /* whole records that wait, and the one under way */
	size_t record;         /* where that begins in `out` */
	size_t summary, value; /* where these messages of it begin; 0: it has none */
	double written_at;     /* when `out` was emptied last */
	double time;           /* of the records to come; NaN: the clock's */
	int64_t dropped;
	bool resumed;
	/* What a session says. */
	nno_text hparams, infos, metrics;
	bool begun;
	/* What the callbacks know. */
	bool called; /* once: what an earlier run wrote of later steps is void */
	bool warned; /* since the last write that went well */
};

/* --- events.c: an Event of `step` is begun, filled through `out` by the functions below, and ended; `what` begins the
 * texts of errors. Whatever fails, ending gives it: OUT_OF_MEMORY leaves the record out, after a write that failed it
 * waits. --- */

nnopt_status nno_events_begin(nnopt_events *e, const char *what, int64_t step);
/* The same with a Summary that has one Value of this tag and `suffix` after it. */
nnopt_status nno_events_begin_value(nnopt_events *e, const char *what, const char *tag, const char *suffix,
				    int64_t step);
nnopt_status nno_events_end(nnopt_events *e);
/* Takes the record back; gives `status`. */
nnopt_status nno_events_leave(nnopt_events *e, nnopt_status status);
/* INVALID_ARGUMENT unless `text` is UTF-8 with at least `least` bytes; `name` is that of the argument. */
nnopt_status nno_events_check_text(const char *what, const char *name, const char *text, size_t least);

/* --- events_wire.c: fields of messages (protobuf.dev, "Encoding"). Running out of memory shows in the text. --- */

void nno_wire_number(nno_text *t, int field, uint64_t value);
void nno_wire_double(nno_text *t, int field, double value);
void nno_wire_float(nno_text *t, int field, float value);
void nno_wire_bytes(nno_text *t, int field, const void *data, size_t n);
void nno_wire_text(nno_text *t, int field, const char *text);
/* A message as a field of another: what is added between the two calls is in it. */
size_t nno_wire_open(nno_text *t, int field);
void nno_wire_close(nno_text *t, size_t opened);
/* Little-endian bytes without a field, as in packed lists. */
void nno_wire_put64(nno_text *t, double value);
void nno_wire_put32(nno_text *t, float value);

/* --- parts --- */

/* SummaryMetadata of a Value: the plugin that shows it, and its data. */
void nno_events_metadata(nno_text *t, const char *plugin, const void *content, size_t n);
nnopt_status nno_events_histogram(nnopt_events *e, const char *what, const char *tag, const char *suffix,
				  const float *values, int64_t count, int64_t step);

#endif
