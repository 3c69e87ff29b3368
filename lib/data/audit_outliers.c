/* audit_outliers.c - samples that are far from all others: the mean distance to the nearest neighbours, in units of the
 * median of all samples' (Ramaswamy, Rastogi and Shim, "Efficient algorithms for mining outliers from large data sets",
 * 2000). Neighbours are looked for among some samples drawn at random, which makes the cost a product of two counts
 * of which one is bounded. They are found by |x|^2 - 2 x.y + |y|^2, one product of matrices for a block of samples,
 * with what all samples have in common taken off, in whose rounding small distances would be lost; the distances of
 * those found are then those of differences, so that equals have 0. */
#include "data/audit.h"

#include "base/size.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 32, /* of a block */ SOME = 65 /* references that tell the middle */ };

typedef struct neighbour {
	double square; /* of the distance, about */
	int64_t sample;
} neighbour;

typedef struct outlier_job {
	const nnopt_context *context;
	const float *x; /* n x d */
	int64_t n, d, references, neighbours;
	int64_t *reference; /* sample numbers, ascending */
	float *middle;      /* of each column, which is taken off */
	float *turned;      /* d x references */
	float *squares;     /* of references */
	float *rows;        /* ROWS x d a slot */
	float *products;    /* ROWS x references a slot */
	neighbour *nearest; /* neighbours a slot */
	double *distance;   /* a sample */
} outlier_job;

static float square(const float *x, int64_t d)
{
	double sum = 0.0;
	for (int64_t i = 0; i < d; i++)
		sum += (double)x[i] * (double)x[i];
	return (float)sum;
}

static void forget(neighbour *nearest, int64_t count)
{
	for (int64_t k = 0; k < count; k++)
		nearest[k] = (neighbour){ INFINITY, -1 };
}

/* Puts a value among the least so far, ascending. What is no number is none of them. */
static void keep_least(neighbour *nearest, int64_t count, double value, int64_t sample)
{
	int64_t at = count - 1;
	if (!(value < nearest[at].square))
		return;
	for (; at > 0 && nearest[at - 1].square > value; at--)
		nearest[at] = nearest[at - 1];
	nearest[at] = (neighbour){ value, sample };
}

static void take_off(float *to, const float *x, const float *middle, int64_t d)
{
	for (int64_t i = 0; i < d; i++)
		to[i] = x[i] - middle[i];
}

static double distance_of(const float *x, const float *y, int64_t d)
{
	double sum = 0.0;
	for (int64_t i = 0; i < d; i++)
		sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
	return sqrt(sum);
}

static void measure_rows(void *user, int64_t index, int slot)
{
	const outlier_job *j = user;
	int64_t from = index * ROWS, rows = nno_i64_min(ROWS, j->n - from), m = j->references, d = j->d;
	float *row = j->rows + (int64_t)slot * ROWS * d, *product = j->products + (int64_t)slot * ROWS * m;
	neighbour *nearest = j->nearest + (int64_t)slot * j->neighbours;
	for (int64_t r = 0; r < rows; r++)
		take_off(row + r * d, j->x + (from + r) * d, j->middle, d);
	j->context->kernels->f32->gemm(rows, m, d, row, d, j->turned, m, product, m, NULL, 0);
	for (int64_t r = 0; r < rows; r++) {
		double own = (double)square(row + r * d, d), sum = 0.0;
		forget(nearest, j->neighbours);
		for (int64_t k = 0; k < m; k++)
			if (j->reference[k] != from + r)
				keep_least(nearest, j->neighbours,
					   own + (double)j->squares[k] - 2.0 * (double)product[r * m + k],
					   j->reference[k]);
		for (int64_t k = 0; k < j->neighbours; k++)
			sum += nearest[k].sample < 0
				   ? INFINITY
				   : distance_of(j->x + (from + r) * d, j->x + nearest[k].sample * d, d);
		j->distance[from + r] = sum / (double)j->neighbours;
	}
}

/* The medians of some references: not their means, which one huge value would move away from all others. */
static void find_middle(const outlier_job *j)
{
	neighbour least[SOME / 2 + 1];
	int64_t n = nno_i64_min(j->references, SOME), half = n / 2 + 1;
	for (int64_t i = 0; i < j->d; i++) {
		forget(least, half);
		for (int64_t k = 0; k < n; k++)
			keep_least(least, half, (double)j->x[j->reference[k * j->references / n] * j->d + i], k);
		double median = least[half - 1].square;
		j->middle[i] = isfinite(median) ? (float)median : 0.0f;
	}
}

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static int by_number(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static nnopt_status draw_references(outlier_job *j, const nno_alloc *a, uint64_t seed)
{
	int64_t *order = nno_new_array(a, (size_t)j->n, sizeof *order);
	if (order == NULL)
		return nno_fail_memory("audit_outliers", (size_t)j->n * sizeof *order);
	nno_rng r;
	nno_rng_start(&r, seed, NNO_RNG_SPLIT, 1, 0);
	for (int64_t i = 0; i < j->n; i++)
		order[i] = i;
	nno_rng_shuffle(&r, order, j->n);
	memcpy(j->reference, order, (size_t)j->references * sizeof *order);
	qsort(j->reference, (size_t)j->references, sizeof *j->reference, by_number);
	nno_delete(a, order);
	find_middle(j);
	for (int64_t k = 0; k < j->references; k++) {
		float *row = j->rows;
		take_off(row, j->x + j->reference[k] * j->d, j->middle, j->d);
		j->squares[k] = square(row, j->d);
		for (int64_t i = 0; i < j->d; i++)
			j->turned[i * j->references + k] = row[i];
	}
	return NNOPT_OK;
}

static nnopt_status report(const outlier_job *j, nnopt_audit *audit, const nno_alloc *a, double above)
{
	double *sorted = nno_new_array(a, (size_t)j->n, sizeof *sorted);
	if (sorted == NULL)
		return nno_fail_memory("audit_outliers", (size_t)j->n * sizeof *sorted);
	memcpy(sorted, j->distance, (size_t)j->n * sizeof *sorted);
	qsort(sorted, (size_t)j->n, sizeof *sorted, ascending);
	double usual = sorted[j->n / 2];
	nno_delete(a, sorted);
	for (int64_t i = 0; i < j->n; i++) {
		double distance = j->distance[i];
		double score = isinf(distance)  ? INFINITY
			       : usual > 0.0    ? distance / usual
			       : distance > 0.0 ? INFINITY
						: 0.0;
		nno_finding f = nno_finding_of(i, NNOPT_FINDING_OUTLIER, NNOPT_SUGGEST_REVIEW, score);
		if (score <= above)
			continue;
		if (isinf(distance))
			NNO_TRY(nno_audit_add(audit, &f, "features that are not finite"));
		else if (usual > 0.0)
			NNO_TRY(nno_audit_add(audit, &f, "%d.%d times as far from its neighbours as is usual",
					      (int)fmin(score, 1e6), (int)(10.0 * fmin(score, 1e6)) % 10));
		else
			NNO_TRY(nno_audit_add(audit, &f, "away from its neighbours, where distance 0 is usual"));
	}
	return NNOPT_OK;
}

static const nnopt_audit_outliers_options defaults = {
	.struct_size = sizeof defaults, .neighbours = 10, .references = 4096, .above = 2.0
};

nnopt_status nnopt_audit_outliers_options_init(nnopt_audit_outliers_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "audit_outliers_options");
}

static nnopt_status check(const nnopt_audit *audit, const nnopt_tensor *x, const nnopt_audit_outliers_options *o)
{
	char text[NNO_SHAPE_TEXT];
	if (audit == NULL || x == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "audit_outliers: %s is NULL",
				audit == NULL ? "audit" : "features");
	if (x->dtype != NNOPT_F32 || x->rank != 2 || x->shape[0] != audit->dataset->count || x->shape[1] < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "audit_outliers: features %s, f32 (%lld, any) wanted",
				nno_shape_text(text, x->shape, x->rank), (long long)audit->dataset->count);
	if (o->neighbours < 1 || o->references < 0 || !(o->above > 0.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"audit_outliers: neighbours %lld, references %lld, above %g: 1 or more, 0 or more, "
				"above 0 wanted",
				(long long)o->neighbours, (long long)o->references, o->above);
	int64_t references = o->references == 0 ? x->shape[0] : nno_i64_min(o->references, x->shape[0]);
	if (references <= o->neighbours)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"audit_outliers: %lld neighbours among %lld samples, more samples wanted",
				(long long)o->neighbours, (long long)references);
	return NNOPT_OK;
}

nnopt_status nnopt_audit_outliers(nnopt_audit *audit, const nnopt_tensor *features,
				  const nnopt_audit_outliers_options *options)
{
	nnopt_audit_outliers_options o = defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "audit_outliers"));
	NNO_TRY(check(audit, features, &o));
	nnopt_context *context = audit->dataset->context;
	const nno_alloc *a = &context->alloc;
	int64_t before = audit->count;
	outlier_job j = { .context = context,
			  .x = (const float *)(const void *)features->data,
			  .n = features->shape[0],
			  .d = features->shape[1],
			  .neighbours = o.neighbours };
	j.references = o.references == 0 ? j.n : nno_i64_min(o.references, j.n);
	size_t m = (size_t)j.references, d = (size_t)j.d, slots = (size_t)nno_pool_slots(context->pool), turned;
	if (!nno_size_mul(m, d * sizeof *j.turned, &turned))
		return nno_fail_memory("audit_outliers", SIZE_MAX);
	j.reference = nno_new_array(a, m, sizeof *j.reference);
	j.middle = nno_new_array(a, d, sizeof *j.middle);
	j.rows = nno_new_array(a, d, slots * ROWS * sizeof *j.rows);
	j.turned = nno_new(a, turned);
	j.squares = nno_new_array(a, m, sizeof *j.squares);
	j.products = nno_new_array(a, m, slots * ROWS * sizeof *j.products);
	j.nearest = nno_new_array(a, slots, (size_t)j.neighbours * sizeof *j.nearest);
	j.distance = nno_new_array(a, (size_t)j.n, sizeof *j.distance);
	bool all = j.reference != NULL && j.middle != NULL && j.rows != NULL && j.turned != NULL && j.squares != NULL &&
		   j.products != NULL && j.nearest != NULL && j.distance != NULL;
	nnopt_status status = all ? draw_references(&j, a, o.seed) : nno_fail_memory("audit_outliers", turned);
	if (status == NNOPT_OK) {
		nno_parallel_for(context->pool, nno_i64_ceil_div(j.n, ROWS), measure_rows, &j);
		status = report(&j, audit, a, o.above);
	}
	nno_delete(a, j.reference);
	nno_delete(a, j.middle);
	nno_delete(a, j.rows);
	nno_delete(a, j.turned);
	nno_delete(a, j.squares);
	nno_delete(a, j.products);
	nno_delete(a, j.nearest);
	nno_delete(a, j.distance);
	if (status != NNOPT_OK)
		nno_audit_shorten(audit, before);
	return status;
}
