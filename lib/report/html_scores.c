/* html_scores.c - what probabilities are worth: calibration with its reliability diagram, ROC and precision-recall
 * curves. */
#include "report/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CURVES = 6 };

/* --- calibration --- */

/* Accuracy over confidence, a dot for each bin that has samples, its area as their share; the dashed line is what it
 * should be. */
static void add_reliability(const nnopt_report *r, nno_text *t, const nnopt_calibration *c, const char *name,
			    int series)
{
	nnopt_calibration_info info = { .struct_size = sizeof info };
	nno_svg_frame f = { { .low = 0.0, .high = 1.0 }, { .low = 0.0, .high = 1.0 } };
	char whisker[16], dot[16];
	(void)nnopt_calibration_get_info(c, &info);
	snprintf(whisker, sizeof whisker, "whisker c%d", series);
	snprintf(dot, sizeof dot, "dot c%d", series);
	nno_report_frame_place(&f);
	nno_report_frame_begin(t, &f, "confidence", name);
	nno_svg_line(t, f.x.from, f.y.from, f.x.to, f.y.to, "ideal");
	for (int64_t i = 0; i < info.bins; i++) {
		nnopt_calibration_bin bin = { .struct_size = sizeof bin };
		if (nnopt_calibration_get_bin(c, i, &bin) != NNOPT_OK || bin.count == 0)
			continue;
		double x = nno_svg_place(&f.x, bin.confidence);
		nno_svg_line(t, x, nno_svg_place(&f.y, bin.accuracy_low), x, nno_svg_place(&f.y, bin.accuracy_high),
			     whisker);
		nno_svg_dot(t, x, nno_svg_place(&f.y, bin.accuracy),
			    3.0 + 9.0 * sqrt((double)bin.count / (double)info.count), dot);
	}
	nno_svg_end(t);
	nno_text_add(
	    t, "<details><summary>Numbers</summary>\n<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">"
	       "confidence</th><th scope=\"col\" class=\"n\">pictures</th><th scope=\"col\" class=\"n\">accuracy</th>"
	       "</tr></thead>\n<tbody>\n");
	int64_t rows = 0;
	for (int64_t i = 0; i < info.bins && !t->failed; i++) {
		nnopt_calibration_bin bin = { .struct_size = sizeof bin };
		if (nnopt_calibration_get_bin(c, i, &bin) != NNOPT_OK || bin.count == 0 || ++rows > r->table_rows)
			continue;
		nno_text_add(t, "<tr><th scope=\"row\">");
		nno_text_add_fixed(t, bin.confidence, 3);
		nno_text_addf(t, "</th><td class=\"n\">%lld</td><td class=\"n\">", (long long)bin.count);
		nno_text_add_fixed(t, bin.accuracy, 3);
		nno_text_add(t, "</td></tr>\n");
	}
	nno_text_add(t, "</tbody>\n</table></div>\n");
	nno_report_more(t, rows - r->table_rows);
	nno_text_add(t, "</details>\n</figure>\n");
}

/* A row a measure, a column for each of the one or two. */
static void add_measures(const nnopt_report *r, nno_text *t, const nnopt_calibration *const *which, int n)
{
	static const char *const names[] = { "calibration error (ECE), %",
					     "largest error of a bin, %",
					     "accuracy, %",
					     "mean confidence, %",
					     "Brier score",
					     "negative log likelihood" };
	double values[2][6];
	for (int k = 0; k < n; k++) {
		nnopt_calibration_info i = { .struct_size = sizeof i };
		(void)nnopt_calibration_get_info(which[k], &i);
		memcpy(values[k],
		       (const double[]){ 100.0 * i.ece, 100.0 * i.mce, 100.0 * i.accuracy, 100.0 * i.confidence,
					 i.brier, i.nll },
		       sizeof values[k]);
	}
	const nnopt_report_column columns[] = {
		{ .name = "", .texts = names },
		{ .name = n == 2 ? "as trained" : "", .values = values[0], .kind = NNOPT_COLUMN_NUMBER, .decimals = 3 },
		{ .name = "scaled", .values = values[1], .kind = NNOPT_COLUMN_NUMBER, .decimals = 3 }
	};
	const nnopt_report_column *own[] = { &columns[0], &columns[1], &columns[2] };
	nno_report_table(r, t, "Measures of calibration", own, n + 1, 6);
}

nnopt_status nnopt_report_add_calibration(nnopt_report *report, const char *title, const nnopt_calibration *before,
					  const nnopt_calibration *after, double temperature)
{
	NNO_TRY(nno_report_check(report, before, "before", "report_add_calibration"));
	const nnopt_calibration *which[] = { before, after };
	int n = after != NULL ? 2 : 1;
	nno_text t;
	nno_text_start(&t, &report->context->alloc);
	nno_text_add(
	    &t,
	    "<p class=\"note\">Of pictures that the model is sure of to 80 %, it should have 80 % right: dots on the "
	    "dashed line. Below it the model is too sure. Larger dots stand for more pictures; the lines are 95 % "
	    "intervals.");
	if (after != NULL) {
		nno_text_add(&t, " Temperature ");
		nno_text_add_digits(&t, temperature, 4);
		nno_text_add(&t, ".");
	}
	nno_text_add(&t, "</p>\n");
	nno_report_charts_begin(&t);
	add_reliability(report, &t, before, after != NULL ? "Accuracy, as trained" : "Accuracy", 0);
	if (after != NULL)
		add_reliability(report, &t, after, "Accuracy, after temperature scaling", 2);
	nno_report_charts_end(&t);
	add_measures(report, &t, which, n);
	return nno_report_put(report, title != NULL ? title : "Calibration", &t, "report_add_calibration");
}

/* --- ranking --- */

typedef struct ranking {
	const nnopt_report *report;
	const nnopt_tensor *scores, *labels;
	nno_report_names names;
	int64_t classes;
	double *area, *low, *high, *precision; /* a class each; NaN where it cannot be ranked */
	int64_t shown[CURVES];                 /* classes whose curves are drawn */
	int count;
} ranking;

static nnopt_status find_areas(ranking *k)
{
	nnopt_context *c = k->report->context;
	for (int64_t i = 0; i < k->classes; i++) {
		nnopt_auc_options o;
		nnopt_estimate e = { .struct_size = sizeof e };
		NNO_TRY(nnopt_auc_options_init(&o, sizeof o));
		o.class_index = i;
		nnopt_status status = nnopt_roc_auc(&e, c, k->scores, k->labels, &o);
		if (status == NNOPT_OK)
			status = nnopt_average_precision(&k->precision[i], c, k->scores, k->labels, i);
		if (status == NNOPT_ERROR_OUT_OF_MEMORY)
			return status;
		/* A class without samples, or with all of them, has no curve; so has one that two classes share. */
		k->area[i] = status == NNOPT_OK ? e.value : NAN;
		k->low[i] = status == NNOPT_OK ? e.low : NAN;
		k->high[i] = status == NNOPT_OK ? e.high : NAN;
		k->precision[i] = status == NNOPT_OK ? k->precision[i] : NAN;
	}
	return NNOPT_OK;
}

/* Of many classes those of least area, in the order of classes. */
static void choose(ranking *k)
{
	for (int64_t i = k->classes == 2 ? 1 : 0; i < k->classes; i++) {
		int64_t below = 0;
		for (int64_t j = 0; j < k->classes; j++)
			below += k->area[j] < k->area[i] || (k->area[j] == k->area[i] && j < i);
		if (isfinite(k->area[i]) && below < CURVES && k->count < CURVES)
			k->shown[k->count++] = i;
	}
}

typedef nnopt_status (*curve_fn)(nnopt_tensor **points, nnopt_context *context, const nnopt_tensor *scores,
				 const nnopt_tensor *labels, int64_t class_index);

static nnopt_status take_curve(const ranking *k, curve_fn curve, int64_t class_index, double **block, int64_t *count)
{
	nnopt_tensor *points = NULL;
	NNO_TRY(curve(&points, k->report->context, k->scores, k->labels, class_index));
	const float *p = nnopt_tensor_const_data(points);
	int64_t n = nnopt_tensor_extent(points, 0);
	*block = nno_new_array(&k->report->context->alloc, (size_t)n, 2 * sizeof **block);
	for (int64_t i = 0; *block != NULL && i < n; i++) {
		(*block)[i] = (double)p[3 * i];
		(*block)[n + i] = (double)p[3 * i + 1];
	}
	nnopt_tensor_destroy(points);
	*count = n;
	return *block != NULL ? NNOPT_OK : nno_fail_memory("report_add_ranking", (size_t)n * 2 * sizeof **block);
}

static nnopt_status add_curves(const ranking *k, nno_text *t, curve_fn curve, const char *x_name, const char *y_name)
{
	nnopt_report_series series[CURVES] = { 0 };
	const nnopt_report_series *own[CURVES];
	double *blocks[CURVES] = { NULL };
	nnopt_status status = NNOPT_OK;
	for (int i = 0; i < k->count && status == NNOPT_OK; i++) {
		int64_t n = 0;
		status = take_curve(k, curve, k->shown[i], &blocks[i], &n);
		if (status == NNOPT_OK)
			series[i] = (nnopt_report_series){
				.name = k->names.names[k->shown[i]], .x = blocks[i], .y = blocks[i] + n, .count = n
			};
		own[i] = &series[i];
	}
	nnopt_report_chart chart = { .x_name = x_name, .y_name = y_name, .series = own, .series_count = k->count };
	if (status == NNOPT_OK && !nno_report_chart(k->report, t, &chart))
		status = nno_fail_memory("report_add_ranking", sizeof(double));
	for (int i = 0; i < k->count; i++)
		nno_delete(&k->report->context->alloc, blocks[i]);
	return status;
}

static void add_areas(const ranking *k, nno_text *t)
{
	const nnopt_report_column columns[] = {
		{ .name = "class", .texts = k->names.names },
		{ .name = "area under ROC",
		  .values = k->area,
		  .low = k->low,
		  .high = k->high,
		  .kind = NNOPT_COLUMN_DOT,
		  .decimals = 4 },
		{ .name = "average precision", .values = k->precision, .kind = NNOPT_COLUMN_DOT, .decimals = 4 },
	};
	const nnopt_report_column *own[] = { &columns[0], &columns[1], &columns[2] };
	nno_report_table(k->report, t, "Areas under the curves", own, 3, k->classes);
}

static nnopt_status write_ranking(ranking *k, nno_text *t)
{
	NNO_TRY(find_areas(k));
	choose(k);
	if (k->count == 0) { /* nor is there a mean over classes, which says why */
		nnopt_estimate e = { .struct_size = sizeof e };
		return nnopt_roc_auc(&e, k->report->context, k->scores, k->labels, NULL);
	}
	if (k->classes > CURVES)
		nno_text_addf(t, "<p class=\"note\">The %d classes of least area, of %lld.</p>\n", k->count,
			      (long long)k->classes);
	nno_report_charts_begin(t);
	NNO_TRY(add_curves(k, t, nnopt_roc_curve, "false positive rate", "True positive rate (ROC)"));
	NNO_TRY(add_curves(k, t, nnopt_precision_recall_curve, "recall", "Precision"));
	nno_report_charts_end(t);
	add_areas(k, t);
	return NNOPT_OK;
}

nnopt_status nnopt_report_add_ranking(nnopt_report *report, const char *title, const nnopt_tensor *scores,
				      const nnopt_tensor *labels, const char *const *class_names)
{
	NNO_TRY(nno_report_check(report, scores, "scores", "report_add_ranking"));
	NNO_TRY(nno_report_check(report, labels, "labels", "report_add_ranking"));
	const nno_alloc *a = &report->context->alloc;
	ranking k = { .report = report, .scores = scores, .labels = labels, .classes = nnopt_tensor_extent(scores, 1) };
	if (nnopt_tensor_rank(scores) != 2 || k.classes < 2)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"report_add_ranking: scores of rank %d with %lld columns, (samples, 2 or more) wanted",
				nnopt_tensor_rank(scores), (long long)k.classes);
	nno_text t;
	nno_text_start(&t, a);
	k.area = nno_new_array(a, (size_t)k.classes, 4 * sizeof *k.area);
	nnopt_status status = k.area == NULL || !nno_report_names_make(&k.names, a, class_names, k.classes)
				  ? nno_fail_memory("report_add_ranking", (size_t)k.classes * sizeof *k.area)
				  : NNOPT_OK;
	if (status == NNOPT_OK) {
		k.low = k.area + k.classes;
		k.high = k.low + k.classes;
		k.precision = k.high + k.classes;
		status = write_ranking(&k, &t);
	}
	nno_delete(a, k.area);
	nno_report_names_free(&k.names, a);
	if (status == NNOPT_OK)
		return nno_report_put(report, title != NULL ? title : "ROC and precision", &t, "report_add_ranking");
	nno_text_free(&t);
	return status;
}
