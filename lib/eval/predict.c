/* predict.c - a model's scores of every sample of a dataset: of its pictures as they are, of views of them, or behind
 * lists of transforms. */
#include "eval/eval.h"

#include <math.h>
#include <string.h>

typedef struct prediction {
	nnopt_model *model;
	nnopt_plan *plan;
	nnopt_loader *loader;
	const nnopt_views *views; /* NULL: pictures alone */
	nnopt_vote vote;
	int probabilities;
	nnopt_tensor *scores;
	int64_t classes;
	nno_view_room room;
	double *sums;   /* of a batch: (pictures, classes) */
	double *answer; /* of one picture */
	int64_t seen;   /* samples that could be read */
} prediction;

/* All rows NaN at first: a sample that cannot be read has no scores. */
static nnopt_status make_scores(nnopt_tensor **out, nnopt_context *context, int64_t samples, int64_t classes)
{
	int64_t shape[2] = { samples, classes };
	nnopt_status status = nnopt_tensor_create(out, context, NNOPT_F32, 2, shape, NNOPT_NCHW);
	float *scores = status == NNOPT_OK ? nnopt_tensor_data(*out) : NULL;
	for (int64_t i = 0; status == NNOPT_OK && i < samples * classes; i++)
		scores[i] = NAN;
	return status;
}

/* Everything that is allocated. */
static nnopt_status prepare(prediction *p)
{
	nnopt_context *context = nnopt_model_context(p->model);
	nnopt_plan_info info = { .struct_size = sizeof info };
	nnopt_status status = nnopt_plan_get_info(p->plan, &info);
	if (status == NNOPT_OK && info.output_rank != 2)
		status = nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "predict: the model's result has not rank 2");
	if (status == NNOPT_OK && p->views != NULL)
		status = nno_view_room_start(&p->room, p->views, p->loader);
	p->classes = info.output_shape[1];
	if (status == NNOPT_OK)
		status =
		    make_scores(&p->scores, context, nnopt_dataset_count(nnopt_loader_dataset(p->loader)), p->classes);
	if (status != NNOPT_OK)
		return status;
	uint64_t values = (uint64_t)nnopt_loader_batch_size(p->loader) * (uint64_t)p->classes;
	p->answer = nnopt_context_alloc(context, (size_t)p->classes * sizeof *p->answer);
	p->sums = values <= SIZE_MAX / sizeof *p->sums ? nnopt_context_alloc(context, (size_t)values * sizeof *p->sums)
						       : NULL;
	return p->answer != NULL && p->sums != NULL ? NNOPT_OK
						    : nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "predict: out of memory");
}

static nnopt_status add_view(prediction *p, const nnopt_batch *batch, int64_t view, double share)
{
	const nnopt_tensor *images = batch->images, *result = NULL;
	nnopt_status status = NNOPT_OK;
	if (p->views != NULL)
		status = nno_view_make(&images, p->views, view, &p->room, batch->images);
	if (status == NNOPT_OK)
		status = nnopt_plan_forward(p->plan, images, &result);
	const float *row = status == NNOPT_OK ? nnopt_tensor_const_data(result) : NULL;
	for (int64_t i = 0; status == NNOPT_OK && i < batch->count; i++, row += p->classes) {
		double *sum = p->sums + i * p->classes;
		nno_vote_read(p->answer, row, p->classes, p->vote, 0);
		for (int64_t c = 0; c < p->classes; c++)
			sum[c] = share * p->answer[c] + (view > 0 ? sum[c] : 0.0);
	}
	return status;
}

static nnopt_status run(prediction *p, int64_t epoch)
{
	int64_t count = p->views != NULL ? nnopt_views_count(p->views) : 1;
	double total = 0.0;
	for (int64_t v = 0; v < count; v++)
		total += p->views != NULL ? nno_view_weight(p->views, v) : 1.0;
	if (!isfinite(total))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"predict_augmented: weights of %lld views add up to %g, finite wanted",
				(long long)count, total);
	nnopt_status status = nnopt_loader_start(p->loader, epoch, 0);
	while (status == NNOPT_OK) {
		const nnopt_batch *batch = NULL;
		status = nnopt_loader_next(p->loader, &batch);
		if (status != NNOPT_OK || batch == NULL)
			break;
		for (int64_t v = 0; v < count && status == NNOPT_OK; v++)
			status = add_view(p, batch, v, p->views != NULL ? nno_view_weight(p->views, v) / total : 1.0);
		float *scores = nnopt_tensor_data(p->scores);
		for (int64_t i = 0; i < batch->count && status == NNOPT_OK; i++)
			nno_vote_give(scores + batch->indices[i] * p->classes, p->sums + i * p->classes, p->classes,
				      p->vote, p->probabilities);
		p->seen += batch->count;
	}
	if (status == NNOPT_OK && p->seen == 0)
		status = nnopt_fail(NNOPT_ERROR_NOT_FOUND, "predict: no sample can be read");
	return status;
}

nnopt_status nno_predict(nnopt_tensor **scores, nnopt_model *model, nnopt_plan *plan, nnopt_loader *loader,
			 int64_t epoch, const nnopt_views *views, nnopt_vote vote, int probabilities)
{
	if (scores == NULL || model == NULL || loader == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "predict: scores, model or loader is NULL");
	nnopt_plan *own = NULL;
	prediction p = { .model = model,
			 .plan = plan,
			 .loader = loader,
			 .views = views,
			 .vote = vote,
			 .probabilities = probabilities };
	nnopt_status status = plan != NULL ? NNOPT_OK : nno_loader_plan(&own, model, loader);
	if (plan == NULL)
		p.plan = own;
	if (status == NNOPT_OK)
		status = prepare(&p);
	if (status == NNOPT_OK)
		status = run(&p, epoch);
	nnopt_context *context = nnopt_model_context(model);
	nnopt_context_free(context, p.sums);
	nnopt_context_free(context, p.answer);
	nno_view_room_end(&p.room);
	nnopt_plan_destroy(own);
	if (status == NNOPT_OK)
		*scores = p.scores;
	else
		nnopt_tensor_destroy(p.scores);
	return status;
}

nnopt_status nnopt_predict(nnopt_tensor **scores, nnopt_model *model, nnopt_plan *plan, nnopt_loader *loader,
			   int32_t probabilities)
{
	return nno_predict(scores, model, plan, loader, 0, NULL, NNOPT_VOTE_LOGITS, probabilities);
}

nnopt_status nnopt_predict_augmented(nnopt_tensor **scores, nnopt_model *model, nnopt_plan *plan, nnopt_loader *loader,
				     const nnopt_views *views, nnopt_vote vote, int32_t probabilities)
{
	if (nnopt_views_count(views) == 0)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				  "predict_augmented: views is NULL or empty, one wanted");
	nnopt_status status = nno_vote_check("predict_augmented", vote);
	return status == NNOPT_OK ? nno_predict(scores, model, plan, loader, 0, views, vote, probabilities) : status;
}
