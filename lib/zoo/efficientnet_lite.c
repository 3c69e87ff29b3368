/* efficientnet_lite.c - EfficientNet-B0's stages (Tan and Le 2019, table 1) without squeeze-and-excitation, with ReLU6,
 * and with a stem and a head that do not scale. Widths and repetitions of the stages between are scaled and rounded as
 * in TensorFlow's; neither the first stage nor the last is repeated more often. */
#include "zoo/builder.h"

#include <math.h>

static const struct variant {
	double width, depth, dropout;
} variants[] = { { 1.0, 1.0, 0.2 }, { 1.0, 1.1, 0.2 }, { 1.1, 1.2, 0.3 }, { 1.2, 1.4, 0.3 }, { 1.4, 1.8, 0.3 } };

enum { VARIANTS = sizeof variants / sizeof *variants };

static const struct stage {
	int64_t count, kernel, stride, expansion, width;
} stages[] = { { 1, 3, 1, 1, 16 },  { 2, 3, 2, 6, 24 },  { 2, 5, 2, 6, 40 }, { 3, 3, 2, 6, 80 },
	       { 3, 5, 1, 6, 112 }, { 4, 5, 2, 6, 192 }, { 1, 3, 1, 6, 320 } };

enum { STAGES = sizeof stages / sizeof *stages };

static const nnopt_efficientnet_lite_options option_defaults = { .struct_size = sizeof(nnopt_efficientnet_lite_options),
								 .dropout = -1.0,
								 .stochastic_depth = 0.2 };

nnopt_status nnopt_efficientnet_lite_options_init(nnopt_efficientnet_lite_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "efficientnet_lite_options");
}

static int32_t block(nno_builder *b, int32_t node, const struct stage *s, int64_t in, int64_t out, int64_t stride,
		     double drop)
{
	int64_t wide = in * s->expansion;
	nno_zoo_conv_spec depthwise = { .out = wide, .kernel = s->kernel, .stride = stride, .groups = wide };
	int32_t inner = node;
	if (s->expansion != 1) {
		inner = nno_zoo_conv(b, inner, "_expand_conv", (nno_zoo_conv_spec){ .out = wide, .kernel = 1 });
		inner = nno_zoo_relu6(b, nno_zoo_norm(b, inner, "_bn0"));
	}
	inner = nno_zoo_conv(b, inner, "_depthwise_conv", depthwise);
	inner = nno_zoo_relu6(b, nno_zoo_norm(b, inner, "_bn1"));
	inner = nno_zoo_conv(b, inner, "_project_conv", (nno_zoo_conv_spec){ .out = out, .kernel = 1 });
	inner = nno_zoo_norm(b, inner, "_bn2");
	if (stride != 1 || in != out)
		return inner;
	return nno_zoo_sum(b, nno_zoo_stochastic_depth(b, inner, drop), node);
}

static int64_t repetitions(const struct variant *v, int stage)
{
	bool scaled = stage > 0 && stage < STAGES - 1;
	return scaled ? (int64_t)ceil(v->depth * (double)stages[stage].count) : stages[stage].count;
}

static int32_t blocks(nno_builder *b, int32_t node, const struct variant *v, const nnopt_efficientnet_lite_options *o)
{
	int64_t channels = 32, all = 0;
	int number = 0;
	for (int i = 0; i < STAGES; i++)
		all += repetitions(v, i);
	for (int i = 0; i < STAGES; i++) {
		int64_t out = nno_zoo_channels((double)stages[i].width, v->width);
		for (int64_t k = 0; k < repetitions(v, i); k++) {
			bool stays = k > 0 || (o->form == NNOPT_FORM_CIFAR && i == 1);
			double drop = o->stochastic_depth * (double)number / (double)all;
			nno_zoo_prefix(b, "_blocks.%d.", number++);
			node = block(b, node, &stages[i], channels, out, stays ? 1 : stages[i].stride, drop);
			channels = out;
		}
	}
	return node;
}

nnopt_status nnopt_efficientnet_lite_create(nnopt_model **out, nnopt_context *context, int64_t variant, int64_t classes,
					    const nnopt_efficientnet_lite_options *options)
{
	nnopt_efficientnet_lite_options o = option_defaults;
	nnopt_status status = nno_zoo_check("efficientnet_lite", out, context, classes);
	if (status == NNOPT_OK && (variant < 0 || variant >= VARIANTS))
		status = nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "efficientnet_lite: variant %lld, 0 to %d wanted",
				      (long long)variant, VARIANTS - 1);
	if (status == NNOPT_OK)
		status = nnopt_options_read(&o, sizeof o, options, "efficientnet_lite_options");
	if (status == NNOPT_OK && o.dropout == -1.0)
		o.dropout = variants[variant].dropout;
	if (status == NNOPT_OK)
		status = nno_zoo_check_dropout("efficientnet_lite", o.dropout);
	if (status == NNOPT_OK)
		status = nno_zoo_check_form("efficientnet_lite", o.form);
	if (status == NNOPT_OK)
		status = nno_zoo_check_stochastic_depth("efficientnet_lite", o.stochastic_depth);
	if (status != NNOPT_OK)
		return status;
	nno_builder b;
	nno_zoo_start(&b, context);
	b.conv.padding_mode = NNOPT_PADDING_SAME_UPPER;
	b.norm.epsilon = 1e-3f;
	b.norm.momentum = 0.01f;
	nno_zoo_conv_spec stem = { .out = 32, .kernel = 3, .stride = o.form == NNOPT_FORM_CIFAR ? 1 : 2 };
	int32_t node = nno_zoo_conv(&b, NNOPT_INPUT_NODE, "_conv_stem", stem);
	node = nno_zoo_relu6(&b, nno_zoo_norm(&b, node, "_bn0"));
	node = blocks(&b, node, &variants[variant], &o);
	nno_zoo_prefix(&b, "%s", "");
	node = nno_zoo_conv(&b, node, "_conv_head", (nno_zoo_conv_spec){ .out = 1280, .kernel = 1 });
	node = nno_zoo_relu6(&b, nno_zoo_norm(&b, node, "_bn1"));
	nno_zoo_head(&b, node, "_fc", classes, o.dropout);
	return nno_zoo_finish(&b, out);
}
