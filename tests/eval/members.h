/* members.h - four members' scores of samples, of which the golden file tells what scikit-learn makes; for both
 * programs of ensembles. */
#ifndef TESTS_EVAL_MEMBERS_H
#define TESTS_EVAL_MEMBERS_H

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

static inline nnopt_tensor *tensor(nnopt_dtype dtype, int64_t rows, int64_t columns)
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

static inline int setup(void **state)
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

static inline int teardown(void **state)
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
	budget_came_back(&memory);
	return 0;
}

#endif
