/* 16_search.c - finding good options: first a learning rate by its finder, then width, depth, batch size, optimizer and
 * learning rate together by successive halving. With --file, stop it at any time and start it again: it goes on.
 *
 * usage: 16_search [TRAIN_DIR] [--trials N] [--budget EPOCHS] [--samples N] [--file search.json] [--svg search.svg] */
#include "example.h"

#include <string.h>

#define SIZE 16
#define CLASSES 4
#define DRAWN 600
#define SGD_TIMES 10.0 /* what is good for Adam is low for SGD */

typedef struct job {
	nnopt_context *ctx;
	nnopt_dataset *train, *validation;
} job;

/* Bars of four directions, in noise. */
static nnopt_status draw(int64_t index, nnopt_sample *sample, void *user)
{
	uint32_t r = (uint32_t)(index + 1) * 2654435761u;
	int kind = (int)(index % CLASSES), at = 4 + (int)(r >> 13) % 8;
	(void)user;
	r ^= r >> 15;
	for (int y = 0; y < SIZE; y++)
		for (int x = 0; x < SIZE; x++) {
			int d = kind == 0 ? x - at : kind == 1 ? y - at : kind == 2 ? x - y + at - 8 : x + y - at - 8;
			r = r * 1664525u + 1013904223u;
			sample->pixels[y * SIZE + x] = (uint8_t)((d == 0 ? 120 : 60) + (r >> 9) % 110);
		}
	sample->height = sample->width = SIZE;
	sample->label = kind;
	return NNOPT_OK;
}

static nnopt_loader *make_loader(const job *j, nnopt_dataset *data, int64_t batch, int32_t training)
{
	nnopt_loader_options o;
	nnopt_loader *loader = NULL;
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = batch;
	o.shuffle = o.drop_last = training;
	(void)j;
	CHECK(nnopt_loader_create(&loader, data, NULL, &o));
	return loader;
}

static nnopt_model *make_model(const job *j, nnopt_loader *loader, int64_t width, int64_t depth)
{
	nnopt_model *m = NULL;
	nnopt_conv2d_options same;
	int64_t shape[3];
	CHECK(nnopt_loader_sample_shape(loader, shape));
	CHECK(nnopt_conv2d_options_init(&same, sizeof same));
	same.padding_mode = NNOPT_PADDING_SAME;
	CHECK(nnopt_model_create(&m, j->ctx));
	for (int64_t i = 0; i < depth; i++) {
		CHECK(nnopt_add_conv2d(m, width << i, 3, &same));
		CHECK(nnopt_add_batch_norm2d(m, NULL));
		CHECK(nnopt_add_relu(m));
		CHECK(nnopt_add_max_pool2d(m, 2, NULL));
	}
	CHECK(nnopt_add_flatten(m));
	CHECK(nnopt_add_linear(m, nnopt_dataset_classes(j->train), NULL));
	CHECK(nnopt_model_build(m, 3, shape));
	return m;
}

static nnopt_optimizer *make_optimizer(const job *j, const char *name, double lr)
{
	nnopt_optimizer *optimizer = NULL;
	if (strcmp(name, "adam") == 0) {
		nnopt_adam_options o;
		CHECK(nnopt_adam_options_init(&o, sizeof o));
		o.lr = lr;
		CHECK(nnopt_adam_create(&optimizer, j->ctx, &o));
	} else {
		nnopt_sgd_options o;
		CHECK(nnopt_sgd_options_init(&o, sizeof o));
		o.lr = SGD_TIMES * lr;
		o.momentum = 0.9;
		o.nesterov = 1;
		CHECK(nnopt_sgd_create(&optimizer, j->ctx, &o));
	}
	return optimizer;
}

/* One trial: trained anew for its budget of epochs; the better, the higher its accuracy on what it was not trained
 * with. */
static nnopt_status evaluate(const nnopt_trial *trial, double *value, void *user)
{
	const job *j = user;
	nnopt_fit_options o;
	nnopt_loss *loss = NULL;
	nnopt_evaluation e = { .struct_size = sizeof e };
	nnopt_loader *train = make_loader(j, j->train, nnopt_trial_integer(trial, "batch"), 1);
	nnopt_loader *validation = make_loader(j, j->validation, 256, 0);
	nnopt_model *model =
	    make_model(j, train, nnopt_trial_integer(trial, "width"), nnopt_trial_integer(trial, "depth"));
	nnopt_optimizer *optimizer =
	    make_optimizer(j, nnopt_trial_choice(trial, "optimizer"), nnopt_trial_number(trial, "lr"));
	CHECK(nnopt_cross_entropy_create(&loss, j->ctx, NULL));
	CHECK(nnopt_fit_options_init(&o, sizeof o));
	o.epochs = nnopt_trial_budget(trial);
	/* Divergence is a result of the trial, not the end of the search. */
	nnopt_status status = nnopt_fit(model, train, loss, optimizer, &o, NULL);
	if (status == NNOPT_OK)
		status = nnopt_evaluate(model, NULL, validation, NULL, NULL, &e);
	*value = e.accuracy;
	fprintf(stderr, "trial %lld, %lld epochs: %.2f %%\n", (long long)nnopt_trial_id(trial),
		(long long)nnopt_trial_budget(trial), 100.0 * e.accuracy);
	nnopt_loss_destroy(loss);
	nnopt_optimizer_destroy(optimizer);
	nnopt_model_destroy(model);
	nnopt_loader_destroy(train);
	nnopt_loader_destroy(validation);
	return status;
}

static void find_rate(const job *j)
{
	nnopt_lr_curve *curve = NULL;
	nnopt_loss *loss = NULL;
	double steepest, tenth;
	nnopt_loader *loader = make_loader(j, j->train, 64, 1);
	nnopt_model *model = make_model(j, loader, 16, 2);
	nnopt_optimizer *adam = make_optimizer(j, "adam", 1e-3);
	CHECK(nnopt_cross_entropy_create(&loss, j->ctx, NULL));
	CHECK(nnopt_lr_find(&curve, model, loader, loss, adam, NULL));
	CHECK(nnopt_lr_curve_suggest(curve, &steepest, &tenth));
	printf("learning rate for Adam: %.1e where the loss falls steepest, %.1e a tenth of where it is least (%lld "
	       "steps)\n",
	       steepest, tenth, (long long)nnopt_lr_curve_count(curve));
	nnopt_lr_curve_destroy(curve);
	nnopt_loss_destroy(loss);
	nnopt_optimizer_destroy(adam);
	nnopt_model_destroy(model);
	nnopt_loader_destroy(loader);
}

static void open_data(job *j, const char *folder, int64_t samples)
{
	nnopt_dataset *all = NULL, *part = NULL, *rest = NULL;
	if (folder != NULL) {
		nnopt_image_folder_options o;
		CHECK(nnopt_image_folder_options_init(&o, sizeof o));
		CHECK(nnopt_image_folder_open(&all, j->ctx, folder, &o));
	} else {
		nnopt_callback_dataset_options o;
		CHECK(nnopt_callback_dataset_options_init(&o, sizeof o));
		o.count = DRAWN;
		o.classes = CLASSES;
		o.channels = 1;
		o.max_height = o.max_width = SIZE;
		o.get = draw;
		CHECK(nnopt_dataset_from_callbacks(&all, j->ctx, &o));
	}
	if (samples > 0 && samples < nnopt_dataset_count(all)) {
		CHECK(nnopt_dataset_split(&part, &rest, all, (double)samples / (double)nnopt_dataset_count(all), 1));
		nnopt_dataset_destroy(rest);
		nnopt_dataset_destroy(all);
		all = part;
	}
	CHECK(nnopt_dataset_split(&j->train, &j->validation, all, 0.8, 0));
	nnopt_dataset_destroy(all);
}

int main(int argc, char **argv)
{
	static const char *const optimizers[] = { "sgd", "adam" };
	job j = { NULL };
	nnopt_search *search = NULL;
	nnopt_search_options o;
	const char *folder = NULL, *svg = NULL;
	size_t bytes = 0;
	int64_t samples = 0;
	CHECK(nnopt_search_options_init(&o, sizeof o));
	o.trials = 6;
	o.budget = 4;
	o.reduction = 2;
	read_arguments(
	    argc, argv,
	    "[TRAIN_DIR] [--trials N] [--budget EPOCHS] [--samples N] [--file search.json] [--svg search.svg]",
	    (const argument[]){ { .text = &folder },
				{ .name = "trials", .number = &o.trials, .least = 1 },
				{ .name = "budget", .number = &o.budget, .least = 1 },
				{ .name = "samples", .number = &samples },
				{ .name = "file", .text = &o.path },
				{ .name = "svg", .text = &svg },
				{ 0 } });
	CHECK(nnopt_context_create(&j.ctx, NULL));
	open_data(&j, folder, samples);
	find_rate(&j);
	CHECK(nnopt_search_create(&search, j.ctx, &o));
	CHECK(nnopt_search_add_number(search, "lr", 1e-4, 3e-2, 1, 5));
	CHECK(nnopt_search_add_integer(search, "batch", 16, 128, 2, 1));
	CHECK(nnopt_search_add_integer(search, "width", 8, 32, 2, 1));
	CHECK(nnopt_search_add_integer(search, "depth", 1, 3, 1, 0));
	CHECK(nnopt_search_add_choice(search, "optimizer", optimizers, 2));
	CHECK(nnopt_search_run(search, evaluate, &j, 0));
	CHECK(nnopt_search_table(search, NULL, 0, &bytes));
	char *table = malloc(bytes);
	if (table != NULL) {
		CHECK(nnopt_search_table(search, table, bytes, NULL));
		printf("%slr is Adam's; SGD took %g times as much. One run each: what won is to be confirmed with "
		       "other seeds.\n",
		       table, SGD_TIMES);
		free(table);
	}
	if (svg != NULL)
		CHECK(nnopt_search_write_svg(search, svg));
	nnopt_search_destroy(search);
	nnopt_dataset_destroy(j.train);
	nnopt_dataset_destroy(j.validation);
	nnopt_context_destroy(j.ctx);
	return EXIT_SUCCESS;
}
