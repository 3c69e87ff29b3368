/* tiles.h - sizes of a register tile of a matrix product: rows x vectors, the vectors 4 (or what 16 registers allow), 2
 * or
 * 1. The accumulators, one row of vectors and a broadcast element fill the registers. Rows that are left over go 4, 2
 * and 1 at a time. */
#ifndef NNO_KERNEL_TILES_H
#define NNO_KERNEL_TILES_H

#if VL == 16
enum { WIDE = 4, HALF = 2, WIDE_ROWS = 7, HALF_ROWS = 14, NARROW_ROWS = 16 };
#elif VL == 8
enum { WIDE = 2, HALF = 2, WIDE_ROWS = 6, HALF_ROWS = 6, NARROW_ROWS = 12 };
#elif VL == 4
enum { WIDE = 4, HALF = 2, WIDE_ROWS = 6, HALF_ROWS = 12, NARROW_ROWS = 16 };
#else
enum { WIDE = 4, HALF = 2, WIDE_ROWS = 4, HALF_ROWS = 4, NARROW_ROWS = 4 };
#endif
enum { MOST_ROWS = 16 };

#endif
