/* 07_profile.c - where a training step's time goes: a plan's profile, its dearest ops, what its choices are worth.
 *
 * usage: 07_profile [STEPS]
 * The pictures show nothing and have one label: what a step costs does not depend on it. */
#include "example.h"

#include <math.h>
#include <time.h>

#define BATCH 32

typedef struct trainer {
	nnopt_model *net;
	nnopt_tensor *images, *labels;
	nnopt_loss *loss;
	nnopt_optimizer *sgd;
} trainer;

/* conv - bn - relu twice and a pooling, in three widths; then a linear layer. */
static nnopt_model *make_network(nnopt_context *ctx)
{
	nnopt_model *net = NULL;
	nnopt_conv2d_options same;
	CHECK(nnopt_conv2d_options_init(&same, sizeof same));
	same.padding_mode = NNOPT_PADDING_SAME;
	same.use_bias = 0; /* batch norm follows */
	CHECK(nnopt_model_create(&net, ctx));
	for (int i = 0; i < 6; i++) {
		CHECK(nnopt_add_conv2d(net, 16 << i / 2, 3, &same));
		CHECK(nnopt_add_batch_norm2d(net, NULL));
		CHECK(nnopt_add_relu(net));
		if (i % 2 == 1)
			CHECK(nnopt_add_max_pool2d(net, 2, NULL));
	}
	CHECK(nnopt_add_flatten(net));
	CHECK(nnopt_add_linear(net, 10, NULL));
	CHECK(nnopt_model_build(net, 3, (const int64_t[]){ 3, 32, 32 }));
	return net;
}

/* One training step; its milliseconds. */
static double step(const trainer *t, nnopt_plan *plan)
{
	struct timespec begun, done;
	const nnopt_tensor *logits = NULL;
	nnopt_loss_result r = { .struct_size = sizeof r };
	clock_gettime(CLOCK_MONOTONIC, &begun);
	CHECK(nnopt_plan_forward(plan, t->images, &logits));
	CHECK(nnopt_loss_compute(t->loss, logits, t->labels, 1.0f, nnopt_plan_output_gradient(plan), &r));
	CHECK(nnopt_plan_backward(plan, 0));
	CHECK(nnopt_optimizer_step(t->sgd, t->net, 1.0f, NULL));
	clock_gettime(CLOCK_MONOTONIC, &done);
	return 1e3 * (double)(done.tv_sec - begun.tv_sec) + 1e-6 * (double)(done.tv_nsec - begun.tv_nsec);
}

static double seconds(const nnopt_op_profile *p) { return p->forward_seconds + p->backward_seconds; }
static int dearer(const void *a, const void *b) { return (seconds(a) < seconds(b)) - (seconds(a) > seconds(b)); }

/* The three ops that took most. Multiply-accumulates, two FLOPs each, are told for one picture, bytes for a batch. */
static void print_dearest(const nnopt_plan *plan)
{
	nnopt_plan_info info = { .struct_size = sizeof info };
	CHECK(nnopt_plan_get_info(plan, &info));
	nnopt_op_profile ops[32]; /* this network has fewer */
	double total = 0.0;
	for (int32_t i = 0; i < info.nodes; i++) {
		ops[i].struct_size = sizeof *ops;
		CHECK(nnopt_plan_get_op_profile(plan, i, &ops[i]));
		total += seconds(&ops[i]);
	}
	qsort(ops, (size_t)info.nodes, sizeof *ops, dearer);
	for (const nnopt_op_profile *p = ops; p < ops + 3; p++) {
		double flops = 2.0 * BATCH * (double)(p->forward_macs + p->backward_macs) * (double)p->forwards;
		double bytes = (double)(p->forward_bytes + p->backward_bytes) * (double)p->forwards;
		printf("%s (%s%s): %.1f%% of the ops' time, %.1f GFLOP/s, %.1f GB/s\n", p->layer, p->kind, p->fused,
		       100.0 * seconds(p) / total, 1e-9 * flops / seconds(p), 1e-9 * bytes / seconds(p));
	}
}

int main(int argc, char **argv)
{
	int64_t steps = 20;
	read_arguments(argc, argv, "[STEPS]", (const argument[]){ { .number = &steps, .least = 1 }, { 0 } });
	static char text[16384];
	nnopt_context *ctx = NULL;
	trainer t = { NULL };
	CHECK(nnopt_context_create(&ctx, NULL));
	CHECK(nnopt_tensor_create(&t.images, ctx, NNOPT_F32, 4, (const int64_t[]){ BATCH, 3, 32, 32 }, NNOPT_NHWC));
	CHECK(nnopt_tensor_create(&t.labels, ctx, NNOPT_I32, 1, (const int64_t[]){ BATCH }, NNOPT_NCHW)); /* 0 */
	for (int64_t i = 0; i < nnopt_tensor_count(t.images); i++)
		((float *)nnopt_tensor_data(t.images))[i] = (float)(i * i % 1009) / 1009.0f - 0.5f;
	CHECK(nnopt_cross_entropy_create(&t.loss, ctx, NULL));
	CHECK(nnopt_sgd_create(&t.sgd, ctx, NULL));
	t.net = make_network(ctx);

	/* Two plans of the same parameters: all that a plan can choose, and each layer by itself in plain sums. */
	nnopt_plan *plan = NULL, *plain = NULL;
	nnopt_plan_options p;
	CHECK(nnopt_plan_options_init(&p, sizeof p));
	p.batch = BATCH;
	p.mode = NNOPT_TRAINING;
	CHECK(nnopt_plan_create(&plan, t.net, &p));
	p.fuse = p.winograd = 0;
	CHECK(nnopt_plan_create(&plain, t.net, &p));

	/* In turns, and the fastest of each: other programs only ever make a step slower. */
	double fast = INFINITY, slow = INFINITY;
	for (int64_t i = 0; i < steps; i++) {
		fast = fmin(fast, step(&t, plan));
		slow = fmin(slow, step(&t, plain));
	}
	CHECK(nnopt_plan_set_profiling(plan, 1)); /* only now is the clock looked at, twice an op */
	for (int64_t i = 0; i < steps; i++)
		(void)step(&t, plan);
	CHECK(nnopt_plan_set_profiling(plan, 0)); /* the sums can still be read */
	CHECK(nnopt_plan_profile_text(plan, text, sizeof text, NULL));
	printf("%s\n", text);
	print_dearest(plan);
	printf("\na step: %.2f ms; fuse = 0, winograd = 0: %.2f ms, %.2f times as long\n\n", fast, slow, slow / fast);
	CHECK(nnopt_plan_summary(plan, text, sizeof text, NULL));
	printf("%s", text);
	nnopt_plan_destroy(plain);
	nnopt_plan_destroy(plan);
	nnopt_optimizer_destroy(t.sgd);
	nnopt_loss_destroy(t.loss);
	nnopt_model_destroy(t.net);
	nnopt_tensor_destroy(t.labels);
	nnopt_tensor_destroy(t.images);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
