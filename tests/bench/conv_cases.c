/* conv_cases.c - one convolution at a time, by pass, through the public interface: a model of that layer alone. The
 * data gradient is a backward with the weights frozen, the weight gradient one without the input's gradient. FLOPs are
 * those of the direct algorithm, so one that needs fewer may pass the machine's peak. */
#include "bench.h"

#include <math.h>

typedef struct shape {
	const char *network;
	int64_t batch, from, to, size, stride;
	int bias, depthwise;
} shape;

/* The different ones; names say which network has it first. */
static const shape shapes[] = {
	{ "baseline", 64, 3, 32, 32, 1, 1, 0 },        { "baseline", 64, 32, 64, 16, 1, 1, 0 },
	{ "resnet20", 128, 16, 16, 32, 1, 0, 0 },      { "resnet20", 128, 32, 32, 16, 1, 0, 0 },
	{ "resnet20", 128, 16, 32, 32, 2, 0, 0 },      { "resnet20", 128, 64, 64, 8, 1, 0, 0 },
	{ "resnet18", 128, 3, 64, 32, 1, 0, 0 },       { "resnet18", 128, 64, 64, 32, 1, 0, 0 },
	{ "resnet18", 128, 64, 128, 32, 2, 0, 0 },     { "resnet18", 128, 128, 128, 16, 1, 0, 0 },
	{ "resnet18", 128, 128, 256, 16, 2, 0, 0 },    { "resnet18", 128, 256, 256, 8, 1, 0, 0 },
	{ "resnet18", 128, 256, 512, 8, 2, 0, 0 },     { "resnet18", 128, 512, 512, 4, 1, 0, 0 },
	{ "vgg11", 128, 64, 128, 16, 1, 0, 0 },        { "vgg11", 128, 128, 256, 8, 1, 0, 0 },
	{ "vgg11", 128, 256, 512, 4, 1, 0, 0 },        { "vgg11", 128, 512, 512, 2, 1, 0, 0 },
	{ "mobilenetv2", 128, 144, 144, 32, 1, 0, 1 }, { "mobilenetv2", 128, 144, 144, 32, 2, 0, 1 },
	{ "mobilenetv2", 128, 192, 192, 16, 1, 0, 1 }, { "mobilenetv2", 128, 384, 384, 8, 1, 0, 1 },
	{ "mobilenetv2", 128, 960, 960, 4, 1, 0, 1 },
};

enum { FORWARD, DATA, WEIGHTS };
static const char *const passes[] = { "forward", "data", "weights" };

typedef struct conv_run {
	nnopt_plan *plan;
	nnopt_tensor *input;
	int pass;
} conv_run;

static double one_pass(void *user)
{
	conv_run *run = user;
	const nnopt_tensor *y = NULL;
	double begun = now();
	TRY(nnopt_plan_forward(run->plan, run->input, &y));
	if (run->pass == FORWARD)
		return now() - begun;
	begun = now();
	TRY(nnopt_plan_backward(run->plan, 0));
	return now() - begun;
}

static void fill(nnopt_tensor *t)
{
	float *x = nnopt_tensor_data(t);
	for (int64_t i = 0; i < nnopt_tensor_count(t); i++)
		x[i] = sinf((float)(i % 10007));
}

static nnopt_model *one_layer(nnopt_context *context, const shape *s, int pass)
{
	nnopt_model *net = NULL;
	nnopt_conv2d_options o;
	TRY(nnopt_conv2d_options_init(&o, sizeof o));
	o.padding_mode = NNOPT_PADDING_SAME;
	o.stride_h = o.stride_w = s->stride;
	o.use_bias = s->bias;
	o.groups = s->depthwise ? s->from : 1;
	TRY(nnopt_model_create(&net, context));
	TRY(nnopt_add_conv2d(net, s->to, 3, &o));
	TRY(nnopt_model_build(net, 3, (const int64_t[]){ s->from, s->size, s->size }));
	if (pass == DATA)
		TRY(nnopt_model_set_trainable(net, "", 0, NULL));
	return net;
}

static void run_pass(nnopt_context *context, const shape *s, int pass, const char *name)
{
	nnopt_model *net = one_layer(context, s, pass);
	nnopt_plan_options p;
	conv_run run = { .pass = pass };
	const nnopt_tensor *y = NULL;
	TRY(nnopt_plan_options_init(&p, sizeof p));
	p.batch = s->batch;
	p.mode = NNOPT_TRAINING;
	p.precision = bench.precision;
	p.input_gradient = pass != WEIGHTS;
	TRY(nnopt_plan_create(&run.plan, net, &p));
	TRY(nnopt_tensor_create(&run.input, context, NNOPT_F32, 4,
				(const int64_t[]){ s->batch, s->from, s->size, s->size }, NNOPT_NHWC));
	fill(run.input);
	TRY(nnopt_plan_forward(run.plan, run.input, &y));
	fill(nnopt_plan_output_gradient(run.plan));
	nnopt_plan_info info = { .struct_size = sizeof info };
	TRY(nnopt_plan_get_info(run.plan, &info));
	timing t = measure(one_pass, &run);
	double flops = 2.0 * (double)info.macs * (double)s->batch * 1e-9,
	       peak = machine_peak((int)nnopt_context_isa(context), nnopt_context_threads(context), bench.precision);
	/* Each pass has two pictures to read or write. */
	int64_t out = (s->size + s->stride - 1) / s->stride;
	double bytes = 4e-9 * (double)s->batch * (double)(s->from * s->size * s->size + s->to * out * out);
	const extra more[] = { { "share_of_peak", flops / t.best / peak, 3 },
			       { "microseconds", t.best * 1e6, 1 },
			       { "gb_per_s", bytes / t.best, 1 } };
	report(name, "GFLOP/s", flops / t.best, flops / t.worst, more, 3);
	nnopt_tensor_destroy(run.input);
	nnopt_plan_destroy(run.plan);
	nnopt_model_destroy(net);
}

void conv_cases(nnopt_context *context)
{
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		for (int pass = FORWARD; pass <= WEIGHTS; pass++) {
			const shape *s = &shapes[i];
			char name[80];
			snprintf(name, sizeof name, "conv/%s/%s%lld-%lld@%lld%s/%s", s->network,
				 s->depthwise ? "each-" : "", (long long)s->from, (long long)s->to, (long long)s->size,
				 s->stride == 2 ? "/2" : "", passes[pass]);
			if (wanted(name))
				run_pass(context, s, pass, name);
		}
}
