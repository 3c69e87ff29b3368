/* model.h - the graph with its parameters, and the plan made from it. */
#ifndef NNO_MODEL_H
#define NNO_MODEL_H

#include "layer/layer.h"
#include "nnopt/file.h"
#include "nnopt/model.h"
#include "op/lazy.h"
#include "tensor/tensor.h"

#include <stdatomic.h>

/* One layer in the graph. Node numbers are public: 0 is the input, node i is nodes[i - 1]. */
typedef struct nno_node {
	nnopt_layer *layer;
	int n_in;
	int inputs[NNO_OP_MAX_INPUTS]; /* node numbers */
	char name[NNO_NAME_BYTES];
	nno_value out;            /* once built */
	int first_param, n_param; /* in params[], once built */
	bool norm_frozen;         /* a batch norm that uses its running statistics in training too */
} nno_node;

typedef struct nno_param {
	char name[2 * NNO_NAME_BYTES]; /* "conv2d1.weight" */
	nno_spec spec;
	int64_t count;
	int64_t offset; /* in the parameter block, or the state block for NNOPT_ROLE_STATE */
	bool frozen;
	bool spent; /* its gradient is not in the gradient block: it went to a sink, or the backward pass failed */
} nno_param;

struct nnopt_model {
	nno_ref ref;
	nnopt_context *context;
	nno_node *nodes;
	int n_nodes;
	bool built;
	nno_value input;
	nno_param *params;
	int n_params;
	float *parameters, *gradients, *state;
	int64_t parameter_elements, state_elements;
	int64_t most_elements;     /* that a file can fill; 0: any */
	uint64_t identity;         /* of the blocks, in this process */
	atomic_uint_fast64_t step; /* training forwards so far */
	uint64_t stamp;            /* counts freezing and replacing: plans of an older one are stale */
	char *load_report;         /* of the last nnopt_model_load_weights_with(); NULL: none */
};

/* A value of the lowered graph; value 0 is the input. */
typedef struct nno_graph_value {
	nno_shape shape;
	int producer;  /* op number, -1 for the input */
	int consumers; /* how many op inputs read it */
	bool wants_gradient;
	int storage; /* the value whose memory it uses: itself, or one that an in-place op overwrites */
	int gradient_storage;
	size_t offset, gradient_offset; /* of storage owners, in the arena */
} nno_graph_value;

typedef struct nno_graph_op {
	nno_op op;
	int inputs[NNO_OP_MAX_INPUTS]; /* values */
	int output;
	int first_param; /* in model->params */
	int node;        /* index in model->nodes */
	bool removed;
	bool in_backward;
	size_t saved_offset, packed_offset, constant_offset;
	nno_lazy lazy; /* of a normalisation: what it lends */
	size_t moments_offset, sums_offset;
	size_t scratch_offset[NNO_OP_MAX_INPUTS]; /* of gradients added by the plan, for classes without can_add */
	bool plan_adds[NNO_OP_MAX_INPUTS];
	nno_norm_attr folded; /* of the normalisation that the parameters take in, */
	int folded_param;     /* whose first is this one in model->params; -1: none */
	char fused[64];       /* kinds fused into it, for the summary */
	nno_run run;
} nno_graph_op;

typedef struct nno_graph {
	const nno_alloc *alloc;
	nno_graph_value *values;
	int n_values;
	nno_graph_op *ops;
	int n_ops;
	int output; /* value */
	int rewrites;
	nno_type type; /* of all values */
	bool training, constant;
	int watched;           /* value kept, with its gradient, for the caller, who is one more reader; 0: none */
	bool batch_statistics; /* see nnopt_plan_options */
} nno_graph;

/* Whether there is a backward pass: a watched value wants one in inference. */
static inline bool nno_graph_goes_back(const nno_graph *g) { return g->training || g->watched != 0; }

/* What an op has taken, by pass: sums since profiling began. */
typedef enum nno_pass { NNO_FORWARD = 0, NNO_BACKWARD = 1 } nno_pass;
typedef struct nno_op_times {
	double seconds[2];
	int64_t passes[2];
} nno_op_times;

struct nnopt_plan {
	nnopt_context *context;
	nnopt_model *model;
	nno_graph graph;
	int64_t batch;
	bool training, input_gradient, constant;
	int watch;                /* node; 0: none */
	uint64_t stamp, identity; /* the model's, when it was made */
	char *arena;
	size_t arena_bytes;
	void *workspace;
	size_t workspace_bytes;
	char *packed; /* a constant plan's parameters, as its ops want them */
	size_t packed_bytes;
	float *staging; /* the input in NHWC, made at the first NCHW input */
	/* Where values are no floats: the input as values, and what the caller sees as floats, in one block; else NULL.
	 */
	char *edges;
	size_t edge_bytes;
	void *input_values;
	float *output_floats, *output_gradient_floats, *input_gradient_floats;
	nnopt_tensor *output, *output_gradient, *input_gradient_tensor;
	nnopt_tensor *watched, *watched_gradient;
	bool forward_done;
	int64_t n; /* samples of the last forward */
	nnopt_loss_scale scaling;
	bool profiling;
	nno_op_times *times; /* one an op of the graph; NULL until profiled */
};

nnopt_model *nno_model_take(nnopt_model *model);
/* Infers shapes, collects the parameters and gives them first values, for a model that has its nodes and no more. */
nnopt_status nno_model_settle(nnopt_model *model, const nno_value *input);
/* Whether the input or a node is called so. */
bool nno_model_name_taken(const nnopt_model *model, const char *name);
/* The node of that name; 0: none. */
int nno_model_find_node(const nnopt_model *model, const char *name);

/* load_weights.c: weights from an open file, by name. */
/* STATE where a layer was replaced since: what the plan is told of is gone. */
nnopt_status nno_plan_check_layers(const char *what, const nnopt_plan *plan);
/* nnopt_model_from_json() of a model that has `most_elements` parameters and statistics at most. */
nnopt_status nno_model_from_json(nnopt_model **out, nnopt_context *context, const char *text, size_t length,
				 int64_t most_elements);
nnopt_status nno_model_load_from(nnopt_model *model, nnopt_weights *file, const nnopt_load_options *o,
				 nnopt_load_result *result);

/* initialise.c: first values of parameter `index` from its own stream; normal and orthogonal ones need a scratch of
 * count floats. */
nnopt_status nno_param_initialise(nnopt_model *model, int index, uint64_t seed);
/* parameter.c: between public row-major order and storage order; both `count` floats. */
void nno_param_to_storage(const nno_param *p, float *storage, const float *public_order);
void nno_param_to_public(const nno_param *p, float *public_order, const float *storage);
float *nno_param_data(const nnopt_model *model, const nno_param *p);
nnopt_status nno_param_tensor(const nnopt_model *model, int index, nnopt_tensor **out); /* new, f32, public order */

/* loss_scale.c: around a backward pass; they do nothing but in f16. */
void nno_loss_scale_start(nnopt_plan *plan);
void nno_loss_scale_begin(nnopt_plan *plan, bool accumulate);
void nno_loss_scale_end(nnopt_plan *plan, bool accumulate);

/* profile.c: op number `op` has run since `begun`; only while plan->profiling. */
void nno_profile_note(nnopt_plan *plan, int op, nno_pass pass, double begun);

/* lower.c, rewrite.c, arena.c: the stages of planning. */
/* `watch`: the node whose value is watched; 0: none. */
nnopt_status nno_graph_lower(nno_graph *g, const nnopt_model *model, bool training, int watch);
void nno_graph_free(nno_graph *g);
void nno_graph_rewrite(nno_graph *g);
/* constant.c: gives a node of a constant plan parameters of its own, in `memory` of this size. */
size_t nno_constant_bytes(const nnopt_model *model, const nno_graph_op *node);
void nno_constant_parameters(const nnopt_model *model, nno_graph_op *node, void *memory);
/* Gives each convolution and linear layer the algorithm that is fastest for its shape, the batch and these kernels. */
void nno_graph_choose_algorithms(nno_graph *g, const nno_kernels *kernels, int64_t batch, bool winograd);
/* Rewrites that want to know the algorithms. */
void nno_graph_lend(nno_graph *g);
/* Gives every activation, gradient and saved block its place; false on overflow or out of memory. */
bool nno_graph_place(nno_graph *g, int64_t batch, bool input_gradient, size_t *arena_bytes);

#endif
