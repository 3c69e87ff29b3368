/* ensemble.c - votes and stacks as scikit-learn makes them, weights as scipy finds them, rows of NaNs. */
#include "eval/members.h"

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

/* Of an infinite score it is plain whether it is right. It counts where only that does, and not where it would have to
 * be computed with. */
static void infinite_scores(void **state)
{
	(void)state;
	nnopt_tensor *more[M], *more_labels = tensor(NNOPT_I32, N + 1, 0);
	int32_t *label = nnopt_tensor_data(more_labels);
	nnopt_vote_options o;
	assert_ok(nnopt_vote_options_init(&o, sizeof o));
	for (int m = 0; m < M; m++) {
		more[m] = tensor(NNOPT_F32, N + 1, K);
		memcpy((float *)nnopt_tensor_data(more[m]) + K, nnopt_tensor_const_data(learn[m]),
		       nnopt_tensor_bytes(learn[m]));
		((float *)nnopt_tensor_data(more[m]))[m == 2 ? 1 : 0] = 9.0f;
	}
	memcpy(label + 1, nnopt_tensor_const_data(labels), nnopt_tensor_bytes(labels));
	label[0] = 1; /* which member 2 alone has right */
	const nnopt_tensor *const *scores = (const nnopt_tensor *const *)more;
	for (int kind = 0; kind < 3; kind++)
		for (int weighting = 0; weighting < 4; weighting++) {
			nnopt_ensemble *e = NULL, *wanted = NULL;
			int hits = weighting == NNOPT_WEIGHT_ACCURACY || weighting == NNOPT_WEIGHT_LOG_ODDS;
			int kept = hits || kind == NNOPT_VOTE_HARD;
			o.vote = kind;
			o.weighting = weighting;
			if (kind == NNOPT_VOTE_HARD && weighting == NNOPT_WEIGHT_LIKELIHOOD)
				continue;
			((float *)nnopt_tensor_data(more[2]))[1] = 9.0f;
			assert_ok(
			    nnopt_vote_fit(&wanted, ctx, kept ? scores : learnt, M, kept ? more_labels : labels, &o));
			((float *)nnopt_tensor_data(more[2]))[1] = INFINITY;
			assert_ok(nnopt_vote_fit(&e, ctx, scores, M, more_labels, &o));
			for (int m = 0; m < M; m++)
				if (nnopt_ensemble_weight(e, m) != nnopt_ensemble_weight(wanted, m))
					fail_msg("vote %d, weighting %d, member %d: %.17g, %.17g wanted", kind,
						 weighting, m, nnopt_ensemble_weight(e, m),
						 nnopt_ensemble_weight(wanted, m));
			nnopt_ensemble_destroy(e);
			nnopt_ensemble_destroy(wanted);
		}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(votes_as_scikit_learn),  cmocka_unit_test(of_probabilities),
		cmocka_unit_test(stacks_as_scikit_learn), cmocka_unit_test(weights_as_wanted),
		cmocka_unit_test(useless_members),        cmocka_unit_test(rows_of_nans),
		cmocka_unit_test(infinite_scores),        cmocka_unit_test(diversity),
		cmocka_unit_test(absent_class),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
