/* oom_training.c - data, training and what is built on them while allocations fail. */
#define OOM_NAME "oom_training"
#include "world.h"

#include "data/transform_kinds.h"

#include <dirent.h>
#include <fcntl.h>

/* An epoch of mixed batches that a sampler makes. */
static nnopt_status mixed_epoch(nnopt_dataset *data, nnopt_sampler sampler, const double *weights)
{
	nnopt_loader *l = NULL;
	nnopt_loader_options o;
	nnopt_status s = nnopt_loader_options_init(&o, sizeof o);
	o.batch = 6;
	o.workers = 0;
	o.on_bad_sample = NNOPT_BAD_SAMPLE_FAIL;
	o.mixup_alpha = o.cutmix_alpha = 1.0;
	o.sampler = (int32_t)sampler;
	o.weights = weights;
	o.weight_count = weights != NULL ? nnopt_dataset_count(data) : 0;
	o.classes_per_batch = o.samples_per_class = 0;
	if (sampler == NNOPT_SAMPLER_PK) {
		o.classes_per_batch = 3;
		o.samples_per_class = 2;
	}
	if (s == NNOPT_OK)
		s = nnopt_loader_create(&l, data, NULL, &o);
	if (s == NNOPT_OK)
		s = nnopt_loader_start(l, 0, 0);
	for (const nnopt_batch *batch = NULL; s == NNOPT_OK;) {
		s = nnopt_loader_next(l, &batch);
		if (batch == NULL)
			break;
	}
	nnopt_loader_destroy(l);
	return s;
}

static nnopt_status views_to_mixed_batches(world *w)
{
	nnopt_dataset *other = NULL, *both = NULL, *train = NULL, *validation = NULL;
	int64_t labels[COUNT];
	double weights[2 * COUNT];
	for (int i = 0; i < COUNT; i++)
		labels[i] = i % 3;
	for (int i = 0; i < 2 * COUNT; i++)
		weights[i] = 1.0 + i;
	nnopt_status s = nnopt_dataset_relabel(&other, w->data, labels, COUNT);
	if (s == NNOPT_OK)
		s = nnopt_dataset_concat(&both, (nnopt_dataset *[]){ w->data, other }, 2);
	if (s == NNOPT_OK)
		s = nnopt_dataset_fold(&train, &validation, both, 4, 1, 9);
	if (s == NNOPT_OK)
		s = mixed_epoch(train, NNOPT_SAMPLER_PK, NULL);
	if (s == NNOPT_OK)
		s = mixed_epoch(both, NNOPT_SAMPLER_WEIGHTED, weights);
	nnopt_dataset_destroy(train);
	nnopt_dataset_destroy(validation);
	nnopt_dataset_destroy(both);
	nnopt_dataset_destroy(other);
	return s;
}

static nnopt_status files_to_batches(world *w)
{
	nnopt_dataset *d = NULL, *a = NULL, *b = NULL;
	nnopt_transforms *t = NULL;
	nnopt_loader *l = NULL;
	nnopt_loader_options o;
	nnopt_status s = nnopt_idx_open(&d, w->ctx, IMAGES, LABELS);
	if (s == NNOPT_OK)
		s = nnopt_dataset_split(&a, &b, d, 0.5, 1);
	if (s == NNOPT_OK)
		s = nnopt_transforms_create(&t, w->ctx);
	if (s == NNOPT_OK)
		s = nnopt_transforms_add_resize(t, 10, 10);
	if (s == NNOPT_OK)
		s = nnopt_transforms_add_rotation(t, 10, 1, 1.0);
	for (size_t k = 0; s == NNOPT_OK && k < TRANSFORM_KINDS; k++)
		s = transform_kinds[k].add(t, 1.0);
	if (s == NNOPT_OK)
		s = nnopt_loader_options_init(&o, sizeof o);
	o.batch = 4;
	o.workers = 0; /* which of two threads meets the failing allocation would be chance */
	o.on_bad_sample = NNOPT_BAD_SAMPLE_FAIL;
	if (s == NNOPT_OK)
		s = nnopt_loader_create(&l, a, t, &o);
	if (s == NNOPT_OK)
		s = nnopt_loader_start(l, 0, 0);
	for (const nnopt_batch *batch = NULL; s == NNOPT_OK;) {
		s = nnopt_loader_next(l, &batch);
		if (batch == NULL)
			break;
	}
	nnopt_loader_destroy(l);
	nnopt_transforms_destroy(t);
	nnopt_dataset_destroy(a);
	nnopt_dataset_destroy(b);
	nnopt_dataset_destroy(d);
	return s;
}

static nnopt_status distillation(world *w)
{
	nnopt_model *teacher = NULL;
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_fit_options o;
	nnopt_status s = nnopt_model_create(&teacher, w->ctx);
	if (s == NNOPT_OK)
		s = add_layers(teacher);
	if (s == NNOPT_OK)
		s = nnopt_distillation_create(&loss, w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_adam_create(&adam, w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_fit_options_init(&o, sizeof o);
	o.epochs = 1;
	o.teacher = teacher;
	if (s == NNOPT_OK)
		s = nnopt_fit(w->net, w->loader, loss, adam, &o, NULL);
	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_model_destroy(teacher);
	return s;
}

/* Every schedule, average and plateau; a run with all that a run can have. */
static nnopt_status fit_with_averages(world *w)
{
	nnopt_optimizer *sgd = NULL;
	nnopt_average *average[3] = { NULL };
	nnopt_plateau *plateau = NULL;
	nnopt_schedule *part[3] = { NULL }, *all = NULL;
	const int64_t steps[] = { 2, 4 };
	nnopt_fit_options o;
	nnopt_status s = nnopt_sgd_create(&sgd, w->ctx, NULL);
	(void)unlink(PATH);
	if (s == NNOPT_OK)
		s = nnopt_ema_create(&average[0], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_swa_create(&average[1], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_lookahead_create(&average[2], w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_plateau_create(&plateau, w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_schedule_multi_step_create(&part[0], w->ctx, steps, 2, 0.5);
	if (s == NNOPT_OK)
		s = nnopt_schedule_piecewise_create(&part[1], w->ctx, steps, (const double[]){ 1.0, 0.5 }, 2);
	if (s == NNOPT_OK)
		s = nnopt_schedule_warm_restarts_create(&part[2], w->ctx, 2, 2, 0.1);
	if (s == NNOPT_OK)
		s = nnopt_schedule_sequential_create(&all, w->ctx, part, steps, 3);
	if (s == NNOPT_OK)
		s = nnopt_fit_options_init(&o, sizeof o);
	o.epochs = 1;
	o.monitor = NNOPT_MONITOR_TRAINING_LOSS;
	o.checkpoint_path = PATH;
	o.schedule = all;
	o.plateau = plateau;
	o.sam_rho = 0.05;
	o.refresh_batches = 1;
	for (int i = 0; i < 3 && s == NNOPT_OK; i++) {
		o.average = average[i];
		s = nnopt_fit(w->net, w->loader, w->loss, sgd, &o, NULL);
	}
	if (s == NNOPT_OK)
		s = nnopt_model_average(w->net, &w->net, NULL, 1);
	for (int i = 0; i < 3; i++) {
		nnopt_average_destroy(average[i]);
		nnopt_schedule_destroy(part[i]);
	}
	nnopt_schedule_destroy(all);
	nnopt_plateau_destroy(plateau);
	nnopt_optimizer_destroy(sgd);
	return s;
}

static nnopt_status train_fold(nnopt_fold *fold, void *user)
{
	const world *w = user;
	nnopt_model *m = NULL;
	nnopt_status s = nnopt_model_create(&m, w->ctx);
	if (s == NNOPT_OK)
		s = add_layers(m);
	if (s == NNOPT_OK)
		s = nnopt_model_build(m, 3, (int64_t[]){ 1, 8, 8 });
	if (s == NNOPT_OK)
		fold->model = m;
	else
		nnopt_model_destroy(m);
	return s;
}

/* A callback's failure is told as CALLBACK, whatever it was. */
static nnopt_status as_memory(nnopt_status s)
{
	char text[256];
	snprintf(text, sizeof text, "%s", nnopt_last_error());
	return s == NNOPT_ERROR_CALLBACK ? nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, text) : s;
}

/* Every judgement of probabilities, the model compared with its own first guess. */
static nnopt_status judged(world *w, const nnopt_tensor *p, const nnopt_tensor *labels)
{
	nnopt_estimate e = { .struct_size = sizeof e };
	nnopt_auc_options ao;
	nnopt_tensor *roc = NULL, *precision = NULL, *softer = NULL;
	nnopt_calibration *c = NULL;
	double value;
	nnopt_status s = nnopt_auc_options_init(&ao, sizeof ao);
	ao.resamples = 3;
	if (s == NNOPT_OK)
		s = nnopt_roc_auc(&e, w->ctx, p, labels, &ao);
	ao.class_index = 1;
	if (s == NNOPT_OK)
		s = nnopt_roc_auc(&e, w->ctx, p, labels, &ao);
	if (s == NNOPT_OK)
		s = nnopt_average_precision(&value, w->ctx, p, labels, -1);
	if (s == NNOPT_OK)
		s = nnopt_roc_curve(&roc, w->ctx, p, labels, 0);
	if (s == NNOPT_OK)
		s = nnopt_precision_recall_curve(&precision, w->ctx, p, labels, 0);
	if (s == NNOPT_OK)
		s = nnopt_calibration_create(&c, w->ctx, p, labels, NULL);
	if (s == NNOPT_OK)
		s = nnopt_temperature_apply(&softer, w->ctx, p, 2.0);
	if (s == NNOPT_OK)
		s = nnopt_accuracy_difference(&e, w->ctx, p, softer, labels, NULL);
	nnopt_calibration_destroy(c);
	nnopt_tensor_destroy(softer);
	nnopt_tensor_destroy(precision);
	nnopt_tensor_destroy(roc);
	return s;
}

/* Pictures audited, labels by predictions from outside the fold, outliers; the findings written and applied. */
static nnopt_status audited(world *w)
{
	nnopt_audit *audit = NULL;
	nnopt_cross_validation *cv = NULL;
	nnopt_tensor *given = NULL;
	nnopt_dataset *kept = NULL, *relabelled = NULL;
	nnopt_cross_validation_options o;
	nnopt_audit_outliers_options q;
	int64_t labels[COUNT];
	for (int i = 0; i < COUNT; i++)
		labels[i] = i % 2;
	nnopt_status s = nnopt_dataset_relabel(&relabelled, w->data, labels, COUNT);
	if (s == NNOPT_OK)
		s = nnopt_audit_create(&audit, relabelled);
	if (s == NNOPT_OK)
		s = nnopt_audit_pictures(audit, NULL);
	if (s == NNOPT_OK)
		s = nnopt_cross_validation_options_init(&o, sizeof o);
	o.folds = 2;
	o.train = train_fold;
	o.loss = w->loss;
	o.user = w;
	if (s == NNOPT_OK)
		s = as_memory(nnopt_cross_validate(&cv, relabelled, &o));
	const nnopt_tensor *p = nnopt_cross_validation_probabilities(cv);
	if (s == NNOPT_OK)
		s = nnopt_audit_labels(audit, p, NULL);
	if (s == NNOPT_OK)
		s = nnopt_dataset_labels(&given, relabelled);
	if (s == NNOPT_OK)
		s = judged(w, p, given);
	if (s == NNOPT_OK)
		s = nnopt_audit_outliers_options_init(&q, sizeof q);
	q.neighbours = 3;
	if (s == NNOPT_OK)
		s = nnopt_audit_outliers(audit, p, &q);
	if (s == NNOPT_OK)
		s = nnopt_audit_write_csv(audit, PATH);
	if (s == NNOPT_OK)
		s = nnopt_audit_apply(&kept, audit, 0);
	nnopt_dataset_destroy(kept);
	nnopt_tensor_destroy(given);
	nnopt_cross_validation_destroy(cv);
	nnopt_audit_destroy(audit);
	nnopt_dataset_destroy(relabelled);
	return s;
}

static nnopt_status worth(const nnopt_trial *trial, double *value, void *user)
{
	(void)user;
	*value = nnopt_trial_number(trial, "a");
	return nnopt_trial_id(trial) == 1 ? nnopt_fail(NNOPT_ERROR_IO, "of no use") : NNOPT_OK;
}

/* A search, begun, gone on with and told; a learning rate found. */
static nnopt_status tuned(world *w)
{
	static const char *const names[] = { "x", "y" };
	nnopt_search_options o;
	nnopt_optimizer *adam = NULL;
	nnopt_lr_curve *curve = NULL;
	char table[4096];
	nnopt_status s = nnopt_search_options_init(&o, sizeof o);
	o.trials = 4;
	o.path = PATH;
	(void)unlink(PATH);
	for (int part = 0; part < 2 && s == NNOPT_OK; part++) {
		nnopt_search *search = NULL;
		s = nnopt_search_create(&search, w->ctx, &o);
		if (s == NNOPT_OK)
			s = nnopt_search_add_number(search, "a", 0.0, 1.0, 0, 2);
		if (s == NNOPT_OK)
			s = nnopt_search_add_choice(search, "b", names, 2);
		if (s == NNOPT_OK)
			s = nnopt_search_run(search, worth, NULL, 2);
		if (s == NNOPT_OK)
			s = nnopt_search_table(search, table, sizeof table, NULL);
		if (s == NNOPT_OK)
			s = nnopt_search_write_svg(search, PATH ".svg");
		nnopt_search_destroy(search);
	}
	if (s == NNOPT_OK)
		s = nnopt_adam_create(&adam, w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_lr_find(&curve, w->net, w->loader, w->loss, adam, NULL);
	nnopt_lr_curve_destroy(curve);
	nnopt_optimizer_destroy(adam);
	return s;
}

static void clear_directory(const char *path)
{
	DIR *d = opendir(path);
	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.')
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	(void)rmdir(path);
}

/* A run's whole story; the steps of it that fail are left out of the file. */
static nnopt_status told(world *w)
{
	nnopt_events *e = NULL;
	nnopt_tensor *t = NULL;
	nnopt_status s = nnopt_events_create(&e, w->ctx, TEST_TMP "/oom_events", NULL);
	if (s == NNOPT_OK)
		s = nnopt_tensor_create(&t, w->ctx, NNOPT_U8, 4, (int64_t[]){ 2, 1, 9, 7 }, NNOPT_NCHW);
	if (s == NNOPT_OK)
		s = nnopt_events_image(e, "picture", t, 0, 1);
	if (s == NNOPT_OK)
		s = nnopt_events_histogram(e, "spread", t, 1);
	if (s == NNOPT_OK)
		s = nnopt_events_graph(e, w->net);
	if (s == NNOPT_OK)
		s = nnopt_events_add_number(e, "lr", 0.1);
	if (s == NNOPT_OK)
		s = nnopt_events_add_metric(e, "loss");
	if (s == NNOPT_OK)
		s = nnopt_events_begin_session(e, "all");
	if (s == NNOPT_OK)
		s = nnopt_events_scalar(e, "loss", 1.0, 2);
	if (s == NNOPT_OK)
		s = nnopt_events_end_session(e, NNOPT_SESSION_SUCCESS);
	nnopt_events_destroy(e);
	nnopt_tensor_destroy(t);
	clear_directory(TEST_TMP "/oom_events");
	return s;
}

static void all_scenarios(void **state)
{
	world *w = *state;
	run(w, files_to_batches, "files to batches");
	run(w, views_to_mixed_batches, "views to mixed batches");
	run(w, evaluation, "evaluation");
	run(w, fit, "fit");
	run(w, distillation, "distillation");
	run(w, fit_with_averages, "fit with averages");
	run(w, audited, "cross-validation, evaluation and audit");
	run(w, tuned, "tuning");
	run(w, told, "events");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_scenarios) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
