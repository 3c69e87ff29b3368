/* joint_step.c - the backward pass and the update in one. Large weights' gradients are made last, when all else is
 * known to be finite, a few rows at a time, and update their rows there and then: they never go to memory. */
#include "model/late.h"
#include "optim/optim.h"

#include <math.h>

typedef struct joint_update {
	const nnopt_optimizer *o;
	float *parameters;
	const nno_span *span;
} joint_update;

static void update_rows(void *user, const float *gradient, int64_t at, int64_t count)
{
	const joint_update *j = user;
	const nnopt_optimizer *o = j->o;
	float *slots[NNO_MAX_SLOTS];
	at += j->span->begin;
	nno_optimizer_slots_at(o, at, slots);
	o->cls->update(o->context->kernels, j->parameters + at, gradient, slots, &o->group_steps[j->span->group],
		       count);
}

static nno_span *span_at(const nnopt_optimizer *o, int64_t begin)
{
	int32_t i = 0;
	while (o->spans[i].begin != begin || o->spans[i].end == begin)
		i++;
	return &o->spans[i];
}

/* Whether a part of the weights can be updated before all gradients are made, and by elements. */
static bool can_join(const nnopt_optimizer *o, const nnopt_plan *plan)
{
	return o->max_norm == 0.0 && o->cls->run == NULL && !o->cls->by_tensor && nno_plan_late_weight(plan, 0) >= 0;
}

/* Without a result nobody asks for the norm of the late gradients. */
static void update_all(nnopt_optimizer *o, nnopt_plan *plan, const nnopt_model_blocks *blocks,
		       nnopt_step_result *result)
{
	double norm = nno_optimizer_norm(o, blocks->gradients, 1.0f);
	bool finite = isfinite(norm);
	if (finite) {
		double squares = norm * norm;
		nno_optimizer_prepare(o, 1.0);
		nno_optimizer_update_pieces(o, blocks->parameters, blocks->gradients);
		joint_update j = { .o = o, .parameters = blocks->parameters };
		const nno_sink sink = { .take = update_rows, .user = &j, .squares = result != NULL };
		int64_t begin;
		for (int k = 0; (begin = nno_plan_late_weight(plan, k)) >= 0; k++) {
			j.span = span_at(o, begin);
			squares += nno_plan_late_gradient(plan, k, &sink);
		}
		o->steps++;
		norm = sqrt(squares);
	}
	const nnopt_step_result ours = { .struct_size = sizeof ours, .gradient_norm = norm, .finite = finite };
	if (result != NULL)
		nnopt_result_give(result, &ours, sizeof ours);
}

nnopt_status nnopt_optimizer_backward_step(nnopt_optimizer *optimizer, nnopt_plan *plan, nnopt_step_result *result)
{
	if (optimizer == NULL || plan == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "optimizer_backward_step: %s is NULL",
				optimizer == NULL ? "optimizer" : "plan");
	if (result != NULL)
		NNO_TRY(nnopt_result_check(result, "step_result"));
	nnopt_model_blocks blocks;
	nnopt_model *model = nno_plan_model(plan);
	bool joins = can_join(optimizer, plan);
	NNO_TRY(nno_optimizer_ready(optimizer, model, joins ? plan : NULL, "optimizer_backward_step", &blocks));
	NNO_TRY(nno_plan_backward(plan, false, joins));
	if (!joins || !nno_plan_late_finite(plan)) {
		for (int k = 0; joins && nno_plan_late_weight(plan, k) >= 0; k++)
			(void)nno_plan_late_gradient(plan, k, NULL);
		return nnopt_optimizer_step(optimizer, model, 1.0f, result);
	}
	update_all(optimizer, plan, &blocks, result);
	return NNOPT_OK;
}
