/* zoo_logits.c - a small network of each family and form gives PyTorch's logits (tests/golden/make_zoo.py). Every
 * tensor is filled from its name, so a tensor under another name would show as well. */
#include "check.h"

#include <stdbool.h>
#include "golden.h"

#include <math.h>
#include <stdio.h>

enum { CLASSES = 5, PICTURES = 2 };

typedef struct row {
	const char *name;
	int64_t picture;
	double logits[PICTURES * CLASSES];
} row;

static const row rows[] = {
#include "golden/zoo_logits.inc"
};
enum { ROWS = sizeof rows / sizeof *rows };

static nnopt_context *ctx;
static double worst;

static int setup(void **state)
{
	(void)state;
	return nnopt_context_create(&ctx, NULL) == NNOPT_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	nnopt_context_destroy(ctx);
	return 0;
}

/* --- how each row's network is made --- */

static void plain_cnn(nnopt_model **m)
{
	nnopt_plain_cnn_options o;
	assert_ok(nnopt_plain_cnn_options_init(&o, sizeof o));
	o.depth = 3;
	o.width = 0.75;
	o.hidden = 40;
	o.batch_norm = 1;
	assert_ok(nnopt_plain_cnn_create(m, ctx, CLASSES, &o));
}

static void vgg(nnopt_model **m, int64_t depth, int32_t norm, int32_t form, double width)
{
	nnopt_vgg_options o;
	assert_ok(nnopt_vgg_options_init(&o, sizeof o));
	o.hidden = 32;
	o.batch_norm = norm;
	o.form = form;
	o.width = width;
	assert_ok(nnopt_vgg_create(m, ctx, depth, CLASSES, &o));
}

static void vgg11(nnopt_model **m) { vgg(m, 11, 0, NNOPT_FORM_IMAGENET, 1.0); }
static void vgg13_bn(nnopt_model **m) { vgg(m, 13, 1, NNOPT_FORM_IMAGENET, 1.0); }
static void vgg11_bn_cifar(nnopt_model **m) { vgg(m, 11, 1, NNOPT_FORM_CIFAR, 1.0); }
static void vgg16_cifar(nnopt_model **m) { vgg(m, 16, 0, NNOPT_FORM_CIFAR, 0.25); }

static void resnet(nnopt_model **m, int64_t depth, int32_t form, int64_t groups, int64_t width_per_group)
{
	nnopt_resnet_options o;
	assert_ok(nnopt_resnet_options_init(&o, sizeof o));
	o.form = form;
	o.groups = groups;
	o.width_per_group = width_per_group;
	assert_ok(nnopt_resnet_create(m, ctx, depth, CLASSES, &o));
}

static void resnet18(nnopt_model **m) { resnet(m, 18, NNOPT_FORM_IMAGENET, 1, 64); }
static void resnet18_cifar(nnopt_model **m) { resnet(m, 18, NNOPT_FORM_CIFAR, 1, 64); }
static void resnet50(nnopt_model **m) { assert_ok(nnopt_resnet_create(m, ctx, 50, CLASSES, NULL)); }
static void resnext50(nnopt_model **m) { resnet(m, 50, NNOPT_FORM_IMAGENET, 32, 4); }
static void resnet20(nnopt_model **m) { assert_ok(nnopt_cifar_resnet_create(m, ctx, 20, CLASSES, NULL)); }

static void squeezed(nnopt_model **m, int64_t depth)
{
	nnopt_resnet_options o;
	assert_ok(nnopt_resnet_options_init(&o, sizeof o));
	o.squeeze = 16;
	o.stochastic_depth = 0.2; /* nothing in inference */
	assert_ok(nnopt_resnet_create(m, ctx, depth, CLASSES, &o));
}

static void se_resnet18(nnopt_model **m) { squeezed(m, 18); }
static void se_resnet50(nnopt_model **m) { squeezed(m, 50); }

static void se_resnet20(nnopt_model **m)
{
	nnopt_cifar_resnet_options o;
	assert_ok(nnopt_cifar_resnet_options_init(&o, sizeof o));
	o.squeeze = 4;
	assert_ok(nnopt_cifar_resnet_create(m, ctx, 20, CLASSES, &o));
}

static void speed_net(nnopt_model **m, int64_t target, double width)
{
	nnopt_speed_net_options o;
	assert_ok(nnopt_speed_net_options_init(&o, sizeof o));
	o.width = width;
	assert_ok(nnopt_speed_net_create(m, ctx, target, CLASSES, &o));
}

static void speed94(nnopt_model **m) { speed_net(m, 94, 0.5); }
static void speed96(nnopt_model **m) { speed_net(m, 96, 0.25); }

static void preact(nnopt_model **m, int64_t depth, int32_t final_norm)
{
	nnopt_preact_resnet_options o;
	assert_ok(nnopt_preact_resnet_options_init(&o, sizeof o));
	o.width = 0.25;
	o.final_norm = final_norm;
	assert_ok(nnopt_preact_resnet_create(m, ctx, depth, CLASSES, &o));
}

static void preact18(nnopt_model **m) { preact(m, 18, 1); }
static void preact50(nnopt_model **m) { preact(m, 50, 0); }

/* Dropout does nothing in inference. */
static void wrn_16_2(nnopt_model **m)
{
	nnopt_wide_resnet_options o;
	assert_ok(nnopt_wide_resnet_options_init(&o, sizeof o));
	o.dropout = 0.3;
	assert_ok(nnopt_wide_resnet_create(m, ctx, 16, 2, CLASSES, &o));
}

static void wrn_10_1(nnopt_model **m) { assert_ok(nnopt_wide_resnet_create(m, ctx, 10, 1, CLASSES, NULL)); }

typedef nnopt_status (*mobilenet_create)(nnopt_model **out, nnopt_context *context, int64_t classes,
					 const nnopt_mobilenet_options *options);

static void mobilenet(nnopt_model **m, mobilenet_create create, double width, int32_t form)
{
	nnopt_mobilenet_options o;
	assert_ok(nnopt_mobilenet_options_init(&o, sizeof o));
	o.width = width;
	o.form = form;
	assert_ok(create(m, ctx, CLASSES, &o));
}

static void mobilenet_v1(nnopt_model **m) { mobilenet(m, nnopt_mobilenet_v1_create, 0.5, NNOPT_FORM_IMAGENET); }
static void mobilenet_v2(nnopt_model **m) { mobilenet(m, nnopt_mobilenet_v2_create, 0.25, NNOPT_FORM_IMAGENET); }
static void mobilenet_v2_cifar(nnopt_model **m) { mobilenet(m, nnopt_mobilenet_v2_create, 0.5, NNOPT_FORM_CIFAR); }

static void lite0(nnopt_model **m) { assert_ok(nnopt_efficientnet_lite_create(m, ctx, 0, CLASSES, NULL)); }

static void lite2_cifar(nnopt_model **m)
{
	nnopt_efficientnet_lite_options o;
	assert_ok(nnopt_efficientnet_lite_options_init(&o, sizeof o));
	o.form = NNOPT_FORM_CIFAR;
	assert_ok(nnopt_efficientnet_lite_create(m, ctx, 2, CLASSES, &o));
}

static const struct {
	const char *name;
	void (*make)(nnopt_model **m);
} makers[] = {
	{ "plain_cnn, three deep, 24 wide, norm", plain_cnn },
	{ "vgg11, hidden 32", vgg11 },
	{ "vgg13_bn, hidden 32", vgg13_bn },
	{ "vgg11_bn, cifar", vgg11_bn_cifar },
	{ "vgg16, cifar, quarter", vgg16_cifar },
	{ "resnet18", resnet18 },
	{ "resnet18, cifar", resnet18_cifar },
	{ "resnet50", resnet50 },
	{ "resnext50_32x4d", resnext50 },
	{ "resnet20", resnet20 },
	{ "se_resnet18", se_resnet18 },
	{ "se_resnet50", se_resnet50 },
	{ "se_resnet20", se_resnet20 },
	{ "preact_resnet18, quarter", preact18 },
	{ "preact_resnet50, quarter, no final norm", preact50 },
	{ "wrn_16_2", wrn_16_2 },
	{ "wrn_10_1", wrn_10_1 },
	{ "speed_net94, half", speed94 },
	{ "speed_net96, quarter", speed96 },
	{ "mobilenet_v1, half", mobilenet_v1 },
	{ "mobilenet_v2, quarter", mobilenet_v2 },
	{ "mobilenet_v2, cifar, half", mobilenet_v2_cifar },
	{ "efficientnet_lite0", lite0 },
	{ "efficientnet_lite0, odd size", lite0 },
	{ "efficientnet_lite2, cifar", lite2_cifar },
};
enum { MAKERS = sizeof makers / sizeof *makers };

/* --- values from names --- */

static uint32_t hash32(const char *name)
{
	uint32_t hash = 0x811c9dc5u;
	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 0x01000193u;
	return hash;
}

static void set_tensor(nnopt_model *model, int32_t index)
{
	nnopt_parameter_info info = { .struct_size = sizeof info };
	nnopt_tensor *t = NULL;
	assert_ok(nnopt_model_parameter_info(model, index, &info));
	assert_ok(nnopt_tensor_create(&t, ctx, NNOPT_F32, info.rank, info.shape, NNOPT_NCHW));
	double factor = info.rank > 1 ? 1.0 / sqrt((double)(info.count / info.shape[0])) : 0.25, offset = 0.0;
	if (info.rank == 1 && (info.role == NNOPT_ROLE_SCALE || strstr(info.name, "running_var") != NULL))
		offset = 1.0;
	if (strstr(info.name, "running_var") != NULL)
		factor = 0.4;
	float *x = nnopt_tensor_data(t);
	uint32_t stream = hash32(info.name);
	for (int64_t i = 0; i < info.count; i++)
		x[i] = (float)(offset + factor * (double)number(stream, (uint32_t)i));
	assert_ok(nnopt_model_set_parameter(model, index, t));
	nnopt_tensor_destroy(t);
}

static void run(nnopt_model *model, int64_t picture, float logits[PICTURES * CLASSES])
{
	const int64_t shape[] = { PICTURES, 3, picture, picture };
	nnopt_plan *plan = NULL;
	nnopt_tensor *x = NULL;
	const nnopt_tensor *y = NULL;
	nnopt_plan_options o;
	assert_ok(nnopt_model_build(model, 3, shape + 1));
	for (int32_t i = 0; i < nnopt_model_parameter_count(model); i++)
		set_tensor(model, i);
	assert_ok(nnopt_plan_options_init(&o, sizeof o));
	o.batch = PICTURES;
	assert_ok(nnopt_plan_create(&plan, model, &o));
	assert_ok(nnopt_tensor_create(&x, ctx, NNOPT_F32, 4, shape, NNOPT_NCHW));
	float *values = nnopt_tensor_data(x);
	for (int64_t i = 0; i < nnopt_tensor_count(x); i++)
		values[i] = number(1, (uint32_t)i);
	assert_ok(nnopt_plan_forward(plan, x, &y));
	assert_ok(nnopt_tensor_copy_out(y, logits, PICTURES * CLASSES * sizeof *logits, NNOPT_F32, NNOPT_NCHW));
	nnopt_tensor_destroy(x);
	nnopt_plan_destroy(plan);
}

/* Within 1e-4 of the largest logit: dozens of layers in f32 against double. */
static void check_row(const row *r, void (*make)(nnopt_model **m))
{
	nnopt_model *model = NULL;
	float logits[PICTURES * CLASSES];
	double largest = 0.0, off = 0.0;
	make(&model);
	run(model, r->picture, logits);
	for (int i = 0; i < PICTURES * CLASSES; i++) {
		largest = fmax(largest, fabs(r->logits[i]));
		off = fmax(off, fabs((double)logits[i] - r->logits[i]));
	}
	print_message("%s: %.2g\n", r->name, off / largest);
	worst = fmax(worst, off / largest);
	if (!(off <= 1e-4 * largest))
		fail_msg("%s: logits are off by %g, the largest is %g", r->name, off, largest);
	nnopt_model_destroy(model);
}

static void equal_pytorch(void **state)
{
	(void)state;
	assert_int_equal(ROWS, MAKERS);
	for (int i = 0; i < ROWS; i++) {
		assert_string_equal(rows[i].name, makers[i].name);
		check_row(&rows[i], makers[i].make);
	}
	print_message("%d networks, largest relative deviation %.2g\n", ROWS, worst);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(equal_pytorch) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
