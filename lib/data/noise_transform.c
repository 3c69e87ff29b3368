/* noise_transform.c - Gaussian noise on the colours, of its own deviation for each picture. */
#include "data/colour.h"

#include <math.h>
#include <string.h>

#define CHUNK 240 /* values at a time: whole pixels of 1 to 4 channels */
#define DRAWN 4   /* words of the stream that the parameters may take */

typedef struct noise {
	double std_min, std_max;
} noise;

/* ln(u) for u in (0, 1], to 1e-5: exponent and mantissa apart, then the series of 2 atanh((m - 1) / (m + 1)). */
static inline float log_of(float u)
{
	uint32_t bits;
	float m;
	memcpy(&bits, &u, sizeof bits);
	float exponent = (float)((int32_t)(bits >> 23) - 127);
	bits = (bits & 0x7fffffu) | 0x3f800000u;
	memcpy(&m, &bits, sizeof m);
	float z = (m - 1.0f) / (m + 1.0f), q = z * z;
	return 0.69314718f * exponent + 2.0f * z * (1.0f + q * (0.33333333f + q * (0.2f + q * 0.14285714f)));
}

/* sin(pi x) for x in [-1, 1], to 1e-5: folded to the quarter waves about 0, then its series. */
static inline float sine(float x)
{
	float right = 1.0f - x, left = -1.0f - x;
	x = right < x ? right : x;
	x = left > x ? left : x;
	float q = x * x;
	return x * (3.14159265f + q * (-5.16771278f + q * (2.55016404f + q * (-0.59926453f + q * 0.08214589f))));
}

/* n[] = standard normal numbers by Box and Muller, from uniform ones in [-1, 1); two from two. */
static void normals(float n[CHUNK], const float uniform[CHUNK])
{
	for (int i = 0; i < CHUNK / 2; i++) {
		float square = -2.0f * log_of(uniform[i] * 0.5f + 0.50000003f), x = uniform[CHUNK / 2 + i];
		float radius = sqrtf(square > 0.0f ? square : 0.0f), y = x + (x < 0.5f ? 0.5f : -1.5f);
		n[i] = radius * sine(x);
		n[CHUNK / 2 + i] = radius * sine(y);
	}
}

static void gaussian_noise(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const noise *o = state;
	int64_t n = src->h * src->w * src->c;
	float std = (float)(255.0 * nno_draw_between(draw, o->std_min, o->std_max));
	(void)workspace;
	for (int64_t at = 0; at < n; at += CHUNK) {
		float uniform[CHUNK], normal[CHUNK];
		uint8_t values[CHUNK] = { 0 };
		int here = n - at < CHUNK ? (int)(n - at) : CHUNK;
		nno_rng_fill_uniform(&draw->rng, DRAWN + at, uniform, CHUNK, 1.0);
		normals(normal, uniform);
		memcpy(values, src->pixels + at, (size_t)here);
		for (int i = 0; i < CHUNK; i++) {
			float v = (float)values[i] + std * normal[i] + 0.5f;
			v = v > 0.0f ? v : 0.0f;
			v = v < 255.0f ? v : 255.0f;
			values[i] = (uint8_t)(int32_t)v;
		}
		memcpy(dst->pixels + at, values, (size_t)here);
	}
	for (int64_t i = src->c - 1; src->c % 2 == 0 && i < n; i += src->c)
		dst->pixels[i] = src->pixels[i];
}

const nno_transform_class nno_transform_gaussian_noise = {
	.name = "gaussian_noise",
	.state_size = sizeof(noise),
	.apply = gaussian_noise,
};

nnopt_status nnopt_transforms_add_gaussian_noise(nnopt_transforms *t, double std_min, double std_max,
						 double probability)
{
	NNO_TRY(nno_check_range(nno_transform_gaussian_noise.name, "std", std_min, std_max, 0.0, 1.0));
	return nno_transforms_append(t, &nno_transform_gaussian_noise, probability, &(noise){ std_min, std_max });
}
