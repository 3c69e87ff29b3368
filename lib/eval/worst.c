/* worst.c - the samples that a model is worst at: a heap of the worst so far, whose root is the least bad of them. */
#include "eval/eval.h"

#include <math.h>

typedef struct heap {
	const nno_scored *s;
	nnopt_worst by;
	int64_t *indices, count;
} heap;

/* How bad sample i is; NaN: not at all. */
static double badness(const heap *h, int64_t i)
{
	const float *row = h->s->scores + i * h->s->columns;
	int64_t label = nno_label_at(h->s->labels, i), best = nno_best_class(row, h->s->columns);
	if (h->by == NNOPT_WORST_BY_LOSS)
		return 0.0 - log((double)row[label]);
	return best != label ? (double)row[best] : NAN;
}

static bool is_worse(const heap *h, int64_t a, int64_t b)
{
	double x = badness(h, a), y = badness(h, b);
	return x > y || (x == y && a < b);
}

static void swap(int64_t *a, int64_t *b)
{
	int64_t other = *a;
	*a = *b;
	*b = other;
}

/* Lets the root fall behind all that are less bad. */
static void sift(const heap *h, int64_t count)
{
	for (int64_t at = 0, child = 1; child < count; at = child, child = 2 * at + 1) {
		if (child + 1 < count && is_worse(h, h->indices[child], h->indices[child + 1]))
			child++;
		if (!is_worse(h, h->indices[at], h->indices[child]))
			return;
		swap(&h->indices[at], &h->indices[child]);
	}
}

static void add(heap *h, int64_t i, int64_t most)
{
	int64_t at = h->count;
	if (at < most) {
		h->indices[h->count++] = i;
		for (; at > 0 && is_worse(h, h->indices[(at - 1) / 2], h->indices[at]); at = (at - 1) / 2)
			swap(&h->indices[(at - 1) / 2], &h->indices[at]);
	} else if (is_worse(h, i, h->indices[0])) {
		h->indices[0] = i;
		sift(h, most);
	}
}

nnopt_status nnopt_worst_samples(int64_t *indices, double *values, int64_t *found, const nnopt_tensor *probabilities,
				 const nnopt_tensor *labels, nnopt_worst by, int64_t most)
{
	nno_scored s;
	if (indices == NULL || found == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "worst_samples: indices or found is NULL");
	if (by != NNOPT_WORST_BY_LOSS && by != NNOPT_WORST_BY_CONFIDENCE)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "worst_samples: by %d, 0 or 1 wanted", (int)by);
	if (most < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "worst_samples: most %lld, 1 or more wanted",
				(long long)most);
	nnopt_status status = nno_scored_read(&s, probabilities, labels, NNO_PROBABILITIES, "worst_samples");
	if (status != NNOPT_OK)
		return status;
	heap h = { .s = &s, .by = by, .indices = indices };
	for (int64_t i = 0; i < s.n; i++)
		if (!nno_left_out(s.scores + i * s.columns, s.columns) && !isnan(badness(&h, i)))
			add(&h, i, most);
	for (int64_t end = h.count - 1; end > 0; end--) {
		swap(&indices[0], &indices[end]);
		sift(&h, end);
	}
	for (int64_t k = 0; values != NULL && k < h.count; k++)
		values[k] = badness(&h, indices[k]);
	*found = h.count;
	return NNOPT_OK;
}
