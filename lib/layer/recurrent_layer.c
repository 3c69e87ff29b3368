/* recurrent_layer.c - lstm and gru over the rows, columns or pixels of a picture; semantics, parameters and first
 * values of torch.nn.LSTM and torch.nn.GRU with one layer. Weights are public as (gates, in), stored as (in, gates).
 * Both directions are two ops, whose results are joined. */
#include "layer/layer.h"

typedef struct recurrent {
	int64_t hidden_size, sequence, output, input_init, recurrent_init, bias_init;
	int32_t bidirectional, use_bias;
	float weight_value, bias_value;
} recurrent;

static const recurrent defaults = { .use_bias = 1 };

static const nno_field fields[] = {
	NNO_FIELD(recurrent, hidden_size, NNO_FIELD_I64, true),
	NNO_FIELD(recurrent, sequence, NNO_FIELD_I64, false),
	NNO_FIELD(recurrent, output, NNO_FIELD_I64, false),
	NNO_FIELD(recurrent, bidirectional, NNO_FIELD_BOOL, false),
	NNO_FIELD(recurrent, use_bias, NNO_FIELD_BOOL, false),
	NNO_FIELD(recurrent, input_init, NNO_FIELD_I64, false),
	NNO_FIELD(recurrent, recurrent_init, NNO_FIELD_I64, false),
	NNO_FIELD(recurrent, bias_init, NNO_FIELD_I64, false),
	NNO_FIELD(recurrent, weight_value, NNO_FIELD_F32, false),
	NNO_FIELD(recurrent, bias_value, NNO_FIELD_F32, false),
};

_Static_assert((int)NNO_ROWS == NNOPT_SEQUENCE_ROWS && (int)NNO_COLUMNS == NNOPT_SEQUENCE_COLUMNS &&
		   (int)NNO_PIXELS == NNOPT_SEQUENCE_PIXELS,
	       "ops read sequences as the public header names them");

static nnopt_status check_of(const char *kind, const recurrent *s)
{
	if (s->hidden_size < 1 || s->hidden_size > 1 << 24)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: hidden_size %lld, 1 to %d wanted", kind,
				(long long)s->hidden_size, 1 << 24);
	if (s->sequence < NNOPT_SEQUENCE_ROWS || s->sequence > NNOPT_SEQUENCE_PIXELS)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: sequence %lld, %d to %d wanted", kind,
				(long long)s->sequence, NNOPT_SEQUENCE_ROWS, NNOPT_SEQUENCE_PIXELS);
	if (s->output < NNOPT_RECURRENT_LAST || s->output > NNOPT_RECURRENT_ALL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: output %lld, %d or %d wanted", kind,
				(long long)s->output, NNOPT_RECURRENT_LAST, NNOPT_RECURRENT_ALL);
	NNO_TRY(nno_layer_check_init(kind, "input_init", s->input_init, s->weight_value));
	NNO_TRY(nno_layer_check_init(kind, "recurrent_init", s->recurrent_init, s->weight_value));
	return nno_layer_check_init(kind, "bias_init", s->bias_init, s->bias_value);
}

static nnopt_status lstm_check(const void *state) { return check_of("lstm", state); }
static nnopt_status gru_check(const void *state) { return check_of("gru", state); }

/* The result of one direction. The axis along which the sequence runs keeps its place. */
static nno_value one_direction(const recurrent *s, const nno_value *in)
{
	nno_value out = { .shape = { in->shape.h, in->shape.w, s->hidden_size } };
	if (s->output == NNOPT_RECURRENT_LAST)
		return (nno_value){ .shape = { 1, 1, s->hidden_size }, .flat = true };
	if (s->sequence == NNOPT_SEQUENCE_ROWS)
		out.shape.w = 1;
	if (s->sequence == NNOPT_SEQUENCE_COLUMNS)
		out.shape.h = 1;
	return out;
}

static nnopt_status shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	(void)n_in;
	const recurrent *s = layer->state;
	NNO_TRY(nno_layer_wants_rank4(layer, in));
	*out = one_direction(s, in);
	out->shape.c *= s->bidirectional ? 2 : 1;
	return NNOPT_OK;
}

static nno_spec weight_spec(const char *name, int64_t out, int64_t in, int64_t init, const recurrent *s)
{
	return (nno_spec){ .name = name,
			   .role = NNOPT_ROLE_WEIGHT,
			   .rank = 2,
			   .shape = { out, in },
			   .order = { 1, 0 },
			   .init = (int)init,
			   .value = s->weight_value,
			   /* PyTorch's first values are within 1 / sqrt(hidden size), whatever comes in. */
			   .fan_in = (double)(init == NNOPT_INIT_DEFAULT ? s->hidden_size : in),
			   .fan_out = (double)out };
}

static nno_spec bias_spec(const char *name, int64_t out, const recurrent *s)
{
	return (nno_spec){ .name = name,
			   .role = NNOPT_ROLE_BIAS,
			   .rank = 1,
			   .shape = { out },
			   .init = (int)s->bias_init,
			   .value = s->bias_value,
			   .fan_in = (double)s->hidden_size,
			   .fan_out = (double)out };
}

static int64_t features_of(const recurrent *s, nno_shape in)
{
	return s->sequence == NNOPT_SEQUENCE_ROWS      ? in.w * in.c
	       : s->sequence == NNOPT_SEQUENCE_COLUMNS ? in.h * in.c
						       : in.c;
}

static int parameters_of(const recurrent *s, int64_t gates, nno_shape in, nno_spec *spec)
{
	static const char *const names[2][4] = { { "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0" },
						 { "weight_ih_l0_reverse", "weight_hh_l0_reverse", "bias_ih_l0_reverse",
						   "bias_hh_l0_reverse" } };
	int64_t out = gates * s->hidden_size;
	int n = 0;
	for (int d = 0; d < (s->bidirectional ? 2 : 1); d++) {
		spec[n++] = weight_spec(names[d][0], out, features_of(s, in), s->input_init, s);
		spec[n++] = weight_spec(names[d][1], out, s->hidden_size, s->recurrent_init, s);
		for (int k = 2; k < 4 && s->use_bias; k++)
			spec[n++] = bias_spec(names[d][k], out, s);
	}
	return n;
}

static int lstm_parameters(const nnopt_layer *layer, const nno_value *in, int n_in, nno_spec *spec)
{
	(void)n_in;
	return parameters_of(layer->state, 4, in->shape, spec);
}

static int gru_parameters(const nnopt_layer *layer, const nno_value *in, int n_in, nno_spec *spec)
{
	(void)n_in;
	return parameters_of(layer->state, 3, in->shape, spec);
}

static bool lower(const recurrent *s, nno_lowering *l, const nno_op_class *cls)
{
	nno_shape each = one_direction(s, l->in).shape;
	int n_param = s->use_bias ? 4 : 2;
	for (int d = 0; d < (s->bidirectional ? 2 : 1); d++) {
		nno_recurrent_attr *attr = l->emit(l, cls, (int[]){ 0 }, 1, each, d * n_param, n_param);
		if (attr == NULL)
			return false;
		*attr = (nno_recurrent_attr){ .sequence = (nno_sequence)s->sequence,
					      .reverse = d == 1,
					      .last = s->output == NNOPT_RECURRENT_LAST,
					      .bias = s->use_bias != 0 };
	}
	return !s->bidirectional || l->emit(l, &nno_op_concat, (int[]){ 1, 2 }, 2, l->out.shape, 0, 0) != NULL;
}

static bool lstm_lower(const nnopt_layer *layer, nno_lowering *l) { return lower(layer->state, l, &nno_op_lstm); }
static bool gru_lower(const nnopt_layer *layer, nno_lowering *l) { return lower(layer->state, l, &nno_op_gru); }

#define RECURRENT                                                                                                   \
	.min_inputs = 1, .max_inputs = 1, .state_size = sizeof(recurrent), .defaults = &defaults, .fields = fields, \
	.field_count = NNO_COUNT(fields), .shape = shape

const nno_layer_class nno_layer_lstm = {
	.kind = "lstm", RECURRENT, .check = lstm_check, .parameters = lstm_parameters, .lower = lstm_lower
};
const nno_layer_class nno_layer_gru = {
	.kind = "gru", RECURRENT, .check = gru_check, .parameters = gru_parameters, .lower = gru_lower
};

static const nnopt_recurrent_options option_defaults = { .struct_size = sizeof(nnopt_recurrent_options),
							 .use_bias = 1 };

nnopt_status nnopt_recurrent_options_init(nnopt_recurrent_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "recurrent_options");
}

static nnopt_status create(nnopt_layer **out, nnopt_context *context, const nno_layer_class *cls, int64_t hidden_size,
			   const nnopt_recurrent_options *options)
{
	nnopt_recurrent_options o = option_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "recurrent_options"));
	recurrent state = { .hidden_size = hidden_size,
			    .sequence = o.sequence,
			    .output = o.output,
			    .input_init = o.input_init,
			    .recurrent_init = o.recurrent_init,
			    .bias_init = o.bias_init,
			    .bidirectional = o.bidirectional != 0,
			    .use_bias = o.use_bias != 0,
			    .weight_value = o.weight_value,
			    .bias_value = o.bias_value };
	return nno_layer_make(out, context, cls, &state);
}

nnopt_status nnopt_lstm_create(nnopt_layer **out, nnopt_context *context, int64_t hidden_size,
			       const nnopt_recurrent_options *options)
{
	return create(out, context, &nno_layer_lstm, hidden_size, options);
}

nnopt_status nnopt_gru_create(nnopt_layer **out, nnopt_context *context, int64_t hidden_size,
			      const nnopt_recurrent_options *options)
{
	return create(out, context, &nno_layer_gru, hidden_size, options);
}
