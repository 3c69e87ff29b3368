/* mse.c - squared error, as torch.nn.MSELoss: the mean is over all elements. */
#include "loss/loss.h"

static nnopt_status check(nno_loss_call *call)
{
	NNO_TRY(nno_loss_take_target(call));
	call->weight = (double)call->prediction->count;
	call->count = call->rows;
	return NNOPT_OK;
}

static void run(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	int64_t at = begin * call->columns;
	call->loss->context->kernels->squared_error_f32(call->gradient != NULL ? call->gradient + at : NULL,
							call->x + at, call->t + at, (float)(2.0 * call->slope),
							(end - begin) * call->columns, &part->value);
}

const nno_loss_class nno_loss_mse = {
	.name = "mse",
	.check = check,
	.run = run,
};

nnopt_status nnopt_mse_create(nnopt_loss **out, nnopt_context *context, nnopt_reduction reduction)
{
	return nno_loss_create(out, context, &nno_loss_mse, NULL, (int32_t)reduction);
}
