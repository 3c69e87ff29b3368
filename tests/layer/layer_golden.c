/* layer_golden.c - every layer kind against PyTorch (make_layers.py and make_recurrent.py of tests/golden/), on every
 * ISA, with and without rewrites, in both layouts, and in plans for more samples than run. */
#include "golden.h"
#include "isas.h"
#include "layer_rows.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

enum { LARGEST = 1 << 15 };

static float *golden;
static int failures;
static double worst; /* deviation from a tensor's largest magnitude */

/* A whole file, behind the `count` numbers that are there already and no further than `most`; their number then, or -1.
 */
static int64_t load_file(const char *path, int64_t count, int64_t most)
{
	FILE *f = fopen(path, "rb");
	unsigned char b[4];
	if (f == NULL)
		return -1;
	for (; count < most && fread(b, 1, 4, f) == 4; count++) {
		uint32_t bits = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
		memcpy(&golden[count], &bits, sizeof bits);
	}
	int more = fgetc(f);
	return fclose(f) == 0 && more == EOF ? count : -1;
}

static int load(void **state)
{
	(void)state;
	int64_t most = 0, count;
	for (int i = 0; i < ROWS; i++)
		most += rows[i].numbers;
	golden = malloc((size_t)most * sizeof *golden);
	if (golden == NULL)
		return -1;
	count = load_file(TEST_DATA "/layers.f32", 0, most);
	count = count < 0 ? -1 : load_file(TEST_DATA "/recurrent.f32", count, most);
	return count == most ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	free(golden);
	return 0;
}

static double tensor_number(uint32_t stream, int64_t i, double scale, double offset)
{
	return (double)(float)((double)number(stream, (uint32_t)i) * scale + offset);
}

static void set_parameters(nnopt_model *model, nnopt_context *context)
{
	for (int32_t k = 0; k < nnopt_model_parameter_count(model); k++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		nnopt_tensor *t = NULL;
		assert_ok(nnopt_model_parameter_info(model, k, &info));
		assert_ok(nnopt_tensor_create(&t, context, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
		bool positive = strstr(info.name, "running_var") != NULL;
		bool whole = info.role == NNOPT_ROLE_STATE || info.role == NNOPT_ROLE_SCALE;
		float *x = nnopt_tensor_data(t);
		for (int64_t i = 0; i < info.count; i++)
			x[i] = (float)tensor_number(100 + (uint32_t)k, i, whole ? 1.0 : 0.5, positive ? 2.5 : 0.0);
		assert_ok(nnopt_model_set_parameter(model, k, t));
		nnopt_tensor_destroy(t);
	}
}

typedef struct trial {
	const row *r;
	nnopt_context *context;
	nnopt_model *model;
	nnopt_plan *plan;
	const float *given;
	const nnopt_tensor *output;
	int isa, fuse;
} trial;

static void start(trial *t)
{
	nnopt_plan_options o;
	assert_ok(nnopt_model_from_json(&t->model, t->context, t->r->model, strlen(t->r->model)));
	set_parameters(t->model, t->context);
	if (t->r->frozen)
		assert_ok(nnopt_model_set_trainable(t->model, "", 0, NULL));
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = t->r->batch + (t->fuse ? 0 : 2);
	o.mode = t->r->training ? NNOPT_TRAINING : NNOPT_INFERENCE;
	o.input_gradient = t->r->training;
	o.fuse = t->fuse;
	assert_ok(nnopt_plan_create(&t->plan, t->model, &o));
}

static void step(trial *t, int s)
{
	int64_t shape[NNOPT_MAX_RANK] = { t->r->batch };
	int32_t rank = nnopt_model_input_shape(t->model, shape + 1) + 1;
	nnopt_tensor *x = NULL, *input = NULL;
	assert_ok(nnopt_tensor_create(&x, t->context, NNOPT_F32, rank, shape, NNOPT_NCHW));
	float *values = nnopt_tensor_data(x);
	for (int64_t i = 0; i < nnopt_tensor_count(x); i++) {
		float v = (float)tensor_number(1 + (uint32_t)s, i, t->r->scale, t->r->offset);
		values[i] = t->given != NULL ? t->given[i] : t->r->ties ? floorf(v) : v;
	}
	assert_ok(nnopt_tensor_create(&input, t->context, NNOPT_F32, rank, shape,
				      t->fuse || rank < 4 ? NNOPT_NCHW : NNOPT_NHWC));
	assert_ok(nnopt_tensor_copy(input, x));
	assert_ok(nnopt_plan_forward(t->plan, input, &t->output));
	nnopt_tensor *gradient = nnopt_plan_output_gradient(t->plan);
	if (t->r->training && gradient != NULL) {
		static float g[LARGEST];
		int64_t n = nnopt_tensor_count(gradient);
		for (int64_t i = 0; i < n; i++)
			g[i] = number(51 + (uint32_t)s, (uint32_t)i);
		assert_ok(nnopt_tensor_copy_in(gradient, g, (size_t)n * sizeof(float), NNOPT_F32, NNOPT_NCHW));
		assert_ok(nnopt_plan_backward(t->plan, 0));
	}
	nnopt_tensor_destroy(input);
	nnopt_tensor_destroy(x);
}

/* Within 1e-5 of the tensor's largest magnitude; stored inputs reach from 1e-30 to infinity, so there each number has a
 * tolerance of its own, and those that are not finite are the same. A bias before a batch norm has a gradient of zero:
 * all that is left of it is rounding. */
static bool near_enough(const trial *t, double got, double wanted, double largest)
{
	if (!isfinite(wanted))
		return isnan(wanted) ? isnan(got) : got == wanted;
	double scale = t->given != NULL ? fabs(wanted) + 0.1 : largest < 1e-12 ? 1.0 : largest;
	worst = fmax(worst, fabs(got - wanted) / scale);
	return fabs(got - wanted) <= 1e-5 * scale;
}

/* One line for each tensor that differs, so that one run shows all of them. */
static void compare(const trial *t, const char *what, const nnopt_tensor *tensor, const float *wanted)
{
	static float got[LARGEST];
	int64_t n = nnopt_tensor_count(tensor);
	assert_true(n <= LARGEST);
	assert_ok(nnopt_tensor_copy_out(tensor, got, (size_t)n * sizeof(float), NNOPT_F32, NNOPT_NCHW));
	double largest = 0.0;
	for (int64_t i = 0; i < n; i++)
		largest = fmax(largest, fabs((double)wanted[i]));
	for (int64_t i = 0; i < n; i++)
		if (!near_enough(t, (double)got[i], (double)wanted[i], largest)) {
			print_error("%s, %s, fuse %d: %s[%d] %.9g, PyTorch %.9g (largest %g)\n", t->r->name,
				    nnopt_isa_name((nnopt_isa)t->isa), t->fuse, what, (int)i, (double)got[i],
				    (double)wanted[i], largest);
			failures++;
			return;
		}
}

/* Gradients of the parameters, or the state tensors; returns how many numbers that were. */
static int64_t compare_parameters(const trial *t, bool states, const float *wanted)
{
	int64_t used = 0;
	for (int32_t k = 0; k < nnopt_model_parameter_count(t->model); k++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		nnopt_tensor *tensor = NULL;
		assert_ok(nnopt_model_parameter_info(t->model, k, &info));
		if ((info.role == NNOPT_ROLE_STATE) != states || (!states && t->r->frozen))
			continue;
		assert_ok(nnopt_tensor_create(&tensor, t->context, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
		assert_ok(states ? nnopt_model_get_parameter(t->model, k, tensor)
				 : nnopt_model_get_gradient(t->model, k, tensor));
		compare(t, info.name, tensor, wanted + used);
		used += info.count;
		nnopt_tensor_destroy(tensor);
	}
	return used;
}

static void check_row(nnopt_context *context, const row *r, int isa, int fuse, const float *wanted)
{
	trial t = { .r = r, .context = context, .isa = isa, .fuse = fuse };
	const float *end = wanted + r->numbers;
	start(&t);
	if (r->given) {
		int64_t shape[NNOPT_MAX_RANK], n = r->batch;
		int32_t rank = nnopt_model_input_shape(t.model, shape);
		for (int32_t i = 0; i < rank; i++)
			n *= shape[i];
		t.given = wanted;
		wanted += n;
	}
	for (int s = 0; s < r->steps; s++)
		step(&t, s);
	compare(&t, "output", t.output, wanted);
	wanted += nnopt_tensor_count(t.output);
	if (r->training) {
		const nnopt_tensor *gradient = nnopt_plan_input_gradient(t.plan);
		compare(&t, "input gradient", gradient, wanted);
		wanted += nnopt_tensor_count(gradient);
		wanted += compare_parameters(&t, false, wanted);
		wanted += compare_parameters(&t, true, wanted);
	}
	assert_true(wanted == end);
	nnopt_plan_destroy(t.plan);
	nnopt_model_destroy(t.model);
}

static void equals_pytorch(void **state)
{
	(void)state;
	for (int isa = 1; isa <= ISAS; isa++) {
		nnopt_context *context = isa_context(isa, 2);
		if (context == NULL)
			continue;
		int64_t at = 0;
		for (int i = 0; i < ROWS; at += rows[i++].numbers)
			for (int fuse = 0; fuse < 2; fuse++)
				check_row(context, &rows[i], isa, fuse, golden + at);
		nnopt_context_destroy(context);
	}
	print_message("%d cases, largest relative deviation %.2g\n", ROWS, worst);
	assert_int_equal(failures, 0);
}

/* A kind without a case would not be compared at all. */
static void every_kind_has_a_case(void **state)
{
	(void)state;
	for (int32_t k = 0; k < nnopt_layer_kind_count(); k++) {
		char text[64];
		snprintf(text, sizeof text, "\"kind\":\"%s\"", nnopt_layer_kind_name(k));
		bool found = false;
		for (int i = 0; i < ROWS && !found; i++)
			found = strstr(rows[i].model, text) != NULL;
		if (!found)
			fail_msg("no case of %s", nnopt_layer_kind_name(k));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_has_a_case),
		cmocka_unit_test(equals_pytorch),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
