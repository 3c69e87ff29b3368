/* misuse.c - every function of the headers called with nothing: an error with its text, or what its comment says of
 * NULL. The list of calls is made from the headers, so that no function is left out. */
#include "check.h"

static int calls;

/* These take nothing for an answer. */
static int may_succeed(const char *name)
{
	static const char *const names[] = { "nnopt_fail" /* status 0 */ };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return 1;
	return 0;
}

static void check_status(const char *name, nnopt_status status)
{
	calls++;
	if (may_succeed(name))
		return;
	if (status == NNOPT_OK)
		fail_msg("%s: OK with all arguments 0", name);
	if (status != NNOPT_ERROR_INVALID_ARGUMENT)
		fail_msg("%s: %s with all arguments 0 (%s)", name, nnopt_status_name(status), nnopt_last_error());
	if (strlen(nnopt_last_error()) < 10)
		fail_msg("%s: the text is \"%s\"", name, nnopt_last_error());
}

static void nothing_at_all(void **state)
{
	(void)state;
#define STATUS(name, arguments)                  \
	(void)nnopt_fail(NNOPT_ERROR_STATE, ""); \
	check_status(#name, name arguments);
#define OTHER(name, arguments) \
	(void)name arguments;  \
	calls++;
#include "calls.inc"
#undef STATUS
#undef OTHER
	assert_true(calls > 200);
	print_message("%d functions\n", calls);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_at_all) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
