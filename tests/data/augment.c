/* augment.c - every transform on many sizes and angles: the bits of Pillow and torchvision, by their hashes. */
#include "check.h"

#include "data/transform.h"

#include <stdio.h>

#include "golden/data.inc"

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
	return 0;
}

static uint64_t hash_of(const void *data, size_t n)
{
	const uint8_t *byte = data;
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3u;
	return hash;
}

/* The same bytes as a picture of 1, 3 or 4 channels; on the heap, so that a sanitizer sees a read outside. */
static nno_picture source_of(int c)
{
	nno_picture p = { .pixels = malloc(sizeof source), .h = c == 4 ? 12 : 16, .w = c == 1 ? 63 : 21, .c = c };
	assert_non_null(p.pixels);
	memcpy(p.pixels, source, sizeof source);
	return p;
}

static void resized_to_many_sizes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof resized_hashes / sizeof *resized_hashes; i++) {
		nno_picture from = source_of(resized_hashes[i].c),
			    to = { .h = resized_hashes[i].h, .w = resized_hashes[i].w, .c = from.c };
		size_t n = (size_t)(to.h * to.w * to.c);
		to.pixels = malloc(n);
		void *workspace = malloc(nno_resize_workspace(from.h, from.w, to.h, to.w, from.c));
		assert_true(to.pixels != NULL && workspace != NULL);
		nno_resize(&to, &from, workspace);
		if (hash_of(to.pixels, n) != resized_hashes[i].hash)
			fail_msg("%d channels, %dx%d to %dx%d: not Pillow's bits", to.c, (int)from.h, (int)from.w,
				 (int)to.h, (int)to.w);
		free(workspace);
		free(to.pixels);
		free(from.pixels);
	}
}

static void rotated_by_many_angles(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rotated_hashes / sizeof *rotated_hashes; i++)
		for (int bilinear = 0; bilinear < 2; bilinear++) {
			nno_picture from = source_of(3), to = source_of(3);
			from.h = to.h = rotated_hashes[i].h; /* the first bytes; in odd sizes rounding shows */
			from.w = to.w = rotated_hashes[i].w;
			nno_rotate(&to, &from, rotated_hashes[i].degrees, &(nno_look){ .bilinear = bilinear != 0 });
			if (hash_of(to.pixels, (size_t)(to.h * to.w * 3)) !=
			    (bilinear ? rotated_hashes[i].bilinear : rotated_hashes[i].nearest))
				fail_msg("%.17g degrees, %s: not Pillow's bits", rotated_hashes[i].degrees,
					 bilinear ? "bilinear" : "nearest");
			free(to.pixels);
			free(from.pixels);
		}
}

/* However tall a picture is, resizing keeps only the rows that one target row is made of. */
static void resizing_takes_little_memory(void **state)
{
	(void)state;
	assert_true(nno_resize_workspace(1 << 24, 1, 224, 224, 3) < (size_t)256 << 20);
	assert_true(nno_resize_workspace(1, 1 << 24, 224, 224, 3) < (size_t)512 << 20);
	assert_true(nno_resize_workspace(1080, 1920, 224, 224, 3) < (size_t)1 << 16);
}

/* Every random crop is a window of the picture; over many seeds every window comes. */
static void random_crops_are_windows(void **state)
{
	(void)state;
	nno_room room = { .alloc = &ctx->alloc };
	nnopt_transforms *t = NULL;
	bool seen[4][6] = { { false } };
	assert_ok(nnopt_transforms_create(&t, ctx));
	assert_ok(nnopt_transforms_add_random_crop(t, 13, 16, 1.0));
	for (uint64_t seed = 0; seed < 1000; seed++) {
		nno_picture from = source_of(3), p = from;
		assert_ok(nno_transforms_run(t, &p, &room, seed, 0, 0, 0));
		assert_true(p.h == 13 && p.w == 16);
		bool found = false;
		for (int top = 0; top < 4; top++)
			for (int left = 0; left < 6; left++) {
				bool same = true;
				for (int y = 0; y < 13 && same; y++)
					same = memcmp(p.pixels + y * 48, source + ((top + y) * 21 + left) * 3, 48) == 0;
				seen[top][left] = seen[top][left] || same;
				found = found || same;
			}
		assert_true(found);
		free(from.pixels);
	}
	for (int i = 0; i < 24; i++)
		assert_true(seen[i / 6][i % 6]);
	nnopt_transforms_destroy(t);
	nno_room_free(&room);
}

/* A batch of one picture that holds every byte value, as the loader gives it. */
static uint64_t normalised_by_the_loader(const float *mean_given, const float *std_given)
{
	nnopt_tensor *images = NULL, *labels = NULL;
	nnopt_dataset *data = NULL;
	nnopt_transforms *t = NULL;
	nnopt_loader *l = NULL;
	const nnopt_batch *batch = NULL;
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ 1, 3, 1, 256 }, NNOPT_NHWC));
	for (int i = 0; i < 256 * 3; i++)
		((uint8_t *)nnopt_tensor_data(images))[i] = (uint8_t)(i / 3);
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, (int64_t[]){ 1 }, NNOPT_NCHW));
	assert_ok(nnopt_dataset_from_tensors(&data, ctx, images, labels));
	assert_ok(nnopt_transforms_create(&t, ctx));
	assert_ok(nnopt_transforms_add_normalise(t, mean_given, std_given, mean_given != NULL ? 3 : 0));
	assert_ok(nnopt_loader_create(&l, data, t, NULL));
	assert_ok(nnopt_loader_start(l, 0, 0));
	assert_ok(nnopt_loader_next(l, &batch));
	uint64_t hash = hash_of(nnopt_tensor_const_data(batch->images), 256 * 3 * sizeof(float));
	nnopt_loader_destroy(l);
	nnopt_transforms_destroy(t);
	nnopt_dataset_destroy(data);
	nnopt_tensor_destroy(labels);
	nnopt_tensor_destroy(images);
	return hash;
}

static void normalised_as_torchvision_does(void **state)
{
	(void)state;
	assert_true(normalised_by_the_loader((float[]){ 0.4914f, 0.4822f, 0.4465f },
					     (float[]){ 0.2023f, 0.1994f, 0.2010f }) == normalised_hash);
	assert_true(normalised_by_the_loader(NULL, NULL) == to_float_hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resized_to_many_sizes),          cmocka_unit_test(rotated_by_many_angles),
		cmocka_unit_test(resizing_takes_little_memory),   cmocka_unit_test(random_crops_are_windows),
		cmocka_unit_test(normalised_as_torchvision_does),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
