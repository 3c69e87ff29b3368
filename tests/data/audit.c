/* audit.c - the data audit: findings about datasets whose faults are known, hashes as imagehash makes them, and
 * what applying the findings leaves. */
#include "check.h"

#include "budget.h"
#include "golden.h"

#include "data/audit.h"
#include "golden/audit.inc"

#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

enum { SIDE = 32 };

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

/* --- fingerprints --- */

/* As in make_audit.py. */
static void make_grey(uint8_t *to, int k)
{
	for (int y = 0; y < SIDE; y++)
		for (int x = 0; x < SIDE; x++)
			to[y * SIDE + x] = (uint8_t)((x * x * (k + 1) + y * y * 3 + x * y * (k + 2) + x * 7 * k) % 251);
}

static nno_print print_of(uint8_t *pixels, int64_t h, int64_t w, int c)
{
	nno_print print;
	nno_waves waves;
	nno_picture picture = { pixels, h, w, c };
	void *room = malloc(nno_print_room(h, w));
	assert_non_null(room);
	nno_waves_make(&waves);
	nno_print_make(&print, &picture, &waves, room);
	free(room);
	return print;
}

static void hashes_are_those_of_imagehash(void **state)
{
	(void)state;
	for (int k = 0; k < 8; k++) {
		uint8_t pixels[SIDE * SIDE];
		make_grey(pixels, k);
		if (print_of(pixels, SIDE, SIDE, 1).frequencies != golden_hashes[k])
			fail_msg("picture %d: %016llx, %016llx wanted", k,
				 (unsigned long long)print_of(pixels, SIDE, SIDE, 1).frequencies,
				 (unsigned long long)golden_hashes[k]);
	}
}

static void likeness_is_relative_to_contrast(void **state)
{
	(void)state;
	uint8_t a[SIDE * SIDE], b[SIDE * SIDE], flat[SIDE * SIDE];
	make_grey(a, 1);
	make_grey(b, 4);
	for (int i = 0; i < SIDE * SIDE; i++)
		flat[i] = (uint8_t)(100 + a[i] / 32);
	nno_print x = print_of(a, SIDE, SIDE, 1), y = print_of(b, SIDE, SIDE, 1), z = print_of(flat, SIDE, SIDE, 1);
	assert_true(nno_print_likeness(&x, &x) == 1.0);
	assert_true(nno_print_likeness(&x, &y) == nno_print_likeness(&y, &x));
	assert_true(nno_print_likeness(&x, &y) < 0.5);
	/* Few grey levels between them, yet unlike. */
	for (int i = 0; i < SIDE * SIDE; i++)
		flat[i] = (uint8_t)(100 + b[i] / 32);
	nno_print other = print_of(flat, SIDE, SIDE, 1);
	assert_true(nno_print_likeness(&z, &other) < 0.5);
}

/* --- a dataset with faults --- */

enum { SAMPLES = 40, UNREADABLE = 3, SMALL = 5, FLAT = 7, COPY = 11, LIKE = 13, COPY_OF = 4, LIKE_OF = 9, LEAK = 20 };

typedef struct source {
	int shift; /* of the pictures: another part */
} source;

static void draw(uint8_t *to, int64_t index, int shift)
{
	uint32_t r = (uint32_t)(index * 77 + shift * 1009 + 1);
	int cx = (int)(r * 2654435761u >> 27), cy = (int)(r * 40503u >> 3) & 31, step = 2 + (int)(index % 7);
	for (int y = 0; y < SIDE; y++)
		for (int x = 0; x < SIDE; x++) {
			int d = (x - cx) * (x - cx) + (y - cy) * (y - cy);
			to[3 * (y * SIDE + x)] = (uint8_t)(d / step);
			to[3 * (y * SIDE + x) + 1] = (uint8_t)(d * (int)(index + 3) / 16 + x * 3);
			to[3 * (y * SIDE + x) + 2] = (uint8_t)((x * (int)(r % 13) + y * (int)(r % 11)) * 2);
		}
}

static nnopt_status get(int64_t index, nnopt_sample *sample, void *user)
{
	const source *s = user;
	int64_t from = index;
	sample->height = sample->width = SIDE;
	sample->label = index % 2;
	if (s->shift == 0 && index == UNREADABLE)
		return nnopt_fail(NNOPT_ERROR_FORMAT, "sample: ends at byte 17");
	if (s->shift == 0 && (index == COPY || index == LIKE))
		from = index == COPY ? COPY_OF : LIKE_OF;
	if (s->shift != 0 && index == 2)
		from = LEAK;
	draw(sample->pixels, from, s->shift != 0 && index == 2 ? 0 : s->shift);
	if (s->shift != 0)
		return NNOPT_OK;
	if (index == SMALL)
		sample->height = SIDE - 4;
	if (index == FLAT)
		memset(sample->pixels, 90, 3 * SIDE * SIDE);
	for (int i = 0; index == LIKE && i < 3 * SIDE * SIDE; i++)
		if (sample->pixels[i] < 250)
			sample->pixels[i] = (uint8_t)(sample->pixels[i] + i % 5);
	return NNOPT_OK;
}

static nnopt_dataset *open_source(source *s, int64_t count)
{
	nnopt_callback_dataset_options o;
	nnopt_dataset *d = NULL;
	assert_ok(nnopt_callback_dataset_options_init(&o, sizeof o));
	o.count = count;
	o.classes = 2;
	o.max_height = o.max_width = SIDE;
	o.get = get;
	o.user = s;
	assert_ok(nnopt_dataset_from_callbacks(&d, ctx, &o));
	return d;
}

static nnopt_finding finding_at(const nnopt_audit *audit, int64_t which)
{
	nnopt_finding f = { .struct_size = sizeof f };
	assert_ok(nnopt_audit_finding(audit, which, &f));
	return f;
}

static nnopt_finding only_finding(const nnopt_audit *audit, int32_t kind)
{
	nnopt_finding f, found = { .index = -1 };
	assert_int_equal(nnopt_audit_count_kind(audit, kind), 1);
	for (int64_t i = 0; i < nnopt_audit_count(audit); i++) {
		f = finding_at(audit, i);
		found = f.kind == kind ? f : found;
	}
	return found;
}

static void faults_of_pictures_are_found(void **state)
{
	(void)state;
	source own = { 0 }, other = { 5 };
	nnopt_dataset *d = open_source(&own, SAMPLES), *against = open_source(&other, 10);
	nnopt_audit *audit = NULL;
	nnopt_audit_pictures_options o;
	assert_ok(nnopt_audit_create(&audit, d));
	assert_ok(nnopt_audit_pictures_options_init(&o, sizeof o));
	o.against = against;
	assert_ok(nnopt_audit_pictures(audit, &o));
	assert_int_equal(nnopt_audit_count(audit), 6);

	nnopt_finding f = only_finding(audit, NNOPT_FINDING_UNREADABLE);
	assert_int_equal(f.index, UNREADABLE);
	assert_int_equal(f.suggestion, NNOPT_SUGGEST_REMOVE);
	assert_non_null(strstr(f.text, "ends at byte 17"));
	f = only_finding(audit, NNOPT_FINDING_OFF_SIZE);
	assert_int_equal(f.index, SMALL);
	assert_string_equal(f.text, "28x32 pixels, 32x32 expected");
	assert_true(fabs(f.score - 28.0 / 32.0) < 1e-9);
	f = only_finding(audit, NNOPT_FINDING_CONSTANT);
	assert_int_equal(f.index, FLAT);
	f = only_finding(audit, NNOPT_FINDING_DUPLICATE);
	assert_int_equal(f.index, COPY);
	assert_int_equal(f.other_index, COPY_OF);
	assert_int_equal(f.suggestion, NNOPT_SUGGEST_REVIEW); /* their labels differ */
	assert_string_equal(f.text, "the same pixels as sample 4, which is labelled 0, this one 1");
	assert_true(f.score == 1.0);
	f = only_finding(audit, NNOPT_FINDING_NEAR_DUPLICATE);
	assert_int_equal(f.index, LIKE);
	assert_int_equal(f.other_index, LIKE_OF);
	assert_int_equal(f.suggestion, NNOPT_SUGGEST_REMOVE);
	assert_true(f.score > 0.9 && f.score < 1.0);
	f = only_finding(audit, NNOPT_FINDING_LEAK);
	assert_int_equal(f.index, LEAK);
	assert_int_equal(f.other_index, 2);
	nnopt_audit_destroy(audit);
	nnopt_dataset_destroy(against);
	nnopt_dataset_destroy(d);
}

/* A call for which there is no memory leaves the audit free to compare with another dataset, as if it had not been. */
static void what_fails_binds_to_nothing(void **state)
{
	(void)state;
	nnopt_context *first = ctx;
	budget memory = { 0 };
	source own = { 0 }, other = { 5 }, third = { 6 };
	nnopt_context_options c;
	assert_ok(nnopt_context_options_init(&c, sizeof c));
	c.alloc = budget_alloc;
	c.free = budget_free;
	c.alloc_user = &memory;
	assert_ok(nnopt_context_create(&ctx, &c));
	nnopt_dataset *d = open_source(&own, 8), *one = open_source(&other, 3), *two = open_source(&third, 3);
	nnopt_audit_pictures_options o;
	nnopt_status status = NNOPT_ERROR_OUT_OF_MEMORY;
	long at = 1;
	assert_ok(nnopt_audit_pictures_options_init(&o, sizeof o));
	for (; status != NNOPT_OK && at < 500; at++) {
		nnopt_audit *audit = NULL;
		assert_ok(nnopt_audit_create(&audit, d));
		o.against = one;
		atomic_store(&memory.calls, 0);
		atomic_store(&memory.fail_at, at);
		status = nnopt_audit_pictures(audit, &o);
		atomic_store(&memory.fail_at, 0);
		o.against = two;
		if (status == NNOPT_OK) {
			assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "another dataset", nnopt_audit_pictures(audit, &o));
		} else {
			assert_int_equal(status, NNOPT_ERROR_OUT_OF_MEMORY);
			assert_ok(nnopt_audit_pictures(audit, &o));
		}
		nnopt_audit_destroy(audit);
	}
	assert_true(status == NNOPT_OK && at > 10);
	nnopt_dataset_destroy(two);
	nnopt_dataset_destroy(one);
	nnopt_dataset_destroy(d);
	nnopt_context_destroy(ctx);
	budget_came_back(&memory);
	ctx = first;
}

static void options_say_what_is_looked_for(void **state)
{
	(void)state;
	source own = { 0 };
	nnopt_dataset *d = open_source(&own, SAMPLES);
	nnopt_audit *audit = NULL;
	nnopt_audit_pictures_options o;
	assert_ok(nnopt_audit_create(&audit, d));
	assert_ok(nnopt_audit_pictures_options_init(&o, sizeof o));
	o.constant_below = -1.0;
	o.near_above = 2.0;
	o.same_label_only = 1;
	o.height = SIDE - 4;
	assert_ok(nnopt_audit_pictures(audit, &o));
	assert_int_equal(nnopt_audit_count_kind(audit, NNOPT_FINDING_CONSTANT), 0);
	assert_int_equal(nnopt_audit_count_kind(audit, NNOPT_FINDING_NEAR_DUPLICATE), 0);
	assert_int_equal(nnopt_audit_count_kind(audit, NNOPT_FINDING_DUPLICATE), 0);
	assert_int_equal(nnopt_audit_count_kind(audit, NNOPT_FINDING_OFF_SIZE), SAMPLES - 2);
	int64_t before = nnopt_audit_count(audit);
	o.near_above = 0.0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "near_above", nnopt_audit_pictures(audit, &o));
	o.near_above = 0.9;
	o.hash_distance = 8;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "hash_distance 8", nnopt_audit_pictures(audit, &o));
	o.hash_distance = 0;
	o.width = -1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "expected", nnopt_audit_pictures(audit, &o));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "audit is NULL", nnopt_audit_pictures(NULL, NULL));
	assert_int_equal(nnopt_audit_count(audit), before);
	nnopt_finding f = { .struct_size = sizeof f };
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "which", nnopt_audit_finding(audit, before, &f));
	nnopt_audit_destroy(audit);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "dataset is NULL", nnopt_audit_create(&audit, NULL));
	assert_null(nnopt_finding_kind_name(8));
	assert_string_equal(nnopt_finding_kind_name(7), "outlier");
	assert_null(nnopt_suggestion_name(-1));
	nnopt_audit_destroy(NULL);
	nnopt_dataset_destroy(d);
}

static void the_same_findings_at_any_thread_count(void **state)
{
	(void)state;
	nnopt_context *first = ctx;
	char texts[3][4096] = { "" };
	for (int threads = 1; threads <= 3; threads++) {
		source own = { 0 };
		nnopt_context_options o;
		assert_ok(nnopt_context_options_init(&o, sizeof o));
		o.threads = threads;
		assert_ok(nnopt_context_create(&ctx, &o));
		nnopt_dataset *d = open_source(&own, 400);
		nnopt_audit *audit = NULL;
		assert_ok(nnopt_audit_create(&audit, d));
		assert_ok(nnopt_audit_pictures(audit, NULL));
		for (int64_t i = 0; i < nnopt_audit_count(audit); i++) {
			nnopt_finding f = finding_at(audit, i);
			size_t at = strlen(texts[threads - 1]);
			snprintf(texts[threads - 1] + at, sizeof texts[0] - at, "%lld %d %s %.17g\n",
				 (long long)f.index, f.kind, f.text, f.score);
		}
		nnopt_audit_destroy(audit);
		nnopt_dataset_destroy(d);
		nnopt_context_destroy(ctx);
	}
	ctx = first;
	assert_true(strlen(texts[0]) > 100);
	assert_string_equal(texts[0], texts[1]);
	assert_string_equal(texts[0], texts[2]);
}

/* --- what becomes of findings --- */

static void applying_removes_and_relabels(void **state)
{
	(void)state;
	source own = { 0 };
	nnopt_dataset *d = open_source(&own, SAMPLES), *kept = NULL;
	nnopt_audit *audit = NULL;
	assert_ok(nnopt_audit_create(&audit, d));
	assert_ok(nnopt_audit_apply(&kept, audit, 0));
	assert_int_equal(nnopt_dataset_count(kept), SAMPLES);
	nnopt_dataset_destroy(kept);
	assert_ok(nnopt_audit_pictures(audit, NULL));
	nno_finding relabel = nno_finding_of(30, NNOPT_FINDING_LABEL, NNOPT_SUGGEST_RELABEL, 0.1);
	relabel.suggested_label = 1;
	assert_ok(nno_audit_add(audit, &relabel, "said to be \"odd\", here"));
	nno_finding odd = nno_finding_of(31, NNOPT_FINDING_LABEL, NNOPT_SUGGEST_RELABEL, 0.1);
	odd.suggested_label = nnopt_dataset_label(d, 31);
	char long_text[701];
	memset(long_text, 'x', 700);
	memcpy(long_text + 510, "\xc3\xa9", 2); /* whole, wherever it is */
	long_text[700] = '\0';
	assert_ok(nno_audit_add(audit, &odd, "%s", long_text));
	assert_string_equal(finding_at(audit, nnopt_audit_count(audit) - 1).text, long_text);
	assert_ok(nno_audit_add(audit, &odd, "\xe9t\xc3\xa9"));
	assert_ok(nno_audit_add(audit, &odd, "%s", "\xe9, \xc3\xa9"));
	assert_ok(nnopt_audit_apply(&kept, audit, 0));
	/* Without the unreadable one, the constant one and the near duplicate. */
	assert_int_equal(nnopt_dataset_count(kept), SAMPLES - 3);
	int64_t at = 30 - 3, label = -1;
	nnopt_tensor *image = NULL;
	assert_int_equal(nnopt_dataset_label(kept, at), 1);
	assert_int_equal(nnopt_dataset_label(kept, at + 1), -1); /* not known without reading */
	assert_ok(nnopt_dataset_get(kept, at, &image, &label));
	assert_int_equal(label, 1);
	nnopt_tensor_destroy(image);
	nnopt_dataset_destroy(kept);
	assert_ok(nnopt_audit_apply(&kept, audit, 1));
	assert_int_equal(nnopt_dataset_count(kept), SAMPLES - 5);
	nnopt_dataset_destroy(kept);

	const char *path = TEST_TMP "/audit.csv";
	char text[4096];
	assert_ok(nnopt_audit_write_csv(audit, path));
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	assert_int_equal(strncmp(text, "index,name,kind,score,suggestion,label,", 39), 0);
	assert_non_null(strstr(text, "\r\n3,,unreadable,0.000000,remove,,,,,"));
	assert_non_null(strstr(text, ",label,0.100000,relabel,,1,,,\"said to be \"\"odd\"\", here\"\r\n"));
	assert_non_null(strstr(text, ",\xef\xbf\xbdt\xc3\xa9\r\n"));
	assert_non_null(strstr(text, ",\"\xef\xbf\xbd, \xc3\xa9\"\r\n"));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "/absent/", nnopt_audit_write_csv(audit, TEST_TMP "/absent/audit.csv"));
	nnopt_audit_destroy(audit);
	nnopt_dataset_destroy(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_are_those_of_imagehash),
		cmocka_unit_test(likeness_is_relative_to_contrast),
		cmocka_unit_test(faults_of_pictures_are_found),
		cmocka_unit_test(what_fails_binds_to_nothing),
		cmocka_unit_test(options_say_what_is_looked_for),
		cmocka_unit_test(the_same_findings_at_any_thread_count),
		cmocka_unit_test(applying_removes_and_relabels),
	};
	return cmocka_run_group_tests_name("data/audit", tests, setup, teardown);
}
