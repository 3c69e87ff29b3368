/* calibration.c - calibration errors as torchmetrics, Brier score and likelihood as scikit-learn, the temperature as
 * scipy's minimiser finds it; the bins' edges, what is left out, and what is refused. */
#include "scores.h"

#include "golden/evaluation.inc"

static nnopt_calibration_info info_of(const nnopt_tensor *scores, const nnopt_tensor *labels, int64_t bins,
				      double temperature)
{
	nnopt_calibration_options o;
	nnopt_calibration *c = NULL;
	nnopt_calibration_info info = { .struct_size = sizeof info };
	assert_ok(nnopt_calibration_options_init(&o, sizeof o));
	o.bins = bins;
	o.temperature = temperature;
	assert_ok(nnopt_calibration_create(&c, ctx, scores, labels, &o));
	assert_ok(nnopt_calibration_get_info(c, &info));
	nnopt_calibration_destroy(c);
	return info;
}

static void check_bins(const nnopt_tensor *p, const nnopt_tensor *y, int64_t bins, const double *errors,
		       const double (*rows)[3])
{
	nnopt_calibration_options o;
	nnopt_calibration *c = NULL;
	nnopt_calibration_info info = info_of(p, y, bins, 0.0);
	assert_int_equal(info.count, N);
	assert_int_equal(info.bins, bins);
	assert_near(info.ece, errors[0], 1e-6);
	assert_near(info.mce, errors[1], 1e-6);
	assert_near(info.nll, likelihood[0], 1e-6);
	assert_near(info.brier, likelihood[1], 1e-6);
	assert_near(info.accuracy, likelihood[3], 1e-12);
	assert_near(info.confidence, likelihood[4], 1e-6);
	assert_ok(nnopt_calibration_options_init(&o, sizeof o));
	o.bins = bins;
	assert_ok(nnopt_calibration_create(&c, ctx, p, y, &o));
	for (int64_t i = 0; i < bins; i++) {
		nnopt_calibration_bin bin = { .struct_size = sizeof bin };
		assert_ok(nnopt_calibration_get_bin(c, i, &bin));
		assert_near(bin.low, (double)i / (double)bins, 1e-15);
		assert_near(bin.high, (double)(i + 1) / (double)bins, 1e-15);
		assert_int_equal(bin.count, (int64_t)rows[i][0]);
		assert_near(bin.confidence, rows[i][1], 1e-12);
		assert_near(bin.accuracy, rows[i][2], 1e-12);
		assert_true(bin.accuracy_low <= bin.accuracy && bin.accuracy <= bin.accuracy_high);
		assert_true(bin.accuracy_high <= 1.0 && (bin.count > 0) == (bin.accuracy_low < bin.accuracy_high));
	}
	nnopt_calibration_destroy(c);
}

static void as_torchmetrics_and_scikit_learn(void **state)
{
	(void)state;
	nnopt_tensor *p = shares(N, K, 0), *y = labels_of(NNOPT_I64, N, K);
	check_bins(p, y, 7, calibration7, bins7);
	check_bins(p, y, 15, calibration15, bins15);
	nnopt_tensor_destroy(p);
	p = shares(N, K, 1); /* with probabilities of 0 */
	assert_near(info_of(p, y, 15, 0.0).nll, likelihood[2], 1e-6);
	nnopt_tensor_destroy(p);
	nnopt_tensor_destroy(y);
	p = shares(N, 2, 1);
	y = labels_of(NNOPT_I32, N, 2);
	assert_near(info_of(p, y, 15, 0.0).brier, binary[2], 1e-6);
	nnopt_tensor_destroy(p);
	nnopt_tensor_destroy(y);
}

/* A bin holds its upper edge; equal probabilities are the lower class's; a sample without scores is none. */
static void edges(void **state)
{
	(void)state;
	nnopt_tensor *p = floats(5, 2, (const float[]){ 0.5f, 0.5f, 1.0f, 0.0f, 0.0f, 1.0f, 0.25f, 0.75f, NAN, 0.5f });
	nnopt_tensor *y = integers(5, (const int32_t[]){ 1, 0, 0, 1, 9 });
	static const int64_t counts[4] = { 0, 1, 1, 2 };
	static const double confidences[4] = { 0, 0.5, 0.75, 1 }, accuracies[4] = { 0, 0, 1, 0.5 };
	nnopt_calibration_options o;
	nnopt_calibration *c = NULL;
	assert_ok(nnopt_calibration_options_init(&o, sizeof o));
	o.bins = 4;
	assert_ok(nnopt_calibration_create(&c, ctx, p, y, &o));
	for (int64_t i = 0; i < 4; i++) {
		nnopt_calibration_bin bin = { .struct_size = sizeof bin };
		assert_ok(nnopt_calibration_get_bin(c, i, &bin));
		assert_int_equal(bin.count, counts[i]);
		assert_near(bin.confidence, confidences[i], 0);
		assert_near(bin.accuracy, accuracies[i], 0);
	}
	nnopt_calibration_info info = { .struct_size = sizeof info };
	assert_ok(nnopt_calibration_get_info(c, &info));
	assert_int_equal(info.count, 4);
	assert_near(info.accuracy, 0.5, 0);
	assert_near(info.confidence, 3.25 / 4, 0);
	assert_near(info.ece, (0.5 + 0.25 + 1.0) / 4, 0);
	assert_near(info.mce, 0.5, 0);
	assert_near(info.brier, (0.25 + 0 + 1 + 0.0625) / 4, 1e-15);
	assert_near(info.nll, (log(2) + 23 * log(2) - log(0.75)) / 4, 1e-12); /* 0 counts as 2^-23 */
	nnopt_calibration_destroy(c);
	nnopt_tensor_destroy(p);
	nnopt_tensor_destroy(y);
}

static void one_sample_and_none(void **state)
{
	(void)state;
	nnopt_tensor *p = floats(1, 3, (const float[]){ 0.125f, 0.75f, 0.125f }),
		     *y = integers(1, (const int32_t[]){ 2 });
	nnopt_tensor *none = floats(0, 3, NULL), *no_label = integers(0, NULL), *out = NULL;
	nnopt_calibration *c = NULL;
	double t = 7.0;
	nnopt_calibration_info info = info_of(p, y, 10, 0.0);
	assert_true(info.count == 1 && info.accuracy == 0.0 && info.ece == 0.75 && info.mce == 0.75);
	assert_near(info.nll, 3 * log(2), 1e-12);
	assert_near(info.brier, (1 + 36 + 49) / 64.0, 1e-15);
	assert_ok(nnopt_temperature_fit(&t, p, y));
	assert_near(t, 1e3, 1e-12);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "0 samples",
		     nnopt_calibration_create(&c, ctx, none, no_label, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "0 samples", nnopt_temperature_fit(&t, none, no_label));
	set_row(p, 0, NAN);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "1 samples, none with scores",
		     nnopt_calibration_create(&c, ctx, p, y, NULL));
	assert_ok(nnopt_temperature_apply(&out, ctx, none, 2.0));
	assert_int_equal(nnopt_tensor_count(out), 0);
	nnopt_tensor_destroy(out);
	nnopt_tensor_destroy(p);
	nnopt_tensor_destroy(y);
	nnopt_tensor_destroy(none);
	nnopt_tensor_destroy(no_label);
}

static nnopt_tensor *logits(double scale)
{
	nnopt_tensor *z = tensor(NNOPT_F32, N, K);
	for (int64_t i = 0; i < N * K; i++)
		((float *)nnopt_tensor_data(z))[i] =
		    (float)(scale * ((double)number(90 + (uint32_t)(i % K), (uint32_t)(i / K)) * 4 +
				     5 * (i % K == label_of(i / K, K))));
	return z;
}

static void as_scipy(void **state)
{
	(void)state;
	nnopt_tensor *y = labels_of(NNOPT_I32, N, K);
	for (size_t i = 0; i < sizeof temperatures / sizeof *temperatures; i++) {
		const double *row = temperatures[i];
		nnopt_tensor *z = logits(row[0]), *p = NULL;
		double t = 0.0;
		assert_ok(nnopt_temperature_fit(&t, z, y));
		assert_near(t, row[1], 2e-7); /* as well as values alone tell where they are least */
		nnopt_calibration_info before = info_of(z, y, 15, 1.0), after = info_of(z, y, 15, t);
		assert_near(before.nll, row[2], 1e-6);
		assert_near(after.nll, row[3], 1e-12);
		assert_near(after.ece, row[4], 1e-6);
		assert_near(after.accuracy, before.accuracy, 0);
		/* At the least the slope is 0: a little to either side it is larger by the same. */
		double colder = info_of(z, y, 15, t / 1.0001).nll, hotter = info_of(z, y, 15, t * 1.0001).nll;
		assert_true(colder > after.nll && hotter > after.nll);
		assert_near((colder - after.nll) / (hotter - after.nll), 1.0, 1e-3);
		assert_ok(nnopt_temperature_apply(&p, ctx, z, t));
		nnopt_calibration_info applied = info_of(p, y, 15, 0.0);
		assert_near(applied.nll, after.nll, 1e-6);
		assert_near(applied.brier, after.brier, 1e-6);
		assert_near(applied.ece, after.ece, 1e-6);
		nnopt_tensor_destroy(p);
		nnopt_tensor_destroy(z);
	}
	nnopt_tensor_destroy(y);
}

/* Where every label wins, or loses, there is no least; far logits do not overflow. */
static void temperatures_end_somewhere(void **state)
{
	(void)state;
	nnopt_tensor *z = floats(3, 2, (const float[]){ 2, 1, 1, 2, NAN, 0 }), *p = NULL;
	nnopt_tensor *right = integers(3, (const int32_t[]){ 0, 1, 7 }),
		     *wrong = integers(3, (const int32_t[]){ 1, 0, 7 });
	double t = 0.0;
	assert_ok(nnopt_temperature_fit(&t, z, right));
	assert_near(t, 1e-3, 1e-12);
	assert_ok(nnopt_temperature_fit(&t, z, wrong));
	assert_near(t, 1e3, 1e-12);
	assert_ok(nnopt_temperature_apply(&p, ctx, z, 1e-3));
	const float *row = nnopt_tensor_const_data(p);
	assert_true(row[0] == 1.0f && row[1] == 0.0f && row[3] == 1.0f && isnan(row[4]) && isnan(row[5]));
	nnopt_tensor_destroy(p);
	assert_near(info_of(z, wrong, 15, 1e-3).nll, 1000, 1e-9);
	nnopt_tensor_destroy(z);
	/* The far one has no say. Of the others, alike, two in three are right: their probability is to be 2 / 3. */
	z = floats(4, 2, (const float[]){ 3e38f, -3e38f, 1, 0, 0, 1, 1, 0 });
	nnopt_tensor_destroy(wrong);
	wrong = integers(4, (const int32_t[]){ 0, 0, 1, 1 });
	assert_ok(nnopt_temperature_fit(&t, z, wrong));
	assert_near(t, 1 / log(2), 1e-12);
	nnopt_tensor_destroy(z);
	nnopt_tensor_destroy(right);
	nnopt_tensor_destroy(wrong);
}

static void refuses(void **state)
{
	(void)state;
	nnopt_tensor *p = shares(N, K, 0), *y = labels_of(NNOPT_I32, N, K), *one = tensor(NNOPT_F32, N, 1),
		     *none = NULL, *out = NULL;
	nnopt_calibration *c = NULL;
	nnopt_calibration_options o;
	nnopt_calibration_info info = { .struct_size = sizeof info };
	nnopt_calibration_bin bin = { .struct_size = sizeof bin };
	double t = 7.0;
	assert_ok(nnopt_calibration_options_init(&o, sizeof o));
	assert_int_equal(o.bins, 15);
	o.bins = 0;
#define refused(words, call) assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words, call)
	refused("0 bins, 1 to 1000", nnopt_calibration_create(&c, ctx, p, y, &o));
	o.bins = 1001;
	refused("1001 bins", nnopt_calibration_create(&c, ctx, p, y, &o));
	o.bins = 10;
	o.temperature = -1.0;
	refused("temperature -1", nnopt_calibration_create(&c, ctx, p, y, &o));
	o.temperature = NAN;
	refused("temperature nan", nnopt_calibration_create(&c, ctx, p, y, &o));
	refused("1 columns, f32 (samples, classes) with 2", nnopt_calibration_create(&c, ctx, one, y, NULL));
	refused("out or context", nnopt_calibration_create(NULL, ctx, p, y, NULL));
	refused("temperature is NULL", nnopt_temperature_fit(NULL, p, y));
	refused("1 columns", nnopt_temperature_fit(&t, one, y));
	refused("logits is NULL", nnopt_temperature_apply(&out, ctx, NULL, 1.0));
	refused("type i32", nnopt_temperature_apply(&out, ctx, y, 1.0));
	assert_ok(nnopt_tensor_create(&none, ctx, NNOPT_F32, 2, (int64_t[]){ N, 0 }, NNOPT_NCHW));
	refused("0 columns", nnopt_temperature_apply(&out, ctx, none, 1.0));
	refused("temperature 0", nnopt_temperature_apply(&out, ctx, p, 0.0));
	refused("temperature inf", nnopt_temperature_apply(&out, ctx, p, INFINITY));
	float *at = (float *)nnopt_tensor_data(p) + 2 * K + 1;
	const float before = *at;
	*at = 1.5f;
	refused("score 1.5 of sample 2, probabilities", nnopt_calibration_create(&c, ctx, p, y, NULL));
	*at = -0.5f;
	refused("score -0.5 of sample 2, probabilities", nnopt_calibration_create(&c, ctx, p, y, NULL));
	*at = -INFINITY;
	refused("logit -inf of sample 2, finite", nnopt_temperature_fit(&t, p, y));
	*at = before;
	assert_true(c == NULL && t == 7.0 && out == NULL);
	assert_memory_failures(2, c == NULL, nnopt_calibration_create(&c, ctx, p, y, NULL));
	refused("index 15, 0 to 14", nnopt_calibration_get_bin(c, 15, &bin));
	refused("index -1", nnopt_calibration_get_bin(c, -1, &bin));
	bin.struct_size = info.struct_size = 0;
	refused("struct_size", nnopt_calibration_get_bin(c, 0, &bin));
	refused("struct_size", nnopt_calibration_get_info(c, &info));
	nnopt_calibration_destroy(c);
	assert_memory_failures(1, out == NULL, nnopt_temperature_apply(&out, ctx, p, 1.0));
	nnopt_tensor_destroy(out);
	nnopt_tensor_destroy(none);
	nnopt_tensor_destroy(one);
	nnopt_tensor_destroy(p);
	nnopt_tensor_destroy(y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_torchmetrics_and_scikit_learn),
		cmocka_unit_test(edges),
		cmocka_unit_test(one_sample_and_none),
		cmocka_unit_test(as_scipy),
		cmocka_unit_test(temperatures_end_somewhere),
		cmocka_unit_test(refuses),
	};
	return cmocka_run_group_tests_name("eval/calibration", tests, make_context, free_context);
}
