/* model.c - describing a network: nodes, connections, names; then building: shapes, parameters, blocks. */
#include "model/model.h"

#include "base/size.h"

#include <stdio.h>
#include <string.h>

nnopt_model *nno_model_take(nnopt_model *model)
{
	nno_ref_take(&model->ref);
	return model;
}

int nno_model_find_node(const nnopt_model *model, const char *name)
{
	for (int i = 0; i < model->n_nodes; i++)
		if (strcmp(model->nodes[i].name, name) == 0)
			return i + 1;
	return 0;
}

bool nno_model_name_taken(const nnopt_model *model, const char *name)
{
	return strcmp(name, "input") == 0 || nno_model_find_node(model, name) > 0;
}

/* The kind and its number among that kind, the first that is free. */
static void default_name(const nnopt_model *model, const nnopt_layer *layer, char name[NNO_NAME_BYTES])
{
	int number = 1;
	for (int i = 0; i < model->n_nodes; i++)
		number += model->nodes[i].layer->cls == layer->cls;
	do
		snprintf(name, NNO_NAME_BYTES, "%.40s%d", layer->cls->kind, number++);
	while (nno_model_name_taken(model, name));
}

nnopt_status nnopt_model_create(nnopt_model **out, nnopt_context *context)
{
	if (out == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_create: %s is NULL",
				out == NULL ? "out" : "context");
	nnopt_model *model = nno_new(&context->alloc, sizeof *model);
	if (model == NULL)
		return nno_fail_memory("model_create", sizeof *model);
	nno_ref_init(&model->ref);
	model->context = nno_context_take(context);
	*out = model;
	return NNOPT_OK;
}

void nnopt_model_destroy(nnopt_model *model)
{
	if (model == NULL || !nno_ref_drop(&model->ref))
		return;
	nnopt_context *context = model->context;
	for (int i = 0; i < model->n_nodes; i++)
		nnopt_layer_destroy(model->nodes[i].layer);
	nno_delete(&context->alloc, model->nodes);
	nno_delete(&context->alloc, model->params);
	nno_delete(&context->alloc, model->parameters);
	nno_delete(&context->alloc, model->gradients);
	nno_delete(&context->alloc, model->state);
	nno_delete(&context->alloc, model->load_report);
	nno_delete(&context->alloc, model);
	nno_context_drop(context);
}

nnopt_context *nnopt_model_context(const nnopt_model *model) { return model == NULL ? NULL : model->context; }

nnopt_status nnopt_model_add(nnopt_model *model, nnopt_layer *layer)
{
	if (model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_add: model is NULL");
	int32_t last = model->n_nodes;
	return nnopt_model_connect(model, layer, &last, 1, NULL);
}

static nnopt_status check_connect(const nnopt_model *model, const nnopt_layer *layer, const int32_t *inputs,
				  int32_t count)
{
	if (model == NULL || layer == NULL || inputs == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_connect: %s is NULL",
				model == NULL   ? "model"
				: layer == NULL ? "layer"
						: "inputs");
	if (model->built)
		return nno_fail(NNOPT_ERROR_STATE, "model_connect: the model is built, layers are added before");
	if (layer->context != model->context)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_connect: the %s layer is of another context",
				layer->cls->kind);
	if (layer->in_model)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_connect: the %s layer is in a model already",
				layer->cls->kind);
	if (count < layer->cls->min_inputs || count > layer->cls->max_inputs)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_connect: %d inputs to %s, %d to %d wanted", count,
				layer->cls->kind, layer->cls->min_inputs, layer->cls->max_inputs);
	for (int i = 0; i < count; i++)
		if (inputs[i] < 0 || inputs[i] > model->n_nodes)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"model_connect: inputs[%d] is node %d, 0 to %d wanted", i, inputs[i],
					model->n_nodes);
	if (layer->name[0] != '\0' && nno_model_name_taken(model, layer->name))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_connect: a layer called '%s' is there already",
				layer->name);
	return NNOPT_OK;
}

nnopt_status nnopt_model_connect(nnopt_model *model, nnopt_layer *layer, const int32_t *inputs, int32_t count,
				 int32_t *out_node)
{
	NNO_TRY(check_connect(model, layer, inputs, count));
	size_t bytes = ((size_t)model->n_nodes + 1) * sizeof(nno_node);
	nno_node *nodes = nno_grow(&model->context->alloc, model->nodes, bytes);
	if (nodes == NULL)
		return nno_fail_memory("model_connect", bytes);
	model->nodes = nodes;
	nno_node *node = &nodes[model->n_nodes];
	memset(node, 0, sizeof *node);
	if (layer->name[0] != '\0')
		memcpy(node->name, layer->name, sizeof node->name);
	else
		default_name(model, layer, node->name);
	memcpy(layer->name, node->name, sizeof layer->name);
	node->layer = nno_layer_take(layer);
	layer->in_model = true;
	node->n_in = count;
	for (int i = 0; i < count; i++)
		node->inputs[i] = inputs[i];
	model->n_nodes++;
	if (out_node != NULL)
		*out_node = model->n_nodes;
	return NNOPT_OK;
}

/* --- building --- */

static const nno_value *value_of(const nnopt_model *model, const nno_value *input, int node)
{
	return node == NNOPT_INPUT_NODE ? input : &model->nodes[node - 1].out;
}

static nnopt_status check_used(const nnopt_model *model)
{
	if (model->n_nodes == 0)
		return nno_fail(NNOPT_ERROR_STATE, "model_build: the model has no layers");
	for (int i = 0; i + 1 < model->n_nodes; i++) {
		bool used = false;
		for (int j = i + 1; j < model->n_nodes && !used; j++)
			for (int k = 0; k < model->nodes[j].n_in; k++)
				used = used || model->nodes[j].inputs[k] == i + 1;
		if (!used)
			return nno_fail(
			    NNOPT_ERROR_STATE,
			    "model_build: the output of layer '%s' is used by no other, and it is not the last",
			    model->nodes[i].name);
	}
	return NNOPT_OK;
}

static nnopt_status infer_shapes(nnopt_model *model, const nno_value *input)
{
	for (int i = 0; i < model->n_nodes; i++) {
		nno_node *node = &model->nodes[i];
		nno_value in[NNO_OP_MAX_INPUTS];
		for (int k = 0; k < node->n_in; k++)
			in[k] = *value_of(model, input, node->inputs[k]);
		nnopt_status status = node->layer->cls->shape(node->layer, in, node->n_in, &node->out);
		if (status != NNOPT_OK)
			return nno_fail_in(status, "layer '%s'", node->name);
		int64_t extents[3] = { node->out.shape.h, node->out.shape.w, node->out.shape.c }, count;
		if (!nno_shape_elements(extents, 3, &count) || count == 0 || count > INT64_MAX / 64)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"layer '%s': output of %lldx%lldx%lld elements is too large or empty",
					node->name, (long long)extents[0], (long long)extents[1],
					(long long)extents[2]);
	}
	return NNOPT_OK;
}

/* Every tensor starts on a cache line, so that no two share one; the gaps stay zero. */
static nnopt_status lay_out(nno_param *p, int64_t *parameters, int64_t *state)
{
	int64_t *total = p->spec.role == NNOPT_ROLE_STATE ? state : parameters;
	if (!nno_shape_elements(p->spec.shape, p->spec.rank, &p->count) || p->count > INT64_MAX / 64 - *total)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: the number of elements overflows", p->name);
	p->offset = *total;
	*total += (int64_t)nno_size_round_up((size_t)p->count, NNO_CACHE_LINE / sizeof(float));
	return NNOPT_OK;
}

static nnopt_status collect_params(nnopt_model *model, const nno_value *input)
{
	model->params =
	    nno_new_array(&model->context->alloc, (size_t)model->n_nodes * NNO_LAYER_MAX_PARAMETERS, sizeof(nno_param));
	if (model->params == NULL)
		return nno_fail_memory("model_build",
				       (size_t)model->n_nodes * NNO_LAYER_MAX_PARAMETERS * sizeof(nno_param));
	for (int i = 0; i < model->n_nodes; i++) {
		nno_node *node = &model->nodes[i];
		node->first_param = model->n_params;
		node->n_param = 0;
		if (node->layer->cls->parameters == NULL)
			continue;
		nno_value in[NNO_OP_MAX_INPUTS];
		for (int k = 0; k < node->n_in; k++)
			in[k] = *value_of(model, input, node->inputs[k]);
		nno_spec spec[NNO_LAYER_MAX_PARAMETERS];
		memset(spec, 0, sizeof spec);
		int n = node->layer->cls->parameters(node->layer, in, node->n_in, spec);
		if (n < 0)
			return nno_fail_in(NNOPT_ERROR_CALLBACK, "layer '%s'", node->name);
		for (int k = 0; k < n; k++) {
			nno_param *p = &model->params[model->n_params++];
			p->spec = spec[k];
			snprintf(p->name, sizeof p->name, "%s.%s", node->name, spec[k].name);
			NNO_TRY(lay_out(p, &model->parameter_elements, &model->state_elements));
		}
		node->n_param = n;
	}
	return NNOPT_OK;
}

static nnopt_status allocate_blocks(nnopt_model *model)
{
	const nno_alloc *a = &model->context->alloc;
	int64_t elements = 0;
	for (int i = 0; i < model->n_params; i++)
		elements += model->params[i].count;
	if (model->most_elements > 0 && elements > model->most_elements)
		return nno_fail(NNOPT_ERROR_FORMAT, "layers of %lld parameters, at most %lld are there",
				(long long)elements, (long long)model->most_elements);
	model->parameters = nno_new_array(a, (size_t)model->parameter_elements, sizeof(float));
	model->state = nno_new_array(a, (size_t)model->state_elements, sizeof(float));
	if (model->parameters == NULL || model->state == NULL)
		return nno_fail_memory("model_build",
				       (size_t)(model->parameter_elements + model->state_elements) * sizeof(float));
	for (int i = 0; i < model->n_params; i++)
		NNO_TRY(nno_param_initialise(model, i, model->context->seed));
	return NNOPT_OK;
}

static void unbuild(nnopt_model *model)
{
	const nno_alloc *a = &model->context->alloc;
	nno_delete(a, model->params);
	nno_delete(a, model->parameters);
	nno_delete(a, model->state);
	model->params = NULL;
	model->parameters = model->state = NULL;
	model->n_params = 0;
	model->parameter_elements = model->state_elements = 0;
}

nnopt_status nno_model_settle(nnopt_model *model, const nno_value *input)
{
	static atomic_uint_fast64_t settled; /* models so far */
	NNO_TRY(check_used(model));
	NNO_TRY(infer_shapes(model, input));
	nnopt_status status = collect_params(model, input);
	if (status == NNOPT_OK)
		status = allocate_blocks(model);
	if (status != NNOPT_OK) {
		unbuild(model);
		return status;
	}
	model->input = *input;
	model->built = true;
	model->identity = atomic_fetch_add(&settled, 1) + 1;
	return NNOPT_OK;
}

static nnopt_status input_value(int32_t rank, const int64_t *shape, nno_value *value)
{
	if (shape == NULL || (rank != 1 && rank != 3))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"model_build: input shape of rank %d, 3 (C, H, W) or 1 (features) wanted", rank);
	for (int i = 0; i < rank; i++)
		if (shape[i] < 1 || shape[i] > (int64_t)1 << 24)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_build: shape[%d] is %lld, 1 to %d wanted",
					i, (long long)shape[i], 1 << 24);
	if (rank == 3)
		*value = (nno_value){ .shape = { shape[1], shape[2], shape[0] } };
	else
		*value = (nno_value){ .shape = { 1, 1, shape[0] }, .flat = true };
	return NNOPT_OK;
}

nnopt_status nnopt_model_build(nnopt_model *model, int32_t rank, const int64_t *shape)
{
	if (model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_build: model is NULL");
	nno_value input;
	NNO_TRY(input_value(rank, shape, &input));
	if (model->built) {
		const nno_value *v = &model->input;
		if (v->flat == input.flat && v->shape.h == input.shape.h && v->shape.w == input.shape.w &&
		    v->shape.c == input.shape.c)
			return NNOPT_OK;
		return nno_fail(NNOPT_ERROR_STATE,
				"model_build: built for (%lld, %lld, %lld) already, got (%lld, %lld, %lld)",
				(long long)v->shape.c, (long long)v->shape.h, (long long)v->shape.w,
				(long long)input.shape.c, (long long)input.shape.h, (long long)input.shape.w);
	}
	return nno_model_settle(model, &input);
}

int32_t nnopt_model_input_shape(const nnopt_model *model, int64_t *shape)
{
	if (model == NULL || shape == NULL || !model->built)
		return 0;
	shape[0] = model->input.shape.c;
	if (model->input.flat)
		return 1;
	shape[1] = model->input.shape.h;
	shape[2] = model->input.shape.w;
	return 3;
}

uint64_t nnopt_model_step(const nnopt_model *model) { return model == NULL ? 0 : atomic_load(&model->step); }

nnopt_status nnopt_model_set_step(nnopt_model *model, uint64_t step)
{
	if (model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_set_step: model is NULL");
	atomic_store(&model->step, step);
	return NNOPT_OK;
}
