/* json.h - reading JSON (jsmn in strict mode): nesting <= 32, duplicate keys refused, errors with the offset. */
#ifndef NNO_BASE_JSON_H
#define NNO_BASE_JSON_H

#include "base/alloc.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum nno_json_type {
	NNO_JSON_NULL,
	NNO_JSON_BOOL,
	NNO_JSON_NUMBER,
	NNO_JSON_STRING,
	NNO_JSON_ARRAY,
	NNO_JSON_OBJECT
} nno_json_type;

typedef struct nno_json nno_json;

/* Parses `length` bytes, an object or a list (borrowed until nno_json_free). `what` names in errors where it comes from,
 * and `base` is the offset that it has there. At most `max_tokens` values. */
nnopt_status nno_json_parse(nno_json **out, const nno_alloc *alloc, const char *text, size_t length, int max_tokens,
			    const char *what, size_t base);
void nno_json_free(nno_json *j);

/* Values are numbers from 0, the root. Every getter fails with FORMAT, naming the offset, when the type is another. */
nno_json_type nno_json_type_of(const nno_json *j, int value);
/* Entries of an array or object. */
int nno_json_size(const nno_json *j, int value);
/* First entry (an object's first key), or -1; the entry after one (keys follow keys), or -1; and the value of a key. */
int nno_json_first(const nno_json *j, int value);
int nno_json_next(const nno_json *j, int value);
int nno_json_value(const nno_json *j, int key);
/* Value of `key` in an object, or -1. */
int nno_json_get(const nno_json *j, int object, const char *key);
nnopt_status nno_json_number(const nno_json *j, int value, double *out);
nnopt_status nno_json_i64(const nno_json *j, int value, int64_t *out);
nnopt_status nno_json_bool(const nno_json *j, int value, bool *out);
/* The string unescaped into a new NUL-terminated text (no embedded NUL allowed). Free with nno_delete. */
nnopt_status nno_json_text(const nno_json *j, int value, char **out);
/* Compares without allocating. */
bool nno_json_equals(const nno_json *j, int value, const char *text);
/* Byte offset of a value where the text comes from, for errors. */
size_t nno_json_offset(const nno_json *j, int value);

#endif
