/* isas.h - contexts for each instruction set of the machine. */
#ifndef TESTS_ISAS_H
#define TESTS_ISAS_H

#include "check.h"

enum { ISAS = NNOPT_ISA_NEON };

/* A context that runs exactly ISA `isa` (1 .. ISAS) on `threads`; NULL where the machine or the build lacks it. */
static inline nnopt_context *isa_context(int isa, int threads)
{
	nnopt_context_options o;
	nnopt_context *context = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.isa_cap = isa;
	o.threads = threads;
	nnopt_status status = nnopt_context_create(&context, &o);
	if (status == NNOPT_ERROR_UNSUPPORTED)
		return NULL;
	assert_ok(status);
	if ((int)nnopt_context_isa(context) == isa)
		return context;
	nnopt_context_destroy(context);
	return NULL;
}

static inline int has_isa(int isa)
{
	nnopt_context *context = isa == NNOPT_ISA_BEST ? NULL : isa_context(isa, 1);
	nnopt_context_destroy(context);
	return isa == NNOPT_ISA_BEST || context != NULL;
}

#endif
