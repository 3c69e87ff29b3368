/* layer.c - what all kinds share: creation, names, the list of kinds. */
#include "layer/layer.h"

#include <math.h>
#include <string.h>

#define NNO_LAYER(kind) extern const nno_layer_class nno_layer_##kind;
#include "layer/kinds.inc"
#undef NNO_LAYER

static const nno_layer_class *const kinds[] = {
#define NNO_LAYER(kind) &nno_layer_##kind,
#include "layer/kinds.inc"
#undef NNO_LAYER
};

const nno_layer_class *nno_layer_class_of(const char *kind)
{
	for (size_t i = 0; i < NNO_COUNT(kinds); i++)
		if (strcmp(kinds[i]->kind, kind) == 0)
			return kinds[i];
	return NULL;
}

void *nno_emit_all(nno_lowering *l, const nno_op_class *cls, int n_param)
{
	int inputs[NNO_OP_MAX_INPUTS];
	for (int i = 0; i < l->n_in; i++)
		inputs[i] = i;
	return l->emit(l, cls, inputs, l->n_in, l->out.shape, 0, n_param);
}

nnopt_status nno_layer_make(nnopt_layer **out, nnopt_context *context, const nno_layer_class *cls, const void *state)
{
	if (out == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s is NULL", cls->kind,
				out == NULL ? "out" : "context");
	if (cls->check != NULL)
		NNO_TRY(cls->check(state));
	nnopt_layer *layer = nno_new(&context->alloc, sizeof *layer);
	if (layer == NULL)
		return nno_fail_memory(cls->kind, sizeof *layer);
	layer->state = nno_new(&context->alloc, cls->state_size);
	if (layer->state == NULL) {
		nno_delete(&context->alloc, layer);
		return nno_fail_memory(cls->kind, cls->state_size);
	}
	if (cls->state_size > 0)
		memcpy(layer->state, state, cls->state_size);
	nno_ref_init(&layer->ref);
	layer->context = nno_context_take(context);
	layer->cls = cls;
	*out = layer;
	return NNOPT_OK;
}

nnopt_layer *nno_layer_take(nnopt_layer *layer)
{
	nno_ref_take(&layer->ref);
	return layer;
}

nnopt_status nno_layer_check_init(const char *kind, const char *field, int64_t init, float value)
{
	if (init < NNOPT_INIT_DEFAULT || init > NNOPT_INIT_TRUNCATED_NORMAL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s %lld, %d to %d wanted", kind, field,
				(long long)init, NNOPT_INIT_DEFAULT, NNOPT_INIT_TRUNCATED_NORMAL);
	if (init == NNOPT_INIT_DIRAC)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"%s: %s is dirac, which only the weight of a convolution can have", kind, field);
	if (!isfinite(value))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: the value beside %s is %g, a finite one wanted",
				kind, field, (double)value);
	if (init == NNOPT_INIT_TRUNCATED_NORMAL && !(value > 0.0f && value <= 1e30f))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"%s: %s is a truncated normal of deviation %g, a value above 0 beside it wanted", kind,
				field, (double)value);
	return NNOPT_OK;
}

nnopt_status nno_layer_check_epsilon(const char *kind, float epsilon)
{
	if (!(epsilon >= 0.0f && epsilon <= 1.0f))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: epsilon %g, 0 to 1 wanted", kind, (double)epsilon);
	return NNOPT_OK;
}

int nno_layer_affine(nno_spec *spec, bool scale, bool bias, const nno_spec *form)
{
	int n = 0;
	for (int i = 0; i < 2; i++) {
		if (!(i == 0 ? scale : bias))
			continue;
		spec[n] = *form;
		spec[n].name = i == 0 ? "weight" : "bias";
		spec[n].role = i == 0 ? NNOPT_ROLE_SCALE : NNOPT_ROLE_BIAS;
		spec[n].init = NNOPT_INIT_CONSTANT;
		spec[n++].value = i == 0 ? 1.0f : 0.0f;
	}
	return n;
}

nnopt_status nno_layer_wants_rank4(const nnopt_layer *layer, const nno_value *in)
{
	if (in->flat)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"%s: input of rank 2 (N, %lld), rank 4 (N, C, H, W) wanted", layer->cls->kind,
				(long long)in->shape.c);
	return NNOPT_OK;
}

nnopt_status nno_layer_same_shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	(void)layer;
	(void)n_in;
	*out = in[0];
	return NNOPT_OK;
}

nnopt_status nnopt_layer_set_name(nnopt_layer *layer, const char *name)
{
	if (layer == NULL || name == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "layer_set_name: %s is NULL",
				layer == NULL ? "layer" : "name");
	if (layer->in_model)
		return nno_fail(NNOPT_ERROR_STATE, "layer_set_name: '%s' is in a model, name it before it is added",
				layer->name);
	size_t n = strlen(name);
	if (n == 0 || n >= NNO_NAME_BYTES)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "layer_set_name: name of %zu bytes, 1 to %d wanted", n,
				NNO_NAME_BYTES - 1);
	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!letter && !(c >= '0' && c <= '9') && strchr("_-.", c) == NULL)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"layer_set_name: byte 0x%02x at %zu, letters, digits, '_', '-' and '.' wanted",
					(unsigned)(unsigned char)c, i);
	}
	memcpy(layer->name, name, n + 1);
	return NNOPT_OK;
}

const char *nnopt_layer_kind(const nnopt_layer *layer)
{
	if (layer == NULL)
		return "";
	return layer->cls->own_kind != NULL ? layer->cls->own_kind(layer->state) : layer->cls->kind;
}

void nnopt_layer_destroy(nnopt_layer *layer)
{
	if (layer == NULL || !nno_ref_drop(&layer->ref))
		return;
	nnopt_context *context = layer->context;
	if (layer->cls->destroy != NULL)
		layer->cls->destroy(layer->state);
	nno_delete(&context->alloc, layer->state);
	nno_delete(&context->alloc, layer);
	nno_context_drop(context);
}

int32_t nnopt_layer_kind_count(void) { return (int32_t)NNO_COUNT(kinds); }

const char *nnopt_layer_kind_name(int32_t index)
{
	return index < 0 || index >= nnopt_layer_kind_count() ? NULL : kinds[index]->kind;
}
