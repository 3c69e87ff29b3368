/* state_dict.c - flattening. A dict or list can stand in several places (a pickle is a graph, not a tree), so that the
 * work is bounded by what the pickle holds. */
#include "file/state_dict.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 32
#define MAX_NAME 512

typedef struct walk {
	nnopt_weights *f;
	const nno_pickle *p;
	const int32_t *block_of;
	size_t room;         /* of f->items */
	uint64_t seen, most; /* values, and how many may be */
	const char *problem; /* of a key on the way: it counts where a tensor is below it */
	char name[MAX_NAME];
} walk;

static nnopt_status unsupported(const walk *w, const char *problem)
{
	return nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: '%.100s': %s", w->f->path, w->name, problem);
}

static nnopt_status add_tensor(walk *w, size_t length, const nno_pickle_tensor *t)
{
	nnopt_weights *f = w->f;
	const nno_alloc *a = &f->context->alloc;
	if (w->problem != NULL)
		return unsupported(w, w->problem);
	if ((size_t)f->count == w->room) {
		size_t room = w->room == 0 ? (size_t)w->p->n_tensors : w->room * 2;
		nno_named *items = nno_grow(a, f->items, room * sizeof *items);
		if (items == NULL)
			return nno_fail_memory(f->path, room * sizeof *items);
		f->items = items;
		w->room = room;
	}
	nno_named *it = &f->items[f->count];
	*it = (nno_named){ .dtype = w->p->storages[t->storage].dtype,
			   .block = w->block_of[t->storage],
			   .rank = t->rank,
			   .offset = t->offset };
	memcpy(it->shape, t->shape, sizeof it->shape);
	memcpy(it->stride, t->stride, sizeof it->stride);
	it->name = nno_new_text(a, w->name, length);
	if (it->name == NULL)
		return nno_fail_memory(f->path, length);
	f->count++;
	return NNOPT_OK;
}

static bool is_name(const char *text, size_t n)
{
	size_t length = 1;
	for (size_t at = 0; at < n && length > 0; at += length)
		length = text[at] != '\0' ? nno_utf8_length(text + at, n - at) : 0;
	return length > 0;
}

/* Puts a key (NULL: the position) behind the first `length` bytes of the name; what is wrong with it, or NULL. */
static const char *add_key(walk *w, size_t length, const nno_pickle_value *key, uint32_t position, size_t *longer)
{
	char number[24];
	const char *text = number;
	size_t n;
	if (key != NULL && key->kind == NNO_PICKLE_TEXT) {
		text = key->text;
		n = key->length;
	} else if (key == NULL || key->kind == NNO_PICKLE_INT) {
		n = (size_t)snprintf(number, sizeof number, "%lld",
				     key == NULL ? (long long)position : (long long)key->i);
	} else {
		return "a dict's key below it is neither text nor integer";
	}
	size_t dot = length > 0;
	if (length + dot >= MAX_NAME || n > MAX_NAME - 1 - length - dot || !is_name(text, n))
		return "a key below it is no UTF-8, has a NUL or makes a name longer than 511 bytes";
	if (dot > 0)
		w->name[length++] = '.';
	memcpy(w->name + length, text, n);
	*longer = length + n;
	w->name[*longer] = '\0';
	return NULL;
}

static nnopt_status flatten(walk *w, nno_pickle_value v, size_t length, int depth)
{
	if (v.kind == NNO_PICKLE_TENSOR)
		return add_tensor(w, length, &w->p->tensors[v.i]);
	if (v.kind != NNO_PICKLE_DICT && v.kind != NNO_PICKLE_LIST && v.kind != NNO_PICKLE_TUPLE)
		return NNOPT_OK;
	if (depth == MAX_DEPTH)
		return unsupported(w, "dicts and lists in each other, 32 deep at most wanted");
	const nno_pickle_node *n = &w->p->nodes[v.i];
	w->seen += n->count;
	if (w->seen > w->most)
		return unsupported(w, "the same dicts and lists in too many places");
	uint32_t step = v.kind == NNO_PICKLE_DICT ? 2 : 1;
	for (uint32_t i = 0; i + step <= n->count; i += step) {
		size_t longer = length;
		const char *outer = w->problem, *own = add_key(w, length, step == 2 ? &n->values[i] : NULL, i, &longer);
		w->problem = outer != NULL ? outer : own;
		NNO_TRY(flatten(w, n->values[i + step - 1], longer, depth + 1));
		w->problem = outer;
		w->name[length] = '\0';
	}
	return NNOPT_OK;
}

/* Checkpoints wrap the tensors in a dict beside other things. One that holds tensors itself is no wrapper. */
static const char *wrapper_of(const nno_pickle *p)
{
	static const char *const wrappers[] = { "state_dict", "model_state_dict", "model", "net" };
	if (p->root.kind != NNO_PICKLE_DICT)
		return NULL;
	const nno_pickle_node *n = &p->nodes[p->root.i];
	for (uint32_t i = 1; i < n->count; i += 2)
		if (n->values[i].kind == NNO_PICKLE_TENSOR)
			return NULL;
	for (size_t k = 0; k < NNO_COUNT(wrappers); k++)
		for (uint32_t i = 0; i + 1 < n->count; i += 2) {
			const nno_pickle_value *key = &n->values[i];
			if (key->kind == NNO_PICKLE_TEXT && key->length == strlen(wrappers[k]) &&
			    memcmp(key->text, wrappers[k], key->length) == 0 &&
			    n->values[i + 1].kind == NNO_PICKLE_DICT)
				return wrappers[k];
		}
	return NULL;
}

nnopt_status nno_state_dict_take(nnopt_weights *f, const nno_pickle *p, const int32_t *block_of,
				 const char **found_root)
{
	if (p->root.kind != NNO_PICKLE_DICT && p->root.kind != NNO_PICKLE_LIST && p->root.kind != NNO_PICKLE_TUPLE)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "%s: its object is no dict or list of tensors", f->path);
	walk w = { .f = f, .p = p, .block_of = block_of, .most = 4 * (uint64_t)p->values + 64 };
	*found_root = wrapper_of(p);
	return flatten(&w, p->root, 0, 0);
}
