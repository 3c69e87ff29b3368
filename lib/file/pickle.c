/* pickle.c - the opcodes: those that PyTorch's own restricted unpickler takes for pickles of protocol 2. */
#include "base/size.h"
#include "file/pickle_machine.h"

#include <string.h>

#define MAX_NODES (1 << 22)

nnopt_status nno_machine_bad(const nno_machine *m, const char *problem)
{
	return nno_fail(NNOPT_ERROR_FORMAT, "%s: offset %zu: pickle: %s", m->path, m->base + m->opcode_at, problem);
}

nnopt_status nno_machine_unsupported(const nno_machine *m, const char *problem)
{
	return nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: offset %zu: pickle: %s", m->path, m->base + m->opcode_at,
			problem);
}

nnopt_status nno_machine_grow(const nno_machine *m, void **array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return NNOPT_OK;
	size_t more = *room < 16 ? 16 : *room * 2, bytes;
	void *grown = nno_size_mul(more, size, &bytes) ? nno_grow(m->p->alloc, *array, bytes) : NULL;
	if (grown == NULL)
		return nno_fail_memory(m->path, more * size);
	*array = grown;
	*room = more;
	return NNOPT_OK;
}

/* --- stack and nodes --- */

nnopt_status nno_machine_push(nno_machine *m, nno_pickle_value v)
{
	NNO_TRY(nno_machine_grow(m, (void **)&m->stack, m->depth, &m->stack_room, sizeof v));
	m->stack[m->depth++] = v;
	return NNOPT_OK;
}

nnopt_status nno_machine_pop(nno_machine *m, nno_pickle_value *v)
{
	if (m->depth == 0 || m->stack[m->depth - 1].kind == NNO_PICKLE_MARK)
		return nno_machine_bad(m, "the stack holds too little");
	*v = m->stack[--m->depth];
	return NNOPT_OK;
}

/* Where the values above the last mark begin; the mark goes. */
static nnopt_status pop_mark(nno_machine *m, size_t *first)
{
	size_t at = m->depth;
	while (at > 0 && m->stack[at - 1].kind != NNO_PICKLE_MARK)
		at--;
	if (at == 0)
		return nno_machine_bad(m, "no mark on the stack");
	*first = at;
	return NNOPT_OK;
}

nnopt_status nno_machine_node(nno_machine *m, nno_pickle_kind kind, nno_pickle_value *out)
{
	nno_pickle *p = m->p;
	size_t room = (size_t)p->nodes_room;
	if (p->n_nodes == MAX_NODES)
		return nno_machine_unsupported(m, "more than 4194304 lists and dicts");
	NNO_TRY(nno_machine_grow(m, (void **)&p->nodes, (size_t)p->n_nodes, &room, sizeof *p->nodes));
	p->nodes_room = (int32_t)room;
	p->nodes[p->n_nodes] = (nno_pickle_node){ NULL };
	*out = (nno_pickle_value){ .kind = kind, .i = p->n_nodes++ };
	return NNOPT_OK;
}

nnopt_status nno_machine_add(nno_machine *m, nno_pickle_value node, const nno_pickle_value *values, size_t count)
{
	nno_pickle_node *n = &m->p->nodes[node.i];
	if (count > UINT32_MAX / 2 - n->count)
		return nno_machine_bad(m, "too many values");
	if (n->count + count > n->room) {
		/* Tuples and most dicts are filled once: exact at first, doubled when more comes. */
		size_t room = n->room == 0 ? count : (size_t)n->count * 2 + count;
		nno_pickle_value *grown = nno_grow(m->p->alloc, n->values, room * sizeof *grown);
		if (grown == NULL)
			return nno_fail_memory(m->path, room * sizeof *grown);
		n->values = grown;
		n->room = (uint32_t)room;
	}
	if (count > 0)
		memcpy(n->values + n->count, values, count * sizeof *values);
	n->count += (uint32_t)count;
	m->p->values += count;
	return NNOPT_OK;
}

/* --- reading operands --- */

static nnopt_status take(nno_machine *m, size_t n, const uint8_t **bytes)
{
	if (m->size - m->at < n) {
		m->p->ended_early = true;
		return nno_machine_bad(m, "it ends early");
	}
	*bytes = m->bytes + m->at;
	m->at += n;
	return NNOPT_OK;
}

static nnopt_status take_number(nno_machine *m, size_t n, uint64_t *out)
{
	const uint8_t *b = NULL;
	NNO_TRY(take(m, n, &b));
	*out = 0;
	for (size_t i = n; i > 0; i--)
		*out = *out << 8 | b[i - 1];
	return NNOPT_OK;
}

static nnopt_status push_int(nno_machine *m, int64_t v)
{
	return nno_machine_push(m, (nno_pickle_value){ .kind = NNO_PICKLE_INT, .i = v });
}

static nnopt_status push_small(nno_machine *m, size_t bytes)
{
	uint64_t v = 0;
	NNO_TRY(take_number(m, bytes, &v));
	return push_int(m, (int64_t)v);
}

static nnopt_status push_text(nno_machine *m, size_t length_bytes)
{
	uint64_t n = 0;
	const uint8_t *b = NULL;
	NNO_TRY(take_number(m, length_bytes, &n));
	NNO_TRY(take(m, (size_t)n, &b));
	return nno_machine_push(
	    m, (nno_pickle_value){ .kind = NNO_PICKLE_TEXT, .length = (uint32_t)n, .text = (const char *)b });
}

static nnopt_status push_kind(nno_machine *m, nno_pickle_kind kind, int64_t i)
{
	return nno_machine_push(m, (nno_pickle_value){ .kind = kind, .i = i });
}

static nnopt_status push_node(nno_machine *m, nno_pickle_kind kind)
{
	nno_pickle_value v;
	NNO_TRY(nno_machine_node(m, kind, &v));
	return nno_machine_push(m, v);
}

/* The values from `first` on become a tuple, below which `below` values (a mark) go too. */
static nnopt_status make_tuple(nno_machine *m, size_t first, size_t below)
{
	nno_pickle_value v;
	NNO_TRY(nno_machine_node(m, NNO_PICKLE_TUPLE, &v));
	NNO_TRY(nno_machine_add(m, v, m->stack + first, m->depth - first));
	m->depth = first - below;
	return nno_machine_push(m, v);
}

static nnopt_status tuple_of(nno_machine *m, size_t n)
{
	if (m->depth < n)
		return nno_machine_bad(m, "the stack holds too little");
	for (size_t i = 1; i <= n; i++)
		if (m->stack[m->depth - i].kind == NNO_PICKLE_MARK)
			return nno_machine_bad(m, "the stack holds too little");
	return make_tuple(m, m->depth - n, 0);
}

/* The values from `first` on go into the list or dict that is below them (and their mark, when `below` is 1). */
static nnopt_status add_values(nno_machine *m, nno_pickle_kind kind, size_t first, size_t below)
{
	size_t count = m->depth - first;
	if (first < below + 1 || m->stack[first - below - 1].kind != (int32_t)kind)
		return nno_machine_bad(m, kind == NNO_PICKLE_LIST ? "no list to append to" : "no dict to put into");
	if (kind == NNO_PICKLE_DICT && count % 2 != 0)
		return nno_machine_bad(m, "a key without a value");
	NNO_TRY(nno_machine_add(m, m->stack[first - below - 1], m->stack + first, count));
	m->depth = first - below;
	return NNOPT_OK;
}

static nnopt_status put(nno_machine *m, size_t bytes)
{
	uint64_t i = 0;
	NNO_TRY(take_number(m, bytes, &i));
	if (m->depth == 0 || m->stack[m->depth - 1].kind == NNO_PICKLE_MARK)
		return nno_machine_bad(m, "nothing to memorise");
	/* Each entry costs the pickle two bytes, so its numbers cannot be beyond its length. */
	if (i > m->at)
		return nno_machine_bad(m, "a memo entry's number is beyond all entries");
	while (m->memo_count <= i) {
		NNO_TRY(nno_machine_grow(m, (void **)&m->memo, m->memo_count, &m->memo_room, sizeof *m->memo));
		m->memo[m->memo_count++] = (nno_pickle_value){ .kind = NNO_PICKLE_MARK };
	}
	m->memo[i] = m->stack[m->depth - 1];
	return NNOPT_OK;
}

static nnopt_status recall(nno_machine *m, size_t bytes)
{
	uint64_t i = 0;
	NNO_TRY(take_number(m, bytes, &i));
	if (i >= m->memo_count || m->memo[i].kind == NNO_PICKLE_MARK)
		return nno_machine_bad(m, "no such memo entry");
	return nno_machine_push(m, m->memo[i]);
}

/* --- the opcodes --- */

static nnopt_status op_proto(nno_machine *m)
{
	uint64_t v = 0;
	NNO_TRY(take_number(m, 1, &v));
	return v == 2 ? NNOPT_OK : nno_machine_unsupported(m, "its protocol is not 2, which torch.save() writes");
}

static nnopt_status op_stop(nno_machine *m)
{
	m->stopped = true;
	NNO_TRY(nno_machine_pop(m, &m->p->root));
	return m->depth == 0 ? NNOPT_OK : nno_machine_bad(m, "values are left on the stack");
}

static nnopt_status op_long1(nno_machine *m)
{
	uint64_t n = 0, v = 0;
	const uint8_t *b = NULL;
	NNO_TRY(take_number(m, 1, &n));
	NNO_TRY(take(m, (size_t)n, &b));
	if (n > 8)
		return nno_machine_unsupported(m, "an integer of more than 64 bits");
	for (size_t i = 0; i < 8; i++)
		v |= (uint64_t)(i < n ? b[i] : n > 0 && b[n - 1] >= 0x80 ? 0xff : 0) << 8 * i;
	return push_int(m, (int64_t)v);
}

static nnopt_status op_binfloat(nno_machine *m)
{
	const uint8_t *b = NULL;
	uint64_t bits = 0;
	nno_pickle_value v = { .kind = NNO_PICKLE_REAL };
	NNO_TRY(take(m, 8, &b));
	for (int i = 0; i < 8; i++)
		bits = bits << 8 | b[i];
	memcpy(&v.real, &bits, sizeof v.real);
	return nno_machine_push(m, v);
}

static nnopt_status take_line(nno_machine *m, const char **text, size_t *length)
{
	const uint8_t *begin = m->bytes + m->at, *end = memchr(begin, '\n', m->size - m->at);
	if (end == NULL)
		return take(m, m->size - m->at + 1, &begin);
	*text = (const char *)begin;
	*length = (size_t)(end - begin);
	m->at += *length + 1;
	return NNOPT_OK;
}

static nnopt_status op_global(nno_machine *m)
{
	const char *module = NULL, *name = NULL;
	size_t module_length = 0, name_length = 0;
	NNO_TRY(take_line(m, &module, &module_length));
	NNO_TRY(take_line(m, &name, &name_length));
	return nno_machine_global(m, module, module_length, name, name_length);
}

static nnopt_status op_binint(nno_machine *m)
{
	uint64_t v = 0;
	NNO_TRY(take_number(m, 4, &v));
	return push_int(m, (int32_t)(uint32_t)v);
}

static nnopt_status op_tuple(nno_machine *m)
{
	size_t first = 0;
	NNO_TRY(pop_mark(m, &first));
	return make_tuple(m, first, 1);
}

static nnopt_status op_appends(nno_machine *m)
{
	size_t first = 0;
	NNO_TRY(pop_mark(m, &first));
	return add_values(m, NNO_PICKLE_LIST, first, 1);
}

static nnopt_status op_setitems(nno_machine *m)
{
	size_t first = 0;
	NNO_TRY(pop_mark(m, &first));
	return add_values(m, NNO_PICKLE_DICT, first, 1);
}

static nnopt_status op_append(nno_machine *m)
{
	if (m->depth < 2 || m->stack[m->depth - 1].kind == NNO_PICKLE_MARK)
		return nno_machine_bad(m, "the stack holds too little");
	return add_values(m, NNO_PICKLE_LIST, m->depth - 1, 0);
}

static nnopt_status op_setitem(nno_machine *m)
{
	if (m->depth < 3 || m->stack[m->depth - 1].kind == NNO_PICKLE_MARK ||
	    m->stack[m->depth - 2].kind == NNO_PICKLE_MARK)
		return nno_machine_bad(m, "the stack holds too little");
	return add_values(m, NNO_PICKLE_DICT, m->depth - 2, 0);
}

static nnopt_status op_mark(nno_machine *m) { return push_kind(m, NNO_PICKLE_MARK, 0); }
static nnopt_status op_none(nno_machine *m) { return push_kind(m, NNO_PICKLE_NONE, 0); }
static nnopt_status op_true(nno_machine *m) { return push_kind(m, NNO_PICKLE_BOOL, 1); }
static nnopt_status op_false(nno_machine *m) { return push_kind(m, NNO_PICKLE_BOOL, 0); }
static nnopt_status op_binint1(nno_machine *m) { return push_small(m, 1); }
static nnopt_status op_binint2(nno_machine *m) { return push_small(m, 2); }
static nnopt_status op_text(nno_machine *m) { return push_text(m, 4); }
static nnopt_status op_short_text(nno_machine *m) { return push_text(m, 1); }
static nnopt_status op_empty_tuple(nno_machine *m) { return push_node(m, NNO_PICKLE_TUPLE); }
static nnopt_status op_empty_list(nno_machine *m) { return push_node(m, NNO_PICKLE_LIST); }
static nnopt_status op_empty_dict(nno_machine *m) { return push_node(m, NNO_PICKLE_DICT); }
static nnopt_status op_tuple1(nno_machine *m) { return tuple_of(m, 1); }
static nnopt_status op_tuple2(nno_machine *m) { return tuple_of(m, 2); }
static nnopt_status op_tuple3(nno_machine *m) { return tuple_of(m, 3); }
static nnopt_status op_put(nno_machine *m) { return put(m, 1); }
static nnopt_status op_long_put(nno_machine *m) { return put(m, 4); }
static nnopt_status op_get(nno_machine *m) { return recall(m, 1); }
static nnopt_status op_long_get(nno_machine *m) { return recall(m, 4); }

typedef nnopt_status (*opcode)(nno_machine *m);

static const opcode opcodes[256] = {
	[0x80] = op_proto,         ['.'] = op_stop,
	['('] = op_mark,           ['N'] = op_none,
	[0x88] = op_true,          [0x89] = op_false,
	['J'] = op_binint,         ['K'] = op_binint1,
	['M'] = op_binint2,        [0x8a] = op_long1,
	['G'] = op_binfloat,       ['X'] = op_text,
	['T'] = op_text,           ['U'] = op_short_text,
	[')'] = op_empty_tuple,    [']'] = op_empty_list,
	['}'] = op_empty_dict,     ['t'] = op_tuple,
	[0x85] = op_tuple1,        [0x86] = op_tuple2,
	[0x87] = op_tuple3,        ['a'] = op_append,
	['e'] = op_appends,        ['s'] = op_setitem,
	['u'] = op_setitems,       ['q'] = op_put,
	['r'] = op_long_put,       ['h'] = op_get,
	['j'] = op_long_get,       ['c'] = op_global,
	['R'] = nno_machine_call,  [0x81] = nno_machine_call,
	['b'] = nno_machine_build, ['Q'] = nno_machine_persistent,
};

static nnopt_status run(nno_machine *m)
{
	while (!m->stopped) {
		const uint8_t *code = NULL;
		m->opcode_at = m->at;
		NNO_TRY(take(m, 1, &code));
		if (opcodes[*code] == NULL)
			return nno_fail(NNOPT_ERROR_UNSUPPORTED,
					"%s: offset %zu: pickle: opcode 0x%02x is none that tensors in dicts need",
					m->path, m->base + m->opcode_at, *code);
		NNO_TRY(opcodes[*code](m));
	}
	return NNOPT_OK;
}

nnopt_status nno_pickle_read(nno_pickle *p, const nno_alloc *alloc, const uint8_t *bytes, size_t n, const char *path,
			     size_t base)
{
	*p = (nno_pickle){ .alloc = alloc };
	nno_machine m = { .p = p, .bytes = bytes, .size = n, .path = path, .base = base };
	nnopt_status status = run(&m);
	nno_delete(alloc, m.stack);
	nno_delete(alloc, m.memo);
	p->used = m.at;
	return status;
}

void nno_pickle_free(nno_pickle *p)
{
	for (int32_t i = 0; i < p->n_nodes; i++)
		nno_delete(p->alloc, p->nodes[i].values);
	if (p->alloc != NULL) {
		nno_delete(p->alloc, p->nodes);
		nno_delete(p->alloc, p->storages);
		nno_delete(p->alloc, p->tensors);
	}
	*p = (nno_pickle){ NULL };
}
