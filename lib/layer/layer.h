/* layer.h - what a layer kind is. One file a kind or family: private state, its rules, the class constant, the public
 * constructor. To add one: that file, a line in kinds.inc, CMakeLists.txt, the public header, lib/nnopt.map, and its
 * cases in tests/layer/. */
#ifndef NNO_LAYER_H
#define NNO_LAYER_H

#include "base/ref.h"
#include "nnopt/layer.h"
#include "op/op.h"

/* A value between layers, without N. */
typedef struct nno_value {
	nno_shape shape;
	bool flat; /* rank 2: (N, features), shape = (1, 1, features) */
} nno_value;

/* One field of a kind's state, as JSON knows it. */
typedef enum nno_field_type { NNO_FIELD_I64, NNO_FIELD_BOOL, NNO_FIELD_F32 } nno_field_type;
typedef struct nno_field {
	const char *name;
	nno_field_type type; /* int64_t, int32_t 0 or 1, float */
	size_t offset;       /* in the state */
	bool required;       /* no default: must be in the JSON */
} nno_field;

#define NNO_FIELD(state, member, type_, required_)                 \
	{                                                          \
#member, type_, offsetof(state, member), required_ \
	}

/* A parameter or state tensor as its layer wants it. */
typedef struct nno_spec {
	const char *name; /* "weight" */
	int role;         /* nnopt_parameter_role */
	int rank;
	int64_t shape[4];       /* the public one, as PyTorch's */
	int order[4];           /* storage: axis k in memory is public axis order[k] */
	int init;               /* nnopt_init */
	float value;            /* of NNOPT_INIT_CONSTANT and NNOPT_INIT_TRUNCATED_NORMAL */
	double fan_in, fan_out; /* products of extents, of any size */
	int64_t groups;         /* of a convolution's weight; 0 for others */
} nno_spec;

/* A layer may lower to several ops, each with its share of the parameters. */
#define NNO_LAYER_MAX_PARAMETERS (2 * NNO_OP_MAX_PARAMETERS)

typedef struct nno_lowering nno_lowering;

typedef struct nno_layer_class {
	const char *kind;
	int min_inputs, max_inputs;
	size_t state_size;    /* of the private state: plain data, written as JSON by its fields */
	const void *defaults; /* a state; NULL: all zero */
	const nno_field *fields;
	int field_count;
	/* Whether a state (from options or JSON) makes sense by itself. NULL: always. */
	nnopt_status (*check)(const void *state);
	/* The output's shape. The number of inputs is between the limits above; their ranks are unchecked. */
	nnopt_status (*shape)(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out);
	/* Parameters, then state tensors, in the order in which the op wants them; their number. NULL: none.
	 * `in` passed shape(). Negative: failure, the text is set. */
	int (*parameters)(const nnopt_layer *layer, const nno_value *in, int n_in,
			  nno_spec spec[NNO_LAYER_MAX_PARAMETERS]);
	/* Emits op nodes; the last one emitted is the layer's output. False: out of memory. */
	bool (*lower)(const nnopt_layer *layer, nno_lowering *l);
	bool running_statistics; /* of batches: training can be told to use them, nnopt_model_set_frozen_norms() */
	/* Frees what the state points to. NULL: nothing. */
	void (*destroy)(void *state);
	/* The caller's kind, of a layer of his own, which has no JSON. NULL: it is built in. */
	const char *(*own_kind)(const void *state);
} nno_layer_class;

#define NNO_NAME_BYTES 64

struct nnopt_layer {
	nno_ref ref;
	nnopt_context *context;
	const nno_layer_class *cls;
	char name[NNO_NAME_BYTES]; /* empty: the model names it */
	bool in_model;
	void *state;
};

/* What lower() sees of the plan under construction. */
struct nno_lowering {
	const nno_value *in; /* the layer's inputs */
	int n_in;
	nno_value out;
	bool frozen;           /* none of its tensors may change */
	bool norm_frozen;      /* running statistics are used in training too, and do not change */
	bool batch_statistics; /* running statistics are to be those of the batch */
	const nno_spec *spec[NNO_LAYER_MAX_PARAMETERS]; /* of its parameters */
	/* Adds a node: op class, inputs (0..n_in-1 are the layer's inputs, n_in + k is the output of the k-th node
	 * emitted), output shape, and which of the layer's parameters it gets. Returns its attributes, zeroed, to be
	 * filled in (not NULL even when there are none); NULL when out of memory. */
	void *(*emit)(nno_lowering *l, const nno_op_class *cls, const int *inputs, int n_in, nno_shape out,
		      int first_param, int n_param);
};

/* The common case: one op with all inputs and the first `n_param` parameters of the layer. */
void *nno_emit_all(nno_lowering *l, const nno_op_class *cls, int n_param);

/* Makes a layer around a copy of `state` (after check()); on failure the caller still owns what the state points to. */
nnopt_status nno_layer_make(nnopt_layer **out, nnopt_context *context, const nno_layer_class *cls, const void *state);
nnopt_layer *nno_layer_take(nnopt_layer *layer);
/* Kinds by name, for JSON; NULL when unknown. */
const nno_layer_class *nno_layer_class_of(const char *kind);

/* Rules that kinds share. */
/* First values, with the number beside their kind. Dirac's are the weight of a convolution's alone. */
nnopt_status nno_layer_check_init(const char *kind, const char *field, int64_t init, float value);
nnopt_status nno_layer_check_epsilon(const char *kind, float epsilon);
/* The weight, first 1, and the bias, first 0, that a normalisation has, of the shape and order of `form`; their number.
 */
int nno_layer_affine(nno_spec *spec, bool scale, bool bias, const nno_spec *form);
nnopt_status nno_layer_wants_rank4(const nnopt_layer *layer, const nno_value *in);
nnopt_status nno_layer_same_shape(const nnopt_layer *layer, const nno_value *in, int n_in, nno_value *out);

#endif
