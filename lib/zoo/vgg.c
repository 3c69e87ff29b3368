/* vgg.c - Simonyan and Zisserman 2015: five stages of 3x3 convolutions and poolings. Layers are numbered as in
 * torchvision's sequential "features", where ReLUs and poolings count as well. */
#include "zoo/builder.h"

#include <stdio.h>

enum { STAGES = 5 };
#define MOST_HIDDEN ((int64_t)1 << 20)

static const struct configuration {
	int64_t depth, count[STAGES];
} configurations[] = {
	{ 11, { 1, 1, 2, 2, 2 } }, { 13, { 2, 2, 2, 2, 2 } }, { 16, { 2, 2, 3, 3, 3 } }, { 19, { 2, 2, 4, 4, 4 } }
};

static const nnopt_vgg_options option_defaults = {
	.struct_size = sizeof(nnopt_vgg_options), .hidden = 4096, .width = 1.0, .dropout = -1.0, .batch_norm = 1
};

nnopt_status nnopt_vgg_options_init(nnopt_vgg_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "vgg_options");
}

static nnopt_status check(const nnopt_vgg_options *o)
{
	if (o->hidden < 1 || o->hidden > MOST_HIDDEN)
		return nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "vgg: hidden %lld, 1 to %lld wanted",
				    (long long)o->hidden, (long long)MOST_HIDDEN);
	nnopt_status status = nno_zoo_check_width("vgg", o->width);
	if (status == NNOPT_OK)
		status = nno_zoo_check_dropout("vgg", o->dropout);
	return status == NNOPT_OK ? nno_zoo_check_form("vgg", o->form) : status;
}

static int32_t features(nno_builder *b, const int64_t *count, const nnopt_vgg_options *o)
{
	static const double widths[STAGES] = { 64, 128, 256, 512, 512 };
	int32_t node = NNOPT_INPUT_NODE;
	int number = 0;
	char name[16];
	nno_zoo_prefix(b, "features.");
	for (int stage = 0; stage < STAGES; stage++) {
		nno_zoo_conv_spec spec = { .out = nno_zoo_channels(widths[stage], o->width), .kernel = 3 };
		for (int64_t i = 0; i < count[stage]; i++) {
			snprintf(name, sizeof name, "%d", number++);
			node = nno_zoo_conv(b, node, name, spec);
			if (o->batch_norm) {
				snprintf(name, sizeof name, "%d", number++);
				node = nno_zoo_norm(b, node, name);
			}
			node = nno_zoo_relu(b, node);
			number++;
		}
		node = nno_zoo_max_pool(b, node, 2, 2, 0);
		number++;
	}
	return node;
}

/* Two hidden layers over 7x7 pixels. Their weights begin large enough for what they feed, as the convolutions' do;
 * torchvision's normal values of deviation 0.01 are of about the same size. */
static void hidden_head(nno_builder *b, int32_t node, int64_t classes, const nnopt_vgg_options *o)
{
	nnopt_linear_options linear;
	nnopt_status made = nnopt_linear_options_init(&linear, sizeof linear);
	linear.weight_init = NNOPT_INIT_HE_UNIFORM;
	linear.bias_init = NNOPT_INIT_CONSTANT;
	if (b->status == NNOPT_OK)
		b->status = made;
	node = nno_zoo_add_plain(b, nno_zoo_adaptive_avg_pool(b, node, 7), nnopt_flatten_create);
	nno_zoo_prefix(b, "classifier.");
	node = nno_zoo_dropout(b, nno_zoo_relu(b, nno_zoo_linear(b, node, "0", o->hidden, &linear)), o->dropout);
	node = nno_zoo_dropout(b, nno_zoo_relu(b, nno_zoo_linear(b, node, "3", o->hidden, &linear)), o->dropout);
	(void)nno_zoo_linear(b, node, "6", classes, NULL);
}

nnopt_status nnopt_vgg_create(nnopt_model **out, nnopt_context *context, int64_t depth, int64_t classes,
			      const nnopt_vgg_options *options)
{
	nnopt_vgg_options o = option_defaults;
	const struct configuration *found = NULL;
	for (size_t i = 0; i < sizeof configurations / sizeof *configurations; i++)
		found = configurations[i].depth == depth ? &configurations[i] : found;
	nnopt_status status = nno_zoo_check("vgg", out, context, classes);
	if (status == NNOPT_OK && found == NULL)
		status = nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "vgg: depth %lld, 11, 13, 16 or 19 wanted",
				      (long long)depth);
	if (status == NNOPT_OK)
		status = nnopt_options_read(&o, sizeof o, options, "vgg_options");
	if (status == NNOPT_OK && o.dropout == -1.0)
		o.dropout = o.form == NNOPT_FORM_CIFAR ? 0.0 : 0.5;
	if (status == NNOPT_OK)
		status = check(&o);
	if (status != NNOPT_OK)
		return status;
	nno_builder b;
	nno_zoo_start(&b, context);
	b.conv.use_bias = !o.batch_norm || o.form == NNOPT_FORM_IMAGENET;
	b.conv.bias_init = NNOPT_INIT_CONSTANT;
	int32_t node = features(&b, found->count, &o);
	if (o.form == NNOPT_FORM_IMAGENET)
		hidden_head(&b, node, classes, &o);
	else
		nno_zoo_head(&b, node, "classifier", classes, o.dropout);
	return nno_zoo_finish(&b, out);
}
