/* options.h - what the tests of layers' options share. */
#ifndef TESTS_LAYER_OPTIONS_H
#define TESTS_LAYER_OPTIONS_H

#include "check.h"

#include <stdio.h>

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

/* The JSON of a model of this one layer, of two inputs where `joins`, contains `fields` and makes the same; destroys
 * it. */
static void expect_fields_of(nnopt_layer *layer, int joins, const char *fields)
{
	nnopt_model *m = NULL, *copy = NULL;
	char text[2048], again[2048];
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(
	    nnopt_model_connect(m, layer, (int32_t[]){ NNOPT_INPUT_NODE, NNOPT_INPUT_NODE }, joins ? 2 : 1, NULL));
	assert_ok(nnopt_model_to_json(m, text, sizeof text, NULL));
	if (strstr(text, fields) == NULL)
		fail_msg("%s: the JSON\n%slacks\n%s", nnopt_layer_kind(layer), text, fields);
	assert_ok(nnopt_model_from_json(&copy, ctx, text, strlen(text)));
	assert_ok(nnopt_model_to_json(copy, again, sizeof again, NULL));
	assert_string_equal(text, again);
	nnopt_layer_destroy(layer);
	nnopt_model_destroy(copy);
	nnopt_model_destroy(m);
}

static void expect_fields(nnopt_layer *layer, const char *fields) { expect_fields_of(layer, 0, fields); }

/* Layers, and a shape of a sample that they refuse, saying why. */
typedef struct refused {
	const char *layers; /* as in a model's JSON */
	int32_t rank;
	int64_t shape[3];
	const char *words;
} refused;

static void expect_refused(const refused *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char text[512];
		nnopt_model *m = NULL;
		int n = snprintf(text, sizeof text, "{\"format\": \"nnopt-model\", \"version\": 1, \"layers\": [%s]}",
				 cases[i].layers);
		assert_ok(nnopt_model_from_json(&m, ctx, text, (size_t)n));
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, cases[i].words,
			     nnopt_model_build(m, cases[i].rank, cases[i].shape));
		nnopt_model_destroy(m);
	}
}

#endif
