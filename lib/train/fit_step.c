/* fit_step.c - what happens with one batch: forward, loss, backward, SAM's second pass, the update. */
#include "train/fit.h"

#include <string.h>

static nnopt_status callback_failed(const nno_fit_run *r, const char *what, unsigned before, nnopt_status status)
{
	(void)nno_fail_caller(before, status);
	return nno_fail_in(NNOPT_ERROR_CALLBACK, "fit: %s in epoch %lld, batch %lld", what, (long long)r->at.epoch,
			   (long long)r->at.batch);
}

nnopt_status nno_fit_call(nnopt_progress_fn fn, nno_fit_run *r, const char *what)
{
	if (fn == NULL)
		return NNOPT_OK;
	unsigned before = nno_failures();
	nnopt_status status = fn(&r->progress, r->o.progress_user);
	if (status != NNOPT_OK)
		return callback_failed(r, what, before, status);
	nnopt_model_blocks now = { .struct_size = sizeof now };
	status = nnopt_model_get_blocks(r->model, &now);
	if (status == NNOPT_OK && now.identity != r->blocks.identity)
		return nno_fail(NNOPT_ERROR_STATE, "fit: %s replaced a layer of the model in training", what);
	return status;
}

void nno_fit_progress(nno_fit_run *r, double batch_loss, double batch_seconds)
{
	const nno_fit_state *s = &r->state;
	nnopt_progress *p = &r->progress;
	p->epoch = r->at.epoch;
	p->batch = r->at.batch;
	p->step = s->step;
	p->loss = s->weight_sum > 0.0 ? s->loss_sum / s->weight_sum : 0.0;
	p->accuracy = s->count > 0 ? (double)s->correct / (double)s->count : 0.0;
	p->batch_loss = batch_loss;
	p->seconds = s->seconds;
	p->batch_seconds = batch_seconds;
	double seconds = s->seconds - r->epoch_begun;
	p->samples_per_second = seconds > 0.0 ? (double)r->epoch_samples / seconds : 0.0;
	double per_batch = r->trained_batches > 0 ? r->train_seconds / (double)r->trained_batches : 0.0;
	double per_validation = r->validations > 0 ? r->validation_seconds / (double)r->validations : 0.0;
	int64_t epochs_left = r->o.epochs - r->at.epoch - 1;
	p->seconds_left = per_batch * (double)(epochs_left * r->batches + r->batches - r->at.batch) +
			  per_validation * (double)(epochs_left + 1);
}

/* Whether the gradients may have overflowed because of the loss scale, which is halved then and can be halved further.
 */
static int loss_scale_falls(const nno_fit_run *r)
{
	nnopt_loss_scale scale = { .struct_size = sizeof scale };
	return nnopt_plan_get_loss_scale(r->plan, &scale) == NNOPT_OK && scale.active && scale.scale >= 1.0;
}

/* The gathered gradients are no good: the weights stay, and the next batches begin anew. */
static nnopt_status leave_out(nno_fit_run *r)
{
	r->since_update = 0;
	return NNOPT_OK;
}

/* Whether nobody looks at the gradients between the backward pass and the update, which are one then. */
static int updates_in_backward(const nno_fit_run *r)
{
	return r->o.accumulate == 1 && r->o.all_reduce == NULL && r->o.sam_rho == 0.0;
}

double nno_fit_lr(const nno_fit_run *r, int64_t step)
{
	return r->base_lr * nnopt_schedule_factor(r->o.schedule, step) * nnopt_plateau_factor(r->o.plateau);
}

nnopt_status nno_fit_update(nno_fit_run *r)
{
	if (r->o.all_reduce != NULL) {
		unsigned before = nno_failures();
		nnopt_status status =
		    r->o.all_reduce(r->blocks.gradients, r->blocks.parameter_elements, r->o.all_reduce_user);
		if (status != NNOPT_OK)
			return callback_failed(r, "all_reduce", before, status);
	}
	double lr = nno_fit_lr(r, r->state.step);
	nnopt_step_result result = { .struct_size = sizeof result };
	nnopt_status status = nnopt_optimizer_set_lr(r->optimizer, lr);
	if (status == NNOPT_OK && updates_in_backward(r))
		status = nnopt_optimizer_backward_step(r->optimizer, r->plan, &result);
	else if (status == NNOPT_OK)
		status = nnopt_optimizer_step(r->optimizer, r->model, 1.0f / (float)r->since_update, &result);
	(void)nnopt_optimizer_set_lr(r->optimizer, r->base_lr);
	if (status != NNOPT_OK)
		return status;
	if (!result.finite && loss_scale_falls(r))
		return leave_out(r);
	if (!result.finite)
		return nno_fail(NNOPT_ERROR_NONFINITE,
				"fit: a gradient is infinite or NaN in epoch %lld, batch %lld (lr %g); the weights are "
				"those before it",
				(long long)r->at.epoch, (long long)r->at.batch, lr);
	r->since_update = 0;
	r->state.step++;
	r->progress.updated = 1;
	r->progress.lr = lr;
	r->progress.gradient_norm = result.gradient_norm;
	status = r->o.average != NULL ? nnopt_average_update(r->o.average, r->model) : NNOPT_OK;
	return status == NNOPT_OK && r->o.snapshots != NULL
		   ? nnopt_snapshots_update(r->o.snapshots, r->model, r->state.step)
		   : status;
}

/* Gives the loss what the teacher makes of the batch. */
static nnopt_status ask_teacher(const nno_fit_run *r, const nnopt_tensor *images)
{
	const nnopt_tensor *logits = NULL;
	nnopt_status status = nnopt_plan_forward(r->teacher_plan, images, &logits);
	return status == NNOPT_OK ? nnopt_loss_set_teacher(r->loss, logits) : status;
}

/* Forward, loss and backward, unless that comes with the update. */
static nnopt_status pass(nno_fit_run *r, const nnopt_batch *batch, nnopt_loss_result *loss)
{
	const nnopt_tensor *logits = NULL;
	nnopt_status status = nnopt_plan_forward(r->plan, batch->images, &logits);
	if (status == NNOPT_OK && r->teacher_plan != NULL)
		status = ask_teacher(r, batch->images);
	if (status == NNOPT_OK)
		status = nnopt_loss_compute(r->loss, logits, batch->targets, 1.0f, nnopt_plan_output_gradient(r->plan),
					    loss);
	if (status != NNOPT_OK)
		return status;
	if (!loss->finite)
		return nno_fail(
		    NNOPT_ERROR_NONFINITE,
		    "fit: the loss is %g in epoch %lld, batch %lld (lr %g); the weights are those before it",
		    loss->value, (long long)r->at.epoch, (long long)batch->number, r->progress.lr);
	return updates_in_backward(r) ? NNOPT_OK : nnopt_plan_backward(r->plan, r->since_update > 0);
}

/* SAM: the gradients at the worst weights nearby take the place of those in the block. The second pass has the dropout
 * of the first, and leaves no trace in the running statistics. */
static nnopt_status second_pass(nno_fit_run *r, const nnopt_batch *batch)
{
	nnopt_step_result found = { .struct_size = sizeof found };
	nnopt_loss_result loss = { .struct_size = sizeof loss };
	nnopt_status status = nnopt_sam_perturb(r->optimizer, r->model, r->o.sam_rho, r->o.sam_adaptive, 1.0f, &found);
	if (status != NNOPT_OK || !found.finite)
		return status; /* the update sees it, and leaves the weights */
	size_t bytes = (size_t)r->blocks.state_elements * sizeof(float);
	if (bytes > 0)
		memcpy(r->state_before, r->blocks.state, bytes);
	(void)nnopt_model_set_step(r->model, nnopt_model_step(r->model) - 1);
	status = pass(r, batch, &loss);
	if (bytes > 0)
		memcpy(r->blocks.state, r->state_before, bytes);
	nnopt_status restored = nnopt_sam_restore(r->optimizer, r->model);
	return status != NNOPT_OK ? status : restored;
}

nnopt_status nno_fit_batch(nno_fit_run *r, const nnopt_batch *batch)
{
	nno_fit_state *s = &r->state;
	nnopt_loss_result loss = { .struct_size = sizeof loss };
	nnopt_status status = pass(r, batch, &loss);
	if (status == NNOPT_OK && r->o.sam_rho > 0.0)
		status = second_pass(r, batch);
	if (status != NNOPT_OK)
		return status;
	s->loss_sum += nnopt_loss_reduction(r->loss) == NNOPT_REDUCTION_SUM ? loss.value : loss.value * loss.weight;
	s->weight_sum += loss.weight;
	s->correct += loss.correct;
	s->count += loss.count;
	r->since_update++;
	r->progress.updated = 0;
	if (r->since_update == r->o.accumulate || batch->number + 1 == r->batches)
		status = nno_fit_update(r);
	if (status != NNOPT_OK)
		return status;
	r->at.batch = batch->number + 1;
	double t = nno_now(), seconds = t - r->clock;
	r->clock = t;
	s->seconds += seconds;
	r->train_seconds += seconds;
	r->trained_batches++;
	r->epoch_samples += batch->count;
	nno_fit_progress(r, loss.value, seconds);
	status = nno_fit_call(r->o.on_batch, r, "on_batch");
	if (status == NNOPT_OK && nnopt_loader_starts(r->train) != r->starts)
		return nno_fail(NNOPT_ERROR_STATE, "fit: on_batch began another epoch of the loader in training");
	return status;
}
