/* own_layer.c - a layer whose shape, forward and backward are the caller's functions. */
#include "layer/layer.h"
#include "op/own.h"

#include <stdio.h>
#include <string.h>

typedef struct own {
	char kind[NNO_NAME_BYTES];
	char names[NNO_OP_MAX_PARAMETERS][NNO_NAME_BYTES];
	nnopt_own_layer_options o;
} own;

/* Shapes as the caller's functions see them: (C, H, W) or (features). */
typedef struct seen {
	int64_t extents[NNO_OP_MAX_INPUTS][3];
	const int64_t *shapes[NNO_OP_MAX_INPUTS];
	int32_t ranks[NNO_OP_MAX_INPUTS];
} seen;

static void see(seen *s, const nno_value *in, int n_in)
{
	for (int i = 0; i < n_in; i++) {
		s->extents[i][0] = in[i].shape.c;
		s->extents[i][1] = in[i].shape.h;
		s->extents[i][2] = in[i].shape.w;
		s->shapes[i] = s->extents[i];
		s->ranks[i] = in[i].flat ? 1 : 3;
	}
}

static nnopt_status shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out)
{
	const own *s = layer->state;
	if (n_in != s->o.input_count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %d inputs, %d wanted", s->kind, n_in,
				s->o.input_count);
	if (s->o.shape == NULL)
		return nno_layer_same_shape(layer, in, n_in, out);
	seen view;
	see(&view, in, n_in);
	int64_t extents[NNOPT_MAX_RANK] = { 0 };
	int32_t rank = 0;
	unsigned before = nno_failures();
	if (nno_fail_caller(before, s->o.shape(n_in, view.shapes, view.ranks, extents, &rank, s->o.user)) != NNOPT_OK)
		return nno_fail_in(NNOPT_ERROR_CALLBACK, "%s: shape function", s->kind);
	if (rank != 1 && rank != 3)
		return nno_fail(NNOPT_ERROR_CALLBACK, "%s: the shape function gave rank %d, 3 (C, H, W) or 1 wanted",
				s->kind, rank);
	for (int i = 0; i < rank; i++)
		if (extents[i] < 1 || extents[i] > (int64_t)1 << 24)
			return nno_fail(NNOPT_ERROR_CALLBACK, "%s: the shape function gave extent %lld, 1 to %d wanted",
					s->kind, (long long)extents[i], 1 << 24);
	*out = rank == 3 ? (nno_value){ .shape = { extents[1], extents[2], extents[0] } }
			 : (nno_value){ .shape = { 1, 1, extents[0] }, .flat = true };
	return NNOPT_OK;
}

static bool parameter_shape(const own *s, int index, const seen *view, nno_spec *spec)
{
	int64_t extents[NNOPT_MAX_RANK] = { 0 };
	int32_t rank = 0;
	unsigned before = nno_failures();
	if (nno_fail_caller(before, s->o.parameter_shape(index, s->o.input_count, view->shapes, view->ranks, extents,
							 &rank, s->o.user)) != NNOPT_OK) {
		nno_fail_in(NNOPT_ERROR_CALLBACK, "%s: parameter_shape function", s->kind);
		return false;
	}
	bool good = rank >= 1 && rank <= 4;
	for (int i = 0; good && i < rank; i++)
		good = extents[i] >= 1 && extents[i] <= (int64_t)1 << 24;
	if (!good) {
		nno_fail(NNOPT_ERROR_CALLBACK,
			 "%s: the parameter_shape function gave rank %d or an extent out of range", s->kind, rank);
		return false;
	}
	*spec = (nno_spec){ .name = s->names[index],
			    .role = NNOPT_ROLE_OTHER,
			    .rank = rank,
			    .order = { 0, 1, 2, 3 },
			    .init = s->o.parameter_inits[index],
			    .value = s->o.parameter_values[index],
			    .fan_in = 1.0,
			    .fan_out = (double)extents[0] };
	memcpy(spec->shape, extents, sizeof spec->shape);
	/* PyTorch's fans: axes beyond the second are a receptive field. */
	for (int i = 1; i < rank; i++)
		spec->fan_in *= (double)extents[i];
	for (int i = 2; i < rank; i++)
		spec->fan_out *= (double)extents[i];
	return true;
}

static int parameters(const nnopt_layer *layer, const nno_value *in, int n_in, nno_spec spec[NNO_OP_MAX_PARAMETERS])
{
	const own *s = layer->state;
	seen view;
	see(&view, in, n_in);
	for (int i = 0; i < s->o.parameter_count; i++)
		if (!parameter_shape(s, i, &view, &spec[i]))
			return -1;
	return s->o.parameter_count;
}

static bool lower(const nnopt_layer *layer, nno_lowering *l)
{
	const own *s = layer->state;
	nno_own_attr *a = nno_emit_all(l, &nno_op_own, s->o.parameter_count);
	if (a == NULL)
		return false;
	a->context = layer->context;
	a->forward_fn = s->o.forward;
	a->backward_fn = s->o.backward;
	a->user = s->o.user;
	a->out_flat = l->out.flat;
	for (int i = 0; i < l->n_in; i++)
		a->in_flat[i] = l->in[i].flat;
	for (int i = 0; i < s->o.parameter_count; i++) {
		a->param_rank[i] = l->spec[i]->rank;
		memcpy(a->param_shape[i], l->spec[i]->shape, sizeof a->param_shape[i]);
	}
	return true;
}

static const char *own_kind(const void *state) { return ((const own *)state)->kind; }

static void destroy(void *state)
{
	const own *s = state;
	if (s->o.destroy != NULL)
		s->o.destroy(s->o.user);
}

static const nno_layer_class own_class = {
	.kind = "own",
	.min_inputs = 1,
	.max_inputs = NNO_OP_MAX_INPUTS,
	.state_size = sizeof(own),
	.shape = shape,
	.parameters = parameters,
	.lower = lower,
	.destroy = destroy,
	.own_kind = own_kind,
};

static const nnopt_own_layer_options option_defaults = { .struct_size = sizeof(nnopt_own_layer_options),
							 .input_count = 1 };

static nnopt_status check_options(const nnopt_own_layer_options *o)
{
	if (o->forward == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "own_layer_options: forward is NULL");
	if (o->input_count < 1 || o->input_count > NNO_OP_MAX_INPUTS)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "own_layer_options: input_count %d, 1 to %d wanted",
				o->input_count, NNO_OP_MAX_INPUTS);
	if (o->parameter_count < 0 || o->parameter_count > NNO_OP_MAX_PARAMETERS)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "own_layer_options: parameter_count %d, 0 to %d wanted",
				o->parameter_count, NNO_OP_MAX_PARAMETERS);
	if (o->parameter_count > 0 && o->parameter_shape == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"own_layer_options: %d parameters and parameter_shape is NULL", o->parameter_count);
	for (int i = 0; i < o->parameter_count; i++) {
		NNO_TRY(nno_layer_check_init("own_layer_options", "parameter_inits", o->parameter_inits[i],
					     o->parameter_values[i]));
		if (o->parameter_names[i] != NULL && o->parameter_names[i][0] == '\0')
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "own_layer_options: parameter_names[%d] is empty",
					i);
		if (o->parameter_names[i] != NULL && strlen(o->parameter_names[i]) >= NNO_NAME_BYTES)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"own_layer_options: parameter_names[%d] is longer than %d bytes", i,
					NNO_NAME_BYTES - 1);
	}
	if (o->kind != NULL && strlen(o->kind) >= NNO_NAME_BYTES)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "own_layer_options: kind is longer than %d bytes",
				NNO_NAME_BYTES - 1);
	return NNOPT_OK;
}

nnopt_status nnopt_own_layer_options_init(nnopt_own_layer_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "own_layer_options");
}

nnopt_status nnopt_own_layer_create(nnopt_layer **out, nnopt_context *context, const nnopt_own_layer_options *options)
{
	own state = { .o = option_defaults };
	if (options == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "own_layer_create: options is NULL");
	NNO_TRY(nnopt_options_read(&state.o, sizeof state.o, options, "own_layer_options"));
	NNO_TRY(check_options(&state.o));
	snprintf(state.kind, sizeof state.kind, "%s", state.o.kind != NULL ? state.o.kind : "own");
	for (int i = 0; i < state.o.parameter_count; i++) {
		if (state.o.parameter_names[i] != NULL)
			snprintf(state.names[i], sizeof state.names[i], "%s", state.o.parameter_names[i]);
		else
			snprintf(state.names[i], sizeof state.names[i], "parameter%d", i);
		state.o.parameter_names[i] = NULL;
		for (int k = 0; k < i; k++)
			if (strcmp(state.names[k], state.names[i]) == 0)
				return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
						"own_layer_options: parameters %d and %d are both called '%s'", k, i,
						state.names[i]);
	}
	state.o.kind = NULL;
	return nno_layer_make(out, context, &own_class, &state);
}
