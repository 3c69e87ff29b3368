/* 17_evaluation.c - how good a network is, how sure one may be of that, and whether another one is better: k-fold
 * cross-validation, area under the ROC curve, calibration before and after temperature scaling, two networks compared
 * on the same samples, the worst mistakes.
 *
 * Without arguments it draws shapes; with a folder of classes of pictures (of one size) it takes those.
 *
 * usage: 17_evaluation [DIR] [--epochs N] [--folds K] */
#include "shapes.h"

#include <string.h>

#define DRAWN 1000

typedef struct job {
	nnopt_context *ctx;
	nnopt_loss *loss;
	int64_t epochs, folds;
	int32_t batch_norm; /* the one thing in which the two networks differ */
} job;

static nnopt_model *new_model(const job *j, int64_t classes)
{
	nnopt_model *m = NULL;
	CHECK(nnopt_model_create(&m, j->ctx));
	for (int64_t width = 12; width <= 24; width *= 2) {
		CHECK(nnopt_add_conv2d(m, width, 3, NULL));
		if (j->batch_norm)
			CHECK(nnopt_add_batch_norm2d(m, NULL));
		CHECK(nnopt_add_relu(m));
		CHECK(nnopt_add_max_pool2d(m, 2, NULL));
	}
	CHECK(nnopt_add_flatten(m));
	CHECK(nnopt_add_linear(m, classes, NULL));
	return m;
}

static nnopt_model *train(const job *j, nnopt_dataset *data, nnopt_history **history)
{
	nnopt_model *m = new_model(j, nnopt_dataset_classes(data));
	nnopt_loader *loader = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_loader_options lo;
	nnopt_adam_options ao;
	nnopt_fit_options fo;
	CHECK(nnopt_loader_options_init(&lo, sizeof lo));
	lo.batch = 32;
	lo.shuffle = 1;
	CHECK(nnopt_loader_create(&loader, data, NULL, &lo));
	CHECK(nnopt_adam_options_init(&ao, sizeof ao));
	ao.lr = 3e-3;
	CHECK(nnopt_adam_create(&adam, j->ctx, &ao));
	CHECK(nnopt_fit_options_init(&fo, sizeof fo));
	fo.epochs = j->epochs;
	CHECK(nnopt_fit(m, loader, j->loss, adam, &fo, history));
	nnopt_optimizer_destroy(adam);
	nnopt_loader_destroy(loader);
	return m;
}

/* What cross-validation calls for each fold. */
static nnopt_status train_fold(nnopt_fold *fold, void *user)
{
	fold->model = train(user, fold->train, &fold->history);
	return NNOPT_OK;
}

static nnopt_cross_validation *cross_validate(job *j, nnopt_dataset *data, int32_t batch_norm)
{
	nnopt_cross_validation *cv = NULL;
	nnopt_cross_validation_options o;
	nnopt_estimate accuracy = { .struct_size = sizeof accuracy }, loss = { .struct_size = sizeof loss };
	j->batch_norm = batch_norm;
	CHECK(nnopt_cross_validation_options_init(&o, sizeof o));
	o.folds = j->folds;
	o.loss = j->loss;
	o.train = train_fold;
	o.user = j;
	CHECK(nnopt_cross_validate(&cv, data, &o));
	printf("%s batch norm, %lld folds:", batch_norm ? "with" : "without", (long long)j->folds);
	for (int64_t k = 0; k < nnopt_cross_validation_folds(cv); k++) {
		nnopt_fold_result r = { .struct_size = sizeof r };
		CHECK(nnopt_cross_validation_fold(cv, k, &r));
		printf(" %.1f", 100.0 * r.accuracy);
	}
	CHECK(nnopt_cross_validation_accuracy(&accuracy, cv, 0.95));
	CHECK(nnopt_cross_validation_loss(&loss, cv, 0.95));
	printf("\n  accuracy %.1f %% [%.1f, %.1f], loss %.3f [%.3f, %.3f] (mean of the folds, t interval)\n",
	       100.0 * accuracy.value, 100.0 * accuracy.low, 100.0 * accuracy.high, loss.value, loss.low, loss.high);
	return cv;
}

static void rank(const job *j, const nnopt_tensor *p, const nnopt_tensor *labels)
{
	nnopt_estimate auc = { .struct_size = sizeof auc };
	double precision;
	CHECK(nnopt_roc_auc(&auc, j->ctx, p, labels, NULL));
	CHECK(nnopt_average_precision(&precision, j->ctx, p, labels, -1));
	printf("  one against the rest: area under the ROC curve %.4f [%.4f, %.4f], average precision %.4f\n",
	       auc.value, auc.low, auc.high, precision);
}

/* Over folds the difference includes the luck of training; over samples it does not, and its interval is narrower for
 * that: it speaks of these networks alone. */
static void compare(const job *j, const nnopt_cross_validation *a, const nnopt_cross_validation *b,
		    const nnopt_tensor *labels)
{
	double first[64], second[64];
	int64_t folds = nnopt_cross_validation_folds(a);
	nnopt_estimate gain = { .struct_size = sizeof gain };
	nnopt_mcnemar_result m = { .struct_size = sizeof m };
	const nnopt_tensor *p = nnopt_cross_validation_probabilities(a), *q = nnopt_cross_validation_probabilities(b);
	for (int64_t k = 0; k < folds; k++) {
		nnopt_fold_result r = { .struct_size = sizeof r };
		CHECK(nnopt_cross_validation_fold(a, k, &r));
		first[k] = r.accuracy;
		CHECK(nnopt_cross_validation_fold(b, k, &r));
		second[k] = r.accuracy;
	}
	printf("what batch norm gains, in points of accuracy:\n");
	CHECK(nnopt_paired_interval(&gain, first, second, folds, 0.95));
	printf("  over folds %+.1f [%+.1f, %+.1f], p %.3g\n", 100.0 * gain.value, 100.0 * gain.low, 100.0 * gain.high,
	       gain.p);
	CHECK(nnopt_accuracy_difference(&gain, j->ctx, p, q, labels, NULL));
	printf("  over samples %+.1f [%+.1f, %+.1f] (paired bootstrap)\n", 100.0 * gain.value, 100.0 * gain.low,
	       100.0 * gain.high);
	CHECK(nnopt_mcnemar(&m, p, q, labels));
	printf("  McNemar: right without it alone %lld, with it alone %lld, p %.3g exact, %.3g by chi-squared\n",
	       (long long)m.first_only, (long long)m.second_only, m.exact_p, m.p);
}

static void print_calibration(const job *j, const nnopt_tensor *logits, const nnopt_tensor *labels, double temperature)
{
	nnopt_calibration *c = NULL;
	nnopt_calibration_options o;
	nnopt_calibration_info info = { .struct_size = sizeof info };
	CHECK(nnopt_calibration_options_init(&o, sizeof o));
	o.bins = 5;
	o.temperature = temperature;
	CHECK(nnopt_calibration_create(&c, j->ctx, logits, labels, &o));
	CHECK(nnopt_calibration_get_info(c, &info));
	printf("  at temperature %.2f: accuracy %.3f, said %.3f; ECE %.3f, Brier %.3f, NLL %.3f\n   ", temperature,
	       info.accuracy, info.confidence, info.ece, info.brier, info.nll);
	for (int64_t i = 0; i < info.bins; i++) { /* the bars of the reliability diagram */
		nnopt_calibration_bin bin = { .struct_size = sizeof bin };
		CHECK(nnopt_calibration_get_bin(c, i, &bin));
		if (bin.count > 0)
			printf(" %.2f said, %.2f true (%lld) ", bin.confidence, bin.accuracy, (long long)bin.count);
	}
	printf("\n");
	nnopt_calibration_destroy(c);
}

static nnopt_tensor *predict(nnopt_model *m, nnopt_dataset *data)
{
	nnopt_loader *loader = NULL;
	nnopt_tensor *logits = NULL;
	CHECK(nnopt_loader_create(&loader, data, NULL, NULL));
	CHECK(nnopt_predict(&logits, m, NULL, loader, 0));
	nnopt_loader_destroy(loader);
	return logits;
}

/* Half of the pictures train; a quarter, which the network has not seen, tells the temperature; the last quarter
 * judges. */
static void calibrate(job *j, nnopt_dataset *data)
{
	nnopt_dataset *half = NULL, *rest = NULL, *held_out = NULL, *test = NULL;
	nnopt_tensor *labels = NULL;
	double temperature;
	CHECK(nnopt_dataset_split(&half, &rest, data, 0.5, 1));
	CHECK(nnopt_dataset_split(&held_out, &test, rest, 0.5, 2));
	j->epochs *= 5; /* longer than is good: the network becomes too sure of itself */
	nnopt_model *m = train(j, half, NULL);
	nnopt_tensor *logits = predict(m, held_out);
	CHECK(nnopt_dataset_labels(&labels, held_out));
	CHECK(nnopt_temperature_fit(&temperature, logits, labels));
	nnopt_tensor_destroy(labels);
	nnopt_tensor_destroy(logits);
	logits = predict(m, test);
	CHECK(nnopt_dataset_labels(&labels, test));
	printf("calibration on %lld test samples:\n", (long long)nnopt_dataset_count(test));
	print_calibration(j, logits, labels, 1.0);
	print_calibration(j, logits, labels, temperature);
	nnopt_tensor_destroy(labels);
	nnopt_tensor_destroy(logits);
	nnopt_model_destroy(m);
	nnopt_dataset_destroy(test);
	nnopt_dataset_destroy(held_out);
	nnopt_dataset_destroy(rest);
	nnopt_dataset_destroy(half);
}

static void print_worst(nnopt_dataset *data, const nnopt_tensor *p, const nnopt_tensor *labels)
{
	int64_t worst[5], found;
	double confidence[5];
	CHECK(nnopt_worst_samples(worst, confidence, &found, p, labels, NNOPT_WORST_BY_CONFIDENCE, 5));
	printf("the most confident mistakes:\n");
	for (int64_t k = 0; k < found; k++) {
		const char *name = nnopt_dataset_sample_name(data, worst[k]);
		printf("  sample %lld%s%s, of class %s: %.3f sure of another\n", (long long)worst[k],
		       name != NULL ? ", " : "", name != NULL ? name : "",
		       nnopt_dataset_class_name(data, nnopt_dataset_label(data, worst[k])), confidence[k]);
	}
}

int main(int argc, char **argv)
{
	job j = { .epochs = 6, .folds = 5 };
	const char *folder = NULL;
	nnopt_dataset *data = NULL;
	nnopt_tensor *labels = NULL;
	read_arguments(argc, argv, "[DIR] [--epochs N] [--folds K]",
		       (const argument[]){ { .text = &folder },
					   { .name = "epochs", .number = &j.epochs, .least = 1 },
					   { .name = "folds", .number = &j.folds, .least = 2 },
					   { 0 } });
	j.folds = j.folds < 64 ? j.folds : 64;
	CHECK(nnopt_context_create(&j.ctx, NULL));
	if (folder != NULL)
		CHECK(nnopt_image_folder_open(&data, j.ctx, folder, NULL));
	else
		data = make_shapes(j.ctx, DRAWN, 1);
	CHECK(nnopt_cross_entropy_create(&j.loss, j.ctx, NULL));
	CHECK(nnopt_dataset_labels(&labels, data));
	nnopt_cross_validation *plain = cross_validate(&j, data, 0);
	rank(&j, nnopt_cross_validation_probabilities(plain), labels);
	nnopt_cross_validation *normed = cross_validate(&j, data, 1);
	rank(&j, nnopt_cross_validation_probabilities(normed), labels);
	compare(&j, plain, normed, labels);
	print_worst(data, nnopt_cross_validation_probabilities(normed), labels);
	calibrate(&j, data);
	nnopt_cross_validation_destroy(plain);
	nnopt_cross_validation_destroy(normed);
	nnopt_tensor_destroy(labels);
	nnopt_loss_destroy(j.loss);
	nnopt_dataset_destroy(data);
	nnopt_context_destroy(j.ctx);
	return EXIT_SUCCESS;
}
