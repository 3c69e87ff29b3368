/* lr_find.c - the learning-rate finder: a short run at a rising rate, and everything put back. */
#include "tune/tune.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

typedef struct point {
	double lr, loss, smoothed;
} point;

struct nnopt_lr_curve {
	nnopt_context *context;
	point *points;
	int64_t count;
};

static const nnopt_lr_find_options defaults = { .struct_size = sizeof defaults,
						.lowest = 1e-7,
						.highest = 10.0,
						.steps = 100,
						.smoothing = 0.9,
						.diverge = 4.0,
						.precision = NNOPT_PRECISION_F32 };

nnopt_status nnopt_lr_find_options_init(nnopt_lr_find_options *options, size_t size)
{
	return nnopt_options_init(options, size, &defaults, sizeof defaults, "lr_find_options");
}

static nnopt_status check(const nnopt_lr_find_options *o)
{
	if (!(o->lowest > 0.0 && o->highest > o->lowest && isfinite(o->highest / o->lowest)))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"lr_find: rates from %g to %g, above 0, rising and of a finite ratio wanted", o->lowest,
				o->highest);
	if (o->steps < 2 || o->steps > 1 << 24)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "lr_find: %lld steps, 2 to %d wanted",
				(long long)o->steps, 1 << 24);
	if (!(o->smoothing >= 0.0 && o->smoothing < 1.0) || !(o->diverge > 1.0))
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"lr_find: smoothing %g, in [0, 1) wanted; diverge %g, above 1 wanted", o->smoothing,
				o->diverge);
	return NNOPT_OK;
}

/* --- what is put back --- */

typedef struct memory {
	nnopt_model *model;
	nnopt_optimizer *optimizer;
	nnopt_model_blocks blocks;
	float *parameters, *state;
	float **slots;
	int32_t slot_count;
	uint64_t model_step;
	int64_t steps;
	double lr;
} memory;

static float *copy_floats(nnopt_context *context, const float *from, int64_t n)
{
	float *to = nno_new_array(&context->alloc, (size_t)n, sizeof *to);
	if (to != NULL && n > 0)
		memcpy(to, from, (size_t)n * sizeof *to);
	return to;
}

static nnopt_status keep(memory *m, nnopt_context *context)
{
	m->blocks.struct_size = sizeof m->blocks;
	NNO_TRY(nnopt_optimizer_attach(m->optimizer, m->model));
	NNO_TRY(nnopt_model_get_blocks(m->model, &m->blocks));
	m->model_step = nnopt_model_step(m->model);
	m->steps = nnopt_optimizer_steps(m->optimizer);
	m->lr = nnopt_optimizer_lr(m->optimizer);
	int32_t slots = nnopt_optimizer_slot_count(m->optimizer);
	m->parameters = copy_floats(context, m->blocks.parameters, m->blocks.parameter_elements);
	m->state = copy_floats(context, m->blocks.state, m->blocks.state_elements);
	m->slots = nno_new_array(&context->alloc, (size_t)slots, sizeof *m->slots);
	bool all = m->parameters != NULL && m->state != NULL && m->slots != NULL;
	for (; m->slots != NULL && m->slot_count < slots && all; m->slot_count++) {
		const nnopt_tensor *slot = nnopt_optimizer_slot(m->optimizer, m->slot_count);
		m->slots[m->slot_count] = copy_floats(context, nnopt_tensor_const_data(slot), nnopt_tensor_count(slot));
		all = m->slots[m->slot_count] != NULL;
	}
	return all ? NNOPT_OK : nno_fail_memory("lr_find", (size_t)m->blocks.parameter_elements * sizeof(float));
}

static void put_back(const memory *m)
{
	if (m->slot_count < nnopt_optimizer_slot_count(m->optimizer) || m->parameters == NULL)
		return; /* nothing was changed */
	memcpy(m->blocks.parameters, m->parameters, (size_t)m->blocks.parameter_elements * sizeof(float));
	if (m->blocks.state_elements > 0)
		memcpy(m->blocks.state, m->state, (size_t)m->blocks.state_elements * sizeof(float));
	for (int32_t i = 0; i < m->slot_count; i++) {
		nnopt_tensor *slot = nnopt_optimizer_slot(m->optimizer, i);
		memcpy(nnopt_tensor_data(slot), m->slots[i], nnopt_tensor_bytes(slot));
	}
	(void)nnopt_model_set_step(m->model, m->model_step);
	(void)nnopt_optimizer_set_steps(m->optimizer, m->steps);
	(void)nnopt_optimizer_set_lr(m->optimizer, m->lr);
}

static void forget(memory *m, nnopt_context *context)
{
	for (int32_t i = 0; i < m->slot_count; i++)
		nno_delete(&context->alloc, m->slots[i]);
	nno_delete(&context->alloc, m->slots);
	nno_delete(&context->alloc, m->parameters);
	nno_delete(&context->alloc, m->state);
}

/* --- the run --- */

/* The next batch, of the next epoch where one ends. */
static nnopt_status next_batch(nnopt_loader *loader, int64_t *epoch, const nnopt_batch **batch)
{
	NNO_TRY(nnopt_loader_next(loader, batch));
	if (*batch != NULL)
		return NNOPT_OK;
	NNO_TRY(nnopt_loader_start(loader, ++*epoch, 0));
	NNO_TRY(nnopt_loader_next(loader, batch));
	return *batch != NULL ? NNOPT_OK : nno_fail(NNOPT_ERROR_NOT_FOUND, "lr_find: the loader has no batch");
}

/* Whether the gradients may have overflowed because of the loss scale, which is halved then and can be halved further.
 */
static bool loss_scale_falls(const nnopt_plan *plan)
{
	nnopt_loss_scale scale = { .struct_size = sizeof scale };
	return nnopt_plan_get_loss_scale(plan, &scale) == NNOPT_OK && scale.active && scale.scale >= 1.0;
}

typedef enum outcome { UPDATED, LEFT_OUT, ENDED } outcome;

/* One batch. It ends the run when the loss or a gradient is not finite, but is only left out where the loss scale is to
 * blame. */
static nnopt_status step(nnopt_plan *plan, memory *m, nnopt_loss *loss, const nnopt_batch *batch, double lr,
			 double *value, outcome *out)
{
	const nnopt_tensor *result = NULL;
	nnopt_loss_result r = { .struct_size = sizeof r };
	nnopt_step_result s = { .struct_size = sizeof s };
	NNO_TRY(nnopt_plan_forward(plan, batch->images, &result));
	NNO_TRY(nnopt_loss_compute(loss, result, batch->targets, 1.0f, nnopt_plan_output_gradient(plan), &r));
	*value = r.value;
	*out = ENDED;
	if (!r.finite)
		return NNOPT_OK;
	NNO_TRY(nnopt_plan_backward(plan, 0));
	NNO_TRY(nnopt_optimizer_set_lr(m->optimizer, lr));
	NNO_TRY(nnopt_optimizer_step(m->optimizer, m->model, 1.0f, &s));
	if (s.finite || loss_scale_falls(plan))
		*out = s.finite ? UPDATED : LEFT_OUT;
	return NNOPT_OK;
}

static nnopt_status run(nnopt_lr_curve *curve, memory *m, nnopt_plan *plan, nnopt_loader *loader, nnopt_loss *loss,
			const nnopt_lr_find_options *o)
{
	double average = 0.0, weight = 1.0, least = INFINITY;
	int64_t epoch = 0;
	outcome last = UPDATED;
	NNO_TRY(nnopt_loader_start(loader, 0, 0));
	for (int64_t i = 0; i < o->steps && last != ENDED; i++) {
		double lr = o->lowest * pow(o->highest / o->lowest, (double)i / (double)(o->steps - 1)), value = NAN;
		do {
			const nnopt_batch *batch = NULL;
			NNO_TRY(next_batch(loader, &epoch, &batch));
			NNO_TRY(step(plan, m, loss, batch, lr, &value, &last));
		} while (last == LEFT_OUT);
		if (!isfinite(value))
			break;
		/* The average begins at 0, and its bias is divided out, as in Adam. */
		average = o->smoothing * average + (1.0 - o->smoothing) * value;
		weight *= o->smoothing;
		double smoothed = average / (1.0 - weight);
		least = fmin(least, smoothed);
		curve->points[curve->count++] = (point){ lr, value, smoothed };
		last = smoothed > o->diverge * least ? ENDED : last;
	}
	return NNOPT_OK;
}

static nnopt_status make_plan(nnopt_plan **plan, nnopt_model *model, nnopt_loader *loader, int32_t precision)
{
	nnopt_plan_options o;
	NNO_TRY(nnopt_loader_plan_options(&o, sizeof o, loader));
	o.mode = NNOPT_TRAINING;
	o.precision = precision;
	return nnopt_plan_create(plan, model, &o);
}

nnopt_status nnopt_lr_find(nnopt_lr_curve **out, nnopt_model *model, nnopt_loader *loader, nnopt_loss *loss,
			   nnopt_optimizer *optimizer, const nnopt_lr_find_options *options)
{
	nnopt_lr_find_options o = defaults;
	if (out == NULL || model == NULL || loader == NULL || loss == NULL || optimizer == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "lr_find: %s is NULL",
				out == NULL      ? "out"
				: model == NULL  ? "model"
				: loader == NULL ? "loader"
				: loss == NULL   ? "loss"
						 : "optimizer");
	NNO_TRY(nnopt_options_read(&o, sizeof o, options, "lr_find"));
	NNO_TRY(check(&o));
	nnopt_context *context = nnopt_model_context(model);
	memory m = { .model = model, .optimizer = optimizer };
	nnopt_plan *plan = NULL;
	nnopt_lr_curve *curve = nno_new(&context->alloc, sizeof *curve);
	if (curve == NULL)
		return nno_fail_memory("lr_find", sizeof *curve);
	curve->context = nno_context_take(context);
	curve->points = nno_new_array(&context->alloc, (size_t)o.steps, sizeof *curve->points);
	nnopt_status status = curve->points != NULL
				  ? make_plan(&plan, model, loader, o.precision)
				  : nno_fail_memory("lr_find", (size_t)o.steps * sizeof *curve->points);
	if (status == NNOPT_OK)
		status = keep(&m, context);
	if (status == NNOPT_OK) {
		status = run(curve, &m, plan, loader, loss, &o);
		put_back(&m);
	}
	forget(&m, context);
	nnopt_plan_destroy(plan);
	if (status == NNOPT_OK)
		*out = curve;
	else
		nnopt_lr_curve_destroy(curve);
	return status;
}

void nnopt_lr_curve_destroy(nnopt_lr_curve *curve)
{
	if (curve == NULL)
		return;
	nnopt_context *context = curve->context;
	nno_delete(&context->alloc, curve->points);
	nno_delete(&context->alloc, curve);
	nno_context_drop(context);
}

int64_t nnopt_lr_curve_count(const nnopt_lr_curve *curve) { return curve == NULL ? 0 : curve->count; }

nnopt_status nnopt_lr_curve_point(const nnopt_lr_curve *curve, int64_t index, double *lr, double *loss,
				  double *smoothed)
{
	if (curve == NULL || index < 0 || index >= curve->count)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "lr_curve_point: index %lld, below %lld wanted",
				(long long)index, (long long)nnopt_lr_curve_count(curve));
	const point *p = &curve->points[index];
	if (lr != NULL)
		*lr = p->lr;
	if (loss != NULL)
		*loss = p->loss;
	if (smoothed != NULL)
		*smoothed = p->smoothed;
	return NNOPT_OK;
}

nnopt_status nnopt_lr_curve_suggest(const nnopt_lr_curve *curve, double *steepest, double *tenth_of_least)
{
	if (curve == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "lr_curve_suggest: curve is NULL");
	if (curve->count < 5)
		return nno_fail(NNOPT_ERROR_STATE, "lr_curve_suggest: %lld steps, 5 or more wanted",
				(long long)curve->count);
	const point *p = curve->points;
	int64_t least = 0, steep = 1;
	for (int64_t i = 1; i < curve->count; i++)
		least = p[i].smoothed < p[least].smoothed ? i : least;
	/* The rates rise evenly in their logarithm, so differences of the loss are slopes; two-sided ones, as numpy's.
	 */
	for (int64_t i = 1; i + 1 < curve->count; i++)
		if (p[i + 1].smoothed - p[i - 1].smoothed < p[steep + 1].smoothed - p[steep - 1].smoothed)
			steep = i;
	if (steepest != NULL)
		*steepest = p[steep].lr;
	if (tenth_of_least != NULL)
		*tenth_of_least = p[least].lr / 10.0;
	return NNOPT_OK;
}
