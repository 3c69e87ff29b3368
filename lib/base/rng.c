/* rng.c - Philox4x32-10. Seed and purpose make the key, (a, b) the upper counter words, the position the lowest. */
#include "base/rng.h"

#include <math.h>
#include <string.h>

/* Blocks that are made side by side: so many that GCC makes vectors of the loops instead of unrolling them away. */
#define LANES 32

void nno_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
	uint32_t k0 = key[0], k1 = key[1];
	uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
	for (int round = 0; round < 10; round++) {
		uint64_t p0 = (uint64_t)0xD2511F53u * c0;
		uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
		uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
		uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
		c1 = (uint32_t)p1;
		c3 = (uint32_t)p0;
		c0 = n0;
		c2 = n2;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

void nno_rng_start(nno_rng *r, uint64_t seed, uint32_t purpose, uint64_t a, uint64_t b)
{
	/* Hash the 64-bit coordinates into the key and the upper counter words: one Philox block per level. */
	uint32_t seed_key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
	uint32_t coordinates[4] = { (uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b, (uint32_t)(b >> 32) };
	uint32_t mixed[4];
	nno_philox(seed_key, coordinates, mixed);
	uint32_t purpose_key[2] = { mixed[0] ^ purpose, mixed[1] };
	uint32_t rest[4] = { mixed[2], mixed[3], purpose, 0 };
	uint32_t final[4];
	nno_philox(purpose_key, rest, final);
	r->key[0] = final[0];
	r->key[1] = final[1];
	r->counter[0] = 0;
	r->counter[1] = 0;
	r->counter[2] = final[2];
	r->counter[3] = final[3];
	r->used = 4;
}

uint32_t nno_rng_u32(nno_rng *r)
{
	if (r->used == 4) {
		nno_philox(r->key, r->counter, r->word);
		if (++r->counter[0] == 0)
			r->counter[1]++;
		r->used = 0;
	}
	return r->word[r->used++];
}

uint64_t nno_rng_u64(nno_rng *r)
{
	uint64_t low = nno_rng_u32(r);
	return low | (uint64_t)nno_rng_u32(r) << 32;
}

float nno_rng_uniform(nno_rng *r) { return (float)(nno_rng_u32(r) >> 8) * 0x1p-24f; }

double nno_rng_uniform_double(nno_rng *r) { return (double)(nno_rng_u64(r) >> 11) * 0x1p-53; }

float nno_rng_normal(nno_rng *r)
{
	/* Marsaglia's polar method in double; only log and sqrt of libm, in double, so that the float result does not
	 * depend on the last bit of a libm variant in practice. */
	for (;;) {
		double u = 2.0 * ((double)nno_rng_u32(r) * 0x1p-32) - 1.0;
		double v = 2.0 * ((double)nno_rng_u32(r) * 0x1p-32) - 1.0;
		double s = u * u + v * v;
		if (s > 0.0 && s < 1.0)
			return (float)(u * sqrt(-2.0 * log(s) / s));
	}
}

uint64_t nno_rng_below(nno_rng *r, uint64_t n)
{
	uint64_t limit = UINT64_MAX - UINT64_MAX % n;
	uint64_t x;
	do
		x = nno_rng_u64(r);
	while (x >= limit);
	return x % n;
}

/* The words of LANES blocks from number `first` on; nno_philox() on vectors. */
static void philox_lanes(const nno_rng *start, uint64_t first, uint32_t words[4 * LANES])
{
	uint32_t c0[LANES], c1[LANES], c2[LANES], c3[LANES], k0 = start->key[0], k1 = start->key[1];
	for (int i = 0; i < LANES; i++) {
		c0[i] = (uint32_t)(first + (uint64_t)i);
		c1[i] = (uint32_t)((first + (uint64_t)i) >> 32);
		c2[i] = start->counter[2];
		c3[i] = start->counter[3];
	}
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < LANES; i++) {
			uint64_t p0 = (uint64_t)0xD2511F53u * c0[i], p1 = (uint64_t)0xCD9E8D57u * c2[i];
			c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
			c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
			c1[i] = (uint32_t)p1;
			c3[i] = (uint32_t)p0;
		}
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	for (int i = 0; i < LANES; i++) {
		words[4 * i] = c0[i];
		words[4 * i + 1] = c1[i];
		words[4 * i + 2] = c2[i];
		words[4 * i + 3] = c3[i];
	}
}

void nno_rng_fill_uniform(const nno_rng *start, int64_t first, float *dst, int64_t n, double bound)
{
	for (int64_t done = 0; done < n;) {
		uint32_t words[4 * LANES];
		float values[4 * LANES];
		int64_t skipped = (first + done) % 4, here = 4 * LANES - skipped;
		here = here < n - done ? here : n - done;
		philox_lanes(start, (uint64_t)(first + done) / 4, words);
		/* 2 u - 1 has 24 bits and a float takes it whole: only the product is rounded. */
		for (int i = 0; i < 4 * LANES; i++)
			values[i] = (float)((double)((float)(int32_t)(words[i] >> 8) * 0x1p-23f - 1.0f) * bound);
		memcpy(dst + done, values + skipped, (size_t)here * sizeof *dst);
		done += here;
	}
}

void nno_rng_shuffle(nno_rng *r, int64_t *items, int64_t n)
{
	for (int64_t i = n - 1; i > 0; i--) {
		int64_t j = (int64_t)nno_rng_below(r, (uint64_t)i + 1);
		int64_t t = items[i];
		items[i] = items[j];
		items[j] = t;
	}
}
