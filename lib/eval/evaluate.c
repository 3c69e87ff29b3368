/* evaluate.c - a model over a dataset. */
#include "eval/eval.h"

typedef struct totals {
	double loss, weight;
	int64_t count, hits;
} totals;

static int64_t count_hits(const nnopt_tensor *scores, const nnopt_tensor *labels)
{
	const float *row = nnopt_tensor_const_data(scores);
	const int32_t *label = nnopt_tensor_const_data(labels);
	int64_t n = nnopt_tensor_extent(scores, 0), classes = nnopt_tensor_extent(scores, 1), hits = 0;
	for (int64_t i = 0; i < n; i++, row += classes)
		hits += nno_best_class(row, classes) == label[i];
	return hits;
}

static nnopt_status run_batch(nnopt_plan *plan, const nnopt_batch *batch, nnopt_loss *loss, nnopt_metrics *metrics,
			      totals *t)
{
	const nnopt_tensor *scores = NULL;
	nnopt_status status = nnopt_plan_forward(plan, batch->images, &scores);
	if (status == NNOPT_OK && loss != NULL) {
		nnopt_loss_result r = { .struct_size = sizeof r };
		status = nnopt_loss_compute(loss, scores, batch->labels, 1.0f, NULL, &r);
		/* Nothing that counts has no mean, and no part in that of all. */
		if (r.weight > 0.0)
			t->loss += nnopt_loss_reduction(loss) == NNOPT_REDUCTION_SUM ? r.value : r.value * r.weight;
		t->weight += r.weight;
	}
	if (status == NNOPT_OK && metrics != NULL)
		status = nnopt_metrics_add(metrics, scores, batch->labels);
	if (status == NNOPT_OK && nnopt_tensor_rank(scores) == 2)
		t->hits += count_hits(scores, batch->labels);
	t->count += batch->count;
	return status;
}

nnopt_status nno_loader_plan(nnopt_plan **plan, nnopt_model *model, nnopt_loader *loader)
{
	nnopt_plan_options o;
	nnopt_status status = nnopt_loader_plan_options(&o, sizeof o, loader);
	return status == NNOPT_OK ? nnopt_plan_create(plan, model, &o) : status;
}

/* All is filled in here and then given over, so that a caller's older, shorter struct has what it has room for. */
nnopt_status nnopt_loader_plan_options(nnopt_plan_options *options, size_t size, nnopt_loader *loader)
{
	nnopt_plan_options o;
	if (loader == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_plan_options: loader is NULL");
	nnopt_status status = nnopt_plan_options_init(&o, sizeof o);
	if (status == NNOPT_OK)
		status = nnopt_loader_sample_shape(loader, o.shape);
	o.rank = 3;
	o.batch = nnopt_loader_batch_size(loader);
	return status == NNOPT_OK ? nnopt_options_init(options, size, &o, sizeof o, "loader_plan_options") : status;
}

nnopt_status nnopt_evaluate(nnopt_model *model, nnopt_plan *plan, nnopt_loader *loader, nnopt_loss *loss,
			    nnopt_metrics *metrics, nnopt_evaluation *out)
{
	if (model == NULL || loader == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "evaluate: model or loader is NULL");
	nnopt_plan *own = NULL;
	totals t = { 0 };
	nnopt_status status = out != NULL ? nnopt_result_check(out, "evaluate") : NNOPT_OK;
	if (status != NNOPT_OK)
		return status;
	status = plan != NULL ? NNOPT_OK : nno_loader_plan(&own, model, loader);
	if (status == NNOPT_OK)
		status = nnopt_loader_start(loader, 0, 0);
	while (status == NNOPT_OK) {
		const nnopt_batch *batch = NULL;
		status = nnopt_loader_next(loader, &batch);
		if (status != NNOPT_OK || batch == NULL)
			break;
		status = run_batch(plan != NULL ? plan : own, batch, loss, metrics, &t);
	}
	nnopt_plan_destroy(own);
	if (status == NNOPT_OK && out != NULL) {
		nnopt_evaluation r = { .struct_size = sizeof r,
				       .loss = t.weight > 0.0 ? t.loss / t.weight : 0.0,
				       .accuracy = t.count > 0 ? (double)t.hits / (double)t.count : 0.0,
				       .count = t.count };
		nnopt_result_give(out, &r, sizeof r);
	}
	return status;
}
