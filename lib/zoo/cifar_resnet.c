/* cifar_resnet.c - He et al. 2016, section 4.2 and table 6: three stages of 16, 32 and 64 channels for 32 x 32
 * pictures. Option A's shortcuts pad with channels of zeros, which no layer makes without weights; so they are option
 * B's. */
#include "zoo/builder.h"

static const nnopt_cifar_resnet_options option_defaults = { .struct_size = sizeof(nnopt_cifar_resnet_options),
							    .width = 1.0 };

nnopt_status nnopt_cifar_resnet_options_init(nnopt_cifar_resnet_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "cifar_resnet_options");
}

static int32_t block(nno_builder *b, int32_t node, int64_t channels, int64_t stride,
		     const nnopt_cifar_resnet_options *o)
{
	int32_t inner =
	    nno_zoo_conv(b, node, "conv1", (nno_zoo_conv_spec){ .out = channels, .kernel = 3, .stride = stride });
	inner = nno_zoo_relu(b, nno_zoo_norm(b, inner, "bn1"));
	inner = nno_zoo_conv(b, inner, "conv2", (nno_zoo_conv_spec){ .out = channels, .kernel = 3 });
	b->norm.scale_value = o->zero_init ? 0.0f : 1.0f;
	inner = nno_zoo_gate(b, nno_zoo_norm(b, inner, "bn2"), channels, o->squeeze);
	b->norm.scale_value = 1.0f;
	if (stride != 1) {
		nno_zoo_conv_spec spec = { .out = channels, .kernel = 1, .stride = stride };
		node = nno_zoo_norm(b, nno_zoo_conv(b, node, "shortcut.0", spec), "shortcut.1");
	}
	return nno_zoo_relu(b, nno_zoo_sum(b, inner, node));
}

nnopt_status nnopt_cifar_resnet_create(nnopt_model **out, nnopt_context *context, int64_t depth, int64_t classes,
				       const nnopt_cifar_resnet_options *options)
{
	nnopt_cifar_resnet_options o = option_defaults;
	nnopt_status status = nno_zoo_check("cifar_resnet", out, context, classes);
	if (status == NNOPT_OK && (depth < 8 || depth > 1202 || (depth - 2) % 6 != 0))
		status = nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				      "cifar_resnet: depth %lld, 6 n + 2 from 8 to 1202 wanted", (long long)depth);
	if (status == NNOPT_OK)
		status = nnopt_options_read(&o, sizeof o, options, "cifar_resnet_options");
	if (status == NNOPT_OK)
		status = nno_zoo_check_width("cifar_resnet", o.width);
	if (status == NNOPT_OK)
		status = nno_zoo_check_dropout("cifar_resnet", o.dropout);
	if (status == NNOPT_OK)
		status = nno_zoo_check_squeeze("cifar_resnet", o.squeeze);
	if (status != NNOPT_OK)
		return status;
	nno_builder b;
	nno_zoo_start(&b, context);
	nno_zoo_conv_spec spec = { .out = nno_zoo_channels(16, o.width), .kernel = 3 };
	int32_t node = nno_zoo_conv(&b, NNOPT_INPUT_NODE, "conv1", spec);
	node = nno_zoo_relu(&b, nno_zoo_norm(&b, node, "bn1"));
	for (int stage = 0; stage < 3; stage++)
		for (int64_t i = 0; i < (depth - 2) / 6; i++) {
			nno_zoo_prefix(&b, "layer%d.%d.", stage + 1, (int)i);
			node = block(&b, node, nno_zoo_channels(16 << stage, o.width), stage > 0 && i == 0 ? 2 : 1, &o);
		}
	nno_zoo_head(&b, node, "linear", classes, o.dropout);
	return nno_zoo_finish(&b, out);
}
