/* mixing.c - mixup and CutMix: torchvision's bits for a given lambda, lambdas that follow Beta, batches that are those
 * of an unmixed loader mixed by hand, and do not depend on workers or on where an epoch was taken up. */
#include "check.h"

#include "data/mixing.h"

#include <math.h>

typedef struct mixing_case {
	int cut;
	double lambda;
	int64_t y, x;
	const float *images, *targets;
} mixing_case;
#include "golden/mixing.inc"

#define COUNT 50
#define H 6
#define W 9
#define AREA (H * W)
#define EACH (AREA * 3)
#define CLASSES 5

static nnopt_context *ctx;
static nnopt_dataset *data;

static int setup(void **state)
{
	(void)state;
	nnopt_tensor *images = NULL, *labels = NULL;
	assert_ok(nnopt_context_create(&ctx, NULL));
	assert_ok(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ COUNT, 3, H, W }, NNOPT_NCHW));
	assert_ok(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, (int64_t[]){ COUNT }, NNOPT_NCHW));
	uint8_t *p = nnopt_tensor_data(images);
	uint32_t noise = 1;
	for (int i = 0; i < COUNT * EACH; i++)
		p[i] = (uint8_t)((noise = noise * 1664525u + 1013904223u) >> 24);
	for (int i = 0; i < COUNT; i++)
		((int32_t *)nnopt_tensor_data(labels))[i] = i % CLASSES;
	assert_ok(nnopt_dataset_from_tensors(&data, ctx, images, labels));
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_dataset_destroy(data);
	nnopt_context_destroy(ctx);
	return 0;
}

static nnopt_loader_options options(double mixup, double cutmix)
{
	nnopt_loader_options o;
	assert_ok(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 8;
	o.shuffle = 1;
	o.workers = 0;
	o.use_seed = 1;
	o.seed = 5;
	o.mixup_alpha = mixup;
	o.cutmix_alpha = cutmix;
	return o;
}

static nnopt_loader *make_loader(const nnopt_loader_options *o)
{
	nnopt_transforms *t = NULL;
	nnopt_loader *l = NULL;
	assert_ok(nnopt_transforms_create(&t, ctx));
	assert_ok(nnopt_transforms_add_horizontal_flip(t, 0.5));
	assert_ok(nnopt_transforms_add_normalise(t, (float[]){ 0.5f, 0.4f, 0.3f }, (float[]){ 0.2f, 0.25f, 0.3f }, 3));
	assert_ok(nnopt_loader_create(&l, data, t, o));
	nnopt_transforms_destroy(t);
	return l;
}

static void torchvision_has_the_same_bits(void **state)
{
	(void)state;
	const int32_t labels[] = { 2, 0, 0, 1 };
	for (size_t i = 0; i < sizeof mixing_cases / sizeof *mixing_cases; i++) {
		const mixing_case *c = &mixing_cases[i];
		nno_mixing m = { .kind = c->cut ? NNO_MIX_CUT : NNO_MIX_UP, .lambda = c->lambda };
		float images[4 * 5 * 7 * 2], targets[4 * 3], spare[5 * 7 * 2];
		if (c->cut)
			nno_mixing_box(&m, c->y, c->x, 5, 7);
		memcpy(images, mixing_images, sizeof images);
		nno_mixing_images(&m, nno_kernels_best(0), images, 4, 5, 7, 2, spare);
		nno_mixing_targets(&m, targets, labels, 4, 3);
		for (size_t k = 0; k < sizeof images / sizeof *images; k++)
			assert_true(images[k] == c->images[k]);
		for (size_t k = 0; k < sizeof targets / sizeof *targets; k++)
			assert_true(targets[k] == c->targets[k]);
	}
}

/* Mean, variance and fourth central moment of Beta(a, a), each within five deviations or so of what 20000 draws give.
 */
static void lambda_follows_beta(void **state)
{
	(void)state;
	const double alphas[] = { 1e-3, 0.2, 0.4, 1.0, 1.5, 8.0, 1e4 };
	for (size_t i = 0; i < sizeof alphas / sizeof *alphas; i++) {
		double a = alphas[i], sums[3] = { 0 };
		int below = 0;
		nnopt_loader_options o = options(a, 0.0);
		const int n = 20000;
		for (int k = 0; k < n; k++) {
			nno_mixing m;
			nno_mixing_draw(&m, &o, 11, k / 100, k % 100, H, W);
			assert_true(m.kind == NNO_MIX_UP && m.lambda >= 0.0 && m.lambda <= 1.0);
			double d = m.lambda - 0.5;
			sums[0] += d;
			sums[1] += d * d;
			sums[2] += d * d * d * d;
			below += m.lambda < 0.5;
		}
		double variance = 1.0 / (4.0 * (2.0 * a + 1.0)),
		       fourth = 3.0 / (16.0 * (2.0 * a + 1.0) * (2.0 * a + 3.0));
		assert_true(fabs(sums[0] / n) < 5.0 * sqrt(variance / n));
		assert_true(fabs(sums[1] / n - variance) < 5.0 * sqrt((fourth - variance * variance) / n) + 1e-6);
		assert_true(fabs(sums[2] / n - fourth) < 0.06 * fourth);
		assert_true(abs(below - n / 2) < 5 * 71);
	}
}

static void each_of_two_takes_half_the_batches(void **state)
{
	(void)state;
	nnopt_loader_options o = options(0.3, 1.0);
	o.mix_probability = 0.6;
	int kinds[3] = { 0 };
	for (int k = 0; k < 10000; k++) {
		nno_mixing m;
		nno_mixing_draw(&m, &o, 3, k, 7, H, W);
		kinds[m.kind]++;
		int64_t area = (m.bottom - m.top) * (m.right - m.left);
		assert_true(m.kind != NNO_MIX_NOTHING || m.lambda == 1.0);
		assert_true(m.kind != NNO_MIX_CUT || m.lambda == 1.0 - (double)area / AREA);
		assert_true(m.top >= 0 && m.bottom <= H && m.left >= 0 && m.right <= W && area >= 0);
	}
	assert_true(abs(kinds[NNO_MIX_NOTHING] - 4000) < 250 && abs(kinds[NNO_MIX_UP] - 3000) < 250 &&
		    abs(kinds[NNO_MIX_CUT] - 3000) < 250);
}

/* Whether pixel `at` of a mixed picture is `wanted`. */
static bool is_pixel(const float *mixed, const float *wanted, int at)
{
	return memcmp(mixed + at * 3, wanted + at * 3, 3 * sizeof(float)) == 0;
}

/* `part` of the partner's pixels, all others the sample's own: the share of the area that the targets say. */
static void check_cut(const float *mixed, const float *own, const float *partner, float part)
{
	int top = H, bottom = 0, left = W, right = 0, changed = 0;
	for (int at = 0; at < AREA; at++) {
		if (is_pixel(mixed, own, at))
			continue;
		assert_true(is_pixel(mixed, partner, at));
		top = at / W < top ? at / W : top;
		bottom = at / W + 1;
		left = at % W < left ? at % W : left;
		right = at % W + 1 > right ? at % W + 1 : right;
		changed++;
	}
	/* Where both have the same pixel the rectangle cannot be seen; in these pictures none are. */
	assert_int_equal(changed, changed > 0 ? (bottom - top) * (right - left) : 0);
	assert_true(fabs((double)part - (double)changed / AREA) < 1e-6);
}

static void check_mixed(const nnopt_batch *b, const nnopt_batch *plain, int cut)
{
	const float *mixed = nnopt_tensor_const_data(b->images), *own = nnopt_tensor_const_data(plain->images),
		    *targets = nnopt_tensor_const_data(b->targets);
	const int32_t *labels = nnopt_tensor_const_data(plain->labels);
	int64_t shape[2] = { nnopt_tensor_extent(b->targets, 0), nnopt_tensor_extent(b->targets, 1) };
	assert_true(nnopt_tensor_dtype(b->targets) == NNOPT_F32 && shape[0] == b->count && shape[1] == CLASSES);
	assert_memory_equal(nnopt_tensor_const_data(b->labels), labels, (size_t)b->count * sizeof *labels);
	assert_true(b->count == plain->count && memcmp(b->indices, plain->indices, (size_t)b->count * 8) == 0);
	float lambda = 1.0f;
	bool said = b->count == 1; /* by the targets: all say the same, but pairs of one class nothing */
	for (int64_t i = 0; i < b->count; i++)
		if (labels[i] != labels[i > 0 ? i - 1 : b->count - 1]) {
			lambda = targets[i * CLASSES + labels[i]];
			said = true;
		}
	if (!said)
		return;
	for (int64_t i = 0; i < b->count; i++) {
		int64_t j = i > 0 ? i - 1 : b->count - 1;
		float wanted[CLASSES] = { 0 }, part = 0.0f;
		wanted[labels[i]] += lambda;
		wanted[labels[j]] += 1.0f - lambda;
		for (int c = 0; c < CLASSES; c++) {
			assert_true(fabsf(targets[i * CLASSES + c] - wanted[c]) < 1e-6f);
			part += targets[i * CLASSES + c];
		}
		assert_true(fabsf(part - 1.0f) < 1e-6f);
		if (cut)
			check_cut(mixed + i * EACH, own + i * EACH, own + j * EACH, 1.0f - lambda);
		for (int k = 0; !cut && k < EACH; k++) {
			double exact = (double)lambda * (double)own[i * EACH + k] +
				       (1.0 - (double)lambda) * (double)own[j * EACH + k];
			assert_true(fabs((double)mixed[i * EACH + k] - exact) < 1e-6);
		}
	}
}

static void batches_are_those_of_an_unmixed_loader(void **state)
{
	(void)state;
	for (int cut = 0; cut < 2; cut++) {
		nnopt_loader_options o = options(cut ? 0.0 : 1.0, cut ? 1.0 : 0.0), none = options(0.0, 0.0);
		nnopt_loader *l = make_loader(&o), *plain = make_loader(&none);
		for (int64_t epoch = 0; epoch < 6; epoch++) {
			const nnopt_batch *b = NULL, *p = NULL;
			assert_ok(nnopt_loader_start(l, epoch, 0));
			assert_ok(nnopt_loader_start(plain, epoch, 0));
			for (;;) {
				assert_ok(nnopt_loader_next(l, &b));
				assert_ok(nnopt_loader_next(plain, &p));
				if (b == NULL)
					break;
				assert_ptr_equal(p->targets, p->labels);
				check_mixed(b, p, cut);
			}
		}
		nnopt_loader_destroy(l);
		nnopt_loader_destroy(plain);
	}
}

/* Pixels and targets of an epoch from batch `first` on. */
static size_t epoch_bytes(nnopt_loader *l, int64_t epoch, int64_t first, char *out)
{
	const nnopt_batch *b = NULL;
	size_t used = 0;
	assert_ok(nnopt_loader_start(l, epoch, first));
	for (;;) {
		assert_ok(nnopt_loader_next(l, &b));
		if (b == NULL)
			return used;
		const nnopt_tensor *parts[] = { b->images, b->targets };
		for (int i = 0; i < 2; i++) {
			memcpy(out + used, nnopt_tensor_const_data(parts[i]), nnopt_tensor_bytes(parts[i]));
			used += nnopt_tensor_bytes(parts[i]);
		}
	}
}

#define SAMPLE_BYTES ((EACH + CLASSES) * sizeof(float))
static char whole[COUNT * SAMPLE_BYTES], again[COUNT * SAMPLE_BYTES];

static void workers_and_the_middle_change_nothing(void **state)
{
	(void)state;
	nnopt_loader_options o = options(0.4, 1.0);
	o.mix_probability = 0.8;
	nnopt_loader *l = make_loader(&o);
	assert_int_equal(epoch_bytes(l, 2, 0, whole), sizeof whole);
	uint64_t fingerprint = nnopt_loader_fingerprint(l);
	nnopt_loader_destroy(l);
	for (o.workers = 1; o.workers <= 3; o.workers += 2) {
		l = make_loader(&o);
		assert_int_equal(epoch_bytes(l, 2, 0, again), sizeof whole);
		assert_memory_equal(whole, again, sizeof whole);
		for (size_t first = 1; first < 7; first++) {
			size_t skipped = first * 8 * SAMPLE_BYTES;
			assert_int_equal(epoch_bytes(l, 2, (int64_t)first, again), sizeof whole - skipped);
			assert_memory_equal(whole + skipped, again, sizeof whole - skipped);
		}
		assert_true(nnopt_loader_fingerprint(l) == fingerprint);
		nnopt_loader_destroy(l);
	}
	const nnopt_loader_options others[] = { options(0.4, 1.0), options(0.5, 1.0), options(0.4, 0.0),
						options(0.0, 0.0) };
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		l = make_loader(&others[i]);
		assert_true(nnopt_loader_fingerprint(l) != fingerprint);
		nnopt_loader_destroy(l);
	}
}

static void one_sample_is_its_own_partner(void **state)
{
	(void)state;
	nnopt_loader_options o = options(1.0, 0.0), none = options(0.0, 0.0);
	o.batch = none.batch = 1;
	nnopt_loader *l = make_loader(&o), *plain = make_loader(&none);
	const nnopt_batch *b = NULL, *p = NULL;
	assert_ok(nnopt_loader_start(l, 0, 0));
	assert_ok(nnopt_loader_start(plain, 0, 0));
	assert_ok(nnopt_loader_next(l, &b));
	assert_ok(nnopt_loader_next(plain, &p));
	check_mixed(b, p, 0);
	nnopt_loader_destroy(l);
	nnopt_loader_destroy(plain);
}

static void wrong_options(void **state)
{
	(void)state;
	nnopt_loader *l = NULL;
	nnopt_loader_options o = options(-1.0, 0.0);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "mixup_alpha -1", nnopt_loader_create(&l, data, NULL, &o));
	o = options(0.0, NAN);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "cutmix_alpha", nnopt_loader_create(&l, data, NULL, &o));
	o = options(1e7, 0.0);
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "1e-6 to 1e6", nnopt_loader_create(&l, data, NULL, &o));
	o = options(0.2, 0.0);
	o.mix_probability = 1.5;
	assert_fails(NNOPT_ERROR_INVALID_ARGUMENT, "mix_probability 1.5", nnopt_loader_create(&l, data, NULL, &o));
	assert_null(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(torchvision_has_the_same_bits),
		cmocka_unit_test(lambda_follows_beta),
		cmocka_unit_test(each_of_two_takes_half_the_batches),
		cmocka_unit_test(batches_are_those_of_an_unmixed_loader),
		cmocka_unit_test(workers_and_the_middle_change_nothing),
		cmocka_unit_test(one_sample_is_its_own_partner),
		cmocka_unit_test(wrong_options),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
