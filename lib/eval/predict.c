/* predict.c - a model's scores of every sample of a dataset. */
#include "eval/eval.h"

#include <math.h>
#include <string.h>

/* All rows NaN at first: a sample that cannot be read has no scores. */
static nnopt_status make_scores(nnopt_tensor **out, nnopt_model *model, int64_t samples, const nnopt_tensor *first)
{
	if (nnopt_tensor_rank(first) != 2)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "predict: the model's result has not rank 2");
	int64_t shape[2] = { samples, nnopt_tensor_extent(first, 1) };
	nnopt_status status = nnopt_tensor_create(out, nnopt_model_context(model), NNOPT_F32, 2, shape, NNOPT_NCHW);
	float *scores = status == NNOPT_OK ? nnopt_tensor_data(*out) : NULL;
	for (int64_t i = 0; status == NNOPT_OK && i < shape[0] * shape[1]; i++)
		scores[i] = NAN;
	return status;
}

static nnopt_status run(nnopt_tensor **scores, nnopt_model *model, nnopt_plan *plan, nnopt_loader *loader,
			int32_t probabilities)
{
	int64_t samples = nnopt_dataset_count(nnopt_loader_dataset(loader));
	nnopt_status status = nnopt_loader_start(loader, 0, 0);
	while (status == NNOPT_OK) {
		const nnopt_batch *batch = NULL;
		const nnopt_tensor *result = NULL;
		status = nnopt_loader_next(loader, &batch);
		if (status != NNOPT_OK || batch == NULL)
			break;
		status = nnopt_plan_forward(plan, batch->images, &result);
		if (status == NNOPT_OK && *scores == NULL)
			status = make_scores(scores, model, samples, result);
		if (status != NNOPT_OK)
			break;
		int64_t classes = nnopt_tensor_extent(result, 1);
		const float *from = nnopt_tensor_const_data(result);
		for (int64_t i = 0; i < batch->count; i++) {
			float *row = (float *)nnopt_tensor_data(*scores) + batch->indices[i] * classes;
			memcpy(row, from + i * classes, (size_t)classes * sizeof *row);
			if (probabilities)
				nno_softmax_row(row, classes, 1.0);
		}
	}
	if (status == NNOPT_OK && *scores == NULL)
		status = nnopt_fail(NNOPT_ERROR_NOT_FOUND, "predict: no sample can be read");
	return status;
}

nnopt_status nnopt_predict(nnopt_tensor **scores, nnopt_model *model, nnopt_plan *plan, nnopt_loader *loader,
			   int32_t probabilities)
{
	if (scores == NULL || model == NULL || loader == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "predict: scores, model or loader is NULL");
	nnopt_plan *own = NULL;
	nnopt_tensor *found = NULL;
	nnopt_status status = plan != NULL ? NNOPT_OK : nno_loader_plan(&own, model, loader);
	if (status == NNOPT_OK)
		status = run(&found, model, plan != NULL ? plan : own, loader, probabilities);
	nnopt_plan_destroy(own);
	if (status == NNOPT_OK)
		*scores = found;
	else
		nnopt_tensor_destroy(found);
	return status;
}
