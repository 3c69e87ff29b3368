/* loader.c - a loader's making: what it keeps, its shape, its checks. */
#include "data/loader.h"

#include "base/size.h"
#include "data/mixing.h"

#include <string.h>

static nnopt_status make_slot(nnopt_loader *l, nno_slot *slot)
{
	int64_t n = l->o.batch;
	NNO_TRY(nnopt_tensor_create(&slot->images, l->context, NNOPT_F32, 4, (int64_t[]){ n, l->c, l->h, l->w },
				    NNOPT_NHWC));
	NNO_TRY(nnopt_tensor_create(&slot->labels, l->context, NNOPT_I32, 1, &n, NNOPT_NCHW));
	if (nno_mixing_wanted(&l->o))
		NNO_TRY(nnopt_tensor_create(&slot->targets, l->context, NNOPT_F32, 2,
					    (int64_t[]){ n, l->dataset->classes }, NNOPT_NCHW));
	slot->indices = nno_new_array(&l->context->alloc, (size_t)n, sizeof *slot->indices);
	slot->bad = nno_new_array(&l->context->alloc, (size_t)n, sizeof *slot->bad);
	if (slot->indices == NULL || slot->bad == NULL)
		return nno_fail_memory("loader", (size_t)n * sizeof *slot->bad);
	slot->number = -1;
	return NNOPT_OK;
}

/* The size after the transforms, from the first sample that can be read and is large enough for them. */
static nnopt_status find_shape(nnopt_loader *l)
{
	nnopt_status status = NNOPT_OK;
	for (int64_t i = 0; i < l->dataset->count; i++) {
		nno_picture picture;
		int64_t label;
		status = nno_dataset_read(l->dataset, i, &l->workers[0].scratch.picture, &picture, &label);
		if (status == NNOPT_OK) {
			l->h = picture.h;
			l->w = picture.w;
			status = nno_loader_name_sample(l, i, nno_transforms_size(l->transforms, &l->h, &l->w));
		}
		if (status == NNOPT_OK || status == NNOPT_ERROR_OUT_OF_MEMORY)
			return status;
	}
	return nno_fail_in(status, "loader: no sample of the dataset can be used; the last");
}

static nnopt_status check_options(const nnopt_loader_options *o)
{
	if (o->batch < 1 || o->batch > 1 << 20)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_options: batch %lld, 1 to %d wanted",
				(long long)o->batch, 1 << 20);
	if (o->workers < 0 || o->workers > 64)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_options: workers %d, 0 to 64 wanted", o->workers);
	if (o->prefetch < 1 || o->prefetch > 1024)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_options: prefetch %d, 1 to 1024 wanted",
				o->prefetch);
	if (o->on_bad_sample != NNOPT_BAD_SAMPLE_SKIP && o->on_bad_sample != NNOPT_BAD_SAMPLE_FAIL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_options: on_bad_sample %d, 0 or 1 wanted",
				o->on_bad_sample);
	if (!(o->max_bad_fraction >= 0.0 && o->max_bad_fraction <= 1.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_options: max_bad_fraction %g, 0 to 1 wanted",
				o->max_bad_fraction);
	return nno_mixing_check(o);
}

/* What each worker needs beside what it decodes into. */
static nnopt_status make_spares(nnopt_loader *l, int scratches)
{
	size_t bytes = (size_t)(l->h * l->w * l->c) * sizeof(float); /* slots have more */
	for (int i = 0; nno_mixing_wanted(&l->o) && i < scratches; i++) {
		l->workers[i].scratch.spare = nno_new_raw(&l->context->alloc, bytes);
		if (l->workers[i].scratch.spare == NULL)
			return nno_fail_memory("loader", bytes);
	}
	return NNOPT_OK;
}

static nnopt_status set_up(nnopt_loader *l)
{
	const nno_alloc *a = &l->context->alloc;
	if (l->dataset->count < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_create: the dataset is empty");
	int32_t normalised = l->transforms->normalisation.channels;
	if (normalised != 0 && normalised != l->c)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"loader_create: normalisation of %d channels for pictures of %lld", normalised,
				(long long)l->c);
	NNO_TRY(nno_sampler_create(&l->sampler, a, l->dataset, &l->o));
	l->o.weights = NULL; /* the sampler has them */
	l->batches = nno_sampler_batches(&l->sampler, &l->o);
	l->ring = l->o.prefetch + 1;
	int scratches = l->o.workers > 0 ? l->o.workers : 1;
	l->workers = nno_new_array(a, (size_t)scratches, sizeof *l->workers);
	l->slots = nno_new_array(a, (size_t)l->ring, sizeof *l->slots);
	l->bad = nno_new_array(a, 16, sizeof *l->bad);
	if (l->workers == NULL || l->slots == NULL || l->bad == NULL)
		return nno_fail_memory("loader_create", (size_t)l->ring * sizeof *l->slots);
	l->bad_room = 16;
	for (int i = 0; i < scratches; i++) {
		l->workers[i].loader = l;
		l->workers[i].scratch = (nno_worker_scratch){ .picture = { .alloc = a }, .transforms = { .alloc = a } };
	}
	NNO_TRY(find_shape(l));
	for (int i = 0; i < l->ring; i++)
		NNO_TRY(make_slot(l, &l->slots[i]));
	NNO_TRY(make_spares(l, scratches));
	nno_normalisation_table(&l->transforms->normalisation, &l->table);
	return l->dataset->decodes ? nno_cache_create(&l->cache, a, l->dataset->count, l->o.cache_bytes) : NNOPT_OK;
}

static const nnopt_loader_options option_defaults = {
	.struct_size = sizeof(nnopt_loader_options),
	.batch = 64,
	.workers = 1,
	.prefetch = 2,
	.cache_bytes = (uint64_t)1 << 30,
	.max_bad_fraction = 0.05,
	.mix_probability = 1.0,
	.shard_count = 1,
};

nnopt_status nnopt_loader_options_init(nnopt_loader_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "loader_options");
}

nnopt_status nnopt_loader_create(nnopt_loader **out, nnopt_dataset *dataset, nnopt_transforms *transforms,
				 const nnopt_loader_options *options)
{
	if (out == NULL || dataset == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_create: %s is NULL",
				out == NULL ? "out" : "dataset");
	nnopt_loader_options o = option_defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "loader_options"));
	NNO_TRY(check_options(&o));
	nnopt_transforms *list = NULL; /* the caller may go on changing the one given */
	NNO_TRY(nno_transforms_copy(&list, dataset->context, transforms));
	nnopt_loader *l = nno_new(&dataset->context->alloc, sizeof *l);
	if (l == NULL) {
		nnopt_transforms_destroy(list);
		return nno_fail_memory("loader_create", sizeof *l);
	}
	l->context = nno_context_take(dataset->context);
	l->dataset = nno_dataset_take(dataset);
	l->transforms = list;
	l->o = o;
	l->c = dataset->channels;
	l->seed = o.use_seed ? o.seed : dataset->context->seed;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->work, NULL);
	pthread_cond_init(&l->done, NULL);
	nnopt_status status = set_up(l);
	if (status != NNOPT_OK) {
		nnopt_loader_destroy(l);
		return status;
	}
	*out = l;
	return NNOPT_OK;
}

void nnopt_loader_destroy(nnopt_loader *l)
{
	if (l == NULL)
		return;
	nnopt_context *context = l->context;
	const nno_alloc *a = &context->alloc;
	nno_loader_stop(l);
	for (int i = 0; l->workers != NULL && i < (l->o.workers > 0 ? l->o.workers : 1); i++) {
		nno_room_free(&l->workers[i].scratch.picture);
		nno_room_free(&l->workers[i].scratch.transforms);
		nno_delete(a, l->workers[i].scratch.spare);
	}
	nno_cache_destroy(l->cache);
	for (int i = 0; l->slots != NULL && i < l->ring; i++) {
		nnopt_tensor_destroy(l->slots[i].images);
		nnopt_tensor_destroy(l->slots[i].labels);
		nnopt_tensor_destroy(l->slots[i].targets);
		nno_delete(a, l->slots[i].indices);
		nno_delete(a, l->slots[i].bad);
	}
	nno_delete(a, l->workers);
	nno_delete(a, l->slots);
	nno_sampler_free(&l->sampler, a);
	nno_delete(a, l->bad);
	nnopt_transforms_destroy(l->transforms);
	nnopt_dataset_destroy(l->dataset);
	pthread_cond_destroy(&l->work);
	pthread_cond_destroy(&l->done);
	pthread_mutex_destroy(&l->lock);
	nno_delete(a, l);
	nno_context_drop(context);
}

uint64_t nnopt_loader_starts(const nnopt_loader *l) { return l != NULL ? l->starts : 0; }

int64_t nnopt_loader_batches(const nnopt_loader *l) { return l == NULL ? 0 : l->batches; }
int64_t nnopt_loader_batch_size(const nnopt_loader *l) { return l == NULL ? 0 : l->o.batch; }
nnopt_dataset *nnopt_loader_dataset(const nnopt_loader *l) { return l == NULL ? NULL : l->dataset; }
int64_t nnopt_loader_bad_count(const nnopt_loader *l) { return l == NULL ? 0 : l->bad_count; }

nnopt_status nnopt_loader_sample_shape(nnopt_loader *l, int64_t shape[3])
{
	if (l == NULL || shape == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_sample_shape: %s is NULL",
				l == NULL ? "loader" : "shape");
	shape[0] = l->c;
	shape[1] = l->h;
	shape[2] = l->w;
	return NNOPT_OK;
}

nnopt_status nnopt_loader_bad_sample(const nnopt_loader *l, int64_t which, int64_t *index, const char **error)
{
	if (l == NULL || index == NULL || error == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_bad_sample: an argument is NULL");
	if (which < 0 || which >= l->bad_count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_bad_sample: %lld, 0 to %lld wanted",
				(long long)which, (long long)l->bad_count - 1);
	*index = l->bad[which].index;
	*error = l->bad[which].error;
	return NNOPT_OK;
}

static uint64_t mix_i64(uint64_t hash, int64_t value) { return nno_mix(hash, &value, sizeof value); }

uint64_t nnopt_loader_fingerprint(const nnopt_loader *l)
{
	if (l == NULL)
		return 0;
	uint64_t hash = 0xcbf29ce484222325u;
	const nnopt_dataset *d = l->dataset;
	int64_t numbers[] = { d->count,       d->classes,      l->c, l->h, l->w, l->o.batch, l->o.shuffle,
			      l->o.drop_last, (int64_t)l->seed };
	hash = nno_mix(hash, numbers, sizeof numbers);
	double mixing[] = { l->o.mixup_alpha, l->o.cutmix_alpha, l->o.mix_probability };
	hash = nno_mix(hash, mixing, sizeof mixing);
	int64_t sampling[] = { l->o.sampler, l->o.classes_per_batch, l->o.samples_per_class, l->sampler.count,
			       l->o.shard_count };
	hash = nno_mix(hash, sampling, sizeof sampling);
	if (l->sampler.cumulative != NULL)
		hash = nno_mix(hash, l->sampler.cumulative, (size_t)d->count * sizeof *l->sampler.cumulative);
	for (int64_t i = 0; i < d->count; i++) {
		const char *name = nnopt_dataset_sample_name(d, i);
		hash = mix_i64(hash, nnopt_dataset_label(d, i));
		hash = name != NULL ? nno_mix(hash, name, strlen(name)) : hash;
	}
	return nno_transforms_fingerprint(l->transforms, hash);
}
