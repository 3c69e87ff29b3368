/* plain_cnn.c - convolutions and poolings in a row, a hidden linear layer: the network that strategies are measured
 * from. Unlike the other families it begins with PyTorch's own values, as what it is compared with does. */
#include "zoo/builder.h"

#include <stdio.h>

#define MOST_HIDDEN ((int64_t)1 << 20)

static const nnopt_plain_cnn_options option_defaults = {
	.struct_size = sizeof(nnopt_plain_cnn_options), .depth = 2, .hidden = 512, .width = 1.0, .dropout = 0.5
};

nnopt_status nnopt_plain_cnn_options_init(nnopt_plain_cnn_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "plain_cnn_options");
}

static nnopt_status check(const nnopt_plain_cnn_options *o)
{
	if (o->depth < 1 || o->depth > 8)
		return nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plain_cnn: depth %lld, 1 to 8 wanted",
				    (long long)o->depth);
	if (o->hidden < 0 || o->hidden > MOST_HIDDEN)
		return nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "plain_cnn: hidden %lld, 0 to %lld wanted",
				    (long long)o->hidden, (long long)MOST_HIDDEN);
	nnopt_status status = nno_zoo_check_width("plain_cnn", o->width);
	return status == NNOPT_OK ? nno_zoo_check_dropout("plain_cnn", o->dropout) : status;
}

nnopt_status nnopt_plain_cnn_create(nnopt_model **out, nnopt_context *context, int64_t classes,
				    const nnopt_plain_cnn_options *options)
{
	nnopt_plain_cnn_options o = option_defaults;
	nnopt_status status = nno_zoo_check("plain_cnn", out, context, classes);
	if (status == NNOPT_OK)
		status = nnopt_options_read(&o, sizeof o, options, "plain_cnn_options");
	if (status == NNOPT_OK)
		status = check(&o);
	if (status != NNOPT_OK)
		return status;
	nno_builder b;
	nno_zoo_start(&b, context);
	b.conv.weight_init = NNOPT_INIT_DEFAULT;
	b.conv.use_bias = !o.batch_norm;
	int32_t node = NNOPT_INPUT_NODE;
	char name[16];
	for (int64_t i = 0; i < o.depth; i++) {
		snprintf(name, sizeof name, "conv%d", (int)i + 1);
		int64_t channels = nno_zoo_channels(32.0 * (double)((int64_t)1 << i), o.width);
		node = nno_zoo_conv(&b, node, name, (nno_zoo_conv_spec){ .out = channels, .kernel = 3 });
		snprintf(name, sizeof name, "bn%d", (int)i + 1);
		node = o.batch_norm ? nno_zoo_norm(&b, node, name) : node;
		node = nno_zoo_max_pool(&b, nno_zoo_relu(&b, node), 2, 2, 0);
	}
	node = nno_zoo_add_plain(&b, node, nnopt_flatten_create);
	if (o.hidden > 0)
		node = nno_zoo_relu(&b, nno_zoo_linear(&b, node, "fc1", o.hidden, NULL));
	node = nno_zoo_dropout(&b, node, o.dropout);
	(void)nno_zoo_linear(&b, node, o.hidden > 0 ? "fc2" : "fc1", classes, NULL);
	return nno_zoo_finish(&b, out);
}
