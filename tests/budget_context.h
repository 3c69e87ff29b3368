/* budget_context.h - a context whose memory a test counts: group setup and teardown. The last holds that all of it came
 * back. */
#ifndef TESTS_BUDGET_CONTEXT_H
#define TESTS_BUDGET_CONTEXT_H

#include "check.h"

#include "budget.h"

static budget memory;
static nnopt_context *ctx;

static inline int make_context(void **state)
{
	nnopt_context_options o;
	(void)state;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.alloc = budget_alloc;
	o.free = budget_free;
	o.alloc_user = &memory;
	return nnopt_context_create(&ctx, &o) != NNOPT_OK;
}

static inline int free_context(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	budget_came_back(&memory);
	return 0;
}

#endif
