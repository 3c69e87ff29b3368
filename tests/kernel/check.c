/* check.c - every kernel of the table on every ISA of the machine against the scalar one. Each buffer ends where a page
 * that must not be touched begins, and begins after one (at the length's alignment), so that a step outside ends the
 * test. Inputs are small integers first, where results must be equal to the bit, then fractions, within each case's
 * tolerance.
 *
 * A kernel without a case does not compile: the list of cases is made from kernels.inc.
 * check --bench times the same cases: check --bench [NAME]. */
#include "check.h"
#include "golden.h"

#include "kernel/kernel.h"

#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#define BUFFERS 24
#define BUFFER_BYTES ((size_t)1 << 20)
#define PAGE ((size_t)65536) /* a multiple of every page size in use */

typedef struct frame {
	const nno_kernels *k;
	int64_t n;
	int integers;   /* inputs are small integers */
	int given;      /* buffers handed out */
	int outputs[8]; /* which of them are results */
	size_t output_bytes[8];
	int n_outputs;
} frame;

typedef enum element { FLOATS, DOUBLES, BYTES } element;

static char *buffers[2][BUFFERS]; /* scalar's and the other's */
static int side;
static element kinds[8];
static int timing; /* buffers are aligned as a plan's are, not at the same place of a page, and keep what they hold */

static void map_buffers(void)
{
	for (int s = 0; s < 2; s++)
		for (int i = 0; i < BUFFERS; i++) {
			char *p = mmap(NULL, BUFFER_BYTES + 2 * PAGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			assert_true(p != MAP_FAILED);
			assert_int_equal(mprotect(p, PAGE, PROT_NONE), 0);
			assert_int_equal(mprotect(p + PAGE + BUFFER_BYTES, PAGE, PROT_NONE), 0);
			buffers[s][i] = p + PAGE;
		}
}

static void *take(frame *f, size_t bytes)
{
	assert_true(f->given < BUFFERS && bytes <= BUFFER_BYTES);
	size_t room = timing ? (bytes + 63) / 64 * 64 + (size_t)f->given * 192 : bytes;
	return buffers[side][f->given++] + BUFFER_BYTES - room;
}

static float value(const frame *f, uint32_t stream, int64_t i)
{
	float x = number(stream, (uint32_t)i);
	return f->integers ? rintf(x * 1.9f) : x;
}

static float *in(frame *f, int64_t count, float scale)
{
	float *x = take(f, (size_t)count * sizeof *x);
	for (int64_t i = 0; i < count && timing < 2; i++)
		x[i] = value(f, (uint32_t)f->given, i) * scale;
	return x;
}

static void *result(frame *f, void *p, size_t bytes, element kind)
{
	kinds[f->n_outputs] = kind;
	f->outputs[f->n_outputs] = f->given - 1;
	f->output_bytes[f->n_outputs++] = bytes;
	return p;
}

/* Filled as an input is, because some kernels add to it. */
static float *out(frame *f, int64_t count)
{
	float *x = in(f, count, 1.0f);
	return result(f, x, (size_t)count * sizeof *x, FLOATS);
}

static float *positive_out(frame *f, int64_t count, float more)
{
	float *x = out(f, count);
	for (int64_t i = 0; i < count; i++)
		x[i] = fabsf(x[i]) + more;
	return x;
}

static double *doubles_out(frame *f, int64_t count)
{
	double *x = take(f, (size_t)count * sizeof *x);
	for (int64_t i = 0; i < count && timing < 2; i++)
		x[i] = (double)value(f, (uint32_t)f->given, i);
	return result(f, x, (size_t)count * sizeof *x, DOUBLES);
}

/* --- the cases: check_<kernel>, each over vectors of n --- */

static void check_add_f32(frame *f) { f->k->add_f32(out(f, f->n), in(f, f->n, 1), in(f, f->n, 1), f->n); }
static void check_accumulate_f32(frame *f) { f->k->accumulate_f32(out(f, f->n), in(f, f->n, 1), f->n); }
static void check_scale_f32(frame *f) { f->k->scale_f32(out(f, f->n), in(f, f->n, 1), 0.5f, f->n); }
static void check_add_scaled_f32(frame *f) { f->k->add_scaled_f32(out(f, f->n), in(f, f->n, 1), 3.0f, f->n); }
static void check_mask_positive_f32(frame *f) { f->k->mask_positive_f32(out(f, f->n), in(f, f->n, 1), f->n); }

typedef void (*value_fn)(float *, const float *, float, int64_t);
typedef void (*gradient_fn)(float *, const float *, const float *, float, int64_t, int);

static void activation(frame *f, value_fn run)
{
	run(out(f, f->n), in(f, f->n, 4), 0.25f, f->n);
	float *same = out(f, f->n);
	run(same, same, 0.25f, f->n);
}

static void activation_gradient(frame *f, gradient_fn run, float scale)
{
	float *v = in(f, f->n, scale);
	run(out(f, f->n), in(f, f->n, 1), v, 0.25f, f->n, 0);
	run(out(f, f->n), in(f, f->n, 1), v, 0.25f, f->n, 1);
	float *same = out(f, f->n);
	run(same, same, v, 0.25f, f->n, 0);
}

static void check_relu_f32(frame *f) { activation(f, f->k->relu_f32); }
static void check_leaky_relu_f32(frame *f) { activation(f, f->k->leaky_relu_f32); }
static void check_relu6_f32(frame *f) { activation(f, f->k->relu6_f32); }
static void check_sigmoid_f32(frame *f) { activation(f, f->k->sigmoid_f32); }
static void check_tanh_f32(frame *f) { activation(f, f->k->tanh_f32); }
static void check_silu_f32(frame *f) { activation(f, f->k->silu_f32); }
static void check_gelu_f32(frame *f) { activation(f, f->k->gelu_f32); }
static void check_gelu_tanh_f32(frame *f) { activation(f, f->k->gelu_tanh_f32); }
static void check_relu_gradient_f32(frame *f) { activation_gradient(f, f->k->relu_gradient_f32, 1); }
static void check_leaky_relu_gradient_f32(frame *f) { activation_gradient(f, f->k->leaky_relu_gradient_f32, 1); }
static void check_relu6_gradient_f32(frame *f) { activation_gradient(f, f->k->relu6_gradient_f32, 4); }
static void check_sigmoid_gradient_f32(frame *f) { activation_gradient(f, f->k->sigmoid_gradient_f32, 0.5f); }
static void check_tanh_gradient_f32(frame *f) { activation_gradient(f, f->k->tanh_gradient_f32, 0.5f); }
static void check_silu_gradient_f32(frame *f) { activation_gradient(f, f->k->silu_gradient_f32, 4); }
static void check_gelu_gradient_f32(frame *f) { activation_gradient(f, f->k->gelu_gradient_f32, 2); }
static void check_gelu_tanh_gradient_f32(frame *f) { activation_gradient(f, f->k->gelu_tanh_gradient_f32, 2); }

static void check_softmax_row_f32(frame *f)
{
	float *x = in(f, f->n, 10);
	f->k->softmax_row_f32(out(f, f->n), x, f->n, out(f, 2));
	f->k->softmax_row_f32(NULL, x, f->n, out(f, 2));
}

static void check_target_sums_f32(frame *f)
{
	float *x = in(f, f->n, 3), *w = in(f, f->n, 1), *t = in(f, f->n, 1);
	for (int i = 0; i < 4; i++)
		f->k->target_sums_f32(x, 6.0f, i & 1 ? w : NULL, i & 2 ? t : NULL, 0.5f, 0.25f, f->n, out(f, 2));
}

static void check_target_gradient_f32(frame *f)
{
	float *w = in(f, f->n, 1), *t = in(f, f->n, 1);
	for (int i = 0; i < 4; i++)
		f->k->target_gradient_f32(out(f, f->n), 0.75f, i & 1 ? w : NULL, i & 2 ? t : NULL, 0.5f, 0.25f, f->n);
}

static void check_squared_error_f32(frame *f)
{
	float *x = in(f, f->n, 8), *t = in(f, f->n, 1);
	f->k->squared_error_f32(out(f, f->n), x, t, 0.5f, f->n, doubles_out(f, 1));
	f->k->squared_error_f32(NULL, x, t, 0.5f, f->n, doubles_out(f, 1));
}

static void check_logit_bce_f32(frame *f)
{
	float *x = in(f, f->n, 8), *t = in(f, f->n, 0.25f), *p = in(f, f->n, 1);
	f->k->logit_bce_f32(out(f, f->n), x, t, p, 1.0f, 0.5f, f->n, doubles_out(f, 1));
	f->k->logit_bce_f32(out(f, f->n), x, t, NULL, 1.5f, 2.0f, f->n, doubles_out(f, 1));
	f->k->logit_bce_f32(NULL, x, t, NULL, 1.5f, 2.0f, f->n, doubles_out(f, 1));
}

static const nno_gradient_step gradient = { 0.5f, 0.75f, 0.01f, 0.02f };

static void check_sum_squares_f32(frame *f) { f->k->sum_squares_f32(in(f, f->n, 1e15f), f->n, doubles_out(f, 1)); }

static void check_sgd_f32(frame *f)
{
	float *g = in(f, f->n, 1);
	f->k->sgd_f32(out(f, f->n), g, NULL, &(nno_sgd_step){ gradient, 0.1f, 0.0f, 1.0f, 0 }, f->n);
	f->k->sgd_f32(out(f, f->n), g, out(f, f->n), &(nno_sgd_step){ gradient, 0.1f, 0.9f, 0.5f, 1 }, f->n);
	f->k->sgd_f32(out(f, f->n), g, out(f, f->n), &(nno_sgd_step){ gradient, 0.1f, 0.9f, 0.5f, 0 }, f->n);
}

static void check_adam_f32(frame *f)
{
	const nno_adam_step step = { gradient, 0.1f, 0.999f, 0.001f, 0.05f, 3.0f, 1e-3f, 0.99f };
	float *g = in(f, f->n, 1), *w = out(f, f->n), *m = out(f, f->n);
	f->k->adam_f32(w, g, m, positive_out(f, f->n, 0.0f), &step, f->n);
}

static void check_rmsprop_f32(frame *f)
{
	const nno_rmsprop_step step = { gradient, 0.05f, 0.95f, 0.05f, 1e-3f, 0.9f, 1 };
	float *g = in(f, f->n, 1), *w = out(f, f->n), *s = positive_out(f, f->n, 5.0f), *a = out(f, f->n);
	f->k->rmsprop_f32(w, g, s, a, out(f, f->n), &step, f->n);
	w = out(f, f->n);
	f->k->rmsprop_f32(w, g, positive_out(f, f->n, 1.0f), NULL, NULL, &step, f->n);
}

static void check_column_sums_f32(frame *f)
{
	float *x = in(f, 5 * f->n, 1);
	f->k->column_sums_f32(out(f, f->n), x, 5, f->n);
}

static void check_max_update_f32(frame *f)
{
	float *best = out(f, f->n), *same = out(f, f->n);
	int32_t *where = take(f, (size_t)f->n * sizeof *where);
	memset(where, 0x55, (size_t)f->n * sizeof *where);
	result(f, where, (size_t)f->n * sizeof *where, BYTES);
	for (int32_t at = 0; at < 4; at++) {
		float *x = in(f, f->n, 1);
		x[f->n / 2] = at == 2 ? NAN : x[f->n / 2];
		f->k->max_update_f32(best, where, x, at * 7, at == 0, f->n);
		f->k->max_update_f32(same, NULL, x, at * 7, at == 0, f->n);
	}
}

enum { NORM_ROWS = 11 }; /* more than are done at a time, and some left */

static void check_norm_moments_f32(frame *f)
{
	float *x = in(f, NORM_ROWS * f->n, 1);
	for (int64_t rows = 2; rows <= NORM_ROWS; rows += 9) {
		float *shift = out(f, f->n), *sum = out(f, f->n);
		f->k->norm_moments_f32(shift, sum, out(f, f->n), x, rows, f->n);
	}
}

static nno_norm norm_of(frame *f, int clamped)
{
	float *mean = in(f, f->n, 1), *scale = in(f, f->n, 1), *shift = in(f, f->n, 1);
	return (nno_norm){ mean, scale, shift, clamped ? 0.0f : -INFINITY, clamped ? 2.0f : INFINITY, clamped };
}

static void check_norm_f32(frame *f)
{
	float *x = in(f, NORM_ROWS * f->n, 1), *skip = in(f, NORM_ROWS * f->n, 1), *same = out(f, NORM_ROWS * f->n);
	nno_norm open = norm_of(f, 0), clamped = norm_of(f, 1);
	f->k->norm_f32(out(f, NORM_ROWS * f->n), x, NULL, &open, NORM_ROWS, f->n, 0);
	f->k->norm_f32(out(f, NORM_ROWS * f->n), x, skip, &clamped, NORM_ROWS, f->n, NNO_NORM_STREAM);
	f->k->norm_f32(same, same, skip, &clamped, NORM_ROWS, f->n, 0);
	f->k->norm_f32(same, skip, same, &clamped, NORM_ROWS, f->n, 0);
}

static void check_norm_sums_f32(frame *f)
{
	float *dy = out(f, NORM_ROWS * f->n), *x = in(f, NORM_ROWS * f->n, 1), *y = in(f, NORM_ROWS * f->n, 1);
	nno_norm p = norm_of(f, 0);
	for (int i = 0; i < 3; i++) {
		float *sum = out(f, f->n);
		f->k->norm_sums_f32(sum, out(f, f->n), dy, x, i == 2 ? y : NULL, &p, NORM_ROWS, f->n);
		p = (nno_norm){ p.mean, p.scale, p.shift, 0.0f, 2.0f, 1 };
	}
}

static void check_norm_gradient_f32(frame *f)
{
	enum { ROWS = 5 };
	float *dy = in(f, ROWS * f->n, 1), *x = in(f, ROWS * f->n, 1), *same = out(f, ROWS * f->n),
	      *dskip = out(f, ROWS * f->n);
	nno_norm p = norm_of(f, 0);
	nno_norm_slope s = { .a = in(f, f->n, 1), .b = in(f, f->n, 1) };
	s.d = in(f, f->n, 1);
	f->k->norm_gradient_f32(out(f, ROWS * f->n), NULL, dy, x, &p, &s, ROWS, f->n, NNO_NORM_STREAM);
	p = (nno_norm){ p.mean, p.scale, p.shift, 0.0f, 2.0f, 1 };
	f->k->norm_gradient_f32(out(f, ROWS * f->n), dskip, dy, x, &p, &s, ROWS, f->n, NNO_NORM_ADD_DX);
	f->k->norm_gradient_f32(same, dskip, same, x, &p, &s, ROWS, f->n, NNO_NORM_ADD_DSKIP);
	f->k->norm_gradient_f32(out(f, ROWS * f->n), same, same, x, &p, &s, ROWS, f->n, 0);
	f->k->norm_gradient_f32(NULL, dskip, dy, x, &p, &s, ROWS, f->n, NNO_NORM_STREAM);
}

static void check_dropout_f32(frame *f)
{
	static const uint32_t key[2] = { 12345, 678910 }, stream[3] = { 5, 6, 7 };
	f->k->dropout_f32(out(f, f->n), in(f, f->n, 1), f->n, key, 3, stream, UINT32_MAX / 3, 1.5f);
}

#include "convolution_cases.h"

/* --- running them --- */

static const struct {
	const char *name;
	void (*run)(frame *f);
} cases[] = {
#define NNO_KERNEL(name, args) { #name, check_##name },
#include "kernel/kernels.inc"
#undef NNO_KERNEL
};

/* Kernels whose results are not sums and products alone: exponentials, quotients, roots, factors that are not integers.
 */
static int is_inexact(const char *name)
{
	static const char *const inexact[] = { "sigmoid",   "tanh", "silu", "gelu",    "softmax_row",    "target_",
					       "logit_bce", "sgd",  "adam", "rmsprop", "winograd_weight" };
	for (size_t i = 0; i < NNO_COUNT(inexact); i++)
		if (strstr(name, inexact[i]) != NULL)
			return 1;
	return 0;
}

static void run_case(size_t which, const nno_kernels *k, int64_t n, int integers, int on_side, frame *f)
{
	side = on_side;
	*f = (frame){ .k = k, .n = n, .integers = integers };
	cases[which].run(f);
}

static void compare(size_t which, const frame *wanted, const frame *got)
{
	int exact = got->integers && !is_inexact(cases[which].name);
	for (int o = 0; o < got->n_outputs; o++) {
		const char *a = buffers[0][wanted->outputs[o]] + BUFFER_BYTES - wanted->output_bytes[o];
		const char *b = buffers[1][got->outputs[o]] + BUFFER_BYTES - got->output_bytes[o];
		if (memcmp(a, b, got->output_bytes[o]) == 0)
			continue;
		size_t size = kinds[o] == FLOATS ? sizeof(float) : kinds[o] == DOUBLES ? sizeof(double) : 1;
		for (size_t i = 0; i < got->output_bytes[o] / size; i++) {
			double x = kinds[o] == FLOATS    ? (double)((const float *)a)[i]
				   : kinds[o] == DOUBLES ? ((const double *)a)[i]
							 : (double)a[i];
			double y = kinds[o] == FLOATS    ? (double)((const float *)b)[i]
				   : kinds[o] == DOUBLES ? ((const double *)b)[i]
							 : (double)b[i];
			if (!(x == y || (isnan(x) && isnan(y)) ||
			      (!exact && kinds[o] != BYTES && fabs(x - y) <= 2e-5 * (1.0 + fabs(x)))))
				fail_msg("%s, %s, n = %d, %s: output %d at %d is %.9g, scalar %.9g", cases[which].name,
					 got->k->isa, (int)got->n, got->integers ? "integers" : "fractions", o, (int)i,
					 y, x);
		}
	}
}

static const int isas[] = { NNOPT_ISA_SCALAR, NNOPT_ISA_AVX2, NNOPT_ISA_AVX512, NNOPT_ISA_NEON };

static void every_isa_equals_scalar(void **state)
{
	(void)state;
	int64_t runs = 0;
	for (size_t i = 0; i < NNO_COUNT(isas); i++)
		for (size_t c = 0; nno_kernels_of(isas[i]) != NULL && c < NNO_COUNT(cases); c++)
			for (int64_t n = 1; n < 1600; n += n < 70 ? 1 : n / 5)
				for (int integers = 0; integers < 2; integers++) {
					frame wanted, got;
					run_case(c, nno_kernels_of(NNOPT_ISA_SCALAR), n, integers, 0, &wanted);
					run_case(c, nno_kernels_of(isas[i]), n, integers, 1, &got);
					compare(c, &wanted, &got);
					runs++;
				}
	print_message("%d kernels, %lld comparisons\n", (int)NNO_COUNT(cases), (long long)runs);
}

/* Exact products in double in one tree: equal on fractions too. */
static void sums_of_squares_have_the_same_bits(void **state)
{
	(void)state;
	for (int64_t n = 1; n < 1600; n += n < 70 ? 1 : n / 5)
		for (size_t i = 1; i < NNO_COUNT(isas); i++) {
			frame f = { .n = n };
			double wanted, got;
			side = 0;
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
	for (size_t i = 0; i < NNO_COUNT(isas); i++) {
		const nno_kernels *k = nno_kernels_of(isas[i]);
		double exponential = 0.0, tangent = 0.0, logistic = 0.0, error = 0.0;
		for (int j = 0; k != NULL && j < 110000; j++) {
			float x[2] = { 0.0f, -(float)j / 1000.0f - 1e-4f * number(1, (uint32_t)j) }, y[2], sums[2];
			x[1] = x[1] > 0.0f ? 0.0f : x[1];
			k->softmax_row_f32(y, x, 2, sums);
			exponential = fmax(exponential, ulps(y[1], exp((double)x[1])));
			float v = (j % 2 ? 1.0f : -1.0f) * (float)j / 11000.0f + 1e-5f * number(2, (uint32_t)j);
			k->tanh_f32(y, &v, 0.0f, 1);
			tangent = fmax(tangent, ulps(y[0], tanh((double)v)));
			k->sigmoid_f32(y, &v, 0.0f, 1);
			logistic = fmax(logistic, ulps(y[0], 1.0 / (1.0 + exp(-(double)v))));
			k->gelu_f32(y, &v, 0.0f, 1);
			error = fmax(
			    error, fabs((double)y[0] - 0.5 * (double)v * (1.0 + erf((double)v * 0.70710678118654752))));
		}
		if (k != NULL)
			print_message("%s: exp %.2f ulp, tanh %.2f ulp, sigmoid %.2f ulp, GELU %.2g\n", k->isa,
				      exponential, tangent, logistic, error);
		assert_true(exponential <= 2.0 && tangent <= 6.0 && logistic <= 4.0 && error <= 2e-6);
	}
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Nanoseconds of a case at n = 1537, least of several tries, for each ISA. */
static void bench(const char *only)
{
	for (size_t c = 0; c < NNO_COUNT(cases); c++) {
		if (only != NULL && strstr(cases[c].name, only) == NULL)
			continue;
		printf("%-28s", cases[c].name);
		for (size_t i = 0; i < NNO_COUNT(isas); i++) {
			double least = 1e9;
			if (nno_kernels_of(isas[i]) == NULL)
				continue;
			for (int try = 0; try < 200; try++) {
				frame f;
				timing = try > 0 ? 2 : 1;
				double begun = now();
				run_case(c, nno_kernels_of(isas[i]), 1537, 0, 1, &f);
				least = fmin(least, now() - begun);
			}
			printf("  %s %9.0f ns", nno_kernels_of(isas[i])->isa, least * 1e9);
		}
		printf("\n");
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_isa_equals_scalar),
		cmocka_unit_test(sums_of_squares_have_the_same_bits),
		cmocka_unit_test(elementary_functions),
	};
	map_buffers();
	if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
		bench(argc > 2 ? argv[2] : NULL);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
