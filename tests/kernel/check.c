/* check.c - every kernel of the table on every ISA of the machine against the scalar one, for each type of values. Each
 * buffer ends where a page that must not be touched begins, or begins after one, so that a step outside ends the test.
 * Inputs are small integers, where results must be equal to the bit, or fractions, within each case's tolerance.
 *
 * A kernel without a case does not compile: the lists of cases, in f32_cases.c and typed_cases.c, are made from
 * kernels.inc and typed.inc.
 * check --bench times the same cases: check --bench [NAME], such as bf16/norm. */
#include "frame.h"

#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

static const case_list *const lists[] = { &float_cases, &value_cases_f32, &value_cases_bf16, &value_cases_f16 };

/* Kernels whose results are not sums and products alone: exponentials, quotients, roots, factors that are not integers.
 */
static int is_inexact(const char *name)
{
	static const char *const inexact[] = { "sigmoid",    "tanh",  "silu",    "gelu",    "softmax_row",
					       "target_",    "sgd",   "adam",    "rmsprop", "winograd_weight",
					       "layer_norm", "hard_", "cell",    "logit_",  "plogp",
					       "divergence", "hinge", "adagrad", "lion",    "lamb",
					       "muon" };
	for (size_t i = 0; i < NNO_COUNT(inexact); i++)
		if (strstr(name, inexact[i]) != NULL)
			return 1;
	return 0;
}

/* Sums and products that are rounded in another order, and then perhaps to the neighbour in 16 bits. */
static int is_close(const output *o, double x, double y)
{
	if (o->kind == BYTES)
		return 0;
	return fabs(x - y) <= 2e-5 * (1.0 + fabs(x)) + step_at(o, fmax(fabs(x), fabs(y)));
}

static void compare(const kernel_case *which, const frame *wanted, const frame *got)
{
	int exact = got->integers && !is_inexact(which->name);
	static const size_t sizes[] = { sizeof(float), sizeof(double), 1, sizeof(nno_bf16), sizeof(nno_f16) };
	assert_int_equal(wanted->n_outputs, got->n_outputs);
	for (int i = 0; i < got->n_outputs; i++) {
		const output *a = &wanted->outputs[i], *b = &got->outputs[i];
		assert_int_equal(a->bytes, b->bytes);
		if (memcmp(a->at, b->at, b->bytes) == 0)
			continue;
		for (size_t j = 0; j < b->bytes / sizes[b->kind]; j++) {
			double x = number_at(a, j), y = number_at(b, j);
			if (!(x == y || (isnan(x) && isnan(y)) || (!exact && is_close(b, x, y))))
				fail_msg("%s, %s, n = %d, %s%s: output %d at %d is %.9g, scalar %.9g", which->name,
					 got->k->isa, (int)got->n, got->integers ? "integers" : "fractions",
					 got->at_front ? " at a page's start" : "", i, (int)j, y, x);
		}
	}
}

static void equals_scalar(const kernel_case *which, const nno_kernels *k, int64_t n, int integers, int at_front)
{
	frame wanted = { .k = nno_kernels_of(NNOPT_ISA_SCALAR), .n = n, .integers = integers, .at_front = at_front };
	frame got = { .k = k, .n = n, .side = 1, .integers = integers, .at_front = at_front };
	which->run(&wanted);
	which->run(&got);
	compare(which, &wanted, &got);
}

static void every_isa_equals_scalar(void **state)
{
	(void)state;
	int64_t runs = 0, cases = 0;
	for (size_t l = 0; l < NNO_COUNT(lists); l++)
		for (size_t c = 0; c < lists[l]->count; c++, cases++)
			for (size_t i = 0; i < ISA_LIST; i++) {
				const kernel_case *which = &lists[l]->cases[c];
				const nno_kernels *k = nno_kernels_of(isas[i]);
				for (int64_t n = 1; k != NULL && n < 1600; n += n < 70 ? 1 : n / 5)
					for (int how = 0; how < 4; how++, runs++)
						equals_scalar(which, k, n, how / 2, how % 2);
			}
	print_message("%d kernels, %lld comparisons\n", (int)cases, (long long)runs);
}

/* Exact products in double in one tree: equal on fractions too. */
static void sums_of_squares_have_the_same_bits(void **state)
{
	(void)state;
	for (int64_t n = 1; n < 1600; n += n < 70 ? 1 : n / 5)
		for (size_t i = 1; i < ISA_LIST; i++) {
			frame f = { .n = n };
			double wanted, got;
			float *x = in(&f, n, 1e15f);
			nno_kernels_of(NNOPT_ISA_SCALAR)->sum_squares_f32(x, n, &wanted);
			if (nno_kernels_of(isas[i]) == NULL)
				continue;
			nno_kernels_of(isas[i])->sum_squares_f32(x, n, &got);
			assert_memory_equal(&wanted, &got, sizeof wanted);
		}
}

static double ulps(float got, double wanted)
{
	return fabs((double)got - wanted) / (fabs(wanted) < 1.17549435e-38 ? 1.4e-45 : ldexp(1.0, ilogb(wanted) - 23));
}

/* The elementary functions over all their range against libm in double. */
static void elementary_functions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ISA_LIST; i++) {
		const nno_kernels *k = nno_kernels_of(isas[i]);
		double exponential = 0.0, tangent = 0.0, logistic = 0.0, error = 0.0, logarithm = 0.0;
		for (int j = 0; k != NULL && j < 110000; j++) {
			float x[2] = { 0.0f, -(float)j / 1000.0f - 1e-4f * number(1, (uint32_t)j) }, y[2], sums[2];
			x[1] = x[1] > 0.0f ? 0.0f : x[1];
			k->softmax_row_f32(y, x, 2, sums);
			exponential = fmax(exponential, ulps(y[1], exp((double)x[1])));
			float v = (j % 2 ? 1.0f : -1.0f) * (float)j / 11000.0f + 1e-5f * number(2, (uint32_t)j);
			k->f32->tanh(y, &v, 0.0f, 1);
			tangent = fmax(tangent, ulps(y[0], tanh((double)v)));
			k->f32->sigmoid(y, &v, 0.0f, 1);
			logistic = fmax(logistic, ulps(y[0], 1.0 / (1.0 + exp(-(double)v))));
			k->f32->gelu(y, &v, 0.0f, 1);
			double t = ldexp(1.5 + (double)number(3, (uint32_t)j) / 4.0, j % 200 - 100), product;
			k->plogp_f32(&(float){ (float)t }, 1, &product);
			t = (double)(float)t;
			logarithm = fmax(logarithm, ulps((float)product, t * log(t)));
			error = fmax(
			    error, fabs((double)y[0] - 0.5 * (double)v * (1.0 + erf((double)v * 0.70710678118654752))));
		}
		if (k != NULL)
			print_message(
			    "%s: exp %.2f ulp, x log x %.2f ulp, tanh %.2f ulp, sigmoid %.2f ulp, GELU %.2g\n", k->isa,
			    exponential, logarithm, tangent, logistic, error);
		assert_true(exponential <= 2.0 && logarithm <= 4.0 && tangent <= 6.0 && logistic <= 4.0 &&
			    error <= 2e-6);
	}
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Nanoseconds of a case at n = 1537, least of several tries. */
static double time_of(const kernel_case *which, const nno_kernels *k)
{
	double least = 1e9;
	for (int try = 0; try < 200; try++) {
		frame f = { .k = k, .n = 1537, .side = 1, .timing = try > 0 ? 2 : 1 };
		double begun = now();
		which->run(&f);
		least = fmin(least, now() - begun);
	}
	return least * 1e9;
}

static void bench(const char *only)
{
	for (size_t l = 0; l < NNO_COUNT(lists); l++)
		for (size_t c = 0; c < lists[l]->count; c++) {
			const kernel_case *which = &lists[l]->cases[c];
			if (only != NULL && strstr(which->name, only) == NULL)
				continue;
			printf("%-28s", which->name);
			for (size_t i = 0; i < ISA_LIST; i++)
				if (nno_kernels_of(isas[i]) != NULL)
					printf("  %s %9.0f ns", nno_kernels_of(isas[i])->isa,
					       time_of(which, nno_kernels_of(isas[i])));
			printf("\n");
		}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_isa_equals_scalar),     cmocka_unit_test(sums_of_squares_have_the_same_bits),
		cmocka_unit_test(elementary_functions),        cmocka_unit_test(widening_is_exact),
		cmocka_unit_test(narrowing_rounds_to_nearest),
	};
	map_buffers();
	if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
		bench(argc > 2 ? argv[2] : NULL);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
