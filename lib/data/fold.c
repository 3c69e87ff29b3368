/* fold.c - stratified folds for cross-validation. */
#include "data/data.h"

#include <string.h>

/* fold[i] of each sample: shuffled, dealt out class after class without beginning anew, so that neither the folds of a
 * class nor the folds as a whole differ by more than one sample. */
static void deal(const nnopt_dataset *base, int64_t folds, const int64_t *shuffled, int64_t *next, int64_t *fold)
{
	for (int64_t i = 0; i < base->count; i++) {
		int64_t label = nnopt_dataset_label(base, i);
		next[1 + (label < 0 ? 0 : label)]++;
	}
	for (int64_t c = 0; c < base->classes; c++)
		next[c + 1] += next[c];
	for (int64_t i = 0; i < base->count; i++) {
		int64_t label = nnopt_dataset_label(base, shuffled[i]);
		fold[shuffled[i]] = next[label < 0 ? 0 : label]++ % folds;
	}
}

nnopt_status nnopt_dataset_folds(const nnopt_dataset *base, int64_t folds, uint64_t seed, int64_t *fold)
{
	if (base == NULL || fold == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_folds: an argument is NULL");
	if (folds < 2 || folds > base->count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_folds: %lld folds, 2 to %lld wanted",
				(long long)folds, (long long)base->count);
	const nno_alloc *a = &base->context->alloc;
	int64_t *order = nno_new_array(a, (size_t)base->count, sizeof *order);
	int64_t *next = nno_new_array(a, (size_t)base->classes + 1, sizeof *next);
	nnopt_status status = NNOPT_OK;
	if (order != NULL && next != NULL) {
		nno_rng r;
		nno_rng_start(&r, seed, NNO_RNG_SPLIT, 2, 0);
		for (int64_t i = 0; i < base->count; i++)
			order[i] = i;
		nno_rng_shuffle(&r, order, base->count);
		deal(base, folds, order, next, fold);
	} else {
		status = nno_fail_memory("dataset_folds", (size_t)base->count * sizeof *order);
	}
	nno_delete(a, order);
	nno_delete(a, next);
	return status;
}

nnopt_status nnopt_dataset_fold(nnopt_dataset **train, nnopt_dataset **held_out, nnopt_dataset *base, int64_t folds,
				int64_t which, uint64_t seed)
{
	if (train == NULL || held_out == NULL || base == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_fold: an argument is NULL");
	if (which < 0 || which >= folds)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_fold: fold %lld, 0 to %lld wanted",
				(long long)which, (long long)folds - 1);
	const nno_alloc *a = &base->context->alloc;
	int64_t *fold = nno_new_array(a, (size_t)base->count, sizeof *fold), in = 0, out_of = 0;
	int64_t *kept = nno_new_array(a, (size_t)base->count, sizeof *kept);
	nnopt_dataset *x = NULL, *y = NULL;
	nnopt_status status;
	if (fold == NULL || kept == NULL) {
		status = nno_fail_memory("dataset_fold", 2 * (size_t)base->count * sizeof *fold);
		goto out;
	}
	NNO_TRY_OUT(nnopt_dataset_folds(base, folds, seed, fold));
	for (int64_t i = 0; i < base->count; i++)
		if (fold[i] != which)
			kept[in++] = i;
		else
			fold[out_of++] = i; /* behind what is still to be read */
	NNO_TRY_OUT(nnopt_dataset_subset(&x, base, kept, in));
	NNO_TRY_OUT(nnopt_dataset_subset(&y, base, fold, out_of));
	*train = x;
	*held_out = y;
	x = y = NULL;
out:
	nnopt_dataset_destroy(x);
	nnopt_dataset_destroy(y);
	nno_delete(a, fold);
	nno_delete(a, kept);
	return status;
}
