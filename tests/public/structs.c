/* structs.c - the rule of sized structs: struct_size first, nothing after the last member, initialisers that serve
 * older and newer callers. */
#include "check.h"

#define SIZED(type, last)                                                                                 \
	_Static_assert(offsetof(type, struct_size) == 0, #type ": struct_size is not first");             \
	_Static_assert(offsetof(type, last) + sizeof(((type *)0)->last) == sizeof(type), #type ": bytes " \
											       "after " #last);
#define OPTIONS(type, last, init) SIZED(type, last)
#include "structs.inc"
#undef SIZED
#undef OPTIONS

typedef nnopt_status (*init_fn)(void *options, size_t size);

struct options_case {
	const char *name;
	size_t size;
	init_fn init;
};

/* One function a struct, so that the call has the declared type. */
#define SIZED(type, last)
#define OPTIONS(type, last, init) \
	static nnopt_status call_##type(void *p, size_t size) { return init((type *)p, size); }
#include "structs.inc"
#undef OPTIONS
#define OPTIONS(type, last, init) { #type, sizeof(type), call_##type },
static const struct options_case cases[] = {
#include "structs.inc"
};
#undef SIZED
#undef OPTIONS

#define CASE_COUNT (sizeof cases / sizeof cases[0])

static void initialisers_serve_callers_of_every_age(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASE_COUNT; i++) {
		const struct options_case *c = &cases[i];
		unsigned char full[1024], part[1024], more[1024];
		size_t size = 0, half = c->size / 2 / 8 * 8;
		assert_true(c->size + 16 <= sizeof full);

		memset(full, 0xa5, sizeof full);
		assert_ok(c->init(full, c->size));
		memcpy(&size, full, sizeof size);
		assert_int_equal(size, c->size);
		assert_int_equal(full[c->size], 0xa5);

		/* An older caller's struct is the beginning of ours. */
		memset(part, 0xa5, sizeof part);
		assert_ok(c->init(part, half));
		memcpy(&size, part, sizeof size);
		assert_int_equal(size, half);
		assert_memory_equal(part + sizeof size, full + sizeof size, half - sizeof size);
		assert_int_equal(part[half], 0xa5);

		/* A newer caller's has zeros behind it. */
		memset(more, 0xa5, sizeof more);
		assert_ok(c->init(more, c->size + 16));
		memcpy(&size, more, sizeof size);
		assert_int_equal(size, c->size + 16);
		assert_memory_equal(more + sizeof size, full + sizeof size, c->size - sizeof size);
		for (size_t k = c->size; k < c->size + 16; k++)
			assert_int_equal(more[k], 0);
		assert_int_equal(more[c->size + 16], 0xa5);
	}
}

static void initialisers_refuse_nonsense(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASE_COUNT; i++) {
		unsigned char bytes[1024];
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "", cases[i].init(NULL, cases[i].size));
		assert_string_not_equal(nnopt_last_error(), "");
		memset(bytes, 0xa5, sizeof bytes);
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "", cases[i].init(bytes, sizeof(size_t) - 1));
		for (size_t k = 0; k < sizeof bytes; k++)
			assert_int_equal(bytes[k], 0xa5);
	}
}

/* What reads options, shown on the one that every program meets first. */
static void larger_options_must_be_zero_behind_ours(void **state)
{
	struct {
		nnopt_context_options options;
		uint64_t later;
	} newer;
	nnopt_context *context = NULL;
	(void)state;
	assert_ok(nnopt_context_options_init(&newer.options, sizeof newer));
	assert_ok(nnopt_context_create(&context, &newer.options));
	nnopt_context_destroy(context);
	context = NULL;
	newer.later = 1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "", nnopt_context_create(&context, &newer.options));
	assert_null(context);

	nnopt_context_options older;
	assert_ok(nnopt_context_options_init(&older, sizeof older));
	older.struct_size = offsetof(nnopt_context_options, isa_cap);
	older.threads = 3;
	older.isa_cap = -77; /* behind the end of what this caller knows */
	assert_ok(nnopt_context_create(&context, &older));
	assert_int_equal(nnopt_context_threads(context), 3);
	nnopt_context_destroy(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initialisers_serve_callers_of_every_age),
		cmocka_unit_test(initialisers_refuse_nonsense),
		cmocka_unit_test(larger_options_must_be_zero_behind_ours),
	};
	return cmocka_run_group_tests_name("public/structs", tests, NULL, NULL);
}
