/* nnopt_bench.c - how fast this library trains and infers on this machine, one line a case.
 *
 * usage: nnopt-bench [--json] [--filter TEXT] [--threads N] [--seconds S]
 * A case is warmed up, then timed in rounds of at least S / 5 seconds; the best round counts (others' work only ever adds
 * time), the slowest is printed beside it. Images per second, without loading or augmentation. */
#include "networks.h"

#include <getopt.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRY(call)                                                                               \
	do {                                                                                    \
		if ((call) != NNOPT_OK) {                                                       \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, nnopt_last_error()); \
			exit(EXIT_FAILURE);                                                     \
		}                                                                               \
	} while (0)

static int json;
static const char *filter = "";
static double seconds = 3.0;
static atomic_long allocations;

static void *counting_alloc(size_t size, size_t alignment, void *user)
{
	(void)user;
	atomic_fetch_add(&allocations, 1);
	return aligned_alloc(alignment, (size + alignment) / alignment * alignment);
}

static void counting_free(void *ptr, size_t size, void *user)
{
	(void)size;
	(void)user;
	free(ptr);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct bench {
	const network *what;
	nnopt_model *net;
	nnopt_plan *plan;
	nnopt_loss *loss;
	nnopt_optimizer *adam;
	nnopt_tensor *images, *labels;
} bench;

static void step(bench *b, int training)
{
	const nnopt_tensor *y = NULL;
	nnopt_loss_result r = { .struct_size = sizeof r };
	TRY(nnopt_plan_forward(b->plan, b->images, &y));
	if (!training)
		return;
	TRY(nnopt_loss_compute(b->loss, y, b->labels, 1.0f, nnopt_plan_output_gradient(b->plan), &r));
	TRY(nnopt_plan_backward(b->plan, 0));
	TRY(nnopt_optimizer_step(b->adam, b->net, 1.0f, NULL));
}

static void prepare(bench *b, nnopt_context *ctx, int64_t batch, int training)
{
	nnopt_plan_options p;
	const int64_t size = b->what->size;
	TRY(nnopt_model_create(&b->net, ctx));
	TRY(b->what->build(b->net));
	TRY(nnopt_plan_options_init(&p, sizeof p));
	p.batch = batch;
	p.rank = 3;
	p.shape[0] = 3;
	p.shape[1] = p.shape[2] = size;
	p.mode = training ? NNOPT_TRAINING : NNOPT_INFERENCE;
	TRY(nnopt_plan_create(&b->plan, b->net, &p));
	TRY(nnopt_cross_entropy_create(&b->loss, ctx, NULL));
	TRY(nnopt_adam_create(&b->adam, ctx, NULL));
	TRY(nnopt_tensor_create(&b->images, ctx, NNOPT_F32, 4, (const int64_t[]){ batch, 3, size, size }, NNOPT_NHWC));
	TRY(nnopt_tensor_create(&b->labels, ctx, NNOPT_I32, 1, &batch, NNOPT_NCHW));
	float *x = nnopt_tensor_data(b->images);
	for (int64_t i = 0; i < nnopt_tensor_count(b->images); i++)
		x[i] = sinf((float)(i % 10007));
	for (int64_t i = 0; i < batch; i++)
		((int32_t *)nnopt_tensor_data(b->labels))[i] = (int32_t)(i % 10);
}

static void finish(bench *b)
{
	nnopt_tensor_destroy(b->images);
	nnopt_tensor_destroy(b->labels);
	nnopt_optimizer_destroy(b->adam);
	nnopt_loss_destroy(b->loss);
	nnopt_plan_destroy(b->plan);
	nnopt_model_destroy(b->net);
}

static void run(nnopt_context *ctx, const network *what, int64_t batch, int training)
{
	char name[64];
	snprintf(name, sizeof name, "%s/%s/%lld", what->name, training ? "train" : "infer", (long long)batch);
	if (strstr(name, filter) == NULL)
		return;
	bench b = { .what = what };
	double begun = now();
	prepare(&b, ctx, batch, training);
	step(&b, training);
	double first = now() - begun, best = 0.0, worst = INFINITY;
	step(&b, training);
	long allocated = atomic_load(&allocations), steps = 0;
	for (int round = 0; round < 5; round++) {
		long done = 0;
		begun = now();
		do {
			step(&b, training);
			done++;
		} while (now() - begun < seconds / 5.0);
		double rate = (double)(done * batch) / (now() - begun);
		best = rate > best ? rate : best;
		worst = rate < worst ? rate : worst;
		steps += done;
	}
	nnopt_plan_info info = { .struct_size = sizeof info };
	TRY(nnopt_plan_get_info(b.plan, &info));
	double per_step = (double)(atomic_load(&allocations) - allocated) / (double)steps;
	/* Backward costs two forwards, but for the gradient of the pictures, which nobody asks for. */
	double flops = best * 2.0 * (double)info.macs * (training ? 3.0 : 1.0) * 1e-9;
	if (json)
		printf("{\"case\": \"%s\", \"precision\": \"f32\", \"unit\": \"img/s\", \"best\": %.1f, \"worst\": %.1f, \"gflops\": %.1f, "
		       "\"peak_bytes\": %llu, \"allocations_per_step\": %.3f, \"first_step_ms\": %.2f}\n",
		       name, best, worst, flops, (unsigned long long)info.peak_bytes, per_step, first * 1e3);
	else
		printf("%-24s %10.1f img/s  (worst round %10.1f)  %7.1f GFLOP/s  %7.1f MiB  %.0f allocations a step  first step after %7.2f ms\n",
		       name, best, worst, flops, (double)info.peak_bytes / 1048576.0, per_step, first * 1e3);
	fflush(stdout);
	finish(&b);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
		                                 { "filter", required_argument, NULL, 'f' },
		                                 { "threads", required_argument, NULL, 't' },
		                                 { "seconds", required_argument, NULL, 's' },
		                                 { NULL, 0, NULL, 0 } };
	nnopt_context_options o;
	nnopt_context *ctx = NULL;
	TRY(nnopt_context_options_init(&o, sizeof o));
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		json = json || c == 'j';
		filter = c == 'f' ? optarg : filter;
		o.threads = c == 't' ? atoi(optarg) : o.threads;
		seconds = c == 's' ? atof(optarg) : seconds;
		if (c == '?')
			return EXIT_FAILURE;
	}
	o.alloc = counting_alloc;
	o.free = counting_free;
	TRY(nnopt_context_create(&ctx, &o));
	if (!json)
		printf("%s\n%d threads, %s, f32\n", nnopt_build_info(), (int)nnopt_context_threads(ctx), nnopt_isa_name(nnopt_context_isa(ctx)));
	for (int i = 0; i < network_count; i++) {
		run(ctx, &networks[i], networks[i].batch, 1);
		run(ctx, &networks[i], 64, 0);
		run(ctx, &networks[i], 1, 0);
	}
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
