/* 03_own_loop.c - the training loop by hand: what nnopt_fit does, with the same functions.
 *
 * usage: 03_own_loop [EPOCHS]
 * The task is made here, so that no data is needed: is a blob in the left or in the right half of a noisy picture? */
#include "example.h"

#define COUNT 512
#define SIZE 12

static nnopt_dataset *make_pictures(nnopt_context *ctx)
{
	const int64_t shape[4] = { COUNT, 1, SIZE, SIZE }, count = COUNT;
	nnopt_tensor *images = NULL, *labels = NULL;
	nnopt_dataset *data = NULL;
	CHECK(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, shape, NNOPT_NCHW));
	CHECK(nnopt_tensor_create(&labels, ctx, NNOPT_I32, 1, &count, NNOPT_NCHW));
	uint8_t *pixels = nnopt_tensor_data(images);
	int32_t *label = nnopt_tensor_data(labels);
	uint32_t noise = 1;
	for (int i = 0; i < COUNT; i++, pixels += SIZE * SIZE) {
		for (int j = 0; j < SIZE * SIZE; j++) {
			noise = noise * 1664525u + 1013904223u;
			pixels[j] = (uint8_t)(noise >> 25);
		}
		label[i] = (int32_t)(noise >> 31);
		int x = (int)(noise >> 8) % (SIZE / 2 - 2) + label[i] * (SIZE / 2), y = (int)(noise >> 16) % (SIZE - 2);
		for (int k = 0; k < 9; k++)
			pixels[(y + k / 3) * SIZE + x + k % 3] = 255;
	}
	CHECK(nnopt_dataset_from_tensors(&data, ctx, images, labels)); /* copies */
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	return data;
}

static nnopt_model *make_network(nnopt_context *ctx)
{
	nnopt_model *net = NULL;
	CHECK(nnopt_model_create(&net, ctx));
	CHECK(nnopt_add_conv2d(net, 8, 3, NULL));
	CHECK(nnopt_add_batch_norm2d(net, NULL));
	CHECK(nnopt_add_relu(net));
	CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, 2, NULL));
	return net;
}

int main(int argc, char **argv)
{
	int64_t epochs = 5;
	read_arguments(argc, argv, "[EPOCHS]", (const argument[]){ { .number = &epochs, .least = 1 }, { 0 } });
	nnopt_context *ctx = NULL;
	CHECK(nnopt_context_create(&ctx, NULL));
	nnopt_dataset *data = make_pictures(ctx);
	nnopt_loader_options o;
	nnopt_loader *loader = NULL;
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 32;
	o.shuffle = 1;
	CHECK(nnopt_loader_create(&loader, data, NULL, &o));
	nnopt_model *net = make_network(ctx);

	/* Plan: every shape, choice and byte for the loader's batches in training. What does not fit fails here. */
	nnopt_plan_options p;
	nnopt_plan *plan = NULL;
	CHECK(nnopt_loader_plan_options(&p, sizeof p, loader));
	p.mode = NNOPT_TRAINING;
	CHECK(nnopt_plan_create(&plan, net, &p));

	nnopt_loss *loss = NULL;
	nnopt_optimizer *sgd = NULL;
	nnopt_schedule *cosine = NULL;
	nnopt_sgd_options s;
	CHECK(nnopt_cross_entropy_create(&loss, ctx, NULL));
	CHECK(nnopt_sgd_options_init(&s, sizeof s));
	s.lr = 0.05;
	s.momentum = 0.9;
	CHECK(nnopt_sgd_create(&sgd, ctx, &s));
	CHECK(nnopt_schedule_cosine_create(&cosine, ctx, epochs * nnopt_loader_batches(loader), 0.0));

	for (int64_t epoch = 0; epoch < epochs; epoch++) {
		double sum = 0.0;
		int64_t correct = 0, count = 0;
		const nnopt_batch *batch = NULL;
		CHECK(nnopt_loader_start(loader, epoch, 0));
		for (;;) {
			CHECK(nnopt_loader_next(loader, &batch));
			if (batch == NULL)
				break;
			const nnopt_tensor *logits = NULL;
			nnopt_loss_result r = { .struct_size = sizeof r };
			CHECK(nnopt_plan_forward(plan, batch->images, &logits));
			CHECK(nnopt_loss_compute(loss, logits, batch->targets, 1.0f, nnopt_plan_output_gradient(plan),
						 &r));
			CHECK(nnopt_optimizer_set_lr(sgd,
						     s.lr * nnopt_schedule_factor(cosine, nnopt_optimizer_steps(sgd))));
			/* nnopt_plan_backward() and nnopt_optimizer_step() do the same in two calls, between which lies
			 * the gradient block: change it, reduce it over machines, look at it. */
			nnopt_step_result step = { .struct_size = sizeof step };
			CHECK(nnopt_optimizer_backward_step(sgd, plan, &step));
			if (!r.finite || !step.finite) { /* the weights are those before it */
				fprintf(stderr, "a loss or gradient is infinite or NaN: take a lower rate\n");
				return EXIT_FAILURE;
			}
			sum += r.value * r.weight;
			correct += r.correct;
			count += r.count;
		}
		printf("epoch %lld  loss %.4f  accuracy %.1f%%\n", (long long)epoch + 1, sum / (double)count,
		       100.0 * (double)correct / (double)count);
	}

	nnopt_schedule_destroy(cosine);
	nnopt_optimizer_destroy(sgd);
	nnopt_loss_destroy(loss);
	nnopt_plan_destroy(plan);
	nnopt_model_destroy(net);
	nnopt_loader_destroy(loader);
	nnopt_dataset_destroy(data);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
