/* concat.c - several datasets as one, one after the other. */
#include "data/data.h"

#include "base/size.h"

typedef struct concat {
	nnopt_dataset **bases;
	int64_t *ends; /* the number of samples up to and with each base */
	int64_t count;
} concat;

/* The base that sample `*index` is in, and its number there. */
static nnopt_dataset *find(const nnopt_dataset *d, int64_t *index)
{
	const concat *s = d->state;
	int64_t low = 0, high = s->count - 1;
	while (low < high) {
		int64_t middle = low + (high - low) / 2;
		if (s->ends[middle] > *index)
			high = middle;
		else
			low = middle + 1;
	}
	*index -= low > 0 ? s->ends[low - 1] : 0;
	return s->bases[low];
}

static nnopt_status read_sample(const nnopt_dataset *d, int64_t index, nno_room *room, nno_picture *picture,
				int64_t *label)
{
	const nnopt_dataset *base = find(d, &index);
	return nno_dataset_read(base, index, room, picture, label);
}

static int64_t label_of(const nnopt_dataset *d, int64_t index)
{
	const nnopt_dataset *base = find(d, &index);
	return nnopt_dataset_label(base, index);
}

static const char *sample_name(const nnopt_dataset *d, int64_t index)
{
	const nnopt_dataset *base = find(d, &index);
	return nnopt_dataset_sample_name(base, index);
}

static const char *class_name(const nnopt_dataset *d, int64_t index)
{
	return nnopt_dataset_class_name(((const concat *)d->state)->bases[0], index);
}

static bool decodes(const nnopt_dataset *d, int64_t index)
{
	const nnopt_dataset *base = find(d, &index);
	return nno_dataset_decodes(base, index);
}

static void destroy(nnopt_dataset *d)
{
	concat *s = d->state;
	for (int64_t i = 0; i < s->count; i++)
		nnopt_dataset_destroy(s->bases[i]);
	nno_delete(&d->context->alloc, s->bases);
	nno_delete(&d->context->alloc, s->ends);
}

static const nno_dataset_class concat_class = {
	.kind = "concat",
	.read = read_sample,
	.label = label_of,
	.sample_name = sample_name,
	.class_name = class_name,
	.decodes = decodes,
	.destroy = destroy,
};

static nnopt_status check(nnopt_dataset *const *bases, int64_t count)
{
	int64_t total = 0;
	for (int64_t i = 0; i < count; i++) {
		if (bases[i] == NULL)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_concat: bases[%lld] is NULL",
					(long long)i);
		if (bases[i]->channels != bases[0]->channels || bases[i]->classes != bases[0]->classes)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"dataset_concat: bases[%lld] has %lld channels and %lld classes, %lld and %lld "
					"wanted as in the first",
					(long long)i, (long long)bases[i]->channels, (long long)bases[i]->classes,
					(long long)bases[0]->channels, (long long)bases[0]->classes);
		if (!nno_i64_add(total, bases[i]->count, &total))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"dataset_concat: more samples than 64 bits count, up to bases[%lld]",
					(long long)i);
	}
	return NNOPT_OK;
}

nnopt_status nnopt_dataset_concat(nnopt_dataset **out, nnopt_dataset *const *bases, int64_t count)
{
	if (out == NULL || bases == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_concat: %s is NULL",
				out == NULL ? "out" : "bases");
	if (count < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "dataset_concat: count %lld, >= 1 wanted",
				(long long)count);
	NNO_TRY(check(bases, count));
	const nno_alloc *a = &bases[0]->context->alloc;
	nnopt_dataset *d = NULL;
	NNO_TRY(nno_dataset_view(&d, bases[0], &concat_class, sizeof(concat)));
	concat *s = d->state;
	s->bases = nno_new_array(a, (size_t)count, sizeof *s->bases);
	s->ends = nno_new_array(a, (size_t)count, sizeof *s->ends);
	if (s->bases == NULL || s->ends == NULL) {
		nnopt_dataset_destroy(d);
		return nno_fail_memory("dataset_concat", (size_t)count * sizeof *s->ends);
	}
	for (; s->count < count; s->count++) {
		nnopt_dataset *base = bases[s->count];
		s->bases[s->count] = nno_dataset_take(base);
		s->ends[s->count] = d->count += base->count;
		d->decodes = d->decodes || base->decodes;
	}
	*out = d;
	return NNOPT_OK;
}
