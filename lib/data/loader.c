/* loader.c - samples to batches. Worker threads prepare whole batches ahead of the consumer in a ring; what a batch
 * holds is a function of (seed, epoch, batch number) alone, so workers change nothing but the time it takes. */
#include "data/loader.h"

#include "base/size.h"
#include "data/mixing.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* --- filling a batch --- */

/* The failure of a sample by its name, where it has one. */
static nnopt_status name_sample(const nnopt_loader *l, int64_t index, nnopt_status status)
{
	const char *name = nnopt_dataset_sample_name(l->dataset, index);
	return status == NNOPT_OK || name == NULL ? status : nno_fail_in(status, "%s", name);
}

static nnopt_status fill_sample(nnopt_loader *l, nno_worker_scratch *s, int64_t index, int64_t place, float *dst,
				int32_t *label)
{
	nno_picture picture;
	int64_t found;
	if (l->cache == NULL || !nno_cache_find(l->cache, index, &picture, &found)) {
		NNO_TRY(nno_dataset_read(l->dataset, index, &s->picture, &picture, &found));
		if (l->cache != NULL)
			nno_cache_add(l->cache, index, &picture, found);
	}
	int64_t h = picture.h, w = picture.w;
	NNO_TRY(name_sample(l, index, nno_transforms_size(l->transforms, &h, &w)));
	if (h != l->h || w != l->w)
		return name_sample(l, index,
				   nno_fail(NNOPT_ERROR_FORMAT,
					    "loader: a picture of %lldx%lld after the transforms, %lldx%lld wanted: "
					    "add a crop or a resize",
					    (long long)h, (long long)w, (long long)l->h, (long long)l->w));
	/* A sample that comes more than once in an epoch draws by its place in it: no two times are alike. */
	int64_t draw = l->o.sampler == NNOPT_SAMPLER_ORDER ? index : place;
	NNO_TRY(nno_transforms_run(l->transforms, &picture, &s->transforms, l->seed, l->epoch, draw));
	nno_normalise(&l->transforms->normalisation, &l->table, dst, &picture);
	*label = (int32_t)found;
	return NNOPT_OK;
}

static void mix_batch(const nnopt_loader *l, nno_slot *slot, float *spare, int64_t number)
{
	nno_mixing m;
	nno_mixing_draw(&m, &l->o, l->seed, l->epoch, number * l->o.shard_count + l->o.shard_rank, l->h, l->w);
	nno_mixing_images(&m, l->context->kernels, nnopt_tensor_data(slot->images), slot->count, l->h, l->w, l->c,
			  spare);
	nno_mixing_targets(&m, nnopt_tensor_data(slot->targets), nnopt_tensor_data(slot->labels), slot->count,
			   l->dataset->classes);
}

static void fill_batch(nnopt_loader *l, nno_slot *slot, nno_worker_scratch *s, int64_t number)
{
	int64_t each = l->h * l->w * l->c;
	float *images = nnopt_tensor_data(slot->images);
	int32_t *labels = nnopt_tensor_data(slot->labels);
	slot->count = slot->bad_count = 0;
	for (int64_t i = 0; i < l->o.batch; i++) {
		int64_t place = nno_sampler_place(&l->o, number, i);
		if (place >= l->sampler.count)
			break;
		int64_t index = l->sampler.order[place];
		nnopt_status status =
		    fill_sample(l, s, index, place, images + slot->count * each, labels + slot->count);
		if (status == NNOPT_OK) {
			slot->indices[slot->count++] = index;
			continue;
		}
		nno_bad_sample *bad = &slot->bad[slot->bad_count++];
		bad->index = index;
		bad->status = status;
		snprintf(bad->error, sizeof bad->error, "%s", nnopt_last_error());
	}
	if (slot->targets != NULL)
		mix_batch(l, slot, s->spare, number);
}

/* --- workers --- */

static void *work(void *user)
{
	nno_worker *w = user;
	nnopt_loader *l = w->loader;
	pthread_mutex_lock(&l->lock);
	for (;;) {
		while (!l->stop &&
		       (l->pause || l->next_fill >= l->batches || l->next_fill >= l->next_give + l->ring - 1))
			pthread_cond_wait(&l->work, &l->lock);
		if (l->stop)
			break;
		int64_t number = l->next_fill++;
		nno_slot *slot = &l->slots[number % l->ring];
		l->filling++;
		pthread_mutex_unlock(&l->lock);
		fill_batch(l, slot, &w->scratch, number);
		pthread_mutex_lock(&l->lock);
		slot->number = number;
		l->filling--;
		pthread_cond_broadcast(&l->done);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

static void start_workers(nnopt_loader *l)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (; l->started < l->o.workers; l->started++)
		if (pthread_create(&l->workers[l->started].thread, NULL, work, &l->workers[l->started]) != 0)
			break;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	l->tried = true;
}

static void stop_workers(nnopt_loader *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_broadcast(&l->work);
	pthread_mutex_unlock(&l->lock);
	for (int i = 0; i < l->started; i++)
		pthread_join(l->workers[i].thread, NULL);
}

/* --- creation --- */

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
			status = name_sample(l, i, nno_transforms_size(l->transforms, &l->h, &l->w));
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
	stop_workers(l);
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

/* --- epochs --- */

/* Every worker gets rooms as large as any has needed so far: whoever was late in one epoch allocates nothing in the
 * middle of the next. */
static nnopt_status level_rooms(nnopt_loader *l)
{
	size_t picture = 0, transforms = 0;
	int scratches = l->o.workers > 0 ? l->o.workers : 1;
	for (int i = 0; i < scratches; i++) {
		const nno_worker_scratch *s = &l->workers[i].scratch;
		picture = s->picture.size > picture ? s->picture.size : picture;
		transforms = s->transforms.size > transforms ? s->transforms.size : transforms;
	}
	for (int i = 0; i < scratches; i++) {
		NNO_TRY(nno_room_fit(&l->workers[i].scratch.picture, picture, "loader"));
		NNO_TRY(nno_room_fit(&l->workers[i].scratch.transforms, transforms, "loader"));
	}
	return NNOPT_OK;
}

nnopt_status nnopt_loader_start(nnopt_loader *l, int64_t epoch, int64_t first_batch)
{
	if (l == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_start: loader is NULL");
	if (epoch < 0 || first_batch < 0 || first_batch > l->batches)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"loader_start: epoch %lld batch %lld, >= 0 and 0 to %lld wanted", (long long)epoch,
				(long long)first_batch, (long long)l->batches);
	pthread_mutex_lock(&l->lock);
	l->pause = true;
	while (l->filling > 0)
		pthread_cond_wait(&l->done, &l->lock);
	l->epoch = epoch;
	l->next_fill = l->next_give = first_batch;
	l->bad_in_epoch = 0;
	for (int i = 0; i < l->ring; i++)
		l->slots[i].number = -1;
	nno_sampler_start(&l->sampler, &l->o, l->seed, epoch);
	nnopt_status status = level_rooms(l);
	l->running = true;
	l->pause = false;
	pthread_cond_broadcast(&l->work);
	pthread_mutex_unlock(&l->lock);
	if (!l->tried)
		start_workers(l);
	return status;
}

static bool known_bad(const nnopt_loader *l, int64_t index)
{
	for (int64_t i = 0; i < l->bad_count; i++)
		if (l->bad[i].index == index)
			return true;
	return false;
}

/* Takes a bad sample into the list, in order of index, once; without memory for it the log alone has it. */
static void remember_bad(nnopt_loader *l, const nno_bad_sample *bad)
{
	nno_log(l->context, NNOPT_LOG_WARNING, "sample %lld left out: %s", (long long)bad->index, bad->error);
	if (l->bad_count == l->bad_room) {
		nno_bad_sample *more = nno_grow(&l->context->alloc, l->bad, (size_t)l->bad_room * 2 * sizeof *more);
		if (more == NULL)
			return;
		l->bad = more;
		l->bad_room *= 2;
	}
	int64_t at = l->bad_count++;
	for (; at > 0 && l->bad[at - 1].index > bad->index; at--)
		l->bad[at] = l->bad[at - 1];
	l->bad[at] = *bad;
}

static nnopt_status report_bad(nnopt_loader *l, const nno_slot *slot)
{
	for (int64_t i = 0; i < slot->bad_count; i++) {
		const nno_bad_sample *bad = &slot->bad[i];
		/* A sample there was no memory for is not a bad one: leaving it out would change the training unseen.
		 */
		if (l->o.on_bad_sample == NNOPT_BAD_SAMPLE_FAIL || bad->status == NNOPT_ERROR_OUT_OF_MEMORY)
			return nno_fail(bad->status, "loader: sample %lld: %s", (long long)bad->index, bad->error);
		if (!known_bad(l, bad->index))
			remember_bad(l, bad);
	}
	l->bad_in_epoch += slot->bad_count;
	int64_t samples = nno_i64_ceil_div(l->sampler.count, l->o.shard_count);
	if ((double)l->bad_in_epoch > l->o.max_bad_fraction * (double)samples)
		return nno_fail(NNOPT_ERROR_FORMAT,
				"loader: %lld bad samples of %lld, at most a fraction of %g wanted; the last: %s",
				(long long)l->bad_in_epoch, (long long)samples, l->o.max_bad_fraction,
				slot->bad_count > 0 ? slot->bad[slot->bad_count - 1].error : "");
	return NNOPT_OK;
}

nnopt_status nnopt_loader_next(nnopt_loader *l, const nnopt_batch **batch)
{
	if (l == NULL || batch == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_next: %s is NULL",
				l == NULL ? "loader" : "batch");
	if (!l->running)
		return nno_fail(NNOPT_ERROR_STATE, "loader_next: no epoch was started");
	nno_slot *slot;
	do {
		if (l->next_give >= l->batches) {
			l->running = false;
			*batch = NULL;
			return NNOPT_OK;
		}
		int64_t number = l->next_give;
		slot = &l->slots[number % l->ring];
		if (l->started == 0) {
			fill_batch(l, slot, &l->workers[0].scratch, number);
			l->next_give++;
		} else {
			pthread_mutex_lock(&l->lock);
			while (slot->number != number)
				pthread_cond_wait(&l->done, &l->lock);
			l->next_give++;
			pthread_cond_broadcast(&l->work);
			pthread_mutex_unlock(&l->lock);
		}
		NNO_TRY(report_bad(l, slot));
		l->batch.number = number;
	} while (slot->count == 0);
	nno_tensor_set_batch(slot->images, slot->count);
	nno_tensor_set_batch(slot->labels, slot->count);
	if (slot->targets != NULL)
		nno_tensor_set_batch(slot->targets, slot->count);
	l->batch.struct_size = sizeof l->batch;
	l->batch.images = slot->images;
	l->batch.labels = slot->labels;
	l->batch.targets = slot->targets != NULL ? slot->targets : slot->labels;
	l->batch.indices = slot->indices;
	l->batch.count = slot->count;
	*batch = &l->batch;
	return NNOPT_OK;
}

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
