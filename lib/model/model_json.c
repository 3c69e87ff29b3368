/* model_json.c - the architecture as JSON and back:
 * {"format": "nnopt-model", "version": 1, "input": [3, 32, 32],
 *  "layers": [{"kind": "conv2d", "name": "conv2d1", "inputs": ["input"], "out_channels": 32, ...}, ...]}
 * A layer's inputs are names of layers before it; without "inputs" it follows the layer before. Fields left out have
 * their defaults. */
#include "model/model.h"

#include "base/json.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

#define FORMAT_NAME "nnopt-model"
#define FORMAT_VERSION 1
#define MAX_TOKENS (1 << 18)

/* --- writing --- */

static void write_field(nno_text *t, const nno_field *field, const void *state)
{
	const char *at = (const char *)state + field->offset;
	nno_text_addf(t, ", \"%s\": ", field->name);
	if (field->type == NNO_FIELD_I64) {
		int64_t v;
		memcpy(&v, at, sizeof v);
		nno_text_addf(t, "%lld", (long long)v);
	} else if (field->type == NNO_FIELD_BOOL) {
		int32_t v;
		memcpy(&v, at, sizeof v);
		nno_text_add(t, v ? "true" : "false");
	} else {
		float v;
		memcpy(&v, at, sizeof v);
		nno_text_add_number(t, (double)v, true);
	}
}

static void write_layer(nno_text *t, const nnopt_model *model, const nno_node *node)
{
	const nno_layer_class *cls = node->layer->cls;
	nno_text_addf(t, "    {\"kind\": \"%s\", \"name\": \"%s\", \"inputs\": [", cls->kind, node->name);
	for (int i = 0; i < node->n_in; i++)
		nno_text_addf(t, "%s\"%s\"", i > 0 ? ", " : "",
			      node->inputs[i] == 0 ? "input" : model->nodes[node->inputs[i] - 1].name);
	nno_text_add(t, "]");
	for (int i = 0; i < cls->field_count; i++)
		write_field(t, &cls->fields[i], node->layer->state);
	nno_text_add(t, "}");
}

nnopt_status nnopt_model_to_json(const nnopt_model *model, char *text, size_t size, size_t *needed)
{
	if (model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_to_json: model is NULL");
	for (int i = 0; i < model->n_nodes; i++)
		if (model->nodes[i].layer->cls->own_kind != NULL)
			return nno_fail(NNOPT_ERROR_UNSUPPORTED,
					"model_to_json: layer '%s' is the caller's own and has no JSON form",
					model->nodes[i].name);
	nno_text t;
	nno_text_start(&t, &model->context->alloc);
	nno_text_addf(&t, "{\n  \"format\": \"%s\",\n  \"version\": %d,\n", FORMAT_NAME, FORMAT_VERSION);
	int64_t shape[NNOPT_MAX_RANK];
	int rank = nnopt_model_input_shape(model, shape);
	if (rank == 3)
		nno_text_addf(&t, "  \"input\": [%lld, %lld, %lld],\n", (long long)shape[0], (long long)shape[1],
			      (long long)shape[2]);
	else if (rank == 1)
		nno_text_addf(&t, "  \"input\": [%lld],\n", (long long)shape[0]);
	nno_text_add(&t, "  \"layers\": [\n");
	for (int i = 0; i < model->n_nodes; i++) {
		write_layer(&t, model, &model->nodes[i]);
		nno_text_add(&t, i + 1 < model->n_nodes ? ",\n" : "\n");
	}
	nno_text_add(&t, "  ]\n}\n");
	nnopt_status status = nno_text_give(&t, text, size, needed, "model_to_json");
	nno_text_free(&t);
	return status;
}

/* --- reading --- */

static nnopt_status format_error(const nno_json *j, int value, const char *problem)
{
	return nno_fail(NNOPT_ERROR_FORMAT, "model JSON: offset %zu: %s", nno_json_offset(j, value), problem);
}

static nnopt_status read_field(const nno_json *j, int value, const nno_field *field, void *state)
{
	char *at = (char *)state + field->offset;
	if (field->type == NNO_FIELD_I64) {
		int64_t v;
		NNO_TRY(nno_json_i64(j, value, &v));
		memcpy(at, &v, sizeof v);
	} else if (field->type == NNO_FIELD_BOOL) {
		bool v;
		NNO_TRY(nno_json_bool(j, value, &v));
		int32_t flag = v;
		memcpy(at, &flag, sizeof flag);
	} else {
		double v;
		NNO_TRY(nno_json_number(j, value, &v));
		if (!(fabs(v) < 0x1.ffffffp127)) /* what is below rounds to a float */
			return format_error(j, value, "the number is beyond a float");
		float f = (float)v;
		memcpy(at, &f, sizeof f);
	}
	return NNOPT_OK;
}

static const nno_field *field_of(const nno_layer_class *cls, const nno_json *j, int key)
{
	for (int i = 0; i < cls->field_count; i++)
		if (nno_json_equals(j, key, cls->fields[i].name))
			return &cls->fields[i];
	return NULL;
}

static nnopt_status read_state(const nno_json *j, int object, const nno_layer_class *cls, void *state)
{
	if (cls->defaults != NULL)
		memcpy(state, cls->defaults, cls->state_size);
	for (int key = nno_json_first(j, object); key >= 0; key = nno_json_next(j, key)) {
		if (nno_json_equals(j, key, "kind") || nno_json_equals(j, key, "name") ||
		    nno_json_equals(j, key, "inputs"))
			continue;
		const nno_field *field = field_of(cls, j, key);
		if (field == NULL)
			return format_error(j, key, "the layer has no such field");
		NNO_TRY(read_field(j, nno_json_value(j, key), field, state));
	}
	for (int i = 0; i < cls->field_count; i++)
		if (cls->fields[i].required && nno_json_get(j, object, cls->fields[i].name) < 0)
			return nno_fail(NNOPT_ERROR_FORMAT, "model JSON: offset %zu: %s without \"%s\"",
					nno_json_offset(j, object), cls->kind, cls->fields[i].name);
	return NNOPT_OK;
}

static nnopt_status read_inputs(const nnopt_model *model, const nno_json *j, int object,
				int32_t inputs[NNO_OP_MAX_INPUTS], int *n)
{
	int list = nno_json_get(j, object, "inputs");
	inputs[0] = model->n_nodes;
	*n = 1;
	if (list < 0)
		return NNOPT_OK;
	if (nno_json_type_of(j, list) != NNO_JSON_ARRAY || nno_json_size(j, list) < 1 ||
	    nno_json_size(j, list) > NNO_OP_MAX_INPUTS)
		return format_error(j, list, "\"inputs\" is not a list of 1 to 8 names");
	*n = 0;
	for (int v = nno_json_first(j, list); v >= 0; v = nno_json_next(j, v)) {
		int32_t node = nno_json_equals(j, v, "input") ? 0 : -1;
		for (int i = 0; i < model->n_nodes && node < 0; i++)
			if (nno_json_equals(j, v, model->nodes[i].name))
				node = i + 1;
		if (node < 0)
			return format_error(j, v, "no layer of that name before this one");
		inputs[(*n)++] = node;
	}
	return NNOPT_OK;
}

static nnopt_status set_name(const nnopt_model *model, const nno_json *j, int object, nnopt_layer *layer)
{
	int value = nno_json_get(j, object, "name");
	if (value < 0)
		return NNOPT_OK;
	char *name = NULL;
	NNO_TRY(nno_json_text(j, value, &name));
	nnopt_status status = nnopt_layer_set_name(layer, name);
	nno_delete(&model->context->alloc, name);
	return status;
}

static nnopt_status read_layer(nnopt_model *model, const nno_json *j, int object)
{
	const nno_alloc *a = &model->context->alloc;
	int kind_value = nno_json_type_of(j, object) == NNO_JSON_OBJECT ? nno_json_get(j, object, "kind") : -1;
	if (kind_value < 0)
		return format_error(j, object, "not an object with a \"kind\"");
	char *kind = NULL;
	void *state = NULL;
	nnopt_layer *layer = NULL;
	nnopt_status status;
	NNO_TRY(nno_json_text(j, kind_value, &kind));
	const nno_layer_class *cls = nno_layer_class_of(kind);
	if (cls == NULL) {
		status = nno_fail(NNOPT_ERROR_FORMAT, "model JSON: offset %zu: unknown layer kind '%.60s'",
				  nno_json_offset(j, kind_value), kind);
		goto out;
	}
	state = nno_new(a, cls->state_size);
	if (state == NULL) {
		status = nno_fail_memory(cls->kind, cls->state_size);
		goto out;
	}
	NNO_TRY_OUT(read_state(j, object, cls, state));
	NNO_TRY_OUT(nno_layer_make(&layer, model->context, cls, state));
	NNO_TRY_OUT(set_name(model, j, object, layer));
	int32_t inputs[NNO_OP_MAX_INPUTS];
	int n;
	NNO_TRY_OUT(read_inputs(model, j, object, inputs, &n));
	status = nnopt_model_connect(model, layer, inputs, n, NULL);
out:
	nnopt_layer_destroy(layer);
	nno_delete(a, state);
	nno_delete(a, kind);
	if (status == NNOPT_ERROR_INVALID_ARGUMENT)
		status = nno_fail_in(NNOPT_ERROR_FORMAT, "model JSON: offset %zu", nno_json_offset(j, object));
	return status;
}

static nnopt_status read_input_shape(nnopt_model *model, const nno_json *j, int list)
{
	int64_t shape[NNOPT_MAX_RANK];
	int rank = 0;
	if (nno_json_type_of(j, list) != NNO_JSON_ARRAY || (nno_json_size(j, list) != 1 && nno_json_size(j, list) != 3))
		return format_error(j, list, "\"input\" is not [C, H, W] or [features]");
	for (int v = nno_json_first(j, list); v >= 0; v = nno_json_next(j, v))
		NNO_TRY(nno_json_i64(j, v, &shape[rank++]));
	nnopt_status status = nnopt_model_build(model, rank, shape);
	if (status == NNOPT_ERROR_INVALID_ARGUMENT || status == NNOPT_ERROR_STATE)
		status = nno_fail_in(NNOPT_ERROR_FORMAT, "model JSON: offset %zu", nno_json_offset(j, list));
	return status;
}

static nnopt_status read_model(nnopt_model *model, const nno_json *j)
{
	if (nno_json_type_of(j, 0) != NNO_JSON_OBJECT)
		return format_error(j, 0, "not an object");
	int format = nno_json_get(j, 0, "format"), version = nno_json_get(j, 0, "version"),
	    layers = nno_json_get(j, 0, "layers");
	if (format < 0 || !nno_json_equals(j, format, FORMAT_NAME))
		return format_error(j, format < 0 ? 0 : format, "\"format\" is not \"" FORMAT_NAME "\"");
	int64_t number = 0;
	if (version < 0 || nno_json_i64(j, version, &number) != NNOPT_OK || number != FORMAT_VERSION)
		return format_error(j, version < 0 ? 0 : version, "\"version\" is not 1");
	if (layers < 0 || nno_json_type_of(j, layers) != NNO_JSON_ARRAY)
		return format_error(j, layers < 0 ? 0 : layers, "\"layers\" is not a list");
	for (int v = nno_json_first(j, layers); v >= 0; v = nno_json_next(j, v))
		NNO_TRY(read_layer(model, j, v));
	int input = nno_json_get(j, 0, "input");
	return input < 0 ? NNOPT_OK : read_input_shape(model, j, input);
}

nnopt_status nno_model_from_json(nnopt_model **out, nnopt_context *context, const char *text, size_t length,
				 int64_t most_elements)
{
	if (out == NULL || context == NULL || text == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_from_json: %s is NULL",
				out == NULL       ? "out"
				: context == NULL ? "context"
						  : "text");
	nno_json *j = NULL;
	nnopt_model *model = NULL;
	nnopt_status status;
	NNO_TRY(nno_json_parse(&j, &context->alloc, text, length, MAX_TOKENS, "model JSON", 0));
	NNO_TRY_OUT(nnopt_model_create(&model, context));
	model->most_elements = most_elements;
	NNO_TRY_OUT(read_model(model, j));
	*out = model;
	model = NULL;
out:
	nnopt_model_destroy(model);
	nno_json_free(j);
	return status;
}

nnopt_status nnopt_model_from_json(nnopt_model **out, nnopt_context *context, const char *text, size_t length)
{
	return nno_model_from_json(out, context, text, length, INT64_MAX);
}
