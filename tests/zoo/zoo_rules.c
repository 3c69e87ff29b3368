/* zoo_rules.c - what holds for every named network: it trains, is the same after a way through JSON, and forms, widths
 * and dropout reach it. And what is refused. */
#include "check.h"

#include <stdbool.h>

#include <math.h>
#include <stdio.h>

enum { CLASSES = 10, PICTURES = 2, SIDE = 32 };

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

static nnopt_model *by_name(const char *name, int64_t picture, double width, double dropout)
{
	nnopt_zoo_options o;
	nnopt_model *m = NULL;
	assert_ok(nnopt_zoo_options_init(&o, sizeof o));
	o.picture = picture;
	o.width = width;
	o.dropout = dropout;
	assert_ok(nnopt_zoo_create(&m, ctx, name, CLASSES, &o));
	return m;
}

/* --- JSON --- */

static char *json_of(const nnopt_model *m)
{
	size_t size = 0;
	assert_ok(nnopt_model_to_json(m, NULL, 0, &size));
	char *text = malloc(size);
	assert_non_null(text);
	assert_ok(nnopt_model_to_json(m, text, size, NULL));
	return text;
}

static void json_round_trip(void **state)
{
	(void)state;
	for (int32_t i = 0; i < nnopt_zoo_count(); i++)
		for (int64_t picture = 0; picture <= SIDE; picture += SIDE) {
			nnopt_model *m = by_name(nnopt_zoo_name(i), picture, 1.0, -1.0), *copy = NULL;
			char *text = json_of(m);
			assert_ok(nnopt_model_from_json(&copy, ctx, text, strlen(text)));
			char *again = json_of(copy);
			assert_string_equal(text, again);
			free(again);
			free(text);
			nnopt_model_destroy(copy);
			nnopt_model_destroy(m);
		}
}

/* --- one step of training --- */

static bool all_finite(const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (!isfinite(x[i]))
			return false;
	return true;
}

static bool any_nonzero(const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (x[i] != 0.0f)
			return true;
	return false;
}

static void check_gradients(nnopt_model *m, const char *name)
{
	nnopt_model_blocks blocks = { .struct_size = sizeof blocks };
	assert_ok(nnopt_model_get_blocks(m, &blocks));
	for (int32_t k = 0; k < nnopt_model_parameter_count(m); k++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		assert_ok(nnopt_model_parameter_info(m, k, &info));
		if (info.role == NNOPT_ROLE_STATE)
			continue;
		const float *g = blocks.gradients + info.block_offset;
		if (!all_finite(g, info.count) || !any_nonzero(g, info.count))
			fail_msg("%s: the gradient of %s is %s", name, info.name,
				 all_finite(g, info.count) ? "zero" : "not finite");
	}
}

static void train_once(nnopt_model *m, const char *name, const nnopt_tensor *x, const nnopt_tensor *labels,
		       nnopt_loss *loss)
{
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	const nnopt_tensor *y = NULL;
	nnopt_loss_result result = { .struct_size = sizeof result };
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = PICTURES;
	o.rank = 3;
	o.shape[0] = 3;
	o.shape[1] = o.shape[2] = SIDE;
	o.mode = NNOPT_TRAINING;
	assert_ok(nnopt_plan_create(&plan, m, &o));
	assert_ok(nnopt_plan_forward(plan, x, &y));
	assert_ok(nnopt_loss_compute(loss, y, labels, 1.0f, nnopt_plan_output_gradient(plan), &result));
	if (!isfinite(result.value))
		fail_msg("%s: the loss is %g", name, result.value);
	assert_ok(nnopt_plan_backward(plan, 0));
	check_gradients(m, name);
	nnopt_plan_destroy(plan);
}

static void every_network_trains(void **state)
{
	(void)state;
	static const char *const names[] = {
		"plain_cnn",   "vgg11",        "vgg13_bn",        "resnet18",          "resnext50_32x4d", "se_resnet18",
		"resnet20",    "se_resnet20",  "preact_resnet18", "preact_resnet50",   "wrn_16_4",        "speed_net94",
		"speed_net96", "mobilenet_v1", "mobilenet_v2",    "efficientnet_lite0"
	};
	nnopt_tensor *x = NULL, *labels = NULL;
	nnopt_loss *loss = NULL;
	assert_ok(nnopt_tensor_create(&x, ctx, NNOPT_F32, 4, (const int64_t[]){ PICTURES, 3, SIDE, SIDE }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, (const int64_t[]){ PICTURES }, NNOPT_NCHW));
	assert_ok(nnopt_cross_entropy_create(&loss, ctx, NULL));
	float *values = nnopt_tensor_data(x);
	for (int64_t i = 0; i < nnopt_tensor_count(x); i++)
		values[i] = sinf((float)(i % 1009));
	((int32_t *)nnopt_tensor_data(labels))[0] = 3;
	((int32_t *)nnopt_tensor_data(labels))[1] = 7;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		nnopt_model *m = by_name(names[i], SIDE, 1.0, -1.0);
		train_once(m, names[i], x, labels, loss);
		nnopt_model_destroy(m);
	}
	nnopt_loss_destroy(loss);
	nnopt_tensor_destroy(labels);
	nnopt_tensor_destroy(x);
}

/* --- options --- */

static int64_t occurrences(const nnopt_model *m, const char *words)
{
	int64_t n = 0;
	char *text = json_of(m);
	for (const char *at = strstr(text, words); at != NULL; at = strstr(at + 1, words))
		n++;
	free(text);
	return n;
}

static void expect(nnopt_model *m, const char *words, int64_t times)
{
	int64_t found = occurrences(m, words);
	if (found != times)
		fail_msg("%s is there %d times, %d wanted", words, (int)found, (int)times);
	nnopt_model_destroy(m);
}

static void options_reach_the_layers(void **state)
{
	(void)state;
	nnopt_resnet_options r;
	nnopt_model *m = NULL;
	expect(by_name("resnet18", 0, 1.0, -1.0), "\"kernel_h\": 7", 1);
	expect(by_name("resnet18", 65, 1.0, -1.0), "\"kernel_h\": 7", 1);
	expect(by_name("resnet18", 64, 1.0, -1.0), "\"kernel_h\": 7", 0);
	expect(by_name("resnet18", 64, 0.5, -1.0), "\"out_channels\": 32,", 5);
	expect(by_name("resnet18", 64, 1.0, 0.25), "\"p\": 0.25", 1);
	expect(by_name("resnet18", 64, 1.0, -1.0), "\"kind\": \"dropout\"", 0);
	expect(by_name("vgg11", 224, 1.0, -1.0), "\"p\": 0.5", 2);
	expect(by_name("vgg11", 224, 1.0, 0.0), "\"kind\": \"dropout\"", 0);
	expect(by_name("mobilenet_v2", 224, 1.0, -1.0), "\"p\": 0.2", 1);
	expect(by_name("mobilenet_v2", 32, 0.35, -1.0), "\"out_channels\": 1280,", 1);
	expect(by_name("mobilenet_v2", 32, 1.5, -1.0), "\"out_channels\": 1920,", 1);
	expect(by_name("wrn_16_4", 32, 1.0, 0.3), "\"p\": 0.3", 6);
	expect(by_name("efficientnet_lite4", 0, 1.0, -1.0), "\"p\": 0.3", 1);
	expect(by_name("plain_cnn", 0, 1.0, 0.125), "\"p\": 0.125", 1);
	expect(by_name("efficientnet_lite0", 0, 1.0, -1.0), "\"kind\": \"stochastic_depth\"", 9);
	expect(by_name("speed_net96", 0, 1.0, -1.0), "\"weight_init\": 9", 9);
	expect(by_name("se_resnet18", 0, 1.0, -1.0), "\"kind\": \"multiply\"", 8);
	assert_ok(nnopt_resnet_options_init(&r, sizeof r));
	r.zero_init = 1;
	assert_ok(nnopt_resnet_create(&m, ctx, 50, CLASSES, &r));
	expect(m, "\"scale_value\": 0,", 16);
	r.stochastic_depth = 0.5;
	assert_ok(nnopt_resnet_create(&m, ctx, 18, CLASSES, &r));
	char *text = json_of(m);
	assert_non_null(strstr(
	    text,
	    "\"stochastic_depth\", \"name\": \"stochastic_depth1\", \"inputs\": [\"layer1.0.bn2\"], \"p\": 0.0625"));
	assert_non_null(strstr(text, "\"name\": \"stochastic_depth8\", \"inputs\": [\"layer4.1.bn2\"], \"p\": 0.5"));
	free(text);
	nnopt_model_destroy(m);
	nnopt_cifar_resnet_options c;
	assert_ok(nnopt_cifar_resnet_options_init(&c, sizeof c));
	c.zero_init = 1;
	assert_ok(nnopt_cifar_resnet_create(&m, ctx, 20, CLASSES, &c));
	expect(m, "\"scale_value\": 0,", 9);
	nnopt_plain_cnn_options p;
	assert_ok(nnopt_plain_cnn_options_init(&p, sizeof p));
	p.hidden = 0;
	assert_ok(nnopt_plain_cnn_create(&m, ctx, CLASSES, &p));
	expect(m, "\"kind\": \"linear\"", 1);
}

/* The way that the header shows: whitened from pictures, and kept. */
static void speed_net_is_whitened(void **state)
{
	(void)state;
	nnopt_model *m = by_name("speed_net94", SIDE, 0.25, -1.0);
	nnopt_tensor *images = NULL, *weight = NULL;
	nnopt_parameter_info info = { .struct_size = sizeof info };
	int32_t index = -1, changed = 0;
	assert_ok(nnopt_model_build(m, 3, (const int64_t[]){ 3, SIDE, SIDE }));
	assert_ok(nnopt_model_find_parameter(m, "whiten.weight", &index));
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_F32, 4, (const int64_t[]){ 8, 3, SIDE, SIDE }, NNOPT_NCHW));
	float *x = nnopt_tensor_data(images);
	for (int64_t i = 0; i < nnopt_tensor_count(images); i++)
		x[i] = sinf((float)(i * i % 10007));
	assert_ok(nnopt_model_initialise_whitening(m, index, images, 5e-4));
	assert_ok(nnopt_model_set_trainable(m, "whiten.weight", 0, &changed));
	assert_int_equal(changed, 1);
	assert_ok(nnopt_model_parameter_info(m, index, &info));
	assert_ok(nnopt_tensor_create(&weight, ctx, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
	assert_ok(nnopt_model_get_parameter(m, index, weight));
	const float *w = nnopt_tensor_const_data(weight);
	int64_t half = info.count / 2;
	assert_int_equal(half, 12 * 12);
	for (int64_t i = 0; i < half; i++)
		assert_true(w[i] == -w[half + i]);
	nnopt_tensor_destroy(weight);
	nnopt_tensor_destroy(images);
	nnopt_model_destroy(m);
}

static void named_networks_are_refused(void **state)
{
	(void)state;
	nnopt_zoo_options o;
	nnopt_model *m = NULL;
	nnopt_zoo_info info = { .struct_size = sizeof info };
	assert_ok(nnopt_zoo_options_init(&o, sizeof o));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "'resnet19'", nnopt_zoo_create(&m, ctx, "resnet19", 10, NULL));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "'resnet19'", nnopt_zoo_get_info("resnet19", &info));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "name is NULL", nnopt_zoo_create(&m, ctx, NULL, 10, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "out is NULL", nnopt_zoo_create(NULL, ctx, "resnet18", 10, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "context is NULL", nnopt_zoo_create(&m, NULL, "resnet18", 10, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "resnet18: classes 0",
		     nnopt_zoo_create(&m, ctx, "resnet18", 0, NULL));
	o.picture = -1;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "picture -1", nnopt_zoo_create(&m, ctx, "resnet18", 10, &o));
	o.picture = 32;
	o.width = 0.5;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "width 0.5, 1 wanted",
		     nnopt_zoo_create(&m, ctx, "wrn_28_10", 10, &o));
	o.width = NAN;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "width nan", nnopt_zoo_create(&m, ctx, "resnet18", 10, &o));
	o.width = 0.1; /* narrower than a group of the published one */
	assert_ok(nnopt_zoo_create(&m, ctx, "resnext50_32x4d", 10, &o));
	nnopt_model_destroy(m);
	m = NULL;
	o.width = 1.0;
	o.dropout = 1.0;
	for (int32_t i = 0; i < nnopt_zoo_count(); i++)
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "dropout 1",
			     nnopt_zoo_create(&m, ctx, nnopt_zoo_name(i), 10, &o));
	o.dropout = -0.5;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "dropout -0.5", nnopt_zoo_create(&m, ctx, "vgg11", 10, &o));
	assert_null(m);
}

/* One field of a family's options is out of range. */
#define REFUSES(type, field, value, words, call)                         \
	do {                                                             \
		type##_options o;                                        \
		nnopt_model *m = NULL;                                   \
		assert_ok(type##_options_init(&o, sizeof o));            \
		o.field = value;                                         \
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words, call); \
		assert_null(m);                                          \
	} while (0)

static void options_are_refused(void **state)
{
	(void)state;
	REFUSES(nnopt_plain_cnn, depth, 0, "depth 0", nnopt_plain_cnn_create(&m, ctx, 10, &o));
	REFUSES(nnopt_plain_cnn, depth, 9, "depth 9", nnopt_plain_cnn_create(&m, ctx, 10, &o));
	REFUSES(nnopt_plain_cnn, hidden, -1, "hidden -1", nnopt_plain_cnn_create(&m, ctx, 10, &o));
	REFUSES(nnopt_plain_cnn, width, 0.0, "width 0", nnopt_plain_cnn_create(&m, ctx, 10, &o));
	REFUSES(nnopt_plain_cnn, dropout, NAN, "dropout nan", nnopt_plain_cnn_create(&m, ctx, 10, &o));
	REFUSES(nnopt_vgg, hidden, 0, "hidden 0", nnopt_vgg_create(&m, ctx, 11, 10, &o));
	REFUSES(nnopt_vgg, form, 2, "form 2", nnopt_vgg_create(&m, ctx, 11, 10, &o));
	REFUSES(nnopt_vgg, width, 65.0, "width 65", nnopt_vgg_create(&m, ctx, 11, 10, &o));
	REFUSES(nnopt_resnet, groups, 0, "groups 0", nnopt_resnet_create(&m, ctx, 50, 10, &o));
	REFUSES(nnopt_resnet, groups, 2, "groups 2, 1 in basic", nnopt_resnet_create(&m, ctx, 18, 10, &o));
	REFUSES(nnopt_resnet, width_per_group, 128, "width_per_group 128", nnopt_resnet_create(&m, ctx, 34, 10, &o));
	REFUSES(nnopt_resnet, width_per_group, 0, "width_per_group 0", nnopt_resnet_create(&m, ctx, 50, 10, &o));
	REFUSES(nnopt_resnet, form, -1, "form -1", nnopt_resnet_create(&m, ctx, 18, 10, &o));
	REFUSES(nnopt_resnet, dropout, 2.0, "dropout 2", nnopt_resnet_create(&m, ctx, 18, 10, &o));
	REFUSES(nnopt_resnet, squeeze, -1, "squeeze -1", nnopt_resnet_create(&m, ctx, 18, 10, &o));
	REFUSES(nnopt_resnet, stochastic_depth, 1.0, "stochastic_depth 1", nnopt_resnet_create(&m, ctx, 18, 10, &o));
	REFUSES(nnopt_cifar_resnet, squeeze, 5000, "squeeze 5000", nnopt_cifar_resnet_create(&m, ctx, 20, 10, &o));
	REFUSES(nnopt_efficientnet_lite, stochastic_depth, -1.0, "stochastic_depth -1",
		nnopt_efficientnet_lite_create(&m, ctx, 0, 10, &o));
	REFUSES(nnopt_speed_net, scale, 0.0, "scale 0", nnopt_speed_net_create(&m, ctx, 94, 10, &o));
	REFUSES(nnopt_speed_net, width, NAN, "width nan", nnopt_speed_net_create(&m, ctx, 94, 10, &o));
	REFUSES(nnopt_cifar_resnet, width, -1.0, "width -1", nnopt_cifar_resnet_create(&m, ctx, 20, 10, &o));
	REFUSES(nnopt_preact_resnet, width, -1.0, "width -1", nnopt_preact_resnet_create(&m, ctx, 18, 10, &o));
	REFUSES(nnopt_wide_resnet, dropout, -1.0, "dropout -1", nnopt_wide_resnet_create(&m, ctx, 16, 4, 10, &o));
	REFUSES(nnopt_mobilenet, form, 3, "form 3", nnopt_mobilenet_v1_create(&m, ctx, 10, &o));
	REFUSES(nnopt_mobilenet, width, 1e9, "width 1e+09", nnopt_mobilenet_v2_create(&m, ctx, 10, &o));
	REFUSES(nnopt_efficientnet_lite, form, 7, "form 7", nnopt_efficientnet_lite_create(&m, ctx, 0, 10, &o));
}

static void sizes_are_refused(void **state)
{
	(void)state;
	nnopt_model *m = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "vgg: depth 12", nnopt_vgg_create(&m, ctx, 12, 10, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "resnet: depth 20", nnopt_resnet_create(&m, ctx, 20, 10, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "depth 18", nnopt_cifar_resnet_create(&m, ctx, 18, 10, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "depth 20", nnopt_preact_resnet_create(&m, ctx, 20, 10, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "depth 17", nnopt_wide_resnet_create(&m, ctx, 17, 4, 10, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "widen 0", nnopt_wide_resnet_create(&m, ctx, 16, 0, 10, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "variant 5", nnopt_efficientnet_lite_create(&m, ctx, 5, 10, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "variant -1", nnopt_efficientnet_lite_create(&m, ctx, -1, 10, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "target 93", nnopt_speed_net_create(&m, ctx, 93, 10, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "classes -3", nnopt_plain_cnn_create(&m, ctx, -3, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "classes 1099511627776",
		     nnopt_mobilenet_v1_create(&m, ctx, (int64_t)1 << 40, NULL));
	assert_null(m);
	/* Too small a picture for so many halvings is seen when the model is built. */
	m = by_name("vgg11", 16, 1.0, -1.0);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "max_pool2d",
		     nnopt_model_build(m, 3, (const int64_t[]){ 3, 16, 16 }));
	nnopt_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_round_trip),
		cmocka_unit_test(every_network_trains),
		cmocka_unit_test(options_reach_the_layers),
		cmocka_unit_test(speed_net_is_whitened),
		cmocka_unit_test(named_networks_are_refused),
		cmocka_unit_test(options_are_refused),
		cmocka_unit_test(sizes_are_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
