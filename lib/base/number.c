/* number.c - numbers from text by JSON's grammar. The C library converts, under a locale object of our own, so the
 * host's locale neither matters nor changes. */
#include "base/text.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST 400

static size_t digits(const char *text, size_t n, size_t at)
{
	size_t start = at;
	while (at < n && text[at] >= '0' && text[at] <= '9')
		at++;
	return at - start;
}

/* Length of the JSON number at the start of the text; 0 when there is none. `whole`: no fraction and no exponent. */
static size_t number_length(const char *text, size_t n, bool *whole)
{
	size_t at = n > 0 && text[0] == '-';
	size_t count = digits(text, n, at);
	if (count == 0 || (count > 1 && text[at] == '0'))
		return 0;
	at += count;
	*whole = true;
	if (at < n && text[at] == '.') {
		count = digits(text, n, at + 1);
		if (count == 0)
			return 0;
		at += 1 + count;
		*whole = false;
	}
	if (at < n && (text[at] == 'e' || text[at] == 'E')) {
		size_t sign = at + 1 < n && (text[at + 1] == '+' || text[at + 1] == '-');
		count = digits(text, n, at + 1 + sign);
		if (count == 0)
			return 0;
		at += 1 + sign + count;
		*whole = false;
	}
	return at;
}

bool nno_parse_number(const char *text, size_t n, double *out)
{
	bool whole;
	char copy[LONGEST + 1];
	if (n == 0 || n > LONGEST || number_length(text, n, &whole) != n)
		return false;
	memcpy(copy, text, n);
	copy[n] = '\0';
	locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (plain == (locale_t)0)
		return false;
	*out = strtod_l(copy, NULL, plain);
	freelocale(plain);
	return true;
}

bool nno_parse_i64(const char *text, size_t n, int64_t *out)
{
	bool whole;
	if (n == 0 || number_length(text, n, &whole) != n || !whole)
		return false;
	bool negative = text[0] == '-';
	int64_t value = 0;
	for (size_t i = negative; i < n; i++) {
		int digit = text[i] - '0';
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, negative ? -digit : digit, &value))
			return false;
	}
	*out = value;
	return true;
}
