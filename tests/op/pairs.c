/* pairs.c - the ops that multiply pairs of bf16 values against those that widen them: with the scalar form of the
 * pairs' kernels, so on every machine, and with the machine's own where it has them. Shapes are ragged, threads do not
 * matter. */
#include "trial.h"

#include "base/size.h"

typedef struct setting {
	nno_shape in;
	int64_t out, batch, n;
	bool bias, relu, add;
	/* Of a convolution; a kernel of 0 is one of 1x1, stride 1, without padding. */
	int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
	bool pooled; /* and no gradient of the data */
} setting;

static int64_t at_least_one(int64_t n) { return n > 0 ? n : 1; }

static nno_shape made_by(const setting *s)
{
	return (nno_shape){ (s->in.h + 2 * s->pad_h - at_least_one(s->kernel_h)) / at_least_one(s->stride_h) + 1,
			    (s->in.w + 2 * s->pad_w - at_least_one(s->kernel_w)) / at_least_one(s->stride_w) + 1,
			    s->out };
}

static nno_shape result_of(const setting *s)
{
	nno_shape made = made_by(s);
	return s->pooled ? (nno_shape){ made.h / 2, made.w / 2, made.c } : made;
}

enum { SRC, DST, DDST, DSRC, WEIGHTS, BIAS, DWEIGHTS, DBIAS, BUFFERS };

static uint16_t *half[DSRC + 1]; /* values in bf16 */
static buffer whole[BUFFERS];

static nno_bf16 to_bf16(float x)
{
	nno_bf16 value;
	nno_kernels_of(NNOPT_ISA_SCALAR)->bf16->narrow(&value, &x, 1.0f, 1, 0);
	return value;
}

static float from_bf16(uint16_t bits)
{
	float x;
	nno_bf16 value = { bits };
	nno_kernels_of(NNOPT_ISA_SCALAR)->bf16->widen(&x, &value, 1);
	return x;
}

static void make_all(const setting *s, dice *d)
{
	int64_t weights = at_least_one(s->kernel_h) * at_least_one(s->kernel_w) * s->in.c * s->out;
	int64_t source = s->n * nno_shape_count(s->in), result = s->n * nno_shape_count(result_of(s));
	int64_t counts[BUFFERS] = { source, result, result, source, weights, s->out, weights, s->out };
	for (int b = 0; b < BUFFERS; b++) {
		whole[b] = make_buffer(counts[b]);
		fill_integers(d, &whole[b]);
	}
	for (int b = 0; b <= DSRC; b++) {
		half[b] = malloc((size_t)counts[b] * sizeof *half[b] + 1);
		assert_non_null(half[b]);
		for (int64_t i = 0; i < counts[b]; i++)
			half[b][i] = to_bf16(data_of(&whole[b])[i]).bits;
	}
}

static void free_all(void)
{
	for (int b = 0; b < BUFFERS; b++)
		free_buffer(&whole[b]);
	for (int b = 0; b <= DSRC; b++)
		free(half[b]);
}

/* Runs it on fresh copies of the inputs; what comes out is appended to `results`. */
static int64_t run_once(const setting *s, const nno_op_class *cls, const nno_kernels *kernels, nno_pool *pool,
			float *results)
{
	dice d = { 7 };
	make_all(s, &d);
	nno_conv_attr conv = { .kernel_h = at_least_one(s->kernel_h),
			       .kernel_w = at_least_one(s->kernel_w),
			       .stride_h = at_least_one(s->stride_h),
			       .stride_w = at_least_one(s->stride_w),
			       .pad_h = s->pad_h,
			       .pad_w = s->pad_w,
			       .pooled = s->pooled,
			       .dilation_h = 1,
			       .dilation_w = 1,
			       .groups = 1,
			       .bias = s->bias,
			       .activation = s->relu ? NNO_ACT_RELU : NNO_ACT_NONE };
	nno_linear_attr linear = { s->bias, s->relu ? NNO_ACT_RELU : NNO_ACT_NONE };
	bool is_conv = cls->attr_size == sizeof conv;
	trial t = { .op = { .cls = cls,
			    .n_in = 1,
			    .n_param = 2,
			    .in = { s->in },
			    .out = result_of(s),
			    .attr = is_conv ? (void *)&conv : (void *)&linear,
			    .batch = s->batch,
			    .type = NNO_BF16,
			    .training = true,
			    .wants_dsrc = { !s->pooled },
			    .wants_dparam = true } };
	start_trial(&t, kernels, pool);
	t.run.n = s->n;
	t.run.src[0] = half[SRC];
	t.run.dst = half[DST];
	t.run.ddst = half[DDST];
	t.run.dsrc[0] = s->pooled ? NULL : half[DSRC];
	t.run.dsrc_add[0] = s->add;
	t.run.dparam_add = s->add;
	t.run.param[0] = data_of(&whole[WEIGHTS]);
	t.run.param[1] = data_of(&whole[BIAS]);
	t.run.dparam[0] = data_of(&whole[DWEIGHTS]);
	t.run.dparam[1] = data_of(&whole[DBIAS]);
	run_trial(&t);
	stop_trial(&t);
	int64_t n = 0;
	for (int64_t i = 0; i < whole[DST].n; i++)
		results[n++] = from_bf16(half[DST][i]);
	for (int64_t i = 0; i < whole[DSRC].n; i++)
		results[n++] = from_bf16(half[DSRC][i]);
	for (int64_t i = 0; i < whole[DWEIGHTS].n; i++)
		results[n++] = data_of(&whole[DWEIGHTS])[i];
	for (int64_t i = 0; i < s->out; i++)
		results[n++] = s->bias ? data_of(&whole[DBIAS])[i] : 0.0f;
	free_all();
	return n;
}

enum { ROWS = 33, COLUMNS = 150, REDUCED = 37 }; /* of the kernels' trial */
enum { MOST = 1 << 19 };
static float wanted[MOST], got[MOST];

static void compare(const setting *s, const nno_op_class *plain, const nno_op_class *paired, const nno_kernels *kernels)
{
	int64_t n = run_once(s, plain, nno_kernels_of(NNOPT_ISA_SCALAR), pools[0], wanted);
	for (int p = 0; p < POOLS; p++) {
		assert_int_equal(run_once(s, paired, kernels, pools[p], got), n);
		for (int64_t i = 0; i < n; i++)
			if (wanted[i] != got[i])
				fail_msg("%s: %dx%d of %d to %d, kernel %dx%d, stride %dx%d, pad %dx%d, pooled %d, "
					 "n %d, pool %d: number %d of %d is %g, %g wanted",
					 paired->name, (int)s->in.h, (int)s->in.w, (int)s->in.c, (int)s->out,
					 (int)s->kernel_h, (int)s->kernel_w, (int)s->stride_h, (int)s->stride_w,
					 (int)s->pad_h, (int)s->pad_w, s->pooled, (int)s->n, p, (int)i, (int)n,
					 (double)got[i], (double)wanted[i]);
	}
}

static const nno_kernels *with_scalar_pairs(void)
{
	static nno_kernels kernels;
	kernels = *nno_kernels_best(NNOPT_ISA_BEST);
	kernels.pairs = &nno_pairs_scalar;
	return &kernels;
}

/* Integers: every sum is exact, so equal to the bit. */
static void compare_many(const nno_kernels *kernels)
{
	dice d = { 1 };
	for (int i = 0; i < 60; i++) {
		setting s = { .in = { between(&d, 1, 5), between(&d, 1, 7), 2 * between(&d, 1, 40) },
			      .out = 2 * between(&d, 1, 50),
			      .batch = 5,
			      .n = between(&d, 1, 5),
			      .bias = i % 2,
			      .relu = i / 2 % 2,
			      .add = i / 4 % 2 };
		compare(&s, &nno_op_conv_pointwise, &nno_op_conv_pointwise_pairs, kernels);
		s.in = (nno_shape){ 1, 1, 2 * between(&d, 1, 400) };
		compare(&s, &nno_op_linear, &nno_op_linear_pairs, kernels);
	}
}

/* Windows, strides, padding wider than a window's half, small pictures that share a task; odd numbers of channels. */
static void compare_convolutions(const nno_kernels *kernels)
{
	dice d = { 2 };
	for (int i = 0; i < 120; i++) {
		setting s = { .in = { between(&d, 3, 12), between(&d, 3, 12), between(&d, 1, 24) },
			      .out = 2 * between(&d, 1, 40),
			      .batch = i % 3 == 0 ? 17 : 5,
			      .bias = i % 2,
			      .relu = i / 2 % 2,
			      .add = i / 4 % 2,
			      .kernel_h = between(&d, 1, 3),
			      .kernel_w = between(&d, 1, 3),
			      .stride_h = between(&d, 1, 3),
			      .stride_w = between(&d, 1, 3),
			      .pad_h = between(&d, 0, 2),
			      .pad_w = between(&d, 0, 2) };
		s.n = between(&d, 1, s.batch);
		nno_shape made = made_by(&s);
		s.pooled = i % 5 == 0 && made.h % 2 == 0 && made.w % 2 == 0;
		compare(&s, &nno_op_conv, &nno_op_conv_pairs, kernels);
	}
}

static void ops_on_pairs_are_exact(void **state)
{
	(void)state;
	compare_many(with_scalar_pairs());
	compare_convolutions(with_scalar_pairs());
	if (nno_kernels_best(NNOPT_ISA_BEST)->pairs == NULL)
		return;
	compare_many(nno_kernels_best(NNOPT_ISA_BEST));
	compare_convolutions(nno_kernels_best(NNOPT_ISA_BEST));
}

/* Those of rows side by side: steps at any place of a, results on top of a bias, rounded or not. */
static void side_kernels(const nno_pairs *own, int64_t m, int64_t n, int64_t steps, const nno_bf16 *a,
			 const nno_bf16 *b, float sums[2][ROWS * COLUMNS])
{
	static nno_bf16 rounded[2][ROWS * COLUMNS];
	int64_t off[REDUCED];
	float bias[COLUMNS];
	for (int64_t i = 0; i < n; i++)
		bias[i] = (float)(i % 7 - 3);
	for (int64_t s = 0; s < steps; s++)
		off[s] = 2 * (s * 7 % REDUCED);
	for (int flags = 0; flags <= (NNO_GEMM_ADD | NNO_GEMM_RELU); flags++) {
		const nno_pairs *tables[2] = { &nno_pairs_scalar, own };
		for (int k = 0; k < 2; k++) {
			for (int64_t i = 0; i < m * n; i++)
				rounded[k][i] = to_bf16((float)(i % 5));
			tables[k]->gemm_side(m, n, steps, a, off, b, 2 * n, rounded[k], n,
					     flags & NNO_GEMM_RELU ? bias : NULL,
					     flags & NNO_GEMM_RELU && n % 2 ? flags | NNO_GEMM_SIX : flags);
			tables[k]->gemm_columns(m, n, steps, a, 2, b, 2 * n, sums[k], n, flags & NNO_GEMM_ADD);
		}
		assert_memory_equal(rounded[0], rounded[1], (size_t)(m * n) * sizeof(nno_bf16));
		assert_memory_equal(sums[0], sums[1], (size_t)(m * n) * sizeof(float));
	}
}

/* The machine's kernels against the scalar ones. */
static void kernels_are_exact(void **state)
{
	(void)state;
	const nno_pairs *own = nno_kernels_best(NNOPT_ISA_BEST)->pairs;
	static float src[REDUCED * COLUMNS], sums[2][ROWS * COLUMNS];
	static nno_bf16 pairs[2][(REDUCED + 1) * COLUMNS], a[ROWS * (REDUCED + 1)];
	if (own == NULL)
		skip();
	dice d = { 3 };
	for (int i = 0; i < REDUCED * COLUMNS; i++)
		src[i] = (float)between(&d, -3, 3);
	for (int i = 0; i < ROWS * (REDUCED + 1); i++)
		a[i] = to_bf16((float)between(&d, -3, 3));
	for (int64_t n = 1; n <= COLUMNS; n++)
		for (int64_t k = 1; k <= REDUCED; k += 5) {
			int64_t m = between(&d, 1, ROWS), count = (k + 1) / 2;
			nno_pairs_scalar.zip(pairs[0], src, n, k, n);
			own->zip(pairs[1], src, n, k, n);
			assert_memory_equal(pairs[0], pairs[1], (size_t)(count * 2 * n) * sizeof(nno_bf16));
			for (int add = 0; add < 2; add++) {
				nno_pairs_scalar.gemm(m, n, count, a, REDUCED + 1, 2, pairs[0], 2 * n, sums[0], n,
						      add ? NNO_GEMM_ADD : 0);
				own->gemm(m, n, count, a, REDUCED + 1, 2, pairs[0], 2 * n, sums[1], n,
					  add ? NNO_GEMM_ADD : 0);
				assert_memory_equal(sums[0], sums[1], (size_t)(m * n) * sizeof(float));
			}
			side_kernels(own, m, n, count, a, pairs[0], sums);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ops_on_pairs_are_exact),
		cmocka_unit_test(kernels_are_exact),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
