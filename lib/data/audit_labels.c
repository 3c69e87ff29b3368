/* audit_labels.c - label errors by confident learning: Northcutt, Jiang and Chuang, "Confident learning: estimating
 * uncertainty in dataset labels", 2021. A sample that is more probable to be of class j than the samples labelled j are
 * on average is confidently a j; counting these by given label gives the joint of given and true labels, which says how
 * many of each kind of error there are, and the samples' own probabilities say which. The details (rounding,
 * calibration, what is never found) are those of cleanlab, so that results can be compared. */
#include "data/audit.h"

#include "base/size.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Probabilities are sums of rounded floats where ensembles average them. */
#define ABOVE_ONE 1e-5f

enum { BY_RATE = 1, BY_CLASS = 2, BY_CONFIDENCE = 4 };

typedef struct ranked {
	double key;
	int64_t sample;
} ranked;

typedef struct learner {
	const nno_alloc *alloc;
	const float *p; /* n x k */
	const nnopt_dataset *dataset;
	int64_t n, k;
	int64_t *label; /* -1: its row holds a NaN */
	int64_t *guess; /* the confident class, -1: none */
	int64_t *class_size;
	double *threshold;
	double *joint;  /* k x k, [given][true] */
	uint8_t *marks; /* BY_RATE, BY_CLASS, BY_CONFIDENCE */
	ranked *rank;
} learner;

/* Rounds to whole numbers of the same sum, changing those that are nearest to the next one first; of equals the first
 * is lowered and the last raised. */
static void round_row(double *x, int64_t n, ranked *rank)
{
	double sum = 0.0, rounded = 0.0;
	for (int64_t i = 0; i < n; i++) {
		sum += x[i];
		rounded += rint(x[i]);
		rank[i] = (ranked){ x[i] - rint(x[i]), i };
		x[i] = rint(x[i]);
	}
	int64_t missing = (int64_t)(rint(sum) - rounded);
	double step = missing > 0 ? 1.0 : -1.0;
	for (; missing != 0; missing -= (int64_t)step) {
		int64_t best = 0;
		for (int64_t i = 1; i < n; i++)
			best = (step > 0.0 ? rank[i].key >= rank[best].key : rank[i].key < rank[best].key) ? i : best;
		x[best] += step;
		rank[best].key -= 2.0 * step; /* every other one comes before it again */
	}
}

static void find_thresholds(learner *l)
{
	for (int64_t i = 0; i < l->n; i++)
		if (l->label[i] >= 0) {
			l->threshold[l->label[i]] += (double)l->p[i * l->k + l->label[i]];
			l->class_size[l->label[i]]++;
		}
	for (int64_t c = 0; c < l->k; c++)
		l->threshold[c] = l->class_size[c] > 0 ? fmax(l->threshold[c] / (double)l->class_size[c], 2e-6) : 2.0;
}

static int64_t most_probable(const float *p, int64_t k)
{
	int64_t best = 0;
	for (int64_t c = 1; c < k; c++)
		best = p[c] > p[best] ? c : best;
	return best;
}

static int64_t confident_class(const learner *l, const float *p)
{
	int64_t first = -1, count = 0;
	for (int64_t c = 0; c < l->k; c++)
		if ((double)p[c] >= l->threshold[c] - 1e-6) {
			first = first < 0 ? c : first;
			count++;
		}
	return count > 1 ? most_probable(p, l->k) : first;
}

/* Counts of confident samples, scaled so that each given class has as many as there are, and all together too. */
static void count_joint(learner *l)
{
	double total = 0.0, all = 0.0;
	for (int64_t i = 0; i < l->n; i++) {
		l->guess[i] = l->label[i] < 0 ? -1 : confident_class(l, l->p + i * l->k);
		if (l->guess[i] >= 0)
			l->joint[l->label[i] * l->k + l->guess[i]] += 1.0;
	}
	for (int64_t c = 0; c < l->k; c++) {
		double *row = l->joint + c * l->k, sum = 0.0;
		row[c] = fmax(row[c], 1.0);
		for (int64_t j = 0; j < l->k; j++)
			sum += row[j];
		for (int64_t j = 0; j < l->k; j++)
			row[j] = row[j] / sum * (double)l->class_size[c];
		total += (double)l->class_size[c];
	}
	for (int64_t i = 0; i < l->k * l->k; i++)
		all += l->joint[i];
	for (int64_t i = 0; i < l->k * l->k && all > 0.0; i++)
		l->joint[i] = l->joint[i] / all * total;
	for (int64_t c = 0; c < l->k; c++)
		round_row(l->joint + c * l->k, l->k, l->rank);
}

/* Every given class keeps `least` of its own, at the cost of its errors; then rounded by true class. */
static void keep_some(learner *l, double least)
{
	for (int64_t c = 0; c < l->k; c++) {
		double *row = l->joint + c * l->k, raised = fmax(row[c], least) - row[c], errors = -1.0;
		for (int64_t j = 0; j < l->k; j++)
			errors += row[j] != 0.0;
		for (int64_t j = 0; j < l->k; j++)
			row[j] = j == c ? row[c] + raised : fmax(row[j] - raised / fmax(errors, 1.0), 0.0);
	}
	double *column = l->threshold; /* no longer needed */
	for (int64_t j = 0; j < l->k; j++) {
		for (int64_t c = 0; c < l->k; c++)
			column[c] = l->joint[c * l->k + j];
		round_row(column, l->k, l->rank);
		for (int64_t c = 0; c < l->k; c++)
			l->joint[c * l->k + j] = column[c];
	}
}

static int by_key(const void *a, const void *b)
{
	const ranked *x = a, *y = b;
	return x->key != y->key ? (x->key > y->key) - (x->key < y->key)
				: (x->sample > y->sample) - (x->sample < y->sample);
}

/* Marks the `count` samples of a given class whose p[given] - p[other] is least; without other: whose p[given] is. */
static void mark(learner *l, int64_t given, int64_t other, int64_t count, uint8_t mark)
{
	int64_t n = 0;
	for (int64_t i = 0; i < l->n && count > 0; i++)
		if (l->label[i] == given) {
			const float *p = l->p + i * l->k;
			l->rank[n++] = (ranked){ (double)p[given] - (other < 0 ? 0.0 : (double)p[other]), i };
		}
	if (n > 0)
		qsort(l->rank, (size_t)n, sizeof *l->rank, by_key);
	for (int64_t i = 0; i < nno_i64_min(n, count); i++)
		l->marks[l->rank[i].sample] |= mark;
}

static void mark_all(learner *l, int64_t least)
{
	for (int64_t c = 0; c < l->k; c++) {
		if (l->class_size[c] <= least)
			continue;
		const double *row = l->joint + c * l->k;
		mark(l, c, -1, l->class_size[c] - (int64_t)row[c], BY_CLASS);
		for (int64_t j = 0; j < l->k; j++)
			if (j != c)
				mark(l, c, j, (int64_t)row[j], BY_RATE);
	}
}

/* A label that the model would have given, or nearly, is no error. */
static bool is_error(const learner *l, int64_t i, int32_t filter)
{
	static const uint8_t wanted[] = { BY_RATE, BY_CLASS, BY_RATE | BY_CLASS, 0, BY_CONFIDENCE };
	if (l->label[i] < 0)
		return false;
	const float *p = l->p + i * l->k;
	double given = (double)p[l->label[i]] + 1e-6;
	int64_t best = most_probable(p, l->k);
	if (best == l->label[i] || given > (double)p[best] || (given == (double)p[best] && l->label[i] < best))
		return false;
	return filter == NNOPT_FILTER_CONFIDENT ? l->guess[i] >= 0 && l->guess[i] != l->label[i]
						: (l->marks[i] & wanted[filter]) == wanted[filter];
}

/* Of all labels the least probable ones, as many as are confidently others. */
static void mark_least_confident(learner *l)
{
	int64_t count = 0, n = 0;
	for (int64_t i = 0; i < l->n; i++) {
		count += is_error(l, i, NNOPT_FILTER_CONFIDENT);
		if (l->label[i] >= 0)
			l->rank[n++] = (ranked){ (double)l->p[i * l->k + l->label[i]], i };
	}
	if (n > 0)
		qsort(l->rank, (size_t)n, sizeof *l->rank, by_key);
	for (int64_t i = 0; i < count; i++)
		l->marks[l->rank[i].sample] |= BY_CONFIDENCE;
}

static nnopt_status report(learner *l, nnopt_audit *audit, const nnopt_audit_labels_options *o)
{
	int64_t found = 0;
	for (int64_t i = 0; i < l->n; i++)
		if (is_error(l, i, o->filter))
			l->rank[found++] = (ranked){ (double)l->p[i * l->k + l->label[i]], i };
	if (found > 0)
		qsort(l->rank, (size_t)found, sizeof *l->rank, by_key);
	for (int64_t at = 0; at < found; at++) {
		int64_t i = l->rank[at].sample, likely = most_probable(l->p + i * l->k, l->k);
		if (l->class_size[l->label[i]] <= o->minimum_left)
			continue;
		l->class_size[l->label[i]]--; /* of those not found */
		double p = (double)l->p[i * l->k + likely];
		nno_finding f = nno_finding_of(i, NNOPT_FINDING_LABEL,
					       p >= o->relabel_above ? NNOPT_SUGGEST_RELABEL : NNOPT_SUGGEST_REMOVE,
					       l->rank[at].key);
		f.suggested_label = likely;
		const char *given = nnopt_dataset_class_name(l->dataset, l->label[i]);
		const char *name = nnopt_dataset_class_name(l->dataset, likely);
		NNO_TRY(nno_audit_add(audit, &f, "labelled %s (%d %%), likely %s (%d %%)", given != NULL ? given : "?",
				      (int)(100.0 * l->rank[at].key + 0.5), name != NULL ? name : "?",
				      (int)(100.0 * p + 0.5)));
	}
	return NNOPT_OK;
}

static nnopt_status learn(learner *l, nnopt_audit *audit, const nnopt_audit_labels_options *o)
{
	for (int64_t i = 0; i < l->n; i++) {
		const float *p = l->p + i * l->k;
		l->label[i] = nnopt_dataset_label(l->dataset, i);
		if (l->label[i] < 0 || l->label[i] >= l->k)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"audit_labels: sample %lld has label %lld, 0 to %lld wanted", (long long)i,
					(long long)l->label[i], (long long)l->k - 1);
		for (int64_t c = 0; c < l->k; c++)
			if (isnan(p[c]))
				l->label[i] = -1;
		for (int64_t c = 0; c < l->k && l->label[i] >= 0; c++)
			if (!(p[c] >= 0.0f && p[c] <= 1.0f + ABOVE_ONE))
				return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
						"audit_labels: probability %g of sample %lld, 0 to 1 wanted",
						(double)p[c], (long long)i);
	}
	find_thresholds(l);
	count_joint(l);
	keep_some(l, (double)o->minimum_left);
	if (o->filter == NNOPT_FILTER_SELF_CONFIDENCE)
		mark_least_confident(l);
	else if (o->filter != NNOPT_FILTER_CONFIDENT)
		mark_all(l, o->minimum_left);
	return report(l, audit, o);
}

static const nnopt_audit_labels_options defaults = {
	.struct_size = sizeof defaults, .filter = NNOPT_FILTER_BY_NOISE_RATE, .minimum_left = 1, .relabel_above = 0.9
};

nnopt_status nnopt_audit_labels_options_init(nnopt_audit_labels_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "audit_labels_options");
}

static nnopt_status check(const nnopt_audit *audit, const nnopt_tensor *p, const nnopt_audit_labels_options *o)
{
	char text[NNO_SHAPE_TEXT];
	if (audit == NULL || p == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "audit_labels: %s is NULL",
				audit == NULL ? "audit" : "probabilities");
	const nnopt_dataset *d = audit->dataset;
	if (p->dtype != NNOPT_F32 || p->rank != 2 || p->shape[0] != d->count || p->shape[1] != d->classes)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "audit_labels: probabilities %s, f32 (%lld, %lld) wanted",
				nno_shape_text(text, p->shape, p->rank), (long long)d->count, (long long)d->classes);
	if (o->filter < 0 || o->filter > NNOPT_FILTER_SELF_CONFIDENCE || o->minimum_left < 0 ||
	    !(o->relabel_above >= 0.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"audit_labels: filter %d, minimum_left %d, relabel_above %g: 0 to %d, 0 or more, 0 or "
				"more wanted",
				o->filter, o->minimum_left, o->relabel_above, NNOPT_FILTER_SELF_CONFIDENCE);
	return NNOPT_OK;
}

nnopt_status nnopt_audit_labels(nnopt_audit *audit, const nnopt_tensor *probabilities,
				const nnopt_audit_labels_options *options)
{
	nnopt_audit_labels_options o = defaults;
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "audit_labels"));
	NNO_TRY(check(audit, probabilities, &o));
	const nno_alloc *a = &audit->dataset->context->alloc;
	int64_t before = audit->count;
	learner l = { .alloc = a,
		      .p = (const float *)(const void *)probabilities->data,
		      .dataset = audit->dataset,
		      .n = audit->dataset->count,
		      .k = audit->dataset->classes };
	size_t n = (size_t)l.n, k = (size_t)l.k;
	l.label = nno_new_array(a, n, sizeof *l.label);
	l.guess = nno_new_array(a, n, sizeof *l.guess);
	l.class_size = nno_new_array(a, k, sizeof *l.class_size);
	l.threshold = nno_new_array(a, k, sizeof *l.threshold);
	l.joint = nno_new_array(a, k, k * sizeof *l.joint);
	l.marks = nno_new_array(a, n, 1);
	l.rank = nno_new_array(a, n > k ? n : k, sizeof *l.rank);
	bool all = l.label != NULL && l.guess != NULL && l.class_size != NULL && l.threshold != NULL &&
		   l.joint != NULL && l.marks != NULL && l.rank != NULL;
	nnopt_status status = all ? learn(&l, audit, &o) : nno_fail_memory("audit_labels", n * sizeof *l.rank);
	nno_delete(a, l.label);
	nno_delete(a, l.guess);
	nno_delete(a, l.class_size);
	nno_delete(a, l.threshold);
	nno_delete(a, l.joint);
	nno_delete(a, l.marks);
	nno_delete(a, l.rank);
	if (status != NNOPT_OK)
		nno_audit_shorten(audit, before);
	return status;
}
