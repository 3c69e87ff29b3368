/* absent.c - a machine without OpenBLAS: contexts that allow it are created all the same, say so in the log, and own
 * kernels do the work. No library can be loaded in this program: its dlopen() stands before the system's. */
#include "check.h"

#include "blas/blas.h"
#include "context/context.h"

#include <dlfcn.h>
#include <stdio.h>

static int asked;

void *dlopen(const char *file, int mode)
{
	(void)file;
	(void)mode;
	asked++;
	return NULL;
}

static char line[600];

static void note(nnopt_log_level level, const char *text, void *user)
{
	(void)user;
	assert_int_equal(level, NNOPT_LOG_WARNING);
	snprintf(line, sizeof line, "%s", text);
}

enum { BATCH = 64, IN = 512, OUT = 256 };

/* A product that is large enough for BLAS. */
static void forward(int32_t deterministic, float *y)
{
	nnopt_context_options o;
	nnopt_plan_options p;
	nnopt_context *ctx = NULL;
	nnopt_model *net = NULL;
	nnopt_plan *plan = NULL;
	nnopt_tensor *x = NULL;
	const nnopt_tensor *output = NULL;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.deterministic = deterministic;
	o.log = note;
	assert_ok(nnopt_context_create(&ctx, &o));
	assert_int_equal(ctx->deterministic, 1);
	assert_ok(nnopt_model_create(&net, ctx));
	assert_ok(nnopt_add_linear(net, OUT, NULL));
	assert_ok(nnopt_plan_options_init(&p, sizeof p));
	p.batch = BATCH;
	p.rank = 1;
	p.shape[0] = IN;
	assert_ok(nnopt_plan_create(&plan, net, &p));
	assert_ok(nnopt_tensor_create(&x, ctx, NNOPT_F32, 2, (int64_t[]){ BATCH, IN }, NNOPT_NCHW));
	for (int i = 0; i < BATCH * IN; i++)
		((float *)nnopt_tensor_data(x))[i] = (float)(i % 31) - 15.0f;
	assert_ok(nnopt_plan_forward(plan, x, &output));
	assert_ok(nnopt_tensor_copy_out(output, y, BATCH * OUT * sizeof *y, NNOPT_F32, NNOPT_NCHW));
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(net);
	nnopt_context_destroy(ctx);
}

static void own_kernels_go_on(void **state)
{
	(void)state;
	static float own[BATCH * OUT], allowed[BATCH * OUT];
	forward(1, own);
	assert_int_equal(asked, 0);
	assert_string_equal(line, "");
	forward(0, allowed);
	assert_int_equal(asked, 1);
	assert_non_null(strstr(line, "OpenBLAS"));
	assert_memory_equal(own, allowed, sizeof own);
	assert_false(nno_blas_available());
	assert_int_equal(asked, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(own_kernels_go_on) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
