/* conv2d_layer.c - two-dimensional convolution, semantics of torch.nn.Conv2d.
 * The weight is public as (O, C/groups, kh, kw) and stored as (kh, kw, C/groups, O): output channels in vector lanes,
 * and neighbouring taps of a pixel row contiguous, so that forward and weight gradient need no packing. */
#include "base/size.h"
#include "layer/layer.h"

typedef struct conv2d {
	int64_t out_channels, kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w,
	    groups;
	int64_t weight_init, bias_init;
	float weight_value, bias_value;
	int32_t same_padding, same_upper_padding, use_bias;
} conv2d;

static const conv2d defaults = {
	.stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .groups = 1, .use_bias = 1
};

static const nno_field fields[] = {
	NNO_FIELD(conv2d, out_channels, NNO_FIELD_I64, true),
	NNO_FIELD(conv2d, kernel_h, NNO_FIELD_I64, true),
	NNO_FIELD(conv2d, kernel_w, NNO_FIELD_I64, true),
	NNO_FIELD(conv2d, stride_h, NNO_FIELD_I64, false),
	NNO_FIELD(conv2d, stride_w, NNO_FIELD_I64, false),
	NNO_FIELD(conv2d, padding_h, NNO_FIELD_I64, false),
	NNO_FIELD(conv2d, padding_w, NNO_FIELD_I64, false),
	NNO_FIELD(conv2d, dilation_h, NNO_FIELD_I64, false),
	NNO_FIELD(conv2d, dilation_w, NNO_FIELD_I64, false),
	NNO_FIELD(conv2d, groups, NNO_FIELD_I64, false),
	NNO_FIELD(conv2d, same_padding, NNO_FIELD_BOOL, false),
	NNO_FIELD(conv2d, use_bias, NNO_FIELD_BOOL, false),
	NNO_FIELD(conv2d, weight_init, NNO_FIELD_I64, false),
	NNO_FIELD(conv2d, bias_init, NNO_FIELD_I64, false),
	NNO_FIELD(conv2d, weight_value, NNO_FIELD_F32, false),
	NNO_FIELD(conv2d, bias_value, NNO_FIELD_F32, false),
	NNO_FIELD(conv2d, same_upper_padding, NNO_FIELD_BOOL, false),
};

/* Extents beyond this are nonsense and would only make products overflow. */
#define EXTENT_LIMIT ((int64_t)1 << 24)

static nnopt_status in_range(const char *name, int64_t value, int64_t low)
{
	if (value < low || value > EXTENT_LIMIT)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "conv2d: %s %lld, %lld to %lld wanted", name,
				(long long)value, (long long)low, (long long)EXTENT_LIMIT);
	return NNOPT_OK;
}

static nnopt_status check(const void *state)
{
	const conv2d *s = state;
	NNO_TRY(in_range("out_channels", s->out_channels, 1));
	NNO_TRY(in_range("kernel_h", s->kernel_h, 1));
	NNO_TRY(in_range("kernel_w", s->kernel_w, 1));
	NNO_TRY(in_range("stride_h", s->stride_h, 1));
	NNO_TRY(in_range("stride_w", s->stride_w, 1));
	NNO_TRY(in_range("padding_h", s->padding_h, 0));
	NNO_TRY(in_range("padding_w", s->padding_w, 0));
	NNO_TRY(in_range("dilation_h", s->dilation_h, 1));
	NNO_TRY(in_range("dilation_w", s->dilation_w, 1));
	NNO_TRY(in_range("groups", s->groups, 1));
	if (s->out_channels % s->groups != 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"conv2d: out_channels %lld, a multiple of groups %lld wanted",
				(long long)s->out_channels, (long long)s->groups);
	if (s->same_padding && s->same_upper_padding)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"conv2d: same_padding and same_upper_padding, one wanted");
	if (s->same_padding &&
	    (s->dilation_h * (s->kernel_h - 1) % 2 != 0 || s->dilation_w * (s->kernel_w - 1) % 2 != 0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"conv2d: kernel %lldx%lld with same padding, odd extents wanted",
				(long long)s->kernel_h, (long long)s->kernel_w);
	NNO_TRY(nno_layer_check_init("conv2d", "weight_init",
				     s->weight_init == NNOPT_INIT_DIRAC ? NNOPT_INIT_DEFAULT : s->weight_init,
				     s->weight_value));
	return nno_layer_check_init("conv2d", "bias_init", s->bias_init, s->bias_value);
}

/* Zeros before the first pixel, where there are as many results as strides begin inside; what is missing comes after
 * the last. */
static int64_t upper_padding(int64_t in, int64_t kernel, int64_t stride, int64_t dilation)
{
	int64_t all = (nno_i64_ceil_div(in, stride) - 1) * stride + dilation * (kernel - 1) + 1 - in;
	return all > 0 ? all / 2 : 0;
}

static nno_conv_attr geometry(const conv2d *s, nno_shape in)
{
	nno_conv_attr a = {
		.kernel_h = s->kernel_h,
		.kernel_w = s->kernel_w,
		.stride_h = s->stride_h,
		.stride_w = s->stride_w,
		.pad_h = s->padding_h,
		.pad_w = s->padding_w,
		.dilation_h = s->dilation_h,
		.dilation_w = s->dilation_w,
		.groups = s->groups,
		.bias = s->use_bias != 0,
	};
	if (s->same_padding) {
		a.pad_h = s->dilation_h * (s->kernel_h - 1) / 2;
		a.pad_w = s->dilation_w * (s->kernel_w - 1) / 2;
	}
	if (s->same_upper_padding) {
		a.pad_h = upper_padding(in.h, s->kernel_h, s->stride_h, s->dilation_h);
		a.pad_w = upper_padding(in.w, s->kernel_w, s->stride_w, s->dilation_w);
	}
	return a;
}

static nnopt_status shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	(void)n_in;
	NNO_TRY(nno_layer_wants_rank4(layer, in));
	const conv2d *s = layer->state;
	nno_conv_attr a = geometry(s, in->shape);
	if (in->shape.c % s->groups != 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"conv2d: %lld input channels, a multiple of groups %lld wanted", (long long)in->shape.c,
				(long long)s->groups);
	if (s->same_upper_padding) {
		*out = (nno_value){ .shape = { nno_i64_ceil_div(in->shape.h, a.stride_h),
					       nno_i64_ceil_div(in->shape.w, a.stride_w), s->out_channels } };
		return NNOPT_OK;
	}
	int64_t padded_h = in->shape.h + 2 * a.pad_h, padded_w = in->shape.w + 2 * a.pad_w;
	int64_t reach_h = padded_h - a.dilation_h * (a.kernel_h - 1) - 1;
	int64_t reach_w = padded_w - a.dilation_w * (a.kernel_w - 1) - 1;
	if (reach_h < 0 || reach_w < 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"conv2d: kernel %lldx%lld (dilation %lldx%lld) larger than padded input %lldx%lld",
				(long long)a.kernel_h, (long long)a.kernel_w, (long long)a.dilation_h,
				(long long)a.dilation_w, (long long)padded_h, (long long)padded_w);
	*out = (nno_value){ .shape = { reach_h / a.stride_h + 1, reach_w / a.stride_w + 1, s->out_channels } };
	return NNOPT_OK;
}

static int parameters(const nnopt_layer *layer, const nno_value *in, int n_in, nno_spec spec[NNO_OP_MAX_PARAMETERS])
{
	(void)n_in;
	const conv2d *s = layer->state;
	int64_t depth = in->shape.c / s->groups;
	double window = (double)s->kernel_h * (double)s->kernel_w, fan_in = (double)depth * window,
	       fan_out = (double)s->out_channels * window;
	spec[0] = (nno_spec){ .name = "weight",
			      .role = NNOPT_ROLE_WEIGHT,
			      .rank = 4,
			      .shape = { s->out_channels, depth, s->kernel_h, s->kernel_w },
			      .order = { 2, 3, 1, 0 },
			      .init = (int)s->weight_init,
			      .value = s->weight_value,
			      .fan_in = fan_in,
			      .fan_out = fan_out,
			      .groups = s->groups };
	if (!s->use_bias)
		return 1;
	spec[1] = (nno_spec){ .name = "bias",
			      .role = NNOPT_ROLE_BIAS,
			      .rank = 1,
			      .shape = { s->out_channels },
			      .init = (int)s->bias_init,
			      .value = s->bias_value,
			      .fan_in = fan_in,
			      .fan_out = fan_out };
	return 2;
}

static bool lower(const nnopt_layer *layer, nno_lowering *l)
{
	const conv2d *s = layer->state;
	nno_conv_attr a = geometry(s, l->in->shape);
	bool depthwise = nno_conv_is_depthwise(&a, l->in->shape.c, s->out_channels);
	nno_conv_attr *attr = nno_emit_all(l, depthwise ? &nno_op_conv_depthwise : &nno_op_conv, s->use_bias ? 2 : 1);
	if (attr != NULL)
		*attr = a;
	return attr != NULL;
}

const nno_layer_class nno_layer_conv2d = {
	.kind = "conv2d",
	.min_inputs = 1,
	.max_inputs = 1,
	.state_size = sizeof(conv2d),
	.defaults = &defaults,
	.fields = fields,
	.field_count = NNO_COUNT(fields),
	.check = check,
	.shape = shape,
	.parameters = parameters,
	.lower = lower,
};

static const nnopt_conv2d_options option_defaults = {
	.struct_size = sizeof(nnopt_conv2d_options),
	.stride_h = 1,
	.stride_w = 1,
	.dilation_h = 1,
	.dilation_w = 1,
	.groups = 1,
	.use_bias = 1,
};

nnopt_status nnopt_conv2d_options_init(nnopt_conv2d_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "conv2d_options");
}

nnopt_status nnopt_conv2d_create(nnopt_layer **out, nnopt_context *context, int64_t out_channels, int64_t kernel,
				 const nnopt_conv2d_options *options)
{
	nnopt_conv2d_options o = option_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "conv2d_options"));
	if (o.padding_mode < NNOPT_PADDING_EXPLICIT || o.padding_mode > NNOPT_PADDING_SAME_UPPER)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "conv2d: padding_mode %d, 0 to 2 wanted", o.padding_mode);
	conv2d state = {
		.out_channels = out_channels,
		.kernel_h = o.kernel_h != 0 ? o.kernel_h : kernel,
		.kernel_w = o.kernel_w != 0 ? o.kernel_w : kernel,
		.stride_h = o.stride_h,
		.stride_w = o.stride_w,
		.padding_h = o.padding_h,
		.padding_w = o.padding_w,
		.dilation_h = o.dilation_h,
		.dilation_w = o.dilation_w,
		.groups = o.groups,
		.same_padding = o.padding_mode == NNOPT_PADDING_SAME,
		.same_upper_padding = o.padding_mode == NNOPT_PADDING_SAME_UPPER,
		.use_bias = o.use_bias != 0,
		.weight_init = o.weight_init,
		.bias_init = o.bias_init,
		.weight_value = o.weight_value,
		.bias_value = o.bias_value,
	};
	return nno_layer_make(out, context, &nno_layer_conv2d, &state);
}
