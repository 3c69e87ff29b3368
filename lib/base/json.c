/* json.c - reading JSON. jsmn cuts the text into tokens; it is lenient, so a strict pass of our own goes first and
 * accepts exactly the grammar of RFC 8259 in valid UTF-8, with nesting and number of values bounded. */
#include "base/json.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

#define MAX_NESTING 32

struct nno_json {
	const nno_alloc *alloc;
	const char *text;
	const char *what;
	size_t base; /* where the text begins there */
	jsmntok_t *tokens;
	int *next; /* sibling after each value, or -1 */
	int n_tokens;
};

/* --- the grammar --- */

typedef struct scan {
	const char *text;
	size_t length, at;
	int values; /* tokens that jsmn will make */
	const char *problem;
} scan;

static bool fail_scan(scan *s, const char *problem)
{
	if (s->problem == NULL)
		s->problem = problem;
	return false;
}

static void skip_space(scan *s)
{
	while (s->at < s->length && strchr(" \t\r\n", s->text[s->at]) != NULL && s->text[s->at] != '\0')
		s->at++;
}

static bool take(scan *s, char c)
{
	if (s->at >= s->length || s->text[s->at] != c)
		return false;
	s->at++;
	return true;
}

static bool hex4(const char *text, size_t n, unsigned *out)
{
	unsigned value = 0;
	if (n < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = text[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;
		if (digit < 0)
			return false;
		value = value * 16 + (unsigned)digit;
	}
	*out = value;
	return true;
}

static bool scan_escape(scan *s)
{
	char c = s->at < s->length ? s->text[s->at++] : '\0';
	if (c != '\0' && strchr("\"\\/bfnrt", c) != NULL)
		return true;
	unsigned code, second;
	if (c != 'u' || !hex4(s->text + s->at, s->length - s->at, &code))
		return fail_scan(s, "bad escape");
	s->at += 4;
	if (code >= 0xdc00 && code <= 0xdfff)
		return fail_scan(s, "lone surrogate");
	if (code >= 0xd800 && code <= 0xdbff) {
		if (s->length - s->at < 6 || s->text[s->at] != '\\' || s->text[s->at + 1] != 'u' ||
		    !hex4(s->text + s->at + 2, 4, &second) || second < 0xdc00 || second > 0xdfff)
			return fail_scan(s, "lone surrogate");
		s->at += 6;
	}
	return code != 0 || fail_scan(s, "NUL in a string");
}

static bool scan_string(scan *s)
{
	if (!take(s, '"'))
		return fail_scan(s, "string wanted");
	while (s->at < s->length) {
		unsigned char c = (unsigned char)s->text[s->at];
		if (c == '"') {
			s->at++;
			s->values++;
			return true;
		}
		if (c < 0x20)
			return fail_scan(s, "control character in a string");
		if (c == '\\') {
			s->at++;
			if (!scan_escape(s))
				return false;
			continue;
		}
		size_t n = nno_utf8_length(s->text + s->at, s->length - s->at);
		if (n == 0)
			return fail_scan(s, "invalid UTF-8");
		s->at += n;
	}
	return fail_scan(s, "string without end");
}

static bool scan_word(scan *s)
{
	static const char *const words[] = { "true", "false", "null" };
	for (size_t i = 0; i < NNO_COUNT(words); i++) {
		size_t n = strlen(words[i]);
		if (s->length - s->at >= n && memcmp(s->text + s->at, words[i], n) == 0) {
			s->at += n;
			s->values++;
			return true;
		}
	}
	size_t start = s->at;
	double number;
	while (s->at < s->length && s->text[s->at] != '\0' && strchr("+-.0123456789eE", s->text[s->at]) != NULL)
		s->at++;
	s->values++;
	if (nno_parse_number(s->text + start, s->at - start, &number))
		return true;
	s->at = start;
	return fail_scan(s, "value wanted");
}

static bool scan_value(scan *s, int depth);

static bool scan_list(scan *s, int depth, char end, bool object)
{
	s->at++;
	s->values++;
	skip_space(s);
	if (take(s, end))
		return true;
	for (;;) {
		skip_space(s);
		if (object) {
			if (!scan_string(s))
				return false;
			skip_space(s);
			if (!take(s, ':'))
				return fail_scan(s, "':' wanted");
		}
		if (!scan_value(s, depth + 1))
			return false;
		skip_space(s);
		if (take(s, end))
			return true;
		if (!take(s, ','))
			return fail_scan(s, "',' wanted");
	}
}

static bool scan_value(scan *s, int depth)
{
	if (depth > MAX_NESTING)
		return fail_scan(s, "nested too deeply");
	skip_space(s);
	if (s->at >= s->length)
		return fail_scan(s, "value wanted");
	switch (s->text[s->at]) {
	case '{':
		return scan_list(s, depth, '}', true);
	case '[':
		return scan_list(s, depth, ']', false);
	case '"':
		return scan_string(s);
	default:
		return scan_word(s);
	}
}

/* --- tokens --- */

static void link_siblings(nno_json *j, int *last)
{
	for (int i = 0; i < j->n_tokens; i++) {
		j->next[i] = -1;
		last[i] = -1;
	}
	for (int i = 1; i < j->n_tokens; i++) {
		/* A key's value hangs on the key; keys are siblings. */
		int parent = j->tokens[i].parent;
		if (last[parent] >= 0)
			j->next[last[parent]] = i;
		last[parent] = i;
	}
}

/* The bytes that a string's content stands for, one character at a time; 0 at the end. */
static int decode(const char **at, const char *end, char out[4])
{
	const char *c = *at;
	if (c >= end)
		return 0;
	if (*c != '\\') {
		out[0] = *c;
		*at = c + 1;
		return 1;
	}
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (c[1] != 'u') {
		out[0] = to[strchr(from, c[1]) - from];
		*at = c + 2;
		return 1;
	}
	unsigned code = 0, low = 0;
	(void)hex4(c + 2, 4, &code);
	*at = c + 6;
	if (code >= 0xd800 && code <= 0xdbff) {
		(void)hex4(c + 8, 4, &low);
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		*at = c + 12;
	}
	int n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	for (int i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (code & 63));
		code >>= 6;
	}
	out[0] = (char)(lead[n] | code);
	return n;
}

static const char *start_of(const nno_json *j, int value) { return j->text + j->tokens[value].start; }
static const char *end_of(const nno_json *j, int value) { return j->text + j->tokens[value].end; }

static uint64_t hash_string(const nno_json *j, int value)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
	const char *at = start_of(j, value);
	char bytes[4];
	for (int n; (n = decode(&at, end_of(j, value), bytes)) > 0;)
		for (int i = 0; i < n; i++)
			hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
	return hash;
}

static bool same_string(const nno_json *j, int a, int b)
{
	/* Byte by byte: a character may be raw in one and an escape in the other. */
	const char *x = start_of(j, a), *y = start_of(j, b);
	char p[4], q[4];
	int n = 0, m = 0, i = 0, k = 0;
	for (;;) {
		if (i == n) {
			n = decode(&x, end_of(j, a), p);
			i = 0;
		}
		if (k == m) {
			m = decode(&y, end_of(j, b), q);
			k = 0;
		}
		if (n == 0 || m == 0)
			return n == m;
		if (p[i++] != q[k++])
			return false;
	}
}

/* Finds a key that an object has twice, or -1: a hash table of the keys seen, as large as twice their number. */
static int duplicate_key(const nno_json *j, int object, int *table, size_t slots)
{
	for (size_t i = 0; i < slots; i++)
		table[i] = -1;
	for (int key = nno_json_first(j, object); key >= 0; key = j->next[key]) {
		size_t at = (size_t)hash_string(j, key) % slots;
		for (; table[at] >= 0; at = (at + 1) % slots)
			if (same_string(j, table[at], key))
				return key;
		table[at] = key;
	}
	return -1;
}

static nnopt_status check_duplicates(const nno_json *j)
{
	size_t slots = 2 * (size_t)j->n_tokens + 1;
	int *table = nno_new_array(j->alloc, slots, sizeof *table);
	if (table == NULL)
		return nno_fail_memory(j->what, slots * sizeof *table);
	int found = -1;
	for (int i = 0; i < j->n_tokens && found < 0; i++)
		if (j->tokens[i].type == JSMN_OBJECT && j->tokens[i].size > 1)
			found = duplicate_key(j, i, table, 2 * (size_t)j->tokens[i].size + 1);
	nno_delete(j->alloc, table);
	if (found >= 0)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: a key twice in one object", j->what,
				nno_json_offset(j, found));
	return NNOPT_OK;
}

static nnopt_status tokenize(nno_json *j, size_t length, int count)
{
	j->tokens = nno_new_array(j->alloc, (size_t)count, sizeof *j->tokens);
	j->next = nno_new_array(j->alloc, (size_t)count, sizeof *j->next);
	int *last = nno_new_array(j->alloc, (size_t)count, sizeof *last);
	if (j->tokens == NULL || j->next == NULL || last == NULL) {
		nno_delete(j->alloc, last);
		return nno_fail_memory(j->what, (size_t)count * sizeof *j->tokens);
	}
	jsmn_parser parser;
	jsmn_init(&parser);
	j->n_tokens = jsmn_parse(&parser, j->text, length, j->tokens, (unsigned)count);
	bool good = j->n_tokens == count;
	if (good)
		link_siblings(j, last);
	nno_delete(j->alloc, last);
	if (!good)
		return nno_fail(NNOPT_ERROR_INTERNAL, "%s: offset 0: the two JSON readers disagree", j->what);
	return check_duplicates(j);
}

nnopt_status nno_json_parse(nno_json **out, const nno_alloc *alloc, const char *text, size_t length, int max_tokens,
			    const char *what, size_t base)
{
	scan s = { .text = text, .length = length };
	skip_space(&s);
	/* jsmn ends a number only at what follows it, so a text is an object or a list. */
	bool good = length < INT32_MAX && s.at < length &&
		    (text[s.at] == '{' || text[s.at] == '[' || fail_scan(&s, "an object or a list wanted"));
	good = good && scan_value(&s, 0);
	skip_space(&s);
	if (good && s.at != length)
		good = fail_scan(&s, "something after the value");
	if (!good)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: %s", what, base + s.at,
				s.problem != NULL    ? s.problem
				: length < INT32_MAX ? "the text is empty"
						     : "the text is too long");
	if (s.values > max_tokens)
		return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: %d values, at most %d wanted", what, base + s.at,
				s.values, max_tokens);
	nno_json *j = nno_new(alloc, sizeof *j);
	if (j == NULL)
		return nno_fail_memory(what, sizeof *j);
	*j = (nno_json){ .alloc = alloc, .text = text, .what = what, .base = base };
	nnopt_status status = tokenize(j, length, s.values);
	if (status != NNOPT_OK) {
		nno_json_free(j);
		return status;
	}
	*out = j;
	return NNOPT_OK;
}

void nno_json_free(nno_json *j)
{
	if (j == NULL)
		return;
	const nno_alloc *alloc = j->alloc;
	nno_delete(alloc, j->tokens);
	nno_delete(alloc, j->next);
	nno_delete(alloc, j);
}

nno_json_type nno_json_type_of(const nno_json *j, int value)
{
	switch (j->tokens[value].type) {
	case JSMN_OBJECT:
		return NNO_JSON_OBJECT;
	case JSMN_ARRAY:
		return NNO_JSON_ARRAY;
	case JSMN_STRING:
		return NNO_JSON_STRING;
	default:
		break;
	}
	char c = *start_of(j, value);
	return c == 'n' ? NNO_JSON_NULL : c == 't' || c == 'f' ? NNO_JSON_BOOL : NNO_JSON_NUMBER;
}

int nno_json_size(const nno_json *j, int value) { return j->tokens[value].size; }

int nno_json_first(const nno_json *j, int value)
{
	return j->tokens[value].size > 0 && value + 1 < j->n_tokens ? value + 1 : -1;
}

int nno_json_next(const nno_json *j, int value) { return j->next[value]; }

int nno_json_value(const nno_json *j, int key)
{
	(void)j;
	return key + 1;
}

int nno_json_get(const nno_json *j, int object, const char *key)
{
	if (nno_json_type_of(j, object) != NNO_JSON_OBJECT)
		return -1;
	for (int k = nno_json_first(j, object); k >= 0; k = j->next[k])
		if (nno_json_equals(j, k, key))
			return nno_json_value(j, k);
	return -1;
}

static nnopt_status wrong_type(const nno_json *j, int value, const char *wanted)
{
	return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: %s wanted", j->what, nno_json_offset(j, value), wanted);
}

nnopt_status nno_json_number(const nno_json *j, int value, double *out)
{
	size_t n = (size_t)(end_of(j, value) - start_of(j, value));
	if (nno_json_type_of(j, value) != NNO_JSON_NUMBER || !nno_parse_number(start_of(j, value), n, out))
		return wrong_type(j, value, "a number");
	return NNOPT_OK;
}

nnopt_status nno_json_i64(const nno_json *j, int value, int64_t *out)
{
	size_t n = (size_t)(end_of(j, value) - start_of(j, value));
	if (nno_json_type_of(j, value) != NNO_JSON_NUMBER || !nno_parse_i64(start_of(j, value), n, out))
		return wrong_type(j, value, "a 64-bit integer");
	return NNOPT_OK;
}

nnopt_status nno_json_bool(const nno_json *j, int value, bool *out)
{
	if (nno_json_type_of(j, value) != NNO_JSON_BOOL)
		return wrong_type(j, value, "true or false");
	*out = *start_of(j, value) == 't';
	return NNOPT_OK;
}

nnopt_status nno_json_text(const nno_json *j, int value, char **out)
{
	if (nno_json_type_of(j, value) != NNO_JSON_STRING)
		return wrong_type(j, value, "a string");
	size_t n = (size_t)(end_of(j, value) - start_of(j, value));
	char *text = nno_new(j->alloc, n + 4);
	if (text == NULL)
		return nno_fail_memory(j->what, n + 4);
	const char *at = start_of(j, value);
	char *to = text;
	for (int k; (k = decode(&at, end_of(j, value), to)) > 0;)
		to += k;
	*to = '\0';
	*out = text;
	return NNOPT_OK;
}

bool nno_json_equals(const nno_json *j, int value, const char *text)
{
	if (nno_json_type_of(j, value) != NNO_JSON_STRING)
		return false;
	const char *at = start_of(j, value);
	char bytes[4];
	for (int n; (n = decode(&at, end_of(j, value), bytes)) > 0; text += n)
		if (strncmp(text, bytes, (size_t)n) != 0)
			return false;
	return *text == '\0';
}

size_t nno_json_offset(const nno_json *j, int value) { return j->base + (size_t)j->tokens[value].start; }
