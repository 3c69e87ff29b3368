/* norm.c - batch normalisation with what may follow it in the same pass: y = act((x - mean) scale + shift + skip), the
 * skip being a second input. Sums run over fixed chunks of pixels in float, about a shift near each chunk's mean, and
 * are combined in double. The gradient's mask is computed anew from x, twice, which is cheaper than to read y; where
 * there is a skip it is read off y once, and the gradient masked in its place. A second pass over the same pixels goes
 * from the last to the first: it finds the last in a cache. */
#include "op/lazy.h"

#include "base/size.h"

#include <math.h>

#define CHUNK 32768         /* elements of a chunk of pixels: its pieces of all arrays stay in the second cache */
#define CHANNELS 128        /* whose chunks one task combines */
#define STREAMED (32 << 20) /* bytes of a result too large to be found in a cache by who reads it */

typedef struct norm_job {
	const nno_op *op;
	nno_run *run;
	nno_lazy *lazy;
	int64_t pixels, chunk, chunks, c;
	float *mean, *rest, *rstd; /* of this step; the mean is the sum of the first two, for means far from zero */
	nno_norm norm;
	nno_norm_slope slope;
	float *factors;        /* c each: scale, shift, and a, b, d of the slope */
	nno_partials partials; /* found here or by who borrowed the work; none where no gradient wants sums */
	elem *dskip;
} norm_job;

enum { FACTORS = 5, SAVED = 3 };

static int64_t chunk_of(int64_t channels) { return nno_i64_max(1, CHUNK / channels); }

static bool book(nno_op *op, int slots)
{
	(void)slots;
	size_t c = (size_t)op->out.c, pixels, bytes;
	if (!nno_size_mul((size_t)(op->out.h * op->out.w), (size_t)op->batch, &pixels))
		return false;
	nno_partials chunks = { .most = (int64_t)pixels / chunk_of(op->out.c) + 1 };
	if (!nno_partials_bytes(&chunks, NNO_MOMENTS, op->out.c, &bytes) ||
	    !nno_size_add(bytes, (FACTORS + SAVED) * c * sizeof(float), &bytes))
		return false;
	/* Who borrows work reads the factors. */
	size_t saved = op->lazy != NULL ? SAVED + FACTORS : SAVED;
	op->saved_bytes = op->training ? saved * c * sizeof(float) : 0;
	op->forward_workspace = op->backward_workspace = bytes;
	op->macs = 0;
	return true;
}

static int64_t chunk_pixels(const norm_job *j, int64_t index)
{
	return nno_i64_min(j->chunk, j->pixels - index * j->chunk);
}

static norm_job start_job(const nno_op *op, nno_run *run)
{
	const nno_norm_attr *a = op->attr;
	norm_job j = {
		.op = op, .run = run, .lazy = op->lazy, .pixels = run->n * op->out.h * op->out.w, .c = op->out.c
	};
	j.chunk = chunk_of(j.c);
	j.chunks = nno_i64_ceil_div(j.pixels, j.chunk);
	float *own = run->workspace;
	j.mean = run->saved != NULL ? run->saved : own + FACTORS * j.c;
	j.factors = op->lazy != NULL ? j.mean + SAVED * j.c : own;
	j.partials.most = j.partials.count = j.chunks;
	nno_partials_place(&j.partials, own + (FACTORS + SAVED) * j.c);
	j.rest = j.mean + j.c;
	j.rstd = j.rest + j.c;
	j.norm = (nno_norm){ .mean = j.mean, .scale = j.factors, .shift = j.factors + j.c };
	j.norm.clamped = a->activation != NNO_ACT_NONE;
	j.norm.low = j.norm.clamped ? 0.0f : -INFINITY;
	j.norm.high = a->activation == NNO_ACT_RELU6 ? 6.0f : INFINITY;
	return j;
}

/* Forward and backward compute these alike, so that both see the same values. */
static void find_factors(norm_job *j)
{
	const nno_norm_attr *a = j->op->attr;
	float *scale = j->factors, *shift = scale + j->c;
	const float *gamma = a->scale ? j->run->param[nno_norm_param(a, 0)] : NULL,
		    *beta = a->bias ? j->run->param[nno_norm_param(a, 1)] : NULL;
	for (int64_t c = 0; c < j->c; c++) {
		scale[c] = j->rstd[c] * (gamma != NULL ? gamma[c] : 1.0f);
		shift[c] = (beta != NULL ? beta[c] : 0.0f) - j->rest[c] * scale[c];
	}
}

static void moments_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const norm_job *j = user;
	nno_take_moments(j->run, &j->partials, index, src_of(j->run, 0) + index * j->chunk * j->c,
			 chunk_pixels(j, index), j->c);
}

static void set_statistics(const norm_job *j, int64_t c, double mean, double squares)
{
	const nno_norm_attr *a = j->op->attr;
	float *running_mean = j->run->param[nno_norm_param(a, 2)], *running_var = j->run->param[nno_norm_param(a, 3)];
	double m = (double)j->pixels, f = (double)a->momentum, variance = squares / m;
	variance = variance > 0.0 || isnan(variance) ? variance : 0.0;
	j->mean[c] = (float)mean;
	j->rest[c] = (float)(mean - (double)j->mean[c]);
	j->rstd[c] = (float)(1.0 / sqrt(variance + (double)a->epsilon));
	double unbiased = m > 1.0 ? variance * m / (m - 1.0) : variance;
	double kept = 1.0 - f; /* of none nothing is left, a NaN neither */
	running_mean[c] = (float)((kept > 0.0 ? kept * (double)running_mean[c] : 0.0) + f * mean);
	running_var[c] = (float)((kept > 0.0 ? kept * (double)running_var[c] : 0.0) + f * unbiased);
}

/* The mean of the tasks' means, then the squares about it: a task's own, and those of its mean. Chan et al. 1983. */
static void combine_moments(void *user, int64_t index, int slot)
{
	(void)slot;
	const norm_job *j = user;
	int64_t from = index * CHANNELS, n = nno_i64_min(CHANNELS, j->c - from);
	double mean[CHANNELS] = { 0 }, squares[CHANNELS] = { 0 };
	for (int64_t k = 0; k < j->partials.count; k++) {
		const float *shift = j->partials.found + k * NNO_MOMENTS * j->c + from, *sum = shift + j->c;
		double m = (double)j->partials.rows[k];
		for (int64_t c = 0; c < n; c++)
			mean[c] += m * (double)shift[c] + (double)sum[c];
	}
	for (int64_t c = 0; c < n; c++)
		mean[c] /= (double)j->pixels;
	for (int64_t k = 0; k < j->partials.count; k++) {
		const float *shift = j->partials.found + k * NNO_MOMENTS * j->c + from, *sum = shift + j->c,
			    *square = sum + j->c;
		double m = (double)j->partials.rows[k], part = 1.0 / m;
		for (int64_t c = 0; c < n; c++) {
			double s = (double)sum[c], away = (double)shift[c] + s * part - mean[c];
			squares[c] += (double)square[c] - s * s * part + m * away * away;
		}
	}
	for (int64_t c = 0; c < n; c++)
		set_statistics(j, from + c, mean[c], squares[c]);
}

static void running_statistics(const norm_job *j)
{
	const nno_norm_attr *a = j->op->attr;
	const float *running_mean = j->run->param[nno_norm_param(a, 2)],
		    *running_var = j->run->param[nno_norm_param(a, 3)];
	for (int64_t c = 0; c < j->c; c++) {
		j->mean[c] = running_mean[c];
		j->rest[c] = 0.0f;
		j->rstd[c] = (float)(1.0 / sqrt((double)running_var[c] + (double)a->epsilon));
	}
}

/* What is written where it was read is in the cache already. */
static int stream_flag(const norm_job *j, const void *dst, const void *src)
{
	return dst != src && j->pixels * j->c * (int64_t)sizeof(elem) >= STREAMED ? NNO_NORM_STREAM : 0;
}

static void value_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const norm_job *j = user;
	int64_t at = index * j->chunk * j->c;
	const elem *skip = j->op->n_in == 2 ? src_of(j->run, 1) + at : NULL;
	kernels_of(j->run)->norm(dst_of(j->run) + at, src_of(j->run, 0) + at, skip, &j->norm, chunk_pixels(j, index),
				 j->c, stream_flag(j, j->run->dst, j->run->src[0]));
}

static void forward(const nno_op *op, nno_run *run)
{
	const nno_norm_attr *a = op->attr;
	norm_job j = start_job(op, run);
	if (run->training && !a->frozen) {
		if (nno_lends(j.lazy, NNO_LAZY_MOMENTS))
			j.partials = j.lazy->moments;
		else
			nno_parallel_for(run->pool, j.chunks, moments_chunk, &j);
		nno_parallel_for(run->pool, nno_i64_ceil_div(j.c, CHANNELS), combine_moments, &j);
	} else {
		running_statistics(&j);
	}
	find_factors(&j);
	if (j.lazy != NULL)
		j.lazy->norm = j.norm;
	if (!nno_lends(j.lazy, NNO_LAZY_VALUE))
		nno_parallel_for_backward(run->pool, j.chunks, value_chunk, &j);
}

static void sums_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const norm_job *j = user;
	int64_t at = index * j->chunk * j->c;
	const elem *y = j->norm.clamped && j->op->n_in == 2 ? dst_of(j->run) + at : NULL;
	nno_take_sums(j->run, &j->partials, index, ddst_of(j->run) + at, src_of(j->run, 0) + at, y, &j->norm,
		      chunk_pixels(j, index), j->c);
}

static void store(float *dst, int64_t c, double value, bool add)
{
	if (dst != NULL)
		dst[c] = (float)(add ? (double)dst[c] + value : value);
}

/* dx = scale (dy - mean(dy) - (x - mean) rstd^2 mean(dy (x - mean))); fixed statistics leave only the first part. */
static void set_slope(const norm_job *j, int64_t c, double sum, double product)
{
	const nno_norm_attr *a = j->op->attr;
	double scale = (double)j->norm.scale[c], rstd = (double)j->rstd[c], m = (double)j->pixels;
	float *fa = j->factors + 2 * j->c, *fb = fa + j->c, *fd = fb + j->c;
	product -= sum * (double)j->rest[c];
	fa[c] = (float)scale;
	fb[c] = a->frozen ? 0.0f : (float)(-scale * rstd * rstd * product / m);
	fd[c] = a->frozen ? 0.0f : (float)(-scale * sum / m - (double)fb[c] * (double)j->rest[c]);
	if (a->scale)
		store(j->run->dparam[nno_norm_param(a, 0)], c, product * rstd, j->run->dparam_add);
	if (a->bias)
		store(j->run->dparam[nno_norm_param(a, 1)], c, sum, j->run->dparam_add);
}

static void combine_sums(void *user, int64_t index, int slot)
{
	(void)slot;
	const norm_job *j = user;
	int64_t from = index * CHANNELS, n = nno_i64_min(CHANNELS, j->c - from);
	double sum[CHANNELS] = { 0 }, product[CHANNELS] = { 0 };
	for (int64_t k = 0; k < j->partials.count; k++) {
		const float *s = j->partials.found + k * NNO_SUMS * j->c + from, *p = s + j->c;
		for (int64_t c = 0; c < n; c++) {
			sum[c] += (double)s[c];
			product[c] += (double)p[c];
		}
	}
	for (int64_t c = 0; c < n; c++)
		set_slope(j, from + c, sum[c], product[c]);
}

static void gradient_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const norm_job *j = user;
	nno_run *run = j->run;
	int64_t at = index * j->chunk * j->c;
	int flags = stream_flag(j, run->dsrc[0], run->ddst) | (run->dsrc_add[0] ? NNO_NORM_ADD_DX : 0) |
		    (run->dsrc_add[1] ? NNO_NORM_ADD_DSKIP : 0);
	kernels_of(run)->norm_gradient(run->dsrc[0] == NULL ? NULL : dsrc_of(run, 0) + at,
				       j->dskip == NULL ? NULL : j->dskip + at, ddst_of(run) + at, src_of(run, 0) + at,
				       &j->norm, &j->slope, chunk_pixels(j, index), j->c, flags);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_norm_attr *a = op->attr;
	norm_job j = start_job(op, run);
	j.slope = (nno_norm_slope){ j.factors + 2 * j.c, j.factors + 3 * j.c, j.factors + 4 * j.c };
	bool mask = j.norm.clamped && op->n_in == 2;
	bool summed = mask || op->wants_dparam || (run->dsrc[0] != NULL && !a->frozen);
	find_factors(&j);
	if (nno_lends(j.lazy, NNO_LAZY_SUMS))
		j.partials = j.lazy->sums;
	else {
		j.partials.count = summed ? j.chunks : 0;
		nno_parallel_for(run->pool, j.partials.count, sums_chunk, &j);
	}
	nno_parallel_for(run->pool, nno_i64_ceil_div(j.c, CHANNELS), combine_sums, &j);
	if (mask)
		j.norm.clamped = 0;
	/* A skip's gradient that takes the place of the result's is there by now. */
	j.dskip = op->n_in == 2 && run->dsrc[1] != run->ddst ? run->dsrc[1] : NULL;
	if (nno_lends(j.lazy, NNO_LAZY_SLOPE))
		j.lazy->slope = j.slope;
	else if (run->dsrc[0] != NULL || j.dskip != NULL)
		nno_parallel_for_backward(run->pool, j.chunks, gradient_chunk, &j);
}

NNO_OP_CODE(batch_norm) = { .book = book, .forward = forward, .backward = backward };
