/* late.c - gradients that are made after the backward pass. */
#include "model/late.h"

#include "base/clock.h"
#include "base/size.h"
#include "model/model.h"
#include "op/parallel.h"

#include <float.h>
#include <math.h>

nnopt_model *nno_plan_model(const nnopt_plan *plan) { return plan->model; }

/* Index of the op whose weight it is; n_ops past the last, and in a plan that is stale. */
static int find(const nnopt_plan *plan, int index)
{
	int i = plan->stamp == plan->model->stamp ? 0 : plan->graph.n_ops;
	for (; i < plan->graph.n_ops; i++) {
		const nno_graph_op *node = &plan->graph.ops[i];
		if (!node->removed && node->op.late && node->run.dparam[0] != NULL && index-- == 0)
			break;
	}
	return i;
}

int64_t nno_plan_late_weight(const nnopt_plan *plan, int index)
{
	int i = find(plan, index);
	return i < plan->graph.n_ops ? plan->model->params[plan->graph.ops[i].first_param].offset : -1;
}

enum { SLICES = 64, FEW = 512 };

typedef struct squares_job {
	const nnopt_plan *plan;
	const void *values;
	int64_t count;
	double sum[SLICES];
} squares_job;

static void squares_slice(void *user, int64_t index, int slot)
{
	(void)slot;
	squares_job *j = user;
	float room[FEW];
	const nno_kernels *kernels = j->plan->context->kernels;
	nno_type type = j->plan->graph.type;
	int64_t each = nno_i64_ceil_div(j->count, SLICES), at = index * each, end = nno_i64_min(at + each, j->count);
	j->sum[index] = 0.0;
	for (int64_t step = type == NNO_F32 ? each : FEW; at < end; at += step) {
		int64_t n = nno_i64_min(step, end - at);
		const float *x = (const float *)j->values + at;
		double sum;
		if (type != NNO_F32) {
			kernels->bf16->widen(room, (const nno_bf16 *)j->values + at, n);
			x = room;
		}
		kernels->sum_squares_f32(x, n, &sum);
		j->sum[index] += sum;
	}
}

static double squares_of(const nnopt_plan *plan, const void *values, int64_t count)
{
	squares_job j = { .plan = plan, .values = values, .count = count };
	double sum = 0.0;
	nno_parallel_for(plan->context->pool, SLICES, squares_slice, &j);
	for (int i = 0; i < SLICES; i++)
		sum += j.sum[i];
	return sum;
}

/* By Cauchy and Schwarz no element of x' dy, and no part of the sum that makes it, is above |x| |dy|. */
bool nno_plan_late_finite(const nnopt_plan *plan)
{
	for (int k = 0, i; (i = find(plan, k)) < plan->graph.n_ops; k++) {
		const nno_graph_op *node = &plan->graph.ops[i];
		double x = squares_of(plan, node->run.src[0], plan->n * node->op.in[0].c);
		double dy = squares_of(plan, node->run.ddst, plan->n * node->op.out.c);
		if (!(sqrt(x) * sqrt(dy) < FLT_MAX / 2))
			return false;
	}
	return true;
}

double nno_plan_late_gradient(nnopt_plan *plan, int index, const nno_sink *sink)
{
	int i = find(plan, index);
	nno_graph_op *node = &plan->graph.ops[i];
	double begun = plan->profiling ? nno_clock_now() : 0.0;
	node->run.sink = sink;
	nno_op_code_of(&node->op)->weight(&node->op, &node->run);
	node->run.sink = NULL;
	plan->model->params[node->first_param].spent = sink != NULL;
	if (plan->profiling)
		plan->times[i].seconds[NNO_BACKWARD] += nno_clock_now() - begun;
	return node->run.squares;
}

nnopt_status nno_model_check_gradients(const char *what, const nnopt_model *model)
{
	for (int i = 0; i < model->n_params; i++)
		if (model->params[i].spent)
			return nno_fail(NNOPT_ERROR_STATE,
					"%s: the gradient of '%s' was used up by nnopt_optimizer_backward_step(), or "
					"its backward pass failed; run nnopt_plan_backward() first",
					what, model->params[i].name);
	return NNOPT_OK;
}
