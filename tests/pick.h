/* pick.h - numbers by chance for tests that make up their cases: the same ones for a case's number; and which cases a
 * program goes through, those of its arguments FROM UNTIL for a longer search. */
#ifndef TESTS_PICK_H
#define TESTS_PICK_H

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint32_t pick_state;
static uint32_t pick_from, pick_until, pick_reached; /* numbers of cases */

/* Below n; xorshift (Marsaglia 2003). */
static inline int pick(int n)
{
	pick_state ^= pick_state << 13;
	pick_state ^= pick_state >> 17;
	pick_state ^= pick_state << 5;
	return (int)(pick_state % (uint32_t)n);
}

/* What pick() gives from here on goes by `number`. */
static inline void pick_anew(uint32_t number)
{
	pick_state = 2654435761u * (number + 1);
	for (int i = 0; i < 8; i++)
		(void)pick(2);
}

static inline int one_in(int n) { return pick(n) == 0; }

/* `cases` without arguments. */
static inline void pick_range(int argc, char **argv, uint32_t cases)
{
	pick_from = argc == 3 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	pick_until = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 10) : cases;
}

/* A file of this process alone: two searches may run at once. */
static inline const char *pick_path(const char *ending)
{
	static char path[512];
	snprintf(path, sizeof path, "%s/picked-%ld%s", TEST_TMP, (long)getpid(), ending);
	return path;
}

/* For a test's teardown: the number of the case that failed, if one did. */
static inline int tell_reached(void **state)
{
	(void)state;
	print_message("the last case was %u\n", pick_reached);
	return 0;
}

#endif
