/* metrics.c - counts and shares as scikit-learn has them, Wilson's intervals, the report, evaluation against a loop. */
#include "check.h"
#include "golden.h"

#include <math.h>
#include <stdio.h>

#include "golden/eval.inc"

static nnopt_context *ctx;

static int setup(void **state)
{
	(void)state;
	return nnopt_context_create(&ctx, NULL) != NNOPT_OK;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	return 0;
}

static float score_of(int i, int c)
{
	float s = number(50 + (uint32_t)c, (uint32_t)i) - (c == 6 ? 10.0f : 0.0f);
	return labels[i] == c && c != 6 ? s + 1.5f : s;
}

/* Adds the samples in batches of `size`, labels i32 or i64. */
static nnopt_metrics *make_metrics(int size, nnopt_dtype dtype)
{
	nnopt_metrics *m = NULL;
	assert_ok(nnopt_metrics_create(&m, ctx, C));
	for (int from = 0; from < N; from += size) {
		int64_t n = N - from < size ? N - from : size;
		nnopt_tensor *scores = NULL, *targets = NULL;
		assert_ok(nnopt_tensor_create(&scores, ctx, NNOPT_F32, 2, (int64_t[]){ n, C }, NNOPT_NCHW));
		assert_ok(nnopt_tensor_create(&targets, ctx, dtype, 1, &n, NNOPT_NCHW));
		for (int64_t i = 0; i < n * C; i++)
			((float *)nnopt_tensor_data(scores))[i] = score_of(from + (int)(i / C), (int)(i % C));
		assert_ok(
		    nnopt_tensor_copy_in(targets, labels + from, (size_t)n * sizeof *labels, NNOPT_I32, NNOPT_NCHW));
		assert_ok(nnopt_metrics_add(m, scores, targets));
		nnopt_tensor_destroy(scores);
		nnopt_tensor_destroy(targets);
	}
	return m;
}

static void assert_near(double got, double wanted)
{
	if (!(fabs(got - wanted) <= 1e-12))
		fail_msg("%.17g, %.17g wanted", got, wanted);
}

static void as_scikit_learn(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++) {
		nnopt_metrics *m = make_metrics(round == 0 ? N : 7, round == 2 ? NNOPT_I64 : NNOPT_I32);
		assert_int_equal(nnopt_metrics_count(m), N);
		assert_int_equal(nnopt_metrics_classes(m), C);
		assert_near(nnopt_metrics_accuracy(m), accuracy);
		for (int k = 1; k <= C; k++)
			assert_near(nnopt_metrics_top_k(m, k), top[k - 1]);
		assert_near(nnopt_metrics_top_k(m, 100), 1.0);
		for (int a = 0; a < C; a++) {
			nnopt_class_metrics one = { .struct_size = sizeof one };
			int64_t support = 0;
			for (int p = 0; p < C; p++) {
				assert_int_equal(nnopt_metrics_confusion(m, a, p), matrix[a][p]);
				support += matrix[a][p];
			}
			assert_ok(nnopt_metrics_class(m, a, &one));
			assert_int_equal(one.support, support);
			assert_near(one.precision, precision[a]);
			assert_near(one.recall, recall[a]);
			assert_near(one.f1, f1[a]);
			assert_near(one.precision_low, precision_bounds[a][0]);
			assert_near(one.precision_high, precision_bounds[a][1]);
			assert_near(one.recall_low, recall_bounds[a][0]);
			assert_near(one.recall_high, recall_bounds[a][1]);
		}
		double p, r, f, low, high;
		assert_ok(nnopt_metrics_macro(m, &p, &r, &f));
		assert_near(p, macro[0]);
		assert_near(r, macro[1]);
		assert_near(f, macro[2]);
		for (int i = 0; i < 3; i++) {
			assert_ok(nnopt_metrics_accuracy_interval(m, bounds[i][0], &low, &high));
			assert_near(low, bounds[i][1]);
			assert_near(high, bounds[i][2]);
		}
		nnopt_metrics_reset(m);
		assert_int_equal(nnopt_metrics_count(m), 0);
		assert_near(nnopt_metrics_accuracy(m), 0.0);
		assert_int_equal(nnopt_metrics_confusion(m, 0, 0), 0);
		nnopt_metrics_destroy(m);
	}
}

static void halves_are_merged(void **state)
{
	(void)state;
	nnopt_metrics *whole = make_metrics(N, NNOPT_I32), *twice = make_metrics(7, NNOPT_I64), *other = NULL;
	assert_ok(nnopt_metrics_merge(twice, whole));
	assert_int_equal(nnopt_metrics_count(twice), 2 * N);
	for (int a = 0; a < C; a++)
		for (int p = 0; p < C; p++)
			assert_int_equal(nnopt_metrics_confusion(twice, a, p), 2 * matrix[a][p]);
	assert_near(nnopt_metrics_top_k(twice, 3), top[2]);
	assert_ok(nnopt_metrics_create(&other, ctx, C + 1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "7 classes, 8 wanted", nnopt_metrics_merge(other, whole));
	assert_int_equal(nnopt_metrics_count(other), 0);
	nnopt_metrics_destroy(other);
	nnopt_metrics_destroy(twice);
	nnopt_metrics_destroy(whole);
}

static void add_row(nnopt_metrics *m, nnopt_status wanted, const float row[3], int32_t label)
{
	nnopt_tensor *scores = NULL, *targets = NULL;
	assert_ok(nnopt_tensor_create(&scores, ctx, NNOPT_F32, 2, (int64_t[]){ 1, 3 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&targets, ctx, NNOPT_I32, 1, (int64_t[]){ 1 }, NNOPT_NCHW));
	memcpy(nnopt_tensor_data(scores), row, 3 * sizeof *row);
	*(int32_t *)nnopt_tensor_data(targets) = label;
	assert_int_equal(nnopt_metrics_add(m, scores, targets), wanted);
	nnopt_tensor_destroy(scores);
	nnopt_tensor_destroy(targets);
}

static void ties_nans_and_bad_labels(void **state)
{
	(void)state;
	nnopt_metrics *m = NULL;
	assert_ok(nnopt_metrics_create(&m, ctx, 3));
	add_row(m, NNOPT_OK, (float[]){ 1, 2, 2 }, 1); /* a tie goes to the lower class */
	add_row(m, NNOPT_OK, (float[]){ 1, 2, 2 }, 2);
	assert_int_equal(nnopt_metrics_confusion(m, 1, 1), 1);
	assert_int_equal(nnopt_metrics_confusion(m, 2, 1), 1);
	assert_near(nnopt_metrics_top_k(m, 1), 0.5);
	assert_near(nnopt_metrics_top_k(m, 2), 1.0);
	nnopt_metrics_reset(m);
	add_row(m, NNOPT_OK, (float[]){ NAN, 1, 0 }, 0); /* a score that is no number never wins */
	add_row(m, NNOPT_OK, (float[]){ NAN, NAN, NAN }, 1);
	assert_near(nnopt_metrics_accuracy(m), 0.0);
	assert_near(nnopt_metrics_top_k(m, 1), 0.0);
	add_row(m, NNOPT_ERROR_INVALID_ARGUMENT, (float[]){ 1, 2, 3 }, 3);
	add_row(m, NNOPT_ERROR_INVALID_ARGUMENT, (float[]){ 1, 2, 3 }, -1);
	assert_int_equal(nnopt_metrics_count(m), 2);
	nnopt_metrics_destroy(m);
}

/* Each text names the argument, what it is and what it should be. */
static void nonsense_is_refused(void **state)
{
	(void)state;
	nnopt_metrics *m = NULL;
	nnopt_tensor *scores = NULL, *five = NULL;
	nnopt_class_metrics one = { .struct_size = sizeof one };
	int64_t three[3], found;
	double x;
#define refused(words, call) assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words, call)
	refused("out is NULL", nnopt_metrics_create(NULL, ctx, 3));
	refused("context is NULL", nnopt_metrics_create(&m, NULL, 3));
	refused("classes 0, 1 to 32768 wanted", nnopt_metrics_create(&m, ctx, 0));
	refused("classes 32769, 1 to 32768 wanted", nnopt_metrics_create(&m, ctx, 32769));
	assert_null(m);
	assert_ok(nnopt_metrics_create(&m, ctx, 3));
	assert_ok(nnopt_tensor_create(&scores, ctx, NNOPT_F32, 2, (int64_t[]){ 2, 3 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&five, ctx, NNOPT_I32, 1, (int64_t[]){ 5 }, NNOPT_NCHW));
	refused("metrics_add: metrics is NULL", nnopt_metrics_add(NULL, scores, five));
	refused("metrics_add: scores is NULL", nnopt_metrics_add(m, NULL, five));
	refused("metrics_add: labels is NULL", nnopt_metrics_add(m, scores, NULL));
	refused("labels of type i32, rank 1 and count 5, i32 or i64 (2) wanted", nnopt_metrics_add(m, scores, five));
	refused("labels of type f32, rank 2 and count 6", nnopt_metrics_add(m, scores, scores));
	refused("accuracy_interval: metrics is NULL", nnopt_metrics_accuracy_interval(NULL, 0.95, &x, &x));
	refused("accuracy_interval: low is NULL", nnopt_metrics_accuracy_interval(m, 0.95, NULL, &x));
	refused("accuracy_interval: high is NULL", nnopt_metrics_accuracy_interval(m, 0.95, &x, NULL));
	refused("top_confusions: metrics is NULL", nnopt_metrics_top_confusions(NULL, 3, three, three, three, &found));
	refused("top_confusions: predicted is NULL", nnopt_metrics_top_confusions(m, 3, three, NULL, three, &found));
	refused("top_confusions: counts is NULL", nnopt_metrics_top_confusions(m, 3, three, three, NULL, &found));
	refused("most 0, 1 or more wanted", nnopt_metrics_top_confusions(m, 0, three, three, three, &found));
	refused("metrics_class: metrics is NULL", nnopt_metrics_class(NULL, 0, &one));
	refused("metrics_class: out is NULL", nnopt_metrics_class(m, 0, NULL));
	refused("index -1, 0 to 2 wanted", nnopt_metrics_class(m, -1, &one));
	refused("index 3, 0 to 2 wanted", nnopt_metrics_class(m, 3, &one));
	refused("metrics_macro: recall is NULL", nnopt_metrics_macro(m, &x, NULL, &x));
	refused("metrics_macro: f1 is NULL", nnopt_metrics_macro(m, &x, &x, NULL));
#undef refused
	nnopt_tensor_destroy(five);
	nnopt_tensor_destroy(scores);
	nnopt_metrics_destroy(m);
}

static void reports(void **state)
{
	(void)state;
	static const char birds[] = "V\xc3\xb6gel sind gr\xc3\xb6\xc3\x9f\x65r", beetle[] = "K\xc3\xa4\x66\x65r";
	static const char *const names[C] = { "one",  "two",  "three", "a name that is much too long",
					      "five", beetle, birds };
	static char text[8192];
	size_t needed = 0;
	nnopt_metrics *m = make_metrics(N, NNOPT_I32);
	assert_ok(nnopt_metrics_report(m, names, NULL, 0, &needed));
	assert_true(needed > 500 && needed < sizeof text);
	assert_ok(nnopt_metrics_report(m, names, text, needed, NULL));
	assert_int_equal(strlen(text), needed - 1);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "wanted", nnopt_metrics_report(m, names, text, needed - 1, NULL));
	char wanted[64];
	snprintf(wanted, sizeof wanted, "%d.%02d%%", (int)(accuracy * 100.0), (int)(accuracy * 10000.0 + 0.5) % 100);
	assert_non_null(strstr(text, wanted));
	assert_non_null(strstr(text, "a name that is m "));
	/* Sixteen characters, not bytes. */
	snprintf(wanted, sizeof wanted, "\n%s           %7d", beetle, (int)matrix[5][0]);
	assert_non_null(strstr(text, wanted));
	snprintf(wanted, sizeof wanted, "\n%.*s %6d", (int)strlen(birds) - 1, birds, (int)matrix[6][0]);
	assert_non_null(strstr(text, wanted));
	assert_non_null(strstr(text, "of 300 samples"));
	nnopt_metrics_destroy(m);
	m = NULL;
	assert_ok(nnopt_metrics_create(&m, ctx, 100));
	assert_ok(nnopt_metrics_report(m, NULL, text, 0, &needed) == NNOPT_ERROR_INVALID_ARGUMENT
		      ? NNOPT_OK
		      : NNOPT_ERROR_INTERNAL);
	char *large = malloc(needed);
	assert_non_null(large);
	assert_ok(nnopt_metrics_report(m, NULL, large, needed, NULL));
	assert_non_null(strstr(large, "confusions of 100 classes"));
	free(large);
	nnopt_metrics_destroy(m);
}

static void evaluation_is_a_loop(void **state)
{
	(void)state;
	enum { COUNT = 50 };
	nnopt_tensor *images = NULL, *targets = NULL;
	nnopt_dataset *data = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	nnopt_model *net = NULL;
	nnopt_loss *loss = NULL;
	nnopt_metrics *m = NULL;
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 1, 5, 5 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&targets, ctx, NNOPT_I32, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	for (int i = 0; i < COUNT * 25; i++)
		((uint8_t *)nnopt_tensor_data(images))[i] = (uint8_t)(i * 7 + i / 25 * 31);
	for (int i = 0; i < COUNT; i++)
		((int32_t *)nnopt_tensor_data(targets))[i] = i % 4;
	assert_ok(nnopt_dataset_from_tensors(&data, ctx, images, targets));
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 16; /* the last batch has 2 */
	assert_ok(nnopt_loader_create(&loader, data, NULL, &o));
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_add_flatten(net));
	assert_ok(nnopt_add_linear(net, 4, NULL));
	assert_ok(nnopt_cross_entropy_create(&loss, ctx, NULL));
	assert_ok(nnopt_metrics_create(&m, ctx, 4));
	nnopt_evaluation e = { .struct_size = sizeof e };
	assert_ok(nnopt_evaluate(net, NULL, loader, loss, m, &e));
	assert_int_equal(e.count, COUNT);
	assert_near(e.accuracy, nnopt_metrics_accuracy(m));

	nnopt_tensor *w = NULL, *b = NULL;
	assert_ok(nnopt_tensor_create(&w, ctx, NNOPT_F32, 2, (int64_t[]){ 4, 25 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&b, ctx, NNOPT_F32, 1, (int64_t[]){ 4 }, NNOPT_NCHW));
	assert_ok(nnopt_model_get_parameter(net, 0, w));
	assert_ok(nnopt_model_get_parameter(net, 1, b));
	double sum = 0.0;
	int hits = 0;
	for (int i = 0; i < COUNT; i++) {
		double logits[4], total = 0.0;
		int best = 0;
		for (int c = 0; c < 4; c++) {
			logits[c] = (double)((float *)nnopt_tensor_data(b))[c];
			for (int k = 0; k < 25; k++)
				logits[c] += (double)((float *)nnopt_tensor_data(w))[c * 25 + k] *
					     ((uint8_t *)nnopt_tensor_data(images))[i * 25 + k] / 255.0;
			best = logits[c] > logits[best] ? c : best;
		}
		for (int c = 0; c < 4; c++)
			total += exp(logits[c] - logits[best]);
		sum += log(total) + logits[best] - logits[i % 4];
		hits += best == i % 4;
	}
	assert_true(fabs(e.loss - sum / COUNT) < 1e-5);
	assert_near(e.accuracy, (double)hits / COUNT);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "NULL", nnopt_evaluate(NULL, NULL, loader, loss, m, &e));
	nnopt_tensor_destroy(w);
	nnopt_tensor_destroy(b);
	nnopt_metrics_destroy(m);
	nnopt_loss_destroy(loss);
	nnopt_model_destroy(net);
	nnopt_loader_destroy(loader);
	nnopt_dataset_destroy(data);
	nnopt_tensor_destroy(targets);
	nnopt_tensor_destroy(images);
}

static double loss_of(nnopt_model *net, nnopt_dataset *data, int64_t batch, const nnopt_cross_entropy_options *c)
{
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	nnopt_loss *loss = NULL;
	nnopt_evaluation e = { .struct_size = sizeof e };
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = batch;
	assert_ok(nnopt_loader_create(&loader, data, NULL, &o));
	assert_ok(nnopt_cross_entropy_create(&loss, ctx, c));
	assert_ok(nnopt_evaluate(net, NULL, loader, loss, NULL, &e));
	nnopt_loss_destroy(loss);
	nnopt_loader_destroy(loader);
	return e.loss;
}

/* The loss of an epoch of training that changes nothing. */
static nnopt_status train_loss_of(double *value, nnopt_model *net, nnopt_dataset *data,
				  const nnopt_cross_entropy_options *c)
{
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	nnopt_loss *loss = NULL;
	nnopt_optimizer *sgd = NULL;
	nnopt_fit_options f;
	nnopt_history *h = NULL;
	nnopt_epoch_record r = { .struct_size = sizeof r };
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 4;
	assert_ok(nnopt_loader_create(&loader, data, NULL, &o));
	assert_ok(nnopt_cross_entropy_create(&loss, ctx, c));
	assert_ok(nnopt_sgd_create(&sgd, ctx, NULL));
	assert_ok(nnopt_optimizer_set_lr(sgd, 0.0));
	assert_ok(nnopt_fit_options_init(&f, sizeof f));
	f.epochs = 1;
	nnopt_status status = nnopt_fit(net, loader, loss, sgd, &f, &h);
	if (status == NNOPT_OK)
		assert_ok(nnopt_history_epoch(h, 0, &r));
	*value = r.loss;
	nnopt_history_destroy(h);
	nnopt_optimizer_destroy(sgd);
	nnopt_loss_destroy(loss);
	nnopt_loader_destroy(loader);
	return status;
}

/* A batch without anything that counts has a mean that is no number, and no part in that of all; and a loss that sums
 * comes to the same mean, however the samples lie in batches. */
static void losses_are_means_over_what_counts(void **state)
{
	(void)state;
	enum { COUNT = 11, NONE = 4 };
	static const float weights[4] = { 0.0f, 1.0f, 2.0f, 5.0f };
	const int64_t rest[COUNT - NONE] = { 4, 5, 6, 7, 8, 9, 10 }, first[NONE] = { 0, 1, 2, 3 };
	nnopt_tensor *images = NULL, *targets = NULL;
	nnopt_dataset *data = NULL, *counted = NULL, *ignored = NULL;
	nnopt_model *net = NULL;
	nnopt_cross_entropy_options c;
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 1, 5, 5 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&targets, ctx, NNOPT_I32, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	for (int i = 0; i < COUNT * 25; i++)
		((uint8_t *)nnopt_tensor_data(images))[i] = (uint8_t)(i * 7 + i / 25 * 31);
	for (int i = 0; i < COUNT; i++)
		((int32_t *)nnopt_tensor_data(targets))[i] = i < NONE ? 0 : 1 + i % 3;
	assert_ok(nnopt_dataset_from_tensors(&data, ctx, images, targets));
	assert_ok(nnopt_dataset_subset(&counted, data, rest, COUNT - NONE));
	assert_ok(nnopt_dataset_subset(&ignored, data, first, NONE));
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_add_flatten(net));
	assert_ok(nnopt_add_linear(net, 4, NULL));
	assert_ok(nnopt_model_build(net, 3, (int64_t[]){ 1, 5, 5 }));
	for (int weighted = 0; weighted < 2; weighted++) {
		double trained;
		assert_ok(nnopt_cross_entropy_options_init(&c, sizeof c));
		if (weighted) {
			c.class_weights = weights;
			c.class_weight_count = 4;
		} else {
			c.ignore_index = 0;
		}
		double wanted = loss_of(net, counted, COUNT, &c);
		assert_true(wanted > 0.0);
		assert_near(loss_of(net, data, 4, &c), wanted); /* batches of 4, 4 and 3 */
		assert_near(loss_of(net, ignored, 4, &c), 0.0);
		assert_int_equal(train_loss_of(&trained, net, data, &c), NNOPT_ERROR_NONFINITE);
		assert_ok(train_loss_of(&trained, net, counted, &c));
		assert_near(trained, wanted);
		c.reduction = NNOPT_REDUCTION_SUM;
		assert_near(loss_of(net, data, 4, &c), wanted);
		assert_near(loss_of(net, data, 3, &c), wanted);
		assert_near(loss_of(net, ignored, 4, &c), 0.0);
		assert_ok(train_loss_of(&trained, net, data, &c));
		assert_near(trained, wanted);
	}
	nnopt_model_destroy(net);
	nnopt_dataset_destroy(ignored);
	nnopt_dataset_destroy(counted);
	nnopt_dataset_destroy(data);
	nnopt_tensor_destroy(targets);
	nnopt_tensor_destroy(images);
}

/* The shape is that after the transforms; a struct that ends earlier is filled as far as it goes. */
static void plan_options_of_a_loader(void **state)
{
	(void)state;
	nnopt_tensor *images = NULL, *targets = NULL;
	nnopt_dataset *data = NULL;
	nnopt_transforms *crop = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	nnopt_plan_options p, defaults;
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ 3, 2, 6, 7 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&targets, ctx, NNOPT_I32, 1, (int64_t[]){ 3 }, NNOPT_NCHW));
	memset(nnopt_tensor_data(images), 0, nnopt_tensor_bytes(images));
	memset(nnopt_tensor_data(targets), 0, nnopt_tensor_bytes(targets));
	assert_ok(nnopt_dataset_from_tensors(&data, ctx, images, targets));
	assert_ok(nnopt_transforms_create(&crop, ctx));
	assert_ok(nnopt_transforms_add_center_crop(crop, 4, 5));
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 11;
	assert_ok(nnopt_loader_create(&loader, data, crop, &o));
	assert_ok(nnopt_plan_options_init(&defaults, sizeof defaults));
	assert_ok(nnopt_loader_plan_options(&p, sizeof p, loader));
	assert_int_equal(p.batch, 11);
	assert_int_equal(p.rank, 3);
	assert_memory_equal(p.shape, ((int64_t[]){ 2, 4, 5 }), 3 * sizeof *p.shape);
	p.batch = defaults.batch;
	p.rank = defaults.rank;
	memcpy(p.shape, defaults.shape, sizeof p.shape);
	assert_memory_equal(&p, &defaults, sizeof p);
	size_t older = offsetof(nnopt_plan_options, max_bytes);
	memset(&p, 0x55, sizeof p);
	assert_ok(nnopt_loader_plan_options(&p, older, loader));
	assert_true(p.struct_size == older && p.batch == 11 && p.fuse == defaults.fuse);
	assert_true(p.max_bytes == UINT64_C(0x5555555555555555));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "loader is NULL", nnopt_loader_plan_options(&p, sizeof p, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "struct NULL", nnopt_loader_plan_options(NULL, sizeof p, loader));
	nnopt_loader_destroy(loader);
	nnopt_transforms_destroy(crop);
	nnopt_dataset_destroy(data);
	nnopt_tensor_destroy(targets);
	nnopt_tensor_destroy(images);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_scikit_learn),          cmocka_unit_test(halves_are_merged),
		cmocka_unit_test(ties_nans_and_bad_labels), cmocka_unit_test(reports),
		cmocka_unit_test(evaluation_is_a_loop),     cmocka_unit_test(losses_are_means_over_what_counts),
		cmocka_unit_test(plan_options_of_a_loader), cmocka_unit_test(nonsense_is_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
