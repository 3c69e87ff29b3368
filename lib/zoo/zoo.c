/* zoo.c - the networks by name. */
#include "zoo/builder.h"

#include <string.h>

#define LARGEST_CIFAR 64 /* side of the pictures that the CIFAR forms are chosen for */

typedef struct request {
	nnopt_model **out;
	nnopt_context *context;
	int64_t classes;
	double width, dropout; /* dropout -1: the family's default */
	int32_t form;
} request;

/* `size` and `more` are what the family calls depth, variant and the like. */
typedef struct entry {
	const char *name;
	nnopt_status (*make)(const request *r, int64_t size, int64_t more);
	int64_t size, more;
	int64_t picture, classes;
	bool forms, width;
	const char *description;
} entry;

#define GIVEN(o, r)                                 \
	do {                                        \
		(o).width = (r)->width;             \
		if ((r)->dropout != -1.0)           \
			(o).dropout = (r)->dropout; \
	} while (0)

static nnopt_status make_plain_cnn(const request *r, int64_t size, int64_t more)
{
	nnopt_plain_cnn_options o;
	nnopt_status status = nnopt_plain_cnn_options_init(&o, sizeof o);
	(void)size;
	(void)more;
	GIVEN(o, r);
	return status == NNOPT_OK ? nnopt_plain_cnn_create(r->out, r->context, r->classes, &o) : status;
}

static nnopt_status make_vgg(const request *r, int64_t size, int64_t more)
{
	nnopt_vgg_options o;
	nnopt_status status = nnopt_vgg_options_init(&o, sizeof o);
	GIVEN(o, r);
	o.batch_norm = more != 0;
	o.form = r->form;
	return status == NNOPT_OK ? nnopt_vgg_create(r->out, r->context, size, r->classes, &o) : status;
}

enum { RESNET, RESNEXT_32X4D, WIDE_2, SQUEEZED };

static nnopt_status make_resnet(const request *r, int64_t size, int64_t more)
{
	nnopt_resnet_options o;
	nnopt_status status = nnopt_resnet_options_init(&o, sizeof o);
	GIVEN(o, r);
	o.groups = more == RESNEXT_32X4D ? 32 : 1;
	o.width_per_group = more == RESNEXT_32X4D ? 4 : more == WIDE_2 ? 128 : 64;
	o.squeeze = more == SQUEEZED ? 16 : 0;
	o.form = r->form;
	return status == NNOPT_OK ? nnopt_resnet_create(r->out, r->context, size, r->classes, &o) : status;
}

static nnopt_status make_cifar_resnet(const request *r, int64_t size, int64_t more)
{
	nnopt_cifar_resnet_options o;
	nnopt_status status = nnopt_cifar_resnet_options_init(&o, sizeof o);
	GIVEN(o, r);
	o.squeeze = more;
	return status == NNOPT_OK ? nnopt_cifar_resnet_create(r->out, r->context, size, r->classes, &o) : status;
}

static nnopt_status make_preact_resnet(const request *r, int64_t size, int64_t more)
{
	nnopt_preact_resnet_options o;
	nnopt_status status = nnopt_preact_resnet_options_init(&o, sizeof o);
	(void)more;
	GIVEN(o, r);
	return status == NNOPT_OK ? nnopt_preact_resnet_create(r->out, r->context, size, r->classes, &o) : status;
}

static nnopt_status make_wide_resnet(const request *r, int64_t size, int64_t more)
{
	nnopt_wide_resnet_options o;
	nnopt_status status = nnopt_wide_resnet_options_init(&o, sizeof o);
	if (r->dropout != -1.0)
		o.dropout = r->dropout;
	return status == NNOPT_OK ? nnopt_wide_resnet_create(r->out, r->context, size, more, r->classes, &o) : status;
}

static nnopt_status make_speed_net(const request *r, int64_t size, int64_t more)
{
	nnopt_speed_net_options o;
	nnopt_status status = nnopt_speed_net_options_init(&o, sizeof o);
	(void)more;
	o.width = r->width;
	if (r->dropout != -1.0 && r->dropout != 0.0)
		return nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "speed_net: dropout %g, 0 wanted: it has none",
				    r->dropout);
	return status == NNOPT_OK ? nnopt_speed_net_create(r->out, r->context, size, r->classes, &o) : status;
}

static nnopt_status make_mobilenet(const request *r, int64_t size, int64_t more)
{
	nnopt_mobilenet_options o;
	nnopt_status status = nnopt_mobilenet_options_init(&o, sizeof o);
	(void)more;
	GIVEN(o, r);
	o.form = r->form;
	if (status != NNOPT_OK)
		return status;
	return size == 1 ? nnopt_mobilenet_v1_create(r->out, r->context, r->classes, &o)
			 : nnopt_mobilenet_v2_create(r->out, r->context, r->classes, &o);
}

static nnopt_status make_efficientnet_lite(const request *r, int64_t size, int64_t more)
{
	nnopt_efficientnet_lite_options o;
	nnopt_status status = nnopt_efficientnet_lite_options_init(&o, sizeof o);
	(void)more;
	o.dropout = r->dropout;
	o.form = r->form;
	return status == NNOPT_OK ? nnopt_efficientnet_lite_create(r->out, r->context, size, r->classes, &o) : status;
}

/* clang-format off */
static const entry entries[] = {
	{ "plain_cnn", make_plain_cnn, 0, 0, 32, 10, false, true, "two convolutions, a hidden linear layer: the baseline" },
	{ "vgg11", make_vgg, 11, 0, 224, 1000, true, true, "VGG-11; Simonyan and Zisserman 2015" },
	{ "vgg11_bn", make_vgg, 11, 1, 224, 1000, true, true, "VGG-11 with batch norm" },
	{ "vgg13", make_vgg, 13, 0, 224, 1000, true, true, "VGG-13; Simonyan and Zisserman 2015" },
	{ "vgg13_bn", make_vgg, 13, 1, 224, 1000, true, true, "VGG-13 with batch norm" },
	{ "vgg16", make_vgg, 16, 0, 224, 1000, true, true, "VGG-16; Simonyan and Zisserman 2015" },
	{ "vgg16_bn", make_vgg, 16, 1, 224, 1000, true, true, "VGG-16 with batch norm" },
	{ "vgg19", make_vgg, 19, 0, 224, 1000, true, true, "VGG-19; Simonyan and Zisserman 2015" },
	{ "vgg19_bn", make_vgg, 19, 1, 224, 1000, true, true, "VGG-19 with batch norm" },
	{ "resnet18", make_resnet, 18, RESNET, 224, 1000, true, true, "ResNet-18; He et al. 2016" },
	{ "resnet34", make_resnet, 34, RESNET, 224, 1000, true, true, "ResNet-34; He et al. 2016" },
	{ "resnet50", make_resnet, 50, RESNET, 224, 1000, true, true, "ResNet-50; He et al. 2016" },
	{ "resnet101", make_resnet, 101, RESNET, 224, 1000, true, true, "ResNet-101; He et al. 2016" },
	{ "resnet152", make_resnet, 152, RESNET, 224, 1000, true, true, "ResNet-152; He et al. 2016" },
	{ "resnext50_32x4d", make_resnet, 50, RESNEXT_32X4D, 224, 1000, true, true, "ResNeXt-50 32x4d; Xie et al. 2017" },
	{ "wide_resnet50_2", make_resnet, 50, WIDE_2, 224, 1000, true, true, "ResNet-50, twice as wide inside; Zagoruyko and Komodakis 2016" },
	{ "se_resnet18", make_resnet, 18, SQUEEZED, 224, 1000, true, true, "ResNet-18 with squeeze and excitation; Hu et al. 2018" },
	{ "se_resnet50", make_resnet, 50, SQUEEZED, 224, 1000, true, true, "ResNet-50 with squeeze and excitation; Hu et al. 2018" },
	{ "resnet20", make_cifar_resnet, 20, 0, 32, 10, false, true, "ResNet-20 for CIFAR; He et al. 2016, section 4.2" },
	{ "resnet32", make_cifar_resnet, 32, 0, 32, 10, false, true, "ResNet-32 for CIFAR; He et al. 2016, section 4.2" },
	{ "resnet44", make_cifar_resnet, 44, 0, 32, 10, false, true, "ResNet-44 for CIFAR; He et al. 2016, section 4.2" },
	{ "resnet56", make_cifar_resnet, 56, 0, 32, 10, false, true, "ResNet-56 for CIFAR; He et al. 2016, section 4.2" },
	{ "resnet110", make_cifar_resnet, 110, 0, 32, 10, false, true, "ResNet-110 for CIFAR; He et al. 2016, section 4.2" },
	{ "se_resnet20", make_cifar_resnet, 20, 4, 32, 10, false, true, "ResNet-20 for CIFAR with squeeze and excitation" },
	{ "preact_resnet18", make_preact_resnet, 18, 0, 32, 10, false, true, "pre-activation ResNet-18 for CIFAR; He et al. 2016" },
	{ "preact_resnet34", make_preact_resnet, 34, 0, 32, 10, false, true, "pre-activation ResNet-34 for CIFAR; He et al. 2016" },
	{ "preact_resnet50", make_preact_resnet, 50, 0, 32, 10, false, true, "pre-activation ResNet-50 for CIFAR; He et al. 2016" },
	{ "wrn_16_4", make_wide_resnet, 16, 4, 32, 10, false, false, "wide ResNet-16-4 for CIFAR; Zagoruyko and Komodakis 2016" },
	{ "wrn_28_10", make_wide_resnet, 28, 10, 32, 10, false, false, "wide ResNet-28-10 for CIFAR; Zagoruyko and Komodakis 2016" },
	{ "speed_net94", make_speed_net, 94, 0, 32, 10, false, true, "CIFAR speed net (airbench94); Jordan 2024" },
	{ "speed_net95", make_speed_net, 95, 0, 32, 10, false, true, "CIFAR speed net (airbench95); Jordan 2024" },
	{ "speed_net96", make_speed_net, 96, 0, 32, 10, false, true, "CIFAR speed net (airbench96); Jordan 2024" },
	{ "mobilenet_v1", make_mobilenet, 1, 0, 224, 1000, true, true, "MobileNet; Howard et al. 2017" },
	{ "mobilenet_v2", make_mobilenet, 2, 0, 224, 1000, true, true, "MobileNetV2; Sandler et al. 2018" },
	{ "efficientnet_lite0", make_efficientnet_lite, 0, 0, 224, 1000, true, false, "EfficientNet-Lite0; Tan and Le 2019" },
	{ "efficientnet_lite1", make_efficientnet_lite, 1, 0, 240, 1000, true, false, "EfficientNet-Lite1; Tan and Le 2019" },
	{ "efficientnet_lite2", make_efficientnet_lite, 2, 0, 260, 1000, true, false, "EfficientNet-Lite2; Tan and Le 2019" },
	{ "efficientnet_lite3", make_efficientnet_lite, 3, 0, 280, 1000, true, false, "EfficientNet-Lite3; Tan and Le 2019" },
	{ "efficientnet_lite4", make_efficientnet_lite, 4, 0, 300, 1000, true, false, "EfficientNet-Lite4; Tan and Le 2019" },
};
/* clang-format on */

enum { ENTRIES = sizeof entries / sizeof *entries };

static nnopt_status find(const entry **e, const char *what, const char *name)
{
	if (name == NULL)
		return nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "%s: name is NULL", what);
	for (int i = 0; i < ENTRIES; i++)
		if (strcmp(entries[i].name, name) == 0) {
			*e = &entries[i];
			return NNOPT_OK;
		}
	return nno_zoo_fail(NNOPT_ERROR_NOT_FOUND, "%s: no network is called '%.60s'; nnopt_zoo_name() lists them",
			    what, name);
}

int32_t nnopt_zoo_count(void) { return ENTRIES; }

const char *nnopt_zoo_name(int32_t index) { return index < 0 || index >= ENTRIES ? NULL : entries[index].name; }

nnopt_status nnopt_zoo_get_info(const char *name, nnopt_zoo_info *info)
{
	const entry *e = NULL;
	nnopt_status status = nnopt_result_check(info, "zoo_info");
	if (status == NNOPT_OK)
		status = find(&e, "zoo_get_info", name);
	if (status != NNOPT_OK)
		return status;
	nnopt_zoo_info full = { .struct_size = sizeof full,
				.name = e->name,
				.description = e->description,
				.picture = e->picture,
				.classes = e->classes,
				.forms = e->forms };
	nnopt_result_give(info, &full, sizeof full);
	return NNOPT_OK;
}

static const nnopt_zoo_options option_defaults = { .struct_size = sizeof(nnopt_zoo_options),
						   .width = 1.0,
						   .dropout = -1.0 };

nnopt_status nnopt_zoo_options_init(nnopt_zoo_options *options, size_t size)
{
	return nnopt_options_init(options, size, &option_defaults, sizeof option_defaults, "zoo_options");
}

nnopt_status nnopt_zoo_create(nnopt_model **out, nnopt_context *context, const char *name, int64_t classes,
			      const nnopt_zoo_options *options)
{
	nnopt_zoo_options o = option_defaults;
	const entry *e = NULL;
	nnopt_status status = find(&e, "zoo_create", name);
	if (status == NNOPT_OK)
		status = nno_zoo_check(e->name, out, context, classes);
	if (status == NNOPT_OK)
		status = nnopt_options_read(&o, sizeof o, options, "zoo_options");
	if (status == NNOPT_OK && o.picture < 0)
		status = nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT, "zoo_create: picture %lld, 0 or more wanted",
				      (long long)o.picture);
	if (status == NNOPT_OK && !e->width && o.width != 1.0)
		status = nno_zoo_fail(NNOPT_ERROR_INVALID_ARGUMENT,
				      "zoo_create: width %g, 1 wanted: %s has no other widths", o.width, e->name);
	if (status != NNOPT_OK)
		return status;
	request r = { .out = out, .context = context, .classes = classes, .width = o.width, .dropout = o.dropout };
	r.form = e->forms && o.picture > 0 && o.picture <= LARGEST_CIFAR ? NNOPT_FORM_CIFAR : NNOPT_FORM_IMAGENET;
	return e->make(&r, e->size, e->more);
}
