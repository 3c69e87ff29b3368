/* mobilenet.c - Howard et al. 2017 and Sandler et al. 2018: depthwise convolutions for space, 1x1 convolutions for
 * channels; v2 widens before the one and narrows after it without an activation. */
#include "zoo/builder.h"

static const nnopt_mobilenet_options option_defaults = { .struct_size = sizeof(nnopt_mobilenet_options),
							 .width = 1.0,
							 .dropout = -1.0 };

nnopt_status nnopt_mobilenet_options_init(nnopt_mobilenet_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "mobilenet_options");
}

static nnopt_status read_options(nnopt_mobilenet_options *o, const nnopt_mobilenet_options *options, const char *what,
				 double dropout)
{
	*o = option_defaults;
	nnopt_status status = nnopt_options_read(o, sizeof *o, options, "mobilenet_options");
	if (o->dropout == -1.0)
		o->dropout = dropout;
	if (status == NNOPT_OK)
		status = nno_zoo_check_width(what, o->width);
	if (status == NNOPT_OK)
		status = nno_zoo_check_dropout(what, o->dropout);
	return status == NNOPT_OK ? nno_zoo_check_form(what, o->form) : status;
}

nnopt_status nnopt_mobilenet_v1_create(nnopt_model **out, nnopt_context *context, int64_t classes,
				       const nnopt_mobilenet_options *options)
{
	static const struct {
		int64_t width, stride;
	} layers[] = { { 64, 1 },  { 128, 2 }, { 128, 1 }, { 256, 2 }, { 256, 1 },  { 512, 2 }, { 512, 1 },
		       { 512, 1 }, { 512, 1 }, { 512, 1 }, { 512, 1 }, { 1024, 2 }, { 1024, 1 } };
	nnopt_mobilenet_options o;
	nnopt_status status = nno_zoo_check("mobilenet_v1", out, context, classes);
	if (status == NNOPT_OK)
		status = read_options(&o, options, "mobilenet_v1", 0.0);
	if (status != NNOPT_OK)
		return status;
	nno_builder b;
	nno_zoo_start(&b, context);
	nno_zoo_conv_spec first = { .out = nno_zoo_channels(32, o.width),
				    .kernel = 3,
				    .stride = o.form == NNOPT_FORM_CIFAR ? 1 : 2 };
	int64_t channels = first.out;
	int32_t node = nno_zoo_conv(&b, NNOPT_INPUT_NODE, "conv1", first);
	node = nno_zoo_relu(&b, nno_zoo_norm(&b, node, "bn1"));
	for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
		nno_zoo_conv_spec depthwise = {
			.out = channels, .kernel = 3, .stride = layers[i].stride, .groups = channels
		};
		channels = nno_zoo_channels((double)layers[i].width, o.width);
		nno_zoo_prefix(&b, "layers.%d.", (int)i);
		node = nno_zoo_conv(&b, node, "conv1", depthwise);
		node = nno_zoo_relu(&b, nno_zoo_norm(&b, node, "bn1"));
		node = nno_zoo_conv(&b, node, "conv2", (nno_zoo_conv_spec){ .out = channels, .kernel = 1 });
		node = nno_zoo_relu(&b, nno_zoo_norm(&b, node, "bn2"));
	}
	nno_zoo_head(&b, node, "linear", classes, o.dropout);
	return nno_zoo_finish(&b, out);
}

/* --- v2; torchvision numbers the parts of a block, whose first one is left out where nothing widens --- */

static int32_t inverted(nno_builder *b, int32_t node, int64_t in, int64_t out, int64_t expansion, int64_t stride)
{
	int64_t wide = in * expansion;
	nno_zoo_conv_spec depthwise = { .out = wide, .kernel = 3, .stride = stride, .groups = wide };
	int32_t inner = node;
	bool widens = expansion != 1;
	if (widens) {
		inner = nno_zoo_conv(b, inner, "conv.0.0", (nno_zoo_conv_spec){ .out = wide, .kernel = 1 });
		inner = nno_zoo_relu6(b, nno_zoo_norm(b, inner, "conv.0.1"));
	}
	inner = nno_zoo_conv(b, inner, widens ? "conv.1.0" : "conv.0.0", depthwise);
	inner = nno_zoo_relu6(b, nno_zoo_norm(b, inner, widens ? "conv.1.1" : "conv.0.1"));
	inner = nno_zoo_conv(b, inner, widens ? "conv.2" : "conv.1", (nno_zoo_conv_spec){ .out = out, .kernel = 1 });
	inner = nno_zoo_norm(b, inner, widens ? "conv.3" : "conv.2");
	return stride == 1 && in == out ? nno_zoo_sum(b, inner, node) : inner;
}

nnopt_status nnopt_mobilenet_v2_create(nnopt_model **out, nnopt_context *context, int64_t classes,
				       const nnopt_mobilenet_options *options)
{
	static const struct {
		int64_t expansion, width, count, stride;
	} stages[] = { { 1, 16, 1, 1 }, { 6, 24, 2, 2 },  { 6, 32, 3, 2 }, { 6, 64, 4, 2 },
		       { 6, 96, 3, 1 }, { 6, 160, 3, 2 }, { 6, 320, 1, 1 } };
	nnopt_mobilenet_options o;
	nnopt_status status = nno_zoo_check("mobilenet_v2", out, context, classes);
	if (status == NNOPT_OK)
		status = read_options(&o, options, "mobilenet_v2", 0.2);
	if (status != NNOPT_OK)
		return status;
	bool small = o.form == NNOPT_FORM_CIFAR;
	nno_builder b;
	nno_zoo_start(&b, context);
	int64_t channels = nno_zoo_channels(32, o.width);
	int number = 0;
	nno_zoo_prefix(&b, "features.%d.", number++);
	nno_zoo_conv_spec first = { .out = channels, .kernel = 3, .stride = small ? 1 : 2 };
	int32_t node = nno_zoo_conv(&b, NNOPT_INPUT_NODE, "0", first);
	node = nno_zoo_relu6(&b, nno_zoo_norm(&b, node, "1"));
	for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
		for (int64_t k = 0; k < stages[i].count; k++) {
			int64_t wide = nno_zoo_channels((double)stages[i].width, o.width);
			int64_t stride = k > 0 || (small && i == 1) ? 1 : stages[i].stride;
			nno_zoo_prefix(&b, "features.%d.", number++);
			node = inverted(&b, node, channels, wide, stages[i].expansion, stride);
			channels = wide;
		}
	nno_zoo_prefix(&b, "features.%d.", number);
	nno_zoo_conv_spec last = { .out = nno_zoo_channels(1280, o.width > 1.0 ? o.width : 1.0), .kernel = 1 };
	node = nno_zoo_conv(&b, node, "0", last);
	node = nno_zoo_relu6(&b, nno_zoo_norm(&b, node, "1"));
	nno_zoo_head(&b, node, "classifier.1", classes, o.dropout);
	return nno_zoo_finish(&b, out);
}
