/* own_tensors.c - the tensors that a caller's own layer is shown: made once, when memory is booked, and only pointed
 * afterwards. They are f32 whatever the plan's values are. */
#include "op/own.h"

static nnopt_tensor *make_tensor(nnopt_context *context, int rank, const int64_t *shape, bool nhwc)
{
	/* Any address will do until the first run points the tensor at its memory. */
	static float nowhere;
	int64_t count = 1;
	for (int i = 0; i < rank; i++)
		count *= shape[i];
	nnopt_tensor *tensor = NULL;
	if (nnopt_tensor_wrap(&tensor, context, &nowhere, (size_t)count * sizeof(float), NNOPT_F32, rank, shape,
			      nhwc ? NNOPT_NHWC : NNOPT_NCHW) != NNOPT_OK)
		return NULL;
	return tensor;
}

static nnopt_tensor *make_activation(const nno_own_attr *a, int64_t batch, nno_shape s, bool flat)
{
	int64_t shape[4] = { batch, s.c, s.h, s.w };
	return make_tensor(a->context, flat ? 2 : 4, shape, !flat);
}

bool nno_own_make_tensors(nno_op *op)
{
	nno_own_attr *a = op->attr;
	bool made = true;
	for (int i = 0; i < op->n_in; i++) {
		a->in[i] = make_activation(a, op->batch, op->in[i], a->in_flat[i]);
		a->din[i] = make_activation(a, op->batch, op->in[i], a->in_flat[i]);
		made = made && a->in[i] != NULL && a->din[i] != NULL;
	}
	a->out = make_activation(a, op->batch, op->out, a->out_flat);
	a->dout = make_activation(a, op->batch, op->out, a->out_flat);
	made = made && a->out != NULL && a->dout != NULL;
	for (int i = 0; i < op->n_param; i++) {
		a->param[i] = make_tensor(a->context, a->param_rank[i], a->param_shape[i], false);
		a->dparam[i] = make_tensor(a->context, a->param_rank[i], a->param_shape[i], false);
		made = made && a->param[i] != NULL && a->dparam[i] != NULL;
	}
	return made;
}

void nno_own_destroy(nno_op *op)
{
	nno_own_attr *a = op->attr;
	for (int i = 0; i < NNO_OP_MAX_INPUTS; i++) {
		nnopt_tensor_destroy(a->in[i]);
		nnopt_tensor_destroy(a->din[i]);
	}
	for (int i = 0; i < NNO_OP_MAX_PARAMETERS; i++) {
		nnopt_tensor_destroy(a->param[i]);
		nnopt_tensor_destroy(a->dparam[i]);
	}
	nnopt_tensor_destroy(a->out);
	nnopt_tensor_destroy(a->dout);
}
