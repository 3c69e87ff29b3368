/* events_curves.c - how values are spread: histograms; and how scores tell a class from the others: precision and
 * recall. */
#include "report/events.h"

#include <math.h>
#include <string.h>

enum { VALUE_HISTOGRAM = 5, VALUE_TENSOR = 8 };
enum {
	HISTOGRAM_MIN = 1,
	HISTOGRAM_MAX,
	HISTOGRAM_COUNT,
	HISTOGRAM_SUM,
	HISTOGRAM_SQUARES,
	HISTOGRAM_LIMITS,
	HISTOGRAM_BUCKETS
};
enum { TENSOR_DTYPE = 1, TENSOR_SHAPE = 2, TENSOR_FLOATS = 5, SHAPE_DIM = 2, DIM_SIZE = 1, DTYPE_FLOAT = 1 };

/* --- histograms --- */

/* Limits of one sign, 1e-12 and up by a tenth below 1e20, as TensorFlow's histogram.cc makes them; 0 lies between the
 * signs. */
enum { LIMITS = 774, EDGES = 2 * LIMITS + 1, KEYS = 2048 };

typedef struct histogram {
	double limits[LIMITS];
	int16_t first[KEYS];   /* by exponent and 3 bits of the mantissa: limits at or below the least such value */
	int64_t counts[EDGES]; /* of [edge i, edge i + 1); the last holds all that is larger */
	double min, max, sum, squares;
	int64_t count;
} histogram;

static void start(histogram *h)
{
	double limit = 1e-12;
	int at = 0;
	memset(h, 0, sizeof *h);
	h->min = INFINITY;
	h->max = -INFINITY;
	for (int i = 0; i < LIMITS; i++, limit *= 1.1)
		h->limits[i] = limit;
	for (uint32_t key = 0; key < KEYS; key++) {
		float least;
		uint32_t bits = key << 20;
		memcpy(&least, &bits, sizeof least);
		while (at < LIMITS && h->limits[at] <= (double)least) /* infinity and NaN: all of them */
			at++;
		h->first[key] = (int16_t)at;
	}
}

static double edge(const histogram *h, int i)
{
	return i == LIMITS ? 0.0 : i < LIMITS ? -h->limits[LIMITS - 1 - i] : h->limits[i - LIMITS - 1];
}

/* A bucket holds its lower edge and not its upper one, which only matters at 0: no float is one of the other limits. */
static void add(histogram *h, float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	uint32_t key = bits << 1 >> 21;
	double v = (double)value, size = fabs(v);
	if (!isfinite(value))
		return;
	int below = h->first[key]; /* limits at or below `size` */
	while (below < LIMITS && h->limits[below] <= size)
		below++;
	int bucket = v < 0.0 ? LIMITS - 1 - below : LIMITS + below;
	h->counts[bucket < 0 ? 0 : bucket]++;
	h->min = fmin(h->min, v);
	h->max = fmax(h->max, v);
	h->sum += v;
	h->squares += v * v;
	h->count++;
}

/* The buckets between the first and the last that are not empty, behind an empty one on their left: a bucket is written
 * with its upper limit alone. */
static void add_buckets(nno_text *t, const histogram *h)
{
	int from = 0, to = EDGES - 1;
	while (from < to && h->counts[from] == 0)
		from++;
	while (to > from && h->counts[to] == 0)
		to--;
	size_t limits = nno_wire_open(t, HISTOGRAM_LIMITS);
	for (int i = from; i <= to + 1; i++)
		nno_wire_put64(t, i < EDGES ? edge(h, i) : fmax(h->max, h->limits[LIMITS - 1]));
	nno_wire_close(t, limits);
	size_t buckets = nno_wire_open(t, HISTOGRAM_BUCKETS);
	nno_wire_put64(t, 0.0);
	for (int i = from; i <= to; i++)
		nno_wire_put64(t, (double)h->counts[i]);
	nno_wire_close(t, buckets);
}

nnopt_status nno_events_histogram(nnopt_events *e, const char *what, const char *tag, const char *suffix,
				  const float *values, int64_t count, int64_t step)
{
	histogram *h = nno_new_raw(&e->context->alloc, sizeof *h);
	if (h == NULL)
		return nno_fail_memory(what, sizeof *h);
	start(h);
	for (int64_t i = 0; i < count; i++)
		add(h, values[i]);
	nnopt_status status = nno_events_begin_value(e, what, tag, suffix, step);
	if (status == NNOPT_OK) {
		nno_text *t = &e->out;
		size_t message = nno_wire_open(t, VALUE_HISTOGRAM);
		if (h->count > 0) {
			const double fields[] = { h->min, h->max, (double)h->count, h->sum, h->squares };
			for (int i = 0; i < 5; i++)
				if (fields[i] != 0.0) /* 0 is what a field that is not there means */
					nno_wire_double(t, HISTOGRAM_MIN + i, fields[i]);
			add_buckets(t, h);
		}
		nno_wire_close(t, message);
		status = nno_events_end(e);
	}
	nno_delete(&e->context->alloc, h);
	return status;
}

/* The elements as another type, in memory to be freed, `what` in errors. */
static nnopt_status convert(nnopt_context *context, void **out, const nnopt_tensor *t, nnopt_dtype dtype,
			    const char *what)
{
	size_t bytes = (size_t)nnopt_tensor_count(t) * nnopt_dtype_size(dtype);
	*out = nno_new_raw(&context->alloc, bytes);
	return *out != NULL ? nnopt_tensor_copy_out(t, *out, bytes, dtype, nnopt_tensor_layout(t))
			    : nno_fail_memory(what, bytes);
}

nnopt_status nnopt_events_histogram(nnopt_events *events, const char *tag, const nnopt_tensor *values, int64_t step)
{
	void *copy = NULL;
	if (events == NULL || values == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_histogram: %s is NULL",
				events == NULL ? "events" : "values");
	int64_t count = nnopt_tensor_count(values);
	const float *data = nnopt_tensor_dtype(values) == NNOPT_F32 ? nnopt_tensor_const_data(values) : NULL;
	nnopt_status status = NNOPT_OK;
	if (count < 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"events_histogram: values has no elements, 1 or more wanted");
	if (data == NULL)
		status = convert(events->context, &copy, values, NNOPT_F32, "events_histogram");
	if (status == NNOPT_OK)
		status =
		    nno_events_histogram(events, "events_histogram", tag, "", data != NULL ? data : copy, count, step);
	nno_delete(&events->context->alloc, copy);
	return status;
}

/* --- precision and recall --- */

enum { THRESHOLDS = 127, ROWS = 6 }; /* a length of 127 is the most that the plugin's readers take from one byte */

typedef struct pr_curve {
	double true_positives[THRESHOLDS], false_positives[THRESHOLDS];
} pr_curve;

static nnopt_status count_scores(pr_curve *p, const float *scores, int64_t columns, const int64_t *labels,
				 int64_t count, int64_t positive)
{
	for (int64_t i = 0; i < count; i++) {
		float score = columns > 0 ? scores[i * columns + positive] : scores[i];
		if (isnan(score))
			continue;
		if (!(score >= 0.0f && score <= 1.0f))
			return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
					"events_pr_curve: scores[%lld] is %g, a probability wanted", (long long)i,
					(double)score);
		double *hits = labels[i] == positive ? p->true_positives : p->false_positives;
		hits[(int)(score * (THRESHOLDS - 1))]++;
	}
	/* A score counts at its threshold and at all below. */
	for (int k = THRESHOLDS - 2; k >= 0; k--) {
		p->true_positives[k] += p->true_positives[k + 1];
		p->false_positives[k] += p->false_positives[k + 1];
	}
	return NNOPT_OK;
}

static double share(double part, double all) { return all > 0.0 ? part / all : 0.0; }

static void add_curve(nno_text *t, const pr_curve *p)
{
	size_t tensor = nno_wire_open(t, VALUE_TENSOR);
	nno_wire_number(t, TENSOR_DTYPE, DTYPE_FLOAT);
	size_t shape = nno_wire_open(t, TENSOR_SHAPE);
	for (int i = 0; i < 2; i++) {
		size_t dim = nno_wire_open(t, SHAPE_DIM);
		nno_wire_number(t, DIM_SIZE, i == 0 ? ROWS : THRESHOLDS);
		nno_wire_close(t, dim);
	}
	nno_wire_close(t, shape);
	size_t floats = nno_wire_open(t, TENSOR_FLOATS);
	for (int row = 0; row < ROWS; row++)
		for (int k = 0; k < THRESHOLDS; k++) {
			double tp = p->true_positives[k], fp = p->false_positives[k];
			double tn = p->false_positives[0] - fp, fn = p->true_positives[0] - tp;
			const double values[ROWS] = { tp, fp, tn, fn, share(tp, tp + fp), share(tp, tp + fn) };
			nno_wire_put32(t, (float)values[row]);
		}
	nno_wire_close(t, floats);
	nno_wire_close(t, tensor);
	/* PrCurvePluginData: num_thresholds = 2 */
	nno_events_metadata(t, "pr_curves", (const char[]){ 2 << 3, THRESHOLDS }, 2);
}

static nnopt_status check_curve(const nnopt_tensor *scores, const nnopt_tensor *labels, int64_t positive)
{
	if (scores == NULL || labels == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_pr_curve: %s is NULL",
				scores == NULL ? "scores" : "labels");
	int32_t rank = nnopt_tensor_rank(scores);
	int64_t n = nnopt_tensor_extent(scores, 0);
	nnopt_dtype kind = nnopt_tensor_dtype(labels);
	if (rank < 1 || rank > 2 || nnopt_tensor_rank(labels) != 1 || nnopt_tensor_extent(labels, 0) != n)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"events_pr_curve: scores of rank %d for %lld samples and labels of rank %d for %lld, "
				"(N) or (N, classes) and "
				"(N) wanted",
				rank, (long long)n, nnopt_tensor_rank(labels),
				(long long)nnopt_tensor_extent(labels, 0));
	if (kind != NNOPT_I64 && kind != NNOPT_I32 && kind != NNOPT_U8)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_pr_curve: labels of %s, whole numbers wanted",
				nnopt_dtype_name(kind));
	if (rank == 2 && (positive < 0 || positive >= nnopt_tensor_extent(scores, 1)))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_pr_curve: positive %lld, 0 to %lld wanted",
				(long long)positive, (long long)nnopt_tensor_extent(scores, 1) - 1);
	return NNOPT_OK;
}

nnopt_status nnopt_events_pr_curve(nnopt_events *events, const char *tag, const nnopt_tensor *scores,
				   const nnopt_tensor *labels, int64_t positive, int64_t step)
{
	pr_curve p = { { 0 }, { 0 } };
	void *values = NULL, *classes = NULL;
	if (events == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_pr_curve: events is NULL");
	NNO_TRY(check_curve(scores, labels, positive));
	nnopt_status status = convert(events->context, &values, scores, NNOPT_F32, "events_pr_curve");
	if (status == NNOPT_OK)
		status = convert(events->context, &classes, labels, NNOPT_I64, "events_pr_curve");
	if (status == NNOPT_OK)
		status = count_scores(&p, values, nnopt_tensor_rank(scores) == 2 ? nnopt_tensor_extent(scores, 1) : 0,
				      classes, nnopt_tensor_extent(scores, 0), positive);
	if (status == NNOPT_OK)
		status = nno_events_begin_value(events, "events_pr_curve", tag, "", step);
	if (status == NNOPT_OK) {
		add_curve(&events->out, &p);
		status = nno_events_end(events);
	}
	nno_delete(&events->context->alloc, values);
	nno_delete(&events->context->alloc, classes);
	return status;
}
