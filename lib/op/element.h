/* element.h - included by the op files that are compiled once for each type of values, with -DNNO_TYPE=<name>: the
 * type, its kernels, and a run's values as pointers to it. Parameters, their gradients and all scratch are f32. */
#ifndef NNO_OP_ELEMENT_H
#define NNO_OP_ELEMENT_H

#include "op/op.h"

#if defined(NNO_TYPE_BF16)
typedef nno_bf16 elem;
#elif defined(NNO_TYPE_F16)
typedef nno_f16 elem;
#else
typedef float elem;
#endif

/* Of what is not static: the name for this type. */
#define NNO_OF(name) NNO_JOIN(name, NNO_TYPE)
/* An op's code for this type; op/classes.c lists it. */
#define NNO_OP_CODE(name) const nno_op_code NNO_OF(nno_code_##name)

typedef NNO_JOIN(nno_kernels, NNO_TYPE) value_kernels;

/* Values are not floats: kernels that multiply want them widened first. */
enum { NNO_WIDENS = sizeof(elem) != sizeof(float) };

static inline const value_kernels *kernels_of(const nno_run *run) { return run->kernels->NNO_TYPE; }
static inline const elem *src_of(const nno_run *run, int k) { return run->src[k]; }
static inline elem *dst_of(const nno_run *run) { return run->dst; }
static inline elem *ddst_of(const nno_run *run) { return run->ddst; }
static inline elem *dsrc_of(const nno_run *run, int k) { return run->dsrc[k]; }

/* n values as floats: where they are, or widened into `room`, which may be NULL where NNO_WIDENS is 0. */
static inline const float *nno_as_floats(const nno_run *run, float *room, const elem *src, int64_t n)
{
#ifdef NNO_TYPE_F32
	(void)run;
	(void)room;
	(void)n;
	return src;
#else
	kernels_of(run)->widen(room, src, n);
	return room;
#endif
}

/* Floats of room for n values that are to be widened. */
static inline size_t nno_room(size_t n) { return NNO_WIDENS ? n : 0; }

#endif
