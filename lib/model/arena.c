/* arena.c - one block for all activations, gradients and saved data: buffers whose lifetimes do not meet share bytes.
 * Time: op i runs forward at i; the loss reads the output and writes its gradient at n; op i runs backward at 2n - i;
 * what comes late is made at 2n + 1.
 * Buffers are placed largest first, each at the lowest offset that is free during its life. */
#include "model/model.h"

#include "base/size.h"

#include <stdlib.h>

typedef struct block {
	size_t size;
	size_t *offset; /* where the answer goes */
	int from, to;   /* first and last moment, inclusive */
	int order;
} block;

typedef struct blocks {
	block *items;
	int n;
} blocks;

static void add_block(blocks *b, size_t size, size_t *offset, int from, int to)
{
	b->items[b->n] = (block){
		.size = nno_size_round_up(size, NNO_ALIGNMENT), .offset = offset, .from = from, .to = to, .order = b->n
	};
	b->n++;
}

static int by_size(const void *a, const void *b)
{
	const block *x = a, *y = b;
	if (x->size != y->size)
		return x->size < y->size ? 1 : -1;
	return x->order - y->order;
}

/* Lowest offset at which `item` fits among the placed ones that live at the same time. */
static size_t find_place(const blocks *b, int placed, const block *item)
{
	size_t at = 0;
	for (bool moved = true; moved;) {
		moved = false;
		for (int i = 0; i < placed; i++) {
			const block *other = &b->items[i];
			bool together = item->from <= other->to && other->from <= item->to;
			if (together && at < *other->offset + other->size && *other->offset < at + item->size) {
				at = *other->offset + other->size;
				moved = true;
			}
		}
	}
	return at;
}

static bool value_bytes(const nno_graph *g, const nno_graph_value *v, int64_t batch, size_t *bytes)
{
	return nno_size_mul((size_t)nno_shape_count(v->shape) * nno_type_bytes(g->type), (size_t)batch, bytes) &&
	       *bytes < SIZE_MAX / 4;
}

/* Forward in place: nobody else reads what is overwritten, and backward wants neither. A result that is made on load is
 * its source. */
static void share_value(nno_graph *g, const nno_graph_op *node)
{
	const nno_graph_value *src = &g->values[node->inputs[0]];
	if (nno_op_is_conv(&node->op) &&
	    node->op.n_in == 2) { /* the rewrite has seen to it that nobody wants the skip */
		g->values[node->output].storage = g->values[node->inputs[1]].storage;
		return;
	}
	if (nno_lends(node->op.lazy, NNO_LAZY_VALUE)) {
		g->values[node->output].storage = src->storage;
		return;
	}
	if (!node->op.cls->inplace || node->inputs[0] == 0 || src->consumers != 1)
		return;
	const nno_graph_op *producer = &g->ops[src->producer];
	bool kept = (node->in_backward && nno_op_needs_src(&node->op, 0)) ||
		    (producer->in_backward && nno_op_needs_dst(&producer->op));
	if (!kept)
		g->values[node->output].storage = src->storage;
}

/* Whether input k's gradient is first written by this op, and by it for this input alone. */
static bool writes_first(const nno_graph *g, int index, int k)
{
	int value = g->ops[index].inputs[k];
	for (int i = index; i < g->n_ops; i++) {
		const nno_graph_op *reader = &g->ops[i];
		for (int n = 0; !reader->removed && n < reader->op.n_in; n++)
			if (reader->inputs[n] == value && reader->in_backward && reader->op.wants_dsrc[n] &&
			    (i != index || n != k))
				return false;
	}
	return true;
}

/* Backward in place: one input's gradient takes the place of the result's, which nobody reads any more. The last that
 * may: of a normalisation with a skip the skip, whose gradient is the result's but for the mask. */
static void share_gradient(nno_graph *g, int index)
{
	const nno_graph_op *node = &g->ops[index];
	for (int k = node->op.n_in - 1; k >= 0 && node->in_backward; k--)
		if ((node->op.cls->gradient_inplace >> k & 1u) && node->inputs[k] != 0 && node->op.wants_dsrc[k] &&
		    writes_first(g, index, k)) {
			g->values[node->output].gradient_storage = g->values[node->inputs[k]].gradient_storage;
			return;
		}
}

static void share_in_place(nno_graph *g)
{
	for (int i = 0; i < g->n_ops; i++) {
		if (g->ops[i].removed)
			continue;
		share_value(g, &g->ops[i]);
		share_gradient(g, i);
	}
}

typedef struct span {
	int from, to;
} span;

static void widen(span *s, int moment)
{
	if (s->from > moment)
		s->from = moment;
	if (s->to < moment)
		s->to = moment;
}

/* Lifetimes of values and of their gradients, gathered at the owners of the storage. */
static void find_spans(const nno_graph *g, span *value, span *gradient, bool input_gradient)
{
	int n = g->n_ops;
	for (int v = 0; v < g->n_values; v++)
		value[v] = gradient[v] = (span){ .from = 3 * n + 3, .to = -1 };
	for (int i = 0; i < n; i++) {
		const nno_graph_op *node = &g->ops[i];
		if (node->removed)
			continue;
		span *out = &value[g->values[node->output].storage];
		widen(out, i);
		if (node->in_backward && nno_op_needs_dst(&node->op))
			widen(out, 2 * n - i);
		for (int k = 0; k < node->op.n_in; k++) {
			span *in = &value[g->values[node->inputs[k]].storage];
			widen(in, i);
			if (node->in_backward && nno_op_needs_src(&node->op, k))
				widen(in, 2 * n - i);
			if (node->in_backward && node->op.wants_dsrc[k])
				widen(&gradient[g->values[node->inputs[k]].gradient_storage], 2 * n - i);
		}
		if (node->in_backward)
			widen(&gradient[g->values[node->output].gradient_storage], 2 * n - i);
		if (node->op.late) {
			widen(&value[g->values[node->inputs[0]].storage], 2 * n + 1);
			widen(&gradient[g->values[node->output].gradient_storage], 2 * n + 1);
		}
	}
	widen(&value[g->values[g->output].storage], 2 * n + 1);
	if (g->values[g->output].wants_gradient)
		widen(&gradient[g->values[g->output].gradient_storage], n);
	if (input_gradient)
		widen(&gradient[0], 2 * n + 1);
	if (g->watched != 0) {
		widen(&value[g->values[g->watched].storage], 2 * n + 1);
		widen(&gradient[g->values[g->watched].gradient_storage], 2 * n + 1);
	}
}

/* Gradients of values with several readers: the first to run (the last in graph order) overwrites, the others add, by
 * themselves or through a scratch block that the plan adds. */
static void plan_adding(nno_graph *g, int64_t batch, blocks *b)
{
	for (int v = 0; v < g->n_values; v++) {
		bool written = false;
		for (int i = g->n_ops - 1; i >= 0; i--) {
			nno_graph_op *node = &g->ops[i];
			for (int k = 0; k < node->op.n_in; k++) {
				if (node->removed || !node->in_backward || node->inputs[k] != v ||
				    !node->op.wants_dsrc[k])
					continue;
				node->run.dsrc_add[k] = written && node->op.cls->can_add;
				node->plan_adds[k] = written && !node->op.cls->can_add;
				size_t bytes;
				if (node->plan_adds[k] && value_bytes(g, &g->values[v], batch, &bytes))
					add_block(b, bytes, &node->scratch_offset[k], 2 * g->n_ops - i,
						  2 * g->n_ops - i);
				written = true;
			}
		}
	}
}

/* The op whose input 0 is this value. */
static int reader_of(const nno_graph *g, int value)
{
	int i = 0;
	while (g->ops[i].removed || g->ops[i].inputs[0] != value)
		i++;
	return i;
}

/* What the tasks of those who borrow a normalisation's work find, from then until the normalisation combines it. */
static bool add_partials(const nno_graph *g, nno_graph_op *node, int index, blocks *b)
{
	size_t bytes;
	int64_t c = node->op.out.c;
	if (nno_lends(node->op.lazy, NNO_LAZY_MOMENTS)) {
		if (!nno_partials_bytes(&node->lazy.moments, NNO_MOMENTS, c, &bytes))
			return false;
		add_block(b, bytes, &node->moments_offset, g->values[node->inputs[0]].producer, index);
	}
	if (nno_lends(node->op.lazy, NNO_LAZY_SUMS)) {
		if (!nno_partials_bytes(&node->lazy.sums, NNO_SUMS, c, &bytes))
			return false;
		add_block(b, bytes, &node->sums_offset, 2 * g->n_ops - reader_of(g, node->output),
			  2 * g->n_ops - index);
	}
	return true;
}

/* What is saved lives until the op's backward, or that of who borrows the slope; where it has none, until the last pass
 * of who normalises what it loads. */
static int saved_until(const nno_graph *g, const nno_graph_op *node, int index)
{
	int last = index;
	if (nno_lends(node->op.lazy, NNO_LAZY_SLOPE))
		last = g->values[node->inputs[0]].producer;
	else if (!node->in_backward && nno_lends(node->op.lazy, NNO_LAZY_VALUE))
		last = reader_of(g, node->output);
	return node->in_backward || g->ops[last].in_backward ? 2 * g->n_ops - last : last;
}

static bool gather_blocks(nno_graph *g, int64_t batch, bool input_gradient, blocks *b, span *value, span *gradient)
{
	find_spans(g, value, gradient, input_gradient);
	for (int v = 0; v < g->n_values; v++) {
		nno_graph_value *x = &g->values[v];
		size_t bytes;
		if (!value_bytes(g, x, batch, &bytes))
			return false;
		if (v != 0 && x->storage == v && value[v].to >= 0)
			add_block(b, bytes, &x->offset, value[v].from, value[v].to);
		if (x->gradient_storage == v && gradient[v].to >= 0)
			add_block(b, bytes, &x->gradient_offset, gradient[v].from, gradient[v].to);
	}
	for (int i = 0; i < g->n_ops; i++) {
		nno_graph_op *node = &g->ops[i];
		if (node->removed)
			continue;
		if (node->op.saved_bytes > 0)
			add_block(b, node->op.saved_bytes, &node->saved_offset, i, saved_until(g, node, i));
		if (!add_partials(g, node, i, b))
			return false;
	}
	plan_adding(g, batch, b);
	return true;
}

bool nno_graph_place(nno_graph *g, int64_t batch, bool input_gradient, size_t *arena_bytes)
{
	bool done = false;
	size_t most = (size_t)g->n_values * 2 + (size_t)g->n_ops * (3 + NNO_OP_MAX_INPUTS);
	blocks b = { .items = nno_new_array(g->alloc, most, sizeof(block)) };
	span *spans = nno_new_array(g->alloc, (size_t)g->n_values * 2, sizeof(span));
	if (b.items == NULL || spans == NULL)
		goto out;
	share_in_place(g);
	if (!gather_blocks(g, batch, input_gradient, &b, spans, spans + g->n_values))
		goto out;
	qsort(b.items, (size_t)b.n, sizeof(block), by_size);
	size_t total = 0;
	for (int i = 0; i < b.n; i++) {
		size_t at = find_place(&b, i, &b.items[i]);
		*b.items[i].offset = at;
		if (at + b.items[i].size > total)
			total = at + b.items[i].size;
	}
	*arena_bytes = total;
	done = true;
out:
	nno_delete(g->alloc, b.items);
	nno_delete(g->alloc, spans);
	return done;
}
