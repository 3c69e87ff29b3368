/* warp.c - a picture read through an affine map, outside a fill colour. Pillow's steps, so that augmentation equals
 * torchvision's on PIL pictures to the bit: nearest walks in 16.16 fixed point from pixel centre to pixel centre,
 * without rotation and shear in doubles; bilinear in doubles. */
#include "data/transform.h"

#include <math.h>
#include <string.h>

#define RADIANS (3.14159265358979323846 / 180.0)

static int64_t fixed(double v) { return (int64_t)floor(v * 65536.0 + 0.5); }

static void nearest(nno_picture *dst, const nno_picture *src, const double m[6], const uint8_t *fill)
{
	int64_t step_x = fixed(m[0]), step_y = fixed(m[3]), row_x = fixed(m[1]), row_y = fixed(m[4]);
	int64_t first_x = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5), first_y = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
	int c = src->c;
	for (int64_t y = 0; y < dst->h; y++, first_x += row_x, first_y += row_y) {
		uint8_t *to = dst->pixels + y * dst->w * c;
		int64_t at_x = first_x, at_y = first_y;
		for (int64_t x = 0; x < dst->w; x++, at_x += step_x, at_y += step_y, to += c) {
			int64_t from_x = at_x >> 16, from_y = at_y >> 16;
			/* Unsigned, a negative place is beyond the end as well. */
			bool inside = (uint64_t)from_x < (uint64_t)src->w && (uint64_t)from_y < (uint64_t)src->h;
			nno_copy_pixel(to, inside ? src->pixels + (from_y * src->w + from_x) * c : fill, c);
		}
	}
}

static int64_t whole(double v) { return v < 0.0 ? -1 : (int64_t)v; }

/* Moved and scaled only: each row comes from one row. */
static void nearest_straight(nno_picture *dst, const nno_picture *src, const double m[6], const uint8_t *fill)
{
	int c = src->c;
	double at_y = m[5] + m[4] * 0.5;
	for (int64_t y = 0; y < dst->h; y++, at_y += m[4]) {
		uint8_t *to = dst->pixels + y * dst->w * c;
		int64_t from_y = whole(at_y);
		bool has_row = (uint64_t)from_y < (uint64_t)src->h;
		const uint8_t *row = src->pixels + (has_row ? from_y * src->w * c : 0);
		double at_x = m[2] + m[0] * 0.5;
		for (int64_t x = 0; x < dst->w; x++, at_x += m[0], to += c) {
			int64_t from_x = whole(at_x);
			bool inside = has_row && (uint64_t)from_x < (uint64_t)src->w;
			nno_copy_pixel(to, inside ? row + from_x * c : fill, c);
		}
	}
}

static int64_t clip(int64_t v, int64_t n) { return v < 0 ? 0 : v >= n ? n - 1 : v; }

/* floor() without the call that it is on the oldest processors. */
static int64_t below(double v) { return (int64_t)v - (v < (double)(int64_t)v); }

static void bilinear_at(uint8_t *to, const nno_picture *src, double from_x, double from_y)
{
	int c = src->c;
	from_x -= 0.5;
	from_y -= 0.5;
	int64_t x = below(from_x), y = below(from_y);
	double dx = from_x - (double)x, dy = from_y - (double)y;
	int64_t x0 = clip(x, src->w), x1 = clip(x + 1, src->w);
	const uint8_t *upper = src->pixels + clip(y, src->h) * src->w * c, *lower = upper;
	if (y + 1 >= 0 && y + 1 < src->h)
		lower = src->pixels + (y + 1) * src->w * c;
	for (int i = 0; i < c; i++) {
		double a = upper[x0 * c + i] + (upper[x1 * c + i] - upper[x0 * c + i]) * dx;
		double b = lower[x0 * c + i] + (lower[x1 * c + i] - lower[x0 * c + i]) * dx;
		to[i] = (uint8_t)(a + (b - a) * dy);
	}
}

/* Each place by its own products: sums that grow along a row round otherwise, and the bytes are cut off, not rounded.
 */
static void bilinear(nno_picture *dst, const nno_picture *src, const double m[6], const uint8_t *fill)
{
	for (int64_t y = 0; y < dst->h; y++)
		for (int64_t x = 0; x < dst->w; x++) {
			double at_x = (double)x + 0.5, at_y = (double)y + 0.5;
			double from_x = m[0] * at_x + m[1] * at_y + m[2], from_y = m[3] * at_x + m[4] * at_y + m[5];
			uint8_t *to = dst->pixels + (y * dst->w + x) * src->c;
			if (from_x < 0.0 || from_x >= (double)src->w || from_y < 0.0 || from_y >= (double)src->h)
				nno_copy_pixel(to, fill, src->c);
			else
				bilinear_at(to, src, from_x, from_y);
		}
}

void nno_warp(nno_picture *dst, const nno_picture *src, const double m[6], const nno_look *look)
{
	if (look->bilinear)
		bilinear(dst, src, m, look->fill);
	else if (m[1] == 0.0 && m[3] == 0.0)
		nearest_straight(dst, src, m, look->fill);
	else
		nearest(dst, src, m, look->fill);
}

/* To 15 decimals, as Python's round() does it: the product's own rounding must not decide. */
static double round15(double v)
{
	double scaled = v * 1e15, below = floor(scaled), rest = scaled - below + fma(v, 1e15, -scaled);
	return (below + (rest > 0.5 ? 1.0 : 0.0)) / 1e15;
}

/* The angle is brought to 0..360 first, which rounds a negative one. */
void nno_rotate(nno_picture *dst, const nno_picture *src, double degrees, const nno_look *look)
{
	double m[6], turn = fmod(degrees, 360.0), cx = (double)src->w / 2.0, cy = (double)src->h / 2.0;
	double angle = -((turn < 0.0 ? turn + 360.0 : turn) * RADIANS);
	m[0] = m[4] = round15(cos(angle));
	m[1] = round15(sin(angle));
	m[3] = round15(-sin(angle));
	m[2] = m[0] * -cx + m[1] * -cy + cx;
	m[5] = m[3] * -cx + m[4] * -cy + cy;
	nno_warp(dst, src, m, look);
}

void nno_affine_warp(nno_picture *dst, const nno_picture *src, const nno_affine *a, const nno_look *look)
{
	double turn = a->degrees * RADIANS, x = a->shear_x * RADIANS, y = a->shear_y * RADIANS;
	double p = cos(turn - y) / cos(y), q = -cos(turn - y) * tan(x) / cos(y) - sin(turn);
	double r = sin(turn - y) / cos(y), s = -sin(turn - y) * tan(x) / cos(y) + cos(turn);
	/* The inverse: its determinant is 1 before scaling. */
	double m[6] = { s / a->scale, -q / a->scale, 0.0, -r / a->scale, p / a->scale, 0.0 };
	m[2] += m[0] * (-a->centre_x - a->move_x) + m[1] * (-a->centre_y - a->move_y);
	m[5] += m[3] * (-a->centre_x - a->move_x) + m[4] * (-a->centre_y - a->move_y);
	m[2] += a->centre_x;
	m[5] += a->centre_y;
	nno_warp(dst, src, m, look);
}
