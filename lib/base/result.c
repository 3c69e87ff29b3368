#include "base/result.h"

#include <string.h>

nnopt_status nno_result_check(const void *dst, const char *what)
{
	size_t size = 0;
	if (dst != NULL)
		memcpy(&size, dst, sizeof size);
	if (size < sizeof size)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: NULL or struct_size %zu, its sizeof wanted", what, size);
	return NNOPT_OK;
}

void nno_result_give(void *dst, const void *src, size_t size)
{
	size_t room;
	memcpy(&room, dst, sizeof room);
	memcpy(dst, src, room < size ? room : size);
	memcpy(dst, &room, sizeof room);
}
