/* error.c - the text of the last failure, one fixed buffer a thread, so that reporting cannot fail. */
#include "base/error.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES 512
#define LONGEST 4096 /* of a text before it is shortened */

static _Thread_local char last_text[TEXT_BYTES];
static _Thread_local unsigned failures; /* so far */

/* The last text: what is too long loses its middle, so that a long path hides no reason, and what is no UTF-8 is '?',
 * because bindings decode it. */
static void keep(const char *text)
{
	static const char gap[] = " ... ";
	enum { BEGIN = 200, END = TEXT_BYTES - 1 - BEGIN - (sizeof gap - 1) };
	size_t length = strlen(text);
	if (length < TEXT_BYTES) {
		memcpy(last_text, text, length + 1);
	} else {
		memcpy(last_text, text, BEGIN);
		memcpy(last_text + BEGIN, gap, sizeof gap - 1);
		memcpy(last_text + TEXT_BYTES - 1 - END, text + length - END, END + 1);
	}
	length = strlen(last_text);
	for (size_t at = 0; at < length;) {
		size_t n = nno_utf8_length(last_text + at, length - at);
		if (n == 0)
			last_text[at] = '?';
		at += n > 0 ? n : 1;
	}
}

/* What is printed may be the last text itself. */
nnopt_status nno_fail(nnopt_status status, const char *format, ...)
{
	char text[LONGEST] = "";
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	keep(text);
	failures++;
	return status;
}

unsigned nno_failures(void) { return failures; }

nnopt_status nno_fail_caller(unsigned before, nnopt_status status)
{
	if (status != NNOPT_OK && failures == before)
		(void)nno_fail(status, "%s", nnopt_status_name(status));
	return status;
}

nnopt_status nno_fail_in(nnopt_status status, const char *format, ...)
{
	char joined[LONGEST + TEXT_BYTES + 2] = "";
	va_list args;
	va_start(args, format);
	vsnprintf(joined, LONGEST, format, args);
	va_end(args);
	size_t used = strlen(joined);
	memcpy(joined + used, ": ", 2);
	memcpy(joined + used + 2, last_text, sizeof last_text);
	keep(joined);
	return status;
}

nnopt_status nno_fail_memory(const char *what, size_t bytes)
{
	return nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "%s: out of memory, %zu bytes wanted", what, bytes);
}

nnopt_status nnopt_fail(nnopt_status status, const char *text)
{
	return nno_fail(status, "%s", text != NULL ? text : "");
}

const char *nnopt_last_error(void) { return last_text; }

static const struct {
	nnopt_status status;
	const char *name;
} names[] = {
#define NNO_STATUS(id, value, text) { NNOPT_##id, text },
#include "base/status.inc"
#undef NNO_STATUS
};

const char *nnopt_status_name(nnopt_status status)
{
	for (size_t i = 0; i < NNO_COUNT(names); i++)
		if (names[i].status == status)
			return names[i].name;
	return "unknown status";
}
