/* ensemble_bad.c - ensembles in files, whole and damaged; what is refused; failing allocations. */
#include "eval/members.h"

static const char *path_of(const char *name)
{
	static char path[512];
	snprintf(path, sizeof path, "%s/ensemble_%s.safetensors", TEST_TMP, name);
	return path;
}

static void files(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		nnopt_ensemble *e = NULL, *read = NULL;
		nnopt_tensor *a = NULL, *b = NULL;
		nnopt_vote_options o;
		assert_ok(nnopt_vote_options_init(&o, sizeof o));
		o.vote = kind;
		if (kind < 2)
			assert_ok(nnopt_vote_fit(&e, ctx, learnt, M, labels, &o));
		else
			assert_ok(nnopt_stack_fit(&e, ctx, learnt, M, labels, NULL));
		assert_ok(nnopt_ensemble_save(e, path_of("whole")));
		assert_ok(nnopt_ensemble_load(&read, ctx, path_of("whole")));
		assert_string_equal(nnopt_ensemble_kind(read), nnopt_ensemble_kind(e));
		assert_ok(nnopt_ensemble_combine(&a, e, asked, M, 1));
		assert_ok(nnopt_ensemble_combine(&b, read, asked, M, 1));
		assert_memory_equal(nnopt_tensor_const_data(a), nnopt_tensor_const_data(b), nnopt_tensor_bytes(a));
		nnopt_tensor_destroy(a);
		nnopt_tensor_destroy(b);
		nnopt_ensemble_destroy(read);
		nnopt_ensemble_destroy(e);
	}
}

/* A file with that rule, weights and version. */
static void write_file(const int64_t *rule, int64_t rules, const double *weights, int64_t count, nnopt_dtype dtype,
		       const char *version)
{
	static const char *const names[] = { "rule", "weights" }, *const keys[] = { "nnopt.ensemble" };
	const char *const values[] = { version };
	nnopt_tensor *t[2] = { tensor(NNOPT_I64, rules, 0), tensor(dtype, count, 0) };
	memcpy(nnopt_tensor_data(t[0]), rule, (size_t)rules * sizeof *rule);
	if (dtype == NNOPT_I64 && weights != NULL)
		memcpy(nnopt_tensor_data(t[1]), weights, (size_t)count * sizeof *weights);
	assert_ok(nnopt_safetensors_save(ctx, path_of("bad"), names, (const nnopt_tensor *const *)t,
					 weights != NULL ? 2 : 1, keys, values, version != NULL ? 1 : 0));
	nnopt_tensor_destroy(t[0]);
	nnopt_tensor_destroy(t[1]);
}

static void bad_files(void **state)
{
	(void)state;
	static const double half[2] = { 0.5, 0.5 }, more[2] = { 0.5, 0.75 }, below[2] = { 1.5, -0.5 },
			    nan_weight[2] = { 0.5, (double)NAN };
	static const struct {
		nnopt_status status;
		const char *words, *version;
		const double *weights;
		int64_t rules, count;
		nnopt_dtype dtype;
		int64_t rule[5];
	} cases[] = {
		{ NNOPT_OK, "", "1", half, 5, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "holds no ensemble", NULL, half, 5, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_UNSUPPORTED, "version 2, 1 wanted", "2", half, 5, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "no tensor weights", "1", NULL, 5, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "rule is 4", "1", half, 4, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "a rule of 2", "1", half, 5, 2, NNOPT_I64, { 2, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "is none", "1", half, 5, 2, NNOPT_I64, { 0, 3, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "is none", "1", half, 5, 2, NNOPT_I64, { 1, 2, 0, 2, 4 } },
		{ NNOPT_ERROR_FORMAT, "is none", "1", half, 5, 2, NNOPT_I64, { 0, 1, 2, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "is none", "1", half, 5, 2, NNOPT_I64, { 0, 1, 0, 0, 0 } },
		{ NNOPT_ERROR_FORMAT, "is none", "1", half, 5, 2, NNOPT_I64, { 0, 1, 0, INT64_C(1) << 40, 0 } },
		{ NNOPT_ERROR_FORMAT, "is none", "1", half, 5, 2, NNOPT_I64, { 1, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "too many", "1", half, 5, 2, NNOPT_I64, { 1, 1, 0, INT32_MAX, 1 << 20 } },
		{ NNOPT_ERROR_FORMAT, "10 of i64 wanted", "1", half, 5, 2, NNOPT_I64, { 1, 1, 0, 2, 2 } },
		{ NNOPT_ERROR_FORMAT, "3 of i64 wanted", "1", half, 5, 2, NNOPT_I64, { 0, 1, 0, 3, 0 } },
		{ NNOPT_ERROR_FORMAT, "type f32", "1", half, 5, 2, NNOPT_F32, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "add up to 1.25", "1", more, 5, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "weight 1 is -0.5", "1", below, 5, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
		{ NNOPT_ERROR_FORMAT, "weight 1 is nan", "1", nan_weight, 5, 2, NNOPT_I64, { 0, 1, 0, 2, 0 } },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		nnopt_ensemble *e = NULL;
		write_file(cases[i].rule, cases[i].rules, cases[i].weights, cases[i].count, cases[i].dtype,
			   cases[i].version);
		if (cases[i].status == NNOPT_OK)
			assert_ok(nnopt_ensemble_load(&e, ctx, path_of("bad")));
		else
			assert_fails(cases[i].status, cases[i].words, nnopt_ensemble_load(&e, ctx, path_of("bad")));
		assert_true((e != NULL) == (cases[i].status == NNOPT_OK));
		nnopt_ensemble_destroy(e);
	}
	nnopt_ensemble *e = NULL;
	assert_fails(NNOPT_ERROR_NOT_FOUND, "absent", nnopt_ensemble_load(&e, ctx, path_of("absent")));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "NULL", nnopt_ensemble_load(&e, ctx, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "NULL", nnopt_ensemble_save(NULL, path_of("bad")));
	assert_ok(nnopt_vote_create(&e, ctx, NNOPT_VOTE_HARD, NULL, M, 0));
	assert_true(nnopt_ensemble_save(e, TEST_TMP "/no/such/directory") != NNOPT_OK);
	nnopt_ensemble_destroy(e);
}

#define refused(words, call) assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, words, call)

static void refuses_votes(void **state)
{
	(void)state;
	nnopt_ensemble *e = NULL;
	nnopt_vote_options o;
	refused("members 0", nnopt_vote_create(&e, ctx, NNOPT_VOTE_HARD, NULL, 0, 0));
	refused("NULL", nnopt_vote_create(&e, NULL, NNOPT_VOTE_HARD, NULL, 2, 0));
	refused("vote 3", nnopt_vote_create(&e, ctx, (nnopt_vote)3, NULL, 2, 0));
	refused("weights[1] -1", nnopt_vote_create(&e, ctx, NNOPT_VOTE_HARD, (double[]){ 2, -1 }, 2, 0));
	refused("weights[0] nan", nnopt_vote_create(&e, ctx, NNOPT_VOTE_HARD, (double[]){ (double)NAN, 1 }, 2, 0));
	refused("add up to 0", nnopt_vote_create(&e, ctx, NNOPT_VOTE_HARD, (double[]){ 0, 0 }, 2, 0));
	refused("add up to inf", nnopt_vote_create(&e, ctx, NNOPT_VOTE_HARD, (double[]){ 1e308, 1e308 }, 2, 0));
	assert_ok(nnopt_vote_options_init(&o, sizeof o));
	refused("out or context", nnopt_vote_fit(&e, NULL, learnt, M, labels, &o));
	refused("members -1", nnopt_vote_fit(&e, ctx, learnt, -1, labels, &o));
	refused("labels is NULL", nnopt_vote_fit(&e, ctx, learnt, M, NULL, &o));
	refused("scores NULL", nnopt_vote_fit(&e, ctx, NULL, M, labels, &o));
	refused("scores[1] is NULL",
		nnopt_vote_fit(&e, ctx, (const nnopt_tensor *const[]){ learn[0], NULL }, 2, labels, &o));
	refused("scores[0] is i32", nnopt_vote_fit(&e, ctx, (const nnopt_tensor *const[]){ labels }, 1, labels, &o));
	refused("scores[1] is (40, 4), (240, 4) wanted",
		nnopt_vote_fit(&e, ctx, (const nnopt_tensor *const[]){ learn[0], answer[0] }, 2, labels, &o));
	refused("count 240, i32 or i64 (40)", nnopt_vote_fit(&e, ctx, asked, M, labels, &o));
	refused("labels[2] is 3, 0 to 1",
		nnopt_vote_fit(&e, ctx, (const nnopt_tensor *const *)two_learn, 2, labels, &o));
	o.vote = NNOPT_VOTE_HARD;
	refused("NNOPT_VOTE_HARD", nnopt_vote_fit(&e, ctx, learnt, M, labels, &o));
	o.weighting = 4;
	refused("weighting 4", nnopt_vote_fit(&e, ctx, learnt, M, labels, &o));
	o.weighting = NNOPT_WEIGHT_GREEDY;
	o.rounds = 0;
	refused("rounds 0", nnopt_vote_fit(&e, ctx, learnt, M, labels, &o));
	o.rounds = 1;
	o.vote = -1;
	refused("vote -1", nnopt_vote_fit(&e, ctx, learnt, M, labels, &o));
	assert_ok(nnopt_vote_options_init(&o, sizeof o));
	o.tolerance = 0.0;
	refused("tolerance 0", nnopt_vote_fit(&e, ctx, learnt, M, labels, &o));
	o.tolerance = 1e-300;
	assert_fails(NNOPT_ERROR_STATE, "a larger tolerance", nnopt_vote_fit(&e, ctx, learnt, M, labels, &o));
	assert_null(e);
}

static void refuses_stacks(void **state)
{
	(void)state;
	nnopt_ensemble *e = NULL;
	nnopt_stack_options o;
	assert_ok(nnopt_stack_options_init(&o, sizeof o));
	refused("NULL", nnopt_stack_fit(NULL, ctx, learnt, M, labels, &o));
	refused("members 0", nnopt_stack_fit(&e, ctx, learnt, 0, labels, &o));
	o.l2 = 0.0;
	refused("l2 0", nnopt_stack_fit(&e, ctx, learnt, M, labels, &o));
	o.l2 = 1.0;
	o.features = 2;
	refused("features 2", nnopt_stack_fit(&e, ctx, learnt, M, labels, &o));
	o.features = 0;
	o.iterations = 0;
	refused("iterations 0", nnopt_stack_fit(&e, ctx, learnt, M, labels, &o));
	o.iterations = 1;
	assert_fails(NNOPT_ERROR_STATE, "after 1 iterations", nnopt_stack_fit(&e, ctx, learnt, M, labels, &o));
	nnopt_tensor *none[2] = { tensor(NNOPT_F32, N, 2), NULL };
	assert_ok(nnopt_tensor_fill(none[0], (double)NAN));
	none[1] = none[0];
	refused("no sample", nnopt_stack_fit(&e, ctx, (const nnopt_tensor *const *)none, 2, two_labels, NULL));
	nnopt_diversity d = { .struct_size = sizeof d };
	refused("no sample", nnopt_ensemble_diversity(&d, NULL, ctx, (const nnopt_tensor *const *)none, 2, two_labels));
	assert_null(e);

	nnopt_tensor *out = NULL;
	assert_ok(nnopt_stack_fit(&e, ctx, (const nnopt_tensor *const *)two_learn, 2, two_labels, NULL));
	refused("NULL", nnopt_ensemble_combine(&out, NULL, asked, M, 0));
	refused("4 members, 2 wanted", nnopt_ensemble_combine(&out, e, asked, M, 0));
	refused("4 classes, 2 wanted", nnopt_ensemble_combine(&out, e, asked, 2, 0));
	refused("scores NULL", nnopt_ensemble_combine(&out, e, NULL, 2, 0));
	assert_null(out);
	assert_null(nnopt_ensemble_kind(NULL));
	assert_int_equal(nnopt_ensemble_members(NULL), 0);
	nnopt_ensemble_destroy(NULL);
	nnopt_ensemble_destroy(e);
	nnopt_tensor_destroy(none[0]);
}

static nnopt_status run_all(nnopt_ensemble **e, nnopt_tensor **out, int which)
{
	nnopt_vote_options o;
	nnopt_diversity d = { .struct_size = sizeof d };
	nnopt_status status = nnopt_vote_options_init(&o, sizeof o);
	o.weighting = which;
	if (which == 5)
		return nnopt_ensemble_diversity(&d, NULL, ctx, learnt, M, labels);
	if (which == 6)
		return nnopt_ensemble_load(e, ctx, path_of("whole"));
	if (status == NNOPT_OK)
		status = which == 4 ? nnopt_stack_fit(e, ctx, learnt, M, labels, NULL)
				    : nnopt_vote_fit(e, ctx, learnt, M, labels, &o);
	if (status == NNOPT_OK)
		status = nnopt_ensemble_combine(out, *e, asked, M, 0);
	if (status == NNOPT_OK && which == 0)
		status = nnopt_ensemble_save(*e, path_of("bad"));
	return status;
}

static void out_of_memory(void **state)
{
	(void)state;
	for (int which = 0; which < 7; which++) {
		nnopt_status status = NNOPT_ERROR_OUT_OF_MEMORY;
		long blocks = atomic_load(&memory.blocks), at = 1;
		for (; status != NNOPT_OK && at < 200; at++) {
			nnopt_ensemble *e = NULL;
			nnopt_tensor *out = NULL;
			atomic_store(&memory.calls, 0);
			atomic_store(&memory.fail_at, at);
			status = run_all(&e, &out, which);
			atomic_store(&memory.fail_at, 0);
			assert_true(status == NNOPT_OK || status == NNOPT_ERROR_OUT_OF_MEMORY);
			nnopt_tensor_destroy(out);
			nnopt_ensemble_destroy(e);
			assert_int_equal(atomic_load(&memory.blocks), blocks);
		}
		assert_int_equal(status, NNOPT_OK);
		assert_true(at > (which == 5 ? 2 : 6));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),          cmocka_unit_test(bad_files),     cmocka_unit_test(refuses_votes),
		cmocka_unit_test(refuses_stacks), cmocka_unit_test(out_of_memory),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
