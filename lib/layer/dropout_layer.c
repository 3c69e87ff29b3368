/* dropout_layer.c - inverted dropout of elements, channels, blocks of pixels and samples; the plan removes it from
 * inference. */
#include "layer/layer.h"

typedef struct dropout {
	float p;
	int64_t block_size; /* drop_block */
} dropout;

static const nno_field fields[] = { NNO_FIELD(dropout, p, NNO_FIELD_F32, true) };
static const nno_field block_fields[] = { NNO_FIELD(dropout, p, NNO_FIELD_F32, true),
					  NNO_FIELD(dropout, block_size, NNO_FIELD_I64, true) };

static nnopt_status check_rate(const char *kind, const void *state)
{
	const dropout *s = state;
	if (!(s->p >= 0.0f && s->p < 1.0f))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: p %g, 0 <= p < 1 wanted", kind, (double)s->p);
	return NNOPT_OK;
}

static nnopt_status check_elements(const void *state) { return check_rate("dropout", state); }
static nnopt_status check_channels(const void *state) { return check_rate("dropout2d", state); }
static nnopt_status check_samples(const void *state) { return check_rate("stochastic_depth", state); }

static nnopt_status check_blocks(const void *state)
{
	const dropout *s = state;
	if (s->block_size < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "drop_block: block_size %lld, 1 or more wanted",
				(long long)s->block_size);
	return check_rate("drop_block", state);
}

static nnopt_status picture_shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	NNO_TRY(nno_layer_wants_rank4(layer, in));
	return nno_layer_same_shape(layer, in, n_in, out);
}

static bool lower_to(const nnopt_layer *layer, nno_lowering *l, const nno_op_class *cls)
{
	const dropout *s = layer->state;
	nno_dropout_attr *attr = nno_emit_all(l, cls, 0);
	if (attr != NULL)
		*attr = (nno_dropout_attr){ .p = s->p, .block_size = s->block_size };
	return attr != NULL;
}

static bool lower(const nnopt_layer *layer, nno_lowering *l) { return lower_to(layer, l, &nno_op_dropout); }
static bool lower_channels(const nnopt_layer *layer, nno_lowering *l) { return lower_to(layer, l, &nno_op_dropout2d); }
static bool lower_blocks(const nnopt_layer *layer, nno_lowering *l) { return lower_to(layer, l, &nno_op_drop_block); }
static bool lower_samples(const nnopt_layer *layer, nno_lowering *l)
{
	return lower_to(layer, l, &nno_op_stochastic_depth);
}

#define COMMON(list) \
	.min_inputs = 1, .max_inputs = 1, .state_size = sizeof(dropout), .fields = list, .field_count = NNO_COUNT(list)

const nno_layer_class nno_layer_dropout = {
	.kind = "dropout", COMMON(fields), .check = check_elements, .shape = nno_layer_same_shape, .lower = lower
};
const nno_layer_class nno_layer_dropout2d = {
	.kind = "dropout2d", COMMON(fields), .check = check_channels, .shape = picture_shape, .lower = lower_channels
};
const nno_layer_class nno_layer_drop_block = {
	.kind = "drop_block", COMMON(block_fields), .check = check_blocks, .shape = picture_shape, .lower = lower_blocks
};
const nno_layer_class nno_layer_stochastic_depth = { .kind = "stochastic_depth",
						     COMMON(fields),
						     .check = check_samples,
						     .shape = nno_layer_same_shape,
						     .lower = lower_samples };

nnopt_status nnopt_dropout_create(nnopt_layer **out, nnopt_context *context, float p)
{
	dropout state = { .p = p };
	return nno_layer_make(out, context, &nno_layer_dropout, &state);
}

nnopt_status nnopt_dropout2d_create(nnopt_layer **out, nnopt_context *context, float p)
{
	dropout state = { .p = p };
	return nno_layer_make(out, context, &nno_layer_dropout2d, &state);
}

nnopt_status nnopt_drop_block_create(nnopt_layer **out, nnopt_context *context, int64_t block_size, float p)
{
	dropout state = { .p = p, .block_size = block_size };
	return nno_layer_make(out, context, &nno_layer_drop_block, &state);
}

nnopt_status nnopt_stochastic_depth_create(nnopt_layer **out, nnopt_context *context, float p)
{
	dropout state = { .p = p };
	return nno_layer_make(out, context, &nno_layer_stochastic_depth, &state);
}
