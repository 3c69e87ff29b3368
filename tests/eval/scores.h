/* scores.h - the probabilities and labels of tests/golden/make_evaluation.py, and tensors of what tests think of. */
#ifndef TESTS_EVAL_SCORES_H
#define TESTS_EVAL_SCORES_H

#include "budget_context.h"
#include "golden.h"

#include <math.h>

static inline void assert_near(double got, double wanted, double within)
{
	if (!(fabs(got - wanted) <= within * fmax(1.0, fabs(wanted))))
		fail_msg("%.17g, %.17g wanted", got, wanted);
}

static inline nnopt_tensor *tensor(nnopt_dtype dtype, int64_t n, int64_t k)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, dtype, k > 0 ? 2 : 1, (int64_t[]){ n, k }, NNOPT_NCHW));
	return t;
}

static inline nnopt_tensor *floats(int64_t n, int64_t k, const float *values)
{
	nnopt_tensor *t = tensor(NNOPT_F32, n, k);
	if (n > 0)
		memcpy(nnopt_tensor_data(t), values, (size_t)(n * k) * sizeof *values);
	return t;
}

static inline nnopt_tensor *integers(int64_t n, const int32_t *values)
{
	nnopt_tensor *t = tensor(NNOPT_I32, n, 0);
	if (n > 0)
		memcpy(nnopt_tensor_data(t), values, (size_t)n * sizeof *values);
	return t;
}

static inline int64_t label_of(int64_t i, int64_t k)
{
	return (int64_t)(((double)number(59, (uint32_t)i) + 2) / 4 * (double)k);
}

static inline nnopt_tensor *labels_of(nnopt_dtype dtype, int64_t n, int64_t k)
{
	nnopt_tensor *t = tensor(dtype, n, 0);
	for (int64_t i = 0; i < n; i++)
		if (dtype == NNOPT_I64)
			((int64_t *)nnopt_tensor_data(t))[i] = label_of(i, k);
		else
			((int32_t *)nnopt_tensor_data(t))[i] = (int32_t)label_of(i, k);
	return t;
}

/* Rows that sum to 1: of small whole numbers, with many ties, or of cubes. */
static inline nnopt_tensor *shares(int64_t n, int64_t k, int coarse)
{
	nnopt_tensor *t = tensor(NNOPT_F32, n, k);
	float *row = nnopt_tensor_data(t);
	for (int64_t i = 0; i < n; i++, row += k) {
		double w[16], total = 0.0;
		for (int64_t c = 0; c < k; c++) {
			double x = (double)number(60 + (uint32_t)c, (uint32_t)i) + 2 + (c == label_of(i, k));
			w[c] = coarse ? floor(x * 2) : x * x * x;
			total += w[c];
		}
		w[0] += total == 0.0;
		total += total == 0.0;
		for (int64_t c = 0; c < k; c++)
			row[c] = (float)(w[c] / total);
	}
	return t;
}

static inline void set_row(nnopt_tensor *scores, int64_t i, float value)
{
	int64_t k = nnopt_tensor_extent(scores, 1);
	for (int64_t c = 0; c < k; c++)
		((float *)nnopt_tensor_data(scores))[i * k + c] = value;
}

/* Makes allocations fail one after the other until the call succeeds; each failure is OUT_OF_MEMORY, leaves nothing,
 * and sets nothing of what `untouched` says. */
#define assert_memory_failures(least, untouched, call)                                \
	do {                                                                          \
		long blocks_ = atomic_load(&memory.blocks), at_ = 1;                  \
		for (;; at_++) {                                                      \
			atomic_store(&memory.calls, 0);                               \
			atomic_store(&memory.failures, 0);                            \
			atomic_store(&memory.fail_at, at_);                           \
			nnopt_status status_ = (call);                                \
			atomic_store(&memory.fail_at, 0);                             \
			if (atomic_load(&memory.failures) == 0) {                     \
				assert_int_equal(status_, NNOPT_OK);                  \
				break;                                                \
			}                                                             \
			assert_int_equal(status_, NNOPT_ERROR_OUT_OF_MEMORY);         \
			assert_non_null(strstr(nnopt_last_error(), "out of memory")); \
			assert_int_equal(atomic_load(&memory.blocks), blocks_);       \
			assert_true(untouched);                                       \
		}                                                                     \
		assert_true(at_ > (least));                                           \
	} while (0)

#endif
