/* 26_votes.c - labels that several people gave, who do not always agree: trained with the share of the votes of each
 * class (KL divergence) instead of what most said (cross-entropy): the network learns how sure people are, not only
 * what they say.
 *
 * usage: 26_votes [EPOCHS]
 * One seed: a difference of a few points wants others before it is believed. */
#include "shapes.h"

#include <math.h>

enum { TRAINING = 1000, TEST = 1000, BATCH = 32, VOTERS = 5 };

/* What people take for one another: disc and diamond, ring and frame, square and triangle, the crosses, the bars. */
static const int alike[SHAPES] = { 8, 3, 9, 1, 5, 4, 7, 6, 0, 2 };

/* Shares of the votes, a row a sample; each vote is wrong with probability 0.35. */
static float *collect_votes(nnopt_dataset *data)
{
	float *votes = calloc(TRAINING * SHAPES, sizeof *votes);
	uint32_t seed = 11;
	if (votes == NULL)
		exit(EXIT_FAILURE);
	for (int64_t i = 0; i < TRAINING; i++)
		for (int v = 0; v < VOTERS; v++) {
			int64_t label = nnopt_dataset_label(data, i);
			votes[i * SHAPES + (next_random(&seed) % 100 < 35 ? alike[label] : label)] += 1.0f / VOTERS;
		}
	return votes;
}

/* A loop of one's own: the loader tells which samples are in a batch, and so what targets the loss is given. */
static void train(nnopt_model *net, nnopt_loader *loader, const float *votes, int shares, int64_t epochs)
{
	nnopt_context *ctx = nnopt_model_context(net);
	nnopt_plan_options p;
	nnopt_plan *plan = NULL;
	nnopt_loss *loss = NULL;
	nnopt_optimizer *adam = NULL;
	nnopt_schedule *cosine = NULL;
	CHECK(nnopt_loader_plan_options(&p, sizeof p, loader));
	p.mode = NNOPT_TRAINING;
	CHECK(nnopt_plan_create(&plan, net, &p));
	CHECK(shares ? nnopt_kl_divergence_create(&loss, ctx, NNOPT_REDUCTION_MEAN)
		     : nnopt_cross_entropy_create(&loss, ctx, NULL));
	CHECK(nnopt_adam_create(&adam, ctx, NULL));
	CHECK(nnopt_schedule_cosine_create(&cosine, ctx, epochs * nnopt_loader_batches(loader), 0.0));
	for (int64_t epoch = 0; epoch < epochs; epoch++) {
		const nnopt_batch *batch = NULL;
		CHECK(nnopt_loader_start(loader, epoch, 0));
		for (;;) {
			CHECK(nnopt_loader_next(loader, &batch));
			if (batch == NULL)
				break;
			const nnopt_tensor *logits = NULL;
			nnopt_tensor *targets = NULL;
			nnopt_loss_result r = { .struct_size = sizeof r };
			CHECK(nnopt_tensor_create(&targets, ctx, NNOPT_F32, 2,
						  (const int64_t[]){ batch->count, SHAPES }, NNOPT_NCHW));
			float *to = nnopt_tensor_data(targets);
			for (int64_t i = 0; i < batch->count; i++) {
				const float *row = votes + batch->indices[i] * SHAPES;
				int most = 0;
				for (int c = 1; c < SHAPES; c++)
					most = row[c] > row[most] ? c : most;
				for (int c = 0; c < SHAPES; c++)
					to[i * SHAPES + c] = shares ? row[c] : (float)(c == most);
			}
			CHECK(nnopt_plan_forward(plan, batch->images, &logits));
			CHECK(nnopt_loss_compute(loss, logits, targets, 1.0f, nnopt_plan_output_gradient(plan), &r));
			CHECK(nnopt_optimizer_set_lr(
			    adam, 2e-3 * nnopt_schedule_factor(cosine, nnopt_optimizer_steps(adam))));
			CHECK(nnopt_optimizer_backward_step(adam, plan, NULL));
			nnopt_tensor_destroy(targets);
		}
	}
	nnopt_schedule_destroy(cosine);
	nnopt_optimizer_destroy(adam);
	nnopt_loss_destroy(loss);
	nnopt_plan_destroy(plan);
}

/* Accuracy by the true classes; mean probabilities of the true class and of the one it is taken for; and how far all
 * are from the shares that many voters would give, as a divergence. */
static void report(const char *name, nnopt_model *net, nnopt_dataset *data, nnopt_loader *test)
{
	nnopt_tensor *p = NULL;
	double right = 0.0, taken = 0.0, divergence = 0.0;
	nnopt_evaluation e = { .struct_size = sizeof e };
	CHECK(nnopt_evaluate(net, NULL, test, NULL, NULL, &e));
	CHECK(nnopt_predict(&p, net, NULL, test, 1));
	const float *row = nnopt_tensor_const_data(p);
	for (int64_t i = 0; i < TEST; i++, row += SHAPES) {
		int64_t label = nnopt_dataset_label(data, i);
		double a = row[label], b = row[alike[label]];
		right += a / TEST;
		taken += b / TEST;
		divergence += (0.65 * log(0.65 / fmax(a, 1e-9)) + 0.35 * log(0.35 / fmax(b, 1e-9))) / TEST;
	}
	printf("%-26s %8.1f %% %10.1f %% %10.1f %% %12.3f\n", name, 100.0 * e.accuracy, 100.0 * right, 100.0 * taken,
	       divergence);
	nnopt_tensor_destroy(p);
}

int main(int argc, char **argv)
{
	int64_t epochs = 30;
	read_arguments(argc, argv, "[EPOCHS]", (const argument[]){ { .number = &epochs, .least = 1 }, { 0 } });
	nnopt_context *ctx = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	CHECK(nnopt_context_create(&ctx, NULL));
	nnopt_dataset *data = make_shapes(ctx, TRAINING, 1);
	nnopt_loader *test = open_pictures(ctx, NULL, NNOPT_SPLIT_TEST, TEST, 0);
	CHECK(nnopt_loader_options_init(&o, sizeof o));
	o.batch = BATCH;
	o.shuffle = 1;
	CHECK(nnopt_loader_create(&loader, data, NULL, &o));
	float *votes = collect_votes(data);
	printf("%-26s %10s %12s %12s %12s\n", "trained with", "accuracy", "the class", "taken for", "divergence");
	for (int shares = 0; shares < 2; shares++) {
		nnopt_model *net = make_shapes_network(ctx);
		train(net, loader, votes, shares, epochs);
		report(shares ? "the shares of the votes" : "what most people said", net, nnopt_loader_dataset(test),
		       test);
		nnopt_model_destroy(net);
	}
	free(votes);
	nnopt_loader_destroy(loader);
	nnopt_loader_destroy(test);
	nnopt_dataset_destroy(data);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
