/* resize.c - bilinear resizing, antialiased when shrinking: a triangle filter as wide as the scale, columns first, then rows,
 * with weights in 10.22 fixed point. Pillow's Image.resize(BILINEAR) to the bit, up to version
 * 12 (13 takes rows first where that is less work, and so rounds otherwise). */
#include "data/data.h"

#include "base/size.h"

#include <math.h>

#define PRECISION 22

typedef struct taps {
	int32_t first, count;
} taps;

static double scale_of(int64_t from, int64_t to)
{
	double scale = (double)from / (double)to;
	return scale < 1.0 ? 1.0 : scale;
}

/* Most taps that one target pixel can have. */
static int64_t most_taps(int64_t from, int64_t to)
{
	return (int64_t)ceil(scale_of(from, to)) * 2 + 1;
}

static uint8_t clip8(int32_t v)
{
	v >>= PRECISION;
	return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

/* The taps of target pixel `at`; weights[] are doubles first, for their sum, then fixed point in place of them. */
static taps find_taps(int64_t at, int64_t from, int64_t to, double *real, int32_t *weights)
{
	double scale = (double)from / (double)to, width = scale_of(from, to), centre = ((double)at + 0.5) * scale, sum = 0.0;
	int64_t first = nno_i64_max((int64_t)(centre - width + 0.5), 0), end = nno_i64_min((int64_t)(centre + width + 0.5), from);
	for (int64_t i = 0; i < end - first; i++) {
		double distance = fabs(((double)(i + first) - centre + 0.5) * (1.0 / width));
		real[i] = distance < 1.0 ? 1.0 - distance : 0.0;
		sum += real[i];
	}
	for (int64_t i = 0; i < end - first; i++) {
		double weight = sum != 0.0 ? real[i] / sum : real[i];
		weights[i] = (int32_t)(weight * (1 << PRECISION) + 0.5);
	}
	return (taps){ (int32_t)first, (int32_t)(end - first) };
}

/* One row or column of pixels, `step` bytes apart, to one pixel. */
static void gather(uint8_t *to, const uint8_t *from, int64_t step, int c, taps t, const int32_t *weights)
{
	for (int i = 0; i < c; i++) {
		int32_t sum = 1 << (PRECISION - 1);
		for (int32_t k = 0; k < t.count; k++)
			sum += from[(t.first + k) * step + i] * weights[k];
		to[i] = clip8(sum);
	}
}

size_t nno_resize_workspace(int64_t from_h, int64_t from_w, int64_t to_h, int64_t to_w, int c)
{
	int64_t most = nno_i64_max(most_taps(from_h, to_h), most_taps(from_w, to_w));
	size_t weights = nno_size_round_up((size_t)most * (sizeof(double) + sizeof(int32_t)), NNO_ALIGNMENT);
	return weights + (size_t)(from_h * to_w * c);
}

void nno_resize(nno_picture *dst, const nno_picture *src, void *workspace)
{
	int64_t most = nno_i64_max(most_taps(src->h, dst->h), most_taps(src->w, dst->w));
	double *real = workspace;
	int32_t *weights = (int32_t *)(real + most);
	uint8_t *between = (uint8_t *)workspace + nno_size_round_up((size_t)most * (sizeof *real + sizeof *weights), NNO_ALIGNMENT);
	int c = src->c;
	const uint8_t *rows = src->pixels;
	if (dst->w != src->w) {
		for (int64_t x = 0; x < dst->w; x++) {
			taps t = find_taps(x, src->w, dst->w, real, weights);
			for (int64_t y = 0; y < src->h; y++)
				gather(between + (y * dst->w + x) * c, src->pixels + y * src->w * c, c, c, t, weights);
		}
		rows = between;
	}
	for (int64_t y = 0; y < dst->h; y++) {
		taps t = find_taps(y, src->h, dst->h, real, weights);
		for (int64_t x = 0; x < dst->w; x++)
			gather(dst->pixels + (y * dst->w + x) * c, rows + x * c, dst->w * c, c, t, weights);
	}
}
