/* greedy_soup.c - a mean of models' weights that takes in only those that do it no harm. */
#include "train/train.h"

#include <string.h>

typedef struct soup {
	nnopt_model *model;
	nnopt_model *const *models;
	int32_t count, used; /* given, and in the soup */
	nnopt_loader *validation, *refresh;
	int64_t refresh_batches;
	double *accuracies;   /* of each model */
	int32_t *order;       /* most accurate first */
	nnopt_model **chosen; /* the soup's, and behind them the one on trial */
} soup;

static nnopt_status judge(const soup *s, nnopt_model *model, double *accuracy)
{
	nnopt_evaluation found = { .struct_size = sizeof found };
	nnopt_status status = nnopt_evaluate(model, NULL, s->validation, NULL, NULL, &found);
	*accuracy = found.accuracy;
	return status;
}

/* The mean of the first `count` chosen becomes the model. */
static nnopt_status mix(const soup *s, int32_t count)
{
	nnopt_status status = nnopt_model_average(s->model, s->chosen, NULL, count);
	return status == NNOPT_OK && s->refresh != NULL
		   ? nnopt_model_refresh_batch_norm(s->model, s->refresh, s->refresh_batches, NNOPT_PRECISION_F32)
		   : status;
}

static nnopt_status rank(soup *s)
{
	nnopt_status status = NNOPT_OK;
	for (int32_t i = 0; i < s->count && status == NNOPT_OK; i++) {
		status = judge(s, s->models[i], &s->accuracies[i]);
		int32_t at = i;
		for (; at > 0 && s->accuracies[s->order[at - 1]] < s->accuracies[i]; at--)
			s->order[at] = s->order[at - 1];
		s->order[at] = i;
	}
	return status;
}

static nnopt_status cook(soup *s, int32_t *taken, double *accuracy)
{
	double best = -1.0;
	int32_t mixed = 0; /* how many the model is made of */
	nnopt_status status = rank(s);
	for (int32_t i = 0; i < s->count && status == NNOPT_OK; i++) {
		double found = 0.0;
		s->chosen[s->used] = s->models[s->order[i]];
		mixed = s->used + 1;
		status = mix(s, mixed);
		if (status == NNOPT_OK)
			status = judge(s, s->model, &found);
		int better = status == NNOPT_OK && found >= best;
		if (taken != NULL)
			taken[s->order[i]] = better;
		if (better) {
			best = found;
			s->used++;
		}
	}
	if (status == NNOPT_OK && mixed != s->used)
		status = mix(s, s->used);
	if (status == NNOPT_OK && accuracy != NULL)
		*accuracy = best;
	return status;
}

nnopt_status nnopt_model_greedy_soup(nnopt_model *model, nnopt_model *const *models, int32_t count,
				     nnopt_loader *validation, nnopt_loader *refresh, int64_t refresh_batches,
				     int32_t *taken, double *accuracy)
{
	if (model == NULL || models == NULL || validation == NULL || count < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"model_greedy_soup: model, models or validation is NULL, or count %d, 1 or more wanted",
				(int)count);
	for (int32_t i = 0; i < count; i++)
		if (models[i] == NULL || models[i] == model)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "model_greedy_soup: models[%d] is %s", (int)i,
					models[i] == NULL ? "NULL" : "the model that the soup is put into");
	nnopt_context *context = nnopt_model_context(model);
	soup s = { .model = model,
		   .models = models,
		   .count = count,
		   .validation = validation,
		   .refresh = refresh,
		   .refresh_batches = refresh_batches };
	s.accuracies = nnopt_context_alloc(context, (size_t)count * sizeof *s.accuracies);
	s.order = nnopt_context_alloc(context, (size_t)count * sizeof *s.order);
	s.chosen = nnopt_context_alloc(context, (size_t)count * sizeof *s.chosen);
	nnopt_status status = s.accuracies != NULL && s.order != NULL && s.chosen != NULL
				  ? cook(&s, taken, accuracy)
				  : nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "model_greedy_soup: out of memory");
	nnopt_context_free(context, s.accuracies);
	nnopt_context_free(context, s.order);
	nnopt_context_free(context, s.chosen);
	return status;
}
