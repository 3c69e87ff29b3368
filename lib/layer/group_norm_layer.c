/* group_norm_layer.c - group normalisation, semantics of torch.nn.GroupNorm; with a channel a group, instance
 * normalisation. */
#include "layer/layer.h"

typedef struct group_norm {
	int64_t groups; /* 0: as many as channels */
	float epsilon;
	int32_t use_scale, use_bias;
} group_norm;

static const group_norm defaults = { .epsilon = 1e-5f, .use_scale = 1, .use_bias = 1 };

static const nno_field fields[] = {
	NNO_FIELD(group_norm, groups, NNO_FIELD_I64, true),
	NNO_FIELD(group_norm, epsilon, NNO_FIELD_F32, false),
	NNO_FIELD(group_norm, use_scale, NNO_FIELD_BOOL, false),
	NNO_FIELD(group_norm, use_bias, NNO_FIELD_BOOL, false),
};

static nnopt_status check(const void *state)
{
	const group_norm *s = state;
	if (s->groups < 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "group_norm: groups %lld, 0 or more wanted",
				(long long)s->groups);
	return nno_layer_check_epsilon("group_norm", s->epsilon);
}

static int64_t groups_of(const group_norm *s, const nno_value *in) { return s->groups == 0 ? in->shape.c : s->groups; }

static nnopt_status shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	const group_norm *s = layer->state;
	if (in->shape.c % groups_of(s, in) != 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"group_norm: %lld input channels, a multiple of groups %lld wanted",
				(long long)in->shape.c, (long long)s->groups);
	return nno_layer_same_shape(layer, in, n_in, out);
}

static int parameters(const nnopt_layer *layer, const nno_value *in, int n_in, nno_spec spec[NNO_OP_MAX_PARAMETERS])
{
	(void)n_in;
	const group_norm *s = layer->state;
	const nno_spec form = { .rank = 1, .shape = { in->shape.c } };
	return nno_layer_affine(spec, s->use_scale, s->use_bias, &form);
}

static bool lower(const nnopt_layer *layer, nno_lowering *l)
{
	const group_norm *s = layer->state;
	nno_group_norm_attr *attr = nno_emit_all(l, &nno_op_group_norm, (s->use_scale != 0) + (s->use_bias != 0));
	if (attr != NULL)
		*attr = (nno_group_norm_attr){ .epsilon = s->epsilon,
					       .scale = s->use_scale != 0,
					       .bias = s->use_bias != 0,
					       .groups = groups_of(s, l->in) };
	return attr != NULL;
}

const nno_layer_class nno_layer_group_norm = {
	.kind = "group_norm",
	.min_inputs = 1,
	.max_inputs = 1,
	.state_size = sizeof(group_norm),
	.defaults = &defaults,
	.fields = fields,
	.field_count = NNO_COUNT(fields),
	.check = check,
	.shape = shape,
	.parameters = parameters,
	.lower = lower,
};

static const nnopt_group_norm_options option_defaults = {
	.struct_size = sizeof(nnopt_group_norm_options), .epsilon = 1e-5f, .use_scale = 1, .use_bias = 1
};

nnopt_status nnopt_group_norm_options_init(nnopt_group_norm_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "group_norm_options");
}

nnopt_status nnopt_group_norm_create(nnopt_layer **out, nnopt_context *context, int64_t groups,
				     const nnopt_group_norm_options *options)
{
	nnopt_group_norm_options o = option_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "group_norm_options"));
	group_norm state = {
		.groups = groups, .epsilon = o.epsilon, .use_scale = o.use_scale != 0, .use_bias = o.use_bias != 0
	};
	return nno_layer_make(out, context, &nno_layer_group_norm, &state);
}
