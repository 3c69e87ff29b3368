/* ranking.c - areas under curves and the curves as scikit-learn has them, DeLong's interval by its definition, the
 * bootstrap's by its coverage; classes that do not occur, samples without scores, and what is refused. */
#include "scores.h"

#include "golden/evaluation.inc"

static nnopt_status auc(nnopt_estimate *out, const nnopt_tensor *scores, const nnopt_tensor *labels,
			int64_t class_index, int32_t average, int64_t resamples)
{
	nnopt_auc_options o;
	assert_ok(nnopt_auc_options_init(&o, sizeof o));
	o.class_index = class_index;
	o.average = average;
	o.resamples = resamples;
	o.confidence = 0.9;
	*out = (nnopt_estimate){ .struct_size = sizeof *out };
	return nnopt_roc_auc(out, ctx, scores, labels, &o);
}

static void check_classes(const nnopt_tensor *p, const nnopt_tensor *y, const double *means, const double (*rows)[5],
			  double precision)
{
	nnopt_estimate e;
	double value;
	for (int32_t average = 0; average < 3; average++) {
		assert_ok(auc(&e, p, y, -1, average, 0));
		assert_near(e.value, means[average], 1e-12);
		assert_int_equal(e.count, N);
		assert_true(isnan(e.low) && isnan(e.high) && isnan(e.error) && isnan(e.p));
	}
	for (int64_t c = 0; c < K; c++) {
		assert_ok(auc(&e, p, y, c, 0, 0));
		assert_near(e.value, rows[c][0], 1e-12);
		assert_near(e.error, rows[c][1], 1e-12);
		assert_near(e.low, rows[c][2], 1e-12);
		assert_near(e.high, rows[c][3], 1e-12);
		assert_ok(nnopt_average_precision(&value, ctx, p, y, c));
		assert_near(value, rows[c][4], 1e-12);
	}
	assert_ok(nnopt_average_precision(&value, ctx, p, y, -1));
	assert_near(value, precision, 1e-12);
}

static void as_scikit_learn(void **state)
{
	(void)state;
	nnopt_tensor *ties = shares(N, K, 1), *smooth = shares(N, K, 0);
	nnopt_tensor *y = labels_of(NNOPT_I32, N, K), *wide = labels_of(NNOPT_I64, N, K);
	check_classes(ties, y, ties_auc, ties_class, ties_precision[0]);
	check_classes(smooth, wide, smooth_auc, smooth_class, smooth_precision[0]);
	nnopt_tensor_destroy(ties);
	nnopt_tensor_destroy(smooth);
	nnopt_tensor_destroy(y);
	nnopt_tensor_destroy(wide);
}

static void check_curve(const nnopt_tensor *curve, const double (*rows)[3], size_t count)
{
	assert_int_equal(nnopt_tensor_rank(curve), 2);
	assert_int_equal(nnopt_tensor_extent(curve, 0), count);
	assert_int_equal(nnopt_tensor_extent(curve, 1), 3);
	const float *point = nnopt_tensor_const_data(curve);
	for (size_t i = 0; i < 3 * count; i++) {
		double got = (double)point[i], wanted = rows[i / 3][i % 3];
		if (!(got == wanted || fabs(got - wanted) < 1e-7))
			fail_msg("point %d, %d: %g, %g wanted", (int)(i / 3), (int)(i % 3), got, wanted);
	}
}

/* Also from a single column, and for the other class from its opposite. */
static void two_classes(void **state)
{
	(void)state;
	nnopt_tensor *p = shares(N, 2, 1), *y = labels_of(NNOPT_I32, N, 2), *one = tensor(NNOPT_F32, N, 1);
	nnopt_tensor *curve = NULL;
	for (int64_t i = 0; i < N; i++)
		((float *)nnopt_tensor_data(one))[i] = ((float *)nnopt_tensor_data(p))[2 * i + 1];
	const nnopt_tensor *forms[] = { p, one };
	for (int form = 0; form < 2; form++) {
		nnopt_estimate e, other;
		double value;
		for (int32_t average = 0; average < 3; average++) {
			assert_ok(auc(&e, forms[form], y, -1, average, 1000));
			assert_near(e.value, binary[0], 1e-12);
		}
		assert_ok(auc(&other, forms[form], y, 0, 0, 0));
		assert_near(other.value, binary[0], 1e-12);
		assert_near(other.error, e.error, 1e-12);
		assert_true(e.error > 0.01 && e.low < e.value && e.high > e.value);
		assert_ok(nnopt_average_precision(&value, ctx, forms[form], y, -1));
		assert_near(value, binary[1], 1e-12);
		assert_ok(nnopt_roc_curve(&curve, ctx, forms[form], y, 1));
		check_curve(curve, roc, sizeof roc / sizeof *roc);
		nnopt_tensor_destroy(curve);
		assert_ok(nnopt_precision_recall_curve(&curve, ctx, forms[form], y, 1));
		check_curve(curve, precision_recall, sizeof precision_recall / sizeof *precision_recall);
		nnopt_tensor_destroy(curve);
	}
	nnopt_tensor_destroy(p);
	nnopt_tensor_destroy(y);
	nnopt_tensor_destroy(one);
}

/* Samples without scores are as if they were not there, whatever their label; a class that does not occur counts in no
 * mean. */
static void what_is_left_out(void **state)
{
	(void)state;
	nnopt_estimate e;
	nnopt_tensor *p = shares(N, K, 1), *y = labels_of(NNOPT_I32, N, K), *curve = NULL;
	double value;
	int64_t left = N;
	for (int64_t i = 0; i < N; i++)
		if (label_of(i, K) == K - 1) {
			((int32_t *)nnopt_tensor_data(y))[i] = -1;
			((float *)nnopt_tensor_data(p))[i * K + i % K] = NAN;
			left--;
		}
	assert_true(left < N);
	assert_ok(auc(&e, p, y, -1, 0, 0));
	assert_near(e.value, ties_absent[0], 1e-12);
	assert_int_equal(e.count, left);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "roc_auc: 0 of", auc(&e, p, y, K - 1, 0, 0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "are of class 4, some but not all wanted",
		     nnopt_roc_curve(&curve, ctx, p, y, K - 1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "are of class 4, 1 or more wanted",
		     nnopt_precision_recall_curve(&curve, ctx, p, y, K - 1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "are of class 4", nnopt_average_precision(&value, ctx, p, y, K - 1));
	assert_ok(nnopt_average_precision(&value, ctx, p, y, -1));
	assert_true(value > 0.0 && value < 1.0);
	nnopt_tensor_destroy(p);
	nnopt_tensor_destroy(y);
}

/* Infinities are ordered like other scores, and the two zeros are one; with one sample of a class nothing is known of
 * its spread. */
static void few_samples(void **state)
{
	(void)state;
	nnopt_estimate e;
	double value;
	nnopt_tensor *curve = NULL;
	nnopt_tensor *p = floats(4, 1, (const float[]){ -INFINITY, -0.0f, 0.0f, INFINITY });
	nnopt_tensor *y = integers(4, (const int32_t[]){ 0, 0, 1, 1 });
	assert_ok(auc(&e, p, y, -1, 0, 0));
	assert_near(e.value, 3.5 / 4, 0);
	/* Shares won 3/4 and 1, lost 0 and 1/4: their variances are 1/32 and 1/32, over two samples each. */
	assert_near(e.error, sqrt(1.0 / 32), 1e-15);
	assert_near(e.high, 1.0, 0);
	nnopt_tensor_destroy(y);
	y = integers(4, (const int32_t[]){ 0, 0, 0, 1 });
	assert_ok(auc(&e, p, y, -1, 0, 0));
	assert_near(e.value, 1.0, 0);
	assert_true(isnan(e.low) && isnan(e.high) && isnan(e.error));
	assert_ok(nnopt_roc_curve(&curve, ctx, p, y, 1));
	check_curve(
	    curve,
	    (const double[][3]){ { 0, 0, INFINITY }, { 0, 1, INFINITY }, { 2.0 / 3, 1, 0 }, { 1, 1, -INFINITY } }, 4);
	nnopt_tensor_destroy(curve);
	nnopt_tensor_destroy(y);
	nnopt_tensor *steps = floats(4, 1, (const float[]){ 4, 3, 2, 1 });
	y = integers(4, (const int32_t[]){ 1, 1, 0, 0 });
	assert_ok(nnopt_roc_curve(&curve, ctx, steps, y, 1)); /* as scikit-learn: the first score's point stays */
	check_curve(curve, (const double[][3]){ { 0, 0, INFINITY }, { 0, 0.5, 4 }, { 0, 1, 3 }, { 1, 1, 1 } }, 4);
	nnopt_tensor_destroy(curve);
	nnopt_tensor_destroy(steps);
	nnopt_tensor_destroy(y);
	y = integers(4, (const int32_t[]){ 1, 1, 1, 1 });
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "4 of 4 samples are of class 1", auc(&e, p, y, -1, 0, 0));
	assert_ok(nnopt_average_precision(&value, ctx, p, y, -1));
	assert_near(value, 1.0, 0);
	nnopt_tensor *first = NULL, *label = NULL;
	assert_ok(nnopt_tensor_view(&first, p, 1, 1));
	assert_ok(nnopt_tensor_view(&label, y, 1, 1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "1 of 1 samples", auc(&e, first, label, -1, 0, 0));
	assert_ok(nnopt_average_precision(&value, ctx, first, label, 1));
	assert_near(value, 1.0, 0);
	nnopt_tensor_destroy(first);
	nnopt_tensor_destroy(label);
	nnopt_tensor_destroy(p);
	nnopt_tensor_destroy(y);
}

/* The share of intervals that hold the true area, of normal scores a standard deviation apart: Phi(1 / sqrt 2). */
static void intervals_cover(void **state)
{
	(void)state;
	enum { TRIALS = 1000, EACH = 60 };
	const double truth = 0.5 * erfc(-0.5);
	int inside = 0;
	uint32_t at = 0;
	nnopt_tensor *p = tensor(NNOPT_F32, 2 * EACH, 1), *y = tensor(NNOPT_I32, 2 * EACH, 0);
	for (int i = 0; i < 2 * EACH; i++)
		((int32_t *)nnopt_tensor_data(y))[i] = i % 2;
	for (int trial = 0; trial < TRIALS; trial++) {
		nnopt_estimate e;
		for (int i = 0; i < 2 * EACH; i++) {
			float sum = 0.0f; /* of 12 uniform numbers of variance 4 / 3: normal, nearly, of variance 16 */
			for (int k = 0; k < 12; k++)
				sum += number(200, at++);
			((float *)nnopt_tensor_data(p))[i] = sum / 4.0f + (float)(i % 2);
		}
		assert_ok(auc(&e, p, y, -1, 0, 0));
		inside += e.low <= truth && truth <= e.high;
	}
	/* 90 % asked for; the standard error of the share is 1 %. */
	assert_true(inside > 870 && inside < 930);
	nnopt_tensor_destroy(p);
	nnopt_tensor_destroy(y);
}

static void the_bootstrap_of_means(void **state)
{
	(void)state;
	nnopt_estimate e, again, exact, one;
	nnopt_tensor *p = shares(N, 3, 1), *y = labels_of(NNOPT_I32, N, 3);
	/* A mean is steadier than one class, whose error DeLong knows; three classes are not three times so. */
	for (int32_t average = 0; average < 3; average++) {
		assert_ok(auc(&e, p, y, -1, average, 400));
		assert_ok(auc(&again, p, y, -1, average, 400));
		assert_memory_equal(&e, &again, sizeof e);
		assert_ok(auc(&exact, p, y, -1, average, 0));
		assert_near(e.value, exact.value, 0);
		assert_true(e.low < e.value && e.value < e.high);
		assert_near((e.high - e.low) / 2, 1.645 * e.error, 0.2 * e.error);
		assert_ok(auc(&one, p, y, 1, 0, 0));
		assert_true(e.error < one.error && e.error > one.error / 3);
	}
	nnopt_tensor_destroy(p);
	nnopt_tensor_destroy(y);
}

static void refuses(void **state)
{
	(void)state;
	nnopt_estimate e = { .struct_size = sizeof e };
	nnopt_tensor *p = shares(N, K, 1), *y = labels_of(NNOPT_I32, N, K), *curve = NULL;
	nnopt_tensor *few = labels_of(NNOPT_I32, N - 1, K), *none = tensor(NNOPT_F32, 0, K),
		     *no_label = integers(0, NULL);
	double value = 7.0;
	nnopt_auc_options o;
	assert_ok(nnopt_auc_options_init(&o, sizeof o));
#define refused(words, call) assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words, call)
	refused("auc or context", nnopt_roc_auc(NULL, ctx, p, y, NULL));
	refused("auc or context", nnopt_roc_auc(&e, NULL, p, y, NULL));
	refused("scores is NULL", nnopt_roc_auc(&e, ctx, NULL, y, NULL));
	refused("labels is NULL", nnopt_roc_auc(&e, ctx, p, NULL, NULL));
	refused("scores of type i32, rank 1", nnopt_roc_auc(&e, ctx, y, y, NULL));
	refused("labels of type f32, rank 2", nnopt_roc_auc(&e, ctx, p, p, NULL));
	refused("count 239, i32 or i64 (240)", nnopt_roc_auc(&e, ctx, p, few, NULL));
	refused("0 samples, none with scores", nnopt_roc_auc(&e, ctx, none, no_label, NULL));
	refused("points or context", nnopt_roc_curve(NULL, ctx, p, y, 0));
	refused("class 5, 0 to 4", nnopt_roc_curve(&curve, ctx, p, y, K));
	refused("class -1, 0 to 4", nnopt_precision_recall_curve(&curve, ctx, p, y, -1));
	refused("class -2, 0 to 4", nnopt_average_precision(&value, ctx, p, y, -2));
	refused("value or context", nnopt_average_precision(NULL, ctx, p, y, -1));
	refused("average 3", auc(&e, p, y, -1, 3, 0));
	refused("class -2", auc(&e, p, y, -2, 0, 0));
	refused("resamples", auc(&e, p, y, -1, 0, -1));
	o.confidence = 1.0;
	refused("confidence 1", nnopt_roc_auc(&e, ctx, p, y, &o));
	((int32_t *)nnopt_tensor_data(y))[3] = K;
	refused("label 5 of sample 3, 0 to 4", nnopt_roc_auc(&e, ctx, p, y, NULL));
	((int32_t *)nnopt_tensor_data(y))[3] = 0;
	assert_true(curve == NULL && value == 7.0);

	assert_memory_failures(8, e.value == 0.0, auc(&e, p, y, -1, 0, 5));
	assert_memory_failures(5, curve == NULL, nnopt_roc_curve(&curve, ctx, p, y, 0));
	nnopt_tensor_destroy(curve);
	curve = NULL;
	assert_memory_failures(5, value == 7.0, nnopt_average_precision(&value, ctx, p, y, -1));
	for (int64_t i = 0; i < N; i++)
		set_row(p, i, NAN);
	refused("240 samples, none with scores", nnopt_roc_auc(&e, ctx, p, y, NULL));
	nnopt_tensor_destroy(p);
	nnopt_tensor_destroy(y);
	nnopt_tensor_destroy(few);
	nnopt_tensor_destroy(none);
	nnopt_tensor_destroy(no_label);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_scikit_learn),  cmocka_unit_test(two_classes),
		cmocka_unit_test(what_is_left_out), cmocka_unit_test(few_samples),
		cmocka_unit_test(intervals_cover),  cmocka_unit_test(the_bootstrap_of_means),
		cmocka_unit_test(refuses),
	};
	return cmocka_run_group_tests_name("eval/ranking", tests, make_context, free_context);
}
