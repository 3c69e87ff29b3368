/* fit.c - the training loop. But for what it keeps (checkpoints, the history) it is written with public functions, so
 * that a caller can copy and change it. */
#include "train/fit.h"

#include <math.h>
#include <string.h>

static nnopt_status save(nno_fit_run *r)
{
	if (r->o.checkpoint_path == NULL)
		return NNOPT_OK;
	r->saved_step = r->state.step;
	r->saved_at = nno_now();
	return nno_checkpoint_write(&r->at, &r->state, r->o.checkpoint_path);
}

static nnopt_status save_if_due(nno_fit_run *r)
{
	int by_steps = r->o.checkpoint_steps > 0 && r->state.step - r->saved_step >= r->o.checkpoint_steps;
	int by_time = r->o.checkpoint_seconds > 0.0 && nno_now() - r->saved_at >= r->o.checkpoint_seconds;
	return by_steps || by_time ? save(r) : NNOPT_OK;
}

/* The rest of the epoch that `at` stands in. */
static nnopt_status train_epoch(nno_fit_run *r)
{
	r->clock = nno_now();
	r->epoch_begun = r->state.seconds;
	r->epoch_samples = 0;
	nnopt_status status = nnopt_loader_start(r->train, r->at.epoch, r->at.batch);
	r->starts = nnopt_loader_starts(r->train);
	while (status == NNOPT_OK) {
		const nnopt_batch *batch = NULL;
		status = nnopt_loader_next(r->train, &batch);
		if (status == NNOPT_OK && batch == NULL)
			break;
		if (status == NNOPT_OK)
			status = nno_fit_batch(r, batch);
		/* Between updates the gathered gradients are in no checkpoint, so a run stops and saves only after one.
		 */
		if (status != NNOPT_OK || r->since_update > 0)
			continue;
		if (nnopt_cancel_requested(r->o.cancel)) {
			status = save(r);
			return status != NNOPT_OK
				   ? status
				   : nno_fail(NNOPT_ERROR_CANCELLED, "fit: cancelled in epoch %lld, batch %lld",
					      (long long)r->at.epoch, (long long)r->at.batch);
		}
		status = save_if_due(r);
	}
	/* Batches of bad samples alone never come: the last gradients may still wait. */
	if (status == NNOPT_OK && r->since_update > 0)
		status = nno_fit_update(r);
	r->at.batch = r->batches;
	return status;
}

static nnopt_status validate(nno_fit_run *r, nnopt_evaluation *evaluation)
{
	double begun = nno_now();
	nnopt_status status = nnopt_evaluate(r->model, r->validation_plan, r->o.validation, r->loss, NULL, evaluation);
	r->validation_seconds += nno_now() - begun;
	r->validations++;
	return status;
}

static void copy_weights(const nno_fit_run *r, float *parameters, float *state, const float *from_parameters,
			 const float *from_state)
{
	memcpy(parameters, from_parameters, (size_t)r->blocks.parameter_elements * sizeof(float));
	if (r->blocks.state_elements > 0)
		memcpy(state, from_state, (size_t)r->blocks.state_elements * sizeof(float));
}

static void keep_if_best(nno_fit_run *r, const nnopt_epoch_record *record)
{
	nno_fit_state *s = &r->state;
	double value = r->o.monitor == NNOPT_MONITOR_TRAINING_LOSS || r->o.validation == NULL ? -record->loss
		       : r->o.monitor == NNOPT_MONITOR_VALIDATION_LOSS                        ? -record->validation_loss
								       : record->validation_accuracy;
	if (r->o.plateau != NULL)
		(void)nnopt_plateau_step(r->o.plateau, nnopt_plateau_maximises(r->o.plateau) ? value : -value);
	r->progress.improved = s->history->best_epoch < 0 ? !isnan(value) : value > s->best + r->o.min_delta;
	s->stale = r->progress.improved ? 0 : s->stale + 1;
	if (!r->progress.improved)
		return;
	s->best = value;
	s->history->best_epoch = r->at.epoch;
	if (s->best_parameters != NULL)
		copy_weights(r, s->best_parameters, s->best_state, r->blocks.parameters, r->blocks.state);
}

/* The epoch's numbers: those of the averaged weights where there are any, which are in the model then. */
static nnopt_status judge_epoch(nno_fit_run *r)
{
	nno_fit_state *s = &r->state;
	nnopt_evaluation e = { .struct_size = sizeof e, .loss = NAN, .accuracy = NAN };
	if (r->o.validation != NULL) {
		nnopt_status status = validate(r, &e);
		if (status != NNOPT_OK)
			return status;
	}
	nno_fit_progress(r, r->progress.batch_loss, r->progress.batch_seconds);
	if (r->o.validation != NULL)
		r->progress.seconds_left -= r->validation_seconds / (double)r->validations;
	nnopt_progress *p = &r->progress;
	p->validation_loss = e.loss;
	p->validation_accuracy = e.accuracy;
	p->validated = r->o.validation != NULL;
	nnopt_epoch_record *record = &s->history->records[s->history->count++];
	*record = (nnopt_epoch_record){ .struct_size = sizeof *record,
					.loss = p->loss,
					.accuracy = p->accuracy,
					.validation_loss = e.loss,
					.validation_accuracy = e.accuracy,
					.lr = p->lr,
					.seconds = s->seconds,
					.samples_per_second = p->samples_per_second };
	keep_if_best(r, record);
	return nno_fit_call(r->o.on_epoch, r, "on_epoch");
}

static nnopt_status finish_epoch(nno_fit_run *r)
{
	nno_fit_state *s = &r->state;
	nnopt_progress *p = &r->progress;
	nnopt_status status = r->o.average != NULL ? nnopt_average_swap(r->o.average, r->model) : NNOPT_OK;
	if (status != NNOPT_OK)
		return status;
	status = judge_epoch(r);
	if (nnopt_average_swapped(r->o.average))
		(void)nnopt_average_swap(r->o.average, r->model);
	if (s->history->count == r->at.epoch)
		return status; /* not judged */
	p->validation_loss = p->validation_accuracy = NAN;
	p->validated = p->improved = 0;
	s->correct = s->count = 0;
	s->loss_sum = s->weight_sum = s->seconds = 0.0;
	r->at.epoch++;
	r->at.batch = 0;
	if (status == NNOPT_OK && r->o.checkpoint_steps == 0 && r->o.checkpoint_seconds == 0.0)
		status = save(r);
	return status;
}

/* The averaged or the best weights instead of the model's own, which come back where their running statistics fail. */
static nnopt_status leave_weights(nno_fit_run *r)
{
	nnopt_model_blocks *b = &r->blocks;
	float *own_state = r->own != NULL ? r->own + b->parameter_elements : NULL;
	if (r->own != NULL)
		copy_weights(r, r->own, own_state, b->parameters, b->state);
	nnopt_status status = r->o.average != NULL ? nnopt_average_apply(r->o.average, r->model) : NNOPT_OK;
	if (status == NNOPT_OK && r->state.best_parameters != NULL && r->state.history->best_epoch >= 0)
		copy_weights(r, b->parameters, b->state, r->state.best_parameters, r->state.best_state);
	if (status != NNOPT_OK || r->own == NULL)
		return status;
	nnopt_plan_destroy(r->plan); /* for its room */
	r->plan = NULL;
	status = nno_refresh_batch_norm(r->model, r->train, r->o.refresh_batches, r->o.precision, r->o.max_bytes);
	if (status != NNOPT_OK)
		copy_weights(r, b->parameters, b->state, r->own, own_state);
	return status;
}

static int has_run_dry(const nno_fit_run *r) { return r->o.patience > 0 && r->state.stale >= r->o.patience; }

static nnopt_status run(nno_fit_run *r)
{
	nnopt_status status = NNOPT_OK;
	while (status == NNOPT_OK && r->at.epoch < r->o.epochs && !has_run_dry(r)) {
		status = train_epoch(r);
		if (status == NNOPT_OK)
			status = finish_epoch(r);
		if (status == NNOPT_OK && nnopt_cancel_requested(r->o.cancel)) {
			status = save(r);
			if (status == NNOPT_OK)
				status = nno_fail(NNOPT_ERROR_CANCELLED, "fit: cancelled after epoch %lld",
						  (long long)r->at.epoch - 1);
		}
	}
	if (status != NNOPT_OK)
		return status;
	/* The last checkpoint holds the last weights, not the best ones: more epochs may follow. */
	if (r->saved_step != r->state.step)
		status = save(r);
	r->state.history->stopped_early = r->at.epoch < r->o.epochs;
	return status == NNOPT_OK ? leave_weights(r) : status;
}

static nnopt_status make_plan(const nno_fit_run *r, nnopt_model *model, nnopt_loader *loader, nnopt_mode mode,
			      nnopt_plan **plan)
{
	nnopt_plan_options o;
	nnopt_status status = nnopt_loader_plan_options(&o, sizeof o, loader);
	o.mode = mode;
	o.precision = r->o.precision;
	o.max_bytes = r->o.max_bytes;
	o.constant = model == r->o.teacher; /* it learns no more */
	return status == NNOPT_OK ? nnopt_plan_create(plan, model, &o) : status;
}

static nnopt_status keep_room_for_best(nno_fit_run *r)
{
	size_t bytes = (size_t)r->blocks.parameter_elements * sizeof(float),
	       state_bytes = (size_t)r->blocks.state_elements * sizeof(float);
	r->state.best_parameters = nnopt_context_alloc(r->context, bytes > 0 ? bytes : 1);
	r->state.best_state = nnopt_context_alloc(r->context, state_bytes > 0 ? state_bytes : 1);
	return r->state.best_parameters != NULL && r->state.best_state != NULL
		   ? NNOPT_OK
		   : nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "fit: out of memory for the best weights");
}

static nnopt_status keep_room_for_own(nno_fit_run *r)
{
	r->own = nnopt_context_alloc(
	    r->context, (size_t)(r->blocks.parameter_elements + r->blocks.state_elements) * sizeof(float) + 1);
	return r->own != NULL ? NNOPT_OK
			      : nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "fit: out of memory for the weights' copy");
}

static nnopt_status keep_room_for_state(nno_fit_run *r)
{
	r->state_before = nnopt_context_alloc(r->context, (size_t)r->blocks.state_elements * sizeof(float) + 1);
	return r->state_before != NULL
		   ? NNOPT_OK
		   : nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "fit: out of memory for the running statistics");
}

static nnopt_status resume(nno_fit_run *r)
{
	r->state.batches = r->batches;
	nnopt_status status = nno_checkpoint_read(&r->at, &r->state, r->o.checkpoint_path);
	return status == NNOPT_ERROR_NOT_FOUND ? NNOPT_OK : status;
}

static nnopt_status prepare(nno_fit_run *r)
{
	nnopt_status status = make_plan(r, r->model, r->train, NNOPT_TRAINING, &r->plan);
	if (status == NNOPT_OK && r->o.validation != NULL)
		status = make_plan(r, r->model, r->o.validation, NNOPT_INFERENCE, &r->validation_plan);
	if (status == NNOPT_OK && r->o.teacher != NULL)
		status = make_plan(r, r->o.teacher, r->train, NNOPT_INFERENCE, &r->teacher_plan);
	r->at.plan = r->plan;
	r->at.average = r->o.average;
	r->at.plateau = r->o.plateau;
	r->at.snapshots = r->o.snapshots;
	if (status == NNOPT_OK)
		status = nno_attach_all(&r->at);
	if (status == NNOPT_OK)
		status = nno_check_own_weights(&r->at, "fit");
	if (status == NNOPT_OK)
		status = nnopt_model_get_blocks(r->model, &r->blocks);
	if (status == NNOPT_OK && r->o.sam_rho > 0.0)
		status = keep_room_for_state(r);
	if (status == NNOPT_OK && r->o.refresh_batches != 0)
		status = keep_room_for_own(r);
	if (status == NNOPT_OK)
		status = nno_history_create(&r->state.history, r->context);
	if (status == NNOPT_OK)
		status = nno_history_reserve(r->state.history, r->o.epochs);
	if (status == NNOPT_OK && r->o.restore_best == 1)
		status = keep_room_for_best(r);
	r->batches = nnopt_loader_batches(r->train);
	if (status == NNOPT_OK && r->batches == 0 && r->o.epochs > 0)
		status = nno_fail(
		    NNOPT_ERROR_INVALID_ARGUMENT,
		    "fit: the loader has no batch of its %lld samples, batches of %lld and what drop_last leaves",
		    (long long)nnopt_dataset_count(nnopt_loader_dataset(r->train)),
		    (long long)nnopt_loader_batch_size(r->train));
	r->at.loader_fingerprint = nnopt_loader_fingerprint(r->train);
	if (status == NNOPT_OK && r->o.resume && r->o.checkpoint_path != NULL)
		status = resume(r);
	r->base_lr = nnopt_optimizer_lr(r->optimizer);
	r->saved_step = r->state.step;
	r->saved_at = nno_now();
	r->progress = (nnopt_progress){ .struct_size = sizeof r->progress,
					.epochs = r->o.epochs,
					.batches = r->batches,
					.model = r->model,
					.lr = r->state.step > 0 ? nno_fit_lr(r, r->state.step - 1) : r->base_lr,
					.validation_loss = NAN,
					.validation_accuracy = NAN };
	return status;
}

static nnopt_status check_options(nnopt_fit_options *o)
{
	const char *wrong = o->epochs < 0                     ? "epochs below 0"
			    : o->accumulate < 1               ? "accumulate below 1"
			    : o->patience < 0                 ? "patience below 0"
			    : !(o->min_delta >= 0.0)          ? "min_delta below 0"
			    : o->checkpoint_steps < 0         ? "checkpoint_steps below 0"
			    : !(o->checkpoint_seconds >= 0.0) ? "checkpoint_seconds below 0"
			    : o->monitor < NNOPT_MONITOR_VALIDATION_LOSS || o->monitor > NNOPT_MONITOR_TRAINING_LOSS
				? "unknown monitor"
			    : o->restore_best < -1 || o->restore_best > 1  ? "restore_best is not -1, 0 or 1"
			    : o->resume && o->checkpoint_path == NULL      ? "resume without a checkpoint_path"
			    : !(isfinite(o->sam_rho) && o->sam_rho >= 0.0) ? "sam_rho is not finite and at least 0"
			    : o->sam_rho > 0.0 && o->accumulate > 1        ? "sam_rho with accumulate above 1"
			    : o->refresh_batches < -1                      ? "refresh_batches below -1"
									   : NULL;
	if (wrong != NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "fit: options: %s", wrong);
	if (o->plateau != NULL && nnopt_plateau_maximises(o->plateau) !=
				      (o->monitor == NNOPT_MONITOR_VALIDATION_ACCURACY && o->validation != NULL))
		return nnopt_fail(
		    NNOPT_ERROR_INVALID_ARGUMENT,
		    "fit: options: a plateau that maximises wants the monitor to be an accuracy, another one "
		    "a loss");
	if (o->restore_best < 0)
		o->restore_best = o->patience > 0;
	if ((o->patience > 0 || o->restore_best) && o->validation == NULL && o->monitor != NNOPT_MONITOR_TRAINING_LOSS)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "fit: options: early stopping without a validation "
								"loader wants monitor NNOPT_MONITOR_TRAINING_LOSS");
	return NNOPT_OK;
}

static nnopt_status check_teacher(const nno_fit_run *r)
{
	if (nnopt_loss_takes_teacher(r->loss) == (r->o.teacher != NULL) && r->o.teacher != r->model)
		return NNOPT_OK;
	return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "fit: options: %s with a %s loss, %s wanted",
			r->o.teacher == NULL       ? "no teacher"
			: r->o.teacher == r->model ? "the model as its own teacher"
						   : "a teacher",
			nnopt_loss_kind(r->loss), nnopt_loss_takes_teacher(r->loss) ? "another model" : "none");
}

static const nnopt_fit_options defaults = {
	.struct_size = sizeof defaults, .epochs = 10, .accumulate = 1, .restore_best = -1
};

nnopt_status nnopt_fit_options_init(nnopt_fit_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "fit_options_init");
}

nnopt_status nnopt_fit(nnopt_model *model, nnopt_loader *train, nnopt_loss *loss, nnopt_optimizer *optimizer,
		       const nnopt_fit_options *options, nnopt_history **history)
{
	if (model == NULL || train == NULL || loss == NULL || optimizer == NULL)
		return nnopt_fail(NNOPT_ERROR_INVALID_ARGUMENT, "fit: model, train, loss or optimizer is NULL");
	nno_fit_run r = { .o = defaults,
			  .context = nnopt_model_context(model),
			  .model = model,
			  .train = train,
			  .loss = loss,
			  .optimizer = optimizer,
			  .blocks = { .struct_size = sizeof r.blocks },
			  .at = { .struct_size = sizeof r.at, .model = model, .optimizer = optimizer } };
	nnopt_status status = nnopt_options_read(&r.o, sizeof r.o, options, "fit");
	if (status == NNOPT_OK)
		status = check_options(&r.o);
	if (status == NNOPT_OK)
		status = check_teacher(&r);
	if (status == NNOPT_OK)
		status = prepare(&r);
	int began = status == NNOPT_OK;
	if (began)
		status = run(&r);
	nnopt_plan_destroy(r.plan);
	nnopt_plan_destroy(r.validation_plan);
	nnopt_plan_destroy(r.teacher_plan);
	nnopt_context_free(r.context, r.state.best_parameters);
	nnopt_context_free(r.context, r.state.best_state);
	nnopt_context_free(r.context, r.state_before);
	nnopt_context_free(r.context, r.own);
	if (began && history != NULL)
		*history = r.state.history;
	else
		nnopt_history_destroy(r.state.history);
	return status;
}
