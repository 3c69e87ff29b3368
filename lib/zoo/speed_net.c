/* speed_net.c - Jordan 2024: what trains a small network to 94, 95 or 96 % on CIFAR-10 soonest. The first convolution
 * is made from the pictures and stays; the others begin by passing channels on; batch norms have no scale, which the
 * convolution after them has anyway; and small logits let the loss smooth at first. */
#include "zoo/builder.h"

enum { GROUPS = 3, PATCH = 3 * 2 * 2 };

static const struct target {
	int64_t target, width[GROUPS], convs;
	float momentum; /* of the batch norms */
} targets[] = { { 94, { 64, 256, 256 }, 2, 0.4f },
		{ 95, { 128, 384, 384 }, 2, 0.4f },
		{ 96, { 128, 384, 512 }, 3, 0.1f } };

static const nnopt_speed_net_options option_defaults = { .struct_size = sizeof(nnopt_speed_net_options),
							 .width = 1.0,
							 .scale = 1.0 / 9.0 };

nnopt_status nnopt_speed_net_options_init(nnopt_speed_net_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "speed_net_options");
}

static int32_t gelu(nno_builder *b, int32_t from)
{
	nnopt_layer *layer = NULL;
	if (b->status != NNOPT_OK)
		return from;
	nnopt_status made = nnopt_gelu_create(&layer, b->context, 0);
	return nno_zoo_add_made(b, made, layer, from);
}

static int32_t group(nno_builder *b, int32_t node, int64_t channels, int64_t convs)
{
	nno_zoo_conv_spec spec = { .out = channels, .kernel = 3 };
	node = nno_zoo_max_pool(b, nno_zoo_conv(b, node, "conv1", spec), 2, 2, 0);
	node = gelu(b, nno_zoo_norm(b, node, "norm1"));
	int32_t inner = nno_zoo_norm(b, nno_zoo_conv(b, node, "conv2", spec), "norm2");
	if (convs == 3) {
		inner = nno_zoo_norm(b, nno_zoo_conv(b, gelu(b, inner), "conv3", spec), "norm3");
		inner = nno_zoo_sum(b, inner, node);
	}
	return gelu(b, inner);
}

static void head(nno_builder *b, int32_t node, int64_t classes, double scale)
{
	nnopt_linear_options o;
	nnopt_layer *layer = NULL;
	nnopt_status made = nnopt_linear_options_init(&o, sizeof o);
	o.use_bias = 0;
	if (b->status == NNOPT_OK)
		b->status = made;
	node = nno_zoo_add_plain(b, nno_zoo_max_pool(b, node, 3, 3, 0), nnopt_flatten_create);
	nno_zoo_prefix(b, "%s", "");
	node = nno_zoo_linear(b, node, "head", classes, &o);
	if (b->status != NNOPT_OK)
		return;
	made = nnopt_scale_create(&layer, b->context, (float)scale);
	(void)nno_zoo_add_made(b, made, layer, node);
}

nnopt_status nnopt_speed_net_create(nnopt_model **out, nnopt_context *context, int64_t target, int64_t classes,
				    const nnopt_speed_net_options *options)
{
	nnopt_speed_net_options o = option_defaults;
	const struct target *found = NULL;
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
		found = targets[i].target == target ? &targets[i] : found;
	nnopt_status status = nno_zoo_check("speed_net", out, context, classes);
	if (status == NNOPT_OK && found == NULL)
		status = nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "speed_net: target %lld, 94, 95 or 96 wanted",
				      (long long)target);
	if (status == NNOPT_OK)
		status = nnopt_options_read(&o, sizeof o, options, "speed_net_options");
	if (status == NNOPT_OK)
		status = nno_zoo_check_width("speed_net", o.width);
	if (status == NNOPT_OK && !(o.scale >= 1e-6 && o.scale <= 1e6))
		status = nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "speed_net: scale %g, 1e-6 to 1e6 wanted", o.scale);
	if (status != NNOPT_OK)
		return status;
	nno_builder b;
	nno_zoo_start(&b, context);
	b.norm.epsilon = 1e-12f;
	b.norm.momentum = found->momentum;
	b.norm.use_scale = 0;
	b.conv.padding_mode = NNOPT_PADDING_EXPLICIT;
	b.conv.use_bias = 1;
	b.conv.bias_init = NNOPT_INIT_CONSTANT;
	b.conv.weight_init = NNOPT_INIT_DEFAULT;
	int32_t node =
	    nno_zoo_conv(&b, NNOPT_INPUT_NODE, "whiten", (nno_zoo_conv_spec){ .out = 2 * PATCH, .kernel = 2 });
	node = gelu(&b, node);
	b.conv.padding_mode = NNOPT_PADDING_SAME;
	b.conv.use_bias = 0;
	b.conv.weight_init = NNOPT_INIT_DIRAC;
	for (int i = 0; i < GROUPS; i++) {
		nno_zoo_prefix(&b, "group%d.", i + 1);
		node = group(&b, node, nno_zoo_channels((double)found->width[i], o.width), found->convs);
	}
	head(&b, node, classes, o.scale);
	return nno_zoo_finish(&b, out);
}
