/* recurrent.c - recurrent layers and weighted sums as a caller has them: options, shapes, names and first values of
 * parameters, refusals, files, exact resume, steps without allocations, parts of a batch. Their values and gradients
 * are held against PyTorch's in layer_golden.c. */
#include "options.h"

#include "budget.h"
#include "golden.h"

#include <math.h>
#include <unistd.h>

#define PATH TEST_TMP "/recurrent.safetensors"
#define CHECKPOINT TEST_TMP "/recurrent.ckpt"

/* A convolution's features, pooled and read by rows and by pixels; joined, and voted on with the pooled ones alone. */
static const char fusion[] =
    "{\"format\":\"nnopt-model\",\"version\":1,\"layers\":["
    "{\"kind\":\"conv2d\",\"name\":\"stem\",\"out_channels\":6,\"kernel_h\":3,\"kernel_w\":3},"
    "{\"kind\":\"relu\",\"name\":\"map\"},{\"kind\":\"global_avg_pool2d\"},{\"kind\":\"flatten\",\"name\":\"pooled\"},"
    "{\"kind\":\"linear\",\"name\":\"first\",\"out_features\":3},"
    "{\"kind\":\"lstm\",\"name\":\"steps\",\"inputs\":[\"map\"],\"hidden_size\":9,\"bidirectional\":true,\"output\":1},"
    "{\"kind\":\"gru\",\"name\":\"rows\",\"hidden_size\":7},"
    "{\"kind\":\"gru\",\"name\":\"pixels\",\"inputs\":[\"map\"],\"hidden_size\":5,\"sequence\":2},"
    "{\"kind\":\"concat\",\"inputs\":[\"pooled\",\"rows\",\"pixels\"]},"
    "{\"kind\":\"dropout\",\"p\":0.25},{\"kind\":\"linear\",\"name\":\"second\",\"out_features\":3},"
    "{\"kind\":\"weighted_sum\",\"name\":\"vote\",\"inputs\":[\"first\",\"second\"],\"learned\":true}]}";

/* --- options --- */

typedef nnopt_status (*recurrent_create)(nnopt_layer **out, nnopt_context *context, int64_t hidden_size,
					 const nnopt_recurrent_options *options);
static const recurrent_create creates[] = { nnopt_lstm_create, nnopt_gru_create };

static void recurrent_options(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		nnopt_layer *l = NULL;
		nnopt_recurrent_options o;
		assert_ok(creates[i](&l, ctx, 8, NULL));
		assert_string_equal(nnopt_layer_kind(l), i ? "gru" : "lstm");
		expect_fields(l, "\"hidden_size\": 8, \"sequence\": 0, \"output\": 0, \"bidirectional\": false, "
				 "\"use_bias\": true, \"input_init\": 0, \"recurrent_init\": 0, \"bias_init\": 0, "
				 "\"weight_value\": 0, \"bias_value\": 0");
		assert_ok(nnopt_recurrent_options_init(&o, sizeof o));
		o.sequence = NNOPT_SEQUENCE_PIXELS;
		o.output = NNOPT_RECURRENT_ALL;
		o.bidirectional = 1;
		o.use_bias = 0;
		o.input_init = NNOPT_INIT_XAVIER_UNIFORM;
		o.recurrent_init = NNOPT_INIT_ORTHOGONAL;
		o.bias_init = NNOPT_INIT_CONSTANT;
		o.weight_value = 0.5f;
		o.bias_value = 0.25f;
		assert_ok(creates[i](&l, ctx, 9, &o));
		expect_fields(l, "\"hidden_size\": 9, \"sequence\": 2, \"output\": 1, \"bidirectional\": true, "
				 "\"use_bias\": false, \"input_init\": 4, \"recurrent_init\": 7, \"bias_init\": 8, "
				 "\"weight_value\": 0.5, \"bias_value\": 0.25");
	}
}

static void sum_options(void **state)
{
	(void)state;
	nnopt_layer *l = NULL;
	nnopt_weighted_sum_options o;
	assert_ok(nnopt_weighted_sum_create(&l, ctx, NULL));
	expect_fields_of(l, 1, "\"learned\": false, \"normalise\": true, \"weight_count\": 0, \"weight0\": 0");
	assert_ok(nnopt_weighted_sum_options_init(&o, sizeof o));
	o.normalise = 0;
	o.weights = (const double[]){ -0.5, 1.5 };
	o.weight_count = 2;
	assert_ok(nnopt_weighted_sum_create(&l, ctx, &o));
	expect_fields_of(
	    l, 1,
	    "\"learned\": false, \"normalise\": false, \"weight_count\": 2, \"weight0\": -0.5, \"weight1\": 1.5, "
	    "\"weight2\": 0");
}

static void options_are_refused(void **state)
{
	(void)state;
	static const struct {
		size_t field;
		int32_t value;
		const char *words;
	} cases[] = {
		{ offsetof(nnopt_recurrent_options, sequence), 3, "sequence 3, 0 to 2 wanted" },
		{ offsetof(nnopt_recurrent_options, sequence), -1, "sequence -1" },
		{ offsetof(nnopt_recurrent_options, output), 2, "output 2, 0 or 1 wanted" },
		{ offsetof(nnopt_recurrent_options, input_init), 11, "input_init 11" },
		{ offsetof(nnopt_recurrent_options, recurrent_init), -1, "recurrent_init -1" },
		{ offsetof(nnopt_recurrent_options, bias_init), 100, "bias_init 100" },
	};
	nnopt_layer *l = NULL;
	for (int i = 0; i < 2; i++) {
		for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
			nnopt_recurrent_options o;
			assert_ok(nnopt_recurrent_options_init(&o, sizeof o));
			memcpy((char *)&o + cases[k].field, &cases[k].value, sizeof cases[k].value);
			assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, cases[k].words, creates[i](&l, ctx, 8, &o));
		}
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, i ? "gru: hidden_size 0" : "lstm: hidden_size 0",
			     creates[i](&l, ctx, 0, NULL));
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "hidden_size 16777217",
			     creates[i](&l, ctx, (1 << 24) + 1, NULL));
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "out is NULL", creates[i](NULL, ctx, 8, NULL));
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "context is NULL", creates[i](&l, NULL, 8, NULL));
	}
	assert_null(l);
}

static void expect_sum_refused(const double *weights, int64_t count, int32_t learned, int32_t normalise,
			       const char *words)
{
	nnopt_layer *l = NULL;
	nnopt_weighted_sum_options o;
	assert_ok(nnopt_weighted_sum_options_init(&o, sizeof o));
	o.weights = weights;
	o.weight_count = count;
	o.learned = learned;
	o.normalise = normalise;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words, nnopt_weighted_sum_create(&l, ctx, &o));
	assert_null(l);
}

static void sums_are_refused(void **state)
{
	(void)state;
	expect_sum_refused((const double[]){ 1.0 }, 1, 0, 1, "weight_count 1");
	expect_sum_refused((const double[9]){ 1.0 }, 9, 0, 1, "weight_count 9");
	expect_sum_refused((const double[]){ 1.0 }, -1, 0, 1, "weight_count -1");
	expect_sum_refused((const double[]){ 1.0, 1.0 }, 2, 1, 1, "learned");
	expect_sum_refused((const double[]){ 1.0, -1.0 }, 2, 0, 1, "weight 1 is -1");
	expect_sum_refused((const double[]){ 1.0, (double)INFINITY }, 2, 0, 0, "weight 1 is inf");
	expect_sum_refused((const double[]){ 0.0, 0.0 }, 2, 0, 1, "add up to 0");
	expect_sum_refused(NULL, 2, 0, 1, "weights is NULL");
	expect_sum_refused((const double[]){ 1.0, 1.0 }, 0, 0, 1, "weight_count is 0");
}

static void shapes_are_refused(void **state)
{
	(void)state;
	static const refused cases[] = {
		{ "{\"kind\":\"lstm\",\"hidden_size\":3}", 1, { 9 }, "lstm: input of rank 2 (N, 9), rank 4" },
		{ "{\"kind\":\"gru\",\"hidden_size\":3}", 1, { 9 }, "gru: input of rank 2 (N, 9), rank 4" },
		{ "{\"kind\":\"weighted_sum\",\"inputs\":[\"input\",\"input\"],\"weight_count\":3,\"weight0\":1}",
		  1,
		  { 9 },
		  "3 weights for 2 inputs" },
		{ "{\"kind\":\"linear\",\"name\":\"a\",\"out_features\":3},"
		  "{\"kind\":\"weighted_sum\",\"inputs\":[\"input\",\"a\"]}",
		  1,
		  { 9 },
		  "input 1 of shape (N, 3, 1, 1), (N, 9, 1, 1)" },
		{ "{\"kind\":\"flatten\",\"name\":\"a\"},{\"kind\":\"weighted_sum\",\"inputs\":[\"input\",\"a\"]}",
		  3,
		  { 9, 1, 1 },
		  "input 1" },
	};
	expect_refused(cases, sizeof cases / sizeof *cases);
}

/* --- shapes and parameters --- */

static void outputs_keep_the_sequence_in_place(void **state)
{
	(void)state;
	static const struct {
		int32_t sequence, output, both, rank;
		int64_t shape[4];
		int64_t features;
	} cases[] = {
		{ NNOPT_SEQUENCE_ROWS, NNOPT_RECURRENT_LAST, 0, 2, { 2, 6 }, 5 * 3 },
		{ NNOPT_SEQUENCE_ROWS, NNOPT_RECURRENT_ALL, 1, 4, { 2, 12, 4, 1 }, 5 * 3 },
		{ NNOPT_SEQUENCE_COLUMNS, NNOPT_RECURRENT_ALL, 0, 4, { 2, 6, 1, 5 }, 4 * 3 },
		{ NNOPT_SEQUENCE_PIXELS, NNOPT_RECURRENT_ALL, 1, 4, { 2, 12, 4, 5 }, 3 },
		{ NNOPT_SEQUENCE_PIXELS, NNOPT_RECURRENT_LAST, 1, 2, { 2, 12 }, 3 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		nnopt_recurrent_options o;
		nnopt_model *m = NULL;
		nnopt_plan *plan = NULL;
		nnopt_plan_options p;
		nnopt_plan_info info = { .struct_size = sizeof info };
		nnopt_parameter_info weight = { .struct_size = sizeof weight };
		assert_ok(nnopt_recurrent_options_init(&o, sizeof o));
		o.sequence = cases[i].sequence;
		o.output = cases[i].output;
		o.bidirectional = cases[i].both;
		assert_ok(nnopt_model_create(&m, ctx));
		assert_ok(i % 2 ? nnopt_add_lstm(m, 6, &o) : nnopt_add_gru(m, 6, &o));
		assert_ok(nnopt_plan_options_init(&p, sizeof p));
		p.batch = 2;
		p.rank = 3;
		memcpy(p.shape, (int64_t[]){ 3, 4, 5 }, 3 * sizeof(int64_t));
		assert_ok(nnopt_plan_create(&plan, m, &p));
		assert_ok(nnopt_plan_get_info(plan, &info));
		assert_int_equal(info.output_rank, cases[i].rank);
		assert_memory_equal(info.output_shape, cases[i].shape, sizeof(int64_t) * (size_t)cases[i].rank);
		assert_ok(nnopt_model_parameter_info(m, 0, &weight));
		assert_int_equal(weight.shape[0], i % 2 ? 24 : 18);
		assert_int_equal(weight.shape[1], cases[i].features);
		nnopt_plan_destroy(plan);
		nnopt_model_destroy(m);
	}
}

static void parameters_are_named_as_pytorch_names_them(void **state)
{
	(void)state;
	static const char *const names[] = { "lstm1.weight_ih_l0",         "lstm1.weight_hh_l0",
					     "lstm1.bias_ih_l0",           "lstm1.bias_hh_l0",
					     "lstm1.weight_ih_l0_reverse", "lstm1.weight_hh_l0_reverse",
					     "lstm1.bias_ih_l0_reverse",   "lstm1.bias_hh_l0_reverse" };
	nnopt_recurrent_options o;
	nnopt_model *m = NULL;
	assert_ok(nnopt_recurrent_options_init(&o, sizeof o));
	o.bidirectional = 1;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_lstm(m, 25, &o));
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 3, 4, 7 }));
	assert_int_equal(nnopt_model_parameter_count(m), 8);
	for (int32_t k = 0; k < 8; k++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		nnopt_model_blocks blocks = { .struct_size = sizeof blocks };
		double largest = 0.0;
		assert_ok(nnopt_model_parameter_info(m, k, &info));
		assert_string_equal(info.name, names[k]);
		assert_int_equal(info.role, k % 4 < 2 ? NNOPT_ROLE_WEIGHT : NNOPT_ROLE_BIAS);
		assert_ok(nnopt_model_get_blocks(m, &blocks));
		for (int64_t i = 0; i < info.count; i++)
			largest = fmax(largest, fabs((double)blocks.parameters[info.block_offset + i]));
		/* All of them begin within 1 / sqrt(25). */
		assert_true(largest <= 0.2 && largest > 0.18);
	}
	nnopt_model_destroy(m);
}

static void first_values_can_be_chosen(void **state)
{
	(void)state;
	nnopt_recurrent_options o;
	nnopt_model *m = NULL;
	nnopt_model_blocks b = { .struct_size = sizeof b };
	nnopt_parameter_info info = { .struct_size = sizeof info };
	assert_ok(nnopt_recurrent_options_init(&o, sizeof o));
	o.input_init = NNOPT_INIT_XAVIER_UNIFORM;
	o.recurrent_init = NNOPT_INIT_CONSTANT;
	o.bias_init = NNOPT_INIT_CONSTANT;
	o.weight_value = 0.5f;
	o.bias_value = -1.0f;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_gru(m, 10, &o));
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 3, 4, 10 }));
	assert_ok(nnopt_model_get_blocks(m, &b));
	for (int32_t k = 0; k < 4; k++) {
		double largest = 0.0, bound = sqrt(6.0 / (30.0 + 30.0));
		assert_ok(nnopt_model_parameter_info(m, k, &info));
		for (int64_t i = 0; i < info.count; i++) {
			float x = b.parameters[info.block_offset + i];
			largest = fmax(largest, fabs((double)x));
			assert_true(k == 0 || x == (k == 1 ? 0.5f : -1.0f));
		}
		assert_true(k > 0 || (largest <= bound && largest > 0.95 * bound));
	}
	nnopt_model_destroy(m);
}

/* --- running --- */

static nnopt_tensor *pictures(int64_t count)
{
	nnopt_tensor *x = NULL;
	assert_ok(nnopt_tensor_create(&x, ctx, NNOPT_F32, 4, (int64_t[]){ count, 2, 6, 5 }, NNOPT_NHWC));
	for (int64_t i = 0; i < nnopt_tensor_count(x); i++)
		((float *)nnopt_tensor_data(x))[i] = number(3, (uint32_t)i);
	return x;
}

static nnopt_plan *plan_of(nnopt_model *m, int64_t batch, int32_t mode, int32_t constant)
{
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = batch;
	o.rank = 3;
	o.shape[0] = 2;
	o.shape[1] = 6;
	o.shape[2] = 5;
	o.mode = mode;
	o.constant = constant;
	assert_ok(nnopt_plan_create(&plan, m, &o));
	return plan;
}

/* Results of inference for the first `count` of a fixed batch, by a plan for `batch`. */
static void infer(nnopt_model *m, int64_t batch, int64_t count, float *y)
{
	nnopt_plan *plan = plan_of(m, batch, NNOPT_INFERENCE, 0);
	nnopt_tensor *x = pictures(count);
	const nnopt_tensor *out = NULL;
	assert_ok(nnopt_plan_forward(plan, x, &out));
	memcpy(y, nnopt_tensor_const_data(out), nnopt_tensor_bytes(out));
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
}

static void files_give_the_same_network(void **state)
{
	(void)state;
	float y[20 * 3], again[20 * 3], part[5 * 3];
	nnopt_model *m = NULL, *loaded = NULL;
	assert_ok(nnopt_model_from_json(&m, ctx, fusion, sizeof fusion - 1));
	infer(m, 20, 20, y);
	assert_ok(nnopt_model_save(m, PATH));
	assert_ok(nnopt_model_load(&loaded, ctx, PATH));
	infer(loaded, 20, 20, again);
	assert_memory_equal(y, again, sizeof y);
	/* A part of a batch has the bits it has in the whole one. */
	infer(m, 20, 5, part);
	assert_memory_equal(y, part, sizeof part);
	infer(m, 5, 5, part);
	for (int i = 0; i < 15; i++)
		assert_true(fabsf(part[i] - y[i]) <= 1e-5f);
	nnopt_model_destroy(loaded);
	nnopt_model_destroy(m);
	unlink(PATH);
}

/* Its parameters are those of when it was made. */
static void constant_plans_give_the_same(void **state)
{
	(void)state;
	float y[4 * 3];
	nnopt_model *m = NULL;
	nnopt_tensor *x = pictures(4);
	const nnopt_tensor *out = NULL;
	assert_ok(nnopt_model_from_json(&m, ctx, fusion, sizeof fusion - 1));
	nnopt_plan *plan = plan_of(m, 4, NNOPT_INFERENCE, 1);
	infer(m, 4, 4, y);
	assert_ok(nnopt_model_initialise(m, 17));
	for (int i = 0; i < 2; i++) {
		assert_ok(nnopt_plan_forward(plan, x, &out));
		for (int k = 0; k < 12; k++)
			assert_true(fabsf(((const float *)nnopt_tensor_const_data(out))[k] - y[k]) <= 1e-6f);
	}
	nnopt_plan_destroy(plan);
	nnopt_tensor_destroy(x);
	nnopt_model_destroy(m);
}

static void weights_of_a_sum_can_be_set(void **state)
{
	(void)state;
	float y[3];
	static const char text[] = "{\"format\":\"nnopt-model\",\"version\":1,\"input\":[2,6,5],\"layers\":["
				   "{\"kind\":\"global_avg_pool2d\",\"name\":\"mean\"},"
				   "{\"kind\":\"global_max_pool2d\",\"name\":\"most\",\"inputs\":[\"input\"]},"
				   "{\"kind\":\"weighted_sum\",\"name\":\"sum\",\"inputs\":[\"mean\",\"most\"],"
				   "\"learned\":true}]}";
	float wanted[2][2] = { { 0.0f } };
	nnopt_model *m = NULL;
	nnopt_tensor *w = NULL, *x = pictures(1);
	int32_t index = -1;
	assert_ok(nnopt_model_from_json(&m, ctx, text, sizeof text - 1));
	const float *pixels = nnopt_tensor_const_data(x);
	for (int c = 0; c < 2; c++) {
		wanted[1][c] = pixels[c];
		for (int i = 0; i < 30; i++) {
			wanted[0][c] += pixels[i * 2 + c] / 30.0f;
			wanted[1][c] = fmaxf(wanted[1][c], pixels[i * 2 + c]);
		}
	}
	infer(m, 1, 1, y);
	for (int c = 0; c < 2; c++)
		assert_true(fabsf(y[c] - 0.5f * (wanted[0][c] + wanted[1][c])) < 1e-6f);
	assert_ok(nnopt_model_find_parameter(m, "sum.weight", &index));
	assert_ok(nnopt_tensor_create(&w, ctx, NNOPT_F32, 1, (int64_t[]){ 2 }, NNOPT_NCHW));
	((float *)nnopt_tensor_data(w))[0] = logf(3.0f);
	((float *)nnopt_tensor_data(w))[1] = 0.0f;
	assert_ok(nnopt_model_set_parameter(m, index, w));
	infer(m, 1, 1, y);
	for (int c = 0; c < 2; c++)
		assert_true(fabsf(y[c] - 0.75f * wanted[0][c] - 0.25f * wanted[1][c]) < 1e-6f);
	nnopt_tensor_destroy(w);
	nnopt_tensor_destroy(x);
	nnopt_model_destroy(m);
}

/* --- training --- */

enum { COUNT = 60 };

typedef struct run {
	nnopt_context *ctx;
	nnopt_dataset *data;
	nnopt_loader *loader;
	nnopt_model *net;
	nnopt_loss *loss;
	nnopt_optimizer *adam;
} run;

static run start_run(budget *memory, int32_t threads)
{
	run r = { 0 };
	nnopt_context_options c;
	nnopt_loader_options o;
	nnopt_tensor *images = NULL, *labels = NULL;
	assert_ok(nnopt_context_options_init(&c, sizeof c));
	c.threads = threads;
	c.alloc = memory != NULL ? budget_alloc : NULL;
	c.free = memory != NULL ? budget_free : NULL;
	c.alloc_user = memory;
	assert_ok(nnopt_context_create(&r.ctx, &c));
	assert_ok(nnopt_tensor_create(&images, r.ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 2, 6, 5 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, r.ctx, NNOPT_I32, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	for (int64_t i = 0; i < nnopt_tensor_count(images); i++)
		((uint8_t *)nnopt_tensor_data(images))[i] = (uint8_t)(number(5, (uint32_t)i) * 60.0f + 125.0f);
	for (int32_t i = 0; i < COUNT; i++)
		((int32_t *)nnopt_tensor_data(labels))[i] = i % 3;
	assert_ok(nnopt_dataset_from_tensors(&r.data, r.ctx, images, labels));
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 16;
	o.shuffle = 1;
	assert_ok(nnopt_loader_create(&r.loader, r.data, NULL, &o));
	assert_ok(nnopt_model_from_json(&r.net, r.ctx, fusion, sizeof fusion - 1));
	assert_ok(nnopt_cross_entropy_create(&r.loss, r.ctx, NULL));
	assert_ok(nnopt_adam_create(&r.adam, r.ctx, NULL));
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	return r;
}

static void end_run(run *r)
{
	nnopt_optimizer_destroy(r->adam);
	nnopt_loss_destroy(r->loss);
	nnopt_model_destroy(r->net);
	nnopt_loader_destroy(r->loader);
	nnopt_dataset_destroy(r->data);
	nnopt_context_destroy(r->ctx);
}

static void fit(run *r, int64_t epochs, int32_t resume)
{
	nnopt_fit_options o;
	assert_ok(nnopt_fit_options_init(&o, sizeof o));
	o.epochs = epochs;
	o.checkpoint_path = resume >= 0 ? CHECKPOINT : NULL;
	o.resume = resume > 0;
	assert_ok(nnopt_fit(r->net, r->loader, r->loss, r->adam, &o, NULL));
}

/* Two epochs, stopped, and two more in a new process's place: the bits of four; on another number of threads too. */
static void resumed_runs_have_the_same_bits(void **state)
{
	(void)state;
	nnopt_model_blocks a = { .struct_size = sizeof a }, b = a;
	run whole = start_run(NULL, 1), first = start_run(NULL, 2), second = start_run(NULL, 3);
	unlink(CHECKPOINT);
	fit(&whole, 4, -1);
	fit(&first, 2, 0);
	fit(&second, 4, 1);
	assert_ok(nnopt_model_get_blocks(whole.net, &a));
	assert_ok(nnopt_model_get_blocks(second.net, &b));
	assert_memory_equal(a.parameters, b.parameters, (size_t)a.parameter_elements * sizeof(float));
	unlink(CHECKPOINT);
	end_run(&whole);
	end_run(&first);
	end_run(&second);
}

static void steps_allocate_nothing(void **state)
{
	(void)state;
	budget memory = { 0 };
	run r = start_run(&memory, 2);
	nnopt_plan *plan = plan_of(r.net, 16, NNOPT_TRAINING, 0);
	nnopt_tensor *x = pictures(16), *labels = NULL;
	assert_ok(nnopt_tensor_create(&labels, r.ctx, NNOPT_I32, 1, (int64_t[]){ 16 }, NNOPT_NCHW));
	long before = 0;
	for (int i = 0; i < 4; i++) {
		const nnopt_tensor *y = NULL;
		nnopt_loss_result result = { .struct_size = sizeof result };
		assert_ok(nnopt_plan_forward(plan, x, &y));
		assert_ok(nnopt_loss_compute(r.loss, y, labels, 1.0f, nnopt_plan_output_gradient(plan), &result));
		assert_ok(nnopt_plan_backward(plan, 0));
		assert_ok(nnopt_optimizer_step(r.adam, r.net, 1.0f, NULL));
		before = i == 0 ? atomic_load(&memory.calls) : before;
	}
	assert_int_equal(atomic_load(&memory.calls), before);
	nnopt_tensor_destroy(labels);
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	end_run(&r);
	assert_int_equal(atomic_load(&memory.blocks), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recurrent_options),
		cmocka_unit_test(sum_options),
		cmocka_unit_test(options_are_refused),
		cmocka_unit_test(sums_are_refused),
		cmocka_unit_test(shapes_are_refused),
		cmocka_unit_test(outputs_keep_the_sequence_in_place),
		cmocka_unit_test(parameters_are_named_as_pytorch_names_them),
		cmocka_unit_test(first_values_can_be_chosen),
		cmocka_unit_test(files_give_the_same_network),
		cmocka_unit_test(constant_plans_give_the_same),
		cmocka_unit_test(weights_of_a_sum_can_be_set),
		cmocka_unit_test(resumed_runs_have_the_same_bits),
		cmocka_unit_test(steps_allocate_nothing),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
