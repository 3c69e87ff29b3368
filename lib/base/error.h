/* error.h - a status is born in nno_fail() and nowhere else, so none is without its text. */
#ifndef NNO_BASE_ERROR_H
#define NNO_BASE_ERROR_H

#include "base/compiler.h"
#include "nnopt/status.h"

/* Stores the text of this thread's last failure and returns `status`.
 * Text form: "<function or kind>: <argument> <value got>, <value wanted>". Never allocates. */
nnopt_status nno_fail(nnopt_status status, const char *format, ...) NNO_PRINTF(2, 3);

/* Puts "<text>: " in front of this thread's last failure text, to add where it happened
 * (a file's name, a layer's name). Returns `status` unchanged. */
nnopt_status nno_fail_in(nnopt_status status, const char *format, ...) NNO_PRINTF(2, 3);

/* How many failures this thread has seen. */
unsigned nno_failures(void);
/* `status` is what a function of the caller's returned that was called after `before` of them. Where it failed without
 * a text of its own (nnopt_fail()), the last text, which is an older failure's, gives way to the status's name. */
nnopt_status nno_fail_caller(unsigned before, nnopt_status status);

/* Out of memory while allocating `bytes` for `what`. */
nnopt_status nno_fail_memory(const char *what, size_t bytes);

#define NNO_TRY(call)                           \
	do {                                    \
		nnopt_status nno_try_ = (call); \
		if (nno_try_ != NNOPT_OK)       \
			return nno_try_;        \
	} while (0)

/* The same, for functions with one `out:` clean-up and a local `nnopt_status status`. */
#define NNO_TRY_OUT(call)               \
	do {                            \
		status = (call);        \
		if (status != NNOPT_OK) \
			goto out;       \
	} while (0)

#endif
