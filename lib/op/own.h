/* own.h - the op of a caller's own layer: its functions, and the tensors they are shown. */
#ifndef NNO_OP_OWN_H
#define NNO_OP_OWN_H

#include "nnopt/layer.h"
#include "op/op.h"
#include "tensor/tensor.h"

typedef struct nno_own_attr {
	nnopt_context *context;
	nnopt_status (*forward_fn)(const nnopt_own_call *call, void *user);
	nnopt_status (*backward_fn)(const nnopt_own_call *call, void *user);
	void *user;
	bool in_flat[NNO_OP_MAX_INPUTS], out_flat;
	int param_rank[NNO_OP_MAX_PARAMETERS];
	int64_t param_shape[NNO_OP_MAX_PARAMETERS][4];
	/* made by nno_own_make_tensors(), pointed at the run's memory before each call */
	nnopt_tensor *in[NNO_OP_MAX_INPUTS], *din[NNO_OP_MAX_INPUTS], *out, *dout;
	nnopt_tensor *param[NNO_OP_MAX_PARAMETERS], *dparam[NNO_OP_MAX_PARAMETERS];
} nno_own_attr;

/* False: out of memory. */
bool nno_own_make_tensors(nno_op *op);
void nno_own_destroy(nno_op *op);

#endif
