/* 22_imbalanced_classes.c - ten classes of which the last have a fiftieth of the first one's pictures, and what helps
 * the rare ones: weights in the loss, focal loss, and samplers that draw them more often. Recall tells what accuracy
 * hides.
 *
 * usage: 22_imbalanced_classes [EPOCHS]
 * One seed: a difference of a few points wants others before it is believed. */
#include "shapes.h"

#include <math.h>

enum { MOST = 300, LEAST = 6, TEST = 2000 };

/* Class c has MOST (LEAST / MOST)^(c / 9) pictures. */
static nnopt_dataset *make_rare(nnopt_context *ctx, int64_t count[SHAPES])
{
	nnopt_dataset *all = make_shapes(ctx, MOST * SHAPES, 1), *part = NULL;
	static int64_t kept[MOST * SHAPES];
	int64_t n = 0, seen[SHAPES] = { 0 };
	for (int c = 0; c < SHAPES; c++)
		count[c] = (int64_t)(MOST * pow((double)LEAST / MOST, c / (SHAPES - 1.0)) + 0.5);
	for (int64_t i = 0; i < MOST * SHAPES; i++) {
		int64_t label = nnopt_dataset_label(all, i);
		if (seen[label]++ < count[label])
			kept[n++] = i;
	}
	CHECK(nnopt_dataset_subset(&part, all, kept, n));
	nnopt_dataset_destroy(all);
	return part;
}

/* Mean recall of classes [from, to). */
static double recall(const nnopt_metrics *metrics, int64_t from, int64_t to)
{
	double sum = 0.0;
	for (int64_t c = from; c < to; c++) {
		nnopt_class_metrics m = { .struct_size = sizeof m };
		CHECK(nnopt_metrics_class(metrics, c, &m));
		sum += m.recall;
	}
	return 100.0 * sum / (double)(to - from);
}

static void try_out(nnopt_context *ctx, const char *name, nnopt_dataset *data, nnopt_loader *test, nnopt_loss *loss,
		    int32_t sampler, const double *weights, int64_t epochs)
{
	nnopt_loader_options o;
	nnopt_loader *train = NULL;
	nnopt_model *net = make_shapes_network(ctx);
	nnopt_optimizer *adam = NULL;
	nnopt_metrics *metrics = NULL;
	nnopt_fit_options fit;
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 32;
	o.shuffle = sampler == NNOPT_SAMPLER_ORDER; /* the others draw */
	o.sampler = sampler;
	o.weights = weights;
	o.weight_count = weights != NULL ? nnopt_dataset_count(data) : 0;
	CHECK(nnopt_loader_create(&train, data, NULL, &o));
	CHECK(nnopt_adam_create(&adam, ctx, NULL));
	CHECK(nnopt_fit_options_init(&fit, sizeof fit));
	CHECK(nnopt_schedule_cosine_create(&fit.schedule, ctx, epochs * nnopt_loader_batches(train), 0.0));
	fit.epochs = epochs;
	CHECK(nnopt_fit(net, train, loss, adam, &fit, NULL));
	CHECK(nnopt_metrics_create(&metrics, ctx, SHAPES));
	CHECK(nnopt_evaluate(net, NULL, test, NULL, metrics, NULL));
	printf("%-34s %7.1f %% %11.1f %% %10.1f %%\n", name, recall(metrics, 0, SHAPES), recall(metrics, 0, 3),
	       recall(metrics, SHAPES - 3, SHAPES));
	nnopt_metrics_destroy(metrics);
	nnopt_schedule_destroy(fit.schedule);
	nnopt_optimizer_destroy(adam);
	nnopt_model_destroy(net);
	nnopt_loader_destroy(train);
}

int main(int argc, char **argv)
{
	int64_t epochs = 25, count[SHAPES];
	read_arguments(argc, argv, "[EPOCHS]", (const argument[]){ { .number = &epochs, .least = 1 }, { 0 } });
	nnopt_context *ctx = NULL;
	CHECK(nnopt_context_create(&ctx, NULL));
	nnopt_dataset *data = make_rare(ctx, count);
	nnopt_loader *test = open_pictures(ctx, NULL, NNOPT_SPLIT_TEST, TEST, 0);
	int64_t n = nnopt_dataset_count(data);

	/* "Effective numbers" between no weights and 1 / count: Cui et al. 2019 find the ends too extreme. */
	float class_weights[SHAPES];
	double *weights = malloc((size_t)n * sizeof *weights);
	for (int c = 0; c < SHAPES; c++)
		class_weights[c] = (float)((1.0 - 0.99) / (1.0 - pow(0.99, (double)count[c])));
	for (int64_t i = 0; i < n && weights != NULL; i++)
		weights[i] = 1.0 / sqrt((double)count[nnopt_dataset_label(data, i)]);

	nnopt_cross_entropy_options weighted;
	nnopt_loss *plain = NULL, *by_class = NULL, *focal = NULL;
	CHECK(nnopt_cross_entropy_create(&plain, ctx, NULL));
	CHECK(nnopt_cross_entropy_options_init(&weighted, sizeof weighted));
	weighted.class_weights = class_weights;
	weighted.class_weight_count = SHAPES;
	CHECK(nnopt_cross_entropy_create(&by_class, ctx, &weighted));
	CHECK(nnopt_focal_create(&focal, ctx, NULL)); /* gamma 2: what is easy counts little */

	printf("%lld pictures, %lld of the commonest class, %lld of the rarest\n", (long long)n, (long long)count[0],
	       (long long)count[SHAPES - 1]);
	printf("%-34s %9s %13s %12s\n", "recall of", "all", "3 commonest", "3 rarest");
	try_out(ctx, "cross-entropy", data, test, plain, NNOPT_SAMPLER_ORDER, NULL, epochs);
	try_out(ctx, "cross-entropy, class weights", data, test, by_class, NNOPT_SAMPLER_ORDER, NULL, epochs);
	try_out(ctx, "focal loss", data, test, focal, NNOPT_SAMPLER_ORDER, NULL, epochs);
	try_out(ctx, "sampler by class", data, test, plain, NNOPT_SAMPLER_CLASS_BALANCED, NULL, epochs);
	try_out(ctx, "sampler by weight 1 / sqrt(count)", data, test, plain, NNOPT_SAMPLER_WEIGHTED, weights, epochs);

	free(weights);
	nnopt_loss_destroy(focal);
	nnopt_loss_destroy(by_class);
	nnopt_loss_destroy(plain);
	nnopt_loader_destroy(test);
	nnopt_dataset_destroy(data);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
