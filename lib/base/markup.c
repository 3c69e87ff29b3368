/* markup.c - text and bytes inside HTML and SVG. */
#include "base/text.h"

#include <string.h>

/* Bytes of the UTF-8 character at `s`; 0: none begins there (Unicode's table 3-7: no overlong forms, no surrogates,
 * nothing above U+10FFFF). Reads no further than the NUL. */
static size_t utf8_length(const unsigned char *s)
{
	if (s[0] < 0x80)
		return 1;
	size_t n = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static const char *escape_of(unsigned char c)
{
	switch (c) {
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '&':
		return "&amp;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case 0x7f:
		return " ";
	default:
		return c < ' ' && c != '\n' ? " " : NULL;
	}
}

void nno_text_add_xml(nno_text *t, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	while (*s != '\0') {
		size_t n = utf8_length(s);
		const char *escape = n == 0 ? "\xef\xbf\xbd" : escape_of(*s);
		if (escape != NULL)
			nno_text_add(t, escape);
		else
			nno_text_add_n(t, (const char *)s, n);
		s += n > 0 ? n : 1;
	}
}

void nno_text_add_base64(nno_text *t, const void *data, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *s = data;
	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		unsigned bits = (unsigned)s[i] << 16 | (left > 1 ? (unsigned)s[i + 1] << 8 : 0u) |
				(left > 2 ? (unsigned)s[i + 2] : 0u);
		char four[4] = { digits[bits >> 18], digits[bits >> 12 & 63], left > 1 ? digits[bits >> 6 & 63] : '=',
				 left > 2 ? digits[bits & 63] : '=' };
		nno_text_add_n(t, four, sizeof four);
	}
}
