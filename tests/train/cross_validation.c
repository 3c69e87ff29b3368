/* cross_validation.c - scores of all samples in their own rows, and those that each fold's model gives to the fold's
 * own; what is kept of folds, taken over, cancelled and refused. */
#include "check.h"

#include <math.h>
#include <string.h>

enum { SAMPLES = 47, CLASSES = 3, SIDE = 2, FOLDS = 4, UNREADABLE = 11 };

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

/* The picture of sample i is i everywhere. */
static nnopt_status get(int64_t index, nnopt_sample *sample, void *user)
{
	if (user != NULL && index == UNREADABLE)
		return nnopt_fail(NNOPT_ERROR_FORMAT, "sample: damaged");
	sample->height = sample->width = SIDE;
	sample->label = index % CLASSES;
	memset(sample->pixels, (int)index, SIDE * SIDE);
	return NNOPT_OK;
}

static nnopt_dataset *make_data(void *damaged)
{
	nnopt_callback_dataset_options o;
	nnopt_dataset *d = NULL;
	assert_ok(nnopt_callback_dataset_options_init(&o, sizeof o));
	o.count = SAMPLES;
	o.classes = CLASSES;
	o.channels = 1;
	o.max_height = o.max_width = SIDE;
	o.get = get;
	o.user = damaged;
	assert_ok(nnopt_dataset_from_callbacks(&d, ctx, &o));
	return d;
}

/* Logits: the mean of the picture, `second`, 0. */
static nnopt_model *make_model(float second)
{
	nnopt_model *m = NULL;
	nnopt_tensor *weight = NULL, *bias = NULL;
	int32_t index;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_flatten(m));
	assert_ok(nnopt_add_linear(m, CLASSES, NULL));
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 1, SIDE, SIDE }));
	assert_ok(nnopt_tensor_create(&weight, ctx, NNOPT_F32, 2, (int64_t[]){ CLASSES, SIDE * SIDE }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&bias, ctx, NNOPT_F32, 1, (int64_t[]){ CLASSES }, NNOPT_NCHW));
	float *w = nnopt_tensor_data(weight), *b = nnopt_tensor_data(bias);
	for (int i = 0; i < CLASSES * SIDE * SIDE; i++)
		w[i] = i < SIDE * SIDE ? 1.0f / (SIDE * SIDE) : 0.0f;
	b[0] = b[2] = 0.0f;
	b[1] = second;
	assert_ok(nnopt_model_find_parameter(m, "linear1.weight", &index));
	assert_ok(nnopt_model_set_parameter(m, index, weight));
	assert_ok(nnopt_model_find_parameter(m, "linear1.bias", &index));
	assert_ok(nnopt_model_set_parameter(m, index, bias));
	nnopt_tensor_destroy(weight);
	nnopt_tensor_destroy(bias);
	return m;
}

static void check_row(const float *row, int64_t sample, double second, int probabilities)
{
	double x[3] = { (double)sample / 255.0, second, 0.0 }, sum = 0.0;
	for (int c = 0; c < 3; c++)
		sum += exp(x[c]);
	for (int c = 0; c < 3; c++) {
		double wanted = probabilities ? exp(x[c]) / sum : x[c];
		if (!(fabs((double)row[c] - wanted) < 1e-6))
			fail_msg("sample %d: %g, %g wanted", (int)sample, (double)row[c], wanted);
	}
}

static void predictions_are_in_the_order_of_the_dataset(void **state)
{
	(void)state;
	nnopt_dataset *d = make_data(&ctx);
	nnopt_model *m = make_model(0.5f);
	for (int32_t probabilities = 0; probabilities < 2; probabilities++) {
		nnopt_loader *loader = NULL;
		nnopt_loader_options o;
		nnopt_tensor *scores = NULL;
		assert_ok(nnopt_loader_options_init(&o, sizeof o));
		o.batch = 10;
		o.shuffle = 1;
		assert_ok(nnopt_loader_create(&loader, d, NULL, &o));
		assert_ok(nnopt_predict(&scores, m, NULL, loader, probabilities));
		assert_int_equal(nnopt_tensor_extent(scores, 0), SAMPLES);
		assert_int_equal(nnopt_tensor_extent(scores, 1), CLASSES);
		const float *rows = nnopt_tensor_const_data(scores);
		for (int64_t i = 0; i < SAMPLES; i++)
			if (i == UNREADABLE)
				assert_true(isnan(rows[i * CLASSES]) && isnan(rows[i * CLASSES + 2]));
			else
				check_row(rows + i * CLASSES, i, 0.5, probabilities);
		nnopt_tensor_destroy(scores);
		nnopt_loader_destroy(loader);
	}
	nnopt_tensor *none = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "NULL", nnopt_predict(&none, m, NULL, NULL, 0));
	nnopt_model_destroy(m);
	nnopt_dataset_destroy(d);
}

typedef struct log_book {
	int64_t calls, judged, fail_at, fail_on_fold, cancel_in;
	int64_t sizes[FOLDS];
	nnopt_cancel *cancel;
	nnopt_status failure; /* of training fold fail_at; 0: IO with a text */
	nnopt_model *kept;    /* fold 1's */
} log_book;

/* Two epochs at rate 0: a history, and the model as it was. */
static nnopt_history *fit(nnopt_model *m, nnopt_dataset *part, nnopt_cancel *cancel)
{
	nnopt_loader *loader = NULL;
	nnopt_loss *loss = NULL;
	nnopt_optimizer *sgd = NULL;
	nnopt_sgd_options so;
	nnopt_fit_options fo;
	nnopt_history *history = NULL;
	assert_ok(nnopt_loader_create(&loader, part, NULL, NULL));
	assert_ok(nnopt_cross_entropy_create(&loss, ctx, NULL));
	assert_ok(nnopt_sgd_options_init(&so, sizeof so));
	so.lr = 0.0;
	assert_ok(nnopt_sgd_create(&sgd, ctx, &so));
	assert_ok(nnopt_fit_options_init(&fo, sizeof fo));
	fo.epochs = 2;
	fo.cancel = cancel;
	nnopt_status status = nnopt_fit(m, loader, loss, sgd, &fo, &history);
	assert_int_equal(status, nnopt_cancel_requested(cancel) ? NNOPT_ERROR_CANCELLED : NNOPT_OK);
	nnopt_optimizer_destroy(sgd);
	nnopt_loss_destroy(loss);
	nnopt_loader_destroy(loader);
	return history;
}

static nnopt_status train(nnopt_fold *fold, void *user)
{
	log_book *book = user;
	assert_int_equal(fold->struct_size, sizeof *fold);
	assert_int_equal(fold->index, book->calls);
	assert_int_equal(fold->folds, FOLDS);
	assert_true(fold->model == NULL && fold->transforms == NULL && fold->history == NULL && fold->metrics == NULL);
	assert_int_equal(nnopt_dataset_count(fold->train) + nnopt_dataset_count(fold->held_out), SAMPLES);
	book->sizes[fold->index] = nnopt_dataset_count(fold->train);
	book->calls++;
	if (fold->index == book->fail_at && book->failure != NNOPT_OK)
		return book->failure;
	if (fold->index == book->fail_at)
		return nnopt_fail(NNOPT_ERROR_IO, "the disk is full");
	fold->model = make_model((float)fold->index);
	if (fold->index == book->cancel_in)
		nnopt_cancel_request(book->cancel);
	if (fold->index != 2)
		fold->history = fit(fold->model, fold->train, book->cancel);
	return fold->index == book->cancel_in ? nnopt_fail(NNOPT_ERROR_CANCELLED, "fit: cancelled") : NNOPT_OK;
}

static nnopt_status on_fold(nnopt_fold *fold, void *user)
{
	log_book *book = user;
	assert_int_equal(fold->index, book->judged);
	assert_int_equal(nnopt_metrics_count(fold->metrics), SAMPLES - book->sizes[fold->index]);
	assert_true(nnopt_metrics_accuracy(fold->metrics) == fold->accuracy && fold->loss > 0.0);
	book->judged++;
	if (fold->index == 1) {
		book->kept = fold->model;
		fold->model = NULL;
	}
	return fold->index == book->fail_on_fold ? nnopt_fail(NNOPT_ERROR_IO, "no room for the model") : NNOPT_OK;
}

static nnopt_status train_only(nnopt_fold *fold, void *user)
{
	(void)user;
	fold->model = make_model(0.5f);
	return NNOPT_OK;
}

static nnopt_status train_nothing(nnopt_fold *fold, void *user)
{
	(void)fold;
	(void)user;
	return NNOPT_OK;
}

static nnopt_cross_validation_options options_of(log_book *book)
{
	nnopt_cross_validation_options o;
	assert_ok(nnopt_cross_validation_options_init(&o, sizeof o));
	assert_true(o.folds == 5 && o.batch == 256);
	o.folds = FOLDS;
	o.seed = 5;
	o.batch = 6;
	o.train = train;
	o.on_fold = on_fold;
	o.cancel = book->cancel;
	o.user = book;
	return o;
}

static log_book new_book(void) { return (log_book){ .fail_at = -1, .fail_on_fold = -1, .cancel_in = -1 }; }

/* By hand: the loss and the hits of sample i by the model of its fold. */
static double loss_of(int64_t i, double second, int *hit)
{
	double x[3] = { (double)i / 255.0, second, 0.0 };
	int best = x[1] > x[0];
	*hit = (x[2] > x[best] ? 2 : best) == i % CLASSES;
	return log(exp(x[0]) + exp(x[1]) + 1.0) - x[i % CLASSES];
}

static void each_fold_is_judged_by_the_model_of_the_others(void **state)
{
	(void)state;
	nnopt_dataset *d = make_data(NULL);
	nnopt_loss *loss = NULL;
	nnopt_cross_validation *cv = NULL;
	log_book book = new_book();
	nnopt_cross_validation_options o = options_of(&book);
	int64_t fold_of[SAMPLES], sizes[FOLDS] = { 0 };
	double losses[FOLDS] = { 0 }, hits[FOLDS] = { 0 }, all = 0.0;
	assert_ok(nnopt_cross_entropy_create(&loss, ctx, NULL));
	o.loss = loss;
	assert_ok(nnopt_cross_validate(&cv, d, &o));
	assert_int_equal(book.calls, FOLDS);
	assert_int_equal(book.judged, FOLDS);
	assert_int_equal(nnopt_cross_validation_folds(cv), FOLDS);
	/* Labels are not known without reading here: the folds are of one class. */
	assert_ok(nnopt_dataset_folds(d, FOLDS, 5, fold_of));
	const float *rows = nnopt_tensor_const_data(nnopt_cross_validation_probabilities(cv));
	for (int64_t i = 0; i < SAMPLES; i++) {
		int hit;
		check_row(rows + i * CLASSES, i, (double)fold_of[i], 1);
		losses[fold_of[i]] += loss_of(i, (double)fold_of[i], &hit);
		hits[fold_of[i]] += hit;
		all += hit;
		sizes[fold_of[i]]++;
	}
	double mean_loss = 0.0, mean_accuracy = 0.0;
	for (int64_t k = 0; k < FOLDS; k++) {
		nnopt_fold_result r = { .struct_size = sizeof r };
		assert_int_equal(book.sizes[k], SAMPLES - sizes[k]);
		assert_ok(nnopt_cross_validation_fold(cv, k, &r));
		assert_int_equal(r.count, sizes[k]);
		assert_true(fabs(r.loss - losses[k] / (double)sizes[k]) < 1e-6 && r.seconds >= 0.0);
		assert_true(fabs(r.accuracy - hits[k] / (double)sizes[k]) < 1e-12);
		assert_int_equal(nnopt_metrics_count(nnopt_cross_validation_metrics(cv, k)), sizes[k]);
		assert_true(nnopt_metrics_accuracy(nnopt_cross_validation_metrics(cv, k)) == r.accuracy);
		assert_int_equal(nnopt_history_epochs(nnopt_cross_validation_history(cv, k)), k == 2 ? 0 : 2);
		mean_loss += r.loss / FOLDS;
		mean_accuracy += r.accuracy / FOLDS;
	}
	const nnopt_metrics *pooled = nnopt_cross_validation_metrics(cv, -1);
	assert_int_equal(nnopt_metrics_count(pooled), SAMPLES);
	assert_true(fabs(nnopt_metrics_accuracy(pooled) - all / SAMPLES) < 1e-12);
	nnopt_estimate e = { .struct_size = sizeof e };
	assert_ok(nnopt_cross_validation_accuracy(&e, cv, 0.95));
	assert_true(fabs(e.value - mean_accuracy) < 1e-12 && e.count == FOLDS && e.low < e.value && e.value < e.high);
	assert_ok(nnopt_cross_validation_loss(&e, cv, 0.95));
	assert_true(fabs(e.value - mean_loss) < 1e-12 && e.low < e.value && e.value < e.high);
	assert_non_null(book.kept);
	assert_ok(nnopt_model_save(book.kept, TEST_TMP "/cross_validation.safetensors"));
	nnopt_model_destroy(book.kept);

	/* What does not exist. */
	nnopt_fold_result r = { .struct_size = sizeof r };
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "fold 4 of 4", nnopt_cross_validation_fold(cv, FOLDS, &r));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "fold -1", nnopt_cross_validation_fold(cv, -1, &r));
	assert_null(nnopt_cross_validation_metrics(cv, FOLDS));
	assert_null(nnopt_cross_validation_history(cv, 2));
	assert_null(nnopt_cross_validation_history(cv, -1));
	nnopt_cross_validation_destroy(cv);
	nnopt_loss_destroy(loss);
	nnopt_dataset_destroy(d);
}

/* A sample that cannot be read is in no count; its row is NaN, and its label -1. */
static void unreadable_samples_are_left_out(void **state)
{
	(void)state;
	nnopt_dataset *d = make_data(&ctx);
	nnopt_cross_validation *cv = NULL;
	nnopt_tensor *labels = NULL;
	nnopt_cross_validation_options o;
	nnopt_estimate e = { .struct_size = sizeof e };
	assert_ok(nnopt_cross_validation_options_init(&o, sizeof o));
	o.folds = 2;
	o.train = train_only;
	assert_ok(nnopt_cross_validate(&cv, d, &o));
	assert_int_equal(nnopt_metrics_count(nnopt_cross_validation_metrics(cv, -1)), SAMPLES - 1);
	assert_ok(nnopt_dataset_labels(&labels, d));
	assert_int_equal(nnopt_tensor_dtype(labels), NNOPT_I64);
	assert_int_equal(nnopt_tensor_count(labels), SAMPLES);
	for (int64_t i = 0; i < SAMPLES; i++)
		assert_int_equal(((const int64_t *)nnopt_tensor_const_data(labels))[i],
				 i == UNREADABLE ? -1 : i % CLASSES);
	assert_ok(nnopt_roc_auc(&e, ctx, nnopt_cross_validation_probabilities(cv), labels, NULL));
	assert_int_equal(e.count, SAMPLES - 1);
	assert_ok(nnopt_cross_validation_loss(&e, cv, 0.95)); /* without a loss */
	assert_true(e.value == 0.0);
	nnopt_tensor_destroy(labels);
	nnopt_cross_validation_destroy(cv);
	nnopt_dataset_destroy(d);
}

/* What is given when folds 0 and 1 have been judged and then something ends it. */
static void check_two_folds(nnopt_cross_validation **cv, nnopt_dataset *d)
{
	int64_t fold_of[SAMPLES];
	assert_non_null(*cv);
	assert_int_equal(nnopt_cross_validation_folds(*cv), 2);
	assert_ok(nnopt_dataset_folds(d, FOLDS, 5, fold_of));
	const float *rows = nnopt_tensor_const_data(nnopt_cross_validation_probabilities(*cv));
	for (int64_t i = 0; i < SAMPLES; i++)
		assert_int_equal(isnan(rows[i * CLASSES]), fold_of[i] >= 2);
	nnopt_cross_validation_destroy(*cv);
	*cv = NULL;
}

static void a_run_that_ends_early_gives_what_it_has(void **state)
{
	(void)state;
	nnopt_dataset *d = make_data(NULL);
	nnopt_cross_validation *cv = NULL;
	log_book book = new_book();
	nnopt_cross_validation_options o = options_of(&book);
	o.on_fold = NULL;
	book.fail_at = 2;
	assert_fails(NNOPT_ERROR_CALLBACK, "training fold 2 failed: the disk is full",
		     nnopt_cross_validate(&cv, d, &o));
	check_two_folds(&cv, d);
	book = new_book();
	book.fail_at = 2;
	book.failure = NNOPT_ERROR_NONFINITE; /* without a text: an old one is not taken for its */
	assert_fails(NNOPT_ERROR_CALLBACK, nnopt_status_name(NNOPT_ERROR_NONFINITE), nnopt_cross_validate(&cv, d, &o));
	check_two_folds(&cv, d);
	book = new_book();
	book.fail_at = 0;
	assert_fails(NNOPT_ERROR_CALLBACK, "training fold 0 failed", nnopt_cross_validate(&cv, d, &o));
	assert_null(cv);

	book = new_book();
	book.fail_on_fold = 1;
	nnopt_loss *loss = NULL;
	assert_ok(nnopt_cross_entropy_create(&loss, ctx, NULL));
	o.loss = loss;
	o.on_fold = on_fold;
	assert_fails(NNOPT_ERROR_CALLBACK, "on_fold of fold 1 failed: no room for the model",
		     nnopt_cross_validate(&cv, d, &o));
	nnopt_model_destroy(book.kept);
	check_two_folds(&cv, d);
	nnopt_loss_destroy(loss);
	o.loss = NULL;

	book = new_book();
	assert_ok(nnopt_cancel_create(&book.cancel, ctx));
	book.cancel_in = 2; /* inside the training of a fold, which told no lie */
	o.cancel = book.cancel;
	o.on_fold = NULL;
	assert_fails(NNOPT_ERROR_CANCELLED, "cancelled", nnopt_cross_validate(&cv, d, &o));
	check_two_folds(&cv, d);
	nnopt_cancel *cancel = book.cancel;
	book = new_book();
	assert_fails(NNOPT_ERROR_CANCELLED, "before fold 0 of 4", nnopt_cross_validate(&cv, d, &o));
	assert_int_equal(book.calls, 0);
	assert_null(cv);
	nnopt_cancel_destroy(cancel);
	nnopt_dataset_destroy(d);
}

static void refuses(void **state)
{
	(void)state;
	nnopt_dataset *d = make_data(NULL);
	nnopt_cross_validation *cv = NULL;
	nnopt_tensor *labels = NULL;
	log_book book = new_book();
	nnopt_cross_validation_options o = options_of(&book);
#define refused(words, call) assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words, call)
	refused("out or dataset", nnopt_cross_validate(NULL, d, &o));
	refused("train is NULL", nnopt_cross_validate(&cv, d, NULL));
	o.train = train_nothing;
	assert_fails(NNOPT_ERROR_CALLBACK, "fold 0 gave no model", nnopt_cross_validate(&cv, d, &o));
	o.folds = 1;
	refused("1 folds, 2 to 47 wanted", nnopt_cross_validate(&cv, d, &o));
	o.folds = SAMPLES + 1;
	refused("48 folds", nnopt_cross_validate(&cv, d, &o));
	o.folds = 2;
	o.batch = 0;
	refused("batch 0", nnopt_cross_validate(&cv, d, &o));
	refused("labels is NULL", nnopt_dataset_labels(NULL, d));
	refused("dataset is NULL", nnopt_dataset_labels(&labels, NULL));
	assert_true(cv == NULL && labels == NULL);
	nnopt_dataset_destroy(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(predictions_are_in_the_order_of_the_dataset),
		cmocka_unit_test(each_fold_is_judged_by_the_model_of_the_others),
		cmocka_unit_test(unreadable_samples_are_left_out),
		cmocka_unit_test(a_run_that_ends_early_gives_what_it_has),
		cmocka_unit_test(refuses),
	};
	return cmocka_run_group_tests_name("train/cross_validation", tests, setup, teardown);
}
