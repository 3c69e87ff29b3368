/* plan.c - a model made ready to run: lower, rewrite, book, place, allocate, and point every op at its memory. */
#include "model/model.h"

#include "base/size.h"

#include <string.h>

static bool book_ops(nnopt_plan *plan)
{
	int slots = nno_pool_slots(plan->context->pool);
	for (int i = 0; i < plan->graph.n_ops; i++) {
		nno_graph_op *node = &plan->graph.ops[i];
		if (node->removed)
			continue;
		node->op.batch = plan->batch;
		node->op.constant = plan->constant;
		node->op.type = plan->graph.type;
		node->op.late = nno_op_suits_late(&node->op) && !plan->model->params[node->first_param].frozen;
		if (!nno_op_code_of(&node->op)->book(&node->op, slots))
			return false;
		if (plan->constant) {
			node->constant_offset = plan->packed_bytes;
			plan->packed_bytes += nno_constant_bytes(plan->model, node);
		}
		node->packed_offset = plan->packed_bytes;
		if (!nno_size_add(plan->packed_bytes, nno_size_round_up(node->op.packed_bytes, NNO_ALIGNMENT),
				  &plan->packed_bytes))
			return false;
		if (node->op.forward_workspace > plan->workspace_bytes)
			plan->workspace_bytes = node->op.forward_workspace;
		if (node->in_backward && node->op.backward_workspace > plan->workspace_bytes)
			plan->workspace_bytes = node->op.backward_workspace;
	}
	return true;
}

static void *value_data(const nnopt_plan *plan, int value)
{
	return plan->arena + plan->graph.values[plan->graph.values[value].storage].offset;
}

static void *gradient_data(const nnopt_plan *plan, int value)
{
	return plan->arena + plan->graph.values[plan->graph.values[value].gradient_storage].gradient_offset;
}

static void point_op(nnopt_plan *plan, nno_graph_op *node)
{
	nno_run *run = &node->run;
	const nnopt_model *model = plan->model;
	run->kernels = plan->context->kernels;
	run->pool = plan->context->pool;
	run->deterministic = plan->context->deterministic;
	run->training = plan->training;
	run->seed = plan->context->seed;
	run->dst = value_data(plan, node->output);
	run->saved = node->op.saved_bytes > 0 ? plan->arena + node->saved_offset : NULL;
	nno_partials_place(&node->lazy.moments, plan->arena + node->moments_offset);
	nno_partials_place(&node->lazy.sums, plan->arena + node->sums_offset);
	run->workspace = plan->workspace;
	run->packed = node->op.packed_bytes > 0 ? plan->packed + node->packed_offset : NULL;
	for (int k = 0; k < node->op.n_in; k++)
		run->src[k] = node->inputs[k] == 0 ? NULL : value_data(plan, node->inputs[k]);
	for (int k = 0; k < node->op.n_param; k++) {
		const nno_param *p = &model->params[node->first_param + k];
		run->param[k] = nno_param_data(model, p);
		if (plan->training && p->spec.role != NNOPT_ROLE_STATE && !p->frozen)
			run->dparam[k] = model->gradients + p->offset;
	}
	if (!node->in_backward)
		return;
	run->ddst = gradient_data(plan, node->output);
	for (int k = 0; k < node->op.n_in; k++)
		if (node->op.wants_dsrc[k])
			run->dsrc[k] = node->plan_adds[k] ? plan->arena + node->scratch_offset[k]
							  : gradient_data(plan, node->inputs[k]);
}

/* A tensor over memory of the plan, shaped as the model's value is for callers. */
static nnopt_status wrap_value(const nnopt_plan *plan, const nno_value *value, void *data, nnopt_tensor **out)
{
	int64_t shape[4] = { plan->batch, value->shape.c, value->shape.h, value->shape.w };
	size_t bytes = (size_t)(plan->batch * nno_shape_count(value->shape)) * sizeof(float);
	return nnopt_tensor_wrap(out, plan->context, data, bytes, NNOPT_F32, value->flat ? 2 : 4, shape,
				 value->flat ? NNOPT_NCHW : NNOPT_NHWC);
}

/* Room for `count` elements of the batch, behind what has been booked at the edges; false on overflow. */
static bool book_edge(nnopt_plan *plan, int64_t count, size_t element, size_t *offset)
{
	size_t bytes;
	*offset = plan->edge_bytes;
	return nno_size_mul((size_t)count * element, (size_t)plan->batch, &bytes) && bytes < SIZE_MAX / 4 &&
	       nno_size_add(plan->edge_bytes, nno_size_round_up(bytes, NNO_ALIGNMENT), &plan->edge_bytes);
}

typedef struct edge_offsets {
	size_t input, output, output_gradient, input_gradient;
} edge_offsets;

/* False on overflow. */
static bool book_edges(nnopt_plan *plan, edge_offsets *at)
{
	const nno_graph *g = &plan->graph;
	int64_t input = nno_shape_count(g->values[0].shape), output = nno_shape_count(g->values[g->output].shape);
	plan->edge_bytes = 0;
	if (g->type == NNO_F32)
		return true;
	return book_edge(plan, input, nno_type_bytes(g->type), &at->input) &&
	       book_edge(plan, output, sizeof(float), &at->output) &&
	       (!g->values[g->output].wants_gradient || book_edge(plan, output, sizeof(float), &at->output_gradient)) &&
	       (!plan->input_gradient || book_edge(plan, input, sizeof(float), &at->input_gradient));
}

/* The tensors that the caller sees, of the arena where that holds floats. */
static nnopt_status wrap_edges(nnopt_plan *plan)
{
	const nnopt_model *model = plan->model;
	const nno_value *last = &model->nodes[model->n_nodes - 1].out;
	int output = plan->graph.output;
	void *result = value_data(plan, output), *gradient = gradient_data(plan, output);
	void *input_gradient = gradient_data(plan, 0);
	if (plan->graph.type != NNO_F32) {
		edge_offsets at = { 0 };
		(void)book_edges(plan, &at);
		plan->edges = nno_new_raw(&plan->context->alloc, plan->edge_bytes);
		if (plan->edges == NULL)
			return nno_fail_memory("plan: input and output", plan->edge_bytes);
		plan->input_values = plan->edges + at.input;
		result = plan->output_floats = (float *)(void *)(plan->edges + at.output);
		gradient = plan->output_gradient_floats = (float *)(void *)(plan->edges + at.output_gradient);
		input_gradient = plan->input_gradient_floats = (float *)(void *)(plan->edges + at.input_gradient);
	}
	NNO_TRY(wrap_value(plan, last, result, &plan->output));
	if (plan->graph.values[output].wants_gradient)
		NNO_TRY(wrap_value(plan, last, gradient, &plan->output_gradient));
	if (plan->input_gradient)
		NNO_TRY(wrap_value(plan, &model->input, input_gradient, &plan->input_gradient_tensor));
	if (plan->graph.watched != 0) {
		const nno_value *value = &model->nodes[plan->watch - 1].out;
		NNO_TRY(wrap_value(plan, value, value_data(plan, plan->graph.watched), &plan->watched));
		NNO_TRY(wrap_value(plan, value, gradient_data(plan, plan->graph.watched), &plan->watched_gradient));
	}
	return NNOPT_OK;
}

static nnopt_status allocate(nnopt_plan *plan)
{
	const nno_alloc *a = &plan->context->alloc;
	nnopt_model *model = plan->model;
	plan->arena = nno_new_raw(a, plan->arena_bytes);
	if (plan->arena == NULL)
		return nno_fail_memory("plan: activations", plan->arena_bytes);
	plan->workspace = nno_new_raw(a, plan->workspace_bytes);
	if (plan->workspace == NULL)
		return nno_fail_memory("plan: workspace", plan->workspace_bytes);
	if (plan->training && model->gradients == NULL) {
		model->gradients = nno_new_array(a, (size_t)model->parameter_elements, sizeof(float));
		if (model->gradients == NULL)
			return nno_fail_memory("plan: gradients", (size_t)model->parameter_elements * sizeof(float));
	}
	plan->packed = nno_new_raw(a, plan->packed_bytes);
	if (plan->packed == NULL)
		return nno_fail_memory("plan: packed parameters", plan->packed_bytes);
	for (int i = 0; i < plan->graph.n_ops; i++) {
		nno_graph_op *node = &plan->graph.ops[i];
		if (node->removed)
			continue;
		point_op(plan, node);
		if (plan->constant)
			nno_constant_parameters(model, node, plan->packed + node->constant_offset);
		if (node->op.packed_bytes > 0)
			nno_op_code_of(&node->op)->pack(&node->op, &node->run);
	}
	return wrap_edges(plan);
}

static nnopt_status check_budget(const nnopt_plan *plan, uint64_t max_bytes)
{
	uint64_t own = (uint64_t)plan->arena_bytes + plan->edge_bytes + plan->workspace_bytes + plan->packed_bytes;
	if (max_bytes != 0 && own > max_bytes)
		return nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "plan: %llu bytes needed, max_bytes is %llu",
				(unsigned long long)own, (unsigned long long)max_bytes);
	return NNOPT_OK;
}

static const nno_type types[] = {
	[NNOPT_PRECISION_F32] = NNO_F32, [NNOPT_PRECISION_BF16] = NNO_BF16, [NNOPT_PRECISION_F16] = NNO_F16
};

static nnopt_status prepare(nnopt_plan *plan, const nnopt_plan_options *o)
{
	nno_graph *g = &plan->graph;
	g->alloc = &plan->context->alloc;
	g->values = nno_new(g->alloc, sizeof *g->values);
	if (g->values == NULL)
		return nno_fail_memory("plan", sizeof *g->values);
	g->values[0].wants_gradient = plan->input_gradient;
	g->type = types[o->precision];
	NNO_TRY(nno_graph_lower(g, plan->model, plan->training, plan->watch));
	g->constant = plan->constant;
	if (o->fuse)
		nno_graph_rewrite(g);
	nno_graph_choose_algorithms(g, plan->context->kernels, plan->batch, o->winograd != 0);
	if (o->fuse)
		nno_graph_lend(g);
	if (!book_ops(plan))
		return nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "plan: the memory for batch %lld cannot be had",
				(long long)plan->batch);
	edge_offsets unused;
	if (!nno_graph_place(g, plan->batch, plan->input_gradient, &plan->arena_bytes) || !book_edges(plan, &unused))
		return nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "plan: the activations of batch %lld cannot be placed",
				(long long)plan->batch);
	NNO_TRY(check_budget(plan, o->max_bytes));
	return allocate(plan);
}

static nnopt_status check_options(const nnopt_plan_options *o)
{
	if (o->batch < 1 || o->batch > 1 << 24)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_options: batch %lld, 1 to %d wanted",
				(long long)o->batch, 1 << 24);
	if (o->mode != NNOPT_INFERENCE && o->mode != NNOPT_TRAINING)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_options: mode %d, 0 or 1 wanted", o->mode);
	if (o->precision < 0 || o->precision >= (int32_t)NNO_COUNT(types))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_options: precision %d, 0 to %d wanted",
				o->precision, (int)NNO_COUNT(types) - 1);
	if (o->input_gradient && o->mode != NNOPT_TRAINING)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_options: input_gradient wants a training plan");
	if (o->constant && o->mode == NNOPT_TRAINING)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_options: constant wants an inference plan");
	if (o->batch_statistics && o->mode != NNOPT_TRAINING)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_options: batch_statistics wants a training plan");
	if (o->watch != NULL && (o->mode == NNOPT_TRAINING || o->constant || o->precision != NNOPT_PRECISION_F32))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"plan_options: watch wants an inference plan in f32 that is not constant");
	if (o->rank < 0 || o->rank > NNOPT_MAX_RANK)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_options: rank %d, 0 to %d wanted", o->rank,
				NNOPT_MAX_RANK);
	return NNOPT_OK;
}

static const nnopt_plan_options option_defaults = {
	.struct_size = sizeof(nnopt_plan_options), .batch = 1, .fuse = 1, .winograd = 1
};

nnopt_status nnopt_plan_options_init(nnopt_plan_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "plan_options");
}

nnopt_status nnopt_plan_create(nnopt_plan **out, nnopt_model *model, const nnopt_plan_options *options)
{
	if (out == NULL || model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_create: %s is NULL", out == NULL ? "out" : "model");
	nnopt_plan_options o = option_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "plan_options"));
	NNO_TRY(check_options(&o));
	if (o.rank > 0)
		NNO_TRY(nnopt_model_build(model, o.rank, o.shape));
	else if (!model->built)
		return nno_fail(NNOPT_ERROR_STATE, "plan_create: the model is not built and the options give no shape");
	int watch = o.watch != NULL ? nno_model_find_node(model, o.watch) : 0;
	if (o.watch != NULL && watch == 0)
		return nno_fail(NNOPT_ERROR_NOT_FOUND, "plan_create: watch: no layer is called '%s'", o.watch);
	nnopt_plan *plan = nno_new(&model->context->alloc, sizeof *plan);
	if (plan == NULL)
		return nno_fail_memory("plan_create", sizeof *plan);
	plan->context = nno_context_take(model->context);
	plan->model = nno_model_take(model);
	plan->batch = o.batch;
	plan->training = o.mode == NNOPT_TRAINING;
	plan->input_gradient = o.input_gradient != 0;
	plan->constant = o.constant != 0;
	plan->watch = watch;
	plan->graph.batch_statistics = o.batch_statistics != 0;
	plan->stamp = model->stamp;
	plan->identity = model->identity;
	nnopt_status status = prepare(plan, &o);
	nno_loss_scale_start(plan);
	if (status != NNOPT_OK) {
		nnopt_plan_destroy(plan);
		return status;
	}
	*out = plan;
	return NNOPT_OK;
}

void nnopt_plan_destroy(nnopt_plan *plan)
{
	if (plan == NULL)
		return;
	nnopt_context *context = plan->context;
	nnopt_tensor_destroy(plan->output);
	nnopt_tensor_destroy(plan->output_gradient);
	nnopt_tensor_destroy(plan->input_gradient_tensor);
	nnopt_tensor_destroy(plan->watched);
	nnopt_tensor_destroy(plan->watched_gradient);
	nno_graph_free(&plan->graph);
	nno_delete(&context->alloc, plan->arena);
	nno_delete(&context->alloc, plan->workspace);
	nno_delete(&context->alloc, plan->packed);
	nno_delete(&context->alloc, plan->staging);
	nno_delete(&context->alloc, plan->edges);
	nno_delete(&context->alloc, plan->times);
	nnopt_model_destroy(plan->model);
	nno_delete(&context->alloc, plan);
	nno_context_drop(context);
}

nnopt_status nno_plan_check_layers(const char *what, const nnopt_plan *plan)
{
	return plan->identity == plan->model->identity
		   ? NNOPT_OK
		   : nno_fail(NNOPT_ERROR_STATE, "%s: a layer was replaced since the plan was made, make a new one",
			      what);
}

nnopt_status nnopt_plan_get_info(const nnopt_plan *plan, nnopt_plan_info *info)
{
	if (plan == NULL || info == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_get_info: %s is NULL",
				plan == NULL ? "plan" : "info");
	NNO_TRY(nno_plan_check_layers("plan_get_info", plan));
	const nnopt_model *model = plan->model;
	const nno_value *last = &model->nodes[model->n_nodes - 1].out;
	nnopt_plan_info full = {
		.struct_size = sizeof full,
		.activation_bytes = plan->arena_bytes + plan->edge_bytes,
		.workspace_bytes = plan->workspace_bytes + plan->packed_bytes,
		.rewrites = plan->graph.rewrites,
		.output_rank = last->flat ? 2 : 4,
		.output_shape = { plan->batch, last->shape.c, last->shape.h, last->shape.w },
	};
	if (last->flat)
		full.output_shape[2] = full.output_shape[3] = 0;
	for (int i = 0; i < model->n_params; i++) {
		const nno_param *p = &model->params[i];
		if (p->spec.role == NNOPT_ROLE_STATE)
			continue;
		full.parameters += p->count;
		full.trainable_parameters += p->frozen ? 0 : p->count;
	}
	for (int i = 0; i < plan->graph.n_ops; i++)
		if (!plan->graph.ops[i].removed) {
			full.macs += plan->graph.ops[i].op.macs;
			full.nodes++;
		}
	full.parameter_bytes =
	    (uint64_t)(model->parameter_elements * (model->gradients != NULL ? 2 : 1) + model->state_elements) *
	    sizeof(float);
	full.peak_bytes = full.activation_bytes + full.workspace_bytes + full.parameter_bytes;
	NNO_TRY(nnopt_result_check(info, "plan_info"));
	nnopt_result_give(info, &full, sizeof full);
	return NNOPT_OK;
}
