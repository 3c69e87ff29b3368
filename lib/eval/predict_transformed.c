/* predict_transformed.c - a model's scores of every sample behind several lists of transforms: the mean of their
 * predictions. */
#include "eval/eval.h"

#include <math.h>

static const nnopt_predict_transformed_options defaults = { .struct_size = sizeof defaults, .draws = 1, .batch = 64 };

nnopt_status nnopt_predict_transformed_options_init(nnopt_predict_transformed_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "predict_transformed_options");
}

typedef struct passes {
	nnopt_predict_transformed_options o;
	nnopt_model *model;
	nnopt_dataset *dataset;
	nnopt_tensor *scores; /* of the pass under way, and in the end of all */
	double *sums, *answer;
} passes;

/* Adds what one epoch behind a list came to. */
static nnopt_status add_pass(passes *p, nnopt_loader *loader, nnopt_plan *plan, int64_t epoch, double share)
{
	nnopt_context *context = nnopt_model_context(p->model);
	nnopt_tensor_destroy(p->scores);
	p->scores = NULL;
	nnopt_status status = nno_predict(&p->scores, p->model, plan, loader, epoch, NULL, NNOPT_VOTE_LOGITS, 0);
	if (status != NNOPT_OK)
		return status;
	int64_t classes = nnopt_tensor_extent(p->scores, 1), values = nnopt_tensor_count(p->scores);
	if (p->sums == NULL) {
		p->sums = (size_t)values <= SIZE_MAX / sizeof *p->sums
			      ? nnopt_context_alloc(context, (size_t)values * sizeof *p->sums)
			      : NULL;
		p->answer = nnopt_context_alloc(context, (size_t)classes * sizeof *p->answer);
		if (p->sums == NULL || p->answer == NULL)
			return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "predict_transformed: out of memory");
	}
	const float *row = nnopt_tensor_const_data(p->scores);
	for (int64_t i = 0; i < values; i += classes) {
		nno_vote_read(p->answer, row + i, classes, (nnopt_vote)p->o.vote, 0);
		for (int64_t c = 0; c < classes; c++)
			p->sums[i + c] += share * p->answer[c];
	}
	return NNOPT_OK;
}

static nnopt_status run_list(passes *p, nnopt_transforms *list, double share)
{
	nnopt_loader *loader = NULL;
	nnopt_plan *plan = NULL;
	nnopt_loader_options l;
	nnopt_status status = nnopt_loader_options_init(&l, sizeof l);
	l.batch = p->o.batch;
	l.seed = p->o.seed;
	l.use_seed = 1;
	l.cache_bytes = 0;
	l.max_bad_fraction = 1.0; /* each is a row of NaNs */
	if (status == NNOPT_OK)
		status = nnopt_loader_create(&loader, p->dataset, list, &l);
	if (status == NNOPT_OK)
		status = nno_loader_plan(&plan, p->model, loader);
	for (int64_t draw = 0; draw < p->o.draws && status == NNOPT_OK; draw++)
		status = add_pass(p, loader, plan, draw, share / (double)p->o.draws);
	nnopt_plan_destroy(plan);
	nnopt_loader_destroy(loader);
	return status;
}

static nnopt_status check(const nnopt_predict_transformed_options *o, int64_t count, double *total)
{
	if (count < 1 || o->draws < 1 || o->batch < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"predict_transformed: count %lld, draws %lld, batch %lld, 1 or more wanted",
				(long long)count, (long long)o->draws, (long long)o->batch);
	*total = 0.0;
	for (int64_t i = 0; i < count; i++) {
		double weight = o->weights != NULL ? o->weights[i] : 1.0;
		if (!(isfinite(weight) && weight > 0.0))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"predict_transformed: weights[%lld] %g, finite and above 0 wanted",
					(long long)i, weight);
		*total += weight;
	}
	if (!isfinite(*total))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"predict_transformed: weights add up to %g, finite wanted", *total);
	return nno_vote_check("predict_transformed", o->vote);
}

nnopt_status nnopt_predict_transformed(nnopt_tensor **scores, nnopt_model *model, nnopt_dataset *dataset,
				       nnopt_transforms *const *lists, int64_t count,
				       const nnopt_predict_transformed_options *options)
{
	if (scores == NULL || model == NULL || dataset == NULL || lists == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				  "predict_transformed: scores, model, dataset or lists is NULL");
	passes p = { .o = defaults, .model = model, .dataset = dataset };
	double total = 0.0;
	nnopt_status status = nnopt_options_read(&p.o, sizeof p.o, options, "predict_transformed");
	if (status == NNOPT_OK)
		status = check(&p.o, count, &total);
	for (int64_t i = 0; i < count && status == NNOPT_OK; i++)
		status = run_list(&p, lists[i], (p.o.weights != NULL ? p.o.weights[i] : 1.0) / total);
	if (status == NNOPT_OK) {
		int64_t classes = nnopt_tensor_extent(p.scores, 1), values = nnopt_tensor_count(p.scores);
		for (int64_t i = 0; i < values; i += classes)
			nno_vote_give((float *)nnopt_tensor_data(p.scores) + i, p.sums + i, classes,
				      (nnopt_vote)p.o.vote, p.o.probabilities);
	}
	nnopt_context_free(nnopt_model_context(model), p.sums);
	nnopt_context_free(nnopt_model_context(model), p.answer);
	if (status == NNOPT_OK)
		*scores = p.scores;
	else
		nnopt_tensor_destroy(p.scores);
	return status;
}
