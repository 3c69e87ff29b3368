/* ref.h - reference counts. An object starts at 1, owned by whoever created it. */
#ifndef NNO_BASE_REF_H
#define NNO_BASE_REF_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct nno_ref {
	atomic_int count;
} nno_ref;

static inline void nno_ref_init(nno_ref *r) { atomic_init(&r->count, 1); }

static inline void nno_ref_take(nno_ref *r) { atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed); }

/* True when this was the last reference: the caller then frees the object. */
static inline bool nno_ref_drop(nno_ref *r)
{
	return atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel) == 1;
}

#endif
