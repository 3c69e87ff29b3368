/* rewrite.c - the plan's rewrite table: pattern and condition in one function, result by the helpers. Each rewrite
 * leaves the same function computed; tests/model compares plans with and without them. */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

/* Takes an op out of the graph: whoever read its output now reads its first input. */
static void bypass(nno_graph *g, nno_graph_op *node)
{
	int from = node->output, to = node->inputs[0];
	for (int i = 0; i < g->n_ops; i++)
		for (int k = 0; k < g->ops[i].op.n_in; k++)
			if (g->ops[i].inputs[k] == from)
				g->ops[i].inputs[k] = to;
	g->values[to].consumers += g->values[from].consumers - 1;
	g->values[from].consumers = 0;
	if (g->output == from)
		g->output = to;
	node->removed = true;
}

/* Dropout of an inference plan or with p = 0, and a flatten that changes no order, do nothing. */
static bool drop_identity(nno_graph *g, nno_graph_op *node)
{
	const nno_op *op = &node->op;
	bool identity = op->cls->identity;
	if (op->cls == &nno_op_dropout)
		identity = !g->training || ((const nno_dropout_attr *)op->attr)->p == 0.0f;
	if (op->cls == &nno_op_flatten)
		identity = op->in[0].c == 1 || op->in[0].h * op->in[0].w == 1;
	/* The output must be the plan's own memory, not the caller's input. */
	if (!identity || (node->output == g->output && node->inputs[0] == 0))
		return false;
	bypass(g, node);
	return true;
}

/* A ReLU that alone reads a convolution's or linear layer's result becomes that op's epilogue. */
static bool fuse_relu(nno_graph *g, nno_graph_op *node)
{
	if (node->op.cls != &nno_op_relu || node->inputs[0] == 0)
		return false;
	nno_graph_value *value = &g->values[node->inputs[0]];
	nno_graph_op *source = &g->ops[value->producer];
	nno_activation *activation = NULL;
	if (source->op.cls == &nno_op_conv)
		activation = &((nno_conv_attr *)source->op.attr)->activation;
	else if (source->op.cls == &nno_op_linear)
		activation = &((nno_linear_attr *)source->op.attr)->activation;
	if (activation == NULL || *activation != NNO_ACT_NONE || value->consumers != 1)
		return false;
	*activation = NNO_ACT_RELU;
	snprintf(source->fused, sizeof source->fused, "+relu");
	bypass(g, node);
	return true;
}

static bool (*const rewrites[])(nno_graph *g, nno_graph_op *node) = {
	drop_identity,
	fuse_relu,
};

void nno_graph_rewrite(nno_graph *g)
{
	for (size_t r = 0; r < NNO_COUNT(rewrites); r++)
		for (int i = 0; i < g->n_ops; i++)
			if (!g->ops[i].removed && rewrites[r](g, &g->ops[i]))
				g->rewrites++;
}

void nno_graph_choose_winograd(nno_graph *g, int64_t batch)
{
	for (int i = 0; i < g->n_ops; i++) {
		nno_graph_op *node = &g->ops[i];
		if (node->removed || node->op.cls != &nno_op_conv || !nno_winograd_pays(&node->op, batch))
			continue;
		node->op.cls = &nno_op_conv_winograd;
		size_t length = strlen(node->fused);
		snprintf(node->fused + length, sizeof node->fused - length, " winograd");
	}
}
