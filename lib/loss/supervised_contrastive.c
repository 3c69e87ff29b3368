/* supervised_contrastive.c - an anchor's likes told from all other rows of the batch by a softmax over similarities:
 * with labels Khosla et al. 2020, without them NT-Xent of SimCLR (Chen et al. 2020), where the likes are two views. */
#include "loss/embedding_pairs.h"

#include <math.h>

typedef struct attr {
	nno_loss_pairs pairs;
	double temperature;
} attr;

static const nnopt_supervised_contrastive_options defaults = {
	.struct_size = sizeof(nnopt_supervised_contrastive_options),
	.temperature = 0.1,
	.normalise = 1,
};

static nnopt_status check_views(nno_loss_call *call)
{
	NNO_TRY(nno_loss_pairs_check(call));
	if (call->rows % 2 != 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"nt_xent: prediction of %lld rows, two views of each sample wanted",
				(long long)call->rows);
	return NNOPT_OK;
}

/* Turns similarities into the loss of anchor i and its slopes: softmax, less 1 / likes for each like. */
static double rate_anchor(const nno_loss_call *call, int64_t i)
{
	const attr *a = call->loss->attr;
	const nno_loss_pairs *p = &a->pairs;
	const nno_kernels *kernels = call->loss->context->kernels;
	float *slopes = nno_loss_pair_row(p, p->slopes, i), sums[2];
	double like = 0.0, share = 1.0 / (double)(p->last[i] - p->first[i] - 1);
	kernels->scale_f32(slopes, nno_loss_pair_row(p, p->between, i), (float)(1.0 / a->temperature), p->n);
	slopes[i] = -INFINITY;
	for (int64_t j = p->first[i]; j < p->last[i]; j++)
		like += j != i ? (double)slopes[j] : 0.0;
	kernels->softmax_row_f32(slopes, slopes, p->n, sums);
	kernels->scale_f32(slopes, slopes, (float)(1.0 / ((double)sums[1] * a->temperature)), p->n);
	for (int64_t j = p->first[i]; j < p->last[i]; j++)
		slopes[j] -= j != i ? (float)(share / a->temperature) : 0.0f;
	return log((double)sums[1]) + (double)sums[0] - like * share;
}

static void rate(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	const nno_loss_pairs *p = call->loss->attr;
	for (int64_t i = begin; i < end; i++) {
		if (p->last[i] - p->first[i] < 2)
			continue;
		double value = rate_anchor(call, i);
		part->value += value;
		part->active += value > 0.0;
		part->count++;
	}
}

static nnopt_status prepare(nno_loss_call *call)
{
	NNO_TRY(nno_loss_pairs_measure(call));
	nno_loss_over_rows(call, rate);
	call->weight = (double)call->total.count;
	call->count = call->total.count;
	return NNOPT_OK;
}

const nno_loss_class nno_loss_supervised_contrastive = {
	.name = "supervised_contrastive",
	.attr_size = sizeof(attr),
	.zero_of_none = true,
	.check = nno_loss_pairs_check,
	.prepare = prepare,
	.run = nno_loss_pairs_run,
	.release = nno_loss_pairs_release,
};

const nno_loss_class nno_loss_nt_xent = {
	.name = "nt_xent",
	.attr_size = sizeof(attr),
	.ignores_target = true,
	.zero_of_none = true,
	.check = check_views,
	.prepare = prepare,
	.run = nno_loss_pairs_run,
	.release = nno_loss_pairs_release,
};

nnopt_status nnopt_supervised_contrastive_options_init(nnopt_supervised_contrastive_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "supervised_contrastive_options");
}

static nnopt_status create(nnopt_loss **out, nnopt_context *context,
			   const nnopt_supervised_contrastive_options *options, const nno_loss_class *cls)
{
	nnopt_supervised_contrastive_options o = defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "supervised_contrastive_options"));
	if (!(o.temperature > 0.0 && isfinite(o.temperature)))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: temperature %g, finite and above 0 wanted",
				cls->name, o.temperature);
	attr a = { .pairs = { .normalise = o.normalise != 0, .measure = NNO_DOTS }, .temperature = o.temperature };
	return nno_loss_create(out, context, cls, &a, o.reduction);
}

nnopt_status nnopt_supervised_contrastive_create(nnopt_loss **out, nnopt_context *context,
						 const nnopt_supervised_contrastive_options *options)
{
	return create(out, context, options, &nno_loss_supervised_contrastive);
}

nnopt_status nnopt_nt_xent_create(nnopt_loss **out, nnopt_context *context,
				  const nnopt_supervised_contrastive_options *options)
{
	return create(out, context, options, &nno_loss_nt_xent);
}
