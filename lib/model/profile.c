/* profile.c - what each op of a plan takes. The plan's walk notes the times; bytes and multiply-accumulates are worked
 * out when asked for. */
#include "model/model.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

void nno_profile_note(nnopt_plan *plan, int op, nno_pass pass, double begun)
{
	plan->times[op].seconds[pass] += nno_clock_now() - begun;
	plan->times[op].passes[pass]++;
}

static uint64_t value_bytes(const nnopt_plan *plan, nno_shape shape)
{
	return (uint64_t)(plan->batch * nno_shape_count(shape)) * nno_type_bytes(plan->graph.type);
}

/* Of its parameters; trainable ones alone, or the running statistics with them. */
static uint64_t parameter_bytes(const nnopt_plan *plan, const nno_graph_op *node, bool trainable)
{
	uint64_t bytes = 0;
	for (int k = 0; k < node->op.n_param; k++) {
		const nno_param *p = &plan->model->params[node->first_param + k];
		if (!trainable || (p->spec.role != NNOPT_ROLE_STATE && !p->frozen))
			bytes += (uint64_t)p->count * sizeof(float);
	}
	return bytes;
}

/* Whether these parts of its work are all done by others. */
static bool lends_all(const nno_op *op, unsigned parts)
{
	return op->lazy != NULL && (op->lazy->parts & parts) == parts;
}

static uint64_t forward_bytes(const nnopt_plan *plan, const nno_graph_op *node)
{
	uint64_t bytes = node->op.saved_bytes + parameter_bytes(plan, node, false);
	bytes += lends_all(&node->op, NNO_LAZY_VALUE) ? 0 : value_bytes(plan, node->op.out);
	for (int k = 0; k < node->op.n_in && !lends_all(&node->op, NNO_LAZY_VALUE | NNO_LAZY_MOMENTS); k++)
		bytes += value_bytes(plan, node->op.in[k]);
	return bytes;
}

/* The result's gradient and what was kept are read, the wanted gradients written. */
static uint64_t backward_bytes(const nnopt_plan *plan, const nno_graph_op *node)
{
	uint64_t bytes = node->op.saved_bytes + parameter_bytes(plan, node, true);
	bool any = false, writes = !lends_all(&node->op, NNO_LAZY_SLOPE);
	bytes += lends_all(&node->op, NNO_LAZY_SUMS | NNO_LAZY_SLOPE) ? 0 : value_bytes(plan, node->op.out);
	for (int k = 0; k < node->op.n_in; k++) {
		bytes += nno_op_needs_src(&node->op, k) ? value_bytes(plan, node->op.in[k]) : 0;
		bytes += node->op.wants_dsrc[k] && writes ? value_bytes(plan, node->op.in[k]) : 0;
		any = any || node->op.wants_dsrc[k];
	}
	bytes += nno_op_needs_dst(&node->op) ? value_bytes(plan, node->op.out) : 0;
	return bytes + (any ? parameter_bytes(plan, node, false) : 0);
}

static void describe(const nnopt_plan *plan, int op, nnopt_op_profile *p)
{
	const nno_graph_op *node = &plan->graph.ops[op];
	const nno_node *layer = &plan->model->nodes[node->node];
	const nno_op_times *times = &plan->times[op];
	*p = (nnopt_op_profile){
		.struct_size = sizeof *p,
		.layer = layer->name,
		.kind = nnopt_layer_kind(layer->layer),
		.fused = node->fused,
		.forward_macs = node->op.macs,
		.forward_bytes = forward_bytes(plan, node),
		.forwards = times->passes[NNO_FORWARD],
		.backwards = times->passes[NNO_BACKWARD],
		.forward_seconds = times->seconds[NNO_FORWARD],
		.backward_seconds = times->seconds[NNO_BACKWARD],
	};
	if (!node->in_backward)
		return;
	p->backward_bytes = backward_bytes(plan, node);
	p->backward_macs = node->op.macs * ((node->op.wants_dsrc[0] ? 1 : 0) + (node->op.wants_dparam ? 1 : 0));
}

static nnopt_status check_profiled(const char *what, const nnopt_plan *plan)
{
	if (plan == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: plan is NULL", what);
	if (plan->times == NULL)
		return nno_fail(NNOPT_ERROR_STATE, "%s: the plan was never profiled", what);
	return nno_plan_check_layers(what, plan);
}

nnopt_status nnopt_plan_set_profiling(nnopt_plan *plan, int32_t on)
{
	if (plan == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_set_profiling: plan is NULL");
	size_t count = (size_t)plan->graph.n_ops;
	if (on && plan->times == NULL) {
		plan->times = nno_new_array(&plan->context->alloc, count, sizeof *plan->times);
		if (plan->times == NULL)
			return nno_fail_memory("plan_set_profiling", count * sizeof *plan->times);
	}
	if (on)
		memset(plan->times, 0, count * sizeof *plan->times);
	plan->profiling = on != 0;
	return NNOPT_OK;
}

nnopt_status nnopt_plan_get_op_profile(const nnopt_plan *plan, int32_t index, nnopt_op_profile *profile)
{
	NNO_TRY(check_profiled("plan_get_op_profile", plan));
	if (profile == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_get_op_profile: profile is NULL");
	int left = index, op = 0;
	for (; op < plan->graph.n_ops; op++)
		if (!plan->graph.ops[op].removed && left-- == 0)
			break;
	if (index < 0 || op == plan->graph.n_ops)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"plan_get_op_profile: index %d, 0 to nnopt_plan_info::nodes - 1 wanted", index);
	nnopt_op_profile full;
	describe(plan, op, &full);
	NNO_TRY(nnopt_result_check(profile, "op_profile"));
	nnopt_result_give(profile, &full, sizeof full);
	return NNOPT_OK;
}

static void add_column(nno_text *t, int width, double value, const char *unit)
{
	char text[NNO_FIXED_TEXT];
	nno_print_fixed(text, value, 1);
	nno_text_addf(t, " %*s%s", width, text, unit);
}

/* Microseconds a pass, share of `total`, GFLOP/s and GB/s of one pass; nothing where there was none. */
static void add_pass(nno_text *t, const nnopt_plan *plan, double seconds, int64_t passes, double total, int64_t macs,
		     uint64_t bytes)
{
	double each = passes > 0 ? seconds / (double)passes : 0.0;
	if (each <= 0.0) {
		nno_text_addf(t, " %37s", "");
		return;
	}
	add_column(t, 10, each * 1e6, "");
	add_column(t, 6, 100.0 * seconds / total, "%");
	add_column(t, 9, 2e-9 * (double)(macs * plan->batch) / each, "");
	add_column(t, 8, 1e-9 * (double)bytes / each, "");
}

static void add_line(nno_text *t, const nnopt_plan *plan, const nnopt_op_profile *p, double total)
{
	char kind[96];
	snprintf(kind, sizeof kind, "%s%s", p->kind, p->fused);
	nno_text_addf(t, "%-24s %-24s", p->layer, kind);
	add_pass(t, plan, p->forward_seconds, p->forwards, total, p->forward_macs, p->forward_bytes);
	add_pass(t, plan, p->backward_seconds, p->backwards, total, p->backward_macs, p->backward_bytes);
	nno_text_add(t, "\n");
}

nnopt_status nnopt_plan_profile_text(const nnopt_plan *plan, char *text, size_t size, size_t *needed)
{
	NNO_TRY(check_profiled("plan_profile_text", plan));
	double total = 0.0;
	for (int i = 0; i < plan->graph.n_ops; i++)
		total += plan->times[i].seconds[NNO_FORWARD] + plan->times[i].seconds[NNO_BACKWARD];
	nno_text t;
	nno_text_start(&t, &plan->context->alloc);
	nno_text_addf(&t, "%-24s %-24s %10s %7s %9s %8s %10s %7s %9s %8s\n", "layer", "op", "forward us", "share",
		      "GFLOP/s", "GB/s", "back us", "share", "GFLOP/s", "GB/s");
	for (int i = 0; i < plan->graph.n_ops; i++) {
		nnopt_op_profile p;
		if (plan->graph.ops[i].removed)
			continue;
		describe(plan, i, &p);
		add_line(&t, plan, &p, total);
	}
	nnopt_status status = nno_text_give(&t, text, size, needed, "plan_profile_text");
	nno_text_free(&t);
	return status;
}
