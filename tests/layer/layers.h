/* layers.h - the context, and short ways to make layers and connect them, of the gradient checks. */
#ifndef TESTS_LAYER_LAYERS_H
#define TESTS_LAYER_LAYERS_H

#include "differences.h"

static nnopt_context *ctx;

static inline int setup(void **state)
{
	(void)state;
	nnopt_context_options o;
	nnopt_context_options_init(&o, sizeof o);
	o.threads = 1;
	return nnopt_context_create(&ctx, &o) == NNOPT_OK ? 0 : -1;
}

static inline int teardown(void **state)
{
	(void)state;
	print_message("largest relative deviation %.2g\n", worst);
	nnopt_context_destroy(ctx);
	return 0;
}

static inline int32_t connect(nnopt_model *m, nnopt_layer *layer, int32_t count, const int32_t *inputs)
{
	int32_t node = -1;
	assert_ok(nnopt_model_connect(m, layer, inputs, count, &node));
	nnopt_layer_destroy(layer);
	return node;
}

typedef nnopt_status (*plain_create)(nnopt_layer **out, nnopt_context *context);

static inline nnopt_layer *make(plain_create create)
{
	nnopt_layer *l = NULL;
	assert_ok(create(&l, ctx));
	return l;
}

typedef struct conv_case {
	const char *name;
	int64_t out, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
	int32_t bias;
	int64_t batch, c, h, w;
} conv_case;

static inline nnopt_layer *conv(const conv_case *c)
{
	nnopt_conv2d_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_conv2d_options_init(&o, sizeof o));
	o.kernel_w = c->kernel_w;
	o.stride_h = c->stride_h;
	o.stride_w = c->stride_w;
	o.padding_h = c->pad_h;
	o.padding_w = c->pad_w;
	o.dilation_h = c->dilation_h;
	o.dilation_w = c->dilation_w;
	o.groups = c->groups;
	o.use_bias = c->bias;
	assert_ok(nnopt_conv2d_create(&l, ctx, c->out, c->kernel_h, &o));
	return l;
}

static inline nnopt_layer *linear(int64_t out, int32_t bias)
{
	nnopt_linear_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_linear_options_init(&o, sizeof o));
	o.use_bias = bias;
	assert_ok(nnopt_linear_create(&l, ctx, out, &o));
	return l;
}

static inline nnopt_layer *norm(bool two, int32_t scale, int32_t bias, float epsilon)
{
	nnopt_batch_norm_options o;
	nnopt_layer *l = NULL;
	assert_ok(nnopt_batch_norm_options_init(&o, sizeof o));
	o.use_scale = scale;
	o.use_bias = bias;
	o.epsilon = epsilon;
	assert_ok(two ? nnopt_batch_norm2d_create(&l, ctx, &o) : nnopt_batch_norm1d_create(&l, ctx, &o));
	return l;
}

#endif
