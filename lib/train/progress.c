/* progress.c - ready-made console callbacks. They keep no state, so two runs in one process do not meet. */
#include "nnopt/train.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define BAR 24

static void format_time(char *text, size_t size, double seconds)
{
	if (!(seconds >= 0.0 && seconds < 1e9)) {
		snprintf(text, size, "--:--");
		return;
	}
	long long s = (long long)(seconds + 0.5);
	if (s >= 3600)
		snprintf(text, size, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(text, size, "%02lld:%02lld", s / 60, s % 60);
}

nnopt_status nnopt_progress_bar(const nnopt_progress *p, void *user)
{
	(void)user;
	if (p == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "progress_bar: progress is NULL");
	/* Ten times a second at most: in the batch that enters a new tenth. The last batch always. */
	if (p->batch < p->batches && floor(p->seconds * 10.0) == floor((p->seconds - p->batch_seconds) * 10.0))
		return NNOPT_OK;
	if (!isatty(STDERR_FILENO))
		return NNOPT_OK;
	char bar[BAR + 1], left[32];
	int done = p->batches > 0 ? (int)(p->batch * BAR / p->batches) : BAR;
	for (int i = 0; i < BAR; i++)
		bar[i] = i < done ? '=' : i == done ? '>' : ' ';
	bar[BAR] = 0;
	format_time(left, sizeof left, p->seconds_left);
	fprintf(stderr, "\r\033[Kepoch %lld/%lld [%s] %lld/%lld  loss %.4f  acc %.2f%%  %.0f img/s  %s left",
		(long long)p->epoch + 1, (long long)p->epochs, bar, (long long)p->batch, (long long)p->batches, p->loss,
		100.0 * p->accuracy, p->samples_per_second, left);
	fflush(stderr);
	return NNOPT_OK;
}

nnopt_status nnopt_progress_line(const nnopt_progress *p, void *user)
{
	(void)user;
	if (p == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "progress_line: progress is NULL");
	char validation[96] = "";
	if (p->validated)
		snprintf(validation, sizeof validation, "  val loss %.4f  val acc %.2f%%%s", p->validation_loss,
			 100.0 * p->validation_accuracy, p->improved ? " *" : "");
	fprintf(stderr, "%sepoch %lld/%lld  loss %.4f  acc %.2f%%%s  lr %.3g  %.1f s  %.0f img/s\n",
		isatty(STDERR_FILENO) ? "\r\033[K" : "", (long long)p->epoch + 1, (long long)p->epochs, p->loss,
		100.0 * p->accuracy, validation, p->lr, p->seconds, p->samples_per_second);
	return NNOPT_OK;
}
