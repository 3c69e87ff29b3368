/* error.c - the text of the last failure, one fixed buffer a thread, so that reporting cannot fail. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES 512

static _Thread_local char last_text[TEXT_BYTES];
static _Thread_local unsigned failures; /* so far */

/* What is printed may be the last text itself. */
nnopt_status nno_fail(nnopt_status status, const char *format, ...)
{
	char text[TEXT_BYTES] = "";
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	memcpy(last_text, text, sizeof last_text);
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
	char joined[TEXT_BYTES];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(joined, sizeof joined, format, args);
	va_end(args);
	size_t used = n < 0 ? 0 : (size_t)n;
	if (used > sizeof joined - 1)
		used = sizeof joined - 1;
	snprintf(joined + used, sizeof joined - used, ": %.*s", (int)(sizeof joined - used), last_text);
	memcpy(last_text, joined, sizeof last_text);
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
