/* knn.c - how often the nearest neighbours of an embedding have its label: what metric learning is measured by. Every
 * distance is computed; nothing is approximate but the rounding of floats. */
#include "eval/eval.h"

#include <math.h>
#include <stdio.h>

/* References that are held against a query at a time: columns of a panel, so that the compiler's vectors run over them
 * and each sum keeps its order. */
#define PANEL 32

typedef struct search {
	const nnopt_tensor *reference, *reference_labels, *queries, *query_labels;
	int64_t n, count, d, k; /* references, queries */
	nnopt_distance distance;
	int same; /* the queries are the references: none is its own neighbour */
	float *panel;
	double *scale;   /* of each query: what its values are multiplied by */
	float *far;      /* count x k: distances of the nearest so far, ascending */
	int64_t *labels; /* and their labels */
} search;

static nnopt_status refuse(const char *what, const char *wanted)
{
	char text[200];
	snprintf(text, sizeof text, "knn_accuracy: %s, %s wanted", what, wanted);
	return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, text);
}

static nnopt_status check_set(const char *name, const nnopt_tensor *x, const nnopt_tensor *labels, int64_t d)
{
	char text[120];
	if (x == NULL || labels == NULL)
		return refuse(name, "embeddings and labels that are not NULL");
	if (nnopt_tensor_dtype(x) != NNOPT_F32 || nnopt_tensor_rank(x) != 2 || nnopt_tensor_count(x) < 1 ||
	    (d > 0 && nnopt_tensor_extent(x, 1) != d)) {
		snprintf(text, sizeof text, "%s of type %s, rank %d and %lld columns", name,
			 nnopt_dtype_name(nnopt_tensor_dtype(x)), (int)nnopt_tensor_rank(x),
			 (long long)nnopt_tensor_extent(x, 1));
		return refuse(text, "f32 (N, D), with one D, and N of at least 1");
	}
	if ((nnopt_tensor_dtype(labels) != NNOPT_I32 && nnopt_tensor_dtype(labels) != NNOPT_I64) ||
	    nnopt_tensor_rank(labels) != 1 || nnopt_tensor_count(labels) != nnopt_tensor_extent(x, 0)) {
		snprintf(text, sizeof text, "labels of %s of type %s and count %lld", name,
			 nnopt_dtype_name(nnopt_tensor_dtype(labels)), (long long)nnopt_tensor_count(labels));
		return refuse(text, "i32 or i64 (N) with the N of the embeddings");
	}
	const float *value = nnopt_tensor_const_data(x);
	for (int64_t i = 0; i < nnopt_tensor_count(x); i++)
		if (!isfinite(value[i])) {
			snprintf(text, sizeof text, "%s: row %lld has a value of %g", name,
				 (long long)(i / nnopt_tensor_extent(x, 1)), (double)value[i]);
			return refuse(text, "finite ones");
		}
	return NNOPT_OK;
}

/* What makes the length of a row 1 where cosines are asked for. */
static double scale_of(const search *s, const float *row)
{
	double squares = 0.0;
	for (int64_t i = 0; i < s->d; i++)
		squares += (double)row[i] * (double)row[i];
	return s->distance == NNOPT_DISTANCE_COSINE && squares > 0.0 ? 1.0 / sqrt(squares) : 1.0;
}

/* References [begin, begin + PANEL) as columns; zeros past the last. */
static void fill_panel(const search *s, int64_t begin)
{
	const float *x = (const float *)nnopt_tensor_const_data(s->reference) + begin * s->d;
	for (int64_t r = 0; r < PANEL; r++) {
		int inside = begin + r < s->n;
		double scale = inside ? scale_of(s, x + r * s->d) : 0.0;
		for (int64_t i = 0; i < s->d; i++)
			s->panel[i * PANEL + r] = inside ? (float)(scale * (double)x[r * s->d + i]) : 0.0f;
	}
}

/* Four coordinates at a time: the sums are read and written once for them. */
static void add_distances(float *restrict sums, const float *restrict q, const float *restrict column)
{
	for (int r = 0; r < PANEL; r++) {
		float a = q[0] - column[r], b = q[1] - column[PANEL + r], c = q[2] - column[2 * PANEL + r],
		      d = q[3] - column[3 * PANEL + r];
		sums[r] += (a * a + b * b) + (c * c + d * d);
	}
}

static void subtract_products(float *restrict sums, const float *restrict q, const float *restrict column)
{
	for (int r = 0; r < PANEL; r++)
		sums[r] -= (q[0] * column[r] + q[1] * column[PANEL + r]) +
			   (q[2] * column[2 * PANEL + r] + q[3] * column[3 * PANEL + r]);
}

static void against_panel(const search *s, int64_t index, float sums[PANEL])
{
	const float *query = (const float *)nnopt_tensor_const_data(s->queries) + index * s->d;
	double scale = s->scale[index];
	for (int r = 0; r < PANEL; r++)
		sums[r] = 0.0f;
	for (int64_t i = 0; i < s->d; i += 4) {
		/* The panel's columns past the last are zeros. */
		float q[4] = { 0 };
		for (int64_t j = i; j < s->d && j < i + 4; j++)
			q[j - i] = (float)(scale * (double)query[j]);
		if (s->distance == NNOPT_DISTANCE_COSINE)
			subtract_products(sums, q, s->panel + i * PANEL);
		else
			add_distances(sums, q, s->panel + i * PANEL);
	}
}

/* Puts a reference among the nearest of a query, behind those as near: they came earlier. */
static void insert(float *far, int64_t *labels, int64_t held, int64_t k, float distance, int64_t label)
{
	int64_t at = held < k ? held : k - 1;
	for (; at > 0 && far[at - 1] > distance; at--) {
		far[at] = far[at - 1];
		labels[at] = labels[at - 1];
	}
	far[at] = distance;
	labels[at] = label;
}

static void hold_against_panel(const search *s, int64_t query, int64_t begin)
{
	float sums[PANEL], *far = s->far + query * s->k;
	int64_t *labels = s->labels + query * s->k;
	int64_t held = begin - (s->same && query < begin); /* seen so far */
	against_panel(s, query, sums);
	for (int64_t r = 0; r < PANEL && begin + r < s->n; r++) {
		if (s->same && begin + r == query)
			continue;
		if (held < s->k || sums[r] < far[s->k - 1])
			insert(far, labels, held, s->k, sums[r], nno_label_at(s->reference_labels, begin + r));
		held++;
	}
}

/* The commonest of k labels, the lowest of equals. */
static int64_t vote(const int64_t *labels, int64_t k)
{
	int64_t best = labels[0], most = 0;
	for (int64_t i = 0; i < k; i++) {
		int64_t votes = 0;
		for (int64_t j = 0; j < k; j++)
			votes += labels[j] == labels[i];
		if (votes > most || (votes == most && labels[i] < best)) {
			most = votes;
			best = labels[i];
		}
	}
	return best;
}

static double run(const search *s)
{
	int64_t hits = 0;
	for (int64_t i = 0; i < s->count; i++)
		s->scale[i] = scale_of(s, (const float *)nnopt_tensor_const_data(s->queries) + i * s->d);
	for (int64_t begin = 0; begin < s->n; begin += PANEL) {
		fill_panel(s, begin);
		for (int64_t i = 0; i < s->count; i++)
			hold_against_panel(s, i, begin);
	}
	for (int64_t i = 0; i < s->count; i++)
		hits += vote(s->labels + i * s->k, s->k) == nno_label_at(s->query_labels, i);
	return (double)hits / (double)s->count;
}

static nnopt_status check(const search *s)
{
	char text[100];
	nnopt_status status = check_set("reference", s->reference, s->reference_labels, 0);
	if (status == NNOPT_OK)
		status = check_set("queries", s->queries, s->query_labels, nnopt_tensor_extent(s->reference, 1));
	if (status != NNOPT_OK)
		return status;
	if (s->distance != NNOPT_DISTANCE_EUCLIDEAN && s->distance != NNOPT_DISTANCE_COSINE)
		return refuse("unknown distance", "Euclidean (0) or cosine (1)");
	int64_t most = nnopt_tensor_extent(s->reference, 0) - s->same;
	if (s->k >= 1 && s->k <= most)
		return NNOPT_OK;
	snprintf(text, sizeof text, "k %lld with %lld neighbours", (long long)s->k, (long long)most);
	return refuse(text, "1 to their number");
}

nnopt_status nnopt_knn_accuracy(double *accuracy, nnopt_context *context, const nnopt_tensor *reference,
				const nnopt_tensor *reference_labels, const nnopt_tensor *queries,
				const nnopt_tensor *query_labels, int64_t k, nnopt_distance distance)
{
	if (accuracy == NULL || context == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "knn_accuracy: accuracy or context is NULL");
	search s = { .reference = reference,
		     .reference_labels = reference_labels,
		     .queries = queries,
		     .query_labels = query_labels,
		     .k = k,
		     .distance = distance };
	s.same = reference != NULL && queries != NULL &&
		 nnopt_tensor_const_data(reference) == nnopt_tensor_const_data(queries) &&
		 nnopt_tensor_count(reference) == nnopt_tensor_count(queries);
	nnopt_status status = check(&s);
	if (status != NNOPT_OK)
		return status;
	s.n = nnopt_tensor_extent(reference, 0);
	s.count = nnopt_tensor_extent(queries, 0);
	s.d = nnopt_tensor_extent(reference, 1);
	if ((uint64_t)k <= SIZE_MAX / sizeof *s.labels / (uint64_t)s.count &&
	    (uint64_t)s.d <= SIZE_MAX / sizeof *s.panel / PANEL - 3) {
		s.panel = nnopt_context_alloc(context, ((size_t)s.d + 3) * PANEL * sizeof *s.panel); /* zeroed */
		s.scale = nnopt_context_alloc(context, (size_t)s.count * sizeof *s.scale);
		s.far = nnopt_context_alloc(context, (size_t)(s.count * k) * sizeof *s.far);
		s.labels = nnopt_context_alloc(context, (size_t)(s.count * k) * sizeof *s.labels);
	}
	if (s.panel == NULL || s.scale == NULL || s.far == NULL || s.labels == NULL)
		status = nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "knn_accuracy: out of memory for the neighbours");
	else
		*accuracy = run(&s);
	nnopt_context_free(context, s.panel);
	nnopt_context_free(context, s.scale);
	nnopt_context_free(context, s.far);
	nnopt_context_free(context, s.labels);
	return status;
}
