/* 19_report.c - a training as one HTML file: written while it runs, so that it can be watched in a browser, and again
 * at its end with everything that can be told of it: classes, calibration, the worst mistakes with what the network
 * looked at.
 *
 * usage: 19_report [TRAIN_DIR TEST_DIR] [--epochs N] [--trials N] [--out report.html] */
#include "shapes.h"

#include <string.h>

typedef struct job {
	nnopt_context *ctx;
	nnopt_dataset *train, *validation, *test;
	nnopt_model *model;
	nnopt_report *report;
	int64_t epochs, trials;
	int drawn; /* the pictures are shapes.h's */
	const char *path;
} job;

/* `flipped`: how likely a picture is mirrored. */
static nnopt_loader *make_loader(nnopt_dataset *data, int32_t training, double flipped)
{
	nnopt_loader_options o;
	nnopt_loader *loader = NULL;
	nnopt_transforms *t = NULL;
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.shuffle = o.drop_last = training;
	CHECK(nnopt_transforms_create(&t, nnopt_dataset_context(data)));
	if (flipped > 0.0)
		CHECK(nnopt_transforms_add_horizontal_flip(t, flipped));
	CHECK(nnopt_loader_create(&loader, data, t, &o));
	nnopt_transforms_destroy(t);
	return loader;
}

static nnopt_model *make_model(const job *j, nnopt_loader *loader, int64_t width)
{
	nnopt_model *m = NULL;
	nnopt_conv2d_options same;
	int64_t shape[3];
	CHECK(nnopt_conv2d_options_init(&same, sizeof same));
	same.padding_mode = NNOPT_PADDING_SAME;
	CHECK(nnopt_model_create(&m, j->ctx));
	for (int64_t wider = 1; wider <= 4; wider *= 2) {
		CHECK(nnopt_add_conv2d(m, wider * width, 3, &same));
		CHECK(nnopt_add_batch_norm2d(m, NULL));
		CHECK(nnopt_add_relu(m));
		if (wider < 4)
			CHECK(nnopt_add_max_pool2d(m, 2, NULL));
	}
	CHECK(nnopt_add_global_avg_pool2d(m));
	CHECK(nnopt_add_flatten(m));
	CHECK(nnopt_add_linear(m, nnopt_dataset_classes(j->train), NULL));
	CHECK(nnopt_loader_sample_shape(loader, shape));
	CHECK(nnopt_model_build(m, 3, shape));
	return m;
}

static void train(job *j)
{
	static const char *const names[] = { "Optimizer", "Schedule", "Batch", "Seed" };
	static const char *const values[] = { "Adam, 0.003", "one cycle", "64", "0" };
	nnopt_loader *batches = make_loader(j->train, 1, 0.5), *validation = make_loader(j->validation, 0, 0.0);
	nnopt_loss *loss = NULL;
	nnopt_adam_options ao;
	nnopt_optimizer *adam = NULL;
	nnopt_schedule *schedule = NULL;
	nnopt_history *history = NULL;
	nnopt_fit_options o;
	j->model = make_model(j, batches, 16);
	CHECK(nnopt_cross_entropy_create(&loss, j->ctx, NULL));
	CHECK(nnopt_adam_options_init(&ao, sizeof ao));
	ao.lr = 3e-3;
	CHECK(nnopt_adam_create(&adam, j->ctx, &ao));
	CHECK(nnopt_schedule_one_cycle_create(&schedule, j->ctx, j->epochs * nnopt_loader_batches(batches), 0.3, 0.04,
					      1e-4, 0));
	CHECK(nnopt_fit_options_init(&o, sizeof o));
	o.epochs = j->epochs;
	o.validation = validation;
	o.schedule = schedule;
	o.on_batch = nnopt_progress_bar;
	/* Sections come in the order of adding; the one of the run is brought up to date after each epoch. */
	CHECK(nnopt_report_add_values(j->report, "Options", names, values, 4));
	CHECK(nnopt_report_add_model(j->report, NULL, j->model));
	CHECK(nnopt_report_follow(j->report, NULL, j->path, 1, 5));
	o.on_epoch = nnopt_report_on_epoch;
	o.progress_user = j->report;
	CHECK(nnopt_fit(j->model, batches, loss, adam, &o, &history));
	CHECK(nnopt_report_add_history(j->report, NULL, history));
	nnopt_history_destroy(history);
	nnopt_schedule_destroy(schedule);
	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_loader_destroy(batches);
	nnopt_loader_destroy(validation);
}

static nnopt_tensor *predict(job *j, nnopt_dataset *data, int32_t flipped, int32_t probabilities)
{
	nnopt_tensor *scores = NULL;
	nnopt_loader *loader = make_loader(data, 0, flipped);
	CHECK(nnopt_predict(&scores, j->model, NULL, loader, probabilities));
	nnopt_loader_destroy(loader);
	return scores;
}

/* The temperature that validation data ask for, and what it makes of test data. */
static void add_calibration(job *j, const nnopt_tensor *labels)
{
	nnopt_tensor *logits = predict(j, j->validation, 0, 0), *known = NULL, *tested = predict(j, j->test, 0, 0);
	nnopt_calibration *before = NULL, *after = NULL;
	nnopt_calibration_options o;
	double temperature;
	CHECK(nnopt_dataset_labels(&known, j->validation));
	CHECK(nnopt_temperature_fit(&temperature, logits, known));
	CHECK(nnopt_calibration_options_init(&o, sizeof o));
	o.temperature = 1.0;
	CHECK(nnopt_calibration_create(&before, j->ctx, tested, labels, &o));
	o.temperature = temperature;
	CHECK(nnopt_calibration_create(&after, j->ctx, tested, labels, &o));
	CHECK(nnopt_report_add_calibration(j->report, NULL, before, after, temperature));
	nnopt_calibration_destroy(before);
	nnopt_calibration_destroy(after);
	nnopt_tensor_destroy(tested);
	nnopt_tensor_destroy(known);
	nnopt_tensor_destroy(logits);
}

/* A small ladder: what the mean over a picture and its mirror image gains. */
static void add_ladder(job *j, const nnopt_tensor *plain, const nnopt_tensor *labels)
{
	static const char *const rungs[] = { "the network", "+ mirror images when tested" };
	double accuracy[2], low[2], high[2], gain[2] = { 0.0 / 0.0 }, gain_low[2] = { 0.0 / 0.0 },
					     gain_high[2] = { 0.0 / 0.0 };
	nnopt_tensor *both = predict(j, j->test, 1, 1);
	nnopt_estimate difference = { .struct_size = sizeof difference };
	for (int64_t i = 0; i < nnopt_tensor_count(both); i++)
		((float *)nnopt_tensor_data(both))[i] += ((const float *)nnopt_tensor_const_data(plain))[i];
	for (int k = 0; k < 2; k++) {
		nnopt_metrics *m = NULL;
		CHECK(nnopt_metrics_create(&m, j->ctx, nnopt_dataset_classes(j->test)));
		CHECK(nnopt_metrics_add(m, k == 0 ? plain : both, labels));
		CHECK(nnopt_metrics_accuracy_interval(m, 0.95, &low[k], &high[k]));
		accuracy[k] = 100.0 * nnopt_metrics_accuracy(m);
		low[k] *= 100.0;
		high[k] *= 100.0;
		nnopt_metrics_destroy(m);
	}
	CHECK(nnopt_accuracy_difference(&difference, j->ctx, plain, both, labels, NULL));
	gain[1] = 100.0 * difference.value;
	gain_low[1] = 100.0 * difference.low;
	gain_high[1] = 100.0 * difference.high;
	nnopt_report_column columns[] = {
		{ .struct_size = sizeof *columns, .name = "rung", .texts = rungs },
		{ .struct_size = sizeof *columns,
		  .name = "test accuracy",
		  .unit = " %",
		  .values = accuracy,
		  .low = low,
		  .high = high,
		  .kind = NNOPT_COLUMN_DOT,
		  .decimals = 2 },
		{ .struct_size = sizeof *columns,
		  .name = "gain",
		  .unit = " points",
		  .values = gain,
		  .low = gain_low,
		  .high = gain_high,
		  .kind = NNOPT_COLUMN_DOT,
		  .decimals = 2,
		  .sign = 1 },
	};
	const nnopt_report_column *all[] = { &columns[0], &columns[1], &columns[2] };
	CHECK(nnopt_report_add_table(j->report, "Ladder", all, 3, 2,
				     "Intervals are those of 95 %; the gain's is of the same pictures."));
	printf("test accuracy: %.2f %%, with mirror images %.2f %%\n", accuracy[0], accuracy[1]);
	nnopt_tensor_destroy(both);
}

static void add_tests(job *j)
{
	int64_t classes = nnopt_dataset_classes(j->test);
	const char **names = calloc((size_t)classes, sizeof *names);
	nnopt_tensor *labels = NULL, *probabilities = predict(j, j->test, 0, 1);
	nnopt_metrics *metrics = NULL;
	nnopt_report_mistakes_options mo;
	if (names == NULL)
		exit(EXIT_FAILURE);
	for (int64_t i = 0; i < classes; i++)
		names[i] = nnopt_dataset_class_name(j->test, i);
	if (j->drawn)
		memcpy(names,
		       (const char *[]){ "disc", "ring", "square", "frame", "cross", "slanting cross", "bars across",
					 "bars upright", "diamond", "triangle" },
		       SHAPES * sizeof *names);
	CHECK(nnopt_dataset_labels(&labels, j->test));
	CHECK(nnopt_metrics_create(&metrics, j->ctx, nnopt_dataset_classes(j->test)));
	CHECK(nnopt_metrics_add(metrics, probabilities, labels));
	CHECK(nnopt_report_add_classes(j->report, NULL, metrics, names));
	CHECK(nnopt_report_add_confusion(j->report, NULL, metrics, names));
	add_calibration(j, labels);
	CHECK(nnopt_report_add_ranking(j->report, NULL, probabilities, labels, names));
	CHECK(nnopt_report_mistakes_options_init(&mo, sizeof mo));
	mo.class_names = names;
	mo.model = j->model;
	mo.most = 12;
	CHECK(nnopt_report_add_mistakes(j->report, NULL, j->test, probabilities, &mo));
	add_ladder(j, probabilities, labels);
	nnopt_metrics_destroy(metrics);
	nnopt_tensor_destroy(labels);
	nnopt_tensor_destroy(probabilities);
	free(names);
}

/* Trained for the trial's budget of epochs; the better, the higher its accuracy in validation. */
static nnopt_status try_values(const nnopt_trial *trial, double *value, void *user)
{
	const job *j = user;
	nnopt_loader *batches = make_loader(j->train, 1, 0.5), *validation = make_loader(j->validation, 0, 0.0);
	nnopt_model *model = make_model(j, batches, nnopt_trial_integer(trial, "width"));
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_adam_options ao;
	nnopt_fit_options o;
	nnopt_evaluation e = { .struct_size = sizeof e };
	CHECK(nnopt_cross_entropy_create(&loss, j->ctx, NULL));
	CHECK(nnopt_adam_options_init(&ao, sizeof ao));
	ao.lr = nnopt_trial_number(trial, "lr");
	CHECK(nnopt_adam_create(&adam, j->ctx, &ao));
	CHECK(nnopt_fit_options_init(&o, sizeof o));
	o.epochs = nnopt_trial_budget(trial);
	nnopt_status status = nnopt_fit(model, batches, loss, adam, &o, NULL);
	if (status == NNOPT_OK)
		status = nnopt_evaluate(model, NULL, validation, NULL, NULL, &e);
	*value = e.accuracy;
	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_model_destroy(model);
	nnopt_loader_destroy(batches);
	nnopt_loader_destroy(validation);
	return status;
}

static void add_data(job *j)
{
	nnopt_audit *audit = NULL;
	nnopt_search *search = NULL;
	nnopt_search_options o;
	CHECK(nnopt_audit_create(&audit, j->train));
	CHECK(nnopt_audit_pictures(audit, NULL));
	CHECK(nnopt_report_add_audit(j->report, NULL, audit));
	nnopt_audit_destroy(audit);
	CHECK(nnopt_search_options_init(&o, sizeof o));
	o.strategy = NNOPT_SEARCH_RANDOM;
	o.trials = j->trials;
	o.budget = 3;
	CHECK(nnopt_search_create(&search, j->ctx, &o));
	CHECK(nnopt_search_add_number(search, "lr", 3e-4, 3e-2, 1, 5));
	CHECK(nnopt_search_add_integer(search, "width", 4, 16, 2, 1));
	CHECK(nnopt_search_run(search, try_values, j, 0));
	CHECK(nnopt_report_add_search(j->report, NULL, search));
	nnopt_search_destroy(search);
	CHECK(nnopt_report_add_text(j->report, "Notes",
				    "This file stands alone: it can be sent, kept and printed.\n\n"
				    "Charts have their numbers behind them; the page follows the reader's "
				    "light or dark setting."));
}

int main(int argc, char **argv)
{
	job j = { .epochs = 8, .trials = 8, .path = "report.html" };
	nnopt_report_options o;
	nnopt_dataset *all = NULL;
	const char *usage = "[TRAIN_DIR TEST_DIR] [--epochs N] [--trials N] [--out report.html]";
	const char *pictures = NULL, *tests = NULL;
	read_arguments(argc, argv, usage,
		       (const argument[]){ { .text = &pictures },
					   { .text = &tests },
					   { .name = "epochs", .number = &j.epochs, .least = 1 },
					   { .name = "trials", .number = &j.trials, .least = 1 },
					   { .name = "out", .text = &j.path },
					   { 0 } });
	if ((pictures != NULL) != (tests != NULL))
		end_with_usage(argv, usage, "");
	j.drawn = pictures == NULL;
	CHECK(nnopt_context_create(&j.ctx, NULL));
	if (!j.drawn) {
		nnopt_image_folder_options f;
		CHECK(nnopt_image_folder_options_init(&f, sizeof f));
		CHECK(nnopt_image_folder_open(&all, j.ctx, pictures, &f));
		f.classes_from = pictures; /* one that the second lacks shifts no label */
		CHECK(nnopt_image_folder_open(&j.test, j.ctx, tests, &f));
	} else {
		all = make_shapes(j.ctx, 1600, 1);
		j.test = make_shapes(j.ctx, 1000, 2);
	}
	CHECK(nnopt_dataset_split(&j.train, &j.validation, all, 0.8, 0));
	CHECK(nnopt_report_options_init(&o, sizeof o));
	o.title = !j.drawn ? "A small network on pictures" : "Ten shapes in noise";
	o.subtitle = "Three convolutions with batch normalisation";
	CHECK(nnopt_report_create(&j.report, j.ctx, &o));
	train(&j);
	add_tests(&j);
	add_data(&j);
	/* The browser does not load this one again; it also ends the page of a run that stopped before its last epoch.
	 */
	CHECK(nnopt_report_write(j.report, j.path));
	printf("%lld sections in %s\n", (long long)nnopt_report_sections(j.report), j.path);
	nnopt_report_destroy(j.report);
	nnopt_model_destroy(j.model);
	nnopt_dataset_destroy(all);
	nnopt_dataset_destroy(j.train);
	nnopt_dataset_destroy(j.validation);
	nnopt_dataset_destroy(j.test);
	nnopt_context_destroy(j.ctx);
	return EXIT_SUCCESS;
}
