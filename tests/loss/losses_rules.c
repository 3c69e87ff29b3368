/* losses_rules.c - what focal, divergence, distillation and metric losses refuse, what they do where there is nothing
 * to learn, that they give the same bits at any thread count, and that they allocate once. */
#include "check.h"

#include "budget.h"
#include "golden.h"

#include <math.h>

enum {
	FOCAL,
	SIGMOID_FOCAL,
	KL_DIVERGENCE,
	DISTILLATION,
	HARD,
	SEMI_HARD,
	ALL,
	ALL_SOFT,
	TRIPLET_MARGIN,
	CONTRASTIVE,
	SUPERVISED_CONTRASTIVE,
	NT_XENT,
	LOSSES
};

static nnopt_context *context_of(int threads, budget *memory)
{
	nnopt_context_options o;
	nnopt_context *context = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.threads = threads;
	if (memory != NULL) {
		o.alloc = budget_alloc;
		o.free = budget_free;
		o.alloc_user = memory;
	}
	assert_ok(nnopt_context_create(&context, &o));
	return context;
}

static nnopt_status create(nnopt_loss **loss, nnopt_context *context, int which)
{
	nnopt_triplet_options t;
	assert_ok(nnopt_triplet_options_init(&t, sizeof t));
	t.mining = which == HARD        ? NNOPT_TRIPLET_BATCH_HARD
		   : which == SEMI_HARD ? NNOPT_TRIPLET_SEMI_HARD
					: NNOPT_TRIPLET_BATCH_ALL;
	t.soft_margin = which == ALL_SOFT;
	t.normalise = which == SEMI_HARD;
	switch (which) {
	case FOCAL:
		return nnopt_focal_create(loss, context, NULL);
	case SIGMOID_FOCAL:
		return nnopt_sigmoid_focal_create(loss, context, NULL);
	case KL_DIVERGENCE:
		return nnopt_kl_divergence_create(loss, context, NNOPT_REDUCTION_MEAN);
	case DISTILLATION:
		return nnopt_distillation_create(loss, context, NULL);
	case TRIPLET_MARGIN:
		return nnopt_triplet_margin_create(loss, context, NULL);
	case CONTRASTIVE:
		return nnopt_contrastive_create(loss, context, NULL);
	case SUPERVISED_CONTRASTIVE:
		return nnopt_supervised_contrastive_create(loss, context, NULL);
	case NT_XENT:
		return nnopt_nt_xent_create(loss, context, NULL);
	default:
		return nnopt_triplet_create(loss, context, &t);
	}
}

static nnopt_loss *make(nnopt_context *context, int which)
{
	nnopt_loss *loss = NULL;
	assert_ok(create(&loss, context, which));
	return loss;
}

static nnopt_tensor *matrix(nnopt_context *context, int64_t n, int64_t c, uint32_t stream)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, context, NNOPT_F32, 2, (int64_t[]){ n, c }, NNOPT_NCHW));
	float *x = nnopt_tensor_data(t);
	for (int64_t i = 0; i < n * c; i++)
		x[i] = number(stream, (uint32_t)i);
	return t;
}

/* 0 to classes - 1, over and over. */
static nnopt_tensor *labels(nnopt_context *context, int64_t n, int64_t classes)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, context, NNOPT_I32, 1, &n, NNOPT_NCHW));
	for (int64_t i = 0; i < n; i++)
		((int32_t *)nnopt_tensor_data(t))[i] = (int32_t)(i % classes);
	return t;
}

static int takes_dense(int which) { return which == SIGMOID_FOCAL || which == KL_DIVERGENCE; }

typedef struct batch {
	nnopt_tensor *x, *labels, *dense, *teacher, *gradient;
} batch;

static batch make_batch(nnopt_context *context, int64_t n, int64_t c, int64_t classes)
{
	batch b = { matrix(context, n, c, 1), labels(context, n, classes), matrix(context, n, c, 2),
		    matrix(context, n, c, 3), matrix(context, n, c, 4) };
	float *t = nnopt_tensor_data(b.dense);
	for (int64_t i = 0; i < n * c; i++)
		t[i] = (t[i] + 2.0f) / 4.0f;
	return b;
}

static void free_batch(batch *b)
{
	nnopt_tensor_destroy(b->x);
	nnopt_tensor_destroy(b->labels);
	nnopt_tensor_destroy(b->dense);
	nnopt_tensor_destroy(b->teacher);
	nnopt_tensor_destroy(b->gradient);
}

static nnopt_status compute(nnopt_loss *loss, int which, batch *b, nnopt_loss_result *result)
{
	if (which == DISTILLATION)
		assert_ok(nnopt_loss_set_teacher(loss, b->teacher));
	return nnopt_loss_compute(loss, b->x, takes_dense(which) ? b->dense : b->labels, 1.0f, b->gradient, result);
}

/* A create function refuses options with `field` at `value`. */
#define REFUSES(kind, field, value, words)                                                                      \
	do {                                                                                                    \
		nnopt_##kind##_options o_;                                                                      \
		nnopt_loss *loss_ = NULL;                                                                       \
		assert_ok(nnopt_##kind##_options_init(&o_, sizeof o_));                                         \
		o_.field = (value);                                                                             \
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words, nnopt_##kind##_create(&loss_, context, &o_)); \
		assert_null(loss_);                                                                             \
	} while (0)

static void options_are_checked(void **state)
{
	(void)state;
	nnopt_context *context = context_of(1, NULL);
	static const float alpha[2] = { 1.0f, -2.0f };
	REFUSES(focal, gamma, -1.0, "gamma -1, finite and at least 0");
	REFUSES(focal, gamma, NAN, "gamma nan");
	REFUSES(focal, alpha, alpha, "0 weights at an address");
	REFUSES(focal, reduction, 9, "reduction 9");
	REFUSES(sigmoid_focal, gamma, INFINITY, "gamma inf");
	REFUSES(sigmoid_focal, alpha, 1.5, "alpha 1.5, at most 1");
	REFUSES(distillation, temperature, 0.0, "temperature 0, finite and above 0");
	REFUSES(distillation, alpha, 1.5, "alpha 1.5, 0 to 1");
	REFUSES(distillation, label_smoothing, 1.0, "label_smoothing 1");
	REFUSES(distillation, reduction, -1, "reduction -1");
	REFUSES(triplet, margin, -0.5, "margin -0.5");
	REFUSES(triplet, mining, 3, "mining 3, 0 to 2");
	REFUSES(triplet, reduction, 2, "reduction 2");
	REFUSES(triplet_margin, margin, NAN, "margin nan");
	REFUSES(triplet_margin, eps, INFINITY, "eps inf");
	REFUSES(contrastive, margin, -1.0, "margin -1");
	REFUSES(supervised_contrastive, temperature, -1.0, "temperature -1");
	nnopt_focal_options two;
	nnopt_loss *loss = NULL;
	assert_ok(nnopt_focal_options_init(&two, sizeof two));
	two.alpha = alpha;
	two.alpha_count = 2;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "alpha: weight 1 is -2", nnopt_focal_create(&loss, context, &two));
	nnopt_context_destroy(context);
}

static void targets_are_checked(void **state)
{
	(void)state;
	nnopt_context *context = context_of(1, NULL);
	batch b = make_batch(context, 6, 4, 3);
	nnopt_tensor *five = labels(context, 5, 3), *cube = NULL;
	assert_ok(nnopt_tensor_create(&cube, context, NNOPT_F32, 3, (int64_t[]){ 6, 2, 2 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_fill(b.gradient, 42.0));
	for (int which = 0; which < LOSSES; which++) {
		nnopt_loss *loss = make(context, which);
		nnopt_loss_result result = { .struct_size = sizeof result, .value = 7.0 };
		int blind = which == NT_XENT || which == TRIPLET_MARGIN;
		const nnopt_tensor *wrong = takes_dense(which) ? b.labels : which == DISTILLATION ? five : b.dense;
		if (!blind) {
			assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "target is NULL",
				     nnopt_loss_compute(loss, b.x, NULL, 1.0f, b.gradient, &result));
			assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "target",
				     nnopt_loss_compute(loss, b.x, wrong, 1.0f, b.gradient, &result));
			assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "(5)",
				     nnopt_loss_compute(loss, b.x, five, 1.0f, b.gradient, &result));
		}
		if (which != SIGMOID_FOCAL)
			assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "(6, 2, 2)",
				     nnopt_loss_compute(loss, cube, b.labels, 1.0f, NULL, &result));
		for (int i = 0; i < 24; i++)
			assert_true(((const float *)nnopt_tensor_const_data(b.gradient))[i] == 42.0f);
		assert_true(result.value == 7.0);
		nnopt_loss_destroy(loss);
	}
	nnopt_loss *focal = make(context, FOCAL), *views = make(context, NT_XENT),
		   *triples = make(context, TRIPLET_MARGIN);
	nnopt_loss_result result = { .struct_size = sizeof result };
	((int32_t *)nnopt_tensor_data(b.labels))[2] = 4;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "focal: label 4 of sample 2, 0 to 3",
		     nnopt_loss_compute(focal, b.x, b.labels, 1.0f, NULL, &result));
	nnopt_tensor *odd = matrix(context, 5, 4, 1);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "5 rows, two views",
		     nnopt_loss_compute(views, odd, NULL, 1.0f, NULL, &result));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "(3 T, D)",
		     nnopt_loss_compute(triples, odd, NULL, 1.0f, NULL, &result));
	nnopt_tensor_destroy(odd);
	nnopt_loss_destroy(focal);
	nnopt_loss_destroy(views);
	nnopt_loss_destroy(triples);
	nnopt_tensor_destroy(five);
	nnopt_tensor_destroy(cube);
	free_batch(&b);
	nnopt_context_destroy(context);
}

static void teachers_are_set_each_time(void **state)
{
	(void)state;
	nnopt_context *context = context_of(1, NULL);
	batch b = make_batch(context, 6, 4, 3);
	nnopt_tensor *wide = matrix(context, 6, 5, 1);
	nnopt_loss *loss = make(context, DISTILLATION), *focal = make(context, FOCAL), *plain = NULL;
	nnopt_loss_result r = { .struct_size = sizeof r }, labels_only = r;
	assert_int_equal(nnopt_loss_takes_teacher(loss), 1);
	assert_int_equal(nnopt_loss_takes_teacher(focal), 0);
	assert_int_equal(nnopt_loss_takes_teacher(NULL), 0);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "focal: takes no teacher", nnopt_loss_set_teacher(focal, b.teacher));
	assert_fails(NNOPT_ERROR_STATE, "nnopt_loss_set_teacher() before",
		     nnopt_loss_compute(loss, b.x, b.labels, 1.0f, b.gradient, &r));
	assert_ok(nnopt_loss_set_teacher(loss, b.teacher));
	assert_ok(nnopt_loss_compute(loss, b.x, b.labels, 1.0f, b.gradient, &r));
	assert_fails(NNOPT_ERROR_STATE, "", nnopt_loss_compute(loss, b.x, b.labels, 1.0f, b.gradient, &r));
	assert_ok(nnopt_loss_set_teacher(loss, wide));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "(6, 5), f32 (6, 4)",
		     nnopt_loss_compute(loss, b.x, b.labels, 1.0f, b.gradient, &r));
	/* A call that failed has used the teacher up too; and for the value alone none is needed. */
	assert_fails(NNOPT_ERROR_STATE, "", nnopt_loss_compute(loss, b.x, b.labels, 1.0f, b.gradient, &r));
	assert_ok(nnopt_loss_compute(loss, b.x, b.labels, 1.0f, NULL, &r));
	assert_ok(nnopt_loss_set_teacher(loss, b.gradient));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "overlaps the teacher's logits",
		     nnopt_loss_compute(loss, b.x, b.labels, 1.0f, b.gradient, &r));
	assert_ok(nnopt_cross_entropy_create(&plain, context, NULL));
	assert_ok(nnopt_loss_compute(plain, b.x, b.labels, 1.0f, NULL, &labels_only));
	assert_true(r.value == labels_only.value && r.correct == labels_only.correct && r.weight == labels_only.weight);
	nnopt_loss_destroy(plain);
	nnopt_loss_destroy(loss);
	nnopt_loss_destroy(focal);
	nnopt_tensor_destroy(wide);
	free_batch(&b);
	nnopt_context_destroy(context);
}

static void assert_nothing(nnopt_loss *loss, batch *b)
{
	nnopt_loss_result r = { .struct_size = sizeof r };
	assert_ok(nnopt_loss_compute(loss, b->x, b->labels, 1.0f, b->gradient, &r));
	assert_true(r.value == 0.0 && r.weight == 0.0 && r.finite && r.active == 0);
	const float *g = nnopt_tensor_const_data(b->gradient);
	for (int64_t i = 0; i < nnopt_tensor_count(b->gradient); i++)
		assert_true(g[i] == 0.0f);
}

/* A last batch may hold one sample, or one of each label: a value of 0, and no end of the training. */
static void nothing_to_learn_is_no_error(void **state)
{
	(void)state;
	static const int mined[] = { HARD, SEMI_HARD, ALL, ALL_SOFT };
	nnopt_context *context = context_of(2, NULL);
	batch one = make_batch(context, 1, 5, 1), distinct = make_batch(context, 7, 5, 7),
	      alike = make_batch(context, 6, 5, 1);
	for (size_t i = 0; i < 4; i++) {
		nnopt_loss *loss = make(context, mined[i]);
		assert_nothing(loss, &one);
		assert_nothing(loss, &distinct);
		assert_nothing(loss, &alike);
		nnopt_loss_destroy(loss);
	}
	nnopt_loss *supervised = make(context, SUPERVISED_CONTRASTIVE), *contrastive = make(context, CONTRASTIVE);
	assert_nothing(supervised, &one);
	assert_nothing(supervised, &distinct);
	assert_nothing(contrastive, &one);
	nnopt_loss_destroy(supervised);
	nnopt_loss_destroy(contrastive);
	/* Nor is an empty batch. */
	batch none = make_batch(context, 0, 5, 1);
	for (int which = 0; which < LOSSES; which++) {
		nnopt_loss *loss = make(context, which);
		nnopt_loss_result r = { .struct_size = sizeof r };
		assert_ok(compute(loss, which, &none, &r));
		assert_true(r.count == 0 && r.weight == 0.0);
		nnopt_loss_destroy(loss);
	}
	free_batch(&none);
	free_batch(&one);
	free_batch(&distinct);
	free_batch(&alike);
	nnopt_context_destroy(context);
}

/* Samples at the same place have gradients, and what is no number is told. */
static void degenerate_embeddings(void **state)
{
	(void)state;
	nnopt_context *context = context_of(1, NULL);
	batch b = make_batch(context, 6, 5, 2);
	for (int which = 0; which < LOSSES; which++) {
		nnopt_loss *loss = make(context, which);
		nnopt_loss_result r = { .struct_size = sizeof r };
		float *x = nnopt_tensor_data(b.x), kept[30];
		memcpy(kept, x, sizeof kept);
		for (int i = 5; i < 30; i++)
			x[i] = which == CONTRASTIVE || i < 20 ? x[i % 5] : 0.0f;
		assert_ok(compute(loss, which, &b, &r));
		assert_int_equal(r.finite, 1);
		for (int i = 0; i < 30; i++)
			assert_true(isfinite(((const float *)nnopt_tensor_const_data(b.gradient))[i]));
		x[17] = NAN;
		assert_ok(compute(loss, which, &b, &r));
		assert_int_equal(r.finite, 0);
		x[17] = INFINITY;
		assert_ok(compute(loss, which, &b, &r));
		assert_int_equal(r.finite, 0);
		x[17] = 0.0f;
		for (int i = 2; i < 30 && which >= HARD; i += 5) { /* in whatever row */
			float own = x[i];
			x[i] = i % 2 ? INFINITY : -INFINITY;
			assert_ok(compute(loss, which, &b, &r));
			assert_int_equal(r.finite, 0);
			x[i] = own;
		}
		memcpy(x, kept, sizeof kept);
		assert_ok(compute(loss, which, &b, &r));
		assert_int_equal(r.finite, 1);
		nnopt_loss_destroy(loss);
	}
	free_batch(&b);
	nnopt_context_destroy(context);
}

/* Classes that are sure, right or wrong, give finite slopes at any gamma. */
static void far_logits(void **state)
{
	(void)state;
	nnopt_context *context = context_of(1, NULL);
	static const double gammas[] = { 0.0, 0.5, 1.0, 2.0, 5.0 };
	batch b = make_batch(context, 6, 4, 4);
	float *x = nnopt_tensor_data(b.x), *t = nnopt_tensor_data(b.dense);
	for (int i = 0; i < 24; i++) {
		x[i] = (i % 4 == i / 4 % 4 ? 1.0f : -1.0f) * (i < 12 ? 1e4f : -60.0f);
		t[i] = (float)(i % 2);
	}
	for (int i = 0; i < 10; i++) {
		nnopt_focal_options f;
		nnopt_sigmoid_focal_options s;
		nnopt_loss *loss = NULL;
		nnopt_loss_result r = { .struct_size = sizeof r };
		assert_ok(nnopt_focal_options_init(&f, sizeof f));
		assert_ok(nnopt_sigmoid_focal_options_init(&s, sizeof s));
		f.gamma = s.gamma = gammas[i / 2];
		assert_ok(i % 2 ? nnopt_focal_create(&loss, context, &f)
				: nnopt_sigmoid_focal_create(&loss, context, &s));
		assert_ok(compute(loss, i % 2 ? FOCAL : SIGMOID_FOCAL, &b, &r));
		assert_true(r.finite && r.value >= 0.0);
		for (int j = 0; j < 24; j++)
			assert_true(isfinite(((const float *)nnopt_tensor_const_data(b.gradient))[j]));
		nnopt_loss_destroy(loss);
	}
	free_batch(&b);
	nnopt_context_destroy(context);
}

static void same_bits_at_any_thread_count(void **state)
{
	(void)state;
	enum { ROWS = 150, COLUMNS = 67 };
	static float kept[LOSSES][ROWS * COLUMNS];
	double value[LOSSES] = { 0 };
	for (int threads = 1; threads <= 4; threads++) {
		nnopt_context *context = context_of(threads, NULL);
		batch b = make_batch(context, ROWS, COLUMNS, 9);
		for (int which = 0; which < LOSSES; which++) {
			nnopt_loss *loss = make(context, which);
			nnopt_loss_result r = { .struct_size = sizeof r };
			assert_ok(compute(loss, which, &b, &r));
			if (threads > 1) {
				assert_memory_equal(&value[which], &r.value, sizeof value[which]);
				assert_memory_equal(kept[which], nnopt_tensor_const_data(b.gradient),
						    sizeof kept[which]);
			}
			value[which] = r.value;
			memcpy(kept[which], nnopt_tensor_const_data(b.gradient), sizeof kept[which]);
			nnopt_loss_destroy(loss);
		}
		free_batch(&b);
		nnopt_context_destroy(context);
	}
}

/* The first call with a shape allocates, no later one with it or a smaller one; each allocation may fail, and the call
 * after it works. */
static void memory(void **state)
{
	(void)state;
	budget m = { 0 };
	nnopt_context *context = context_of(2, &m);
	batch b = make_batch(context, 40, 31, 5), small = make_batch(context, 18, 31, 5);
	for (int which = 0; which < LOSSES; which++) {
		nnopt_loss *loss = NULL;
		nnopt_loss_result r = { .struct_size = sizeof r };
		long blocks = atomic_load(&m.blocks), at = 0;
		int64_t rows = which == TRIPLET_MARGIN ? 39 : 40;
		nnopt_tensor *x = b.x, *g = b.gradient;
		assert_ok(nnopt_tensor_view(&b.x, x, 0, rows));
		assert_ok(nnopt_tensor_view(&b.gradient, g, 0, rows));
		for (int done = 0; !done;) {
			atomic_store(&m.calls, 0);
			atomic_store(&m.fail_at, ++at);
			nnopt_status status = create(&loss, context, which);
			if (status == NNOPT_OK)
				status = compute(loss, which, &b, &r);
			done = atomic_load(&m.calls) < at;
			atomic_store(&m.fail_at, 0);
			if (status != NNOPT_OK)
				assert_int_equal(status, NNOPT_ERROR_OUT_OF_MEMORY);
			else
				assert_true(done);
			if (loss != NULL)
				assert_ok(compute(loss, which, &b, &r));
			if (done)
				break;
			nnopt_loss_destroy(loss);
			loss = NULL;
			assert_int_equal(atomic_load(&m.blocks), blocks + 2);
		}
		atomic_store(&m.calls, 0);
		assert_ok(compute(loss, which, &b, &r));
		assert_ok(compute(loss, which, &small, &r));
		assert_ok(compute(loss, which, &b, &r));
		assert_int_equal(atomic_load(&m.calls), 0);
		nnopt_loss_destroy(loss);
		nnopt_tensor_destroy(b.x);
		nnopt_tensor_destroy(b.gradient);
		b.x = x;
		b.gradient = g;
		assert_int_equal(atomic_load(&m.blocks), blocks);
	}
	free_batch(&b);
	free_batch(&small);
	nnopt_context_destroy(context);
	assert_int_equal(atomic_load(&m.blocks), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_checked),           cmocka_unit_test(targets_are_checked),
		cmocka_unit_test(teachers_are_set_each_time),    cmocka_unit_test(nothing_to_learn_is_no_error),
		cmocka_unit_test(degenerate_embeddings),         cmocka_unit_test(far_logits),
		cmocka_unit_test(same_bits_at_any_thread_count), cmocka_unit_test(memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
