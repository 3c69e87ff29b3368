/* relabel.c - another dataset with other labels. */
#include "data/data.h"

#include <string.h>

typedef struct relabelled {
	nnopt_dataset *base;
	int64_t *labels;
} relabelled;

static nnopt_status read_sample(const nnopt_dataset *d, int64_t index, nno_room *room, nno_picture *picture,
				int64_t *label)
{
	const relabelled *s = d->state;
	NNO_TRY(nno_dataset_read(s->base, index, room, picture, label));
	if (s->labels[index] >= 0)
		*label = s->labels[index];
	return NNOPT_OK;
}

static int64_t label_of(const nnopt_dataset *d, int64_t index)
{
	const relabelled *s = d->state;
	return s->labels[index] >= 0 ? s->labels[index] : nnopt_dataset_label(s->base, index);
}

static const char *sample_name(const nnopt_dataset *d, int64_t index)
{
	return nnopt_dataset_sample_name(((const relabelled *)d->state)->base, index);
}

static const char *class_name(const nnopt_dataset *d, int64_t index)
{
	return nnopt_dataset_class_name(((const relabelled *)d->state)->base, index);
}

static bool decodes(const nnopt_dataset *d, int64_t index)
{
	return nno_dataset_decodes(((const relabelled *)d->state)->base, index);
}

static void destroy(nnopt_dataset *d)
{
	relabelled *s = d->state;
	nno_delete(&d->context->alloc, s->labels);
	nnopt_dataset_destroy(s->base);
}

static const nno_dataset_class relabelled_class = {
	.kind = "relabelled",
	.read = read_sample,
	.label = label_of,
	.sample_name = sample_name,
	.class_name = class_name,
	.decodes = decodes,
	.destroy = destroy,
};

nnopt_status nnopt_dataset_relabel(nnopt_dataset **out, nnopt_dataset *base, const int64_t *labels, int64_t count)
{
	if (out == NULL || base == NULL || (labels == NULL && count > 0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_relabel: an argument is NULL");
	if (count != base->count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_relabel: %lld labels, %lld wanted",
				(long long)count, (long long)base->count);
	for (int64_t i = 0; i < count; i++)
		if (labels[i] < -1 || labels[i] >= base->classes)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"dataset_relabel: labels[%lld] is %lld, -1 to %lld wanted", (long long)i,
					(long long)labels[i], (long long)base->classes - 1);
	int64_t *copy = nno_new_array(&base->context->alloc, (size_t)count, sizeof *copy);
	if (copy == NULL)
		return nno_fail_memory("dataset_relabel", (size_t)count * sizeof *copy);
	if (count > 0)
		memcpy(copy, labels, (size_t)count * sizeof *copy);
	nnopt_dataset *d = NULL;
	nnopt_status status = nno_dataset_view(&d, base, &relabelled_class, sizeof(relabelled));
	if (status != NNOPT_OK) {
		nno_delete(&base->context->alloc, copy);
		return status;
	}
	*(relabelled *)d->state = (relabelled){ nno_dataset_take(base), copy };
	d->count = count;
	*out = d;
	return NNOPT_OK;
}
