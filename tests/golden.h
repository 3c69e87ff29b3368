/* golden.h - the numbers of tests/golden/common.py. */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <stdint.h>

/* In [-2, 2), exact in a float. */
static inline float number(uint32_t stream, uint32_t i)
{
	uint32_t h = stream * 2654435761u + i * 2246822519u + 12345u;
	h = (h ^ (h >> 15)) * 2654435761u;
	h = (h ^ (h >> 13)) * 3266489917u;
	return (float)((h ^ (h >> 16)) >> 8) / 4194304.0f - 2.0f;
}

#endif
