/* metrics.c - counts over predictions, and what follows from them. */
#include "eval/eval.h"

#include <string.h>

#define MOST_CLASSES 32768

struct nnopt_metrics {
	nnopt_context *context;
	int64_t classes, count;
	int64_t *confusion; /* classes x classes: [actual][predicted] */
	int64_t *ranks;     /* ranks[k]: samples whose class had k scores above it */
};

nnopt_status nnopt_metrics_create(nnopt_metrics **out, nnopt_context *context, int64_t classes)
{
	if (out == NULL || context == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "metrics_create: %s is NULL",
				out == NULL ? "out" : "context");
	if (classes < 1 || classes > MOST_CLASSES)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "metrics_create: classes %lld, 1 to %d wanted",
				(long long)classes, MOST_CLASSES);
	nnopt_metrics *m = nnopt_context_alloc(context, sizeof *m);
	if (m == NULL)
		return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "metrics_create: out of memory");
	m->classes = classes;
	m->confusion = nnopt_context_alloc(context, (size_t)(classes * classes) * sizeof *m->confusion);
	m->ranks = nnopt_context_alloc(context, (size_t)classes * sizeof *m->ranks);
	if (m->confusion == NULL || m->ranks == NULL) {
		nnopt_context_free(context, m->confusion);
		nnopt_context_free(context, m->ranks);
		nnopt_context_free(context, m);
		return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "metrics_create: out of memory for the confusion matrix");
	}
	m->context = nnopt_context_retain(context);
	*out = m;
	return NNOPT_OK;
}

void nnopt_metrics_destroy(nnopt_metrics *m)
{
	if (m == NULL)
		return;
	nnopt_context *context = m->context;
	nnopt_context_free(context, m->confusion);
	nnopt_context_free(context, m->ranks);
	nnopt_context_free(context, m);
	nnopt_context_destroy(context);
}

void nnopt_metrics_reset(nnopt_metrics *m)
{
	if (m == NULL)
		return;
	m->count = 0;
	memset(m->confusion, 0, (size_t)(m->classes * m->classes) * sizeof *m->confusion);
	memset(m->ranks, 0, (size_t)m->classes * sizeof *m->ranks);
}

static nnopt_status check_batch(const nnopt_metrics *m, const nnopt_tensor *scores, const nnopt_tensor *labels)
{
	if (m == NULL || scores == NULL || labels == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "metrics_add: %s is NULL",
				m == NULL        ? "metrics"
				: scores == NULL ? "scores"
						 : "labels");
	nnopt_dtype dtype = nnopt_tensor_dtype(labels);
	if (nnopt_tensor_dtype(scores) != NNOPT_F32 || nnopt_tensor_rank(scores) != 2 ||
	    nnopt_tensor_extent(scores, 1) != m->classes)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"metrics_add: scores of type %s, rank %d and %lld columns, f32 (N, %lld) wanted",
				nnopt_dtype_name(nnopt_tensor_dtype(scores)), (int)nnopt_tensor_rank(scores),
				(long long)nnopt_tensor_extent(scores, 1), (long long)m->classes);
	if ((dtype != NNOPT_I32 && dtype != NNOPT_I64) || nnopt_tensor_rank(labels) != 1 ||
	    nnopt_tensor_extent(labels, 0) != nnopt_tensor_extent(scores, 0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"metrics_add: labels of type %s, rank %d and count %lld, i32 or i64 (%lld) wanted",
				nnopt_dtype_name(dtype), (int)nnopt_tensor_rank(labels),
				(long long)nnopt_tensor_count(labels), (long long)nnopt_tensor_extent(scores, 0));
	for (int64_t i = 0; i < nnopt_tensor_count(labels); i++)
		if (nno_label_at(labels, i) < 0 || nno_label_at(labels, i) >= m->classes)
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"metrics_add: label %lld of sample %lld, 0 to %lld wanted",
					(long long)nno_label_at(labels, i), (long long)i, (long long)m->classes - 1);
	return NNOPT_OK;
}

nnopt_status nnopt_metrics_add(nnopt_metrics *m, const nnopt_tensor *scores, const nnopt_tensor *labels)
{
	nnopt_status status = check_batch(m, scores, labels);
	if (status != NNOPT_OK)
		return status;
	const float *row = nnopt_tensor_const_data(scores);
	int64_t n = nnopt_tensor_extent(scores, 0);
	for (int64_t i = 0; i < n; i++, row += m->classes) {
		int64_t label = nno_label_at(labels, i), above = 0;
		for (int64_t c = 0; c < m->classes; c++)
			above +=
			    nno_score_above(row[c], row[label]) || (c < label && !nno_score_above(row[label], row[c]));
		m->confusion[label * m->classes + nno_best_class(row, m->classes)]++;
		m->ranks[above]++;
	}
	m->count += n;
	return NNOPT_OK;
}

nnopt_status nnopt_metrics_merge(nnopt_metrics *m, const nnopt_metrics *from)
{
	if (m == NULL || from == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "metrics_merge: metrics or from is NULL");
	if (m->classes != from->classes)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "metrics_merge: %lld classes, %lld wanted",
				(long long)from->classes, (long long)m->classes);
	for (int64_t i = 0; i < m->classes * m->classes; i++)
		m->confusion[i] += from->confusion[i];
	for (int64_t i = 0; i < m->classes; i++)
		m->ranks[i] += from->ranks[i];
	m->count += from->count;
	return NNOPT_OK;
}

int64_t nnopt_metrics_count(const nnopt_metrics *m) { return m == NULL ? 0 : m->count; }

int64_t nnopt_metrics_classes(const nnopt_metrics *m) { return m == NULL ? 0 : m->classes; }

double nnopt_metrics_top_k(const nnopt_metrics *m, int32_t k)
{
	if (m == NULL || m->count == 0)
		return 0.0;
	int64_t hits = 0;
	for (int64_t i = 0; i < k && i < m->classes; i++)
		hits += m->ranks[i];
	return (double)hits / (double)m->count;
}

static int64_t hits_of(const nnopt_metrics *m)
{
	int64_t hits = 0;
	for (int64_t c = 0; c < m->classes; c++)
		hits += m->confusion[c * m->classes + c];
	return hits;
}

double nnopt_metrics_accuracy(const nnopt_metrics *m)
{
	return m == NULL || m->count == 0 ? 0.0 : (double)hits_of(m) / (double)m->count;
}

nnopt_status nnopt_metrics_accuracy_interval(const nnopt_metrics *m, double confidence, double *low, double *high)
{
	if (m == NULL || low == NULL || high == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "metrics_accuracy_interval: %s is NULL",
				m == NULL     ? "metrics"
				: low == NULL ? "low"
					      : "high");
	nnopt_status status = nno_check_confidence(confidence, "metrics_accuracy_interval");
	if (status == NNOPT_OK)
		nno_wilson(hits_of(m), m->count, confidence, low, high);
	return status;
}

int64_t nnopt_metrics_confusion(const nnopt_metrics *m, int64_t actual, int64_t predicted)
{
	if (m == NULL || actual < 0 || actual >= m->classes || predicted < 0 || predicted >= m->classes)
		return 0;
	return m->confusion[actual * m->classes + predicted];
}

/* The largest entries off the diagonal, kept in order by insertion; of equal ones those met first. */
nnopt_status nnopt_metrics_top_confusions(const nnopt_metrics *m, int64_t most, int64_t *actual, int64_t *predicted,
					  int64_t *counts, int64_t *found)
{
	if (m == NULL || actual == NULL || predicted == NULL || counts == NULL || found == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "metrics_top_confusions: %s is NULL",
				m == NULL           ? "metrics"
				: actual == NULL    ? "actual"
				: predicted == NULL ? "predicted"
				: counts == NULL    ? "counts"
						    : "found");
	if (most < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "metrics_top_confusions: most %lld, 1 or more wanted",
				(long long)most);
	int64_t n = 0;
	for (int64_t i = 0; i < m->classes * m->classes; i++) {
		int64_t a = i / m->classes, p = i % m->classes, count = m->confusion[i];
		if (a == p || count == 0 || (n == most && count <= counts[n - 1]))
			continue;
		int64_t at = n < most ? n++ : n - 1;
		for (; at > 0 && counts[at - 1] < count; at--) {
			actual[at] = actual[at - 1];
			predicted[at] = predicted[at - 1];
			counts[at] = counts[at - 1];
		}
		actual[at] = a;
		predicted[at] = p;
		counts[at] = count;
	}
	*found = n;
	return NNOPT_OK;
}

static double ratio(int64_t a, int64_t b) { return b > 0 ? (double)a / (double)b : 0.0; }

nnopt_status nnopt_metrics_class(const nnopt_metrics *m, int64_t index, nnopt_class_metrics *out)
{
	if (m == NULL || out == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "metrics_class: %s is NULL",
				m == NULL ? "metrics" : "out");
	nnopt_status status = nnopt_result_check(out, "metrics_class");
	if (status != NNOPT_OK)
		return status;
	if (index < 0 || index >= m->classes)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "metrics_class: index %lld, 0 to %lld wanted",
				(long long)index, (long long)m->classes - 1);
	nnopt_class_metrics r = { .struct_size = sizeof r };
	for (int64_t c = 0; c < m->classes; c++) {
		r.support += m->confusion[index * m->classes + c];
		r.predicted += m->confusion[c * m->classes + index];
	}
	int64_t hits = m->confusion[index * m->classes + index];
	r.precision = ratio(hits, r.predicted);
	r.recall = ratio(hits, r.support);
	r.f1 = ratio(2 * hits, r.support + r.predicted);
	nno_wilson(hits, r.predicted, 0.95, &r.precision_low, &r.precision_high);
	nno_wilson(hits, r.support, 0.95, &r.recall_low, &r.recall_high);
	nnopt_result_give(out, &r, sizeof r);
	return NNOPT_OK;
}

nnopt_status nnopt_metrics_macro(const nnopt_metrics *m, double *precision, double *recall, double *f1)
{
	if (m == NULL || precision == NULL || recall == NULL || f1 == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "metrics_macro: %s is NULL",
				m == NULL           ? "metrics"
				: precision == NULL ? "precision"
				: recall == NULL    ? "recall"
						    : "f1");
	double p = 0.0, r = 0.0, f = 0.0;
	for (int64_t c = 0; c < m->classes; c++) {
		nnopt_class_metrics one = { .struct_size = sizeof one };
		(void)nnopt_metrics_class(m, c, &one);
		p += one.precision;
		r += one.recall;
		f += one.f1;
	}
	*precision = p / (double)m->classes;
	*recall = r / (double)m->classes;
	*f1 = f / (double)m->classes;
	return NNOPT_OK;
}
