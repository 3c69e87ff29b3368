/* resnet.c - He et al. 2016 as torchvision has it: basic blocks of two 3x3 convolutions, or bottlenecks whose 3x3
 * convolution halves the picture; groups make it a ResNeXt, a wider bottleneck a wide ResNet. */
#include "zoo/builder.h"

static const nno_zoo_residual configurations[] = { { 18, false, { 2, 2, 2, 2 } },
						   { 34, false, { 3, 4, 6, 3 } },
						   { 50, true, { 3, 4, 6, 3 } },
						   { 101, true, { 3, 4, 23, 3 } },
						   { 152, true, { 3, 8, 36, 3 } } };

const nno_zoo_residual *nno_zoo_residual_of(int64_t depth)
{
	for (size_t i = 0; i < sizeof configurations / sizeof *configurations; i++)
		if (configurations[i].depth == depth)
			return &configurations[i];
	return NULL;
}

static const nnopt_resnet_options option_defaults = {
	.struct_size = sizeof(nnopt_resnet_options), .groups = 1, .width_per_group = 64, .width = 1.0
};

nnopt_status nnopt_resnet_options_init(nnopt_resnet_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "resnet_options");
}

static nnopt_status check(const nnopt_resnet_options *o, const nno_zoo_residual *c)
{
	if (o->groups < 1 || o->groups > 4096 || (!c->bottleneck && o->groups != 1))
		return nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "resnet: groups %lld, %s wanted",
				    (long long)o->groups, c->bottleneck ? "1 to 4096" : "1 in basic blocks");
	if (o->width_per_group < 1 || o->width_per_group > 4096 || (!c->bottleneck && o->width_per_group != 64))
		return nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "resnet: width_per_group %lld, %s wanted",
				    (long long)o->width_per_group, c->bottleneck ? "1 to 4096" : "64 in basic blocks");
	nnopt_status status = nno_zoo_check_width("resnet", o->width);
	if (status == NNOPT_OK)
		status = nno_zoo_check_squeeze("resnet", o->squeeze);
	if (status == NNOPT_OK)
		status = nno_zoo_check_stochastic_depth("resnet", o->stochastic_depth);
	if (status == NNOPT_OK)
		status = nno_zoo_check_dropout("resnet", o->dropout);
	return status == NNOPT_OK ? nno_zoo_check_form("resnet", o->form) : status;
}

typedef struct residual {
	const nnopt_resnet_options *o;
	int64_t planes, out, stride;
	bool projects; /* the shortcut */
} residual;

static int32_t last_norm(nno_builder *b, int32_t node, const char *name, const residual *r)
{
	b->norm.scale_value = r->o->zero_init ? 0.0f : 1.0f;
	node = nno_zoo_norm(b, node, name);
	b->norm.scale_value = 1.0f;
	return node;
}

static int32_t basic(nno_builder *b, int32_t node, const residual *r)
{
	node = nno_zoo_conv(b, node, "conv1", (nno_zoo_conv_spec){ .out = r->out, .kernel = 3, .stride = r->stride });
	node = nno_zoo_relu(b, nno_zoo_norm(b, node, "bn1"));
	node = nno_zoo_conv(b, node, "conv2", (nno_zoo_conv_spec){ .out = r->out, .kernel = 3 });
	return last_norm(b, node, "bn2", r);
}

static int32_t bottleneck(nno_builder *b, int32_t node, const residual *r)
{
	int64_t inner = r->planes * r->o->width_per_group / 64;
	inner = (inner > 0 ? inner : 1) * r->o->groups;
	node = nno_zoo_conv(b, node, "conv1", (nno_zoo_conv_spec){ .out = inner, .kernel = 1 });
	node = nno_zoo_relu(b, nno_zoo_norm(b, node, "bn1"));
	node =
	    nno_zoo_conv(b, node, "conv2",
			 (nno_zoo_conv_spec){ .out = inner, .kernel = 3, .stride = r->stride, .groups = r->o->groups });
	node = nno_zoo_relu(b, nno_zoo_norm(b, node, "bn2"));
	node = nno_zoo_conv(b, node, "conv3", (nno_zoo_conv_spec){ .out = r->out, .kernel = 1 });
	return last_norm(b, node, "bn3", r);
}

static int32_t stem(nno_builder *b, const nnopt_resnet_options *o)
{
	nno_zoo_conv_spec spec = { .out = nno_zoo_channels(64, o->width), .kernel = 3 };
	if (o->form == NNOPT_FORM_IMAGENET) {
		spec.kernel = 7;
		spec.stride = 2;
	}
	int32_t node = nno_zoo_conv(b, NNOPT_INPUT_NODE, "conv1", spec);
	node = nno_zoo_relu(b, nno_zoo_norm(b, node, "bn1"));
	return o->form == NNOPT_FORM_IMAGENET ? nno_zoo_max_pool(b, node, 3, 2, 1) : node;
}

static int32_t stages(nno_builder *b, int32_t node, const nno_zoo_residual *c, const nnopt_resnet_options *o)
{
	int64_t channels = nno_zoo_channels(64, o->width), number = 0, all = 0;
	for (int stage = 0; stage < NNO_ZOO_STAGES; stage++)
		all += c->count[stage];
	for (int stage = 0; stage < NNO_ZOO_STAGES; stage++)
		for (int64_t i = 0; i < c->count[stage]; i++) {
			residual r = { .o = o, .planes = nno_zoo_channels(64 << stage, o->width) };
			r.out = r.planes * (c->bottleneck ? 4 : 1);
			r.stride = stage > 0 && i == 0 ? 2 : 1;
			r.projects = r.stride != 1 || channels != r.out;
			nno_zoo_prefix(b, "layer%d.%d.", stage + 1, (int)i);
			int32_t inner = c->bottleneck ? bottleneck(b, node, &r) : basic(b, node, &r);
			inner = nno_zoo_gate(b, inner, r.out, o->squeeze);
			if (r.projects) {
				nno_zoo_conv_spec spec = { .out = r.out, .kernel = 1, .stride = r.stride };
				node = nno_zoo_conv(b, node, "downsample.0", spec);
				node = nno_zoo_norm(b, node, "downsample.1");
			}
			inner =
			    nno_zoo_stochastic_depth(b, inner, o->stochastic_depth * (double)++number / (double)all);
			node = nno_zoo_relu(b, nno_zoo_sum(b, inner, node));
			channels = r.out;
		}
	return node;
}

nnopt_status nnopt_resnet_create(nnopt_model **out, nnopt_context *context, int64_t depth, int64_t classes,
				 const nnopt_resnet_options *options)
{
	nnopt_resnet_options o = option_defaults;
	const nno_zoo_residual *found = nno_zoo_residual_of(depth);
	nnopt_status status = nno_zoo_check("resnet", out, context, classes);
	if (status == NNOPT_OK && found == NULL)
		status = nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "resnet: depth %lld, 18, 34, 50, 101 or 152 wanted",
				      (long long)depth);
	if (status == NNOPT_OK)
		status = nnopt_options_read(&o, sizeof o, options, "resnet_options");
	if (status == NNOPT_OK)
		status = check(&o, found);
	if (status != NNOPT_OK)
		return status;
	nno_builder b;
	nno_zoo_start(&b, context);
	int32_t node = stages(&b, stem(&b, &o), found, &o);
	nno_zoo_head(&b, node, "fc", classes, o.dropout);
	return nno_zoo_finish(&b, out);
}
