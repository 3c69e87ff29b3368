/* loss.h - the class of a loss. A loss cuts its work into chunks of rows by shape alone; each chunk leaves a
 * nno_loss_part, and the parts are added in order: same bits at any thread count. */
#ifndef NNO_LOSS_H
#define NNO_LOSS_H

#include "nnopt/loss.h"
#include "tensor/tensor.h"

#include <stdbool.h>

/* Elements of the prediction in a chunk, about. */
#define NNO_LOSS_CHUNK 8192

/* What a chunk of rows gives: the sum of its losses, and how many arg-max hits. Where only the computation tells what
 * counts, those sums too. */
typedef struct nno_loss_part {
	double value;
	int64_t correct;
	double weight;
	int64_t count, active;
} nno_loss_part;

typedef struct nno_loss_call nno_loss_call;
/* Rows [begin, end) of a call. */
typedef void (*nno_loss_rows)(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part);

/* One call. The generic part has checked that prediction and gradient are f32 of one shape and layout. */
struct nno_loss_call {
	nnopt_loss *loss;
	const nnopt_tensor *prediction, *target; /* target: NULL only for a class that looks at none */
	const float *x;
	float *gradient; /* NULL: value only */
	float scale;     /* of the gradient */
	int64_t rows, columns, rows_in_chunk;
	nno_loss_rows run; /* what is under way */
	nno_loss_part *parts;
	nno_loss_part total; /* of all chunks so far */
	/* Filled by check(): */
	const float *t; /* targets of the prediction's shape, in its layout; NULL for class indices */
	double weight;  /* nnopt_loss_result.weight */
	int64_t count;  /* nnopt_loss_result.count */
	double slope;   /* factor of each row's gradient: scale, over `weight` when the mean is asked for */
};

typedef struct nno_loss_class {
	const char *name;
	size_t attr_size;
	bool takes_teacher;
	bool ignores_target; /* and then NULL will do */
	bool zero_of_none;   /* the mean over a weight of 0 is 0: a batch may hold nothing to learn from */
	/* Checks shapes and targets, fills t, weight and count, cuts rows and columns when not (extent 0, the rest);
	 * sets rows_in_chunk when it is not to follow from columns. Writes nothing of the caller's. */
	nnopt_status (*check)(nno_loss_call *call);
	/* Work over the whole batch, by nno_loss_over_rows, that tells weight and count; may be NULL. */
	nnopt_status (*prepare)(nno_loss_call *call);
	/* Gradient and part. */
	nno_loss_rows run;
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
	nnopt_tensor *turned;        /* the target in the prediction's layout, when it came in another */
	const nnopt_tensor *teacher; /* logits for the next call, borrowed; or NULL */
};

/* The constructor's common part: takes over what `attr` points to when it succeeds, and copies it. */
nnopt_status nno_loss_create(nnopt_loss **out, nnopt_context *context, const nno_loss_class *cls, const void *attr,
			     int32_t reduction);

/* For check(): f32 targets of the prediction's shape; sets call->t. */
nnopt_status nno_loss_take_target(nno_loss_call *call);

/* Runs the rows of a call in chunks on all threads and adds up their parts, in order, to call->total. */
void nno_loss_over_rows(nno_loss_call *call, nno_loss_rows run);

/* For check(): i32 or i64 labels, one a row; with take_classes those of `columns` classes, or `ignore`, and `weight`
 * becomes the sum of their weights (NULL: all 1) and `count` their number. */
nnopt_status nno_loss_check_labels(const nno_loss_call *call);
nnopt_status nno_loss_take_classes(nno_loss_call *call, const float *weights, int64_t ignore);
int64_t nno_loss_label(const nnopt_tensor *target, int64_t row);

/* Whether x[at] is `top`, the largest, and none before it is. */
bool nno_loss_is_first(const float *x, int64_t at, float top);

/* Refuses what is not finite or outside [least, most]; `what` is "kind: option". */
nnopt_status nno_loss_check_number(const char *what, double value, double least, double most);

/* Copies `count` weights, each finite and at least 0; *out is NULL for none. */
nnopt_status nno_loss_copy_weights(float **out, nnopt_context *context, const float *weights, int64_t count,
				   const char *what);

#define NNO_LOSS(name) extern const nno_loss_class nno_loss_##name;
#include "loss/kinds.inc"
#undef NNO_LOSS

#endif
