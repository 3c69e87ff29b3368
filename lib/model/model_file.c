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

/* Of all its tensors: a model of more is none that the file was made of, however small that is. */
static int64_t elements_of(const nnopt_weights *file)
{
	int64_t elements = 1;
	for (int32_t i = 0; i < nnopt_weights_count(file); i++) {
		nnopt_weight_info info = { .struct_size = sizeof info };
		int64_t count = 1;
		(void)nnopt_weights_info(file, i, &info);
		for (int32_t k = 0; k < info.rank; k++)
			count *= info.shape[k]; /* checked against the file's size */
		elements += count;
	}
	return elements;
}

nnopt_status nnopt_model_load(nnopt_model **out, nnopt_context *context, const char *path)
{
	if (out == NULL || context == NULL || path == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_load: %s is NULL",
				out == NULL       ? "out"
				: context == NULL ? "context"
						  : "path");
	nnopt_weights *file = NULL;
	nnopt_model *model = NULL;
	nnopt_status status;
	NNO_TRY(nnopt_weights_open(&file, context, path, NULL));
	const char *json = nnopt_weights_metadata(file, JSON_KEY);
	if (json == NULL) {
		status =
		    nno_fail(NNOPT_ERROR_FORMAT,
			     "no \"" JSON_KEY "\" in __metadata__: build the model and use nnopt_model_load_weights");
		goto out;
	}
	NNO_TRY_OUT(nno_model_from_json(&model, context, json, strlen(json), elements_of(file)));
	if (!model->built) {
		status = nno_fail(NNOPT_ERROR_FORMAT, "the architecture has no input shape");
		goto out;
	}
	nnopt_load_options o;
	NNO_TRY_OUT(nnopt_load_options_init(&o, sizeof o));
	NNO_TRY_OUT(nno_model_load_from(model, file, &o, NULL));
	*out = model;
	model = NULL;
out:
	nnopt_weights_destroy(file);
	nnopt_model_destroy(model);
	return status == NNOPT_OK ? status : nno_fail_in(status, "%s", path);
}
