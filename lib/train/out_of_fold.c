/* out_of_fold.c - what models say of samples that they were not trained with. */
#include "train/train.h"

#include <stdio.h>
#include <string.h>

static const nnopt_out_of_fold_options defaults = { .struct_size = sizeof defaults, .folds = 5, .batch = 256 };

nnopt_status nnopt_out_of_fold_options_init(nnopt_out_of_fold_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "out_of_fold_options");
}

/* Rows of a fold's scores to where they belong. */
static nnopt_status spread(nnopt_tensor **all, nnopt_dataset *dataset, nnopt_model *model, const nnopt_tensor *part,
			   const int64_t *numbers)
{
	int64_t rows = nnopt_tensor_extent(part, 0), classes = nnopt_tensor_extent(part, 1);
	int64_t shape[2] = { nnopt_dataset_count(dataset), classes };
	nnopt_status status = NNOPT_OK;
	if (*all == NULL)
		status = nnopt_tensor_create(all, nnopt_model_context(model), NNOPT_F32, 2, shape, NNOPT_NCHW);
	if (status == NNOPT_OK && nnopt_tensor_extent(*all, 1) != classes)
		status =
		    nno_train_fail(NNOPT_ERROR_INVALID_ARGUMENT, "out_of_fold: a model has %lld classes, %lld wanted",
				   (long long)classes, (long long)nnopt_tensor_extent(*all, 1));
	float *to = status == NNOPT_OK ? nnopt_tensor_data(*all) : NULL;
	const float *from = nnopt_tensor_const_data(part);
	for (int64_t i = 0; to != NULL && i < rows; i++)
		memcpy(to + numbers[i] * classes, from + i * classes, (size_t)classes * sizeof *to);
	return status;
}

typedef struct fold {
	nnopt_dataset *train, *held_out;
	nnopt_model *model;
	nnopt_transforms *seen;
	nnopt_loader *loader;
	nnopt_tensor *scores;
} fold;

static nnopt_status run_fold(fold *f, nnopt_dataset *dataset, const nnopt_out_of_fold_options *o, int64_t which,
			     const int64_t *numbers, int64_t held_out, int64_t rest)
{
	nnopt_loader_options l;
	nnopt_status status = nnopt_dataset_subset(&f->held_out, dataset, numbers, held_out);
	if (status == NNOPT_OK)
		status = nnopt_dataset_subset(&f->train, dataset, numbers + held_out, rest);
	if (status == NNOPT_OK && o->train(&f->model, &f->seen, which, f->train, o->user) != NNOPT_OK) {
		char reason[256];
		snprintf(reason, sizeof reason, "%s", nnopt_last_error());
		status = nno_train_fail(NNOPT_ERROR_CALLBACK, "out_of_fold: training fold %lld failed: %s",
					(long long)which, reason);
	}
	if (status == NNOPT_OK && f->model == NULL)
		status = nno_train_fail(NNOPT_ERROR_CALLBACK, "out_of_fold: training fold %lld gave no model",
					(long long)which);
	if (status == NNOPT_OK)
		status = nnopt_loader_options_init(&l, sizeof l);
	l.batch = o->batch;
	l.cache_bytes = 0;
	if (status == NNOPT_OK)
		status = nnopt_loader_create(&f->loader, f->held_out, f->seen, &l);
	if (status == NNOPT_OK)
		status = nnopt_predict(&f->scores, f->model, NULL, f->loader, 1);
	return status;
}

static void free_fold(fold *f)
{
	nnopt_loader_destroy(f->loader);
	nnopt_tensor_destroy(f->scores);
	nnopt_transforms_destroy(f->seen);
	nnopt_model_destroy(f->model);
	nnopt_dataset_destroy(f->train);
	nnopt_dataset_destroy(f->held_out);
}

/* The numbers of a fold's samples, then those of all others. */
static int64_t list_numbers(int64_t *numbers, const int64_t *fold_of, int64_t count, int64_t which)
{
	int64_t held_out = 0, at;
	for (int64_t i = 0; i < count; i++)
		if (fold_of[i] == which)
			numbers[held_out++] = i;
	at = held_out;
	for (int64_t i = 0; i < count; i++)
		if (fold_of[i] != which)
			numbers[at++] = i;
	return held_out;
}

static nnopt_status run_all(nnopt_tensor **all, nnopt_dataset *dataset, const nnopt_out_of_fold_options *o,
			    int64_t *fold_of, int64_t *numbers)
{
	int64_t count = nnopt_dataset_count(dataset);
	nnopt_status status = nnopt_dataset_folds(dataset, o->folds, o->seed, fold_of);
	for (int64_t which = 0; which < o->folds && status == NNOPT_OK; which++) {
		fold f = { NULL };
		int64_t held_out = list_numbers(numbers, fold_of, count, which);
		status = run_fold(&f, dataset, o, which, numbers, held_out, count - held_out);
		if (status == NNOPT_OK)
			status = spread(all, dataset, f.model, f.scores, numbers);
		free_fold(&f);
	}
	return status;
}

nnopt_status nnopt_out_of_fold(nnopt_tensor **probabilities, nnopt_dataset *dataset,
			       const nnopt_out_of_fold_options *options)
{
	nnopt_out_of_fold_options o = defaults;
	nnopt_tensor *all = NULL;
	if (probabilities == NULL || dataset == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "out_of_fold: probabilities or dataset is NULL");
	nnopt_status status = nnopt_options_read(&o, sizeof o, options, "out_of_fold");
	if (status != NNOPT_OK)
		return status;
	if (o.train == NULL || o.batch < 1)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, o.train == NULL
								    ? "out_of_fold: train is NULL"
								    : "out_of_fold: a batch below 1, 1 or more wanted");
	nnopt_context *context = nnopt_dataset_context(dataset);
	size_t bytes = (size_t)nnopt_dataset_count(dataset) * sizeof(int64_t);
	int64_t *fold_of = nnopt_context_alloc(context, bytes), *numbers = nnopt_context_alloc(context, bytes);
	status = fold_of != NULL && numbers != NULL
		     ? run_all(&all, dataset, &o, fold_of, numbers)
		     : nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "out_of_fold: out of memory");
	nnopt_context_free(context, fold_of);
	nnopt_context_free(context, numbers);
	if (status == NNOPT_OK)
		*probabilities = all;
	else
		nnopt_tensor_destroy(all);
	return status;
}
