/* refresh.c - running statistics anew, from batches in training mode: a plan that leaves each batch's own in the state
 * block, and their mean in double. */
#include "train/train.h"

#include <string.h>

static nnopt_status make_plan(nnopt_plan **plan, nnopt_model *model, nnopt_loader *loader, int32_t precision,
			      uint64_t max_bytes)
{
	nnopt_plan_options o;
	nnopt_status status = nnopt_loader_plan_options(&o, sizeof o, loader);
	o.mode = NNOPT_TRAINING;
	o.precision = precision;
	o.max_bytes = max_bytes;
	o.batch_statistics = 1;
	return status == NNOPT_OK ? nnopt_plan_create(plan, model, &o) : status;
}

/* State tensors that no batch touches stay as they are, being their own mean. */
static nnopt_status gather(nnopt_plan *plan, nnopt_loader *loader, int64_t batches, const float *state, double *mean,
			   int64_t elements, int64_t *done)
{
	nnopt_status status = nnopt_loader_start(loader, 0, 0);
	while (status == NNOPT_OK && (batches <= 0 || *done < batches)) {
		const nnopt_batch *batch = NULL;
		const nnopt_tensor *output = NULL;
		status = nnopt_loader_next(loader, &batch);
		if (status != NNOPT_OK || batch == NULL)
			break;
		status = nnopt_plan_forward(plan, batch->images, &output);
		++*done;
		for (int64_t i = 0; i < elements; i++)
			mean[i] += ((double)state[i] - mean[i]) / (double)*done;
	}
	return status;
}

nnopt_status nno_refresh_batch_norm(nnopt_model *model, nnopt_loader *loader, int64_t batches, int32_t precision,
				    uint64_t max_bytes)
{
	if (model == NULL || loader == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "refresh_batch_norm: model or loader is NULL");
	nnopt_context *context = nnopt_model_context(model);
	nnopt_model_blocks blocks = { .struct_size = sizeof blocks };
	nnopt_plan *plan = NULL;
	double *mean = NULL;
	int64_t done = 0;
	uint64_t step = nnopt_model_step(model);
	nnopt_status status = make_plan(&plan, model, loader, precision, max_bytes);
	if (status == NNOPT_OK)
		status = nnopt_model_get_blocks(model, &blocks);
	size_t n = (size_t)blocks.state_elements;
	if (status == NNOPT_OK && n > 0) {
		/* The means, and behind them the old state. */
		mean = nnopt_context_alloc(context, n * (sizeof *mean + sizeof(float)));
		if (mean == NULL) {
			status = nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "refresh_batch_norm: out of memory");
		} else {
			float *old = (float *)(void *)(mean + n);
			memcpy(old, blocks.state, n * sizeof *old);
			status = gather(plan, loader, batches, blocks.state, mean, blocks.state_elements, &done);
			for (size_t i = 0; i < n; i++)
				blocks.state[i] = status == NNOPT_OK && done > 0 ? (float)mean[i] : old[i];
		}
	}
	(void)nnopt_model_set_step(model, step);
	nnopt_context_free(context, mean);
	nnopt_plan_destroy(plan);
	return status;
}

nnopt_status nnopt_model_refresh_batch_norm(nnopt_model *model, nnopt_loader *loader, int64_t batches,
					    int32_t precision)
{
	return nno_refresh_batch_norm(model, loader, batches, precision, 0);
}
