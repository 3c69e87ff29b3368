/* network_cases.c - whole networks, training and inference: images a second without loading or augmentation. */
#include "bench.h"

#include <math.h>

trial trial_start(nnopt_context *context, const network *what, int64_t batch, int training)
{
	trial t = { .training = training };
	nnopt_plan_options p;
	TRY(network_create(&t.net, context, what));
	TRY(nnopt_plan_options_init(&p, sizeof p));
	p.batch = batch;
	p.rank = 3;
	p.shape[0] = 3;
	p.shape[1] = p.shape[2] = what->size;
	p.mode = training ? NNOPT_TRAINING : NNOPT_INFERENCE;
	p.constant = !training;
	p.precision = bench.precision;
	TRY(nnopt_plan_create(&t.plan, t.net, &p));
	TRY(nnopt_cross_entropy_create(&t.loss, context, NULL));
	TRY(nnopt_adam_create(&t.adam, context, NULL));
	TRY(nnopt_tensor_create(&t.images, context, NNOPT_F32, 4, (const int64_t[]){ batch, 3, what->size, what->size },
				NNOPT_NHWC));
	TRY(nnopt_tensor_create(&t.labels, context, NNOPT_I32, 1, &batch, NNOPT_NCHW));
	float *x = nnopt_tensor_data(t.images);
	for (int64_t i = 0; i < nnopt_tensor_count(t.images); i++)
		x[i] = i < 10007 ? sinf((float)i) : x[i - 10007];
	for (int64_t i = 0; i < batch; i++)
		((int32_t *)nnopt_tensor_data(t.labels))[i] = (int32_t)(i % 10);
	return t;
}

void trial_step(trial *t)
{
	const nnopt_tensor *y = NULL;
	nnopt_loss_result r = { .struct_size = sizeof r };
	TRY(nnopt_plan_forward(t->plan, t->images, &y));
	if (!t->training)
		return;
	TRY(nnopt_loss_compute(t->loss, y, t->labels, 1.0f, nnopt_plan_output_gradient(t->plan), &r));
	TRY(nnopt_optimizer_backward_step(t->adam, t->plan, NULL));
}

void trial_end(trial *t)
{
	nnopt_tensor_destroy(t->images);
	nnopt_tensor_destroy(t->labels);
	nnopt_optimizer_destroy(t->adam);
	nnopt_loss_destroy(t->loss);
	nnopt_plan_destroy(t->plan);
	nnopt_model_destroy(t->net);
}

static double timed_step(void *user)
{
	trial_step(user);
	return -1.0;
}

/* Allocations of a step once all has been taken that lasts: 0 is promised. */
static double allocations_per_step(const network *what, int64_t batch, int training)
{
	nnopt_context *context = open_context(1);
	trial t = trial_start(context, what, batch, training);
	trial_step(&t);
	long before = allocations_so_far();
	trial_step(&t);
	trial_step(&t);
	double each = (double)(allocations_so_far() - before) / 2.0;
	trial_end(&t);
	nnopt_context_destroy(context);
	return each;
}

/* Times of its ops: a table for people, a line an op for machines. */
static void profile(trial *t, const char *name)
{
	static char text[1 << 16];
	nnopt_plan_info info = { .struct_size = sizeof info };
	TRY(nnopt_plan_set_profiling(t->plan, 1));
	(void)measure(timed_step, t);
	TRY(nnopt_plan_profile_text(t->plan, text, sizeof text, NULL));
	if (!bench.json)
		fputs(text, stdout);
	TRY(nnopt_plan_get_info(t->plan, &info));
	for (int32_t i = 0; bench.json && i < info.nodes; i++) {
		nnopt_op_profile p = { .struct_size = sizeof p };
		TRY(nnopt_plan_get_op_profile(t->plan, i, &p));
		double back = p.backwards > 0 ? p.backward_seconds / (double)p.backwards : 0.0;
		printf("{\"case\": \"%s\", \"op\": \"%s\", \"kind\": \"%s%s\", \"forward_us\": %.2f, "
		       "\"backward_us\": %.2f, \"forward_macs\": %lld, \"backward_macs\": %lld, "
		       "\"forward_bytes\": %llu, \"backward_bytes\": %llu}\n",
		       name, p.layer, p.kind, p.fused, p.forward_seconds / (double)p.forwards * 1e6, back * 1e6,
		       (long long)p.forward_macs, (long long)p.backward_macs, (unsigned long long)p.forward_bytes,
		       (unsigned long long)p.backward_bytes);
	}
	TRY(nnopt_plan_set_profiling(t->plan, 0));
}

static void run(nnopt_context *context, const network *what, int64_t batch, int training)
{
	char name[64];
	snprintf(name, sizeof name, "%s/%s/%lld", what->name, training ? "train" : "infer", (long long)batch);
	if (!wanted(name))
		return;
	double allocations = allocations_per_step(what, batch, training);
	trial t = trial_start(context, what, batch, training);
	timing time = measure(timed_step, &t);
	nnopt_plan_info info = { .struct_size = sizeof info };
	TRY(nnopt_plan_get_info(t.plan, &info));
	/* Backward costs two forwards, but for the gradient of the pictures, which nobody asks for. */
	double flops = 2.0 * (double)info.macs * (double)batch * (training ? 3.0 : 1.0) * 1e-9 / time.best,
	       peak = machine_peak((int)nnopt_context_isa(context), nnopt_context_threads(context), bench.precision);
	const extra more[] = { { "gflops", flops, 1 },
			       { "share_of_peak", flops / peak, 3 },
			       { "peak_mib", (double)info.peak_bytes / 1048576.0, 1 },
			       { "allocations_per_step", allocations, 1 } };
	report(name, "img/s", (double)batch / time.best, (double)batch / time.worst, more, 4);
	if (bench.profile)
		profile(&t, name);
	trial_end(&t);
}

void network_cases(nnopt_context *context)
{
	for (int i = 0; i < network_count; i++) {
		run(context, &networks[i], networks[i].batch, 1);
		run(context, &networks[i], 64, 0);
		run(context, &networks[i], 1, 0);
	}
}
