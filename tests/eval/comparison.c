/* comparison.c - McNemar's test as statsmodels, t intervals as scipy, the bootstrap by its own resamples and by
 * coverage, the worst samples by sorting all; and what is refused. */
#include "scores.h"

#include "golden/evaluation.inc"

/* One-hot scores of a model that is right about `both` samples, then about `alone` of its own, and so on. */
static void make_pair(const int64_t counts[4], nnopt_tensor **first, nnopt_tensor **second, nnopt_tensor **labels)
{
	int64_t n = counts[0] + counts[1] + counts[2] + counts[3], at = 0;
	*first = tensor(NNOPT_F32, n, 3);
	*second = tensor(NNOPT_F32, n, 3);
	*labels = tensor(NNOPT_I32, n, 0);
	for (int kind = 0; kind < 4; kind++)
		for (int64_t i = 0; i < counts[kind]; i++, at++) {
			int32_t label = (int32_t)(at % 3),
				other = (label + 1 + kind) % 3 == label ? (label + 1) % 3 : (label + 1 + kind) % 3;
			((int32_t *)nnopt_tensor_data(*labels))[at] = label;
			((float *)nnopt_tensor_data(*first))[at * 3 + (kind == 0 || kind == 1 ? label : other)] = 1.0f;
			((float *)nnopt_tensor_data(*second))[at * 3 + (kind == 0 || kind == 2 ? label : other)] = 5.0f;
		}
}

static void free_pair(nnopt_tensor *first, nnopt_tensor *second, nnopt_tensor *labels)
{
	nnopt_tensor_destroy(first);
	nnopt_tensor_destroy(second);
	nnopt_tensor_destroy(labels);
}

static void as_statsmodels(void **state)
{
	(void)state;
	nnopt_tensor *a, *b, *y;
	nnopt_mcnemar_result r = { .struct_size = sizeof r };
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
		const double *row = tables[i];
		make_pair((const int64_t[]){ 3, (int64_t)row[0], (int64_t)row[1], 2 }, &a, &b, &y);
		assert_ok(nnopt_mcnemar(&r, a, b, y));
		assert_int_equal(r.both, 3);
		assert_int_equal(r.first_only, (int64_t)row[0]);
		assert_int_equal(r.second_only, (int64_t)row[1]);
		assert_int_equal(r.neither, 2);
		assert_near(r.exact_p, row[2], 1e-12);
		assert_near(r.statistic, row[3], 1e-12);
		assert_near(r.p, row[4], 1e-12);
		if (!(fabs(r.exact_p - row[2]) <= 1e-9 * row[2])) /* small ones too */
			fail_msg("row %d: %g, %g wanted", (int)i, r.exact_p, row[2]);
		free_pair(a, b, y);
	}
	/* As many alone right as wrong: nothing speaks for either. */
	for (int64_t alone = 0; alone < 8; alone += 7) {
		make_pair((const int64_t[]){ 3, alone, alone, 2 }, &a, &b, &y);
		assert_ok(nnopt_mcnemar(&r, a, b, y));
		assert_near(r.exact_p, 1.0, 0);
		assert_near(r.statistic, 0.0, 0);
		assert_near(r.p, 1.0, 0);
		free_pair(a, b, y);
	}
	make_pair((const int64_t[]){ 0, 0, 1, 0 }, &a, &b, &y); /* a single sample */
	assert_ok(nnopt_mcnemar(&r, a, b, y));
	assert_true(r.second_only == 1 && r.exact_p == 1.0 && r.statistic == 0.0 && r.p == 1.0);
	free_pair(a, b, y);
	make_pair((const int64_t[]){ 0, 0, 0, 0 }, &a, &b, &y);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "mcnemar: 0 samples", nnopt_mcnemar(&r, a, b, y));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "mcnemar: NULL", nnopt_mcnemar(NULL, a, b, y));
	free_pair(a, b, y);
}

static void a_sample_counts_where_both_have_scores(void **state)
{
	(void)state;
	nnopt_tensor *a, *b, *y;
	nnopt_mcnemar_result r = { .struct_size = sizeof r };
	nnopt_estimate e = { .struct_size = sizeof e };
	make_pair((const int64_t[]){ 2, 3, 1, 1 }, &a, &b, &y);
	set_row(a, 0, NAN);
	set_row(b, 2, NAN);
	((int32_t *)nnopt_tensor_data(y))[0] = 1; /* right for either, were it counted */
	assert_ok(nnopt_mcnemar(&r, a, b, y));
	assert_true(r.both == 1 && r.first_only == 2 && r.second_only == 1 && r.neither == 1);
	assert_ok(nnopt_accuracy_difference(&e, ctx, a, b, y, NULL));
	assert_int_equal(e.count, 5);
	assert_near(e.value, -0.2, 1e-15);
	for (int64_t i = 1; i < 7; i++)
		set_row(i % 2 ? a : b, i, NAN);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "mcnemar: no sample that both", nnopt_mcnemar(&r, a, b, y));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "accuracy_difference: 0 samples",
		     nnopt_accuracy_difference(&e, ctx, a, b, y, NULL));
	free_pair(a, b, y);
}

static void as_scipy(void **state)
{
	(void)state;
	double first[300], second[300];
	for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
		const double *row = runs[i];
		int64_t n = (int64_t)row[0];
		nnopt_estimate e = { .struct_size = sizeof e };
		for (int64_t k = 0; k < n; k++) {
			first[k] = (double)number(110, (uint32_t)k);
			second[k] = (double)number(111, (uint32_t)k) + (n < 300 ? 0.25 : 1.5);
		}
		assert_ok(nnopt_mean_interval(&e, first, n, row[1]));
		assert_int_equal(e.count, n);
		assert_near(e.value, row[2], 1e-12);
		assert_near(e.error, row[3], 1e-12);
		assert_near(e.low, row[4], 1e-10);
		assert_near(e.high, row[5], 1e-10);
		assert_true(isnan(e.p));
		assert_ok(nnopt_paired_interval(&e, first, second, n, row[1]));
		assert_near(e.low, row[6], 1e-10);
		assert_near(e.high, row[7], 1e-10);
		if (!(fabs(e.p - row[8]) <= 1e-9 * row[8]))
			fail_msg("row %d: p %.17g, %.17g wanted", (int)i, e.p, row[8]);
	}
}

static void runs_that_tell_little(void **state)
{
	(void)state;
	enum { MANY = 1000002 };
	nnopt_estimate e = { .struct_size = sizeof e };
	const double ones[] = { 1, 1, 1 }, twos[] = { 2, 2, 2 }, bad[] = { 1, INFINITY };
	assert_ok(nnopt_mean_interval(&e, ones, 1, 0.95));
	assert_true(e.value == 1.0 && e.count == 1 && isnan(e.low) && isnan(e.high) && isnan(e.error));
	assert_ok(nnopt_paired_interval(&e, ones, twos, 3, 0.95));
	assert_true(e.value == 1.0 && e.low == 1.0 && e.high == 1.0 && e.error == 0.0 && e.p >= 0.0 && e.p < 1e-30);
	assert_ok(nnopt_paired_interval(&e, ones, ones, 3, 0.95));
	assert_true(e.value == 0.0 && e.low == 0.0 && e.p == 1.0);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "0 results", nnopt_mean_interval(&e, ones, 0, 0.95));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "results[1] is inf", nnopt_mean_interval(&e, bad, 2, 0.95));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "second[1] is inf", nnopt_paired_interval(&e, ones, bad, 2, 0.95));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "first[1] is inf", nnopt_paired_interval(&e, bad, bad, 2, 0.95));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "confidence 0", nnopt_mean_interval(&e, ones, 2, 0.0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "confidence 1", nnopt_paired_interval(&e, ones, twos, 2, 1.0));
	double *x = malloc(MANY * sizeof *x);
	assert_non_null(x);
	for (int i = 0; i < MANY; i++)
		x[i] = i % 2;
	assert_ok(nnopt_mean_interval(&e, x, MANY, 0.95));
	assert_near((e.high - e.low) / 2 / e.error, many[0], 1e-10);
	free(x);
}

static void assert_scaled(const nnopt_estimate *e, const nnopt_estimate *one, int power)
{
	assert_true(e->value == ldexp(one->value, power) && e->error == ldexp(one->error, power));
	assert_true(e->low == ldexp(one->low, power) && e->high == ldexp(one->high, power));
	assert_true(e->p == one->p || (isnan(e->p) && isnan(one->p)));
}

/* Results of any size have intervals of that size, with the same bits for each power of two; what no double can hold is
 * infinite. */
static void results_of_any_size(void **state)
{
	(void)state;
	static const double first[] = { 0.75, -1.25, 2.6, 1.1 }, second[] = { 1.5, 0.3, 2.7, -3.0 };
	const double vast[] = { 1e308, 1e308, 1e308 }, rising[] = { 1e200, 2e200, 3e200 }, falling[] = { 3, 2, 1 },
		     there[] = { 1e308, -1e308, 1e308 }, back[] = { -1e308, 1e308, 1e308 },
		     under[] = { -1e308, -1e308, -1e308 };
	nnopt_estimate mean = { .struct_size = sizeof mean }, pair = mean, e = mean;
	assert_ok(nnopt_mean_interval(&mean, first, 4, 0.95));
	assert_ok(nnopt_paired_interval(&pair, first, second, 4, 0.95));
	for (int power = -1000; power <= 1000; power += 125) {
		double a[4], b[4];
		for (int i = 0; i < 4; i++) {
			a[i] = ldexp(first[i], power);
			b[i] = ldexp(second[i], power);
		}
		assert_ok(nnopt_mean_interval(&e, a, 4, 0.95));
		assert_scaled(&e, &mean, power);
		assert_ok(nnopt_paired_interval(&e, a, b, 4, 0.95));
		assert_scaled(&e, &pair, power);
	}
	assert_ok(nnopt_mean_interval(&e, vast, 3, 0.95));
	assert_near(e.value, 1e308, 1e-15);
	assert_true(isfinite(e.low) && isfinite(e.high) && e.error <= 1e293);
	assert_ok(nnopt_mean_interval(&e, rising, 3, 0.95));
	assert_near(e.error, 1e200 / sqrt(3.0), 1e-15);
	assert_ok(nnopt_paired_interval(&e, falling, rising, 3, 0.95));
	assert_near(e.value, 2e200, 1e-15);
	assert_ok(nnopt_paired_interval(&e, there, back, 3, 0.95)); /* -2e308, 2e308 and 0 */
	assert_near(e.error, 2.0 * (1e308 / sqrt(3.0)), 1e-15);
	assert_true(e.value == 0.0 && e.p == 1.0 && isinf(e.low) && e.low < 0.0 && isinf(e.high) && e.high > 0.0);
	assert_ok(nnopt_paired_interval(&e, under, vast, 3, 0.95));
	assert_true(isinf(e.value) && isinf(e.low) && isinf(e.high) && isfinite(e.error) && e.p < 1e-15);
	assert_ok(nnopt_mean_interval(&e, (const double[]){ 0, 0 }, 2, 0.95));
	assert_true(e.value == 0.0 && e.low == 0.0 && e.high == 0.0);
}

/* A share of the intervals of five normal numbers each hold their mean. */
static void t_intervals_cover(void **state)
{
	(void)state;
	enum { TRIALS = 4000 };
	int inside = 0;
	for (uint32_t trial = 0, at = 0; trial < TRIALS; trial++) {
		double x[5];
		nnopt_estimate e = { .struct_size = sizeof e };
		for (int i = 0; i < 5; i++) {
			x[i] = 3.0;
			for (int k = 0; k < 12; k++)
				x[i] += (double)number(201, at++);
		}
		assert_ok(nnopt_mean_interval(&e, x, 5, 0.95));
		inside += e.low <= 3.0 && 3.0 <= e.high;
	}
	assert_true(inside > 3760 && inside < 3840); /* 95 +- 1 % */
}

enum { VALUES = 60, RESAMPLES = 500 };

typedef struct book {
	double sample[VALUES], means[RESAMPLES + 1];
	int calls, fail_at, without;
} book;

static nnopt_status mean_of(double *value, const int64_t *indices, int64_t count, void *user)
{
	book *b = user;
	double sum = 0.0;
	for (int64_t i = 0; i < count; i++)
		sum += b->sample[indices[i]];
	b->means[b->calls] = sum / (double)count;
	if (b->calls++ == b->fail_at)
		return nnopt_fail(NNOPT_ERROR_IO, "the disk is full");
	if (b->without == 0 || b->calls % b->without != 0)
		*value = sum / (double)count;
	return NNOPT_OK;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* numpy.quantile(sorted, p) */
static double quantile(const double *sorted, int n, double p)
{
	double at = p * (n - 1);
	int below = (int)floor(at), next = below + 1 < n ? below + 1 : below;
	return sorted[below] * (1 - (at - below)) + sorted[next] * (at - below);
}

/* Fails and does not say why. */
static nnopt_status silent(double *value, const int64_t *indices, int64_t n, void *user)
{
	(void)value;
	(void)indices;
	(void)n;
	(void)user;
	return NNOPT_ERROR_IO;
}

static void the_bootstrap(void **state)
{
	(void)state;
	book b = { .fail_at = -1 }, again;
	double mean = 0.0, squares = 0.0;
	nnopt_bootstrap_options o;
	nnopt_estimate e = { .struct_size = sizeof e }, same = e, other = e;
	for (int i = 0; i < VALUES; i++) {
		b.sample[i] = (double)number(120, (uint32_t)i);
		mean += b.sample[i] / VALUES;
	}
	for (int i = 0; i < VALUES; i++)
		squares += (b.sample[i] - mean) * (b.sample[i] - mean);
	assert_ok(nnopt_bootstrap_options_init(&o, sizeof o));
	o.resamples = RESAMPLES;
	o.confidence = 0.9;
	o.seed = 11;
	again = b;
	assert_ok(nnopt_bootstrap(&e, ctx, VALUES, mean_of, &b, &o));
	assert_int_equal(b.calls, RESAMPLES + 1);
	assert_near(e.value, mean, 1e-12);
	assert_int_equal(e.count, VALUES);
	assert_true(isnan(e.p));
	/* Its own resamples, behind the sample itself. */
	qsort(b.means + 1, RESAMPLES, sizeof *b.means, ascending);
	assert_near(e.low, quantile(b.means + 1, RESAMPLES, 0.05), 1e-12);
	assert_near(e.high, quantile(b.means + 1, RESAMPLES, 0.95), 1e-12);
	double centre = 0.0, spread = 0.0;
	for (int i = 1; i <= RESAMPLES; i++)
		centre += b.means[i] / RESAMPLES;
	for (int i = 1; i <= RESAMPLES; i++)
		spread += (b.means[i] - centre) * (b.means[i] - centre);
	assert_near(e.error, sqrt(spread / (RESAMPLES - 1)), 1e-12);
	/* The spread of means of so many: the sample's own, by the root of their number; a twentieth is one of its
	 * errors. */
	assert_near(e.error / sqrt(squares / VALUES / VALUES), 1.0, 0.1);
	assert_near(centre, mean, 3 * e.error / sqrt(RESAMPLES));

	assert_ok(nnopt_bootstrap(&same, ctx, VALUES, mean_of, &again, &o));
	assert_memory_equal(&same, &e, sizeof e);
	o.seed = 12;
	again.calls = 0;
	assert_ok(nnopt_bootstrap(&other, ctx, VALUES, mean_of, &again, &o));
	assert_true(other.low != e.low && other.value == e.value);
	o.seed = 11;

	again.calls = 0;
	again.without = 3; /* every third resample has no value */
	assert_ok(nnopt_bootstrap(&other, ctx, VALUES, mean_of, &again, &o));
	assert_true(isfinite(other.low) && other.low != e.low && fabs(other.low - e.low) < e.error);
	again.calls = 0;
	again.without = 1;
	assert_ok(nnopt_bootstrap(&other, ctx, VALUES, mean_of, &again, &o));
	assert_true(isnan(other.value) && isnan(other.low) && isnan(other.high) && isnan(other.error));
	again = (book){ .fail_at = 7 };
	assert_fails(NNOPT_ERROR_CALLBACK, "statistic failed: the disk is full",
		     nnopt_bootstrap(&other, ctx, VALUES, mean_of, &again, &o));
	assert_int_equal(again.calls, 8);
	assert_fails(NNOPT_ERROR_CALLBACK,
		     "the statistic failed: ", nnopt_bootstrap(&other, ctx, VALUES, silent, NULL, &o));
	assert_non_null(strstr(nnopt_last_error(), nnopt_status_name(NNOPT_ERROR_IO)));
	assert_null(strstr(nnopt_last_error(), "disk"));
	(void)nnopt_fail(NNOPT_ERROR_STATE, "the last failure");
	again = (book){ .fail_at = -1 };
	assert_ok(nnopt_bootstrap(&other, ctx, VALUES, mean_of, &again, &o));
	assert_string_equal(nnopt_last_error(), "the last failure");
	again = (book){ .fail_at = -1 };
	o.resamples = 0;
	assert_ok(nnopt_bootstrap(&other, ctx, 1, mean_of, &again, &o));
	assert_true(again.calls == 1 && other.value == 0.0 && isnan(other.low));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "0 samples", nnopt_bootstrap(&other, ctx, 0, mean_of, &b, &o));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "statistic is NULL", nnopt_bootstrap(&other, ctx, 1, NULL, &b, &o));
	o.resamples = -1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "-1 resamples", nnopt_bootstrap(&other, ctx, 1, mean_of, &b, &o));
}

/* Intervals of the difference of two accuracies hold the true one, and the error is that of paired differences. */
static void the_paired_bootstrap(void **state)
{
	(void)state;
	enum { TRIALS = 300, SAMPLES = 150 };
	int inside = 0;
	nnopt_tensor *a = tensor(NNOPT_F32, SAMPLES, 2), *b = tensor(NNOPT_F32, SAMPLES, 2),
		     *y = tensor(NNOPT_I32, SAMPLES, 0);
	nnopt_bootstrap_options o;
	nnopt_estimate e = { .struct_size = sizeof e };
	assert_ok(nnopt_bootstrap_options_init(&o, sizeof o));
	o.resamples = 300;
	for (uint32_t trial = 0; trial < TRIALS; trial++) {
		double d2 = 0.0, d = 0.0;
		for (uint32_t i = 0; i < SAMPLES; i++) {
			/* Right: the first with 60 %, the second with 70 %. */
			float one = number(130, trial * SAMPLES + i), two = number(131, trial * SAMPLES + i);
			int first = one < 0.4f, second = two < 0.8f;
			((float *)nnopt_tensor_data(a))[2 * i] = first ? 1.0f : -1.0f;
			((float *)nnopt_tensor_data(b))[2 * i] = second ? 1.0f : -1.0f;
			d += (second - first) / (double)SAMPLES;
			d2 += (second - first) * (second - first) / (double)SAMPLES;
		}
		o.seed = trial;
		assert_ok(nnopt_accuracy_difference(&e, ctx, a, b, y, &o));
		assert_near(e.value, d, 1e-12);
		assert_near(e.error / sqrt((d2 - d * d) / SAMPLES), 1.0, 0.2);
		inside += e.low <= 0.1 && 0.1 <= e.high;
	}
	assert_true(inside > 0.92 * TRIALS && inside < 0.98 * TRIALS);
	assert_memory_failures(3, 1, nnopt_accuracy_difference(&e, ctx, a, b, y, &o));
	o.confidence = 0.0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "accuracy_difference: confidence 0",
		     nnopt_accuracy_difference(&e, ctx, a, b, y, &o));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "difference or context",
		     nnopt_accuracy_difference(NULL, ctx, a, b, y, NULL));
	free_pair(a, b, y);
}

static double badness_of(const float *row, int64_t label, nnopt_worst by)
{
	int64_t best = 0;
	for (int64_t c = 1; c < K; c++)
		best = row[c] > row[best] ? c : best;
	return by == NNOPT_WORST_BY_LOSS ? -log((double)row[label]) : best == label ? -1.0 : (double)row[best];
}

static void the_worst(void **state)
{
	(void)state;
	enum { LEFT_OUT = 17 };
	nnopt_tensor *p = shares(N, K, 1), *y = labels_of(NNOPT_I32, N, K);
	const float *rows = nnopt_tensor_const_data(p);
	int64_t indices[N + 5], found = -1, most[] = { 1, 2, 9, 100, N - 1, N, N + 5 };
	double values[N + 5];
	set_row(p, LEFT_OUT, NAN);
	((int32_t *)nnopt_tensor_data(y))[LEFT_OUT] = 99;
	for (int by = 0; by < 2; by++)
		for (size_t m = 0; m < sizeof most / sizeof *most; m++) {
			int used[N] = { 0 };
			int64_t wanted = 0;
			for (int64_t i = 0; i < N; i++)
				wanted +=
				    i != LEFT_OUT && badness_of(rows + i * K, label_of(i, K), (nnopt_worst)by) >= 0.0;
			wanted = wanted < most[m] ? wanted : most[m];
			assert_ok(nnopt_worst_samples(indices, values, &found, p, y, (nnopt_worst)by, most[m]));
			assert_int_equal(found, wanted);
			for (int64_t k = 0; k < found; k++) { /* each is the first of the worst that are left */
				int64_t worst = -1;
				double top = -1.0;
				for (int64_t i = 0; i < N; i++) {
					double bad = badness_of(rows + i * K, label_of(i, K), (nnopt_worst)by);
					if (i != LEFT_OUT && !used[i] && bad > top) {
						worst = i;
						top = bad;
					}
				}
				assert_int_equal(indices[k], worst);
				assert_true(values[k] == top || fabs(values[k] - top) < 1e-12);
				used[worst] = 1;
			}
		}
	assert_true(isinf(badness_of(rows + indices[0] * K, label_of(indices[0], K), NNOPT_WORST_BY_LOSS)) ||
		    found > 0);
	assert_ok(nnopt_worst_samples(indices, NULL, &found, p, y, NNOPT_WORST_BY_LOSS, 3));
	assert_int_equal(found, 3);
	for (int64_t i = 0; i < N; i++) {
		set_row(p, i, 0.0f);
		((float *)nnopt_tensor_data(p))[i * K + label_of(i, K)] = 1.0f;
	}
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "label 99 of sample 17",
		     nnopt_worst_samples(indices, values, &found, p, y, NNOPT_WORST_BY_CONFIDENCE, 3));
	((int32_t *)nnopt_tensor_data(y))[LEFT_OUT] = (int32_t)label_of(LEFT_OUT, K);
	assert_ok(nnopt_worst_samples(indices, values, &found, p, y, NNOPT_WORST_BY_CONFIDENCE, 3));
	assert_int_equal(found, 0);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "by 2, 0 or 1",
		     nnopt_worst_samples(indices, values, &found, p, y, (nnopt_worst)2, 3));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "most 0",
		     nnopt_worst_samples(indices, values, &found, p, y, NNOPT_WORST_BY_LOSS, 0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "indices or found",
		     nnopt_worst_samples(NULL, values, &found, p, y, NNOPT_WORST_BY_LOSS, 3));
	nnopt_tensor_destroy(p);
	nnopt_tensor_destroy(y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_statsmodels),
		cmocka_unit_test(a_sample_counts_where_both_have_scores),
		cmocka_unit_test(as_scipy),
		cmocka_unit_test(runs_that_tell_little),
		cmocka_unit_test(results_of_any_size),
		cmocka_unit_test(t_intervals_cover),
		cmocka_unit_test(the_bootstrap),
		cmocka_unit_test(the_paired_bootstrap),
		cmocka_unit_test(the_worst),
	};
	return cmocka_run_group_tests_name("eval/comparison", tests, make_context, free_context);
}
