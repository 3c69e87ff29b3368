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

/** The text of the last failure on the calling thread: UTF-8, 511 bytes at most (a longer one has lost its middle). Never NULL,
 *  empty before the first failure; valid until the next failing call on this thread. @since 0.1 */
NNOPT_API const char *nnopt_last_error(void);

/** A short constant name of a status, "unknown status" for values this version does not know. @since 0.1 */
NNOPT_API const char *nnopt_status_name(nnopt_status status);

/** Sets the calling thread's error text and returns `status`: for callers' own layers and callbacks, so
 *  that their reason reaches whoever called the library. `text` is copied, and may be that of nnopt_last_error(); of one of
 *  more than 511 bytes the middle is left out, and what is no UTF-8 becomes '?'. @since 0.1 */
NNOPT_API nnopt_status nnopt_fail(nnopt_status status, const char *text);

/* ---- structs of options and results: the rule every one of them follows, for libraries and bindings built on this one.
 * Their first member is `size_t struct_size`; they grow at the end only. ---- */

/** Fills `dst` (`dst_size` bytes, holding the defaults) from a caller's options `src`: NULL keeps the defaults, a smaller
 *  struct (older caller) fills its part, a larger one is INVALID_ARGUMENT unless its extra bytes are zero. dst's struct_size
 *  becomes `dst_size`. `what` begins the error text. @since 0.1 */
NNOPT_API nnopt_status nnopt_options_read(void *dst, size_t dst_size, const void *src, const char *what);
/** The body of an options initialiser: copies the first `size` bytes of `defaults` to `dst`, zeroes the rest, sets
 *  struct_size to `size`. @since 0.1 */
NNOPT_API nnopt_status nnopt_options_init(void *dst, size_t size, const void *defaults, size_t defaults_size, const char *what);
/** Whether the caller's result struct `dst` says its size; ask before any work whose outcome it is to hold. @since 0.1 */
NNOPT_API nnopt_status nnopt_result_check(const void *dst, const char *what);
/** Copies the result `src`, `size` bytes, as far as the caller's `dst` goes; its struct_size stays. @since 0.1 */
NNOPT_API void nnopt_result_give(void *dst, const void *src, size_t size);

#ifdef __cplusplus
}
#endif

#endif
