/* svg.c - text inside markup against lists, base64 against RFC 4648, and where a chart puts its values. */
#include "check.h"

#include "base/svg.h"

#include <float.h>
#include <math.h>

static nno_text start(void)
{
	nno_text t;
	nno_text_start(&t, &nno_alloc_default);
	return t;
}

static void markup_is_escaped(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{ "<a href=\"x\">'&'</a>", "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;" },
		{ "a\nb\tc\x01\x1b\x7f", "a\nb c   " },
		{ "Gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbd",
		  "Gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbd" },
		/* Overlong, a surrogate, above U+10FFFF, cut short, a lone follower, bytes that are never there. */
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf0\x8f\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "x\x80y\xff", "x\xef\xbf\xbdy\xef\xbf\xbd" },
		{ "", "" },
	};
	for (size_t i = 0; i < NNO_COUNT(pairs); i++) {
		nno_text t = start();
		nno_text_add_xml(&t, pairs[i][0]);
		assert_string_equal(t.length > 0 ? t.data : "", pairs[i][1]);
		nno_text_free(&t);
	}
}

static void base64_vectors(void **state)
{
	(void)state;
	static const char *const of_foobar[] = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };
	for (size_t n = 0; n < NNO_COUNT(of_foobar); n++) {
		nno_text t = start();
		nno_text_add_base64(&t, "foobar", n);
		assert_string_equal(t.length > 0 ? t.data : "", of_foobar[n]);
		nno_text_free(&t);
	}
	nno_text t = start();
	nno_text_add_base64(&t, "\xfb\xff\xfe\x00", 4);
	assert_string_equal(t.data, "+//+AA==");
	nno_text_free(&t);
}

static void same_ticks(double low, double high, bool logarithmic, int wanted, const double *ticks, int n)
{
	nno_svg_scale s = { .low = low, .high = high, .logarithmic = logarithmic };
	double got[NNO_SVG_TICKS];
	assert_int_equal(nno_svg_ticks(&s, wanted, got), n);
	for (int i = 0; i < n; i++)
		assert_true(fabs(got[i] - ticks[i]) <= 1e-12 * fabs(high));
}

static void ticks_are_round(void **state)
{
	(void)state;
	same_ticks(0.0, 1.0, false, 5, (const double[]){ 0.0, 0.2, 0.4, 0.6, 0.8, 1.0 }, 6);
	same_ticks(0.13, 0.61, false, 5, (const double[]){ 0.2, 0.3, 0.4, 0.5, 0.6 }, 5);
	same_ticks(-3.0, 17.0, false, 5, (const double[]){ 0.0, 5.0, 10.0, 15.0 }, 4);
	same_ticks(1e6, 1e6 + 3.0, false, 3, (const double[]){ 1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3 }, 4);
	same_ticks(1e-4, 1e-1, true, 5, (const double[]){ 1e-4, 1e-3, 1e-2, 1e-1 }, 4);
	same_ticks(0.05, 1.2, true, 5, (const double[]){ 0.05, 0.1, 0.2, 0.5, 1.0 }, 5);
	double got[NNO_SVG_TICKS];
	nno_svg_scale vast = { .low = 1e-300, .high = 1e300, .logarithmic = true };
	int n = nno_svg_ticks(&vast, 5, got);
	assert_true(n >= 2 && n <= NNO_SVG_TICKS);
}

static void ranges_can_be_drawn(void **state)
{
	(void)state;
	nno_svg_scale empty = nno_svg_range(false), one = nno_svg_range(false), zero = one, log = nno_svg_range(true);
	nno_svg_widen(&empty, NAN);
	nno_svg_widen(&empty, INFINITY);
	nno_svg_settle(&empty);
	assert_true(empty.low == 0.0 && empty.high == 1.0);
	nno_svg_widen(&one, 4.0);
	nno_svg_settle(&one);
	assert_true(one.low == 2.0 && one.high == 6.0);
	nno_svg_widen(&zero, 0.0);
	nno_svg_settle(&zero);
	assert_true(zero.low == -1.0 && zero.high == 1.0);
	nno_svg_widen(&log, 0.0);
	nno_svg_widen(&log, -1.0);
	nno_svg_widen(&log, 1e-3);
	nno_svg_settle(&log);
	assert_true(log.low == 5e-4 && log.high == 2e-3);
	log.from = 10.0;
	log.to = 30.0;
	assert_true(fabs(nno_svg_place(&log, 1e-3) - 20.0) < 1e-9);
	nno_svg_scale round = { .low = 0.13, .high = 0.61 };
	nno_svg_round(&round, 5);
	assert_true(fabs(round.low - 0.1) < 1e-12 && fabs(round.high - 0.7) < 1e-12);
}

/* Whatever finite values there are, their scale is finite, each has a place on it, and ticks are found. */
static void values_at_the_ends_of_doubles(void **state)
{
	(void)state;
	const double values[] = {
		DBL_MAX, -DBL_MAX, DBL_TRUE_MIN, -DBL_TRUE_MIN,      DBL_MIN, 1e300, nextafter(1e300, INFINITY),
		1.0,     0.0,      0.1,          nextafter(0.1, 1.0)
	};
	for (size_t i = 0; i < NNO_COUNT(values); i++)
		for (size_t k = i; k < NNO_COUNT(values); k++)
			for (int logarithmic = 0; logarithmic < 2; logarithmic++)
				for (int rounded = 0; rounded < 2; rounded++) {
					double ticks[NNO_SVG_TICKS];
					nno_svg_scale s = nno_svg_range(logarithmic == 1);
					s.from = 10.0;
					s.to = 20.0;
					nno_svg_widen(&s, values[i]);
					nno_svg_widen(&s, values[k]);
					nno_svg_settle(&s);
					if (rounded == 1)
						nno_svg_round(&s, 5);
					assert_true(isfinite(s.high - s.low) && s.low < s.high);
					assert_true(nno_svg_ticks(&s, 5, ticks) > 0);
					for (size_t v = i; v <= k; v += k > i ? k - i : 1) {
						double at = nno_svg_place(&s, values[v]);
						bool none = logarithmic == 1 && values[v] <= 0.0;
						assert_true(none || (at >= 10.0 - 1e-9 && at <= 20.0 + 1e-9));
					}
				}
	/* From one end to the other, the middle is in the middle. */
	nno_svg_scale all = { .low = -DBL_MAX, .high = DBL_MAX, .from = 10.0, .to = 20.0 };
	nno_svg_settle(&all);
	assert_true(fabs(nno_svg_place(&all, 0.0) - 15.0) < 1e-9 && isnan(nno_svg_place(&all, NAN)));
	nno_svg_scale vast = { .low = 1e-200, .high = 1e200, .from = 10.0, .to = 20.0, .logarithmic = true };
	assert_true(fabs(nno_svg_place(&vast, 1.0) - 15.0) < 1e-9);
}

static void curves_break_where_nothing_is(void **state)
{
	(void)state;
	nno_svg_frame f = { { .low = 0, .high = 4, .from = 0, .to = 40 },
			    { .low = 0, .high = 1, .from = 10, .to = 0 } };
	const double x[] = { 0, 1, 2, 3, 4 }, y[] = { 0, 1, NAN, 0.5, 1 }, high[] = { 1, 1, 1, 1, INFINITY };
	nno_text t = start();
	nno_svg_curve(&t, &f, x, y, 5, "line s0");
	assert_string_equal(t.data, "<path class=\"line s0\" d=\"M0.0 10.0L10.0 0.0M30.0 5.0L40.0 0.0\"/>\n");
	nno_text_free(&t);
	nno_svg_band(&t, &f, x, y, high, 5, "band");
	assert_string_equal(t.data,
			    "<path class=\"band\" d=\"M0.0 0.0L10.0 0.0L10.0 0.0L0.0 10.0ZM30.0 0.0L30.0 5.0Z\"/>\n");
	nno_text_free(&t);
	nno_svg_text(&t, 1.25, 2.0, "end", "tick", "a<b");
	assert_string_equal(t.data, "<text x=\"1.2\" y=\"2.0\" text-anchor=\"end\" class=\"tick\">a&lt;b</text>\n");
	nno_text_free(&t);
}

static void thin_curves_keep_what_stands_out(void **state)
{
	(void)state;
	enum { N = 1000, MOST = 101 };
	static double y[N];
	int64_t kept[N];
	nno_svg_frame f = { nno_svg_range(false), nno_svg_range(false) };
	for (int i = 0; i < N; i++)
		y[i] = sin(i / 50.0);
	y[417] = 9.0;
	y[633] = -9.0;
	y[500] = NAN;
	y[415] = INFINITY;              /* in the piece of a peak */
	for (int64_t i = 0; i < 4; i++) /* nothing to leave out */
		assert_int_equal(nno_svg_thin(&f, NULL, y, 4, 4, kept), 4);
	int64_t n = nno_svg_thin(&f, NULL, y, N, MOST, kept), seen = 0;
	assert_true(n <= MOST && n > MOST / 2);
	assert_int_equal(kept[0], 0);
	assert_int_equal(kept[n - 1], N - 1);
	for (int64_t i = 0; i < n; i++) {
		assert_true(i == 0 || kept[i] > kept[i - 1]);
		seen += kept[i] == 415 || kept[i] == 417 || kept[i] == 500 || kept[i] == 633;
	}
	assert_int_equal(seen, 4);
	/* Each piece has a gap, a least and a largest value; then gaps alone. */
	for (int i = 0; i < N; i++)
		y[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? i : -i;
	for (int64_t most = 5; most <= MOST; most++) {
		n = nno_svg_thin(&f, NULL, y, N, most, kept);
		assert_true(n <= most && n == 2 + (most - 2) / 3 * 3);
		for (int64_t i = 1; i < n; i++)
			assert_true(kept[i] > kept[i - 1]);
	}
	for (int i = 0; i < N; i++)
		y[i] = NAN;
	assert_int_equal(nno_svg_thin(&f, NULL, y, N, 20, kept), 8);
	/* Under a logarithm what is not above 0 is a gap, and the least value is the least that has a place. */
	static double x[N];
	f.x.logarithmic = f.y.logarithmic = true;
	for (int i = 0; i < N; i++) {
		x[i] = i;
		y[i] = 5.0;
	}
	y[500] = 2.0;
	y[501] = -3.0;
	y[502] = 0.0;
	n = nno_svg_thin(&f, x, y, N, 5, kept);
	assert_int_equal(n, 5);
	assert_int_equal(kept[1], 1);
	assert_int_equal(kept[2], 500);
	assert_int_equal(kept[3], 502);
	x[500] = 0.0;
	n = nno_svg_thin(&f, x, y, N, 5, kept);
	assert_true(n == 4 && kept[2] == 502);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(markup_is_escaped),
		cmocka_unit_test(base64_vectors),
		cmocka_unit_test(ticks_are_round),
		cmocka_unit_test(ranges_can_be_drawn),
		cmocka_unit_test(values_at_the_ends_of_doubles),
		cmocka_unit_test(curves_break_where_nothing_is),
		cmocka_unit_test(thin_curves_keep_what_stands_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
