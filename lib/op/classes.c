/* classes.c - every op class: which of its values backward reads, what it may overwrite, and its code for each type;
 * and what there is for values by themselves. */
#include "op/op.h"

#include "op/own.h"

#define NNO_OP(name) extern const nno_op_code nno_code_##name##_f32, nno_code_##name##_bf16, nno_code_##name##_f16;
#include "op/ops.inc"
#undef NNO_OP

#define CODE(name) .code = { &nno_code_##name##_f32, &nno_code_##name##_bf16, &nno_code_##name##_f16 }

extern const nno_values nno_values_f32, nno_values_bf16, nno_values_f16;

const nno_values *nno_values_of(nno_type type)
{
	static const nno_values *const values[NNO_TYPES] = { &nno_values_f32, &nno_values_bf16, &nno_values_f16 };
	return values[type];
}

/* --- convolution and linear --- */

#define CONVOLUTION(op) .name = #op, .attr_size = sizeof(nno_conv_attr), .needs_src = true, .can_add = true

const nno_op_class nno_op_conv = { CONVOLUTION(conv), CODE(conv) };
const nno_op_class nno_op_conv_depthwise = { CONVOLUTION(conv_depthwise), CODE(conv_depthwise) };
const nno_op_class nno_op_conv_winograd = { CONVOLUTION(conv_winograd), CODE(conv_winograd) };
const nno_op_class nno_op_conv_pointwise = { CONVOLUTION(conv_pointwise), CODE(conv_pointwise) };
const nno_op_class nno_op_conv_images = { CONVOLUTION(conv_images), CODE(conv_images) };
const nno_op_class nno_op_conv_pairs = { CONVOLUTION(conv_pairs), .code = { [NNO_BF16] = &nno_code_conv_pairs_bf16 } };
const nno_op_class nno_op_conv_pointwise_pairs = { CONVOLUTION(conv_pointwise_pairs),
						   .code = { [NNO_BF16] = &nno_code_conv_pointwise_pairs_bf16 } };
#define LINEAR(op) .name = #op, .attr_size = sizeof(nno_linear_attr), .needs_src = true, .can_add = true
const nno_op_class nno_op_linear = { LINEAR(linear), CODE(linear) };
const nno_op_class nno_op_linear_pairs = { LINEAR(linear_pairs), .code = { [NNO_BF16] = &nno_code_linear_pairs_bf16 } };

/* --- pooling, normalisation, dropout --- */

const nno_op_class nno_op_max_pool = {
	.name = "max_pool", .attr_size = sizeof(nno_pool_attr), .can_add = true, CODE(max_pool)
};
const nno_op_class nno_op_avg_pool = {
	.name = "avg_pool", .attr_size = sizeof(nno_pool_attr), .can_add = true, CODE(avg_pool)
};
const nno_op_class nno_op_batch_norm = { .name = "batch_norm",
					 .attr_size = sizeof(nno_norm_attr),
					 .needs_src = true,
					 .inplace = true,
					 .gradient_inplace = 3,
					 .can_add = true,
					 CODE(batch_norm) };
#define OWN_NORM(op, attr)                                                                                 \
	.name = #op, .attr_size = sizeof(attr), .needs_src = true, .inplace = true, .gradient_inplace = 1, \
	.can_add = true, CODE(op)
const nno_op_class nno_op_layer_norm = { OWN_NORM(layer_norm, nno_layer_norm_attr) };
const nno_op_class nno_op_group_norm = { OWN_NORM(group_norm, nno_group_norm_attr) };
#define DROPOUT(op) .name = #op, .attr_size = sizeof(nno_dropout_attr), .inplace = true, .gradient_inplace = 1, CODE(op)
const nno_op_class nno_op_dropout = { DROPOUT(dropout) };
const nno_op_class nno_op_dropout2d = { DROPOUT(dropout2d) };
const nno_op_class nno_op_drop_block = { DROPOUT(drop_block) };
const nno_op_class nno_op_stochastic_depth = { DROPOUT(stochastic_depth) };

/* --- activations --- */

#define ACTIVATION(op) .name = #op, .attr_size = sizeof(nno_act_attr), .can_add = true, CODE(op)
#define FROM_RESULT .needs_dst = true, .inplace = true, .gradient_inplace = 1

const nno_op_class nno_op_relu = { ACTIVATION(relu), FROM_RESULT };
const nno_op_class nno_op_relu6 = { ACTIVATION(relu6), FROM_RESULT };
const nno_op_class nno_op_sigmoid = { ACTIVATION(sigmoid), FROM_RESULT };
const nno_op_class nno_op_tanh = { ACTIVATION(tanh), FROM_RESULT };
const nno_op_class nno_op_leaky_relu = { ACTIVATION(leaky_relu), .needs_src = true };
const nno_op_class nno_op_gelu = { ACTIVATION(gelu), .needs_src = true };
const nno_op_class nno_op_silu = { ACTIVATION(silu), .needs_src = true };
const nno_op_class nno_op_hard_sigmoid = { ACTIVATION(hard_sigmoid), .needs_src = true };
const nno_op_class nno_op_hard_swish = { ACTIVATION(hard_swish), .needs_src = true };
const nno_op_class nno_op_softmax = { ACTIVATION(softmax), .needs_dst = true };

/* --- recurrent --- */

#define RECURRENT(op) .name = #op, .attr_size = sizeof(nno_recurrent_attr), .needs_src = true, .can_add = true, CODE(op)

const nno_op_class nno_op_lstm = { RECURRENT(lstm) };
const nno_op_class nno_op_gru = { RECURRENT(gru) };

/* --- values moved, and the caller's functions --- */

const nno_op_class nno_op_flatten = { .name = "flatten", CODE(flatten) };
const nno_op_class nno_op_add = {
	.name = "add", .inplace = true, .gradient_inplace = (1u << NNO_OP_MAX_INPUTS) - 1, .can_add = true, CODE(add)
};
const nno_op_class nno_op_multiply = {
	.name = "multiply", .needs_src = true, .inplace = true, .gradient_inplace = 1, .can_add = true, CODE(multiply)
};
const nno_op_class nno_op_scale = { .name = "scale",
				    .attr_size = sizeof(nno_scale_attr),
				    .inplace = true,
				    .gradient_inplace = 1,
				    .can_add = true,
				    CODE(scale) };
const nno_op_class nno_op_concat = { .name = "concat", .can_add = true, CODE(concat) };
const nno_op_class nno_op_weighted_sum = { .name = "weighted_sum",
					   .attr_size = sizeof(nno_weighted_sum_attr),
					   .needs_src = true,
					   .can_add = true,
					   CODE(weighted_sum) };
const nno_op_class nno_op_own = { .name = "own",
				  .attr_size = sizeof(nno_own_attr),
				  .needs_src = true,
				  .needs_dst = true,
				  .destroy = nno_own_destroy,
				  CODE(own) };
