/* loader_cases.c - pictures a second that come out of the loader, on one thread (the caller's), by source and by what
 * happens to them. "plain" is normalisation alone, "mixup" and "cutmix" mix its batches, "augmented" is a flip, a
 * nearest rotation by up to 10 degrees and normalisation, "heavy" a random resized crop, flip, colour jitter,
 * RandAugment and erasing. */
#include "bench.h"

#include <string.h>

#define PICTURES 10000 /* of a source, at most: an epoch is to be short beside a round */

typedef struct recipe {
	const char *name;
	int64_t crop;
	double flip, degrees;
	int bilinear, heavy;
	double mixup, cutmix;
} recipe;

static const recipe recipes[] = {
	{ .name = "plain" },
	{ .name = "mixup", .mixup = 0.2 },
	{ .name = "cutmix", .cutmix = 1.0 },
	{ .name = "flip", .flip = 0.5 },
	{ .name = "crop", .crop = 4 },
	{ .name = "rotate", .degrees = 10.0 },
	{ .name = "rotate-bilinear", .degrees = 10.0, .bilinear = 1 },
	{ .name = "augmented", .flip = 0.5, .degrees = 10.0 },
	{ .name = "heavy", .heavy = 1 },
};

static void add_heavy(nnopt_transforms *t)
{
	nnopt_colour_jitter_options o;
	TRY(nnopt_colour_jitter_options_init(&o, sizeof o));
	o.brightness_min = o.contrast_min = o.saturation_min = 0.6;
	o.brightness_max = o.contrast_max = o.saturation_max = 1.4;
	o.hue_min = -0.1;
	o.hue_max = 0.1;
	TRY(nnopt_transforms_add_random_resized_crop(t, 32, 32, NULL));
	TRY(nnopt_transforms_add_horizontal_flip(t, 0.5));
	TRY(nnopt_transforms_add_colour_jitter(t, &o, 1.0));
	TRY(nnopt_transforms_add_rand_augment(t, NULL, 1.0));
	TRY(nnopt_transforms_add_random_erasing(t, NULL, 0.5));
}

static nnopt_loader *open_loader(nnopt_context *context, nnopt_dataset *data, const recipe *r, uint64_t cache)
{
	static const float mean[3] = { 0.485f, 0.456f, 0.406f }, std[3] = { 0.229f, 0.224f, 0.225f };
	nnopt_transforms *t = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	TRY(nnopt_transforms_create(&t, context));
	if (r->crop > 0)
		TRY(nnopt_transforms_add_pad_crop(t, r->crop, NNOPT_PAD_ZERO, 1.0));
	if (r->flip > 0.0)
		TRY(nnopt_transforms_add_horizontal_flip(t, r->flip));
	if (r->degrees > 0.0)
		TRY(nnopt_transforms_add_rotation(t, r->degrees, r->bilinear, 1.0));
	if (r->heavy)
		add_heavy(t);
	TRY(nnopt_transforms_add_normalise(t, mean, std, 3));
	TRY(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 64;
	o.shuffle = 1;
	o.workers = 0;
	o.cache_bytes = cache;
	o.mixup_alpha = r->mixup;
	o.cutmix_alpha = r->cutmix;
	TRY(nnopt_loader_create(&loader, data, t, &o));
	nnopt_transforms_destroy(t);
	return loader;
}

typedef struct loader_run {
	nnopt_loader *loader;
	int64_t epoch;
} loader_run;

static double one_epoch(void *user)
{
	loader_run *run = user;
	const nnopt_batch *batch = NULL;
	TRY(nnopt_loader_start(run->loader, run->epoch++, 0));
	do
		TRY(nnopt_loader_next(run->loader, &batch));
	while (batch != NULL);
	return -1.0;
}

static void run_case(nnopt_context *context, nnopt_dataset *data, const char *source, const recipe *r, uint64_t cache)
{
	char name[80];
	snprintf(name, sizeof name, "loader/%s/%s", source, r->name);
	if (!wanted(name))
		return;
	loader_run run = { .loader = open_loader(context, data, r, cache) };
	double pictures = (double)nnopt_dataset_count(data);
	timing t = measure(one_epoch, &run);
	const extra more[] = { { "microseconds_a_picture", t.best / pictures * 1e6, 3 } };
	report(name, "img/s", pictures / t.best, pictures / t.worst, more, 1);
	nnopt_loader_destroy(run.loader);
}

/* Noise of CIFAR's size. */
static nnopt_dataset *made_up(nnopt_context *context)
{
	nnopt_dataset *data = NULL;
	nnopt_tensor *images = NULL, *labels = NULL;
	const int64_t count = PICTURES;
	TRY(nnopt_tensor_create(&images, context, NNOPT_U8, 4, (const int64_t[]){ count, 3, 32, 32 }, NNOPT_NHWC));
	TRY(nnopt_tensor_create(&labels, context, NNOPT_I32, 1, &count, NNOPT_NCHW));
	uint8_t *pixel = nnopt_tensor_data(images);
	uint32_t random = 1;
	for (int64_t i = 0; i < nnopt_tensor_count(images); i++)
		pixel[i] = (uint8_t)((random = random * 1664525u + 1013904223u) >> 24);
	memset(nnopt_tensor_data(labels), 0, nnopt_tensor_bytes(labels));
	TRY(nnopt_dataset_from_tensors(&data, context, images, labels));
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	return data;
}

/* Every n-th sample, so that all classes are there. */
static nnopt_dataset *some_of(nnopt_dataset *all)
{
	static int64_t indices[PICTURES];
	nnopt_dataset *part = NULL;
	int64_t count = nnopt_dataset_count(all), taken = count < PICTURES ? count : PICTURES;
	for (int64_t i = 0; i < taken; i++)
		indices[i] = i * count / taken;
	TRY(nnopt_dataset_subset(&part, all, indices, taken));
	nnopt_dataset_destroy(all);
	return part;
}

void loader_cases(nnopt_context *context)
{
	const recipe *plain = &recipes[0], *heavy = &recipes[sizeof recipes / sizeof *recipes - 1],
		     *augmented = heavy - 1;
	nnopt_dataset *data = NULL;
	if (wanted_part("loader/memory/")) {
		data = made_up(context);
		for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++)
			run_case(context, data, "memory", &recipes[i], 0);
		nnopt_dataset_destroy(data);
	}
	if (bench.pictures != NULL && (wanted_part("loader/jpeg/") || wanted_part("loader/cache/"))) {
		TRY(nnopt_image_folder_open(&data, context, bench.pictures, NULL));
		data = some_of(data);
		run_case(context, data, "jpeg", plain, 0);
		run_case(context, data, "jpeg", augmented, 0);
		run_case(context, data, "jpeg", heavy, 0);
		run_case(context, data, "cache", plain, (uint64_t)1 << 30);
		run_case(context, data, "cache", augmented, (uint64_t)1 << 30);
		nnopt_dataset_destroy(data);
	}
	if (bench.cifar10 != NULL && wanted_part("loader/cifar10/")) {
		TRY(nnopt_cifar10_open(&data, context, bench.cifar10, NNOPT_SPLIT_TRAIN));
		data = some_of(data);
		run_case(context, data, "cifar10", plain, 0);
		run_case(context, data, "cifar10", augmented, 0);
		nnopt_dataset_destroy(data);
	}
}
