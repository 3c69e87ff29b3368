/* norm.c - batch normalisation. Sums run over fixed chunks of pixels, in double, and are combined in order. */
#include "op/op.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

#define PIXELS 512 /* of a chunk */

typedef struct norm_job {
	const nno_op *op;
	nno_run *run;
	int64_t pixels, chunks, c;
	const float *mean, *rstd;   /* of this step */
	double *partial;            /* chunks x 2 x c */
	const float *scale, *shift; /* forward: y = x scale + shift */
	const float *a, *b, *d;     /* backward: dx = a dy + b x + d */
	float *factors;             /* where the plan of these lies: 3 c */
} norm_job;

static bool book(nno_op *op, int slots)
{
	(void)slots;
	size_t c = (size_t)op->out.c, pixels, chunks, doubles;
	if (!nno_size_mul((size_t)(op->out.h * op->out.w), (size_t)op->batch, &pixels))
		return false;
	chunks = pixels / PIXELS + 1;
	if (!nno_size_mul(chunks * 2, c, &doubles) || !nno_size_mul(doubles, sizeof(double), &doubles))
		return false;
	op->saved_bytes = op->training ? 2 * c * sizeof(float) : 0;
	op->forward_workspace = op->backward_workspace =
	    doubles + nno_size_round_up(5 * c * sizeof(float), NNO_ALIGNMENT);
	op->macs = 0;
	return true;
}

static int64_t chunk_pixels(const norm_job *j, int64_t index)
{
	return nno_i64_min(PIXELS, j->pixels - index * PIXELS);
}

/* Where the k-th of scale, bias, running mean and variance lies among the parameters given; -1 when absent. */
static int param_at(const nno_norm_attr *a, int which)
{
	int at = which;
	if (!a->scale)
		at--;
	if (!a->bias && which >= 1)
		at--;
	return (which == 0 && !a->scale) || (which == 1 && !a->bias) ? -1 : at;
}

static norm_job start_job(const nno_op *op, nno_run *run)
{
	norm_job j = { .op = op, .run = run, .pixels = run->n * op->out.h * op->out.w, .c = op->out.c };
	j.chunks = nno_i64_ceil_div(j.pixels, PIXELS);
	j.factors = run->workspace;
	j.partial = (double *)(void *)((char *)run->workspace +
				       nno_size_round_up((size_t)(5 * j.c) * sizeof(float), NNO_ALIGNMENT));
	return j;
}

static void moments_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const norm_job *j = user;
	double *sum = j->partial + index * 2 * j->c, *square = sum + j->c;
	memset(sum, 0, (size_t)(2 * j->c) * sizeof(double));
	j->run->kernels->moments_f32(sum, square, j->run->src[0] + index * PIXELS * j->c, chunk_pixels(j, index), j->c);
}

static void affine_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const norm_job *j = user;
	int64_t at = index * PIXELS * j->c;
	j->run->kernels->affine_f32(j->run->dst + at, j->run->src[0] + at, j->scale, j->shift, chunk_pixels(j, index),
				    j->c);
}

static void batch_statistics(const norm_job *j, float *mean, float *rstd)
{
	const nno_norm_attr *a = j->op->attr;
	nno_run *run = j->run;
	nno_parallel_for(run->pool, j->chunks, moments_chunk, (void *)(uintptr_t)j);
	float *running_mean = run->param[param_at(a, 2)], *running_var = run->param[param_at(a, 3)];
	double m = (double)j->pixels;
	for (int64_t c = 0; c < j->c; c++) {
		double sum = 0.0, square = 0.0;
		for (int64_t k = 0; k < j->chunks; k++) {
			sum += j->partial[k * 2 * j->c + c];
			square += j->partial[(k * 2 + 1) * j->c + c];
		}
		double average = sum / m, variance = square / m - average * average;
		variance = variance > 0.0 || isnan(variance) ? variance : 0.0;
		mean[c] = (float)average;
		rstd[c] = (float)(1.0 / sqrt(variance + (double)a->epsilon));
		double unbiased = m > 1.0 ? variance * m / (m - 1.0) : variance;
		double f = (double)a->momentum;
		running_mean[c] = (float)((1.0 - f) * (double)running_mean[c] + f * average);
		running_var[c] = (float)((1.0 - f) * (double)running_var[c] + f * unbiased);
	}
}

static void running_statistics(const norm_job *j, float *mean, float *rstd)
{
	const nno_norm_attr *a = j->op->attr;
	const float *running_mean = j->run->param[param_at(a, 2)], *running_var = j->run->param[param_at(a, 3)];
	for (int64_t c = 0; c < j->c; c++) {
		mean[c] = running_mean[c];
		rstd[c] = (float)(1.0 / sqrt((double)running_var[c] + (double)a->epsilon));
	}
}

static void forward(const nno_op *op, nno_run *run)
{
	const nno_norm_attr *a = op->attr;
	norm_job j = start_job(op, run);
	float *mean = run->saved != NULL ? run->saved : j.factors + 3 * j.c;
	float *rstd = mean + j.c;
	if (run->training && !a->frozen)
		batch_statistics(&j, mean, rstd);
	else
		running_statistics(&j, mean, rstd);
	float *scale = j.factors, *shift = j.factors + j.c;
	const float *gamma = a->scale ? run->param[param_at(a, 0)] : NULL,
		    *beta = a->bias ? run->param[param_at(a, 1)] : NULL;
	for (int64_t c = 0; c < j.c; c++) {
		scale[c] = rstd[c] * (gamma != NULL ? gamma[c] : 1.0f);
		shift[c] = (beta != NULL ? beta[c] : 0.0f) - mean[c] * scale[c];
	}
	j.scale = scale;
	j.shift = shift;
	nno_parallel_for(run->pool, j.chunks, affine_chunk, &j);
}

/* Sums of dy and of dy (x - mean). */
static void products_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const norm_job *j = user;
	double *sum = j->partial + index * 2 * j->c, *product = sum + j->c;
	int64_t at = index * PIXELS * j->c;
	memset(sum, 0, (size_t)(2 * j->c) * sizeof(double));
	j->run->kernels->products_f32(sum, product, j->run->ddst + at, j->run->src[0] + at, j->mean,
				      chunk_pixels(j, index), j->c);
}

static void gradient_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const norm_job *j = user;
	int64_t at = index * PIXELS * j->c;
	j->run->kernels->norm_gradient_f32(j->run->dsrc[0] + at, j->run->ddst + at, j->run->src[0] + at, j->a, j->b,
					   j->d, chunk_pixels(j, index), j->c, j->run->dsrc_add[0]);
}

static void store(float *dst, int64_t c, double value, bool add)
{
	if (dst != NULL)
		dst[c] = (float)(add ? (double)dst[c] + value : value);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_norm_attr *a = op->attr;
	norm_job j = start_job(op, run);
	j.mean = run->saved;
	j.rstd = j.mean + j.c;
	nno_parallel_for(run->pool, j.chunks, products_chunk, &j);
	float *fa = j.factors, *fb = fa + j.c, *fd = fb + j.c;
	float *dgamma = a->scale ? run->dparam[param_at(a, 0)] : NULL,
	      *dbeta = a->bias ? run->dparam[param_at(a, 1)] : NULL;
	double m = (double)j.pixels;
	for (int64_t c = 0; c < j.c; c++) {
		double sum = 0.0, product = 0.0, rstd = (double)j.rstd[c], mean = (double)j.mean[c];
		for (int64_t k = 0; k < j.chunks; k++) {
			sum += j.partial[k * 2 * j.c + c];
			product += j.partial[(k * 2 + 1) * j.c + c];
		}
		store(dgamma, c, product * rstd, run->dparam_add);
		store(dbeta, c, sum, run->dparam_add);
		double scale = rstd * (a->scale ? (double)run->param[0][c] : 1.0);
		/* dx = scale (dy - mean(dy) - (x - mean) rstd^2 mean(dy (x - mean))); fixed statistics leave only the
		 * first part. */
		double slope = a->frozen ? 0.0 : -scale * rstd * rstd * product / m;
		fa[c] = (float)scale;
		fb[c] = (float)slope;
		fd[c] = a->frozen ? 0.0f : (float)(-scale * sum / m - slope * mean);
	}
	j.a = fa;
	j.b = fb;
	j.d = fd;
	if (run->dsrc[0] != NULL)
		nno_parallel_for(run->pool, j.chunks, gradient_chunk, &j);
}

const nno_op_class nno_op_batch_norm = {
	.name = "batch_norm",
	.attr_size = sizeof(nno_norm_attr),
	.needs_src = true,
	.can_add = true,
	.book = book,
	.forward = forward,
	.backward = backward,
};
