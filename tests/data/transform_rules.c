/* transform_rules.c - what is random: limits and means of what is drawn, probabilities, the same picture for the same
 * (seed, epoch, sample) at any number of workers; alpha; tiny pictures. */
#include "check.h"

#include "data/transform.h"

#include <math.h>
#include <stdio.h>

#include "transform_kinds.h"

static nnopt_context *ctx;
static nno_room room;
static uint8_t noise[64 * 64 * 4];

static int setup(void **state)
{
	(void)state;
	uint32_t random = 7;
	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (uint8_t)((random = random * 1664525u + 1013904223u) >> 24);
	if (nnopt_context_create(&ctx, NULL) != NNOPT_OK)
		return 1;
	room.alloc = &ctx->alloc;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nno_room_free(&room);
	nnopt_context_destroy(ctx);
	return 0;
}

static nnopt_transforms *list(void)
{
	nnopt_transforms *t = NULL;
	assert_ok(nnopt_transforms_create(&t, ctx));
	return t;
}

static nno_picture run(const nnopt_transforms *t, const uint8_t *pixels, int64_t h, int64_t w, int c, int64_t epoch,
		       int64_t sample)
{
	nno_picture p = { .pixels = (uint8_t *)(uintptr_t)pixels, .h = h, .w = w, .c = c };
	assert_ok(nno_transforms_run(t, &p, &room, 5, epoch, sample, sample));
	return p;
}

/* --- the median --- */

static int by_value(const void *a, const void *b) { return *(const uint8_t *)a - *(const uint8_t *)b; }

static uint8_t middle_of(const uint8_t *pixels, int h, int w, int c, int y, int x, int channel, int window)
{
	uint8_t values[25];
	for (int k = 0; k < window * window; k++) {
		int i = y + k / window - window / 2, j = x + k % window - window / 2;
		i = i < 0 ? 0 : i >= h ? h - 1 : i;
		j = j < 0 ? 0 : j >= w ? w - 1 : j;
		values[k] = pixels[(i * w + j) * c + channel];
	}
	qsort(values, (size_t)(window * window), 1, by_value);
	return values[window * window / 2];
}

/* Rows shorter and longer than what is computed at a time, of values that differ and of few values. */
static void medians_are_in_the_middle(void **state)
{
	(void)state;
	enum { HIGH = 7, LONGEST = 110 };
	static uint8_t pixels[HIGH * LONGEST * 4];
	for (int few = 0; few < 2; few++)
		for (int window = 3; window <= 5; window += 2)
			for (int c = 1; c <= 4; c++)
				for (int w = 1; w <= LONGEST; w += w < 5 ? 1 : 19) {
					nnopt_transforms *t = list();
					for (size_t i = 0; i < sizeof pixels; i++)
						pixels[i] = (uint8_t)((i * i * 2654435761u >> 13) & (few ? 3 : 255));
					assert_ok(nnopt_transforms_add_median(t, window, 1.0));
					nno_picture p = run(t, pixels, HIGH, w, c, 0, 1);
					for (int i = 0; i < HIGH * w * c; i++)
						assert_int_equal(p.pixels[i], middle_of(pixels, HIGH, w, c, i / c / w,
											i / c % w, i % c, window));
					nnopt_transforms_destroy(t);
				}
}

/* --- kinds --- */

static void every_kind_is_tested(void **state)
{
	(void)state;
#define NNO_TRANSFORM(kind) #kind,
	static const char *const kinds[] = {
#include "data/kinds.inc"
	};
#undef NNO_TRANSFORM
	size_t count = sizeof kinds / sizeof *kinds;
	assert_int_equal(count, TRANSFORM_KINDS);
	for (size_t i = 0; i < count; i++) {
		size_t k = 0;
		nnopt_transforms *t = list();
		while (k < TRANSFORM_KINDS && strcmp(transform_kinds[k].name, kinds[i]) != 0)
			k++;
		if (k == TRANSFORM_KINDS)
			fail_msg("transform_kinds.h lacks %s", kinds[i]);
		assert_ok(transform_kinds[k].add(t, 1.0));
		assert_string_equal(t->list[0].cls->name, kinds[i]);
		nnopt_transforms_destroy(t);
	}
}

/* A kind with a probability: never at 0, always at 1 (where the noise shows it), and about so often. */
static void probabilities_hold(void **state)
{
	(void)state;
	for (size_t k = 0; k < TRANSFORM_KINDS; k++) {
		if (transform_kinds[k].always)
			continue;
		const double probability[] = { 0.0, 0.3, 1.0 };
		double changed[3] = { 0 };
		for (int i = 0; i < 3; i++) {
			nnopt_transforms *t = list();
			assert_ok(transform_kinds[k].add(t, probability[i]));
			for (int64_t s = 0; s < 2000; s++) {
				nno_picture p = run(t, noise, 16, 16, 3, 0, s);
				changed[i] += memcmp(p.pixels, noise, 16 * 16 * 3) != 0;
			}
			nnopt_transforms_destroy(t);
		}
		/* What is applied may change nothing: the identity among the operations, a crop without a shift. The
		 * noise has all tones, so that autocontrast changes a 16 x 16 of it only if it lacks 0 or 255. */
		double whole = changed[2], share = changed[1] / (whole > 0.0 ? whole : 1.0);
		assert_true(changed[0] == 0.0);
		if (strcmp(transform_kinds[k].name, "autocontrast") == 0)
			continue;
		if (whole < 1600.0 || fabs(share - 0.3) > 0.05)
			fail_msg("%s: changes %g of 2000 at probability 1, %g at 0.3", transform_kinds[k].name, whole,
				 changed[1]);
	}
}

/* 1 to 4 channels, down to one pixel: all that a sanitizer would see, and sizes. */
static void tiny_pictures(void **state)
{
	(void)state;
	static const int sizes[][2] = { { 1, 1 }, { 1, 2 },  { 2, 1 },  { 2, 2 },
					{ 3, 3 }, { 1, 17 }, { 19, 1 }, { 16, 5 } };
	for (size_t k = 0; k < TRANSFORM_KINDS; k++)
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
			for (int c = 1; c <= 4; c++) {
				int64_t h = sizes[i][0], w = sizes[i][1], out_h = h, out_w = w;
				uint8_t *pixels = malloc((size_t)(h * w * c));
				nnopt_transforms *t = list();
				assert_non_null(pixels);
				memcpy(pixels, noise, (size_t)(h * w * c));
				assert_ok(transform_kinds[k].add(t, 1.0));
				nnopt_status status = nno_transforms_size(t, &out_h, &out_w);
				for (int64_t s = 0; status == NNOPT_OK && s < 20; s++) {
					nno_picture p = run(t, pixels, h, w, c, 0, s);
					assert_true(p.h == out_h && p.w == out_w && p.c == c);
				}
				assert_true(status == NNOPT_OK || !transform_kinds[k].keeps_size);
				nnopt_transforms_destroy(t);
				free(pixels);
			}
}

/* Transforms of colour leave alpha alone and treat three colours as a picture without it. */
static void alpha_is_no_colour(void **state)
{
	(void)state;
	static const char *const colour[] = { "colour_jitter", "greyscale", "invert",    "posterize",     "solarize",
					      "autocontrast",  "equalize",  "sharpness", "gaussian_noise" };
	static uint8_t three[20 * 20 * 3], one[20 * 20], two[20 * 20 * 2];
	for (int i = 0; i < 400; i++) {
		memcpy(three + i * 3, noise + i * 4, 3);
		one[i] = two[i * 2] = noise[i * 4];
		two[i * 2 + 1] = noise[i * 4 + 3];
	}
	for (size_t i = 0; i < sizeof colour / sizeof *colour; i++) {
		nnopt_transforms *t = list();
		size_t k = 0;
		while (strcmp(transform_kinds[k].name, colour[i]) != 0)
			k++;
		assert_ok(transform_kinds[k].add(t, 1.0));
		bool same_noise = strcmp(colour[i], "gaussian_noise") != 0; /* its numbers go by place */
		nno_picture p = run(t, three, 20, 20, 3, 0, 1);
		memcpy(three, p.pixels, sizeof three);
		p = run(t, noise, 20, 20, 4, 0, 1);
		for (int at = 0; at < 400; at++) {
			assert_true(!same_noise || memcmp(p.pixels + at * 4, three + at * 3, 3) == 0);
			assert_true(p.pixels[at * 4 + 3] == noise[at * 4 + 3]);
			memcpy(three + at * 3, noise + at * 4, 3);
		}
		uint8_t grey[400];
		p = run(t, one, 20, 20, 1, 0, 1);
		memcpy(grey, p.pixels, sizeof grey);
		p = run(t, two, 20, 20, 2, 0, 1);
		for (int at = 0; at < 400; at++) {
			assert_true(!same_noise || p.pixels[at * 2] == grey[at]);
			assert_true(p.pixels[at * 2 + 1] == two[at * 2 + 1]);
		}
		nnopt_transforms_destroy(t);
	}
}

/* Transforms of place treat each channel as a picture of its own, alpha too. */
static void places_are_the_same_in_all_channels(void **state)
{
	(void)state;
	static const char *const place[] = { "horizontal_flip", "vertical_flip", "alternating_flip",
					     "rotation",        "affine",        "pad_crop",
					     "gaussian_blur",   "median",        "cutout",
					     "resize",          "random_crop",   "random_resized_crop" };
	static uint8_t plane[20 * 20], alone[4][20 * 20];
	for (size_t i = 0; i < sizeof place / sizeof *place; i++)
		for (int64_t sample = 0; sample < 5; sample++) {
			nnopt_transforms *t = list();
			size_t k = 0;
			while (strcmp(transform_kinds[k].name, place[i]) != 0)
				k++;
			assert_ok(transform_kinds[k].add(t, 1.0));
			for (int c = 0; c < 4; c++) {
				for (int at = 0; at < 400; at++)
					plane[at] = noise[at * 4 + c];
				nno_picture p = run(t, plane, 20, 20, 1, 0, sample);
				memcpy(alone[c], p.pixels, (size_t)(p.h * p.w));
			}
			nno_picture p = run(t, noise, 20, 20, 4, 0, sample);
			for (int64_t at = 0; at < p.h * p.w * 4; at++)
				if (p.pixels[at] != alone[at % 4][at / 4])
					fail_msg("%s: channel %d, pixel %d", place[i], (int)at % 4, (int)at / 4);
			nnopt_transforms_destroy(t);
		}
}

/* --- what is drawn --- */

typedef struct spread {
	double least, most, sum, squares, count;
} spread;

static void note(spread *s, double v)
{
	s->least = s->count == 0 || v < s->least ? v : s->least;
	s->most = s->count == 0 || v > s->most ? v : s->most;
	s->sum += v;
	s->squares += v * v;
	s->count++;
}

/* Within the limits, nearly up to both, with that mean. */
static void check_spread(const char *what, const spread *s, double low, double high, double mean, double tolerance)
{
	double got = s->sum / s->count, room_left = (high - low) * 0.05;
	if (s->least < low || s->most > high || s->least > low + room_left || s->most < high - room_left ||
	    fabs(got - mean) > tolerance)
		fail_msg("%s: %g to %g, mean %g; %g to %g, mean %g wanted", what, s->least, s->most, got, low, high,
			 mean);
}

static void brightness_is_uniform(void **state)
{
	(void)state;
	nnopt_colour_jitter_options o;
	nnopt_transforms *t = list();
	uint8_t grey[3] = { 100, 100, 100 };
	spread s = { 0 };
	assert_ok(nnopt_colour_jitter_options_init(&o, sizeof o));
	o.brightness_min = 0.5;
	o.brightness_max = 1.7;
	assert_ok(nnopt_transforms_add_colour_jitter(t, &o, 1.0));
	for (int64_t i = 0; i < 5000; i++)
		note(&s, run(t, grey, 1, 1, 3, 0, i).pixels[0] + 0.5); /* it cuts off */
	check_spread("brightness", &s, 50.0, 170.5, 110.0, 2.0);
	nnopt_transforms_destroy(t);
}

static void translation_is_uniform(void **state)
{
	(void)state;
	nnopt_affine_options o;
	nnopt_transforms *t = list();
	static uint8_t dot[41 * 41];
	spread x = { 0 }, y = { 0 };
	dot[20 * 41 + 20] = 255;
	assert_ok(nnopt_affine_options_init(&o, sizeof o));
	o.translate_x_min = -10.0 / 41.0;
	o.translate_x_max = 15.0 / 41.0;
	o.translate_y_min = o.translate_y_max = 3.0 / 41.0;
	assert_ok(nnopt_transforms_add_affine(t, &o, 1.0));
	for (int64_t i = 0; i < 3000; i++) {
		nno_picture p = run(t, dot, 41, 41, 1, 0, i);
		const uint8_t *at = memchr(p.pixels, 255, 41 * 41);
		assert_non_null(at);
		note(&x, (double)((at - p.pixels) % 41 - 20));
		note(&y, (double)((at - p.pixels) / 41 - 20));
	}
	check_spread("translation", &x, -10.0, 15.0, 2.5, 0.5);
	assert_true(y.least == 3.0 && y.most == 3.0);
	nnopt_transforms_destroy(t);
}

/* On a picture whose colours are its coordinates: the window's sides by the first and the last row and column. */
static void crops_keep_scale_and_ratio(void **state)
{
	(void)state;
	static uint8_t place[64 * 64 * 3];
	nnopt_transforms *t = list();
	spread area = { 0 }, ratio = { 0 };
	for (int i = 0; i < 64 * 64; i++) {
		place[i * 3] = (uint8_t)(i % 64 * 4);
		place[i * 3 + 1] = (uint8_t)(i / 64 * 4);
	}
	assert_ok(nnopt_transforms_add_random_resized_crop(t, 64, 64, NULL));
	for (int64_t i = 0; i < 3000; i++) {
		nno_picture p = run(t, place, 64, 64, 3, 0, i);
		const uint8_t *last = p.pixels + (64 * 64 - 1) * 3;
		double w = (last[0] - p.pixels[0]) / 4.0 + 1.0, h = (last[1] - p.pixels[1]) / 4.0 + 1.0;
		note(&area, w * h / 4096.0);
		note(&ratio, log(w / h));
	}
	/* Large areas of an extreme shape do not fit and are drawn again: the mean is a little below the middle. */
	check_spread("area", &area, 0.06, 1.0, 0.5, 0.04);
	check_spread("log ratio", &ratio, -0.34, 0.34, 0.0, 0.02);
	nnopt_transforms_destroy(t);
}

/* Black on white: the lost area. */
static double lost(const nno_picture *p)
{
	int64_t count = 0;
	for (int64_t i = 0; i < p->h * p->w; i++)
		count += p->pixels[i * p->c] == 0;
	return (double)count;
}

static void erased_areas(void **state)
{
	(void)state;
	static uint8_t white[50 * 50];
	nnopt_transforms *t = list(), *square = list();
	spread area = { 0 }, cut = { 0 };
	memset(white, 255, sizeof white);
	assert_ok(nnopt_transforms_add_random_erasing(t, NULL, 1.0));
	assert_ok(nnopt_transforms_add_cutout(square, 10, NULL, 1.0));
	for (int64_t i = 0; i < 3000; i++) {
		nno_picture p = run(t, white, 50, 50, 1, 0, i);
		note(&area, lost(&p) / 2500.0);
		p = run(square, white, 50, 50, 1, 0, i);
		note(&cut, lost(&p));
	}
	check_spread("erased area", &area, 0.018, 0.342, 0.175, 0.01);
	/* On an axis 5 to 10 of 10: (40 * 10 + 2 * (5 + ... + 9) + 10 - 5 + ...) / 50 = 9.5 on average, by place -5
	 * .. 44. */
	check_spread("cutout", &cut, 25.0, 100.0, 9.5 * 9.5, 1.0);
	nnopt_transforms_destroy(square);
	nnopt_transforms_destroy(t);
}

static void erased_values(void **state)
{
	(void)state;
	nnopt_random_erasing_options o;
	nnopt_transforms *t = list();
	static uint8_t flat[30 * 30 * 3];
	spread s = { 0 };
	for (size_t i = 0; i < sizeof flat; i++)
		flat[i] = (uint8_t)(i % 3 * 50 + (i / 3 % 2) * 11); /* means 5.5, 55.5 and 105.5 */
	assert_ok(nnopt_random_erasing_options_init(&o, sizeof o));
	o.scale_min = o.scale_max = 0.3;
	o.value = NNOPT_ERASE_MEAN;
	assert_ok(nnopt_transforms_add_random_erasing(t, &o, 1.0));
	nno_picture p = run(t, flat, 30, 30, 3, 0, 0);
	int64_t means = 0;
	for (int64_t i = 0; i < 900; i++)
		means += memcmp(p.pixels + i * 3, (uint8_t[]){ 6, 56, 106 }, 3) == 0;
	assert_true(means > 900 / 5 && means < 900 * 2 / 5);
	nnopt_transforms_destroy(t);
	t = list();
	o.value = NNOPT_ERASE_RANDOM;
	assert_ok(nnopt_transforms_add_random_erasing(t, &o, 1.0));
	for (int64_t k = 0; k < 20; k++) {
		p = run(t, flat, 30, 30, 3, 0, k);
		for (int64_t i = 0; i < 2700; i++)
			if (p.pixels[i] != flat[i])
				note(&s, p.pixels[i]);
	}
	check_spread("random values", &s, 0.0, 255.0, 127.5, 3.0);
	assert_true(s.count > 2700 * 20 * 0.25 && s.count < 2700 * 20 * 0.35);
	nnopt_transforms_destroy(t);
}

static void noise_is_normal(void **state)
{
	(void)state;
	nnopt_transforms *t = list();
	static uint8_t grey[64 * 64 * 3];
	double sum = 0.0, squares = 0.0, beyond[3] = { 0 }, lag = 0.0, before = 0.0, count = 20.0 * sizeof grey;
	memset(grey, 128, sizeof grey);
	assert_ok(nnopt_transforms_add_gaussian_noise(t, 0.1, 0.1, 1.0));
	for (int64_t k = 0; k < 20; k++) {
		nno_picture p = run(t, grey, 64, 64, 3, 0, k);
		for (size_t i = 0; i < sizeof grey; i++) {
			double v = (p.pixels[i] - 128.0) / 25.5;
			sum += v;
			squares += v * v;
			lag += v * before;
			before = v;
			for (int s = 0; s < 3; s++)
				beyond[s] += fabs(v) > s + 1.0;
		}
	}
	assert_true(fabs(sum / count) < 0.005);
	assert_true(fabs(squares / count - 1.0) < 0.01);
	assert_true(fabs(lag / count) < 0.005);
	assert_true(fabs(beyond[0] / count - 0.3173) < 0.015 && fabs(beyond[1] / count - 0.0455) < 0.004 &&
		    fabs(beyond[2] / count - 0.0027) < 0.0005);
	nnopt_transforms_destroy(t);
}

static void flips_take_turns(void **state)
{
	(void)state;
	nnopt_transforms *t = list();
	static uint8_t mirrored[8 * 8 * 3];
	int first_mirrored = 0;
	for (int i = 0; i < 64; i++)
		memcpy(mirrored + i * 3, noise + (i / 8 * 8 + 7 - i % 8) * 3, 3);
	assert_ok(nnopt_transforms_add_alternating_flip(t));
	for (int64_t s = 0; s < 1000; s++) {
		bool before = false;
		for (int64_t epoch = 0; epoch < 4; epoch++) {
			nno_picture p = run(t, noise, 8, 8, 3, epoch, s);
			bool now = memcmp(p.pixels, mirrored, sizeof mirrored) == 0;
			assert_true(now || memcmp(p.pixels, noise, sizeof mirrored) == 0);
			assert_true(epoch == 0 || now != before);
			first_mirrored += epoch == 0 && now;
			before = now;
		}
	}
	assert_true(first_mirrored > 440 && first_mirrored < 560);
	nnopt_transforms_destroy(t);
}

/* --- the loader --- */

#define COUNT 24

static nnopt_loader *open_loader(nnopt_transforms *t, int32_t workers)
{
	nnopt_tensor *images = NULL, *labels = NULL;
	nnopt_dataset *data = NULL;
	nnopt_loader *l = NULL;
	nnopt_loader_options o;
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 3, 16, 16 }, NNOPT_NHWC));
	for (int64_t i = 0; i < COUNT * 768; i++)
		((uint8_t *)nnopt_tensor_data(images))[i] = noise[i % (int64_t)sizeof noise];
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	memset(nnopt_tensor_data(labels), 0, nnopt_tensor_bytes(labels));
	assert_ok(nnopt_dataset_from_tensors(&data, ctx, images, labels));
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 5;
	o.workers = workers;
	assert_ok(nnopt_loader_create(&l, data, t, &o));
	nnopt_dataset_destroy(data);
	nnopt_tensor_destroy(labels);
	nnopt_tensor_destroy(images);
	return l;
}

static uint64_t epoch_hash(nnopt_loader *l, int64_t epoch)
{
	const nnopt_batch *b = NULL;
	uint64_t hash = 1;
	assert_ok(nnopt_loader_start(l, epoch, 0));
	for (;;) {
		assert_ok(nnopt_loader_next(l, &b));
		if (b == NULL)
			return hash;
		hash = nno_mix(hash, nnopt_tensor_const_data(b->images), nnopt_tensor_bytes(b->images));
	}
}

static void workers_change_nothing(void **state)
{
	(void)state;
	nnopt_transforms *t = list();
	for (size_t k = 0; k < TRANSFORM_KINDS; k++)
		assert_ok(transform_kinds[k].add(t, 0.5));
	assert_ok(nnopt_transforms_add_normalise_per_image(t, 1, 0.01));
	nnopt_loader *none = open_loader(t, 0), *one = open_loader(t, 1), *three = open_loader(t, 3);
	uint64_t first = epoch_hash(none, 3);
	assert_true(first == epoch_hash(one, 3) && first == epoch_hash(three, 3));
	assert_true(first != epoch_hash(three, 4));
	assert_true(first == epoch_hash(three, 3));
	nnopt_loader_destroy(three);
	nnopt_loader_destroy(one);
	nnopt_loader_destroy(none);
	nnopt_transforms_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(medians_are_in_the_middle),
		cmocka_unit_test(every_kind_is_tested),
		cmocka_unit_test(probabilities_hold),
		cmocka_unit_test(tiny_pictures),
		cmocka_unit_test(alpha_is_no_colour),
		cmocka_unit_test(places_are_the_same_in_all_channels),
		cmocka_unit_test(brightness_is_uniform),
		cmocka_unit_test(translation_is_uniform),
		cmocka_unit_test(crops_keep_scale_and_ratio),
		cmocka_unit_test(erased_areas),
		cmocka_unit_test(erased_values),
		cmocka_unit_test(noise_is_normal),
		cmocka_unit_test(flips_take_turns),
		cmocka_unit_test(workers_change_nothing),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
