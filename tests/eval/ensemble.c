/* ensemble.c - votes and stacks as scikit-learn makes them, weights as scipy finds them, rows of NaNs, files, and what
 * is refused. */
#include "budget.h"
#include "check.h"
#include "golden.h"

#include <math.h>
#include <stdio.h>

#include "golden/ensemble.inc"

static budget memory;
static nnopt_context *ctx;

/* What members say of the samples to learn from, and of those to answer; of the former, the labels. */
static nnopt_tensor *learn[M], *answer[M], *probabilities[M], *labels, *two_learn[2], *two_answer[2], *two_labels;
static const nnopt_tensor *const *const learnt = (const nnopt_tensor *const *)learn;
static const nnopt_tensor *const *const asked = (const nnopt_tensor *const *)answer;
static const nnopt_tensor *const *const given_learnt = (const nnopt_tensor *const *)probabilities;

static int32_t label_of(int i) { return (int32_t)(((double)number(90, (uint32_t)i) + 2.0) / 4.0 * K); }

static float logit(int m, int i, int c)
{
	static const float strength[M] = { 2.0f, 1.5f, 1.0f, 0.0f };
	uint32_t at = (uint32_t)(i * K + c);
	float z = 2.0f * number(91 + (uint32_t)m, at) + number(99, at);
	return c == label_of(i) ? z + strength[m] : z;
}

static nnopt_tensor *tensor(nnopt_dtype dtype, int64_t rows, int64_t columns)
{
	nnopt_tensor *t = NULL;
	int64_t shape[2] = { rows, columns };
	assert_ok(nnopt_tensor_create(&t, ctx, dtype, columns > 0 ? 2 : 1, shape, NNOPT_NCHW));
	return t;
}

static nnopt_tensor *scores_of(int m, int from, int count, int classes, int as_probabilities)
{
	nnopt_tensor *t = tensor(NNOPT_F32, count, classes);
	float *row = nnopt_tensor_data(t);
	for (int i = 0; i < count; i++, row += classes) {
		double sum = 0.0;
		for (int c = 0; c < classes; c++)
			sum += exp((double)logit(m, from + i, c));
		for (int c = 0; c < classes; c++)
			row[c] = as_probabilities ? (float)(exp((double)logit(m, from + i, c)) / sum)
						  : logit(m, from + i, c);
	}
	return t;
}

static int setup(void **state)
{
	(void)state;
	nnopt_context_options o;
	if (nnopt_context_options_init(&o, sizeof o) != NNOPT_OK)
		return 1;
	o.alloc = budget_alloc;
	o.free = budget_free;
	o.alloc_user = &memory;
	if (nnopt_context_create(&ctx, &o) != NNOPT_OK)
		return 1;
	for (int m = 0; m < M; m++) {
		learn[m] = scores_of(m, 0, N, K, 0);
		probabilities[m] = scores_of(m, 0, N, K, 1);
		answer[m] = scores_of(m, N, T, K, 0);
	}
	for (int m = 0; m < 2; m++) {
		two_learn[m] = scores_of(m, 0, N, 2, 0);
		two_answer[m] = scores_of(m, N, T, 2, 0);
	}
	labels = tensor(NNOPT_I32, N, 0);
	two_labels = tensor(NNOPT_I64, N, 0);
	for (int i = 0; i < N; i++) {
		((int32_t *)nnopt_tensor_data(labels))[i] = label_of(i);
		((int64_t *)nnopt_tensor_data(two_labels))[i] = label_of(i) % 2;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int m = 0; m < M; m++) {
		nnopt_tensor_destroy(learn[m]);
		nnopt_tensor_destroy(probabilities[m]);
		nnopt_tensor_destroy(answer[m]);
	}
	for (int m = 0; m < 2; m++) {
		nnopt_tensor_destroy(two_learn[m]);
		nnopt_tensor_destroy(two_answer[m]);
	}
	nnopt_tensor_destroy(labels);
	nnopt_tensor_destroy(two_labels);
	nnopt_context_destroy(ctx);
	return atomic_load(&memory.blocks) != 0;
}

static int best_class(const float *row)
{
	int best = 0;
	for (int c = 1; c < K; c++)
		best = row[c] > row[best] ? c : best;
	return best;
}

static nnopt_ensemble *vote(nnopt_vote kind, const double *weights)
{
	nnopt_ensemble *e = NULL;
	assert_ok(nnopt_vote_create(&e, ctx, kind, weights, M, 0));
	return e;
}

/* Probabilities of T samples, within `most`, of both forms; the ensemble is used up. */
static void assert_answers(nnopt_ensemble *e, const nnopt_tensor *const *scores, const double *wanted, int classes,
			   double most)
{
	nnopt_tensor *p = NULL, *z = NULL;
	int32_t members = nnopt_ensemble_members(e);
	assert_ok(nnopt_ensemble_combine(&p, e, scores, members, 1));
	assert_ok(nnopt_ensemble_combine(&z, e, scores, members, 0));
	assert_int_equal(nnopt_tensor_extent(p, 0), T);
	assert_int_equal(nnopt_tensor_extent(p, 1), classes);
	for (int i = 0; i < T * classes; i++) {
		const float *row = (const float *)nnopt_tensor_const_data(z) + i / classes * classes;
		double got = (double)((const float *)nnopt_tensor_const_data(p))[i], sum = 0.0;
		if (!(fabs(got - wanted[i]) <= most))
			fail_msg("sample %d, class %d: %.9g, %.9g wanted", i / classes, i % classes, got, wanted[i]);
		for (int c = 0; c < classes; c++)
			sum += exp((double)(row[c] - row[i % classes]));
		assert_true(fabs(1.0 / sum - wanted[i]) <= 2.0 * most + 1e-6);
	}
	nnopt_tensor_destroy(p);
	nnopt_tensor_destroy(z);
	nnopt_ensemble_destroy(e);
}

static void assert_votes(nnopt_ensemble *e, const int32_t *wanted, const double *weights)
{
	nnopt_tensor *p = NULL;
	assert_ok(nnopt_ensemble_combine(&p, e, asked, M, 1));
	for (int i = 0; i < T; i++) {
		const float *row = (const float *)nnopt_tensor_const_data(p) + i * K;
		double share[K] = { 0.0 }, sum = 0.0;
		for (int m = 0; m < M; m++) {
			share[best_class((const float *)nnopt_tensor_const_data(answer[m]) + i * K)] +=
			    weights != NULL ? weights[m] : 1.0;
			sum += weights != NULL ? weights[m] : 1.0;
		}
		assert_int_equal(best_class(row), wanted[i]);
		for (int c = 0; c < K; c++)
			assert_true(fabs((double)row[c] - share[c] / sum) < 1e-6);
	}
	nnopt_tensor_destroy(p);
	nnopt_ensemble_destroy(e);
}

static void votes_as_scikit_learn(void **state)
{
	(void)state;
	assert_votes(vote(NNOPT_VOTE_HARD, NULL), hard_equal, NULL);
	assert_votes(vote(NNOPT_VOTE_HARD, given), hard_given, given);
	assert_answers(vote(NNOPT_VOTE_PROBABILITIES, NULL), asked, soft_equal, K, 1e-7);
	assert_answers(vote(NNOPT_VOTE_PROBABILITIES, given), asked, soft_given, K, 1e-7);
	assert_answers(vote(NNOPT_VOTE_LOGITS, given), asked, logits_given, K, 1e-6);
	nnopt_ensemble *e = vote(NNOPT_VOTE_HARD, given);
	assert_string_equal(nnopt_ensemble_kind(e), "vote");
	for (int m = 0; m < M; m++)
		assert_true(nnopt_ensemble_weight(e, m) == given[m] / 4.0);
	assert_true(isnan(nnopt_ensemble_weight(e, M)) && isnan(nnopt_ensemble_weight(NULL, 0)));
	nnopt_ensemble_destroy(e);
}

/* Scores given as probabilities say the same: their logarithms are logits. */
static void of_probabilities(void **state)
{
	(void)state;
	nnopt_tensor *p[M];
	const double *wanted[2] = { logits_given, soft_given };
	for (int m = 0; m < M; m++)
		p[m] = scores_of(m, N, T, K, 1);
	for (int kind = NNOPT_VOTE_LOGITS; kind <= NNOPT_VOTE_PROBABILITIES; kind++) {
		nnopt_ensemble *e = NULL;
		assert_ok(nnopt_vote_create(&e, ctx, (nnopt_vote)kind, given, M, 1));
		assert_answers(e, (const nnopt_tensor *const *)p, wanted[kind], K, 1e-6);
	}
	nnopt_stack_options o;
	nnopt_ensemble *e = NULL;
	assert_ok(nnopt_stack_options_init(&o, sizeof o));
	o.probabilities = 1;
	assert_ok(nnopt_stack_fit(&e, ctx, given_learnt, M, labels, &o));
	assert_answers(e, (const nnopt_tensor *const *)p, stack_logarithms, K, 1e-6);

	/* A probability of 0 is no infinity. */
	float *row = nnopt_tensor_data(p[0]);
	memcpy(row, (float[]){ 0.0f, 1.0f, 0.0f, 0.0f }, 4 * sizeof *row);
	nnopt_tensor *z = NULL;
	assert_ok(nnopt_vote_create(&e, ctx, NNOPT_VOTE_LOGITS, NULL, M, 1));
	assert_ok(nnopt_ensemble_combine(&z, e, (const nnopt_tensor *const *)p, M, 1));
	for (int c = 0; c < K; c++)
		assert_true(isfinite(((const float *)nnopt_tensor_const_data(z))[c]));
	nnopt_tensor_destroy(z);
	nnopt_ensemble_destroy(e);
	for (int m = 0; m < M; m++)
		nnopt_tensor_destroy(p[m]);
}

static void stacks_as_scikit_learn(void **state)
{
	(void)state;
	nnopt_stack_options o;
	nnopt_ensemble *e = NULL;
	assert_ok(nnopt_stack_fit(&e, ctx, learnt, M, labels, NULL));
	assert_string_equal(nnopt_ensemble_kind(e), "stack");
	assert_int_equal(nnopt_ensemble_members(e), M);
	assert_true(isnan(nnopt_ensemble_weight(e, 0)));
	assert_answers(e, asked, stack_logarithms, K, 1e-6);
	assert_ok(nnopt_stack_options_init(&o, sizeof o));
	o.l2 = 0.05;
	assert_ok(nnopt_stack_fit(&e, ctx, learnt, M, labels, &o));
	assert_answers(e, asked, stack_loose, K, 1e-6);
	o.l2 = 0.25;
	o.features = 1;
	assert_ok(nnopt_stack_fit(&e, ctx, learnt, M, labels, &o));
	assert_answers(e, asked, stack_probabilities, K, 1e-6);
	assert_ok(nnopt_stack_fit(&e, ctx, (const nnopt_tensor *const *)two_learn, 2, two_labels, NULL));
	assert_answers(e, (const nnopt_tensor *const *)two_answer, stack_of_two, 2, 1e-6);
}

static void fit(nnopt_ensemble **e, nnopt_vote kind, nnopt_vote_weighting weighting)
{
	nnopt_vote_options o;
	assert_ok(nnopt_vote_options_init(&o, sizeof o));
	o.vote = kind;
	o.weighting = weighting;
	o.rounds = 12;
	assert_ok(nnopt_vote_fit(e, ctx, learnt, M, labels, &o));
}

static double likelihood(const nnopt_ensemble *e)
{
	nnopt_tensor *z = NULL;
	double total = 0.0;
	assert_ok(nnopt_ensemble_combine(&z, e, learnt, M, 1));
	for (int i = 0; i < N; i++)
		total += log((double)((const float *)nnopt_tensor_const_data(z))[i * K + label_of(i)]);
	nnopt_tensor_destroy(z);
	return total / N;
}

static void weights_as_wanted(void **state)
{
	(void)state;
	static const struct {
		nnopt_vote kind;
		nnopt_vote_weighting weighting;
		const double *wanted;
		double most;
	} cases[] = {
		{ NNOPT_VOTE_HARD, NNOPT_WEIGHT_ACCURACY, by_accuracy, 1e-12 },
		{ NNOPT_VOTE_LOGITS, NNOPT_WEIGHT_ACCURACY, by_accuracy, 1e-12 },
		{ NNOPT_VOTE_HARD, NNOPT_WEIGHT_LOG_ODDS, by_odds, 1e-12 },
		{ NNOPT_VOTE_PROBABILITIES, NNOPT_WEIGHT_LIKELIHOOD, by_mixture, 2e-4 },
		{ NNOPT_VOTE_LOGITS, NNOPT_WEIGHT_LIKELIHOOD, by_pooled, 2e-4 },
		{ NNOPT_VOTE_HARD, NNOPT_WEIGHT_GREEDY, greedy_hard, 1e-12 },
		{ NNOPT_VOTE_PROBABILITIES, NNOPT_WEIGHT_GREEDY, greedy_soft, 1e-12 },
		{ NNOPT_VOTE_LOGITS, NNOPT_WEIGHT_GREEDY, greedy_logits, 1e-12 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		nnopt_ensemble *e = NULL;
		double sum = 0.0;
		fit(&e, cases[i].kind, cases[i].weighting);
		for (int m = 0; m < M; m++) {
			double got = nnopt_ensemble_weight(e, m);
			sum += got;
			if (!(fabs(got - cases[i].wanted[m]) <= cases[i].most))
				fail_msg("case %d, member %d: %.9g, %.9g wanted", (int)i, m, got, cases[i].wanted[m]);
		}
		assert_true(fabs(sum - 1.0) < 1e-12);
		if (cases[i].weighting == NNOPT_WEIGHT_LIKELIHOOD)
			assert_true(likelihood(e) >=
				    *(cases[i].kind == NNOPT_VOTE_LOGITS ? best_pooled : best_mixture) - 1e-7);
		nnopt_ensemble_destroy(e);
	}
}

/* A member that is worse than chance has no say, and of several like it all have the same; one whose every answer
 * another gives better has the weight 0. */
static void useless_members(void **state)
{
	(void)state;
	nnopt_tensor *wrong[2] = { tensor(NNOPT_F32, N, K), tensor(NNOPT_F32, N, K) };
	for (int i = 0; i < N * K; i++)
		for (int m = 0; m < 2; m++)
			((float *)nnopt_tensor_data(wrong[m]))[i] =
			    i % K == (label_of(i / K) + 1 + m) % K ? 3.0f : 0.0f;
	const nnopt_tensor *with[2] = { learn[0], wrong[0] };
	nnopt_vote_options o;
	nnopt_ensemble *e = NULL;
	assert_ok(nnopt_vote_options_init(&o, sizeof o));
	for (int32_t weighting = NNOPT_WEIGHT_ACCURACY; weighting <= NNOPT_WEIGHT_LIKELIHOOD; weighting++) {
		o.weighting = weighting;
		assert_ok(nnopt_vote_fit(&e, ctx, (const nnopt_tensor *const *)wrong, 2, labels, &o));
		assert_true(weighting == NNOPT_WEIGHT_LIKELIHOOD || nnopt_ensemble_weight(e, 0) == 0.5);
		nnopt_ensemble_destroy(e);
		if (weighting == NNOPT_WEIGHT_LIKELIHOOD)
			continue;
		assert_ok(nnopt_vote_fit(&e, ctx, with, 2, labels, &o));
		assert_true(nnopt_ensemble_weight(e, 0) == 1.0);
		nnopt_ensemble_destroy(e);
	}
	nnopt_tensor *right = tensor(NNOPT_F32, N, K);
	for (int i = 0; i < N * K; i++)
		((float *)nnopt_tensor_data(right))[i] = i % K == label_of(i / K) ? 9.0f : 0.0f;
	const nnopt_tensor *three[3] = { wrong[0], right, wrong[1] };
	for (int kind = NNOPT_VOTE_LOGITS; kind <= NNOPT_VOTE_PROBABILITIES; kind++) {
		o.vote = kind;
		assert_ok(nnopt_vote_fit(&e, ctx, three, 3, labels, &o));
		assert_true(nnopt_ensemble_weight(e, 0) == 0.0 && nnopt_ensemble_weight(e, 1) == 1.0);
		nnopt_ensemble_destroy(e);
	}
	nnopt_tensor_destroy(right);
	nnopt_tensor_destroy(wrong[0]);
	nnopt_tensor_destroy(wrong[1]);
}

/* Samples that a member could not read: left out, whatever their label, and NaNs in the end. */
static void rows_of_nans(void **state)
{
	(void)state;
	nnopt_tensor *more[M], *more_labels = tensor(NNOPT_I64, N + 1, 0);
	for (int m = 0; m < M; m++) {
		more[m] = tensor(NNOPT_F32, N + 1, K);
		float *row = nnopt_tensor_data(more[m]);
		memcpy(row + K, nnopt_tensor_const_data(learn[m]), nnopt_tensor_bytes(learn[m]));
		for (int c = 0; c < K; c++)
			row[c] = m == 2 ? NAN : (float)c;
	}
	int64_t *label = nnopt_tensor_data(more_labels);
	label[0] = -1;
	for (int i = 0; i < N; i++)
		label[i + 1] = label_of(i);
	const nnopt_tensor *const *scores = (const nnopt_tensor *const *)more;
	nnopt_ensemble *e = NULL, *same = NULL;
	nnopt_tensor *got = NULL, *wanted = NULL;
	assert_ok(nnopt_stack_fit(&e, ctx, scores, M, more_labels, NULL));
	assert_ok(nnopt_stack_fit(&same, ctx, learnt, M, labels, NULL));
	assert_ok(nnopt_ensemble_combine(&got, e, asked, M, 0));
	assert_ok(nnopt_ensemble_combine(&wanted, same, asked, M, 0));
	assert_memory_equal(nnopt_tensor_const_data(got), nnopt_tensor_const_data(wanted), nnopt_tensor_bytes(got));
	nnopt_tensor_destroy(got);
	nnopt_tensor_destroy(wanted);
	nnopt_ensemble_destroy(same);
	for (int kind = 0; kind < 5; kind++) {
		nnopt_ensemble *use = kind < 3    ? vote((nnopt_vote)kind, NULL)
				      : kind == 3 ? vote(NNOPT_VOTE_PROBABILITIES, given)
						  : e;
		assert_ok(nnopt_ensemble_combine(&got, use, scores, M, 0));
		for (int i = 0; i < 2 * K; i++) /* member 2 has no weight in `given` */
			assert_true(isnan(((const float *)nnopt_tensor_const_data(got))[i]) == (i < K && kind != 3));
		nnopt_tensor_destroy(got);
		nnopt_ensemble_destroy(use);
	}
	nnopt_vote_options o;
	assert_ok(nnopt_vote_options_init(&o, sizeof o));
	o.weighting = NNOPT_WEIGHT_ACCURACY;
	assert_ok(nnopt_vote_fit(&e, ctx, scores, M, more_labels, &o));
	assert_true(fabs(nnopt_ensemble_weight(e, 1) - by_accuracy[1]) < 1e-12);
	nnopt_ensemble_destroy(e);
	nnopt_diversity d = { .struct_size = sizeof d };
	assert_ok(nnopt_ensemble_diversity(&d, NULL, ctx, scores, M, more_labels));
	assert_int_equal(d.count, N);
	for (int m = 0; m < M; m++)
		nnopt_tensor_destroy(more[m]);
	nnopt_tensor_destroy(more_labels);
}

static void diversity(void **state)
{
	(void)state;
	nnopt_diversity d = { .struct_size = sizeof d };
	double pairs[M * M], wanted[4];
	assert_ok(nnopt_ensemble_diversity(&d, pairs, ctx, learnt, M, labels));
	memcpy(wanted, (double[]){ d.accuracy, d.best, d.oracle, d.disagreement }, sizeof wanted);
	assert_int_equal(d.count, N);
	for (int i = 0; i < 4; i++)
		assert_true(fabs(wanted[i] - diversity_wanted[i]) < 1e-12);
	for (int i = 0; i < M * M; i++)
		assert_true(fabs(pairs[i] - pairs_wanted[i]) < 1e-12);
	assert_ok(nnopt_ensemble_diversity(&d, NULL, ctx, given_learnt, 1, labels));
	assert_true(d.disagreement == 0.0 && d.oracle == d.best && d.best == d.accuracy);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "NULL", nnopt_ensemble_diversity(&d, NULL, NULL, learnt, M, labels));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "members 0",
		     nnopt_ensemble_diversity(&d, NULL, ctx, learnt, 0, labels));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "labels of type f32",
		     nnopt_ensemble_diversity(&d, NULL, ctx, learnt, M, learn[0]));
}

static const char *path_of(const char *name)
{
	static char path[512];
	snprintf(path, sizeof path, "%s/ensemble_%s.safetensors", TEST_TMP, name);
	return path;
}

static void files(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		nnopt_ensemble *e = NULL, *read = NULL;
		nnopt_tensor *a = NULL, *b = NULL;
		if (kind < 2)
			fit(&e, kind == 0 ? NNOPT_VOTE_LOGITS : NNOPT_VOTE_PROBABILITIES, NNOPT_WEIGHT_LIKELIHOOD);
		else
			assert_ok(nnopt_stack_fit(&e, ctx, learnt, M, labels, NULL));
		assert_ok(nnopt_ensemble_save(e, path_of("whole")));
		assert_ok(nnopt_ensemble_load(&read, ctx, path_of("whole")));
		assert_string_equal(nnopt_ensemble_kind(read), nnopt_ensemble_kind(e));
		assert_ok(nnopt_ensemble_combine(&a, e, asked, M, 1));
		assert_ok(nnopt_ensemble_combine(&b, read, asked, M, 1));
		assert_memory_equal(nnopt_tensor_const_data(a), nnopt_tensor_const_data(b), nnopt_tensor_bytes(a));
		nnopt_tensor_destroy(a);
		nnopt_tensor_destroy(b);
		nnopt_ensemble_destroy(read);
		nnopt_ensemble_destroy(e);
	}
}

/* A file with that rule, weights and version. */
static void write_file(const int64_t *rule, int64_t rules, const double *weights, int64_t count, nnopt_dtype dtype,
		       const char *version)
{
	static const char *const names[] = { "rule", "weights" }, *const keys[] = { "nnopt.ensemble" };
	const char *const values[] = { version };
	nnopt_tensor *t[2] = { tensor(NNOPT_I64, rules, 0), tensor(dtype, count, 0) };
	memcpy(nnopt_tensor_data(t[0]), rule, (size_t)rules * sizeof *rule);
	if (dtype == NNOPT_I64 && weights != NULL)
		memcpy(nnopt_tensor_data(t[1]), weights, (size_t)count * sizeof *weights);
	assert_ok(nnopt_safetensors_save(ctx, path_of("bad"), names, (const nnopt_tensor *const *)t,
					 weights != NULL ? 2 : 1, keys, values, version != NULL ? 1 : 0));
	nnopt_tensor_destroy(t[0]);
	nnopt_tensor_destroy(t[1]);
}

static void bad_files(void **state)
{
	(void)state;
	static const double half[2] = { 0.5, 0.5 }, more[2] = { 0.5, 0.75 }, below[2] = { 1.5, -0.5 },
			    nan_weight[2] = { 0.5, (double)NAN };
	static const struct {
		nnopt_status status;
		const char *words, *version;
		const double *weights;
		int64_t rules, count;
		nnopt_dtype dtype;
		int64_t rule[5];
	} cases[] = {
		{ NNOPT_OK, "", "1", half, 5, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "holds no ensemble", NULL, half, 5, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_UNSUPPORTED, "version 2, 1 wanted", "2", half, 5, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "no tensor weights", "1", NULL, 5, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "rule is 4", "1", half, 4, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "a rule of 2", "1", half, 5, 2, NNOPT_I64, { 2, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "is none", "1", half, 5, 2, NNOPT_I64, { 0, 3, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "is none", "1", half, 5, 2, NNOPT_I64, { 1, 2, 0, 2, 4 } },
		{ NNOPT_ERROR_FORMAT, "is none", "1", half, 5, 2, NNOPT_I64, { 0, 1, 2, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "is none", "1", half, 5, 2, NNOPT_I64, { 0, 1, 0, 0, 0 } },
		{ NNOPT_ERROR_FORMAT, "is none", "1", half, 5, 2, NNOPT_I64, { 0, 1, 0, INT64_C(1) << 40, 0 } },
		{ NNOPT_ERROR_FORMAT, "is none", "1", half, 5, 2, NNOPT_I64, { 1, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "too many", "1", half, 5, 2, NNOPT_I64, { 1, 1, 0, INT32_MAX, 1 << 20 } },
		{ NNOPT_ERROR_FORMAT, "10 of i64 wanted", "1", half, 5, 2, NNOPT_I64, { 1, 1, 0, 2, 2 } },
		{ NNOPT_ERROR_FORMAT, "3 of i64 wanted", "1", half, 5, 2, NNOPT_I64, { 0, 1, 0, 3, 0 } },
		{ NNOPT_ERROR_FORMAT, "type f32", "1", half, 5, 2, NNOPT_F32, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "add up to 1.25", "1", more, 5, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "weight 1 is -0.5", "1", below, 5, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "weight 1 is nan", "1", nan_weight, 5, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		nnopt_ensemble *e = NULL;
		write_file(cases[i].rule, cases[i].rules, cases[i].weights, cases[i].count, cases[i].dtype,
			   cases[i].version);
		if (cases[i].status == NNOPT_OK)
			assert_ok(nnopt_ensemble_load(&e, ctx, path_of("bad")));
		else
			assert_fails(cases[i].status, cases[i].words, nnopt_ensemble_load(&e, ctx, path_of("bad")));
		assert_true((e != NULL) == (cases[i].status == NNOPT_OK));
		nnopt_ensemble_destroy(e);
	}
	nnopt_ensemble *e = NULL;
	assert_fails(NNOPT_ERROR_NOT_FOUND, "absent", nnopt_ensemble_load(&e, ctx, path_of("absent")));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "NULL", nnopt_ensemble_load(&e, ctx, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "NULL", nnopt_ensemble_save(NULL, path_of("bad")));
	e = vote(NNOPT_VOTE_HARD, NULL);
	assert_true(nnopt_ensemble_save(e, TEST_TMP "/no/such/directory") != NNOPT_OK);
	nnopt_ensemble_destroy(e);
}

#define refused(words, call) assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words, call)

static void refuses_votes(void **state)
{
	(void)state;
	nnopt_ensemble *e = NULL;
	nnopt_vote_options o;
	refused("members 0", nnopt_vote_create(&e, ctx, NNOPT_VOTE_HARD, NULL, 0, 0));
	refused("NULL", nnopt_vote_create(&e, NULL, NNOPT_VOTE_HARD, NULL, 2, 0));
	refused("vote 3", nnopt_vote_create(&e, ctx, (nnopt_vote)3, NULL, 2, 0));
	refused("weights[1] -1", nnopt_vote_create(&e, ctx, NNOPT_VOTE_HARD, (double[]){ 2, -1 }, 2, 0));
	refused("weights[0] nan", nnopt_vote_create(&e, ctx, NNOPT_VOTE_HARD, (double[]){ (double)NAN, 1 }, 2, 0));
	refused("add up to 0", nnopt_vote_create(&e, ctx, NNOPT_VOTE_HARD, (double[]){ 0, 0 }, 2, 0));
	refused("add up to inf", nnopt_vote_create(&e, ctx, NNOPT_VOTE_HARD, (double[]){ 1e308, 1e308 }, 2, 0));
	assert_ok(nnopt_vote_options_init(&o, sizeof o));
	refused("out or context", nnopt_vote_fit(&e, NULL, learnt, M, labels, &o));
	refused("members -1", nnopt_vote_fit(&e, ctx, learnt, -1, labels, &o));
	refused("labels is NULL", nnopt_vote_fit(&e, ctx, learnt, M, NULL, &o));
	refused("scores NULL", nnopt_vote_fit(&e, ctx, NULL, M, labels, &o));
	refused("scores[1] is NULL",
		nnopt_vote_fit(&e, ctx, (const nnopt_tensor *const[]){ learn[0], NULL }, 2, labels, &o));
	refused("scores[0] is i32", nnopt_vote_fit(&e, ctx, (const nnopt_tensor *const[]){ labels }, 1, labels, &o));
	refused("scores[1] is (40, 4), (240, 4) wanted",
		nnopt_vote_fit(&e, ctx, (const nnopt_tensor *const[]){ learn[0], answer[0] }, 2, labels, &o));
	refused("count 240, i32 or i64 (40)", nnopt_vote_fit(&e, ctx, asked, M, labels, &o));
	refused("labels[2] is 3, 0 to 1",
		nnopt_vote_fit(&e, ctx, (const nnopt_tensor *const *)two_learn, 2, labels, &o));
	o.vote = NNOPT_VOTE_HARD;
	refused("NNOPT_VOTE_HARD", nnopt_vote_fit(&e, ctx, learnt, M, labels, &o));
	o.weighting = 4;
	refused("weighting 4", nnopt_vote_fit(&e, ctx, learnt, M, labels, &o));
	o.weighting = NNOPT_WEIGHT_GREEDY;
	o.rounds = 0;
	refused("rounds 0", nnopt_vote_fit(&e, ctx, learnt, M, labels, &o));
	o.rounds = 1;
	o.vote = -1;
	refused("vote -1", nnopt_vote_fit(&e, ctx, learnt, M, labels, &o));
	assert_ok(nnopt_vote_options_init(&o, sizeof o));
	o.tolerance = 0.0;
	refused("tolerance 0", nnopt_vote_fit(&e, ctx, learnt, M, labels, &o));
	o.tolerance = 1e-300;
	assert_fails(NNOPT_ERROR_STATE, "a larger tolerance", nnopt_vote_fit(&e, ctx, learnt, M, labels, &o));
	assert_null(e);
}

static void refuses_stacks(void **state)
{
	(void)state;
	nnopt_ensemble *e = NULL;
	nnopt_stack_options o;
	assert_ok(nnopt_stack_options_init(&o, sizeof o));
	refused("NULL", nnopt_stack_fit(NULL, ctx, learnt, M, labels, &o));
	refused("members 0", nnopt_stack_fit(&e, ctx, learnt, 0, labels, &o));
	o.l2 = 0.0;
	refused("l2 0", nnopt_stack_fit(&e, ctx, learnt, M, labels, &o));
	o.l2 = 1.0;
	o.features = 2;
	refused("features 2", nnopt_stack_fit(&e, ctx, learnt, M, labels, &o));
	o.features = 0;
	o.iterations = 0;
	refused("iterations 0", nnopt_stack_fit(&e, ctx, learnt, M, labels, &o));
	o.iterations = 1;
	assert_fails(NNOPT_ERROR_STATE, "after 1 iterations", nnopt_stack_fit(&e, ctx, learnt, M, labels, &o));
	nnopt_tensor *none[2] = { tensor(NNOPT_F32, N, 2), NULL };
	assert_ok(nnopt_tensor_fill(none[0], (double)NAN));
	none[1] = none[0];
	refused("no sample", nnopt_stack_fit(&e, ctx, (const nnopt_tensor *const *)none, 2, two_labels, NULL));
	nnopt_diversity d = { .struct_size = sizeof d };
	refused("no sample", nnopt_ensemble_diversity(&d, NULL, ctx, (const nnopt_tensor *const *)none, 2, two_labels));
	assert_null(e);

	nnopt_tensor *out = NULL;
	assert_ok(nnopt_stack_fit(&e, ctx, (const nnopt_tensor *const *)two_learn, 2, two_labels, NULL));
	refused("NULL", nnopt_ensemble_combine(&out, NULL, asked, M, 0));
	refused("4 members, 2 wanted", nnopt_ensemble_combine(&out, e, asked, M, 0));
	refused("4 classes, 2 wanted", nnopt_ensemble_combine(&out, e, asked, 2, 0));
	refused("scores NULL", nnopt_ensemble_combine(&out, e, NULL, 2, 0));
	assert_null(out);
	assert_null(nnopt_ensemble_kind(NULL));
	assert_int_equal(nnopt_ensemble_members(NULL), 0);
	nnopt_ensemble_destroy(NULL);
	nnopt_ensemble_destroy(e);
	nnopt_tensor_destroy(none[0]);
}

/* A class that no sample has gets next to no probability, and the fit ends. */
static void absent_class(void **state)
{
	(void)state;
	nnopt_ensemble *e = NULL;
	nnopt_tensor *p = NULL;
	assert_ok(nnopt_stack_fit(&e, ctx, learnt, 2, two_labels, NULL));
	assert_ok(nnopt_ensemble_combine(&p, e, asked, 2, 1));
	for (int i = 0; i < T * K; i++)
		assert_true(i % K < 2 || ((const float *)nnopt_tensor_const_data(p))[i] < 1e-6f);
	nnopt_tensor_destroy(p);
	nnopt_ensemble_destroy(e);
}

static nnopt_status run_all(nnopt_ensemble **e, nnopt_tensor **out, int which)
{
	nnopt_vote_options o;
	nnopt_diversity d = { .struct_size = sizeof d };
	nnopt_status status = nnopt_vote_options_init(&o, sizeof o);
	o.weighting = which;
	if (which == 5)
		return nnopt_ensemble_diversity(&d, NULL, ctx, learnt, M, labels);
	if (which == 6)
		return nnopt_ensemble_load(e, ctx, path_of("whole"));
	if (status == NNOPT_OK)
		status = which == 4 ? nnopt_stack_fit(e, ctx, learnt, M, labels, NULL)
				    : nnopt_vote_fit(e, ctx, learnt, M, labels, &o);
	if (status == NNOPT_OK)
		status = nnopt_ensemble_combine(out, *e, asked, M, 0);
	if (status == NNOPT_OK && which == 0)
		status = nnopt_ensemble_save(*e, path_of("bad"));
	return status;
}

static void out_of_memory(void **state)
{
	(void)state;
	for (int which = 0; which < 7; which++) {
		nnopt_status status = NNOPT_ERROR_OUT_OF_MEMORY;
		long blocks = atomic_load(&memory.blocks), at = 1;
		for (; status != NNOPT_OK && at < 200; at++) {
			nnopt_ensemble *e = NULL;
			nnopt_tensor *out = NULL;
			atomic_store(&memory.calls, 0);
			atomic_store(&memory.fail_at, at);
			status = run_all(&e, &out, which);
			atomic_store(&memory.fail_at, 0);
			assert_true(status == NNOPT_OK || status == NNOPT_ERROR_OUT_OF_MEMORY);
			nnopt_tensor_destroy(out);
			nnopt_ensemble_destroy(e);
			assert_int_equal(atomic_load(&memory.blocks), blocks);
		}
		assert_int_equal(status, NNOPT_OK);
		assert_true(at > (which == 5 ? 2 : 6));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(votes_as_scikit_learn),
		cmocka_unit_test(of_probabilities),
		cmocka_unit_test(stacks_as_scikit_learn),
		cmocka_unit_test(weights_as_wanted),
		cmocka_unit_test(useless_members),
		cmocka_unit_test(rows_of_nans),
		cmocka_unit_test(diversity),
		cmocka_unit_test(files),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(refuses_votes),
		cmocka_unit_test(refuses_stacks),
		cmocka_unit_test(absent_class),
		cmocka_unit_test(out_of_memory),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
