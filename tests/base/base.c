/* base.c - random numbers against the generator's published vectors, numbers and JSON against lists, sizes, error
 * texts, the rule of sized structs. */
#include "check.h"

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/io.h"
#include "base/json.h"
#include "base/rng.h"
#include "base/size.h"
#include "base/text.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

/* Known answers of Random123's kat_vectors for philox4x32-10. */
static void philox_known_answers(void **state)
{
	(void)state;
	static const uint32_t known[3][10] = {
		{ 0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 },
		{ ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd },
		{ 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb,
		  0x5001e420, 0x24126ea1 },
	};
	for (int i = 0; i < 3; i++) {
		uint32_t out[4];
		nno_philox(known[i] + 4, known[i], out);
		assert_memory_equal(out, known[i] + 6, sizeof out);
	}
}

static void crc_known_answers(void **state)
{
	(void)state;
	uint8_t b[32] = { 0 };
	assert_int_equal(nno_crc32c(0, "123456789", 9), 0xe3069283u);
	assert_int_equal(nno_crc32c(0, b, 32), 0x8a9136aau); /* RFC 3720, B.4 */
	memset(b, 0xff, 32);
	assert_int_equal(nno_crc32c(0, b, 32), 0x62a8ab43u);
	for (int i = 0; i < 32; i++)
		b[i] = (uint8_t)i;
	assert_int_equal(nno_crc32c(0, b, 32), 0x46dd794eu);
	assert_int_equal(nno_crc32c(nno_crc32c(0, b, 5), b + 5, 27), 0x46dd794eu);
}

/* With its parents, with slashes at its end, when it is there already; not through a file. */
static void directories_are_made(void **state)
{
	(void)state;
	static const char *const paths[] = { TEST_TMP "/base_made/a/b//c/", TEST_TMP "/base_made/a/b",
					     TEST_TMP "/base_made/d" };
	static const char *const gone[] = { TEST_TMP "/base_made/a/b/c", TEST_TMP "/base_made/a/b",
					    TEST_TMP "/base_made/a",     TEST_TMP "/base_made/d",
					    TEST_TMP "/base_made/file",  TEST_TMP "/base_made" };
	for (size_t i = 0; i < NNO_COUNT(paths); i++) {
		struct stat s;
		assert_int_equal(nno_make_directory(&nno_io_posix, &nno_alloc_default, paths[i]), NNOPT_OK);
		assert_true(stat(paths[i], &s) == 0 && S_ISDIR(s.st_mode));
	}
	FILE *f = fopen(TEST_TMP "/base_made/file", "wb");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_fails(NNOPT_ERROR_NOT_FOUND, "base_made/file/x: cannot make the directory",
		     nno_make_directory(&nno_io_posix, &nno_alloc_default, TEST_TMP "/base_made/file/x"));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "cannot make", nno_make_directory(&nno_io_posix, &nno_alloc_default, ""));
	for (size_t i = 0; i < NNO_COUNT(gone); i++)
		assert_int_equal(remove(gone[i]), 0);
}

static void streams_do_not_meet(void **state)
{
	(void)state;
	enum { STREAMS = 3 * 3 * 3 * 3 };
	uint64_t first[STREAMS];
	for (int i = 0; i < STREAMS; i++) {
		nno_rng r, again;
		nno_rng_start(&r, (uint64_t)(i % 3), (uint32_t)(1 + i / 3 % 3), (uint64_t)(i / 9 % 3),
			      (uint64_t)(i / 27));
		again = r;
		first[i] = nno_rng_u64(&r);
		assert_true(first[i] == nno_rng_u64(&again));
		for (int k = 0; k < i; k++)
			assert_true(first[i] != first[k]);
	}
}

/* Any part of a stream, where the number of the block fills a word too, is what drawing one by one gives. */
static void parts_of_a_stream(void **state)
{
	(void)state;
	static const int64_t firsts[] = { 0, 1, 2, 3, 126, ((int64_t)1 << 34) - 66, (int64_t)1 << 34 };
	static const int64_t lengths[] = { 0, 1, 2, 5, 127, 128, 129, 400 };
	nno_rng start, r;
	float got[402];
	nno_rng_start(&start, 5, NNO_RNG_USER, 1, 2);
	for (size_t f = 0; f < NNO_COUNT(firsts); f++)
		for (size_t l = 0; l < NNO_COUNT(lengths); l++) {
			int64_t n = lengths[l];
			for (int i = 0; i < 402; i++)
				got[i] = 9.0f;
			nno_rng_fill_uniform(&start, firsts[f], got + 1, n, 0.3);
			r = start;
			r.counter[0] = (uint32_t)(firsts[f] / 4);
			r.counter[1] = (uint32_t)(firsts[f] / 4 >> 32);
			for (int64_t skipped = firsts[f] % 4; skipped > 0; skipped--)
				(void)nno_rng_u32(&r);
			for (int64_t i = 0; i < n; i++)
				assert_true(got[i + 1] == (float)((2.0 * (double)nno_rng_uniform(&r) - 1.0) * 0.3));
			assert_true(got[0] == 9.0f && got[n + 1] == 9.0f);
		}
}

static void distributions(void **state)
{
	(void)state;
	enum { DRAWS = 200000 };
	nno_rng r;
	double mean = 0, square = 0, normal = 0, normal_square = 0, fourth = 0;
	int64_t counts[7] = { 0 };
	nno_rng_start(&r, 1, NNO_RNG_USER, 0, 0);
	for (int i = 0; i < DRAWS; i++) {
		double u = (double)nno_rng_uniform(&r), n = (double)nno_rng_normal(&r);
		assert_true(u >= 0.0 && u < 1.0 && isfinite(n));
		mean += u;
		square += u * u;
		normal += n;
		normal_square += n * n;
		fourth += n * n * n * n;
		counts[nno_rng_below(&r, 7)]++;
	}
	/* Six standard errors. */
	assert_true(fabs(mean / DRAWS - 0.5) < 6 * 0.2887 / sqrt(DRAWS));
	assert_true(fabs(square / DRAWS - 1.0 / 3) < 6 * 0.2981 / sqrt(DRAWS));
	assert_true(fabs(normal / DRAWS) < 6 / sqrt(DRAWS));
	assert_true(fabs(normal_square / DRAWS - 1) < 6 * sqrt(2.0 / DRAWS));
	assert_true(fabs(fourth / DRAWS - 3) < 6 * sqrt(96.0 / DRAWS));
	for (int i = 0; i < 7; i++)
		assert_true(fabs((double)counts[i] - DRAWS / 7.0) < 6 * sqrt(DRAWS * 6.0 / 49.0));
	int64_t items[50], seen[50] = { 0 };
	for (int i = 0; i < 50; i++)
		items[i] = i;
	nno_rng_shuffle(&r, items, 50);
	int moved = 0;
	for (int i = 0; i < 50; i++) {
		seen[items[i]]++;
		moved += items[i] != i;
	}
	for (int i = 0; i < 50; i++)
		assert_int_equal(seen[i], 1);
	assert_true(moved > 35);
}

static void check_numbers(void)
{
	static const double values[] = { 0,       1,       -1,  0.1, 1e-5, 123456.789, 5e-324, 1.7976931348623157e308,
					 1.0 / 3, -2.5e10, 1e21 };
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		for (int is_float = 0; is_float < 2; is_float++) {
			double v = is_float ? (double)(float)values[i] : values[i], back = 0;
			nno_text t;
			nno_text_start(&t, &nno_alloc_default);
			nno_text_add_number(&t, v, is_float);
			if (isfinite(v)) {
				assert_null(strchr(t.data, ','));
				assert_true(nno_parse_number(t.data, t.length, &back));
				assert_true(is_float ? (float)back == (float)v : back == v);
			}
			nno_text_free(&t);
		}
	nno_text t;
	nno_text_start(&t, &nno_alloc_default);
	nno_text_add_number(&t, (double)0.1f, true);
	nno_text_add(&t, " ");
	nno_text_add_fixed(&t, -1234.5678, 2);
	nno_text_add(&t, " ");
	nno_text_add_fixed(&t, -INFINITY, 2);
	assert_string_equal(t.data, "0.1 -1234.57 -inf");
	nno_text_free(&t);
}

static void points_of_any_locale(void **state)
{
	static const char *const texts[][2] = {
		{ "0.5", "0.5" },
		{ "-1,25e-07", "-1.25e-07" },
		{ "0\331\2535", "0.5" }, /* U+066B */
		{ "-12\331\25350", "-12.50" },
		{ "3\342\200\23125e+10", "3.25e+10" },
		{ "100", "100" },
		{ "", "" },
	};
	(void)state;
	for (size_t i = 0; i < NNO_COUNT(texts); i++) {
		char text[NNO_NUMBER_TEXT];
		int n = snprintf(text, sizeof text, "%s", texts[i][0]);
		assert_int_equal(nno_mend_point(text, n), strlen(texts[i][1]));
		assert_string_equal(text, texts[i][1]);
	}
}

/* Under the C locale, and where the system has them under ones with a decimal comma and with a point of two bytes. */
static void numbers_do_not_follow_the_locale(void **state)
{
	(void)state;
	check_numbers();
	static const char *const others[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "ps_AF.UTF-8" };
	for (size_t i = 0; i < NNO_COUNT(others); i++)
		if (setlocale(LC_ALL, others[i]) != NULL) {
			check_numbers();
			print_message("also under %s\n", others[i]);
		}
	(void)setlocale(LC_ALL, "C");
}

static nnopt_status parse(const char *text)
{
	nno_json *j = NULL;
	nnopt_status s = nno_json_parse(&j, &nno_alloc_default, text, strlen(text), 100, "text", 0);
	nno_json_free(j);
	return s;
}

static void json_lists(void **state)
{
	(void)state;
	static const char *const good[] = { "{}", "[]",
					    " [1, 2.5, -3e-2, \"a\\u00e9\\n\", true, false, null, {\"k\": [[]]}] ",
					    "{\"\": 0}" };
	static const char *const bad[] = {
		"",
		"{",
		"}",
		"[1,]",
		"{\"a\":}",
		"{\"a\" 1}",
		"{a: 1}",
		"[01]",
		"[1.]",
		"[.5]",
		"[+1]",
		"[1e]",
		"[nan]",
		"[\"\\x\"]",
		"[\"\\u12\"]",
		"{\"a\":1,\"a\":2}",
		"[1] 2",
		"['a']",
		"[\"a\n\"]",
		"tru",
		"[1 2]",
		"{\"a\":1,}",
		"[\"\\ud800\"]",
		"{1:2}",
		"0",
		"\"x\"",
		"  ",
		"[//\n1]",
		"\xff",
	};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (parse(good[i]) != NNOPT_OK)
			fail_msg("%s: %s", good[i], nnopt_last_error());
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (parse(bad[i]) != NNOPT_ERROR_FORMAT)
			fail_msg("%s was taken", bad[i]);
	char deep[200];
	memset(deep, '[', 100);
	memset(deep + 100, ']', 100);
	deep[199] = 0;
	assert_int_equal(parse(deep), NNOPT_ERROR_FORMAT);
	char many[1000] = "[0";
	for (int i = 0; i < 200; i++)
		memcpy(many + 2 + 2 * i, ",0", 3);
	memcpy(many + 402, "]", 2);
	assert_int_equal(parse(many), NNOPT_ERROR_FORMAT);
}

static void json_values(void **state)
{
	(void)state;
	static const char text[] = "{\"whole\": 9007199254740993, \"real\": -1.5e3, \"text\": "
				   "\"a\\\"\\u00e9\\ud83d\\ude00\", \"yes\": true, \"list\": [1, [2], 3]}";
	nno_json *j = NULL;
	assert_ok(nno_json_parse(&j, &nno_alloc_default, text, sizeof text - 1, 100, "text", 0));
	int64_t whole;
	double real;
	bool yes;
	char *string = NULL;
	assert_ok(nno_json_i64(j, nno_json_get(j, 0, "whole"), &whole));
	assert_true(whole == INT64_C(9007199254740993)); /* more than a double holds */
	assert_ok(nno_json_number(j, nno_json_get(j, 0, "real"), &real));
	assert_true(real == -1500.0);
	assert_ok(nno_json_text(j, nno_json_get(j, 0, "text"), &string));
	assert_string_equal(string, "a\"\xc3\xa9\xf0\x9f\x98\x80");
	nno_delete(&nno_alloc_default, string);
	assert_ok(nno_json_bool(j, nno_json_get(j, 0, "yes"), &yes));
	assert_true(yes);
	assert_int_equal(nno_json_get(j, 0, "no"), -1);
	int list = nno_json_get(j, 0, "list"), n = 0;
	assert_int_equal(nno_json_size(j, list), 3);
	for (int v = nno_json_first(j, list); v >= 0; v = nno_json_next(j, v))
		n++;
	assert_int_equal(n, 3);
	assert_fails(NNOPT_ERROR_FORMAT, "offset", nno_json_i64(j, nno_json_get(j, 0, "real"), &whole));
	assert_fails(NNOPT_ERROR_FORMAT, "offset", nno_json_bool(j, list, &yes));
	nno_json_free(j);
}

/* Every text can be written and read: what is no UTF-8 comes out as U+FFFD, a byte at a time. */
static void texts_of_any_bytes(void **state)
{
	(void)state;
	static const char *const texts[][3] = {
		{ "plain \"\\\n", "plain \"\\\n", "\"plain \"\"\\\n\"" },
		{ "gr\xc3\xbc\xc3\x9f \xf0\x9f\x99\x82", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x99\x82",
		  "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x99\x82\"" },
		{ "a\xff\"b\xe2\x82", "a\xef\xbf\xbd\"b\xef\xbf\xbd\xef\xbf\xbd",
		  "\"a\xef\xbf\xbd\"\"b\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xc3", "\xef\xbf\xbd", "\"\xef\xbf\xbd\"" },
	};
	for (size_t i = 0; i < NNO_COUNT(texts); i++) {
		nno_text t;
		nno_json *j = NULL;
		char *back = NULL;
		nno_text_start(&t, &nno_alloc_default);
		nno_text_add(&t, "[");
		nno_text_add_json(&t, texts[i][0]);
		nno_text_add(&t, "]");
		assert_ok(nno_text_check(&t, "text"));
		assert_ok(nno_json_parse(&j, &nno_alloc_default, t.data, t.length, 100, "text", 0));
		assert_ok(nno_json_text(j, nno_json_first(j, 0), &back));
		assert_string_equal(back, texts[i][1]);
		nno_delete(&nno_alloc_default, back);
		nno_json_free(j);
		nno_text_free(&t);
		nno_text_add_csv(&t, texts[i][0]);
		assert_ok(nno_text_check(&t, "text"));
		assert_string_equal(t.data, texts[i][2]);
		nno_text_free(&t);
	}
}

/* Around the sizes from which on a block has huge pages: all of it can be written, it is zero where that was asked for
 * even when it was used before, and growing keeps what it holds. */
static void large_blocks(void **state)
{
	(void)state;
	static const size_t tails[] = { 0, 1, NNO_HUGE_PAGE / 4 - NNO_ALIGNMENT, NNO_HUGE_PAGE / 4, NNO_HUGE_PAGE - 1 };
	for (size_t pages = 1; pages <= 3; pages++)
		for (size_t i = 0; i < NNO_COUNT(tails); i++) {
			size_t size = pages * NNO_HUGE_PAGE + tails[i] - NNO_ALIGNMENT;
			for (int round = 0; round < 2; round++) {
				unsigned char *p = nno_new_raw(&nno_alloc_default, size);
				assert_non_null(p);
				assert_int_equal((uintptr_t)p % NNO_ALIGNMENT, 0);
				memset(p, 0xa5, size);
				nno_delete(&nno_alloc_default, p);
			}
			unsigned char *p = nno_new(&nno_alloc_default, size);
			assert_non_null(p);
			assert_true(p[0] == 0 && memcmp(p, p + 1, size - 1) == 0);
			memset(p, 0x5a, size);
			unsigned char *grown = nno_grow(&nno_alloc_default, p, size + NNO_HUGE_PAGE);
			assert_non_null(grown);
			assert_true(grown[0] == 0x5a && memcmp(grown, grown + 1, size - 1) == 0);
			nno_delete(&nno_alloc_default, grown);
		}
	assert_null(nno_new_raw(&nno_alloc_default, SIZE_MAX - NNO_HUGE_PAGE));
	assert_null(nno_new(&nno_alloc_default, SIZE_MAX - NNO_ALIGNMENT));
}

static void sizes(void **state)
{
	(void)state;
	size_t s;
	int64_t i;
	assert_true(nno_size_mul(1u << 20, 1u << 20, &s) && s == (size_t)1 << 40);
	assert_false(nno_size_mul(SIZE_MAX, 2, &s));
	assert_false(nno_size_add(SIZE_MAX, 1, &s));
	assert_false(nno_i64_mul(INT64_MAX, 2, &i));
	assert_false(nno_i64_add(INT64_MAX, 1, &i));
	assert_true(nno_shape_elements((int64_t[]){ 3, 0, 5 }, 3, &i) && i == 0);
	assert_true(nno_shape_elements(NULL, 0, &i) && i == 1);
	assert_false(nno_shape_elements((int64_t[]){ 3, -1 }, 2, &i));
	assert_false(nno_shape_elements((int64_t[]){ INT64_C(1) << 40, INT64_C(1) << 40 }, 2, &i));
	assert_int_equal(nno_i64_ceil_div(10, 4), 3);
	assert_int_equal(nno_size_round_up(65, 64), 128);
	assert_null(nno_new_array(&nno_alloc_default, SIZE_MAX / 2, 4));
}

static void error_texts(void **state)
{
	(void)state;
	char longer[2000];
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	assert_int_equal(nnopt_fail(NNOPT_ERROR_STATE, longer), NNOPT_ERROR_STATE);
	assert_int_equal(strlen(nnopt_last_error()), 511);
	/* A path of any length hides neither what was done nor the reason, at any depth. */
	(void)nno_fail(NNOPT_ERROR_IO, "%s: the reason", longer);
	for (int i = 0; i < 3; i++)
		(void)nno_fail_in(NNOPT_ERROR_IO, "call %d of %s", i, longer);
	assert_int_equal(strlen(nnopt_last_error()), 511);
	assert_non_null(strstr(nnopt_last_error(), "xxx: the reason"));
	assert_int_equal(strncmp(nnopt_last_error(), "call 2 of xxx", 13), 0);
	/* Bindings decode it: cut inside a character or not, it is UTF-8. */
	for (int cut = 0; cut < 3; cut++) {
		memset(longer, 'x', sizeof longer - 1);
		for (int i = cut; i + 3 < (int)sizeof longer; i += 3)
			memcpy(longer + i, "\xe2\x82\xac", 3);
		(void)nnopt_fail(NNOPT_ERROR_IO, longer);
		assert_true(nno_is_utf8(nnopt_last_error()));
	}
	(void)nnopt_fail(NNOPT_ERROR_IO, "a\xff\xc3\xa9\xc3");
	assert_string_equal(nnopt_last_error(), "a?\xc3\xa9?");
	(void)nno_fail(NNOPT_ERROR_IO, "inner %d", 7);
	assert_int_equal(nno_fail_in(NNOPT_ERROR_IO, "outer"), NNOPT_ERROR_IO);
	assert_string_equal(nnopt_last_error(), "outer: inner 7");
	assert_int_equal(nnopt_fail(NNOPT_ERROR_CALLBACK, nnopt_last_error()), NNOPT_ERROR_CALLBACK);
	assert_string_equal(nnopt_last_error(), "outer: inner 7");
	(void)nnopt_fail(NNOPT_ERROR_CALLBACK, nnopt_last_error() + strlen("outer: "));
	assert_string_equal(nnopt_last_error(), "inner 7");
	assert_int_equal(nno_fail_errno("path", "cannot open", EISDIR), NNOPT_ERROR_IO);
	(void)snprintf(longer, sizeof longer, "path: cannot open: %s", strerror(EISDIR));
	assert_string_equal(nnopt_last_error(), longer);
	(void)nnopt_fail(NNOPT_ERROR_IO, NULL);
	assert_string_equal(nnopt_last_error(), "");
	assert_string_equal(nnopt_status_name(NNOPT_OK), "ok");
	assert_string_equal(nnopt_status_name((nnopt_status)12345), "unknown status");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(philox_known_answers),
		cmocka_unit_test(crc_known_answers),
		cmocka_unit_test(directories_are_made),
		cmocka_unit_test(streams_do_not_meet),
		cmocka_unit_test(parts_of_a_stream),
		cmocka_unit_test(distributions),
		cmocka_unit_test(points_of_any_locale),
		cmocka_unit_test(numbers_do_not_follow_the_locale),
		cmocka_unit_test(json_lists),
		cmocka_unit_test(json_values),
		cmocka_unit_test(texts_of_any_bytes),
		cmocka_unit_test(large_blocks),
		cmocka_unit_test(sizes),
		cmocka_unit_test(error_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
