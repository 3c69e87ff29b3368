/* 09_cnn_rnn_fusion.c - a CNN, and what a recurrent layer that reads the rows of its feature map adds to it: joined
 * with the pooled features (feature-level fusion), and as a second head whose vote is weighed (decision-level fusion).
 *
 * usage: 09_cnn_rnn_fusion [EPOCHS [DIR]]
 * DIR holds train/CLASS/ and test/CLASS/ with pictures, CIFAR-10 for one. Without it the task is made here, and is one
 * that pooling makes hard: which of two strokes, one lying and one standing, is the upper one? */
#include "example.h"

#define SIZE 28

typedef enum fusion { CNN_ALONE, FEATURES, DECISIONS, FUSIONS } fusion;

static nnopt_dataset *make_strokes(nnopt_context *ctx, int64_t count, uint32_t noise)
{
	const int64_t shape[4] = { count, 1, SIZE, SIZE };
	nnopt_tensor *images = NULL, *labels = NULL;
	nnopt_dataset *data = NULL;
	CHECK(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, shape, NNOPT_NCHW));
	CHECK(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, &count, NNOPT_NCHW));
	uint8_t *pixels = nnopt_tensor_data(images);
	int32_t *label = nnopt_tensor_data(labels);
	for (int64_t i = 0; i < count; i++, pixels += SIZE * SIZE) {
		uint32_t place[4];
		for (int j = 0; j < SIZE * SIZE; j++) {
			noise = noise * 1664525u + 1013904223u;
			pixels[j] = (uint8_t)(noise >> 25);
		}
		for (int j = 0; j < 4; j++) {
			noise = noise * 1664525u + 1013904223u;
			place[j] = noise >> 16;
		}
		label[i] = (int32_t)(noise >> 31);
		/* Each stroke has a half of its own, five pixels long. */
		int lying = label[i] ? 0 : SIZE / 2, standing = SIZE / 2 - lying;
		int y = lying + (int)(place[0] % (SIZE / 2)), x = (int)(place[1] % (SIZE - 5));
		for (int k = 0; k < 5; k++)
			pixels[y * SIZE + x + k] = 255;
		y = standing + (int)(place[2] % (SIZE / 2 - 4)), x = (int)(place[3] % SIZE);
		for (int k = 0; k < 5; k++)
			pixels[(y + k) * SIZE + x] = 255;
	}
	CHECK(nnopt_dataset_from_tensors(&data, ctx, images, labels)); /* copies */
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	return data;
}

static nnopt_loader *open_part(nnopt_context *ctx, const char *dir, const char *part, int32_t training,
			       int64_t *classes)
{
	nnopt_dataset *data = NULL;
	nnopt_loader_options o;
	nnopt_loader *loader = NULL;
	if (dir != NULL)
		CHECK(open_folder(&data, ctx, dir, part));
	else
		data = make_strokes(ctx, training ? 1024 : 512, training ? 1 : 2);
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 64;
	o.shuffle = training;
	CHECK(nnopt_loader_create(&loader, data, NULL, &o));
	*classes = nnopt_dataset_classes(data);
	nnopt_dataset_destroy(data);
	return loader;
}

/* Adds a layer that reads node `first`, and `second` where that is not negative; lets its handle go; returns its node.
 */
static int32_t connect(nnopt_model *net, nnopt_layer *layer, int32_t first, int32_t second)
{
	int32_t node = 0;
	const int32_t inputs[2] = { first, second };
	CHECK(nnopt_model_connect(net, layer, inputs, second < 0 ? 1 : 2, &node));
	nnopt_layer_destroy(layer);
	return node;
}

static int32_t add_linear(nnopt_model *net, int32_t from, int64_t classes)
{
	nnopt_layer *layer = NULL;
	CHECK(nnopt_linear_create(&layer, nnopt_model_context(net), classes, NULL));
	return connect(net, layer, from, -1);
}

/* The rows of a feature map, one a step, from the top down and from the bottom up: (N, 2 x 32). */
static int32_t add_rows(nnopt_model *net, int32_t map)
{
	nnopt_layer *layer = NULL;
	nnopt_recurrent_options o;
	CHECK(nnopt_recurrent_options_init(&o, sizeof o)); /* rows, and the last hidden state */
	o.bidirectional = 1;
	CHECK(nnopt_gru_create(&layer, nnopt_model_context(net), 32, &o));
	return connect(net, layer, map, -1);
}

static nnopt_model *make_network(nnopt_context *ctx, fusion how, int64_t classes)
{
	nnopt_model *net = NULL;
	nnopt_layer *layer = NULL;
	nnopt_conv2d_options same;
	CHECK(nnopt_conv2d_options_init(&same, sizeof same));
	same.padding_mode = NNOPT_PADDING_SAME;
	CHECK(nnopt_model_create(&net, ctx));
	int32_t map = NNOPT_INPUT_NODE;
	for (int64_t channels = 16; channels <= 32; channels *= 2) {
		CHECK(nnopt_conv2d_create(&layer, ctx, channels, 3, &same));
		map = connect(net, layer, map, -1);
		CHECK(nnopt_relu_create(&layer, ctx));
		map = connect(net, layer, map, -1);
		CHECK(nnopt_max_pool2d_create(&layer, ctx, 2, NULL));
		map = connect(net, layer, map, -1);
	}
	CHECK(nnopt_global_avg_pool2d_create(&layer, ctx));
	int32_t pooled = connect(net, layer, map, -1);
	CHECK(nnopt_flatten_create(&layer, ctx));
	pooled = connect(net, layer, pooled, -1);

	if (how == CNN_ALONE) {
		(void)add_linear(net, pooled, classes);
	} else if (how == FEATURES) {
		CHECK(nnopt_concat_create(&layer, ctx));
		(void)add_linear(net, connect(net, layer, pooled, add_rows(net, map)), classes);
	} else {
		nnopt_weighted_sum_options vote;
		CHECK(nnopt_weighted_sum_options_init(&vote, sizeof vote));
		vote.learned = 1; /* softmax of the parameter "vote.weight", equal at first */
		int32_t first = add_linear(net, pooled, classes), second = add_linear(net, add_rows(net, map), classes);
		CHECK(nnopt_weighted_sum_create(&layer, ctx, &vote));
		CHECK(nnopt_layer_set_name(layer, "vote"));
		(void)connect(net, layer, first, second);
	}
	return net;
}

static void train(nnopt_context *ctx, fusion how, int64_t classes, nnopt_loader *batches, nnopt_loader *test,
		  int64_t epochs)
{
	static const char *const names[FUSIONS] = { "CNN alone", "feature-level fusion", "decision-level fusion" };
	nnopt_model *net = make_network(ctx, how, classes);
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_adam_options a;
	CHECK(nnopt_cross_entropy_create(&loss, ctx, NULL));
	CHECK(nnopt_adam_options_init(&a, sizeof a));
	a.lr = 3e-3;
	CHECK(nnopt_adam_create(&adam, ctx, &a));
	nnopt_fit_options fit;
	CHECK(nnopt_fit_options_init(&fit, sizeof fit));
	fit.epochs = epochs;
	fit.on_batch = nnopt_progress_bar;
	CHECK(nnopt_fit(net, batches, loss, adam, &fit, NULL));
	nnopt_evaluation result = { .struct_size = sizeof result };
	CHECK(nnopt_evaluate(net, NULL, test, loss, NULL, &result));
	printf("%-22s test accuracy %6.2f%% of %lld", names[how], 100.0 * result.accuracy, (long long)result.count);
	if (how == DECISIONS) {
		const int64_t count = 2;
		int32_t index = 0;
		nnopt_tensor *weight = NULL;
		CHECK(nnopt_tensor_create(&weight, ctx, NNOPT_F32, 1, &count, NNOPT_NCHW));
		CHECK(nnopt_model_find_parameter(net, "vote.weight", &index));
		CHECK(nnopt_model_get_parameter(net, index, weight));
		const float *w = nnopt_tensor_const_data(weight);
		printf(", softmax of (%.2f, %.2f) weighs CNN and GRU", (double)w[0], (double)w[1]);
		nnopt_tensor_destroy(weight);
	}
	printf("\n");
	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_model_destroy(net);
}

int main(int argc, char **argv)
{
	int64_t epochs = 8, classes = 0;
	const char *dir = NULL;
	read_arguments(argc, argv, "[EPOCHS [DIR]]",
		       (const argument[]){ { .number = &epochs, .least = 1 }, { .text = &dir }, { 0 } });
	nnopt_context *ctx = NULL;
	CHECK(nnopt_context_create(&ctx, NULL));
	nnopt_loader *batches = open_part(ctx, dir, "train", 1, &classes),
		     *test = open_part(ctx, dir, "test", 0, &classes);
	for (fusion how = CNN_ALONE; how < FUSIONS; how++)
		train(ctx, how, classes, batches, test, epochs);
	nnopt_loader_destroy(test);
	nnopt_loader_destroy(batches);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
