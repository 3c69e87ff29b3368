/* blas.c - large linear layers through BLAS, where equal bits are not asked for: the same numbers to rounding. */
#include "check.h"
#include "golden.h"

#include <math.h>

enum { N = 64, IN = 700, OUT = 300 };

typedef struct results {
	float y[N * OUT], dx[N * IN], dw[OUT * IN], db[OUT];
} results;

static void run(int32_t deterministic, results *r)
{
	nnopt_context_options o;
	nnopt_plan_options p;
	nnopt_context *ctx = NULL;
	nnopt_model *net = NULL;
	nnopt_plan *plan = NULL;
	nnopt_tensor *x = NULL, *dw = NULL, *db = NULL;
	const nnopt_tensor *y = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.deterministic = deterministic;
	assert_ok(nnopt_context_create(&ctx, &o));
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_add_linear(net, OUT, NULL));
	assert_ok(nnopt_add_relu(net)); /* fused */
	assert_ok(nnopt_plan_options_init(&p, sizeof p));
	p.batch = N;
	p.rank = 1;
	p.shape[0] = IN;
	p.mode = NNOPT_TRAINING;
	p.input_gradient = 1;
	assert_ok(nnopt_plan_create(&plan, net, &p));
	assert_ok(nnopt_tensor_create(&x, ctx, NNOPT_F32, 2, (int64_t[]){ N, IN }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&dw, ctx, NNOPT_F32, 2, (int64_t[]){ OUT, IN }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&db, ctx, NNOPT_F32, 1, (int64_t[]){ OUT }, NNOPT_NCHW));
	for (uint32_t i = 0; i < N * IN; i++)
		((float *)nnopt_tensor_data(x))[i] = number(1, i);
	for (int twice = 0; twice < 2; twice++) { /* the second time adds to the gradients of the first */
		assert_ok(nnopt_plan_forward(plan, x, &y));
		memcpy(r->y, nnopt_tensor_const_data(y), sizeof r->y);
		for (uint32_t i = 0; i < N * OUT; i++)
			((float *)nnopt_tensor_data(nnopt_plan_output_gradient(plan)))[i] = number(2, i);
		assert_ok(nnopt_plan_backward(plan, twice));
	}
	memcpy(r->dx, nnopt_tensor_const_data(nnopt_plan_input_gradient(plan)), sizeof r->dx);
	assert_ok(nnopt_model_get_gradient(net, 0, dw));
	assert_ok(nnopt_model_get_gradient(net, 1, db));
	memcpy(r->dw, nnopt_tensor_const_data(dw), sizeof r->dw);
	memcpy(r->db, nnopt_tensor_const_data(db), sizeof r->db);
	nnopt_tensor_destroy(x);
	nnopt_tensor_destroy(dw);
	nnopt_tensor_destroy(db);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(net);
	nnopt_context_destroy(ctx);
}

static void compare(const char *what, const float *got, const float *wanted, size_t n)
{
	float most = 0.0f;
	int different = 0;
	for (size_t i = 0; i < n; i++)
		most = fmaxf(most, fabsf(wanted[i]));
	assert_true(most > 0.0f);
	for (size_t i = 0; i < n; i++) {
		different += got[i] != wanted[i];
		if (!(fabsf(got[i] - wanted[i]) <= 1e-5f * most))
			fail_msg("%s[%d] is %g, %g wanted", what, (int)i, (double)got[i], (double)wanted[i]);
	}
	print_message("%s: %d of %d differ in their last digits\n", what, different, (int)n);
}

static void as_the_kernels(void **state)
{
	(void)state;
	static results own, blas;
	run(1, &own);
	run(0, &blas);
	compare("output", blas.y, own.y, N * OUT);
	compare("input gradient", blas.dx, own.dx, N * IN);
	compare("weight gradient", blas.dw, own.dw, OUT * IN);
	compare("bias gradient", blas.db, own.db, OUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(as_the_kernels) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
