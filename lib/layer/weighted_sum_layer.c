/* weighted_sum_layer.c - the sum of several inputs, each times a weight that is given, or learned with the network. */
#include "layer/layer.h"

#include <math.h>

typedef struct weighted_sum {
	int64_t weight_count; /* 0: equal weights, as many as there are inputs */
	int32_t learned, normalise;
	float weights[NNO_OP_MAX_INPUTS];
} weighted_sum;

static const weighted_sum defaults = { .normalise = 1 };

#define WEIGHT(k)                                                                                        \
	{                                                                                                \
		"weight" #k, NNO_FIELD_F32, offsetof(weighted_sum, weights) + (k) * sizeof(float), false \
	}

static const nno_field fields[] = {
	NNO_FIELD(weighted_sum, learned, NNO_FIELD_BOOL, false),
	NNO_FIELD(weighted_sum, normalise, NNO_FIELD_BOOL, false),
	NNO_FIELD(weighted_sum, weight_count, NNO_FIELD_I64, false),
	WEIGHT(0),
	WEIGHT(1),
	WEIGHT(2),
	WEIGHT(3),
	WEIGHT(4),
	WEIGHT(5),
	WEIGHT(6),
	WEIGHT(7),
};

static nnopt_status check(const void *state)
{
	const weighted_sum *s = state;
	double sum = 0.0;
	if (s->weight_count < 0 || s->weight_count == 1 || s->weight_count > NNO_OP_MAX_INPUTS)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "weighted_sum: weight_count %lld, 0 or 2 to %d wanted",
				(long long)s->weight_count, NNO_OP_MAX_INPUTS);
	if (s->learned && s->weight_count > 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"weighted_sum: %lld weights given, none where they are learned wanted: set the "
				"parameter 'weight' of the model",
				(long long)s->weight_count);
	for (int64_t k = 0; k < s->weight_count; k++) {
		double w = (double)s->weights[k];
		if (!isfinite(w) || (s->normalise && w < 0.0))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "weighted_sum: weight %lld is %g, %s wanted",
					(long long)k, w, s->normalise ? "0 or more" : "a finite number");
		sum += w;
	}
	if (s->normalise && s->weight_count > 0 && !(sum > 0.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"weighted_sum: the weights add up to %g, more than 0 to normalise by wanted", sum);
	return NNOPT_OK;
}

static nnopt_status shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	const weighted_sum *s = layer->state;
	if (s->weight_count > 0 && s->weight_count != n_in)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "weighted_sum: %lld weights for %d inputs, %d wanted",
				(long long)s->weight_count, n_in, n_in);
	for (int i = 1; i < n_in; i++)
		if (in[i].flat != in[0].flat || in[i].shape.h != in[0].shape.h || in[i].shape.w != in[0].shape.w ||
		    in[i].shape.c != in[0].shape.c)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"weighted_sum: input %d of shape (N, %lld, %lld, %lld), (N, %lld, %lld, %lld) "
					"as input 0 wanted",
					i, (long long)in[i].shape.c, (long long)in[i].shape.h, (long long)in[i].shape.w,
					(long long)in[0].shape.c, (long long)in[0].shape.h, (long long)in[0].shape.w);
	return nno_layer_same_shape(layer, in, n_in, out);
}

/* Learned weights start equal: of softmax any constant makes them so. */
static int parameters(const nnopt_layer *layer, const nno_value *in, int n_in, nno_spec *spec)
{
	(void)in;
	const weighted_sum *s = layer->state;
	if (!s->learned)
		return 0;
	spec[0] = (nno_spec){ .name = "weight",
			      .role = NNOPT_ROLE_SCALE,
			      .rank = 1,
			      .shape = { n_in },
			      .init = NNOPT_INIT_CONSTANT,
			      .value = s->normalise ? 0.0f : 1.0f / (float)n_in };
	return 1;
}

static bool lower(const nnopt_layer *layer, nno_lowering *l)
{
	const weighted_sum *s = layer->state;
	nno_weighted_sum_attr *attr = nno_emit_all(l, &nno_op_weighted_sum, s->learned ? 1 : 0);
	if (attr == NULL)
		return false;
	attr->learned = s->learned != 0;
	attr->softmax = s->normalise != 0;
	double sum = 0.0;
	for (int k = 0; k < l->n_in; k++)
		sum += s->weight_count > 0 ? (double)s->weights[k] : 1.0;
	for (int k = 0; k < l->n_in; k++) {
		double w = s->weight_count > 0 ? (double)s->weights[k] : 1.0;
		bool whole = s->weight_count > 0 && !s->normalise;
		attr->weights[k] = (float)(whole ? w : w / sum);
	}
	return true;
}

const nno_layer_class nno_layer_weighted_sum = {
	.kind = "weighted_sum",
	.min_inputs = 2,
	.max_inputs = NNO_OP_MAX_INPUTS,
	.state_size = sizeof(weighted_sum),
	.defaults = &defaults,
	.fields = fields,
	.field_count = NNO_COUNT(fields),
	.check = check,
	.shape = shape,
	.parameters = parameters,
	.lower = lower,
};

static const nnopt_weighted_sum_options option_defaults = { .struct_size = sizeof(nnopt_weighted_sum_options),
							    .normalise = 1 };

nnopt_status nnopt_weighted_sum_options_init(nnopt_weighted_sum_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "weighted_sum_options");
}

nnopt_status nnopt_weighted_sum_create(nnopt_layer **out, nnopt_context *context,
				       const nnopt_weighted_sum_options *options)
{
	nnopt_weighted_sum_options o = option_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "weighted_sum_options"));
	weighted_sum state = { .weight_count = o.weight_count,
			       .learned = o.learned != 0,
			       .normalise = o.normalise != 0 };
	if (o.weight_count != 0 && o.weights == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "weighted_sum: weight_count %lld, and weights is NULL",
				(long long)o.weight_count);
	if (o.weight_count == 0 && o.weights != NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "weighted_sum: weights given, and weight_count is 0");
	for (int64_t k = 0; k < o.weight_count && k < NNO_OP_MAX_INPUTS; k++)
		state.weights[k] = (float)o.weights[k];
	return nno_layer_make(out, context, &nno_layer_weighted_sum, &state);
}
