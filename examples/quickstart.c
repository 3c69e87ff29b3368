/* quickstart.c - a CNN on Fashion-MNIST from nothing: augmentation, schedule, the best epoch kept, report, model file.
 *
 * usage: quickstart [EPOCHS [DIR [OUT]]]
 * DIR holds the data's IDX files, OUT gets model.safetensors and a few test pictures as PNG for quickstart_classify. */
#include "quickstart.h"

static nnopt_model *make_network(nnopt_context *ctx)
{
	nnopt_model *net = NULL;
	nnopt_conv2d_options conv;
	CHECK(nnopt_conv2d_options_init(&conv, sizeof conv));
	conv.padding_mode = NNOPT_PADDING_SAME;
	conv.use_bias = 0; /* batch norm follows */
	CHECK(nnopt_model_create(&net, ctx));
	for (int64_t channels = 32; channels <= 64; channels *= 2) {
		CHECK(nnopt_add_conv2d(net, channels, 3, &conv));
		CHECK(nnopt_add_batch_norm2d(net, NULL));
		CHECK(nnopt_add_relu(net));
		CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	}
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, 256, NULL));
	CHECK(nnopt_add_relu(net));
	CHECK(nnopt_add_dropout(net, 0.3f));
	CHECK(nnopt_add_linear(net, CLASSES, NULL));
	return net;
}

static void report(nnopt_context *ctx, nnopt_model *net, nnopt_loader *test)
{
	nnopt_metrics *metrics = NULL;
	size_t needed = 0;
	CHECK(nnopt_metrics_create(&metrics, ctx, CLASSES));
	CHECK(nnopt_evaluate(net, NULL, test, NULL, metrics, NULL));
	CHECK(nnopt_metrics_report(metrics, class_names, NULL, 0, &needed));
	char *text = malloc(needed);
	if (text == NULL)
		exit(EXIT_FAILURE);
	CHECK(nnopt_metrics_report(metrics, class_names, text, needed, NULL));
	printf("%s\n", text);
	free(text);
	nnopt_metrics_destroy(metrics);
}

int main(int argc, char **argv)
{
	int64_t epochs = 14;
	const char *dir = "/usr/share/datasets/fashion-mnist", *out = ".";
	read_arguments(
	    argc, argv, "[EPOCHS [DIR [OUT]]]",
	    (const argument[]){ { .number = &epochs, .least = 1 }, { .text = &dir }, { .text = &out }, { 0 } });
	nnopt_context *ctx = NULL;
	CHECK(nnopt_context_create(&ctx, NULL));
	nnopt_dataset *all = open_part(ctx, dir, "train"), *test = open_part(ctx, dir, "t10k");
	nnopt_dataset *part = NULL, *held_out = NULL;
	CHECK(nnopt_dataset_split(&part, &held_out, all, 0.95,
				  1)); /* what chooses the epoch must not be the test pictures */
	nnopt_loader *learn = make_loader(ctx, part, 1), *check = make_loader(ctx, held_out, 0),
		     *final = make_loader(ctx, test, 0);
	nnopt_model *net = make_network(ctx);
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_schedule *cosine = NULL, *schedule = NULL;
	nnopt_adam_options a;
	CHECK(nnopt_cross_entropy_create(&loss, ctx, NULL));
	CHECK(nnopt_adamw_options_init(&a, sizeof a));
	a.lr = 2e-3;
	CHECK(nnopt_adamw_create(&adam, ctx, &a));
	int64_t steps = epochs * nnopt_loader_batches(learn), warmup = steps / 10 + 1;
	CHECK(nnopt_schedule_cosine_create(&cosine, ctx, steps - warmup, 0.0));
	CHECK(nnopt_schedule_warmup_create(&schedule, ctx, warmup, 0.1, cosine));

	nnopt_fit_options fit;
	CHECK(nnopt_fit_options_init(&fit, sizeof fit));
	fit.epochs = epochs;
	fit.validation = check;
	fit.schedule = schedule;
	fit.restore_best = 1; /* no patience: under a rate that falls to 0 the last epochs are mostly the best */
	fit.monitor = NNOPT_MONITOR_VALIDATION_ACCURACY;
	fit.on_batch = nnopt_progress_bar;
	fit.on_epoch = nnopt_progress_line;
	CHECK(nnopt_fit(net, learn, loss, adam, &fit, NULL));
	report(ctx, net, final);

	char path[1100];
	snprintf(path, sizeof path, "%s/model.safetensors", out);
	CHECK(nnopt_model_save(net, path));
	for (int64_t i = 0; i < PICTURES; i++) {
		nnopt_tensor *picture = NULL;
		CHECK(nnopt_dataset_get(test, i, &picture, NULL));
		snprintf(path, sizeof path, "%s/picture%lld.png", out, (long long)i);
		CHECK(nnopt_image_write_png(picture, path));
		nnopt_tensor_destroy(picture);
	}
	nnopt_schedule_destroy(schedule);
	nnopt_schedule_destroy(cosine);
	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_model_destroy(net);
	nnopt_loader_destroy(final);
	nnopt_loader_destroy(check);
	nnopt_loader_destroy(learn);
	nnopt_dataset_destroy(held_out);
	nnopt_dataset_destroy(part);
	nnopt_dataset_destroy(test);
	nnopt_dataset_destroy(all);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
