/* markup.c - text and bytes inside HTML and SVG. */
#include "base/text.h"

#include <string.h>

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
	size_t left = strlen(text);
	while (left > 0) {
		size_t n = nno_utf8_length(text, left), taken = n > 0 ? n : 1;
		const char *escape = n == 0 ? "\xef\xbf\xbd" : escape_of((unsigned char)*text);
		if (escape != NULL)
			nno_text_add(t, escape);
		else
			nno_text_add_n(t, text, n);
		text += taken;
		left -= taken;
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
