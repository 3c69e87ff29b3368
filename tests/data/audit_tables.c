/* audit_tables.c - the data audit by tables of numbers: label errors as cleanlab finds them, outliers; and the folds
 * and the labels that come before and after. */
#include "budget_context.h"

#include "golden.h"

#include "data/audit.h"
#include "golden/audit.inc"

#include <math.h>

static nnopt_finding finding_at(const nnopt_audit *audit, int64_t which)
{
	nnopt_finding f = { .struct_size = sizeof f };
	assert_ok(nnopt_audit_finding(audit, which, &f));
	return f;
}

/* --- labels --- */

static nnopt_dataset *labelled(const uint8_t *labels, int64_t count)
{
	nnopt_tensor *images = NULL, *l = NULL;
	nnopt_dataset *d = NULL;
	int64_t shape[4] = { count, 1, 2, 2 };
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, shape, NNOPT_NHWC));
	assert_ok(nnopt_tensor_create(&l, ctx, NNOPT_I32, 1, shape, NNOPT_NCHW));
	memset(nnopt_tensor_data(images), 0, nnopt_tensor_bytes(images));
	for (int64_t i = 0; i < count; i++)
		((int32_t *)nnopt_tensor_data(l))[i] = labels[i];
	assert_ok(nnopt_dataset_from_tensors(&d, ctx, images, l));
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(l);
	return d;
}

static nnopt_tensor *table(int64_t rows, int64_t columns)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, 2, (int64_t[]){ rows, columns }, NNOPT_NCHW));
	return t;
}

static void check_labels(const uint8_t *labels, int64_t samples, const uint32_t *millionths, int64_t classes,
			 const uint8_t *found)
{
	nnopt_dataset *d = labelled(labels, samples);
	assert_int_equal(nnopt_dataset_classes(d), classes);
	nnopt_tensor *p = table(samples, classes);
	float *to = nnopt_tensor_data(p);
	for (int64_t i = 0; i < samples * classes; i++)
		to[i] = (float)millionths[i] / 1000000.0f;
	for (int32_t filter = 0; filter <= NNOPT_FILTER_SELF_CONFIDENCE; filter++) {
		nnopt_audit *audit = NULL;
		nnopt_audit_labels_options o;
		uint8_t *mine = calloc((size_t)samples, 1);
		double last = -1.0;
		assert_non_null(mine);
		assert_ok(nnopt_audit_labels_options_init(&o, sizeof o));
		o.filter = filter;
		assert_ok(nnopt_audit_create(&audit, d));
		assert_ok(nnopt_audit_labels(audit, p, &o));
		for (int64_t i = 0; i < nnopt_audit_count(audit); i++) {
			nnopt_finding f = finding_at(audit, i);
			assert_int_equal(f.kind, NNOPT_FINDING_LABEL);
			assert_true(f.score >= last);
			assert_true((float)f.score == to[f.index * classes + labels[f.index]]);
			assert_int_equal(f.label, labels[f.index]);
			assert_int_not_equal(f.suggested_label, f.label);
			assert_int_equal(f.suggestion, (double)to[f.index * classes + f.suggested_label] >= 0.9
							   ? NNOPT_SUGGEST_RELABEL
							   : NNOPT_SUGGEST_REMOVE);
			last = f.score;
			mine[f.index] = 1;
		}
		for (int64_t i = 0; i < samples; i++)
			if (mine[i] != (found[i] >> filter & 1))
				fail_msg("filter %d: sample %d found %d, by cleanlab %d", filter, (int)i, mine[i],
					 found[i] >> filter & 1);
		free(mine);
		nnopt_audit_destroy(audit);
	}
	nnopt_tensor_destroy(p);
	nnopt_dataset_destroy(d);
}

static void label_errors_are_those_of_cleanlab(void **state)
{
	(void)state;
	check_labels(labels_0, 400, millionths_0, 5, found_0);
	check_labels(labels_1, 250, millionths_1, 10, found_1);
	check_labels(labels_2, 60, millionths_2, 3, found_2);
}

/* All labels of class 0 are wrong, and some of it is left whatever the filter. */
static void some_of_each_class_are_left(void **state)
{
	(void)state;
	enum { N = 40, OF_0 = 12, LEFT = 5 };
	uint8_t labels[N];
	for (int i = 0; i < N; i++)
		labels[i] = i >= OF_0;
	nnopt_dataset *d = labelled(labels, N);
	nnopt_tensor *p = table(N, 2);
	float *to = nnopt_tensor_data(p);
	for (int i = 0; i < N; i++) {
		to[2 * i] = (i < OF_0 ? 0.05f : 0.15f) + 0.001f * (float)i;
		to[2 * i + 1] = 1.0f - to[2 * i];
	}
	for (int32_t filter = 0; filter <= NNOPT_FILTER_SELF_CONFIDENCE; filter++)
		for (int32_t left = 0; left <= 2 * OF_0; left += LEFT) {
			nnopt_audit *audit = NULL;
			nnopt_audit_labels_options o;
			assert_ok(nnopt_audit_labels_options_init(&o, sizeof o));
			o.filter = filter;
			o.minimum_left = left;
			assert_ok(nnopt_audit_create(&audit, d));
			assert_ok(nnopt_audit_labels(audit, p, &o));
			int64_t found = nnopt_audit_count(audit);
			assert_true(found <= (left < OF_0 ? OF_0 - left : 0));
			if (filter >= NNOPT_FILTER_CONFIDENT)
				assert_int_equal(found, left < OF_0 ? OF_0 - left : 0);
			for (int64_t i = 0; i < found; i++) /* the least probable ones are found */
				assert_int_equal(finding_at(audit, i).index, i);
			nnopt_audit_destroy(audit);
		}
	nnopt_tensor_destroy(p);
	nnopt_dataset_destroy(d);
}

static void bad_tables_are_refused(void **state)
{
	(void)state;
	nnopt_dataset *d = labelled(labels_2, 60);
	nnopt_audit *audit = NULL;
	nnopt_audit_labels_options o;
	nnopt_audit_outliers_options q;
	nnopt_tensor *small = table(59, 3), *p = table(60, 3);
	float *to = nnopt_tensor_data(p);
	for (int i = 0; i < 180; i++)
		to[i] = NAN;
	assert_ok(nnopt_audit_create(&audit, d));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "(59, 3), f32 (60, 3)", nnopt_audit_labels(audit, small, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "probabilities is NULL", nnopt_audit_labels(audit, NULL, NULL));
	assert_ok(nnopt_audit_labels_options_init(&o, sizeof o));
	o.filter = 5;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "filter 5", nnopt_audit_labels(audit, p, &o));
	assert_ok(nnopt_audit_labels(audit, p, NULL)); /* nothing known, nothing found */
	assert_int_equal(nnopt_audit_count(audit), 0);
	/* What is no probability, where no NaN says that there is none: logits, say. */
	static const float wrong[] = { 7.0f, -0.5f, INFINITY, 1e30f }, right[] = { 1.0f + 5e-6f, 0.0f, 0.0f };
	static const char *const texts[] = { "probability 7 of sample 21, 0 to 1", "probability -0.5 of sample 21",
					     "probability inf of sample 21", "probability 1e+30 of sample 21" };
	for (int i = 0; i < 4; i++) {
		to[3 * 20] = wrong[i]; /* with NaNs */
		for (int k = 0; k < 3; k++)
			to[3 * 21 + k] = k == 1 ? wrong[i] : 0.25f;
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, texts[i], nnopt_audit_labels(audit, p, NULL));
	}
	memcpy(to + 3 * 21, right, sizeof right);
	assert_ok(nnopt_audit_labels(audit, p, NULL));
	assert_int_equal(nnopt_audit_count(audit), 0);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "features", nnopt_audit_outliers(audit, small, NULL));
	assert_ok(nnopt_audit_outliers_options_init(&q, sizeof q));
	q.neighbours = 60;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "60 neighbours", nnopt_audit_outliers(audit, p, &q));
	q.neighbours = 0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "neighbours 0", nnopt_audit_outliers(audit, p, &q));
	nnopt_tensor_destroy(small);
	nnopt_tensor_destroy(p);
	nnopt_audit_destroy(audit);
	nnopt_dataset_destroy(d);
}

/* --- outliers --- */

static void outliers_are_far(void **state)
{
	(void)state;
	enum { N = 60, D = 9 };
	nnopt_dataset *d = labelled(labels_2, N);
	nnopt_audit *audit = NULL;
	nnopt_audit_outliers_options o;
	nnopt_tensor *x = table(N, D);
	float *to = nnopt_tensor_data(x);
	double distance[N], sorted[N];
	for (int i = 0; i < N * D; i++)
		to[i] = number(3, (uint32_t)i) + (i / D == 17 ? 4.0f : i / D == 40 ? -5.0f : 0.0f);
	assert_ok(nnopt_audit_create(&audit, d));
	assert_ok(nnopt_audit_outliers_options_init(&o, sizeof o));
	o.neighbours = 3;
	o.references = 0;
	o.above = 1.6;
	assert_ok(nnopt_audit_outliers(audit, x, &o));
	/* The same by sorting all distances. */
	for (int i = 0; i < N; i++) {
		double near[N];
		int n = 0;
		for (int k = 0; k < N; k++) {
			double sum = 0.0;
			for (int c = 0; c < D; c++)
				sum += pow((double)to[i * D + c] - (double)to[k * D + c], 2.0);
			if (k != i)
				near[n++] = sqrt(sum);
		}
		for (int a = 0; a < 3; a++)
			for (int b = a + 1; b < n; b++)
				if (near[b] < near[a]) {
					double t = near[a];
					near[a] = near[b];
					near[b] = t;
				}
		distance[i] = (near[0] + near[1] + near[2]) / 3.0;
		int at = i;
		for (; at > 0 && sorted[at - 1] > distance[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = distance[i];
	}
	int64_t found = 0;
	for (int i = 0; i < N; i++)
		if (distance[i] / sorted[N / 2] > o.above) {
			nnopt_finding f = finding_at(audit, found++);
			assert_int_equal(f.index, i);
			assert_int_equal(f.suggestion, NNOPT_SUGGEST_REVIEW);
			assert_true(fabs(f.score - distance[i] / sorted[N / 2]) < 1e-4);
		}
	assert_true(found >= 2);
	assert_int_equal(nnopt_audit_count(audit), found);
	nnopt_tensor_destroy(x);
	nnopt_audit_destroy(audit);
	nnopt_dataset_destroy(d);
}

static nnopt_audit *find_outliers(nnopt_dataset *d, const nnopt_tensor *x, double above)
{
	nnopt_audit *audit = NULL;
	nnopt_audit_outliers_options o;
	assert_ok(nnopt_audit_create(&audit, d));
	assert_ok(nnopt_audit_outliers_options_init(&o, sizeof o));
	o.neighbours = 3;
	o.references = 0;
	o.above = above;
	assert_ok(nnopt_audit_outliers(audit, x, &o));
	return audit;
}

/* Where most samples have equals, of two kinds, whatever has none is far from them. */
static void outliers_among_equals(void **state)
{
	(void)state;
	enum { N = 60, D = 9, ODD = 17 };
	nnopt_dataset *d = labelled(labels_2, N);
	nnopt_tensor *x = table(N, D);
	float *to = nnopt_tensor_data(x);
	for (int i = 0; i < N * D; i++)
		to[i] = number(3 + (uint32_t)(i / D % 2), (uint32_t)(i % D)) + (i / D == ODD ? 0.25f : 0.0f);
	nnopt_audit *audit = find_outliers(d, x, 2.0);
	assert_int_equal(nnopt_audit_count(audit), 1);
	nnopt_finding f = finding_at(audit, 0);
	assert_int_equal(f.index, ODD);
	assert_true(isinf(f.score) && f.score > 0.0);
	assert_non_null(strstr(f.text, "distance 0"));
	nnopt_audit_destroy(audit);
	for (int c = 0; c < D; c++)
		to[ODD * D + c] = to[(ODD % 2) * D + c];
	audit = find_outliers(d, x, 2.0);
	assert_int_equal(nnopt_audit_count(audit), 0);
	nnopt_audit_destroy(audit);
	nnopt_tensor_destroy(x);
	nnopt_dataset_destroy(d);
}

/* What all samples have in common, and however far one of them is, changes nothing for the others. */
static void outliers_do_not_depend_on_the_origin(void **state)
{
	(void)state;
	enum { N = 60, D = 9, HUGE_ONE = 40, BROKEN = 41 };
	nnopt_dataset *d = labelled(labels_2, N);
	nnopt_tensor *x = table(N, D), *moved = table(N, D);
	float *to = nnopt_tensor_data(x), *away = nnopt_tensor_data(moved);
	for (int i = 0; i < N * D; i++) { /* multiples of 1/64: exact after the move too */
		to[i] = (float)(int)(64.0f * number(3, (uint32_t)i)) / 64.0f + (i / D == 17 ? 4.0f : 0.0f);
		if (i / D == HUGE_ONE)
			to[i] = 1e30f;
		if (i / D == BROKEN)
			to[i] = NAN;
		away[i] = to[i] + (i % D % 2 ? 1e5f : -3e4f);
	}
	nnopt_audit *audit = find_outliers(d, x, 1.2), *other = find_outliers(d, moved, 1.2);
	int64_t found = nnopt_audit_count(audit);
	assert_true(found >= 5 && found < N / 2);
	assert_int_equal(nnopt_audit_count(other), found);
	int known = 0;
	for (int64_t i = 0; i < found; i++) {
		nnopt_finding f = finding_at(audit, i), g = finding_at(other, i);
		assert_int_equal(f.index, g.index);
		assert_true(f.index == HUGE_ONE || f.score == g.score);
		known += f.index == 17 || f.index == HUGE_ONE || f.index == BROKEN;
	}
	assert_int_equal(known, 3);
	nnopt_audit_destroy(other);
	nnopt_audit_destroy(audit);
	nnopt_tensor_destroy(moved);
	nnopt_tensor_destroy(x);
	nnopt_dataset_destroy(d);
}

/* --- folds, and labels given anew --- */

static void folds_are_stratified(void **state)
{
	(void)state;
	nnopt_dataset *d = labelled(labels_1, 250);
	int64_t fold[250], again[250], held[7][10] = { { 0 } }, all[7] = { 0 };
	assert_ok(nnopt_dataset_folds(d, 7, 3, fold));
	assert_ok(nnopt_dataset_folds(d, 7, 3, again));
	assert_memory_equal(fold, again, sizeof fold);
	assert_ok(nnopt_dataset_folds(d, 7, 4, again));
	assert_memory_not_equal(fold, again, sizeof fold);
	for (int i = 0; i < 250; i++) {
		held[fold[i]][labels_1[i]]++;
		all[fold[i]]++;
	}
	for (int k = 1; k < 7; k++) {
		assert_true(llabs(all[k] - all[0]) <= 1);
		for (int c = 0; c < 10; c++)
			assert_true(llabs(held[k][c] - held[0][c]) <= 1);
	}
	nnopt_dataset *train = NULL, *out = NULL;
	assert_ok(nnopt_dataset_fold(&train, &out, d, 7, 2, 3));
	assert_int_equal(nnopt_dataset_count(out), all[2]);
	assert_int_equal(nnopt_dataset_count(train), 250 - all[2]);
	int64_t a = 0, b = 0;
	for (int i = 0; i < 250; i++)
		assert_int_equal(nnopt_dataset_label(fold[i] == 2 ? out : train, fold[i] == 2 ? a++ : b++),
				 labels_1[i]);
	nnopt_dataset_destroy(train);
	nnopt_dataset_destroy(out);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "fold 7", nnopt_dataset_fold(&train, &out, d, 7, 7, 3));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "1 folds", nnopt_dataset_folds(d, 1, 3, fold));
	nnopt_dataset_destroy(d);
}

static void labels_can_be_replaced(void **state)
{
	(void)state;
	nnopt_dataset *d = labelled(labels_2, 60), *r = NULL;
	int64_t labels[60];
	for (int i = 0; i < 60; i++)
		labels[i] = (labels_2[i] + 1) % 3;
	assert_ok(nnopt_dataset_relabel(&r, d, labels, 60));
	nnopt_dataset_destroy(d);
	assert_int_equal(nnopt_dataset_count(r), 60);
	assert_int_equal(nnopt_dataset_label(r, 9), labels[9]);
	assert_string_equal(nnopt_dataset_class_name(r, 2), "2");
	labels[4] = 3;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "labels[4] is 3, -1 to 2", nnopt_dataset_relabel(&d, r, labels, 60));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "59 labels", nnopt_dataset_relabel(&d, r, labels, 59));
	nnopt_dataset_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(label_errors_are_those_of_cleanlab),
		cmocka_unit_test(some_of_each_class_are_left),
		cmocka_unit_test(bad_tables_are_refused),
		cmocka_unit_test(outliers_are_far),
		cmocka_unit_test(outliers_among_equals),
		cmocka_unit_test(outliers_do_not_depend_on_the_origin),
		cmocka_unit_test(folds_are_stratified),
		cmocka_unit_test(labels_can_be_replaced),
	};
	return cmocka_run_group_tests_name("data/audit_tables", tests, make_context, free_context);
}
