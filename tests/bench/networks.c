/* networks.c - the networks that the benchmark runs, in their CIFAR forms (32 x 32, ten classes): the zoo's, without
 * dropout but in the baseline; and two that are there for their normalisations, ResNet-20 with group norm and a small
 * ConvNeXt. A failure is kept in the builder, so that a network reads as a list. */
#include "networks.h"

typedef struct builder {
	nnopt_model *net;
	nnopt_context *ctx;
	nnopt_status status;
} builder;

/* Adds a layer that reads node `a`, and `b` when it is not negative; destroys the handle; returns its node. */
static int32_t add(builder *b, nnopt_status made, nnopt_layer *layer, int32_t first, int32_t second)
{
	int32_t node = 0;
	if (b->status == NNOPT_OK)
		b->status = made;
	if (b->status == NNOPT_OK)
		b->status =
		    nnopt_model_connect(b->net, layer, (const int32_t[]){ first, second }, second < 0 ? 1 : 2, &node);
	nnopt_layer_destroy(layer);
	return node;
}

static int32_t conv(builder *b, int32_t from, int64_t channels, int64_t kernel, int64_t stride, int64_t groups)
{
	nnopt_conv2d_options o;
	nnopt_layer *l = NULL;
	nnopt_status made = nnopt_conv2d_options_init(&o, sizeof o);
	o.padding_mode = NNOPT_PADDING_SAME;
	o.stride_h = o.stride_w = stride;
	o.groups = groups;
	o.use_bias = 0;
	if (made == NNOPT_OK)
		made = nnopt_conv2d_create(&l, b->ctx, channels, kernel, &o);
	return add(b, made, l, from, -1);
}

typedef nnopt_status (*plain_create)(nnopt_layer **out, nnopt_context *context);

static int32_t plain(builder *b, plain_create create, int32_t first, int32_t second)
{
	nnopt_layer *l = NULL;
	nnopt_status made = create(&l, b->ctx);
	return add(b, made, l, first, second);
}

static int32_t relu(builder *b, int32_t from) { return plain(b, nnopt_relu_create, from, -1); }
static int32_t sum(builder *b, int32_t first, int32_t second) { return plain(b, nnopt_add_create, first, second); }

static int32_t group_norm(builder *b, int32_t from)
{
	nnopt_layer *l = NULL;
	nnopt_status made = nnopt_group_norm_create(&l, b->ctx, 8, NULL);
	return add(b, made, l, from, -1);
}

static int32_t channel_norm(builder *b, int32_t from)
{
	nnopt_layer_norm_options o;
	nnopt_layer *l = NULL;
	nnopt_status made = nnopt_layer_norm_options_init(&o, sizeof o);
	o.channels = 1;
	if (made == NNOPT_OK)
		made = nnopt_layer_norm_create(&l, b->ctx, &o);
	return add(b, made, l, from, -1);
}

/* The mean of each channel, then ten classes. */
static nnopt_status finish(builder *b)
{
	if (b->status == NNOPT_OK)
		b->status = nnopt_add_global_avg_pool2d(b->net);
	if (b->status == NNOPT_OK)
		b->status = nnopt_add_flatten(b->net);
	return b->status == NNOPT_OK ? nnopt_add_linear(b->net, 10, NULL) : b->status;
}

static builder start(nnopt_model *net) { return (builder){ .net = net, .ctx = nnopt_model_context(net) }; }

static int32_t max_pool(builder *b, int32_t from)
{
	nnopt_layer *l = NULL;
	nnopt_status made = nnopt_max_pool2d_create(&l, b->ctx, 2, NULL);
	return add(b, made, l, from, -1);
}

/* Eight rows of 8 x 64 features, the last hidden state beside the means of the channels. */
static nnopt_status cnn_lstm(nnopt_model *net)
{
	builder b = start(net);
	nnopt_layer *l = NULL;
	int32_t map = max_pool(&b, relu(&b, conv(&b, NNOPT_INPUT_NODE, 32, 3, 1, 1)));
	map = max_pool(&b, relu(&b, conv(&b, map, 64, 3, 1, 1)));
	nnopt_status made = nnopt_global_avg_pool2d_create(&l, b.ctx);
	int32_t pooled = add(&b, made, l, map, -1);
	l = NULL;
	made = nnopt_flatten_create(&l, b.ctx);
	pooled = add(&b, made, l, pooled, -1);
	l = NULL;
	made = nnopt_lstm_create(&l, b.ctx, 128, NULL);
	int32_t rows = add(&b, made, l, map, -1);
	l = NULL;
	made = nnopt_concat_create(&l, b.ctx);
	(void)add(&b, made, l, pooled, rows);
	return b.status == NNOPT_OK ? nnopt_add_linear(net, 10, NULL) : b.status;
}

/* He et al. 2016, section 4.2; 1 x 1 convolutions where the shape changes. */
static nnopt_status resnet20_gn(nnopt_model *net)
{
	builder b = start(net);
	int32_t node = relu(&b, group_norm(&b, conv(&b, NNOPT_INPUT_NODE, 16, 3, 1, 1)));
	for (int64_t width = 16; width <= 64; width *= 2)
		for (int block = 0; block < 3; block++) {
			int64_t stride = width > 16 && block == 0 ? 2 : 1;
			int32_t inner = relu(&b, group_norm(&b, conv(&b, node, width, 3, stride, 1)));
			int32_t skip = stride == 1 ? node : group_norm(&b, conv(&b, node, width, 1, stride, 1));
			node = relu(&b, sum(&b, group_norm(&b, conv(&b, inner, width, 3, 1, 1)), skip));
		}
	return finish(&b);
}

/* Blocks of Liu et al. 2022, figure 4, with SiLU: three stages of two blocks, 3 x 3 convolutions of stride 2 between
 * them. */
static nnopt_status convnext(nnopt_model *net)
{
	builder b = start(net);
	int32_t node = NNOPT_INPUT_NODE;
	for (int64_t width = 48; width <= 192; width *= 2) {
		node = width == 48 ? channel_norm(&b, conv(&b, node, width, 3, 2, 1))
				   : conv(&b, channel_norm(&b, node), width, 3, 2, 1);
		for (int block = 0; block < 2; block++) {
			int32_t inner = channel_norm(&b, conv(&b, node, width, 7, 1, width));
			inner = plain(&b, nnopt_silu_create, conv(&b, inner, 4 * width, 1, 1, 1), -1);
			node = sum(&b, conv(&b, inner, width, 1, 1, 1), node);
		}
	}
	(void)channel_norm(&b, node);
	return finish(&b);
}

nnopt_status network_create(nnopt_model **out, nnopt_context *context, const network *what)
{
	nnopt_zoo_options o;
	nnopt_model *net = NULL;
	nnopt_status status = nnopt_zoo_options_init(&o, sizeof o);
	o.picture = what->size;
	o.dropout = what->dropout;
	if (what->zoo != NULL)
		return status == NNOPT_OK ? nnopt_zoo_create(out, context, what->zoo, 10, &o) : status;
	status = nnopt_model_create(&net, context);
	if (status == NNOPT_OK)
		status = what->build(net);
	if (status == NNOPT_OK)
		*out = net;
	else
		nnopt_model_destroy(net);
	return status;
}

const network networks[] = {
	{ "baseline", "plain_cnn", NULL, 64, 32, 0.5 },      { "cnn_lstm", NULL, cnn_lstm, 64, 32, 0.0 },
	{ "resnet20", "resnet20", NULL, 128, 32, 0.0 },      { "resnet18", "resnet18", NULL, 128, 32, 0.0 },
	{ "vgg11_bn", "vgg11_bn", NULL, 128, 32, 0.0 },      { "mobilenetv2", "mobilenet_v2", NULL, 128, 32, 0.0 },
	{ "seresnet20", "se_resnet20", NULL, 128, 32, 0.0 }, { "resnet20_gn", NULL, resnet20_gn, 128, 32, 0.0 },
	{ "convnext", NULL, convnext, 128, 32, 0.0 },
};
const int network_count = sizeof networks / sizeof *networks;
