/* loader_batches.c - samples to batches. Worker threads prepare whole batches ahead of the consumer in a ring; what a
 * batch holds is a function of (seed, epoch, batch number) alone, so workers change nothing but the time it takes. */
#include "data/loader.h"

#include "base/signals.h"
#include "base/size.h"
#include "data/mixing.h"

#include <stdio.h>

/* --- filling a batch --- */

nnopt_status nno_loader_name_sample(const nnopt_loader *l, int64_t index, nnopt_status status)
{
	const char *name = nnopt_dataset_sample_name(l->dataset, index);
	return status == NNOPT_OK || name == NULL ? status : nno_fail_in(status, "%s", name);
}

static nnopt_status fill_sample(nnopt_loader *l, nno_worker_scratch *s, int64_t index, int64_t place, float *dst,
				int32_t *label)
{
	nno_picture picture;
	int64_t found;
	bool cached = l->cache != NULL && nno_dataset_decodes(l->dataset, index);
	if (!cached || !nno_cache_find(l->cache, index, &picture, &found)) {
		NNO_TRY(nno_dataset_read(l->dataset, index, &s->picture, &picture, &found));
		if (cached)
			nno_cache_add(l->cache, index, &picture, found);
	}
	int64_t h = picture.h, w = picture.w;
	NNO_TRY(nno_loader_name_sample(l, index, nno_transforms_size(l->transforms, &h, &w)));
	if (h != l->h || w != l->w)
		return nno_loader_name_sample(
		    l, index,
		    nno_fail(NNOPT_ERROR_FORMAT,
			     "loader: a picture of %lldx%lld after the transforms, %lldx%lld wanted: "
			     "add a crop or a resize",
			     (long long)h, (long long)w, (long long)l->h, (long long)l->w));
	/* A sample that comes more than once in an epoch draws by its place in it: no two times are alike. */
	int64_t time = l->o.sampler == NNOPT_SAMPLER_ORDER ? index : place;
	NNO_TRY(nno_transforms_run(l->transforms, &picture, &s->transforms, l->seed, l->epoch, index, time));
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
	sigset_t old;
	nno_block_signals(&old);
	for (; l->started < l->o.workers; l->started++)
		if (pthread_create(&l->workers[l->started].thread, NULL, work, &l->workers[l->started]) != 0)
			break;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	l->tried = true;
}

void nno_loader_stop(nnopt_loader *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_broadcast(&l->work);
	pthread_mutex_unlock(&l->lock);
	for (int i = 0; i < l->started; i++)
		pthread_join(l->workers[i].thread, NULL);
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
	l->starts++;
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
	l->begun = true;
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
	if (!l->begun)
		return nno_fail(NNOPT_ERROR_STATE, "loader_next: no epoch was started");
	nno_slot *slot;
	do {
		if (l->next_give >= l->batches) {
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
