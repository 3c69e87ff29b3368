/* 13_zoo.c - networks by name: what each costs, and one of them trained.
 *
 * usage: 13_zoo list [SIDE [BATCH [PART]]]     parameters, work and memory of every network whose name holds PART
 *        13_zoo train NAME [EPOCHS [DIR]]      DIR holds the IDX files of MNIST or Fashion-MNIST */
#include "example.h"

#include <string.h>

#define MOST_MEMORY ((uint64_t)4 << 30)

/* A plan knows what it costs before the first step; here one is made for that alone. */
static void list_network(nnopt_context *ctx, const char *name, int64_t side, int64_t batch)
{
	nnopt_zoo_options zoo;
	nnopt_zoo_info about = { .struct_size = sizeof about };
	nnopt_model *net = NULL;
	CHECK(nnopt_zoo_get_info(name, &about));
	CHECK(nnopt_zoo_options_init(&zoo, sizeof zoo));
	zoo.picture = side; /* small pictures get the form that is usual for CIFAR */
	CHECK(nnopt_zoo_create(&net, ctx, name, 10, &zoo));

	nnopt_plan_options o;
	nnopt_plan *plan = NULL;
	CHECK(nnopt_plan_options_init(&o, sizeof o));
	o.batch = batch;
	o.rank = 3;
	o.shape[0] = 3;
	o.shape[1] = o.shape[2] = side;
	o.mode = NNOPT_TRAINING;
	o.max_bytes = MOST_MEMORY;
	nnopt_status status = nnopt_plan_create(&plan, net, &o);
	if (status == NNOPT_OK) {
		nnopt_plan_info info = { .struct_size = sizeof info };
		CHECK(nnopt_plan_get_info(plan, &info));
		printf("%-20s %8.2f M %9.1f M %8.0f MiB  %s\n", name, 1e-6 * (double)info.parameters,
		       1e-6 * (double)info.macs, (double)info.peak_bytes / 1048576.0, about.description);
	} else {
		printf("%-20s %s\n", name, nnopt_last_error()); /* too much memory, or too small a picture */
	}
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(net);
}

static void list(nnopt_context *ctx, int64_t side, int64_t batch, const char *part)
{
	printf("%-20s %10s %11s %12s  (pictures of %lldx%lld, training in batches of %lld)\n", "", "parameters", "MACs",
	       "memory", (long long)side, (long long)side, (long long)batch);
	for (int32_t i = 0; i < nnopt_zoo_count(); i++)
		if (strstr(nnopt_zoo_name(i), part) != NULL)
			list_network(ctx, nnopt_zoo_name(i), side, batch);
}

static nnopt_loader *open_pictures(nnopt_context *ctx, const char *dir, const char *part, int32_t shuffle)
{
	char images[1024], labels[1024];
	nnopt_dataset *all = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	snprintf(images, sizeof images, "%s/%s-images-idx3-ubyte.gz", dir, part);
	snprintf(labels, sizeof labels, "%s/%s-labels-idx1-ubyte.gz", dir, part);
	CHECK(nnopt_idx_open(&all, ctx, images, labels));
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 64;
	o.shuffle = shuffle;
	CHECK(nnopt_loader_create(&loader, all, NULL, &o));
	nnopt_dataset_destroy(all);
	return loader;
}

static void train(nnopt_context *ctx, const char *name, int64_t epochs, const char *dir)
{
	nnopt_loader *pictures = open_pictures(ctx, dir, "train", 1), *test = open_pictures(ctx, dir, "t10k", 0);
	nnopt_zoo_options zoo;
	nnopt_model *net = NULL;
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_fit_options fit;
	CHECK(nnopt_zoo_options_init(&zoo, sizeof zoo));
	zoo.picture = 28;
	CHECK(nnopt_zoo_create(&net, ctx, name, 10, &zoo)); /* as many channels as the pictures have: one */
	CHECK(nnopt_cross_entropy_create(&loss, ctx, NULL));
	CHECK(nnopt_adam_create(&adam, ctx, NULL));
	CHECK(nnopt_fit_options_init(&fit, sizeof fit));
	fit.epochs = epochs;
	fit.validation = test; /* only watched, nothing is chosen by it */
	fit.on_batch = nnopt_progress_bar;
	fit.on_epoch = nnopt_progress_line;
	CHECK(nnopt_fit(net, pictures, loss, adam, &fit, NULL));
	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_model_destroy(net);
	nnopt_loader_destroy(test);
	nnopt_loader_destroy(pictures);
}

int main(int argc, char **argv)
{
	const char *usage = "list [SIDE [BATCH [PART]]] | train NAME [EPOCHS [DIR]]";
	const char *what = "list", *part = "", *name = NULL, *dir = "/usr/share/datasets/fashion-mnist";
	int64_t side = 32, batch = 32, epochs = 2;
	nnopt_context *ctx = NULL;
	if (argc > 1 && strcmp(argv[1], "train") == 0)
		read_arguments(argc, argv, usage,
			       (const argument[]){ { .text = &what },
						   { .text = &name },
						   { .number = &epochs, .least = 1 },
						   { .text = &dir },
						   { 0 } });
	else
		read_arguments(argc, argv, usage,
			       (const argument[]){ { .text = &what },
						   { .number = &side, .least = 1 },
						   { .number = &batch, .least = 1 },
						   { .text = &part },
						   { 0 } });
	int list_wanted = strcmp(what, "list") == 0;
	if (!list_wanted && name == NULL)
		end_with_usage(argv, usage, "");
	CHECK(nnopt_context_create(&ctx, NULL));
	if (list_wanted)
		list(ctx, side, batch, part);
	else
		train(ctx, name, epochs, dir);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
