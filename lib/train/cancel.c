/* cancel.c - a flag that any thread and any signal handler may raise. */
#include "nnopt/train.h"

#include <stdatomic.h>

/* A signal handler may only touch lock-free atomics. */
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "atomic int is not lock-free");

struct nnopt_cancel {
	nnopt_context *context;
	atomic_int requested;
};

nnopt_status nnopt_cancel_create(nnopt_cancel **out, nnopt_context *context)
{
	if (out == NULL || context == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "cancel_create: out or context is NULL");
	nnopt_cancel *c = nnopt_context_alloc(context, sizeof *c);
	if (c == NULL)
		return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "cancel_create: out of memory");
	c->context = nnopt_context_retain(context);
	atomic_init(&c->requested, 0);
	*out = c;
	return NNOPT_OK;
}

void nnopt_cancel_destroy(nnopt_cancel *c)
{
	if (c == NULL)
		return;
	nnopt_context *context = c->context;
	nnopt_context_free(context, c);
	nnopt_context_destroy(context);
}

void nnopt_cancel_request(nnopt_cancel *c)
{
	if (c != NULL)
		atomic_store_explicit(&c->requested, 1, memory_order_release);
}

int32_t nnopt_cancel_requested(const nnopt_cancel *c)
{
	return c != NULL && atomic_load_explicit(&c->requested, memory_order_acquire);
}
