/* values.h - included by the cases that are compiled once for each type of values, with -DNNO_TYPE=<name>: the type,
 * its kernels and buffers of it. */
#ifndef TESTS_KERNEL_VALUES_H
#define TESTS_KERNEL_VALUES_H

#include "frame.h"

#include "tensor/convert.h"

#include <math.h>

#define NNO_JOIN2(a, b) a##_##b
#define NNO_JOIN(a, b) NNO_JOIN2(a, b)

#if defined(NNO_TYPE_BF16)
typedef nno_bf16 elem;
enum { ELEMENTS = BF16S };
static inline elem elem_of(float x) { return (elem){ nno_f32_to_bf16(x) }; }
#elif defined(NNO_TYPE_F16)
typedef nno_f16 elem;
enum { ELEMENTS = F16S };
static inline elem elem_of(float x) { return (elem){ nno_f32_to_f16(x) }; }
#else
typedef float elem;
enum { ELEMENTS = FLOATS };
static inline elem elem_of(float x) { return x; }
#endif

/* Values in a line of a cache; rows of whole lines may be written past it. */
enum { LINE = 64 / sizeof(elem) };

typedef NNO_JOIN(nno_kernels, NNO_TYPE) value_kernels;

static inline const value_kernels *of(const frame *f) { return f->k->NNO_TYPE; }

/* `count` values times a scale. */
static inline elem *values(frame *f, int64_t count, float scale)
{
	elem *x = take(f, (size_t)count * sizeof *x);
	for (int64_t i = 0; i < count && f->timing < 2; i++)
		x[i] = elem_of(value(f, (uint32_t)f->given, i) * scale);
	return x;
}

/* Results, filled as an input is. */
static inline elem *results(frame *f, int64_t count)
{
	elem *x = values(f, count, 1.0f);
	return result(f, x, (size_t)count * sizeof *x, (element)ELEMENTS);
}

/* Values of which some are NaN. */
static inline elem *values_and_nans(frame *f, int64_t count, float scale)
{
	elem *x = values(f, count, scale);
	for (int64_t i = f->n % 7; i < count; i += 11)
		x[i] = elem_of(NAN);
	return x;
}

#endif
