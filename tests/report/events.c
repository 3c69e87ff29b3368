/* events.c - event files byte by byte against TensorBoard's own classes, pictures and histograms against what they were
 * made of, and bad input. */
#include "report/decode.h"

#include "golden/events.inc"

#include <math.h>
#include <sys/stat.h>

#define DIRECTORY TEST_TMP "/events/a run"
#define PICTURE TEST_TMP "/events.png"

static nnopt_context *ctx;
static nnopt_events *events;

static void begin(const nnopt_events_options *o)
{
	remove_directory(DIRECTORY);
	assert_ok(nnopt_events_create(&events, ctx, DIRECTORY, o));
}

/* What is in the one file, to be freed. */
static uint8_t *end(size_t *n)
{
	char *paths[2];
	nnopt_events_destroy(events);
	assert_int_equal(list_files(DIRECTORY, paths, 2), 1);
	uint8_t *file = read_bytes(paths[0], n);
	free(paths[0]);
	remove_directory(DIRECTORY);
	return file;
}

/* The Value of the second record. */
static message first_value(const uint8_t *file, size_t n)
{
	size_t at = 0;
	message version = next_record(file, n, &at), m = next_record(file, n, &at);
	assert_true(is_text(field(version, 3, 0), "brain.Event:2"));
	assert_non_null(m.data);
	return field(field(m, 5, 0), 1, 0);
}

static int setup(void **state)
{
	(void)state;
	return nnopt_context_create(&ctx, NULL) == NNOPT_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	(void)remove(PICTURE);
	(void)rmdir(TEST_TMP "/events");
	return 0;
}

static nnopt_tensor *tensor_of(nnopt_dtype dtype, int32_t rank, const int64_t *shape, const void *data)
{
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, dtype, rank, shape, NNOPT_NCHW));
	assert_ok(nnopt_tensor_copy_in(t, data, nnopt_tensor_bytes(t), dtype, NNOPT_NCHW));
	return t;
}

static void write_all_kinds(void)
{
	static const float spread[] = { 1.0f, 1.03125f, 1.5f, 2.0f, 1.5f };
	static const float scores[] = { 0.0f, 0.5f, 0.25f, 0.75f, 1.0f, 0.125f };
	static const int32_t labels[] = { 4, 3, 5, 3, 3, 0 };
	nnopt_model *net = NULL;
	nnopt_layer *softmax = NULL;
	nnopt_tensor *v = tensor_of(NNOPT_F32, 1, (int64_t[]){ 5 }, spread),
		     *s = tensor_of(NNOPT_F32, 1, (int64_t[]){ 6 }, scores),
		     *l = tensor_of(NNOPT_I32, 1, (int64_t[]){ 6 }, labels);
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_softmax_create(&softmax, ctx));
	assert_ok(nnopt_layer_set_name(softmax, "body.out"));
	assert_ok(nnopt_model_add(net, softmax));
	assert_ok(nnopt_model_build(net, 1, (int64_t[]){ 2 }));
	assert_ok(nnopt_events_scalar(events, "loss", 0.0, 0));
	assert_ok(nnopt_events_scalar(events, "loss/\303\244", -1.5, 300));
	assert_ok(nnopt_events_text(events, "note", "*hi* \303\244", 7));
	assert_ok(nnopt_events_histogram(events, "spread", v, INT64_C(1) << 40));
	assert_ok(nnopt_events_pr_curve(events, "class", s, l, 3, 2));
	assert_ok(nnopt_events_add_flag(events, "flip", 0));
	assert_ok(nnopt_events_add_number(events, "lr", 0.125));
	assert_ok(nnopt_events_add_text(events, "name", "adam"));
	assert_ok(nnopt_events_add_metric(events, "loss"));
	assert_ok(nnopt_events_begin_session(events, "g"));
	assert_ok(nnopt_events_end_session(events, NNOPT_SESSION_FAILURE));
	assert_ok(nnopt_events_graph(events, net));
	assert_ok(nnopt_events_purge(events, 9));
	nnopt_layer_destroy(softmax);
	nnopt_model_destroy(net);
	nnopt_tensor_destroy(v);
	nnopt_tensor_destroy(s);
	nnopt_tensor_destroy(l);
}

/* With a small buffer, and with one write a record, the same bytes. */
static void bytes_of_the_real_tool(void **state)
{
	(void)state;
	for (int form = 0; form < 3; form++) {
		nnopt_events_options o;
		assert_ok(nnopt_events_options_init(&o, sizeof o));
		o.buffer_bytes = form == 1 ? 1024 : o.buffer_bytes;
		o.flush_seconds = form == 2 ? 0.0 : 1e9;
		begin(form == 0 ? NULL : &o);
		assert_ok(nnopt_events_set_time(events, 2000.25));
		write_all_kinds();
		size_t n = 0, at = 0;
		uint8_t *file = end(&n);
		message version = next_record(file, n, &at);
		assert_true(is_text(field(version, 3, 0), "brain.Event:2"));
		assert_true(real(field(version, 1, 0)) > 1.7e9);
		assert_int_equal(n - at, sizeof golden);
		assert_memory_equal(file + at, golden, sizeof golden);
		free(file);
	}
}

static void check_sheet(const nnopt_tensor *images, int64_t columns, const uint8_t *wanted, int64_t h, int64_t w)
{
	nnopt_tensor *t = NULL;
	size_t n = 0;
	uint8_t pixels[sizeof sheet];
	begin(NULL);
	assert_ok(nnopt_events_image(events, "sheet", images, columns, 5));
	uint8_t *file = end(&n);
	message image = field(first_value(file, n), 4, 0), png = field(image, 4, 0);
	assert_int_equal(integer(field(image, 1, 0)), h);
	assert_int_equal(integer(field(image, 2, 0)), w);
	assert_int_equal(integer(field(image, 3, 0)), 3);
	FILE *f = fopen(PICTURE, "wb");
	assert_true(f != NULL && fwrite(png.data, 1, png.n, f) == png.n && fclose(f) == 0);
	assert_ok(nnopt_image_read(&t, ctx, PICTURE, 3));
	assert_int_equal(nnopt_tensor_extent(t, 2), h);
	assert_int_equal(nnopt_tensor_extent(t, 3), w);
	assert_ok(nnopt_tensor_copy_out(t, pixels, nnopt_tensor_bytes(t), NNOPT_U8, NNOPT_NHWC));
	assert_memory_equal(pixels, wanted, nnopt_tensor_bytes(t));
	nnopt_tensor_destroy(t);
	free(file);
}

/* Bytes and floats, in both layouts. */
static void pictures_are_laid_out(void **state)
{
	(void)state;
	enum { N = 3 * 3 * 2 * 2 };
	uint8_t bytes[N];
	float floats[N];
	for (int i = 0; i < N; i++) {
		bytes[i] = (uint8_t)(i * 7 % 256);
		floats[i] = (float)bytes[i] / 255.0f;
	}
	floats[0] = NAN; /* byte 0 */
	const int64_t shape[4] = { 3, 3, 2, 2 };
	for (int layout = NNOPT_NCHW; layout <= NNOPT_NHWC; layout++)
		for (int is_float = 0; is_float < 2; is_float++) {
			nnopt_tensor *t = NULL;
			nnopt_dtype dtype = is_float ? NNOPT_F32 : NNOPT_U8;
			const void *data = is_float ? (const void *)floats : bytes;
			assert_ok(nnopt_tensor_create(&t, ctx, dtype, 4, shape, (nnopt_layout)layout));
			assert_ok(nnopt_tensor_copy_in(t, data, nnopt_tensor_bytes(t), dtype, NNOPT_NCHW));
			check_sheet(t, 2, sheet, SHEET_H, SHEET_W);
			check_sheet(t, 0, sheet, SHEET_H, SHEET_W);
			nnopt_tensor_destroy(t);
		}
	const float outside[3] = { -1.0f, 0.5f, 7.0f };
	nnopt_tensor *one = tensor_of(NNOPT_F32, 3, (int64_t[]){ 3, 1, 1 }, outside);
	check_sheet(one, 0, (const uint8_t[]){ 0, 128, 255 }, 1, 1);
	nnopt_tensor_destroy(one);
}

/* Values of every size, against counting them between limits one by one. */
static void values_fall_into_their_buckets(void **state)
{
	(void)state;
	enum { LIMITS = 774, EDGES = 2 * LIMITS + 1, N = 4000 };
	static double edges[EDGES], counts[EDGES];
	static float values[N];
	double limit = 1e-12, low = INFINITY, high = -INFINITY;
	for (int i = 0; i < LIMITS; i++, limit *= 1.1) {
		edges[LIMITS + 1 + i] = limit;
		edges[LIMITS - 1 - i] = -limit;
	}
	uint32_t random = 1;
	for (int i = 0; i < N; i++) {
		random = random * 1664525u + 1013904223u;
		double size = pow(10.0, (double)(random >> 8) / (1 << 24) * 35.0 - 15.0);
		values[i] = i % 97 == 0 ? 0.0f : (float)(i % 2 == 0 ? size : -size);
		double v = (double)values[i];
		for (int k = EDGES - 1; k >= 0; k--)
			if (v >= edges[k]) {
				counts[k]++;
				break;
			}
		low = fmin(low, v);
		high = fmax(high, v);
	}
	size_t n = 0;
	nnopt_tensor *t = tensor_of(NNOPT_F32, 1, (int64_t[]){ N }, values);
	begin(NULL);
	assert_ok(nnopt_events_histogram(events, "h", t, 1));
	uint8_t *file = end(&n);
	message h = field(first_value(file, n), 5, 0), limits = field(h, 6, 0), buckets = field(h, 7, 0);
	assert_true(real(field(h, 1, 0)) == low && real(field(h, 2, 0)) == high && real(field(h, 3, 0)) == N);
	assert_int_equal(limits.n, buckets.n);
	int at = 0;
	double total = 0.0;
	while (edges[at] != real(limits))
		at++;
	for (size_t i = 1; i < limits.n / 8; i++, at++) {
		assert_true(real((message){ limits.data + 8 * i, 8 }) == edges[at + 1]);
		assert_true(real((message){ buckets.data + 8 * i, 8 }) == counts[at]);
		total += counts[at];
	}
	assert_true(total == N && real(buckets) == 0.0);
	nnopt_tensor_destroy(t);
	free(file);
}

static void damaged_values_are_left_out(void **state)
{
	(void)state;
	static const float values[] = { NAN, 4.0f, INFINITY, -INFINITY, 3e38f, -3e38f };
	for (int64_t count = 1; count <= 6; count += 5) {
		size_t n = 0;
		nnopt_tensor *t = tensor_of(NNOPT_F32, 1, &count, values);
		begin(NULL);
		assert_ok(nnopt_events_histogram(events, "h", t, 1));
		uint8_t *file = end(&n);
		message h = field(first_value(file, n), 5, 0), limits = field(h, 6, 0);
		assert_true(real(field(h, 3, 0)) == (count == 1 ? 0.0 : 3.0));
		assert_true(count == 1 || real((message){ limits.data + limits.n - 8, 8 }) == (double)3e38f);
		nnopt_tensor_destroy(t);
		free(file);
	}
}

static nnopt_status own_forward(const nnopt_own_call *call, void *user)
{
	(void)call;
	(void)user;
	return NNOPT_OK;
}

/* A layer of the caller's own has no options to show; shapes are not known before the model is built. */
static void graphs_of_every_model(void **state)
{
	(void)state;
	nnopt_model *net = NULL;
	nnopt_layer *own = NULL;
	nnopt_own_layer_options o;
	size_t n = 0, at = 0;
	assert_ok(nnopt_own_layer_options_init(&o, sizeof o));
	o.kind = "mine";
	o.forward = own_forward;
	assert_ok(nnopt_own_layer_create(&own, ctx, &o));
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_model_add(net, own));
	begin(NULL);
	assert_ok(nnopt_events_graph(events, net));
	uint8_t *file = end(&n);
	(void)next_record(file, n, &at);
	message graph = field(next_record(file, n, &at), 4, 0), node = field(graph, 1, 1);
	assert_true(is_text(field(field(graph, 1, 0), 1, 0), "input"));
	assert_true(is_text(field(node, 2, 0), "mine") && is_text(field(node, 3, 0), "input"));
	assert_null(field(node, 5, 0).data);
	assert_null(field(graph, 1, 2).data);
	nnopt_layer_destroy(own);
	nnopt_model_destroy(net);
	free(file);
}

/* An option that is no number of 64 bits is shown as the real number that it is. */
static void graphs_with_large_options(void **state)
{
	(void)state;
	static const float factors[] = { 3.0f, 1e30f, -1e30f };
	nnopt_model *net = NULL;
	nnopt_layer *scales[3] = { NULL };
	size_t n = 0, at = 0;
	assert_ok(nnopt_model_create(&net, ctx));
	for (int i = 0; i < 3; i++) {
		assert_ok(nnopt_scale_create(&scales[i], ctx, factors[i]));
		assert_ok(nnopt_model_add(net, scales[i]));
	}
	begin(NULL);
	assert_ok(nnopt_events_graph(events, net));
	uint8_t *file = end(&n);
	(void)next_record(file, n, &at);
	message graph = field(next_record(file, n, &at), 4, 0);
	for (int i = 0; i < 3; i++) {
		message option = field(field(graph, 1, i + 1), 5, 0), value = field(option, 2, 0),
			real = field(value, 4, 0);
		float got = 0.0f;
		assert_true(is_text(field(option, 1, 0), "factor"));
		if (i == 0) {
			assert_int_equal(integer(field(value, 3, 0)), 3);
		} else {
			assert_int_equal(real.n, 4);
			memcpy(&got, real.data, 4);
			assert_true(got == factors[i]);
		}
		nnopt_layer_destroy(scales[i]);
	}
	nnopt_model_destroy(net);
	free(file);
}

#define INVALID(words, call) assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words, call)

static void bad_input_is_refused(void **state)
{
	(void)state;
	static const float two[12] = { 2.0f };
	static const int64_t labels[2] = { 0 };
	nnopt_events_options o;
	nnopt_tensor *s = tensor_of(NNOPT_F32, 1, (int64_t[]){ 2 }, two),
		     *l = tensor_of(NNOPT_I64, 1, (int64_t[]){ 2 }, labels),
		     *four = tensor_of(NNOPT_F32, 3, (int64_t[]){ 4, 1, 3 }, two),
		     *wide = tensor_of(NNOPT_F32, 2, (int64_t[]){ 2, 3 }, two);
	nnopt_tensor *sheet_too_long = NULL;
	assert_ok(nnopt_tensor_create(&sheet_too_long, ctx, NNOPT_U8, 4, (int64_t[]){ 8000, 1, 5, 1 }, NNOPT_NCHW));
	assert_ok(nnopt_events_options_init(&o, sizeof o));
	o.buffer_bytes = 1000;
	INVALID("buffer_bytes 1000, 1024 to 2^30", nnopt_events_create(&events, ctx, DIRECTORY, &o));
	o.buffer_bytes = 1024;
	o.flush_seconds = NAN;
	INVALID("flush_seconds", nnopt_events_create(&events, ctx, DIRECTORY, &o));
	o.flush_seconds = 0.0;
	o.every_steps = -1;
	INVALID("every_steps", nnopt_events_create(&events, ctx, DIRECTORY, &o));
	o.every_steps = 1;
	o.histograms = 3;
	INVALID("histograms", nnopt_events_create(&events, ctx, DIRECTORY, &o));
	INVALID("directory is empty", nnopt_events_create(&events, ctx, "", NULL));
	begin(NULL);
	INVALID("tag is NULL", nnopt_events_scalar(events, NULL, 1.0, 0));
	INVALID("tag is empty", nnopt_events_scalar(events, "", 1.0, 0));
	INVALID("tag is not UTF-8", nnopt_events_scalar(events, "a\377", 1.0, 0));
	INVALID("step -1, 0 or more", nnopt_events_scalar(events, "a", 1.0, -1));
	INVALID("markdown is not UTF-8", nnopt_events_text(events, "a", "\300\200", 0));
	INVALID("f32 of rank 1", nnopt_events_image(events, "a", s, 0, 0));
	INVALID("C of 1 or 3", nnopt_events_image(events, "a", four, 0, 0));
	INVALID("columns below 0", nnopt_events_image(events, "a", four, -1, 0));
	INVALID("8000 pictures of 5x1", nnopt_events_image(events, "a", sheet_too_long, 1, 0));
	INVALID("scores[0] is 2", nnopt_events_pr_curve(events, "a", s, l, 0, 0));
	INVALID("labels of f32", nnopt_events_pr_curve(events, "a", s, s, 0, 0));
	INVALID("labels of rank 2", nnopt_events_pr_curve(events, "a", s, wide, 0, 0));
	INVALID("positive 3, 0 to 2", nnopt_events_pr_curve(events, "a", wide, l, 3, 0));
	INVALID("how is 3", nnopt_events_end_session(events, 3));
	INVALID("name is empty", nnopt_events_add_number(events, "", 0.0));
	INVALID("value is not UTF-8", nnopt_events_add_text(events, "a", "\x80"));
	assert_fails(NNOPT_ERROR_STATE, "no session has begun",
		     nnopt_events_end_session(events, NNOPT_SESSION_SUCCESS));
	assert_ok(nnopt_events_begin_session(events, NULL));
	assert_fails(NNOPT_ERROR_STATE, "the session has begun", nnopt_events_add_number(events, "a", 0.0));
	assert_fails(NNOPT_ERROR_STATE, "the session has begun", nnopt_events_begin_session(events, NULL));
	assert_int_equal(nnopt_events_dropped(events), 0);
	size_t n = 0, at = 0;
	uint8_t *file = end(&n);
	assert_non_null(next_record(file, n, &at).data);
	/* Without metrics there is no experiment: the session is all. */
	assert_true(is_text(field(first_value(file, n), 1, 0), "_hparams_/session_start_info"));
	assert_non_null(next_record(file, n, &at).data);
	assert_int_equal(at, n);
	free(file);
	nnopt_tensor_destroy(s);
	nnopt_tensor_destroy(l);
	nnopt_tensor_destroy(four);
	nnopt_tensor_destroy(wide);
	nnopt_tensor_destroy(sheet_too_long);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_of_the_real_tool),         cmocka_unit_test(pictures_are_laid_out),
		cmocka_unit_test(values_fall_into_their_buckets), cmocka_unit_test(damaged_values_are_left_out),
		cmocka_unit_test(graphs_of_every_model),          cmocka_unit_test(bad_input_is_refused),
		cmocka_unit_test(graphs_with_large_options),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
