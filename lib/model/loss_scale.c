/* loss_scale.c - dynamic loss scaling of f16 plans (Micikevicius et al., "Mixed Precision Training", 2018). Small
 * gradients vanish in f16, so the output's gradient is multiplied by a scale on its way in, and the parameters'
 * gradients, which are f32, are divided by it when they are done, and the input's. A scale so large that something
 * overflowed is halved; one that held for long enough is doubled. It is a power of two: it rounds nothing. */
#include "model/model.h"

#include "op/parallel.h"

#include <math.h>

#define START 65536.0
#define LARGEST 0x1p60
#define SMALLEST 0x1p-60
#define CLEAN_PASSES 2000

static bool scales(const nnopt_plan *plan) { return plan->training && plan->graph.type == NNO_F16; }

void nno_loss_scale_start(nnopt_plan *plan)
{
	plan->scaling = (nnopt_loss_scale){ .struct_size = sizeof plan->scaling,
					    .scale = scales(plan) ? START : 1.0,
					    .active = scales(plan) };
}

typedef struct scale_job {
	const nnopt_plan *plan;
	float *gradients;
	int64_t count;
	float factor;
	atomic_int finite;
} scale_job;

static void scale_chunk(void *user, int64_t index, int slot)
{
	(void)slot;
	scale_job *j = user;
	int64_t at = index * NNO_CHUNK, n = nno_chunk_length(j->count, index);
	double squares;
	j->plan->context->kernels->sum_squares_f32(j->gradients + at, n, &squares);
	if (!isfinite(squares))
		atomic_store_explicit(&j->finite, 0, memory_order_relaxed);
	j->plan->context->kernels->scale_f32(j->gradients + at, j->gradients + at, j->factor, n);
}

/* All gradients times `factor`; whether they were finite before. */
static bool scale_gradients(const nnopt_plan *plan, double factor)
{
	scale_job j = { .plan = plan,
			.gradients = plan->model->gradients,
			.count = plan->model->parameter_elements,
			.factor = (float)factor,
			.finite = 1 };
	nno_parallel_for(plan->context->pool, nno_chunks(j.count), scale_chunk, &j);
	return atomic_load(&j.finite) != 0;
}

/* It comes out too, and may be all that does. */
static bool input_gradient_is_finite(const nnopt_plan *plan)
{
	double squares = 0.0;
	if (plan->input_gradient)
		plan->context->kernels->sum_squares_f32(plan->input_gradient_floats,
							plan->n * nno_shape_count(plan->model->input.shape), &squares);
	return isfinite(squares);
}

void nno_loss_scale_begin(nnopt_plan *plan, bool accumulate)
{
	if (!scales(plan) || !accumulate)
		return;
	/* What is there already gets the scale too. */
	(void)scale_gradients(plan, plan->scaling.scale);
}

void nno_loss_scale_end(nnopt_plan *plan, bool accumulate)
{
	if (!scales(plan))
		return;
	nnopt_loss_scale *s = &plan->scaling;
	bool lost = accumulate && s->overflow; /* by an earlier pass: this one has not shown anything */
	bool finite = scale_gradients(plan, 1.0 / s->scale);
	finite = input_gradient_is_finite(plan) && finite;
	s->overflow = !finite;
	if (lost)
		return;
	if (!finite) {
		s->overflows++;
		s->clean = 0;
		s->scale = fmax(s->scale * 0.5, SMALLEST);
	} else if (++s->clean == CLEAN_PASSES) {
		s->clean = 0;
		s->scale = fmin(s->scale * 2.0, LARGEST);
	}
}

nnopt_status nnopt_plan_get_loss_scale(const nnopt_plan *plan, nnopt_loss_scale *scale)
{
	if (plan == NULL || scale == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_get_loss_scale: %s is NULL",
				plan == NULL ? "plan" : "scale");
	NNO_TRY(nnopt_result_check(scale, "loss_scale"));
	nnopt_result_give(scale, &plan->scaling, sizeof plan->scaling);
	return NNOPT_OK;
}

nnopt_status nnopt_plan_set_loss_scale(nnopt_plan *plan, const nnopt_loss_scale *scale)
{
	if (plan == NULL || scale == NULL)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plan_set_loss_scale: %s is NULL",
				plan == NULL ? "plan" : "scale");
	nnopt_loss_scale s = plan->scaling;
	NNO_TRY(nnopt_options_read(&s, sizeof s, scale, "loss_scale"));
	if (!scales(plan))
		return nno_fail(NNOPT_ERROR_STATE, "plan_set_loss_scale: only a training plan in f16 has a loss scale");
	int exponent;
	if (!(s.scale >= SMALLEST && s.scale <= LARGEST) || frexp(s.scale, &exponent) != 0.5)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"plan_set_loss_scale: scale %g, a power of two from 2^-60 to 2^60 wanted", s.scale);
	if (s.clean < 0 || s.clean >= CLEAN_PASSES || s.overflows < 0 || s.overflow < 0 || s.overflow > 1)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				"plan_set_loss_scale: clean %lld (0 to %d), overflows %lld, overflow %d (0 or 1)",
				(long long)s.clean, CLEAN_PASSES - 1, (long long)s.overflows, s.overflow);
	s.active = 1;
	plan->scaling = s;
	return NNOPT_OK;
}
