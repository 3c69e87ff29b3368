/* fuzz.c - damaged files: 10,000 of each format, from seeds, by a fixed stream of mutations. Each ends in valid data or
 * in an error that names the file; memory stays within a budget; nothing is left behind. Crashes are for the sanitizers
 * to see. */
#include "check.h"

#include "budget.h"
#include "data/data.h"

#include <stdio.h>
#include <sys/stat.h>
#include <zlib.h>

#define ROUNDS 10000
#define MOST (1 << 20)
#define BUDGET ((size_t)64 << 20)

static budget memory;
static nnopt_context *ctx;
static uint64_t chance_state;

static uint64_t chance(uint64_t n)
{
	chance_state += 0x9e3779b97f4a7c15u; /* splitmix64 */
	uint64_t z = chance_state;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % n;
}

static size_t mutate_once(uint8_t *b, size_t n)
{
	static const uint32_t extremes[] = { 0,      1,      0x7f,       0x80,        0xff,
					     0x7fff, 0xffff, 0x7fffffff, 0x80000000u, 0xffffffffu };
	size_t at = n > 0 ? chance(n) : 0;
	switch (chance(7)) {
	case 0: /* a bit */
		if (n > 0)
			b[at] ^= (uint8_t)(1u << chance(8));
		return n;
	case 1: /* a byte */
		if (n > 0)
			b[at] = (uint8_t)chance(256);
		return n;
	case 2: /* the end goes */
		return at;
	case 3: { /* an extreme in a field, either order */
		uint32_t v = extremes[chance(sizeof extremes / sizeof *extremes)];
		int width = 1 << chance(4), big = (int)chance(2);
		for (int i = 0; i < width && at + (size_t)i < n; i++)
			b[at + (size_t)i] =
			    (uint8_t)(i < 4 ? v >> 8 * (big && width <= 4 ? width - 1 - i : i) : 0xff * (v >> 31));
		return n;
	}
	case 4: { /* a piece goes */
		size_t length = chance(n - at + 1) % 64;
		memmove(b + at, b + at + length, n - at - length);
		return n - length;
	}
	case 5: { /* a piece comes twice */
		size_t length = chance(n - at + 1) % 64;
		if (n + length > MOST)
			return n;
		memmove(b + at + length, b + at, n - at);
		return n + length;
	}
	default: /* early bytes matter most */
		if (n > 0)
			b[chance(n < 64 ? n : 64)] = (uint8_t)chance(256);
		return n;
	}
}

typedef nnopt_status (*parse_fn)(const uint8_t *bytes, size_t n);

static size_t read_seed(const char *path, uint8_t *to)
{
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t n = fread(to, 1, MOST, f);
	fclose(f);
	return n;
}

static void write_bytes(const char *path, const uint8_t *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void campaign(const char *format, const uint8_t *seed, size_t seed_size, int rounds, parse_fn parse)
{
	static uint8_t bytes[MOST + 64];
	long blocks = atomic_load(&memory.blocks);
	int good = 0;
	assert_int_equal(parse(seed, seed_size), NNOPT_OK);
	for (int round = 0; round < rounds; round++) {
		memcpy(bytes, seed, seed_size);
		size_t n = seed_size;
		for (uint64_t k = 1 + chance(3); k > 0; k--)
			n = mutate_once(bytes, n);
		nnopt_status status = parse(bytes, n);
		good += status == NNOPT_OK;
		if (status != NNOPT_OK && status != NNOPT_ERROR_FORMAT && status != NNOPT_ERROR_UNSUPPORTED &&
		    status != NNOPT_ERROR_OUT_OF_MEMORY && status != NNOPT_ERROR_INVALID_ARGUMENT)
			fail_msg("%s: round %d: %s (%s)", format, round, nnopt_status_name(status), nnopt_last_error());
		if (status != NNOPT_OK && strstr(nnopt_last_error(), "fuzz") == NULL)
			fail_msg("%s: round %d: \"%s\" does not name the file", format, round, nnopt_last_error());
		if (atomic_load(&memory.blocks) != blocks)
			fail_msg("%s: round %d: %ld blocks left behind", format, round,
				 atomic_load(&memory.blocks) - blocks);
	}
	print_message("%s: %d damaged files, %d of them still valid, peak %zu KiB\n", format, rounds, good,
		      atomic_load(&memory.peak) >> 10);
	atomic_store(&memory.peak, 0);
}

static int setup(void **state)
{
	(void)state;
	nnopt_context_options o;
	assert_ok(nnopt_context_options_init(&o, sizeof o));
	o.threads = 1;
	o.alloc = budget_alloc;
	o.free = budget_free;
	o.alloc_user = &memory;
	memory.limit = BUDGET;
	assert_ok(nnopt_context_create(&ctx, &o));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	budget_came_back(&memory);
	return 0;
}

/* --- pictures --- */

static nnopt_status parse_picture(const uint8_t *bytes, size_t n)
{
	nno_room room = { .alloc = &ctx->alloc };
	nno_picture p = { .c = 3 };
	nnopt_status status = nno_image_decode(&p, &room, bytes, n, 1 << 20, "fuzz.picture");
	nno_room_free(&room);
	return status;
}

static nnopt_status parse_by_stb(const uint8_t *bytes, size_t n)
{
	nno_room room = { .alloc = &ctx->alloc };
	nno_picture p = { .c = 3 };
	nnopt_status status = nno_stb_decode(&p, &room, bytes, n, 1 << 20, "fuzz.picture");
	nno_room_free(&room);
	return status;
}

static void pictures(void **state)
{
	(void)state;
	static const char *const names[] = { "rgb.png",         "palette.png", "rgba.png", "rgb.jpg",
					     "progressive.jpg", "rgb.bmp",     "grey.bmp" };
	static uint8_t seed[MOST];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[512];
		snprintf(path, sizeof path, "%s/pictures/%s", TEST_DATA, names[i]);
		size_t n = read_seed(path, seed);
		campaign(names[i], seed, n, ROUNDS / 2, parse_picture);
		campaign(names[i], seed, n, ROUNDS / 4, parse_by_stb);
	}
}

/* --- files that are opened by path --- */

#define FILE_PATH TEST_TMP "/fuzz.file"
#define OTHER_PATH TEST_TMP "/fuzz.other"

static nnopt_status parse_weights(const uint8_t *bytes, size_t n)
{
	nnopt_weights *f = NULL;
	write_bytes(FILE_PATH, bytes, n);
	nnopt_status status = nnopt_weights_open(&f, ctx, FILE_PATH, NULL);
	for (int32_t i = 0; status == NNOPT_OK && i < nnopt_weights_count(f); i++) {
		nnopt_tensor *t = NULL;
		nnopt_weight_info info = { .struct_size = sizeof info };
		status = nnopt_weights_info(f, i, &info);
		if (status == NNOPT_OK && strcmp(info.dtype, "I16") != 0)
			status = nnopt_weights_read(f, i, &t);
		nnopt_tensor_destroy(t);
	}
	nnopt_weights_destroy(f);
	return status;
}

static nnopt_model *make_model(void)
{
	nnopt_model *m = NULL;
	assert_ok(nnopt_model_create(&m, ctx));
	assert_ok(nnopt_add_conv2d(m, 3, 3, NULL));
	assert_ok(nnopt_add_batch_norm2d(m, NULL));
	assert_ok(nnopt_add_relu(m));
	assert_ok(nnopt_add_max_pool2d(m, 2, NULL));
	assert_ok(nnopt_add_flatten(m));
	assert_ok(nnopt_add_linear(m, 4, NULL));
	assert_ok(nnopt_model_build(m, 3, (int64_t[]){ 2, 6, 6 }));
	return m;
}

static nnopt_status parse_model_file(const uint8_t *bytes, size_t n)
{
	nnopt_model *m = NULL;
	write_bytes(FILE_PATH, bytes, n);
	nnopt_status status = nnopt_model_load(&m, ctx, FILE_PATH);
	nnopt_model_destroy(m);
	return status;
}

static void weights(void **state)
{
	(void)state;
	static uint8_t seed[MOST];
	nnopt_model *m = make_model();
	assert_ok(nnopt_model_save(m, FILE_PATH));
	nnopt_model_destroy(m);
	size_t n = read_seed(FILE_PATH, seed);
	campaign("safetensors", seed, n, ROUNDS, parse_weights);
	campaign("model file", seed, n, ROUNDS, parse_model_file);
	static const char *const names[] = { "all.pth", "all_legacy.pth", "nested.pth", "nested_legacy.pth",
					     "deflated.pth" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[512];
		snprintf(path, sizeof path, "%s/torch/%s", TEST_DATA, names[i]);
		campaign(names[i], seed, read_seed(path, seed), ROUNDS / 2, parse_weights);
	}
}

static nnopt_status parse_json(const uint8_t *bytes, size_t n)
{
	nnopt_model *m = NULL;
	nnopt_status status = nnopt_model_from_json(&m, ctx, (const char *)bytes, n);
	nnopt_model_destroy(m);
	return status != NNOPT_OK && strstr(nnopt_last_error(), "fuzz") == NULL
		   ? nnopt_fail(status, "fuzz: a text has no name")
		   : status;
}

static void json(void **state)
{
	(void)state;
	static char text[16384];
	nnopt_model *m = make_model();
	assert_ok(nnopt_model_to_json(m, text, sizeof text, NULL));
	nnopt_model_destroy(m);
	campaign("model JSON", (const uint8_t *)text, strlen(text), ROUNDS, parse_json);
}

static nnopt_status parse_idx_images(const uint8_t *bytes, size_t n)
{
	nnopt_dataset *d = NULL;
	write_bytes(FILE_PATH, bytes, n);
	nnopt_status status = nnopt_idx_open(&d, ctx, FILE_PATH, OTHER_PATH);
	nnopt_dataset_destroy(d);
	return status;
}

static nnopt_status parse_idx_labels(const uint8_t *bytes, size_t n)
{
	nnopt_dataset *d = NULL;
	write_bytes(OTHER_PATH, bytes, n);
	nnopt_status status = nnopt_idx_open(&d, ctx, FILE_PATH, OTHER_PATH);
	nnopt_dataset_destroy(d);
	return status;
}

static void idx(void **state)
{
	(void)state;
	static uint8_t images[16 + 5 * 49] = { 0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 7, 0, 0, 0, 7 }, packed[MOST];
	static const uint8_t labels[8 + 5] = { 0, 0, 8, 1, 0, 0, 0, 5, 0, 1, 2, 3, 4 };
	for (size_t i = 16; i < sizeof images; i++)
		images[i] = (uint8_t)(i * i);
	write_bytes(OTHER_PATH, labels, sizeof labels);
	campaign("IDX images", images, sizeof images, ROUNDS, parse_idx_images);
	gzFile z = gzopen(FILE_PATH, "wb");
	assert_int_equal(gzwrite(z, images, sizeof images), sizeof images);
	assert_int_equal(gzclose(z), Z_OK);
	size_t n = read_seed(FILE_PATH, packed);
	campaign("IDX images, gzip", packed, n, ROUNDS, parse_idx_images);
	write_bytes(FILE_PATH, images, sizeof images);
	campaign("IDX labels", labels, sizeof labels, ROUNDS / 2, parse_idx_labels);
}

static nnopt_status parse_cifar(const uint8_t *bytes, size_t n)
{
	nnopt_dataset *d = NULL;
	write_bytes(TEST_TMP "/fuzz_cifar/test_batch.bin", bytes, n);
	nnopt_status status = nnopt_cifar10_open(&d, ctx, TEST_TMP "/fuzz_cifar", NNOPT_SPLIT_TEST);
	nnopt_dataset_destroy(d);
	return status;
}

static void cifar(void **state)
{
	(void)state;
	static uint8_t seed[2 * 3073];
	(void)mkdir(TEST_TMP "/fuzz_cifar", 0777);
	campaign("CIFAR", seed, sizeof seed, ROUNDS, parse_cifar);
}

static nnopt_status parse_npy(const uint8_t *bytes, size_t n)
{
	nnopt_tensor *t = NULL;
	write_bytes(FILE_PATH, bytes, n);
	nnopt_status status = nnopt_tensor_load_npy(&t, ctx, FILE_PATH);
	nnopt_tensor_destroy(t);
	return status;
}

static void npy(void **state)
{
	(void)state;
	static uint8_t seed[MOST];
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, 2, (int64_t[]){ 3, 5 }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_save_npy(t, FILE_PATH));
	nnopt_tensor_destroy(t);
	campaign(".npy", seed, read_seed(FILE_PATH, seed), ROUNDS, parse_npy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pictures), cmocka_unit_test(weights), cmocka_unit_test(json),
		cmocka_unit_test(idx),      cmocka_unit_test(cifar),   cmocka_unit_test(npy),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
