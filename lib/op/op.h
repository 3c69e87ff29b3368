/* op.h - op nodes: what layers lower to and plans run. An op is an algorithm on activations in NHWC memory, stored as
 * one of nno_type; a rank-2 value (N, F) is the activation (n, 1, 1, F). Ops know shapes and pointers, never
 * parameters' names, layers or models.
 *
 * Life of an op: a layer fills kind, shapes and attributes (describe); the plan rewrites, then calls book() once for
 * each node to learn its memory (plan); then forward() and backward() run any number of times and can neither fail nor
 * allocate (run). Every algorithm is cut into tasks by shape alone and sums in a fixed order: same bits at any thread
 * count. */
#ifndef NNO_OP_H
#define NNO_OP_H

#include "context/context.h"

#include <stdbool.h>

#define NNO_OP_MAX_INPUTS 8
#define NNO_OP_MAX_PARAMETERS 4

/* One sample's activation: h rows of w pixels of c channels. */
typedef struct nno_shape {
	int64_t h, w, c;
} nno_shape;

static inline int64_t nno_shape_count(nno_shape s) { return s.h * s.w * s.c; }

typedef struct nno_op nno_op;
typedef struct nno_lazy nno_lazy; /* op/lazy.h */

/* Takes `count` elements of a weight's gradient, from element `at` of the weight on, out of memory that will be used
 * again. Several threads call it at once. */
typedef struct nno_sink {
	void (*take)(void *user, const float *gradient, int64_t at, int64_t count);
	void *user;
	bool squares; /* whether the sum of the gradient's squares is wanted */
} nno_sink;

/* Everything one execution needs. Activations are dense: sample i of src[k] starts at src[k] + i * count(in[k]). */
typedef struct nno_run {
	const nno_kernels *kernels;
	nno_pool *pool;
	int64_t n; /* samples in this batch, 1 <= n <= the planned batch */
	int training;
	int deterministic;   /* 0: blas/ may be used */
	uint64_t seed, step; /* for random ops: with op->id they name the stream */
	/* Values of op->type. */
	const void *src[NNO_OP_MAX_INPUTS];
	void *dst;                            /* forward writes it; backward may read it if the class says needs_dst */
	void *ddst;                           /* backward: gradient of dst; may be overwritten */
	void *dsrc[NNO_OP_MAX_INPUTS];        /* backward: NULL where not wanted */
	bool dsrc_add[NNO_OP_MAX_INPUTS];     /* true: add to dsrc[i], never set for classes without can_add */
	float *param[NNO_OP_MAX_PARAMETERS];  /* trainable ones first, then state; storage order */
	float *dparam[NNO_OP_MAX_PARAMETERS]; /* NULL where frozen or state */
	bool dparam_add;                      /* false: overwrite dparam */
	bool leave_weight;                    /* backward() leaves dparam[0] out, for weight() to make; op->late only */
	const nno_sink *sink; /* weight(): takes the gradient, and dparam[0] stays as it is; NULL: nobody does */
	double squares;       /* of weight() with a sink that wants them: the sum of the gradient's squares */
	void *saved;          /* op->saved_bytes, kept from forward to backward of the same step */
	void *packed;         /* op->packed_bytes, written once by the class's pack() */
	void *workspace;      /* max of op->forward_workspace, op->backward_workspace; contents undefined; 64-aligned */
	nnopt_status status;  /* only ops that run the caller's functions set it */
} nno_run;

/* What an op does with values of one type. */
typedef struct nno_op_code {
	/* Fills saved_bytes, packed_bytes, forward_workspace, backward_workspace, macs, for op->batch samples and
	 * `slots` thread slots. op->training, in, out, attr are final. False: a size overflows. */
	bool (*book)(nno_op *op, int slots);
	void (*forward)(const nno_op *op, nno_run *run);
	void (*backward)(const nno_op *op, nno_run *run);
	/* For op->constant: brings the parameters into run->packed, in the form forward() is fastest with. */
	void (*pack)(const nno_op *op, nno_run *run);
	/* For op->late: makes the gradient of param[0] after the backward pass, from src[0] and ddst. NULL: it cannot
	 * come late. */
	void (*weight)(const nno_op *op, nno_run *run);
} nno_op_code;

typedef struct nno_op_class {
	const char *name;
	size_t attr_size;
	/* Which of its own values backward() reads: the plan keeps them alive for it. */
	bool needs_src;
	bool needs_dst;
	bool inplace;              /* forward may run with dst == src[0] */
	bool can_add;              /* backward honours dsrc_add */
	unsigned gradient_inplace; /* bit k: backward may run with dsrc[k] == ddst, for one k and not adding to it */
	bool identity;             /* dst is always equal to src[0] in memory: the plan may alias and skip it */
	const nno_op_code *code[NNO_TYPES];
	/* Frees what book() made. NULL: nothing. */
	void (*destroy)(nno_op *op);
} nno_op_class;

struct nno_op {
	const nno_op_class *cls;
	int id; /* of the layer it came from, stable under rewrites */
	int n_in;
	int n_param; /* trainable parameters and state it is given */
	nno_shape in[NNO_OP_MAX_INPUTS];
	nno_shape out;
	void *attr; /* cls->attr_size bytes, its own struct */
	int64_t batch;
	nno_type type; /* of all its values */
	bool training;
	bool wants_dsrc[NNO_OP_MAX_INPUTS]; /* backward will be asked for it: what book() sizes for */
	bool wants_dparam;
	bool late;     /* src[0] and ddst stay until after the backward pass, where weight() wants them */
	bool constant; /* inference alone, and the parameters will not change */
	/* What is lent of a batch normalisation's work: of this op's own; of the one whose result src[0] would be; of
	 * the one that reads dst. NULL: nothing. */
	nno_lazy *lazy, *src_lazy, *dst_lazy;
	size_t saved_bytes;
	size_t packed_bytes; /* not 0 only for code with pack() */
	size_t forward_workspace, backward_workspace;
	int64_t macs; /* of one sample forward */
};

/* Activation functions that other ops can apply to their result. */
typedef enum nno_activation { NNO_ACT_NONE = 0, NNO_ACT_RELU = 1, NNO_ACT_RELU6 = 2 } nno_activation;

/* --- attributes, one struct a class --- */

typedef struct nno_conv_attr {
	/* pad: zeros before the first pixel; how many are behind the last, the output's size tells. */
	int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
	bool bias;
	/* Fused, ReLU6 only where nothing goes back: dst = act(conv + bias + skip); then needs_dst. */
	nno_activation activation;
	/* dst is the maximum over 2 x 2 pixels of that: what nno_op_pools() tells of. */
	bool pooled;
} nno_conv_attr; /* param: weight (kh, kw, C/groups, O), bias (O) */

typedef struct nno_linear_attr {
	bool bias;
	nno_activation activation;
} nno_linear_attr; /* param: weight (in, out), bias (out) */

typedef struct nno_pool_attr {
	int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
	bool count_include_pad;
	bool adaptive;             /* windows from in and out sizes, the other fields unused */
	nno_activation activation; /* of maxima, where nno_pool_takes_relu() */
} nno_pool_attr;

typedef struct nno_norm_attr {
	float momentum, epsilon;
	bool scale, bias;
	bool frozen;               /* use running statistics in training too, and leave them alone */
	nno_activation activation; /* fused: dst = act(norm + skip), the skip being src[1] where n_in is 2 */
} nno_norm_attr; /* param: [scale], [bias], running_mean, running_var, in this order, absent ones left out */

typedef struct nno_act_attr {
	float slope;    /* leaky ReLU */
	bool tanh_form; /* GELU */
} nno_act_attr;

typedef struct nno_dropout_attr {
	float p;
	int64_t block_size; /* of blocks, at most; drop_block alone */
} nno_dropout_attr;

typedef struct nno_layer_norm_attr {
	float epsilon;
	bool scale, bias;
	bool planar;    /* rows are of the sample in (C, H, W) order; else of its memory */
	int64_t length; /* values of a row, which has statistics of its own: a divisor of the sample */
} nno_layer_norm_attr;  /* param: [scale (length)], [bias (length)] */

typedef struct nno_group_norm_attr {
	float epsilon;
	bool scale, bias;
	int64_t groups;
	nno_activation activation; /* fused */
} nno_group_norm_attr;             /* param: [scale (C)], [bias (C)] */

typedef struct nno_scale_attr {
	float factor;
} nno_scale_attr;

/* How a picture is read as a sequence: steps, and the features of each in memory's order. */
typedef enum nno_sequence {
	NNO_ROWS = 0,    /* h steps of (w, c) */
	NNO_COLUMNS = 1, /* w steps of (h, c) */
	NNO_PIXELS = 2   /* h * w steps of c, row by row */
} nno_sequence;

typedef struct nno_recurrent_attr {
	nno_sequence sequence;
	bool reverse; /* from the last step to the first */
	bool last;    /* dst is the last hidden state alone, else that of every step */
	bool bias;
} nno_recurrent_attr; /* param: weight_ih (in, gates H), weight_hh (H, gates H), [bias_ih, bias_hh (gates H)] */

typedef struct nno_weighted_sum_attr {
	float weights[NNO_OP_MAX_INPUTS];
	bool learned; /* the weights are the parameter, through softmax where `softmax`; else those above */
	bool softmax;
} nno_weighted_sum_attr; /* param: [weight (n_in)] */

/* --- classes --- */
#define NNO_OP(name) extern const nno_op_class nno_op_##name;
#include "op/ops.inc"
#undef NNO_OP

static inline const nno_op_code *nno_op_code_of(const nno_op *op) { return op->cls->code[op->type]; }

static inline size_t nno_type_bytes(nno_type type) { return type == NNO_F32 ? sizeof(float) : sizeof(uint16_t); }

/* Whole arrays of values of one type, by all threads. */
typedef struct nno_values {
	void (*widen)(const nno_kernels *kernels, nno_pool *pool, float *dst, const void *src, int64_t count);
	void (*narrow)(const nno_kernels *kernels, nno_pool *pool, void *dst, const float *src, float factor,
		       int64_t count); /* dst = src * factor */
	void (*add)(const nno_kernels *kernels, nno_pool *pool, void *dst, const void *src,
		    int64_t count); /* dst += src */
} nno_values;

const nno_values *nno_values_of(nno_type type);

/* Whether each output channel is made from the input channel of its own number alone. */
static inline bool nno_conv_is_depthwise(const nno_conv_attr *a, int64_t in_channels, int64_t out_channels)
{
	return a->groups > 1 && a->groups == in_channels && a->groups == out_channels;
}

/* Whether a convolution can, and for this batch should, run as nno_op_conv_winograd, nno_op_conv_images. */
bool nno_winograd_pays(const nno_op *op, int64_t batch);
bool nno_conv_pointwise_fits(const nno_op *op);
bool nno_conv_images_pays(const nno_op *op, int64_t batch);
/* As which class a convolution or linear layer should run on pairs of bf16 values; NULL: none. */
const nno_op_class *nno_op_on_pairs(const nno_op *op, const nno_kernels *kernels, nno_type type);
/* Pixels of a pooling's largest window, at least. */
int64_t nno_pool_window_pixels(const nno_op *op);
/* Whether this is a maximum over windows of 2 x 2 that cut the picture. */
bool nno_pool_halves(const nno_op *op);
/* Whether this convolution can pool its result so. */
bool nno_op_pools(const nno_op *op);
bool nno_winograd_pools(const nno_op *op);
/* Whether this is a maximum pooling that can apply a ReLU to its result. */
bool nno_pool_takes_relu(const nno_op *op);
/* Where the k-th of scale, bias, running mean and variance lies among a normalisation's parameters; -1 when absent. */
int nno_norm_param(const nno_norm_attr *a, int which);
/* Whether an op of this class takes on a neighbouring normalisation's work. */
bool nno_op_borrows(const nno_op *op);
/* Dropout of any kind: nothing but in training. */
bool nno_op_is_dropout(const nno_op *op);
/* Convolution by any of its classes. */
bool nno_op_is_conv(const nno_op *op);
/* Convolution of a class whose result may be added to what dst holds, the skip: then it has a second input, which the
 * plan puts there. Inference alone. */
bool nno_op_adds_to_result(const nno_op *op);

/* Whether this node's backward reads src[input] / dst: the class's flags, narrowed by attributes. */
bool nno_op_needs_src(const nno_op *op, int input);
bool nno_op_needs_dst(const nno_op *op);
/* Whether its weight is large enough that the gradient had better come late, and can. */
bool nno_op_suits_late(const nno_op *op);

#endif
