/* context.c - options, the ISA's cap, the log, and the caller's allocator, which serves every allocation. */
#include "check.h"

#include "budget.h"
#include "context/context.h"

#include <stdio.h>

static int lines;
static char last_line[600];

static void note(nnopt_log_level level, const char *text, void *user)
{
	assert_ptr_equal(user, &lines);
	assert_true(level >= NNOPT_LOG_ERROR && level <= NNOPT_LOG_DEBUG);
	lines++;
	snprintf(last_line, sizeof last_line, "%s", text);
}

static void options(void **state)
{
	(void)state;
	nnopt_context_options o;
	nnopt_context *ctx = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.threads = -1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "threads -1", nnopt_context_create(&ctx, &o));
	o.threads = 3;
	o.seed = 42;
	assert_ok(nnopt_context_create(&ctx, &o));
	assert_int_equal(nnopt_context_threads(ctx), 3);
	assert_true(nnopt_context_seed(ctx) == 42);
	nnopt_context_destroy(ctx);
	ctx = NULL;
	o.alloc = budget_alloc; /* without free */
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "free", nnopt_context_create(&ctx, &o));
	o.alloc = NULL;
	o.device = "cuda";
	assert_fails(NNOPT_ERROR_UNSUPPORTED, "cuda", nnopt_context_create(&ctx, &o));
	o.device = "cpu";
	assert_ok(nnopt_context_create(&ctx, &o));
	nnopt_context_destroy(ctx);
	assert_string_equal(nnopt_isa_name((nnopt_isa)99), "unknown");
	assert_int_equal(nnopt_version(), NNOPT_VERSION);
	assert_non_null(strstr(nnopt_build_info(), nnopt_version_string()));
}

static nnopt_isa isa_of(int32_t cap)
{
	nnopt_context_options o;
	nnopt_context *ctx = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.isa_cap = cap;
	assert_ok(nnopt_context_create(&ctx, &o));
	nnopt_isa isa = nnopt_context_isa(ctx);
	nnopt_context_destroy(ctx);
	return isa;
}

static void isa_caps(void **state)
{
	(void)state;
	char *before = getenv("NNOPT_MAX_ISA");
	assert_int_equal(isa_of(NNOPT_ISA_SCALAR), NNOPT_ISA_SCALAR);
	nnopt_isa best = isa_of(NNOPT_ISA_BEST);
	assert_true(best >= NNOPT_ISA_SCALAR && best <= NNOPT_ISA_NEON);
	assert_int_equal(setenv("NNOPT_MAX_ISA", "scalar", 1), 0);
	assert_int_equal(isa_of(NNOPT_ISA_BEST), NNOPT_ISA_SCALAR);
	if (before == NULL)
		assert_int_equal(unsetenv("NNOPT_MAX_ISA"), 0);
}

static void logs(void **state)
{
	(void)state;
	nnopt_context_options o;
	nnopt_context *ctx = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.log = note;
	o.log_user = &lines;
	o.log_level = NNOPT_LOG_WARNING;
	assert_ok(nnopt_context_create(&ctx, &o));
	lines = 0;
	nno_log(ctx, NNOPT_LOG_INFO, "not heard");
	assert_int_equal(lines, 0);
	nno_log(ctx, NNOPT_LOG_WARNING, "heard %d", 5);
	assert_int_equal(lines, 1);
	assert_string_equal(last_line, "heard 5");
	nnopt_context_destroy(ctx);
}

static void the_callers_allocator(void **state)
{
	(void)state;
	static budget memory;
	nnopt_context_options o;
	nnopt_context *ctx = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.alloc = budget_alloc;
	o.free = budget_free;
	o.alloc_user = &memory;
	o.threads = 4;
	assert_ok(nnopt_context_create(&ctx, &o));
	void *p = nnopt_context_alloc(ctx, 1000);
	assert_non_null(p);
	assert_int_equal((uintptr_t)p % 64, 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(((char *)p)[i], 0);
	nnopt_context *again = nnopt_context_retain(ctx);
	nnopt_context_destroy(ctx);
	nnopt_context_free(again, p);
	nnopt_context_free(again, NULL);
	assert_null(nnopt_context_alloc(again, SIZE_MAX - 10));
	assert_true(atomic_load(&memory.blocks) > 0);
	nnopt_context_destroy(again);
	assert_int_equal(atomic_load(&memory.blocks), 0);
	assert_int_equal(atomic_load(&memory.live), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(options), cmocka_unit_test(isa_caps),
					    cmocka_unit_test(logs), cmocka_unit_test(the_callers_allocator) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
