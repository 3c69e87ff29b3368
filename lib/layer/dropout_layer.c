/* dropout_layer.c - inverted dropout; the plan removes it from inference. */
#include "layer/layer.h"

typedef struct dropout {
	float p;
} dropout;

static const nno_field fields[] = { NNO_FIELD(dropout, p, NNO_FIELD_F32, true) };

static nnopt_status check(const void *state)
{
	const dropout *s = state;
	if (!(s->p >= 0.0f && s->p < 1.0f))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dropout: p %g, 0 <= p < 1 wanted", (double)s->p);
	return NNOPT_OK;
}

static bool lower(const nnopt_layer *layer, nno_lowering *l)
{
	const dropout *s = layer->state;
	nno_dropout_attr *attr = nno_emit_all(l, &nno_op_dropout, 0);
	if (attr != NULL)
		attr->p = s->p;
	return attr != NULL;
}

const nno_layer_class nno_layer_dropout = {
	.kind = "dropout",
	.min_inputs = 1,
	.max_inputs = 1,
	.state_size = sizeof(dropout),
	.fields = fields,
	.field_count = NNO_COUNT(fields),
	.check = check,
	.shape = nno_layer_same_shape,
	.lower = lower,
};

nnopt_status nnopt_dropout_create(nnopt_layer **out, nnopt_context *context, float p)
{
	dropout state = { .p = p };
	return nno_layer_make(out, context, &nno_layer_dropout, &state);
}
