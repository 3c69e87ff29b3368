/* channel_kernels.c - kernels with the channels of a pixel in the lanes. Plain loops: the compiler vectorises them with
 * each ISA's flags, and their order of sums is the same for all. */
#include "kernel/body.h"

void NNO_OF(max_update)(elem *best, int32_t *where, const elem *src, int32_t at, int first, int64_t n)
{
	enum { PART = 64 };
	for (int64_t i = 0; i < n; i += PART) {
		float old[PART], x[PART];
		int64_t here = n - i < PART ? n - i : PART;
		if (!first)
			NNO_OF(widen)(old, best + i, here);
		NNO_OF(widen)(x, src + i, here);
		for (int64_t k = 0; k < here; k++) {
			int better = first || x[k] > old[k] || x[k] != x[k];
			/* A NaN already there stays. */
			better = better && (first || old[k] == old[k]);
			x[k] = better ? x[k] : old[k];
			if (where != NULL)
				where[i + k] = better ? at : where[i + k];
		}
		NNO_OF(narrow)(best + i, x, 1.0f, here, 0);
	}
}

/* More than 16, up to which GCC unrolls a loop to the end before it would vectorise it. */
enum { LANES = 32 };

/* Philox4x32-10 of base/rng.h on LANES counters that follow each other: words[4 i + k] is the k-th of counter i. */
NNO_INLINE void philox(const uint32_t *key, uint32_t first, const uint32_t *stream, uint32_t words[4 * LANES])
{
	uint32_t c[4][LANES], k0 = key[0], k1 = key[1];
	for (int i = 0; i < LANES; i++) {
		c[0][i] = first + (uint32_t)i;
		c[1][i] = stream[0];
		c[2][i] = stream[1];
		c[3][i] = stream[2];
	}
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < LANES; i++) {
			uint64_t p0 = (uint64_t)0xD2511F53u * c[0][i], p1 = (uint64_t)0xCD9E8D57u * c[2][i];
			c[0][i] = (uint32_t)(p1 >> 32) ^ c[1][i] ^ k0;
			c[2][i] = (uint32_t)(p0 >> 32) ^ c[3][i] ^ k1;
			c[1][i] = (uint32_t)p1;
			c[3][i] = (uint32_t)p0;
		}
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	for (int i = 0; i < LANES; i++)
		for (int k = 0; k < 4; k++)
			words[4 * i + k] = c[k][i];
}

void NNO_OF(dropout)(elem *dst, const elem *src, int64_t n, const uint32_t *key, uint32_t first, const uint32_t *stream,
		     uint32_t threshold, float scale)
{
	for (int64_t i = 0; i < n; i += 4 * LANES, first += LANES) {
		uint32_t words[4 * LANES];
		float x[4 * LANES];
		philox(key, first, stream, words);
		int64_t here = n - i < 4 * LANES ? n - i : 4 * LANES;
		NNO_OF(widen)(x, src + i, here);
		for (int64_t k = 0; k < here; k++)
			x[k] = words[k] >= threshold ? x[k] * scale : 0.0f;
		NNO_OF(narrow)(dst + i, x, 1.0f, here, 0);
	}
}
