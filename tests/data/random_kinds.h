/* random_kinds.h - a few transforms by chance. */
#ifndef TESTS_RANDOM_KINDS_H
#define TESTS_RANDOM_KINDS_H

#include "data/transform_kinds.h"
#include "pick.h"

/* Up to three; with `keep_size` none that changes it. */
static inline void add_random_kinds(nnopt_transforms *t, int keep_size)
{
	int wanted = pick(4);
	for (size_t i = 0; i < TRANSFORM_KINDS && wanted > 0; i++)
		if ((!keep_size || transform_kinds[i].keeps_size) && one_in(5)) {
			assert_ok(transform_kinds[i].add(t, pick(5) / 4.0));
			wanted--;
		}
}

#endif
