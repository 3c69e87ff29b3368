/* 15_audit.c - what is wrong with a dataset: damaged, constant and doubled pictures, leaks into the test set, wrong
 * labels; and what a network gains when they are mended.
 *
 * Without arguments it draws rings, crosses and bars, gives a fifth of them a wrong label, doubles some, and shows what
 * of that is found. With a folder of classes of pictures it audits that one, and puts in `--noise` wrong labels first
 * to see how many of them are found, by each filter. Labels are judged as well as the network judges pictures: of 32x32
 * in colour the folds train the CIFAR speed net by a shortened recipe (no smoothing, no Lookahead), of others a small
 * one; and for few epochs, because right labels are learnt first and wrong ones by heart later (Arpit et al. 2017).
 * `--seeds` averages the predictions of that many networks, of seeds from `--first-seed` on, by which the wrong labels
 * are drawn, too.
 *
 * usage: 15_audit [TRAIN_DIR TEST_DIR] [--noise SHARE] [--samples N] [--epochs N] [--folds K] [--seeds N]
 *                 [--first-seed N] [--filter rate|class|both|confident|self] [--network small|speed]
 *                 [--final-epochs N] [--csv FILE] [--save DIR] [--load FILE]
 * --save leaves probabilities.npy, labels.npy, wrong.npy and found.npy (a column a filter) in a directory; --load takes
 * the probabilities from such a file and trains no folds. */
#include "example.h"

#include <string.h>

#define SIZE 16
#define CLASSES 3
#define DRAWN 900
#define FILTERS 5

static const char *const filters[FILTERS + 1] = { "rate", "class", "both", "confident", "self", NULL };
static const char *const networks[] = { "small", "speed", NULL };

typedef struct job {
	nnopt_context *ctx;
	nnopt_dataset *train, *test;
	int64_t epochs, final_epochs, folds, first, seeds, samples;
	uint64_t seed; /* of the network being trained */
	double noise;
	int32_t filter;
	int32_t speed; /* -1: as the pictures ask for */
	float mean[3], deviation[3];
	const char *csv, *save, *load;
} job;

/* Of nine samples each the last is the sixth once more. */
static nnopt_status draw(int64_t index, nnopt_sample *sample, void *user)
{
	int64_t number = index % 9 == 8 ? index - 3 : index;
	uint32_t r = (uint32_t)(number * 2 + (user != NULL)) * 2654435761u;
	int kind = (int)(number % CLASSES), x0 = 5 + (int)(r >> 9) % 6, y0 = 5 + (int)(r >> 17) % 6;
	r ^= r >> 15;
	for (int y = 0; y < SIZE; y++)
		for (int x = 0; x < SIZE; x++) {
			int dx = x - x0, dy = y - y0, d = dx * dx + dy * dy;
			int on = kind == 0   ? d <= 20 && d > 7
				 : kind == 1 ? (dx == dy || dx == -dy) && d <= 32
					     : dy * dy <= 1;
			r = r * 1664525u + 1013904223u;
			sample->pixels[y * SIZE + x] = (uint8_t)((on ? 150 : 40) + r % 70 + (uint32_t)(number % 30));
		}
	sample->height = sample->width = SIZE;
	sample->label = kind;
	return NNOPT_OK;
}

static nnopt_dataset *draw_pictures(nnopt_context *ctx, int64_t count, void *which)
{
	nnopt_callback_dataset_options o;
	nnopt_dataset *d = NULL;
	CHECK(nnopt_callback_dataset_options_init(&o, sizeof o));
	o.count = count;
	o.classes = CLASSES;
	o.channels = 1;
	o.max_height = o.max_width = SIZE;
	o.get = draw;
	o.user = which;
	CHECK(nnopt_dataset_from_callbacks(&d, ctx, &o));
	return d;
}

/* A share of the labels replaced by another class's (symmetric noise); *wrong tells which. */
static nnopt_dataset *spoil(nnopt_dataset *clean, double share, uint64_t seed, uint8_t *wrong)
{
	int64_t n = nnopt_dataset_count(clean), classes = nnopt_dataset_classes(clean);
	int64_t *labels = malloc((size_t)n * sizeof *labels);
	nnopt_dataset *noisy = NULL;
	for (int64_t i = 0; i < n && labels != NULL; i++) {
		uint64_t r = (seed * (uint64_t)n + (uint64_t)i + 1) * 0x9e3779b97f4a7c15u;
		r = (r ^ (r >> 31)) * 0xbf58476d1ce4e5b9u;
		r ^= r >> 29;
		labels[i] = nnopt_dataset_label(clean, i);
		if (labels[i] < 0) { /* a callback's: told by reading it */
			nnopt_tensor *image = NULL;
			CHECK(nnopt_dataset_get(clean, i, &image, &labels[i]));
			nnopt_tensor_destroy(image);
		}
		wrong[i] = (double)(r % 100000) < share * 100000.0;
		if (wrong[i])
			labels[i] = (labels[i] + 1 + (int64_t)(r / 100000 % (uint64_t)(classes - 1))) % classes;
	}
	CHECK(nnopt_dataset_relabel(&noisy, clean, labels, n));
	free(labels);
	return noisy;
}

static nnopt_transforms *transforms(const job *j, int32_t training)
{
	nnopt_transforms *t = NULL;
	CHECK(nnopt_transforms_create(&t, j->ctx));
	if (training) {
		CHECK(nnopt_transforms_add_pad_crop(t, 2, NNOPT_PAD_REFLECT, 1.0));
		CHECK(nnopt_transforms_add_alternating_flip(t));
	}
	CHECK(nnopt_transforms_add_normalise(t, j->speed ? j->mean : NULL, j->speed ? j->deviation : NULL,
					     j->speed ? 3 : 0));
	return t;
}

static nnopt_loader *batches(const job *j, nnopt_dataset *data, int64_t batch, int32_t training)
{
	nnopt_loader_options o;
	nnopt_loader *loader = NULL;
	nnopt_transforms *t = transforms(j, training);
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = batch < nnopt_dataset_count(data) ? batch : nnopt_dataset_count(data);
	o.shuffle = o.drop_last = training;
	o.use_seed = 1;
	o.seed = j->seed;
	CHECK(nnopt_loader_create(&loader, data, t, &o));
	nnopt_transforms_destroy(t);
	return loader;
}

static nnopt_model *small_network(const job *j, int64_t classes)
{
	nnopt_model *m = NULL;
	nnopt_conv2d_options same;
	CHECK(nnopt_conv2d_options_init(&same, sizeof same));
	same.padding_mode = NNOPT_PADDING_SAME;
	same.use_bias = 0;
	CHECK(nnopt_model_create(&m, j->ctx));
	for (int64_t width = 32; width <= 128; width *= 2) {
		CHECK(nnopt_add_conv2d(m, width, 3, &same));
		CHECK(nnopt_add_batch_norm2d(m, NULL));
		CHECK(nnopt_add_relu(m));
		CHECK(nnopt_add_max_pool2d(m, 2, NULL));
	}
	CHECK(nnopt_add_global_avg_pool2d(m));
	CHECK(nnopt_add_flatten(m));
	CHECK(nnopt_add_linear(m, classes, NULL));
	return m;
}

/* First filters from the pictures themselves: they pass on what is independent, each of size 1. */
static void whiten(const job *j, nnopt_model *m, nnopt_dataset *data)
{
	nnopt_loader *loader = batches(j, data, 2000, 0);
	const nnopt_batch *batch = NULL;
	int32_t index = 0;
	CHECK(nnopt_loader_start(loader, 0, 0));
	CHECK(nnopt_loader_next(loader, &batch));
	CHECK(nnopt_model_find_parameter(m, "whiten.weight", &index));
	CHECK(nnopt_model_initialise_whitening(m, index, batch->images, 5e-4));
	CHECK(nnopt_model_set_trainable(m, "whiten.weight", 0, NULL));
	nnopt_loader_destroy(loader);
}

static nnopt_model *new_model(const job *j, nnopt_loader *loader)
{
	nnopt_dataset *data = nnopt_loader_dataset(loader);
	int64_t shape[3], classes = nnopt_dataset_classes(data);
	nnopt_model *m = NULL;
	if (j->speed)
		CHECK(nnopt_speed_net_create(&m, j->ctx, 94, classes, NULL));
	else
		m = small_network(j, classes);
	CHECK(nnopt_loader_sample_shape(loader, shape));
	CHECK(nnopt_model_build(m, 3, shape));
	CHECK(nnopt_model_initialise(m, j->seed));
	if (j->speed)
		whiten(j, m, data);
	return m;
}

/* K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024, for batches of 256. */
static nnopt_optimizer *new_optimizer(const job *j)
{
	nnopt_optimizer *optimizer = NULL;
	if (j->speed) {
		nnopt_sgd_options o;
		nnopt_group_options biases;
		CHECK(nnopt_sgd_options_init(&o, sizeof o));
		o.lr = 0.375;
		o.momentum = 0.85;
		o.nesterov = 1;
		o.weight_decay = 1.33e-3;
		CHECK(nnopt_sgd_create(&optimizer, j->ctx, &o));
		CHECK(nnopt_group_options_init(&biases, sizeof biases));
		biases.role = NNOPT_ROLE_BIAS;
		biases.lr_scale = 64.0;
		biases.weight_decay_scale = 1.0 / 64.0;
		CHECK(nnopt_optimizer_add_group(optimizer, &biases));
	} else {
		nnopt_adam_options o;
		CHECK(nnopt_adam_options_init(&o, sizeof o));
		o.lr = 2e-3;
		CHECK(nnopt_adam_create(&optimizer, j->ctx, &o));
	}
	return optimizer;
}

static nnopt_model *train(const job *j, nnopt_dataset *data, int64_t epochs)
{
	nnopt_fit_options o;
	nnopt_loss *loss = NULL;
	nnopt_schedule *schedule = NULL;
	nnopt_loader *loader = batches(j, data, j->speed ? 256 : 64, 1);
	nnopt_model *m = new_model(j, loader);
	nnopt_optimizer *optimizer = new_optimizer(j);
	int64_t steps = epochs * nnopt_loader_batches(loader), rise = steps * 23 / 100 + 1;
	CHECK(nnopt_cross_entropy_create(&loss, j->ctx, NULL));
	CHECK(nnopt_schedule_piecewise_create(&schedule, j->ctx, (const int64_t[]){ 0, rise, steps + 1 },
					      (const double[]){ 0.2, 1.0, 0.03 }, 3));
	CHECK(nnopt_fit_options_init(&o, sizeof o));
	o.epochs = epochs;
	o.schedule = schedule;
	o.precision = j->speed ? NNOPT_PRECISION_BF16 : NNOPT_PRECISION_F32;
	CHECK(nnopt_fit(m, loader, loss, optimizer, &o, NULL));
	nnopt_schedule_destroy(schedule);
	nnopt_optimizer_destroy(optimizer);
	nnopt_loss_destroy(loss);
	nnopt_loader_destroy(loader);
	return m;
}

static nnopt_status train_fold(nnopt_fold *fold, void *user)
{
	const job *j = user;
	fold->model = train(j, fold->train, j->epochs);
	fold->transforms = transforms(j, 0);
	fprintf(stderr, "seed %lld: fold %lld of %lld trained\n", (long long)j->seed, (long long)fold->index + 1,
		(long long)fold->folds);
	return NNOPT_OK;
}

/* Each picture's probabilities by networks that have not seen it, a mean over seeds of folds and of networks. */
static nnopt_tensor *out_of_fold(job *j, nnopt_dataset *data)
{
	const int64_t shape[2] = { nnopt_dataset_count(data), nnopt_dataset_classes(data) };
	nnopt_tensor *mean = NULL;
	CHECK(nnopt_tensor_create(&mean, j->ctx, NNOPT_F32, 2, shape, NNOPT_NCHW));
	float *sum = nnopt_tensor_data(mean);
	memset(sum, 0, (size_t)(shape[0] * shape[1]) * sizeof *sum);
	for (int64_t k = 0; k < j->seeds; k++) {
		nnopt_cross_validation_options o;
		nnopt_cross_validation *folds = NULL;
		CHECK(nnopt_cross_validation_options_init(&o, sizeof o));
		j->seed = (uint64_t)(j->first + k);
		o.folds = j->folds;
		o.seed = j->seed;
		o.train = train_fold;
		o.user = j;
		CHECK(nnopt_cross_validate(&folds, data, &o));
		const float *more = nnopt_tensor_const_data(nnopt_cross_validation_probabilities(folds));
		for (int64_t i = 0; i < nnopt_tensor_count(mean); i++)
			sum[i] += (more[i] - sum[i]) / (float)(k + 1);
		nnopt_cross_validation_destroy(folds);
	}
	j->seed = (uint64_t)j->first;
	return mean;
}

static double accuracy_after(const job *j, nnopt_dataset *data)
{
	nnopt_evaluation e = { .struct_size = sizeof e };
	nnopt_model *m = train(j, data, j->final_epochs);
	nnopt_loader *loader = batches(j, j->test, 256, 0);
	CHECK(nnopt_evaluate(m, NULL, loader, NULL, NULL, &e));
	nnopt_loader_destroy(loader);
	nnopt_model_destroy(m);
	return e.accuracy;
}

/* Column `filter` of `found` tells the samples that it finds. */
static void mark_found(nnopt_dataset *data, const nnopt_tensor *probabilities, int32_t filter, uint8_t *found)
{
	nnopt_audit *audit = NULL;
	nnopt_audit_labels_options o;
	CHECK(nnopt_audit_create(&audit, data));
	CHECK(nnopt_audit_labels_options_init(&o, sizeof o));
	o.filter = filter;
	CHECK(nnopt_audit_labels(audit, probabilities, &o));
	for (int64_t i = 0; i < nnopt_audit_count(audit); i++) {
		nnopt_finding f = { .struct_size = sizeof f };
		CHECK(nnopt_audit_finding(audit, i, &f));
		found[f.index * FILTERS + filter] = 1;
	}
	nnopt_audit_destroy(audit);
}

static void save(const job *j, const char *name, const void *values, nnopt_dtype dtype, int64_t rows, int64_t columns)
{
	char path[2048];
	nnopt_tensor *t = NULL;
	CHECK(nnopt_tensor_create(&t, j->ctx, dtype, 2, (const int64_t[]){ rows, columns }, NNOPT_NCHW));
	CHECK(nnopt_tensor_copy_in(t, values, nnopt_tensor_bytes(t), dtype, NNOPT_NCHW));
	snprintf(path, sizeof path, "%s/%s.npy", j->save, name);
	CHECK(nnopt_tensor_save_npy(t, path));
	nnopt_tensor_destroy(t);
}

/* What each filter finds, and how much of what was put in. */
static void compare_filters(const job *j, nnopt_dataset *data, const nnopt_tensor *probabilities, const uint8_t *wrong)
{
	int64_t n = nnopt_dataset_count(data), classes = nnopt_dataset_classes(data), all = 0, agreed = 0;
	uint8_t *found = calloc((size_t)n, FILTERS);
	int64_t *labels = malloc((size_t)n * sizeof *labels);
	if (found == NULL || labels == NULL)
		exit(EXIT_FAILURE);
	for (int64_t i = 0; i < n; i++) {
		all += wrong[i];
		labels[i] = nnopt_dataset_label(data, i);
		const float *p = (const float *)nnopt_tensor_const_data(probabilities) + i * classes;
		int64_t best = 0;
		for (int64_t c = 1; c < classes; c++)
			best = p[c] > p[best] ? c : best;
		agreed += !wrong[i] && best == labels[i];
	}
	printf("networks that have not seen them agree with %.1f %% of the labels%s\n",
	       100.0 * (double)agreed / (double)(n - all), all > 0 ? " that were left right" : "");
	for (int32_t filter = 0; filter < FILTERS; filter++) {
		int64_t count = 0, right = 0;
		mark_found(data, probabilities, filter, found);
		for (int64_t i = 0; i < n; i++) {
			count += found[i * FILTERS + filter];
			right += found[i * FILTERS + filter] && wrong[i];
		}
		printf("filter %-10s %lld labels", filters[filter], (long long)count);
		if (all > 0 && count > 0)
			printf(", %lld of the %lld made wrong: precision %.3f, recall %.3f", (long long)right,
			       (long long)all, (double)right / (double)count, (double)right / (double)all);
		printf("\n");
	}
	if (j->save != NULL) {
		save(j, "probabilities", nnopt_tensor_const_data(probabilities), NNOPT_F32, n,
		     nnopt_dataset_classes(data));
		save(j, "labels", labels, NNOPT_I64, n, 1);
		save(j, "wrong", wrong, NNOPT_U8, n, 1);
		save(j, "found", found, NNOPT_U8, n, FILTERS);
	}
	free(labels);
	free(found);
}

static void report(const nnopt_audit *audit)
{
	printf("%lld findings:", (long long)nnopt_audit_count(audit));
	for (int32_t kind = 0; nnopt_finding_kind_name(kind) != NULL; kind++)
		if (nnopt_audit_count_kind(audit, kind) > 0)
			printf("  %s %lld", nnopt_finding_kind_name(kind),
			       (long long)nnopt_audit_count_kind(audit, kind));
	printf("\n");
	for (int64_t i = 0; i < nnopt_audit_count(audit) && i < 10; i++) {
		nnopt_finding f = { .struct_size = sizeof f };
		CHECK(nnopt_audit_finding(audit, i, &f));
		printf("  %6lld %-14s %-8s %s\n", (long long)f.index, nnopt_finding_kind_name(f.kind),
		       nnopt_suggestion_name(f.suggestion), f.text);
	}
}

/* What mending gains on the test pictures. */
static void compare_trainings(const job *j, nnopt_dataset *noisy, nnopt_dataset *mended)
{
	printf("test accuracy, trained with what was given: %.2f %%\n", 100.0 * accuracy_after(j, noisy));
	printf("                     with what the audit left: %.2f %% (%lld of %lld samples)\n",
	       100.0 * accuracy_after(j, mended), (long long)nnopt_dataset_count(mended),
	       (long long)nnopt_dataset_count(noisy));
	fflush(stdout);
	if (j->noise > 0.0)
		printf("                     with the right labels: %.2f %%\n", 100.0 * accuracy_after(j, j->train));
}

static void run(job *j)
{
	int64_t n = nnopt_dataset_count(j->train);
	uint8_t *wrong = calloc((size_t)n, 1);
	nnopt_audit_pictures_options po;
	nnopt_audit_labels_options lo;
	nnopt_audit *audit = NULL;
	nnopt_dataset *noisy = spoil(j->train, j->noise, (uint64_t)j->first, wrong), *mended = NULL;
	CHECK(nnopt_audit_create(&audit, noisy));
	CHECK(nnopt_audit_pictures_options_init(&po, sizeof po));
	po.against = j->test;
	CHECK(nnopt_audit_pictures(audit, &po));
	nnopt_tensor *probabilities = NULL;
	if (j->load != NULL) /* made before, with the same pictures and noise */
		CHECK(nnopt_tensor_load_npy(&probabilities, j->ctx, j->load));
	else
		probabilities = out_of_fold(j, noisy);
	CHECK(nnopt_audit_labels_options_init(&lo, sizeof lo));
	lo.filter = j->filter;
	CHECK(nnopt_audit_labels(audit, probabilities, &lo));
	report(audit);
	compare_filters(j, noisy, probabilities, wrong);
	fflush(stdout); /* what follows takes as long again */
	if (j->csv != NULL)
		CHECK(nnopt_audit_write_csv(audit, j->csv));
	CHECK(nnopt_audit_apply(&mended, audit, 0));
	if (j->final_epochs > 0)
		compare_trainings(j, noisy, mended);
	nnopt_dataset_destroy(mended);
	nnopt_tensor_destroy(probabilities);
	nnopt_audit_destroy(audit);
	nnopt_dataset_destroy(noisy);
	free(wrong);
}

/* The first picture tells what network fits. */
static void choose_network(job *j)
{
	nnopt_tensor *image = NULL;
	int64_t label;
	CHECK(nnopt_dataset_get(j->train, 0, &image, &label));
	if (j->speed < 0)
		j->speed = nnopt_tensor_extent(image, 1) == 3 && nnopt_tensor_extent(image, 2) == 32 &&
			   nnopt_tensor_extent(image, 3) == 32;
	nnopt_tensor_destroy(image);
	if (j->speed)
		CHECK(nnopt_dataset_fit_normalisation(j->train, 3, j->mean, j->deviation));
	j->epochs = j->epochs > 0 ? j->epochs : j->speed ? 5 : 8;
	j->final_epochs = j->final_epochs >= 0 ? j->final_epochs : j->epochs;
}

static void open_folders(job *j, const char *train_dir, const char *test_dir)
{
	nnopt_image_folder_options o;
	nnopt_dataset *part = NULL, *rest = NULL;
	CHECK(nnopt_image_folder_options_init(&o, sizeof o));
	CHECK(nnopt_image_folder_open(&j->train, j->ctx, train_dir, &o));
	o.classes_from = train_dir;
	CHECK(nnopt_image_folder_open(&j->test, j->ctx, test_dir, &o));
	if (j->samples > 0 && j->samples < nnopt_dataset_count(j->train)) {
		CHECK(nnopt_dataset_split(&part, &rest, j->train,
					  (double)j->samples / (double)nnopt_dataset_count(j->train), 1));
		nnopt_dataset_destroy(rest);
		nnopt_dataset_destroy(j->train);
		j->train = part;
	}
}

int main(int argc, char **argv)
{
	job j = { .folds = 4,
		  .seeds = 1,
		  .final_epochs = -1,
		  .noise = -1.0,
		  .speed = -1,
		  .filter = NNOPT_FILTER_SELF_CONFIDENCE };
	const char *usage = "[TRAIN_DIR TEST_DIR] [--noise SHARE] [--samples N] [--epochs N] [--folds K] [--seeds N] "
			    "[--first-seed N] [--filter rate|class|both|confident|self] [--network small|speed] "
			    "[--final-epochs N] [--csv FILE] [--save DIR] [--load FILE]";
	const char *train = NULL, *test = NULL;
	read_arguments(argc, argv, usage,
		       (const argument[]){ { .text = &train },
					   { .text = &test },
					   { .name = "noise", .real = &j.noise },
					   { .name = "samples", .number = &j.samples },
					   { .name = "epochs", .number = &j.epochs },
					   { .name = "folds", .number = &j.folds, .least = 2 },
					   { .name = "seeds", .number = &j.seeds, .least = 1 },
					   { .name = "first-seed", .number = &j.first },
					   { .name = "filter", .choice = &j.filter, .among = filters },
					   { .name = "network", .choice = &j.speed, .among = networks },
					   { .name = "final-epochs", .number = &j.final_epochs },
					   { .name = "csv", .text = &j.csv },
					   { .name = "save", .text = &j.save },
					   { .name = "load", .text = &j.load },
					   { 0 } });
	if ((train != NULL) != (test != NULL))
		end_with_usage(argv, usage, "");
	CHECK(nnopt_context_create(&j.ctx, NULL));
	if (train != NULL) {
		open_folders(&j, train, test);
		j.noise = j.noise < 0.0 ? 0.0 : j.noise;
	} else {
		j.train = draw_pictures(j.ctx, DRAWN, NULL);
		j.test = draw_pictures(j.ctx, DRAWN / 3, &j);
		j.noise = j.noise < 0.0 ? 0.2 : j.noise;
	}
	j.seed = (uint64_t)j.first;
	choose_network(&j);
	run(&j);
	nnopt_dataset_destroy(j.train);
	nnopt_dataset_destroy(j.test);
	nnopt_context_destroy(j.ctx);
	return EXIT_SUCCESS;
}
