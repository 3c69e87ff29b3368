/* safetensors.c - files of the format's own library, files of ours, and headers with one thing wrong each. */
#include "check.h"

#include <stdio.h>

#define PATH TEST_TMP "/test.safetensors"

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
	(void)remove(PATH);
	return 0;
}

static void files_of_the_real_tool(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		nnopt_dtype dtype;
		double first, step;
	} tensors[] = { { "f32", NNOPT_F32, 0, 0.125 },   { "f16", NNOPT_F16, 0, 0.125 },
			{ "bf16", NNOPT_BF16, 0, 0.125 }, { "f64", NNOPT_F32, 0, 0.125 },
			{ "u8", NNOPT_U8, 0, 1 },         { "i32", NNOPT_I32, -12, 1 },
			{ "i64", NNOPT_I64, 0, 1e10 } };
	nnopt_weights *f = NULL;
	assert_ok(nnopt_weights_open(&f, ctx, TEST_DATA "/files/theirs.safetensors", NULL));
	assert_int_equal(nnopt_weights_count(f), 9);
	for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
		int32_t index;
		nnopt_tensor *t = NULL;
		float values[24];
		assert_ok(nnopt_weights_find(f, tensors[i].name, &index));
		assert_ok(nnopt_weights_read(f, index, &t));
		assert_int_equal(nnopt_tensor_dtype(t), tensors[i].dtype);
		assert_int_equal(nnopt_tensor_rank(t), 3);
		assert_int_equal(nnopt_tensor_extent(t, 1), 3);
		assert_ok(nnopt_tensor_copy_out(t, values, sizeof values, NNOPT_F32, NNOPT_NCHW));
		for (int k = 0; k < 24; k++)
			assert_true(values[k] == (float)(tensors[i].first + tensors[i].step * k));
		nnopt_tensor_destroy(t);
	}
	int32_t index;
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_weights_find(f, "scalar", &index));
	assert_ok(nnopt_weights_read(f, index, &t));
	assert_int_equal(nnopt_tensor_rank(t), 0);
	assert_true(*(float *)nnopt_tensor_data(t) == 2.5f);
	nnopt_tensor_destroy(t);
	assert_ok(nnopt_weights_find(f, "empty", &index));
	assert_ok(nnopt_weights_read(f, index, &t));
	assert_int_equal(nnopt_tensor_count(t), 0);
	nnopt_tensor_destroy(t);
	assert_string_equal(nnopt_weights_metadata(f, "made by"), "safetensors");
	assert_string_equal(nnopt_weights_metadata(f, "uni\xc3\xa9"), "\xe4\xb8\xad\"\\");
	assert_null(nnopt_weights_metadata(f, "absent"));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "absent", nnopt_weights_find(f, "absent", &index));
	nnopt_weights_destroy(f);
}

static void files_of_ours(void **state)
{
	(void)state;
	static const char *const names[] = { "b", "a \"quoted\" \\ name", "c" }, *const keys[] = { "k" },
				 *const values[] = { "v\n" };
	nnopt_tensor *t[3] = { NULL }, *back = NULL;
	assert_ok(nnopt_tensor_create(&t[0], ctx, NNOPT_F32, 4, (int64_t[]){ 1, 2, 3, 4 }, NNOPT_NHWC));
	assert_ok(nnopt_tensor_create(&t[1], ctx, NNOPT_U8, 1, (int64_t[]){ 5 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&t[2], ctx, NNOPT_I64, 0, NULL, NNOPT_NCHW));
	for (int i = 0; i < 24; i++)
		((float *)nnopt_tensor_data(t[0]))[i] = (float)i;
	memcpy(nnopt_tensor_data(t[1]), "hello", 5);
	assert_ok(nnopt_safetensors_save(ctx, PATH, names, (const nnopt_tensor *const *)t, 3, keys, values, 1));
	nnopt_weights *f = NULL;
	int32_t index;
	assert_ok(nnopt_weights_open(&f, ctx, PATH, NULL));
	assert_ok(nnopt_weights_find(f, names[0], &index));
	assert_ok(nnopt_weights_read(f, index, &back));
	float planes[24], wanted[24];
	assert_ok(nnopt_tensor_copy_out(t[0], wanted, sizeof wanted, NNOPT_F32, NNOPT_NCHW));
	assert_ok(nnopt_tensor_copy_out(back, planes, sizeof planes, NNOPT_F32, NNOPT_NCHW));
	assert_memory_equal(planes, wanted, sizeof planes);
	nnopt_tensor_destroy(back);
	assert_ok(nnopt_weights_find(f, names[1], &index));
	assert_string_equal(nnopt_weights_metadata(f, "k"), "v\n");
	nnopt_weights_destroy(f);
	/* One bit of the elements turns: its CRC says so. */
	FILE *file = fopen(PATH, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, -3, SEEK_END), 0);
	assert_int_equal(fputc('L', file), 'L');
	assert_int_equal(fclose(file), 0);
	assert_ok(nnopt_weights_open(&f, ctx, PATH, NULL));
	assert_ok(nnopt_weights_find(f, names[1], &index));
	assert_fails(NNOPT_ERROR_FORMAT, "CRC", nnopt_weights_read(f, index, &back));
	nnopt_weights_destroy(f);
	for (int i = 0; i < 3; i++)
		nnopt_tensor_destroy(t[i]);
}

/* What the reader would refuse is not written, and leaves the file that is there. */
static void what_no_reader_takes(void **state)
{
	(void)state;
	static const struct {
		const char *names[2], *keys[2], *values[2], *words;
	} bad[] = {
		{ { "a", "a" }, { "k", "l" }, { "", "" }, "names: 'a' is there twice" },
		{ { "a", "__metadata__" }, { "k", "l" }, { "", "" }, "names[1] is __metadata__" },
		{ { NULL, "b" }, { "k", "l" }, { "", "" }, "names[0] is NULL" },
		{ { "a", "\xff" }, { "k", "l" }, { "", "" }, "names[1] is not UTF-8" },
		{ { "a", "b" }, { "k", "k" }, { "", "" }, "metadata_keys: 'k' is there twice" },
		{ { "a", "b" }, { "nnopt.crc32c", "k" }, { "", "" }, "metadata_keys[0] is nnopt.crc32c" },
		{ { "a", "b" }, { "k", NULL }, { "", "" }, "metadata_keys[1] is NULL" },
		{ { "a", "b" }, { "k\xc0\x80", "l" }, { "", "" }, "metadata_keys[0] is not UTF-8" },
		{ { "a", "b" }, { "k", "l" }, { "", NULL }, "metadata_values[1] is NULL" },
		{ { "a", "b" }, { "k", "l" }, { "\xed\xa0\x80", "" }, "metadata_values[0] is not UTF-8" },
	};
	/* Their elements are of two sizes, so that the names are not neighbours by the order of the file. */
	static const char *const good[] = { "b", "a" };
	nnopt_tensor *t[2] = { NULL };
	nnopt_weights *f = NULL;
	assert_ok(nnopt_tensor_create(&t[0], ctx, NNOPT_F32, 1, (int64_t[]){ 2 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&t[1], ctx, NNOPT_U8, 1, (int64_t[]){ 2 }, NNOPT_NCHW));
	const nnopt_tensor *const tensors[] = { t[0], t[1], t[1] }, *const none[] = { t[0], NULL };
	assert_ok(nnopt_safetensors_save(ctx, PATH, good, tensors, 2, good, good, 2));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_fails(
		    NNOPT_ERROR_INVALID_ARGUMENT, bad[i].words,
		    nnopt_safetensors_save(ctx, PATH, bad[i].names, tensors, 2, bad[i].keys, bad[i].values, 2));
	assert_fails(
	    NNOPT_ERROR_INVALID_ARGUMENT, "names: 'b' is there twice",
	    nnopt_safetensors_save(ctx, PATH, (const char *const[]){ "b", "a", "b" }, tensors, 3, NULL, NULL, 0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "tensors[1] is NULL",
		     nnopt_safetensors_save(ctx, PATH, good, none, 2, NULL, NULL, 0));
	/* A header that is too long. */
	enum { LONG = 100000000 };
	char *text = malloc(LONG + 1);
	assert_non_null(text);
	memset(text, 'x', LONG);
	text[LONG] = '\0';
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "at most 100000000 with 4194304 wanted",
		     nnopt_safetensors_save(ctx, PATH, good, tensors, 2, good, (const char *const[]){ text }, 1));
	free(text);
	assert_ok(nnopt_weights_open(&f, ctx, PATH, NULL));
	assert_int_equal(nnopt_weights_count(f), 2);
	assert_string_equal(nnopt_weights_metadata(f, "a"), "a");
	nnopt_weights_destroy(f);
	nnopt_tensor_destroy(t[0]);
	nnopt_tensor_destroy(t[1]);
}

static nnopt_status open_header(const char *header, uint64_t length, size_t data)
{
	FILE *f = fopen(PATH, "wb");
	assert_non_null(f);
	for (int i = 0; i < 8; i++)
		fputc((int)(length >> 8 * i & 255), f);
	fputs(header, f);
	for (size_t i = 0; i < data; i++)
		fputc(0, f);
	assert_int_equal(fclose(f), 0);
	nnopt_weights *s = NULL;
	nnopt_status status = nnopt_weights_open(&s, ctx, PATH, NULL);
	nnopt_weights_destroy(s);
	return status;
}

static void headers_with_one_thing_wrong(void **state)
{
	(void)state;
#define T(name, dtype, shape, from, to) \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"
	static const struct {
		const char *header;
		size_t data;
	} bad[] = {
		{ "{" T("a", "F32", "[2]", 0, 8) "}", 7 },                                /* data cut off */
		{ "{" T("a", "F32", "[2]", 0, 8) "}", 9 },                                /* something behind */
		{ "{" T("a", "F32", "[3]", 0, 8) "}", 8 },                                /* shape and size */
		{ "{" T("a", "F32", "[2]", 4, 12) "}", 12 },                              /* a hole */
		{ "{" T("a", "F32", "[2]", 0, 8) "," T("b", "F32", "[1]", 4, 8) "}", 8 }, /* two over each other */
		{ "{" T("a", "F32", "[2]", 8, 0) "}", 8 },                                /* backwards */
		{ "{" T("a", "F32", "[-2]", 0, 8) "}", 8 },
		{ "{" T("a", "F32", "[4294967296, 4294967296]", 0, 8) "}", 8 },
		{ "{" T("a", "F31", "[2]", 0, 8) "}", 8 },
		{ "{" T("a", "F32", "2", 0, 8) "}", 8 },
		{ "{" T("a", "F32", "[2.5]", 0, 8) "}", 8 },
		{ "{" T("a", "F32", "[1]", 0, 4) "," T("a", "F32", "[1]", 4, 8) "}", 8 }, /* one name twice */
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8 },
		{ "{\"a\":[]}", 0 },
		{ "[]", 0 },
		{ "{\"__metadata__\":{\"a\":1}}", 0 },
		{ "{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4 }, /* nine dimensions */
		{ "not JSON at all", 0 },
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		nnopt_status status = open_header(bad[i].header, strlen(bad[i].header), bad[i].data);
		if ((status != NNOPT_ERROR_FORMAT && status != NNOPT_ERROR_UNSUPPORTED) ||
		    strstr(nnopt_last_error(), PATH) == NULL)
			fail_msg("%s with %zu bytes: %s (%s)", bad[i].header, bad[i].data, nnopt_status_name(status),
				 nnopt_last_error());
	}
	assert_fails(NNOPT_ERROR_FORMAT, "offset 12:", open_header("{\"a\"x}", 6, 0)); /* of the file */
	assert_fails(NNOPT_ERROR_UNSUPPORTED, "unknown dtype",
		     open_header("{" T("a", "F4", "[2]", 0, 1) "}", strlen("{" T("a", "F4", "[2]", 0, 1) "}"), 1));
	assert_ok(open_header("{" T("a", "C64", "[1]", 0, 8) "}", strlen("{" T("a", "C64", "[1]", 0, 8) "}"), 8));
	assert_ok(open_header("{" T("a", "F32", "[2]", 0, 8) "}", strlen("{" T("a", "F32", "[2]", 0, 8) "}"), 8));
	assert_fails(NNOPT_ERROR_FORMAT, PATH, open_header("{}", 3, 0));
	assert_fails(NNOPT_ERROR_FORMAT, PATH, open_header("{}", UINT64_MAX, 0));
	assert_fails(NNOPT_ERROR_FORMAT, PATH, open_header("{}", 99999999, 0));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "absent",
		     nnopt_weights_open(&(nnopt_weights *){ NULL }, ctx, TEST_TMP "/absent", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {

		cmocka_unit_test(files_of_the_real_tool),
		cmocka_unit_test(files_of_ours),
		cmocka_unit_test(what_no_reader_takes),
		cmocka_unit_test(headers_with_one_thing_wrong),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
