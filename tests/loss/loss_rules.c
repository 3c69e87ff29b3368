/* loss_rules.c - what a loss refuses, counts, and leaves alone. */
#include "check.h"
#include "golden.h"

#include <math.h>

static nnopt_context *context_of(int threads)
{
	nnopt_context_options o;
	nnopt_context *context = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.threads = threads;
	assert_ok(nnopt_context_create(&context, &o));
	return context;
}

static nnopt_tensor *tensor(nnopt_context *context, nnopt_dtype dtype, int rank, int64_t n, int64_t c)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, context, dtype, rank, (int64_t[]){ n, c }, NNOPT_NCHW));
	return t;
}

static void fill(nnopt_tensor *t, uint32_t stream)
{
	float *x = nnopt_tensor_data(t);
	for (int64_t i = 0; i < nnopt_tensor_count(t); i++)
		x[i] = number(stream, (uint32_t)i);
}

static void refuses(void **state)
{
	(void)state;
	nnopt_context *context = context_of(1);
	nnopt_loss *loss = NULL;
	nnopt_cross_entropy_options o;
	assert_ok(nnopt_cross_entropy_options_init(&o, sizeof o));
	o.label_smoothing = 1.0f;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "label_smoothing 1", nnopt_cross_entropy_create(&loss, context, &o));
	o.label_smoothing = 0.0f;
	o.class_weights = (const float[]){ 1.0f, -1.0f };
	o.class_weight_count = 2;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "weight 1 is -1", nnopt_cross_entropy_create(&loss, context, &o));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "reduction 7", nnopt_mse_create(&loss, context, (nnopt_reduction)7));
	assert_null(loss);
	assert_ok(nnopt_mse_create(&loss, context, NNOPT_REDUCTION_SUM));
	assert_int_equal(nnopt_loss_reduction(loss), NNOPT_REDUCTION_SUM);
	nnopt_loss_destroy(loss);
	assert_ok(nnopt_cross_entropy_create(&loss, context, NULL));
	assert_int_equal(nnopt_loss_reduction(loss), NNOPT_REDUCTION_MEAN);
	assert_int_equal(nnopt_loss_reduction(NULL), NNOPT_REDUCTION_MEAN);
	nnopt_tensor *x = tensor(context, NNOPT_F32, 2, 3, 4), *g = tensor(context, NNOPT_F32, 2, 3, 4);
	nnopt_tensor *t = tensor(context, NNOPT_I32, 1, 3, 0), *longer = tensor(context, NNOPT_I64, 1, 4, 0);
	nnopt_tensor *bytes = tensor(context, NNOPT_U8, 1, 3, 0), *soft = tensor(context, NNOPT_F32, 2, 3, 5);
	assert_ok(nnopt_tensor_fill(g, 42.0));
	((int32_t *)nnopt_tensor_data(t))[1] = 4;
	nnopt_loss_result result = { .struct_size = sizeof result, .value = 7.0 };
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "label 4 of sample 1",
		     nnopt_loss_compute(loss, x, t, 1.0f, g, &result));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "(4)", nnopt_loss_compute(loss, x, longer, 1.0f, g, &result));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "u8", nnopt_loss_compute(loss, x, bytes, 1.0f, g, &result));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "(3, 5)", nnopt_loss_compute(loss, x, soft, 1.0f, g, &result));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "overlaps", nnopt_loss_compute(loss, x, t, 1.0f, x, &result));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "loss is NULL", nnopt_loss_compute(NULL, x, t, 1.0f, g, &result));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "loss_result", nnopt_loss_compute(loss, x, t, 1.0f, g, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "overlaps the target",
		     nnopt_loss_compute(loss, x, g, 1.0f, g, &result));
	for (int i = 0; i < 12; i++)
		assert_true(((const float *)nnopt_tensor_const_data(g))[i] == 42.0f);
	assert_true(result.value == 7.0);
	nnopt_tensor_destroy(x);
	nnopt_tensor_destroy(g);
	nnopt_tensor_destroy(t);
	nnopt_tensor_destroy(longer);
	nnopt_tensor_destroy(bytes);
	nnopt_tensor_destroy(soft);
	nnopt_loss_destroy(loss);
	nnopt_context_destroy(context);
}

static void counts(void **state)
{
	(void)state;
	nnopt_context *context = context_of(1);
	nnopt_loss *loss = NULL;
	assert_ok(nnopt_cross_entropy_create(&loss, context, NULL));
	nnopt_tensor *x = tensor(context, NNOPT_F32, 2, 4, 3), *t = tensor(context, NNOPT_I32, 1, 4, 0);
	nnopt_tensor *g = tensor(context, NNOPT_F32, 2, 4, 3);
	static const float values[12] = { 1, 5, 2, 4, 4, 0, 4, 4, 0, 0, 1, 2 };
	memcpy(nnopt_tensor_data(x), values, sizeof values);
	memcpy(nnopt_tensor_data(t), (const int32_t[]){ 1, 0, 1, -100 }, 4 * sizeof(int32_t));
	nnopt_loss_result result = { .struct_size = sizeof result };
	assert_ok(nnopt_loss_compute(loss, x, t, 1.0f, g, &result));
	assert_int_equal(result.count, 3);
	assert_true(result.weight == 3.0);
	assert_int_equal(result.correct, 2); /* a tie goes to the lower class */
	memcpy(nnopt_tensor_data(t), (const int32_t[]){ -100, -100, -100, -100 }, 4 * sizeof(int32_t));
	assert_ok(nnopt_loss_compute(loss, x, t, 1.0f, g, &result));
	assert_true(isnan(result.value) && !result.finite && result.count == 0);
	for (int i = 0; i < 12; i++)
		assert_true(((const float *)nnopt_tensor_const_data(g))[i] == 0.0f);
	memcpy(nnopt_tensor_data(t), (const int32_t[]){ 0, 0, 0, 0 }, 4 * sizeof(int32_t));
	((float *)nnopt_tensor_data(x))[4] = INFINITY;
	assert_ok(nnopt_loss_compute(loss, x, t, 1.0f, g, &result));
	assert_int_equal(result.finite, 0);
	((float *)nnopt_tensor_data(x))[4] = NAN;
	assert_ok(nnopt_loss_compute(loss, x, t, 1.0f, g, &result));
	assert_int_equal(result.finite, 0);
	/* Logits far apart neither overflow nor lose the loss. */
	for (int i = 0; i < 12; i++)
		((float *)nnopt_tensor_data(x))[i] = i % 3 == 1 ? 1e4f : -1e4f;
	assert_ok(nnopt_loss_compute(loss, x, t, 1.0f, g, &result));
	assert_true(result.value == 2e4);
	nnopt_tensor_destroy(x);
	nnopt_tensor_destroy(g);
	nnopt_tensor_destroy(t);
	nnopt_loss_destroy(loss);
	nnopt_context_destroy(context);
}

/* Rows enough for many chunks: the same bits at 1 to 4 threads. */
static void same_bits_at_any_thread_count(void **state)
{
	(void)state;
	enum { ROWS = 700, COLUMNS = 103 };
	static float kept[3][ROWS * COLUMNS];
	double value[3] = { 0 };
	for (int threads = 1; threads <= 4; threads++) {
		nnopt_context *context = context_of(threads);
		nnopt_loss *loss[3] = { NULL };
		assert_ok(nnopt_cross_entropy_create(&loss[0], context, NULL));
		assert_ok(nnopt_mse_create(&loss[1], context, NNOPT_REDUCTION_MEAN));
		assert_ok(nnopt_bce_with_logits_create(&loss[2], context, NULL));
		nnopt_tensor *x = tensor(context, NNOPT_F32, 2, ROWS, COLUMNS),
			     *t = tensor(context, NNOPT_F32, 2, ROWS, COLUMNS);
		nnopt_tensor *g = tensor(context, NNOPT_F32, 2, ROWS, COLUMNS);
		fill(x, 1);
		fill(t, 2);
		for (int i = 0; i < 3; i++) {
			nnopt_loss_result result = { .struct_size = sizeof result };
			assert_ok(nnopt_loss_compute(loss[i], x, t, 1.0f, g, &result));
			if (threads > 1) {
				assert_memory_equal(&value[i], &result.value, sizeof value[i]);
				assert_memory_equal(kept[i], nnopt_tensor_const_data(g), sizeof kept[i]);
			}
			value[i] = result.value;
			memcpy(kept[i], nnopt_tensor_const_data(g), sizeof kept[i]);
			nnopt_loss_destroy(loss[i]);
		}
		nnopt_tensor_destroy(x);
		nnopt_tensor_destroy(t);
		nnopt_tensor_destroy(g);
		nnopt_context_destroy(context);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses),
		cmocka_unit_test(counts),
		cmocka_unit_test(same_bits_at_any_thread_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
