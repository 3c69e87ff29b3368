/* text.c - growing text; numbers without the locale. */
#include "base/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void nno_text_start(nno_text *t, const nno_alloc *alloc) { *t = (nno_text){ .alloc = alloc }; }

void nno_text_free(nno_text *t)
{
	nno_delete(t->alloc, t->data);
	*t = (nno_text){ .alloc = t->alloc };
}

void nno_text_add_n(nno_text *t, const char *text, size_t n)
{
	if (t->failed)
		return;
	if (t->data == NULL || n > t->capacity - t->length - 1) {
		size_t capacity = t->length + n + 1 > 2 * t->capacity ? t->length + n + 64 : 2 * t->capacity;
		char *data = nno_grow(t->alloc, t->data, capacity);
		if (data == NULL) {
			t->failed = true;
			return;
		}
		t->data = data;
		t->capacity = capacity;
	}
	memcpy(t->data + t->length, text, n);
	t->length += n;
	t->data[t->length] = '\0';
}

void nno_text_add(nno_text *t, const char *text) { nno_text_add_n(t, text, strlen(text)); }

void nno_text_addf(nno_text *t, const char *format, ...)
{
	char line[1024];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(line, sizeof line, format, args);
	va_end(args);
	if (n < 0)
		t->failed = true;
	else
		nno_text_add_n(t, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

int nno_mend_point(char *text, int n)
{
	int to = 0;
	for (int from = 0; from < n; from++)
		if (strchr("+-0123456789e", text[from]) != NULL)
			text[to++] = text[from];
		else if (to == 0 || text[to - 1] != '.')
			text[to++] = '.';
	text[to] = '\0';
	return to;
}

static int print_infinite(char text[NNO_NUMBER_TEXT], double value)
{
	return snprintf(text, NNO_NUMBER_TEXT, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
}

int nno_print_number(char text[NNO_NUMBER_TEXT], double value, int digits)
{
	if (!isfinite(value))
		return print_infinite(text, value);
	return nno_mend_point(text, snprintf(text, NNO_NUMBER_TEXT, "%.*g", digits, value));
}

int nno_print_fixed(char text[NNO_FIXED_TEXT], double value, int decimals)
{
	if (!isfinite(value))
		return print_infinite(text, value);
	return nno_mend_point(text, snprintf(text, NNO_FIXED_TEXT, "%.*f", decimals, value));
}

void nno_text_add_digits(nno_text *t, double value, int digits)
{
	char text[NNO_NUMBER_TEXT];
	nno_print_number(text, value, digits);
	nno_text_add(t, text);
}

void nno_text_add_number(nno_text *t, double value, bool is_float)
{
	char text[NNO_NUMBER_TEXT];
	/* The fewest digits that read back the same. */
	for (int digits = 1; digits <= 17; digits++) {
		int n = nno_print_number(text, value, digits);
		double back = 0.0;
		bool read = nno_parse_number(text, (size_t)n, &back);
		if (read && (is_float ? (float)back == (float)value : back == value))
			break;
	}
	nno_text_add(t, text);
}

void nno_text_add_fixed(nno_text *t, double value, int decimals)
{
	char text[NNO_FIXED_TEXT];
	nno_print_fixed(text, value, decimals);
	nno_text_add(t, text);
}

/* Adds the character at the start of `text`, which is not empty, and gives where the next one begins. No character goes
 * over the NUL, so that nothing behind it is read. */
static const char *add_character(nno_text *t, const char *text)
{
	size_t n = nno_utf8_length(text, 4);
	nno_text_add_n(t, n > 0 ? text : "\xef\xbf\xbd", n > 0 ? n : 3);
	return text + (n > 0 ? n : 1);
}

void nno_text_add_utf8(nno_text *t, const char *text)
{
	while (*text != '\0')
		text = add_character(t, text);
}

void nno_text_add_csv(nno_text *t, const char *text)
{
	nno_text_add(t, "\"");
	while (*text != '\0') {
		nno_text_add(t, *text == '"' ? "\"" : "");
		text = add_character(t, text);
	}
	nno_text_add(t, "\"");
}

void nno_text_add_json(nno_text *t, const char *text)
{
	nno_text_add(t, "\"");
	while (*text != '\0') {
		if ((unsigned char)*text < 0x20) {
			nno_text_addf(t, "\\u%04x", (unsigned char)*text++);
			continue;
		}
		nno_text_add(t, *text == '"' || *text == '\\' ? "\\" : "");
		text = add_character(t, text);
	}
	nno_text_add(t, "\"");
}

nnopt_status nno_text_check(const nno_text *t, const char *what)
{
	return t->failed ? nno_fail_memory(what, t->capacity * 2) : NNOPT_OK;
}

nnopt_status nno_text_give(const nno_text *t, char *dst, size_t size, size_t *needed, const char *what)
{
	NNO_TRY(nno_text_check(t, what));
	if (needed != NULL)
		*needed = t->length + 1;
	if (dst == NULL && size == 0 && needed != NULL)
		return NNOPT_OK;
	if (dst == NULL || size < t->length + 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: a buffer of %zu bytes, %zu wanted", what,
				dst == NULL ? 0 : size, t->length + 1);
	memcpy(dst, t->data != NULL ? t->data : "", t->length + 1);
	return NNOPT_OK;
}

size_t nno_utf8_length(const char *text, size_t n)
{
	const unsigned char *c = (const unsigned char *)text;
	if (c[0] < 0x80)
		return 1;
	size_t length = c[0] >= 0xc2 && c[0] <= 0xdf   ? 2
			: c[0] >= 0xe0 && c[0] <= 0xef ? 3
			: c[0] >= 0xf0 && c[0] <= 0xf4 ? 4
						       : 0;
	if (length == 0 || length > n)
		return 0;
	unsigned char low = c[0] == 0xe0 ? 0xa0 : c[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char high = c[0] == 0xed ? 0x9f : c[0] == 0xf4 ? 0x8f : 0xbf;
	if (c[1] < low || c[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if (c[i] < 0x80 || c[i] > 0xbf)
			return 0;
	return length;
}

bool nno_is_utf8(const char *text)
{
	size_t n = strlen(text), length = 1;
	for (size_t at = 0; at < n && length > 0; at += length)
		length = nno_utf8_length(text + at, n - at);
	return length > 0;
}
