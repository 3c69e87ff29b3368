/* batch_norm_layer.c - batch normalisation of (N, C, H, W) and of (N, features); semantics of torch.nn.BatchNorm2d and
 * BatchNorm1d. Both are the same op: a flat value is one pixel of many channels. */
#include "layer/layer.h"

#include <math.h>

typedef struct batch_norm {
	float momentum, epsilon;
	int32_t use_scale, use_bias;
	float scale_value, bias_value;
} batch_norm;

static const batch_norm defaults = {
	.momentum = 0.1f, .epsilon = 1e-5f, .use_scale = 1, .use_bias = 1, .scale_value = 1.0f
};

static const nno_field fields[] = {
	NNO_FIELD(batch_norm, momentum, NNO_FIELD_F32, false),
	NNO_FIELD(batch_norm, epsilon, NNO_FIELD_F32, false),
	NNO_FIELD(batch_norm, use_scale, NNO_FIELD_BOOL, false),
	NNO_FIELD(batch_norm, use_bias, NNO_FIELD_BOOL, false),
	NNO_FIELD(batch_norm, scale_value, NNO_FIELD_F32, false),
	NNO_FIELD(batch_norm, bias_value, NNO_FIELD_F32, false),
};

static nnopt_status check(const void *state)
{
	const batch_norm *s = state;
	if (!(s->momentum >= 0.0f && s->momentum <= 1.0f))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "batch_norm: momentum %g, 0 to 1 wanted",
				(double)s->momentum);
	if (!(s->epsilon >= 0.0f && s->epsilon <= 1.0f))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "batch_norm: epsilon %g, 0 to 1 wanted",
				(double)s->epsilon);
	if (!isfinite(s->scale_value) || !isfinite(s->bias_value))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "batch_norm: %s_value %g, a finite one wanted",
				isfinite(s->scale_value) ? "bias" : "scale",
				(double)(isfinite(s->scale_value) ? s->bias_value : s->scale_value));
	return NNOPT_OK;
}

static nnopt_status shape2d(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	NNO_TRY(nno_layer_wants_rank4(layer, in));
	return nno_layer_same_shape(layer, in, n_in, out);
}

static nnopt_status shape1d(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	if (!in->flat)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"batch_norm1d: input of rank 4, rank 2 (N, features) wanted");
	return nno_layer_same_shape(layer, in, n_in, out);
}

static nno_spec channel_spec(const char *name, int role, int64_t channels, float value)
{
	return (nno_spec){ .name = name,
			   .role = role,
			   .rank = 1,
			   .shape = { channels },
			   .init = NNOPT_INIT_CONSTANT,
			   .value = value };
}

static int parameters(const nnopt_layer *layer, const nno_value *in, int n_in, nno_spec spec[NNO_OP_MAX_PARAMETERS])
{
	(void)n_in;
	const batch_norm *s = layer->state;
	int64_t c = in->shape.c;
	int n = 0;
	if (s->use_scale)
		spec[n++] = channel_spec("weight", NNOPT_ROLE_SCALE, c, s->scale_value);
	if (s->use_bias)
		spec[n++] = channel_spec("bias", NNOPT_ROLE_BIAS, c, s->bias_value);
	spec[n++] = channel_spec("running_mean", NNOPT_ROLE_STATE, c, 0.0f);
	spec[n++] = channel_spec("running_var", NNOPT_ROLE_STATE, c, 1.0f);
	return n;
}

static bool lower(const nnopt_layer *layer, nno_lowering *l)
{
	const batch_norm *s = layer->state;
	nno_norm_attr *attr = nno_emit_all(l, &nno_op_batch_norm, 2 + (s->use_scale != 0) + (s->use_bias != 0));
	if (attr != NULL)
		*attr = (nno_norm_attr){ .momentum = s->momentum,
					 .epsilon = s->epsilon,
					 .scale = s->use_scale != 0,
					 .bias = s->use_bias != 0,
					 .frozen = l->frozen };
	return attr != NULL;
}

const nno_layer_class nno_layer_batch_norm2d = {
	.kind = "batch_norm2d",
	.min_inputs = 1,
	.max_inputs = 1,
	.state_size = sizeof(batch_norm),
	.defaults = &defaults,
	.fields = fields,
	.field_count = NNO_COUNT(fields),
	.check = check,
	.shape = shape2d,
	.parameters = parameters,
	.lower = lower,
};

const nno_layer_class nno_layer_batch_norm1d = {
	.kind = "batch_norm1d",
	.min_inputs = 1,
	.max_inputs = 1,
	.state_size = sizeof(batch_norm),
	.defaults = &defaults,
	.fields = fields,
	.field_count = NNO_COUNT(fields),
	.check = check,
	.shape = shape1d,
	.parameters = parameters,
	.lower = lower,
};

static const nnopt_batch_norm_options option_defaults = {
	.struct_size = sizeof(nnopt_batch_norm_options),
	.momentum = 0.1f,
	.epsilon = 1e-5f,
	.use_scale = 1,
	.use_bias = 1,
	.scale_value = 1.0f,
};

static nnopt_status create(nnopt_layer **out, nnopt_context *context, const nno_layer_class *cls,
			   const nnopt_batch_norm_options *options)
{
	nnopt_batch_norm_options o = option_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "batch_norm_options"));
	batch_norm state = { .momentum = o.momentum,
			     .epsilon = o.epsilon,
			     .use_scale = o.use_scale != 0,
			     .use_bias = o.use_bias != 0,
			     .scale_value = o.scale_value,
			     .bias_value = o.bias_value };
	return nno_layer_make(out, context, cls, &state);
}

nnopt_status nnopt_batch_norm_options_init(nnopt_batch_norm_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "batch_norm_options");
}

nnopt_status nnopt_batch_norm2d_create(nnopt_layer **out, nnopt_context *context,
				       const nnopt_batch_norm_options *options)
{
	return create(out, context, &nno_layer_batch_norm2d, options);
}

nnopt_status nnopt_batch_norm1d_create(nnopt_layer **out, nnopt_context *context,
				       const nnopt_batch_norm_options *options)
{
	return create(out, context, &nno_layer_batch_norm1d, options);
}
