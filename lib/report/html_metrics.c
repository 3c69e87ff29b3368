/* html_metrics.c - what predictions are worth: the confusion matrix and the classes. */
#include "report/html.h"

#include <math.h>

enum { MATRIX_CLASSES = 30, CONFUSIONS = 20 };

/* --- confusion --- */

static void add_matrix_cell(nno_text *t, int64_t count, int64_t of, bool diagonal)
{
	double shade = of > 0 ? sqrt((double)count / (double)of) : 0.0; /* so that few errors are seen too */
	nno_text_addf(t, "<td class=\"%s%s\" style=\"--a:", diagonal ? "d" : "",
		      count == 0    ? " o"
		      : shade > 0.6 ? " h"
				    : "");
	nno_text_add_fixed(t, shade, 2);
	nno_text_addf(t, "\">%lld</td>", (long long)count);
}

static void add_matrix(nno_text *t, const nnopt_metrics *m, const char *const *names)
{
	int64_t classes = nnopt_metrics_classes(m);
	char number[NNO_REPORT_NUMBER];
	nno_text_add(
	    t,
	    "<p class=\"note\">A row for each class that a picture has, a column for each that was predicted. Blue is "
	    "right, orange is wrong; the darker, the larger the share of the row.</p>\n"
	    "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Confusion matrix\">\n"
	    "<table class=\"matrix\">\n<thead><tr><td></td>");
	for (int64_t c = 0; c < classes; c++) {
		nno_text_add(t, "<th scope=\"col\"><span>");
		nno_text_add_xml(t, nno_report_name(names, c, number));
		nno_text_add(t, "</span></th>");
	}
	nno_text_add(t, "</tr></thead>\n<tbody>\n");
	for (int64_t a = 0; a < classes; a++) {
		int64_t row = 0;
		for (int64_t p = 0; p < classes; p++)
			row += nnopt_metrics_confusion(m, a, p);
		nno_text_add(t, "<tr><th scope=\"row\">");
		nno_text_add_xml(t, nno_report_name(names, a, number));
		nno_text_add(t, "</th>");
		for (int64_t p = 0; p < classes; p++)
			add_matrix_cell(t, nnopt_metrics_confusion(m, a, p), row, a == p);
		nno_text_add(t, "</tr>\n");
	}
	nno_text_add(t, "</tbody>\n</table>\n</div>\n");
}

static void add_confusions(const nnopt_report *r, nno_text *t, const nnopt_metrics *m, const char *const *names)
{
	char numbers[2][CONFUSIONS][NNO_REPORT_NUMBER];
	const char *actual[CONFUSIONS], *predicted[CONFUSIONS];
	int64_t from[CONFUSIONS], to[CONFUSIONS], found[CONFUSIONS], n = 0;
	double counts[CONFUSIONS];
	(void)nnopt_metrics_top_confusions(m, CONFUSIONS, from, to, found, &n);
	for (int64_t i = 0; i < n; i++) {
		actual[i] = nno_report_name(names, from[i], numbers[0][i]);
		predicted[i] = nno_report_name(names, to[i], numbers[1][i]);
		counts[i] = (double)found[i];
	}
	const nnopt_report_column columns[] = { { .name = "class", .texts = actual },
						{ .name = "predicted as", .texts = predicted },
						{ .name = "pictures", .values = counts, .kind = NNOPT_COLUMN_BAR } };
	const nnopt_report_column *own[] = { &columns[0], &columns[1], &columns[2] };
	nno_text_addf(t, "<p class=\"note\">The most frequent confusions of %lld classes.</p>\n",
		      (long long)nnopt_metrics_classes(m));
	nno_report_table(r, t, "The most frequent confusions", own, 3, n);
}

nnopt_status nnopt_report_add_confusion(nnopt_report *report, const char *title, const nnopt_metrics *metrics,
					const char *const *class_names)
{
	NNO_TRY(nno_report_check(report, metrics, "metrics", "report_add_confusion"));
	nno_text t;
	nno_text_start(&t, &report->context->alloc);
	if (nnopt_metrics_classes(metrics) <= MATRIX_CLASSES)
		add_matrix(&t, metrics, class_names);
	else
		add_confusions(report, &t, metrics, class_names);
	return nno_report_put(report, title != NULL ? title : "Confusion matrix", &t, "report_add_confusion");
}

/* --- classes --- */

enum { SUPPORT, PRECISION, PRECISION_LOW, PRECISION_HIGH, RECALL, RECALL_LOW, RECALL_HIGH, F1, COLUMNS };

static void fill_classes(const nnopt_metrics *m, double *block, int64_t n)
{
	for (int64_t c = 0; c < n; c++) {
		nnopt_class_metrics one = { .struct_size = sizeof one };
		(void)nnopt_metrics_class(m, c, &one);
		block[SUPPORT * n + c] = (double)one.support;
		block[PRECISION * n + c] = 100.0 * one.precision;
		block[PRECISION_LOW * n + c] = 100.0 * one.precision_low;
		block[PRECISION_HIGH * n + c] = 100.0 * one.precision_high;
		block[RECALL * n + c] = 100.0 * one.recall;
		block[RECALL_LOW * n + c] = 100.0 * one.recall_low;
		block[RECALL_HIGH * n + c] = 100.0 * one.recall_high;
		block[F1 * n + c] = 100.0 * one.f1;
	}
}

static void add_class_facts(nno_text *t, const nnopt_metrics *m)
{
	double low = 0.0, high = 0.0, precision = 0.0, recall = 0.0, f1 = 0.0;
	nno_text text;
	(void)nnopt_metrics_accuracy_interval(m, 0.95, &low, &high);
	(void)nnopt_metrics_macro(m, &precision, &recall, &f1);
	nno_text_start(&text, t->alloc);
	nno_text_add_fixed(&text, 100.0 * low, 1);
	nno_text_add(&text, " to ");
	nno_text_add_fixed(&text, 100.0 * high, 1);
	nno_text_add(&text, " %");
	nno_report_facts_begin(t);
	nno_report_fact_number(t, "Accuracy", 100.0 * nnopt_metrics_accuracy(m), 2, " %");
	nno_report_fact(t, "95 % interval", text.data != NULL ? text.data : "");
	nno_report_fact_number(t, "Pictures", (double)nnopt_metrics_count(m), 0, NULL);
	if (nnopt_metrics_classes(m) > 5)
		nno_report_fact_number(t, "Top-5 accuracy", 100.0 * nnopt_metrics_top_k(m, 5), 2, " %");
	nno_report_fact_number(t, "Mean F1", 100.0 * f1, 2, " %");
	nno_report_facts_end(t);
	t->failed = t->failed || text.failed;
	nno_text_free(&text);
}

nnopt_status nnopt_report_add_classes(nnopt_report *report, const char *title, const nnopt_metrics *metrics,
				      const char *const *names)
{
	NNO_TRY(nno_report_check(report, metrics, "metrics", "report_add_classes"));
	const nno_alloc *a = &report->context->alloc;
	int64_t n = nnopt_metrics_classes(metrics);
	nno_report_names named = { NULL };
	double *block = nno_new_array(a, (size_t)n, COLUMNS * sizeof *block);
	nno_text t;
	nno_text_start(&t, a);
	if (block == NULL || !nno_report_names_make(&named, a, names, n)) {
		t.failed = true;
	} else {
		fill_classes(metrics, block, n);
		const nnopt_report_column columns[] = {
			{ .name = "class", .texts = named.names },
			{ .name = "pictures", .values = block + SUPPORT * n, .kind = NNOPT_COLUMN_NUMBER },
			{ .name = "precision",
			  .unit = " %",
			  .values = block + PRECISION * n,
			  .low = block + PRECISION_LOW * n,
			  .high = block + PRECISION_HIGH * n,
			  .kind = NNOPT_COLUMN_DOT,
			  .decimals = 1 },
			{ .name = "recall",
			  .unit = " %",
			  .values = block + RECALL * n,
			  .low = block + RECALL_LOW * n,
			  .high = block + RECALL_HIGH * n,
			  .kind = NNOPT_COLUMN_DOT,
			  .decimals = 1 },
			{ .name = "F1",
			  .unit = " %",
			  .values = block + F1 * n,
			  .kind = NNOPT_COLUMN_BAR,
			  .decimals = 1 },
		};
		const nnopt_report_column *own[] = { &columns[0], &columns[1], &columns[2], &columns[3], &columns[4] };
		add_class_facts(&t, metrics);
		nno_report_table(report, &t, "Precision, recall and F1 of each class", own, 5, n);
	}
	nno_delete(a, block);
	nno_report_names_free(&named, a);
	return nno_report_put(report, title != NULL ? title : "Classes", &t, "report_add_classes");
}
