/* knn.c - nearest neighbours against numpy's, ties, and what is refused. */
#include "check.h"

#include "budget.h"
#include "golden.h"

#include <math.h>

enum { R = 75, Q = 41, D = 13 };

typedef struct row {
	int64_t k;
	int cosine, same, hits;
} row;

static const row rows[] = {
#include "golden/knn.inc"
};

static nnopt_tensor *tensor(nnopt_context *ctx, nnopt_dtype dtype, int64_t n, int64_t d)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, dtype, d > 0 ? 2 : 1, (int64_t[]){ n, d }, NNOPT_NCHW));
	return t;
}

static int64_t label_of(int64_t i, int query) { return (i * (query ? 3 : 7)) % 5 - 1; }

static nnopt_tensor *labels(nnopt_context *ctx, nnopt_dtype dtype, int64_t n, int query)
{
	nnopt_tensor *t = tensor(ctx, dtype, n, 0);
	for (int64_t i = 0; i < n; i++)
		if (dtype == NNOPT_I64)
			((int64_t *)nnopt_tensor_data(t))[i] = label_of(i, query);
		else
			((int32_t *)nnopt_tensor_data(t))[i] = (int32_t)label_of(i, query);
	return t;
}

static nnopt_tensor *embeddings(nnopt_context *ctx, int64_t n, int query)
{
	nnopt_tensor *t = tensor(ctx, NNOPT_F32, n, D);
	float *x = nnopt_tensor_data(t);
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 0; j < D; j++)
			x[i * D + j] = (number(query ? 72 : 71, (uint32_t)(i * D + j)) +
					number(70, (uint32_t)((label_of(i, query) + 1) * D + j)) / 2.0f) *
				       (float)(1 + i % 3);
	return t;
}

static void as_numpy(void **state)
{
	(void)state;
	nnopt_context *ctx = NULL;
	assert_ok(nnopt_context_create(&ctx, NULL));
	nnopt_tensor *x = embeddings(ctx, R, 0), *q = embeddings(ctx, Q, 1);
	nnopt_tensor *x_labels = labels(ctx, NNOPT_I32, R, 0), *q_labels = labels(ctx, NNOPT_I64, Q, 1);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const row *r = &rows[i];
		double accuracy = -1.0;
		assert_ok(nnopt_knn_accuracy(&accuracy, ctx, x, x_labels, r->same ? x : q,
					     r->same ? x_labels : q_labels, r->k,
					     r->cosine ? NNOPT_DISTANCE_COSINE : NNOPT_DISTANCE_EUCLIDEAN));
		if (fabs(accuracy - (double)r->hits / (r->same ? R : Q)) > 1e-12)
			fail_msg("row %d: %g, %d hits wanted", (int)i, accuracy, r->hits);
	}
	nnopt_tensor_destroy(x);
	nnopt_tensor_destroy(q);
	nnopt_tensor_destroy(x_labels);
	nnopt_tensor_destroy(q_labels);
	nnopt_context_destroy(ctx);
}

/* Rows at the same place are nearer in their order, and the lowest of equally common labels wins. */
static void ties(void **state)
{
	(void)state;
	nnopt_context *ctx = NULL;
	double accuracy = 0.0;
	assert_ok(nnopt_context_create(&ctx, NULL));
	nnopt_tensor *x = tensor(ctx, NNOPT_F32, 4, 1), *q = tensor(ctx, NNOPT_F32, 1, 1);
	nnopt_tensor *x_labels = tensor(ctx, NNOPT_I32, 4, 0), *q_label = tensor(ctx, NNOPT_I32, 1, 0);
	memcpy(nnopt_tensor_data(x), (const float[]){ 1, -1, 1, -1 }, 4 * sizeof(float));
	memcpy(nnopt_tensor_data(x_labels), (const int32_t[]){ 8, 5, 5, 3 }, 4 * sizeof(int32_t));
	static const int32_t winners[] = { 8, 5, 5, 5 };
	for (int k = 1; k <= 4; k++) {
		*(int32_t *)nnopt_tensor_data(q_label) = winners[k - 1];
		assert_ok(nnopt_knn_accuracy(&accuracy, ctx, x, x_labels, q, q_label, k, NNOPT_DISTANCE_EUCLIDEAN));
		assert_true(accuracy == 1.0);
		*(int32_t *)nnopt_tensor_data(q_label) = 3;
		assert_ok(nnopt_knn_accuracy(&accuracy, ctx, x, x_labels, q, q_label, k, NNOPT_DISTANCE_COSINE));
		assert_true(accuracy == 0.0);
	}
	nnopt_tensor_destroy(x);
	nnopt_tensor_destroy(q);
	nnopt_tensor_destroy(x_labels);
	nnopt_tensor_destroy(q_label);
	nnopt_context_destroy(ctx);
}

/* A query's own length changes no order, were it the largest or the least of a float. */
static void lengths_of_queries(void **state)
{
	(void)state;
	static const float lengths[] = { 3e38f, 1.0f, 1e-30f, 1e-44f };
	nnopt_context *ctx = NULL;
	assert_ok(nnopt_context_create(&ctx, NULL));
	nnopt_tensor *x = tensor(ctx, NNOPT_F32, 2, 2), *q = tensor(ctx, NNOPT_F32, 1, 2);
	nnopt_tensor *x_labels = tensor(ctx, NNOPT_I32, 2, 0), *q_label = tensor(ctx, NNOPT_I32, 1, 0);
	memcpy(nnopt_tensor_data(x), (const float[]){ 1.0f, 0.9f, 1.0f, 1.0f }, 4 * sizeof(float));
	memcpy(nnopt_tensor_data(x_labels), (const int32_t[]){ 3, 4 }, 2 * sizeof(int32_t));
	*(int32_t *)nnopt_tensor_data(q_label) = 4;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		double accuracy = -1.0;
		memcpy(nnopt_tensor_data(q), (const float[]){ lengths[i], lengths[i] }, 2 * sizeof(float));
		assert_ok(nnopt_knn_accuracy(&accuracy, ctx, x, x_labels, q, q_label, 1, NNOPT_DISTANCE_COSINE));
		if (accuracy != 1.0)
			fail_msg("a query of %g: %g", (double)lengths[i], accuracy);
	}
	nnopt_tensor_destroy(x);
	nnopt_tensor_destroy(q);
	nnopt_tensor_destroy(x_labels);
	nnopt_tensor_destroy(q_label);
	nnopt_context_destroy(ctx);
}

static void refuses(void **state)
{
	(void)state;
	budget m = { 0 };
	nnopt_context_options o;
	nnopt_context *ctx = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.alloc = budget_alloc;
	o.free = budget_free;
	o.alloc_user = &m;
	assert_ok(nnopt_context_create(&ctx, &o));
	nnopt_tensor *x = embeddings(ctx, R, 0), *q = embeddings(ctx, Q, 1), *wide = tensor(ctx, NNOPT_F32, Q, D + 1);
	nnopt_tensor *a = labels(ctx, NNOPT_I32, R, 0), *b = labels(ctx, NNOPT_I32, Q, 1),
		     *none = tensor(ctx, NNOPT_F32, 0, D);
	double got = 5.0;
	const nnopt_distance d = NNOPT_DISTANCE_EUCLIDEAN;
#define refused(words, ...) assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words, nnopt_knn_accuracy(__VA_ARGS__))
	refused("accuracy or context", NULL, ctx, x, a, q, b, 1, d);
	refused("reference", &got, ctx, NULL, a, q, b, 1, d);
	refused("queries", &got, ctx, x, a, q, NULL, 1, d);
	refused("14 columns", &got, ctx, x, a, wide, b, 1, d);
	refused("type i32", &got, ctx, a, a, q, b, 1, d);
	refused("count 41", &got, ctx, x, b, q, b, 1, d);
	refused("labels of queries of type f32", &got, ctx, x, a, q, q, 1, d);
	refused("N of at least 1", &got, ctx, none, a, q, b, 1, d);
	refused("k 0 with 75", &got, ctx, x, a, q, b, 0, d);
	refused("k 76 with 75", &got, ctx, x, a, q, b, 76, d);
	refused("k 75 with 74", &got, ctx, x, a, x, a, 75, d);
	refused("unknown distance", &got, ctx, x, a, q, b, 1, (nnopt_distance)2);
	((float *)nnopt_tensor_data(q))[2 * D] = NAN;
	refused("queries: row 2 has a value of nan", &got, ctx, x, a, q, b, 1, d);
	((float *)nnopt_tensor_data(q))[2 * D] = 0.0f;
	long blocks = atomic_load(&m.blocks);
	for (int i = 1; i <= 4; i++) {
		atomic_store(&m.calls, 0);
		atomic_store(&m.fail_at, i);
		assert_fails(NNOPT_ERROR_OUT_OF_MEMORY, "neighbours", nnopt_knn_accuracy(&got, ctx, x, a, q, b, 3, d));
		assert_int_equal(atomic_load(&m.blocks), blocks);
	}
	assert_true(got == 5.0);
	atomic_store(&m.fail_at, 0);
	assert_ok(nnopt_knn_accuracy(&got, ctx, x, a, q, b, 3, d));
	assert_int_equal(atomic_load(&m.blocks), blocks);
	nnopt_tensor_destroy(x);
	nnopt_tensor_destroy(q);
	nnopt_tensor_destroy(wide);
	nnopt_tensor_destroy(a);
	nnopt_tensor_destroy(b);
	nnopt_tensor_destroy(none);
	nnopt_context_destroy(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_numpy),
		cmocka_unit_test(ties),
		cmocka_unit_test(lengths_of_queries),
		cmocka_unit_test(refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
