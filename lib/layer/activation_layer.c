/* activation_layer.c - the activations: same shape, one op each, at most one option. */
#include "layer/layer.h"

typedef struct activation {
	float slope;       /* leaky_relu */
	int32_t tanh_form; /* gelu */
} activation;

static const activation plain = { 0 };
static const activation leaky_defaults = { .slope = 0.01f };
static const nno_field leaky_fields[] = { NNO_FIELD(activation, slope, NNO_FIELD_F32, false) };
static const nno_field gelu_fields[] = { NNO_FIELD(activation, tanh_form, NNO_FIELD_BOOL, false) };

static nnopt_status leaky_check(const void *state)
{
	const activation *s = state;
	if (!(s->slope >= 0.0f && s->slope <= 1.0f))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "leaky_relu: slope %g, 0 to 1 wanted", (double)s->slope);
	return NNOPT_OK;
}

static bool lower_to(const nnopt_layer *layer, nno_lowering *l, const nno_op_class *cls)
{
	const activation *s = layer->state;
	nno_act_attr *attr = nno_emit_all(l, cls, 0);
	if (attr != NULL && cls->attr_size >= sizeof *attr)
		*attr = (nno_act_attr){ .slope = s->slope, .tanh_form = s->tanh_form != 0 };
	return attr != NULL;
}

static bool lower_relu(const nnopt_layer *layer, nno_lowering *l) { return lower_to(layer, l, &nno_op_relu); }
static bool lower_leaky_relu(const nnopt_layer *layer, nno_lowering *l)
{
	return lower_to(layer, l, &nno_op_leaky_relu);
}
static bool lower_relu6(const nnopt_layer *layer, nno_lowering *l) { return lower_to(layer, l, &nno_op_relu6); }
static bool lower_gelu(const nnopt_layer *layer, nno_lowering *l) { return lower_to(layer, l, &nno_op_gelu); }
static bool lower_silu(const nnopt_layer *layer, nno_lowering *l) { return lower_to(layer, l, &nno_op_silu); }
static bool lower_sigmoid(const nnopt_layer *layer, nno_lowering *l) { return lower_to(layer, l, &nno_op_sigmoid); }
static bool lower_tanh(const nnopt_layer *layer, nno_lowering *l) { return lower_to(layer, l, &nno_op_tanh); }
static bool lower_hard_sigmoid(const nnopt_layer *layer, nno_lowering *l)
{
	return lower_to(layer, l, &nno_op_hard_sigmoid);
}
static bool lower_hard_swish(const nnopt_layer *layer, nno_lowering *l)
{
	return lower_to(layer, l, &nno_op_hard_swish);
}
static bool lower_softmax(const nnopt_layer *layer, nno_lowering *l) { return lower_to(layer, l, &nno_op_softmax); }

#define COMMON .min_inputs = 1, .max_inputs = 1, .state_size = sizeof(activation), .shape = nno_layer_same_shape
const nno_layer_class nno_layer_relu = { .kind = "relu", COMMON, .lower = lower_relu };
const nno_layer_class nno_layer_leaky_relu = { .kind = "leaky_relu",
					       COMMON,
					       .defaults = &leaky_defaults,
					       .fields = leaky_fields,
					       .field_count = NNO_COUNT(leaky_fields),
					       .check = leaky_check,
					       .lower = lower_leaky_relu };
const nno_layer_class nno_layer_relu6 = { .kind = "relu6", COMMON, .lower = lower_relu6 };
const nno_layer_class nno_layer_gelu = {
	.kind = "gelu", COMMON, .fields = gelu_fields, .field_count = NNO_COUNT(gelu_fields), .lower = lower_gelu
};
const nno_layer_class nno_layer_silu = { .kind = "silu", COMMON, .lower = lower_silu };
const nno_layer_class nno_layer_sigmoid = { .kind = "sigmoid", COMMON, .lower = lower_sigmoid };
const nno_layer_class nno_layer_tanh = { .kind = "tanh", COMMON, .lower = lower_tanh };
const nno_layer_class nno_layer_hard_sigmoid = { .kind = "hard_sigmoid", COMMON, .lower = lower_hard_sigmoid };
const nno_layer_class nno_layer_hard_swish = { .kind = "hard_swish", COMMON, .lower = lower_hard_swish };
const nno_layer_class nno_layer_softmax = { .kind = "softmax", COMMON, .lower = lower_softmax };

nnopt_status nnopt_relu_create(nnopt_layer **out, nnopt_context *context)
{
	return nno_layer_make(out, context, &nno_layer_relu, &plain);
}

nnopt_status nnopt_leaky_relu_create(nnopt_layer **out, nnopt_context *context, float slope)
{
	activation state = { .slope = slope };
	return nno_layer_make(out, context, &nno_layer_leaky_relu, &state);
}

nnopt_status nnopt_relu6_create(nnopt_layer **out, nnopt_context *context)
{
	return nno_layer_make(out, context, &nno_layer_relu6, &plain);
}

nnopt_status nnopt_gelu_create(nnopt_layer **out, nnopt_context *context, int32_t tanh_form)
{
	activation state = { .tanh_form = tanh_form != 0 };
	return nno_layer_make(out, context, &nno_layer_gelu, &state);
}

nnopt_status nnopt_silu_create(nnopt_layer **out, nnopt_context *context)
{
	return nno_layer_make(out, context, &nno_layer_silu, &plain);
}

nnopt_status nnopt_sigmoid_create(nnopt_layer **out, nnopt_context *context)
{
	return nno_layer_make(out, context, &nno_layer_sigmoid, &plain);
}

nnopt_status nnopt_tanh_create(nnopt_layer **out, nnopt_context *context)
{
	return nno_layer_make(out, context, &nno_layer_tanh, &plain);
}

nnopt_status nnopt_hard_sigmoid_create(nnopt_layer **out, nnopt_context *context)
{
	return nno_layer_make(out, context, &nno_layer_hard_sigmoid, &plain);
}

nnopt_status nnopt_hard_swish_create(nnopt_layer **out, nnopt_context *context)
{
	return nno_layer_make(out, context, &nno_layer_hard_swish, &plain);
}

nnopt_status nnopt_softmax_create(nnopt_layer **out, nnopt_context *context)
{
	return nno_layer_make(out, context, &nno_layer_softmax, &plain);
}
