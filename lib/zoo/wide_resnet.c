/* wide_resnet.c - Zagoruyko and Komodakis 2016: few pre-activation blocks of many channels. A block whose channels stay
 * the same adds what came in; one whose channels change projects what its first ReLU gave. */
#include "zoo/builder.h"

static const nnopt_wide_resnet_options option_defaults = { .struct_size = sizeof(nnopt_wide_resnet_options) };

nnopt_status nnopt_wide_resnet_options_init(nnopt_wide_resnet_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "wide_resnet_options");
}

static int32_t block(nno_builder *b, int32_t node, int64_t in, int64_t out, int64_t stride, double dropout)
{
	int32_t skip = node;
	int32_t inner = nno_zoo_relu(b, nno_zoo_norm(b, node, "bn1"));
	if (in != out) {
		nno_zoo_conv_spec spec = { .out = out, .kernel = 1, .stride = stride };
		skip = nno_zoo_conv(b, inner, "convShortcut", spec);
	}
	inner = nno_zoo_conv(b, inner, "conv1", (nno_zoo_conv_spec){ .out = out, .kernel = 3, .stride = stride });
	inner = nno_zoo_dropout(b, nno_zoo_relu(b, nno_zoo_norm(b, inner, "bn2")), dropout);
	inner = nno_zoo_conv(b, inner, "conv2", (nno_zoo_conv_spec){ .out = out, .kernel = 3 });
	return nno_zoo_sum(b, inner, skip);
}

nnopt_status nnopt_wide_resnet_create(nnopt_model **out, nnopt_context *context, int64_t depth, int64_t widen,
				      int64_t classes, const nnopt_wide_resnet_options *options)
{
	nnopt_wide_resnet_options o = option_defaults;
	nnopt_status status = nno_zoo_check("wide_resnet", out, context, classes);
	if (status == NNOPT_OK && (depth < 10 || depth > 1204 || (depth - 4) % 6 != 0))
		status = nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				      "wide_resnet: depth %lld, 6 n + 4 from 10 to 1204 wanted", (long long)depth);
	if (status == NNOPT_OK && (widen < 1 || widen > 64))
		status = nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "wide_resnet: widen %lld, 1 to 64 wanted",
				      (long long)widen);
	if (status == NNOPT_OK)
		status = nnopt_options_read(&o, sizeof o, options, "wide_resnet_options");
	if (status == NNOPT_OK)
		status = nno_zoo_check_dropout("wide_resnet", o.dropout);
	if (status != NNOPT_OK)
		return status;
	nno_builder b;
	nno_zoo_start(&b, context);
	int64_t channels = 16;
	int32_t node = nno_zoo_conv(&b, NNOPT_INPUT_NODE, "conv1", (nno_zoo_conv_spec){ .out = channels, .kernel = 3 });
	for (int stage = 0; stage < 3; stage++)
		for (int64_t i = 0; i < (depth - 4) / 6; i++) {
			int64_t wide = (16 << stage) * widen;
			nno_zoo_prefix(&b, "block%d.layer.%d.", stage + 1, (int)i);
			node = block(&b, node, channels, wide, stage > 0 && i == 0 ? 2 : 1, o.dropout);
			channels = wide;
		}
	nno_zoo_prefix(&b, "%s", "");
	node = nno_zoo_relu(&b, nno_zoo_norm(&b, node, "bn1"));
	nno_zoo_head(&b, node, "fc", classes, 0.0);
	return nno_zoo_finish(&b, out);
}
