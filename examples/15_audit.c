/* 15_audit.c - what is wrong with a dataset: damaged, constant and doubled pictures, leaks into the test set, wrong labels;
 * and what a network gains when they are mended.
 *
 * Without arguments it draws rings, crosses and bars, gives a fifth of them a wrong label, doubles some, and shows what of
 * that is found. With a folder of classes of pictures it audits that one, and puts in `--noise` wrong labels first to see
 * how many of them are found.
 *
 * usage: 15_audit [TRAIN_DIR TEST_DIR] [--noise SHARE] [--epochs N] [--folds K] [--csv FILE] */
#include "example.h"

#include <string.h>

#define SIZE 16
#define CLASSES 3
#define DRAWN 900

typedef struct job {
	nnopt_context *ctx;
	nnopt_dataset *train, *test;
	int64_t epochs, folds;
	double noise;
	const char *csv;
} job;

/* Sample i of 9 is the one before it once more. */
static nnopt_status draw(int64_t index, nnopt_sample *sample, void *user)
{
	int64_t number = index % 9 == 8 ? index - 3 : index;
	uint32_t r = (uint32_t)(number * 2 + (user != NULL)) * 2654435761u;
	int kind = (int)(number % CLASSES), x0 = 5 + (int)(r >> 9) % 6, y0 = 5 + (int)(r >> 17) % 6;
	r ^= r >> 15;
	for (int y = 0; y < SIZE; y++)
		for (int x = 0; x < SIZE; x++) {
			int dx = x - x0, dy = y - y0, d = dx * dx + dy * dy;
			int on = kind == 0 ? d <= 20 && d > 7 : kind == 1 ? (dx == dy || dx == -dy) && d <= 32 : dy * dy <= 1;
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
static nnopt_dataset *spoil(nnopt_dataset *clean, double share, uint8_t *wrong)
{
	int64_t n = nnopt_dataset_count(clean), classes = nnopt_dataset_classes(clean);
	int64_t *labels = malloc((size_t)n * sizeof *labels);
	nnopt_dataset *noisy = NULL;
	for (int64_t i = 0; i < n && labels != NULL; i++) {
		uint64_t r = (uint64_t)(i + 1) * 0x9e3779b97f4a7c15u;
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
		CHECK(nnopt_transforms_add_horizontal_flip(t, 0.5));
	}
	CHECK(nnopt_transforms_add_normalise(t, NULL, NULL, 0));
	return t;
}

static nnopt_model *new_model(const job *j, const int64_t shape[3], int64_t classes)
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
	CHECK(nnopt_model_build(m, 3, shape));
	return m;
}

static nnopt_model *train(const job *j, nnopt_dataset *data)
{
	nnopt_loader_options lo;
	nnopt_adam_options ao;
	nnopt_fit_options fo;
	nnopt_loader *loader = NULL;
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_schedule *schedule = NULL;
	nnopt_transforms *t = transforms(j, 1);
	int64_t shape[3];
	CHECK(nnopt_loader_options_init(&lo, sizeof lo));
	lo.shuffle = lo.drop_last = 1;
	CHECK(nnopt_loader_create(&loader, data, t, &lo));
	nnopt_transforms_destroy(t);
	CHECK(nnopt_loader_sample_shape(loader, shape));
	nnopt_model *m = new_model(j, shape, nnopt_dataset_classes(data));
	CHECK(nnopt_cross_entropy_create(&loss, j->ctx, NULL));
	CHECK(nnopt_adam_options_init(&ao, sizeof ao));
	ao.lr = 2e-3;
	CHECK(nnopt_adam_create(&adam, j->ctx, &ao));
	CHECK(nnopt_schedule_cosine_create(&schedule, j->ctx, j->epochs * nnopt_loader_batches(loader), 0.0));
	CHECK(nnopt_fit_options_init(&fo, sizeof fo));
	fo.epochs = j->epochs;
	fo.schedule = schedule;
	CHECK(nnopt_fit(m, loader, loss, adam, &fo, NULL));
	nnopt_schedule_destroy(schedule);
	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_loader_destroy(loader);
	return m;
}

static nnopt_status train_fold(nnopt_fold *fold, void *user)
{
	fold->model = train(user, fold->train);
	fold->transforms = transforms(user, 0);
	fprintf(stderr, "fold %lld of %lld trained\n", (long long)fold->index + 1, (long long)fold->folds);
	return NNOPT_OK;
}

static double accuracy_after(const job *j, nnopt_dataset *data)
{
	nnopt_model *m = train(j, data);
	nnopt_transforms *t = transforms(j, 0);
	nnopt_loader *loader = NULL;
	nnopt_evaluation e = { .struct_size = sizeof e };
	CHECK(nnopt_loader_create(&loader, j->test, t, NULL));
	CHECK(nnopt_evaluate(m, NULL, loader, NULL, NULL, &e));
	nnopt_loader_destroy(loader);
	nnopt_transforms_destroy(t);
	nnopt_model_destroy(m);
	return e.accuracy;
}

static void report(const nnopt_audit *audit, const uint8_t *wrong, int64_t samples)
{
	int64_t found = 0, right = 0, all = 0;
	printf("%lld findings:", (long long)nnopt_audit_count(audit));
	for (int32_t kind = 0; nnopt_finding_kind_name(kind) != NULL; kind++)
		if (nnopt_audit_count_kind(audit, kind) > 0)
			printf("  %s %lld", nnopt_finding_kind_name(kind), (long long)nnopt_audit_count_kind(audit, kind));
	printf("\n");
	for (int64_t i = 0, shown = 0; i < nnopt_audit_count(audit); i++) {
		nnopt_finding f = { .struct_size = sizeof f };
		CHECK(nnopt_audit_finding(audit, i, &f));
		if (f.kind == NNOPT_FINDING_LABEL) {
			found++;
			right += wrong[f.index];
		}
		if (shown++ < 10)
			printf("  %6lld %-14s %-8s %s\n", (long long)f.index, nnopt_finding_kind_name(f.kind),
			       nnopt_suggestion_name(f.suggestion), f.text);
	}
	for (int64_t i = 0; i < samples; i++)
		all += wrong[i];
	if (all > 0 && found > 0)
		printf("of %lld labels made wrong %lld were found: precision %.3f, recall %.3f\n", (long long)all, (long long)right,
		       (double)right / (double)found, (double)right / (double)all);
}

static void run(job *j)
{
	int64_t n = nnopt_dataset_count(j->train);
	uint8_t *wrong = calloc((size_t)n, 1);
	nnopt_audit_pictures_options po;
	nnopt_cross_validation_options co;
	nnopt_cross_validation *folds = NULL;
	nnopt_audit *audit = NULL;
	nnopt_dataset *noisy = spoil(j->train, j->noise, wrong), *mended = NULL;
	CHECK(nnopt_audit_create(&audit, noisy));
	CHECK(nnopt_audit_pictures_options_init(&po, sizeof po));
	po.against = j->test;
	CHECK(nnopt_audit_pictures(audit, &po));
	CHECK(nnopt_cross_validation_options_init(&co, sizeof co));
	co.folds = j->folds;
	co.train = train_fold;
	co.user = j;
	CHECK(nnopt_cross_validate(&folds, noisy, &co));
	CHECK(nnopt_audit_labels(audit, nnopt_cross_validation_probabilities(folds), NULL));
	report(audit, wrong, n);
	if (j->csv != NULL)
		CHECK(nnopt_audit_write_csv(audit, j->csv));
	CHECK(nnopt_audit_apply(&mended, audit, 0));
	printf("test accuracy, trained with what was given: %.2f %%\n", 100.0 * accuracy_after(j, noisy));
	printf("                     with what the audit left: %.2f %% (%lld of %lld samples)\n", 100.0 * accuracy_after(j, mended),
	       (long long)nnopt_dataset_count(mended), (long long)n);
	nnopt_dataset_destroy(mended);
	nnopt_cross_validation_destroy(folds);
	nnopt_audit_destroy(audit);
	nnopt_dataset_destroy(noisy);
	free(wrong);
}

int main(int argc, char **argv)
{
	job j = { .epochs = 8, .folds = 4, .noise = -1.0 };
	int folders = argc > 2 && strncmp(argv[1], "--", 2) != 0;
	for (int i = folders ? 3 : 1; i + 1 < argc; i += 2)
		if (strcmp(argv[i], "--noise") == 0)
			j.noise = atof(argv[i + 1]);
		else if (strcmp(argv[i], "--epochs") == 0)
			j.epochs = atoll(argv[i + 1]);
		else if (strcmp(argv[i], "--folds") == 0)
			j.folds = atoll(argv[i + 1]);
		else if (strcmp(argv[i], "--csv") == 0)
			j.csv = argv[i + 1];
	CHECK(nnopt_context_create(&j.ctx, NULL));
	if (folders) {
		nnopt_image_folder_options io;
		CHECK(nnopt_image_folder_options_init(&io, sizeof io));
		CHECK(nnopt_image_folder_open(&j.train, j.ctx, argv[1], &io));
		io.classes_from = argv[1];
		CHECK(nnopt_image_folder_open(&j.test, j.ctx, argv[2], &io));
		j.noise = j.noise < 0.0 ? 0.0 : j.noise;
	} else {
		j.train = draw_pictures(j.ctx, DRAWN, NULL);
		j.test = draw_pictures(j.ctx, DRAWN / 3, &j);
		j.noise = j.noise < 0.0 ? 0.2 : j.noise;
	}
	run(&j);
	nnopt_dataset_destroy(j.train);
	nnopt_dataset_destroy(j.test);
	nnopt_context_destroy(j.ctx);
	return EXIT_SUCCESS;
}
