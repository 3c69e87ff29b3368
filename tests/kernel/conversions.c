/* conversions.c - widen and narrow of each ISA, number by number, against the portable functions of tensor/convert.h;
 * and those of binary16 against the definition: the nearer of two neighbours, or the even one. */
#include "frame.h"

#include "tensor/convert.h"

#include <math.h>

enum { PATTERNS = 65536, CHUNKS = 3 };

static uint32_t bits_of(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	return bits;
}

static float float_of(uint32_t bits)
{
	float x;
	memcpy(&x, &bits, sizeof x);
	return x;
}

/* Lengths at a time: whole vectors alone, and parts of one on each ISA. */
static const int64_t chunks[CHUNKS] = { PATTERNS, 3, 13 };

typedef struct format {
	const char *name;
	float (*to_f32)(uint16_t);
	uint16_t (*from_f32)(float);
	void (*widen)(const nno_kernels *k, float *dst, const uint16_t *src, int64_t n);
	void (*narrow)(const nno_kernels *k, uint16_t *dst, const float *src, int64_t n);
} format;

static void widen_bf16(const nno_kernels *k, float *dst, const uint16_t *src, int64_t n)
{
	k->bf16->widen(dst, (const nno_bf16 *)(const void *)src, n);
}

static void widen_f16(const nno_kernels *k, float *dst, const uint16_t *src, int64_t n)
{
	k->f16->widen(dst, (const nno_f16 *)(const void *)src, n);
}

static void narrow_bf16(const nno_kernels *k, uint16_t *dst, const float *src, int64_t n)
{
	k->bf16->narrow((nno_bf16 *)(void *)dst, src, 1.0f, n, 0);
}

static void narrow_f16(const nno_kernels *k, uint16_t *dst, const float *src, int64_t n)
{
	k->f16->narrow((nno_f16 *)(void *)dst, src, 1.0f, n, 0);
}

static const format formats[] = {
	{ "bf16", nno_bf16_to_f32, nno_f32_to_bf16, widen_bf16, narrow_bf16 },
	{ "f16", nno_f16_to_f32, nno_f32_to_f16, widen_f16, narrow_f16 },
};

void widening_is_exact(void **state)
{
	(void)state;
	static uint16_t all[PATTERNS];
	static float got[PATTERNS];
	for (int64_t i = 0; i < PATTERNS; i++)
		all[i] = (uint16_t)i;
	for (size_t t = 0; t < NNO_COUNT(formats) * ISA_LIST * CHUNKS; t++) {
		const format *how = &formats[t / CHUNKS / ISA_LIST];
		const nno_kernels *k = nno_kernels_of(isas[t / CHUNKS % ISA_LIST]);
		int64_t chunk = chunks[t % CHUNKS];
		if (k == NULL)
			continue;
		for (int64_t i = 0; i < PATTERNS; i += chunk)
			how->widen(k, got + i, all + i, PATTERNS - i < chunk ? PATTERNS - i : chunk);
		for (int64_t i = 0; i < PATTERNS; i++) {
			float wanted = how->to_f32(all[i]);
			if (isnan(wanted) ? !isnan(got[i]) : bits_of(wanted) != bits_of(got[i]))
				fail_msg("%s, %s: %04x widens to %08x, not %08x", how->name, k->isa, (unsigned)all[i],
					 (unsigned)bits_of(got[i]), (unsigned)bits_of(wanted));
		}
	}
}

static int same(const format *how, uint16_t a, uint16_t b)
{
	return a == b || (isnan(how->to_f32(a)) && isnan(how->to_f32(b)));
}

/* One set of numbers through every kernel. */
static int64_t narrow_all(const float *x, int64_t n)
{
	static uint16_t got[PATTERNS];
	int64_t done = 0;
	for (size_t t = 0; t < NNO_COUNT(formats) * ISA_LIST * CHUNKS; t++) {
		const format *how = &formats[t / CHUNKS / ISA_LIST];
		const nno_kernels *k = nno_kernels_of(isas[t / CHUNKS % ISA_LIST]);
		int64_t chunk = chunks[t % CHUNKS];
		if (k == NULL)
			continue;
		for (int64_t i = 0; i < n; i += chunk)
			how->narrow(k, got + i, x + i, n - i < chunk ? n - i : chunk);
		for (int64_t i = 0; i < n; i++)
			if (!same(how, got[i], how->from_f32(x[i])))
				fail_msg("%s, %s: %08x narrows to %04x, not %04x", how->name, k->isa,
					 (unsigned)bits_of(x[i]), (unsigned)got[i], (unsigned)how->from_f32(x[i]));
		done += n;
	}
	return done;
}

/* Between each number of a format and the next: the middle, and its neighbours. */
static void check_middles(const format *how)
{
	static float x[PATTERNS];
	int64_t n = 0;
	for (uint16_t h = 0; isfinite(how->to_f32((uint16_t)(h + 1))); h++) {
		float low = how->to_f32(h), high = how->to_f32((uint16_t)(h + 1)), middle = low + (high - low) / 2.0f;
		uint16_t even = h % 2 == 0 ? h : (uint16_t)(h + 1);
		assert_int_equal(how->from_f32(low), h);
		assert_int_equal(how->from_f32(middle), even);
		if (middle > low) /* there are floats between them */
			assert_int_equal(how->from_f32(nextafterf(middle, 0.0f)), h);
		if (middle < high)
			assert_int_equal(how->from_f32(nextafterf(middle, INFINITY)), h + 1);
		x[n++] = -middle;
		x[n++] = nextafterf(middle, 0.0f);
		x[n++] = nextafterf(middle, INFINITY);
		if (n + 3 > PATTERNS) {
			narrow_all(x, n);
			n = 0;
		}
	}
	narrow_all(x, n);
}

void narrowing_rounds_to_nearest(void **state)
{
	(void)state;
	static float x[PATTERNS];
	/* Of what is cut off for bf16, and for f16: nothing, ties and their neighbours, with an odd and an even bit
	 * above. */
	static const uint32_t low[] = {
		0x0000, 0x0001, 0x7fff, 0x8000, 0x8001, 0xffff, 0x0fff, 0x1000, 0x1001, 0x1fff,
		0x2000, 0x2fff, 0x3000, 0x3001, 0x3fff, 0x4000, 0x5000, 0x6fff, 0x7000, 0x9000,
		0xb000, 0xd000, 0xe000, 0xefff, 0xf000, 0xf001, 0x2d5a, 0x5aa5, 0x8765, 0xc33c
	};
	int64_t done = 0;
	for (size_t l = 0; l < NNO_COUNT(low); l++) {
		for (uint32_t high = 0; high < PATTERNS; high++)
			x[high] = float_of(high << 16 | low[l]);
		done += narrow_all(x, PATTERNS);
	}
	/* And all over the place. */
	for (uint32_t i = 0; i < 32; i++) {
		for (uint32_t j = 0; j < PATTERNS; j++)
			x[j] = float_of((i * PATTERNS + j) * 2654435761u);
		done += narrow_all(x, PATTERNS);
	}
	for (size_t t = 0; t < NNO_COUNT(formats); t++)
		check_middles(&formats[t]);
	print_message("%lld numbers narrowed\n", (long long)done);
}
