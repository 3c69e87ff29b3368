/* typed_cases.c - the cases of the kernels for values of one type: check_<kernel>, each over vectors of n. No case
 * hands a result on to another call where 16 bits may have rounded it to either neighbour. */
#include "values.h"

#include "convolution_cases.h"

static void check_add(frame *f)
{
	elem *a = values(f, f->n, 1), *b = values(f, f->n, 1), *same = results(f, f->n);
	of(f)->add(results(f, f->n), a, b, f->n);
	of(f)->add(same, same, b, f->n);
	of(f)->add(same, a, same, f->n);
}

static void check_widen(frame *f) { of(f)->widen(out(f, f->n), values_and_nans(f, f->n, 1), f->n); }

static void check_narrow(frame *f)
{
	float *x = in(f, f->n, 4);
	of(f)->narrow(results(f, f->n), x, 1.0f, f->n, 0);
	of(f)->narrow(results(f, f->n), x, 3.0f, f->n, 0);
	of(f)->narrow(results(f, f->n), x, -0.375f, f->n, 1);
}

static void check_mask_positive(frame *f)
{
	elem *y = values_and_nans(f, f->n, 1);
	of(f)->mask_positive(results(f, f->n), y, f->n);
}

static void check_column_sums(frame *f)
{
	elem *x = values(f, 5 * f->n, 1);
	of(f)->column_sums(out(f, f->n), x, 5, f->n);
}

static void check_transpose(frame *f)
{
	int64_t rows = size_of(f, 1, 50), columns = size_of(f, 2, 40);
	elem *x = values(f, rows * (columns + 1) - 1, 1);
	of(f)->transpose(results(f, columns * (rows + 2) - 2), rows + 2, x, columns + 1, rows, columns);
}

static void check_scale_values(frame *f)
{
	elem *x = values(f, f->n, 1), *same = results(f, f->n);
	of(f)->scale_values(results(f, f->n), x, 0.5f, f->n, 0);
	of(f)->scale_values(results(f, f->n), x, -3.0f, f->n, 1);
	of(f)->scale_values(same, same, 2.0f, f->n, 0);
}

static void check_multiply(frame *f)
{
	elem *a = values(f, f->n, 1), *b = values(f, f->n, 1), *same = results(f, f->n);
	of(f)->multiply(results(f, f->n), a, b, f->n, 0);
	of(f)->multiply(results(f, f->n), a, b, f->n, 1);
	of(f)->multiply(same, same, b, f->n, 0);
	same = results(f, f->n);
	of(f)->multiply(same, a, same, f->n, 0);
}

static void check_multiply_columns(frame *f)
{
	enum { ROWS = 3 };
	elem *x = values(f, ROWS * f->n, 1), *same = results(f, ROWS * f->n);
	float *factors = in(f, f->n, 1);
	of(f)->multiply_columns(results(f, ROWS * f->n), x, factors, ROWS, f->n, 0);
	of(f)->multiply_columns(results(f, ROWS * f->n), x, factors, ROWS, f->n, 1);
	of(f)->multiply_columns(same, same, factors, ROWS, f->n, 0);
}

static void check_product_sums(frame *f)
{
	elem *a = values(f, 5 * f->n, 1), *b = values(f, 5 * f->n, 1);
	of(f)->product_sums(out(f, f->n), a, b, 5, f->n);
}

typedef void (*value_fn)(elem *, const elem *, float, int64_t);
typedef void (*gradient_fn)(elem *, const elem *, const elem *, float, int64_t, int);

static void activation(frame *f, value_fn run)
{
	elem *x = values_and_nans(f, f->n, 4), *same = results(f, f->n);
	run(results(f, f->n), x, 0.25f, f->n);
	run(same, same, 0.25f, f->n);
}

static void activation_gradient(frame *f, gradient_fn run, float scale)
{
	elem *v = values(f, f->n, scale), *holes = values_and_nans(f, f->n, scale), *same = results(f, f->n);
	run(results(f, f->n), values(f, f->n, 1), v, 0.25f, f->n, 0);
	run(results(f, f->n), values(f, f->n, 1), v, 0.25f, f->n, 1);
	run(results(f, f->n), values(f, f->n, 1), holes, 0.25f, f->n, 0);
	run(results(f, f->n), holes, v, 0.25f, f->n, 0);
	run(same, same, v, 0.25f, f->n, 0);
	same = results(f, f->n);
	run(same, same, v, 0.25f, f->n, 1);
}

static void check_relu(frame *f) { activation(f, of(f)->relu); }
static void check_leaky_relu(frame *f) { activation(f, of(f)->leaky_relu); }
static void check_relu6(frame *f) { activation(f, of(f)->relu6); }
static void check_sigmoid(frame *f) { activation(f, of(f)->sigmoid); }
static void check_tanh(frame *f) { activation(f, of(f)->tanh); }
static void check_silu(frame *f) { activation(f, of(f)->silu); }
static void check_gelu(frame *f) { activation(f, of(f)->gelu); }
static void check_gelu_tanh(frame *f) { activation(f, of(f)->gelu_tanh); }
static void check_hard_sigmoid(frame *f) { activation(f, of(f)->hard_sigmoid); }
static void check_hard_swish(frame *f) { activation(f, of(f)->hard_swish); }
static void check_hard_sigmoid_gradient(frame *f) { activation_gradient(f, of(f)->hard_sigmoid_gradient, 4); }
static void check_hard_swish_gradient(frame *f) { activation_gradient(f, of(f)->hard_swish_gradient, 4); }
static void check_relu_gradient(frame *f) { activation_gradient(f, of(f)->relu_gradient, 1); }
static void check_leaky_relu_gradient(frame *f) { activation_gradient(f, of(f)->leaky_relu_gradient, 1); }
static void check_relu6_gradient(frame *f) { activation_gradient(f, of(f)->relu6_gradient, 4); }
static void check_sigmoid_gradient(frame *f) { activation_gradient(f, of(f)->sigmoid_gradient, 0.5f); }
static void check_tanh_gradient(frame *f) { activation_gradient(f, of(f)->tanh_gradient, 0.5f); }
static void check_silu_gradient(frame *f) { activation_gradient(f, of(f)->silu_gradient, 4); }
static void check_gelu_gradient(frame *f) { activation_gradient(f, of(f)->gelu_gradient, 2); }
static void check_gelu_tanh_gradient(frame *f) { activation_gradient(f, of(f)->gelu_tanh_gradient, 2); }

static void check_max_update(frame *f)
{
	elem *best = results(f, f->n), *same = results(f, f->n);
	int32_t *where = take(f, (size_t)f->n * sizeof *where);
	memset(where, 0x55, (size_t)f->n * sizeof *where);
	result(f, where, (size_t)f->n * sizeof *where, BYTES);
	for (int32_t at = 0; at < 4; at++) {
		elem *x = at == 2 ? values_and_nans(f, f->n, 1) : values(f, f->n, 1);
		of(f)->max_update(best, where, x, at * 7, at == 0, f->n);
		of(f)->max_update(same, NULL, x, at * 7, at == 0, f->n);
	}
}

static void check_dropout(frame *f)
{
	static const uint32_t key[2] = { 12345, 678910 }, stream[3] = { 5, 6, 7 };
	of(f)->dropout(results(f, f->n), values(f, f->n, 1), f->n, key, 3, stream, UINT32_MAX / 3, 1.5f);
}

enum { NORM_ROWS = 11 }; /* more than are done at a time, and some left */

static void check_norm_moments(frame *f)
{
	elem *x = values(f, NORM_ROWS * f->n, 1);
	for (int64_t rows = 2; rows <= NORM_ROWS; rows += 9) {
		float *shift = out(f, f->n), *sum = out(f, f->n);
		of(f)->norm_moments(shift, sum, out(f, f->n), x, rows, f->n);
	}
}

static nno_norm norm_of(frame *f, int64_t n, int clamped)
{
	float *mean = in(f, n, 1), *scale = in(f, n, 1), *shift = in(f, n, 1);
	return (nno_norm){ mean, scale, shift, clamped ? 0.0f : -INFINITY, clamped ? 2.0f : INFINITY, clamped };
}

/* Whole lines, so that they may be streamed. */
static int64_t channels_of_lines(const frame *f) { return size_of(f, 3, 9) * LINE; }

static void check_norm(frame *f)
{
	for (int stream = 0; stream < 2; stream++) {
		int64_t n = stream ? channels_of_lines(f) : f->n, all = NORM_ROWS * n;
		int flags = f->n % 2 || stream ? NNO_NORM_STREAM : 0;
		elem *x = values_and_nans(f, all, 1), *skip = values(f, all, 1), *same = results(f, all);
		nno_norm open = norm_of(f, n, 0), clamped = norm_of(f, n, 1);
		of(f)->norm(results(f, all), x, NULL, &open, NORM_ROWS, n, flags);
		of(f)->norm(results(f, all), x, skip, &clamped, NORM_ROWS, n, flags);
		of(f)->norm(same, same, skip, &clamped, NORM_ROWS, n, flags);
		same = results(f, all);
		of(f)->norm(same, skip, same, &clamped, NORM_ROWS, n, 0);
	}
}

static void check_norm_sums(frame *f)
{
	elem *dy = results(f, NORM_ROWS * f->n), *x = values(f, NORM_ROWS * f->n, 1),
	     *y = values(f, NORM_ROWS * f->n, 1);
	nno_norm p = norm_of(f, f->n, 0);
	for (int i = 0; i < 3; i++) {
		float *sum = out(f, f->n);
		of(f)->norm_sums(sum, out(f, f->n), dy, x, i == 2 ? y : NULL, &p, NORM_ROWS, f->n);
		p = (nno_norm){ p.mean, p.scale, p.shift, 0.0f, 2.0f, 1 };
	}
}

static void check_norm_gradient(frame *f)
{
	enum { ROWS = 5 };
	for (int stream = 0; stream < 2; stream++) {
		int64_t n = stream ? channels_of_lines(f) : f->n, all = ROWS * n;
		elem *dy = values(f, all, 1), *x = values(f, all, 1), *same = results(f, all), *dskip = results(f, all);
		nno_norm open = norm_of(f, n, 0), p = { open.mean, open.scale, open.shift, 0.0f, 2.0f, 1 };
		nno_norm_slope s = { .a = in(f, n, 1), .b = in(f, n, 1) };
		s.d = in(f, n, 1);
		of(f)->norm_gradient(results(f, all), NULL, dy, x, &open, &s, ROWS, n, NNO_NORM_STREAM);
		of(f)->norm_gradient(results(f, all), dskip, dy, x, &p, &s, ROWS, n, NNO_NORM_ADD_DX | NNO_NORM_STREAM);
		of(f)->norm_gradient(same, dskip, same, x, &p, &s, ROWS, n, NNO_NORM_ADD_DSKIP | NNO_NORM_STREAM);
		same = results(f, all);
		of(f)->norm_gradient(results(f, all), same, same, x, &p, &s, ROWS, n, stream ? NNO_NORM_STREAM : 0);
		of(f)->norm_gradient(NULL, results(f, all), dy, x, &p, &s, ROWS, n, NNO_NORM_STREAM);
	}
}

enum { LAYER_ROWS = 3 };

static void check_layer_norm(frame *f)
{
	int64_t all = LAYER_ROWS * f->n;
	elem *x = values(f, all, 1), *same = results(f, all);
	float *scale = in(f, f->n, 1), *shift = in(f, f->n, 1), *found = out(f, 3 * LAYER_ROWS);
	of(f)->layer_norm(results(f, all), x, scale, shift, 0.25f, found, LAYER_ROWS, f->n);
	of(f)->layer_norm(results(f, all), x, NULL, shift, 0.25f, NULL, LAYER_ROWS, f->n);
	of(f)->layer_norm(results(f, all), x, scale, NULL, 0.25f, NULL, LAYER_ROWS, f->n);
	of(f)->layer_norm(same, same, NULL, NULL, 0.25f, NULL, LAYER_ROWS, f->n);
}

static void check_layer_norm_gradient(frame *f)
{
	int64_t all = LAYER_ROWS * f->n;
	elem *x = values(f, all, 1), *dy = values(f, all, 1), *same = results(f, all);
	float *scale = in(f, f->n, 1), *found = in(f, 3 * LAYER_ROWS, 0.5f);
	of(f)->layer_norm_gradient(results(f, all), dy, x, scale, found, LAYER_ROWS, f->n, 0);
	of(f)->layer_norm_gradient(results(f, all), dy, x, scale, found, LAYER_ROWS, f->n, 1);
	of(f)->layer_norm_gradient(same, same, x, NULL, found, LAYER_ROWS, f->n, 0);
}

static void check_layer_norm_weights(frame *f)
{
	elem *x = values(f, LAYER_ROWS * f->n, 1), *dy = values(f, LAYER_ROWS * f->n, 1);
	float *found = in(f, 3 * LAYER_ROWS, 0.5f), *dscale = out(f, f->n);
	of(f)->layer_norm_weights(dscale, out(f, f->n), dy, x, found, LAYER_ROWS, f->n);
}

#define STRING2(x) #x
#define STRING(x) STRING2(x)

static const kernel_case cases[] = {
#define NNO_KERNEL(name, args) { STRING(NNO_TYPE) "/" #name, check_##name },
#include "kernel/typed.inc"
#undef NNO_KERNEL
};

const case_list NNO_JOIN(value_cases, NNO_TYPE) = { cases, NNO_COUNT(cases) };
