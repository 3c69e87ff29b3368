/* replace_layer.c - another layer in a layer's place. A built model is settled anew beside the old one, with the same
 * nodes but for one; when that went well the values of all other parameters come over. */
#include "model/model.h"

#include "base/size.h"

#include <string.h>

static nnopt_status check_layer(const nnopt_model *model, const nnopt_layer *layer, const nno_node *node)
{
	if (layer->context != model->context)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "replace_layer: the %s layer is of another context",
				layer->cls->kind);
	if (layer->in_model)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "replace_layer: the %s layer is in a model already",
				layer->cls->kind);
	if (node->n_in < layer->cls->min_inputs || node->n_in > layer->cls->max_inputs)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "replace_layer: '%s' has %d inputs, %s wants %d to %d",
				node->name, node->n_in, layer->cls->kind, layer->cls->min_inputs,
				layer->cls->max_inputs);
	if (layer->name[0] != '\0' && strcmp(layer->name, node->name) != 0 && nno_model_name_taken(model, layer->name))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "replace_layer: a layer called '%s' is there already",
				layer->name);
	return NNOPT_OK;
}

static bool same_spec(const nno_spec *a, const nno_spec *b)
{
	bool same = a->rank == b->rank && a->role == b->role;
	for (int k = 0; same && k < a->rank; k++)
		same = a->shape[k] == b->shape[k] && a->order[k] == b->order[k];
	return same;
}

/* All parameters but those of node `at` come over from `old`. */
static nnopt_status keep_values(const nnopt_model *old, nnopt_model *next, int at)
{
	for (int i = 0; i < old->n_nodes; i++) {
		const nno_node *from = &old->nodes[i], *to = &next->nodes[i];
		for (int k = 0; i != at && k < from->n_param; k++) {
			const nno_param *p = &old->params[from->first_param + k];
			nno_param *q = &next->params[to->first_param + k];
			if (to->n_param != from->n_param || !same_spec(&p->spec, &q->spec)) {
				char was[NNO_SHAPE_TEXT], is[NNO_SHAPE_TEXT];
				return nno_fail(
				    NNOPT_ERROR_INVALID_ARGUMENT,
				    "replace_layer: with the new '%s', '%s' of shape %s would have shape %s",
				    next->nodes[at].name, p->name, nno_shape_text(was, p->spec.shape, p->spec.rank),
				    nno_shape_text(is, q->spec.shape, q->spec.rank));
			}
			q->frozen = p->frozen;
			memcpy(nno_param_data(next, q), nno_param_data(old, p), (size_t)p->count * sizeof(float));
		}
	}
	return NNOPT_OK;
}

static void free_values(const nnopt_model *m)
{
	const nno_alloc *a = &m->context->alloc;
	nno_delete(a, m->params);
	nno_delete(a, m->parameters);
	nno_delete(a, m->gradients);
	nno_delete(a, m->state);
}

/* `next` holds the new nodes. What it is settled to goes into the model, or away. */
static nnopt_status settle_anew(nnopt_model *model, nnopt_model *next, int at)
{
	NNO_TRY(nno_model_settle(next, &model->input));
	nnopt_status status = keep_values(model, next, at);
	if (status != NNOPT_OK) {
		free_values(next);
		return status;
	}
	free_values(model);
	model->params = next->params;
	model->n_params = next->n_params;
	model->parameters = next->parameters;
	model->state = next->state;
	model->gradients = NULL; /* the next training plan makes them */
	model->parameter_elements = next->parameter_elements;
	model->state_elements = next->state_elements;
	model->identity = next->identity;
	model->stamp++;
	return NNOPT_OK;
}

static nnopt_status replace(nnopt_model *model, int at, nnopt_layer *layer)
{
	const nno_alloc *a = &model->context->alloc;
	size_t bytes = (size_t)model->n_nodes * sizeof(nno_node);
	nnopt_model next = { .context = model->context, .n_nodes = model->n_nodes, .nodes = nno_new_raw(a, bytes) };
	if (next.nodes == NULL)
		return nno_fail_memory("replace_layer", bytes);
	memcpy(next.nodes, model->nodes, bytes);
	next.nodes[at].layer = layer;
	next.nodes[at].norm_frozen = false;
	if (layer->name[0] != '\0')
		memcpy(next.nodes[at].name, layer->name, sizeof layer->name);
	nnopt_status status = model->built ? settle_anew(model, &next, at) : NNOPT_OK;
	if (status == NNOPT_OK) {
		nnopt_layer *old = model->nodes[at].layer;
		/* In place: names that callers borrowed stay where they are. */
		memcpy(model->nodes, next.nodes, bytes);
		memcpy(layer->name, model->nodes[at].name, sizeof layer->name);
		nno_layer_take(layer);
		layer->in_model = true;
		old->in_model = false;
		nnopt_layer_destroy(old);
	}
	nno_delete(a, next.nodes);
	return status;
}

nnopt_status nnopt_model_replace_layer(nnopt_model *model, const char *name, nnopt_layer *layer)
{
	if (model == NULL || name == NULL || layer == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "replace_layer: %s is NULL",
				model == NULL  ? "model"
				: name == NULL ? "name"
					       : "layer");
	for (int i = 0; i < model->n_nodes; i++)
		if (strcmp(model->nodes[i].name, name) == 0) {
			NNO_TRY(check_layer(model, layer, &model->nodes[i]));
			return replace(model, i, layer);
		}
	return nno_fail(NNOPT_ERROR_NOT_FOUND, "replace_layer: no layer called '%.100s'", name);
}
