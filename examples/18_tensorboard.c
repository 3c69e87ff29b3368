/* 18_tensorboard.c - runs that TensorBoard shows: curves, histograms, pictures, the graph, precision and recall of a
 * class, and the table of hyperparameters by which runs are compared. Three learning rates on drawn shapes; each keeps
 * a checkpoint, so that a program which was stopped goes on, and so do its curves.
 *
 * usage: 18_tensorboard [DIRECTORY [EPOCHS [COUNT]]]
 * then:  tensorboard --logdir DIRECTORY (runs) */
#include "shapes.h"

#define RATES 3

typedef struct task {
	nnopt_context *ctx;
	nnopt_dataset *pictures[2]; /* training, validation */
	nnopt_loader *loaders[2];
	int64_t epochs;
} task;

static void open_data(task *t, int64_t count)
{
	for (int part = 0; part < 2; part++) {
		nnopt_loader_options o;
		t->pictures[part] = make_shapes(t->ctx, part == 0 ? count : count / 4, (uint32_t)(part + 1));
		CHECK(nnopt_loader_options_init(&o, sizeof o));
		o.batch = 64;
		o.shuffle = part == 0;
		CHECK(nnopt_loader_create(&t->loaders[part], t->pictures[part], NULL, &o));
	}
}

static nnopt_model *make_network(nnopt_context *ctx)
{
	static const char *const names[] = { "body.conv1", "body.conv2" };
	nnopt_model *net = NULL;
	CHECK(nnopt_model_create(&net, ctx));
	for (int i = 0; i < 2; i++) {
		nnopt_layer *conv = NULL;
		CHECK(nnopt_conv2d_create(&conv, ctx, 16 << i, 3, NULL));
		CHECK(nnopt_layer_set_name(conv, names[i])); /* a dot makes a group in the graph */
		CHECK(nnopt_model_add(net, conv));
		nnopt_layer_destroy(conv);
		CHECK(nnopt_add_batch_norm2d(net, NULL));
		CHECK(nnopt_add_relu(net));
		CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	}
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, SHAPES, NULL));
	CHECK(nnopt_model_build(net, 3, (int64_t[]){ 1, SHAPE_SIDE, SHAPE_SIDE }));
	return net;
}

/* What a run says once, before it begins. */
static void introduce(nnopt_events *events, const task *t, const nnopt_model *net, double rate)
{
	const nnopt_batch *batch = NULL;
	CHECK(nnopt_events_text(events, "about", "# Shapes\n\nTen kinds, in noise. Adam at a *constant* rate.", 0));
	CHECK(nnopt_events_graph(events, net));
	CHECK(nnopt_events_add_number(events, "learning_rate", rate));
	CHECK(nnopt_events_add_text(events, "optimizer", "adam"));
	CHECK(nnopt_events_add_metric(events, "validation/accuracy"));
	CHECK(nnopt_events_begin_session(events, NULL));
	CHECK(nnopt_loader_start(t->loaders[0], 0, 0));
	CHECK(nnopt_loader_next(t->loaders[0], &batch));
	CHECK(nnopt_events_image(events, "first_batch", batch->images, 16, 0));
}

/* How well rings are told from all others, at the end. */
static void conclude(nnopt_events *events, const task *t, nnopt_model *net, int64_t step)
{
	nnopt_tensor *scores = NULL, *labels = NULL;
	int64_t count = nnopt_dataset_count(t->pictures[1]);
	CHECK(nnopt_predict(&scores, net, NULL, t->loaders[1], 1));
	CHECK(nnopt_tensor_create(&labels, t->ctx, NNOPT_I64, 1, &count, NNOPT_NCHW));
	for (int64_t i = 0; i < count; i++)
		((int64_t *)nnopt_tensor_data(labels))[i] = nnopt_dataset_label(t->pictures[1], i);
	CHECK(nnopt_events_pr_curve(events, "rings", scores, labels, 1, step));
	CHECK(nnopt_events_end_session(events, NNOPT_SESSION_SUCCESS));
	CHECK(nnopt_events_flush(events)); /* where writing fails, this says so */
	nnopt_tensor_destroy(labels);
	nnopt_tensor_destroy(scores);
}

/* One run: its directory, its checkpoint beside it; gives the accuracy at the end. */
static double run(const task *t, const char *directory, double rate)
{
	char path[1024], checkpoint[1024 + 8];
	nnopt_events *events = NULL;
	nnopt_events_options e;
	nnopt_callbacks *callbacks = NULL;
	nnopt_model *net = make_network(t->ctx);
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_adam_options a;
	nnopt_fit_options o;
	nnopt_history *history = NULL;
	nnopt_epoch_record last = { .struct_size = sizeof last };
	snprintf(path, sizeof path, "%s/rate_%g", directory, rate);
	snprintf(checkpoint, sizeof checkpoint, "%s.ckpt", path);

	CHECK(nnopt_events_options_init(&e, sizeof e));
	e.every_steps = 5;
	e.histograms = 2; /* parameters and gradients, each epoch */
	CHECK(nnopt_events_create(&events, t->ctx, path, &e));
	if (!nnopt_events_resumed(events))
		introduce(events, t, net, rate);

	/* Several callbacks in the place of one. */
	CHECK(nnopt_callbacks_create(&callbacks, t->ctx));
	CHECK(nnopt_callbacks_add(callbacks, nnopt_progress_bar, nnopt_progress_line, NULL));
	CHECK(nnopt_callbacks_add(callbacks, nnopt_events_on_batch, nnopt_events_on_epoch, events));

	CHECK(nnopt_cross_entropy_create(&loss, t->ctx, NULL));
	CHECK(nnopt_adam_options_init(&a, sizeof a));
	a.lr = rate;
	CHECK(nnopt_adam_create(&adam, t->ctx, &a));
	CHECK(nnopt_fit_options_init(&o, sizeof o));
	o.epochs = t->epochs;
	o.validation = t->loaders[1];
	o.checkpoint_path = checkpoint;
	o.resume = 1;
	o.on_batch = nnopt_callbacks_on_batch;
	o.on_epoch = nnopt_callbacks_on_epoch;
	o.progress_user = callbacks;
	CHECK(nnopt_fit(net, t->loaders[0], loss, adam, &o, &history));
	conclude(events, t, net, t->epochs * nnopt_loader_batches(t->loaders[0]));
	CHECK(nnopt_history_epoch(history, nnopt_history_epochs(history) - 1, &last));

	nnopt_history_destroy(history);
	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_callbacks_destroy(callbacks);
	nnopt_events_destroy(events);
	nnopt_model_destroy(net);
	return last.validation_accuracy;
}

int main(int argc, char **argv)
{
	static const double rates[RATES] = { 1e-4, 1e-3, 1e-2 };
	const char *directory = "runs";
	int64_t count = 4000;
	task t = { .epochs = 5 };
	double accuracy[RATES];
	read_arguments(
	    argc, argv, "[DIRECTORY [EPOCHS [COUNT]]]",
	    (const argument[]){
		{ .text = &directory }, { .number = &t.epochs, .least = 1 }, { .number = &count, .least = 1 }, { 0 } });
	CHECK(nnopt_context_create(&t.ctx, NULL));
	open_data(&t, count);
	for (int i = 0; i < RATES; i++)
		accuracy[i] = run(&t, directory, rates[i]);
	printf("learning rate   validation accuracy\n");
	for (int i = 0; i < RATES; i++)
		printf("%-15g %.2f%%\n", rates[i], 100.0 * accuracy[i]);
	printf("to see them: tensorboard --logdir %s\n", directory);
	for (int part = 0; part < 2; part++) {
		nnopt_loader_destroy(t.loaders[part]);
		nnopt_dataset_destroy(t.pictures[part]);
	}
	nnopt_context_destroy(t.ctx);
	return 0;
}
