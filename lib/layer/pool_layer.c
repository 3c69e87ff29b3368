/* pool_layer.c - the pooling kinds: windows given, windows from the sizes (adaptive), and one window (global, which is
 * adaptive to 1x1). Semantics of torch.nn.MaxPool2d, AvgPool2d and their adaptive forms. */
#include "base/size.h"
#include "layer/layer.h"

typedef struct pool2d {
	int64_t kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w;
	int32_t ceil_mode, count_include_pad;
} pool2d;

static const pool2d defaults = { .count_include_pad = 1 };

static const nno_field fields[] = {
	NNO_FIELD(pool2d, kernel_h, NNO_FIELD_I64, true),
	NNO_FIELD(pool2d, kernel_w, NNO_FIELD_I64, true),
	NNO_FIELD(pool2d, stride_h, NNO_FIELD_I64, false),
	NNO_FIELD(pool2d, stride_w, NNO_FIELD_I64, false),
	NNO_FIELD(pool2d, padding_h, NNO_FIELD_I64, false),
	NNO_FIELD(pool2d, padding_w, NNO_FIELD_I64, false),
	NNO_FIELD(pool2d, ceil_mode, NNO_FIELD_BOOL, false),
	NNO_FIELD(pool2d, count_include_pad, NNO_FIELD_BOOL, false),
};

#define EXTENT_LIMIT ((int64_t)1 << 20)

static int64_t stride_of(int64_t stride, int64_t kernel) { return stride != 0 ? stride : kernel; }

static nnopt_status check_axis(const char *axis, int64_t kernel, int64_t stride, int64_t padding)
{
	if (kernel < 1 || kernel > EXTENT_LIMIT)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "pool2d: kernel_%s %lld, 1 to %lld wanted", axis,
				(long long)kernel, (long long)EXTENT_LIMIT);
	if (stride < 0 || stride > EXTENT_LIMIT)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "pool2d: stride_%s %lld, 0 to %lld wanted", axis,
				(long long)stride, (long long)EXTENT_LIMIT);
	if (padding < 0 || padding > kernel / 2)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"pool2d: padding_%s %lld, 0 to half the kernel %lld wanted", axis, (long long)padding,
				(long long)kernel);
	return NNOPT_OK;
}

static nnopt_status check(const void *state)
{
	const pool2d *s = state;
	NNO_TRY(check_axis("h", s->kernel_h, s->stride_h, s->padding_h));
	return check_axis("w", s->kernel_w, s->stride_w, s->padding_w);
}

/* Number of windows; 0 when not even one fits. A ceil_mode window must start inside the input or its left padding. */
static int64_t windows(int64_t in, int64_t kernel, int64_t stride, int64_t padding, bool ceil_mode)
{
	int64_t reach = in + 2 * padding - kernel;
	if (reach < 0)
		return 0;
	int64_t n = (ceil_mode ? nno_i64_ceil_div(reach, stride) : reach / stride) + 1;
	if (ceil_mode && (n - 1) * stride >= in + padding)
		n--;
	return n;
}

static nnopt_status shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	(void)n_in;
	NNO_TRY(nno_layer_wants_rank4(layer, in));
	const pool2d *s = layer->state;
	int64_t h = windows(in->shape.h, s->kernel_h, stride_of(s->stride_h, s->kernel_h), s->padding_h, s->ceil_mode);
	int64_t w = windows(in->shape.w, s->kernel_w, stride_of(s->stride_w, s->kernel_w), s->padding_w, s->ceil_mode);
	if (h < 1 || w < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: kernel %lldx%lld larger than padded input %lldx%lld",
				layer->cls->kind, (long long)s->kernel_h, (long long)s->kernel_w,
				(long long)(in->shape.h + 2 * s->padding_h),
				(long long)(in->shape.w + 2 * s->padding_w));
	*out = (nno_value){ .shape = { h, w, in->shape.c } };
	return NNOPT_OK;
}

static bool lower_windows(const nnopt_layer *layer, nno_lowering *l, const nno_op_class *cls)
{
	const pool2d *s = layer->state;
	nno_pool_attr *attr = nno_emit_all(l, cls, 0);
	if (attr != NULL)
		*attr = (nno_pool_attr){ .kernel_h = s->kernel_h,
					 .kernel_w = s->kernel_w,
					 .stride_h = stride_of(s->stride_h, s->kernel_h),
					 .stride_w = stride_of(s->stride_w, s->kernel_w),
					 .pad_h = s->padding_h,
					 .pad_w = s->padding_w,
					 .count_include_pad = s->count_include_pad != 0 };
	return attr != NULL;
}

static bool lower_max(const nnopt_layer *layer, nno_lowering *l) { return lower_windows(layer, l, &nno_op_max_pool); }
static bool lower_avg(const nnopt_layer *layer, nno_lowering *l) { return lower_windows(layer, l, &nno_op_avg_pool); }

typedef struct adaptive {
	int64_t out_h, out_w;
} adaptive;

static const adaptive global = { 1, 1 };

static const nno_field adaptive_fields[] = {
	NNO_FIELD(adaptive, out_h, NNO_FIELD_I64, true),
	NNO_FIELD(adaptive, out_w, NNO_FIELD_I64, true),
};

static nnopt_status adaptive_check(const void *state)
{
	const adaptive *s = state;
	if (s->out_h < 1 || s->out_w < 1 || s->out_h > EXTENT_LIMIT || s->out_w > EXTENT_LIMIT)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "adaptive pool: output %lldx%lld, 1 to %lld wanted",
				(long long)s->out_h, (long long)s->out_w, (long long)EXTENT_LIMIT);
	return NNOPT_OK;
}

static nnopt_status adaptive_shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	(void)n_in;
	NNO_TRY(nno_layer_wants_rank4(layer, in));
	const adaptive *s = layer->state;
	*out = (nno_value){ .shape = { s->out_h, s->out_w, in->shape.c } };
	return NNOPT_OK;
}

static bool lower_adaptive(nno_lowering *l, const nno_op_class *cls)
{
	nno_pool_attr *attr = nno_emit_all(l, cls, 0);
	if (attr != NULL)
		attr->adaptive = true;
	return attr != NULL;
}

static bool lower_adaptive_max(const nnopt_layer *layer, nno_lowering *l)
{
	(void)layer;
	return lower_adaptive(l, &nno_op_max_pool);
}

static bool lower_adaptive_avg(const nnopt_layer *layer, nno_lowering *l)
{
	(void)layer;
	return lower_adaptive(l, &nno_op_avg_pool);
}

const nno_layer_class nno_layer_max_pool2d = {
	.kind = "max_pool2d",
	.min_inputs = 1,
	.max_inputs = 1,
	.state_size = sizeof(pool2d),
	.defaults = &defaults,
	.fields = fields,
	.field_count = NNO_COUNT(fields),
	.check = check,
	.shape = shape,
	.lower = lower_max,
};
const nno_layer_class nno_layer_avg_pool2d = {
	.kind = "avg_pool2d",
	.min_inputs = 1,
	.max_inputs = 1,
	.state_size = sizeof(pool2d),
	.defaults = &defaults,
	.fields = fields,
	.field_count = NNO_COUNT(fields),
	.check = check,
	.shape = shape,
	.lower = lower_avg,
};
const nno_layer_class nno_layer_adaptive_max_pool2d = {
	.kind = "adaptive_max_pool2d",
	.min_inputs = 1,
	.max_inputs = 1,
	.state_size = sizeof(adaptive),
	.fields = adaptive_fields,
	.field_count = NNO_COUNT(adaptive_fields),
	.check = adaptive_check,
	.shape = adaptive_shape,
	.lower = lower_adaptive_max,
};
const nno_layer_class nno_layer_adaptive_avg_pool2d = {
	.kind = "adaptive_avg_pool2d",
	.min_inputs = 1,
	.max_inputs = 1,
	.state_size = sizeof(adaptive),
	.fields = adaptive_fields,
	.field_count = NNO_COUNT(adaptive_fields),
	.check = adaptive_check,
	.shape = adaptive_shape,
	.lower = lower_adaptive_avg,
};
const nno_layer_class nno_layer_global_max_pool2d = {
	.kind = "global_max_pool2d",
	.min_inputs = 1,
	.max_inputs = 1,
	.state_size = sizeof(adaptive),
	.defaults = &global,
	.shape = adaptive_shape,
	.lower = lower_adaptive_max,
};
const nno_layer_class nno_layer_global_avg_pool2d = {
	.kind = "global_avg_pool2d",
	.min_inputs = 1,
	.max_inputs = 1,
	.state_size = sizeof(adaptive),
	.defaults = &global,
	.shape = adaptive_shape,
	.lower = lower_adaptive_avg,
};

static const nnopt_pool2d_options option_defaults = { .struct_size = sizeof(nnopt_pool2d_options),
						      .count_include_pad = 1 };

static nnopt_status create(nnopt_layer **out, nnopt_context *context, const nno_layer_class *cls, int64_t kernel,
			   const nnopt_pool2d_options *options)
{
	nnopt_pool2d_options o = option_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "pool2d_options"));
	pool2d state = { .kernel_h = o.kernel_h != 0 ? o.kernel_h : kernel,
			 .kernel_w = o.kernel_w != 0 ? o.kernel_w : kernel,
			 .stride_h = o.stride_h,
			 .stride_w = o.stride_w,
			 .padding_h = o.padding_h,
			 .padding_w = o.padding_w,
			 .ceil_mode = o.ceil_mode != 0,
			 .count_include_pad = o.count_include_pad != 0 };
	return nno_layer_make(out, context, cls, &state);
}

nnopt_status nnopt_pool2d_options_init(nnopt_pool2d_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "pool2d_options");
}

nnopt_status nnopt_max_pool2d_create(nnopt_layer **out, nnopt_context *context, int64_t kernel,
				     const nnopt_pool2d_options *options)
{
	return create(out, context, &nno_layer_max_pool2d, kernel, options);
}

nnopt_status nnopt_avg_pool2d_create(nnopt_layer **out, nnopt_context *context, int64_t kernel,
				     const nnopt_pool2d_options *options)
{
	return create(out, context, &nno_layer_avg_pool2d, kernel, options);
}

nnopt_status nnopt_global_avg_pool2d_create(nnopt_layer **out, nnopt_context *context)
{
	return nno_layer_make(out, context, &nno_layer_global_avg_pool2d, &global);
}

nnopt_status nnopt_global_max_pool2d_create(nnopt_layer **out, nnopt_context *context)
{
	return nno_layer_make(out, context, &nno_layer_global_max_pool2d, &global);
}

nnopt_status nnopt_adaptive_avg_pool2d_create(nnopt_layer **out, nnopt_context *context, int64_t out_h, int64_t out_w)
{
	adaptive state = { out_h, out_w };
	return nno_layer_make(out, context, &nno_layer_adaptive_avg_pool2d, &state);
}

nnopt_status nnopt_adaptive_max_pool2d_create(nnopt_layer **out, nnopt_context *context, int64_t out_h, int64_t out_w)
{
	adaptive state = { out_h, out_w };
	return nno_layer_make(out, context, &nno_layer_adaptive_max_pool2d, &state);
}
