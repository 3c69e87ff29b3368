/* calibration.c - whether probabilities are what they say. */
#include "eval/eval.h"

#include <float.h>
#include <math.h>

typedef struct bin {
	int64_t count, hits;
	double confidence; /* sum */
} bin;

struct nnopt_calibration {
	nnopt_context *context;
	nnopt_calibration_info info;
	bin *bins;
};

static const nnopt_calibration_options defaults = { .struct_size = sizeof defaults, .bins = 15 };

nnopt_status nnopt_calibration_options_init(nnopt_calibration_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "calibration_options");
}

/* What is asked of a sample's probabilities. */
typedef struct judgement {
	double confidence, nll, brier;
	bool hit;
} judgement;

static judgement judge(const float *row, int64_t classes, int64_t label, double temperature)
{
	int64_t best = nno_best_class(row, classes);
	double sum = 1.0, top = temperature > 0.0 ? (double)row[best] : 0.0;
	judgement j = { .hit = best == label };
	if (temperature > 0.0) {
		sum = 0.0;
		for (int64_t c = 0; c < classes; c++)
			sum += exp(((double)row[c] - top) / temperature);
	}
	for (int64_t c = 0; c < classes; c++) {
		double p = temperature > 0.0 ? exp(((double)row[c] - top) / temperature) / sum : (double)row[c];
		double off = p - (double)(c == label);
		j.brier += off * off;
		j.confidence = c == best ? fmin(p, 1.0) : j.confidence;
	}
	j.brier /= classes == 2 ? 2.0 : 1.0;
	j.nll = temperature > 0.0 ? log(sum) - ((double)row[label] - top) / temperature
				  : -log(fmin(fmax((double)row[label], FLT_EPSILON), 1.0));
	return j;
}

/* Confidence 0.2 of 5 bins belongs to the first one: above low, up to high. */
static int64_t bin_of(double confidence, int64_t bins)
{
	int64_t at = (int64_t)ceil(confidence * (double)bins) - 1;
	return at < 0 ? 0 : at < bins ? at : bins - 1;
}

static void fill(nnopt_calibration *c, const nno_scored *s, double temperature)
{
	nnopt_calibration_info *info = &c->info;
	double n = (double)s->count;
	info->count = s->count;
	for (int64_t i = 0; i < s->n; i++) {
		const float *row = s->scores + i * s->columns;
		if (nno_left_out(row, s->columns))
			continue;
		judgement j = judge(row, s->columns, nno_label_at(s->labels, i), temperature);
		bin *b = &c->bins[bin_of(j.confidence, info->bins)];
		b->count++;
		b->hits += j.hit;
		b->confidence += j.confidence;
		info->brier += j.brier / n;
		info->nll += j.nll / n;
	}
	for (const bin *b = c->bins; b < c->bins + info->bins; b++) {
		if (b->count == 0)
			continue;
		double gap = fabs(b->confidence - (double)b->hits);
		info->accuracy += (double)b->hits / n;
		info->confidence += b->confidence / n;
		info->ece += gap / n;
		info->mce = fmax(info->mce, gap / (double)b->count);
	}
}

nnopt_status nnopt_calibration_create(nnopt_calibration **out, nnopt_context *context, const nnopt_tensor *scores,
				      const nnopt_tensor *labels, const nnopt_calibration_options *options)
{
	nnopt_calibration_options o = defaults;
	nno_scored s;
	if (out == NULL || context == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "calibration_create: out or context is NULL");
	nnopt_status status = nnopt_options_read(&o, sizeof o, options, "calibration_create");
	if (status != NNOPT_OK)
		return status;
	if (o.bins < 1 || o.bins > 1000)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "calibration_create: %lld bins, 1 to 1000 wanted",
				(long long)o.bins);
	if (!(o.temperature >= 0.0 && isfinite(o.temperature)))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"calibration_create: temperature %g, finite and 0 or more wanted", o.temperature);
	status = nno_scored_read(&s, scores, labels, o.temperature > 0.0 ? NNO_LOGITS : NNO_PROBABILITIES,
				 "calibration_create");
	if (status != NNOPT_OK)
		return status;
	nnopt_calibration *c = nnopt_context_alloc(context, sizeof *c);
	bin *bins = nnopt_context_alloc(context, (size_t)o.bins * sizeof *bins);
	if (c == NULL || bins == NULL) {
		nnopt_context_free(context, c);
		nnopt_context_free(context, bins);
		return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "calibration_create: out of memory for the bins");
	}
	*c = (nnopt_calibration){ .context = nnopt_context_retain(context), .bins = bins };
	c->info.struct_size = sizeof c->info;
	c->info.bins = o.bins;
	fill(c, &s, o.temperature);
	*out = c;
	return NNOPT_OK;
}

void nnopt_calibration_destroy(nnopt_calibration *c)
{
	if (c == NULL)
		return;
	nnopt_context *context = c->context;
	nnopt_context_free(context, c->bins);
	nnopt_context_free(context, c);
	nnopt_context_destroy(context);
}

nnopt_status nnopt_calibration_get_info(const nnopt_calibration *c, nnopt_calibration_info *info)
{
	if (c == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "calibration_get_info: calibration is NULL");
	nnopt_status status = nnopt_result_check(info, "calibration_get_info");
	if (status == NNOPT_OK)
		nnopt_result_give(info, &c->info, sizeof c->info);
	return status;
}

nnopt_status nnopt_calibration_get_bin(const nnopt_calibration *c, int64_t index, nnopt_calibration_bin *out)
{
	if (c == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "calibration_get_bin: calibration is NULL");
	if (index < 0 || index >= c->info.bins)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "calibration_get_bin: index %lld, 0 to %lld wanted",
				(long long)index, (long long)c->info.bins - 1);
	nnopt_status status = nnopt_result_check(out, "calibration_get_bin");
	if (status != NNOPT_OK)
		return status;
	const bin *b = &c->bins[index];
	double bins = (double)c->info.bins;
	nnopt_calibration_bin r = { .struct_size = sizeof r,
				    .low = (double)index / bins,
				    .high = (double)(index + 1) / bins,
				    .count = b->count };
	if (b->count > 0) {
		r.confidence = b->confidence / (double)b->count;
		r.accuracy = (double)b->hits / (double)b->count;
		nno_wilson(b->hits, b->count, 0.95, &r.accuracy_low, &r.accuracy_high);
	}
	nnopt_result_give(out, &r, sizeof r);
	return NNOPT_OK;
}
