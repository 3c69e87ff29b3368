/* kl_divergence.c - Kullback-Leibler divergence of a softmax from given probabilities t, as torch.nn.KLDivLoss on
 * log_softmax: sum t log t - sum t log p, with the gradient (sum t) p - t. */
#include "loss/loss.h"

#include <math.h>

static nnopt_status check(nno_loss_call *call)
{
	const nnopt_tensor *x = call->prediction;
	if (x->rank != 2 || x->shape[1] < 1) {
		char got[NNO_SHAPE_TEXT];
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "kl_divergence: prediction %s, (N, classes) wanted",
				nno_shape_text(got, x->shape, x->rank));
	}
	NNO_TRY(nno_loss_take_target(call));
	call->columns = x->shape[1];
	call->weight = (double)call->rows;
	call->count = call->rows;
	return NNOPT_OK;
}

static void run(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	const nno_kernels *kernels = call->loss->context->kernels;
	int64_t n = call->columns;
	for (int64_t i = begin; i < end; i++) {
		const float *x = call->x + i * n, *t = call->t + i * n;
		float *g = call->gradient != NULL ? call->gradient + i * n : NULL, sums[2], q[2];
		double entropy;
		kernels->softmax_row_f32(g, x, n, sums);
		kernels->target_sums_f32(x, sums[0], NULL, t, 1.0f, 0.0f, n, q);
		kernels->plogp_f32(t, n, &entropy);
		part->value += entropy + (double)q[0] * log((double)sums[1]) + (double)q[1];
		if (g != NULL)
			kernels->target_gradient_f32(g, (float)(call->slope * (double)q[0] / (double)sums[1]), NULL, t,
						     (float)call->slope, 0.0f, n);
	}
}

const nno_loss_class nno_loss_kl_divergence = {
	.name = "kl_divergence",
	.check = check,
	.run = run,
};

nnopt_status nnopt_kl_divergence_create(nnopt_loss **out, nnopt_context *context, nnopt_reduction reduction)
{
	return nno_loss_create(out, context, &nno_loss_kl_divergence, NULL, (int32_t)reduction);
}
