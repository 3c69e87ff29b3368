/* optimizer_cases.c - one update of 16 million parameters by each optimizer: how much of the memory's rate it reaches,
 * each byte of weights, gradients and slots counted as often as a step must move it. Muon's time is arithmetic instead.
 */
#include "bench.h"

#include <string.h>

typedef struct update_trial {
	nnopt_model *net;
	nnopt_optimizer *optimizer;
} update_trial;

static double one_update(void *user)
{
	const update_trial *t = user;
	TRY(nnopt_optimizer_step(t->optimizer, t->net, 1.0f, NULL));
	return -1.0;
}

enum { SIDE = 512, LAYERS = 64 };

static nnopt_model *make_layers(nnopt_context *context)
{
	nnopt_model *net = NULL;
	nnopt_plan *plan = NULL;
	nnopt_plan_options p;
	nnopt_model_blocks blocks = { .struct_size = sizeof blocks };
	TRY(nnopt_model_create(&net, context));
	for (int i = 0; i < LAYERS; i++)
		TRY(nnopt_add_linear(net, SIDE, NULL));
	TRY(nnopt_plan_options_init(&p, sizeof p));
	p.rank = 1;
	p.shape[0] = SIDE;
	p.mode = NNOPT_TRAINING;
	TRY(nnopt_plan_create(&plan, net, &p));
	nnopt_plan_destroy(plan);
	TRY(nnopt_model_get_blocks(net, &blocks));
	for (int64_t i = 0; i < blocks.parameter_elements; i++)
		blocks.gradients[i] = 1e-3f * (float)(i % 7);
	return net;
}

typedef struct update_case {
	const char *name;
	double floats; /* that a step reads and writes of each weight: gradients twice, for their norm */
} update_case;

static nnopt_optimizer *make_optimizer(nnopt_context *context, const char *kind)
{
	nnopt_optimizer *o = NULL;
	nnopt_sgd_options sgd;
	TRY(nnopt_sgd_options_init(&sgd, sizeof sgd));
	sgd.momentum = 0.9;
	TRY(strcmp(kind, "sgd") == 0       ? nnopt_sgd_create(&o, context, &sgd)
	    : strcmp(kind, "adam") == 0    ? nnopt_adam_create(&o, context, NULL)
	    : strcmp(kind, "rmsprop") == 0 ? nnopt_rmsprop_create(&o, context, NULL)
	    : strcmp(kind, "adagrad") == 0 ? nnopt_adagrad_create(&o, context, NULL)
	    : strcmp(kind, "nadam") == 0   ? nnopt_nadam_create(&o, context, NULL)
	    : strcmp(kind, "lion") == 0    ? nnopt_lion_create(&o, context, NULL)
	    : strcmp(kind, "lamb") == 0    ? nnopt_lamb_create(&o, context, NULL)
					   : nnopt_muon_create(&o, context, NULL));
	return o;
}

static void run(nnopt_context *context, nnopt_model *net, const update_case *which)
{
	char name[64];
	nnopt_model_blocks blocks = { .struct_size = sizeof blocks };
	update_trial t = { net, make_optimizer(context, which->name) };
	snprintf(name, sizeof name, "optimizer/%s", which->name);
	TRY(nnopt_model_get_blocks(net, &blocks));
	timing time = measure(one_update, &t);
	double bytes = which->floats * (double)blocks.parameter_elements * (double)sizeof(float);
	const extra more[] = { { "ms", time.best * 1e3, 2 } };
	report(name, "GB/s", bytes / time.best * 1e-9, bytes / time.worst * 1e-9, more, 1);
	nnopt_optimizer_destroy(t.optimizer);
}

void optimizer_cases(nnopt_context *context)
{
	static const update_case cases[] = { { "sgd", 6 },   { "adam", 8 }, { "rmsprop", 6 }, { "adagrad", 6 },
					     { "nadam", 8 }, { "lion", 6 }, { "lamb", 11 },   { "muon", 6 } };
	nnopt_model *net = NULL;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char name[64];
		snprintf(name, sizeof name, "optimizer/%s", cases[i].name);
		if (!wanted(name))
			continue;
		if (net == NULL)
			net = make_layers(context);
		run(context, net, &cases[i]);
	}
	nnopt_model_destroy(net);
}
