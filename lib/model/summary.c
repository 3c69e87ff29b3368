/* summary.c - the plan as a table for people. */
#include "model/model.h"

#include "base/text.h"

#include <stdio.h>

static int64_t node_parameters(const nnopt_plan *plan, const nno_graph_op *node)
{
	int64_t total = 0;
	for (int k = 0; k < node->op.n_param; k++) {
		const nno_param *p = &plan->model->params[node->first_param + k];
		total += p->spec.role == NNOPT_ROLE_STATE ? 0 : p->count;
	}
	return total;
}

static void add_line(nno_text *t, const nnopt_plan *plan, const nno_graph_op *node)
{
	char kind[96], shape[64];
	snprintf(kind, sizeof kind, "%s%s", nnopt_layer_kind(plan->model->nodes[node->node].layer), node->fused);
	const nno_shape *s = &node->op.out;
	snprintf(shape, sizeof shape, "%lldx%lldx%lld", (long long)s->c, (long long)s->h, (long long)s->w);
	nno_text_addf(t, "%-24s %-30s %14s %12lld %14lld %12lld\n", plan->model->nodes[node->node].name, kind, shape,
		      (long long)node_parameters(plan, node), (long long)node->op.macs,
		      (long long)(nno_shape_count(*s) * plan->batch * (int64_t)sizeof(float)));
}

static const char *const precision_names[NNO_TYPES] = { [NNO_F32] = "f32", [NNO_BF16] = "bf16", [NNO_F16] = "f16" };

nnopt_status nnopt_plan_summary(const nnopt_plan *plan, char *text, size_t size, size_t *needed)
{
	nnopt_plan_info info = { .struct_size = sizeof info };
	NNO_TRY(nnopt_plan_get_info(plan, &info));
	nno_text t;
	nno_text_start(&t, &plan->context->alloc);
	nno_text_addf(&t, "%-24s %-30s %14s %12s %14s %12s\n", "layer", "op", "output (CxHxW)", "parameters",
		      "MACs/sample", "bytes");
	for (int i = 0; i < plan->graph.n_ops; i++)
		if (!plan->graph.ops[i].removed)
			add_line(&t, plan, &plan->graph.ops[i]);
	nno_text_addf(&t, "%s, batch %lld, %s, %s: %lld parameters (%lld trainable), %lld MACs/sample, %d rewrites\n",
		      plan->training ? "training" : "inference", (long long)plan->batch,
		      precision_names[plan->graph.type], plan->context->kernels->isa, (long long)info.parameters,
		      (long long)info.trainable_parameters, (long long)info.macs, info.rewrites);
	nno_text_addf(&t, "memory: %llu bytes of activations, %llu of workspace, %llu of parameters and gradients\n",
		      (unsigned long long)info.activation_bytes, (unsigned long long)info.workspace_bytes,
		      (unsigned long long)info.parameter_bytes);
	nnopt_status status = nno_text_give(&t, text, size, needed, "plan_summary");
	nno_text_free(&t);
	return status;
}
