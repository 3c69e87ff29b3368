/* zoo_counts.c - every named network, in each of its forms, against PyTorch's (tests/golden/make_zoo.py): parameters,
 * multiply-accumulates, and the names and shapes of all tensors. */
#include "check.h"

#include <stdbool.h>

#include <stdio.h>

typedef struct row {
	const char *name;
	int64_t picture, classes, parameters, macs;
	uint64_t names;
} row;

static const row rows[] = {
#include "golden/zoo_counts.inc"
};
enum { ROWS = sizeof rows / sizeof *rows, MOST_TENSORS = 1024, LINE = 128 };

static int by_bytes(const void *a, const void *b) { return strcmp(a, b); }

/* FNV-1a over the sorted lines "name:2x3\n". */
static uint64_t names_hash(const nnopt_model *model)
{
	static char lines[MOST_TENSORS][LINE];
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	int32_t count = nnopt_model_parameter_count(model);
	assert_true(count <= MOST_TENSORS);
	for (int32_t i = 0; i < count; i++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		assert_ok(nnopt_model_parameter_info(model, i, &info));
		int at = snprintf(lines[i], LINE, "%s:", info.name);
		for (int32_t k = 0; k < info.rank; k++)
			at += snprintf(lines[i] + at, (size_t)(LINE - at), "%s%lld", k > 0 ? "x" : "",
				       (long long)info.shape[k]);
		snprintf(lines[i] + at, (size_t)(LINE - at), "\n");
	}
	qsort(lines, (size_t)count, LINE, by_bytes);
	for (int32_t i = 0; i < count; i++)
		for (const char *c = lines[i]; *c != '\0'; c++)
			hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	return hash;
}

static int check_row(nnopt_context *context, const row *r)
{
	nnopt_model *model = NULL;
	nnopt_plan *plan = NULL;
	nnopt_zoo_options zoo;
	nnopt_plan_options o;
	nnopt_plan_info info = { .struct_size = sizeof info };
	assert_ok(nnopt_zoo_options_init(&zoo, sizeof zoo));
	zoo.picture = r->picture;
	assert_ok(nnopt_zoo_create(&model, context, r->name, r->classes, &zoo));
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.rank = 3;
	o.shape[0] = 3;
	o.shape[1] = o.shape[2] = r->picture;
	assert_ok(nnopt_plan_create(&plan, model, &o));
	assert_ok(nnopt_plan_get_info(plan, &info));
	bool right = info.parameters == r->parameters && info.macs == r->macs && names_hash(model) == r->names;
	if (!right)
		print_error("%s of %lldx%lld: %lld parameters and %lld MACs, %lld and %lld in PyTorch; names %s\n",
			    r->name, (long long)r->picture, (long long)r->picture, (long long)info.parameters,
			    (long long)info.macs, (long long)r->parameters, (long long)r->macs,
			    names_hash(model) == r->names ? "equal" : "differ");
	assert_int_equal(info.output_shape[1], r->classes);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(model);
	return right ? 0 : 1;
}

static void equal_pytorch(void **state)
{
	(void)state;
	nnopt_context *context = NULL;
	int failures = 0;
	assert_ok(nnopt_context_create(&context, NULL));
	for (int i = 0; i < ROWS; i++)
		failures += check_row(context, &rows[i]);
	nnopt_context_destroy(context);
	assert_int_equal(failures, 0);
}

/* A network without rows would not be compared at all. */
static void every_name_has_its_forms(void **state)
{
	(void)state;
	for (int32_t i = 0; i < nnopt_zoo_count(); i++) {
		nnopt_zoo_info info = { .struct_size = sizeof info };
		assert_ok(nnopt_zoo_get_info(nnopt_zoo_name(i), &info));
		bool published = false, small = false;
		for (int k = 0; k < ROWS; k++)
			if (strcmp(rows[k].name, info.name) == 0) {
				published |= rows[k].picture == info.picture && rows[k].classes == info.classes;
				small |= rows[k].picture == 32;
			}
		if (!published || !small)
			fail_msg("%s: published form %d, for 32x32 %d", info.name, published, small);
		assert_int_equal(info.forms, info.picture != 32);
	}
	assert_null(nnopt_zoo_name(nnopt_zoo_count()));
	assert_null(nnopt_zoo_name(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_has_its_forms),
		cmocka_unit_test(equal_pytorch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
