/* ranking.c - samples by falling score of a class. */
#include "eval/ranking.h"

#include <stdlib.h>

/* Twice the pairs of so many samples can be counted in 64 bits, and a place has a bit to spare. */
#define MOST (INT64_C(1) << 30)

static void fill(nno_ranking *r)
{
	int64_t at = 0;
	for (int64_t i = 0; i < r->s.n; i++) {
		if (nno_left_out(r->s.scores + i * r->s.columns, r->s.columns))
			continue;
		r->rows[at] = (uint32_t)i;
		r->labels[at] = (int32_t)nno_label_at(r->s.labels, i);
		r->support[r->labels[at++]]++;
	}
}

nnopt_status nno_ranking_start(nno_ranking *r, nnopt_context *context, const nnopt_tensor *scores,
			       const nnopt_tensor *labels, int64_t rankings, const char *what)
{
	*r = (nno_ranking){ .context = context };
	nnopt_status status = nno_scored_read(&r->s, scores, labels, NNO_RANKED_SCORES, what);
	if (status != NNOPT_OK)
		return status;
	if (r->s.n > MOST || r->s.classes > INT32_MAX)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %lld samples of %lld classes, 2^30 at most wanted",
				what, (long long)r->s.n, (long long)r->s.classes);
	/* Not above the scores' own number, which fits in memory. */
	size_t count = (size_t)r->s.count, all = count * (size_t)(rankings > 0 ? rankings : r->s.classes);
	r->rows = nnopt_context_alloc(context, count * sizeof *r->rows);
	r->labels = nnopt_context_alloc(context, count * sizeof *r->labels);
	r->support = nnopt_context_alloc(context, (size_t)r->s.classes * sizeof *r->support);
	r->places = nnopt_context_alloc(context, all * sizeof *r->places);
	r->room = nnopt_context_alloc(context, count * sizeof *r->room);
	if (r->rows == NULL || r->labels == NULL || r->support == NULL || r->places == NULL || r->room == NULL)
		return nno_fail(NNOPT_ERROR_OUT_OF_MEMORY, "%s: out of memory for the ranking of %lld samples", what,
				(long long)r->s.count);
	fill(r);
	return NNOPT_OK;
}

void nno_ranking_end(nno_ranking *r)
{
	nnopt_context_free(r->context, r->rows);
	nnopt_context_free(r->context, r->labels);
	nnopt_context_free(r->context, r->support);
	nnopt_context_free(r->context, r->places);
	nnopt_context_free(r->context, r->room);
}

nnopt_status nno_ranking_check(const nno_ranking *r, int64_t class_index, bool others, const char *what)
{
	if (class_index < 0 || class_index >= r->s.classes)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: class %lld, 0 to %lld wanted", what,
				(long long)class_index, (long long)r->s.classes - 1);
	int64_t own = r->support[class_index];
	if (own == 0 || (others && own == r->s.count))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %lld of %lld samples are of class %lld, %s wanted",
				what, (long long)own, (long long)r->s.count, (long long)class_index,
				others ? "some but not all" : "1 or more");
	return NNOPT_OK;
}

static int by_score(const void *a, const void *b)
{
	const nno_ranked *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->sample < y->sample ? -1 : x->sample > y->sample;
}

static float score_of(const nno_ranking *r, int64_t sample, int64_t class_index)
{
	const float *row = r->s.scores + r->rows[sample] * r->s.columns;
	return r->s.columns > 1 ? row[class_index] : class_index == 1 ? row[0] : -row[0];
}

void nno_rank(nno_ranking *r, int64_t class_index, int64_t from)
{
	for (int64_t i = 0; i < r->s.count; i++)
		r->room[i] = (nno_ranked){ score_of(r, i, class_index), (uint32_t)i };
	qsort(r->room, (size_t)r->s.count, sizeof *r->room, by_score);
	for (int64_t i = 0; i < r->s.count; i++)
		r->places[from + i] =
		    r->room[i].sample | (i > 0 && r->room[i].score == r->room[i - 1].score ? NNO_TIED : 0);
}

bool nno_next_score(const nno_ranking *r, int64_t class_index, nno_above *above, float *score)
{
	if (above->place == r->s.count)
		return false;
	*score = score_of(r, nno_place_sample(r->places[above->place]), class_index);
	do {
		bool own = r->labels[nno_place_sample(r->places[above->place++])] == class_index;
		++*(own ? &above->own : &above->others);
	} while (above->place < r->s.count && (r->places[above->place] & NNO_TIED) != 0);
	return true;
}
