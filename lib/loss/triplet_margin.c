/* triplet_margin.c - triplet loss on given triples, as torch.nn.TripletMarginLoss with p = 2: the distance is the
 * length of a - b + eps. */
#include "loss/loss.h"

#include <math.h>

typedef struct attr {
	double margin, eps;
	int32_t swap, interleaved;
} attr;

static const nnopt_triplet_margin_options defaults = {
	.struct_size = sizeof(nnopt_triplet_margin_options),
	.margin = 1.0,
	.eps = 1e-6,
};

static nnopt_status check(nno_loss_call *call)
{
	const nnopt_tensor *x = call->prediction;
	if (x->rank != 2 || x->shape[0] % 3 != 0 || x->shape[1] < 1) {
		char got[NNO_SHAPE_TEXT];
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "triplet_margin: prediction %s, (3 T, D) wanted",
				nno_shape_text(got, x->shape, x->rank));
	}
	/* A row of the work is a triple. */
	call->rows = x->shape[0] / 3;
	call->columns = 3 * x->shape[1];
	call->weight = (double)call->rows;
	call->count = call->rows;
	return NNOPT_OK;
}

static double distance(const float *a, const float *b, double eps, int64_t n)
{
	double sum = 0.0;
	for (int64_t i = 0; i < n; i++) {
		double d = (double)a[i] - (double)b[i] + eps;
		sum += d * d;
	}
	return sqrt(sum);
}

/* Adds the gradient of slope * |a - b + eps| to those of a and b. */
static void pull(float *da, float *db, const float *a, const float *b, double eps, double slope, double length,
		 int64_t n)
{
	double k = length > 0.0 ? slope / length : 0.0;
	for (int64_t i = 0; i < n; i++) {
		float g = (float)(k * ((double)a[i] - (double)b[i] + eps));
		da[i] += g;
		db[i] -= g;
	}
}

static void run(const nno_loss_call *call, int64_t begin, int64_t end, nno_loss_part *part)
{
	const attr *o = call->loss->attr;
	int64_t n = call->columns / 3, step = o->interleaved ? n : call->rows * n, next = o->interleaved ? 3 * n : n;
	for (int64_t t = begin; t < end; t++) {
		const float *a = call->x + t * next, *p = a + step, *q = p + step;
		double near = distance(a, p, o->eps, n), far = distance(a, q, o->eps, n);
		double swapped = o->swap ? distance(p, q, o->eps, n) : INFINITY;
		double u = near - fmin(far, swapped) + o->margin;
		/* Infinitely far, which no finite embedding is, would pass for a loss of 0. */
		part->value += isfinite(near + far) ? fmax(u, 0.0) : (double)NAN;
		part->active += u > 0.0;
		if (call->gradient == NULL)
			continue;
		float *da = call->gradient + t * next, *dp = da + step, *dq = dp + step;
		for (int64_t i = 0; i < n; i++)
			da[i] = dp[i] = dq[i] = 0.0f;
		if (!(u > 0.0))
			continue;
		pull(da, dp, a, p, o->eps, call->slope, near, n);
		if (swapped < far)
			pull(dp, dq, p, q, o->eps, -call->slope, swapped, n);
		else
			pull(da, dq, a, q, o->eps, -call->slope, far, n);
	}
}

const nno_loss_class nno_loss_triplet_margin = {
	.name = "triplet_margin",
	.attr_size = sizeof(attr),
	.ignores_target = true,
	.check = check,
	.run = run,
};

nnopt_status nnopt_triplet_margin_options_init(nnopt_triplet_margin_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "triplet_margin_options");
}

nnopt_status nnopt_triplet_margin_create(nnopt_loss **out, nnopt_context *context,
					 const nnopt_triplet_margin_options *options)
{
	nnopt_triplet_margin_options o = defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "triplet_margin_options"));
	NNO_TRY(nno_loss_check_number("triplet_margin: margin", o.margin, 0.0, INFINITY));
	if (!isfinite(o.eps))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "triplet_margin: eps %g, finite wanted", o.eps);
	attr a = { o.margin, o.eps, o.swap != 0, o.interleaved != 0 };
	return nno_loss_create(out, context, &nno_loss_triplet_margin, &a, o.reduction);
}
