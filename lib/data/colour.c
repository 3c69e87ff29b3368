/* colour.c - colour as Pillow's ImageEnhance, ImageOps and HSV conversion have it, to the bit. Products and sums are
 * made in the types that Pillow uses, for bytes are cut off, not rounded. */
#include "data/colour.h"

#include <math.h>
#include <string.h>

#define CHUNK 256 /* pixels that are prepared at a time */
#define BLOCK 16  /* values in a loop that the compiler makes vectors of: a constant number, into memory of its own */

/* --- tables --- */

static void apply_grey(const uint8_t of[256], nno_picture *dst, const nno_picture *src)
{
	int64_t n = src->h * src->w * src->c;
	for (int64_t i = 0; i < n; i += src->c) {
		dst->pixels[i] = of[src->pixels[i]];
		if (src->c == 2)
			dst->pixels[i + 1] = src->pixels[i + 1];
	}
}

void nno_tones_apply(const nno_tones *t, nno_picture *dst, const nno_picture *src)
{
	int64_t n = src->h * src->w * src->c;
	if (src->c < 3)
		apply_grey(t->of[0], dst, src);
	for (int64_t i = 0; src->c == 3 && i < n; i += 3) {
		dst->pixels[i] = t->of[0][src->pixels[i]];
		dst->pixels[i + 1] = t->of[1][src->pixels[i + 1]];
		dst->pixels[i + 2] = t->of[2][src->pixels[i + 2]];
	}
	for (int64_t i = 0; src->c == 4 && i < n; i += 4) {
		for (int c = 0; c < 3; c++)
			dst->pixels[i + c] = t->of[c][src->pixels[i + c]];
		dst->pixels[i + 3] = src->pixels[i + 3];
	}
}

void nno_tones_identity(nno_tones *t)
{
	for (int v = 0; v < 256; v++)
		t->of[0][v] = t->of[1][v] = t->of[2][v] = (uint8_t)v;
}

/* t then `next`, the same for all colours. */
static void then(nno_tones *t, const uint8_t next[256])
{
	for (int c = 0; c < 3; c++)
		for (int v = 0; v < 256; v++)
			t->of[c][v] = next[t->of[c][v]];
}

static uint8_t blend(int from, int to, float factor)
{
	float v = (float)from + factor * (float)(to - from);
	return v <= 0.0f ? 0 : v >= 255.0f ? 255 : (uint8_t)v;
}

void nno_tones_blend(nno_tones *t, int base, float factor)
{
	uint8_t next[256];
	for (int v = 0; v < 256; v++)
		next[v] = blend(base, v, factor);
	then(t, next);
}

void nno_posterize(nno_picture *dst, const nno_picture *src, int bits)
{
	nno_tones t;
	for (int v = 0; v < 256; v++)
		t.of[0][v] = t.of[1][v] = t.of[2][v] = (uint8_t)(v & (0xff << (8 - bits)));
	nno_tones_apply(&t, dst, src);
}

void nno_solarize(nno_picture *dst, const nno_picture *src, double threshold)
{
	nno_tones t;
	for (int v = 0; v < 256; v++)
		t.of[0][v] = t.of[1][v] = t.of[2][v] = (uint8_t)((double)v < threshold ? v : 255 - v);
	nno_tones_apply(&t, dst, src);
}

void nno_autocontrast(nno_picture *dst, const nno_picture *src)
{
	int64_t n = src->h * src->w * src->c;
	nno_tones t;
	nno_tones_identity(&t);
	for (int c = 0; c < nno_colours(src->c); c++) {
		int low = 255, high = 0;
		for (int64_t i = c; i < n; i += src->c) {
			low = src->pixels[i] < low ? src->pixels[i] : low;
			high = src->pixels[i] > high ? src->pixels[i] : high;
		}
		if (low == high)
			continue;
		double scale = 255.0 / (double)(high - low), offset = -(double)low * scale;
		for (int v = low; v <= high; v++) {
			double to = (double)v * scale + offset;
			t.of[c][v] = (uint8_t)(to < 0.0 ? 0.0 : to > 255.0 ? 255.0 : to);
		}
	}
	nno_tones_apply(&t, dst, src);
}

void nno_equalize(nno_picture *dst, const nno_picture *src)
{
	int64_t area = src->h * src->w;
	nno_tones t;
	nno_tones_identity(&t);
	for (int c = 0; c < nno_colours(src->c); c++) {
		int64_t histogram[256] = { 0 };
		int last = 255;
		for (int64_t i = c; i < area * src->c; i += src->c)
			histogram[src->pixels[i]]++;
		while (last > 0 && histogram[last] == 0)
			last--;
		int64_t step = (area - histogram[last]) / 255, n = step / 2;
		for (int v = 0; step > 0 && v < 256; n += histogram[v], v++)
			t.of[c][v] = (uint8_t)(n / step > 255 ? 255 : n / step);
	}
	nno_tones_apply(&t, dst, src);
}

int nno_mean_luma(const nno_picture *p, const nno_tones *t)
{
	int64_t area = p->h * p->w, sum = 0;
	const uint8_t *at = p->pixels;
	for (int64_t i = 0; i < area; i++, at += p->c)
		if (p->c < 3)
			sum += t->of[0][at[0]];
		else
			sum += nno_luma((uint8_t[]){ t->of[0][at[0]], t->of[1][at[1]], t->of[2][at[2]] });
	return (int)((double)sum / (double)area + 0.5);
}

/* --- pixel by pixel --- */

void nno_grey(nno_picture *dst, const nno_picture *src)
{
	int64_t n = src->h * src->w * src->c;
	if (src->c < 3 && dst->pixels != src->pixels)
		memcpy(dst->pixels, src->pixels, (size_t)n);
	for (int64_t i = 0; src->c >= 3 && i < n; i += src->c) {
		uint8_t grey = nno_luma(src->pixels + i);
		dst->pixels[i] = dst->pixels[i + 1] = dst->pixels[i + 2] = grey;
		if (src->c == 4)
			dst->pixels[i + 3] = src->pixels[i + 3];
	}
}

/* dst = from + factor (to - from), a block of values. */
static void blend_block(uint8_t *dst, const uint8_t *from, const uint8_t *to, float factor)
{
	uint8_t out[BLOCK];
	for (int i = 0; i < BLOCK; i++) {
		float v = (float)from[i] + factor * (float)(to[i] - from[i]);
		v = v > 0.0f ? v : 0.0f;
		v = v < 255.0f ? v : 255.0f;
		out[i] = (uint8_t)(int32_t)v;
	}
	memcpy(dst, out, BLOCK);
}

static void blend_values(uint8_t *dst, const uint8_t *from, const uint8_t *to, int64_t n, float factor)
{
	int64_t i = 0;
	for (; i + BLOCK <= n; i += BLOCK)
		blend_block(dst + i, from + i, to + i, factor);
	if (i < n) {
		uint8_t rest[3][BLOCK] = { { 0 } };
		memcpy(rest[0], from + i, (size_t)(n - i));
		memcpy(rest[1], to + i, (size_t)(n - i));
		blend_block(rest[2], rest[0], rest[1], factor);
		memcpy(dst + i, rest[2], (size_t)(n - i));
	}
}

void nno_saturate(nno_picture *dst, const nno_picture *src, float factor)
{
	uint8_t grey[CHUNK * 4];
	int64_t n = src->h * src->w * src->c;
	if (src->c < 3) {
		nno_grey(dst, src);
		return;
	}
	for (int64_t at = 0; at < n; at += CHUNK * src->c) {
		int64_t here = n - at < CHUNK * src->c ? n - at : CHUNK * src->c;
		nno_picture part = { .pixels = src->pixels + at, .h = 1, .w = here / src->c, .c = src->c };
		nno_grey(&(nno_picture){ .pixels = grey }, &part);
		blend_values(dst->pixels + at, grey, part.pixels, here, factor);
	}
}

/* 13 values with one counted five times; half of 13 is never met. */
static inline uint8_t smoothed(const uint8_t *above, const uint8_t *row, const uint8_t *below, int64_t c)
{
	uint16_t sum = (uint16_t)(above[-c] + above[0] + above[c] + row[-c] + 5 * row[0] + row[c] + below[-c] +
				  below[0] + below[c] + 6);
	return (uint8_t)(sum / 13);
}

static void smooth_block(uint8_t *to, const uint8_t *above, const uint8_t *row, const uint8_t *below, int64_t c)
{
	uint8_t out[BLOCK];
	for (int i = 0; i < BLOCK; i++)
		out[i] = smoothed(above + i, row + i, below + i, c);
	memcpy(to, out, BLOCK);
}

/* Row y smoothed by the 3 x 3 filter of ones and a five in the middle; the picture's rim is kept. */
static void smooth_row(uint8_t *to, const nno_picture *p, int64_t y)
{
	int64_t n = p->w * p->c, c = p->c;
	const uint8_t *row = p->pixels + y * n, *above = row - n, *below = row + n;
	if (y == 0 || y == p->h - 1 || p->w < 3) {
		memcpy(to, row, (size_t)n);
		return;
	}
	memcpy(to, row, (size_t)c);
	int64_t i = c;
	for (; i + BLOCK <= n - c; i += BLOCK)
		smooth_block(to + i, above + i, row + i, below + i, c);
	for (; i < n - c; i++)
		to[i] = smoothed(above + i, row + i, below + i, c);
	memcpy(to + n - c, row + n - c, (size_t)c);
	for (i = c - 1; c % 2 == 0 && i < n; i += c)
		to[i] = row[i];
}

void nno_sharpen(nno_picture *dst, const nno_picture *src, float factor)
{
	int64_t n = src->w * src->c;
	for (int64_t y = 0; y < src->h; y++) {
		uint8_t *row = dst->pixels + y * n;
		smooth_row(row, src, y);
		blend_values(row, row, src->pixels + y * n, n, factor);
	}
}
