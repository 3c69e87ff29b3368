/* audit_pairs.c - pictures that are equal or alike. Equal ones are neighbours in the order of their pixels' hashes. Of
 * like ones the perceptual hashes differ in at most 7 of 64 bits, so that one of their eight bytes is equal, and only
 * samples that share a byte are compared. */
#include "data/audit.h"

#include "base/size.h"

#include <stdlib.h>
#include <string.h>

enum { BYTES = 8, VALUES = 256 };

typedef struct pair {
	int64_t low, high;
	double score;
} pair;

/* Of one task; merged in the order of tasks. */
typedef struct pairs {
	pair *list;
	int64_t count, room;
} pairs;

typedef struct search {
	nno_survey base;
	int64_t *order; /* of readable samples that are not constant */
	int64_t ordered;
	int64_t *copy_of; /* the first sample it equals; -1: none */
	int64_t *leak_of; /* the first of the other dataset that it equals; -1: none */
	int64_t *starts;  /* BYTES x (VALUES + 1) places in `buckets` */
	int64_t *buckets; /* BYTES x ordered */
	pairs *found;     /* BYTES x VALUES */
} search;

static bool may_pair(const search *s, int64_t a, int64_t b)
{
	return !s->base.o->same_label_only || s->base.prints[a].label == s->base.prints[b].label;
}

static const char *name_of(const nnopt_dataset *d, int64_t label)
{
	const char *name = nnopt_dataset_class_name(d, label);
	return name != NULL ? name : "?";
}

static nnopt_status add_pair(const search *s, int32_t kind, int64_t sample, int64_t other, double score)
{
	static const char *const how[] = { "the same pixels as", "nearly the same as" };
	int64_t at;
	nnopt_dataset *d = nno_survey_dataset(&s->base, other, &at);
	int64_t label = s->base.prints[sample].label, theirs = s->base.prints[other].label;
	bool agree = label == theirs, elsewhere = other >= s->base.own;
	const char *name = nnopt_dataset_sample_name(d, at);
	nno_finding f = nno_finding_of(sample, elsewhere ? NNOPT_FINDING_LEAK : kind,
				       agree ? NNOPT_SUGGEST_REMOVE : NNOPT_SUGGEST_REVIEW, score);
	f.other = at;
	f.elsewhere = elsewhere;
	return nno_audit_add(
	    s->base.audit, &f, "%s sample %lld%s%s%s%s%s%s%s%s", how[kind == NNOPT_FINDING_NEAR_DUPLICATE],
	    (long long)at, elsewhere ? " of the other dataset" : "", name != NULL ? " (" : "", name != NULL ? name : "",
	    name != NULL ? ")" : "", agree ? "" : ", which is labelled ", agree ? "" : name_of(d, theirs),
	    agree ? "" : ", this one ", agree ? "" : name_of(s->base.audit->dataset, label));
}

/* The prints that `order` is sorted by; qsort() hands no argument on. */
typedef struct keyed {
	uint64_t key;
	int64_t sample;
} keyed;

static int by_key(const void *a, const void *b)
{
	const keyed *x = a, *y = b;
	return x->key != y->key ? (x->key > y->key) - (x->key < y->key)
				: (x->sample > y->sample) - (x->sample < y->sample);
}

/* Reads both again: equal hashes are only likely to be equal pictures. Pictures that fail now are not equal. */
static bool same_pixels(const search *s, int64_t a, int64_t b)
{
	int64_t index, label;
	nno_picture x, y;
	const nnopt_dataset *d = nno_survey_dataset(&s->base, a, &index);
	if (nno_dataset_read(d, index, &s->base.rooms[0], &x, &label) != NNOPT_OK)
		return false;
	d = nno_survey_dataset(&s->base, b, &index);
	if (nno_dataset_read(d, index, &s->base.rooms[1], &y, &label) != NNOPT_OK)
		return false;
	return x.h == y.h && x.w == y.w && x.c == y.c && memcmp(x.pixels, y.pixels, (size_t)(x.h * x.w * x.c)) == 0;
}

/* copy_of and leak_of for all; readable ones that are not constant come into `order`. */
static nnopt_status find_equal(search *s)
{
	keyed *k = nno_new_array(s->base.alloc, (size_t)s->base.all, sizeof *k);
	int64_t n = 0;
	if (k == NULL)
		return nno_fail_memory("audit_pictures", (size_t)s->base.all * sizeof *k);
	for (int64_t i = 0; i < s->base.all; i++) {
		s->copy_of[i] = s->leak_of[i] = -1;
		if (s->base.errors[i] == NULL && !nno_survey_constant(&s->base, i))
			k[n++] = (keyed){ s->base.prints[i].pixels, i };
	}
	qsort(k, (size_t)n, sizeof *k, by_key);
	/* The other dataset's samples come last among equals, and are what a leak is told by. */
	for (int64_t i = 0, from = 0; i < n; i++) {
		if (k[i].key != k[from].key)
			from = i;
		for (int64_t first = from; first < i && s->copy_of[k[i].sample] < 0; first++)
			if (s->copy_of[k[first].sample] < 0 && may_pair(s, k[first].sample, k[i].sample) &&
			    same_pixels(s, k[first].sample, k[i].sample))
				s->copy_of[k[i].sample] = k[first].sample;
	}
	for (int64_t i = s->base.own; i < s->base.all; i++)
		if (s->copy_of[i] >= 0 && s->copy_of[i] < s->base.own && s->leak_of[s->copy_of[i]] < 0)
			s->leak_of[s->copy_of[i]] = i;
	for (int64_t i = 0; i < s->base.own; i++)
		if (s->copy_of[i] >= 0)
			s->leak_of[i] = s->leak_of[s->copy_of[i]];
	s->ordered = 0;
	for (int64_t i = 0; i < s->base.all; i++)
		if (s->base.errors[i] == NULL && !nno_survey_constant(&s->base, i))
			s->order[s->ordered++] = i;
	nno_delete(s->base.alloc, k);
	return NNOPT_OK;
}

static int byte_of(const search *s, int64_t sample, int byte)
{
	return (int)(s->base.prints[sample].frequencies >> (8 * byte) & 0xff);
}

static void fill_buckets(search *s)
{
	for (int b = 0; b < BYTES; b++) {
		int64_t *start = s->starts + b * (VALUES + 1), *bucket = s->buckets + b * s->ordered;
		memset(start, 0, (VALUES + 1) * sizeof *start);
		for (int64_t i = 0; i < s->ordered; i++)
			start[byte_of(s, s->order[i], b) + 1]++;
		for (int v = 0; v < VALUES; v++)
			start[v + 1] += start[v];
		for (int64_t i = 0; i < s->ordered; i++)
			bucket[start[byte_of(s, s->order[i], b)]++] = s->order[i];
		memmove(start + 1, start, VALUES * sizeof *start);
		start[0] = 0;
	}
}

static bool keep_pair(const search *s, pairs *to, pair p)
{
	if (to->count == to->room) {
		int64_t room = to->room < 16 ? 16 : 2 * to->room;
		pair *list = nno_grow(s->base.alloc, to->list, (size_t)room * sizeof *list);
		if (list == NULL)
			return false;
		to->list = list;
		to->room = room;
	}
	to->list[to->count++] = p;
	return true;
}

/* Whether an earlier byte is equal too, where the pair has been met. */
static bool met_before(uint64_t difference, int byte)
{
	for (int b = 0; b < byte; b++)
		if ((difference >> (8 * b) & 0xff) == 0)
			return true;
	return false;
}

/* The first sample of bucket[from..to) that `sample` is like; false: none. */
static bool first_like(const search *s, int byte, const int64_t *bucket, int64_t from, int64_t to, int64_t sample,
		       int64_t *found, double *score)
{
	const nno_print *a = &s->base.prints[sample];
	for (int64_t i = from; i < to; i++) {
		const nno_print *b = &s->base.prints[bucket[i]];
		uint64_t difference = a->frequencies ^ b->frequencies;
		if (__builtin_popcountll(difference) > s->base.o->hash_distance || met_before(difference, byte) ||
		    !may_pair(s, sample, bucket[i]))
			continue;
		*score = nno_print_likeness(a, b);
		*found = bucket[i];
		if (*score >= s->base.o->near_above)
			return true;
	}
	return false;
}

/* Of each own sample the first it is like, of its own dataset and of the other: two pairs a sample and byte at most,
 * however many are alike. The first of all is the first in the bucket of the lowest byte that they share. */
static void compare_bucket(void *user, int64_t index, int slot)
{
	search *s = user;
	int byte = (int)(index / VALUES);
	const int64_t *start = s->starts + byte * (VALUES + 1) + index % VALUES;
	const int64_t *bucket = s->buckets + byte * s->ordered;
	int64_t others = start[0], found;
	double score;
	bool kept = true;
	while (others < start[1] && bucket[others] < s->base.own)
		others++;
	for (int64_t i = start[0]; i < others && kept; i++) {
		if (first_like(s, byte, bucket, start[0], i, bucket[i], &found, &score))
			kept = keep_pair(s, &s->found[index], (pair){ found, bucket[i], score });
		if (kept && first_like(s, byte, bucket, others, start[1], bucket[i], &found, &score))
			kept = keep_pair(s, &s->found[index], (pair){ bucket[i], found, score });
	}
	if (!kept)
		s->base.out_of_memory[slot] = true;
}

static int by_high(const void *a, const void *b)
{
	const pair *x = a, *y = b;
	return x->high != y->high ? (x->high > y->high) - (x->high < y->high) : (x->low > y->low) - (x->low < y->low);
}

/* All pairs in one list, by the sample that is to go and then by the one it is like. */
static nnopt_status gather(const search *s, pairs *all)
{
	for (int i = 0; i < BYTES * VALUES; i++)
		all->room += s->found[i].count;
	all->list = nno_new_array(s->base.alloc, (size_t)all->room, sizeof *all->list);
	if (all->list == NULL)
		return nno_fail_memory("audit_pictures", (size_t)all->room * sizeof *all->list);
	for (int i = 0; i < BYTES * VALUES; i++)
		for (int64_t k = 0; k < s->found[i].count; k++) {
			pair p = s->found[i].list[k];
			/* Of a pair with the other dataset it is the audited sample that goes. */
			if (p.high >= s->base.own)
				p = (pair){ p.high, p.low, p.score };
			all->list[all->count++] = p;
		}
	qsort(all->list, (size_t)all->count, sizeof *all->list, by_high);
	return NNOPT_OK;
}

/* One finding a sample and dataset: exact before near, then the first it is like. */
static nnopt_status report_pairs(const search *s, const pairs *all)
{
	int64_t at = 0;
	for (int64_t i = 0; i < s->base.own; i++) {
		bool done[2] = { s->copy_of[i] >= 0, s->leak_of[i] >= 0 };
		if (done[0])
			NNO_TRY(add_pair(s, NNOPT_FINDING_DUPLICATE, i, s->copy_of[i], 1.0));
		if (done[1])
			NNO_TRY(add_pair(s, NNOPT_FINDING_DUPLICATE, i, s->leak_of[i], 1.0));
		for (; at < all->count && all->list[at].high == i; at++) {
			const pair *p = &all->list[at];
			bool elsewhere = p->low >= s->base.own;
			if (!done[elsewhere])
				NNO_TRY(add_pair(s, NNOPT_FINDING_NEAR_DUPLICATE, i, p->low, p->score));
			done[elsewhere] = true;
		}
	}
	return NNOPT_OK;
}

static nnopt_status look(search *s)
{
	pairs all = { NULL, 0, 0 };
	NNO_TRY(find_equal(s));
	s->buckets = nno_new_array(s->base.alloc, (size_t)s->ordered, BYTES * sizeof *s->buckets);
	if (s->buckets == NULL)
		return nno_fail_memory("audit_pictures", (size_t)s->ordered * BYTES * sizeof *s->buckets);
	fill_buckets(s);
	if (s->base.o->near_above <= 1.0)
		nno_parallel_for(s->base.audit->dataset->context->pool, BYTES * VALUES, compare_bucket, s);
	nnopt_status status = nno_survey_check(&s->base);
	if (status == NNOPT_OK)
		status = gather(s, &all);
	if (status == NNOPT_OK)
		status = report_pairs(s, &all);
	nno_delete(s->base.alloc, all.list);
	return status;
}

nnopt_status nno_survey_pairs(const nno_survey *survey)
{
	const nno_alloc *a = survey->alloc;
	size_t n = (size_t)survey->all;
	search s = { .base = *survey };
	s.order = nno_new_array(a, n, sizeof *s.order);
	s.copy_of = nno_new_array(a, n, sizeof *s.copy_of);
	s.leak_of = nno_new_array(a, n, sizeof *s.leak_of);
	s.starts = nno_new_array(a, BYTES * (VALUES + 1), sizeof *s.starts);
	s.found = nno_new_array(a, BYTES * VALUES, sizeof *s.found);
	bool all = s.order != NULL && s.copy_of != NULL && s.leak_of != NULL && s.starts != NULL && s.found != NULL;
	nnopt_status status = all ? look(&s) : nno_fail_memory("audit_pictures", 3 * n * sizeof *s.order);
	for (int i = 0; s.found != NULL && i < BYTES * VALUES; i++)
		nno_delete(a, s.found[i].list);
	nno_delete(a, s.order);
	nno_delete(a, s.copy_of);
	nno_delete(a, s.leak_of);
	nno_delete(a, s.starts);
	nno_delete(a, s.buckets);
	nno_delete(a, s.found);
	return status;
}
