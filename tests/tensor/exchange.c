/* exchange.c - DLPack and .npy: what is taken, what is refused, who frees what and when. */
#include "check.h"

#include "tensor/dlpack.h"

#include <stdio.h>

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

static void lent_memory_lives_on(void **state)
{
	(void)state;
	nnopt_tensor *t = NULL;
	void *managed = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, 4, (int64_t[]){ 2, 3, 4, 5 }, NNOPT_NHWC));
	assert_ok(nnopt_tensor_fill(t, 3.0));
	assert_ok(nnopt_tensor_to_dlpack(t, &managed));
	nnopt_tensor_destroy(t);
	nno_dl_managed *m = managed;
	assert_int_equal(m->tensor.strides[1], 1);
	assert_int_equal(m->tensor.strides[3], 3);
	assert_int_equal(m->tensor.strides[2], 15);
	assert_int_equal(m->tensor.strides[0], 60);
	assert_true(((float *)m->tensor.data)[119] == 3.0f);
	m->deleter(m);
}

static int deleted;

static void count_deleter(nno_dl_managed *m)
{
	(void)m;
	deleted++;
}

static void taken_memory_is_given_back_once(void **state)
{
	(void)state;
	static float data[24];
	static int64_t shape[3] = { 2, 3, 4 }, odd[3] = { 12, 1, 3 };
	nno_dl_managed m = { .version = { 1, 1 },
			     .deleter = count_deleter,
			     .tensor = { .data = data,
					 .device = { NNO_DL_CPU, 0 },
					 .ndim = 3,
					 .dtype = { NNO_DL_FLOAT, 32, 1 },
					 .shape = shape } };
	nnopt_tensor *t = NULL, *view = NULL;
	deleted = 0;
	assert_ok(nnopt_tensor_from_dlpack(&t, ctx, &m));
	assert_ok(nnopt_tensor_view(&view, t, 1, 1));
	nnopt_tensor_destroy(t);
	assert_int_equal(deleted, 0);
	assert_ptr_equal(nnopt_tensor_data(view), data + 12);
	nnopt_tensor_destroy(view);
	assert_int_equal(deleted, 1);
	t = NULL;
	m.tensor.strides = odd;
	assert_fails(NNOPT_ERROR_UNSUPPORTED, "strides", nnopt_tensor_from_dlpack(&t, ctx, &m));
	m.tensor.strides = NULL;
	m.tensor.dtype.bits = 64;
	assert_fails(NNOPT_ERROR_UNSUPPORTED, "64 bits", nnopt_tensor_from_dlpack(&t, ctx, &m));
	m.tensor.dtype.bits = 32;
	m.tensor.byte_offset = 2;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "aligned", nnopt_tensor_from_dlpack(&t, ctx, &m));
	m.tensor.byte_offset = 0;
	m.tensor.device.type = 2;
	assert_fails(NNOPT_ERROR_UNSUPPORTED, "device type 2", nnopt_tensor_from_dlpack(&t, ctx, &m));
	m.tensor.device.type = NNO_DL_CPU;
	m.flags = NNO_DL_READ_ONLY;
	assert_fails(NNOPT_ERROR_UNSUPPORTED, "read-only", nnopt_tensor_from_dlpack(&t, ctx, &m));
	m.flags = 0;
	m.version.major = 2;
	assert_fails(NNOPT_ERROR_UNSUPPORTED, "version 2", nnopt_tensor_from_dlpack(&t, ctx, &m));
	m.version.major = 1;
	m.tensor.ndim = 9;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "9 dimensions", nnopt_tensor_from_dlpack(&t, ctx, &m));
	m.tensor.ndim = 3;
	shape[0] = INT64_MAX / 2;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "shape", nnopt_tensor_from_dlpack(&t, ctx, &m));
	assert_int_equal(deleted, 1);
	assert_null(t);
}

#define PATH TEST_TMP "/exchange.npy"

/* A .npy file of version 1.0 with this dict and `bytes` bytes of 1, 2, 3, ... */
static void write_npy(const char *dict, size_t bytes)
{
	FILE *f = fopen(PATH, "wb");
	assert_non_null(f);
	fprintf(f, "\223NUMPY%c%c%c%c%s", 1, 0, (int)strlen(dict) & 255, (int)strlen(dict) >> 8, dict);
	for (size_t i = 1; i <= bytes; i++)
		fputc((int)i, f);
	assert_int_equal(fclose(f), 0);
}

static void npy_dicts(void **state)
{
	(void)state;
	nnopt_tensor *t = NULL;
	write_npy("{\"shape\": (2,3) , 'fortran_order':False,'descr':'|u1'}\n", 6);
	assert_ok(nnopt_tensor_load_npy(&t, ctx, PATH));
	assert_int_equal(nnopt_tensor_rank(t), 2);
	assert_int_equal(((uint8_t *)nnopt_tensor_data(t))[5], 6);
	nnopt_tensor_destroy(t);
	t = NULL;
	static const char *const wrong[] = {
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2,3)",
		"{'descr': '|u1', 'shape': (6,)}",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (7,)}",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (-6,)}",
		"{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (6,)}",
		"",
		"{}",
		"[6]",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}",
		"{'descr': '|u1', 'fortran_order': maybe, 'shape': (6,)}",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296, 6)}",
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		write_npy(wrong[i], 6);
		assert_fails(NNOPT_ERROR_FORMAT, PATH ": offset", nnopt_tensor_load_npy(&t, ctx, PATH));
	}
	static const char *const unsupported[] = {
		"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}",
		"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}",
		"{'descr': '<u2', 'fortran_order': False, 'shape': (3,)}",
		"{'descr': '|S6', 'fortran_order': False, 'shape': (1,)}",
	};
	for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++) {
		write_npy(unsupported[i], 6);
		assert_fails(NNOPT_ERROR_UNSUPPORTED, PATH, nnopt_tensor_load_npy(&t, ctx, PATH));
	}
	assert_fails(NNOPT_ERROR_NOT_FOUND, "absent", nnopt_tensor_load_npy(&t, ctx, TEST_TMP "/absent.npy"));
	assert_null(t);
}

static void npy_round_trip(void **state)
{
	(void)state;
	for (int dtype = NNOPT_F32; dtype <= NNOPT_I64; dtype++) {
		nnopt_tensor *t = NULL, *back = NULL;
		assert_ok(nnopt_tensor_create(&t, ctx, (nnopt_dtype)dtype, 4, (int64_t[]){ 2, 3, 1, 2 }, NNOPT_NHWC));
		float values[12], again[12];
		for (int i = 0; i < 12; i++)
			values[i] = (float)i;
		assert_ok(nnopt_tensor_copy_in(t, values, sizeof values, NNOPT_F32, NNOPT_NCHW));
		assert_ok(nnopt_tensor_save_npy(t, PATH));
		assert_ok(nnopt_tensor_load_npy(&back, ctx, PATH));
		assert_int_equal(nnopt_tensor_dtype(back), dtype == NNOPT_BF16 ? NNOPT_F32 : dtype);
		assert_int_equal(nnopt_tensor_extent(back, 1), 3);
		assert_ok(nnopt_tensor_copy_out(back, again, sizeof again, NNOPT_F32, NNOPT_NCHW));
		assert_memory_equal(values, again, sizeof values);
		nnopt_tensor_destroy(t);
		nnopt_tensor_destroy(back);
	}
	(void)remove(PATH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lent_memory_lives_on),
		cmocka_unit_test(taken_memory_is_given_back_once),
		cmocka_unit_test(npy_dicts),
		cmocka_unit_test(npy_round_trip),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
