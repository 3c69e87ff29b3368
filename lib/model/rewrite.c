/* rewrite.c - the plan's rewrite table: pattern and condition in one function, result by the helpers. Each rewrite
 * leaves the same function computed; tests/model compares plans with and without them. */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

/* Takes an op out of the graph: whoever read its output now reads its first input. */
static void bypass(nno_graph *g, nno_graph_op *node)
{
	int from = node->output, to = node->inputs[0];
	for (int i = 0; i < g->n_ops; i++)
		for (int k = 0; k < g->ops[i].op.n_in; k++)
			if (g->ops[i].inputs[k] == from)
				g->ops[i].inputs[k] = to;
	g->values[to].consumers += g->values[from].consumers - 1;
	g->values[to].wants_gradient = g->values[to].wants_gradient || g->values[from].wants_gradient;
	g->values[from].consumers = 0;
	if (g->output == from)
		g->output = to;
	if (g->watched == from)
		g->watched = to;
	node->removed = true;
}

/* Dropout of an inference plan or with p = 0, and a flatten that changes no order, do nothing. */
static bool drop_identity(nno_graph *g, nno_graph_op *node)
{
	const nno_op *op = &node->op;
	bool identity = op->cls->identity;
	if (nno_op_is_dropout(op))
		identity = !g->training || ((const nno_dropout_attr *)op->attr)->p == 0.0f;
	if (op->cls == &nno_op_flatten)
		identity = op->in[0].c == 1 || op->in[0].h * op->in[0].w == 1;
	/* What the caller sees must be the plan's own memory, not the caller's input. */
	if (!identity || (node->inputs[0] == 0 && (node->output == g->output || node->output == g->watched)))
		return false;
	bypass(g, node);
	return true;
}

static void note(nno_graph_op *node, char before, const char *what)
{
	size_t length = strlen(node->fused);
	snprintf(node->fused + length, sizeof node->fused - length, "%c%s", before, what);
}

/* For the summary: `what` is done by this op too; and how the op is done. */
static void note_fused(nno_graph_op *node, const char *what) { note(node, '+', what); }
static void note_algorithm(nno_graph_op *node, const char *how) { note(node, ' ', how); }

/* The op whose result only input k of `node` reads; NULL for the network's input and for results that others read. */
static nno_graph_op *only_source(const nno_graph *g, const nno_graph_op *node, int k)
{
	const nno_graph_value *value = &g->values[node->inputs[k]];
	return value->producer >= 0 && value->consumers == 1 ? &g->ops[value->producer] : NULL;
}

/* The normalisation, not yet anything more, whose result only input k of `node` reads. */
static nno_graph_op *plain_norm(const nno_graph *g, const nno_graph_op *node, int k)
{
	nno_graph_op *source = only_source(g, node, k);
	return source != NULL && source->op.cls == &nno_op_batch_norm && source->op.n_in == 1 ? source : NULL;
}

/* `source`, whose result is one input of `node` and which gets the other, `skip`, as its second, stands where `node`
 * stood: the skip may be computed after the source's own input. The op of `node` is freed in the source's place. */
static void take_place(nno_graph *g, nno_graph_op *source, nno_graph_op *node, int skip)
{
	nno_graph_op joined = *source;
	joined.op.n_in = 2;
	joined.op.in[1] = node->op.in[skip];
	joined.op.wants_dsrc[1] = node->op.wants_dsrc[skip];
	joined.inputs[1] = node->inputs[skip];
	joined.output = node->output;
	joined.in_backward = source->in_backward || node->in_backward;
	source->op = node->op;
	source->removed = true;
	g->values[source->output].consumers = 0;
	*node = joined;
}

/* A sum of two of which one is a normalisation's result becomes that normalisation with a second input, the skip. Of
 * two normalisations the later one takes part, which finds its input fresh. */
static bool fuse_sum(nno_graph *g, nno_graph_op *node)
{
	if (node->op.cls != &nno_op_add || node->op.n_in != 2)
		return false;
	nno_graph_op *first = plain_norm(g, node, 0), *second = plain_norm(g, node, 1);
	if (first == NULL && second == NULL)
		return false;
	int skip = first == NULL || (second != NULL && second > first) ? 0 : 1;
	take_place(g, skip == 0 ? second : first, node, skip);
	note_fused(node, "add");
	return true;
}

static nno_activation *activation_of(const nno_op *op)
{
	if (op->cls == &nno_op_conv || op->cls == &nno_op_conv_depthwise)
		return &((nno_conv_attr *)op->attr)->activation;
	if (op->cls == &nno_op_linear)
		return &((nno_linear_attr *)op->attr)->activation;
	if (op->cls == &nno_op_batch_norm)
		return &((nno_norm_attr *)op->attr)->activation;
	if (op->cls == &nno_op_group_norm)
		return &((nno_group_norm_attr *)op->attr)->activation;
	if (nno_pool_takes_relu(op))
		return &((nno_pool_attr *)op->attr)->activation;
	return NULL;
}

/* Whether an op with an activation can have a ReLU6 for one: a convolution where nobody will want its gradient's mask.
 */
static bool takes_relu6(const nno_graph *g, const nno_op *op)
{
	return op->cls == &nno_op_batch_norm || op->cls == &nno_op_group_norm ||
	       (nno_op_is_conv(op) && !nno_graph_goes_back(g));
}

/* A ReLU that alone reads the result of a convolution, linear layer, normalisation or maximum pooling becomes that op's
 * epilogue, and a ReLU6 that of most. */
static bool fuse_activation(nno_graph *g, nno_graph_op *node)
{
	bool relu = node->op.cls == &nno_op_relu, relu6 = node->op.cls == &nno_op_relu6;
	nno_graph_op *source = relu || relu6 ? only_source(g, node, 0) : NULL;
	nno_activation *activation = source != NULL ? activation_of(&source->op) : NULL;
	if (activation == NULL || *activation != NNO_ACT_NONE || (relu6 && !takes_relu6(g, &source->op)))
		return false;
	*activation = relu ? NNO_ACT_RELU : NNO_ACT_RELU6;
	note_fused(source, node->op.cls->name);
	bypass(g, node);
	return true;
}

/* Not where a flatten between them went that made features of one channel's pixels. */
static bool same_shapes(const nno_op *source, const nno_op *reader)
{
	nno_shape a = source->out, b = reader->in[0];
	return a.h == b.h && a.w == b.w && a.c == b.c;
}

/* Whether the weights and bias of this op, and nothing after them, make its result. */
static bool *bias_of(const nno_op *op)
{
	const nno_activation *activation = activation_of(op);
	if (activation == NULL || *activation != NNO_ACT_NONE || op->cls == &nno_op_batch_norm ||
	    op->cls == &nno_op_group_norm || op->cls == &nno_op_max_pool)
		return NULL;
	return op->cls == &nno_op_linear ? &((nno_linear_attr *)op->attr)->bias : &((nno_conv_attr *)op->attr)->bias;
}

/* In a constant plan a normalisation goes into the parameters of the op whose result it alone reads. One with
 * a skip is left alone. */
static bool fold_norm(nno_graph *g, nno_graph_op *node)
{
	nno_graph_op *source =
	    g->constant && node->op.cls == &nno_op_batch_norm && node->op.n_in == 1 ? only_source(g, node, 0) : NULL;
	bool *bias = source != NULL && source->folded_param < 0 ? bias_of(&source->op) : NULL;
	if (bias == NULL || !same_shapes(&source->op, &node->op))
		return false;
	*bias = true;
	source->folded = *(const nno_norm_attr *)node->op.attr;
	source->folded_param = node->first_param;
	note_fused(source, node->op.cls->name);
	bypass(g, node);
	return true;
}

/* The largest of a window's positive parts is the positive part of its largest: a ReLU between a convolution and a
 * maximum pooling moves behind it, where its gradient's mask covers a quarter of the pixels or less. (One behind a
 * normalisation stays: it costs that nothing.) */
static bool pool_before_relu(nno_graph *g, nno_graph_op *node)
{
	nno_graph_op *relu = node->op.cls == &nno_op_max_pool ? only_source(g, node, 0) : NULL;
	nno_graph_op *conv = relu != NULL && relu->op.cls == &nno_op_relu ? only_source(g, relu, 0) : NULL;
	if (conv == NULL || conv->op.cls != &nno_op_conv)
		return false;
	int from = relu->inputs[0], between = relu->output, to = node->output;
	nno_graph_op pool = *node;
	*node = *relu;
	*relu = pool;
	relu->inputs[0] = from;
	relu->output = between;
	node->inputs[0] = between;
	node->output = to;
	g->values[between].shape = node->op.in[0] = node->op.out = relu->op.out;
	return true;
}

typedef bool (*rewrite)(nno_graph *g, nno_graph_op *node);

static void rewrite_all(nno_graph *g, const rewrite *table, size_t count)
{
	for (size_t r = 0; r < count; r++)
		for (int i = 0; i < g->n_ops; i++)
			if (!g->ops[i].removed && table[r](g, &g->ops[i]))
				g->rewrites++;
}

static const rewrite rewrites[] = { drop_identity, fuse_sum, fold_norm, pool_before_relu, fuse_activation };

void nno_graph_rewrite(nno_graph *g) { rewrite_all(g, rewrites, NNO_COUNT(rewrites)); }

/* The class a convolution or linear layer runs as, and what the summary calls it. */
static const nno_op_class *choose(const nno_graph *g, nno_op op, const nno_kernels *kernels, int64_t batch,
				  bool winograd, const char **name)
{
	if (op.cls == &nno_op_conv && winograd && nno_winograd_pays(&op, batch)) {
		op.cls = &nno_op_conv_winograd;
		*name = "winograd";
	} else if (op.cls == &nno_op_conv && nno_conv_images_pays(&op, batch)) {
		op.cls = &nno_op_conv_images;
	} else if (op.cls == &nno_op_conv && nno_conv_pointwise_fits(&op)) {
		op.cls = &nno_op_conv_pointwise;
	}
	const nno_op_class *pairs = nno_op_on_pairs(&op, kernels, g->type);
	if (pairs != NULL)
		*name = "pairs";
	return pairs != NULL ? pairs : op.cls;
}

void nno_graph_choose_algorithms(nno_graph *g, const nno_kernels *kernels, int64_t batch, bool winograd)
{
	for (int i = 0; i < g->n_ops; i++) {
		nno_graph_op *node = &g->ops[i];
		const char *name = NULL;
		if (node->removed)
			continue;
		node->op.cls = choose(g, node->op, kernels, batch, winograd, &name);
		if (name != NULL)
			note_algorithm(node, name);
	}
}

/* --- work of a normalisation that its neighbours do, op/lazy.h --- */

/* Whether the statistics are the batch's own. */
static bool of_batch(const nno_graph *g, const nno_op *op)
{
	return g->training && op->cls == &nno_op_batch_norm && !((const nno_norm_attr *)op->attr)->frozen;
}

static void lend(nno_graph_op *norm, unsigned parts, nno_lazy **to)
{
	norm->lazy.parts |= parts;
	norm->op.lazy = *to = &norm->lazy;
}

/* The only reader of a result normalises what it loads and takes the sums of the gradient that it writes. */
static bool normalise_on_load(nno_graph *g, nno_graph_op *node)
{
	nno_graph_op *norm = nno_op_borrows(&node->op) ? plain_norm(g, node, 0) : NULL;
	if (norm == NULL || !of_batch(g, &norm->op) || norm->inputs[0] == 0 || norm->output == g->output)
		return false;
	lend(norm, NNO_LAZY_VALUE | (norm->in_backward ? NNO_LAZY_SUMS : 0), &node->op.src_lazy);
	note_fused(norm, "lazy");
	return true;
}

/* The op that makes a normalisation's source takes the moments of what it writes. */
static bool moments_on_store(nno_graph *g, nno_graph_op *node)
{
	int producer = of_batch(g, &node->op) ? g->values[node->inputs[0]].producer : -1;
	if (producer < 0 || !nno_op_borrows(&g->ops[producer].op) || g->ops[producer].op.dst_lazy != NULL ||
	    !same_shapes(&g->ops[producer].op, &node->op))
		return false;
	lend(node, NNO_LAZY_MOMENTS, &g->ops[producer].op.dst_lazy);
	note_fused(&g->ops[producer], "moments");
	return true;
}

/* Where nobody else reads the source, its producer makes the source's gradient of the result's. */
static bool gradient_on_load(nno_graph *g, nno_graph_op *node)
{
	bool wanted = of_batch(g, &node->op) && node->op.n_in == 1 && node->in_backward && node->op.wants_dsrc[0];
	nno_graph_op *source = wanted ? only_source(g, node, 0) : NULL;
	if (source == NULL || !nno_op_borrows(&source->op) || !same_shapes(&source->op, &node->op) ||
	    ((const nno_conv_attr *)source->op.attr)->activation != NNO_ACT_NONE ||
	    (source->op.dst_lazy != NULL && source->op.dst_lazy != &node->lazy))
		return false;
	lend(node, NNO_LAZY_SLOPE, &source->op.dst_lazy);
	note_fused(source, "slope");
	return true;
}

/* A maximum over 2 x 2 pixels that alone reads a convolution's result becomes its epilogue: the result, and the
 * gradient that is zero in three pixels of four, stay in a core's cache. */
static bool pool_in_convolution(nno_graph *g, nno_graph_op *node)
{
	nno_graph_op *conv = nno_pool_halves(&node->op) ? only_source(g, node, 0) : NULL;
	if (conv == NULL || !nno_op_pools(&conv->op))
		return false;
	nno_conv_attr *attr = conv->op.attr;
	attr->pooled = true;
	note_fused(conv, node->op.cls->name);
	if (((const nno_pool_attr *)node->op.attr)->activation == NNO_ACT_RELU) {
		attr->activation = NNO_ACT_RELU;
		note_fused(conv, nno_op_relu.name);
	}
	g->values[conv->output].shape = conv->op.out = node->op.out;
	bypass(g, node);
	return true;
}

/* Whether this op is the last to read a value that no one outside the plan sees. */
static bool reads_last(const nno_graph *g, const nno_graph_op *node, int value)
{
	if (value == 0 || value == g->output || nno_graph_goes_back(g))
		return false;
	for (const nno_graph_op *later = node + 1; later < g->ops + g->n_ops; later++)
		for (int k = 0; !later->removed && k < later->op.n_in; k++)
			if (later->inputs[k] == value)
				return false;
	return true;
}

/* Whether an op between these two adds to this value where it lies. */
static bool is_overwritten(const nno_graph_op *first, const nno_graph_op *last, int value)
{
	for (const nno_graph_op *op = first + 1; op < last; op++)
		if (!op->removed && nno_op_is_conv(&op->op) && op->op.n_in == 2 && op->inputs[1] == value)
			return true;
	return false;
}

/* In a constant plan a normalisation with a skip goes into the convolution before it, which adds to the skip where that
 * lies. */
static bool sum_in_convolution(nno_graph *g, nno_graph_op *node)
{
	bool wanted = g->constant && node->op.cls == &nno_op_batch_norm && node->op.n_in == 2;
	nno_graph_op *conv = wanted ? only_source(g, node, 0) : NULL;
	if (conv == NULL || !nno_op_adds_to_result(&conv->op) || conv->folded_param >= 0 ||
	    !same_shapes(&conv->op, &node->op) || conv->inputs[0] == node->inputs[1] ||
	    !reads_last(g, node, node->inputs[1]) || is_overwritten(conv, node, conv->inputs[0]))
		return false;
	const nno_norm_attr *norm = node->op.attr;
	nno_conv_attr *attr = conv->op.attr;
	if (attr->activation != NNO_ACT_NONE)
		return false;
	attr->bias = true;
	attr->activation = norm->activation;
	conv->folded = *norm;
	conv->folded_param = node->first_param;
	take_place(g, conv, node, 1);
	note_fused(node, "batch_norm+add");
	if (norm->activation != NNO_ACT_NONE)
		note_fused(node, (norm->activation == NNO_ACT_RELU ? &nno_op_relu : &nno_op_relu6)->name);
	return true;
}

static const rewrite lending[] = { sum_in_convolution, pool_in_convolution, normalise_on_load, moments_on_store,
				   gradient_on_load };

void nno_graph_lend(nno_graph *g) { rewrite_all(g, lending, NNO_COUNT(lending)); }
