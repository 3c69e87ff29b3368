/* filter_transform.c - each pixel from its neighbourhood: Gaussian blur and the median. Both keep the rows that one row
 * of the result needs in a ring, so that each row is prepared once. */
#include "data/transform.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

#define BLOCK 16          /* sums at a time: they stay in registers */
#define CHUNK 96          /* medians at a time: a row of a small picture; all that they need stays in the first cache */
#define WIDE (CHUNK + 16) /* with what the last windows reach beyond, four pixels of four channels */
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

/* The ring of rows with margins, each with room for a whole chunk behind it. */
static int64_t wide_row(int64_t window, int64_t w, int c) { return (w + window - 1) * c + WIDE; }

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

/* An exchange leaves the lesser value in wire `low` and the greater one in wire `high`, or only the one that is looked
 * at again. */
typedef struct exchange {
	uint8_t low, high, keep;
} exchange;

enum { LOW = 1, HIGH = 2, BOTH = LOW | HIGH };

/* Columns are sorted once for all the windows they are in. Of a window's sorted columns wire size * rank + x is a value
 * of column x. The exchanges are sorted rows and a selection from what is left in the middle, less those that change no
 * result: tried out on all columns of zeros and ones, which is a proof (Knuth, The Art of Computer Programming, 5.3.4).
 */
static const exchange columns3[] = { { 0, 2, BOTH }, { 0, 1, BOTH }, { 1, 2, BOTH } };
static const exchange window3[] = { { 0, 1, HIGH }, { 1, 2, HIGH }, { 3, 5, BOTH }, { 3, 4, HIGH }, { 4, 5, LOW },
				    { 6, 8, LOW },  { 6, 7, LOW },  { 4, 2, BOTH }, { 4, 6, HIGH }, { 6, 2, LOW } };
static const exchange columns5[] = { { 0, 3, BOTH }, { 1, 4, BOTH }, { 0, 2, BOTH }, { 1, 3, BOTH }, { 0, 1, BOTH },
				     { 2, 4, BOTH }, { 1, 2, BOTH }, { 3, 4, BOTH }, { 2, 3, BOTH } };
static const exchange window5[] = {
	{ 1, 4, BOTH },   { 0, 2, BOTH },   { 0, 1, HIGH },   { 2, 4, BOTH },   { 1, 2, HIGH },   { 3, 4, BOTH },
	{ 2, 3, HIGH },   { 5, 8, BOTH },   { 5, 7, BOTH },   { 6, 8, BOTH },   { 5, 6, HIGH },   { 7, 9, BOTH },
	{ 6, 7, HIGH },   { 8, 9, BOTH },   { 7, 8, BOTH },   { 10, 13, BOTH }, { 11, 14, BOTH }, { 10, 12, BOTH },
	{ 11, 13, BOTH }, { 10, 11, HIGH }, { 12, 14, BOTH }, { 11, 12, BOTH }, { 13, 14, LOW },  { 12, 13, BOTH },
	{ 16, 19, BOTH }, { 15, 17, BOTH }, { 15, 16, BOTH }, { 17, 19, LOW },  { 16, 17, BOTH }, { 17, 18, LOW },
	{ 20, 23, BOTH }, { 21, 24, BOTH }, { 20, 22, BOTH }, { 21, 23, LOW },  { 20, 21, BOTH }, { 22, 24, LOW },
	{ 21, 22, LOW },  { 8, 15, BOTH },  { 8, 3, HIGH },   { 17, 15, BOTH }, { 9, 15, LOW },   { 11, 3, HIGH },
	{ 16, 9, LOW },   { 13, 20, LOW },  { 13, 7, HIGH },  { 21, 17, BOTH }, { 21, 7, BOTH },  { 21, 3, HIGH },
	{ 16, 17, LOW },  { 4, 16, BOTH },  { 7, 3, BOTH },   { 4, 7, HIGH },   { 3, 16, LOW },   { 12, 3, BOTH },
	{ 12, 7, HIGH },  { 7, 3, LOW }
};

typedef struct network {
	const exchange *columns, *window;
	int column_count, window_count, median; /* exchanges, and the wire that has the median */
} network;

static const network networks[] = { { columns3, window3, NNO_COUNT(columns3), NNO_COUNT(window3), 6 },
				    { columns5, window5, NNO_COUNT(columns5), NNO_COUNT(window5), 7 } };

static void keep_low(uint8_t *restrict low, const uint8_t *restrict x, const uint8_t *restrict y, int n)
{
	for (int at = 0; at < n; at += BLOCK)
		for (int i = at; i < at + BLOCK; i++)
			low[i] = x[i] < y[i] ? x[i] : y[i];
}

static void keep_high(uint8_t *restrict high, const uint8_t *restrict x, const uint8_t *restrict y, int n)
{
	for (int at = 0; at < n; at += BLOCK)
		for (int i = at; i < at + BLOCK; i++)
			high[i] = x[i] > y[i] ? x[i] : y[i];
}

static void keep_both(uint8_t *restrict low, uint8_t *restrict high, const uint8_t *restrict x,
		      const uint8_t *restrict y, int n)
{
	for (int at = 0; at < n; at += BLOCK)
		for (int i = at; i < at + BLOCK; i++) {
			low[i] = x[i] < y[i] ? x[i] : y[i];
			high[i] = x[i] > y[i] ? x[i] : y[i];
		}
}

/* Runs exchanges on wires of n bytes. What a wire is given goes to its other room, so that nothing is read and written
 * at once. */
static void exchange_all(const exchange *steps, int count, const uint8_t **wires, uint8_t room[][2][WIDE], int n)
{
	for (int k = 0; k < count; k++) {
		int a = steps[k].low, b = steps[k].high;
		const uint8_t *x = wires[a], *y = wires[b];
		uint8_t *low = room[a][x == room[a][0]], *high = room[b][y == room[b][0]];
		if (steps[k].keep == BOTH)
			keep_both(low, high, x, y, n);
		else if (steps[k].keep == LOW)
			keep_low(low, x, y, n);
		else
			keep_high(high, x, y, n);
		wires[a] = steps[k].keep & LOW ? low : x;
		wires[b] = steps[k].keep & HIGH ? high : y;
	}
}

/* CHUNK medians, of windows that begin at rows[0..size) and go on for (size - 1) * c bytes. */
static const uint8_t *medians(const network *net, int size, const uint8_t *const *rows, int c,
			      uint8_t columns[5][2][WIDE], uint8_t room[25][2][WIDE])
{
	const uint8_t *sorted[5], *wires[25];
	for (int k = 0; k < size; k++)
		sorted[k] = rows[k];
	exchange_all(net->columns, net->column_count, sorted, columns, WIDE);
	for (int k = 0; k < size * size; k++)
		wires[k] = sorted[k / size] + k % size * c;
	exchange_all(net->window, net->window_count, wires, room, CHUNK);
	return wires[net->median];
}

static void median(const void *state, nno_picture *dst, const nno_picture *src, nno_draw *draw, void *workspace)
{
	const int64_t *window = state;
	int64_t size = *window, half = size / 2, n = src->w * src->c, wide = wide_row(size, src->w, src->c), ready = 0;
	uint8_t *ring = workspace, columns[5][2][WIDE], room[25][2][WIDE];
	(void)draw;
	memset(ring, 0, (size_t)(size * wide));
	for (int64_t y = 0; y < src->h; y++) {
		for (; ready <= nno_i64_min(y + half, src->h - 1); ready++)
			widen_row(ring + ready % size * wide, src, ready, half);
		for (int64_t i = 0; i < n; i += CHUNK) {
			const uint8_t *rows[5];
			for (int64_t k = 0; k < size; k++) {
				int64_t row = nno_i64_max(0, nno_i64_min(y + k - half, src->h - 1));
				rows[k] = ring + row % size * wide + i;
			}
			memcpy(dst->pixels + y * n + i,
			       medians(&networks[size == 5], (int)size, rows, src->c, columns, room),
			       (size_t)nno_i64_min(CHUNK, n - i));
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
