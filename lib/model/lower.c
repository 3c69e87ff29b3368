/* lower.c - layers to op nodes over values. */
#include "model/model.h"

#include "op/own.h"

#include <string.h>

typedef struct lowering {
	nno_lowering base; /* first: layers see only this */
	nno_graph *graph;
	const nno_node *node;
	int node_index;
	int inputs[NNO_OP_MAX_INPUTS]; /* values of the layer's inputs */
	int first_op;
} lowering;

static bool grow_graph(nno_graph *g)
{
	nno_graph_op *ops = nno_grow(g->alloc, g->ops, ((size_t)g->n_ops + 1) * sizeof *ops);
	if (ops == NULL)
		return false;
	g->ops = ops;
	nno_graph_value *values = nno_grow(g->alloc, g->values, ((size_t)g->n_values + 1) * sizeof *values);
	if (values == NULL)
		return false;
	g->values = values;
	memset(&ops[g->n_ops], 0, sizeof *ops);
	memset(&values[g->n_values], 0, sizeof *values);
	return true;
}

static void *emit(nno_lowering *base, const nno_op_class *cls, const int *inputs, int n_in, nno_shape out,
		  int first_param, int n_param)
{
	lowering *l = (lowering *)(void *)base;
	nno_graph *g = l->graph;
	if (!grow_graph(g))
		return NULL;
	nno_graph_op *node = &g->ops[g->n_ops];
	node->op.attr = nno_new(g->alloc, cls->attr_size > 0 ? cls->attr_size : 1);
	if (node->op.attr == NULL)
		return NULL;
	node->op.cls = cls;
	node->op.id = l->node_index;
	node->op.n_in = n_in;
	node->op.n_param = n_param;
	node->op.out = out;
	node->first_param = l->node->first_param + first_param;
	node->node = l->node_index;
	node->folded_param = -1;
	for (int i = 0; i < n_in; i++) {
		int value =
		    inputs[i] < base->n_in ? l->inputs[inputs[i]] : g->ops[l->first_op + inputs[i] - base->n_in].output;
		node->inputs[i] = value;
		node->op.in[i] = g->values[value].shape;
		g->values[value].consumers++;
	}
	node->output = g->n_values;
	g->values[g->n_values] = (nno_graph_value){
		.shape = out, .producer = g->n_ops, .storage = g->n_values, .gradient_storage = g->n_values
	};
	g->n_values++;
	g->n_ops++;
	return node->op.attr;
}

/* Batch norms of inference have the running statistics, also on the way back from a watched value. */
static nnopt_status lower_node(nno_graph *g, const nnopt_model *model, int index, int *value_of_node)
{
	const nno_node *node = &model->nodes[index];
	nno_value in[NNO_OP_MAX_INPUTS];
	lowering l = { .graph = g, .node = node, .node_index = index, .first_op = g->n_ops };
	for (int i = 0; i < node->n_in; i++) {
		l.inputs[i] = value_of_node[node->inputs[i]];
		in[i] = node->inputs[i] == NNOPT_INPUT_NODE ? model->input : model->nodes[node->inputs[i] - 1].out;
	}
	bool frozen = true;
	for (int i = 0; i < node->n_param; i++)
		frozen = frozen && model->params[node->first_param + i].frozen;
	l.base = (nno_lowering){ .in = in,
				 .n_in = node->n_in,
				 .out = node->out,
				 .frozen = frozen,
				 .norm_frozen = node->norm_frozen || !g->training,
				 .batch_statistics = g->batch_statistics,
				 .emit = emit };
	for (int i = 0; i < node->n_param; i++)
		l.base.spec[i] = &model->params[node->first_param + i].spec;
	if (!node->layer->cls->lower(node->layer, &l.base))
		return nno_fail_memory(node->name, sizeof(nno_graph_op));
	value_of_node[index + 1] = g->ops[g->n_ops - 1].output;
	return NNOPT_OK;
}

/* Which values backward needs the gradient of: those upstream of which something trains, or is watched. */
static void mark_gradients(nno_graph *g, const nnopt_model *model)
{
	for (int i = 0; i < g->n_ops; i++) {
		nno_graph_op *node = &g->ops[i];
		bool wanted = false;
		for (int k = 0; k < node->op.n_in; k++) {
			node->op.wants_dsrc[k] = g->values[node->inputs[k]].wants_gradient;
			wanted = wanted || node->op.wants_dsrc[k];
		}
		for (int k = 0; k < node->op.n_param; k++) {
			const nno_param *p = &model->params[node->first_param + k];
			node->op.wants_dparam =
			    node->op.wants_dparam || (g->training && !p->frozen && p->spec.role != NNOPT_ROLE_STATE);
		}
		node->in_backward = wanted || node->op.wants_dparam;
		g->values[node->output].wants_gradient = node->in_backward || node->output == g->watched;
	}
	if (g->training) /* the loss's, also where nothing trains */
		g->values[g->output].wants_gradient = true;
}

/* A caller's layer may be for inference only. */
static nnopt_status check_ways_back(const nno_graph *g, const nnopt_model *model)
{
	for (int i = 0; i < g->n_ops; i++) {
		const nno_graph_op *node = &g->ops[i];
		if (node->in_backward && node->op.cls == &nno_op_own &&
		    ((const nno_own_attr *)node->op.attr)->backward_fn == NULL)
			return nno_fail(NNOPT_ERROR_UNSUPPORTED, "plan: layer '%s' has no backward, for inference only",
					model->nodes[node->node].name);
	}
	return NNOPT_OK;
}

nnopt_status nno_graph_lower(nno_graph *g, const nnopt_model *model, bool training, int watch)
{
	g->training = training;
	bool input_gradient = g->values != NULL && g->values[0].wants_gradient;
	int *value_of_node = nno_new_array(g->alloc, (size_t)model->n_nodes + 1, sizeof(int));
	if (value_of_node == NULL)
		return nno_fail_memory("plan", (size_t)model->n_nodes * sizeof(int));
	g->values[0] = (nno_graph_value){ .shape = model->input.shape,
					  .producer = -1,
					  .wants_gradient = training && input_gradient };
	g->n_values = 1;
	nnopt_status status = NNOPT_OK;
	for (int i = 0; i < model->n_nodes && status == NNOPT_OK; i++)
		status = lower_node(g, model, i, value_of_node);
	if (status == NNOPT_OK) {
		g->output = value_of_node[model->n_nodes];
		if (watch > 0) {
			g->watched = value_of_node[watch];
			g->values[g->watched].consumers++;
		}
		for (int i = 0; i < g->n_ops; i++)
			g->ops[i].op.training = nno_graph_goes_back(g);
		mark_gradients(g, model);
		status = check_ways_back(g, model);
	}
	nno_delete(g->alloc, value_of_node);
	return status;
}

void nno_graph_free(nno_graph *g)
{
	for (int i = 0; i < g->n_ops; i++) {
		if (g->ops[i].op.cls->destroy != NULL)
			g->ops[i].op.cls->destroy(&g->ops[i].op);
		nno_delete(g->alloc, g->ops[i].op.attr);
	}
	nno_delete(g->alloc, g->ops);
	nno_delete(g->alloc, g->values);
	memset(g, 0, sizeof *g);
}
