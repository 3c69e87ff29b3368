/* channel_kernels.c - kernels with the channels of a pixel in the lanes. Plain loops: the compiler vectorises them with
 * each ISA's flags, and their order of sums is the same for all. */
#include "kernel/body.h"

void NNO_FN(max_update_f32)(float *best, int32_t *where, const float *src, int32_t at, int first, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		int better = first || src[i] > best[i] || src[i] != src[i];
		/* A NaN already there stays. */
		better = better && (first || best[i] == best[i]);
		best[i] = better ? src[i] : best[i];
		if (where != NULL)
			where[i] = better ? at : where[i];
	}
}

/* Philox4x32-10 of base/rng.h on one counter. */
NNO_INLINE void philox(const uint32_t *key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t out[4])
{
	uint32_t k0 = key[0], k1 = key[1];
	for (int round = 0; round < 10; round++) {
		uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
		c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
		c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
		c1 = (uint32_t)p1;
		c3 = (uint32_t)p0;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

void NNO_FN(dropout_f32)(float *dst, const float *src, int64_t n, const uint32_t *key, uint32_t first,
			 const uint32_t *stream, uint32_t threshold, float scale)
{
	for (int64_t i = 0; i < n; i += 4) {
		uint32_t word[4];
		philox(key, first + (uint32_t)(i / 4), stream[0], stream[1], stream[2], word);
		for (int64_t k = 0; k < 4 && i + k < n; k++)
			dst[i + k] = word[k] >= threshold ? src[i + k] * scale : 0.0f;
	}
}
