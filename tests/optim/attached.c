/* attached.c - what is attached to a model says STATE to another one, be it that a layer was replaced in it, or that it
 * lies where the first one lay. */
#include "blocks.h"
#include "budget_context.h"

enum { CHANNELS = 4, SIDE = 5, BATCH = 2 };

static nnopt_model *make_model(void)
{
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_conv2d(m, CHANNELS, 3, NULL));
	assert_ok(nnopt_add_batch_norm2d(m, NULL));
	assert_ok(nnopt_add_flatten(m));
	assert_ok(nnopt_add_linear(m, 3, NULL));
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 1, SIDE, SIDE }));
	return m;
}

static nnopt_plan *run_training(nnopt_model *m)
{
	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	nnopt_tensor *x = NULL;
	const nnopt_tensor *y = NULL;
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.mode = NNOPT_TRAINING;
	o.batch = BATCH;
	assert_ok(nnopt_plan_create(&plan, m, &o));
	assert_ok(nnopt_tensor_create(&x, ctx, NNOPT_F32, 4, (int64_t[]){ BATCH, 1, SIDE, SIDE }, NNOPT_NHWC));
	for (int64_t i = 0; i < nnopt_tensor_count(x); i++)
		((float *)nnopt_tensor_data(x))[i] = (float)(i % 7);
	assert_ok(nnopt_plan_forward(plan, x, &y));
	((float *)nnopt_tensor_data(nnopt_plan_output_gradient(plan)))[0] = 1.0f;
	assert_ok(nnopt_plan_backward(plan, 0));
	nnopt_tensor_destroy(x);
	return plan;
}

/* A normalisation with as many parameters and no running statistics for the one with. */
static void replace_norm(nnopt_model *m)
{
	nnopt_layer *norm = NULL;
	assert_ok(nnopt_group_norm_create(&norm, ctx, 2, NULL));
	assert_ok(nnopt_model_replace_layer(m, "batch_norm2d1", norm));
	nnopt_layer_destroy(norm);
}

static void every_set_of_blocks_is_another(void **state)
{
	(void)state;
	nnopt_model *a = make_model(), *b = make_model();
	uint64_t first = blocks_of(a).identity;
	assert_true(first != 0 && blocks_of(b).identity != 0 && first != blocks_of(b).identity);
	nnopt_plan_destroy(run_training(a));
	assert_true(blocks_of(a).identity == first);
	replace_norm(a);
	assert_true(blocks_of(a).identity != first && blocks_of(a).identity != blocks_of(b).identity);
	nnopt_model_destroy(a);
	nnopt_model_destroy(b);
}

enum { EMA, SWA, LOOKAHEAD, KINDS };

static nnopt_average *make_average(int kind)
{
	nnopt_average *a = NULL;
	assert_ok(kind == EMA   ? nnopt_ema_create(&a, ctx, NULL)
		  : kind == SWA ? nnopt_swa_create(&a, ctx, NULL)
				: nnopt_lookahead_create(&a, ctx, NULL));
	return a;
}

static void expect_strange(nnopt_optimizer *o, nnopt_average *const *averages, nnopt_model *m)
{
	assert_fails(NNOPT_ERROR_STATE, "replaced", nnopt_optimizer_attach(o, m));
	assert_fails(NNOPT_ERROR_STATE, "replaced", nnopt_optimizer_step(o, m, 1.0f, NULL));
	assert_fails(NNOPT_ERROR_STATE, "replaced", nnopt_sam_perturb(o, m, 0.1, 0, 1.0f, NULL));
	for (int kind = 0; kind < KINDS; kind++) {
		assert_fails(NNOPT_ERROR_STATE, "replaced", nnopt_average_attach(averages[kind], m));
		assert_fails(NNOPT_ERROR_STATE, "replaced", nnopt_average_update(averages[kind], m));
		assert_fails(NNOPT_ERROR_STATE, "replaced", nnopt_average_swap(averages[kind], m));
		assert_fails(NNOPT_ERROR_STATE, "replaced", nnopt_average_apply(averages[kind], m));
	}
}

static void attach_all(nnopt_optimizer **o, nnopt_average **averages, nnopt_model *m)
{
	assert_ok(nnopt_sgd_create(o, ctx, NULL));
	assert_ok(nnopt_optimizer_attach(*o, m));
	for (int kind = 0; kind < KINDS; kind++) {
		averages[kind] = make_average(kind);
		assert_ok(nnopt_average_attach(averages[kind], m));
		assert_ok(nnopt_average_update(averages[kind], m));
	}
}

static void destroy_all(nnopt_optimizer *o, nnopt_average **averages)
{
	nnopt_optimizer_destroy(o);
	for (int kind = 0; kind < KINDS; kind++)
		nnopt_average_destroy(averages[kind]);
}

static void a_replaced_layer(void **state)
{
	(void)state;
	nnopt_model *m = make_model();
	nnopt_optimizer *o = NULL;
	nnopt_average *averages[KINDS];
	attach_all(&o, averages, m);
	replace_norm(m);
	nnopt_plan *plan = run_training(m);
	expect_strange(o, averages, m);
	nnopt_plan_destroy(plan);
	destroy_all(o, averages);
	nnopt_model_destroy(m);
}

/* Destroyed models' addresses are given out again: mostly at once, by the usual allocators. */
static void a_model_in_the_place_of_another(void **state)
{
	(void)state;
	nnopt_model *m = make_model();
	nnopt_optimizer *o = NULL;
	nnopt_average *averages[KINDS];
	attach_all(&o, averages, m);
	const void *place = m;
	nnopt_model_destroy(m);
	m = make_model();
	int same_place = m == place;
	nnopt_plan *plan = run_training(m);
	expect_strange(o, averages, m);
	nnopt_plan_destroy(plan);
	destroy_all(o, averages);
	nnopt_model_destroy(m);
	if (!same_place)
		skip(); /* the allocator kept the place for itself: the test was one of any other model */
}

/* A head of fewer parameters: what was kept to be put back is longer than what there is. */
static void perturbed_weights(void **state)
{
	(void)state;
	nnopt_model *m = make_model();
	nnopt_optimizer *o = NULL;
	nnopt_layer *head = NULL;
	assert_ok(nnopt_sgd_create(&o, ctx, NULL));
	assert_int_equal(nnopt_sam_perturbed(NULL), 0);
	nnopt_plan *plan = run_training(m);
	assert_ok(nnopt_sam_perturb(o, m, 0.1, 0, 1.0f, NULL));
	assert_int_equal(nnopt_sam_perturbed(o), 1);
	assert_ok(nnopt_linear_create(&head, ctx, 1, NULL));
	assert_ok(nnopt_model_replace_layer(m, "linear1", head));
	assert_fails(NNOPT_ERROR_STATE, "replaced", nnopt_sam_restore(o, m));
	nnopt_layer_destroy(head);
	nnopt_plan_destroy(plan);
	nnopt_optimizer_destroy(o);
	nnopt_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_set_of_blocks_is_another),
		cmocka_unit_test(a_replaced_layer),
		cmocka_unit_test(a_model_in_the_place_of_another),
		cmocka_unit_test(perturbed_weights),
	};
	return cmocka_run_group_tests(tests, make_context, free_context);
}
