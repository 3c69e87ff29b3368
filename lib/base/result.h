/* result.h - the one rule for structs that the library fills (first member: size_t struct_size, set by the caller). */
#ifndef NNO_BASE_RESULT_H
#define NNO_BASE_RESULT_H

#include "base/error.h"

#include <stddef.h>

/* Whether `dst` says its size; ask before any work whose outcome it is to hold. NULL is INVALID_ARGUMENT. */
nnopt_status nno_result_check(const void *dst, const char *what);

/* Copies ours, `size` bytes, as far as the caller's struct goes; struct_size stays the caller's. */
void nno_result_give(void *dst, const void *src, size_t size);

#endif
