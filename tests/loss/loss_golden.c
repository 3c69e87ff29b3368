/* loss_golden.c - every loss and option against PyTorch, and every gradient against central differences. */
#include "check.h"
#include "golden.h"
#include "isas.h"

#include <math.h>

enum { N = 5, C = 19 };
enum { CROSS_ENTROPY, MSE, BCE };

typedef struct row {
	int kind, soft;
	float smoothing;
	int weights, ignore, sum;
	double value;
	double gradient[N * C];
} row;

static const int isas[] = { NNOPT_ISA_SCALAR, NNOPT_ISA_AVX2, NNOPT_ISA_BEST };

static const row rows[] = {
#include "golden/loss.inc"
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static nnopt_loss *make(nnopt_context *context, const row *r)
{
	float weights[C];
	nnopt_loss *loss = NULL;
	for (uint32_t j = 0; j < C; j++)
		weights[j] = number(r->kind == BCE ? 4 : 3, j) + 2.5f;
	if (r->kind == MSE) {
		assert_ok(nnopt_mse_create(&loss, context, (nnopt_reduction)r->sum));
	} else if (r->kind == BCE) {
		nnopt_bce_options o;
		assert_ok(nnopt_bce_options_init(&o, sizeof o));
		o.reduction = r->sum;
		o.positive_weights = r->weights ? weights : NULL;
		o.positive_weight_count = r->weights == 0 ? 0 : r->weights == 1 ? 1 : C;
		assert_ok(nnopt_bce_with_logits_create(&loss, context, &o));
	} else {
		nnopt_cross_entropy_options o;
		assert_ok(nnopt_cross_entropy_options_init(&o, sizeof o));
		o.reduction = r->sum;
		o.label_smoothing = r->smoothing;
		o.class_weights = r->weights ? weights : NULL;
		o.class_weight_count = r->weights ? C : 0;
		if (r->ignore)
			o.ignore_index = 3;
		assert_ok(nnopt_cross_entropy_create(&loss, context, &o));
	}
	return loss;
}

static nnopt_tensor *make_target(nnopt_context *context, const row *r)
{
	static const int64_t labels[N] = { 3, 18, 0, 7, 3 };
	nnopt_tensor *t = NULL;
	if (!r->soft) {
		assert_ok(nnopt_tensor_create(&t, context, NNOPT_I64, 1, (int64_t[]){ N }, NNOPT_NCHW));
		memcpy(nnopt_tensor_data(t), labels, sizeof labels);
		return t;
	}
	assert_ok(nnopt_tensor_create(&t, context, NNOPT_F32, 2, (int64_t[]){ N, C }, NNOPT_NCHW));
	float *data = nnopt_tensor_data(t);
	for (uint32_t i = 0; i < N; i++) {
		double sum = 0.0;
		for (uint32_t j = 0; j < C; j++)
			sum += (double)number(2, i * C + j) + 2.0;
		for (uint32_t j = 0; j < C; j++) {
			double v = number(2, i * C + j);
			data[i * C + j] = (float)(r->kind == MSE   ? v
						  : r->kind == BCE ? (v + 2.0) / 4.0
								   : (v + 2.0) / sum);
		}
	}
	return t;
}

typedef struct set_up {
	nnopt_context *context;
	nnopt_loss *loss;
	nnopt_tensor *x, *target, *gradient;
} set_up;

static void start(set_up *s, const row *r, int isa)
{
	nnopt_context_options o;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.isa_cap = isa;
	assert_ok(nnopt_context_create(&s->context, &o));
	s->loss = make(s->context, r);
	s->target = make_target(s->context, r);
	assert_ok(nnopt_tensor_create(&s->x, s->context, NNOPT_F32, 2, (int64_t[]){ N, C }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&s->gradient, s->context, NNOPT_F32, 2, (int64_t[]){ N, C }, NNOPT_NCHW));
	float *x = nnopt_tensor_data(s->x);
	for (uint32_t i = 0; i < N * C; i++)
		x[i] = number(1, i) * 3.0f;
}

static void stop(set_up *s)
{
	nnopt_tensor_destroy(s->x);
	nnopt_tensor_destroy(s->gradient);
	nnopt_tensor_destroy(s->target);
	nnopt_loss_destroy(s->loss);
	nnopt_context_destroy(s->context);
}

static void equals_pytorch(void **state)
{
	(void)state;
	for (int i = 0; i < 3 * ROWS; i++) {
		if (!has_isa(isas[i % 3]))
			continue;
		const row *r = &rows[i / 3];
		set_up s;
		start(&s, r, isas[i % 3]);
		nnopt_loss_result result = { .struct_size = sizeof result };
		assert_ok(nnopt_loss_compute(s.loss, s.x, s.target, 1.0f, s.gradient, &result));
		if (!(fabs(result.value - r->value) <= 2e-6 * (1.0 + fabs(r->value))))
			fail_msg("row %d: value %.9g, PyTorch %.9g", i / 3, result.value, r->value);
		assert_int_equal(result.finite, 1);
		double largest = 0.0;
		for (int j = 0; j < N * C; j++)
			largest = fmax(largest, fabs(r->gradient[j]));
		const float *g = nnopt_tensor_const_data(s.gradient);
		for (int j = 0; j < N * C; j++)
			if (!(fabs((double)g[j] - r->gradient[j]) <= 1e-6 * largest))
				fail_msg("row %d: gradient %d %.9g, PyTorch %.9g", i / 3, j, (double)g[j],
					 r->gradient[j]);
		stop(&s);
	}
}

/* The value is summed in double but its terms are floats: steps of 2^-5 keep both errors below the tolerance. */
static void equals_central_differences(void **state)
{
	(void)state;
	const float h = 0.03125f;
	for (int i = 0; i < ROWS; i++) {
		const row *r = &rows[i];
		set_up s;
		start(&s, r, NNOPT_ISA_BEST);
		nnopt_loss_result result = { .struct_size = sizeof result };
		assert_ok(nnopt_loss_compute(s.loss, s.x, s.target, 0.5f, s.gradient, &result));
		double scale = 1e-3 * (1.0 + fabs(result.value));
		float *x = nnopt_tensor_data(s.x);
		const float *g = nnopt_tensor_const_data(s.gradient);
		for (int j = 0; j < N * C; j += 3) {
			float kept = x[j];
			x[j] = kept + h;
			assert_ok(nnopt_loss_compute(s.loss, s.x, s.target, 1.0f, NULL, &result));
			double above = result.value;
			x[j] = kept - h;
			assert_ok(nnopt_loss_compute(s.loss, s.x, s.target, 1.0f, NULL, &result));
			x[j] = kept;
			double slope = 0.5 * (above - result.value) / (2.0 * (double)h);
			if (!(fabs(slope - (double)g[j]) <= scale))
				fail_msg("row %d: gradient %d is %g, differences give %g", i, j, (double)g[j], slope);
		}
		stop(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_pytorch),
		cmocka_unit_test(equals_central_differences),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
