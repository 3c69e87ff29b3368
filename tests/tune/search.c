/* search.c - which trials a search makes, in which order and with which budgets; that interruption changes nothing; and
 * what is written. */
#include "check.h"

#include "tune/tune.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

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

static const char *const optimizers[] = { "sgd", "adam", "<&\">" };

static nnopt_search *make(int32_t strategy, int64_t trials, const char *path)
{
	nnopt_search_options o;
	nnopt_search *s = NULL;
	assert_ok(nnopt_search_options_init(&o, sizeof o));
	o.strategy = strategy;
	o.trials = trials;
	o.path = path;
	o.seed = 11;
	assert_ok(nnopt_search_create(&s, ctx, &o));
	assert_ok(nnopt_search_add_number(s, "lr", 1e-4, 1e-1, 1, 4));
	assert_ok(nnopt_search_add_integer(s, "batch", 32, 256, 2, 1));
	assert_ok(nnopt_search_add_choice(s, "optimizer", optimizers, 3));
	return s;
}

typedef struct journal {
	int64_t calls, fail_at, cancel_at;
	int64_t id[256], budget[256], spent[256];
} journal;

/* The better the nearer lr is to 1e-2, and the more is spent. */
static double worth(const nnopt_trial *t)
{
	double away = fabs(log10(nnopt_trial_number(t, "lr")) + 2.0);
	return 1.0 - 0.2 * away - 0.1 / (double)nnopt_trial_budget(t) +
	       (strcmp(nnopt_trial_choice(t, "optimizer"), "adam") == 0 ? 0.01 : 0.0);
}

static nnopt_status evaluate(const nnopt_trial *t, double *value, void *user)
{
	journal *l = user;
	assert_true(l->calls < 256);
	if (l->calls == l->cancel_at)
		return nnopt_fail(NNOPT_ERROR_CANCELLED, "enough");
	l->id[l->calls] = nnopt_trial_id(t);
	l->budget[l->calls] = nnopt_trial_budget(t);
	l->spent[l->calls] = nnopt_trial_spent(t);
	*value = worth(t);
	return l->calls++ == l->fail_at ? nnopt_fail(NNOPT_ERROR_IO, "the disk is full, \"said\" it") : NNOPT_OK;
}

static journal new_journal(void) { return (journal){ .fail_at = -1, .cancel_at = -1 }; }

static void a_grid_is_every_combination(void **state)
{
	(void)state;
	nnopt_search *s = make(NNOPT_SEARCH_GRID, 0, NULL);
	journal l = new_journal();
	(void)nnopt_fail(NNOPT_ERROR_STATE, "the last failure");
	assert_ok(nnopt_search_run(s, evaluate, &l, 0));
	assert_string_equal(nnopt_last_error(), "the last failure"); /* nothing has failed since */
	assert_int_equal(l.calls, 4 * 4 * 3);
	static const double rates[] = { 1e-4, 1e-3, 1e-2, 1e-1 };
	for (int64_t i = 0; i < l.calls; i++) {
		const nnopt_trial *t = nnopt_search_trial(s, i);
		assert_true(fabs(nnopt_trial_number(t, "lr") / rates[i / 12] - 1.0) < 1e-12);
		assert_int_equal(nnopt_trial_integer(t, "batch"), 32 << (i / 3 % 4));
		assert_true(nnopt_trial_number(t, "batch") == (double)(32 << (i / 3 % 4)));
		assert_string_equal(nnopt_trial_choice(t, "optimizer"), optimizers[i % 3]);
		assert_int_equal(l.budget[i], 9);
	}
	assert_int_equal(nnopt_search_best(s), 2 * 12 + 1);
	assert_null(nnopt_trial_choice(nnopt_search_trial(s, 0), "lr"));
	assert_true(isnan(nnopt_trial_number(nnopt_search_trial(s, 0), "optimizer")));
	assert_int_equal(nnopt_trial_integer(nnopt_search_trial(s, 0), "absent"), 0);
	assert_null(nnopt_search_trial(s, l.calls));
	nnopt_search_destroy(s);
}

static void random_values_fill_the_space(void **state)
{
	(void)state;
	nnopt_search *s = make(NNOPT_SEARCH_RANDOM, 240, NULL);
	journal l = new_journal();
	int decades[3] = { 0 }, batches[4] = { 0 }, names[3] = { 0 };
	assert_ok(nnopt_search_run(s, evaluate, &l, 0));
	for (int64_t i = 0; i < 240; i++) {
		const nnopt_trial *t = nnopt_search_trial(s, i);
		double lr = nnopt_trial_number(t, "lr");
		assert_true(lr >= 1e-4 && lr < 1e-1);
		decades[(int)floor(log10(lr) + 4.0)]++;
		batches[(int)lround(log2((double)nnopt_trial_integer(t, "batch"))) - 5]++;
		for (int k = 0; k < 3; k++)
			names[k] += strcmp(nnopt_trial_choice(t, "optimizer"), optimizers[k]) == 0;
	}
	/* Five standard deviations. */
	for (int k = 0; k < 3; k++) {
		assert_true(abs(decades[k] - 80) < 37);
		assert_true(abs(names[k] - 80) < 37);
	}
	for (int k = 0; k < 4; k++)
		assert_true(abs(batches[k] - 60) < 34);
	nnopt_search_destroy(s);
}

/* 27 trials with 1, the best 9 of them with 3, the best 3 of those with 9. Asynchronously some go on that would not
 * have, but never more than a third. */
static void halving_gives_the_best_more(void **state)
{
	(void)state;
	nnopt_search *s = make(NNOPT_SEARCH_HALVING, 27, NULL);
	journal l = new_journal();
	int64_t with[3] = { 0 };
	assert_ok(nnopt_search_run(s, evaluate, &l, 0));
	for (int64_t i = 0; i < l.calls; i++) {
		int rung = l.budget[i] == 1 ? 0 : l.budget[i] == 3 ? 1 : 2;
		with[rung]++;
		assert_int_equal(l.spent[i], rung == 0 ? 0 : l.budget[i] / 3);
		/* At no moment have more than a third gone on. */
		assert_true(rung == 0 || with[rung] <= with[rung - 1] / 3);
	}
	assert_int_equal(with[0], 27);
	assert_int_equal(with[1], 9);
	assert_int_equal(with[2], 3);
	/* The best of all has gone on to the end. */
	int64_t best = 0;
	for (int64_t i = 1; i < 27; i++) {
		double a = fabs(log10(nnopt_trial_number(nnopt_search_trial(s, i), "lr")) + 2.0);
		double b = fabs(log10(nnopt_trial_number(nnopt_search_trial(s, best), "lr")) + 2.0);
		best = a < b - 0.05 ? i : best;
	}
	nnopt_trial_info info = { .struct_size = sizeof info };
	assert_ok(nnopt_search_trial_info(s, best, &info));
	assert_int_equal(info.spent, 9);
	assert_ok(nnopt_search_trial_info(s, nnopt_search_best(s), &info));
	assert_int_equal(info.spent, 9);
	nnopt_search_destroy(s);
}

/* Whatever the two did not write: when. */
static void same_trials(const nnopt_search *a, const nnopt_search *b)
{
	assert_int_equal(nnopt_search_count(a), nnopt_search_count(b));
	for (int64_t i = 0; i < nnopt_search_count(a); i++) {
		nnopt_trial_info x = { .struct_size = sizeof x }, y = x;
		const nnopt_trial *t = nnopt_search_trial(a, i), *u = nnopt_search_trial(b, i);
		assert_ok(nnopt_search_trial_info(a, i, &x));
		assert_ok(nnopt_search_trial_info(b, i, &y));
		assert_int_equal(x.spent, y.spent);
		assert_int_equal(x.failed, y.failed);
		assert_memory_equal(&x.value, &y.value, sizeof x.value);
		assert_true(nnopt_trial_number(t, "lr") == nnopt_trial_number(u, "lr"));
		if (x.error != NULL)
			assert_string_equal(x.error, y.error);
	}
}

static void interrupted_searches_end_as_others_do(void **state)
{
	(void)state;
	const char *path = TEST_TMP "/search.json";
	unlink(path);
	nnopt_search *whole = make(NNOPT_SEARCH_HALVING, 12, NULL);
	journal l = new_journal();
	l.fail_at = 4;
	assert_ok(nnopt_search_run(whole, evaluate, &l, 0));
	int64_t calls = l.calls, done = 0;
	while (done < calls) {
		nnopt_search *part = make(NNOPT_SEARCH_HALVING, 12, path);
		journal p = new_journal();
		p.fail_at = 4 - done;
		if (done == 6) { /* not of its own will */
			p.cancel_at = 1;
			assert_fails(NNOPT_ERROR_CANCELLED, "enough", nnopt_search_run(part, evaluate, &p, 0));
		} else {
			assert_ok(nnopt_search_run(part, evaluate, &p, 3));
		}
		assert_true(p.calls > 0);
		done += p.calls;
		if (done == calls)
			same_trials(whole, part);
		nnopt_search_destroy(part);
	}
	nnopt_trial_info info = { .struct_size = sizeof info };
	int64_t failed = 0;
	for (int64_t i = 0; i < nnopt_search_count(whole); i++) {
		assert_ok(nnopt_search_trial_info(whole, i, &info));
		failed += info.failed;
		if (info.failed)
			assert_string_equal(info.error, "the disk is full, \"said\" it");
	}
	assert_int_equal(failed, 1);
	nnopt_search_destroy(whole);

	/* More trials are the same search; other options are not. */
	nnopt_search *more = make(NNOPT_SEARCH_HALVING, 15, path), *other = make(NNOPT_SEARCH_RANDOM, 12, path);
	journal m = new_journal();
	assert_ok(nnopt_search_run(more, evaluate, &m, 0));
	assert_true(m.calls >= 3);
	assert_int_equal(nnopt_search_count(more), 15);
	assert_fails(NNOPT_ERROR_FORMAT, "another search", nnopt_search_run(other, evaluate, &m, 0));
	assert_int_equal(nnopt_search_count(other), 0);
	nnopt_search_destroy(more);
	nnopt_search_destroy(other);
}

static char *read_text(const char *path)
{
	static char text[1 << 16];
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	return text;
}

/* What a damaged file says is refused, and nothing of it stays. */
static void damaged_files_are_refused(void **state)
{
	(void)state;
	const char *path = TEST_TMP "/damaged.json";
	static char whole[1 << 16];
	unlink(path);
	nnopt_search *s = make(NNOPT_SEARCH_RANDOM, 3, path);
	journal l = new_journal();
	assert_ok(nnopt_search_run(s, evaluate, &l, 0));
	nnopt_search_destroy(s);
	strcpy(whole, read_text(path));
	size_t length = strlen(whole);
	int refused = 0;
	for (size_t n = 0; n < length; n++) {
		FILE *f = fopen(path, "wb");
		assert_non_null(f);
		assert_int_equal(fwrite(whole, 1, n, f), n);
		assert_int_equal(fclose(f), 0);
		s = make(NNOPT_SEARCH_RANDOM, 3, path);
		nnopt_status status = nnopt_search_run(s, evaluate, &l, 1);
		refused += status == NNOPT_ERROR_FORMAT;
		if (status != NNOPT_OK)
			assert_int_equal(nnopt_search_count(s), 0);
		nnopt_search_destroy(s);
		l.calls = 0;
	}
	assert_true(refused >= (int)length - 2); /* all but a missing last newline */
	static const char *const bad[][2] = { { "\"spent\": 9", "\"spent\": 10" },
					      { "\"spent\": 9", "\"spent\": 0" },
					      { "\"seconds\": ", "\"second\": " },
					      { "\"error\": null", "\"error\": 7" } };
	for (size_t i = 0; i < NNO_COUNT(bad); i++) {
		char *at = strstr(whole, bad[i][0]);
		assert_non_null(at);
		FILE *f = fopen(path, "wb");
		assert_non_null(f);
		fprintf(f, "%.*s%s%s", (int)(at - whole), whole, bad[i][1], at + strlen(bad[i][0]));
		assert_int_equal(fclose(f), 0);
		s = make(NNOPT_SEARCH_RANDOM, 3, path);
		assert_fails(NNOPT_ERROR_FORMAT, path, nnopt_search_run(s, evaluate, &l, 1));
		nnopt_search_destroy(s);
	}
}

/* Fails with a text that is cut inside a character, and then without one. */
static nnopt_status fail_badly(const nnopt_trial *t, double *value, void *user)
{
	char text[601];
	int *calls = user;
	(void)t;
	*value = 0.0;
	for (int i = 0; i < 600; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[600] = '\0';
	return ++*calls % 2 == 1 ? nnopt_fail(NNOPT_ERROR_IO, text) : NNOPT_ERROR_IO;
}

static nnopt_search *make_odd(const char *path)
{
	static const char *const names[] = { "caf\xc3\xa9", "caf\xe9" };
	nnopt_search_options o;
	nnopt_search *s = NULL;
	assert_ok(nnopt_search_options_init(&o, sizeof o));
	o.strategy = NNOPT_SEARCH_GRID;
	o.trials = 0;
	o.path = path;
	assert_ok(nnopt_search_create(&s, ctx, &o));
	assert_ok(nnopt_search_add_choice(s, "name", names, 2));
	assert_ok(nnopt_search_add_integer(s, "size", 1, 2, 1, 0));
	return s;
}

/* Whatever bytes names and errors have, the file can be read again; and an error without a text is not told with that
 * of another. */
static void odd_names_and_errors(void **state)
{
	(void)state;
	const char *path = TEST_TMP "/odd.json";
	int calls = 0;
	unlink(path);
	for (int part = 0; part < 2; part++) {
		nnopt_search *s = make_odd(path);
		(void)nnopt_fail(NNOPT_ERROR_STATE, "long ago");
		assert_ok(nnopt_search_run(s, fail_badly, &calls, part == 0 ? 3 : 0));
		assert_int_equal(calls, part == 0 ? 3 : 4);
		for (int64_t i = 0; i < calls; i++) {
			nnopt_trial_info info = { .struct_size = sizeof info };
			assert_ok(nnopt_search_trial_info(s, i, &info));
			assert_int_equal(info.failed, 1);
			if (i % 2 == 1)
				assert_string_equal(info.error, nnopt_status_name(NNOPT_ERROR_IO));
			else
				assert_int_equal(strncmp(info.error, "\xc3\xa9\xc3\xa9", 4), 0);
		}
		nnopt_search_destroy(s);
	}
}

/* The reason for ending a search is its own too. */
static nnopt_status cancel_silently(const nnopt_trial *t, double *value, void *user)
{
	(void)t;
	(void)value;
	(void)user;
	return NNOPT_ERROR_CANCELLED;
}

static void results_are_written_down(void **state)
{
	(void)state;
	nnopt_search *s = make(NNOPT_SEARCH_RANDOM, 5, NULL);
	char table[4096];
	assert_fails(NNOPT_ERROR_STATE, "no trial", nnopt_search_write_svg(s, TEST_TMP "/search.svg"));
	assert_fails(NNOPT_ERROR_STATE, "no trial", nnopt_search_svg(s, table, sizeof table, NULL));
	journal l = new_journal();
	l.fail_at = 3;
	assert_ok(nnopt_search_run(s, evaluate, &l, 0));
	assert_ok(nnopt_search_table(s, table, sizeof table, NULL));
	char best[32];
	snprintf(best, sizeof best, "\n%5lld      9  ", (long long)nnopt_search_best(s));
	assert_ptr_equal(strstr(table, best), strchr(table, '\n'));
	assert_non_null(strstr(table, "failed: the disk is full"));
	assert_ok(nnopt_search_write_csv(s, TEST_TMP "/search.csv"));
	const char *csv = read_text(TEST_TMP "/search.csv");
	assert_int_equal(strncmp(csv, "trial,spent,value,seconds,failed,lr,batch,optimizer\r\n0,9,", 57), 0);
	assert_ok(nnopt_search_write_svg(s, TEST_TMP "/search.svg"));
	const char *svg = read_text(TEST_TMP "/search.svg");
	int lines = 0;
	for (const char *at = svg; (at = strstr(at, "<polyline")) != NULL; at++)
		lines++;
	assert_int_equal(lines, 4);
	assert_non_null(strstr(svg, "&lt;&amp;&quot;&gt;"));
	assert_null(strstr(svg, "nan"));
	char text[16384];
	size_t needed;
	assert_ok(nnopt_search_svg(s, text, sizeof text, &needed));
	assert_string_equal(text, svg);
	assert_int_equal(needed, strlen(svg) + 1);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "search_svg", nnopt_search_svg(s, text, needed - 1, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "search is NULL", nnopt_search_svg(NULL, text, sizeof text, NULL));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "/absent/", nnopt_search_write_csv(s, TEST_TMP "/absent/search.csv"));
	nnopt_search_destroy(s);
}

typedef struct nested {
	nnopt_search *search;
	int calls;
} nested;

static nnopt_status run_again(const nnopt_trial *t, double *value, void *user)
{
	nested *n = user;
	*value = (double)nnopt_trial_id(t);
	if (n->calls++ == 0)
		assert_fails(NNOPT_ERROR_STATE, "search_run: the search is running",
			     nnopt_search_run(n->search, run_again, n, 1));
	return NNOPT_OK;
}

/* From its own function a search cannot be run: the trial would be handed out again. When it ends, however, it can. */
static void a_search_that_runs_is_not_run(void **state)
{
	(void)state;
	nested n = { .search = make(NNOPT_SEARCH_RANDOM, 3, NULL) };
	assert_ok(nnopt_search_run(n.search, run_again, &n, 1));
	assert_int_equal(n.calls, 1);
	assert_fails(NNOPT_ERROR_CANCELLED, "", nnopt_search_run(n.search, cancel_silently, NULL, 0));
	assert_ok(nnopt_search_run(n.search, run_again, &n, 0));
	assert_int_equal(n.calls, 3);
	nnopt_search_destroy(n.search);
}

static nnopt_status vast(const nnopt_trial *t, double *value, void *user)
{
	(void)t;
	(void)user;
	*value = 1.5e308;
	return NNOPT_OK;
}

/* However large a result, its line has a colour that there is. */
static void vast_results_have_a_colour(void **state)
{
	(void)state;
	nnopt_search *s = make(NNOPT_SEARCH_RANDOM, 1, NULL);
	char text[16384];
	assert_ok(nnopt_search_run(s, vast, NULL, 0));
	assert_ok(nnopt_search_svg(s, text, sizeof text, NULL));
	assert_non_null(strstr(text, "stroke=\"rgb(230,120,20)\""));
	nnopt_search_destroy(s);
}

static void nonsense_is_refused(void **state)
{
	(void)state;
	nnopt_search_options o;
	nnopt_search *s = NULL;
	journal l = new_journal();
	assert_ok(nnopt_search_options_init(&o, sizeof o));
	o.strategy = 3;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "strategy 3", nnopt_search_create(&s, ctx, &o));
	o.strategy = NNOPT_SEARCH_HALVING;
	o.reduction = 1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "reduction 1", nnopt_search_create(&s, ctx, &o));
	o.reduction = 2;
	o.least = 10;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "least 10", nnopt_search_create(&s, ctx, &o));
	o.least = 1;
	o.trials = 0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "trials 0", nnopt_search_create(&s, ctx, &o));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "out is NULL", nnopt_search_create(NULL, ctx, NULL));
	assert_ok(nnopt_search_create(&s, ctx, NULL));
	assert_fails(NNOPT_ERROR_STATE, "no options", nnopt_search_run(s, evaluate, &l, 0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "from 0 to 1", nnopt_search_add_number(s, "a", 0.0, 1.0, 1, 3));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "from nan", nnopt_search_add_number(s, "a", (double)NAN, 1.0, 0, 3));
	/* Drawn between, infinity would come out. */
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "from -1.5e+308 to 1.5e+308",
		     nnopt_search_add_number(s, "a", -1.5e308, 1.5e308, 0, 3));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "from 1e-200 to 1e+200",
		     nnopt_search_add_number(s, "a", 1e-200, 1e200, 1, 3));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "0 points", nnopt_search_add_number(s, "a", 0.0, 1.0, 0, 0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "steps of 1", nnopt_search_add_integer(s, "a", 1, 8, 1, 1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "from 8 to 1", nnopt_search_add_integer(s, "a", 8, 1, 1, 0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "0 names", nnopt_search_add_choice(s, "a", optimizers, 0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "'a b'", nnopt_search_add_number(s, "a b", 0.0, 1.0, 0, 3));
	assert_ok(nnopt_search_add_integer(s, "a", -3, 4, 3, 0));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "there already", nnopt_search_add_number(s, "a", 0.0, 1.0, 0, 3));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "evaluate is NULL", nnopt_search_run(s, NULL, NULL, 0));
	assert_fails(NNOPT_ERROR_CANCELLED, nnopt_status_name(NNOPT_ERROR_CANCELLED),
		     nnopt_search_run(s, cancel_silently, NULL, 0));
	nnopt_search_destroy(s);
	nnopt_search_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grid_is_every_combination), cmocka_unit_test(random_values_fill_the_space),
		cmocka_unit_test(halving_gives_the_best_more), cmocka_unit_test(interrupted_searches_end_as_others_do),
		cmocka_unit_test(damaged_files_are_refused),   cmocka_unit_test(results_are_written_down),
		cmocka_unit_test(odd_names_and_errors),        cmocka_unit_test(a_search_that_runs_is_not_run),
		cmocka_unit_test(vast_results_have_a_colour),  cmocka_unit_test(nonsense_is_refused),
	};
	return cmocka_run_group_tests_name("tune/search", tests, setup, teardown);
}
