/* cross_validation.c - what models say of samples that they were not trained with. */
#include "train/train.h"

#include <math.h>
#include <string.h>

/* What stays of a fold. */
typedef struct record {
	nnopt_fold_result result;
	nnopt_history *history;
	nnopt_metrics *metrics;
} record;

struct nnopt_cross_validation {
	nnopt_context *context;
	int64_t folds; /* judged */
	int64_t room;  /* folds of the whole */
	record *records;
	double *losses, *accuracies; /* those of the records, side by side for the intervals */
	nnopt_metrics *pooled;
	nnopt_tensor *probabilities; /* NULL before the first fold */
};

typedef struct run {
	nnopt_cross_validation *cv;
	nnopt_dataset *dataset;
	nnopt_cross_validation_options o;
	int64_t *fold_of, *numbers; /* of each sample; the numbers of a fold's samples, then those of all others */
} run;

static const nnopt_cross_validation_options defaults = { .struct_size = sizeof defaults, .folds = 5, .batch = 256 };

nnopt_status nnopt_cross_validation_options_init(nnopt_cross_validation_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "cross_validation_options");
}

/* All rows NaN at first: a fold that is not reached has no scores. */
static nnopt_status make_probabilities(nnopt_tensor **out, nnopt_dataset *dataset, int64_t classes)
{
	int64_t shape[2] = { nnopt_dataset_count(dataset), classes };
	nnopt_status status = nnopt_tensor_create(out, nnopt_dataset_context(dataset), NNOPT_F32, 2, shape, NNOPT_NCHW);
	return status == NNOPT_OK ? nnopt_tensor_fill(*out, NAN) : status;
}

/* Rows of a fold's probabilities to where they belong. */
static nnopt_status spread(run *r, const nnopt_tensor *part)
{
	int64_t rows = nnopt_tensor_extent(part, 0), classes = nnopt_tensor_extent(part, 1);
	nnopt_tensor **all = &r->cv->probabilities;
	nnopt_status status = *all == NULL ? make_probabilities(all, r->dataset, classes) : NNOPT_OK;
	float *to = status == NNOPT_OK ? nnopt_tensor_data(*all) : NULL;
	const float *from = nnopt_tensor_const_data(part);
	for (int64_t i = 0; to != NULL && i < rows; i++)
		memcpy(to + r->numbers[i] * classes, from + i * classes, (size_t)classes * sizeof *to);
	return status;
}

/* A cancelled training is no failure of the callback's. */
static nnopt_status call(const run *r, nnopt_fold_fn function, nnopt_fold *f, const char *doing)
{
	unsigned before = nno_failures();
	nnopt_status status = nno_fail_caller(before, function(f, r->o.user));
	if (status == NNOPT_OK || status == NNOPT_ERROR_CANCELLED)
		return status;
	return nno_fail_in(NNOPT_ERROR_CALLBACK, "cross_validate: %s fold %lld failed", doing, (long long)f->index);
}

static nnopt_status train_fold(run *r, nnopt_fold *f, record *kept)
{
	nnopt_status status = call(r, r->o.train, f, "training");
	kept->history = f->history;
	if (status == NNOPT_OK && f->model == NULL)
		status = nno_fail(NNOPT_ERROR_CALLBACK, "cross_validate: training fold %lld gave no model",
				  (long long)f->index);
	return status;
}

/* The model passes over its samples twice, which is little beside its training. The scores come last: they are the one
 * thing that is not the record's. */
static nnopt_status judge_fold(run *r, nnopt_fold *f, record *kept)
{
	nnopt_loader_options l;
	nnopt_loader *loader = NULL;
	nnopt_tensor *scores = NULL;
	nnopt_evaluation e = { .struct_size = sizeof e };
	nnopt_status status = nnopt_loader_options_init(&l, sizeof l);
	l.batch = r->o.batch;
	l.cache_bytes = 0;
	if (status == NNOPT_OK)
		status = nnopt_loader_create(&loader, f->held_out, f->transforms, &l);
	if (status == NNOPT_OK)
		status = nnopt_metrics_create(&kept->metrics, r->cv->context, nnopt_dataset_classes(r->dataset));
	if (status == NNOPT_OK)
		status = nnopt_evaluate(f->model, NULL, loader, r->o.loss, kept->metrics, &e);
	if (status == NNOPT_OK)
		status = nnopt_predict(&scores, f->model, NULL, loader, 1);
	if (status == NNOPT_OK)
		status = spread(r, scores);
	if (status == NNOPT_OK)
		status = nnopt_metrics_merge(r->cv->pooled, kept->metrics);
	nnopt_tensor_destroy(scores);
	nnopt_loader_destroy(loader);
	f->metrics = kept->metrics;
	f->loss = kept->result.loss = e.loss;
	f->accuracy = kept->result.accuracy = e.accuracy;
	kept->result.count = e.count;
	return status;
}

static nnopt_status run_fold(run *r, nnopt_fold *f, int64_t held_out, int64_t rest)
{
	record *kept = &r->cv->records[f->index];
	double begun = nno_now();
	nnopt_status status = nnopt_dataset_subset(&f->held_out, r->dataset, r->numbers, held_out);
	if (status == NNOPT_OK)
		status = nnopt_dataset_subset(&f->train, r->dataset, r->numbers + held_out, rest);
	if (status == NNOPT_OK)
		status = train_fold(r, f, kept);
	if (status == NNOPT_OK)
		status = judge_fold(r, f, kept);
	if (status != NNOPT_OK)
		return status;
	kept->result.struct_size = sizeof kept->result;
	kept->result.seconds = nno_now() - begun;
	r->cv->losses[f->index] = f->loss;
	r->cv->accuracies[f->index] = f->accuracy;
	r->cv->folds++;
	return r->o.on_fold != NULL ? call(r, r->o.on_fold, f, "on_fold of") : NNOPT_OK;
}

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

static nnopt_status run_all(run *r)
{
	int64_t count = nnopt_dataset_count(r->dataset);
	nnopt_status status = nnopt_dataset_folds(r->dataset, r->o.folds, r->o.seed, r->fold_of);
	for (int64_t which = 0; which < r->o.folds && status == NNOPT_OK; which++) {
		nnopt_fold f = { .struct_size = sizeof f, .index = which, .folds = r->o.folds };
		if (nnopt_cancel_requested(r->o.cancel))
			return nno_fail(NNOPT_ERROR_CANCELLED, "cross_validate: cancelled before fold %lld of %lld",
					(long long)which, (long long)r->o.folds);
		int64_t held_out = list_numbers(r->numbers, r->fold_of, count, which);
		status = run_fold(r, &f, held_out, count - held_out);
		nnopt_transforms_destroy(f.transforms);
		nnopt_model_destroy(f.model);
		nnopt_dataset_destroy(f.train);
		nnopt_dataset_destroy(f.held_out);
	}
	return status;
}

static nnopt_status make_result(nnopt_cross_validation **out, nnopt_dataset *dataset, int64_t folds)
{
	nnopt_context *context = nnopt_dataset_context(dataset);
	size_t n = (size_t)folds;
	nnopt_cross_validation *cv = nnopt_context_alloc(context, sizeof *cv);
	if (cv == NULL)
		return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "cross_validate: out of memory");
	*out = cv;
	cv->context = nnopt_context_retain(context);
	cv->records = nnopt_context_alloc(context, n * sizeof *cv->records);
	cv->losses = nnopt_context_alloc(context, n * sizeof *cv->losses);
	cv->accuracies = nnopt_context_alloc(context, n * sizeof *cv->accuracies);
	if (cv->records == NULL || cv->losses == NULL || cv->accuracies == NULL)
		return nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "cross_validate: out of memory for %lld folds",
				(long long)folds);
	cv->room = folds;
	return nnopt_metrics_create(&cv->pooled, context, nnopt_dataset_classes(dataset));
}

static nnopt_status check(const run *r)
{
	if (r->o.train == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "cross_validate: train is NULL");
	if (r->o.batch < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "cross_validate: batch %lld, 1 or more wanted",
				(long long)r->o.batch);
	if (r->o.folds < 2 || r->o.folds > nnopt_dataset_count(r->dataset))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "cross_validate: %lld folds, 2 to %lld wanted",
				(long long)r->o.folds, (long long)nnopt_dataset_count(r->dataset));
	return NNOPT_OK;
}

nnopt_status nnopt_cross_validate(nnopt_cross_validation **out, nnopt_dataset *dataset,
				  const nnopt_cross_validation_options *options)
{
	run r = { .dataset = dataset, .o = defaults };
	if (out == NULL || dataset == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "cross_validate: out or dataset is NULL");
	nnopt_status status = nnopt_options_read(&r.o, sizeof r.o, options, "cross_validate");
	if (status == NNOPT_OK)
		status = check(&r);
	if (status != NNOPT_OK)
		return status;
	nnopt_context *context = nnopt_dataset_context(dataset);
	size_t bytes = (size_t)nnopt_dataset_count(dataset) * sizeof(int64_t);
	r.fold_of = nnopt_context_alloc(context, bytes);
	r.numbers = nnopt_context_alloc(context, bytes);
	status = r.fold_of != NULL && r.numbers != NULL
		     ? make_result(&r.cv, dataset, r.o.folds)
		     : nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "cross_validate: out of memory for the samples' folds");
	if (status == NNOPT_OK)
		status = run_all(&r);
	nnopt_context_free(context, r.fold_of);
	nnopt_context_free(context, r.numbers);
	if (r.cv != NULL && r.cv->folds > 0)
		*out = r.cv;
	else
		nnopt_cross_validation_destroy(r.cv);
	return status;
}

void nnopt_cross_validation_destroy(nnopt_cross_validation *cv)
{
	if (cv == NULL)
		return;
	nnopt_context *context = cv->context;
	for (int64_t i = 0; i < cv->room; i++) {
		nnopt_history_destroy(cv->records[i].history);
		nnopt_metrics_destroy(cv->records[i].metrics);
	}
	nnopt_metrics_destroy(cv->pooled);
	nnopt_tensor_destroy(cv->probabilities);
	nnopt_context_free(context, cv->records);
	nnopt_context_free(context, cv->losses);
	nnopt_context_free(context, cv->accuracies);
	nnopt_context_free(context, cv);
	nnopt_context_destroy(context);
}

int64_t nnopt_cross_validation_folds(const nnopt_cross_validation *cv) { return cv == NULL ? 0 : cv->folds; }

static const record *record_of(const nnopt_cross_validation *cv, int64_t fold)
{
	return cv != NULL && fold >= 0 && fold < cv->folds ? &cv->records[fold] : NULL;
}

nnopt_status nnopt_cross_validation_fold(const nnopt_cross_validation *cv, int64_t fold, nnopt_fold_result *out)
{
	const record *kept = record_of(cv, fold);
	if (kept == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "cross_validation_fold: fold %lld of %lld",
				(long long)fold, (long long)nnopt_cross_validation_folds(cv));
	nnopt_status status = nnopt_result_check(out, "cross_validation_fold");
	if (status == NNOPT_OK)
		nnopt_result_give(out, &kept->result, sizeof kept->result);
	return status;
}

const nnopt_metrics *nnopt_cross_validation_metrics(const nnopt_cross_validation *cv, int64_t fold)
{
	const record *kept = record_of(cv, fold);
	if (kept != NULL)
		return kept->metrics;
	return cv != NULL && fold == -1 ? cv->pooled : NULL;
}

const nnopt_history *nnopt_cross_validation_history(const nnopt_cross_validation *cv, int64_t fold)
{
	const record *kept = record_of(cv, fold);
	return kept != NULL ? kept->history : NULL;
}

nnopt_status nnopt_cross_validation_accuracy(nnopt_estimate *mean, const nnopt_cross_validation *cv, double confidence)
{
	if (cv == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "cross_validation_accuracy: result is NULL");
	return nnopt_mean_interval(mean, cv->accuracies, cv->folds, confidence);
}

nnopt_status nnopt_cross_validation_loss(nnopt_estimate *mean, const nnopt_cross_validation *cv, double confidence)
{
	if (cv == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "cross_validation_loss: result is NULL");
	return nnopt_mean_interval(mean, cv->losses, cv->folds, confidence);
}

const nnopt_tensor *nnopt_cross_validation_probabilities(const nnopt_cross_validation *cv)
{
	return cv == NULL ? NULL : cv->probabilities;
}
