/* 25_shards.c - one training on several machines: each reads its shard of every epoch, and between backward and update
 * the gradients are averaged over all of them. Two threads with contexts of their own stand for the machines here, and
 * a barrier for the network; all else is as it would be there.
 *
 * usage: 25_shards [EPOCHS] */
#include "shapes.h"

#include <pthread.h>
#include <string.h>

enum { MACHINES = 2, TRAINING = 1024, TEST = 1000, BATCH = 32 };

/* What stands for the network: everyone lays the gradients down, and takes the mean of all. */
typedef struct meeting {
	pthread_barrier_t barrier;
	float *gradients[MACHINES];
} meeting;

typedef struct machine {
	meeting *meeting;
	int32_t rank;
	int64_t epochs;
	double accuracy, loss;
	float *weights; /* as they ended */
	int64_t count;
} machine;

static nnopt_status average(float *gradients, int64_t count, void *user)
{
	machine *m = user;
	m->meeting->gradients[m->rank] = gradients;
	pthread_barrier_wait(&m->meeting->barrier);
	if (m->rank == 0)
		for (int64_t i = 0; i < count; i++) {
			float sum = 0.0f;
			for (int k = 0; k < MACHINES; k++)
				sum += m->meeting->gradients[k][i];
			for (int k = 0; k < MACHINES; k++)
				m->meeting->gradients[k][i] = sum / MACHINES;
		}
	pthread_barrier_wait(&m->meeting->barrier);
	return NNOPT_OK;
}

static nnopt_model *make_network(nnopt_context *ctx)
{
	nnopt_model *net = NULL;
	CHECK(nnopt_model_create(&net, ctx));
	for (int64_t width = 16; width <= 32; width *= 2) {
		CHECK(nnopt_add_conv2d(net, width, 3, NULL));
		CHECK(nnopt_add_group_norm(net, 4, NULL)); /* nothing but gradients need be exchanged */
		CHECK(nnopt_add_relu(net));
		CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	}
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, SHAPES, NULL));
	return net;
}

static void *train(void *user)
{
	machine *m = user;
	nnopt_context_options c;
	nnopt_context *ctx = NULL;
	nnopt_loader_options o;
	nnopt_loader *loader = NULL;
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_fit_options fit;
	nnopt_evaluation e = { .struct_size = sizeof e };
	nnopt_model_blocks blocks = { .struct_size = sizeof blocks };
	CHECK(nnopt_context_options_init(&c, sizeof c));
	c.threads = 1;
	c.seed = 7; /* the same on all: first weights and the order of the epochs follow from it */
	CHECK(nnopt_context_create(&ctx, &c));
	nnopt_dataset *data = make_shapes(ctx, TRAINING, 1);
	nnopt_loader *test = open_pictures(ctx, NULL, NNOPT_SPLIT_TEST, TEST, 0);
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = BATCH;
	o.shuffle = o.drop_last = 1; /* all machines have as many batches, all full */
	o.shard_rank = m->rank;
	o.shard_count = m->meeting != NULL ? MACHINES : 1;
	if (m->meeting == NULL)
		o.batch *= MACHINES;
	CHECK(nnopt_loader_create(&loader, data, NULL, &o));
	nnopt_model *net = make_network(ctx);
	CHECK(nnopt_cross_entropy_create(&loss, ctx, NULL));
	CHECK(nnopt_adam_create(&adam, ctx, NULL));
	CHECK(nnopt_fit_options_init(&fit, sizeof fit));
	fit.epochs = m->epochs;
	fit.all_reduce = m->meeting != NULL ? average : NULL;
	fit.all_reduce_user = m;
	CHECK(nnopt_fit(net, loader, loss, adam, &fit, NULL));
	CHECK(nnopt_evaluate(net, NULL, test, loss, NULL, &e));
	m->accuracy = 100.0 * e.accuracy;
	m->loss = e.loss;
	CHECK(nnopt_model_get_blocks(net, &blocks));
	m->count = blocks.parameter_elements;
	m->weights = malloc((size_t)m->count * sizeof *m->weights);
	if (m->weights != NULL)
		memcpy(m->weights, blocks.parameters, (size_t)m->count * sizeof *m->weights);
	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_model_destroy(net);
	nnopt_loader_destroy(loader);
	nnopt_loader_destroy(test);
	nnopt_dataset_destroy(data);
	nnopt_context_destroy(ctx);
	return NULL;
}

int main(int argc, char **argv)
{
	meeting here;
	machine all[MACHINES] = { { 0 } }, alone = { .epochs = 5 };
	pthread_t threads[MACHINES];
	read_arguments(argc, argv, "[EPOCHS]", (const argument[]){ { .number = &alone.epochs, .least = 1 }, { 0 } });
	if (pthread_barrier_init(&here.barrier, NULL, MACHINES) != 0)
		return EXIT_FAILURE;
	for (int i = 0; i < MACHINES; i++) {
		all[i] = (machine){ .meeting = &here, .rank = i, .epochs = alone.epochs };
		if (pthread_create(&threads[i], NULL, train, &all[i]) != 0)
			return EXIT_FAILURE;
	}
	for (int i = 0; i < MACHINES; i++)
		pthread_join(threads[i], NULL);
	(void)train(&alone);
	int same = all[0].weights != NULL && all[1].weights != NULL &&
		   memcmp(all[0].weights, all[1].weights, (size_t)all[0].count * sizeof(float)) == 0;
	for (int i = 0; i < MACHINES; i++)
		printf("machine %d: batches of %d, test loss %.4f, accuracy %.1f %%\n", i, BATCH, all[i].loss,
		       all[i].accuracy);
	printf("one alone: batches of %d, test loss %.4f, accuracy %.1f %%\n", BATCH * MACHINES, alone.loss,
	       alone.accuracy);
	printf("the machines' weights are the same in every bit: %s\n", same ? "yes" : "no");
	for (int i = 0; i < MACHINES; i++)
		free(all[i].weights);
	free(alone.weights);
	pthread_barrier_destroy(&here.barrier);
	return same ? EXIT_SUCCESS : EXIT_FAILURE;
}
