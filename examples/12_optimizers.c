/* 12_optimizers.c - the same small network, data and steps with each optimizer, SAM, schedules and averages of weights.
 *
 * usage: 12_optimizers [EPOCHS]
 * Pictures are stripes in one of four directions under noise. Each optimizer has a rate and a decay picked by hand; the
 * rows "sgd + ..." are one change to the first. One seed each: a few points between two rows say nothing. */
#include "example.h"

#include <math.h>

enum { TRAINING = 512, TEST = 512, CLASSES = 4, SIDE = 12, BATCH = 32 };

typedef struct recipe {
	const char *name;
	nnopt_optimizer *optimizer;
	nnopt_schedule *schedule;
	nnopt_average *average;
	double sam_rho;
	int64_t refresh; /* batches for the running statistics of averaged weights; -1: all */
} recipe;

/* Stripes of a random phase along direction `label` * 45 degrees, hard to see. */
static nnopt_loader *make_loader(nnopt_context *ctx, int64_t count, int32_t shuffle)
{
	static uint32_t random = 1;
	nnopt_tensor *images = NULL, *labels = NULL;
	nnopt_dataset *data = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	CHECK(nnopt_tensor_create(&images, ctx, NNOPT_U8, 4, (int64_t[]){ count, 1, SIDE, SIDE }, NNOPT_NCHW));
	CHECK(nnopt_tensor_create(&labels, ctx, NNOPT_I64, 1, &count, NNOPT_NCHW));
	uint8_t *pixel = nnopt_tensor_data(images);
	for (int64_t i = 0; i < count; i++) {
		int64_t label = i % CLASSES;
		double angle = 0.785398 * (double)label,
		       phase = (double)((random = random * 1664525u + 1013904223u) >> 24);
		((int64_t *)nnopt_tensor_data(labels))[i] = label;
		for (int y = 0; y < SIDE; y++)
			for (int x = 0; x < SIDE; x++) {
				random = random * 1664525u + 1013904223u;
				double wave = sin(1.7 * (x * cos(angle) + y * sin(angle)) + phase);
				*pixel++ = (uint8_t)(128.0 + 25.0 * wave + (double)(random >> 24) * 0.75 - 96.0);
			}
	}
	CHECK(nnopt_dataset_from_tensors(&data, ctx, images, labels));
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = BATCH;
	o.shuffle = shuffle;
	CHECK(nnopt_loader_create(&loader, data, NULL, &o));
	nnopt_dataset_destroy(data);
	nnopt_tensor_destroy(images);
	nnopt_tensor_destroy(labels);
	return loader;
}

static nnopt_model *make_network(nnopt_context *ctx)
{
	nnopt_model *net = NULL;
	CHECK(nnopt_model_create(&net, ctx));
	for (int i = 0; i < 2; i++) {
		CHECK(nnopt_add_conv2d(net, 16, 3, NULL));
		CHECK(nnopt_add_batch_norm2d(net, NULL));
		CHECK(nnopt_add_relu(net));
	}
	CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, CLASSES, NULL));
	return net;
}

/* Every optimizer with a rate at which this network learns; then one with all that can stand beside it. */
static int make_recipes(nnopt_context *ctx, recipe *r, int64_t steps)
{
	int n = 0;
	nnopt_sgd_options sgd;
	nnopt_lamb_options lamb;
	nnopt_lion_options lion;
	nnopt_rmsprop_options rmsprop;
	nnopt_muon_options muon;
	CHECK(nnopt_sgd_options_init(&sgd, sizeof sgd));
	sgd.lr = 0.02, sgd.momentum = 0.9, sgd.nesterov = 1, sgd.weight_decay = 5e-4;
	CHECK(nnopt_lamb_options_init(&lamb, sizeof lamb));
	lamb.lr = 5e-3, lamb.weight_decay = 0.01;
	CHECK(nnopt_lion_options_init(&lion, sizeof lion));
	lion.lr = 5e-4, lion.weight_decay = 0.1;
	CHECK(nnopt_rmsprop_options_init(&rmsprop, sizeof rmsprop));
	rmsprop.lr = 1e-3;
	CHECK(nnopt_muon_options_init(&muon, sizeof muon));
	muon.lr = 0.05;

	r[n].name = "sgd, Nesterov momentum";
	CHECK(nnopt_sgd_create(&r[n++].optimizer, ctx, &sgd));
	r[n].name = "rmsprop";
	CHECK(nnopt_rmsprop_create(&r[n++].optimizer, ctx, &rmsprop));
	r[n].name = "adagrad";
	CHECK(nnopt_adagrad_create(&r[n++].optimizer, ctx, NULL));
	r[n].name = "adam";
	CHECK(nnopt_adam_create(&r[n++].optimizer, ctx, NULL));
	r[n].name = "adamw";
	CHECK(nnopt_adamw_create(&r[n++].optimizer, ctx, NULL));
	r[n].name = "nadam";
	CHECK(nnopt_nadam_create(&r[n++].optimizer, ctx, NULL));
	r[n].name = "lamb";
	CHECK(nnopt_lamb_create(&r[n++].optimizer, ctx, &lamb));
	r[n].name = "lion";
	CHECK(nnopt_lion_create(&r[n++].optimizer, ctx, &lion));
	r[n].name = "muon";
	CHECK(nnopt_muon_create(&r[n++].optimizer, ctx, &muon));

	r[n].name = "sgd + one cycle";
	CHECK(nnopt_schedule_one_cycle_create(&r[n].schedule, ctx, steps, 0.3, 0.04, 4e-6, 0));
	CHECK(nnopt_sgd_create(&r[n++].optimizer, ctx, &sgd));
	r[n].name = "sgd + SAM";
	r[n].sam_rho = 0.05;
	CHECK(nnopt_sgd_create(&r[n++].optimizer, ctx, &sgd));
	nnopt_ema_options ema;
	CHECK(nnopt_ema_options_init(&ema, sizeof ema));
	ema.decay = 0.95;
	r[n].name = "sgd + EMA";
	CHECK(nnopt_ema_create(&r[n].average, ctx, &ema));
	CHECK(nnopt_sgd_create(&r[n++].optimizer, ctx, &sgd));
	nnopt_swa_options swa;
	CHECK(nnopt_swa_options_init(&swa, sizeof swa));
	swa.start = steps / 2;
	r[n].name = "sgd + SWA over the last half";
	r[n].refresh = -1; /* a plain mean of weights has statistics of its own */
	CHECK(nnopt_swa_create(&r[n].average, ctx, &swa));
	CHECK(nnopt_sgd_create(&r[n++].optimizer, ctx, &sgd));
	r[n].name = "sgd + Lookahead";
	CHECK(nnopt_lookahead_create(&r[n].average, ctx, NULL));
	CHECK(nnopt_sgd_create(&r[n++].optimizer, ctx, &sgd));
	return n;
}

int main(int argc, char **argv)
{
	int64_t epochs = 20;
	read_arguments(argc, argv, "[EPOCHS]", (const argument[]){ { .number = &epochs, .least = 1 }, { 0 } });
	nnopt_context *ctx = NULL;
	CHECK(nnopt_context_create(&ctx, NULL));
	nnopt_loader *train = make_loader(ctx, TRAINING, 1), *test = make_loader(ctx, TEST, 0);
	nnopt_loss *loss = NULL;
	CHECK(nnopt_cross_entropy_create(&loss, ctx, NULL));
	recipe recipes[16] = { { 0 } };
	int count = make_recipes(ctx, recipes, epochs * nnopt_loader_batches(train));
	printf("%-30s %10s %10s %10s\n", "", "train loss", "test loss", "test");
	for (int i = 0; i < count; i++) {
		nnopt_model *net = make_network(ctx); /* the same first weights each time: they follow from the seed */
		nnopt_history *history = NULL;
		nnopt_epoch_record last = { .struct_size = sizeof last };
		nnopt_fit_options fit;
		CHECK(nnopt_fit_options_init(&fit, sizeof fit));
		fit.epochs = epochs;
		fit.validation = test;
		fit.schedule = recipes[i].schedule;
		fit.average = recipes[i].average;
		fit.sam_rho = recipes[i].sam_rho;
		fit.refresh_batches = recipes[i].refresh;
		CHECK(nnopt_fit(net, train, loss, recipes[i].optimizer, &fit, &history));
		CHECK(nnopt_history_epoch(history, epochs - 1, &last));
		printf("%-30s %10.4f %10.4f %8.1f %%\n", recipes[i].name, last.loss, last.validation_loss,
		       100.0 * last.validation_accuracy);
		nnopt_history_destroy(history);
		nnopt_model_destroy(net);
		nnopt_average_destroy(recipes[i].average);
		nnopt_schedule_destroy(recipes[i].schedule);
		nnopt_optimizer_destroy(recipes[i].optimizer);
	}
	nnopt_loss_destroy(loss);
	nnopt_loader_destroy(test);
	nnopt_loader_destroy(train);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
