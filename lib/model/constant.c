/* constant.c - the parameters of a constant plan: its own, so that later changes of the model do not reach it. A batch
 * normalisation by fixed statistics is a factor and an offset for each channel, which the weights and bias of the
 * convolution or linear layer before it take in. */
#include "model/model.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

static size_t weight_bytes(const nnopt_model *model, const nno_graph_op *node)
{
	return nno_size_round_up((size_t)model->params[node->first_param].count * sizeof(float), NNO_ALIGNMENT);
}

/* A parameter that pack() takes over needs no copy. */
static bool is_copied(const nno_graph_op *node, int k) { return k > 0 || node->op.packed_bytes == 0; }

size_t nno_constant_bytes(const nnopt_model *model, const nno_graph_op *node)
{
	size_t bytes = 0;
	if (node->folded_param >= 0)
		return weight_bytes(model, node) +
		       nno_size_round_up((size_t)node->op.out.c * sizeof(float), NNO_ALIGNMENT);
	for (int k = 0; k < node->op.n_param; k++)
		if (is_copied(node, k))
			bytes += nno_size_round_up((size_t)model->params[node->first_param + k].count * sizeof(float),
						   NNO_ALIGNMENT);
	return bytes;
}

static void fold(const nnopt_model *model, nno_graph_op *node, void *memory)
{
	const nno_norm_attr *norm = &node->folded;
	const float *given[4] = { NULL };
	for (int k = 0; k < 4; k++)
		if (nno_norm_param(norm, k) >= 0)
			given[k] = nno_param_data(model, &model->params[node->folded_param + nno_norm_param(norm, k)]);
	int64_t out = node->op.out.c, rows = model->params[node->first_param].count / out;
	float *weights = memory, *bias = (float *)(void *)((char *)memory + weight_bytes(model, node));
	const float *old_bias = node->op.n_param > 1 ? node->run.param[1] : NULL;
	for (int64_t c = 0; c < out; c++) {
		double factor = 1.0 / sqrt((double)given[3][c] + (double)norm->epsilon);
		factor *= given[0] != NULL ? (double)given[0][c] : 1.0;
		double offset = (old_bias != NULL ? (double)old_bias[c] : 0.0) - (double)given[2][c];
		bias[c] = (float)((given[1] != NULL ? (double)given[1][c] : 0.0) + offset * factor);
		for (int64_t r = 0; r < rows; r++)
			weights[r * out + c] = (float)((double)node->run.param[0][r * out + c] * factor);
	}
	node->run.param[0] = weights;
	node->run.param[1] = bias;
}

void nno_constant_parameters(const nnopt_model *model, nno_graph_op *node, void *memory)
{
	if (node->folded_param >= 0) {
		fold(model, node, memory);
		return;
	}
	char *at = memory;
	for (int k = 0; k < node->op.n_param; k++) {
		size_t bytes = (size_t)model->params[node->first_param + k].count * sizeof(float);
		if (!is_copied(node, k))
			continue;
		memcpy(at, node->run.param[k], bytes);
		node->run.param[k] = (float *)(void *)at;
		at += nno_size_round_up(bytes, NNO_ALIGNMENT);
	}
}
