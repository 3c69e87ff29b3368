/* preact_resnet.c - He et al. 2016 (Identity mappings in deep residual networks): normalisation and ReLU come before
 * each convolution, so that nothing but sums lies on the way past the blocks. A shortcut that projects takes what its
 * block's first ReLU gave. */
#include "zoo/builder.h"

#include <stdio.h>

static const nnopt_preact_resnet_options option_defaults = { .struct_size = sizeof(nnopt_preact_resnet_options),
							     .width = 1.0,
							     .final_norm = 1 };

nnopt_status nnopt_preact_resnet_options_init(nnopt_preact_resnet_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "preact_resnet_options");
}

/* The `count` convolutions of a block: 3x3 ones, or 1x1, 3x3 and 1x1. */
static int32_t block(nno_builder *b, int32_t node, int64_t planes, int64_t out, int64_t in, int64_t stride)
{
	bool narrow = planes != out, projects = stride != 1 || in != out;
	int count = narrow ? 3 : 2;
	int32_t inner = node, skip = node;
	char name[16];
	for (int i = 1; i <= count; i++) {
		bool square = !narrow || i == 2;
		nno_zoo_conv_spec spec = { .out = i == count ? out : planes,
					   .kernel = square ? 3 : 1,
					   .stride = i == (narrow ? 2 : 1) ? stride : 1 };
		snprintf(name, sizeof name, "bn%d", i);
		inner = nno_zoo_relu(b, nno_zoo_norm(b, inner, name));
		if (i == 1 && projects)
			skip = nno_zoo_conv(b, inner, "shortcut.0",
					    (nno_zoo_conv_spec){ .out = out, .kernel = 1, .stride = stride });
		snprintf(name, sizeof name, "conv%d", i);
		inner = nno_zoo_conv(b, inner, name, spec);
	}
	return nno_zoo_sum(b, inner, skip);
}

static int32_t stages(nno_builder *b, int32_t node, const nno_zoo_residual *c, double width)
{
	int64_t channels = nno_zoo_channels(64, width);
	for (int stage = 0; stage < NNO_ZOO_STAGES; stage++)
		for (int64_t i = 0; i < c->count[stage]; i++) {
			int64_t planes = nno_zoo_channels(64 << stage, width), out = planes * (c->bottleneck ? 4 : 1);
			nno_zoo_prefix(b, "layer%d.%d.", stage + 1, (int)i);
			node = block(b, node, planes, out, channels, stage > 0 && i == 0 ? 2 : 1);
			channels = out;
		}
	return node;
}

nnopt_status nnopt_preact_resnet_create(nnopt_model **out, nnopt_context *context, int64_t depth, int64_t classes,
					const nnopt_preact_resnet_options *options)
{
	nnopt_preact_resnet_options o = option_defaults;
	const nno_zoo_residual *found = nno_zoo_residual_of(depth);
	nnopt_status status = nno_zoo_check("preact_resnet", out, context, classes);
	if (status == NNOPT_OK && found == NULL)
		status = nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				      "preact_resnet: depth %lld, 18, 34, 50, 101 or 152 wanted", (long long)depth);
	if (status == NNOPT_OK)
		status = nnopt_options_read(&o, sizeof o, options, "preact_resnet_options");
	if (status == NNOPT_OK)
		status = nno_zoo_check_width("preact_resnet", o.width);
	if (status == NNOPT_OK)
		status = nno_zoo_check_dropout("preact_resnet", o.dropout);
	if (status != NNOPT_OK)
		return status;
	nno_builder b;
	nno_zoo_start(&b, context);
	nno_zoo_conv_spec spec = { .out = nno_zoo_channels(64, o.width), .kernel = 3 };
	int32_t node = stages(&b, nno_zoo_conv(&b, NNOPT_INPUT_NODE, "conv1", spec), found, o.width);
	nno_zoo_prefix(&b, "%s", "");
	if (o.final_norm)
		node = nno_zoo_relu(&b, nno_zoo_norm(&b, node, "bn"));
	nno_zoo_head(&b, node, "linear", classes, o.dropout);
	return nno_zoo_finish(&b, out);
}
