/* audit_hash.c - fingerprints of pictures. The perceptual hash is that of pHash (Zauner 2010) as the Python package
 * imagehash computes it, on a picture resized as everywhere in this library: the signs, about their median, of the 8 x
 * 8 lowest frequencies of the cosine transform of 32 x 32 grey values. */
#include "data/audit.h"

#include "base/size.h"
#include "data/transform.h"

#include <math.h>
#include <string.h>

enum { LOW = NNO_HASH_LOW };

/* FNV-1a, eight bytes at a time. */
static uint64_t hash_bytes(uint64_t h, const uint8_t *bytes, size_t n)
{
	for (; n >= 8; n -= 8, bytes += 8) {
		uint64_t word;
		memcpy(&word, bytes, 8);
		h = (h ^ word) * 0x100000001b3u;
		h ^= h >> 29;
	}
	for (size_t i = 0; i < n; i++)
		h = (h ^ bytes[i]) * 0x100000001b3u;
	return h ^ (h >> 32);
}

static uint8_t grey(const uint8_t *p, int c) { return c < 3 ? p[0] : nno_luma(p); }

static double deviation_of(const nno_picture *picture)
{
	int64_t n = picture->h * picture->w * picture->c;
	uint64_t sum = 0, squares = 0;
	for (int64_t i = 0; i < n; i++) {
		sum += picture->pixels[i];
		squares += (uint64_t)picture->pixels[i] * picture->pixels[i];
	}
	double mean = (double)sum / (double)n, variance = (double)squares / (double)n - mean * mean;
	return sqrt(variance > 0.0 ? variance : 0.0) / 255.0;
}

void nno_waves_make(nno_waves *waves)
{
	const double pi = 3.14159265358979323846;
	for (int k = 0; k < LOW; k++)
		for (int x = 0; x < NNO_HASH_SIDE; x++)
			waves->at[k][x] = cos(pi * k * (2 * x + 1) / (2 * NNO_HASH_SIDE));
}

static void low_frequencies(double *out, const uint8_t *values, const nno_waves *waves)
{
	double rows[NNO_HASH_SIDE][LOW];
	for (int y = 0; y < NNO_HASH_SIDE; y++)
		for (int k = 0; k < LOW; k++) {
			rows[y][k] = 0.0;
			for (int x = 0; x < NNO_HASH_SIDE; x++)
				rows[y][k] += values[y * NNO_HASH_SIDE + x] * waves->at[k][x];
		}
	for (int j = 0; j < LOW; j++)
		for (int k = 0; k < LOW; k++) {
			double sum = 0.0;
			for (int y = 0; y < NNO_HASH_SIDE; y++)
				sum += rows[y][k] * waves->at[j][y];
			out[j * LOW + k] = sum;
		}
}

static uint64_t signs(const double *x)
{
	double sorted[LOW * LOW];
	memcpy(sorted, x, sizeof sorted);
	for (int i = 1; i < LOW * LOW; i++) {
		double value = sorted[i];
		int at = i;
		for (; at > 0 && sorted[at - 1] > value; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = value;
	}
	double median = 0.5 * (sorted[LOW * LOW / 2 - 1] + sorted[LOW * LOW / 2]);
	uint64_t bits = 0;
	for (int i = 0; i < LOW * LOW; i++)
		bits = bits << 1 | (x[i] > median);
	return bits;
}

/* The scratch: the resizing's own, a small picture of four channels, and a large grey one. */
static size_t resizing_room(int64_t h, int64_t w)
{
	size_t to_hash = nno_resize_workspace(h, w, NNO_HASH_SIDE, NNO_HASH_SIDE, 1),
	       to_thumb = nno_resize_workspace(h, w, NNO_THUMB, NNO_THUMB, 4);
	return nno_size_round_up(to_hash > to_thumb ? to_hash : to_thumb, NNO_ALIGNMENT);
}

size_t nno_print_room(int64_t h, int64_t w)
{
	return resizing_room(h, w) + NNO_HASH_SIDE * NNO_HASH_SIDE * 4 + (size_t)(h * w);
}

void nno_print_make(nno_print *print, const nno_picture *picture, const nno_waves *waves, void *room)
{
	uint8_t *small = (uint8_t *)room + resizing_room(picture->h, picture->w);
	uint8_t *greys = small + NNO_HASH_SIDE * NNO_HASH_SIDE * 4;
	int64_t pixels = picture->h * picture->w;
	uint64_t size[2] = { (uint64_t)picture->h, (uint64_t)picture->w };
	double frequencies[LOW * LOW];
	print->h = picture->h;
	print->w = picture->w;
	print->pixels = hash_bytes(hash_bytes(0xcbf29ce484222325u, (const uint8_t *)size, sizeof size), picture->pixels,
				   (size_t)(pixels * picture->c));
	print->deviation = deviation_of(picture);
	for (int64_t i = 0; i < pixels; i++)
		greys[i] = grey(picture->pixels + i * picture->c, picture->c);
	nno_picture from = { greys, picture->h, picture->w, 1 }, to = { small, NNO_HASH_SIDE, NNO_HASH_SIDE, 1 };
	nno_resize(&to, &from, room);
	low_frequencies(frequencies, small, waves);
	print->frequencies = signs(frequencies);
	to = (nno_picture){ small, NNO_THUMB, NNO_THUMB, picture->c };
	nno_resize(&to, picture, room);
	for (int i = 0; i < NNO_THUMB * NNO_THUMB; i++)
		for (int c = 0; c < 3; c++)
			print->thumb[3 * i + c] = small[i * picture->c + (picture->c < 3 ? 0 : c)];
}

double nno_print_likeness(const nno_print *a, const nno_print *b)
{
	int64_t squares = 0, sums[2] = { 0 }, own[2] = { 0 };
	const int n = NNO_THUMB * NNO_THUMB * 3;
	for (int i = 0; i < n; i++) {
		int x = a->thumb[i], y = b->thumb[i];
		squares += (x - y) * (x - y);
		sums[0] += x;
		sums[1] += y;
		own[0] += x * x;
		own[1] += y * y;
	}
	double spread = 0.0;
	for (int k = 0; k < 2; k++)
		spread += 0.5 * ((double)own[k] - (double)sums[k] * (double)sums[k] / n);
	if (squares == 0)
		return 1.0;
	double score = spread > 0.0 ? 1.0 - sqrt((double)squares / spread) : 0.0;
	return score > 0.0 ? score : 0.0;
}
