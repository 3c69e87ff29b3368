/* multiply_layer.c - products: of two inputs, and by a constant. */
#include "layer/layer.h"

#include <math.h>

static bool same_shape(const nno_value *a, const nno_value *b)
{
	return a->flat == b->flat && a->shape.h == b->shape.h && a->shape.w == b->shape.w && a->shape.c == b->shape.c;
}

/* A factor for each channel: one pixel, or as many features. In memory they are the same. */
static bool are_factors(const nno_value *picture, const nno_value *factors)
{
	return !picture->flat && factors->shape.h * factors->shape.w == 1 && factors->shape.c == picture->shape.c;
}

static nnopt_status multiply_shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	if (!same_shape(&in[0], &in[1]) && !are_factors(&in[0], &in[1]))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"multiply: input 1 of shape (N, %lld, %lld, %lld), that of input 0 (N, %lld, %lld, "
				"%lld) or its (N, %lld, 1, 1) wanted",
				(long long)in[1].shape.c, (long long)in[1].shape.h, (long long)in[1].shape.w,
				(long long)in[0].shape.c, (long long)in[0].shape.h, (long long)in[0].shape.w,
				(long long)in[0].shape.c);
	return nno_layer_same_shape(layer, in, n_in, out);
}

static bool multiply_lower(const nnopt_layer *layer, nno_lowering *l)
{
	(void)layer;
	return nno_emit_all(l, &nno_op_multiply, 0) != NULL;
}

const nno_layer_class nno_layer_multiply = {
	.kind = "multiply",
	.min_inputs = 2,
	.max_inputs = 2,
	.shape = multiply_shape,
	.lower = multiply_lower,
};

typedef struct scale {
	float factor;
} scale;

static const nno_field scale_fields[] = { NNO_FIELD(scale, factor, NNO_FIELD_F32, true) };

static nnopt_status scale_check(const void *state)
{
	const scale *s = state;
	if (!isfinite(s->factor))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "scale: factor %g, a finite one wanted",
				(double)s->factor);
	return NNOPT_OK;
}

static bool scale_lower(const nnopt_layer *layer, nno_lowering *l)
{
	const scale *s = layer->state;
	nno_scale_attr *attr = nno_emit_all(l, &nno_op_scale, 0);
	if (attr != NULL)
		attr->factor = s->factor;
	return attr != NULL;
}

const nno_layer_class nno_layer_scale = {
	.kind = "scale",
	.min_inputs = 1,
	.max_inputs = 1,
	.state_size = sizeof(scale),
	.fields = scale_fields,
	.field_count = NNO_COUNT(scale_fields),
	.check = scale_check,
	.shape = nno_layer_same_shape,
	.lower = scale_lower,
};

nnopt_status nnopt_multiply_create(nnopt_layer **out, nnopt_context *context)
{
	return nno_layer_make(out, context, &nno_layer_multiply, NULL);
}

nnopt_status nnopt_scale_create(nnopt_layer **out, nnopt_context *context, float factor)
{
	scale state = { .factor = factor };
	return nno_layer_make(out, context, &nno_layer_scale, &state);
}
