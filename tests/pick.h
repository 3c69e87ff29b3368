/* pick.h - numbers by chance for tests that make up their cases: the same ones for a case's number. */
#ifndef TESTS_PICK_H
#define TESTS_PICK_H

#include <stdint.h>

static uint32_t pick_state;

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

#endif
