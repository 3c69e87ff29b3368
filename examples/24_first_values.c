/* 24_first_values.c - the values that weights begin with decide whether a deep network without normalisation learns at
 * all: PyTorch's, He's, orthogonal ones, convolutions that pass their input on (Dirac), and first filters made from the
 * pictures (whitening).
 *
 * usage: 24_first_values [EPOCHS]
 * One seed: a difference of a few points wants others before it is believed. */
#include "shapes.h"

#include <math.h>

enum { TRAINING = 1000, TEST = 500, DEPTH = 8, WIDTH = 18 };

typedef struct recipe {
	const char *name;
	nnopt_init init;
	int whiten;
} recipe;

static nnopt_model *make_network(nnopt_context *ctx, const recipe *r, nnopt_loader *train)
{
	nnopt_conv2d_options o;
	nnopt_model *net = NULL;
	int64_t shape[3];
	CHECK(nnopt_conv2d_options_init(&o, sizeof o));
	CHECK(nnopt_model_create(&net, ctx));
	for (int i = 0; i < DEPTH; i++) {
		o.padding_mode = i == 0 ? NNOPT_PADDING_EXPLICIT : NNOPT_PADDING_SAME;
		o.weight_init = i == 0 && r->init == NNOPT_INIT_DIRAC ? NNOPT_INIT_HE_NORMAL : (int32_t)r->init;
		CHECK(nnopt_add_conv2d(net, WIDTH, 3, &o));
		CHECK(nnopt_add_relu(net));
		if (i == 1 || i == 4)
			CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	}
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, SHAPES, NULL));
	CHECK(nnopt_loader_sample_shape(train, shape));
	CHECK(nnopt_model_build(net, 3, shape));
	if (r->whiten) {
		const nnopt_batch *batch = NULL;
		int32_t index = 0;
		CHECK(nnopt_loader_start(train, 0, 0));
		CHECK(nnopt_loader_next(train, &batch));
		CHECK(nnopt_model_find_parameter(net, "conv2d1.weight", &index));
		/* 64 of these shapes will do; of real pictures take some thousand, normalised and of all classes */
		CHECK(nnopt_model_initialise_whitening(net, index, batch->images, 1e-2));
		CHECK(nnopt_model_set_trainable(net, "conv2d1.weight", 0, NULL));
	}
	return net;
}

/* How much the outputs of a network that has learnt nothing differ from picture to picture. */
static double spread(nnopt_model *net, nnopt_loader *test)
{
	nnopt_tensor *scores = NULL;
	CHECK(nnopt_predict(&scores, net, NULL, test, 0));
	const float *x = nnopt_tensor_const_data(scores);
	int64_t n = nnopt_tensor_extent(scores, 0);
	double total = 0.0;
	for (int64_t c = 0; c < SHAPES; c++) {
		double sum = 0.0, square = 0.0;
		for (int64_t i = 0; i < n; i++) {
			sum += x[i * SHAPES + c];
			square += (double)x[i * SHAPES + c] * x[i * SHAPES + c];
		}
		total += square / (double)n - sum / (double)n * (sum / (double)n);
	}
	nnopt_tensor_destroy(scores);
	return sqrt(total / SHAPES);
}

int main(int argc, char **argv)
{
	static const recipe recipes[] = { { "PyTorch's", NNOPT_INIT_DEFAULT, 0 },
					  { "He", NNOPT_INIT_HE_NORMAL, 0 },
					  { "orthogonal", NNOPT_INIT_ORTHOGONAL, 0 },
					  { "Dirac", NNOPT_INIT_DIRAC, 0 },
					  { "Dirac behind whitening", NNOPT_INIT_DIRAC, 1 } };
	int64_t epochs = 8;
	read_arguments(argc, argv, "[EPOCHS]", (const argument[]){ { .number = &epochs, .least = 1 }, { 0 } });
	nnopt_context *ctx = NULL;
	nnopt_loss *loss = NULL;
	CHECK(nnopt_context_create(&ctx, NULL));
	CHECK(nnopt_cross_entropy_create(&loss, ctx, NULL));
	nnopt_loader *train = open_pictures(ctx, NULL, NNOPT_SPLIT_TRAIN, TRAINING, 1);
	nnopt_loader *test = open_pictures(ctx, NULL, NNOPT_SPLIT_TEST, TEST, 0);
	printf("%-24s %14s %14s %14s %8s\n", "first values", "first spread", "loss, epoch 1", "loss at the end",
	       "test");
	for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
		nnopt_model *net = make_network(ctx, &recipes[i], train);
		nnopt_sgd_options s;
		nnopt_optimizer *sgd = NULL;
		nnopt_history *history = NULL;
		nnopt_fit_options fit;
		nnopt_epoch_record first = { .struct_size = sizeof first }, last = { .struct_size = sizeof last };
		double before = spread(net, test);
		CHECK(nnopt_sgd_options_init(&s, sizeof s));
		s.lr = 0.01;
		s.momentum = 0.9;
		CHECK(nnopt_sgd_create(&sgd, ctx, &s));
		CHECK(nnopt_fit_options_init(&fit, sizeof fit));
		fit.epochs = epochs;
		fit.validation = test;
		CHECK(nnopt_fit(net, train, loss, sgd, &fit, &history));
		CHECK(nnopt_history_epoch(history, 0, &first));
		CHECK(nnopt_history_epoch(history, epochs - 1, &last));
		printf("%-24s %14.2g %14.3f %14.3f %7.1f %%\n", recipes[i].name, before, first.loss, last.loss,
		       100.0 * last.validation_accuracy);
		nnopt_history_destroy(history);
		nnopt_optimizer_destroy(sgd);
		nnopt_model_destroy(net);
	}
	nnopt_loader_destroy(test);
	nnopt_loader_destroy(train);
	nnopt_loss_destroy(loss);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
