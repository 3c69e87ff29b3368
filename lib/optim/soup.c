/* soup.c - the mean of several models' weights. Each element's sum is made in double in the models' order, so the
 * result may be one of them. */
#include "nnopt/average.h"

#include "base/size.h"
#include "optim/optim.h"

#include <math.h>
#include <string.h>

typedef struct soup {
	nnopt_model_blocks into;
	const nnopt_model_blocks *from;
	const double *shares; /* of each model, adding up to 1 */
	int32_t count;
	bool of_state;
} soup;

static void mix_chunk(void *user, int64_t chunk, int slot)
{
	(void)slot;
	const soup *s = user;
	int64_t all = s->of_state ? s->into.state_elements : s->into.parameter_elements;
	float *dst = s->of_state ? s->into.state : s->into.parameters;
	int64_t from = chunk * NNO_UPDATE_CHUNK, end = nno_i64_min(from + NNO_UPDATE_CHUNK, all);
	for (int64_t i = from; i < end; i++) {
		double sum = 0.0;
		for (int32_t k = 0; k < s->count; k++)
			sum += s->shares[k] * (double)(s->of_state ? s->from[k].state : s->from[k].parameters)[i];
		dst[i] = (float)sum;
	}
}

static nnopt_status describe(const nnopt_model *model, int32_t index, nnopt_parameter_info *info)
{
	*info = (nnopt_parameter_info){ .struct_size = sizeof *info };
	return nnopt_model_parameter_info(model, index, info);
}

static nnopt_status check_same(const nnopt_model *a, const nnopt_model *b, int32_t number)
{
	int32_t n = nnopt_model_parameter_count(a), m = nnopt_model_parameter_count(b);
	for (int32_t i = 0; i < n && i < m; i++) {
		nnopt_parameter_info x, y;
		NNO_TRY(describe(a, i, &x));
		NNO_TRY(describe(b, i, &y));
		if (strcmp(x.name, y.name) != 0 || x.rank != y.rank || x.block_offset != y.block_offset ||
		    memcmp(x.shape, y.shape, sizeof x.shape) != 0)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"model_average: models[%d] has %s where the result has %s, or of another shape",
					(int)number, y.name, x.name);
	}
	if (n != m)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"model_average: models[%d] has %d parameters, %d wanted as the result has", (int)number,
				(int)m, (int)n);
	return NNOPT_OK;
}

static nnopt_status find_shares(const double *weights, int32_t count, double *shares)
{
	double sum = 0.0;
	for (int32_t k = 0; k < count; k++) {
		shares[k] = weights == NULL ? 1.0 : weights[k];
		if (!(isfinite(shares[k]) && shares[k] >= 0.0))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"model_average: weights[%d] %g, finite and at least 0 wanted", (int)k,
					shares[k]);
		sum += shares[k];
	}
	if (!(isfinite(sum) && sum > 0.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_average: weights add up to %g, above 0 wanted",
				sum);
	for (int32_t k = 0; k < count; k++)
		shares[k] /= sum;
	return NNOPT_OK;
}

nnopt_status nnopt_model_average(nnopt_model *model, nnopt_model *const *models, const double *weights, int32_t count)
{
	if (model == NULL || models == NULL || count < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"model_average: model or models is NULL, or count %d, at least 1 wanted", (int)count);
	nnopt_context *context = nnopt_model_context(model);
	nnopt_status status = NNOPT_OK;
	soup s = { .into = { .struct_size = sizeof s.into }, .count = count };
	nnopt_model_blocks *from = nno_new_array(&context->alloc, (size_t)count, sizeof *from);
	double *shares = nno_new_array(&context->alloc, (size_t)count, sizeof *shares);
	if (from == NULL || shares == NULL) {
		status = nno_fail_memory("model_average", (size_t)count * sizeof *from);
		goto out;
	}
	s.from = from;
	s.shares = shares;
	NNO_TRY_OUT(find_shares(weights, count, shares));
	NNO_TRY_OUT(nnopt_model_get_blocks(model, &s.into));
	for (int32_t k = 0; k < count; k++) {
		if (models[k] == NULL) {
			status = nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_average: models[%d] is NULL", (int)k);
			goto out;
		}
		from[k].struct_size = sizeof from[k];
		NNO_TRY_OUT(nnopt_model_get_blocks(models[k], &from[k]));
		NNO_TRY_OUT(check_same(model, models[k], k));
	}
	nno_parallel_for(context->pool, nno_i64_ceil_div(s.into.parameter_elements, NNO_UPDATE_CHUNK), mix_chunk, &s);
	s.of_state = true;
	nno_parallel_for(context->pool, nno_i64_ceil_div(s.into.state_elements, NNO_UPDATE_CHUNK), mix_chunk, &s);
out:
	nno_delete(&context->alloc, from);
	nno_delete(&context->alloc, shares);
	return status;
}
