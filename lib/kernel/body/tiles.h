/* tiles.h - sizes of a register tile of a matrix product: rows x vectors, the vectors 4 (or what 16 registers allow), 2
 * or 1. The accumulators, one row of vectors and a broadcast element fit the registers. What is left of the rows goes 5
 * and 4 at a time, if need be together with a whole tile, because fewer than eight sums wait for their own last
 * additions; where that does not come out even, 4, 2 and 1. */
#ifndef NNO_KERNEL_TILES_H
#define NNO_KERNEL_TILES_H

#if VL == 16
enum { WIDE = 4, HALF = 2, WIDE_ROWS = 6, HALF_ROWS = 14, NARROW_ROWS = 16 };
#elif VL == 8
enum { WIDE = 2, HALF = 2, WIDE_ROWS = 6, HALF_ROWS = 6, NARROW_ROWS = 12 };
#elif VL == 4
enum { WIDE = 4, HALF = 2, WIDE_ROWS = 6, HALF_ROWS = 12, NARROW_ROWS = 16 };
#else
enum { WIDE = 4, HALF = 2, WIDE_ROWS = 4, HALF_ROWS = 4, NARROW_ROWS = 4 };
#endif
enum { MOST_ROWS = 16, EVEN_ROWS = 6 };

/* How far tiles of `height` rows may go, of m; and how far those of 5. */
typedef struct tile_rows {
	int64_t high, five;
} tile_rows;

NNO_INLINE tile_rows share_rows(int height, int64_t m)
{
	tile_rows r = { m, m };
	int64_t rest = m % height;
	if (height < EVEN_ROWS)
		return r;
	if (height == EVEN_ROWS && m >= 8) { /* of as many tiles as there must be some give a row or two */
		int64_t tiles = (m + EVEN_ROWS - 1) / EVEN_ROWS, missing = tiles * EVEN_ROWS - m;
		int64_t fours = missing > tiles ? missing - tiles : 0, fives = missing - 2 * fours;
		r.five = m - 4 * fours;
		r.high = r.five - 5 * fives;
		return r;
	}
	/* rest = 4 a + 5 b, b as small as it can be */
	if (rest < 5 * (rest % 4) && m >= height)
		rest += height;
	if (rest >= 5 * (rest % 4)) {
		r.high = m - rest;
		r.five = r.high + 5 * (rest % 4);
	}
	return r;
}

#endif
