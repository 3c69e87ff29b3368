/* report_text.c - metrics as text for people. Written twice over the same functions: once to learn the size. */
#include "nnopt/eval.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MATRIX_CLASSES 30 /* wider matrices are not read by people: the most frequent confusions stand for them */
#define CONFUSIONS 20
#define NAME_WIDTH 16

typedef struct writer {
	char *text; /* NULL: only counts */
	size_t size, used;
} writer;

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
add(writer *w, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	size_t room = w->text != NULL && w->used < w->size ? w->size - w->used : 0;
	int n = vsnprintf(room > 0 ? w->text + w->used : NULL, room, format, args);
	va_end(args);
	w->used += n > 0 ? (size_t)n : 0;
}

/* A share as per cent with two digits, whatever the locale's decimal point. */
static void add_percent(writer *w, double share)
{
	int hundredths = (int)(share * 10000.0 + 0.5);
	add(w, "%4d.%02d%%", hundredths / 100, hundredths % 100);
}

static void add_interval(writer *w, double low, double high)
{
	add(w, " [");
	add_percent(w, low);
	add(w, ",");
	add_percent(w, high);
	add(w, "]");
}

static const char *name_of(const char *const *names, int64_t index, char *number, size_t size)
{
	if (names != NULL && names[index] != NULL)
		return names[index];
	snprintf(number, size, "%lld", (long long)index);
	return number;
}

/* The first characters of a name and spaces, NAME_WIDTH in all. A byte that only goes on with a character of UTF-8
 * takes no place. */
static void add_name(writer *w, const char *const *names, int64_t index)
{
	char number[24];
	const char *name = name_of(names, index, number, sizeof number);
	int bytes = 0, width = 0;
	for (; name[bytes] != '\0'; bytes++) {
		int begins = ((unsigned char)name[bytes] & 0xc0) != 0x80;
		if (width + begins > NAME_WIDTH)
			break;
		width += begins;
	}
	add(w, "%.*s%*s", bytes, name, NAME_WIDTH - width, "");
}

static void add_matrix(writer *w, const nnopt_metrics *m, int64_t classes, const char *const *names)
{
	add(w, "confusion matrix (a row for each actual class, a column for each predicted one)\n%-*s", NAME_WIDTH, "");
	for (int64_t c = 0; c < classes; c++)
		add(w, " %6lld", (long long)c);
	add(w, "\n");
	for (int64_t a = 0; a < classes; a++) {
		add_name(w, names, a);
		for (int64_t p = 0; p < classes; p++)
			add(w, " %6lld", (long long)nnopt_metrics_confusion(m, a, p));
		add(w, "\n");
	}
}

static void add_confusions(writer *w, const nnopt_metrics *m, int64_t classes, const char *const *names)
{
	int64_t actual[CONFUSIONS], predicted[CONFUSIONS], counts[CONFUSIONS], n = 0;
	(void)nnopt_metrics_top_confusions(m, CONFUSIONS, actual, predicted, counts, &n);
	add(w, "the most frequent confusions of %lld classes (actual, predicted, samples)\n", (long long)classes);
	for (int64_t i = 0; i < n; i++) {
		add_name(w, names, actual[i]);
		add(w, " ");
		add_name(w, names, predicted[i]);
		add(w, " %6lld\n", (long long)counts[i]);
	}
}

static void add_table(writer *w, const nnopt_metrics *m, int64_t classes, const char *const *names)
{
	add(w, "\n%-*s %7s  %-28s %-28s %8s\n", NAME_WIDTH, "class", "support", "precision [95 %]", "recall [95 %]",
	    "F1");
	for (int64_t c = 0; c < classes; c++) {
		nnopt_class_metrics one = { .struct_size = sizeof one };
		(void)nnopt_metrics_class(m, c, &one);
		add_name(w, names, c);
		add(w, " %7lld ", (long long)one.support);
		add_percent(w, one.precision);
		add_interval(w, one.precision_low, one.precision_high);
		add(w, " ");
		add_percent(w, one.recall);
		add_interval(w, one.recall_low, one.recall_high);
		add(w, " ");
		add_percent(w, one.f1);
		add(w, "\n");
	}
}

static void write_report(writer *w, const nnopt_metrics *m, const char *const *names)
{
	int64_t classes = nnopt_metrics_classes(m);
	double low = 0.0, high = 0.0, precision = 0.0, recall = 0.0, f1 = 0.0;
	(void)nnopt_metrics_accuracy_interval(m, 0.95, &low, &high);
	(void)nnopt_metrics_macro(m, &precision, &recall, &f1);
	if (classes <= MATRIX_CLASSES)
		add_matrix(w, m, classes, names);
	else
		add_confusions(w, m, classes, names);
	add_table(w, m, classes, names);
	add(w, "\nmean of classes: precision");
	add_percent(w, precision);
	add(w, ", recall");
	add_percent(w, recall);
	add(w, ", F1");
	add_percent(w, f1);
	add(w, "\naccuracy:");
	add_percent(w, nnopt_metrics_accuracy(m));
	add_interval(w, low, high);
	add(w, " of %lld samples\n", (long long)nnopt_metrics_count(m));
}

nnopt_status nnopt_metrics_report(const nnopt_metrics *m, const char *const *class_names, char *text, size_t size,
				  size_t *needed)
{
	if (m == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "metrics_report: metrics is NULL");
	writer count = { NULL, 0, 0 };
	write_report(&count, m, class_names);
	if (needed != NULL)
		*needed = count.used + 1;
	if (text == NULL && size == 0 && needed != NULL)
		return NNOPT_OK;
	if (text == NULL || size < count.used + 1) {
		char reason[96];
		snprintf(reason, sizeof reason, "metrics_report: a buffer of %zu bytes, %zu wanted",
			 text == NULL ? (size_t)0 : size, count.used + 1);
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, reason);
	}
	writer w = { text, size, 0 };
	write_report(&w, m, class_names);
	return NNOPT_OK;
}
