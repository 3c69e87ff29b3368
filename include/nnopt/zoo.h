/**
 * @file zoo.h
 * Named networks: the families that papers and pretrained weights use, as models to train or to load weights into. Every
 * function here makes a model that is described but not built: it takes pictures of any size that its strides allow, of any
 * number of channels, and gives (N, classes) logits. It is made with the public graph functions alone, so what it makes can
 * be written as JSON, saved, extended and frozen like any other model.
 *
 * Layers have the names of the reference implementation that each function states, so that its state dict, saved as
 * safetensors, is read by nnopt_model_load_weights() as it is.
 *
 * Convolutions of all families but the plain CNN begin with He et al.'s uniform values (2015), linear layers with PyTorch's.
 * A `width` multiplies the channels of every layer but the last; products are rounded to multiples of 8 as torchvision's
 * MobileNets do (never below 8, nor below 90 % of the product). NULL options are the defaults.
 *
 * Errors of all create functions: INVALID_ARGUMENT, naming the option, and OUT_OF_MEMORY; *out is untouched then.
 */
#ifndef NNOPT_ZOO_H
#define NNOPT_ZOO_H

#include <nnopt/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Which pictures a network's first layers, strides and head are shaped for. @since 0.1 */
typedef enum nnopt_zoo_form {
	NNOPT_FORM_IMAGENET = 0, /**< as published for ImageNet: pictures of about 224 x 224, halved five times */
	NNOPT_FORM_CIFAR = 1,    /**< for pictures of about 32 x 32: as usual for CIFAR, the first halvings are left out */
	NNOPT_FORM_FORCE_32 = 0x7fffffff
} nnopt_zoo_form;

/** Options of nnopt_plain_cnn_create(). @since 0.1 */
typedef struct nnopt_plain_cnn_options {
	size_t struct_size;
	int64_t depth;      /**< convolutions, 1 to 8, each with a pooling that halves the picture; default 2 */
	int64_t hidden;     /**< features of the hidden linear layer; 0: none. Default 512. */
	double width;       /**< times 32 channels in the first convolution, twice as many in each that follows; default 1 */
	double dropout;     /**< before the last layer, in [0, 1); default 0.5 */
	int32_t batch_norm; /**< 1: after each convolution, which then has no bias. Default 0. */
	int32_t reserved;   /**< 0 */
} nnopt_plain_cnn_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_plain_cnn_options_init(nnopt_plain_cnn_options *options, size_t size);
/** A plain CNN: depth times (3x3 convolution, ReLU, 2x2 maximum), a hidden linear layer with ReLU, dropout, the last linear
 *  layer; PyTorch's first values throughout. By default that of docs/performance.md. Names: conv1, bn1, ..., fc1, fc2.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_plain_cnn_create(nnopt_model **out, nnopt_context *context, int64_t classes,
                                              const nnopt_plain_cnn_options *options);

/** Options of nnopt_vgg_create(). @since 0.1 */
typedef struct nnopt_vgg_options {
	size_t struct_size;
	int64_t hidden;     /**< features of the two hidden linear layers of NNOPT_FORM_IMAGENET; default 4096 */
	double width;       /**< default 1 */
	double dropout;     /**< in the head, in [0, 1); -1, the default: 0.5 in NNOPT_FORM_IMAGENET, 0 in NNOPT_FORM_CIFAR */
	int32_t batch_norm; /**< default 1 */
	int32_t form;       /**< nnopt_zoo_form, default NNOPT_FORM_IMAGENET */
} nnopt_vgg_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_vgg_options_init(nnopt_vgg_options *options, size_t size);
/** VGG; Simonyan and Zisserman 2015, configurations A, B, D and E, as torchvision.models.vgg*: names and parameters are its
 *  own. NNOPT_FORM_CIFAR has, as usual there, the mean of each channel and one linear layer, "classifier", instead of the head,
 *  with `dropout` before it, and no biases where a batch norm follows.
 *  @param depth 11, 13, 16 or 19. @since 0.1 */
NNOPT_API nnopt_status nnopt_vgg_create(nnopt_model **out, nnopt_context *context, int64_t depth, int64_t classes,
                                        const nnopt_vgg_options *options);

/** Options of nnopt_resnet_create(). @since 0.1 */
typedef struct nnopt_resnet_options {
	size_t struct_size;
	int64_t groups;          /**< of the 3x3 convolutions of bottleneck blocks, default 1; 32 in ResNeXt (Xie et al. 2017) */
	int64_t width_per_group; /**< of bottleneck blocks, default 64; 4 in ResNeXt-50 32x4d, 128 in wide ResNet-50-2 */
	double width;            /**< default 1 */
	double dropout;          /**< before the last layer, in [0, 1); default 0 */
	int32_t form;            /**< nnopt_zoo_form, default NNOPT_FORM_IMAGENET. CIFAR: a 3x3 convolution of stride 1 instead of
	                              the first convolution and the pooling. */
	int32_t zero_init;       /**< 1: the last batch norm of each block begins with the scale 0 (Goyal et al. 2017). Default 0. */
	int64_t squeeze;         /**< squeeze and excitation at the end of each block (Hu et al. 2018) over channels / squeeze values,
	                              as torchvision.ops.SqueezeExcitation "se"; 16 in the paper. Default 0: none. */
	double stochastic_depth; /**< rate at which the last block is left out in training, in [0, 1); those before it in proportion to
	                              their place (Huang et al. 2016). Default 0. */
} nnopt_resnet_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_resnet_options_init(nnopt_resnet_options *options, size_t size);
/** ResNet; He et al. 2016 (the stride of a bottleneck in its 3x3 convolution), as torchvision.models.resnet*: names and
 *  parameters are its own, for wide and grouped ones too. @param depth 18, 34 (basic blocks), 50, 101 or 152 (bottlenecks).
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_resnet_create(nnopt_model **out, nnopt_context *context, int64_t depth, int64_t classes,
                                           const nnopt_resnet_options *options);

/** Options of nnopt_cifar_resnet_create(). @since 0.1 */
typedef struct nnopt_cifar_resnet_options {
	size_t struct_size;
	double width;      /**< default 1 */
	double dropout;    /**< before the last layer, in [0, 1); default 0 */
	int32_t zero_init; /**< as in nnopt_resnet_options */
	int32_t reserved;  /**< 0 */
	int64_t squeeze;   /**< as in nnopt_resnet_options */
} nnopt_cifar_resnet_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_cifar_resnet_options_init(nnopt_cifar_resnet_options *options, size_t size);
/** The ResNet for 32 x 32 of He et al. 2016, section 4.2: three stages of 16, 32 and 64 channels. Where the shape changes, the
 *  shortcut is a 1x1 convolution with batch norm (the paper's option B; its option A, which repeats no weights but fills up
 *  with channels of zeros, has 2,752 parameters fewer at any depth and about the same accuracy).
 *  Names: conv1, bn1, layer1.0.conv1, ..., layer2.0.shortcut.0, ..., linear.
 *  @param depth 6 n + 2: 20, 32, 44, 56, 110. @since 0.1 */
NNOPT_API nnopt_status nnopt_cifar_resnet_create(nnopt_model **out, nnopt_context *context, int64_t depth, int64_t classes,
                                                 const nnopt_cifar_resnet_options *options);

/** Options of nnopt_preact_resnet_create(). @since 0.1 */
typedef struct nnopt_preact_resnet_options {
	size_t struct_size;
	double width;       /**< default 1 */
	double dropout;     /**< before the last layer, in [0, 1); default 0 */
	int32_t final_norm; /**< 1: batch norm "bn" and ReLU after the last block, as in the paper; 0: none, as in kuangliu's. Default 1. */
	int32_t reserved;   /**< 0 */
} nnopt_preact_resnet_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_preact_resnet_options_init(nnopt_preact_resnet_options *options, size_t size);
/** Pre-activation ResNet for 32 x 32; He et al. 2016 (Identity mappings in deep residual networks), in the form of kuangliu's
 *  pytorch-cifar, whose names it has. @param depth 18, 34 (basic blocks), 50, 101 or 152 (bottlenecks). @since 0.1 */
NNOPT_API nnopt_status nnopt_preact_resnet_create(nnopt_model **out, nnopt_context *context, int64_t depth, int64_t classes,
                                                  const nnopt_preact_resnet_options *options);

/** Options of nnopt_wide_resnet_create(). @since 0.1 */
typedef struct nnopt_wide_resnet_options {
	size_t struct_size;
	double dropout; /**< between the convolutions of each block, in [0, 1); 0.3 in the paper. Default 0. */
} nnopt_wide_resnet_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_wide_resnet_options_init(nnopt_wide_resnet_options *options, size_t size);
/** Wide ResNet for 32 x 32, WRN-depth-widen; Zagoruyko and Komodakis 2016, with the names of xternalz's WideResNet-pytorch:
 *  conv1, block1.layer.0.bn1, ..., block1.layer.0.convShortcut, ..., bn1, fc.
 *  @param depth 6 n + 4: 16, 22, 28, 40. @param widen the factor on 16, 32 and 64 channels, 1 to 64. @since 0.1 */
NNOPT_API nnopt_status nnopt_wide_resnet_create(nnopt_model **out, nnopt_context *context, int64_t depth, int64_t widen,
                                                int64_t classes, const nnopt_wide_resnet_options *options);

/** Options of nnopt_mobilenet_v1_create() and nnopt_mobilenet_v2_create(). @since 0.1 */
typedef struct nnopt_mobilenet_options {
	size_t struct_size;
	double width;     /**< default 1; 0.75, 0.5 and 0.25 in the papers */
	double dropout;   /**< before the last layer, in [0, 1); -1, the default: 0 in v1, 0.2 in v2 */
	int32_t form;     /**< nnopt_zoo_form, default NNOPT_FORM_IMAGENET. CIFAR: the first two strides (v1: the first) are 1. */
	int32_t reserved; /**< 0 */
} nnopt_mobilenet_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_mobilenet_options_init(nnopt_mobilenet_options *options, size_t size);
/** MobileNet; Howard et al. 2017, with the names of kuangliu's pytorch-cifar: conv1, bn1, layers.0.conv1, ..., linear.
 *  @since 0.1 */
NNOPT_API nnopt_status nnopt_mobilenet_v1_create(nnopt_model **out, nnopt_context *context, int64_t classes,
                                                 const nnopt_mobilenet_options *options);
/** MobileNetV2; Sandler et al. 2018, as torchvision.models.mobilenet_v2: names and parameters are its own. @since 0.1 */
NNOPT_API nnopt_status nnopt_mobilenet_v2_create(nnopt_model **out, nnopt_context *context, int64_t classes,
                                                 const nnopt_mobilenet_options *options);

/** Options of nnopt_efficientnet_lite_create(). @since 0.1 */
typedef struct nnopt_efficientnet_lite_options {
	size_t struct_size;
	double dropout;   /**< before the last layer, in [0, 1); -1, the default: the variant's own, 0.2 or 0.3 */
	int32_t form;     /**< nnopt_zoo_form, default NNOPT_FORM_IMAGENET. CIFAR: the first two strides are 1. */
	int32_t reserved; /**< 0 */
	double stochastic_depth; /**< drop connect: rate at which the block after the last would be left out in training, in [0, 1); each in
	                              proportion to its number. Default 0.2, as published. */
} nnopt_efficientnet_lite_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_efficientnet_lite_options_init(nnopt_efficientnet_lite_options *options, size_t size);
/** EfficientNet-Lite; Tan and Le 2019 without squeeze-and-excitation and with ReLU6 (R. Liu, TensorFlow's TPU repository,
 *  2020): convolutions padded as TensorFlow's (NNOPT_PADDING_SAME_UPPER), batch norms with epsilon 1e-3 and momentum 0.01.
 *  Names of lukemelas' EfficientNet-PyTorch: _conv_stem, _bn0, _blocks.0._depthwise_conv, ..., _fc.
 *  @param variant 0 to 4; published for pictures of side 224, 240, 260, 280 and 300. @since 0.1 */
NNOPT_API nnopt_status nnopt_efficientnet_lite_create(nnopt_model **out, nnopt_context *context, int64_t variant, int64_t classes,
                                                      const nnopt_efficientnet_lite_options *options);

/** Options of nnopt_speed_net_create(). @since 0.1 */
typedef struct nnopt_speed_net_options {
	size_t struct_size;
	double width; /**< of the three groups; default 1 */
	double scale; /**< on the logits, above 0; default 1/9 */
} nnopt_speed_net_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_speed_net_options_init(nnopt_speed_net_options *options, size_t size);
/** The network that reaches a given accuracy on CIFAR-10 in the least time; Jordan 2024 (94% on CIFAR-10 in 3.29 seconds on a
 *  single GPU; airbench94, 95 and 96): a 2x2 convolution "whiten" of twice as many filters as its patches have values, three
 *  groups of convolutions with a pooling after the first (Dirac first values, batch norms with bias alone, GELU; in 96 with a sum
 *  over the last two), the maximum, and a linear layer without bias whose result is scaled. For pictures of 32 x 32 (31 to 46)
 *  with three channels. Names: whiten, group1.conv1, group1.norm1, ..., head.
 *  The first weight is to be set from pictures and frozen:
 *  @code
 *  nnopt_model_build(net, 3, (const int64_t[]){ 3, 32, 32 });
 *  nnopt_model_find_parameter(net, "whiten.weight", &index);
 *  nnopt_model_initialise_whitening(net, index, images, 5e-4);
 *  nnopt_model_set_trainable(net, "whiten.weight", 0, NULL);
 *  @endcode
 *  @param target 94, 95 or 96. @since 0.1 */
NNOPT_API nnopt_status nnopt_speed_net_create(nnopt_model **out, nnopt_context *context, int64_t target, int64_t classes,
                                              const nnopt_speed_net_options *options);

/* ---- by name ---- */

/** What a named network is. @since 0.1 */
typedef struct nnopt_zoo_info {
	size_t struct_size;
	const char *name;        /**< "resnet18" */
	const char *description; /**< one line: family, source */
	int64_t picture;         /**< side of the pictures it was published for */
	int64_t classes;         /**< that it was published with */
	int32_t forms;           /**< 1: it has NNOPT_FORM_CIFAR beside its own; 0: one form */
	int32_t reserved;        /**< 0 */
} nnopt_zoo_info;

/** Number of named networks. @since 0.1 */
NNOPT_API int32_t nnopt_zoo_count(void);
/** Name of network `index`, by family and size; NULL past the end. @since 0.1 */
NNOPT_API const char *nnopt_zoo_name(int32_t index);
/** Describes the network called `name`; set info->struct_size first. NOT_FOUND otherwise. @since 0.1 */
NNOPT_API nnopt_status nnopt_zoo_get_info(const char *name, nnopt_zoo_info *info);

/** Options of nnopt_zoo_create(). @since 0.1 */
typedef struct nnopt_zoo_options {
	size_t struct_size;
	int64_t picture; /**< side of the pictures that will come in; up to 64 choose NNOPT_FORM_CIFAR where there is that form.
	                      0, the default: the side it was published for. */
	double width;    /**< as in the family's options, which wide ResNet and EfficientNet-Lite do not have; default 1 */
	double dropout;  /**< in [0, 1); -1, the default: the network's own */
} nnopt_zoo_options;
/** Fills `options` with the defaults. @param size sizeof *options. @since 0.1 */
NNOPT_API nnopt_status nnopt_zoo_options_init(nnopt_zoo_options *options, size_t size);
/** The network called `name`. Errors: NOT_FOUND, and as above. @since 0.1 */
NNOPT_API nnopt_status nnopt_zoo_create(nnopt_model **out, nnopt_context *context, const char *name, int64_t classes,
                                        const nnopt_zoo_options *options);

#ifdef __cplusplus
}
#endif

#endif
