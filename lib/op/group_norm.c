/* group_norm.c - group normalisation: in each sample the channels of a group have one mean and variance over all
 * pixels. The kernels are those of a batch normalisation on one sample, whose channels of a group are given like
 * factors. A task is a sample, or some of them where the parameters' partial gradients would be too many: the sample is
 * found in a cache by the pass that follows. Sums run over fixed chunks of pixels in float and are combined in double.
 */
#include "base/size.h"
#include "op/parallel.h"

#include <math.h>
#include <string.h>

#define CHUNK 32768        /* elements of a chunk of pixels */
#define PARTIALS (1 << 18) /* floats of all partial sums, where there are so few channels */
enum { FEW_PARTS = 16, FOUND = 3 /* floats of a group: mean, what is left of it, 1 / deviation */ };
/* A slot's room: two doubles a channel, and the floats of the kernels' results and of the factors. */
enum { SUMS = 2, FLOATS = 9 };

typedef struct group_job {
	const nno_op *op;
	nno_run *run;
	const nno_group_norm_attr *a;
	int64_t c, pixels, chunk, parts, width; /* channels of a group */
	const float *gamma, *beta;              /* NULL: none */
	float *found, *partials;
	char *room;
	size_t room_bytes;
	bool sums;
} group_job;

/* What a task works with: `first` and `second` are means and squares forward, sums and products backward. */
typedef struct channels {
	double *first, *second;
	float *kernel; /* three a channel */
	float *mean, *scale, *shift, *a, *b, *d;
} channels;

static int64_t parts_of(int64_t n, int64_t c) { return nno_i64_min(n, nno_i64_max(FEW_PARTS, PARTIALS / c)); }

static size_t slot_bytes(int64_t c)
{
	return nno_size_round_up((size_t)c * (SUMS * sizeof(double) + FLOATS * sizeof(float)), NNO_CACHE_LINE);
}

static bool book(nno_op *op, int slots)
{
	const nno_group_norm_attr *a = op->attr;
	size_t rooms, partials, found;
	if (!nno_size_mul(slot_bytes(op->out.c), (size_t)slots, &rooms) ||
	    !nno_size_mul((size_t)parts_of(op->batch, op->out.c), (size_t)op->out.c * 2 * sizeof(float), &partials) ||
	    !nno_size_mul((size_t)op->batch, (size_t)a->groups * FOUND * sizeof(float), &found))
		return false;
	op->saved_bytes = op->training ? found : 0;
	op->macs = 0;
	return nno_size_add(rooms, found, &op->forward_workspace) &&
	       nno_size_add(rooms, partials, &op->backward_workspace);
}

static group_job start_job(const nno_op *op, nno_run *run)
{
	group_job j = { .op = op, .run = run, .a = op->attr, .c = op->out.c, .pixels = op->out.h * op->out.w };
	j.chunk = nno_i64_max(1, CHUNK / j.c);
	j.width = j.c / j.a->groups;
	j.gamma = j.a->scale ? run->param[0] : NULL;
	j.beta = j.a->bias ? run->param[j.a->scale ? 1 : 0] : NULL;
	j.room = run->workspace;
	j.room_bytes = slot_bytes(j.c);
	return j;
}

static channels room_of(const group_job *j, int slot)
{
	channels r = { .first = (double *)(void *)(j->room + (size_t)slot * j->room_bytes) };
	r.second = r.first + j->c;
	r.kernel = (float *)(void *)(r.second + j->c);
	r.mean = r.kernel + 3 * j->c;
	r.scale = r.mean + j->c;
	r.shift = r.scale + j->c;
	r.a = r.shift + j->c;
	r.b = r.a + j->c;
	r.d = r.b + j->c;
	return r;
}

static nno_norm norm_of(const group_job *j, const channels *r)
{
	bool clamped = j->a->activation != NNO_ACT_NONE;
	return (nno_norm){ .mean = r->mean,
			   .scale = r->scale,
			   .shift = r->shift,
			   .low = clamped ? 0.0f : -INFINITY,
			   .high = j->a->activation == NNO_ACT_RELU6 ? 6.0f : INFINITY,
			   .clamped = clamped };
}

/* Each channel's mean and squares about it, chunk by chunk; Chan et al. 1983. */
static void find_moments(const group_job *j, const channels *r, const elem *x)
{
	float *shift = r->kernel, *sum = shift + j->c, *square = sum + j->c;
	memset(r->first, 0, (size_t)(2 * j->c) * sizeof *r->first);
	for (int64_t from = 0; from < j->pixels; from += j->chunk) {
		int64_t rows = nno_i64_min(j->chunk, j->pixels - from);
		double part = 1.0 / (double)rows, share = (double)rows / (double)(from + rows);
		kernels_of(j->run)->norm_moments(shift, sum, square, x + from * j->c, rows, j->c);
		for (int64_t c = 0; c < j->c; c++) {
			double s = (double)sum[c], away = (double)shift[c] + s * part - r->first[c];
			r->first[c] += away * share;
			r->second[c] += (double)square[c] - s * s * part + away * away * (double)from * share;
		}
	}
}

static void find_group(const group_job *j, const channels *r, int64_t group, float *found)
{
	const double *means = r->first + group * j->width, *squares = r->second + group * j->width;
	double mean = 0.0, all = 0.0;
	for (int64_t c = 0; c < j->width; c++)
		mean += means[c];
	mean /= (double)j->width;
	for (int64_t c = 0; c < j->width; c++)
		all += squares[c] + (means[c] - mean) * (means[c] - mean) * (double)j->pixels;
	double variance = all / (double)(j->width * j->pixels);
	variance = variance > 0.0 || isnan(variance) ? variance : 0.0;
	found[0] = (float)mean;
	found[1] = (float)(mean - (double)found[0]);
	found[2] = (float)(1.0 / sqrt(variance + (double)j->a->epsilon));
}

/* Forward and backward compute these alike, so that both see the same values. */
static void find_factors(const group_job *j, const channels *r, const float *found)
{
	for (int64_t c = 0; c < j->c; c++) {
		const float *f = found + c / j->width * FOUND;
		r->mean[c] = f[0];
		r->scale[c] = f[2] * (j->gamma != NULL ? j->gamma[c] : 1.0f);
		r->shift[c] = (j->beta != NULL ? j->beta[c] : 0.0f) - f[1] * r->scale[c];
	}
}

static void value_sample(void *user, int64_t sample, int slot)
{
	const group_job *j = user;
	channels r = room_of(j, slot);
	nno_norm norm = norm_of(j, &r);
	int64_t at = sample * j->pixels * j->c;
	float *found = j->found + sample * j->a->groups * FOUND;
	find_moments(j, &r, src_of(j->run, 0) + at);
	for (int64_t g = 0; g < j->a->groups; g++)
		find_group(j, &r, g, found + g * FOUND);
	find_factors(j, &r, found);
	kernels_of(j->run)->norm(dst_of(j->run) + at, src_of(j->run, 0) + at, NULL, &norm, j->pixels, j->c, 0);
}

static void forward(const nno_op *op, nno_run *run)
{
	group_job j = start_job(op, run);
	float *own = (float *)(void *)(j.room + (size_t)nno_pool_slots(run->pool) * j.room_bytes);
	j.found = run->saved != NULL ? run->saved : own;
	nno_parallel_for(run->pool, run->n, value_sample, &j);
}

static void find_sums(const group_job *j, const channels *r, const nno_norm *norm, int64_t at)
{
	float *sum = r->kernel, *product = sum + j->c;
	memset(r->first, 0, (size_t)(2 * j->c) * sizeof *r->first);
	for (int64_t from = 0; from < j->pixels; from += j->chunk) {
		int64_t rows = nno_i64_min(j->chunk, j->pixels - from), here = at + from * j->c;
		kernels_of(j->run)->norm_sums(sum, product, ddst_of(j->run) + here, src_of(j->run, 0) + here, NULL,
					      norm, rows, j->c);
		for (int64_t c = 0; c < j->c; c++) {
			r->first[c] += (double)sum[c];
			r->second[c] += (double)product[c];
		}
	}
}

/* With g = gamma dy: dx = rstd (g - mean(g) - (x - mean) rstd^2 mean(g (x - mean))), the means over the group. */
static void find_slope(const group_job *j, const channels *r, int64_t group, const float *found)
{
	double sum = 0.0, product = 0.0, m = (double)(j->width * j->pixels), rstd = (double)found[2],
	       rest = (double)found[1];
	int64_t from = group * j->width, end = from + j->width;
	for (int64_t c = from; c < end; c++) {
		double gamma = j->gamma != NULL ? (double)j->gamma[c] : 1.0;
		r->second[c] -= r->first[c] * rest;
		sum += gamma * r->first[c];
		product += gamma * r->second[c];
	}
	float b = (float)(-rstd * rstd * rstd * product / m);
	for (int64_t c = from; c < end; c++) {
		r->a[c] = r->scale[c];
		r->b[c] = b;
		r->d[c] = (float)(-rstd * sum / m - (double)b * rest);
	}
}

static void gradient_sample(const group_job *j, int64_t sample, const channels *r, float *partial)
{
	nno_norm norm = norm_of(j, r);
	nno_norm_slope slope = { r->a, r->b, r->d };
	int64_t at = sample * j->pixels * j->c;
	const float *found = j->found + sample * j->a->groups * FOUND;
	find_factors(j, r, found);
	find_sums(j, r, &norm, at);
	for (int64_t g = 0; g < j->a->groups; g++)
		find_slope(j, r, g, found + g * FOUND);
	for (int64_t c = 0; c < j->c && j->sums; c++) {
		partial[c] += (float)(r->second[c] * (double)found[c / j->width * FOUND + 2]);
		partial[j->c + c] += (float)r->first[c];
	}
	if (j->run->dsrc[0] != NULL)
		kernels_of(j->run)->norm_gradient(dsrc_of(j->run, 0) + at, NULL, ddst_of(j->run) + at,
						  src_of(j->run, 0) + at, &norm, &slope, j->pixels, j->c,
						  j->run->dsrc_add[0] ? NNO_NORM_ADD_DX : 0);
}

static void gradient_part(void *user, int64_t part, int slot)
{
	const group_job *j = user;
	channels r = room_of(j, slot);
	float *partial = j->partials + part * 2 * j->c;
	int64_t end = (part + 1) * j->run->n / j->parts;
	memset(partial, 0, (size_t)(2 * j->c) * sizeof *partial);
	for (int64_t sample = part * j->run->n / j->parts; sample < end; sample++)
		gradient_sample(j, sample, &r, partial);
}

static void backward(const nno_op *op, nno_run *run)
{
	group_job j = start_job(op, run);
	j.found = run->saved;
	j.partials = (float *)(void *)(j.room + (size_t)nno_pool_slots(run->pool) * j.room_bytes);
	j.parts = parts_of(run->n, j.c);
	j.sums = op->wants_dparam;
	nno_parallel_for(run->pool, j.parts, gradient_part, &j);
	if (!j.sums)
		return;
	if (j.a->scale)
		nno_sum_partials(run, run->dparam[0], j.partials, j.parts, 2 * j.c, j.c);
	if (j.a->bias)
		nno_sum_partials(run, run->dparam[j.a->scale ? 1 : 0], j.partials + j.c, j.parts, 2 * j.c, j.c);
}

NNO_OP_CODE(group_norm) = { .book = book, .forward = forward, .backward = backward };
