/* pickle_call.c - the globals a pickle may name, and what comes of calling them. Nothing is called: a tensor's two
 * functions describe a view of a storage, the others give back what they were given. */
#include "base/size.h"
#include "file/pickle_machine.h"

#include <string.h>

typedef enum meaning {
	ORDERED_DICT,
	TORCH_SIZE,
	PARAMETER,
	TENSOR,
	STORAGE_TYPE,
} meaning;

static const struct {
	const char *module, *name;
	meaning meaning;
	const char *dtype;
} globals[] = {
	{ "collections", "OrderedDict", ORDERED_DICT, NULL },
	{ "torch", "Size", TORCH_SIZE, NULL },
	{ "torch._utils", "_rebuild_parameter", PARAMETER, NULL },
	{ "torch._utils", "_rebuild_tensor_v2", TENSOR, NULL },
	{ "torch._utils", "_rebuild_tensor", TENSOR, NULL }, /* before PyTorch 0.4 */
	{ "torch", "FloatStorage", STORAGE_TYPE, "F32" },
	{ "torch", "DoubleStorage", STORAGE_TYPE, "F64" },
	{ "torch", "HalfStorage", STORAGE_TYPE, "F16" },
	{ "torch", "BFloat16Storage", STORAGE_TYPE, "BF16" },
	{ "torch", "LongStorage", STORAGE_TYPE, "I64" },
	{ "torch", "IntStorage", STORAGE_TYPE, "I32" },
	{ "torch", "ShortStorage", STORAGE_TYPE, "I16" },
	{ "torch", "CharStorage", STORAGE_TYPE, "I8" },
	{ "torch", "ByteStorage", STORAGE_TYPE, "U8" },
	{ "torch", "BoolStorage", STORAGE_TYPE, "BOOL" },
};

static bool is(const char *text, size_t length, const char *wanted)
{
	return length == strlen(wanted) && memcmp(text, wanted, length) == 0;
}

/* The beginning of a text from the file, fit for an error text. */
static const char *printable(char to[64], const char *text, size_t length)
{
	size_t n = length < 63 ? length : 63;
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?');
	to[n] = '\0';
	return to;
}

nnopt_status nno_machine_global(nno_machine *m, const char *module, size_t module_length, const char *name,
				size_t name_length)
{
	for (size_t i = 0; i < NNO_COUNT(globals); i++) {
		/* Tensors saved on a GPU by early versions have storages of torch.cuda. */
		bool on_gpu = globals[i].meaning == STORAGE_TYPE && is(module, module_length, "torch.cuda");
		if ((on_gpu || is(module, module_length, globals[i].module)) && is(name, name_length, globals[i].name))
			return nno_machine_push(m, (nno_pickle_value){ .kind = NNO_PICKLE_GLOBAL, .i = (int64_t)i });
	}
	char first[64], second[64];
	return nno_fail(
	    NNOPT_ERROR_UNSUPPORTED,
	    "%s: offset %zu: pickle: it names %s.%s, which is not read: tensors in dicts and lists alone are "
	    "(nothing was executed; save the state_dict)",
	    m->path, m->base + m->opcode_at, printable(first, module, module_length),
	    printable(second, name, name_length));
}

/* --- operands --- */

static nnopt_status pop_kind(nno_machine *m, nno_pickle_kind kind, const char *problem, nno_pickle_value *out)
{
	NNO_TRY(nno_machine_pop(m, out));
	return out->kind == (int32_t)kind ? NNOPT_OK : nno_machine_bad(m, problem);
}

static const nno_pickle_node *node_of(const nno_machine *m, nno_pickle_value v) { return &m->p->nodes[v.i]; }

/* A tuple or list of at most eight integers from 0. */
static nnopt_status extents(const nno_machine *m, nno_pickle_value v, int64_t out[NNOPT_MAX_RANK], int32_t *rank)
{
	if (v.kind != NNO_PICKLE_TUPLE && v.kind != NNO_PICKLE_LIST)
		return nno_machine_bad(m, "a tensor's size or stride is no tuple");
	const nno_pickle_node *n = node_of(m, v);
	if (n->count > NNOPT_MAX_RANK)
		return nno_machine_unsupported(m, "a tensor of more than 8 dimensions");
	for (uint32_t i = 0; i < n->count; i++) {
		if (n->values[i].kind != NNO_PICKLE_INT || n->values[i].i < 0)
			return nno_machine_bad(m, "a tensor's size or stride is no integer from 0");
		out[i] = n->values[i].i;
	}
	*rank = (int32_t)n->count;
	return NNOPT_OK;
}

/* --- tensors --- */

static nnopt_status check_view(const nno_machine *m, nno_pickle_tensor *t, int64_t elements)
{
	int64_t count, last = t->offset;
	if (!nno_shape_elements(t->shape, t->rank, &count))
		return nno_machine_bad(m, "a tensor's size overflows");
	if (t->offset < 0 || t->offset > elements)
		return nno_machine_bad(m, "a tensor begins outside its storage");
	for (int i = 0; i < t->rank; i++) {
		int64_t step;
		if (t->shape[i] <= 1 || count == 0) {
			t->stride[i] = 0;
			continue;
		}
		if (!nno_i64_mul(t->shape[i] - 1, t->stride[i], &step) || !nno_i64_add(last, step, &last))
			return nno_machine_bad(m, "a tensor reaches outside its storage");
	}
	if (count > 0 && last >= elements)
		return nno_machine_bad(m, "a tensor reaches outside its storage");
	if (count > elements)
		return nno_machine_unsupported(m, "an expanded tensor: it has more elements than its storage");
	return NNOPT_OK;
}

/* (storage, offset, size, stride[, requires_grad, hooks[, metadata]]) */
static nnopt_status rebuild_tensor(nno_machine *m, const nno_pickle_node *args, nno_pickle_value *out)
{
	nno_pickle *p = m->p;
	const nno_pickle_value *v = args->values;
	if (args->count < 4 || args->count > 7 || v[0].kind != NNO_PICKLE_STORAGE || v[1].kind != NNO_PICKLE_INT)
		return nno_machine_bad(m, "a tensor is not made of a storage, an offset, a size and a stride");
	if (args->count == 7 && v[6].kind != NNO_PICKLE_NONE &&
	    !(v[6].kind == NNO_PICKLE_DICT && node_of(m, v[6])->count == 0))
		return nno_machine_unsupported(m, "a tensor with a bit of its own, conj or neg");
	nno_pickle_tensor t = { .storage = (int32_t)v[0].i, .offset = v[1].i };
	int32_t strides = 0;
	NNO_TRY(extents(m, v[2], t.shape, &t.rank));
	NNO_TRY(extents(m, v[3], t.stride, &strides));
	if (strides != t.rank)
		return nno_machine_bad(m, "a tensor's size and stride are not of one length");
	NNO_TRY(check_view(m, &t, p->storages[t.storage].elements));
	size_t room = (size_t)p->tensors_room;
	NNO_TRY(nno_machine_grow(m, (void **)&p->tensors, (size_t)p->n_tensors, &room, sizeof t));
	p->tensors_room = (int32_t)room;
	p->tensors[p->n_tensors] = t;
	*out = (nno_pickle_value){ .kind = NNO_PICKLE_TENSOR, .i = p->n_tensors++ };
	return NNOPT_OK;
}

/* () or, as Python 2 wrote it, ([[key, value], ...],) */
static nnopt_status ordered_dict(nno_machine *m, nno_pickle_value arguments, nno_pickle_value *out)
{
	NNO_TRY(nno_machine_node(m, NNO_PICKLE_DICT, out));
	const nno_pickle_node *args = node_of(m, arguments);
	if (args->count == 0)
		return NNOPT_OK;
	if (args->count != 1 || args->values[0].kind != NNO_PICKLE_LIST)
		return nno_machine_bad(m, "OrderedDict of something other than a list of pairs");
	nno_pickle_value list = args->values[0];
	/* A value in a node costs the pickle a byte or more, and a pair in a list two: twice its bytes are enough,
	 * unless a list is copied again and again. */
	if (m->p->values + 2 * (size_t)node_of(m, list)->count > 2 * m->at)
		return nno_machine_unsupported(m, "the same list in too many OrderedDicts");
	for (uint32_t i = 0; i < node_of(m, list)->count; i++) {
		nno_pickle_value pair = node_of(m, list)->values[i];
		if ((pair.kind != NNO_PICKLE_LIST && pair.kind != NNO_PICKLE_TUPLE) || node_of(m, pair)->count != 2)
			return nno_machine_bad(m, "OrderedDict of something other than a list of pairs");
		NNO_TRY(nno_machine_add(m, *out, node_of(m, pair)->values, 2));
	}
	return NNOPT_OK;
}

/* --- the opcodes --- */

nnopt_status nno_machine_call(nno_machine *m)
{
	nno_pickle_value arguments, function, result = { .kind = NNO_PICKLE_NONE };
	NNO_TRY(pop_kind(m, NNO_PICKLE_TUPLE, "a call without its tuple of arguments", &arguments));
	NNO_TRY(pop_kind(m, NNO_PICKLE_GLOBAL, "a call of something that is no function", &function));
	const nno_pickle_node *args = node_of(m, arguments);
	switch (globals[function.i].meaning) {
	case ORDERED_DICT:
		NNO_TRY(ordered_dict(m, arguments, &result));
		break;
	case TORCH_SIZE:
		if (args->count != 1 || args->values[0].kind != NNO_PICKLE_TUPLE)
			return nno_machine_bad(m, "torch.Size of something other than a tuple");
		result = args->values[0];
		break;
	case PARAMETER:
		if (args->count < 1 || args->count > 3 || args->values[0].kind != NNO_PICKLE_TENSOR)
			return nno_machine_bad(m, "a parameter of something other than a tensor");
		result = args->values[0];
		break;
	case TENSOR:
		NNO_TRY(rebuild_tensor(m, args, &result));
		break;
	case STORAGE_TYPE:
		return nno_machine_bad(m, "a call of a storage type");
	}
	return nno_machine_push(m, result);
}

/* The attributes of a state_dict are version numbers of modules; they say nothing of the tensors. */
nnopt_status nno_machine_build(nno_machine *m)
{
	nno_pickle_value attributes;
	NNO_TRY(nno_machine_pop(m, &attributes));
	if (m->depth == 0 || m->stack[m->depth - 1].kind != NNO_PICKLE_DICT)
		return nno_machine_bad(m, "attributes of something that is no dict");
	return NNOPT_OK;
}

/* ("storage", type, key, location, elements[, view]) */
nnopt_status nno_machine_persistent(nno_machine *m)
{
	nno_pickle *p = m->p;
	nno_pickle_value id;
	NNO_TRY(pop_kind(m, NNO_PICKLE_TUPLE, "a persistent id that is no tuple", &id));
	const nno_pickle_node *n = node_of(m, id);
	const nno_pickle_value *v = n->values;
	if (n->count < 5 || n->count > 6 || v[0].kind != NNO_PICKLE_TEXT || !is(v[0].text, v[0].length, "storage") ||
	    v[1].kind != NNO_PICKLE_GLOBAL || globals[v[1].i].meaning != STORAGE_TYPE || v[2].kind != NNO_PICKLE_TEXT ||
	    v[4].kind != NNO_PICKLE_INT || v[4].i < 0)
		return nno_machine_bad(m, "a persistent id that is no storage");
	if (n->count == 6 && v[5].kind != NNO_PICKLE_NONE)
		return nno_machine_unsupported(m, "a storage that is a view of another");
	size_t room = (size_t)p->storages_room;
	NNO_TRY(nno_machine_grow(m, (void **)&p->storages, (size_t)p->n_storages, &room, sizeof *p->storages));
	p->storages_room = (int32_t)room;
	p->storages[p->n_storages] = (nno_pickle_storage){ .dtype = nno_file_dtype_of(globals[v[1].i].dtype),
							   .key = v[2].text,
							   .key_length = v[2].length,
							   .elements = v[4].i };
	return nno_machine_push(m, (nno_pickle_value){ .kind = NNO_PICKLE_STORAGE, .i = p->n_storages++ });
}
