/* html_history.c - the curves of a run, after it and while it goes on. */
#include "report/html.h"

#include <math.h>
#include <string.h>

/* What a record's numbers are in a chart: columns of one block. */
enum { EPOCH, LOSS, ACCURACY, VALIDATION_LOSS, VALIDATION_ACCURACY, RATE, COLUMNS };

static void fill(double *block, const nnopt_epoch_record *records, int64_t count, int64_t first)
{
	for (int64_t i = 0; i < count; i++) {
		const nnopt_epoch_record *e = &records[i];
		block[EPOCH * count + i] = (double)(first + i + 1);
		block[LOSS * count + i] = e->loss;
		block[ACCURACY * count + i] = 100.0 * e->accuracy;
		block[VALIDATION_LOSS * count + i] = e->validation_loss;
		block[VALIDATION_ACCURACY * count + i] = 100.0 * e->validation_accuracy;
		block[RATE * count + i] = e->lr;
	}
}

static bool any_finite(const double *values, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (isfinite(values[i]))
			return true;
	return false;
}

/* Training and validation in one chart, the best epoch as a dot. */
static bool add_pair(const nnopt_report *r, nno_text *t, const double *block, int64_t n, int training, int validation,
		     int64_t best, const char *name)
{
	const double *x = block + EPOCH * n, *seen = block + training * n, *unseen = block + validation * n;
	bool validated = any_finite(unseen, n);
	const double *judged = validated ? unseen : seen;
	int64_t at = best >= 0 ? best : 0;
	nnopt_report_series lines[3] = {
		{ .name = "validation", .x = x, .y = unseen, .count = n },
		{ .name = "training", .x = x, .y = seen, .count = n },
		{ .name = "best", .x = x + at, .y = judged + at, .count = 1 },
	};
	const nnopt_report_series *own[3];
	nnopt_report_chart chart = { .x_name = "epoch", .y_name = name, .series = own };
	for (int k = validated ? 0 : 1; k < (best >= 0 && n > 1 ? 3 : 2); k++)
		own[chart.series_count++] = &lines[k];
	return nno_report_chart(r, t, &chart);
}

static bool add_rate(const nnopt_report *r, nno_text *t, const double *block, int64_t n)
{
	nno_svg_scale range = nno_svg_range(true);
	nnopt_report_series line = { .x = block + EPOCH * n, .y = block + RATE * n, .count = n, .name = "" };
	const nnopt_report_series *own[] = { &line };
	nnopt_report_chart chart = { .x_name = "epoch", .y_name = "Learning rate", .series = own, .series_count = 1 };
	for (int64_t i = 0; i < n; i++)
		nno_svg_widen(&range, line.y[i]);
	chart.y_logarithmic = range.high > 30.0 * range.low;
	return nno_report_chart(r, t, &chart);
}

static void add_facts(nno_text *t, const nnopt_epoch_record *records, int64_t count, int64_t first, int64_t best)
{
	double seconds = 0.0;
	for (int64_t i = 0; i < count; i++)
		seconds += records[i].seconds;
	const nnopt_epoch_record *e = &records[best >= 0 ? best : count - 1];
	nno_report_facts_begin(t);
	nno_report_fact_number(t, "Epochs", (double)(first + count), 0, NULL);
	nno_report_fact_number(t, best >= 0 ? "Best epoch" : "Last epoch",
			       (double)(first + (best >= 0 ? best : count - 1) + 1), 0, NULL);
	if (isfinite(e->validation_accuracy)) {
		nno_report_fact_number(t, "Validation accuracy", 100.0 * e->validation_accuracy, 2, " %");
		nno_report_fact_number(t, "Validation loss", e->validation_loss, 4, NULL);
	}
	nno_report_fact_number(t, "Training accuracy", 100.0 * e->accuracy, 2, " %");
	nno_report_fact_number(t, "Training time", seconds, seconds < 100.0 ? 1 : 0, " s");
	nno_report_fact_number(t, "Pictures per second", e->samples_per_second, 0, NULL);
	nno_report_facts_end(t);
}

nnopt_status nno_report_history(const nnopt_report *r, nno_text *t, const nnopt_epoch_record *records, int64_t count,
				int64_t first, int64_t best, const char *what)
{
	if (count == 0) {
		nno_text_add(t, "<p>No epoch has been trained.</p>\n");
		return NNOPT_OK;
	}
	double *block = nno_new_array(&r->context->alloc, (size_t)count, COLUMNS * sizeof *block);
	if (block == NULL)
		return nno_fail_memory(what, (size_t)count * COLUMNS * sizeof *block);
	fill(block, records, count, first);
	add_facts(t, records, count, first, best);
	nno_report_charts_begin(t);
	bool ok = add_pair(r, t, block, count, LOSS, VALIDATION_LOSS, best, "Loss") &&
		  add_pair(r, t, block, count, ACCURACY, VALIDATION_ACCURACY, best, "Accuracy, %") &&
		  add_rate(r, t, block, count);
	nno_report_charts_end(t);
	nno_delete(&r->context->alloc, block);
	return ok ? NNOPT_OK : nno_fail_memory(what, sizeof(double));
}

nnopt_status nnopt_report_add_history(nnopt_report *report, const char *title, const nnopt_history *history)
{
	NNO_TRY(nno_report_check(report, history, "history", "report_add_history"));
	const nno_alloc *a = &report->context->alloc;
	int64_t n = nnopt_history_epochs(history);
	nnopt_epoch_record *records = nno_new_array(a, (size_t)n + 1, sizeof *records);
	if (records == NULL)
		return nno_fail_memory("report_add_history", (size_t)n * sizeof *records);
	nno_text t;
	nnopt_status status = NNOPT_OK;
	nno_text_start(&t, a);
	for (int64_t i = 0; i < n && status == NNOPT_OK; i++) {
		records[i].struct_size = sizeof records[i];
		status = nnopt_history_epoch(history, i, &records[i]);
	}
	if (status == NNOPT_OK)
		status = nno_report_history(report, &t, records, n, 0, nnopt_history_best_epoch(history),
					    "report_add_history");
	nno_delete(a, records);
	if (status == NNOPT_OK)
		return nno_report_put(report, title != NULL ? title : "Training", &t, "report_add_history");
	nno_text_free(&t);
	return status;
}

/* --- a run that goes on --- */

nnopt_status nnopt_report_follow(nnopt_report *r, const char *title, const char *path, int64_t every, int64_t reload)
{
	NNO_TRY(nno_report_check(r, path, "path", "report_follow"));
	if (every < 1 || reload < 0 || reload > 86400)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"report_follow: every %lld epochs, 1 or more, reload after %lld s, 0 to 86400 wanted",
				(long long)every, (long long)reload);
	const nno_alloc *a = &r->context->alloc;
	nno_text t;
	title = title != NULL ? title : "Training";
	char *own_title = nno_new_text(a, title, strlen(title)), *own_path = nno_new_text(a, path, strlen(path));
	nno_text_start(&t, a);
	nno_text_add(&t, "<p>No epoch has been trained.</p>\n");
	nnopt_status status = own_title == NULL || own_path == NULL
				  ? nno_fail_memory("report_follow", strlen(title) + strlen(path))
				  : nno_report_put(r, title, &t, "report_follow");
	if (status != NNOPT_OK) {
		if (own_title == NULL || own_path == NULL)
			nno_text_free(&t);
		nno_delete(a, own_title);
		nno_delete(a, own_path);
		return status;
	}
	nno_report_follow *f = &r->follow;
	nno_delete(a, f->title);
	nno_delete(a, f->path);
	f->title = own_title;
	f->path = own_path;
	f->every = every;
	f->reload = reload;
	f->count = 0;
	return NNOPT_OK;
}

static nnopt_status take_up(nnopt_report *r, const nnopt_progress *p)
{
	nno_report_follow *f = &r->follow;
	if (f->count > 0 && p->epoch != f->first + f->count)
		f->count = 0; /* another run */
	if (f->count == 0) {
		f->first = p->epoch;
		f->best = -1;
	}
	if (f->count == f->room) {
		int64_t room = 2 * f->room + 64;
		nnopt_epoch_record *grown = nno_grow(&r->context->alloc, f->records, (size_t)room * sizeof *grown);
		if (grown == NULL)
			return nno_fail_memory("report_on_epoch", (size_t)room * sizeof *grown);
		f->records = grown;
		f->room = room;
	}
	if (p->improved)
		f->best = f->count;
	f->records[f->count++] = (nnopt_epoch_record){ .struct_size = sizeof(nnopt_epoch_record),
						       .loss = p->loss,
						       .accuracy = p->accuracy,
						       .validation_loss = p->validation_loss,
						       .validation_accuracy = p->validation_accuracy,
						       .lr = p->lr,
						       .seconds = p->seconds,
						       .samples_per_second = p->samples_per_second };
	return NNOPT_OK;
}

nnopt_status nnopt_report_on_epoch(const nnopt_progress *progress, void *user)
{
	nnopt_report *r = user;
	NNO_TRY(nno_report_check(r, progress, "progress", "report_on_epoch"));
	nno_report_follow *f = &r->follow;
	if (f->path == NULL)
		return nno_fail(NNOPT_ERROR_STATE,
				"report_on_epoch: the report follows no run, see nnopt_report_follow()");
	NNO_TRY(take_up(r, progress));
	nno_text t;
	nno_text_start(&t, &r->context->alloc);
	nnopt_status status = nno_report_history(r, &t, f->records, f->count, f->first, f->best, "report_on_epoch");
	if (status == NNOPT_OK)
		status = nno_report_put(r, f->title, &t, "report_on_epoch");
	else
		nno_text_free(&t);
	/* A run that ends early does not tell: its caller writes the report, with the section as it is now. */
	bool last = progress->epoch + 1 >= progress->epochs;
	if (status != NNOPT_OK || (!last && (progress->epoch + 1) % f->every != 0))
		return status;
	return nno_report_write(r, f->path, last ? 0 : f->reload, "report_on_epoch");
}
