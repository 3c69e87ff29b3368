/* contrastive.c - contrastive loss over all pairs of a batch, Hadsell, Chopra and LeCun 2006: likes are drawn together,
 * others pushed to the margin, with springs. */
#include "loss/embedding_pairs.h"

#include <math.h>

typedef struct attr {
	nno_loss_pairs pairs;
	double margin;
} attr;

static const nnopt_contrastive_options defaults = { .struct_size = sizeof(nnopt_contrastive_options), .margin = 1.0 };

/* Each pair once: with the rows behind it, first those of the same label. */
static void rate(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	const attr *a = call->loss->attr;
	const nno_loss_pairs *p = &a->pairs;
	for (int64_t i = begin; i < end; i++) {
		const float *between = nno_loss_pair_row(p, p->between, i);
		float *slopes = nno_loss_pair_row(p, p->slopes, i);
		for (int64_t j = i + 1; j < p->n; j++) {
			double d = (double)between[j], s = j < p->last[i] ? d : fmin(d - a->margin, 0.0);
			part->value += 0.5 * s * s;
			part->active += s != 0.0;
			slopes[j] = (float)s;
		}
	}
}

static nnopt_status prepare(nno_loss_call *call)
{
	NNO_TRY(nno_loss_pairs_measure(call));
	nno_loss_over_rows(call, rate);
	call->weight = 0.5 * (double)call->rows * (double)(call->rows - 1);
	call->count = call->rows;
	return NNOPT_OK;
}

const nno_loss_class nno_loss_contrastive = {
	.name = "contrastive",
	.attr_size = sizeof(attr),
	.zero_of_none = true,
	.check = nno_loss_pairs_check,
	.prepare = prepare,
	.run = nno_loss_pairs_run,
	.release = nno_loss_pairs_release,
};

nnopt_status nnopt_contrastive_options_init(nnopt_contrastive_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "contrastive_options");
}

nnopt_status nnopt_contrastive_create(nnopt_loss **out, nnopt_context *context,
				      const nnopt_contrastive_options *options)
{
	nnopt_contrastive_options o = defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "contrastive_options"));
	NNO_TRY(nno_loss_check_number("contrastive: margin", o.margin, 0.0, INFINITY));
	attr a = { .pairs = { .normalise = o.normalise != 0 }, .margin = o.margin };
	return nno_loss_create(out, context, &nno_loss_contrastive, &a, o.reduction);
}
