/* rules.c - optimizers that look at whole tensors, or that PyTorch lacks: 50 steps of a small network's parameters,
 * through the public functions, against tests/golden/make_optim_rules.py, whose tensors are in PyTorch's order; SAM;
 * the same bits at any thread count; freezing and thawing. */
#include "blocks.h"
#include "budget.h"
#include "golden.h"
#include "isas.h"

#include <math.h>
#include <stdio.h>

enum { ADAGRAD, NADAM, LION, LAMB, MUON };
enum { STEPS = 50, CHANGE = 25, TENSORS = 10, ELEMENTS = 821 };

typedef struct row {
	int kind;
	double lr, weight_decay, epsilon, groups, l1, max_norm, x, y, z;
} row;

static const row rows[] = {
#include "golden/optim_rules.inc"
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static const char *const names[TENSORS] = { "conv2d1.weight",     "conv2d1.bias",   "batch_norm2d1.weight",
					    "batch_norm2d1.bias", "linear1.weight", "linear1.bias",
					    "linear2.weight",     "linear2.bias",   "linear3.weight",
					    "linear3.bias" };

static nnopt_context *context_of(int threads, int isa)
{
	nnopt_context_options o;
	nnopt_context *context = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.threads = threads;
	o.isa_cap = isa;
	assert_ok(nnopt_context_create(&context, &o));
	return context;
}

/* A network with gradients; wide: of tensors of many chunks. */
static nnopt_model *make_model(nnopt_context *context, int wide)
{
	nnopt_model *m = NULL;
	nnopt_plan *plan = NULL;
	nnopt_plan_options p;
	assert_ok(nnopt_model_create(&m, context));
	assert_ok(nnopt_add_conv2d(m, wide ? 65 : 7, 3, NULL));
	assert_ok(nnopt_add_batch_norm2d(m, NULL));
	assert_ok(nnopt_add_relu(m));
	assert_ok(nnopt_add_flatten(m));
	assert_ok(nnopt_add_linear(m, wide ? 301 : 9, NULL));
	assert_ok(nnopt_add_linear(m, wide ? 333 : 23, NULL));
	assert_ok(nnopt_add_linear(m, 5, NULL));
	assert_ok(nnopt_plan_options_init(&p, sizeof p));
	p.rank = 3;
	p.shape[0] = wide ? 30 : 3;
	p.shape[1] = p.shape[2] = 4;
	p.mode = NNOPT_TRAINING;
	assert_ok(nnopt_plan_create(&plan, m, &p));
	nnopt_plan_destroy(plan); /* the gradient block stays */
	return m;
}

/* Tensor k of the parameters, in PyTorch's order, becomes number(stream + k). */
static void fill(nnopt_context *context, nnopt_model *m, uint32_t stream)
{
	for (uint32_t k = 0; k < TENSORS; k++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		nnopt_tensor *t = NULL;
		int32_t index;
		assert_ok(nnopt_model_find_parameter(m, names[k], &index));
		assert_ok(nnopt_model_parameter_info(m, index, &info));
		assert_ok(nnopt_tensor_create(&t, context, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
		float *x = nnopt_tensor_data(t);
		for (int64_t i = 0; i < info.count; i++)
			x[i] = number(stream + k, (uint32_t)i);
		assert_ok(nnopt_model_set_parameter(m, index, t));
		nnopt_tensor_destroy(t);
	}
}

/* The same for the gradients, by way of the parameters, which are put back. */
static void fill_gradients(nnopt_context *context, nnopt_model *m, uint32_t stream)
{
	nnopt_model_blocks k = blocks_of(m);
	size_t bytes = (size_t)k.parameter_elements * sizeof(float);
	float *kept = malloc(bytes);
	assert_non_null(kept);
	memcpy(kept, k.parameters, bytes);
	fill(context, m, stream);
	memcpy(k.gradients, k.parameters, bytes);
	memcpy(k.parameters, kept, bytes);
	free(kept);
}

static nnopt_optimizer *make_muon(nnopt_context *context, const row *r)
{
	nnopt_optimizer *o = NULL;
	nnopt_muon_options s;
	assert_ok(nnopt_muon_options_init(&s, sizeof s));
	s.lr = r->lr, s.weight_decay = r->weight_decay, s.epsilon = r->epsilon, s.l1 = r->l1;
	s.scale = (int32_t)r->x, s.nesterov = (int32_t)r->y, s.iterations = (int32_t)r->z;
	s.other_lr_scale = 0.25;
	s.other_weight_decay = r->weight_decay / 2;
	assert_ok(nnopt_muon_create(&o, context, &s));
	return o;
}

static nnopt_optimizer *make_optimizer(nnopt_context *context, const row *r)
{
	nnopt_optimizer *o = NULL;
	if (r->kind == ADAGRAD) {
		nnopt_adagrad_options s;
		assert_ok(nnopt_adagrad_options_init(&s, sizeof s));
		s.lr = r->lr, s.weight_decay = r->weight_decay, s.epsilon = r->epsilon, s.l1 = r->l1;
		s.lr_decay = r->x, s.initial_sum = r->y;
		assert_ok(nnopt_adagrad_create(&o, context, &s));
	} else if (r->kind == NADAM) {
		nnopt_nadam_options s;
		assert_ok(nnopt_nadam_options_init(&s, sizeof s));
		s.lr = r->lr, s.weight_decay = r->weight_decay, s.epsilon = r->epsilon, s.l1 = r->l1;
		s.momentum_decay = r->x, s.decoupled = (int32_t)r->y;
		assert_ok(nnopt_nadam_create(&o, context, &s));
	} else if (r->kind == LION) {
		nnopt_lion_options s;
		assert_ok(nnopt_lion_options_init(&s, sizeof s));
		s.lr = r->lr, s.weight_decay = r->weight_decay, s.l1 = r->l1, s.beta1 = r->x, s.beta2 = r->y;
		assert_ok(nnopt_lion_create(&o, context, &s));
	} else if (r->kind == LAMB) {
		nnopt_lamb_options s;
		assert_ok(nnopt_lamb_options_init(&s, sizeof s));
		s.lr = r->lr, s.weight_decay = r->weight_decay, s.epsilon = r->epsilon, s.l1 = r->l1;
		s.bias_correction = (int32_t)r->x, s.always_adapt = (int32_t)r->y;
		assert_ok(nnopt_lamb_create(&o, context, &s));
	} else {
		o = make_muon(context, r);
	}
	assert_ok(nnopt_optimizer_set_clipping(o, r->max_norm, 0.0));
	return o;
}

/* Biases at half the rate without decay; Muon's last weight as a matrix. */
static void add_groups(nnopt_optimizer *o)
{
	nnopt_group_options g;
	assert_ok(nnopt_group_options_init(&g, sizeof g));
	g.role = NNOPT_ROLE_BIAS;
	g.lr_scale = 0.5;
	g.weight_decay_scale = 0.0;
	assert_ok(nnopt_optimizer_add_group(o, &g));
	assert_ok(nnopt_group_options_init(&g, sizeof g));
	g.name_prefix = "linear3.weight";
	g.rule = NNOPT_RULE_MATRIX;
	assert_ok(nnopt_optimizer_add_group(o, &g));
}

static float *read_wanted(void)
{
	float *wanted = malloc(sizeof(float) * ROWS * ELEMENTS);
	FILE *f = fopen(TEST_DATA "/optim_rules.f32", "rb");
	assert_true(wanted != NULL && f != NULL);
	assert_int_equal(fread(wanted, sizeof(float) * ELEMENTS, ROWS, f), ROWS);
	assert_true(fclose(f) == 0);
	return wanted;
}

/* The largest difference relative to the larger of 1 and the number wanted. */
static double compare(nnopt_context *context, nnopt_model *m, const float *wanted)
{
	double most = 0.0;
	for (int k = 0; k < TENSORS; k++) {
		nnopt_parameter_info info = { .struct_size = sizeof info };
		nnopt_tensor *t = NULL;
		int32_t index;
		assert_ok(nnopt_model_find_parameter(m, names[k], &index));
		assert_ok(nnopt_model_parameter_info(m, index, &info));
		assert_ok(nnopt_tensor_create(&t, context, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
		assert_ok(nnopt_model_get_parameter(m, index, t));
		const float *x = nnopt_tensor_const_data(t);
		for (int64_t i = 0; i < info.count; i++, wanted++) {
			double off = fabs((double)x[i] - (double)*wanted) / fmax(1.0, fabs((double)*wanted));
			if (!(off <= 1e-5))
				fail_msg("%s[%d]: %.9g, %.9g wanted", names[k], (int)i, (double)x[i], (double)*wanted);
			most = fmax(most, off);
		}
		nnopt_tensor_destroy(t);
	}
	return most;
}

static void equals_the_references(void **state)
{
	(void)state;
	static const int isas[] = { NNOPT_ISA_SCALAR, NNOPT_ISA_AVX2, NNOPT_ISA_BEST };
	static const char *const kinds[] = { "Adagrad", "NAdam", "Lion", "LAMB", "Muon" };
	double most[5] = { 0 };
	float *wanted = read_wanted();
	for (int i = 0; i < 3 * ROWS; i++) {
		const row *r = &rows[i / 3];
		if (!has_isa(isas[i % 3]))
			continue;
		nnopt_context *context = context_of(1 + i % 3, isas[i % 3]);
		nnopt_model *m = make_model(context, 0);
		nnopt_optimizer *o = make_optimizer(context, r);
		if (r->groups != 0.0)
			add_groups(o);
		fill(context, m, 10);
		for (uint32_t t = 0; t < STEPS; t++) {
			if (t == CHANGE)
				assert_ok(nnopt_optimizer_set_lr(o, r->lr * 0.3));
			fill_gradients(context, m, 1000 + 16 * t);
			assert_ok(nnopt_optimizer_step(o, m, 1.0f, NULL));
		}
		most[r->kind] = fmax(most[r->kind], compare(context, m, wanted + i / 3 * ELEMENTS));
		nnopt_optimizer_destroy(o);
		nnopt_model_destroy(m);
		nnopt_context_destroy(context);
	}
	for (int k = 0; k < 5; k++)
		print_message("%s: within %.2g of the reference\n", kinds[k], most[k]);
	free(wanted);
}

/* Tensors of several chunks and blocks of rows; a run taken up from slots and steps. */
static void same_bits_at_any_thread_count(void **state)
{
	(void)state;
	for (int kind = ADAGRAD; kind <= MUON; kind++) {
		const row r = {
			kind, 0.01, 0.05, 1e-6, 1, 0.01, 5.0, kind == LION ? 0.9 : 0.0, kind == LION ? 0.9 : 1.0, 5
		};
		float *kept = NULL;
		for (int threads = 1; threads <= 4; threads++) {
			nnopt_context *context = context_of(threads, NNOPT_ISA_BEST);
			nnopt_model *m = make_model(context, 1);
			nnopt_optimizer *o = make_optimizer(context, &r);
			add_groups(o);
			fill(context, m, 10);
			for (uint32_t t = 0; t < 4; t++) {
				if (t == 2 && threads == 3) { /* resumed */
					nnopt_optimizer *other = make_optimizer(context, &r);
					add_groups(other);
					assert_ok(nnopt_optimizer_attach(other, m));
					for (int32_t i = 0; i < nnopt_optimizer_slot_count(o); i++)
						assert_ok(nnopt_tensor_copy(nnopt_optimizer_slot(other, i),
									    nnopt_optimizer_slot(o, i)));
					assert_ok(nnopt_optimizer_set_steps(other, nnopt_optimizer_steps(o)));
					nnopt_optimizer_destroy(o);
					o = other;
				}
				fill_gradients(context, m, 1000 + 16 * t);
				assert_ok(nnopt_optimizer_step(o, m, 1.0f, NULL));
			}
			nnopt_model_blocks k = blocks_of(m);
			size_t bytes = (size_t)k.parameter_elements * sizeof(float);
			if (kept == NULL) {
				kept = malloc(bytes);
				assert_non_null(kept);
				memcpy(kept, k.parameters, bytes);
			}
			assert_memory_equal(kept, k.parameters, bytes);
			nnopt_optimizer_destroy(o);
			nnopt_model_destroy(m);
			nnopt_context_destroy(context);
		}
		free(kept);
	}
}

/* A frozen tensor and its slots stay; thawed, they go on from where they were. */
static void freezing_and_thawing(void **state)
{
	(void)state;
	nnopt_context *context = context_of(2, NNOPT_ISA_BEST);
	for (int kind = ADAGRAD; kind <= MUON; kind++) {
		const row r = { kind, 0.01, 0.05, 1e-6, 0, 0.0, 0.0, 0.5, 0.9, 5 };
		nnopt_model *m = make_model(context, 0);
		nnopt_optimizer *o = make_optimizer(context, &r);
		nnopt_parameter_info info = { .struct_size = sizeof info };
		int32_t index;
		fill(context, m, 10);
		assert_ok(nnopt_model_find_parameter(m, "linear2.weight", &index));
		assert_ok(nnopt_model_parameter_info(m, index, &info));
		nnopt_model_blocks k = blocks_of(m);
		float before[9 * 23], slot[9 * 23], other = k.parameters[0];
		const size_t bytes = sizeof before;
		for (uint32_t t = 0; t < 6; t++) {
			assert_ok(nnopt_model_set_trainable(m, "linear2", t < 2 || t >= 4, NULL));
			fill_gradients(context, m, 1000 + 16 * t);
			memcpy(before, k.parameters + info.block_offset, bytes);
			if (t > 0)
				memcpy(slot, (float *)nnopt_tensor_data(nnopt_optimizer_slot(o, 0)) + info.block_offset,
				       bytes);
			assert_ok(nnopt_optimizer_step(o, m, 1.0f, NULL));
			const float *now = (float *)nnopt_tensor_data(nnopt_optimizer_slot(o, 0)) + info.block_offset;
			int moved = memcmp(before, k.parameters + info.block_offset, bytes) != 0;
			assert_int_equal(moved, t < 2 || t >= 4);
			assert_int_equal(t == 0 || memcmp(slot, now, bytes) != 0, moved);
			assert_true(k.parameters[0] != other);
			other = k.parameters[0];
		}
		nnopt_optimizer_destroy(o);
		nnopt_model_destroy(m);
	}
	nnopt_context_destroy(context);
}

/* --- SAM --- */

enum { SAM_N = 37 };
static const struct {
	double rho;
	int adaptive;
	double weights[SAM_N];
} sam_rows[] = {
#include "golden/sam.inc"
};

/* The gradient at the weights: elements are independent, so that their order is of no matter. */
static void slope(const nnopt_model_blocks *k)
{
	for (int64_t i = 0; i < k->parameter_elements; i++)
		k->gradients[i] = 0.7f * k->parameters[i] - 0.3f + 0.1f * (float)sin(3.0 * (double)k->parameters[i]);
}

/* A linear layer of 36 weights and a bias. */
static nnopt_model *make_line(nnopt_context *context)
{
	nnopt_model *m = NULL;
	nnopt_plan *plan = NULL;
	nnopt_plan_options p;
	assert_ok(nnopt_model_create(&m, context));
	assert_ok(nnopt_add_linear(m, 1, NULL));
	assert_ok(nnopt_plan_options_init(&p, sizeof p));
	p.rank = 1;
	p.shape[0] = SAM_N - 1;
	p.mode = NNOPT_TRAINING;
	assert_ok(nnopt_plan_create(&plan, m, &p));
	nnopt_plan_destroy(plan);
	return m;
}

static void sam_equals_its_formula(void **state)
{
	(void)state;
	nnopt_context *context = context_of(2, NNOPT_ISA_BEST);
	for (int i = 0; i < 2; i++) {
		nnopt_model *m = make_line(context);
		nnopt_model_blocks k = blocks_of(m);
		nnopt_optimizer *o = NULL;
		nnopt_sgd_options s;
		float kept[64];
		assert_ok(nnopt_sgd_options_init(&s, sizeof s));
		s.lr = 0.05, s.momentum = 0.9, s.weight_decay = 0.01;
		assert_ok(nnopt_sgd_create(&o, context, &s));
		nnopt_parameter_info w = { .struct_size = sizeof w }, b = w;
		assert_ok(nnopt_model_parameter_info(m, 0, &w));
		assert_ok(nnopt_model_parameter_info(m, 1, &b));
		for (uint32_t j = 0; j < SAM_N; j++)
			k.parameters[j < SAM_N - 1 ? w.block_offset + j : b.block_offset] = number(10, j);
		for (int t = 0; t < 30; t++) {
			nnopt_step_result found = { .struct_size = sizeof found };
			slope(&k);
			memcpy(kept, k.parameters, (size_t)k.parameter_elements * sizeof(float));
			/* As if two batches had been gathered. */
			for (int64_t j = 0; j < k.parameter_elements; j++)
				k.gradients[j] *= 2.0f;
			assert_ok(nnopt_sam_perturb(o, m, sam_rows[i].rho, sam_rows[i].adaptive, 0.5f, &found));
			assert_int_equal(found.finite, 1);
			assert_fails(NNOPT_ERROR_STATE, "perturbed", nnopt_sam_perturb(o, m, 0.1, 0, 1.0f, NULL));
			assert_fails(NNOPT_ERROR_STATE, "nnopt_sam_restore", nnopt_optimizer_step(o, m, 1.0f, NULL));
			slope(&k);
			assert_ok(nnopt_sam_restore(o, m));
			assert_memory_equal(kept, k.parameters, (size_t)k.parameter_elements * sizeof(float));
			assert_ok(nnopt_optimizer_step(o, m, 1.0f, NULL));
		}
		for (uint32_t j = 0; j < SAM_N; j++) {
			double got = (double)k.parameters[j < SAM_N - 1 ? w.block_offset + j : b.block_offset],
			       wanted = sam_rows[i].weights[j];
			if (!(fabs(got - wanted) <= 1e-5 * fmax(1.0, fabs(wanted))))
				fail_msg("rho %g: weight %u %.9g, %.9g wanted", sam_rows[i].rho, j, got, wanted);
		}
		k.gradients[1] = INFINITY;
		nnopt_step_result found = { .struct_size = sizeof found };
		memcpy(kept, k.parameters, (size_t)k.parameter_elements * sizeof(float));
		assert_ok(nnopt_sam_perturb(o, m, 0.1, i, 1.0f, &found));
		assert_int_equal(found.finite, 0);
		assert_ok(nnopt_sam_restore(o, m));
		assert_memory_equal(kept, k.parameters, (size_t)k.parameter_elements * sizeof(float));
		assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "rho 0", nnopt_sam_perturb(o, m, 0.0, 0, 1.0f, NULL));
		nnopt_optimizer_destroy(o);
		nnopt_model_destroy(m);
	}
	nnopt_context_destroy(context);
}

/* Once attached, and once SAM's copy is there. */
static void steps_allocate_nothing(void **state)
{
	(void)state;
	static budget memory;
	nnopt_context_options c;
	nnopt_context *context = NULL;
	assert_ok(nnopt_context_options_init(&c, sizeof c));
	c.threads = 2;
	c.alloc = budget_alloc;
	c.free = budget_free;
	c.alloc_user = &memory;
	assert_ok(nnopt_context_create(&context, &c));
	nnopt_model *m = make_model(context, 1);
	nnopt_average *average = NULL;
	assert_ok(nnopt_ema_create(&average, context, NULL));
	for (int kind = ADAGRAD; kind <= MUON; kind++) {
		const row r = { kind, 0.01, 0.05, 1e-6, 0, 0.0, 1.0, 0.5, 0.9, 5 };
		nnopt_optimizer *o = make_optimizer(context, &r);
		fill_gradients(context, m, 1000);
		assert_ok(nnopt_optimizer_attach(o, m));
		assert_ok(nnopt_average_attach(average, m));
		for (int t = 0; t < 3; t++) {
			long before = atomic_load(&memory.calls);
			assert_ok(nnopt_sam_perturb(o, m, 0.05, t == 2, 1.0f, NULL));
			assert_ok(nnopt_sam_restore(o, m));
			assert_ok(nnopt_optimizer_step(o, m, 1.0f, NULL));
			assert_ok(nnopt_average_update(average, m));
			assert_int_equal(atomic_load(&memory.calls) - before, t == 0);
		}
		nnopt_optimizer_destroy(o);
	}
	nnopt_average_destroy(average);
	nnopt_model_destroy(m);
	nnopt_context_destroy(context);
	assert_int_equal(atomic_load(&memory.blocks), 0);
}

/* A momentum of 0 over an epsilon whose inverse no float holds: the weights stay. */
static void muon_of_nothing(void **state)
{
	(void)state;
	nnopt_context *context = context_of(1, NNOPT_ISA_BEST);
	nnopt_model *m = make_model(context, 0);
	nnopt_model_blocks k = blocks_of(m);
	nnopt_muon_options o;
	nnopt_optimizer *muon = NULL;
	nnopt_step_result result = { .struct_size = sizeof result };
	fill(context, m, 0);
	memset(k.gradients, 0, (size_t)k.parameter_elements * sizeof(float));
	float *before = malloc((size_t)k.parameter_elements * sizeof(float));
	assert_non_null(before);
	memcpy(before, k.parameters, (size_t)k.parameter_elements * sizeof(float));
	assert_ok(nnopt_muon_options_init(&o, sizeof o));
	o.epsilon = 1e-40;
	assert_ok(nnopt_muon_create(&muon, context, &o));
	assert_ok(nnopt_optimizer_step(muon, m, 1.0f, &result));
	for (int64_t i = 0; i < k.parameter_elements; i++)
		assert_true(k.parameters[i] == before[i]);
	free(before);
	nnopt_optimizer_destroy(muon);
	nnopt_model_destroy(m);
	nnopt_context_destroy(context);
}

static void refuses(void **state)
{
	(void)state;
	nnopt_context *context = context_of(1, NNOPT_ISA_BEST);
	nnopt_optimizer *o = NULL;
	nnopt_adagrad_options a;
	assert_ok(nnopt_adagrad_options_init(&a, sizeof a));
	a.initial_sum = -1.0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "initial_sum -1", nnopt_adagrad_create(&o, context, &a));
	nnopt_nadam_options n;
	assert_ok(nnopt_nadam_options_init(&n, sizeof n));
	n.momentum_decay = NAN;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "momentum_decay nan", nnopt_nadam_create(&o, context, &n));
	nnopt_lion_options l;
	assert_ok(nnopt_lion_options_init(&l, sizeof l));
	l.beta1 = 1.0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "beta1 1", nnopt_lion_create(&o, context, &l));
	nnopt_lamb_options b;
	assert_ok(nnopt_lamb_options_init(&b, sizeof b));
	b.epsilon = -1.0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "epsilon -1", nnopt_lamb_create(&o, context, &b));
	nnopt_muon_options m;
	assert_ok(nnopt_muon_options_init(&m, sizeof m));
	m.iterations = 100;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "iterations 100", nnopt_muon_create(&o, context, &m));
	m.iterations = 5;
	m.scale = 4;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "scale 4", nnopt_muon_create(&o, context, &m));
	m.scale = 0;
	m.epsilon = 0.0;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "epsilon 0", nnopt_muon_create(&o, context, &m));
	assert_null(o);
	assert_ok(nnopt_muon_create(&o, context, NULL));
	nnopt_group_options g;
	assert_ok(nnopt_group_options_init(&g, sizeof g));
	g.rule = 3;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "rule 3", nnopt_optimizer_add_group(o, &g));
	nnopt_optimizer_destroy(o);
	nnopt_context_destroy(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_the_references),
		cmocka_unit_test(same_bits_at_any_thread_count),
		cmocka_unit_test(freezing_and_thawing),
		cmocka_unit_test(sam_equals_its_formula),
		cmocka_unit_test(steps_allocate_nothing),
		cmocka_unit_test(muon_of_nothing),
		cmocka_unit_test(refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
