/* html.c - the report's own sections: texts, values, tables, charts, pictures; that a page is well-formed and stands
 * alone whatever is put into it; tables that are cut; and what is refused. */
#include "page.h"

#include <math.h>
#include <unistd.h>

static nnopt_context *ctx;

static int setup(void **state)
{
	(void)state;
	return nnopt_context_create(&ctx, NULL) == NNOPT_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	return 0;
}

static nnopt_report *make(void)
{
	nnopt_report_options o;
	nnopt_report *r = NULL;
	assert_ok(nnopt_report_options_init(&o, sizeof o));
	o.table_rows = 8;
	o.curve_points = 100;
	o.picture_side = 32;
	assert_ok(nnopt_report_create(&r, ctx, &o));
	return r;
}

#define NASTY "</td><script>alert('&\"')</script>\x01\xff"
#define TAMED "&lt;/td&gt;&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt; \xef\xbf\xbd"

static void an_empty_report_is_a_page(void **state)
{
	(void)state;
	nnopt_report_options o;
	nnopt_report *r = NULL;
	assert_ok(nnopt_report_create(&r, ctx, NULL));
	assert_int_equal(nnopt_report_sections(r), 0);
	assert_good_page(r, HAS("<title>Training report</title>", "<html lang=\"en\">", "</main>"));
	nnopt_report_destroy(r);
	assert_ok(nnopt_report_options_init(&o, sizeof o));
	o.title = o.subtitle = NASTY;
	o.language = "de";
	assert_ok(nnopt_report_create(&r, ctx, &o));
	assert_good_page(r, HAS("<title>" TAMED "</title>", "<h1>" TAMED "</h1>", "<p>" TAMED "</p>", "lang=\"de\""));
	nnopt_report_destroy(r);
	nnopt_report_destroy(NULL);
	assert_int_equal(nnopt_report_sections(NULL), 0);
}

static void sections_stand_in_order_and_are_replaced(void **state)
{
	(void)state;
	nnopt_report *r = make();
	assert_ok(nnopt_report_add_text(r, "A", "first\n\nsecond\nline"));
	assert_ok(nnopt_report_add_text(r, "B & C", "old"));
	assert_ok(nnopt_report_add_text(r, NULL, NASTY));
	assert_int_equal(nnopt_report_sections(r), 3);
	assert_ok(nnopt_report_add_text(r, "B & C", "new"));
	assert_int_equal(nnopt_report_sections(r), 3);
	assert_good_page(r,
			 HAS("<p>first</p>\n<p>second\nline</p>", "<a href=\"#s2\">B &amp; C</a>",
			     "<h2 id=\"t2\">B &amp; C</h2>\n<p>new</p>", "<h2 id=\"t3\">Notes</h2>\n<p>" TAMED "</p>"));
	char *html = page_of(r);
	assert_null(strstr(html, "old"));
	assert_true(strstr(html, "id=\"s1\"") < strstr(html, "id=\"s2\""));
	/* Written, and replaced in one piece. */
	const char *path = TEST_TMP "/sections.html";
	for (int i = 0; i < 2; i++) {
		static char read[65536];
		assert_ok(nnopt_report_write(r, path));
		FILE *f = fopen(path, "rb");
		size_t n = fread(read, 1, sizeof read, f);
		fclose(f);
		assert_int_equal(n, strlen(html));
		assert_memory_equal(read, html, n);
	}
	assert_fails(NNOPT_ERROR_NOT_FOUND, "/absent/", nnopt_report_write(r, TEST_TMP "/absent/x.html"));
	unlink(path);
	free(html);
	nnopt_report_destroy(r);
}

static void values_are_escaped(void **state)
{
	(void)state;
	nnopt_report *r = make();
	assert_ok(nnopt_report_add_values(r, NULL, (const char *const[]){ "lr", NASTY, NULL },
					  (const char *const[]){ "0.1", NULL, NASTY }, 3));
	assert_good_page(
	    r, HAS("<div><dt>lr</dt><dd>0.1</dd></div>", "<dt>" TAMED "</dt><dd></dd>", "<dd>" TAMED "</dd>"));
	assert_ok(nnopt_report_add_values(r, NULL, NULL, NULL, 0));
	assert_good_page(r, NULL);
	nnopt_report_destroy(r);
}

static void tables_show_numbers_and_draw_them(void **state)
{
	(void)state;
	nnopt_report *r = make();
	const char *const names[] = { "a", NASTY, NULL };
	const double values[] = { 50.0, 100.0, NAN }, gain[] = { -1.0, 3.0, 0.0 }, low[] = { -2.0, 2.0, NAN },
		     high[] = { 0.0, 4.0, NAN };
	nnopt_report_column c[] = {
		{ .struct_size = sizeof *c, .name = "rung <1>", .texts = names },
		{ .struct_size = sizeof *c, .name = "img/s", .values = values, .kind = NNOPT_COLUMN_BAR },
		{ .struct_size = sizeof *c,
		  .name = "gain",
		  .unit = " %",
		  .values = gain,
		  .low = low,
		  .high = high,
		  .kind = NNOPT_COLUMN_DOT,
		  .decimals = 1,
		  .sign = 1 },
		{ .struct_size = sizeof *c, .name = "n", .values = values, .kind = NNOPT_COLUMN_NUMBER, .decimals = 2 },
	};
	const nnopt_report_column *all[] = { &c[0], &c[1], &c[2], &c[3] };
	assert_ok(nnopt_report_add_table(r, "Ladder", all, 4, 3, "note & more"));
	assert_good_page(r, HAS("<th scope=\"col\">rung &lt;1&gt;</th>", "<th scope=\"row\">" TAMED "</th>",
				"<th scope=\"row\"></th>",
				/* 0 to 100 */
				"<td class=\"n\">50<span class=\"track bar\" aria-hidden=\"true\" "
				"style=\"--v:50.0%;--z:0.0%;\"></span></td>",
				/* -2.24 to 4.24, with its zero */
				"<td class=\"n\">\xe2\x88\x92"
				"1.0 % <small>\xe2\x88\x92"
				"2.0 to 0.0</small><span class=\"track dot signed\" aria-hidden=\"true\" "
				"style=\"--v:19.1%;--z:34.6%;--l:3.7%;--h:34.6%;\"><i></i></span></td>",
				"+3.0 % <small>+2.0 to +4.0</small>", "<td class=\"n\">\xe2\x80\x93</td>",
				"<td class=\"n\">50.00</td>", "<p class=\"note\">note &amp; more</p>"));
	/* Many rows are told of, not shown; none is a table too. */
	double many[100] = { 0 };
	c[3].values = many;
	assert_ok(nnopt_report_add_table(r, "Many", (const nnopt_report_column *[]){ &c[3] }, 1, 100, NULL));
	assert_good_page(r, HAS("<p class=\"note\">and 92 more</p>"));
	assert_ok(nnopt_report_add_table(r, "None", all, 4, 0, NULL));
	assert_good_page(r, HAS("<tbody>\n</tbody>"));

	c[0].texts = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "column 0 has no texts",
		     nnopt_report_add_table(r, NULL, all, 4, 3, NULL));
	c[0].texts = names;
	c[1].kind = 9;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "column 1 is of an unknown kind",
		     nnopt_report_add_table(r, NULL, all, 4, 3, NULL));
	c[1].kind = NNOPT_COLUMN_BAR;
	c[2].high = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "column 2 has one of",
		     nnopt_report_add_table(r, NULL, all, 4, 3, NULL));
	all[2] = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "column 2 is NULL",
		     nnopt_report_add_table(r, NULL, all, 4, 3, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "0 columns", nnopt_report_add_table(r, NULL, all, 0, 3, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "-1 rows", nnopt_report_add_table(r, NULL, all, 1, -1, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "columns is NULL",
		     nnopt_report_add_table(r, NULL, NULL, 1, 1, NULL));
	assert_int_equal(nnopt_report_sections(r), 3);
	nnopt_report_destroy(r);
}

static void long_curves_are_thinned(void **state)
{
	(void)state;
	enum { N = 200000 };
	nnopt_report *r = make();
	double *y = malloc(N * sizeof *y);
	for (int i = 0; i < N; i++)
		y[i] = i == 77777 ? 10.0 : sin(i / 3000.0);
	nnopt_report_series s = { .struct_size = sizeof s, .name = NASTY, .y = y, .count = N };
	nnopt_report_series two = {
		.struct_size = sizeof two, .name = "b", .y = y, .low = y, .high = y, .count = N / 2
	};
	nnopt_report_series dot = { .struct_size = sizeof dot, .name = "peak", .y = y + 77777, .count = 1 };
	const nnopt_report_series *all[] = { &s, &two, &dot };
	nnopt_report_chart c = {
		.struct_size = sizeof c, .x_name = "step", .y_name = "loss <x>", .series = all, .series_count = 1
	};
	const nnopt_report_chart *charts[] = { &c, &c };
	assert_ok(nnopt_report_add_charts(r, "Curves", charts, 1));
	char *html = page_of(r);
	assert_true(strlen(html) < 30000);
	const char *path = strstr(html, "<path class=\"line c0\" d=\"M");
	assert_non_null(path);
	int points = 0, at_top = 0;
	for (const char *p = path + 25; *p != '"'; p++)
		if (*p == 'L' || *p == 'M') {
			points++;
			at_top += strncmp(strchr(p, ' '), " 12.0", 5) == 0; /* where 10 is, the axis's end */
		}
	assert_true(points > 50 && points <= 100);
	assert_int_equal(at_top, 1);
	assert_int_equal(times(strstr(html, "<tbody>"), "<tr>"), 8);
	free(html);
	c.series_count = 3;
	assert_ok(nnopt_report_add_charts(r, "Curves", charts, 2));
	assert_good_page(r, HAS("<path class=\"band c1\"", "<circle", ">peak</text>",
				"<figcaption>loss &lt;x&gt;</figcaption>", "aria-label=\"loss &lt;x&gt; over step\"",
				TAMED "</text>", "<th scope=\"row\">b</th>"));
	/* Nothing, a point, and what cannot be drawn are charts too. */
	s.count = two.count = 0;
	dot.y = &(double){ NAN };
	assert_ok(nnopt_report_add_charts(r, "Curves", charts, 1));
	assert_good_page(r, NULL);
	c = (nnopt_report_chart){ .struct_size = sizeof c, .y_logarithmic = 1 };
	assert_ok(nnopt_report_add_charts(r, "Curves", charts, 1));
	assert_good_page(r, NULL);
	html = page_of(r);
	assert_null(strstr(html, "nan"));
	assert_null(strstr(html, "inf\""));
	free(html);
	c.series_count = 65;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "65 series", nnopt_report_add_charts(r, NULL, charts, 1));
	c.series = all;
	c.series_count = 1;
	s.y = NULL;
	s.count = 3;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "without y", nnopt_report_add_charts(r, NULL, charts, 1));
	all[0] = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "a series is NULL", nnopt_report_add_charts(r, NULL, charts, 1));
	charts[0] = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "a chart is NULL", nnopt_report_add_charts(r, NULL, charts, 1));
	assert_int_equal(nnopt_report_sections(r), 1);
	free(y);
	nnopt_report_destroy(r);
}

/* The numbers of points: in one table where they stand at one x, and else each with what it is. */
static void points_have_their_numbers(void **state)
{
	(void)state;
	static const double x[] = { 1.0, 2.0, 1.0 }, y[] = { 0.25, 0.5, 0.75 };
	static const char together[] =
	    "<th scope=\"col\" class=\"n\">a</th><th scope=\"col\" class=\"n\">b</th></tr></thead>\n"
	    "<tbody>\n<tr><td class=\"n\">1</td><td class=\"n\">0.25</td><td class=\"n\">0.75</td></tr>",
			  apart[] = "<tr><th scope=\"row\">b</th><td class=\"n\">1</td><td class=\"n\">0.5</td>"
				    "<td class=\"n\">0.5</td><td class=\"n\">0.5</td></tr>",
			  behind_none[] = "<tr><th scope=\"row\">b</th><td class=\"n\">1</td><td class=\"n\">0.75</td>";
	nnopt_report *r = make();
	nnopt_report_series a = { .struct_size = sizeof a, .name = "a", .x = x, .y = y, .count = 1 }, b = a;
	const nnopt_report_series *both[] = { &a, &b };
	nnopt_report_chart c = { .struct_size = sizeof c, .x_name = "x", .series = both, .series_count = 2 };
	const nnopt_report_chart *charts[] = { &c };
	b.name = "b";
	b.x = x + 1;
	b.y = y + 1;
	assert_ok(nnopt_report_add_charts(r, NULL, charts, 1));
	assert_good_page(r, HAS(apart));
	b.x = x + 2;
	b.y = y + 2;
	assert_ok(nnopt_report_add_charts(r, NULL, charts, 1));
	assert_good_page(r, HAS(together));
	a.count = 0;
	assert_ok(nnopt_report_add_charts(r, NULL, charts, 1));
	assert_good_page(r, HAS(behind_none));
	nnopt_report_destroy(r);
}

/* Under a logarithm, where 0 has no place, and without an x: neither a dot nor a name at the end of a line. */
static void what_has_no_place_is_not_drawn(void **state)
{
	(void)state;
	static const double x[] = { 1.0, 2.0, 3.0 }, y[] = { 10.0, 100.0, 0.0 }, none[] = { 0.0, -1.0, 0.0 };
	nnopt_report *r = make();
	nnopt_report_series s[] = {
		{ .struct_size = sizeof *s, .name = "zero", .x = x, .y = none, .count = 1 },
		{ .struct_size = sizeof *s, .name = "nowhere", .x = &(double){ NAN }, .y = y, .count = 1 },
		{ .struct_size = sizeof *s, .name = "line", .x = x, .y = y, .count = 3 },
		{ .struct_size = sizeof *s, .name = "below", .x = x, .y = none, .count = 3 },
		{ .struct_size = sizeof *s, .name = "dot", .x = x, .y = y, .count = 1 }
	};
	const nnopt_report_series *all[] = { &s[0], &s[1], &s[2], &s[3], &s[4] };
	nnopt_report_chart c = { .struct_size = sizeof c, .series = all, .series_count = 5, .y_logarithmic = 1 };
	const nnopt_report_chart *charts[] = { &c };
	assert_ok(nnopt_report_add_charts(r, NULL, charts, 1));
	assert_good_page(r, HAS(">line</text>", ">dot</text>"));
	char *html = page_of(r);
	assert_int_equal(times(html, "<circle"), 1);
	assert_null(strstr(html, ">zero</text>"));
	assert_null(strstr(html, ">nowhere</text>"));
	assert_null(strstr(html, ">below</text>"));
	assert_null(strstr(html, "nan"));
	assert_null(strstr(html, "inf"));
	free(html);
	nnopt_report_destroy(r);
}

static int sextet(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(digits, c);
	return at == NULL ? -1 : (int)(at - digits);
}

/* The bytes of the first picture of a page. */
static size_t picture_bytes(const char *html, uint8_t *to)
{
	const char *p = strstr(html, "base64,");
	size_t n = 0;
	assert_non_null(p);
	for (p += 7; *p != '"'; p += 4) {
		int a = sextet(p[0]), b = sextet(p[1]), c = sextet(p[2]), d = sextet(p[3]);
		assert_true(a >= 0 && b >= 0);
		to[n++] = (uint8_t)(a << 2 | b >> 4);
		if (c >= 0)
			to[n++] = (uint8_t)(b << 4 | c >> 2);
		if (d >= 0)
			to[n++] = (uint8_t)(c << 6 | d);
	}
	return n;
}

static nnopt_tensor *picture(int64_t c, int64_t h, int64_t w, int32_t layout)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_U8, 4, (int64_t[]){ 1, c, h, w }, layout));
	for (int64_t i = 0; i < nnopt_tensor_count(t); i++)
		((uint8_t *)nnopt_tensor_data(t))[i] = (uint8_t)(i * 7);
	return t;
}

static void pictures_are_in_the_page(void **state)
{
	(void)state;
	nnopt_report *r = make();
	nnopt_tensor *small = picture(3, 5, 8, NNOPT_NHWC), *large = NULL, *back = NULL;
	uint8_t png[4096], wanted[4096];
	size_t needed;
	assert_ok(nnopt_report_add_pictures(r, NULL, (const nnopt_tensor *[]){ small }, (const char *[]){ NASTY }, 1));
	assert_good_page(r, HAS("<img width=\"8\" height=\"5\" class=\"tiny\" alt=\"" TAMED "\"",
				"<figcaption>" TAMED "</figcaption>"));
	char *html = page_of(r);
	assert_ok(nnopt_image_encode_png(small, wanted, sizeof wanted, &needed));
	assert_int_equal(picture_bytes(html, png), needed);
	assert_memory_equal(png, wanted, needed);
	free(html);
	/* A picture of 3 x 96 halves, left black and right white, in either layout becomes one of 1 x 32. */
	for (int layout = 0; layout < 2; layout++) {
		large = picture(3, 3, 96, layout == 0 ? NNOPT_NCHW : NNOPT_NHWC);
		uint8_t *p = nnopt_tensor_data(large);
		for (int64_t y = 0; y < 3; y++)
			for (int64_t x = 0; x < 96; x++)
				for (int64_t k = 0; k < 3; k++)
					p[layout == 0 ? (k * 3 + y) * 96 + x : (y * 96 + x) * 3 + k] = x < 48 ? 0 : 255;
		assert_ok(nnopt_report_add_pictures(r, NULL, (const nnopt_tensor *[]){ large }, NULL, 1));
		html = page_of(r);
		assert_non_null(strstr(html, "<img width=\"32\" height=\"1\""));
		size_t n = picture_bytes(html, png);
		FILE *f = fopen(TEST_TMP "/report_picture.png", "wb");
		assert_int_equal(fwrite(png, 1, n, f), n);
		fclose(f);
		assert_ok(nnopt_image_read(&back, ctx, TEST_TMP "/report_picture.png", 3));
		for (int64_t x = 0; x < 32; x++)
			assert_int_equal(((const uint8_t *)nnopt_tensor_const_data(back))[3 * x + 1], x < 16 ? 0 : 255);
		nnopt_tensor_destroy(back);
		nnopt_tensor_destroy(large);
		free(html);
	}
	unlink(TEST_TMP "/report_picture.png");
	assert_ok(nnopt_report_add_pictures(r, NULL, NULL, NULL, 0));
	assert_good_page(r, HAS("<h2 id=\"t1\">Pictures</h2>"));
	nnopt_tensor *grey_alpha = picture(2, 4, 4, NNOPT_NHWC);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "2 channels",
		     nnopt_report_add_pictures(r, NULL, (const nnopt_tensor *[]){ grey_alpha }, NULL, 1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "picture of NULL",
		     nnopt_report_add_pictures(r, NULL, (const nnopt_tensor *[]){ NULL }, NULL, 1));
	nnopt_tensor_destroy(grey_alpha);
	nnopt_tensor_destroy(small);
	nnopt_report_destroy(r);
}

/* Twelve bins have a sample each: the table shows eight, the diagram all. */
static void bins_beyond_a_tables_rows(void **state)
{
	(void)state;
	enum { N = 12 };
	nnopt_report *r = make();
	nnopt_tensor *p = NULL, *labels = NULL;
	nnopt_calibration *c = NULL;
	nnopt_calibration_options o;
	assert_ok(nnopt_tensor_create(&p, ctx, NNOPT_F32, 2, (int64_t[]){ N, 2 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, (int64_t[]){ N }, NNOPT_NCHW));
	for (int i = 0; i < N; i++) {
		float sure = 0.51f + 0.04f * (float)i;
		memcpy((float *)nnopt_tensor_data(p) + 2L * i, (float[]){ sure, 1.0f - sure }, 2 * sizeof sure);
		((int32_t *)nnopt_tensor_data(labels))[i] = i % 2;
	}
	assert_ok(nnopt_calibration_options_init(&o, sizeof o));
	o.bins = 1000;
	assert_ok(nnopt_calibration_create(&c, ctx, p, labels, &o));
	assert_ok(nnopt_report_add_calibration(r, NULL, c, NULL, 0.0));
	assert_good_page(r, HAS("</table></div>\n<p class=\"note\">and 4 more</p>\n</details>"));
	char *html = page_of(r);
	assert_int_equal(times(html, "<circle"), N);
	assert_int_equal(times(html, "<tr><th scope=\"row\">0."), 8);
	free(html);
	nnopt_calibration_destroy(c);
	nnopt_tensor_destroy(labels);
	nnopt_tensor_destroy(p);
	nnopt_report_destroy(r);
}

static nnopt_status worth(const nnopt_trial *trial, double *value, void *user)
{
	(void)user;
	*value = nnopt_trial_number(trial, "lr");
	return NNOPT_OK;
}

/* As many trials as fit are all there; of more the best are, and the picture has each. */
static void trials_beyond_a_tables_rows(void **state)
{
	(void)state;
	nnopt_report *r = make();
	nnopt_search *search = NULL;
	nnopt_search_options o;
	assert_ok(nnopt_search_options_init(&o, sizeof o));
	o.strategy = NNOPT_SEARCH_RANDOM;
	o.trials = 12;
	assert_ok(nnopt_search_create(&search, ctx, &o));
	assert_ok(nnopt_search_add_number(search, "lr", 1e-3, 1e-1, 1, 3));
	for (int whole = 0; whole < 2; whole++) {
		assert_ok(nnopt_search_run(search, worth, NULL, whole ? 0 : 8));
		assert_ok(nnopt_report_add_search(r, NULL, search));
		assert_good_page(r, HAS("<pre>trial"));
		char *html = page_of(r), *end = strstr(html, "</pre>"), best[32];
		snprintf(best, sizeof best, "\n%5lld      9  ", (long long)nnopt_search_best(search));
		assert_non_null(strstr(html, best));
		assert_int_equal(times(html, "<polyline"), whole ? 12 : 8);
		assert_true((strstr(end, "\n<p class=\"note\">and 4 more</p>\n") != NULL) == whole);
		*end = '\0';
		assert_int_equal(times(strstr(html, "<pre>"), "\n"), 1 + 8);
		free(html);
	}
	nnopt_search_destroy(search);
	nnopt_report_destroy(r);
}

static void nonsense_is_refused(void **state)
{
	(void)state;
	nnopt_report_options o;
	nnopt_report *r = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "out is NULL", nnopt_report_create(NULL, ctx, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "context is NULL", nnopt_report_create(&r, NULL, NULL));
	assert_ok(nnopt_report_options_init(&o, sizeof o));
	o.curve_points = 3;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "curve_points 3", nnopt_report_create(&r, ctx, &o));
	assert_ok(nnopt_report_options_init(&o, sizeof o));
	o.title = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "title is NULL", nnopt_report_create(&r, ctx, &o));
	assert_null(r);
	assert_ok(nnopt_report_create(&r, ctx, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "report is NULL", nnopt_report_add_text(NULL, NULL, "x"));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "text is NULL", nnopt_report_add_text(r, NULL, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "names is NULL", nnopt_report_add_values(r, NULL, NULL, NULL, 1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "count -1",
		     nnopt_report_add_values(r, NULL, (const char *[]){ "" }, (const char *[]){ "" }, -1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "report_add_charts: count -1, 0 or more",
		     nnopt_report_add_charts(r, NULL, (const nnopt_report_chart *[]){ NULL }, -1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "report_add_pictures: count -1, 0 or more",
		     nnopt_report_add_pictures(r, NULL, (const nnopt_tensor *[]){ NULL }, NULL, -1));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "path is NULL", nnopt_report_write(r, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "report is NULL", nnopt_report_html(NULL, NULL, 0, NULL));
	char little[8];
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "a buffer of 8 bytes",
		     nnopt_report_html(r, little, sizeof little, NULL));
	assert_int_equal(nnopt_report_sections(r), 0);
	nnopt_report_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_report_is_a_page), cmocka_unit_test(sections_stand_in_order_and_are_replaced),
		cmocka_unit_test(values_are_escaped),        cmocka_unit_test(tables_show_numbers_and_draw_them),
		cmocka_unit_test(long_curves_are_thinned),   cmocka_unit_test(pictures_are_in_the_page),
		cmocka_unit_test(points_have_their_numbers), cmocka_unit_test(what_has_no_place_is_not_drawn),
		cmocka_unit_test(bins_beyond_a_tables_rows), cmocka_unit_test(trials_beyond_a_tables_rows),
		cmocka_unit_test(nonsense_is_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
