/* differences.h - gradients of a whole model against central differences.
 *
 * L is the output's dot product with random numbers, summed in double; its gradient by a value x is compared with
 * (L(x + h) - L(x - h)) / 2h. With h = 1/128 the cut-off series costs h^2 / 6 |L'''| = 1e-5 |L'''|, and rounding of the
 * outputs to f32 about 6e-8 sqrt(outputs) |y| / h = 2e-4 for the at most 400 outputs of size 3 used here. The tolerance
 * of 2e-3 of the tensor's largest gradient (at least 2e-3) is twice the largest deviation seen; a wrong tap or factor
 * is wrong by the size of the gradient itself. Inputs are a shuffled grid of step 1/16, so that no kink or tie lies
 * within h of one. */
#ifndef TESTS_LAYER_DIFFERENCES_H
#define TESTS_LAYER_DIFFERENCES_H

#include "check.h"
#include "golden.h"

#include "model/model.h"

#include <math.h>
#include <stdbool.h>

#define STEP 0.0078125f
enum { PROBES = 48 }; /* of a tensor, spread over it */

typedef struct subject {
	const char *name;
	nnopt_model *model;
	nnopt_plan *plan;
	nnopt_tensor *input;
	float weight_scale; /* of weights and biases */
	uint64_t step;      /* of dropout */
} subject;

static double worst;

static inline double run_subject(subject *s)
{
	const nnopt_tensor *y = NULL;
	assert_ok(nnopt_model_set_step(s->model, s->step));
	assert_ok(nnopt_plan_forward(s->plan, s->input, &y));
	const float *values = nnopt_tensor_const_data(y);
	double sum = 0.0;
	for (int64_t i = 0; i < nnopt_tensor_count(y); i++)
		sum += (double)values[i] * (double)number(7, (uint32_t)i);
	return sum;
}

/* The grid (k + 1/2) / 16 around zero, in an order that a multiplier coprime to n gives. */
static inline void fill_grid(float *x, int64_t n)
{
	int64_t factor = 7;
	while (n % factor == 0)
		factor += 2;
	for (int64_t i = 0; i < n; i++)
		x[i] = ((float)(i * factor % n - n / 2) + 0.5f) / 16.0f;
}

static inline void set_values(const subject *s)
{
	const nnopt_model *m = s->model;
	for (int k = 0; k < m->n_params; k++) {
		const nno_param *p = &m->params[k];
		float *x = nno_param_data(m, p);
		for (int64_t i = 0; i < p->count; i++) {
			float v = number(20 + (uint32_t)k, (uint32_t)i);
			x[i] = p->spec.role == NNOPT_ROLE_STATE   ? v + 2.5f
			       : p->spec.role == NNOPT_ROLE_SCALE ? v
								  : v * s->weight_scale;
		}
	}
}

/* Moves x[at] both ways; `gradient` is what backward gave. */
static inline void probe(subject *s, const char *what, float *x, const float *gradient, int64_t at, double largest)
{
	float kept = x[at];
	x[at] = kept + STEP;
	double above = run_subject(s), width = (double)x[at];
	x[at] = kept - STEP;
	double below = run_subject(s);
	width -= (double)x[at];
	x[at] = kept;
	double slope = (above - below) / width, scale = largest > 1.0 ? largest : 1.0;
	double off = fabs(slope - (double)gradient[at]) / scale;
	worst = fmax(worst, off);
	if (!(off <= 2e-3))
		fail_msg("%s: gradient of %s[%d] is %g, differences give %g", s->name, what, (int)at,
			 (double)gradient[at], slope);
}

static inline void probe_all(subject *s, const char *what, float *x, const float *gradient, int64_t n)
{
	double largest = 0.0;
	for (int64_t i = 0; i < n; i++)
		largest = fmax(largest, fabs((double)gradient[i]));
	int64_t stride = n > PROBES ? n / PROBES : 1;
	for (int64_t i = 0; i < n; i += stride)
		probe(s, what, x, gradient, i, largest);
}

static inline void run_backward(subject *s, int32_t accumulate)
{
	run_subject(s);
	nnopt_tensor *dy = nnopt_plan_output_gradient(s->plan);
	float *g = nnopt_tensor_data(dy);
	for (int64_t i = 0; i < nnopt_tensor_count(dy); i++)
		g[i] = number(7, (uint32_t)i);
	assert_ok(nnopt_plan_backward(s->plan, accumulate));
}

/* A second backward that accumulates doubles the parameters' gradients, and repeats the input's. */
static inline void check_accumulation(subject *s, const float *dx, const float *dp)
{
	run_backward(s, 1);
	const float *again = nnopt_tensor_const_data(nnopt_plan_input_gradient(s->plan));
	for (int64_t i = 0; i < nnopt_tensor_count(s->input); i++)
		if (again[i] != dx[i])
			fail_msg("%s: the second gradient of the input is %g, the first %g", s->name, (double)again[i],
				 (double)dx[i]);
	for (int64_t i = 0; i < s->model->parameter_elements; i++)
		if (!(fabsf(s->model->gradients[i] - 2.0f * dp[i]) <= 1e-5f * (1.0f + fabsf(dp[i]))))
			fail_msg("%s: parameter gradient %d is %g, and %g accumulated twice", s->name, (int)i,
				 (double)dp[i], (double)s->model->gradients[i]);
}

static inline void check_plan(subject *s, int64_t batch, int32_t fuse)
{
	nnopt_plan_options o;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = batch;
	o.mode = NNOPT_TRAINING;
	o.input_gradient = 1;
	o.fuse = fuse;
	assert_ok(nnopt_plan_create(&s->plan, s->model, &o));
	set_values(s);
	run_backward(s, 0);
	int64_t n = nnopt_tensor_count(s->input), elements = s->model->parameter_elements;
	float *dx = malloc((size_t)n * sizeof *dx), *dp = malloc(((size_t)elements + 1) * sizeof *dp);
	assert_non_null(dx);
	assert_non_null(dp);
	memcpy(dx, nnopt_tensor_const_data(nnopt_plan_input_gradient(s->plan)), (size_t)n * sizeof *dx);
	memcpy(dp, s->model->gradients, (size_t)elements * sizeof *dp);
	check_accumulation(s, dx, dp);
	probe_all(s, "the input", nnopt_tensor_data(s->input), dx, n);
	for (int k = 0; k < s->model->n_params; k++) {
		const nno_param *p = &s->model->params[k];
		if (p->spec.role != NNOPT_ROLE_STATE && !p->frozen)
			probe_all(s, p->name, s->model->parameters + p->offset, dp + p->offset, p->count);
	}
	free(dp);
	free(dx);
	nnopt_plan_destroy(s->plan);
}

/* Checks and destroys the model, for inputs of `shape` without N; `frozen` (NULL for none) is a prefix to freeze. */
static inline void check_model(const char *name, nnopt_model *model, int32_t rank, const int64_t *shape, int64_t batch,
			       float weight_scale, const char *frozen)
{
	subject s = { .name = name, .model = model, .weight_scale = weight_scale, .step = 5 };
	int64_t full[NNOPT_MAX_RANK] = { batch };
	for (int32_t i = 0; i < rank; i++)
		full[i + 1] = shape[i];
	nnopt_status status = nnopt_model_build(model, rank, shape);
	if (status != NNOPT_OK)
		fail_msg("%s: %s", name, nnopt_last_error());
	if (frozen != NULL)
		assert_ok(nnopt_model_set_trainable(model, frozen, 0, NULL));
	/* NHWC, the layout of the input's gradient. */
	assert_ok(nnopt_tensor_create(&s.input, nnopt_model_context(model), NNOPT_F32, rank + 1, full,
				      rank == 3 ? NNOPT_NHWC : NNOPT_NCHW));
	fill_grid(nnopt_tensor_data(s.input), nnopt_tensor_count(s.input));
	for (int32_t fuse = 0; fuse < 2; fuse++)
		check_plan(&s, batch, fuse);
	nnopt_tensor_destroy(s.input);
	nnopt_model_destroy(model);
}

#endif
