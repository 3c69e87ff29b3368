/* rng.h - counter-based random numbers: each is a function of (seed, purpose, epoch or step, sample), never of who
 * drew before, so threads, resume and prefetching cannot change them.
 * Philox4x32-10, J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. */
#ifndef NNO_BASE_RNG_H
#define NNO_BASE_RNG_H

#include <stdint.h>

/* What a stream is for; part of the key, so that no two uses meet. Never renumbered: checkpoints depend on it. */
enum {
	NNO_RNG_INIT = 1,    /* (parameter's index in the model, 0) */
	NNO_RNG_DROPOUT = 2, /* (training step, node) */
	NNO_RNG_SHUFFLE = 3, /* (epoch, sampler) */
	NNO_RNG_AUGMENT = 4, /* (epoch, sample) */
	NNO_RNG_SPLIT = 5,   /* (0 for two parts, 1 for references of outliers, 2 for folds; 0) */
	NNO_RNG_USER = 6,
	NNO_RNG_MIX = 7,      /* (epoch, batch) */
	NNO_RNG_BOOTSTRAP = 8 /* (resample, 0) */
};

/* A stream: one key, one position. A plain value: copy it to replay. */
typedef struct nno_rng {
	uint32_t key[2];
	uint32_t counter[4];
	uint32_t word[4];
	uint32_t used;
} nno_rng;

/* Four random words of the (key, counter) pair. */
void nno_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/* The stream of (seed, purpose, a, b). */
void nno_rng_start(nno_rng *r, uint64_t seed, uint32_t purpose, uint64_t a, uint64_t b);

uint32_t nno_rng_u32(nno_rng *r);
uint64_t nno_rng_u64(nno_rng *r);
/* Uniform in [0, 1), 24 bits. */
float nno_rng_uniform(nno_rng *r);
/* The same of 53 bits. */
double nno_rng_uniform_double(nno_rng *r);
/* Standard normal, Box-Muller on own sin/cos-free polar form: consumes a variable number of words. */
float nno_rng_normal(nno_rng *r);
/* Uniform in [0, n), n > 0, without modulo bias. */
uint64_t nno_rng_below(nno_rng *r, uint64_t n);
/* What values first .. first + n - 1 of nno_rng_uniform() make of [-bound, bound), from a stream that nothing was drawn
 * from yet: dst[i] = (2 u - 1) bound. Any part of a stream can be had so, without those before. */
void nno_rng_fill_uniform(const nno_rng *start, int64_t first, float *dst, int64_t n, double bound);
/* Fisher-Yates over `n` indices. */
void nno_rng_shuffle(nno_rng *r, int64_t *items, int64_t n);

#endif
