/* text.h - a growing text buffer, and numbers to and from text without the locale. */
#ifndef NNO_BASE_TEXT_H
#define NNO_BASE_TEXT_H

#include "base/alloc.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nno_text {
	const nno_alloc *alloc;
	char *data;    /* NUL-terminated; NULL while empty */
	size_t length; /* without the NUL */
	size_t capacity;
	bool failed; /* out of memory: later calls do nothing */
} nno_text;

void nno_text_start(nno_text *t, const nno_alloc *alloc);
void nno_text_free(nno_text *t);
void nno_text_add(nno_text *t, const char *text);
void nno_text_add_n(nno_text *t, const char *text, size_t n);
/* Integers, strings and widths only; floating point goes through nno_text_add_number. */
void nno_text_addf(nno_text *t, const char *format, ...) NNO_PRINTF(2, 3);
/* The shortest decimal that reads back as the same double (float when `is_float`); inf and nan as "inf", "nan". */
void nno_text_add_number(nno_text *t, double value, bool is_float);
/* The same with at most `digits` digits. */
void nno_text_add_digits(nno_text *t, double value, int digits);
/* Fixed notation with `decimals` digits after a point, whatever the locale. */
void nno_text_add_fixed(nno_text *t, double value, int decimals);
/* These three write UTF-8 whatever they get: each byte that is no part of a character is written as U+FFFD. */
void nno_text_add_utf8(nno_text *t, const char *text);
/* A quoted CSV field, its quotes doubled (RFC 4180). */
void nno_text_add_csv(nno_text *t, const char *text);
/* A JSON string with quotes and escapes. */
void nno_text_add_json(nno_text *t, const char *text);
/* Inside an element or a quoted attribute of HTML or SVG: escaped, control characters as spaces, and what is no UTF-8
 * as U+FFFD. */
void nno_text_add_xml(nno_text *t, const char *text);
void nno_text_add_base64(nno_text *t, const void *data, size_t n);
/* OUT_OF_MEMORY if any add failed. */
nnopt_status nno_text_check(const nno_text *t, const char *what);
/* The rule of public text functions: copies the text and its NUL to (dst, size), tells the size wanted; (NULL, 0) asks
 * for the size alone. */
nnopt_status nno_text_give(const nno_text *t, char *dst, size_t size, size_t *needed, const char *what);

/* A value with at most `digits` (17 or fewer) digits, as %g writes it, whatever the locale; inf and nan as "inf",
 * "nan". The length. */
#define NNO_NUMBER_TEXT 40
int nno_print_number(char text[NNO_NUMBER_TEXT], double value, int digits);
/* The same in fixed notation with `decimals` (80 or fewer) digits after a point. */
#define NNO_FIXED_TEXT 400
int nno_print_fixed(char text[NNO_FIXED_TEXT], double value, int decimals);
/* Puts a point in the place of a locale's decimal point, of one byte or more, in a number of `n` bytes that printf
 * wrote. The length then. */
int nno_mend_point(char *text, int n);

/* Length of the well-formed UTF-8 sequence of at most `n` bytes, 1 or more, at `text`, or 0 (Unicode 15, table 3-7). */
size_t nno_utf8_length(const char *text, size_t n);
/* Whether all of a text is such. */
bool nno_is_utf8(const char *text);

/* JSON number grammar; correctly rounded. False unless all `n` bytes are one number. */
bool nno_parse_number(const char *text, size_t n, double *out);
bool nno_parse_i64(const char *text, size_t n, int64_t *out);

#endif
