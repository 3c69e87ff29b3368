/* joint_layer.c - layers that only rearrange or join values: flatten, add, concat. */
#include "base/size.h"
#include "layer/layer.h"

static bool same_extent(const nno_value *a, const nno_value *b)
{
	return a->flat == b->flat && a->shape.h == b->shape.h && a->shape.w == b->shape.w;
}

static nnopt_status flatten_shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	(void)layer;
	(void)n_in;
	*out = (nno_value){ .shape = { 1, 1, nno_shape_count(in->shape) }, .flat = true };
	return NNOPT_OK;
}

static bool flatten_lower(const nnopt_layer *layer, nno_lowering *l)
{
	(void)layer;
	return nno_emit_all(l, &nno_op_flatten, 0) != NULL;
}

static nnopt_status add_shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	for (int i = 1; i < n_in; i++)
		if (!same_extent(&in[i], &in[0]) || in[i].shape.c != in[0].shape.c)
			return nno_fail(
			    NNOPT_ERROR_INVALID_ARGUMENT,
			    "add: input %d of shape (N, %lld, %lld, %lld), (N, %lld, %lld, %lld) as input 0 wanted", i,
			    (long long)in[i].shape.c, (long long)in[i].shape.h, (long long)in[i].shape.w,
			    (long long)in[0].shape.c, (long long)in[0].shape.h, (long long)in[0].shape.w);
	return nno_layer_same_shape(layer, in, n_in, out);
}

static bool add_lower(const nnopt_layer *layer, nno_lowering *l)
{
	(void)layer;
	return nno_emit_all(l, &nno_op_add, 0) != NULL;
}

static nnopt_status concat_shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	(void)layer;
	int64_t channels = 0;
	for (int i = 0; i < n_in; i++) {
		if (!same_extent(&in[i], &in[0]))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"concat: input %d is %lldx%lld, %lldx%lld as input 0 wanted", i,
					(long long)in[i].shape.h, (long long)in[i].shape.w, (long long)in[0].shape.h,
					(long long)in[0].shape.w);
		if (!nno_i64_add(channels, in[i].shape.c, &channels))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "concat: the sum of channels overflows");
	}
	*out = in[0];
	out->shape.c = channels;
	return NNOPT_OK;
}

static bool concat_lower(const nnopt_layer *layer, nno_lowering *l)
{
	(void)layer;
	return nno_emit_all(l, &nno_op_concat, 0) != NULL;
}

const nno_layer_class nno_layer_flatten = {
	.kind = "flatten",
	.min_inputs = 1,
	.max_inputs = 1,
	.shape = flatten_shape,
	.lower = flatten_lower,
};
const nno_layer_class nno_layer_add = {
	.kind = "add",
	.min_inputs = 2,
	.max_inputs = NNO_OP_MAX_INPUTS,
	.shape = add_shape,
	.lower = add_lower,
};
const nno_layer_class nno_layer_concat = {
	.kind = "concat",
	.min_inputs = 2,
	.max_inputs = NNO_OP_MAX_INPUTS,
	.shape = concat_shape,
	.lower = concat_lower,
};

nnopt_status nnopt_flatten_create(nnopt_layer **out, nnopt_context *context)
{
	return nno_layer_make(out, context, &nno_layer_flatten, NULL);
}

nnopt_status nnopt_add_create(nnopt_layer **out, nnopt_context *context)
{
	return nno_layer_make(out, context, &nno_layer_add, NULL);
}

nnopt_status nnopt_concat_create(nnopt_layer **out, nnopt_context *context)
{
	return nno_layer_make(out, context, &nno_layer_concat, NULL);
}
