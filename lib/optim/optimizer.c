/* optimizer.c - life, groups and state of every optimizer; the pass over the arrays is update_pass.c. */
#include "optim/optim.h"

#include "nnopt/tensor.h"

#include <math.h>
#include <string.h>

nnopt_status nno_check_at_least_zero(const char *kind, const char *name, double value)
{
	if (isfinite(value) && value >= 0.0)
		return NNOPT_OK;
	return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s %g, finite and at least 0 wanted", kind, name, value);
}

nnopt_status nno_check_fraction(const char *kind, const char *name, double value)
{
	if (value >= 0.0 && value < 1.0)
		return NNOPT_OK;
	return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s %g, at least 0 and below 1 wanted", kind, name, value);
}

nnopt_status nno_optimizer_create(nnopt_optimizer **out, nnopt_context *context, const nno_optimizer_class *cls,
				  const void *attr, double lr)
{
	if (out == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s_create: %s is NULL", cls->name,
				out == NULL ? "out" : "context");
	NNO_TRY(nno_check_at_least_zero(cls->name, "lr", lr));
	const nno_alloc *alloc = &context->alloc;
	nnopt_optimizer *o = nno_new(alloc, sizeof *o);
	if (o == NULL)
		return nno_fail_memory(cls->name, sizeof *o);
	o->context = nno_context_take(context);
	o->cls = cls;
	o->lr = lr;
	o->attr = nno_new(alloc, cls->attr_size);
	o->groups = nno_new(alloc, sizeof *o->groups);
	if (o->attr == NULL || o->groups == NULL) {
		nnopt_optimizer_destroy(o);
		return nno_fail_memory(cls->name, cls->attr_size);
	}
	memcpy(o->attr, attr, cls->attr_size);
	o->groups[0] = (nno_group){ .role = -1, .lr_scale = 1.0, .decay_scale = 1.0, .l1_scale = 1.0 };
	o->group_count = 1;
	*out = o;
	return NNOPT_OK;
}

int32_t nno_optimizer_group_of(const nnopt_optimizer *optimizer, const char *name, int32_t role)
{
	for (int32_t i = optimizer->group_count - 1; i > 0; i--) {
		const nno_group *g = &optimizer->groups[i];
		if ((g->role < 0 || g->role == role) &&
		    (g->prefix == NULL || strncmp(name, g->prefix, strlen(g->prefix)) == 0))
			return i;
	}
	return 0;
}

void nnopt_optimizer_destroy(nnopt_optimizer *optimizer)
{
	if (optimizer == NULL)
		return;
	nnopt_context *context = optimizer->context;
	const nno_alloc *alloc = &context->alloc;
	for (int32_t i = 0; i < optimizer->group_count; i++)
		nno_delete(alloc, optimizer->groups[i].prefix);
	nno_optimizer_unbind(optimizer);
	nno_delete(alloc, optimizer->saved);
	nno_delete(alloc, optimizer->groups);
	nno_delete(alloc, optimizer->attr);
	nno_delete(alloc, optimizer);
	nno_context_drop(context);
}

static const nnopt_group_options group_defaults = {
	.struct_size = sizeof(nnopt_group_options),
	.role = -1,
	.lr_scale = 1.0,
	.weight_decay_scale = 1.0,
	.l1_scale = 1.0,
};

nnopt_status nnopt_group_options_init(nnopt_group_options *options, size_t size)
{
	return nnopt_options_init(options, size, &group_defaults, sizeof group_defaults, "group_options");
}

static nnopt_status append_group(nnopt_optimizer *o, const nnopt_group_options *g)
{
	const nno_alloc *alloc = &o->context->alloc;
	size_t bytes = ((size_t)o->group_count + 1) * sizeof *o->groups;
	char *prefix = NULL;
	if (g->name_prefix != NULL && g->name_prefix[0] != '\0') {
		prefix = nno_new_text(alloc, g->name_prefix, strlen(g->name_prefix));
		if (prefix == NULL)
			return nno_fail_memory("optimizer_add_group", strlen(g->name_prefix));
	}
	nno_group *grown = nno_grow(alloc, o->groups, bytes);
	if (grown == NULL) {
		nno_delete(alloc, prefix);
		return nno_fail_memory("optimizer_add_group", bytes);
	}
	o->groups = grown;
	o->groups[o->group_count++] =
	    (nno_group){ prefix, g->role, g->lr_scale, g->weight_decay_scale, g->l1_scale, g->rule };
	return NNOPT_OK;
}

nnopt_status nnopt_optimizer_add_group(nnopt_optimizer *optimizer, const nnopt_group_options *options)
{
	if (optimizer == NULL || options == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "optimizer_add_group: %s is NULL",
				optimizer == NULL ? "optimizer" : "options");
	if (optimizer->spans != NULL)
		return nno_fail(NNOPT_ERROR_STATE,
				"optimizer_add_group: the optimizer is attached, groups come before that");
	nnopt_group_options g = group_defaults;
	NNO_TRY(nnopt_options_read(&g, sizeof g, options, "group_options"));
	if (g.role < -1 || g.role >= NNOPT_ROLE_STATE)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"optimizer_add_group: role %d, -1 or a trainable role wanted", (int)g.role);
	if (g.rule < NNOPT_RULE_BY_SHAPE || g.rule > NNOPT_RULE_OTHER)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "optimizer_add_group: rule %d, a nnopt_group_rule wanted",
				(int)g.rule);
	NNO_TRY(nno_check_at_least_zero("optimizer_add_group", "lr_scale", g.lr_scale));
	NNO_TRY(nno_check_at_least_zero("optimizer_add_group", "weight_decay_scale", g.weight_decay_scale));
	NNO_TRY(nno_check_at_least_zero("optimizer_add_group", "l1_scale", g.l1_scale));
	return append_group(optimizer, &g);
}

nnopt_status nnopt_optimizer_set_clipping(nnopt_optimizer *optimizer, double max_norm, double max_value)
{
	if (optimizer == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "optimizer_set_clipping: optimizer is NULL");
	NNO_TRY(nno_check_at_least_zero("optimizer_set_clipping", "max_norm", max_norm));
	NNO_TRY(nno_check_at_least_zero("optimizer_set_clipping", "max_value", max_value));
	optimizer->max_norm = max_norm;
	optimizer->max_value = max_value;
	return NNOPT_OK;
}

double nnopt_optimizer_lr(const nnopt_optimizer *optimizer) { return optimizer == NULL ? 0.0 : optimizer->lr; }

nnopt_status nnopt_optimizer_set_lr(nnopt_optimizer *optimizer, double lr)
{
	if (optimizer == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "optimizer_set_lr: optimizer is NULL");
	NNO_TRY(nno_check_at_least_zero("optimizer_set_lr", "lr", lr));
	optimizer->lr = lr;
	return NNOPT_OK;
}

int64_t nnopt_optimizer_steps(const nnopt_optimizer *optimizer) { return optimizer == NULL ? 0 : optimizer->steps; }

nnopt_status nnopt_optimizer_set_steps(nnopt_optimizer *optimizer, int64_t steps)
{
	if (optimizer == NULL || steps < 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"optimizer_set_steps: optimizer NULL or steps %lld, at least 0 wanted",
				(long long)steps);
	optimizer->steps = steps;
	return NNOPT_OK;
}

int32_t nnopt_optimizer_slot_count(const nnopt_optimizer *optimizer)
{
	const char *names[NNO_MAX_SLOTS];
	return optimizer == NULL ? 0 : optimizer->cls->slots(optimizer->attr, names);
}

const char *nnopt_optimizer_slot_name(const nnopt_optimizer *optimizer, int32_t index)
{
	const char *names[NNO_MAX_SLOTS];
	if (optimizer == NULL || index < 0 || index >= optimizer->cls->slots(optimizer->attr, names))
		return NULL;
	return names[index];
}

nnopt_tensor *nnopt_optimizer_slot(nnopt_optimizer *optimizer, int32_t index)
{
	return optimizer == NULL || index < 0 || index >= NNO_MAX_SLOTS ? NULL : optimizer->slots[index];
}

const char *nnopt_optimizer_kind(const nnopt_optimizer *optimizer)
{
	return optimizer == NULL ? NULL : optimizer->cls->name;
}
