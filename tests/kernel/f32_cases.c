/* f32_cases.c - the cases of the kernels that know f32 alone: check_<kernel>, each over vectors of n. */
#include "frame.h"

#include <math.h>

static float *positive_out(frame *f, int64_t count, float more)
{
	float *x = out(f, count);
	for (int64_t i = 0; i < count; i++)
		x[i] = fabsf(x[i]) + more;
	return x;
}

static void check_scale_f32(frame *f) { f->k->scale_f32(out(f, f->n), in(f, f->n, 1), 0.5f, f->n); }
static void check_add_scaled_f32(frame *f) { f->k->add_scaled_f32(out(f, f->n), in(f, f->n, 1), 3.0f, f->n); }
static void check_blend_f32(frame *f)
{
	float *a = out(f, f->n), *b = in(f, f->n, 1);
	f->k->blend_f32(out(f, f->n), a, 0.3f, b, 0.7f, f->n);
	f->k->blend_f32(a, a, 0.3f, b, 0.7f, f->n);
}

static void check_dot_f32(frame *f)
{
	float *a = in(f, f->n, 1);
	f->k->dot_f32(a, in(f, f->n, 1), f->n, doubles_out(f, 1));
}

static void check_lstm_cell_f32(frame *f)
{
	float *before = in(f, f->n, 1);
	for (int i = 0; i < 2; i++) {
		float *gates = out(f, 4 * f->n), *c = out(f, f->n);
		f->k->lstm_cell_f32(gates, i ? before : NULL, c, out(f, f->n), f->n);
	}
}

static void check_lstm_cell_gradient_f32(frame *f)
{
	float *before = in(f, f->n, 1), *c = in(f, f->n, 1), *dh = in(f, f->n, 1);
	for (int i = 0; i < 2; i++) {
		float *gates = out(f, 4 * f->n);
		f->k->lstm_cell_gradient_f32(gates, i ? before : NULL, c, dh, out(f, f->n), f->n);
	}
}

static void check_gru_cell_f32(frame *f)
{
	float *before = in(f, f->n, 1);
	for (int i = 0; i < 2; i++) {
		float *gates = out(f, 4 * f->n);
		f->k->gru_cell_f32(gates, i ? before : NULL, out(f, f->n), f->n);
	}
}

static void check_gru_cell_gradient_f32(frame *f)
{
	float *before = in(f, f->n, 1), *dh = in(f, f->n, 1);
	for (int i = 0; i < 2; i++) {
		float *gates = out(f, 4 * f->n), *same = out(f, f->n);
		f->k->gru_cell_gradient_f32(gates, i ? before : NULL, i ? same : dh, i ? same : out(f, f->n), f->n);
	}
}

static void check_softmax_row_f32(frame *f)
{
	float *x = in(f, f->n, 10);
	f->k->softmax_row_f32(out(f, f->n), x, f->n, out(f, 2));
	f->k->softmax_row_f32(NULL, x, f->n, out(f, 2));
}

static void check_target_sums_f32(frame *f)
{
	float *x = in(f, f->n, 3), *w = in(f, f->n, 1), *t = in(f, f->n, 1);
	for (int i = 0; i < 4; i++)
		f->k->target_sums_f32(x, 6.0f, i & 1 ? w : NULL, i & 2 ? t : NULL, 0.5f, 0.25f, f->n, out(f, 2));
}

static void check_target_gradient_f32(frame *f)
{
	float *w = in(f, f->n, 1), *t = in(f, f->n, 1);
	for (int i = 0; i < 4; i++)
		f->k->target_gradient_f32(out(f, f->n), 0.75f, i & 1 ? w : NULL, i & 2 ? t : NULL, 0.5f, 0.25f, f->n);
}

static void check_squared_error_f32(frame *f)
{
	float *x = in(f, f->n, 8), *t = in(f, f->n, 1);
	f->k->squared_error_f32(out(f, f->n), x, t, 0.5f, f->n, doubles_out(f, 1));
	f->k->squared_error_f32(NULL, x, t, 0.5f, f->n, doubles_out(f, 1));
}

static void check_logit_bce_f32(frame *f)
{
	float *x = in(f, f->n, 8), *t = in(f, f->n, 0.25f), *p = in(f, f->n, 1);
	f->k->logit_bce_f32(out(f, f->n), x, t, p, 1.0f, 0.5f, f->n, doubles_out(f, 1));
	f->k->logit_bce_f32(out(f, f->n), x, t, NULL, 1.5f, 2.0f, f->n, doubles_out(f, 1));
	f->k->logit_bce_f32(NULL, x, t, NULL, 1.5f, 2.0f, f->n, doubles_out(f, 1));
}

/* Probabilities, and a few zeros. */
static float *shares_in(frame *f)
{
	float *t = in(f, f->n, 0.25f);
	for (int64_t i = 0; i < f->n; i++)
		t[i] = t[i] < -0.3f ? 0.0f : t[i] + 0.5f;
	return t;
}

static void check_plogp_f32(frame *f) { f->k->plogp_f32(shares_in(f), f->n, doubles_out(f, 1)); }

static void check_divergence_f32(frame *f)
{
	float *x = in(f, f->n, 4), *z = in(f, f->n, 6);
	f->k->divergence_f32(x, z, 1.0f, f->n, out(f, 5));
	f->k->divergence_f32(x, z, 0.25f, f->n, out(f, 5));
}

static void check_divergence_gradient_f32(frame *f)
{
	const float s[5] = { 8.0f, 12.0f };
	float *x = in(f, f->n, 4), *z = in(f, f->n, 6);
	f->k->divergence_gradient_f32(out(f, f->n), x, z, 0.25f, s, 0.5f, 0.75f, f->n);
}

static void check_logit_focal_f32(frame *f)
{
	float *x = in(f, f->n, 8), *t = shares_in(f);
	f->k->logit_focal_f32(out(f, f->n), x, t, 0.25f, 0.75f, 2.0f, 0.5f, f->n, doubles_out(f, 1));
	f->k->logit_focal_f32(out(f, f->n), x, t, 1.0f, 1.0f, 0.0f, 0.5f, f->n, doubles_out(f, 1));
	f->k->logit_focal_f32(NULL, x, t, 1.0f, 1.0f, 0.5f, 0.5f, f->n, doubles_out(f, 1));
}

static void check_row_distances_f32(frame *f)
{
	int64_t rows = size_of(f, 1, 7), ld = f->n + 3;
	float *a = in(f, f->n, 1), *b = in(f, (rows - 1) * ld + f->n, 1);
	f->k->row_distances_f32(out(f, rows), a, b, ld, rows, f->n);
}

static void check_row_dots_f32(frame *f)
{
	int64_t rows = size_of(f, 2, 7), ld = f->n + 1;
	float *a = in(f, f->n, 1), *b = in(f, (rows - 1) * ld + f->n, 1);
	f->k->row_dots_f32(out(f, rows), a, b, ld, rows, f->n);
}

static void check_add_difference_f32(frame *f)
{
	float *a = in(f, f->n, 1), *b = in(f, f->n, 1);
	f->k->add_difference_f32(out(f, f->n), a, b, 3.0f, f->n);
}

static void check_least_above_f32(frame *f)
{
	float *d = in(f, f->n, 2);
	f->k->least_above_f32(d, -1.5f, f->n, out(f, 1));
	f->k->least_above_f32(d, 2.0f, f->n, out(f, 1));
	f->k->least_above_f32(d, 9.0f, f->n, out(f, 1));
}

static void check_hinge_f32(frame *f)
{
	float *d = in(f, f->n, 2);
	for (int64_t i = 2; i < f->n; i += 5)
		d[i] = INFINITY;
	for (int soft = 0; soft < 2; soft++) {
		f->k->hinge_f32(out(f, f->n), d, 0.25f, soft, f->n, out(f, 2));
		f->k->hinge_f32(NULL, d, 2.0f, soft, f->n, out(f, 2));
	}
}

static const nno_gradient_step gradient = { 0.5f, 0.75f, 0.01f, 0.02f };

static void check_sum_squares_f32(frame *f) { f->k->sum_squares_f32(in(f, f->n, 1e15f), f->n, doubles_out(f, 1)); }

static void check_sgd_f32(frame *f)
{
	float *g = in(f, f->n, 1);
	f->k->sgd_f32(out(f, f->n), g, NULL, &(nno_sgd_step){ gradient, 0.1f, 0.0f, 1.0f, 0 }, f->n);
	f->k->sgd_f32(out(f, f->n), g, out(f, f->n), &(nno_sgd_step){ gradient, 0.1f, 0.9f, 0.5f, 1 }, f->n);
	f->k->sgd_f32(out(f, f->n), g, out(f, f->n), &(nno_sgd_step){ gradient, 0.1f, 0.9f, 0.5f, 0 }, f->n);
}

static void check_adam_f32(frame *f)
{
	const nno_adam_step step = { gradient, 0.1f, 0.999f, 0.001f, 0.05f, 3.0f, 1e-3f, 0.99f };
	float *g = in(f, f->n, 1), *w = out(f, f->n), *m = out(f, f->n);
	f->k->adam_f32(w, g, m, positive_out(f, f->n, 0.0f), &step, f->n);
}

static void check_rmsprop_f32(frame *f)
{
	const nno_rmsprop_step step = { gradient, 0.05f, 0.95f, 0.05f, 1e-3f, 0.9f, 1 };
	float *g = in(f, f->n, 1), *w = out(f, f->n), *s = positive_out(f, f->n, 5.0f), *a = out(f, f->n);
	f->k->rmsprop_f32(w, g, s, a, out(f, f->n), &step, f->n);
	w = out(f, f->n);
	f->k->rmsprop_f32(w, g, positive_out(f, f->n, 1.0f), NULL, NULL, &step, f->n);
}

static void check_approach_f32(frame *f) { f->k->approach_f32(out(f, f->n), in(f, f->n, 1), 0.25f, f->n); }

static void check_adagrad_f32(frame *f)
{
	const nno_adagrad_step step = { gradient, 0.1f, 1e-3f };
	float *g = in(f, f->n, 1), *w = out(f, f->n);
	f->k->adagrad_f32(w, g, positive_out(f, f->n, 0.0f), &step, f->n);
}

static void check_nadam_f32(frame *f)
{
	const nno_nadam_step step = { gradient, 0.1f, 0.999f, 0.001f, 0.02f, 0.03f, 3.0f, 1e-3f, 0.99f };
	float *g = in(f, f->n, 1), *w = out(f, f->n), *m = out(f, f->n);
	f->k->nadam_f32(w, g, m, positive_out(f, f->n, 0.0f), &step, f->n);
}

static void check_lion_f32(frame *f)
{
	const nno_lion_step step = { gradient, 0.01f, 0.5f, 0.5f, 0.9f, 0.1f, 0.99f };
	float *g = in(f, f->n, 1), *w = out(f, f->n);
	f->k->lion_f32(w, g, out(f, f->n), &step, f->n);
}

static const nno_lamb_step lamb = { gradient, 0.1f, 0.999f, 0.001f, 1.5f, 3.0f, 1e-2f, 0.05f, 0.1f, 1 };

static void check_lamb_moments_f32(frame *f)
{
	float *w = in(f, f->n, 1), *g = in(f, f->n, 1), *u = out(f, f->n), *m = out(f, f->n);
	f->k->lamb_moments_f32(u, w, g, m, positive_out(f, f->n, 0.0f), &lamb, f->n);
}

static void check_lamb_f32(frame *f)
{
	float *m = in(f, f->n, 1), *v = in(f, f->n, 1), *w = out(f, f->n);
	for (int64_t i = 0; i < f->n; i++)
		v[i] = fabsf(v[i]);
	f->k->lamb_f32(w, m, v, &lamb, 0.2f, f->n);
}

static void check_muon_momentum_f32(frame *f)
{
	float *w = in(f, f->n, 1), *g = in(f, f->n, 1), *u = out(f, f->n);
	for (int nesterov = 0; nesterov < 2; nesterov++) {
		const nno_muon_step step = { gradient, 0.1f, 0.9f, 0.1f, 0.99f, nesterov };
		f->k->muon_momentum_f32(u, w, g, out(f, f->n), &step, f->n);
	}
}

static void check_sum_product_squares_f32(frame *f)
{
	float *w = in(f, f->n, 1), *g = in(f, f->n, 1);
	f->k->sum_product_squares_f32(w, g, f->n, doubles_out(f, 1));
}

static void check_ascend_f32(frame *f)
{
	float *g = in(f, f->n, 1);
	f->k->ascend_f32(out(f, f->n), g, 0.25f, f->n);
}

static void check_gemm_columns_f32(frame *f)
{
	enum { SEGMENTS = 3 };
	int64_t m = size_of(f, 1, 40), n = size_of(f, 2, 90), k = size_of(f, 3, 31), segments = size_of(f, 4, SEGMENTS);
	for (int flags = 0; flags < 2; flags++) {
		int64_t x_off[SEGMENTS], y_off[SEGMENTS], xs = m + flags, ys = n + 2 * flags, ldc = n + flags;
		float *x = in(f, segments * k * xs - (xs - m), 1), *y = in(f, segments * k * ys - (ys - n), 1),
		      *c = out(f, m * ldc - (ldc - n));
		for (int64_t s = 0; s < segments; s++) {
			x_off[s] = s * k * xs;
			y_off[s] = (segments - 1 - s) * k * ys;
		}
		f->k->gemm_columns_f32(m, n, k, segments, x, x_off, xs, y, y_off, ys, c, ldc, flags);
	}
}

static void check_row_times_f32(frame *f)
{
	int64_t n = size_of(f, 1, 700), rows = size_of(f, 2, 40), ld = n + 3;
	for (int flags = 0; flags < 2; flags++)
		f->k->row_times_f32(out(f, n), in(f, rows, 1), in(f, rows * ld, 1), ld, rows, n, flags);
}

static void check_winograd_weights_f32(frame *f)
{
	int64_t rows = size_of(f, 1, 5), n = size_of(f, 2, 70), ld = n + 3, tap = rows * ld, step = rows * n + 5;
	float *w = in(f, 9 * tap, 1);
	f->k->winograd_weights_f32(out(f, 36 * step), step, w, tap, ld, rows, n);
	f->k->winograd_weights_f32(out(f, 36 * step), step, w + 8 * tap, -tap, ld, rows, n);
}

static void check_winograd_weight_gradient_f32(frame *f)
{
	int64_t n = size_of(f, 1, 170), tap = n + 3, step = n + 5;
	float *u = in(f, 36 * step, 1);
	for (int flags = 0; flags < 2; flags++)
		f->k->winograd_weight_gradient_f32(out(f, 9 * tap), tap, u, step, n, flags);
}

static const kernel_case cases[] = {
#define NNO_KERNEL(name, args) { #name, check_##name },
#include "kernel/kernels.inc"
#undef NNO_KERNEL
};

const case_list float_cases = { cases, NNO_COUNT(cases) };
