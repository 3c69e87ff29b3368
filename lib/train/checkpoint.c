/* checkpoint.c - everything a resume needs, in one safetensors file, so that it is written atomically, checked by CRC,
 * and read by any tool. The blocks are written whole in storage order: exact, and one write each. Counters are i64;
 * real numbers are the bits of their f64 in i64, because the format must not round what must come back exact. */
#include "nnopt/file.h"
#include "train/checkpoint.h"

#include <string.h>

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ ((const unsigned char *)data)[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* FNV-1a. */
int64_t nno_layout_hash(const nnopt_model *model)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (int32_t i = 0; i < nnopt_model_parameter_count(model); i++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		(void)nnopt_model_parameter_info(model, i, &info);
		hash = mix(hash, info.name, strlen(info.name) + 1);
		hash = mix(hash, info.shape, (size_t)info.rank * sizeof info.shape[0]);
		hash = mix(hash, &info.block_offset, sizeof info.block_offset);
	}
	return (int64_t)hash;
}

void nno_bundle_destroy(nno_bundle *b)
{
	for (int32_t i = 0; i < b->count; i++)
		nnopt_tensor_destroy(b->tensors[i]);
}

static nnopt_status add(nno_bundle *b, nnopt_context *context, const char *name, void *data, nnopt_dtype dtype,
			int64_t count)
{
	if (count == 0)
		return NNOPT_OK;
	nnopt_status status = nnopt_tensor_wrap(&b->tensors[b->count], context, data,
						(size_t)count * nnopt_dtype_size(dtype), dtype, 1, &count, NNOPT_NCHW);
	if (status == NNOPT_OK)
		b->names[b->count++] = name;
	return status;
}

static void pack_record(int64_t *bits, const nnopt_epoch_record *r)
{
	const double reals[RECORD] = { r->loss, r->accuracy, r->validation_loss,   r->validation_accuracy,
				       r->lr,   r->seconds,  r->samples_per_second };
	memcpy(bits, reals, sizeof reals);
}

nnopt_status nno_checkpoint_check(const nnopt_training_state *s, const char *path, const char *what)
{
	if (s == NULL || path == NULL || s->model == NULL || s->optimizer == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: state, path, model or optimizer is NULL", what);
	if (nnopt_model_parameter_count(s->model) == 0)
		return nno_fail(NNOPT_ERROR_STATE, "%s: the model is not built", what);
	return nno_check_own_weights(s, what);
}

nnopt_status nno_check_own_weights(const nnopt_training_state *s, const char *what)
{
	if (nnopt_average_swapped(s->average))
		return nno_fail(NNOPT_ERROR_STATE, "%s: the averaged weights are in the model, swap them first", what);
	if (nnopt_sam_perturbed(s->optimizer))
		return nno_fail(NNOPT_ERROR_STATE, "%s: the weights are perturbed, call nnopt_sam_restore first", what);
	return NNOPT_OK;
}

nnopt_status nno_attach_all(const nnopt_training_state *s)
{
	nnopt_status status = nnopt_optimizer_attach(s->optimizer, s->model);
	if (status == NNOPT_OK && s->average != NULL)
		status = nnopt_average_attach(s->average, s->model);
	if (status == NNOPT_OK && s->snapshots != NULL)
		status = nnopt_snapshots_attach(s->snapshots, s->model);
	return status;
}

static nnopt_status add_best(nno_bundle *b, nnopt_context *context, const nno_fit_state *fit,
			     const nnopt_model_blocks *blocks)
{
	if (fit->best_parameters == NULL || fit->history->best_epoch < 0)
		return NNOPT_OK;
	nnopt_status status =
	    add(b, context, "best.parameters", fit->best_parameters, NNOPT_F32, blocks->parameter_elements);
	return status == NNOPT_OK ? add(b, context, "best.state", fit->best_state, NNOPT_F32, blocks->state_elements)
				  : status;
}

static nnopt_status add_average(nno_bundle *b, const nnopt_training_state *s, int64_t *counts)
{
	nnopt_context *context = nnopt_model_context(s->model);
	if (s->average == NULL)
		return NNOPT_OK;
	nnopt_tensor *parameters = nnopt_average_parameters(s->average), *state = nnopt_average_state(s->average);
	counts[0] = nnopt_average_steps(s->average);
	counts[1] = nnopt_average_count(s->average);
	nnopt_status status = add(b, context, "average.counts", counts, NNOPT_I64, 2);
	if (status == NNOPT_OK)
		status = add(b, context, "average.parameters", nnopt_tensor_data(parameters), NNOPT_F32,
			     nnopt_tensor_count(parameters));
	if (status == NNOPT_OK && state != NULL)
		status =
		    add(b, context, "average.state", nnopt_tensor_data(state), NNOPT_F32, nnopt_tensor_count(state));
	return status;
}

/* The numbers of a plateau's state: the bits of its reals, and its counts. */
static nnopt_status add_plateau(nno_bundle *b, const nnopt_training_state *s, int64_t *numbers)
{
	nnopt_plateau_state p = { .struct_size = sizeof p };
	if (s->plateau == NULL)
		return NNOPT_OK;
	(void)nnopt_plateau_get_state(s->plateau, &p);
	memcpy(&numbers[0], &p.factor, sizeof p.factor);
	memcpy(&numbers[1], &p.best, sizeof p.best);
	numbers[2] = p.stale;
	numbers[3] = p.cooldown;
	return add(b, nnopt_model_context(s->model), "plateau", numbers, NNOPT_I64, PLATEAU);
}

static nnopt_status add_snapshots(nno_bundle *b, const nnopt_training_state *s)
{
	nnopt_snapshots *p = s->snapshots;
	if (p == NULL)
		return NNOPT_OK;
	int64_t places = nno_snapshots_held(p, p->taken); /* 0 is written too: the run had snapshots, and none yet */
	nnopt_status status = add(b, p->context, "snapshots.taken", &p->taken, NNOPT_I64, 1);
	if (status == NNOPT_OK)
		status = add(b, p->context, "snapshots.steps", p->steps, NNOPT_I64, places);
	if (status == NNOPT_OK)
		status = add(b, p->context, "snapshots.parameters", p->parameters, NNOPT_F32, places * p->elements);
	return status == NNOPT_OK
		   ? add(b, p->context, "snapshots.state", p->state, NNOPT_F32, places * p->state_elements)
		   : status;
}

static nnopt_status add_model(nno_bundle *b, const nnopt_training_state *s, const nnopt_model_blocks *blocks)
{
	nnopt_context *context = nnopt_model_context(s->model);
	nnopt_status status = add(b, context, "parameters", blocks->parameters, NNOPT_F32, blocks->parameter_elements);
	if (status == NNOPT_OK)
		status = add(b, context, "state", blocks->state, NNOPT_F32, blocks->state_elements);
	for (int32_t i = 0; status == NNOPT_OK && i < nnopt_optimizer_slot_count(s->optimizer); i++) {
		nnopt_tensor *slot = nnopt_optimizer_slot(s->optimizer, i);
		status = add(b, context, nnopt_optimizer_slot_name(s->optimizer, i), nnopt_tensor_data(slot), NNOPT_F32,
			     nnopt_tensor_count(slot));
	}
	return status;
}

nnopt_loss_scale nno_checkpoint_scale(const nnopt_plan *plan)
{
	nnopt_loss_scale scale = { .struct_size = sizeof scale };
	if (plan != NULL)
		(void)nnopt_plan_get_loss_scale(plan, &scale);
	return scale;
}

nnopt_status nno_checkpoint_write(const nnopt_training_state *s, const nno_fit_state *fit, const char *path)
{
	static const nno_fit_state none = { 0 };
	const nno_fit_state *f = fit != NULL ? fit : &none;
	nnopt_context *context = nnopt_model_context(s->model);
	nnopt_model_blocks blocks = { .struct_size = sizeof blocks };
	nnopt_loss_scale scale = nno_checkpoint_scale(s->plan);
	nno_bundle b = { .count = 0 };
	int64_t counters[COUNTERS] = { s->epoch,
				       s->batch,
				       nnopt_optimizer_steps(s->optimizer),
				       (int64_t)nnopt_model_step(s->model),
				       (int64_t)s->loader_fingerprint,
				       nno_layout_hash(s->model),
				       f->step,
				       f->correct,
				       f->count,
				       f->stale,
				       f->history != NULL ? f->history->best_epoch : -1,
				       scale.clean,
				       scale.overflows };
	const double numbers[REALS] = {
		nnopt_optimizer_lr(s->optimizer), f->loss_sum, f->weight_sum, f->seconds, f->best,
		scale.active ? scale.scale : 0.0
	};
	int64_t counts[2], plateau[PLATEAU];
	int64_t reals[REALS], *records = NULL, epochs = f->history != NULL ? f->history->count : 0;
	memcpy(reals, numbers, sizeof reals);
	if (epochs > 0) {
		records = nnopt_context_alloc(context, (size_t)epochs * RECORD * sizeof *records);
		if (records == NULL)
			return nnopt_fail(NNOPT_ERROR_OUT_OF_MEMORY, "checkpoint_save: out of memory for the history");
		for (int64_t i = 0; i < epochs; i++)
			pack_record(records + i * RECORD, &f->history->records[i]);
	}
	nnopt_status status = nnopt_model_get_blocks(s->model, &blocks);
	if (status == NNOPT_OK)
		status = add(&b, context, "counters", counters, NNOPT_I64, COUNTERS);
	if (status == NNOPT_OK)
		status = add(&b, context, "reals", reals, NNOPT_I64, REALS);
	if (status == NNOPT_OK)
		status = add(&b, context, "history", records, NNOPT_I64, epochs * RECORD);
	if (status == NNOPT_OK)
		status = add_model(&b, s, &blocks);
	if (status == NNOPT_OK && fit != NULL)
		status = add_best(&b, context, fit, &blocks);
	if (status == NNOPT_OK)
		status = add_average(&b, s, counts);
	if (status == NNOPT_OK)
		status = add_plateau(&b, s, plateau);
	if (status == NNOPT_OK)
		status = add_snapshots(&b, s);
	if (status == NNOPT_OK) {
		const char *keys[] = { "nnopt.checkpoint", "nnopt.loop", "nnopt.optimizer", "nnopt.average" };
		const char *values[] = { "2", fit != NULL ? "fit" : "own", nnopt_optimizer_kind(s->optimizer),
					 nnopt_average_kind(s->average) };
		status = nnopt_safetensors_save(context, path, b.names, (const nnopt_tensor *const *)b.tensors, b.count,
						keys, values, s->average != NULL ? 4 : 3);
	}
	nno_bundle_destroy(&b);
	nnopt_context_free(context, records);
	return status;
}

nnopt_status nnopt_checkpoint_save(const nnopt_training_state *state, const char *path)
{
	nnopt_training_state s = { .struct_size = sizeof s };
	nnopt_status status = nnopt_options_read(&s, sizeof s, state, "checkpoint_save");
	if (status == NNOPT_OK)
		status = nno_checkpoint_check(&s, path, "checkpoint_save");
	if (status == NNOPT_OK)
		status = nno_attach_all(&s);
	return status == NNOPT_OK ? nno_checkpoint_write(&s, NULL, path) : status;
}
