/* linear_layer.c - fully connected, semantics of torch.nn.Linear. The weight is public as (out, in), stored as (in,
 * out). */
#include "layer/layer.h"

typedef struct linear {
	int64_t out_features, weight_init, bias_init;
	int32_t use_bias;
	float weight_value, bias_value;
} linear;

static const linear defaults = { .use_bias = 1 };

static const nno_field fields[] = {
	NNO_FIELD(linear, out_features, NNO_FIELD_I64, true),  NNO_FIELD(linear, use_bias, NNO_FIELD_BOOL, false),
	NNO_FIELD(linear, weight_init, NNO_FIELD_I64, false),  NNO_FIELD(linear, bias_init, NNO_FIELD_I64, false),
	NNO_FIELD(linear, weight_value, NNO_FIELD_F32, false), NNO_FIELD(linear, bias_value, NNO_FIELD_F32, false),
};

static nnopt_status check(const void *state)
{
	const linear *s = state;
	if (s->out_features < 1 || s->out_features > INT32_MAX)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "linear: out_features %lld, 1 to %d wanted",
				(long long)s->out_features, INT32_MAX);
	NNO_TRY(nno_layer_check_init("linear", "weight_init", s->weight_init, s->weight_value));
	return nno_layer_check_init("linear", "bias_init", s->bias_init, s->bias_value);
}

static nnopt_status shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	(void)n_in;
	const linear *s = layer->state;
	if (!in->flat)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"linear: input of rank 4 (N, %lld, %lld, %lld), rank 2 wanted: put a flatten before it",
				(long long)in->shape.c, (long long)in->shape.h, (long long)in->shape.w);
	*out = (nno_value){ .shape = { 1, 1, s->out_features }, .flat = true };
	return NNOPT_OK;
}

static int parameters(const nnopt_layer *layer, const nno_value *in, int n_in, nno_spec spec[NNO_OP_MAX_PARAMETERS])
{
	(void)n_in;
	const linear *s = layer->state;
	spec[0] = (nno_spec){ .name = "weight",
			      .role = NNOPT_ROLE_WEIGHT,
			      .rank = 2,
			      .shape = { s->out_features, in->shape.c },
			      .order = { 1, 0 },
			      .init = (int)s->weight_init,
			      .value = s->weight_value,
			      .fan_in = (double)in->shape.c,
			      .fan_out = (double)s->out_features };
	if (!s->use_bias)
		return 1;
	spec[1] = (nno_spec){ .name = "bias",
			      .role = NNOPT_ROLE_BIAS,
			      .rank = 1,
			      .shape = { s->out_features },
			      .init = (int)s->bias_init,
			      .value = s->bias_value,
			      .fan_in = (double)in->shape.c,
			      .fan_out = (double)s->out_features };
	return 2;
}

static bool lower(const nnopt_layer *layer, nno_lowering *l)
{
	const linear *s = layer->state;
	nno_linear_attr *attr = nno_emit_all(l, &nno_op_linear, s->use_bias ? 2 : 1);
	if (attr != NULL)
		attr->bias = s->use_bias != 0;
	return attr != NULL;
}

const nno_layer_class nno_layer_linear = {
	.kind = "linear",
	.min_inputs = 1,
	.max_inputs = 1,
	.state_size = sizeof(linear),
	.defaults = &defaults,
	.fields = fields,
	.field_count = NNO_COUNT(fields),
	.check = check,
	.shape = shape,
	.parameters = parameters,
	.lower = lower,
};

static const nnopt_linear_options option_defaults = { .struct_size = sizeof(nnopt_linear_options), .use_bias = 1 };

nnopt_status nnopt_linear_options_init(nnopt_linear_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "linear_options");
}

nnopt_status nnopt_linear_create(nnopt_layer **out, nnopt_context *context, int64_t out_features,
				 const nnopt_linear_options *options)
{
	nnopt_linear_options o = option_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "linear_options"));
	linear state = { .out_features = out_features,
			 .weight_init = o.weight_init,
			 .bias_init = o.bias_init,
			 .use_bias = o.use_bias != 0,
			 .weight_value = o.weight_value,
			 .bias_value = o.bias_value };
	return nno_layer_make(out, context, &nno_layer_linear, &state);
}
