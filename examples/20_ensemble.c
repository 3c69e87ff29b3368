/* 20_ensemble.c - several networks asked together: two CNNs that differ in their first weights, a CNN with an LSTM over
 * its rows, and the snapshots of one run with warm restarts; combined by votes and by stacking, and with views of each
 * picture.
 *
 * usage: 20_ensemble [EPOCHS [PICTURES [CIFAR10_DIR]]]
 * The directory holds CIFAR-10's binary version (data_batch_1.bin and so on); 20_ensemble.safetensors is written here.
 * What weighs the members is learnt from pictures that none of them was trained with; the test pictures are for the
 * table. */
#include "shapes.h"

#include <string.h>

enum { CYCLES = 3, MEMBERS = 3 };

typedef struct pictures {
	nnopt_dataset *train, *held_out, *test;
	nnopt_transforms *shown, *plain; /* while training, and after */
} pictures;

/* What a model says of the held-out pictures and of the test ones, these also as the mean over views of each. */
typedef struct scores {
	nnopt_tensor *held_out, *test, *views;
} scores;

static pictures open_all(nnopt_context *ctx, const char *cifar10, int64_t count)
{
	pictures p = { NULL };
	nnopt_loader *train = open_pictures(ctx, cifar10, NNOPT_SPLIT_TRAIN, count, 0);
	nnopt_loader *test = open_pictures(ctx, cifar10, NNOPT_SPLIT_TEST, 1000, 0);
	CHECK(nnopt_dataset_split(&p.train, &p.held_out, nnopt_loader_dataset(train), 0.75, 7));
	const int64_t samples = nnopt_dataset_count(nnopt_loader_dataset(test));
	int64_t *all = calloc((size_t)samples, sizeof *all);
	if (all == NULL)
		exit(EXIT_FAILURE);
	for (int64_t i = 0; i < samples; i++)
		all[i] = i;
	CHECK(nnopt_dataset_subset(&p.test, nnopt_loader_dataset(test), all, samples));
	free(all);
	CHECK(nnopt_transforms_create(&p.plain, ctx));
	CHECK(nnopt_transforms_create(&p.shown, ctx));
	CHECK(nnopt_transforms_add_horizontal_flip(p.shown, 0.5)); /* so that mirror images are nothing new */
	CHECK(nnopt_transforms_add_pad_crop(p.shown, 2, NNOPT_PAD_REFLECT, 1.0));
	nnopt_loader_destroy(train);
	nnopt_loader_destroy(test);
	return p;
}

static nnopt_loader *load(nnopt_dataset *data, nnopt_transforms *transforms, int32_t shuffle, uint64_t seed)
{
	nnopt_loader_options o;
	nnopt_loader *loader = NULL;
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 64;
	o.shuffle = shuffle;
	o.seed = seed;
	o.use_seed = 1;
	CHECK(nnopt_loader_create(&loader, data, transforms, &o));
	return loader;
}

static nnopt_model *make_network(nnopt_context *ctx, int with_lstm, int64_t classes)
{
	nnopt_model *net = NULL;
	nnopt_conv2d_options same;
	CHECK(nnopt_conv2d_options_init(&same, sizeof same));
	same.padding_mode = NNOPT_PADDING_SAME;
	CHECK(nnopt_model_create(&net, ctx));
	for (int64_t channels = 16; channels <= 32; channels *= 2) {
		CHECK(nnopt_add_conv2d(net, channels, 3, &same));
		CHECK(nnopt_add_batch_norm2d(net, NULL));
		CHECK(nnopt_add_relu(net));
		CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	}
	if (with_lstm)
		CHECK(nnopt_add_lstm(net, 48, NULL)); /* reads the feature map row by row */
	else
		CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, classes, NULL));
	return net;
}

/* Trains from first values of that seed; with `snapshots` in cycles of the learning rate. */
static void train(nnopt_context *ctx, nnopt_model *net, const pictures *p, int64_t epochs, uint64_t seed,
		  nnopt_snapshots **snapshots)
{
	nnopt_loader *loader = load(p->train, p->shown, 1, seed);
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_schedule *schedule = NULL;
	nnopt_adam_options o;
	nnopt_fit_options fit;
	int64_t shape[3], steps = epochs * nnopt_loader_batches(loader);
	CHECK(nnopt_loader_sample_shape(loader, shape));
	CHECK(nnopt_model_build(net, 3, shape));
	CHECK(nnopt_model_initialise(net, seed));
	CHECK(nnopt_cross_entropy_create(&loss, ctx, NULL));
	CHECK(nnopt_adam_options_init(&o, sizeof o));
	o.lr = 3e-3;
	CHECK(nnopt_adam_create(&adam, ctx, &o));
	CHECK(nnopt_fit_options_init(&fit, sizeof fit));
	if (snapshots != NULL) {
		nnopt_snapshots_options s;
		CHECK(nnopt_snapshots_options_init(&s, sizeof s));
		s.first = steps; /* each cycle as long as the others' whole run */
		s.most = CYCLES;
		CHECK(nnopt_snapshots_create(snapshots, ctx, &s));
		CHECK(nnopt_schedule_warm_restarts_create(&schedule, ctx, steps, 1, 0.0));
		fit.snapshots = *snapshots;
	} else {
		CHECK(nnopt_schedule_cosine_create(&schedule, ctx, steps, 0.0));
	}
	fit.epochs = snapshots != NULL ? CYCLES * epochs : epochs;
	fit.schedule = schedule;
	fit.on_batch = nnopt_progress_bar;
	CHECK(nnopt_fit(net, loader, loss, adam, &fit, NULL));
	nnopt_schedule_destroy(schedule);
	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_loader_destroy(loader);
}

static scores ask(nnopt_context *ctx, nnopt_model *net, const pictures *p)
{
	scores s = { NULL };
	nnopt_views *views = NULL;
	nnopt_loader *held_out = load(p->held_out, p->plain, 0, 0), *test = load(p->test, p->plain, 0, 0);
	CHECK(nnopt_views_create(&views, ctx, NNOPT_PAD_REFLECT));
	CHECK(nnopt_views_add_mirrored(views, 1)); /* six views */
	CHECK(nnopt_predict(&s.held_out, net, NULL, held_out, 0));
	CHECK(nnopt_predict(&s.test, net, NULL, test, 0));
	CHECK(nnopt_predict_augmented(&s.views, net, NULL, test, views, NNOPT_VOTE_LOGITS, 0));
	nnopt_views_destroy(views);
	nnopt_loader_destroy(held_out);
	nnopt_loader_destroy(test);
	return s;
}

static nnopt_tensor *labels_of(nnopt_context *ctx, const nnopt_dataset *data)
{
	const int64_t count = nnopt_dataset_count(data);
	nnopt_tensor *labels = NULL;
	CHECK(nnopt_tensor_create(&labels, ctx, NNOPT_I64, 1, &count, NNOPT_NCHW));
	for (int64_t i = 0; i < count; i++)
		((int64_t *)nnopt_tensor_data(labels))[i] = nnopt_dataset_label(data, i);
	return labels;
}

static double accuracy(nnopt_context *ctx, const nnopt_tensor *said, const nnopt_tensor *labels)
{
	nnopt_metrics *m = NULL;
	CHECK(nnopt_metrics_create(&m, ctx, nnopt_tensor_extent(said, 1)));
	CHECK(nnopt_metrics_add(m, said, labels));
	double share = nnopt_metrics_accuracy(m);
	nnopt_metrics_destroy(m);
	return share;
}

/* A row of the table: the answer of an ensemble, which is used up, without and with views. */
static void print_ensemble(nnopt_context *ctx, const char *name, nnopt_ensemble *e, const scores *s, int32_t members,
			   const nnopt_tensor *labels)
{
	const nnopt_tensor *test[MEMBERS], *views[MEMBERS];
	nnopt_tensor *plain = NULL, *seen = NULL;
	for (int32_t m = 0; m < members; m++) {
		test[m] = s[m].test;
		views[m] = s[m].views;
	}
	CHECK(nnopt_ensemble_combine(&plain, e, test, members, 1));
	CHECK(nnopt_ensemble_combine(&seen, e, views, members, 1));
	printf("  %-34s %6.1f%% %6.1f%%", name, 100.0 * accuracy(ctx, plain, labels),
	       100.0 * accuracy(ctx, seen, labels));
	if (strcmp(nnopt_ensemble_kind(e), "vote") == 0)
		for (int32_t m = 0; m < members; m++)
			printf("%s%.2f", m == 0 ? "  weights " : " ", nnopt_ensemble_weight(e, m));
	printf("\n");
	nnopt_tensor_destroy(plain);
	nnopt_tensor_destroy(seen);
	nnopt_ensemble_destroy(e);
}

static void print_table(nnopt_context *ctx, const scores *s, const nnopt_tensor *held_out_labels,
			const nnopt_tensor *labels)
{
	static const char *const ways[] = { "weighted by accuracy", "weighted by log-odds, hard",
					    "weighted by likelihood", "greedy selection" };
	const nnopt_tensor *held_out[MEMBERS], *test[MEMBERS];
	nnopt_ensemble *e = NULL;
	nnopt_diversity d = { .struct_size = sizeof d };
	for (int m = 0; m < MEMBERS; m++) {
		held_out[m] = s[m].held_out;
		test[m] = s[m].test;
	}
	CHECK(nnopt_vote_create(&e, ctx, NNOPT_VOTE_HARD, NULL, MEMBERS, 0));
	print_ensemble(ctx, "hard vote", e, s, MEMBERS, labels);
	CHECK(nnopt_vote_create(&e, ctx, NNOPT_VOTE_PROBABILITIES, NULL, MEMBERS, 0));
	print_ensemble(ctx, "soft vote", e, s, MEMBERS, labels);
	for (int way = NNOPT_WEIGHT_ACCURACY; way <= NNOPT_WEIGHT_GREEDY; way++) {
		nnopt_vote_options o;
		CHECK(nnopt_vote_options_init(&o, sizeof o));
		o.weighting = way;
		o.vote = way == NNOPT_WEIGHT_LOG_ODDS ? NNOPT_VOTE_HARD : NNOPT_VOTE_PROBABILITIES;
		CHECK(nnopt_vote_fit(&e, ctx, held_out, MEMBERS, held_out_labels, &o));
		print_ensemble(ctx, ways[way], e, s, MEMBERS, labels);
	}
	CHECK(nnopt_stack_fit(&e, ctx, held_out, MEMBERS, held_out_labels, NULL));
	CHECK(nnopt_ensemble_save(
	    e, "20_ensemble.safetensors")); /* beside the members, all that their use elsewhere wants */
	nnopt_ensemble_destroy(e);
	CHECK(nnopt_ensemble_load(&e, ctx, "20_ensemble.safetensors"));
	print_ensemble(ctx, "stacked", e, s, MEMBERS, labels);
	CHECK(nnopt_ensemble_diversity(&d, NULL, ctx, test, MEMBERS, labels));
	printf("  two members disagree on %.1f%% of the pictures; one at least is right on %.1f%%\n",
	       100.0 * d.disagreement, 100.0 * d.oracle);
}

static void print_member(nnopt_context *ctx, const char *name, const scores *s, const nnopt_tensor *labels)
{
	printf("  %-34s %6.1f%% %6.1f%%\n", name, 100.0 * accuracy(ctx, s->test, labels),
	       100.0 * accuracy(ctx, s->views, labels));
}

static void free_scores(scores *s)
{
	nnopt_tensor_destroy(s->held_out);
	nnopt_tensor_destroy(s->test);
	nnopt_tensor_destroy(s->views);
}

int main(int argc, char **argv)
{
	static const char *const names[MEMBERS] = { "CNN", "CNN of another seed", "CNN + LSTM" };
	int64_t epochs = 8, count = 2000;
	const char *cifar10 = NULL;
	read_arguments(
	    argc, argv, "[EPOCHS [PICTURES [CIFAR10_DIR]]]",
	    (const argument[]){
		{ .number = &epochs, .least = 1 }, { .number = &count, .least = 1 }, { .text = &cifar10 }, { 0 } });
	nnopt_context *ctx = NULL;
	nnopt_snapshots *snapshots = NULL;
	nnopt_ensemble *e = NULL;
	scores members[MEMBERS], cycles[CYCLES];
	CHECK(nnopt_context_create(&ctx, NULL));
	pictures p = open_all(ctx, cifar10, count);
	nnopt_tensor *held_out_labels = labels_of(ctx, p.held_out), *labels = labels_of(ctx, p.test);
	int64_t classes = nnopt_dataset_classes(p.train);

	printf("  %-34s %7s %7s\n", "test accuracy", "alone", "6 views");
	for (int m = 0; m < MEMBERS; m++) {
		nnopt_model *net = make_network(ctx, m == 2, classes);
		train(ctx, net, &p, epochs, 1 + (uint64_t)m, NULL);
		members[m] = ask(ctx, net, &p);
		print_member(ctx, names[m], &members[m], labels);
		nnopt_model_destroy(net);
	}
	print_table(ctx, members, held_out_labels, labels);

	nnopt_model *net = make_network(ctx, 0, classes);
	train(ctx, net, &p, epochs, 1, &snapshots);
	for (int64_t c = 0; c < CYCLES; c++) {
		char name[32];
		CHECK(nnopt_snapshots_apply(snapshots, c, net));
		cycles[c] = ask(ctx, net, &p);
		snprintf(name, sizeof name, "snapshot after update %lld",
			 (long long)nnopt_snapshots_step(snapshots, c));
		print_member(ctx, name, &cycles[c], labels);
	}
	CHECK(nnopt_vote_create(&e, ctx, NNOPT_VOTE_PROBABILITIES, NULL, CYCLES, 0));
	print_ensemble(ctx, "snapshots, soft vote", e, cycles, CYCLES, labels);

	for (int i = 0; i < MEMBERS; i++) {
		free_scores(&members[i]);
		free_scores(&cycles[i]);
	}
	nnopt_snapshots_destroy(snapshots);
	nnopt_model_destroy(net);
	nnopt_tensor_destroy(held_out_labels);
	nnopt_tensor_destroy(labels);
	nnopt_transforms_destroy(p.shown);
	nnopt_transforms_destroy(p.plain);
	nnopt_dataset_destroy(p.train);
	nnopt_dataset_destroy(p.held_out);
	nnopt_dataset_destroy(p.test);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
