/* audit_pictures.c - what can be seen of pictures: each is read once, by all threads, and leaves a fingerprint. */
#include "data/audit.h"

#include "base/size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 32 };

nnopt_dataset *nno_survey_dataset(const nno_survey *s, int64_t sample, int64_t *index)
{
	bool own = sample < s->own;
	*index = own ? sample : sample - s->own;
	return own ? s->audit->dataset : s->o->against;
}

static void read_sample(nno_survey *s, int64_t sample, int slot)
{
	int64_t index;
	const nnopt_dataset *d = nno_survey_dataset(s, sample, &index);
	nno_room *room = &s->rooms[2 * slot], *scratch = room + 1;
	nno_picture picture;
	nno_print *print = &s->prints[sample];
	nnopt_status status = nno_dataset_read(d, index, room, &picture, &print->label);
	if (status == NNOPT_OK)
		status = nno_room_fit(scratch, nno_print_room(picture.h, picture.w), "audit_pictures");
	if (status == NNOPT_OK) {
		nno_print_make(print, &picture, &s->waves, scratch->bytes);
		return;
	}
	const char *text = nnopt_last_error();
	s->errors[sample] = status == NNOPT_ERROR_OUT_OF_MEMORY ? NULL : nno_new_text(s->alloc, text, strlen(text));
	s->out_of_memory[slot] = s->out_of_memory[slot] || s->errors[sample] == NULL;
}

static void read_chunk(void *user, int64_t chunk, int slot)
{
	nno_survey *s = user;
	for (int64_t i = chunk * CHUNK; i < nno_i64_min((chunk + 1) * CHUNK, s->all); i++)
		read_sample(s, i, slot);
}

nnopt_status nno_survey_check(const nno_survey *s)
{
	for (int i = 0; i < nno_pool_slots(s->audit->dataset->context->pool); i++)
		if (s->out_of_memory[i])
			return nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "audit_pictures: out of memory");
	return NNOPT_OK;
}

/* --- pictures by themselves --- */

static int by_size(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;
	return x[0] != y[0] ? (x[0] > y[0]) - (x[0] < y[0]) : (x[1] > y[1]) - (x[1] < y[1]);
}

/* The size that most pictures have, the smallest of equals. */
static nnopt_status usual_size(const nno_survey *s, int64_t size[2])
{
	int64_t n = 0, best = 0, *sizes = nno_new_array(s->alloc, (size_t)s->own, 2 * sizeof *sizes);
	if (sizes == NULL)
		return nno_fail_memory("audit_pictures", (size_t)s->own * 2 * sizeof *sizes);
	for (int64_t i = 0; i < s->own; i++)
		if (s->errors[i] == NULL) {
			sizes[2 * n] = s->prints[i].h;
			sizes[2 * n++ + 1] = s->prints[i].w;
		}
	qsort(sizes, (size_t)n, 2 * sizeof *sizes, by_size);
	for (int64_t i = 0, from = 0; i < n; i++) {
		if (by_size(sizes + 2 * i, sizes + 2 * from) != 0)
			from = i;
		if (i - from + 1 > best) {
			best = i - from + 1;
			memcpy(size, sizes + 2 * i, 2 * sizeof *size);
		}
	}
	nno_delete(s->alloc, sizes);
	return NNOPT_OK;
}

nno_finding nno_finding_of(int64_t index, int32_t kind, int32_t suggestion, double score)
{
	return (nno_finding){ .index = index,
			      .other = -1,
			      .suggested_label = -1,
			      .score = score,
			      .kind = kind,
			      .suggestion = suggestion };
}

bool nno_survey_constant(const nno_survey *s, int64_t sample)
{
	return s->prints[sample].deviation <= s->o->constant_below;
}

static nnopt_status find_single(const nno_survey *s)
{
	int64_t size[2] = { 0, 0 };
	NNO_TRY(usual_size(s, size));
	size[0] = s->o->height > 0 ? s->o->height : size[0];
	size[1] = s->o->width > 0 ? s->o->width : size[1];
	for (int64_t i = 0; i < s->own; i++) {
		const nno_print *p = &s->prints[i];
		nno_finding f = nno_finding_of(i, NNOPT_FINDING_UNREADABLE, NNOPT_SUGGEST_REMOVE, 0.0);
		if (s->errors[i] != NULL) {
			NNO_TRY(nno_audit_add(s->audit, &f, "%s", s->errors[i]));
			continue;
		}
		f = nno_finding_of(i, NNOPT_FINDING_OFF_SIZE, NNOPT_SUGGEST_REVIEW,
				   (double)(p->h * p->w) / ((double)size[0] * (double)size[1]));
		if (p->h != size[0] || p->w != size[1])
			NNO_TRY(nno_audit_add(s->audit, &f, "%lldx%lld pixels, %lldx%lld expected", (long long)p->h,
					      (long long)p->w, (long long)size[0], (long long)size[1]));
		f = nno_finding_of(i, NNOPT_FINDING_CONSTANT, NNOPT_SUGGEST_REMOVE, p->deviation);
		if (nno_survey_constant(s, i))
			NNO_TRY(nno_audit_add(s->audit, &f, "one colour, or nearly"));
	}
	return NNOPT_OK;
}

static nnopt_status start(nno_survey *s)
{
	nno_waves_make(&s->waves);
	size_t n = (size_t)s->all, slots = (size_t)nno_pool_slots(s->audit->dataset->context->pool);
	s->prints = nno_new_array(s->alloc, n, sizeof *s->prints);
	s->errors = nno_new_array(s->alloc, n, sizeof *s->errors);
	s->rooms = nno_new_array(s->alloc, 2 * slots, sizeof *s->rooms);
	s->out_of_memory = nno_new_array(s->alloc, slots, sizeof *s->out_of_memory);
	for (size_t i = 0; s->rooms != NULL && i < 2 * slots; i++)
		s->rooms[i].alloc = s->alloc;
	bool all = s->prints != NULL && s->errors != NULL && s->rooms != NULL && s->out_of_memory != NULL;
	return all ? NNOPT_OK : nno_fail_memory("audit_pictures", n * sizeof *s->prints);
}

static void finish(nno_survey *s)
{
	int slots = nno_pool_slots(s->audit->dataset->context->pool);
	for (int64_t i = 0; s->errors != NULL && i < s->all; i++)
		nno_delete(s->alloc, s->errors[i]);
	for (int i = 0; s->rooms != NULL && i < 2 * slots; i++)
		nno_room_free(&s->rooms[i]);
	nno_delete(s->alloc, s->prints);
	nno_delete(s->alloc, s->errors);
	nno_delete(s->alloc, s->rooms);
	nno_delete(s->alloc, s->out_of_memory);
}

static const nnopt_audit_pictures_options defaults = {
	.struct_size = sizeof defaults, .constant_below = 0.01, .near_above = 0.5, .hash_distance = NNO_MOST_DISTANCE
};

nnopt_status nnopt_audit_pictures_options_init(nnopt_audit_pictures_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "audit_pictures_options");
}

static nnopt_status check(const nnopt_audit *audit, const nnopt_audit_pictures_options *o)
{
	if (o->height < 0 || o->width < 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "audit_pictures: expected %lldx%lld, 0 or more wanted",
				(long long)o->height, (long long)o->width);
	if (!(o->near_above > 0.0) || isnan(o->constant_below))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"audit_pictures: near_above %g, above 0 wanted; constant_below %g, a number wanted",
				o->near_above, o->constant_below);
	if (o->hash_distance < 0 || o->hash_distance > NNO_MOST_DISTANCE)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "audit_pictures: hash_distance %d, 0 to %d wanted",
				o->hash_distance, NNO_MOST_DISTANCE);
	if (o->against != NULL && o->against->channels != audit->dataset->channels)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "audit_pictures: against has %lld channels, %lld wanted",
				(long long)o->against->channels, (long long)audit->dataset->channels);
	if (o->against != NULL && audit->against != NULL && o->against != audit->against)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"audit_pictures: the audit compares with another dataset already");
	return NNOPT_OK;
}

nnopt_status nnopt_audit_pictures(nnopt_audit *audit, const nnopt_audit_pictures_options *options)
{
	nnopt_audit_pictures_options o = defaults;
	if (audit == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "audit_pictures: audit is NULL");
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "audit_pictures"));
	NNO_TRY(check(audit, &o));
	nno_pool *pool = audit->dataset->context->pool;
	int64_t before = audit->count;
	nno_survey s = { .audit = audit,
			 .o = &o,
			 .alloc = &audit->dataset->context->alloc,
			 .own = audit->dataset->count,
			 .all = audit->dataset->count + nnopt_dataset_count(o.against) };
	nnopt_status status = start(&s);
	if (status == NNOPT_OK) {
		nno_parallel_for(pool, nno_i64_ceil_div(s.all, CHUNK), read_chunk, &s);
		status = nno_survey_check(&s);
	}
	if (status == NNOPT_OK)
		status = find_single(&s);
	if (status == NNOPT_OK)
		status = nno_survey_pairs(&s);
	finish(&s);
	if (status != NNOPT_OK)
		nno_audit_shorten(audit, before);
	else if (o.against != NULL && audit->against == NULL)
		audit->against = nno_dataset_take(o.against);
	return status;
}
