/* tiles.h - sizes of a register tile of a matrix product: rows x vectors, the vectors 4 (or what 16 registers allow), 2
 * or 1. The accumulators, one row of vectors and a broadcast element fill the registers. Rows that are left over go 4,
 * 2 and 1 at a time. But fewer than eight sums wait for their own last additions, so where a vector has 8 lanes some
 * tiles of 6 rows give way to 5 and 4, if that leaves nothing lower. */
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
enum { MOST_ROWS = 16, EVEN_ROWS = 6 };

/* How far tiles of `height` rows may go, of m; and how far those of 5. */
typedef struct tile_rows {
	int64_t high, five;
} tile_rows;

NNO_INLINE tile_rows share_rows(int height, int64_t m)
{
	tile_rows r = { m, m };
	int64_t tiles = (m + EVEN_ROWS - 1) / EVEN_ROWS, missing = tiles * EVEN_ROWS - m;
	if (VL != 8 || height != EVEN_ROWS || m < 8)
		return r;
	int64_t fours = missing > tiles ? missing - tiles : 0, fives = missing - 2 * fours;
	r.five = m - 4 * fours;
	r.high = r.five - 5 * fives;
	return r;
}

#endif
