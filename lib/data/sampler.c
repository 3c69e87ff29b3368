/* sampler.c - which samples make an epoch, and in what order. The whole list is made when an epoch starts, from (seed,
 * epoch) alone, so that a start in the middle and every shard see the same one. */
#include "data/loader.h"

#include "base/size.h"

#include <math.h>

static bool by_class(const nnopt_loader_options *o)
{
	return o->sampler == NNOPT_SAMPLER_CLASS_BALANCED || o->sampler == NNOPT_SAMPLER_PK;
}

/* --- creation --- */

static nnopt_status check_weights(const nnopt_loader_options *o, const nnopt_dataset *d)
{
	double sum = 0.0;
	if (o->sampler != NNOPT_SAMPLER_WEIGHTED && (o->weights != NULL || o->weight_count != 0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"loader_options: %lld weights for sampler %d, NNOPT_SAMPLER_WEIGHTED wanted",
				(long long)o->weight_count, o->sampler);
	if (o->sampler != NNOPT_SAMPLER_WEIGHTED)
		return NNOPT_OK;
	if (o->weights == NULL || o->weight_count != d->count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"loader_options: %s of weight_count %lld, a weight for each of %lld samples wanted",
				o->weights == NULL ? "weights NULL" : "weights", (long long)o->weight_count,
				(long long)d->count);
	for (int64_t i = 0; i < d->count; i++) {
		if (!(o->weights[i] >= 0.0 && isfinite(o->weights[i])))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"loader_options: weights[%lld] is %g, finite and >= 0 wanted", (long long)i,
					o->weights[i]);
		sum += o->weights[i];
	}
	if (!(sum > 0.0 && isfinite(sum)))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"loader_options: the sum of the weights is %g, finite and > 0 wanted", sum);
	return NNOPT_OK;
}

static nnopt_status check_shares(const nnopt_loader_options *o)
{
	int64_t p = o->classes_per_batch, k = o->samples_per_class, product;
	if (o->sampler != NNOPT_SAMPLER_PK && (p != 0 || k != 0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"loader_options: classes_per_batch %lld and samples_per_class %lld for sampler %d, "
				"NNOPT_SAMPLER_PK wanted",
				(long long)p, (long long)k, o->sampler);
	if (o->sampler == NNOPT_SAMPLER_PK && (p < 1 || k < 1 || !nno_i64_mul(p, k, &product) || product != o->batch))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"loader_options: classes_per_batch %lld times samples_per_class %lld, both >= 1 and "
				"the batch of %lld wanted",
				(long long)p, (long long)k, (long long)o->batch);
	return NNOPT_OK;
}

static nnopt_status check(const nnopt_loader_options *o, const nnopt_dataset *d)
{
	if (o->sampler < NNOPT_SAMPLER_ORDER || o->sampler > NNOPT_SAMPLER_PK)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "loader_options: sampler %d, 0 to %d wanted", o->sampler,
				NNOPT_SAMPLER_PK);
	NNO_TRY(check_weights(o, d));
	NNO_TRY(check_shares(o));
	if (o->epoch_samples < 0 || (o->sampler == NNOPT_SAMPLER_ORDER && o->epoch_samples > d->count))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"loader_options: epoch_samples %lld, 0 to %lld wanted (more with another sampler)",
				(long long)o->epoch_samples, (long long)d->count);
	if (o->shard_count < 1 || o->shard_rank < 0 || o->shard_rank >= o->shard_count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"loader_options: shard_rank %d of shard_count %d, 0 to count - 1 of at least 1 wanted",
				o->shard_rank, o->shard_count);
	return NNOPT_OK;
}

/* The samples of each class side by side, and the list of the classes that have some. */
static nnopt_status sort_by_class(nno_sampler *s, const nnopt_dataset *d)
{
	for (int64_t i = 0; i < d->count; i++) {
		int64_t label = nnopt_dataset_label(d, i);
		if (label < 0 || label >= d->classes)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"loader_options: sampler by class, but the class of sample %lld is not known "
					"without reading it",
					(long long)i);
		s->starts[label + 1]++;
	}
	for (int64_t c = 0; c < d->classes; c++) {
		if (s->starts[c + 1] > 0)
			s->classes[s->class_count++] = c;
		s->starts[c + 1] += s->starts[c];
		s->at[c] = s->starts[c];
	}
	for (int64_t i = 0; i < d->count; i++)
		s->members[s->at[nnopt_dataset_label(d, i)]++] = i;
	return NNOPT_OK;
}

static nnopt_status set_up_classes(nno_sampler *s, const nno_alloc *a, const nnopt_dataset *d)
{
	s->starts = nno_new_array(a, (size_t)d->classes + 1, sizeof *s->starts);
	s->at = nno_new_array(a, (size_t)d->classes, sizeof *s->at);
	s->classes = nno_new_array(a, (size_t)d->classes, sizeof *s->classes);
	s->members = nno_new_array(a, (size_t)d->count, sizeof *s->members);
	s->shuffled = nno_new_array(a, (size_t)d->count, sizeof *s->shuffled);
	s->picked = nno_new_array(a, (size_t)d->classes, sizeof *s->picked);
	if (s->starts == NULL || s->at == NULL || s->classes == NULL || s->members == NULL || s->shuffled == NULL ||
	    s->picked == NULL)
		return nno_fail_memory("loader", (size_t)d->count * sizeof *s->members);
	return sort_by_class(s, d);
}

static nnopt_status set_up_weights(nno_sampler *s, const nno_alloc *a, const nnopt_loader_options *o)
{
	double sum = 0.0;
	s->cumulative = nno_new_array(a, (size_t)o->weight_count, sizeof *s->cumulative);
	if (s->cumulative == NULL)
		return nno_fail_memory("loader", (size_t)o->weight_count * sizeof *s->cumulative);
	for (int64_t i = 0; i < o->weight_count; i++)
		s->cumulative[i] = sum += o->weights[i];
	return NNOPT_OK;
}

nnopt_status nno_sampler_create(nno_sampler *s, const nno_alloc *a, const nnopt_dataset *d,
				const nnopt_loader_options *o)
{
	NNO_TRY(check(o, d));
	s->population = d->count;
	s->count = o->epoch_samples > 0 ? o->epoch_samples : d->count;
	if (by_class(o))
		NNO_TRY(set_up_classes(s, a, d));
	if (o->sampler == NNOPT_SAMPLER_WEIGHTED)
		NNO_TRY(set_up_weights(s, a, o));
	if (o->sampler == NNOPT_SAMPLER_PK) {
		if (o->classes_per_batch > s->class_count)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"loader_options: classes_per_batch %lld, at most %lld wanted: so many classes "
					"have samples",
					(long long)o->classes_per_batch, (long long)s->class_count);
		if (s->count < o->batch)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"loader_options: epoch_samples %lld, at least a batch of %lld wanted",
					(long long)s->count, (long long)o->batch);
		s->count -= s->count % o->batch;
	}
	/* Shuffling needs room for all, also where an epoch is a part of them. */
	s->order = nno_new_array(a, (size_t)nno_i64_max(s->count, s->population), sizeof *s->order);
	return s->order != NULL ? NNOPT_OK : nno_fail_memory("loader", (size_t)s->count * sizeof *s->order);
}

void nno_sampler_free(nno_sampler *s, const nno_alloc *a)
{
	nno_delete(a, s->order);
	nno_delete(a, s->cumulative);
	nno_delete(a, s->starts);
	nno_delete(a, s->at);
	nno_delete(a, s->classes);
	nno_delete(a, s->members);
	nno_delete(a, s->shuffled);
	nno_delete(a, s->picked);
}

/* --- an epoch --- */

static void in_order(nno_sampler *s, const nnopt_loader_options *o, nno_rng *r)
{
	for (int64_t i = 0; i < s->population; i++)
		s->order[i] = i;
	if (o->shuffle)
		nno_rng_shuffle(r, s->order, s->population);
}

static void class_balanced(nno_sampler *s, const nnopt_loader_options *o, nno_rng *r)
{
	(void)o;
	for (int64_t i = 0; i < s->count; i++) {
		int64_t c = s->classes[nno_rng_below(r, (uint64_t)s->class_count)];
		uint64_t n = (uint64_t)(s->starts[c + 1] - s->starts[c]);
		s->order[i] = s->members[s->starts[c] + (int64_t)nno_rng_below(r, n)];
	}
}

/* The first sample whose sum of weights is above a random part of the whole: never one of weight 0. */
static void weighted(nno_sampler *s, const nnopt_loader_options *o, nno_rng *r)
{
	(void)o;
	for (int64_t i = 0; i < s->count; i++) {
		double x = nno_rng_uniform_double(r) * s->cumulative[s->population - 1];
		int64_t low = 0, high = s->population - 1;
		while (low < high) {
			int64_t middle = low + (high - low) / 2;
			if (s->cumulative[middle] > x)
				high = middle;
			else
				low = middle + 1;
		}
		s->order[i] = low;
	}
}

/* `k` samples of class `c`, from its shuffled ones; shuffled again when too few are left for as many different ones. */
static void take_share(nno_sampler *s, int64_t c, int64_t k, int64_t *dst, nno_rng *r)
{
	int64_t n = s->starts[c + 1] - s->starts[c];
	while (k > 0) {
		if (s->at[c] + nno_i64_min(k, n) > s->starts[c + 1]) {
			s->at[c] = s->starts[c];
			nno_rng_shuffle(r, s->shuffled + s->starts[c], n);
		}
		int64_t taken = nno_i64_min(k, n);
		memcpy(dst, s->shuffled + s->at[c], (size_t)taken * sizeof *dst);
		s->at[c] += taken;
		dst += taken;
		k -= taken;
	}
}

static void shares_of_classes(nno_sampler *s, const nnopt_loader_options *o, nno_rng *r)
{
	memcpy(s->shuffled, s->members, (size_t)s->population * sizeof *s->shuffled);
	memcpy(s->picked, s->classes, (size_t)s->class_count * sizeof *s->picked);
	for (int64_t i = 0; i < s->class_count; i++) /* nothing left, so that the first share shuffles */
		s->at[s->classes[i]] = s->starts[s->classes[i] + 1];
	for (int64_t at = 0; at < s->count; at += o->samples_per_class) {
		int64_t i = at % o->batch / o->samples_per_class;
		int64_t j = i + (int64_t)nno_rng_below(r, (uint64_t)(s->class_count - i));
		int64_t c = s->picked[j];
		s->picked[j] = s->picked[i];
		s->picked[i] = c;
		take_share(s, c, o->samples_per_class, s->order + at, r);
	}
}

static void (*const makers[])(nno_sampler *s, const nnopt_loader_options *o, nno_rng *r) = {
	[NNOPT_SAMPLER_ORDER] = in_order,
	[NNOPT_SAMPLER_CLASS_BALANCED] = class_balanced,
	[NNOPT_SAMPLER_WEIGHTED] = weighted,
	[NNOPT_SAMPLER_PK] = shares_of_classes,
};

void nno_sampler_start(nno_sampler *s, const nnopt_loader_options *o, uint64_t seed, int64_t epoch)
{
	nno_rng r;
	nno_rng_start(&r, seed, NNO_RNG_SHUFFLE, (uint64_t)epoch, (uint64_t)o->sampler);
	makers[o->sampler](s, o, &r);
}

/* --- shards --- */

int64_t nno_sampler_batches(const nno_sampler *s, const nnopt_loader_options *o)
{
	return o->drop_last ? s->count / o->shard_count / o->batch
			    : nno_i64_ceil_div(nno_i64_ceil_div(s->count, o->shard_count), o->batch);
}

int64_t nno_sampler_place(const nnopt_loader_options *o, int64_t number, int64_t item)
{
	if (o->sampler == NNOPT_SAMPLER_PK)
		return (number * o->shard_count + o->shard_rank) * o->batch + item;
	return (number * o->batch + item) * o->shard_count + o->shard_rank;
}
