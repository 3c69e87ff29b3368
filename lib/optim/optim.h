/* optim.h - optimizers over flat arrays: parameters, gradients and slots of equal length, cut into spans that share a
 * group's multipliers. Where the spans come from is attach.c's business alone. */
#ifndef NNO_OPTIM_H
#define NNO_OPTIM_H

#include "context/context.h"
#include "nnopt/optimizer.h"

#include <stdbool.h>

#define NNO_MAX_SLOTS 3
/* Elements a task updates: their weights, gradients and two slots fill a quarter of a megabyte, and the tasks of a
 * model are a function of its size alone. */
#define NNO_UPDATE_CHUNK 16384

/* Numbers of one step for one group, of the kind at hand. */
typedef union nno_step {
	nno_sgd_step sgd;
	nno_adam_step adam;
	nno_rmsprop_step rmsprop;
	nno_adagrad_step adagrad;
	nno_nadam_step nadam;
	nno_lion_step lion;
	nno_lamb_step lamb;
	struct {
		nno_muon_step matrix;
		nno_adam_step other;
	} muon;
} nno_step;

/* What a class needs to fill a nno_step. */
typedef struct nno_step_input {
	double lr; /* the group's */
	double decay_scale, l1_scale;
	int64_t number;             /* of this step, from 1 */
	nno_gradient_step gradient; /* scale and limit set; the class adds decay and l1 */
} nno_step_input;

typedef struct nno_optimizer_class {
	const char *name;
	size_t attr_size;
	/* Names of the slots that these attributes want; their number. */
	int (*slots)(const void *attr, const char *names[NNO_MAX_SLOTS]);
	/* May keep in attr what saves work at the next step, but no state. */
	void (*prepare)(void *attr, const nno_step_input *in, nno_step *out);
	/* One call of the kind's kernel. */
	void (*update)(const nno_kernels *kernels, float *w, const float *g, float *const slots[NNO_MAX_SLOTS],
		       const nno_step *step, int64_t n);
	/* What follows may be NULL or false. */
	float (*first)(const void *attr, int slot); /* what all of a slot begins with; NULL: 0 */
	bool by_tensor;                             /* no piece holds parts of two tensors */
	/* Bytes of o->work, once the spans are known; SIZE_MAX when they are too many. */
	size_t (*work_bytes)(const nnopt_optimizer *o);
	/* All of an update, in place of `update` for each piece. */
	void (*run)(nnopt_optimizer *o, float *parameters, const float *gradients);
} nno_optimizer_class;

typedef struct nno_group {
	char *prefix; /* NULL: any name */
	int32_t role; /* -1: any */
	double lr_scale, decay_scale, l1_scale;
	int32_t rule; /* nnopt_group_rule */
} nno_group;

/* One parameter: a span of the flat arrays, its group (index into groups) and whether it is updated. */
typedef struct nno_span {
	int64_t begin, end;
	int32_t group;
	int32_t trainable;
	/* Where its storage is a matrix of one output a row or a column; 0 otherwise. */
	int64_t rows, columns;
	bool by_column; /* outputs are its columns */
	bool hidden;    /* a weight, and not the last one of the network */
	bool apart;     /* no piece holds it: joint_step.c updates it by itself */
} nno_span;

/* Part of a span, or of several of one group, inside one chunk. */
typedef struct nno_piece {
	int64_t begin, end;
	int32_t group;
	int32_t span; /* the first one */
} nno_piece;

struct nnopt_optimizer {
	nnopt_context *context;
	const nno_optimizer_class *cls;
	void *attr;
	double lr, max_norm, max_value;
	int64_t steps;
	nno_group *groups; /* the first is the default group */
	int32_t group_count;

	uint64_t identity; /* of the blocks that it is attached to; 0: none */
	int64_t elements;
	int slot_count;
	nnopt_tensor *slots[NNO_MAX_SLOTS];
	float *slot_data[NNO_MAX_SLOTS];
	nno_span *spans; /* ascending */
	int32_t span_count;
	nno_piece *pieces;
	int64_t *first; /* chunk i has the pieces first[i] .. first[i + 1] */
	double *partial;
	int64_t chunk_count;
	nno_step *group_steps;
	void *work;   /* of the class */
	float *saved; /* weights before an ascent, of sam.c; NULL before the first */
	bool ascended;
};

/* The constructor's common part: `attr` is copied. */
nnopt_status nno_optimizer_create(nnopt_optimizer **out, nnopt_context *context, const nno_optimizer_class *cls,
				  const void *attr, double lr);

/* A number of an option: finite and at least 0; or in [0, 1). Error texts are "<kind>: <name> <value>, ... wanted". */
nnopt_status nno_check_at_least_zero(const char *kind, const char *name, double value);
nnopt_status nno_check_fraction(const char *kind, const char *name, double value);

/* The group of a parameter: the last that names it. */
int32_t nno_optimizer_group_of(const nnopt_optimizer *optimizer, const char *name, int32_t role);

/* Sets the optimizer up for arrays of `elements`: slots, chunks. Copies `spans`: ascending, disjoint, inside. Once. */
nnopt_status nno_optimizer_bind(nnopt_optimizer *optimizer, const nno_span *spans, int32_t count, int64_t elements);
/* Gives back what binding made. */
void nno_optimizer_unbind(nnopt_optimizer *optimizer);
/* To be called when a span's `trainable` was changed. Allocates nothing. */
void nno_optimizer_cut(nnopt_optimizer *optimizer);
/* One step; see nnopt_optimizer_step(). Neither fails nor allocates. */
void nno_optimizer_update(nnopt_optimizer *optimizer, float *parameters, const float *gradients, float gradient_scale,
			  nnopt_step_result *result);

/* attach.c: the blocks of the model that the optimizer is attached to, at need now, with gradients; its spans are as
 * trainable as the model's parameters are, and apart where `plan`, which may be NULL, makes gradients late. `what`
 * begins the texts of failures. */
nnopt_status nno_optimizer_ready(nnopt_optimizer *optimizer, nnopt_model *model, const nnopt_plan *plan,
				 const char *what, nnopt_model_blocks *blocks);

/* What the tasks of a pass over the arrays share. */
typedef struct nno_update_pass {
	nnopt_optimizer *o;
	float *parameters;
	const float *gradients;
} nno_update_pass;
/* Where the slots of the element `at` are. */
void nno_optimizer_slots_at(const nnopt_optimizer *optimizer, int64_t at, float *slots[NNO_MAX_SLOTS]);
/* The numbers of the step to come for every group; gradients are to be multiplied by `scale`. */
void nno_optimizer_prepare(nnopt_optimizer *optimizer, double scale);
/* Updates all pieces, as prepared. */
void nno_optimizer_update_pieces(nnopt_optimizer *optimizer, float *parameters, const float *gradients);
/* The norm of the gradients of all pieces times `scale`. */
double nno_optimizer_norm(nnopt_optimizer *optimizer, const float *gradients, float scale);

#define NNO_OPTIMIZER(name) extern const nno_optimizer_class nno_optimizer_##name;
#include "optim/kinds.inc"
#undef NNO_OPTIMIZER

#endif
