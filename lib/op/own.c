/* own.c - runs the caller's functions. Tensors are made once, when memory is booked, and only pointed afterwards. */
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

static bool book(nno_op *op, int slots)
{
	(void)slots;
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

static void destroy(nno_op *op)
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

static void point_activation(nnopt_tensor *tensor, const float *data, int64_t n)
{
	/* Inputs are shown as const tensors; the pointer itself has no const form. */
	nno_tensor_point(tensor, (void *)(uintptr_t)data);
	nno_tensor_set_batch(tensor, n);
}

static nnopt_own_call begin_call(const nno_op *op, const nno_run *run)
{
	const nno_own_attr *a = op->attr;
	for (int i = 0; i < op->n_in; i++)
		point_activation(a->in[i], run->src[i], run->n);
	point_activation(a->out, run->dst, run->n);
	for (int i = 0; i < op->n_param; i++)
		nno_tensor_point(a->param[i], run->param[i]);
	return (nnopt_own_call){
		.struct_size = sizeof(nnopt_own_call),
		.training = run->training,
		.input_count = op->n_in,
		.parameter_count = op->n_param,
		.inputs = (const nnopt_tensor *const *)a->in,
		.output = a->out,
		.parameters = a->param,
	};
}

static void forward(const nno_op *op, nno_run *run)
{
	const nno_own_attr *a = op->attr;
	nnopt_own_call call = begin_call(op, run);
	run->status = a->forward_fn(&call, a->user);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_own_attr *a = op->attr;
	nnopt_own_call call = begin_call(op, run);
	nnopt_tensor *din[NNO_OP_MAX_INPUTS] = { NULL };
	nnopt_tensor *dparam[NNO_OP_MAX_PARAMETERS] = { NULL };
	point_activation(a->dout, run->ddst, run->n);
	for (int i = 0; i < op->n_in; i++)
		if (run->dsrc[i] != NULL) {
			point_activation(a->din[i], run->dsrc[i], run->n);
			din[i] = a->din[i];
		}
	for (int i = 0; i < op->n_param; i++)
		if (run->dparam[i] != NULL) {
			nno_tensor_point(a->dparam[i], run->dparam[i]);
			dparam[i] = a->dparam[i];
		}
	call.accumulate_parameters = run->dparam_add;
	call.output_gradient = a->dout;
	call.input_gradients = din;
	call.parameter_gradients = dparam;
	run->status = a->backward_fn(&call, a->user);
}

const nno_op_class nno_op_own = {
	.name = "own",
	.attr_size = sizeof(nno_own_attr),
	.needs_src = true,
	.needs_dst = true,
	.book = book,
	.forward = forward,
	.backward = backward,
	.destroy = destroy,
};
