/* normalise.c - the end of every list: bytes become floats. */
#include "data/transform.h"

#include <math.h>
#include <string.h>

#define BLOCK 48 /* values in a loop that the compiler makes vectors of */

void nno_normalisation_table(const nno_normalisation *n, nno_value_table *table)
{
	for (int c = 0; c < 4; c++)
		for (int v = 0; v < 256; v++)
			table->of[c][v] = ((float)v / 255.0f - n->mean[c]) / n->std[c];
}

/* Colour is the common case, and twice as fast with the number of channels known. */
static void by_table(const nno_value_table *table, float *dst, const nno_picture *p)
{
	int64_t area = p->h * p->w;
	if (p->c == 3)
		for (int64_t i = 0; i < area * 3; i += 3) {
			dst[i] = table->of[0][p->pixels[i]];
			dst[i + 1] = table->of[1][p->pixels[i + 1]];
			dst[i + 2] = table->of[2][p->pixels[i + 2]];
		}
	for (int64_t i = 0; p->c != 3 && i < area; i++)
		for (int c = 0; c < p->c; c++)
			dst[i * p->c + c] = table->of[c][p->pixels[i * p->c + c]];
}

/* Sums and sums of squares of each channel; whole numbers, so their order is nothing. */
static void sum_channels(const nno_picture *p, uint64_t sum[4], uint64_t squares[4])
{
	int64_t n = p->h * p->w * p->c, i = 0;
	for (int c = 0; c < 4; c++)
		sum[c] = squares[c] = 0;
	/* A block is whole pixels of 1 to 4 channels; 1024 of them overflow no 32 bits. */
	while (i < n) {
		uint32_t s[BLOCK] = { 0 }, q[BLOCK] = { 0 };
		int64_t end = n - i > BLOCK * 1024 ? i + BLOCK * 1024 : n;
		for (; i + BLOCK <= end; i += BLOCK)
			for (int k = 0; k < BLOCK; k++) {
				uint32_t v = p->pixels[i + k];
				s[k] += v;
				q[k] += v * v;
			}
		for (int k = 0; i < end; i++, k++) {
			s[k] += p->pixels[i];
			q[k] += (uint32_t)p->pixels[i] * p->pixels[i];
		}
		for (int k = 0; k < BLOCK; k++) {
			sum[k % p->c] += s[k];
			squares[k % p->c] += q[k];
		}
	}
}

/* scale and shift so that value * scale + shift is the normalised one. */
static void fit(double sum, double squares, double count, double epsilon, float *scale, float *shift)
{
	double mean = sum / count, variance = squares / count - mean * mean;
	double std = sqrt(variance > 0.0 ? variance : 0.0), least = epsilon * 255.0;
	double by = 1.0 / (std > least ? std : least);
	*scale = (float)by;
	*shift = (float)(-mean * by);
}

static void by_picture(const nno_normalisation *n, float *dst, const nno_picture *p)
{
	uint64_t sum[4], squares[4];
	float scale[BLOCK], shift[BLOCK];
	int64_t area = p->h * p->w, count = area * p->c, i = 0;
	sum_channels(p, sum, squares);
	if (n->kind == NNO_NORMALISE_PICTURE) {
		for (int c = 1; c < p->c; c++) {
			sum[0] += sum[c];
			squares[0] += squares[c];
		}
		for (int c = 1; c < p->c; c++) {
			sum[c] = sum[0];
			squares[c] = squares[0];
		}
		area = count;
	}
	for (int k = 0; k < BLOCK; k++)
		if (k < p->c)
			fit((double)sum[k], (double)squares[k], (double)area, n->epsilon, &scale[k], &shift[k]);
		else {
			scale[k] = scale[k - p->c];
			shift[k] = shift[k - p->c];
		}
	for (; i + BLOCK <= count; i += BLOCK)
		for (int k = 0; k < BLOCK; k++)
			dst[i + k] = (float)p->pixels[i + k] * scale[k] + shift[k];
	for (int k = 0; i < count; i++, k++)
		dst[i] = (float)p->pixels[i] * scale[k] + shift[k];
}

void nno_normalise(const nno_normalisation *n, const nno_value_table *table, float *dst, const nno_picture *p)
{
	if (n->kind == NNO_NORMALISE_PICTURE || n->kind == NNO_NORMALISE_PICTURE_CHANNEL)
		by_picture(n, dst, p);
	else
		by_table(table, dst, p);
}

/* Whether a list may still end so. */
static nnopt_status check_list(const nnopt_transforms *t, const char *what)
{
	if (t == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: transforms is NULL", what);
	if (t->normalised)
		return nno_fail(NNOPT_ERROR_STATE, "%s: the list has a normalisation already", what);
	return NNOPT_OK;
}

nnopt_status nnopt_transforms_add_normalise(nnopt_transforms *t, const float *mean, const float *std, int32_t channels)
{
	NNO_TRY(check_list(t, "normalise"));
	if ((mean == NULL) != (std == NULL) || (mean != NULL && (channels < 1 || channels > 4)))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"normalise: %d channels, 1 to 4 with both mean and std wanted", channels);
	for (int c = 0; mean != NULL && c < channels; c++)
		if (!isfinite(mean[c]) || !(std[c] > 0.0f) || !isfinite(std[c]))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"normalise: mean %g std %g of channel %d, finite and std > 0 wanted",
					(double)mean[c], (double)std[c], c);
	if (mean != NULL) {
		nno_normalisation *n = &t->normalisation;
		memcpy(n->mean, mean, (size_t)channels * sizeof *mean);
		memcpy(n->std, std, (size_t)channels * sizeof *std);
		n->channels = channels;
		n->kind = NNO_NORMALISE_FIXED;
	}
	t->normalised = true;
	return NNOPT_OK;
}

nnopt_status nnopt_transforms_add_normalise_per_image(nnopt_transforms *t, int32_t per_channel, double epsilon)
{
	NNO_TRY(check_list(t, "normalise_per_image"));
	NNO_TRY(nno_check_number("normalise_per_image", "epsilon", epsilon, 1e-6, 1.0));
	t->normalisation.kind = per_channel != 0 ? NNO_NORMALISE_PICTURE_CHANNEL : NNO_NORMALISE_PICTURE;
	t->normalisation.epsilon = epsilon;
	t->normalised = true;
	return NNOPT_OK;
}
