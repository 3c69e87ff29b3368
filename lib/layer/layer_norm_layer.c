/* layer_norm_layer.c - layer normalisation over the last extents of a sample, semantics of torch.nn.LayerNorm, or over
 * the channels at each position. */
#include "layer/layer.h"

typedef struct layer_norm {
	int64_t extents;
	float epsilon;
	int32_t channels, use_scale, use_bias;
} layer_norm;

static const layer_norm defaults = { .epsilon = 1e-5f, .use_scale = 1, .use_bias = 1 };

static const nno_field fields[] = {
	NNO_FIELD(layer_norm, extents, NNO_FIELD_I64, false),   NNO_FIELD(layer_norm, channels, NNO_FIELD_BOOL, false),
	NNO_FIELD(layer_norm, epsilon, NNO_FIELD_F32, false),   NNO_FIELD(layer_norm, use_scale, NNO_FIELD_BOOL, false),
	NNO_FIELD(layer_norm, use_bias, NNO_FIELD_BOOL, false),
};

static nnopt_status check(const void *state)
{
	const layer_norm *s = state;
	if (s->extents < 0 || s->extents > 3)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "layer_norm: extents %lld, 0 to 3 wanted",
				(long long)s->extents);
	if (s->channels && s->extents != 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "layer_norm: extents %lld with channels, 0 wanted",
				(long long)s->extents);
	return nno_layer_check_epsilon("layer_norm", s->epsilon);
}

static nnopt_status shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	const layer_norm *s = layer->state;
	if (in->flat && s->extents > 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"layer_norm: extents %lld of an input of rank 2 (N, %lld), 0 or 1 wanted",
				(long long)s->extents, (long long)in->shape.c);
	return nno_layer_same_shape(layer, in, n_in, out);
}

/* How many extents of (C, H, W) are normalised together; 0: the channels of a position. Features are channels. */
static int64_t extents_of(const layer_norm *s, const nno_value *in)
{
	if (s->channels || in->flat)
		return 0;
	return s->extents == 0 ? 3 : s->extents;
}

/* A picture is stored with the channels last, and so are parameters of its shape. */
static int parameters(const nnopt_layer *layer, const nno_value *in, int n_in, nno_spec spec[NNO_OP_MAX_PARAMETERS])
{
	(void)n_in;
	const layer_norm *s = layer->state;
	nno_shape x = in->shape;
	const nno_spec forms[] = { { .rank = 1, .shape = { x.c } },
				   { .rank = 1, .shape = { x.w } },
				   { .rank = 2, .shape = { x.h, x.w }, .order = { 0, 1 } },
				   { .rank = 3, .shape = { x.c, x.h, x.w }, .order = { 1, 2, 0 } } };
	return nno_layer_affine(spec, s->use_scale, s->use_bias, &forms[extents_of(s, in)]);
}

static bool lower(const nnopt_layer *layer, nno_lowering *l)
{
	const layer_norm *s = layer->state;
	nno_shape x = l->in->shape;
	const int64_t lengths[] = { x.c, x.w, x.h * x.w, nno_shape_count(x) };
	int64_t extents = extents_of(s, l->in);
	nno_layer_norm_attr *attr = nno_emit_all(l, &nno_op_layer_norm, (s->use_scale != 0) + (s->use_bias != 0));
	if (attr != NULL)
		*attr = (nno_layer_norm_attr){ .epsilon = s->epsilon,
					       .scale = s->use_scale != 0,
					       .bias = s->use_bias != 0,
					       .planar = (extents == 1 || extents == 2) && x.c > 1,
					       .length = lengths[extents] };
	return attr != NULL;
}

const nno_layer_class nno_layer_layer_norm = {
	.kind = "layer_norm",
	.min_inputs = 1,
	.max_inputs = 1,
	.state_size = sizeof(layer_norm),
	.defaults = &defaults,
	.fields = fields,
	.field_count = NNO_COUNT(fields),
	.check = check,
	.shape = shape,
	.parameters = parameters,
	.lower = lower,
};

static const nnopt_layer_norm_options option_defaults = {
	.struct_size = sizeof(nnopt_layer_norm_options), .epsilon = 1e-5f, .use_scale = 1, .use_bias = 1
};

nnopt_status nnopt_layer_norm_options_init(nnopt_layer_norm_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "layer_norm_options");
}

nnopt_status nnopt_layer_norm_create(nnopt_layer **out, nnopt_context *context, const nnopt_layer_norm_options *options)
{
	nnopt_layer_norm_options o = option_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "layer_norm_options"));
	layer_norm state = { .extents = o.extents,
			     .epsilon = o.epsilon,
			     .channels = o.channels != 0,
			     .use_scale = o.use_scale != 0,
			     .use_bias = o.use_bias != 0 };
	return nno_layer_make(out, context, &nno_layer_layer_norm, &state);
}
