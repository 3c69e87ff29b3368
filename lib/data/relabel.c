/* relabel.c - a dataset with other labels: what an audit found wrong is put right without touching the source. */
#include "data/data.h"

typedef struct relabelled {
	nnopt_dataset *base;
	int64_t *labels;
} relabelled;

static nnopt_status read_sample(const nnopt_dataset *d, int64_t index, nno_room *room, nno_picture *picture,
				int64_t *label)
{
	const relabelled *s = d->state;
	NNO_TRY(nno_dataset_read(s->base, index, room, picture, label));
	*label = s->labels[index];
	return NNOPT_OK;
}

static int64_t label_of(const nnopt_dataset *d, int64_t index) { return ((const relabelled *)d->state)->labels[index]; }

static const char *sample_name(const nnopt_dataset *d, int64_t index)
{
	return nnopt_dataset_sample_name(((const relabelled *)d->state)->base, index);
}

static const char *class_name(const nnopt_dataset *d, int64_t index)
{
	return nnopt_dataset_class_name(((const relabelled *)d->state)->base, index);
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
	.destroy = destroy,
};

nnopt_status nnopt_dataset_relabel(nnopt_dataset **out, nnopt_dataset *base, const int64_t *labels, int64_t count)
{
	if (out == NULL || base == NULL || (labels == NULL && count > 0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_relabel: an argument is NULL");
	if (count != base->count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"dataset_relabel: count %lld, a label for each of %lld samples wanted",
				(long long)count, (long long)base->count);
	for (int64_t i = 0; i < count; i++)
		if (labels[i] < 0 || labels[i] >= base->classes)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"dataset_relabel: labels[%lld] is %lld, 0 to %lld wanted", (long long)i,
					(long long)labels[i], (long long)base->classes - 1);
	nnopt_dataset *d = NULL;
	NNO_TRY(nno_dataset_make(&d, base->context, &relabelled_class, sizeof(relabelled)));
	relabelled *s = d->state;
	s->labels = nno_new_array(&base->context->alloc, (size_t)count, sizeof *labels);
	if (s->labels == NULL) {
		nnopt_dataset_destroy(d);
		return nno_fail_memory("dataset_relabel", (size_t)count * sizeof *labels);
	}
	if (count > 0)
		memcpy(s->labels, labels, (size_t)count * sizeof *labels);
	s->base = nno_dataset_take(base);
	d->count = count;
	d->classes = base->classes;
	d->channels = base->channels;
	d->decodes = base->decodes;
	*out = d;
	return NNOPT_OK;
}
