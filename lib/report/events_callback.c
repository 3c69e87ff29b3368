/* events_callback.c - what nnopt_fit tells its callbacks, as events. */
#include "report/events.h"

#include <math.h>

/* A run that cannot tell how it goes goes on all the same, unless it was asked not to. */
static nnopt_status judge(nnopt_events *e, nnopt_status status)
{
	if (status == NNOPT_OK || e->o.stop_on_error)
		return status;
	if (!e->warned)
		nno_log(e->context, NNOPT_LOG_WARNING, "events are not written: %s", nnopt_last_error());
	e->warned = true;
	return NNOPT_OK;
}

/* Of a run that is resumed, the first call tells at which step: what an earlier process wrote from there on is written
 * anew. An epoch that ended as the checkpoint was made is told again at its last step. */
static nnopt_status void_later_steps(nnopt_events *e, const nnopt_progress *p, bool of_epoch)
{
	if (e->called)
		return NNOPT_OK;
	e->called = true;
	return nnopt_events_purge(e, p->step + (!of_epoch && !p->updated));
}

typedef struct point {
	const char *tag;
	double value;
} point;

/* All records are tried, for one whose write failed waits and the next may find room: the first failure counts. */
static void note(nnopt_status *first, nnopt_status next) { *first = *first == NNOPT_OK ? next : *first; }

static void write_points(nnopt_events *e, const point *points, int count, int64_t step, nnopt_status *status)
{
	for (int i = 0; i < count; i++)
		note(status, nnopt_events_scalar(e, points[i].tag, points[i].value, step));
}

nnopt_status nnopt_events_on_batch(const nnopt_progress *progress, void *events)
{
	nnopt_events *e = events;
	const nnopt_progress *p = progress;
	if (p == NULL || e == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_on_batch: %s is NULL",
				p == NULL ? "progress" : "events");
	nnopt_status status = void_later_steps(e, p, false);
	if (p->updated && e->o.every_steps > 0 && p->step % e->o.every_steps == 0) {
		const point points[] = { { "step/loss", p->batch_loss },
					 { "step/learning_rate", p->lr },
					 { "step/gradient_norm", p->gradient_norm },
					 { "step/images_per_second", p->samples_per_second } };
		write_points(e, points, NNO_COUNT(points), p->step, &status);
	}
	return judge(e, status);
}

static nnopt_status write_histograms(nnopt_events *e, nnopt_model *model, int64_t step)
{
	nnopt_model_blocks b = { .struct_size = sizeof b };
	NNO_TRY(nnopt_model_get_blocks(model, &b));
	nnopt_status status = NNOPT_OK;
	for (int32_t i = 0; i < nnopt_model_parameter_count(model); i++) {
		nnopt_parameter_info p = { .struct_size = sizeof p };
		NNO_TRY(nnopt_model_parameter_info(model, i, &p));
		if (p.role == NNOPT_ROLE_STATE)
			continue;
		note(&status, nno_events_histogram(e, "events_on_epoch", "parameters/", p.name,
						   b.parameters + p.block_offset, p.count, step));
		if (e->o.histograms == 2 && p.trainable && !p.spent && b.gradients != NULL)
			note(&status, nno_events_histogram(e, "events_on_epoch", "gradients/", p.name,
							   b.gradients + p.block_offset, p.count, step));
	}
	return status;
}

nnopt_status nnopt_events_on_epoch(const nnopt_progress *progress, void *events)
{
	nnopt_events *e = events;
	const nnopt_progress *p = progress;
	if (p == NULL || e == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "events_on_epoch: %s is NULL",
				p == NULL ? "progress" : "events");
	const point points[] = { { "train/loss", p->loss },
				 { "train/accuracy", p->accuracy },
				 { "train/learning_rate", p->lr },
				 { "train/images_per_second", p->samples_per_second },
				 { "validation/loss", p->validation_loss },
				 { "validation/accuracy", p->validation_accuracy } };
	nnopt_status status = void_later_steps(e, p, true);
	write_points(e, points, p->validated ? 6 : 4, p->step, &status);
	if (e->o.histograms > 0 && p->model != NULL)
		note(&status, write_histograms(e, p->model, p->step));
	note(&status, nnopt_events_flush(e));
	return judge(e, status);
}
