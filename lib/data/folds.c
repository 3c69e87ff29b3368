/* folds.c - stratified k-fold cross-validation: shuffled samples, sorted by class, are dealt out to the folds in turn,
 * which spreads each class and the whole evenly. */
#include "data/data.h"

#include "base/size.h"

static int64_t class_of(const nnopt_dataset *d, int64_t index)
{
	int64_t label = nnopt_dataset_label(d, index);
	return label < d->classes ? nno_i64_max(label, 0) : 0;
}

/* `starts`: room for a number a class and one more, all 0. */
static void deal(const nnopt_dataset *base, int64_t k, int64_t index, const int64_t *shuffled, int64_t *starts,
		 uint8_t *held_out)
{
	for (int64_t i = 0; i < base->count; i++)
		starts[class_of(base, i) + 1]++;
	for (int64_t c = 0; c < base->classes; c++)
		starts[c + 1] += starts[c];
	for (int64_t i = 0; i < base->count; i++) {
		int64_t place = starts[class_of(base, shuffled[i])]++;
		held_out[shuffled[i]] = place % k == index;
	}
}

nnopt_status nnopt_dataset_fold(nnopt_dataset **train, nnopt_dataset **validation, nnopt_dataset *base, int64_t k,
				int64_t index, uint64_t seed)
{
	if (train == NULL || validation == NULL || base == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_fold: an argument is NULL");
	if (k < 2 || k > base->count || index < 0 || index >= k)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"dataset_fold: fold %lld of k %lld, 0 to k - 1 of 2 to %lld samples wanted",
				(long long)index, (long long)k, (long long)base->count);
	const nno_alloc *a = &base->context->alloc;
	int64_t *order = nno_new_array(a, 2 * (size_t)base->count, sizeof *order);
	int64_t *starts = nno_new_array(a, (size_t)base->classes + 1, sizeof *starts);
	uint8_t *held_out = nno_new_array(a, (size_t)base->count, 1);
	nnopt_dataset *x = NULL, *y = NULL;
	nnopt_status status;
	if (order == NULL || starts == NULL || held_out == NULL) {
		status = nno_fail_memory("dataset_fold", 2 * (size_t)base->count * sizeof *order);
		goto out;
	}
	nno_rng r;
	nno_rng_start(&r, seed, NNO_RNG_SPLIT, 1, 0);
	for (int64_t i = 0; i < base->count; i++)
		order[i] = i;
	nno_rng_shuffle(&r, order, base->count);
	deal(base, k, index, order, starts, held_out);
	int64_t n = 0, m = 0, *rest = order + base->count;
	for (int64_t i = 0; i < base->count; i++)
		if (held_out[i])
			order[n++] = i;
		else
			rest[m++] = i;
	NNO_TRY_OUT(nnopt_dataset_subset(&x, base, rest, m));
	NNO_TRY_OUT(nnopt_dataset_subset(&y, base, order, n));
	*train = x;
	*validation = y;
	x = y = NULL;
out:
	nnopt_dataset_destroy(x);
	nnopt_dataset_destroy(y);
	nno_delete(a, order);
	nno_delete(a, starts);
	nno_delete(a, held_out);
	return status;
}
