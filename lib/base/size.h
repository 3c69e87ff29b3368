/* size.h - sizes are multiplied and added here or not at all. */
#ifndef NNO_BASE_SIZE_H
#define NNO_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(sizeof(size_t) == 8, "sizes of pictures and plans are counted in 64 bits");

/* Each returns false on overflow and then leaves *out unspecified. */
static inline bool nno_size_mul(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }

static inline bool nno_size_add(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }

static inline bool nno_i64_mul(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }

static inline bool nno_i64_add(int64_t a, int64_t b, int64_t *out) { return !__builtin_add_overflow(a, b, out); }

/* Product of `n` extents, each >= 0; false on overflow or a negative extent. */
static inline bool nno_shape_elements(const int64_t *shape, int n, int64_t *out)
{
	int64_t total = 1;
	for (int i = 0; i < n; i++)
		if (shape[i] < 0 || !nno_i64_mul(total, shape[i], &total))
			return false;
	*out = total;
	return true;
}

static inline int64_t nno_i64_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t nno_i64_max(int64_t a, int64_t b) { return a > b ? a : b; }

/* ceil(a / b) for a >= 0, b > 0. */
static inline int64_t nno_i64_ceil_div(int64_t a, int64_t b) { return a / b + (a % b != 0); }

/* `n` rounded up to a multiple of `unit`, a power of two; the caller knows that it fits. */
static inline size_t nno_size_round_up(size_t n, size_t unit) { return (n + unit - 1) & ~(unit - 1); }

#endif
