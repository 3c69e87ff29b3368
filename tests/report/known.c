/* known.c - the report's sections of what the library knows, with numbers that are told by the same functions; a report
 * that follows a run. The whole page is left for html_valid.py. */
#include "page.h"

#include <math.h>
#include <unistd.h>

enum { CLASSES = 3, COUNT = 12, SIDE = 8 };
#define PATH TEST_TMP "/known.html"

static nnopt_context *ctx;
static nnopt_dataset *data;
static nnopt_loader *loader;
static nnopt_model *model;
static const char *const names[CLASSES] = { "cat", "<dog>", "owl" };

static int setup(void **state)
{
	nnopt_tensor *images = NULL, *labels = NULL;
	(void)state;
	assert_ok(nnopt_context_create(&ctx, NULL));
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 1, SIDE, SIDE }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	for (int64_t i = 0; i < COUNT * SIDE * SIDE; i++)
		((uint8_t *)nnopt_tensor_data(images))[i] = (uint8_t)(i * 37 + (i >> 6) * 11);
	for (int i = 0; i < COUNT; i++)
		((int32_t *)nnopt_tensor_data(labels))[i] = i % CLASSES;
	assert_ok(nnopt_dataset_from_tensors(&data, ctx, images, labels));
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	assert_ok(nnopt_loader_create(&loader, data, NULL, NULL));
	assert_ok(nnopt_model_create(&model, ctx));
	assert_ok(nnopt_add_conv2d(model, 4, 3, NULL));
	assert_ok(nnopt_add_batch_norm2d(model, NULL));
	assert_ok(nnopt_add_relu(model));
	assert_ok(nnopt_add_global_avg_pool2d(model));
	assert_ok(nnopt_add_flatten(model));
	assert_ok(nnopt_add_linear(model, CLASSES, NULL));
	assert_ok(nnopt_model_build(model, 3, (int64_t[]){ 1, SIDE, SIDE }));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_loader_destroy(loader);
	nnopt_dataset_destroy(data);
	nnopt_model_destroy(model);
	nnopt_context_destroy(ctx);
	return 0;
}

static nnopt_report *make(void)
{
	nnopt_report *r = NULL;
	assert_ok(nnopt_report_create(&r, ctx, NULL));
	return r;
}

static void models_are_told(void **state)
{
	(void)state;
	nnopt_report *r = make();
	assert_ok(nnopt_report_add_model(r, NULL, model));
	assert_good_page(
	    r, HAS("<dt>Input</dt><dd>1 \xc3\x97 8 \xc3\x97 8</dd>", "<dt>Layers</dt><dd>6</dd>",
		   "<dt>Parameters</dt><dd>63</dd>" /* 36 + 4 + 8 + 12 + 3 */,
		   "<dt>Size of the weights</dt><dd>252 B</dd>",
		   "<th scope=\"row\">conv2d1</th><td>conv2d</td><td>4 \xc3\x97 6 \xc3\x97 6</td><td class=\"n\">40"));
	nnopt_model *bare = NULL;
	assert_ok(nnopt_model_create(&bare, ctx));
	assert_ok(nnopt_add_flatten(bare));
	assert_fails(NNOPT_ERROR_STATE, "not built", nnopt_report_add_model(r, NULL, bare));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "model is NULL", nnopt_report_add_model(r, NULL, NULL));
	nnopt_model_destroy(bare);
	nnopt_report_destroy(r);
}

static void large_numbers_have_three_digits(void **state)
{
	(void)state;
	/* inputs and outputs of a layer; its parameters are (inputs + 1) outputs */
	static const struct {
		int64_t inputs, outputs;
		const char *parameters, *size;
	} cases[] = { { 8, 111, "999", "4 kB" },   { 9, 100, "1 k", "4 kB" },    { 99, 9994, "999 k", "4 MB" },
		      { 99, 9995, "1 M", "4 MB" }, { 99, 10000, "1 M", "4 MB" }, { 123, 1000, "124 k", "496 kB" } };
	nnopt_report *r = make();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		nnopt_model *m = NULL;
		char parameters[64], size[64];
		assert_ok(nnopt_model_create(&m, ctx));
		assert_ok(nnopt_add_linear(m, cases[i].outputs, NULL));
		assert_ok(nnopt_model_build(m, 1, &cases[i].inputs));
		snprintf(parameters, sizeof parameters, "<dt>Parameters</dt><dd>%s</dd>", cases[i].parameters);
		snprintf(size, sizeof size, "<dt>Size of the weights</dt><dd>%s</dd>", cases[i].size);
		assert_ok(nnopt_report_add_model(r, NULL, m));
		assert_good_page(r, HAS(parameters, size));
		nnopt_model_destroy(m);
	}
	nnopt_report_destroy(r);
}

/* --- a run --- */

typedef struct watcher {
	nnopt_report *report;
	int writes, reloads, epochs_shown;
} watcher;

static char *read_page(const char *path)
{
	static char text[1 << 20];
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return NULL;
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	return text;
}

static nnopt_status watch(const nnopt_progress *p, void *user)
{
	watcher *w = user;
	unlink(PATH);
	nnopt_status s = nnopt_report_on_epoch(p, w->report);
	const char *html = read_page(PATH);
	if (html == NULL)
		return s;
	w->writes++;
	w->reloads += strstr(html, "<meta http-equiv=\"refresh\" content=\"7\">") != NULL;
	assert_non_null(strstr(html, "<h2 id=\"t2\">Training</h2>"));
	w->epochs_shown = (int)p->epoch + 1;
	char epochs[64];
	snprintf(epochs, sizeof epochs, "<dt>Epochs</dt><dd>%d</dd>", w->epochs_shown);
	assert_non_null(strstr(html, epochs));
	return s;
}

static nnopt_history *train(int64_t epochs, nnopt_progress_fn fn, void *user, int32_t validated)
{
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_history *history = NULL;
	nnopt_fit_options o;
	assert_ok(nnopt_cross_entropy_create(&loss, ctx, NULL));
	assert_ok(nnopt_adam_create(&adam, ctx, NULL));
	assert_ok(nnopt_fit_options_init(&o, sizeof o));
	o.epochs = epochs;
	o.validation = validated ? loader : NULL;
	o.on_epoch = fn;
	o.progress_user = user;
	assert_ok(nnopt_fit(model, loader, loss, adam, &o, &history));
	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	return history;
}

static void runs_are_followed(void **state)
{
	(void)state;
	watcher w = { .report = make() };
	nnopt_progress nothing = { .struct_size = sizeof nothing };
	assert_fails(NNOPT_ERROR_STATE, "follows no run", nnopt_report_on_epoch(&nothing, w.report));
	assert_ok(nnopt_report_add_text(w.report, "Before", "x"));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "every 0", nnopt_report_follow(w.report, NULL, PATH, 0, 1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "path is NULL", nnopt_report_follow(w.report, NULL, NULL, 1, 1));
	assert_ok(nnopt_report_follow(w.report, NULL, PATH, 2, 7));
	assert_ok(nnopt_report_add_text(w.report, "Behind", "x"));
	nnopt_history *history = train(5, watch, &w, 1);
	assert_int_equal(w.writes, 3); /* after 2, 4 and the last, which is not loaded again */
	assert_int_equal(w.reloads, 2);
	assert_int_equal(w.epochs_shown, 5);
	char *followed = page_of(w.report);
	assert_ok(nnopt_report_add_history(w.report, NULL, history));
	char *told = page_of(w.report);
	assert_string_equal(followed, told); /* the same numbers */
	assert_good_page(w.report, HAS("<figcaption>Loss</figcaption>", "<figcaption>Accuracy, %</figcaption>",
				       "<figcaption>Learning rate</figcaption>", ">validation</text>", ">best</text>"));
	free(followed);
	free(told);
	nnopt_history_destroy(history);
	/* Another run begins anew, and one without validation or with a single epoch is told too. */
	history = train(1, nnopt_report_on_epoch, w.report, 0);
	assert_good_page(w.report, HAS("<dt>Epochs</dt><dd>1</dd>"));
	assert_ok(nnopt_report_add_history(w.report, "Other", history));
	assert_good_page(w.report, HAS("<h2 id=\"t4\">Other</h2>"));
	char *html = page_of(w.report);
	assert_null(strstr(html, ">validation</text>"));
	free(html);
	nnopt_history_destroy(history);
	/* What cannot be written stops the run. */
	assert_ok(nnopt_report_follow(w.report, NULL, TEST_TMP "/absent/x.html", 1, 0));
	nothing.epochs = 1;
	assert_fails(NNOPT_ERROR_NOT_FOUND, "/absent/", nnopt_report_on_epoch(&nothing, w.report));
	nnopt_report_destroy(w.report);
	unlink(PATH);
}

/* Stopped after three of ten epochs, the page still waits for more; the caller's is whole and does not. */
static void runs_that_end_early(void **state)
{
	(void)state;
	static const char refresh[] = "<meta http-equiv=\"refresh\" content=\"7\">";
	nnopt_report *r = make();
	nnopt_progress p = { .struct_size = sizeof p, .epochs = 10 };
	assert_ok(nnopt_report_follow(r, NULL, PATH, 2, 7));
	for (; p.epoch < 3; p.epoch++)
		assert_ok(nnopt_report_on_epoch(&p, r));
	assert_non_null(strstr(read_page(PATH), refresh));
	assert_non_null(strstr(read_page(PATH), "<dt>Epochs</dt><dd>2</dd>"));
	assert_ok(nnopt_report_write(r, PATH));
	assert_null(strstr(read_page(PATH), "refresh"));
	assert_non_null(strstr(read_page(PATH), "<dt>Epochs</dt><dd>3</dd>"));
	nnopt_report_destroy(r);
	unlink(PATH);
}

/* --- predictions --- */

/* 0 is right, surely; 1 is wrong, surely; and so on: class c, or the next one, with rising probability. */
static nnopt_tensor *probabilities(int64_t count)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, 2, (int64_t[]){ count, CLASSES }, NNOPT_NCHW));
	float *p = nnopt_tensor_data(t);
	for (int64_t i = 0; i < count; i++) {
		int64_t label = i % CLASSES, predicted = i % 4 == 1 ? (label + 1) % CLASSES : label;
		float sure = 0.5f + 0.04f * (float)(i % COUNT);
		for (int64_t c = 0; c < CLASSES; c++)
			p[i * CLASSES + c] = c == predicted ? sure : (1.0f - sure) / 2.0f;
	}
	return t;
}

static nnopt_metrics *measure(const nnopt_tensor *scores)
{
	nnopt_metrics *m = NULL;
	nnopt_tensor *labels = NULL;
	assert_ok(nnopt_dataset_labels(&labels, data));
	assert_ok(nnopt_metrics_create(&m, ctx, CLASSES));
	assert_ok(nnopt_metrics_add(m, scores, labels));
	nnopt_tensor_destroy(labels);
	return m;
}

static void classes_are_told(void **state)
{
	(void)state;
	nnopt_report *r = make();
	nnopt_tensor *p = probabilities(COUNT);
	nnopt_metrics *m = measure(p), *none = NULL, *many = NULL;
	assert_ok(nnopt_report_add_classes(r, NULL, m, names));
	/* 1, 5 and 9 of 12 are wrong: each class has 1 of its 4 taken for the next. */
	assert_good_page(r, HAS("<dt>Accuracy</dt><dd>75.00 %</dd>",
				"<th scope=\"row\">&lt;dog&gt;</th><td class=\"n\">4</td>",
				"75.0 % <small>30.1 to 95.4</small>"));
	assert_ok(nnopt_report_add_confusion(r, NULL, m, names));
	assert_good_page(
	    r, HAS("<tr><th scope=\"row\">&lt;dog&gt;</th><td class=\" o\" style=\"--a:0.00\">0</td>"
		   "<td class=\"d h\" style=\"--a:0.87\">3</td><td class=\"\" style=\"--a:0.50\">1</td></tr>"));
	/* Without names or samples; and with many classes the most frequent confusions. */
	assert_ok(nnopt_metrics_create(&none, ctx, 2));
	assert_ok(nnopt_report_add_classes(r, "None", none, NULL));
	assert_ok(nnopt_report_add_confusion(r, "None too", none, NULL));
	assert_good_page(r, HAS("<span>0</span>", "<span>1</span>"));
	assert_ok(nnopt_metrics_create(&many, ctx, 40));
	nnopt_tensor *scores = NULL, *labels = NULL;
	assert_ok(nnopt_tensor_create(&scores, ctx, NNOPT_F32, 2, (int64_t[]){ 60, 40 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, (int64_t[]){ 60 }, NNOPT_NCHW));
	for (int i = 0; i < 60; i++) { /* 17 is taken for 5 thirty times, other classes once for 39 */
		((int32_t *)nnopt_tensor_data(labels))[i] = i < 30 ? 17 : i - 30;
		((float *)nnopt_tensor_data(scores))[i * 40 + (i < 30 ? 5 : 39)] = 1.0f;
	}
	assert_ok(nnopt_metrics_add(many, scores, labels));
	assert_ok(nnopt_report_add_confusion(r, "Many", many, NULL));
	assert_good_page(r, HAS("The most frequent confusions of 40 classes.",
				"<tbody>\n<tr><th scope=\"row\">17</th><td>5</td><td class=\"n\">30<span"));
	char *html = page_of(r);
	assert_int_equal(times(strstr(html, "of 40 classes"), "</tr>"), 1 + 20);
	free(html);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "metrics is NULL", nnopt_report_add_classes(r, NULL, NULL, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "metrics is NULL", nnopt_report_add_confusion(r, NULL, NULL, NULL));
	nnopt_tensor_destroy(scores);
	nnopt_tensor_destroy(labels);
	nnopt_metrics_destroy(many);
	nnopt_metrics_destroy(none);
	nnopt_metrics_destroy(m);
	nnopt_tensor_destroy(p);
	nnopt_report_destroy(r);
}

static void confusions_come_by_frequency(void **state)
{
	(void)state;
	nnopt_tensor *p = probabilities(COUNT);
	nnopt_metrics *m = measure(p);
	int64_t actual[8], predicted[8], counts[8], n = -1;
	assert_ok(nnopt_metrics_top_confusions(m, 8, actual, predicted, counts, &n));
	assert_int_equal(n, 3);
	for (int i = 0; i < 3; i++) { /* all are equal: in the order of the matrix */
		assert_int_equal(actual[i], i);
		assert_int_equal(predicted[i], (i + 1) % CLASSES);
		assert_int_equal(counts[i], 1);
	}
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "most 0, 1 or more",
		     nnopt_metrics_top_confusions(m, 0, actual, predicted, counts, &n));
	nnopt_metrics_destroy(m);
	nnopt_tensor_destroy(p);
}

static void probabilities_are_told(void **state)
{
	(void)state;
	nnopt_report *r = make();
	nnopt_tensor *p = probabilities(COUNT), *labels = NULL, *one = NULL;
	nnopt_calibration *c = NULL;
	nnopt_calibration_info info = { .struct_size = sizeof info };
	assert_ok(nnopt_dataset_labels(&labels, data));
	assert_ok(nnopt_calibration_create(&c, ctx, p, labels, NULL));
	assert_ok(nnopt_calibration_get_info(c, &info));
	char ece[64];
	snprintf(ece, sizeof ece, "calibration error (ECE), %%</th><td class=\"n\">%.3f</td>", 100.0 * info.ece);
	assert_ok(nnopt_report_add_calibration(r, NULL, c, NULL, 0.0));
	assert_good_page(r, HAS(ece, "class=\"ideal\""));
	char *html = page_of(r);
	int bins = 0;
	for (int64_t i = 0; i < info.bins; i++) {
		nnopt_calibration_bin bin = { .struct_size = sizeof bin };
		assert_ok(nnopt_calibration_get_bin(c, i, &bin));
		bins += bin.count > 0;
	}
	assert_int_equal(times(html, "<circle"), bins);
	free(html);
	assert_ok(nnopt_report_add_calibration(r, NULL, c, c, 1.25));
	assert_good_page(r, HAS("Temperature 1.25.", "after temperature scaling", ">scaled</th>"));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "before is NULL",
		     nnopt_report_add_calibration(r, NULL, NULL, c, 1.0));

	nnopt_estimate area = { .struct_size = sizeof area };
	nnopt_auc_options ao;
	assert_ok(nnopt_auc_options_init(&ao, sizeof ao));
	ao.class_index = 1;
	assert_ok(nnopt_roc_auc(&area, ctx, p, labels, &ao));
	char auc[96];
	snprintf(auc, sizeof auc, "<th scope=\"row\">&lt;dog&gt;</th><td class=\"n\">%.4f <small>%.4f to %.4f",
		 area.value, area.low, area.high);
	assert_ok(nnopt_report_add_ranking(r, NULL, p, labels, names));
	assert_good_page(r, HAS(auc, "<figcaption>Precision</figcaption>", ">owl</text>"));
	/* A class that nobody has is left out; labels of one class cannot be ranked. */
	for (int i = 0; i < COUNT; i++)
		((int64_t *)nnopt_tensor_data(labels))[i] %= 2;
	assert_ok(nnopt_report_add_ranking(r, NULL, p, labels, NULL));
	assert_good_page(r, HAS("<th scope=\"row\">2</th><td class=\"n\">\xe2\x80\x93</td>"));
	memset(nnopt_tensor_data(labels), 0, nnopt_tensor_bytes(labels));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "12 of 12 samples are of class 0",
		     nnopt_report_add_ranking(r, NULL, p, labels, NULL));
	((int64_t *)nnopt_tensor_data(labels))[4] = 7;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "label 7 of sample 4, 0 to 2",
		     nnopt_report_add_ranking(r, NULL, p, labels, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "labels of type f32", nnopt_report_add_ranking(r, NULL, p, p, NULL));
	assert_ok(nnopt_tensor_create(&one, ctx, NNOPT_F32, 2, (int64_t[]){ COUNT, 1 }, NNOPT_NCHW));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "1 columns", nnopt_report_add_ranking(r, NULL, one, labels, NULL));
	nnopt_tensor_destroy(one);
	nnopt_calibration_destroy(c);
	nnopt_tensor_destroy(labels);
	nnopt_tensor_destroy(p);
	nnopt_report_destroy(r);
}

static void mistakes_are_shown(void **state)
{
	(void)state;
	nnopt_report *r = make();
	nnopt_tensor *p = probabilities(COUNT);
	nnopt_report_mistakes_options o;
	assert_ok(nnopt_report_mistakes_options_init(&o, sizeof o));
	o.class_names = names;
	assert_ok(nnopt_report_add_mistakes(r, NULL, data, p, &o));
	/* 9, 5 and 1, the surest first. */
	char *html = page_of(r);
	const char *a = strstr(html, "<b>cat</b> taken for <b>&lt;dog&gt;</b>, 86.0 % sure <small>sample 9<"),
		   *b = strstr(html, "<b>owl</b> taken for <b>cat</b>, 70.0 % sure <small>sample 5<"),
		   *c = strstr(html, "<b>&lt;dog&gt;</b> taken for <b>owl</b>, 54.0 % sure <small>sample 1<");
	assert_true(a != NULL && b != NULL && c != NULL && a < b && b < c);
	assert_int_equal(times(html, "<img"), 3);
	free(html);
	o.model = model;
	o.most = 2;
	assert_ok(nnopt_report_add_mistakes(r, NULL, data, p, &o));
	html = page_of(r);
	assert_int_equal(times(html, "<img"), 4);
	assert_non_null(strstr(html, "Grad-CAM"));
	free(html);
	/* By loss right ones are among them; the dataset's names; none at all. */
	o = (nnopt_report_mistakes_options){ .struct_size = sizeof o, .most = COUNT, .by = NNOPT_WORST_BY_LOSS };
	assert_ok(nnopt_report_add_mistakes(r, NULL, data, p, &o));
	assert_good_page(r, HAS("<figcaption><b>0</b>, 50.0 % sure <small>sample 0<"));
	o.by = NNOPT_WORST_BY_CONFIDENCE;
	for (int i = 0; i < COUNT; i++)
		for (int k = 0; k < CLASSES; k++)
			((float *)nnopt_tensor_data(p))[i * CLASSES + k] = k == i % CLASSES;
	assert_ok(nnopt_report_add_mistakes(r, NULL, data, p, &o));
	assert_good_page(r, HAS("<p>None.</p>"));
	o.most = 257;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "most 257", nnopt_report_add_mistakes(r, NULL, data, p, &o));
	o.most = 2;
	o.model = model;
	o.layer = "absent";
	((float *)nnopt_tensor_data(p))[0] = 0.0f;
	((float *)nnopt_tensor_data(p))[1] = 1.0f;
	assert_fails(NNOPT_ERROR_NOT_FOUND, "'absent'", nnopt_report_add_mistakes(r, NULL, data, p, &o));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "dataset is NULL",
		     nnopt_report_add_mistakes(r, NULL, NULL, p, NULL));
	assert_int_equal(nnopt_report_sections(r), 1);
	nnopt_tensor_destroy(p);
	nnopt_report_destroy(r);
}

static nnopt_status damaged(int64_t index, nnopt_sample *sample, void *user)
{
	const int *bad = user;
	sample->height = sample->width = SIDE;
	sample->label = index % CLASSES;
	memset(sample->pixels, (int)(20 * index), SIDE * SIDE);
	return *bad == COUNT || index == *bad ? nnopt_fail(NNOPT_ERROR_FORMAT, "sample: damaged") : NNOPT_OK;
}

/* A mistake whose picture cannot be read is left out, with a model or without, were it the only one. */
static void unreadable_mistakes_are_left_out(void **state)
{
	(void)state;
	int bad = COUNT;
	nnopt_report *r = make();
	nnopt_tensor *p = probabilities(COUNT);
	nnopt_dataset *read = NULL, *some = NULL; /* its labels are known whatever can be read */
	nnopt_callback_dataset_options c;
	nnopt_report_mistakes_options o;
	assert_ok(nnopt_callback_dataset_options_init(&c, sizeof c));
	c.count = COUNT;
	c.classes = CLASSES;
	c.channels = 1;
	c.max_height = c.max_width = SIDE;
	c.get = damaged;
	c.user = &bad;
	assert_ok(nnopt_dataset_from_callbacks(&read, ctx, &c));
	assert_ok(nnopt_dataset_relabel(&some, read, (int64_t[]){ 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2 }, COUNT));
	assert_ok(nnopt_report_mistakes_options_init(&o, sizeof o));
	assert_ok(nnopt_report_add_mistakes(r, NULL, some, p, &o));
	char *without = page_of(r);
	assert_int_equal(times(without, "<img"), 0);
	o.model = model;
	assert_ok(nnopt_report_add_mistakes(r, NULL, some, p, &o));
	char *with = page_of(r);
	assert_string_equal(with, without);
	free(with);
	free(without);
	bad = 5; /* of 9, 5 and 1 */
	assert_ok(nnopt_report_add_mistakes(r, NULL, some, p, &o));
	with = page_of(r);
	assert_int_equal(times(with, "<img"), 4);
	assert_non_null(strstr(with, "<b>0</b> taken for <b>1</b>, 86.0 % sure <small>sample 9<"));
	assert_null(strstr(with, "sample 5<"));
	free(with);
	nnopt_dataset_destroy(some);
	nnopt_dataset_destroy(read);
	nnopt_tensor_destroy(p);
	nnopt_report_destroy(r);
}

/* --- data and search --- */

static nnopt_status worth(const nnopt_trial *trial, double *value, void *user)
{
	(void)user;
	*value = nnopt_trial_number(trial, "lr");
	return nnopt_trial_id(trial) == 1 ? nnopt_fail(NNOPT_ERROR_IO, "<no luck>") : NNOPT_OK;
}

static void findings_and_trials_are_told(void **state)
{
	(void)state;
	nnopt_report *r = make();
	nnopt_dataset *doubled = NULL;
	nnopt_audit *audit = NULL;
	nnopt_search *search = NULL;
	nnopt_search_options o;
	assert_ok(nnopt_dataset_subset(&doubled, data, (int64_t[]){ 0, 1, 0 }, 3));
	assert_ok(nnopt_audit_create(&audit, doubled));
	assert_ok(nnopt_report_add_audit(r, NULL, audit));
	assert_good_page(r, HAS("<p>Nothing was found.</p>"));
	assert_ok(nnopt_audit_pictures(audit, NULL));
	assert_ok(nnopt_report_add_audit(r, NULL, audit));
	assert_good_page(r, HAS("<dt>duplicate</dt><dd>1</dd>",
				"<th scope=\"row\">duplicate</th><td class=\"n\">2</td><td>remove</td>"));
	assert_ok(nnopt_search_options_init(&o, sizeof o));
	o.trials = 3;
	o.budget = o.least = 1;
	assert_ok(nnopt_search_create(&search, ctx, &o));
	assert_ok(nnopt_search_add_number(search, "lr", 1e-3, 1e-1, 1, 3));
	assert_ok(nnopt_report_add_search(r, NULL, search)); /* nothing run: no picture */
	assert_good_page(r, HAS("<pre>trial"));
	assert_ok(nnopt_search_run(search, worth, NULL, 0));
	assert_ok(nnopt_report_add_search(r, NULL, search));
	assert_good_page(r, HAS("<polyline class=\"best\"", "failed: &lt;no luck&gt;"));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "audit is NULL", nnopt_report_add_audit(r, NULL, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "search is NULL", nnopt_report_add_search(r, NULL, NULL));
	/* All of it in one file, for a parser that is not ours. */
	nnopt_tensor *p = probabilities(COUNT), *labels = NULL;
	nnopt_metrics *m = measure(p);
	nnopt_calibration *c = NULL;
	nnopt_history *history = train(3, NULL, NULL, 1);
	assert_ok(nnopt_dataset_labels(&labels, data));
	assert_ok(nnopt_calibration_create(&c, ctx, p, labels, NULL));
	assert_ok(nnopt_report_add_text(r, NULL, "one <two> & three\n\nfour \xff"));
	assert_ok(nnopt_report_add_model(r, NULL, model));
	assert_ok(nnopt_report_add_history(r, NULL, history));
	assert_ok(nnopt_report_add_classes(r, NULL, m, names));
	assert_ok(nnopt_report_add_confusion(r, NULL, m, names));
	assert_ok(nnopt_report_add_calibration(r, NULL, c, c, 1.5));
	assert_ok(nnopt_report_add_ranking(r, NULL, p, labels, names));
	assert_ok(nnopt_report_add_mistakes(r, NULL, data, p, NULL));
	assert_good_page(r, NULL);
	assert_ok(nnopt_report_write(r, TEST_TMP "/whole_report.html"));
	nnopt_history_destroy(history);
	nnopt_calibration_destroy(c);
	nnopt_metrics_destroy(m);
	nnopt_tensor_destroy(labels);
	nnopt_tensor_destroy(p);
	nnopt_search_destroy(search);
	nnopt_audit_destroy(audit);
	nnopt_dataset_destroy(doubled);
	nnopt_report_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(models_are_told),
		cmocka_unit_test(large_numbers_have_three_digits),
		cmocka_unit_test(runs_are_followed),
		cmocka_unit_test(runs_that_end_early),
		cmocka_unit_test(classes_are_told),
		cmocka_unit_test(confusions_come_by_frequency),
		cmocka_unit_test(probabilities_are_told),
		cmocka_unit_test(mistakes_are_shown),
		cmocka_unit_test(unreadable_mistakes_are_left_out),
		cmocka_unit_test(findings_and_trials_are_told),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
