/* run.c - walking a plan. */
#include "model/model.h"

#include "base/clock.h"
#include "model/late.h"

static void narrow_values(const nnopt_plan *plan, void *dst, const float *src, float factor, int64_t count)
{
	nno_values_of(plan->graph.type)->narrow(plan->context->kernels, plan->context->pool, dst, src, factor, count);
}

static void widen_values(const nnopt_plan *plan, float *dst, const void *src, int64_t count)
{
	nno_values_of(plan->graph.type)->widen(plan->context->kernels, plan->context->pool, dst, src, count);
}

static void add_values(const nnopt_plan *plan, void *dst, const void *src, int64_t count)
{
	nno_values_of(plan->graph.type)->add(plan->context->kernels, plan->context->pool, dst, src, count);
}

static nnopt_status check_input(const nnopt_plan *plan, const nnopt_tensor *input)
{
	const nno_value *v = &plan->model->input;
	int64_t shape[4] = { plan->batch, v->shape.c, v->shape.h, v->shape.w };
	int rank = v->flat ? 2 : 4;
	bool same = input->rank == rank && input->shape[0] >= 1 && input->shape[0] <= plan->batch;
	for (int i = 1; same && i < rank; i++)
		same = input->shape[i] == shape[i];
	if (!same) {
		char got[NNO_SHAPE_TEXT], wanted[NNO_SHAPE_TEXT];
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"plan_forward: input of shape %s, %s (or fewer samples) wanted",
				nno_shape_text(got, input->shape, input->rank), nno_shape_text(wanted, shape, rank));
	}
	if (input->dtype != NNOPT_F32)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_forward: input of type %s, f32 wanted",
				nnopt_dtype_name(input->dtype));
	return NNOPT_OK;
}

/* The input's pixels in NHWC order: in place where they are so already. */
static nnopt_status input_pixels(nnopt_plan *plan, const nnopt_tensor *input, const float **pixels)
{
	nno_shape s = plan->model->input.shape;
	const float *data = nnopt_tensor_const_data(input);
	*pixels = data;
	if (input->layout == NNOPT_NHWC || s.c == 1 || s.h * s.w == 1)
		return NNOPT_OK;
	if (plan->staging == NULL) {
		size_t bytes = (size_t)(plan->batch * nno_shape_count(s)) * sizeof(float);
		plan->staging = nno_new_raw(&plan->context->alloc, bytes);
		if (plan->staging == NULL)
			return nno_fail_memory("plan_forward: input", bytes);
	}
	int64_t area = s.h * s.w;
	for (int64_t n = 0; n < input->shape[0]; n++)
		for (int64_t p = 0; p < area; p++)
			for (int64_t c = 0; c < s.c; c++)
				plan->staging[(n * area + p) * s.c + c] = data[(n * s.c + c) * area + p];
	*pixels = plan->staging;
	return NNOPT_OK;
}

static nnopt_status check_plan(const char *what, const nnopt_plan *plan)
{
	if (plan == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: plan is NULL", what);
	if (plan->stamp != plan->model->stamp)
		return nno_fail(NNOPT_ERROR_STATE,
				"%s: parameters or batch norms were frozen or freed, or a layer replaced, since the "
				"plan was made, make "
				"a new one",
				what);
	return NNOPT_OK;
}

static int64_t output_count(const nnopt_plan *plan)
{
	return plan->n * nno_shape_count(plan->graph.values[plan->graph.output].shape);
}

nnopt_status nnopt_plan_forward(nnopt_plan *plan, const nnopt_tensor *input, const nnopt_tensor **output)
{
	NNO_TRY(check_plan("plan_forward", plan));
	if (input == NULL || output == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_forward: %s is NULL",
				input == NULL ? "input" : "output");
	NNO_TRY(check_input(plan, input));
	const float *pixels;
	NNO_TRY(input_pixels(plan, input, &pixels));
	plan->forward_done = false;
	plan->n = input->shape[0];
	const void *values = pixels;
	if (plan->edges != NULL) {
		int64_t count = plan->n * nno_shape_count(plan->model->input.shape);
		narrow_values(plan, plan->input_values, pixels, 1.0f, count);
		values = plan->input_values;
	}
	uint64_t step = plan->training ? atomic_fetch_add(&plan->model->step, 1) : 0;
	for (int i = 0; i < plan->graph.n_ops; i++) {
		nno_graph_op *node = &plan->graph.ops[i];
		if (node->removed)
			continue;
		node->run.n = plan->n;
		node->run.step = step;
		node->run.status = NNOPT_OK;
		for (int k = 0; k < node->op.n_in; k++)
			if (node->inputs[k] == 0)
				node->run.src[k] = values;
		double begun = plan->profiling ? nno_clock_now() : 0.0;
		nno_op_code_of(&node->op)->forward(&node->op, &node->run);
		if (node->run.status != NNOPT_OK)
			return nno_fail_in(NNOPT_ERROR_CALLBACK, "layer '%s'", plan->model->nodes[node->node].name);
		if (plan->profiling)
			nno_profile_note(plan, i, NNO_FORWARD, begun);
	}
	if (plan->edges != NULL)
		widen_values(plan, plan->output_floats,
			     plan->arena + plan->graph.values[plan->graph.values[plan->graph.output].storage].offset,
			     output_count(plan));
	nno_tensor_set_batch(plan->output, plan->n);
	if (plan->output_gradient != NULL)
		nno_tensor_set_batch(plan->output_gradient, plan->n);
	if (plan->input_gradient_tensor != NULL)
		nno_tensor_set_batch(plan->input_gradient_tensor, plan->n);
	if (plan->watched != NULL) {
		nno_tensor_set_batch(plan->watched, plan->n);
		nno_tensor_set_batch(plan->watched_gradient, plan->n);
	}
	plan->forward_done = true;
	*output = plan->output;
	return NNOPT_OK;
}

nnopt_tensor *nnopt_plan_output_gradient(nnopt_plan *plan) { return plan == NULL ? NULL : plan->output_gradient; }

const nnopt_tensor *nnopt_plan_input_gradient(nnopt_plan *plan)
{
	return plan == NULL ? NULL : plan->input_gradient_tensor;
}

const nnopt_tensor *nnopt_plan_watched(const nnopt_plan *plan) { return plan == NULL ? NULL : plan->watched; }

const nnopt_tensor *nnopt_plan_watched_gradient(const nnopt_plan *plan)
{
	return plan == NULL ? NULL : plan->watched_gradient;
}

/* Adds the gradient that an op without can_add left in its scratch block. */
static void add_scratch(const nnopt_plan *plan, const nno_graph_op *node, int input)
{
	const nno_graph *g = &plan->graph;
	const nno_graph_value *v = &g->values[g->values[node->inputs[input]].gradient_storage];
	add_values(plan, plan->arena + v->gradient_offset, node->run.dsrc[input],
		   plan->n * nno_shape_count(node->op.in[input]));
}

/* The output's gradient as the plan's values, where these are no floats. */
static void take_output_gradient(const nnopt_plan *plan)
{
	const nno_graph *g = &plan->graph;
	if (plan->edges == NULL)
		return;
	narrow_values(plan, plan->arena + g->values[g->values[g->output].gradient_storage].gradient_offset,
		      plan->output_gradient_floats, (float)plan->scaling.scale, output_count(plan));
}

static void give_input_gradient(const nnopt_plan *plan, double scale)
{
	const nno_graph *g = &plan->graph;
	int64_t count = plan->n * nno_shape_count(plan->model->input.shape);
	if (plan->edges == NULL || !plan->input_gradient)
		return;
	widen_values(plan, plan->input_gradient_floats,
		     plan->arena + g->values[g->values[0].gradient_storage].gradient_offset, count);
	if (scale != 1.0)
		plan->context->kernels->scale_f32(plan->input_gradient_floats, plan->input_gradient_floats,
						  (float)(1.0 / scale), count);
}

/* A plan that watches a layer leaves the parameters' gradients alone. */
static void mark_gradients(const nnopt_plan *plan, bool spent)
{
	for (int i = 0; plan->training && i < plan->model->n_params; i++)
		plan->model->params[i].spent = spent;
}

nnopt_status nno_plan_backward(nnopt_plan *plan, bool accumulate, bool leave_late)
{
	NNO_TRY(check_plan("plan_backward", plan));
	if (!nno_graph_goes_back(&plan->graph))
		return nno_fail(NNOPT_ERROR_STATE, "plan_backward: an inference plan that watches no layer, one with "
						   "mode NNOPT_TRAINING wanted");
	if (!plan->forward_done)
		return nno_fail(NNOPT_ERROR_STATE, "plan_backward: no forward since the last backward");
	if (accumulate && plan->training)
		NNO_TRY(nno_model_check_gradients("plan_backward: accumulate", plan->model));
	plan->forward_done = false;
	double scale = plan->scaling.scale;
	take_output_gradient(plan);
	nno_loss_scale_begin(plan, accumulate);
	mark_gradients(plan, false);
	for (int i = plan->graph.n_ops - 1; i >= 0; i--) {
		nno_graph_op *node = &plan->graph.ops[i];
		if (node->removed || !node->in_backward)
			continue;
		node->run.dparam_add = accumulate;
		node->run.leave_weight = leave_late && node->op.late;
		if (node->run.leave_weight)
			plan->model->params[node->first_param].spent = true;
		double begun = plan->profiling ? nno_clock_now() : 0.0;
		nno_op_code_of(&node->op)->backward(&node->op, &node->run);
		if (node->run.status != NNOPT_OK) {
			mark_gradients(plan, true); /* some are of this pass, others are not */
			return nno_fail_in(NNOPT_ERROR_CALLBACK, "layer '%s'", plan->model->nodes[node->node].name);
		}
		for (int k = 0; k < node->op.n_in; k++)
			if (node->plan_adds[k])
				add_scratch(plan, node, k);
		if (plan->profiling)
			nno_profile_note(plan, i, NNO_BACKWARD, begun);
	}
	give_input_gradient(plan, scale);
	nno_loss_scale_end(plan, accumulate);
	return NNOPT_OK;
}

nnopt_status nnopt_plan_backward(nnopt_plan *plan, int32_t accumulate)
{
	return nno_plan_backward(plan, accumulate != 0, false);
}
