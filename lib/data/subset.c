/* subset.c - a choice of samples of another dataset, and the stratified split made of two such choices. */
#include "data/data.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

typedef struct subset {
	nnopt_dataset *base;
	int64_t *indices;
} subset;

static nnopt_status read_sample(const nnopt_dataset *d, int64_t index, nno_room *room, nno_picture *picture,
				int64_t *label)
{
	const subset *s = d->state;
	return nno_dataset_read(s->base, s->indices[index], room, picture, label);
}

static int64_t label_of(const nnopt_dataset *d, int64_t index)
{
	const subset *s = d->state;
	return nnopt_dataset_label(s->base, s->indices[index]);
}

static const char *sample_name(const nnopt_dataset *d, int64_t index)
{
	const subset *s = d->state;
	return nnopt_dataset_sample_name(s->base, s->indices[index]);
}

static const char *class_name(const nnopt_dataset *d, int64_t index)
{
	return nnopt_dataset_class_name(((const subset *)d->state)->base, index);
}

static bool decodes(const nnopt_dataset *d, int64_t index)
{
	const subset *s = d->state;
	return nno_dataset_decodes(s->base, s->indices[index]);
}

static void destroy(nnopt_dataset *d)
{
	subset *s = d->state;
	nno_delete(&d->context->alloc, s->indices);
	nnopt_dataset_destroy(s->base);
}

static const nno_dataset_class subset_class = {
	.kind = "subset",
	.read = read_sample,
	.label = label_of,
	.sample_name = sample_name,
	.class_name = class_name,
	.decodes = decodes,
	.destroy = destroy,
};

nnopt_status nnopt_dataset_subset(nnopt_dataset **out, nnopt_dataset *base, const int64_t *indices, int64_t count)
{
	if (out == NULL || base == NULL || (indices == NULL && count > 0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_subset: an argument is NULL");
	if (count < 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_subset: count %lld, >= 0 wanted",
				(long long)count);
	for (int64_t i = 0; i < count; i++)
		if (indices[i] < 0 || indices[i] >= base->count)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"dataset_subset: indices[%lld] is %lld, 0 to %lld wanted", (long long)i,
					(long long)indices[i], (long long)base->count - 1);
	int64_t *copy = nno_new_array(&base->context->alloc, (size_t)count, sizeof *copy);
	if (copy == NULL)
		return nno_fail_memory("dataset_subset", (size_t)count * sizeof *copy);
	if (count > 0)
		memcpy(copy, indices, (size_t)count * sizeof *copy);
	nnopt_dataset *d = NULL;
	nnopt_status status = nno_dataset_view(&d, base, &subset_class, sizeof(subset));
	if (status != NNOPT_OK) {
		nno_delete(&base->context->alloc, copy);
		return status;
	}
	*(subset *)d->state = (subset){ nno_dataset_take(base), copy };
	d->count = count;
	*out = d;
	return NNOPT_OK;
}

/* Shuffled once, the first round(fraction * n) of each class go to the first part; both keep the order of the base. */
static void choose(const nnopt_dataset *base, double fraction, int64_t *shuffled, int64_t *left, uint8_t *in_first)
{
	for (int64_t i = 0; i < base->count; i++) {
		int64_t label = nnopt_dataset_label(base, i);
		left[label < 0 ? 0 : label]++;
	}
	for (int64_t c = 0; c < base->classes; c++)
		left[c] = (int64_t)llround(fraction * (double)left[c]);
	for (int64_t i = 0; i < base->count; i++) {
		int64_t label = nnopt_dataset_label(base, shuffled[i]);
		int64_t *quota = &left[label < 0 ? 0 : label];
		in_first[shuffled[i]] = *quota > 0;
		*quota -= *quota > 0;
	}
}

nnopt_status nnopt_dataset_split(nnopt_dataset **first, nnopt_dataset **second, nnopt_dataset *base, double fraction,
				 uint64_t seed)
{
	if (first == NULL || second == NULL || base == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_split: an argument is NULL");
	if (!(fraction >= 0.0 && fraction <= 1.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_split: fraction %g, 0 to 1 wanted", fraction);
	const nno_alloc *a = &base->context->alloc;
	int64_t *order = nno_new_array(a, 2 * (size_t)base->count, sizeof *order);
	int64_t *left = nno_new_array(a, (size_t)base->classes, sizeof *left);
	uint8_t *in_first = nno_new_array(a, (size_t)base->count, 1);
	nnopt_dataset *x = NULL, *y = NULL;
	nnopt_status status;
	if (order == NULL || left == NULL || in_first == NULL) {
		status = nno_fail_memory("dataset_split", 2 * (size_t)base->count * sizeof *order);
		goto out;
	}
	nno_rng r;
	nno_rng_start(&r, seed, NNO_RNG_SPLIT, 0, 0);
	for (int64_t i = 0; i < base->count; i++)
		order[i] = i;
	nno_rng_shuffle(&r, order, base->count);
	choose(base, fraction, order, left, in_first);
	int64_t n = 0, m = 0, *rest = order + base->count;
	for (int64_t i = 0; i < base->count; i++)
		if (in_first[i])
			order[n++] = i;
		else
			rest[m++] = i;
	NNO_TRY_OUT(nnopt_dataset_subset(&x, base, order, n));
	NNO_TRY_OUT(nnopt_dataset_subset(&y, base, rest, m));
	*first = x;
	*second = y;
	x = y = NULL;
out:
	nnopt_dataset_destroy(x);
	nnopt_dataset_destroy(y);
	nno_delete(a, order);
	nno_delete(a, left);
	nno_delete(a, in_first);
	return status;
}
