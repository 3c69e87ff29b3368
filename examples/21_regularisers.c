/* 21_regularisers.c - a residual network that has few pictures learns them by heart; each way of leaving a part of it
 * out in training makes that harder: elements, channels, squares of the maps (DropBlock), whole branches (stochastic
 * depth).
 *
 * usage: 21_regularisers [EPOCHS]
 * One seed: a difference of a few points wants others before it is believed. */
#include "shapes.h"

enum { FEW = 400, TEST = 2000, BLOCKS = 3, WIDTH = 24 };

typedef struct recipe {
	const char *name;
	float dropout, channels, squares, depth; /* shares left out */
} recipe;

static int32_t put(nnopt_model *net, nnopt_status made, nnopt_layer **layer, int32_t a, int32_t b)
{
	const int32_t inputs[2] = { a, b };
	int32_t node = 0;
	CHECK(made);
	CHECK(nnopt_model_connect(net, *layer, inputs, b < 0 ? 1 : 2, &node));
	nnopt_layer_destroy(*layer);
	return node;
}

/* conv - bn - relu - conv - bn, left out or not, plus what went in; relu. What drops nothing (0) costs nothing. */
static int32_t block(nnopt_context *ctx, nnopt_model *net, int32_t from, const recipe *r, float depth)
{
	nnopt_conv2d_options same;
	nnopt_layer *l = NULL;
	CHECK(nnopt_conv2d_options_init(&same, sizeof same));
	same.padding_mode = NNOPT_PADDING_SAME;
	same.use_bias = 0;
	int32_t node = put(net, nnopt_conv2d_create(&l, ctx, WIDTH, 3, &same), &l, from, -1);
	node = put(net, nnopt_batch_norm2d_create(&l, ctx, NULL), &l, node, -1);
	node = put(net, nnopt_relu_create(&l, ctx), &l, node, -1);
	node = put(net, nnopt_dropout2d_create(&l, ctx, r->channels), &l, node, -1);
	node = put(net, nnopt_conv2d_create(&l, ctx, WIDTH, 3, &same), &l, node, -1);
	node = put(net, nnopt_batch_norm2d_create(&l, ctx, NULL), &l, node, -1);
	node = put(net, nnopt_drop_block_create(&l, ctx, 3, r->squares), &l, node, -1);
	node = put(net, nnopt_stochastic_depth_create(&l, ctx, depth), &l, node, -1);
	node = put(net, nnopt_add_create(&l, ctx), &l, node, from);
	return put(net, nnopt_relu_create(&l, ctx), &l, node, -1);
}

static nnopt_model *make_network(nnopt_context *ctx, const recipe *r)
{
	nnopt_model *net = NULL;
	nnopt_layer *l = NULL;
	CHECK(nnopt_model_create(&net, ctx));
	int32_t node = put(net, nnopt_conv2d_create(&l, ctx, WIDTH, 3, NULL), &l, NNOPT_INPUT_NODE, -1);
	node = put(net, nnopt_max_pool2d_create(&l, ctx, 2, NULL), &l, node, -1);
	for (int i = 1; i <= BLOCKS; i++) /* deeper branches are left out more often */
		node = block(ctx, net, node, r, r->depth * (float)i / BLOCKS);
	CHECK(nnopt_add_global_max_pool2d(net));
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_dropout(net, r->dropout));
	CHECK(nnopt_add_linear(net, SHAPES, NULL));
	return net;
}

int main(int argc, char **argv)
{
	static const recipe recipes[] = {
		{ "nothing left out", 0.0f, 0.0f, 0.0f, 0.0f },     { "dropout 0.5", 0.5f, 0.0f, 0.0f, 0.0f },
		{ "dropout2d 0.1", 0.0f, 0.1f, 0.0f, 0.0f },        { "DropBlock 3x3, 0.1", 0.0f, 0.0f, 0.1f, 0.0f },
		{ "stochastic depth 0.3", 0.0f, 0.0f, 0.0f, 0.3f },
	};
	int64_t epochs = 25;
	read_arguments(argc, argv, "[EPOCHS]", (const argument[]){ { .number = &epochs, .least = 1 }, { 0 } });
	nnopt_context *ctx = NULL;
	nnopt_loss *loss = NULL;
	CHECK(nnopt_context_create(&ctx, NULL));
	CHECK(nnopt_cross_entropy_create(&loss, ctx, NULL));
	nnopt_loader *train = open_pictures(ctx, NULL, NNOPT_SPLIT_TRAIN, FEW, 1);
	nnopt_loader *test = open_pictures(ctx, NULL, NNOPT_SPLIT_TEST, TEST, 0);
	printf("%d pictures, %lld epochs%12s %10s\n", FEW, (long long)epochs, "train loss", "test");
	for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
		nnopt_model *net = make_network(ctx, &recipes[i]);
		nnopt_optimizer *adam = NULL;
		nnopt_fit_options fit;
		nnopt_evaluation seen = { .struct_size = sizeof seen }, unseen = { .struct_size = sizeof unseen };
		CHECK(nnopt_adam_create(&adam, ctx, NULL));
		CHECK(nnopt_fit_options_init(&fit, sizeof fit));
		CHECK(nnopt_schedule_cosine_create(&fit.schedule, ctx, epochs * nnopt_loader_batches(train), 0.0));
		fit.epochs = epochs;
		CHECK(nnopt_fit(net, train, loss, adam, &fit, NULL));
		/* Nothing is left out here: that is of training alone. */
		CHECK(nnopt_evaluate(net, NULL, train, loss, NULL, &seen));
		CHECK(nnopt_evaluate(net, NULL, test, loss, NULL, &unseen));
		printf("%-24s %10.4f %8.1f %%\n", recipes[i].name, seen.loss, 100.0 * unseen.accuracy);
		nnopt_schedule_destroy(fit.schedule);
		nnopt_optimizer_destroy(adam);
		nnopt_model_destroy(net);
	}
	nnopt_loader_destroy(test);
	nnopt_loader_destroy(train);
	nnopt_loss_destroy(loss);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
