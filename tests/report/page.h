/* page.h - reading a report as a browser would, strictly: every element closed in its turn, nothing from elsewhere. */
#ifndef TESTS_REPORT_PAGE_H
#define TESTS_REPORT_PAGE_H

#include "check.h"

#include <ctype.h>
#include <stdio.h>

static inline char *page_of(const nnopt_report *r)
{
	size_t needed = 0;
	assert_ok(nnopt_report_html(r, NULL, 0, &needed));
	char *text = malloc(needed);
	assert_ok(nnopt_report_html(r, text, needed, NULL));
	assert_int_equal(strlen(text) + 1, needed);
	return text;
}

static inline int times(const char *text, const char *what)
{
	int n = 0;
	for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
		n++;
	return n;
}

static inline void assert_stands_alone(const char *html)
{
	static const char *const foreign[] = {
		"<script", "<link", "<iframe", "@import", "url(", "javascript:", "srcset"
	};
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
		assert_null(strstr(html, foreign[i]));
	for (const char *at = html; (at = strstr(at, "://")) != NULL; at++) /* but for the name of SVG's space */
		assert_int_equal(strncmp(at - strlen("xmlns=\"http"), "xmlns=\"http://www.w3.org/2000/svg\"", 34), 0);
	for (const char *at = html; (at = strstr(at, " src=\"")) != NULL; at++)
		assert_int_equal(strncmp(at, " src=\"data:image/png;base64,", 28), 0);
	for (const char *at = html; (at = strstr(at, "href=\"")) != NULL; at++)
		assert_int_equal(at[6], '#');
}

/* Tags in balance, attributes quoted and each once, no stray angle brackets. */
static inline void assert_well_formed(const char *html)
{
	char stack[64][16], name[16];
	int depth = 0;
	assert_int_equal(strncmp(html, "<!DOCTYPE html>\n", 16), 0);
	for (const char *p = html + 16; *p != '\0';) {
		if (*p != '<') {
			if (*p == '>' && strcmp(depth > 0 ? stack[depth - 1] : "", "style") != 0)
				fail_msg("a stray > before %.60s", p);
			p++;
			continue;
		}
		int closing = p[1] == '/', n = 0;
		for (p += 1 + closing; isalnum((unsigned char)*p) && n < 15; p++)
			name[n++] = *p;
		name[n] = '\0';
		assert_true(n > 0);
		while (*p == ' ') {
			const char *attribute = ++p;
			while (islower((unsigned char)*p) || *p == '-' || isdigit((unsigned char)*p) || *p == 'B')
				p++;
			assert_true(p > attribute && p[0] == '=' && p[1] == '"');
			for (p += 2; *p != '"'; p++)
				assert_true(*p != '\0' && *p != '<' && *p != '>');
			p++;
		}
		int empty = *p == '/';
		p += empty;
		if (*p != '>')
			fail_msg("<%s is not ended at %.60s", name, p);
		p++;
		if (closing) {
			if (depth == 0 || strcmp(stack[depth - 1], name) != 0)
				fail_msg("</%s> ends <%s>", name, depth > 0 ? stack[depth - 1] : "nothing");
			depth--;
		} else if (!empty && strcmp(name, "meta") != 0 && strcmp(name, "img") != 0) {
			assert_true(depth < 64);
			strcpy(stack[depth++], name);
		}
	}
	assert_int_equal(depth, 0);
}

static inline void assert_good_page(const nnopt_report *r, const char *const *has)
{
	char *html = page_of(r);
	assert_well_formed(html);
	assert_stands_alone(html);
	for (; has != NULL && *has != NULL; has++)
		if (strstr(html, *has) == NULL)
			fail_msg("the page lacks \"%s\"", *has);
	free(html);
}

#define HAS(...) ((const char *const[]){ __VA_ARGS__, NULL })

#endif
