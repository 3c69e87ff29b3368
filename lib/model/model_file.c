/* model_file.c - weights as safetensors with the architecture in the metadata. */
#include "model/model.h"

#include "nnopt/file.h"

#include <string.h>

#define JSON_KEY "nnopt.model"

static void destroy_tensors(const nno_alloc *a, nnopt_tensor **tensors, int n)
{
	for (int i = 0; tensors != NULL && i < n; i++)
		nnopt_tensor_destroy(tensors[i]);
	nno_delete(a, tensors);
}

static nnopt_status json_of(const nnopt_model *model, char **text)
{
	size_t size = 0;
	NNO_TRY(nnopt_model_to_json(model, NULL, 0, &size));
	char *json = nno_new(&model->context->alloc, size);
	if (json == NULL)
		return nno_fail_memory("model_save", size);
	nnopt_status status = nnopt_model_to_json(model, json, size, NULL);
	if (status != NNOPT_OK)
		nno_delete(&model->context->alloc, json);
	else
		*text = json;
	return status;
}

nnopt_status nnopt_model_save(const nnopt_model *model, const char *path)
{
	if (model == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_save: %s is NULL",
				model == NULL ? "model" : "path");
	if (!model->built)
		return nno_fail(NNOPT_ERROR_STATE, "model_save: the model is not built");
	const nno_alloc *a = &model->context->alloc;
	size_t n = (size_t)model->n_params;
	char *json = NULL;
	NNO_TRY(json_of(model, &json));
	nnopt_tensor **tensors = nno_new_array(a, n, sizeof *tensors);
	const char **names = nno_new_array(a, n, sizeof *names);
	nnopt_status status;
	if (tensors == NULL || names == NULL) {
		status = nno_fail_memory("model_save", n * sizeof *tensors);
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		names[i] = model->params[i].name;
		NNO_TRY_OUT(nno_param_tensor(model, (int)i, &tensors[i]));
	}
	const char *keys[] = { "format", JSON_KEY };
	const char *values[] = { "pt", json };
	status = nnopt_safetensors_save(model->context, path, names, (const nnopt_tensor *const *)tensors, (int32_t)n,
					keys, values, 2);
out:
	destroy_tensors(a, tensors, (int)n);
	nno_delete(a, names);
	nno_delete(a, json);
	return status;
}

/* Reads the tensor of each parameter; shapes and names are checked by the caller of set. */
static nnopt_status read_tensors(const nnopt_model *model, nnopt_safetensors *file, nnopt_tensor **tensors, bool strict)
{
	for (int i = 0; i < model->n_params; i++) {
		const nno_param *p = &model->params[i];
		int32_t index;
		nnopt_status status = nnopt_safetensors_find(file, p->name, &index);
		if (status == NNOPT_ERROR_NOT_FOUND && !strict)
			continue;
		if (status != NNOPT_OK)
			return nno_fail_in(NNOPT_ERROR_FORMAT, "the model's '%s'", p->name);
		NNO_TRY(nnopt_safetensors_read(file, index, &tensors[i]));
		bool same = tensors[i]->rank == p->spec.rank;
		for (int k = 0; same && k < p->spec.rank; k++)
			same = tensors[i]->shape[k] == p->spec.shape[k];
		if (!same) {
			char got[NNO_SHAPE_TEXT], wanted[NNO_SHAPE_TEXT];
			return nno_fail(NNOPT_ERROR_FORMAT, "'%s' has shape %s, the model wants %s", p->name,
					nno_shape_text(got, tensors[i]->shape, tensors[i]->rank),
					nno_shape_text(wanted, p->spec.shape, p->spec.rank));
		}
	}
	return NNOPT_OK;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && strcmp(text + n - m, end) == 0;
}

static nnopt_status check_no_other(const nnopt_model *model, const nnopt_safetensors *file)
{
	for (int32_t i = 0; i < nnopt_safetensors_count(file); i++) {
		const char *name = nnopt_safetensors_name(file, i);
		int32_t index;
		if (!ends_with(name, "num_batches_tracked") &&
		    nnopt_model_find_parameter(model, name, &index) != NNOPT_OK)
			return nno_fail(NNOPT_ERROR_FORMAT, "tensor '%.100s' is not one of the model's", name);
	}
	return NNOPT_OK;
}

static nnopt_status load_weights(nnopt_model *model, nnopt_safetensors *file, bool strict)
{
	const nno_alloc *a = &model->context->alloc;
	nnopt_tensor **tensors = nno_new_array(a, (size_t)model->n_params, sizeof *tensors);
	nnopt_status status;
	if (tensors == NULL)
		return nno_fail_memory("load_weights", (size_t)model->n_params * sizeof *tensors);
	NNO_TRY_OUT(read_tensors(model, file, tensors, strict));
	if (strict)
		NNO_TRY_OUT(check_no_other(model, file));
	/* All conversions first, so that a failure leaves the model as it was. */
	for (int i = 0; i < model->n_params; i++) {
		if (tensors[i] == NULL || tensors[i]->dtype == NNOPT_F32)
			continue;
		nnopt_tensor *plain = NULL;
		NNO_TRY_OUT(nnopt_tensor_create(&plain, model->context, NNOPT_F32, tensors[i]->rank, tensors[i]->shape,
						NNOPT_NCHW));
		status = nnopt_tensor_copy(plain, tensors[i]);
		nnopt_tensor_destroy(tensors[i]);
		tensors[i] = plain;
		if (status != NNOPT_OK)
			goto out;
	}
	for (int i = 0; i < model->n_params; i++)
		if (tensors[i] != NULL)
			nno_param_to_storage(&model->params[i], nno_param_data(model, &model->params[i]),
					     nnopt_tensor_const_data(tensors[i]));
out:
	destroy_tensors(a, tensors, model->n_params);
	return status;
}

nnopt_status nnopt_model_load_weights(nnopt_model *model, const char *path, int32_t strict)
{
	if (model == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "load_weights: %s is NULL",
				model == NULL ? "model" : "path");
	if (!model->built)
		return nno_fail(NNOPT_ERROR_STATE, "load_weights: the model is not built");
	nnopt_safetensors *file = NULL;
	NNO_TRY(nnopt_safetensors_open(&file, model->context, path));
	nnopt_status status = load_weights(model, file, strict != 0);
	nnopt_safetensors_destroy(file);
	return status == NNOPT_OK ? status : nno_fail_in(status, "%s", path);
}

nnopt_status nnopt_model_load(nnopt_model **out, nnopt_context *context, const char *path)
{
	if (out == NULL || context == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_load: %s is NULL",
				out == NULL       ? "out"
				: context == NULL ? "context"
						  : "path");
	nnopt_safetensors *file = NULL;
	nnopt_model *model = NULL;
	nnopt_status status;
	NNO_TRY(nnopt_safetensors_open(&file, context, path));
	const char *json = nnopt_safetensors_metadata(file, JSON_KEY);
	if (json == NULL) {
		status =
		    nno_fail(NNOPT_ERROR_FORMAT,
			     "no \"" JSON_KEY "\" in __metadata__: build the model and use nnopt_model_load_weights");
		goto out;
	}
	NNO_TRY_OUT(nnopt_model_from_json(&model, context, json, strlen(json)));
	if (!model->built) {
		status = nno_fail(NNOPT_ERROR_FORMAT, "the architecture has no input shape");
		goto out;
	}
	NNO_TRY_OUT(load_weights(model, file, true));
	*out = model;
	model = NULL;
out:
	nnopt_safetensors_destroy(file);
	nnopt_model_destroy(model);
	return status == NNOPT_OK ? status : nno_fail_in(status, "%s", path);
}
