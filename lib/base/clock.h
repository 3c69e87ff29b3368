/* clock.h - time for progress and intervals; never for results. */
#ifndef NNO_BASE_CLOCK_H
#define NNO_BASE_CLOCK_H

/* Seconds of a clock that never goes back. */
double nno_clock_now(void);
/* Seconds since the start of 1970 (UTC), as the machine's clock says: to stamp what is written. */
double nno_clock_wall(void);

#endif
