/* check.h - cmocka with its prerequisites, and the checks all tests share. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <nnopt/nnopt.h>

/* The call returns NNOPT_OK; prints the library's text otherwise. */
#define assert_ok(call)                                                                                       \
	do {                                                                                                  \
		nnopt_status check_status_ = (call);                                                          \
		if (check_status_ != NNOPT_OK)                                                                \
			fail_msg("%s: %s (%s)", #call, nnopt_last_error(), nnopt_status_name(check_status_)); \
	} while (0)

/* The call fails with `wanted`, and its text contains `words`. */
#define assert_fails(wanted, words, call)                                                               \
	do {                                                                                            \
		nnopt_status check_status_ = (call);                                                    \
		if (check_status_ != (wanted))                                                          \
			fail_msg("%s: %s instead of %s (%s)", #call, nnopt_status_name(check_status_),  \
				 nnopt_status_name(wanted), nnopt_last_error());                        \
		if (strstr(nnopt_last_error(), words) == NULL)                                          \
			fail_msg("%s: the text \"%s\" lacks \"%s\"", #call, nnopt_last_error(), words); \
	} while (0)

#endif
