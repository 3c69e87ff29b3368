/* oom_report.c - the report and Grad-CAM while allocations fail. */
#define OOM_NAME "oom_report"
#include "world.h"

static nnopt_status own_sections(world *w)
{
	static const double y[] = { 1.0, 2.0, 3.0 };
	nnopt_report *r = NULL;
	nnopt_tensor *picture = NULL;
	nnopt_report_options o;
	nnopt_report_series line = { .struct_size = sizeof line, .name = "a", .y = y, .count = 3 };
	const nnopt_report_series *lines[] = { &line };
	nnopt_report_chart chart = { .struct_size = sizeof chart, .series = lines, .series_count = 1 };
	nnopt_report_column column = {
		.struct_size = sizeof column, .name = "n", .values = y, .kind = NNOPT_COLUMN_BAR
	};
	nnopt_status s = nnopt_report_options_init(&o, sizeof o);
	o.picture_side = 16;
	o.subtitle = "small";
	if (s == NNOPT_OK)
		s = nnopt_report_create(&r, w->ctx, &o);
	if (s == NNOPT_OK)
		s = nnopt_report_add_text(r, NULL, "one\n\ntwo");
	if (s == NNOPT_OK)
		s = nnopt_report_add_charts(r, NULL, (const nnopt_report_chart *[]){ &chart }, 1);
	if (s == NNOPT_OK)
		s = nnopt_report_add_table(r, NULL, (const nnopt_report_column *[]){ &column }, 1, 3, "note");
	if (s == NNOPT_OK)
		s = nnopt_tensor_create(&picture, w->ctx, NNOPT_U8, 4, (int64_t[]){ 1, 1, 20, 20 }, NNOPT_NCHW);
	if (s == NNOPT_OK)
		s = nnopt_report_add_pictures(r, NULL, (const nnopt_tensor *[]){ picture }, NULL, 1);
	if (s == NNOPT_OK)
		s = nnopt_report_write(r, PATH);
	nnopt_tensor_destroy(picture);
	nnopt_report_destroy(r);
	return s;
}

static nnopt_status worth(const nnopt_trial *trial, double *value, void *user)
{
	(void)user;
	*value = nnopt_trial_number(trial, "a");
	return NNOPT_OK;
}

static nnopt_status add_search(world *w, nnopt_report *r)
{
	nnopt_search *search = NULL;
	nnopt_search_options o;
	nnopt_status s = nnopt_search_options_init(&o, sizeof o);
	o.trials = 2;
	o.budget = o.least = 1;
	if (s == NNOPT_OK)
		s = nnopt_search_create(&search, w->ctx, &o);
	if (s == NNOPT_OK)
		s = nnopt_search_add_number(search, "a", 0.0, 1.0, 0, 2);
	if (s == NNOPT_OK)
		s = nnopt_search_run(search, worth, NULL, 0);
	if (s == NNOPT_OK)
		s = nnopt_report_add_search(r, NULL, search);
	nnopt_search_destroy(search);
	return s;
}

static nnopt_status add_run(world *w, nnopt_report *r)
{
	nnopt_optimizer *adam = NULL;
	nnopt_fit_options o;
	nnopt_history *history = NULL;
	nnopt_status s = nnopt_fit_options_init(&o, sizeof o);
	if (s == NNOPT_OK)
		s = nnopt_report_follow(r, NULL, PATH, 1, 5);
	if (s == NNOPT_OK)
		s = nnopt_adam_create(&adam, w->ctx, NULL);
	o.epochs = 1;
	o.on_epoch = nnopt_report_on_epoch;
	o.progress_user = r;
	if (s == NNOPT_OK)
		s = nnopt_fit(w->net, w->loader, w->loss, adam, &o, &history);
	if (s == NNOPT_ERROR_CALLBACK && strstr(nnopt_last_error(), "memory") != NULL)
		s = NNOPT_ERROR_OUT_OF_MEMORY;
	if (s == NNOPT_OK)
		s = nnopt_report_add_history(r, NULL, history);
	nnopt_history_destroy(history);
	nnopt_optimizer_destroy(adam);
	return s;
}

static nnopt_status add_predictions(world *w, nnopt_report *r)
{
	nnopt_tensor *p = NULL, *labels = NULL;
	nnopt_metrics *m = NULL;
	nnopt_calibration *c = NULL;
	nnopt_audit *audit = NULL;
	nnopt_report_mistakes_options o;
	nnopt_status s = nnopt_predict(&p, w->net, NULL, w->loader, 1);
	if (s == NNOPT_OK)
		s = nnopt_dataset_labels(&labels, w->data);
	if (s == NNOPT_OK)
		s = nnopt_metrics_create(&m, w->ctx, nnopt_tensor_extent(p, 1));
	if (s == NNOPT_OK)
		s = nnopt_metrics_add(m, p, labels);
	if (s == NNOPT_OK)
		s = nnopt_report_add_classes(r, NULL, m, NULL);
	if (s == NNOPT_OK)
		s = nnopt_report_add_confusion(r, NULL, m, NULL);
	if (s == NNOPT_OK)
		s = nnopt_calibration_create(&c, w->ctx, p, labels, NULL);
	if (s == NNOPT_OK)
		s = nnopt_report_add_calibration(r, NULL, c, c, 1.0);
	if (s == NNOPT_OK)
		s = nnopt_report_add_ranking(r, NULL, p, labels, NULL);
	if (s == NNOPT_OK)
		s = nnopt_report_mistakes_options_init(&o, sizeof o);
	o.model = w->net;
	o.most = 3;
	if (s == NNOPT_OK)
		s = nnopt_report_add_mistakes(r, NULL, w->data, p, &o);
	if (s == NNOPT_OK)
		s = nnopt_audit_create(&audit, w->data);
	if (s == NNOPT_OK)
		s = nnopt_report_add_audit(r, NULL, audit);
	nnopt_audit_destroy(audit);
	nnopt_calibration_destroy(c);
	nnopt_metrics_destroy(m);
	nnopt_tensor_destroy(labels);
	nnopt_tensor_destroy(p);
	return s;
}

static nnopt_status known_sections(world *w)
{
	nnopt_report *r = NULL;
	nnopt_status s = nnopt_report_create(&r, w->ctx, NULL);
	if (s == NNOPT_OK)
		s = nnopt_report_add_model(r, NULL, w->net);
	if (s == NNOPT_OK)
		s = add_run(w, r);
	if (s == NNOPT_OK)
		s = add_predictions(w, r);
	if (s == NNOPT_OK)
		s = add_search(w, r);
	nnopt_report_destroy(r);
	return s;
}

static void all_scenarios(void **state)
{
	world *w = *state;
	run(w, own_sections, "own sections");
	run(w, known_sections, "known sections");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_scenarios) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
