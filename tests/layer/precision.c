/* precision.c - every layer kind in bf16 and f16 plans against f32 ones, which layer_golden.c holds against PyTorch: on
 * every ISA, with and without rewrites, forward, all gradients and running statistics; and the same bits at any thread
 * count. */
#include "golden.h"
#include "isas.h"
#include "layer_rows.h"

#include <math.h>
#include <stdbool.h>

enum { LARGEST = 1 << 16 };

/* What a run came to: output, input gradient, parameters' gradients, state, one after the other. */
typedef struct numbers {
	float x[LARGEST];
	int64_t ends[64];
	int parts;
	int64_t count;
} numbers;

static numbers exact, rounded, again;
/* Root mean square of the deviation over that of the numbers: of one layer, of several, of several with a maximum. */
static double worst[3][3];

static void note(numbers *to, const nnopt_tensor *t)
{
	int64_t n = nnopt_tensor_count(t);
	assert_true(to->count + n <= LARGEST && to->parts < 64);
	assert_ok(nnopt_tensor_copy_out(t, to->x + to->count, (size_t)n * sizeof(float), NNOPT_F32, NNOPT_NCHW));
	to->count += n;
	to->ends[to->parts++] = to->count;
}

/* A number of 8 significant bits, which each precision holds exactly: what differs is the plan's own rounding. */
static float coarse(float x)
{
	int exponent;
	float part = frexpf(x, &exponent);
	return ldexpf(rintf(part * 128.0f) / 128.0f, exponent);
}

static void set_parameters(nnopt_model *model, nnopt_context *context)
{
	for (int32_t k = 0; k < nnopt_model_parameter_count(model); k++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		nnopt_tensor *t = NULL;
		assert_ok(nnopt_model_parameter_info(model, k, &info));
		assert_ok(nnopt_tensor_create(&t, context, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
		float *x = nnopt_tensor_data(t);
		for (int64_t i = 0; i < info.count; i++)
			x[i] = number(100 + (uint32_t)k, (uint32_t)i) * 0.5f +
			       (strstr(info.name, "running_var") != NULL ? 2.5f : 0.0f);
		assert_ok(nnopt_model_set_parameter(model, k, t));
		nnopt_tensor_destroy(t);
	}
}

static void note_parameters(numbers *to, const row *r, nnopt_model *model, nnopt_context *context)
{
	for (int32_t k = 0; k < nnopt_model_parameter_count(model); k++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		nnopt_tensor *t = NULL;
		assert_ok(nnopt_model_parameter_info(model, k, &info));
		bool state = info.role == NNOPT_ROLE_STATE;
		if (!state && (r->frozen || !r->training))
			continue;
		assert_ok(nnopt_tensor_create(&t, context, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
		assert_ok(state ? nnopt_model_get_parameter(model, k, t) : nnopt_model_get_gradient(model, k, t));
		note(to, t);
		nnopt_tensor_destroy(t);
	}
}

static void run_row(numbers *to, const row *r, nnopt_context *context, int precision, int fuse)
{
	nnopt_model *model = NULL;
	nnopt_plan *plan = NULL;
	nnopt_plan_options o;
	nnopt_tensor *input = NULL;
	const nnopt_tensor *output = NULL;
	to->count = to->parts = 0;
	assert_ok(nnopt_model_from_json(&model, context, r->model, strlen(r->model)));
	set_parameters(model, context);
	if (r->frozen)
		assert_ok(nnopt_model_set_trainable(model, "", 0, NULL));
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = r->batch + (fuse ? 0 : 2);
	o.mode = r->training ? NNOPT_TRAINING : NNOPT_INFERENCE;
	o.input_gradient = r->training;
	o.fuse = fuse;
	o.precision = precision;
	assert_ok(nnopt_plan_create(&plan, model, &o));
	/* Gradients of a loss are small, those here are not. */
	if (r->training && precision == NNOPT_PRECISION_F16)
		assert_ok(nnopt_plan_set_loss_scale(
		    plan, &(nnopt_loss_scale){ .struct_size = sizeof(nnopt_loss_scale), .scale = 1.0 }));
	int64_t shape[NNOPT_MAX_RANK] = { r->batch };
	int32_t rank = nnopt_model_input_shape(model, shape + 1) + 1;
	assert_ok(nnopt_tensor_create(&input, context, NNOPT_F32, rank, shape, NNOPT_NCHW));
	float *x = nnopt_tensor_data(input);
	for (int64_t i = 0; i < nnopt_tensor_count(input); i++)
		x[i] = coarse(number(1, (uint32_t)i) * (float)r->scale + (float)r->offset);
	assert_ok(nnopt_plan_forward(plan, input, &output));
	note(to, output);
	nnopt_tensor *gradient = nnopt_plan_output_gradient(plan);
	if (r->training && gradient != NULL) {
		static float g[LARGEST];
		int64_t n = nnopt_tensor_count(gradient);
		for (int64_t i = 0; i < n; i++)
			g[i] = coarse(number(51, (uint32_t)i));
		assert_ok(nnopt_tensor_copy_in(gradient, g, (size_t)n * sizeof(float), NNOPT_F32, NNOPT_NCHW));
		assert_ok(nnopt_plan_backward(plan, 0));
		note(to, nnopt_plan_input_gradient(plan));
		note_parameters(to, r, model, context);
	}
	nnopt_tensor_destroy(input);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(model);
}

static int class_of(const row *r)
{
	const char *kind = strstr(r->model, "\"kind\"");
	bool several = kind != NULL && strstr(kind + 1, "\"kind\"") != NULL;
	return !several ? 0 : strstr(r->model, "max_pool") == NULL ? 1 : 2;
}

/* A mean over a tensor, because an element near a kink (of ReLU, of a maximum) may fall on its other side; that happens
 * where layers see rounded values of others. */
static void compare(const row *r, const char *isa, int precision, int fuse)
{
	static const double allowed[3][3] = { { 0.0, 0x1p-6, 0x1p-9 },
					      { 0.0, 0x1p-4, 0x1p-7 },
					      { 0.0, 0x1p-2, 0x1p-4 } };
	int class = class_of(r);
	assert_int_equal(exact.count, rounded.count);
	int64_t at = 0;
	for (int p = 0; p < exact.parts; p++) {
		double error = 0.0, size = 0.0;
		for (; at < exact.ends[p]; at++) {
			double d = (double)rounded.x[at] - (double)exact.x[at];
			error += d * d;
			size += (double)exact.x[at] * (double)exact.x[at];
		}
		int64_t n = exact.ends[p] - (p > 0 ? exact.ends[p - 1] : 0);
		/* What cancels, a bias before a normalisation for one, is made of rounding alone. */
		double share = sqrt(error / fmax(size, 1e-2 * (double)n));
		worst[class][precision] = fmax(worst[class][precision], share);
		if (!(share <= allowed[class][precision]))
			fail_msg("%s, %s, precision %d, fuse %d: part %d is off by %g of its size", r->name, isa,
				 precision, fuse, p, share);
	}
}

static void follows_f32(void **state)
{
	(void)state;
	for (int isa = 1; isa <= ISAS; isa++) {
		nnopt_context *context = isa_context(isa, 2);
		for (int i = 0; i < ROWS && context != NULL; i++)
			for (int fuse = 0; fuse < 2 && !rows[i].given; fuse++) {
				run_row(&exact, &rows[i], context, NNOPT_PRECISION_F32, fuse);
				for (int p = NNOPT_PRECISION_BF16; p <= NNOPT_PRECISION_F16; p++) {
					run_row(&rounded, &rows[i], context, p, fuse);
					compare(&rows[i], nnopt_isa_name((nnopt_isa)isa), p, fuse);
				}
			}
		nnopt_context_destroy(context);
	}
	static const char *const names[3] = { "one layer", "several", "several with a maximum" };
	for (int c = 0; c < 3; c++)
		print_message("largest deviation, %s: bf16 %.2g, f16 %.2g\n", names[c], worst[c][1], worst[c][2]);
}

static void threads_give_equal_bits(void **state)
{
	(void)state;
	for (int i = 0; i < ROWS; i++)
		for (int p = NNOPT_PRECISION_F32; p <= NNOPT_PRECISION_F16 && !rows[i].given; p++)
			for (int threads = 1; threads <= 3; threads++) {
				nnopt_context *context = NULL;
				nnopt_context_options o;
				assert_ok(nnopt_context_options_init(&o, sizeof o));
				o.threads = threads;
				assert_ok(nnopt_context_create(&context, &o));
				run_row(threads == 1 ? &rounded : &again, &rows[i], context, p, 1);
				if (threads > 1 && memcmp(rounded.x, again.x, (size_t)again.count * sizeof(float)) != 0)
					fail_msg("%s, precision %d: other bits with %d threads", rows[i].name, p,
						 threads);
				nnopt_context_destroy(context);
			}
}

/* Half the values' bytes, but for the input's copy and the floats of the output and its gradient; the parameters stay.
 */
static void values_take_half_the_memory(void **state)
{
	(void)state;
	nnopt_context *context = NULL;
	nnopt_model *model = NULL;
	const int64_t shape[3] = { 3, 32, 32 };
	assert_ok(nnopt_context_create(&context, NULL));
	assert_ok(nnopt_model_create(&model, context));
	assert_ok(nnopt_add_conv2d(model, 64, 3, NULL));
	assert_ok(nnopt_add_silu(model));
	assert_ok(nnopt_add_avg_pool2d(model, 2, NULL));
	nnopt_plan_info info[3];
	for (int p = 0; p < 3; p++) {
		nnopt_plan_options o;
		nnopt_plan *plan = NULL;
		assert_ok(nnopt_plan_options_init(&o, sizeof o));
		o.batch = 8;
		o.rank = 3;
		memcpy(o.shape, shape, sizeof shape);
		o.mode = NNOPT_TRAINING;
		o.precision = p;
		assert_ok(nnopt_plan_create(&plan, model, &o));
		info[p] = (nnopt_plan_info){ .struct_size = sizeof info[p] };
		assert_ok(nnopt_plan_get_info(plan, &info[p]));
		char text[4096];
		assert_ok(nnopt_plan_summary(plan, text, sizeof text, NULL));
		assert_non_null(strstr(text, p == 0 ? ", f32," : p == 1 ? ", bf16," : ", f16,"));
		nnopt_plan_destroy(plan);
	}
	for (int p = 1; p < 3; p++) {
		uint64_t input = 8 * 3 * 32 * 32 * 2, output = 8 * 64 * 15 * 15 * 4;
		assert_int_equal((info[p].activation_bytes - input - 2 * output) * 2, info[0].activation_bytes);
		assert_int_equal(info[p].parameter_bytes, info[0].parameter_bytes);
	}
	nnopt_model_destroy(model);
	nnopt_context_destroy(context);
}

/* The gradient of a picture that is all 0 but for its middle, of a slope of 1 everywhere, in that pixel. */
static float gradient_in_the_middle(nnopt_context *context, nnopt_model *model, int64_t side, int32_t precision)
{
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	nnopt_tensor *x = NULL;
	const nnopt_tensor *y = NULL;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.mode = NNOPT_TRAINING;
	o.input_gradient = 1;
	o.batch = 1;
	o.precision = precision;
	o.rank = 3;
	o.shape[0] = 1, o.shape[1] = o.shape[2] = side;
	assert_ok(nnopt_plan_create(&plan, model, &o));
	if (precision == NNOPT_PRECISION_F16) {
		nnopt_loss_scale scale = { .struct_size = sizeof scale };
		assert_ok(nnopt_plan_get_loss_scale(plan, &scale));
		scale.scale = 1.0; /* that no slope of 1 is beyond the type */
		assert_ok(nnopt_plan_set_loss_scale(plan, &scale));
	}
	assert_ok(nnopt_tensor_create(&x, context, NNOPT_F32, 4, (int64_t[]){ 1, 1, side, side }, NNOPT_NHWC));
	((float *)nnopt_tensor_data(x))[side * side / 2] = 1.0f;
	assert_ok(nnopt_plan_forward(plan, x, &y));
	for (int64_t i = 0; i < nnopt_tensor_count(y); i++)
		((float *)nnopt_tensor_data(nnopt_plan_output_gradient(plan)))[i] = 1.0f;
	assert_ok(nnopt_plan_backward(plan, 0));
	float middle = ((const float *)nnopt_tensor_const_data(nnopt_plan_input_gradient(plan)))[side * side / 2];
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(model);
	return middle;
}

/* A pixel in more windows than 16 bits can count: the gradient is summed in 32. */
static void shared_pixels_are_summed_in_f32(void **state)
{
	(void)state;
	nnopt_context *context = NULL;
	nnopt_pool2d_options slide;
	assert_ok(nnopt_context_create(&context, NULL));
	assert_ok(nnopt_pool2d_options_init(&slide, sizeof slide));
	slide.stride_h = slide.stride_w = 1;
	for (int p = 0; p < 3; p++) {
		nnopt_model *spread = NULL, *average = NULL, *small = NULL, *large = NULL;
		assert_ok(nnopt_model_create(&spread, context));
		assert_ok(nnopt_add_adaptive_avg_pool2d(spread, 64, 64));
		assert_true(gradient_in_the_middle(context, spread, 1, p) == 4096.0f);
		assert_ok(nnopt_model_create(&average, context));
		assert_ok(nnopt_add_avg_pool2d(average, 32, &slide));
		assert_true(gradient_in_the_middle(context, average, 63, p) == 1.0f);
		assert_ok(nnopt_model_create(&small, context)); /* the places of maxima in a byte, and in four */
		assert_ok(nnopt_add_max_pool2d(small, 16, &slide));
		assert_true(gradient_in_the_middle(context, small, 31, p) == 256.0f);
		assert_ok(nnopt_model_create(&large, context));
		assert_ok(nnopt_add_max_pool2d(large, 64, &slide));
		assert_true(gradient_in_the_middle(context, large, 127, p) == 4096.0f);
	}
	nnopt_context_destroy(context);
}

/* A sum of three is rounded when it is whole: two of them are beyond f16 together. */
static void sums_are_rounded_once(void **state)
{
	(void)state;
	nnopt_context *context = NULL;
	nnopt_model *model = NULL;
	nnopt_layer *scale[3] = { NULL }, *add = NULL;
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	nnopt_tensor *x = NULL;
	const nnopt_tensor *y = NULL;
	int32_t nodes[3];
	assert_ok(nnopt_context_create(&context, NULL));
	assert_ok(nnopt_model_create(&model, context));
	for (int k = 0; k < 3; k++) {
		assert_ok(nnopt_scale_create(&scale[k], context, k < 2 ? 1.0f : -1.0f));
		assert_ok(nnopt_model_connect(model, scale[k], (int32_t[]){ NNOPT_INPUT_NODE }, 1, &nodes[k]));
		nnopt_layer_destroy(scale[k]);
	}
	assert_ok(nnopt_add_create(&add, context));
	assert_ok(nnopt_model_connect(model, add, nodes, 3, NULL));
	nnopt_layer_destroy(add);
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = 1;
	o.rank = 1;
	o.shape[0] = 700;
	o.precision = NNOPT_PRECISION_F16;
	assert_ok(nnopt_plan_create(&plan, model, &o));
	assert_ok(nnopt_tensor_create(&x, context, NNOPT_F32, 2, (int64_t[]){ 1, 700 }, NNOPT_NCHW));
	for (int i = 0; i < 700; i++)
		((float *)nnopt_tensor_data(x))[i] = 60000.0f;
	assert_ok(nnopt_plan_forward(plan, x, &y));
	for (int i = 0; i < 700; i++)
		assert_true(((const float *)nnopt_tensor_const_data(y))[i] == 60000.0f);
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(model);
	nnopt_context_destroy(context);
}

/* Of more pixels than a float can count. */
static void means_of_many_pixels(void **state)
{
	(void)state;
	enum { MANY = 4200 };
	nnopt_context *context = NULL;
	nnopt_model *model = NULL;
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	nnopt_tensor *x = NULL;
	const nnopt_tensor *y = NULL;
	assert_ok(nnopt_context_create(&context, NULL));
	assert_ok(nnopt_model_create(&model, context));
	assert_ok(nnopt_add_global_avg_pool2d(model));
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = 1;
	o.rank = 3;
	o.shape[0] = 1, o.shape[1] = o.shape[2] = MANY;
	assert_ok(nnopt_plan_create(&plan, model, &o));
	assert_ok(nnopt_tensor_create(&x, context, NNOPT_F32, 4, (int64_t[]){ 1, 1, MANY, MANY }, NNOPT_NHWC));
	for (int64_t i = 0; i < nnopt_tensor_count(x); i++)
		((float *)nnopt_tensor_data(x))[i] = 1.0f;
	assert_ok(nnopt_plan_forward(plan, x, &y));
	assert_true(fabsf(((const float *)nnopt_tensor_const_data(y))[0] - 1.0f) < 1e-6f);
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(model);
	nnopt_context_destroy(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_f32),
		cmocka_unit_test(threads_give_equal_bits),
		cmocka_unit_test(values_take_half_the_memory),
		cmocka_unit_test(shared_pixels_are_summed_in_f32),
		cmocka_unit_test(sums_are_rounded_once),
		cmocka_unit_test(means_of_many_pixels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
