/* structs.c - the one rule for structs whose first member is their size: options from callers, results to them. */
#include "base/error.h"

#include <string.h>

nnopt_status nnopt_options_read(void *dst, size_t dst_size, const void *src, const char *what)
{
	if (dst == NULL || dst_size < sizeof dst_size || what == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "options_read: dst or what is NULL, or a dst_size of %zu",
				dst_size);
	if (src != NULL) {
		size_t size;
		memcpy(&size, src, sizeof size);
		if (size < sizeof size)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"%s: struct_size %zu, at least %zu wanted (use the _init function)", what, size,
					sizeof size);
		for (size_t i = dst_size; i < size; i++)
			if (((const unsigned char *)src)[i] != 0)
				return nno_fail(
				    NNOPT_ERROR_INVALID_ARGUMENT,
				    "%s: struct_size %zu, this library knows %zu bytes and the rest is not zero", what,
				    size, dst_size);
		memcpy(dst, src, size < dst_size ? size : dst_size);
	}
	memcpy(dst, &dst_size, sizeof dst_size);
	return NNOPT_OK;
}

nnopt_status nnopt_options_init(void *dst, size_t size, const void *defaults, size_t defaults_size, const char *what)
{
	if (dst == NULL || size < sizeof size || defaults == NULL || what == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"%s: struct NULL or size %zu, a struct of at least %zu bytes wanted",
				what != NULL ? what : "options_init", size, sizeof size);
	memset(dst, 0, size);
	memcpy(dst, defaults, size < defaults_size ? size : defaults_size);
	memcpy(dst, &size, sizeof size);
	return NNOPT_OK;
}
nnopt_status nnopt_result_check(const void *dst, const char *what)
{
	size_t size = 0;
	if (dst != NULL)
		memcpy(&size, dst, sizeof size);
	if (size < sizeof size)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: NULL or struct_size %zu, its sizeof wanted",
				what != NULL ? what : "result", size);
	return NNOPT_OK;
}

void nnopt_result_give(void *dst, const void *src, size_t size)
{
	size_t room;
	if (dst == NULL || src == NULL)
		return;
	memcpy(&room, dst, sizeof room);
	memcpy(dst, src, room < size ? room : size);
	memcpy(dst, &room, sizeof room);
}
