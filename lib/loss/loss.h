/* loss.h - the class of a loss. A loss cuts its work into chunks of rows by shape alone; each chunk leaves a
 * nno_loss_part, and the parts are added in order: same bits at any thread count. */
#ifndef NNO_LOSS_H
#define NNO_LOSS_H

#include "nnopt/loss.h"
#include "tensor/tensor.h"

#include <stdbool.h>

/* Elements of the prediction in a chunk, about. */
#define NNO_LOSS_CHUNK 8192

/* What a chunk of rows gives: the sum of its losses, and how many arg-max hits. */
typedef struct nno_loss_part {
	double value;
	int64_t correct;
} nno_loss_part;

/* One call. The generic part has checked that prediction and gradient are f32 of one shape and layout. */
typedef struct nno_loss_call {
	nnopt_loss *loss;
	const nnopt_tensor *prediction, *target;
	const float *x;
	float *gradient; /* NULL: value only */
	float scale;     /* of the gradient */
	int64_t rows, columns, rows_in_chunk;
	nno_loss_part *parts;
	/* Filled by check(): */
	const float *t; /* targets of the prediction's shape, in its layout; NULL for class indices */
	double weight;  /* nnopt_loss_result.weight */
	int64_t count;  /* nnopt_loss_result.count */
	double slope;   /* factor of each row's gradient: scale, over `weight` when the mean is asked for */
} nno_loss_call;

typedef struct nno_loss_class {
	const char *name;
	size_t attr_size;
	/* Checks shapes and targets, fills t, weight and count, cuts rows and columns when not (extent 0, the rest).
	 * Writes nothing of the caller's. */
	nnopt_status (*check)(nno_loss_call *call);
	/* Rows [begin, end): gradient and part. */
	void (*run)(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part);
	/* Frees what the attributes point to; may be NULL. */
	void (*release)(void *attr, const nno_alloc *alloc);
} nno_loss_class;

struct nnopt_loss {
	nnopt_context *context;
	const nno_loss_class *cls;
	void *attr;
	nnopt_reduction reduction;
	nno_loss_part *parts; /* kept from call to call */
	int64_t part_capacity;
	nnopt_tensor *turned; /* the target in the prediction's layout, when it came in another */
};

/* The constructor's common part: takes over what `attr` points to when it succeeds, and copies it. */
nnopt_status nno_loss_create(nnopt_loss **out, nnopt_context *context, const nno_loss_class *cls, const void *attr,
			     int32_t reduction);

/* For check(): f32 targets of the prediction's shape; sets call->t. */
nnopt_status nno_loss_take_target(nno_loss_call *call);

/* Copies `count` weights, each finite and at least 0; *out is NULL for none. */
nnopt_status nno_loss_copy_weights(float **out, nnopt_context *context, const float *weights, int64_t count,
				   const char *what);

#define NNO_LOSS(name) extern const nno_loss_class nno_loss_##name;
#include "loss/kinds.inc"
#undef NNO_LOSS

#endif
