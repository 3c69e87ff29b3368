/* initialise.c - first values. Drawn in public order from a stream of (seed, parameter number), so that neither the
 * storage order nor the other parameters matter. */
#include "model/model.h"

#include "base/rng.h"
#include "base/size.h"

#include <math.h>

/* A tile of values is drawn in public order and turned into storage order while it is in cache. It has so many rows
 * that where they lie side by side in storage, as the weights of most layers do, a cache line is written whole. */
#define TILE ((int64_t)4096)
#define TILE_COLUMNS ((int64_t)256)
/* Elements of storage that a task's columns span. Tasks follow each other through memory that nobody has touched yet,
 * and two threads in one huge page would both clear it. */
#define SPAN ((int64_t)1 << 19)
#define MOST_TILES ((int64_t)16) /* of a task, so that there are tasks for all threads */

/* A parameter as a matrix in public order: its first axis by all others. */
typedef struct uniform_job {
	const nno_spec *spec;
	const nno_rng *start;
	float *storage;
	double bound;
	int64_t stride[4]; /* in storage, of each public axis */
	int64_t rows, columns;
	int64_t tile_rows, tile_columns;
	int64_t task_columns, across; /* of a task, and tasks beside each other */
} uniform_job;

/* A column of the matrix: its indices, and where in storage its first row is. */
typedef struct column {
	int64_t index[4], at;
} column;

static column find_column(const uniform_job *j, int64_t number)
{
	column c = { { 0 }, 0 };
	for (int axis = j->spec->rank - 1; axis > 0; axis--) {
		c.index[axis] = number % j->spec->shape[axis];
		number /= j->spec->shape[axis];
		c.at += c.index[axis] * j->stride[axis];
	}
	return c;
}

static void next_column(const uniform_job *j, column *c)
{
	for (int axis = j->spec->rank - 1; axis > 0; axis--) {
		c->at += j->stride[axis];
		if (++c->index[axis] < j->spec->shape[axis])
			return;
		c->at -= c->index[axis] * j->stride[axis];
		c->index[axis] = 0;
	}
}

static void uniform_tile(const uniform_job *j, int64_t row, int64_t rows, int64_t first, int64_t columns)
{
	float tile[TILE];
	/* Value i is word i of the stream, so any part of it can be drawn without those before. */
	if (columns == j->columns)
		nno_rng_fill_uniform(j->start, row * columns, tile, rows * columns, j->bound);
	for (int64_t r = 0; columns < j->columns && r < rows; r++)
		nno_rng_fill_uniform(j->start, (row + r) * j->columns + first, tile + r * columns, columns, j->bound);
	column c = find_column(j, first);
	for (int64_t k = 0; k < columns; k++, next_column(j, &c)) {
		float *dst = j->storage + c.at + row * j->stride[0];
		for (int64_t r = 0; r < rows; r++)
			dst[r * j->stride[0]] = tile[r * columns + k];
	}
}

static void uniform_task(void *user, int64_t index, int slot)
{
	(void)slot;
	const uniform_job *j = user;
	int64_t row = index / j->across * j->tile_rows, rows = nno_i64_min(j->tile_rows, j->rows - row);
	int64_t first = index % j->across * j->task_columns, end = nno_i64_min(first + j->task_columns, j->columns);
	for (int64_t c = first; c < end; c += j->tile_columns)
		uniform_tile(j, row, rows, c, nno_i64_min(j->tile_columns, end - c));
}

/* How far apart neighbours along each public axis lie in storage. */
static void storage_strides(const nno_spec *spec, int64_t stride[4])
{
	int64_t run = 1;
	for (int k = spec->rank - 1; k >= 0; k--) {
		stride[spec->order[k]] = run;
		run *= spec->shape[spec->order[k]];
	}
}

/* Millions of values are the longest part of starting to train: all threads draw them, straight to their places. */
static void fill_uniform(const nnopt_model *model, const nno_param *p, const nno_rng *start, double bound)
{
	const nno_spec *spec = &p->spec;
	uniform_job j = { .spec = spec, .start = start, .storage = nno_param_data(model, p), .bound = bound };
	storage_strides(spec, j.stride);
	j.rows = spec->shape[0];
	j.columns = p->count / j.rows;
	j.tile_columns = nno_i64_min(j.columns, TILE_COLUMNS);
	j.tile_rows = TILE / j.tile_columns;
	j.task_columns = nno_i64_min(nno_i64_ceil_div(SPAN, j.rows * j.tile_columns), MOST_TILES) * j.tile_columns;
	j.across = nno_i64_ceil_div(j.columns, j.task_columns);
	nno_parallel_for(model->context->pool, j.across * nno_i64_ceil_div(j.rows, j.tile_rows), uniform_task, &j);
}

static void fill_normal(nno_rng *r, float *dst, int64_t n, double deviation)
{
	for (int64_t i = 0; i < n; i++)
		dst[i] = (float)((double)nno_rng_normal(r) * deviation);
}

static void fill_truncated(nno_rng *r, float *dst, int64_t n, double deviation)
{
	for (int64_t i = 0; i < n; i++) {
		double x;
		do
			x = (double)nno_rng_normal(r);
		while (fabs(x) > 2.0);
		dst[i] = (float)(x * deviation);
	}
}

/* The first filters of each group pass on a channel each. */
static void set_dirac(const nnopt_model *model, const nno_param *p)
{
	const nno_spec *spec = &p->spec;
	const int64_t *s = spec->shape;
	int64_t stride[4], of_group = s[0] / spec->groups, passing = nno_i64_min(of_group, s[1]);
	storage_strides(spec, stride);
	for (int64_t k = 0; k < spec->groups * passing; k++) {
		float *filter = nno_param_data(model, p) + (k / passing * of_group + k % passing) * stride[0];
		for (int64_t c = 0; c < s[1]; c++)
			for (int64_t y = 0; y < s[2]; y++)
				for (int64_t x = 0; x < s[3]; x++)
					filter[c * stride[1] + y * stride[2] + x * stride[3]] =
					    c == k % passing && y == s[2] / 2 && x == s[3] / 2;
	}
}

/* Removes from v its part along the first `n` rows of q, each of norm 1. */
static void subtract_rows(double *v, const double *q, int64_t n, int64_t width)
{
	for (int64_t j = 0; j < n; j++) {
		double dot = 0.0;
		for (int64_t k = 0; k < width; k++)
			dot += v[k] * q[j * width + k];
		for (int64_t k = 0; k < width; k++)
			v[k] -= dot * q[j * width + k];
	}
}

/* Orthonormal rows (or columns, of a tall matrix) by Gram-Schmidt, each row subtracted twice, which keeps them
 * orthogonal to working precision (Giraud et al. 2005). Random rows are independent with probability 1. */
static nnopt_status fill_orthogonal(const nnopt_model *model, nno_rng *r, float *dst, const nno_spec *spec,
				    int64_t count)
{
	int64_t rows = spec->shape[0];
	int64_t columns = count / rows;
	int64_t n = rows < columns ? rows : columns;
	int64_t width = rows < columns ? columns : rows;
	double *q = nno_new_array(&model->context->alloc, (size_t)count, sizeof *q);
	if (q == NULL)
		return nno_fail_memory("orthogonal initialisation", (size_t)count * sizeof *q);
	for (int64_t i = 0; i < n; i++) {
		double *v = q + i * width;
		for (int64_t k = 0; k < width; k++)
			v[k] = nno_rng_normal(r);
		subtract_rows(v, q, i, width);
		subtract_rows(v, q, i, width);
		double norm = 0.0;
		for (int64_t k = 0; k < width; k++)
			norm += v[k] * v[k];
		norm = sqrt(norm);
		for (int64_t k = 0; k < width; k++)
			v[k] /= norm;
	}
	for (int64_t i = 0; i < rows; i++)
		for (int64_t k = 0; k < columns; k++)
			dst[i * columns + k] = (float)(rows < columns ? q[i * width + k] : q[k * width + i]);
	nno_delete(&model->context->alloc, q);
	return NNOPT_OK;
}

/* Laws whose values depend on those drawn before: in public order first. */
static nnopt_status fill_in_order(nnopt_model *model, const nno_param *p, nno_rng *r, double deviation)
{
	float *values = nno_new_raw(&model->context->alloc, (size_t)p->count * sizeof *values);
	if (values == NULL)
		return nno_fail_memory(p->name, (size_t)p->count * sizeof *values);
	nnopt_status status = NNOPT_OK;
	if (p->spec.init == NNOPT_INIT_ORTHOGONAL)
		status = fill_orthogonal(model, r, values, &p->spec, p->count);
	else if (p->spec.init == NNOPT_INIT_TRUNCATED_NORMAL)
		fill_truncated(r, values, p->count, deviation);
	else
		fill_normal(r, values, p->count, deviation);
	if (status == NNOPT_OK)
		nno_param_to_storage(p, nno_param_data(model, p), values);
	nno_delete(&model->context->alloc, values);
	return status;
}

static void fill_constant(float *dst, int64_t n, float value)
{
	for (int64_t i = 0; i < n; i++)
		dst[i] = value;
}

nnopt_status nno_param_initialise(nnopt_model *model, int index, uint64_t seed)
{
	const nno_param *p = &model->params[index];
	const nno_spec *spec = &p->spec;
	nno_rng r;
	nno_rng_start(&r, seed, NNO_RNG_INIT, (uint64_t)index, 0);
	double in = fmax(spec->fan_in, 1.0), both = in + fmax(spec->fan_out, 1.0);
	switch (spec->init) {
	case NNOPT_INIT_HE_NORMAL:
		return fill_in_order(model, p, &r, sqrt(2.0 / in));
	case NNOPT_INIT_XAVIER_NORMAL:
		return fill_in_order(model, p, &r, sqrt(2.0 / both));
	case NNOPT_INIT_LECUN_NORMAL:
		return fill_in_order(model, p, &r, sqrt(1.0 / in));
	case NNOPT_INIT_ORTHOGONAL:
		return fill_in_order(model, p, &r, 1.0);
	case NNOPT_INIT_TRUNCATED_NORMAL:
		return fill_in_order(model, p, &r, (double)spec->value);
	case NNOPT_INIT_DIRAC:
		fill_uniform(model, p, &r, 1.0 / sqrt(in));
		set_dirac(model, p);
		break;
	case NNOPT_INIT_HE_UNIFORM:
		fill_uniform(model, p, &r, sqrt(6.0 / in));
		break;
	case NNOPT_INIT_XAVIER_UNIFORM:
		fill_uniform(model, p, &r, sqrt(6.0 / both));
		break;
	case NNOPT_INIT_LECUN_UNIFORM:
		fill_uniform(model, p, &r, sqrt(3.0 / in));
		break;
	case NNOPT_INIT_CONSTANT:
		fill_constant(nno_param_data(model, p), p->count, spec->value);
		break;
	default:
		fill_uniform(model, p, &r, 1.0 / sqrt(in));
		break;
	}
	return NNOPT_OK;
}

nnopt_status nnopt_model_initialise(nnopt_model *model, uint64_t seed)
{
	if (model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_initialise: model is NULL");
	if (!model->built)
		return nno_fail(NNOPT_ERROR_STATE, "model_initialise: the model is not built");
	for (int i = 0; i < model->n_params; i++)
		NNO_TRY(nno_param_initialise(model, i, seed));
	return NNOPT_OK;
}
