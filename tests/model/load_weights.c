/* load_weights.c - PyTorch's weights in a model: its logits, renaming, what is left out, the report; and another head
 * in a loaded network. */
#include "check.h"

#include <math.h>
#include <stdio.h>

#define FILES TEST_DATA "/torch/"

static const float logits[] = {
#include "golden/torch/net_logits.inc"
};

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

/* The network of make_torch_files.py, its layers' names behind `prefix`. */
static nnopt_model *make_net(const char *prefix, int64_t classes)
{
	static const char json[] =
	    "{\"format\": \"nnopt-model\", \"version\": 1, \"input\": [2, 5, 5], \"layers\": ["
	    "{\"kind\": \"conv2d\", \"name\": \"%sconv\", \"inputs\": [\"input\"], \"out_channels\": 6, \"kernel_h\": "
	    "3, "
	    "\"kernel_w\": 3, \"padding_h\": 1, \"padding_w\": 1},"
	    "{\"kind\": \"batch_norm2d\", \"name\": \"%sbn\", \"inputs\": [\"%sconv\"]},"
	    "{\"kind\": \"relu\", \"name\": \"relu\", \"inputs\": [\"%sbn\"]},"
	    "{\"kind\": \"conv2d\", \"name\": \"%sdeep\", \"inputs\": [\"relu\"], \"out_channels\": 6, \"kernel_h\": "
	    "3, "
	    "\"kernel_w\": 2, \"groups\": 3, \"use_bias\": false},"
	    "{\"kind\": \"flatten\", \"name\": \"flatten\", \"inputs\": [\"%sdeep\"]},"
	    "{\"kind\": \"linear\", \"name\": \"%sfc\", \"inputs\": [\"flatten\"], \"out_features\": %lld}]}";
	char text[2048];
	nnopt_model *m = NULL;
	const char *p = prefix;
	snprintf(text, sizeof text, json, p, p, p, p, p, p, p, (long long)classes);
	assert_ok(nnopt_model_from_json(&m, ctx, text, strlen(text)));
	return m;
}

static void assert_logits(nnopt_model *m)
{
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	nnopt_tensor *x = NULL;
	const nnopt_tensor *y = NULL;
	float got[10];
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = 2;
	assert_ok(nnopt_plan_create(&plan, m, &o));
	assert_ok(nnopt_tensor_create(&x, ctx, NNOPT_F32, 4, (int64_t[]){ 2, 2, 5, 5 }, NNOPT_NCHW));
	for (int i = 0; i < 100; i++)
		((float *)nnopt_tensor_data(x))[i] = (float)(i * 37 % 101 - 50) / 64;
	assert_ok(nnopt_plan_forward(plan, x, &y));
	assert_ok(nnopt_tensor_copy_out(y, got, sizeof got, NNOPT_F32, NNOPT_NCHW));
	for (int i = 0; i < 10; i++)
		if (!(fabsf(got[i] - logits[i]) < 1e-6f))
			fail_msg("logit %d: %.9g, %.9g wanted", i, (double)got[i], (double)logits[i]);
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
}

static nnopt_load_options defaults(void)
{
	nnopt_load_options o;
	assert_ok(nnopt_load_options_init(&o, sizeof o));
	assert_int_equal(o.strict, 1);
	return o;
}

static void assert_counts(const nnopt_load_result *r, int loaded, int missing, int unexpected, int mismatched,
			  int skipped)
{
	assert_int_equal(r->loaded, loaded);
	assert_int_equal(r->missing, missing);
	assert_int_equal(r->unexpected, unexpected);
	assert_int_equal(r->mismatched, mismatched);
	assert_int_equal(r->skipped, skipped);
}

static void assert_report(const nnopt_model *m, const char *line)
{
	char text[2048];
	assert_ok(nnopt_model_load_report(m, text, sizeof text, NULL));
	if (strstr(text, line) == NULL)
		fail_msg("the report \"%s\" lacks \"%s\"", text, line);
}

static void logits_are_pytorchs(void **state)
{
	(void)state;
	nnopt_model *m = make_net("", 5);
	assert_fails(NNOPT_ERROR_STATE, "no weights", nnopt_model_load_report(m, NULL, 0, &(size_t){ 0 }));
	assert_ok(nnopt_model_load_weights(m, FILES "net_legacy.pth", 1));
	assert_logits(m);
	assert_report(m, "loaded 9, missing 0, unexpected 0, mismatched 0, skipped 0\n");
	nnopt_model_destroy(m);
	/* Saved from DataParallel, in a dict, its convolutions in channels_last. */
	nnopt_load_options o = defaults();
	nnopt_load_result r = { .struct_size = sizeof r };
	m = make_net("", 5);
	assert_fails(NNOPT_ERROR_FORMAT, "conv.weight", nnopt_model_load_weights_with(m, FILES "net.pth", &o, &r));
	assert_counts(&r, 0, 9, 9, 0, 0);
	assert_report(m, "missing bn.running_var\n");
	assert_report(m, "unexpected module.fc.bias\n");
	o.strip_prefix = "module.";
	assert_ok(nnopt_model_load_weights_with(m, FILES "net.pth", &o, &r));
	assert_counts(&r, 9, 0, 0, 0, 0);
	assert_logits(m);
	nnopt_model_destroy(m);
}

static void names_are_mapped(void **state)
{
	(void)state;
	static const char *const from[] = { "module.fc.weight", "module.fc.", "module." }, *const to[] = {
		"body.fc.weight", "body.fc.", "body."
	};
	nnopt_load_options o = defaults();
	nnopt_load_result r = { .struct_size = sizeof r };
	nnopt_model *m = make_net("body.", 5);
	o.rename_from = from;
	o.rename_to = to;
	o.rename_count = 3;
	assert_ok(nnopt_model_load_weights_with(m, FILES "net.pth", &o, &r));
	assert_counts(&r, 9, 0, 0, 0, 0);
	assert_logits(m);
	nnopt_model_destroy(m);
	m = make_net("body.", 5);
	o = defaults();
	o.strip_prefix = "module.";
	o.rename_from = (const char *const[]){ "" };
	o.rename_to = (const char *const[]){ "body." };
	o.rename_count = 1;
	assert_ok(nnopt_model_load_weights_with(m, FILES "net.pth", &o, &r));
	assert_logits(m);
	o.rename_to = NULL;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "rename_to",
		     nnopt_model_load_weights_with(m, FILES "net.pth", &o, &r));
	nnopt_model_destroy(m);
	m = make_net("", 5);
	o = defaults();
	o.strip_prefix = "module.";
	o.rename_from = (const char *const[]){ "conv.bias" };
	o.rename_to = (const char *const[]){ "bn.bias" };
	o.rename_count = 1;
	assert_fails(NNOPT_ERROR_FORMAT, "renamed to 'bn.bias'",
		     nnopt_model_load_weights_with(m, FILES "net.pth", &o, &r));
	nnopt_model_destroy(m);
}

static float first_of(nnopt_model *m, const char *name)
{
	int32_t i;
	nnopt_parameter_info info = { .struct_size = sizeof info };
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_model_find_parameter(m, name, &i));
	assert_ok(nnopt_model_parameter_info(m, i, &info));
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
	assert_ok(nnopt_model_get_parameter(m, i, t));
	float v = *(const float *)nnopt_tensor_const_data(t);
	nnopt_tensor_destroy(t);
	return v;
}

static void heads_of_other_shapes(void **state)
{
	(void)state;
	nnopt_load_options o = defaults();
	nnopt_load_result r = { .struct_size = sizeof r };
	nnopt_model *m = make_net("", 3);
	float head = first_of(m, "fc.weight"), body = first_of(m, "conv.weight");
	assert_fails(NNOPT_ERROR_FORMAT, "(5, 72)", nnopt_model_load_weights(m, FILES "net_legacy.pth", 0));
	assert_true(first_of(m, "conv.weight") == body);
	o.skip_mismatched = 1;
	assert_ok(nnopt_model_load_weights_with(m, FILES "net_legacy.pth", &o, &r));
	assert_counts(&r, 7, 0, 0, 2, 0);
	assert_report(m, "mismatched fc.weight (5, 72) (3, 72)\n");
	assert_true(first_of(m, "fc.weight") == head && first_of(m, "conv.weight") != body);
	nnopt_model_destroy(m);
	m = make_net("", 3);
	o = defaults();
	o.skip = (const char *const[]){ "bn.bias", "fc." };
	o.skip_count = 2;
	assert_ok(nnopt_model_load_weights_with(m, FILES "net_legacy.pth", &o, &r));
	assert_counts(&r, 6, 0, 0, 0, 3);
	assert_report(m, "skipped fc.bias\n");
	assert_true(first_of(m, "fc.weight") == head && first_of(m, "bn.bias") == 0.0f);
	nnopt_model_destroy(m);
}

static nnopt_layer *make_linear(int64_t features, const char *name)
{
	nnopt_layer *l = NULL;
	assert_ok(nnopt_linear_create(&l, ctx, features, NULL));
	if (name != NULL)
		assert_ok(nnopt_layer_set_name(l, name));
	return l;
}

static void another_head(void **state)
{
	(void)state;
	nnopt_model *m = make_net("", 5), *wanted = make_net("", 3);
	nnopt_layer *head = make_linear(3, NULL), *other = NULL;
	nnopt_plan *plan = NULL;
	nnopt_plan_options o;
	const nnopt_tensor *y = NULL;
	nnopt_parameter_info info = { .struct_size = sizeof info };
	int32_t i;
	assert_ok(nnopt_model_load_weights(m, FILES "net_legacy.pth", 1));
	assert_ok(nnopt_model_set_trainable(m, "conv.", 0, NULL));
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.mode = NNOPT_TRAINING;
	assert_ok(nnopt_plan_create(&plan, m, &o));
	float body = first_of(m, "conv.weight"), variance = first_of(m, "bn.running_var");
	assert_ok(nnopt_model_replace_layer(m, "fc", head));
	assert_true(first_of(m, "conv.weight") == body && first_of(m, "bn.running_var") == variance);
	assert_true(first_of(m, "fc.weight") == first_of(wanted, "fc.weight")); /* the seed's */
	assert_ok(nnopt_model_find_parameter(m, "conv.weight", &i));
	assert_ok(nnopt_model_parameter_info(m, i, &info));
	assert_int_equal(info.trainable, 0);
	nnopt_tensor *x = NULL;
	assert_ok(nnopt_tensor_create(&x, ctx, NNOPT_F32, 4, (int64_t[]){ 1, 2, 5, 5 }, NNOPT_NCHW));
	assert_fails(NNOPT_ERROR_STATE, "replaced", nnopt_plan_forward(plan, x, &y));
	nnopt_plan_destroy(plan);
	assert_ok(nnopt_plan_create(&plan, m, &o));
	assert_ok(nnopt_plan_forward(plan, x, &y));
	assert_int_equal(nnopt_tensor_extent(y, 1), 3);
	assert_ok(nnopt_tensor_fill(nnopt_plan_output_gradient(plan), 1.0));
	assert_ok(nnopt_plan_backward(plan, 0));
	nnopt_plan_destroy(plan);
	nnopt_tensor_destroy(x);
	/* What does not fit changes nothing. */
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "in a model", nnopt_model_replace_layer(m, "fc", head));
	nnopt_layer_destroy(head);
	other = make_linear(7, "conv");
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "conv", nnopt_model_replace_layer(m, "fc", other));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "'nothing'", nnopt_model_replace_layer(m, "nothing", other));
	nnopt_layer_destroy(other);
	assert_ok(nnopt_conv2d_create(&other, ctx, 6, 2, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "fc.weight", nnopt_model_replace_layer(m, "deep", other));
	nnopt_layer_destroy(other);
	assert_ok(nnopt_add_create(&other, ctx));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "inputs", nnopt_model_replace_layer(m, "fc", other));
	nnopt_layer_destroy(other);
	assert_true(first_of(m, "conv.weight") == body);
	/* By its own name, and before a model is built. */
	other = make_linear(2, "head");
	assert_ok(nnopt_model_replace_layer(m, "fc", other));
	nnopt_layer_destroy(other);
	(void)first_of(m, "head.weight");
	nnopt_model_destroy(m);
	nnopt_model_destroy(wanted);
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_flatten(m));
	assert_ok(nnopt_add_linear(m, 5, NULL));
	other = make_linear(2, NULL);
	assert_ok(nnopt_model_replace_layer(m, "linear1", other));
	nnopt_layer_destroy(other);
	assert_ok(nnopt_model_build(m, 1, (int64_t[]){ 4 }));
	assert_ok(nnopt_model_find_parameter(m, "linear1.weight", &i));
	assert_ok(nnopt_model_parameter_info(m, i, &info));
	assert_int_equal(info.shape[0], 2);
	nnopt_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logits_are_pytorchs),
		cmocka_unit_test(names_are_mapped),
		cmocka_unit_test(heads_of_other_shapes),
		cmocka_unit_test(another_head),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
