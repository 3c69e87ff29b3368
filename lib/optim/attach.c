/* attach.c - where an optimizer meets a model: its flat blocks, and the places of its parameters in them. */
#include "model/late.h"
#include "optim/optim.h"

#include <math.h>

static nnopt_status describe(nnopt_model *model, int32_t index, nnopt_parameter_info *info)
{
	*info = (nnopt_parameter_info){ .struct_size = sizeof *info };
	return nnopt_model_parameter_info(model, index, info);
}

static nnopt_status get_blocks(nnopt_model *model, nnopt_model_blocks *blocks)
{
	*blocks = (nnopt_model_blocks){ .struct_size = sizeof *blocks };
	return nnopt_model_get_blocks(model, blocks);
}

/* Of a parameter whose first axis is the outermost or the innermost one of storage. */
static nno_span span_of(const nnopt_optimizer *o, const nnopt_parameter_info *info)
{
	nno_span span = { .begin = info->block_offset,
			  .end = info->block_offset + info->count,
			  .group = nno_optimizer_group_of(o, info->name, info->role),
			  .trainable = info->trainable,
			  .hidden = info->role == NNOPT_ROLE_WEIGHT };
	bool inner = info->first_axis_place == info->rank - 1;
	if (info->rank < 2 || info->count == 0 || (!inner && info->first_axis_place != 0))
		return span;
	int64_t outputs = info->shape[0], rest = info->count / outputs;
	span.rows = inner ? rest : outputs;
	span.columns = inner ? outputs : rest;
	span.by_column = inner;
	return span;
}

/* Parameters come in graph order, which is storage order or nearly so: insertion keeps them ascending at no cost. */
static nnopt_status collect(const nnopt_optimizer *o, nnopt_model *model, nno_span *spans, int32_t *count)
{
	int32_t n = 0, total = nnopt_model_parameter_count(model);
	int64_t last = -1; /* where the last weight begins */
	for (int32_t i = 0; i < total; i++) {
		nnopt_parameter_info info;
		NNO_TRY(describe(model, i, &info));
		if (info.role == NNOPT_ROLE_STATE)
			continue;
		nno_span span = span_of(o, &info);
		last = span.hidden ? span.begin : last;
		int32_t at = n++;
		for (; at > 0 && spans[at - 1].begin > span.begin; at--)
			spans[at] = spans[at - 1];
		spans[at] = span;
	}
	for (int32_t i = 0; i < n; i++)
		spans[i].hidden = spans[i].hidden && spans[i].begin != last;
	*count = n;
	return NNOPT_OK;
}

static bool comes_late(const nnopt_plan *plan, int64_t begin)
{
	int64_t at = -1;
	for (int k = 0; plan != NULL && at != begin && (at = nno_plan_late_weight(plan, k)) >= 0; k++)
		;
	return at == begin;
}

/* Follows nnopt_model_set_trainable() and the plan; a handful of comparisons a tensor, nothing beside a step. */
static nnopt_status follow(nnopt_optimizer *o, nnopt_model *model, const nnopt_plan *plan)
{
	bool changed = false;
	int32_t total = nnopt_model_parameter_count(model), hint = 0;
	for (int32_t i = 0; i < total; i++) {
		nnopt_parameter_info info;
		NNO_TRY(describe(model, i, &info));
		if (info.role == NNOPT_ROLE_STATE)
			continue;
		while (hint < o->span_count && o->spans[hint].begin < info.block_offset)
			hint++;
		if (hint == o->span_count || o->spans[hint].begin != info.block_offset)
			for (hint = 0; o->spans[hint].begin != info.block_offset;)
				hint++;
		bool apart = info.count > 0 && comes_late(plan, info.block_offset);
		changed = changed || o->spans[hint].trainable != info.trainable || o->spans[hint].apart != apart;
		o->spans[hint].trainable = info.trainable;
		o->spans[hint].apart = apart;
	}
	if (changed)
		nno_optimizer_cut(o);
	return NNOPT_OK;
}

nnopt_status nnopt_optimizer_attach(nnopt_optimizer *optimizer, nnopt_model *model)
{
	if (optimizer == NULL || model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "optimizer_attach: %s is NULL",
				optimizer == NULL ? "optimizer" : "model");
	int32_t total = nnopt_model_parameter_count(model), count = 0;
	if (nnopt_model_input_shape(model, (int64_t[NNOPT_MAX_RANK]){ 0 }) == 0)
		return nno_fail(NNOPT_ERROR_STATE, "optimizer_attach: the model is not built, build or plan it first");
	nnopt_model_blocks blocks;
	NNO_TRY(get_blocks(model, &blocks));
	if (optimizer->identity == blocks.identity)
		return NNOPT_OK;
	if (optimizer->identity != 0)
		return nno_fail(NNOPT_ERROR_STATE,
				"optimizer_attach: attached to another model, or before a layer was replaced; one "
				"optimizer for each model wanted");
	const nno_alloc *alloc = &optimizer->context->alloc;
	nno_span *spans = nno_new_array(alloc, (size_t)total, sizeof *spans);
	if (spans == NULL)
		return nno_fail_memory("optimizer_attach", (size_t)total * sizeof *spans);
	nnopt_status status;
	NNO_TRY_OUT(collect(optimizer, model, spans, &count));
	NNO_TRY_OUT(nno_optimizer_bind(optimizer, spans, count, blocks.parameter_elements));
	optimizer->identity = blocks.identity;
out:
	nno_delete(alloc, spans);
	return status;
}

nnopt_status nno_optimizer_ready(nnopt_optimizer *optimizer, nnopt_model *model, const nnopt_plan *plan,
				 const char *what, nnopt_model_blocks *blocks)
{
	NNO_TRY(nnopt_optimizer_attach(optimizer, model));
	NNO_TRY(get_blocks(model, blocks));
	if (blocks->gradients == NULL)
		return nno_fail(NNOPT_ERROR_STATE,
				"%s: the model has no gradients, make a training plan and run it first", what);
	if (optimizer->ascended)
		return nno_fail(NNOPT_ERROR_STATE, "%s: the weights are perturbed, call nnopt_sam_restore first", what);
	return follow(optimizer, model, plan);
}

nnopt_status nnopt_optimizer_step(nnopt_optimizer *optimizer, nnopt_model *model, float gradient_scale,
				  nnopt_step_result *result)
{
	if (optimizer == NULL || model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "optimizer_step: %s is NULL",
				optimizer == NULL ? "optimizer" : "model");
	if (!isfinite(gradient_scale))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "optimizer_step: gradient_scale %g, a finite one wanted",
				(double)gradient_scale);
	if (result != NULL)
		NNO_TRY(nnopt_result_check(result, "step_result"));
	nnopt_model_blocks blocks;
	NNO_TRY(nno_optimizer_ready(optimizer, model, NULL, "optimizer_step", &blocks));
	NNO_TRY(nno_model_check_gradients("optimizer_step", model));
	nnopt_step_result ours;
	nno_optimizer_update(optimizer, blocks.parameters, blocks.gradients, gradient_scale, &ours);
	if (result != NULL)
		nnopt_result_give(result, &ours, sizeof ours);
	return NNOPT_OK;
}
