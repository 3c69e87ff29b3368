/* 10_metric_learning.c - embeddings instead of classes: a network learns to put pictures of a kind together, with the
 * batch-hard triplet loss, and is measured by how often the nearest known pictures are of the same kind.
 *
 * usage: 10_metric_learning [EPOCHS [COUNT [CIFAR10_DIR]]]
 * Without a directory, which holds CIFAR-10's binary version (data_batch_1.bin and so on), the pictures are COUNT
 * shapes that are made here. */
#include "shapes.h"

#define EMBEDDING 32

static nnopt_model *make_network(nnopt_context *ctx)
{
	nnopt_model *net = NULL;
	CHECK(nnopt_model_create(&net, ctx));
	for (int64_t channels = 16; channels <= 64; channels *= 2) {
		CHECK(nnopt_add_conv2d(net, channels, 3, NULL));
		CHECK(nnopt_add_batch_norm2d(net, NULL));
		CHECK(nnopt_add_relu(net));
		if (channels < 64)
			CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	}
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, EMBEDDING, NULL)); /* no activation: a place, not a score */
	return net;
}

/* What the network makes of every picture of a loader. */
static void embed(nnopt_context *ctx, nnopt_plan *plan, nnopt_loader *loader, nnopt_tensor **embeddings,
		  nnopt_tensor **labels)
{
	int64_t count = nnopt_dataset_count(nnopt_loader_dataset(loader)), done = 0;
	CHECK(nnopt_tensor_create(embeddings, ctx, NNOPT_F32, 2, (const int64_t[]){ count, EMBEDDING }, NNOPT_NCHW));
	CHECK(nnopt_tensor_create(labels, ctx, NNOPT_I32, 1, &count, NNOPT_NCHW));
	CHECK(nnopt_loader_start(loader, 0, 0));
	for (const nnopt_batch *batch = NULL;; done += batch->count) {
		CHECK(nnopt_loader_next(loader, &batch));
		if (batch == NULL)
			return;
		const nnopt_tensor *output = NULL;
		nnopt_tensor *rows = NULL, *names = NULL;
		CHECK(nnopt_plan_forward(plan, batch->images, &output));
		CHECK(nnopt_tensor_view(&rows, *embeddings, done, batch->count));
		CHECK(nnopt_tensor_view(&names, *labels, done, batch->count));
		CHECK(nnopt_tensor_copy(rows, output));
		CHECK(nnopt_tensor_copy(names, batch->labels));
		nnopt_tensor_destroy(rows);
		nnopt_tensor_destroy(names);
	}
}

/* The share of test pictures whose five nearest training pictures are mostly of their kind. */
static double measure(nnopt_context *ctx, nnopt_model *net, nnopt_loader *known, nnopt_loader *test)
{
	nnopt_tensor *reference = NULL, *reference_labels = NULL, *queries = NULL, *query_labels = NULL;
	nnopt_plan_options p;
	nnopt_plan *plan = NULL;
	double accuracy = 0.0;
	CHECK(nnopt_loader_plan_options(&p, sizeof p, known));
	CHECK(nnopt_plan_create(&plan, net, &p));
	embed(ctx, plan, known, &reference, &reference_labels);
	embed(ctx, plan, test, &queries, &query_labels);
	CHECK(nnopt_knn_accuracy(&accuracy, ctx, reference, reference_labels, queries, query_labels, 5,
				 NNOPT_DISTANCE_EUCLIDEAN));
	nnopt_tensor_destroy(reference);
	nnopt_tensor_destroy(reference_labels);
	nnopt_tensor_destroy(queries);
	nnopt_tensor_destroy(query_labels);
	nnopt_plan_destroy(plan);
	return accuracy;
}

/* Batches of eight pictures of each of eight classes: a triplet wants several of a kind, and others. */
static nnopt_loader *open_pk(nnopt_dataset *data)
{
	nnopt_loader_options o;
	nnopt_loader *loader = NULL;
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.sampler = NNOPT_SAMPLER_PK;
	o.classes_per_batch = o.samples_per_class = 8;
	o.batch = o.classes_per_batch * o.samples_per_class;
	CHECK(nnopt_loader_create(&loader, data, NULL, &o));
	return loader;
}

/* nnopt_progress_line() would tell an accuracy, which outputs that are no scores of classes do not have. */
static nnopt_status tell_loss(const nnopt_progress *p, void *user)
{
	(void)user;
	fprintf(stderr, "epoch %lld/%lld  loss %.4f\n", (long long)p->epoch + 1, (long long)p->epochs, p->loss);
	return NNOPT_OK;
}

int main(int argc, char **argv)
{
	int64_t epochs = 8, count = 4000;
	const char *cifar10 = NULL;
	read_arguments(
	    argc, argv, "[EPOCHS [COUNT [CIFAR10_DIR]]]",
	    (const argument[]){
		{ .number = &epochs, .least = 1 }, { .number = &count, .least = 1 }, { .text = &cifar10 }, { 0 } });
	nnopt_context *ctx = NULL;
	CHECK(nnopt_context_create(&ctx, NULL));
	nnopt_loader *known = open_pictures(ctx, cifar10, NNOPT_SPLIT_TRAIN, count, 0);
	nnopt_loader *test = open_pictures(ctx, cifar10, NNOPT_SPLIT_TEST, count / 4, 0);
	nnopt_loader *train = open_pk(nnopt_loader_dataset(known));
	nnopt_model *net = make_network(ctx);
	printf("before: %.2f%% of the test pictures lie among their kind\n", 100.0 * measure(ctx, net, known, test));

	/* Each picture of a batch is held against the farthest of its kind and the nearest of another. A soft margin
	 * goes on pulling where a hard one has had enough. */
	nnopt_triplet_options t;
	nnopt_adam_options a;
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_fit_options fit;
	CHECK(nnopt_triplet_options_init(&t, sizeof t));
	t.mining = NNOPT_TRIPLET_BATCH_HARD;
	t.soft_margin = 1;
	CHECK(nnopt_triplet_create(&loss, ctx, &t));
	CHECK(nnopt_adam_options_init(&a, sizeof a));
	a.lr = 3e-3;
	CHECK(nnopt_adam_create(&adam, ctx, &a));
	CHECK(nnopt_fit_options_init(&fit, sizeof fit));
	fit.epochs = epochs;
	fit.on_batch = nnopt_progress_bar;
	fit.on_epoch = tell_loss;
	CHECK(nnopt_fit(net, train, loss, adam, &fit, NULL));
	printf("after:  %.2f%%\n", 100.0 * measure(ctx, net, known, test));

	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_model_destroy(net);
	nnopt_loader_destroy(test);
	nnopt_loader_destroy(known);
	nnopt_loader_destroy(train);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
