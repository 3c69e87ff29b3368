/* checkpoint.c - everything a resume needs, in one safetensors file, so that it is written atomically, checked by CRC,
 * and read by any tool. The blocks are written whole in storage order: exact, and one write each. Counters are i64;
 * real numbers are the bits of their f64 in i64, because the format must not round what must come back exact. */
#include "nnopt/file.h"
#include "train/train.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	C_EPOCH,
	C_BATCH,
	C_OPTIMIZER_STEPS,
	C_MODEL_STEP,
	C_FINGERPRINT,
	C_LAYOUT,
	C_STEP,
	C_CORRECT,
	C_COUNT,
	C_STALE,
	C_BEST_EPOCH,
	C_SCALE_CLEAN,
	C_SCALE_OVERFLOWS,
	COUNTERS
};
enum { R_LR, R_LOSS_SUM, R_WEIGHT_SUM, R_SECONDS, R_BEST, R_LOSS_SCALE, REALS };
#define RECORD 7 /* reals of an epoch record, in the order of its struct */
#define PLATEAU 4
#define MAX_TENSORS 22

typedef struct bundle {
	const char *names[MAX_TENSORS];
	nnopt_tensor *tensors[MAX_TENSORS];
	int32_t count;
} bundle;

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

static void destroy_bundle(bundle *b)
{
	for (int32_t i = 0; i < b->count; i++)
		nnopt_tensor_destroy(b->tensors[i]);
}

static nnopt_status add(bundle *b, nnopt_context *context, const char *name, void *data, nnopt_dtype dtype,
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

static nnopt_status check_state(const nnopt_training_state *s, const char *path, const char *what)
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

static nnopt_status add_best(bundle *b, nnopt_context *context, const nno_fit_state *fit,
			     const nnopt_model_blocks *blocks)
{
	if (fit->best_parameters == NULL || fit->history->best_epoch < 0)
		return NNOPT_OK;
	nnopt_status status =
	    add(b, context, "best.parameters", fit->best_parameters, NNOPT_F32, blocks->parameter_elements);
	return status == NNOPT_OK ? add(b, context, "best.state", fit->best_state, NNOPT_F32, blocks->state_elements)
				  : status;
}

static nnopt_status add_average(bundle *b, const nnopt_training_state *s, int64_t *counts)
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
static nnopt_status add_plateau(bundle *b, const nnopt_training_state *s, int64_t *numbers)
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

/* Places that hold a copy. */
static int64_t held(const nnopt_snapshots *p, int64_t taken) { return taken < p->o.most ? taken : p->o.most; }

static nnopt_status add_snapshots(bundle *b, const nnopt_training_state *s)
{
	nnopt_snapshots *p = s->snapshots;
	if (p == NULL || p->taken == 0)
		return NNOPT_OK;
	int64_t places = held(p, p->taken);
	nnopt_status status = add(b, p->context, "snapshots.taken", &p->taken, NNOPT_I64, 1);
	if (status == NNOPT_OK)
		status = add(b, p->context, "snapshots.steps", p->steps, NNOPT_I64, places);
	if (status == NNOPT_OK)
		status = add(b, p->context, "snapshots.parameters", p->parameters, NNOPT_F32, places * p->elements);
	return status == NNOPT_OK
		   ? add(b, p->context, "snapshots.state", p->state, NNOPT_F32, places * p->state_elements)
		   : status;
}

static nnopt_status add_model(bundle *b, const nnopt_training_state *s, const nnopt_model_blocks *blocks)
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

/* Not active where there is no plan or it does not scale. */
static nnopt_loss_scale loss_scale(const nnopt_plan *plan)
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
	nnopt_loss_scale scale = loss_scale(s->plan);
	bundle b = { .count = 0 };
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
		const char *keys[] = { "nnopt.checkpoint", "nnopt.optimizer", "nnopt.average" };
		const char *values[] = { "2", nnopt_optimizer_kind(s->optimizer), nnopt_average_kind(s->average) };
		status = nnopt_safetensors_save(context, path, b.names, (const nnopt_tensor *const *)b.tensors, b.count,
						keys, values, s->average != NULL ? 3 : 2);
	}
	destroy_bundle(&b);
	nnopt_context_free(context, records);
	return status;
}

/* Tensor `name` of the file, one-dimensional of `dtype`; count -1 takes any length. */
static nnopt_status fetch(nnopt_weights *file, const char *path, const char *name, nnopt_dtype dtype, int64_t count,
			  bundle *b)
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

static const void *data_of(const bundle *b, const char *name)
{
	for (int32_t i = 0; i < b->count; i++)
		if (strcmp(b->names[i], name) == 0)
			return nnopt_tensor_const_data(b->tensors[i]);
	return NULL;
}

static nnopt_status check_file(nnopt_weights *file, const nnopt_training_state *s, const char *path, bundle *b)
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
				const char *path, bundle *b)
{
	nnopt_status status = fetch(file, path, "parameters", NNOPT_F32, blocks->parameter_elements, b);
	if (status == NNOPT_OK && blocks->state_elements > 0)
		status = fetch(file, path, "state", NNOPT_F32, blocks->state_elements, b);
	for (int32_t i = 0; status == NNOPT_OK && i < nnopt_optimizer_slot_count(s->optimizer); i++)
		status = fetch(file, path, nnopt_optimizer_slot_name(s->optimizer, i), NNOPT_F32,
			       nnopt_tensor_count(nnopt_optimizer_slot(s->optimizer, i)), b);
	return status;
}

static nnopt_status fetch_average(nnopt_weights *file, const nnopt_training_state *s, const char *path, bundle *b)
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

static nnopt_status fetch_snapshots(nnopt_weights *file, const nnopt_training_state *s, const char *path, bundle *b)
{
	const nnopt_snapshots *p = s->snapshots;
	int32_t index;
	if (p == NULL || nnopt_weights_find(file, "snapshots.taken", &index) != NNOPT_OK)
		return NNOPT_OK;
	nnopt_status status = fetch(file, path, "snapshots.taken", NNOPT_I64, 1, b);
	const int64_t *taken = status == NNOPT_OK ? data_of(b, "snapshots.taken") : NULL;
	if (taken != NULL && *taken < 1)
		return nno_fail(NNOPT_ERROR_FORMAT, "checkpoint_load: %s: %lld snapshots", path, (long long)*taken);
	int64_t places = taken != NULL ? held(p, *taken) : 0;
	if (status == NNOPT_OK)
		status = fetch(file, path, "snapshots.steps", NNOPT_I64, places, b);
	if (status == NNOPT_OK)
		status = fetch(file, path, "snapshots.parameters", NNOPT_F32, places * p->elements, b);
	if (status == NNOPT_OK && p->state_elements > 0)
		status = fetch(file, path, "snapshots.state", NNOPT_F32, places * p->state_elements, b);
	return status;
}

static nnopt_status fetch_fit(nnopt_weights *file, nno_fit_state *fit, const nnopt_model_blocks *blocks,
			      const char *path, bundle *b)
{
	const int64_t *c = data_of(b, "counters");
	int32_t index;
	int64_t epochs = 0;
	nnopt_status status = NNOPT_OK;
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
	if (status == NNOPT_OK && epochs == 0 && c[C_EPOCH] > 0)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"fit: %s stands in epoch %lld and has no history: it is of another loop", path,
				(long long)c[C_EPOCH]);
	if (status == NNOPT_OK && (c[C_EPOCH] != epochs || c[C_BATCH] > fit->batches))
		return nno_fail(NNOPT_ERROR_FORMAT,
				"fit: %s: epoch %lld, batch %lld and %lld epochs of history do not fit together", path,
				(long long)c[C_EPOCH], (long long)c[C_BATCH], (long long)epochs);
	if (status == NNOPT_OK && fit->best_parameters != NULL && c[C_BEST_EPOCH] >= 0) {
		status = fetch(file, path, "best.parameters", NNOPT_F32, blocks->parameter_elements, b);
		if (status == NNOPT_OK && blocks->state_elements > 0)
			status = fetch(file, path, "best.state", NNOPT_F32, blocks->state_elements, b);
	}
	return status;
}

static void take(const bundle *b, const char *name, float *dst, int64_t count)
{
	const void *src = data_of(b, name);
	if (src != NULL && count > 0)
		memcpy(dst, src, (size_t)count * sizeof *dst);
}

static void take_average(const bundle *b, nnopt_average *average)
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

static void take_snapshots(const bundle *b, nnopt_snapshots *p)
{
	const int64_t *taken = data_of(b, "snapshots.taken");
	if (p == NULL || taken == NULL)
		return;
	p->taken = *taken;
	memcpy(p->steps, data_of(b, "snapshots.steps"), (size_t)held(p, *taken) * sizeof *p->steps);
	take(b, "snapshots.parameters", p->parameters, held(p, *taken) * p->elements);
	take(b, "snapshots.state", p->state, held(p, *taken) * p->state_elements);
}

/* Refused when it is not sensible. */
static nnopt_status set_plateau(const bundle *b, nnopt_plateau *plateau)
{
	const int64_t *numbers = data_of(b, "plateau");
	if (plateau == NULL || numbers == NULL)
		return NNOPT_OK;
	nnopt_plateau_state p = { .struct_size = sizeof p, .stale = numbers[2], .cooldown = numbers[3] };
	memcpy(&p.factor, &numbers[0], sizeof p.factor);
	memcpy(&p.best, &numbers[1], sizeof p.best);
	return nnopt_plateau_set_state(plateau, &p);
}

static void take_fit(const bundle *b, nno_fit_state *fit, const nnopt_model_blocks *blocks)
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
	if (fit->best_parameters != NULL) {
		take(b, "best.parameters", fit->best_parameters, blocks->parameter_elements);
		take(b, "best.state", fit->best_state, blocks->state_elements);
	}
}

/* What is refused when it is not sensible: the last that can fail, and all of it or none. */
static nnopt_status set_checked(const nnopt_training_state *s, const int64_t *counters, const double *reals,
				const bundle *b)
{
	nnopt_loss_scale before = loss_scale(s->plan), scale = before;
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
	bundle b = { .count = 0 };
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
	destroy_bundle(&b);
	nnopt_weights_destroy(file);
	return status;
}

nnopt_status nnopt_checkpoint_save(const nnopt_training_state *state, const char *path)
{
	nnopt_training_state s = { .struct_size = sizeof s };
	nnopt_status status = nnopt_options_read(&s, sizeof s, state, "checkpoint_save");
	if (status == NNOPT_OK)
		status = check_state(&s, path, "checkpoint_save");
	if (status == NNOPT_OK)
		status = nno_attach_all(&s);
	return status == NNOPT_OK ? nno_checkpoint_write(&s, NULL, path) : status;
}

nnopt_status nnopt_checkpoint_load(nnopt_training_state *state, const char *path)
{
	nnopt_training_state s = { .struct_size = sizeof s };
	nnopt_status status = nnopt_options_read(&s, sizeof s, state, "checkpoint_load");
	if (status == NNOPT_OK)
		status = check_state(&s, path, "checkpoint_load");
	if (status == NNOPT_OK)
		status = nno_checkpoint_read(&s, NULL, path);
	if (status == NNOPT_OK)
		nnopt_result_give(state, &s, sizeof s);
	return status;
}
