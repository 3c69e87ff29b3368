/* 23_normalisations.c - batch, layer, group and instance normalisation in batches of 2 and of 32; and batch norms that
 * are frozen where a trained network goes on in small batches.
 *
 * usage: 23_normalisations [EPOCHS]
 * One seed: a difference of a few points wants others before it is believed. */
#include "shapes.h"

enum { TRAINING = 600, TEST = 1000, LARGE = 32, SMALL = 2 };

typedef enum kind { NONE, BATCH, LAYER, GROUP, INSTANCE, KINDS } kind;

static const char *const names[KINDS] = { "none", "batch", "layer, over channels", "group, of 8 channels", "instance" };

static void add_norm(nnopt_model *net, kind k, int64_t channels)
{
	nnopt_layer_norm_options over_channels;
	CHECK(nnopt_layer_norm_options_init(&over_channels, sizeof over_channels));
	over_channels.channels = 1; /* at each pixel, as ConvNeXt has it */
	if (k == BATCH)
		CHECK(nnopt_add_batch_norm2d(net, NULL));
	if (k == LAYER)
		CHECK(nnopt_add_layer_norm(net, &over_channels));
	if (k == GROUP)
		CHECK(nnopt_add_group_norm(net, channels / 8, NULL));
	if (k == INSTANCE)
		CHECK(nnopt_add_group_norm(net, 0, NULL));
}

static nnopt_model *make_network(nnopt_context *ctx, kind k)
{
	nnopt_model *net = NULL;
	CHECK(nnopt_model_create(&net, ctx));
	for (int64_t width = 16; width <= 64; width *= 2) {
		CHECK(nnopt_add_conv2d(net, width, 3, NULL));
		add_norm(net, k, width);
		CHECK(nnopt_add_relu(net));
		if (width < 64)
			CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	}
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, SHAPES, NULL));
	return net;
}

static nnopt_loader *batches(nnopt_dataset *data, int64_t batch, int32_t shuffle)
{
	nnopt_loader_options o;
	nnopt_loader *loader = NULL;
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = batch;
	o.shuffle = shuffle;
	CHECK(nnopt_loader_create(&loader, data, NULL, &o));
	return loader;
}

/* Trains and tells the accuracy on the test pictures, in per cent. */
static double train(nnopt_model *net, nnopt_loader *pictures, nnopt_loader *test, double lr, int64_t epochs)
{
	nnopt_context *ctx = nnopt_model_context(net);
	nnopt_sgd_options s;
	nnopt_optimizer *sgd = NULL;
	nnopt_loss *loss = NULL;
	nnopt_fit_options fit;
	nnopt_evaluation e = { .struct_size = sizeof e };
	CHECK(nnopt_sgd_options_init(&s, sizeof s));
	s.lr = lr;
	s.momentum = 0.9;
	CHECK(nnopt_sgd_create(&sgd, ctx, &s));
	CHECK(nnopt_cross_entropy_create(&loss, ctx, NULL));
	CHECK(nnopt_fit_options_init(&fit, sizeof fit));
	CHECK(nnopt_schedule_cosine_create(&fit.schedule, ctx, epochs * nnopt_loader_batches(pictures), 0.0));
	fit.epochs = epochs;
	CHECK(nnopt_fit(net, pictures, loss, sgd, &fit, NULL));
	CHECK(nnopt_evaluate(net, NULL, test, NULL, NULL, &e));
	nnopt_schedule_destroy(fit.schedule);
	nnopt_loss_destroy(loss);
	nnopt_optimizer_destroy(sgd);
	return 100.0 * e.accuracy;
}

/* A network trained in large batches goes on in batches of 2, with few other pictures. */
static double go_on(nnopt_context *ctx, nnopt_loader *first, nnopt_loader *test, int32_t frozen, int64_t epochs)
{
	nnopt_dataset *few = make_shapes(ctx, 100, 3);
	nnopt_loader *small = batches(few, SMALL, 1);
	nnopt_model *net = make_network(ctx, BATCH);
	(void)train(net, first, test, 0.02, epochs);
	CHECK(nnopt_model_set_frozen_norms(net, "", frozen, NULL));
	double accuracy = train(net, small, test, 0.0005, epochs);
	nnopt_model_destroy(net);
	nnopt_loader_destroy(small);
	nnopt_dataset_destroy(few);
	return accuracy;
}

int main(int argc, char **argv)
{
	int64_t epochs = 15;
	read_arguments(argc, argv, "[EPOCHS]", (const argument[]){ { .number = &epochs, .least = 1 }, { 0 } });
	nnopt_context *ctx = NULL;
	CHECK(nnopt_context_create(&ctx, NULL));
	nnopt_dataset *data = make_shapes(ctx, TRAINING, 1), *test = make_shapes(ctx, TEST, 2);
	nnopt_loader *small = batches(data, SMALL, 1), *large = batches(data, LARGE, 1);
	nnopt_loader *testing = batches(test, 100, 0);
	printf("%-24s %12s %14s\n", "normalisation", "batches of 2", "batches of 32");
	for (kind k = NONE; k < KINDS; k++) {
		nnopt_model *a = make_network(ctx, k), *b = make_network(ctx, k);
		/* The smaller the batch, the smaller the rate. */
		printf("%-24s %10.1f %%", names[k], train(a, small, testing, 0.002, epochs));
		printf(" %12.1f %%\n", train(b, large, testing, 0.02, epochs));
		nnopt_model_destroy(a);
		nnopt_model_destroy(b);
	}
	printf("batch norm, trained in batches of 32, then on in batches of 2: %.1f %%",
	       go_on(ctx, large, testing, 0, epochs));
	printf(", with frozen norms: %.1f %%\n", go_on(ctx, large, testing, 1, epochs));
	nnopt_loader_destroy(testing);
	nnopt_loader_destroy(large);
	nnopt_loader_destroy(small);
	nnopt_dataset_destroy(test);
	nnopt_dataset_destroy(data);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
