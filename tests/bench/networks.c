/* networks.c - the baseline CNN, the same convolutions with an LSTM over the rows of their map, ResNet-20 and -18,
 * VGG-11 with batch norm, MobileNetV2, ResNet-20 with squeeze-and-excitation and with group norm, a small ConvNeXt, in
 * their CIFAR forms (32 x 32, ten classes). A failure is kept in the builder, so that a network reads as a list. */
#include "networks.h"

typedef struct builder {
	nnopt_model *net;
	nnopt_context *ctx;
	nnopt_status status;
	int64_t groups;  /* of group norms; 0: batch norms */
	int64_t squeeze; /* channels to one of a gate; 0: no gates */
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

static int32_t norm(builder *b, int32_t from)
{
	nnopt_layer *l = NULL;
	nnopt_status made = b->groups > 0 ? nnopt_group_norm_create(&l, b->ctx, b->groups, NULL)
					  : nnopt_batch_norm2d_create(&l, b->ctx, NULL);
	return add(b, made, l, from, -1);
}

static int32_t relu(builder *b, int32_t from)
{
	nnopt_layer *l = NULL;
	nnopt_status made = nnopt_relu_create(&l, b->ctx);
	return add(b, made, l, from, -1);
}

static int32_t relu6(builder *b, int32_t from)
{
	nnopt_layer *l = NULL;
	nnopt_status made = nnopt_relu6_create(&l, b->ctx);
	return add(b, made, l, from, -1);
}

static int32_t sum(builder *b, int32_t first, int32_t second)
{
	nnopt_layer *l = NULL;
	nnopt_status made = nnopt_add_create(&l, b->ctx);
	return add(b, made, l, first, second);
}

typedef nnopt_status (*plain_create)(nnopt_layer **out, nnopt_context *context);

static int32_t plain(builder *b, plain_create create, int32_t first, int32_t second)
{
	nnopt_layer *l = NULL;
	nnopt_status made = create(&l, b->ctx);
	return add(b, made, l, first, second);
}

/* Squeeze and excitation, Hu et al. 2018, figure 3. */
static int32_t gate(builder *b, int32_t from, int64_t channels)
{
	if (b->squeeze == 0)
		return from;
	int32_t mean = plain(b, nnopt_global_avg_pool2d_create, from, -1);
	int32_t inner = relu(b, conv(b, mean, channels / b->squeeze, 1, 1, 1));
	int32_t factors = plain(b, nnopt_sigmoid_create, conv(b, inner, channels, 1, 1, 1), -1);
	return plain(b, nnopt_multiply_create, from, factors);
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

static int32_t max_pool(builder *b, int32_t from)
{
	nnopt_layer *l = NULL;
	nnopt_status made = nnopt_max_pool2d_create(&l, b->ctx, 2, NULL);
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

static nnopt_status baseline(nnopt_model *net)
{
	nnopt_conv2d_options same;
	nnopt_status s = nnopt_conv2d_options_init(&same, sizeof same);
	same.padding_mode = NNOPT_PADDING_SAME;
	for (int64_t channels = 32; s == NNOPT_OK && channels <= 64; channels *= 2) {
		s = nnopt_add_conv2d(net, channels, 3, &same);
		if (s == NNOPT_OK)
			s = nnopt_add_relu(net);
		if (s == NNOPT_OK)
			s = nnopt_add_max_pool2d(net, 2, NULL);
	}
	if (s == NNOPT_OK)
		s = nnopt_add_flatten(net);
	if (s == NNOPT_OK)
		s = nnopt_add_linear(net, 512, NULL);
	if (s == NNOPT_OK)
		s = nnopt_add_relu(net);
	if (s == NNOPT_OK)
		s = nnopt_add_dropout(net, 0.5f);
	return s == NNOPT_OK ? nnopt_add_linear(net, 10, NULL) : s;
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

/* He et al. 2016, section 4.2 and table 1; 1 x 1 convolutions where the shape changes. */
static nnopt_status residual(builder b, const int64_t *widths, int stages, int blocks)
{
	int32_t node = relu(&b, norm(&b, conv(&b, NNOPT_INPUT_NODE, widths[0], 3, 1, 1)));
	for (int stage = 0; stage < stages; stage++)
		for (int block = 0; block < blocks; block++) {
			int64_t stride = stage > 0 && block == 0 ? 2 : 1;
			int32_t inner = relu(&b, norm(&b, conv(&b, node, widths[stage], 3, stride, 1)));
			int32_t skip = stride == 1 ? node : norm(&b, conv(&b, node, widths[stage], 1, stride, 1));
			inner = gate(&b, norm(&b, conv(&b, inner, widths[stage], 3, 1, 1)), widths[stage]);
			node = relu(&b, sum(&b, inner, skip));
		}
	return finish(&b);
}

static const int64_t small_widths[] = { 16, 32, 64 }, large_widths[] = { 64, 128, 256, 512 };

static nnopt_status resnet20(nnopt_model *net) { return residual(start(net), small_widths, 3, 3); }

static nnopt_status resnet18(nnopt_model *net) { return residual(start(net), large_widths, 4, 2); }

static nnopt_status seresnet20(nnopt_model *net)
{
	builder b = start(net);
	b.squeeze = 4;
	return residual(b, small_widths, 3, 3);
}

static nnopt_status resnet20_gn(nnopt_model *net)
{
	builder b = start(net);
	b.groups = 8;
	return residual(b, small_widths, 3, 3);
}

/* Simonyan and Zisserman 2015, configuration A, with batch norm. */
static nnopt_status vgg11(nnopt_model *net)
{
	static const int64_t widths[] = { 64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0 };
	builder b = start(net);
	int32_t node = NNOPT_INPUT_NODE;
	for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
		node = widths[i] == 0 ? max_pool(&b, node) : relu(&b, norm(&b, conv(&b, node, widths[i], 3, 1, 1)));
	return finish(&b);
}

/* Sandler et al. 2018, table 2, with the strides that CIFAR's size wants. */
static nnopt_status mobilenet2(nnopt_model *net)
{
	static const struct {
		int64_t expansion, width, count, stride;
	} stages[] = { { 1, 16, 1, 1 }, { 6, 24, 2, 1 },  { 6, 32, 3, 2 }, { 6, 64, 4, 2 },
		       { 6, 96, 3, 1 }, { 6, 160, 3, 2 }, { 6, 320, 1, 1 } };
	builder b = start(net);
	int64_t channels = 32;
	int32_t node = relu6(&b, norm(&b, conv(&b, NNOPT_INPUT_NODE, channels, 3, 1, 1)));
	for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
		for (int64_t k = 0; k < stages[i].count; k++) {
			int64_t wide = channels * stages[i].expansion, stride = k == 0 ? stages[i].stride : 1;
			int32_t inner = wide == channels ? node : relu6(&b, norm(&b, conv(&b, node, wide, 1, 1, 1)));
			inner = relu6(&b, norm(&b, conv(&b, inner, wide, 3, stride, wide)));
			inner = norm(&b, conv(&b, inner, stages[i].width, 1, 1, 1));
			node = stride == 1 && channels == stages[i].width ? sum(&b, inner, node) : inner;
			channels = stages[i].width;
		}
	(void)relu6(&b, norm(&b, conv(&b, node, 1280, 1, 1, 1)));
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

const network networks[] = {
	{ "baseline", baseline, 64, 32 },      { "cnn_lstm", cnn_lstm, 64, 32 },
	{ "resnet20", resnet20, 128, 32 },     { "resnet18", resnet18, 128, 32 },
	{ "vgg11_bn", vgg11, 128, 32 },        { "mobilenetv2", mobilenet2, 128, 32 },
	{ "seresnet20", seresnet20, 128, 32 }, { "resnet20_gn", resnet20_gn, 128, 32 },
	{ "convnext", convnext, 128, 32 },
};
const int network_count = sizeof networks / sizeof *networks;
