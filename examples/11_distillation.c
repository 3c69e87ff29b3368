/* 11_distillation.c - a small network learns from a larger one: it is trained twice, from the labels alone and from the
 * larger one's logits too, and the two are compared.
 *
 * usage: 11_distillation [EPOCHS [COUNT [CIFAR10_DIR]]]
 * Without a directory, which holds CIFAR-10's binary version (data_batch_1.bin and so on), the pictures are COUNT
 * shapes that are made here. One seed: a difference of a few points wants others before it is believed. */
#include "shapes.h"

/* `width` channels in the first layer, twice as many in the next, and so on. */
static nnopt_model *make_network(nnopt_context *ctx, int64_t width)
{
	nnopt_model *net = NULL;
	CHECK(nnopt_model_create(&net, ctx));
	for (int i = 0; i < 3; i++) {
		CHECK(nnopt_add_conv2d(net, width << i, 3, NULL));
		CHECK(nnopt_add_batch_norm2d(net, NULL));
		CHECK(nnopt_add_relu(net));
		if (i < 2)
			CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	}
	CHECK(nnopt_add_global_avg_pool2d(net));
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, 10, NULL));
	return net;
}

/* Trains, tells the accuracy on the test pictures. */
static double train(nnopt_context *ctx, nnopt_model *net, nnopt_loader *pictures, nnopt_loader *test, nnopt_loss *loss,
		    nnopt_model *teacher, int64_t epochs)
{
	nnopt_adam_options a;
	nnopt_optimizer *adam = NULL;
	nnopt_fit_options fit;
	nnopt_evaluation result = { .struct_size = sizeof result };
	CHECK(nnopt_adam_options_init(&a, sizeof a));
	a.lr = 3e-3;
	CHECK(nnopt_adam_create(&adam, ctx, &a));
	CHECK(nnopt_fit_options_init(&fit, sizeof fit));
	CHECK(nnopt_schedule_cosine_create(&fit.schedule, ctx, epochs * nnopt_loader_batches(pictures), 0.0));
	fit.epochs = epochs;
	fit.teacher = teacher; /* its logits go to the loss before each step */
	fit.on_batch = nnopt_progress_bar;
	fit.on_epoch = nnopt_progress_line;
	CHECK(nnopt_fit(net, pictures, loss, adam, &fit, NULL));
	CHECK(nnopt_evaluate(net, NULL, test, NULL, NULL, &result));
	nnopt_schedule_destroy(fit.schedule);
	nnopt_optimizer_destroy(adam);
	return 100.0 * result.accuracy;
}

int main(int argc, char **argv)
{
	int64_t epochs = 20, count = 1000;
	const char *cifar10 = NULL;
	read_arguments(
	    argc, argv, "[EPOCHS [COUNT [CIFAR10_DIR]]]",
	    (const argument[]){
		{ .number = &epochs, .least = 1 }, { .number = &count, .least = 1 }, { .text = &cifar10 }, { 0 } });
	nnopt_context *ctx = NULL;
	CHECK(nnopt_context_create(&ctx, NULL));
	nnopt_loader *pictures = open_pictures(ctx, cifar10, NNOPT_SPLIT_TRAIN, count, 1);
	nnopt_loader *test = open_pictures(ctx, cifar10, NNOPT_SPLIT_TEST, 2000, 0);
	nnopt_model *teacher = make_network(ctx, 24), *plain = make_network(ctx, 8), *distilled = make_network(ctx, 8);

	nnopt_loss *labels = NULL, *both = NULL;
	nnopt_distillation_options d;
	CHECK(nnopt_cross_entropy_create(&labels, ctx, NULL));
	CHECK(nnopt_distillation_options_init(&d, sizeof d));
	d.temperature = 2.0; /* softens both, so that the teacher's second and third choices tell something */
	d.alpha = 0.5;       /* the labels' part */
	CHECK(nnopt_distillation_create(&both, ctx, &d));

	printf("teacher:   %.2f%%\n", train(ctx, teacher, pictures, test, labels, NULL, epochs));
	printf("plain:     %.2f%%\n", train(ctx, plain, pictures, test, labels, NULL, epochs));
	printf("distilled: %.2f%%\n", train(ctx, distilled, pictures, test, both, teacher, epochs));

	nnopt_loss_destroy(labels);
	nnopt_loss_destroy(both);
	nnopt_model_destroy(teacher);
	nnopt_model_destroy(plain);
	nnopt_model_destroy(distilled);
	nnopt_loader_destroy(test);
	nnopt_loader_destroy(pictures);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
