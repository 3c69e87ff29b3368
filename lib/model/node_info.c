/* node_info.c - the graph as callers see it: what a node is, what it reads and what comes out of it. */
#include "model/model.h"

#include <string.h>

_Static_assert(NNOPT_MAX_INPUTS == NNO_OP_MAX_INPUTS, "the public limit is the one of ops");

int32_t nnopt_model_node_count(const nnopt_model *model) { return model == NULL ? 0 : model->n_nodes + 1; }

static void describe_layer(const nnopt_model *model, const nno_node *node, nnopt_node_info *info)
{
	info->name = node->name;
	info->kind = nnopt_layer_kind(node->layer);
	info->input_count = node->n_in;
	for (int i = 0; i < node->n_in; i++)
		info->inputs[i] = node->inputs[i];
	for (int i = 0; model->built && i < node->n_param; i++) {
		const nno_param *p = &model->params[node->first_param + i];
		info->parameters += p->spec.role == NNOPT_ROLE_STATE ? 0 : p->count;
	}
}

nnopt_status nnopt_model_node_info(const nnopt_model *model, int32_t node, nnopt_node_info *info)
{
	nnopt_node_info i = { .name = "input", .kind = "input" };
	if (model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_node_info: model is NULL");
	NNO_TRY(nnopt_result_check(info, "model_node_info"));
	if (node < 0 || node > model->n_nodes)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_node_info: node %d, 0 to %d wanted", node,
				model->n_nodes);
	const nno_value *out = node == NNOPT_INPUT_NODE ? &model->input : &model->nodes[node - 1].out;
	if (node != NNOPT_INPUT_NODE)
		describe_layer(model, &model->nodes[node - 1], &i);
	if (model->built) {
		i.rank = out->flat ? 1 : 3;
		memcpy(i.shape, (int64_t[]){ out->shape.c, out->shape.h, out->shape.w }, 3 * sizeof *i.shape);
		if (out->flat)
			i.shape[1] = i.shape[2] = 0;
	}
	nnopt_result_give(info, &i, sizeof i);
	return NNOPT_OK;
}
