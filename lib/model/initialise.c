/* initialise.c - first values. Drawn in public order from a stream of (seed, parameter number), so that neither the
 * storage order nor the other parameters matter. */
#include "model/model.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

/* Words of the stream that one task draws; a multiple of a block's four. */
#define CHUNK ((int64_t)1 << 14)

typedef struct uniform_job {
	const nno_rng *start;
	float *dst;
	int64_t n;
	double bound;
} uniform_job;

/* Value i is word i of the stream, so any part of it can be drawn without those before. */
static void uniform_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	const uniform_job *j = user;
	int64_t end = j->n - index * CHUNK < CHUNK ? j->n : (index + 1) * CHUNK;
	for (int64_t i = index * CHUNK; i < end; i += 4) {
		uint64_t block = (uint64_t)(i / 4);
		uint32_t counter[4] = { (uint32_t)block, (uint32_t)(block >> 32), j->start->counter[2],
					j->start->counter[3] };
		uint32_t word[4];
		nno_philox(j->start->key, counter, word);
		for (int64_t k = 0; k < 4 && i + k < end; k++)
			j->dst[i + k] = (float)((2.0 * (double)((float)(word[k] >> 8) * 0x1p-24f) - 1.0) * j->bound);
	}
}

/* Millions of values are the longest part of starting to train: all threads draw them. */
static void fill_uniform(const nnopt_model *model, const nno_rng *start, float *dst, int64_t n, double bound)
{
	uniform_job j = { .start = start, .dst = dst, .n = n, .bound = bound };
	nno_parallel_for(model->context->pool, (n + CHUNK - 1) / CHUNK, uniform_chunk, &j);
}

static void fill_normal(nno_rng *r, float *dst, int64_t n, double deviation)
{
	for (int64_t i = 0; i < n; i++)
		dst[i] = (float)((double)nno_rng_normal(r) * deviation);
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

nnopt_status nno_param_initialise(nnopt_model *model, int index, uint64_t seed)
{
	const nno_param *p = &model->params[index];
	const nno_spec *spec = &p->spec;
	float *values = nno_new_raw(&model->context->alloc, (size_t)p->count * sizeof *values);
	if (values == NULL)
		return nno_fail_memory(p->name, (size_t)p->count * sizeof *values);
	nno_rng r;
	nno_rng_start(&r, seed, NNO_RNG_INIT, (uint64_t)index, 0);
	double in = (double)(spec->fan_in > 0 ? spec->fan_in : 1);
	double both = in + (double)(spec->fan_out > 0 ? spec->fan_out : 1);
	nnopt_status status = NNOPT_OK;
	switch (spec->init) {
	case NNOPT_INIT_HE_NORMAL:
		fill_normal(&r, values, p->count, sqrt(2.0 / in));
		break;
	case NNOPT_INIT_HE_UNIFORM:
		fill_uniform(model, &r, values, p->count, sqrt(6.0 / in));
		break;
	case NNOPT_INIT_XAVIER_NORMAL:
		fill_normal(&r, values, p->count, sqrt(2.0 / both));
		break;
	case NNOPT_INIT_XAVIER_UNIFORM:
		fill_uniform(model, &r, values, p->count, sqrt(6.0 / both));
		break;
	case NNOPT_INIT_LECUN_NORMAL:
		fill_normal(&r, values, p->count, sqrt(1.0 / in));
		break;
	case NNOPT_INIT_LECUN_UNIFORM:
		fill_uniform(model, &r, values, p->count, sqrt(3.0 / in));
		break;
	case NNOPT_INIT_ORTHOGONAL:
		status = fill_orthogonal(model, &r, values, spec, p->count);
		break;
	case NNOPT_INIT_CONSTANT:
		for (int64_t i = 0; i < p->count; i++)
			values[i] = spec->value;
		break;
	default:
		fill_uniform(model, &r, values, p->count, 1.0 / sqrt(in));
		break;
	}
	if (status == NNOPT_OK)
		nno_param_to_storage(p, nno_param_data(model, p), values);
	nno_delete(&model->context->alloc, values);
	return status;
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
