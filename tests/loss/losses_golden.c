/* losses_golden.c - focal, divergence, distillation and metric losses against PyTorch, with every option, and their
 * gradients against central differences. */
#include "check.h"
#include "golden.h"
#include "isas.h"

#include <math.h>
#include <stdio.h>

enum { N = 12, C = 19, OPTIONS = 6 };
enum {
	FOCAL,
	SIGMOID_FOCAL,
	KL_DIVERGENCE,
	DISTILLATION,
	TRIPLET,
	TRIPLET_MARGIN,
	CONTRASTIVE,
	SUPERVISED_CONTRASTIVE,
	NT_XENT,
	KINDS
};

typedef struct row {
	int kind;
	double o[OPTIONS];
	double value, weight;
	int64_t count, active;
	double gradient[N * C];
} row;

static const int isas[] = { NNOPT_ISA_SCALAR, NNOPT_ISA_AVX2, NNOPT_ISA_BEST };

static const row rows[] = {
#include "golden/losses.inc"
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* The largest deviations seen, to be printed: of the value over 1 + |value|, of a gradient over its largest. */
static double value_off[KINDS], gradient_off[KINDS];

static nnopt_status make_focal(nnopt_loss **loss, nnopt_context *context, const double *r)
{
	float alpha[C];
	nnopt_focal_options o;
	assert_ok(nnopt_focal_options_init(&o, sizeof o));
	for (uint32_t j = 0; j < C; j++)
		alpha[j] = number(3, j) + 2.5f;
	o.gamma = r[0];
	o.alpha = r[1] != 0.0 ? alpha : NULL;
	o.alpha_count = r[1] != 0.0 ? C : 0;
	o.ignore_index = r[2] != 0.0 ? 3 : o.ignore_index;
	o.reduction = (int32_t)r[3];
	return nnopt_focal_create(loss, context, &o);
}

static nnopt_status make_triplet(nnopt_loss **loss, nnopt_context *context, const double *r)
{
	nnopt_triplet_options o;
	assert_ok(nnopt_triplet_options_init(&o, sizeof o));
	o.mining = (int32_t)r[0];
	o.margin = r[1];
	o.soft_margin = (int32_t)r[2];
	o.squared = (int32_t)r[3];
	o.normalise = (int32_t)r[4];
	o.reduction = (int32_t)r[5];
	return nnopt_triplet_create(loss, context, &o);
}

static nnopt_status make_triplet_margin(nnopt_loss **loss, nnopt_context *context, const double *r)
{
	nnopt_triplet_margin_options o;
	assert_ok(nnopt_triplet_margin_options_init(&o, sizeof o));
	o.margin = r[0];
	o.eps = r[1];
	o.swap = (int32_t)r[2];
	o.interleaved = (int32_t)r[3];
	o.reduction = (int32_t)r[4];
	return nnopt_triplet_margin_create(loss, context, &o);
}

static nnopt_status make_distillation(nnopt_loss **loss, nnopt_context *context, const double *r)
{
	nnopt_distillation_options o;
	assert_ok(nnopt_distillation_options_init(&o, sizeof o));
	o.temperature = r[0];
	o.alpha = r[1];
	o.label_smoothing = r[2];
	o.reduction = (int32_t)r[4];
	return nnopt_distillation_create(loss, context, &o);
}

static nnopt_status make_sigmoid_focal(nnopt_loss **loss, nnopt_context *context, const double *r)
{
	nnopt_sigmoid_focal_options o;
	assert_ok(nnopt_sigmoid_focal_options_init(&o, sizeof o));
	o.alpha = r[0];
	o.gamma = r[1];
	o.reduction = (int32_t)r[3];
	return nnopt_sigmoid_focal_create(loss, context, &o);
}

static nnopt_status make_contrastive(nnopt_loss **loss, nnopt_context *context, const row *r)
{
	nnopt_contrastive_options c;
	nnopt_supervised_contrastive_options s;
	assert_ok(nnopt_contrastive_options_init(&c, sizeof c));
	assert_ok(nnopt_supervised_contrastive_options_init(&s, sizeof s));
	c.margin = s.temperature = r->o[0];
	c.normalise = s.normalise = (int32_t)r->o[1];
	c.reduction = s.reduction = (int32_t)r->o[2];
	return r->kind == CONTRASTIVE ? nnopt_contrastive_create(loss, context, &c)
	       : r->kind == NT_XENT   ? nnopt_nt_xent_create(loss, context, &s)
				      : nnopt_supervised_contrastive_create(loss, context, &s);
}

static nnopt_loss *make(nnopt_context *context, const row *r)
{
	nnopt_loss *loss = NULL;
	assert_ok(r->kind == FOCAL            ? make_focal(&loss, context, r->o)
		  : r->kind == SIGMOID_FOCAL  ? make_sigmoid_focal(&loss, context, r->o)
		  : r->kind == KL_DIVERGENCE  ? nnopt_kl_divergence_create(&loss, context, (nnopt_reduction)r->o[0])
		  : r->kind == DISTILLATION   ? make_distillation(&loss, context, r->o)
		  : r->kind == TRIPLET        ? make_triplet(&loss, context, r->o)
		  : r->kind == TRIPLET_MARGIN ? make_triplet_margin(&loss, context, r->o)
					      : make_contrastive(&loss, context, r));
	return loss;
}

static nnopt_tensor *matrix(nnopt_context *context, uint32_t stream, float scale)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, context, NNOPT_F32, 2, (int64_t[]){ N, C }, NNOPT_NCHW));
	for (uint32_t i = 0; i < N * C; i++)
		((float *)nnopt_tensor_data(t))[i] = number(stream, i) * scale;
	return t;
}

static nnopt_tensor *labels(nnopt_context *context, const int64_t *values, nnopt_dtype dtype)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, context, dtype, 1, (int64_t[]){ N }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_copy_in(t, values, N * sizeof *values, NNOPT_I64, NNOPT_NCHW));
	return t;
}

/* Targets of the prediction's shape: 0 or 1, shares, or rows of probabilities with zeros among them. */
enum { HITS, SHARES, SOFT };

static nnopt_tensor *dense_target(nnopt_context *context, int how)
{
	nnopt_tensor *t = matrix(context, 2, 1.0f);
	float *x = nnopt_tensor_data(t);
	for (int i = 0; i < N; i++, x += C) {
		double sum = 0.0;
		for (int j = 0; j < C; j++)
			sum += x[j] > -1.5f ? (double)x[j] + 2.0 : 0.0;
		for (int j = 0; j < C; j++)
			x[j] = how == HITS     ? (x[j] > 0.5f ? 1.0f : 0.0f)
			       : how == SHARES ? (x[j] + 2.0f) / 4.0f
			       : x[j] > -1.5f  ? (float)(((double)x[j] + 2.0) / sum)
					       : 0.0f;
	}
	return t;
}

/* Labels come as i32 and i64 by turns. */
static nnopt_tensor *make_target(nnopt_context *context, const row *r, int turn)
{
	static const int64_t likes[N] = { 5, 1, 5, 9, 1, 1, 5, 9, 2, 5, 1, -7 },
			     classes[N] = { 3, 18, 0, 7, 3, 3, 11, 4, 4, 18, 1, 2 };
	nnopt_dtype dtype = turn % 2 ? NNOPT_I32 : NNOPT_I64;
	switch (r->kind) {
	case SIGMOID_FOCAL:
		return dense_target(context, r->o[2] != 0.0 ? SHARES : HITS);
	case KL_DIVERGENCE:
		return dense_target(context, SOFT);
	case DISTILLATION:
		return r->o[3] != 0.0 ? dense_target(context, SOFT) : labels(context, classes, dtype);
	case FOCAL:
		return labels(context, classes, dtype);
	case TRIPLET_MARGIN:
	case NT_XENT:
		return turn % 2 ? labels(context, likes, dtype) : NULL; /* not looked at */
	default:
		return labels(context, likes, dtype);
	}
}

typedef struct set_up {
	nnopt_context *context;
	nnopt_loss *loss;
	nnopt_tensor *x, *target, *teacher, *gradient;
} set_up;

static void start(set_up *s, const row *r, int isa, int turn)
{
	nnopt_context_options o;
	int logits = r->kind <= DISTILLATION;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.isa_cap = isa;
	assert_ok(nnopt_context_create(&s->context, &o));
	s->loss = make(s->context, r);
	s->target = make_target(s->context, r, turn);
	s->x = matrix(s->context, logits ? 1 : 6, logits ? 3.0f : 0.5f);
	s->teacher = matrix(s->context, 5, 3.0f);
	s->gradient = matrix(s->context, 7, 1.0f);
}

static void stop(set_up *s)
{
	nnopt_tensor_destroy(s->x);
	nnopt_tensor_destroy(s->gradient);
	nnopt_tensor_destroy(s->target);
	nnopt_tensor_destroy(s->teacher);
	nnopt_loss_destroy(s->loss);
	nnopt_context_destroy(s->context);
}

static double compute(set_up *s, float scale, nnopt_tensor *gradient, nnopt_loss_result *result)
{
	if (nnopt_loss_takes_teacher(s->loss))
		assert_ok(nnopt_loss_set_teacher(s->loss, s->teacher));
	assert_ok(nnopt_loss_compute(s->loss, s->x, s->target, scale, gradient, result));
	return result->value;
}

static void compare(int at, const row *r, const nnopt_loss_result *result, const float *g)
{
	double largest = 0.0, off = fabs(result->value - r->value) / (1.0 + fabs(r->value));
	value_off[r->kind] = fmax(value_off[r->kind], off);
	if (!(off <= 2e-6))
		fail_msg("row %d: value %.9g, PyTorch %.9g", at, result->value, r->value);
	if (result->weight != r->weight || result->count != r->count || result->active != r->active || !result->finite)
		fail_msg("row %d: weight %g, count %d, active %d; %g, %d, %d wanted", at, result->weight,
			 (int)result->count, (int)result->active, r->weight, (int)r->count, (int)r->active);
	for (int j = 0; j < N * C; j++)
		largest = fmax(largest, fabs(r->gradient[j]));
	for (int j = 0; j < N * C; j++) {
		off = fabs((double)g[j] - r->gradient[j]) / largest;
		gradient_off[r->kind] = fmax(gradient_off[r->kind], off);
		if (!(off <= 2e-6))
			fail_msg("row %d: gradient %d %.9g, PyTorch %.9g", at, j, (double)g[j], r->gradient[j]);
	}
}

static void equals_pytorch(void **state)
{
	(void)state;
	const char *names[KINDS] = { NULL };
	for (int i = 0; i < 3 * ROWS; i++) {
		if (!has_isa(isas[i % 3]))
			continue;
		const row *r = &rows[i / 3];
		set_up s;
		start(&s, r, isas[i % 3], i / 3);
		nnopt_loss_result result = { .struct_size = sizeof result };
		double value = compute(&s, 1.0f, s.gradient, &result);
		compare(i / 3, r, &result, nnopt_tensor_const_data(s.gradient));
		assert_true(compute(&s, 1.0f, NULL, &result) == value);
		for (int32_t k = 0; k < nnopt_loss_kind_count(); k++)
			if (strcmp(nnopt_loss_kind(s.loss), nnopt_loss_kind_name(k)) == 0)
				names[r->kind] = nnopt_loss_kind_name(k);
		stop(&s);
	}
	for (int k = 0; k < KINDS; k++)
		print_message("%s: value within %.1e, gradient within %.1e\n", names[k], value_off[k], gradient_off[k]);
}

/* Where a hinge or the choice of a negative changes within the step nothing is compared: one such place takes all
 * coordinates of its rows. */
static void equals_central_differences(void **state)
{
	(void)state;
	const float h = 0.001953125f;
	for (int i = 0; i < ROWS; i++) {
		set_up s;
		start(&s, &rows[i], NNOPT_ISA_BEST, i);
		nnopt_loss_result result = { .struct_size = sizeof result };
		double here = compute(&s, 0.5f, s.gradient, &result), tolerance = 1e-3 * (1.0 + fabs(here));
		float *x = nnopt_tensor_data(s.x);
		const float *g = nnopt_tensor_const_data(s.gradient);
		int kinks = 0, compared = 0;
		for (int j = 0; j < N * C; j += 3) {
			float kept = x[j];
			x[j] = kept + h;
			double above = compute(&s, 1.0f, NULL, &result);
			x[j] = kept - h;
			double below = compute(&s, 1.0f, NULL, &result);
			x[j] = kept;
			double slope = 0.5 * (above - below) / (2.0 * (double)h);
			double bend = 0.5 * fabs(above - 2.0 * here + below) / (double)h;
			kinks += bend > 8.0 * tolerance;
			compared++;
			if (bend <= 8.0 * tolerance && !(fabs(slope - (double)g[j]) <= 4.0 * tolerance))
				fail_msg("row %d: gradient %d is %g, differences give %g", i, j, (double)g[j], slope);
		}
		if (kinks * 3 > compared)
			fail_msg("row %d: %d kinks among %d", i, kinks, compared);
		stop(&s);
	}
}

/* Every kind is here or in loss_golden.c, and the list is in order. */
static void every_kind_has_rows(void **state)
{
	(void)state;
	static const char *const elsewhere[] = { "cross_entropy", "mse", "bce" };
	nnopt_context *context = NULL;
	assert_ok(nnopt_context_create(&context, NULL));
	for (int32_t k = 0; k < nnopt_loss_kind_count(); k++) {
		const char *name = nnopt_loss_kind_name(k);
		int found = 0;
		assert_true(k == 0 || strcmp(nnopt_loss_kind_name(k - 1), name) < 0);
		for (int i = 0; i < 3; i++)
			found += strcmp(elsewhere[i], name) == 0;
		for (int i = 0; i < ROWS && !found; i++) {
			nnopt_loss *loss = make(context, &rows[i]);
			found = strcmp(nnopt_loss_kind(loss), name) == 0;
			nnopt_loss_destroy(loss);
		}
		if (!found)
			fail_msg("no row of %s", name);
	}
	assert_null(nnopt_loss_kind_name(-1));
	assert_null(nnopt_loss_kind_name(nnopt_loss_kind_count()));
	nnopt_context_destroy(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_pytorch),
		cmocka_unit_test(equals_central_differences),
		cmocka_unit_test(every_kind_has_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
