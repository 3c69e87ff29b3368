/* compiler.h - the one place for compiler extensions outside kernel/. */
#ifndef NNO_BASE_COMPILER_H
#define NNO_BASE_COMPILER_H

#define NNO_PRINTF(fmt_index, first_arg) __attribute__((format(printf, fmt_index, first_arg)))
#define NNO_MUST_USE __attribute__((warn_unused_result))
#define NNO_ALIGNED(bytes) __attribute__((aligned(bytes)))
#define NNO_LIKELY(x) __builtin_expect(!!(x), 1)
#define NNO_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define NNO_INLINE static inline __attribute__((always_inline))
#define NNO_RESTRICT __restrict__
#define NNO_TYPEOF(x) __typeof__(x)

#define NNO_JOIN2(a, b) a##_##b
#define NNO_JOIN(a, b) NNO_JOIN2(a, b) /* a_b, both expanded */

#define NNO_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NNO_CACHE_LINE 64

#endif
