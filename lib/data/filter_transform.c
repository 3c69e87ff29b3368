/* filter_transform.c - each pixel from its neighbourhood: Gaussian blur and the median. Both keep the rows that one row
 * of the result needs in a ring, so that each row is prepared once. */
#include "data/transform.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

#define BLOCK 16 /* sums at a time: they stay in registers */
#define LANES 32 /* medians at a time: several vectors, of which none waits for the other */
#define MOST_TAPS 63

/* --- Gaussian blur --- */

typedef struct blur {
	double sigma_min, sigma_max;
	int64_t kernel;
} blur;

/* The picture is reflected at its edges, once. */
static bool kernel_fits(const void *state, int64_t *h, int64_t *w)
{
	const blur *b = state;
	return b->kernel / 2 < *h && b->kernel / 2 < *w;
}

/* A row with its reflected margins, and the ring of rows that are blurred along themselves. */
static size_t blur_workspace(const void *state, int64_t h, int64_t w, int c)
{
	const blur *b = state;
	(void)h;
	return (size_t)((w + b->kernel - 1) * c + b->kernel * w * c) * sizeof(float);
}

static void gaussian(float *weights, int64_t kernel, double sigma)
{
	double sum = 0.0;
	for (int64_t i = 0; i < kernel; i++) {
		double x = ((double)i - (double)(kernel / 2)) / sigma;
		weights[i] = (float)exp(-0.5 * x * x);
		sum += (double)weights[i];
	}
	for (int64_t i = 0; i < kernel; i++)
		weights[i] = (float)((double)weights[i] / sum);
}

/* dst[i] = the weighted sum of from[k][i]; some at a time, so that the sums stay in registers. */
static void mix(float *dst, const float *const *from, const float *weights, int64_t count, int64_t n)
{
	int64_t i = 0;
	for (; i + BLOCK <= n; i += BLOCK) {
		float sum[BLOCK] = { 0.0f };
		for (int64_t k = 0; k < count; k++)
			for (int j = 0; j < BLOCK; j++)
				sum[j] += weights[k] * from[k][i + j];
		for (int j = 0; j < BLOCK; j++)
			dst[i + j] = sum[j];
	}
	for (; i < n; i++) {
		float sum = 0.0f;
		for (int64_t k = 0; k < count; k++)
			sum += weights[k] * from[k][i];
		dst[i] = sum;
	}
}

static void blur_row(float *to, float *wide, const nno_picture *src, int64_t y, const float *weights, int64_t kernel)
{
	int64_t n = src->w * src->c, half = kernel / 2;
	const uint8_t *row = src->pixels + y * n;
	const float *shifted[MOST_TAPS];
	for (int64_t i = 0; i < n; i++)
		wide[half * src->c + i] = (float)row[i];
	for (int64_t x = 1; x <= half; x++)
		for (int c = 0; c < src->c; c++) {
			wide[(half - x) * src->c + c] = (float)row[x * src->c + c];
			wide[(half + src->w - 1 + x) * src->c + c] = (float)row[(src->w - 1 - x) * src->c + c];
		}
	for (int64_t k = 0; k < kernel; k++)
		shifted[k] = wide + k * src->c;
	mix(to, shifted, weights, kernel, n);
}

static void round_row(uint8_t *dst, const float *from, int64_t n)
{
	int64_t i = 0;
	for (; i + BLOCK <= n; i += BLOCK) {
		uint8_t out[BLOCK];
		for (int j = 0; j < BLOCK; j++)
			out[j] = (uint8_t)(int32_t)(from[i + j] + 0.5f);
		memcpy(dst + i, out, BLOCK);
	}
	for (; i < n; i++)
		dst[i] = (uint8_t)(int32_t)(from[i] + 0.5f);
}

static void gaussian_blur(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const blur *b = state;
	int64_t n = src->w * src->c, half = b->kernel / 2, ready = 0;
	float weights[MOST_TAPS], *wide = workspace, *ring = wide + (src->w + b->kernel - 1) * src->c;
	gaussian(weights, b->kernel, nno_draw_between(draw, b->sigma_min, b->sigma_max));
	for (int64_t y = 0; y < src->h; y++) {
		const float *rows[MOST_TAPS];
		for (; ready <= nno_i64_min(y + half, src->h - 1); ready++)
			blur_row(ring + ready % b->kernel * n, wide, src, ready, weights, b->kernel);
		for (int64_t k = 0; k < b->kernel; k++)
			rows[k] = ring + nno_reflect(y + k - half, src->h) % b->kernel * n;
		mix(wide, rows, weights, b->kernel, n);
		round_row(dst->pixels + y * n, wide, n);
	}
}

const nno_transform_class nno_transform_gaussian_blur = {
	.name = "gaussian_blur",
	.state_size = sizeof(blur),
	.size = kernel_fits,
	.apply = gaussian_blur,
	.workspace = blur_workspace,
};

nnopt_status nnopt_transforms_add_gaussian_blur(nnopt_transforms *t, int32_t kernel, double sigma_min, double sigma_max,
						double probability)
{
	const char *name = nno_transform_gaussian_blur.name;
	if (kernel < 3 || kernel > MOST_TAPS || kernel % 2 == 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: kernel %d, an odd number of 3 to %d wanted", name,
				kernel, MOST_TAPS);
	NNO_TRY(nno_check_range(name, "sigma", sigma_min, sigma_max, 1e-2, 1e3));
	return nno_transforms_append(t, &nno_transform_gaussian_blur, probability,
				     &(blur){ sigma_min, sigma_max, kernel });
}

/* --- median --- */

/* The ring of rows with margins, each with room for a whole block behind it. */
static int64_t wide_row(int64_t window, int64_t w, int c) { return (w + window - 1) * c + LANES; }

static size_t median_workspace(const void *state, int64_t h, int64_t w, int c)
{
	const int64_t *window = state;
	(void)h;
	return (size_t)(*window * wide_row(*window, w, c));
}

/* The picture's edge goes on outside. */
static void widen_row(uint8_t *to, const nno_picture *src, int64_t y, int64_t half)
{
	int64_t n = src->w * src->c;
	const uint8_t *row = src->pixels + y * n;
	for (int64_t x = 0; x < half; x++) {
		nno_copy_pixel(to + x * src->c, row, src->c);
		nno_copy_pixel(to + (half + src->w + x) * src->c, row + n - src->c, src->c);
	}
	memcpy(to + half * src->c, row, (size_t)n);
}

static inline void order(uint8_t a[LANES], uint8_t b[LANES])
{
	uint8_t low[LANES], high[LANES];
	for (int i = 0; i < LANES; i++) {
		low[i] = a[i] < b[i] ? a[i] : b[i];
		high[i] = a[i] > b[i] ? a[i] : b[i];
	}
	memcpy(a, low, LANES);
	memcpy(b, high, LANES);
}

/* The medians of `count` values each, LANES at a time. Of more than half of the values neither the least nor the
 * greatest can be the median: both are dropped and a further value is looked at, until one is left of three. */
static const uint8_t *medians(uint8_t v[][LANES], int count, const uint8_t *const *from)
{
	int held = count / 2 + 2, next = held;
	for (int k = 0; k < held; k++)
		memcpy(v[k], from[k], LANES);
	for (;; held--) {
		for (int k = 0; k < held / 2; k++)
			order(v[k], v[held - 1 - k]);
		for (int k = 1; k < (held + 1) / 2; k++)
			order(v[0], v[k]);
		for (int k = held / 2; k < held - 1; k++)
			order(v[k], v[held - 1]);
		if (held == 3)
			return v[1];
		memcpy(v[0], from[next++], LANES);
	}
}

static void median(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const int64_t *window = state;
	int64_t size = *window, half = size / 2, n = src->w * src->c, wide = wide_row(size, src->w, src->c), ready = 0;
	uint8_t *ring = workspace, values[16][LANES];
	(void)draw;
	memset(ring, 0, (size_t)(size * wide));
	for (int64_t y = 0; y < src->h; y++) {
		for (; ready <= nno_i64_min(y + half, src->h - 1); ready++)
			widen_row(ring + ready % size * wide, src, ready, half);
		for (int64_t i = 0; i < n; i += LANES) {
			const uint8_t *from[25];
			for (int64_t k = 0; k < size * size; k++) {
				int64_t row = nno_i64_max(0, nno_i64_min(y + k / size - half, src->h - 1));
				from[k] = ring + row % size * wide + i + k % size * src->c;
			}
			memcpy(dst->pixels + y * n + i, medians(values, (int)(size * size), from),
			       (size_t)nno_i64_min(LANES, n - i));
		}
	}
}

const nno_transform_class nno_transform_median = {
	.name = "median",
	.state_size = sizeof(int64_t),
	.apply = median,
	.workspace = median_workspace,
};

nnopt_status nnopt_transforms_add_median(nnopt_transforms *t, int32_t window, double probability)
{
	if (window != 3 && window != 5)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: window %d, 3 or 5 wanted", nno_transform_median.name,
				window);
	return nno_transforms_append(t, &nno_transform_median, probability, &(int64_t){ window });
}
