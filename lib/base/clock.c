/* clock.c - the system's clocks. */
#include "base/clock.h"

#include <time.h>

static double read_clock(clockid_t which)
{
	struct timespec t;
	clock_gettime(which, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double nno_clock_now(void) { return read_clock(CLOCK_MONOTONIC); }

double nno_clock_wall(void) { return read_clock(CLOCK_REALTIME); }
