/* checkpoint_read.c - a checkpoint back into the objects: everything is read and checked before anything changes. */
#include "train/checkpoint.h"

#include "nnopt/file.h"

#include <stdbool.h>
#include <string.h>

static void unpack_record(nnopt_epoch_record *r, const int64_t *bits)
{
	double reals[RECORD];
	memcpy(reals, bits, sizeof reals);
	*r = (nnopt_epoch_record){ .struct_size = sizeof *r,
				   .loss = reals[0],
				   .accuracy = reals[1],
				   .validation_loss = reals[2],
				   .validation_accuracy = reals[3],
				   .lr = reals[4],
				   .seconds = reals[5],
				   .samples_per_second = reals[6] };
}

/* Tensor `name` of the file, one-dimensional of `dtype`; count -1 takes any length. */
static nnopt_status fetch(nnopt_weights *file, const char *path, const char *name, nnopt_dtype dtype, int64_t count,
			  nno_bundle *b)
{
	int32_t index;
	nnopt_status status = nnopt_weights_find(file, name, &index);
	if (status != NNOPT_OK)
		return nno_fail(NNOPT_ERROR_FORMAT, "checkpoint_load: %s: no tensor \"%s\"", path, name);
	status = nnopt_weights_read(file, index, &b->tensors[b->count]);
	if (status != NNOPT_OK)
		return status;
	nnopt_tensor *t = b->tensors[b->count];
	b->names[b->count++] = name;
	if (nnopt_tensor_dtype(t) != dtype || nnopt_tensor_rank(t) != 1 ||
	    (count >= 0 && nnopt_tensor_count(t) != count))
		return nno_fail(NNOPT_ERROR_FORMAT,
				"checkpoint_load: %s: tensor \"%s\" has %lld elements of %s, %lld of %s wanted", path,
				name, (long long)nnopt_tensor_count(t), nnopt_dtype_name(nnopt_tensor_dtype(t)),
				(long long)count, nnopt_dtype_name(dtype));
	return NNOPT_OK;
}

static const void *data_of(const nno_bundle *b, const char *name)
{
	for (int32_t i = 0; i < b->count; i++)
		if (strcmp(b->names[i], name) == 0)
			return nnopt_tensor_const_data(b->tensors[i]);
	return NULL;
}

static nnopt_status check_file(nnopt_weights *file, const nnopt_training_state *s, const char *path, nno_bundle *b)
{
	const char *version = nnopt_weights_metadata(file, "nnopt.checkpoint");
	const char *kind = nnopt_weights_metadata(file, "nnopt.optimizer");
	if (version == NULL || kind == NULL)
		return nno_fail(NNOPT_ERROR_FORMAT, "checkpoint_load: %s is not a checkpoint", path);
	if (strcmp(version, "2") != 0)
		return nno_fail(NNOPT_ERROR_UNSUPPORTED, "checkpoint_load: %s: version \"%.16s\", 2 wanted", path,
				version);
	if (strcmp(kind, nnopt_optimizer_kind(s->optimizer)) != 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"checkpoint_load: %s is of optimizer \"%.32s\", the one given is \"%s\"", path, kind,
				nnopt_optimizer_kind(s->optimizer));
	const char *average = nnopt_weights_metadata(file, "nnopt.average"), *given = nnopt_average_kind(s->average);
	if (strcmp(average != NULL ? average : "no", given != NULL ? given : "no") != 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"checkpoint_load: %s is with %.32s average, the one given is \"%s\"", path,
				average != NULL ? average : "no", given != NULL ? given : "none");
	nnopt_status status = fetch(file, path, "counters", NNOPT_I64, COUNTERS, b);
	if (status == NNOPT_OK)
		status = fetch(file, path, "reals", NNOPT_I64, REALS, b);
	if (status != NNOPT_OK)
		return status;
	const int64_t *c = data_of(b, "counters");
	if (c[C_LAYOUT] != nno_layout_hash(s->model))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "checkpoint_load: %s is of a model with other parameters",
				path);
	if (s->loader_fingerprint != 0 && c[C_FINGERPRINT] != 0 && s->loader_fingerprint != (uint64_t)c[C_FINGERPRINT])
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"checkpoint_load: %s was made with other data, transforms, seed or loader options",
				path);
	if (c[C_EPOCH] < 0 || c[C_BATCH] < 0 || c[C_OPTIMIZER_STEPS] < 0 || c[C_STEP] < 0)
		return nno_fail(NNOPT_ERROR_FORMAT, "checkpoint_load: %s: a counter is negative", path);
	return NNOPT_OK;
}

static nnopt_status fetch_model(nnopt_weights *file, const nnopt_training_state *s, const nnopt_model_blocks *blocks,
				const char *path, nno_bundle *b)
{
	nnopt_status status = fetch(file, path, "parameters", NNOPT_F32, blocks->parameter_elements, b);
	if (status == NNOPT_OK && blocks->state_elements > 0)
		status = fetch(file, path, "state", NNOPT_F32, blocks->state_elements, b);
	for (int32_t i = 0; status == NNOPT_OK && i < nnopt_optimizer_slot_count(s->optimizer); i++)
		status = fetch(file, path, nnopt_optimizer_slot_name(s->optimizer, i), NNOPT_F32,
			       nnopt_tensor_count(nnopt_optimizer_slot(s->optimizer, i)), b);
	return status;
}

static nnopt_status fetch_average(nnopt_weights *file, const nnopt_training_state *s, const char *path, nno_bundle *b)
{
	int32_t index;
	nnopt_status status = NNOPT_OK;
	if (s->average != NULL) {
		nnopt_tensor *state = nnopt_average_state(s->average);
		status = fetch(file, path, "average.counts", NNOPT_I64, 2, b);
		const int64_t *counts = status == NNOPT_OK ? data_of(b, "average.counts") : NULL;
		if (counts != NULL && (counts[1] < 0 || counts[0] < counts[1]))
			return nno_fail(NNOPT_ERROR_FORMAT, "checkpoint_load: %s: an average of %lld in %lld updates",
					path, (long long)counts[1], (long long)counts[0]);
		if (status == NNOPT_OK)
			status = fetch(file, path, "average.parameters", NNOPT_F32,
				       nnopt_tensor_count(nnopt_average_parameters(s->average)), b);
		if (status == NNOPT_OK && state != NULL)
			status = fetch(file, path, "average.state", NNOPT_F32, nnopt_tensor_count(state), b);
	}
	if (status == NNOPT_OK && s->plateau != NULL && nnopt_weights_find(file, "plateau", &index) == NNOPT_OK)
		status = fetch(file, path, "plateau", NNOPT_I64, PLATEAU, b);
	return status;
}

static nnopt_status fetch_snapshots(nnopt_weights *file, const nnopt_training_state *s, const char *path, nno_bundle *b)
{
	const nnopt_snapshots *p = s->snapshots;
	int32_t index;
	if (p == NULL || nnopt_weights_find(file, "snapshots.taken", &index) != NNOPT_OK)
		return NNOPT_OK;
	nnopt_status status = fetch(file, path, "snapshots.taken", NNOPT_I64, 1, b);
	const int64_t *taken = status == NNOPT_OK ? data_of(b, "snapshots.taken") : NULL;
	if (taken != NULL && *taken < 0)
		return nno_fail(NNOPT_ERROR_FORMAT, "checkpoint_load: %s: %lld snapshots", path, (long long)*taken);
	int64_t places = taken != NULL ? nno_snapshots_held(p, *taken) : 0;
	if (status != NNOPT_OK || places == 0)
		return status;
	status = fetch(file, path, "snapshots.steps", NNOPT_I64, places, b);
	if (status == NNOPT_OK)
		status = fetch(file, path, "snapshots.parameters", NNOPT_F32, places * p->elements, b);
	if (status == NNOPT_OK && p->state_elements > 0)
		status = fetch(file, path, "snapshots.state", NNOPT_F32, places * p->state_elements, b);
	return status;
}

static nnopt_status fetch_fit(nnopt_weights *file, nno_fit_state *fit, const nnopt_model_blocks *blocks,
			      const char *path, nno_bundle *b)
{
	const int64_t *c = data_of(b, "counters");
	int32_t index;
	int64_t epochs = 0;
	nnopt_status status = NNOPT_OK;
	const char *loop = nnopt_weights_metadata(file, "nnopt.loop");
	if (loop != NULL && strcmp(loop, "fit") != 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "fit: %s is of another loop, one of nnopt_fit() wanted",
				path);
	if (nnopt_weights_find(file, "history", &index) == NNOPT_OK) {
		status = fetch(file, path, "history", NNOPT_I64, -1, b);
		int64_t elements = status == NNOPT_OK ? nnopt_tensor_count(b->tensors[b->count - 1]) : 0;
		if (status == NNOPT_OK && (elements % RECORD != 0 || c[C_BEST_EPOCH] >= elements / RECORD))
			return nno_fail(NNOPT_ERROR_FORMAT, "checkpoint_load: %s: history of %lld numbers", path,
					(long long)elements);
		epochs = elements / RECORD;
		if (status == NNOPT_OK)
			status = nno_history_reserve(fit->history, epochs);
	}
	if (status == NNOPT_OK && (c[C_EPOCH] != epochs || c[C_BATCH] > fit->batches))
		return nno_fail(NNOPT_ERROR_FORMAT,
				"fit: %s: epoch %lld, batch %lld and %lld epochs of history do not fit together", path,
				(long long)c[C_EPOCH], (long long)c[C_BATCH], (long long)epochs);
	/* A run that kept no best weights has none: the best begins anew. */
	if (status == NNOPT_OK && fit->best_parameters != NULL && c[C_BEST_EPOCH] >= 0 &&
	    nnopt_weights_find(file, "best.parameters", &index) == NNOPT_OK) {
		status = fetch(file, path, "best.parameters", NNOPT_F32, blocks->parameter_elements, b);
		if (status == NNOPT_OK && blocks->state_elements > 0)
			status = fetch(file, path, "best.state", NNOPT_F32, blocks->state_elements, b);
	}
	return status;
}

static void take(const nno_bundle *b, const char *name, float *dst, int64_t count)
{
	const void *src = data_of(b, name);
	if (src != NULL && count > 0)
		memcpy(dst, src, (size_t)count * sizeof *dst);
}

static void take_average(const nno_bundle *b, nnopt_average *average)
{
	if (average == NULL)
		return;
	const int64_t *counts = data_of(b, "average.counts");
	nnopt_tensor *parameters = nnopt_average_parameters(average), *state = nnopt_average_state(average);
	take(b, "average.parameters", nnopt_tensor_data(parameters), nnopt_tensor_count(parameters));
	if (state != NULL)
		take(b, "average.state", nnopt_tensor_data(state), nnopt_tensor_count(state));
	(void)nnopt_average_set_counts(average, counts[0], counts[1]);
}

static void take_snapshots(const nno_bundle *b, nnopt_snapshots *p)
{
	const int64_t *taken = data_of(b, "snapshots.taken");
	if (p == NULL || taken == NULL)
		return;
	p->taken = *taken;
	if (*taken == 0)
		return;
	memcpy(p->steps, data_of(b, "snapshots.steps"), (size_t)nno_snapshots_held(p, *taken) * sizeof *p->steps);
	take(b, "snapshots.parameters", p->parameters, nno_snapshots_held(p, *taken) * p->elements);
	take(b, "snapshots.state", p->state, nno_snapshots_held(p, *taken) * p->state_elements);
}

/* Refused when it is not sensible. */
static nnopt_status set_plateau(const nno_bundle *b, nnopt_plateau *plateau)
{
	const int64_t *numbers = data_of(b, "plateau");
	if (plateau == NULL || numbers == NULL)
		return NNOPT_OK;
	nnopt_plateau_state p = { .struct_size = sizeof p, .stale = numbers[2], .cooldown = numbers[3] };
	memcpy(&p.factor, &numbers[0], sizeof p.factor);
	memcpy(&p.best, &numbers[1], sizeof p.best);
	return nnopt_plateau_set_state(plateau, &p);
}

static void take_fit(const nno_bundle *b, nno_fit_state *fit, const nnopt_model_blocks *blocks)
{
	const int64_t *c = data_of(b, "counters"), *history = data_of(b, "history");
	double reals[REALS];
	memcpy(reals, data_of(b, "reals"), sizeof reals);
	fit->step = c[C_STEP];
	fit->correct = c[C_CORRECT];
	fit->count = c[C_COUNT];
	fit->stale = c[C_STALE];
	fit->loss_sum = reals[R_LOSS_SUM];
	fit->weight_sum = reals[R_WEIGHT_SUM];
	fit->seconds = reals[R_SECONDS];
	fit->best = reals[R_BEST];
	fit->history->count = 0;
	fit->history->best_epoch = c[C_BEST_EPOCH];
	for (int32_t i = 0; history != NULL && i < b->count; i++)
		if (strcmp(b->names[i], "history") == 0)
			fit->history->count = nnopt_tensor_count(b->tensors[i]) / RECORD;
	for (int64_t i = 0; i < fit->history->count; i++)
		unpack_record(&fit->history->records[i], history + i * RECORD);
	if (fit->best_parameters != NULL && data_of(b, "best.parameters") == NULL) {
		fit->history->best_epoch = -1;
		fit->stale = 0;
	} else if (fit->best_parameters != NULL) {
		take(b, "best.parameters", fit->best_parameters, blocks->parameter_elements);
		take(b, "best.state", fit->best_state, blocks->state_elements);
	}
}

/* What is refused when it is not sensible: the last that can fail, and all of it or none. */
static nnopt_status set_checked(const nnopt_training_state *s, const int64_t *counters, const double *reals,
				const nno_bundle *b)
{
	nnopt_loss_scale before = nno_checkpoint_scale(s->plan), scale = before;
	bool scales = before.active && reals[R_LOSS_SCALE] != 0.0;
	nnopt_status status = NNOPT_OK;
	scale.scale = reals[R_LOSS_SCALE];
	scale.clean = counters[C_SCALE_CLEAN];
	scale.overflows = counters[C_SCALE_OVERFLOWS];
	scale.overflow = 0;
	if (scales)
		status = nnopt_plan_set_loss_scale(s->plan, &scale);
	double lr = nnopt_optimizer_lr(s->optimizer);
	if (status == NNOPT_OK)
		status = nnopt_optimizer_set_lr(s->optimizer, reals[R_LR]);
	if (status == NNOPT_OK) {
		status = set_plateau(b, s->plateau);
		if (status != NNOPT_OK)
			(void)nnopt_optimizer_set_lr(s->optimizer, lr);
	}
	if (status != NNOPT_OK && scales)
		(void)nnopt_plan_set_loss_scale(s->plan, &before);
	return status;
}

nnopt_status nno_checkpoint_read(nnopt_training_state *s, nno_fit_state *fit, const char *path)
{
	nnopt_model_blocks blocks = { .struct_size = sizeof blocks };
	nnopt_weights *file = NULL;
	nno_bundle b = { .count = 0 };
	nnopt_status status = nnopt_model_get_blocks(s->model, &blocks);
	if (status == NNOPT_OK)
		status = nnopt_weights_open(&file, nnopt_model_context(s->model), path, NULL);
	if (status == NNOPT_OK)
		status = check_file(file, s, path, &b);
	if (status == NNOPT_OK)
		status = nno_attach_all(s);
	if (status == NNOPT_OK)
		status = fetch_model(file, s, &blocks, path, &b);
	if (status == NNOPT_OK)
		status = fetch_average(file, s, path, &b);
	if (status == NNOPT_OK)
		status = fetch_snapshots(file, s, path, &b);
	if (status == NNOPT_OK && fit != NULL)
		status = fetch_fit(file, fit, &blocks, path, &b);
	double reals[REALS];
	const int64_t *c = NULL;
	if (status == NNOPT_OK) {
		c = data_of(&b, "counters");
		memcpy(reals, data_of(&b, "reals"), sizeof reals);
		status = set_checked(s, c, reals, &b);
	}
	if (status == NNOPT_OK) {
		take(&b, "parameters", blocks.parameters, blocks.parameter_elements);
		take(&b, "state", blocks.state, blocks.state_elements);
		take_average(&b, s->average);
		take_snapshots(&b, s->snapshots);
		for (int32_t i = 0; i < nnopt_optimizer_slot_count(s->optimizer); i++) {
			nnopt_tensor *slot = nnopt_optimizer_slot(s->optimizer, i);
			take(&b, nnopt_optimizer_slot_name(s->optimizer, i), nnopt_tensor_data(slot),
			     nnopt_tensor_count(slot));
		}
		(void)nnopt_optimizer_set_steps(s->optimizer, c[C_OPTIMIZER_STEPS]);
		(void)nnopt_model_set_step(s->model, (uint64_t)c[C_MODEL_STEP]);
		s->epoch = c[C_EPOCH];
		s->batch = c[C_BATCH];
		if (fit != NULL)
			take_fit(&b, fit, &blocks);
	}
	nno_bundle_destroy(&b);
	nnopt_weights_destroy(file);
	return status;
}

nnopt_status nnopt_checkpoint_load(nnopt_training_state *state, const char *path)
{
	nnopt_training_state s = { .struct_size = sizeof s };
	nnopt_status status = nnopt_options_read(&s, sizeof s, state, "checkpoint_load");
	if (status == NNOPT_OK)
		status = nno_checkpoint_check(&s, path, "checkpoint_load");
	if (status == NNOPT_OK)
		status = nno_checkpoint_read(&s, NULL, path);
	if (status == NNOPT_OK)
		nnopt_result_give(state, &s, sizeof s);
	return status;
}
