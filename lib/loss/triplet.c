/* triplet.c - triplet loss on embeddings, with triples mined inside the batch: batch-hard and batch-all of Hermans,
 * Beyer and Leibe 2017, semi-hard of Schroff, Kalenichenko and Philbin 2015 (FaceNet). Only the hardest triples teach
 * once the easy ones are learnt; which to take is a choice between pace and outliers. */
#include "loss/embedding_pairs.h"

#include <math.h>

typedef struct attr {
	nno_loss_pairs pairs;
	double margin;
	int32_t mining, soft;
} attr;

static const nnopt_triplet_options defaults = { .struct_size = sizeof(nnopt_triplet_options), .margin = 0.2 };

/* One triple. */
static void add_triple(const attr *a, float *slopes, const float *between, int64_t positive, int64_t negative,
		       nno_loss_part *part)
{
	double u = (double)between[positive] - (double)between[negative] + (a->soft ? 0.0 : a->margin);
	double value = isnan(u) ? u : fmax(u, 0.0), slope = u > 0.0 ? 1.0 : 0.0;
	if (a->soft) {
		double e = exp(-fabs(u));
		value += log1p(e);
		slope = (u > 0.0 ? 1.0 : e) / (1.0 + e);
	}
	part->value += value;
	part->active += value > 0.0;
	part->weight += 1.0;
	slopes[positive] += (float)slope;
	slopes[negative] -= (float)slope;
}

static int64_t farthest(const float *between, int64_t begin, int64_t end, int64_t best)
{
	for (int64_t j = begin; j < end; j++)
		if (best < 0 || between[j] > between[best])
			best = j;
	return best;
}

/* The nearest row of another label that is farther away than `above`; -1 for none. */
static int64_t nearest_other(const nno_loss_call *call, int64_t i, const float *between, float above)
{
	const nno_loss_pairs *p = call->loss->attr;
	const nno_kernels *kernels = call->loss->context->kernels;
	int64_t first = p->first[i], last = p->last[i];
	float before, after;
	kernels->least_above_f32(between, above, first, &before);
	kernels->least_above_f32(between + last, above, p->n - last, &after);
	float least = before <= after ? before : after;
	int64_t j = before <= after ? 0 : last;
	while (between[j] != least && isfinite(least))
		j++;
	return isfinite(least) ? j : -1;
}

static void mine_hard(const nno_loss_call *call, int64_t i, float *slopes, const float *between, nno_loss_part *part)
{
	const attr *a = call->loss->attr;
	const nno_loss_pairs *p = &a->pairs;
	int64_t positive = farthest(between, i + 1, p->last[i], farthest(between, p->first[i], i, -1));
	int64_t negative = nearest_other(call, i, between, -1.0f);
	if (negative < 0) /* all are infinitely far */
		negative = p->first[i] > 0 ? 0 : p->last[i];
	add_triple(a, slopes, between, positive, negative, part);
}

static void mine_semi_hard(const nno_loss_call *call, int64_t i, float *slopes, const float *between,
			   nno_loss_part *part)
{
	const attr *a = call->loss->attr;
	const nno_loss_pairs *p = &a->pairs;
	int64_t last = farthest(between, p->last[i], p->n, farthest(between, 0, p->first[i], -1));
	for (int64_t positive = p->first[i]; positive < p->last[i]; positive++) {
		if (positive == i)
			continue;
		int64_t negative = nearest_other(call, i, between, between[positive]);
		add_triple(a, slopes, between, positive, negative >= 0 ? negative : last, part);
	}
}

static void mine_all(const nno_loss_call *call, int64_t i, float *slopes, const float *between, nno_loss_part *part)
{
	const attr *a = call->loss->attr;
	const nno_loss_pairs *p = &a->pairs;
	const nno_kernels *kernels = call->loss->context->kernels;
	int64_t before = p->first[i], after = p->n - p->last[i];
	for (int64_t positive = p->first[i]; positive < p->last[i]; positive++) {
		if (positive == i)
			continue;
		float above = (float)((double)between[positive] + (a->soft ? 0.0 : a->margin)), low[2], high[2];
		kernels->hinge_f32(slopes, between, above, a->soft, before, low);
		kernels->hinge_f32(slopes + p->last[i], between + p->last[i], above, a->soft, after, high);
		double slope = (double)low[1] + (double)high[1];
		part->value += (double)low[0] + (double)high[0];
		part->active += a->soft ? before + after : (int64_t)slope;
		slopes[positive] += (float)slope;
	}
}

static void mine(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	const attr *a = call->loss->attr;
	const nno_loss_pairs *p = &a->pairs;
	for (int64_t i = begin; i < end; i++) {
		int64_t likes = p->last[i] - p->first[i];
		if (likes < 2 || likes == p->n)
			continue;
		float *slopes = nno_loss_pair_row(p, p->slopes, i);
		const float *between = nno_loss_pair_row(p, p->between, i);
		part->count++;
		if (a->mining == NNOPT_TRIPLET_BATCH_HARD)
			mine_hard(call, i, slopes, between, part);
		else if (a->mining == NNOPT_TRIPLET_SEMI_HARD)
			mine_semi_hard(call, i, slopes, between, part);
		else
			mine_all(call, i, slopes, between, part);
	}
}

static nnopt_status prepare(nno_loss_call *call)
{
	const attr *a = call->loss->attr;
	NNO_TRY(nno_loss_pairs_measure(call));
	nno_loss_over_rows(call, mine);
	call->weight = a->mining == NNOPT_TRIPLET_BATCH_ALL ? (double)call->total.active : call->total.weight;
	call->count = call->total.count;
	return NNOPT_OK;
}

const nno_loss_class nno_loss_triplet = {
	.name = "triplet",
	.attr_size = sizeof(attr),
	.zero_of_none = true,
	.check = nno_loss_pairs_check,
	.prepare = prepare,
	.run = nno_loss_pairs_run,
	.release = nno_loss_pairs_release,
};

nnopt_status nnopt_triplet_options_init(nnopt_triplet_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "triplet_options");
}

nnopt_status nnopt_triplet_create(nnopt_loss **out, nnopt_context *context, const nnopt_triplet_options *options)
{
	nnopt_triplet_options o = defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "triplet_options"));
	NNO_TRY(nno_loss_check_number("triplet: margin", o.margin, 0.0, INFINITY));
	if (o.mining < NNOPT_TRIPLET_BATCH_HARD || o.mining > NNOPT_TRIPLET_BATCH_ALL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "triplet: mining %d, 0 to %d wanted", (int)o.mining,
				(int)NNOPT_TRIPLET_BATCH_ALL);
	attr a = { .pairs = { .normalise = o.normalise != 0, .measure = o.squared ? NNO_SQUARED : NNO_EUCLIDEAN },
		   .margin = o.margin,
		   .mining = o.mining,
		   .soft = o.soft_margin != 0 };
	return nno_loss_create(out, context, &nno_loss_triplet, &a, o.reduction);
}
