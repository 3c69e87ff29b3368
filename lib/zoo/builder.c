/* builder.c - adding layers to a model under names, with the failure kept. */
#include "zoo/builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MOST_CLASSES ((int64_t)1 << 24)

nnopt_status nno_zoo_fail(nnopt_status status, const char *format, ...)
{
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	return nnopt_fail(status, text);
}

nnopt_status nno_zoo_check(const char *what, nnopt_model **out, nnopt_context *context, int64_t classes)
{
	if (out == NULL || context == NULL)
		return nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s is NULL", what,
				    out == NULL ? "out" : "context");
	if (classes < 1 || classes > MOST_CLASSES)
		return nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: classes %lld, 1 to %lld wanted", what,
				    (long long)classes, (long long)MOST_CLASSES);
	return NNOPT_OK;
}

nnopt_status nno_zoo_check_width(const char *what, double width)
{
	if (!(width >= 0.01 && width <= 64.0))
		return nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: width %g, 0.01 to 64 wanted", what, width);
	return NNOPT_OK;
}

static nnopt_status check_rate(const char *what, const char *name, double p)
{
	if (!(p >= 0.0 && (float)p < 1.0f))
		return nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: %s %g, 0 <= %s < 1 wanted", what, name, p, name);
	return NNOPT_OK;
}

nnopt_status nno_zoo_check_dropout(const char *what, double dropout) { return check_rate(what, "dropout", dropout); }

nnopt_status nno_zoo_check_stochastic_depth(const char *what, double p)
{
	return check_rate(what, "stochastic_depth", p);
}

nnopt_status nno_zoo_check_squeeze(const char *what, int64_t squeeze)
{
	if (squeeze < 0 || squeeze > 4096)
		return nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: squeeze %lld, 0 to 4096 wanted", what,
				    (long long)squeeze);
	return NNOPT_OK;
}

nnopt_status nno_zoo_check_form(const char *what, int32_t form)
{
	if (form != NNOPT_FORM_IMAGENET && form != NNOPT_FORM_CIFAR)
		return nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: form %d, 0 or 1 wanted", what, (int)form);
	return NNOPT_OK;
}

int64_t nno_zoo_channels(double channels, double width)
{
	double wanted = channels * width;
	int64_t rounded = (int64_t)(wanted + 4.0) / 8 * 8;
	if (rounded < 8)
		rounded = 8;
	return (double)rounded < 0.9 * wanted ? rounded + 8 : rounded;
}

void nno_zoo_start(nno_builder *b, nnopt_context *context)
{
	memset(b, 0, sizeof *b);
	b->context = context;
	b->status = nnopt_model_create(&b->model, context);
	if (b->status == NNOPT_OK)
		b->status = nnopt_conv2d_options_init(&b->conv, sizeof b->conv);
	if (b->status == NNOPT_OK)
		b->status = nnopt_batch_norm_options_init(&b->norm, sizeof b->norm);
	b->conv.padding_mode = NNOPT_PADDING_SAME;
	b->conv.use_bias = 0;
	b->conv.weight_init = NNOPT_INIT_HE_UNIFORM;
}

nnopt_status nno_zoo_finish(nno_builder *b, nnopt_model **out)
{
	if (b->status == NNOPT_OK)
		*out = b->model;
	else
		nnopt_model_destroy(b->model);
	b->model = NULL;
	return b->status;
}

void nno_zoo_prefix(nno_builder *b, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(b->prefix, sizeof b->prefix, format, arguments);
	va_end(arguments);
}

/* Adds the layer made, under its name where it has one, and destroys the handle. */
static int32_t add(nno_builder *b, nnopt_status made, nnopt_layer *layer, const char *name, const int32_t *inputs,
		   int32_t count)
{
	int32_t node = NNOPT_INPUT_NODE;
	char full[96];
	b->status = made;
	if (b->status == NNOPT_OK && name != NULL) {
		snprintf(full, sizeof full, "%s%s", b->prefix, name);
		b->status = nnopt_layer_set_name(layer, full);
	}
	if (b->status == NNOPT_OK)
		b->status = nnopt_model_connect(b->model, layer, inputs, count, &node);
	nnopt_layer_destroy(layer);
	return node;
}

int32_t nno_zoo_conv(nno_builder *b, int32_t from, const char *name, nno_zoo_conv_spec spec)
{
	nnopt_layer *layer = NULL;
	nnopt_conv2d_options o = b->conv;
	if (b->status != NNOPT_OK)
		return from;
	o.stride_h = o.stride_w = spec.stride > 0 ? spec.stride : 1;
	o.groups = spec.groups > 0 ? spec.groups : 1;
	nnopt_status made = nnopt_conv2d_create(&layer, b->context, spec.out, spec.kernel, &o);
	return add(b, made, layer, name, &from, 1);
}

int32_t nno_zoo_norm(nno_builder *b, int32_t from, const char *name)
{
	nnopt_layer *layer = NULL;
	if (b->status != NNOPT_OK)
		return from;
	nnopt_status made = nnopt_batch_norm2d_create(&layer, b->context, &b->norm);
	return add(b, made, layer, name, &from, 1);
}

int32_t nno_zoo_linear(nno_builder *b, int32_t from, const char *name, int64_t features,
		       const nnopt_linear_options *options)
{
	nnopt_layer *layer = NULL;
	if (b->status != NNOPT_OK)
		return from;
	nnopt_status made = nnopt_linear_create(&layer, b->context, features, options);
	return add(b, made, layer, name, &from, 1);
}

int32_t nno_zoo_add_made(nno_builder *b, nnopt_status made, nnopt_layer *layer, int32_t from)
{
	return add(b, made, layer, NULL, &from, 1);
}

int32_t nno_zoo_add_plain(nno_builder *b, int32_t from, nno_zoo_plain create)
{
	nnopt_layer *layer = NULL;
	if (b->status != NNOPT_OK)
		return from;
	nnopt_status made = create(&layer, b->context);
	return add(b, made, layer, NULL, &from, 1);
}

int32_t nno_zoo_max_pool(nno_builder *b, int32_t from, int64_t kernel, int64_t stride, int64_t padding)
{
	nnopt_layer *layer = NULL;
	nnopt_pool2d_options o;
	if (b->status != NNOPT_OK)
		return from;
	nnopt_status made = nnopt_pool2d_options_init(&o, sizeof o);
	o.stride_h = o.stride_w = stride;
	o.padding_h = o.padding_w = padding;
	if (made == NNOPT_OK)
		made = nnopt_max_pool2d_create(&layer, b->context, kernel, &o);
	return add(b, made, layer, NULL, &from, 1);
}

int32_t nno_zoo_adaptive_avg_pool(nno_builder *b, int32_t from, int64_t side)
{
	nnopt_layer *layer = NULL;
	if (b->status != NNOPT_OK)
		return from;
	nnopt_status made = nnopt_adaptive_avg_pool2d_create(&layer, b->context, side, side);
	return add(b, made, layer, NULL, &from, 1);
}

static int32_t join(nno_builder *b, nno_zoo_plain create, int32_t first, int32_t second)
{
	nnopt_layer *layer = NULL;
	if (b->status != NNOPT_OK)
		return first;
	nnopt_status made = create(&layer, b->context);
	return add(b, made, layer, NULL, (const int32_t[]){ first, second }, 2);
}

int32_t nno_zoo_sum(nno_builder *b, int32_t first, int32_t second) { return join(b, nnopt_add_create, first, second); }

typedef nnopt_status (*rate_create)(nnopt_layer **out, nnopt_context *context, float p);

static int32_t add_rate(nno_builder *b, int32_t from, rate_create create, double p)
{
	nnopt_layer *layer = NULL;
	if (b->status != NNOPT_OK || p == 0.0)
		return from;
	nnopt_status made = create(&layer, b->context, (float)p);
	return add(b, made, layer, NULL, &from, 1);
}

int32_t nno_zoo_dropout(nno_builder *b, int32_t from, double p) { return add_rate(b, from, nnopt_dropout_create, p); }

int32_t nno_zoo_stochastic_depth(nno_builder *b, int32_t from, double p)
{
	return add_rate(b, from, nnopt_stochastic_depth_create, p);
}

int32_t nno_zoo_gate(nno_builder *b, int32_t from, int64_t channels, int64_t squeeze)
{
	if (squeeze == 0)
		return from;
	nno_zoo_conv_spec narrow = { .out = channels > squeeze ? channels / squeeze : 1, .kernel = 1 };
	/* Means after a batch norm are near zero: with biases of that size or more, a gate could begin dead. */
	nnopt_conv2d_options kept = b->conv;
	b->conv.use_bias = 1;
	b->conv.bias_init = NNOPT_INIT_CONSTANT;
	int32_t node = nno_zoo_add_plain(b, from, nnopt_global_avg_pool2d_create);
	node = nno_zoo_relu(b, nno_zoo_conv(b, node, "se.fc1", narrow));
	node = nno_zoo_conv(b, node, "se.fc2", (nno_zoo_conv_spec){ .out = channels, .kernel = 1 });
	b->conv = kept;
	return join(b, nnopt_multiply_create, from, nno_zoo_add_plain(b, node, nnopt_sigmoid_create));
}

void nno_zoo_head(nno_builder *b, int32_t from, const char *name, int64_t classes, double dropout)
{
	int32_t node = nno_zoo_add_plain(b, from, nnopt_global_avg_pool2d_create);
	node = nno_zoo_dropout(b, nno_zoo_add_plain(b, node, nnopt_flatten_create), dropout);
	nno_zoo_prefix(b, "%s", "");
	(void)nno_zoo_linear(b, node, name, classes, NULL);
}
