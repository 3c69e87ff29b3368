/* tensor.c - memory, views, layouts, and every conversion between element types against the compiler's own. */
#include "check.h"

#include "tensor/convert.h"

#include <math.h>

static nnopt_context *ctx;

static int setup(void **state)
{
	(void)state;
	return nnopt_context_create(&ctx, NULL) != NNOPT_OK;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	return 0;
}

static float float_of(uint32_t bits)
{
	float f;
	memcpy(&f, &bits, sizeof f);
	return f;
}

#if defined(__FLT16_MAX__)
static uint16_t half_bits(float f)
{
	_Float16 h = (_Float16)f;
	uint16_t bits;
	memcpy(&bits, &h, sizeof bits);
	return bits;
}

/* All 65,536 halves, and floats on, beside and between every two of them. */
static void halves(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 65536; i++) {
		uint16_t bits = (uint16_t)i;
		_Float16 h;
		memcpy(&h, &bits, sizeof h);
		float wanted = (float)h, got = nno_f16_to_f32(bits);
		if (isnan(wanted)) {
			assert_true(isnan(got) && isnan(nno_f16_to_f32(nno_f32_to_f16(got))));
			continue;
		}
		assert_memory_equal(&wanted, &got, sizeof got);
		assert_int_equal(nno_f32_to_f16(got), bits);
		float next = nno_f16_to_f32((uint16_t)(bits + 1));
		if (!isfinite(wanted) || isnan(next))
			continue;
		float middle = isinf(next) ? copysignf(65520.0f, wanted) : wanted + (next - wanted) / 2;
		const float around[] = { middle, nextafterf(middle, wanted), nextafterf(middle, next),
					 nextafterf(wanted, next) };
		for (int k = 0; k < 4; k++)
			assert_int_equal(nno_f32_to_f16(around[k]), half_bits(around[k]));
	}
	for (uint32_t i = 0, r = 1; i < 200000; i++, r = r * 1664525u + 1013904223u)
		if (!isnan(float_of(r)))
			assert_int_equal(nno_f32_to_f16(float_of(r)), half_bits(float_of(r)));
}
#else
static void halves(void **state)
{
	(void)state;
	skip();
}
#endif

/* The nearest of the two neighbours, the even one of equals. */
static void brain_floats(void **state)
{
	(void)state;
	for (uint32_t i = 0, r = 1; i < 300000; i++, r = r * 1664525u + 1013904223u) {
		uint32_t bits = i < 65536 ? i << 16 | (i & 1 ? 0x8000u : 0x7fffu) : r;
		float f = float_of(bits);
		uint16_t got = nno_f32_to_bf16(f);
		if (isnan(f)) {
			assert_true(isnan(nno_bf16_to_f32(got)));
			continue;
		}
		uint32_t low = bits >> 16, rest = bits & 0xffffu;
		uint32_t wanted = low + (rest > 0x8000u || (rest == 0x8000u && (low & 1)));
		assert_int_equal(got, wanted);
		float back = nno_bf16_to_f32((uint16_t)low), exact = float_of(low << 16);
		assert_memory_equal(&back, &exact, sizeof back);
	}
}

static void fill_and_saturate(void **state)
{
	(void)state;
	static const struct {
		float value;
		int u8;
		int32_t i32;
		int64_t i64;
	} rows[] = {
		{ 2.5f, 2, 2, 2 },
		{ 3.5f, 4, 4, 4 },
		{ -0.5f, 0, 0, 0 },
		{ -7.6f, 0, -8, -8 },
		{ 300.0f, 255, 300, 300 },
		{ NAN, 0, 0, 0 },
		{ INFINITY, 255, INT32_MAX, INT64_MAX },
		{ -INFINITY, 0, INT32_MIN, INT64_MIN },
		{ 3e9f, 255, INT32_MAX, 3000000000 },
		{ 1e30f, 255, INT32_MAX, INT64_MAX },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		nnopt_tensor *t[3] = { NULL };
		static const nnopt_dtype dtypes[] = { NNOPT_U8, NNOPT_I32, NNOPT_I64 };
		for (int k = 0; k < 3; k++) {
			assert_ok(nnopt_tensor_create(&t[k], ctx, dtypes[k], 0, NULL, NNOPT_NCHW));
			assert_ok(
			    nnopt_tensor_copy_in(t[k], &rows[i].value, sizeof rows[i].value, NNOPT_F32, NNOPT_NCHW));
		}
		assert_int_equal(*(uint8_t *)nnopt_tensor_data(t[0]), rows[i].u8);
		assert_int_equal(*(int32_t *)nnopt_tensor_data(t[1]), rows[i].i32);
		assert_true(*(int64_t *)nnopt_tensor_data(t[2]) == rows[i].i64);
		for (int k = 0; k < 3; k++)
			nnopt_tensor_destroy(t[k]);
	}
}

/* Element (n, c, h, w) has the value 1000 n + 100 c + 10 h + w, wherever it lies. */
static void layouts(void **state)
{
	(void)state;
	const int64_t shape[4] = { 2, 3, 4, 5 };
	float planes[120], pixels[120], out[120];
	for (int i = 0; i < 120; i++) {
		int n = i / 60, c = i / 20 % 3, h = i / 5 % 4, w = i % 5;
		planes[i] = pixels[((n * 4 + h) * 5 + w) * 3 + c] = (float)(1000 * n + 100 * c + 10 * h + w);
	}
	for (int made = 0; made < 2; made++) {
		nnopt_tensor *t = NULL, *other = NULL;
		assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, 4, shape, (nnopt_layout)made));
		assert_ok(nnopt_tensor_create(&other, ctx, NNOPT_I32, 4, shape, (nnopt_layout)!made));
		for (int in = 0; in < 2; in++) {
			assert_ok(
			    nnopt_tensor_copy_in(t, in ? pixels : planes, sizeof planes, NNOPT_F32, (nnopt_layout)in));
			assert_memory_equal(nnopt_tensor_data(t), made ? pixels : planes, sizeof planes);
			for (int to = 0; to < 2; to++) {
				assert_ok(nnopt_tensor_copy_out(t, out, sizeof out, NNOPT_F32, (nnopt_layout)to));
				assert_memory_equal(out, to ? pixels : planes, sizeof out);
			}
			assert_ok(nnopt_tensor_copy(other, t));
			assert_ok(nnopt_tensor_copy_out(other, out, sizeof out, NNOPT_F32, NNOPT_NCHW));
			assert_memory_equal(out, planes, sizeof out);
		}
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "bytes",
			     nnopt_tensor_copy_out(t, out, sizeof out - 1, NNOPT_F32, NNOPT_NCHW));
		nnopt_tensor_destroy(t);
		nnopt_tensor_destroy(other);
	}
}

static void views_and_shapes(void **state)
{
	(void)state;
	nnopt_tensor *t = NULL, *view = NULL, *inner = NULL, *flat = NULL, *wrong = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_I32, 3, (int64_t[]){ 4, 2, 3 }, NNOPT_NCHW));
	for (int i = 0; i < 24; i++)
		((int32_t *)nnopt_tensor_data(t))[i] = i;
	assert_ok(nnopt_tensor_view(&view, t, 1, 3));
	assert_ok(nnopt_tensor_view(&inner, view, 1, 1));
	assert_ok(nnopt_tensor_reshape(&flat, view, 1, (int64_t[]){ 18 }));
	nnopt_tensor_destroy(t);
	nnopt_tensor_destroy(view);
	assert_int_equal(((int32_t *)nnopt_tensor_data(inner))[0], 12);
	assert_int_equal(((int32_t *)nnopt_tensor_data(flat))[17], 23);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "", nnopt_tensor_view(&wrong, flat, 10, 9));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "", nnopt_tensor_view(&wrong, flat, -1, 1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "", nnopt_tensor_reshape(&wrong, flat, 2, (int64_t[]){ 3, 5 }));
	nnopt_tensor_destroy(inner);
	nnopt_tensor_destroy(flat);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "shape",
		     nnopt_tensor_create(&wrong, ctx, NNOPT_F32, 2, (int64_t[]){ INT64_MAX, 2 }, NNOPT_NCHW));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "shape",
		     nnopt_tensor_create(&wrong, ctx, NNOPT_F32, 1, (int64_t[]){ -1 }, NNOPT_NCHW));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "rank 9",
		     nnopt_tensor_create(&wrong, ctx, NNOPT_F32, 9, (int64_t[9]){ 0 }, NNOPT_NCHW));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "dtype",
		     nnopt_tensor_create(&wrong, ctx, (nnopt_dtype)77, 0, NULL, NNOPT_NCHW));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "NHWC",
		     nnopt_tensor_create(&wrong, ctx, NNOPT_F32, 2, (int64_t[]){ 2, 2 }, NNOPT_NHWC));
	float memory[5];
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "20 bytes",
		     nnopt_tensor_wrap(&wrong, ctx, memory, sizeof memory, NNOPT_F32, 1, (int64_t[]){ 6 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_wrap(&t, ctx, memory, sizeof memory, NNOPT_F32, 1, (int64_t[]){ 5 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_fill(t, 2.5));
	assert_true(memory[4] == 2.5f && nnopt_tensor_data(t) == memory);
	nnopt_tensor_destroy(t);
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, 2, (int64_t[]){ 0, 7 }, NNOPT_NCHW));
	assert_int_equal(nnopt_tensor_count(t), 0);
	assert_ok(nnopt_tensor_fill(t, 1.0));
	nnopt_tensor_destroy(t);
	assert_null(wrong);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(halves),  cmocka_unit_test(brain_floats),     cmocka_unit_test(fill_and_saturate),
		cmocka_unit_test(layouts), cmocka_unit_test(views_and_shapes),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
