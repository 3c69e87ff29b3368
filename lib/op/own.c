/* own.c - runs the caller's functions. They see f32 tensors: where a plan's values are not floats, copies in the
 * workspace stand in for them. */
#include "op/own.h"

#include "base/error.h"
#include "base/size.h"
#include "op/parallel.h"

/* Where the copies of inputs, result and their gradients are. */
typedef struct copies {
	float *in[NNO_OP_MAX_INPUTS], *din[NNO_OP_MAX_INPUTS], *out, *dout;
} copies;

/* Lays them out from `at` on (NULL: to learn their size alone); false when the size overflows. */
static bool place_copies(const nno_op *op, copies *c, float *at, size_t *bytes)
{
	size_t floats = 0;
	for (int i = 0; i < op->n_in; i++) {
		size_t n = nno_room((size_t)(op->batch * nno_shape_count(op->in[i])));
		if (at != NULL) {
			c->in[i] = at + floats;
			c->din[i] = at + floats + n;
		}
		if (!nno_size_add(floats, 2 * n, &floats))
			return false;
	}
	size_t n = nno_room((size_t)(op->batch * nno_shape_count(op->out)));
	if (at != NULL) {
		c->out = at + floats;
		c->dout = at + floats + n;
	}
	return nno_size_add(floats, 2 * n, &floats) && nno_size_mul(floats, sizeof(float), bytes);
}

static bool book(nno_op *op, int slots)
{
	(void)slots;
	copies unused;
	size_t bytes;
	if (!place_copies(op, &unused, NULL, &bytes))
		return false;
	op->forward_workspace = op->backward_workspace = bytes;
	return nno_own_make_tensors(op);
}

static void point_activation(nnopt_tensor *tensor, const float *data, int64_t n)
{
	/* Inputs are shown as const tensors; the pointer itself has no const form. */
	nno_tensor_point(tensor, (void *)(uintptr_t)data);
	nno_tensor_set_batch(tensor, n);
}

static nnopt_own_call begin_call(const nno_op *op, const nno_run *run, const copies *c, bool has_result)
{
	const nno_own_attr *a = op->attr;
	for (int i = 0; i < op->n_in; i++)
		point_activation(
		    a->in[i], NNO_OF(nno_widen_all)(run, c->in[i], src_of(run, i), run->n * nno_shape_count(op->in[i])),
		    run->n);
	int64_t count = run->n * nno_shape_count(op->out);
	if (has_result || !NNO_WIDENS)
		point_activation(a->out, NNO_OF(nno_widen_all)(run, c->out, dst_of(run), count), run->n);
	else
		point_activation(a->out, c->out, run->n);
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
	copies c = { .out = NULL };
	size_t bytes;
	unsigned before = nno_failures();
	if (NNO_WIDENS)
		(void)place_copies(op, &c, run->workspace, &bytes);
	nnopt_own_call call = begin_call(op, run, &c, false);
	run->status = nno_fail_caller(before, a->forward_fn(&call, a->user));
	if (NNO_WIDENS)
		kernels_of(run)->narrow(dst_of(run), c.out, 1.0f, run->n * nno_shape_count(op->out), 0);
}

static void backward(const nno_op *op, nno_run *run)
{
	const nno_own_attr *a = op->attr;
	copies c = { .out = NULL };
	size_t bytes;
	unsigned before = nno_failures();
	if (NNO_WIDENS)
		(void)place_copies(op, &c, run->workspace, &bytes);
	nnopt_own_call call = begin_call(op, run, &c, true);
	nnopt_tensor *din[NNO_OP_MAX_INPUTS] = { NULL };
	nnopt_tensor *dparam[NNO_OP_MAX_PARAMETERS] = { NULL };
	int64_t count = run->n * nno_shape_count(op->out);
	point_activation(a->dout, NNO_OF(nno_widen_all)(run, c.dout, ddst_of(run), count), run->n);
	for (int i = 0; i < op->n_in; i++)
		if (run->dsrc[i] != NULL) {
			point_activation(a->din[i], NNO_WIDENS ? c.din[i] : run->dsrc[i], run->n);
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
	run->status = nno_fail_caller(before, a->backward_fn(&call, a->user));
	for (int i = 0; NNO_WIDENS && i < op->n_in; i++)
		if (run->dsrc[i] != NULL)
			kernels_of(run)->narrow(dsrc_of(run, i), c.din[i], 1.0f, run->n * nno_shape_count(op->in[i]),
						0);
}

NNO_OP_CODE(own) = { .book = book, .forward = forward, .backward = backward };
