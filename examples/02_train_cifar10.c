/* 02_train_cifar10.c - a plain CNN on CIFAR-10 with augmentation; saves its weights.
 *
 * usage: train_cifar10 --images DIR | --cifar10 DIR [--epochs N] [--seed N] [--threads N] [--precision f32|bf16|f16]
 * [--mixup A] [--cutmix A] [--out FILE]
 * --images DIR holds train/CLASS/ and test/CLASS/ with PNG, JPEG or BMP files; --cifar10 DIR holds the binary version.
 * --mixup 0.2 and --cutmix 1 (or both, in turn) mix the samples of each training batch: for runs of many epochs. */
#include "example.h"

#include <string.h>

typedef struct settings {
	const char *images, *cifar10, *out;
	int64_t epochs, seed, threads;
	int32_t precision;
	double mixup, cutmix;
} settings;

static settings read_settings(int argc, char **argv)
{
	const char *usage = "--images DIR | --cifar10 DIR [--epochs N] [--seed N] [--threads N] [--precision "
			    "f32|bf16|f16] [--mixup A] [--cutmix A] [--out FILE]";
	static const char *const precisions[] = { "f32", "bf16", "f16", NULL }; /* as NNOPT_PRECISION_F32 and so on */
	settings s = { .out = "cifar10.safetensors", .epochs = 10 };
	read_arguments(argc, argv, usage,
		       (const argument[]){ { .name = "images", .text = &s.images },
					   { .name = "cifar10", .text = &s.cifar10 },
					   { .name = "epochs", .number = &s.epochs, .least = 1 },
					   { .name = "seed", .number = &s.seed },
					   { .name = "threads", .number = &s.threads },
					   { .name = "precision", .choice = &s.precision, .among = precisions },
					   { .name = "mixup", .real = &s.mixup },
					   { .name = "cutmix", .real = &s.cutmix },
					   { .name = "out", .text = &s.out },
					   { 0 } });
	if ((s.images != NULL) == (s.cifar10 != NULL))
		end_with_usage(argv, usage, "");
	return s;
}

static nnopt_loader *open_split(nnopt_context *ctx, const settings *s, nnopt_split split)
{
	/* ImageNet's, as in the PyTorch program it is compared with; nnopt_dataset_fit_normalisation() gives the data's
	 * own */
	static const float mean[3] = { 0.485f, 0.456f, 0.406f }, std[3] = { 0.229f, 0.224f, 0.225f };
	nnopt_dataset *data = NULL;
	CHECK(s->images != NULL ? open_folder(&data, ctx, s->images, split == NNOPT_SPLIT_TRAIN ? "train" : "test")
				: nnopt_cifar10_open(&data, ctx, s->cifar10, split));
	nnopt_transforms *t = NULL;
	CHECK(nnopt_transforms_create(&t, ctx));
	if (split == NNOPT_SPLIT_TRAIN) {
		CHECK(nnopt_transforms_add_horizontal_flip(t, 0.5));
		CHECK(nnopt_transforms_add_rotation(t, 10.0, 0, 1.0));
	}
	CHECK(nnopt_transforms_add_normalise(t, mean, std, 3));

	nnopt_loader_options o;
	nnopt_loader *loader = NULL;
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 64;
	o.shuffle = split == NNOPT_SPLIT_TRAIN;
	o.mixup_alpha = split == NNOPT_SPLIT_TRAIN ? s->mixup : 0.0;
	o.cutmix_alpha = split == NNOPT_SPLIT_TRAIN ? s->cutmix : 0.0;
	CHECK(nnopt_loader_create(&loader, data, t, &o));
	nnopt_transforms_destroy(t);
	nnopt_dataset_destroy(data);
	return loader;
}

static nnopt_model *make_network(nnopt_context *ctx, int64_t classes)
{
	nnopt_model *net = NULL;
	nnopt_conv2d_options same;
	CHECK(nnopt_conv2d_options_init(&same, sizeof same));
	same.padding_mode = NNOPT_PADDING_SAME;
	CHECK(nnopt_model_create(&net, ctx));
	for (int64_t channels = 32; channels <= 64; channels *= 2) {
		CHECK(nnopt_add_conv2d(net, channels, 3, &same));
		CHECK(nnopt_add_relu(net));
		CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	}
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, 512, NULL));
	CHECK(nnopt_add_relu(net));
	CHECK(nnopt_add_dropout(net, 0.5f));
	CHECK(nnopt_add_linear(net, classes, NULL));
	return net;
}

int main(int argc, char **argv)
{
	settings s = read_settings(argc, argv);
	nnopt_context_options c;
	CHECK(nnopt_context_options_init(&c, sizeof c));
	c.seed = (uint64_t)s.seed;
	c.threads = (int32_t)s.threads;
	c.log = nnopt_log_to_stderr;
	nnopt_context *ctx = NULL;
	CHECK(nnopt_context_create(&ctx, &c));
	nnopt_loader *train = open_split(ctx, &s, NNOPT_SPLIT_TRAIN), *test = open_split(ctx, &s, NNOPT_SPLIT_TEST);
	nnopt_model *net = make_network(ctx, nnopt_dataset_classes(nnopt_loader_dataset(train)));
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	CHECK(nnopt_cross_entropy_create(&loss, ctx, NULL));
	CHECK(nnopt_adam_create(&adam, ctx, NULL)); /* learning rate 1e-3 */

	nnopt_fit_options fit;
	CHECK(nnopt_fit_options_init(&fit, sizeof fit));
	fit.epochs = s.epochs;
	fit.validation = test; /* only watched: what stops or chooses wants pictures held out, as in quickstart.c */
	fit.precision = s.precision;
	fit.on_batch = nnopt_progress_bar;
	fit.on_epoch = nnopt_progress_line;
	CHECK(nnopt_fit(net, train, loss, adam, &fit, NULL));
	CHECK(nnopt_model_save(net, s.out));

	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_model_destroy(net);
	nnopt_loader_destroy(test);
	nnopt_loader_destroy(train);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
