/* events.c - a file of records in a directory. Every run of a program writes a file of its own, so that a record which
 * a killed one left cut off is the end of a file, where readers expect it. */
#include "report/events.h"

#include "base/clock.h"
#include "base/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>

/* A record: its length in 8 bytes, their checksum, the data, their checksum. */
enum { HEAD = 12, TAIL = 4, ROOM_OF_RECORD = 1024 };
enum { EVENT_TIME = 1, EVENT_STEP = 2, EVENT_VERSION = 3, EVENT_SUMMARY = 5, EVENT_SESSION_LOG = 7 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, SESSION_STATUS = 1, SESSION_START = 1 };

static const char prefix[] = "events.out.tfevents.";

static const nnopt_events_options defaults = {
	.struct_size = sizeof defaults, .buffer_bytes = 65536, .flush_seconds = 10.0, .every_steps = 10
};

nnopt_status nnopt_events_options_init(nnopt_events_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "events_options_init");
}

/* --- records --- */

nnopt_status nno_events_check_text(const char *what, const char *name, const char *text, size_t least)
{
	if (text == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s is NULL", what, name);
	if (strlen(text) < least || !nno_is_utf8(text))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s is %s, UTF-8 wanted", what, name,
				*text == '\0' ? "empty" : "not UTF-8");
	return NNOPT_OK;
}

/* Its memory is there from the start: writing scalars allocates nothing. */
static nnopt_status fit_buffer(nnopt_events *e)
{
	size_t room = (size_t)e->o.buffer_bytes + ROOM_OF_RECORD;
	if (e->out.capacity == room)
		return NNOPT_OK;
	char *data = nno_grow(&e->context->alloc, e->out.data, room);
	if (data == NULL)
		return nno_fail_memory("events_create", room);
	e->out.data = data;
	e->out.capacity = room;
	return NNOPT_OK;
}

static nnopt_status write_out(nnopt_events *e)
{
	size_t done = 0;
	if (e->out.length == 0)
		return NNOPT_OK;
	nnopt_status status = nno_write_all(e->context->io, e->fd, e->path, e->out.data, e->out.length, &done);
	/* What is not written stays, also the rest of a record. */
	memmove(e->out.data, e->out.data + done, e->out.length - done);
	e->out.length -= done;
	if (status != NNOPT_OK)
		return status;
	e->written_at = nno_clock_now();
	e->warned = false;
	(void)fit_buffer(e); /* a large record is gone, and its memory goes too */
	return NNOPT_OK;
}

nnopt_status nno_events_begin(nnopt_events *e, const char *what, int64_t step)
{
	if (e == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: events is NULL", what);
	if (step < 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: step %lld, 0 or more wanted", what, (long long)step);
	/* Only after a write that failed: there is room for no more. */
	nnopt_status status = e->out.length >= (size_t)e->o.buffer_bytes ? write_out(e) : NNOPT_OK;
	if (status != NNOPT_OK) {
		e->dropped++;
		return status;
	}
	e->record = e->out.length;
	e->summary = e->value = 0;
	nno_text_add_n(&e->out, (char[HEAD]){ 0 }, HEAD);
	nno_wire_double(&e->out, EVENT_TIME, isnan(e->time) ? nno_clock_wall() : e->time);
	if (step > 0)
		nno_wire_number(&e->out, EVENT_STEP, (uint64_t)step);
	return NNOPT_OK;
}

nnopt_status nno_events_begin_value(nnopt_events *e, const char *what, const char *tag, const char *suffix,
				    int64_t step)
{
	if (e == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: events is NULL", what);
	NNO_TRY(nno_events_check_text(what, "tag", tag, 1));
	NNO_TRY(nno_events_begin(e, what, step));
	e->summary = nno_wire_open(&e->out, EVENT_SUMMARY);
	e->value = nno_wire_open(&e->out, SUMMARY_VALUE);
	size_t name = nno_wire_open(&e->out, VALUE_TAG);
	nno_text_add(&e->out, tag);
	nno_text_add(&e->out, suffix);
	nno_wire_close(&e->out, name);
	return NNOPT_OK;
}

nnopt_status nno_events_leave(nnopt_events *e, nnopt_status status)
{
	e->out.length = e->record;
	e->out.failed = false;
	return status;
}

static void put_sum(char *to, const void *data, size_t n)
{
	uint32_t crc = nno_crc32c(0, data, n), masked = (crc >> 15 | crc << 17) + 0xa282ead8u;
	for (int i = 0; i < 4; i++)
		to[i] = (char)(masked >> 8 * i);
}

nnopt_status nno_events_end(nnopt_events *e)
{
	if (e->summary > 0) {
		nno_wire_close(&e->out, e->value);
		nno_wire_close(&e->out, e->summary);
	}
	nno_text_add_n(&e->out, (char[TAIL]){ 0 }, TAIL);
	nnopt_status status = nno_text_check(&e->out, "events");
	if (status != NNOPT_OK)
		return nno_events_leave(e, status);
	char *head = e->out.data + e->record;
	size_t n = e->out.length - e->record - HEAD - TAIL;
	for (int i = 0; i < 8; i++)
		head[i] = (char)((uint64_t)n >> 8 * i);
	put_sum(head + 8, head, 8);
	put_sum(head + HEAD + n, head + HEAD, n);
	if (e->out.length < (size_t)e->o.buffer_bytes && nno_clock_now() - e->written_at < e->o.flush_seconds)
		return NNOPT_OK;
	return write_out(e);
}

/* --- the file --- */

/* The largest number after the prefix; -1: no event file. */
static int look_at(const char *name, nno_entry_kind kind, void *user)
{
	int64_t *newest = user, number = 0;
	(void)kind;
	const char *at = strstr(name, "tfevents.");
	if (at == NULL)
		return 0;
	for (at += strlen("tfevents."); *at >= '0' && *at <= '9' && number < (int64_t)1 << 40; at++)
		number = number * 10 + (*at - '0');
	if (number > *newest)
		*newest = number;
	return 0;
}

/* Does nothing where there is a file of that number. */
static nnopt_status open_file(nnopt_events *e, const char *directory, int64_t number)
{
	const nno_io *io = e->context->io;
	nno_text name;
	nno_text_start(&name, &e->context->alloc);
	nno_text_add(&name, directory);
	nno_text_addf(&name, "/%s%010lld.nnopt", prefix, (long long)number);
	nnopt_status status = nno_text_check(&name, "events_create");
	while (status == NNOPT_OK && e->fd < 0) {
		e->fd = io->open(name.data, O_WRONLY | O_CREAT | O_EXCL, 0666, io->user);
		if (e->fd < 0 && errno == EEXIST)
			break;
		if (e->fd < 0 && errno != EINTR)
			status = nno_fail_errno(name.data, "cannot create", errno);
	}
	if (e->fd >= 0)
		e->path = name.data;
	else
		nno_text_free(&name);
	return status;
}

/* Readers go through a directory's files in the order of their names: the number in them is the time, or one more than
 * that of the newest file. */
static nnopt_status choose_file(nnopt_events *e, const char *directory)
{
	const nno_io *io = e->context->io;
	int64_t newest = -1, now = (int64_t)nno_clock_wall();
	NNO_TRY(nno_make_directory(io, &e->context->alloc, directory));
	if (io->list(directory, true, look_at, &newest, io->user) != 0)
		return nno_fail_errno(directory, "cannot list", errno);
	e->resumed = newest >= 0;
	/* Another writer may take a number first. */
	for (int64_t number = now > newest ? now : newest + 1; e->fd < 0; number++)
		NNO_TRY(open_file(e, directory, number));
	return NNOPT_OK;
}

static nnopt_status begin_file(nnopt_events *e, const char *directory)
{
	NNO_TRY(fit_buffer(e));
	NNO_TRY(choose_file(e, directory));
	NNO_TRY(nno_events_begin(e, "events_create", 0));
	nno_wire_text(&e->out, EVENT_VERSION, "brain.Event:2");
	NNO_TRY(nno_events_end(e));
	return write_out(e);
}

nnopt_status nnopt_events_create(nnopt_events **out, nnopt_context *context, const char *directory,
				 const nnopt_events_options *options)
{
	nnopt_events_options o = defaults;
	if (out == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_create: out or context is NULL");
	if (directory == NULL || *directory == '\0')
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_create: directory is %s",
				directory == NULL ? "NULL" : "empty");
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "events_create"));
	if (o.buffer_bytes < 1024 || o.buffer_bytes > 1 << 30)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_create: buffer_bytes %lld, 1024 to 2^30 wanted",
				(long long)o.buffer_bytes);
	if (!(o.flush_seconds >= 0.0) || o.every_steps < 0 || o.histograms < 0 || o.histograms > 2)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_create: %s",
				!(o.flush_seconds >= 0.0) ? "flush_seconds below 0, 0 or more wanted"
				: o.every_steps < 0       ? "every_steps below 0, 0 or more wanted"
							  : "unknown histograms, 0 to 2 wanted");
	nnopt_events *e = nno_new(&context->alloc, sizeof *e);
	if (e == NULL)
		return nno_fail_memory("events_create", sizeof *e);
	*e = (nnopt_events){ .context = nno_context_take(context), .o = o, .fd = -1, .time = NAN };
	nno_text_start(&e->out, &context->alloc);
	nno_text_start(&e->hparams, &context->alloc);
	nno_text_start(&e->infos, &context->alloc);
	nno_text_start(&e->metrics, &context->alloc);
	nnopt_status status = begin_file(e, directory);
	if (status != NNOPT_OK) {
		e->out.length = 0;
		if (e->path != NULL)
			context->io->unlink(e->path, context->io->user);
		nnopt_events_destroy(e);
		return status;
	}
	*out = e;
	return NNOPT_OK;
}

void nnopt_events_destroy(nnopt_events *e)
{
	if (e == NULL)
		return;
	nnopt_context *context = e->context;
	if (e->fd >= 0) {
		(void)write_out(e);
		context->io->close(e->fd, context->io->user);
	}
	nno_text_free(&e->out);
	nno_text_free(&e->hparams);
	nno_text_free(&e->infos);
	nno_text_free(&e->metrics);
	nno_delete(&context->alloc, e->path);
	nno_delete(&context->alloc, e);
	nno_context_drop(context);
}

nnopt_status nnopt_events_flush(nnopt_events *e)
{
	if (e == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_flush: events is NULL");
	return write_out(e);
}

int64_t nnopt_events_dropped(const nnopt_events *e) { return e == NULL ? 0 : e->dropped; }

int32_t nnopt_events_resumed(const nnopt_events *e) { return e != NULL && e->resumed; }

nnopt_status nnopt_events_set_time(nnopt_events *e, double seconds)
{
	if (e == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_set_time: events is NULL");
	e->time = seconds;
	return NNOPT_OK;
}

/* Both are made whatever becomes of the first: one alone says nothing. */
nnopt_status nnopt_events_purge(nnopt_events *e, int64_t step)
{
	nnopt_status status = NNOPT_OK;
	for (int i = 0; i < 2; i++) {
		nnopt_status made = nno_events_begin(e, "events_purge", step);
		if (made == NNOPT_OK) {
			size_t log = nno_wire_open(&e->out, EVENT_SESSION_LOG);
			nno_wire_number(&e->out, SESSION_STATUS, SESSION_START);
			nno_wire_close(&e->out, log);
			made = nno_events_end(e);
		}
		status = status == NNOPT_OK ? made : status;
	}
	return status;
}
