/* builder.h - what the families share: layers are added one after the other under their names, and a failure is kept,
 * so that a network reads as a list. The room sees public headers only. */
#ifndef NNO_ZOO_BUILDER_H
#define NNO_ZOO_BUILDER_H

#include "nnopt/zoo.h"

#include <stdbool.h>

typedef struct nno_builder {
	nnopt_context *context;
	nnopt_model *model;
	nnopt_status status;           /* of the first failure; after it nothing is added */
	nnopt_conv2d_options conv;     /* of every convolution, but for what its spec says */
	nnopt_batch_norm_options norm; /* of every batch norm */
	char prefix[40];               /* of the names that follow */
} nno_builder;

/* 0 stands for 1 in stride and groups. */
typedef struct nno_zoo_conv_spec {
	int64_t out, kernel, stride, groups;
} nno_zoo_conv_spec;

typedef nnopt_status (*nno_zoo_plain)(nnopt_layer **out, nnopt_context *context); /* a layer without options */

/* nnopt_fail() with a format. */
nnopt_status nno_zoo_fail(nnopt_status status, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* Rules that families share; `what` begins the text. */
nnopt_status nno_zoo_check(const char *what, nnopt_model **out, nnopt_context *context, int64_t classes);
nnopt_status nno_zoo_check_width(const char *what, double width);
nnopt_status nno_zoo_check_dropout(const char *what, double dropout);
nnopt_status nno_zoo_check_form(const char *what, int32_t form);
nnopt_status nno_zoo_check_squeeze(const char *what, int64_t squeeze);
nnopt_status nno_zoo_check_stochastic_depth(const char *what, double p);

/* Channels times `width`: rounded to a multiple of 8, at least 8, and at least 90 % of the product; _make_divisible()
 * of torchvision, round_filters() of EfficientNet. */
int64_t nno_zoo_channels(double channels, double width);

/* Begins a model: convolutions without bias, padded to the same size, with He's uniform values. */
void nno_zoo_start(nno_builder *b, nnopt_context *context);
/* What the builder made, or its failure. */
nnopt_status nno_zoo_finish(nno_builder *b, nnopt_model **out);

/* Names that follow begin with this text. */
void nno_zoo_prefix(nno_builder *b, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* Each returns its node. */
int32_t nno_zoo_conv(nno_builder *b, int32_t from, const char *name, nno_zoo_conv_spec spec);
int32_t nno_zoo_norm(nno_builder *b, int32_t from, const char *name);
int32_t nno_zoo_linear(nno_builder *b, int32_t from, const char *name, int64_t features,
		       const nnopt_linear_options *options);
/* A layer without name that `made` says was made; destroys the handle. */
int32_t nno_zoo_add_made(nno_builder *b, nnopt_status made, nnopt_layer *layer, int32_t from);
int32_t nno_zoo_add_plain(nno_builder *b, int32_t from, nno_zoo_plain create);
int32_t nno_zoo_max_pool(nno_builder *b, int32_t from, int64_t kernel, int64_t stride, int64_t padding);
int32_t nno_zoo_adaptive_avg_pool(nno_builder *b, int32_t from, int64_t side);
int32_t nno_zoo_sum(nno_builder *b, int32_t first, int32_t second);
/* `from` itself where p is 0. */
int32_t nno_zoo_dropout(nno_builder *b, int32_t from, double p);
/* The same, of whole samples, at the end of a residual branch. */
int32_t nno_zoo_stochastic_depth(nno_builder *b, int32_t from, double p);
/* Squeeze and excitation under the names se.fc1 and se.fc2 of torchvision.ops.SqueezeExcitation; `from` itself where
 * `squeeze`, channels to one in between, is 0. */
int32_t nno_zoo_gate(nno_builder *b, int32_t from, int64_t channels, int64_t squeeze);

static inline int32_t nno_zoo_relu(nno_builder *b, int32_t from)
{
	return nno_zoo_add_plain(b, from, nnopt_relu_create);
}
static inline int32_t nno_zoo_relu6(nno_builder *b, int32_t from)
{
	return nno_zoo_add_plain(b, from, nnopt_relu6_create);
}

/* The four stages of a ResNet: how many blocks, and whether they are bottlenecks of 1x1, 3x3 and 1x1. NULL: no such
 * depth. */
enum { NNO_ZOO_STAGES = 4 };
typedef struct nno_zoo_residual {
	int64_t depth;
	bool bottleneck;
	int64_t count[NNO_ZOO_STAGES];
} nno_zoo_residual;
const nno_zoo_residual *nno_zoo_residual_of(int64_t depth);

/* The mean of each channel, dropout, the classes. */
void nno_zoo_head(nno_builder *b, int32_t from, const char *name, int64_t classes, double dropout);

#endif
