/**
 * @file status.h
 * Status codes, error text, and the macros every public header uses.
 */
#ifndef NNOPT_STATUS_H
#define NNOPT_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define NNOPT_API __attribute__((visibility("default")))
#else
#define NNOPT_API
#endif

/** What every fallible function returns. Values are pinned; treat an unknown one as failure. */
typedef enum nnopt_status {
	NNOPT_OK = 0,
	NNOPT_ERROR_INVALID_ARGUMENT = 10, /**< an argument is wrong; the text names it, the value got and the value wanted */
	NNOPT_ERROR_OUT_OF_MEMORY = 20,    /**< an allocation failed, or a stated budget would be exceeded */
	NNOPT_ERROR_IO = 30,               /**< the operating system refused a read or a write; the text names the file */
	NNOPT_ERROR_FORMAT = 40,           /**< bytes from outside are malformed; the text names the file and the offset */
	NNOPT_ERROR_NOT_FOUND = 50,        /**< no file, parameter or class of that name */
	NNOPT_ERROR_UNSUPPORTED = 60,      /**< valid, but not offered by this build or this version */
	NNOPT_ERROR_STATE = 70,            /**< the object is not in a state for this call, such as backward before forward */
	NNOPT_ERROR_NONFINITE = 80,        /**< a loss or gradient became infinite or NaN; the weights were not touched */
	NNOPT_ERROR_CANCELLED = 90,        /**< the caller asked to stop */
	NNOPT_ERROR_CALLBACK = 100,        /**< a function of the caller's returned failure */
	NNOPT_ERROR_INTERNAL = 110,        /**< a bug in the library; destroy the object and report it */
	NNOPT_STATUS_FORCE_32 = 0x7fffffff
} nnopt_status;

/** The text of the last failure on the calling thread. Never NULL, empty before the first failure; valid until the next
 *  failing call on this thread. @since 0.1 */
NNOPT_API const char *nnopt_last_error(void);

/** A short constant name of a status, "unknown status" for values this version does not know. @since 0.1 */
NNOPT_API const char *nnopt_status_name(nnopt_status status);

#ifdef __cplusplus
}
#endif

#endif
