/* pictures.c - decoding, resizing, rotating, cropping: the bytes that Pillow and torchvision give. */
#include "check.h"

#include "data/transform.h"

#include <math.h>
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

static int worst_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
	int worst = 0;
	for (size_t i = 0; i < n; i++)
		worst = abs(a[i] - b[i]) > worst ? abs(a[i] - b[i]) : worst;
	return worst;
}

static void check_file(const char *name, int32_t channels, const uint8_t *wanted, size_t n, int tolerance)
{
	char path[512];
	nnopt_tensor *t = NULL;
	snprintf(path, sizeof path, "%s/pictures/%s", TEST_DATA, name);
	assert_ok(nnopt_image_read(&t, ctx, path, channels));
	assert_int_equal(nnopt_tensor_extent(t, 1), channels);
	assert_int_equal(nnopt_tensor_count(t), n);
	if (worst_difference(nnopt_tensor_const_data(t), wanted, n) > tolerance)
		fail_msg("%s in %d channels differs from Pillow's by %d", name, channels,
			 worst_difference(nnopt_tensor_const_data(t), wanted, n));
	nnopt_tensor_destroy(t);
}

#define FILE_IS(name, stem, tolerance)                                     \
	do {                                                               \
		check_file(name, 3, stem##_3, sizeof stem##_3, tolerance); \
		check_file(name, 1, stem##_1, sizeof stem##_1, tolerance); \
	} while (0)

#ifdef NNO_HAVE_JPEG
#define JPEG_TOLERANCE 0
#else
#define JPEG_TOLERANCE 4 /* stb_image rounds its inverse DCT and upsamples in its own ways */
#endif

static void decoded_as_pillow_does(void **state)
{
	(void)state;
	FILE_IS("rgb.png", rgb_png, 0);
	FILE_IS("grey.png", grey_png, 0);
	FILE_IS("rgba.png", rgba_png, 0);
	FILE_IS("palette.png", palette_png, 0);
	FILE_IS("bits.png", bits_png, 0);
	FILE_IS("rgb.bmp", rgb_bmp, 0);
	FILE_IS("grey.bmp", grey_bmp, 0);
	FILE_IS("rgb.jpg", rgb_jpg, JPEG_TOLERANCE);
	FILE_IS("grey.jpg", grey_jpg, JPEG_TOLERANCE);
	FILE_IS("progressive.jpg", progressive_jpg, JPEG_TOLERANCE);
	FILE_IS("subsampled.jpg", subsampled_jpg, JPEG_TOLERANCE);
#ifdef NNO_HAVE_JPEG /* stb_image weighs the last column of chroma of half the width the wrong way round */
	FILE_IS("half.jpg", half_jpg, 0);
#endif
	FILE_IS("restart.jpg", restart_jpg, JPEG_TOLERANCE);
	FILE_IS("grey_alpha.png", grey_alpha_png, 0);
	FILE_IS("palette_alpha.png", palette_alpha_png, 0);
	FILE_IS("palette4.png", palette4_png, 0);
	FILE_IS("palette2.png", palette2_png, 0);
	FILE_IS("rgb_key.png", rgb_key_png, 0);
	FILE_IS("interlaced.png", interlaced_png, 0);
	FILE_IS("gamma.png", gamma_png, 0);
	FILE_IS("rgb16.png", rgb16_png, 0);
	FILE_IS("grey4.png", grey4_png, 0);
	FILE_IS("palette.bmp", palette_bmp, 0);
	FILE_IS("bits.bmp", bits_bmp, 0);
	FILE_IS("down.bmp", down_bmp, 0);
	FILE_IS("four.bmp", four_bmp, 0);
	check_file("grey_alpha.png", 4, grey_alpha_png_4, sizeof grey_alpha_png_4, 0);
	check_file("palette_alpha.png", 4, palette_alpha_png_4, sizeof palette_alpha_png_4, 0);
	check_file("rgb_key.png", 4, rgb_key_png_4, sizeof rgb_key_png_4, 0);
	check_file("rgba.png", 4, rgba_png_4, sizeof rgba_png_4, 0);
	check_file("grey16.png", 1, grey16_png_1, sizeof grey16_png_1, 0);
}

/* The same through stb_image, which builds without libpng and libjpeg use. */
static void stb_decodes_the_same(void **state)
{
	(void)state;
	static const char *const names[] = { "rgb.png", "grey.png", "rgba.png", "palette.png", "rgb.bmp", "rgb.jpg" };
	const uint8_t *wanted[] = { rgb_png_3, grey_png_3, rgba_png_3, palette_png_3, rgb_bmp_3, rgb_jpg_3 };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[512];
		static uint8_t bytes[4096];
		nno_room room = { .alloc = &ctx->alloc };
		nno_picture p = { .c = 3 };
		snprintf(path, sizeof path, "%s/pictures/%s", TEST_DATA, names[i]);
		FILE *f = fopen(path, "rb");
		assert_non_null(f);
		size_t n = fread(bytes, 1, sizeof bytes, f);
		fclose(f);
		assert_ok(nno_stb_decode(&p, &room, bytes, n, 1 << 20, path));
		int tolerance = strstr(names[i], "jpg") != NULL ? 4 : 0;
		for (int64_t k = 0; k < p.h * p.w; k++)
			for (int c = 0; c < 3; c++)
				assert_true(abs(p.pixels[k * p.c + (p.c < 3 ? 0 : c)] - wanted[i][k * 3 + c]) <=
					    tolerance);
		assert_fails(NNOPT_ERROR_FORMAT, path, nno_stb_decode(&p, &room, bytes, n / 3, 1 << 20, path));
		assert_fails(NNOPT_ERROR_FORMAT, "1 to 100 wanted", nno_stb_decode(&p, &room, bytes, n, 100, path));
		nno_room_free(&room);
	}
}

/* A BMP of `bits` a pixel, 5 x 3, whose pixels count up from 0; its size. `entries` colours (k, 2 k, 255 - k). */
static size_t make_palette_bmp(uint8_t *b, int bits, bool old, int entries, int w, int h)
{
	size_t header = old ? 12 : 40, entry = old ? 3 : 4, start = 14 + header, at = start + entry * (size_t)entries,
	       stride = (size_t)(w * bits + 31) / 32 * 4, size = at + stride * (size_t)h;
	memset(b, 0, size);
	memcpy(b, "BM", 2);
	b[10] = (uint8_t)at;
	b[11] = (uint8_t)(at >> 8);
	b[14] = (uint8_t)header;
	b[18] = (uint8_t)w;
	b[old ? 20 : 22] = (uint8_t)h;
	b[old ? 22 : 26] = 1;
	b[old ? 24 : 28] = (uint8_t)bits;
	for (int k = 0; k < entries; k++) {
		uint8_t *colour = b + start + entry * (size_t)k; /* blue first */
		colour[0] = (uint8_t)(255 - k);
		colour[1] = (uint8_t)(2 * k);
		colour[2] = (uint8_t)k;
	}
	for (int i = 0; i < w * h; i++) { /* the last row first */
		int index = i % (1 << bits), x = i % w, y = h - 1 - i / w;
		b[at + stride * (size_t)y + (size_t)(x * bits / 8)] |= (uint8_t)(index << (8 - bits - x * bits % 8));
	}
	return size;
}

/* Of every depth, with a palette that is full or as long as it must be; a pixel without a colour is damage, and no
 * colour comes from anywhere else. */
static void palettes_of_bmp_files(void **state)
{
	(void)state;
	static const int depths[] = { 1, 4, 8 };
	static uint8_t b[4096];
	nno_room room = { .alloc = &ctx->alloc };
	for (size_t d = 0; d < 3; d++)
		for (int old = 0; old < 2; old++) {
			int bits = depths[d], w = 5, h = 3, all = 1 << bits, used = all < w * h ? all : w * h;
			for (int entries = used; entries <= all; entries++) {
				nno_picture p = { .c = 3 };
				size_t n = make_palette_bmp(b, bits, old, entries, w, h);
				assert_ok(nno_image_decode(&p, &room, b, n, 1 << 20, "x.bmp"));
				assert_true(p.w == w && p.h == h && p.c == 3);
				for (int i = 0; i < w * h; i++) {
					int k = i % all;
					assert_int_equal(p.pixels[3 * i], k);
					assert_int_equal(p.pixels[3 * i + 1], (uint8_t)(2 * k));
					assert_int_equal(p.pixels[3 * i + 2], 255 - k);
				}
			}
			nno_picture p = { .c = 3 };
			size_t n = make_palette_bmp(b, bits, old, used - 1, w, h);
			assert_fails(NNOPT_ERROR_FORMAT, "beyond the palette",
				     nno_image_decode(&p, &room, b, n, 1 << 20, "x.bmp"));
			n = make_palette_bmp(b, bits, old, used, w, h);
			b[10] = 20;
			b[11] = 0;
			assert_fails(NNOPT_ERROR_FORMAT, "x.bmp: offset 10: pixels from offset 20",
				     nno_image_decode(&p, &room, b, n, 1 << 20, "x.bmp"));
			for (int k = 0; k < 3; k++) {
				static const uint8_t headers[] = { 0, 16, 64 };
				n = make_palette_bmp(b, bits, false, all, w, h);
				b[14] = headers[k];
				assert_fails(NNOPT_ERROR_FORMAT,
					     "x.bmp: ", nno_image_decode(&p, &room, b, n, 1 << 20, "x.bmp"));
			}
		}
	nno_room_free(&room);
}

static void what_is_not_decoded_says_so(void **state)
{
	(void)state;
	nnopt_tensor *t = NULL;
	assert_fails(NNOPT_ERROR_UNSUPPORTED, "packed.bmp: offset 30: BMP compression 1",
		     nnopt_image_read(&t, ctx, TEST_DATA "/pictures/packed.bmp", 3));
#ifdef NNO_HAVE_JPEG
	assert_fails(NNOPT_ERROR_UNSUPPORTED, "cmyk.jpg: JPEG of 4 components",
		     nnopt_image_read(&t, ctx, TEST_DATA "/pictures/cmyk.jpg", 3));
#endif
	assert_null(t);
}

#ifdef NNO_HAVE_JPEG
/* Its first scan again and again: a file of some kilobytes that would keep a decoder busy. */
static void endless_scans_fail(void **state)
{
	(void)state;
	static uint8_t bytes[1 << 20], many[1 << 20];
	FILE *f = fopen(TEST_DATA "/pictures/progressive.jpg", "rb");
	assert_non_null(f);
	size_t n = fread(bytes, 1, sizeof bytes, f), first = 0, second;
	fclose(f);
	while (bytes[first] != 0xff || bytes[first + 1] != 0xda)
		first++;
	for (second = first + 2; bytes[second] != 0xff || bytes[second + 1] == 0x00; second++)
		;
	static const int repeats[] = { 100, 600 };
	for (int i = 0; i < 2; i++) {
		size_t at = first, scan = second - first;
		memcpy(many, bytes, first);
		assert_true(first + scan * (size_t)repeats[i] + n < sizeof many);
		for (int k = 0; k < repeats[i]; k++, at += scan)
			memcpy(many + at, bytes + first, scan);
		memcpy(many + at, bytes + second, n - second);
		nno_room room = { .alloc = &ctx->alloc };
		nno_picture p = { .c = 3 };
		nnopt_status s = nno_image_decode(&p, &room, many, at + n - second, 1 << 20, "scans.jpg");
		if (repeats[i] == 100)
			assert_ok(s);
		else
			assert_fails(NNOPT_ERROR_FORMAT, "scans.jpg", s);
		if (repeats[i] != 100)
			assert_non_null(strstr(nnopt_last_error(), "more than 500 scans"));
		nno_room_free(&room);
	}
}
#endif

static void truncated_files_fail(void **state)
{
	(void)state;
	static const char *const names[] = { "rgb.png", "rgb.jpg",  "progressive.jpg",
					     "rgb.bmp", "grey.jpg", "palette.png" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[512];
		static uint8_t bytes[4096];
		nno_room room = { .alloc = &ctx->alloc };
		snprintf(path, sizeof path, "%s/pictures/%s", TEST_DATA, names[i]);
		FILE *f = fopen(path, "rb");
		assert_non_null(f);
		size_t n = fread(bytes, 1, sizeof bytes, f);
		fclose(f);
		for (size_t cut = 0; cut + 4 < n; cut += 7) {
			nno_picture p = { .c = 3 };
			if (nno_image_decode(&p, &room, bytes, cut, 1 << 20, names[i]) == NNOPT_OK)
				fail_msg("%s cut to %zu of %zu bytes was decoded", names[i], cut, n);
			assert_non_null(strstr(nnopt_last_error(), names[i]));
		}
		nno_room_free(&room);
	}
}

static nno_picture source_picture(void)
{
	static uint8_t pixels[sizeof source];
	memcpy(pixels, source, sizeof source);
	return (nno_picture){ .pixels = pixels, .h = 16, .w = 21, .c = 3 };
}

static void check_resize(int64_t h, int64_t w, const uint8_t *wanted, size_t n)
{
	nno_picture from = source_picture(), to = { .h = h, .w = w, .c = 3 };
	to.pixels = malloc(n);
	void *workspace = nno_new(&ctx->alloc, nno_resize_workspace(from.h, from.w, h, w, 3));
	assert_true(to.pixels != NULL && workspace != NULL);
	nno_resize(&to, &from, workspace);
	if (memcmp(to.pixels, wanted, n) != 0)
		fail_msg("resizing to %dx%d differs by %d", (int)h, (int)w, worst_difference(to.pixels, wanted, n));
	nno_delete(&ctx->alloc, workspace);
	free(to.pixels);
}

static void resized_as_pillow_does(void **state)
{
	(void)state;
	check_resize(8, 8, resized_8_8, sizeof resized_8_8);
	check_resize(5, 40, resized_5_40, sizeof resized_5_40);
	check_resize(16, 10, resized_16_10, sizeof resized_16_10);
	check_resize(33, 21, resized_33_21, sizeof resized_33_21);
	check_resize(1, 1, resized_1_1, sizeof resized_1_1);
	check_resize(37, 50, resized_37_50, sizeof resized_37_50);
}

static void rotated_as_pillow_does(void **state)
{
	(void)state;
	static const double angles[] = { 10.0, -7.25, 45.0, 133.0 };
	const uint8_t *const wanted[4][2] = { { nearest_0, bilinear_0 },
					      { nearest_1, bilinear_1 },
					      { nearest_2, bilinear_2 },
					      { nearest_3, bilinear_3 } };
	for (int i = 0; i < 4; i++)
		for (int bilinear = 0; bilinear < 2; bilinear++) {
			static uint8_t pixels[sizeof source];
			nno_picture from = source_picture(), to = { .pixels = pixels, .h = 16, .w = 21, .c = 3 };
			nno_rotate(&to, &from, angles[i], &(nno_look){ .bilinear = bilinear != 0 });
			if (memcmp(pixels, wanted[i][bilinear], sizeof source) != 0)
				fail_msg("%g degrees, %s: differs by %d", angles[i], bilinear ? "bilinear" : "nearest",
					 worst_difference(pixels, wanted[i][bilinear], sizeof source));
		}
}

/* The list of one transform, on the source picture. */
static void run_one(nnopt_transforms *t, uint64_t seed, nno_picture *p, nno_room *room)
{
	*p = source_picture();
	assert_ok(nno_transforms_run(t, p, room, seed, 0, 0, 0));
}

static void crops_and_flips(void **state)
{
	(void)state;
	nno_room room = { .alloc = &ctx->alloc };
	nno_picture p;
	nnopt_transforms *t = NULL;
	assert_ok(nnopt_transforms_create(&t, ctx));
	assert_ok(nnopt_transforms_add_center_crop(t, 7, 10));
	run_one(t, 1, &p, &room);
	assert_true(p.h == 7 && p.w == 10);
	assert_memory_equal(p.pixels, centre, sizeof centre);
	nnopt_transforms_destroy(t);
	assert_ok(nnopt_transforms_create(&t, ctx));
	assert_ok(nnopt_transforms_add_horizontal_flip(t, 1.0));
	run_one(t, 1, &p, &room);
	assert_memory_equal(p.pixels, h_flip, sizeof h_flip);
	assert_ok(nnopt_transforms_add_horizontal_flip(t, 1.0));
	assert_ok(nnopt_transforms_add_vertical_flip(t, 1.0));
	run_one(t, 1, &p, &room);
	assert_memory_equal(p.pixels, v_flip, sizeof v_flip);
	nnopt_transforms_destroy(t);
	nno_room_free(&room);
}

/* Every pad-crop is a window of the padded picture; over many seeds every window comes. */
static void padded_windows(const uint8_t *padded, nnopt_pad_mode mode)
{
	nno_room room = { .alloc = &ctx->alloc };
	nnopt_transforms *t = NULL;
	assert_ok(nnopt_transforms_create(&t, ctx));
	assert_ok(nnopt_transforms_add_pad_crop(t, 3, mode, 1.0));
	bool seen[7][7] = { { false } };
	for (uint64_t seed = 0; seed < 1000; seed++) {
		nno_picture p;
		run_one(t, seed, &p, &room);
		int matches = 0;
		for (int top = 0; top < 7; top++)
			for (int left = 0; left < 7; left++) {
				bool same = true;
				for (int y = 0; y < 16 && same; y++)
					same = memcmp(p.pixels + y * 63, padded + ((top + y) * 27 + left) * 3, 63) == 0;
				seen[top][left] = seen[top][left] || same;
				matches += same;
			}
		assert_true(matches >= 1);
	}
	for (int i = 0; i < 49; i++)
		assert_true(seen[i / 7][i % 7]);
	nnopt_transforms_destroy(t);
	nno_room_free(&room);
}

static void pad_and_crop(void **state)
{
	(void)state;
	padded_windows(zeroed, NNOPT_PAD_ZERO);
	padded_windows(reflected, NNOPT_PAD_REFLECT);
	padded_windows(edged, NNOPT_PAD_EDGE);
}

static void fitted_normalisation(void **state)
{
	(void)state;
	nnopt_tensor *images = NULL, *labels = NULL;
	nnopt_dataset *data = NULL;
	float m[3], s[3];
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ 1, 3, 16, 21 }, NNOPT_NHWC));
	memcpy(nnopt_tensor_data(images), source, sizeof source);
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, (int64_t[]){ 1 }, NNOPT_NCHW));
	assert_ok(nnopt_dataset_from_tensors(&data, ctx, images, labels));
	assert_ok(nnopt_dataset_fit_normalisation(data, 3, m, s));
	for (int c = 0; c < 3; c++) {
		assert_true(fabs(m[c] - mean[c]) < 1e-6);
		assert_true(fabs(s[c] - deviation[c]) < 1e-6);
	}
	nnopt_dataset_destroy(data);
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
}

/* In memory are the bytes of the file, and a buffer of the size that the header names is enough for noise too. */
static void check_in_memory(const nnopt_tensor *t, const char *path)
{
	static uint8_t file[4096], png[4096];
	size_t needed = 0, asked = 0, bytes = nnopt_tensor_bytes(t) + 16, enough = bytes + bytes / 100 + 200;
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t n = fread(file, 1, sizeof file, f);
	(void)fclose(f);
	assert_true(enough <= sizeof png);
	assert_ok(nnopt_image_encode_png(t, png, enough, &needed));
	assert_int_equal(needed, n);
	assert_memory_equal(png, file, n);
	assert_ok(nnopt_image_encode_png(t, NULL, 0, &asked));
	assert_int_equal(asked, n);
	assert_ok(nnopt_image_encode_png(t, png, n, NULL));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "buffer", nnopt_image_encode_png(t, png, n - 1, &needed));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "png is NULL", nnopt_image_encode_png(t, NULL, 1, &needed));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "png is NULL", nnopt_image_encode_png(t, NULL, 0, NULL));
}

static void written_and_read_back(void **state)
{
	(void)state;
	const char *path = TEST_TMP "/written.png";
	for (int layout = NNOPT_NCHW; layout <= NNOPT_NHWC; layout++)
		for (int64_t c = 1; c <= 3; c += 2) {
			nnopt_tensor *t = NULL, *back = NULL;
			static uint8_t a[sizeof source], b[sizeof source];
			assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_U8, 4, (int64_t[]){ 1, c, 16, 21 },
						      (nnopt_layout)layout));
			memcpy(nnopt_tensor_data(t), source, nnopt_tensor_bytes(t));
			assert_ok(nnopt_image_write_png(t, path));
			check_in_memory(t, path);
			assert_ok(nnopt_image_read(&back, ctx, path, (int32_t)c));
			assert_ok(nnopt_tensor_copy_out(t, a, nnopt_tensor_bytes(t), NNOPT_U8, NNOPT_NHWC));
			assert_ok(nnopt_tensor_copy_out(back, b, nnopt_tensor_bytes(t), NNOPT_U8, NNOPT_NHWC));
			assert_memory_equal(a, b, nnopt_tensor_bytes(t));
			nnopt_tensor_destroy(t);
			nnopt_tensor_destroy(back);
		}
	(void)remove(path);
	nnopt_tensor *wrong = NULL;
	size_t needed = 0;
	assert_ok(nnopt_tensor_create(&wrong, ctx, NNOPT_F32, 4, (int64_t[]){ 1, 1, 2, 2 }, NNOPT_NCHW));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "u8", nnopt_image_write_png(wrong, path));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "encode_png: f32", nnopt_image_encode_png(wrong, NULL, 0, &needed));
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "image is NULL", nnopt_image_encode_png(NULL, NULL, 0, &needed));
	nnopt_tensor_destroy(wrong);
	assert_fails(NNOPT_ERROR_NOT_FOUND, "absent.png", nnopt_image_read(&wrong, ctx, TEST_TMP "/absent.png", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decoded_as_pillow_does), cmocka_unit_test(stb_decodes_the_same),
		cmocka_unit_test(palettes_of_bmp_files),  cmocka_unit_test(what_is_not_decoded_says_so),
#ifdef NNO_HAVE_JPEG
		cmocka_unit_test(endless_scans_fail),
#endif
		cmocka_unit_test(truncated_files_fail),   cmocka_unit_test(resized_as_pillow_does),
		cmocka_unit_test(rotated_as_pillow_does), cmocka_unit_test(crops_and_flips),
		cmocka_unit_test(pad_and_crop),           cmocka_unit_test(fitted_normalisation),
		cmocka_unit_test(written_and_read_back),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
