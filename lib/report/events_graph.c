/* events_graph.c - a model as a tensorflow.GraphDef: TensorBoard draws one without knowing its ops. */
#include "report/events.h"

#include "base/json.h"

#include <math.h>
#include <string.h>

enum { EVENT_GRAPH = 4, GRAPH_NODE = 1, GRAPH_VERSIONS = 4, VERSIONS_PRODUCER = 1, PRODUCER = 22 };
enum { NODE_NAME = 1, NODE_OP = 2, NODE_INPUT = 3, NODE_ATTRIBUTE = 5, ENTRY_KEY = 1, ENTRY_VALUE = 2 };
enum { VALUE_LIST = 1, VALUE_INTEGER = 3, VALUE_REAL = 4, VALUE_FLAG = 5, LIST_SHAPE = 7, SHAPE_DIM = 2, DIM_SIZE = 1 };
enum { MOST_TOKENS = 1 << 18 };

/* A name or an input: slashes make the groups that dots are in PyTorch's names. */
static void add_name(nno_text *t, int field, const char *name)
{
	size_t message = nno_wire_open(t, field), at = t->length;
	nno_text_add(t, name);
	for (; !t->failed && at < t->length; at++)
		if (t->data[at] == '.')
			t->data[at] = '/';
	nno_wire_close(t, message);
}

static void add_integer(nno_text *t, const char *key, int64_t value)
{
	size_t entry = nno_wire_open(t, NODE_ATTRIBUTE);
	nno_wire_text(t, ENTRY_KEY, key);
	size_t message = nno_wire_open(t, ENTRY_VALUE);
	nno_wire_number(t, VALUE_INTEGER, (uint64_t)value);
	nno_wire_close(t, message);
	nno_wire_close(t, entry);
}

/* The key that TensorBoard takes the shapes beside its arrows from; -1 is a number of samples that is open. */
static void add_shape(nno_text *t, const nnopt_node_info *node)
{
	size_t entry = nno_wire_open(t, NODE_ATTRIBUTE);
	nno_wire_text(t, ENTRY_KEY, "_output_shapes");
	size_t message = nno_wire_open(t, ENTRY_VALUE), list = nno_wire_open(t, VALUE_LIST),
	       shape = nno_wire_open(t, LIST_SHAPE);
	for (int i = -1; i < node->rank; i++) {
		size_t dim = nno_wire_open(t, SHAPE_DIM);
		nno_wire_number(t, DIM_SIZE, i < 0 ? UINT64_MAX : (uint64_t)node->shape[i]);
		nno_wire_close(t, dim);
	}
	nno_wire_close(t, shape);
	nno_wire_close(t, list);
	nno_wire_close(t, message);
	nno_wire_close(t, entry);
}

/* A layer's option, from the model's JSON. */
static nnopt_status add_option(nno_text *t, const nno_json *j, int key)
{
	char *name = NULL;
	bool flag = false;
	double number = 0.0;
	int value = nno_json_value(j, key);
	nno_json_type type = nno_json_type_of(j, value);
	if (nno_json_equals(j, key, "kind") || nno_json_equals(j, key, "name") || nno_json_equals(j, key, "inputs"))
		return NNOPT_OK;
	NNO_TRY(type == NNO_JSON_BOOL ? nno_json_bool(j, value, &flag) : nno_json_number(j, value, &number));
	NNO_TRY(nno_json_text(j, key, &name));
	if (type == NNO_JSON_NUMBER && number == floor(number) && fabs(number) < 0x1p63) {
		add_integer(t, name, (int64_t)number);
	} else {
		size_t entry = nno_wire_open(t, NODE_ATTRIBUTE);
		nno_wire_text(t, ENTRY_KEY, name);
		size_t message = nno_wire_open(t, ENTRY_VALUE);
		if (type == NNO_JSON_BOOL)
			nno_wire_number(t, VALUE_FLAG, flag);
		else
			nno_wire_float(t, VALUE_REAL, (float)number);
		nno_wire_close(t, message);
		nno_wire_close(t, entry);
	}
	nno_delete(t->alloc, name);
	return NNOPT_OK;
}

static nnopt_status add_node(nno_text *t, const nnopt_model *model, int32_t node, const nno_json *j, int options)
{
	nnopt_node_info info = { .struct_size = sizeof info }, from = { .struct_size = sizeof from };
	nnopt_status status = nnopt_model_node_info(model, node, &info);
	size_t message = nno_wire_open(t, GRAPH_NODE);
	add_name(t, NODE_NAME, info.name);
	nno_wire_text(t, NODE_OP, node == NNOPT_INPUT_NODE ? "Placeholder" : info.kind);
	for (int i = 0; i < info.input_count && status == NNOPT_OK; i++) {
		status = nnopt_model_node_info(model, info.inputs[i], &from);
		add_name(t, NODE_INPUT, from.name);
	}
	if (info.rank > 0)
		add_shape(t, &info);
	if (info.parameters > 0)
		add_integer(t, "parameters", info.parameters);
	for (int key = options >= 0 ? nno_json_first(j, options) : -1; key >= 0 && status == NNOPT_OK;
	     key = nno_json_next(j, key))
		status = add_option(t, j, key);
	nno_wire_close(t, message);
	return status;
}

/* The model's JSON; a model with layers of the caller's own has none, and its graph no options. */
static nnopt_status read_options(nnopt_context *context, const nnopt_model *model, char **text, nno_json **j)
{
	size_t n = 0;
	nnopt_status status = nnopt_model_to_json(model, NULL, 0, &n);
	if (status == NNOPT_ERROR_UNSUPPORTED)
		return NNOPT_OK;
	NNO_TRY(status);
	*text = nno_new_raw(&context->alloc, n);
	if (*text == NULL)
		return nno_fail_memory("events_graph", n);
	NNO_TRY(nnopt_model_to_json(model, *text, n, NULL));
	return nno_json_parse(j, &context->alloc, *text, n - 1, MOST_TOKENS, "events_graph", 0);
}

static nnopt_status add_graph(nno_text *t, const nnopt_model *model, const nno_json *j)
{
	nnopt_status status = NNOPT_OK;
	size_t graph = nno_wire_open(t, EVENT_GRAPH);
	int options = j != NULL ? nno_json_first(j, nno_json_get(j, 0, "layers")) : -1;
	for (int32_t i = 0; i < nnopt_model_node_count(model) && status == NNOPT_OK; i++) {
		status = add_node(t, model, i, j, i == NNOPT_INPUT_NODE ? -1 : options);
		options = i == NNOPT_INPUT_NODE || options < 0 ? options : nno_json_next(j, options);
	}
	size_t versions = nno_wire_open(t, GRAPH_VERSIONS);
	nno_wire_number(t, VERSIONS_PRODUCER, PRODUCER);
	nno_wire_close(t, versions);
	nno_wire_close(t, graph);
	return status;
}

nnopt_status nnopt_events_graph(nnopt_events *events, const nnopt_model *model)
{
	char *text = NULL;
	nno_json *j = NULL;
	if (events == NULL || model == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_graph: %s is NULL",
				events == NULL ? "events" : "model");
	nnopt_status status = read_options(events->context, model, &text, &j);
	if (status == NNOPT_OK)
		status = nno_events_begin(events, "events_graph", 0);
	if (status == NNOPT_OK) {
		status = add_graph(&events->out, model, j);
		status = status == NNOPT_OK ? nno_events_end(events) : nno_events_leave(events, status);
	}
	nno_json_free(j);
	nno_delete(&events->context->alloc, text);
	return status;
}
