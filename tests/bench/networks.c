/* networks.c - which of the zoo's networks the benchmark runs, in their CIFAR forms (32 x 32, ten classes). Only the
 * baseline has dropout, as what they are compared with. */
#include "networks.h"

const network networks[] = {
	{ "baseline", "plain_cnn", 64, 32, 0.5 },        { "resnet20", "resnet20", 128, 32, 0.0 },
	{ "resnet18", "resnet18", 128, 32, 0.0 },        { "vgg11_bn", "vgg11_bn", 128, 32, 0.0 },
	{ "mobilenetv2", "mobilenet_v2", 128, 32, 0.0 },
};
const int network_count = sizeof networks / sizeof *networks;
