/* out_of_fold.c - scores of all samples in their own rows, and those that each fold's model gives to the fold's own. */
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
	int64_t calls, fail_at;
	int64_t sizes[FOLDS];
} log_book;

static nnopt_status train(nnopt_model **trained, nnopt_transforms **transforms, int64_t fold, nnopt_dataset *part,
			  void *user)
{
	log_book *book = user;
	(void)transforms;
	assert_int_equal(fold, book->calls);
	book->sizes[fold] = nnopt_dataset_count(part);
	if (book->calls++ == book->fail_at)
		return nnopt_fail(NNOPT_ERROR_IO, "the disk is full");
	*trained = make_model((float)fold);
	return NNOPT_OK;
}

static nnopt_status train_nothing(nnopt_model **trained, nnopt_transforms **transforms, int64_t fold,
				  nnopt_dataset *part, void *user)
{
	(void)trained;
	(void)transforms;
	(void)fold;
	(void)part;
	(void)user;
	return NNOPT_OK;
}

static void each_fold_is_judged_by_the_model_of_the_others(void **state)
{
	(void)state;
	nnopt_dataset *d = make_data(NULL);
	nnopt_tensor *p = NULL;
	nnopt_out_of_fold_options o;
	log_book book = { .fail_at = -1 };
	int64_t fold_of[SAMPLES], sizes[FOLDS] = { 0 };
	assert_ok(nnopt_out_of_fold_options_init(&o, sizeof o));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "train is NULL", nnopt_out_of_fold(&p, d, &o));
	o.folds = FOLDS;
	o.seed = 5;
	o.batch = 6;
	o.train = train;
	o.user = &book;
	assert_ok(nnopt_out_of_fold(&p, d, &o));
	assert_int_equal(book.calls, FOLDS);
	/* Labels are not known without reading here: the folds are of one class. */
	assert_ok(nnopt_dataset_folds(d, FOLDS, 5, fold_of));
	const float *rows = nnopt_tensor_const_data(p);
	for (int64_t i = 0; i < SAMPLES; i++) {
		check_row(rows + i * CLASSES, i, (double)fold_of[i], 1);
		sizes[fold_of[i]]++;
	}
	for (int k = 0; k < FOLDS; k++)
		assert_int_equal(book.sizes[k], SAMPLES - sizes[k]);
	nnopt_tensor_destroy(p);

	book = (log_book){ .fail_at = 2 };
	assert_fails(NNOPT_ERROR_CALLBACK, "fold 2 failed: the disk is full", nnopt_out_of_fold(&p, d, &o));
	o.train = train_nothing;
	assert_fails(NNOPT_ERROR_CALLBACK, "no model", nnopt_out_of_fold(&p, d, &o));
	o.folds = 1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "1 folds", nnopt_out_of_fold(&p, d, &o));
	nnopt_dataset_destroy(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(predictions_are_in_the_order_of_the_dataset),
		cmocka_unit_test(each_fold_is_judged_by_the_model_of_the_others),
	};
	return cmocka_run_group_tests_name("train/out_of_fold", tests, setup, teardown);
}
