/* 01_first_network.c - open a dataset, describe a network, train it, measure it.
 *
 * usage: 01_first_network [DIR [COUNT]]
 * DIR holds the IDX files of MNIST or Fashion-MNIST (Debian: dataset-fashion-mnist); the first COUNT pictures are used.
 */
#include "example.h"

static nnopt_loader *open_pictures(nnopt_context *ctx, const char *dir, const char *part, int64_t count,
				   int32_t shuffle)
{
	char images[1024], labels[1024];
	snprintf(images, sizeof images, "%s/%s-images-idx3-ubyte.gz", dir, part);
	snprintf(labels, sizeof labels, "%s/%s-labels-idx1-ubyte.gz", dir, part);
	nnopt_dataset *all = NULL, *first = NULL;
	CHECK(nnopt_idx_open(&all, ctx, images, labels));

	if (count <= 0 || count > nnopt_dataset_count(all))
		count = nnopt_dataset_count(all);
	int64_t *indices = malloc((size_t)count * sizeof *indices);
	if (indices == NULL)
		exit(EXIT_FAILURE);
	for (int64_t i = 0; i < count; i++)
		indices[i] = i;
	CHECK(nnopt_dataset_subset(&first, all, indices, count));
	free(indices);

	nnopt_loader_options o;
	nnopt_loader *loader = NULL;
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 64;
	o.shuffle = shuffle;
	CHECK(nnopt_loader_create(&loader, first, NULL, &o)); /* no transforms: pixels become floats in [0, 1] */

	/* Objects hold references to what they need: handles go as soon as they are not wanted here any more. */
	nnopt_dataset_destroy(all);
	nnopt_dataset_destroy(first);
	return loader;
}

int main(int argc, char **argv)
{
	const char *dir = "/usr/share/datasets/fashion-mnist";
	int64_t count = 10000;
	read_arguments(argc, argv, "[DIR [COUNT]]",
		       (const argument[]){ { .text = &dir }, { .number = &count, .least = 1 }, { 0 } });

	nnopt_context *ctx = NULL;
	CHECK(nnopt_context_create(&ctx, NULL)); /* all cores, seed 0 */
	nnopt_loader *train = open_pictures(ctx, dir, "train", count, 1);
	nnopt_loader *test = open_pictures(ctx, dir, "t10k", count, 0);

	/* Describe: the input's shape is not said here, it comes from the data. */
	nnopt_model *net = NULL;
	CHECK(nnopt_model_create(&net, ctx));
	CHECK(nnopt_add_conv2d(net, 16, 3, NULL));
	CHECK(nnopt_add_relu(net));
	CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	CHECK(nnopt_add_conv2d(net, 32, 3, NULL));
	CHECK(nnopt_add_relu(net));
	CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, 10, NULL));

	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	CHECK(nnopt_cross_entropy_create(&loss, ctx, NULL));
	CHECK(nnopt_adam_create(&adam, ctx, NULL));

	nnopt_fit_options fit;
	CHECK(nnopt_fit_options_init(&fit, sizeof fit));
	fit.epochs = 2;
	fit.validation = test; /* only watched: what stops or chooses wants pictures held out, as in quickstart.c */
	fit.on_batch = nnopt_progress_bar;
	fit.on_epoch = nnopt_progress_line;
	CHECK(nnopt_fit(net, train, loss, adam, &fit, NULL));

	nnopt_evaluation result = { .struct_size = sizeof result };
	CHECK(nnopt_evaluate(net, NULL, test, loss, NULL, &result));
	printf("test accuracy: %.2f%% of %lld\n", 100.0 * result.accuracy, (long long)result.count);

	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_model_destroy(net);
	nnopt_loader_destroy(test);
	nnopt_loader_destroy(train);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
