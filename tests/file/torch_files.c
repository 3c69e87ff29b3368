/* torch_files.c - files by torch.save() in both forms, and files that no torch.save() wrote: cut off, patched, with
 * pickles that want to run something, that are deep, large, or refer outside. */
#include "check.h"

#include <stdio.h>

#define PATH TEST_TMP "/test.pth"
#define FILES TEST_DATA "/torch/"
#define MOST (1 << 20)

static nnopt_context *ctx;

static int setup(void **state)
{
	(void)state;
	return nnopt_context_create(&ctx, NULL) != NNOPT_OK;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	(void)remove(PATH);
	return 0;
}

static nnopt_tensor *read_tensor(nnopt_weights *f, const char *name)
{
	int32_t index;
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_weights_find(f, name, &index));
	assert_ok(nnopt_weights_read(f, index, &t));
	return t;
}

/* `values` in row-major order. */
static void assert_tensor(nnopt_weights *f, const char *name, nnopt_dtype dtype, int rank, const int64_t *shape,
			  const double *values)
{
	nnopt_tensor *t = read_tensor(f, name);
	float got[128];
	int64_t count = nnopt_tensor_count(t);
	assert_int_equal(nnopt_tensor_dtype(t), dtype);
	assert_int_equal(nnopt_tensor_rank(t), rank);
	for (int i = 0; i < rank; i++)
		assert_int_equal(nnopt_tensor_extent(t, i), shape[i]);
	assert_true(count <= 128);
	assert_ok(nnopt_tensor_copy_out(t, got, (size_t)count * sizeof *got, NNOPT_F32, NNOPT_NCHW));
	for (int64_t i = 0; i < count; i++)
		if (got[i] != (float)values[i])
			fail_msg("%s[%lld]: %g, %g wanted", name, (long long)i, (double)got[i], values[i]);
	nnopt_tensor_destroy(t);
}

static void ramp(double *v, int n, double first, double step)
{
	for (int i = 0; i < n; i++)
		v[i] = first + step * i;
}

static void check_transposed(nnopt_weights *f, const char *name, nnopt_dtype dtype)
{
	double v[12];
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 3; k++)
			v[i * 3 + k] = k * 4 + i;
	assert_tensor(f, name, dtype, 2, (int64_t[]){ 4, 3 }, v);
}

static void check_all(const char *path)
{
	static const struct {
		const char *name, *dtype;
		nnopt_dtype as;
		double first, step;
	} plain[] = { { "f32", "F32", NNOPT_F32, 0, 0.125 },    { "f16", "F16", NNOPT_F16, 0, 0.125 },
		      { "bf16", "BF16", NNOPT_BF16, 0, 0.125 }, { "f64", "F64", NNOPT_F32, 0, 0.125 },
		      { "u8", "U8", NNOPT_U8, 0, 1 },           { "i32", "I32", NNOPT_I32, -12, 1 },
		      { "i64", "I64", NNOPT_I64, 0, 1e10 } };
	nnopt_weights *f = NULL;
	double v[128];
	assert_ok(nnopt_weights_open(&f, ctx, path, NULL));
	assert_int_equal(nnopt_weights_count(f), 20);
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		nnopt_weight_info info = { .struct_size = sizeof info };
		assert_ok(nnopt_weights_info(f, (int32_t)i, &info)); /* in the dict's order */
		assert_string_equal(info.name, plain[i].name);
		assert_string_equal(info.dtype, plain[i].dtype);
		assert_int_equal(info.rank, 3);
		assert_int_equal(info.shape[1], 3);
		ramp(v, 24, plain[i].first, plain[i].step);
		assert_tensor(f, plain[i].name, plain[i].as, 3, (int64_t[]){ 2, 3, 4 }, v);
	}
	for (int i = 0; i < 24; i++)
		v[i] = i % 3 == 0;
	assert_tensor(f, "bool", NNOPT_U8, 3, (int64_t[]){ 2, 3, 4 }, v);
	assert_tensor(f, "scalar", NNOPT_F32, 0, NULL, (double[]){ 2.5 });
	assert_tensor(f, "empty", NNOPT_F32, 2, (int64_t[]){ 0, 3 }, NULL);
	ramp(v, 120, 0, 1);
	assert_tensor(f, "channels_last", NNOPT_F32, 4, (int64_t[]){ 2, 3, 4, 5 }, v);
	check_transposed(f, "transposed", NNOPT_F32);
	check_transposed(f, "half_transposed", NNOPT_F16);
	check_transposed(f, "double_transposed", NNOPT_F32);
	ramp(v, 10, 3, 3);
	assert_tensor(f, "every_other", NNOPT_F32, 1, (int64_t[]){ 10 }, v);
	ramp(v, 10, 0, 1);
	assert_tensor(f, "shared_a", NNOPT_F32, 1, (int64_t[]){ 10 }, v);
	ramp(v, 20, 10, 1);
	assert_tensor(f, "shared_b", NNOPT_F32, 2, (int64_t[]){ 4, 5 }, v);
	ramp(v, 12, 12, 1);
	assert_tensor(f, "parameter", NNOPT_F32, 2, (int64_t[]){ 3, 4 }, v);
	assert_tensor(f, "bn.num_batches_tracked", NNOPT_I64, 0, NULL, (double[]){ 7 });
	int32_t index;
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_weights_find(f, "i16", &index));
	assert_fails(NNOPT_ERROR_UNSUPPORTED, "I16", nnopt_weights_read(f, index, &t));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "absent", nnopt_weights_find(f, "absent", &index));
	assert_null(nnopt_weights_metadata(f, "format"));
	nnopt_weights_destroy(f);
}

static void every_kind_of_tensor(void **state)
{
	(void)state;
	check_all(FILES "all.pth");
	check_all(FILES "all_legacy.pth");
	check_all(FILES "deflated.pth");
}

static void small_ones(void **state)
{
	(void)state;
	static const char *const names[] = { FILES "small.pth", FILES "small_legacy.pth", FILES "big_endian.pth",
					     FILES "no_crc.pth" };
	double v[12];
	ramp(v, 12, 0, 1);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		nnopt_weights *f = NULL;
		assert_ok(nnopt_weights_open(&f, ctx, names[i], NULL));
		assert_int_equal(nnopt_weights_count(f), 2);
		assert_tensor(f, "w", NNOPT_F32, 2, (int64_t[]){ 3, 4 }, v);
		assert_tensor(f, "b", NNOPT_F32, 1, (int64_t[]){ 3 }, (double[]){ 1, -2, 3 });
		nnopt_weights_destroy(f);
	}
}

static nnopt_status open_root(nnopt_weights **f, const char *path, const char *root)
{
	nnopt_weights_options o;
	assert_ok(nnopt_weights_options_init(&o, sizeof o));
	o.root = root;
	return nnopt_weights_open(f, ctx, path, &o);
}

static void dicts_in_dicts(void **state)
{
	(void)state;
	static const struct {
		const char *file, *root, *name;
		int count;
		double first;
	} cases[] = { { "nested.pth", NULL, "module.b", 2, 1 },
		      { "nested.pth", "state_dict", "module.b", 2, 1 },
		      { "nested.pth", "state_dict.module", "b", 2, 1 },
		      { "nested.pth", "ema.model", "b", 2, 2 },
		      { "nested.pth", "", "ema.model.b", 5, 2 },
		      { "nested.pth", "", "optimizer.state.0.exp_avg", 5, 1 },
		      { "nested_legacy.pth", NULL, "b", 2, 1 },
		      { "nested_legacy.pth", "", "model.b", 2, 1 },
		      { "list.pth", NULL, "1.x.0", 2, 1 },
		      { "small.pth", NULL, "b", 2, 1 } };
	nnopt_weights *f = NULL;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char path[512];
		float v[4];
		snprintf(path, sizeof path, FILES "%s", cases[i].file);
		assert_ok(open_root(&f, path, cases[i].root));
		assert_int_equal(nnopt_weights_count(f), cases[i].count);
		nnopt_tensor *t = read_tensor(f, cases[i].name);
		assert_ok(nnopt_tensor_copy_out(t, v, (size_t)nnopt_tensor_count(t) * 4, NNOPT_F32, NNOPT_NCHW));
		assert_true(v[0] == (float)cases[i].first);
		nnopt_tensor_destroy(t);
		nnopt_weights_destroy(f);
	}
	assert_fails(NNOPT_ERROR_NOT_FOUND, "stat", open_root(&f, FILES "nested.pth", "stat"));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "small.pth", open_root(&f, FILES "small.pth", "model"));
}

static void what_wants_to_run(void **state)
{
	(void)state;
	nnopt_weights *f = NULL;
	assert_fails(NNOPT_ERROR_UNSUPPORTED, "posix.system", open_root(&f, FILES "runs_system.pth", NULL));
	assert_fails(NNOPT_ERROR_UNSUPPORTED, "__builtin__.eval", open_root(&f, FILES "runs_eval.pth", NULL));
	assert_fails(NNOPT_ERROR_UNSUPPORTED, "torch.nn.modules.linear.Linear",
		     open_root(&f, FILES "module.pth", NULL));
	assert_fails(NNOPT_ERROR_FORMAT, "neither", open_root(&f, TEST_DATA "/pictures/rgb.png", NULL));
	assert_fails(NNOPT_ERROR_NOT_FOUND, "absent", open_root(&f, TEST_TMP "/absent.pth", NULL));
}

/* --- damage --- */

static size_t read_file(const char *path, uint8_t *to)
{
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t n = fread(to, 1, MOST, f);
	fclose(f);
	return n;
}

static nnopt_status read_bytes(const uint8_t *bytes, size_t n)
{
	FILE *file = fopen(PATH, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
	nnopt_weights *f = NULL;
	nnopt_status status = nnopt_weights_open(&f, ctx, PATH, NULL);
	for (int32_t i = 0; status == NNOPT_OK && i < nnopt_weights_count(f); i++) {
		nnopt_tensor *t = NULL;
		status = nnopt_weights_read(f, i, &t);
		nnopt_tensor_destroy(t);
	}
	nnopt_weights_destroy(f);
	return status;
}

static void assert_refused(const uint8_t *bytes, size_t n, const char *words, const char *what)
{
	nnopt_status status = read_bytes(bytes, n);
	if ((status != NNOPT_ERROR_FORMAT && status != NNOPT_ERROR_UNSUPPORTED) ||
	    strstr(nnopt_last_error(), PATH) == NULL || strstr(nnopt_last_error(), words) == NULL)
		fail_msg("%s: %s (%s), \"%s\" wanted", what, nnopt_status_name(status), nnopt_last_error(), words);
}

static void cut_off_anywhere(void **state)
{
	(void)state;
	static const char *const names[] = { FILES "small.pth", FILES "small_legacy.pth", FILES "nested_legacy.pth",
					     FILES "deflated.pth", FILES "list.pth" };
	static uint8_t bytes[MOST];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t n = read_file(names[i], bytes);
		for (size_t k = 0; k < n; k++)
			assert_refused(bytes, k, "", names[i]);
	}
}

/* A file of the earlier form around an object's pickle; no storages but those in `tail`, keys and bytes. */
static size_t wrap(uint8_t *to, const char *pickle, size_t n, const char *tail, size_t tail_n)
{
	static const char head[] =
	    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}"
	    "X\x0d\0\0\0little_endian\x88s.";
	memcpy(to, head, sizeof head - 1);
	memcpy(to + sizeof head - 1, pickle, n);
	memcpy(to + sizeof head - 1 + n, tail, tail_n);
	return sizeof head - 1 + n + tail_n;
}

#define NO_STORAGES "\x80\x02]."
/* A storage of `count` floats with the key "0", as the object names it, and as it follows: four floats. */
#define STORAGE(count)                                     \
	"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" \
	"0X\3\0\0\0cpuK" count "NtQ"
#define FOUR_FLOATS           \
	"\x80\x02]X\1\0\0\0"  \
	"0a.\4\0\0\0\0\0\0\0" \
	"0123456789abcdef"
#define ONE_TENSOR "ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE("\4") "K\0K\4\x85K\1\x85\x89}tR"
#define WITH_METADATA(seventh) \
	"}X\1\0\0\0tctorch._utils\n_rebuild_tensor_v2\n(" STORAGE("\4") "K\0K\4\x85K\1\x85\x89}" seventh "tRs."
#define TENSOR(storage, rest) "}X\1\0\0\0tctorch._utils\n_rebuild_tensor_v2\n(" storage rest "\x89}tRs."

static void pickles_with_one_thing_wrong(void **state)
{
	(void)state;
	static uint8_t bytes[MOST];
#define P(text, tail, words)                                        \
	{                                                           \
		text, sizeof text - 1, tail, sizeof tail - 1, words \
	}
	static const struct {
		const char *pickle;
		size_t n;
		const char *tail;
		size_t tail_n;
		const char *words;
	} cases[] = {
		P("cos\nsystem\nX\4\0\0\0true\x85R.", NO_STORAGES, "os.system"),
		P("cbuiltins\neval\nX\1\0\0\0"
		  "1\x85R.",
		  NO_STORAGES, "builtins.eval"),
		P("c\x1b[31m\nx\n.", NO_STORAGES, "?[31m.x"),
		P("ctorch._utils\n_rebuild_device_tensor_from_numpy\n)R.", NO_STORAGES, "from_numpy"),
		P("cos\nsystem", NO_STORAGES, "ends early"),
		P("}(X\1\0\0\0aU\1bX\xff\xff\xff\xff", "", "ends early"),
		P("\x8a\xff", "", "ends early"),
		P("\x8a\x09"
		  "123456789.",
		  NO_STORAGES, "64 bits"),
		P("\x80\x04.", NO_STORAGES, "protocol"),
		P(".", NO_STORAGES, "stack"),
		P("}}.", NO_STORAGES, "left on the stack"),
		P("(.", NO_STORAGES, "stack"),
		P("K\1.", NO_STORAGES, "no dict"),
		P("t.", NO_STORAGES, "mark"),
		P("u.", NO_STORAGES, "mark"),
		P("}(K\1u.", NO_STORAGES, "without a value"),
		P("](K\1K\2u.", NO_STORAGES, "no dict"),
		P("}(K\1e.", NO_STORAGES, "no list"),
		P("K\1a.", NO_STORAGES, "stack"),
		P("K\1K\2K\3s.", NO_STORAGES, "no dict"),
		P("\x85.", NO_STORAGES, "stack"),
		P("K\1(\x86.", NO_STORAGES, "stack"),
		P("h\0.", NO_STORAGES, "memo"),
		P("q\0.", NO_STORAGES, "memorise"),
		P("}r\xff\xff\xff\xff.", NO_STORAGES, "memo"),
		P("K\1)R.", NO_STORAGES, "no function"),
		P("ccollections\nOrderedDict\nK\1R.", NO_STORAGES, "arguments"),
		P("ccollections\nOrderedDict\n]K\1a\x85R.", NO_STORAGES, "pairs"),
		P("ctorch\nFloatStorage\n)R.", NO_STORAGES, "storage type"),
		P("K\1}b.", NO_STORAGES, "no dict"),
		P("X\1\0\0\0xQ.", NO_STORAGES, "persistent"),
		P("i", NO_STORAGES, "0x69"),
		P("\x93", NO_STORAGES, "0x93"),
		P("}]" ONE_TENSOR "s.", FOUR_FLOATS, "key"),
		P(WITH_METADATA("}X\3\0\0\0neg\x88s"), FOUR_FLOATS, "conj or neg"),
		P(TENSOR(STORAGE("\4"), "K\0K\5\x85K\1\x85"), FOUR_FLOATS, "outside"),
		P(TENSOR(STORAGE("\4"), "K\1K\4\x85K\1\x85"), FOUR_FLOATS, "outside"),
		P(TENSOR(STORAGE("\4"), "K\0K\2\x85K\4\x85"), FOUR_FLOATS, "outside"),
		P(TENSOR(STORAGE("\4"), "K\5)"
					")"),
		  FOUR_FLOATS, "outside"),
		P(TENSOR(STORAGE("\4"), "J\xff\xff\xff\xffK\1\x85K\1\x85"), FOUR_FLOATS, "outside"),
		P(TENSOR(STORAGE("\4"), "K\0K\2\x85J\xff\xff\xff\xff\x85"), FOUR_FLOATS, "from 0"),
		P(TENSOR(STORAGE("\4"), "K\0K\7\x85K\0\x85"), FOUR_FLOATS, "expanded"),
		P(TENSOR(STORAGE("\4"), "K\0K\2K\2\x86K\1\x85"), FOUR_FLOATS, "one length"),
		P(TENSOR(STORAGE("\4"), "K\0(K\1K\1K\1K\1K\1K\1K\1K\1K\1t(K\1K\1K\1K\1K\1K\1K\1K\1K\1t"), FOUR_FLOATS,
		  "8 dimensions"),
		P(TENSOR(STORAGE("\4"), "K\0\x8a\x08\0\0\0\0\0\0\0\x40\x8a\x08\0\0\0\0\0\0\0\x40\x86K\1K\1\x86"),
		  FOUR_FLOATS, "overflows"),
		P(TENSOR(STORAGE("\4"), "K\0K\2\x85\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85"), FOUR_FLOATS,
		  "outside"),
		P(TENSOR(STORAGE("\5"), "K\0K\4\x85K\1\x85"), FOUR_FLOATS, "inside the file"),
		P(TENSOR(STORAGE("\3"), "K\0K\3\x85K\1\x85"), FOUR_FLOATS, "elements"),
		P(TENSOR(STORAGE("\4"), "K\0K\4\x85K\1\x85"), FOUR_FLOATS "x", "behind"),
		P(TENSOR(STORAGE("\4"), "K\0K\4\x85K\1\x85"), NO_STORAGES, "not listed"),
		P(TENSOR("K\1", "K\0K\4\x85K\1\x85"), FOUR_FLOATS, "storage"),
		P("}.", FOUR_FLOATS, "no tensor is in it"),
		P("}.", "\x80\x02]K\1a.", "no text"),
		P("}.", "\x80\x02}.", "no list"),
		P("]q\0h\0a.", NO_STORAGES, ""), /* a list in itself */
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char what[32];
		snprintf(what, sizeof what, "case %zu", i);
		size_t n = wrap(bytes, cases[i].pickle, cases[i].n, cases[i].tail, cases[i].tail_n);
		assert_refused(bytes, n, cases[i].words, what);
	}
	/* The same without a fault. */
	static const char good[] = TENSOR(STORAGE("\4"), "K\0K\4\x85K\1\x85"), empty[] = WITH_METADATA("}");
	assert_ok(read_bytes(bytes, wrap(bytes, good, sizeof good - 1, FOUR_FLOATS, sizeof FOUR_FLOATS - 1)));
	assert_ok(read_bytes(bytes, wrap(bytes, empty, sizeof empty - 1, FOUR_FLOATS, sizeof FOUR_FLOATS - 1)));
}

static size_t put(char *to, size_t at, const char *text, size_t n)
{
	memcpy(to + at, text, n);
	return at + n;
}

static void deep_and_large_pickles(void **state)
{
	(void)state;
	static uint8_t bytes[MOST];
	static char pickle[MOST / 2];
	size_t n = 0, depth = 100000;
	memset(pickle, ']', depth);
	memset(pickle + depth, 'a', depth - 1);
	pickle[2 * depth - 1] = '.';
	assert_refused(bytes, wrap(bytes, pickle, 2 * depth, NO_STORAGES, sizeof NO_STORAGES - 1), "deep", "lists");
	memset(pickle, '(', depth);
	memset(pickle + depth, 't', depth);
	pickle[2 * depth] = '.';
	assert_refused(bytes, wrap(bytes, pickle, 2 * depth + 1, NO_STORAGES, sizeof NO_STORAGES - 1), "deep",
		       "tuples");
	/* Twenty lists, each ten times in the next: 10^20 values when walked through. */
	for (int level = 0; level < 20; level++) {
		char memo = (char)level, before = (char)(level - 1);
		n = put(pickle, n, "]q", 2);
		n = put(pickle, n, &memo, 1);
		n = put(pickle, n, "(", 1);
		for (int i = 0; i < 10; i++) {
			n = put(pickle, n, level == 0 ? "K" : "h", 1);
			n = put(pickle, n, level == 0 ? "\1" : &before, 1);
		}
		n = put(pickle, n, "e", 1);
	}
	/* All but the last are still on the stack: one tuple around them. */
	memmove(pickle + 1, pickle, n);
	pickle[0] = '(';
	n = put(pickle, n + 1, "t.", 2);
	assert_refused(bytes, wrap(bytes, pickle, n, NO_STORAGES, sizeof NO_STORAGES - 1), "too many places", "bomb");
}

/* A list of a hundred pairs, of which each call of four opcodes would make a dict. */
static void one_list_in_many_dicts(void **state)
{
	(void)state;
	static uint8_t bytes[MOST];
	static char pickle[1024];
	for (int calls = 1; calls <= 10; calls += 9) {
		size_t n = put(pickle, 0, "(]q\0(K\1K\2\x86q\1", 12);
		for (int i = 1; i < 100; i++)
			n = put(pickle, n, "h\1", 2);
		n = put(pickle, n, "eccollections\nOrderedDict\nq\2", 28);
		for (int i = 0; i < calls; i++)
			n = put(pickle, n, "h\2h\0\x85R", 6);
		n = wrap(bytes, pickle, put(pickle, n, "t.", 2), NO_STORAGES, sizeof NO_STORAGES - 1);
		if (calls == 1)
			assert_ok(read_bytes(bytes, n));
		else
			assert_refused(bytes, n, "too many OrderedDicts", "one list in many dicts");
	}
}

/* A text of `length` times 'k'. */
static size_t put_text(char *to, size_t at, size_t length)
{
	char head[] = { 'X', (char)length, (char)(length >> 8), 0, 0 };
	at = put(to, at, head, sizeof head);
	memset(to + at, 'k', length);
	return at + length;
}

/* A tensor's name is at most 511 bytes long; what goes to the end of that can have one key more below it. What is no
 * tensor is passed over, whatever its name would be. */
static void long_names(void **state)
{
	(void)state;
	static uint8_t bytes[MOST];
	static char pickle[4096];
	static const char tensor[] = ONE_TENSOR;
	static const struct {
		const char *open, *close;
		size_t key; /* behind `open`; 0: none */
	} below[] = { { "", "", 0 },      { "}", "s", 1000 }, { "}", "s", 1 },
		      { "}K\7", "s", 0 }, { "]", "a", 0 },    { "", "\x85", 0 } };
	enum { BELOW = sizeof below / sizeof *below };
	for (size_t longest = 505; longest <= 515; longest++)
		for (int dots = 0; dots < 2; dots++)
			for (size_t k = 0; k < 2 * BELOW; k++) {
				size_t i = k % BELOW;
				int tensors = k >= BELOW;
				char what[64];
				snprintf(what, sizeof what, "%zu bytes, %d dots, case %zu", longest, dots, i);
				size_t n = put(pickle, 0, "}", 1);
				if (dots > 0)
					n = put(pickle, put_text(pickle, n, 1), "}", 1);
				n = put_text(pickle, n, longest - 2 * (size_t)dots);
				n = put(pickle, n, below[i].open, strlen(below[i].open));
				if (below[i].key > 0)
					n = put_text(pickle, n, below[i].key);
				n = put(pickle, n, tensors ? tensor : "K\1", tensors ? sizeof tensor - 1 : 2);
				n = put(pickle, n, below[i].close, strlen(below[i].close));
				n = put(pickle, n, dots > 0 ? "ss." : "s.", dots > 0 ? 3 : 2);
				n = tensors ? wrap(bytes, pickle, n, FOUR_FLOATS, sizeof FOUR_FLOATS - 1)
					    : wrap(bytes, pickle, n, NO_STORAGES, sizeof NO_STORAGES - 1);
				/* A dot and one character more. */
				if (!tensors || (longest + (i == 0 ? 0 : 2) <= 511 && below[i].key <= 1))
					assert_ok(read_bytes(bytes, n));
				else
					assert_refused(bytes, n, "longer than 511 bytes", what);
			}
}

/* --- zips --- */

/* The directory's record of the entry whose name ends so; n when there is none. */
static size_t record_of(const uint8_t *b, size_t n, const char *end)
{
	size_t length = strlen(end);
	for (size_t i = 0; i + 46 < n; i++) {
		size_t name = b[i + 28];
		if (memcmp(b + i, "PK\1\2", 4) == 0 && name >= length && i + 46 + name <= n &&
		    memcmp(b + i + 46 + name - length, end, length) == 0)
			return i;
	}
	fail_msg("no record of %s", end);
	return n;
}

typedef struct patch {
	size_t at;
	int bytes;
	uint64_t value;
	const char *words;
} patch;

static void refuse_patched(const uint8_t *seed, size_t n, const patch *cases)
{
	static uint8_t b[MOST];
	for (size_t i = 0; cases[i].words != NULL; i++) {
		char what[32];
		snprintf(what, sizeof what, "case %zu", i);
		memcpy(b, seed, n);
		for (int k = 0; k < cases[i].bytes; k++)
			b[cases[i].at + (size_t)k] = (uint8_t)(cases[i].value >> 8 * k);
		assert_refused(b, n, cases[i].words, what);
	}
}

/* Another writer's zip, without zip64. */
static void end_records_with_one_thing_wrong(void **state)
{
	(void)state;
	static uint8_t seed[MOST];
	size_t n = read_file(FILES "big_endian.pth", seed), end = n - 22;
	const patch cases[] = {
		{ end + 8, 4, 99 | (uint64_t)99 << 16, "directory" }, /* more entries than there are */
		{ end + 8, 4, 1 | (uint64_t)1 << 16, "" },            /* fewer */
		{ end + 8, 2, 1, "parts" },
		{ end + 12, 4, n, "directory" },
		{ end + 12, 4, 46, "directory" },
		{ end + 16, 4, n, "directory" },
		{ end + 16, 4, 0, "record" },
		{ end + 20, 2, 1, "end record" },
		{ 0, 0, 0, NULL },
	};
	refuse_patched(seed, n, cases);
}

static void zips_with_one_thing_wrong(void **state)
{
	(void)state;
	static uint8_t seed[MOST], b[MOST];
	size_t n = read_file(FILES "small.pth", seed), w = record_of(seed, n, "/data/0");
	size_t other = record_of(seed, n, "/data/1"), pickle = record_of(seed, n, "/data.pkl"), end = n - 22,
	       end64 = end - 20 - 56;
	size_t local = seed[w + 42] | (size_t)seed[w + 43] << 8;
	const patch cases[] = {
		{ w + 20, 4, 49, "sizes" },                         /* packed, not unpacked */
		{ w + 24, 4, 47, "sizes" },                         /* unpacked, not packed */
		{ w + 20, 8, 47 | (uint64_t)47 << 32, "47 bytes" }, /* both, not the tensor's */
		{ w + 20, 8, 64 | (uint64_t)64 << 32, "64 bytes" },
		{ w + 20, 8, 0x10000 | (uint64_t)0x10000 << 32, "" },       /* beyond the file */
		{ w + 20, 8, 0xffffffff | (uint64_t)0xffffffff << 32, "" }, /* in a zip64 field that is not there */
		{ w + 8, 2, 1, "encrypted" },
		{ w + 10, 2, 12, "method 12" },
		{ w + 10, 2, 8, "" },                                                  /* said to be deflated */
		{ w + 42, 4, seed[other + 42] | (uint64_t)seed[other + 43] << 8, "" }, /* where another entry is */
		{ w + 42, 4, n, "" },
		{ w + 46, 1, 0, "" }, /* a NUL in a name */
		{ w + 28, 2, 0xffff, "" },
		{ local, 1, 'Q', "header" },
		{ local + 26, 2, 3, "header" },
		{ local + 28, 2, 0xffff, "" }, /* data behind everything */
		{ local + 31, 1, 'z', "name" },
		{ end64 + 24, 8, 99, "zip64" }, /* more entries on this disk than in all */
		{ end64 + 32, 8, (uint64_t)1 << 40, "zip64" },
		{ end64 + 40, 8, UINT64_MAX, "zip64" },
		{ end64 + 40, 8, 46, "directory" },
		{ end64 + 48, 8, n, "directory" },
		{ end - 20 + 8, 8, n, "zip64" },
		{ end - 20 + 8, 8, 0, "zip64" },
		{ end + 4, 2, 1, "parts" },
		{ pickle + 46 + 1, 1, 'x', "" },
		{ 0, 0, 0, NULL },
	};
	refuse_patched(seed, n, cases);
	/* A bit of the elements, which begin behind name and extra field. */
	size_t data = local + 30 + seed[local + 26] + (seed[local + 28] | (size_t)seed[local + 29] << 8);
	memcpy(b, seed, n);
	b[data + 9] ^= 1;
	assert_refused(b, n, "CRC", "one bit");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_tensor),
		cmocka_unit_test(small_ones),
		cmocka_unit_test(dicts_in_dicts),
		cmocka_unit_test(what_wants_to_run),
		cmocka_unit_test(cut_off_anywhere),
		cmocka_unit_test(pickles_with_one_thing_wrong),
		cmocka_unit_test(deep_and_large_pickles),
		cmocka_unit_test(one_list_in_many_dicts),
		cmocka_unit_test(long_names),
		cmocka_unit_test(end_records_with_one_thing_wrong),
		cmocka_unit_test(zips_with_one_thing_wrong),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
