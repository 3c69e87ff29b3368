/* options.h - the one rule for option structs of other sizes than ours (first member: size_t struct_size). */
#ifndef NNO_BASE_OPTIONS_H
#define NNO_BASE_OPTIONS_H

#include "base/error.h"

/* Fills `dst` (our struct, `dst_size` bytes, already holding the defaults) from the caller's `src`.
 * NULL src keeps the defaults. A smaller src (older caller) fills its part; a larger one (newer caller) is refused
 * unless its extra bytes are zero. `what` names the struct in errors. dst->struct_size becomes dst_size. */
nnopt_status nno_options_read(void *dst, size_t dst_size, const void *src, const char *what);

/* The body of every nnopt_x_options_init(): copies the first `size` bytes of our `defaults` to the caller's struct
 * (zeroing what we do not know) and sets its struct_size to `size`. */
nnopt_status nno_options_init(void *dst, size_t size, const void *defaults, size_t defaults_size, const char *what);

#endif
